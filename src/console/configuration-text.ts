/** The state of a card's configuration as a page, and as lines of the status page. Pure. */
import type { ConfigurationStatus } from "../config/request.ts";
import { cardName } from "../base/ids.ts";
import { instantText } from "./history-text.ts";
import { fits, type Shape } from "./shape.ts";
import { countsText, durationText, note, type Paint, paintOf, pairs, printable, table, type Tone } from "./text-layout.ts";

export const configurationTones: Readonly<Record<ConfigurationStatus["state"], Tone>> = {
  opening: "faint",
  joining: "warning",
  "catching-up": "warning",
  current: "good",
  stale: "warning",
  hold: "bad",
};

const meanings: Readonly<Record<ConfigurationStatus["state"], string>> = {
  opening: "the database is being opened",
  joining: "the other cards are being asked",
  "catching-up": "what was missed is being fetched",
  current: "every acknowledged change is here",
  stale: "readable, but changes are refused and may have been missed",
  hold: "the database cannot be used",
};

export function configurationText(status: ConfigurationStatus, options: { readonly columns: number; readonly color: boolean }): string {
  const width = Math.max(20, options.columns);
  const paint = paintOf(options.color);
  return `${configurationLines(status, width, paint).join("\n")}\n`;
}

export function configurationLines(status: ConfigurationStatus, width: number, paint: Paint): string[] {
  const { state, head, level, levelMax, replicas, ageMs, progress, branches, pending, load } = status;
  const reason = status.reason ?? meanings[state] ?? "";
  const counted = countsText(status.counters);
  return [
    paint("heading", "Configuration"),
    ...pairs(
      [
        [
          "State",
          `${printable(state)}${status.code === undefined ? "" : ` (${printable(status.code)})`}: ${printable(reason)}`,
          configurationTones[state] ?? "plain",
        ],
        ...(progress === undefined ? [] : [["Progress", progressText(progress)] as const]),
        ...(state === "current" ? [] : [["Age", `last known to be the system's ${durationText(ageMs)} ago`] as const]),
        [
          "Head",
          head.sequence === 0 ? "no changes yet" : `change ${head.sequence} ${printable(head.hash).slice(0, 8)}, epoch ${head.epoch}`,
        ],
        ["Level", level === levelMax ? `${level}` : `${level}; this card's software has ${levelMax}`],
        ["Replicas", replicas.length === 0 ? "none" : replicas.map(cardName).join(", ")],
        ["Under way", pending === 0 ? "nothing" : `${pending} changes of this card's callers`],
        ["Load", `${load.served} served, ${load.servedForOthers} served for other cards, ${load.forwarded} forwarded`],
        ...(counted === "" ? [] : [["Counted", counted] as const]),
      ],
      width,
      paint,
    ),
    ...branchLines(branches, width, paint),
  ];
}

export function branchLines(branches: ConfigurationStatus["branches"], width: number, paint: Paint): string[] {
  if (branches.length === 0) return [];
  const rows = branches.map(({ id, setAsideAt, changes, since }) => [
    { text: printable(id), tone: "warning" as const },
    { text: String(changes) },
    { text: `change ${since}` },
    { text: instantText(setAsideAt) },
  ]);
  return [
    ...table(["BRANCH", "CHANGES", "SINCE", "SET ASIDE"], rows, width, paint),
    ...note("a branch holds what this card had and the others had not: `cardinal config diff BRANCH` compares it", width),
  ];
}

/** "12 of 340 changes from card 1/1 (3 %)". */
export function progressText({ what, done, of, from }: NonNullable<ConfigurationStatus["progress"]>): string {
  const share = of === 0 ? 0 : Math.floor((100 * done) / of);
  const amount = what === "snapshot" ? `${mebibytes(done)} of ${mebibytes(of)} MiB of a snapshot` : `${done} of ${of} changes`;
  return `${amount} from card ${cardName(from)} (${share} %)`;
}

function mebibytes(bytes: number): string {
  return (bytes / 1_048_576).toFixed(1);
}

const shape: Shape = {
  state: "string",
  head: { sequence: "number", epoch: "number", hash: "string" },
  level: "number",
  levelMax: "number",
  replicas: ["number"],
  ageMs: "number",
  branches: [{ id: "string", setAsideAt: "number", changes: "number", since: "number" }],
  pending: "number",
  load: { served: "number", servedForOthers: "number", forwarded: "number" },
  counters: {},
};

export function isConfigurationStatus(value: unknown): value is ConfigurationStatus {
  return fits(value, shape);
}
