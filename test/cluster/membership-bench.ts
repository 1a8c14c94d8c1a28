/** One membership service on a hand-driven clock, whose peers say what a test lets them say. */
import * as assert from "uvu/assert";
import { cardSetOf, cardsIn } from "../../src/base/card-set.ts";
import { cardAt, type CardId, chassisOf, type LinkKind } from "../../src/base/ids.ts";
import {
  Membership,
  type MembershipInput,
  type MembershipMessage,
  type MembershipOutput,
  type MembershipSettings,
} from "../../src/cluster/membership.ts";
import type { NodeView } from "../../src/cluster/view.ts";
import type { CommitView, ProposeView } from "../../src/wire/message.ts";

export const [c1, c2, c3, c4, c5] = [1, 2, 3, 4, 5].map((slot) => cardAt(1, slot)) as [CardId, CardId, CardId, CardId, CardId];
export const far = cardAt(2, 1);
export const patience = {
  ether: { periodMs: 100, silentAfterMs: 300, downAfterMs: 500 },
  serial: { periodMs: 200, silentAfterMs: 600, downAfterMs: 1_000 },
};
/** From the last tick of a pair of the view to its end. */
export const graceMs = 400;
/** Two periods of the slower link. */
export const listenMs = 400;

type Options = Partial<MembershipSettings> & { readonly reservedView?: number; readonly incarnation?: number };

/** Incarnations are 10 + card. */
export class Bench {
  now = 1_000;
  readonly card: CardId;
  readonly service: Membership;
  settings: MembershipSettings;
  /** What went out and was not looked at yet. */
  sent: { to: number; message: MembershipMessage }[] = [];
  told: string[] = [];
  others: MembershipOutput[] = [];

  constructor(card: CardId, expected: readonly CardId[], { reservedView = 0, incarnation = 10 + card, ...over }: Options = {}) {
    this.card = card;
    this.settings = { ...patience, expected, disabled: [], witness: false, ...over };
    this.service = new Membership(card, incarnation, reservedView, this.settings, this.now);
    assert.is(this.service.deadline(), this.now);
  }

  say(input: MembershipInput): void {
    const outputs = this.service.step(this.now, input);
    assert.ok(this.service.deadline() > this.now, `deadline ${this.service.deadline()} after ${input.kind} at ${this.now}`);
    for (const output of outputs) {
      if (output.kind === "send") this.sent.push(output);
      else if (output.kind === "notification") {
        const { notification, reason } = output;
        this.told.push(
          notification.kind === "tentative" ? `tentative: ${reason}` : `${notification.kind} ${textOf(notification.view)}: ${reason}`,
        );
      } else this.others.push(output);
    }
  }

  /** Starts it, with its numbers reserved. */
  start(): this {
    this.say({ kind: "tick" });
    const reserve = this.others.find((output) => output.kind === "reserve");
    this.say({ kind: "reserved", upTo: reserve?.kind === "reserve" ? reserve.upTo : 0 });
    return this;
  }

  run(ms: number): void {
    const end = this.now + ms;
    while (this.service.deadline() <= end) {
      this.now = Math.max(this.now, this.service.deadline());
      this.say({ kind: "tick" });
    }
    this.now = end;
  }

  /** A heartbeat of a card, our own included, that ticks `ticks` on each link that they share. */
  beat(
    from: CardId,
    ticks: readonly CardId[],
    over: { link?: LinkKind; ether?: readonly CardId[]; serial?: readonly CardId[]; etherPort?: boolean; view?: number } = {},
  ): void {
    const { link = "ether", etherPort = true } = over;
    const near = (cards: readonly CardId[]) => cards.filter((card) => chassisOf(card) === chassisOf(from) && card !== from);
    const ether = (over.ether ?? ticks).filter((card) => card !== from);
    const beat = {
      kind: "heartbeat",
      etherPort,
      serialPort: true,
      etherTicks: cardSetOf(from, link === "ether" ? ether : near(ether)),
      serialTicks: cardSetOf(from, near(over.serial ?? ticks)),
      view: over.view ?? 0,
    } as const;
    if (from === this.card) this.say({ kind: "ownBeat", link, beat });
    else this.say({ kind: "beat", link, from, beat });
  }

  hear(...cards: CardId[]): void {
    for (const card of cards) {
      if (card === this.card) continue;
      this.say({ kind: "heard", card, incarnation: 10 + card });
      this.say({ kind: "cardHealth", card, health: "healthy" });
    }
  }

  /** All of `cards` hear each other, and say so. */
  mesh(cards: readonly CardId[]): void {
    this.hear(...cards);
    for (const card of cards) this.beat(card, cards);
  }

  from(card: CardId, message: MembershipMessage, incarnation = 10 + card): void {
    this.say({ kind: "message", from: card, incarnation, message });
  }

  /** The messages of a kind that went out since they were last taken. */
  take<Kind extends MembershipMessage["kind"]>(kind: Kind): Extract<MembershipMessage, { kind: Kind }>[] {
    const taken = this.sent.map(({ message }) => message).filter((message): message is Extract<MembershipMessage, { kind: Kind }> =>
      message.kind === kind
    );
    this.sent = this.sent.filter(({ message }) => message.kind !== kind);
    return taken;
  }

  takeTold(): string[] {
    const told = this.told;
    this.told = [];
    return told;
  }

  promise(card: CardId, proposal: ProposeView, previous = 0, down: readonly CardId[] = []): void {
    this.from(card, { kind: "promiseView", number: proposal.number, previous, down: cardSetOf(card, down) });
  }

  refuse(card: CardId, number: number, promised: number, missing: readonly CardId[] = []): void {
    this.from(card, { kind: "refuseView", number, promised, missing: cardSetOf(card, missing) });
  }

  /** As the coordinator: a view of `cards`, all promising. */
  lead(cards: readonly CardId[]): ProposeView {
    this.mesh(cards);
    this.run(listenMs);
    return this.agree();
  }

  /** All members of the last proposal promise. */
  agree(): ProposeView {
    const proposal = last(this.take("proposeView"));
    for (const card of cardsIn(this.card, proposal.members)) {
      if (card !== this.card) this.promise(card, proposal, this.service.view()?.number ?? 0);
    }
    return proposal;
  }

  /** As a member: `coordinator` proposes `cards` (each as incarnation 10 + card), and commits if we promise. */
  propose(coordinator: CardId, number: number, cards: readonly CardId[], ether = cards): void {
    this.from(coordinator, {
      kind: "proposeView",
      number,
      members: cardSetOf(coordinator, cards),
      incarnations: cards.map((card) => 10 + card),
      ether: cardSetOf(coordinator, ether),
    });
  }

  commit(
    coordinator: CardId,
    number: number,
    cards: readonly CardId[],
    over: { ether?: readonly CardId[]; down?: readonly CardId[]; previous?: number } = {},
  ): void {
    const { ether = cards, down = [], previous = 0 } = over;
    const unknown = this.settings.expected.filter((card) =>
      !cards.includes(card) && !down.includes(card) && !this.settings.disabled.includes(card)
    );
    this.from(coordinator, {
      kind: "commitView",
      number,
      members: cardSetOf(coordinator, cards),
      incarnations: cards.map((card) => 10 + card),
      previous: cards.map(() => previous),
      ether: cardSetOf(coordinator, ether),
      down: cardSetOf(coordinator, down),
      unknown: cardSetOf(coordinator, unknown),
    });
  }

  follow(coordinator: CardId, number: number, cards: readonly CardId[]): void {
    this.mesh(cards);
    this.propose(coordinator, number, cards);
    this.commit(coordinator, number, cards);
    assert.is(this.service.view()?.number, number);
    this.sent = [];
    this.told = [];
  }

  down(card: CardId): void {
    this.say({ kind: "cardHealth", card, health: "down" });
  }
}

export function last<Item>(items: readonly Item[]): Item {
  assert.ok(items.length > 0, "there is one");
  return items[items.length - 1] as Item;
}

function textOf({ members, ether, absent }: NodeView): string {
  const cards = members.map(({ card }) => card);
  const serial = cards.filter((card) => !ether.includes(card));
  return [
    cards.join(" "),
    ...(serial.length === 0 ? [] : [`serial ${serial.join(" ")}`]),
    ...absent.map(({ card, state }) => `${card} ${state}`),
  ].join(", ");
}

export const membersOf = (card: CardId, { members }: ProposeView | CommitView) => cardsIn(card, members);
