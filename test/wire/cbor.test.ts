/** CBOR as the wire uses it, against the rules of RFC 8949 section 4.2.1 and an independent implementation. */
import { decode, Encoder } from "cbor-x";
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Cbor, decodeCbor, encodeCbor, nestingMax } from "../../src/wire/cbor.ts";
import { sequence } from "./arbitrary.ts";

const integer = fc.oneof(sequence, fc.integer({ min: -(2 ** 31), max: -1 }));
const value: fc.Memo<Cbor> = fc.memo((depth) =>
  depth <= 1
    ? fc.oneof(integer, fc.boolean(), fc.constant(null), fc.uint8Array({ maxLength: 300 }), fc.string({ unit: "binary", maxLength: 300 }))
    : fc.oneof(value(1), fc.array(value(depth - 1), { maxLength: 30 }))
);

/** The table: what section 4.2.1 wants for a value. Vectors of RFC 8949 appendix A among them. */
const vectors: [Cbor, string][] = [
  [0, "00"],
  [1, "01"],
  [23, "17"],
  [24, "1818"],
  [100, "1864"],
  [255, "18ff"],
  [256, "190100"],
  [1000, "1903e8"],
  [65535, "19ffff"],
  [65536, "1a00010000"],
  [1000000, "1a000f4240"],
  [4294967295, "1affffffff"],
  [4294967296, "1b0000000100000000"],
  [1000000000000, "1b000000e8d4a51000"],
  [9007199254740991, "1b001fffffffffffff"],
  [-1, "20"],
  [-24, "37"],
  [-25, "3818"],
  [-100, "3863"],
  [-1000, "3903e7"],
  [-2147483648, "3a7fffffff"],
  [false, "f4"],
  [true, "f5"],
  [null, "f6"],
  ["", "60"],
  ["a", "6161"],
  ["IETF", "6449455446"],
  ["\u00fc", "62c3bc"],
  ["\u6c34", "63e6b0b4"],
  ["\ud800\udd51", "64f0908591"],
  ["\ufeffa", "64efbbbf61"],
  [Uint8Array.of(), "40"],
  [Uint8Array.of(1, 2, 3, 4), "4401020304"],
  [[], "80"],
  [[1, [2, 3], [4, 5]], "8301820203820405"],
];

test("values are encoded in the shortest form, and read back", () => {
  for (const [item, hex] of vectors) {
    assert.is(encodeCbor(item).toHex(), hex);
    assert.equal(decodeCbor(Uint8Array.fromHex(hex)), item);
  }
});

test("lengths are encoded in the shortest form at every step", () => {
  for (const length of [0, 1, 23, 24, 25, 31, 32, 63, 64, 65, 255, 256, 257, 65535, 65536]) {
    const head = (major: number) =>
      length < 24
        ? [major | length]
        : length < 0x100
        ? [major | 24, length]
        : length < 0x10000
        ? [major | 25, length >> 8, length & 255]
        : [major | 26, 0, length >> 16, (length >> 8) & 255, length & 255];
    const cases: [Cbor, number][] = [[new Uint8Array(length).fill(7), 0x40], ["x".repeat(length), 0x60], [new Array(length).fill(0), 0x80]];
    for (const [item, major] of cases) {
      const bytes = encodeCbor(item);
      assert.equal([...bytes.subarray(0, head(major).length)], head(major), `length ${length}`);
      assert.is(bytes.length, head(major).length + length);
      assert.equal(decodeCbor(bytes), item);
    }
    // Text whose characters take more bytes than it has units: its length is that of the bytes.
    const text = "\u00e9".repeat(Math.floor(length / 2)) + "x".repeat(length % 2);
    assert.equal([...encodeCbor(text).subarray(0, head(0x60).length)], head(0x60), `text of ${length}`);
    assert.is(decodeCbor(encodeCbor(text)), text);
  }
});

test("round trip of any value, and the same bytes again", () => {
  fc.assert(fc.property(value(4), (item) => {
    const bytes = encodeCbor(item);
    const decoded = decodeCbor(bytes);
    assert.equal(decoded, item);
    assert.equal(encodeCbor(decoded as Cbor), bytes);
  }));
});

test("an independent encoder writes the same bytes", () => {
  const encoder = new Encoder({ useRecords: false, tagUint8Array: false });
  // It takes a BigInt for an integer beyond 32 bits, and a number for a float.
  const widened = (item: Cbor): unknown =>
    Array.isArray(item) ? item.map(widened) : typeof item === "number" && item > 0xffffffff ? BigInt(item) : item;
  fc.assert(fc.property(value(4), (item) => assert.is(encodeCbor(item).toHex(), new Uint8Array(encoder.encode(widened(item))).toHex())));
});

test("whatever bytes are accepted are the one deterministic form of their value, and read alike by an independent decoder", () => {
  let accepted = 0;
  const mutated = fc.tuple(value(3), fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { maxLength: 3 })).map(([item, changes]) => {
    const bytes = encodeCbor(item);
    for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
    return bytes;
  });
  fc.assert(
    fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 24 })), (bytes) => {
      const decoded = decodeCbor(bytes);
      if (decoded === undefined) return;
      accepted++;
      assert.equal(encodeCbor(decoded as Cbor), bytes);
      assert.equal(plain(decode(bytes)), plain(decoded));
    }),
    { numRuns: 2_000 },
  );
  assert.ok(accepted > 200, `only ${accepted} were accepted`);
});

test("what is not in deterministic form, or not of our few kinds, is refused", () => {
  const refused: [string, string][] = [
    ["", "nothing"],
    ["1800", "0 in two bytes"],
    ["1817", "23 in two bytes"],
    ["190018", "24 in three bytes"],
    ["1900ff", "255 in three bytes"],
    ["1a0000ffff", "65535 in five bytes"],
    ["1b00000000ffffffff", "2^32 - 1 in nine bytes"],
    ["1b0020000000000000", "2^53"],
    ["1bffffffffffffffff", "2^64 - 1"],
    ["3b001fffffffffffff", "-2^53"],
    ["1c", "a reserved head"],
    ["1f", "a reserved head"],
    ["3818ff", "two items"],
    ["0000", "two items"],
    ["18", "a number cut off"],
    ["19ff", "a number cut off"],
    ["42aa", "bytes cut off"],
    ["62c3", "text cut off"],
    ["8201", "an array cut off"],
    ["580141", "a length in two bytes"],
    ["780161", "a length in two bytes"],
    ["980100", "a length in two bytes"],
    ["5f4101ff", "bytes of indefinite length"],
    ["7f6161ff", "text of indefinite length"],
    ["9f01ff", "an array of indefinite length"],
    ["ff", "a break"],
    ["62c328", "text that is no UTF-8"],
    ["63eda080", "a lone surrogate"],
    ["a0", "a map"],
    ["a10102", "a map"],
    ["c001", "a tag"],
    ["d81c80", "a shared value"],
    ["d81d00", "a reference"],
    ["d9010280", "a set"],
    ["f7", "undefined"],
    ["f0", "an unassigned simple value"],
    ["f820", "a simple value in two bytes"],
    ["f93c00", "a float"],
    ["fa3f800000", "a float"],
    ["fb3ff0000000000000", "a float"],
    ["3a80000000", "a number below the least"],
  ];
  for (const [hex, what] of refused) {
    const bytes = Uint8Array.fromHex(hex);
    assert.is(decodeCbor(bytes), undefined, what);
    assert.is(decodeCbor(Uint8Array.of(0x81, ...bytes)), undefined, `${what}, in an array`);
  }
});

test("nesting ends at its bound", () => {
  const nested = (depth: number) => Uint8Array.of(...new Array<number>(depth - 1).fill(0x81), 0x80);
  assert.is.not(decodeCbor(nested(nestingMax)), undefined);
  assert.is(decodeCbor(nested(nestingMax + 1)), undefined);
  assert.is(decodeCbor(new Uint8Array(60_000).fill(0x81)), undefined);
});

test("what the wire does not carry is a broken invariant of the encoder", () => {
  for (const wrong of [1.5, NaN, Infinity, 2 ** 53, -(2 ** 31) - 1, undefined, {}, 1n, () => 0]) {
    assert.throws(() => encodeCbor(wrong as Cbor), /broken invariant/);
    assert.throws(() => encodeCbor([wrong as Cbor]), /broken invariant/);
  }
});

test("an encoded value is in a buffer of its own", () => {
  const first = encodeCbor([1, 2, 3]);
  const before = first.toHex();
  encodeCbor(new Uint8Array(100).fill(0xee));
  assert.is(first.toHex(), before);
  assert.is(first.constructor, Uint8Array);
});

test("room is left before and behind a value", () => {
  for (const item of [7, "text", new Uint8Array(5_000).fill(9), new Array<Cbor>(3_000).fill("item")]) {
    const bytes = encodeCbor(item, 4, 17);
    assert.equal(bytes.subarray(4, -17), encodeCbor(item));
    assert.is(bytes.buffer.byteLength, bytes.length);
  }
});

test("long byte strings of a value that is shared are parts of the bytes; copied ones, and short ones, are not", () => {
  for (const [length, isPart] of [[0, false], [64, false], [65, true], [3_000, true]] as const) {
    const bytes = encodeCbor([1, new Uint8Array(length).fill(7)]);
    const [, shared] = decodeCbor(bytes, "shared") as [number, Uint8Array];
    const [, copied] = decodeCbor(bytes) as [number, Uint8Array];
    assert.equal(shared, copied);
    assert.equal([shared.buffer === bytes.buffer, copied.buffer === bytes.buffer], [isPart, false], `${length} bytes`);
  }
});

test("shared or copied, the same bytes are refused and the same values read", () => {
  fc.assert(fc.property(fc.oneof(value(3).map((item) => encodeCbor(item)), fc.uint8Array({ maxLength: 24 })), (bytes) => {
    assert.equal(decodeCbor(bytes, "shared"), decodeCbor(bytes));
  }));
});

function plain(item: unknown): unknown {
  if (item instanceof Uint8Array) return { bytes: [...item] };
  if (Array.isArray(item)) return item.map(plain);
  return typeof item === "bigint" ? Number(item) : item;
}

test.run();
