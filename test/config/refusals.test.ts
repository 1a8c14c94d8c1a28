/** FS-4: each refusal has a status, an ending for scripts, and something to do about it. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { isConfigRefusal, refusals } from "../../src/config/refusals.ts";
import { exitCodes } from "../../src/console/exit-code.ts";

test("each code has all of it", () => {
  for (const [code, { title, status, ending, hint, retryAfterS }] of Object.entries(refusals)) {
    assert.match(title, /^[A-Z].*[^.]$/, code);
    assert.match(hint, /^[A-Z].*\.$/, code);
    assert.ok(status >= 400 && ending in exitCodes, code);
    assert.ok(retryAfterS === undefined || (retryAfterS > 0 && status >= 500 && ending === "failed"), code);
  }
});

test("a refusal is told from an answer", () => {
  assert.ok(isConfigRefusal({ code: "invalid", message: "x" }));
  assert.not(isConfigRefusal({ kind: "validated", operations: [] }));
});

test.run();
