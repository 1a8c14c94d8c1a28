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
import { failoverRows } from "./failover-rows.ts";
import type { Run, SimCard } from "./sim-card.ts";

export type FailoverEdge = {
  readonly world: { readonly at: number; readonly cards: readonly SimCard[]; later(at: number, run: (at: number) => void): void };
  /** Tells a card's node something, now or when it wakes up. */
  tell(card: SimCard, run: Run, input: Input): void;
  /** A card begins to start a resource. */
  onStart(card: SimCard, resource: string): void;
};

/** How long hooks take, and how long one that hangs would. */
const hookMs = [0.5, 60] as const;
const roundMs = 1_000;
const roundsMax = 12;
const by = { by: "operator", comment: "" } as const;

export type HookFault = "starts" | "stops" | "hangs";

export class FailoverSystem {
  readonly rows: FailoverRows;
  readonly #edge: FailoverEdge;
  readonly #prng: Prng;
  /** What is on each card: from the order of a start until it is proven stopped. */
  readonly #active = new Map<SimCard, Map<string, "starting" | "running" | "stopping">>();
  readonly #faults = new Map<SimCard, Record<HookFault, number>>();
  /** The hooks that a card is at; a later one of the same kind takes the place. */
  readonly #hooks = new Map<SimCard, Map<string, HookOrder>>();
  readonly answers: OperatorAnswer[] = [];
  readonly #stuck = new WeakSet<Run>();
  #clients = 0;

  constructor(edge: FailoverEdge, prng: Prng, cards: readonly CardId[]) {
    this.#edge = edge;
    this.#prng = prng;
    this.rows = failoverRows(cards);
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

  onBegin(card: SimCard, run: Run): void {
    this.onPowerLost(card);
    const { world } = this.#edge;
    world.later(world.at, () => {
      this.#edge.tell(card, run, { kind: "resourcesFound" });
      this.#tell(card, run, { kind: "configuration", place: { epoch: 1, sequence: 1 }, rows: this.rows });
    });
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
      if (hook === "start") this.#edge.onStart(card, resource);
    }
    const { hangs } = this.#faultsOf(card);
    const isHanging = (hook === "start" || hook === "stop") && this.#prng.chance(hangs);
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
    if (hook === "start" && outcome === "done") active.set(resource, "running");
    if (hook === "stop" && outcome === "done") active.delete(resource);
    if (hook === "stop" && outcome !== "done") this.#stuck.add(run);
    if (card.run === run) {
      this.#tell(card, run, { kind: "hookEnded", result: { order: order.order, hook, resource, outcome, reason: "", ms } });
    }
  }

  #outcome(card: SimCard, { hook, resource }: HookOrder, isHanging: boolean): HookOutcome {
    const { starts, stops } = this.#faultsOf(card);
    switch (hook) {
      case "start":
        return isHanging ? "timeout" : this.#prng.chance(starts) ? "failed" : "done";
      case "stop":
        return isHanging ? "timeout" : this.#prng.chance(stops) ? "failed" : "done";
      case "monitor":
        return this.#activeOf(card).get(resource) === "running" ? "done" : "notRunning";
      default:
        return "done";
    }
  }

  #activeOf(card: SimCard): Map<string, "starting" | "running" | "stopping"> {
    const active = this.#active.get(card) ?? new Map<string, "starting" | "running" | "stopping">();
    this.#active.set(card, active);
    return active;
  }

  #faultsOf(card: SimCard): Record<HookFault, number> {
    return this.#faults.get(card) ?? { starts: 0, stops: 0, hangs: 0 };
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

  operate(card: SimCard, order: OperatorRequest, dryRun = false): void {
    const { run } = card;
    if (run !== undefined) this.#tell(card, run, { kind: "operate", client: ++this.#clients, order, dryRun });
  }

  onAnswer(answer: OperatorAnswer): void {
    this.answers.push(answer);
  }

  /** Hooks work again; what needs an operator's word gets it for a while: nothing rests, nothing is drained. */
  heal(): void {
    this.#faults.clear();
    this.#lookAfter(roundsMax);
  }

  #lookAfter(rounds: number): void {
    const { world } = this.#edge;
    const asked = world.cards.find((card) => card.run !== undefined && !card.isTwin && card.run.program.decidedFailover?.() !== undefined);
    const decided = asked?.run?.program.decidedFailover?.();
    if (asked !== undefined && decided !== undefined) {
      if (!decided.facts.ownersKnown) this.operate(asked, { verb: "assume-idle", ...by });
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
