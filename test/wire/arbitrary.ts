/** Generated messages and frames that the program itself may make, for the property tests. */
import fc from "fast-check";
import { cardSetOf } from "../../src/base/card-set.ts";
import { type Address, type CardId, everybody, multiplexor, type SenderId } from "../../src/base/ids.ts";
import { fragmentCountMax, nameBytesMax, softwareBytesMax, uidBytes } from "../../src/limits.ts";
import { Keyring } from "../../src/wire/auth.ts";
import type { Frame } from "../../src/wire/frame.ts";
import type { Message } from "../../src/wire/message.ts";

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

export const heartbeat = record({
  kind: fc.constant("heartbeat" as const),
  etherPort: fc.boolean(),
  serialPort: fc.boolean(),
  etherTicks: cardSet,
  serialTicks: cardSet,
});

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

const small: fc.Arbitrary<Message>[] = [
  heartbeat,
  record({
    kind: fc.constant("bye" as const),
    reason: fc.constantFrom("stop" as const, "restart" as const, "maintenance" as const, "upgrade" as const),
  }),
  record({ kind: fc.constant("stale" as const), card, incarnation: uint32 }),
  record({ kind: fc.constant("muxReset" as const), id: uint32, slot }),
  record({
    kind: fc.constant("muxReceipt" as const),
    id: uint32,
    slot,
    outcome: fc.constantFrom("reset" as const, "off" as const, "absent" as const, "failed" as const),
  }),
  record({ kind: fc.constant("muxPower" as const), powered: fc.integer({ min: 0, max: 255 }) }),
];

/** Messages that are not fragments themselves. */
export const wholeMessage: fc.Arbitrary<Message> = fc.oneof(...small, advert(64));
/** Messages that fit in one frame of the link. */
export const etherMessage: fc.Arbitrary<Message> = fc.oneof(wholeMessage, fragment(1_400));
export const serialMessage: fc.Arbitrary<Message> = fc.oneof(...small, advert(8), fragment(190));

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
