/** Frames on the serial line: COBS and CRC at every length, in every split, with every byte damaged, and between garbage. */
import { crc32 as platformCrc32 } from "node:zlib";
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { cardSetOf } from "../../src/base/card-set.ts";
import { cardAt, type CardId } from "../../src/base/ids.ts";
import {
  nameBytesMax,
  sequenceMax,
  serialAdvertBytes,
  serialAdvertBytesMax,
  serialEchoBytes,
  serialFrameBytesMax,
  serialHeartbeatBytesMax,
  softwareBytesMax,
} from "../../src/limits.ts";
import { encodeFrame, type Frame } from "../../src/wire/frame.ts";
import type { Message } from "../../src/wire/message.ts";
import { encodeSerial, SerialDecoder, type SerialItem, serialPlainBytesMax } from "../../src/wire/serial.ts";
import { advert, frameOf, keyring, serialMessage } from "./arbitrary.ts";

/** Frames with the bytes that matter to stuffing, zeros most of all. */
const frameBytes = fc.array(fc.oneof(fc.constantFrom(0, 0, 1, 0xff), fc.integer({ min: 0, max: 255 })), {
  minLength: 1,
  maxLength: serialPlainBytesMax,
  size: "max",
}).map((values) => Uint8Array.from(values));
const frames = fc.array(frameBytes, { minLength: 1, maxLength: 5 });

function received(items: readonly SerialItem[]): string[] {
  return items.map((item) => "malformed" in item ? item.malformed : item.toHex());
}

function lineOf(pieces: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(pieces.flatMap((piece) => [...piece]));
}

/** COBS as its paper describes it, written a second time and differently: blocks up to each zero of the bytes and one more zero. */
function stuffedByDefinition(plain: Uint8Array): number[] {
  const stuffed: number[] = [];
  let block: number[] = [];
  for (const byte of [...plain, 0]) {
    if (byte !== 0) block.push(byte);
    if (byte === 0 || block.length === 254) {
      stuffed.push(block.length + 1, ...block);
      block = [];
    }
  }
  return stuffed;
}

test("HA-2: every length with every mix of zeros survives the line", () => {
  for (let length = 1; length <= serialPlainBytesMax; length++) {
    const patterns = [
      new Uint8Array(length),
      new Uint8Array(length).fill(0xff),
      new Uint8Array(length).fill(1),
      Uint8Array.from({ length }, (_, index) => index & 0xff),
      Uint8Array.from({ length }, (_, index) => index % 2),
      new Uint8Array(length).fill(7).with(length - 1, 0),
      new Uint8Array(length).fill(7).with(0, 0),
    ];
    for (const frame of patterns) {
      const line = encodeSerial(frame);
      assert.ok(line.length <= serialFrameBytesMax);
      assert.is(line.length, length + 4 + 1 + 2);
      assert.is(line[0], 0);
      assert.is(line.indexOf(0, 1), line.length - 1);
      assert.equal(received(new SerialDecoder().push(line)), [frame.toHex()]);
    }
  }
  assert.is(encodeSerial(new Uint8Array(serialPlainBytesMax)).length, serialFrameBytesMax);
});

test("the bytes on the line are COBS of the frame and its CRC-32, as the specification says", () => {
  fc.assert(fc.property(frameBytes, (frame) => {
    const crc = platformCrc32(frame);
    const plain = Uint8Array.of(...frame, crc & 0xff, (crc >> 8) & 0xff, (crc >> 16) & 0xff, crc >>> 24);
    assert.equal([...encodeSerial(frame)], [0, ...stuffedByDefinition(plain), 0]);
  }));
});

test("a frame that is too long for the line is a broken invariant", () => {
  for (const length of [serialPlainBytesMax + 1, 253, 254, 255, 256, 508, 1_500]) {
    assert.throws(() => encodeSerial(new Uint8Array(length)), /a serial frame has at most 249 bytes/);
  }
});

test("HA-2: a stream in any split gives the same frames", () => {
  fc.assert(
    fc.property(frames, fc.array(fc.nat({ max: 300 }), { maxLength: 12 }), (sent, cuts) => {
      const line = lineOf(sent.map(encodeSerial));
      const decoder = new SerialDecoder();
      const items: SerialItem[] = [];
      let at = 0;
      for (const cut of [...cuts, line.length]) {
        items.push(...decoder.push(line.subarray(at, at + cut)));
        at += cut;
      }
      assert.equal(received(items), sent.map((frame) => frame.toHex()));
      assert.ok(decoder.idle);
    }),
    { numRuns: 300 },
  );
});

test("HA-2: a stream byte by byte, and cut in two at every place, gives the same frames", () => {
  const sent = [Uint8Array.of(0, 1, 0), new Uint8Array(60), Uint8Array.of(9), new Uint8Array(serialPlainBytesMax).fill(3)];
  const line = lineOf(sent.map(encodeSerial));
  const expected = sent.map((frame) => frame.toHex());
  const bytewise = new SerialDecoder();
  assert.equal(received([...line].flatMap((byte) => bytewise.push(Uint8Array.of(byte)))), expected);
  for (let cut = 0; cut <= line.length; cut++) {
    const decoder = new SerialDecoder();
    assert.equal(received([...decoder.push(line.subarray(0, cut)), ...decoder.push(line.subarray(cut))]), expected, `cut at ${cut}`);
  }
});

test("HA-2: any one byte damaged costs its own frame at most, and never gives a wrong one", () => {
  fc.assert(
    fc.property(frameBytes, frameBytes, frameBytes, fc.integer({ min: 1, max: 255 }), (before, hit, after, flip) => {
      const [first, second, third] = [encodeSerial(before), encodeSerial(hit), encodeSerial(after)];
      for (let at = 0; at < second.length; at++) {
        const damaged = second.with(at, (second[at] as number) ^ flip);
        const good = received(new SerialDecoder().push(lineOf([first, damaged, third]))).filter((item) =>
          item !== "crc" && item !== "framing"
        );
        assert.is(good[0], before.toHex(), `byte ${at}`);
        assert.is(good.at(-1), after.toHex(), `byte ${at}`);
        assert.ok(good.length === 2 || (good.length === 3 && good[1] === hit.toHex()), `byte ${at}: ${good.length} frames`);
      }
    }),
    { numRuns: 20 },
  );
});

test("HA-2: a byte lost or put in costs its own frame at most", () => {
  fc.assert(
    fc.property(frameBytes, frameBytes, fc.nat(), fc.nat({ max: 255 }), fc.boolean(), (hit, after, where, byte, lost) => {
      const line = [...encodeSerial(hit)];
      line.splice(where % line.length, lost ? 1 : 0, ...(lost ? [] : [byte]));
      const good = received(new SerialDecoder().push(lineOf([Uint8Array.from(line), encodeSerial(after)]))).filter((item) =>
        item.length > 7
      );
      const allowed = [hit.toHex(), after.toHex()].filter((item) => item.length > 7);
      for (const item of good) assert.ok(allowed.includes(item));
      if (after.length > 3) assert.is(good.at(-1), after.toHex());
    }),
    { numRuns: 300 },
  );
});

test("HA-2: garbage between frames, of any length, costs no frame", () => {
  const garbage = fc.uint8Array({ maxLength: 700, size: "max" });
  fc.assert(
    fc.property(fc.array(fc.tuple(garbage, frameBytes), { minLength: 1, maxLength: 5 }), (pieces) => {
      const decoder = new SerialDecoder();
      const items = received(decoder.push(lineOf(pieces.flatMap(([noise, frame]) => [noise, encodeSerial(frame)]))));
      assert.equal(items.filter((item) => item !== "crc" && item !== "framing"), pieces.map(([, frame]) => frame.toHex()));
    }),
    { numRuns: 200 },
  );
});

test("zeros between frames mean nothing, and one between two frames is enough", () => {
  const frame = Uint8Array.of(1, 0, 2);
  const line = encodeSerial(frame);
  const decoder = new SerialDecoder();
  assert.equal(decoder.push(new Uint8Array(1_000)), []);
  assert.ok(decoder.idle);
  const shared = lineOf([line, line.subarray(1), new Uint8Array(3), line]);
  assert.equal(received(decoder.push(shared)), [frame.toHex(), frame.toHex(), frame.toHex()]);
});

test("an overlong run of bytes is one damaged frame, holds no memory, and the next frame is received", () => {
  const frame = Uint8Array.of(1, 2, 3);
  const decoder = new SerialDecoder();
  for (let round = 0; round < 100; round++) assert.equal(decoder.push(new Uint8Array(10_000).fill(7)), []);
  assert.not.ok(decoder.idle);
  assert.equal(received(decoder.push(encodeSerial(frame))), ["framing", frame.toHex()]);
  // One byte more than the longest frame has between its zeros, all of it good COBS.
  const tooLong = new Uint8Array(serialFrameBytesMax - 1).fill(1);
  assert.equal(received(decoder.push(Uint8Array.of(...tooLong, 0))), ["framing"]);
});

test("what is too short for a CRC and a byte, or has a code that reaches over the end, is no frame", () => {
  const cases: [number[], string][] = [
    [[1], "framing"],
    [[2, 7], "framing"],
    [[5, 1, 2, 3, 4], "framing"],
    [[6, 1, 2, 3, 4], "framing"],
    [[0xff, 1, 2, 3, 4, 5], "framing"],
    [[6, 1, 2, 3, 4, 5], "crc"],
    [[1, 1, 1, 1, 1, 1], "crc"],
  ];
  for (const [bytes, reason] of cases) assert.equal(received(new SerialDecoder().push(Uint8Array.of(...bytes, 0))), [reason], `${bytes}`);
});

test("a reset forgets what was begun", () => {
  const decoder = new SerialDecoder();
  const frame = Uint8Array.of(1, 2, 3);
  const line = encodeSerial(frame);
  decoder.push(line.subarray(0, 5));
  assert.not.ok(decoder.idle);
  decoder.reset();
  assert.ok(decoder.idle);
  assert.equal(received(decoder.push(line.subarray(1))), [frame.toHex()]);
  decoder.push(new Uint8Array(1_000).fill(1));
  decoder.reset();
  assert.equal(received(decoder.push(line.subarray(1))), [frame.toHex()]);
});

test("received frames are in buffers of their own", () => {
  const decoder = new SerialDecoder();
  const line = encodeSerial(Uint8Array.of(1, 2, 3));
  const [first] = decoder.push(line);
  decoder.push(encodeSerial(Uint8Array.of(9, 9, 9)));
  line.fill(0xee);
  assert.equal(first, Uint8Array.of(1, 2, 3));
});

/** Every number at its largest. */
const worst = { system: 0xffff, from: 64 as CardId, to: 64 as CardId, incarnation: 0xffffffff };

function lineBytes(frame: Frame): number {
  return encodeSerial(encodeFrame("serial", keyring, frame)).length;
}

test("HA-2: a heartbeat keeps within its bytes on the line, at the largest numbers of all", () => {
  const chassis = [...Array(8).keys()].map((index) => cardAt(8, index + 1));
  // More than 32 bits of sequence take six years of twenty frames a second; nothing but four bytes of the budget hangs on them.
  for (const sequence of [0xffff, 0xffffffff]) {
    const ticks = cardSetOf(worst.from, chassis);
    const message: Message = {
      kind: "heartbeat",
      etherPort: true,
      serialPort: true,
      etherTicks: ticks,
      serialTicks: ticks,
      view: 0xffff,
      head: 0xffff,
    };
    // It goes to everybody, whose number takes one byte.
    const bytes = lineBytes({ ...worst, to: 0, sequence, message });
    assert.ok(bytes <= serialHeartbeatBytesMax, `${bytes} bytes`);
  }
});

test("HA-2: an advert with a full chassis keeps within its bytes on the line", () => {
  fc.assert(fc.property(frameOf(advert(8)), (frame) => lineBytes(frame) <= serialAdvertBytesMax));
  const message: Message = {
    kind: "advert",
    uid: new Uint8Array(8).fill(0xff),
    name: "n".repeat(nameBytesMax),
    nonce: 0xffffffff,
    echoes: [...Array(8).keys()].map((index) => ({ card: cardAt(8, index + 1), nonce: 0xffffffff })),
    etherPeriodMs: 60_000,
    serialPeriodMs: 60_000,
    wireMin: 15,
    wireMax: 15,
    software: "s".repeat(softwareBytesMax),
  };
  const full = lineBytes({ ...worst, sequence: sequenceMax, message });
  assert.ok(full <= serialAdvertBytesMax, `${full} bytes`);
  const without = lineBytes({ ...worst, sequence: sequenceMax, message: { ...message, echoes: [] } });
  assert.ok(full - without <= 8 * serialEchoBytes + 1);
  // What the budget of the line calls an advert is one of usual size: a name and a version of half their length, a sequence of years.
  const usual: Message = { ...message, name: "n".repeat(nameBytesMax / 2), software: "s".repeat(softwareBytesMax / 2), echoes: [] };
  const usualBytes = lineBytes({ ...worst, to: 0, sequence: 0xffffffff, message: usual });
  assert.ok(usualBytes <= serialAdvertBytes, `${usualBytes} bytes`);
});

test("HA-2: every message that a frame on serial may be fits on the line", () => {
  fc.assert(fc.property(frameOf(serialMessage), (frame) => lineBytes(frame) <= serialFrameBytesMax));
});

test.run();
