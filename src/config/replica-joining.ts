/**
 * How a card comes to know what all replicas agree on: it announces itself in the order, and records what follows until the lowest replica
 * has answered with the state as it was there. When nobody is a replica, which all members having announced themselves proves, the lowest
 * of them says with which head they begin. Pure.
 *
 * Why that proves it: a replica was one before, or has said `caughtUp`, and does not announce itself; whoever does is none any more.
 */
import type { CardId } from "../base/ids.ts";
import { configAnnounceMaxMs, configAnnounceMs, configElectMs, configGatherMs, configRecordBytesMax } from "../limits.ts";
import { compareHeads, isSameHead } from "./chain.ts";
import type { Head } from "./change.ts";
import type { ReplicaEntry } from "./replica-entry.ts";

/** What a card said of itself in the order. */
export type Announced = { readonly head: Head; readonly level: number; readonly levelMax: number };
type Announcement = Extract<ReplicaEntry, { kind: "announce" }>;
type Election = Extract<ReplicaEntry, { kind: "elect" }>;

/** What came between our announcement and the answer to it. */
export type Recorded =
  | { readonly kind: "entry"; readonly epoch: number; readonly card: CardId; readonly entry: ReplicaEntry }
  | { readonly kind: "dropped"; readonly epoch: number; readonly cards: readonly CardId[] };

export class Joining {
  readonly #card: CardId;
  readonly #announced = new Map<CardId, Announced>();
  /** Cards whose store cannot be used: nobody waits for them. */
  readonly #holding = new Set<CardId>();
  #announceAt = Infinity;
  #announceMs = configAnnounceMs;
  /** Until then those that have said nothing are waited for. */
  #graceUntil = Infinity;
  #isGraceOver = false;
  /** The group's view for which an election was said last, and until when that is given time. */
  #saidFor = 0;
  #saidUntil = Infinity;
  /** The newest view in which something was accepted, as any of them knows. */
  #seen = 0;
  /** The place of our announcement. */
  #announcedAt: number | undefined;
  #record: Recorded[] = [];
  #recordBytes = 0;

  constructor(card: CardId) {
    this.#card = card;
  }

  deadline(): number {
    return Math.min(this.#announceAt, this.#graceUntil, this.#saidUntil);
  }

  announcedOf(card: CardId): Announced | undefined {
    return this.#announced.get(card);
  }

  get announced(): ReadonlyMap<CardId, Announced> {
    return this.#announced;
  }

  /**
   * The newest view in which something was accepted. An election in that very view could give the same place in the chain to two changes of
   * one view: it takes another one.
   */
  get seen(): number {
    return this.#seen;
  }

  /** Of these cards, those that have said nothing yet. */
  silent(cards: readonly CardId[]): CardId[] {
    return cards.filter((card) => !this.#announced.has(card) && !this.#holding.has(card));
  }

  /** Nothing is known (any more): all has to be said and heard anew. */
  begin(now: number): void {
    this.#announced.clear();
    this.#announceMs = configAnnounceMs;
    this.#announceAt = now + configGatherMs;
    this.#beginGrace(now);
    this.#dropRecord();
  }

  #beginGrace(now: number): void {
    this.#graceUntil = now + configElectMs;
    this.#isGraceOver = false;
  }

  onTick(now: number): void {
    if (now >= this.#graceUntil) {
      this.#graceUntil = Infinity;
      this.#isGraceOver = true;
    }
    if (now >= this.#saidUntil) {
      this.#saidUntil = Infinity;
      this.#saidFor = 0;
    }
  }

  /** The state is known: nobody has to be told, or asked. */
  end(): void {
    this.#announceAt = this.#graceUntil = this.#saidUntil = Infinity;
    this.#saidFor = 0;
    this.#dropRecord();
  }

  #dropRecord(): void {
    this.#announcedAt = undefined;
    this.#record = [];
    this.#recordBytes = 0;
  }

  onEpoch(now: number): void {
    this.#holding.clear();
    if (this.#announceAt !== Infinity) this.#beginGrace(now);
  }

  /** Somebody new has not heard what we announced; what was announced by those that changed counts no longer. */
  onMembersChanged(now: number, epoch: number, cards: readonly CardId[]): void {
    for (const card of cards) this.#announced.delete(card);
    this.announceSoon(now);
    this.#beginGrace(now);
    if (this.#announcedAt !== undefined) this.#record.push({ kind: "dropped", epoch, cards });
  }

  announceSoon(now: number): void {
    this.#announceAt = Math.min(this.#announceAt, now + configGatherMs);
  }

  /** Whether it is time to announce ourselves; the next time is later, each time. */
  isToAnnounce(now: number, isPossible: boolean): boolean {
    if (now < this.#announceAt) return false;
    if (!isPossible) {
      this.#announceAt = now + configAnnounceMs;
      return false;
    }
    this.#announceAt = now + this.#announceMs;
    this.#announceMs = Math.min(2 * this.#announceMs, configAnnounceMaxMs);
    return true;
  }

  /** A card announces itself at this place of the order; with our own announcement the record begins. */
  onAnnounced(sequence: number, card: CardId, { head, level, levelMax, held, seen }: Announcement): void {
    this.#seen = Math.max(this.#seen, seen);
    if (held) {
      this.#announced.delete(card);
      this.#holding.add(card);
      return;
    }
    this.#holding.delete(card);
    this.#announced.set(card, { head, level, levelMax });
    if (card !== this.#card || this.#announceAt === Infinity) return;
    this.#dropRecord();
    this.#announcedAt = sequence;
  }

  /** An entry that cannot be applied yet. `false`: there is no room for it, all begins anew. */
  record(epoch: number, sequence: number, card: CardId, entry: ReplicaEntry, bytes: number): boolean {
    // It is a replica: the answer to our announcement will say so too.
    if (entry.kind === "caughtUp") this.#announced.delete(card);
    if (this.#announcedAt === undefined || sequence <= this.#announcedAt) return true;
    this.#record.push({ kind: "entry", epoch, card, entry });
    this.#recordBytes += bytes;
    return this.#recordBytes <= configRecordBytesMax;
  }

  /** What followed on our announcement, when it is the one that was made at this place. */
  recordSince(announced: number): Recorded[] | undefined {
    return announced === this.#announcedAt ? this.#record : undefined;
  }

  /**
   * With what the members begin, when all of them have announced themselves and this card is the lowest. Cards of the order that are no
   * members and have said nothing are waited for until the time for it is over.
   */
  elect(now: number, members: readonly CardId[], groupView: number, ether: readonly CardId[]): Election | undefined {
    if (members[0] !== this.#card || members.some((card) => !this.#announced.has(card))) return undefined;
    if ((this.silent(ether).length > 0 && !this.#isGraceOver) || this.#saidFor === groupView) return undefined;
    const best = [...this.#announced.values()].reduce((one, other) => compareHeads(other.head, one.head) > 0 ? other : one);
    const replicas = members.filter((card) => isSameHead((this.#announced.get(card) as Announced).head, best.head));
    this.#saidFor = groupView;
    this.#saidUntil = now + configElectMs;
    return { kind: "elect", groupView, head: best.head, level: best.level, replicas };
  }
}
