/** Hexadecimal as people and the status read it. */
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { hex } from "../../src/base/hex.ts";

test("each byte is two lower-case digits", () => {
  assert.is(hex(Uint8Array.of()), "");
  assert.is(hex(Uint8Array.of(0, 1, 0x0f, 0x10, 0xab, 0xff)), "00010f10abff");
  fc.assert(fc.property(fc.uint8Array(), (bytes) => hex(bytes) === bytes.toHex()));
});

test.run();
