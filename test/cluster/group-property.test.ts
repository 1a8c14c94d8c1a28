// timeout: 120
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { CardId } from "../../src/base/ids.ts";
import { Prng } from "../../src/base/prng.ts";
import type { ApplicationEvent, Member } from "../../src/cluster/application.ts";
import { cards, Order, type Run } from "./group-order.ts";

type Session = { readonly run: Run; readonly client: number; readonly group: string; isGone: boolean; readonly requests: number[] };

const groups = ["alpha", "beta", "gamma"];
const quorum = 3;

/** A random life of five cards and their clients, with everything that a view can do to them; at the end all are back and calm. */
class Life {
  readonly order = new Order();
  readonly sessions: Session[] = [];
  readonly everyRun: Run[] = [];
  readonly #prng: Prng;
  #clients = 0;
  #requests = 100;

  constructor(seed: number) {
    this.#prng = new Prng(seed);
    this.order.pick = (count) => ({ index: count === 0 ? 0 : this.#prng.below(count), isTwice: this.#prng.chance(0.1) });
    for (const card of cards) this.#start(card, 1);
    this.order.change(cards.slice(0, quorum + this.#prng.below(3)));
    for (let index = 0; index < 400; index++) this.#act();
    this.order.change(cards);
    this.order.calm();
  }

  #start(card: CardId, incarnation: number): void {
    this.everyRun.push(this.order.start(card, incarnation));
  }

  #act(): void {
    const draw = this.#prng.below(100);
    const run = this.order.runOf(this.#prng.pick(cards));
    const session = this.sessions.length === 0 ? undefined : this.#prng.pick(this.sessions);
    if (draw < 40) {
      for (let count = this.#prng.below(10); count > 0; count--) {
        this.order.deliver(this.order.runOf(this.#prng.pick(cards)));
      }
    } else if (draw < 65) {
      for (let count = this.#prng.below(6); count > 0; count--) this.order.order(this.order.runOf(this.#prng.pick(cards)));
    } else if (draw < 68) this.order.calm();
    else if (draw < 74) this.#open(run);
    else if (draw < 91) this.#use(session);
    else if (draw < 94) this.#end(session);
    else if (draw < 99) this.#change();
    else this.#restart(run);
  }

  #open(run: Run): void {
    const client = ++this.#clients;
    const group = this.#prng.pick(groups);
    const request = ++this.#requests;
    this.sessions.push({ run, client, group, isGone: false, requests: [request] });
    if (this.#prng.chance(0.3)) this.order.ask(run, client, { kind: "watch", request, group });
    else this.order.join(run, client, group, { request });
  }

  #use(session: Session | undefined): void {
    if (session === undefined || session.isGone) return;
    const { run, client, group } = session;
    const draw = this.#prng.below(10);
    const request = ++this.#requests;
    session.requests.push(request);
    if (draw < 7) this.order.send(run, client, group, `${run.card}/${run.incarnation} ${request}`, request);
    else if (draw < 8) this.order.ask(run, client, { kind: "leave", request, group });
    else if (draw < 9) this.order.ask(run, client, { kind: "join", request, group, name: "again", critical: false, monitorMs: 0 });
    else this.order.ask(run, client, { kind: "watch", request, group });
  }

  #end(session: Session | undefined): void {
    if (session === undefined || session.isGone) return;
    session.isGone = true;
    this.order.gone(session.run, session.client);
  }

  #change(): void {
    const from = this.#prng.chance(0.4) ? this.order.in().map(({ card }) => card).sort((a, b) => a - b) : cards;
    const members = from.filter(() => this.#prng.chance(0.85));
    if (members.length < quorum) return;
    const ether = members.filter(() => this.#prng.chance(0.95));
    // Only who was out of an epoch can have lost its place: in one, each holds what is committed.
    const last = this.order.items.findLast((item) => item.kind === "epoch");
    const losing = ether.filter((card) => last?.view.ether.includes(card) !== true && this.#prng.chance(0.3));
    this.order.change(members, { ether: ether.length < quorum ? [] : ether, losing });
  }

  #restart(run: Run): void {
    for (const session of this.sessions) if (session.run === run) session.isGone = true;
    run.isIn = false;
    this.#start(run.card, run.incarnation + 1);
    this.#change();
  }

  /** The messages of a group in the order, with their texts. */
  messagesOf(group: string): { readonly sequence: number; readonly text: string }[] {
    return this.order.bodies().flatMap((body, index) =>
      body?.kind === "message" && body.group === group ? [{ sequence: index + 1, text: textOf(body.data) }] : []
    );
  }
}

const fromUtf8 = new TextDecoder();
const textOf = (data: Uint8Array) => fromUtf8.decode(data);

const seeds = Array.from({ length: 150 }, (_, index) => index + 1);
const known = new Map<number, Life>();

function lives(check: (life: Life) => void): void {
  for (const seed of seeds) {
    try {
      const life = known.get(seed) ?? new Life(seed);
      known.set(seed, life);
      check(life);
    } catch (error) {
      throw new Error(`seed ${seed}: ${(error as Error).message}`, { cause: error });
    }
  }
}

test("property, HA-15: whatever happened, all cards come back to one shared state and their data flows", () => {
  lives(({ order }) => {
    const digests = new Set(order.in().map(({ groups }) => JSON.stringify(groups.digest())));
    assert.is(digests.size, 1);
    for (const run of order.in()) {
      assert.is(run.groups.status().state, "running");
      assert.ok(run.isOpen && run.isWhole && run.pending.length === 0, `card ${run.card} has nothing left to say`);
    }
  });
});

test("property, HA-6: each live member is in its group once, and nobody else is", () => {
  lives(({ order, sessions }) => {
    const wanted = new Set<string>();
    for (const { run, client, isGone } of sessions) {
      if (isGone || order.runOf(run.card) !== run) continue;
      const members = new Map<string, Member>();
      for (const event of order.told(run, client)) {
        if (event.kind === "joined") members.set(event.group, event.member);
        if (event.kind === "left") members.delete(event.group);
      }
      for (const [group, { card, number }] of members) wanted.add(`${group} ${card}.${number}`);
    }
    for (const run of order.in()) {
      const known = run.groups.status().groups.flatMap(({ name, members }) =>
        members.map(({ card, number }) => `${name} ${card}.${number}`)
      );
      assert.equal(known.sort(), [...wanted].sort());
    }
  });
});

test("property, HA-11: a client gets every message of its group from its joining on, in one order, but for what it was told that it lost", () => {
  let lostCount = 0;
  lives((life) => {
    for (const { run, client, group, isGone } of life.sessions) {
      if (isGone || life.order.runOf(run.card) !== run) continue;
      /** From where on nothing may be missing, while it hears of the group. */
      let from = Infinity;
      let isMember = false;
      let isWatching = false;
      const told = run.told.get(client) ?? [];
      const got = new Map<number, string>();
      const expect = (upTo: number) => {
        for (const { sequence, text } of life.messagesOf(group)) {
          if (sequence > from && sequence <= upTo) assert.is(got.get(sequence), text, `message ${sequence} for client ${client}`);
        }
      };
      for (const { event, at } of told) {
        if (event.kind === "joined" && !isMember) [isMember, from] = [true, Math.min(from, event.sequence)];
        else if (event.kind === "watching" && !isWatching) [isWatching, from] = [true, Math.min(from, at)];
        else if (event.kind === "left") {
          isMember = false;
          if (!isWatching) {
            expect(at);
            from = Infinity;
          }
        } else if (event.kind === "lost") {
          lostCount++;
          from = Math.max(from, event.sequence - 1);
        } else if (event.kind === "message") {
          assert.ok(isMember || isWatching);
          assert.not(got.has(event.sequence), `message ${event.sequence} once`);
          got.set(event.sequence, textOf(event.data));
        }
      }
      expect(Infinity);
    }
  });
  assert.ok(lostCount > 0);
});

test("property: all that were told of a message or a group view were told the same", () => {
  lives(({ order, everyRun }) => {
    const messages = new Map<number, string>();
    const views = new Map<string, string>();
    const beginnings = order.items.flatMap((item, index) => item.kind === "epoch" && item.whole.length === 0 ? [index + 1] : []);
    const isSame = (event: ApplicationEvent): void => {
      if (event.kind === "message") {
        const text = `${textOf(event.data)} in ${event.view} from ${event.from.card}.${event.from.number}`;
        assert.is(text, messages.get(event.sequence) ?? text);
        messages.set(event.sequence, text);
      }
      if ((event.kind === "view" || event.kind === "joined") && event.view.number > 0) {
        const beginning = beginnings.findLast((sequence) => sequence <= event.sequence);
        const key = `${event.group} ${event.view.number} since ${beginning}`;
        const text = JSON.stringify(event.view.members);
        assert.is(text, views.get(key) ?? text, key);
        views.set(key, text);
      }
    };
    for (const { told } of everyRun) for (const events of told.values()) for (const { event } of events) isSame(event);
  });
});

test("property: every request of a client that lives is answered once, and no member number is given twice", () => {
  lives(({ order, sessions, everyRun }) => {
    for (const { run, client, isGone, requests } of sessions) {
      if (isGone || order.runOf(run.card) !== run) continue;
      const answers = order.told(run, client).flatMap((event) => "request" in event ? [event.request] : []);
      assert.equal(answers.sort((a, b) => a - b), requests);
    }
    for (const run of everyRun) {
      const numbers = [...run.told.values()].flatMap((events) =>
        events.flatMap(({ event }) => event.kind === "joined" ? [event.member.number] : [])
      );
      assert.is(new Set(numbers).size, numbers.length);
    }
  });
});

test.run();
