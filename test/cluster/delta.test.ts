// timeout: 120
import { test } from "uvu";
import * as assert from "uvu/assert";
import { cardAt, type CardId, everybody } from "../../src/base/ids.ts";
import { Prng } from "../../src/base/prng.ts";
import { Delta, type DeltaInput, type DeltaMessage, type DeltaOutput } from "../../src/cluster/delta.ts";
import type { NodeView } from "../../src/cluster/view.ts";
import { flushesFruitlessMax, flushResendMs, passResendMs, submitResendMs } from "../../src/limits.ts";

type Sent = { readonly from: CardId; readonly to: CardId; readonly message: DeltaMessage };
type Line = { readonly sequence: number; readonly text: string };

/** One run of a card: a restart makes another. */
type Run = {
  readonly card: CardId;
  readonly incarnation: number;
  readonly delta: Delta;
  /** What it has delivered, in order; views as "view N". A skip begins a new list. */
  log: Line[];
  readonly logs: Line[][];
  sent: number;
  previous: number;
};

const cards = [1, 2, 3, 4, 5].map((slot) => cardAt(1, slot));

class Net {
  now = 0;
  readonly runs = new Map<CardId, Run>();
  readonly wires: { at: number; order: number; sent: Sent }[] = [];
  readonly everyRun: Run[] = [];
  /** Gives whether a message is lost. */
  lose: (sent: Sent) => boolean = () => false;
  latency: () => number = () => 0.1;
  view: NodeView | undefined;
  #order = 0;

  start(card: CardId, incarnation: number): Run {
    const run: Run = { card, incarnation, delta: new Delta(card), log: [], logs: [], sent: 0, previous: 0 };
    run.logs.push(run.log);
    this.runs.set(card, run);
    this.everyRun.push(run);
    return run;
  }

  runOf(card: CardId): Run {
    return this.runs.get(card) as Run;
  }

  step(run: Run, input: DeltaInput): void {
    for (const output of run.delta.step(this.now, input)) this.#perform(run, output);
    for (let round = 0; run.delta.deadline() <= this.now; round++) {
      assert.ok(round < 5, "timers come to rest");
      for (const output of run.delta.step(this.now, { kind: "tick" })) this.#perform(run, output);
    }
  }

  #perform(run: Run, output: DeltaOutput): void {
    switch (output.kind) {
      case "send":
        for (const to of output.to === everybody ? cards : [output.to as CardId]) {
          const sent = { from: run.card, to, message: output.message };
          if (to === run.card || this.lose(sent)) continue;
          this.wires.push({ at: this.now + this.latency(), order: this.#order++, sent });
        }
        break;
      case "delivered":
        run.log.push({ sequence: output.sequence, text: new TextDecoder().decode(output.entry.body) });
        break;
      case "epoch":
        run.log.push({ sequence: output.sequence, text: `view ${output.view.number}` });
        if (output.whole.length === 0) this.step(run, { kind: "whole" });
        break;
      case "skipped":
        run.log = [];
        run.logs.push(run.log);
        break;
      case "stopped":
        break;
      case "stuck":
        this.stuck.push({ card: run.card, at: this.now, reason: output.reason });
        break;
    }
  }

  readonly stuck: { readonly card: CardId; readonly at: number; readonly reason: string }[] = [];

  /** A view that each of its cards is told of, `tell` says when. */
  enter(number: number, ether: readonly CardId[], tell: (card: CardId) => number = () => this.now): void {
    const members = ether.map((card) => {
      const { incarnation, previous } = this.runOf(card);
      return { card, incarnation, previous };
    });
    const view: NodeView = { number, coordinator: ether[0] as CardId, members, ether, absent: [] };
    this.view = view;
    for (const card of ether) {
      const run = this.runOf(card);
      const at = tell(card);
      const inform = (): void => {
        if (this.runs.get(card) !== run) return;
        run.previous = number;
        this.step(run, { kind: "view", view });
      };
      if (at <= this.now) inform();
      else this.later.push({ at, run: inform });
    }
  }

  readonly later: { at: number; run: () => void }[] = [];

  submit(card: CardId, text: string): void {
    const run = this.runOf(card);
    run.sent++;
    this.step(run, { kind: "submit", type: "data", body: new TextEncoder().encode(text) });
  }

  runUntil(until: number): void {
    for (;;) {
      let at = until;
      for (const wire of this.wires) at = Math.min(at, wire.at);
      for (const item of this.later) at = Math.min(at, item.at);
      for (const run of this.runs.values()) at = Math.min(at, Math.max(this.now, run.delta.deadline()));
      this.now = at;
      const due = this.wires.filter((wire) => wire.at <= at).sort((a, b) => a.at - b.at || a.order - b.order);
      for (const wire of due) this.wires.splice(this.wires.indexOf(wire), 1);
      const tasks = this.later.filter((item) => item.at <= at);
      for (const task of tasks) this.later.splice(this.later.indexOf(task), 1);
      if (due.length === 0 && tasks.length === 0 && at >= until && [...this.runs.values()].every((run) => run.delta.deadline() > at)) {
        return;
      }
      for (const task of tasks) task.run();
      for (const { sent } of due) {
        const run = this.runs.get(sent.to);
        if (run !== undefined) this.step(run, { kind: "message", from: sent.from, message: sent.message });
      }
      for (const run of this.runs.values()) if (run.delta.deadline() <= at) this.step(run, { kind: "tick" });
    }
  }
}

function fiveCards(count = 3): Net {
  const net = new Net();
  for (const card of cards.slice(0, count)) net.start(card, 1);
  net.enter(1, cards.slice(0, count));
  net.runUntil(5);
  return net;
}

const texts = (run: Run): string[] => run.log.map(({ text }) => text);

test("HA-8: messages of any initiator come to each card in one order, after a pass around the ring and a commit", () => {
  const net = fiveCards();
  const passed: string[] = [];
  net.lose = ({ from, to, message }) => {
    if (message.kind === "pass" && message.entries.length > 0) passed.push(`${from}>${to}`);
    return false;
  };
  net.submit(cards[1] as CardId, "a");
  net.runUntil(10);
  assert.equal(passed, ["1>2", "2>3", "3>1"]);
  net.submit(cards[2] as CardId, "b");
  net.submit(cards[0] as CardId, "c");
  net.runUntil(20);
  for (const run of net.runs.values()) assert.equal(texts(run).slice(0, 2), ["view 1", "a"]);
  assert.equal(texts(net.runOf(cards[0] as CardId)), texts(net.runOf(cards[1] as CardId)));
  assert.equal(texts(net.runOf(cards[0] as CardId)), texts(net.runOf(cards[2] as CardId)));
  assert.is(texts(net.runOf(cards[0] as CardId)).length, 4);
});

test("HA-8: nothing is delivered before every card holds it", () => {
  const net = fiveCards();
  net.lose = ({ from, message }) => message.kind === "pass" && from === cards[2];
  net.submit(cards[1] as CardId, "a");
  net.runUntil(500);
  for (const run of net.runs.values()) assert.equal(texts(run), ["view 1"]);
  net.lose = () => false;
  net.runUntil(1_000);
  for (const run of net.runs.values()) assert.equal(texts(run), ["view 1", "a"]);
});

test("HA-8: a lost commit is made good by the next pass, which gathers the acknowledgment of all", () => {
  const net = fiveCards();
  net.lose = ({ message }) => message.kind === "commit";
  net.submit(cards[1] as CardId, "a");
  net.runUntil(100);
  for (const run of net.runs.values()) assert.equal(texts(run), ["view 1", "a"]);
});

test("HA-10: a proposal that is lost at any step of the ring is sent again until it is back, and taken once", () => {
  for (const lossy of cards.slice(0, 3)) {
    for (const times of [1, 2, 5]) {
      const net = fiveCards();
      let left = times;
      net.lose = ({ from, message }) => message.kind === "pass" && message.entries.length > 0 && from === lossy && left-- > 0;
      net.submit(cards[1] as CardId, "a");
      net.runUntil(passResendMs * 2 ** times + 500);
      for (const run of net.runs.values()) assert.equal(texts(run), ["view 1", "a"]);
      assert.is(net.runOf(cards[0] as CardId).delta.status().counters.passesResent >= times, true);
    }
  }
});

test("a ring that takes longer than a lost proposal is waited for is learnt: then nothing is sent again, until something is lost", () => {
  const net = fiveCards();
  const [one] = cards as [CardId];
  const { delta } = net.runOf(one);
  net.latency = () => passResendMs / 2;
  const sendFor = (ms: number) => {
    for (const end = net.now + ms; net.now < end;) {
      net.submit(one, "a");
      net.runUntil(net.now + passResendMs);
    }
    return delta.status().counters.passesResent;
  };
  const learning = sendFor(50 * passResendMs);
  assert.ok(learning > 0);
  assert.is(sendFor(100 * passResendMs), learning);
  let isLost = true;
  net.lose = ({ message }) => message.kind === "pass" && isLost;
  assert.is(sendFor(20 * passResendMs) > learning, true);
  isLost = false;
  net.runUntil(net.now + 1_000);
  assert.is(delta.status().pending, 0);
});

test("an initiator sends again what got lost on its way to the coordinator", () => {
  const net = fiveCards();
  let isLost = true;
  net.lose = ({ message }) => message.kind === "submit" && isLost;
  net.submit(cards[1] as CardId, "a");
  net.runUntil(20);
  isLost = false;
  net.runUntil(20 + submitResendMs);
  assert.equal(texts(net.runOf(cards[0] as CardId)), ["view 1", "a"]);
});

test("HA-9: what is only queued at the coordinator when its initiator's card is lost is never sent; what was proposed comes before the view", () => {
  const net = fiveCards(4);
  const [one, two, three, four] = cards as [CardId, CardId, CardId, CardId];
  // The first message is proposed and does not come back from its initiator, who has seen it: the second waits in the queue.
  net.lose = ({ from, message }) => message.kind === "pass" && from === four;
  net.submit(four, "proposed");
  net.runUntil(10);
  net.submit(four, "queued");
  net.runUntil(30);
  net.runs.delete(four);
  net.lose = () => false;
  net.enter(2, [one, two, three]);
  net.runUntil(200);
  for (const run of net.runs.values()) assert.equal(texts(run), ["view 1", "proposed", "view 2"]);
});

test("HA-10: a coordinator that dies with a proposal half way: what any survivor holds is completed, the rest dropped", () => {
  const [one, two, three] = cards as [CardId, CardId, CardId];
  for (const [reaches, expected] of [[true, ["view 1", "a", "view 2"]], [false, ["view 1", "view 2"]]] as const) {
    const net = fiveCards();
    net.lose = ({ from, to, message }) =>
      message.kind === "pass" && message.entries.length > 0 && (from === two || (!reaches && to === two));
    net.submit(one, "a");
    net.runUntil(10);
    net.runs.delete(one);
    net.lose = () => false;
    net.enter(2, [two, three]);
    net.runUntil(200);
    for (const run of net.runs.values()) assert.equal(texts(run), expected);
  }
});

test("HA-10: a coordinator that dies after its commit reached one card only: the others deliver it before the view", () => {
  const net = fiveCards();
  const [one, two, three] = cards as [CardId, CardId, CardId];
  net.lose = ({ to, message }) => (message.kind === "commit" && to === three) || (message.kind === "pass" && message.entries.length === 0);
  net.submit(one, "a");
  net.runUntil(4 + 1.5);
  net.runUntil(8);
  assert.equal(texts(net.runOf(two)), ["view 1", "a"]);
  assert.equal(texts(net.runOf(three)), ["view 1"]);
  net.runs.delete(one);
  net.lose = () => false;
  net.enter(2, [two, three]);
  net.runUntil(200);
  for (const run of net.runs.values()) assert.equal(texts(run), ["view 1", "a", "view 2"]);
});

test("HA-8: a flush that is lost once is given again, also by a card that has gone on", () => {
  const [one, two, three] = cards as [CardId, CardId, CardId];
  const net = fiveCards();
  let isLost = true;
  net.lose = ({ from, to, message }) => message.kind === "flush" && from === one && to === two && isLost;
  net.enter(2, [one, two, three]);
  net.runUntil(net.now + 15);
  isLost = false;
  net.runUntil(net.now + 100);
  for (const run of net.runs.values()) assert.equal(texts(run), ["view 1", "view 2"]);
});

test("HA-15: a card that was away catches up with the same order, and its own messages go on, each once", () => {
  const net = fiveCards(5);
  const [one, two, three, four, five] = cards as [CardId, CardId, CardId, CardId, CardId];
  const apart = (sent: Sent): boolean => [four, five].includes(sent.from) !== [four, five].includes(sent.to);
  net.lose = apart;
  net.submit(five, "from the minority");
  net.enter(2, [one, two, three]);
  for (let index = 0; index < 50; index++) {
    net.submit(two, `m${index}`);
    net.runUntil(net.now + 1);
  }
  assert.equal(texts(net.runOf(five)), ["view 1"]);
  net.lose = () => false;
  net.enter(3, cards);
  net.runUntil(net.now + 200);
  const expected = texts(net.runOf(one));
  assert.is(expected.length, 1 + 1 + 50 + 1 + 1);
  assert.is(expected.at(-1), "from the minority");
  for (const run of net.runs.values()) {
    assert.equal(texts(run), expected);
    assert.is(run.logs.length, 1);
  }
});

test("HA-15: a card that has just started goes on behind what was, without it", () => {
  const net = fiveCards(3);
  const [one, two, three] = cards as [CardId, CardId, CardId];
  net.submit(one, "a");
  net.runUntil(10);
  net.runs.delete(three);
  net.enter(2, [one, two]);
  net.runUntil(20);
  const fresh = net.start(three, 2);
  net.enter(3, [one, two, three]);
  net.runUntil(60);
  net.submit(three, "anew");
  net.runUntil(100);
  assert.equal(texts(fresh), ["view 3", "anew"]);
  assert.equal(texts(net.runOf(one)), ["view 1", "a", "view 2", "view 3", "anew"]);
});

test("HA-15: a card whose view runs without it, because another one had its slot, asks for another view", () => {
  const net = fiveCards(3);
  const [one, two, three] = cards as [CardId, CardId, CardId];
  const { view } = net;
  // The run that was in the view is gone, and one of the same slot and view is in its place, which holds nothing of it.
  const second = net.start(three, 1);
  net.step(second, { kind: "view", view: view as NodeView });
  net.runUntil(net.now + flushesFruitlessMax * flushResendMs - 50);
  assert.equal(net.stuck, []);
  net.runUntil(net.now + 100);
  assert.equal(net.stuck.map(({ card, reason }) => [card, reason]), [[three, "the others have gone on without this card"]]);
  net.enter(2, [one, two, three]);
  net.runUntil(net.now + 100);
  assert.equal(texts(second), ["view 2"]);
  assert.is(net.stuck.length, 1);
});

test("a card outside of the Ethernet set stops and says why", () => {
  const delta = new Delta(cards[0] as CardId);
  const view: NodeView = { number: 1, coordinator: cards[0] as CardId, members: [], ether: [], absent: [] };
  assert.equal(delta.step(0, { kind: "view", view }), [{ kind: "stopped", reason: "Ethernet does not join a quorum of cards" }]);
  assert.is(delta.status().state, "stopped");
  assert.is(delta.deadline(), Infinity);
});

test("a view entry that cannot be read is dropped and counted, and nothing crashes", () => {
  const net = fiveCards();
  const [one, two] = cards as [CardId, CardId];
  const entries = [{ type: "view", origin: one, id: 0, body: Uint8Array.of(0xff) }] as const;
  const pass = { kind: "pass", view: 1, pass: 99, first: 2, entries, committed: 2, delivered: 0 } as const;
  const before = net.runOf(two).delta.status().counters.ignored;
  net.step(net.runOf(two), { kind: "message", from: one, message: pass });
  assert.is(net.runOf(two).delta.status().counters.ignored, before + 1);
});

/** A random life of five cards; gives the net at its end, when all is calm. */
function live(seed: number): Net {
  const prng = new Prng(seed);
  const net = new Net();
  const loss = prng.pick([0, 0.02, 0.2]);
  const blocked = new Set<string>();
  net.lose = ({ from, to }) => prng.chance(loss) || blocked.has(`${from}>${to}`);
  net.latency = () => 0.05 + (prng.chance(0.1) ? prng.unit() * 30 : prng.unit());
  const incarnations = new Map<CardId, number>();
  const begin = (card: CardId): void => {
    incarnations.set(card, (incarnations.get(card) ?? 0) + 1);
    net.start(card, incarnations.get(card) as number);
  };
  for (const card of cards) begin(card);
  let number = 1;
  net.enter(number, cards);
  // A majority that remembers has to go on from one view to the next, as restarted cards have no memory.
  let remember = new Set<CardId>(cards);
  const rounds = 6 + prng.below(14);
  for (let round = 0; round < rounds; round++) {
    const until = net.now + prng.unit() * 60;
    while (net.now < until) {
      const alive = [...net.runs.keys()];
      if (prng.chance(0.7)) net.submit(prng.pick(alive), `m${prng.below(1e9)}`);
      net.runUntil(net.now + prng.unit() * 3);
    }
    const members = cards.filter(() => prng.chance(0.8));
    if (prng.chance(0.5)) {
      const victim = prng.pick(cards);
      if (remember.size > 3 || !remember.has(victim)) {
        net.runs.delete(victim);
        remember.delete(victim);
        if (prng.chance(0.5)) {
          begin(victim);
        } else members.splice(members.indexOf(victim), members.includes(victim) ? 1 : 0);
      }
    }
    const ether = members.filter((card) => net.runs.has(card));
    for (const card of cards) if (!net.runs.has(card) && prng.chance(0.4)) begin(card);
    if (ether.filter((card) => remember.has(card)).length < 3) continue;
    number += 1 + prng.below(3);
    blocked.clear();
    if (prng.chance(0.5)) {
      for (const from of cards) for (const to of cards) if (ether.includes(from) !== ether.includes(to)) blocked.add(`${from}>${to}`);
    }
    net.enter(number, ether, () => net.now + (prng.chance(0.3) ? prng.unit() * 40 : 0));
    if (prng.chance(0.7)) {
      // Long enough that the epoch may begin: then its cards remember.
      net.runUntil(net.now + 20 + prng.unit() * 100);
      const began = ether.filter((card) => net.runs.get(card)?.delta.status().epoch === number);
      if (began.length === ether.length) remember = new Set(ether);
    }
  }
  net.lose = () => false;
  for (const card of cards) if (!net.runs.has(card)) begin(card);
  net.runUntil(net.now + 100);
  net.enter(number + 1, cards);
  net.runUntil(net.now + 1_000);
  return net;
}

function checkOneOrder(net: Net): void {
  const bySequence = new Map<number, string>();
  for (const run of net.everyRun) {
    for (const log of run.logs) {
      log.forEach(({ sequence, text }, index) => {
        assert.is(sequence, (log[0]?.sequence ?? 0) + index, "a log has no gaps");
        assert.is(text, bySequence.get(sequence) ?? text, `sequence ${sequence} is one and the same everywhere`);
        bySequence.set(sequence, text);
      });
    }
  }
}

test("property: whatever is lost, late or restarted, every log is a part of one order, and nobody loses his place", () => {
  for (let seed = 1; seed <= 300; seed++) {
    const net = live(seed);
    try {
      checkOneOrder(net);
      const last = net.runOf(cards[0] as CardId).log.at(-1);
      for (const run of net.runs.values()) {
        assert.equal(run.log.at(-1), last, `card ${run.card} is up to date`);
        assert.is(run.delta.status().pending, 0, `card ${run.card} has nothing pending`);
        assert.is(run.delta.status().state, "running");
      }
      const texts = [...net.runs.values()][0]?.log.map(({ text }) => text).filter((text) => text.startsWith("m")) ?? [];
      assert.is(new Set(texts).size, texts.length, "no message twice");
    } catch (error) {
      throw new Error(`seed ${seed}: ${(error as Error).message}`);
    }
  }
});

test.run();
