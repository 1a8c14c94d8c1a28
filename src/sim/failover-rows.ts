/** The failover sets of a simulated system, in parts that a seed draws: one of each composition, with resources that need each other. */
import { type CardId, cardName, chassisOf } from "../base/ids.ts";
import type { Row, Scalar } from "../config/change.ts";
import type { FailoverRows } from "../failover/service-config.ts";
import type { FailoverTable } from "../failover/service-types.ts";

export const failoverParts = [
  /** Active and standby: a stack of device, filesystem, application and address, on all cards by their rank. */
  "single",
  /** N x N: three services wherever there is room. */
  "spread",
  /** N x 1: a service for each card but the last, which takes over from any of them. */
  "spare",
  /** Card > port group: a service goes to the other port of its card before it goes to another card. */
  "ports",
  /** Services whose application stands by on every card that would take them over; their address is on one. */
  "hot",
  /** A set of sets: one for each chassis. */
  "chassis",
] as const;
export type FailoverPart = typeof failoverParts[number];

/** What operators change in the configuration, and change back. */
export const rowChanges = ["ranks", "capacity", "service", "resource", "member", "needs", "policy"] as const;
export type RowChange = typeof rowChanges[number];

type Tables = Record<FailoverTable, Row[]>;
type Columns = Readonly<Record<string, Scalar>>;

/** The rows of these parts, with these changes made. */
export function failoverRows(
  cards: readonly CardId[],
  parts: readonly FailoverPart[] = ["single", "spread", "chassis"],
  changes: ReadonlySet<RowChange> = new Set(),
): FailoverRows {
  const building = new Building(cards);
  const chassis = [...new Set(cards.map(chassisOf))];
  for (const part of parts) if (part !== "chassis" || chassis.length > 1) building[part]();
  building.policies();
  for (const change of changes) building.change(change);
  for (const table of Object.values(building.rows)) table.sort((one, other) => (one.id < other.id ? -1 : 1));
  return building.rows;
}

class Building {
  readonly rows: Tables = {
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
  readonly #cards: readonly CardId[];
  #addresses = 0;

  constructor(cards: readonly CardId[]) {
    this.#cards = cards;
    for (const card of cards) this.#put("cards", cardName(card), { enabled: 1, capacity: 100 });
  }

  single(): void {
    this.#put("failoverSets", "db", { composition: "single", failback: "automatic" });
    for (const [index, card] of this.#cards.entries()) this.#member("db", card, { rank: index + 1 });
    this.#service("data", "db");
    this.#service("sql", "db");
    this.#put("resources", "disk", { kind: "device", service: "data", startS: 2, stopS: 2 });
    this.#put("subgroups", "disk/all", { resource: "disk", role: "primary" });
    for (const card of this.#cards) {
      this.#put("subgroupMembers", `disk/all/${dashed(card)}`, { subgroup: "disk/all", card: cardName(card), path: "/dev/disk" });
    }
    this.#put("resources", "files", {
      kind: "filesystem",
      service: "data",
      device: "disk",
      mountPoint: "/srv",
      filesystem: "ext4",
      startS: 2,
      stopS: 2,
    });
    this.#application("engine", "data", ["files"]);
    this.#application("server", "sql", ["engine"]);
    this.#address("sql-ip", "sql", ["server"]);
  }

  spread(): void {
    this.#put("failoverSets", "all", { composition: "n-way" });
    for (const card of this.#cards) this.#member("all", card, {});
    for (const id of ["a", "b", "c"]) this.#pair(id, "all");
  }

  spare(): void {
    this.#put("failoverSets", "farm", { composition: "n-way" });
    const last = this.#cards.length - 1;
    for (const [index, card] of this.#cards.entries()) this.#member("farm", card, { spare: index === last ? 1 : 0 });
    for (const card of this.#cards.slice(0, Math.min(last, 4))) {
      this.#pair(`farm-${dashed(card)}`, "farm", { preferred: JSON.stringify([cardName(card)]) });
    }
  }

  ports(): void {
    this.#put("failoverSets", "san", { composition: "hierarchical" });
    for (const [index, card] of this.#cards.slice(0, 3).entries()) {
      for (const [port, name] of ["front", "back"].entries()) {
        const group = `${cardName(card)}/${name}`;
        this.#put("portGroups", group, { card: cardName(card), interfaces: JSON.stringify([`eth${port + 1}`]) });
        this.#put("setMembers", `san/${dashed(card)}-${name}`, { set: "san", portGroup: group, rank: 10 * index + port, spare: 0 });
      }
    }
    this.#pair("target", "san");
  }

  hot(): void {
    this.#put("failoverSets", "pool", { composition: "n-way" });
    for (const card of this.#cards) this.#member("pool", card, {});
    for (const id of ["p", "q"]) this.#pair(id, "pool", {}, { standby: "hot" });
  }

  chassis(): void {
    this.#put("failoverSets", "site", { composition: "hierarchical" });
    this.#service("web", "site");
    this.#application("web-app", "web", []);
    for (const number of new Set(this.#cards.map(chassisOf))) {
      this.#put("failoverSets", `chassis-${number}`, { composition: "single" });
      this.#put("setMembers", `site/chassis-${number}`, { set: "site", memberSet: `chassis-${number}`, rank: number, spare: 0 });
      for (const card of this.#cards.filter((other) => chassisOf(other) === number)) this.#member(`chassis-${number}`, card, {});
    }
  }

  /** What fails is tried again soon: a simulated life is short. */
  policies(): void {
    this.#put("policies", "restartDelayMaxS", { value: "2" });
    this.#put("policies", "restartDelayMs", { value: "100" });
    this.#put("policies", "failbackAfterS", { value: "5" });
    this.#put("policies", "healthClearS", { value: "2" });
  }

  change(change: RowChange): void {
    const lastCard = this.#cards.at(-1) as CardId;
    switch (change) {
      case "ranks":
        return this.#edit("setMembers", ({ rank }) => ({ rank: 1_000 - Number(rank) }));
      case "capacity":
        return this.#edit("cards", ({ id }) => ({ capacity: id === cardName(lastCard) ? 10 : 40 }));
      case "service":
        return this.#edit("services", ({ id }, index) => ({ enabled: index % 3 === 1 || id === "web" ? 0 : 1 }));
      case "resource":
        return this.#edit("resources", ({ kind }) => (kind === "address" ? { prefix: 25 } : {}));
      case "member":
        return void (this.rows.setMembers = this.rows.setMembers.filter((row) =>
          row.card !== cardName(lastCard) || row.set === `chassis-${chassisOf(lastCard)}`
        ));
      case "needs":
        return void (this.rows.dependencies = this.rows.dependencies.filter(({ needs }) => needs !== "engine"));
      case "policy":
        return this.#edit("policies", ({ id }) => (id === "failbackAfterS" ? { value: "1" } : {}));
    }
  }

  #edit(table: FailoverTable, columnsOf: (row: Row, index: number) => Columns): void {
    this.rows[table] = this.rows[table].map((row, index) => ({ ...row, ...columnsOf(row, index) }));
  }

  #put(table: FailoverTable, id: string, columns: Columns): void {
    this.rows[table].push({ id, ...columns });
  }

  #member(set: string, card: CardId, columns: Columns): void {
    this.#put("setMembers", `${set}/${dashed(card)}`, { set, card: cardName(card), rank: 100, spare: 0, ...columns });
  }

  #service(id: string, set: string, columns: Columns = {}): void {
    this.#put("services", id, { set, enabled: 1, weight: 10, priority: 0, ...columns });
  }

  /** An application and its address. */
  #pair(id: string, set: string, columns: Columns = {}, ofApplication: Columns = {}): void {
    this.#service(id, set, columns);
    this.#application(`${id}-app`, id, [], ofApplication);
    this.#address(`${id}-ip`, id, [`${id}-app`]);
  }

  #application(id: string, service: string, needs: readonly string[], columns: Columns = {}): void {
    this.#put("resources", id, {
      kind: "application",
      service,
      agent: "command",
      start: '["/bin/start"]',
      stop: '["/bin/stop"]',
      monitor: '["/bin/monitor"]',
      monitorPeriodS: 1,
      startS: 2,
      stopS: 2,
      ...columns,
    });
    this.#needs(id, needs);
  }

  #address(id: string, service: string, needs: readonly string[]): void {
    const address = `10.0.0.${++this.#addresses}`;
    this.#put("resources", id, { kind: "address", service, address, prefix: 24, interface: "eth0", startS: 2, stopS: 2 });
    this.#needs(id, needs);
  }

  #needs(resource: string, needs: readonly string[]): void {
    for (const needed of needs) this.#put("dependencies", `${resource}/${needed}`, { resource, needs: needed });
  }
}

function dashed(card: CardId): string {
  return cardName(card).replace("/", "-");
}
