/**
 * Failover, composed into the core: the failover service is told the views of the order, what its group hears, and whether this card may serve; what it
 * wants goes to the groups, to the multiplexor and to the edge. There is one once the edge has said that this card has resources; a card without
 * takes no part.
 *
 *     membership ─ authority ─┐                                        ┌─► hooks (edge)
 *     order ─ epoch ──────────┼─► FailoverService ─ request ─► groups  ├─► reset line, idle (both links)
 *     groups ─ event ─────────┘        ▲                               └─► alarms, log, records, answers
 *                                      └── hooks' results, rows of the configuration, readings, operators
 */
import { unreachable } from "../base/assert.ts";
import type { CardId } from "../base/ids.ts";
import type { ApplicationEvent, ApplicationRequest } from "../cluster/application.ts";
import type { NodeView, Receipt } from "../cluster/view.ts";
import { FailoverService } from "../failover/service.ts";
import type { FailoverDecided, FailoverInput, FailoverOutput, FailoverStatus, Standing } from "../failover/service-types.ts";
import type { Alarms } from "./alarms.ts";
import type { Effect } from "./effect.ts";
import type { Identity } from "./settings.ts";

export type FailoverSurroundings = {
  readonly alarms: Alarms;
  readonly request: (now: number, request: ApplicationRequest, effects: Effect[]) => void;
  /** The reset line of a card of our chassis. */
  readonly fence: (now: number, card: CardId, incarnation: number, effects: Effect[]) => void;
  /** The lease of a card is over. */
  readonly onLeaseOver: (now: number, card: CardId, incarnation: number, effects: Effect[]) => void;
  /** To all, on both links. */
  readonly sayIdle: (view: number, effects: Effect[]) => void;
  /** Whether this card knows what is agreed on, for its boot; without it, who knows is ready. */
  readonly onKnown?: (now: number, known: boolean, effects: Effect[]) => void;
  readonly onStanding?: (now: number, standing: Standing, effects: Effect[]) => void;
  /** It was asked to leave, and nothing runs on this card any more. */
  readonly onLeft: (now: number, effects: Effect[]) => void;
  readonly onFailing: (now: number, reason: string, effects: Effect[]) => void;
};

export type Authority = { readonly held: boolean; readonly reason: string; readonly view: number | undefined };

export class FailingOver {
  readonly #identity: Identity;
  readonly #surroundings: FailoverSurroundings;
  #service: FailoverService | undefined;
  readonly #told: FailoverInput[] = [];
  #isTelling = false;
  #view: NodeView | undefined;
  /** The replica of the configuration. */
  #isCurrent = false;
  #authority: Authority = { held: false, reason: "no view yet", view: undefined };

  constructor(identity: Identity, surroundings: FailoverSurroundings) {
    this.#identity = identity;
    this.#surroundings = surroundings;
  }

  deadline(): number {
    return this.#service?.deadline() ?? Infinity;
  }

  /** This card carries out hooks: it takes part. */
  begin(now: number, effects: Effect[]): void {
    if (this.#service !== undefined) return;
    const { card, incarnation, nonce, software } = this.#identity;
    this.#service = new FailoverService({ card, incarnation, nonce, software, model: undefined });
    this.#told.push({ kind: "authority", ...this.#authority }, { kind: "replica", state: this.#isCurrent ? "current" : "behind" });
    if (this.#view !== undefined) this.#told.push({ kind: "epoch", view: this.#view });
    this.tell(now, effects);
  }

  get mayServe(): boolean {
    return this.#authority.held;
  }

  get isActive(): boolean {
    return this.#service !== undefined;
  }

  onReplica(isCurrent: boolean): void {
    if (isCurrent === this.#isCurrent) return;
    this.#isCurrent = isCurrent;
    this.#push({ kind: "replica", state: isCurrent ? "current" : "behind" });
  }

  onEpoch(view: NodeView): void {
    this.#view = view;
    this.#push({ kind: "epoch", view });
  }

  onEvent(event: ApplicationEvent): void {
    this.#push({ kind: "group", event });
  }

  onAuthority(now: number, authority: Authority, effects: Effect[]): void {
    const { held, view } = this.#authority;
    if (held === authority.held && view === authority.view) return;
    this.#authority = authority;
    this.#push({ kind: "authority", ...authority });
    this.tell(now, effects);
  }

  /** What proves the end of a card; of the incarnation that is known of it unless one is given. */
  onReceipt(now: number, card: CardId, receipt: Receipt, incarnation: number | undefined, effects: Effect[]): void {
    if (incarnation === undefined) return;
    this.on(now, { kind: "receipt", card, incarnation, receipt, at: now }, effects);
  }

  on(now: number, input: FailoverInput, effects: Effect[]): void {
    this.#push(input);
    this.tell(now, effects);
  }

  #push(input: FailoverInput): void {
    if (this.#service !== undefined) this.#told.push(input);
  }

  /** First in, first out: what one input brings about may bring about others, which do not overtake. */
  tell(now: number, effects: Effect[]): void {
    const service = this.#service;
    if (this.#isTelling || service === undefined) return;
    this.#isTelling = true;
    for (let input = this.#told.shift(); input !== undefined; input = this.#told.shift()) {
      for (const output of service.step(now, input)) this.#settle(now, output, effects);
    }
    this.#isTelling = false;
  }

  status(now: number): FailoverStatus | undefined {
    return this.#service?.status(now);
  }

  /** All that is agreed on, and the place in the order after which it is so. */
  agreed(): { readonly sequence: number; readonly text: string } | undefined {
    return this.#service?.agreed();
  }

  decided(): FailoverDecided | undefined {
    return this.#service?.decided();
  }

  #settle(now: number, output: FailoverOutput, effects: Effect[]): void {
    const { alarms, request, fence, onLeaseOver, sayIdle, onLeft, onFailing } = this.#surroundings;
    switch (output.kind) {
      case "request":
        return request(now, output.request, effects);
      case "fence":
        return fence(now, output.card, output.incarnation, effects);
      case "leaseOver":
        return onLeaseOver(now, output.card, output.incarnation, effects);
      case "sayIdle":
        return sayIdle(output.view, effects);
      case "left":
        return onLeft(now, effects);
      case "resetCard":
        return onFailing(now, output.reason, effects);
      case "known":
        if (this.#surroundings.onKnown !== undefined) return this.#surroundings.onKnown(now, output.known, effects);
        this.#told.push({
          kind: "readiness",
          readiness: output.known ? { kind: "ready" } : { kind: "booting", phase: "arbitrate" },
        });
        return;
      case "standing":
        return this.#surroundings.onStanding?.(now, output.standing, effects);
      case "alarm": {
        const { code, about, text } = output;
        if (text === undefined) alarms.clear(now, code, about, effects);
        else alarms.raise(now, code, about, text, effects);
        return;
      }
      case "hook":
      case "operated":
      case "record":
      case "log":
        effects.push(output);
        return;
      default:
        return unreachable(output);
    }
  }
}
