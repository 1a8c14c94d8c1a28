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
import type { Entry, Message } from "../../src/wire/message.ts";
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

const heartbeat: Message = {
  kind: "heartbeat",
  etherPort: true,
  serialPort: false,
  serialTicks: bytes(0b11),
  etherTicks: bytes(0b1011),
  view: 0x1234,
};
const farHeartbeat: Message = {
  kind: "heartbeat",
  etherPort: true,
  serialPort: true,
  serialTicks: bytes(0xff),
  etherTicks: bytes(0xff, 0, 0, 0, 0, 0, 0, 0x80),
  view: 0xffff,
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

const wantView: Message = { kind: "wantView", previous: 0, promised: 0xffffffff };
const proposeView: Message = {
  kind: "proposeView",
  number: 300,
  members: bytes(0b1011),
  incarnations: [7, 0, 70_000],
  ether: bytes(0b1001),
};
const promiseView: Message = { kind: "promiseView", number: 300, previous: 299, down: bytes(0b100) };
const refuseView: Message = { kind: "refuseView", number: 300, promised: 301, missing: bytes(0, 0, 1) };
const commitView: Message = {
  kind: "commitView",
  number: 300,
  members: bytes(0b1011, 0b1),
  incarnations: [7, 0, 70_000, 0xffffffff],
  previous: [299, 0, 299, 24],
  ether: bytes(),
  down: bytes(0b100),
  unknown: bytes(0, 0b10),
};
const committedView: Message = { kind: "committedView", number: 0xffffffff };
const data: Entry = { type: "data", origin: card(3), id: 24, body: bytes(1, 0, 2) };
const lastData: Entry = { type: "data", origin: card(64), id: Number.MAX_SAFE_INTEGER, body: bytes() };
const viewEntry: Entry = { type: "view", origin: card(1), id: 0, body: bytes(9) };
const control: Entry = { type: "control", origin: card(2), id: 0, body: bytes(8, 7) };
const submit: Message = { kind: "submit", view: 300, entries: [data, control], floor: 7 };
const pass: Message = {
  kind: "pass",
  view: 300,
  pass: 2 ** 32,
  first: 1_000,
  entries: [viewEntry, control, data, lastData],
  committed: 999,
  delivered: 255,
};
const emptyPass: Message = { kind: "pass", view: 1, pass: 0, first: 1, entries: [], committed: 0, delivered: 0 };
const commit: Message = { kind: "commit", view: 300, committed: Number.MAX_SAFE_INTEGER };
const flush = (whole: boolean, ready: boolean): Message => {
  return { kind: "flush", view: 300, epoch: 299, held: 1_000, delivered: 256, deliveredEpoch: 298, whole, ready };
};
const sync: Message = {
  kind: "sync",
  view: 300,
  first: 999,
  last: 1_000,
  entries: [data, control],
  skip: false,
  epochs: [{ view: 1, first: 1 }, { view: 299, first: 24 }],
  marks: [],
};
const skip: Message = {
  kind: "sync",
  view: 300,
  first: 1_001,
  last: 1_000,
  entries: [],
  skip: true,
  epochs: [],
  marks: [{ card: card(3), incarnation: 7, id: 2 ** 32 }, { card: card(64), incarnation: 0, id: 0 }],
};
const failing: Message = { kind: "failing", reason: "store-\u00e9 has gone" };

const headedHeartbeat: Message = { ...heartbeat, head: 0x4abc };
const hash = Uint8Array.from({ length: 32 }, (_, index) => 0xa0 + index);
const configHead = { sequence: 70_000, epoch: 300, hash };
const configState: Message = {
  kind: "configState",
  announced: 2 ** 33,
  accepted: configHead,
  level: 24,
  lineage: 299,
  replicas: [card(1), card(64)],
  levels: [{ card: card(1), levelMax: 24 }, { card: card(64), levelMax: 300 }],
  line: [card(3)],
  parts: { card: card(3), id: 7, base: hash, count: 300, next: 2 },
};
const plainConfigState: Message = { ...configState, announced: 1, replicas: [card(1)], levels: [], line: [], parts: undefined };
const configAsks: readonly Message[] = [
  { kind: "configAsk", id: 0, what: "durable" },
  { kind: "configAsk", id: 1, what: "hashes", sequences: [70_000, 23, 0] },
  { kind: "configAsk", id: 2, what: "transfer", after: 70_000, snapshot: false },
  { kind: "configAsk", id: 0xffffffff, what: "transfer", after: 0, snapshot: true },
  { kind: "configAsk", id: 4, what: "piece", transfer: 5, offset: 2 ** 33 },
];
const configGives: readonly Message[] = [
  { kind: "configGive", id: 1, what: "hashes", first: 24, heads: [configHead] },
  { kind: "configGive", id: 2, what: "offer", transfer: 5, content: "changes", head: configHead, bytes: 300, sha256: hash, left: 24 },
  { kind: "configGive", id: 3, what: "offer", transfer: 6, content: "snapshot", head: configHead, bytes: 2 ** 33, sha256: hash, left: 0 },
  { kind: "configGive", id: 4, what: "piece", transfer: 5, offset: 2 ** 33, data: bytes(0, 1, 2) },
  { kind: "configGive", id: 5, what: "nothing", reason: "busy" },
  { kind: "configGive", id: 6, what: "nothing", reason: "gone" },
  { kind: "configGive", id: 7, what: "nothing", reason: "behind" },
];
const configDurable: Message = { kind: "configDurable", head: configHead };
const configForward: Message = { kind: "configForward", id: 7, wish: bytes(0x80) };
const configAnswer: Message = { kind: "configAnswer", id: 7, answer: bytes(0x80) };
const muxPowerWithStarts: Message = {
  kind: "muxPower",
  powered: 0b11,
  starts: bytes(0, 1, 2, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
};
const boots: readonly Message[] = [
  { kind: "boot", bootType: "cold", state: "announce", hold: "", sequence: 0, epoch: 0, role: "none" },
  { kind: "boot", bootType: "maintenance", state: "hold", hold: "maintenance", sequence: 2 ** 33, epoch: 70_000, role: "primary" },
];
const selfTest: Message = { kind: "selfTest", id: 0xffffffff, subject: card(9) };
const idle: Message = { kind: "idle", view: 0x12345 };
const selfTestAnswers: readonly Message[] = [
  { kind: "selfTestAnswer", id: 24, subject: card(9), stage: "received", results: [] },
  { kind: "selfTestAnswer", id: 24, subject: card(9), stage: "deaf", results: [] },
  {
    kind: "selfTestAnswer",
    id: 24,
    subject: card(9),
    stage: "done",
    results: [
      { check: 1, result: "passed", code: "", ms: 0 },
      { check: 4, result: "failed", code: "no-carrier", ms: 200 },
      { check: 255, result: "skipped", code: "later", ms: 0xffff },
    ],
  },
];

type Vector = readonly ["ether" | "serial", Frame, string];

const vectors: readonly Vector[] = [
  [
    "ether",
    { ...fromCard, message: heartbeat },
    "891119c0de0300071903e80184014103410b191234470000000000000050c8eefa30bfdd46656142e53c5f53529b",
  ],
  ["serial", { ...fromCard, message: heartbeat }, "0007881119c0de031c071903e80184014103410b191234482b852bddd12b3cda01567f9600"],
  [
    "ether",
    { ...largest, message: farHeartbeat },
    "881119ffff184018401affffffff1b001fffffffffffff01840341ff48ff0000000000008019ffff50269b4c93d64d78dfda460cf8a627cea5",
  ],
  [
    "serial",
    { ...largest, message: farHeartbeat },
    "0010881119ffff184018401affffffff1b0f1fffffffffffff01840341ff48ff0101010101128019ffff48cb03a8784933d87b3c9ca39e00",
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
    "serial",
    { ...toMultiplexor, message: { ...muxReset, incarnation: 70_000 } },
    "0016881119c0de031841071903e910831affffffff081a1101117048e989397a9760e8fd98ae62aa00",
  ],
  [
    "serial",
    { ...fromMultiplexor, to: 0, message: { kind: "muxReceipt", id: 0xffffffff, slot: 8, outcome: "newer", incarnation: 70_000 } },
    "0008881119c0de18410e01181811841affffffff08041a11011170480dce969925825f929eb186b400",
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
  [
    "ether",
    { ...fromCard, message: wantView },
    "891119c0de0300071903e80682001affffffff4900000000000000000050efba2279bb572fee3a064b7b46b94044",
  ],
  ["serial", { ...fromCard, message: wantView }, "0007881119c0de0307071903e80682131affffffff4806ab7b95195b7bfc75a78c7600"],
  [
    "ether",
    { ...fromCard, message: proposeView },
    "891119c0de0300071903e8078419012c410b8307001a000111704109405025c9fa97ca75586598179f209318e7ee",
  ],
  [
    "serial",
    { ...fromCard, message: proposeView },
    "0007881119c0de030e071903e8078419012c410b8307021a13011170410948687505e1d6423dbf9d2182fc00",
  ],
  [
    "ether",
    { ...fromCard, message: promiseView },
    "891119c0de0300071903e8088319012c19012b410447000000000000005037e9590b668febe67dce93aac176fa04",
  ],
  ["serial", { ...fromCard, message: promiseView }, "0007881119c0de031c071903e8088319012c19012b410448ace5077ce4e38bcb025acc8300"],
  [
    "ether",
    { ...fromCard, message: refuseView },
    "891119c0de0300071903e8098319012c19012d43000001450000000000509a7c4c12c506ef3a470933c9f7a1a11e",
  ],
  ["serial", { ...fromCard, message: refuseView }, "0007881119c0de030e071903e8098319012c19012d43010f01483d0697297de3e3c87cea6cde00"],
  [
    "ether",
    { ...fromCard, message: commitView },
    "881119c0de0300071903e80a8719012c420b018407001a000111701affffffff8419012b0019012b1818404104420002507edd7fde4a19556e232cf39870690af9",
  ],
  [
    "ether",
    { ...largest, message: commitView },
    "881119ffff184018401affffffff1b001fffffffffffff0a8719012c420b018407001a000111701affffffff8419012b0019012b18184041044200025089a3282ba9efe89bccd310a45d80f9a5",
  ],
  [
    "serial",
    { ...fromCard, message: commitView },
    "0007881119c0de030f071903e80a8719012c420b018407021a0d0111701affffffff8419012b0a19012b1818404104420f024879f151a21dcf730adc3295fd00",
  ],
  [
    "serial",
    { ...largest, message: commitView },
    "0010881119ffff184018401affffffff1b121fffffffffffff0a8719012c420b018407021a0d0111701affffffff8419012b0a19012b1818404104420f0248f94ccf3b9aad1f5c9403031f00",
  ],
  [
    "ether",
    { ...fromCard, message: committedView },
    "891119c0de0300071903e80b811affffffff4a0000000000000000000050f34d87942d98711847f00f1532a6ac26",
  ],
  ["serial", { ...fromCard, message: committedView }, "0007881119c0de0319071903e80b811affffffff48c70fa12c3616bd724345dc7d00"],
  [
    "ether",
    { ...fromCard, message: submit },
    "881119c0de0300071903e80c8319012c8802031818430100020102004208070750babd08a17aeb4d22b99311b9197ebae2",
  ],
  [
    "serial",
    { ...fromCard, message: submit },
    "0007881119c0de0311071903e80c8319012c88020318184301040201021242080707489c3c5e5f321e7c942bfcf48f00",
  ],
  [
    "ether",
    { ...fromCard, message: pass },
    "881119c0de0300071903e80d8619012c1b00000001000000001903e890000100410901020042080702031818430100020218401b001fffffffffffff401903e718ff50059e1a2ce42c95045e33159c52b3a5ba",
  ],
  [
    "ether",
    { ...largest, message: pass },
    "881119ffff184018401affffffff1b001fffffffffffff0d8619012c1b00000001000000001903e890000100410901020042080702031818430100020218401b001fffffffffffff401903e718ff5006eee50b0e8c805d75227b3e1f9fa9cc",
  ],
  [
    "serial",
    { ...fromCard, message: pass },
    "0007881119c0de030b071903e80d8619012c1b01010201010101051903e890020105410901020a42080702031818430106020218401b1b1fffffffffffff401903e718ff48ef0fa448821be4cd31105d0e00",
  ],
  [
    "ether",
    { ...fromCard, message: emptyPass },
    "891119c0de0300071903e80d860100018000004900000000000000000050b66df3a15317e1d51089a7a8d7f88718",
  ],
  ["serial", { ...fromCard, message: emptyPass }, "0007881119c0de0308071903e80d8601030180010e485c4fecb8228d16210ae0b7db00"],
  [
    "ether",
    { ...fromCard, message: commit },
    "891119c0de0300071903e80e8219012c1b001fffffffffffff430000005018584b8f371aac5f85dc6d1b72bf4a1f",
  ],
  ["serial", { ...fromCard, message: commit }, "0007881119c0de030b071903e80e8219012c1b151fffffffffffff48c64c70134a7dae191181c37000"],
  [
    "ether",
    { ...fromCard, message: flush(false, false) },
    "881119c0de0300071903e80f8619012c19012b1903e819010019012a00507ce34db0f606991f45cf03d9e030b3b5",
  ],
  [
    "serial",
    { ...fromCard, message: flush(false, false) },
    "0007881119c0de0312071903e80f8619012c19012b1903e819010419012a0e4804ce3f2c16cdd5bdd295102d00",
  ],
  [
    "ether",
    { ...fromCard, message: flush(true, false) },
    "881119c0de0300071903e80f8619012c19012b1903e819010019012a0150bd3371e644a1430d72ea543b09af3c54",
  ],
  [
    "serial",
    { ...fromCard, message: flush(true, false) },
    "0007881119c0de0312071903e80f8619012c19012b1903e819011219012a01484db9a04af4482a89ebb6950e00",
  ],
  [
    "ether",
    { ...fromCard, message: flush(false, true) },
    "881119c0de0300071903e80f8619012c19012b1903e819010019012a025020baef9e633005bd78b202eb8a9b4891",
  ],
  [
    "serial",
    { ...fromCard, message: flush(false, true) },
    "0007881119c0de0312071903e80f8619012c19012b1903e819011219012a0248f5f889a2875105e2e771cb9800",
  ],
  [
    "ether",
    { ...fromCard, message: sync },
    "881119c0de0300071903e818208719012c1903e71903e88802031818430100020102004208070084010119012b1818805065870a0eec9b77a61e14840624859c7c",
  ],
  [
    "ether",
    { ...largest, message: sync },
    "881119ffff184018401affffffff1b001fffffffffffff18208719012c1903e71903e88802031818430100020102004208070084010119012b18188050150e3e38f77080a64997973db10d604f",
  ],
  [
    "serial",
    { ...fromCard, message: sync },
    "0007881119c0de0318071903e818208719012c1903e71903e88802031818430104020102044208071784010119012b181880483eb371f877d26f70306ccfba00",
  ],
  [
    "serial",
    { ...largest, message: sync },
    "0010881119ffff184018401affffffff1b1b1fffffffffffff18208719012c1903e71903e88802031818430104020102044208071784010119012b18188048d115080eb43593dad1ceaa1200",
  ],
  [
    "ether",
    { ...fromCard, message: skip },
    "881119c0de0300071903e818208719012c1903e91903e88001808603071b000000010000000018400000501d82aacbea5a71ca21d4bc2101b0b0d4",
  ],
  [
    "serial",
    { ...fromCard, message: skip },
    "0007881119c0de0318071903e818208719012c1903e91903e88001808603071b01010201010101031840010e480d59df6e9aae3e15b9e11a1b00",
  ],
  [
    "ether",
    { ...fromCard, message: failing },
    "881119c0de0300071903e81821817173746f72652dc3a92068617320676f6e6550e7108b789a1a9ae72113a87248552834",
  ],
  [
    "ether",
    { ...largest, message: failing },
    "881119ffff184018401affffffff1b001fffffffffffff1821817173746f72652dc3a92068617320676f6e655073c25d0a35f417773742d9762f2e7024",
  ],
  [
    "serial",
    { ...fromCard, message: failing },
    "0007881119c0de0327071903e81821817173746f72652dc3a92068617320676f6e654822de2866e6b0db89fd4764d900",
  ],
  [
    "serial",
    { ...largest, message: failing },
    "0010881119ffff184018401affffffff1b2a1fffffffffffff1821817173746f72652dc3a92068617320676f6e65484d4880bb76c4e83c074d202100",
  ],
  [
    "ether",
    { ...fromCard, message: headedHeartbeat },
    "891119c0de0300071903e80185014103410b191234194abc4400000000509e4c6be78bf788a96afab02e0af3d84b",
  ],
  [
    "serial",
    { ...fromCard, message: headedHeartbeat },
    "0007881119c0de031f071903e80185014103410b191234194abc4898cad43de0115156cd2254f400",
  ],
  [
    "ether",
    { ...fromCard, message: configState },
    "881119c0de0300071903e818228a1b00000002000000001a0001117019012c5820a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf181819012b8201184084011818184019012c81038503075820a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf19012c02509f5452daedb092016aceb15edad239e7",
  ],
  [
    "serial",
    { ...fromCard, message: configState },
    "0007881119c0de0309071903e818228a1b01010202010101021a7301117019012c5820a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf181819012b8201184084011818184019012c81038503075820a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf19012c0248ee9511ac0e5083163905ff7900",
  ],
  [
    "ether",
    { ...fromCard, message: plainConfigState },
    "881119c0de0300071903e818228a011a0001117019012c5820a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf181819012b810180808050a8f465db62071d0a1da835a9382f36e1",
  ],
  [
    "serial",
    { ...fromCard, message: plainConfigState },
    "0007881119c0de030a071903e818228a011a4001117019012c5820a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf181819012b810180808048e0749f976bc50d9849927a5e00",
  ],
  [
    "ether",
    { ...fromCard, message: configAsks[0] as Message },
    "891119c0de0300071903e818238200004c000000000000000000000000509279713d527b922525fcb4ec0cebceb0",
  ],
  [
    "serial",
    { ...fromCard, message: configAsks[0] as Message },
    "0007881119c0de0308071903e8182382010e483038e12bb1090de7978224e300",
  ],
  [
    "ether",
    { ...fromCard, message: configAsks[1] as Message },
    "891119c0de0300071903e81823830101831a000111701700440000000050361fce5951a544c8f47724950bdb5b9d",
  ],
  [
    "serial",
    { ...fromCard, message: configAsks[1] as Message },
    "0007881119c0de030c071903e81823830101831a05011170170e48ce3cedddeeb987e925a0130200",
  ],
  [
    "ether",
    { ...fromCard, message: configAsks[2] as Message },
    "891119c0de0300071903e818238402021a00011170004600000000000050efe7de8880b30d858339bdc75c617f4d",
  ],
  [
    "serial",
    { ...fromCard, message: configAsks[2] as Message },
    "0007881119c0de030b071903e818238402021a040111700e48b7d74021befcffdd1f0de02f00",
  ],
  [
    "ether",
    { ...fromCard, message: configAsks[3] as Message },
    "891119c0de0300071903e81823841affffffff0200014600000000000050fb4c6a9b209b62ef374ebea4e1b6b01e",
  ],
  [
    "serial",
    { ...fromCard, message: configAsks[3] as Message },
    "0007881119c0de030e071903e81823841affffffff020f0148b8893c648520ef4d0cdf958100",
  ],
  [
    "ether",
    { ...fromCard, message: configAsks[4] as Message },
    "891119c0de0300071903e81823840403051b000000020000000042000050ee945c771830f0d826b65ed0de58d9b9",
  ],
  [
    "serial",
    { ...fromCard, message: configAsks[4] as Message },
    "0007881119c0de030c071903e81823840403051b010102020101010e48683b824ea8fffa2d82f19e3600",
  ],
  [
    "ether",
    { ...fromCard, message: configGives[0] as Message },
    "881119c0de0300071903e818248401001818831a0001117019012c5820a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf50785c4feb25ee738a46ed67f58276ad4c",
  ],
  [
    "serial",
    { ...fromCard, message: configGives[0] as Message },
    "0007881119c0de0309071903e818248401051818831a3601117019012c5820a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf4889de97e550ee735ad15c411200",
  ],
  [
    "ether",
    { ...fromCard, message: configGives[1] as Message },
    "881119c0de0300071903e818248a020105001a0001117019012c5820a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf19012c5820a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf181850e959ce86e27d2755b9d1f2aa30091d7d",
  ],
  [
    "serial",
    { ...fromCard, message: configGives[1] as Message },
    "0007881119c0de030b071903e818248a020105021a5d01117019012c5820a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf19012c5820a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf181848e2e1fb9e24ed29c640a7cda400",
  ],
  [
    "ether",
    { ...fromCard, message: configGives[2] as Message },
    "881119c0de0300071903e818248a030106011a0001117019012c5820a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf1b00000002000000005820a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf005069a934d7c9e22dbdf5b082eab961bb80",
  ],
  [
    "serial",
    { ...fromCard, message: configGives[2] as Message },
    "0007881119c0de030d071903e818248a030106011a2a01117019012c5820a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf1b01010202010101235820a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf0e4859e21eb926aca7ad4545fff900",
  ],
  [
    "ether",
    { ...fromCard, message: configGives[3] as Message },
    "881119c0de0300071903e81824850402051b000000020000000043000102506e75e0cac432bcc6ce3aa6f38e562b93",
  ],
  [
    "serial",
    { ...fromCard, message: configGives[3] as Message },
    "0007881119c0de030c071903e81824850402051b01010202010101024310010248905a9722a132083de57fc2e700",
  ],
  [
    "ether",
    { ...fromCard, message: configGives[4] as Message },
    "891119c0de0300071903e81824830503004b000000000000000000000050908ddadc84f8892f774e0a8f220e56fa",
  ],
  [
    "serial",
    { ...fromCard, message: configGives[4] as Message },
    "0007881119c0de030a071903e818248305030e48e4513340efee6672ca95b3ec00",
  ],
  [
    "ether",
    { ...fromCard, message: configGives[5] as Message },
    "891119c0de0300071903e81824830603014b00000000000000000000005070939d8e43b67ab76df77b8cb98cfda4",
  ],
  [
    "serial",
    { ...fromCard, message: configGives[5] as Message },
    "0007881119c0de0318071903e818248306030148ee9fbaffe85bd98ce1673fb500",
  ],
  [
    "ether",
    { ...fromCard, message: configGives[6] as Message },
    "891119c0de0300071903e81824830703024b000000000000000000000050661a39ead4d7c99d14ea4ea272b1dd91",
  ],
  [
    "serial",
    { ...fromCard, message: configGives[6] as Message },
    "0007881119c0de0318071903e818248307030248f159523f443ed0bc1c4c436200",
  ],
  [
    "ether",
    { ...fromCard, message: configDurable },
    "881119c0de0300071903e81825831a0001117019012c5820a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf507939598a3dd5a18cb6b06fe07d001705",
  ],
  [
    "serial",
    { ...fromCard, message: configDurable },
    "0007881119c0de0309071903e81825831a3601117019012c5820a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf485438199e924fe592f47deab200",
  ],
  [
    "ether",
    { ...fromCard, message: configForward },
    "891119c0de0300071903e81826820741804b000000000000000000000050c99b93b3f07d357b12bda141f011fa6c",
  ],
  [
    "serial",
    { ...fromCard, message: configForward },
    "0007881119c0de0318071903e8182682074180480b1771f56d1d3f94b6f60f6100",
  ],
  [
    "ether",
    { ...fromCard, message: configAnswer },
    "891119c0de0300071903e81827820741804b0000000000000000000000501866a71d0caaf64b22e031a0700b496d",
  ],
  [
    "serial",
    { ...fromCard, message: configAnswer },
    "0007881119c0de0318071903e8182782074180482fdacd86821e1e7720854ac600",
  ],
  [
    "ether",
    { ...fromMultiplexor, message: muxPowerWithStarts },
    "881119c0de18410301181812820350000102ff00000000000000000000000050ff59b78cd50e7e075e5b1be825283b0c",
  ],
  [
    "serial",
    { ...fromMultiplexor, message: muxPowerWithStarts },
    "0010881119c0de18410301181812820350040102ff01010101010101010101010648ea85721308377521636e0abc00",
  ],
  [
    "ether",
    { ...fromCard, message: boots[0] as Message },
    "891119c0de0300071903e8182886000260000000480000000000000000503682e3340a3b83059e22be8df6133bfc",
  ],
  [
    "serial",
    { ...fromCard, message: boots[0] as Message },
    "0007881119c0de0308071903e818288603026001010e485f8f246504d77aefb05db70d00",
  ],
  [
    "ether",
    { ...fromCard, message: boots[1] as Message },
    "881119c0de0300071903e818288605066b6d61696e74656e616e63651b00000002000000001a000111700350f7fabb12be9ac1fdb35b2a9a5efc072a",
  ],
  [
    "serial",
    { ...fromCard, message: boots[1] as Message },
    "0007881119c0de0317071903e818288605066b6d61696e74656e616e63651b01010202010101021a12011170034863457912757f90cf674bc6ab00",
  ],
  [
    "ether",
    { ...fromCard, message: selfTest },
    "891119c0de0300071903e81829821affffffff094800000000000000005073e752b6ac81c45f1171c6f634e407bd",
  ],
  [
    "serial",
    { ...fromCard, message: selfTest },
    "0007881119c0de031b071903e81829821affffffff09487abe9257f36da5a9db3a16a200",
  ],
  [
    "ether",
    { ...fromCard, message: selfTestAnswers[0] as Message },
    "891119c0de0300071903e8182a84181809008049000000000000000000506f712e650ea6633d8da88a73ba0f6839",
  ],
  [
    "serial",
    { ...fromCard, message: selfTestAnswers[0] as Message },
    "0007881119c0de030b071903e8182a841818090f8048d72e555495c595f4a4bdf03f00",
  ],
  [
    "ether",
    { ...fromCard, message: selfTestAnswers[1] as Message },
    "891119c0de0300071903e8182a8418180903804900000000000000000050cdee240b519a765655a6e1aa17660228",
  ],
  [
    "serial",
    { ...fromCard, message: selfTestAnswers[1] as Message },
    "0007881119c0de031a071903e8182a84181809038048ee3ca5d58a7168426306f81c00",
  ],
  [
    "ether",
    { ...fromCard, message: selfTestAnswers[2] as Message },
    "881119c0de0300071903e8182a84181809018c0100600004016a6e6f2d6361727269657218c818ff02656c6174657219ffff503b0f79cffba6cae985a774fd54e2456f",
  ],
  [
    "serial",
    { ...fromCard, message: selfTestAnswers[2] as Message },
    "0007881119c0de030e071903e8182a84181809018c0102602904016a6e6f2d6361727269657218c818ff02656c6174657219ffff48602f46b0c548876469f7fe9800",
  ],
  ["ether", { ...fromCard, message: idle }, "891119c0de0300071903e8182b811a00012345490000000000000000005012a6bf1417bf1093955c89e0b32f26a7"],
  ["serial", { ...fromCard, message: idle }, "0007881119c0de0309071903e8182b811a1101234548f7fefd03bd9242966a74e86600"],
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
