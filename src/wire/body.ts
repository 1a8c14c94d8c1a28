/**
 * Bodies of messages to and from CBOR values, field by field as `wire.cddl` lists them. A decoder proves every
 * field before it believes it; it gives `undefined` for a body of a wrong shape and never throws.
 */
import { unreachable } from "../base/assert.ts";
import type { CardSet } from "../base/card-set.ts";
import { cardCountMax, isCardId, slotCountMax } from "../base/ids.ts";
import {
  entryBytesMax,
  epochsMax,
  failingReasonBytesMax,
  fragmentCountMax,
  incarnationMax,
  nameBytesMax,
  passEntriesMax,
  sequenceMax,
  softwareBytesMax,
  uidBytes,
  viewNumberMax,
} from "../limits.ts";
import { bootBodyOf, bootMessageOf } from "./boot-body.ts";
import { configBodyOf, configMessageOf } from "./config-body.ts";
import { isBytes, isCount, isSequence, isText, textWithin, type Value } from "./value.ts";
import type { Advert, CommitView, Echo, Entry, Flush, Heartbeat, Mark, Message, MessageKind, Pass, ProposeView, Sync } from "./message.ts";

/** The number of each kind on the wire. Numbers are never used again for something else. */
export const kindNumbers: Record<MessageKind, number> = {
  heartbeat: 1,
  advert: 2,
  bye: 3,
  stale: 4,
  fragment: 5,
  wantView: 6,
  proposeView: 7,
  promiseView: 8,
  refuseView: 9,
  commitView: 10,
  committedView: 11,
  submit: 12,
  pass: 13,
  commit: 14,
  flush: 15,
  muxReset: 16,
  muxReceipt: 17,
  muxPower: 18,
  sync: 32,
  failing: 33,
  configState: 34,
  configAsk: 35,
  configGive: 36,
  configDurable: 37,
  configForward: 38,
  configAnswer: 39,
  boot: 40,
  selfTest: 41,
  selfTestAnswer: 42,
  idle: 43,
};

const kindsByNumber = new Map(Object.entries(kindNumbers).map(([kind, number]) => [number, kind as MessageKind]));
export function kindOfNumber(number: unknown): MessageKind | undefined {
  return kindsByNumber.get(number as number);
}

const byeReasons = ["stop", "restart", "maintenance", "upgrade"] as const;
const resetOutcomes = ["reset", "off", "absent", "failed", "newer"] as const;
const muxStartsBytes = 2 * slotCountMax;
const entryTypes = ["view", "control", "data"] as const;

/** The CBOR value of a message's body. */
export function bodyOf(message: Message): Value[] {
  switch (message.kind) {
    case "heartbeat":
      return [
        (message.etherPort ? 1 : 0) | (message.serialPort ? 2 : 0),
        message.serialTicks,
        message.etherTicks,
        message.view,
        ...message.head === undefined ? [] : [message.head],
      ];
    case "advert":
      return [
        message.uid,
        message.name,
        message.nonce,
        message.echoes.flatMap((echo) => [echo.card, echo.nonce]),
        message.etherPeriodMs,
        message.serialPeriodMs,
        message.wireMin,
        message.wireMax,
        message.software,
      ];
    case "bye":
      return [byeReasons.indexOf(message.reason)];
    case "stale":
      return [message.card, message.incarnation];
    case "fragment":
      return [message.id, message.index, message.count, message.data];
    case "wantView":
      return [message.previous, message.promised];
    case "proposeView":
      return [message.number, message.members, [...message.incarnations], message.ether];
    case "promiseView":
      return [message.number, message.previous, message.down];
    case "refuseView":
      return [message.number, message.promised, message.missing];
    case "commitView":
      return [
        message.number,
        message.members,
        [...message.incarnations],
        [...message.previous],
        message.ether,
        message.down,
        message.unknown,
      ];
    case "committedView":
      return [message.number];
    case "submit":
      return [message.view, valuesOfEntries(message.entries), message.floor];
    case "pass":
      return [message.view, message.pass, message.first, valuesOfEntries(message.entries), message.committed, message.delivered];
    case "commit":
      return [message.view, message.committed];
    case "flush":
      return [
        message.view,
        message.epoch,
        message.held,
        message.delivered,
        message.deliveredEpoch,
        (message.whole ? 1 : 0) | (message.ready ? 2 : 0),
      ];
    case "sync":
      return [
        message.view,
        message.first,
        message.last,
        valuesOfEntries(message.entries),
        message.skip ? 1 : 0,
        message.epochs.flatMap((epoch) => [epoch.view, epoch.first]),
        message.marks.flatMap((mark) => [mark.card, mark.incarnation, mark.id]),
      ];
    case "failing":
      return [textWithin(message.reason, failingReasonBytesMax)];
    case "configState":
    case "configAsk":
    case "configGive":
    case "configDurable":
    case "configForward":
    case "configAnswer":
      return configBodyOf(message);
    case "muxReset":
      return [message.id, message.slot, ...optional(message.incarnation)];
    case "muxReceipt":
      return [message.id, message.slot, resetOutcomes.indexOf(message.outcome), ...optional(message.incarnation)];
    case "muxPower":
      return [message.powered, ...optional(message.starts)];
    case "boot":
    case "selfTest":
    case "selfTestAnswer":
      return bootBodyOf(message);
    case "idle":
      return [message.view];
    default:
      return unreachable(message);
  }
}

/** The message of a kind and a decoded CBOR body, or `undefined` when the body has not that kind's shape. */
export function messageOf(kind: MessageKind, body: unknown): Message | undefined {
  if (!Array.isArray(body)) return undefined;
  const [a, b, c, d] = body as unknown[];
  switch (kind) {
    case "heartbeat":
      return heartbeatOf(body);
    case "advert":
      return advertOf(body);
    case "bye": {
      const reason = isCount(a, byeReasons.length - 1) ? byeReasons[a] : undefined;
      return reason === undefined ? undefined : { kind, reason };
    }
    case "stale":
      return isCardId(a) && isCount(b, incarnationMax) ? { kind, card: a, incarnation: b } : undefined;
    case "fragment":
      if (!isCount(a, 0xffffffff) || !isCount(c, fragmentCountMax) || !isCount(b, c - 1) || !isBytes(d, 1, 0xffff)) return undefined;
      return { kind, id: a, index: b, count: c, data: d };
    case "wantView":
      return isCount(a, viewNumberMax) && isCount(b, viewNumberMax) ? { kind, previous: a, promised: b } : undefined;
    case "proposeView":
      return proposeViewOf(body);
    case "promiseView":
      return isView(a) && isCount(b, viewNumberMax) && isCardSet(c) ? { kind, number: a, previous: b, down: c } : undefined;
    case "refuseView":
      return isView(a) && isCount(b, viewNumberMax) && isCardSet(c) ? { kind, number: a, promised: b, missing: c } : undefined;
    case "commitView":
      return commitViewOf(body);
    case "committedView":
      return isView(a) ? { kind, number: a } : undefined;
    case "submit": {
      const entries = entriesOf(b, passEntriesMax);
      return isView(a) && entries !== undefined && isSequence(c) && c >= 1 ? { kind, view: a, entries, floor: c } : undefined;
    }
    case "pass":
      return passOf(body);
    case "commit":
      return isView(a) && isSequence(b) ? { kind, view: a, committed: b } : undefined;
    case "flush":
      return flushOf(body);
    case "sync":
      return syncOf(body);
    case "failing":
      return isText(a, failingReasonBytesMax) ? { kind, reason: a } : undefined;
    case "configState":
    case "configAsk":
    case "configGive":
    case "configDurable":
    case "configForward":
    case "configAnswer":
      return configMessageOf(kind, body);
    case "muxReset":
      if (!isCount(a, 0xffffffff) || !isSlot(b)) return undefined;
      return { kind, id: a, slot: b, ...(isCount(c, 0xffffffff) ? { incarnation: c } : {}) };
    case "muxReceipt": {
      const outcome = isCount(c, resetOutcomes.length - 1) ? resetOutcomes[c] : undefined;
      if (!isCount(a, 0xffffffff) || !isSlot(b) || outcome === undefined) return undefined;
      return { kind, id: a, slot: b, outcome, ...(isCount(d, 0xffffffff) ? { incarnation: d } : {}) };
    }
    case "muxPower":
      if (!isCount(a, 0xff)) return undefined;
      return { kind, powered: a, ...isBytes(b, muxStartsBytes, muxStartsBytes) ? { starts: b } : {} };
    case "boot":
    case "selfTest":
    case "selfTestAnswer":
      return bootMessageOf(kind, body);
    case "idle":
      return isView(a) ? { kind, view: a } : undefined;
    default:
      return unreachable(kind);
  }
}

/** The head is said by cards that have a configuration. */
function heartbeatOf(body: unknown[]): Heartbeat | undefined {
  const [ports, serialTicks, etherTicks, view, head] = body;
  if (!isCount(ports, 0xff) || !isCardSet(serialTicks) || !isCardSet(etherTicks) || !isCount(view, 0xffff)) return undefined;
  const flags = { etherPort: (ports & 1) === 1, serialPort: (ports & 2) === 2 };
  return { kind: "heartbeat", ...flags, serialTicks, etherTicks, view, ...isCount(head, 0xffff) ? { head } : {} };
}

function advertOf(body: unknown[]): Advert | undefined {
  const [uid, name, nonce, pairs, etherPeriodMs, serialPeriodMs, wireMin, wireMax, software] = body;
  if (!isBytes(uid, uidBytes, uidBytes) || !isText(name, nameBytesMax) || !isCount(nonce, 0xffffffff)) return undefined;
  if (!isCount(etherPeriodMs, 60_000) || !isCount(serialPeriodMs, 60_000) || etherPeriodMs < 1 || serialPeriodMs < 1) return undefined;
  if (!isCount(wireMin, 15) || !isCount(wireMax, 15) || wireMin > wireMax || !isText(software, softwareBytesMax)) return undefined;
  const echoes = echoesOf(pairs);
  if (echoes === undefined) return undefined;
  return { kind: "advert", uid, name, nonce, echoes, etherPeriodMs, serialPeriodMs, wireMin, wireMax, software };
}

function echoesOf(pairs: unknown): Echo[] | undefined {
  if (!Array.isArray(pairs) || pairs.length % 2 !== 0 || pairs.length > 2 * cardCountMax) return undefined;
  const echoes: Echo[] = [];
  for (let index = 0; index < pairs.length; index += 2) {
    const card: unknown = pairs[index];
    const nonce: unknown = pairs[index + 1];
    if (!isCardId(card) || !isCount(nonce, 0xffffffff)) return undefined;
    echoes.push({ card, nonce });
  }
  return echoes;
}

function proposeViewOf(body: unknown[]): ProposeView | undefined {
  const [number, members, incarnations, ether] = body;
  if (!isView(number) || !isCardSet(members) || !isCardSet(ether) || !isWithin(ether, members)) return undefined;
  if (!isOnePerMember(incarnations, members, incarnationMax)) return undefined;
  return { kind: "proposeView", number, members, incarnations, ether };
}

function commitViewOf(body: unknown[]): CommitView | undefined {
  const [number, members, incarnations, previous, ether, down, unknown] = body;
  if (!isView(number) || !isCardSet(members) || !isCardSet(ether) || !isWithin(ether, members)) return undefined;
  if (!isOnePerMember(incarnations, members, incarnationMax) || !isOnePerMember(previous, members, viewNumberMax)) return undefined;
  // Each card is one of these three.
  if (!isCardSet(down) || !isCardSet(unknown)) return undefined;
  if (!isApart(members, down) || !isApart(members, unknown) || !isApart(down, unknown)) return undefined;
  return { kind: "commitView", number, members, incarnations, previous, ether, down, unknown };
}

/** A view has members, and each has its number in the list. */
function isOnePerMember(value: unknown, members: CardSet, max: number): value is number[] {
  return Array.isArray(value) && value.length > 0 && value.length === sizeOf(members) && value.every((item) => isCount(item, max));
}

function passOf(body: unknown[]): Pass | undefined {
  const [view, pass, first, values, committed, delivered] = body;
  const entries = entriesOf(values, passEntriesMax);
  if (!isView(view) || !isSequence(pass) || entries === undefined) return undefined;
  if (!isPlaceOf(first, entries, sequenceMax - 1) || !isSequence(committed) || !isSequence(delivered)) return undefined;
  return { kind: "pass", view, pass, first, entries, committed, delivered };
}

function flushOf(body: unknown[]): Flush | undefined {
  const [view, epoch, held, delivered, deliveredEpoch, bits] = body;
  if (!isView(view) || !isCount(epoch, viewNumberMax) || !isCount(deliveredEpoch, viewNumberMax)) return undefined;
  if (!isSequence(held) || !isCount(delivered, held) || !isCount(bits, 0xff)) return undefined;
  return { kind: "flush", view, epoch, held, delivered, deliveredEpoch, whole: (bits & 1) === 1, ready: (bits & 2) === 2 };
}

function syncOf(body: unknown[]): Sync | undefined {
  const [view, first, last, values, bits, epochPairs, markValues] = body;
  const entries = entriesOf(values, Infinity);
  if (!isView(view) || !isSequence(last) || entries === undefined || !isPlaceOf(first, entries, last)) return undefined;
  if (!isCount(bits, 0xff)) return undefined;
  const epochs = epochsOf(epochPairs);
  const marks = marksOf(markValues);
  if (epochs === undefined || marks === undefined) return undefined;
  return { kind: "sync", view, first, last, entries, skip: (bits & 1) === 1, epochs, marks };
}

/** Pairs of a view and the sequence at which it began; each begins after the one before it. */
function epochsOf(pairs: unknown): Sync["epochs"] | undefined {
  if (!Array.isArray(pairs) || pairs.length % 2 !== 0 || pairs.length > 2 * epochsMax) return undefined;
  const epochs: Sync["epochs"][number][] = [];
  for (let index = 0; index < pairs.length; index += 2) {
    const view: unknown = pairs[index];
    const first: unknown = pairs[index + 1];
    const before = epochs.at(-1);
    if (!isView(view) || !isSequence(first) || view <= (before?.view ?? 0) || first <= (before?.first ?? 0)) return undefined;
    epochs.push({ view, first });
  }
  return epochs;
}

/** Three items each: the card, its incarnation, its last id. */
function marksOf(values: unknown): Mark[] | undefined {
  if (!Array.isArray(values) || values.length % 3 !== 0 || values.length > 3 * cardCountMax) return undefined;
  const marks: Mark[] = [];
  for (let index = 0; index < values.length; index += 3) {
    const [card, incarnation, id] = values.slice(index, index + 3) as unknown[];
    if (!isCardId(card) || !isCount(incarnation, incarnationMax) || !isSequence(id)) return undefined;
    marks.push({ card, incarnation, id });
  }
  return marks;
}

/** Flat, four items an entry: its head costs no array of its own. */
function valuesOfEntries(entries: readonly Entry[]): Value[] {
  const values: Value[] = [];
  for (const { type, origin, id, body } of entries) values.push(entryTypes.indexOf(type), origin, id, body);
  return values;
}

function entriesOf(values: unknown, countMax: number): Entry[] | undefined {
  if (!Array.isArray(values) || values.length % 4 !== 0 || values.length > 4 * countMax) return undefined;
  const entries: Entry[] = [];
  for (let index = 0; index < values.length; index += 4) {
    const [typeIndex, origin, id, body] = values.slice(index, index + 4) as unknown[];
    const type = isCount(typeIndex, entryTypes.length - 1) ? entryTypes[typeIndex] : undefined;
    if (type === undefined || !isCardId(origin) || !isSequence(id) || !isBytes(body, 0, entryBytesMax)) return undefined;
    if ((type === "data") !== (id > 0)) return undefined;
    entries.push({ type, origin, id, body });
  }
  return entries;
}

/** `first` is where `entries` begin, which end at `last` or before it. Sequences count from 1. */
function isPlaceOf(first: unknown, entries: readonly Entry[], last: number): first is number {
  return isSequence(first) && first >= 1 && first <= last - entries.length + 1;
}

function isView(value: unknown): value is number {
  return isCount(value, viewNumberMax) && value >= 1;
}

function isCardSet(value: unknown): value is CardSet {
  return isBytes(value, 0, 8);
}

/** The cards in a set; who speaks does not matter for their number. */
function sizeOf(set: CardSet): number {
  let size = 0;
  for (let byte of set) for (; byte !== 0; byte &= byte - 1) size++;
  return size;
}

/** Whether `part` is a subset of `whole`; both are of one speaker. */
function isWithin(part: CardSet, whole: CardSet): boolean {
  return part.every((byte, index) => (byte & ~(whole[index] ?? 0)) === 0);
}

function isApart(one: CardSet, other: CardSet): boolean {
  return one.every((byte, index) => (byte & (other[index] ?? 0)) === 0);
}

function isSlot(value: unknown): value is number {
  return isCount(value, slotCountMax) && value >= 1;
}

/** What may be missing at the end of a body. */
function optional<Value>(value: Value | undefined): readonly Value[] {
  return value === undefined ? [] : [value];
}
