/**
 * Quarantine decides what follows from a failure, by how often it came (FS-7): a service that fails is started again where it is, then it fails over,
 * then it rests. A card that fails rests after so many failovers that it caused. Histories are lists of instants that the order carried; every
 * decision names the setting that made it, with the numbers.
 */
import type { CardId } from "../base/ids.ts";
import { failuresKept } from "../limits.ts";
import type { SettingName } from "../config/settings.ts";
import type { Policy } from "./policy.ts";
import { durationText } from "./eligibility.ts";
import type { Quarantine } from "./facts.ts";

/** What a unit has behind it. */
export type FailureHistory = {
  readonly restarts: readonly { readonly card: CardId; readonly at: number }[];
  readonly failovers: readonly { readonly from: CardId; readonly at: number }[];
};

export const noFailures: FailureHistory = { restarts: [], failovers: [] };

export type FailureDecision =
  & { readonly rule: SettingName; readonly text: string; readonly history: FailureHistory }
  & (
    | { readonly kind: "restart"; readonly delayMs: number }
    /** It leaves the card, which counts as one where it failed until then. */
    | { readonly kind: "failover"; readonly until: number }
    | { readonly kind: "quarantine"; readonly quarantine: Quarantine }
  );

/** What follows when a unit has failed on a card. `why` is its last words. */
export function onUnitFailure(history: FailureHistory, card: CardId, at: number, why: string, policy: Policy): FailureDecision {
  const restartWindowMs = policy.restartWindowS * 1_000;
  const failoverWindowMs = policy.failoverWindowS * 1_000;
  const restarts = history.restarts.filter((restart) => restart.at > at - restartWindowMs);
  const failovers = history.failovers.filter((failover) => failover.at > at - failoverWindowMs);
  const done = restarts.filter((restart) => restart.card === card).length;
  const window = durationText(restartWindowMs);
  if (done < policy.restartsMax) {
    const delayMs = restartDelay(done, policy);
    const after = delayMs === 0 ? "at once" : `in ${durationText(delayMs)}`;
    return {
      kind: "restart",
      rule: "restartsMax",
      delayMs,
      text: `${why}: started again on card ${card} ${after}, restart ${done + 1} of ${policy.restartsMax} in ${window}`,
      history: { restarts: [...restarts, { card, at }].slice(-failuresKept), failovers },
    };
  }
  const spent = policy.restartsMax === 0 ? "no restart is allowed" : `${countOf(done, "restart")} in ${window} did not help`;
  if (failovers.length < policy.failoversMax) {
    return {
      kind: "failover",
      rule: "failoversMax",
      until: at + failoverWindowMs,
      text: `${why}: ${spent}, it leaves card ${card}, failover ${failovers.length + 1} of ${policy.failoversMax} in ${
        durationText(failoverWindowMs)
      }`,
      history: {
        restarts: restarts.filter((restart) => restart.card !== card),
        failovers: [...failovers, { from: card, at }].slice(-failuresKept),
      },
    };
  }
  const reason = `${why}: ${spent}, nor did ${countOf(failovers.length, "failover")} in ${durationText(failoverWindowMs)}`;
  return {
    kind: "quarantine",
    rule: "quarantineS",
    quarantine: quarantineFrom(at, reason, policy),
    text: `${reason}; it rests${policy.quarantineS === 0 ? " until it is lifted" : ` for ${durationText(policy.quarantineS * 1_000)}`}`,
    history: noFailures,
  };
}

function countOf(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

/** The wait before a restart when so many were done: none, then the setting, then twice as long each time. */
export function restartDelay(done: number, { restartDelayMs, restartDelayMaxS }: Policy): number {
  return done === 0 ? 0 : Math.min(restartDelayMaxS * 1_000, restartDelayMs * 2 ** (done - 1));
}

/** Why a card is gone. */
export type CardEnding = "left" | "power" | "reset" | "failing" | "restarted" | "lease";

/** Goodbyes and pulled cards are somebody's will; the others are failures. */
export function isFailure(ending: CardEnding): boolean {
  return ending !== "left" && ending !== "power";
}

export type CardFailures = readonly number[];

/** What follows when a card has ended: its quarantine, when it is one failure too many. In maintenance nothing that it does is a failure. */
export function onCardFailure(
  failures: CardFailures,
  { card, ending, isMaintained }: { readonly card: CardId; readonly ending: CardEnding; readonly isMaintained: boolean },
  at: number,
  policy: Policy,
): { readonly failures: CardFailures; readonly quarantine: Quarantine | undefined; readonly rule: SettingName; readonly text: string } {
  const windowMs = policy.failoverWindowS * 1_000;
  const recent = failures.filter((instant) => instant > at - windowMs);
  const window = durationText(windowMs);
  if (isMaintained || !isFailure(ending)) {
    const why = isMaintained ? "in maintenance" : "by somebody's will";
    return { failures: recent, quarantine: undefined, rule: "failoversMax", text: `card ${card} went ${why} (${ending}): no failure` };
  }
  const counted = [...recent, at].slice(-failuresKept);
  const count = `failure ${counted.length} of ${policy.failoversMax} of card ${card} in ${window}`;
  if (counted.length < policy.failoversMax) return { failures: counted, quarantine: undefined, rule: "failoversMax", text: count };
  const reason = `${countOf(counted.length, "failure")} in ${window}, the last one: ${ending}`;
  return { failures: [], quarantine: quarantineFrom(at, reason, policy), rule: "quarantineS", text: `${count}: it rests` };
}

function quarantineFrom(at: number, reason: string, { quarantineS }: Policy): Quarantine {
  return { reason, since: at, until: quarantineS === 0 ? Infinity : at + quarantineS * 1_000 };
}

/** Whether a failover undoes an automatic failback: it leaves the card that it went back to, soon after. */
export function undoesFailback(failedBackAt: number | undefined, leftAt: number, policy: Policy): boolean {
  return failedBackAt !== undefined && leftAt - failedBackAt <= policy.failoverWindowS * 1_000;
}
