/**
 * A chassis while it is up: the process that holds this owns everything that the chassis consists of, and takes it
 * down exactly once, however it comes to that: an order, a signal, the end of its owner, a failure half-way up.
 */
import { chmodSync, copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import type { Server } from "node:net";
import { crc32 } from "../../src/base/crc.ts";
import { generateKeyFile } from "../../src/io/key-file.ts";
import { isRefusal } from "../../src/io/refusal.ts";
import type { CardStatus } from "../../src/node/status.ts";
import { Bus } from "./bus.ts";
import { askCard } from "./card-http.ts";
import { runScript } from "./command.ts";
import { type Order, serveControl } from "./control.ts";
import { boundLog, logEvent } from "./logs.ts";
import type { Line } from "./multiplexor-messages.ts";
import { cardNamespace, hostAddress, hostNamespace, interfaceName, type Place, placesOf, placeText } from "./names.ts";
import { bridgeScript, cablingScript, cardOnScript, hostScript } from "./network.ts";
import { cardDirectory, cardLog, claim, eventLog, multiplexorLog, removeDirectory, socketName, socketPath } from "./place.ts";
import { ensureNamespaces } from "./private-run.ts";
import { isAlive, listensOn, type ProcessRef, processRef } from "./processes.ts";
import { Refused } from "./refusal.ts";
import { buildDirectory, cardProgram } from "./repository.ts";
import { httpPort, type Settings } from "./settings.ts";
import { makeShelf, shelfOf } from "./shelf.ts";
import { Slot, ttyName } from "./slot.ts";
import type { ChassisStatus, MultiplexorStatus, SlotStatus } from "./status.ts";
import { markVariable, sweep } from "./sweep.ts";

const houseKeepingMs = 2_000;
const ownerMs = 500;

export class Daemon {
  readonly settings: Settings;
  readonly directory: string;
  /** Something of an earlier chassis of this name was found and removed. */
  readonly leftBehind: boolean;
  readonly #startedAt = performance.now();
  #cardsStartedAt = this.#startedAt;
  readonly #env: NodeJS.ProcessEnv;
  readonly #timers: ReturnType<typeof setInterval>[] = [];
  #buses: Bus[] = [];
  #deadBuses = new Set<number>();
  #slots: Slot[] = [];
  #server: Server | undefined;
  #opening: Promise<void> | undefined;
  #isGone = false;
  #closing: Promise<void> | undefined;
  #onClosed: () => void = () => {};
  /** Resolves when everything is taken down. */
  readonly closed: Promise<void> = new Promise((resolve) => this.#onClosed = resolve);

  private constructor(settings: Settings) {
    this.settings = settings;
    const { directory, leftBehind } = claim(settings);
    this.directory = directory;
    this.leftBehind = leftBehind;
    this.#env = {
      ...process.env,
      [markVariable]: directory,
      PATH: `${buildDirectory}:${process.env["PATH"] ?? "/usr/sbin:/usr/bin:/sbin:/bin"}`,
    };
  }

  /**
   * Brings a chassis up; its cards have been started when this is done. On a failure half-way, and on `stop`, everything
   * is taken down again before it rejects.
   */
  static async open(settings: Settings, stop: AbortSignal): Promise<Daemon> {
    cardProgram(settings.runtime);
    await ensureNamespaces();
    const daemon = new Daemon(settings);
    const onStop = () => void daemon.close("signal");
    stop.addEventListener("abort", onStop);
    try {
      daemon.#opening = daemon.#open();
      await daemon.#opening;
      if (stop.aborted) throw new Refused("state", "stopped while it came up");
      return daemon;
    } catch (error) {
      await daemon.close("failure");
      throw error;
    } finally {
      stop.removeEventListener("abort", onStop);
    }
  }

  async #open(): Promise<void> {
    const { settings, directory } = this;
    const swept = await sweep(settings.name, directory);
    if (this.leftBehind || swept.processes + swept.namespaces > 0) this.#log("sweptLeftBehind", swept);
    this.#proceed();

    const keyFile = `${directory}/system.key`;
    this.#makeKey(keyFile);
    const [buses] = await Promise.all([this.#openBuses(keyFile), this.#cable()]);
    this.#buses = buses;
    this.#proceed();

    const places = placesOf(settings);
    for (const place of places) this.#furnish(place, keyFile);
    makeShelf(settings, directory);
    this.#slots = places.map((place) => this.#slotFor(place));
    this.#server = await serveControl(socketPath(directory), (order) => this.carryOut(order));
    this.#proceed();
    this.#cardsStartedAt = performance.now();
    await Promise.all(this.#slots.map((slot) => slot.start()));
    this.#keepHouse();
    this.#log("up", { cards: places.length, runtime: settings.runtime, baud: settings.baud, profile: settings.profile });
  }

  /** Between two steps of coming up: whether it is still wanted. */
  #proceed(): void {
    if (this.#closing !== undefined) throw new Refused("state", "stopped while it came up");
  }

  async #cable(): Promise<void> {
    const { settings } = this;
    await runScript(cablingScript(settings));
    await Promise.all([
      runScript(bridgeScript(settings)),
      runScript(hostScript(settings)),
      ...placesOf(settings).map((place) => runScript(cardOnScript(settings.name, place))),
    ]);
  }

  #makeKey(keyFile: string): void {
    const made = generateKeyFile(keyFile, { force: false, now: new Date() });
    if (isRefusal(made)) throw new Refused("machine", made.message);
  }

  #openBuses(keyFile: string): Promise<Bus[]> {
    const { settings, directory } = this;
    const name = new TextEncoder().encode(settings.name);
    return Promise.all(
      Array.from({ length: settings.chassis }, (_, index) => {
        const chassis = index + 1;
        return Bus.open({
          start: {
            kind: "start",
            chassis,
            slots: settings.cards,
            systemName: settings.name,
            keyFile,
            baud: settings.baud,
            // Seconds are enough: a chassis of this name is not made twice within one.
            incarnation: Math.floor(Date.now() / 1_000),
            seed: crc32(Uint8Array.of(...name, chassis)),
          },
          logFile: multiplexorLog(directory, chassis),
          env: this.#env,
          onReset: (slot) => this.#onReset(chassis, slot),
          onExit: (reason) => this.#log("multiplexorEnded", { chassis, reason }),
        });
      }),
    );
  }

  /** What a card finds in its directory before its first start. */
  #furnish(place: Place, keyFile: string): void {
    const { settings } = this;
    const own = cardDirectory(this.directory, place);
    mkdirSync(`${own}/state`, { recursive: true, mode: 0o700 });
    copyFileSync(keyFile, `${own}/system.key`);
    chmodSync(`${own}/system.key`, 0o600);
    const config = {
      system: settings.name,
      chassis: place.chassis,
      slot: place.slot,
      state: "state",
      key: "system.key",
      ether: { interface: interfaceName },
      serial: { device: `${own}/${ttyName}`, baud: settings.baud },
      profile: settings.profile,
      cards: placesOf(settings).map(placeText),
      http: { address: "0.0.0.0", port: httpPort },
      applications: { socket: socketName },
      log: { level: "info" },
    };
    writeFileSync(`${own}/card.json`, JSON.stringify(config, undefined, 2) + "\n");
  }

  #slotFor(place: Place): Slot {
    return new Slot({
      settings: this.settings,
      place,
      bus: this.#buses[place.chassis - 1] as Bus,
      directory: cardDirectory(this.directory, place),
      chassisDirectory: this.directory,
      logFile: cardLog(this.directory, place),
      command: [...cardProgram(this.settings.runtime), "run", "--config", "card.json"],
      env: this.#env,
      log: (event, fields) => this.#log(event, fields),
    });
  }

  #onReset(chassis: number, slot: number): void {
    const place = { chassis, slot };
    this.#slotAt(place).reset("multiplexor").catch((error: Error) => {
      this.#log("failed", { card: placeText(place), error: error.message });
      this.#buses[chassis - 1]?.order({ kind: "resetDone", slot, stopped: false }).catch(() => {});
    });
  }

  #keepHouse(): void {
    const { ownerPid } = this.settings;
    const owner: ProcessRef | undefined = ownerPid === undefined ? undefined : processRef(ownerPid);
    if (ownerPid !== undefined) {
      this.#timers.push(setInterval(() => {
        if (owner === undefined || !isAlive(owner)) void this.close("owner ended");
      }, ownerMs));
    }
    const logs = [
      eventLog(this.directory),
      ...this.#buses.map((bus) => multiplexorLog(this.directory, bus.chassis)),
      ...this.#slots.map((slot) => cardLog(this.directory, slot.place)),
    ];
    this.#timers.push(setInterval(() => logs.forEach(boundLog), houseKeepingMs));
  }

  #log(event: string, fields: Readonly<Record<string, unknown>> = {}): void {
    if (!this.#isGone) logEvent(eventLog(this.directory), event, fields);
  }

  #slotAt(place: Place): Slot {
    const slot = this.#slots.find(({ place: { chassis, slot } }) => chassis === place.chassis && slot === place.slot);
    if (slot === undefined) throw new Refused("usage", `there is no card ${placeText(place)} in ${this.settings.name}`);
    return slot;
  }

  async carryOut(order: Order): Promise<unknown> {
    switch (order.verb) {
      case "status":
        return await this.status(order.cards);
      case "pull":
        return await this.#slotAt(order.place).pull();
      case "crash":
        return await this.#slotAt(order.place).crash();
      case "insert":
        return await this.#slotAt(order.place).insert();
      case "reset":
        return await this.#slotAt(order.place).reset("order");
      case "leave":
        return await this.#slotAt(order.place).leave();
      case "stall":
        return await this.#slotAt(order.place).stall(order.ms);
      case "cutEther": {
        const cut = order.directions === "unplug"
          ? { unplugged: true }
          : order.directions === "apart"
          ? { apart: true }
          : "from" in order.directions
          ? { from: [order.directions.from] }
          : Object.fromEntries(order.directions.map((direction) => [direction, true]));
        return await this.#slotAt(order.place).cutEther(cut);
      }
      case "cutSerial":
        return await this.#slotAt(order.place).cutSerial(order.directions);
      case "cutMux":
        return await this.#setBusDead(order.chassis, true);
      case "corrupt":
        return await this.#slotAt(order.place).corrupt(order.rate);
      case "heal": {
        const slots = order.place === undefined ? this.#slots : [this.#slotAt(order.place)];
        await Promise.all(slots.map((slot) => slot.heal()));
        if (order.place === undefined) { for (const chassis of [...this.#deadBuses]) await this.#setBusDead(chassis, false); }
        return;
      }
      case "down":
        // The answer goes out first; whoever asked waits for the end of this process.
        setImmediate(() => void this.close("order"));
        return;
      default:
        throw new Refused("usage", `no such order: ${JSON.stringify(order)}`);
    }
  }

  async #setBusDead(chassis: number, dead: boolean): Promise<void> {
    await this.#buses[chassis - 1]?.order({ kind: "dead", dead });
    if (dead) this.#deadBuses.add(chassis);
    else this.#deadBuses.delete(chassis);
    this.#log(dead ? "multiplexorDead" : "multiplexorBack", { chassis });
  }

  /** With `cards`, every card that listens is asked as well. */
  async status(cards: boolean): Promise<ChassisStatus> {
    const { settings, directory } = this;
    const lines = await Promise.all(this.#buses.map((bus) => bus.order({ kind: "counters" }).catch((): readonly Line[] => [])));
    const slots = await Promise.all(this.#slots.map(async (slot): Promise<SlotStatus> => {
      const line = lines[slot.place.chassis - 1]?.[slot.place.slot - 1]?.counters;
      const said = cards && slot.state === "running" ? await this.#ask(slot) : undefined;
      const answer = said === undefined ? {} : "silent" in said ? { silentBecause: said.silent } : { status: said };
      return { ...slot.status(), ...(line === undefined ? {} : { line }), ...answer };
    }));
    return {
      name: settings.name,
      directory,
      daemonPid: process.pid,
      upForMs: Math.round(performance.now() - this.#startedAt),
      cardsForMs: Math.round(performance.now() - this.#cardsStartedAt),
      settings,
      hostNamespace: hostNamespace(settings.name),
      hostAddress,
      multiplexors: this.#buses.map((bus) => this.#busStatus(bus)),
      cards: slots,
      disks: shelfOf(settings, directory),
    };
  }

  async #ask(slot: Slot): Promise<CardStatus | { readonly silent: string }> {
    // A shell is only sent where somebody listens.
    if (slot.pid === undefined || !listensOn(slot.pid, httpPort)) return { silent: `it does not listen on port ${httpPort}` };
    return await askCard(cardNamespace(this.settings.name, slot.place));
  }

  #busStatus(bus: Bus): MultiplexorStatus {
    const { pid, ...rest } = bus.status;
    return { chassis: bus.chassis, ...(pid === undefined ? {} : { pid }), dead: this.#deadBuses.has(bus.chassis), ...rest };
  }

  /** Takes everything down. Asked again, it waits for the same end. */
  close(reason: string): Promise<void> {
    this.#closing ??= this.#close(reason);
    return this.#closing;
  }

  async #close(reason: string): Promise<void> {
    // What is still being made must be there to be removed.
    await this.#opening?.catch(() => {});
    this.#log("down", { reason });
    for (const timer of this.#timers) clearInterval(timer);
    this.#server?.close();
    await Promise.all(this.#slots.map((slot) => slot.close()));
    await Promise.all(this.#buses.map((bus) => bus.close()));
    await sweep(this.settings.name, this.directory);
    this.#isGone = true;
    removeDirectory(this.directory);
    this.#onClosed();
  }
}
