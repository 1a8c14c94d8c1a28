/**
 * How a card comes to know what all agree on: it announces itself in the order, records what follows, and takes all that is agreed on as the lowest card
 * that knows gives it, as of an announcement. When nobody knows, which all members having announced themselves proves, it begins anew. Pure.
 *
 * Why that proves it: who knows does not announce itself, and who was given everything since it did counts as not having done so.
 */
import type { CardId } from "../base/ids.ts";
import type { NodeView } from "../cluster/view.ts";
import { failoverAnnounceMs, failoverBeginMs, failoverGatherMs } from "../limits.ts";
import { textOfPieces } from "./service-text.ts";
import type { FailoverEntry } from "./service-types.ts";

/** What came since this card's announcement. */
export type Recorded = { readonly view: NodeView } | { readonly sequence: number; readonly card: CardId; readonly entry: FailoverEntry };

export class Joining {
  readonly #card: CardId;
  /** Where each card announced itself that was given nothing since. */
  readonly #announced = new Map<CardId, number>();
  /** The highest number of a record that any of them has. */
  #lastRecord = 0;
  #announceAt = Infinity;
  /** Until then those that have not joined are waited for. */
  #patientUntil = Infinity;
  /** What came since our announcement at that place; `undefined` before it. */
  #record: { readonly since: number; readonly items: Recorded[] } | undefined;
  #pieces: { readonly card: CardId; readonly asOf: number; readonly data: Uint8Array[] } | undefined;
  #taken: readonly Recorded[] = [];

  constructor(card: CardId) {
    this.#card = card;
  }

  deadline(): number {
    return Math.min(this.#announceAt, this.#patientUntil);
  }

  begin(now: number): void {
    this.#announced.clear();
    this.#record = undefined;
    this.#pieces = undefined;
    this.#announceAt = now + failoverGatherMs;
    this.#patientUntil = now + failoverBeginMs;
  }

  /** All is known. */
  end(): void {
    this.#announced.clear();
    this.#record = undefined;
    this.#pieces = undefined;
    this.#announceAt = this.#patientUntil = Infinity;
  }

  get #isUnderWay(): boolean {
    return this.#announceAt !== Infinity;
  }

  soon(now: number): void {
    if (this.#isUnderWay) this.#announceAt = Math.min(this.#announceAt, now + failoverGatherMs);
  }

  onEpoch(now: number, view: NodeView): void {
    this.#record?.items.push({ view });
    // Who was to give us everything may be gone, and what it gave is not as of a view.
    this.soon(now);
    if (this.#isUnderWay) this.#patientUntil = now + failoverBeginMs;
  }

  onMembersChanged(now: number, cards: readonly CardId[]): void {
    if (!this.#isUnderWay) return;
    for (const card of cards) this.#announced.delete(card);
    this.soon(now);
  }

  isToAnnounce(now: number): boolean {
    if (now < this.#announceAt) return false;
    this.#announceAt = now + failoverAnnounceMs;
    return true;
  }

  haveAnnounced(cards: readonly CardId[]): boolean {
    return cards.every((card) => this.#announced.has(card));
  }

  /** Nobody of the order is missing among the members, or was waited for for long enough. */
  isPatienceOver(now: number, members: readonly CardId[], ether: readonly CardId[]): boolean {
    if (ether.every((card) => members.includes(card))) return true;
    if (now < this.#patientUntil) return false;
    this.#patientUntil = Infinity;
    return true;
  }

  /** The text of all that is agreed on, when this was its last piece and what came since is known too. */
  onEntry(_now: number, sequence: number, card: CardId, entry: FailoverEntry): string | undefined {
    this.#record?.items.push({ sequence, card, entry });
    if (entry.kind === "announce") {
      this.#announced.set(card, sequence);
      this.#lastRecord = Math.max(this.#lastRecord, entry.records);
      if (card === this.#card) this.#record = { since: sequence, items: [] };
      return undefined;
    }
    if (entry.kind !== "state") return undefined;
    const { asOf, index, count, data } = entry;
    const before = this.#pieces;
    const follows = before?.card === card && before.asOf === asOf && before.data.length === index;
    this.#pieces = index === 0 ? { card, asOf, data: [data] } : follows ? { ...before, data: [...before.data, data] } : undefined;
    if (this.#pieces === undefined || index < count - 1) return undefined;
    const { data: pieces } = this.#pieces;
    this.#pieces = undefined;
    for (const [other, at] of [...this.#announced]) if (at <= asOf) this.#announced.delete(other);
    const record = this.#record;
    if (record === undefined || asOf < record.since) return undefined;
    const from = record.items.findIndex((item) => "sequence" in item && item.sequence === asOf);
    this.#taken = record.items.slice(from + 1);
    return textOfPieces(pieces);
  }

  get lastRecord(): number {
    return this.#lastRecord;
  }

  /** What followed on what was given last. */
  recorded(): readonly Recorded[] {
    return this.#taken;
  }

  /** Why this card does not know yet. */
  reason(ether: readonly CardId[]): string {
    const silent = ether.filter((card) => !this.#announced.has(card));
    return silent.length === 0 ? "it begins anew" : `waiting for what card ${silent.join(", ")} knows`;
  }
}
