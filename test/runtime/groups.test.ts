// timeout: 300
// runtime: node, because the cards are the compiled binary on either runtime, and the client has tests of its own on both
/**
 * Groups on real cards: the compiled binary on the virtual chassis, with applications at the cards' sockets. What is
 * promised of the order, of failing members and of partitions is looked for in what the applications were told.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { test } from "uvu";
import * as assert from "uvu/assert";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type Chassis, withChassis } from "../../scripts/chassis/chassis.ts";
import { lastLines } from "../../scripts/chassis/logs.ts";
import { eventLog } from "../../scripts/chassis/place.ts";
import { buildDirectory, node } from "../../scripts/chassis/repository.ts";
import type { ChassisStatus } from "../../scripts/chassis/status.ts";
import { ApplicationError, connect, type GroupClient, type GroupEvent } from "../../src/client/client.ts";
import type { MembershipStatus } from "../../src/node/status.ts";

const name = (tail: string) => `gt${process.pid % 10_000}${tail}`;
const five = [1, 2, 3, 4, 5];

/** A chassis of five cards whose clients all are members of the group "log". */
async function withFive(tail: string, use: (chassis: Chassis, clients: readonly LogClient[]) => Promise<void>): Promise<void> {
  await withChassis({ name: name(tail), cards: 5, runtime: "binary" }, async (chassis) => {
    await chassis.waitFor("one view of five cards, and the order goes on", (status) => agree(status, five), 20_000);
    const clients = await Promise.all(five.map((card) => LogClient.open(chassis, card)));
    try {
      await within("five members", 10_000, () => clients.every(({ members }) => members.length === 5));
      await use(chassis, clients);
    } catch (error) {
      await tellLogs(chassis, clients);
      throw error;
    } finally {
      for (const client of clients) client.drop();
    }
  });
}

/** What clients and cards have seen, for whoever has to find out. */
async function tellLogs(chassis: Chassis, clients: readonly LogClient[]): Promise<void> {
  for (const client of clients) {
    const { card, sentCount, acknowledged, log, events } = client;
    console.error(
      `client of card ${card}: ${sentCount} sent, ${acknowledged.length} acknowledged, ${log.length} delivered, last ${log.at(-1)}`,
    );
    for (const event of events.slice(-12)) console.error(`  ${JSON.stringify(event)}`);
    const lines = await chassis.log(card, 5_000);
    // What is no JSON is a program's last word.
    for (const line of [...lines.filter((line) => !line.startsWith("{")), ...lines.slice(-25)]) console.error(`  ${line}`);
    const said = await chassis.exec(card, [`${buildDirectory}/cardinal`, "groups"]);
    console.error(said.stdout);
  }
  for (const line of await lastLines(eventLog(chassis.directory), 100)) console.error(line);
}

/** Whether these cards, and no others, are in one view that each of them follows in the order too. */
function agree({ cards }: ChassisStatus, members: readonly number[]): boolean {
  const numbers = new Set<number | undefined>();
  const all = members.every((member) => {
    const status = cards[member - 1]?.status;
    const { view, state } = status?.membership ?? {};
    numbers.add(view?.number);
    const held = view?.members.map(({ card }) => card).sort((a, b) => a - b) ?? [];
    return state !== "tentative" && status?.groups.state === "running" && status.groups.epoch === view?.number &&
      JSON.stringify(held) === JSON.stringify(members);
  });
  return all && numbers.size === 1;
}

async function within(what: string, timeoutMs: number, holds: () => boolean): Promise<void> {
  const until = performance.now() + timeoutMs;
  while (!holds()) {
    if (performance.now() > until) throw new Error(`not within ${timeoutMs} ms: ${what}`);
    await sleep(20);
  }
}

/** One card's application: sends numbered messages, and writes down what it is told, in the order in which it is told. */
class LogClient {
  readonly card: number;
  readonly #client: GroupClient;
  /** "sequence card:number" of each message, "sequence change card" of each member that came back or went, in one order. */
  readonly log: string[] = [];
  readonly events: GroupEvent[] = [];
  /** The cards of the group's members, as of the last view. */
  members: number[] = [];
  /** Numbers of own messages that were acknowledged. */
  readonly acknowledged: number[] = [];
  #last = 0;
  #isOver = false;

  private constructor(card: number, client: GroupClient) {
    this.card = card;
    this.#client = client;
  }

  static async open(chassis: Chassis, card: number): Promise<LogClient> {
    const opened = new LogClient(card, await connect({ path: chassis.socketOf(card) }));
    opened.#follow().catch((error: unknown) => {
      if (!(error instanceof ApplicationError)) throw error;
      opened.#isOver = true;
    });
    await opened.#client.join("log", { name: `log-${card}` });
    return opened;
  }

  /** Its card is gone, and the connection with it. */
  get isOver(): boolean {
    return this.#isOver;
  }

  get sentCount(): number {
    return this.#last;
  }

  async #follow(): Promise<void> {
    for await (const event of this.#client) {
      if (event.kind === "message") {
        this.log.push(`${event.sequence} ${event.from.card}:${new TextDecoder().decode(event.data)}`);
        continue;
      }
      this.events.push(event);
      if (event.kind === "view") {
        for (const { member, change } of event.changes) {
          if (change !== "joined") this.log.push(`${event.sequence} ${change} ${member.card}`);
        }
      }
      if (event.kind === "joined" || event.kind === "view") this.members = event.view.members.map(({ card }) => card);
    }
  }

  /** One message; what becomes of it is seen in `acknowledged`. */
  send(): void {
    const number = ++this.#last;
    this.#client.send("log", String(number)).then(() => this.acknowledged.push(number), (error: unknown) => {
      if (!(error instanceof ApplicationError)) throw error;
    });
  }

  drop(): void {
    this.#client.drop();
  }
}

/** Sends from each client so many times a second, until told to stop. */
function sendFrom(clients: readonly LogClient[], perSecond: number): { stop(): void } {
  const startedAt = performance.now();
  const sent = new Map(clients.map((client) => [client, 0]));
  const timer = setInterval(() => {
    const due = ((performance.now() - startedAt) * perSecond) / 1_000;
    for (const client of clients) {
      for (let count = sent.get(client) ?? 0; count < due && !client.isOver; count++) {
        client.send();
        sent.set(client, count + 1);
      }
    }
  }, 1_000 / perSecond);
  return { stop: () => clearInterval(timer) };
}

/** That one log is the beginning of the other, whichever is shorter. */
function provePrefix(one: LogClient, other: LogClient): void {
  const length = Math.min(one.log.length, other.log.length);
  const at = one.log.findIndex((line, index) => index < length && line !== other.log[index]);
  const told = (client: LogClient) => `card ${client.card}: ${client.log.slice(Math.max(0, at - 2), at + 3).join(", ")}`;
  assert.is(at, -1, `at ${at} of ${length} the logs differ: ${told(one)}; ${told(other)}`);
}

/** That a log has each message of a sender once, and in the order in which they were sent, without a gap. */
function proveWhole(client: LogClient, sender: number, count: number): void {
  const numbers = client.log.map((line) => line.split(" ")[1] as string).filter((text) => text.startsWith(`${sender}:`));
  const wanted = Array.from({ length: count }, (_, index) => `${sender}:${index + 1}`);
  const at = wanted.findIndex((text, index) => numbers[index] !== text);
  assert.is(at, -1, `card ${client.card}: message ${at + 1} of card ${sender} is ${numbers[at] ?? "missing"}`);
  assert.is(numbers.length, count, `card ${client.card} has messages of card ${sender} that it never sent`);
}

/** The messages of a client that were acknowledged and that another has not been given. */
function missing(client: LogClient, sender: LogClient): number[] {
  const log = new Set(client.log.map((line) => line.split(" ")[1]));
  return sender.acknowledged.filter((number) => !log.has(`${sender.card}:${number}`));
}

test("HA-8, HA-10, HA-9: five initiators, one card pulled, one stalled, one cut off Ethernet, one line cut: all survivors have one log", async () => {
  await withFive("a", async (chassis, clients) => {
    const seconds = 20;
    const sending = sendFrom(clients, 100);
    const startedAt = performance.now();
    const at = async (second: number) => await sleep(Math.max(0, startedAt + second * 1_000 - performance.now()));
    try {
      await at(2);
      await chassis.cutSerial(3);
      await at(4);
      await chassis.pull(5);
      await at(8);
      await chassis.stall(4, 2_000);
      await at(13);
      await chassis.cutEther(2);
      await at(15);
      await chassis.heal();
      await at(seconds);
    } finally {
      sending.stop();
    }
    const survivors = clients.slice(0, 4);
    const pulled = clients[4] as LogClient;
    await within(
      "everything that survivors sent is acknowledged",
      10_000,
      () => survivors.every(({ acknowledged, sentCount }) => acknowledged.length === sentCount),
    );
    await within("all survivors have been given as much", 5_000, () => new Set(survivors.map(({ log }) => log.length)).size === 1);

    for (const one of clients) for (const other of clients) provePrefix(one, other);
    for (const client of survivors) {
      for (const { card, sentCount } of survivors) {
        assert.ok(sentCount > 90 * seconds, `card ${card} sent ${sentCount}`);
        proveWhole(client, card, sentCount);
      }
      assert.equal(missing(client, pulled), [], `what was acknowledged to card 5 is with card ${client.card}`);
      assert.equal(client.events.filter(({ kind }) => kind === "lost"), []);
    }
    await chassis.waitFor("the four go on", (status) => agree(status, [1, 2, 3, 4]), 5_000);
  });
});

/** A member as a process of its own, that is one when this resolves. */
async function startMember(chassis: Chassis, card: number, kind: "critical" | "plain", monitorMs = 0): Promise<ChildProcess> {
  const program = fileURLToPath(new URL("group-member.ts", import.meta.url));
  const words = [program, chassis.socketOf(card), "log", `${kind}-${card}`, kind, String(monitorMs)];
  const child = spawn(node, words, { stdio: ["ignore", "pipe", "inherit"] });
  await new Promise<void>((resolve, reject) => {
    child.stdout.once("data", () => resolve());
    child.once("exit", (code) => reject(new Error(`the member of card ${card} ended with ${code} before it had joined`)));
  });
  return child;
}

function changesOf(client: LogClient, memberName: string): string[] {
  return client.events.flatMap((event) =>
    event.kind === "view" ? event.changes.filter(({ member }) => member.name === memberName).map(({ change }) => change) : []
  );
}

test("HA-6, HA-7: a plain member that is killed has exited everywhere; a critical one, killed or mute, resets its card and no other", async () => {
  await withFive("b", async (chassis, clients) => {
    const children: ChildProcess[] = [];
    const start = async (...words: [number, "critical" | "plain", number?]) => {
      const child = await startMember(chassis, ...words);
      children.push(child);
      return child;
    };
    const starts = async () => (await chassis.status()).cards.map(({ starts }) => starts);
    try {
      const plain = await start(2, "plain");
      await within("all know the plain member", 5_000, () => clients.every((client) => changesOf(client, "plain-2")[0] === "joined"));
      plain.kill("SIGKILL");
      await within("it has exited everywhere", 3_000, () => clients.every((client) => changesOf(client, "plain-2")[1] === "exited"));
      assert.equal(await starts(), [1, 1, 1, 1, 1], "no card is reset for it");

      const critical = await start(3, "critical");
      critical.kill("SIGKILL");
      await chassis.waitFor("card 3 is reset", ({ cards }) => (cards[2]?.starts ?? 0) > 1, 10_000);
      const others = clients.filter(({ card }) => card !== 3);
      await within(
        "it has exited for the others",
        3_000,
        () => others.every((client) => changesOf(client, "critical-3").join(" ") === "joined exited"),
      );
      await chassis.waitFor("card 3 is back in the view", (status) => agree(status, five), 20_000);

      const mute = await start(4, "critical", 500);
      mute.kill("SIGSTOP");
      await chassis.waitFor("card 4 is reset for a member that does not answer", ({ cards }) => (cards[3]?.starts ?? 0) > 1, 10_000);
      await chassis.waitFor("card 4 is back in the view", (status) => agree(status, five), 20_000);
      const pulls = (await lastLines(eventLog(chassis.directory), 1_000)).map((line) => JSON.parse(line) as Record<string, unknown>)
        .filter(({ event }) => event === "reset").map(({ card, by }) => `${card} ${by}`);
      assert.equal(pulls, ["1/3 multiplexor", "1/4 multiplexor"], "their reset lines were pulled, once each, and nobody else's");
      const after = await starts();
      assert.equal([after[0], after[1], after[4]], [1, 1, 1]);
    } finally {
      for (const child of children) child.kill("SIGKILL");
    }
  });
});

test("HA-15, SG-6: of three and two, the three go on and the two stand still and say why; healed they are one again, and nothing acknowledged is lost", async () => {
  await withFive("c", async (chassis, clients) => {
    const [three, two] = [clients.slice(0, 3), clients.slice(3)];
    const countsOf = (some: readonly LogClient[]) => some.map(({ acknowledged }) => acknowledged.length);
    const sending = sendFrom(clients, 20);
    try {
      await sleep(1_000);
      await chassis.part([4, 5]);
      await chassis.waitFor("the three go on by themselves", (status) => agree(status, [1, 2, 3]), 5_000);
      const apart = await chassis.waitFor(
        "the two stand still",
        ({ cards }) =>
          [4, 5].every((card) => {
            const { membership, groups } = cards[card - 1]?.status ?? {};
            return membership?.state === "tentative" && !membership.quorum.held && groups?.state === "stopped";
          }),
        5_000,
      );
      for (const card of [4, 5]) assert.match(apart.cards[card - 1]?.status?.membership.reason ?? "", "no quorum");
      const said = await chassis.exec(4, [`${buildDirectory}/cardinal`, "members", "--json"]);
      const { state, quorum } = JSON.parse(said.stdout) as MembershipStatus;
      assert.equal([state, quorum.held], ["tentative", false]);
      assert.match(quorum.text, "2 of 5 cards");
      await within("their applications are told", 2_000, () => two.every(({ events }) => events.some(({ kind }) => kind === "stopped")));

      const before = { three: countsOf(three), two: countsOf(two) };
      await sleep(2_000);
      countsOf(three).forEach((count, index) =>
        assert.ok(count > (before.three[index] as number) + 20, "the three's messages are committed")
      );
      assert.equal(countsOf(two), before.two, "nothing is acknowledged to the two");
      for (const client of three) assert.equal(client.members, [1, 2, 3]);

      await chassis.heal();
      await chassis.waitFor("one view of five", (status) => agree(status, five), 15_000);
      await within("one group of five", 5_000, () => clients.every(({ members }) => members.length === 5));
      await sleep(1_000);
    } finally {
      sending.stop();
    }
    await within(
      "everything is acknowledged",
      10_000,
      () => clients.every(({ acknowledged, sentCount }) => acknowledged.length === sentCount),
    );
    await within("all have been given as much", 5_000, () => new Set(clients.map(({ log }) => log.length)).size === 1);
    for (const client of clients) {
      for (const other of clients) {
        provePrefix(client, other);
        proveWhole(client, other.card, other.sentCount);
      }
      assert.equal(client.events.filter(({ kind }) => kind === "lost"), []);
      assert.equal(client.members, five);
    }
    for (const client of three) assert.equal(changesOf(client, "log-4").filter((change) => change !== "joined"), ["exited", "returned"]);
  });
});

test.run();
