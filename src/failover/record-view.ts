/**
 * The record of a failover in the form in which programs and people get it: what was seen, asked, answered, decided and done sorted by what it is,
 * besides the timeline that has it all. Instants count from the record's beginning. Pure.
 */
import type { CardId } from "../base/ids.ts";
import type { ResourceId, ServiceId } from "./config.ts";
import {
  eventText,
  type FailoverEvent,
  type FailoverPhase,
  type FailoverRecord,
  type FailoverSubject,
  missingOf,
  phaseTimes,
  preventionOf,
  subjectText,
  totalOf,
} from "./failover-record.ts";
import type { FailoverStatus } from "./service-types.ts";

type EventOf<Kind extends FailoverEvent["kind"]> = Extract<FailoverEvent, { readonly kind: Kind }>;

export type GrantView = {
  readonly atMs: number;
  readonly service: ServiceId;
  readonly from?: CardId;
  readonly to: CardId;
  readonly epoch: number;
};

export type RecordSummary = {
  readonly id: number;
  readonly subject: FailoverSubject;
  /** The subject in words. */
  readonly text: string;
  readonly view: number;
  readonly phase: FailoverPhase;
  readonly agoMs: number;
  /** Until all that it moved ran again, or the first client was answered. */
  readonly totalMs?: number;
  readonly verdict?: string;
  /** The rule that fired, and what it said. */
  readonly rule?: string;
  readonly why?: string;
  readonly receipt?: string;
  readonly moves: readonly GrantView[];
};

/** What carried a question: one of the two links, or a card that passed it on. */
export type WayView = "serial" | "ether" | `card ${number}`;

export type RecordView = Omit<RecordSummary, "receipt"> & {
  readonly phases: readonly { readonly phase: FailoverPhase; readonly atMs: number; readonly ms: number }[];
  readonly evidence: readonly {
    readonly atMs: number;
    readonly by: CardId;
    readonly source: EventOf<"evidence">["source"];
    readonly text: string;
  }[];
  readonly selfTests: readonly {
    readonly atMs: number;
    readonly by: CardId;
    readonly over: WayView;
    readonly answer?: string;
    /** From the question to the answer. */
    readonly ms?: number;
  }[];
  readonly votes: readonly { readonly atMs: number; readonly by: CardId; readonly text: string }[];
  readonly fencing: readonly { readonly atMs: number; readonly by: CardId; readonly way: EventOf<"killSent">["way"] | "shield" }[];
  readonly receipt?: { readonly atMs: number; readonly by: CardId; readonly receipt: string };
  readonly resources: readonly {
    readonly atMs: number;
    readonly hook: "start" | "stop";
    readonly resource: ResourceId;
    readonly service: ServiceId;
    readonly card: CardId;
    readonly ms?: number;
    readonly outcome?: string;
    readonly reason?: string;
  }[];
  readonly timeline: readonly { readonly atMs: number; readonly kind: FailoverEvent["kind"]; readonly text: string }[];
  /** Events that did not fit any more. */
  readonly dropped: number;
  /** What a finished record of its kind has, and this one has not. */
  readonly missing: readonly string[];
  readonly prevention: readonly string[];
};

/** The newest first, those before `before`; at most `limit`. */
export function recordsView(
  { records, now }: FailoverStatus,
  { before = Infinity, limit }: { readonly before?: number; readonly limit: number },
): { readonly failovers: readonly RecordSummary[]; readonly next?: number } {
  const older = records.filter(({ id }) => id < before).sort((a, b) => b.id - a.id);
  const page = older.slice(0, limit);
  const last = page.at(-1);
  return {
    failovers: page.map((record) => recordSummary(record, now)),
    ...(older.length > limit && last !== undefined ? { next: last.id } : {}),
  };
}

export function recordSummary(record: FailoverRecord, now: number): RecordSummary {
  const { id, subject, view, phase, startedAt, verdict, receipt, events } = record;
  const totalMs = totalOf(record);
  return {
    id,
    subject,
    text: subjectText(subject),
    view,
    phase,
    agoMs: Math.max(0, Math.round(now - startedAt)),
    ...(totalMs === undefined ? {} : { totalMs: Math.round(totalMs) }),
    ...(verdict === undefined ? {} : { verdict: verdict.verdict, rule: verdict.rule, why: verdict.text }),
    ...(receipt === undefined ? {} : { receipt: receipt.receipt }),
    moves: events.filter((event) => event.kind === "granted").map(({ at, service, from, to, epoch }) => ({
      atMs: Math.round(at - startedAt),
      service,
      ...(from === undefined ? {} : { from }),
      to,
      epoch,
    })),
  };
}

export function recordView(record: FailoverRecord, now: number): RecordView {
  const { startedAt, events, entered, dropped } = record;
  const { receipt: _receipt, ...summary } = recordSummary(record, now);
  const since = (at: number) => Math.round(at - startedAt);
  const of = <Kind extends FailoverEvent["kind"]>(kind: Kind) => events.filter((event): event is EventOf<Kind> => event.kind === kind);
  const fencing = [
    ...of("shielded").map(({ at, by }) => ({ atMs: since(at), by, way: "shield" as const })),
    ...of("killSent").map(({ at, by, way }) => ({ atMs: since(at), by, way })),
  ];
  const [receipt] = of("receipt");
  return {
    ...summary,
    phases: phaseTimes(record).map(({ phase, ms }) => ({ phase, atMs: since(entered[phase] ?? startedAt), ms: Math.round(ms) })),
    evidence: of("evidence").map(({ at, by, source, text }) => ({ atMs: since(at), by, source, text })),
    selfTests: selfTestsOf(record),
    votes: of("vote").map(({ at, by, text }) => ({ atMs: since(at), by, text })),
    fencing: fencing.sort((a, b) => a.atMs - b.atMs),
    ...(receipt === undefined ? {} : { receipt: { atMs: since(receipt.at), by: receipt.by, receipt: receipt.receipt } }),
    resources: resourcesOf(record),
    // A card tells of a hook once it has ended, so its start comes late into the record.
    timeline: events.map((event) => ({ atMs: since(event.at), kind: event.kind, text: eventText(event) })).sort((a, b) => a.atMs - b.atMs),
    dropped,
    missing: missingOf(record),
    prevention: record.phase === "aborted" ? [] : preventionOf(record),
  };
}

function wayOf(over: "serial" | "ether" | CardId): WayView {
  return typeof over === "number" ? `card ${over}` : over;
}

/** Each question with its answer: the first one after it of the same card on the same way. */
function selfTestsOf({ events, startedAt }: FailoverRecord): RecordView["selfTests"] {
  const tests: { atMs: number; by: CardId; over: WayView; answer?: string; ms?: number }[] = [];
  for (const event of events) {
    if (event.kind !== "selfTestSent" && event.kind !== "selfTestAnswered") continue;
    const { by, at } = event;
    const [atMs, over] = [Math.round(at - startedAt), wayOf(event.over)];
    if (event.kind === "selfTestSent") {
      tests.push({ atMs, by, over });
      continue;
    }
    const open = tests.find((test) => test.by === by && test.over === over && test.answer === undefined);
    if (open === undefined) tests.push({ atMs, by, over, answer: event.answer });
    else Object.assign(open, { answer: event.answer, ms: atMs - open.atMs });
  }
  return tests;
}

/** What was started and stopped, each with its end where it has come to one. */
function resourcesOf({ events, startedAt }: FailoverRecord): RecordView["resources"] {
  type Hook = { -readonly [Key in keyof RecordView["resources"][number]]: RecordView["resources"][number][Key] };
  const hooks: Hook[] = [];
  for (const event of events) {
    if (event.kind === "hookStarted") {
      const { at, hook, resource, service, card } = event;
      hooks.push({ atMs: Math.round(at - startedAt), hook, resource, service, card });
    } else if (event.kind === "hookEnded") {
      const { at, hook, resource, outcome, reason } = event;
      const open = hooks.findLast((each) => each.hook === hook && each.resource === resource && each.outcome === undefined);
      if (open !== undefined) {
        Object.assign(open, { ms: Math.round(at - startedAt) - open.atMs, outcome, ...(reason === "" ? {} : { reason }) });
      }
    }
  }
  return hooks.sort((a, b) => a.atMs - b.atMs);
}
