/**
 * Failback: whether a unit that serves in its second place goes back to its first one, and what stands in the way (FS-7). Controlled by default:
 * then only an operator's word moves it. Automatic: by itself, once the better place has been healthy for long enough and nothing vetoes it.
 */
import type { CardId } from "../base/ids.ts";
import type { FailoverConfig, SetConfig } from "./config.ts";
import { durationText, stateOf } from "./eligibility.ts";
import type { Facts } from "./facts.ts";
import { isPreferred, parting } from "./seats.ts";
import type { SeatView, Unit } from "./units.ts";

export type VetoCode =
  /** The better card has not been healthy for long enough. */
  | "too-soon"
  /** An operator put it where it is. */
  | "operator-choice"
  /** It went to and fro too often. */
  | "ping-pong"
  | "drill"
  | "upgrade"
  /** A card of its set is unknown: it might be needed where it is. */
  | "unknown-card"
  /** A move of it is under way. */
  | "moving";

export type Veto = { readonly code: VetoCode; readonly text: string };

/** The best place that is better than where the unit is; undefined when it is well where it is. A place of equal rank is no better one. */
export function betterPlace(unit: Unit, home: CardId | undefined): SeatView | undefined {
  const { current, seats } = unit;
  const seat = current?.seat;
  if (current === undefined || seat === undefined) return undefined;
  if (!unit.isRoot) {
    const order = [...new Set([...preferredOf(unit), ...(home === undefined ? [] : [home])])];
    const at = order.indexOf(current.card);
    const better = at === -1 ? order : order.slice(0, at);
    for (const card of better) {
      const view = seats.find((candidate) => candidate.card === card && candidate.reluctance === 0);
      if (view !== undefined) return view;
    }
    return undefined;
  }
  return seats.find((view) => view.reluctance === 0 && view.seat !== undefined && isPreferred(view.seat, seat));
}

/** The place that the unit prefers to all others, if that is not where it is, whatever speaks against it. */
export function firstChoice(unit: Unit, home: CardId | undefined): SeatView | undefined {
  const { current, seats } = unit;
  const seat = current?.seat;
  if (unit.isRoot) return seats.find((view) => seat !== undefined && view.seat !== undefined && isPreferred(view.seat, seat));
  const [first] = [...preferredOf(unit), ...(home === undefined ? [] : [home])];
  return first === current?.card ? undefined : seats.find(({ card }) => card === first);
}

/** Where the services of an N-way unit belong, in the order of the first one that says so. */
export function preferredOf(unit: Unit): readonly CardId[] {
  return unit.services.find(({ preferred }) => preferred.length > 0)?.preferred ?? [];
}

/** Whether going from one place to another is for the automatic failback to do: so says the set whose members part there. */
export function failbackModeOf(unit: Unit, to: SeatView, config: FailoverConfig): SetConfig["failback"] {
  const from = unit.current?.seat;
  const parted = from === undefined || to.seat === undefined ? undefined : parting(from, to.seat);
  return (config.sets.get(parted?.a.set ?? unit.set.id) ?? unit.set).failback;
}

/** What stands in the way of an automatic failback. */
export function vetoesOf(unit: Unit, to: SeatView, config: FailoverConfig, facts: Facts): Veto[] {
  const { policy } = config;
  const { current, facts: unitFacts } = unit;
  const vetoes: Veto[] = [];
  const since = facts.cards.get(to.card)?.healthySince;
  const healthyMs = since === undefined ? 0 : facts.now - since;
  if (healthyMs < policy.failbackAfterS * 1_000) {
    vetoes.push({
      code: "too-soon",
      text: `card ${to.card} has been healthy for ${durationText(healthyMs)} of ${durationText(policy.failbackAfterS * 1_000)}`,
    });
  }
  if (current !== undefined && (unitFacts?.stay === current.card || unitFacts?.wanted?.to === current.card)) {
    vetoes.push({ code: "operator-choice", text: `an operator put it on card ${current.card}` });
  }
  const undone = (unitFacts?.failbacksUndone ?? []).filter((at) => at > facts.now - policy.failbackWindowS * 1_000).length;
  if (undone >= policy.failbacksMax) {
    vetoes.push({
      code: "ping-pong",
      text: `${undone} automatic failbacks in ${
        durationText(policy.failbackWindowS * 1_000)
      } were undone by a failover, ${policy.failbacksMax} are allowed`,
    });
  }
  for (const { kind, reason } of facts.activities) vetoes.push({ code: kind, text: reason });
  const unknown = [...new Set(unit.seats.map(({ card }) => card))].find((card) => stateOf(card, facts) === "unknown");
  if (unknown !== undefined) vetoes.push({ code: "unknown-card", text: `card ${unknown} is unknown` });
  if (unitFacts?.isMoving === true) vetoes.push({ code: "moving", text: "a move of it is under way" });
  return vetoes;
}
