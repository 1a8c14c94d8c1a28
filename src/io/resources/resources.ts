/**
 * The resources of this card, carried out: takes hook orders, answers each exactly once, tells what running resources do
 * unasked. HA-3, HA-12.
 *
 *   const resources = await Resources.open({ drivers, name, onResult, onEvent });
 *   resources.order(order);      never blocks and never throws; `onResult` comes later, never inside of it
 *   await resources.close();     what is under way is ended and answered, a stop too: close when those are answered;
 *                                what runs stays
 *
 * One hook of a resource is at work at a time; hooks of different resources run beside each other. An order overtakes what
 * it makes pointless: `stop` everything but another `stop`, `start` a `monitor`, `validate` or `announce`. What is overtaken
 * is ended at once, with all of its processes, and answered `overtaken`: a card that must let go does not wait for a start
 * that hangs. Changes of state and questions have bounds of their own, so that monitors that hang hold no takeover up;
 * addresses, which no process is needed for, are held up by nobody.
 *
 * Nothing is done on the program's thread: programs, the kernel's addresses and devices have threads of their own. A hook
 * that its thread does not answer for, in spite of the deadline that the driver keeps, is answered `timeout` all the same.
 */
import { clearTimeout, setTimeout } from "node:timers";
import { unreachable } from "../../base/assert.ts";
import type { HookKind, HookOrder, HookResult, ResourceEvent } from "../../failover/resource.ts";
import { hookChangesMax, hookDeadlineMsMax, hookGraceMs, hookOverdueMs, hookQuestionsMax, hooksWaitingMax } from "../../limits.ts";
import type { ResourceDrivers } from "../ports.ts";
import { AddressKeeper } from "./address.ts";
import { ApplicationKeeper, type ApplicationOptions } from "./application.ts";
import { cgroupDirectory } from "./cgroup.ts";
import { DeviceKeeper } from "./device.ts";
import { FilesystemKeeper } from "./filesystem.ts";
import { answer, type HookAnswer, type HookContext } from "./hook.ts";
import type { AgentDescription } from "./ocf-metadata.ts";
import { groupOf, Programs } from "./programs.ts";

export type ResourcesOptions = {
  readonly drivers: ResourceDrivers;
  /** Of this card among others of the machine, a file's name: what it starts is told apart by it. */
  readonly name: string;
  readonly onResult: (result: HookResult) => void;
  readonly onEvent: (event: ResourceEvent) => void;
  /** An existing directory for cgroups, or "" for none; the card's own cgroup when not said. */
  readonly groups?: string;
  /** Where applications are looked for; Debian's places when not said. */
  readonly applications?: ApplicationOptions;
};

type Waiting = { readonly order: HookOrder; readonly overtaken: AbortController };
type Lane = {
  running: Waiting | undefined;
  readonly queue: Waiting[];
  /** The last process of a start has ended before the start was answered. */
  isEmptied: boolean;
};

/** What a hook is counted as, in the bounds on those at work. */
type Class = "free" | "change" | "question";

const bounds: Readonly<Record<Class, number>> = { free: Infinity, change: hookChangesMax, question: hookQuestionsMax };

function classOf({ hook, spec }: HookOrder): Class {
  if (spec.kind === "address") return "free";
  return hook === "start" || hook === "stop" ? "change" : "question";
}

function overtakes(later: HookKind, earlier: HookKind): boolean {
  if (later === "stop") return earlier !== "stop";
  return later === "start" && earlier !== "start" && earlier !== "stop";
}

export class Resources {
  readonly #options: ResourcesOptions;
  readonly #lanes = new Map<string, Lane>();
  readonly #atWork: Record<Class, number> = { free: 0, change: 0, question: 0 };
  /** By group: the resources that run in one. */
  readonly #inGroups = new Map<string, string>();
  #programs!: Programs;
  #address!: AddressKeeper;
  #filesystem!: FilesystemKeeper;
  #application!: ApplicationKeeper;
  #device!: DeviceKeeper;
  #closeDrivers: () => Promise<void> = () => Promise.resolve();
  #isClosed = false;
  #onIdle: (() => void) | undefined;

  private constructor(options: ResourcesOptions) {
    this.#options = options;
  }

  /** Rejects with an `Error` when a driver cannot be opened. */
  static async open(options: ResourcesOptions): Promise<Resources> {
    const resources = new Resources(options);
    const { drivers, name } = options;
    const groups = options.groups ?? await cgroupDirectory(name);
    const tell = (event: ResourceEvent) => {
      if (!resources.#isClosed) options.onEvent(event);
    };
    const mark = `${name}.${Date.now().toString(36)}`;
    const child = await drivers.child.open({ groups, mark, onEmptied: (group) => resources.#onEmptied(group) });
    try {
      const programs = new Programs(child);
      resources.#programs = programs;
      resources.#address = await AddressKeeper.open(drivers.net, tell);
      resources.#device = new DeviceKeeper(drivers.device);
      resources.#filesystem = new FilesystemKeeper(programs, drivers.device);
      resources.#application = new ApplicationKeeper(programs, options.applications);
      resources.#closeDrivers = async () => {
        await child.close();
        await resources.#device.close();
        await resources.#address.close();
      };
    } catch (error) {
      await child.close();
      throw error;
    }
    return resources;
  }

  order(order: HookOrder): void {
    const lane = this.#lanes.get(order.resource) ?? { running: undefined, queue: [], isEmptied: false };
    this.#lanes.set(order.resource, lane);
    for (const waiting of lane.queue.filter((earlier) => overtakes(order.hook, earlier.order.hook))) {
      lane.queue.splice(lane.queue.indexOf(waiting), 1);
      this.#answerLater(waiting.order, answer("overtaken", `a ${order.hook} came before it began`));
    }
    if (lane.running !== undefined && overtakes(order.hook, lane.running.order.hook)) lane.running.overtaken.abort();
    if (this.#isClosed || lane.queue.length >= hooksWaitingMax) {
      const reason = this.#isClosed ? "the card is leaving" : `${hooksWaitingMax} orders wait for this resource`;
      this.#answerLater(order, answer("failed", reason));
      return;
    }
    lane.queue.push({ order, overtaken: new AbortController() });
    this.#begin();
  }

  /** What an OCF resource agent says of itself: its parameters, and the deadlines that it would like; a text when it says nothing. */
  describeAgent(provider: string, type: string): Promise<AgentDescription | string> {
    return this.#application.describe(provider, type, contextOf("agent", 5_000, new AbortController().signal));
  }

  /** Whether an interface of this card is up, with carrier. */
  linkOf(interfaceName: string): Promise<"up" | "down" | "missing"> {
    return this.#address.linkOf(interfaceName);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const lane of this.#lanes.values()) {
      for (const { order } of lane.queue.splice(0)) this.#answerLater(order, answer("failed", "the card is leaving"));
      lane.running?.overtaken.abort();
    }
    if ([...this.#lanes.values()].some(({ running }) => running !== undefined)) {
      await new Promise<void>((resolve) => this.#onIdle = resolve);
    }
    await this.#closeDrivers();
  }

  /** Begins what the bounds allow, in the order in which resources were heard of. */
  #begin(): void {
    for (const lane of this.#lanes.values()) {
      const [next] = lane.queue;
      if (lane.running !== undefined || next === undefined) continue;
      const its = classOf(next.order);
      if (this.#atWork[its] >= bounds[its]) continue;
      lane.queue.shift();
      lane.running = next;
      this.#atWork[its]++;
      void this.#carryOut(lane, next);
    }
  }

  async #carryOut(lane: Lane, { order, overtaken }: Waiting): Promise<void> {
    const beganAt = performance.now();
    const deadlineMs = Math.min(hookDeadlineMsMax, Math.max(1, order.deadlineMs));
    const context = contextOf(order.resource, deadlineMs, overtaken.signal);
    const tooLate = Promise.withResolvers<HookAnswer>();
    // Addresses have no process to kill: their driver's thread is not waited for beyond the deadline.
    const graceMs = order.spec.kind === "address" ? 0 : hookGraceMs + hookOverdueMs;
    const overdue = setTimeout(
      () => tooLate.resolve(answer("timeout", `not over after ${deadlineMs} ms, and it cannot be ended`)),
      deadlineMs + graceMs,
    );
    const given = await Promise.race([this.#perform(order, context), tooLate.promise]);
    clearTimeout(overdue);
    if (given.outcome === "done" && (order.hook === "start" || order.hook === "monitor")) this.#watch(order.resource);
    this.#atWork[classOf(order)]--;
    lane.running = undefined;
    const isOvertaken = overtaken.signal.aborted && !this.#isClosed && given.outcome !== "done";
    const told = isOvertaken ? answer("overtaken", given.reason) : given.outcome === "overtaken" ? answer("failed", given.reason) : given;
    this.#answer(order, told, performance.now() - beganAt);
    if (lane.isEmptied && told.outcome === "done" && order.hook === "start") this.#onEmptied(groupOf(order.resource));
    lane.isEmptied = false;
    // Whoever was answered may have ordered the next.
    if (lane.running === undefined && lane.queue.length === 0) this.#lanes.delete(order.resource);
    this.#begin();
    if ([...this.#lanes.values()].every(({ running }) => running === undefined)) this.#onIdle?.();
  }

  /** Has the end of what the resource runs be told, also of what an earlier run of this card started. */
  #watch(resource: string): void {
    const group = groupOf(resource);
    if (this.#inGroups.has(group)) return;
    this.#inGroups.set(group, resource);
    this.#programs.watch(resource);
  }

  #perform(order: HookOrder, context: HookContext): Promise<HookAnswer> {
    const { hook, spec } = order;
    switch (spec.kind) {
      case "address":
        return this.#address.perform(hook, spec, context);
      case "filesystem":
        return this.#filesystem.perform(hook, spec, context);
      case "application":
        return this.#application.perform(hook, spec, context);
      case "device":
        return this.#device.perform(hook, spec, context);
      default:
        return unreachable(spec);
    }
  }

  #onEmptied(group: string): void {
    const resource = this.#inGroups.get(group) ?? this.#startingIn(group);
    if (resource === undefined || this.#isClosed) return;
    this.#inGroups.delete(group);
    const lane = this.#lanes.get(resource);
    const hook = lane?.running?.order.hook;
    if (lane !== undefined && hook === "start") lane.isEmptied = true;
    if (hook === "stop" || hook === "start") return;
    this.#options.onEvent({ resource, kind: "ended", reason: "its last process has ended" });
  }

  #startingIn(group: string): string | undefined {
    const lane = [...this.#lanes].find(([resource, { running }]) => running?.order.hook === "start" && groupOf(resource) === group);
    return lane?.[0];
  }

  #answer({ order, hook, resource }: HookOrder, { outcome, reason }: HookAnswer, ms: number): void {
    this.#options.onResult({ order, hook, resource, outcome, reason, ms });
  }

  #answerLater(order: HookOrder, given: HookAnswer): void {
    queueMicrotask(() => this.#answer(order, given, 0));
  }
}

function contextOf(resource: string, deadlineMs: number, signal: AbortSignal): HookContext {
  const deadlineAt = performance.now() + deadlineMs;
  return { resource, signal, leftMs: () => Math.max(0, deadlineAt - performance.now()) };
}
