/** What must hold of takeovers while they are under way: who is stopped and why, who is told first, who stops by itself. */
import { cardAt, type CardId } from "../base/ids.ts";
import { viewGraceMs } from "../limits.ts";
import type { Effect } from "../node/effect.ts";
import type { Message } from "../wire/message.ts";
import type { Scene, Step } from "./checker.ts";
import { FailoverChecker } from "./failover-checker.ts";
import { downWithinMs } from "./settling.ts";
import type { Run, SimCard } from "./sim-card.ts";

/** An order to pull a reset line, as its sender gave it. */
type Kill = { readonly by: Run; readonly card: CardId; readonly incarnation: number };

/** A card orders the reset of another one when it writes it; the line is pulled later, or never. */
export class OneKill extends FailoverChecker {
  readonly name = "one-kill";
  readonly sentence =
    "An incident has one successful kill: no reset line is pulled for a card that was itself stopped before, none twice for the same run, and none for a run that has another one after it.";
  #orders: Kill[] = [];
  readonly #killed = new Set<Run>();
  /** The incarnation up to which each card was stopped by others. */
  readonly #stopped = new Map<CardId, number>();

  override serialSend({ cards }: Scene, card: SimCard, _at: number, message: Message): string | undefined {
    if (message.kind !== "muxReset" || card.run === undefined) return undefined;
    const id = cardAt(card.chassis, message.slot);
    const incarnation = message.incarnation ?? cards.find((one) => one.id === id && !one.isTwin)?.incarnation ?? 0;
    this.#orders.push({ by: card.run, card: id, incarnation });
    return undefined;
  }

  override killed(_scene: Scene, card: SimCard): string | undefined {
    const orders = this.#orders.filter((order) => order.card === card.id);
    this.#orders = this.#orders.filter((order) => order.card !== card.id);
    // A card has its own line pulled when it resets itself; whoever else the world has pull it knows why.
    const isByOthers = orders.length > 0 && orders.every(({ by }) => by.identity.card !== card.id);
    if (isByOthers && orders.every(({ by }) => this.#killed.has(by))) return "is stopped by a card that was stopped itself";
    if (card.run !== undefined) this.#killed.add(card.run);
    if (!isByOthers) return undefined;
    const newest = Math.max(...orders.map(({ incarnation }) => incarnation));
    const stopped = this.#stopped.get(card.id) ?? 0;
    this.#stopped.set(card.id, Math.max(stopped, newest));
    if (newest <= stopped) return `is stopped for its run ${newest}, which was stopped before`;
    if (card.run !== undefined && card.run.identity.incarnation > newest) {
      return `is stopped in its run ${card.run.identity.incarnation}, and only run ${newest} was to be`;
    }
    return undefined;
  }
}

/** Beats that are missing before a card may be taken for dead. */
const missedBeats = 2;

export class FencedForSilence extends FailoverChecker {
  readonly name = "fenced-for-silence";
  readonly sentence =
    "A card has another one of its view reset only when it has missed beats of it on Ethernet, or when that one cannot stop what it must.";

  override serialSend(scene: Scene, card: SimCard, _at: number, message: Message): string | undefined {
    const { run } = card;
    if (message.kind !== "muxReset" || run === undefined) return undefined;
    const id = cardAt(card.chassis, message.slot);
    const other = scene.cards.find((one) => one.id === id && !one.isTwin);
    if (other === undefined || (other.run !== undefined && scene.failover?.mayReset(other.run) === true)) return undefined;
    const view = scene.statusOf(card)?.membership.view;
    if (view?.members.some((member) => member.card === id) !== true) return undefined;
    const sender = run.witness.senders.get(id);
    if (sender === undefined || sender.saidGoodbye || sender.incarnation > (message.incarnation ?? 0)) return undefined;
    const silentMs = run.witness.awakeAtMost - sender.heardAt.ether;
    const leastMs = missedBeats * Math.min(card.settings.ether.periodMs, other.settings.ether.periodMs);
    return silentMs < leastMs ? `has card ${id} reset, which was heard ${silentMs.toFixed(1)} ms ago` : undefined;
  }
}

export class ToldNoFirst extends FailoverChecker {
  readonly name = "told-no-first";
  readonly sentence =
    "When a card begins to start something, every other card that orders messages in its view has what made it the one: the losers hear no before the winner hears yes (FS-5).";

  override started(scene: Scene, card: SimCard, resource: string): string | undefined {
    const own = card.run?.program.decidedFailover?.();
    const service = scene.failover?.serviceOf(resource);
    if (own === undefined || service === undefined || own.assignment.services.get(service)?.owner?.card !== card.id) return undefined;
    const members = scene.statusOf(card)?.membership.view?.members ?? [];
    for (const other of scene.cards) {
      const isMember = members.some(({ card: id, incarnation, ether }) =>
        id === other.id && ether && incarnation === other.run?.identity.incarnation
      );
      const theirs = other.run?.program.decidedFailover?.();
      if (other === card || other.isTwin || !isMember || theirs === undefined) continue;
      if (theirs.generation !== own.generation || theirs.view !== own.view || theirs.sequence >= own.sequence) continue;
      const held = scene.statusOf(other)?.groups?.held ?? 0;
      if (held < own.sequence) return `starts ${resource} after message ${own.sequence}, and ${other.label} has only ${held}`;
    }
    return undefined;
  }
}

export class StartsInOrder extends FailoverChecker {
  readonly name = "starts-in-order";
  readonly sentence =
    "A resource is started on a card where all runs that it needs of its services, and stopped before any of that is (HA-15).";

  override started({ failover }: Scene, card: SimCard, resource: string): string | undefined {
    if (failover?.isCurrent(card) !== true) return undefined;
    const missing = failover.neededBy(resource).find((need) => failover.on(card).get(need) !== "running");
    return missing === undefined
      ? undefined
      : `starts ${resource}, and ${missing}, which it needs, is ${failover.on(card).get(missing) ?? "not there"}`;
  }

  override stopped({ failover }: Scene, card: SimCard, resource: string): string | undefined {
    if (failover?.isCurrent(card) !== true) return undefined;
    const rest = failover.needing(resource).find((other) => failover.on(card).get(other) === "running");
    return rest === undefined ? undefined : `stops ${resource}, on which ${rest} stands and runs`;
  }
}

/** A card that is out has ordered its stops when it has been awake for so long beyond the time in which it must have missed the others. */
const stopsWithinMs = viewGraceMs + 500;
type Out = { readonly view: number; readonly since: number };

export class Demoted extends FailoverChecker {
  readonly name = "demoted";
  readonly sentence =
    "A card without which the others order messages stops everything that it runs within the time in which it must have missed them, counted while it is awake: a card that stood still does so when it wakes (HA-15).";
  /** The newest view that keeps each card out. */
  readonly #out = new Map<CardId, number>();
  readonly #since = new WeakMap<Run, Out>();

  override step({ view }: Step, { options }: Scene): string | undefined {
    if (view === undefined) return undefined;
    const { number, members } = view.view.status;
    const ether = members.filter((member) => member.ether).map((member) => member.card);
    if (ether.length === 0) return undefined;
    for (const card of options.cards) if (!ether.includes(card)) this.#out.set(card, Math.max(number, this.#out.get(card) ?? 0));
    return undefined;
  }

  override each(scene: Scene, card: SimCard, run: Run, _effects: readonly Effect[]): string | undefined {
    const out = this.#out.get(card.id);
    const running = [...scene.failover?.on(card) ?? []].filter(([, state]) => state !== "stopping");
    if (out === undefined || running.length === 0 || card.run !== run || run.failingAt !== Infinity) {
      this.#since.delete(run);
      return undefined;
    }
    const awake = run.witness.awakeAtLeast;
    const before = this.#since.get(run);
    if (before === undefined || before.view !== out) {
      const view = scene.statusOf(card)?.membership.view;
      if (view !== undefined && view.number > out) this.#out.delete(card.id);
      // A later view that keeps it out too is no excuse.
      else this.#since.set(run, { view: out, since: before?.since ?? awake });
      return undefined;
    }
    const withinMs = stopsWithinMs +
      Math.max(...scene.cards.filter((other) => other !== card).map(({ id }) => downWithinMs(scene, card, id)));
    if (awake - before.since < withinMs) return undefined;
    const view = scene.statusOf(card)?.membership.view;
    if (view !== undefined && view.number > out) {
      this.#out.delete(card.id);
      this.#since.delete(run);
      return undefined;
    }
    // In order, one after the other: what is stopping now holds up the rest.
    if ([...scene.failover?.on(card) ?? []].some(([, state]) => state === "stopping")) return undefined;
    return `still runs ${running.map(([id]) => id).join(", ")} ${withinMs.toFixed(0)} ms after view ${out}, which keeps it out`;
  }
}

export class NothingForgotten extends FailoverChecker {
  readonly name = "nothing-forgotten";
  readonly sentence =
    "A card that takes part in a new beginning of all that is agreed on runs nothing by then: what runs is never forgotten, so nothing has to be adopted.";

  override each({ failover }: Scene, card: SimCard, _run: Run, effects: readonly Effect[]): string | undefined {
    if (!effects.some((effect) => effect.kind === "log" && effect.event === "failover begins")) return undefined;
    const running = [...failover?.on(card) ?? []].filter(([, state]) => state !== "stopping").map(([id]) => id);
    // What it ran a moment ago is being stopped by now.
    const stopped = effects.flatMap((effect) => effect.kind === "hook" && effect.order.hook === "stop" ? [effect.order.resource] : []);
    const forgotten = [...running, ...stopped];
    return forgotten.length === 0 ? undefined : `begins anew while it runs ${forgotten.join(", ")}`;
  }
}
