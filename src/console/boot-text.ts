/** How far a card is with its start, its checks, and what self-tests have found, as a page for people. Pure. */
import type { BootStatus, SelfTestStatus } from "../node/status.ts";
import type { PageOptions } from "./card-page.ts";
import { pageOf } from "./failover-text.ts";
import { fits, type Shape } from "./shape.ts";
import { type Cell, durationText, note, type Paint, paintOf, pairs, printable, table, type Tone } from "./text-layout.ts";

/** What of a card's status the page is made of. */
export type BootPage = { readonly boot: BootStatus; readonly selfTest: SelfTestStatus };

const stateTones: Readonly<Record<string, Tone>> = { ready: "good", hold: "bad" };
const resultTones: Readonly<Record<string, Tone>> = { passed: "good", failed: "bad" };

export function bootText({ boot, selfTest }: BootPage, options: PageOptions): string {
  const width = Math.max(20, options.columns);
  const paint = paintOf(options.color);
  return pageOf([
    headLines(boot, width, paint),
    checkLines(boot, width, paint),
    peerLines(boot, width, paint),
    selfTestLines(selfTest, width, paint),
  ]);
}

function headLines(
  { type, because, state, phase, waitsFor, hold, forMs, tookMs, lastRole }: BootStatus,
  width: number,
  paint: Paint,
): string[] {
  const at = state === "hold" ? `hold at ${phase}` : state;
  const entries: (readonly [string, string, Tone?])[] = [
    ["State", `${printable(at).toUpperCase()}, for ${durationText(forMs)}`, stateTones[state] ?? "warning"],
  ];
  if (hold !== undefined) {
    entries.push(["Because", `${printable(hold.code)}: ${printable(hold.reason)}`, "bad"], ["Fix", printable(hold.hint)]);
  }
  if (waitsFor !== undefined) entries.push(["Waits for", printable(waitsFor)]);
  if (type !== undefined) entries.push(["Type", `${printable(type)}${because === undefined ? "" : `: ${printable(because)}`}`]);
  if (tookMs !== undefined) entries.push(["Took", durationText(tookMs)]);
  entries.push(["Role before", printable(lastRole)]);
  return [paint("heading", "Start of this card"), ...pairs(entries, width, paint)];
}

function checkLines({ checks }: BootStatus, width: number, paint: Paint): string[] {
  if (checks.length === 0) return [];
  const rows = checks.map(({ check, result, critical, code, text, ms }): Cell[] => [
    { text: printable(check) },
    { text: printable(result), tone: resultTones[result] ?? "plain" },
    { text: ms === undefined ? "" : `${ms} ms` },
    { text: critical ? "yes" : "" },
    { text: [code, text].filter((part) => part !== undefined).map(printable).join(": ") },
  ]);
  return [paint("heading", "Checks"), ...table(["CHECK", "RESULT", "TOOK", "HOLDS THE CARD", "WHAT IT FOUND"], rows, width, paint)];
}

function peerLines({ peers }: BootStatus, width: number, paint: Paint): string[] {
  if (peers.length === 0) return [];
  const rows = peers.map(({ card, type, state, hold }): Cell[] => [
    { text: String(card) },
    { text: printable(state), tone: stateTones[state] ?? "warning" },
    { text: printable(type) },
    { text: printable(hold ?? "") },
  ]);
  return [paint("heading", "Other cards"), ...table(["CARD", "STATE", "TYPE", "HOLD"], rows, width, paint)];
}

function selfTestLines({ own, peers }: SelfTestStatus, width: number, paint: Paint): string[] {
  const failed = own.checks.filter(({ result }) => result === "failed").map(({ check, code, text }) =>
    `own check ${printable(check)} failed: ${printable(text ?? code ?? "no reason given")}`
  );
  if (peers.length === 0 && failed.length === 0) return [];
  const rows = peers.map(({ card, verdict, action, reason, failed: checks = [], forMs }): Cell[] => [
    { text: String(card) },
    { text: durationText(forMs) },
    { text: printable(verdict), tone: verdict === "healthy" ? "good" : "warning" },
    { text: printable(action) },
    { text: [reason, ...(checks.length === 0 ? [] : [`failed: ${checks.join(", ")}`])].map(printable).join("; ") },
  ]);
  return [
    paint("heading", "Self-tests"),
    ...failed.flatMap((text) => note(text, width)).map((line) => paint("bad", line)),
    ...(rows.length === 0 ? [] : table(["CARD", "FOR", "VERDICT", "ACTION", "WHY"], rows, width, paint)),
  ];
}

const shape: Shape = {
  boot: {
    "type?": "string",
    "because?": "string",
    state: "string",
    phase: "string",
    "waitsFor?": "string",
    "hold?": { code: "string", reason: "string", hint: "string" },
    forMs: "number",
    "tookMs?": "number",
    lastRole: "string",
    checks: [{ check: "string", result: "string", critical: "boolean", "code?": "string", "text?": "string", "ms?": "number" }],
    peers: [{ card: "number", type: "string", state: "string", "hold?": "string" }],
  },
  selfTest: {
    own: { state: "string", checks: [{ check: "string", result: "string", "code?": "string", "text?": "string" }] },
    peers: [{ card: "number", forMs: "number", verdict: "string", action: "string", reason: "string" }],
  },
};

/** Whether a card of whatever version said enough for the page. */
export function isBootPage(value: unknown): value is BootPage {
  return fits(value, shape);
}
