/**
 * What a run of the card leaves for the next one, in the state directory's `last-run`: how it ended, its software, its role, what the multiplexor
 * counted. It steers the type of the next boot and nothing else, so a file that cannot be understood is a doubt, and a doubt makes a boot cold.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { LastRun } from "../failover/boot-type.ts";
import { readSmallFile, writeDurably } from "./durable-file.ts";
import { systemErrorCode, systemErrorText } from "./refusal.ts";

/** The words that the file may have. */
const endings: Readonly<Record<LastRun["ended"], true>> = {
  open: true,
  stop: true,
  restart: true,
  maintenance: true,
  upgrade: true,
  reset: true,
};
const roles: Readonly<Record<LastRun["role"], true>> = { none: true, alternate: true, secondary: true, primary: true };

const fileBytesMax = 4_096;
const machineBootFile = "/proc/sys/kernel/random/boot_id";

/** The last run of the card with this state directory; `undefined` for its first, and for what cannot be read, which `say` is told. */
export function readLastRun(stateDirectory: string, say: (reason: string) => void): LastRun | undefined {
  const path = join(stateDirectory, "last-run");
  try {
    const { text } = readSmallFile(path, fileBytesMax);
    const run = text === undefined ? undefined : lastRunOf(JSON.parse(text) as unknown);
    if (run === undefined) say(`${path} does not hold what a run leaves`);
    return run;
  } catch (error) {
    if (systemErrorCode(error) !== "ENOENT") say(`${path}: ${error instanceof SyntaxError ? "it is no JSON" : systemErrorText(error)}`);
    return undefined;
  }
}

/** Puts it in the place of the one before; gives what went wrong, in words. */
export function writeLastRun(stateDirectory: string, run: LastRun): string | undefined {
  const path = join(stateDirectory, "last-run");
  try {
    writeDurably(path, `${JSON.stringify(run)}\n`, { mode: 0o600, replace: true });
    return undefined;
  } catch (error) {
    return `${path}: ${systemErrorText(error)}`;
  }
}

/** Changes with each start of the operating system; empty where it tells nothing. */
export function machineBoot(): string {
  try {
    return readFileSync(machineBootFile, "utf8").trim();
  } catch {
    return "";
  }
}

function lastRunOf(value: unknown): LastRun | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { machineBoot: boot, software, ended, role, maintenance, unreadyStarts, sense } = value as Record<string, unknown>;
  if (typeof boot !== "string" || typeof software !== "string" || !isWord(ended, endings) || !isWord(role, roles)) return undefined;
  if (typeof maintenance !== "boolean" || !isCount(unreadyStarts)) return undefined;
  const counts = senseOf(sense);
  if (counts === undefined && sense !== undefined) return undefined;
  return { machineBoot: boot, software, ended, role, maintenance, unreadyStarts, sense: counts };
}

function senseOf(value: unknown): LastRun["sense"] {
  if (typeof value !== "object" || value === null) return undefined;
  const { incarnation, powerOns, resets } = value as Record<string, unknown>;
  return isCount(incarnation) && isCount(powerOns) && isCount(resets) ? { incarnation, powerOns, resets } : undefined;
}

function isWord<Word extends string>(value: unknown, words: Readonly<Record<Word, true>>): value is Word {
  return typeof value === "string" && Object.hasOwn(words, value);
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
