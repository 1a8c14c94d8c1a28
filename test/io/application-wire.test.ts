/** The local protocol against its description: bytes that stay as they are, every split of the stream, every damaged byte. */
import { decode } from "cbor-x";
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { cardAt, type CardId } from "../../src/base/ids.ts";
import type { ApplicationEvent, Member } from "../../src/cluster/application.ts";
import {
  type ApplicationFrame,
  applicationRequestBytesMax,
  type CardFrame,
  decodeApplicationFrame,
  decodeCardFrame,
  encodeApplicationFrame,
  encodeCardFrame,
  FrameReader,
  isMalformedFrame,
  joinFrames,
} from "../../src/io/application-wire.ts";
import { applicationEventBytesMax, applicationMessageBytesMax, groupMembersMax, memberNameBytesMax } from "../../src/limits.ts";
import { type Cbor, encodeCbor } from "../../src/wire/cbor.ts";

const one: Member = { card: cardAt(1, 1), number: 3, name: "a\u00e9", critical: true };
const two: Member = { card: cardAt(8, 8), number: 2 ** 53 - 1, name: "", critical: false };
const view = { number: 7, members: [one, two] };

/** Version 1 on the wire: what is written here is what a program of another hand was built for. */
const requests: readonly (readonly [ApplicationFrame, string])[] = [
  [{ kind: "hello", version: 1 }, "00000003 820001"],
  [
    { kind: "join", request: 1, group: "g", name: "n", critical: true, monitorMs: 1_000 },
    "0000000b 860101 6167 616e f5 1903e8",
  ],
  [{ kind: "leave", request: 2 ** 32, group: "g" }, "0000000d 8302 1b0000000100000000 6167"],
  [{ kind: "send", request: 24, group: "g", data: Uint8Array.of(1, 2) }, "00000009 8403 1818 6167 420102"],
  [{ kind: "watch", request: 0, group: "" }, "00000004 830400 60"],
  [{ kind: "alive", nonce: 4 }, "00000003 820504"],
];
const oneHex = "8401 03 6361c3a9 f5";
const twoHex = "841840 1b001fffffffffffff 60 f4";
const events: readonly (readonly [CardFrame, string])[] = [
  [
    { kind: "welcome", version: 1, card: cardAt(2, 3), chassis: 2, slot: 3, software: "x" },
    "00000008 86 00 01 0b 02 03 6178",
  ],
  [
    { kind: "joined", request: 1, group: "g", sequence: 9, member: one, view },
    `00000027 86 10 01 6167 09 ${oneHex} 8207 82 ${oneHex} ${twoHex}`,
  ],
  [{ kind: "left", request: 1, group: "g" }, "00000005 83 11 01 6167"],
  [{ kind: "watching", request: 1, group: "g", view: { number: 0, members: [] } }, "00000008 84 12 01 6167 820080"],
  [{ kind: "sent", request: 1, group: "g", sequence: 0 }, "00000006 84 13 01 6167 00"],
  [{ kind: "refused", request: 1, code: "busy", message: "m" }, "00000006 84 14 01 03 616d"],
  [{ kind: "message", group: "g", sequence: 2, view: 7, from: one, data: Uint8Array.of() }, `0000000f 86 15 6167 02 07 ${oneHex} 40`],
  [
    { kind: "view", group: "g", sequence: 2, view, changes: [{ member: one, change: "joined" }, { member: two, change: "returned" }] },
    `00000039 85 16 6167 02 8207 82 ${oneHex} ${twoHex} 82 82 ${oneHex} 00 82 ${twoHex} 03`,
  ],
  [{ kind: "lost", group: "g", sequence: 2, reason: "r" }, "00000007 84 17 6167 02 6172"],
  [{ kind: "stopped", reason: "r" }, "00000005 82 1818 6172"],
  [{ kind: "resumed" }, "00000003 81 1819"],
  [{ kind: "monitor", nonce: 1, withinMs: 2 }, "00000005 83 181a 01 02"],
  [{ kind: "closed", reason: "r" }, "00000005 82 181f 6172"],
];

const bytesOf = (hex: string) => Uint8Array.fromHex(hex.replaceAll(" ", ""));

/** What a reader gives for these pieces, as text; a malformed length ends it. */
function readAll(pieces: readonly Uint8Array[], bytesMax: number, decodeFrame: (body: Uint8Array) => object = decodeCardFrame): object[] {
  const reader = new FrameReader(bytesMax);
  const found: object[] = [];
  for (const piece of pieces) {
    reader.push(piece);
    for (let frame = reader.next(); frame !== undefined; frame = reader.next()) {
      if (isMalformedFrame(frame)) return [...found, frame];
      found.push(decodeFrame(frame));
    }
  }
  return found;
}

test("version 1: these bytes, and back", () => {
  for (const [frame, hex] of requests) {
    assert.is(encodeApplicationFrame(frame).toHex(), bytesOf(hex).toHex(), frame.kind);
    assert.equal(decodeApplicationFrame(bytesOf(hex).subarray(4)), frame);
  }
  for (const [frame, hex] of events) {
    assert.is(encodeCardFrame(frame).toHex(), bytesOf(hex).toHex(), frame.kind);
    assert.equal(decodeCardFrame(bytesOf(hex).subarray(4)), frame);
  }
});

test("an independent implementation of CBOR reads the frames", () => {
  for (const [, hex] of [...requests, ...events]) assert.ok(Array.isArray(decode(bytesOf(hex).subarray(4))), hex);
});

const stream = joinFrames(events.map(([, hex]) => bytesOf(hex)));
const expected = events.map(([frame]) => frame);

test("frames come out whole byte by byte, in every split in two, and in pieces of any size", () => {
  const pieces = (size: number) =>
    Array.from({ length: Math.ceil(stream.length / size) }, (_, index) => stream.subarray(index * size, (index + 1) * size));
  for (let size = 1; size <= stream.length; size++) {
    assert.equal(readAll(pieces(size), applicationEventBytesMax), expected, `pieces of ${size}`);
  }
  for (let at = 0; at <= stream.length; at++) {
    assert.equal(readAll([stream.subarray(0, at), stream.subarray(at)], applicationEventBytesMax), expected, `split at ${at}`);
  }
  fc.assert(fc.property(fc.array(fc.nat(stream.length)), (cuts) => {
    const ends = [0, ...cuts.sort((a, b) => a - b), stream.length];
    assert.equal(readAll(ends.slice(1).map((end, index) => stream.subarray(ends[index], end)), applicationEventBytesMax), expected);
  }));
});

test("pieces that were pushed ahead are kept until they are asked for", () => {
  const reader = new FrameReader(applicationEventBytesMax);
  for (const byte of stream) reader.push(Uint8Array.of(byte));
  for (const frame of expected) assert.equal(decodeCardFrame(reader.next() as Uint8Array), frame);
  assert.is(reader.next(), undefined);
});

test("each byte flipped in each bit gives a frame or a reason, and never throws", () => {
  for (const [list, decodeFrame] of [[requests, decodeApplicationFrame], [events, decodeCardFrame]] as const) {
    let refused = 0;
    for (const [, hex] of list) {
      const body = bytesOf(hex).subarray(4);
      for (let index = 0; index < body.length; index++) {
        for (let bit = 0; bit < 8; bit++) {
          const damaged = body.slice();
          damaged[index] = (damaged[index] as number) ^ (1 << bit);
          const decoded = decodeFrame(damaged);
          if (isMalformedFrame(decoded)) refused++;
          else assert.ok(JSON.stringify(decoded).length > 0);
        }
      }
      for (let length = 0; length < body.length; length++) assert.equal(decodeFrame(body.subarray(0, length)), { malformed: "cbor" });
      assert.equal(decodeFrame(Uint8Array.of(...body, 0)), { malformed: "cbor" });
    }
    assert.ok(refused > 100, `${refused} refused`);
  }
});

test("any bytes give a frame or a reason", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
    decodeApplicationFrame(bytes);
    decodeCardFrame(bytes);
    readAll([bytes], 32);
  }));
});

const shapes: readonly (readonly [Cbor, string])[] = [
  [[], "kind"],
  [0, "cbor"],
  [["hello"], "kind"],
  [[6], "kind"],
  [[-1], "kind"],
  [[0], "shape"],
  [[0, 0], "shape"],
  [[0, -1], "shape"],
  [[0, "1"], "shape"],
  [[1, 1, "g", "n", 1, 0], "shape"],
  [[1, 1, "g", "n", true, -1], "shape"],
  [[1, 1, "g", "n", true], "shape"],
  [[1, 1, "g", null, true, 0], "shape"],
  [[2, 1, 1], "shape"],
  [[2, -1, "g"], "shape"],
  [[3, 1, "g", "data"], "shape"],
  [[4, null, "g"], "shape"],
  [[5, true], "shape"],
];

const eventShapes: readonly (readonly [Cbor, string])[] = [
  [[1, 1], "kind"],
  [[0, 1, 11, 2, 4, "x"], "shape"],
  [[0, 1, 11, 9, 3, "x"], "shape"],
  [[0, 0, 11, 2, 3, "x"], "shape"],
  [[0, 1, 11, 2, 3, 4], "shape"],
  [[16, 1, "g", 9, [0, 3, "n", true], [7, []]], "shape"],
  [[16, 1, "g", 9, [65, 3, "n", true], [7, []]], "shape"],
  [[16, 1, "g", 9, [1, 3, "n", true], 7], "shape"],
  [[16, 1, "g", 9, [1, 3, "n", true], [7, [[1, 1, "n", 0]]]], "shape"],
  [[16, 1, "g", 9, [1, 3, "n", true], [-7, []]], "shape"],
  [[17, 1, 1], "shape"],
  [[18, 1, "g", null], "shape"],
  [[19, 1, "g"], "shape"],
  [[20, 1, 4, "m"], "shape"],
  [[20, 1, "length", "m"], "shape"],
  [[20, 1, -1, "m"], "shape"],
  [[21, "g", 1, 1, [1, 1, "n", true], "data"], "shape"],
  [[22, "g", 1, [1, []], [[[1, 1, "n", true], 4]]], "shape"],
  [[22, "g", 1, [1, []], [[[1, 1, "n", true], "at"]]], "shape"],
  [[22, "g", 1, [1, []], [1]], "shape"],
  [[23, "g", 1, 1], "shape"],
  [[24], "shape"],
  [[26, 1], "shape"],
  [[31, 1], "shape"],
];

test("a field that is missing, of another type or out of its range is said to be so", () => {
  for (const [value, reason] of shapes) {
    assert.equal(decodeApplicationFrame(encodeCbor(value)), { malformed: reason }, JSON.stringify(value));
  }
  for (const [value, reason] of eventShapes) assert.equal(decodeCardFrame(encodeCbor(value)), { malformed: reason }, JSON.stringify(value));
});

test("fields of a later version are passed over", () => {
  assert.equal(decodeApplicationFrame(encodeCbor([0, 2, "more"])), { kind: "hello", version: 2 });
  assert.equal(decodeCardFrame(encodeCbor([25, [1]])), { kind: "resumed" });
});

test("a length of nothing or beyond the bound ends the reading, before the bytes come", () => {
  const head = (length: number) => bytesOf(length.toString(16).padStart(8, "0"));
  const good = bytesOf(requests[0]?.[1] as string);
  for (const length of [0, applicationRequestBytesMax + 1, 0x80000000, 0xffffffff]) {
    const found = readAll([good, head(length), good], applicationRequestBytesMax, decodeApplicationFrame);
    assert.equal(found, [{ kind: "hello", version: 1 }, { malformed: "length" }], String(length));
  }
  const reader = new FrameReader(8);
  reader.push(head(9));
  for (let turn = 0; turn < 2; turn++) {
    assert.equal(reader.next(), { malformed: "length" });
    reader.push(good);
  }
  assert.is(readAll([head(8), new Uint8Array(8)], 8).length, 1);
});

test("the largest message, and a view of all members with all of them changed, keep within their bounds", () => {
  const data = new Uint8Array(applicationMessageBytesMax).fill(255);
  const send = encodeApplicationFrame({ kind: "send", request: Number.MAX_SAFE_INTEGER, group: "\u00e9".repeat(16), data });
  assert.ok(send.length - 4 <= applicationRequestBytesMax);
  const member = (index: number): Member => ({
    card: 1 + index % 64 as CardId,
    number: Number.MAX_SAFE_INTEGER,
    name: "n".repeat(memberNameBytesMax),
    critical: false,
  });
  const members = Array.from({ length: groupMembersMax }, (_, index) => member(index));
  const largest: ApplicationEvent = {
    kind: "view",
    group: "g".repeat(32),
    sequence: Number.MAX_SAFE_INTEGER,
    view: { number: Number.MAX_SAFE_INTEGER, members },
    changes: members.map((member) => ({ member, change: "exited" })),
  };
  const bytes = encodeCardFrame(largest);
  assert.ok(bytes.length - 4 <= applicationEventBytesMax);
  assert.equal(readAll([bytes], applicationEventBytesMax), [largest]);
});

test("text for people is cut between characters, and half a character does not spoil a frame", () => {
  const reason = (text: string) => {
    const decoded = decodeCardFrame(encodeCardFrame({ kind: "stopped", reason: text }).subarray(4));
    return "reason" in decoded ? decoded.reason : "";
  };
  assert.is(reason("\u00e9".repeat(256)), "\u00e9".repeat(256));
  assert.is(reason(`x${"\u{1f600}".repeat(200)}`), `x${"\u{1f600}".repeat(127)}`);
  assert.is(reason("a\ud800"), "a\ufffd");
  const decoded = decodeApplicationFrame(encodeApplicationFrame({ kind: "watch", request: 1, group: "\udfff" }).subarray(4));
  assert.equal(decoded, { kind: "watch", request: 1, group: "\ufffd" });
});

test.run();
