/**
 * Discovery decides which cards there are and which of them are proven to be what they say (FS-2).
 *
 * Each card sends the same advert on both links: who it is, a nonce drawn at its start, and an echo of every nonce
 * that it has heard *on that link*. A *candidate* is a card whose advert came on one link at least. It is
 * *verified* when on every link that we share with it its advert named the same identity and nonce and echoed our
 * own nonce: so it hears us, we hear it, on both networks, and it is one and the same incarnation on both.
 *
 *     unknown ──► candidate ──► verified
 *                     ▲  conflict, or a new incarnation │
 *                     └─────────────────────────────────┘
 *
 * Surprising idea: verification is of an identity, not of a link. It holds for the incarnation however its links
 * fare later (their health is the heartbeat's business), and a new incarnation starts from nothing.
 *
 * Two cards that claim one slot are found in two ways: an advert of the same incarnation with another nonce or
 * hardware, or a lasting stream of frames of an incarnation that is not the newest (a clone that started earlier).
 *
 * Invariants: no card is verified that did not echo our nonce of this start on each shared link; a verified card has
 * one hardware identity and one nonce.
 */
import { unreachable } from "../base/assert.ts";
import { hex } from "../base/hex.ts";
import { type CardId, chassisOf, type LinkKind, linkKinds } from "../base/ids.ts";
import {
  advertGapMs,
  advertPeriodMs,
  advertSteadyMs,
  duplicateFrames,
  duplicateGoneMs,
  duplicateOverMs,
  lldpPeriodMs,
  lldpTtlS,
  promptAdverts,
} from "../limits.ts";
import type { Service } from "../service.ts";
import type { Advert, Echo } from "../wire/message.ts";
import { serialAdvertPeriodMs } from "./serial-budget.ts";

export type DiscoveryInput =
  /** An accepted advert of a peer. */
  | { readonly kind: "advert"; readonly link: LinkKind; readonly from: CardId; readonly incarnation: number; readonly advert: Advert }
  /** The first frame of a new incarnation of a peer. */
  | { readonly kind: "restarted"; readonly card: CardId }
  /** An authentic frame of an incarnation of `card` that is not the newest, or of our own slot but not from us. */
  | { readonly kind: "twin"; readonly card: CardId; readonly incarnation: number; readonly sequence: number }
  /** An authentic advert of a live peer that was dropped for its number: its own, played again, or that of a clone. */
  | { readonly kind: "replayedAdvert"; readonly card: CardId; readonly incarnation: number; readonly advert: Advert }
  | { readonly kind: "port"; readonly link: LinkKind; readonly up: boolean }
  /** How many cards share our serial line, and its speed in bits per second. */
  | { readonly kind: "serialLine"; readonly cards: number; readonly baud: number }
  | { readonly kind: "leave" }
  | { readonly kind: "tick" };

export type DiscoveryOutput =
  | { readonly kind: "advertise"; readonly link: LinkKind; readonly echoes: readonly Echo[] }
  | { readonly kind: "lldp"; readonly ttlS: number }
  | { readonly kind: "candidate"; readonly card: CardId; readonly link: LinkKind; readonly name: string }
  | { readonly kind: "verified"; readonly card: CardId; readonly name: string }
  | { readonly kind: "duplicate"; readonly card: CardId; readonly evidence: string }
  | { readonly kind: "duplicateGone"; readonly card: CardId };

/** What came on one link last; `echoed` since some advert of this incarnation echoed us, `echoes` while the last one does. */
type Heard = { readonly advert: Advert; readonly incarnation: number; readonly echoed: boolean; readonly echoes: boolean };

type Candidate = {
  readonly card: CardId;
  readonly heard: Partial<Record<LinkKind, Heard>>;
  readonly promptsLeft: Record<LinkKind, number>;
  verified: boolean;
};

/** Frames of a second card in a slot. */
type Twin = { readonly incarnation: number; frames: number; sequence: number; readonly since: number; lastAt: number; reported: boolean };

export type CandidateView = {
  readonly advert: Advert;
  readonly incarnation: number;
  readonly verified: boolean;
  /** What still keeps it from being verified, in words; empty when it is. */
  readonly because: string;
};

const etherAlone: readonly LinkKind[] = ["ether"];

export class Discovery implements Service<DiscoveryInput, DiscoveryOutput> {
  readonly #card: CardId;
  readonly #nonce: number;
  readonly #candidates = new Map<CardId, Candidate>();
  readonly #twins = new Map<CardId, Twin>();
  readonly #portUp: Record<LinkKind, boolean> = { ether: false, serial: false };
  readonly #advertAt: Record<LinkKind, number> = { ether: Infinity, serial: Infinity };
  readonly #advertisedAt: Record<LinkKind, number> = { ether: -Infinity, serial: -Infinity };
  readonly #periodMs: Record<LinkKind, number> = { ether: advertPeriodMs, serial: advertPeriodMs };
  #lldpAt = Infinity;
  /** LLDP frames still to be sent at the fast start that IEEE 802.1AB asks for. */
  #lldpFast = 0;
  #twinGoneAt = Infinity;

  constructor(card: CardId, nonce: number) {
    this.#card = card;
    this.#nonce = nonce;
  }

  deadline(): number {
    return Math.min(this.#advertAt.ether, this.#advertAt.serial, this.#lldpAt, this.#twinGoneAt);
  }

  step(now: number, input: DiscoveryInput): DiscoveryOutput[] {
    const outputs: DiscoveryOutput[] = [];
    switch (input.kind) {
      case "advert":
        this.#onAdvert(now, input.link, input.from, input.incarnation, input.advert, outputs);
        break;
      case "restarted":
        this.#candidates.delete(input.card);
        // What was found of the old incarnation is void; a twin that goes on is found anew.
        this.#forgetTwin(input.card, outputs);
        break;
      case "twin":
        this.#onTwin(now, input.card, input.incarnation, input.sequence, outputs);
        break;
      case "replayedAdvert":
        this.#onReplayedAdvert(now, input.card, input.incarnation, input.advert, outputs);
        break;
      case "port":
        this.#onPort(now, input.link, input.up);
        break;
      case "serialLine":
        this.#periodMs.serial = serialAdvertPeriodMs(input.cards, input.baud);
        break;
      case "leave":
        this.#advertAt.ether = this.#advertAt.serial = this.#lldpAt = Infinity;
        if (this.#portUp.ether) outputs.push({ kind: "lldp", ttlS: 0 });
        break;
      case "tick":
        break;
      default:
        return unreachable(input);
    }
    for (const link of linkKinds) if (now >= this.#advertAt[link]) this.#sendAdvert(now, link, outputs);
    if (now >= this.#lldpAt) this.#sendLldp(now, outputs);
    if (now >= this.#twinGoneAt) this.#forgetTwins(now, outputs);
    return outputs;
  }

  candidateOf(card: CardId): CandidateView | undefined {
    const candidate = this.#candidates.get(card);
    const heard = candidate?.heard.ether ?? candidate?.heard.serial;
    if (candidate === undefined || heard === undefined) return undefined;
    return { advert: heard.advert, incarnation: heard.incarnation, verified: candidate.verified, because: this.#missing(candidate) };
  }

  /** The slots that two cards claim, our own included. */
  duplicates(): CardId[] {
    return [...this.#twins].filter(([, twin]) => twin.reported).map(([card]) => card);
  }

  /** Whether another card has spoken from this slot lately. */
  hasTwin(card: CardId): boolean {
    return this.#twins.has(card);
  }

  #onAdvert(now: number, link: LinkKind, from: CardId, incarnation: number, advert: Advert, outputs: DiscoveryOutput[]): void {
    if (!this.#linksWith(from).includes(link)) return;
    let candidate = this.#candidates.get(from);
    if (candidate === undefined) {
      candidate = { card: from, heard: {}, promptsLeft: { ether: promptAdverts, serial: promptAdverts }, verified: false };
      this.#candidates.set(from, candidate);
    }
    const isNew = candidate.heard.ether === undefined && candidate.heard.serial === undefined;
    for (const other of linkKinds) {
      const known = candidate.heard[other];
      if (known === undefined || isSameIdentity(known.advert, advert)) continue;
      candidate.verified = false;
      delete candidate.heard[other];
      this.#reportTwoIdentities(now, from, incarnation, known.advert, advert, outputs);
    }
    const echoed = advert.echoes.some((echo) => echo.card === this.#card && echo.nonce === this.#nonce);
    const wasEchoed = candidate.heard[link]?.echoed ?? false;
    candidate.heard[link] = { advert, incarnation, echoed: echoed || wasEchoed, echoes: echoed };
    if (isNew) outputs.push({ kind: "candidate", card: from, link, name: advert.name });
    // Who has not echoed us yet is waiting for our advert, and we for its next one.
    if (!echoed && candidate.promptsLeft[link] > 0) {
      candidate.promptsLeft[link]--;
      this.#advertiseSoon(link);
    } else if (echoed && !wasEchoed) {
      this.#advertiseSoon(link);
    }
    this.#verify(candidate, outputs);
  }

  #verify(candidate: Candidate, outputs: DiscoveryOutput[]): void {
    const { card, heard } = candidate;
    if (candidate.verified || this.#missing(candidate) !== "") return;
    candidate.verified = true;
    outputs.push({ kind: "verified", card, name: heard.ether?.advert.name ?? "" });
  }

  /** Why a candidate is not verified yet; empty when nothing is missing. */
  #missing(candidate: Candidate): string {
    if (this.#twins.get(candidate.card)?.reported === true) return "two cards claim its slot";
    let missing = "";
    for (const link of this.#linksWith(candidate.card)) {
      const heard = candidate.heard[link];
      if (heard?.echoed === true) continue;
      const why = heard === undefined ? `no advert on ${link} yet` : `it has not confirmed ours on ${link} yet`;
      missing = missing === "" ? why : `${missing}; ${why}`;
    }
    return missing;
  }

  #linksWith(card: CardId): readonly LinkKind[] {
    return chassisOf(card) === chassisOf(this.#card) ? linkKinds : etherAlone;
  }

  #onTwin(now: number, card: CardId, incarnation: number, sequence: number, outputs: DiscoveryOutput[]): void {
    const twin = this.#twins.get(card);
    if (twin === undefined || twin.incarnation !== incarnation) {
      this.#twins.set(card, { incarnation, frames: 1, sequence, since: now, lastAt: now, reported: twin?.reported ?? false });
    } else if (sequence > twin.sequence) {
      // Only what goes on counts: frames that were under way, or are played again, end soon or do not grow.
      twin.frames++;
      twin.sequence = sequence;
      twin.lastAt = now;
      if (!twin.reported && twin.frames >= duplicateFrames && now - twin.since >= duplicateOverMs) {
        this.#reportTwin(now, card, incarnation, `frames of incarnation ${incarnation} go on beside another's`, outputs);
      }
    }
    this.#twinGoneAt = Math.min(this.#twinGoneAt, now + duplicateGoneMs);
  }

  #onReplayedAdvert(now: number, card: CardId, incarnation: number, advert: Advert, outputs: DiscoveryOutput[]): void {
    for (const heard of Object.values(this.#candidates.get(card)?.heard ?? {})) {
      if (heard.incarnation !== incarnation || isSameIdentity(heard.advert, advert)) continue;
      return this.#reportTwoIdentities(now, card, incarnation, heard.advert, advert, outputs);
    }
  }

  /** One incarnation has one nonce and one hardware: two of them are two cards. */
  #reportTwoIdentities(now: number, card: CardId, incarnation: number, one: Advert, other: Advert, outputs: DiscoveryOutput[]): void {
    this.#reportTwin(
      now,
      card,
      incarnation,
      `two identities of incarnation ${incarnation}: ${hex(one.uid)} and ${hex(other.uid)}`,
      outputs,
    );
  }

  #reportTwin(now: number, card: CardId, incarnation: number, evidence: string, outputs: DiscoveryOutput[]): void {
    const twin = this.#twins.get(card) ?? { incarnation, frames: 1, sequence: 0, since: now, lastAt: now, reported: false };
    this.#twins.set(card, twin);
    twin.lastAt = now;
    this.#twinGoneAt = Math.min(this.#twinGoneAt, now + duplicateGoneMs);
    if (twin.reported) return;
    twin.reported = true;
    outputs.push({ kind: "duplicate", card, evidence });
  }

  #forgetTwins(now: number, outputs: DiscoveryOutput[]): void {
    this.#twinGoneAt = Infinity;
    for (const [card, twin] of this.#twins) {
      const goneAt = twin.lastAt + duplicateGoneMs;
      if (goneAt > now) {
        this.#twinGoneAt = Math.min(this.#twinGoneAt, goneAt);
      } else {
        this.#forgetTwin(card, outputs);
      }
    }
  }

  #forgetTwin(card: CardId, outputs: DiscoveryOutput[]): void {
    const wasReported = this.#twins.get(card)?.reported === true;
    this.#twins.delete(card);
    if (!wasReported) return;
    outputs.push({ kind: "duplicateGone", card });
    const candidate = this.#candidates.get(card);
    if (candidate !== undefined) this.#verify(candidate, outputs);
  }

  #onPort(now: number, link: LinkKind, up: boolean): void {
    this.#portUp[link] = up;
    this.#advertAt[link] = up ? now : Infinity;
    if (link !== "ether") return;
    this.#lldpAt = up ? now : Infinity;
    this.#lldpFast = 3;
  }

  /** The next advert on `link` as soon as the gap allows; on serial the gap is a share of the budgeted period. */
  #advertiseSoon(link: LinkKind): void {
    if (!this.#portUp[link]) return;
    const gapMs = link === "ether" ? advertGapMs : Math.max(advertGapMs, this.#periodMs.serial / 4);
    this.#advertAt[link] = Math.min(this.#advertAt[link], this.#advertisedAt[link] + gapMs);
  }

  #sendAdvert(now: number, link: LinkKind, outputs: DiscoveryOutput[]): void {
    this.#advertisedAt[link] = now;
    this.#advertAt[link] = now + Math.max(this.#periodMs[link], this.#isSteady() ? advertSteadyMs : 0);
    const echoes: Echo[] = [];
    for (const candidate of this.#candidates.values()) {
      const heard = candidate.heard[link];
      if (heard !== undefined) echoes.push({ card: candidate.card, nonce: heard.advert.nonce });
    }
    outputs.push({ kind: "advertise", link, echoes });
  }

  /** Everybody is verified and, by what was heard last, has verified us: no advert is waited for. */
  #isSteady(): boolean {
    const candidates = [...this.#candidates.values()];
    return candidates.length > 0 &&
      candidates.every(({ verified, heard }) => verified && linkKinds.every((link) => heard[link]?.echoes !== false));
  }

  #sendLldp(now: number, outputs: DiscoveryOutput[]): void {
    this.#lldpAt = now + (this.#lldpFast > 0 ? 1_000 : lldpPeriodMs);
    this.#lldpFast = Math.max(0, this.#lldpFast - 1);
    outputs.push({ kind: "lldp", ttlS: lldpTtlS });
  }
}

function isSameIdentity(a: Advert, b: Advert): boolean {
  return a.nonce === b.nonce && a.uid.every((byte, index) => byte === b.uid[index]);
}
