/**
 * Facts, assignment and grants together, over drawn stories: cards that really run what they were granted, links that fail, entries that take their
 * time. At no instant do two cards run one service (HA-15), and once all is well everything runs where it is assigned.
 */
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { CardId } from "../../src/base/ids.ts";
import { assign, type Assignment, nothingAssigned } from "../../src/failover/assignment.ts";
import { type Grant, type GrantEvent, type GrantOrder, idleGrant, stepGrant } from "../../src/failover/grant.ts";
import { wantsOf, withHolders } from "../../src/failover/handover.ts";
import { PlanWorld } from "./plan-world.ts";

const card = (number: number) => number as CardId;

class System {
  readonly plan = new PlanWorld();
  readonly grants = new Map<string, Grant>();
  /** What really runs on each card; a card that is cut off goes on running it. */
  readonly running = new Map<CardId, Set<string>>();
  readonly #orders: { readonly service: string; readonly order: GrantOrder }[] = [];
  assignment: Assignment = nothingAssigned;
  readonly #refuses: boolean;

  /** `refuses`: a card in trouble does not stop what it is told to stop. */
  constructor(refuses: boolean) {
    this.#refuses = refuses;
    for (
      const line of [
        "cards 1-4",
        "set db single 1 2 3",
        "set all n-way 1 2 3 4",
        "service sql db",
        "service a all",
        "service b all",
        "service c all",
      ]
    ) this.plan.run(line);
    for (let number = 1; number <= 4; number++) this.running.set(card(number), new Set());
  }

  run(line: string): void {
    this.plan.run(line);
    const [verb, word] = line.split(" ");
    if (verb !== "down") return;
    // Down is proven: nothing runs there any more, and every card hears of it.
    this.running.get(card(Number(word)))?.clear();
    for (const service of [...this.grants.keys()]) this.#step(service, { kind: "proven", card: card(Number(word)) });
  }

  decide(): void {
    const previous = withHolders(this.assignment, this.grants, this.plan.facts);
    this.assignment = assign(this.plan.config, this.plan.facts, previous);
    for (const { service, event } of wantsOf(this.assignment, this.grants)) this.#step(service, event);
  }

  #step(service: string, event: GrantEvent): void {
    const { grant, orders } = stepGrant(this.grants.get(service) ?? idleGrant, event);
    this.grants.set(service, grant);
    for (const order of orders) this.#orders.push({ service, order });
  }

  /** Carries out so many orders, those of one card in turn; an order to a card that does not hear waits. */
  deliver(count: number): void {
    for (let done = 0; done < count; done++) {
      const at = this.#orders.findIndex(({ order }) => this.plan.facts.cards.get(order.card)?.state === "up" || order.kind === "fence");
      if (at === -1) return;
      const [{ service, order }] = this.#orders.splice(at, 1) as [{ service: string; order: GrantOrder }];
      this.#carryOut(service, order);
    }
  }

  #carryOut(service: string, order: GrantOrder): void {
    const runs = this.running.get(order.card) as Set<string>;
    const grant = this.grants.get(service) ?? idleGrant;
    switch (order.kind) {
      case "grant":
        // An order that was overtaken is not followed: the card knows the order of entries too.
        if (grant.epoch !== order.epoch || grant.holder !== order.card || grant.state !== "starting") return;
        runs.add(service);
        this.#noTwo(service);
        return this.#step(service, { kind: "started", by: order.card, epoch: order.epoch });
      case "release":
        if (grant.state !== "releasing" || grant.holder !== order.card) return;
        if (this.#refuses && runs.has(service)) return this.#step(service, { kind: "stopFailed", by: order.card });
        runs.delete(service);
        return this.#step(service, { kind: "released", by: order.card });
      case "fence":
        this.run(`down ${order.card}`);
        this.#orders.splice(0, this.#orders.length, ...this.#orders.filter((other) => other.order.card !== order.card));
        return;
    }
  }

  #noTwo(service: string): void {
    const cards = [...this.running].filter(([, runs]) => runs.has(service)).map(([number]) => number);
    assert.ok(cards.length <= 1, `${service} runs on cards ${cards.join(" and ")}`);
  }

  heal(): void {
    for (let number = 1; number <= 4; number++) {
      for (const line of [`up ${number}`, `undrain ${number}`, `health ${number} good`]) this.plan.run(line);
    }
  }
}

type Step = { readonly line: string } | { readonly deliver: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.tuple(fc.constantFrom("down", "up", "unknown", "drain", "undrain", "behind", "current"), fc.integer({ min: 1, max: 4 })).map((
    [verb, number],
  ) => ({
    line: `${verb} ${number}`,
  })),
  fc.tuple(fc.constantFrom("failing", "good"), fc.integer({ min: 1, max: 4 })).map(([grade, number]) => ({
    line: `health ${number} ${grade} drawn`,
  })),
  fc.tuple(fc.constantFrom("db", "all/a", "all/b"), fc.integer({ min: 1, max: 4 })).map(([unit, number]) => ({
    line: `switch ${unit} ${number}`,
  })),
  fc.integer({ min: 0, max: 5 }).map((deliver) => ({ deliver })),
);

for (const refuses of [false, true]) {
  test(`no two cards ever run one service, and all comes to rest${refuses ? ", though cards refuse to stop and are fenced" : ""}`, () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const system = new System(refuses);
        system.decide();
        for (const one of steps) {
          if ("deliver" in one) system.deliver(one.deliver);
          else system.run(one.line);
          system.decide();
        }
        for (let round = 0; round < 20; round++) {
          system.heal();
          system.decide();
          system.deliver(100);
        }
        for (const { service, state, owner } of system.assignment.services.values()) {
          assert.is(state, "placed", service);
          assert.is(system.grants.get(service)?.state, "running", service);
          assert.is(system.grants.get(service)?.holder, owner?.card, service);
          assert.equal([...system.running].filter(([, runs]) => runs.has(service)).map(([number]) => number), [owner?.card], service);
        }
      }),
      { numRuns: Number(process.env.RUNS ?? 200), seed: Number(process.env.SEED ?? 11) },
    );
  });
}

test("a move whose old card becomes unknown before it has let go is held there", () => {
  const system = new System(false);
  system.decide();
  system.deliver(100);
  system.run("switch db 2");
  system.decide();
  assert.is(system.grants.get("sql")?.state, "releasing");
  system.run("unknown 1");
  system.decide();
  const held = system.assignment.services.get("sql");
  assert.is(held?.state, "held");
  assert.is(held?.owner?.card, 1);
  assert.is(system.grants.get("sql")?.target, 2, "who is to have it then is not forgotten");
  system.deliver(100);
  assert.equal([...system.running.get(card(2)) as Set<string>].includes("sql"), false);
  system.run("down 1");
  system.decide();
  system.deliver(100);
  assert.ok((system.running.get(card(2)) as Set<string>).has("sql"));
});

test.run();
