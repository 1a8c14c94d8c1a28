import * as assert from "uvu/assert";
import { test } from "uvu";
import { isCardStatus, statusText } from "../../src/console/status-text.ts";
import type { CardStatus } from "../../src/node/status.ts";
import { degraded, empty, healthy, peer } from "./sample.ts";

function lines(status: CardStatus, columns: number): string[] {
  const text = statusText(status, { columns, color: false });
  assert.ok(text.endsWith("\n"));
  return text.slice(0, -1).split("\n");
}

test("a healthy card in 80 columns", () => {
  assert.equal(lines(healthy, 80), [
    "rack-7-1-1",
    "  Card         card 1 of rack-7, chassis 1 slot 1",
    "  State        running, no alarms",
    "  View         4, CONFIRMED: 3 of 3 cards: more than half",
    "  Running for  12 min 34 s, since 2026-03-01 10:11:12 UTC",
    "  Version      0.1.0+abc1234 on binary, node 26.10.0, process 4242",
    "  Load         80 MiB, 0.4 % of a core, real-time",
    "  Profile      default",
    "  Identity     00112233445566aa, incarnation 7",
    "",
    "Links",
    "  LINK      PORT  HEARTBEAT  SENT  ACCEPTED  DROPPED  DEVICE",
    "  Ethernet  up    100 ms     1200  2400      0        eth0 02:00:00:00:01:01",
    "  serial    up    200 ms     1200  2400      0        /dev/ttyS1 at 115200 baud",
    "  serial: the multiplexor is heard",
    "",
    "Cards",
    "  CARD  SLOT  NAME        HEALTH     ETHERNET  SERIAL    VERIFIED",
    "  1     1/1   rack-7-1-1  this card",
    "  2     1/2   rack-7-1-2  healthy    up 40 ms  up 1.2 s  yes",
    "  3     1/3   rack-7-1-3  healthy    up 40 ms  up 1.2 s  yes",
  ]);
});

test("a degraded card: alarms first, each drop that counts, and why a peer is not verified", () => {
  assert.equal(lines(degraded, 80), [
    "rack-7-1-1",
    "  Card         card 1 of rack-7, chassis 1 slot 1",
    "  State        running, 1 alarm",
    "  View         4, TENTATIVE: 2 of 5 cards: no quorum",
    "  Running for  12 min 34 s, since 2026-03-01 10:11:12 UTC",
    "  Version      0.1.0+abc1234 on binary, node 26.10.0, process 4242",
    "  Load         80 MiB, 0.4 % of a core, real-time",
    "  Profile      default",
    "  Identity     00112233445566aa, incarnation 7",
    "  Late ticks   3, 41 ms in all, the worst 13 ms",
    "",
    "Alarms",
    "  ALARM      FOR        WHAT",
    "  card-down  1 min 1 s  card 2 is down on both links",
    "",
    "Links",
    "  LINK      PORT  HEARTBEAT  SENT  ACCEPTED  DROPPED  DEVICE",
    "  Ethernet  up    100 ms     1200  2400      3        eth0 02:00:00:00:01:01",
    "  serial    down  100 ms     1200  2400      0        /dev/ttyS1 at 115200 baud",
    "  Ethernet: frames dropped: tag 2, old incarnation 1",
    "  serial: the port is down: no carrier",
    "  serial: the multiplexor has not been heard lately",
    "",
    "Cards",
    "  CARD  SLOT  NAME        HEALTH     ETHERNET        SERIAL   VERIFIED",
    "  1     1/1   rack-7-1-1  this card",
    "  2     1/2   rack-7-1-2  down       down 1 min 5 s  one-way  yes",
    "  3     1/3   -           absent     -               -        no",
    "  card 2, Ethernet down: no heartbeat; last heard 1 min 5 s ago",
    "  card 3 is not verified: never heard",
  ]);
});

test("a card alone", () => {
  assert.equal(lines(empty, 80).slice(-3), [
    "Cards",
    "  CARD  SLOT  NAME        HEALTH     ETHERNET  SERIAL  VERIFIED",
    "  1     1/1   rack-7-1-1  this card",
  ]);
});

test("40 columns: tables become blocks, and no line is longer", () => {
  assert.equal(lines(degraded, 40), [
    "rack-7-1-1",
    "  Card         card 1 of rack-7, chassis",
    "               1 slot 1",
    "  State        running, 1 alarm",
    "  View         4, TENTATIVE: 2 of 5",
    "               cards: no quorum",
    "  Running for  12 min 34 s, since",
    "               2026-03-01 10:11:12 UTC",
    "  Version      0.1.0+abc1234 on binary,",
    "               node 26.10.0, process",
    "               4242",
    "  Load         80 MiB, 0.4 % of a core,",
    "               real-time",
    "  Profile      default",
    "  Identity     00112233445566aa,",
    "               incarnation 7",
    "  Late ticks   3, 41 ms in all, the",
    "               worst 13 ms",
    "",
    "Alarms",
    "  ALARM      FOR        WHAT",
    "  card-down  1 min 1 s  card 2 is down",
    "                        on both links",
    "",
    "Links",
    "  link: Ethernet",
    "    port: up",
    "    heartbeat: 100 ms",
    "    sent: 1200",
    "    accepted: 2400",
    "    dropped: 3",
    "    device: eth0 02:00:00:00:01:01",
    "  link: serial",
    "    port: down",
    "    heartbeat: 100 ms",
    "    sent: 1200",
    "    accepted: 2400",
    "    dropped: 0",
    "    device: /dev/ttyS1 at 115200 baud",
    "  Ethernet: frames dropped: tag 2, old",
    "    incarnation 1",
    "  serial: the port is down: no carrier",
    "  serial: the multiplexor has not been",
    "    heard lately",
    "",
    "Cards",
    "  card: 1",
    "    slot: 1/1",
    "    name: rack-7-1-1",
    "    health: this card",
    "  card: 2",
    "    slot: 1/2",
    "    name: rack-7-1-2",
    "    health: down",
    "    ethernet: down 1 min 5 s",
    "    serial: one-way",
    "    verified: yes",
    "  card: 3",
    "    slot: 1/3",
    "    name: -",
    "    health: absent",
    "    ethernet: -",
    "    serial: -",
    "    verified: no",
    "  card 2, Ethernet down: no heartbeat;",
    "    last heard 1 min 5 s ago",
    "  card 3 is not verified: never heard",
  ]);
});

test("no line is longer than the page, whatever its width", () => {
  const crowded: CardStatus = {
    ...degraded,
    peers: [2, 3, 4, 5, 6, 7, 8].map((slot) => peer(slot, { name: "a-name-of-thirty-two-bytes-length" })),
  };
  for (let columns = 30; columns <= 130; columns++) {
    for (const status of [healthy, degraded, empty, crowded]) {
      for (const line of lines(status, columns)) assert.ok(line.length <= columns, `${columns}: ${JSON.stringify(line)}`);
    }
  }
});

test("colours change no letter and no place", () => {
  const colored = statusText(degraded, { columns: 80, color: true });
  assert.ok(colored.includes("\u001b[31mdown\u001b[0m"));
  // deno-lint-ignore no-control-regex -- the colours are made of them
  assert.is(colored.replace(/\u001b\[\d+m/g, "").replace(/ +$/gm, ""), statusText(degraded, { columns: 80, color: false }));
});

test("a peer's name cannot command the terminal", () => {
  const text = statusText({ ...healthy, peers: [peer(2, { name: "x\u001b[2J\ny" })] }, { columns: 80, color: false });
  assert.not.ok(text.includes("\u001b"));
  assert.ok(text.includes("x\ufffd[2J\ufffdy"));
});

test("a card of an earlier version says nothing of views", () => {
  const { membership: _membership, groups: _groups, ...earlier } = healthy;
  assert.ok(isCardStatus(earlier));
  assert.equal(lines(earlier, 80), lines(healthy, 80).filter((line) => !line.startsWith("  View ")));
});

test("what is no status is told apart", () => {
  assert.ok(isCardStatus(JSON.parse(JSON.stringify(degraded))));
  const { peers: _peers, ...withoutPeers } = healthy;
  for (const value of [undefined, null, 7, "text", [], {}, withoutPeers, { ...healthy, peers: [7] }, { ...healthy, name: 7 }]) {
    assert.not.ok(isCardStatus(value), JSON.stringify(value));
  }
});

test.run();
