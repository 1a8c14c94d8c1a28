/**
 * One slot of a chassis: its card's power, program and interface, and the faults on its cables.
 *
 *            insert            boot time over             ends by itself
 *   stopped ────────► booting ───────────────► running ───────────────────► booting (warm restart), or givenUp
 *      ▲                 │  ▲                     │ ▲ stall
 *      └── pull, crash ──┴──┼── pull, crash,  ────┤ └──────► stalled ──► running
 *                           │   leave             │
 *                           └──── reset ──────────┘
 *
 * Pull, crash and reset end the card as a whole: its program, everything else in its network namespace, and the
 * addresses that its program had put on its interface, as the end of a real card's kernel would; its next program finds
 * another boot of the machine. Only when all of that is gone for certain are others told: the sense of the slot and the
 * receipt of a reset prove that the card has stopped. An end of the program alone leaves the rest as it is.
 *
 * Orders for a slot are carried out one after the other.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { closeSync, mkdirSync, openSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { LineDirection } from "../../src/sim/multiplexor.ts";
import type { Bus } from "./bus.ts";
import { preparedScript, runScript } from "./command.ts";
import { applyDrops } from "./drops.ts";
import type { Line } from "./multiplexor-messages.ts";
import { cardAddress, cardNamespace, type Place, placeText } from "./names.ts";
import { cardOffScript, cardOnScript, carrierScript, type EtherCut, halfScript, noEtherCut } from "./network.ts";
import { isStopped, kill, processesInside } from "./processes.ts";
import { ownFiles } from "./place.ts";
import { Refused } from "./refusal.ts";
import type { ProgramState, SlotStatus } from "./status.ts";
import type { Settings } from "./settings.ts";

/** Ends of its own, within this time, after which the program is not started again. */
export const restartsMax = 5;
export const restartWindowMs = 60_000;
/** The card's end of its serial line, in its directory. */
export const ttyName = "tty";
/** How long a card that is asked to leave may take. */
const leaveMs = 5_000;
/**
 * Has the program find the boot that is in a file (the first argument), and at a path that all cards have (the third) a directory of its own (the second), in the
 * mount namespace that it has for itself.
 */
const ownPlaces = 'mount --bind "$0" /proc/sys/kernel/random/boot_id; mount --bind "$1" "$2"; shift 2; exec "$@"';

export type SlotOptions = {
  readonly settings: Settings;
  readonly place: Place;
  readonly bus: Bus;
  readonly directory: string;
  readonly chassisDirectory: string;
  readonly logFile: string;
  /** The card's program with its arguments. */
  readonly command: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly log: (event: string, fields?: Readonly<Record<string, unknown>>) => void;
};

type Program = { readonly process: ChildProcess; readonly pid: number; readonly exited: Promise<void> };

export class Slot {
  readonly place: Place;
  readonly #options: SlotOptions;
  readonly #namespace: string;
  #power: "on" | "off" = "on";
  #state: "running" | "booting" | "stopped" | "givenUp" = "stopped";
  #program: Program | undefined;
  #ended: string | undefined;
  #starts = 0;
  #restarts = 0;
  #endedAt: number[] = [];
  #bootTimer: ReturnType<typeof setTimeout> | undefined;
  /** Tells whoever waits for a boot that it will not come. */
  #giveUpBoot: () => void = () => {};
  #stallTimer: ReturnType<typeof setTimeout> | undefined;
  #ether: EtherCut = noEtherCut;
  #serial: Record<LineDirection, boolean> = { tx: false, rx: false };
  #corruptRate = 0;
  #turn: Promise<unknown> = Promise.resolve();
  #isClosed = false;
  /** Of the card's machine, as its kernel would tell it. */
  /** Nothing of it runs, and nobody is answered, since it ended suddenly. */
  #isDark = false;
  #machineBoot = randomUUID();

  constructor(options: SlotOptions) {
    this.#options = options;
    this.place = options.place;
    this.#namespace = cardNamespace(options.settings.name, options.place);
  }

  get #name(): string {
    return placeText(this.place);
  }

  /** The program's process while there is one. */
  get pid(): number | undefined {
    return this.#program?.pid;
  }

  get state(): ProgramState {
    return this.#state === "running" && this.pid !== undefined && isStopped(this.pid) ? "stalled" : this.#state;
  }

  status(): Omit<SlotStatus, "line" | "status"> {
    const { directory } = this.#options;
    return {
      card: this.#name,
      chassis: this.place.chassis,
      slot: this.place.slot,
      namespace: this.#namespace,
      directory,
      address: cardAddress(this.place),
      power: this.#power,
      program: this.state,
      ...(this.pid === undefined ? {} : { pid: this.pid }),
      ...(this.#ended === undefined ? {} : { ended: this.#ended }),
      starts: this.#starts,
      restarts: this.#restarts,
      device: `${directory}/${ttyName}`,
      cuts: this.#cuts(),
      corruptRate: this.#corruptRate,
    };
  }

  #cuts(): string[] {
    const ether = this.#ether.unplugged
      ? ["ether"]
      : (["tx", "rx", "apart"] as const).filter((way) => this.#ether[way]).map((way): string => `ether ${way}`);
    const { tx, rx } = this.#serial;
    ether.push(...this.#ether.from.map((other) => `ether from ${placeText(other)}`));
    const serial = tx && rx ? ["serial"] : tx ? ["serial tx"] : rx ? ["serial rx"] : [];
    return [...ether, ...serial];
  }

  /** Starts the program now; the chassis has just made everything that it needs. */
  start(): Promise<void> {
    return this.#inTurn(() => this.#start());
  }

  pull(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#power === "off") throw new Refused("state", `card ${this.#name} has no power already: insert it first`);
      this.#power = "off";
      await this.#end("pulled", () => this.#order({ kind: "power", slot: this.place.slot, power: "off" }));
      this.#options.log("pulled", { card: this.#name });
    });
  }

  crash(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#program === undefined && this.#state !== "booting") {
        throw new Refused("state", `card ${this.#name} does not run (${this.state}): insert it first`);
      }
      await this.#end("crashed", () => Promise.resolve());
      this.#options.log("crashed", { card: this.#name });
    });
  }

  /** Gives power and boots; done when the program has been started. */
  async insert(): Promise<void> {
    const booted = await this.#inTurn(async () => {
      if (this.#program !== undefined || this.#state === "booting") {
        throw new Refused("state", `card ${this.#name} runs already (${this.state})`);
      }
      if (this.#power === "off") {
        this.#power = "on";
        await this.#order({ kind: "power", slot: this.place.slot, power: "on" });
      }
      this.#endedAt = [];
      this.#options.log("inserted", { card: this.#name });
      return this.#boot();
    });
    await booted.done;
  }

  /** Ends the card and boots it again; done when it has stopped for certain. Without power there is nothing to end. */
  async reset(by: "order" | "multiplexor"): Promise<void> {
    // What has ended already has stopped for certain, however long it takes to clear up after it.
    const isTold = by === "multiplexor" && this.#isDark;
    if (isTold) await this.#order({ kind: "resetDone", slot: this.place.slot, stopped: true });
    return this.#inTurn(async () => {
      if (this.#power === "off") {
        if (by === "order") throw new Refused("state", `card ${this.#name} has no power: insert it first`);
        return;
      }
      await this.#end("reset");
      this.#options.log("reset", { card: this.#name, by });
      if (by === "multiplexor" && !isTold) await this.#order({ kind: "resetDone", slot: this.place.slot, stopped: true });
      this.#endedAt = [];
      this.#boot();
    });
  }

  /** Asks the program to end in good order, and leaves it so. */
  leave(): Promise<void> {
    return this.#inTurn(async () => {
      const program = this.#program;
      if (program === undefined) throw new Refused("state", `card ${this.#name} does not run (${this.state})`);
      this.#state = "stopped";
      program.process.kill("SIGTERM");
      this.#unstall();
      const late = setTimeout(() => program.process.kill("SIGKILL"), leaveMs);
      await program.exited;
      clearTimeout(late);
      await this.#disconnect();
      this.#options.log("left", { card: this.#name, ended: this.#ended });
    });
  }

  /** Stops every thread of the program for a while. Done when they have stopped. */
  stall(ms: number): Promise<void> {
    return this.#inTurn(async () => {
      const { pid } = this;
      if (pid === undefined) throw new Refused("state", `card ${this.#name} does not run (${this.state}): there is nothing to stall`);
      process.kill(-pid, "SIGSTOP");
      clearTimeout(this.#stallTimer);
      this.#stallTimer = setTimeout(() => this.#unstall(), ms);
      for (let tries = 0; tries < 100 && this.pid === pid && !isStopped(pid); tries++) await sleep(1);
      this.#options.log("stalled", { card: this.#name, ms });
    });
  }

  cutEther(cut: Partial<EtherCut>): Promise<void> {
    return this.#inTurn(async () => {
      await this.#applyEther({ ...this.#ether, ...cut });
      this.#options.log("cut", { card: this.#name, cuts: this.#cuts() });
    });
  }

  cutSerial(directions: readonly LineDirection[]): Promise<void> {
    return this.#inTurn(async () => {
      for (const direction of directions) await this.#applySerial(direction, true);
      this.#options.log("cut", { card: this.#name, cuts: this.#cuts() });
    });
  }

  corrupt(rate: number): Promise<void> {
    return this.#inTurn(async () => {
      await this.#order({ kind: "corrupt", slot: this.place.slot, rate });
      this.#corruptRate = rate;
      this.#options.log("corrupted", { card: this.#name, rate });
    });
  }

  heal(): Promise<void> {
    return this.#inTurn(async () => {
      await this.#applyEther(noEtherCut);
      for (const direction of ["tx", "rx"] as const) if (this.#serial[direction]) await this.#applySerial(direction, false);
      if (this.#corruptRate > 0) await this.#order({ kind: "corrupt", slot: this.place.slot, rate: 0 });
      this.#corruptRate = 0;
      this.#options.log("healed", { card: this.#name });
    });
  }

  /** Ends the card for good. */
  close(): Promise<void> {
    this.#isClosed = true;
    return this.#inTurn(() => this.#endProcesses("taken down"), true);
  }

  #inTurn<T>(order: () => Promise<T>, evenClosed = false): Promise<T> {
    const done = this.#turn.then(() => {
      if (this.#isClosed && !evenClosed) throw new Refused("state", `the chassis is being taken down`);
      return order();
    });
    this.#turn = done.catch(() => {});
    return done;
  }

  async #order(order: Parameters<Bus["order"]>[0]): Promise<void> {
    await this.#options.bus.order(order);
  }

  async #start(): Promise<void> {
    const { settings, directory, logFile, command, env, log } = this.#options;
    this.#isDark = false;
    await this.#connect();
    const bootFile = `${directory}/boot-id`;
    writeFileSync(bootFile, `${this.#machineBoot}\n`);
    const [own, shared] = [`${directory}/${ownFiles}`, `${this.#options.chassisDirectory}/${ownFiles}`];
    for (const place of [own, shared]) mkdirSync(place, { recursive: true });
    const output = openSync(logFile, "a", 0o600);
    // The program dies with the daemon, so that nothing goes on that nobody can control.
    const within = ["ip", "netns", "exec", cardNamespace(settings.name, this.place), "sh", "-c", ownPlaces, bootFile, own, shared];
    const child = spawn("setpriv", ["--pdeathsig", "KILL", ...within, ...command], {
      cwd: directory,
      env,
      stdio: ["ignore", output, output],
      detached: true,
    });
    closeSync(output);
    // That there is no such program is seen by the missing id.
    child.on("error", () => {});
    const { pid } = child;
    if (pid === undefined) throw new Refused("machine", `cannot run setpriv, which comes with the Debian package util-linux`);
    const exited = new Promise<void>((resolve) => {
      child.on("exit", (code, signal) => {
        this.#onExit(pid, signal ?? `exit code ${code}`);
        resolve();
      });
    });
    this.#program = { process: child, pid, exited };
    this.#state = "running";
    this.#starts++;
    log("started", { card: this.#name, pid, start: this.#starts });
  }

  /** Gives the card a new tty under the name that its configuration has. A dead multiplexor leaves it with none. */
  async #connect(): Promise<void> {
    const { bus, directory } = this.#options;
    const link = `${directory}/${ttyName}`;
    rmSync(link, { force: true });
    if (!bus.status.alive) return;
    const { device } = (await bus.order({ kind: "connect", slot: this.place.slot }))[this.place.slot - 1] as Line;
    symlinkSync(device as string, link);
  }

  async #disconnect(): Promise<void> {
    if (this.#options.bus.status.alive) await this.#order({ kind: "disconnect", slot: this.place.slot });
  }

  #onExit(pid: number, ended: string): void {
    if (this.#program?.pid !== pid) return;
    this.#program = undefined;
    this.#ended = ended;
    clearTimeout(this.#stallTimer);
    if (this.#state !== "running" || this.#isClosed) return;

    const now = performance.now();
    this.#endedAt = [...this.#endedAt.filter((at) => now - at < restartWindowMs), now];
    this.#options.log("ended", { card: this.#name, pid, ended });
    void this.#inTurn(async () => {
      if (this.#state !== "running" || this.#program !== undefined) return;
      if (this.#endedAt.length > restartsMax) {
        this.#state = "givenUp";
        this.#options.log("givenUp", {
          card: this.#name,
          ends: this.#endedAt.length,
          withinMs: restartWindowMs,
          logFile: this.#options.logFile,
        });
      } else {
        this.#restarts++;
        void this.#boot().done;
      }
      await this.#disconnect();
    }).catch((error: Error) => this.#options.log("failed", { card: this.#name, error: error.message }));
  }

  /** `done` is settled when the program has been started, or when that is not to happen any more. */
  #boot(): { readonly done: Promise<void> } {
    this.#state = "booting";
    const done = new Promise<void>((resolve, reject) => {
      this.#giveUpBoot = resolve;
      this.#bootTimer = setTimeout(() => {
        this.#inTurn(async () => {
          if (this.#state !== "booting") return;
          await runScript(cardOnScript(this.#options.settings.name, this.place));
          await this.#start();
        }).then(resolve, reject);
      }, this.#options.settings.bootMs);
    });
    done.catch((error: Error) => this.#options.log("failed", { card: this.#name, error: error.message }));
    return { done };
  }

  #unstall(): void {
    clearTimeout(this.#stallTimer);
    const { pid } = this;
    if (pid !== undefined) process.kill(-pid, "SIGCONT");
  }

  /**
   * The card as a whole ends at one instant: its kernel answers nobody any more while what is left of it is looked for. What is sudden (`atOnce`: what
   * follows from it at once) has that prepared, which takes a moment that a reset does not have.
   */
  async #end(ended: string, atOnce?: () => Promise<void>): Promise<void> {
    const { name } = this.#options.settings;
    const isSudden = atOnce !== undefined;
    const unplug = isSudden ? await preparedScript(carrierScript(name, this.place, { ...this.#ether, unplugged: true })) : undefined;
    const ending = this.#endProcesses(ended);
    await Promise.all([ending, unplug?.()]);
    this.#isDark = isSudden;
    await atOnce?.();
    this.#machineBoot = randomUUID();
    await runScript(cardOffScript(name, this.place));
    if (isSudden) await runScript(carrierScript(name, this.place, this.#ether));
    await this.#disconnect();
  }

  async #endProcesses(ended: string): Promise<void> {
    clearTimeout(this.#bootTimer);
    clearTimeout(this.#stallTimer);
    this.#giveUpBoot();
    this.#state = "stopped";
    const program = this.#program;
    if (program !== undefined) {
      process.kill(-program.pid, "SIGKILL");
      await program.exited;
      this.#ended = ended;
    }
    for (;;) {
      const left = processesInside([this.#namespace]);
      if (left.length === 0) return;
      const stuck = await kill(left);
      if (stuck.length > 0) throw new Refused("machine", `process ${stuck[0]?.pid} in card ${this.#name} cannot be ended`);
    }
  }

  async #applySerial(direction: LineDirection, cut: boolean): Promise<void> {
    await this.#order({ kind: "cut", slot: this.place.slot, direction, cut });
    this.#serial = { ...this.#serial, [direction]: cut };
  }

  async #applyEther(cut: EtherCut): Promise<void> {
    const { settings } = this.#options;
    const before = this.#ether;
    if (cut.unplugged !== before.unplugged) await runScript(carrierScript(settings.name, this.place, cut));
    if (cut.apart !== before.apart) await runScript(halfScript(settings.name, this.place, cut));
    if (cut.tx !== before.tx || cut.rx !== before.rx || cut.from !== before.from) await applyDrops(settings.name, this.place, cut);
    this.#ether = cut;
  }
}
