/**
 * What is wrong with the failover sets of a configuration as a whole, or may be: sets that contain themselves, that two others contain, or that nobody can
 * serve; services that no card has room for or access to. Each finding names the row and what would be right. It looks at what is there: a change that
 * would bring an error about is refused (`invariants.ts` and `servable.ts` of the configuration; a property holds the two together).
 */
import type { CardId } from "../base/ids.ts";
import type { SetFinding, SetFindingCode } from "../config/read-answer.ts";
import { cardName, type FailoverConfig, type ServiceConfig, type SetConfig, type SetId } from "./config.ts";
import { seatsOf } from "./seats.ts";

export function checkSets(config: FailoverConfig): SetFinding[] {
  const findings: SetFinding[] = [];
  findings.push(...checkNesting(config));
  const cyclic = new Set(findings.filter(({ code }) => code === "cycle").map(({ id }) => id));
  const services = new Map<SetId, ServiceConfig[]>();
  for (const service of config.services.values()) {
    if (service.enabled) services.set(service.set, [...services.get(service.set) ?? [], service]);
  }
  for (const set of config.sets.values()) {
    if (!cyclic.has(set.id)) findings.push(...checkSet(set, services.get(set.id) ?? [], config));
  }
  return findings;
}

function checkNesting({ sets }: FailoverConfig): SetFinding[] {
  const findings: SetFinding[] = [];
  const parents = new Map<SetId, string>();
  for (const { members } of sets.values()) {
    for (const { id, body } of members) {
      if (body.kind !== "set") continue;
      const other = parents.get(body.set);
      if (other === undefined) parents.set(body.set, id);
      else {
        const message =
          `${body.set} is a member twice, as ${other} and as ${id}: a set fails over into one other set, so it must be a member of one`;
        findings.push({ code: "two-parents", severity: "error", table: "setMembers", id, message });
      }
    }
  }
  for (const { id } of sets.values()) {
    const path = cycleFrom(id, sets);
    if (path !== undefined) {
      const message = `${id} contains itself: ${path.join(" > ")}; take one of them out of the other`;
      findings.push({ code: "cycle", severity: "error", table: "failoverSets", id, message });
    }
  }
  return findings;
}

/** The way from a set back to itself. */
function cycleFrom(start: SetId, sets: ReadonlyMap<SetId, SetConfig>): SetId[] | undefined {
  const seen = new Set<SetId>();
  const walk = (id: SetId, path: readonly SetId[]): SetId[] | undefined => {
    for (const { body } of sets.get(id)?.members ?? []) {
      if (body.kind !== "set") continue;
      if (body.set === start) return [...path, start];
      if (seen.has(body.set)) continue;
      seen.add(body.set);
      const found = walk(body.set, [...path, body.set]);
      if (found !== undefined) return found;
    }
    return undefined;
  };
  return walk(start, [start]);
}

function checkSet(set: SetConfig, services: readonly ServiceConfig[], config: FailoverConfig): SetFinding[] {
  const findings: SetFinding[] = [];
  const find = (code: SetFindingCode, severity: SetFinding["severity"], table: SetFinding["table"], id: string, message: string) =>
    void findings.push({ code, severity, table, id, message });
  if (set.composition === "n-way") {
    for (const { id, body } of set.members) {
      if (body.kind === "set") {
        find(
          "sets-in-n-way",
          "error",
          "setMembers",
          id,
          `${set.id} is N-way and ${body.set} is a set: members of an N-way set are cards, port groups or devices`,
        );
      }
    }
  }
  if (set.members.length === 0) {
    find("no-member", services.length > 0 ? "error" : "warning", "failoverSets", set.id, `${set.id} has no members: nobody can serve it`);
    return findings;
  }
  const seats = seatsOf(set.id, config);
  const cards = [...new Set(seats.map(({ card }) => card))].filter((card) => config.cards.get(card)?.enabled === true);
  if (cards.length === 0) {
    find("no-card", "error", "failoverSets", set.id, `${set.id} has no member on an enabled card: nobody can serve it`);
    return findings;
  }
  if (cards.length === 1 && services.length > 0) {
    find(
      "one-card",
      "warning",
      "failoverSets",
      set.id,
      `card ${cards.map(cardName).join()} is the only one of ${set.id}: its failure is an outage; add another card`,
    );
  }
  if (set.composition === "n-way" && set.members.every(({ spare }) => spare)) {
    find(
      "only-spares",
      "warning",
      "failoverSets",
      set.id,
      `all members of ${set.id} are spares: one of them serves all the same; name fewer`,
    );
  }
  findings.push(...checkRoom(set, services, cards, config), ...checkServices(set, services, cards, config));
  return findings;
}

function checkRoom(set: SetConfig, services: readonly ServiceConfig[], cards: readonly CardId[], config: FailoverConfig): SetFinding[] {
  const roomOf = (card: CardId) => config.cards.get(card)?.capacity ?? 0;
  const largest = Math.max(...cards.map(roomOf));
  const weight = services.reduce((sum, service) => sum + service.weight, 0);
  if (set.composition !== "n-way") {
    if (weight <= largest) return [];
    const message =
      `the services of ${set.id} weigh ${weight} together and no member has more capacity than ${largest}: nobody can serve them all`;
    return [{ code: "no-room", severity: "error", table: "failoverSets", id: set.id, message }];
  }
  const findings: SetFinding[] = [];
  const together = new Map<string, number>();
  for (const service of services) {
    const key = service.together === undefined ? service.id : `+${service.together}`;
    together.set(key, (together.get(key) ?? 0) + service.weight);
  }
  for (const [key, sum] of together) {
    if (sum <= largest) continue;
    const name = key.startsWith("+") ? `the services that stay together as ${key.slice(1)}` : key;
    const message = `${name} of ${set.id} would weigh ${sum} and no member has more capacity than ${largest}`;
    findings.push({ code: "no-room", severity: "error", table: "failoverSets", id: set.id, message });
  }
  const room = cards.reduce((sum, card) => sum + roomOf(card), 0);
  if (weight > room) {
    const message =
      `the services of ${set.id} weigh ${weight} and all its members together have a capacity of ${room}: those of the lowest priority are not served`;
    findings.push({ code: "no-room", severity: "warning", table: "failoverSets", id: set.id, message });
  } else if (weight > room - largest && cards.length > 1) {
    const message = `the services of ${set.id} weigh ${weight}: when its largest card fails the others have a capacity of ${
      room - largest
    }, so not all would be taken over`;
    findings.push({ code: "no-room", severity: "warning", table: "failoverSets", id: set.id, message });
  }
  return findings;
}

function checkServices(set: SetConfig, services: readonly ServiceConfig[], cards: readonly CardId[], config: FailoverConfig): SetFinding[] {
  const findings: SetFinding[] = [];
  const find = (code: SetFindingCode, severity: SetFinding["severity"], id: string, message: string) =>
    void findings.push({ code, severity, table: "services", id, message });
  const apart = new Map<string, ServiceConfig[]>();
  for (const service of services) {
    for (const id of service.reaches) {
      const reachedBy = config.resources.get(id)?.reachedBy ?? [];
      if (reachedBy.length > 0 && !cards.some((card) => reachedBy.includes(card))) {
        find(
          "no-access",
          "error",
          service.id,
          `no card of ${set.id} is in a subgroup of ${id}, which ${service.id} needs: nobody can serve it`,
        );
      }
    }
    const strangers = service.preferred.filter((card) => !cards.includes(card));
    if (strangers.length > 0) {
      find(
        "not-preferred",
        "warning",
        service.id,
        `${service.id} prefers card ${strangers.map(cardName).join(", ")}, which ${set.id} does not have as a usable member`,
      );
    }
    if (service.apart !== undefined) apart.set(service.apart, [...apart.get(service.apart) ?? [], service]);
  }
  for (const [word, members] of apart) {
    const clash = members.find((service) =>
      service.together !== undefined && members.some((other) => other !== service && other.together === service.together)
    );
    if (clash !== undefined) {
      find(
        "apart-together",
        "error",
        clash.id,
        `${clash.id} is to stay together (${clash.together}) and to be apart (${word}) with the same service: one of both`,
      );
    } else if (set.composition !== "n-way") {
      if (members.length > 1) {
        find(
          "too-many-apart",
          "error",
          members[0]?.id ?? "",
          `${set.id} is ${set.composition}: its services are on one card and cannot be apart (${word}); use an N-way set`,
        );
      }
    } else if (members.length > cards.length) {
      find(
        "too-many-apart",
        "warning",
        members[0]?.id ?? "",
        `${members.length} services of ${set.id} are to be apart (${word}) and it has ${cards.length} cards: those of the lowest priority are not served`,
      );
    }
  }
  return findings;
}
