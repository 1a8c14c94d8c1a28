import { test } from "uvu";
import * as assert from "uvu/assert";
import fc from "fast-check";
import { cardAt } from "../../src/base/ids.ts";
import { Admission } from "../../src/cluster/admission.ts";
import { replayWindow } from "../../src/limits.ts";

const card = cardAt(1, 2);

test("the first frame of a sender starts it, a later incarnation restarts it, an older one is dropped", () => {
  const admission = new Admission();
  assert.is(admission.admit("ether", card, 5, 0), "restarted");
  assert.is(admission.admit("ether", card, 5, 1), "accepted");
  assert.is(admission.admit("serial", card, 6, 0), "restarted");
  assert.is(admission.admit("ether", card, 5, 2), "oldIncarnation");
  assert.is(admission.admit("ether", card, 6, 1), "accepted");
  assert.is(admission.incarnationOf(card), 6);
  assert.equal(admission.counts(card, "ether"), { accepted: 3, dropped: 1 });
});

test("a frame that overtook others is taken once, one behind the window never", () => {
  const admission = new Admission();
  admission.admit("ether", card, 1, 100);
  assert.is(admission.admit("ether", card, 1, 99), "accepted");
  assert.is(admission.admit("ether", card, 1, 99), "replayed");
  assert.is(admission.admit("ether", card, 1, 100), "replayed");
  assert.is(admission.admit("ether", card, 1, 100 - replayWindow + 1), "accepted");
  assert.is(admission.admit("ether", card, 1, 100 - replayWindow), "replayed");
});

test("property: against a set of all accepted numbers, nothing is taken twice and nothing fresh within the window is lost", () => {
  const steps = fc.array(fc.oneof(fc.integer({ min: -80, max: 80 }), fc.constant(1), fc.integer({ min: -70, max: 200 })), {
    maxLength: 300,
  });
  fc.assert(fc.property(steps, fc.constantFrom(0, 2 ** 32 - 50, 2 ** 52), (moves, start) => {
    const admission = new Admission();
    const taken = new Set<number>();
    let newest = -1;
    let at = start;
    for (const move of moves) {
      at = Math.max(0, at + move);
      const isFresh = !taken.has(at) && (at > newest || newest - at < replayWindow);
      const verdict = admission.admit("ether", card, 1, at);
      assert.is(verdict === "replayed", !isFresh, `sequence ${at} with newest ${newest}`);
      if (isFresh) taken.add(at);
      newest = Math.max(newest, at);
    }
  }));
});

test.run();
