/**
 * What the order says about the configuration, the same for every card that knows it at a place: which cards are replicas, the accepted
 * head, the level, and whose turn it is. Pure: `apply` is a function of the state and an entry, and never of what a card has on its disk.
 *
 * A change that more than half of the replicas cannot apply is taken back: its card planned it upon a database that is not what it should
 * be. That such a change was acknowledged cannot be: they did not have it.
 *
 * Invariants: the accepted head only moves to a change that builds upon it, or back over changes that were acknowledged to nobody; there is always a replica (a state without one is forgotten
 * by all alike, and elected anew); a card is a replica from its `caughtUp` with the accepted head on.
 */
import { unreachable } from "../base/assert.ts";
import type { CardId } from "../base/ids.ts";
import { equalBytes, isSameHead, levelOf, linked, runningDigest } from "./chain.ts";
import type { Change, Head } from "./change.ts";
import type { Proposed, ReplicaEntry } from "./replica-entry.ts";

/** The large change under way: whose, and the piece that comes next. */
export type Parts = {
  readonly card: CardId;
  readonly id: number;
  readonly base: Uint8Array;
  readonly count: number;
  readonly next: number;
};

/** What has come of it; `undefined` where its beginning passed by before this card knew the state. */
type Gathered = {
  readonly proposal: Proposed;
  readonly pieces: Uint8Array[];
  readonly digest: ReturnType<typeof runningDigest>;
};

/** The state as it travels to a card that does not know it. */
export type Snapshot = {
  readonly replicas: readonly CardId[];
  readonly accepted: Head;
  readonly level: number;
  /** The view in which these replicas began: what is older counts once something of this lineage stands upon it. */
  readonly lineage: number;
  /** The highest level that each card can store, as it announced it last. */
  readonly levels: readonly { readonly card: CardId; readonly levelMax: number }[];
  /** The cards whose proposals were refused because others came first, in their turn. */
  readonly line: readonly CardId[];
  readonly parts: Parts | undefined;
};

export type Outcome =
  /** Nothing that concerns the chain. */
  | { readonly kind: "none" }
  | { readonly kind: "accepted"; readonly id: number; readonly changes: readonly Change[] }
  | { readonly kind: "refused"; readonly id: number }
  /** A change was accepted of which this card has not seen the beginning: it knows the accepted head no longer. */
  | { readonly kind: "missed" }
  /** This card became a replica, or ceased to be one, or another did. */
  | { readonly kind: "replicas" }
  /** What was accepted behind this head counts no more. */
  | { readonly kind: "takenBack"; readonly head: Head };

export class ReplicaState {
  readonly #replicas: Set<CardId>;
  readonly #levels: Map<CardId, number>;
  #accepted: Head;
  #level: number;
  #lineage: number;
  #line: CardId[];
  /** The replicas for which what follows on a head does not fit. */
  readonly #objections = new Map<CardId, { readonly head: Head; readonly level: number }>();
  #parts: Parts | undefined;
  #gathered: Gathered | undefined;

  constructor(snapshot: Snapshot) {
    this.#replicas = new Set(snapshot.replicas);
    this.#levels = new Map(snapshot.levels.map(({ card, levelMax }) => [card, levelMax]));
    this.#accepted = snapshot.accepted;
    this.#level = snapshot.level;
    this.#lineage = snapshot.lineage;
    this.#line = [...snapshot.line];
    this.#parts = snapshot.parts;
  }

  snapshot(): Snapshot {
    return {
      replicas: this.replicas,
      accepted: this.#accepted,
      level: this.#level,
      lineage: this.#lineage,
      levels: [...this.#levels].map(([of, levelMax]) => ({ card: of, levelMax })),
      line: [...this.#line],
      parts: this.#parts,
    };
  }

  /** Lowest first. */
  get replicas(): CardId[] {
    return [...this.#replicas].sort((one, other) => one - other);
  }

  get accepted(): Head {
    return this.#accepted;
  }

  get level(): number {
    return this.#level;
  }

  get lineage(): number {
    return this.#lineage;
  }

  get line(): readonly CardId[] {
    return this.#line;
  }

  /** Whose large change is under way: until it is through, or its card has gone, nothing else is accepted. */
  get busy(): CardId | undefined {
    return this.#parts?.card;
  }

  isReplica(card: CardId): boolean {
    return this.#replicas.has(card);
  }

  /**
   * The level that the tables may rise to: the highest that all replicas store, and, once there is a level, every card that votes; one that is no
   * replica may store none of them.
   */
  levelForAll(voters: readonly CardId[]): number {
    const cards = this.#level === 0 ? this.replicas : [...this.replicas, ...voters];
    return Math.min(...cards.map((card) => this.isReplica(card) ? this.#levels.get(card) ?? 0 : 0));
  }

  /** The cards that have announced that they store less than this level. */
  olderThan(level: number): CardId[] {
    return [...this.#levels].filter(([, levelMax]) => levelMax < level).map(([card]) => card).sort((one, other) => one - other);
  }

  /** Cards that have left the group, exited, or returned to it. Says whether a replica was among them. */
  drop(cards: readonly CardId[]): boolean {
    let isReplicaLost = false;
    for (const card of cards) {
      isReplicaLost = this.#replicas.delete(card) || isReplicaLost;
      this.#objections.delete(card);
      this.#line = this.#line.filter((other) => other !== card);
      if (this.#parts?.card === card) this.#parts = this.#gathered = undefined;
    }
    return isReplicaLost;
  }

  /** What an entry of a member of the group means, delivered in the epoch of this view. */
  apply(epoch: number, card: CardId, entry: ReplicaEntry): Outcome {
    switch (entry.kind) {
      case "announce":
        this.#levels.set(card, entry.levelMax);
        return this.drop([card]) ? { kind: "replicas" } : { kind: "none" };
      case "elect":
        return { kind: "none" };
      case "caughtUp":
        if (this.#replicas.has(card) || !isSameHead(entry.head, this.#accepted)) return { kind: "none" };
        this.#replicas.add(card);
        return { kind: "replicas" };
      case "propose":
        return this.#onProposed(epoch, card, entry.id, entry.base, entry.proposals);
      case "part":
        return this.#onPart(epoch, card, entry);
      case "object":
        if (this.#replicas.has(card)) this.#objections.set(card, { head: entry.head, level: entry.level });
        return this.settle(epoch);
      default:
        return unreachable(entry);
    }
  }

  /**
   * Takes back what most replicas object to. Asked for whenever one objects, or ceases to be one. Nothing more is accepted in this view
   * then: the place in the chain has been given once in it.
   */
  settle(epoch: number): Outcome {
    for (const { head, level } of this.#objections.values()) {
      const objectors = [...this.#objections].filter(([, other]) => isSameHead(other.head, head)).map(([card]) => card);
      if (2 * objectors.length <= this.#replicas.size || head.sequence >= this.#accepted.sequence) continue;
      this.#replicas.clear();
      for (const card of objectors) this.#replicas.add(card);
      this.#objections.clear();
      this.#accepted = head;
      this.#level = level;
      this.#lineage = epoch + 1;
      this.#parts = this.#gathered = undefined;
      return { kind: "takenBack", head };
    }
    return { kind: "none" };
  }

  #onProposed(epoch: number, card: CardId, id: number, base: Uint8Array, proposals: readonly Proposed[]): Outcome {
    const isFree = this.#parts === undefined && epoch >= this.#lineage;
    if (!isFree || !this.#replicas.has(card) || !equalBytes(base, this.#accepted.hash)) return this.#refuse(card, id);
    return this.#accept(epoch, card, id, proposals);
  }

  #onPart(epoch: number, card: CardId, { id, index, count, data, first }: Extract<ReplicaEntry, { kind: "part" }>): Outcome {
    if (first !== undefined) {
      const isFree = this.#parts === undefined && epoch >= this.#lineage && this.#replicas.has(card) &&
        equalBytes(first.base, this.#accepted.hash);
      if (!isFree) return this.#refuse(card, id);
      this.#parts = { card, id, base: first.base, count, next: 1 };
      this.#gathered = { proposal: first.proposal, pieces: [], digest: runningDigest() };
    } else {
      const parts = this.#parts;
      // The rest of one whose beginning was refused says nothing new.
      if (parts?.card !== card || parts.id !== id || parts.next !== index || parts.count !== count) return { kind: "none" };
      this.#parts = { ...parts, next: index + 1 };
    }
    const gathered = this.#gathered;
    gathered?.pieces.push(data);
    gathered?.digest.update(data);
    if (index < count - 1) return { kind: "none" };
    this.#parts = this.#gathered = undefined;
    if (gathered === undefined) return { kind: "missed" };
    return this.#accept(epoch, card, id, [{ ...gathered.proposal, changeset: joined(gathered.pieces) }], gathered.digest.digest());
  }

  #accept(epoch: number, card: CardId, id: number, proposals: readonly Proposed[], digest?: Uint8Array): Outcome {
    const changes: Change[] = [];
    let level = this.#level;
    let head = this.#accepted;
    for (const proposed of proposals) {
      if (proposed.kind === "migrate") {
        const to = levelOf({ ...proposed, card });
        if (to <= level) return this.#refuse(card, id);
        level = to;
      }
      const change = linked(head, epoch, { ...proposed, card }, digest);
      changes.push(change);
      head = change;
    }
    this.#accepted = { sequence: head.sequence, epoch: head.epoch, hash: head.hash };
    this.#level = level;
    this.#line = this.#line.filter((other) => other !== card);
    return { kind: "accepted", id, changes };
  }

  #refuse(card: CardId, id: number): Outcome {
    if (this.#replicas.has(card) && !this.#line.includes(card)) this.#line.push(card);
    return { kind: "refused", id };
  }
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
