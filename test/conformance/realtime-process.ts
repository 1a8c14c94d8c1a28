/**
 * A process that asks for what it is told to and prints what came of it as JSON: run by the tests of the real-time
 * driver, which must not change their own process. Arguments: "enter" or "lock".
 */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import process from "node:process";
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

const drivers = nativeDrivers();
let error = "";
try {
  if (process.argv[2] === "enter") drivers.realtime.enter(10);
  else drivers.realtime.lockMemory({ future: true });
} catch (thrown) {
  error = (thrown as Error).message;
}
const pty = await drivers.pty.open(() => {});
const threads = policies();
const child = spawnSync("cat", ["/proc/self/stat"], { encoding: "utf8" }).stdout;
const childPolicy = Number(child.slice(child.lastIndexOf(")") + 2).split(" ")[38]);
const lockedKiB = Number(/VmLck:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))?.[1]);
console.log(JSON.stringify({ error, threads, childPolicy, lockedKiB }));
await pty.close();
process.exit(0);
