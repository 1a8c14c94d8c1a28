/**
 * The tick matrix: whom each card says that it hears on each link, from the newest heartbeat of each, and which
 * two cards therefore *confirm* each other. Follows PROTOCOLS.md, Membership 1, and the checkmarks of HA-4.
 *
 * A heartbeat on serial lists only cards of its sender's chassis, so it says nothing about other chassis. What the
 * sender's Ethernet heartbeats said about them stays, until these have been missing for too long or the sender says
 * that its Ethernet port is down. Then it is *not known* whether the sender hears a card of another chassis, and that
 * card's own word decides: nobody is put out of a view for what somebody else cannot see, and who is asked to promise speaks for itself.
 *
 * A pair inside the view counts until it has not been confirmed for `downAfterMs - silentAfterMs`; a new pair counts
 * when both tick now.
 */
import { type CardSet, cardSetHas, cardsIn } from "../base/card-set.ts";
import { cardCountMax, type CardId, chassisCountMax, chassisOf, type LinkKind, linkKinds } from "../base/ids.ts";
import type { Heartbeat } from "../wire/message.ts";
import type { LinkPatience } from "./heartbeat.ts";

type Patience = Readonly<Record<LinkKind, LinkPatience>>;

/** What one card said last, as sets in its own terms. */
type Row = {
  readonly ether: Uint8Array;
  readonly serial: Uint8Array;
  /** Its Ethernet ticks of cards of other chassis are known, and since when not told again. */
  isFarKnown: boolean;
  farAt: number;
};

const side = cardCountMax + 1;

export class TickMatrix {
  readonly #card: CardId;
  #settings: Patience;
  /** As the settings say, stretched where our own heartbeats keep a longer period: the serial line may be too slow for the set one. */
  #patience: Patience;
  /** Per link our own last heartbeat, the gap before it, the period that they keep, and whether the port is up. */
  readonly #beatAt: Record<LinkKind, number> = { ether: -Infinity, serial: -Infinity };
  readonly #gapMs: Record<LinkKind, number> = { ether: Infinity, serial: Infinity };
  readonly #periodMs: Record<LinkKind, number> = { ether: 0, serial: 0 };
  readonly #portUp: Record<LinkKind, boolean> = { ether: true, serial: true };
  /** By card: each pair that is looked at asks for two of them. */
  readonly #rows: (Row | undefined)[] = new Array(cardCountMax + 1).fill(undefined);
  /** Per pair and link since when it is not confirmed; `Infinity` while it is. `any` is on whichever link. */
  readonly #lostAt: Readonly<Record<"any" | "ether", Float64Array>> = {
    any: new Float64Array(side * side).fill(-Infinity),
    ether: new Float64Array(side * side).fill(-Infinity),
  };
  readonly #members: Record<"any" | "ether", Set<CardId>> = { any: new Set(), ether: new Set() };

  constructor(card: CardId, settings: Patience) {
    this.#card = card;
    this.#settings = settings;
    this.#patience = settings;
  }

  onSettings(settings: Patience): void {
    this.#settings = settings;
    this.#stretch();
  }

  /** Takes our own heartbeat as it is sent. Says whether anything changed. */
  onOwnBeat(now: number, link: LinkKind, beat: Heartbeat): boolean {
    const gapMs = now - this.#beatAt[link];
    const gapBeforeMs = this.#gapMs[link];
    this.#beatAt[link] = now;
    this.#gapMs[link] = gapMs;
    this.#portUp.ether = beat.etherPort;
    this.#portUp.serial = beat.serialPort;
    if (gapBeforeMs < Infinity) {
      // A slow line stretches every period, a port that was down or a pause only one.
      const beforeMs = this.#periodMs[link];
      this.#periodMs[link] = Math.min(gapMs, gapBeforeMs);
      if (this.#periodMs[link] !== beforeMs) this.#stretch();
    }
    return this.onBeat(now, link, this.#card, beat);
  }

  /** Whether our own heartbeats have been sent on a link. */
  hasSpoken(link: LinkKind): boolean {
    return this.#beatAt[link] > -Infinity;
  }

  /** Two periods of the slower link that is up: in that time cards that start together have heard each other. */
  listenMs(): number {
    const up = linkKinds.filter((link) => this.#portUp[link]);
    return 2 * Math.max(...(up.length === 0 ? linkKinds : up).map((link) => this.#patience[link].periodMs));
  }

  /** Takes a heartbeat of `from`. Says whether anything changed. */
  onBeat(now: number, link: LinkKind, from: CardId, beat: Heartbeat): boolean {
    let row = this.#rows[from];
    const isNew = row === undefined;
    if (row === undefined) {
      row = { ether: new Uint8Array(chassisCountMax), serial: new Uint8Array(chassisCountMax), isFarKnown: false, farAt: -Infinity };
      this.#rows[from] = row;
    }
    const wasFarKnown = row.isFarKnown;
    const bytes = link === "ether" || !beat.etherPort ? chassisCountMax : 1;
    if (bytes > 1) {
      row.isFarKnown = true;
      row.farAt = now;
    } else if (now - row.farAt >= this.#patience.ether.downAfterMs) row.isFarKnown = false;
    const etherChanged = copy(beat.etherTicks, row.ether, bytes);
    const serialChanged = copy(beat.serialTicks, row.serial, 1);
    const changed = isNew || etherChanged || serialChanged || row.isFarKnown !== wasFarKnown;
    if (changed) this.#refresh(now, from);
    return changed;
  }

  /** What was said by `card` and about it is void: it ended, or another incarnation speaks. No pair with it is of the view any more. */
  forget(now: number, card: CardId): void {
    this.#rows[card] = undefined;
    for (const from of this.cards()) {
      const row = this.#rows[from] as Row;
      drop(from, row.ether, card);
      drop(from, row.serial, card);
    }
    this.#members.any.delete(card);
    this.#members.ether.delete(card);
    this.#refresh(now, card);
  }

  /** The cards whose pairs keep counting for a while without ticks: the view has begun. */
  enterView(now: number, members: readonly CardId[], ether: readonly CardId[]): void {
    this.#members.any = new Set(members);
    this.#members.ether = new Set(ether);
    for (const kind of ["any", "ether"] as const) {
      const lostAt = this.#lostAt[kind];
      for (const a of members) for (const b of members) if (lostAt[a * side + b] !== Infinity) lostAt[a * side + b] = now;
    }
  }

  /** Takes `ms` off every silence: this card was late. */
  onLate(ms: number): void {
    for (const lostAt of [this.#lostAt.any, this.#lostAt.ether]) {
      for (let pair = 0; pair < lostAt.length; pair++) lostAt[pair] = (lostAt[pair] as number) + ms;
    }
    for (const row of this.#rows) if (row !== undefined) row.farAt += ms;
  }

  has(card: CardId): boolean {
    return this.#rows[card] !== undefined;
  }

  /** Who has spoken, lowest first. */
  cards(): CardId[] {
    const cards: CardId[] = [];
    for (let card = 1; card <= cardCountMax; card++) if (this.#rows[card] !== undefined) cards.push(card as CardId);
    return cards;
  }

  /** Whom a card says that it hears on a link, lowest first. */
  heardBy(link: LinkKind, from: CardId): CardId[] {
    const row = this.#rows[from];
    return row === undefined ? [] : cardsIn(from, row[link]);
  }

  hears(link: LinkKind, from: CardId, card: CardId): boolean {
    const row = this.#rows[from];
    return row !== undefined && cardSetHas(from, link === "ether" ? row.ether : row.serial, card);
  }

  /** Until when two cards count as confirming each other, on any link or on Ethernet: `Infinity` while they do, in the past when they do not. */
  countsUntil(kind: "any" | "ether", a: CardId, b: CardId): number {
    const lostAt = this.#lostAt[kind][a * side + b] as number;
    if (lostAt === Infinity) return Infinity;
    const members = this.#members[kind];
    return members.has(a) && members.has(b) ? lostAt + this.#graceMs(kind, a, b) : -Infinity;
  }

  #stretch(): void {
    const stretched = (link: LinkKind): LinkPatience => {
      const { periodMs, silentAfterMs, downAfterMs } = this.#settings[link];
      const by = Math.max(1, this.#periodMs[link] / periodMs);
      return { periodMs: periodMs * by, silentAfterMs: silentAfterMs * by, downAfterMs: downAfterMs * by };
    };
    this.#patience = { ether: stretched("ether"), serial: stretched("serial") };
  }

  /** How long a pair of the view is borne: the first `silentAfterMs` have passed before a tick goes out. */
  #graceMs(kind: "any" | "ether", a: CardId, b: CardId): number {
    const { ether, serial } = this.#patience;
    const onEther = ether.downAfterMs - ether.silentAfterMs;
    if (kind === "ether" || chassisOf(a) !== chassisOf(b)) return onEther;
    return Math.max(onEther, serial.downAfterMs - serial.silentAfterMs);
  }

  /** Looks again at each pair that `card` is in. */
  #refresh(now: number, card: CardId): void {
    for (let id = 1; id <= cardCountMax; id++) {
      const other = id as CardId;
      if (other === card) continue;
      this.#note(now, "any", card, other, this.#isHeard(card, other) && this.#isHeard(other, card));
      this.#note(now, "ether", card, other, this.#isHeardOnEther(card, other) && this.#isHeardOnEther(other, card));
    }
  }

  #note(now: number, kind: "any" | "ether", a: CardId, b: CardId, isConfirmed: boolean): void {
    const lostAt = this.#lostAt[kind];
    const wasConfirmed = lostAt[a * side + b] === Infinity;
    if (isConfirmed === wasConfirmed) return;
    lostAt[a * side + b] = isConfirmed ? Infinity : now;
    lostAt[b * side + a] = isConfirmed ? Infinity : now;
  }

  #isHeard(from: CardId, card: CardId): boolean {
    return this.hears("serial", from, card) || this.#isHeardOnEther(from, card);
  }

  /** A card that says nothing about other chassis is taken to hear who hears it. */
  #isHeardOnEther(from: CardId, card: CardId): boolean {
    const row = this.#rows[from];
    if (row === undefined) return false;
    return cardSetHas(from, row.ether, card) || (!row.isFarKnown && chassisOf(from) !== chassisOf(card));
  }
}

/** Copies the first bytes of a set into `into`; says whether they differed. */
function copy(set: CardSet, into: Uint8Array, bytes: number): boolean {
  let changed = false;
  for (let index = 0; index < bytes; index++) {
    const byte = set[index] ?? 0;
    if (into[index] === byte) continue;
    into[index] = byte;
    changed = true;
  }
  return changed;
}

function drop(speaker: CardId, set: Uint8Array, card: CardId): void {
  const index = (chassisOf(card) - chassisOf(speaker) + chassisCountMax) % chassisCountMax;
  set[index] = (set[index] as number) & ~(1 << ((card - 1) & 7));
}
