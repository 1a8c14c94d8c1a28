import { test } from "uvu";
import * as assert from "uvu/assert";
import { cardAt, type CardId } from "../../src/base/ids.ts";
import type { ConfigAnswer } from "../../src/config/request.ts";
import { digestOf } from "../../src/config/replica-heads.ts";
import { ReplicaNetwork } from "./replica-network.ts";

const cardsOf = (count: number) => Array.from({ length: count }, (_, index) => cardAt(1, index + 1));
const [one, two, three] = cardsOf(3) as [CardId, CardId, CardId];

function begun(count: number, seed = 1, levelMax?: ConstructorParameters<typeof ReplicaNetwork>[2]): ReplicaNetwork {
  const network = new ReplicaNetwork(cardsOf(count), seed, levelMax);
  network.start(...cardsOf(count));
  network.run(300);
  return network;
}

function written(
  network: ReplicaNetwork,
  card: CardId,
  value: string,
  over: Parameters<ReplicaNetwork["wish"]>[1] = {},
): ConfigAnswer | undefined {
  const client = network.seat(card).answers.length + 1_000;
  network.ask(card, client, network.wish(value, over));
  network.run(100);
  return network.answerOf(card, client);
}

function assertEqual(network: ReplicaNetwork): void {
  for (const card of network.running) {
    const status = network.status(card);
    assert.is(status?.state, "current", `card ${card}: ${status?.state} ${status?.reason}`);
    assert.is(network.seat(card).store.dumpHash(), network.seat(network.running[0] as CardId).store.dumpHash(), `card ${card}`);
  }
}

test("FS-4: replicas that begin with nothing elect each other, rise to their level, and commit a change", () => {
  const network = begun(3);
  assert.equal(network.status(one)?.replicas, [one, two, three]);
  const answer = written(network, two, "first");
  assert.is(answer?.kind, "changed");
  assert.is(answer?.kind === "changed" && answer.head.sequence, 2);
  assertEqual(network);
});

test("a single wish takes one order, one plan and one commit", () => {
  const network = begun(3);
  network.orderMs = [1.7, 1.7];
  network.storeMs = [1, 1];
  network.sendMs = [0.3, 0.3];
  const from = network.now;
  network.ask(one, 1, network.wish("x"));
  network.run(50);
  const { at } = network.seat(one).answers[0] as { at: number };
  assert.ok(at - from <= 1 + 1.7 + 1 + 0.3 + 0.01, `${at - from} ms`);
});

test("nobody is told that it is changed before every replica has it durably; a replica that goes is not waited for", () => {
  const network = begun(3);
  network.hold = new Set([three]);
  network.ask(one, 1, network.wish("a"));
  network.run(2_000);
  assert.is(network.answerOf(one, 1), undefined);
  assert.is(network.seat(one).store.head.sequence, 2);
  network.crash(three);
  network.run(300);
  assert.is(network.answerOf(one, 1)?.kind, "changed");
});

test("what too few cards have is acknowledged to nobody", () => {
  const network = begun(3);
  network.crash(three);
  network.run(100);
  network.seat(two).store.diskFault = "full";
  network.ask(one, 1, network.wish("a"));
  network.run(5_000);
  assert.is(network.status(two)?.state, "hold");
  assert.is(network.status(one)?.reason, "only card 1 of 3 cards: too few to know the present head");
  assert.is(network.seat(one).store.head.sequence, 2);
  const answer = network.answerOf(one, 1);
  assert.is(answer?.kind === "refused" && answer.refusal.code, "timeout");
});

test("wishes that come together are one message and one commit", () => {
  const network = begun(3);
  const before = network.requests;
  for (let client = 1; client <= 20; client++) network.ask(one, client, network.wish(`${client}`));
  network.run(100);
  assert.is(network.seat(one).answers.filter(({ answer }) => answer.kind === "changed").length, 20);
  assert.ok(network.requests - before <= 3, `${network.requests - before} messages`);
  assertEqual(network);
});

test("cards that write at the same time all come through, and nobody waits for ever", () => {
  const network = begun(3);
  for (let round = 0; round < 30; round++) for (const card of [one, two, three]) network.ask(card, round, network.wish(`${card}-${round}`));
  network.run(3_000);
  for (const card of [one, two, three]) {
    const { answers } = network.seat(card);
    assert.is(
      answers.filter(({ answer }) => answer.kind === "changed").length,
      30,
      JSON.stringify(answers.find(({ answer }) => answer.kind !== "changed")),
    );
  }
  assertEqual(network);
});

test("an expected head that is no longer the head is refused, also in one batch", () => {
  const network = begun(3);
  const expected = network.seat(one).store.head.hash;
  network.ask(one, 1, network.wish("a", { expected }));
  network.ask(one, 2, network.wish("b", { expected }));
  network.run(200);
  assert.is(network.answerOf(one, 1)?.kind, "changed");
  const second = network.answerOf(one, 2);
  assert.is(second?.kind === "refused" && second.refusal.code, "conflict");
});

test("a key is carried out once, on whichever card it is asked for again", () => {
  const network = begun(3);
  const first = written(network, one, "a", { key: "k" });
  const again = written(network, three, "a", { key: "k" });
  assert.is(first?.kind, "changed");
  assert.is(again?.kind === "changed" && again.repeated, true);
  assert.equal(again?.kind === "changed" && again.head, first?.kind === "changed" && first.head);
});

test("a key from before the present replicas began is answered as soon as a change of theirs vouches for it, on each card", () => {
  const network = begun(3);
  const first = written(network, one, "a", { key: "k" });
  network.crash(one, two, three);
  network.start(one, two, three);
  network.run(5_000);
  assert.is(written(network, one, "b")?.kind, "changed");
  for (const card of [two, three]) {
    const again = written(network, card, "a", { key: "k" });
    assert.equal(again?.kind === "changed" && again.head, first?.kind === "changed" && first.head, `card ${card}`);
  }
});

test("a change larger than a message goes in parts, and others wait for it", () => {
  const network = begun(3);
  const operations = Array.from({ length: 300 }, (_, index) => ({
    kind: "put" as const,
    table: "hosts",
    row: { id: `h-${index}`, initiator: `iqn.2026-01.example:${index}`, note: "x".repeat(200) },
  }));
  network.ask(one, 1, { kind: "change", wish: { author: "a", comment: "", key: "", operations } });
  network.run(3);
  network.ask(two, 1, network.wish("small"));
  network.run(2_000);
  assert.is(network.answerOf(one, 1)?.kind, "changed");
  assert.is(network.answerOf(two, 1)?.kind, "changed");
  assert.ok((network.seat(one).store.chain()[1]?.changeset.length ?? 0) > 60_000);
  assertEqual(network);
});

test("a card that is lost in the middle of its large change leaves the way free", () => {
  const network = begun(3);
  const operations = Array.from({ length: 800 }, (_, index) => ({
    kind: "put" as const,
    table: "hosts",
    row: { id: `h-${index}`, initiator: `iqn.2026-01.example:${index}`, note: "x".repeat(200) },
  }));
  network.orderMs = [5, 5];
  network.ask(one, 1, { kind: "change", wish: { author: "a", comment: "", key: "k", operations } });
  network.run(30);
  network.crash(one);
  network.run(50);
  assert.is(written(network, two, "small")?.kind, "changed");
  network.start(one);
  network.run(500);
  assertEqual(network);
});

test("FS-10: a card that is catching up or in hold has others do it, and says who did", () => {
  const network = begun(3);
  network.seat(three).store.diskFault = "full";
  written(network, one, "a");
  network.run(100);
  assert.is(network.status(three)?.state, "hold");
  assert.is(network.status(three)?.code, "disk-full");
  assert.ok(network.seat(three).alarms.has("configuration-hold"));
  const answer = written(network, three, "b");
  assert.ok(answer?.kind === "changed" && answer.servedBy !== three);
  assert.is(network.status(three)?.load.forwarded, 1);
  assert.is([one, two].reduce((sum, card) => sum + (network.status(card)?.load.servedForOthers ?? 0), 0), 1);
  network.seat(three).store.diskFault = undefined;
  network.run(11_000);
  assertEqual(network);
  assert.is(network.seat(three).alarms.size, 0);
});

test("without a quorum a card is stale and refuses at once; with it, all goes on", () => {
  const network = begun(3);
  network.crash(two, three);
  network.run(50);
  assert.is(network.status(one)?.state, "stale");
  const refused = written(network, one, "a");
  assert.is(refused?.kind === "refused" && refused.refusal.code, "no-quorum");
  assert.ok((network.status(one)?.ageMs ?? 0) > 50);
  network.start(two, three);
  network.run(1_000);
  assertEqual(network);
  assert.is(written(network, one, "a")?.kind, "changed");
});

test("a card that was away catches up by changes; an empty one by a snapshot where there are many, over a network that loses", () => {
  const network = begun(3);
  network.crash(three);
  for (let index = 0; index < 20; index++) written(network, one, `${index}`);
  network.start(three);
  network.run(500);
  assertEqual(network);
  assert.is(network.status(three)?.counters["installed"], 0);
  // Its card is replaced: the database is empty.
  network.crash(three);
  network.replace(three);
  for (let client = 0; client < 1_000; client++) {
    const row = { id: `h-${client % 50}`, initiator: `iqn.2026-01.example:${client % 50}`, note: `${client}` };
    network.ask(one, 5_000 + client, network.wish("", { operations: [{ kind: "put", table: "hosts", row }] }));
    if (client % 100 === 99) network.run(500);
  }
  assert.ok(network.seat(one).store.head.sequence > 1_000);
  network.isLost = () => network.prng.chance(0.05);
  network.start(three);
  network.run(15_000);
  assertEqual(network);
  assert.is(network.status(three)?.counters["installed"], 1);
});

test("a system of one card has a configuration of its own", () => {
  const network = begun(1);
  assert.is(written(network, one, "a")?.kind, "changed");
  network.crash(one);
  network.start(one);
  network.run(500);
  assert.is(written(network, one, "b")?.kind, "changed");
  assertEqual(network);
});

test("writes go on while a card catches up, and it comes to the end", () => {
  const network = begun(3);
  network.crash(three);
  for (let index = 0; index < 30; index++) written(network, one, `${index}`);
  network.storeMs = [5, 15];
  network.start(three);
  for (let index = 0; index < 100; index++) {
    network.ask(one, 100 + index, network.wish(`w${index}`));
    network.run(20);
  }
  assert.is(network.status(three)?.state, "current");
  network.run(1_000);
  assert.is(network.seat(one).answers.filter(({ answer }) => answer.kind !== "changed").length, 0);
  assertEqual(network);
});

test("changes that only one card has are set aside when the others have gone on without it", () => {
  const network = begun(3);
  written(network, one, "shared");
  // Its last change is durable on card 3 alone: the others go down before their stores have it.
  network.seat(one).store.latencyMs = 1_000;
  network.hold = new Set([one, two]);
  network.ask(three, 1, network.wish("alone"));
  network.run(40);
  network.crash(one, two, three);
  network.hold = new Set();
  assert.is(network.seat(three).store.head.sequence, 3);
  network.start(one, two);
  network.run(5_000);
  assert.is(written(network, one, "later")?.kind, "changed");
  network.start(three);
  network.run(5_000);
  assertEqual(network);
  const [branch] = network.status(three)?.branches ?? [];
  assert.is(branch?.changes, 1);
  assert.ok(network.seat(three).alarms.has(`configuration-branch ${branch?.id}`));
  network.ask(three, 9, { kind: "discardBranch", id: branch?.id ?? "" });
  network.run(100);
  assert.is(network.answerOf(three, 9)?.kind, "discarded");
  assert.equal(network.status(three)?.branches, []);
  assert.is(network.seat(three).alarms.size, 0);
});

test("a change of a row that nobody made is found by a check, and repaired from another card", () => {
  const network = begun(3);
  for (let index = 0; index < 5; index++) written(network, one, `${index}`);
  network.seat(two).store.corruptRow(() => 0);
  network.ask(two, 1, { kind: "check", repair: false });
  network.run(100);
  const found = network.answerOf(two, 1);
  assert.ok(found?.kind === "checked" && found.findings.length > 0 && !found.repaired);
  assert.is(network.status(two)?.state, "hold");
  assert.is(network.status(two)?.code, "corrupt");
  assert.is(written(network, one, "meanwhile")?.kind, "changed");
  network.ask(two, 2, { kind: "check", repair: true });
  network.ask(two, 9, { kind: "check", repair: true });
  network.run(3_000);
  const repaired = network.answerOf(two, 2);
  assert.ok(repaired?.kind === "checked" && repaired.repaired, JSON.stringify(repaired));
  assert.equal(network.answerOf(two, 9), repaired, "who asked at the same time is told the same");
  assertEqual(network);
});

test("a change planned upon a damaged database is taken back, and only the card that planned it is in hold", () => {
  for (const count of [2, 3, 5]) {
    const network = begun(count);
    for (let index = 0; index < 5; index++) written(network, one, `${index}`);
    network.seat(two).store.corruptRow(() => 0);
    const ids = [0, 1, 2, 3, 4].map((index) => `h-${index}`);
    const operations = ids.map((id) => ({ kind: "put" as const, table: "hosts", row: { id, note: "new" } }));
    network.ask(two, 1, { kind: "change", wish: { author: "a", comment: "", key: "k", operations } });
    network.ask(one, 2, network.wish("right"));
    network.run(2_000);
    assert.is(network.status(two)?.code, "corrupt", `${count} cards: ${network.status(two)?.state}`);
    assert.is(network.answerOf(one, 2)?.kind, "changed");
    for (const card of network.cards) if (card !== two) assert.is(network.status(card)?.state, "current", `card ${card} of ${count}`);
    network.ask(two, 3, { kind: "check", repair: true });
    network.run(3_000);
    assertEqual(network);
  }
});

test("the level rises when all cards can store it, and a card that cannot is too old", () => {
  const old = begun(3, 1, (card) => card === three ? 0 : undefined);
  assert.is(old.status(three)?.state === "hold" ? old.status(three)?.code : old.status(one)?.level, 0);
  const network = new ReplicaNetwork(cardsOf(3), 1, (card) => card === three ? 0 : undefined);
  network.start(one, two);
  network.run(4_000);
  assert.ok((network.status(one)?.level ?? 0) >= 1);
  network.start(three);
  network.run(1_000);
  assert.is(network.status(three)?.code, "too-old");
  assert.is(written(network, one, "a")?.kind, "changed");
});

test("a heartbeat that says the same change with another hash is an alarm at once, one that lags is none", () => {
  const network = begun(3);
  for (let index = 0; index < 40; index++) written(network, one, `${index}`);
  network.run(1_000);
  const chain = network.seat(one).store.chain();
  const head = network.seat(one).store.head;
  const beat = (digest: number) => network.feed(one, { kind: "beat", from: two, head: digest });
  beat(digestOf(head));
  const lagging = chain[chain.length - 17];
  assert.is(lagging?.sequence, head.sequence - 16);
  if (lagging !== undefined) beat(digestOf(lagging));
  beat(digestOf({ ...head, sequence: head.sequence - 1 }));
  assert.is(network.seat(one).alarms.size, 0);
  beat(digestOf(head) ^ 1);
  assert.equal([...network.seat(one).alarms.keys()], [`configuration-divergent ${two}`]);
  beat(digestOf(head));
  assert.is(network.seat(one).alarms.size, 0);
});

test.run();
