/** Generated messages and frames that the program itself may make, for the property tests. */
import fc from "fast-check";
import { cardSetOf } from "../../src/base/card-set.ts";
import { type Address, type CardId, everybody, multiplexor, type SenderId } from "../../src/base/ids.ts";
import {
  checkCodeBytesMax,
  configHashesMax,
  configPartsMax,
  entryBytesMax,
  epochsMax,
  failingReasonBytesMax,
  fragmentCountMax,
  holdCodeBytesMax,
  nameBytesMax,
  passEntriesMax,
  selfTestChecksMax,
  sequenceMax,
  softwareBytesMax,
  uidBytes,
  viewNumberMax,
} from "../../src/limits.ts";
import { Keyring } from "../../src/wire/auth.ts";
import type { Frame } from "../../src/wire/frame.ts";
import type { Entry, Message } from "../../src/wire/message.ts";
import { frameFits } from "../../src/wire/reassembly.ts";

export const system = 0xc0de;
export const keyA: Uint8Array = Uint8Array.from({ length: 32 }, (_, index) => index);
export const keyB: Uint8Array = Uint8Array.from({ length: 32 }, (_, index) => 0xff - index);
export const keyring = new Keyring([keyA]);

/** 32 bits, the ends and the steps of CBOR's lengths more often. */
export const uint32 = fc.oneof(
  fc.integer({ min: 0, max: 0xffffffff }),
  fc.constantFrom(0, 23, 24, 0xff, 0x100, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff),
);
export const sequence = fc.oneof(fc.maxSafeNat(), uint32, fc.constantFrom(2 ** 32, 2 ** 32 + 1, 2 ** 52, Number.MAX_SAFE_INTEGER));
export const card = fc.integer({ min: 1, max: 64 }) as fc.Arbitrary<CardId>;
const slot = fc.integer({ min: 1, max: 8 });
export const cardSet = fc.tuple(card, fc.uniqueArray(card, { maxLength: 64 })).map(([speaker, cards]) => cardSetOf(speaker, cards));

/** Plain objects, as the program has them. */
function record<Fields>(model: { [Name in keyof Fields]: fc.Arbitrary<Fields[Name]> }): fc.Arbitrary<Fields> {
  return fc.record(model, { noNullPrototype: true }) as fc.Arbitrary<Fields>;
}

function textOf(bytesMax: number): fc.Arbitrary<string> {
  return fc.string({ unit: "binary", maxLength: bytesMax }).filter((text) => new TextEncoder().encode(text).length <= bytesMax);
}

const periodMs = fc.integer({ min: 1, max: 60_000 });

const view = uint32.map((number) => number || 1);

const plainHeartbeat = record({
  kind: fc.constant("heartbeat" as const),
  etherPort: fc.boolean(),
  serialPort: fc.boolean(),
  etherTicks: cardSet,
  view: fc.integer({ min: 0, max: 0xffff }),
  serialTicks: cardSet,
});
/** With the head of a configuration, or of a card that has none. */
export const heartbeat = fc.oneof(
  plainHeartbeat,
  fc.tuple(plainHeartbeat, fc.integer({ min: 0, max: 0xffff })).map(([beat, head]) => ({ ...beat, head })),
);

export function advert(echoesMax: number, echoesMin = 0): fc.Arbitrary<Message> {
  return record({
    kind: fc.constant("advert" as const),
    uid: fc.uint8Array({ minLength: uidBytes, maxLength: uidBytes }),
    name: textOf(nameBytesMax),
    nonce: uint32,
    echoes: fc.uniqueArray(record({ card, nonce: uint32 }), { minLength: echoesMin, maxLength: echoesMax, selector: (echo) => echo.card }),
    etherPeriodMs: periodMs,
    serialPeriodMs: periodMs,
    versions: fc.tuple(fc.integer({ min: 0, max: 15 }), fc.integer({ min: 0, max: 15 })).map(([one, other]) =>
      one < other ? [one, other] as const : [other, one] as const
    ),
    software: textOf(softwareBytesMax),
  }).map(({ versions, ...rest }) => ({ ...rest, wireMin: versions[0], wireMax: versions[1] }));
}

export function fragment(dataBytesMax: number): fc.Arbitrary<Message> {
  return fc.integer({ min: 1, max: fragmentCountMax }).chain((count) =>
    record({
      kind: fc.constant("fragment" as const),
      id: uint32,
      index: fc.integer({ min: 0, max: count - 1 }),
      count: fc.constant(count),
      data: fc.uint8Array({ minLength: 1, maxLength: dataBytesMax, size: "max" }),
    })
  );
}

/** What is left of `length` things after some of them were given away: their places, in order. */
const someOf = (length: number) => fc.subarray([...Array(length).keys()]);

/** Cards in up to three sets without a common card, and a subset of the first, for a speaker. */
const seats = fc.tuple(card, fc.uniqueArray(card, { minLength: 1, maxLength: 64 })).chain(([speaker, cards]) =>
  fc.tuple(fc.integer({ min: 1, max: cards.length }), fc.nat({ max: cards.length })).chain(([memberCount, upTo]) => {
    const members = cards.slice(0, memberCount);
    return someOf(memberCount).map((places) => ({
      count: memberCount,
      members: cardSetOf(speaker, members),
      ether: cardSetOf(speaker, places.map((at) => members[at] as CardId)),
      down: cardSetOf(speaker, cards.slice(memberCount, upTo)),
      unknown: cardSetOf(speaker, cards.slice(Math.max(memberCount, upTo))),
    }));
  })
);

const listOf = (count: number) => fc.array(uint32, { minLength: count, maxLength: count });

const body = fc.oneof(
  { weight: 20, arbitrary: fc.uint8Array({ maxLength: 60 }) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: entryBytesMax }).map((length) => new Uint8Array(length).fill(0x5a)) },
);

const entry: fc.Arbitrary<Entry> = fc.oneof(
  record({ type: fc.constantFrom("view" as const, "control" as const), origin: card, id: fc.constant(0), body }),
  record({ type: fc.constant("data" as const), origin: card, id: sequence.map((id) => id || 1), body }),
);

/** Entries that a message has room for. */
function entriesOf(countMax: number): fc.Arbitrary<Entry[]> {
  return fc.array(entry, { maxLength: countMax }).map((entries) => {
    let bytes = 0;
    return entries.filter((one) => (bytes += one.body.length + 20) < entryBytesMax + 20);
  });
}

const placedEntries = fc.tuple(entriesOf(passEntriesMax), sequence).map(([entries, place]) => ({
  entries,
  first: Math.max(1, Math.min(place, sequenceMax - entries.length)),
}));

/** Rising, from 1: sums of steps. */
const rising = (max: number, countMax: number) =>
  fc.array(fc.integer({ min: 1, max: Math.floor(max / countMax) }), { maxLength: countMax }).map((steps) => {
    let sum = 0;
    return steps.map((step) => sum += step);
  });

export const membership: fc.Arbitrary<Message> = fc.oneof(
  record({ kind: fc.constant("wantView" as const), previous: uint32, promised: uint32 }),
  fc.tuple(view, seats).chain(([number, { count, members, ether }]) =>
    listOf(count).map((incarnations) => ({ kind: "proposeView" as const, number, members, incarnations, ether }))
  ),
  record({ kind: fc.constant("promiseView" as const), number: view, previous: uint32, down: cardSet }),
  record({ kind: fc.constant("refuseView" as const), number: view, promised: uint32, missing: cardSet }),
  fc.tuple(view, seats).chain(([number, { count, ...sets }]) =>
    fc.tuple(listOf(count), listOf(count)).map(([incarnations, previous]) => ({
      kind: "commitView" as const,
      number,
      ...sets,
      incarnations,
      previous,
    }))
  ),
  record({ kind: fc.constant("committedView" as const), number: view }),
  record({ kind: fc.constant("failing" as const), reason: textOf(failingReasonBytesMax) }),
);

/** Of the protocol that orders messages; on Ethernet alone, where many go in fragments. */
export const order: fc.Arbitrary<Message> = fc.oneof(
  record({
    kind: fc.constant("submit" as const),
    view,
    entries: entriesOf(passEntriesMax),
    floor: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  }),
  fc.tuple(placedEntries, record({ kind: fc.constant("pass" as const), view, pass: sequence, committed: sequence, delivered: sequence }))
    .map(([{ entries, first }, rest]) => ({ ...rest, first, entries })),
  record({ kind: fc.constant("commit" as const), view, committed: sequence }),
  fc.tuple(
    sequence,
    sequence,
    record({
      kind: fc.constant("flush" as const),
      view,
      epoch: uint32,
      deliveredEpoch: uint32,
      whole: fc.boolean(),
      ready: fc.boolean(),
    }),
  ).map(([one, other, rest]) => ({ ...rest, held: Math.max(one, other), delivered: Math.min(one, other) })),
  fc.tuple(
    placedEntries,
    uint32,
    fc.tuple(rising(viewNumberMax, epochsMax), rising(sequenceMax, epochsMax)),
    record({
      kind: fc.constant("sync" as const),
      view,
      skip: fc.boolean(),
      marks: fc.array(record({ card, incarnation: uint32, id: sequence }), { maxLength: 64 }),
    }),
  ).map(([{ entries, first }, further, [views, firsts], rest]) => ({
    ...rest,
    first,
    entries,
    last: Math.min(sequenceMax, first + entries.length - 1 + further),
    epochs: views.slice(0, firsts.length).map((number, index) => ({ view: number, first: firsts[index] as number })),
  })),
);

const hash = fc.uint8Array({ minLength: 32, maxLength: 32 });
const configHead = record({ sequence, epoch: uint32, hash });
const cards = fc.uniqueArray(card, { maxLength: 64 });
const part = fc.integer({ min: 1, max: configPartsMax });

/** Between replicas of the configuration; on Ethernet alone. */
export const configuration: fc.Arbitrary<Message> = fc.oneof(
  record({
    kind: fc.constant("configState" as const),
    announced: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
    accepted: configHead,
    level: uint32,
    lineage: view,
    replicas: fc.uniqueArray(card, { minLength: 1, maxLength: 64 }),
    levels: fc.array(record({ card, levelMax: uint32 }), { maxLength: 64 }),
    line: cards,
    parts: fc.option(record({ card, id: sequence, base: hash, count: part, next: part }), { nil: undefined }),
  }),
  record({ kind: fc.constant("configAsk" as const), id: uint32, what: fc.constant("durable" as const) }),
  record({
    kind: fc.constant("configAsk" as const),
    id: uint32,
    what: fc.constant("hashes" as const),
    sequences: fc.array(sequence, { minLength: 1, maxLength: configHashesMax }),
  }),
  record({
    kind: fc.constant("configAsk" as const),
    id: uint32,
    what: fc.constant("transfer" as const),
    after: sequence,
    snapshot: fc.boolean(),
  }),
  record({ kind: fc.constant("configAsk" as const), id: uint32, what: fc.constant("piece" as const), transfer: uint32, offset: sequence }),
  record({
    kind: fc.constant("configGive" as const),
    id: uint32,
    what: fc.constant("hashes" as const),
    first: sequence,
    heads: fc.array(configHead, { maxLength: configHashesMax }),
  }),
  record({
    kind: fc.constant("configGive" as const),
    id: uint32,
    what: fc.constant("offer" as const),
    transfer: uint32,
    content: fc.constantFrom("changes" as const, "snapshot" as const),
    head: configHead,
    bytes: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
    sha256: hash,
    left: sequence,
  }),
  record({
    kind: fc.constant("configGive" as const),
    id: uint32,
    what: fc.constant("piece" as const),
    transfer: uint32,
    offset: sequence,
    data: fc.uint8Array({ minLength: 1, maxLength: 2_000 }),
  }),
  record({
    kind: fc.constant("configGive" as const),
    id: uint32,
    what: fc.constant("nothing" as const),
    reason: fc.constantFrom("busy" as const, "gone" as const, "behind" as const),
  }),
  record({ kind: fc.constant("configDurable" as const), head: configHead }),
  record({ kind: fc.constant("configForward" as const), id: uint32, wish: fc.uint8Array({ minLength: 1, maxLength: 2_000 }) }),
  record({ kind: fc.constant("configAnswer" as const), id: uint32, answer: fc.uint8Array({ minLength: 1, maxLength: 2_000 }) }),
);

/** The answer to a self-test; with as many checks as there are it fits a serial frame. */
function selfTestAnswer(checksMax: number, codeBytesMax: number): fc.Arbitrary<Message> {
  return record({
    kind: fc.constant("selfTestAnswer" as const),
    id: uint32,
    subject: card,
    stage: fc.constantFrom(...["received", "done", "silent", "deaf"] as const),
    results: fc.array(
      record({
        check: fc.integer({ min: 0, max: 255 }),
        result: fc.constantFrom(...["passed", "failed", "skipped"] as const),
        code: textOf(codeBytesMax),
        ms: fc.integer({ min: 0, max: 0xffff }),
      }),
      { maxLength: checksMax },
    ),
  });
}

const small: fc.Arbitrary<Message>[] = [
  heartbeat,
  record({
    kind: fc.constant("bye" as const),
    reason: fc.constantFrom("stop" as const, "restart" as const, "maintenance" as const, "upgrade" as const),
  }),
  record({ kind: fc.constant("stale" as const), card, incarnation: uint32 }),
  record({ kind: fc.constant("muxReset" as const), id: uint32, slot }),
  record({ kind: fc.constant("muxReset" as const), id: uint32, slot, incarnation: uint32 }),
  record({
    kind: fc.constant("muxReceipt" as const),
    id: uint32,
    slot,
    outcome: fc.constantFrom("reset" as const, "off" as const, "absent" as const, "failed" as const, "newer" as const),
    incarnation: uint32,
  }),
  record({ kind: fc.constant("muxPower" as const), powered: fc.integer({ min: 0, max: 255 }) }),
  record({
    kind: fc.constant("muxPower" as const),
    powered: fc.integer({ min: 0, max: 255 }),
    starts: fc.uint8Array({ minLength: 16, maxLength: 16 }),
  }),
  record({
    kind: fc.constant("boot" as const),
    bootType: fc.constantFrom(...["cold", "warm", "hot-insert", "fenced", "upgrade", "maintenance"] as const),
    state: fc.constantFrom(...["post", "listen", "announce", "catch-up", "arbitrate", "ready", "hold"] as const),
    hold: textOf(holdCodeBytesMax),
    sequence,
    epoch: uint32,
    role: fc.constantFrom(...["none", "alternate", "secondary", "primary"] as const),
  }),
  record({ kind: fc.constant("selfTest" as const), id: uint32, subject: card }),
  record({ kind: fc.constant("selfTest" as const), id: uint32, subject: card, early: fc.constant(true as const) }),
  record({ kind: fc.constant("idle" as const), view: fc.integer({ min: 1, max: 0xffffffff }) }),
  selfTestAnswer(7, 8),
];

/** Messages that are not fragments themselves. */
export const wholeMessage: fc.Arbitrary<Message> = fc.oneof(
  ...small,
  advert(64),
  membership,
  order,
  configuration,
  selfTestAnswer(selfTestChecksMax, checkCodeBytesMax),
);
/** Messages that fit in one frame of the link. */
export const etherMessage: fc.Arbitrary<Message> = fc.oneof(wholeMessage.filter((message) => frameFits("ether", message)), fragment(1_400));
export const serialMessage: fc.Arbitrary<Message> = fc.oneof(
  ...small,
  advert(8),
  membership.filter((message) => frameFits("serial", message)),
  fragment(190),
);

export const sender: fc.Arbitrary<SenderId> = fc.oneof(card, fc.constant(multiplexor as SenderId));
export const address: fc.Arbitrary<Address> = fc.oneof(sender, fc.constant(everybody as Address));

export function frameOf(message: fc.Arbitrary<Message>): fc.Arbitrary<Frame> {
  return record({ system: fc.constant(system), from: sender, to: address, incarnation: uint32, sequence, message });
}

/** A frame for one of the links, small enough for it. */
export const linkAndFrame = fc.oneof(
  frameOf(etherMessage).map((frame) => ({ link: "ether" as const, frame })),
  frameOf(serialMessage).map((frame) => ({ link: "serial" as const, frame })),
);
