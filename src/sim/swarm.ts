/**
 * One seed, one life of a system: the seed draws how many cards there are, how they are set up, which kinds of
 * fault this world knows and when they strike. Then everything is healed *and calm*, and the world must settle
 * within its stated time and keep still. Knowing only some kinds of fault in each world finds more than knowing all.
 */
import { assert } from "../base/assert.ts";
import { cardAt, type CardId, chassisCountMax, chassisOf, slotCountMax } from "../base/ids.ts";
import { Prng } from "../base/prng.ts";
import type { Violation } from "./checker.ts";
import { settleMs } from "./settling.ts";
import { agreeing, carryOutLine } from "./faults.ts";
import { drawFailing, drawParts, drawWatchdogs } from "./failover-swarm.ts";
import { storeOrders } from "./operators.ts";
import type { ProfileName } from "../node/profiles.ts";
import type { StartProgram } from "./sim-card.ts";
import { World, type WorldOptions } from "./world.ts";

export type SeedOptions = {
  readonly seed: number;
  /** Drawn from the seed where they are left out. */
  readonly cards?: number;
  readonly chassis?: number;
  readonly profile?: ProfileName;
  /** Simulated time; more when the world needs it to settle. */
  readonly seconds: number;
  /** No faults at all. */
  readonly calm: boolean;
  /** The cards have stores and a configuration; what they do there takes its own stream of draws, so that a seed is otherwise the same world. */
  readonly stores?: boolean;
  /** The cards have resources and failover sets; likewise. */
  readonly failover?: boolean;
  readonly trace?: (line: string) => void;
  readonly start?: StartProgram;
};

export type SeedResult = {
  readonly seed: number;
  readonly cards: number;
  readonly chassis: number;
  readonly profile: string;
  readonly baud: number;
  readonly faults: number;
  readonly simulatedMs: number;
  readonly violation?: Violation;
  /** The last lines of history, when there is a violation. */
  readonly lines: readonly string[];
  readonly hash: string;
};

/** After the world has settled it is watched for this long at least. */
const calmMs = 5_000;
/** With nobody sending, what is under way has arrived after this. */
export const quietMs = 1_500;
/** Services that failed are tried again, and what was quarantined is lifted, within this. */
const failoverSettleMs = 15_000;
/** Some of the time at the end is kept for healing. */
const faultShare = 0.6;

type Plan = { readonly at: number; readonly line: string }[];

/** `count` cards in `chassis` chassis as evenly as they go, in the lowest slots. */
export function placeCards(count: number, chassis: number): CardId[] {
  assert(
    chassis >= 1 && chassis <= chassisCountMax && count >= chassis && count <= chassis * slotCountMax,
    `${count} cards do not fit ${chassis} chassis`,
  );
  return Array.from({ length: count }, (_, index) => cardAt((index % chassis) + 1, Math.floor(index / chassis) + 1)).sort((a, b) => a - b);
}

/** Lives a seed's life; yields now and then, so that whoever runs it can stop or show how far it is (0 to 1). */
export function* liveSeed(options: SeedOptions): Generator<number, SeedResult> {
  const { seed } = options;
  // Not the stream that the world draws from.
  const prng = new Prng(seed ^ 0x2545f491);
  const { count, chassis } = drawSize(prng, options);
  const cards = placeCards(count, chassis);
  const profiles: readonly ProfileName[] = options.profile !== undefined
    ? [options.profile]
    : prng.chance(0.7)
    ? ["default"]
    : prng.chance(0.7)
    ? ["fast"]
    : ["default", "fast"];
  const baud = prng.pick([19_200, 38_400, 57_600, 115_200, 115_200, 230_400]);
  const drawnProfiles = new Map(cards.map((card) => [card, prng.pick(profiles)]));
  const endMs = options.seconds * 1_000;
  const groups = ["alpha", "beta", "gamma"].slice(0, 1 + prng.below(3));
  const plan = options.calm ? [] : drawPlan(prng, cards, groups, endMs * faultShare);
  const applications = drawApplications(prng, cards, groups, options.calm ? 1_000 : endMs * faultShare);
  const votes = drawVotes(prng, cards);
  // A stream of its own, so that the rest of a seed's world stays what it was.
  const storesPrng = new Prng(seed ^ 0x61c88647);
  const stores = options.stores === true;
  const writing = stores ? drawWriting(storesPrng, cards, endMs * faultShare, options.calm) : [];
  const failover = options.failover === true;
  const failoverPrng = new Prng(seed ^ 0x165667b1);
  const parts = drawParts(failoverPrng, seed);
  const failing = failover && !options.calm ? drawFailing(failoverPrng, cards, endMs * faultShare) : [];
  const world = new World({
    seed,
    cards,
    profile: (card) => drawnProfiles.get(card) as ProfileName,
    baud,
    ...votes,
    stores,
    ...(failover ? { failover: parts, ...drawWatchdogs(seed) } : {}),
    startSpreadMs: prng.pick([0, 200, 3_000]),
    ...(options.trace === undefined ? {} : { trace: options.trace }),
    ...(options.start === undefined ? {} : { start: options.start }),
  });

  const result = (violation: Violation | undefined): SeedResult => ({
    seed,
    cards: count,
    chassis,
    profile: profiles.join("+"),
    baud,
    faults: plan.length,
    simulatedMs: world.at,
    ...(violation === undefined ? {} : { violation }),
    lines: violation === undefined ? [] : world.history.lines(),
    hash: world.history.hash(),
  });

  const wholeMs = Math.max(endMs, endMs * faultShare + settleMs(world, true) + (failover ? failoverSettleMs : 0) + calmMs);
  const slices = function* (until: number) {
    while (world.at < until && world.violations.length === 0) {
      world.runUntil(Math.min(until, world.at + 1_000));
      yield Math.min(1, world.at / wholeMs);
    }
  };
  try {
    for (const { at, line } of [...plan, ...applications, ...writing, ...failing].sort((a, b) => a.at - b.at)) {
      yield* slices(at);
      if (world.violations.length > 0) return result(world.violations[0]);
      const wrong = carryOutLine(world, line);
      assert(wrong === undefined, `the swarm draws lines that are right, not "${line}": ${wrong}`);
    }
    const healAt = options.calm ? 3_000 : endMs * faultShare;
    yield* slices(healAt);
    for (const line of ["heal", "revive"]) carryOutLine(world, line);
    yield* slices(healAt + settleMs(world) + (failover ? failoverSettleMs : 0) - quietMs);
    yield* checked(world, slices);
    world.checkers.calmKept.calm = true;
    yield* slices(Math.max(endMs, world.at + calmMs));
    yield* checked(world, slices);
  } catch (thrown) {
    // A card's process would end here; the world cannot go on without it, and the seed is what is wanted.
    const sentence = "A node never breaks an invariant of its own: step does not throw.";
    const detail = thrown instanceof Error ? thrown.stack ?? thrown.message : String(thrown);
    return result({ checker: "no-throw", sentence, at: world.at, card: "a card", detail });
  }
  return result(world.violations[0]);
}

/** Lets what is under way arrive, and holds the world against what must then be true. */
function* checked(world: World, slices: (until: number) => Generator<number>): Generator<number> {
  carryOutLine(world, "quiet on");
  yield* slices(world.at + quietMs);
  // Services of failover tell each other the time now and then: what is looked at is a moment between two messages.
  for (let times = 0; times < 100 && world.failover !== undefined && isOrdering(world); times++) yield* slices(world.at + 10);
  if (world.violations.length === 0) world.checkers.checkSettled();
  carryOutLine(world, "quiet off");
}

function isOrdering(world: World): boolean {
  const groups = world.cards.flatMap((card) => world.statusOf(card)?.groups ?? []);
  return groups.some(({ pending, delivered }) => pending > 0 || delivered !== groups[0]?.delivered);
}

/** The whole life of a seed at once. */
export function runSeed(options: SeedOptions): SeedResult {
  const life = liveSeed(options);
  for (;;) {
    const { done, value } = life.next();
    if (done === true) return value;
  }
}

function drawSize(prng: Prng, options: SeedOptions): { count: number; chassis: number } {
  const kind = prng.unit();
  let chassis = options.chassis ?? (kind < 0.75 ? 1 : kind < 0.97 ? 2 + prng.below(2) : 2 + prng.below(chassisCountMax - 1));
  const drawn = kind < 0.97 ? 2 + prng.below(7) : chassis + prng.below(chassis * slotCountMax - chassis + 1);
  let count = options.cards ?? drawn;
  if (options.chassis === undefined) chassis = Math.max(Math.min(chassis, count), Math.ceil(count / slotCountMax));
  if (options.cards === undefined) count = Math.min(Math.max(count, chassis, 2), chassis * slotCountMax);
  return { count, chassis };
}

/** Most systems decide a tie by a card; some have a card that does not vote. */
function drawVotes(prng: Prng, cards: readonly CardId[]): Pick<WorldOptions, "disabled" | "tieBreak" | "witness"> {
  const kind = prng.unit();
  if (kind < 0.15) return { witness: true };
  if (kind < 0.3) return { tieBreak: prng.pick(cards) };
  return kind < 0.35 && cards.length > 2 ? { disabled: [prng.pick(cards)] } : {};
}

/** Draws the applications of a system: up to one for each card and group. Most systems say little, a few a lot. */
function drawApplications(prng: Prng, cards: readonly CardId[], groups: readonly string[], untilMs: number): Plan {
  const perSecond = prng.pick([0, 1, 1, 1, 2, 3, 3, 5, 5, 10, 10, 30, 100]);
  const bytes = prng.pick([16, 16, 16, 200, 1_500, 6_000]);
  const members = cards.flatMap((card) => groups.filter(() => prng.chance(0.5)).map((group) => ({ card, group })));
  // Large messages cost what they weigh.
  const gapMs = (1_000 * Math.max(1, members.length) * Math.max(1, bytes / 500)) / perSecond;
  return members.flatMap(({ card, group }) => {
    const at = prng.chance(0.7) ? prng.unit() * Math.min(2_000, untilMs) : prng.unit() * untilMs;
    const sharing = prng.chance(0.3) ? "shared" : "own";
    if (prng.chance(0.1)) return [{ at, line: `watch ${card} ${group} ${sharing}` }];
    const criticality = prng.chance(0.15) ? "critical" : "plain";
    const monitorMs = prng.pick([0, 0, 50, 200, 1_000]);
    const join = { at, line: `join ${card} ${group} ${criticality} ${monitorMs} ${sharing}` };
    return gapMs === Infinity ? [join] : [join, { at, line: `chatter ${card} ${group} ${gapMs.toFixed(1)} ${bytes}` }];
  });
}

/** Draws the operators of a system whose cards have stores, and what befalls their disks. */
function drawWriting(prng: Prng, cards: readonly CardId[], untilMs: number, calm: boolean): Plan {
  const plan: Plan = [{ at: prng.unit() * Math.min(3_000, untilMs), line: `writers ${prng.pick([30, 100, 300, 300, 1_000])}` }];
  if (calm) return plan;
  const isDiskBad = prng.chance(0.5);
  for (let time = isDiskBad ? 1 + prng.below(5) : 0; time > 0; time--) {
    const card = prng.pick(cards);
    const at = prng.unit() * untilMs;
    plan.push({ at, line: `disk ${card} ${prng.pick(["full", "failing", "readOnly", "slow", "slow"])}` });
    plan.push({ at: at + prng.between(100, 6_000), line: `disk ${card} right` });
  }
  const blackouts = prng.chance(0.6) ? 1 + prng.below(6) : 0;
  for (let time = 0; time < blackouts; time++) {
    const card = prng.pick(cards);
    const at = prng.unit() * untilMs;
    // Most orders are commits; what is rare needs to be met when it comes.
    plan.push({ at, line: `blackout ${card} ${prng.chance(0.5) ? "commit" : prng.pick(storeOrders)} ${1 + prng.below(3)}` });
    plan.push({ at: at + prng.between(200, 6_000), line: `insert ${card}` });
  }
  // One rotten store at most: what nobody has right any more cannot be repaired.
  if (prng.chance(0.2)) plan.push({ at: prng.unit() * untilMs, line: `rot ${prng.pick(cards)}` });
  if (prng.chance(0.3)) plan.push({ at: prng.unit() * untilMs, line: `write ${prng.pick(cards)} ${prng.pick([5, 40, 200])}` });
  return plan.filter(({ at }) => at < untilMs);
}

/** Draws the lines of one kind of fault, most of them with their end. */
type Kind = (prng: Prng, cards: readonly CardId[], at: number, groups: readonly string[]) => Plan;

const kinds: Readonly<Record<string, Kind>> = {
  crash: (prng, cards, at) => {
    const card = prng.pick(cards);
    return [{ at, line: `${prng.pick(["pull", "crash"])} ${card}` }, { at: at + prng.between(0, 8_000), line: `insert ${card}` }];
  },
  leave: (prng, cards, at) => {
    const card = prng.pick(cards);
    return [{ at, line: `leave ${card} ${prng.pick(["stop", "restart", "upgrade"])}` }, {
      at: at + prng.between(50, 8_000),
      line: `insert ${card}`,
    }];
  },
  restore: (prng, cards, at) => {
    const card = prng.pick(cards);
    return [{ at, line: `crash ${card}` }, { at: at + prng.between(0, 6_000), line: `insert ${card} 0` }];
  },
  reset: (prng, cards, at) => [{ at, line: `reset ${prng.pick(cards)} ${prng.below(slotCountMax) + 1}` }],
  stall: (prng, cards, at) => {
    const ms = prng.chance(0.6) ? prng.between(5, 500) : prng.chance(0.8) ? prng.between(500, 5_000) : prng.between(5_000, 60_000);
    return [{ at, line: `stall ${prng.pick(cards)} ${ms.toFixed(1)} ${prng.pick(["frames", "tick"])} ${prng.pick(["newest", "oldest"])}` }];
  },
  stutter: (prng, cards, at) => {
    const card = prng.pick(cards);
    return Array.from(
      { length: 8 },
      () => ({
        at: at + prng.between(0, 4_000),
        line: `stall ${card} ${prng.between(1, 400).toFixed(1)} ${prng.pick(["frames", "tick"])}`,
      }),
    );
  },
  cut: (prng, cards, at) => [
    { at, line: `cut ${prng.pick(["ether", "serial"])} ${prng.pick(cards)} ${prng.pick(["tx", "rx", "both"])}` },
    { at: at + prng.between(100, 10_000), line: "heal" },
  ],
  port: (prng, cards, at) => {
    const of = `${prng.pick(["ether", "serial"])} ${prng.pick(cards)}`;
    return [{ at, line: `port ${of} down` }, { at: at + prng.between(10, 6_000), line: `port ${of} up` }];
  },
  partition: (prng, cards, at) => {
    // A cut through the system, or only between some pairs.
    const left = cards.filter(() => prng.chance(0.5));
    const ways = prng.pick(["both", "both", "oneway"]);
    const share = prng.pick([1, 1, 0.3]);
    const lines = left.flatMap((from) =>
      cards.filter((to) => !left.includes(to) && prng.chance(share)).map((to) => ({ at, line: `partition ${from} ${to} ${ways}` }))
    );
    return [...lines, { at: at + prng.between(100, 10_000), line: "heal" }];
  },
  noise: (prng, _cards, at) => {
    const link = prng.pick(["ether", "serial"]);
    const rate = prng.pick([0.01, 0.1, 0.3, 0.6]).toString();
    const what = prng.pick([
      `lose ${link} ${rate}`,
      `repeat ${link} ${rate}`,
      `reorder ${link} ${rate}`,
      `damage ${link} ${rate}`,
      `delay ${link} ${prng.below(200)}`,
    ]);
    return [{ at, line: what }];
  },
  corrupt: (prng, cards, at) => [{ at, line: `corrupt serial ${prng.pick(cards)} ${prng.pick([0.0005, 0.005, 0.05])}` }],
  multiplexor: (prng, cards, at) => {
    const chassis = chassisOf(prng.pick(cards));
    return [{ at, line: `multiplexor ${chassis} dead` }, { at: at + prng.between(100, 9_000), line: `multiplexor ${chassis} alive` }];
  },
  sense: (prng, cards, at) => {
    const card = prng.pick(cards);
    return [{ at, line: `sense ${card} fails` }, { at: at + prng.between(100, 9_000), line: `sense ${card} works` }];
  },
  babble: (prng, cards, at) => [{ at, line: `babble ${prng.pick(cards)}` }, { at: at + prng.between(100, 4_000), line: "heal" }],
  crosstalk: (prng, cards, at) => {
    const from = prng.pick(cards);
    const into = prng.pick(cards.filter((card) => chassisOf(card) === chassisOf(from)));
    return from === into ? [] : [{ at, line: `crosstalk ${from} ${into} ${prng.pick([0.02, 0.3])}` }];
  },
  duplicate: (prng, cards, at) => [{ at, line: `duplicate ${prng.pick(cards)} ${prng.pick(["lower", "same", "higher"])}` }],
  forge: (prng, cards, at) => [
    {
      at,
      line: `forge ${prng.pick(["key", "system", "replay", "replay", "otherLink", "garbage"])} ${prng.pick(["ether", "serial"])} ${
        prng.pick(cards)
      } ${1 + prng.below(40)}`,
    },
  ],
  trap: (prng, cards, at) => {
    const card = prng.pick(cards);
    const ends = prng.pick(["crash", "crash", "pull"]);
    return [
      { at, line: `trap ${card} ${prng.pick(["sends", "hears"])} ${prng.pick(agreeing)} ${1 + prng.below(4)} ${ends}` },
      // Something has to happen for most messages to be sent at all.
      ...(prng.chance(0.5) ? [{ at, line: `crash ${prng.pick(cards)}` }] : []),
      { at: at + prng.between(100, 6_000), line: `insert ${card}` },
    ];
  },
  drop: (prng, cards, at) =>
    Array.from({ length: 1 + prng.below(4) }, () => ({
      at: at + prng.between(0, 500),
      line: `drop ${prng.pick(cards)} ${prng.pick(agreeing)} ${1 + prng.below(3)} ${prng.pick(["all", ...cards])}`,
    })),
  kill: (prng, cards, at, groups) => {
    const of = `${prng.pick(cards)} ${prng.pick(groups)}`;
    return [{ at, line: `kill ${of}` }, { at: at + prng.between(10, 4_000), line: `join ${of}` }];
  },
  hang: (prng, cards, at, groups) => [
    { at, line: `hang ${prng.pick(cards)} ${prng.pick(groups)} ${prng.pick([30, 150, 400, 2_000, 5_000])}` },
  ],
  quit: (prng, cards, at, groups) => {
    const of = `${prng.pick(cards)} ${prng.pick(groups)}`;
    return [{ at, line: `quit ${of}` }, { at: at + prng.between(10, 4_000), line: `join ${of} plain ${prng.pick([0, 200])}` }];
  },
  burst: (prng, cards, at, groups) => [{ at, line: `send ${prng.pick(cards)} ${prng.pick(groups)} ${prng.pick([2, 20, 300])}` }],
  reload: (prng, cards, at) => [{ at, line: `reload ${prng.pick(cards)} ${prng.pick(["default", "fast"])}` }],
};

function drawPlan(prng: Prng, cards: readonly CardId[], groups: readonly string[], untilMs: number): Plan {
  const known = Object.values(kinds).filter(() => prng.chance(0.4));
  if (known.length === 0) return [];
  const plan: Plan = [];
  const times = 2 + prng.below(20);
  // One duplicate at most: with more twins than slots there is nothing left to find out.
  let twins = 0;
  for (let time = 0; time < times; time++) {
    const kind = prng.pick(known);
    if (kind === kinds["duplicate"] && twins++ > 0) continue;
    plan.push(...kind(prng, cards, prng.unit() * untilMs, groups));
  }
  return plan.filter(({ at }) => at < untilMs).sort((a, b) => a.at - b.at);
}
