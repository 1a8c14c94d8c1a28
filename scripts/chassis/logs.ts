/**
 * The logs of a chassis. A card writes to its file by itself, so it goes on when the daemon is gone and is never
 * held up by it; the daemon only keeps the file within its bound, by moving what is in it to `log.1` when it is large.
 * A line that is written in that very moment can be lost.
 */
import { appendFileSync, copyFileSync, existsSync, statSync, truncateSync } from "node:fs";
import { open } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";

export const logBytesMax = 4 * 1024 * 1024;

/** Appends what happened to a chassis as one line of JSON. */
export function logEvent(path: string, event: string, fields: Readonly<Record<string, unknown>>): void {
  appendFileSync(path, JSON.stringify({ at: new Date().toISOString(), event, ...fields }) + "\n", { mode: 0o600 });
}

/** Moves a log aside that has grown over its bound. */
export function boundLog(path: string): void {
  if (!existsSync(path) || statSync(path).size <= logBytesMax) return;
  copyFileSync(path, `${path}.1`);
  truncateSync(path, 0);
}

/** The last `count` lines of a log, of the part moved aside as well when the log is short. */
export async function lastLines(path: string, count: number): Promise<string[]> {
  let lines: string[] = [];
  for (const part of [path, `${path}.1`]) {
    if (lines.length >= count || !existsSync(part)) continue;
    const { text } = await readFrom(part, Math.max(0, statSync(part).size - count * 1_024));
    lines = [...text.split("\n").filter((line) => line !== ""), ...lines];
  }
  return lines.slice(-count);
}

/** Hands on what is appended to a log until `stop` is aborted. */
export async function follow(path: string, onText: (text: string) => void, stop: AbortSignal): Promise<void> {
  let offset = existsSync(path) ? statSync(path).size : 0;
  while (!stop.aborted) {
    await sleep(200, undefined, { signal: stop }).catch(() => {});
    if (!existsSync(path)) return;
    if (statSync(path).size < offset) offset = 0;
    const { text, end } = await readFrom(path, offset);
    offset = end;
    if (text !== "") onText(text);
  }
}

async function readFrom(path: string, offset: number): Promise<{ text: string; end: number }> {
  const file = await open(path, "r");
  try {
    const { size } = await file.stat();
    const bytes = new Uint8Array(Math.max(0, size - offset));
    const { bytesRead } = await file.read(bytes, 0, bytes.length, offset);
    return { text: new TextDecoder().decode(bytes.subarray(0, bytesRead)), end: offset + bytesRead };
  } finally {
    await file.close();
  }
}
