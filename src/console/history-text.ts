/** The history of the configuration, newest first. Pure. */
import { cardName } from "../base/ids.ts";
import type { HistoryEntry } from "../config/read-answer.ts";
import { shown, type Step, stepLines } from "./plan-text.ts";
import { note, type Paint, printable } from "./text-layout.ts";

/** As the card says it. */
export type HistoryChange = Omit<HistoryEntry, "rows"> & { readonly rows?: readonly Step[] };

/** One change, without an end of line. */
export function changeLines(change: HistoryChange, width: number, paint: Paint): string[] {
  const { sequence, hash, author, comment, card, time, kind, rows } = change;
  const head = `change ${sequence}  ${hash.slice(0, 8)}`;
  const place = `card ${cardName(card)}`;
  const about = `${instantText(time)}  ${author === place ? place : `${printable(author)}, on ${place}`}`;
  return [
    paint("heading", head),
    ...note(about, width),
    ...(kind === "migrate" ? note("raises the level of the tables", width) : []),
    ...(comment === "" ? [] : printable(comment).split("\n").flatMap((line) => note(line, width, 4))),
    ...(rows === undefined ? [] : stepLines(rows, width, paint)),
  ];
}

/** "2026-03-01 10:11:12 UTC" of milliseconds since 1970. */
export function instantText(ms: number): string {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? shown(ms) : date.toISOString().replace("T", " ").replace(/\.\d+Z$/, " UTC");
}
