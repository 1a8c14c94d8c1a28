/** Statuses for the tests of what is made of them. */
import { cardAt, type CardId } from "../../src/base/ids.ts";
import type { CardStatus, GroupsStatus, MembershipStatus, OwnLinkStatus, PeerStatus } from "../../src/node/status.ts";

const ownLink: OwnLinkStatus = { port: "up", sent: 1200, accepted: 2400, dropped: { tag: 0, oldIncarnation: 0 }, heartbeatPeriodMs: 100 };

export function peer(slot: number, more: Partial<PeerStatus> = {}): PeerStatus {
  const link = { health: "up", silentForMs: 40, ticked: true, accepted: 600, dropped: 0 } as const;
  return {
    card: cardAt(1, slot),
    chassis: 1,
    slot,
    health: "healthy",
    candidate: true,
    verified: true,
    name: `rack-7-1-${slot}`,
    links: { ether: link, serial: { ...link, silentForMs: 1_240 } },
    ...more,
  };
}

const card = (slot: number): CardId => cardAt(1, slot);
const cards = (...slots: readonly number[]): CardId[] => slots.map(card);

/** Three cards that all hear each other. */
export const confirmed: MembershipStatus = {
  state: "confirmed",
  view: {
    number: 4,
    coordinator: card(1),
    members: [1, 2, 3].map((slot) => ({ card: card(slot), incarnation: 6 + slot, previous: slot === 3 ? 0 : 2, ether: true })),
    absent: [],
  },
  electorate: cards(1, 2, 3),
  quorum: { held: true, text: "3 of 3 cards: more than half" },
  ticks: [
    { card: card(1), ether: cards(2, 3), serial: cards(2, 3) },
    { card: card(2), ether: cards(1, 3), serial: cards(1, 3) },
    { card: card(3), ether: cards(1, 2), serial: cards(1, 2) },
  ],
  history: [
    { state: "confirmed", view: 4, members: cards(1, 2, 3), reason: "card 3 joined", agoMs: 61_000 },
    { state: "tentative", reason: "card 3 is heard", agoMs: 61_040 },
  ],
};

/**
 * Eight cards as card 2 sees them: 4 is down with a receipt, 6 without one, nobody hears what 5 sends on Ethernet, 8
 * hears nobody on serial, 7 was never heard, and the serial line between 1 and 3 is cut both ways.
 */
export const torn: MembershipStatus = {
  state: "unconfirmed",
  view: {
    number: 31,
    coordinator: card(1),
    members: [1, 2, 3, 5, 8].map((slot) => ({ card: card(slot), incarnation: 1_795_247_280 + slot, previous: 29, ether: slot !== 5 })),
    absent: [
      { card: card(4), state: "down", receipt: "power" },
      { card: card(6), state: "unknown" },
      { card: card(7), state: "down" },
    ],
  },
  electorate: cards(1, 2, 3, 4, 5, 6, 7, 8),
  quorum: { held: true, text: "5 of 8 cards: more than half" },
  ticks: [
    { card: card(2), ether: cards(1, 3, 8), serial: cards(1, 3, 5, 8) },
    { card: card(1), ether: cards(2, 3, 8), serial: cards(2, 5, 8) },
    { card: card(3), ether: cards(1, 2, 8), serial: cards(2, 5, 8) },
    { card: card(5), ether: cards(1, 2, 3, 8), serial: cards(1, 2, 3, 8) },
    { card: card(6), ether: cards(1, 2), serial: cards(1, 2) },
    { card: card(8), ether: cards(1, 2, 3), serial: [] },
  ],
  history: [
    { state: "unconfirmed", view: 31, members: cards(1, 2, 3, 5, 8), reason: "card 6 is down: silent on both links", agoMs: 4_210 },
    { state: "tentative", reason: "card 6 is down: silent on both links", agoMs: 4_260 },
    { state: "confirmed", view: 29, members: cards(1, 2, 3, 5, 6, 8), reason: "card 4 has no power", agoMs: 754_000 },
  ],
};

/** Two of five that have lost the rest. */
export const withoutQuorum: MembershipStatus = {
  ...confirmed,
  state: "tentative",
  reason: "2 of 5 cards: no quorum",
  electorate: cards(1, 2, 3, 4, 5),
  quorum: { held: false, text: "2 of 5 cards: no quorum" },
  history: [{ state: "tentative", reason: "cards 3, 4, 5 are silent", agoMs: 900 }],
};

/** Just started: no view, nobody heard. */
export const alone: MembershipStatus = {
  state: "tentative",
  reason: "it has just started",
  electorate: cards(1, 2),
  quorum: { held: false, text: "1 of 2 cards: no quorum" },
  ticks: [{ card: card(1), ether: [], serial: [] }],
  history: [],
};

const noGroups: GroupsStatus = {
  state: "running",
  epoch: 4,
  coordinator: card(1),
  held: 120,
  committed: 120,
  delivered: 119,
  pending: 0,
  counters: { submitted: 40, submitResent: 0 },
  groups: [],
};

export const twoGroups: GroupsStatus = {
  ...noGroups,
  pending: 3,
  counters: { submitted: 40, submitResent: 2 },
  groups: [
    {
      name: "exports",
      view: 3,
      messages: 118,
      members: [
        { card: card(1), number: 1, name: "exportd", critical: true, local: true },
        { card: card(1), number: 2, name: "watcher", critical: false, local: true },
        { card: card(3), number: 1, name: "exportd", critical: true, local: false },
      ],
    },
    { name: "orders", view: 2, messages: 0, members: [] },
  ],
};

export const stoppedGroups: GroupsStatus = {
  state: "stopped",
  reason: "no view holds: 2 of 5 cards: no quorum",
  epoch: 0,
  held: 0,
  committed: 0,
  delivered: 0,
  pending: 0,
  counters: {},
  groups: [],
};

/** Card 1 of rack-7, with two healthy peers. */
export const healthy: CardStatus = {
  card: 1 as CardId,
  chassis: 1,
  slot: 1,
  name: "rack-7-1-1",
  uid: "00112233445566aa",
  incarnation: 7,
  software: "0.1.0",
  uptimeMs: 754_000,
  state: "running",
  links: { ether: ownLink, serial: { ...ownLink, heartbeatPeriodMs: 200, multiplexor: "heard" } },
  peers: [peer(2), peer(3)],
  alarms: [],
  membership: confirmed,
  groups: twoGroups,
  boot: {
    type: "warm",
    because: "it was told to restart",
    state: "ready",
    phase: "ready",
    forMs: 100_000,
    tookMs: 1_240,
    lastRole: "primary",
    checks: [{ check: "state", result: "passed", critical: true, ms: 8 }],
    peers: [],
  },
  selfTest: { own: { state: "never", checks: [] }, peers: [] },
  lateTicks: { count: 0, totalMs: 0, worstMs: 0 },
  system: "rack-7",
  version: "0.1.0+abc1234",
  profile: "default",
  ports: {
    ether: { interface: "eth0", mac: "02:00:00:00:01:01", counters: { received: 5 } },
    serial: { device: "/dev/ttyS1", baud: 115_200, counters: { overruns: 0 } },
  },
  process: {
    pid: 4242,
    runtime: "binary, node 26.10.0",
    startedAt: "2026-03-01T10:11:12.345Z",
    residentBytes: 80 * 1_048_576,
    cpuShare: 0.0042,
    realtime: true,
  },
};

/** The same card: its serial port is gone, one peer is down and another was never heard. */
export const degraded: CardStatus = {
  ...healthy,
  links: {
    ether: { ...ownLink, dropped: { tag: 2, oldIncarnation: 1, cbor: 0 } },
    serial: { ...ownLink, port: "down", reason: "no carrier", multiplexor: "unheard" },
  },
  peers: [
    peer(2, {
      health: "down",
      links: {
        ether: { health: "down", reason: "no heartbeat", silentForMs: 65_000, ticked: false, accepted: 9, dropped: 0 },
        serial: { health: "oneWay", ticked: false, accepted: 9, dropped: 0 },
      },
    }),
    {
      card: cardAt(1, 3),
      chassis: 1,
      slot: 3,
      health: "absent",
      candidate: false,
      verified: false,
      unverifiedBecause: "never heard",
      links: {},
    },
  ],
  alarms: [{ code: "card-down", text: "card 2 is down on both links", forMs: 61_000 }],
  membership: withoutQuorum,
  groups: stoppedGroups,
  lateTicks: { count: 3, totalMs: 41, worstMs: 13 },
};

/** Alone: no peer, none configured. */
export const empty: CardStatus = { ...healthy, peers: [] };
