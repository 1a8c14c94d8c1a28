/** LLDP frames: what is written, what is read, and what is refused. Standard tools judge them in test/runtime/lldp.test.ts. */
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { cardAt } from "../../src/base/ids.ts";
import { lldpPeriodMs, lldpTtlS } from "../../src/limits.ts";
import { groupAddress } from "../../src/wire/ether.ts";
import { decodeLldp, encodeLldp, type LldpAnnouncement, lldpOrganization } from "../../src/wire/lldp.ts";

const announcement: LldpAnnouncement = {
  mac: Uint8Array.of(0x02, 0, 0, 0, 0, 0x0b),
  interfaceName: "eth0",
  cardName: "bay-3",
  systemName: "store",
  card: 11,
  chassis: 2,
  slot: 3,
  uid: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8),
  software: "0.1.0",
  ttlS: 120,
};

const ascii = (text: string) => new TextEncoder().encode(text);
const hexOf = (text: string) => ascii(text).toHex();

test("FS-2: the frame is these bytes", () => {
  const expected = [
    `0207 04 02000000000b`,
    `0405 05 ${hexOf("eth0")}`,
    `0602 0078`,
    `082a ${hexOf("public link of card 11 (chassis 2, slot 3)")}`,
    `0a05 ${hexOf("bay-3")}`,
    `0c27 ${hexOf("Cardinal 0.1.0, card 11 of system store")}`,
    `0e04 0080 0080`,
    `100c 05 01 c0000207 01 00000000 00`,
    `fe0f 024341 01 0b 02 03 0102030405060708`,
    `0000`,
  ].join("").replaceAll(" ", "");
  assert.is(encodeLldp({ ...announcement, managementAddresses: [Uint8Array.of(192, 0, 2, 7)] }).toHex(), expected);
});

test("a card that leaves says so with a time to live of 0 and nothing else", () => {
  assert.is(encodeLldp({ ...announcement, ttlS: 0 }).toHex(), `02070402000000000b040505${hexOf("eth0")}060200000000`);
});

test("our organization's identifier is our group's, as an individual address", () => {
  assert.equal([...lldpOrganization], [(groupAddress[0] as number) & 0xfe, groupAddress[1], groupAddress[2]]);
  assert.is((lldpOrganization[0] as number) & 3, 2, "locally administered and individual");
});

const text = fc.string({ unit: "binary", maxLength: 40 });
const announcements = fc.record({
  mac: fc.uint8Array({ minLength: 6, maxLength: 6 }),
  interfaceName: fc.string({ unit: "grapheme-ascii", minLength: 1, maxLength: 15 }),
  cardName: text,
  systemName: text,
  chassis: fc.integer({ min: 1, max: 8 }),
  slot: fc.integer({ min: 1, max: 8 }),
  uid: fc.uint8Array({ minLength: 8, maxLength: 8 }),
  software: text,
  ttlS: fc.integer({ min: 1, max: 0xffff }),
  managementAddresses: fc.array(
    fc.oneof(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.uint8Array({ minLength: 16, maxLength: 16 })),
    { maxLength: 4 },
  ),
}, { noNullPrototype: true }).map((rest) => ({ ...rest, card: cardAt(rest.chassis, rest.slot) as number }));

test("what is written is read again, also with Ethernet's padding", () => {
  fc.assert(fc.property(announcements, fc.nat({ max: 40 }), (said, padding) => {
    const bytes = encodeLldp(said);
    assert.ok(bytes.length <= 1_500);
    assert.equal(decodeLldp(Uint8Array.of(...bytes, ...new Uint8Array(padding))), {
      chassisId: { subtype: 4, id: said.mac },
      portId: { subtype: 5, id: ascii(said.interfaceName) },
      ttlS: said.ttlS,
      portDescription: `public link of card ${said.card} (chassis ${said.chassis}, slot ${said.slot})`,
      systemName: said.cardName,
      systemDescription: `Cardinal ${said.software}, card ${said.card} of system ${said.systemName}`,
      capabilities: { can: 0x80, enabled: 0x80 },
      managementAddresses: said.managementAddresses,
      cardinal: { card: said.card, chassis: said.chassis, slot: said.slot, uid: said.uid },
    });
  }));
});

test("text that is too long is cut between characters", () => {
  const decoded = decodeLldp(encodeLldp({ ...announcement, cardName: "\u00e9".repeat(200), interfaceName: "\u6c34".repeat(100) }));
  if ("malformed" in decoded) throw new Error(decoded.malformed);
  assert.is(decoded.systemName, "\u00e9".repeat(127));
  assert.is(new TextDecoder().decode(decoded.portId.id), "\u6c34".repeat(84));
});

test("what cannot be said is a broken invariant", () => {
  const wrong: Partial<LldpAnnouncement>[] = [
    { mac: new Uint8Array(5) },
    { uid: new Uint8Array(7) },
    { ttlS: -1 },
    { ttlS: 0x10000 },
    { ttlS: 1.5 },
    { managementAddresses: [new Uint8Array(5)] },
  ];
  for (const part of wrong) assert.throws(() => encodeLldp({ ...announcement, ...part }), /broken invariant/);
});

test("the time to live that we announce outlives three lost frames", () => {
  assert.ok(lldpTtlS * 1_000 > 3 * lldpPeriodMs && lldpTtlS <= 0xffff);
});

const start = "020704020000000000" + "04020561" + "06020078";
const end = "0000";

test("a frame of another maker is read, and what we do not know is passed over", () => {
  const cases: [string, string, Record<string, unknown>][] = [
    ["nothing more", "", {}],
    ["a reserved TLV", "1402aaaa", {}],
    ["another organization's TLV", "fe05 0080c2 01 01", {}],
    ["our organization's TLV of another subtype", "fe05 024341 02 01", {}],
    ["our TLV with later fields", `fe11 024341 01 40 08 08 ${"ff".repeat(8)} 0102`, {
      cardinal: { card: 64, chassis: 8, slot: 8, uid: new Uint8Array(8).fill(255) },
    }],
    ["our TLV with a card that cannot be", `fe0f 024341 01 41 08 08 ${"ff".repeat(8)}`, {}],
    ["our TLV with a slot that cannot be", `fe0f 024341 01 40 08 09 ${"ff".repeat(8)}`, {}],
    ["our TLV with a chassis that cannot be", `fe0f 024341 01 40 00 08 ${"ff".repeat(8)}`, {}],
    ["a management address that is no IP address", "100e 07 06 020000000001 01 00000000 00", {}],
    ["an empty system name", "0a00", { systemName: "" }],
    ["text that is no UTF-8", "0a01ff", { systemName: "\ufffd" }],
  ];
  for (const [what, more, expected] of cases) {
    assert.equal(
      decodeLldp(Uint8Array.fromHex((start + more + end).replaceAll(" ", ""))),
      {
        chassisId: { subtype: 4, id: Uint8Array.of(2, 0, 0, 0, 0, 0) },
        portId: { subtype: 5, id: Uint8Array.of(0x61) },
        ttlS: 120,
        managementAddresses: [],
        ...expected,
      },
      what,
    );
  }
});

test("what is no LLDP frame has a reason", () => {
  const cases: [string, string, "length" | "order"][] = [
    ["nothing", "", "length"],
    ["half a head", "02", "length"],
    ["no end", start, "length"],
    ["a TLV that reaches over the end", "020704", "length"],
    ["an end with a value", `${start}000100`, "length"],
    ["the end at once", end, "order"],
    ["no port ID", "020704020000000000" + "06020078" + end, "order"],
    ["the port ID first", "04020561" + "020704020000000000" + "06020078" + end, "order"],
    ["no time to live", "020704020000000000" + "04020561" + end, "order"],
    ["a second chassis ID", `${start}020704020000000000${end}`, "order"],
    ["a second time to live", `${start}06020078${end}`, "order"],
    ["a chassis ID without an ID", `020104` + "04020561" + "06020078" + end, "length"],
    ["a port ID without an ID", "020704020000000000" + "040105" + "06020078" + end, "length"],
    ["a time to live of one byte", "020704020000000000" + "04020561" + "060178" + end, "length"],
    ["two system names", `${start}0a01610a0161${end}`, "order"],
    ["a system name of 256 bytes", `${start}0b00${"61".repeat(256)}${end}`, "length"],
    ["capabilities cut", `${start}0e020080${end}`, "length"],
    ["capabilities twice", `${start}0e04008000800e0400800080${end}`, "order"],
    ["a management address that reaches over its TLV", `${start}100c0901c0000207010000000000${end}`, "length"],
    ["a management address of no bytes", `${start}100c0101c0000207010000000000${end}`, "length"],
    ["an organization's TLV cut", `${start}fe03024341${end}`, "length"],
    ["our TLV cut", `${start}fe0e024341010b020301020304050607${end}`, "length"],
  ];
  for (const [what, hex, malformed] of cases) assert.equal(decodeLldp(Uint8Array.fromHex(hex)), { malformed }, what);
});

test("damaged frames are read or refused, never an exception, cut at every byte and with every byte changed", () => {
  const whole = encodeLldp({ ...announcement, managementAddresses: [Uint8Array.of(192, 0, 2, 7)] });
  for (let length = 0; length < whole.length; length++) assert.ok("malformed" in decodeLldp(whole.subarray(0, length)), `${length}`);
  for (let at = 0; at < whole.length; at++) {
    for (const byte of [0, 1, 0x7f, 0x80, 0xff, (whole[at] as number) ^ 1]) decodeLldp(whole.with(at, byte));
  }
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
    decodeLldp(bytes);
  }));
});

test.run();
