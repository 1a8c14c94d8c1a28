/**
 * A virtual chassis for programs: brings one up in the background, gives it orders, takes it down. The command line
 * and the runtime tests stand on this; it runs on Node and on Deno alike.
 */
import { spawn } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync, rmSync } from "node:fs";
import { isAbsolute, resolve } from "node:path";
import type { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { CardStatus } from "../../src/node/status.ts";
import type { LineDirection } from "../../src/sim/multiplexor.ts";
import { type Outcome, run } from "./command.ts";
import { type EtherFault, giveOrder, type Order } from "./control.ts";
import type { DaemonReport } from "./daemon-main.ts";
import { lastLines } from "./logs.ts";
import { cardNamespace, hostNamespace, nameProblem, parsePlace, type Place, placeText } from "./names.ts";
import {
  alreadyUp,
  cardDirectory,
  cardLog,
  type ChassisRecord,
  claim,
  commandLine,
  everyChassis,
  found,
  makeStateRoot,
  ownUserNamespace,
  removeDirectory,
  socketName,
  socketPath,
  stateRoot,
  tidyRoot,
} from "./place.ts";
import { gone, kill } from "./processes.ts";
import { didYouMean, Refused } from "./refusal.ts";
import { buildDirectory, node, repository, usualRuntime } from "./repository.ts";
import { defaults, type Settings } from "./settings.ts";
import type { ChassisStatus, SlotStatus } from "./status.ts";
import { namespacesLeft, sweep } from "./sweep.ts";
import { allVerified } from "./view.ts";

/** All of `Settings`, each with its default; and how long the cards may take to answer. */
export type UpOptions = Partial<Settings> & { readonly timeoutMs?: number };

export function settingsOf(options: UpOptions): Settings {
  const { timeoutMs: _, ...given } = options;
  const { timeoutMs: __, ...usual } = defaults;
  const settings: Settings = { ...usual, runtime: options.runtime ?? usualRuntime(), ...given };
  const problem = nameProblem(settings.name);
  if (problem !== undefined) throw new Refused("usage", problem);
  return settings;
}

/** The daemon needs this long to take everything down, or it is ended as well. */
const downMs = 15_000;

/** Brings a chassis up in the background and waits until every card answers. */
export async function up(options: UpOptions = {}): Promise<Chassis> {
  const settings = settingsOf(options);
  const report = await startDaemon(settings);
  if (!report.up) throw new Refused(report.code, report.message);
  const chassis = new Chassis(settings.name, report.leftBehind);
  try {
    await chassis.waitUntilAnswering(options.timeoutMs ?? defaults.timeoutMs);
  } catch (error) {
    await down(settings.name);
    throw error;
  }
  return chassis;
}

function startDaemon(settings: Settings): Promise<DaemonReport> {
  if (found(settings.name).alive) throw alreadyUp(settings.name);
  const errors = `${makeStateRoot()}/.errors-${process.pid}-${settings.name}`;
  const errorFile = openSync(errors, "a", 0o600);
  const program = fileURLToPath(new URL("daemon-main.ts", import.meta.url));
  const child = spawn(node, [program, JSON.stringify(settings)], { stdio: ["ignore", "pipe", errorFile], detached: true, cwd: "/" });
  closeSync(errorFile);
  return new Promise((resolve, reject) => {
    let text = "";
    const settle = (act: () => void) => {
      rmSync(errors, { force: true });
      tidyRoot(stateRoot());
      child.unref();
      act();
    };
    const stdout = child.stdout as Readable;
    stdout.setEncoding("utf8");
    stdout.on("data", (piece: string) => {
      text += piece;
      if (!text.includes("\n")) return;
      stdout.destroy();
      settle(() => resolve(JSON.parse(text) as DaemonReport));
    });
    child.on("error", (error) => settle(() => reject(new Refused("machine", `cannot run ${node}: ${error.message}; npm ci installs it`))));
    child.on("exit", (code, signal) => {
      if (text.includes("\n")) return;
      const why = existsSync(errors) ? readFileSync(errors, "utf8").trim() : "";
      settle(() => reject(new Refused("machine", `the chassis's process ended (${signal ?? code}) before it was up: ${why}`)));
    });
  });
}

/**
 * Takes a chassis down and removes all that is left of one, whether its daemon still runs or not. Gives what was
 * there: `down` an orderly end, `swept` leftovers of a daemon that was gone, `nothing`.
 */
export async function down(name: string): Promise<"down" | "swept" | "nothing"> {
  const { directory, record, alive } = found(name);
  if (alive && record !== undefined) {
    await giveOrder(socketPath(directory), { verb: "down" });
    const left = await gone([record.daemon], downMs);
    if (left.length === 0) return "down";
    await kill(left);
  }
  if (!existsSync(directory) && namespacesLeft(name).length === 0) return "nothing";
  // Holding the name keeps another `up` from making what is being removed here.
  const { directory: held } = claim(record?.settings ?? settingsOf({ name }));
  await sweep(name, held);
  removeDirectory(held);
  return "swept";
}

/** Runs `use` with a chassis that is taken down afterwards, also when `use` throws and when this process dies. */
export async function withChassis<Result>(options: UpOptions, use: (chassis: Chassis) => Promise<Result>): Promise<Result> {
  const chassis = await up({ ownerPid: process.pid, ...options });
  try {
    return await use(chassis);
  } finally {
    await chassis.down();
  }
}

/** A chassis that is up, in whatever process its daemon is. Slots are written as on the command line: 3, "3" or "1/3". */
export class Chassis {
  readonly name: string;
  readonly directory: string;
  readonly record: ChassisRecord;
  /** Leftovers of an earlier chassis of this name were removed when it came up. */
  readonly leftBehind: boolean;

  constructor(name: string, leftBehind = false) {
    const { directory, record, alive } = found(name);
    if (record === undefined || !alive) throw notUp(name);
    this.name = name;
    this.directory = directory;
    this.record = record;
    this.leftBehind = leftBehind;
  }

  get settings(): Settings {
    return this.record.settings;
  }

  place(slot: number | string): Place {
    return parsePlace(String(slot), this.settings);
  }

  /** Where applications find the card in a slot, whatever namespaces they are in themselves. */
  socketOf(slot: number | string): string {
    return this.#socketAt(this.place(slot));
  }

  #socketAt(place: Place): string {
    return `${cardDirectory(this.directory, place)}/${socketName}`;
  }

  async status(): Promise<ChassisStatus> {
    return await this.#order({ verb: "status", cards: true }) as ChassisStatus;
  }

  /** The slot as the chassis knows it, without asking the card. */
  async slotStatus(slot: number | string): Promise<SlotStatus> {
    const { cards } = await this.#order({ verb: "status", cards: false }) as ChassisStatus;
    return cards.find(({ card }) => card === placeText(this.place(slot))) as SlotStatus;
  }

  /** What a card says of itself; nothing when it does not answer. */
  async cardStatus(slot: number | string): Promise<CardStatus | undefined> {
    const card = placeText(this.place(slot));
    return (await this.status()).cards.find((other) => other.card === card)?.status;
  }

  async pull(slot: number | string): Promise<void> {
    await this.#order({ verb: "pull", place: this.place(slot) });
  }
  async crash(slot: number | string): Promise<void> {
    await this.#order({ verb: "crash", place: this.place(slot) });
  }
  /** Done when the card's program has been started, so after the boot time. */
  async insert(slot: number | string): Promise<void> {
    await this.#order({ verb: "insert", place: this.place(slot) });
  }
  /** Done when the card has stopped; it boots again by itself. */
  async reset(slot: number | string): Promise<void> {
    await this.#order({ verb: "reset", place: this.place(slot) });
  }
  async leave(slot: number | string): Promise<void> {
    await this.#order({ verb: "leave", place: this.place(slot) });
  }
  /** Done at once; the card goes on after `ms`. */
  async stall(slot: number | string, ms: number): Promise<void> {
    await this.#order({ verb: "stall", place: this.place(slot), ms });
  }
  async cutEther(slot: number | string, directions: EtherFault = "unplug"): Promise<void> {
    await this.#order({ verb: "cutEther", place: this.place(slot), directions });
  }
  async cutSerial(slot: number | string, directions: readonly LineDirection[] = ["tx", "rx"]): Promise<void> {
    await this.#order({ verb: "cutSerial", place: this.place(slot), directions });
  }
  /** The path between two cards on Ethernet, both ways; each reaches all others. */
  async cutPath(one: number | string, other: number | string): Promise<void> {
    await Promise.all([this.cutEther(one, { from: this.place(other) }), this.cutEther(other, { from: this.place(one) })]);
  }
  /** Parts some cards from all others on both links, all at once. Among themselves they have Ethernet alone. */
  async part(slots: readonly (number | string)[]): Promise<void> {
    await Promise.all(slots.flatMap((slot) => [this.cutEther(slot, "apart"), this.cutSerial(slot)]));
  }
  /** The multiplexor of an enclosure does nothing any more, until everything is healed. */
  async cutMux(chassis = 1): Promise<void> {
    await this.#order({ verb: "cutMux", chassis });
  }
  async corruptSerial(slot: number | string, rate: number): Promise<void> {
    await this.#order({ verb: "corrupt", place: this.place(slot), rate });
  }
  /** Without a slot, everything is healed. */
  async heal(slot?: number | string): Promise<void> {
    await this.#order(slot === undefined ? { verb: "heal" } : { verb: "heal", place: this.place(slot) });
  }
  async down(): Promise<void> {
    await down(this.name);
  }

  /** Runs a command in a card, in its directory. */
  async exec(slot: number | string, command: readonly string[], timeoutMs = 30_000): Promise<Outcome> {
    const { program, args, cwd, env } = this.execCommand(this.place(slot), command, process.cwd());
    return await run(program, args, { cwd, env, timeoutMs });
  }
  /** Runs a command where the hosts are. */
  async host(command: readonly string[], timeoutMs = 30_000): Promise<Outcome> {
    const { program, args, cwd, env } = this.execCommand("host", command, process.cwd());
    return await run(program, args, { cwd, env, timeoutMs });
  }
  /** The last lines of a card's log. */
  async log(slot: number | string, lines = 100): Promise<string[]> {
    return await lastLines(cardLog(this.directory, this.place(slot)), lines);
  }

  /** Asks for the status until `holds`; gives that status. Refused with `what` and the last status's gist when it takes too long. */
  async waitFor(what: string, holds: (status: ChassisStatus) => boolean, timeoutMs: number, periodMs = 100): Promise<ChassisStatus> {
    const until = performance.now() + timeoutMs;
    for (;;) {
      const status = await this.status();
      if (holds(status)) return status;
      if (performance.now() > until) throw new Refused("timeout", `not within ${timeoutMs} ms: ${what}`);
      await sleep(periodMs);
    }
  }

  async waitUntilAnswering(timeoutMs: number): Promise<void> {
    let silent: SlotStatus[] = [];
    try {
      await this.waitFor("every card answers", ({ cards }) => {
        silent = cards.filter(({ status }) => status === undefined);
        const givenUp = cards.find(({ program }) => program === "givenUp");
        if (givenUp !== undefined) {
          throw new Refused(
            "machine",
            `card ${givenUp.card} does not stay up (${givenUp.ended ?? "it ended"}); it says: ${lastWords(givenUp)}`,
          );
        }
        return silent.length === 0;
      }, timeoutMs);
    } catch (error) {
      if (!(error instanceof Refused) || error.code !== "timeout") throw error;
      const who = silent.map(({ card, program, silentBecause }) => `${card} (${silentBecause ?? program})`).join(", ");
      const says = silent[0] === undefined ? "" : `; ${silent[0].card} says: ${lastWords(silent[0])}`;
      throw new Refused("timeout", `after ${timeoutMs} ms no answer from card ${who}${says}`);
    }
  }

  /** Waits until every card has verified every other one and each link between them is up; false when that takes longer. */
  async waitUntilVerified(timeoutMs: number): Promise<boolean> {
    try {
      await this.waitFor("every card has verified every other one", allVerified, timeoutMs, 250);
      return true;
    } catch (error) {
      if (!(error instanceof Refused) || error.code !== "timeout") throw error;
      return false;
    }
  }

  /**
   * How to run a command in a card or where the hosts are. A command with a slash in it is looked for from `from`, then
   * from this checkout; one without, in build/ and in the PATH.
   */
  execCommand(where: Place | "host", command: readonly string[], from: string): ExecCommand {
    const namespaceName = where === "host" ? hostNamespace(this.name) : cardNamespace(this.name, where);
    const args = ["netns", "exec", namespaceName, ...resolveCommand(command, from)];
    const cwd = where === "host" ? from : cardDirectory(this.directory, where);
    const env = {
      ...process.env,
      PATH: `${buildDirectory}:${process.env["PATH"] ?? ""}`,
      ...(where === "host" ? {} : { CARDINAL_SOCKET: this.#socketAt(where) }),
    };
    if (this.record.userNamespace === ownUserNamespace()) return { program: "ip", args, cwd, env };
    // The chassis is in a user namespace of the same user: in through its daemon.
    const inside = ["--target", String(this.record.daemon.pid), "--user", "--preserve-credentials", "--mount", "--net", `--wd=${cwd}`];
    return { program: "nsenter", args: [...inside, "ip", ...args], cwd, env };
  }

  async #order(order: Order): Promise<unknown> {
    const answer = await giveOrder(socketPath(this.directory), order);
    if (answer === undefined) throw notUp(this.name);
    return answer.value;
  }
}

export type ExecCommand = {
  readonly program: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: Record<string, string | undefined>;
};

function resolveCommand(command: readonly string[], from: string): string[] {
  const [program = "", ...args] = command;
  if (!program.includes("/") || isAbsolute(program)) return [program, ...args];
  const here = [from, process.env["INIT_CWD"], repository].flatMap((base) => (base === undefined ? [] : [resolve(base, program)]));
  return [here.find((path) => existsSync(path)) ?? program, ...args];
}

/** The end of what a card wrote, for its directory is removed before anybody could look. */
function lastWords({ directory }: SlotStatus): string {
  const path = `${directory}/log`;
  const text = existsSync(path) ? readFileSync(path, "utf8").trim() : "";
  if (text === "") return "nothing";
  return text.split("\n").slice(-12).map((line) => `\n    ${line}`).join("");
}

export function notUp(name: string): Refused {
  const { record } = found(name);
  if (record !== undefined) {
    return new Refused(
      "notUp",
      `the process of chassis ${name} is gone: \`${commandLine("down", name)}\` removes what it left, \`up\` as well`,
    );
  }
  const names = everyChassis().filter(({ alive }) => alive).map((other) => other.name);
  const others = names.length === 0
    ? `bring one up with \`${commandLine("up --detach", name)}\``
    : `up: ${names.join(", ")}.${didYouMean(name, names)}`;
  return new Refused("notUp", `no chassis named ${name} is up; ${others}`);
}
