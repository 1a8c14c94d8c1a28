/** CRC-32 against its check value and the platform's own. */
import { crc32 as platformCrc32 } from "node:zlib";
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { crc32 } from "../../src/base/crc.ts";

test("the check value of CRC-32 of IEEE 802.3", () => {
  assert.is(crc32(new TextEncoder().encode("123456789")), 0xcbf43926);
  assert.is(crc32(new Uint8Array(0)), 0);
});

test("any bytes, and any beginning of them, have the platform's CRC-32", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 600, size: "max" }), fc.nat(), (bytes, cut) => {
    const end = cut % (bytes.length + 1);
    assert.is(crc32(bytes), platformCrc32(bytes));
    assert.is(crc32(bytes, end), platformCrc32(bytes.subarray(0, end)));
  }));
});

test("every burst of up to 32 bits is seen", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 8, maxLength: 250 }),
      fc.nat(),
      fc.integer({ min: 1, max: 0xffffffff }),
      (bytes, where, burst) => {
        const damaged = bytes.slice();
        const view = new DataView(damaged.buffer);
        const at = where % (bytes.length - 3);
        view.setUint32(at, view.getUint32(at) ^ burst);
        assert.is.not(crc32(damaged), crc32(bytes));
      },
    ),
  );
});

test.run();
