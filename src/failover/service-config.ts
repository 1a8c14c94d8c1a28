/**
 * The configuration of failover as it travels in the order and as a card carries it out: the rows of some tables at a head, what decisions need of
 * them (`config.ts`), and of each resource what its hooks need.
 */
import type { CardId } from "../base/ids.ts";
import type { Row, Scalar } from "../config/change.ts";
import type { TableName } from "../config/rules.ts";
import { cardOf, type FailoverConfig, readFailoverConfig, type ResourceId, type ServiceId } from "./config.ts";
import type { ApplicationAgent, Parameters, ResourceSpec } from "./resource.ts";
import { packText, unpackText } from "./service-text.ts";
import { type ConfigPlace, type FailoverTable, failoverTables } from "./service-types.ts";

export type FailoverRows = Readonly<Record<FailoverTable, readonly Row[]>>;

/** What a card's hooks need of a resource. */
export type ResourcePlan = {
  readonly id: ResourceId;
  /** Undefined where this card has nothing to do for it: its device has no path here, or it is of a kind without hooks. */
  readonly spec: ResourceSpec | undefined;
  readonly startMs: number;
  readonly stopMs: number;
  readonly monitorMs: number;
  /** Whether its failure resets the card. */
  readonly critical: boolean;
};

export class PlacedConfig {
  readonly place: ConfigPlace;
  readonly text: string;
  readonly failover: FailoverConfig;
  /** The services of which something runs on every card that would take them over. */
  readonly hotServices: ReadonlySet<ServiceId>;
  readonly #hot: ReadonlySet<ResourceId>;
  readonly #resources: ReadonlyMap<ResourceId, Row>;
  readonly #paths: ReadonlyMap<ResourceId, ReadonlyMap<CardId, string>>;
  /** Devices with a file system on them. */
  readonly #mounted: ReadonlySet<ResourceId>;

  constructor(place: ConfigPlace, rows: FailoverRows, text: string = textOfRows(rows)) {
    this.place = place;
    this.text = text;
    this.failover = readFailoverConfig({ rows: (table: TableName) => (rows as Partial<Record<TableName, readonly Row[]>>)[table] ?? [] });
    const hot = rows.resources.filter(({ standby }) => standby === "hot");
    this.#hot = new Set(hot.map(({ id }) => id));
    this.hotServices = new Set(hot.map(({ service }) => textOf(service)));
    this.#resources = new Map(rows.resources.map((row) => [row.id, row]));
    this.#paths = pathsOf(rows);
    this.#mounted = new Set(rows.resources.flatMap(({ kind, device }) => (kind === "filesystem" ? [textOf(device)] : [])));
  }

  planOf(id: ResourceId, card: CardId): ResourcePlan | undefined {
    const row = this.#resources.get(id);
    if (row === undefined) return undefined;
    return {
      id,
      spec: this.#specOf(row, card),
      startMs: 1_000 * numberOf(row.startS, 60),
      stopMs: 1_000 * numberOf(row.stopS, 60),
      monitorMs: 1_000 * numberOf(row.monitorPeriodS, this.failover.policy.monitorPeriodS),
      critical: row.critical === 1,
    };
  }

  /** What a card's hooks need of those resources of a service that stand by so, each after what it needs. */
  plansOf(service: ServiceId, card: CardId, standby: "cold" | "hot"): ResourcePlan[] {
    const resources = (this.failover.services.get(service)?.resources ?? []).filter((id) => this.#hot.has(id) === (standby === "hot"));
    return resources.map((id) => this.planOf(id, card)).filter((plan) => plan !== undefined);
  }

  #specOf(row: Row, card: CardId): ResourceSpec | undefined {
    switch (row.kind) {
      case "address":
        return {
          kind: "address",
          address: textOf(row.address),
          prefix: numberOf(row.prefix, 32),
          interface: textOf(row.interface),
        };
      case "filesystem": {
        const path = this.#paths.get(textOf(row.device))?.get(card);
        if (path === undefined) return undefined;
        return {
          kind: "filesystem",
          device: path,
          mountPoint: textOf(row.mountPoint),
          type: textOf(row.filesystem) || "ext4",
          options: listOf(row.mountOptions),
          check: row.check === "never" || row.check === "always" ? row.check : "auto",
        };
      }
      case "application":
        return { kind: "application", agent: agentOf(row) };
      case "device": {
        const path = this.#paths.get(row.id)?.get(card);
        // The kernel gives a device to a file system or to a file that claims it, never to both; the file system proves that it is alone.
        return path === undefined ? undefined : { kind: "device", path, exclusive: !this.#mounted.has(row.id) };
      }
      default:
        return undefined;
    }
  }
}

export const noFailoverRows: FailoverRows = {
  cards: [],
  portGroups: [],
  failoverSets: [],
  setMembers: [],
  services: [],
  resources: [],
  dependencies: [],
  subgroups: [],
  subgroupMembers: [],
  policies: [],
};

/** Empty for what is no text of rows. */
export function rowsOfText(text: string): FailoverRows {
  const read = unpackText(text) as Partial<Record<FailoverTable, unknown>> | null | undefined;
  const rows: Partial<Record<FailoverTable, readonly Row[]>> = {};
  for (const table of failoverTables) {
    const given = typeof read === "object" && read !== null ? read[table] : undefined;
    rows[table] = Array.isArray(given) ? given.filter(isRow) : [];
  }
  return rows as FailoverRows;
}

export function textOfRows(rows: FailoverRows): string {
  return packText(Object.fromEntries(failoverTables.map((table) => [table, rows[table]])));
}

/** By epoch, then by sequence. */
export function isLater(one: ConfigPlace, other: ConfigPlace | undefined): boolean {
  return other === undefined || one.epoch > other.epoch || (one.epoch === other.epoch && one.sequence > other.sequence);
}

function isRow(value: unknown): value is Row {
  return typeof value === "object" && value !== null && "id" in value && typeof value.id === "string";
}

/** Where each card finds each device. */
function pathsOf(rows: FailoverRows): Map<ResourceId, Map<CardId, string>> {
  const resources = new Map(rows.subgroups.map((row) => [row.id, textOf(row.resource)]));
  const paths = new Map<ResourceId, Map<CardId, string>>();
  for (const row of rows.subgroupMembers) {
    const resource = resources.get(textOf(row.subgroup));
    const card = cardOf(row.card);
    if (resource === undefined || card === undefined) continue;
    const known = paths.get(resource) ?? new Map<CardId, string>();
    paths.set(resource, known.set(card, textOf(row.path)));
  }
  return paths;
}

function agentOf(row: Row): ApplicationAgent {
  switch (row.agent) {
    case "ocf":
      return { kind: "ocf", provider: textOf(row.provider) || "heartbeat", type: textOf(row.type), parameters: mapOf(row.parameters) };
    case "systemd":
      return { kind: "systemd", unit: textOf(row.unit) };
    default:
      return {
        kind: "command",
        start: listOf(row.start),
        stop: listOf(row.stop),
        monitor: listOf(row.monitor),
        environment: mapOf(row.environment),
      };
  }
}

function textOf(value: Scalar | undefined): string {
  return typeof value === "string" ? value : "";
}

function numberOf(value: Scalar | undefined, otherwise: number): number {
  return typeof value === "number" ? value : otherwise;
}

function listOf(value: Scalar | undefined): string[] {
  const list: unknown = typeof value === "string" ? JSON.parse(value) : [];
  return Array.isArray(list) ? list.filter((item) => typeof item === "string") : [];
}

function mapOf(value: Scalar | undefined): Parameters {
  const map: unknown = typeof value === "string" ? JSON.parse(value) : {};
  if (typeof map !== "object" || map === null || Array.isArray(map)) return {};
  return Object.fromEntries(Object.entries(map).filter((pair): pair is [string, string] => typeof pair[1] === "string"));
}
