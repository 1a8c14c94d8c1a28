/**
 * What a card knows of each other one, beside whom that one hears: its incarnation, its health, in which views it was, and
 * what proves that it has ended (PROTOCOLS.md, Membership 9).
 *
 * A receipt proves the end of the incarnations up to the one that was known when it came, and of no later one. It lapses
 * when the card is heard again: what comes well after the receipt (what was still on its way does not count), a later incarnation, or power in the slot.
 * That a member of our view restarted proves the end of that member; of other cards it proves nothing that counts, for nobody
 * here knows which of their incarnations were in views.
 */
import { cardCountMax, type CardId } from "../base/ids.ts";
import type { CardHealth } from "./heartbeat.ts";
import type { Proof as Receipted, QuorumFacts } from "./quorum.ts";
import type { Receipt } from "./view.ts";

/** `agreed`: a view said so; this card has seen nothing itself. `since` is for lapsing, and is moved by what this card was late. */
export type Proof = { readonly receipt: Receipt | "agreed"; readonly at: number; readonly incarnation: number; since: number };

export type Peer = {
  /** The newest heard, -1 for none, and since when. */
  incarnation: number;
  startedAt: number;
  health: CardHealth | "absent";
  /** It has spoken of views in this incarnation, or been in one, so it can promise. */
  isReady: boolean;
  /** The last view that this incarnation was in, as far as is known; 0 for none. */
  previous: number;
  /** Since when its heartbeats tell of a later view than ours. */
  aheadAt: number;
  proof: Proof | undefined;
  /** Up to this incarnation it was said to have ended, and its slot has had power again since; -1 for none. */
  endedUpTo: number;
};

/** What a heartbeat changes: nothing, something, or it gives a receipt the lie, for who was said to have ended still speaks. */
export type BeatNews = "none" | "news" | "lie";

export class Peers {
  /** By card: each is asked for several times at each frame. */
  readonly #peers: (Peer | undefined)[] = new Array(cardCountMax + 1).fill(undefined);

  get(card: CardId): Peer {
    let peer = this.#peers[card];
    if (peer === undefined) {
      peer = {
        incarnation: -1,
        startedAt: Infinity,
        health: "absent",
        isReady: false,
        previous: 0,
        aheadAt: Infinity,
        proof: undefined,
        endedUpTo: -1,
      };
      this.#peers[card] = peer;
    }
    return peer;
  }

  all(): readonly Peer[] {
    return this.#peers.filter((peer) => peer !== undefined);
  }

  /** Lowest first. */
  cards(): CardId[] {
    return this.#peers.flatMap((peer, card) => peer === undefined ? [] : [card as CardId]);
  }

  /** Takes note of an incarnation that is newer than the one known. */
  onHeard(now: number, card: CardId, incarnation: number, isMember: boolean): void {
    const peer = this.get(card);
    peer.proof = isMember ? { receipt: "restarted", at: now, incarnation: peer.incarnation, since: now } : undefined;
    peer.incarnation = incarnation;
    peer.startedAt = now;
    peer.health = "absent";
    peer.isReady = false;
    peer.previous = 0;
    peer.aheadAt = Infinity;
  }

  /**
   * A heartbeat of a card that says of which view it is (its lowest 16 bits, 0 for none), while ours has the number `own`. What comes
   * within `onItsWayMs` of a receipt is no sign of life.
   */
  onBeat(now: number, card: CardId, view: number, own: number, onItsWayMs: number): BeatNews {
    const peer = this.get(card);
    const { isReady, proof, aheadAt } = peer;
    if (proof !== undefined && isEnded(peer) && !isGone(peer) && now - proof.since >= onItsWayMs) {
      peer.proof = undefined;
      peer.endedUpTo = peer.incarnation;
    }
    const isLie = peer.proof === undefined && peer.endedUpTo >= peer.incarnation && !isGone(peer);
    if (isLie) peer.endedUpTo = -1;
    if (view !== 0) {
      peer.isReady = true;
      peer.previous = Math.max(peer.previous, 1);
    }
    const aheadBy = (view - own) & 0xffff;
    const isAhead = view !== 0 && aheadBy > 0 && aheadBy < 0x8000;
    if (isAhead !== aheadAt < Infinity) peer.aheadAt = isAhead ? now : Infinity;
    if (isLie) return "lie";
    return peer.isReady !== isReady || peer.aheadAt !== aheadAt ? "news" : "none";
  }

  /** That the slot had no power proves nothing any more. Says whether it did. */
  onPowerOn(card: CardId): boolean {
    const peer = this.get(card);
    if (peer.proof?.receipt !== "power") return false;
    peer.endedUpTo = peer.proof.incarnation;
    peer.proof = undefined;
    return true;
  }

  /** `upTo`: the newest incarnation whose end it proves. Says whether it is news. A restart is seen in `onHeard`, which knows the incarnations. */
  onReceipt(now: number, card: CardId, receipt: Receipt, upTo = Infinity): boolean {
    const peer = this.get(card);
    if (upTo < peer.incarnation) return false;
    if (receipt === "restarted" || (peer.proof?.receipt !== "agreed" && isEnded(peer))) return false;
    peer.proof = { receipt, at: now, incarnation: peer.incarnation, since: now };
    return true;
  }

  /** What the members of a view agreed on without our knowledge. */
  onAgreed(now: number, card: CardId): void {
    const peer = this.get(card);
    peer.proof ??= { receipt: "agreed", at: now, incarnation: peer.incarnation, since: now };
  }

  onLate(ms: number): void {
    for (const peer of this.all()) {
      peer.aheadAt += ms;
      if (peer.proof !== undefined) peer.proof.since += ms;
    }
  }

  /** Whether the card lives as far as this one knows. */
  isUp(card: CardId): boolean {
    const peer = this.#peers[card];
    return peer !== undefined && peer.incarnation >= 0 && !isGone(peer) && !isEnded(peer);
  }

  /** The cards whose end can be proven, as far as they were in views. */
  proven(): CardId[] {
    return this.cards().filter((card) => this.get(card).proof?.receipt === "restarted" || isEnded(this.get(card)));
  }

  /** The receipt that this card holds itself for the end of all of a card. */
  proofOf(card: CardId): Receipted | undefined {
    const peer = this.get(card);
    if (peer.proof === undefined || peer.proof.receipt === "agreed" || !isEnded(peer)) return undefined;
    return { receipt: peer.proof.receipt, at: peer.proof.at };
  }

  /** What `own` knows for the quorum, of itself and of the others; `hasView`: it was in a view since it started. */
  factsOf(own: CardId, hasView: boolean, vote: Pick<QuorumFacts, "electorate" | "tieBreak" | "witness">): QuorumFacts {
    return {
      ...vote,
      isContinuing: (card) => card === own ? hasView : this.get(card).previous > 0,
      proofOf: (card) => this.proofOf(card),
      startedAt: (card) => card === own ? -Infinity : this.get(card).startedAt,
    };
  }
}

/** Whether the heartbeat service has given it up. */
export function isGone({ health }: Peer): boolean {
  return health === "down" || health === "left";
}

/** Whether the newest incarnation that was heard is proven to have ended. */
export function isEnded({ proof, incarnation }: Peer): boolean {
  return proof !== undefined && proof.receipt !== "restarted" && proof.incarnation >= incarnation;
}
