import { test } from "uvu";
import * as assert from "uvu/assert";
import fc from "fast-check";
import { cardAt, type CardId, everybody, multiplexor } from "../../src/base/ids.ts";
import { Prng } from "../../src/base/prng.ts";
import { chassisPowerOnMs, multiplexorPeriodMs, serialFrameBytesMax } from "../../src/limits.ts";
import {
  decodeLine,
  Multiplexor,
  type MultiplexorInput,
  type MultiplexorOutput,
  powerRepeats,
  resetMs,
} from "../../src/sim/multiplexor.ts";
import { Keyring } from "../../src/wire/auth.ts";
import { encodeFrame, type Frame, isMalformed } from "../../src/wire/frame.ts";
import type { Message } from "../../src/wire/message.ts";
import { encodeSerial } from "../../src/wire/serial.ts";

const system = 7;
const chassis = 2;
const baud = 115_200;
const keyring = new Keyring([new Uint8Array(32).fill(1)]);
const msPerByte = 10_000 / baud;
const goodbye: Message = { kind: "bye", reason: "stop" };

function line(slot: number, sequence: number, message: Message = goodbye, to: CardId | 0 | 65 = everybody, incarnation = 1): Uint8Array {
  const frame = { system, from: cardAt(chassis, slot), to, incarnation, sequence, message };
  return encodeSerial(encodeFrame("serial", keyring, frame));
}

/** A multiplexor with cards in slots 1 to `cards`, past its first report of power; with the outputs of each run. */
function rig(cards = 3) {
  const power = Array.from({ length: cards }, () => "on" as const);
  const mux = new Multiplexor({ chassis, system, keyring, baud, incarnation: 1, prng: new Prng(1), power }, 0);
  /** Runs until `until`, at each deadline, and gives what came out. */
  const run = (until: number): MultiplexorOutput[] => {
    const outputs: MultiplexorOutput[] = [];
    while (mux.deadline() <= until) outputs.push(...mux.step(mux.deadline(), { kind: "tick" }));
    return outputs;
  };
  const tell = (now: number, input: MultiplexorInput) => mux.step(now, input);
  run(100);
  return { mux, run, tell };
}

type Out = Extract<MultiplexorOutput, { kind: "bytes" }>;
const bytesOf = (outputs: readonly MultiplexorOutput[]) => outputs.filter((output): output is Out => output.kind === "bytes");

function framesTo(outputs: readonly MultiplexorOutput[], slot: number): Frame[] {
  return bytesOf(outputs).filter((output) => output.slot === slot).map(({ bytes }) => {
    const frame = decodeLine(keyring, system, bytes);
    if (isMalformed(frame)) throw new Error(frame.malformed);
    return frame;
  });
}

test("HA-2: a frame is repeated to every other slot with power, at the line's speed both ways", () => {
  const { mux, run, tell } = rig();
  const bytes = line(1, 1);
  tell(200, { kind: "bytes", slot: 1, bytes });
  const outputs = bytesOf(run(900));
  assert.equal(outputs.map(({ slot }) => slot), [2, 3]);
  for (const output of outputs) {
    assert.equal(output.bytes, bytes);
    assert.ok(Math.abs(output.at - (200 + 2 * bytes.length * msPerByte)) < 1e-6, `at ${output.at}`);
  }
  assert.equal([mux.counters(1).framesIn, mux.counters(2).framesOut, mux.counters(1).framesOut], [1, 2, 1]);
});

test("a line carries one frame after the other, in order", () => {
  const { run, tell } = rig();
  const frames = [line(1, 1), line(1, 2), line(1, 3)];
  for (const bytes of frames) tell(200, { kind: "bytes", slot: 1, bytes });
  const outputs = bytesOf(run(900)).filter(({ slot }) => slot === 2);
  assert.equal(outputs.map(({ bytes }) => bytes), frames);
  assert.ok(Math.abs((outputs[2] as Out).at - (200 + 4 * (frames[0] as Uint8Array).length * msPerByte)) < 1e-6);
});

test("bytes in whatever pieces, with noise between frames, give the same frames", () => {
  const noise = Uint8Array.of(5, 6, 7);
  const stream = Uint8Array.from([...line(1, 1), ...noise, ...line(1, 2), 0, 0, ...line(1, 3)]);
  fc.assert(fc.property(fc.array(fc.integer({ min: 1, max: stream.length - 1 }), { maxLength: 12 }), (cuts) => {
    const { run, tell } = rig();
    const at = [0, ...[...new Set(cuts)].sort((a, b) => a - b), stream.length];
    for (let index = 1; index < at.length; index++) tell(200, { kind: "bytes", slot: 1, bytes: stream.slice(at[index - 1], at[index]) });
    const frames = bytesOf(run(900)).filter(({ slot }) => slot === 2).map(({ bytes }) => [...bytes]);
    assert.equal(frames, [line(1, 1), Uint8Array.of(0, ...noise, 0), line(1, 2), line(1, 3)].map((bytes) => [...bytes]));
  }));
});

test("more than a frame's bytes without a zero are dropped and counted, and the next frame goes on", () => {
  const { mux, run, tell } = rig();
  tell(200, { kind: "bytes", slot: 1, bytes: new Uint8Array(serialFrameBytesMax - 1).fill(9) });
  tell(200, { kind: "bytes", slot: 1, bytes: line(1, 1) });
  assert.equal(framesTo(run(900), 2).map(({ sequence }) => sequence), [1]);
  assert.is(mux.counters(1).dropped, 1);
});

test("a slot that babbles leaves every other slot its turn", () => {
  const { mux, run, tell } = rig(4);
  const noise = Uint8Array.from([0, ...new Uint8Array(100).fill(9), 0]);
  const outputs: MultiplexorOutput[] = [];
  for (let now = 200; now < 1_200; now += 10) {
    outputs.push(...run(now));
    for (let times = 0; times < 3; times++) outputs.push(...tell(now, { kind: "bytes", slot: 1, bytes: noise }));
    for (const slot of [2, 3]) if (now % 100 === 0) outputs.push(...tell(now, { kind: "bytes", slot, bytes: line(slot, now) }));
  }
  outputs.push(...run(1_300));
  const heard = bytesOf(outputs).filter(({ slot, bytes }) => slot === 4 && !isMalformed(decodeLine(keyring, system, bytes)));
  assert.is(heard.length, 2 * 10 + 1, "twenty frames and a report of power");
  assert.ok(mux.counters(1).dropped > 100);
  assert.is(mux.counters(2).dropped + mux.counters(3).dropped, 0);
});

const reset = (id: number, slot: number, incarnation = 1): Message => ({ kind: "muxReset", id, slot, incarnation });
const receipts = (outputs: readonly MultiplexorOutput[], slot: number) =>
  framesTo(outputs, slot).map(({ message }) => message).filter(({ kind }) => kind === "muxReceipt");

test("an order resets the slot, and its receipt comes when the card has stopped, to everybody", () => {
  const { run, tell } = rig();
  tell(200, { kind: "bytes", slot: 1, bytes: line(1, 1, reset(42, 3), multiplexor) });
  const ordered = run(300);
  assert.equal(ordered, [{ kind: "reset", slot: 3 }], "no receipt yet, and the order is not repeated to others");
  tell(300, { kind: "resetDone", slot: 3, stopped: true });
  const after = run(600);
  assert.equal(receipts(after, 1), [{ kind: "muxReceipt", id: 42, slot: 3, outcome: "reset", incarnation: 1 }]);
  assert.equal(receipts(after, 2), receipts(after, 1));
});

test("after the receipt nothing comes of the card that was stopped", () => {
  const { run, tell } = rig();
  tell(200, { kind: "bytes", slot: 1, bytes: line(1, 1, reset(42, 3), multiplexor) });
  run(210);
  for (let sequence = 0; sequence < 5; sequence++) tell(210, { kind: "bytes", slot: 3, bytes: line(3, sequence) });
  run(216);
  tell(216, { kind: "resetDone", slot: 3, stopped: true });
  const kinds = framesTo(run(600), 1).map(({ from, message }) => `${from} ${message.kind}`);
  const receiptAt = kinds.indexOf(`${multiplexor} muxReceipt`);
  assert.ok(receiptAt >= 0);
  assert.equal(kinds.slice(receiptAt + 1), []);
});

test("an order that is repeated resets once and gets its receipt again", () => {
  const { run, tell } = rig();
  tell(200, { kind: "bytes", slot: 1, bytes: line(1, 1, reset(42, 3), multiplexor) });
  run(250);
  tell(250, { kind: "bytes", slot: 1, bytes: line(1, 2, reset(42, 3), multiplexor) });
  assert.equal(run(280), [], "while the reset is under way");
  tell(280, { kind: "resetDone", slot: 3, stopped: true });
  run(350);
  tell(350, { kind: "bytes", slot: 1, bytes: line(1, 3, reset(42, 3), multiplexor) });
  const again = run(500);
  assert.is(again.filter(({ kind }) => kind === "reset").length, 0);
  assert.equal(receipts(again, 1), [{ kind: "muxReceipt", id: 42, slot: 3, outcome: "reset", incarnation: 1 }]);
});

test("a run of a card is reset once, whoever asks for it, and a later run is not meant", () => {
  const { run, tell } = rig();
  tell(200, { kind: "bytes", slot: 3, bytes: line(3, 1) });
  run(205);
  tell(205, { kind: "bytes", slot: 1, bytes: line(1, 1, reset(42, 3), multiplexor) });
  run(250);
  tell(250, { kind: "resetDone", slot: 3, stopped: true });
  run(300);
  tell(300, { kind: "bytes", slot: 2, bytes: line(2, 1, reset(7, 3), multiplexor) });
  const second = run(400);
  assert.equal(second.filter(({ kind }) => kind === "reset"), []);
  assert.equal(receipts(second, 2), [{ kind: "muxReceipt", id: 7, slot: 3, outcome: "reset", incarnation: 1 }]);
  tell(400, { kind: "bytes", slot: 3, bytes: line(3, 1, undefined, undefined, 2) });
  run(410);
  tell(410, { kind: "bytes", slot: 1, bytes: line(1, 2, reset(43, 3), multiplexor) });
  const late = run(500);
  assert.equal(late.filter(({ kind }) => kind === "reset"), []);
  assert.equal(receipts(late, 1), [{ kind: "muxReceipt", id: 43, slot: 3, outcome: "newer", incarnation: 1 }]);
  tell(500, { kind: "bytes", slot: 1, bytes: line(1, 3, reset(44, 3, 2), multiplexor) });
  assert.equal(run(600).filter(({ kind }) => kind === "reset"), [{ kind: "reset", slot: 3 }]);
});

test("of two cards that would stop each other one goes on", () => {
  const { run, tell } = rig(2);
  tell(200, { kind: "bytes", slot: 1, bytes: line(1, 1, reset(5, 2), multiplexor) });
  tell(200.5, { kind: "bytes", slot: 2, bytes: line(2, 1, reset(5, 1), multiplexor) });
  assert.equal(run(240).filter(({ kind }) => kind === "reset"), [{ kind: "reset", slot: 2 }]);
});

test("an order that could not be carried out is tried again when it is repeated", () => {
  const { run, tell } = rig();
  tell(200, { kind: "bytes", slot: 1, bytes: line(1, 1, reset(5, 2), multiplexor) });
  const failed = run(200 + resetMs + 50);
  assert.equal(receipts(failed, 1).map((receipt) => receipt.kind === "muxReceipt" && receipt.outcome), ["failed"]);
  tell(300 + resetMs, { kind: "bytes", slot: 1, bytes: line(1, 2, reset(5, 2), multiplexor) });
  assert.equal(run(400 + resetMs).filter(({ kind }) => kind === "reset"), [{ kind: "reset", slot: 2 }]);
});

test("an order is believed only from the slot of its sender, once, and with the key", () => {
  const order = line(1, 1, reset(42, 3), multiplexor);
  const foreign = encodeSerial(
    encodeFrame("serial", new Keyring([new Uint8Array(32).fill(2)]), {
      system,
      from: cardAt(chassis, 1),
      to: multiplexor,
      incarnation: 1,
      sequence: 1,
      message: reset(42, 3),
    }),
  );
  const { mux, run, tell } = rig();
  tell(200, { kind: "bytes", slot: 2, bytes: order });
  tell(200, { kind: "bytes", slot: 1, bytes: foreign });
  assert.is(run(300).filter(({ kind }) => kind === "reset").length, 0);
  assert.is(mux.counters(2).dropped, 1);
  tell(300, { kind: "bytes", slot: 1, bytes: order });
  assert.is(run(400).filter(({ kind }) => kind === "reset").length, 1);
  tell(400, { kind: "resetDone", slot: 3, stopped: true });
  tell(400, { kind: "bytes", slot: 1, bytes: order });
  assert.is(run(600).filter(({ kind }) => kind === "reset").length, 0, "played again");
});

test("a slot without power or card needs no reset, and one that cannot be stopped in time has failed", () => {
  const { run, tell } = rig();
  tell(150, { kind: "power", slot: 3, power: "off" });
  run(190);
  tell(200, { kind: "bytes", slot: 1, bytes: line(1, 1, reset(1, 3), multiplexor) });
  tell(200, { kind: "bytes", slot: 1, bytes: line(1, 2, reset(2, 7), multiplexor) });
  tell(200, { kind: "bytes", slot: 1, bytes: line(1, 3, reset(3, 2), multiplexor) });
  const outputs = run(200 + resetMs + 50);
  assert.equal(receipts(outputs, 1), [
    { kind: "muxReceipt", id: 1, slot: 3, outcome: "off", incarnation: 1 },
    { kind: "muxReceipt", id: 2, slot: 7, outcome: "absent", incarnation: 1 },
    { kind: "muxReceipt", id: 3, slot: 2, outcome: "failed", incarnation: 1 },
  ]);
  assert.equal(outputs.filter(({ kind }) => kind === "reset"), [{ kind: "reset", slot: 2 }]);
});

test("a report of power that was not told yet gives way to a newer one", () => {
  const { run, tell } = rig();
  tell(150, { kind: "power", slot: 3, power: "off" });
  tell(150, { kind: "power", slot: 3, power: "on" });
  tell(150, { kind: "power", slot: 3, power: "off" });
  const powered = framesTo(run(400), 1).flatMap(({ message }) => message.kind === "muxPower" ? [message.powered] : []);
  assert.equal(powered.slice(-3), [0b011, 0b011, 0b011]);
  assert.ok(powered.length <= 4, `only what was on the line already comes before: ${powered}`);
});

test("power is told every period, and a change of it at once and several times", () => {
  const { run, tell } = rig();
  const powers = (outputs: readonly MultiplexorOutput[]) =>
    framesTo(outputs, 1).map(({ message }) => message.kind === "muxPower" ? message.powered : NaN);
  assert.equal(powers(run(3 * multiplexorPeriodMs + 100)), [0b111, 0b111, 0b111]);
  tell(3_200, { kind: "power", slot: 2, power: "absent" });
  assert.equal(powers(run(3_300)), Array(powerRepeats).fill(0b101));
});

test("FS-6: it tells of each slot how often it got its power since the chassis was on, and how often its line was pulled", () => {
  const { run, tell } = rig();
  const said = (until: number, slot = 1): number[][] => {
    const message = framesTo(run(until), slot).map((frame) => frame.message).findLast(({ kind }) => kind === "muxPower");
    const starts = message?.kind === "muxPower" ? [...message.starts ?? []] : [];
    return [1, 2, 3, 4].map((each) => starts.slice(2 * each - 2, 2 * each));
  };
  // What gets its power with the chassis was there from the beginning.
  tell(300, { kind: "power", slot: 4, power: "on" });
  assert.equal(said(2_000), [[0, 0], [0, 0], [0, 0], [0, 0]]);
  run(chassisPowerOnMs);
  tell(chassisPowerOnMs + 100, { kind: "power", slot: 3, power: "off" });
  tell(chassisPowerOnMs + 200, { kind: "power", slot: 3, power: "on" });
  tell(chassisPowerOnMs + 300, { kind: "bytes", slot: 1, bytes: line(1, 1, { kind: "muxReset", id: 1, slot: 2 }, multiplexor) });
  run(chassisPowerOnMs + 400);
  tell(chassisPowerOnMs + 400, { kind: "resetDone", slot: 2, stopped: true });
  assert.equal(said(chassisPowerOnMs + 2_000), [[0, 0], [0, 1], [1, 0], [0, 0]]);
  // A line that could not be pulled was not pulled.
  tell(chassisPowerOnMs + 2_100, { kind: "bytes", slot: 1, bytes: line(1, 2, { kind: "muxReset", id: 2, slot: 2 }, multiplexor) });
  run(chassisPowerOnMs + 2_200);
  tell(chassisPowerOnMs + 2_200, { kind: "resetDone", slot: 2, stopped: false });
  assert.equal(said(chassisPowerOnMs + 4_000), [[0, 0], [0, 1], [1, 0], [0, 0]]);
  tell(chassisPowerOnMs + 4_100, { kind: "dead", dead: true });
  tell(chassisPowerOnMs + 4_200, { kind: "dead", dead: false });
  assert.equal(said(chassisPowerOnMs + 6_000), [[0, 0], [0, 0], [0, 0], [0, 0]]);
});

test("a cut line loses what passes it, one way or both", () => {
  const { run, tell } = rig();
  tell(200, { kind: "cut", slot: 1, direction: "tx", cut: true });
  tell(200, { kind: "bytes", slot: 1, bytes: line(1, 1) });
  tell(200, { kind: "bytes", slot: 2, bytes: line(2, 1) });
  const outputs = run(900);
  assert.equal([framesTo(outputs, 1).length, framesTo(outputs, 2).length, framesTo(outputs, 3).length], [1, 0, 1]);
  tell(900, { kind: "cut", slot: 1, direction: "tx", cut: false });
  tell(900, { kind: "cut", slot: 1, direction: "rx", cut: true });
  tell(900, { kind: "bytes", slot: 1, bytes: line(1, 2) });
  tell(900, { kind: "bytes", slot: 2, bytes: line(2, 2) });
  const then = run(990);
  assert.equal([framesTo(then, 1).length, framesTo(then, 2).length, framesTo(then, 3).length], [0, 1, 2]);
});

test("a line that flips bits is counted", () => {
  const { mux, run, tell } = rig();
  tell(200, { kind: "corrupt", slot: 1, rate: 0.5 });
  const sent = line(1, 1);
  tell(200, { kind: "bytes", slot: 1, bytes: sent });
  run(900);
  assert.ok(mux.counters(1).corrupted > 5);
  assert.equal(sent, line(1, 1), "what was given in is left alone");
});

test("a dead multiplexor does nothing, and comes back with a new incarnation and nothing queued", () => {
  const { mux, run, tell } = rig();
  tell(200, { kind: "bytes", slot: 1, bytes: line(1, 1) });
  tell(201, { kind: "dead", dead: true });
  tell(202, { kind: "bytes", slot: 1, bytes: line(1, 2) });
  assert.is(mux.deadline(), Infinity);
  tell(5_000, { kind: "dead", dead: false });
  const frames = framesTo(run(5_100), 2);
  assert.equal(frames.map(({ from, incarnation }) => [from, incarnation]), [[multiplexor, 2]]);
});

test("who calls late gets everything, with the instants at which it was through", () => {
  const { mux, tell } = rig();
  const bytes = line(1, 1);
  tell(200, { kind: "bytes", slot: 1, bytes });
  const outputs = bytesOf(mux.step(700, { kind: "tick" }));
  assert.is(outputs.length, 2);
  assert.ok(Math.abs((outputs[0] as Out).at - (200 + 2 * bytes.length * msPerByte)) < 1e-6);
  assert.ok(mux.deadline() > 700);
});

test.run();
