/**
 * Messages that are larger than a frame of their link. The sender cuts the bytes of [kind, body] into fragments that
 * each travel in a frame of their own, authenticated like any other; the receiver joins them. Pieces may come in any
 * order and more than once. What a receiver holds is bounded for each sender and in all, whatever an authentic but
 * hostile peer sends: the oldest unfinished message gives way, so that a peer that never finishes only harms itself
 * as long as `reassemblyMax` is not reached, and nobody for longer than `reassemblyMs`.
 */
import { assert, unreachable } from "../base/assert.ts";
import { cardCountMax, type LinkKind, type SenderId } from "../base/ids.ts";
import {
  checkCodeBytesMax,
  failingReasonBytesMax,
  fragmentCountMax,
  fragmentOverheadBytesMax,
  holdCodeBytesMax,
  messageBytesMax,
  nameBytesMax,
  reassemblyMax,
  reassemblyMs,
  reassemblyPerSenderMax,
  softwareBytesMax,
  uidBytes,
} from "../limits.ts";
import { tagBytesOf } from "./auth.ts";
import { bodyOf, kindNumbers, kindOfNumber, messageOf } from "./body.ts";
import { decodeCbor, encodeCbor } from "./cbor.ts";
import { type Envelope, frameBytesMax, type Malformed } from "./frame.ts";
import type { ConfigGive, Entry, Fragment, Message } from "./message.ts";

/** An envelope's items up to the kind, at their largest: the array's head, versions, system, from, to, incarnation, sequence. */
const envelopeBytesMax = 1 + 2 + 3 + 2 + 2 + 5 + 9;
const numberBytesMax = 5;
/** A sequence, or a count that never starts over. */
const longNumberBytesMax = 9;
/** The head of an array of a few items for each card or epoch. */
const listHeadBytesMax = 2;
/** A hash with its head, and the end of a chain. */
const hashBytesMax = 2 + 32;
const configHeadBytesMax = longNumberBytesMax + numberBytesMax + hashBytesMax;

/**
 * The bytes that a frame with `message` has at most on `link`; cheap, as nothing is encoded. It is above the true
 * size by what the numbers in it and their shorter forms save.
 */
export function frameBytesAtMost(link: LinkKind, message: Message): number {
  const kindBytes = kindNumbers[message.kind] < 24 ? 1 : 2;
  return envelopeBytesMax + kindBytes + bodyBytesAtMost(message) + 1 + tagBytesOf(link);
}

/**
 * Whether `message` fits in one frame of `link`; what does not goes through `fragmentsOf`. `bytesMax` is less than the
 * link's where an interface carries less.
 */
export function frameFits(link: LinkKind, message: Message, bytesMax: number = frameBytesMax[link]): boolean {
  return frameBytesAtMost(link, message) <= bytesMax;
}

function bodyBytesAtMost(message: Message): number {
  switch (message.kind) {
    case "heartbeat":
      return 1 + 1 + 1 + message.serialTicks.length + 1 + message.etherTicks.length + 3 + 3;
    case "advert":
      return 1 + 1 + uidBytes + textBytesAtMost(message.name, nameBytesMax) + numberBytesMax + 2 +
        message.echoes.length * (2 + numberBytesMax) +
        3 + 3 + 1 + 1 + textBytesAtMost(message.software, softwareBytesMax);
    case "bye":
      return 1 + 1;
    case "stale":
      return 1 + 2 + numberBytesMax;
    case "fragment":
      return 1 + numberBytesMax + 3 + 3 + 3 + message.data.length;
    case "wantView":
      return 1 + 2 * numberBytesMax;
    case "proposeView":
      return 1 + numberBytesMax + 1 + message.members.length + listBytesAtMost(message.incarnations) + 1 + message.ether.length;
    case "promiseView":
      return 1 + 2 * numberBytesMax + 1 + message.down.length;
    case "refuseView":
      return 1 + 2 * numberBytesMax + 1 + message.missing.length;
    case "commitView":
      return 1 + numberBytesMax + 1 + message.members.length + listBytesAtMost(message.incarnations) +
        listBytesAtMost(message.previous) + 1 + message.ether.length + 1 + message.down.length + 1 + message.unknown.length;
    case "committedView":
      return 1 + numberBytesMax;
    case "submit":
      return 1 + numberBytesMax + entriesBytesAtMost(message.entries) + longNumberBytesMax;
    case "pass":
      return 1 + numberBytesMax + 2 * longNumberBytesMax + entriesBytesAtMost(message.entries) + 2 * longNumberBytesMax;
    case "commit":
      return 1 + numberBytesMax + longNumberBytesMax;
    case "flush":
      return 1 + 2 * numberBytesMax + 2 * longNumberBytesMax + numberBytesMax + 1;
    case "sync":
      return 1 + numberBytesMax + 2 * longNumberBytesMax + entriesBytesAtMost(message.entries) + 1 +
        listHeadBytesMax + message.epochs.length * (numberBytesMax + longNumberBytesMax) +
        listHeadBytesMax + message.marks.length * (2 + numberBytesMax + longNumberBytesMax);
    case "failing":
      return 1 + textBytesAtMost(message.reason, failingReasonBytesMax);
    case "configState":
      return 1 + longNumberBytesMax + configHeadBytesMax + 2 * numberBytesMax + listHeadBytesMax + 2 * message.replicas.length +
        listHeadBytesMax + (2 + numberBytesMax) * message.levels.length + listHeadBytesMax + 2 * message.line.length +
        1 + (message.parts === undefined ? 0 : 2 + longNumberBytesMax + hashBytesMax + 2 * 3);
    case "configAsk":
      return 1 + numberBytesMax + 1 + (message.what === "hashes" ? listHeadBytesMax + longNumberBytesMax * message.sequences.length : 20);
    case "configGive":
      return 1 + numberBytesMax + 1 + giftBytesAtMost(message);
    case "configDurable":
      return 1 + configHeadBytesMax;
    case "configForward":
      return 1 + numberBytesMax + 3 + message.wish.length;
    case "configAnswer":
      return 1 + numberBytesMax + 3 + message.answer.length;
    case "muxReset":
      return 1 + 2 * numberBytesMax + 1;
    case "muxReceipt":
      return 1 + 2 * numberBytesMax + 1 + 1;
    case "muxPower":
      return 1 + 2 + 1 + (message.starts?.length ?? 0);
    case "boot":
      return 1 + 2 + textBytesAtMost(message.hold, holdCodeBytesMax) + longNumberBytesMax + numberBytesMax + 1;
    case "selfTest":
      return 1 + numberBytesMax + 2 + 1;
    case "idle":
      return 1 + numberBytesMax;
    case "selfTestAnswer":
      return 1 + numberBytesMax + 2 + 1 + listHeadBytesMax +
        message.results.reduce((sum, { code }) => sum + 2 + 1 + textBytesAtMost(code, checkCodeBytesMax) + 3, 0);
    default:
      return unreachable(message);
  }
}

function giftBytesAtMost(give: ConfigGive): number {
  switch (give.what) {
    case "hashes":
      return longNumberBytesMax + listHeadBytesMax + configHeadBytesMax * give.heads.length;
    case "offer":
      return numberBytesMax + 1 + configHeadBytesMax + longNumberBytesMax + hashBytesMax + longNumberBytesMax;
    case "piece":
      return numberBytesMax + longNumberBytesMax + 3 + give.data.length;
    case "nothing":
      return 1;
    default:
      return unreachable(give);
  }
}

function listBytesAtMost(numbers: readonly number[]): number {
  return listHeadBytesMax + numbers.length * numberBytesMax;
}

/** The array's head, and for each entry its type, origin, id, and its body with its head. */
function entriesBytesAtMost(entries: readonly Entry[]): number {
  let bytes = 3;
  for (const { id, body } of entries) {
    bytes += 1 + 2 + (id < 24 ? 1 : id <= 0xffffffff ? numberBytesMax : longNumberBytesMax) + 3 + body.length;
  }
  return bytes;
}

/** A UTF-16 unit is three bytes of UTF-8 at most; the head is one byte, or two above 23. */
function textBytesAtMost(text: string, bytesMax: number): number {
  return 2 + Math.min(text.length * 3, bytesMax);
}

/** The bytes of `message` that fragments carry. */
export function joinedBytes(message: Message): Uint8Array {
  assert(message.kind !== "fragment", "a fragment is not cut again");
  return encodeCbor([kindNumbers[message.kind], bodyOf(message)]);
}

/** The message that joined fragments are, which may keep parts of `bytes`, or why they are none. */
export function messageOfJoined(bytes: Uint8Array): Message | Malformed {
  const items = decodeCbor(bytes, "shared");
  if (!Array.isArray(items)) return { malformed: "cbor" };
  const kind = kindOfNumber(items[0]);
  if (kind === undefined) return { malformed: "kind" };
  return kind === "fragment" ? { malformed: "shape" } : messageOf(kind, items[1]) ?? { malformed: "shape" };
}

/**
 * The fragments of `message` for frames of at most `bytesMax` bytes: `frameBytesMax` of the link, or less where an
 * interface carries less. `id` counts the messages that this sender cut for this link; its lowest 32 bits travel.
 */
export function fragmentsOf(message: Message, bytesMax: number, id: number): Fragment[] {
  return piecesOf(joinedBytes(message), bytesMax, id);
}

/** The fragments of a message's bytes as `joinedBytes` gives them, which are parts of them. */
export function piecesOf(joined: Uint8Array, bytesMax: number, id: number): Fragment[] {
  const pieceBytes = bytesMax - fragmentOverheadBytesMax;
  const count = Math.ceil(joined.length / pieceBytes);
  assert(joined.length > 0 && joined.length <= messageBytesMax, `a message has 1 to ${messageBytesMax} bytes, not ${joined.length}`);
  assert(pieceBytes > 0 && count <= fragmentCountMax, `frames of ${bytesMax} bytes are too small for a message of ${joined.length} bytes`);
  return Array.from({ length: count }, (_, index) => {
    return { kind: "fragment", id: id % 2 ** 32, index, count, data: joined.subarray(index * pieceBytes, (index + 1) * pieceBytes) };
  });
}

type Assembly = {
  readonly from: SenderId;
  readonly startedAt: number;
  readonly pieces: (Uint8Array | undefined)[];
  pieceCount: number;
  bytes: number;
};

export type ReassemblyCounters = {
  /** Messages joined and understood. */
  readonly completed: number;
  /** Pieces that were there already, or whose message was finished. */
  readonly repeated: number;
  /** Messages given up: not complete in time, in the way of newer ones, or begun by an earlier incarnation. */
  readonly givenUp: number;
  /** Messages refused: too large, of pieces that contradict each other, or not understood when joined. */
  readonly refused: number;
};

/** Joins the fragments that come in on one link. */
export class Reassembly {
  /** Unfinished messages by sender and id, the oldest first. */
  readonly #assemblies = new Map<number, Assembly>();
  /** When messages were finished or refused, the longest ago first: their late pieces begin nothing new. */
  readonly #finishedAt = new Map<number, number>();
  readonly #incarnations = new Map<SenderId, number>();
  #completed = 0;
  #repeated = 0;
  #givenUp = 0;
  #refused = 0;

  /**
   * Takes a fragment that `sender`, which is the frame that it came in, sent; gives the message that it completes,
   * `undefined` while pieces are missing, or why the message is refused.
   */
  take(now: number, sender: Pick<Envelope, "from" | "incarnation">, fragment: Fragment): Message | Malformed | undefined {
    const joined = this.join(now, sender, fragment);
    if (joined === undefined || "malformed" in joined) return joined;
    const message = messageOfJoined(joined);
    if ("malformed" in message) this.#refused++;
    else this.#completed++;
    return message;
  }

  /** The same as `take`, before the joined bytes are understood. */
  join(now: number, sender: Pick<Envelope, "from" | "incarnation">, fragment: Fragment): Uint8Array | Malformed | undefined {
    this.expire(now);
    this.#enterIncarnation(sender);
    const key = sender.from * 2 ** 32 + fragment.id;
    if (this.#finishedAt.has(key)) {
      this.#repeated++;
      return undefined;
    }
    const assembly = this.#assemblies.get(key) ?? this.#begin(now, key, sender.from, fragment.count);
    if (assembly.pieces.length !== fragment.count || fragment.index >= fragment.count) return this.#refuse(now, key, "shape");
    if (assembly.pieces[fragment.index] !== undefined) {
      this.#repeated++;
      return undefined;
    }
    if (assembly.bytes + fragment.data.length > messageBytesMax) return this.#refuse(now, key, "length");
    assembly.pieces[fragment.index] = fragment.data;
    assembly.bytes += fragment.data.length;
    assembly.pieceCount++;
    if (assembly.pieceCount < fragment.count) return undefined;
    this.#finish(now, key);
    const joined = new Uint8Array(assembly.bytes);
    let at = 0;
    for (const piece of assembly.pieces as Uint8Array[]) {
      joined.set(piece, at);
      at += piece.length;
    }
    return joined;
  }

  /** Gives up what has been unfinished for too long. */
  expire(now: number): void {
    for (const [key, { startedAt }] of this.#assemblies) {
      if (startedAt + reassemblyMs > now) break;
      this.#giveUp(key);
    }
    for (const [key, at] of this.#finishedAt) {
      if (at + reassemblyMs > now) break;
      this.#finishedAt.delete(key);
    }
  }

  /** When `expire` next gives something up; `Infinity` when nothing is unfinished. */
  deadline(): number {
    if (this.#assemblies.size === 0) return Infinity;
    for (const { startedAt } of this.#assemblies.values()) return startedAt + reassemblyMs;
    return Infinity;
  }

  counters(): ReassemblyCounters {
    return { completed: this.#completed, repeated: this.#repeated, givenUp: this.#givenUp, refused: this.#refused };
  }

  /** What is held now: unfinished messages and the bytes of their pieces. */
  held(): { readonly messages: number; readonly bytes: number } {
    let bytes = 0;
    for (const assembly of this.#assemblies.values()) bytes += assembly.bytes;
    return { messages: this.#assemblies.size, bytes };
  }

  /** A sender that started again counts its messages from the beginning: nothing of before may mix with it. */
  #enterIncarnation({ from, incarnation }: Pick<Envelope, "from" | "incarnation">): void {
    if (this.#incarnations.get(from) === incarnation) return;
    this.#incarnations.set(from, incarnation);
    for (const [key, assembly] of this.#assemblies) if (assembly.from === from) this.#giveUp(key);
    for (const key of this.#finishedAt.keys()) if (Math.floor(key / 2 ** 32) === from) this.#finishedAt.delete(key);
  }

  #begin(now: number, key: number, from: SenderId, count: number): Assembly {
    let ofSender = 0;
    let oldest: number | undefined;
    for (const [other, assembly] of this.#assemblies) {
      if (assembly.from !== from) continue;
      oldest ??= other;
      ofSender++;
    }
    if (oldest !== undefined && ofSender >= reassemblyPerSenderMax) this.#giveUp(oldest);
    else if (this.#assemblies.size >= reassemblyMax) this.#giveUp(this.#assemblies.keys().next().value as number);
    const assembly: Assembly = {
      from,
      startedAt: now,
      pieces: new Array<Uint8Array | undefined>(count).fill(undefined),
      pieceCount: 0,
      bytes: 0,
    };
    this.#assemblies.set(key, assembly);
    return assembly;
  }

  #giveUp(key: number): void {
    this.#assemblies.delete(key);
    this.#givenUp++;
  }

  #refuse(now: number, key: number, reason: "shape" | "length"): Malformed {
    this.#finish(now, key);
    this.#refused++;
    return { malformed: reason };
  }

  #finish(now: number, key: number): void {
    this.#assemblies.delete(key);
    this.#finishedAt.set(key, now);
    if (this.#finishedAt.size <= finishedMax) return;
    this.#finishedAt.delete(this.#finishedAt.keys().next().value as number);
  }
}

/** Finished messages that are remembered: as many as all cards can have under way. */
const finishedMax = cardCountMax * reassemblyPerSenderMax;
