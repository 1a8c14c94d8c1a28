/** Messages cut into fragments and joined again, and how little a hostile peer can make of it. */
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type CardId, linkKinds } from "../../src/base/ids.ts";
import {
  entryBytesMax,
  epochsMax,
  failingReasonBytesMax,
  fragmentCountMax,
  fragmentOverheadBytesMax,
  messageBytesMax,
  reassemblyMax,
  reassemblyMs,
  reassemblyPerSenderMax,
  sequenceMax,
  viewNumberMax,
} from "../../src/limits.ts";
import { bodyOf, kindNumbers } from "../../src/wire/body.ts";
import { type Cbor, encodeCbor } from "../../src/wire/cbor.ts";
import { decodeFrame, encodeFrame, type Frame, frameBytesMax } from "../../src/wire/frame.ts";
import type { Entry, Fragment, Mark, Message, Sync } from "../../src/wire/message.ts";
import { fragmentsOf, frameBytesAtMost, frameFits, joinedBytes, messageOfJoined, piecesOf, Reassembly } from "../../src/wire/reassembly.ts";
import { encodeSerial } from "../../src/wire/serial.ts";
import { advert, fragment, frameOf, keyring, system, uint32, wholeMessage } from "./arbitrary.ts";

const sender = (id: number, incarnation = 1) => ({ from: id as CardId, incarnation });
const none = { completed: 0, repeated: 0, givenUp: 0, refused: 0 };

function piece(id: number, index: number, count: number, ...data: number[]): Fragment {
  return { kind: "fragment", id, index, count, data: Uint8Array.from(data.length === 0 ? [0xff] : data) };
}

/** An order of the pieces 0 to count - 1, each at least once. */
function deliveryOf(count: number): fc.Arbitrary<number[]> {
  const all = [...Array(count).keys()];
  return fc.tuple(fc.shuffledSubarray(all, { minLength: count }), fc.array(fc.nat({ max: count - 1 }), { maxLength: 10 }))
    .chain(([order, again]) => fc.shuffledSubarray([...order, ...again], { minLength: order.length + again.length }));
}

/** Always more than a serial frame. */
const largeAdvert = advert(64, 50);

test("a message of any size survives both links, in any order, with duplicates", () => {
  const size = fc.oneof(
    fc.integer({ min: 1, max: messageBytesMax }),
    fc.constantFrom(1, 192, 193, 1_436, 1_437, messageBytesMax - 1, messageBytesMax),
  );
  fc.assert(
    fc.property(
      fc.constantFrom(...linkKinds),
      size.chain((length) => fc.tuple(fc.constant(length), fc.uint8Array({ minLength: 64, maxLength: 64 }))),
      uint32,
      fc.infiniteStream(fc.nat({ max: 0xffff })),
      (link, [length, seed], id, random) => {
        const joined = Uint8Array.from({ length }, (_, index) => (seed[index % 64] as number) ^ (index >> 6));
        const pieces = piecesOf(joined, frameBytesMax[link], id);
        // Shuffled, with some of them twice; the last to come first is put in place of the one that completes.
        const order = pieces.map((_, index) => index);
        for (let at = order.length - 1; at > 0; at--) {
          const other = random.next().value % (at + 1);
          [order[at], order[other]] = [order[other] as number, order[at] as number];
        }
        const withRepeats = order.flatMap((index) => random.next().value % 4 === 0 ? [index, index] : [index]);
        const reassembly = new Reassembly();
        const results = withRepeats.map((index) => reassembly.join(0, sender(1), pieces[index] as Fragment)).filter((result) =>
          result !== undefined
        );
        assert.is(results.length, 1);
        assert.ok(Buffer.compare(results[0] as Uint8Array, joined) === 0);
        assert.equal(reassembly.held(), { messages: 0, bytes: 0 });
        assert.is(reassembly.counters().repeated, withRepeats.length - order.length);
      },
    ),
    { numRuns: 60 },
  );
});

test("FS-2: an advert of 64 cards goes over serial in frames of its own, each authenticated", () => {
  fc.assert(
    fc.property(frameOf(largeAdvert), fc.nat({ max: 0xffffffff }), (whole, id) => {
      assert.not.ok(frameFits("serial", whole.message));
      const fragments = fragmentsOf(whole.message, frameBytesMax.serial, id);
      assert.ok(fragments.length > 1);
      const reassembly = new Reassembly();
      const heard: unknown[] = [];
      fragments.forEach((message, index) => {
        assert.ok(frameFits("serial", message));
        const bytes = encodeFrame("serial", keyring, { ...whole, sequence: sequenceMax - index, message });
        encodeSerial(bytes);
        const frame = decodeFrame("serial", keyring, system, bytes) as Frame;
        heard.push(reassembly.take(0, frame, frame.message as Fragment));
      });
      assert.equal(heard.filter((result) => result !== undefined), [whole.message]);
      assert.equal(reassembly.counters(), { ...none, completed: 1 });
    }),
    { numRuns: 50 },
  );
});

test("messages of several senders, mixed in any order, are kept apart", () => {
  const messages = fc.array(largeAdvert, { minLength: 2, maxLength: reassemblyPerSenderMax });
  fc.assert(
    fc.property(
      messages.chain((whole) => {
        const fragments = whole.flatMap((message, index) =>
          // Two messages to a sender: the first two are one's, the next two another's; ids are the same for each sender.
          fragmentsOf(message, frameBytesMax.serial, index % 2).map((fragment) => ({ from: 1 + (index >> 1), fragment }))
        );
        return deliveryOf(fragments.length).map((order) => ({
          whole,
          deliveries: order.map((at) => fragments[at] as (typeof fragments)[number]),
        }));
      }),
      ({ whole, deliveries }) => {
        const reassembly = new Reassembly();
        const heard = deliveries.map(({ from, fragment }) => reassembly.take(0, sender(from), fragment)).filter((result) =>
          result !== undefined
        );
        assert.is(heard.length, whole.length);
        for (const message of whole) assert.ok(heard.some((other) => isDeepStrictEqual(other, message)));
        assert.equal(reassembly.held(), { messages: 0, bytes: 0 });
      },
    ),
    { numRuns: 50 },
  );
});

test("the bound of a frame's bytes is never below the truth, and close to it", () => {
  for (const link of linkKinds) {
    fc.assert(
      fc.property(frameOf(fc.oneof(wholeMessage, fragment(150))), (frame) => {
        const room = frameBytesAtMost(link, frame.message);
        if (room > frameBytesMax.ether) return;
        if (link === "serial" && room > frameBytesMax.serial + 400) return;
        const actual = encodeFrame(link, keyring, frame).length;
        // Ethernet's padding counts for nothing: no frame is refused for being padded to 46.
        assert.ok(actual <= Math.max(room, 46), `${actual} of at most ${room}`);
      }),
      { numRuns: 500 },
    );
  }
  const largest: Message = {
    kind: "fragment",
    id: 0xffffffff,
    index: fragmentCountMax - 1,
    count: fragmentCountMax,
    data: new Uint8Array(1_000),
  };
  const frame: Frame = {
    system: 0xffff,
    from: 64 as CardId,
    to: 64 as CardId,
    incarnation: 0xffffffff,
    sequence: sequenceMax,
    message: largest,
  };
  assert.ok(frameBytesAtMost("ether", largest) - encodeFrame("ether", keyring, frame).length <= 2);
});

/** Each kind with every number at its largest; sets of a whole chassis. */
function largestOf(chassisCount: number): Message[] {
  const all = new Uint8Array(chassisCount).fill(0xff);
  const each = new Array<number>(8 * chassisCount).fill(0xffffffff);
  const [number, place] = [viewNumberMax, sequenceMax];
  return [
    { kind: "wantView", previous: number, promised: number },
    { kind: "proposeView", number, members: all, incarnations: each, ether: all },
    { kind: "promiseView", number, previous: number, down: all },
    { kind: "refuseView", number, promised: number, missing: all },
    { kind: "commitView", number, members: all, incarnations: each, previous: each, ether: all, down: all, unknown: all },
    { kind: "committedView", number },
    { kind: "failing", reason: "x".repeat(failingReasonBytesMax) },
    { kind: "failing", reason: "\u20ac".repeat(failingReasonBytesMax / 3) },
    { kind: "commit", view: number, committed: place },
    { kind: "flush", view: number, epoch: number, held: place, delivered: place, deliveredEpoch: number, whole: true, ready: true },
  ];
}

function orderOf(entryCount: number, bodyBytes: number, id = sequenceMax): Message[] {
  const entry: Entry = { type: "data", origin: 64 as CardId, id, body: new Uint8Array(bodyBytes) };
  const entries = new Array<Entry>(entryCount).fill(entry);
  const [view, place] = [viewNumberMax, sequenceMax];
  return [
    { kind: "submit", view, entries, floor: place },
    { kind: "pass", view, pass: place, first: place, entries, committed: place, delivered: place },
    {
      kind: "sync",
      view,
      first: place,
      last: place,
      entries,
      skip: true,
      epochs: new Array<Sync["epochs"][number]>(epochsMax).fill({ view, first: place }),
      marks: new Array<Mark>(64).fill({ card: 64 as CardId, incarnation: 0xffffffff, id: place }),
    },
  ];
}

test("every message comes back from its joined bytes as it was", () => {
  fc.assert(fc.property(wholeMessage, (message) => assert.equal(messageOfJoined(joinedBytes(message)), message)), { numRuns: 1_000 });
});

test("the bound holds and is close for the largest message of each kind", () => {
  const bodies = [[0, 0], [1, 0], [6, 23], [7, 24], [63, 255], [64, 256], [256, 100], [1, entryBytesMax]] as const;
  const messages = [
    ...largestOf(8),
    ...bodies.flatMap(([count, bytes]) => orderOf(count, bytes)),
    ...[23, 24, 2 ** 32 - 1, 2 ** 32].flatMap((id) => orderOf(64, 256, id)),
  ];
  for (const message of messages) {
    // A joined message is the kind and the body, in an array of two.
    const actual = joinedBytes(message).length - 1;
    const envelope = { system: 0xffff, from: 64, to: 64, incarnation: 0xffffffff, sequence: sequenceMax } as const;
    const bye: Message = { kind: "bye", reason: "stop" };
    // The versions take one byte now, and a second one when they grow.
    const around = encodeFrame("serial", keyring, { ...(envelope as Omit<Frame, "message">), message: bye }).length -
      joinedBytes(bye).length + 1 + 1;
    const room = frameBytesAtMost("serial", message);
    const count = "entries" in message ? message.entries.length : 0;
    assert.ok(room >= around + actual, `${message.kind} ${actual + around} of at most ${room}`);
    assert.ok(room <= around + actual + 6 + 3 * count, `${message.kind} ${actual + around} of at most ${room}`);
  }
});

test("HA-2: agreeing on a view of eight cards of one chassis, and failing, takes one serial frame a message", () => {
  for (const message of largestOf(1)) {
    assert.ok(frameFits("serial", message), message.kind);
    const frame: Frame = { system: 0xffff, from: 64 as CardId, to: 64 as CardId, incarnation: 0xffffffff, sequence: sequenceMax, message };
    encodeSerial(encodeFrame("serial", keyring, frame));
  }
});

test("a reason that is too long is cut between two characters", () => {
  const euros: Message = { kind: "failing", reason: `x${"\u20ac".repeat(100)}` };
  assert.ok(frameFits("serial", euros));
  assert.equal(bodyOf(euros), [`x${"\u20ac".repeat(39)}`]);
  assert.equal(messageOfJoined(joinedBytes(euros)), { kind: "failing", reason: `x${"\u20ac".repeat(39)}` });
  // Half of a character is none.
  assert.equal(messageOfJoined(joinedBytes({ kind: "failing", reason: "a\ud800" })), { kind: "failing", reason: "a\ufffd" });
});

test("a fragment's overhead is at most what the limits say, on both links", () => {
  for (const link of linkKinds) {
    const data = new Uint8Array(frameBytesMax[link] - fragmentOverheadBytesMax);
    const message: Message = { kind: "fragment", id: 0xffffffff, index: fragmentCountMax - 1, count: fragmentCountMax, data };
    const frame: Frame = { system: 0xffff, from: 64 as CardId, to: 64 as CardId, incarnation: 0xffffffff, sequence: sequenceMax, message };
    const bytes = encodeFrame(link, keyring, frame);
    assert.ok(bytes.length <= frameBytesMax[link], `${bytes.length} bytes on ${link}`);
    assert.ok(frameFits(link, message));
    if (link === "serial") encodeSerial(bytes);
  }
});

test("what does not fit in the fragments of a message is a broken invariant", () => {
  assert.throws(() => piecesOf(new Uint8Array(messageBytesMax + 1), frameBytesMax.ether, 0), /1 to 65536 bytes/);
  assert.throws(() => piecesOf(new Uint8Array(0), frameBytesMax.ether, 0), /1 to 65536 bytes/);
  assert.throws(() => piecesOf(new Uint8Array(10), fragmentOverheadBytesMax, 0), /too small/);
  assert.throws(() => piecesOf(new Uint8Array(fragmentCountMax + 1), fragmentOverheadBytesMax + 1, 0), /too small/);
  assert.throws(() => fragmentsOf(piece(1, 0, 1), frameBytesMax.ether, 0), /not cut again/);
  for (const link of linkKinds) assert.ok(piecesOf(new Uint8Array(messageBytesMax), frameBytesMax[link], 0).length <= fragmentCountMax);
});

test("the id that travels is the count's lowest 32 bits", () => {
  const bye: Message = { kind: "bye", reason: "stop" };
  assert.is(fragmentsOf(bye, frameBytesMax.serial, 2 ** 32 + 5)[0]?.id, 5);
});

test("a fragment inside fragments, and what is no message, is refused once and counted", () => {
  const inner = encodeCbor([kindNumbers.fragment, bodyOf(piece(1, 0, 1)) as Cbor]);
  const cases: [Uint8Array, string][] = [
    [inner, "shape"],
    [encodeCbor([99, []]), "kind"],
    [encodeCbor([kindNumbers.bye]), "shape"],
    [encodeCbor([kindNumbers.bye, [9]]), "shape"],
    [encodeCbor([]), "kind"],
    [encodeCbor(7), "cbor"],
    [Uint8Array.of(0x82, 1), "cbor"],
    [new Uint8Array(1_000).fill(0x81), "cbor"],
  ];
  const reassembly = new Reassembly();
  cases.forEach(([joined, malformed], id) => {
    assert.equal(messageOfJoined(joined), { malformed });
    const results = piecesOf(joined, frameBytesMax.serial, id).map((fragment) => reassembly.take(0, sender(1), fragment));
    assert.equal(results.at(-1), { malformed });
    assert.is(reassembly.take(0, sender(1), piece(id, 0, 1)), undefined);
  });
  assert.equal(reassembly.counters(), { ...none, refused: cases.length, repeated: cases.length });
});

test("a message may have later fields that we do not know", () => {
  assert.equal(messageOfJoined(encodeCbor([kindNumbers.bye, [0, "later"], "later still"])), { kind: "bye", reason: "stop" });
});

test("pieces that contradict each other are refused, and later ones of that message begin nothing", () => {
  const reassembly = new Reassembly();
  assert.is(reassembly.take(0, sender(1), piece(1, 0, 3)), undefined);
  assert.equal(reassembly.take(0, sender(1), piece(1, 1, 4)), { malformed: "shape" });
  assert.equal(reassembly.held(), { messages: 0, bytes: 0 });
  assert.is(reassembly.take(1, sender(1), piece(1, 2, 3)), undefined);
  assert.equal(reassembly.held(), { messages: 0, bytes: 0 });
  assert.equal(reassembly.take(0, sender(1), piece(2, 5, 3)), { malformed: "shape" });
  assert.equal(reassembly.counters(), { ...none, refused: 2, repeated: 1 });
});

test("a message that grows above its bound is refused", () => {
  const reassembly = new Reassembly();
  const data = new Uint8Array(1_400);
  const results: unknown[] = [];
  for (let index = 0; index < 60; index++) results.push(reassembly.take(0, sender(1), { kind: "fragment", id: 1, index, count: 60, data }));
  const refusedAt = Math.floor(messageBytesMax / 1_400);
  assert.equal(results[refusedAt], { malformed: "length" });
  assert.equal(results.filter((result) => result !== undefined).length, 1);
  assert.equal(reassembly.held(), { messages: 0, bytes: 0 });
});

test("what is not complete in time is given up, and its deadline is told", () => {
  const reassembly = new Reassembly();
  assert.is(reassembly.deadline(), Infinity);
  reassembly.take(100, sender(1), piece(1, 0, 2));
  reassembly.take(300, sender(2), piece(1, 0, 2));
  assert.is(reassembly.deadline(), 100 + reassemblyMs);
  // A further piece does not prolong it.
  reassembly.take(200, sender(1), piece(1, 0, 2));
  reassembly.expire(100 + reassemblyMs - 1);
  assert.is(reassembly.held().messages, 2);
  reassembly.expire(100 + reassemblyMs);
  assert.is(reassembly.held().messages, 1);
  assert.is(reassembly.deadline(), 300 + reassemblyMs);
  // The piece that was missing comes too late and begins a message that never ends either.
  assert.is(reassembly.take(100 + reassemblyMs, sender(1), piece(1, 1, 2)), undefined);
  reassembly.expire(10_000);
  assert.is(reassembly.deadline(), Infinity);
  assert.equal(reassembly.counters(), { ...none, givenUp: 3, repeated: 1 });
});

test("the same id may be used again after a while", () => {
  const reassembly = new Reassembly();
  const [only] = fragmentsOf({ kind: "bye", reason: "stop" }, frameBytesMax.ether, 4);
  const bye = { kind: "bye", reason: "stop" };
  assert.equal(reassembly.take(0, sender(1), only as Fragment), bye);
  assert.is(reassembly.take(reassemblyMs - 1, sender(1), only as Fragment), undefined);
  assert.equal(reassembly.take(reassemblyMs, sender(1), only as Fragment), bye);
});

test("a sender that started again begins anew: nothing of its earlier incarnation mixes in", () => {
  const reassembly = new Reassembly();
  const [only] = fragmentsOf({ kind: "bye", reason: "stop" }, frameBytesMax.ether, 0);
  const bye = { kind: "bye", reason: "stop" };
  assert.equal(reassembly.take(0, sender(1, 1), only as Fragment), bye);
  assert.is(reassembly.take(0, sender(1, 1), piece(1, 0, 2)), undefined);
  assert.is(reassembly.take(0, sender(2, 1), piece(1, 0, 2)), undefined);
  assert.equal(reassembly.take(1, sender(1, 2), only as Fragment), bye);
  assert.equal(reassembly.held(), { messages: 1, bytes: 1 });
  assert.is(reassembly.take(1, sender(1, 2), piece(1, 1, 2)), undefined);
  assert.equal(reassembly.counters(), { ...none, completed: 2, givenUp: 1 });
});

test("one sender holds few messages, and its oldest gives way", () => {
  const reassembly = new Reassembly();
  reassembly.take(0, sender(2), piece(1, 0, 2));
  for (let id = 0; id < 1_000; id++) reassembly.take(id, sender(1), piece(id, 0, 2));
  assert.equal(reassembly.held(), { messages: 1 + reassemblyPerSenderMax, bytes: 1 + reassemblyPerSenderMax });
  assert.is(reassembly.counters().givenUp, 1_000 - reassemblyPerSenderMax);
  // The other sender's message is untouched, and so are the newest of this one.
  assert.equal(reassembly.take(1_000, sender(2), piece(1, 1, 2)), { malformed: "cbor" });
  assert.equal(reassembly.take(1_000, sender(1), piece(999, 1, 2)), { malformed: "cbor" });
});

test("all senders together hold a bounded number of messages, and the oldest gives way", () => {
  const reassembly = new Reassembly();
  for (let id = 1; id <= 64; id++) reassembly.take(id, sender(id), piece(1, 0, 2));
  assert.is(reassembly.held().messages, reassemblyMax);
  assert.is(reassembly.counters().givenUp, 64 - reassemblyMax);
  assert.is(reassembly.deadline(), 64 - reassemblyMax + 1 + reassemblyMs);
});

test("an authentic but hostile peer cannot make it grow, whatever it sends", () => {
  const hostile = fc.record({
    from: fc.integer({ min: 1, max: 3 }),
    incarnation: fc.integer({ min: 1, max: 2 }),
    id: fc.nat({ max: 12 }),
    index: fc.nat({ max: fragmentCountMax - 1 }),
    count: fc.integer({ min: 1, max: fragmentCountMax }),
    bytes: fc.constantFrom(1, 100, 1_400, 0xffff),
    afterMs: fc.nat({ max: 50 }),
  });
  fc.assert(
    fc.property(fc.array(hostile, { maxLength: 400, size: "max" }), (steps) => {
      const reassembly = new Reassembly();
      let now = 0;
      for (const { from, incarnation, id, index, count, bytes, afterMs } of steps) {
        now += afterMs;
        reassembly.take(now, sender(from, incarnation), { kind: "fragment", id, index, count, data: new Uint8Array(bytes) });
        const held = reassembly.held();
        assert.ok(held.messages <= 3 * reassemblyPerSenderMax);
        assert.ok(held.bytes <= held.messages * messageBytesMax);
        assert.ok(reassembly.deadline() > now);
      }
      reassembly.expire(now + reassemblyMs);
      assert.equal(reassembly.held(), { messages: 0, bytes: 0 });
      assert.is(reassembly.deadline(), Infinity);
    }),
    { numRuns: 50 },
  );
});

test.run();
