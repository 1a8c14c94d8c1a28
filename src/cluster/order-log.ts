/**
 * What a card holds of the order of all messages: a stretch of entries, how far it has delivered, where each epoch of
 * the order began, and how far each origin's data has come into it. It decides nothing about other cards but one thing:
 * how much of the order another card shares with this one (`sharedWith`).
 *
 *     1 ... base | base+1 ... delivered ... held
 *     let go       retained   given on      proposal buffer
 *
 * Invariants: base <= delivered <= held; entries are appended without gaps; what is delivered is never replaced.
 */
import { assert, unreachable } from "../base/assert.ts";
import type { CardId } from "../base/ids.ts";
import { epochsMax, retainedBytesMax, retainedEntriesMax } from "../limits.ts";
import type { Entry, Mark } from "../wire/message.ts";
import { viewOfEntry } from "./view-entry.ts";

/** An epoch of the order: the view, and the sequence at which it began. */
export type Epoch = { readonly view: number; readonly first: number };

/** What another card says of its own log. */
export type Claim = {
  readonly epoch: number;
  readonly held: number;
  readonly delivered: number;
  readonly deliveredEpoch: number;
};

export class OrderLog {
  #base = 0;
  #delivered = 0;
  /** From `#base + 1`; those before `#start` in the array have been let go. */
  #entries: Entry[] = [];
  #start = 0;
  #retainedBytes = 0;
  #epochs: Epoch[] = [];
  /** At `#delivered`. */
  #deliveredMarks = new Map<CardId, Mark>();
  /** At `held`. */
  #marks = new Map<CardId, Mark>();

  get base(): number {
    return this.#base;
  }

  get held(): number {
    return this.#base + this.#entries.length - this.#start;
  }

  get delivered(): number {
    return this.#delivered;
  }

  /** The epoch of the last entry held, 0 for none. */
  get epoch(): number {
    return this.#epochs.at(-1)?.view ?? 0;
  }

  get epochs(): readonly Epoch[] {
    return this.#epochs;
  }

  get marks(): readonly Mark[] {
    return [...this.#marks.values()];
  }

  claim(): Claim {
    return { epoch: this.epoch, held: this.held, delivered: this.#delivered, deliveredEpoch: this.#epochAt(this.#delivered) };
  }

  /** The last data id of an origin that is in the order. */
  markOf(origin: CardId): number {
    return this.#marks.get(origin)?.id ?? 0;
  }

  at(sequence: number): Entry {
    const entry = this.#entries[this.#start + sequence - this.#base - 1];
    assert(entry !== undefined, `entry ${sequence} is not among ${this.#base + 1} to ${this.held}`);
    return entry;
  }

  append(entry: Entry): void {
    this.#entries.push(entry);
    this.#retainedBytes += entry.body.length;
    const opened = count(this.#marks, entry);
    if (opened !== undefined) this.#openEpoch({ view: opened, first: this.held });
  }

  /** Takes in what another holder of the order has from `first` on: what was held there and not delivered is replaced. */
  replace(first: number, entries: readonly Entry[]): void {
    assert(first > this.#delivered && first <= this.held + 1, `entries from ${first} do not follow ${this.#delivered} to ${this.held}`);
    this.#truncate(first - 1);
    for (const entry of entries) this.append(entry);
  }

  /** Goes on behind `last` without what was before. */
  skipTo(last: number, epochs: readonly Epoch[], marks: readonly Mark[]): void {
    this.#base = this.#delivered = last;
    this.#entries = [];
    this.#start = 0;
    this.#retainedBytes = 0;
    this.#epochs = [...epochs];
    this.#marks = new Map(marks.map((mark) => [mark.card, mark]));
    this.#deliveredMarks = new Map(this.#marks);
  }

  /** Gives the next entry to be delivered. */
  deliver(): Entry {
    const entry = this.at(this.#delivered + 1);
    this.#delivered++;
    count(this.#deliveredMarks, entry);
    this.#letGo();
    return entry;
  }

  /** Entries from `first` on, up to so many and so many bytes, one at least where there is one. */
  entriesFrom(first: number, countMax: number, bytesMax: number): Entry[] {
    const entries: Entry[] = [];
    let bytes = 0;
    for (let sequence = first; sequence <= this.held && entries.length < countMax; sequence++) {
      const entry = this.at(sequence);
      bytes += entry.body.length;
      if (entries.length > 0 && bytes > bytesMax) break;
      entries.push(entry);
    }
    return entries;
  }

  /**
   * The sequence up to which a card that claims this shares our order; `undefined` when it has lost its place: it has
   * nothing yet, has delivered what is not in our order, or needs what we have let go.
   */
  sharedWith(claim: Claim): number | undefined {
    if (claim.epoch === 0) return this.held === 0 ? 0 : undefined;
    const end = this.#endOf(claim.epoch);
    const deliveredEnd = this.#endOf(claim.deliveredEpoch);
    let shared: number | undefined;
    if (end !== undefined) shared = Math.min(claim.held, end);
    else if (deliveredEnd !== undefined && claim.delivered <= deliveredEnd) shared = claim.delivered;
    return shared === undefined || shared < claim.delivered || shared < this.#base ? undefined : shared;
  }

  /** The last sequence of an epoch in our order, `undefined` when it is not, or no longer known to be, a part of it. */
  #endOf(view: number): number | undefined {
    const index = this.#epochs.findIndex((epoch) => epoch.view === view);
    return index < 0 ? undefined : (this.#epochs[index + 1]?.first ?? this.held + 1) - 1;
  }

  #epochAt(sequence: number): number {
    return this.#epochs.findLast((epoch) => epoch.first <= sequence)?.view ?? 0;
  }

  #openEpoch(epoch: Epoch): void {
    this.#epochs.push(epoch);
    if (this.#epochs.length > epochsMax) this.#epochs.shift();
  }

  #truncate(last: number): void {
    const dropped = this.#entries.splice(this.#start + last - this.#base);
    if (dropped.length === 0) return;
    for (const { body } of dropped) this.#retainedBytes -= body.length;
    this.#epochs = this.#epochs.filter(({ first }) => first <= last);
    this.#marks = new Map(this.#deliveredMarks);
    for (let sequence = this.#delivered + 1; sequence <= last; sequence++) count(this.#marks, this.at(sequence));
  }

  #letGo(): void {
    while (this.#delivered - this.#base > retainedEntriesMax || (this.#retainedBytes > retainedBytesMax && this.#base < this.#delivered)) {
      this.#retainedBytes -= (this.#entries[this.#start] as Entry).body.length;
      this.#base++;
      this.#start++;
    }
    // The array is cut now and then, not for each entry.
    if (this.#start < 1_024) return;
    this.#entries.splice(0, this.#start);
    this.#start = 0;
  }
}

/** Takes an entry into the marks. Gives the number of the view that it opens, if it opens one. */
function count(marks: Map<CardId, Mark>, entry: Entry): number | undefined {
  switch (entry.type) {
    case "data": {
      const { incarnation = 0 } = marks.get(entry.origin) ?? {};
      marks.set(entry.origin, { card: entry.origin, incarnation, id: entry.id });
      return undefined;
    }
    case "control":
      return undefined;
    case "view": {
      const { view } = viewOfEntry(entry);
      for (const { card, incarnation } of view.members) {
        if (marks.get(card)?.incarnation !== incarnation) marks.set(card, { card, incarnation, id: 0 });
      }
      return view.number;
    }
    default:
      return unreachable(entry.type);
  }
}
