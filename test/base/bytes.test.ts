import { test } from "uvu";
import * as assert from "uvu/assert";
import { joinedBytes } from "../../src/base/bytes.ts";

test("pieces come after each other; a single one is not copied", () => {
  const piece = new Uint8Array([1, 2]);
  assert.equal(joinedBytes([]), new Uint8Array(0));
  assert.is(joinedBytes([piece]), piece);
  assert.equal(joinedBytes([piece, new Uint8Array(0), new Uint8Array([3])]), new Uint8Array([1, 2, 3]));
});

test.run();
