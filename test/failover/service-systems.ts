/** The systems that the tests of the failover service play with. */
import { ServiceWorld, type WorldOptions } from "./service-world.ts";

/** A single set with a stack of resources, and an N-way set with three services. */
export function build(seed: number, options: WorldOptions): ServiceWorld {
  const world = new ServiceWorld(seed, options);
  for (const { card } of world.cards) world.put("cards", `1/${card}`, { enabled: 1, capacity: 100 });
  world.put("failoverSets", "db", { composition: "single" });
  world.put("failoverSets", "all", { composition: "n-way" });
  for (const { card } of world.cards) {
    world.put("setMembers", `db/1-${card}`, { set: "db", card: `1/${card}`, rank: card, spare: 0 });
    world.put("setMembers", `all/1-${card}`, { set: "all", card: `1/${card}`, rank: 100, spare: 0 });
  }
  const service = (id: string, set: string) => world.put("services", id, { set, enabled: 1, weight: 10, priority: 0 });
  service("data", "db");
  service("sql", "db");
  for (const id of ["a", "b", "c"]) service(id, "all");
  const address = (id: string, of: string, last: number) =>
    world.put("resources", id, {
      kind: "address",
      service: of,
      address: `10.0.0.${last}`,
      prefix: 24,
      interface: "eth0",
      startS: 10,
      stopS: 10,
    });
  const application = (id: string, of: string) =>
    world.put("resources", id, {
      kind: "application",
      service: of,
      agent: "command",
      start: '["/bin/a"]',
      stop: '["/bin/b"]',
      monitor: '["/bin/c"]',
      monitorPeriodS: 1,
      startS: 10,
      stopS: 10,
    });
  application("engine", "data");
  application("server", "sql");
  address("sql-ip", "sql", 9);
  world.put("dependencies", "server/engine", { resource: "server", needs: "engine" });
  world.put("dependencies", "sql-ip/server", { resource: "sql-ip", needs: "server" });
  for (const [index, id] of ["a", "b", "c"].entries()) {
    application(`${id}-app`, id);
    address(`${id}-ip`, id, index + 1);
    world.put("dependencies", `${id}-ip/${id}-app`, { resource: `${id}-ip`, needs: `${id}-app` });
  }
  for (const card of world.cards) world.start(card);
  world.configure();
  return world;
}

/** The cards on which a resource runs. */
export function where(world: ServiceWorld, resource: string): number[] {
  return world.cards.filter(({ active }) => active.get(resource) === "running").map(({ card }) => card);
}

/** The resources of the system. */
export const everything = ["engine", "server", "sql-ip", "a-app", "a-ip", "b-app", "b-ip", "c-app", "c-ip"];
