/**
 * Whether somebody could serve what a wish leaves (FS-3): services that move as one and weigh more than any card of their set takes, that need a device
 * which no card of their set reaches, or that are to be apart and move as one. A wish is refused only where it makes that so. What was
 * so before, as by the rules of an earlier version, is no damage, and is mended step by step.
 */
import { setDepthMax } from "../limits.ts";
import type { Row } from "./change.ts";
import { Affected, cardsOfDevice, needsOf, type ReportInvariant, touchedSets } from "./invariants.ts";
import type { ConfigReader } from "./reader.ts";
import type { TablesAfter } from "./tables-after.ts";

export function checkServable(after: TablesAfter, report: ReportInvariant): void {
  const sets = touchedSets(after);
  const services = new Affected();
  for (const [set, change] of sets) for (const { id } of after.rowsWith("services", "set", set)) services.note(id, change);
  for (const change of after.changesOf("services")) {
    services.note(change.id, change);
    sets.note(change.after?.["set"], change);
  }
  noteNeeders(after, services);
  for (const [unservable, affected] of [[overloadOf, sets], [unreachedOf, services]] as const) {
    for (const [id, change] of affected) {
      const found = unservable(id, after);
      const before = found.size === 0 ? found : unservable(id, after.before);
      for (const [what, { by, text }] of found) if (by > (before.get(what)?.by ?? 0)) report(change, undefined, text);
    }
  }
}

/** Notes the services that need something of which the wish changes who reaches it, or whether it is needed. */
function noteNeeders(after: TablesAfter, services: Affected): void {
  const needed = new Affected();
  for (const change of after.changesOf("resources")) if (change.after !== undefined) needed.note(change.id, change);
  for (const change of after.changesOf("dependencies")) needed.note(change.after?.["needs"], change);
  for (const change of after.changesOf("subgroupMembers")) {
    const subgroup = (change.after ?? change.before)?.["subgroup"] as string;
    needed.note((after.row("subgroups", subgroup) ?? after.before.row("subgroups", subgroup))?.["resource"], change);
  }
  // What is in no service is needed by what stands on it, down to a service. The map grows while it is walked.
  for (const [id, change] of needed) {
    const service = after.row("resources", id)?.["service"] ?? null;
    if (service !== null) services.note(service, change);
    else for (const above of needersOf(id, after)) needed.note(above, change);
  }
}

function needersOf(id: string, reader: ConfigReader): string[] {
  const byName = reader.rowsWith("dependencies", "needs", id).map(({ resource }) => resource as string);
  return [...byName, ...reader.rowsWith("resources", "device", id).map((resource) => resource.id)];
}

/** What nobody can serve, by what it is: by how much, of which more is worse, and in words. */
type Findings = Map<string, { readonly by: number; readonly text: string }>;

/** What of a set no card can take. */
function overloadOf(id: string, reader: ConfigReader): Findings {
  const found: Findings = new Map();
  const set = reader.row("failoverSets", id);
  const services = reader.rowsWith("services", "set", id).filter(({ enabled }) => enabled === 1);
  if (set === undefined || services.length === 0) return found;
  const cards = enabledCardsOf(id, reader);
  // Without a card a set is wrong by itself.
  const capacity = cards.length === 0 ? Infinity : Math.max(...cards.map((card) => card["capacity"] as number));
  for (const [key, unit] of unitsOf(set, services)) {
    const names = unit.map((service) => service.id).sort().join(" and ");
    const weight = unit.reduce((sum, service) => sum + (service["weight"] as number), 0);
    if (weight > capacity) {
      const right = `must be at most ${capacity}, the largest capacity of a card of failoverSets ${id}`;
      const text = `would leave nobody to serve services ${names}: on one card that weighs ${weight}, ${right}`;
      found.set(`weight ${key}`, { by: weight - capacity, text });
    }
    for (const [one, other] of rivals(unit)) {
      const { composition } = set;
      const why = composition === "n-way" ? `together (${one["together"]})` : `on one card, as failoverSets ${id} is ${composition}`;
      const text = `would have services ${one.id} and ${other.id} apart (${one["apart"]}) and ${why}; must be one of both`;
      found.set(`apart ${one.id} ${other.id}`, { by: 1, text });
    }
  }
  return found;
}

/** The devices that a service needs and that no card of its set reaches. */
function unreachedOf(id: string, reader: ConfigReader): Findings {
  const found: Findings = new Map();
  const service = reader.row("services", id);
  if (service?.["enabled"] !== 1) return found;
  const devices = devicesOf(id, reader);
  const cards = devices.length === 0 ? [] : enabledCardsOf(service["set"] as string, reader).map((card) => card.id);
  for (const device of cards.length === 0 ? [] : devices) {
    const reaching = cardsOfDevice(device, reader);
    if (reaching.length === 0 || cards.some((card) => reaching.includes(card))) continue;
    const right = `must be reached by one of failoverSets ${service["set"]}: ${cards.join(", ")}`;
    const text = `would leave nobody to serve services ${id}: resources ${device} is reached by ${reaching.join(", ")}, ${right}`;
    found.set(device, { by: 1, text });
  }
  return found;
}

/** Services that are always on one card: all of a set, but of an N-way set each by itself, or those that are to be together. */
function unitsOf(set: Row, services: readonly Row[]): ReadonlyMap<string, readonly Row[]> {
  if (set["composition"] !== "n-way") return new Map([["", services]]);
  const units = new Map<string, Row[]>();
  for (const service of services) {
    const key = typeof service["together"] === "string" ? `+${service["together"]}` : service.id;
    units.set(key, [...units.get(key) ?? [], service]);
  }
  return units;
}

/** Of services that are to be apart by the same word, the first with each of the others. */
function rivals(unit: readonly Row[]): [Row, Row][] {
  const firsts = new Map<unknown, Row>();
  return unit.flatMap((service): [Row, Row][] => {
    const word = service["apart"];
    const first = firsts.get(word);
    if (typeof word === "string" && first === undefined) firsts.set(word, service);
    return first === undefined ? [] : [[first, service]];
  });
}

function enabledCardsOf(set: string, reader: ConfigReader): Row[] {
  return [...cardsOfSet(set, reader)].flatMap((id) => {
    const card = reader.row("cards", id);
    return card?.["enabled"] === 1 ? [card] : [];
  });
}

/** The cards behind a set's members; of sets no deeper than they may be. */
function cardsOfSet(set: string, reader: ConfigReader, depth = 1): Set<string> {
  const cards = new Set<string>();
  for (const { card, memberSet, portGroup, device } of reader.rowsWith("setMembers", "set", set)) {
    if (typeof memberSet === "string") {
      if (depth < setDepthMax) { for (const id of cardsOfSet(memberSet, reader, depth + 1)) cards.add(id); }
    } else if (typeof device === "string") { for (const id of cardsOfDevice(device, reader)) cards.add(id); }
    else if (typeof portGroup === "string") cards.add(reader.row("portGroups", portGroup)?.["card"] as string);
    else if (typeof card === "string") cards.add(card);
  }
  return cards;
}

/** The devices that a service needs: its own, and those in no service that its resources need. */
function devicesOf(service: string, reader: ConfigReader): string[] {
  const needed = new Set(reader.rowsWith("resources", "service", service).map(({ id }) => id));
  for (const id of needed) {
    for (const need of needsOf(id, reader)) if ((reader.row("resources", need)?.["service"] ?? null) === null) needed.add(need);
  }
  return [...needed].filter((id) => reader.rowsWith("subgroups", "resource", id).length > 0);
}
