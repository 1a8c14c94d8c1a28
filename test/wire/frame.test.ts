/** Frames: round trips, damage, wrong keys, wrong links, versions, and what is authentic but nonsense. */
import { encode } from "cbor-x";
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { LinkKind, SenderId } from "../../src/base/ids.ts";
import { etherTagBytes, keyBytes, sequenceMax, serialTagBytes } from "../../src/limits.ts";
import { Keyring } from "../../src/wire/auth.ts";
import { kindNumbers } from "../../src/wire/body.ts";
import { type Cbor, encodeCbor } from "../../src/wire/cbor.ts";
import {
  decodeFrame,
  encodeFrame,
  type Frame,
  frameBytesMax,
  isMalformed,
  type MalformedReason,
  malformedReasons,
} from "../../src/wire/frame.ts";
import { packVersions } from "../../src/wire/version.ts";
import { keyA, keyB, keyring, linkAndFrame, system } from "./arbitrary.ts";

const links: LinkKind[] = ["ether", "serial"];
const bye: Frame = {
  system,
  from: 3 as SenderId,
  to: 0,
  incarnation: 7,
  sequence: 9,
  message: { kind: "bye", reason: "stop" },
};

/** A frame with any envelope, signed with the right key. */
function signed(link: LinkKind, envelope: Uint8Array): Uint8Array {
  const tag = keyring.sign(link, envelope);
  return Uint8Array.of(...envelope, 0x40 | tag.length, ...tag);
}

function reasonOf(link: LinkKind, bytes: Uint8Array, ring: Keyring = keyring, inSystem = system): MalformedReason | undefined {
  const decoded = decodeFrame(link, ring, inSystem, bytes);
  return isMalformed(decoded) ? decoded.malformed : undefined;
}

test("HA-2: what one card encodes, another decodes to the same, on both links", () => {
  fc.assert(
    fc.property(linkAndFrame, ({ link, frame }) => {
      const bytes = encodeFrame(link, keyring, frame);
      assert.ok(bytes.length <= frameBytesMax[link]);
      assert.equal(decodeFrame(link, keyring, system, bytes), frame);
    }),
    { numRuns: 1_000 },
  );
});

test("an Ethernet frame is never so short that an interface pads it", () => {
  assert.is(encodeFrame("ether", keyring, bye).length, 46);
  assert.ok(encodeFrame("serial", keyring, bye).length < 46);
  fc.assert(fc.property(linkAndFrame, ({ link, frame }) => link === "serial" || encodeFrame(link, keyring, frame).length >= 46));
});

test("what fills a short Ethernet frame is zero, whatever was written before it", () => {
  encodeFrame("ether", keyring, { ...bye, message: { kind: "fragment", id: 1, index: 0, count: 1, data: new Uint8Array(60).fill(0xee) } });
  const envelopeBytes = encodeFrame("serial", keyring, bye).length - 1 - serialTagBytes;
  const fillBytes = 46 - 1 - etherTagBytes - envelopeBytes - 1;
  const bytes = encodeFrame("ether", keyring, bye);
  assert.equal([...bytes.subarray(envelopeBytes, -1 - etherTagBytes)], [0x40 | fillBytes, ...new Uint8Array(fillBytes)]);
});

test("a decoded message keeps nothing of the buffer that it came in", () => {
  const frame: Frame = { ...bye, message: { kind: "fragment", id: 1, index: 0, count: 1, data: Uint8Array.of(1, 2, 3) } };
  for (const bytes of [encodeFrame("ether", keyring, frame), Buffer.from(encodeFrame("ether", keyring, frame))]) {
    const decoded = decodeFrame("ether", keyring, system, bytes) as Frame;
    bytes.fill(0xee);
    assert.equal(decoded, frame);
    assert.is(decoded.message.kind === "fragment" && decoded.message.data.buffer.byteLength, 3);
  }
});

test("HA-2: a frame with any one bit flipped is dropped", () => {
  fc.assert(
    fc.property(linkAndFrame, ({ link, frame }) => {
      const bytes = encodeFrame(link, keyring, frame);
      for (let bit = 0; bit < Math.min(bytes.length, 120) * 8; bit++) {
        const damaged = bytes.slice();
        damaged[bit >> 3] = (damaged[bit >> 3] as number) ^ (1 << (bit & 7));
        assert.ok(["tag", "length"].includes(reasonOf(link, damaged) ?? ""), `bit ${bit}`);
      }
    }),
    { numRuns: 10 },
  );
});

test("HA-2: a frame cut anywhere is dropped, and so is one with bytes added", () => {
  fc.assert(
    fc.property(linkAndFrame, fc.uint8Array({ minLength: 1, maxLength: 20 }), ({ link, frame }, more) => {
      const bytes = encodeFrame(link, keyring, frame);
      for (let length = 0; length < bytes.length; length++) assert.is.not(reasonOf(link, bytes.subarray(0, length)), undefined);
      assert.is.not(reasonOf(link, Uint8Array.of(...bytes, ...more)), undefined);
      assert.is.not(reasonOf(link, Uint8Array.of(...more, ...bytes)), undefined);
    }),
    { numRuns: 30 },
  );
});

test("a frame longer than its link carries is refused before its tag is computed", () => {
  for (const link of links) {
    const room = frameBytesMax[link] - 1 - (link === "ether" ? etherTagBytes : serialTagBytes);
    assert.is(reasonOf(link, signed(link, new Uint8Array(room))), "cbor");
    assert.is(reasonOf(link, signed(link, new Uint8Array(room + 1))), "length");
  }
});

test("HA-2: a frame made with another key is dropped", () => {
  const stranger = new Keyring([keyB]);
  fc.assert(fc.property(linkAndFrame, ({ link, frame }) => reasonOf(link, encodeFrame(link, stranger, frame)) === "tag"));
});

test("a key is rotated without a gap: the new one signs, both are accepted, then only the new one", () => {
  const before = new Keyring([keyA]);
  const accepting = new Keyring([keyA, keyB]);
  const rotated = new Keyring([keyB, keyA]);
  const after = new Keyring([keyB]);
  for (const link of links) {
    const cases: [Keyring, Keyring, MalformedReason | undefined][] = [
      [before, before, undefined],
      [before, accepting, undefined],
      [before, rotated, undefined],
      [before, after, "tag"],
      [accepting, before, undefined],
      [accepting, after, "tag"],
      [rotated, accepting, undefined],
      [rotated, before, "tag"],
      [rotated, after, undefined],
      [after, rotated, undefined],
    ];
    for (const [signs, reads, expected] of cases) assert.is(reasonOf(link, encodeFrame(link, signs, bye), reads), expected);
  }
});

test("HA-2: a frame overheard on one link does not pass on the other, even with a tag of its length", () => {
  const envelope = encodeCbor([0x11, system, 3, 0, 7, 9, kindNumbers.bye, [0]]);
  assert.is(reasonOf("serial", signed("serial", envelope)), undefined);
  assert.is(reasonOf("ether", signed("ether", envelope)), undefined);
  assert.is(reasonOf("ether", signed("serial", envelope)), "length");
  assert.is(reasonOf("serial", signed("ether", envelope)), "length");
  const shortened = keyring.sign("ether", envelope).subarray(0, serialTagBytes);
  assert.is(reasonOf("serial", Uint8Array.of(...envelope, 0x40 | serialTagBytes, ...shortened)), "tag");
});

test("FS-1: a frame of another system, or for other readers, is dropped with that reason", () => {
  const rewritten = (index: number, value: Cbor) => {
    const items: Cbor[] = [0x11, system, 3, 0, 7, 9, kindNumbers.bye, [0]];
    items[index] = value;
    return items;
  };
  const cases: [Cbor[], MalformedReason | undefined][] = [
    [rewritten(0, 0x11), undefined],
    [rewritten(0, packVersions({ min: 1, max: 15 })), undefined],
    [rewritten(0, packVersions({ min: 0, max: 1 })), undefined],
    [rewritten(0, packVersions({ min: 2, max: 2 })), "version"],
    [rewritten(0, packVersions({ min: 2, max: 1 })), "version"],
    [rewritten(0, 0), "version"],
    [rewritten(0, 0x111), "version"],
    [rewritten(0, 2 ** 32 + 0x11), "version"],
    [rewritten(0, -1), "version"],
    [rewritten(0, "1"), "version"],
    [rewritten(0, null), "version"],
    [rewritten(1, system + 1), "system"],
    [rewritten(1, String(system)), "system"],
    [rewritten(2, 0), "shape"],
    [rewritten(2, 1), undefined],
    [rewritten(2, 64), undefined],
    [rewritten(2, 65), undefined],
    [rewritten(2, 66), "shape"],
    [rewritten(3, 64), undefined],
    [rewritten(3, 65), undefined],
    [rewritten(3, 66), "shape"],
    [rewritten(3, -1), "shape"],
    [rewritten(4, 2 ** 32 - 1), undefined],
    [rewritten(4, 2 ** 32), "shape"],
    [rewritten(5, 2 ** 32), undefined],
    [rewritten(5, sequenceMax), undefined],
    [rewritten(5, -1), "shape"],
    [rewritten(6, 0), "kind"],
    [rewritten(6, 99), "kind"],
    [rewritten(6, "bye"), "kind"],
    [rewritten(7, []), "shape"],
    [rewritten(7, [4]), "shape"],
    [rewritten(7, 0), "shape"],
    [rewritten(7, [0, "later", [1]]), undefined],
    [rewritten(8, "later"), undefined],
    [[], "version"],
    [[0x11, system, 3, 0, 7, 9, kindNumbers.bye], "shape"],
  ];
  for (const link of links) {
    for (const [items, expected] of cases) assert.is(reasonOf(link, signed(link, encodeCbor(items))), expected, JSON.stringify(items));
  }
});

test("authentic nonsense is a reason, never an exception", () => {
  const anything = fc.oneof(
    fc.uint8Array({ maxLength: 220 }),
    fc.anything({ withBigInt: false, withDate: false, withMap: false, withSet: false, withTypedArray: true, withSparseArray: false })
      .map((value) => encodable(value)).filter((bytes) => bytes.length <= 220),
    fc.tuple(fc.constantFrom(...Object.values(kindNumbers)), fc.array(fc.oneof(fc.integer(), fc.uint8Array(), fc.string(), fc.double())))
      .map(([kind, body]) => encodable([0x11, system, 3, 0, 7, 9, kind, body])).filter((bytes) => bytes.length <= 220),
  );
  fc.assert(
    fc.property(fc.constantFrom(...links), anything, (link, envelope) => {
      const decoded = decodeFrame(link, keyring, system, signed(link, envelope));
      if (isMalformed(decoded)) assert.ok(malformedReasons.includes(decoded.malformed) && decoded.malformed !== "tag");
    }),
    { numRuns: 2_000 },
  );
});

/** CBOR of more kinds than ours, made by a general encoder. */
function encodable(value: unknown): Uint8Array {
  return new Uint8Array(encode(value));
}

test("heads that promise more than there is build nothing and take no time", () => {
  const heads = [
    "9affffffff",
    "9b001fffffffffffff",
    "5affffffff",
    "7affffffff",
    "81".repeat(200),
    "9f",
    "5f",
    "bf",
    "d81c81d81d00",
    "c1fb7ff0000000000000",
  ];
  const startedAt = performance.now();
  for (let round = 0; round < 100; round++) {
    for (const head of heads) assert.is(reasonOf("serial", signed("serial", Uint8Array.fromHex(head + "00".repeat(20)))), "cbor", head);
  }
  assert.ok(performance.now() - startedAt < 2_000);
});

test("random bytes are never a frame", () => {
  fc.assert(
    fc.property(fc.constantFrom(...links), fc.uint8Array({ maxLength: 300 }), (link, bytes) => reasonOf(link, bytes) !== undefined),
    { numRuns: 1_000 },
  );
});

test("a keyring refuses what is no key", () => {
  assert.throws(() => new Keyring([]), /1 to 2 keys/);
  assert.throws(() => new Keyring([keyA, keyB, keyA]), /1 to 2 keys/);
  assert.throws(() => new Keyring([new Uint8Array(keyBytes - 1)]), /32 bytes/);
});

test.run();
