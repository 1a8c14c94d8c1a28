/**
 * What every store of the configuration does for its replica, over the real one and the simulated one. Orders are given one at a time
 * and their results awaited, but where a property is about just that.
 */
import * as assert from "uvu/assert";
import { hex } from "../../src/base/hex.ts";
import type { CardId } from "../../src/base/ids.ts";
import { emptyHead, isSameHead, levelChangeset, linked } from "../../src/config/chain.ts";
import type { Change, Head, Operation, Proposal, Wish } from "../../src/config/change.ts";
import type { Planned, StoreOrder, StoreResult } from "../../src/config/store.ts";
import { type Skips, Suite, type Tester } from "./world.ts";

type WithoutNumber<Order> = Order extends StoreOrder ? Omit<Order, "order"> : never;
export type Ordered = WithoutNumber<StoreOrder>;
type Result<Kind extends StoreResult["kind"]> = Extract<StoreResult, { readonly kind: Kind }>;

/** A store with its disk. */
export type StorePlace = {
  order(order: Ordered): Promise<StoreResult>;
  /** Ends the store as a power cut does, and starts another one on the same disk; it is not open yet. */
  cutPower(): Promise<void>;
  /** Ends it in good order, and starts another one on the same disk. */
  restart(): Promise<void>;
  /** Everything in its tables, the chain among them, in one order and form. */
  dump(): Promise<string>;
};

export type StoreWorld = {
  makePlace(): Promise<StorePlace>;
  end(): Promise<void>;
};

const card = 1 as CardId;

export function wish(key: string, operations: readonly Operation[], more: Partial<Wish> = {}): Wish {
  return { author: "operator", comment: "", key, operations, ...more };
}

export function host(id: string, note: string | null = null): Operation {
  return { kind: "put", table: "hosts", row: { id, note } };
}

/** Bytes of a piece that is carried from one place to another. */
const pieceBytes = 700;

/** Drives a place as a replica would: plans, links, commits. */
export class StoreDriver {
  readonly place: StorePlace;
  head: Head = emptyHead;
  epoch = 1;

  constructor(place: StorePlace) {
    this.place = place;
  }

  async ask<Kind extends StoreResult["kind"]>(kind: Kind, order: Ordered): Promise<Result<Kind>> {
    const result = await this.place.order(order);
    if (result.kind !== kind) throw new Error(`${order.kind} was answered with ${JSON.stringify(result)}, not ${kind}`);
    return result as Result<Kind>;
  }

  async open(): Promise<Result<"opened">> {
    const opened = await this.ask("opened", { kind: "open" });
    this.head = opened.head;
    return opened;
  }

  /** Opens an empty place and brings it to level 1. */
  async begin(): Promise<void> {
    await this.open();
    const changeset = levelChangeset(1);
    await this.commit({ kind: "migrate", author: "card 1/1", comment: "", key: "", card, time: 0, changeset });
  }

  async plan(...wishes: Wish[]): Promise<readonly Planned[]> {
    return (await this.ask("planned", { kind: "plan", wishes, card })).outcomes;
  }

  async proposal(wished: Wish): Promise<Proposal> {
    const [outcome] = await this.plan(wished);
    if (outcome?.kind !== "planned") throw new Error(`the wish is ${JSON.stringify(outcome)}`);
    return outcome.proposal;
  }

  async commit(...proposals: Proposal[]): Promise<Change[]> {
    const changes: Change[] = [];
    for (const proposal of proposals) changes.push(linked(changes.at(-1) ?? this.head, this.epoch, proposal));
    const { head } = await this.ask("committed", { kind: "commit", changes });
    assert.ok(isSameHead(head, changes.at(-1) as Change), "the head is the last change");
    this.head = head;
    return changes;
  }

  async change(wished: Wish): Promise<Change> {
    return (await this.commit(await this.proposal(wished)))[0] as Change;
  }

  async changeTimes(count: number, prefix = "t"): Promise<Change[]> {
    const made: Change[] = [];
    for (let index = 0; index < count; index++) {
      made.push(await this.change(wish(`${prefix}${index}`, [host(`${prefix}${index % 5}`, `note ${index}`)])));
    }
    return made;
  }

  /** Carries a snapshot of `from` here, piece by piece; gives what announced it. */
  async receive(from: StoreDriver, name: string): Promise<Result<"snapshot">> {
    const made = await from.ask("snapshot", { kind: "snapshot", name });
    let { upTo } = await this.ask("written", { kind: "resumeSnapshot", name });
    while (upTo < made.bytes) {
      const { data } = await from.ask("piece", { kind: "readSnapshot", name, offset: upTo, bytesMax: pieceBytes });
      ({ upTo } = await this.ask("written", { kind: "writeSnapshot", name, offset: upTo, data }));
    }
    return made;
  }

  /** Takes over changes that another place has. */
  async follow(changes: readonly Change[]): Promise<void> {
    this.head = (await this.ask("committed", { kind: "commit", changes })).head;
  }
}

export function configStoreConformance(test: Tester, name: string, make: () => Promise<StoreWorld>, skips: Skips): void {
  const suite = new Suite(test, `configuration store, ${name}`, make, skips);

  /** A driver of a new place at level 1. */
  async function begun(world: StoreWorld): Promise<StoreDriver> {
    const driver = new StoreDriver(await world.makePlace());
    await driver.begin();
    return driver;
  }

  suite.property("an empty store has the empty head and level 0", async (world) => {
    const opened = await new StoreDriver(await world.makePlace()).open();
    assert.equal([opened.head.sequence, opened.head.epoch, hex(opened.head.hash)], [0, 0, "00".repeat(32)]);
    assert.equal([opened.level, opened.first, opened.branches.length], [0, 1, 0]);
    assert.ok(opened.levelMax >= 1);
  });

  suite.property("what is planned changes nothing until it is committed", async (world) => {
    const driver = await begun(world);
    const before = await driver.place.dump();
    const proposal = await driver.proposal(wish("a", [host("h1")]));
    assert.is(await driver.place.dump(), before);
    await driver.commit(proposal);
    assert.is.not(await driver.place.dump(), before);
  });

  suite.property("a wish without effect is planned with an empty changeset", async (world) => {
    const driver = await begun(world);
    await driver.change(wish("a", [host("h1", "one")]));
    assert.is((await driver.proposal(wish("b", [host("h1", "one")]))).changeset.length, 0);
  });

  suite.property("wishes that are planned together build upon each other, and apply together or in parts", async (world) => {
    const driver = await begun(world);
    const outcomes = await driver.plan(
      wish("a", [host("h1")]),
      wish("b", [{ kind: "remove", table: "hosts", id: "none" }]),
      wish("c", [host("h1", "x")]),
    );
    assert.equal(outcomes.map(({ kind }) => kind), ["planned", "refused", "planned"]);
    const proposals = outcomes.flatMap((outcome) => outcome.kind === "planned" ? [outcome.proposal] : []);
    const together = await driver.commit(...proposals);
    const other = await begun(world);
    assert.ok(isSameHead(together[0] as Change, linked(other.head, 1, proposals[0] as Proposal)));
    for (const change of together) await other.follow([change]);
    assert.is(await other.place.dump(), await driver.place.dump());
  });

  suite.property("a key that the chain knows gives the earlier change, of the same author alone", async (world) => {
    const driver = await begun(world);
    const change = await driver.change(wish("once", [host("h1")]));
    const outcomes = await driver.plan(wish("once", [host("h2")]), wish("once", [host("h2")], { author: "other" }), wish("", [host("h3")]));
    assert.equal(outcomes.map(({ kind }) => kind), ["known", "planned", "planned"]);
    assert.ok(outcomes[0]?.kind === "known" && isSameHead(outcomes[0].head, change));
  });

  suite.property("the same key twice in one plan is planned once", async (world) => {
    const driver = await begun(world);
    const outcomes = await driver.plan(wish("once", [host("h1")]), wish("once", [host("h1")]));
    assert.equal(outcomes.map(({ kind }) => kind), ["planned", "refused"]);
  });

  suite.property("a wish that expects another head is refused", async (world) => {
    const driver = await begun(world);
    const expected = driver.head.hash;
    assert.is((await driver.plan(wish("a", [host("h1")], { expected })))[0]?.kind, "planned");
    const together = await driver.plan(wish("a", [host("h1")]), wish("b", [host("h2")], { expected }));
    assert.equal(together.map(({ kind }) => kind), ["planned", "refused"]);
    await driver.change(wish("c", [host("h3")]));
    const [outcome] = await driver.plan(wish("a", [host("h1")], { expected }));
    assert.ok(outcome?.kind === "refused" && outcome.refusal.code === "conflict");
  });

  suite.property("what the rules refuse is refused with its operation", async (world) => {
    const driver = await begun(world);
    const [outcome] = await driver.plan(wish("a", [host("h1"), { kind: "put", table: "cards", row: { id: "1/1" } }]));
    assert.ok(
      outcome?.kind === "refused" && outcome.refusal.code === "invalid" && outcome.refusal.operation === 1,
      JSON.stringify(outcome),
    );
  });

  suite.property("what was committed survives a power cut, and stores that follow are equal", async (world) => {
    const driver = await begun(world);
    const other = await begun(world);
    for (let index = 0; index < 5; index++) {
      await other.follow([await driver.change(wish(`k${index}`, [host(`h${index % 3}`, `note ${index}`)]))]);
    }
    const dump = await driver.place.dump();
    assert.is(await other.place.dump(), dump);
    await driver.place.cutPower();
    assert.ok(isSameHead((await driver.open()).head, other.head));
    assert.is(await driver.place.dump(), dump);
    await driver.place.restart();
    assert.ok(isSameHead((await driver.open()).head, other.head));
    assert.is(await driver.place.dump(), dump);
  });

  suite.property("changes come back as they were given, as many as fit and at least one", async (world) => {
    const driver = await begun(world);
    const made: Change[] = [];
    for (let index = 0; index < 4; index++) made.push(await driver.change(wish(`k${index}`, [host(`h${index}`, "x".repeat(100))])));
    const all = await driver.ask("changes", { kind: "changes", after: 1, bytesMax: 1_000_000 });
    assert.equal(all.changes.map(plain), made.map(plain));
    assert.is(all.bytesLeft, 0);
    const one = await driver.ask("changes", { kind: "changes", after: 1, bytesMax: 1 });
    assert.equal(one.changes.map(plain), made.slice(0, 1).map(plain));
    assert.ok(one.bytesLeft > 0);
    assert.is((await driver.ask("changes", { kind: "changes", after: 5, bytesMax: 1 })).changes.length, 0);
    // Texts count as much as changesets.
    for (const key of ["said", "again"]) await driver.change(wish(key, [host("h0", key)], { comment: "c".repeat(900) }));
    assert.is((await driver.ask("changes", { kind: "changes", after: 5, bytesMax: 2_000 })).changes.length, 1);
  });

  suite.property("hashes are given of the sequences that the chain has", async (world) => {
    const driver = await begun(world);
    const change = await driver.change(wish("a", [host("h1")]));
    const { heads, first } = await driver.ask("hashes", { kind: "hashes", sequences: [0, 2, 3] });
    assert.is(first, 1);
    assert.equal(heads.map(({ sequence, epoch, hash }) => [sequence, epoch, hex(hash)]), [[2, 1, hex(change.hash)]]);
  });

  suite.property("a change that does not fit is proof that the tables differ, and leaves nothing behind", async (world) => {
    const driver = await begun(world);
    const other = await begun(world);
    await driver.change(wish("a", [host("h1", "ours")]));
    await other.change(wish("b", [host("h1", "theirs")]));
    const dump = await other.place.dump();
    const right = await driver.proposal(wish("c", [host("h2")]));
    const wrong = await driver.proposal(wish("d", [host("h1", "new")]));
    const first = linked(other.head, 2, right);
    const failed = await other.ask("failed", { kind: "commit", changes: [first, linked(first, 2, wrong)] });
    assert.is(failed.fault.code, "divergent");
    assert.is((await other.ask("failed", { kind: "hashes", sequences: [1] })).fault.code, "divergent");
    assert.is((await other.open()).head.sequence, 2);
    assert.is(await other.place.dump(), dump);
  });

  suite.property("a change that does not follow on the head is not taken", async (world) => {
    const driver = await begun(world);
    const proposal = await driver.proposal(wish("a", [host("h1")]));
    const right = linked(driver.head, 1, proposal);
    for (const changes of [[linked(right, 1, proposal)], [{ ...right, comment: "forged" }], [{ ...right, epoch: 0 }]]) {
      assert.is((await driver.ask("failed", { kind: "commit", changes })).fault.code, "divergent");
      await driver.open();
    }
    await driver.follow([right]);
  });

  suite.property("a snapshot makes an empty store, and one that has its own, equal to where it comes from", async (world) => {
    const from = await begun(world);
    await from.changeTimes(20);
    for (const isEmpty of [true, false]) {
      const to = new StoreDriver(await world.makePlace());
      if (isEmpty) await to.open();
      else {
        await to.begin();
        await to.changeTimes(3, "other");
      }
      const made = await to.receive(from, "copy");
      assert.ok(isSameHead(made.head, from.head));
      const opened = await to.ask("opened", { kind: "installSnapshot", name: "copy", sha256: made.sha256 });
      assert.ok(isSameHead(opened.head, from.head));
      assert.is(await to.place.dump(), await from.place.dump());
      to.head = opened.head;
      await from.follow([await to.change(wish(`after ${isEmpty}`, [host("later")]))]);
      await to.place.cutPower();
      assert.ok(isSameHead((await to.open()).head, from.head));
      assert.is(await to.place.dump(), await from.place.dump());
    }
  });

  suite.property("a snapshot is of one moment, whatever is committed while it is read", async (world) => {
    const from = await begun(world);
    await from.changeTimes(10);
    const dump = await from.place.dump();
    const made = from.ask("snapshot", { kind: "snapshot", name: "copy" });
    const committed = from.changeTimes(10, "later");
    const { head, sha256, bytes } = await made;
    await committed;
    const to = new StoreDriver(await world.makePlace());
    await to.open();
    for (let offset = 0; offset < bytes; offset += pieceBytes) {
      const { data } = await from.ask("piece", { kind: "readSnapshot", name: "copy", offset, bytesMax: pieceBytes });
      await to.ask("written", { kind: "writeSnapshot", name: "copy", offset, data });
    }
    assert.ok(isSameHead((await to.ask("opened", { kind: "installSnapshot", name: "copy", sha256 })).head, head));
    assert.is(await to.place.dump(), dump);
  });

  suite.property("pieces of a snapshot come in any order, and what has come outlives a power cut", async (world) => {
    const from = await begun(world);
    await from.changeTimes(20);
    const made = await from.ask("snapshot", { kind: "snapshot", name: "copy" });
    const to = new StoreDriver(await world.makePlace());
    await to.open();
    const write = async (offset: number) => {
      const { data } = await from.ask("piece", { kind: "readSnapshot", name: "copy", offset, bytesMax: 100 });
      return (await to.ask("written", { kind: "writeSnapshot", name: "copy", offset, data })).upTo;
    };
    assert.is(await write(100), 0);
    assert.is(await write(0), 200);
    assert.is(await write(100), 200);
    await to.place.restart();
    await to.open();
    assert.is((await to.ask("written", { kind: "resumeSnapshot", name: "copy" })).upTo, 200);
    for (let offset = 200; offset < made.bytes; offset += 100) await write(offset);
    await to.ask("opened", { kind: "installSnapshot", name: "copy", sha256: made.sha256 });
    assert.is(await to.place.dump(), await from.place.dump());
  });

  suite.property("a snapshot that is not what was announced is not taken, and nothing has changed", async (world) => {
    const from = await begun(world);
    await from.changeTimes(5);
    const to = await begun(world);
    const dump = await to.place.dump();
    const made = await to.receive(from, "copy");
    const sha256 = made.sha256.slice();
    sha256[0] = (sha256[0] as number) ^ 1;
    await to.ask("missing", { kind: "installSnapshot", name: "copy", sha256 });
    assert.is((await to.ask("written", { kind: "resumeSnapshot", name: "copy" })).upTo, 0);
    assert.is(await to.place.dump(), dump);
    await to.ask("missing", { kind: "installSnapshot", name: "copy", sha256 });
    await to.change(wish("goes on", [host("h")]));
  });

  suite.property("snapshots that are not there are missing", async (world) => {
    const driver = await begun(world);
    await driver.ask("missing", { kind: "readSnapshot", name: "none", offset: 0, bytesMax: 1 });
    await driver.ask("missing", { kind: "snapshot", name: "../else" });
    await driver.ask("missing", { kind: "readSnapshot", name: "../configuration.db", offset: 0, bytesMax: 1 });
    await driver.ask("dropped", { kind: "dropSnapshot", name: "none" });
    await driver.ask("snapshot", { kind: "snapshot", name: "one" });
    await driver.ask("dropped", { kind: "dropSnapshot", name: "one" });
    await driver.ask("missing", { kind: "readSnapshot", name: "one", offset: 0, bytesMax: 1 });
  });

  suite.property("what is set aside is a branch, and the store is as it was at the change that is shared", async (world) => {
    const ours = await begun(world);
    const theirs = await begun(world);
    for (const change of await theirs.changeTimes(6)) await ours.follow([change]);
    const common = theirs.head;
    // Inserts, updates and removes, so that the way back has all of them.
    await ours.change(wish("a", [host("new"), host("t1", "ours"), { kind: "remove", table: "hosts", id: "t2" }]));
    await ours.change(wish("b", [host("t2", "again"), host("new", "changed")]));
    const head = ours.head;
    const opened = await ours.ask("opened", { kind: "setAside", common });
    assert.ok(isSameHead(opened.head, common));
    assert.equal(opened.branches.map(({ id }) => id), [hex(head.hash).slice(0, 8)]);
    const [branch] = opened.branches;
    assert.ok(branch !== undefined && isSameHead(branch.head, head) && isSameHead(branch.common, common));
    assert.is(await ours.place.dump(), await theirs.place.dump());
    for (const change of await theirs.changeTimes(3, "on")) await ours.follow([change]);
    assert.is(await ours.place.dump(), await theirs.place.dump());
    await ours.place.cutPower();
    assert.equal((await ours.open()).branches.map(({ id }) => id), [branch?.id]);
    assert.is((await ours.ask("discarded", { kind: "discardBranch", id: branch?.id as string })).branches.length, 0);
    await ours.ask("missing", { kind: "discardBranch", id: branch?.id as string });
    await ours.place.restart();
    assert.is((await ours.open()).branches.length, 0);
  });

  suite.property("a store that shares nothing begins anew, with what it had as a branch", async (world) => {
    const driver = await begun(world);
    await driver.changeTimes(2);
    const opened = await driver.ask("opened", { kind: "setAside", common: emptyHead });
    assert.equal([opened.head.sequence, opened.level, opened.branches.length], [0, 0, 1]);
  });

  suite.property("a change that is not in the chain is no place to go back to", async (world) => {
    const driver = await begun(world);
    const [change] = await driver.changeTimes(2);
    await driver.ask("missing", { kind: "setAside", common: { ...change as Change, hash: new Uint8Array(32) } });
    await driver.change(wish("goes on", [host("h")]));
  });

  suite.property("a check of what is right finds nothing", async (world) => {
    const driver = await begun(world);
    await driver.changeTimes(10);
    assert.equal((await driver.ask("checked", { kind: "check" })).findings, []);
    assert.equal((await driver.ask("checked", { kind: "check", scope: "pages" })).findings, []);
    await driver.place.cutPower();
    await driver.open();
    assert.equal((await driver.ask("checked", { kind: "check" })).findings, []);
  });

  suite.property("reset begins with an empty database", async (world) => {
    const driver = await begun(world);
    await driver.changeTimes(2);
    const opened = await driver.ask("opened", { kind: "reset" });
    assert.equal([opened.head.sequence, opened.level], [0, 0]);
    await driver.begin();
    await driver.changeTimes(2);
  });

  suite.close();
}

function plain({ hash, previous, changeset, ...rest }: Change): unknown {
  return { ...rest, hash: hex(hash), previous: hex(previous), changeset: hex(changeset) };
}
