/** Failovers as a list, and one of them explained, as pages for people. Pure. */
import type { GrantView, RecordSummary, RecordView } from "../failover/record-view.ts";
import type { PageOptions } from "./card-page.ts";
import { pageOf } from "./failover-text.ts";
import { fits, type Shape } from "./shape.ts";
import { type Cell, durationText, note, type Paint, paintOf, pairs, printable, table, type Tone } from "./text-layout.ts";

export type Failovers = { readonly failovers: readonly RecordSummary[]; readonly next?: number };

const phaseTones: Readonly<Record<string, Tone>> = { closed: "good", served: "good", up: "good", aborted: "faint" };

export function failoversText({ failovers, next }: Failovers, options: PageOptions): string {
  const width = Math.max(20, options.columns);
  const paint = paintOf(options.color);
  if (failovers.length === 0) return "nothing has failed over or was moved since the cards know of each other\n";
  const rows = failovers.map((record): Cell[] => [
    { text: String(record.id) },
    { text: durationText(record.agoMs) },
    { text: printable(record.phase), tone: phaseTones[record.phase] ?? "warning" },
    { text: record.totalMs === undefined ? "" : `${record.totalMs} ms` },
    { text: printable(record.verdict ?? "") },
    { text: [printable(record.text), ...movesText(record.moves)].join("; ") },
  ]);
  return pageOf([
    table(["ID", "AGO", "PHASE", "TOOK", "VERDICT", "WHAT"], rows, width, paint),
    next === undefined ? [] : note("there are older ones: --limit N shows more", width, 0),
  ]);
}

/** "sql, data: card 1 -> card 2": those that went the same way together. */
function movesText(moves: readonly GrantView[]): string[] {
  const ways = new Map<string, string[]>();
  for (const { service, from, to } of moves) {
    const way = from === undefined ? `to card ${to}` : `card ${from} -> card ${to}`;
    const services = ways.get(way);
    if (services === undefined) ways.set(way, [printable(service)]);
    else if (!services.includes(printable(service))) services.push(printable(service));
  }
  return [...ways].map(([way, services]) => `${services.join(", ")}: ${way}`);
}

export function failoverText(record: RecordView, options: PageOptions): string {
  const width = Math.max(20, options.columns);
  const paint = paintOf(options.color);
  const { id, text, phase, totalMs, timeline, dropped, prevention } = record;
  const ran = totalMs === undefined
    ? ""
    : `, ${totalMs} ms until it ${record.phases.some((entered) => entered.phase === "served") ? "answered" : "ran"} again`;
  const stamps = timeline.map(({ atMs }) => `${atMs >= 0 ? "+" : ""}${atMs} ms`);
  const stampWidth = Math.max(0, ...stamps.map(({ length }) => length));
  return pageOf([
    [paint("heading", `Failover ${id}: ${printable(text)}, ${printable(phase)}${ran}`), ...headLines(record, width, paint)],
    phaseLines(record, width, paint),
    timeline.length === 0 ? [] : [
      paint("heading", "Timeline"),
      ...timeline.flatMap((event, index) =>
        note(printable(event.text), width, stampWidth + 4).map((line, at) =>
          at === 0 ? `  ${paint("faint", (stamps[index] ?? "").padStart(stampWidth))}  ${line.trimStart()}` : line
        )
      ),
      ...(dropped === 0 ? [] : note(`${dropped} events more were not kept`, width)),
    ],
    resourceLines(record, width, paint),
    prevention.length === 0 ? [] : [
      paint("heading", "What would have prevented it, or made it shorter"),
      ...prevention.flatMap((hint) => note(printable(hint), width)),
    ],
  ]);
}

function headLines(record: RecordView, width: number, paint: Paint): string[] {
  const { agoMs, view, verdict, why, rule, receipt, moves, missing } = record;
  const entries: (readonly [string, string, Tone?])[] = [["Began", `${durationText(agoMs)} ago, in view ${view}`]];
  if (verdict !== undefined) entries.push(["Verdict", `${printable(verdict)}: ${printable(why ?? "")}`]);
  if (rule !== undefined) entries.push(["Rule", printable(rule)]);
  if (receipt !== undefined) {
    entries.push(["Receipt", `${printable(receipt.receipt)}, known by card ${receipt.by} after ${receipt.atMs} ms`]);
  }
  for (const text of movesText(moves)) entries.push(["Moved", text]);
  if (missing.length > 0) entries.push(["Missing", missing.map(printable).join(", "), "warning"]);
  return pairs(entries, width, paint);
}

/** The longest bar, in letters. */
const barMax = 30;

function phaseLines({ phases }: RecordView, width: number, paint: Paint): string[] {
  // What comes after it serves again costs nobody anything.
  const counted = phases.filter(({ phase }) => phase !== "closed" && phase !== "aborted");
  if (counted.length === 0) return [];
  const sum = counted.reduce((total, { ms }) => total + ms, 0);
  const rows = counted.map(({ phase, atMs, ms }): Cell[] => [
    { text: printable(phase) },
    { text: `+${atMs} ms` },
    { text: `${ms} ms` },
    { text: sum === 0 ? "" : `${Math.round((100 * ms) / sum)} %` },
    { text: sum === 0 ? "" : "#".repeat(Math.round((barMax * ms) / sum)) },
  ]);
  return [paint("heading", "Phases"), ...table(["PHASE", "AT", "TOOK", "SHARE", ""], rows, width, paint)];
}

function resourceLines({ resources }: RecordView, width: number, paint: Paint): string[] {
  if (resources.length === 0) return [];
  const rows = resources.map(({ atMs, hook, resource, service, card, ms, outcome, reason }): Cell[] => [
    { text: `${atMs >= 0 ? "+" : ""}${atMs} ms` },
    { text: ms === undefined ? "" : `${ms} ms` },
    { text: String(card) },
    { text: hook },
    { text: printable(resource) },
    { text: printable(service) },
    {
      text: outcome === undefined ? "under way" : reason === undefined ? printable(outcome) : `${printable(outcome)}: ${printable(reason)}`,
      tone: outcome === undefined || outcome === "done" || outcome === "notRunning" ? "plain" : "bad",
    },
  ]);
  return [paint("heading", "Resources"), ...table(["AT", "TOOK", "CARD", "HOOK", "RESOURCE", "SERVICE", "RESULT"], rows, width, paint)];
}

const summaryShape: Shape = {
  id: "number",
  text: "string",
  phase: "string",
  view: "number",
  agoMs: "number",
  "totalMs?": "number",
  "verdict?": "string",
  "rule?": "string",
  "why?": "string",
  moves: [{ service: "string", "from?": "number", to: "number" }],
};

export function isFailovers(value: unknown): value is Failovers {
  return fits(value, { failovers: [summaryShape] });
}

const recordShape: Shape = {
  ...summaryShape,
  phases: [{ phase: "string", atMs: "number", ms: "number" }],
  "receipt?": { receipt: "string", by: "number", atMs: "number" },
  resources: [{
    atMs: "number",
    hook: "string",
    resource: "string",
    service: "string",
    card: "number",
    "ms?": "number",
    "outcome?": "string",
    "reason?": "string",
  }],
  timeline: [{ atMs: "number", text: "string" }],
  dropped: "number",
};

/** Whether a card of whatever version said enough for the page. */
export function isFailover(value: unknown): value is RecordView {
  if (!fits(value, recordShape)) return false;
  const { missing, prevention } = value as { readonly missing?: unknown; readonly prevention?: unknown };
  return [missing, prevention].every((texts) => Array.isArray(texts) && texts.every((text) => typeof text === "string"));
}
