/**
 * Damaged, spliced, forged and hostile input through every decoder of the wire, for a bounded time:
 * `npm run fuzz -- [--seconds 10] [--seed N]`. It looks for an exception, for a forged frame that is believed, for an
 * input that takes longer than `inputMsMax` or never ends, for a decoder that accepts what it cannot write again, and
 * for memory that grows. The inputs run in a thread that the main one watches. It ends with the number of inputs a
 * second and the seed, which gives the same inputs again; on a finding with exit code 1 and the input in hex, which
 * `--replay TARGET:HEX` runs again alone.
 */
import { writeSync } from "node:fs";
import process from "node:process";
import { isDeepStrictEqual, parseArgs } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { isMainThread, Worker, workerData } from "node:worker_threads";
import { cardCountMax, type CardId, type LinkKind, linkKinds, multiplexor, slotCountMax } from "../src/base/ids.ts";
import { Prng } from "../src/base/prng.ts";
import { fragmentCountMax, keyBytes, messageBytesMax, reassemblyMax, reassemblyPerSenderMax, sequenceMax } from "../src/limits.ts";
import { Keyring } from "../src/wire/auth.ts";
import { kindNumbers } from "../src/wire/body.ts";
import { type Cbor, decodeCbor, encodeCbor } from "../src/wire/cbor.ts";
import { decodeFrame, encodeFrame, type Frame, frameBytesMax, isMalformed } from "../src/wire/frame.ts";
import { decodeLldp, encodeLldp } from "../src/wire/lldp.ts";
import type { Entry, Fragment, Message } from "../src/wire/message.ts";
import { fragmentsOf, Reassembly } from "../src/wire/reassembly.ts";
import { encodeSerial, SerialDecoder } from "../src/wire/serial.ts";

const inputMsMax = 50;
const heapGrowthBytesMax = 8 * 1024 * 1024;
/** An input that is not done after this will never be. */
const hangMs = 5_000;
const progressMs = 500;

const system = 0xc0de;
const keyring = new Keyring([new Uint8Array(keyBytes).fill(0x5a)]);

/** What a target makes of an input: a word that is counted. */
type Outcome = string;
/** Throws when the input is a finding. */
type Target = { readonly make: (prng: Prng) => Uint8Array; readonly run: (input: Uint8Array) => Outcome };

class Finding extends Error {}

function expect(condition: boolean, message: string): void {
  if (!condition) throw new Finding(message);
}

// ---- valid input, of which the rest is made

const bytes = (length: number, first = 1) => Uint8Array.from({ length }, (_, index) => (first + index * 37) & 0xff);

function advertOf(echoCount: number): Message {
  return {
    kind: "advert",
    uid: bytes(8),
    name: "bay-\u00e9",
    nonce: 0xdeadbeef,
    echoes: Array.from({ length: echoCount }, (_, index) => ({ card: index + 1 as CardId, nonce: index * 0x1234567 })),
    etherPeriodMs: 100,
    serialPeriodMs: 500,
    wireMin: 1,
    wireMax: 1,
    software: "0.1.0",
  };
}

const entries: readonly Entry[] = [
  { type: "view", origin: 1 as CardId, id: 0, body: bytes(40) },
  { type: "control", origin: 64 as CardId, id: 0, body: bytes(0) },
  { type: "data", origin: 3 as CardId, id: 2 ** 40, body: bytes(24) },
];
const set = (byte: number) => Uint8Array.of(byte);

const head = { sequence: 2 ** 40, epoch: 70_000, hash: bytes(32) };

const messages: readonly Message[] = [
  { kind: "heartbeat", etherPort: true, serialPort: true, etherTicks: bytes(8), serialTicks: Uint8Array.of(3), view: 0 },
  {
    kind: "heartbeat",
    etherPort: false,
    serialPort: true,
    etherTicks: new Uint8Array(0),
    serialTicks: new Uint8Array(0),
    view: 1_000,
    head: 0xf001,
  },
  advertOf(0),
  advertOf(slotCountMax),
  { kind: "bye", reason: "maintenance" },
  { kind: "stale", card: 5 as CardId, incarnation: 70_000 },
  { kind: "wantView", previous: 7, promised: 70_000 },
  { kind: "proposeView", number: 9, members: set(7), incarnations: [1, 70_000, 0xffffffff], ether: set(3) },
  { kind: "promiseView", number: 9, previous: 8, down: set(8) },
  { kind: "refuseView", number: 9, promised: 10, missing: set(2) },
  {
    kind: "commitView",
    number: 9,
    members: set(7),
    incarnations: [1, 70_000, 0xffffffff],
    previous: [0, 8, 8],
    ether: set(7),
    down: set(8),
    unknown: set(16),
  },
  { kind: "committedView", number: 9 },
  { kind: "submit", view: 9, entries: entries.slice(2), floor: 1 },
  { kind: "pass", view: 9, pass: 2 ** 33, first: 1_000, entries, committed: 999, delivered: 990 },
  { kind: "commit", view: 9, committed: 1_000 },
  { kind: "flush", view: 9, epoch: 8, held: 1_000, delivered: 999, deliveredEpoch: 7, whole: true, ready: false },
  {
    kind: "sync",
    view: 9,
    first: 998,
    last: 1_000,
    entries,
    skip: false,
    epochs: [{ view: 3, first: 1 }, { view: 8, first: 998 }],
    marks: [{ card: 3 as CardId, incarnation: 70_000, id: 2 ** 40 }],
  },
  { kind: "failing", reason: "\u00e9 has gone" },
  {
    kind: "configState",
    announced: 1_000,
    accepted: head,
    level: 3,
    lineage: 9,
    replicas: [1 as CardId, 3 as CardId],
    levels: [{ card: 1 as CardId, levelMax: 3 }],
    line: [64 as CardId],
    parts: { card: 3 as CardId, id: 7, base: bytes(32), count: 300, next: 2 },
  },
  { kind: "configAsk", id: 1, what: "durable" },
  { kind: "configAsk", id: 2, what: "hashes", sequences: [0, 23, 2 ** 40] },
  { kind: "configAsk", id: 3, what: "transfer", after: 1_000, snapshot: true },
  { kind: "configAsk", id: 4, what: "piece", transfer: 5, offset: 70_000 },
  { kind: "configGive", id: 2, what: "hashes", first: 1, heads: [head, head] },
  {
    kind: "configGive",
    id: 3,
    what: "offer",
    transfer: 5,
    content: "snapshot",
    head,
    bytes: 2 ** 33,
    sha256: bytes(32),
    left: 0,
  },
  { kind: "configGive", id: 4, what: "piece", transfer: 5, offset: 70_000, data: bytes(100) },
  { kind: "configGive", id: 4, what: "nothing", reason: "gone" },
  { kind: "configDurable", head },
  { kind: "configForward", id: 0xffffffff, wish: bytes(40) },
  { kind: "configAnswer", id: 0xffffffff, answer: bytes(40) },
  { kind: "muxReset", id: 0xffffffff, slot: 8, incarnation: 0xffffffff },
  { kind: "muxReceipt", id: 24, slot: 1, outcome: "off", incarnation: 70_000 },
  { kind: "muxPower", powered: 0xff },
  { kind: "muxPower", powered: 1, starts: bytes(16) },
  { kind: "boot", bootType: "warm", state: "hold", hold: "cards-missing", sequence: 70_000, epoch: 24, role: "secondary" },
  { kind: "idle", view: 70_000 },
  { kind: "selfTest", id: 70_000, subject: 64 as CardId },
  {
    kind: "selfTestAnswer",
    id: 70_000,
    subject: 64 as CardId,
    stage: "done",
    results: [{ check: 5, result: "failed", code: "no-answer", ms: 500 }],
  },
  { kind: "fragment", id: 258, index: 1, count: 3, data: bytes(100) },
  ...fragmentsOf(advertOf(cardCountMax), frameBytesMax.serial, 7),
];

const valid: readonly { readonly link: LinkKind; readonly frame: Frame; readonly bytes: Uint8Array }[] = linkKinds.flatMap((link) =>
  messages.flatMap((message, index) =>
    [index + 1, 0xffffffff, sequenceMax].map((sequence) => {
      const from = message.kind.startsWith("mux") ? multiplexor : 3 as CardId;
      const frame: Frame = { system, from, to: 0, incarnation: 7, sequence, message };
      return { link, frame, bytes: encodeFrame(link, keyring, frame) };
    })
  )
);
const genuine: Readonly<Record<LinkKind, ReadonlySet<string>>> = {
  ether: new Set(valid.filter(({ link }) => link === "ether").map((sample) => sample.bytes.toHex())),
  serial: new Set(valid.filter(({ link }) => link === "serial").map((sample) => sample.bytes.toHex())),
};
const samplesOf: Readonly<Record<LinkKind, readonly Uint8Array[]>> = {
  ether: valid.filter(({ link }) => link === "ether").map((sample) => sample.bytes),
  serial: valid.filter(({ link }) => link === "serial").map((sample) => sample.bytes),
};
const envelopes = valid.map(({ link, bytes }) => bytes.subarray(0, bytes.length - 1 - keyring.sign(link, new Uint8Array(0)).length));
const lldpFrames = [0, 120].map((ttlS) =>
  encodeLldp({
    mac: bytes(6),
    interfaceName: "eth0",
    cardName: "bay-3",
    systemName: "store",
    card: 3,
    chassis: 1,
    slot: 3,
    uid: bytes(8),
    software: "0.1.0",
    ttlS,
    managementAddresses: [bytes(4), bytes(16)],
  })
);

// ---- damage

const edges = [0, 1, 0x17, 0x18, 0x19, 0x1b, 0x1f, 0x40, 0x7f, 0x80, 0x9b, 0x9f, 0xc1, 0xf6, 0xfb, 0xfe, 0xff];

function damaged(prng: Prng, input: Uint8Array, others: readonly Uint8Array[]): Uint8Array {
  let output = [...input];
  for (let changes = 1 + prng.below(3); changes > 0; changes--) {
    const at = prng.below(output.length + 1);
    switch (prng.below(8)) {
      case 0:
        if (at < output.length) output[at] = (output[at] as number) ^ (1 << prng.below(8));
        break;
      case 1:
        if (at < output.length) output[at] = prng.pick(edges);
        break;
      case 2:
        output.splice(at, 1 + prng.below(8));
        break;
      case 3:
        output.splice(at, 0, ...noise(prng, 1 + prng.below(8)));
        break;
      case 4:
        output.length = at;
        break;
      case 5:
        output = [...output.slice(0, at), ...prng.pick(others).subarray(prng.below(64))];
        break;
      case 6: {
        const part = output.slice(at, at + 1 + prng.below(16));
        for (let times = prng.below(8); times > 0; times--) output.splice(at, 0, ...part);
        break;
      }
      case 7:
        if (at + 4 <= output.length) { for (let index = 0; index < 4; index++) output[at + index] = 0xff; }
    }
  }
  return Uint8Array.from(output);
}

function noise(prng: Prng, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => prng.bits() & 0xff);
}

/** A value that a body may hold somewhere, or of a kind that none does. */
function value(prng: Prng, depth: number): Cbor {
  switch (prng.below(depth > 3 ? 6 : 8)) {
    case 0:
      return prng.below(70);
    case 1:
      return prng.pick([0, 23, 24, 255, 256, 65_535, 65_536, 0xffffffff, 2 ** 32, sequenceMax, -1, -(2 ** 31)]);
    case 2:
      return noise(prng, prng.below(12));
    case 3:
      return "\u00e9x\u{10151}".repeat(prng.below(14));
    case 4:
      return prng.pick([true, false, null]);
    case 5:
      return prng.bits();
    default:
      return Array.from({ length: prng.below(6) }, () => value(prng, depth + 1));
  }
}

/** Replaces, removes or inserts an item at any depth. */
function changed(prng: Prng, item: Cbor, depth = 0): Cbor {
  if (!Array.isArray(item) || item.length === 0 || prng.chance(0.1)) return value(prng, depth);
  const at = prng.below(item.length);
  const inner = item[at] as Cbor;
  if (Array.isArray(inner) && prng.chance(0.6)) return item.with(at, changed(prng, inner, depth + 1));
  if (prng.chance(0.2)) return item.toSpliced(at, 1);
  return item.toSpliced(at, prng.below(2), value(prng, depth));
}

/** A fragment's index and count; once in a while they contradict each other. */
function place(prng: Prng): { readonly index: number; readonly count: number } {
  const count = 1 + prng.below(prng.chance(0.8) ? 4 : fragmentCountMax);
  return { index: prng.below(prng.chance(0.95) ? count : fragmentCountMax), count };
}

// ---- targets

/** A link and a frame's bytes in one input: the first byte says the link. */
function linkOf(input: Uint8Array): LinkKind {
  return (input[0] as number) & 1 ? "serial" : "ether";
}
function onLink(link: LinkKind, input: Uint8Array): Uint8Array {
  return Uint8Array.of(link === "serial" ? 1 : 0, ...input);
}

function signed(link: LinkKind, envelope: Uint8Array): Uint8Array {
  const tag = keyring.sign(link, envelope);
  return Uint8Array.of(...envelope, 0x40 | tag.length, ...tag);
}

/** What was not signed by a key is only a frame when it is one that was. */
function unsigned(link: LinkKind, frame: Uint8Array): Outcome {
  const decoded = decodeFrame(link, keyring, system, frame);
  if (isMalformed(decoded)) return decoded.malformed;
  expect(genuine[link].has(frame.toHex()), "a forged frame is believed");
  return "genuine";
}

/** What was signed is a frame that can be written again, or has a reason. */
function authentic(link: LinkKind, frame: Uint8Array): Frame | Outcome {
  const decoded = decodeFrame(link, keyring, system, frame);
  if (isMalformed(decoded)) {
    expect(decoded.malformed !== "tag", "a frame with the right tag is refused for its tag");
    return decoded.malformed;
  }
  const again = decodeFrame(link, keyring, system, encodeFrame(link, keyring, decoded));
  expect(isDeepStrictEqual(again, decoded), "an accepted frame is not the same when it is written again");
  return decoded;
}

/** Few enough that each sender's own bound is the one that holds. */
const senderCount = Math.floor(reassemblyMax / reassemblyPerSenderMax) - 1;
const decoder = new SerialDecoder();
const reassembly = new Reassembly();
let now = 0;

const targets: Readonly<Record<string, Target>> = {
  /** Frames damaged after they were signed. */
  frame: {
    make: (prng) => {
      const { link, bytes } = prng.pick(valid);
      return onLink(link, prng.chance(0.1) ? noise(prng, prng.below(300)) : damaged(prng, bytes, samplesOf[link]));
    },
    run: (input) => unsigned(linkOf(input), input.subarray(1)),
  },
  /** Envelopes damaged, or of other values, then signed: what the decoder sees of a peer with the key and a fault. */
  signed: {
    make: (prng) => {
      const link = prng.pick(linkKinds);
      const envelope = prng.pick(envelopes);
      if (prng.chance(0.4)) return onLink(link, damaged(prng, envelope, envelopes));
      return onLink(link, encodeCbor(changed(prng, decodeCbor(envelope) as Cbor)));
    },
    run: (input) => {
      const link = linkOf(input);
      const outcome = authentic(link, signed(link, input.subarray(1)));
      return typeof outcome === "string" ? outcome : `accepted ${outcome.message.kind}`;
    },
  },
  /** A line with good frames, damaged ones and noise; the decoder is the same all the time, so it is met in every state. */
  serial: {
    make: (prng) => {
      const pieces: number[] = [];
      for (let count = 1 + prng.below(4); count > 0; count--) {
        const line = encodeSerial(prng.pick(samplesOf.serial));
        const piece = prng.chance(0.4) ? line : prng.chance(0.5) ? damaged(prng, line, samplesOf.serial) : noise(prng, prng.below(400));
        pieces.push(...piece);
      }
      return Uint8Array.from(pieces);
    },
    run: (input) => {
      // The pieces in which the line comes follow from the input, so that a replay cuts alike.
      const cuts = new Prng(input.length);
      const outcomes = new Set<Outcome>();
      for (let at = 0; at < input.length;) {
        const end = at + 1 + cuts.below(64);
        for (const item of decoder.push(input.subarray(at, end))) {
          outcomes.add("malformed" in item ? item.malformed : unsigned("serial", item));
        }
        at = end;
      }
      return outcomes.has("genuine") ? "genuine" : [...outcomes][0] ?? "nothing";
    },
  },
  /** Fragments from peers with the key that contradict, repeat and never finish. */
  fragments: {
    make: (prng) => {
      const link = prng.pick(linkKinds);
      const message: Fragment = prng.chance(0.3)
        ? { ...prng.pick(messages.filter((sample) => sample.kind === "fragment")), id: prng.below(3) }
        : {
          kind: "fragment",
          id: prng.chance(0.9) ? prng.below(8) : prng.bits(),
          ...place(prng),
          data: prng.chance(0.2)
            ? encodeCbor(changed(prng, [kindNumbers.bye, [0]]))
            : noise(prng, 1 + prng.below(link === "ether" ? 1_400 : 150)),
        };
      const from = (1 + prng.below(senderCount)) as CardId;
      const frame: Frame = { system, from, to: 0, incarnation: 1 + (prng.chance(0.01) ? 1 : 0), sequence: prng.bits(), message };
      return onLink(link, encodeFrame(link, keyring, frame));
    },
    run: (input) => {
      const decoded = authentic(linkOf(input), input.subarray(1));
      if (typeof decoded === "string" || decoded.message.kind !== "fragment") return "refused";
      now += decoded.sequence & 0x3f;
      const whole = reassembly.take(now, decoded, decoded.message);
      const { messages, bytes } = reassembly.held();
      expect(messages <= senderCount * reassemblyPerSenderMax, `${messages} messages are under reassembly`);
      expect(bytes <= messages * messageBytesMax, `${bytes} bytes are held for ${messages} messages`);
      expect(reassembly.deadline() > now, "the deadline of the reassembly is past");
      if (whole === undefined) return "waiting";
      return "malformed" in whole ? whole.malformed : `joined ${whole.kind}`;
    },
  },
  lldp: {
    make: (prng) => prng.chance(0.1) ? noise(prng, prng.below(200)) : damaged(prng, prng.pick(lldpFrames), lldpFrames),
    run: (input) => {
      const decoded = decodeLldp(input);
      return "malformed" in decoded ? decoded.malformed : decoded.cardinal === undefined ? "neighbor" : "card";
    },
  },
};

// ---- the run

type Options = { readonly seconds: number; readonly seed: number; readonly replay?: readonly [name: string, input: Uint8Array] };

/** What runs now, for the watching thread: the number of inputs so far, the target's number, the input's length, and the input. */
class Current {
  readonly shared: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;

  constructor(shared = new SharedArrayBuffer(12 + inputBytesMax)) {
    this.shared = shared;
    this.#words = new Int32Array(shared, 0, 3);
    this.#bytes = new Uint8Array(shared, 12);
  }

  get count(): number {
    return Atomics.load(this.#words, 0);
  }

  begin(name: string, input: Uint8Array): void {
    this.#bytes.set(input);
    this.#words[1] = names.indexOf(name);
    this.#words[2] = input.length;
    Atomics.add(this.#words, 0, 1);
  }

  input(): [name: string, input: Uint8Array] {
    return [names[this.#words[1] as number] ?? "", this.#bytes.slice(0, this.#words[2])];
  }
}

const names = Object.keys(targets);
const inputBytesMax = 64 * 1024;

function report(name: string, input: Uint8Array, what: string, seed: number): void {
  writeSync(
    2,
    `finding in ${name}: ${what}\ninput: ${input.toHex()}\nagain: --seed ${seed}, or without what came before it: --replay ${name}:${input.toHex()}\n`,
  );
}

function runOne(name: string, input: Uint8Array, seed: number, current: Current): Outcome {
  const target = targets[name] as Target;
  current.begin(name, input);
  try {
    let startedAt = performance.now();
    const outcome = target.run(input);
    // A busy machine is no finding: only what is slow each time it is tried.
    for (let tries = 0; performance.now() - startedAt > inputMsMax; tries++) {
      expect(tries < 5, `slower than ${inputMsMax} ms`);
      startedAt = performance.now();
      target.run(input);
    }
    return outcome;
  } catch (error) {
    report(
      name,
      input,
      error instanceof Finding ? error.message : error instanceof Error ? error.stack ?? error.message : String(error),
      seed,
    );
    return process.exit(1);
  }
}

/** Makes the engine collect, and gives the bytes in use. */
function heapAfterCollection(): number {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  collect();
  return process.memoryUsage().heapUsed;
}

function fuzz({ seconds, seed, replay }: Options, current: Current): void {
  if (replay !== undefined) {
    writeSync(1, `${runOne(...replay, seed, current)}\n`);
    return;
  }
  const prng = new Prng(seed);
  const outcomes = new Map<string, number>();
  let inputs = 0;
  let heapBefore: number | undefined;
  const startedAt = performance.now();
  const endsAt = startedAt + seconds * 1_000;
  for (let at = startedAt; at < endsAt; at = performance.now()) {
    for (const name of names) {
      const key = `${name}: ${runOne(name, (targets[name] as Target).make(prng), seed, current)}`;
      outcomes.set(key, (outcomes.get(key) ?? 0) + 1);
      inputs++;
    }
    // The first fifth fills what is filled once: compiled code, tables, the reassembly.
    if (at - startedAt > seconds * 200) heapBefore ??= heapAfterCollection();
  }
  const elapsedS = (performance.now() - startedAt) / 1_000;
  const heapGrowth = heapAfterCollection() - (heapBefore ?? Infinity);
  const mebibytes = (count: number) => `${(count / 1024 / 1024).toFixed(1)} MiB`;
  const lines = [...outcomes].sort(([one], [other]) => one < other ? -1 : 1).map(([key, count]) => `${key.padEnd(32)} ${count}\n`);
  const rate = Math.round(inputs / elapsedS);
  lines.push(
    `seed ${seed}: ${inputs} inputs in ${elapsedS.toFixed(1)} s, ${rate} inputs/s, 0 forged frames believed, heap grew by ${
      mebibytes(heapGrowth)
    }\n`,
  );
  writeSync(1, lines.join(""));
  if (heapGrowth > heapGrowthBytesMax) {
    writeSync(2, `finding: the heap grew by ${mebibytes(heapGrowth)}, more than ${mebibytes(heapGrowthBytesMax)}\n`);
    process.exit(1);
  }
}

function watch(options: Options): void {
  const current = new Current();
  const worker = new Worker(new URL(import.meta.url), { workerData: { options, shared: current.shared } });
  const startedAt = performance.now();
  let seen = 0;
  let seenAt = startedAt;
  const timer = setInterval(() => {
    const at = performance.now();
    if (current.count !== seen) {
      seen = current.count;
      seenAt = at;
    } else if (seen > 0 && at - seenAt > hangMs) {
      report(...current.input(), `not done after ${hangMs} ms`, options.seed);
      process.exit(1);
    }
    const leftS = Math.max(0, Math.ceil(options.seconds - (at - startedAt) / 1_000));
    if (process.stderr.isTTY) process.stderr.write(`\r${seen} inputs, ${leftS} s left\x1b[K\r`);
  }, progressMs);
  worker.on("error", (error) => {
    console.error(error);
    process.exit(1);
  });
  worker.on("exit", (code) => {
    clearInterval(timer);
    process.exitCode = code;
  });
}

function wrong(text: string): never {
  console.error(text);
  process.exit(2);
}

function numberOf(text: string, name: string, max: number): number {
  const parsed = Number(text);
  return parsed > 0 && parsed <= max ? parsed : wrong(`--${name} ${text}: a number above 0 and up to ${max} is right`);
}

function replayOf(text: string): [string, Uint8Array] {
  const [name = "", hex = ""] = text.split(":");
  if (!names.includes(name)) wrong(`--replay ${name}: one of ${names.join(", ")} is right`);
  if (!/^([0-9a-f]{2})*$/i.test(hex) || hex.length > 2 * inputBytesMax) wrong(`--replay ${name}:${hex}: bytes in hex are right`);
  return [name, Uint8Array.fromHex(hex)];
}

if (isMainThread) {
  const { values } = parseArgs({ options: { seconds: { type: "string" }, seed: { type: "string" }, replay: { type: "string" } } });
  watch({
    seconds: numberOf(values.seconds ?? "10", "seconds", 86_400),
    seed: Math.floor(numberOf(values.seed ?? String(1 + Math.floor(Math.random() * 0xfffffffe)), "seed", 0xffffffff)),
    ...(values.replay === undefined ? {} : { replay: replayOf(values.replay) }),
  });
} else {
  const { options, shared } = workerData as { options: Options; shared: SharedArrayBuffer };
  fuzz(options, new Current(shared));
}
