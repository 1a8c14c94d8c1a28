/**
 * The words of the plan files: a configuration, facts about it, and what is decided. A file holds cases between lines of `====`; a case is a title
 * after `#`, words, `----`, and all that was decided. `REWRITE=1` records.
 */
import { cardAt, type CardId } from "../../src/base/ids.ts";
import type { Row, Scalar } from "../../src/config/change.ts";
import type { TableName } from "../../src/config/rules.ts";
import { assign, type Assignment, nothingAssigned, type SetAssignment } from "../../src/failover/assignment.ts";
import { cardName, type FailoverConfig, readFailoverConfig } from "../../src/failover/config.ts";
import type { Reason } from "../../src/failover/eligibility.ts";
import type { CardFacts, Facts, UnitFacts } from "../../src/failover/facts.ts";
import { gradeOfCard, type Health, type ReadingName, stepHealth } from "../../src/failover/health.ts";
import { applyChanges, type OperatorOrder, planOrder } from "../../src/failover/operator-plan.ts";
import { type CardEnding, type FailureHistory, noFailures, onCardFailure, onUnitFailure } from "../../src/failover/quarantine.ts";
import { noSurroundings, readinessOf, type ReadinessReport, readinessText } from "../../src/failover/readiness.ts";
import { checkSets } from "../../src/failover/set-check.ts";

type Writable<T> = { -readonly [Key in keyof T]: T[Key] };

const start = 100_000_000;

export function freshCard(now: number): CardFacts {
  return {
    state: "up",
    joined: true,
    readiness: { kind: "ready" },
    health: "good",
    healthReasons: [],
    healthySince: now,
    software: "1.0.0",
    model: undefined,
    configuration: "current",
    ports: new Map(),
    unfit: new Map(),
    leaseMs: undefined,
    quarantine: undefined,
    maintenance: undefined,
    drained: undefined,
  };
}

export const freshUnit: UnitFacts = {
  failedOn: new Map(),
  quarantine: undefined,
  wanted: undefined,
  stay: undefined,
  isMoving: false,
  failbacksUndone: [],
};

/** "1" to "64", or "2/3" for a chassis and a slot. */
export function cardFrom(word: string): CardId {
  const [chassis, slot] = word.split("/");
  if (slot !== undefined) return cardAt(Number(chassis), Number(slot));
  const number = Number(word);
  return cardAt(Math.floor((number - 1) / 8) + 1, ((number - 1) % 8) + 1);
}

function cardsFrom(words: readonly string[]): CardId[] {
  return words.flatMap((word) => {
    const [from, to] = word.split("-").map(cardFrom) as [CardId, CardId | undefined];
    return to === undefined ? [from] : Array.from({ length: to - from + 1 }, (_, index) => (from + index) as CardId);
  });
}

/** "90s", "10min", "2h". */
export function durationFrom(word: string): number {
  const match = /^(\d+)(ms|s|min|h)$/.exec(word);
  if (match === null) throw new Error(`${word} is no duration: write 500ms, 90s, 10min or 2h`);
  return Number(match[1]) * { ms: 1, s: 1_000, min: 60_000, h: 3_600_000 }[match[2] as "ms"];
}

export class PlanWorld {
  readonly #rows = new Map<TableName, Map<string, Row>>();
  #cards = new Map<CardId, CardFacts>();
  #units = new Map<string, UnitFacts>();
  readonly #histories = new Map<string, FailureHistory>();
  readonly #failures = new Map<CardId, readonly number[]>();
  readonly #healths = new Map<CardId, Health>();
  readonly #noQuorum = new Map<CardId, string>();
  readonly #noFence = new Map<CardId, string>();
  #readiness: ReadinessReport | undefined;
  readonly #activities: Writable<Facts["activities"][number]>[] = [];
  #ownersKnown = true;
  #config: FailoverConfig | undefined;
  now = start;
  assignment: Assignment = nothingAssigned;

  get config(): FailoverConfig {
    this.#config ??= readFailoverConfig({ rows: (table) => this.#rows.get(table)?.values() ?? [] });
    return this.#config;
  }

  get facts(): Facts {
    return {
      now: this.now,
      cards: this.#cards,
      units: this.#units,
      activities: this.#activities,
      ownersKnown: this.#ownersKnown,
      epochsFrom: 0,
    };
  }

  put(table: TableName, id: string, columns: Readonly<Record<string, Scalar>>): void {
    const rows = this.#rows.get(table) ?? new Map<string, Row>();
    rows.set(id, { ...rows.get(id), ...columns, id });
    this.#rows.set(table, rows);
    this.#config = undefined;
  }

  remove(table: TableName, id: string): void {
    if (this.#rows.get(table)?.delete(id) !== true) throw new Error(`${table} has no row ${id}`);
    this.#config = undefined;
  }

  card(card: CardId, changes: Partial<CardFacts>): void {
    const before = this.#cards.get(card) ?? freshCard(this.now);
    const after = { ...before, ...changes };
    const isHealthy = after.state === "up" && after.readiness.kind === "ready" && after.health === "good";
    const healthySince = isHealthy ? before.healthySince ?? this.now : undefined;
    this.#cards.set(card, { ...after, healthySince: "healthySince" in changes ? changes.healthySince : healthySince });
  }

  cardFacts(card: CardId): CardFacts {
    return this.#cards.get(card) ?? freshCard(this.now);
  }

  unit(id: string, changes: Partial<UnitFacts>): void {
    this.#units.set(id, { ...(this.#units.get(id) ?? freshUnit), ...changes });
  }

  /** Carries out one line; what it says. */
  run(line: string): string[] {
    const words = line.split(/\s+/);
    const options: Record<string, string> = {};
    const rest: string[] = [];
    for (const word of words.slice(1)) {
      const match = /^([a-zA-Z]+)=(.*)$/.exec(word);
      if (match === null) rest.push(word);
      else options[match[1] as string] = match[2] as string;
    }
    return this.#word(words[0] as string, rest, options) ?? [];
  }

  #word(verb: string, rest: readonly string[], options: Readonly<Record<string, string>>): string[] | undefined {
    const [first = "", second = "", third = ""] = rest;
    const text = (from: number) => rest.slice(from).join(" ");
    const each = (changes: Partial<CardFacts>) => {
      for (const card of cardsFrom(rest)) this.card(card, changes);
      return undefined;
    };
    switch (verb) {
      case "cards":
        for (const card of cardsFrom(rest)) {
          this.put("cards", cardName(card), { enabled: 1, capacity: Number(options.capacity ?? 100), model: options.model ?? null });
          this.card(card, {});
        }
        return undefined;
      case "disable":
      case "enable":
        for (const card of cardsFrom(rest)) this.put("cards", cardName(card), { enabled: verb === "enable" ? 1 : 0 });
        return undefined;
      case "group":
        this.put("portGroups", first, { card: first.slice(0, 3), interfaces: JSON.stringify(rest.slice(1)) });
        return undefined;
      case "set":
        this.#set(first, second, rest.slice(2), options);
        return undefined;
      case "member":
        this.#member(first, second, 100);
        return undefined;
      case "leave":
        this.remove("setMembers", `${first}/${second.includes("/") ? second : cardName(cardFrom(second))}`);
        return undefined;
      case "service":
        this.put("services", first, {
          set: second,
          enabled: rest.includes("disabled") ? 0 : 1,
          weight: Number(options.weight ?? 10),
          priority: Number(options.priority ?? 0),
          preferred: options.preferred === undefined
            ? null
            : JSON.stringify(options.preferred.split(",").map((word) => cardName(cardFrom(word)))),
          together: options.together ?? null,
          apart: options.apart ?? null,
        });
        return undefined;
      case "gone":
        this.remove("services", first);
        return undefined;
      case "resource":
        this.put("resources", first, {
          kind: second,
          service: third === "" ? null : third,
          interface: options.interface ?? null,
          device: options.device ?? null,
        });
        for (const need of options.needs?.split(",") ?? []) this.put("dependencies", `${first}/${need}`, { resource: first, needs: need });
        return undefined;
      case "reach":
        this.#reach(first, options);
        return undefined;
      case "policy":
        this.put("policies", first, {
          value: JSON.stringify(/^\d+$/.test(second) ? Number(second) : /^(true|false)$/.test(second) ? second === "true" : second),
        });
        return undefined;
      case "up":
        return each({ state: "up", joined: true, readiness: { kind: "ready" } });
      case "down":
        return each({ state: "down" });
      case "unknown":
        return each({ state: "unknown" });
      case "untold":
        for (const card of cardsFrom(rest)) this.#cards.delete(card);
        return undefined;
      case "booting":
        return each({ state: "up", readiness: { kind: "booting", phase: "catch-up" } });
      case "hold":
        this.card(cardFrom(first), { state: "up", readiness: { kind: "hold", code: second, reason: text(2) } });
        return undefined;
      case "unjoined":
        return each({ joined: false });
      case "joined":
        return each({ joined: true });
      case "health":
        this.card(cardFrom(first), { health: second as CardFacts["health"], healthReasons: second === "good" ? [] : [text(2)] });
        return undefined;
      case "software":
        this.card(cardFrom(first), { software: second });
        return undefined;
      case "model":
        this.card(cardFrom(first), { model: second });
        return undefined;
      case "behind":
        return each({ configuration: "behind" });
      case "current":
        return each({ configuration: "current" });
      case "port": {
        const ports = new Map(this.cardFacts(cardFrom(first)).ports);
        if (third === "up") ports.delete(second);
        else ports.set(second, third as "down");
        this.card(cardFrom(first), { ports });
        return undefined;
      }
      case "unfit":
      case "fit": {
        const unfit = new Map(this.cardFacts(cardFrom(first)).unfit);
        if (verb === "fit") unfit.delete(second);
        else unfit.set(second, { code: third as "unreachable", reason: text(3) });
        this.card(cardFrom(first), { unfit });
        return undefined;
      }
      case "maintenance":
        this.card(cardFrom(first), { maintenance: second === "off" ? undefined : { by: "anna", at: this.now, comment: text(2) } });
        return undefined;
      case "drain":
        return each({ drained: { by: "anna", at: this.now, comment: "" } });
      case "undrain":
        return each({ drained: undefined });
      case "quarantine": {
        const until = options.for === undefined ? Infinity : this.now + durationFrom(options.for);
        const quarantine = { reason: text(1), since: this.now, until };
        if (/^\d/.test(first)) this.card(cardFrom(first), { quarantine });
        else this.unit(first, { quarantine });
        return undefined;
      }
      case "lift":
        if (/^\d/.test(first)) this.card(cardFrom(first), { quarantine: undefined });
        else this.unit(first, { quarantine: undefined, failedOn: new Map() });
        return undefined;
      case "failed": {
        const failedOn = new Map(this.#units.get(first)?.failedOn);
        failedOn.set(cardFrom(second), {
          since: this.now,
          reason: `it failed too often on card ${cardFrom(second)}`,
          until: this.now + durationFrom(options.for ?? "1h"),
        });
        this.unit(first, { failedOn });
        return undefined;
      }
      case "switch":
      case "failback":
        this.unit(first, { wanted: { by: "anna", at: this.now, comment: text(2), to: cardFrom(second), verb } });
        return undefined;
      case "settle":
        this.unit(first, { wanted: undefined, stay: second === "stay" ? this.#ownerOf(first) : undefined });
        return undefined;
      case "moving":
        this.unit(first, { isMoving: second !== "off" });
        return undefined;
      case "undone":
        this.unit(first, { failbacksUndone: [...(this.#units.get(first)?.failbacksUndone ?? []), this.now] });
        return undefined;
      case "activity":
        if (second === "off") this.#activities.splice(0);
        else this.#activities.push({ kind: first as "drill", reason: text(1), since: this.now });
        return undefined;
      case "owners":
        this.#ownersKnown = first === "known";
        return undefined;
      case "wait":
        this.now += durationFrom(first);
        return undefined;
      case "plan":
        return this.#plan();
      case "dry":
      case "order":
        return this.#order(rest, verb === "dry");
      case "fail":
        return this.#fail(first, cardFrom(second), text(2));
      case "ended":
        return this.#ended(cardFrom(first), second as CardEnding);
      case "reading":
        return this.#reading(cardFrom(first), options);
      case "quorum":
        this.#noQuorum.set(cardFrom(first), text(1));
        return undefined;
      case "fence":
        this.#noFence.set(cardFrom(first), text(1));
        return undefined;
      case "ready":
        this.#readiness = readinessOf(
          this.config,
          this.facts,
          this.assignment,
          { ...noSurroundings, noQuorumWithout: this.#noQuorum, noFence: this.#noFence },
          this.#readiness,
        );
        return readinessText(this.#readiness);
      case "check":
        return checkSets(this.config).map(({ code, severity, table, id, message }) => `${severity} ${code} ${table} ${id}: ${message}`)
          .concat("checked");
      case "roles":
        return [...this.assignment.sets.values()].map(roleText);
      default:
        throw new Error(`no word ${verb}`);
    }
  }

  #ownerOf(unit: string): CardId | undefined {
    return this.assignment.sets.get(unit)?.primary?.card ??
      [...this.assignment.services.values()].find((service) => service.unit === unit)?.owner?.card;
  }

  #set(name: string, composition: string, members: readonly string[], options: Readonly<Record<string, string>>): void {
    this.put("failoverSets", name, {
      composition,
      failback: options.failback ?? null,
      cardModels: options.models === undefined ? null : JSON.stringify(options.models.split(",")),
      softwareMin: options.software ?? null,
    });
    const words = members.flatMap((word) => /^[\d/]+-[\d/]+$/.test(word) ? cardsFrom([word]).map(cardName) : [word]);
    for (const [index, word] of words.entries()) this.#member(name, word, composition === "n-way" ? 100 : 10 * (index + 1));
  }

  /** "1", "1@20" with its rank, "3*" a spare, "set:chassis-a", "ports:1/1/front", "device:disk". */
  #member(set: string, word: string, position: number): void {
    const match = /^(?:(set|ports|device):)?([^@*]+)(\*)?(?:@(\d+))?$/.exec(word);
    if (match === null) throw new Error(`${word} is no member`);
    const [, kind, name = "", spare, rank] = match;
    const row: Record<string, Scalar> = { set, rank: rank === undefined ? position : Number(rank), spare: spare === undefined ? 0 : 1 };
    if (kind === undefined) this.put("setMembers", `${set}/${cardName(cardFrom(name))}`, { ...row, card: cardName(cardFrom(name)) });
    else if (kind === "set") this.put("setMembers", `${set}/${name}`, { ...row, memberSet: name });
    else if (kind === "ports") this.put("setMembers", `${set}/${name.replaceAll("/", "-")}`, { ...row, portGroup: name });
    else this.put("setMembers", `${set}/${name}`, { ...row, device: name });
  }

  #reach(device: string, options: Readonly<Record<string, string>>): void {
    for (const [role, cards] of Object.entries(options)) {
      this.put("subgroups", `${device}/${role}`, { resource: device, role });
      for (const card of cards.split(",").map(cardFrom)) {
        this.put("subgroupMembers", `${device}/${role}/${cardName(card)}`, {
          subgroup: `${device}/${role}`,
          card: cardName(card),
          path: "/dev/sda",
        });
      }
    }
  }

  /** "switch web 2", "drain 1 force": dry it says what would happen, else it is carried out too. */
  #order(words: readonly string[], isDry: boolean): string[] {
    const [verb = "", first = "", second] = words;
    const common = { by: "anna", comment: "" };
    const force = words.includes("force");
    const orders: Readonly<Record<string, () => OperatorOrder>> = {
      switch: () => ({ ...common, verb: "switch", subject: first, to: second === undefined ? undefined : cardFrom(second) }),
      failback: () => ({ ...common, verb: "failback", subject: first }),
      drain: () => ({ ...common, verb: "drain", card: cardFrom(first), force }),
      undrain: () => ({ ...common, verb: "undrain", card: cardFrom(first) }),
      maintenance: () => ({ ...common, verb: "maintenance", card: cardFrom(first), on: second === "on", force }),
      lift: () => ({ ...common, verb: "lift-quarantine", subject: /^\d/.test(first) ? cardFrom(first) : first }),
    };
    const order = orders[verb]?.();
    if (order === undefined) throw new Error(`no order ${verb}`);
    const plan = planOrder(order, this.config, this.facts, this.assignment);
    if (plan.kind === "refused") return [`refused ${plan.code}: ${plan.message}. ${plan.hint}`];
    if (!isDry) {
      const facts = applyChanges(this.facts, plan.changes);
      this.#cards = new Map(facts.cards);
      this.#units = new Map(facts.units);
      this.assignment = plan.after;
    }
    return [...plan.lines];
  }

  #fail(unit: string, card: CardId, why: string): string[] {
    const decision = onUnitFailure(this.#histories.get(unit) ?? noFailures, card, this.now, why, this.config.policy);
    this.#histories.set(unit, decision.history);
    if (decision.kind === "quarantine") this.unit(unit, { quarantine: decision.quarantine });
    if (decision.kind === "failover") {
      const failedOn = new Map(this.#units.get(unit)?.failedOn);
      failedOn.set(card, { reason: decision.text, since: this.now, until: decision.until });
      this.unit(unit, { failedOn });
    }
    return [`${decision.kind} (${decision.rule}): ${decision.text}`];
  }

  #ended(card: CardId, ending: CardEnding): string[] {
    const { failures, quarantine, rule, text } = onCardFailure(
      this.#failures.get(card) ?? [],
      { card, ending, isMaintained: this.cardFacts(card).maintenance !== undefined },
      this.now,
      this.config.policy,
    );
    this.#failures.set(card, failures);
    this.card(card, { state: "down", ...(quarantine === undefined ? {} : { quarantine }) });
    return [`${quarantine === undefined ? "noted" : "quarantine"} (${rule}): ${text}`];
  }

  #reading(card: CardId, options: Readonly<Record<string, string>>): string[] {
    const values = new Map(Object.entries(options).map(([name, value]) => [name as ReadingName, Number(value)]));
    const { health, changes } = stepHealth(this.#healths.get(card) ?? new Map(), values, this.now, this.config.policy);
    this.#healths.set(card, health);
    const { grade, reasons } = gradeOfCard(health);
    if (changes.length > 0) this.card(card, { health: grade, healthReasons: reasons });
    const lines = changes.map(({ reading, from, to, correction, text }) =>
      `${reading} ${from} -> ${to}${correction === undefined ? "" : `, ${correction}`}: ${text}`
    );
    return [...lines, `card ${card} is ${grade}${reasons.length === 0 ? "" : `: ${reasons.join("; ")}`}`];
  }

  #plan(): string[] {
    const before = this.assignment;
    this.assignment = assign(this.config, this.facts, before);
    const lines = this.assignment.moves.map(({ unit, services, from, to, rule, reason }) => {
      const what = services.length === 0 ? `${unit}'s role` : services.join(", ");
      const isSeat = from !== undefined && to !== undefined && from.card === to.card;
      const [left, right] = isSeat ? [from.seat, to.seat] : [from?.card ?? "-", to?.card ?? "-"];
      return `${what}: ${left} -> ${right}  ${rule}: ${reason}`;
    });
    for (const { service, state, reasons, owner } of this.assignment.services.values()) {
      if (state === "placed" || state === "disabled" || state === "dormant") continue;
      const where = owner === undefined ? "" : ` on card ${owner.card}`;
      lines.push(`${service} is ${state}${where}${reasons.length === 0 ? "" : `: ${reasonsText(reasons)}`}`);
    }
    for (const set of this.assignment.sets.values()) {
      if (roleText(set) !== (before.sets.has(set.set) ? roleText(before.sets.get(set.set) as SetAssignment) : "")) {
        lines.push(roleText(set));
      }
    }
    return lines.length === 0 ? ["nothing changes"] : lines;
  }
}

function reasonsText(reasons: readonly Reason[]): string {
  return reasons.map(({ code }) => code).join(", ");
}

/** "db 2: primary 2, secondary 3, failed 1 (down)" */
export function roleText({ set, epoch, isDormant, seats }: SetAssignment): string {
  const roles = seats.map(({ card, seat, role, reasons }) => {
    const name = seat.includes(" > ") ? `${seat}` : `${card}`;
    return `${role} ${name}${reasons.length === 0 ? "" : ` (${reasonsText(reasons)})`}`;
  });
  return `${set} ${isDormant ? "dormant" : epoch}: ${roles.join(", ")}`;
}
