/**
 * The directory of a chassis, and who owns its name. A name is taken by moving a prepared directory to its place,
 * which succeeds for one process only; the record inside says which process that is. A directory whose process is
 * gone is moved aside first, so what is left of it is cleaned up by the new owner and by nobody else.
 */
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import type { Place } from "./names.ts";
import { isAlive, type ProcessRef, processRef } from "./processes.ts";
import { Refused } from "./refusal.ts";
import type { Settings } from "./settings.ts";

export type ChassisRecord = {
  readonly daemon: ProcessRef;
  /** The user namespace of the daemon, as /proc names it: from another one, its namespaces are reached through the daemon. */
  readonly userNamespace: string;
  readonly settings: Settings;
  /** ISO 8601, for people. */
  readonly startedAt: string;
};

/**
 * Where the directories of all chassis of this user are. Somebody without root is root of a user namespace while
 * a chassis comes up, with another /run, and is not when it is asked later: so this directory is not in /run for them.
 */
export function stateRoot(): string {
  const given = process.env["CARDINAL_CHASSIS_ROOT"];
  if (given !== undefined && given !== "") return given;
  const outer = outerUser();
  return outer === 0 ? "/run/cardinal-chassis" : `${tmpdir()}/cardinal-chassis-${outer}`;
}

/** Makes the root. Refused when somebody else has made it: /tmp is everybody's. */
export function makeStateRoot(): string {
  const root = stateRoot();
  try {
    mkdirSync(root, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new Refused("machine", `${root} cannot be made: ${(error as Error).message}`);
  }
  const { uid, mode } = lstatSync(root);
  if (uid !== process.getuid?.() || (mode & 0o170077) !== 0o040000) {
    throw new Refused("machine", `${root} must be a directory that only its owner may enter, and yours: remove it, or set TMPDIR`);
  }
  return root;
}

/** The user who started us, as seen from outside of the user namespace that we are in. */
export function outerUser(): number {
  const uid = process.getuid?.() ?? 0;
  for (const line of readFileSync("/proc/self/uid_map", "utf8").trim().split("\n")) {
    const [inside = 0, outside = 0, count = 0] = line.trim().split(/\s+/).map(Number);
    if (uid >= inside && uid < inside + count) return outside + uid - inside;
  }
  return uid;
}

export function directoryOf(name: string): string {
  return `${stateRoot()}/${name}`;
}
export function socketPath(directory: string): string {
  return `${directory}/control`;
}
export function cardDirectory(directory: string, place: Place): string {
  return `${directory}/cards/${place.chassis}-${place.slot}`;
}
/** The socket at which applications find their card, in its directory. */
export const socketName = "applications";
/** Below the chassis's directory, in what runs on a card: a directory that is the card's own, which others find below the card's directory. */
export const ownFiles = "own";
export function cardLog(directory: string, place: Place): string {
  return `${cardDirectory(directory, place)}/log`;
}
export function multiplexorLog(directory: string, chassis: number): string {
  return `${directory}/multiplexor-${chassis}.log`;
}
export function eventLog(directory: string): string {
  return `${directory}/chassis.log`;
}

export function readRecord(directory: string): ChassisRecord | undefined {
  try {
    return JSON.parse(readFileSync(`${directory}/chassis.json`, "utf8")) as ChassisRecord;
  } catch {
    return undefined;
  }
}

export type Found = {
  readonly name: string;
  readonly directory: string;
  readonly record: ChassisRecord | undefined;
  readonly alive: boolean;
};

/** Every chassis of this user, running or left behind. */
export function everyChassis(): Found[] {
  const names = existsSync(stateRoot()) ? readdirSync(stateRoot()).filter((entry) => !entry.startsWith(".")).sort() : [];
  return names.map((name) => found(name));
}

export function found(name: string): Found {
  const directory = directoryOf(name);
  const record = readRecord(directory);
  return { name, directory, record, alive: record !== undefined && isAlive(record.daemon) };
}

/** Takes `name` for this process. Refused while another process has it. True when something had been left behind. */
export function claim(settings: Settings): { readonly directory: string; readonly leftBehind: boolean } {
  const root = makeStateRoot();
  const directory = `${root}/${settings.name}`;
  const self = processRef(process.pid) as ProcessRef;
  const prepared = `${root}/.claim-${process.pid}`;
  rmSync(prepared, { recursive: true, force: true });
  mkdirSync(prepared, { mode: 0o700 });
  const record: ChassisRecord = { daemon: self, userNamespace: ownUserNamespace(), settings, startedAt: new Date().toISOString() };
  writeFileSync(`${prepared}/chassis.json`, JSON.stringify(record, undefined, 2), { mode: 0o600 });

  let leftBehind = false;
  for (let attempt = 0; attempt < 10; attempt++) {
    try {
      renameSync(prepared, directory);
      return { directory, leftBehind };
    } catch (error) {
      if (!isTaken(error)) throw error;
    }
    if (found(settings.name).alive) break;
    try {
      renameSync(directory, `${root}/.dead-${process.pid}-${attempt}`);
      leftBehind = true;
    } catch {
      // Somebody else moved it aside, and may have taken the name.
    }
  }
  rmSync(prepared, { recursive: true, force: true });
  throw alreadyUp(settings.name);
}

export function alreadyUp(name: string): Refused {
  return new Refused(
    "alreadyUp",
    `chassis ${name} is up already: take it down with \`${commandLine("down", name)}\`, or give this one another --name`,
  );
}

/** A verb as one would type it. */
export function commandLine(verb: string, name: string): string {
  return `npm run chassis -- ${verb}${name === "chassis" ? "" : ` --name ${name}`}`;
}

/** Removes the directory of a chassis, and the root with it when it was the last. */
export function removeDirectory(directory: string): void {
  rmSync(directory, { recursive: true, force: true });
  tidyRoot(directory.slice(0, directory.lastIndexOf("/")));
}

/** Removes what processes that are gone left in the root, and the root when nothing is in it. */
export function tidyRoot(root: string): void {
  if (!existsSync(root)) return;
  for (const entry of readdirSync(root)) {
    const pid = /^\.(?:claim|dead|errors)-(\d+)/.exec(entry)?.[1];
    const isOwn = Number(pid) === process.pid && !entry.startsWith(".errors");
    if (pid !== undefined && (isOwn || processRef(Number(pid)) === undefined)) {
      rmSync(`${root}/${entry}`, { recursive: true, force: true });
    }
  }
  try {
    rmdirSync(root);
  } catch {
    // Another chassis is in it.
  }
}

export function ownUserNamespace(): string {
  return readlinkOf("/proc/self/ns/user");
}

function readlinkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}

function isTaken(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code;
  return code === "ENOTEMPTY" || code === "EEXIST";
}
