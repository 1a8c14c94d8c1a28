/**
 * What the cards of a simulated world run: resources, which take their time, fail, hang and die; and the operators who order failover about. They
 * belong to the machine and not to its program: a card whose program has ended runs them on, until its power is gone, its line is reset, or
 * a new program begins, which finds nothing left because the edge has ended it first.
 */
import type { CardId } from "../base/ids.ts";
import type { Prng } from "../base/prng.ts";
import type { HookOrder, HookOutcome } from "../failover/resource.ts";
import type { FailoverRows } from "../failover/service-config.ts";
import type { OperatorAnswer, OperatorRequest } from "../failover/service-types.ts";
import type { FailoverEdgeInput, Input } from "../node/input.ts";
import { type FailoverPart, failoverRows, type RowChange } from "./failover-rows.ts";
import type { Run, SimCard } from "./sim-card.ts";

export type FailoverEdge = {
  readonly world: { readonly at: number; readonly cards: readonly SimCard[]; later(at: number, run: (at: number) => void): void };
  /** Tells a card's node something, now or when it wakes up. */
  tell(card: SimCard, run: Run, input: Input): void;
  /** A card begins to start a resource, or to stop it. */
  onHook(card: SimCard, hook: "start" | "stop", resource: string): void;
};

/** How long hooks take, and how long one that hangs would. */
const hookMs = [0.5, 60] as const;
const roundMs = 1_000;
const roundsMax = 12;
/** Of the reading of a card's test of itself. */
const good = 0;
const failing = 2;
/** A change of the configuration has come to every replica after at most this long. */
const replicaMs = 300;
const by = { by: "operator", comment: "" } as const;

/** `halves`: a start that fails leaves all of it running, a stop that fails nothing; `hangs`: a hook, monitors included, ends at its deadline. */
export const hookFaults = ["starts", "stops", "halves", "hangs"] as const;
export type HookFault = typeof hookFaults[number];
type Rates = Readonly<Record<HookFault, number>>;
const noFaults: Rates = { starts: 0, stops: 0, halves: 0, hangs: 0 };

export class FailoverSystem {
  readonly #edge: FailoverEdge;
  readonly #cards: readonly CardId[];
  readonly #parts: readonly FailoverPart[];
  readonly #changes = new Set<RowChange>();
  #rows: FailoverRows;
  /** Changes of the configuration so far, from 1. */
  #sequence = 1;
  readonly #prng: Prng;
  /** What is on each card: from the order of a start until it is proven stopped. */
  readonly #active = new Map<SimCard, Map<string, "starting" | "running" | "stopping">>();
  readonly #faults = new Map<SimCard, Rates>();
  /** Interfaces that are down. */
  readonly #ports = new Map<SimCard, Set<string>>();
  /** The hooks that a card is at; a later one of the same kind takes the place. */
  readonly #hooks = new Map<SimCard, Map<string, HookOrder>>();
  readonly answers: OperatorAnswer[] = [];
  readonly #stuck = new WeakSet<Run>();
  #clients = 0;

  constructor(edge: FailoverEdge, prng: Prng, cards: readonly CardId[], parts: readonly FailoverPart[]) {
    this.#edge = edge;
    this.#prng = prng;
    this.#cards = cards;
    this.#parts = parts;
    this.#rows = failoverRows(cards, parts);
  }

  /** The newest configuration, which not every card may have yet. */
  get rows(): FailoverRows {
    return this.#rows;
  }

  /** Whether a card goes by the newest configuration. */
  isCurrent({ run }: SimCard): boolean {
    return run?.program.failover?.(run.now)?.configuration?.sequence === this.#sequence;
  }

  /** Whether a stop has failed in this run: then its card resets itself. */
  mayReset(run: Run): boolean {
    return this.#stuck.has(run);
  }

  /** Where a resource is, and how. */
  placesOf(resource: string): { readonly card: SimCard; readonly state: string }[] {
    return [...this.#active].flatMap(([card, states]) => {
      const state = states.get(resource);
      return state === undefined ? [] : [{ card, state }];
    });
  }

  serviceOf(resource: string): string | undefined {
    return this.#rows.resources.find(({ id }) => id === resource)?.service as string | undefined;
  }

  /** It may run on several cards at once. */
  isHot(resource: string): boolean {
    return this.#rows.resources.find(({ id }) => id === resource)?.standby === "hot";
  }

  /** What a resource needs, and what needs it, by the configuration. */
  neededBy(resource: string): string[] {
    const device = this.#rows.resources.find(({ id }) => id === resource)?.device;
    const needs = this.#rows.dependencies.filter((row) => row.resource === resource).map((row) => String(row.needs));
    return typeof device === "string" ? [...needs, device] : needs;
  }

  needing(resource: string): string[] {
    return this.#rows.resources.map(({ id }) => id).filter((id) => this.neededBy(id).includes(resource));
  }

  /** The resources that a card has, whatever became of its program. */
  on(card: SimCard): ReadonlyMap<string, string> {
    return this.#active.get(card) ?? nothing;
  }

  /** Nothing was begun there that is not proven stopped. */
  isIdle(card: SimCard): boolean {
    return (this.#active.get(card)?.size ?? 0) === 0;
  }

  onBegin(card: SimCard, run: Run): void {
    this.onPowerLost(card);
    const { world } = this.#edge;
    world.later(world.at, () => {
      this.#edge.tell(card, run, { kind: "resourcesFound" });
      this.#tellRows(card, run);
      if (this.#ports.has(card)) this.#tellPorts(card);
      if (card.isSick) this.tellHealth(card);
    });
  }

  #tellRows(card: SimCard, run: Run): void {
    this.#tell(card, run, { kind: "configuration", place: { epoch: 1, sequence: this.#sequence }, rows: this.rows });
  }

  /** What the card's own test of its disk has found. */
  tellHealth(card: SimCard): void {
    const { run } = card;
    if (run !== undefined) this.#tell(card, run, { kind: "readings", values: new Map([["selfTest", card.isSick ? failing : good]]) });
  }

  #tellPorts(card: SimCard): void {
    const { run } = card;
    const ports = new Map([...this.#ports.get(card) ?? []].map((name) => [name, "down" as const]));
    if (run !== undefined) this.#tell(card, run, { kind: "ports", ports });
  }

  /** Nothing runs there any more. */
  onPowerLost(card: SimCard): void {
    this.#active.delete(card);
    this.#hooks.delete(card);
  }

  #tell(card: SimCard, run: Run, input: FailoverEdgeInput): void {
    this.#edge.tell(card, run, { kind: "failover", input });
  }

  onHook(card: SimCard, run: Run, order: HookOrder): void {
    const { hook, resource, deadlineMs } = order;
    const active = this.#activeOf(card);
    if (hook === "start" || hook === "stop") {
      const hooks = this.#hooks.get(card) ?? new Map<string, HookOrder>();
      this.#hooks.set(card, hooks.set(resource, order));
      active.set(resource, hook === "start" ? "starting" : "stopping");
      this.#edge.onHook(card, hook, resource);
    }
    const { hangs } = this.#faultsOf(card);
    const isHanging = hook !== "announce" && this.#prng.chance(hangs);
    const ms = isHanging ? deadlineMs : this.#prng.between(...hookMs);
    this.#edge.world.later(this.#edge.world.at + ms, () => this.#end(card, run, order, ms, isHanging));
  }

  #end(card: SimCard, run: Run, order: HookOrder, ms: number, isHanging: boolean): void {
    const { hook, resource } = order;
    // The machine has been reset, or a later hook of the resource has overtaken it.
    if (hook === "start" || hook === "stop") {
      if (this.#hooks.get(card)?.get(resource) !== order) return;
      this.#hooks.get(card)?.delete(resource);
    }
    const active = this.#activeOf(card);
    const outcome = this.#outcome(card, order, isHanging);
    const isHalf = outcome === "failed" && this.#prng.chance(this.#faultsOf(card).halves);
    if (hook === "start" && (outcome === "done" || isHalf)) active.set(resource, "running");
    if (hook === "stop" && (outcome === "done" || isHalf)) active.delete(resource);
    if (hook === "stop" && outcome !== "done") this.#stuck.add(run);
    if (card.run === run) {
      this.#tell(card, run, { kind: "hookEnded", result: { order: order.order, hook, resource, outcome, reason: "", ms } });
    }
  }

  #outcome(card: SimCard, { hook, resource }: HookOrder, isHanging: boolean): HookOutcome {
    const { starts, stops, halves } = this.#faultsOf(card);
    switch (hook) {
      case "start":
        return isHanging ? "timeout" : this.#prng.chance(Math.max(starts, halves / 2)) ? "failed" : "done";
      case "stop":
        return isHanging ? "timeout" : this.#prng.chance(Math.max(stops, halves / 8)) ? "failed" : "done";
      case "monitor":
        return isHanging ? "timeout" : this.#activeOf(card).get(resource) === "running" ? "done" : "notRunning";
      default:
        return "done";
    }
  }

  #activeOf(card: SimCard): Map<string, "starting" | "running" | "stopping"> {
    const active = this.#active.get(card) ?? new Map<string, "starting" | "running" | "stopping">();
    this.#active.set(card, active);
    return active;
  }

  #faultsOf(card: SimCard): Rates {
    return this.#faults.get(card) ?? noFaults;
  }

  // ---- what befalls them

  setFault(card: SimCard, fault: HookFault, rate: number): void {
    this.#faults.set(card, { ...this.#faultsOf(card), [fault]: rate });
  }

  /** One of what runs on the card dies; mostly it tells. */
  die(card: SimCard): void {
    const running = [...this.#activeOf(card)].filter(([, state]) => state === "running").map(([resource]) => resource);
    if (running.length === 0) return;
    const resource = this.#prng.pick(running);
    this.#activeOf(card).delete(resource);
    const { run } = card;
    if (run === undefined || !this.#prng.chance(0.7)) return;
    this.#tell(card, run, { kind: "resourceEvent", event: { resource, kind: "ended", reason: "it died" } });
  }

  /** Somebody else answers for one of the addresses of the card. */
  rival(card: SimCard): void {
    const { run } = card;
    const resource = this.#rows.resources.find(({ id, kind }) => kind === "address" && this.#activeOf(card).get(id) === "running")?.id;
    if (run === undefined || resource === undefined) return;
    this.#tell(card, run, { kind: "resourceEvent", event: { resource, kind: "rival", reason: "02:00:00:00:00:01 answers" } });
  }

  /** One of the card's interfaces for clients loses its carrier, or has it again. */
  setInterface(card: SimCard, name: string, isUp: boolean): void {
    const down = this.#ports.get(card) ?? new Set();
    this.#ports.set(card, down);
    if (isUp) down.delete(name);
    else down.add(name);
    this.#tellPorts(card);
  }

  /** Operators change the configuration, or change it back; each replica has it a moment later. */
  configure(change: RowChange | "back"): void {
    if (change === "back") this.#changes.clear();
    else if (!this.#changes.delete(change)) this.#changes.add(change);
    this.#rows = failoverRows(this.#cards, this.#parts, this.#changes);
    const sequence = ++this.#sequence;
    const { world } = this.#edge;
    for (const card of world.cards) {
      const { run } = card;
      if (card.isTwin || run === undefined) continue;
      world.later(world.at + this.#prng.between(1, replicaMs), () => {
        // A later change has overtaken it.
        if (card.run === run && this.#sequence === sequence) this.#tellRows(card, run);
      });
    }
  }

  operate(card: SimCard, order: OperatorRequest, dryRun = false): void {
    const { run } = card;
    if (run !== undefined) this.#tell(card, run, { kind: "operate", client: ++this.#clients, order, dryRun });
  }

  onAnswer(answer: OperatorAnswer): void {
    this.answers.push(answer);
  }

  /** Hooks work again; what needs an operator's word gets it for a while: nothing rests, nothing is drained, the configuration is as it was. */
  heal(): void {
    this.#faults.clear();
    for (const card of this.#edge.world.cards.filter(({ isSick }) => isSick)) {
      card.isSick = false;
      this.tellHealth(card);
    }
    for (const [card, down] of this.#ports) {
      if (down.size > 0) {
        down.clear();
        this.#tellPorts(card);
      }
    }
    if (this.#changes.size > 0) this.configure("back");
    this.#lookAfter(roundsMax);
  }

  #lookAfter(rounds: number): void {
    const { world } = this.#edge;
    const asked = world.cards.find((card) => card.run !== undefined && !card.isTwin && card.run.program.decidedFailover?.() !== undefined);
    const decided = asked?.run?.program.decidedFailover?.();
    if (asked !== undefined && decided !== undefined) {
      // An operator who says so has looked.
      const isIdle = ({ id }: SimCard) =>
        decided.facts.cards.get(id)?.state === "up" || world.cards.every((card) => card.id !== id || this.on(card).size === 0);
      if (!decided.facts.ownersKnown && world.cards.every(isIdle)) this.operate(asked, { verb: "assume-idle", ...by });
      for (const [card, { drained, maintenance, quarantine }] of decided.facts.cards) {
        if (drained !== undefined) this.operate(asked, { verb: "undrain", card, ...by });
        if (maintenance !== undefined) this.operate(asked, { verb: "maintenance", card, on: false, force: false, ...by });
        if (quarantine !== undefined) this.operate(asked, { verb: "lift-quarantine", subject: card, ...by });
      }
      for (const [unit, { failedOn, quarantine }] of decided.facts.units) {
        if (failedOn.size === 0 && quarantine === undefined) continue;
        const service = [...decided.assignment.services.values()].find((one) => one.unit === unit)?.service;
        if (service !== undefined) this.operate(asked, { verb: "lift-quarantine", subject: service, ...by });
      }
    }
    if (rounds > 0) world.later(world.at + roundMs, () => this.#lookAfter(rounds - 1));
  }
}

const nothing: ReadonlyMap<string, string> = new Map();
