/** What a card says of itself: what it knows from its boot, its readings, its ports, its replica and its hooks; and what it has to be told in turn. Pure. */
import type { CardId } from "../base/ids.ts";
import { failoverWordsMax } from "../limits.ts";
import type { ResourceId, ServiceId } from "./config.ts";
import type { CardFacts, Readiness, Unfitness } from "./facts.ts";
import { gradeOfCard, type Health, type HealthChange, healthDeadline, type ReadingName, stepHealth } from "./health.ts";
import type { Policy } from "./policy.ts";
import type { FailoverState } from "./service-state.ts";
import { packText } from "./service-text.ts";
import type { CardReport, FailoverIdentity, Standing } from "./service-types.ts";

const leaving: Readiness = { kind: "hold", code: "leaving", reason: "it leaves in good order" };
const roles: readonly Standing["role"][] = ["none", "alternate", "secondary", "primary"];

export class OwnCard {
  readonly #identity: FailoverIdentity;
  readiness: Readiness = { kind: "booting", phase: "START" };
  replica: "current" | "behind" = "behind";
  ports: ReadonlyMap<string, "down" | "missing"> = new Map();
  /** How long the others wait until it has stopped for certain. */
  leaseMs: number | undefined;
  isLeaving = false;
  #health: Health = new Map();
  readonly #unfit = new Map<ResourceId, Unfitness>();
  #standing: Standing = { quarantine: undefined, maintenance: false, role: "none" };

  constructor(identity: FailoverIdentity) {
    this.#identity = identity;
  }

  healthDeadline(policy: Policy): number {
    return healthDeadline(this.#health, policy);
  }

  /** Takes new values, and time that has passed; gives the grades that have changed. */
  onReadings(now: number, values: ReadonlyMap<ReadingName, number>, policy: Policy): readonly HealthChange[] {
    if (values.size === 0 && this.#health.size === 0) return [];
    const { health, changes } = stepHealth(this.#health, values, now, policy);
    this.#health = health;
    return changes;
  }

  /** What a resource needs is wrong or missing here. */
  onUnfit(resource: ResourceId, why: string): void {
    if (!this.#unfit.has(resource)) this.#unfit.set(resource, { code: "not-installed", reason: why.slice(0, failoverWordsMax) });
  }

  /** What was found wrong here is looked at anew. */
  forgetUnfit(): void {
    this.#unfit.clear();
  }

  /** How it is, when the others have it otherwise; before they have it at all, nothing of an earlier beginning may be left here. */
  reportToSay(state: FailoverState, present: readonly ServiceId[]): CardReport | undefined {
    const { card, incarnation } = this.#identity;
    const known = state.reportOf(card);
    if (known?.state !== "up" || state.incarnationOf(card) !== incarnation) return undefined;
    const report = this.report();
    if (state.hasReported(card)) return packText(reportOf(known)) === packText(report) ? undefined : report;
    return present.every((service) => state.grants.get(service)?.holder === card) ? report : undefined;
  }

  report(): CardReport {
    const { grade, reasons } = gradeOfCard(this.#health);
    const { software, model } = this.#identity;
    return {
      software,
      model,
      readiness: this.isLeaving ? leaving : this.readiness,
      health: grade,
      healthReasons: reasons,
      configuration: this.replica,
      ports: this.ports,
      unfit: new Map(this.#unfit),
      leaseMs: this.leaseMs,
    };
  }

  /** What is agreed on of it and concerns its boot, when that is news. */
  newStanding(state: FailoverState | undefined): Standing | undefined {
    const { card } = this.#identity;
    const facts = state?.reportOf(card);
    const quarantine = facts?.quarantine;
    const standing: Standing = {
      quarantine: quarantine !== undefined && quarantine.until > (state?.now ?? 0) ? quarantine.reason : undefined,
      maintenance: facts?.maintenance !== undefined,
      role: highestRole(state, card),
    };
    const told = this.#standing;
    if (told.quarantine === standing.quarantine && told.maintenance === standing.maintenance && told.role === standing.role) {
      return undefined;
    }
    return this.#standing = standing;
  }
}

function highestRole(state: FailoverState | undefined, own: CardId): Standing["role"] {
  let highest = 0;
  for (const { seats } of state?.assignment.sets.values() ?? []) {
    for (const { card, role } of seats) if (card === own) highest = Math.max(highest, roles.indexOf(role as Standing["role"]));
  }
  return roles[highest] as Standing["role"];
}

/** What a card has said of itself, as the others know it. */
function reportOf({ software, model, readiness, health, healthReasons, configuration, ports, unfit, leaseMs }: CardFacts): CardReport {
  return { software, model, readiness, health, healthReasons, configuration, ports, unfit, leaseMs };
}
