/** Running another program to its end, in a process group of its own, bounded in time and in what is kept of its output. */
import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

export type Ending = {
  readonly code: number | null;
  readonly signal: string | null;
  /** Standard output and error as they came; of more than `outputCharsMax` the end. */
  readonly output: string;
  readonly durationMs: number;
  readonly timedOut: boolean;
  /** Processes of its group were still there after it had ended, and were killed. */
  readonly leftProcesses: boolean;
};

export type ChildOptions = {
  readonly timeoutMs: number;
  readonly environment?: Readonly<Record<string, string>>;
  /** Told each piece of output as it comes. */
  readonly onOutput?: (piece: string) => void;
};

const outputCharsMax = 512 * 1024;
/** From SIGTERM to SIGKILL: time to take down namespaces and processes. */
const graceMs = 3_000;
/** How long processes of a group may take to vanish after their leader. */
const vanishMs = 1_000;

const running = new Set<number>();

function signalGroup(leader: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(-leader, signal);
    return true;
  } catch {
    return false;
  }
}

/** Whether a process of the group still runs. Those that have ended and that nobody has waited for do not. */
function hasLiving(leader: number): boolean {
  if (!signalGroup(leader, 0)) return false;
  return readdirSync("/proc").filter((name) => /^\d+$/.test(name)).some((pid) => {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
      const [state, , group] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      return Number(group) === leader && state !== "Z" && state !== "X";
    } catch {
      return false;
    }
  });
}

/** Waits until nothing of the group runs any more, for at most a while; true when that is so. */
async function hasVanished(leader: number, withinMs: number): Promise<boolean> {
  const until = performance.now() + withinMs;
  while (hasLiving(leader)) {
    if (performance.now() >= until) return false;
    await sleep(20);
  }
  return true;
}

/** Ends the group, politely first. */
async function endGroup(leader: number): Promise<void> {
  signalGroup(leader, "SIGTERM");
  if (await hasVanished(leader, graceMs)) return;
  signalGroup(leader, "SIGKILL");
  await hasVanished(leader, vanishMs);
}

/** Ends everything that `runToEnd` has running. */
export async function endAll(): Promise<void> {
  await Promise.all([...running].map(endGroup));
}

/**
 * From now on the first signal ends everything that `runToEnd` has running, which is in process groups of its own, and then this process
 * with 130; `cleanUp` comes in between. Gives a function that tells whether a signal has come.
 */
export function endAllOnSignals(cleanUp: () => void = () => {}): () => boolean {
  let isInterrupted = false;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => {
      if (isInterrupted) return;
      isInterrupted = true;
      void endAll().then(() => {
        cleanUp();
        process.exit(130);
      });
    });
  }
  return () => isInterrupted;
}

/** Runs a program without standard input. Rejects only when it cannot be started. */
export async function runToEnd(command: string, args: readonly string[], options: ChildOptions): Promise<Ending> {
  const startedAt = performance.now();
  const child = spawn(command, args, {
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...options.environment },
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8");
    stream.on("data", (piece: string) => {
      output = (output + piece).slice(-outputCharsMax);
      options.onOutput?.(piece);
    });
  }
  const closed = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const exited = new Promise<{ code: number | null; signal: string | null }>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) => resolve({ code, signal }));
  });
  const leader = child.pid;
  if (leader !== undefined) running.add(leader);
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    if (leader !== undefined) void endGroup(leader);
  }, options.timeoutMs);
  try {
    const { code, signal } = await exited;
    let leftProcesses = false;
    if (leader !== undefined) {
      leftProcesses = !await hasVanished(leader, vanishMs);
      if (leftProcesses) await endGroup(leader);
    }
    // A process that left the group may still hold the pipes open; it does not hold us.
    await Promise.race([closed, sleep(vanishMs, undefined, { ref: false })]);
    child.stdout.destroy();
    child.stderr.destroy();
    return { code, signal, output, durationMs: performance.now() - startedAt, timedOut, leftProcesses };
  } finally {
    clearTimeout(timer);
    if (leader !== undefined) running.delete(leader);
  }
}

/** A duration for people: "0.31 s", "75 s". */
export function seconds(durationMs: number): string {
  return `${(durationMs / 1000).toFixed(durationMs < 10_000 ? 2 : 0)} s`;
}
