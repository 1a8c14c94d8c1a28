/**
 * One card at a time runs from a state directory: two would speak with one identity, and each would push the other's
 * incarnation out of date. A start puts an empty file there whose name says which process it is (boot, process id, start
 * in clock ticks), and only then looks for those of others. Of two starts the later one to look sees the other, so two
 * never run; when both look late, both are refused and whoever started them tries again. The name of a process that
 * has ended is nobody else's, so removing it can hurt nobody. Processes in another pid namespace are not seen.
 */
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { type Refusal, refusal, systemErrorCode, systemErrorText } from "./refusal.ts";

export type StateLock = { release(): void };

type Holder = { readonly boot: string; readonly pid: number; readonly start: number };

/** Takes the state directory for this process, and makes it where there is none. Refused while another live process has it. */
export function lockState(stateDirectory: string): StateLock | Refusal {
  try {
    mkdirSync(stateDirectory, { recursive: true, mode: 0o700 });
  } catch (error) {
    const text = systemErrorCode(error) === "EEXIST" ? "there is a file of that name" : systemErrorText(error);
    return refusal("io", `the state directory ${stateDirectory} cannot be made: ${text}; give another one with the key "state"`);
  }
  const self = holderOf(process.pid);
  if (self === undefined) {
    return refusal("io", `the state directory ${stateDirectory} cannot be locked: /proc does not show this process; mount it`);
  }
  const own = join(stateDirectory, nameOf(self));
  const release = () => rmSync(own, { force: true });
  try {
    closeSync(openSync(own, "w", 0o600));
    const other = liveHolder(stateDirectory, self);
    if (other === undefined) return { release };
    release();
    return refusal(
      "exists",
      `${stateDirectory} is in use by the card that runs as process ${other.pid}; stop that one first, or give this one a "state" of its own`,
    );
  } catch (error) {
    release();
    return refusal(
      "io",
      `${stateDirectory} cannot be written: ${systemErrorText(error)}; the state directory must be writable and have space`,
    );
  }
}

/** A process other than `self` that has the directory and is alive. What dead ones left is removed. */
function liveHolder(stateDirectory: string, self: Holder): Holder | undefined {
  let live: Holder | undefined;
  for (const name of readdirSync(stateDirectory)) {
    const holder = holderNamed(name);
    if (holder === undefined || name === nameOf(self)) continue;
    const now = holder.boot === self.boot ? holderOf(holder.pid) : undefined;
    if (now?.start === holder.start) live = holder;
    else rmSync(join(stateDirectory, name), { force: true });
  }
  return live;
}

function nameOf({ boot, pid, start }: Holder): string {
  return `running-${boot}-${pid}-${start}`;
}

function holderNamed(name: string): Holder | undefined {
  const match = /^running-([0-9a-f]{8})-(\d+)-(\d+)$/.exec(name);
  return match === null ? undefined : { boot: match[1] as string, pid: Number(match[2]), start: Number(match[3]) };
}

/** The process as /proc has it; one that has ended and waits to be reaped is none. A process id alone is used again, a start after a boot as well. */
function holderOf(pid: number): Holder | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The name in brackets may itself hold blanks and brackets.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (fields[0] === "Z" || fields[0] === "X") return undefined;
    return { boot: readFileSync("/proc/sys/kernel/random/boot_id", "latin1").slice(0, 8), pid, start: Number(fields[19]) };
  } catch {
    return undefined;
  }
}
