/**
 * Which way hosts come to a device: the paths of each export, what each is good for at the moment, and who may come at all. Pure.
 *
 * A path is a card and its ports. What it is good for is told in the words of SCSI's asymmetric logical unit access (SPC-4, section 5.15.2),
 * which every multipath host understands, whatever the protocol:
 *
 *   optimized      carries commands, on the card that hosts the device
 *   non-optimized  carries commands; the card forwards them to the host
 *   standby        could carry commands, and carries none
 *   unavailable    its card or its ports are down, or nobody hosts the device
 *
 * - **Active-Active** (FS-12): each usable path carries commands. One that is configured as standby does so when no other is usable.
 * - **Active-Passive** (FS-13): one path of a device carries commands, whatever exports of it there are. It is on the host's own card where that has a
 *   usable one, so that nothing is forwarded; then the better preference counts, then that the paths in use are spread over cards and ports by
 *   their weights (FS-11). A path in use stays until another one is better, or its port has so much more to carry that moving makes it even.
 *
 * Who hosts the device decides for all: `decidePaths` is computed by each card for the devices that it hosts, and the result is what the other cards
 * follow under the host's term. So two cards that see ports differently do not both carry commands of an Active-Passive device.
 */
import { assert } from "../base/assert.ts";
import { cardAt, type CardId } from "../base/ids.ts";
import { type IpAddress, parseIpAddress } from "../base/ip-address.ts";
import type { Row, Scalar } from "../config/change.ts";
import type { ConfigRows } from "../failover/config.ts";
import type { DeviceId } from "./blocks.ts";

export type ExportId = string;
/** Its export, a slash, and its own name. */
export type PathId = string;

export type ExportMode = "active-active" | "active-passive";
export type PathPolicy = "round-robin" | "least-queued" | "preferred";
export type ExportProtocol = "nbd" | "iscsi" | "nvme-tcp";
export type PathPreference = "optimized" | "non-optimized" | "standby";
export type AccessState = PathPreference | "unavailable";
export type AccessMode = "read-write" | "read-only";

export type PathConfig = {
  readonly path: PathId;
  readonly card: CardId;
  /** Of the card; undefined for all its ports. */
  readonly portGroup: string | undefined;
  readonly address: string | undefined;
  readonly port: number | undefined;
  readonly preference: PathPreference;
  /** Its share among paths that are equally good. */
  readonly weight: number;
};

export type ExportConfig = {
  readonly export: ExportId;
  readonly device: DeviceId;
  readonly protocol: ExportProtocol;
  /** The name by which hosts ask for it. */
  readonly target: string;
  readonly mode: ExportMode;
  readonly pathPolicy: PathPolicy;
  readonly readOnly: boolean;
  /** By their ids. */
  readonly paths: readonly PathConfig[];
};

export type HostConfig = {
  readonly host: string;
  readonly initiator: string | undefined;
  /** Where it comes from; undefined for anywhere. */
  readonly networks: readonly Network[] | undefined;
  readonly access: ReadonlyMap<ExportId, AccessMode>;
};

export type Network = { readonly address: IpAddress; readonly prefix: number };

/** By their ids. */
export type ExportsConfig = { readonly exports: ReadonlyMap<ExportId, ExportConfig>; readonly hosts: readonly HostConfig[] };

/** What the policy says for exports that do not say it themselves. */
export type ExportDefaults = { readonly mode: ExportMode; readonly pathPolicy: PathPolicy };

export type PathFacts = {
  /** The card that hosts the device, if one does. */
  readonly hostOf: (device: DeviceId) => CardId | undefined;
  /** Whether hosts reach the path: its card is up and ready, and one of its ports has a link. */
  readonly isUsable: (path: PathConfig) => boolean;
  /** The path that carried commands so far, of Active-Passive devices. */
  readonly inUse: ReadonlyMap<DeviceId, PathId>;
};

export type PathDecision = {
  readonly states: ReadonlyMap<PathId, AccessState>;
  /** The path in use, of Active-Passive devices that have one. */
  readonly inUse: ReadonlyMap<DeviceId, PathId>;
};

export function readExports(rows: ConfigRows, defaults: ExportDefaults): ExportsConfig {
  const paths = new Map<ExportId, PathConfig[]>();
  for (const row of sorted(rows.rows("exportPaths"))) {
    const card = cardOf(row.card);
    if (card === undefined) continue;
    addTo(paths, String(row.export), {
      path: row.id,
      card,
      portGroup: textOf(row.portGroup),
      address: textOf(row.address),
      port: typeof row.port === "number" ? row.port : undefined,
      preference: row.preference as PathPreference,
      weight: typeof row.weight === "number" && row.weight > 0 ? row.weight : 100,
    });
  }
  const exports = new Map<ExportId, ExportConfig>();
  for (const row of sorted(rows.rows("exports"))) {
    exports.set(row.id, {
      export: row.id,
      device: String(row.device),
      protocol: row.protocol as ExportProtocol,
      target: textOf(row.target) ?? row.id,
      mode: (textOf(row.mode) ?? defaults.mode) as ExportMode,
      pathPolicy: (textOf(row.pathPolicy) ?? defaults.pathPolicy) as PathPolicy,
      readOnly: row.readOnly === 1,
      paths: paths.get(row.id) ?? [],
    });
  }
  const access = new Map<string, [ExportId, AccessMode][]>();
  for (const row of sorted(rows.rows("hostAccess"))) addTo(access, String(row.host), [String(row.export), row.mode as AccessMode]);
  const hosts = sorted(rows.rows("hosts")).map((row) => ({
    host: row.id,
    initiator: textOf(row.initiator),
    networks: typeof row.addresses === "string" ? networksOf(row.addresses) : undefined,
    access: new Map(access.get(row.id) ?? []),
  }));
  return { exports, hosts };
}

/** What each path is good for, and which carries the commands of Active-Passive devices. */
export function decidePaths(exports: Iterable<ExportConfig>, facts: PathFacts): PathDecision {
  const states = new Map<PathId, AccessState>();
  const passive = new Map<DeviceId, Candidate[]>();
  for (const each of exports) {
    const host = facts.hostOf(each.device);
    const usable = each.paths.filter((path) => host !== undefined && facts.isUsable(path));
    for (const path of each.paths) states.set(path.path, usable.includes(path) ? "standby" : "unavailable");
    if (each.mode === "active-passive") {
      for (const path of usable) addTo(passive, each.device, { path, rank: rankOf(path, host) });
      continue;
    }
    const carrying = usable.filter(({ preference }) => preference !== "standby");
    for (const path of carrying.length > 0 ? carrying : usable) states.set(path.path, carriedState(path, host));
  }
  const inUse = new Map<DeviceId, PathId>();
  for (const [device, { path }] of spread(passive, facts.inUse)) {
    inUse.set(device, path.path);
    states.set(path.path, carriedState(path, facts.hostOf(device)));
  }
  return { states, inUse };
}

/** A path that could carry the commands of a device. The lower rank is better, whatever there is to carry. */
type Candidate = { readonly path: PathConfig; readonly rank: number };

function rankOf({ card, preference }: PathConfig, host: CardId | undefined): number {
  return (card === host ? 0 : 3) + ["optimized", "non-optimized", "standby"].indexOf(preference);
}

function carriedState({ card, preference }: PathConfig, host: CardId | undefined): AccessState {
  return card === host && preference === "optimized" ? "optimized" : "non-optimized";
}

/** Ports that carry together: what is spread evenly. */
function portOf({ card, portGroup, address }: PathConfig): string {
  return `${card} ${portGroup ?? ""} ${address ?? ""}`;
}

/** One of the best paths for each device, such that none has more to carry for its weight than another one would have with it. */
function spread(
  candidates: ReadonlyMap<DeviceId, readonly Candidate[]>,
  before: ReadonlyMap<DeviceId, PathId>,
): ReadonlyMap<DeviceId, Candidate> {
  const best = new Map<DeviceId, readonly Candidate[]>();
  for (const device of [...candidates.keys()].sort()) {
    const all = candidates.get(device) as readonly Candidate[];
    const lowest = Math.min(...all.map(({ rank }) => rank));
    best.set(device, all.filter(({ rank }) => rank === lowest));
  }
  const chosen = new Map<DeviceId, Candidate>();
  const carried = new Map<string, number>();
  const choose = (device: DeviceId, candidate: Candidate) => {
    const old = chosen.get(device);
    if (old !== undefined) carried.set(portOf(old.path), loadOf(old) - 1);
    carried.set(portOf(candidate.path), loadOf(candidate) + 1);
    chosen.set(device, candidate);
  };
  const loadOf = ({ path }: Candidate) => carried.get(portOf(path)) ?? 0;
  const least = (of: readonly Candidate[]) => {
    const cost = (candidate: Candidate) => (loadOf(candidate) + 1) / candidate.path.weight;
    return of.reduce((one, other) => (cost(other) < cost(one) ? other : one));
  };
  for (const [device, of] of best) {
    const kept = of.find(({ path }) => path.path === before.get(device));
    if (kept !== undefined) choose(device, kept);
  }
  for (const [device, of] of best) if (!chosen.has(device)) choose(device, least(of));
  // Each move takes from a port what another one carries more easily, so it ends; the bound is far above what it takes.
  for (let moves = 0; moves <= best.size * best.size; moves++) {
    const moved = [...best].find(([device, of]) => {
      const now = chosen.get(device) as Candidate;
      const others = of.filter((other) => portOf(other.path) !== portOf(now.path));
      if (others.length === 0) return false;
      const other = least(others);
      const evens = loadOf(now) / now.path.weight > (loadOf(other) + 1) / other.path.weight;
      if (evens) choose(device, other);
      return evens;
    });
    if (moved === undefined) return chosen;
  }
  assert(false, "paths are spread in fewer moves than devices squared");
  return chosen;
}

/**
 * The paths of an export in the order in which a host is to use them: those that carry commands, the better ones first, then those that could. Among
 * equals: `preferred` by weight, `least-queued` by what they carry, `round-robin` by turns, so that hosts begin with different ones.
 */
export function orderedPaths(
  config: ExportConfig,
  states: ReadonlyMap<PathId, AccessState>,
  host: string,
  queued: (path: PathConfig) => number,
): readonly PathConfig[] {
  const order: readonly AccessState[] = ["optimized", "non-optimized", "standby"];
  return order.flatMap((state) => {
    const equals = config.paths.filter(({ path }) => states.get(path) === state);
    switch (config.pathPolicy) {
      case "preferred":
        return equals.sort((one, other) => other.weight - one.weight);
      case "least-queued":
        return equals.sort((one, other) => queued(one) / one.weight - queued(other) / other.weight);
      case "round-robin": {
        const first = equals.length === 0 ? 0 : turnOf(host) % equals.length;
        return [...equals.slice(first), ...equals.slice(0, first)];
      }
    }
  });
}

/** Some number that differs between hosts. */
function turnOf(host: string): number {
  return Array.from(host).reduce((turn, letter) => (Math.imul(turn, 31) + (letter.codePointAt(0) ?? 0)) >>> 0, 7);
}

/**
 * What a host may do with each export that it may use. The host that is described the most closely counts: by the name that it has proven (of which
 * there is none without TLS, or a login), then by the narrowest network. Without an address, on the card itself, everything is allowed.
 */
export function accessOf(
  { exports, hosts }: ExportsConfig,
  protocol: ExportProtocol,
  address: string,
  name: string | undefined,
): ReadonlyMap<ExportId, AccessMode> {
  const found = new Map<ExportId, { readonly mode: AccessMode; readonly closeness: number }>();
  const bytes = parseIpAddress(address);
  const offered = [...exports.values()].filter((each) => each.protocol === protocol);
  if (address === "") return new Map(offered.map((each) => [each.export, modeOf(each, "read-write")]));
  for (const host of hosts) {
    const closeness = closenessOf(host, bytes, name);
    if (closeness === undefined) continue;
    for (const each of offered) {
      const mode = host.access.get(each.export);
      const other = found.get(each.export);
      if (mode === undefined || (other !== undefined && other.closeness > closeness)) continue;
      // Of two that are described as closely neither may take from the other.
      const wider = other?.closeness === closeness && other.mode === "read-write" ? "read-write" : mode;
      found.set(each.export, { mode: modeOf(each, wider), closeness });
    }
  }
  return new Map([...found].map(([id, { mode }]) => [id, mode]));
}

function modeOf({ readOnly }: ExportConfig, mode: AccessMode): AccessMode {
  return readOnly ? "read-only" : mode;
}

/** Undefined when it is not this host. */
function closenessOf({ initiator, networks }: HostConfig, address: IpAddress | undefined, name: string | undefined): number | undefined {
  if (initiator !== undefined && initiator !== name) return undefined;
  const ofName = initiator === undefined ? 0 : 1_000;
  if (networks === undefined) return ofName;
  const prefixes = networks.filter((network) => address !== undefined && isIn(address, network)).map(({ prefix }) => prefix);
  return prefixes.length === 0 ? undefined : ofName + 1 + Math.max(...prefixes);
}

function isIn(address: IpAddress, network: Network): boolean {
  return address.length === network.address.length && network.address.every((byte, index) => {
    const bits = Math.min(8, Math.max(0, network.prefix - index * 8));
    return ((byte ^ (address[index] ?? 0)) & (0xff00 >> bits) & 0xff) === 0;
  });
}

function networksOf(text: string): Network[] {
  const list: unknown = JSON.parse(text);
  return (Array.isArray(list) ? list : []).flatMap((each): Network[] => {
    const [address = "", prefix] = String(each).split("/");
    const bytes = parseIpAddress(address);
    return bytes === undefined ? [] : [{ address: bytes, prefix: prefix === undefined ? bytes.length * 8 : Number(prefix) }];
  });
}

function sorted(rows: Iterable<Row>): Row[] {
  return [...rows].sort((one, other) => (one.id < other.id ? -1 : 1));
}

function addTo<Key, Value>(map: Map<Key, Value[]>, key: Key, value: Value): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}

function textOf(value: Scalar | undefined): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

function cardOf(text: Scalar | undefined): CardId | undefined {
  const match = typeof text === "string" ? /^([1-8])\/([1-8])$/.exec(text) : null;
  return match === null ? undefined : cardAt(Number(match[1]), Number(match[2]));
}
