/**
 * The bytes of what the failover services put into the order: CBOR arrays led by the kind, the beginning and the instant, which only grow at their end. What has a depth of
 * its own (a report, an order, events) is a text within. A body that is not of this form is `undefined` for every card alike.
 */
import { type CardId, isCardId } from "../base/ids.ts";
import { failoverGrantsMax, failoverPieceBytesMax, failoverPiecesMax, failoverWordsMax, incarnationMax, viewNumberMax } from "../limits.ts";
import { type Cbor, decodeCbor, encodeCbor } from "../wire/cbor.ts";
import type { FailoverEvent } from "./failover-record.ts";
import { packText, unpackText } from "./service-text.ts";
import type { CardReport, FailoverEntry, HookTiming, OperatorRequest, ServiceEpoch } from "./service-types.ts";

const kinds = [
  "announce",
  "begin",
  "state",
  "configuration",
  "report",
  "ended",
  "idle",
  "started",
  "released",
  "stopFailed",
  "failed",
  "demoted",
  "retry",
  "operate",
  "evidence",
  "time",
] as const satisfies readonly FailoverEntry["kind"][];

const receipts = ["left", "power", "reset", "failing", "restarted", "lease"] as const;

export function encodeFailoverEntry(entry: FailoverEntry): Uint8Array {
  return encodeCbor([kinds.indexOf(entry.kind), entry.of, Math.max(0, Math.round(entry.at)), ...fieldsOf(entry)]);
}

function fieldsOf(entry: FailoverEntry): Cbor[] {
  switch (entry.kind) {
    case "announce":
      return [entry.records];
    case "time":
      return [];
    case "begin":
      return [entry.groupView];
    case "state":
      return [entry.asOf, entry.index, entry.count, entry.data];
    case "configuration":
      return [entry.place.epoch, entry.place.sequence, entry.index, entry.count, entry.data];
    case "report":
      return [entry.incarnation, packText(entry.report)];
    case "ended":
      return [entry.card, entry.incarnation, receipts.indexOf(entry.receipt)];
    case "idle":
      return [entry.card, entry.incarnation, entry.view];
    case "started":
    case "released":
      return [grantItems(entry.grants), packText(entry.hooks)];
    case "stopFailed":
      return [entry.service, entry.epoch, entry.why, packText(entry.hooks)];
    case "failed":
      return [entry.service, entry.epoch, entry.why, entry.isUnfit, packText(entry.hooks)];
    case "demoted":
      return [grantItems(entry.grants), entry.why];
    case "retry":
      return [entry.service, entry.epoch];
    case "operate":
      return [entry.id, packText(entry.order)];
    case "evidence":
      return [entry.about, packText(entry.events)];
  }
}

export function decodeFailoverEntry(bytes: Uint8Array): FailoverEntry | undefined {
  const items = decodeCbor(bytes);
  if (!Array.isArray(items)) return undefined;
  const [index, of, at, ...fields] = items as unknown[];
  const kind = isCount(index, kinds.length - 1) ? kinds[index] : undefined;
  if (kind === undefined || !isCount(of, viewNumberMax) || !isCount(at)) return undefined;
  const body = bodyOf(kind, fields);
  return body === undefined ? undefined : { at, of, ...body } as FailoverEntry;
}

type Body = FailoverEntry extends infer Entry ? Entry extends FailoverEntry ? Omit<Entry, "at" | "of"> : never : never;

function bodyOf(kind: FailoverEntry["kind"], fields: readonly unknown[]): Body | undefined {
  const [a, b, c, d, e] = fields;
  switch (kind) {
    case "announce":
      return isCount(a) ? { kind, records: a } as Body : undefined;
    case "time":
      return { kind };
    case "begin":
      return isCount(a) ? { kind, groupView: a } as Body : undefined;
    case "state":
      return isCount(a) && isPiece(b, c, d) ? { kind, asOf: a, index: b, count: c, data: d } as Body : undefined;
    case "configuration":
      if (!isCount(a, viewNumberMax) || !isCount(b) || !isPiece(c, d, e)) return undefined;
      return { kind, place: { epoch: a, sequence: b }, index: c, count: d, data: e } as Body;
    case "report": {
      const report = textOf(b);
      return isIncarnation(a) && isReport(report) ? { kind, incarnation: a, report } as Body : undefined;
    }
    case "ended": {
      const receipt = isCount(c, receipts.length - 1) ? receipts[c] : undefined;
      if (!isCardId(a) || !isIncarnation(b) || receipt === undefined) return undefined;
      return { kind, card: a, incarnation: b, receipt } as Body;
    }
    case "idle":
      return isCardId(a) && isIncarnation(b) && isCount(c, viewNumberMax) ? { kind, card: a, incarnation: b, view: c } as Body : undefined;
    case "started":
    case "released": {
      const grants = grantsFrom(a);
      const hooks = textOf(b);
      return grants === undefined || !areTimings(hooks) ? undefined : { kind, grants, hooks } as Body;
    }
    case "stopFailed": {
      const hooks = textOf(d);
      if (!isWord(a) || !isCount(b) || !isWord(c) || !areTimings(hooks)) return undefined;
      return { kind, service: a, epoch: b, why: c, hooks } as Body;
    }
    case "failed": {
      const hooks = textOf(e);
      if (!isWord(a) || !isCount(b) || !isWord(c) || typeof d !== "boolean" || !areTimings(hooks)) return undefined;
      return { kind, service: a, epoch: b, why: c, isUnfit: d, hooks } as Body;
    }
    case "demoted": {
      const grants = grantsFrom(a);
      return grants === undefined || !isWord(b) ? undefined : { kind, grants, why: b } as Body;
    }
    case "retry":
      return isWord(a) && isCount(b) ? { kind, service: a, epoch: b } as Body : undefined;
    case "operate": {
      const order = textOf(b);
      return isCount(a) && isOrder(order) ? { kind, id: a, order } as Body : undefined;
    }
    case "evidence": {
      const events = textOf(b);
      return isCardId(a) && areEvents(events) ? { kind, about: a, events } as Body : undefined;
    }
  }
}

function grantItems(grants: readonly ServiceEpoch[]): Cbor {
  return grants.flatMap(({ service, epoch }): Cbor[] => [service, epoch]);
}

function grantsFrom(items: unknown): ServiceEpoch[] | undefined {
  if (!Array.isArray(items) || items.length % 2 !== 0 || items.length > 2 * failoverGrantsMax) return undefined;
  const grants: ServiceEpoch[] = [];
  for (let at = 0; at < items.length; at += 2) {
    const [service, epoch] = items.slice(at, at + 2) as unknown[];
    if (!isWord(service) || !isCount(epoch)) return undefined;
    grants.push({ service, epoch });
  }
  return grants;
}

function isPiece(index: unknown, count: unknown, data: unknown): boolean {
  return isCount(count, failoverPiecesMax) && count > 0 && isCount(index, count - 1) && data instanceof Uint8Array &&
    data.length <= failoverPieceBytesMax;
}

function isCount(value: unknown, max: number = Number.MAX_SAFE_INTEGER): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= max;
}

function isIncarnation(value: unknown): value is number {
  return isCount(value, incarnationMax);
}

function isWord(value: unknown): value is string {
  return typeof value === "string" && value.length <= failoverWordsMax;
}

function textOf(value: unknown): unknown {
  return typeof value === "string" ? unpackText(value) : undefined;
}

type Shape = Readonly<Record<string, unknown>>;

function isShape(value: unknown): value is Shape {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Map);
}

function areTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every(isWord);
}

function isReport(value: unknown): value is CardReport {
  if (!isShape(value) || !isWord(value.software) || !(value.model === undefined || isWord(value.model))) return false;
  const { readiness, health, healthReasons, configuration, ports, unfit, leaseMs } = value;
  if (leaseMs !== undefined && !isCount(leaseMs)) return false;
  if (!isShape(readiness) || !["ready", "booting", "hold"].includes(String(readiness.kind))) return false;
  if (!["good", "degraded", "failing"].includes(String(health)) || !areTexts(healthReasons)) return false;
  return (configuration === "current" || configuration === "behind") && ports instanceof Map && unfit instanceof Map;
}

const outcomes: readonly unknown[] = ["done", "notRunning", "failed", "timeout", "overtaken", "invalid"];

function areTimings(value: unknown): value is HookTiming[] {
  return Array.isArray(value) &&
    (value as unknown[]).every((item) =>
      isShape(item) && (item.hook === "start" || item.hook === "stop") && isWord(item.resource) && isWord(item.service) &&
      typeof item.endedAt === "number" && typeof item.ms === "number" && outcomes.includes(item.outcome) && isWord(item.reason)
    );
}

function areEvents(value: unknown): value is FailoverEvent[] {
  return Array.isArray(value) &&
    (value as unknown[]).every((item) => isShape(item) && typeof item.at === "number" && typeof item.kind === "string");
}

function isOrder(value: unknown): value is OperatorRequest {
  if (!isShape(value) || !isWord(value.by) || !isWord(value.comment)) return false;
  const { subject, to, card, force, on } = value;
  switch (value.verb) {
    case "switch":
      return isWord(subject) && (to === undefined || isCard(to));
    case "failback":
      return isWord(subject);
    case "drain":
      return isCard(card) && typeof force === "boolean";
    case "undrain":
      return isCard(card);
    case "maintenance":
      return isCard(card) && typeof on === "boolean" && typeof force === "boolean";
    case "lift-quarantine":
      return isWord(subject) || isCard(subject);
    case "assume-idle":
      return true;
    default:
      return false;
  }
}

function isCard(value: unknown): value is CardId {
  return typeof value === "number" && isCardId(value);
}
