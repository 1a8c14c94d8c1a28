// timeout: 170
// The chassis under real processes, ptys and namespaces: what the product promises of both links, of discovery and of a stall.
import { spawn } from "node:child_process";
import { test } from "uvu";
import * as assert from "uvu/assert";
import process from "node:process";
import { type Chassis, withChassis } from "../../scripts/chassis/chassis.ts";
import type { ChassisStatus } from "../../scripts/chassis/status.ts";
import type { CardHealth, CardStatus, PeerStatus } from "../../src/node/status.ts";

const runtime = "Deno" in globalThis ? "deno" : "binary";
const name = (tail: string) => `at${process.pid % 10_000}${tail}`;

function peer(status: CardStatus | undefined, card: number): PeerStatus | undefined {
  return status?.peers.find((other) => other.card === card);
}

function allVerified({ cards }: ChassisStatus): boolean {
  return cards.every(({ status }) => {
    const others = status?.peers ?? [];
    return others.length === cards.length - 1 &&
      others.every(({ verified, health, links }) =>
        verified && health === "healthy" && links.ether?.health === "up" && links.serial?.health === "up"
      );
  });
}

/** Health lines in the cards' logs that are not about `about`, from line `from` on: who else wavered. */
async function waverers(chassis: Chassis, cards: readonly number[], about: number, from: ReadonlyMap<number, number>): Promise<string[]> {
  const lines: string[] = [];
  for (const card of cards) {
    for (const line of (await chassis.log(card, 5_000)).slice(from.get(card))) {
      if (!line.startsWith("{")) continue;
      const { event, card: _own, health, ...rest } = JSON.parse(line) as {
        event: string;
        card: number;
        health?: CardHealth;
        peer?: number;
      };
      const suspected = health === "suspect" || health === "down" || health === "degraded";
      if (event === "card health" && suspected && rest.peer !== about) lines.push(line);
    }
  }
  return lines;
}

async function logLengths(chassis: Chassis, cards: readonly number[]): Promise<Map<number, number>> {
  return new Map(await Promise.all(cards.map(async (card) => [card, (await chassis.log(card, 5_000)).length] as const)));
}

test("CARD-3, FS-2, HA-2: three cards verify each other on both links within 5 s of their start", async () => {
  await withChassis({ name: name("a"), cards: 3, runtime }, async (chassis) => {
    const status = await chassis.waitFor("all verified on both links", allVerified, 5_000, 50);
    assert.ok(status.cardsForMs < 5_000, `took ${status.cardsForMs} ms`);
  });
});

test("HA-1, HA-2: eight cards; one pulled, one line cut, one stalled: each seen for what it is, and nobody else wavers", async () => {
  await withChassis({ name: name("b"), cards: 8, runtime }, async (chassis) => {
    await chassis.waitFor("eight verified cards", allVerified, 20_000);
    const others = [1, 2, 4, 5, 6, 7, 8];

    const before = await logLengths(chassis, others);
    await chassis.pull(3);
    await chassis.waitFor(
      "card 3 is down on all others",
      ({ cards }) => others.every((card) => peer(cards[card - 1]?.status, 3)?.health === "down"),
      3_000,
    );
    assert.equal(await waverers(chassis, others, 3, before), []);
    await chassis.insert(3);
    await chassis.waitFor("eight verified cards again", allVerified, 20_000);

    await chassis.cutSerial(2);
    const rest = [1, 3, 4, 5, 6, 7, 8];
    const cut = await chassis.waitFor(
      "card 2's serial link is down on all",
      ({ cards }) => rest.every((card) => peer(cards[card - 1]?.status, 2)?.links.serial?.health === "down"),
      5_000,
    );
    for (const card of rest) {
      assert.is(peer(cut.cards[card - 1]?.status, 2)?.links.ether?.health, "up");
      assert.is(peer(cut.cards[card - 1]?.status, 2)?.health, "degraded");
    }
    await chassis.heal();
    await chassis.waitFor("healed", allVerified, 20_000);

    const atStall = await logLengths(chassis, [4]);
    await chassis.stall(4, 3_000);
    await chassis.waitFor(
      "card 4 is silent to the others",
      ({ cards }) => [1, 2].every((card) => peer(cards[card - 1]?.status, 4)?.health === "down"),
      3_500,
      50,
    );
    const woken = await chassis.waitFor("card 4 is back", allVerified, 20_000);
    assert.equal(await waverers(chassis, [4], 0, atStall), [], "nobody is buried by card 4 when it wakes");
    assert.ok((woken.cards[3]?.status?.lateTicks.worstMs ?? 0) > 2_000, "it knows that it was late");
  });
});

test("a frame of another system or with another key changes nothing but a counter; the wire carries our EtherType, LLDP and TCP/IP alone", async () => {
  await withChassis({ name: name("c"), cards: 2, runtime }, async (chassis) => {
    await chassis.waitFor("two verified cards", allVerified, 10_000);
    const program = new URL("../../test/runtime/forge.ts", import.meta.url).pathname;
    const node = new URL("../../node_modules/.bin/node", import.meta.url).pathname;
    const before = (await chassis.cardStatus(1)) as CardStatus;
    const forged = await chassis.host([node, program, "eth0", "20"]);
    assert.is(forged.code, 0, forged.stderr);
    const tagsBefore = before.links.ether.dropped["tag"] ?? 0;
    const counted = await chassis.waitFor(
      "the forged frames are counted",
      ({ cards }) => (cards[0]?.status?.links.ether.dropped["tag"] ?? 0) - tagsBefore >= 20,
      3_000,
    );
    const after = counted.cards[0]?.status as CardStatus;
    assert.is(after.peers[0]?.health, "healthy");
    assert.is(after.peers.length, 1);

    const { program: ip, args, env } = chassis.execCommand(
      "host",
      ["tshark", "-i", "eth0", "-a", "duration:5", "-T", "fields", "-e", "eth.type", "-e", "frame.protocols"],
      "/",
    );
    const seen = await new Promise<string>((resolve, reject) => {
      const child = spawn(ip, args, { env, stdio: ["ignore", "pipe", "ignore"] });
      let text = "";
      child.stdout.on("data", (piece) => text += piece);
      child.on("error", reject);
      child.on("close", () => resolve(text));
    });
    const types = new Map<string, number>();
    for (const line of seen.trim().split("\n")) {
      types.set(line.split("\t")[0] as string, (types.get(line.split("\t")[0] as string) ?? 0) + 1);
    }
    assert.ok((types.get("0x88b5") ?? 0) > 50, JSON.stringify([...types]));
    const allowed = new Set(["0x88b5", "0x88cc", "0x0800", "0x0806", "0x86dd"]);
    assert.equal([...types.keys()].filter((type) => !allowed.has(type)), []);
  });
});

test.run();
