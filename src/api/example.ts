/**
 * A status as a card of four gives it, with one peer that lost its serial line and one that left: the examples of the
 * OpenAPI document.
 */
import { cardAt } from "../base/ids.ts";
import type { BootStatus, CardStatus, ConfigurationStatus, GroupsStatus, MembershipStatus, SelfTestStatus } from "../node/status.ts";

const nothingDropped = { crc: 0, framing: 0, length: 0, tag: 0, cbor: 0, shape: 0, version: 0, system: 0, kind: 0 };

const [first, second, third, fourth] = [cardAt(1, 1), cardAt(1, 2), cardAt(1, 3), cardAt(1, 4)];

export const exampleMembership: MembershipStatus = {
  state: "confirmed",
  view: {
    number: 128,
    coordinator: first,
    members: [
      { card: first, incarnation: 1795247281, previous: 64, ether: true },
      { card: second, incarnation: 1795247290, previous: 64, ether: true },
      { card: third, incarnation: 1795250114, previous: 64, ether: true },
    ],
    absent: [{ card: fourth, state: "down", receipt: "left" }],
  },
  electorate: [first, second, third, fourth],
  quorum: { held: true, text: "3 of 4 cards: more than half" },
  ticks: [
    { card: first, ether: [second, third], serial: [second] },
    { card: second, ether: [first, third], serial: [first] },
    { card: third, ether: [first, second], serial: [] },
  ],
  history: [
    { state: "confirmed", view: 128, members: [first, second, third], reason: "card 4 left", agoMs: 7_201_480 },
    { state: "tentative", reason: "card 4 left", agoMs: 7_201_502 },
    { state: "confirmed", view: 64, members: [first, second, third, fourth], reason: "card 4 joined", agoMs: 93_701_220 },
  ],
};

export const exampleGroups: GroupsStatus = {
  state: "running",
  epoch: 128,
  coordinator: first,
  held: 48_213,
  committed: 48_213,
  delivered: 48_213,
  pending: 0,
  counters: {
    passes: 31_904,
    passesResent: 2,
    submitsResent: 1,
    delivered: 48_213,
    synced: 0,
    caughtUp: 0,
    skips: 0,
    ignored: 0,
    refused: 0,
  },
  groups: [
    {
      name: "exports",
      view: 4,
      messages: 48_190,
      members: [
        { card: first, number: 1, name: "exportd", critical: true, local: true },
        { card: second, number: 1, name: "exportd", critical: true, local: false },
      ],
    },
  ],
};

export const exampleConfiguration: ConfigurationStatus = {
  state: "current",
  head: { sequence: 42, epoch: 128, hash: "9f3a1c2b77d05e4f8a6b3c1d2e0f9a8b7c6d5e4f3a2b1c0d9e8f7a6b5c4d3e2f" },
  level: 1,
  levelMax: 1,
  replicas: [first, second, third],
  ageMs: 0,
  branches: [],
  pending: 0,
  load: { served: 318, servedForOthers: 2, forwarded: 0 },
  counters: { changes: 42, conflicts: 1 },
};

const exampleBoot: BootStatus = {
  type: "cold",
  because: "the multiplexor has started since the last run",
  state: "ready",
  phase: "ready",
  forMs: 93_780_000,
  tookMs: 2_140,
  lastRole: "primary",
  checks: [
    { check: "clock", result: "passed", critical: false, ms: 0 },
    { check: "memory", result: "passed", critical: false, ms: 1 },
    { check: "state", result: "passed", critical: true, ms: 8 },
    { check: "ether", result: "passed", critical: false, ms: 41 },
    { check: "serial", result: "passed", critical: false, ms: 41 },
    { check: "watchdog", result: "skipped", critical: false, text: "the card has none", ms: 0 },
  ],
  peers: [
    { card: second, type: "cold", state: "ready" },
    { card: third, type: "warm", state: "ready" },
  ],
};

const exampleSelfTest: SelfTestStatus = {
  own: { state: "never", checks: [] },
  peers: [
    {
      card: third,
      forMs: 61_000,
      verdict: "serial line",
      action: "alarm",
      reason: "it passes its self-test over Ethernet: the serial line or its port of the multiplexor",
      evidence: {
        serial: "down",
        ether: "up",
        ticks: "all",
        selfTest: "passed",
        relay: "not asked",
        loopback: "passed",
        third: "hears it",
        serialLoss: "this one",
      },
    },
  ],
};

export const exampleStatus: CardStatus = {
  card: first,
  chassis: 1,
  slot: 1,
  name: "store-1-1",
  uid: "78b6f411cd1e55bd",
  incarnation: 1795247281,
  software: "0.1.0+a42cae9",
  uptimeMs: 93_784_000,
  state: "running",
  links: {
    ether: {
      port: "up",
      sent: 944_120,
      accepted: 1_887_003,
      dropped: { ...nothingDropped, tag: 2, replayed: 1 },
      heartbeatPeriodMs: 100,
    },
    serial: {
      port: "up",
      sent: 472_055,
      accepted: 731_884,
      dropped: { ...nothingDropped, crc: 14 },
      heartbeatPeriodMs: 200,
      multiplexor: "heard",
    },
  },
  peers: [
    {
      card: second,
      chassis: 1,
      slot: 2,
      health: "healthy",
      candidate: true,
      verified: true,
      name: "store-1-2",
      uid: "151829d3870c4d72",
      software: "0.1.0+a42cae9",
      incarnation: 1795247290,
      links: {
        ether: { health: "up", silentForMs: 67, ticked: true, accepted: 943_870, dropped: 0 },
        serial: { health: "up", silentForMs: 120, ticked: true, accepted: 471_902, dropped: 0 },
      },
    },
    {
      card: third,
      chassis: 1,
      slot: 3,
      health: "degraded",
      candidate: true,
      verified: false,
      unverifiedBecause: "its identity is not confirmed on serial",
      name: "store-1-3",
      uid: "2c90b1aa07f3e614",
      software: "0.1.0+a42cae9",
      incarnation: 1795250114,
      links: {
        ether: { health: "up", silentForMs: 31, ticked: true, accepted: 943_133, dropped: 1 },
        serial: { health: "down", reason: "silent for 1000 ms", silentForMs: 61_480, ticked: false, accepted: 259_982, dropped: 0 },
      },
    },
    {
      card: fourth,
      chassis: 1,
      slot: 4,
      health: "left",
      candidate: false,
      verified: false,
      unverifiedBecause: "it left",
      name: "store-1-4",
      uid: "b51d6e0fa2c87093",
      software: "0.1.0+a42cae9",
      incarnation: 1795247302,
      links: {
        ether: { health: "down", reason: "it said goodbye", silentForMs: 7_201_530, ticked: false, accepted: 870_114, dropped: 0 },
        serial: { health: "down", reason: "it said goodbye", silentForMs: 7_201_502, ticked: false, accepted: 434_790, dropped: 0 },
      },
    },
  ],
  alarms: [{ code: "link-down", text: "serial to card 1/3 is down: silent for 1000 ms", forMs: 60_480 }],
  membership: exampleMembership,
  groups: exampleGroups,
  configuration: exampleConfiguration,
  boot: exampleBoot,
  selfTest: exampleSelfTest,
  lateTicks: { count: 1, totalMs: 84, worstMs: 84 },
  system: "store",
  version: "0.1.0+a42cae9",
  profile: "default",
  ports: {
    ether: {
      interface: "eth0",
      mac: "02:ca:d8:0f:01:01",
      counters: {
        receivedFrames: 1_887_006,
        receivedBytes: 116_994_372,
        sentFrames: 947_245,
        sentBytes: 63_465_415,
        droppedFrames: 0,
        sendErrors: 0,
      },
    },
    serial: {
      device: "/dev/ttyS1",
      baud: 115_200,
      counters: {
        receivedBytes: 32_202_896,
        sentBytes: 17_938_090,
        framingErrors: 14,
        parityErrors: 0,
        overruns: 0,
        breaks: 0,
        droppedBytes: 0,
      },
    },
  },
  process: {
    pid: 412,
    runtime: "binary, node 26.10.0",
    startedAt: "2026-03-02T09:41:07.113Z",
    residentBytes: 79_691_776,
    cpuShare: 0.0064,
    realtime: true,
  },
};
