/** The NBD handshake against bytes written by hand, from "The NBD protocol". */
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { joinedBytes } from "../../src/base/bytes.ts";
import { nbdListsMax, nbdNameBytesMax, nbdOptionBytesMax, nbdOptionSkippedBytesMax, nbdOptionsMax } from "../../src/limits.ts";
import {
  type NbdCatalogue,
  type NbdExport,
  nbdGreeting,
  NbdHandshake,
  type NbdOrder,
  type NbdTls,
} from "../../src/storage/nbd-handshake.ts";

const disk: NbdExport = {
  name: "disk",
  description: "Börse",
  sizeBytes: 0x1_0020_0000,
  readOnly: false,
  blockBytes: 512,
  preferredBytes: 4_096,
  requestBytesMax: 33_554_432,
  canTrim: true,
  canZero: true,
  zeroesFast: true,
  multipleConnections: true,
};
const scan: NbdExport = { ...disk, name: "scan", description: "", readOnly: true, zeroesFast: false, multipleConnections: false };

const catalogue: NbdCatalogue = {
  list: () => [disk, scan],
  find(name) {
    if (name === "" || name === "disk") return disk;
    if (name === "scan") return scan;
    if (name === "secret") return { unavailable: "policy", message: "not for you" };
    if (name === "gone") return { unavailable: "shutdown", message: "later" };
    return { unavailable: "unknown", message: "there is no such export" };
  },
};

function hex(text: string): Uint8Array {
  return Uint8Array.from(text.replace(/\s+/g, "").match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

const flags = "00000003";
const magic = "49484156454f5054";
const replies = "0003e889045565a9";
const text = (value: string) => hexOf(new TextEncoder().encode(value));
const word = (value: number) => value.toString(16).padStart(8, "0");
const option = (kind: string, data = "") => `${magic}${kind}${word(data.length / 2)}${data}`;
const infoData = (name: string, ...infos: string[]) =>
  `${word(new TextEncoder().encode(name).length)}${text(name)}${infos.length.toString(16).padStart(4, "0")}${infos.join("")}`;
const go = (name: string, ...infos: string[]) => option("00000007", infoData(name, ...infos));

/** What is sent, in hex, and the kinds of what else is ordered. */
function told(orders: readonly NbdOrder[]): { readonly sent: string; readonly others: readonly string[] } {
  return {
    sent: hexOf(joinedBytes(orders.flatMap((order) => (order.kind === "send" ? [order.bytes] : [])))),
    others: orders.flatMap((order) => (order.kind === "send" ? [] : [order.kind])),
  };
}

function heard(bytes: string, tls: NbdTls = "refused"): { readonly sent: string; readonly others: readonly string[] } {
  return told(new NbdHandshake(catalogue, tls).onBytes(hex(bytes)));
}

const ok = (kind: string) => `${replies}${kind}0000000100000000`;
const error = (kind: string, type: string, message: string) => `${replies}${kind}${type}${word(text(message).length / 2)}${text(message)}`;
const infoReply = (kind: string, data: string) => `${replies}${kind}00000003${word(data.length / 2)}${data}`;
const sizes = (kind: string) => infoReply(kind, "0003 00000200 00001000 02000000".replace(/ /g, ""));

test("the greeting: NBDMAGIC, IHAVEOPT, fixed newstyle and no zeroes", () => {
  assert.is(hexOf(nbdGreeting), "4e42444d41474943 49484156454f5054 0003".replace(/ /g, ""));
});

test("GO: size, flags, block sizes, what was asked for, and the end of the handshake", () => {
  const flagsOfDisk = "096d"; // HAS_FLAGS, FLUSH, FUA, TRIM, WRITE_ZEROES, MULTI_CONN, FAST_ZERO
  assert.equal(heard(flags + go("disk", "0001", "0002", "0003", "7777")), {
    sent: infoReply("00000007", `00000000000100200000${flagsOfDisk}`) + sizes("00000007") + infoReply("00000007", `0001${text("disk")}`) +
      infoReply("00000007", `0002${text("Börse")}`) + ok("00000007"),
    others: ["transmit"],
  });
});

test("GO after STRUCTURED_REPLY tells that one reply can be asked not to be in pieces; a device that is only read has no flags of writes", () => {
  const orders = new NbdHandshake(catalogue, "refused").onBytes(hex(flags + option("00000008") + go("scan")));
  assert.is(
    told(orders).sent,
    ok("00000008") + infoReply("00000007", "00000000000100200000008f") + sizes("00000007") + ok("00000007"),
  );
  assert.equal(orders.at(-1), { kind: "transmit", export: scan, structuredReplies: true });
});

test("INFO says the same and goes on", () => {
  const handshake = new NbdHandshake(catalogue, "refused");
  const { sent, others } = told(handshake.onBytes(hex(flags + option("00000006", infoData("")))));
  assert.is(sent, infoReply("00000006", "00000000000100200000096d") + sizes("00000006") + ok("00000006"));
  assert.equal(others, []);
  assert.equal(told(handshake.onBytes(hex(go("")))).others, ["transmit"]);
  assert.ok(handshake.over);
});

test("EXPORT_NAME: size and flags, and 124 zeroes unless the host did without", () => {
  assert.equal(heard(flags + option("00000001", text("disk"))), { sent: "0000000100200000096d", others: ["transmit"] });
  assert.equal(heard("00000001" + option("00000001", text("disk"))), {
    sent: `0000000100200000096d${"00".repeat(124)}`,
    others: ["transmit"],
  });
  assert.equal(heard("00000000" + option("00000001")), { sent: `0000000100200000096d${"00".repeat(124)}`, others: ["transmit"] });
  assert.equal(heard(flags + option("00000001", text("none"))), { sent: "", others: ["close"] });
  assert.equal(heard(flags + option("00000001", "ff")), { sent: "", others: ["close"] });
  assert.equal(heard(flags + `${magic}00000001${word(nbdOptionBytesMax + 1)}`), { sent: "", others: ["close"] });
});

test("LIST: names and descriptions", () => {
  const entry = (name: string, description: string) =>
    `${replies}0000000300000002${word((text(name).length + text(description).length) / 2 + 4)}${word(text(name).length / 2)}${text(name)}${
      text(description)
    }`;
  assert.equal(heard(flags + option("00000003")), { sent: entry("disk", "Börse") + entry("scan", "") + ok("00000003"), others: [] });
});

test("what cannot be had is refused, each in its way, and the handshake goes on", () => {
  const [unsupported, policy, invalid, unknown, shutdown] = ["80000001", "80000002", "80000003", "80000006", "80000007"] as const;
  const rows: readonly (readonly [string, string, string, string])[] = [
    [option("00000007", infoData("none")), "00000007", unknown, "there is no such export"],
    [option("00000007", infoData("secret")), "00000007", policy, "not for you"],
    [option("00000006", infoData("gone")), "00000006", shutdown, "later"],
    [option("0000000a", "0000"), "0000000a", unsupported, "this server does not know the option 10"],
    [option("00000004"), "00000004", unsupported, "this server does not know the option 4"],
    [option("ffffffff"), "ffffffff", unsupported, "this server does not know the option 4294967295"],
    [option("00000003", "00"), "00000003", invalid, "LIST has no data"],
    [option("00000008", "00"), "00000008", invalid, "STRUCTURED_REPLY has no data"],
    [option("00000005", "00"), "00000005", invalid, "STARTTLS has no data"],
    [option("00000005"), "00000005", policy, "this server has no certificate: connect without TLS, or give it one"],
    [option("00000007", "0000000000"), "00000007", invalid, "6 bytes are the least, these are 5"],
    [option("00000007", "000000010000"), "00000007", invalid, "a name of 1 bytes does not fit in 6"],
    [option("00000007", "ffffffff0000"), "00000007", invalid, "a name of 4294967295 bytes does not fit in 6"],
    [option("00000007", "00000001ff0000"), "00000007", invalid, "the name is not UTF-8"],
    [option("00000007", "000000000001"), "00000007", invalid, "1 requests for information take 8 bytes, these are 6"],
    [option("00000007", "00000000000000"), "00000007", invalid, "0 requests for information take 6 bytes, these are 7"],
  ];
  for (const [said, kind, type, message] of rows) {
    const handshake = new NbdHandshake(catalogue, "refused");
    assert.equal(told(handshake.onBytes(hex(flags + said))), { sent: error(kind, type, message), others: [] });
    assert.equal(told(handshake.onBytes(hex(go("disk")))).others, ["transmit"], message);
  }
});

test("what is too long is passed over and refused; what is longer still ends the connection", () => {
  const handshake = new NbdHandshake(catalogue, "refused");
  const data = "00".repeat(nbdOptionBytesMax + 1);
  const { sent } = told(handshake.onBytes(hex(flags + option("00000007", data) + option("00000008"))));
  assert.is(sent, error("00000007", "80000009", "an option has at most 16384 bytes, this one 16385") + ok("00000008"));
  const name = "n".repeat(nbdNameBytesMax + 1);
  assert.is(told(handshake.onBytes(hex(go(name)))).sent, error("00000007", "80000009", "a name has at most 4096 bytes, this one 4097"));
  assert.equal(told(handshake.onBytes(hex(`${magic}00000007${word(nbdOptionSkippedBytesMax + 1)}`))), { sent: "", others: ["close"] });
});

test("ABORT is acknowledged, nonsense is not", () => {
  assert.equal(heard(flags + option("00000002")), { sent: ok("00000002"), others: ["close"] });
  assert.equal(heard("00000007"), { sent: "", others: ["close"] });
  assert.equal(heard("80000003"), { sent: "", others: ["close"] });
  assert.equal(heard(flags + "49484156454f5055" + "0000000300000000"), { sent: "", others: ["close"] });
  const handshake = new NbdHandshake(catalogue, "refused");
  handshake.onBytes(hex("80000003"));
  assert.ok(handshake.over);
  assert.equal(handshake.onBytes(hex(go("disk"))), []);
});

test("a host that asks for ever is sent away", () => {
  const handshake = new NbdHandshake(catalogue, "refused");
  assert.equal(told(handshake.onBytes(hex(flags + option("00000008").repeat(nbdOptionsMax)))).others, []);
  assert.equal(told(handshake.onBytes(hex(option("00000008")))).others, ["close"]);
});

test("the list is told some times, not for ever", () => {
  const handshake = new NbdHandshake(catalogue, "refused");
  const entries = told(handshake.onBytes(hex(flags + option("00000003").repeat(nbdListsMax)))).sent;
  assert.ok(entries.endsWith(ok("00000003")));
  assert.is(told(handshake.onBytes(hex(option("00000003")))).sent, error("00000003", "80000002", "the list was told 4 times"));
});

test("what is said before the answer was given ends the connection: no request comes before transmission", () => {
  assert.equal(told(new NbdHandshake(catalogue, "refused").onBytes(hex(`${flags}${go("disk")}25`))).others, ["close"]);
});

test("STARTTLS: afterwards all begins anew, and nothing that came before it counts", () => {
  const handshake = new NbdHandshake(catalogue, "offered");
  assert.equal(told(handshake.onBytes(hex(flags + option("00000008") + option("00000005")))), {
    sent: ok("00000008") + ok("00000005"),
    others: ["startTls"],
  });
  handshake.onTlsStarted();
  assert.is(told(handshake.onBytes(hex(option("00000005")))).sent, error("00000005", "80000003", "TLS is set up already"));
  assert.equal(handshake.onBytes(hex(go("disk"))).at(-1), { kind: "transmit", export: disk, structuredReplies: false });

  assert.equal(heard(flags + option("00000005") + go("disk"), "offered").others, ["close"]);
  const early = new NbdHandshake(catalogue, "offered");
  early.onBytes(hex(flags + option("00000005")));
  assert.equal(told(early.onBytes(hex(go("disk")))).others, ["close"]);
});

test("where TLS is required nothing is told before it", () => {
  const message = "this server wants TLS first";
  for (const kind of ["00000003", "00000006", "00000007", "00000008", "0000000a"]) {
    assert.equal(heard(flags + option(kind), "required"), { sent: error(kind, "80000005", message), others: [] });
  }
  assert.equal(heard(flags + option("00000001", text("disk")), "required"), { sent: "", others: ["close"] });
  assert.equal(heard(flags + option("00000002"), "required"), { sent: ok("00000002"), others: ["close"] });
  assert.equal(heard(flags + option("00000005"), "required"), { sent: ok("00000005"), others: ["startTls"] });
});

test("the pieces in which bytes come make no difference, nor does what becomes of their buffer", () => {
  const whole = hex(
    flags + option("00000008") + option("00000003") + option("00000009", "00") + option("00000006", infoData("scan", "0002")) +
      go("disk", "0001"),
  );
  const expected = told(new NbdHandshake(catalogue, "refused").onBytes(whole));
  fc.assert(
    fc.property(fc.array(fc.nat({ max: whole.length })), (cuts) => {
      const handshake = new NbdHandshake(catalogue, "refused");
      const at = [0, ...cuts.sort((one, other) => one - other), whole.length];
      const orders = at.slice(1).flatMap((end, index) => {
        const piece = whole.slice(at[index], end);
        const given = handshake.onBytes(piece);
        const copies = given.map((order) => (order.kind === "send" ? { ...order, bytes: order.bytes.slice() } : order));
        piece.fill(0xee);
        return copies;
      });
      assert.equal(told(orders), expected);
    }),
  );
});

test("whatever comes, it neither throws nor keeps more than an option, and after its end it is silent", () => {
  const optionBytes = fc.tuple(fc.oneof(fc.nat({ max: 12 }), fc.nat()), fc.uint8Array({ maxLength: 64 }), fc.integer({ min: -2, max: 2 }))
    .map(([kind, data, off]) => joinedBytes([hex(magic + word(kind) + word(Math.max(0, data.length + off))), data]));
  const pieces = fc.array(
    fc.oneof(optionBytes, fc.uint8Array({ maxLength: 40 }), fc.constant(hex(go("disk"))), fc.constant(hex(option("00000005")))),
  );
  fc.assert(
    fc.property(fc.constantFrom<NbdTls>("refused", "offered", "required"), fc.boolean(), pieces, (tls, polite, said) => {
      const handshake = new NbdHandshake(catalogue, tls);
      if (polite) handshake.onBytes(hex(flags));
      let ended = false;
      for (const bytes of said) {
        const orders = handshake.onBytes(bytes);
        assert.ok(!ended || orders.length === 0);
        const last = orders.at(-1)?.kind;
        assert.ok(orders.slice(0, -1).every(({ kind }) => kind === "send"), "only the last order is no answer");
        ended ||= last === "close" || last === "transmit";
        assert.is(handshake.over, ended);
        if (last === "startTls") handshake.onTlsStarted();
        if (tls === "required" && last === "transmit") assert.ok(said.some((each) => hexOf(each) === option("00000005")));
      }
    }),
    { numRuns: 300 },
  );
});

test.run();
