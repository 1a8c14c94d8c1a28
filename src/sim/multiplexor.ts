/**
 * The serial multiplexor of a chassis decides what each slot's line carries: it stores a card's bytes between two
 * zeros, then repeats the whole frame, zeros included, to every other slot that has power (HA-2). It senses power
 * per slot and tells all cards, and it pulls a slot's reset line when an authentic frame asks for it, with a receipt.
 *
 *     slot n ══► line in, at line speed ──► frame whole? ──► to me? ──► reset line, receipt
 *                                                    │  no
 *                                                    └──► a queue per other slot and input ──► line out, at line speed ══► slot m
 *
 * The simulator and the virtual chassis (one pty per slot) run this very class. It has no clock: `step` takes
 * bytes as the card wrote them and keeps the time that they spend on the line itself, both ways, so whoever runs
 * it calls `step(now, { kind: "tick" })` at `deadline()` and hands on what comes out, at once.
 *
 * Invariants: a frame is repeated whole or not at all; a slot that babbles fills only its own queues, and every
 * other slot still gets its turn; a slot is reset once for each run of its card, whoever asks for it and however often.
 * Its surprising idea: it believes a reset order only from the slot that the sender's address names, because
 * here, unlike on the bus, it is known where a frame comes from.
 */
import { assert, unreachable } from "../base/assert.ts";
import { cardAt, type CardId, everybody, multiplexor, slotCountMax } from "../base/ids.ts";
import type { Prng } from "../base/prng.ts";
import { chassisPowerOnMs, multiplexorPeriodMs, serialBitsPerByte, serialFrameBytesMax } from "../limits.ts";
import type { Service } from "../service.ts";
import type { Keyring } from "../wire/auth.ts";
import { decodeFrame, encodeFrame, type Frame, isMalformed, type Malformed } from "../wire/frame.ts";
import type { Message, MuxReceipt, MuxReset } from "../wire/message.ts";
import { encodeSerial, SerialDecoder } from "../wire/serial.ts";

/** `absent` nothing is plugged in; `off` a card is there, without power. */
export type SlotPower = "absent" | "off" | "on";

/** As the card in the slot sees it: `tx` from the card to the multiplexor, `rx` from the multiplexor to the card. */
export type LineDirection = "tx" | "rx";

export type MultiplexorInput =
  /** A slot's card wrote these bytes, in whatever pieces; they are never written to again. */
  | { readonly kind: "bytes"; readonly slot: number; readonly bytes: Uint8Array }
  /** The sense of a slot changed. */
  | { readonly kind: "power"; readonly slot: number; readonly power: SlotPower }
  /** What a `reset` output asked for is done: the slot's card has stopped (`true`), or could not be stopped. */
  | { readonly kind: "resetDone"; readonly slot: number; readonly stopped: boolean }
  /** A fault: from now on bytes in this direction of the slot's line vanish, or no longer. */
  | { readonly kind: "cut"; readonly slot: number; readonly direction: LineDirection; readonly cut: boolean }
  /** A fault: from now on no frame of one slot is repeated to another, or again. */
  | { readonly kind: "part"; readonly from: number; readonly to: number; readonly parted: boolean }
  /** A fault: the chance, 0 to 1, that a byte on the slot's line, either way, has one bit flipped. */
  | { readonly kind: "corrupt"; readonly slot: number; readonly rate: number }
  /** A fault: the multiplexor does nothing at all; when it comes back it has forgotten what was queued and has a new incarnation. */
  | { readonly kind: "dead"; readonly dead: boolean }
  | { readonly kind: "tick" };

export type MultiplexorOutput =
  /** The last of these bytes left the slot's line at `at`, which is never after the `now` of the step. */
  | { readonly kind: "bytes"; readonly slot: number; readonly at: number; readonly bytes: Uint8Array }
  /** Pull the slot's reset line: stop its card for certain, say so with `resetDone`, then let it start again. */
  | { readonly kind: "reset"; readonly slot: number };

export type SlotCounters = {
  /** From the slot's card. */
  bytesIn: number;
  framesIn: number;
  /** To the slot's card. */
  framesOut: number;
  /** Frames that did not go on: more than `serialFrameBytesMax` without a zero, the line in or a queue full, a reset order that was not believed. */
  dropped: number;
  /** Bytes with a flipped bit. */
  corrupted: number;
};

export type MultiplexorOptions = {
  /** 1 to 8. */
  readonly chassis: number;
  readonly system: number;
  readonly keyring: Keyring;
  /** Bits per second of every slot's line. */
  readonly baud: number;
  /** Larger than at any earlier start. */
  readonly incarnation: number;
  /** Draws the flipped bits. */
  readonly prng: Prng;
  /** The sense of slots 1 to 8 at the start; what is left out is `absent`. */
  readonly power?: readonly SlotPower[];
  /** How a frame's bytes on the line are read; the simulator gives one that remembers what it has read before. */
  readonly decode?: (line: Uint8Array) => Frame | Malformed;
};

/** Bytes that wait on a line in, as in a tty's output buffer. */
export const lineInBytesMax = 4_096;
/** Frames of one input that wait for one output. */
export const queuedFramesMax = 8;
/** Times that a change of power is told, in a row. */
export const powerRepeats = 3;
/** A reset that is not reported done by then has failed. */
export const resetMs = 2_000;

/** Its own frames' place among the inputs of an output; the slots are 1 to 8. */
const own = 0;

/** Bytes between a frame's two zeros. */
const storeBytesMax = serialFrameBytesMax - 2;

type Transit = { readonly bytes: Uint8Array; readonly at: number };

class Slot {
  power: SlotPower = "absent";
  readonly cut: Record<LineDirection, boolean> = { tx: false, rx: false };
  corruptRate = 0;
  /** The slots that its frames are not repeated to. */
  readonly partedFrom = new Set<number>();
  readonly counters: SlotCounters = { bytesIn: 0, framesIn: 0, framesOut: 0, dropped: 0, corrupted: 0 };

  /** Bytes on the line in, with the instant at which the last of them arrives. */
  lineIn: Transit[] = [];
  lineInBytes = 0;
  lineInFreeAt = 0;
  /** The begun frame: its `stored` bytes after the opening zero; what follows them is zero. */
  readonly store = new Uint8Array(serialFrameBytesMax);
  stored = 0;
  overrun = false;

  lineOut: Transit | undefined;
  /** Whole frames that wait for the line out, for each input. */
  readonly queues: Uint8Array[][] = Array.from({ length: slotCountMax + 1 }, () => []);
  queued = 0;
  /** The input whose turn it was last. */
  turn = 0;

  /** The last order that each card gave for this slot. */
  readonly orders = new Map<CardId, Order>();
  /** When a reset under way counts as failed. */
  resetBy = Infinity;
  /** How often it got its power after the chassis was powered on, and how often its reset line was pulled. */
  powerOns = 0;
  resets = 0;
  hasHadPower = false;
  /** The newest run of the slot's card that was heard, and the newest that was stopped. */
  heard = 0;
  stopped = 0;

  /** What was counted and heard: the multiplexor has started anew. */
  forget(): void {
    this.heard =
      this.stopped =
      this.powerOns =
      this.resets =
        0;
    this.hasHadPower = this.power === "on";
  }

  clearIn(): void {
    this.lineIn = [];
    this.lineInBytes = 0;
    this.lineInFreeAt = 0;
    this.store.fill(0);
    this.stored = 0;
    this.overrun = false;
  }

  /** These frames of an input are not sent any more. */
  drop(input: number, lines: ReadonlySet<Uint8Array>): void {
    const queue = this.queues[input] as Uint8Array[];
    const kept = queue.filter((line) => !lines.has(line));
    this.queued -= queue.length - kept.length;
    this.queues[input] = kept;
  }

  clearLines(): void {
    this.clearIn();
    this.lineOut = undefined;
    for (const queue of this.queues) queue.length = 0;
    this.queued = 0;
  }
}

/** `by`: the run of the card that ordered; `outcome` is missing while the reset is under way. */
type Order = { readonly id: number; readonly by: number; readonly incarnation: number | undefined; outcome?: MuxReceipt["outcome"] };

export class Multiplexor implements Service<MultiplexorInput, MultiplexorOutput> {
  readonly #options: MultiplexorOptions;
  readonly #decode: (line: Uint8Array) => Frame | Malformed;
  readonly #msPerByte: number;
  /** Slots 1 to 8 at their own index. */
  readonly #slots: readonly Slot[] = Array.from({ length: slotCountMax + 1 }, () => new Slot());
  #incarnation: number;
  #sequence = 0;
  #dead = false;
  #startedAt: number;
  #powerAt: number;
  /** The reports of power that were queued last. */
  readonly #powerLines = new Set<Uint8Array>();
  /** The newest incarnation and sequence of a reset order from each card: an older one is a replay. */
  readonly #newestOrders = new Map<CardId, { incarnation: number; sequence: number }>();

  constructor(options: MultiplexorOptions, now: number) {
    assert(options.baud > 0, `a line has a speed, not ${options.baud} baud`);
    this.#options = options;
    this.#decode = options.decode ?? ((line) => decodeLine(options.keyring, options.system, line));
    this.#msPerByte = (serialBitsPerByte * 1_000) / options.baud;
    this.#incarnation = options.incarnation;
    this.#startedAt = this.#powerAt = now;
    options.power?.forEach((power, index) => {
      const slot = this.#slot(index + 1);
      slot.power = power;
      slot.hasHadPower = power === "on";
    });
  }

  /** When something on a line is through, a reset has failed, or the next report of power is due. */
  deadline(): number {
    if (this.#dead) return Infinity;
    let at = this.#powerAt;
    for (let slot = 1; slot <= slotCountMax; slot++) {
      const { lineIn, lineOut, resetBy } = this.#slot(slot);
      const first = lineIn[0];
      if (first !== undefined && first.at < at) at = first.at;
      if (lineOut !== undefined && lineOut.at < at) at = lineOut.at;
      if (resetBy < at) at = resetBy;
    }
    return at;
  }

  step(now: number, input: MultiplexorInput): MultiplexorOutput[] {
    const outputs: MultiplexorOutput[] = [];
    if (!this.#dead) this.#advance(now, outputs);
    switch (input.kind) {
      case "bytes":
        this.#onBytes(now, input.slot, input.bytes);
        break;
      case "power":
        this.#onPower(now, input.slot, input.power);
        break;
      case "resetDone":
        this.#onResetDone(now, input.slot, input.stopped ? "reset" : "failed");
        break;
      case "cut":
        this.#slot(input.slot).cut[input.direction] = input.cut;
        break;
      case "part":
        if (input.parted) this.#slot(input.from).partedFrom.add(input.to);
        else this.#slot(input.from).partedFrom.delete(input.to);
        break;
      case "corrupt":
        this.#slot(input.slot).corruptRate = input.rate;
        break;
      case "dead":
        this.#onDead(now, input.dead);
        break;
      case "tick":
        break;
      default:
        return unreachable(input);
    }
    return outputs;
  }

  counters(slot: number): Readonly<SlotCounters> {
    return this.#slot(slot).counters;
  }

  powerOf(slot: number): SlotPower {
    return this.#slot(slot).power;
  }

  get dead(): boolean {
    return this.#dead;
  }

  #slot(slot: number): Slot {
    const found = this.#slots[slot];
    assert(found !== undefined && slot >= 1, `no slot ${slot}`);
    return found;
  }

  /**
   * Everything that was through by `now`, in the order of its instants. What follows from it starts at its own
   * instant and not at `now`, so a late caller does not slow the line down.
   */
  #advance(now: number, outputs: MultiplexorOutput[]): void {
    for (;;) {
      const at = this.deadline();
      if (at > now) return;
      if (this.#powerAt <= at) {
        // After a long stop one report is enough.
        this.#powerAt = Math.max(at + multiplexorPeriodMs, now);
        this.#tellPower(at, 1);
        continue;
      }
      for (let index = 1; index <= slotCountMax; index++) {
        const slot = this.#slot(index);
        while (slot.lineIn[0] !== undefined && slot.lineIn[0].at <= at) this.#arrive(at, index, slot, outputs);
        if (slot.lineOut !== undefined && slot.lineOut.at <= at) this.#leave(at, index, slot, outputs);
        if (slot.resetBy <= at) this.#onResetDone(at, index, "failed");
      }
    }
  }

  #onBytes(now: number, index: number, bytes: Uint8Array): void {
    const slot = this.#slot(index);
    if (this.#dead || bytes.length === 0 || slot.power !== "on") return;
    if (slot.lineInBytes + bytes.length > lineInBytesMax) {
      slot.counters.dropped++;
      return;
    }
    const at = Math.max(now, slot.lineInFreeAt) + bytes.length * this.#msPerByte;
    slot.lineInFreeAt = at;
    slot.lineInBytes += bytes.length;
    slot.lineIn.push({ bytes, at });
  }

  #arrive(at: number, index: number, slot: Slot, outputs: MultiplexorOutput[]): void {
    const { bytes: sent } = slot.lineIn.shift() as Transit;
    slot.lineInBytes -= sent.length;
    if (slot.cut.tx) return;
    const bytes = this.#worn(slot, sent);
    slot.counters.bytesIn += bytes.length;
    if (slot.stored === 0 && !slot.overrun && bytes.length <= serialFrameBytesMax && isOneFrame(bytes)) {
      // The usual case: it goes on as it came.
      this.#onFrame(at, index, slot, bytes, outputs);
      return;
    }
    for (const byte of bytes) {
      if (byte !== 0) {
        if (slot.stored < storeBytesMax) slot.store[++slot.stored] = byte;
        else slot.overrun = true;
        continue;
      }
      // A zero right after another is an idle line.
      if (slot.overrun) slot.counters.dropped++;
      else if (slot.stored > 0) this.#onFrame(at, index, slot, slot.store.slice(0, slot.stored + 2), outputs);
      slot.store.fill(0);
      slot.stored = 0;
      slot.overrun = false;
    }
  }

  /** The bytes as the far end of the slot's line sees them. */
  #worn(slot: Slot, bytes: Uint8Array): Uint8Array {
    if (slot.corruptRate === 0) return bytes;
    let worn: Uint8Array | undefined;
    for (let index = 0; index < bytes.length; index++) {
      if (!this.#options.prng.chance(slot.corruptRate)) continue;
      worn ??= bytes.slice();
      worn[index] = (worn[index] as number) ^ (1 << this.#options.prng.below(8));
      slot.counters.corrupted++;
    }
    return worn ?? bytes;
  }

  #onFrame(at: number, index: number, slot: Slot, line: Uint8Array, outputs: MultiplexorOutput[]): void {
    slot.counters.framesIn++;
    const frame = this.#decode(line);
    if (!isMalformed(frame)) {
      if (frame.from === cardAt(this.#options.chassis, index)) slot.heard = Math.max(slot.heard, frame.incarnation);
      if (frame.to === multiplexor) {
        if (frame.message.kind === "muxReset") this.#onResetOrder(at, index, frame, frame.message, outputs);
        return;
      }
    }
    // What cannot be read is repeated all the same: the cards count it, and the field engineer sees which line is bad.
    for (let other = 1; other <= slotCountMax; other++) {
      if (other === index || slot.partedFrom.has(other)) continue;
      if (this.#slot(other).power === "on") this.#queue(at, index, other, line);
    }
  }

  #queue(at: number, from: number, to: number, line: Uint8Array): void {
    const slot = this.#slot(to);
    const queue = slot.queues[from] as Uint8Array[];
    if (queue.length >= queuedFramesMax) {
      if (from !== own) this.#slot(from).counters.dropped++;
      return;
    }
    queue.push(line);
    slot.queued++;
    if (slot.lineOut === undefined) this.#startNext(at, slot);
  }

  /** Its own frames first, for a receipt is waited for; then the inputs in turn. */
  #startNext(at: number, slot: Slot): void {
    slot.lineOut = undefined;
    if (slot.queued === 0) return;
    let input = own;
    if ((slot.queues[own] as Uint8Array[]).length === 0) {
      do slot.turn = (slot.turn % slotCountMax) + 1; while ((slot.queues[slot.turn] as Uint8Array[]).length === 0);
      input = slot.turn;
    }
    const bytes = (slot.queues[input] as Uint8Array[]).shift() as Uint8Array;
    slot.queued--;
    slot.lineOut = { bytes, at: at + bytes.length * this.#msPerByte };
  }

  #leave(at: number, index: number, slot: Slot, outputs: MultiplexorOutput[]): void {
    const { bytes } = slot.lineOut as Transit;
    this.#startNext(at, slot);
    if (slot.cut.rx) return;
    slot.counters.framesOut++;
    outputs.push({ kind: "bytes", slot: index, at, bytes: this.#worn(slot, bytes) });
  }

  #onPower(now: number, index: number, power: SlotPower): void {
    const slot = this.#slot(index);
    if (slot.power === power) return;
    slot.power = power;
    slot.clearLines();
    // What gets its first power with the chassis was there from the beginning.
    if (power === "on" && (slot.hasHadPower || now >= this.#startedAt + chassisPowerOnMs)) slot.powerOns++;
    slot.hasHadPower ||= power === "on";
    if (this.#dead) return;
    if (power !== "on" && slot.resetBy !== Infinity) this.#onResetDone(now, index, power);
    this.#tellPower(now, powerRepeats);
  }

  #onDead(now: number, dead: boolean): void {
    if (dead === this.#dead) return;
    this.#dead = dead;
    for (let index = 1; index <= slotCountMax; index++) {
      const slot = this.#slot(index);
      slot.clearLines();
      slot.orders.clear();
      slot.resetBy = Infinity;
      slot.forget();
    }
    if (dead) return;
    this.#incarnation++;
    this.#sequence = 0;
    this.#startedAt = this.#powerAt = now;
  }

  #onResetOrder(at: number, from: number, frame: Frame, order: MuxReset, outputs: MultiplexorOutput[]): void {
    const { counters } = this.#slot(from);
    const sender = cardAt(this.#options.chassis, from);
    const newest = this.#newestOrders.get(sender);
    const isNew = newest === undefined || frame.incarnation > newest.incarnation ||
      (frame.incarnation === newest.incarnation && frame.sequence > newest.sequence);
    if (frame.from !== sender || !isNew) {
      counters.dropped++;
      return;
    }
    this.#newestOrders.set(sender, { incarnation: frame.incarnation, sequence: frame.sequence });
    // Whose own line is being pulled orders nothing any more: of two cards that would stop each other one goes on.
    if (this.#slot(from).resetBy !== Infinity) {
      counters.dropped++;
      return;
    }

    const slot = this.#slot(order.slot);
    const before = slot.orders.get(sender);
    const isRepeated = before?.id === order.id && before.by === frame.incarnation && before.incarnation === order.incarnation;
    if (isRepeated && before.outcome !== "failed") {
      if (before.outcome !== undefined) this.#sendReceipt(at, order.slot, before, before.outcome);
      return;
    }
    const placed: Order = { id: order.id, by: frame.incarnation, incarnation: order.incarnation };
    slot.orders.set(sender, placed);
    const outcome = outcomeAtOnce(slot, order.incarnation);
    if (outcome !== undefined) {
      placed.outcome = outcome;
      this.#sendReceipt(at, order.slot, placed, outcome);
    } else if (slot.resetBy === Infinity) {
      slot.resetBy = at + resetMs;
      outputs.push({ kind: "reset", slot: order.slot });
    }
  }

  #onResetDone(at: number, index: number, outcome: MuxReceipt["outcome"]): void {
    const slot = this.#slot(index);
    if (this.#dead || slot.resetBy === Infinity) return;
    slot.resetBy = Infinity;
    if (outcome === "reset") {
      slot.resets++;
      this.#forget(index);
    }
    for (const order of slot.orders.values()) {
      if (order.outcome !== undefined) continue;
      order.outcome = outcome;
      if (outcome === "reset") slot.stopped = Math.max(slot.stopped, order.incarnation ?? 0);
      this.#sendReceipt(at, index, order, outcome);
    }
  }

  /** After the receipt nothing comes any more of the card that was stopped. */
  #forget(index: number): void {
    this.#slot(index).clearIn();
    for (let other = 1; other <= slotCountMax; other++) {
      const slot = this.#slot(other);
      const queue = slot.queues[index] as Uint8Array[];
      slot.queued -= queue.length;
      queue.length = 0;
    }
  }

  #sendReceipt(at: number, slot: number, { id, incarnation }: Order, outcome: MuxReceipt["outcome"]): void {
    this.#tellAll(at, { kind: "muxReceipt", id, slot, outcome, ...(incarnation === undefined ? {} : { incarnation }) });
  }

  #tellPower(at: number, times: number): void {
    let powered = 0;
    for (let index = 1; index <= slotCountMax; index++) if (this.#slot(index).power === "on") powered |= 1 << (index - 1);
    const starts = new Uint8Array(2 * slotCountMax);
    for (let index = 1; index <= slotCountMax; index++) {
      const { powerOns, resets } = this.#slot(index);
      starts.set([powerOns, resets], 2 * (index - 1));
    }
    // What was not told yet is not so any more: on a slow line it would be heard after the card that it calls absent.
    for (let index = 1; index <= slotCountMax; index++) this.#slot(index).drop(own, this.#powerLines);
    this.#powerLines.clear();
    for (let time = 0; time < times; time++) this.#powerLines.add(this.#tellAll(at, { kind: "muxPower", powered, starts }));
  }

  #tellAll(at: number, message: Message): Uint8Array {
    const line = this.#encode(message);
    for (let index = 1; index <= slotCountMax; index++) if (this.#slot(index).power === "on") this.#queue(at, own, index, line);
    return line;
  }

  #encode(message: Message): Uint8Array {
    const { keyring, system } = this.#options;
    const frame = {
      system,
      from: multiplexor,
      to: everybody,
      incarnation: this.#incarnation,
      sequence: this.#sequence++,
      message,
    } as const;
    return encodeSerial(encodeFrame("serial", keyring, frame));
  }
}

/** What an order comes to without pulling the line, if anything. */
function outcomeAtOnce({ power, heard, stopped }: Slot, incarnation: number | undefined): MuxReceipt["outcome"] | undefined {
  if (power !== "on") return power;
  if (incarnation === undefined) return undefined;
  if (incarnation < heard) return "newer";
  return incarnation <= stopped ? "reset" : undefined;
}

/** The frame in the bytes of one frame on the line, zeros included. */
export function decodeLine(keyring: Keyring, system: number, line: Uint8Array): Frame | Malformed {
  const item = new SerialDecoder().push(line)[0];
  if (item === undefined) return { malformed: "framing" };
  return item instanceof Uint8Array ? decodeFrame("serial", keyring, system, item) : item;
}

/** Whether bytes on the line are one frame between two zeros, and nothing else. */
export function isOneFrame(bytes: Uint8Array): boolean {
  return bytes.length > 2 && bytes[0] === 0 && bytes.indexOf(0, 1) === bytes.length - 1;
}
