/**
 * The record of a failover: all that was seen, asked, answered, decided and done, with instants; made by folding events, one after the other. It
 * answers the three questions that follow each failover: why, how long, and what would have prevented it.
 *
 *     detected ─► characterized ─► shielded ─► fenced ─► granted ─► up ─► served ─► closed
 *         └────────────┴──────────────┴─► aborted: before there is a receipt it may turn out to be none
 *
 * An ordered move (drain, switch, failback) has no shield and no fence: it goes from characterized to granted.
 */
import type { CardId } from "../base/ids.ts";
import { failoverEventsMax } from "../limits.ts";
import type { Receipt } from "../cluster/view.ts";
import type { Verdict } from "./characterization.ts";
import type { ResourceId, ServiceId } from "./config.ts";
import { durationText } from "./eligibility.ts";
import type { HookOutcome } from "./resource.ts";

export type FailoverPhase = "detected" | "characterized" | "shielded" | "fenced" | "granted" | "up" | "served" | "closed" | "aborted";

export const failoverTransitions: Readonly<Record<FailoverPhase, readonly FailoverPhase[]>> = {
  detected: ["characterized", "aborted"],
  characterized: ["shielded", "fenced", "granted", "aborted"],
  shielded: ["fenced", "aborted"],
  fenced: ["granted", "closed"],
  granted: ["granted", "up", "closed"],
  up: ["granted", "served", "closed"],
  served: ["granted", "closed"],
  closed: [],
  aborted: [],
};

/** What the failover is about. */
export type FailoverSubject =
  | { readonly kind: "card"; readonly card: CardId }
  | { readonly kind: "service"; readonly service: ServiceId; readonly card: CardId }
  /** A move that nothing failed for: an operator's verb or a rule of the assignment, and who or what wants it. */
  | { readonly kind: "order"; readonly rule: string; readonly reason: string };

export type FailoverEvent =
  & { readonly at: number }
  & (
    /** What a card saw: on a link, of the power, through its monitor. */
    | {
      readonly kind: "evidence";
      readonly by: CardId;
      readonly source: "serial" | "ether" | "power" | "monitor" | "health" | "operator" | "view";
      readonly text: string;
    }
    | { readonly kind: "selfTestSent"; readonly by: CardId; readonly over: "serial" | "ether" | CardId }
    | { readonly kind: "selfTestAnswered"; readonly by: CardId; readonly over: "serial" | "ether" | CardId; readonly answer: string }
    /** What a third card says of it. */
    | { readonly kind: "vote"; readonly by: CardId; readonly text: string }
    | {
      readonly kind: "characterized";
      readonly verdict: Verdict | "service failure" | "ordered";
      readonly rule: string;
      readonly text: string;
    }
    | { readonly kind: "shielded"; readonly by: CardId }
    | { readonly kind: "killSent"; readonly by: CardId; readonly way: "reset line" | "hook" | "lease" }
    | { readonly kind: "receipt"; readonly receipt: Receipt | "lease"; readonly by: CardId }
    | {
      readonly kind: "granted";
      readonly service: ServiceId;
      readonly from: CardId | undefined;
      readonly to: CardId;
      readonly epoch: number;
    }
    | {
      readonly kind: "hookStarted";
      readonly hook: "start" | "stop";
      readonly resource: ResourceId;
      readonly service: ServiceId;
      readonly card: CardId;
    }
    | {
      readonly kind: "hookEnded";
      readonly hook: "start" | "stop";
      readonly resource: ResourceId;
      readonly outcome: HookOutcome;
      readonly reason: string;
    }
    | { readonly kind: "running"; readonly service: ServiceId; readonly card: CardId }
    /** The first answer to a client, where the edge sees it. */
    | { readonly kind: "firstReply"; readonly service: ServiceId }
    | { readonly kind: "closed"; readonly text: string }
    | { readonly kind: "aborted"; readonly text: string }
  );

export type FailoverRecord = {
  /** Grows with each record of the system. */
  readonly id: number;
  readonly subject: FailoverSubject;
  /** The view in which it began. */
  readonly view: number;
  readonly startedAt: number;
  readonly phase: FailoverPhase;
  /** When each phase was entered first. */
  readonly entered: Readonly<Partial<Record<FailoverPhase, number>>>;
  readonly verdict: Extract<FailoverEvent, { readonly kind: "characterized" }> | undefined;
  readonly receipt: Extract<FailoverEvent, { readonly kind: "receipt" }> | undefined;
  readonly events: readonly FailoverEvent[];
  /** Events that did not fit any more. */
  readonly dropped: number;
};

export function openRecord(id: number, subject: FailoverSubject, view: number, at: number): FailoverRecord {
  return {
    id,
    subject,
    view,
    startedAt: at,
    phase: "detected",
    entered: { detected: at },
    verdict: undefined,
    receipt: undefined,
    events: [],
    dropped: 0,
  };
}

/** The phase that an event leads to, where it leads to one. */
function phaseAfter(record: FailoverRecord, event: FailoverEvent): FailoverPhase | undefined {
  switch (event.kind) {
    case "characterized":
    case "shielded":
    case "granted":
    case "closed":
    case "aborted":
      return event.kind;
    case "receipt":
      return "fenced";
    case "running":
      return isAllRunning(record, event) ? "up" : undefined;
    case "firstReply":
      return "served";
    default:
      return undefined;
  }
}

function isAllRunning({ events }: FailoverRecord, last: FailoverEvent): boolean {
  const granted = new Set<ServiceId>();
  for (const event of [...events, last]) {
    if (event.kind === "granted") granted.add(event.service);
    else if (event.kind === "running") granted.delete(event.service);
  }
  return granted.size === 0;
}

/** The record with one event more. What comes when its phase is over is kept as an event and changes no phase. */
export function addEvent(record: FailoverRecord, event: FailoverEvent): FailoverRecord {
  if (record.phase === "closed" || record.phase === "aborted") return record;
  const phase = phaseAfter(record, event);
  const isEntered = phase !== undefined && failoverTransitions[record.phase].includes(phase);
  // What was seen first is where it began, however late it was told.
  const startedAt = Math.min(record.startedAt, event.at);
  const isOpenToJudge = record.phase === "detected" || record.phase === "characterized";
  const hasRoom = record.events.length < failoverEventsMax;
  return {
    ...record,
    phase: isEntered ? phase : record.phase,
    startedAt,
    entered: { ...record.entered, detected: startedAt, ...(isEntered && record.entered[phase] === undefined ? { [phase]: event.at } : {}) },
    // What it was taken for when it was taken over from stays; what is found later is among the events.
    verdict: event.kind === "characterized" && (record.verdict === undefined || isOpenToJudge) ? event : record.verdict,
    receipt: event.kind === "receipt" && record.receipt === undefined ? event : record.receipt,
    events: hasRoom ? [...record.events, event] : record.events,
    dropped: record.dropped + (hasRoom ? 0 : 1),
  };
}

/** Milliseconds from each phase to the next one that was entered. */
export function phaseTimes({ entered, startedAt }: FailoverRecord): { readonly phase: FailoverPhase; readonly ms: number }[] {
  const order = Object.keys(failoverTransitions) as FailoverPhase[];
  const times: { phase: FailoverPhase; ms: number }[] = [];
  let from = startedAt;
  for (const phase of order) {
    const at = entered[phase];
    if (at === undefined || phase === "detected") continue;
    times.push({ phase, ms: Math.max(0, at - from) });
    from = Math.max(from, at);
  }
  return times;
}

/** What a finished failover's record has to have; what is missing, in words. */
export function missingOf(record: FailoverRecord): string[] {
  const { phase, verdict, receipt, events, subject } = record;
  if (phase === "aborted") return [];
  const missing: string[] = [];
  if (!events.some(({ kind }) => kind === "evidence") && subject.kind !== "order") missing.push("evidence");
  if (verdict === undefined) missing.push("a verdict");
  const takesOver = subject.kind === "card" && events.some((event) => event.kind === "granted" && event.from === subject.card);
  const released = events.some((event) =>
    event.kind === "hookEnded" && event.hook === "stop" && (event.outcome === "done" || event.outcome === "notRunning")
  );
  if (takesOver && receipt === undefined && !released) missing.push("a receipt");
  return missing;
}

/** "service web on card 1". */
export const subjectText = (subject: FailoverSubject): string => {
  switch (subject.kind) {
    case "card":
      return `card ${subject.card}`;
    case "service":
      return `service ${subject.service} on card ${subject.card}`;
    case "order":
      return `${subject.rule}: ${subject.reason}`;
  }
};

type Hook = {
  readonly hook: string;
  readonly resource: ResourceId;
  readonly ms: number;
  readonly outcome: HookOutcome;
  readonly reason: string;
};

/** How long each hook took, in the order of their ends. */
export function hooksOf({ events }: FailoverRecord): Hook[] {
  const started = new Map<string, number>();
  const hooks: Hook[] = [];
  for (const event of events) {
    if (event.kind === "hookStarted") started.set(`${event.hook} ${event.resource}`, event.at);
    if (event.kind !== "hookEnded") continue;
    const { hook, resource, outcome, reason, at } = event;
    hooks.push({ hook, resource, outcome, reason, ms: at - (started.get(`${hook} ${resource}`) ?? at) });
  }
  return hooks;
}

/** What would have prevented it, or made it shorter: the most useful first. */
export function preventionOf(record: FailoverRecord): string[] {
  const { verdict, receipt, events, subject } = record;
  const texts: string[] = [];
  const hooks = hooksOf(record);
  switch (verdict?.verdict) {
    case "peer's public port":
    case "own public port":
      texts.push("A second port in the card's port group would have carried on.");
      break;
    case "undecidable":
      texts.push("A third card, or a witness, would have told a dead card from two cut links.");
      break;
    case "sick member":
      texts.push("What the self-test names should be mended before the card gets its role back.");
      break;
    case "service failure":
      texts.push("The reason that the service gave, and its own log, are the place to look.");
      break;
    case "member failure":
      if (receipt?.receipt === "power") {
        texts.push("The slot lost its power or its card: a second supply, or `set drain` before a card is pulled.");
      }
      break;
    default:
  }
  const failedStop = hooks.find(({ hook, outcome }) => hook === "stop" && outcome !== "done" && outcome !== "notRunning");
  if (failedStop !== undefined) {
    texts.push(
      `${failedStop.resource} did not stop in ${failedStop.ms} ms (${failedStop.outcome}), so its card was fenced: give it more time or mend its stop.`,
    );
  }
  if (receipt?.receipt === "lease") {
    const sent = events.find(({ kind }) => kind === "killSent")?.at ?? record.startedAt;
    texts.push(
      `The receipt was the end of a lease, ${durationText(receipt.at - sent)}: a working reset line or fence hook takes milliseconds.`,
    );
  }
  const failedStart = hooks.filter(({ hook, outcome }) => hook === "start" && outcome !== "done");
  for (const { resource, outcome, reason } of failedStart) {
    texts.push(`${resource} did not start (${outcome}: ${reason}): try it there with a drill.`);
  }
  const slowest = hooks.filter(({ hook }) => hook === "start").sort((a, b) => b.ms - a.ms)[0];
  const totalMs = totalOf(record);
  if (slowest !== undefined && totalMs !== undefined && slowest.ms * 2 > totalMs) {
    texts.push(`The start of ${slowest.resource} took ${slowest.ms} of ${totalMs} ms: to be faster, it is what to look at.`);
  }
  if (texts.length === 0) texts.push(subject.kind === "order" ? "Nothing: it was ordered." : "Nothing that this record knows of.");
  return texts;
}

/** Milliseconds until what it moved ran again, or answered; undefined while it does not. */
export function totalOf({ entered, startedAt }: FailoverRecord): number | undefined {
  const end = entered.served ?? entered.up;
  return end === undefined ? undefined : end - startedAt;
}

/** The record as people read it. */
export function explain(record: FailoverRecord): string[] {
  const { id, subject, view, phase, verdict, events, dropped, startedAt } = record;
  const totalMs = totalOf(record);
  const total = totalMs === undefined ? "" : `, ${totalMs} ms until it ${record.entered.served === undefined ? "ran" : "answered"} again`;
  const lines = [`failover ${id}: ${subjectText(subject)}, in view ${view}: ${phase}${total}`];
  if (verdict !== undefined) lines.push(`  verdict: ${verdict.verdict}: ${verdict.text}`, `  rule: ${verdict.rule}`);
  for (const event of events) lines.push(`  ${`+${event.at - startedAt}`.padStart(7)} ms  ${eventText(event)}`);
  if (dropped > 0) lines.push(`  ${dropped} events more were not kept`);
  const times = phaseTimes(record);
  if (times.length > 0) lines.push(`  time: ${times.map((time) => `${time.phase} ${time.ms} ms`).join(", ")}`);
  for (const missing of missingOf(record)) lines.push(`  missing: ${missing}`);
  if (phase !== "aborted") { for (const text of preventionOf(record)) lines.push(`  what would have helped: ${text}`); }
  return lines;
}

/** An event as people read it. */
export function eventText(event: FailoverEvent): string {
  const wayOf = (over: "serial" | "ether" | CardId) =>
    typeof over === "number" ? `through card ${over}` : `over ${over === "ether" ? "Ethernet" : "serial"}`;
  switch (event.kind) {
    case "evidence":
      return `card ${event.by} (${event.source}): ${event.text}`;
    case "selfTestSent":
      return `card ${event.by} sends a self-test ${wayOf(event.over)}`;
    case "selfTestAnswered":
      return `self-test of card ${event.by} ${wayOf(event.over)}: ${event.answer}`;
    case "vote":
      return `card ${event.by} says: ${event.text}`;
    case "characterized":
      return `verdict: ${event.verdict}`;
    case "shielded":
      return `card ${event.by} raises its shield`;
    case "killSent":
      return `card ${event.by} fences it by ${event.way}`;
    case "receipt":
      return `receipt: ${event.receipt}, known by card ${event.by}`;
    case "granted":
      return `${event.service} granted to card ${event.to}${
        event.from === undefined ? "" : ` after card ${event.from}`
      }, epoch ${event.epoch}`;
    case "hookStarted":
      return `card ${event.card}: ${event.hook} ${event.resource}`;
    case "hookEnded":
      return `${event.hook} ${event.resource}: ${event.outcome}${event.reason === "" ? "" : ` (${event.reason})`}`;
    case "running":
      return `${event.service} runs on card ${event.card}`;
    case "firstReply":
      return `${event.service} answers its first client`;
    case "closed":
    case "aborted":
      return `${event.kind}: ${event.text}`;
  }
}
