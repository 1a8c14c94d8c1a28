import { test } from "uvu";
import * as assert from "uvu/assert";
import process from "node:process";
import { cardAt, type CardId } from "../../src/base/ids.ts";
import { Prng } from "../../src/base/prng.ts";
import { ReplicaNetwork } from "./replica-network.ts";

const seeds = Number(process.env["SEEDS"] ?? 25);
const first = Number(process.env["SEED"] ?? 1);

type Told = { readonly key: string; readonly hash: string };

/** Cards write, crash, come back, are cut off from each other's messages, while their stores are fast or slow. */
function chaos(seed: number): void {
  const prng = new Prng(seed);
  const count = prng.pick([2, 3, 3, 4, 5]);
  const cards = Array.from({ length: count }, (_, index) => cardAt(1, index + 1));
  const network = new ReplicaNetwork(cards, seed);
  network.storeMs = prng.pick([[0.1, 1], [1, 20], [0.1, 60]]);
  network.orderMs = prng.pick([[0.5, 3], [2, 30]]);
  const told = new Map<string, Told>();
  let client = 0;
  const asked = new Map<number, { readonly card: CardId; readonly key: string }>();
  network.start(...cards.slice(0, prng.chance(0.5) ? count : Math.floor(count / 2) + 1));
  for (let round = 0; round < 60; round++) {
    const card = prng.pick(cards);
    const isRunning = network.running.includes(card);
    const act = prng.below(10);
    if (act < 6 && isRunning) {
      for (let times = 1 + prng.below(4); times > 0; times--) {
        const key = `k${++client}`;
        asked.set(client, { card, key });
        network.ask(card, client, network.wish(`${prng.below(12)}`, { key, comment: key }));
      }
    } else if (act < 8) {
      if (!isRunning) network.start(card);
      else if ((network.running.length - 1) * 2 > count || prng.chance(0.3)) network.crash(card);
    } else if (act === 8 && prng.chance(0.2)) {
      network.crash(...network.running);
    } else if (act === 8) network.isLost = prng.chance(0.5) ? () => false : () => prng.chance(0.4);
    network.run(prng.pick([1, 5, 20, 100, 700]));
  }
  network.isLost = () => false;
  const down = cards.filter((card) => !network.running.includes(card));
  if (down.length > 0) network.start(...down);
  network.run(15_000);
  for (const card of cards) {
    for (const { client: number, answer } of network.seat(card).answers) {
      const { key } = asked.get(number) as { key: string };
      if (answer.kind === "changed") told.set(key, { key, hash: answer.head.hash.toHex() });
    }
  }
  const one = network.seat(cards[0] as CardId).store;
  const chain = new Map(one.chain().map((change) => [change.key, change.hash.toHex()]));
  const hashes = new Set(one.chain().map(({ hash }) => hash.toHex()));
  for (const card of cards) {
    const status = network.status(card);
    assert.is(status?.state, "current", `seed ${seed}: card ${card} is ${status?.state}: ${status?.reason}`);
    assert.is(network.seat(card).store.dumpHash(), one.dumpHash(), `seed ${seed}: card ${card} has another database`);
  }
  for (const { key, hash } of told.values()) {
    assert.ok(hashes.has(hash), `seed ${seed}: ${key} was acknowledged and is not in the chain`);
    if (chain.has(key)) assert.is(chain.get(key), hash, `seed ${seed}: ${key} was acknowledged as another change`);
  }
  const keys = one.chain().map(({ key }) => key).filter((key) => key !== "");
  assert.is(new Set(keys).size, keys.length, `seed ${seed}: a key was carried out twice`);
  const answered = new Set(cards.flatMap((card) => network.seat(card).answers.map(({ client: number }) => number)));
  const last = [...asked].filter(([number, { card }]) => !answered.has(number) && network.seat(card).incarnation === 1);
  assert.equal(last, [], `seed ${seed}: nobody answered`);
}

for (let seed = first; seed < first + seeds; seed++) {
  test(`FS-4: acknowledged changes survive, and equal heads are equal tables (seed ${seed})`, () => chaos(seed));
}

test.run();
