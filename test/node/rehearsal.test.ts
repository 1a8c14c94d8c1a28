/** The rehearsal goes through all that a takeover needs, alike each time. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { rehearsalStepsMax } from "../../src/limits.ts";
import { rehearse } from "../../src/node/rehearsal.ts";

test("a rehearsal ends with a takeover, in the same steps each time", () => {
  const first = rehearse();
  assert.ok(first.isTakenOver);
  assert.ok(first.steps < rehearsalStepsMax / 10, `${first.steps} steps`);
  assert.equal(rehearse(), first);
});

test.run();
