// runtime: node
// timeout: 240
/** For each invariant of failover, a line of the product that guards it is broken in a copy of the sources, and a world finds it out. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Bite, scenarioOf, testBites } from "./bite.ts";

const moved = ["cards 3", "failover single", "settle", "move 2 sql 2", "run 3000"];
const pulled = ["cards 3", "failover single", "settle", "pull 1", "run 9000"];
/** Nobody but the card that has card 1 stopped hears the receipt, and it ends before it can tell. */
const fenced = [
  "cards 5",
  "profile fast",
  "failover single",
  "settle",
  ...[3, 4, 5].map((card) => `cut serial ${card} rx`),
  "run 1000",
  "trap 2 hears muxReceipt 1 crash",
  "crash 1",
  "run 3000",
];

const bites: readonly Bite[] = [
  {
    checker: "one-owner",
    breaks: "what is wanted elsewhere is free before its holder has stopped it",
    file: "failover/grant.ts",
    line: "return to === holder ? unchanged(grant) : release({ ...grant, target: to });",
    broken: "return to === holder ? unchanged(grant) : onFree({ ...grant, target: to });",
    world: moved,
  },
  {
    checker: "one-owner",
    breaks: "a card that is silent counts as down",
    file: "failover/service-state.ts",
    line: 'if (state === "down" || isRestarted) this.#onProven(card);',
    broken: 'if (state !== "up" || isRestarted) this.#onProven(card);',
    world: scenarioOf("failover/hangs-without-reset-line.txt"),
  },
  {
    checker: "one-primary",
    breaks: "a new Primary has the epoch of the one before",
    file: "failover/assignment.ts",
    line: "(primary === undefined || isSame ? 0 : 1)",
    broken: "0",
    world: pulled,
  },
  {
    checker: "equal-decisions",
    breaks: "a card decides by its own facts and not by what it is told",
    file: "failover/service.ts",
    line: "this.#onHappenings(now, state.apply(sequence, card, entry), () => []);",
    broken: 'this.#onHappenings(now, state.apply(sequence, entry.kind === "started" ? this.#card : card, entry), () => []);',
    world: moved,
  },
  {
    checker: "no-role-in-rest",
    breaks: "a card that was drained is as good as any",
    file: "failover/eligibility.ts",
    line: "if (drained !== undefined)",
    broken: "if (drained === null)",
    world: ["cards 3", "failover single", "settle", "drain 2 on 1", "run 3000"],
  },
  {
    checker: "no-role-in-rest",
    breaks: "a service in quarantine is as good as any",
    file: "failover/assignment.ts",
    line: "about.quarantine.until > now",
    broken: "about.quarantine.until < now",
    world: scenarioOf("failover/application-loops.txt"),
  },
  {
    checker: "one-kill",
    breaks: "the multiplexor forgets whom it has stopped",
    file: "sim/multiplexor.ts",
    line: 'return incarnation <= stopped ? "reset" : undefined;',
    broken: "return undefined;",
    world: fenced,
  },
  {
    checker: "one-kill",
    breaks: "a card whose line is being pulled can still have another one stopped",
    file: "sim/multiplexor.ts",
    line: "    this.#slot(index).clearIn();\n",
    broken: "",
    world: scenarioOf("failover/two-cards-links-cut.txt"),
  },
  {
    checker: "fenced-for-silence",
    breaks: "a card is fenced that nobody has missed",
    file: "failover/service-fencing.ts",
    line: 'known === "up" && this.#condemned.get(card) === incarnation',
    broken: 'known === "up"',
    world: moved,
  },
  {
    checker: "told-no-first",
    breaks: "what comes into the order is delivered before it has been around",
    file: "cluster/delta.ts",
    line: "while (this.#log.delivered < this.#committed) {",
    broken: "while (this.#log.delivered < this.#log.held) {",
    world: moved,
  },
  {
    checker: "starts-in-order",
    breaks: "a start does not wait for what it needs",
    file: "failover/service-runner.ts",
    line: "if (this.#locals.has(plan.id) || this.#needs(plan.id).some((id) => this.#isAwaited(id) && !this.#isRunning(id))) continue;",
    broken: "if (this.#locals.has(plan.id)) continue;",
    world: moved,
  },
  {
    checker: "starts-in-order",
    breaks: "a stop does not wait for what stands on it",
    file: "failover/service-runner.ts",
    line: "|| !this.#mustStop(local) || this.#isNeeded(local.plan.id)) continue;",
    broken: "|| !this.#mustStop(local)) continue;",
    world: moved,
  },
  {
    checker: "demoted",
    breaks: "a card without authority goes on",
    file: "failover/service.ts",
    line: "if (!this.#authority.held || isOverdue ||",
    broken: "if (isOverdue ||",
    world: scenarioOf("failover/two-cards-no-fence.txt"),
  },
  {
    checker: "nothing-forgotten",
    breaks: "all that is agreed on is forgotten when messages stood still",
    file: "failover/service.ts",
    line: 'return this.#joining.soon(now);\n      case "refused"',
    broken: 'return this.#forget(now);\n      case "refused"',
    world: [
      "cards 3",
      "failover single",
      "settle",
      "port ether 2 down",
      "port ether 3 down",
      "run 1500",
      "port ether 2 up",
      "port ether 3 up",
      "run 3000",
    ],
  },
  {
    checker: "records-tell",
    breaks: "what proved a card's end before its record is not in it",
    file: "failover/service-records.ts",
    line: '        this.#addReceipt(id, card);\n        return;\n      }\n      case "cardBack"',
    broken: '        return;\n      }\n      case "cardBack"',
    world: ["cards 3", "failover single", "settle", "hooks 1 stops 1", "port ether 1 down", "run 9000"],
  },
  {
    checker: "records-tell",
    breaks: "a record does not say what was seen",
    file: "failover/service-records.ts",
    line: 'this.#add(id, { kind: "evidence", at, by: sayer, source: "view", text });',
    broken: "",
    world: pulled,
  },
  {
    checker: "records-tell",
    breaks: "what is granted is in no record",
    file: "failover/service-records.ts",
    line: 'case "granted": {\n        const id = this.#ofService.get(happening.service);',
    broken: 'case "granted": {\n        const id = undefined as number | undefined;',
    world: ["cards 3", "profile fast", "failover single", "settle", "crash 1", "run 3000", "insert 1", "settle"],
  },
  {
    checker: "all-served",
    breaks: "of a service's resources one is never started",
    file: "failover/service-wants.ts",
    line: 'plans: config.plansOf(service, card, "cold") });',
    broken: 'plans: config.plansOf(service, card, "cold").slice(0, 1) });',
    world: ["cards 2", "failover spread", "settle"],
  },
];

testBites(bites);

test("every invariant of failover is bitten", async () => {
  const { World } = await import("../../src/sim/world.ts");
  const checkers = (options: object) => new World({ seed: 1, cards: [], profile: "default", baud: 115_200, ...options }).checkers.all;
  const others = checkers({}).map(({ name }) => name);
  const names = checkers({ failover: ["single"] }).map(({ name }) => name).filter((name) => !others.includes(name));
  assert.equal(names.filter((name) => !bites.some(({ checker }) => checker === name)), []);
});

test.run();
