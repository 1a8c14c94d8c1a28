/** Nodes joined by two links without delay, on one clock: the smallest world in which a whole node can be tested. */
import { cardAt, type CardId, type LinkKind, linkKinds } from "../../src/base/ids.ts";
import type { ApplicationEvent, ApplicationRequest } from "../../src/cluster/application.ts";
import type { CheckOutcome, PostCheck, SelfTestCheck } from "../../src/failover/self-test-checks.ts";
import type { Effect } from "../../src/node/effect.ts";
import type { Input } from "../../src/node/input.ts";
import { Node } from "../../src/node/node.ts";
import type { Identity, NodeSettings } from "../../src/node/settings.ts";
import type { NodeStatus } from "../../src/node/status.ts";
import type { ConfigAnswer, ConfigRequest } from "../../src/config/request.ts";
import type { StoreResult } from "../../src/config/store.ts";
import { SimConfigStore } from "../../src/sim/config-store.ts";

export type Seat = {
  readonly identity: Identity;
  readonly node: Node;
  readonly effects: Effect[];
  readonly events: { readonly client: number; readonly event: ApplicationEvent }[];
  readonly answers: ConfigAnswer[];
  /** Where it keeps the system's configuration, once it has been given one. */
  store: SimConfigStore | undefined;
};

export class Table {
  now = 0;
  readonly seats: Seat[] = [];
  readonly settings: NodeSettings;
  /** Whether a frame from one card to another gets lost. */
  isLost: (from: CardId, to: CardId, link: LinkKind) => boolean = () => false;
  /** The Ethernet address of each card that has one; by default none is known. */
  readonly addresses = new Map<CardId, Uint8Array>();
  /** At which a card hears what is for it alone. */
  hearsAt: (card: CardId) => Uint8Array | undefined = (card) => this.addresses.get(card);
  /** What a check of a card finds. */
  check: (seat: Seat, check: PostCheck | SelfTestCheck) => CheckOutcome = () => ({ result: "passed", code: "", text: "", ms: 0 });
  readonly #flying: { readonly seat: Seat; readonly input: Input }[] = [];
  #isFlying = false;

  constructor(cards: readonly CardId[], over: Partial<NodeSettings> = {}) {
    this.settings = {
      ether: { periodMs: 100, silentAfterMs: 300, downAfterMs: 500 },
      serial: { periodMs: 200, silentAfterMs: 600, downAfterMs: 1_000 },
      baud: 115_200,
      expected: cards,
      disabled: [],
      witness: false,
      redundantLinks: true,
      ...over,
    };
  }

  sit(card: CardId, over: Partial<Identity> = {}): Seat {
    const uid = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, card);
    const base = { system: 1, card, incarnation: 100, uid, name: `card-${card}`, nonce: 1_000 + card, software: "test", reservedView: 0 };
    const identity = { ...base, ...over };
    const seat: Seat = {
      identity,
      node: new Node(identity, this.settings, this.now),
      effects: [],
      events: [],
      answers: [],
      store: undefined,
    };
    this.seats.push(seat);
    for (const link of linkKinds) this.feed(seat, { kind: "portUp", link });
    return seat;
  }

  feed(seat: Seat, input: Input): void {
    this.#flying.push({ seat, input });
    if (this.#isFlying) return;
    this.#isFlying = true;
    for (let next = this.#flying.shift(); next !== undefined; next = this.#flying.shift()) this.#step(next.seat, next.input);
    this.#isFlying = false;
  }

  #step(seat: Seat, input: Input): void {
    if (!this.seats.includes(seat)) return;
    for (const effect of seat.node.step(this.now, input)) {
      seat.effects.push(effect);
      if (effect.kind === "send") this.#send(seat, effect);
      else if (effect.kind === "reserve") this.#flying.push({ seat, input: { kind: "reserved", upTo: effect.upTo } });
      else if (effect.kind === "store" && seat.store !== undefined) {
        const result = { order: effect.order.order, ...seat.store.carryOut(effect.order) } as StoreResult;
        this.#flying.push({ seat, input: { kind: "stored", result } });
      } else if (effect.kind === "post") {
        for (const check of effect.checks) {
          this.#flying.push({ seat, input: { kind: "postChecked", check, outcome: this.check(seat, check) } });
        }
      } else if (effect.kind === "selfTest") {
        const { run } = effect;
        for (const check of effect.checks) {
          this.#flying.push({ seat, input: { kind: "selfTestChecked", run, check, outcome: this.check(seat, check) } });
        }
      } else if (effect.kind === "configured") seat.answers.push(effect.answer);
      else if (effect.kind === "application") seat.events.push({ client: effect.client, event: effect.event });
    }
  }

  #send(from: Seat, effect: Extract<Effect, { kind: "send" }>): void {
    const { link, to, sequence, message, address } = effect;
    const { system, card, incarnation } = from.identity;
    const frame = { system, from: card, to, incarnation, sequence, message };
    const source = link === "ether" ? this.addresses.get(card) : undefined;
    const input: Input = source === undefined ? { kind: "heard", link, frame } : { kind: "heard", link, frame, source };
    for (const seat of this.seats) {
      const isFor = address === undefined || isSame(address, this.hearsAt(seat.identity.card));
      if (seat !== from && isFor && !this.isLost(card, seat.identity.card, link)) this.#flying.push({ seat, input });
    }
  }

  run(ms: number): void {
    const end = this.now + ms;
    for (;;) {
      const due = Math.min(...this.seats.map((seat) => seat.node.deadline()));
      if (due > end) break;
      this.now = Math.max(this.now, due);
      for (const seat of [...this.seats]) if (seat.node.deadline() <= this.now) this.feed(seat, { kind: "tick" });
    }
    this.now = end;
  }

  /** Its program ends, without a word. */
  crash(seat: Seat): void {
    this.seats.splice(this.seats.indexOf(seat), 1);
  }

  ask(seat: Seat, client: number, request: ApplicationRequest): void {
    this.feed(seat, { kind: "application", client, request });
  }

  /** The card has a store from now on. */
  giveStore(seat: Seat, store = new SimConfigStore({ wallClock: () => Math.floor(this.now) })): void {
    seat.store = store;
    this.feed(seat, { kind: "storeFound" });
  }

  configure(seat: Seat, client: number, request: ConfigRequest): void {
    this.feed(seat, { kind: "configure", client, request });
  }

  status(seat: Seat): NodeStatus {
    return seat.node.status(this.now);
  }

  /** The cards of one side hear nothing of the others, on both links. */
  split(side: readonly CardId[]): void {
    this.isLost = (from, to) => side.includes(from) !== side.includes(to);
  }

  heal(): void {
    this.isLost = () => false;
  }
}

function isSame(one: Uint8Array, other: Uint8Array | undefined): boolean {
  return other !== undefined && one.every((byte, index) => byte === other[index]);
}

export function slots(count: number): CardId[] {
  return Array.from({ length: count }, (_, index) => cardAt(1, index + 1));
}
