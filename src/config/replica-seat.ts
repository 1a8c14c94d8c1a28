/**
 * This card's membership of the replicas' group: whether it has one or has asked for it, and what it says in the order. Of a large change
 * only so many parts are under way at a time as do not fill what the order has room for.
 */
import { type CardId, cardName } from "../base/ids.ts";
import type { ApplicationEvent, ApplicationRequest, GroupView } from "../cluster/application.ts";
import { configHoldRetryMs, configPartsWindow } from "../limits.ts";
import { encodeReplicaEntry, type ReplicaEntry } from "./replica-entry.ts";

/** The group whose members are the replicas, and those that want to be. */
export const configurationGroup = "cardinal.configuration";

export class Seat {
  readonly #name: string;
  readonly #request: (request: ApplicationRequest) => void;
  #lastRequest = 0;
  #isAsked = false;
  isMember = false;
  /** It has been asked to leave, and counts as a member for the others until the order has that. */
  isLeaving = false;
  #leaveRequest = 0;
  #leaveAgainAt = Infinity;
  group: GroupView = { number: 0, members: [] };
  /** The parts that have not been said, and the requests of those that are not ordered. */
  #parts: ReplicaEntry[] = [];
  readonly #partsUnderWay = new Set<number>();

  constructor(card: CardId, request: (request: ApplicationRequest) => void) {
    this.#name = `card ${cardName(card)}`;
    this.#request = request;
  }

  deadline(): number {
    return this.#leaveAgainAt;
  }

  onTick(now: number): void {
    if (now >= this.#leaveAgainAt) this.#sayLeave();
  }

  /** Who is leaving has left first: `left` is the time to ask. */
  ask(): void {
    if (this.isMember || this.#isAsked || this.isLeaving) return;
    this.#isAsked = true;
    const request = ++this.#lastRequest;
    this.#request({ kind: "join", request, group: configurationGroup, name: this.#name, critical: false, monitorMs: 0 });
  }

  /** What was asked for has been answered, one way or the other. */
  onAnswered(): void {
    this.#isAsked = false;
  }

  leave(): void {
    if (this.isMember || this.#isAsked) this.#sayLeave();
    this.isMember = this.#isAsked = false;
  }

  #sayLeave(): void {
    this.isLeaving = true;
    this.#leaveAgainAt = Infinity;
    this.#leaveRequest = ++this.#lastRequest;
    this.#request({ kind: "leave", request: this.#leaveRequest, group: configurationGroup });
  }

  onLeft(): void {
    this.isMember = this.isLeaving = false;
    this.#leaveAgainAt = Infinity;
  }

  /** What a refusal is of: `gone` when there is nothing to leave, `leaving` when that is asked again in a while. */
  onRefused(now: number, { request, code }: Extract<ApplicationEvent, { kind: "refused" }>): "gone" | "leaving" | "other" {
    if (!this.isLeaving || request !== this.#leaveRequest) return "other";
    if (code === "state") return "gone";
    this.#leaveAgainAt = now + configHoldRetryMs;
    return "leaving";
  }

  say(entry: ReplicaEntry): void {
    this.#request({ kind: "send", request: ++this.#lastRequest, group: configurationGroup, data: encodeReplicaEntry(entry) });
  }

  /** Says the parts of a change, one after the other. */
  sayParts(parts: readonly ReplicaEntry[]): void {
    this.#parts = [...parts];
    this.#fillWindow();
  }

  /** The order has what was said. */
  onSent(request: number): void {
    if (this.#partsUnderWay.delete(request)) this.#fillWindow();
  }

  dropParts(): void {
    this.#parts = [];
    this.#partsUnderWay.clear();
  }

  #fillWindow(): void {
    while (this.#partsUnderWay.size < configPartsWindow) {
      const part = this.#parts.shift();
      if (part === undefined) return;
      this.say(part);
      this.#partsUnderWay.add(this.#lastRequest);
    }
  }
}
