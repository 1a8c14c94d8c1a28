/**
 * How a storage service comes to know what all agree on: it announces itself, is given it in pieces, and applies what was ordered since; or all who are there know nothing, and
 * the lowest begins. Pure.
 */
import type { CardId } from "../base/ids.ts";
import type { NodeView } from "../cluster/view.ts";
import { storageAnnounceMs, storageBeginMs, storageGatherMs } from "../limits.ts";
import { announcementOf } from "./storage-entry.ts";
import { type Announcement, StorageState } from "./storage-state.ts";
import type { StorageEntry } from "./storage-types.ts";

type Recorded = { readonly view: NodeView } | { readonly sequence: number; readonly card: CardId; readonly entry: StorageEntry };
type Pieces = { readonly asOf: number; readonly data: readonly string[] };

/** Texts in pieces, of each card. */
class Gathering {
  readonly #pieces = new Map<CardId, Pieces>();

  /** The whole text, with its last piece. */
  add(card: CardId, asOf: number, index: number, count: number, data: string): string | undefined {
    const before = this.#pieces.get(card);
    const follows = before?.asOf === asOf && before.data.length === index;
    if (index > 0 && !follows) return undefined;
    const pieces = index === 0 ? [data] : [...before?.data ?? [], data];
    this.#pieces.set(card, { asOf, data: pieces });
    if (index < count - 1) return undefined;
    this.#pieces.delete(card);
    return pieces.join("");
  }
}

export class Joining {
  /** What each card that knows nothing has announced, since its last change. */
  readonly #announced = new Map<CardId, Announcement>();
  #announceAt = Infinity;
  #patientUntil = Infinity;
  /** What came since our announcement; undefined before it. */
  #record: Recorded[] | undefined;
  readonly #gathering = new Gathering();
  readonly #announcements = new Gathering();

  instants(): number[] {
    return [this.#announceAt, this.#patientUntil];
  }

  begin(now: number): void {
    this.#announced.clear();
    this.#record = undefined;
    this.#announceAt = now + storageGatherMs;
    this.#patientUntil = now + storageBeginMs;
  }

  end(): void {
    this.#announced.clear();
    this.#record = undefined;
    this.#announceAt = this.#patientUntil = Infinity;
  }

  soon(now: number): void {
    if (this.#announceAt !== Infinity) this.#announceAt = Math.min(this.#announceAt, now + storageGatherMs);
  }

  onView(now: number, view: NodeView): void {
    if (this.#announceAt === Infinity) return;
    this.#record?.push({ view });
    this.#patientUntil = now + storageBeginMs;
    this.soon(now);
  }

  onMembersChanged(now: number, cards: readonly CardId[]): void {
    for (const card of cards) this.#announced.delete(card);
    this.soon(now);
  }

  isToAnnounce(now: number): boolean {
    if (now < this.#announceAt) return false;
    this.#announceAt = now + storageAnnounceMs;
    return true;
  }

  /** What all of these have announced, when they have and nobody is waited for; `ether`: who could yet join. */
  allAnnounced(now: number, members: readonly CardId[], ether: readonly CardId[]): ReadonlyMap<CardId, Announcement> | undefined {
    if (!members.every((card) => this.#announced.has(card))) return undefined;
    if (!ether.every((card) => members.includes(card)) && now < this.#patientUntil) return undefined;
    return new Map(members.map((card) => [card, this.#announced.get(card) as Announcement]));
  }

  /** The state, when this entry is its last piece and what followed on it is known. `own`: it is this card's. */
  onEntry(sequence: number, card: CardId, groupView: number, entry: StorageEntry, own: boolean): StorageState | undefined {
    if (entry.kind === "announce") this.#onAnnounce(card, entry, own);
    this.#record?.push({ sequence, card, entry });
    if (entry.kind !== "state") return undefined;
    const { asOf, begins, index, count, data } = entry;
    const text = this.#gathering.add(card, asOf, index, count, data);
    const record = this.#record;
    if (text === undefined || record === undefined || (begins > 0 && begins !== groupView)) return undefined;
    // What was given before our announcement was in it does not say what we have open.
    const [first] = record;
    if (first === undefined || !("sequence" in first) || asOf < first.sequence) return undefined;
    const state = StorageState.fromText(text);
    if (state === undefined) return undefined;
    const at = record.findLastIndex((item) => "sequence" in item && item.sequence <= asOf);
    for (const item of record.slice(at + 1)) {
      if ("view" in item) state.onView(item.view);
      else state.apply(item.sequence, item.card, item.entry);
    }
    return state;
  }

  #onAnnounce(card: CardId, { index, count, data }: Extract<StorageEntry, { kind: "announce" }>, own: boolean): void {
    const text = this.#announcements.add(card, 0, index, count, data);
    const announcement = text === undefined ? undefined : announcementOf(text);
    if (announcement === undefined) return;
    this.#announced.set(card, announcement);
    if (own) this.#record = [];
  }
}
