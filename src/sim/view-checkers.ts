/** The invariants of the membership service: numbered views, promises, quorum, and what is said of absent cards. */
import { cardCountMax, type CardId } from "../base/ids.ts";
import { type Agreement, Checker, type Scene, type Step, type Unsettled } from "./checker.ts";
import type { Run, SimCard } from "./sim-card.ts";
import { etherOf, type SeenView, textOf, type Views } from "./views.ts";

abstract class ViewChecker extends Checker {
  override readonly needsSingles: boolean = true;
  protected readonly views: Views;

  constructor(views: Views) {
    super();
    this.views = views;
  }
}

export class EqualViews extends ViewChecker {
  readonly name = "equal-views";
  readonly sentence =
    "Equal view numbers mean equal members with their incarnations, equal Ethernet members and equal absent cards, over all cards and for ever.";

  override step({ view }: Step): string | undefined {
    if (view === undefined || view.text === view.view.text) return undefined;
    return `took over ${view.text}, and ${view.view.by.label} ${view.view.text}`;
  }
}

export class ViewsGrow extends ViewChecker {
  readonly name = "views-grow";
  readonly sentence = "A card is a member of each view that it takes over, and their numbers only grow, over its restarts too.";

  override step({ card, run, view }: Step): string | undefined {
    if (view === undefined) return undefined;
    const { number, status } = view.view;
    const last = this.views.lastOf.get(card) ?? 0;
    if (number <= last) return `took over view ${number} after view ${last}`;
    this.views.lastOf.set(card, number);
    const own = status.members.find((member) => member.card === card.id);
    return own?.incarnation === run.identity.incarnation
      ? undefined
      : `incarnation ${run.identity.incarnation} is no member of ${view.text}`;
  }
}

export class Promised extends ViewChecker {
  readonly name = "promised";
  readonly sentence =
    "Every member's promise stands behind a view; a card promises and proposes rising numbers, over its restarts too, none that its disk has not reserved, and a number for one view only, whose coordinator it names.";

  override agreement(card: SimCard, run: Run, { kind, number, ...message }: Agreement): string | undefined {
    const word = this.views.wordOf(card);
    if (number > card.reservedView) return `${kind} ${number}, and only ${card.reservedView} is reserved`;
    if (number < word.highest) return `${kind} ${number} after ${word.highest}`;
    word.highest = number;
    if (kind === "promiseView") {
      this.views.promised(run, number);
      return undefined;
    }
    const coordinator = (number % cardCountMax) + 1;
    if (coordinator !== card.id) return `proposes view ${number}, which is card ${coordinator}'s to propose`;
    const text = Object.values(message).join(" / ");
    const before = word.proposals.get(number);
    word.proposals.set(number, text);
    return before === undefined || before === text ? undefined : `proposes view ${number} of ${text}, and has proposed ${before}`;
  }

  override step({ card, view }: Step): string | undefined {
    if (view === undefined || view.view.by !== card) return undefined;
    const { number, status } = view.view;
    const without = status.members.find(({ card: id, incarnation }) =>
      id !== status.coordinator && !this.views.hasPromised(id, incarnation, number)
    );
    return without === undefined ? undefined : `${view.text}, which card ${without.card} has not promised`;
  }
}

export class Quorum extends ViewChecker {
  readonly name = "quorum";
  readonly sentence =
    "A view is of more than half of the electorate; of exactly half with the witness's lease, or without a witness with a tie-break card that was in a view before or with every other card down. The cards of it that order messages are a quorum too, or none.";

  override step({ view }: Step, scene: Scene): string | undefined {
    if (view === undefined) return undefined;
    const { status } = view.view;
    const electorate = this.views.electorateOf(scene);
    const members = status.members.map(({ card }) => card);
    const stranger = members.find((card) => !electorate.includes(card));
    if (stranger !== undefined) return `${view.text}, and card ${stranger} has no vote`;
    if (status.coordinator !== members[0]) return `${view.text}, and its lowest card is ${members[0]}`;
    if (!this.#isQuorum(scene, view.view, electorate, members)) return `${view.text}, which is no quorum of cards ${electorate.join(", ")}`;
    const ether = etherOf(status);
    if (ether.length > 0 && !this.#isQuorum(scene, view.view, electorate, ether)) {
      return `${view.text}, and cards ${ether.join(", ")} alone are no quorum`;
    }
    return undefined;
  }

  #isQuorum(scene: Scene, { status, by }: SeenView, electorate: readonly CardId[], cards: readonly CardId[]): boolean {
    if (2 * cards.length !== electorate.length) return 2 * cards.length > electorate.length;
    if (scene.options.witness === true) {
      const holder = scene.cards.find((card) => card.id === status.coordinator)?.run;
      // By the time that a member takes the view over, the lease may have moved on.
      return by.id !== status.coordinator || (holder !== undefined && scene.lease.wasHeldBy(holder));
    }
    const tieBreak = scene.options.tieBreak ?? electorate[0];
    const others = electorate.filter((card) => !cards.includes(card));
    const isDown = (card: CardId) => status.absent.some((absent) => absent.card === card && absent.state === "down");
    return status.members.some(({ card, previous }) => card === tieBreak && previous > 0 && cards.includes(card)) || others.every(isDown);
  }
}

export class ProvenAbsent extends ViewChecker {
  readonly name = "proven-absent";
  readonly sentence =
    "A confirmed view has no unknown absent card, an unconfirmed one has; and a card that a view calls down no longer runs what it ran in the view before, or runs nothing and has been in no view for twice its watchdog's time-out.";
  /** When a view was taken over last that has this card. */
  readonly #inViewAt = new Map<CardId, number>();

  override step({ card, at, view, status }: Step, scene: Scene): string | undefined {
    if (view === undefined) return undefined;
    const { state } = status.membership;
    for (const { card: member } of view.view.status.members) this.#inViewAt.set(member, at);
    const unknown = view.view.status.absent.find((absent) => absent.state === "unknown");
    if (state === "confirmed" && unknown !== undefined) return `confirmed ${view.text}`;
    if (state === "unconfirmed" && unknown === undefined) return `unconfirmed ${view.text}`;
    if (view.view.by !== card) return undefined;
    for (const absent of view.view.status.absent) {
      if (absent.state !== "down") continue;
      const alive = this.#aliveOf(scene, view.view.number, absent.card);
      if (alive !== undefined && !this.#isLeaseOver(scene, absent.card)) {
        return `${view.text}, but card ${absent.card} still runs as incarnation ${alive.identity.incarnation}`;
      }
    }
    return undefined;
  }

  /** It feeds its watchdog without a view only while it runs nothing. */
  #isLeaseOver(scene: Scene, id: CardId): boolean {
    const { failover, options: { watchdogMs = Infinity } } = scene;
    const card = scene.cards.find((one) => one.id === id && !one.isTwin);
    const isIdle = card !== undefined && failover?.isIdle(card) === true;
    return isIdle && scene.at >= (this.#inViewAt.get(id) ?? -Infinity) + 2 * watchdogMs;
  }

  /** What a card ran in the last view before, if it still does. */
  #aliveOf(scene: Scene, number: number, id: CardId): Run | undefined {
    let last: SeenView | undefined;
    for (const seen of this.views.seen.values()) {
      const isMember = seen.number < number && seen.status.members.some(({ card }) => card === id);
      if (isMember && (last === undefined || seen.number > last.number)) last = seen;
    }
    const then = last?.runs.get(id);
    const now = scene.cards.find((card) => card.id === id && !card.isTwin);
    if (then === undefined || now?.run !== then || then.leaving || then.failingAt !== Infinity) return undefined;
    // A power sense that lies makes a receipt that lies: that is the world's fault.
    return now.senseWrongUpTo >= then.identity.incarnation ? undefined : then;
  }
}

export class OneSide extends ViewChecker {
  readonly name = "one-side";
  readonly sentence = "Two views that are held at the same time share a card, unless a power sense lied: there are never two sides.";

  override step({ card, run, view }: Step, scene: Scene): string | undefined {
    const held = this.views.held.get(run);
    if (held === undefined || held.number === 0 || held.state === "tentative") return undefined;
    // The wake of a card that stood still is a step too, so a side that it holds on to is found then.
    const own = view?.view ?? this.views.seen.get(held.number);
    if (own === undefined) return undefined;
    for (const other of scene.cards) {
      const { run: others } = other;
      if (other === card || other.isTwin || others === undefined || others.stall !== undefined) continue;
      const theirs = this.views.held.get(others);
      if (theirs === undefined || theirs.number === held.number || theirs.state === "tentative") continue;
      const seen = this.views.seen.get(theirs.number);
      if (seen === undefined || seen.status.members.some(({ card: id }) => own.status.members.some((member) => member.card === id))) {
        continue;
      }
      if (this.#isMisled(scene, own) || this.#isMisled(scene, seen)) continue;
      return `holds ${own.text} while ${other.label} holds ${seen.text}`;
    }
    return undefined;
  }

  /** A power sense that lies about a card that runs makes a receipt that lies, and two sides of it until that card is heard: the world's fault. */
  #isMisled(scene: Scene, { status }: SeenView): boolean {
    return status.absent.some(({ card: id, state }) => {
      const card = state === "down" ? scene.cards.find((other) => other.id === id && !other.isTwin) : undefined;
      return card?.run !== undefined && card.senseWrongUpTo >= card.run.identity.incarnation;
    });
  }
}

export class OneView extends ViewChecker {
  readonly name = "one-view";
  readonly sentence =
    "Within a stated time after the last fault all running cards that vote hold one view of all of them, confirmed when none is missing; unless they are no quorum.";
  override readonly needsSingles: boolean = false;

  override settled(scene: Scene): Unsettled | undefined {
    const electorate = this.views.electorateOf(scene);
    const running = scene.cards.filter((card) => card.run !== undefined && !card.run.leaving && electorate.includes(card.id));
    if (2 * running.length <= electorate.length) return undefined;
    let first: { readonly card: SimCard; readonly text: string } | undefined;
    for (const card of running) {
      const membership = scene.statusOf(card)?.membership;
      if (membership === undefined) continue;
      const { view, state, reason } = membership;
      if (view === undefined || state === "tentative") return { card, detail: `is tentative: ${reason ?? "no reason"}` };
      const missing = running.find((other) =>
        !view.members.some(({ card: id, incarnation }) => id === other.id && incarnation === other.run?.identity.incarnation)
      );
      if (missing !== undefined) return { card, detail: `holds ${textOf(view)} without ${missing.label}` };
      if (etherOf(view).length !== view.members.length) return { card, detail: `holds ${textOf(view)}, not all of it on Ethernet` };
      if (state !== "confirmed" && running.length === electorate.length) return { card, detail: `holds ${textOf(view)}, ${state}` };
      const text = textOf(view);
      first ??= { card, text };
      if (text !== first.text) return { card, detail: `holds ${text} while ${first.card.label} holds ${first.text}` };
    }
    return undefined;
  }
}
