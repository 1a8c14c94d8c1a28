/** What an operator should look at: raised once, kept with its instant until it is over, each change a log line. */
import type { ConfigAlarmCode } from "../config/replica-alarms.ts";
import type { FailoverAlarmCode } from "../failover/service-types.ts";
import type { Effect, LogFields } from "./effect.ts";
import type { Alarm } from "./status.ts";

export type AlarmCode =
  | ConfigAlarmCode
  | FailoverAlarmCode
  | "boot-check"
  | "boot-hold"
  | "card-absent"
  | "card-down"
  | "card-unknown"
  | "duplicate-identity"
  | "link-down"
  | "link-one-way"
  | "multiplexor-unheard"
  | "no-quorum"
  | "old-incarnation"
  | "order-stopped"
  | "port-down"
  | "power-sense-wrong"
  | "self-test"
  | "single-link";

type Raised = { readonly code: AlarmCode; readonly text: string; readonly at: number };

export class Alarms {
  readonly #raised = new Map<string, Raised>();

  /** `about` tells alarms of one code apart: a card, a link, or both. Raising what is raised already only renews the text. */
  raise(now: number, code: AlarmCode, about: string, text: string, effects: Effect[]): void {
    const key = `${code} ${about}`;
    const known = this.#raised.get(key);
    this.#raised.set(key, { code, text, at: known?.at ?? now });
    if (known === undefined) effects.push({ kind: "log", level: "warn", event: "alarm", fields: { code, text } });
  }

  clear(now: number, code: AlarmCode, about: string, effects: Effect[]): void {
    const known = this.#raised.get(`${code} ${about}`);
    if (known === undefined) return;
    this.#raised.delete(`${code} ${about}`);
    const fields: LogFields = { code, text: known.text, lastedMs: Math.round(now - known.at) };
    effects.push({ kind: "log", level: "info", event: "alarm over", fields });
  }

  /** Oldest first. */
  list(now: number): Alarm[] {
    return [...this.#raised.values()].sort((a, b) => a.at - b.at).map(({ code, text, at }) => ({
      code,
      text,
      forMs: Math.round(now - at),
    }));
  }
}
