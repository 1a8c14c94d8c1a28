/**
 * Several membership services under a seed: the real heartbeat service tells who hears whom, the network between them
 * loses, delays, repeats and cuts, cards crash and come back with another incarnation and what their disk had reserved. After
 * every step the invariants are checked; what breaks throws, with the seed and the last things that happened.
 */
import { type Address, cardAt, cardCountMax, type CardId, chassisOf, type LinkKind, slotOf } from "../../src/base/ids.ts";
import { cardsIn } from "../../src/base/card-set.ts";
import { Prng } from "../../src/base/prng.ts";
import { Heartbeat, type HeartbeatInput } from "../../src/cluster/heartbeat.ts";
import { Membership, type MembershipInput, type MembershipMessage } from "../../src/cluster/membership.ts";
import type { NodeView } from "../../src/cluster/view.ts";
import type { Heartbeat as Beat, ProposeView } from "../../src/wire/message.ts";

export type NetworkOptions = {
  readonly seed: number;
  readonly cards: readonly CardId[];
  readonly witness?: boolean;
  readonly tieBreak?: CardId;
  /** Of a frame, 0 to 1. */
  readonly loss?: number;
  readonly repeated?: number;
};

type Frame =
  | { readonly kind: "beat"; readonly beat: Beat }
  | { readonly kind: "message"; readonly message: MembershipMessage }
  | { readonly kind: "bye"; readonly receipt: "left" | "failing" };

type Run = {
  readonly incarnation: number;
  readonly heartbeat: Heartbeat;
  readonly membership: Membership;
  /** The newest incarnation heard of each other card. */
  readonly heard: Map<CardId, number>;
  readonly wakeAt: { heartbeat: number; membership: number };
  views: number;
};

type Slot = {
  readonly card: CardId;
  run: Run | undefined;
  incarnation: number;
  /** On the disk. */
  reserved: number;
  isPowered: boolean;
  /** Over all runs: the highest number promised or proposed, and taken over. */
  promised: number;
  taken: number;
};

type Event = { readonly at: number; readonly order: number; readonly act: () => void };

const ether = { periodMs: 20, silentAfterMs: 60, downAfterMs: 100 };
const serial = { periodMs: 50, silentAfterMs: 150, downAfterMs: 250 };
const senseMs = 5;
const timerGrainMs = 0.05;

export class MembershipNetwork {
  now = 0;
  readonly options: NetworkOptions;
  readonly prng: Prng;
  readonly slots: readonly Slot[];
  /** "link from to" of what does not arrive. */
  readonly cut = new Set<string>();
  loss: number;
  repeated: number;
  /** Notifications of all cards, by kind. */
  readonly counts = { tentative: 0, confirmed: 0, unconfirmed: 0 };
  readonly told: string[] = [];
  readonly #events: Event[] = [];
  #order = 0;
  /** What was said of a number: the view as text, its proposal, and who promised it. */
  readonly #views = new Map<number, string>();
  readonly #proposals = new Map<number, string>();
  readonly #promises = new Set<string>();
  #leaseOf: Run | undefined;
  readonly #leaseWanted = new Set<Run>();

  constructor(options: NetworkOptions) {
    this.options = options;
    this.prng = new Prng(options.seed);
    this.loss = options.loss ?? 0;
    this.repeated = options.repeated ?? 0;
    this.slots = options.cards.map((card) => ({
      card,
      run: undefined,
      incarnation: 0,
      reserved: 0,
      isPowered: true,
      promised: 0,
      taken: 0,
    }));
  }

  get settings() {
    const { cards, tieBreak, witness } = this.options;
    return {
      ether,
      serial,
      baud: 4_000_000,
      expected: cards,
      disabled: [],
      witness: witness === true,
      ...(tieBreak === undefined ? {} : { tieBreak }),
    };
  }

  slot(card: CardId): Slot {
    const slot = this.slots.find((other) => other.card === card);
    if (slot === undefined) throw new Error(`no card ${card}`);
    return slot;
  }

  running(): Slot[] {
    return this.slots.filter(({ run }) => run !== undefined);
  }

  // ---- what a test does

  start(slot: Slot): void {
    if (slot.run !== undefined) return;
    slot.incarnation += 1 + this.prng.below(3);
    const run: Run = {
      incarnation: slot.incarnation,
      heartbeat: new Heartbeat(slot.card, this.settings),
      membership: new Membership(slot.card, slot.incarnation, slot.reserved, this.settings, this.now),
      heard: new Map(),
      wakeAt: { heartbeat: Infinity, membership: Infinity },
      views: 0,
    };
    slot.run = run;
    this.#tell(`card ${slot.card} starts as ${slot.incarnation}, reserved ${slot.reserved}`);
    if (!slot.isPowered) {
      slot.isPowered = true;
      this.#sense(slot, (other) => ({ kind: "powerOn", card: other }));
    }
    this.#membership(slot, run, { kind: "tick" });
    for (const link of ["ether", "serial"] as const) this.#heartbeat(slot, run, { kind: "port", link, up: true });
    this.#heartbeat(slot, run, { kind: "power", powered: this.#powered(slot) });
  }

  /** `silent`: nobody is told. `power`: the multiplexor tells its chassis. The others are said by the card itself. */
  stop(slot: Slot, how: "silent" | "power" | "left" | "failing"): void {
    const { run } = slot;
    if (run === undefined) return;
    this.#tell(`card ${slot.card} stops: ${how}`);
    if (how === "left" || how === "failing") {
      this.#membership(slot, run, { kind: "leave" });
      for (const link of ["ether", "serial"] as const) this.#send(slot, run, link, 0, { kind: "bye", receipt: how });
    }
    slot.run = undefined;
    this.#leaseWanted.delete(run);
    if (this.#leaseOf === run) {
      this.at(300, () => {
        if (this.#leaseOf === run) this.#leaseOf = undefined;
        this.#giveLease();
      });
    }
    if (how !== "power") return;
    slot.isPowered = false;
    this.#sense(slot, (card) => ({ kind: "receipt", card, receipt: "power" }));
  }

  /** Lets something happen after `ms`. */
  at(ms: number, act: () => void): void {
    this.#schedule(this.now + ms, act);
  }

  #schedule(at: number, act: () => void): void {
    const event = { at, order: this.#order++, act };
    const events = this.#events;
    let index = events.length;
    events.push(event);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!isBefore(event, events[parent] as Event)) break;
      events[index] = events[parent] as Event;
      index = parent;
    }
    events[index] = event;
  }

  run(ms: number): void {
    const end = this.now + ms;
    for (let event = this.#next(end); event !== undefined; event = this.#next(end)) {
      this.now = event.at;
      event.act();
    }
    this.now = end;
  }

  heal(): void {
    this.#tell("heals");
    this.cut.clear();
    this.loss = 0;
    this.repeated = 0;
    for (const slot of this.slots) this.start(slot);
  }

  /** Cuts or joins two cards, one way or both. */
  setCut(link: LinkKind, from: CardId, to: CardId, isCut: boolean): void {
    if (isCut) this.cut.add(`${link} ${from} ${to}`);
    else this.cut.delete(`${link} ${from} ${to}`);
  }

  partition(sides: readonly (readonly CardId[])[]): void {
    this.#tell(`partition ${sides.map((side) => side.join(",")).join(" | ")}`);
    const sideOf = (card: CardId) => sides.findIndex((side) => side.includes(card));
    for (const link of ["ether", "serial"] as const) {
      for (const a of this.options.cards) for (const b of this.options.cards) if (a !== b) this.setCut(link, a, b, sideOf(a) !== sideOf(b));
    }
  }

  /** What is wrong with "all hold one view of everybody", or nothing. */
  unsettled(): string | undefined {
    let first: string | undefined;
    for (const { card, run } of this.running()) {
      const view = run?.membership.view();
      if (run?.membership.isHeld() !== true || view === undefined) {
        return `card ${card} is tentative: ${run?.membership.status(this.now).reason}`;
      }
      const text = JSON.stringify(view);
      first ??= text;
      if (text !== first) return `card ${card} holds ${text}, another ${first}`;
      for (const other of this.running()) {
        const isIn = view.members.some((member) => member.card === other.card && member.incarnation === other.run?.incarnation);
        if (!isIn) return `card ${card} holds ${text} without card ${other.card}`;
      }
      if (view.ether.length !== view.members.length) return `card ${card} holds ${text}, not all on Ethernet`;
    }
    return undefined;
  }

  fail(why: string): never {
    throw new Error(`seed ${this.options.seed} at ${this.now.toFixed(1)}: ${why}\n${this.told.slice(-60).join("\n")}`);
  }

  // ---- the world

  #next(end: number): Event | undefined {
    const events = this.#events;
    const first = events[0];
    if (first === undefined || first.at > end) return undefined;
    const last = events.pop() as Event;
    if (events.length === 0) return first;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= events.length) break;
      if (child + 1 < events.length && isBefore(events[child + 1] as Event, events[child] as Event)) child++;
      if (!isBefore(events[child] as Event, last)) break;
      events[index] = events[child] as Event;
      index = child;
    }
    events[index] = last;
    return first;
  }

  #tell(what: string): void {
    this.told.push(`${this.now.toFixed(1)} ${what}`);
    if (this.told.length > 400) this.told.splice(0, 200);
  }

  #powered(slot: Slot): number {
    let powered = 0;
    for (const other of this.slots) {
      if (chassisOf(other.card) === chassisOf(slot.card) && other.isPowered) powered |= 1 << (slotOf(other.card) - 1);
    }
    return powered;
  }

  /** The multiplexor tells the cards of a chassis about one of its slots. */
  #sense(about: Slot, fact: (card: CardId) => MembershipInput): void {
    for (const slot of this.slots) {
      if (slot === about || chassisOf(slot.card) !== chassisOf(about.card)) continue;
      this.at(senseMs, () => {
        const { run } = slot;
        if (run === undefined) return;
        this.#membership(slot, run, fact(about.card));
        this.#heartbeat(slot, run, { kind: "power", powered: this.#powered(slot) });
      });
    }
  }

  #send(slot: Slot, run: Run, link: LinkKind, to: Address, frame: Frame): void {
    for (const other of this.slots) {
      if (other === slot || (to !== 0 && to !== other.card)) continue;
      if (link === "serial" && chassisOf(other.card) !== chassisOf(slot.card)) continue;
      const copies = this.prng.chance(this.repeated) ? 2 : 1;
      for (let copy = 0; copy < copies; copy++) {
        if (this.cut.has(`${link} ${slot.card} ${other.card}`) || this.prng.chance(this.loss)) continue;
        const latencyMs = link === "ether" ? this.prng.between(0.1, 2) : this.prng.between(1, 15);
        const strayMs = copy > 0 ? this.prng.between(0, 200) : 0;
        this.at(latencyMs + strayMs, () => this.#arrive(other, link, slot.card, run.incarnation, frame));
      }
    }
  }

  #arrive(slot: Slot, link: LinkKind, from: CardId, incarnation: number, frame: Frame): void {
    const { run } = slot;
    if (run === undefined) return;
    const newest = run.heard.get(from) ?? 0;
    if (incarnation < newest) return;
    if (incarnation > newest) {
      run.heard.set(from, incarnation);
      this.#heartbeat(slot, run, { kind: "restarted", card: from });
      this.#membership(slot, run, { kind: "heard", card: from, incarnation });
    }
    this.#heartbeat(slot, run, { kind: "heard", link, from, ...(frame.kind === "beat" ? { beat: frame.beat } : {}) });
    if (frame.kind === "beat") this.#membership(slot, run, { kind: "beat", link, from, beat: frame.beat });
    else if (frame.kind === "message") this.#membership(slot, run, { kind: "message", from, incarnation, message: frame.message });
    else {
      this.#membership(slot, run, { kind: "receipt", card: from, receipt: frame.receipt });
      this.#heartbeat(slot, run, { kind: "left", card: from });
    }
  }

  #heartbeat(slot: Slot, run: Run, input: HeartbeatInput): void {
    if (slot.run !== run) return;
    for (const output of run.heartbeat.step(this.now, input)) {
      if (output.kind === "beat") {
        const beat = { ...output.message, view: (run.membership.view()?.number ?? 0) & 0xffff };
        this.#send(slot, run, output.link, 0, { kind: "beat", beat });
        this.#membership(slot, run, { kind: "ownBeat", link: output.link, beat });
      } else if (output.kind === "cardHealth") {
        this.#membership(slot, run, { kind: "cardHealth", card: output.card, health: output.health });
      } else if (output.kind === "late") this.#membership(slot, run, { kind: "late", ms: output.ms });
    }
    this.#wake(slot, run, "heartbeat");
  }

  /** One call at a time waits for each service, at its deadline or before. */
  #wake(slot: Slot, run: Run, service: "heartbeat" | "membership"): void {
    // A timer never fires twice in the same instant.
    const at = Math.max(run[service].deadline(), this.now + timerGrainMs);
    if (at >= run.wakeAt[service]) return;
    run.wakeAt[service] = at;
    if (at < Infinity) {
      this.#schedule(at, () => {
        if (slot.run !== run || run.wakeAt[service] !== at) return;
        run.wakeAt[service] = Infinity;
        if (run[service].deadline() > this.now) this.#wake(slot, run, service);
        else if (service === "heartbeat") this.#heartbeat(slot, run, { kind: "tick" });
        else this.#membership(slot, run, { kind: "tick" });
      });
    }
  }

  #membership(slot: Slot, run: Run, input: MembershipInput): void {
    if (slot.run !== run) return;
    const { membership } = run;
    const outputs = membership.step(this.now, input);
    if (outputs.length > 8) this.fail(`card ${slot.card}: ${outputs.length} outputs of one step`);
    if (membership.deadline() <= this.now) this.fail(`card ${slot.card}: deadline ${membership.deadline()} after ${input.kind}`);
    for (const output of outputs) {
      switch (output.kind) {
        case "send":
          this.#checkSaid(slot, run, output.message);
          if (output.message.kind !== "wantView") this.#tell(`card ${slot.card} to ${output.to}: ${sayingOf(slot.card, output.message)}`);
          for (const link of ["ether", "serial"] as const) {
            this.#send(slot, run, link, output.to, { kind: "message", message: output.message });
          }
          break;
        case "notification": {
          const { notification, reason } = output;
          this.counts[notification.kind]++;
          const what = notification.kind === "tentative" ? "tentative" : `${notification.kind} ${viewText(notification.view)}`;
          this.#tell(`card ${slot.card} ${what}: ${reason}`);
          if (notification.kind !== "tentative") this.#checkView(slot, run, notification.kind, notification.view);
          break;
        }
        case "reserve":
          this.at(this.prng.between(1, 15), () => {
            // What was on its way to the disk may still get there when the card has stopped.
            if (slot.run !== run && this.prng.chance(0.5)) return;
            slot.reserved = Math.max(slot.reserved, output.upTo);
            this.#membership(slot, run, { kind: "reserved", upTo: output.upTo });
          });
          break;
        case "witness":
          if (output.wanted) this.#leaseWanted.add(run);
          else this.#leaseWanted.delete(run);
          this.at(this.prng.between(1, 10), () => this.#giveLease());
          break;
        case "log":
          this.#tell(`card ${slot.card} ${output.event} ${JSON.stringify(output.fields)}`);
          break;
      }
    }
    this.#checkSides(slot, run);
    this.#wake(slot, run, "membership");
  }

  #giveLease(): void {
    const holder = this.#leaseOf;
    const hold = (run: Run, held: boolean) => {
      const slot = this.slots.find((other) => other.run === run);
      if (slot !== undefined) this.#membership(slot, run, { kind: "witness", held });
    };
    if (holder !== undefined && !this.#leaseWanted.has(holder) && this.slots.some(({ run }) => run === holder)) {
      this.#leaseOf = undefined;
      hold(holder, false);
    }
    const [next] = this.#leaseWanted;
    if (this.#leaseOf !== undefined || next === undefined) return;
    this.#leaseOf = next;
    hold(next, true);
  }

  // ---- invariants

  #checkSaid(slot: Slot, run: Run, message: MembershipMessage): void {
    if (message.kind !== "proposeView" && message.kind !== "promiseView") return;
    const { number } = message;
    if (number > slot.reserved) this.fail(`card ${slot.card} says ${message.kind} ${number}, and has reserved ${slot.reserved}`);
    if (number < slot.promised) this.fail(`card ${slot.card} says ${message.kind} ${number} after ${slot.promised}`);
    slot.promised = number;
    this.#promises.add(`${number} ${slot.card} ${run.incarnation}`);
    if (message.kind !== "proposeView") return;
    if (number % cardCountMax !== slot.card - 1) this.fail(`card ${slot.card} proposes ${number}`);
    const text = proposalText(slot.card, message);
    const before = this.#proposals.get(number);
    if (before !== undefined && before !== text) this.fail(`card ${slot.card} proposes ${number} as ${text}, before as ${before}`);
    this.#proposals.set(number, text);
  }

  #checkView(slot: Slot, run: Run, kind: "confirmed" | "unconfirmed", view: NodeView): void {
    const text = JSON.stringify(view);
    const before = this.#views.get(view.number);
    if (before !== undefined && before !== text) this.fail(`view ${view.number} is ${text} and ${before}`);
    this.#views.set(view.number, text);
    if (view.number <= slot.taken) this.fail(`card ${slot.card} takes view ${view.number} after ${slot.taken}`);
    slot.taken = view.number;
    run.views++;
    if (view.coordinator !== view.members[0]?.card) this.fail(`view ${view.number} by card ${view.coordinator}`);
    if (!view.members.some(({ card, incarnation }) => card === slot.card && incarnation === run.incarnation)) {
      this.fail(`card ${slot.card} takes view ${text} without itself`);
    }
    for (const { card, incarnation } of view.members) {
      if (!this.#promises.has(`${view.number} ${card} ${incarnation}`)) this.fail(`view ${text} without the promise of card ${card}`);
    }
    const unknown = view.absent.filter(({ state }) => state === "unknown").length;
    if ((kind === "confirmed") !== (unknown === 0)) this.fail(`${kind}: ${text}`);
    const cards = [...view.members.map(({ card }) => card), ...view.absent.map(({ card }) => card)].sort((a, b) => a - b);
    if (cards.join() !== [...this.options.cards].sort((a, b) => a - b).join()) this.fail(`view ${text} is not of all cards`);
    const isQuorum = (size: number) => 2 * size >= cards.length;
    if (!isQuorum(view.members.length) || (view.ether.length > 0 && !isQuorum(view.ether.length))) this.fail(`view ${text} is no quorum`);
    if (view.coordinator !== slot.card) return;
    for (const { card, state } of view.absent) if (state === "down") this.#checkDown(view, card);
  }

  /** Who is called down no longer runs as it was in the last view before. */
  #checkDown(view: NodeView, card: CardId): void {
    const { run } = this.slot(card);
    if (run === undefined) return;
    let last: NodeView | undefined;
    for (const text of this.#views.values()) {
      const other = JSON.parse(text) as NodeView;
      const isLater = other.number < view.number && other.number > (last?.number ?? 0);
      if (isLater && other.members.some((member) => member.card === card)) last = other;
    }
    const then = last?.members.find((member) => member.card === card);
    if (then?.incarnation === run.incarnation) {
      this.fail(`view ${JSON.stringify(view)} calls card ${card} down, which runs as ${run.incarnation}`);
    }
  }

  /** Two views that are held at the same time share a card. With a witness the lease says who goes on, and the other one learns it later. */
  #checkSides(slot: Slot, run: Run): void {
    if (this.options.witness === true || !run.membership.isHeld()) return;
    const own = run.membership.view();
    for (const other of this.running()) {
      const theirs = other.run?.membership.isHeld() === true ? other.run.membership.view() : undefined;
      if (own === undefined || theirs === undefined || theirs.number === own.number) continue;
      if (!theirs.members.some(({ card }) => own.members.some((member) => member.card === card))) {
        this.fail(`card ${slot.card} holds ${viewText(own)}, card ${other.card} ${viewText(theirs)}`);
      }
    }
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.at === b.at ? a.order < b.order : a.at < b.at;
}

function proposalText(from: CardId, { members, incarnations, ether }: ProposeView): string {
  return `${cardsIn(from, members).join(",")} as ${incarnations.join(",")}, Ethernet ${cardsIn(from, ether).join(",")}`;
}

function sayingOf(from: CardId, message: MembershipMessage): string {
  switch (message.kind) {
    case "proposeView":
      return `propose ${message.number} ${proposalText(from, message)}`;
    case "promiseView":
      return `promise ${message.number}, before ${message.previous}, down ${cardsIn(from, message.down).join(",")}`;
    case "refuseView":
      return `refuse ${message.number}, promised ${message.promised}, missing ${cardsIn(from, message.missing).join(",")}`;
    case "commitView":
      return `commit ${message.number} ${cardsIn(from, message.members).join(",")}`;
    case "wantView":
      return `want, before ${message.previous}, promised ${message.promised}`;
    case "committedView":
      return `committed ${message.number}`;
  }
}

function viewText({ number, members, ether, absent }: NodeView): string {
  const of = members.map(({ card, incarnation }) => `${card}:${incarnation}`).join(" ");
  return `${number} {${of}} Ethernet {${ether.join(" ")}} absent {${absent.map(({ card, state }) => `${card} ${state}`).join(" ")}}`;
}

/** Cards 1 to `count` of one chassis. */
export function chassisOfCards(count: number): CardId[] {
  return Array.from({ length: count }, (_, index) => cardAt(1, index + 1));
}
