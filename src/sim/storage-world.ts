/**
 * A system of cards with mirrored devices: storage services, engines, legs, an order of messages, what failover would grant, and hosts that write. Cards crash, lose power, stand still, are kept out and
 * fenced; data paths between cards are cut. Everything is drawn from the seed.
 */
import { cardAt, type CardId } from "../base/ids.ts";
import { Prng } from "../base/prng.ts";
import type { NodeView } from "../cluster/view.ts";
import { legStateIn, startStoring, type Storing } from "../node/storing.ts";
import type { BlockAnswer, BlockReport, DeviceId, LegId, MirrorPolicy } from "../storage/blocks.ts";
import type { DeviceMemory } from "../storage/leg-state.ts";
import type { DeviceDefinition, StorageIdentity, StorageInput, StorageOrder, StorageOutput } from "../storage/storage-types.ts";
import { EventQueue } from "./event-queue.ts";
import { type SaidDevice, StorageCheckers, type StorageViolation } from "./storage-checkers.ts";
import { SimLeg, Tearing, type WriteId } from "./storage-disk.ts";
import { SimEngine } from "./storage-engine.ts";
import { type Listener, SimOrder } from "./storage-order.ts";

export type StorageWorldOptions = {
  readonly seed: number;
  readonly cards: number;
  /** For each device the cards of each leg, as indexes from 0; the first leg is the primary one. */
  readonly devices: readonly (readonly (readonly number[])[])[];
  /** Those devices that are not mirrored, as indexes. */
  readonly imaging?: readonly number[];
  /** Cards, as indexes, that do not reach a leg of the first device though they are listed. */
  readonly barred?: readonly { readonly card: number; readonly leg: LegId }[];
  readonly blocks?: number;
  /** How long a card takes to keep its notes, at most. */
  readonly keepMsMax?: number;
  readonly trace?: (line: string) => void;
};

export type StartStoring = (identity: StorageIdentity) => Storing;

type Run = Listener & {
  isDead: boolean;
  readonly storing: Storing;
  readonly engine: SimEngine;
  tickAt: number;
  toldAt: number;
  /** Of each device: the term that this run was told to serve, and whether it does. */
  readonly grants: Map<DeviceId, number>;
};

type Machine = {
  readonly card: CardId;
  run: Run | undefined;
  incarnation: number;
  /** What the card has kept; its notes outlive its program. */
  notes: Map<DeviceId, DeviceMemory> | undefined;
  isPowered: boolean;
  /** Kept out of the order though it runs. */
  isApart: boolean;
  /** When its program ended, or its power went. */
  goneAt: number;
};

/** A grant as failover keeps it: it moves only when its holder has stopped, or is proven down. */
type Grant = { holder: Run | undefined; term: number; isReleasing: boolean; refusedAt: Map<CardId, number> };

const blocksUsual = 12;
const group = "cardinal.storage";
const policy: MirrorPolicy = {
  protocol: "synchronous",
  behindBytesMax: 1_048_576,
  peerTimeoutMs: 60,
  fillBytes: 1_048_576,
  bytesPerSMax: 1_000_000_000,
  bytesPerSMin: 1_000_000,
};
/** From a card's silence to the view without it, and to the proof of its end. */
const silentMs = [5, 60] as const;
const proofMs = [1, 150] as const;

export class StorageWorld {
  readonly #prng: Prng;
  readonly #queue = new EventQueue<() => void>();
  readonly #options: StorageWorldOptions;
  readonly #start: StartStoring;
  readonly #machines: Machine[];
  readonly #blocks: number;
  readonly #legs: SimLeg[] = [];
  readonly #definitions = new Map<DeviceId, DeviceDefinition>();
  readonly #barred = new Set<string>();
  readonly #cuts = new Set<string>();
  readonly #order: SimOrder;
  readonly #tearing: Tearing;
  readonly #grants = new Map<DeviceId, Grant>();
  readonly #underWay = new Set<WriteId>();
  readonly checkers = new StorageCheckers();
  #writes = 0;
  #terms = 0;
  #isCalm = false;
  #isQuiet = false;
  #hash = 0x811c9dc5;
  at = 0;
  acknowledged = 0;
  /** What cards were told of resources, and which alarms they have raised. */
  readonly heard: { readonly card: CardId; readonly leg: LegId; readonly bytes: Uint8Array }[] = [];
  readonly alarms = new Map<string, string>();
  steps = 0;

  constructor(options: StorageWorldOptions, start: StartStoring = startStoring) {
    this.#options = options;
    this.#blocks = options.blocks ?? blocksUsual;
    this.#start = start;
    this.#prng = new Prng(options.seed);
    this.#tearing = new Tearing(this.#prng);
    this.checkers.isUnderWay = (write) => this.#underWay.has(write);
    this.#order = new SimOrder({ prng: this.#prng, now: () => this.at, after: (ms, run) => this.after(ms, run) }, group);
    this.#machines = Array.from({ length: options.cards }, (_, index) => ({
      card: cardAt(1, index + 1),
      run: undefined,
      incarnation: 0,
      notes: undefined,
      isPowered: true,
      isApart: false,
      goneAt: 0,
    }));
    for (const [index, legs] of options.devices.entries()) this.#addDevice(`d${index}`, legs);
    for (const { card, leg } of options.barred ?? []) this.bar(cardAt(1, card + 1), "d0", leg);
    for (const { card } of this.#machines) this.startCard(card);
    this.#watchGrants();
  }

  #addDevice(device: DeviceId, legs: readonly (readonly number[])[]): void {
    this.#definitions.set(device, {
      kind: this.#options.imaging?.includes(this.#definitions.size) === true ? "imaging" : "storage",
      policy,
      legs: legs.map((cards, index) => ({
        leg: `leg-${"abcdefgh"[index]}`,
        role: index === 0 ? "primary" : "backup",
        paths: new Map(cards.map((card) => [cardAt(1, card + 1), `/dev/${device}`])),
      })),
    });
    for (const index of legs.keys()) this.#legs.push(new SimLeg(device, `leg-${"abcdefgh"[index]}`, this.#blocks));
    this.#grants.set(device, { holder: undefined, term: 0, isReleasing: false, refusedAt: new Map() });
    if (this.#definitions.get(device)?.kind === "imaging") return;
    for (let host = 0; host < 3; host++) this.after(50, () => this.#hostWrites(device));
  }

  after(ms: number, run: () => void): void {
    this.#queue.push(this.at + ms, run);
  }

  get violation(): StorageViolation | undefined {
    return this.checkers.violation;
  }

  /** Lives until then, or until something is wrong. */
  runUntil(at: number): void {
    while (this.#queue.nextAt() <= at && this.violation === undefined) {
      this.at = this.#queue.nextAt();
      this.#queue.pop()();
    }
    this.at = Math.max(this.at, at);
  }

  hash(): string {
    return (this.#hash >>> 0).toString(16).padStart(8, "0");
  }

  fact(text: string): void {
    const line = `${this.at.toFixed(3)} ${text}`;
    for (let index = 0; index < line.length; index++) this.#hash = Math.imul(this.#hash ^ line.charCodeAt(index), 0x01000193);
    this.#options.trace?.(line);
  }

  // ---- cards

  get cards(): CardId[] {
    return this.#machines.map(({ card }) => card);
  }

  #machine(card: CardId): Machine {
    return this.#machines.find((machine) => machine.card === card) as Machine;
  }

  isRunning(card: CardId): boolean {
    return this.#machine(card).run !== undefined;
  }

  startCard(card: CardId): void {
    const machine = this.#machine(card);
    if (machine.run !== undefined) return;
    machine.isPowered = true;
    machine.isApart = false;
    const incarnation = ++machine.incarnation;
    const seed = Array.from({ length: 2 }, () => this.#prng.bits().toString(16).padStart(8, "0")).join("");
    const engine = new SimEngine(card, this.#engineWorld(), () => this.at);
    const run: Run = {
      card,
      incarnation,
      isDead: false,
      stalledUntil: 0,
      storing: this.#start({ card, incarnation, seed, notes: machine.notes === undefined ? undefined : new Map(machine.notes) }),
      engine,
      tickAt: Infinity,
      toldAt: 0,
      grants: new Map(),
      onEpoch: (view) => this.#step(run, { kind: "epoch", view }),
      onEvent: (event) => this.#step(run, { kind: "group", event }),
    };
    machine.run = run;
    this.fact(`card ${card} starts, run ${incarnation}`);
    const devices = new Map(this.#definitions);
    this.after(this.#prng.between(0, 20), () => this.#step(run, { kind: "configuration", place: { epoch: 1, sequence: 1 }, devices }));
    this.after(this.#prng.between(...silentMs), () => this.#newView());
  }

  crash(card: CardId): void {
    const machine = this.#machine(card);
    const { run } = machine;
    if (run === undefined) return;
    this.fact(`card ${card} ends`);
    run.isDead = true;
    run.engine.die();
    machine.run = undefined;
    machine.goneAt = this.at;
    this.after(this.#prng.between(...silentMs), () => this.#newView());
  }

  powerCut(): void {
    this.fact("power cut");
    for (const { card } of this.#machines) this.crash(card);
  }

  /** The card runs, and orders no messages: until it is back, or fenced. */
  keepOut(card: CardId): void {
    const machine = this.#machine(card);
    if (machine.run === undefined || machine.isApart) return;
    this.fact(`card ${card} is apart`);
    machine.isApart = true;
    this.after(this.#prng.between(...silentMs), () => this.#newView());
    // It notices itself too, and serves nothing any more.
    const { run } = machine;
    this.after(this.#prng.between(...silentMs), () => {
      if (machine.isApart) { for (const device of run.grants.keys()) this.#step(run, { kind: "cease", device }); }
    });
  }

  takeBack(card: CardId): void {
    const machine = this.#machine(card);
    if (!machine.isApart || machine.run === undefined) return;
    this.fact(`card ${card} is back`);
    machine.isApart = false;
    if (this.#prng.chance(0.4)) this.#order.skip(machine.run);
    this.after(this.#prng.between(...silentMs), () => this.#newView());
  }

  stall(card: CardId, ms: number): void {
    const { run } = this.#machine(card);
    if (run !== undefined) run.stalledUntil = this.at + ms;
  }

  cut(a: CardId, b: CardId): void {
    this.fact(`data path ${a}-${b} cut`);
    this.#cuts.add(pairOf(a, b));
  }

  heal(): void {
    this.fact("all healed");
    this.#isCalm = true;
    this.#cuts.clear();
    for (const machine of this.#machines) {
      if (machine.run === undefined) this.startCard(machine.card);
      else this.takeBack(machine.card);
    }
  }

  /** Hosts end what they are at, and begin nothing. */
  quiet(): void {
    this.#isQuiet = true;
  }

  healPaths(): void {
    this.#cuts.clear();
  }

  /** The card cannot open this path any more, or never could. */
  bar(card: CardId, device: DeviceId, leg: LegId): void {
    this.#barred.add(`${card} ${device} ${leg}`);
  }

  /** A card finds configuration data of a resource. */
  data(card: CardId, device: DeviceId, leg: LegId, bytes: Uint8Array): void {
    const { run } = this.#machine(card);
    if (run !== undefined) this.#step(run, { kind: "data", device, leg, bytes });
  }

  operate(card: CardId, order: StorageOrder): void {
    const { run } = this.#machine(card);
    if (run !== undefined) this.#step(run, { kind: "operate", client: 1, order });
  }

  /** What all agree on of a device, as the card says that has come furthest. */
  said(device: DeviceId): SaidDevice | undefined {
    return this.#latest(device);
  }

  leg(device: DeviceId, leg: LegId): SimLeg | undefined {
    return this.#leg(device, leg);
  }

  // ---- views

  #newView(): void {
    const alive = this.#machines.filter(({ run, isApart }) => run !== undefined && !isApart);
    const count = this.#machines.length;
    const isQuorum = 2 * alive.length > count || (2 * alive.length === count && alive.includes(this.#machines[0] as Machine));
    if (!isQuorum) return;
    const absent: { card: CardId; state: "down" | "unknown" }[] = [];
    for (const machine of this.#machines) {
      if (alive.includes(machine)) continue;
      // An end is proven some time after it; who is only apart is unknown until it is fenced.
      const isProven = machine.run === undefined && this.at - machine.goneAt >= silentMs[0];
      absent.push({ card: machine.card, state: isProven ? "down" : "unknown" });
      this.after(this.#prng.between(...proofMs), () => this.#prove(machine));
    }
    const view = this.#order.view;
    const members = alive.map(({ run }) => run as Run);
    const text = (each: NodeView | undefined) =>
      each && JSON.stringify([each.members.map(({ card, incarnation }) => [card, incarnation]), each.absent]);
    if (text(view) === JSON.stringify([members.map(({ card, incarnation }) => [card, incarnation]), absent])) return;
    this.fact(
      `view of ${members.map(({ card }) => card).join(" ")}, absent ${absent.map(({ card, state }) => `${card} ${state}`).join(", ")}`,
    );
    this.#order.setView(members, absent);
  }

  #prove(machine: Machine): void {
    if (machine.run !== undefined && !machine.isApart) return;
    const isKnown = this.#order.view?.absent.some(({ card, state }) => card === machine.card && state === "down");
    if (isKnown === true) return;
    if (machine.run !== undefined && this.#order.view?.members.every(({ card }) => card !== machine.card) === true) {
      if (!this.#prng.chance(0.5)) return;
      this.fact(`card ${machine.card} is fenced`);
      this.crash(machine.card);
    }
    this.#newView();
  }

  // ---- steps

  #step(run: Run, input: StorageInput): void {
    if (run.isDead || this.violation !== undefined) return;
    if (run.stalledUntil > this.at) {
      this.after(run.stalledUntil - this.at, () => this.#step(run, input));
      return;
    }
    this.steps++;
    for (const output of run.storing.step(this.at, input)) {
      this.#carryOut(run, output);
      if (run.isDead) return;
    }
    const { devices } = run.storing;
    if (devices !== undefined && (input.kind === "group" || input.kind === "epoch")) {
      this.checkers.members(
        devices,
        (card, device, leg) => this.#definitionOf(device, leg)?.paths.has(card) === true && !this.#isBarred(card, device, leg),
      );
      const agreed = run.storing.agreed();
      if (agreed !== undefined && input.kind === "group" && input.event.kind === "message") {
        this.checkers.agreed(`card ${run.card}`, agreed.sequence, agreed.text);
      }
    }
    this.#rearm(run);
  }

  #rearm(run: Run): void {
    const at = run.storing.deadline();
    if (at >= run.tickAt || at === Infinity) return;
    run.tickAt = at;
    this.after(Math.max(0, Math.max(at, run.stalledUntil) - this.at), () => {
      if (run.tickAt !== at || run.isDead) return;
      run.tickAt = Infinity;
      this.#step(run, { kind: "tick" });
    });
  }

  #carryOut(run: Run, output: StorageOutput): void {
    if (output.kind !== "request") {
      this.fact(`${run.card} ${
        JSON.stringify(
          output,
          (_key, value: unknown) =>
            value instanceof Map ? [...value as Map<unknown, unknown>] : value instanceof Uint8Array ? "bytes" : value,
        )
      }`);
    }
    switch (output.kind) {
      case "request":
        return this.#order.request(run, output.request);
      case "block":
        return run.engine.order(output.order);
      case "keep": {
        const { device, memory, revision } = output;
        this.after(this.#prng.between(0.1, this.#options.keepMsMax ?? 8), () => {
          const isDone = !run.isDead || this.#tearing.chance();
          const { notes } = this.#machine(run.card);
          const machine = this.#machine(run.card);
          if (isDone && machine.incarnation === run.incarnation) {
            machine.notes = new Map([...notes ?? []].filter(([name]) => name !== device));
            if (memory !== undefined) machine.notes.set(device, memory);
          }
          this.#step(run, { kind: "kept", device, revision, failed: false });
        });
        return;
      }
      case "served":
        return this.#onServed(run, output.device, output.term);
      case "resourceData":
        this.heard.push({ card: run.card, leg: output.leg, bytes: output.bytes });
        return;
      case "alarm": {
        const key = `${run.card} ${output.code} ${output.about}`;
        if (output.text === undefined) this.alarms.delete(key);
        else this.alarms.set(key, output.text);
        return;
      }
      case "unservable":
        return this.#onUnservable(run, output.device, output.term);
      case "ceased":
        return this.#onCeased(run, output.device);
      default:
    }
  }

  // ---- what failover would do

  #watchGrants(): void {
    for (const [device, grant] of this.#grants) this.#advanceGrant(device, grant);
    this.after(5, () => this.#watchGrants());
  }

  #advanceGrant(device: DeviceId, grant: Grant): void {
    const { view } = this.#order;
    const { holder } = grant;
    if (view === undefined) return;
    if (holder !== undefined) {
      const isProven = view.absent.some(({ card, state }) => card === holder.card && state === "down") ||
        view.members.some(({ card, incarnation }) => card === holder.card && incarnation !== holder.incarnation);
      if (isProven) {
        grant.holder = undefined;
        grant.isReleasing = false;
      } else if (!grant.isReleasing && !this.#isCalm && this.#prng.chance(0.001)) this.#release(device, grant);
      return;
    }
    const cards = [...new Set(this.#definitions.get(device)?.legs.flatMap(({ paths }) => [...paths.keys()]))];
    const able = cards.filter((card) => {
      const { run, isApart } = this.#machine(card);
      const isIn = view.members.some((member) => member.card === card && member.incarnation === run?.incarnation);
      return run !== undefined && !isApart && isIn && this.at - (grant.refusedAt.get(card) ?? -Infinity) > 200;
    });
    if (able.length === 0 || !this.#prng.chance(0.5)) return;
    const run = this.#machine(this.#prng.pick(able)).run as Run;
    grant.holder = run;
    grant.term = ++this.#terms;
    grant.isReleasing = false;
    run.grants.set(device, grant.term);
    this.fact(`${device} is granted to card ${run.card} in ${grant.term}`);
    this.#step(run, { kind: "serve", device, term: grant.term });
  }

  #release(device: DeviceId, grant: Grant): void {
    const run = grant.holder;
    if (run === undefined) return;
    grant.isReleasing = true;
    this.#step(run, { kind: "cease", device });
  }

  #onServed(run: Run, device: DeviceId, term: number): void {
    this.fact(`${device} is served by card ${run.card} in ${term}`);
  }

  #onUnservable(run: Run, device: DeviceId, term: number): void {
    const grant = this.#grants.get(device);
    if (grant?.holder !== run || grant.term !== term) return;
    grant.refusedAt.set(run.card, this.at);
    this.after(1, () => {
      if (grant.holder === run) this.#release(device, grant);
    });
  }

  #onCeased(run: Run, device: DeviceId): void {
    run.grants.delete(device);
    const grant = this.#grants.get(device);
    if (grant?.holder === run) {
      grant.holder = undefined;
      grant.isReleasing = false;
    }
  }

  // ---- the engines' surroundings

  #engineWorld() {
    return {
      prng: this.#prng,
      tearing: this.#tearing,
      after: (ms: number, run: () => void) => this.after(ms, run),
      reach: (card: CardId, device: DeviceId, leg: LegId) =>
        this.#definitionOf(device, leg)?.paths.has(card) === true && !this.#isBarred(card, device, leg)
          ? this.#leg(device, leg)
          : undefined,
      engineOf: (card: CardId) => this.#machine(card).run?.engine,
      isCut: (a: CardId, b: CardId) => this.#cuts.has(pairOf(a, b)),
      onOpened: (engine: SimEngine, leg: SimLeg) => this.#onOpened(engine, leg),
      onAttach: (engine: SimEngine, device: DeviceId, peer: LegId, term: number) => this.#onAttach(engine, device, peer, term),
      onGateOpen: (engine: SimEngine, leg: SimLeg) => this.#onGateOpen(engine, leg),
      onAcknowledged: (_engine: SimEngine, leg: SimLeg, block: number, write: WriteId) => {
        this.acknowledged++;
        this.#underWay.delete(write);
        this.checkers.acknowledged(leg, block, write, this.#latest(leg.device), this.#legs);
      },
      tell: (engine: SimEngine, told: { readonly answer: BlockAnswer } | { readonly report: BlockReport }) => {
        const { run } = this.#machine(engine.card);
        if (run?.engine !== engine) return;
        // In the order in which it happened.
        run.toldAt = Math.max(run.toldAt, this.at + this.#prng.between(0.02, 1));
        this.after(
          run.toldAt - this.at,
          () => this.#step(run, "answer" in told ? { kind: "answered", answer: told.answer } : { kind: "reported", report: told.report }),
        );
      },
    };
  }

  #leg(device: DeviceId, leg: LegId): SimLeg | undefined {
    return this.#legs.find((each) => each.device === device && each.leg === leg);
  }

  #definitionOf(device: DeviceId, leg: LegId) {
    return this.#definitions.get(device)?.legs.find((each) => each.leg === leg);
  }

  #isBarred(card: CardId, device: DeviceId, leg: LegId): boolean {
    return this.#barred.has(`${card} ${device} ${leg}`);
  }

  /** What the card says that has come furthest in the order. */
  #latest(device: DeviceId): SaidDevice | undefined {
    let best: { readonly sequence: number; readonly said: SaidDevice | undefined } | undefined;
    for (const { run } of this.#machines) {
      const sequence = run?.storing.sequence;
      if (sequence !== undefined && (best === undefined || sequence > best.sequence)) {
        best = { sequence, said: run?.storing.devices?.get(device) };
      }
    }
    return best?.said;
  }

  #onOpened(engine: SimEngine, { device, leg }: SimLeg): void {
    for (const { run } of this.#machines) {
      if (run !== undefined && run.engine !== engine && run.engine.has(device, leg)) {
        this.checkers.fail("one-host", `card ${engine.card} opens ${leg} of ${device}, which card ${run.card} has open`);
      }
    }
  }

  #onAttach(engine: SimEngine, device: DeviceId, peer: LegId, term: number): void {
    const own = this.#legs.find((leg) => leg.device === device && leg.leg !== peer && engine.has(device, leg.leg) && leg.term === term);
    const other = this.#leg(device, peer);
    const state = other?.state === undefined ? undefined : legStateIn(other.state);
    // One that has gone on to a later term refuses by itself.
    if (own !== undefined && other !== undefined && other.term >= term && state !== undefined) return;
    this.checkers.fail(
      "both-ready",
      `card ${engine.card} is to mirror to ${peer} in ${term}; its own is in ${own?.term}, that one in ${other?.term}`,
    );
  }

  #onGateOpen(engine: SimEngine, leg: SimLeg): void {
    for (const { run } of this.#machines) {
      if (run !== undefined && run.engine !== engine && run.engine.served(leg.device) !== undefined) {
        this.checkers.fail("one-server", `card ${engine.card} serves ${leg.device}, which card ${run.card} serves`);
      }
    }
    this.checkers.served(leg, this.#latest(leg.device));
  }

  // ---- hosts

  #hostWrites(device: DeviceId): void {
    if (this.#isQuiet) return;
    const again = () => this.after(this.#prng.between(0.2, 20), () => this.#hostWrites(device));
    const run = this.#machines.map((machine) => machine.run).find((each) => each?.engine.served(device) !== undefined);
    const leg = run?.engine.served(device);
    if (run === undefined || leg === undefined) return again();
    const block = this.#prng.below(this.#blocks);
    if (this.#prng.chance(0.3)) {
      this.checkers.read(leg, block);
      return again();
    }
    const write = ++this.#writes;
    this.#underWay.add(write);
    this.checkers.begun(device, block, write);
    let isOver = false;
    const end = () => {
      if (isOver) return;
      isOver = true;
      this.#underWay.delete(write);
      again();
    };
    run.engine.write(device, block, write, end);
    // A host whose connection ends knows nothing of its write, and comes again.
    const watch = () => {
      if (isOver) return;
      if (run.isDead) return end();
      this.after(5, watch);
    };
    watch();
  }

  // ---- the end

  /** What is not as it should be in the end. */
  unsettled(): string | undefined {
    for (const [device, { kind }] of this.#definitions) {
      if (kind === "imaging") continue;
      const run = this.#machines.map((machine) => machine.run).find((each) => each?.engine.served(device) !== undefined);
      const served = run?.engine.served(device);
      const said = this.#latest(device);
      const grant = this.#grants.get(device);
      if (run === undefined || served === undefined) {
        return `${device} is not served: granted to card ${grant?.holder?.card} in ${grant?.term}, in sync ${
          said?.memory?.inSync.join(", ")
        }, primary card ${said?.primary?.card}`;
      }
      const legs = this.#legs.filter((leg) => leg.device === device);
      const out = legs.filter(({ leg }) => said?.memory?.inSync.includes(leg) !== true);
      if (out.length > 0) return `${out.map(({ leg }) => leg).join(", ")} of ${device} is not in sync`;
    }
    return undefined;
  }

  /** Hosts have stopped: all legs are alike. */
  differing(): string | undefined {
    for (const device of this.#definitions.keys()) {
      const [first, ...others] = this.#legs.filter((leg) => leg.device === device);
      for (const other of others) {
        const block = first?.content.findIndex((write, index) => other.content[index] !== write) ?? -1;
        if (block >= 0) {
          return `block ${block} of ${device} is ${first?.content[block]} on ${first?.leg} and ${other.content[block]} on ${other.leg}`;
        }
      }
    }
    return undefined;
  }
}

function pairOf(a: CardId, b: CardId): string {
  return a < b ? `${a} ${b}` : `${b} ${a}`;
}
