/**
 * A process that asks for what it is told to and prints what came of it as JSON: run by the tests of the real-time
 * driver, which must not change their own process. Arguments: "enter" or "lock".
 */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import process from "node:process";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { nativeDrivers } from "../../drivers/native.ts";

/** The fields "rt_priority" (40th) and "policy" (41st, 1 for SCHED_FIFO) of each thread, with its name. */
function policies(): { name: string; isMain: boolean; priority: number; policy: number }[] {
  return readdirSync("/proc/self/task").map((thread) => {
    const stat = readFileSync(`/proc/self/task/${thread}/stat`, "utf8");
    const name = stat.slice(stat.indexOf("(") + 1, stat.lastIndexOf(")"));
    // What follows the name begins with the third field.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return { name, isMain: thread === String(process.pid), priority: Number(fields[37]), policy: Number(fields[38]) };
  });
}

setFlagsFromString("--expose-gc");
/** A full collection; `undefined` on a runtime that has none to offer. */
const collect = runInNewContext("globalThis.gc") as (() => void) | undefined;

const drivers = nativeDrivers();
let error = "";
try {
  if (process.argv[2] === "enter") drivers.realtime.enter(10);
  else drivers.realtime.lockMemory();
} catch (thrown) {
  error = (thrown as Error).message;
}
// The runtime gives pages of its heap and of compiled code back, which it could not if they were locked.
if (process.argv[2] === "lock") {
  let kept: unknown[] = [];
  for (let round = 0; round < 10; round++) {
    for (let index = 0; index < 200; index++) {
      const code = `let s = ${index + round * 1_000}; for (let k = 0; k < 300; k++) s = (s * 31 + a + k) | 0; return s;`;
      const compiled = new Function("a", code) as (a: number) => number;
      for (let call = 0; call < 60; call++) compiled(call);
      kept.push(compiled);
    }
    if (round % 5 !== 4) continue;
    kept = [];
    await new Promise((resolve) => setTimeout(resolve, 10));
    collect?.();
  }
}
const pty = await drivers.pty.open(() => {});
const threads = policies();
const child = spawnSync("cat", ["/proc/self/stat"], { encoding: "utf8" }).stdout;
const childPolicy = Number(child.slice(child.lastIndexOf(")") + 2).split(" ")[38]);
const lockedKiB = Number(/VmLck:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))?.[1]);
console.log(JSON.stringify({ error, threads, childPolicy, lockedKiB }));
await pty.close();
process.exit(0);
