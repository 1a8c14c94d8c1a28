/**
 * For each invariant that the simulator checks, a line of the product that guards it is broken, in a copy of the
 * sources, and a world is named that finds it out. The same world passes with the sources as they are: so a checker
 * that sleeps, and a world that would fail anyway, both fail here.
 */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";

type Bite = {
  /** The checker that must find it. */
  readonly checker: string;
  readonly breaks: string;
  readonly file: string;
  readonly line: string;
  readonly broken: string;
  /** A scenario, a calm seed of the swarm, or one with all its faults (of five cards and 20 s, unless it says otherwise). */
  readonly world: readonly string[] | number | FaultySeed;
};

type FaultySeed = { readonly seed: number; readonly stores?: boolean; readonly seconds?: number; readonly cards?: number | "drawn" };

/** The verbs of a recorded scenario. */
function scenarioOf(path: string): string[] {
  const text = readFileSync(fileURLToPath(new URL(`../scenarios/${path}`, import.meta.url)), "utf8");
  return (text.split("\n----")[0] as string).split("\n");
}

const bites: readonly Bite[] = [
  {
    checker: "dead-without-silence",
    breaks: "a late tick is not taken off the peers' silence",
    file: "cluster/heartbeat.ts",
    line: "this.#forgivenMs += lateMs;",
    broken: "",
    world: ["cards 3", "settle", "stall 2 3000 tick", "run 4000"],
  },
  {
    checker: "dead-without-silence",
    breaks: "half the patience is enough",
    file: "cluster/heartbeat.ts",
    line: "downAfterMs: downAfterMs * slower",
    broken: "downAfterMs: downAfterMs * slower * 0.7",
    world: ["cards 3", "settle", "crash 2", "run 3000"],
  },
  {
    checker: "dead-without-silence",
    breaks: "a slot that has power is taken for one without",
    file: "cluster/heartbeat.ts",
    line: "const isOn = (powered & bit) !== 0;",
    broken: "const isOn = (powered & bit) === 0;",
    world: ["cards 3", "run 3000"],
  },
  {
    checker: "down-on-all-links",
    breaks: "a card is down when one of its links is",
    file: "cluster/heartbeat.ts",
    line: 'else if (ether === "up" && serial === "up") health = "healthy";',
    broken:
      'else if (ether === "up" && serial === "up") health = "healthy"; else if (ether === "down" || serial === "down") health = "down";',
    world: ["cards 3", "settle", "cut serial 2", "run 3000"],
  },
  {
    checker: "no-replay",
    breaks: "a frame that was accepted is accepted again",
    file: "cluster/admission.ts",
    line: "if (!take(window, sequence)) {",
    broken: "if (!take(window, sequence) && sequence < 0) {",
    world: ["cards 3", "settle", "forge replay ether 2 30", "run 1000"],
  },
  {
    checker: "no-replay",
    breaks: "a frame of an old incarnation is accepted",
    file: "cluster/admission.ts",
    line: "if (incarnation < sender.incarnation) {",
    broken: "if (incarnation < 0) {",
    world: ["cards 3", "settle", "crash 2", "insert 2", "run 3000", "forge replay ether 2 30", "run 1000"],
  },
  {
    checker: "no-forgery",
    breaks: "a tag of any key passes",
    file: "wire/auth.ts",
    line: "if (difference === 0) return true;",
    broken: "return true;",
    world: ["cards 3", "settle", "forge key ether 2", "run 1000"],
  },
  {
    checker: "no-forgery",
    breaks: "a frame of another system passes",
    file: "wire/frame.ts",
    line: "if (inSystem !== system)",
    broken: "if (typeof inSystem !== typeof system)",
    world: ["cards 3", "settle", "forge system serial 2", "run 1000"],
  },
  {
    checker: "no-forgery",
    breaks: "the tag does not name the link",
    file: "wire/auth.ts",
    line: "buffer[0] = letter;",
    broken: "buffer[0] = linkLetters.ether;",
    world: ["cards 3", "settle", "forge otherLink serial 2", "run 1000"],
  },
  {
    checker: "proven-identity",
    breaks: "a peer is verified without having confirmed our nonce",
    file: "cluster/discovery.ts",
    line: "if (heard?.echoed === true) continue;",
    broken: "if (heard !== undefined) continue;",
    world: ["cards 3", "run 5000"],
  },
  {
    checker: "proven-identity",
    breaks: "a peer is verified on one link alone",
    file: "cluster/discovery.ts",
    line: "if (heard?.echoed === true) continue;",
    broken: "if (heard === undefined || heard.echoed) continue;",
    world: ["cards 3", "run 5000"],
  },
  {
    checker: "proven-identity",
    breaks: "a new incarnation inherits what the old one had proven",
    file: "cluster/discovery.ts",
    line: "this.#candidates.delete(input.card);",
    broken: "",
    world: ["cards 3", "settle", "crash 2", "insert 2", "run 3000"],
  },
  {
    checker: "bounded-step",
    breaks: "beats that were missed in a stall are caught up with",
    file: "cluster/heartbeat.ts",
    line: "onGridAt > now ? onGridAt : now + periodMs",
    broken: "onGridAt",
    world: ["cards 3", "settle", "stall 2 3000 tick", "run 4000"],
  },
  {
    checker: "serial-budget",
    breaks: "the serial period does not follow the line",
    file: "cluster/heartbeat.ts",
    line: 'return link === "serial" ? Math.max(periodMs, this.#serialFloorMs) : periodMs;',
    broken: "return periodMs;",
    world: ["cards 8", "baud 19200", "run 10000"],
  },
  {
    checker: "power-believed",
    breaks: "a loss of power is not believed",
    file: "cluster/heartbeat.ts",
    line: "if (isOn || !wasOn || peer.left) continue;",
    broken: "if (powered >= 0) continue;",
    world: ["cards 3", "settle", "pull 2", "run 1000"],
  },
  {
    checker: "crash-seen",
    breaks: "nobody looks again when a silence has become too long",
    file: "cluster/heartbeat.ts",
    line: "silenceAt > listened ? silenceAt : at.heardAt + downAfterMs",
    broken: "silenceAt > listened ? silenceAt : Infinity",
    world: ["cards 2", "settle", "crash 2", "run 9000"],
  },
  {
    checker: "changes-logged",
    breaks: "a link's health changes in silence",
    file: "node/node.ts",
    line: 'event: "link health"',
    broken: 'event: "link"',
    world: ["cards 3", "run 3000"],
  },
  {
    checker: "calm-kept",
    breaks: "the patience is shorter than a period",
    file: "cluster/heartbeat.ts",
    line: "return { silentAfterMs: silentAfterMs * slower",
    broken: 'return { silentAfterMs: silentAfterMs * slower * (link === "ether" ? 0.3336 : 1)',
    world: 7,
  },
  {
    checker: "settled",
    breaks: "a lost advert is never sent again",
    file: "cluster/discovery.ts",
    line: "this.#advertAt[link] = now + Math.max(",
    broken: "this.#advertAt[link] = Infinity * Math.max(",
    world: ["cards 3", "lose ether 1", "run 1000", "heal", "settle"],
  },
  {
    checker: "settled",
    breaks: "no card says that it hears another",
    file: "cluster/heartbeat.ts",
    line: "if (listened - at.heardAt < at.silentAfterMs) heard.push(peer.card);",
    broken: "",
    world: ["cards 3", "settle"],
  },
  {
    checker: "settled",
    breaks: "nobody tells a restored card that its incarnation is old",
    file: "node/node.ts",
    line: 'if (newest !== undefined) this.#send(link, from, { kind: "stale", card: from, incarnation: newest }, effects);',
    broken: "",
    world: ["cards 3", "settle", "crash 2", "run 2000", "insert 2 0", "settle"],
  },
  {
    checker: "equal-views",
    breaks: "a member takes over another Ethernet set than the coordinator",
    file: "cluster/membership.ts",
    line: "const view = viewOf(from, message);",
    broken:
      "const view = { ...viewOf(from, message), ether: cardsIn(from, message.ether).filter((card) => from === this.#card || card !== 2) };",
    world: scenarioOf("membership/crash.txt"),
  },
  {
    checker: "views-grow",
    breaks: "a card takes over a view without itself",
    file: "cluster/membership.ts",
    line: "    if (index < 0 || message.incarnations[index] !== this.#incarnation) {\n      if (number",
    broken: "    if (index < 0 && number > (this.#view?.number ?? 0)) return this.#takeView(now, from, message, []);\n" +
      "    if (index < 0 || message.incarnations[index] !== this.#incarnation) {\n      if (number",
    world: scenarioOf("membership/stall.txt"),
  },
  {
    checker: "promised",
    breaks: "a card promises a lower number after a higher one",
    file: "cluster/membership.ts",
    line: "if (number <= this.#numbers.promised || missing.length > 0",
    broken: "if (missing.length > 0",
    world: { seed: 1 },
  },
  {
    checker: "promised",
    breaks: "a number is not one card's to propose",
    file: "cluster/view-numbers.ts",
    line: "const next = number - (number % cardCountMax) + card - 1;\n  return next > number ? next : next + cardCountMax;",
    broken: "return number + 1 + 0 * card;",
    world: scenarioOf("membership/crash.txt"),
  },
  {
    checker: "quorum",
    breaks: "half of the electorate passes for more than half",
    file: "cluster/quorum.ts",
    line: "if (2 * votes > electorate.length) return",
    broken: "if (2 * votes >= electorate.length) return",
    world: scenarioOf("membership/four-cards-2-2.txt"),
  },
  {
    checker: "one-side",
    breaks: "the lease that a view leans on is given back as soon as a better view is in sight",
    file: "cluster/view-need.ts",
    line: "if (view !== undefined && isHeld && (isOurHalf",
    broken: "if (false && view !== undefined && isHeld && (isOurHalf",
    world: scenarioOf("membership/lease-kept.txt"),
  },
  {
    checker: "quorum",
    breaks: "a lease that was given back counts on",
    file: "cluster/membership.ts",
    line: "    this.#witnessHeld = false;\n    this.#outputs",
    broken: "    this.#outputs",
    world: [
      "cards 2",
      "witness",
      "settle",
      "crash 1",
      "run 3000",
      "insert 1",
      "run 6000",
      "cut ether 2",
      "cut serial 2",
      "run 3000",
    ],
  },
  {
    checker: "proven-absent",
    breaks: "every absent card passes for down",
    file: "cluster/ballot.ts",
    line:
      "down: this.#setOf(absent.filter((card) => down.has(card))),\n      unknown: this.#setOf(absent.filter((card) => !down.has(card))),",
    broken: "down: this.#setOf(absent),\n      unknown: this.#setOf([]),",
    world: scenarioOf("membership/four-cards-2-2.txt"),
  },
  {
    checker: "one-order",
    breaks: "the coordinator commits before the proposal is back",
    file: "cluster/delta.ts",
    line: "    this.#sendPass(outputs);\n  }\n\n  #sendPass",
    broken:
      "    this.#sendPass(outputs);\n    if (entries.length > 0) this.#onRoundTrip(now, this.#log.delivered, outputs);\n  }\n\n  #sendPass",
    world: scenarioOf("order/coordinator-dies-proposal-lost.txt"),
  },
  {
    checker: "state-kept",
    breaks: "a card does not leave its epoch when the next view comes",
    file: "cluster/delta.ts",
    line: "    this.#leaveEpoch();\n    if (!view.ether",
    broken: "    if (!view.ether",
    world: scenarioOf("order/coordinator-dies-after-one-commit.txt"),
  },
  {
    checker: "equal-state",
    breaks: "a card that takes the groups over counts their messages from nothing",
    file: "cluster/group-state.ts",
    line: "{ view: viewOf(view, members), messages, changedAt, members: [...members] }",
    broken: "{ view: viewOf(view, members), messages: 0, changedAt, members: [...members] }",
    world: scenarioOf("exchange/join-fresh.txt"),
  },
  {
    checker: "one-order",
    breaks: "who holds the most is found without its epoch",
    file: "cluster/delta.ts",
    line: "one.epoch > other.epoch || (one.epoch === other.epoch && one.held > other.held)",
    broken: "one.held > other.held",
    world: { seed: 45 },
  },
  {
    checker: "at-rest",
    breaks: "who holds the least is taken for who holds the most",
    file: "cluster/delta.ts",
    line: "holdsMore(flush, most) ? flush : most",
    broken: "holdsMore(most, flush) ? flush : most",
    world: { seed: 1 },
  },
  {
    checker: "sent-once",
    breaks: "the coordinator takes an entry that it has taken before",
    file: "cluster/delta.ts",
    line: "entry.id === (this.#taken.get(from) ?? 0) + 1",
    broken: "entry.id > 0",
    world: scenarioOf("order/pass-lost-often.txt"),
  },
  {
    checker: "sent-once",
    breaks: "what was queued outlives the view",
    file: "cluster/delta.ts",
    line: "    this.#queue = [];\n    this.#queueHead = 0;\n    this.#queuedBytes.clear();\n    this.#taken.clear();",
    broken: "    this.#taken.clear();",
    world: { seed: 1 },
  },
  {
    checker: "equal-group-views",
    breaks: "a group's view keeps its number when its members change",
    file: "cluster/group-state.ts",
    line: "group.view = viewOf(group.view.number + 1, group.members);",
    broken: "group.view = viewOf(Math.max(1, group.view.number), group.members);",
    world: scenarioOf("order/calm.txt"),
  },
  {
    checker: "equal-in-the-end",
    breaks: "members of a lost card stay in their groups",
    file: "cluster/group-state.ts",
    line: 'return gone.length === 0 ? [] : [this.#remove(sequence, group, gone, "exited")];',
    broken: "return [];",
    world: { seed: 3 },
  },
  {
    checker: "only-failed-exit",
    breaks: "members of a card that is well have exited with the view",
    file: "cluster/group-state.ts",
    line: "this.incarnationOf(member.card) !== incarnation);\n      return gone",
    broken: "this.incarnationOf(member.card) !== incarnation || member.card === 2);\n      return gone",
    world: scenarioOf("order/coordinator-dies-half-way.txt"),
  },
  {
    checker: "one-exchange",
    breaks: "a card acknowledges before its subgroup's data has come",
    file: "cluster/exchange.ts",
    line: "if (data !== undefined) return [{",
    broken: "if (true) return [{",
    world: { seed: 1 },
  },
  {
    checker: "only-failed-reset",
    breaks: "any member that ends has its card reset",
    file: "cluster/group.ts",
    line: "      if (critical) {\n        local.isFailed",
    broken: '      if (critical || why !== "") {\n        local.isFailed',
    world: scenarioOf("order/member-dies.txt"),
  },
  {
    checker: "failed-reset",
    breaks: "a critical member that ends has nothing reset",
    file: "cluster/group.ts",
    line: 'if (this.#failing === undefined) this.#outputs.push({ kind: "failing", reason });',
    broken: "",
    world: scenarioOf("order/critical-member-dies.txt"),
  },
  {
    checker: "config-one-chain",
    breaks: "a card takes a change for its own, and hashes it so",
    file: "config/replica.ts",
    line: "state.apply(epoch, card, entry)",
    broken: 'state.apply(epoch, entry.kind === "propose" ? this.#card : card, entry)',
    world: ["cards 3", "stores", "settle", "write 2 3", "run 2000"],
  },
  {
    checker: "config-true-hold",
    breaks: "what the disk refuses passes for damage",
    file: "config/replica-upkeep.ts",
    line: "result.findings.filter((finding) => finding !== fault?.message)",
    broken: "result.findings",
    world: [
      "cards 3",
      "stores",
      "settle",
      "disk 2 failing",
      "write 1 2",
      "run 3000",
      "pull 1",
      "pull 3",
      "run 2000",
      "repair 2",
      "run 500",
    ],
  },
  {
    checker: "config-kept",
    breaks: "a change is acknowledged when its own card has it",
    file: "config/replica.ts",
    line: "return card === this.#card ? this.#database.durable.sequence : this.#durability.upTo(card);",
    broken: "return card > 0 ? this.#database.durable.sequence : this.#durability.upTo(card);",
    world: ["cards 3", "stores", "settle", "disk 3 slow", "write 1 40", "run 5000"],
  },
  {
    checker: "config-kept",
    breaks: "half of the cards are enough without the tie-break card",
    file: "config/replica-electorate.ts",
    line: "return voters === 1 || (this.#tieBreak !== undefined && cards.includes(this.#tieBreak));",
    broken: "return voters > 0;",
    world: scenarioOf("configuration/two-halves-in-turn.txt"),
  },
  {
    checker: "config-kept",
    breaks: "what a card knew in a view lasts though too few of that view are left",
    file: "config/replica.ts",
    line: "if (!this.#electorate.isEnough(staying)) return this.#forgetState(now);",
    broken: "",
    world: scenarioOf("configuration/stalled-card-was-passed-over.txt"),
  },
  {
    checker: "config-kept",
    breaks: "a repair gives the database up while others count on it",
    file: "config/replica-upkeep.ts",
    line: "if (this.#ports.leave(now)) this.onLeft();",
    broken: "this.#ports.leave(now); this.onLeft();",
    world: { seed: 343, stores: true, seconds: 10, cards: "drawn" },
  },
  {
    checker: "config-once",
    breaks: "nobody looks whether a key has been carried out",
    file: "sim/config-store.ts",
    line: 'if (known !== undefined) return { kind: "known", head: headOf(known) };',
    broken: "",
    world: ["cards 3", "stores", "settle", "trap 1 hears configDurable 1 crash", "write 1 60", "run 10000", "insert 1", "settle"],
  },
];

const root = fileURLToPath(new URL("../../", import.meta.url));
const copied = ["base", "cluster", "config", "failover", "node", "sim", "wire", "limits.ts", "service.ts"];

/** What the world comes to with the sources in `folder`: the violation, if there is one. */
async function violationIn(folder: string, world: Bite["world"]): Promise<{ checker: string; detail: string } | undefined> {
  const from = (path: string) => import(pathToFileURL(join(folder, "sim", path)).href);
  if (!Array.isArray(world)) {
    const { runSeed } = await from("swarm.ts") as typeof import("../../src/sim/swarm.ts");
    if (typeof world === "number") return runSeed({ seed: world, seconds: 20, calm: true }).violation;
    const { cards = 5, ...seed } = world as FaultySeed;
    return runSeed({ seconds: 20, ...seed, ...(cards === "drawn" ? {} : { cards }), calm: false }).violation;
  }
  const { parseScenario, runScenario } = await from("scenario.ts") as typeof import("../../src/sim/scenario.ts");
  const result = runScenario(parseScenario(world.join("\n")));
  if (typeof result === "string") throw new Error(result);
  return result.violation;
}

for (const { checker, breaks, file, line, broken, world } of bites) {
  test(`${checker} bites when ${breaks}`, async () => {
    assert.is(await violationIn(join(root, "src"), world), undefined);
    mkdirSync(join(root, "build"), { recursive: true });
    const folder = mkdtempSync(join(root, "build", "bite-"));
    try {
      for (const name of copied) cpSync(join(root, "src", name), join(folder, name), { recursive: true });
      const text = readFileSync(join(folder, file), "utf8");
      assert.is(text.split(line).length, 2, `${file} has the guarded line exactly once: ${line}`);
      writeFileSync(join(folder, file), text.replace(line, () => broken));
      const violation = await violationIn(folder, world);
      assert.is(violation?.checker, checker, violation?.detail ?? "nothing was found");
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
}

/**
 * What breaks these is found by another one first: a card without a view, or whose replica does not catch up, by `settled`, whose alarms
 * tell of it; tables that differ by the store that a change does not fit.
 */
const bittenBefore = ["one-view", "config-equal-tables", "config-settled"];

test("every invariant is bitten", async () => {
  const { World } = await import("../../src/sim/world.ts");
  const world = new World({ seed: 1, cards: [], profile: "default", baud: 115_200, stores: true });
  assert.equal(world.checkers.all.map(({ name }) => name).filter((name) => !bites.some(({ checker }) => checker === name)), bittenBefore);
});

test.run();
