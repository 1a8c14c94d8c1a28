// timeout: 180
/**
 * The lease as the last receipt: with a dead multiplexor nothing resets a silent card, and what it ran is started elsewhere only when its watchdog has
 * stopped it for certain, or it has stopped by itself. Simulated cards run the very rule that feeds the watchdog of a real one (HA-15).
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { cardAt, type CardId } from "../../src/base/ids.ts";
import { leaseTimeouts } from "../../src/limits.ts";
import { leaseMsOf, servesOnMs, WatchdogLease } from "../../src/node/watchdog-lease.ts";
import { World, type WorldOptions } from "../../src/sim/world.ts";

const timeoutMs = 8_000;
const service = "sql-ip";

function served(more: Partial<WorldOptions> = {}): World {
  const world = new World({
    seed: 7,
    cards: [1, 2, 3] as CardId[],
    profile: "fast",
    baud: 115_200,
    failover: ["single"],
    watchdogMs: timeoutMs,
    ...more,
  });
  for (let at = 500; at < 30_000 && ownersOf(world).length === 0; at += 500) world.runUntil(at);
  world.runUntil(world.at + 1_000);
  assert.equal(ownersOf(world), [1]);
  world.setMultiplexorDead(1, true);
  world.runUntil(world.at + 5_000);
  assert.equal(ownersOf(world), [1], "that nothing could fence it moves nothing");
  return world;
}

/** The cards on which something of it is there, whatever their programs do. */
const ownersOf = (world: World): number[] => (world.failover?.placesOf(service) ?? []).map(({ card }) => card.id);

/** When somebody else has it, counted from now; and when the card that had it has it no more. */
function handover(world: World, card: number, withinMs: number): { readonly freeMs: number; readonly takenMs: number } {
  const from = world.at;
  let freeMs = Infinity;
  for (;;) {
    world.runUntil(world.at + 10);
    assert.equal(world.violations, []);
    const owners = ownersOf(world);
    if (freeMs === Infinity && !owners.includes(card)) freeMs = world.at - from;
    if (owners.some((owner) => owner !== card)) return { freeMs, takenMs: world.at - from };
    assert.ok(world.at < from + withinMs, `nobody has it within ${withinMs} ms: ${owners.join()}`);
  }
}

const lease = leaseTimeouts * timeoutMs;

test("dead multiplexor and a card that is gone for good: taken over when the lease is over", () => {
  const world = served();
  // Nobody tells that it has no power.
  world.pull(world.card(cardAt(1, 1)));
  const { takenMs } = handover(world, 1, lease + 3_000);
  assert.ok(takenMs >= lease && takenMs < lease + 1_000, `taken over after ${takenMs} ms`);
  const run = world.card(cardAt(1, 2)).run;
  const record = run?.program.failover?.(run.now)?.records.at(-1);
  assert.is(record?.receipt?.receipt, "lease", JSON.stringify(record));
});

test("dead multiplexor and a crash: its watchdog resets the machine, and what starts on it then proves that", () => {
  const world = served();
  world.crash(world.card(cardAt(1, 1)));
  const { freeMs, takenMs } = handover(world, 1, lease + 3_000);
  assert.ok(freeMs <= timeoutMs && takenMs > freeMs, `its machine ran on for ${freeMs} ms, taken over after ${takenMs} ms`);
});

test("dead multiplexor and a card that hangs: reset by its watchdog, and what starts on it then proves that", () => {
  const world = served();
  world.stall(world.card(cardAt(1, 1)), 60_000, "tick", false);
  const { freeMs, takenMs } = handover(world, 1, lease + 3_000);
  assert.ok(freeMs <= timeoutMs && takenMs > freeMs, `it ran on for ${freeMs} ms, taken over after ${takenMs} ms`);
});

test("dead multiplexor and a partition: the loser has stopped by itself before the winner starts, and goes on running its program", () => {
  const world = served();
  const run = world.card(cardAt(1, 1)).run;
  world.cut(world.card(cardAt(1, 1)), "ether", "both");
  const { freeMs, takenMs } = handover(world, 1, lease + 3_000);
  assert.ok(freeMs < timeoutMs / 2, `it served on for ${freeMs} ms`);
  assert.ok(takenMs >= lease && takenMs < lease + 1_000, `taken over after ${takenMs} ms`);
  assert.is(world.card(cardAt(1, 1)).run, run, "a card that runs nothing is fed");
});

test("dead multiplexor and two cards: the one that decides takes over when the lease is over, the other one never", () => {
  for (const [owner, decides] of [[1, 2], [1, 1]] as const) {
    const world = served({ cards: [1, 2] as CardId[], tieBreak: cardAt(1, decides) });
    world.cut(world.card(cardAt(1, 2)), "ether", "both");
    if (decides === owner) {
      world.runUntil(world.at + 2 * lease);
      assert.equal([world.violations, ownersOf(world)], [[], [owner]]);
    } else {
      const { freeMs, takenMs } = handover(world, owner, lease + 3_000);
      assert.ok(freeMs < timeoutMs / 2 && takenMs >= lease, `free after ${freeMs} ms, taken after ${takenMs} ms`);
    }
  }
});

test("without a watchdog nothing is taken over from a card that nothing proves to have stopped", () => {
  const world = new World({ seed: 7, cards: [1, 2, 3] as CardId[], profile: "fast", baud: 115_200, failover: ["single"] });
  world.runUntil(12_000);
  assert.equal(ownersOf(world), [1]);
  world.setMultiplexorDead(1, true);
  world.cut(world.card(cardAt(1, 1)), "ether", "both");
  world.runUntil(world.at + 4 * lease);
  assert.equal(world.violations, []);
  // It has said that it runs nothing, where anybody could hear it: with both links gone nobody did.
  assert.equal(ownersOf(world).filter((card) => card !== 1), []);
});

test("where only the end of a lease would prove a card down, readiness warns", () => {
  const world = served();
  const run = world.card(cardAt(1, 2)).run;
  const warnings = run?.program.failover?.(run.now)?.readiness?.finish().warnings ?? [];
  const [warning] = warnings;
  assert.is(warning?.code, "no-fence");
  assert.ok(warning?.text.includes("only the end of its lease, 16 s, would prove card 1 down"), warning?.text);
});

test("the others wait two time-outs, if a card has stopped within half of one after they went on without it", () => {
  const rows: readonly (readonly [timeoutMs: number | undefined, silenceMs: number, leaseMs: number | undefined])[] = [
    [undefined, 250, undefined],
    [10_000, 1_000, 20_000],
    [8_000, 250, 16_000],
    [2_000, 250, undefined],
    [10_000, 5_000, undefined],
  ];
  for (const [timeout, silence, expected] of rows) assert.is(leaseMsOf(timeout, silence, 200), expected, `${timeout} ${silence}`);
  assert.ok(servesOnMs(1_000, 200) > 1_000 + 200);
});

test("the watchdog is fed on a card that may serve, or runs nothing; not where something runs that may not, or once it stood still", () => {
  const fed = (steps: readonly (readonly [at: number, isIdle: boolean, mayServe: boolean])[]) => {
    const watchdog = new WatchdogLease();
    return steps.map(([at, isIdle, mayServe]) => watchdog.feeds(at, timeoutMs, isIdle, mayServe));
  };
  assert.equal(fed([[0, false, true], [2_000, true, false], [4_000, true, true]]), [true, true, true]);
  assert.equal(fed([[0, false, true], [2_000, false, false], [4_000, false, true]]), [true, false, true]);
  // It has stood still for more than half a time-out: what it believes is as old.
  assert.equal(fed([[0, false, true], [4_001, false, true], [4_100, false, true]]), [true, false, false]);
  // What runs nothing may stand still.
  assert.equal(fed([[0, false, true], [4_001, true, true], [5_000, false, true]]), [true, true, true]);
});

test.run();
