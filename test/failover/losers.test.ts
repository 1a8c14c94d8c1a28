// runtime: node
// timeout: 120
/**
 * The losers have heard no before the winner hears yes (FS-5): when a card begins to start something, each card of the order holds the entry that granted
 * it, although none of them has said a word about it.
 */
import process from "node:process";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { CardId } from "../../src/base/ids.ts";
import { World } from "../../src/sim/world.ts";
import { BrokenCopy } from "../broken-copy.ts";

const ids = [1, 2, 3, 4] as CardId[];
const slowMs = 20;

test("what a card starts was granted by an entry that each card of the order holds", () => {
  for (let seed = 1; seed <= 6; seed++) {
    let starts = 0;
    const late: string[] = [];
    const world: World = new World({
      seed,
      cards: ids,
      profile: "fast",
      baud: 115_200,
      failover: ["single", "spread"],
      onStep: (card, at, _input, effects) => {
        if (!effects.some((effect) => effect.kind === "hook" && effect.order.hook === "start")) return;
        starts++;
        const decided = card.run?.program.decidedFailover?.();
        const ether = (world.statusOf(card)?.membership.view?.members ?? []).filter((member) => member.ether);
        for (const { card: other } of ether) {
          const held = world.statusOf(world.card(other))?.groups.held ?? 0;
          if (held < (decided?.sequence ?? Infinity)) {
            late.push(`at ${at}: card ${card.id} starts by ${decided?.sequence}, card ${other} holds ${held}`);
          }
        }
      },
    });
    world.runUntil(6_000);
    // Frames take their time, so that one card could well be ahead of another.
    world.setNoise("ether", { jitterMs: slowMs });
    for (const card of [1, 2]) {
      world.crash(world.card(card as CardId));
      world.runUntil(world.at + 3_000);
    }
    assert.equal(world.violations, []);
    assert.equal(late, []);
    assert.ok(starts > 6, `only ${starts} starts`);
  }
});

test("the coordinator commits before the proposal is back: it is seen", () => {
  if (process.env.BROKEN !== undefined) return;
  const copy = new BrokenCopy(["src", "test/broken-copy.ts", "test/failover/losers.test.ts"]);
  process.env.BROKEN = "1";
  try {
    copy.break(
      "src/cluster/delta.ts",
      "    this.#sendPass(outputs);\n  }\n\n  #sendPass",
      "    this.#sendPass(outputs);\n    if (entries.length > 0) this.#onRoundTrip(now, this.#log.delivered, outputs);\n  }\n\n  #sendPass",
    );
    assert.is.not(copy.failures("test/failover/losers.test.ts").length, 0, "nothing was found");
  } finally {
    delete process.env.BROKEN;
    copy.remove();
  }
});

test.run();
