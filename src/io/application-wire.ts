/**
 * What an application and its card say to each other on the card's local socket, as bytes. This page is the protocol.
 *
 * The socket is a Unix stream socket, /run/cardinal/applications.sock unless the card's configuration names another
 * one. Both directions carry frames: the length of the rest in 4 bytes, highest first, then one CBOR array (RFC 8949,
 * deterministic encoding, section 4.2.1) of a kind number and its fields. Integers are 0 to 2^53 - 1, text is UTF-8,
 * flags are true and false.
 *
 *   version 1, from the application
 *      0 hello     [0, version]                       the first frame; the highest version that it speaks
 *      1 join      [1, request, group, name, critical, monitorMs]
 *      2 leave     [2, request, group]
 *      3 send      [3, request, group, data]
 *      4 watch     [4, request, group]
 *      5 alive     [5, nonce]
 *   from the card
 *      0 welcome   [0, version, card, chassis, slot, software]    the first frame; the version that both speak
 *     16 joined    [16, request, group, sequence, member, view]
 *     17 left      [17, request, group]
 *     18 watching  [18, request, group, view]
 *     19 sent      [19, request, group, sequence]
 *     20 refused   [20, request, code, text]          code: 0 state, 1 bounds, 2 stopped, 3 busy
 *     21 message   [21, group, sequence, view number, member, data]
 *     22 view      [22, group, sequence, view, [[member, change], ...]]   change: 0 joined, 1 left, 2 exited, 3 returned
 *     23 lost      [23, group, sequence, reason]
 *     24 stopped   [24, reason]
 *     25 resumed   [25]
 *     26 monitor   [26, nonce, withinMs]
 *     31 closed    [31, reason]                       the last frame of a connection that the card ends
 *
 *   member  [card, number, name, critical]            view  [number, [member, ...]]
 *
 * What requests and events mean stands at their types in `src/cluster/application.ts`. `request` is the application's
 * own number; the answer (joined, left, watching, sent, refused) repeats it. Kinds and fields are only ever added:
 * fields at the end, which a reader that does not know them passes over; kinds with a new version.
 *
 * The card ends a connection that does not say hello in time, sends what is not written here or a frame longer than
 * `applicationRequestBytesMax`, or leaves more than `applicationWaitingBytesMax` of events unread. It does not read
 * one that has `applicationUnderWayMax` requests without an answer; its `alive` waits too, so keep to fewer.
 *
 * Names and sizes are judged by the group service, which refuses a request; here only what is no request is an error.
 */
import { assert, unreachable } from "../base/assert.ts";
import { cardAt, type CardId, chassisCountMax, isCardId, slotCountMax } from "../base/ids.ts";
import type {
  ApplicationEvent,
  ApplicationRefusalCode,
  ApplicationRequest,
  GroupView,
  Member,
  MemberChange,
} from "../cluster/application.ts";
import { applicationEventBytesMax, applicationMessageBytesMax, applicationOverheadBytesMax, applicationTextBytesMax } from "../limits.ts";
import { type Cbor, decodeCbor, encodeCbor } from "../wire/cbor.ts";

/** The highest version that this program speaks. */
export const applicationProtocolVersion = 1;
/** Where an application finds the socket unless it is told another path. */
export const applicationSocketPath = "/run/cardinal/applications.sock";
/** A frame of an application without its length. */
export const applicationRequestBytesMax = applicationMessageBytesMax + applicationOverheadBytesMax;

/** An application's first frame. */
export type ApplicationHello = { readonly kind: "hello"; readonly version: number };

/** The card's first frame. */
export type ApplicationWelcome = {
  readonly kind: "welcome";
  readonly version: number;
  readonly card: CardId;
  readonly chassis: number;
  readonly slot: number;
  readonly software: string;
};

/** The card's last frame. */
export type ApplicationClosed = { readonly kind: "closed"; readonly reason: string };

export type ApplicationFrame = ApplicationHello | ApplicationRequest;
export type CardFrame = ApplicationWelcome | ApplicationEvent | ApplicationClosed;

/** `length`: empty or too long; `cbor`: no array in deterministic CBOR; `kind`: one that nobody knows; `shape`: a field is not what it must be. */
export type FrameMistake = "length" | "cbor" | "kind" | "shape";
export type MalformedFrame = { readonly malformed: FrameMistake };

export function isMalformedFrame(value: object): value is MalformedFrame {
  return "malformed" in value;
}

/** For people. */
export const frameMistakeTexts: Readonly<Record<FrameMistake, string>> = {
  length: "a frame is empty or too long",
  cbor: "a frame is not an array in deterministic CBOR",
  kind: "a frame is of an unknown kind",
  shape: "a field of a frame is missing or is not what it must be",
};

const requestNumbers = { hello: 0, join: 1, leave: 2, send: 3, watch: 4, alive: 5 } as const;
const eventNumbers = {
  welcome: 0,
  joined: 16,
  left: 17,
  watching: 18,
  sent: 19,
  refused: 20,
  message: 21,
  view: 22,
  lost: 23,
  stopped: 24,
  resumed: 25,
  monitor: 26,
  closed: 31,
} as const;
const refusalCodes: readonly ApplicationRefusalCode[] = ["state", "bounds", "stopped", "busy"];
const changes: readonly MemberChange["change"][] = ["joined", "left", "exited", "returned"];

const requestKinds = kindsByNumber(requestNumbers);
const eventKinds = kindsByNumber(eventNumbers);

const lengthBytes = 4;

function kindsByNumber<Kind extends string>(numbers: Readonly<Record<Kind, number>>): ReadonlyMap<unknown, Kind> {
  return new Map(Object.entries<number>(numbers).map(([kind, number]) => [number, kind as Kind]));
}

/** The frame of an application, its length included. */
export function encodeApplicationFrame(frame: ApplicationFrame): Uint8Array {
  return framed([requestNumbers[frame.kind], ...requestFields(frame)]);
}

/** The frame of a card, its length included. */
export function encodeCardFrame(frame: CardFrame): Uint8Array {
  const bytes = framed([eventNumbers[frame.kind], ...eventFields(frame)]);
  assert(bytes.length - lengthBytes <= applicationEventBytesMax, `${frame.kind} takes ${bytes.length} bytes`);
  return bytes;
}

function framed(fields: Cbor): Uint8Array {
  const bytes = encodeCbor(fields, lengthBytes);
  let left = bytes.length - lengthBytes;
  for (let index = lengthBytes - 1; index >= 0; index--) {
    bytes[index] = left;
    left >>>= 8;
  }
  return bytes;
}

/** Frames one behind the other, to be written at once. */
export function joinFrames(frames: readonly Uint8Array[]): Uint8Array {
  if (frames.length === 1) return frames[0] as Uint8Array;
  const bytes = new Uint8Array(frames.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const frame of frames) {
    bytes.set(frame, at);
    at += frame.length;
  }
  return bytes;
}

function requestFields(frame: ApplicationFrame): Cbor[] {
  switch (frame.kind) {
    case "hello":
      return [frame.version];
    case "join":
      return [frame.request, whole(frame.group), whole(frame.name), frame.critical, frame.monitorMs];
    case "leave":
    case "watch":
      return [frame.request, whole(frame.group)];
    case "send":
      return [frame.request, whole(frame.group), frame.data];
    case "alive":
      return [frame.nonce];
    default:
      return unreachable(frame);
  }
}

function eventFields(frame: CardFrame): Cbor[] {
  switch (frame.kind) {
    case "welcome":
      return [frame.version, frame.card, frame.chassis, frame.slot, cut(frame.software)];
    case "joined":
      return [frame.request, whole(frame.group), frame.sequence, memberFields(frame.member), viewFields(frame.view)];
    case "left":
      return [frame.request, whole(frame.group)];
    case "watching":
      return [frame.request, whole(frame.group), viewFields(frame.view)];
    case "sent":
      return [frame.request, whole(frame.group), frame.sequence];
    case "refused":
      return [frame.request, refusalCodes.indexOf(frame.code), cut(frame.message)];
    case "message":
      return [whole(frame.group), frame.sequence, frame.view, memberFields(frame.from), frame.data];
    case "view":
      return [
        whole(frame.group),
        frame.sequence,
        viewFields(frame.view),
        frame.changes.map(({ member, change }) => [memberFields(member), changes.indexOf(change)]),
      ];
    case "lost":
      return [whole(frame.group), frame.sequence, cut(frame.reason)];
    case "stopped":
    case "closed":
      return [cut(frame.reason)];
    case "resumed":
      return [];
    case "monitor":
      return [frame.nonce, frame.withinMs];
    default:
      return unreachable(frame);
  }
}

function memberFields({ card, number, name, critical }: Member): Cbor[] {
  return [card, number, whole(name), critical];
}

function viewFields({ number, members }: GroupView): Cbor[] {
  return [number, members.map(memberFields)];
}

/** Half a surrogate pair has no UTF-8: the reader would take the whole frame for malformed. */
function whole(text: string): string {
  return text.toWellFormed();
}

const toUtf8 = new TextEncoder();
const fromUtf8 = new TextDecoder("utf-8", { ignoreBOM: true });
const textBuffer = new Uint8Array(applicationTextBytesMax);

/** Text for people within its bound, cut between characters. */
function cut(text: string): string {
  if (text.length * 3 <= applicationTextBytesMax) return whole(text);
  return fromUtf8.decode(textBuffer.subarray(0, toUtf8.encodeInto(text, textBuffer).written));
}

/** What an application said, of a frame without its length. A message's data may be a part of `body`: it is not for keeping. */
export function decodeApplicationFrame(body: Uint8Array): ApplicationFrame | MalformedFrame {
  const items = decodeCbor(body, "shared");
  if (!Array.isArray(items)) return { malformed: "cbor" };
  const kind = requestKinds.get(items[0]);
  if (kind === undefined) return { malformed: "kind" };
  return requestOf(kind, items) ?? { malformed: "shape" };
}

/** What the card said, of a frame without its length. */
export function decodeCardFrame(body: Uint8Array): CardFrame | MalformedFrame {
  const items = decodeCbor(body);
  if (!Array.isArray(items)) return { malformed: "cbor" };
  const kind = eventKinds.get(items[0]);
  if (kind === undefined) return { malformed: "kind" };
  return eventOf(kind, items) ?? { malformed: "shape" };
}

function requestOf(kind: ApplicationFrame["kind"], items: unknown[]): ApplicationFrame | undefined {
  const [, request, group, third, critical, monitorMs] = items;
  switch (kind) {
    case "hello":
      return isCount(request) && request >= 1 ? { kind, version: request } : undefined;
    case "alive":
      return isCount(request) ? { kind, nonce: request } : undefined;
    default:
  }
  if (!isCount(request) || typeof group !== "string") return undefined;
  switch (kind) {
    case "join":
      if (typeof third !== "string" || typeof critical !== "boolean" || !isCount(monitorMs)) return undefined;
      return { kind, request, group, name: third, critical, monitorMs };
    case "leave":
    case "watch":
      return { kind, request, group };
    case "send":
      return third instanceof Uint8Array ? { kind, request, group, data: third } : undefined;
    default:
      return unreachable(kind);
  }
}

function eventOf(kind: CardFrame["kind"], items: unknown[]): CardFrame | undefined {
  const [, first, second, third, fourth, fifth] = items;
  switch (kind) {
    case "welcome":
      return welcomeOf(items);
    case "joined": {
      const member = memberOf(fourth);
      const view = viewOf(fifth);
      if (!isCount(first) || typeof second !== "string" || !isCount(third) || !member || !view) return undefined;
      return { kind, request: first, group: second, sequence: third, member, view };
    }
    case "left":
      return isCount(first) && typeof second === "string" ? { kind, request: first, group: second } : undefined;
    case "watching": {
      const view = viewOf(third);
      return isCount(first) && typeof second === "string" && view ? { kind, request: first, group: second, view } : undefined;
    }
    case "sent":
      if (!isCount(first) || typeof second !== "string" || !isCount(third)) return undefined;
      return { kind, request: first, group: second, sequence: third };
    case "refused": {
      const code = isCount(second) ? refusalCodes[second] : undefined;
      return isCount(first) && code !== undefined && typeof third === "string" ? { kind, request: first, code, message: third } : undefined;
    }
    case "message": {
      const from = memberOf(fourth);
      if (typeof first !== "string" || !isCount(second) || !isCount(third) || !from || !(fifth instanceof Uint8Array)) return undefined;
      return { kind, group: first, sequence: second, view: third, from, data: fifth };
    }
    case "view": {
      const view = viewOf(third);
      const changed = listOf(fourth, changeOf);
      if (typeof first !== "string" || !isCount(second) || !view || !changed) return undefined;
      return { kind, group: first, sequence: second, view, changes: changed };
    }
    case "lost":
      if (typeof first !== "string" || !isCount(second) || typeof third !== "string") return undefined;
      return { kind, group: first, sequence: second, reason: third };
    case "stopped":
    case "closed":
      return typeof first === "string" ? { kind, reason: first } : undefined;
    case "resumed":
      return { kind };
    case "monitor":
      return isCount(first) && isCount(second) ? { kind, nonce: first, withinMs: second } : undefined;
    default:
      return unreachable(kind);
  }
}

function welcomeOf([, version, card, chassis, slot, software]: unknown[]): ApplicationWelcome | undefined {
  if (!isCount(version) || version < 1 || !isCardId(card) || typeof software !== "string") return undefined;
  if (!isCount(chassis) || !isCount(slot) || chassis < 1 || slot < 1 || chassis > chassisCountMax || slot > slotCountMax) return undefined;
  return cardAt(chassis, slot) === card ? { kind: "welcome", version, card, chassis, slot, software } : undefined;
}

function memberOf(value: unknown): Member | undefined {
  if (!Array.isArray(value)) return undefined;
  const [card, number, name, critical] = value as unknown[];
  if (!isCardId(card) || !isCount(number) || typeof name !== "string" || typeof critical !== "boolean") return undefined;
  return { card, number, name, critical };
}

function viewOf(value: unknown): GroupView | undefined {
  if (!Array.isArray(value)) return undefined;
  const number: unknown = value[0];
  const members = listOf(value[1], memberOf);
  return isCount(number) && members ? { number, members } : undefined;
}

function changeOf(value: unknown): MemberChange | undefined {
  if (!Array.isArray(value)) return undefined;
  const member = memberOf(value[0]);
  const number: unknown = value[1];
  const change = isCount(number) ? changes[number] : undefined;
  return member && change !== undefined ? { member, change } : undefined;
}

function listOf<Item>(value: unknown, itemOf: (value: unknown) => Item | undefined): Item[] | undefined {
  if (!Array.isArray(value)) return undefined;
  const items: Item[] = [];
  for (const each of value as unknown[]) {
    const item = itemOf(each);
    if (item === undefined) return undefined;
    items.push(item);
  }
  return items;
}

/** The decoder gives integers up to 2^53 - 1. */
function isCount(value: unknown): value is number {
  return typeof value === "number" && value >= 0;
}

/**
 * Cuts a stream of bytes, in whatever pieces it comes, into frames. It reads on only when asked, so that a connection can be left
 * to wait with what it has sent; it keeps the pieces that were given to it and at most one frame besides.
 */
export class FrameReader {
  readonly #bodyBytesMax: number;
  readonly #pieces: Uint8Array[] = [];
  /** What of the first piece has been read. */
  #at = 0;
  /** Of the length, so many bytes and their number so far. */
  #headFilled = 0;
  #length = 0;
  /** A frame that began in an earlier piece, and how much of it is there. */
  #body: Uint8Array | undefined;
  #bodyFilled = 0;
  #isMalformed = false;

  constructor(bodyBytesMax: number) {
    this.#bodyBytesMax = bodyBytesMax;
  }

  push(piece: Uint8Array): void {
    if (piece.length > 0) this.#pieces.push(piece);
  }

  /**
   * The next frame without its length, or `undefined` when it has not come completely. It may lie in a piece that was pushed. After a
   * length that cannot be, nothing can be read any more.
   */
  next(): Uint8Array | MalformedFrame | undefined {
    if (this.#isMalformed) return { malformed: "length" };
    for (;;) {
      const piece = this.#pieces[0];
      if (piece === undefined) return undefined;
      if (this.#at === piece.length) {
        this.#pieces.shift();
        this.#at = 0;
      } else if (this.#headFilled < lengthBytes) {
        this.#length = this.#length * 256 + (piece[this.#at++] as number);
        if (++this.#headFilled === lengthBytes && !this.#isLengthFine()) {
          this.#isMalformed = true;
          this.#pieces.length = 0;
          return { malformed: "length" };
        }
      } else {
        const frame = this.#take(piece);
        if (frame !== undefined) return frame;
      }
    }
  }

  #isLengthFine(): boolean {
    return this.#length >= 1 && this.#length <= this.#bodyBytesMax;
  }

  #take(piece: Uint8Array): Uint8Array | undefined {
    const length = this.#length;
    const left = piece.length - this.#at;
    if (this.#body === undefined && left >= length) return this.#finish(piece.subarray(this.#at, this.#at += length));
    this.#body ??= new Uint8Array(length);
    const count = Math.min(left, length - this.#bodyFilled);
    this.#body.set(piece.subarray(this.#at, this.#at += count), this.#bodyFilled);
    this.#bodyFilled += count;
    return this.#bodyFilled === length ? this.#finish(this.#body) : undefined;
  }

  #finish(frame: Uint8Array): Uint8Array {
    this.#headFilled = this.#length = 0;
    this.#body = undefined;
    this.#bodyFilled = 0;
    return frame;
  }
}
