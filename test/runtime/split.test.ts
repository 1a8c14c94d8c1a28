// timeout: 300
// runtime: node, because the cards are the compiled binary on either runtime
/** HA-15: two cards lose both links to each other at once, and the host judges who serves; `npm run bench -- split` does it as often as is wanted. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import process from "node:process";
import { withSplitting } from "../../scripts/bench/split.ts";

test("two cards whose links are all cut: never two with the address or the file system, and the loser has stopped before the winner starts", async () => {
  await withSplitting({ name: `sp${process.pid % 10_000}`, profile: "default" }, async (splitting) => {
    const kept = await splitting.run("above");
    assert.equal([kept.before, kept.after, kept.takeoverMs], [1, 1, undefined], "who can have the other one reset goes on");
    const taken = await splitting.run("below");
    assert.equal([taken.before, taken.after], [1, 2], "and the other one is reset and taken over from");
    assert.ok((taken.takeoverMs ?? Infinity) < 5_000 && (taken.marginMs ?? -1) >= 0);
    const apart = await splitting.run("both");
    assert.equal([apart.before, apart.takeoverMs], [2, undefined], "without proof nobody takes over");
  });
});

test.run();
