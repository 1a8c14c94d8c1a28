/** What the programs that watch cards over time have in common: what /proc says of a card, what its log says of others, and the load beside it. */
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";

export type Sample = { readonly cpuMs: number; readonly residentBytes: number };

/** What /proc says of a process: CPU time so far, and memory now. */
export function sampleOf(pid: number): Sample {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\) /, "").split(" ");
  const ticks = Number(fields[11]) + Number(fields[12]);
  return { cpuMs: ticks * 10, residentBytes: Number(fields[21]) * 4_096 };
}

/** Keeps all processors busy: twice as many workers as there are of them. It ends with this program, however that does. */
export function startLoad(seconds: number): ChildProcess {
  const words = ["--cpu", String(2 * availableParallelism()), "--timeout", `${seconds}s`, "--quiet"];
  return spawn("setpriv", ["--pdeathsig", "TERM", "stress-ng", ...words], { stdio: ["ignore", "ignore", "inherit"] });
}

const suspicions = new Set(["silent", "oneWay", "suspect", "down"]);

/** Whether a line of a card's log suspects another card. */
export function isSuspicion(line: string): boolean {
  if (!line.startsWith("{")) return false;
  const { event, health } = JSON.parse(line) as { event: string; health?: string };
  return (event === "link health" || event === "card health") && suspicions.has(health ?? "");
}
