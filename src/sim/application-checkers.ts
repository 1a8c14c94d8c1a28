/** The invariants of applications as a card's group service treats them: who is called dead, and what follows from it. */
import type { ApplicationEvent } from "../cluster/application.ts";
import type { Client, Membership } from "./applications.ts";
import { nameOf } from "./applications.ts";
import { Checker, type Report, type Scene } from "./checker.ts";
import type { OrderRecord } from "./order-checkers.ts";
import type { Run, SimCard } from "./sim-card.ts";
import type { Views } from "./views.ts";

/** Beyond the time for which a member may be silent: its monitor's own period, and the way there and back. */
const noticeMs = 1_000;

/** Whether a member has given cause to be called dead: it has ended without leaving, or did not answer in time. */
function hasFailed(client: Client, { monitorMs }: Membership): boolean {
  if (client.endedAt !== Infinity) return true;
  // What it says takes a moment to arrive.
  return monitorMs > 0 && client.hungUntil - client.hungFrom >= monitorMs - 1;
}

export class OnlyFailedReset extends Checker {
  readonly name = "only-failed-reset";
  readonly sentence =
    "A card resets itself only when a critical member on it has ended without leaving or has not answered its monitor, or what it must stop does not stop, and it has told the others before (HA-7).";
  override readonly needsSingles: boolean = true;

  override reset(scene: Scene, _card: SimCard, run: Run): string | undefined {
    const failed = scene.applications.clients.some((client) =>
      client.run === run && [...client.memberships.values()].some((membership) => membership.critical && hasFailed(client, membership))
    );
    const mayNotStop = scene.failover?.mayReset(run) === true;
    if (!failed && !mayNotStop) return "resets itself, and every critical member on it lives";
    return run.failingAt === Infinity ? "resets itself and has told nobody" : undefined;
  }
}

export class FailedReset extends Checker {
  readonly name = "failed-reset";
  readonly sentence =
    "When a critical member ends without leaving, or does not answer its monitor for long, its card resets itself within a bound (HA-7).";
  override readonly needsSingles: boolean = true;

  override missing(scene: Scene, client: Client, report: Report): void {
    const { run, card, hungUntil, hungFrom } = client;
    if (client.ended === "quit" || client.ended === "card") return;
    const critical = [...client.memberships.values()].filter(({ critical, state }) => critical && state === "member");
    for (const { group, monitorMs } of critical) {
      const boundMs = client.endedAt === Infinity ? 3 * monitorMs + noticeMs : noticeMs;
      if (client.endedAt === Infinity && (monitorMs === 0 || hungUntil - hungFrom <= boundMs)) continue;
      const what = client.endedAt === Infinity ? `did not answer for ${(hungUntil - hungFrom).toFixed(0)} ms` : `was ${client.ended}`;
      const dueAt = run.witness.awakeAtLeast + boundMs;
      const look = (at: number): void => {
        if (card.run !== run || run.leaving) return;
        const leftMs = dueAt - run.witness.awakeAtLeast;
        if (leftMs > 0 || run.stall !== undefined) return scene.later(at + Math.max(leftMs, 50), look);
        report(card, `${client.label}, critical in ${group}, ${what}, and after ${boundMs} ms its card still runs`);
      };
      scene.later(scene.at + boundMs, look);
    }
  }
}

export class OnlyFailedExit extends Checker {
  readonly name = "only-failed-exit";
  readonly sentence =
    "A member is said to have exited only when its client has ended, has not answered its monitor, or its card was left out of a view.";
  override readonly needsSingles: boolean = true;
  readonly #record: OrderRecord;
  readonly #views: Views;

  constructor(record: OrderRecord, views: Views) {
    super();
    this.#record = record;
    this.#views = views;
  }

  override event(scene: Scene, client: Client, event: ApplicationEvent): string | undefined {
    if (event.kind !== "view") return undefined;
    for (const { member, change } of event.changes) {
      if (change !== "exited") continue;
      const alive = scene.applications.clients.find((other) => {
        const membership = other.memberships.get(event.group);
        return membership?.member !== undefined && nameOf(membership.member) === nameOf(member) && membership.member.name === member.name &&
          !hasFailed(other, membership) && other.card.run === other.run && !other.run.leaving && other.run.failingAt === Infinity;
      });
      if (alive !== undefined && !this.#wasLeftOut(alive, client, event)) return `${client.label} was told that ${alive.label} has exited`;
    }
    return undefined;
  }

  /** Whether this place of the order is a view that its card was not in, or it joined only later, or in another order. */
  #wasLeftOut(alive: Client, told: Client, event: Extract<ApplicationEvent, { kind: "view" }>): boolean {
    const membership = alive.memberships.get(event.group);
    const joined = membership === undefined ? undefined : this.#record.tracks.get(membership)?.joined;
    const now = this.#record.epochOf(told.run);
    if (joined === undefined || now === undefined || !now.goesOnFrom(joined.epoch) || event.sequence <= joined.sequence) return true;
    const { card, incarnation } = alive.run.identity;
    return this.#record.viewsAt(event.sequence).some((number) => {
      const view = this.#views.seen.get(number)?.status;
      const member = view?.members.find((one) => one.card === card);
      return member?.incarnation !== incarnation || !member.ether;
    });
  }
}
