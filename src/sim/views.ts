/** What the cards of a world said of views, beside what they promised and what truly ran: the ground of the view checkers. */
import type { CardId } from "../base/ids.ts";
import type { MembershipStatus, NodeStatus } from "../node/status.ts";
import type { Scene } from "./checker.ts";
import type { Run, SimCard } from "./sim-card.ts";

export type ViewStatus = NonNullable<MembershipStatus["view"]>;

/** A view as the first card that took it over said it. */
export type SeenView = {
  readonly number: number;
  readonly status: ViewStatus;
  /** All that must be equal everywhere. */
  readonly text: string;
  readonly by: SimCard;
  /** What ran on the members' cards with the listed incarnations. */
  readonly runs: ReadonlyMap<CardId, Run>;
};

/** What a run says of its view: 0 while it is tentative or has none. */
export type Held = { number: number; state: MembershipStatus["state"] };

/** A card's promises and proposals, over all its runs. */
export type Word = {
  /** The highest number that it promised or proposed. */
  highest: number;
  readonly proposals: Map<number, string>;
};

export class Views {
  readonly seen = new Map<number, SeenView>();
  readonly held = new Map<Run, Held>();
  /** The last view number of each card, over its restarts. */
  readonly lastOf = new Map<SimCard, number>();
  readonly words = new Map<SimCard, Word>();
  /** "number card incarnation" of each promise that was sent. */
  readonly promises = new Set<string>();

  /** The cards that vote. */
  electorateOf({ options }: Scene): readonly CardId[] {
    return options.cards.filter((card) => options.disabled?.includes(card) !== true);
  }

  /** Takes note of what a card says. Gives the view that it has just taken over, if it has. */
  note(scene: Scene, card: SimCard, run: Run, { membership }: NodeStatus): { readonly view: SeenView; readonly text: string } | undefined {
    const { view, state } = membership;
    let held = this.held.get(run);
    if (held === undefined) {
      held = { number: 0, state: "tentative" };
      this.held.set(run, held);
    }
    const wasNumber = held.number;
    held.number = view?.number ?? 0;
    held.state = state;
    if (view === undefined || view.number === wasNumber) return undefined;
    const text = textOf(view);
    let seen = this.seen.get(view.number);
    if (seen === undefined) {
      const runs = new Map<CardId, Run>();
      for (const { card: id, incarnation } of view.members) {
        const member = scene.cards.find((other) => other.id === id && !other.isTwin)?.run;
        if (member?.identity.incarnation === incarnation) runs.set(id, member);
      }
      seen = { number: view.number, status: view, text, by: card, runs };
      this.seen.set(view.number, seen);
    }
    return { view: seen, text };
  }

  forget(run: Run): void {
    this.held.delete(run);
  }

  wordOf(card: SimCard): Word {
    let word = this.words.get(card);
    if (word === undefined) {
      word = { highest: 0, proposals: new Map() };
      this.words.set(card, word);
    }
    return word;
  }

  /** Takes note of a promise that was sent, whoever it went to. */
  promised(run: Run, number: number): void {
    this.promises.add(`${number} ${run.identity.card} ${run.identity.incarnation}`);
  }

  hasPromised(card: CardId, incarnation: number, number: number): boolean {
    return this.promises.has(`${number} ${card} ${incarnation}`);
  }
}

export function textOf({ number, coordinator, members, absent }: ViewStatus): string {
  const of = members.map(({ card, incarnation, previous, ether }) => `${card}:${incarnation}<${previous}${ether ? "" : " serial"}`);
  const away = absent.map(({ card, state }) => `${card} ${state}`);
  return `view ${number} by ${coordinator} of ${of.join(", ")}${away.length === 0 ? "" : ` without ${away.join(", ")}`}`;
}

export function etherOf(view: ViewStatus): CardId[] {
  return view.members.filter(({ ether }) => ether).map(({ card }) => card);
}
