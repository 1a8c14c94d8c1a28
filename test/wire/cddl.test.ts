/** The published specification `src/wire/wire.cddl` and the code say the same. */
import { readFileSync } from "node:fs";
import { decode } from "cbor-x";
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { cardCountMax, everybody, multiplexor, slotCountMax } from "../../src/base/ids.ts";
import {
  configForwardBytesMax,
  configHashesMax,
  configPartsMax,
  configPieceBytesMax,
  entryBytesMax,
  epochsMax,
  etherFrameBytesMax,
  etherTagBytes,
  failingReasonBytesMax,
  fragmentCountMax,
  holdCodeBytesMax,
  incarnationMax,
  keyBytes,
  messageBytesMax,
  multiplexorPeriodMs,
  nameBytesMax,
  passEntriesMax,
  reassemblyMax,
  reassemblyMs,
  reassemblyPerSenderMax,
  replayWindow,
  sequenceMax,
  serialAdvertBytesMax,
  serialFrameBytesMax,
  serialHeartbeatBytesMax,
  serialTagBytes,
  softwareBytesMax,
  uidBytes,
  viewNumberMax,
} from "../../src/limits.ts";
import { bodyOf, kindNumbers, messageOf } from "../../src/wire/body.ts";
import { encodeCbor, nestingMax } from "../../src/wire/cbor.ts";
import { etherType, groupAddress } from "../../src/wire/ether.ts";
import { decodeFrame, encodeFrame, frameBytesMax, isMalformed } from "../../src/wire/frame.ts";
import type { MessageKind } from "../../src/wire/message.ts";
import { messageOfJoined } from "../../src/wire/reassembly.ts";
import { wireVersions } from "../../src/wire/version.ts";
import { keyring, linkAndFrame, system, wholeMessage } from "./arbitrary.ts";
import { Cddl, type Value } from "./cddl.ts";

const source = readFileSync(new URL("../../src/wire/wire.cddl", import.meta.url), "utf8");
const cddl = new Cddl(source);

const ruleOfKind = (kind: string) => kind.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
const kinds = Object.keys(kindNumbers) as MessageKind[];

/** What the rules cannot say in CDDL and their comments do. */
function keepsRelations(kind: MessageKind, body: Value): boolean {
  if (!Array.isArray(body)) return true;
  if (kind === "advert") return (body[6] as number) <= (body[7] as number);
  if (kind === "fragment") return (body[1] as number) < (body[2] as number);
  if (kind === "flush") return (body[3] as number) <= (body[2] as number);
  if (kind === "proposeView" || kind === "commitView") return isOneView(kind, body);
  if (kind === "pass") return BigInt(body[2] as number) + BigInt((body[3] as Value[]).length / 4) <= BigInt(sequenceMax);
  if (kind !== "sync") return true;
  const [, first, last, entries, , epochs] = body as [number, number, number, Value[], number, number[]];
  const isRising = (numbers: number[]) => numbers.every((number, index) => index === 0 || number > (numbers[index - 1] as number));
  const parts = [0, 1].map((part) => epochs.filter((_, index) => index % 2 === part));
  return BigInt(first) + BigInt(entries.length / 4) - 1n <= BigInt(last) && parts.every(isRising);
}

/** The cards of a set as 64 bits, the speaker's chassis lowest. */
function bitsOf(set: Value): bigint {
  return (set as Uint8Array).reduceRight((bits, byte) => bits * 256n + BigInt(byte), 0n);
}

function isOneView(kind: "proposeView" | "commitView", body: Value[]): boolean {
  const members = bitsOf(body[1] as Value);
  const lists = (kind === "proposeView" ? [body[2]] : [body[2], body[3]]) as Value[][];
  const [ether, ...absent] = (kind === "proposeView" ? [body[3]] : body.slice(4, 7)).map((set) => bitsOf(set as Value)) as [bigint];
  const count = members.toString(2).replaceAll("0", "").length;
  if (count === 0 || lists.some((list) => list.length !== count) || (ether & ~members) !== 0n) return false;
  return [members, ...absent].every((set, index, sets) => sets.every((other, at) => at === index || (set & other) === 0n));
}

/** A body of the rule's shape, with its parts brought into those relations: few would have them by chance. */
function related(kind: MessageKind, body: Value): Value {
  if (!Array.isArray(body)) return body;
  const all = body as [number, number, number, Value[], ...Value[]];
  if (kind === "flush") return body.with(3, Math.min(all[2], body[3] as number));
  if (kind === "pass") return body.with(2, Math.min(all[2], sequenceMax - all[3].length / 4));
  if (kind === "sync") {
    const last = Math.max(all[2], all[3].length / 4);
    const rising = new Map<number, number>();
    const pairs = body[5] as number[];
    for (let index = 0; index < pairs.length; index += 2) {
      rising.set(1 + rising.size * 1_000 + (pairs[index] as number) % 999, pairs[index + 1] as number);
    }
    const firsts = [...new Set(rising.values())].sort((one, other) => one - other);
    const epochs = [...rising.keys()].slice(0, firsts.length).flatMap((view, index) => [view, firsts[index] as number]);
    return body.with(1, Math.min(all[1], last - all[3].length / 4 + 1)).with(2, last).with(5, epochs);
  }
  if (kind !== "proposeView" && kind !== "commitView") return body;
  const isCommit = kind === "commitView";
  let members = bitsOf(body[1] as Value) || 1n;
  const minus = (place: number, taken: bigint) =>
    body = (body as Value[]).with(place, setOf(bitsOf((body as Value[])[place] as Value) & ~taken));
  if (isCommit) {
    minus(5, members);
    minus(6, members | bitsOf((body as Value[])[5] as Value));
  }
  body = (body as Value[]).with(1, setOf(members));
  const etherPlace = isCommit ? 4 : 3;
  minus(etherPlace, ~members);
  let count = 0;
  for (; members !== 0n; members &= members - 1n) count++;
  for (const place of isCommit ? [2, 3] : [2]) {
    const list = (body as Value[])[place] as number[];
    body = (body as Value[]).with(place, Array.from({ length: count }, (_, index) => list[index % list.length] as number));
  }
  return body;
}

function setOf(bits: bigint): Uint8Array {
  const bytes: number[] = [];
  for (let rest = BigInt.asUintN(64, bits); rest !== 0n; rest >>= 8n) bytes.push(Number(rest & 255n));
  return Uint8Array.from(bytes);
}

/** Bodies that the specification allows, its words included. */
function allowed(kind: MessageKind): fc.Arbitrary<Value> {
  return cddl.arbitrary(ruleOfKind(kind)).map((body) => related(kind, body)).filter((body) => keepsRelations(kind, body));
}

test("HA-2: each kind of message has one number, the same in the specification and in the code", () => {
  assert.equal(cddl.choices("message"), kinds.map((kind) => [kindNumbers[kind], ruleOfKind(kind)]));
  assert.is(new Set(Object.values(kindNumbers)).size, kinds.length);
});

test("each rule of the specification has its counterpart in the code", () => {
  const bounds = (rule: string, key?: string) => Object.values(cddl.bounds(rule, key));
  const counterparts: Record<string, () => void> = {
    "ether-frame": () => assert.equal(cddl.references("ether-frame"), ["envelope", "ether-tag"]),
    "serial-frame": () => assert.equal(cddl.references("serial-frame"), ["envelope", "serial-tag"]),
    "ether-tag": () => assert.equal(bounds("ether-tag"), [etherTagBytes, etherTagBytes]),
    "serial-tag": () => assert.equal(bounds("serial-tag"), [serialTagBytes, serialTagBytes]),
    envelope: () => assert.equal(bounds("envelope", "sequence"), [0, sequenceMax]),
    versions: () => assert.equal(bounds("versions"), [0, 0xff]),
    system: () => assert.equal(bounds("system"), [0, 0xffff]),
    card: () => assert.equal(bounds("card"), [1, cardCountMax]),
    multiplexor: () => assert.equal(bounds("multiplexor"), [multiplexor, multiplexor]),
    everybody: () => assert.equal(bounds("everybody"), [everybody, everybody]),
    sender: () => assert.equal(cddl.choices("sender"), [["card"], ["multiplexor"]]),
    address: () => assert.equal(cddl.choices("address"), [["everybody"], ["card"], ["multiplexor"]]),
    incarnation: () => assert.equal(bounds("incarnation"), [0, incarnationMax]),
    message: () => assert.is(cddl.choices("message").length, kinds.length),
    heartbeat: () => assert.equal(cddl.fields("heartbeat"), ["ports", "serial-ticks", "ether-ticks", "view", "head"]),
    "card-set": () => assert.equal(bounds("card-set"), [0, 8]),
    advert: () => {
      assert.equal(bounds("advert", "name"), [0, nameBytesMax]);
      assert.equal(bounds("advert", "software"), [0, softwareBytesMax]);
    },
    uid: () => assert.equal(bounds("uid"), [uidBytes, uidBytes]),
    nonce: () => assert.equal(bounds("nonce"), [0, 0xffffffff]),
    echo: () => assert.equal(cddl.choices("echo"), [["card", "nonce"]]),
    "period-ms": () => assert.equal(bounds("period-ms"), [1, 60_000]),
    bye: () =>
      ["stop", "restart", "maintenance", "upgrade"].forEach((reason) => {
        assert.equal(messageOf("bye", [cddl.bounds(reason).low]), { kind: "bye", reason });
      }),
    stop: () => {},
    restart: () => {},
    maintenance: () => {},
    upgrade: () => {},
    stale: () => assert.equal(cddl.fields("stale"), ["card", "incarnation"]),
    fragment: () => {
      assert.equal(bounds("fragment", "count"), [1, fragmentCountMax]);
      assert.equal(bounds("fragment", "index"), [0, fragmentCountMax - 1]);
    },
    view: () => assert.equal(bounds("view"), [1, viewNumberMax]),
    "view-or-none": () => assert.equal(bounds("view-or-none"), [0, viewNumberMax]),
    "want-view": () => assert.equal(cddl.fields("want-view"), ["previous", "promised"]),
    "propose-view": () => assert.equal(cddl.fields("propose-view"), ["number", "members", "incarnations", "ether"]),
    "promise-view": () => assert.equal(cddl.fields("promise-view"), ["number", "previous", "down"]),
    "refuse-view": () => assert.equal(cddl.fields("refuse-view"), ["number", "promised", "missing"]),
    "commit-view": () => {
      assert.equal(cddl.fields("commit-view"), ["number", "members", "incarnations", "previous", "ether", "down", "unknown"]);
    },
    "committed-view": () => assert.equal(cddl.fields("committed-view"), ["number"]),
    entry: () => assert.equal(cddl.choices("entry").map(([type]) => type), [0, 1, 2]),
    "entry-body": () => assert.equal(bounds("entry-body"), [0, entryBytesMax]),
    place: () => assert.equal(bounds("place"), [0, sequenceMax]),
    submit: () => assert.equal(cddl.fields("submit"), ["view", "entries", "floor"]),
    pass: () => assert.equal(cddl.fields("pass"), ["view", "pass", "first", "entries", "committed", "delivered"]),
    commit: () => assert.equal(cddl.fields("commit"), ["view", "committed"]),
    flush: () => assert.equal(cddl.fields("flush"), ["view", "epoch", "held", "delivered", "delivered-epoch", "flags"]),
    sync: () => assert.equal(cddl.fields("sync"), ["view", "first", "last", "entries", "flags", "epochs", "marks"]),
    epoch: () => assert.equal(cddl.choices("epoch"), [["view", 1]]),
    mark: () => assert.equal(cddl.choices("mark"), [["card", "incarnation", 0]]),
    failing: () => assert.equal(bounds("failing", "reason"), [0, failingReasonBytesMax]),
    hash: () => assert.equal(bounds("hash"), [32, 32]),
    "config-head": () => assert.equal(cddl.choices("config-head"), [["place", "view-or-none", "hash"]]),
    "config-state": () => {
      const fields = ["announced", "sequence", "epoch", "hash", "level", "lineage", "replicas", "levels", "line", "parts"];
      assert.equal(cddl.fields("config-state"), fields);
    },
    "config-level": () => assert.equal(cddl.choices("config-level").length, 1),
    "config-parts": () => assert.is(cddl.choices("config-parts").length, 1),
    "config-ask": () => assert.equal(cddl.references("config-ask"), ["uint", "config-question", "extension"]),
    "config-question": () => assert.equal(cddl.choices("config-question").map(([what]) => what), [0, 1, 2, 3]),
    "config-give": () => assert.equal(cddl.references("config-give"), ["uint", "config-gift", "extension"]),
    "config-gift": () => assert.equal(cddl.choices("config-gift").map(([what]) => what), [0, 1, 2, 3]),
    "config-durable": () => assert.equal(cddl.fields("config-durable"), ["sequence", "epoch", "hash"]),
    "config-forward": () => assert.equal(bounds("config-forward", "wish"), [1, configForwardBytesMax]),
    "config-answer": () => assert.equal(bounds("config-answer", "answer"), [1, configForwardBytesMax]),
    boot: () => {
      assert.equal(cddl.fields("boot"), ["boot-type", "state", "hold", "sequence", "epoch", "role"]);
      assert.equal(bounds("boot", "hold"), [0, holdCodeBytesMax]);
      assert.equal([bounds("boot", "boot-type"), bounds("boot", "state"), bounds("boot", "role")], [[0, 5], [0, 6], [0, 3]]);
    },
    idle: () => assert.equal(cddl.references("idle"), ["view", "extension"]),
    "self-test": () => assert.equal(cddl.fields("self-test"), ["id", "subject", "early"]),
    "self-test-answer": () => assert.equal(cddl.fields("self-test-answer"), ["id", "subject", "stage", "results"]),
    "self-test-result": () => assert.is(cddl.choices("self-test-result").length, 1),
    joined: () => assert.equal(cddl.references("joined"), ["message", "extension"]),
    "mux-reset": () => assert.equal(cddl.fields("mux-reset"), ["id", "slot", "incarnation"]),
    slot: () => assert.equal(bounds("slot"), [1, slotCountMax]),
    "mux-receipt": () =>
      ["reset", "off", "absent", "failed", "newer"].forEach((outcome) => {
        const receipt = { kind: "muxReceipt", id: 1, slot: 2, outcome, incarnation: 3 };
        assert.equal(messageOf("muxReceipt", [1, 2, cddl.bounds(outcome).low, 3]), receipt);
      }),
    reset: () => {},
    off: () => {},
    absent: () => {},
    failed: () => {},
    newer: () => {},
    "mux-power": () => {
      assert.equal(bounds("mux-power", "powered"), [0, 0xff]);
      assert.equal(cddl.fields("mux-power"), ["powered", "starts"]);
    },
    extension: () => assert.is(cddl.choices("extension")[0]?.[0], -(2 ** 31)),
  };
  assert.equal([...cddl.rules].sort(), Object.keys(counterparts).sort());
  for (const check of Object.values(counterparts)) check();
  // The values of reasons and outcomes are proven where their messages are; here, that no other names stand beside them.
  for (const rule of ["stop", "restart", "maintenance", "upgrade"]) assert.ok(cddl.references("bye").includes(rule));
  for (const rule of ["reset", "off", "absent", "failed"]) assert.ok(cddl.references("mux-receipt").includes(rule));
});

test("no rule stands unused", () => {
  const reached = new Set<string>();
  const reach = (rule: string) => {
    if (reached.has(rule)) return;
    reached.add(rule);
    if (cddl.rules.includes(rule)) cddl.references(rule).forEach(reach);
  };
  ["ether-frame", "serial-frame", "joined"].forEach(reach);
  for (const rule of cddl.rules) assert.ok(reached.has(rule), `"${rule}" is used nowhere`);
});

test("the numbers in the specification's prose are those of the code", () => {
  const mac = Array.from(groupAddress, (byte) => byte.toString(16).padStart(2, "0").toUpperCase()).join(":");
  const prose = source.replace(/\n;?\s*/g, " ");
  for (
    const phrase of [
      `EtherType 0x${etherType.toString(16).toUpperCase()}`,
      `group ${mac}`,
      `frame of at most ${etherFrameBytesMax} bytes`,
      `key of the system, ${keyBytes} bytes`,
      `first ${etherTagBytes} bytes on Ethernet`,
      `first ${serialTagBytes} on serial`,
      `at most ${replayWindow} behind the newest`,
      `at most ${serialFrameBytesMax} bytes on the line`,
      `a frame is at most ${frameBytesMax.serial} bytes`,
      `A heartbeat is at most ${serialHeartbeatBytesMax} bytes on the line, an advert at most ${serialAdvertBytesMax}`,
      `at most ${messageBytesMax} bytes and are \`joined\``,
      `${reassemblyMs / 1_000} seconds after its first piece`,
      `more than ${reassemblyPerSenderMax} from one sender or ${reassemblyMax} in all`,
    ]
  ) {
    assert.ok(prose.includes(phrase), `not in the specification: ${phrase}`);
  }
  assert.is(nestingMax, 8);
  assert.ok(prose.includes("Arrays nest at most eight deep"));
  assert.is(multiplexorPeriodMs, 1_000);
  assert.ok(prose.includes("every second and at once on a change"));
});

test("HA-2: every frame that the code writes is one of the specification", () => {
  fc.assert(fc.property(linkAndFrame, ({ link, frame }) => cddl.matches(`${link}-frame`, encodeFrame(link, keyring, frame))));
});

test("a frame of one link is none of the other", () => {
  fc.assert(fc.property(linkAndFrame, ({ link, frame }) => {
    return !cddl.matches(link === "ether" ? "serial-frame" : "ether-frame", encodeFrame(link, keyring, frame));
  }));
});

test("every message that is cut into fragments is one of the specification", () => {
  fc.assert(fc.property(wholeMessage, (message) => cddl.matches("joined", encodeCbor([kindNumbers[message.kind], bodyOf(message)]))));
});

for (const kind of kinds) {
  const rule = ruleOfKind(kind);

  test(`${kind}: the decoder takes every body that the specification allows, later fields included`, () => {
    fc.assert(
      fc.property(allowed(kind), (body) => {
        assert.ok(cddl.matches(rule, body) && keepsRelations(kind, body));
        assert.is.not(messageOf(kind, body), undefined);
      }),
      { numRuns: 300 },
    );
  });

  test(`${kind}: the decoder refuses every body that breaks the specification`, () => {
    let broken = 0;
    fc.assert(
      fc.property(fc.oneof(damaged(allowed(kind)), cddl.arbitrary(rule)), (body) => {
        const isAllowed = cddl.matches(rule, body) && keepsRelations(kind, body);
        if (!isAllowed) broken++;
        assert.is(messageOf(kind, body) !== undefined, isAllowed);
      }),
      { numRuns: 1_000 },
    );
    assert.ok(broken > 100, `only ${broken} bodies were broken`);
  });
}

test("advert: a lowest version above the highest is refused", () => {
  const body = (min: number, max: number) => [new Uint8Array(8), "a", 1, [], 1, 1, min, max, "b"];
  assert.is(messageOf("advert", body(2, 1)), undefined);
  assert.is.not(messageOf("advert", body(2, 2)), undefined);
});

test("advert: more echoes than there are cards are refused", () => {
  const body = (count: number) => [new Uint8Array(8), "a", 1, new Array<number>(2 * count).fill(1), 1, 1, 1, 1, "b"];
  assert.ok(messageOf("advert", body(cardCountMax)) !== undefined && cddl.matches("advert", body(cardCountMax)));
  assert.ok(messageOf("advert", body(cardCountMax + 1)) === undefined && !cddl.matches("advert", body(cardCountMax + 1)));
});

const entry = [2, 1, 1, new Uint8Array(0)];
const entriesOf = (count: number): Value[] => Array.from({ length: count }, () => entry).flat();

test("submit, pass: more entries than a pass takes are refused, and half an entry", () => {
  for (
    const [kind, body] of [
      ["submit", (entries: Value[]) => [1, entries, 1]],
      ["pass", (entries: Value[]) => [1, 1, 1, entries, 0, 0]],
    ] as const
  ) {
    assert.ok(messageOf(kind, body(entriesOf(passEntriesMax))) !== undefined && cddl.matches(kind, body(entriesOf(passEntriesMax))));
    const more = body(entriesOf(passEntriesMax + 1));
    assert.ok(messageOf(kind, more) === undefined && !cddl.matches(kind, more), kind);
    assert.is(messageOf(kind, body([...entry, 2, 1, 1])), undefined);
  }
  assert.is.not(messageOf("sync", [1, 1, 1_000, entriesOf(1_000), 0, [], []]), undefined);
});

test("entries: data count from 1 and the others have no id; a body has its bound", () => {
  const isTaken = (...values: Value[]) => messageOf("submit", [1, values, 1]) !== undefined;
  const body = new Uint8Array(1);
  assert.ok(isTaken(0, 1, 0, body) && isTaken(1, 64, 0, body) && isTaken(2, 1, sequenceMax, body));
  assert.not(isTaken(0, 1, 1, body) || isTaken(1, 1, 7, body) || isTaken(2, 1, 0, body) || isTaken(3, 1, 0, body));
  assert.not(isTaken(2, 0, 1, body) || isTaken(2, 65, 1, body));
  for (const [length, expected] of [[entryBytesMax, true], [entryBytesMax + 1, false]] as const) {
    assert.is(isTaken(2, 1, 1, new Uint8Array(length)), expected);
    assert.is(cddl.matches("submit", [1, [2, 1, 1, new Uint8Array(length)], 1]), expected);
  }
});

test("a view has members, one incarnation and one earlier view of each, and no card twice", () => {
  const [none, three, four, five] = [0, 0b11, 0b100, 0b101].map((byte) => Uint8Array.of(byte)) as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ];
  const far = Uint8Array.of(0, 0b11);
  const propose = (members: Uint8Array, incarnations: number[], ether: Uint8Array) =>
    messageOf("proposeView", [9, members, incarnations, ether]);
  assert.is.not(propose(three, [1, 2], three), undefined);
  assert.is.not(propose(three, [1, 2], new Uint8Array(0)), undefined);
  assert.is(propose(none, [], none), undefined);
  assert.is(propose(three, [1], three), undefined);
  assert.is(propose(three, [1, 2, 3], three), undefined);
  assert.is(propose(three, [1, 2], five), undefined);
  assert.is(propose(three, [1, 2], far), undefined);
  const commit = (previous: number[], down: Uint8Array, unknown: Uint8Array) =>
    messageOf("commitView", [9, three, [1, 2], previous, three, down, unknown]);
  assert.is.not(commit([0, 8], four, far), undefined);
  assert.is(commit([0], four, far), undefined);
  assert.is(commit([0, 8], five, far), undefined);
  assert.is(commit([0, 8], four, three), undefined);
  assert.is(commit([0, 8], four, five), undefined);
  assert.is(commit([0, 8], far, far), undefined);
});

test("configuration: a large change has its parts", () => {
  const hash = new Uint8Array(32);
  const body = (count: number, next: number) => [1, 0, 0, hash, 0, 1, [1], [], [], [1, 0, hash, count, next]];
  for (const [count, next, expected] of [[configPartsMax, configPartsMax, true], [configPartsMax + 1, 1, false], [1, 0, false]] as const) {
    assert.is(messageOf("configState", body(count, next)) !== undefined, expected);
    assert.is(cddl.matches("config-state", body(count, next)), expected);
  }
});

test("configuration: a piece has its bound, and so have the hashes that are asked for", () => {
  const piece = (length: number) => [1, 2, 3, 0, new Uint8Array(length)];
  const hashes = (count: number) => [1, 1, new Array<number>(count).fill(7)];
  for (const [kind, body, most] of [["configGive", piece, configPieceBytesMax], ["configAsk", hashes, configHashesMax]] as const) {
    assert.ok(messageOf(kind, body(most)) !== undefined && cddl.matches(ruleOfKind(kind), body(most)));
    assert.ok(messageOf(kind, body(most + 1)) === undefined && !cddl.matches(ruleOfKind(kind), body(most + 1)));
    assert.is(messageOf(kind, body(0)), undefined);
  }
});

test("places: none is above 2^53 - 1, and none is delivered that is not held", () => {
  const pass = (first: number, count: number) => messageOf("pass", [1, 1, first, entriesOf(count), 0, 0]) !== undefined;
  assert.ok(pass(1, 0) && pass(sequenceMax, 0) && pass(sequenceMax - 2, 2));
  assert.not(pass(0, 0) || pass(sequenceMax - 1, 2) || pass(sequenceMax, 2) || pass(sequenceMax, 1));
  const sync = (first: number, last: number, count: number, epochs: number[] = [], marks: number[] = []) =>
    messageOf("sync", [1, first, last, entriesOf(count), 0, epochs, marks]) !== undefined;
  assert.ok(sync(1, 0, 0) && sync(5, 6, 2) && sync(sequenceMax, sequenceMax, 1) && sync(5, 900, 2));
  assert.not(sync(5, 5, 2) || sync(sequenceMax, sequenceMax, 2) || sync(3, 1, 0) || sync(0, 0, 0));
  assert.ok(sync(1, 9, 0, [3, 1, 4, 2]));
  assert.not(
    sync(1, 9, 0, [3, 1, 3, 2]) || sync(1, 9, 0, [3, 2, 4, 2]) || sync(1, 9, 0, [0, 1]) || sync(1, 9, 0, [1, 0]) || sync(1, 9, 0, [1]),
  );
  const most = Array.from({ length: epochsMax + 1 }, (_, index) => [index + 1, index + 1]);
  assert.ok(sync(1, 9, 0, most.slice(1).flat()) && !sync(1, 9, 0, most.flat()));
  assert.ok(sync(1, 9, 0, [], new Array<number>(3 * cardCountMax).fill(1)));
  assert.not(sync(1, 9, 0, [], new Array<number>(3 * cardCountMax + 3).fill(1)) || sync(1, 9, 0, [], [1, 1]));
  const flush = (held: number, delivered: number) => messageOf("flush", [1, 1, held, delivered, 1, 3]) !== undefined;
  assert.ok(flush(7, 7));
  assert.not(flush(7, 8));
});

test("fragment: an index that is not below the count is refused", () => {
  assert.is(messageOf("fragment", [1, 2, 2, Uint8Array.of(1)]), undefined);
  assert.is.not(messageOf("fragment", [1, 1, 2, Uint8Array.of(1)]), undefined);
});

test("the decoder takes an envelope exactly when the specification allows it", () => {
  const envelope = cddl.arbitrary("heartbeat").chain((body) =>
    fc.tuple(
      fc.constant(0x11),
      fc.constant(system),
      cddl.arbitrary("sender"),
      cddl.arbitrary("address"),
      cddl.arbitrary("incarnation"),
      cddl.arbitraryField("envelope", "sequence"),
      fc.constant(kindNumbers.heartbeat),
      fc.constant(body),
    )
  ).chain((items) => fc.array(cddl.arbitrary("extension"), { maxLength: 2 }).map((later) => [...items, ...later] as Value[]));
  let broken = 0;
  fc.assert(
    fc.property(fc.oneof(envelope, damaged(envelope)), fc.constantFrom("ether" as const, "serial" as const), (items, link) => {
      const bytes = signed(link, encodeCbor(items));
      if (bytes.length > frameBytesMax[link]) return;
      const [versions, inSystem] = Array.isArray(items) ? items : [];
      const [oldest, newest] = [Math.floor(Number(versions) / 16), Number(versions) % 16];
      const forUs = inSystem === system && oldest <= newest && oldest <= wireVersions.max && newest >= wireVersions.min;
      const allowed = cddl.matches("envelope", items);
      if (!allowed) broken++;
      assert.is(!isMalformed(decodeFrame(link, keyring, system, bytes)), allowed && forUs);
    }),
    { numRuns: 2_000 },
  );
  assert.ok(broken > 100, `only ${broken} envelopes were broken`);
});

test("the decoder takes a joined message exactly when the specification allows it", () => {
  const message = fc.constantFrom(...kinds).chain((kind) => allowed(kind).map((body): Value[] => [kindNumbers[kind], body]));
  fc.assert(
    fc.property(fc.oneof(message, damaged(message, true)), (items) => {
      const bytes = encodeCbor(items);
      const fragment = Array.isArray(items) && items[0] === kindNumbers.fragment;
      const decoded = messageOfJoined(bytes);
      const kind = kinds.find((candidate) => Array.isArray(items) && kindNumbers[candidate] === items[0]);
      const allowed = cddl.matches("joined", bytes) && kind !== undefined && keepsRelations(kind, (items as Value[])[1] as Value);
      assert.is("kind" in decoded, allowed && !fragment);
    }),
    { numRuns: 1_000 },
  );
});

test("the reader of CDDL refuses what it should", () => {
  const rules = new Cddl(
    `a = [x: 1..3, * (card: uint, text), ? bool]\nb = (1, a // 2, bytes .size (1..2))\nc = [b, * null]\nd = bytes .cbor c`,
  );
  const cases: [string, unknown, boolean][] = [
    ["a", [1], true],
    ["a", [0], false],
    ["a", [4], false],
    ["a", [1.5], false],
    ["a", [1, 7, "x", true], true],
    ["a", [1, 7, true], false],
    ["a", [1, -7, "x"], false],
    ["a", [], false],
    ["a", "a", false],
    ["c", [1, [2]], true],
    ["c", [1, Uint8Array.of(1)], false],
    ["c", [2, Uint8Array.of(1), null, null], true],
    ["c", [2, new Uint8Array(3)], false],
    ["c", [2, new Uint8Array(0)], false],
    ["d", Uint8Array.of(0x82, 2, 0x41, 7), true],
    ["d", Uint8Array.of(0x82, 3, 0x41, 7), false],
  ];
  for (const [rule, value, expected] of cases) assert.is(rules.matches(rule, value), expected, `${rule} ${JSON.stringify(value)}`);
  assert.throws(() => new Cddl("a = b"), /not defined/);
  assert.throws(() => new Cddl("a = 1\na = 2"), /twice/);
  assert.throws(() => new Cddl("a = [1"), /expected/);
});

/** Values made from valid ones by replacing, leaving out, adding or exchanging something at any depth. */
function damaged(valid: fc.Arbitrary<Value>, inside = false): fc.Arbitrary<Value> {
  const other = fc.oneof(
    cddl.arbitrary("extension"),
    fc.constantFrom<Value>(
      -1,
      0,
      9,
      16,
      65,
      66,
      0x100,
      0x10000,
      2 ** 32,
      2 ** 53 - 1,
      "x".repeat(33),
      "é".repeat(17),
      "",
      new Uint8Array(9),
      new Uint8Array(0),
      [],
    ),
  );
  const change = fc.constantFrom("replace", "remove", "insert", "swap");
  return fc.tuple(valid, fc.array(fc.nat({ max: 8 }), { minLength: inside ? 0 : 1, maxLength: 3 }), change, other).map((
    [value, path, how, replacement],
  ) => changed(value, path, how, replacement));
}

function changed(value: Value, path: number[], how: string, replacement: Value): Value {
  const [first, ...rest] = path;
  if (first === undefined || !Array.isArray(value) || value.length === 0) return replacement;
  const at = first % value.length;
  const inner = value[at] as Value;
  if (rest.length > 0 && Array.isArray(inner)) return value.with(at, changed(inner, rest, how, replacement));
  if (how === "remove") return value.toSpliced(at, 1);
  if (how === "insert") return value.toSpliced(at, 0, replacement);
  if (how === "swap") return value.with(at, value.at(at - 1) as Value).with(at - 1, inner);
  return value.with(at, replacement);
}

function signed(link: "ether" | "serial", envelope: Uint8Array): Uint8Array {
  const tag = keyring.sign(link, envelope);
  return Uint8Array.of(...envelope, 0x40 | tag.length, ...tag);
}

test("what the encoder of the tests writes is read alike by an independent decoder", () => {
  fc.assert(fc.property(cddl.arbitrary("extension"), (value) => assert.equal(plain(decode(encodeCbor(value))), plain(value))));
});

function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return { bytes: [...value] };
  if (Array.isArray(value)) return value.map(plain);
  return typeof value === "bigint" ? Number(value) : value;
}

test.run();
