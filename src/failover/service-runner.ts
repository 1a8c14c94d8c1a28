/**
 * The runner has this card run what it was granted and nothing else: it compares what is wanted with what its resources are doing and orders hooks until
 * both agree. Resources start after what they need and stop before it, over all services of the card; what fails takes down what stands on it.
 * Pure, but for the orders that it counts.
 *
 *     (nothing) ─ start ─► starting ─ done ─► running ─ monitor says no ─► failed
 *         ▲                    │ failed, timeout              │              │
 *         │                    └──────► failed ◄──────────────┘              │
 *         └── done, notRunning ── stopping ◄── not wanted, or fails, or what it needs is not there
 *                                    └─ failed, timeout ─► stuck: the card is to be reset
 *
 * Invariants: one hook of a resource changes its state at a time; what is not proven stopped counts as there; a start that failed is
 * undone before anything is tried again.
 */
import { unreachable } from "../base/assert.ts";
import type { ResourceId, ServiceId } from "./config.ts";
import type { HookKind, HookOrder, HookResult, ResourceEvent } from "./resource.ts";
import type { ResourcePlan } from "./service-config.ts";
import { packText } from "./service-text.ts";
import type { HookTiming, LocalState } from "./service-types.ts";

/** A service as this card is to run it. */
export type Want = {
  readonly epoch: number;
  /** Grows when it is to be started again under the same grant. */
  readonly attempt: number;
  /** Each after those that it needs. */
  readonly plans: readonly ResourcePlan[];
};

export type LocalFailure = {
  readonly epoch: number;
  readonly attempt: number;
  readonly resource: ResourceId;
  readonly why: string;
  /** Trying again helps nothing. */
  readonly isUnfit: boolean;
  readonly isCritical: boolean;
};

type Local = {
  readonly plan: ResourcePlan;
  readonly service: ServiceId;
  readonly epoch: number;
  readonly attempt: number;
  state: "starting" | "running" | "failed" | "stopping" | "stuck";
  /** The hook that changes its state. */
  order: number | undefined;
  orderedAt: number;
  monitorAt: number;
  monitorOrder: number | undefined;
};

/** A hook that has ended, at a local instant. */
export type LocalTiming = Omit<HookTiming, "endedAt"> & { readonly at: number };

export class Runner {
  #needs: (id: ResourceId) => readonly ResourceId[] = () => [];
  /** Of which service a resource is that is to be on this card, whether it was granted yet or not. */
  #awaited: (id: ResourceId) => boolean = () => false;
  #wants: ReadonlyMap<ServiceId, Want> = new Map();
  readonly #locals = new Map<ResourceId, Local>();
  readonly #failures = new Map<ServiceId, LocalFailure>();
  readonly #stuck = new Map<ServiceId, string>();
  #timings: LocalTiming[] = [];
  #lastOrder = 0;
  #orders: HookOrder[] = [];

  deadline(): number {
    let deadline = Infinity;
    for (const { state, monitorAt, monitorOrder } of this.#locals.values()) {
      if (state === "running" && monitorOrder === undefined) deadline = Math.min(deadline, monitorAt);
    }
    return deadline;
  }

  /**
   * What is to run here from now on. `needs`: what a resource needs; `awaited`: whether a resource is to come to this card too, so that what
   * needs it waits.
   */
  want(
    wants: ReadonlyMap<ServiceId, Want>,
    needs: (id: ResourceId) => readonly ResourceId[],
    awaited: (id: ResourceId) => boolean,
  ): void {
    this.#wants = wants;
    this.#needs = needs;
    this.#awaited = awaited;
    for (const [service, { epoch, attempt }] of [...this.#failures]) {
      const want = wants.get(service);
      if (want === undefined || want.epoch !== epoch || want.attempt !== attempt) this.#failures.delete(service);
    }
  }

  /** The hooks to order now. */
  settle(now: number): HookOrder[] {
    while (this.#stopOne(now) || this.#startOne(now));
    for (const local of this.#locals.values()) {
      if (local.state !== "running" || local.monitorOrder !== undefined || now < local.monitorAt) continue;
      local.monitorOrder = this.#order(local.plan, "monitor", local.plan.startMs);
    }
    const orders = this.#orders;
    this.#orders = [];
    return orders;
  }

  onResult(now: number, { order, hook, resource, outcome, reason, ms }: HookResult): void {
    const local = this.#locals.get(resource);
    if (local === undefined) return;
    if (hook === "monitor" && local.monitorOrder === order) {
      local.monitorOrder = undefined;
      local.monitorAt = now + local.plan.monitorMs;
      if (outcome === "done" || outcome === "overtaken" || local.state !== "running") return;
      return this.#fail(local, `${resource}: ${outcome === "notRunning" ? "it does not run any more" : outcome}${wordsOf(reason)}`, false);
    }
    if (local.order !== order || (hook !== "start" && hook !== "stop")) return;
    local.order = undefined;
    this.#timings.push({ hook, resource, service: local.service, at: now, ms, outcome, reason });
    if (hook === "start") {
      if (outcome === "done") {
        local.state = "running";
        local.monitorAt = now + local.plan.monitorMs;
        return;
      }
      this.#fail(local, `${resource} did not start: ${outcome}${wordsOf(reason)}`, outcome === "invalid");
      // Nothing was begun that would have to be undone.
      if (outcome === "invalid") this.#locals.delete(resource);
      return;
    }
    if (outcome === "done" || outcome === "notRunning") {
      this.#locals.delete(resource);
      return;
    }
    local.state = "stuck";
    this.#stuck.set(local.service, `${resource} did not stop: ${outcome}${wordsOf(reason)}`);
  }

  onEvent({ resource, kind, reason }: ResourceEvent): void {
    const local = this.#locals.get(resource);
    if (kind === "ended" && local?.state === "running") this.#fail(local, `${resource}: ${reason}`, false);
  }

  /** Has the network told again where the addresses are. */
  announce(): HookOrder[] {
    for (const { plan, state } of this.#locals.values()) {
      if (state === "running" && plan.spec?.kind === "address") this.#order(plan, "announce", plan.startMs);
    }
    const orders = this.#orders;
    this.#orders = [];
    return orders;
  }

  /** Nothing is here that would have to be stopped. */
  get isEmpty(): boolean {
    return this.#locals.size === 0;
  }

  /** Services of which something is here, wanted or not. */
  present(): ServiceId[] {
    return [...new Set([...this.#locals.values()].map(({ service }) => service))];
  }

  stateOf(service: ServiceId): LocalState {
    const isHere = this.isHere(service);
    if (this.#stuck.has(service)) return "stopping";
    const want = this.#wants.get(service);
    if (want === undefined) return isHere ? "stopping" : "stopped";
    if (this.#failures.has(service)) return "failed";
    return want.plans.every(({ id }) => this.#isRunning(id)) ? "running" : "starting";
  }

  isHere(service: ServiceId): boolean {
    for (const local of this.#locals.values()) if (local.service === service) return true;
    return false;
  }

  /** The resources of a service that do not run yet. */
  waitingFor(service: ServiceId): ResourceId[] {
    return (this.#wants.get(service)?.plans ?? []).map(({ id }) => id).filter((id) => !this.#isRunning(id));
  }

  failureOf(service: ServiceId): LocalFailure | undefined {
    return this.#failures.get(service);
  }

  /** Why a service cannot be stopped here. */
  stuck(): ReadonlyMap<ServiceId, string> {
    return this.#stuck;
  }

  /** The hooks of a service that have ended since it was asked last. */
  takeTimings(service: ServiceId): LocalTiming[] {
    const taken = this.#timings.filter((timing) => timing.service === service);
    this.#timings = this.#timings.filter((timing) => timing.service !== service);
    return taken;
  }

  // ---- one after the other

  #stopOne(now: number): boolean {
    for (const local of this.#locals.values()) {
      if (local.state === "stopping" || local.state === "stuck" || !this.#mustStop(local) || this.#isNeeded(local.plan.id)) continue;
      if (local.plan.spec === undefined) {
        this.#locals.delete(local.plan.id);
        return true;
      }
      local.state = "stopping";
      local.orderedAt = now;
      local.monitorOrder = undefined;
      local.order = this.#order(local.plan, "stop", local.plan.stopMs);
      return true;
    }
    return false;
  }

  #mustStop(local: Local): boolean {
    const { plan, service, epoch, attempt, state } = local;
    const want = this.#wants.get(service);
    if (want === undefined || want.epoch !== epoch || want.attempt !== attempt || state === "failed" || this.#failures.has(service)) {
      return true;
    }
    const wanted = want.plans.find(({ id }) => id === plan.id);
    if (wanted === undefined || (wanted !== plan && packText(wanted.spec) !== packText(plan.spec))) return true;
    return this.#needs(plan.id).some((id) => this.#isAwaited(id) && !this.#isRunning(id));
  }

  /** Whether something stands on it that is not stopped. */
  #isNeeded(id: ResourceId): boolean {
    for (const other of this.#locals.keys()) if (other !== id && this.#needs(other).includes(id)) return true;
    return false;
  }

  #isAwaited(id: ResourceId): boolean {
    if (this.#locals.has(id) || this.#awaited(id)) return true;
    for (const { plans } of this.#wants.values()) if (plans.some((plan) => plan.id === id)) return true;
    return false;
  }

  /** Running, and to go on. */
  #isRunning(id: ResourceId): boolean {
    const local = this.#locals.get(id);
    return local?.state === "running" && !this.#mustStop(local);
  }

  #startOne(now: number): boolean {
    for (const [service, { epoch, attempt, plans }] of this.#wants) {
      if (this.#failures.has(service)) continue;
      for (const plan of plans) {
        if (this.#locals.has(plan.id) || this.#needs(plan.id).some((id) => this.#isAwaited(id) && !this.#isRunning(id))) continue;
        const local: Local = {
          plan,
          service,
          epoch,
          attempt,
          state: plan.spec === undefined ? "running" : "starting",
          order: undefined,
          orderedAt: now,
          monitorAt: Infinity,
          monitorOrder: undefined,
        };
        this.#locals.set(plan.id, local);
        if (plan.spec !== undefined) local.order = this.#order(plan, "start", plan.startMs);
        return true;
      }
    }
    return false;
  }

  #fail(local: Local, why: string, isUnfit: boolean): void {
    const { service, epoch, attempt, plan } = local;
    local.state = "failed";
    const want = this.#wants.get(service);
    if (want === undefined || want.epoch !== epoch || want.attempt !== attempt || this.#failures.has(service)) return;
    this.#failures.set(service, { epoch, attempt, resource: plan.id, why, isUnfit, isCritical: plan.critical });
  }

  #order({ id, spec }: ResourcePlan, hook: HookKind, deadlineMs: number): number {
    if (spec === undefined) return unreachable(spec as never);
    const order = ++this.#lastOrder;
    this.#orders.push({ order, hook, resource: id, spec, deadlineMs });
    return order;
  }
}

function wordsOf(reason: string): string {
  return reason === "" ? "" : ` (${reason})`;
}
