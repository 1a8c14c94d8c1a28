/** What a change does to rows, for people: `+` makes, `~` changes, `-` removes. Pure. */
import { note, type Paint, printable, type Tone, widthOf } from "./text-layout.ts";

/** As the card says it; a row's columns by their names. */
export type Step = {
  readonly kind: "insert" | "update" | "remove";
  readonly table: string;
  readonly id: string;
  readonly before?: Readonly<Record<string, unknown>>;
  readonly after?: Readonly<Record<string, unknown>>;
};

const marks = { insert: "+", update: "~", remove: "-" } as const;
const tones: Readonly<Record<Step["kind"], Tone>> = { insert: "good", update: "warning", remove: "bad" };

/** The steps' lines, without an end of line. */
export function stepLines(steps: readonly Step[], width: number, paint: Paint): string[] {
  return steps.flatMap((step) => [
    `  ${paint(tones[step.kind], `${marks[step.kind]} ${printable(step.table)} ${printable(step.id)}`)}`,
    ...columnLines(step, width, paint),
  ]);
}

/** "1 to make, 2 to change, none to remove". */
export function stepCounts(steps: readonly Step[]): string {
  const count = (kind: Step["kind"]) => steps.filter((step) => step.kind === kind).length || "none";
  return `${count("insert")} to make, ${count("update")} to change, ${count("remove")} to remove`;
}

function columnLines({ kind, before = {}, after = {} }: Step, width: number, paint: Paint): string[] {
  if (kind === "remove") return [];
  const names = Object.keys({ ...before, ...after }).filter((name) => name !== "id" && (kind !== "insert" || !isNone(after[name])));
  const widest = Math.max(0, ...names.map(widthOf));
  return names.flatMap((name) => {
    const text = kind === "insert" ? shown(after[name]) : `${shown(before[name])} -> ${shown(after[name])}`;
    const [first = "", ...rest] = note(`${printable(name).padEnd(widest)}  ${text}`, width, 6);
    return [first.replace(name, () => paint("faint", name)), ...rest];
  });
}

function isNone(value: unknown): boolean {
  return value === null || value === undefined;
}

export function shown(value: unknown): string {
  return isNone(value) ? "none" : printable(JSON.stringify(value));
}
