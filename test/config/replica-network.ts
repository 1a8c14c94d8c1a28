/**
 * Replicas in one process: a group with one order, cards that come and go, messages that take their time or get lost, and stores in memory
 * that are as slow as a seed says. The order stands for the group service: it delivers alike, and a view change is an entry of it.
 */
import type { CardId } from "../../src/base/ids.ts";
import { Prng } from "../../src/base/prng.ts";
import type { ApplicationEvent, ApplicationRequest, Member, MemberChange } from "../../src/cluster/application.ts";
import type { NodeView } from "../../src/cluster/view.ts";
import { Replica } from "../../src/config/replica.ts";
import type { ReplicaInput, ReplicaOutput } from "../../src/config/replica-io.ts";
import { configurationGroup } from "../../src/config/replica-seat.ts";
import type { ConfigAnswer, ConfigRequest } from "../../src/config/request.ts";
import type { Head, Wish } from "../../src/config/change.ts";
import { EventQueue } from "../../src/sim/event-queue.ts";
import { SimConfigStore } from "../../src/sim/config-store.ts";

type Seat = {
  readonly card: CardId;
  replica: Replica | undefined;
  /** Grows with each start. */
  incarnation: number;
  store: SimConfigStore;
  answers: { readonly client: number; readonly answer: ConfigAnswer; readonly at: number }[];
  readonly alarms: Map<string, string>;
  logs: { readonly event: string; readonly fields: object }[];
};

export class ReplicaNetwork {
  now = 0;
  readonly seats = new Map<CardId, Seat>();
  readonly prng: Prng;
  orderMs: readonly [number, number] = [1, 3];
  sendMs: readonly [number, number] = [0.1, 1];
  storeMs: readonly [number, number] = [0.5, 2];
  /** Cards whose stores are at something else. */
  hold = new Set<CardId>();
  /** Messages that were put into the order. */
  requests = 0;
  isLost: (from: CardId, to: CardId) => boolean = () => false;
  readonly #events = new EventQueue<() => void>();
  #sequence = 0;
  #groupNumber = 0;
  #members: Member[] = [];
  #memberNumbers = 0;
  #view: NodeView | undefined;
  #viewNumber = 0;
  /** Without a quorum nothing is ordered. */
  #isStopped = false;
  /** What is said while nothing is ordered, or by a card that is not in the view, waits. */
  #waiting: { readonly seat: Seat; readonly incarnation: number; readonly request: ApplicationRequest }[] = [];
  #orderFreeAt = 0;

  /** The highest level that a card's software stores. */
  levelMax: (card: CardId) => number | undefined;

  constructor(cards: readonly CardId[], seed = 1, levelMax: ReplicaNetwork["levelMax"] = () => undefined) {
    this.prng = new Prng(seed);
    this.levelMax = levelMax;
    for (const card of cards) {
      this.seats.set(card, {
        card,
        replica: undefined,
        incarnation: 0,
        store: new SimConfigStore({ wallClock: () => Math.floor(this.now), ...levelOption(this.levelMax(card)) }),
        answers: [],
        alarms: new Map(),
        logs: [],
      });
    }
  }

  seat(card: CardId): Seat {
    return this.seats.get(card) as Seat;
  }

  get cards(): CardId[] {
    return [...this.seats.keys()];
  }

  /** The cards that run. */
  get running(): CardId[] {
    return this.cards.filter((card) => this.seat(card).replica !== undefined);
  }

  at(ms: number, run: () => void): void {
    this.#events.push(this.now + ms, run);
  }

  between([least, most]: readonly [number, number]): number {
    return least + this.prng.unit() * (most - least);
  }

  /** The program of a card starts; its store is what it was. A view takes it in. */
  start(...cards: readonly CardId[]): void {
    for (const card of cards) {
      const seat = this.seat(card);
      seat.replica = new Replica(card, this.prng.bits() >>> 0);
      seat.incarnation++;
      this.feed(card, { kind: "electorate", cards: this.cards, tieBreak: this.cards[0] });
      this.feed(card, { kind: "storeFound" });
    }
    this.changeView();
  }

  /** The programs of cards end without a word, and what their stores have not made durable is gone. */
  crash(...cards: readonly CardId[]): void {
    for (const card of cards) {
      const seat = this.seat(card);
      seat.replica = undefined;
      seat.alarms.clear();
      seat.store.cutPower(!this.hold.has(card) && this.prng.chance(0.5));
    }
    this.changeView();
  }

  /** Another card in its slot, whose store has nothing. */
  replace(card: CardId): void {
    this.seat(card).store = new SimConfigStore({ wallClock: () => Math.floor(this.now), ...levelOption(this.levelMax(card)) });
  }

  /** The order with the cards that run, as entries of it. */
  changeView(ether: readonly CardId[] = this.running): void {
    if (ether.length * 2 <= this.cards.length && !this.#isTieBroken(ether)) {
      this.#isStopped = true;
      for (const card of this.running) this.feed(card, groupInput(this.#viewNumber, { kind: "stopped", reason: "no quorum" }));
      return;
    }
    const number = this.#viewNumber += 64;
    const members = ether.map((card) => ({ card, incarnation: this.seat(card).incarnation, previous: 0 }));
    const view: NodeView = { number, coordinator: ether[0] as CardId, members, ether: [...ether], absent: [] };
    this.ordered(() => {
      if (number !== this.#viewNumber) return;
      const isBegun = this.#members.every(({ card, name }) =>
        this.seat(card).replica === undefined || name !== `${this.seat(card).incarnation}`
      );
      this.#view = view;
      this.#isStopped = false;
      const gone = this.#members.filter(({ card, name }) => !ether.includes(card) || name !== `${this.seat(card).incarnation}`);
      this.#members = this.#members.filter((member) => !gone.includes(member));
      // Nobody is left that knew the groups: they begin anew.
      if (isBegun) this.#groupNumber = 0;
      for (const card of ether) this.feed(card, { kind: "epoch", view });
      if (gone.length > 0) this.#tellView(gone.map((member) => ({ member, change: "exited" })));
      for (const card of ether) this.feed(card, groupInput(number, { kind: "resumed" }));
      const waiting = this.#waiting;
      this.#waiting = [];
      for (const { seat, incarnation, request } of waiting) if (seat.incarnation === incarnation) this.#request(seat, request);
    });
  }

  /** Of two cards the first goes on alone. */
  #isTieBroken(ether: readonly CardId[]): boolean {
    return ether.length * 2 === this.cards.length && ether[0] === this.cards[0];
  }

  /** Puts something into the order: everybody takes it at the same place. */
  ordered(take: (sequence: number) => void): void {
    this.#orderFreeAt = Math.max(this.#orderFreeAt, this.now + this.between(this.orderMs));
    this.at(this.#orderFreeAt - this.now, () => take(++this.#sequence));
  }

  feed(card: CardId, input: ReplicaInput): void {
    const seat = this.seat(card);
    const replica = seat.replica;
    if (replica === undefined) return;
    for (const output of replica.step(this.now, input)) this.#carryOut(seat, replica, output);
  }

  #carryOut(seat: Seat, replica: Replica, output: ReplicaOutput): void {
    const { card } = seat;
    const isSame = () => seat.replica === replica;
    switch (output.kind) {
      case "request":
        return this.#request(seat, output.request);
      case "send":
        if (this.isLost(card, output.to)) return;
        return this.at(this.between(this.sendMs), () => {
          if (this.#view?.ether.includes(output.to)) this.feed(output.to, { kind: "message", from: card, message: output.message });
        });
      case "store": {
        seat.store.latencyMs = this.hold.has(card) ? 1_000_000 : this.between(this.storeMs);
        seat.store.order(this.now, output.order);
        return this.at(seat.store.doneAt - this.now, () => {
          if (!isSame()) return;
          for (const result of seat.store.take(this.now)) this.feed(card, { kind: "stored", result });
        });
      }
      case "configured":
        seat.answers.push({ client: output.client, answer: output.answer, at: this.now });
        if (output.answer.kind === "changed") this.#prove(output.answer.head);
        return;
      case "unsettled":
        return this.changeView(this.#view?.ether ?? this.running);
      case "alarm":
        if (output.text === undefined) seat.alarms.delete(`${output.code} ${output.about}`.trim());
        else seat.alarms.set(`${output.code} ${output.about}`.trim(), output.text);
        return;
      case "log":
        seat.logs.push({ event: output.event, fields: output.fields });
        return;
    }
  }

  /** What is acknowledged is on the disks of more than half of the cards, or of half with the one that breaks ties, or of one of two. */
  #prove({ sequence, hash }: Head): void {
    const has = ({ store }: Seat) => store.chain().some((change) => change.sequence === sequence && change.hash.toHex() === hash.toHex());
    const seats = [...this.seats.values()];
    const holders = seats.filter(has).length;
    const isHalf = 2 * holders === seats.length && (seats.length === 2 || has(seats[0] as Seat));
    const isEnough = 2 * holders > seats.length || isHalf;
    if (sequence > 0 && !isEnough) throw new Error(`change ${sequence} was acknowledged and is on ${holders} of ${seats.length} cards`);
  }

  #request(seat: Seat, request: ApplicationRequest): void {
    const { card, incarnation } = seat;
    if (request.kind === "send") this.requests++;
    this.ordered((sequence) => {
      if (seat.replica === undefined || seat.incarnation !== incarnation) return;
      if (this.#isStopped || this.#view?.ether.includes(card) !== true) return void this.#waiting.push({ seat, incarnation, request });
      const epoch = this.#view?.number ?? 0;
      if (request.kind === "join") {
        const member: Member = { card, number: ++this.#memberNumbers, name: `${incarnation}`, critical: false };
        this.#members = [...this.#members, member].sort((one, other) => one.card - other.card);
        this.#tellView([{ member, change: "joined" }], card);
        const view = { number: this.#groupNumber, members: this.#members };
        this.feed(card, groupInput(epoch, { kind: "joined", request: request.request, group: configurationGroup, sequence, member, view }));
      } else if (request.kind === "leave") {
        const member = this.#members.find((other) => other.card === card);
        if (member === undefined) return;
        this.#members = this.#members.filter((other) => other !== member);
        this.#tellView([{ member, change: "left" }]);
        this.feed(card, groupInput(epoch, { kind: "left", request: request.request, group: configurationGroup }));
      } else if (request.kind === "send") {
        const from = this.#members.find((other) => other.card === card) ?? { card, number: 0, name: "", critical: false };
        const view = this.#groupNumber;
        const message = { kind: "message", group: configurationGroup, sequence, view, from, data: request.data } as const;
        for (const member of this.#members) this.feed(member.card, groupInput(epoch, message));
        this.feed(card, groupInput(epoch, { kind: "sent", request: request.request, group: configurationGroup, sequence }));
      }
    });
  }

  #tellView(changes: readonly MemberChange[], except?: CardId): void {
    this.#groupNumber++;
    const view = { number: this.#groupNumber, members: this.#members };
    const epoch = this.#view?.number ?? 0;
    for (const { card } of this.#members) {
      if (card === except) continue;
      this.feed(card, groupInput(epoch, { kind: "view", group: configurationGroup, sequence: this.#sequence, view, changes }));
    }
  }

  run(ms: number): void {
    const end = this.now + ms;
    for (;;) {
      const due = Math.min(...this.running.map((card) => this.seat(card).replica?.deadline() ?? Infinity));
      const at = Math.min(this.#events.nextAt(), due);
      if (at > end) break;
      this.now = Math.max(this.now, at);
      if (this.#events.nextAt() <= due) {
        this.#events.pop()();
        continue;
      }
      for (const card of this.running) {
        if ((this.seat(card).replica?.deadline() ?? Infinity) <= this.now) this.feed(card, { kind: "tick" });
      }
    }
    this.now = end;
  }

  ask(card: CardId, client: number, request: ConfigRequest): void {
    this.feed(card, { kind: "configure", client, request });
  }

  /** A row of its own with this value. */
  wish(value: string, over: Partial<Wish> = {}): ConfigRequest {
    const row = { id: `h-${value}`, initiator: `iqn.2026-01.example:${value}`, note: value };
    const operations = [{ kind: "put", table: "hosts", row }] as const;
    return { kind: "change", wish: { author: "somebody", comment: "", key: "", operations, ...over } };
  }

  answerOf(card: CardId, client: number): ConfigAnswer | undefined {
    return this.seat(card).answers.find((answered) => answered.client === client)?.answer;
  }

  status(card: CardId) {
    return this.seat(card).replica?.status(this.now);
  }
}

function groupInput(epoch: number, event: ApplicationEvent): ReplicaInput {
  return { kind: "group", epoch, event };
}

function levelOption(levelMax: number | undefined): { readonly levelMax?: number } {
  return levelMax === undefined ? {} : { levelMax };
}
