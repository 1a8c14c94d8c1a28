/**
 * The edge of failover: gives the node what only the machine knows, and carries out what the node orders. It stops what an earlier run of the program left
 * behind, before the card says anything; notes what is started before it is; reads the tables that failover follows; looks at interfaces and health.
 *
 *     left behind ─ stop ─► (card is made) ─► begin ─► hooks, rows, ports, readings ─► end
 */
import { clearInterval, clearTimeout, setInterval, setTimeout } from "node:timers";
import { join } from "node:path";
import process from "node:process";
import type { CardId } from "../base/ids.ts";
import type { Row } from "../config/change.ts";
import type { ProceedAnswer } from "../failover/boot.ts";
import { cardOf } from "../failover/config.ts";
import type { FailoverRecord } from "../failover/failover-record.ts";
import type { ReadingName } from "../failover/health.ts";
import type { HookOrder, HookResult, ResourceEvent } from "../failover/resource.ts";
import type { CheckOutcome, PostCheck, SelfTestCheck } from "../failover/self-test-checks.ts";
import {
  type FailoverStatus,
  type FailoverTable,
  failoverTables,
  type OperatorAnswer,
  type OperatorRequest,
} from "../failover/service-types.ts";
import { healthLookMs, interfacesLookMs, leftoverStopMs, ownTestDeadlineMs, ownTestMs } from "../limits.ts";
import type { FailoverEdgeInput } from "../node/input.ts";
import type { NodeStatus } from "../node/status.ts";
import type { ConfigStore } from "./config-store.ts";
import { diskErrorCounts, DiskErrors } from "./disk-errors.ts";
import { FailoverArchive } from "./failover-archive.ts";
import { machineBoot } from "./last-run.ts";
import type { Log } from "./log.ts";
import { machineReadings } from "./machine-readings.ts";
import type { ResourceDrivers } from "./ports.ts";
import { ResourceJournal } from "./resource-journal.ts";
import { Resources } from "./resources/resources.ts";

export type FailoverEdgeOptions = {
  readonly drivers: ResourceDrivers;
  /** Of this card among others of the machine, a file's name. */
  readonly name: string;
  readonly stateDirectory: string;
  readonly card: CardId;
  readonly log: Log;
};

/** What the edge tells, and asks, the card. */
export type FailoverCard = {
  onHook(result: HookResult): void;
  onResourceEvent(event: ResourceEvent): void;
  onFailover(input: FailoverEdgeInput): void;
  takeStall(): number;
  failover(): FailoverStatus | undefined;
  operate(order: OperatorRequest, dryRun: boolean): Promise<OperatorAnswer>;
  proceed(by: string): Promise<ProceedAnswer>;
  status(): Pick<NodeStatus, "configuration">;
};

/** The named checks of a card. */
export type Checks = { post(check: PostCheck): Promise<CheckOutcome>; selfTest(check: SelfTestCheck): Promise<CheckOutcome> };

type Ports = ReadonlyMap<string, "down" | "missing">;

/** Of the reading `selfTest`, which is a grade by itself. */
const [testPassed, testFailed] = [0, 2] as const;

export class FailoverEdge {
  readonly #options: FailoverEdgeOptions;
  #resources!: Resources;
  #journal!: ResourceJournal;
  #archive!: FailoverArchive;
  #card: FailoverCard | undefined;
  #store: Pick<ConfigStore, "tables"> | undefined;
  /** Results that are waited for here, not by the card. */
  readonly #own = new Map<number, (result: HookResult) => void>();
  /** Starts that are being noted: by the resource, the order. */
  readonly #noting = new Map<string, number>();
  readonly #lastStarts = new Map<string, number>();
  #isReading = false;
  #isReadAgain = false;
  #interfaces: readonly string[] = [];
  #ports: Ports = new Map();
  #isLooking = false;
  #readings: ReadonlyMap<ReadingName, number> = new Map();
  readonly #diskErrors = new DiskErrors();
  #checks: Checks | undefined;
  /** What came of the disk in the last self-test, whoever asked for it. */
  #ownTest: typeof testPassed | typeof testFailed = testPassed;
  #ownTestedAt = -Infinity;
  readonly #timers: ReturnType<typeof setInterval>[] = [];

  private constructor(options: FailoverEdgeOptions) {
    this.#options = options;
  }

  /**
   * Nothing of an earlier run is left when it resolves. Rejects with an `Error` that says what cannot be stopped: the card is not to be heard then,
   * for its first word would say that it runs nothing.
   */
  static async open(options: FailoverEdgeOptions): Promise<FailoverEdge> {
    const { drivers, name, stateDirectory, log } = options;
    const edge = new FailoverEdge(options);
    edge.#journal = await ResourceJournal.open(join(stateDirectory, "resources"), machineBoot());
    edge.#resources = await Resources.open({
      drivers,
      name,
      onResult: (result) => edge.#onResult(result),
      onEvent: (event) => edge.#card?.onResourceEvent(event),
    });
    try {
      await edge.#stopLeftovers();
    } catch (error) {
      await edge.#resources.close();
      await edge.#journal.close();
      throw error;
    }
    edge.#archive = await FailoverArchive.open({
      directory: join(stateDirectory, "failovers"),
      onFailure: (reason) => log("error", "records are not kept", { reason }),
    });
    return edge;
  }

  /** The card is made: it is told what it has to know from now on. */
  begin(card: FailoverCard): void {
    this.#card = card;
    queueMicrotask(() => this.tellAll());
    this.#timers.push(
      setInterval(() => void this.#lookAtInterfaces(), interfacesLookMs),
      setInterval(() => void this.#lookAtHealth(), healthLookMs),
    );
    for (const timer of this.#timers) timer.unref();
  }

  /** To a node that has just been made, which knows nothing yet. */
  tellAll(): void {
    this.#card?.onFailover({ kind: "archived", last: this.#archive.records.at(-1)?.id ?? 0 });
    this.#ports = new Map();
    this.#readings = new Map();
    void this.#readRows();
    void this.#lookAtHealth();
  }

  /** The same checks; what they say of this card's disk, to whomever, counts for its health at once. */
  watched(checks: Checks): Checks {
    this.#checks = {
      post: (check) => checks.post(check),
      selfTest: (check) => {
        const outcome = checks.selfTest(check);
        if (check === "disk") void this.#weigh(outcome);
        return outcome;
      },
    };
    return this.#checks;
  }

  /** Nothing runs here that the node has ordered. */
  get isIdle(): boolean {
    return this.#journal.isEmpty;
  }

  /** Answered later, never inside of it. */
  order(order: HookOrder): void {
    if (order.hook !== "start") {
      if (order.hook === "stop") this.#noting.delete(order.resource);
      return this.#resources.order(order);
    }
    this.#noting.set(order.resource, order.order);
    this.#lastStarts.set(order.resource, order.order);
    this.#journal.start(order.resource, order.spec).then(
      () => this.#start(order),
      (error: Error) => this.#answer(order, "failed", `it cannot be noted that it is to run here: ${error.message}`),
    );
  }

  /** A stop may have come while it was being noted. */
  #start(order: HookOrder): void {
    if (this.#noting.get(order.resource) !== order.order) return this.#answer(order, "overtaken", "a stop came before it began");
    this.#noting.delete(order.resource);
    this.#resources.order(order);
  }

  #answer({ order, hook, resource }: HookOrder, outcome: HookResult["outcome"], reason: string): void {
    this.#card?.onHook({ order, hook, resource, outcome, reason, ms: 0 });
  }

  onRecord(record: FailoverRecord): void {
    this.#archive.keep(record);
  }

  /** Whose rows are read; told at its opening, and with each change. */
  onStoreChanged(store: Pick<ConfigStore, "tables">, tables: readonly string[] | undefined): void {
    this.#store = store;
    if (tables === undefined || failoverTables.some((table) => tables.includes(table))) void this.#readRows();
  }

  /** What the card knows, with the records that only this card's disk has any more. */
  status(): FailoverStatus | undefined {
    const status = this.#card?.failover();
    if (status === undefined) return undefined;
    const known = new Set(status.records.map(({ id }) => id));
    const earlier = this.#archive.records.filter(({ id }) => !known.has(id));
    return { ...status, records: [...earlier, ...status.records].sort((a, b) => a.id - b.id) };
  }

  /** The word that silent cards run nothing goes to the boot first, where the card holds for them. */
  async operate(order: OperatorRequest, dryRun: boolean): Promise<OperatorAnswer> {
    const card = this.#card;
    if (card === undefined) return { kind: "refused", code: "not-known", message: "the card is starting", hint: "Ask again in a moment." };
    if (order.verb !== "assume-idle" || dryRun) return await card.operate(order, dryRun);
    const answer = await card.proceed(order.by);
    if (answer.kind === "proceeds") return { kind: "ordered", lines: [answer.text] };
    if (answer.code === "not-waiting") return await card.operate(order, dryRun);
    return { kind: "refused", code: "not-eligible", message: answer.message, hint: "See `cardinal boot` for what the card waits for." };
  }

  /** What still runs stays; the next run stops it. */
  async close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    await this.#resources.close();
    await this.#archive.close();
    await this.#journal.close();
  }

  // ---- what was left behind

  /** The last started first, each after those that were started after it. */
  async #stopLeftovers(): Promise<void> {
    for (const { resource, spec } of this.#journal.held.reverse()) {
      const result = await new Promise<HookResult>((resolve) => {
        // Orders of the card count from 1.
        const order = -1 - this.#own.size;
        this.#own.set(order, resolve);
        this.#resources.order({ order, hook: "stop", resource, spec, deadlineMs: leftoverStopMs });
      });
      const { outcome, reason, ms } = result;
      this.#options.log("warn", "stopped what an earlier run left", { resource, outcome, reason, ms: Math.round(ms) });
      if (outcome !== "done" && outcome !== "notRunning") {
        throw new Error(`${resource}, which an earlier run of this card left, cannot be stopped: ${outcome} (${reason})`);
      }
    }
  }

  #onResult(result: HookResult): void {
    const { order, hook, resource, outcome } = result;
    const isStopped = hook === "stop" ? outcome === "done" || outcome === "notRunning" : hook === "start" && outcome === "invalid";
    // What was noted for a later start stays.
    if (isStopped && order >= (this.#lastStarts.get(resource) ?? -Infinity)) {
      this.#lastStarts.delete(resource);
      this.#journal.stopped(resource);
    }
    const own = this.#own.get(order);
    if (own !== undefined) return own(result);
    this.#tellHook(result);
    this.#card?.onHook(result);
  }

  /** With instants of the machine's monotonic clock, which those of another card on the same machine can be compared with. */
  #tellHook({ hook, resource, outcome, reason, ms }: HookResult): void {
    if (hook !== "start" && hook !== "stop") return;
    const endedMs = Number(process.hrtime.bigint()) / 1e6;
    const fields = { hook, resource, outcome, reason, startedMs: rounded(endedMs - ms), endedMs: rounded(endedMs) };
    this.#options.log(outcome === "done" || outcome === "notRunning" ? "info" : "warn", "hook", fields);
  }

  // ---- the configuration

  /** One reading at a time; what changes meanwhile is read again. */
  async #readRows(): Promise<void> {
    this.#isReadAgain = true;
    if (this.#isReading) return;
    this.#isReading = true;
    while (this.#isReadAgain && this.#store !== undefined) {
      this.#isReadAgain = false;
      const read = await this.#store.tables(failoverTables);
      if ("unread" in read) continue;
      const { head: { epoch, sequence }, rows } = read;
      this.#interfaces = interfacesOf(this.#options.card, rows);
      this.#card?.onFailover({ kind: "configuration", place: { epoch, sequence }, rows });
      void this.#lookAtInterfaces();
    }
    this.#isReading = false;
  }

  // ---- the machine

  async #lookAtInterfaces(): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    const names = this.#interfaces;
    const links = await Promise.all(names.map((name) => this.#resources.linkOf(name)));
    const ports = new Map<string, "down" | "missing">();
    for (const [index, name] of names.entries()) {
      const link = links[index];
      if (link === "down" || link === "missing") ports.set(name, link);
    }
    this.#isLooking = false;
    if (isSame(ports, this.#ports)) return;
    this.#ports = ports;
    this.#card?.onFailover({ kind: "ports", ports });
  }

  async #lookAtHealth(): Promise<void> {
    const card = this.#card;
    if (card === undefined) return;
    const stallMs = card.takeStall();
    this.#testItself();
    // So that a reason has its age when somebody asks for the first time.
    card.failover()?.readiness?.step();
    const machine = await machineReadings(this.#options.stateDirectory);
    const diskErrors = this.#diskErrors.onCounts(performance.now(), await diskErrorCounts());
    const readings = new Map<ReadingName, number>([
      ...machine,
      ...(diskErrors === undefined ? [] : [["diskErrors", diskErrors] as const]),
      ["selfTest", this.#ownTest],
      ["stall", Math.round(stallMs)],
      ["database", card.status().configuration?.state === "hold" ? 2 : 0],
      ["ports", [...this.#ports.values()].filter((state) => state === "down").length],
    ]);
    if (isSame(readings, this.#readings)) return;
    this.#readings = readings;
    card.onFailover({ kind: "readings", values: readings });
  }

  /** Whether nobody asks: a card whose links are well has its disk tested, too. */
  #testItself(): void {
    const now = performance.now();
    if (this.#ownTest === testPassed && now < this.#ownTestedAt + ownTestMs) return;
    this.#ownTestedAt = now;
    void this.#checks?.selfTest("disk");
  }

  /** A check that does not answer in its time has failed. */
  async #weigh(outcome: Promise<CheckOutcome>): Promise<void> {
    const late: Pick<CheckOutcome, "result" | "text"> = { result: "failed", text: `no answer within ${ownTestDeadlineMs} ms` };
    const timer = Promise.withResolvers<typeof late>();
    const timeout = setTimeout(() => timer.resolve(late), ownTestDeadlineMs);
    const { result, text } = await Promise.race([outcome, timer.promise]);
    clearTimeout(timeout);
    const found = result === "failed" ? testFailed : testPassed;
    this.#ownTestedAt = performance.now();
    if (found === this.#ownTest) return;
    this.#ownTest = found;
    this.#options.log(found === testFailed ? "error" : "info", "own test", { check: "disk", result, reason: text });
    this.#readings = new Map([...this.#readings, ["selfTest", found]]);
    this.#card?.onFailover({ kind: "readings", values: new Map([["selfTest", found]]) });
  }
}

/** Those that services and port groups of a card are on. */
function interfacesOf(card: CardId, rows: Readonly<Record<FailoverTable, readonly Row[]>>): readonly string[] {
  const names = new Set<string>();
  for (const { interface: name } of rows.resources) if (typeof name === "string" && name !== "") names.add(name);
  for (const { id, interfaces } of rows.portGroups) {
    const list: unknown = cardOf(id.slice(0, 3)) === card && typeof interfaces === "string" ? JSON.parse(interfaces) : [];
    if (Array.isArray(list)) { for (const name of list) if (typeof name === "string") names.add(name); }
  }
  return [...names].sort();
}

/** To microseconds. */
function rounded(ms: number): number {
  return Math.round(ms * 1_000) / 1_000;
}

function isSame<Key, Value>(one: ReadonlyMap<Key, Value>, other: ReadonlyMap<Key, Value>): boolean {
  return one.size === other.size && [...one].every(([key, value]) => other.get(key) === value);
}
