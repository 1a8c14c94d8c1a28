/**
 * What of the configuration the decisions of failover are made from: cards, sets with their members, services with their resources and what
 * these need, and the policy. Read once for each configuration; a decision never reads rows.
 *
 * Rows come proven by the rules of the configuration. What of sets is wrong all the same, by the rules of an earlier version, `set-check.ts` finds;
 * `readFailoverConfig` itself leaves out what leads nowhere and never fails.
 */
import type { Row, Scalar } from "../config/change.ts";
import type { TableName } from "../config/rules.ts";
import { cardAt, type CardId, chassisOf, slotOf } from "../base/ids.ts";
import { type Policy, policyOf } from "./policy.ts";
import type { ResourceKind } from "./resource.ts";

export type SetId = string;
export type ServiceId = string;
export type ResourceId = string;

export type CardConfig = {
  readonly card: CardId;
  readonly enabled: boolean;
  /** How much it can serve, in the unit of the services' weights. */
  readonly capacity: number;
  /** What sort of card it is; undefined when nobody said. */
  readonly model: string | undefined;
};

export type Composition = "single" | "hierarchical" | "n-way";

/** What a member of a set is. A port group has its card; a device has the cards that reach it, best first. */
export type MemberBody =
  | { readonly kind: "card"; readonly card: CardId }
  | { readonly kind: "set"; readonly set: SetId }
  | { readonly kind: "portGroup"; readonly portGroup: string; readonly card: CardId }
  | { readonly kind: "device"; readonly device: ResourceId; readonly cards: readonly CardId[] };

export type MemberConfig = {
  /** Its id in the configuration: the set's name, a slash, and its own. */
  readonly id: string;
  readonly rank: number;
  /** Serves only after a failure. */
  readonly spare: boolean;
  readonly body: MemberBody;
};

export type SetConfig = {
  readonly id: SetId;
  readonly composition: Composition;
  readonly failback: "controlled" | "automatic";
  /** By rank, then by the lowest card. */
  readonly members: readonly MemberConfig[];
  /** Only cards of these models, when it names some. */
  readonly cardModels: readonly string[];
  /** Only cards with this version of the software or a later one, as 1.2.3. */
  readonly softwareMin: string | undefined;
};

export type ServiceConfig = {
  readonly id: ServiceId;
  readonly set: SetId;
  readonly enabled: boolean;
  readonly weight: number;
  /** Higher is served first when not everything can be. */
  readonly priority: number;
  /** Where it belongs, the best first; for N-way sets. */
  readonly preferred: readonly CardId[];
  /** Services of one N-way set with the same word stay on one card; with the same word of `apart`, on different ones. */
  readonly together: string | undefined;
  readonly apart: string | undefined;
  /** Its resources, each after those that it needs. */
  readonly resources: readonly ResourceId[];
  /** These, and what they need that is part of no service, as a device: its card has to reach them all. */
  readonly reaches: readonly ResourceId[];
};

export type ResourceConfig = {
  readonly id: ResourceId;
  readonly kind: ResourceKind | "imagingDevice";
  readonly service: ServiceId | undefined;
  /** What it needs, of whichever service, sorted. */
  readonly needs: readonly ResourceId[];
  /** The network interface that an address is put on. */
  readonly interface: string | undefined;
  /** The cards that reach it, its primary subgroup's first; empty when nothing is said, which is every card. */
  readonly reachedBy: readonly CardId[];
};

export type FailoverConfig = {
  readonly cards: ReadonlyMap<CardId, CardConfig>;
  readonly sets: ReadonlyMap<SetId, SetConfig>;
  readonly services: ReadonlyMap<ServiceId, ServiceConfig>;
  readonly resources: ReadonlyMap<ResourceId, ResourceConfig>;
  /** The interfaces of each port group. */
  readonly portGroups: ReadonlyMap<string, readonly string[]>;
  readonly policy: Policy;
};

/** Where the rows come from; `ConfigTables` of the configuration is one. */
export type ConfigRows = { rows(table: TableName): Iterable<Row> };

/** "1/2" as a card, undefined for anything else. */
export function cardOf(text: Scalar | undefined): CardId | undefined {
  const match = typeof text === "string" ? /^([1-8])\/([1-8])$/.exec(text) : null;
  return match === null ? undefined : cardAt(Number(match[1]), Number(match[2]));
}

/** "1/2". */
export function cardName(card: CardId): string {
  return `${chassisOf(card)}/${slotOf(card)}`;
}

function textOf(value: Scalar | undefined): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

function numberOf(value: Scalar | undefined, otherwise: number): number {
  return typeof value === "number" ? value : otherwise;
}

function listOf(value: Scalar | undefined): string[] {
  const list: unknown = typeof value === "string" ? JSON.parse(value) : [];
  return Array.isArray(list) ? list.filter((item) => typeof item === "string") : [];
}

export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

export function readFailoverConfig(tables: ConfigRows): FailoverConfig {
  const policy = policyOfRows(tables.rows("policies"));
  const cards = new Map<CardId, CardConfig>();
  for (const row of tables.rows("cards")) {
    const card = cardOf(row.id);
    if (card === undefined) continue;
    cards.set(card, { card, enabled: row.enabled !== 0, capacity: numberOf(row.capacity, 100), model: textOf(row.model) });
  }
  const portGroups = new Map<string, readonly string[]>();
  for (const row of tables.rows("portGroups")) portGroups.set(row.id, listOf(row.interfaces));
  const resources = readResources(tables);
  return {
    cards: sortedByKey(cards, (a, b) => a - b),
    sets: readSets(tables, policy, portGroups, resources),
    services: readServices(tables, resources),
    resources,
    portGroups,
    policy,
  };
}

/** The settings that rows of the table `policies` give, and the defaults of the others. */
export function policyOfRows(rows: Iterable<Row>): Policy {
  const given = new Map<string, unknown>();
  for (const row of rows) if (typeof row.value === "string") given.set(row.id, JSON.parse(row.value));
  return policyOf(given);
}

function readResources(tables: ConfigRows): ReadonlyMap<ResourceId, ResourceConfig> {
  const needs = new Map<ResourceId, ResourceId[]>();
  const addNeed = (resource: string, need: string) => {
    const list = needs.get(resource);
    if (list === undefined) needs.set(resource, [need]);
    else if (!list.includes(need)) list.push(need);
  };
  for (const row of tables.rows("dependencies")) {
    if (typeof row.resource === "string" && typeof row.needs === "string") addNeed(row.resource, row.needs);
  }
  const subgroups = new Map<string, { readonly resource: string; readonly isPrimary: boolean }>();
  for (const row of tables.rows("subgroups")) {
    if (typeof row.resource === "string") subgroups.set(row.id, { resource: row.resource, isPrimary: row.role === "primary" });
  }
  const reached = new Map<ResourceId, { card: CardId; isPrimary: boolean }[]>();
  for (const row of tables.rows("subgroupMembers")) {
    const subgroup = subgroups.get(String(row.subgroup));
    const card = cardOf(row.card);
    if (subgroup === undefined || card === undefined) continue;
    const list = reached.get(subgroup.resource) ?? [];
    list.push({ card, isPrimary: subgroup.isPrimary });
    reached.set(subgroup.resource, list);
  }
  const resources = new Map<ResourceId, ResourceConfig>();
  for (const row of tables.rows("resources")) {
    // A filesystem needs its device without being told so.
    const device = textOf(row.device);
    if (device !== undefined) addNeed(row.id, device);
    const cards = (reached.get(row.id) ?? []).sort((a, b) => Number(b.isPrimary) - Number(a.isPrimary) || a.card - b.card);
    resources.set(row.id, {
      id: row.id,
      kind: row.kind as ResourceConfig["kind"],
      service: textOf(row.service),
      needs: [],
      interface: textOf(row.interface),
      reachedBy: [...new Set(cards.map(({ card }) => card))],
    });
  }
  for (const [id, resource] of resources) {
    resources.set(id, { ...resource, needs: (needs.get(id) ?? []).filter((need) => resources.has(need)).sort(compareText) });
  }
  return sortedByKey(resources, compareText);
}

function readServices(tables: ConfigRows, resources: ReadonlyMap<ResourceId, ResourceConfig>): ReadonlyMap<ServiceId, ServiceConfig> {
  const ofService = new Map<ServiceId, ResourceId[]>();
  for (const { id, service } of resources.values()) {
    if (service !== undefined) ofService.set(service, [...ofService.get(service) ?? [], id]);
  }
  const services = new Map<ServiceId, ServiceConfig>();
  for (const row of tables.rows("services")) {
    const own = inOrderOfNeed((ofService.get(row.id) ?? []).sort(compareText), resources);
    services.set(row.id, {
      id: row.id,
      set: String(row.set),
      enabled: row.enabled !== 0,
      weight: numberOf(row.weight, 10),
      priority: numberOf(row.priority, 0),
      preferred: listOf(row.preferred).map(cardOf).filter((card) => card !== undefined),
      together: textOf(row.together),
      apart: textOf(row.apart),
      resources: own,
      reaches: [...closureOf(own, resources)],
    });
  }
  return sortedByKey(services, compareText);
}

/** These resources, and all that they need and that is part of no service. */
function closureOf(ids: readonly ResourceId[], resources: ReadonlyMap<ResourceId, ResourceConfig>): Set<ResourceId> {
  const reached = new Set(ids);
  for (const id of reached) {
    for (const need of resources.get(id)?.needs ?? []) if (resources.get(need)?.service === undefined) reached.add(need);
  }
  return reached;
}

function readSets(
  tables: ConfigRows,
  policy: Policy,
  portGroups: ReadonlyMap<string, readonly string[]>,
  resources: ReadonlyMap<ResourceId, ResourceConfig>,
): ReadonlyMap<SetId, SetConfig> {
  const members = new Map<SetId, MemberConfig[]>();
  for (const row of tables.rows("setMembers")) {
    const body = memberBody(row, portGroups, resources);
    const set = String(row.set);
    if (body === undefined) continue;
    const list = members.get(set) ?? [];
    list.push({ id: row.id, rank: numberOf(row.rank, 100), spare: row.spare === 1, body });
    members.set(set, list);
  }
  const sets = new Map<SetId, SetConfig>();
  for (const row of tables.rows("failoverSets")) {
    sets.set(row.id, {
      id: row.id,
      composition: row.composition as Composition,
      failback: (textOf(row.failback) ?? policy.failback) as SetConfig["failback"],
      members: (members.get(row.id) ?? []).sort((a, b) =>
        a.rank - b.rank || lowestCard(a.body) - lowestCard(b.body) || compareText(a.id, b.id)
      ),
      cardModels: listOf(row.cardModels),
      softwareMin: textOf(row.softwareMin),
    });
  }
  return sortedByKey(sets, compareText);
}

function memberBody(
  row: Row,
  portGroups: ReadonlyMap<string, readonly string[]>,
  resources: ReadonlyMap<ResourceId, ResourceConfig>,
): MemberBody | undefined {
  const set = textOf(row.memberSet);
  if (set !== undefined) return { kind: "set", set };
  const portGroup = textOf(row.portGroup);
  if (portGroup !== undefined) {
    const card = cardOf(portGroup.slice(0, 3));
    return card === undefined || !portGroups.has(portGroup) ? undefined : { kind: "portGroup", portGroup, card };
  }
  const device = textOf(row.device);
  if (device !== undefined) return { kind: "device", device, cards: resources.get(device)?.reachedBy ?? [] };
  const card = cardOf(row.card ?? row.id.slice(row.id.lastIndexOf("/") - 1));
  return card === undefined ? undefined : { kind: "card", card };
}

function lowestCard(body: MemberBody): number {
  switch (body.kind) {
    case "card":
    case "portGroup":
      return body.card;
    case "device":
      return Math.min(...body.cards);
    case "set":
      return Infinity;
  }
}

/** The given resources, each after those of them that it needs; in the order given where that leaves a choice. */
export function inOrderOfNeed(ids: readonly ResourceId[], resources: ReadonlyMap<ResourceId, ResourceConfig>): ResourceId[] {
  const wanted = new Set(ids);
  const seen = new Set<ResourceId>();
  const ordered: ResourceId[] = [];
  const visit = (id: ResourceId): void => {
    if (seen.has(id)) return;
    seen.add(id);
    for (const need of resources.get(id)?.needs ?? []) visit(need);
    if (wanted.has(id)) ordered.push(id);
  };
  for (const id of ids) visit(id);
  return ordered;
}

/** The resources of services in the order in which they start; they stop in the reverse one. The services' own order is kept where needs leave a choice. */
export function startOrder(services: readonly ServiceId[], config: FailoverConfig): ResourceId[] {
  return inOrderOfNeed(services.flatMap((id) => config.services.get(id)?.resources ?? []), config.resources);
}

function sortedByKey<Key, Value>(map: ReadonlyMap<Key, Value>, compare: (a: Key, b: Key) => number): Map<Key, Value> {
  return new Map([...map].sort(([a], [b]) => compare(a, b)));
}
