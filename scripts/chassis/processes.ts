/** Processes as /proc shows them. A process is named by its id and its start, for an id alone is used again. */
import { readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

/** `start` is in clock ticks since the machine's start. */
export type ProcessRef = { readonly pid: number; readonly start: number };

type Stat = { readonly state: string; readonly group: number; readonly start: number };

function statOf(pid: number): Stat | undefined {
  return parseStat(read(`/proc/${pid}/stat`));
}

function parseStat(text: string | undefined): Stat | undefined {
  if (text === undefined) return undefined;
  // The name in brackets may itself hold blanks and brackets.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return { state: fields[0] ?? "", group: Number(fields[2]), start: Number(fields[19]) };
}

export function processRef(pid: number): ProcessRef | undefined {
  const stat = statOf(pid);
  return stat === undefined ? undefined : { pid, start: stat.start };
}

/** Whether this very process still runs. One that has ended and waits to be reaped does not, unless some of its threads still do. */
export function isAlive(ref: ProcessRef): boolean {
  const stat = statOf(ref.pid);
  if (stat === undefined || stat.start !== ref.start) return false;
  return (stat.state !== "Z" && stat.state !== "X") || entries(`/proc/${ref.pid}/task`).length > 1;
}

/** Whether a signal has stopped every thread of a process; its threads notice one after the other. */
export function isStopped(pid: number): boolean {
  const threads = entries(`/proc/${pid}/task`);
  return threads.length > 0 && threads.every((thread) => parseStat(read(`/proc/${pid}/task/${thread}/stat`))?.state === "T");
}

/** Signals a process if it is still the one that is meant. */
export function signal(ref: ProcessRef, name: "SIGKILL" | "SIGTERM"): void {
  if (!isAlive(ref)) return;
  try {
    process.kill(ref.pid, name);
  } catch {
    // It ended in between, which is what was wanted.
  }
}

/** Ends processes for certain. Gives those that are still there after `timeoutMs`. */
export async function kill(refs: readonly ProcessRef[], timeoutMs = 5_000): Promise<ProcessRef[]> {
  for (const ref of refs) signal(ref, "SIGKILL");
  return await gone(refs, timeoutMs);
}

/** Waits until processes have ended. Gives those that have not after `timeoutMs`. */
export async function gone(refs: readonly ProcessRef[], timeoutMs: number): Promise<ProcessRef[]> {
  const until = performance.now() + timeoutMs;
  let left = refs.filter(isAlive);
  for (let pauseMs = 1; left.length > 0 && performance.now() < until; pauseMs = Math.min(pauseMs * 2, 50)) {
    await sleep(pauseMs);
    left = left.filter(isAlive);
  }
  return left;
}

/** Every process in one of the named network namespaces. */
export function processesInside(namespaceNames: readonly string[]): ProcessRef[] {
  const wanted = new Set<string>();
  for (const name of namespaceNames) {
    try {
      wanted.add(`net:[${statSync(`/run/netns/${name}`).ino}]`);
    } catch {
      // A namespace without a name has nobody who could be found by it.
    }
  }
  if (wanted.size === 0) return [];
  return everyProcess((pid) => wanted.has(readlinkSync(`/proc/${pid}/ns/net`)));
}

/** Every process that was started with `variable` set to `value`. */
export function processesMarked(variable: string, value: string): ProcessRef[] {
  const mark = `\0${variable}=${value}\0`;
  return everyProcess((pid) => `\0${readFileSync(`/proc/${pid}/environ`, "latin1")}`.includes(mark));
}

function everyProcess(matches: (pid: number) => boolean): ProcessRef[] {
  const found: ProcessRef[] = [];
  for (const entry of entries("/proc")) {
    const pid = Number(entry);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    try {
      if (!matches(pid)) continue;
    } catch {
      // It ended meanwhile, or belongs to somebody else.
      continue;
    }
    const ref = processRef(pid);
    if (ref !== undefined) found.push(ref);
  }
  return found;
}

/** Whether something listens on a TCP port in the network namespace of `pid`. */
export function listensOn(pid: number, port: number): boolean {
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  return [`/proc/${pid}/net/tcp`, `/proc/${pid}/net/tcp6`].some((path) =>
    (read(path) ?? "").split("\n").some((line) => {
      const [, local, , state] = line.trim().split(/\s+/);
      return state === "0A" && local !== undefined && local.endsWith(wanted);
    })
  );
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

function entries(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
