/** How long a card believes that it holds the witness, and what it asks for when: in virtual time. */
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Prng } from "../../src/base/prng.ts";
import { WitnessLease, type WitnessLeaseInput, type WitnessLeaseOutput, type WitnessRequest } from "../../src/io/witness-lease.ts";

const ttlMs = 6_000;
const failed: WitnessLeaseInput = { kind: "failed", reason: "refused" };

/** A lease that is told what a case says, and what it concluded: requests and beliefs as words. */
class Bench {
  readonly lease: WitnessLease;
  readonly logged: string[] = [];

  constructor(endpointCount = 1) {
    this.lease = new WitnessLease(ttlMs, endpointCount);
  }

  at(now: number, input: WitnessLeaseInput): string[] {
    return this.lease.step(now, input).flatMap((output) => {
      if (output.kind !== "log") return output.kind === "held" ? `held ${output.held}` : `${output.request.kind} at ${output.endpoint}`;
      this.logged.push([output.event, ...Object.values(output.fields)].join(" "));
      return [];
    });
  }

  lives(now: number, beganAt: number, lives = ttlMs): string[] {
    return this.at(now, { kind: "lives", lease: "77", beganAt, ttlMs: lives });
  }

  /** Holds it, by a request that began at 0. */
  hold(): void {
    assert.equal(this.at(0, { kind: "wanted", wanted: true }), ["grant at 0"]);
    assert.equal(this.lives(10, 0), ["take at 0"]);
    assert.equal(this.at(20, { kind: "taken" }), ["held true"]);
  }
}

test("nothing is asked before it is wanted", () => {
  const { lease } = new Bench();
  assert.is(lease.deadline(), Infinity);
  assert.equal(lease.step(5, { kind: "tick" }), []);
  assert.ok(lease.isIdle);
});

test("HA-5: it is believed for two thirds of the lease, counted from the beginning of the request that proved it", () => {
  const bench = new Bench();
  assert.equal(bench.at(0, { kind: "wanted", wanted: true }), ["grant at 0"]);
  assert.is(bench.lease.deadline(), Infinity, "while it is asking nothing is due");
  assert.equal(bench.lives(1_400, 100), ["take at 0"]);
  assert.equal(bench.at(2_000, { kind: "taken" }), ["held true", "keepAlive at 0"]);
  assert.is(bench.lease.deadline(), 4_100);
  assert.equal(bench.at(4_099, { kind: "tick" }), []);
  assert.equal(bench.at(4_100, { kind: "tick" }), ["held false"]);
  // The server may have given less than was asked for; then that counts, and more never does.
  const short = new Bench();
  short.at(0, { kind: "wanted", wanted: true });
  short.lives(0, 0, 3_000);
  short.at(0, { kind: "taken" });
  assert.equal(short.at(1_999, { kind: "tick" }), ["keepAlive at 0"]);
  assert.equal(short.at(2_000, { kind: "tick" }), ["held false"]);
  const long = new Bench();
  long.at(0, { kind: "wanted", wanted: true });
  long.lives(0, 0, 60_000);
  long.at(0, { kind: "taken" });
  assert.equal(long.at(4_000, { kind: "tick" }), ["held false", "keepAlive at 0"]);
});

test("an answer that comes when its time is over proves nothing", () => {
  const bench = new Bench();
  bench.at(0, { kind: "wanted", wanted: true });
  bench.lives(10, 0);
  assert.equal(bench.at(4_000, { kind: "taken" }), ["keepAlive at 0"]);
});

test("it is renewed every fifth of the lease, and each time the key is asked for", () => {
  const bench = new Bench();
  bench.hold();
  assert.is(bench.lease.deadline(), 1_200);
  assert.equal(bench.at(1_199, { kind: "tick" }), []);
  assert.equal(bench.at(1_200, { kind: "tick" }), ["keepAlive at 0"]);
  assert.equal(bench.lives(1_300, 1_200), ["take at 0"]);
  assert.equal(bench.at(1_310, { kind: "taken" }), []);
  assert.is(bench.lease.deadline(), 2_400);
  assert.equal(bench.at(4_100, { kind: "tick" }), ["keepAlive at 0"], "the belief of before was prolonged");
  assert.equal(bench.logged, ["witness held"]);
});

test("a renewal alone prolongs nothing: the key may be another's by now", () => {
  const bench = new Bench();
  bench.hold();
  bench.at(1_200, { kind: "tick" });
  bench.lives(1_300, 1_200);
  assert.is(bench.lease.deadline(), 4_000);
  assert.equal(bench.at(1_400, { kind: "occupied", by: "card 2" }), ["held false"]);
  assert.equal(bench.logged, ["witness held", "witness no longer held card 2 holds it", "witness occupied card 2"]);
  // The next one that finds it occupied by the same card says nothing.
  bench.at(2_400, { kind: "tick" });
  bench.lives(2_500, 2_400);
  assert.equal(bench.at(2_510, { kind: "occupied", by: "card 2" }), []);
  assert.is(bench.logged.length, 3);
  bench.at(3_600, { kind: "tick" });
  bench.lives(3_610, 3_600);
  assert.equal(bench.at(3_620, { kind: "taken" }), ["held true"]);
});

test("a lease that is gone is the end at once, and a new one is asked for a little later", () => {
  for (const isTaking of [false, true]) {
    const bench = new Bench();
    bench.hold();
    bench.at(1_200, { kind: "tick" });
    if (isTaking) bench.lives(1_210, 1_200);
    assert.equal(bench.at(1_220, { kind: "gone" }), ["held false"]);
    assert.equal(bench.at(1_819, { kind: "tick" }), []);
    assert.equal(bench.at(1_820, { kind: "tick" }), ["grant at 0"]);
  }
});

test("endpoints are tried in turn, the one that answers is kept, and after a round there is a pause", () => {
  const bench = new Bench(3);
  assert.equal(bench.at(0, { kind: "wanted", wanted: true }), ["grant at 0"]);
  assert.equal(bench.at(1, failed), ["grant at 1"]);
  assert.equal(bench.at(2, failed), ["grant at 2"]);
  assert.equal(bench.at(3, failed), []);
  assert.is(bench.lease.deadline(), 603);
  assert.equal(bench.at(603, { kind: "tick" }), ["grant at 0"]);
  assert.equal(bench.at(604, failed), ["grant at 1"]);
  assert.equal(bench.lives(605, 604), ["take at 1"]);
  // A take that failed may have been done: the lease is proven anew before the key is asked for again.
  assert.equal(bench.at(606, failed), ["keepAlive at 2"]);
  assert.equal(bench.lives(607, 606), ["take at 2"]);
  assert.equal(bench.at(608, { kind: "taken" }), ["held true"]);
  assert.equal(bench.at(606 + 1_200, { kind: "tick" }), ["keepAlive at 2"]);
  // An answer ended the round of before.
  assert.equal(bench.at(1_810, failed), ["keepAlive at 0"]);
  assert.equal(bench.at(1_811, failed), ["keepAlive at 1"]);
  assert.equal(bench.at(1_812, failed), []);
});

test("failures are told once a minute, however many there are", () => {
  const bench = new Bench();
  bench.at(0, { kind: "wanted", wanted: true });
  for (let now = 0; now < 120_000; now += 600) {
    bench.at(now, failed);
    bench.at(now + 600, { kind: "tick" });
  }
  assert.equal(bench.logged, ["witness unreachable refused", "witness unreachable refused"]);
});

test("failures do not take it away before its time, and a late success gives it back", () => {
  const bench = new Bench();
  bench.hold();
  const said: string[] = [];
  for (let now = 1_200; now < 5_000; now += 100) {
    said.push(...bench.at(now, { kind: "tick" }).map((word) => `${now} ${word}`), ...bench.at(now + 50, failed));
  }
  assert.equal(said.filter((word) => word.includes("held")), ["4000 held false"]);
  assert.ok(bench.lease.deadline() <= 5_600);
  assert.equal(bench.at(5_600, { kind: "tick" }), ["keepAlive at 0"]);
  bench.lives(5_700, 5_600);
  assert.equal(bench.at(5_710, { kind: "taken" }), ["held true"]);
});

test("what is not wanted any more is given back at once, and left to itself when nobody answers", () => {
  const bench = new Bench(2);
  bench.hold();
  assert.equal(bench.at(100, { kind: "wanted", wanted: false }), ["held false", "revoke at 0"]);
  assert.not(bench.lease.isIdle);
  assert.equal(bench.at(110, { kind: "gone" }), []);
  assert.ok(bench.lease.isIdle);
  assert.is(bench.lease.deadline(), Infinity);

  bench.at(10_000, { kind: "wanted", wanted: true });
  bench.lives(10_010, 10_000);
  bench.at(10_020, { kind: "taken" });
  bench.at(10_030, { kind: "wanted", wanted: false });
  assert.equal(bench.at(10_040, failed), ["revoke at 1"]);
  assert.equal(bench.at(10_050, failed), []);
  assert.ok(bench.lease.isIdle);
});

test("who changes his mind while a request is under way waits for its answer", () => {
  const granting = new Bench();
  granting.at(0, { kind: "wanted", wanted: true });
  assert.equal(granting.at(10, { kind: "wanted", wanted: false }), []);
  assert.not(granting.lease.isIdle);
  assert.equal(granting.lives(20, 0), ["revoke at 0"]);
  assert.equal(granting.at(30, { kind: "wanted", wanted: true }), []);
  assert.equal(granting.at(40, { kind: "gone" }), []);
  assert.equal(granting.at(640, { kind: "tick" }), ["grant at 0"]);

  const taking = new Bench();
  taking.at(0, { kind: "wanted", wanted: true });
  taking.lives(10, 0);
  taking.at(15, { kind: "wanted", wanted: false });
  assert.equal(taking.at(20, { kind: "taken" }), [], "it is not held when nobody wants it");
  assert.equal(taking.at(taking.lease.deadline(), { kind: "tick" }), ["revoke at 0"]);
});

/** An etcd with one key, on true time. Leases end as soon as they may. */
class Etcd {
  readonly #leases = new Map<string, number>();
  #key: { lease: string; by: string } | undefined;
  #count = 0;

  answer(at: number, request: WitnessRequest, by: string): WitnessLeaseInput {
    for (const [lease, endsAt] of this.#leases) if (at >= endsAt) this.#end(lease);
    if (request.kind === "grant") {
      const lease = String(++this.#count);
      this.#leases.set(lease, at + ttlMs);
      return { kind: "lives", lease, beganAt: 0, ttlMs };
    }
    const { lease } = request;
    if (!this.#leases.has(lease)) return { kind: "gone" };
    switch (request.kind) {
      case "keepAlive":
        this.#leases.set(lease, at + ttlMs);
        return { kind: "lives", lease, beganAt: 0, ttlMs };
      case "take":
        this.#key ??= { lease, by };
        return this.#key.lease === lease ? { kind: "taken" } : { kind: "occupied", by: this.#key.by };
      case "revoke":
        this.#end(lease);
        return { kind: "gone" };
    }
  }

  #end(lease: string): void {
    this.#leases.delete(lease);
    if (this.#key?.lease === lease) this.#key = undefined;
  }
}

type Faults = { readonly lossShare: number; readonly delayMs: number; readonly stalls: boolean };

/** Two cards with clocks of their own against one etcd: for how long each held it, and how often the holder changed. */
function contend(seed: number, faults: Faults): { heldMs: number; changes: number } {
  const prng = new Prng(seed);
  const etcd = new Etcd();
  const stepMs = 20;
  const cards = [1, 2].map((card) => ({
    name: `card ${card}`,
    lease: new WitnessLease(ttlMs, 1),
    rate: 1 + (prng.below(201) - 100) / 1_000,
    offset: prng.below(1_000_000),
    isHeld: false,
    asleepUntil: 0,
    /** What is under way to the card: when it comes, on true time, and when its patience ends, on its own. */
    answers: [] as { dueAt: number; input: WitnessLeaseInput }[],
    toServer: [] as { dueAt: number; request: WitnessRequest; beganAt: number; givenUpAt: number }[],
  }));
  type Card = (typeof cards)[number];
  const nowOf = (card: Card, at: number) => card.offset + at * card.rate;
  const take = (card: Card, at: number, outputs: WitnessLeaseOutput[]) => {
    for (const output of outputs) {
      if (output.kind === "held") card.isHeld = output.held;
      if (output.kind !== "request") continue;
      const beganAt = nowOf(card, at);
      const givenUpAt = at + card.lease.requestMs / card.rate;
      card.toServer.push({ dueAt: at + prng.below(faults.delayMs + 1), request: output.request, beganAt, givenUpAt });
    }
  };
  let heldMs = 0;
  let changes = 0;
  let last: Card | undefined;
  for (const card of cards) take(card, 0, card.lease.step(nowOf(card, 0), { kind: "wanted", wanted: true }));
  for (let at = 0; at < 120_000; at += stepMs) {
    for (const card of cards) {
      for (const { dueAt, request, beganAt, givenUpAt } of card.toServer.splice(0)) {
        if (at < dueAt) {
          card.toServer.push({ dueAt, request, beganAt, givenUpAt });
          continue;
        }
        const isLost = prng.chance(faults.lossShare);
        const answer = isLost ? undefined : etcd.answer(at, request, card.name);
        const backAt = at + prng.below(faults.delayMs + 1);
        const isHeard = answer !== undefined && !prng.chance(faults.lossShare) && backAt < givenUpAt;
        const input = isHeard ? ("beganAt" in answer ? { ...answer, beganAt } : answer) : failed;
        card.answers.push({ dueAt: isHeard ? backAt : Math.max(at, givenUpAt), input });
      }
      if (faults.stalls && prng.chance(0.001)) card.asleepUntil = at + prng.below(2 * ttlMs);
      if (at < card.asleepUntil) continue;
      // As the edge does: the clock is looked at before anything else.
      if (nowOf(card, at) >= card.lease.deadline()) take(card, at, card.lease.step(nowOf(card, at), { kind: "tick" }));
      for (const answer of card.answers.splice(0)) {
        if (at < answer.dueAt) card.answers.push(answer);
        else take(card, at, card.lease.step(nowOf(card, at), answer.input));
      }
      if (prng.chance(0.0005)) {
        for (const wanted of [false, true]) take(card, at, card.lease.step(nowOf(card, at), { kind: "wanted", wanted }));
      }
    }
    const holders = cards.filter((card) => card.isHeld && at >= card.asleepUntil);
    assert.ok(holders.length <= 1, `seed ${seed}: both hold it at ${at} ms`);
    if (holders.length === 1) heldMs += stepMs;
    if (holders[0] !== undefined && holders[0] !== last) changes++;
    last = holders[0] ?? last;
  }
  return { heldMs, changes };
}

test("HA-5: two cards never hold it at once, whatever is lost, late or stopped, with clocks a tenth off", () => {
  let changes = 0;
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 0xffffffff }),
      fc.record({ lossShare: fc.constantFrom(0, 0.1, 0.5), delayMs: fc.constantFrom(0, 200, 1_500), stalls: fc.boolean() }),
      (seed, faults) => {
        changes += contend(seed, faults).changes;
      },
    ),
    { numRuns: 60 },
  );
  assert.ok(changes > 60, `the holder changed only ${changes} times`);
});

test("without faults somebody holds it nearly all the time", () => {
  const { heldMs } = contend(7, { lossShare: 0, delayMs: 20, stalls: false });
  assert.ok(heldMs > 110_000, `${heldMs} ms of 120000`);
});

test.run();
