/** Operators' orders on storage on their way into the order: each is answered once. Pure. */
import { storageOperateMs } from "../limits.ts";
import { lastStateOf } from "./device-state.ts";
import type { StorageState } from "./storage-state.ts";
import type { StorageAnswer, StorageOrder, StorageOutput } from "./storage-types.ts";

type Operated = Extract<StorageOutput, { kind: "operated" }>;

export class Operating {
  readonly #underWay = new Map<number, { readonly client: number; readonly until: number }>();
  #last = 0;

  instants(): number[] {
    return [...this.#underWay.values()].map(({ until }) => until);
  }

  next(): number {
    return ++this.#last;
  }

  begin(now: number, client: number, request: number): void {
    this.#underWay.set(request, { client, until: now + storageOperateMs });
  }

  onSent(request: number): Operated[] {
    const client = this.#underWay.get(request)?.client;
    this.#underWay.delete(request);
    return client === undefined ? [] : [{ kind: "operated", client, answer: { kind: "ordered" } }];
  }

  overdue(now: number): Operated[] {
    return [...this.#underWay].filter(([, { until }]) => now >= until).map(([request, { client }]) => {
      this.#underWay.delete(request);
      const message = `the order of messages did not bring it back in ${storageOperateMs / 1_000} s: it may still be carried out`;
      return {
        kind: "operated",
        client,
        answer: { kind: "refused", code: "unanswered", message, hint: "See `mirror status` for what is." },
      };
    });
  }

  /** What speaks against an order now. `reason`: why this card takes part in no decisions. */
  refusal(reason: string | undefined, state: StorageState | undefined, order: StorageOrder): StorageAnswer | undefined {
    const refuse = (code: Extract<StorageAnswer, { kind: "refused" }>["code"], message: string, hint: string): StorageAnswer => ({
      kind: "refused",
      code,
      message,
      hint,
    });
    if (reason !== undefined || state === undefined) {
      return refuse("not-known", `this card takes part in no decisions: ${reason}`, "Ask a card of the side with the quorum.");
    }
    const device = state.devices.get(order.device);
    if (device === undefined) return refuse("no-device", `there is no device ${order.device}`, "See `device list` for those there are.");
    if (order.verb === "assume") return undefined;
    const known = device.legs.get(order.leg);
    if (known === undefined) {
      return refuse("no-leg", `${order.device} has no copy ${order.leg}`, `Its copies are ${[...device.legs.keys()].join(", ")}.`);
    }
    if (order.verb === "resolve" && device.memory?.inSync.includes(order.leg) === true) {
      return refuse("in-sync", `${order.leg} is in sync: there is nothing to give up`, "Name the copy that is to be overwritten.");
    }
    if (order.verb === "force" && device.primary !== undefined) {
      return refuse("served", `${order.device} is served by card ${device.primary.card}`, "Stop its service first.");
    }
    if (order.verb === "force" && lastStateOf(known) === undefined) {
      return refuse(
        "no-leg",
        `no card that is up has a copy ${order.leg} with data`,
        "Name one that `device show` lists with a generation.",
      );
    }
    return undefined;
  }
}
