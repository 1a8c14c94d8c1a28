/** The alarms of failover: what an operator should look at, worked out from what is agreed on; told when it changes. Pure. */
import type { CardId } from "../base/ids.ts";
import type { ResourceId, ServiceId } from "./config.ts";
import { untilText } from "./eligibility.ts";
import type { FailoverState } from "./service-state.ts";
import type { FailoverAlarmCode, FailoverOutput } from "./service-types.ts";
import { checkSets } from "./set-check.ts";

type Alarm = Extract<FailoverOutput, { kind: "alarm" }>;

export class FailoverAlarms {
  readonly #raised = new Map<string, { readonly code: FailoverAlarmCode; readonly about: string; readonly text: string }>();
  #checked: { readonly config: unknown; readonly text: string | undefined } = { config: undefined, text: undefined };
  #decided: unknown;
  #rivals: ReadonlyMap<ResourceId, string> | undefined;
  #standbys: ReadonlyMap<ServiceId, string> | undefined;

  /** What is raised, has other words, or is over since it was asked last. `standbys`: why what stands by here does not run. Either map is another one when it changes. */
  changes(
    state: FailoverState | undefined,
    own: CardId,
    rivals: ReadonlyMap<ResourceId, string>,
    standbys: ReadonlyMap<ServiceId, string>,
  ): Alarm[] {
    if (state === undefined) return [];
    // Each decision makes a new assignment.
    if (this.#decided === state.assignment && this.#rivals === rivals && this.#standbys === standbys) return [];
    this.#decided = state.assignment;
    this.#rivals = rivals;
    this.#standbys = standbys;
    const wanted = new Map<string, { readonly code: FailoverAlarmCode; readonly about: string; readonly text: string }>();
    const add = (code: FailoverAlarmCode, about: string, text: string) => void wanted.set(`${code} ${about}`, { code, about, text });
    const { now } = state.facts;
    for (const { service, state: word, reasons } of state.assignment.services.values()) {
      const why = reasons[0]?.text ?? "no card can have it";
      if (word === "unserved" || word === "held") add("service-unserved", service, `${service} is ${word}: ${why}`);
      if (word === "quarantined") add("service-quarantined", service, `${service} failed too often and is started nowhere`);
    }
    for (const [card, { quarantine, health, healthReasons }] of state.facts.cards) {
      if (quarantine !== undefined && quarantine.until > now) {
        add("card-quarantined", `card ${card}`, `card ${card} is in quarantine${untilText(quarantine.until, now)}: ${quarantine.reason}`);
      }
      if (health !== "good" && card === own) add("card-health", `card ${card}`, `card ${card} is ${health}: ${healthReasons.join("; ")}`);
    }
    for (const [resource, reason] of rivals) add("rival-address", resource, `${resource}: ${reason}`);
    for (const [service, why] of standbys) add("standby-failed", service, `${service} does not stand by on this card: ${why}`);
    const findings = this.#findings(state);
    if (findings !== undefined) add("failover-configuration", "", findings);
    return this.#difference(wanted);
  }

  #findings(state: FailoverState): string | undefined {
    const { config } = state;
    if (config === undefined) return undefined;
    if (this.#checked.config !== config) {
      const errors = checkSets(config.failover).filter(({ severity }) => severity === "error");
      this.#checked = { config, text: errors.length === 0 ? undefined : errors.map(({ message }) => message).join("; ") };
    }
    return this.#checked.text;
  }

  #difference(wanted: ReadonlyMap<string, { readonly code: FailoverAlarmCode; readonly about: string; readonly text: string }>): Alarm[] {
    const alarms: Alarm[] = [];
    for (const [key, { code, about }] of [...this.#raised]) {
      if (wanted.has(key)) continue;
      this.#raised.delete(key);
      alarms.push({ kind: "alarm", code, about, text: undefined });
    }
    for (const [key, alarm] of wanted) {
      if (this.#raised.get(key)?.text === alarm.text) continue;
      this.#raised.set(key, alarm);
      alarms.push({ kind: "alarm", ...alarm });
    }
    return alarms;
  }
}
