import { test } from "uvu";
import * as assert from "uvu/assert";
import { cardAt } from "../../src/base/ids.ts";
import { ReplicaNetwork } from "./replica-network.ts";

const cards = [1, 2, 3].map((slot) => cardAt(1, slot));
const [one, two, three] = cards as [typeof cards[0], typeof cards[0], typeof cards[0]];

test("FS-4: three replicas that begin with nothing elect each other, rise to their level, and commit a change", () => {
  const network = new ReplicaNetwork(cards);
  network.start(...cards);
  network.run(200);
  for (const card of cards) {
    const status = network.status(card);
    assert.is(status?.state, "current", `card ${card}: ${status?.state} ${status?.reason}`);
    assert.ok((status?.level ?? 0) >= 1);
    assert.equal(status?.replicas, cards);
  }
  network.ask(two, 7, network.wish("first"));
  network.run(50);
  const answer = network.answerOf(two, 7);
  assert.is(answer?.kind, "changed");
  for (const card of cards) assert.is(network.seat(card).store.dumpHash(), network.seat(one).store.dumpHash());
  assert.is(new Set(cards.map((card) => network.status(card)?.head.hash)).size, 1);
  assert.is(answer?.kind === "changed" && answer.head.sequence, 2);
});

void three;
test.run();
