/** A broken invariant throws and says what is broken. */
import { test } from "uvu";
import * as check from "uvu/assert";
import { assert, unreachable } from "../../src/base/assert.ts";

test("what holds passes, what does not hold throws", () => {
  for (const holds of [true, 1, "x", {}, []]) assert(holds, "never");
  for (const broken of [false, 0, "", null, undefined, NaN]) {
    check.throws(() => assert(broken, "the sky is up"), /broken invariant: the sky is up/);
  }
});

test("a value outside its union is named", () => {
  check.throws(() => unreachable({ kind: "other" } as never), /unreachable value \{"kind":"other"\}/);
});

test.run();
