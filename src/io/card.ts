/**
 * The edge of a card: it reads the clock, opens the links, feeds the node one input at a time and carries out what
 * the node orders, in order. All that it decides is how; what and when is the node's.
 */
import { setImmediate } from "node:timers";
import { unreachable } from "../base/assert.ts";
import { chassisOf, type LinkKind, slotOf } from "../base/ids.ts";
import type { ApplicationEvent, ApplicationRequest } from "../cluster/application.ts";
import type { ConfigAnswer, ConfigRequest } from "../config/request.ts";
import type { StoreOrder, StoreResult } from "../config/store.ts";
import type { ProceedAnswer } from "../failover/boot.ts";
import type { LastRun } from "../failover/boot-type.ts";
import type { FailoverRecord } from "../failover/failover-record.ts";
import type { CheckOutcome, PostCheck, SelfTestCheck } from "../failover/self-test-checks.ts";
import type { HookOrder, HookResult, ResourceEvent } from "../failover/resource.ts";
import type { FailoverStatus, OperatorAnswer, OperatorRequest } from "../failover/service-types.ts";
import type { Effect, LogLevel } from "../node/effect.ts";
import type { FailoverEdgeInput, Input } from "../node/input.ts";
import { Node } from "../node/node.ts";
import type { Identity, NodeSettings } from "../node/settings.ts";
import type { NodeStatus } from "../node/status.ts";
import type { Keyring } from "../wire/auth.ts";
import { decodeFrame, encodeFrame, isMalformed } from "../wire/frame.ts";
import { encodeLldp } from "../wire/lldp.ts";
import { EtherLink } from "./ether-link.ts";
import type { Log } from "./log.ts";
import type { Drivers, Mac } from "./ports.ts";
import { SerialLink } from "./serial-link.ts";

export type CardOptions = {
  readonly drivers: Pick<Drivers, "ether" | "uart">;
  readonly systemName: string;
  readonly identity: Identity;
  readonly settings: NodeSettings;
  readonly keyring: Keyring;
  readonly interface: string;
  readonly device: string;
  readonly log: Log;
  /** Makes and stores an incarnation above the one given; called when the node has learnt that ours is too old. */
  readonly nextIncarnation: (above: number) => number;
  /** Writes down that view numbers up to this one may have been promised; back once it is durable. */
  readonly reserveViews: (upTo: number) => void;
  /** The clients of the local socket. */
  readonly applications: {
    send(client: number, event: ApplicationEvent): void;
    close(client: number, reason: string): void;
    closeAll(reason: string): void;
  };
  /** Where this card keeps the system's configuration; its results come back through `onStored`. Without one there is no replica on this card. */
  readonly store?: { order(order: StoreOrder): void };
  /**
   * What this card can run; results come back through `onHook`, events through `onResourceEvent`. Without it the card takes no part in failover. Of a
   * program of this card that ran before nothing is left running when it is given.
   */
  readonly resources?: {
    order(order: HookOrder): void;
    readonly isIdle: boolean;
    /** Another node has been made: it is told what the edge knows. */
    tellAll(): void;
  };
  /** A record of a failover as it is now. */
  readonly onRecord?: (record: FailoverRecord) => void;
  /** Carries the named checks of this card out; without it there is nothing to check. */
  readonly checks?: { post(check: PostCheck): Promise<CheckOutcome>; selfTest(check: SelfTestCheck): Promise<CheckOutcome> };
  /** Keeps it for the next run of this card. */
  readonly recordRun?: (record: LastRun) => void;
  /** Asks the witness for its lease, or gives it back; without one it is never called. */
  readonly wantWitness: (wanted: boolean) => void;
  /** Before anything is decided: a card that was stopped must not act on a lease that ran out meanwhile. */
  readonly checkWitness: () => void;
  /** The card is to be reset; the others have been told. Once this returns nothing more comes from the node. */
  readonly onReset: (reason: string) => void;
};

const nothingToCheck: CheckOutcome = { result: "skipped", code: "", text: "", ms: 0 };

type PortInput = Extract<Input, { readonly kind: "portUp" | "portDown" }>;

/** How long a card that leaves waits for its last bytes on the serial line. */
const drainMs = 500;
/** Node's timers take at most this; a later deadline is simply asked for again. */
const timerMsMax = 60_000;

export class Card {
  readonly #options: CardOptions;
  readonly #ether: EtherLink;
  readonly #serial: SerialLink;
  #identity: Identity;
  #settings: NodeSettings;
  #keyring: Keyring;
  #node: Node;
  /** What each port said last, for a node that starts over. */
  readonly #ports: Partial<Record<LinkKind, PortInput>> = {};
  #timer: ReturnType<typeof setTimeout> | undefined;
  #armedAt = Infinity;
  #isClosed = false;
  #wantsWitness = false;
  /** Who asked something of the configuration and has no answer yet. */
  readonly #asking = new Map<number, (answer: ConfigAnswer) => void>();
  #lastClient = 0;
  /** Operators whose orders have no answer yet. */
  readonly #operating = new Map<number, (answer: OperatorAnswer) => void>();
  /** Operators who said that the start goes on and have no answer yet. */
  readonly #proceeding = new Map<number, (answer: ProceedAnswer) => void>();
  /** The hooks that earlier nodes ordered, and all that were. */
  #earlierHooks = 0;
  #lastHook = 0;
  #onGoodbye: () => void = () => {};
  /** How late the program was at the worst since it was asked last. */
  #stallMs = 0;
  /** The orders to the store that earlier nodes gave: their results concern nobody any more. */
  #earlierOrders = 0;
  #lastOrder = 0;

  constructor(options: CardOptions) {
    this.#options = options;
    this.#identity = options.identity;
    this.#settings = options.settings;
    this.#keyring = options.keyring;
    this.#node = new Node(this.#identity, this.#settings, performance.now());
    const { drivers } = options;
    this.#ether = new EtherLink(drivers.ether, options.interface, {
      onFrame: (payload, source) => this.#onFrame("ether", payload, source),
      onUp: (mtu) => this.#onPort({ kind: "portUp", link: "ether", frameBytesMax: mtu }),
      onDown: (reason) => this.#onPort({ kind: "portDown", link: "ether", reason }),
    });
    this.#serial = new SerialLink(drivers.uart, options.device, options.settings.baud, {
      onFrame: (frame) => this.#onFrame("serial", frame),
      onDamaged: (reason) => this.#step({ kind: "malformed", link: "serial", reason }),
      onUp: () => this.#onPort({ kind: "portUp", link: "serial" }),
      onDown: (reason) => this.#onPort({ kind: "portDown", link: "serial", reason }),
    });
    if (options.store !== undefined) queueMicrotask(() => this.#step({ kind: "storeFound" }));
    if (options.resources !== undefined) queueMicrotask(() => this.#step({ kind: "resourcesFound" }));
    this.#arm();
  }

  status(): NodeStatus {
    return this.#node.status(performance.now());
  }

  /** Who serves what; `undefined` on a card without resources. */
  failover(): FailoverStatus | undefined {
    return this.#node.failover(performance.now());
  }

  /** Carries out an operator's order of failover, or says what it would do. */
  operate(order: OperatorRequest, dryRun: boolean): Promise<OperatorAnswer> {
    return new Promise((resolve) => {
      const client = ++this.#lastClient;
      this.#operating.set(client, resolve);
      this.#step({ kind: "failover", input: { kind: "operate", client, order, dryRun } });
    });
  }

  /** What a hook came to. Those that an earlier node ordered concern nobody any more. */
  onHook(result: HookResult): void {
    if (result.order <= this.#earlierHooks) return;
    this.onFailover({ kind: "hookEnded", result: { ...result, order: result.order - this.#earlierHooks } });
  }

  onResourceEvent(event: ResourceEvent): void {
    this.onFailover({ kind: "resourceEvent", event });
  }

  /** Rows of the configuration, readings, ports: what the edge knows of failover. */
  onFailover(input: FailoverEdgeInput): void {
    this.#step({ kind: "failover", input });
  }

  /** How late its timer was at the worst since this was asked last, in milliseconds. */
  takeStall(): number {
    const stallMs = this.#stallMs;
    this.#stallMs = 0;
    return stallMs;
  }

  /** Whether the watchdog is fed now. `isIdle`: nothing that is failed over runs on this card. */
  feedsWatchdog(isIdle: boolean): boolean {
    return this.#node.feedsWatchdog(performance.now(), isIdle);
  }

  /** A client of the local socket asks for something. */
  onApplication(client: number, request: ApplicationRequest): void {
    this.#step({ kind: "application", client, request });
  }

  onApplicationGone(client: number, reason: string): void {
    this.#step({ kind: "applicationGone", client, reason });
  }

  /** Asks something of the system's configuration; a card that closes answers nobody any more. */
  configure(request: ConfigRequest): Promise<ConfigAnswer> {
    return new Promise((resolve) => {
      const client = ++this.#lastClient;
      this.#asking.set(client, resolve);
      this.#step({ kind: "configure", client, request });
    });
  }

  /** An operator says that what this card's start waits for does not run. */
  proceed(by: string): Promise<ProceedAnswer> {
    return new Promise((resolve) => {
      const client = ++this.#lastClient;
      this.#proceeding.set(client, resolve);
      this.#step({ kind: "bootProceed", client, by });
    });
  }

  /** What our port of a link said last. */
  port(link: LinkKind): { readonly up: boolean; readonly reason: string } | undefined {
    const said = this.#ports[link];
    return said === undefined ? undefined : { up: said.kind === "portUp", reason: said.kind === "portUp" ? "" : said.reason };
  }

  /** What came of an order to the store. */
  onStored(result: StoreResult): void {
    const order = result.order - this.#earlierOrders;
    if (order > 0) this.#step({ kind: "stored", result: { ...result, order } });
  }

  onWitness(held: boolean): void {
    this.#step({ kind: "witness", held });
  }

  /** Whether the node has asked for the witness's lease. */
  get wantsWitness(): boolean {
    return this.#wantsWitness;
  }

  get mac(): Mac | undefined {
    return this.#ether.mac;
  }

  counters(): Record<LinkKind, Record<string, number>> {
    return { ether: this.#ether.counters(), serial: this.#serial.counters() };
  }

  /** Takes over what can change while the card runs. */
  reload(settings: NodeSettings, keyring: Keyring): void {
    this.#settings = settings;
    this.#keyring = keyring;
    this.#step({ kind: "reloaded", settings });
  }

  /** Says goodbye on both links and closes them. */
  async leave(reason: "stop" | "restart" | "maintenance" | "upgrade"): Promise<void> {
    this.#step({ kind: "leave", reason });
    // It hands over first; its goodbye comes when nothing runs here any more.
    if (!this.#node.hasLeft) await new Promise<void>((resolve) => this.#onGoodbye = resolve);
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await Promise.all([this.#ether.close(), this.#serial.close(drainMs)]);
  }

  #onFrame(link: LinkKind, bytes: Uint8Array, source?: Mac): void {
    const frame = decodeFrame(link, this.#keyring, this.#identity.system, bytes);
    if (isMalformed(frame)) return this.#step({ kind: "malformed", link, reason: frame.malformed });
    this.#step(source === undefined ? { kind: "heard", link, frame } : { kind: "heard", link, frame, source });
  }

  #onPort(input: PortInput): void {
    this.#ports[input.link] = input;
    this.#step(input);
  }

  #step(input: Input): void {
    if (this.#isClosed) return;
    // It may say so by an input of its own, which is then the first.
    if (input.kind !== "witness") this.#options.checkWitness();
    for (const effect of this.#node.step(performance.now(), input)) this.#perform(effect);
    if (this.#node.hasLeft) this.#onGoodbye();
    this.#arm();
  }

  #perform(effect: Effect): void {
    switch (effect.kind) {
      case "send": {
        const { system, card: from, incarnation } = this.#identity;
        const { link, to, sequence, message, address } = effect;
        const bytes = encodeFrame(link, this.#keyring, { system, from, to, incarnation, sequence, message });
        if (link === "ether") this.#ether.send(bytes, address);
        else this.#serial.send(bytes);
        return;
      }
      case "sendLldp":
        return this.#sendLldp(effect.ttlS);
      case "log":
        return this.#options.log(effect.level as LogLevel, effect.event, effect.fields);
      case "reincarnate":
        return this.#reincarnate(effect.above);
      case "application":
        return this.#options.applications.send(effect.client, effect.event);
      case "closeApplication":
        return this.#options.applications.close(effect.client, effect.reason);
      case "reserve":
        return this.#reserve(effect.upTo);
      case "witness":
        this.#wantsWitness = effect.wanted;
        return this.#options.wantWitness(effect.wanted);
      case "store":
        this.#lastOrder = this.#earlierOrders + effect.order.order;
        return this.#options.store?.order({ ...effect.order, order: this.#lastOrder });
      case "configured": {
        const answer = this.#asking.get(effect.client);
        this.#asking.delete(effect.client);
        return answer?.(effect.answer);
      }
      case "hook":
        this.#lastHook = this.#earlierHooks + effect.order.order;
        return this.#options.resources?.order({ ...effect.order, order: this.#lastHook });
      case "operated": {
        const answer = this.#operating.get(effect.client);
        this.#operating.delete(effect.client);
        return answer?.(effect.answer);
      }
      case "record":
        return this.#options.onRecord?.(effect.record);
      case "post":
        for (const check of effect.checks) {
          this.#check(this.#options.checks?.post(check), (outcome) => ({ kind: "postChecked", check, outcome }));
        }
        return;
      case "selfTest": {
        const { run, checks } = effect;
        for (const check of checks) {
          this.#check(this.#options.checks?.selfTest(check), (outcome) => ({ kind: "selfTestChecked", run, check, outcome }));
        }
        return;
      }
      case "recordRun":
        return this.#recordRun(effect.record);
      case "bootAnswered": {
        const answer = this.#proceeding.get(effect.client);
        this.#proceeding.delete(effect.client);
        return answer?.(effect.answer);
      }
      case "resetCard":
        return this.#options.onReset(effect.reason);
      default:
        return unreachable(effect);
    }
  }

  /** In a turn of its own: what has to be sent first is not to wait for a disk. */
  #reserve(upTo: number): void {
    setImmediate(() => {
      this.#options.reserveViews(upTo);
      this.#identity = { ...this.#identity, reservedView: upTo };
      this.#step({ kind: "reserved", upTo });
    });
  }

  /** What an earlier node had checked concerns nobody any more. */
  #check(checking: Promise<CheckOutcome> | undefined, inputOf: (outcome: CheckOutcome) => Input): void {
    const node = this.#node;
    const answer = (outcome: CheckOutcome) => {
      if (this.#node === node) this.#step(inputOf(outcome));
    };
    void (checking ?? Promise.resolve(nothingToCheck)).then(answer);
  }

  /** In a turn of its own, but for the last word: after that there may be none. */
  #recordRun(record: LastRun): void {
    const { boot } = this.#identity;
    this.#identity = { ...this.#identity, boot: { machineBoot: boot?.machineBoot ?? "", lastRun: record } };
    if (record.ended === "open") setImmediate(() => this.#options.recordRun?.(record));
    else this.#options.recordRun?.(record);
  }

  #sendLldp(ttlS: number): void {
    const mac = this.#ether.mac;
    if (mac === undefined) return;
    const { card, name, uid, software } = this.#identity;
    const { interface: interfaceName, systemName } = this.#options;
    const place = { card, chassis: chassisOf(card), slot: slotOf(card) };
    this.#ether.sendLldp(encodeLldp({ mac, interfaceName, cardName: name, systemName, ...place, uid, software, ttlS }));
  }

  /** A new incarnation is a new node: nothing that was believed under the old one is carried over. */
  #reincarnate(above: number): void {
    const { resources } = this.#options;
    // A new incarnation runs nothing: the others count on it from its first word.
    if (resources?.isIdle === false) return this.#options.onReset("it has to start over with a new incarnation, and something runs here");
    const incarnation = this.#options.nextIncarnation(above);
    this.#options.log("warn", "new incarnation", { was: this.#identity.incarnation, incarnation });
    this.#identity = { ...this.#identity, incarnation };
    this.#options.applications.closeAll("the card starts over with a new incarnation");
    this.#node = new Node(this.#identity, this.#settings, performance.now());
    for (const port of Object.values(this.#ports)) queueMicrotask(() => this.#step(port));
    this.#earlierOrders = this.#lastOrder;
    for (const [client, answer] of this.#asking) {
      const message = "this card starts over with a new incarnation: the change may have been carried out; the same key tells";
      answer({ kind: "refused", refusal: { code: "timeout", message }, servedBy: this.#identity.card });
      this.#asking.delete(client);
    }
    this.#earlierHooks = this.#lastHook;
    for (const [client, answer] of this.#operating) {
      const message = "this card starts over with a new incarnation: what was ordered may have been carried out";
      answer({ kind: "refused", code: "unanswered", message, hint: "look with `cardinal set show`, and ask again" });
      this.#operating.delete(client);
    }
    if (this.#options.store !== undefined) queueMicrotask(() => this.#step({ kind: "storeFound" }));
    if (resources !== undefined) {
      queueMicrotask(() => {
        this.#step({ kind: "resourcesFound" });
        resources.tellAll();
      });
    }
  }

  /** A timer that is too early only asks again, so it is set anew only when something is due sooner. */
  #arm(): void {
    const dueAt = this.#node.deadline();
    if (dueAt >= this.#armedAt || this.#isClosed) return;
    clearTimeout(this.#timer);
    this.#armedAt = dueAt;
    // Node's timers count whole milliseconds and would come a little early, only to be set again.
    const waitMs = Math.min(timerMsMax, Math.max(0, Math.ceil(dueAt - performance.now())));
    this.#timer = setTimeout(() => {
      this.#stallMs = Math.max(this.#stallMs, performance.now() - this.#armedAt - 1);
      this.#armedAt = Infinity;
      if (performance.now() < this.#node.deadline()) this.#arm();
      else this.#step({ kind: "tick" });
    }, waitMs);
  }
}
