/** Addresses as text: the examples of RFC 5952 and RFC 4291, and what is none. */
import { isIP } from "node:net";
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { ipAddressText, isHostAddress, networkOf, parseIpAddress } from "../../src/base/ip-address.ts";

const canonical = (text: string): string | undefined => {
  const address = parseIpAddress(text);
  return address && ipAddressText(address);
};

test("an address has one form", () => {
  const cases: readonly (readonly [text: string, form: string])[] = [
    ["192.0.2.1", "192.0.2.1"],
    ["0.0.0.0", "0.0.0.0"],
    ["2001:0db8::0001", "2001:db8::1"],
    ["2001:db8:0:0:0:0:2:1", "2001:db8::2:1"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"],
    ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["2001:DB8::ABCD", "2001:db8::abcd"],
    ["::", "::"],
    ["::1", "::1"],
    ["1::", "1::"],
    ["1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"],
    ["::ffff:192.0.2.1", "::ffff:192.0.2.1"],
    ["::ffff:c000:201", "::ffff:192.0.2.1"],
    ["64:ff9b::192.0.2.33", "64:ff9b::c000:221"],
  ];
  for (const [text, form] of cases) {
    assert.is(canonical(text), form, text);
    assert.is(canonical(form), form, form);
  }
});

test("what is no address is none", () => {
  const none = [
    "",
    "1",
    "1.2.3",
    "1.2.3.4.5",
    "256.0.0.1",
    "01.2.3.4",
    "1.2.3.-4",
    " 1.2.3.4",
    ":",
    ":::",
    "1::2::3",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "1:2:3:4:5:6:7::8",
    "12345::",
    "g::",
    "::1%eth0",
    "1.2.3.4::",
    "::1.2.3",
    "1:",
    ":1",
  ];
  for (const text of none) assert.is(parseIpAddress(text), undefined, JSON.stringify(text));
});

test("the runtime's own parser agrees", () => {
  const words = fc.array(fc.constantFrom("0", "1", "00ab", "ffff", "", "1.2.3.4", "x"), { minLength: 1, maxLength: 9 }).map((list) =>
    list.join(":")
  );
  const quads = fc.array(fc.constantFrom("0", "1", "255", "256", "01", ""), { minLength: 3, maxLength: 5 }).map((list) => list.join("."));
  fc.assert(
    fc.property(fc.oneof(words, quads, fc.ipV4(), fc.ipV6()), (text) => {
      assert.is(parseIpAddress(text) !== undefined, isIP(text) !== 0, text);
    }),
    { numRuns: 3_000 },
  );
});

test("what one machine can have, and what a network is", () => {
  const isHost = (text: string) => isHostAddress(parseIpAddress(text) ?? []);
  for (const text of ["10.0.0.1", "192.0.2.255", "fe80::1", "2001:db8::"]) assert.ok(isHost(text), text);
  for (const text of ["0.0.0.0", "0.1.2.3", "224.0.0.1", "255.255.255.255", "::", "ff02::1"]) assert.not(isHost(text), text);
  const networks: readonly (readonly [text: string, network: string | undefined])[] = [
    ["192.0.2.0/24", "192.0.2.0/24"],
    ["192.0.2.1", "192.0.2.1"],
    ["192.0.2.1/32", "192.0.2.1/32"],
    ["192.0.2.128/25", "192.0.2.128/25"],
    ["192.0.2.128/24", undefined],
    ["0.0.0.0/0", "0.0.0.0/0"],
    ["2001:DB8::/32", "2001:db8::/32"],
    ["2001:db8:8000::/33", "2001:db8:8000::/33"],
    ["2001:db8:8000::/32", undefined],
    ["192.0.2.0/33", undefined],
    ["192.0.2.0/024", undefined],
    ["192.0.2.0/", undefined],
    ["192.0.2.0/24/1", undefined],
    ["/24", undefined],
  ];
  for (const [text, network] of networks) assert.is(networkOf(text), network, text);
});

test.run();
