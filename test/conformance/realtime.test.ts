/** Both drivers of scheduling and memory against one suite: the native one in processes of their own. */
import { spawnSync } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { nativeDrivers } from "../../drivers/native.ts";
import { simulatedMachine } from "../../drivers/simulated/machine.ts";
import { command, runCommand } from "./namespace.ts";
import { realtimeConformance, type RealtimeWorld } from "./realtime.ts";
import { VirtualTime } from "./virtual-time.ts";
import { realWaiting, virtualWaiting } from "./world.ts";

type Outcome = {
  readonly error: string;
  readonly threads: readonly { readonly name: string; readonly isMain: boolean; readonly priority: number; readonly policy: number }[];
  readonly childPolicy: number;
  readonly lockedKiB: number;
};

const program = runCommand(fileURLToPath(new URL("realtime-process.ts", import.meta.url)));

function attempt(what: "enter" | "lock", isPrivileged: boolean): Outcome {
  const limits = ["--rtprio=0:0", "--memlock=65536:65536", "--"];
  const drop = isPrivileged ? [] : ["setpriv", "--bounding-set=-sys_nice,-ipc_lock,-sys_resource"];
  return JSON.parse(command("prlimit", ...limits, ...drop, ...program, what)) as Outcome;
}

function native(): Promise<RealtimeWorld> {
  return Promise.resolve({
    ...realWaiting,
    drivers: nativeDrivers(),
    attempt: (what, isPrivileged) => Promise.resolve(attempt(what, isPrivileged).error),
    end: () => Promise.resolve(),
  });
}

function simulated(): Promise<RealtimeWorld> {
  const time = new VirtualTime();
  const machineOf = (isPrivileged: boolean) => simulatedMachine({ scheduler: time, etherDelayMs: 0, isPrivileged });
  return Promise.resolve({
    ...virtualWaiting(time),
    drivers: machineOf(true).drivers,
    attempt: (what, isPrivileged) => {
      const { realtime } = machineOf(isPrivileged).drivers;
      try {
        if (what === "enter") realtime.enter(10);
        else realtime.lockMemory();
        return Promise.resolve("");
      } catch (error) {
        return Promise.resolve((error as Error).message);
      }
    },
    end: () => Promise.resolve(),
  });
}

/** In a user namespace even its root may not raise a priority. */
const mayEnter = spawnSync("chrt", ["--fifo", "1", "true"]).status === 0;
const mayNotEnter = "this process may not use SCHED_FIFO, so it cannot show that it works";
/** The address sanitizer needs pages that come and go, so it makes locking do nothing. */
const canLock = !(process.env["LD_PRELOAD"] ?? "").includes("libasan");
const cannotLock = "under the address sanitizer locking does nothing";

// A process that may not use SCHED_FIFO cannot show what comes of it.
const whenEntering = mayEnter ? test : test.skip;
// A process that may not lock memory, or that locks none under the sanitizer, cannot show that it is locked.
const whenLocking = mayEnter && canLock ? test : test.skip;

realtimeConformance(test, "native", native, {
  ...(mayEnter ? {} : { "with the permission scheduling changes": mayNotEnter }),
  ...(mayEnter ? {} : { "with the permission memory is locked": mayNotEnter }),
  ...(canLock ? {} : { "without the permission for memory the error says which is missing": cannotLock }),
});
realtimeConformance(test, "simulated", simulated, {});

const fifo = 1;

whenEntering("realtime, native: every thread is under SCHED_FIFO, also a driver's opened later, and children are normal", () => {
  const { error, threads, childPolicy } = attempt("enter", true);
  assert.is(error, "");
  assert.is(childPolicy, 0);
  assert.ok(threads.some(({ name }) => name === "cardinal-pty"), "the driver's thread is there");
  assert.equal(threads.filter(({ name, policy }) => policy !== fifo && !/^(V8|Deno|tokio)/.test(name)), []);
});

whenEntering("realtime, native: the thread that runs the program is one below all others, for which it may spin", () => {
  const threads = attempt("enter", true).threads.filter(({ policy }) => policy === fifo);
  assert.equal(threads.filter(({ isMain }) => isMain).map(({ priority }) => priority), [9]);
  assert.equal(threads.filter(({ isMain, priority }) => !isMain && priority !== 10), []);
});

whenLocking("realtime, native: memory is locked, and the runtime can still give pages back", () => {
  assert.ok(attempt("lock", true).lockedKiB > 1_024);
});

test.run();
