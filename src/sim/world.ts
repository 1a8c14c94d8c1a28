/**
 * A world: 2 to 64 cards in 1 to 8 chassis, one Ethernet switch, a serial bus with a multiplexor for each chassis,
 * and everything that can happen to them, under one scheduler ordered by (time, insertion). The cards run the very
 * code of a real card; the world is their drivers, their cables and their bad days.
 *
 *     Node.step ──► send ──► encode ──► switch | bus ──► (later) ──► decode, once for all ──► Node.step
 *                                           │
 *                                         faults, from the seed
 *
 * Invariants: whatever happens follows from the options, so a seed replays byte for byte; the checkers see every
 * step of every card right after it; a card's clock never goes back.
 */
import { assert } from "../base/assert.ts";
import { cardAt, type CardId, chassisOf, everybody, type LinkKind, linkKinds, multiplexor, slotCountMax, slotOf } from "../base/ids.ts";
import { Prng } from "../base/prng.ts";
import { failingMs, keyBytes, lateTickMs, uidBytes } from "../limits.ts";
import type { Effect } from "../node/effect.ts";
import type { Input } from "../node/input.ts";
import { Node } from "../node/node.ts";
import type { NodeSettings } from "../node/settings.ts";
import type { NodeStatus } from "../node/status.ts";
import { Keyring } from "../wire/auth.ts";
import { encodeFrame } from "../wire/frame.ts";
import type { MessageKind } from "../wire/message.ts";
import { encodeSerial } from "../wire/serial.ts";
import { Ambushes, type TrapEnd, type TrapWay } from "./ambushes.ts";
import { Applications } from "./applications.ts";
import { Bus } from "./bus.ts";
import { checkAnswers } from "./card-checks.ts";
import type { Violation } from "./checker.ts";
import { Checkers } from "./checkers.ts";
import { Clock } from "./clock.ts";
import { EventQueue } from "./event-queue.ts";
import type { FailoverPart } from "./failover-rows.ts";
import { FailoverSystem } from "./failover-system.ts";
import { Forger, type Forgery } from "./forger.ts";
import { History } from "./history.ts";
import { Lease } from "./lease.ts";
import type { LineDirection } from "./multiplexor.ts";
import { Noise, type NoiseRates } from "./noise.ts";
import { patiencesOf, type ProfileName } from "../node/profiles.ts";
import { Reader } from "./reader.ts";
import { Operators } from "./operators.ts";
import { keepWaiting, type Run, SimCard, type Stall, type StartProgram, type WakeOrder } from "./sim-card.ts";
import { type Port, Switch, type Transmission } from "./switch.ts";
import { Watchdogs } from "./watchdogs.ts";

export type WorldOptions = {
  readonly seed: number;
  /** The cards that are plugged in at the start, which are also the ones that the configuration names. */
  readonly cards: readonly CardId[];
  readonly profile: ProfileName | ((card: CardId) => ProfileName);
  /** Bits per second of every serial line. */
  readonly baud: number;
  /** Of the cards, those that do not vote. */
  readonly disabled?: readonly CardId[];
  /** Who decides at exactly half: the lowest card unless another is named. */
  readonly tieBreak?: CardId;
  /** A witness outside decides instead. */
  readonly witness?: boolean;
  /** The cards start within this many milliseconds. */
  readonly startSpreadMs?: number;
  /** The cards have stores, and so a configuration. */
  readonly stores?: boolean;
  /** The cards have resources, and these failover sets say who runs them. */
  readonly failover?: readonly FailoverPart[];
  /** Each card has a hardware watchdog with this time-out. */
  readonly watchdogMs?: number;
  /** A timer is late by up to this, the grain of the runtimes' timers: 1 ms unless a recording wants none. */
  readonly timerGrainMs?: number;
  /** Runs a card's program; the node, unless a test puts a broken one there. */
  readonly start?: StartProgram;
  /** Takes each line of history as it happens. */
  readonly trace?: (line: string) => void;
  /** Sees every step, after the checkers. */
  readonly onStep?: (card: SimCard, at: number, input: Input, effects: readonly Effect[]) => void;
};

/** From a card's power or reset to the start of its program. */
export const bootMs = 400;
/** From the goodbye of a card that leaves to its end. */
export const leaveMs = 50;
const slotNumbers = Array.from({ length: slotCountMax }, (_, index) => index + 1);
export type TwinIncarnation = "lower" | "same" | "higher";
/** A cold start waits so long for all cards: worlds are short. */
const coldWaitMs = 30_000;
/** From the order to write down reserved view numbers until they are on disk. */
const reserveMs = [0.5, 30] as const;

export class World {
  readonly options: WorldOptions;
  readonly system: number;
  readonly history: History;
  readonly checkers: Checkers;
  readonly applications: Applications;
  readonly lease: Lease;
  /** Who writes the configuration; `undefined` where the cards have no stores. */
  readonly operators: Operators | undefined;
  /** What the cards run; `undefined` where they have no resources. */
  readonly failover: FailoverSystem | undefined;
  readonly #watchdogs: Watchdogs | undefined;
  readonly #prng: Prng;
  readonly #faultPrng: Prng;
  readonly #events = new EventQueue<(at: number) => void>();
  readonly #cards: SimCard[] = [];
  readonly #onTick: ((at: number) => void)[] = [];
  readonly #switch: Switch;
  readonly #buses = new Map<number, Bus>();
  readonly #keyring: Keyring;
  readonly #reader: Reader;
  readonly #start: StartProgram;
  readonly #timerGrainMs: number;
  readonly #forger: Forger;
  readonly #ambushes = new Ambushes();
  #orders = 0;
  /** Steps that are under way. */
  #steps = 0;
  #at = 0;

  constructor(options: WorldOptions) {
    this.options = options;
    this.#prng = new Prng(options.seed);
    this.#faultPrng = new Prng(options.seed ^ 0x5f356495);
    this.system = this.#prng.below(0x10000);
    this.#keyring = new Keyring([this.#bytes(keyBytes)]);
    const foreignKeyring = new Keyring([this.#bytes(keyBytes)]);
    this.#forger = new Forger({ system: this.system, keyring: this.#keyring, foreignKeyring }, this.#faultPrng);
    this.#reader = new Reader(this.#keyring, this.system);
    this.#start = options.start ?? ((identity, settings, now) => new Node(identity, settings, now));
    this.#timerGrainMs = options.timerGrainMs ?? 1;
    this.history = new History(options.trace);
    this.operators = options.stores === true ? this.#newOperators() : undefined;
    this.failover = options.failover === undefined ? undefined : this.#newFailover(options.failover);
    const dogs = { world: this, reset: (card: SimCard) => this.#restart(card, "reset by its watchdog") };
    this.#watchdogs = options.watchdogMs === undefined ? undefined : new Watchdogs(dogs, options.watchdogMs);
    this.checkers = new Checkers(this);
    this.applications = new Applications(
      {
        world: this,
        tell: (card, run, input) => this.#tell(card, run, input),
        onEvent: (client, event) => this.checkers.onApplication(client, event),
        onMissing: (client) => this.checkers.onMissing(client),
      },
      new Prng(options.seed ^ 0x1b873593),
    );
    this.lease = new Lease(this, (card, run, input) => this.#tell(card, run, input), this.#faultPrng);
    this.#switch = new Switch(this.#faultPrng, (at, sent, ports) => this.#events.push(at, (then) => this.#onEther(then, sent, ports)));
    for (const id of options.cards) this.#bus(chassisOf(id), options.cards);
    for (const id of options.cards) {
      const card = this.#plug(id, slotOf(id), 0, false);
      this.#powerOn(card, this.#prng.unit() * (options.startSpreadMs ?? 200));
    }
  }

  /** The world's time in milliseconds from its beginning. */
  get at(): number {
    return this.#at;
  }

  get violations(): readonly Violation[] {
    return this.checkers.violations;
  }

  /** All cards, twins after the cards that the configuration names. */
  get cards(): readonly SimCard[] {
    return this.#cards;
  }

  /** The card of the configuration with this id. */
  card(id: CardId): SimCard {
    const card = this.#cards.find((candidate) => candidate.id === id);
    assert(card !== undefined, `no card ${id} in this world`);
    return card;
  }

  /** What a running card says of itself now. */
  statusOf(card: SimCard): NodeStatus | undefined {
    return card.run?.program.status(Math.max(card.run.now, card.clock.localAt(this.#at)));
  }

  busOf(card: SimCard): Bus {
    return this.#bus(card.chassis);
  }

  /** Lets time pass, until `until` or the first violation. */
  runUntil(until: number): void {
    while (this.checkers.violations.length === 0 && this.#events.nextAt() <= until) {
      this.#at = this.#events.nextAt();
      this.#events.pop()(this.#at);
    }
    if (this.checkers.violations.length === 0) this.#at = until;
  }

  /** Has something done at an instant that is not past. */
  later(at: number, run: (at: number) => void): void {
    this.#events.push(at, run);
  }

  /** Power and card are gone: the slot's sense says so. */
  pull(card: SimCard): void {
    this.#end(card, "pulled");
    this.#watchdogs?.disarm(card);
    this.failover?.onPowerLost(card);
    card.powered = false;
    card.starts++;
    this.#settlePort(card);
    this.#tellPower(card);
  }

  /** The card's program is gone, its power is not: only silence tells. */
  crash(card: SimCard): void {
    this.#end(card, "crashed");
    card.starts++;
  }

  /** A card that was pulled or crashed starts, with the next incarnation, or with one from a restored state. */
  insert(card: SimCard, restoredIncarnation?: number): void {
    if (card.run !== undefined) return;
    if (restoredIncarnation !== undefined) card.incarnation = restoredIncarnation - 1;
    this.#powerOn(card, bootMs);
  }

  /** The card is asked to leave in good order, and its process ends. */
  leave(card: SimCard, reason: Extract<Input, { kind: "leave" }>["reason"]): void {
    const { run } = card;
    if (run === undefined || run.stall !== undefined) return;
    run.leaving = true;
    this.#step(card, run, { kind: "leave", reason });
    const end = () => {
      if (card.run !== run) return;
      // It hands over first what it runs; while its program stands still it says no goodbye either.
      if (run.stall !== undefined || run.program.hasLeft === false) return this.later(this.#at + leaveMs, end);
      this.#end(card, "left");
      this.#watchdogs?.disarm(card);
    };
    this.later(this.#at + leaveMs, end);
  }

  reload(card: SimCard, profile: ProfileName): void {
    card.configured = { ...card.configured, ...patiencesOf(profile) };
    if (card.run !== undefined) this.#tell(card, card.run, { kind: "reloaded", settings: card.configured });
  }

  /** The card's process stands still. */
  stall(card: SimCard, ms: number, first: WakeOrder, dropsOldest: boolean): void {
    const { run } = card;
    if (run === undefined || run.stall !== undefined) return;
    run.stall = { until: this.#at + ms, first, dropsOldest, waiting: [], inputs: [] };
    const { stall } = run;
    this.later(stall.until, () => this.#wake(card, run, stall));
  }

  /** A cable that carries nothing, one way or both, while both its ends believe that it works. */
  cut(card: SimCard, link: LinkKind, direction: LineDirection | "both"): void {
    if (link === "ether") {
      if (direction !== "rx") card.etherPort.cutTx = true;
      if (direction !== "tx") card.etherPort.cutRx = true;
    } else if (card.slot !== undefined) {
      for (const way of ["tx", "rx"] as const) {
        if (direction === way || direction === "both") {
          this.#bus(card.chassis).tell(this.#at, { kind: "cut", slot: card.slot, direction: way, cut: true });
        }
      }
    }
  }

  /** The card's own port: carrier lost or found, the tty gone or back. */
  setPort(card: SimCard, link: LinkKind, works: boolean): void {
    if (link === "serial" && card.slot === undefined) return;
    card.portWorks[link] = works;
    this.#settlePort(card);
    const { run } = card;
    if (run === undefined || run.stall !== undefined || run.port[link] === works) return;
    this.#tellPort(card, run, link, works ? undefined : "no carrier");
  }

  /** Ethernet frames from one card no longer reach the other; with `oneWay` only in this direction. */
  partition(from: SimCard, to: SimCard, oneWay: boolean): void {
    this.#switch.block(from.etherPort, to.etherPort);
    if (!oneWay) this.#switch.block(to.etherPort, from.etherPort);
  }

  setNoise(link: LinkKind, rates: Partial<NoiseRates>): void {
    if (link === "ether") this.#switch.noise = new Noise({ ...this.#switch.noise.rates, ...rates });
    else for (const bus of this.#buses.values()) bus.noise = new Noise({ ...bus.noise.rates, ...rates });
  }

  corruptSerial(card: SimCard, rate: number): void {
    if (card.slot !== undefined) this.#bus(card.chassis).tell(this.#at, { kind: "corrupt", slot: card.slot, rate });
  }

  setMultiplexorDead(chassis: number, dead: boolean): void {
    this.#bus(chassis).tell(this.#at, { kind: "dead", dead });
  }

  /** The slot's power sense fails or works again: without it the multiplexor takes the slot for empty, whatever is in it. */
  setSense(card: SimCard, works: boolean): void {
    if (card.slot === undefined) return;
    card.senseWorks = works;
    if (!works) card.senseWrongUpTo = card.incarnation;
    this.#tellPower(card);
  }

  babble(card: SimCard): void {
    if (card.slot !== undefined) this.#bus(card.chassis).babble(this.#at, card.slot);
  }

  crossTalk(from: SimCard, into: SimCard, rate: number): void {
    if (from.slot !== undefined && into.slot !== undefined) this.#bus(from.chassis).crossTalk(from.slot, into.slot, rate);
  }

  /** Plugs in a second card that claims the identity of `card`, in a free slot of its chassis or on Ethernet alone. */
  duplicate(card: SimCard, incarnation: TwinIncarnation): void {
    const taken = this.#cards.filter((other) => other.chassis === card.chassis).map((other) => other.slot);
    let slot: number | undefined;
    for (let candidate = slotCountMax; candidate >= 1; candidate--) if (!taken.includes(candidate)) slot = candidate;
    const difference = { lower: -1, same: 0, higher: 1 }[incarnation];
    const twin = this.#plug(card.id, slot, Math.max(-1, card.incarnation + difference - 1), true);
    twin.reservedView = card.reservedView;
    this.#powerOn(twin, bootMs);
  }

  /** A card orders the multiplexor to reset a slot of its chassis. */
  orderReset(by: SimCard, slot: number): void {
    const { run } = by;
    if (run === undefined || by.slot === undefined) return;
    const meant = this.#cards.find((card) => card.slot === slot && card.chassis === by.chassis);
    const message = { kind: "muxReset", id: ++this.#orders, slot, incarnation: meant?.incarnation ?? 0 } as const;
    const frame = {
      system: this.system,
      from: by.id,
      to: multiplexor,
      incarnation: run.identity.incarnation,
      sequence: 0x40000000 + this.#orders,
      message,
    } as const;
    this.#bus(by.chassis).send(this.#at, by.slot, encodeSerial(encodeFrame("serial", this.#keyring, frame)));
  }

  /** Somebody without the key sends a frame in the name of `card` to everybody on `link`. */
  forge(forgery: Forgery, link: LinkKind, card: SimCard): void {
    const bytes = this.#forger.forge(forgery, link, card);
    if (bytes === undefined) return;
    if (link === "ether") this.#switch.inject(this.#at, everybody, bytes);
    else {
      const bus = this.#bus(card.chassis);
      const slots = slotNumbers.filter((slot) => bus.multiplexor.powerOf(slot) === "on");
      if (slots.length > 0) bus.tell(this.#at, { kind: "bytes", slot: this.#faultPrng.pick(slots), bytes });
    }
  }

  /** The card ends when it has sent, or is about to take, its `count`th message of a kind from now on. */
  trap(card: SimCard, way: TrapWay, kind: MessageKind, count: number, ends: TrapEnd): void {
    this.#ambushes.trap(card, way, kind, count, ends);
  }

  /** The next Ethernet frames of a kind that a card sends are lost, on their way to one card or to all. */
  drop(from: SimCard, kind: MessageKind, to: SimCard | undefined, count: number): void {
    this.#ambushes.drop(from, kind, to, count);
  }

  /** While it is quiet nobody sends or asks by himself: what is left under way is the cards' own. */
  setQuiet(quiet: boolean): void {
    this.applications.setQuiet(quiet);
    this.operators?.setQuiet(quiet);
  }

  /** Ends all faults of links and clocks; who stopped stays stopped. */
  heal(): void {
    this.#ambushes.clear();
    this.#switch.heal();
    for (const bus of this.#buses.values()) bus.heal(this.#at);
    for (const card of this.#cards) {
      if (card.run?.stall !== undefined) this.#wake(card, card.run, card.run.stall);
      for (const link of linkKinds) this.setPort(card, link, link === "ether" || card.slot !== undefined);
      this.setSense(card, true);
      this.#endRebootLoop(card);
    }
    this.operators?.heal();
  }

  /** An operator has looked at why a card ended again and again before it was ready. */
  #endRebootLoop(card: SimCard): void {
    if (card.lastRun !== undefined) card.lastRun = { ...card.lastRun, unreadyStarts: 0 };
    const { run } = card;
    if (run !== undefined && this.statusOf(card)?.boot.hold?.code === "reboot-loop") {
      this.#tell(card, run, { kind: "bootProceed", client: 1, by: "operator" });
    }
  }

  /** Takes the twins out and starts every card that has stopped; somebody looks after what the cards run. */
  revive(): void {
    this.failover?.heal();
    for (const card of this.#cards) {
      if (card.isTwin) this.pull(card);
      else if (card.run === undefined || card.run.leaving) {
        this.#end(card, "restarted");
        this.#powerOn(card, bootMs);
      }
    }
  }

  #bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let index = 0; index < length; index++) bytes[index] = this.#prng.bits();
    return bytes;
  }

  #newFailover(parts: readonly FailoverPart[]): FailoverSystem {
    const tell = (card: SimCard, run: Run, input: Input) => this.#tell(card, run, input);
    const onHook: Checkers["onHook"] = (card, hook, resource) => this.checkers.onHook(card, hook, resource);
    return new FailoverSystem({ world: this, tell, onHook }, new Prng(this.options.seed ^ 0x27d4eb2f), this.options.cards, parts);
  }

  #newOperators(): Operators {
    return new Operators(
      {
        world: this,
        tell: (card, run, input) => this.#tell(card, run, input),
        crash: (card) => this.crash(card),
        onStored: (card, run, store, result) => this.checkers.onStored(card, run, store, result),
        onAnswer: (write, card, run, answer) => this.checkers.onAnswer(write, card, run, answer),
      },
      new Prng(this.options.seed ^ 0x3c6ef372),
    );
  }

  /** `cards`: those that have power when it is made. */
  #bus(chassis: number, cards: readonly CardId[] = []): Bus {
    let bus = this.#buses.get(chassis);
    if (bus === undefined) {
      const options = {
        power: Array.from({ length: slotCountMax }, (_, index) => cards.includes(cardAt(chassis, index + 1)) ? "on" as const : "absent"),
        chassis,
        system: this.system,
        keyring: this.#keyring,
        baud: this.options.baud,
        incarnation: 1,
        prng: this.#faultPrng,
        decode: (line: Uint8Array) => this.#reader.line(line),
      };
      bus = new Bus(
        options,
        {
          later: (at, run) => this.later(at, run),
          onBytes: (at, _chassis, slot, bytes) => this.#onSerial(at, chassis, slot, bytes),
          onReset: (_at, _chassis, slot) => this.#onReset(chassis, slot),
        },
        this.#faultPrng,
        this.#at,
      );
      this.#buses.set(chassis, bus);
    }
    return bus;
  }

  #plug(id: CardId, slot: number | undefined, incarnation: number, isTwin: boolean): SimCard {
    const index = this.#cards.length;
    const { profile, cards, baud, disabled, tieBreak, witness } = this.options;
    const settings: NodeSettings = {
      ...patiencesOf(typeof profile === "string" ? profile : profile(id)),
      baud,
      expected: cards,
      disabled: disabled ?? [],
      ...(tieBreak === undefined ? {} : { tieBreak }),
      witness: witness ?? false,
      redundantLinks: true,
      ...(this.options.watchdogMs === undefined ? {} : { watchdogMs: this.options.watchdogMs }),
      coldWaitMs,
    };
    const card = new SimCard({
      index,
      id,
      chassis: chassisOf(id),
      slot,
      uid: this.#bytes(uidBytes),
      label: isTwin ? `twin ${id}` : `card ${id}`,
      clock: new Clock(this.#prng),
      etherPort: this.#switch.addPort(index, id),
      isTwin,
      settings,
      incarnation,
    });
    this.#cards.push(card);
    this.#onTick.push((at) => this.#tick(card, at));
    return card;
  }

  #powerOn(card: SimCard, afterMs: number): void {
    // A machine that starts anew runs nothing of what it ran.
    this.failover?.onPowerLost(card);
    this.#watchdogs?.disarm(card);
    card.powered = true;
    card.machineStarts++;
    this.#settlePort(card);
    this.#tellPower(card);
    const start = ++card.starts;
    this.later(this.#at + afterMs, () => {
      if (card.starts === start && card.powered && card.run === undefined) this.#begin(card, this.#prng.bits());
    });
  }

  #tellPower(card: SimCard): void {
    if (card.slot === undefined) return;
    const power = card.powered && card.senseWorks ? "on" : "absent";
    this.#bus(card.chassis).tell(this.#at, { kind: "power", slot: card.slot, power });
  }

  #settlePort(card: SimCard): void {
    card.etherPort.attached = card.powered && card.portWorks.ether;
  }

  /** A new node, at the card's start or, with the nonce that it had, when the process gives itself a new incarnation. */
  #begin(card: SimCard, nonce: number): void {
    if (card.run !== undefined) {
      this.applications.onEnd(card.run);
      this.operators?.onEnd(card, card.run);
    }
    card.incarnation++;
    if (!card.senseWorks) card.senseWrongUpTo = card.incarnation;
    card.settings = card.configured;
    const { id, uid, incarnation, reservedView } = card;
    const boot = { machineBoot: `${card.machineStarts}`, lastRun: card.lastRun };
    const identity = { system: this.system, card: id, incarnation, uid, name: `card-${id}`, nonce, software: "sim", reservedView, boot };
    const run = card.begin(identity, this.#start, this.#at);
    this.#watchdogs?.onBegin(card, run);
    this.history.fact(this.#at, `${card.label} starts with incarnation ${incarnation}`);
    this.checkers.onBegin(card);
    if (!card.isTwin) {
      this.applications.onBegin(card, run);
      this.operators?.onBegin(card, run);
      this.failover?.onBegin(card, run);
    }
    this.later(this.#at, () => {
      for (const link of linkKinds) if (card.run === run) this.#tellPort(card, run, link, card.portWorks[link] ? undefined : "not there");
    });
  }

  #end(card: SimCard, how: string): void {
    const { run } = card;
    if (run === undefined) return;
    card.end();
    this.history.fact(this.#at, `${card.label} ${how}`);
    this.applications.onEnd(run);
    this.operators?.onEnd(card, run);
    this.checkers.onEnd(card, run);
  }

  #tellPort(card: SimCard, run: Run, link: LinkKind, reason: string | undefined): void {
    run.port[link] = reason === undefined;
    if (reason === undefined) run.decoder.reset();
    this.#step(card, run, reason === undefined ? { kind: "portUp", link } : { kind: "portDown", link, reason });
  }

  #onReset(chassis: number, slot: number): void {
    const card = this.#cards.find((candidate) => candidate.chassis === chassis && candidate.slot === slot);
    if (card !== undefined) {
      this.checkers.onKilled(card);
      this.#end(card, "reset by the multiplexor");
      this.failover?.onPowerLost(card);
      this.#powerOn(card, bootMs);
    }
    this.#bus(chassis).tell(this.#at, { kind: "resetDone", slot, stopped: card !== undefined });
  }

  #onEther(at: number, sent: Transmission, ports: readonly Port[]): void {
    for (const port of ports) {
      const card = this.#cards[port.index] as SimCard;
      const { run } = card;
      if (run === undefined || !run.port.ether) continue;
      if (run.stall !== undefined) keepWaiting(run.stall, { link: "ether", sent });
      else this.#hearEther(at, card, run, sent);
    }
  }

  #onSerial(at: number, chassis: number, slot: number, bytes: Uint8Array): void {
    // What the writing of a card pushes along is heard when the card is through with its step.
    if (this.#steps > 0) return this.later(at, (then) => this.#onSerial(then, chassis, slot, bytes));
    for (const card of this.#cards) {
      if (card.slot !== slot || card.chassis !== chassis) continue;
      const { run } = card;
      if (run === undefined || !run.port.serial) continue;
      if (run.stall !== undefined) keepWaiting(run.stall, { link: "serial", bytes });
      else this.#hearSerial(at, card, run, bytes);
    }
  }

  #hearEther(at: number, card: SimCard, run: Run, sent: Transmission): void {
    const input = this.#reader.ether(sent);
    if (this.#forger.hasForged(sent.bytes)) this.checkers.onForged(card, input);
    this.#stepAt(at, card, run, input);
  }

  #hearSerial(at: number, card: SimCard, run: Run, bytes: Uint8Array): void {
    for (const input of this.#reader.serial(run.decoder, bytes)) {
      if (this.#forger.hasForged(bytes)) this.checkers.onForged(card, input);
      if (card.run === run) this.#stepAt(at, card, run, input);
    }
  }

  #wake(card: SimCard, run: Run, stall: Stall): void {
    if (card.run !== run || run.stall !== stall) return;
    run.stall = undefined;
    this.history.fact(this.#at, `${card.label} wakes up, ${stall.waiting.length} waiting, ${stall.first} first`);
    const tick = () => {
      const now = card.clock.localAt(this.#at);
      if (card.run === run && now >= run.deadline) this.#step(card, run, { kind: "tick" });
    };
    this.lease.onWake(card, run);
    if (stall.first === "tick") tick();
    const ownFirst = stall.inputs.length > 0 && this.#faultPrng.chance(0.5);
    if (ownFirst) this.#tellWaiting(card, run, stall);
    for (const waiting of stall.waiting) {
      if (card.run !== run) return;
      if (waiting.link === "ether") this.#hearEther(this.#at, card, run, waiting.sent);
      else this.#hearSerial(this.#at, card, run, waiting.bytes);
    }
    if (!ownFirst) this.#tellWaiting(card, run, stall);
    tick();
    for (const link of linkKinds) {
      if (card.run === run && run.port[link] !== card.portWorks[link]) {
        this.#tellPort(card, run, link, card.portWorks[link] ? undefined : "no carrier");
      }
    }
    if (card.run === run) this.#schedule(card, run);
  }

  #tellWaiting(card: SimCard, run: Run, stall: Stall): void {
    for (const input of stall.inputs) if (card.run === run) this.#step(card, run, input);
  }

  /** What the card's own side has to say; it waits while the program stands still. */
  #tell(card: SimCard, run: Run, input: Input): void {
    if (card.run !== run) return;
    if (run.stall !== undefined) run.stall.inputs.push(input);
    else this.#step(card, run, input);
  }

  #tick(card: SimCard, at: number): void {
    if (at !== card.tickAt) return;
    card.tickAt = Infinity;
    card.tickFor = Infinity;
    const { run } = card;
    if (run === undefined || run.stall !== undefined) return;
    // The way from the card's time to the world's and back is not exact to the last bit.
    if (card.clock.localAt(at) + 1e-6 < run.deadline) this.#schedule(card, run);
    else this.#stepAt(at, card, run, { kind: "tick" }, run.deadline);
  }

  #step(card: SimCard, run: Run, input: Input): void {
    this.#stepAt(this.#at, card, run, input);
  }

  #stepAt(at: number, card: SimCard, run: Run, input: Input, notBefore = -Infinity): void {
    if (input.kind === "heard" && this.#springs(card, "hears", input.frame.message.kind)) return;
    const now = Math.max(card.clock.localAt(at), run.now, notBefore);
    // What it forgives is counted from its own next beat, which on serial alone is later than on Ethernet.
    const isOnSerial = !run.port.ether && now - run.deadline > lateTickMs;
    const idleMs = isOnSerial ? run.program.status(run.now).links.serial.heartbeatPeriodMs : card.settings.ether.periodMs;
    run.witness.onStep(now, now - run.deadline, idleMs);
    this.history.input(at, card.label, card.index, input);
    if (input.kind === "reloaded") card.settings = input.settings;
    const seen = this.checkers.before(run, now, input);
    const effects = run.program.step(now, input);
    run.now = now;
    run.deadline = run.program.deadline();
    this.#steps++;
    for (const effect of effects) {
      this.history.effect(at, card.label, card.index, effect);
      this.#carryOut(card, run, effect);
      // What is ordered after the card's end is never carried out.
      if (card.run === undefined) break;
    }
    this.#steps--;
    this.checkers.after(card, run, at, now, input, effects, seen);
    this.options.onStep?.(card, at, input, effects);
    if (card.run === run) this.#schedule(card, run);
  }

  #schedule(card: SimCard, run: Run): void {
    if (run.deadline >= card.tickFor || run.deadline === Infinity) return;
    const at = Math.max(this.#at, card.clock.worldAt(run.deadline)) + this.#prng.unit() * this.#timerGrainMs;
    card.tickFor = run.deadline;
    if (at >= card.tickAt) return;
    card.tickAt = at;
    this.#events.push(at, this.#onTick[card.index] as (at: number) => void);
  }

  #carryOut(card: SimCard, run: Run, effect: Effect): void {
    switch (effect.kind) {
      case "send":
        if (effect.message.kind === "promiseView" || effect.message.kind === "proposeView") {
          this.checkers.onAgreement(card, run, effect.message);
        } else if (effect.message.kind === "failing") run.failingAt = Math.min(run.failingAt, this.#at);
        if (effect.link === "ether" ? run.port.ether : run.port.serial) this.#send(card, run, effect);
        this.#springs(card, "sends", effect.message.kind);
        return;
      case "log":
        this.checkers.onLog(card, run, effect);
        return;
      case "reserve":
        this.#reserve(card, run, effect.upTo);
        return;
      case "witness":
        this.lease.onWish(card, run, effect.wanted);
        return;
      case "application":
        this.applications.onEvent(run, effect.client, effect.event);
        return;
      case "closeApplication":
        this.applications.onClose(run, effect.client, effect.reason);
        return;
      case "resetCard":
        this.#resetCard(card, run, effect.reason);
        return;
      case "reincarnate":
        card.incarnation = Math.max(card.incarnation, effect.above);
        this.#begin(card, run.identity.nonce);
        return;
      case "store":
        this.operators?.onOrder(card, run, effect.order);
        return;
      case "configured":
        this.operators?.onAnswer(card, run, effect.client, effect.answer);
        return;
      case "hook":
        this.failover?.onHook(card, run, effect.order);
        return;
      case "operated":
        this.failover?.onAnswer(effect.answer);
        return;
      case "post":
      case "selfTest":
        for (const answer of checkAnswers(card, effect)) {
          this.later(this.#at + answer.outcome.ms, () => this.#tell(card, run, answer));
        }
        return;
      case "recordRun":
        card.lastRun = effect.record;
        return;
      default:
        return;
    }
  }

  /** A crash before the disk has it loses it; the card may then promise what it had not reserved, or not. */
  #reserve(card: SimCard, run: Run, upTo: number): void {
    this.later(this.#at + this.#faultPrng.between(...reserveMs), () => {
      if (card.run !== run) return;
      card.reservedView = Math.max(card.reservedView, upTo);
      this.#tell(card, run, { kind: "reserved", upTo });
    });
  }

  /** What the card has said goes out, then its program ends and its hardware starts anew. */
  #resetCard(card: SimCard, run: Run, reason: string): void {
    this.checkers.onReset(card, run);
    this.later(this.#at + this.#faultPrng.unit() * failingMs, () => {
      if (card.run !== run) return;
      this.#restart(card, `resets itself: ${reason}`);
    });
  }

  /** The card's machine starts anew. */
  #restart(card: SimCard, how: string): void {
    this.#end(card, how);
    this.#powerOn(card, bootMs);
  }

  /** Whether a card ends here because somebody waited for this. */
  #springs(card: SimCard, way: TrapWay, kind: MessageKind): boolean {
    const ends = this.#ambushes.sprungBy(card, way, kind);
    if (ends === undefined) return false;
    this.history.fact(this.#at, `${card.label} ends as it ${way} ${kind}`);
    if (ends === "pull") this.pull(card);
    else this.crash(card);
    return true;
  }

  #send(card: SimCard, run: Run, { link, to, sequence, message }: Extract<Effect, { kind: "send" }>): void {
    const { system, incarnation } = run.identity;
    if (message.kind !== "heartbeat" && message.kind !== "advert" && message.kind !== "boot") {
      run.spoke.at = this.#at;
      run.spoke.kind = message.kind;
    }
    const bytes = encodeFrame(link, this.#keyring, { system, from: card.id, to, incarnation, sequence, message });
    this.history.tag(bytes);
    if (link === "ether") {
      this.#forger.record(link, bytes);
      this.#switch.transmit(this.#at, card.etherPort, to, bytes, this.#ambushes.lostTo(card, message.kind, this.#cards));
      return;
    }
    const line = encodeSerial(bytes);
    this.#forger.record(link, line);
    this.checkers.onSerialSend(card, this.#at, message, line.length);
    if (card.slot !== undefined) this.#bus(card.chassis).send(this.#at, card.slot, line);
  }
}
