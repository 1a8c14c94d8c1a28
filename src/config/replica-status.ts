/** What a replica is at, in the words that people read. Pure. */
import { hex } from "../base/hex.ts";
import type { CardId } from "../base/ids.ts";
import type { Database } from "./replica-database.ts";
import { named } from "./replica-electorate.ts";
import type { ReplicaState } from "./replica-state.ts";
import type { ConfigurationStatus } from "./request.ts";
import type { StoreFault } from "./store.ts";

export type Situation = {
  readonly card: CardId;
  readonly store: "none" | "opening" | "open" | "hold";
  readonly fault: StoreFault | undefined;
  /** Why nothing is ordered. */
  readonly stopped: string | undefined;
  readonly state: ReplicaState | undefined;
  readonly isMember: boolean;
  /** The cards whose word is missing before somebody can say what the configuration is. */
  readonly silent: () => readonly CardId[];
  /** Why those that are there are not enough to say it. */
  readonly lack: () => string | undefined;
  readonly database: Database;
};
export type Condition = Pick<ConfigurationStatus, "state" | "reason">;

export function conditionOf(situation: Situation): Condition {
  const { card, store, fault, stopped, state, database } = situation;
  if (store === "hold") return { state: "hold", reason: fault?.message ?? "no reason" };
  if (store !== "open") return { state: "opening" };
  if (stopped !== undefined) return { state: "stale", reason: stopped };
  if (state === undefined) return { state: "joining", reason: whyJoining(situation) };
  if (state.isReplica(card)) return { state: "current" };
  const behind = state.accepted.sequence - database.durable.sequence;
  return { state: "catching-up", reason: behind > 0 ? `${behind} changes behind` : "waiting for its turn in the order" };
}

function whyJoining({ isMember, silent, lack }: Situation): string {
  if (!isMember) return "joining the group of replicas";
  const cards = silent();
  if (cards.length > 0) return `waiting for the word of ${named(cards)}`;
  const there = lack();
  return there === undefined ? "waiting for the state of the replicas" : `${there}: too few to know the present head`;
}

/** `currentAt`: when the card last knew that its head is the system's, ms since its start. */
export function statusOf(
  now: number,
  { state: agreed, fault, database }: Situation,
  { state, reason }: Condition,
  currentAt: number,
): Omit<ConfigurationStatus, "progress" | "pending" | "load" | "counters"> {
  const { durable: { sequence, epoch, hash }, level, levelMax, branches } = database;
  return {
    state,
    ...(reason === undefined ? {} : { reason }),
    ...(fault === undefined ? {} : { code: fault.code }),
    head: { sequence, epoch, hash: hex(hash) },
    level,
    levelMax,
    replicas: agreed?.replicas ?? [],
    ageMs: state === "current" ? 0 : Math.round(now - Math.max(currentAt, 0)),
    branches: branches.map(({ id, setAsideAt, head, common }) => ({
      id,
      setAsideAt,
      changes: head.sequence - common.sequence,
      since: common.sequence,
    })),
  };
}
