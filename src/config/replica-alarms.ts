/** What an operator should look at in the configuration of a card: in hold, stale, branches that wait for a decision, cards that have parted. Pure. */
import type { CardId } from "../base/ids.ts";
import { configStaleMs } from "../limits.ts";
import type { ConfigurationStatus } from "./request.ts";
import type { Branch, StoreFault } from "./store.ts";

export type ConfigAlarmCode = "configuration-branch" | "configuration-divergent" | "configuration-hold" | "configuration-stale";

export type ConfigAlarm = {
  readonly kind: "alarm";
  readonly code: ConfigAlarmCode;
  /** Tells alarms of one code apart. */
  readonly about: string;
  readonly text: string | undefined;
};

export type Watched = {
  readonly state: ConfigurationStatus["state"];
  readonly reason: string | undefined;
  /** Nobody misses the configuration of a disabled card. */
  readonly isVoter: boolean;
  readonly fault: StoreFault | undefined;
  readonly branches: readonly Branch[];
  readonly replicas: readonly CardId[];
};

export class ConfigAlarms {
  readonly #raised = new Map<string, ConfigAlarm>();
  readonly #divergent = new Map<CardId, number>();
  /** Since when this card has not known the system's head. */
  #lostAt: number | undefined;
  #staleAt = Infinity;

  deadline(): number {
    return this.#staleAt;
  }

  /** A card has another configuration than this one at the same change. */
  onDivergent(card: CardId, sequence: number): void {
    if (!this.#divergent.has(card)) this.#divergent.set(card, sequence);
  }

  onEqual(card: CardId): void {
    this.#divergent.delete(card);
  }

  /** What has changed since it was asked last. */
  watch(now: number, watched: Watched): ConfigAlarm[] {
    const wanted = this.#wanted(now, watched);
    const changes: ConfigAlarm[] = [];
    for (const [key, alarm] of this.#raised) {
      if (wanted.has(key)) continue;
      this.#raised.delete(key);
      changes.push({ ...alarm, text: undefined });
    }
    for (const [key, alarm] of wanted) {
      if (this.#raised.get(key)?.text === alarm.text) continue;
      this.#raised.set(key, alarm);
      changes.push(alarm);
    }
    return changes;
  }

  #wanted(now: number, { state, reason, isVoter, fault, branches, replicas }: Watched): Map<string, ConfigAlarm> {
    const wanted = new Map<string, ConfigAlarm>();
    const want = (code: ConfigAlarmCode, about: string, text: string) => {
      wanted.set(`${code} ${about}`, { kind: "alarm", code, about, text });
    };
    if (state === "hold" && fault !== undefined) {
      want("configuration-hold", "", `the configuration is in hold (${fault.code}): ${fault.message}`);
    }
    this.#lostAt = state === "current" || state === "hold" || !isVoter ? undefined : this.#lostAt ?? now;
    const staleAt = this.#lostAt === undefined ? Infinity : this.#lostAt + configStaleMs;
    this.#staleAt = staleAt > now ? staleAt : Infinity;
    if (staleAt <= now) want("configuration-stale", "", `the configuration of this card may be out of date: ${reason ?? state}`);
    for (const { id, head, common } of branches) {
      const count = head.sequence - common.sequence;
      want("configuration-branch", id, `${count} ${count === 1 ? "change" : "changes"} of branch ${id} wait to be merged or discarded`);
    }
    for (const [card, sequence] of this.#divergent) {
      if (replicas.includes(card)) want("configuration-divergent", `${card}`, `card ${card} has another change ${sequence} than this card`);
      else this.#divergent.delete(card);
    }
    return wanted;
  }
}
