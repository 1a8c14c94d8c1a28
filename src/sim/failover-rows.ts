/** The failover sets of a simulated system: something of each composition, with resources that need each other. */
import { type CardId, cardName, chassisOf } from "../base/ids.ts";
import type { Row, Scalar } from "../config/change.ts";
import type { FailoverRows } from "../failover/service-config.ts";
import type { FailoverTable } from "../failover/service-types.ts";

/** A single set with a stack of three, an N-way set with three services, and over several chassis a set of sets. */
export function failoverRows(cards: readonly CardId[]): FailoverRows {
  const rows: Record<FailoverTable, Row[]> = {
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
  const put = (table: FailoverTable, id: string, columns: Readonly<Record<string, Scalar>>) => void rows[table].push({ id, ...columns });
  const application = (id: string, service: string) =>
    put("resources", id, {
      kind: "application",
      service,
      agent: "command",
      start: '["/bin/start"]',
      stop: '["/bin/stop"]',
      monitor: '["/bin/monitor"]',
      monitorPeriodS: 1,
      startS: 2,
      stopS: 2,
    });
  const address = (id: string, service: string, last: number) =>
    put("resources", id, { kind: "address", service, address: `10.0.0.${last}`, prefix: 24, interface: "eth0", startS: 2, stopS: 2 });
  const needs = (resource: string, needed: string) => put("dependencies", `${resource}/${needed}`, { resource, needs: needed });
  const service = (id: string, set: string) => put("services", id, { set, enabled: 1, weight: 10, priority: 0 });

  for (const card of cards) put("cards", cardName(card), { enabled: 1, capacity: 100 });
  put("failoverSets", "all", { composition: "n-way" });
  put("failoverSets", "db", { composition: "single", failback: "automatic" });
  for (const [index, card] of cards.entries()) {
    put("setMembers", `db/${cardName(card).replace("/", "-")}`, { set: "db", card: cardName(card), rank: index + 1, spare: 0 });
    put("setMembers", `all/${cardName(card).replace("/", "-")}`, { set: "all", card: cardName(card), rank: 100, spare: 0 });
  }
  service("data", "db");
  service("sql", "db");
  application("engine", "data");
  application("server", "sql");
  address("sql-ip", "sql", 9);
  needs("server", "engine");
  needs("sql-ip", "server");
  for (const [index, id] of ["a", "b", "c"].entries()) {
    service(id, "all");
    application(`${id}-app`, id);
    address(`${id}-ip`, id, index + 1);
    needs(`${id}-ip`, `${id}-app`);
  }
  const chassis = [...new Set(cards.map(chassisOf))];
  if (chassis.length > 1) {
    put("failoverSets", "site", { composition: "hierarchical" });
    service("web", "site");
    application("web-app", "web");
    for (const number of chassis) {
      put("failoverSets", `chassis-${number}`, { composition: "single" });
      put("setMembers", `site/chassis-${number}`, { set: "site", memberSet: `chassis-${number}`, rank: number, spare: 0 });
      for (const card of cards.filter((other) => chassisOf(other) === number)) {
        const member = `chassis-${number}/${cardName(card).replace("/", "-")}`;
        put("setMembers", member, { set: `chassis-${number}`, card: cardName(card), rank: 100, spare: 0 });
      }
    }
  }
  // What fails is tried again soon: a simulated life is short.
  put("policies", "restartDelayMaxS", { value: "2" });
  put("policies", "restartDelayMs", { value: "100" });
  put("policies", "failbackAfterS", { value: "5" });
  for (const table of Object.values(rows)) table.sort((one, other) => (one.id < other.id ? -1 : 1));
  return rows;
}

/** The resources that run when all is well. */
export function resourcesOf(rows: FailoverRows): string[] {
  return rows.resources.map(({ id }) => id);
}
