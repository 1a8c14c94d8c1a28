import { test } from "uvu";
import * as assert from "uvu/assert";
import type { CardId } from "../../src/base/ids.ts";
import type { CardStatus, LinkHealth, PeerStatus } from "../../src/node/status.ts";
import { settingsOf } from "../../scripts/chassis/chassis.ts";
import type { ChassisStatus, SlotStatus } from "../../scripts/chassis/status.ts";
import { allVerified, changeLines, duration, healthOf, liveLines, peersText, statusLines, table } from "../../scripts/chassis/view.ts";

type PeerChange = { verified?: boolean; serial?: LinkHealth; ether?: LinkHealth; health?: PeerStatus["health"] };

function peer(
  chassis: number,
  slot: number,
  { verified = true, serial = "up", ether = "up", health = "healthy" }: PeerChange = {},
): PeerStatus {
  const link = (of: LinkHealth) => ({ health: of, ticked: true, accepted: 1, dropped: 0 });
  return { card: slot as CardId, chassis, slot, health, candidate: true, verified, links: { serial: link(serial), ether: link(ether) } };
}

function slot(chassis: number, number: number, peers: readonly PeerStatus[] | undefined, change: Partial<SlotStatus> = {}): SlotStatus {
  return {
    card: `${chassis}/${number}`,
    chassis,
    slot: number,
    namespace: "n",
    directory: "d",
    address: `10.77.${chassis}.${number}`,
    power: "on",
    program: "running",
    starts: 1,
    restarts: 0,
    device: "d/tty",
    cuts: [],
    corruptRate: 0,
    ...(peers === undefined ? {} : { status: { uptimeMs: 61_000, peers } as unknown as CardStatus }),
    ...change,
  };
}

function chassis(cards: readonly SlotStatus[]): ChassisStatus {
  return {
    name: "t",
    directory: "d",
    daemonPid: 1,
    upForMs: 5_000,
    cardsForMs: 4_000,
    settings: settingsOf({ name: "t", runtime: "node" }),
    hostNamespace: "h",
    hostAddress: "a",
    multiplexors: [],
    cards,
    disks: [],
  };
}

test("view: all are verified when every card answers, has verified every other one, and each link between them is up", () => {
  const good = [slot(1, 1, [peer(1, 2)]), slot(1, 2, [peer(1, 1)])];
  assert.ok(allVerified(chassis(good)));
  const bad: SlotStatus[] = [
    slot(1, 2, undefined),
    slot(1, 2, []),
    slot(1, 2, [peer(1, 1, { verified: false })]),
    slot(1, 2, [peer(1, 1, { serial: "silent" })]),
    slot(1, 2, [peer(1, 1, { ether: "oneWay" })]),
  ];
  for (const card of bad) assert.not(allVerified(chassis([good[0] as SlotStatus, card])));
});

test("view: cards of different chassis share no serial line, so it is not asked for", () => {
  const far = (ether: LinkHealth) =>
    chassis([slot(1, 1, [peer(2, 1, { serial: "unheard", ether })]), slot(2, 1, [peer(1, 1, { serial: "unheard" })])]);
  assert.ok(allVerified(far("up")));
  assert.not(allVerified(far("down")));
});

test("view: a card's peers are counted when well and named when not", () => {
  assert.is(peersText(slot(1, 1, [peer(1, 2), peer(1, 3)])), "2 well");
  assert.is(peersText(slot(1, 1, [peer(1, 2), peer(1, 3, { serial: "down", health: "degraded" })])), "1 well; 1/3 degraded (serial down)");
  const five = Array.from({ length: 5 }, (_, index) => peer(1, index + 2, { verified: false }));
  assert.is(
    peersText(slot(1, 1, five)),
    "0 well; 1/2 healthy (not verified); 1/3 healthy (not verified); 1/4 healthy (not verified); and 2 more",
  );
  assert.is(peersText(slot(1, 1, undefined, { silentBecause: "no answer within 1000 ms" })), "does not answer: no answer within 1000 ms");
  assert.is(peersText(slot(1, 1, undefined, { program: "stopped" })), "");
});

test("view: a card is as healthy as the worst that another says of it", () => {
  const cards = [
    slot(1, 1, [peer(1, 2, { health: "down" }), peer(1, 3)]),
    slot(1, 2, [peer(1, 1), peer(1, 3)]),
    slot(1, 3, [peer(1, 1), peer(1, 2)]),
    slot(1, 4, undefined, { power: "off", program: "stopped" }),
    slot(1, 5, undefined, { program: "booting" }),
  ];
  assert.equal(cards.map((card) => healthOf(card, cards)), ["healthy", "down", "healthy", "no power", "booting"]);
});

test("view: the live picture keeps within the rows that there are", () => {
  const cards = Array.from({ length: 8 }, (_, index) => slot(1, index + 1, Array.from({ length: 7 }, (_, other) => peer(1, other + 1))));
  const tall = liveLines(chassis(cards), 1_440, 100);
  assert.is(tall.length, 3 + 1 + 56);
  assert.match(tall[1] ?? "", "8 cards verified each other on both links after 1.4 s");
  const short = liveLines(chassis(cards), undefined, 20);
  assert.is(short.length, 3 + 1 + 8);
  assert.match(short[1] ?? "", "looking for each other");
});

test("view: what changes has a new line under the same key", () => {
  const before = changeLines(chassis([slot(1, 1, [peer(1, 2)])]));
  const after = changeLines(chassis([slot(1, 1, [peer(1, 2, { serial: "down", health: "degraded" })])]));
  const changed = [...after].filter(([key, line]) => before.get(key) !== line);
  assert.equal(changed, [["1/1>1/2", "1/1 sees 1/2: degraded, verified, ether up, serial down"]]);
});

test("view: the status says what each slot is in, and which faults are in force", () => {
  const text = statusLines(chassis([slot(1, 1, [], { cuts: ["serial", "ether tx"], corruptRate: 0.5 })])).join("\n");
  assert.match(text, "serial, ether tx, serial corrupt 0.5");
  assert.match(text, "1 min 1 s");
});

test("view: columns are as wide as their widest cell; durations are read at a glance", () => {
  assert.equal(table([["a", "bb", "c"], ["aaa", "b", ""]]), ["a    bb  c", "aaa  b"]);
  assert.equal([999, 59_999, 60_000, 3_600_000].map(duration), ["0 s", "59 s", "1 min 0 s", "1 h 0 min"]);
});

test.run();
