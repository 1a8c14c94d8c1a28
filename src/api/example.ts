/** A status as a card of three gives it, with one peer that lost its serial line: the example of the OpenAPI document. */
import { cardAt } from "../base/ids.ts";
import type { CardStatus } from "../node/status.ts";

const nothingDropped = { crc: 0, framing: 0, length: 0, tag: 0, cbor: 0, shape: 0, version: 0, system: 0, kind: 0 };

export const exampleStatus: CardStatus = {
  card: cardAt(1, 1),
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
      card: cardAt(1, 2),
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
      card: cardAt(1, 3),
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
  ],
  alarms: [{ code: "link-down", text: "serial to card 1/3 is down: silent for 1000 ms", forMs: 60_480 }],
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
