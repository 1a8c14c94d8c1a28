/**
 * `cardinal run`: one card, composed from its configuration: drivers, card, HTTP, watchdog, signals. SIGTERM and
 * SIGINT leave in good order; SIGHUP reads again what a running card can take over.
 */
import { randomBytes } from "node:crypto";
import process from "node:process";
import type { Authority } from "../src/api/authority.ts";
import type { CardConfiguration } from "./configuration.ts";
import { nativeDrivers, nativeResourceDrivers } from "../drivers/native.ts";
import { hex } from "../src/base/hex.ts";
import type { StoreOrder } from "../src/config/store.ts";
import { failingMs } from "../src/limits.ts";
import { ApplicationServer } from "../src/io/application-server.ts";
import { adminToken, adminTokenFile } from "../src/io/admin-token.ts";
import { Card } from "../src/io/card.ts";
import { CardChecks } from "../src/io/card-checks.ts";
import { type CardConfig, isMistakes, readCardConfig, reloadedConfig, restartLines } from "../src/io/config.ts";
import type { ConfigStore } from "../src/io/config-store.ts";
import { FailoverEdge } from "../src/io/failover-edge.ts";
import { cardUid, nextIncarnation, reservedViews, reserveViews } from "../src/io/identity.ts";
import { machineBoot, readLastRun, writeLastRun } from "../src/io/last-run.ts";
import { readKeyFile } from "../src/io/key-file.ts";
import { createLogger, type Logger } from "../src/io/log.ts";
import { lineOutput } from "../src/io/log-output.ts";
import type { Drivers, Watchdog } from "../src/io/ports.ts";
import { isRefusal, type Refusal } from "../src/io/refusal.ts";
import { lockState } from "../src/io/state-lock.ts";
import type { Witness } from "../src/io/witness.ts";
import { rehearse } from "../src/node/rehearsal.ts";
import type { Identity, NodeSettings } from "../src/node/settings.ts";
import type { CardStatus } from "../src/node/status.ts";
import { softwareVersion } from "../src/version.ts";
import { Keyring } from "../src/wire/auth.ts";

const exitLeft = 0;
const exitFailed = 1;
/** The card is to be reset: start it again. */
const exitReset = 75;
const exitConfiguration = 78;

/** Feeds of the watchdog within its time-out. */
const feedsPerTimeout = 4;

/**
 * Runs the card that `configFile` describes until it is told to leave; gives the process's exit code. `say` takes
 * what is wrong before there is a log, a line at a time.
 */
export async function runCard(configFile: string, say: (line: string) => void): Promise<number> {
  const config = readCardConfig(configFile);
  if (isMistakes(config)) {
    for (const { line } of config) say(line);
    return exitConfiguration;
  }
  const keyring = readKeyring(config);
  if (isRefusal(keyring)) {
    say(keyring.message);
    return exitConfiguration;
  }
  const lock = lockState(config.stateDirectory);
  if (isRefusal(lock)) {
    say(lock.message);
    return exitFailed;
  }
  try {
    // An incarnation is used up by reading it, so only by the card whose directory it is.
    const identity = readIdentity(config);
    if (isRefusal(identity)) {
      say(identity.message);
      return exitFailed;
    }
    const failover = config.configuration ? await openFailover(config) : undefined;
    if (failover !== undefined) rehearseTakeover(config);
    const running = new RunningCard(config, identity, keyring, failover);
    return await running.untilLeft();
  } catch (error) {
    say((error as Error).message);
    return exitFailed;
  } finally {
    lock.release();
  }
}

function readKeyring(config: CardConfig): Keyring | Refusal {
  const keys = readKeyFile(config.keyFile);
  return isRefusal(keys) ? keys : new Keyring(keys.map(({ secret }) => secret));
}

function readIdentity(config: CardConfig): Identity | Refusal {
  const { log } = loggerOf(config);
  const uid = cardUid(config.stateDirectory);
  if (isRefusal(uid)) return uid;
  const incarnation = nextIncarnation(config.stateDirectory, { atLeast: 0, wallClockMs: Date.now() });
  if (isRefusal(incarnation)) return incarnation;
  const nonce = new DataView(Uint8Array.from(randomBytes(4)).buffer).getUint32(0);
  const { systemNumber: system, card, name } = config;
  const reservedView = reservedViews(config.stateDirectory);
  if (isRefusal(reservedView)) return reservedView;
  const lastRun = readLastRun(config.stateDirectory, (reason) => log("warn", "no last run", { reason }));
  const boot = { machineBoot: machineBoot(), lastRun };
  return { system, card, incarnation, uid, name, nonce, software: softwareVersion, reservedView, boot };
}

/** Before a link is opened: afterwards nobody has the time. */
function rehearseTakeover(config: CardConfig): void {
  const from = performance.now();
  const { isTakenOver, steps } = rehearse();
  const level = isTakenOver ? "debug" : "warn";
  loggerOf(config).log(level, "rehearsed", { takenOver: isTakenOver, steps, ms: Math.round(performance.now() - from) });
}

/** What an earlier run left behind is stopped before the card is heard. */
function openFailover(config: CardConfig): Promise<FailoverEdge> {
  const { stateDirectory, systemNumber, chassis, slot, card } = config;
  return FailoverEdge.open({
    drivers: nativeResourceDrivers(stateDirectory),
    name: `${systemNumber.toString(16)}-${chassis}-${slot}`,
    stateDirectory,
    card,
    log: loggerOf(config).log,
  });
}

function loggerOf({ card, log }: CardConfig): Logger {
  return createLogger({ card, level: log.level, write: lineOutput(2), wallClock: Date.now });
}

class RunningCard {
  #config: CardConfig;
  readonly #logger: Logger;
  readonly #drivers: Drivers;
  readonly #card: Card;
  readonly #failover: FailoverEdge | undefined;
  #isRealtime = false;
  readonly #startedAt = new Date();
  readonly #cpuAtStart = process.cpuUsage();
  readonly #clockAtStart = performance.now();
  readonly #applications: ApplicationServer | undefined;
  /** The configuration's store; what is ordered of it before it is opened waits. */
  #store: ConfigStore | undefined;
  #earlyOrders: StoreOrder[] = [];
  #management: CardConfiguration | undefined;
  #witness: Witness | undefined;
  #watchdog: Watchdog | undefined;
  #feeding: ReturnType<typeof setInterval> | undefined;

  constructor(config: CardConfig, identity: Identity, keyring: Keyring, failover: FailoverEdge | undefined) {
    this.#config = config;
    this.#failover = failover;
    this.#logger = loggerOf(config);
    this.#drivers = nativeDrivers(config.stateDirectory);
    this.#openWatchdog();
    const checks = new CardChecks({
      stateDirectory: config.stateDirectory,
      interface: config.interface,
      port: (link) => this.#card.port(link),
      watchdog: () => config.watchdog === undefined ? undefined : this.#watchdog !== undefined,
    });
    this.#card = new Card({
      drivers: this.#drivers,
      systemName: config.system,
      identity,
      settings: this.#withWatchdog(config.node),
      keyring,
      interface: config.interface,
      device: config.device,
      log: this.#logger.log,
      nextIncarnation: (above) => {
        const incarnation = nextIncarnation(config.stateDirectory, { atLeast: above + 1, wallClockMs: Date.now() });
        if (isRefusal(incarnation)) throw new Error(incarnation.message);
        return incarnation;
      },
      reserveViews: (upTo) => {
        const refused = reserveViews(config.stateDirectory, upTo);
        if (refused !== undefined) throw new Error(refused.message);
      },
      applications: {
        send: (client, event) => this.#applications?.send(client, event),
        close: (client, reason) => this.#applications?.close(client, reason),
        closeAll: (reason) => this.#applications?.closeAll(reason),
      },
      ...(config.configuration ? { store: { order: (order: StoreOrder) => this.#order(order) } } : {}),
      ...(failover === undefined ? {} : { resources: failover, onRecord: (record) => failover.onRecord(record) }),
      checks: failover?.watched(checks) ?? checks,
      recordRun: (record) => {
        const reason = writeLastRun(config.stateDirectory, record);
        if (reason !== undefined) this.#logger.log("error", "run not recorded", { reason });
      },
      wantWitness: (wanted) => this.#witness?.want(wanted),
      checkWitness: () => this.#witness?.check(),
      onReset: (reason) => this.#reset(reason),
    });
    failover?.begin(this.#card);
    this.#applications = this.#applicationServer(identity);
    this.#logger.log("info", "started", {
      version: softwareVersion,
      system: config.system,
      slot: `${config.chassis}/${config.slot}`,
      incarnation: identity.incarnation,
      uid: hex(identity.uid),
      profile: config.profile,
    });
  }

  /** Serves until a signal says that the card is to leave. */
  async untilLeft(): Promise<number> {
    process.on("SIGHUP", () => this.#reload());
    // Listened to until the end, before anything is waited for: an early signal is not to end the card without a goodbye, nor a second one.
    const asked = new Promise<string>((resolve) => {
      for (const name of ["SIGTERM", "SIGINT"] as const) process.on(name, () => resolve(name));
    });
    const server = await this.#serve();
    try {
      await this.#openApplications();
      await this.#openWitness();
      this.#enterRealtime();
      await this.#openStore();
    } catch (error) {
      await this.#card.leave("stop");
      throw error;
    }
    this.#logger.log("info", "leaving", { signal: await asked });
    try {
      await this.#card.leave("stop");
      await this.#applications?.end();
      await this.#witness?.close();
      await server?.close();
      await this.#failover?.close();
      await this.#store?.close();
    } finally {
      // A card that cannot even leave is not to keep its watchdog quiet.
      clearInterval(this.#feeding);
    }
    this.#watchdog?.close({ disarm: true });
    this.#logger.log("info", "left", {});
    return exitLeft;
  }

  #applicationServer({ card, software }: Identity): ApplicationServer | undefined {
    const { applications } = this.#config;
    if (applications === false) return undefined;
    const { socket: path, mode, group } = applications;
    return new ApplicationServer({
      path,
      mode,
      ...(group === undefined ? {} : { group }),
      card,
      software,
      log: this.#logger.log,
      onRequest: (client, request) => this.#card.onApplication(client, request),
      onGone: (client, reason) => this.#card.onApplicationGone(client, reason),
    });
  }

  async #openApplications(): Promise<void> {
    const refused = await this.#applications?.open();
    // Applications are what the card is for: without their socket it is not to pass for a working one.
    if (refused !== undefined) throw new Error(refused.message);
  }

  /** After real time is entered: its thread is then a normal one, and a slow disk's work none that beats wait for. */
  async #openStore(): Promise<void> {
    const { configuration, stateDirectory } = this.#config;
    if (!configuration) return;
    const { ConfigStore } = await import("../src/io/config-store.ts");
    const store: ConfigStore = new ConfigStore({
      directory: stateDirectory,
      onResult: (result) => this.#card.onStored(result),
      onChanged: (tables) => this.#failover?.onStoreChanged(store, tables),
    });
    this.#store = store;
    for (const order of this.#earlyOrders) this.#store.order(order);
    this.#earlyOrders = [];
  }

  #order(order: StoreOrder): void {
    if (this.#store === undefined) this.#earlyOrders.push(order);
    else this.#store.order(order);
  }

  async #openWitness(): Promise<void> {
    const { witness, card } = this.#config;
    if (witness === undefined) return;
    const { Witness } = await import("../src/io/witness.ts");
    this.#witness = new Witness({ ...witness, card, onHeld: (held) => this.#card.onWitness(held), log: this.#logger.log });
    if (this.#card.wantsWitness) this.#witness.want(true);
  }

  /**
   * The hardware is to reset this card: nobody feeds its watchdog any more, and the multiplexor has been asked. What the
   * others were told leaves first; a card whose hardware does nothing ends here, for its supervisor to start again.
   */
  #reset(reason: string): void {
    clearInterval(this.#feeding);
    this.#logger.log("error", "resets itself", { reason });
    setTimeout(() => process.exit(exitReset), failingMs);
  }

  async #serve(): Promise<{ close(): Promise<void> } | undefined> {
    const { http } = this.#config;
    if (http === false) return undefined;
    // Loaded only by a card that serves: half of the program's memory is HTTP's.
    const [{ createApp }, { serve }] = await Promise.all([import("../src/api/app.ts"), import("../src/api/serve.ts")]);
    const { log } = this.#logger;
    const configuration = await this.#configuration();
    const failover = this.#failover;
    const app = createApp({
      status: () => this.#status(),
      log,
      card: this.#config.card,
      ...(configuration === undefined ? {} : { configuration }),
      ...(failover === undefined ? {} : { failover }),
    });
    try {
      const server = await serve(app, http.address, http.port);
      this.#logger.log("info", "http", { address: http.address, port: http.port });
      return server;
    } catch (error) {
      // The card's work does not hang on its management: it goes on, and says so.
      this.#logger.log("error", "http failed", { address: http.address, port: http.port, reason: (error as Error).message });
      return undefined;
    }
  }

  /** The configuration for HTTP, and who may do what with it. */
  async #configuration(): Promise<{ readonly source: CardConfiguration; readonly authority: Authority } | undefined> {
    const { configuration, stateDirectory, card, chassis, slot } = this.#config;
    if (!configuration) return undefined;
    const [{ Authority }, { CardConfiguration }] = await Promise.all([import("../src/api/authority.ts"), import("./configuration.ts")]);
    const { log } = this.#logger;
    const token = adminToken(stateDirectory);
    // Other tokens work all the same.
    if (isRefusal(token)) log("error", "no token of its own", { reason: token.message });
    const file = adminTokenFile(stateDirectory);
    const authority: Authority = new Authority({
      card: `card ${chassis}/${slot}`,
      adminDigest: isRefusal(token) ? undefined : token.digest,
      adminFile: file,
      row: async (table, id) => {
        const found = await source.keptRow(table, id);
        if ("unread" in found) throw new Error(found.unread.message);
        return found.row;
      },
      isBehind: () => this.#card.status().configuration?.state !== "current",
      wallClock: Date.now,
      log,
    });
    const source = new CardConfiguration({
      card,
      tokenFile: file,
      store: () => this.#store,
      status: () => this.#card.status().configuration,
      ask: (request) => this.#card.configure(request),
      refusedTokens: () => authority.failedCount,
    });
    this.#management = source;
    return { source, authority };
  }

  /** Only once the start is over: what is loaded and compiled then is no work that others should wait for. */
  #enterRealtime(): void {
    const { realtime } = this.#config;
    if (realtime === false) return;
    try {
      this.#drivers.realtime.enter(realtime.priority);
      if (realtime.lockMemory) this.#drivers.realtime.lockMemory();
      this.#isRealtime = true;
      this.#logger.log("info", "real-time", { priority: realtime.priority, lockMemory: realtime.lockMemory });
    } catch (error) {
      if (realtime.mode === "require") throw error;
      this.#logger.log("warn", "not real-time", { reason: (error as Error).message });
    }
  }

  /** The hardware has its own idea of a time-out, which is what counts. */
  #withWatchdog(settings: NodeSettings): NodeSettings {
    return this.#watchdog === undefined ? settings : { ...settings, watchdogMs: 1_000 * this.#watchdog.timeoutS };
  }

  #openWatchdog(): void {
    const { watchdog } = this.#config;
    if (watchdog === undefined) return;
    const opened = this.#drivers.watchdog.open(watchdog.device, watchdog.timeoutS);
    this.#watchdog = opened;
    this.#feeding = setInterval(() => {
      if (this.#card.feedsWatchdog(this.#failover?.isIdle ?? true)) opened.feed();
    }, (opened.timeoutS * 1_000) / feedsPerTimeout);
    this.#logger.log("info", "watchdog", { device: watchdog.device, timeoutS: opened.timeoutS });
  }

  #reload(): void {
    const read = readCardConfig(this.#config.file);
    if (isMistakes(read)) {
      for (const { line } of read) this.#logger.log("error", "not reloaded", { mistake: line });
      return;
    }
    const config = reloadedConfig(this.#config, read);
    const keyring = readKeyring(config);
    if (isRefusal(keyring)) return this.#logger.log("error", "not reloaded", { mistake: keyring.message });
    for (const line of restartLines(this.#config, read)) this.#logger.log("warn", "needs a restart", { change: line });
    this.#config = config;
    this.#logger.setLevel(config.log.level);
    this.#card.reload(this.#withWatchdog(config.node), keyring);
  }

  #status(): CardStatus {
    const config = this.#config;
    const counters = this.#card.counters();
    const mac = this.#card.mac;
    const { user, system } = process.cpuUsage(this.#cpuAtStart);
    return {
      ...this.#card.status(),
      ...(this.#management === undefined ? {} : { configuration: this.#management.status() }),
      system: config.system,
      version: softwareVersion,
      profile: config.profile,
      ports: {
        ether: { interface: config.interface, mac: mac === undefined ? "" : macText(mac), counters: counters.ether },
        serial: { device: config.device, baud: config.node.baud, counters: counters.serial },
      },
      process: {
        pid: process.pid,
        runtime: runtimeText(),
        startedAt: this.#startedAt.toISOString(),
        residentBytes: process.memoryUsage.rss(),
        cpuShare: (user + system) / 1_000 / (performance.now() - this.#clockAtStart),
        realtime: this.#isRealtime,
      },
    };
  }
}

function macText(mac: Uint8Array): string {
  return Array.from(mac, (byte) => hex(Uint8Array.of(byte))).join(":");
}

function runtimeText(): string {
  const versions = process.versions as Readonly<Record<string, string | undefined>>;
  if (versions["deno"] !== undefined) return `deno ${versions["deno"]}`;
  return `${softwareVersion.endsWith("+source") ? "node" : "binary, node"} ${process.versions.node}`;
}
