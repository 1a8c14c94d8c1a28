/** An order that cannot be carried out, with what would be right: one line for people, a code for programs, and the exit code. */
export class Refused extends Error {
  readonly code: RefusalCode;

  constructor(code: RefusalCode, message: string) {
    super(message);
    this.name = "Refused";
    this.code = code;
  }
}

export type RefusalCode =
  /** The command line is wrong. */
  | "usage"
  /** No chassis of that name is up. */
  | "notUp"
  /** A chassis of that name is up already. */
  | "alreadyUp"
  /** The order does not fit the state that the card is in. */
  | "state"
  /** The machine does not allow it: permission, kernel, a missing program or build. */
  | "machine"
  /** Something took longer than it may. */
  | "timeout";

export function exitCodeOf(code: RefusalCode): number {
  if (code === "usage") return 2;
  return code === "notUp" ? 3 : 1;
}

/** " Did you mean X?" for the nearest of the known words, or nothing when none is near. */
export function didYouMean(word: string, known: readonly string[]): string {
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const candidate of known) {
    const distance = editDistance(word, candidate);
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best === undefined ? "" : ` Did you mean ${best}?`;
}

/** Insertions, deletions, replacements and swaps of neighbours between two words (optimal string alignment). */
export function editDistance(from: string, to: string): number {
  const rows: number[][] = [];
  for (let i = 0; i <= from.length; i++) {
    const row: number[] = [];
    for (let j = 0; j <= to.length; j++) {
      if (i === 0 || j === 0) {
        row.push(i + j);
        continue;
      }
      const same = from[i - 1] === to[j - 1];
      let least = Math.min((rows[i - 1]?.[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (rows[i - 1]?.[j - 1] ?? 0) + (same ? 0 : 1));
      if (i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1]) {
        least = Math.min(least, (rows[i - 2]?.[j - 2] ?? 0) + 1);
      }
      row.push(least);
    }
    rows.push(row);
  }
  return rows[from.length]?.[to.length] ?? 0;
}
