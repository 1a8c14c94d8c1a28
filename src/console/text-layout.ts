/** Text for terminals: widths, wrapping, tables and colours. Nothing is ever cut: what does not fit goes on in the next line. */

export type Tone = "plain" | "good" | "warning" | "bad" | "faint" | "heading";

const toneCodes: Readonly<Record<Tone, string>> = { plain: "", good: "32", warning: "33", bad: "31", faint: "2", heading: "1" };

/** Puts colours around text, or leaves it alone. */
export type Paint = (tone: Tone, text: string) => string;

export function paintOf(color: boolean): Paint {
  return (tone, text) => (color && tone !== "plain" && text !== "" ? `\u001b[${toneCodes[tone]}m${text}\u001b[0m` : text);
}

// deno-lint-ignore no-control-regex -- control characters are what it is for
const unprintable = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/gu;

/** Text that came over a network, made safe for a terminal: nothing in it moves the cursor or changes how others are read. */
export function printable(text: string): string {
  return text.replace(unprintable, "\ufffd");
}

const wide =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;
const combining = /\p{M}/u;

/** How many cells a terminal gives to text without control characters. */
export function widthOf(text: string): number {
  let width = 0;
  for (const letter of text) width += combining.test(letter) ? 0 : wide.test(letter) ? 2 : 1;
  return width;
}

function padded(text: string, width: number): string {
  return text + " ".repeat(Math.max(0, width - widthOf(text)));
}

/** The lines of `text`, broken at spaces; a word longer than a line is broken where the line ends. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ").flatMap((word) => pieces(word, Math.max(1, width)))) {
    if (line === "") line = word;
    else if (widthOf(line) + 1 + widthOf(word) <= width) line += ` ${word}`;
    else {
      lines.push(line);
      line = word;
    }
  }
  return [...lines, line];
}

function pieces(word: string, width: number): string[] {
  if (widthOf(word) <= width) return [word];
  const found = [""];
  for (const letter of word) {
    if (widthOf(found.at(-1) + letter) > width) found.push("");
    found[found.length - 1] += letter;
  }
  return found;
}

/** `text` wrapped behind `indent` spaces, further lines two more. */
export function note(text: string, width: number, indent = 2): string[] {
  return wrap(text, width - indent - 2).map((line, index) => " ".repeat(index === 0 ? indent : indent + 2) + line);
}

export type Cell = { readonly text: string; readonly tone?: Tone };

const gap = 2;
const lastColumnMin = 12;

/**
 * Rows under headings, two spaces in. The last column is wrapped into what the others leave; where they leave too
 * little, each row becomes a block of lines "heading: cell", without the empty cells.
 */
export function table(headings: readonly string[], rows: readonly (readonly Cell[])[], width: number, paint: Paint): string[] {
  const last = headings.length - 1;
  const widths = headings.map((heading, column) => Math.max(widthOf(heading), ...rows.map((row) => widthOf(row[column]?.text ?? ""))));
  const before = widths.slice(0, last).reduce((sum, cells) => sum + cells + gap, gap);
  const room = width - before;
  if (room < Math.min(widths[last] ?? 0, Math.max(lastColumnMin, widthOf(headings[last] ?? "")))) {
    return blocks(headings, rows, width, paint);
  }

  const lines = [
    " ".repeat(gap) +
    paint("faint", headings.map((heading, column) => (column === last ? heading : padded(heading, (widths[column] ?? 0) + gap))).join("")),
  ];
  for (const row of rows) {
    const cells = row.slice(0, last).map(({ text, tone = "plain" }, column) =>
      paint(tone, text) + " ".repeat((widths[column] ?? 0) - widthOf(text) + gap)
    );
    const { text, tone = "plain" } = row[last] as Cell;
    wrap(text, room).forEach((line, index) => {
      lines.push((index === 0 ? " ".repeat(gap) + cells.join("") : " ".repeat(before)) + paint(tone, line));
    });
  }
  return lines.map((line) => line.trimEnd());
}

function blocks(headings: readonly string[], rows: readonly (readonly Cell[])[], width: number, paint: Paint): string[] {
  return rows.flatMap((row) =>
    row.flatMap(({ text, tone = "plain" }, column) => {
      if (text === "") return [];
      const heading = `${(headings[column] ?? "").toLowerCase()}: `;
      const indent = column === 0 ? 2 : 4;
      const [first = "", ...more] = wrap(text, Math.max(1, width - indent - widthOf(heading)));
      return [
        " ".repeat(indent) + paint("faint", heading) + paint(tone, first),
        ...more.map((line) => " ".repeat(indent + widthOf(heading)) + paint(tone, line)),
      ];
    })
  );
}

/** Sections with an empty line between them, newline at the end; one without lines is left out. */
export function pageText(sections: readonly (readonly string[])[]): string {
  return `${sections.filter((lines) => lines.length > 0).map((lines) => lines.join("\n")).join("\n\n")}\n`;
}

/** Pairs of a label and a text, the texts under each other, wrapped; on a narrow terminal the text follows its label. */
export function pairs(entries: readonly (readonly [label: string, text: string, tone?: Tone])[], width: number, paint: Paint): string[] {
  const labels = Math.max(...entries.map(([label]) => widthOf(label))) + gap;
  const aligned = width >= labels + 2 + 24;
  return entries.flatMap(([label, text, tone = "plain"]) => {
    if (!aligned) return note(`${label}: ${text}`, width);
    return wrap(text, width - labels - 2).map((line, index) =>
      `  ${index === 0 ? paint("faint", padded(label, labels)) : " ".repeat(labels)}${paint(tone, line)}`
    );
  });
}

/** "tag 2, old incarnation 1": what was counted, without the zeros. */
export function countsText(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts).filter(([, count]) => count > 0)
    .map(([name, count]) => `${printable(name).replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)} ${count}`).join(", ");
}

/** "cards 1, 3, 5-8", "card 2", "no card". */
export function cardsText(cards: readonly number[]): string {
  if (cards.length === 0) return "no card";
  return `${cards.length === 1 ? "card" : "cards"} ${numbersText(cards)}`;
}

/** "1, 3, 5-8": ascending numbers, three or more in a row as a range. */
export function numbersText(numbers: readonly number[]): string {
  const runs: [number, number][] = [];
  for (const number of numbers) {
    const run = runs.at(-1);
    if (run !== undefined && number === run[1] + 1) run[1] = number;
    else runs.push([number, number]);
  }
  return runs.map(([from, to]) => from === to ? `${from}` : to === from + 1 ? `${from}, ${to}` : `${from}-${to}`).join(", ");
}

/** A duration in the two largest units that it has: "4.2 s", "12 min 3 s", "3 d 4 h". */
export function durationText(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 9_950) return `${(ms / 1_000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1_000);
  const units: readonly (readonly [number, string])[] = [[86_400, "d"], [3_600, "h"], [60, "min"], [1, "s"]];
  const first = units.findIndex(([size]) => seconds >= size);
  const [size, name] = units[first] as readonly [number, string];
  const rest = units[first + 1];
  const left = rest === undefined ? 0 : Math.floor((seconds % size) / rest[0]);
  return `${Math.floor(seconds / size)} ${name}${left === 0 ? "" : ` ${left} ${rest?.[1]}`}`;
}
