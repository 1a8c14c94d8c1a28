/** Statuses for the tests of what is made of them. */
import { cardAt, type CardId } from "../../src/base/ids.ts";
import type { CardStatus, OwnLinkStatus, PeerStatus } from "../../src/node/status.ts";

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
  lateTicks: { count: 3, totalMs: 41, worstMs: 13 },
};

/** Alone: no peer, none configured. */
export const empty: CardStatus = { ...healthy, peers: [] };
