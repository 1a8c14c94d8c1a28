/**
 * The program of a chassis in the background. Its argument are the settings as JSON; it writes one line of JSON to its
 * standard output when the cards are started, or when they could not be, and nothing after that.
 */
import { fstatSync, writeSync } from "node:fs";
import { Daemon } from "./daemon.ts";
import { Refused } from "./refusal.ts";
import type { Settings } from "./settings.ts";

export type DaemonReport =
  | { readonly up: true; readonly leftBehind: boolean }
  | { readonly up: false; readonly code: Refused["code"]; readonly message: string };

function report(value: DaemonReport): void {
  // Whoever started this may have gone already.
  try {
    if (fstatSync(1).isFIFO() || fstatSync(1).isSocket()) writeSync(1, JSON.stringify(value) + "\n");
  } catch {
    return;
  }
}

const stop = new AbortController();
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, () => stop.abort());

try {
  const daemon = await Daemon.open(JSON.parse(process.argv[2] ?? "{}") as Settings, stop.signal);
  stop.signal.addEventListener("abort", () => void daemon.close("signal"));
  report({ up: true, leftBehind: daemon.leftBehind });
  await daemon.closed;
  process.exit(0);
} catch (error) {
  if (!(error instanceof Refused)) throw error;
  report({ up: false, code: error.code, message: error.message });
  process.exit(1);
}
