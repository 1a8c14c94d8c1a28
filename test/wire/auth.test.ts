/** The tag of a frame against the platform's own HMAC. */
import { createHmac } from "node:crypto";
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { keyBytes } from "../../src/limits.ts";
import { Keyring, tagBytesOf } from "../../src/wire/auth.ts";
import { keyA, keyB } from "./arbitrary.ts";

const letters = { ether: "E", serial: "S" } as const;

test("HA-2: the tag is HMAC-SHA-256 over the link's letter and the envelope, cut to the link's length", () => {
  const key = fc.uint8Array({ minLength: keyBytes, maxLength: keyBytes });
  fc.assert(
    fc.property(
      key,
      fc.constantFrom("ether" as const, "serial" as const),
      fc.uint8Array({ maxLength: 1_500, size: "max" }),
      (secret, link, envelope) => {
        const whole = createHmac("sha256", secret).update(letters[link]).update(envelope).digest();
        const length = link === "ether" ? 16 : 8;
        assert.is(tagBytesOf(link), length);
        const ring = new Keyring([secret]);
        assert.equal([...ring.sign(link, envelope)], [...whole.subarray(0, length)]);
        assert.ok(ring.accepts(link, envelope, new Uint8Array(whole.subarray(0, length))));
      },
    ),
  );
});

test("signing twice gives the same tag: the prepared state is not used up", () => {
  const ring = new Keyring([keyA, keyB]);
  const envelope = Uint8Array.of(1, 2, 3);
  assert.equal(ring.sign("ether", envelope), ring.sign("ether", envelope));
  assert.is.not(ring.sign("ether", envelope).toHex(), ring.sign("ether", Uint8Array.of(1, 2)).toHex());
});

test("a tag that is longer, shorter or different in any byte is refused", () => {
  const ring = new Keyring([keyA, keyB]);
  const envelope = Uint8Array.of(1, 2, 3);
  for (const link of ["ether", "serial"] as const) {
    const tag = ring.sign(link, envelope);
    assert.ok(ring.accepts(link, envelope, tag));
    assert.not(ring.accepts(link, envelope, tag.subarray(0, -1)));
    assert.not(ring.accepts(link, envelope, Uint8Array.of(...tag, 0)));
    assert.not(ring.accepts(link, envelope, new Uint8Array(0)));
    tag.forEach((byte, index) => assert.not(ring.accepts(link, envelope, tag.with(index, byte ^ 1)), `byte ${index}`));
  }
});

test("the keys of a keyring are copies", () => {
  const secret = keyA.slice();
  const ring = new Keyring([secret]);
  const before = ring.sign("ether", Uint8Array.of(1));
  secret.fill(0);
  assert.equal(ring.sign("ether", Uint8Array.of(1)), before);
});

test.run();
