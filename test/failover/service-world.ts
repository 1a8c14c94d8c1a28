/**
 * Failover services of several cards over an order that is kept in memory: each card delivers the same list at its own pace. Cards can be cut off, lose
 * their Ethernet alone, crash, be fenced; hooks take their time and fail. What runs where is checked at every change (HA-15).
 */
import * as assert from "uvu/assert";
import { cardAt, type CardId } from "../../src/base/ids.ts";
import { Prng } from "../../src/base/prng.ts";
import type { GroupView, Member } from "../../src/cluster/application.ts";
import type { NodeView } from "../../src/cluster/view.ts";
import type { Row, Scalar } from "../../src/config/change.ts";
import type { HookOrder, HookOutcome } from "../../src/failover/resource.ts";
import { FailoverService } from "../../src/failover/service.ts";
import { type FailoverRows, noFailoverRows } from "../../src/failover/service-config.ts";
import {
  failoverGroup,
  type FailoverInput,
  type FailoverOutput,
  type FailoverTable,
  type OperatorAnswer,
  type OperatorRequest,
} from "../../src/failover/service-types.ts";

type Item =
  | { readonly kind: "view"; readonly view: NodeView }
  | { readonly kind: "members"; readonly view: GroupView; readonly changed: readonly Member[] }
  | { readonly kind: "message"; readonly from: Member; readonly request: number; readonly data: Uint8Array };

type Hosted = { readonly order: HookOrder; readonly endsAt: number };

export type WorldOptions = {
  readonly cards: number;
  /** Of a hundred starts, and stops, so many fail. */
  readonly startFailures?: number;
  readonly stopFailures?: number;
  /** The longest that a hook takes, a delivery, the way to authority's loss. */
  readonly hookMs?: number;
  readonly deliveryMs?: number;
};

export class HostCard {
  readonly card: CardId;
  service!: FailoverService;
  incarnation = 0;
  isUp = false;
  /** Neither hears nor is heard. */
  isCut = false;
  /** Its Ethernet alone is gone. */
  isOff = false;
  held = false;
  /** Items of the order that it has delivered, or passed over. */
  cursor = 0;
  cameAt = 0;
  isMember = false;
  clockAheadMs = 0;
  deliverAt = 0;
  tickAt = Infinity;
  /** What is on this card: resources from the order of their start until they are proven stopped. */
  readonly active = new Map<string, "starting" | "running" | "stopping">();
  readonly hooks: Hosted[] = [];
  /** By their code and what they are about. */
  readonly alarms = new Map<string, string>();
  /** What was sent and is not ordered. */
  outbox: { readonly request: number; readonly data: Uint8Array }[] = [];
  isStopped = true;
  readonly answers = new Map<number, OperatorAnswer>();

  constructor(card: CardId) {
    this.card = card;
  }
}

export class ServiceWorld {
  readonly random: Prng;
  readonly options: Required<WorldOptions>;
  readonly cards: HostCard[];
  readonly log: Item[] = [];
  readonly texts = new Map<number, string>();
  readonly lines: string[] = [];
  now = 1_000;
  rows: FailoverRows = noFailoverRows;
  place = { epoch: 1, sequence: 0 };
  #view: NodeView = { number: 0, coordinator: cardAt(1, 1), members: [], ether: [], absent: [] };
  #group: GroupView = { number: 0, members: [] };
  #events: { at: number; readonly run: () => void; readonly id: number }[] = [];
  #lastEvent = 0;
  #lastClient = 0;
  readonly fenced = new Map<CardId, number>();
  /** For each resource the cards on which it fails to start, or ends at once. */
  readonly broken = new Map<string, Set<CardId>>();
  isCalm = false;

  constructor(seed: number, options: WorldOptions) {
    this.random = new Prng(seed);
    this.options = { startFailures: 0, stopFailures: 0, hookMs: 50, deliveryMs: 5, ...options };
    this.cards = Array.from({ length: options.cards }, (_, index) => new HostCard(cardAt(1, index + 1)));
  }

  card(number: number): HostCard {
    return this.cards[number - 1] as HostCard;
  }

  put(table: FailoverTable, id: string, columns: Readonly<Record<string, Scalar>> = {}): void {
    const rows = this.rows[table].filter((row) => row.id !== id);
    this.rows = { ...this.rows, [table]: [...rows, { id, ...columns } as Row].sort((a, b) => (a.id < b.id ? -1 : 1)) };
  }

  /** The configuration as it is now is that of all running cards' replicas. */
  configure(): void {
    this.place = { epoch: 1, sequence: this.place.sequence + 1 };
    for (const card of this.cards) if (card.isUp) this.#configureCard(card);
  }

  #configureCard(card: HostCard): void {
    this.input(card, { kind: "configuration", place: this.place, rows: this.rows });
    this.input(card, { kind: "replica", state: "current" });
  }

  // ---- cards

  start(card: HostCard): void {
    card.incarnation++;
    card.isUp = true;
    card.isMember = false;
    card.held = false;
    card.isStopped = true;
    card.active.clear();
    card.hooks.length = 0;
    card.outbox = [];
    card.clockAheadMs = this.random.below(100_000);
    card.cursor = this.log.length;
    card.cameAt = this.log.length;
    card.service = new FailoverService({
      card: card.card,
      incarnation: card.incarnation,
      nonce: card.incarnation,
      software: "1.0.0",
      model: undefined,
    });
    this.#configureCard(card);
    this.viewSoon();
  }

  /** Everything on it stops at once. */
  crash(card: HostCard): void {
    card.isUp = false;
    card.held = false;
    card.active.clear();
    card.hooks.length = 0;
    card.outbox = [];
    card.tickAt = Infinity;
    this.viewSoon();
  }

  /** The card hears nobody any more; it finds out some time later, and so do the others. */
  cut(card: HostCard, how: "all" | "ether"): void {
    if (how === "all") card.isCut = true;
    else card.isOff = true;
    this.viewSoon();
  }

  heal(card: HostCard): void {
    card.isCut = card.isOff = false;
    this.viewSoon();
  }

  // ---- views

  #viewAt = Infinity;

  viewSoon(): void {
    this.#viewAt = Math.min(this.#viewAt, this.now + 5 + this.random.below(30));
  }

  /** Who hears whom now becomes a view, when that is a quorum; who is not in it loses its authority. */
  makeView(): void {
    this.#viewAt = Infinity;
    const up = this.cards.filter((card) => card.isUp && !card.isCut);
    const isQuorum = 2 * up.length > this.cards.length;
    if (!isQuorum) {
      for (const card of this.cards) if (card.isUp) this.#loseAuthority(card, "no quorum", undefined);
      return;
    }
    const on = up.filter((card) => !card.isOff);
    const ether = 2 * on.length > this.cards.length ? on : [];
    const number = (Math.floor(this.#view.number / 64) + 1) * 64;
    const absent = this.cards.filter((card) => !up.includes(card)).map((card) => ({
      card: card.card,
      // A crash is proven by the receipt of its fence.
      state: !card.isUp && this.fenced.get(card.card) === card.incarnation ? "down" as const : "unknown" as const,
    }));
    const view: NodeView = {
      number,
      coordinator: (up[0] as HostCard).card,
      members: up.map(({ card, incarnation }) => ({ card, incarnation, previous: this.#view.number })),
      ether: ether.map(({ card }) => card),
      absent,
    };
    this.#view = view;
    for (const card of this.cards) {
      if (!card.isUp) continue;
      if (!up.includes(card)) this.#loseAuthority(card, "not in the view", undefined);
      else if (!ether.includes(card) && ether.length > 0) this.#loseAuthority(card, "off Ethernet", number);
    }
    if (ether.length === 0) {
      for (const card of up) this.#stop(card);
      return;
    }
    this.log.push({ kind: "view", view });
    this.#note(`view ${number}: ${view.ether.join(" ")}; ${absent.map(({ card, state }) => `${card} ${state}`).join(", ")}`);
    this.#regroup(view);
    for (const card of ether) {
      if (!card.isMember) {
        this.at(this.random.below(20), () => this.#joinGroup(card, card.incarnation));
      }
      this.at(1 + this.random.below(5), () => this.#holdAuthority(card, number));
    }
  }

  /** Members whose card is gone, or has come back with another incarnation, have exited. */
  #regroup(view: NodeView): void {
    const gone = this.#group.members.filter((member) => !view.ether.includes(member.card) || !this.card(member.card).isMember);
    const back = view.ether.filter((card) => this.card(card).isMember && !this.#group.members.some((member) => member.card === card));
    const come = back.map((card) => this.#memberOf(card));
    if (gone.length === 0 && come.length === 0) return;
    this.#changeGroup([...this.#group.members.filter((member) => !gone.includes(member)), ...come], [...gone, ...come]);
  }

  #memberOf(card: CardId): Member {
    return { card, number: 1, name: `card ${card}`, critical: false };
  }

  #changeGroup(members: readonly Member[], changed: readonly Member[]): void {
    this.#group = { number: this.#group.number + 1, members: [...members].sort((a, b) => a.card - b.card) };
    this.log.push({ kind: "members", view: this.#group, changed });
  }

  #joinGroup(card: HostCard, incarnation: number): void {
    if (!card.isUp || card.incarnation !== incarnation || card.isMember || !this.#view.ether.includes(card.card)) return;
    card.isMember = true;
    const member = this.#memberOf(card.card);
    this.#changeGroup([...this.#group.members.filter((other) => other.card !== card.card), member], [member]);
    this.#flush(card);
  }

  #loseAuthority(card: HostCard, reason: string, view: number | undefined): void {
    this.#stop(card);
    card.held = false;
    const delay = this.random.below(30);
    const { incarnation } = card;
    this.at(delay, () => {
      if (card.isUp && card.incarnation === incarnation && !card.held) this.input(card, { kind: "authority", held: false, reason, view });
    });
  }

  #stop(card: HostCard): void {
    if (card.isStopped) return;
    card.isStopped = true;
    if (card.isMember) this.input(card, { kind: "group", event: { kind: "stopped", reason: "no view" } });
  }

  #holdAuthority(card: HostCard, number: number): void {
    if (!card.isUp || this.#view.number !== number || !this.#view.ether.includes(card.card)) return;
    card.held = true;
    this.input(card, { kind: "authority", held: true, reason: "", view: number });
    // A card that was away may have lost its place.
    if (card.isStopped) {
      card.isStopped = false;
      if (this.#hasJoined.has(this.#joinKey(card)) && !this.isCalm && this.random.below(4) === 0) {
        const from = card.cursor;
        card.cursor = Math.max(from, this.log.findLastIndex((item) => item.kind === "view"));
        this.input(card, { kind: "group", event: { kind: "lost", group: failoverGroup, sequence: card.cursor, reason: "away" } });
        for (const item of this.log.slice(from, card.cursor)) {
          if (item.kind !== "message" || item.from.card !== card.card) continue;
          this.input(card, { kind: "group", event: { kind: "sent", request: item.request, group: failoverGroup, sequence: 0 } });
        }
      }
      if (card.isMember) this.input(card, { kind: "group", event: { kind: "resumed" } });
      this.#flush(card);
    }
    card.deliverAt = Math.min(card.deliverAt, this.now);
  }

  // ---- the order

  #flush(card: HostCard): void {
    if (!card.isMember || card.isStopped || !this.#view.ether.includes(card.card)) return;
    for (const { request, data } of card.outbox.splice(0)) {
      this.log.push({ kind: "message", from: this.#memberOf(card.card), request, data });
    }
  }

  /** Delivers the next item to a card that is in the order. */
  #deliver(card: HostCard): void {
    const item = this.log[card.cursor];
    if (item === undefined || card.isStopped || !card.isUp || card.isCut || card.isOff) return;
    const sequence = ++card.cursor;
    switch (item.kind) {
      case "view":
        this.input(card, { kind: "epoch", view: item.view });
        break;
      case "members": {
        const isOurs = item.changed.some((member) => member.card === card.card) && card.isMember;
        const member = this.#memberOf(card.card);
        if (isOurs && !this.#hasJoined.has(this.#joinKey(card)) && item.view.members.some((other) => other.card === card.card)) {
          this.#hasJoined.add(this.#joinKey(card));
          this.input(card, {
            kind: "group",
            event: { kind: "joined", request: 1, group: failoverGroup, sequence, member, view: item.view },
          });
          return;
        }
        if (!this.#hasJoined.has(this.#joinKey(card))) break;
        const changes = item.changed.map((changed) => ({ member: changed, change: "joined" as const }));
        this.input(card, { kind: "group", event: { kind: "view", group: failoverGroup, sequence, view: item.view, changes } });
        break;
      }
      case "message": {
        if (!this.#hasJoined.has(this.#joinKey(card))) break;
        const { from, data, request } = item;
        this.input(card, { kind: "group", event: { kind: "message", group: failoverGroup, sequence, view: 0, from, data } });
        if (from.card === card.card && card.isUp) {
          this.input(card, { kind: "group", event: { kind: "sent", request, group: failoverGroup, sequence } });
        }
        break;
      }
    }
    this.#compare(card);
  }

  readonly #hasJoined = new Set<string>();

  #joinKey(card: HostCard): string {
    return `${card.card} ${card.incarnation}`;
  }

  /** Who knows has the same after the same item. */
  #compare(card: HostCard): void {
    if (!card.isUp) return;
    const agreed = card.service.agreed();
    if (agreed === undefined) return;
    const known = this.texts.get(card.cursor);
    if (known === undefined) this.texts.set(card.cursor, agreed.text);
    else if (known !== agreed.text) {
      let at = 0;
      while (agreed.text[at] === known[at]) at++;
      const [here, there] = [agreed.text, known].map((text) => text.slice(Math.max(0, at - 200), at + 100));
      assert.is(here, there, `card ${card.card} has something else after item ${card.cursor}`);
    }
  }

  // ---- inputs and outputs

  input(card: HostCard, input: FailoverInput): void {
    const { incarnation } = card;
    for (const output of card.service.step(this.now + card.clockAheadMs, input)) {
      if (card.isUp && card.incarnation === incarnation) this.#output(card, output);
    }
    if (card.isUp) card.tickAt = card.service.deadline() - card.clockAheadMs;
  }

  #output(card: HostCard, output: FailoverOutput): void {
    switch (output.kind) {
      case "request":
        if (output.request.kind !== "send") return;
        card.outbox.push({ request: output.request.request, data: output.request.data });
        return this.#flush(card);
      case "hook":
        return this.#hook(card, output.order);
      case "fence": {
        this.#note(`card ${card.card} fences card ${output.card}: ${output.reason}`);
        const target = this.card(output.card);
        return this.at(this.random.below(40), () => {
          if (target.incarnation !== output.incarnation || (target.isUp && this.random.below(4) === 0 && !this.isCalm)) return;
          this.#end(target);
        });
      }
      case "resetCard":
        this.#note(`card ${card.card} resets itself: ${output.reason}`);
        return this.at(0, () => this.#end(card));
      case "sayIdle": {
        const { incarnation } = card;
        return this.at(this.random.below(10), () => {
          if (card.isCut) return;
          for (const other of this.cards) {
            if (other === card || !other.isUp || other.isCut) continue;
            this.input(other, { kind: "idleHeard", from: card.card, incarnation, view: output.view });
          }
        });
      }
      case "known":
        return this.input(card, {
          kind: "readiness",
          readiness: output.known ? { kind: "ready" } : { kind: "booting", phase: "ARBITRATE" },
        });
      case "operated":
        card.answers.set(output.client, output.answer);
        return;
      case "alarm": {
        const key = `${output.code} ${output.about}`;
        if (output.text === undefined) card.alarms.delete(key);
        else card.alarms.set(key, output.text);
        return;
      }
      case "log":
        return this.#note(`card ${card.card}: ${output.event} ${JSON.stringify(output.fields)}`);
      default:
        return;
    }
  }

  #end(card: HostCard): void {
    this.fenced.set(card.card, card.incarnation);
    const { incarnation } = card;
    if (card.isUp) this.crash(card);
    this.viewSoon();
    for (const other of this.cards) {
      if (other === card || !other.isUp || other.isCut) continue;
      const at = this.now + other.clockAheadMs;
      this.input(other, { kind: "receipt", card: card.card, incarnation, receipt: "reset", at });
    }
  }

  #note(line: string): void {
    this.lines.push(`${this.now} ${line}`);
  }

  // ---- resources

  #hook(card: HostCard, order: HookOrder): void {
    const { hook, resource } = order;
    if (hook === "start" || hook === "stop") {
      // A stop overtakes a start.
      for (const other of card.hooks.splice(0)) {
        if (other.order.resource !== resource || other.order.hook === "stop") card.hooks.push(other);
      }
      card.active.set(resource, hook === "start" ? "starting" : "stopping");
      this.#note(`card ${card.card} ${hook} ${resource}`);
      if (hook === "start") this.#noTwo(resource);
    }
    card.hooks.push({ order, endsAt: this.now + this.random.below(this.options.hookMs) });
  }

  #endHook(card: HostCard, { order }: Hosted): void {
    const { hook, resource } = order;
    const percent = this.isCalm ? 100 : this.random.below(100);
    let outcome: HookOutcome = "done";
    const isBroken = this.broken.get(resource)?.has(card.card) === true;
    if (hook === "start" && (percent < this.options.startFailures || isBroken)) outcome = "failed";
    if (hook === "stop" && percent < this.options.stopFailures) outcome = "timeout";
    if (hook === "start" && outcome === "done") card.active.set(resource, "running");
    if (hook === "stop" && outcome === "done") card.active.delete(resource);
    if (hook === "monitor" && card.active.get(resource) !== "running") outcome = "notRunning";
    this.input(card, { kind: "hookEnded", result: { order: order.order, hook, resource, outcome, reason: "", ms: 1 } });
  }

  #noTwo(resource: string): void {
    if (this.rows.resources.some(({ id, standby }) => id === resource && standby === "hot")) return;
    const cards = this.cards.filter(({ active }) => active.has(resource));
    const words = cards.map(({ card, active }) => `card ${card} (${active.get(resource)})`);
    assert.ok(cards.length <= 1, `${resource} is on ${words.join(" and ")}`);
  }

  // ---- time

  at(delayMs: number, run: () => void): void {
    this.#events.push({ at: this.now + delayMs, run, id: ++this.#lastEvent });
  }

  operate(card: HostCard, order: OperatorRequest, dryRun = false): number {
    const client = ++this.#lastClient;
    this.input(card, { kind: "operate", client, order, dryRun });
    return client;
  }

  run(forMs: number): void {
    const until = this.now + forMs;
    while (this.now < until) {
      this.now++;
      this.#tick();
    }
  }

  #tick(): void {
    if (this.now >= this.#viewAt) this.makeView();
    const due = this.#events.filter(({ at }) => at <= this.now).sort((a, b) => a.at - b.at || a.id - b.id);
    this.#events = this.#events.filter(({ at }) => at > this.now);
    for (const { run } of due) run();
    for (const card of this.cards) {
      if (!card.isUp) continue;
      for (const hosted of card.hooks.filter(({ endsAt }) => endsAt <= this.now)) {
        if (!card.isUp || !card.hooks.includes(hosted)) continue;
        card.hooks.splice(card.hooks.indexOf(hosted), 1);
        this.#endHook(card, hosted);
      }
      for (let many = 0; many < 20 && card.isUp && card.deliverAt <= this.now && card.cursor < this.log.length; many++) {
        this.#deliver(card);
        if (this.random.below(3) === 0) card.deliverAt = this.now + this.random.below(this.options.deliveryMs);
      }
      if (card.isUp && card.tickAt <= this.now) this.input(card, { kind: "tick" });
    }
  }

  /** All are up and joined, nothing fails, for so long. */
  calm(forMs: number): void {
    this.isCalm = true;
    this.broken.clear();
    for (const card of this.cards) {
      this.heal(card);
      if (!card.isUp) this.start(card);
    }
    this.run(forMs);
    for (const card of this.cards) {
      this.heal(card);
      if (!card.isUp) this.start(card);
    }
    this.run(forMs);
  }
}
