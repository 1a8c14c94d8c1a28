/**
 * The bytes of wire version 1. They are what cards in the field speak: these vectors are never edited. A new version
 * adds a file beside this one; this file is deleted when version 1 is no longer understood.
 *
 * On serial the bytes are those on the line, zeros, stuffing and CRC included; on Ethernet those after the header.
 */
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { CardId } from "../../src/base/ids.ts";
import { Keyring } from "../../src/wire/auth.ts";
import { kindNumbers } from "../../src/wire/body.ts";
import { decodeFrame, encodeFrame, type Frame } from "../../src/wire/frame.ts";
import type { Message } from "../../src/wire/message.ts";
import { encodeSerial, SerialDecoder } from "../../src/wire/serial.ts";

/** The bytes 0 to 31. */
const keyring = new Keyring([Uint8Array.from({ length: 32 }, (_, index) => index)]);
const card = (id: number) => id as CardId;
const bytes = (...values: number[]) => Uint8Array.from(values);

const fromCard = { system: 0xc0de, from: card(3), to: 0, incarnation: 7, sequence: 1_000 } as const;
const toMultiplexor = { system: 0xc0de, from: card(3), to: 65, incarnation: 7, sequence: 1_001 } as const;
const fromMultiplexor = { system: 0xc0de, from: 65, to: card(3), incarnation: 1, sequence: 24 } as const;
/** Every number at its largest. */
const largest = { system: 0xffff, from: card(64), to: card(64), incarnation: 0xffffffff, sequence: Number.MAX_SAFE_INTEGER } as const;

const heartbeat: Message = { kind: "heartbeat", etherPort: true, serialPort: false, serialTicks: bytes(0b11), etherTicks: bytes(0b1011) };
const farHeartbeat: Message = {
  kind: "heartbeat",
  etherPort: true,
  serialPort: true,
  serialTicks: bytes(0xff),
  etherTicks: bytes(0xff, 0, 0, 0, 0, 0, 0, 0x80),
};
const advert: Message = {
  kind: "advert",
  uid: bytes(0xca, 0xfe, 0, 1, 2, 3, 4, 5),
  name: "bay-\u00e9",
  nonce: 0xdeadbeef,
  echoes: [{ card: card(1), nonce: 17 }, { card: card(64), nonce: 0xffffffff }],
  etherPeriodMs: 100,
  serialPeriodMs: 500,
  wireMin: 1,
  wireMax: 1,
  software: "0.1.0",
};
const emptyAdvert: Message = {
  ...advert,
  name: "",
  nonce: 0,
  echoes: [],
  etherPeriodMs: 1,
  serialPeriodMs: 60_000,
  wireMin: 0,
  wireMax: 15,
  software: "",
};
const bye = (reason: "stop" | "restart" | "maintenance" | "upgrade"): Message => ({ kind: "bye", reason });
const stale: Message = { kind: "stale", card: card(5), incarnation: 70_000 };
const fragment: Message = { kind: "fragment", id: 258, index: 1, count: 300, data: bytes(0, 1, 0, 2, 0) };
const muxReset: Message = { kind: "muxReset", id: 0xffffffff, slot: 8 };
const muxReceipt = (outcome: "reset" | "off" | "absent" | "failed"): Message => ({ kind: "muxReceipt", id: 0xffffffff, slot: 8, outcome });
const muxPower: Message = { kind: "muxPower", powered: 0b10000111 };

type Vector = readonly ["ether" | "serial", Frame, string];

const vectors: readonly Vector[] = [
  [
    "ether",
    { ...fromCard, message: heartbeat },
    "891119c0de0300071903e80183014103410b4a00000000000000000000505fcd2f0f39cf060a85a34893842fbefd",
  ],
  ["serial", { ...fromCard, message: heartbeat }, "0007881119c0de0319071903e80183014103410b486e49da8c510cd51aad685dda00"],
  [
    "ether",
    { ...largest, message: farHeartbeat },
    "881119ffff184018401affffffff1b001fffffffffffff01830341ff48ff000000000000805093ebb89fe15d8d77b1e995a75bc3534e",
  ],
  [
    "serial",
    { ...largest, message: farHeartbeat },
    "0010881119ffff184018401affffffff1b0f1fffffffffffff01830341ff48ff01010101010f8048265b4656d59bc401d459387c00",
  ],
  [
    "ether",
    { ...fromCard, message: advert },
    "881119c0de0300071903e8028948cafe000102030405666261792dc3a91adeadbeef84011118401affffffff18641901f4010165302e312e3050f4cdc544d8ed12087cc109e6e55f12a0",
  ],
  [
    "serial",
    { ...fromCard, message: advert },
    "0007881119c0de030a071903e8028948cafe360102030405666261792dc3a91adeadbeef84011118401affffffff18641901f4010165302e312e3048a1d329f7889b868d13a39b4b00",
  ],
  [
    "ether",
    { ...largest, message: emptyAdvert },
    "881119ffff184018401affffffff1b001fffffffffffff028948cafe0001020304056000800119ea60000f605069d2817dc59c60f197afea033acb2565",
  ],
  [
    "serial",
    { ...largest, message: emptyAdvert },
    "0010881119ffff184018401affffffff1b0d1fffffffffffff028948cafe0701020304056006800119ea60100f604842106449726377afa18fddb600",
  ],
  [
    "ether",
    { ...fromCard, message: bye("stop") },
    "891119c0de0300071903e80381004e0000000000000000000000000000500b68831b456e1fbe824104851b459338",
  ],
  [
    "ether",
    { ...fromCard, message: bye("restart") },
    "891119c0de0300071903e80381014e00000000000000000000000000005017fd3ad84d9a6cc2ebb391c9ce2478f2",
  ],
  [
    "ether",
    { ...fromCard, message: bye("maintenance") },
    "891119c0de0300071903e80381024e00000000000000000000000000005092df20bead0e78089993a679ef2f19ff",
  ],
  [
    "ether",
    { ...fromCard, message: bye("upgrade") },
    "891119c0de0300071903e80381034e0000000000000000000000000000509f60919cb7a8dddca97fea7e4a65b802",
  ],
  ["serial", { ...fromCard, message: bye("stop") }, "0007881119c0de0307071903e803810d48aff6e2509213b9142a5d360100"],
  ["serial", { ...fromCard, message: bye("restart") }, "0007881119c0de0315071903e8038101485392305030e51e29105a3a8800"],
  ["serial", { ...fromCard, message: bye("maintenance") }, "0007881119c0de0315071903e803810248765804f5d3a54d1030fd19e700"],
  ["serial", { ...fromCard, message: bye("upgrade") }, "0007881119c0de0315071903e80381034897939965608bd3fbf74c4b1c00"],
  [
    "ether",
    { ...fromCard, message: stale },
    "891119c0de0300071903e80482051a00011170490000000000000000005044ea67a2bc49bab2c875c6b31d2dd655",
  ],
  ["serial", { ...fromCard, message: stale }, "0007881119c0de0309071903e80482051a1101117048a99d29fbedef81bcbb786eef00"],
  [
    "ether",
    { ...fromCard, message: fragment },
    "891119c0de0300071903e805841901020119012c4500010002004200005067b1d4595cad4d0d406ca7b55c0678e1",
  ],
  ["serial", { ...fromCard, message: fragment }, "0007881119c0de030f071903e805841901020119012c45020102020e488f0ae627547196392758a7c200"],
  [
    "ether",
    { ...largest, message: fragment },
    "881119ffff184018401affffffff1b001fffffffffffff05841901020119012c45000100020050155c7c55c3e2ad074da1c31cbfabdedb",
  ],
  [
    "serial",
    { ...largest, message: fragment },
    "0010881119ffff184018401affffffff1b121fffffffffffff05841901020119012c45020102020e4841e759759c2a167ebdfadc6400",
  ],
  [
    "ether",
    { ...toMultiplexor, message: muxReset },
    "891119c0de031841071903e910821affffffff08480000000000000000506e265649e78d0dc4e794ebd27ce50275",
  ],
  ["serial", { ...toMultiplexor, message: muxReset }, "0022881119c0de031841071903e910821affffffff0848208a758894a4aab1ac81726400"],
  [
    "serial",
    { ...fromMultiplexor, message: muxReceipt("reset") },
    "0014881119c0de18410301181811831affffffff080e487f9dd1e04222c5f40fe6a00c00",
  ],
  [
    "serial",
    { ...fromMultiplexor, message: muxReceipt("off") },
    "0022881119c0de18410301181811831affffffff080148904b9d51b5828584772a094600",
  ],
  [
    "serial",
    { ...fromMultiplexor, message: muxReceipt("absent") },
    "0022881119c0de18410301181811831affffffff08024806dca591fc010fe0456e5ee100",
  ],
  [
    "serial",
    { ...fromMultiplexor, message: muxReceipt("failed") },
    "0022881119c0de18410301181811831affffffff080348b160439f7bca5e850eb75b3900",
  ],
  [
    "ether",
    { ...fromMultiplexor, message: muxReceipt("reset") },
    "891119c0de18410301181811831affffffff0800480000000000000000509d5f057df070e8bccf715025b7ec106d",
  ],
  [
    "ether",
    { ...fromMultiplexor, message: muxPower },
    "891119c0de184103011818128118874d000000000000000000000000005095fc2af36ba934ce744c891f4e624588",
  ],
  ["serial", { ...fromMultiplexor, message: muxPower }, "001d881119c0de184103011818128118874818ac869be2d0529af6c11ede00"],
];

const named = ([link, frame]: Vector) => `${link} ${JSON.stringify(frame.message)}`;

test("HA-1: version 1 writes these bytes", () => {
  for (const vector of vectors) {
    const [link, frame, hex] = vector;
    const encoded = encodeFrame(link, keyring, frame);
    assert.is((link === "serial" ? encodeSerial(encoded) : encoded).toHex(), hex, named(vector));
  }
});

test("HA-1: version 1 understands these bytes", () => {
  for (const vector of vectors) {
    const [link, frame, hex] = vector;
    const received = Uint8Array.fromHex(hex);
    const items = link === "serial" ? new SerialDecoder().push(received) : [received];
    assert.is(items.length, 1, named(vector));
    const item = items[0] as Uint8Array;
    assert.equal(decodeFrame(link, keyring, frame.system, item), frame, named(vector));
  }
});

test("each kind of message has a vector on each link", () => {
  const covered = new Set(vectors.map(([link, frame]) => `${link} ${frame.message.kind}`));
  for (const kind of Object.keys(kindNumbers)) {
    for (const link of ["ether", "serial"]) assert.ok(covered.has(`${link} ${kind}`), `${link} ${kind}`);
  }
});

test.run();
