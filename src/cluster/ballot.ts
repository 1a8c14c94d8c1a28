/**
 * A coordinator's own proposal on its way through the two phases: who has promised what, and what is committed when all have (HA-4;
 * PROTOCOLS.md, Membership 4, 5 and 9).
 */
import { cardSetOf, cardsIn } from "../base/card-set.ts";
import { type Address, type CardId, everybody } from "../base/ids.ts";
import { viewResendMs, viewResendsMax } from "../limits.ts";
import type { CommitView, ProposeView } from "../wire/message.ts";
import { type QuorumFacts, quorumOf } from "./quorum.ts";
import type { NodeView } from "./view.ts";
import type { ViewDraft } from "./view-words.ts";

/** What a member says with its promise: the view that it was in before, and whose end it can prove. */
export type Word = { readonly previous: number; readonly down: readonly CardId[] };

/** Something is sent again, each time after twice as long, up to a limit: a slow line is not filled with what is on its way already. */
export class Resending {
  #count = 0;
  #at: number;

  constructor(now: number) {
    this.#at = now + viewResendMs;
  }

  /** `Infinity` once it is over. */
  get at(): number {
    return this.#at;
  }

  /** At its time: whether it is sent once more. */
  again(now: number): boolean {
    const isLast = ++this.#count > viewResendsMax;
    this.#at = isLast ? Infinity : now + viewResendMs * 2 ** Math.min(this.#count, 3);
    return !isLast;
  }

  stop(): void {
    this.#at = Infinity;
  }
}

export class Ballot {
  readonly number: number;
  readonly draft: ViewDraft;
  readonly resending: Resending;
  readonly #coordinator: CardId;
  readonly #words = new Map<CardId, Word>();

  constructor(now: number, number: number, draft: ViewDraft, coordinator: CardId, word: Word) {
    this.number = number;
    this.draft = draft;
    this.resending = new Resending(now);
    this.#coordinator = coordinator;
    this.#words.set(coordinator, word);
  }

  /** Whether a card is asked for its promise in this incarnation. */
  isAsked(card: CardId, incarnation: number): boolean {
    const index = this.draft.members.indexOf(card);
    return index >= 0 && this.draft.incarnations[index] === incarnation;
  }

  promise(card: CardId, word: Word): void {
    this.#words.set(card, word);
  }

  /** The members that have not promised. */
  silent(): CardId[] {
    return this.draft.members.filter((card) => !this.#words.has(card));
  }

  /** The view that each member was in before, in their order. */
  previous(): number[] {
    return this.draft.members.map((card) => this.#words.get(card)?.previous ?? 0);
  }

  /** Whose end the coordinator said that it can prove. */
  down(): readonly CardId[] {
    return this.#words.get(this.#coordinator)?.down ?? [];
  }

  proposal(): ProposeView {
    const { members, incarnations, ether } = this.draft;
    return { kind: "proposeView", number: this.number, members: this.#setOf(members), incarnations, ether: this.#setOf(ether) };
  }

  /** The view, once all have promised; `undefined` where what they said leaves no quorum. `facts` know of `previous`. */
  commit(facts: QuorumFacts): CommitView | undefined {
    const { members, incarnations } = this.draft;
    if (!quorumOf(members, facts).held) return undefined;
    const previous = this.previous();
    // Only who was in the latest view knows which incarnation of an absent card was in one: the receipt of another may be of an earlier one.
    const latest = Math.max(...previous);
    const down = new Set(members.flatMap((card, index) => previous[index] === latest ? this.#words.get(card)?.down ?? [] : []));
    const absent = facts.electorate.filter((card) => !members.includes(card));
    return {
      kind: "commitView",
      number: this.number,
      members: this.#setOf(members),
      incarnations,
      previous,
      ether: this.#setOf(quorumOf(this.draft.ether, facts).held ? this.draft.ether : []),
      down: this.#setOf(absent.filter((card) => down.has(card))),
      unknown: this.#setOf(absent.filter((card) => !down.has(card))),
    };
  }

  #setOf(cards: readonly CardId[]) {
    return cardSetOf(this.#coordinator, cards);
  }
}

/** The view that a coordinator's commit tells of. */
export function viewOf(coordinator: CardId, message: CommitView): NodeView {
  const { number, incarnations, previous } = message;
  const down = cardsIn(coordinator, message.down);
  const absent = [...down, ...cardsIn(coordinator, message.unknown)].sort((a, b) => a - b);
  return {
    number,
    coordinator,
    members: cardsIn(coordinator, message.members).map((card, index) => ({
      card,
      incarnation: incarnations[index] ?? 0,
      previous: previous[index] ?? 0,
    })),
    ether: cardsIn(coordinator, message.ether),
    absent: absent.map((card) => ({ card, state: down.includes(card) ? "down" : "unknown" })),
  };
}

/** A committed view on its way to its members: said again until each has said that it took it over. */
export class Commitment {
  readonly message: CommitView;
  readonly resending: Resending;
  readonly #waiting: Set<CardId>;

  constructor(now: number, message: CommitView, others: readonly CardId[]) {
    this.message = message;
    this.resending = new Resending(now);
    this.#waiting = new Set(others);
    if (others.length === 0) this.resending.stop();
  }

  /** Who has not said so yet. */
  waiting(): CardId[] {
    return [...this.#waiting];
  }

  onTaken(card: CardId, number: number): void {
    if (number !== this.message.number) return;
    this.#waiting.delete(card);
    if (this.#waiting.size === 0) this.resending.stop();
  }
}

/** To one of them, or to all who hear it. */
export function addressOf(cards: readonly CardId[]): Address {
  const [first, second] = cards;
  return first === undefined || second !== undefined ? everybody : first;
}
