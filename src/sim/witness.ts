/**
 * What truly reached one run of a card's program, kept by the world beside it: the checkers hold the node's
 * conclusions against this. It shares no code with the services that it judges.
 */
import { type CardId, type LinkKind, multiplexor, type SenderId } from "../base/ids.ts";
import { lateTickMs, replayWindow } from "../limits.ts";
import type { Input } from "../node/input.ts";
import type { CardHealth, LinkHealth } from "../node/status.ts";
import type { Frame } from "../wire/frame.ts";

/** How an authentic frame stands to those before it. */
export type Freshness = "fresh" | "repeated" | "oldIncarnation" | "ownIdentity";

export type HeardAdvert = { readonly uid: Uint8Array; readonly nonce: number; echoedUs: boolean };

export class SenderWitness {
  readonly incarnation: number;
  readonly seen: Record<LinkKind, SequenceSet> = { ether: new SequenceSet(), serial: new SequenceSet() };
  /** The run's awake time, on the clock that forgives least, at the last fresh frame, or when the first on any link made us expect one. */
  readonly heardAt: Record<LinkKind, number>;
  /** The same on the clock that forgives most. */
  heardAtLeast = -Infinity;
  saidGoodbye = false;
  readonly adverts: Partial<Record<LinkKind, HeardAdvert>> = {};

  constructor(incarnation: number, awakeAt: number) {
    this.incarnation = incarnation;
    this.heardAt = { ether: awakeAt, serial: awakeAt };
  }
}

/** What the node said of a peer when it was last asked. */
export type SaidOfPeer = { health: CardHealth; readonly links: Partial<Record<LinkKind, LinkHealth>> };

export class Witness {
  readonly card: CardId;
  readonly senders = new Map<SenderId, SenderWitness>();
  /** The slots with power as the last report that reached the card said. */
  powered: number | undefined;
  /** When our own port came up, on the clock that forgives least. */
  readonly portUpAt: Record<LinkKind, number> = { ether: Infinity, serial: Infinity };
  readonly said = new Map<CardId, SaidOfPeer>();
  /** Time taken off for lateness: at most what the node may take off, and at least what it must. */
  #forgivenMost = 0;
  #forgivenLeast = 0;
  #now: number;

  constructor(card: CardId, now: number) {
    this.card = card;
    this.#now = now;
  }

  /**
   * The time for which the card was awake, as long as it can be counted: of a late step only what goes beyond one
   * heartbeat period is taken off, for the node may have had nothing to do for that long.
   */
  get awakeAtMost(): number {
    return this.#now - this.#forgivenLeast;
  }

  /** As short as it can be counted: all the time beyond the node's deadline is taken off. */
  get awakeAtLeast(): number {
    return this.#now - this.#forgivenMost;
  }

  /** The node is stepped at `now`, late by `lateMs`, with at most `idleMs` between two things that it has to do. */
  onStep(now: number, lateMs: number, idleMs: number): void {
    this.#now = now;
    if (lateMs <= lateTickMs) return;
    this.#forgivenMost += lateMs;
    this.#forgivenLeast += Math.max(0, lateMs - idleMs);
  }

  freshnessOf(link: LinkKind, frame: Frame): Freshness {
    if (frame.from === this.card) return "ownIdentity";
    const sender = this.senders.get(frame.from);
    if (sender === undefined || frame.incarnation > sender.incarnation) return "fresh";
    if (frame.incarnation < sender.incarnation) return "oldIncarnation";
    const seen = link === "ether" ? sender.seen.ether : sender.seen.serial;
    return seen.has(frame.sequence) ? "repeated" : "fresh";
  }

  /** A fresh frame is taken note of. */
  onFresh(link: LinkKind, frame: Frame, nonce: number): void {
    let sender = this.senders.get(frame.from);
    if (sender === undefined || frame.incarnation > sender.incarnation) {
      sender = new SenderWitness(frame.incarnation, this.awakeAtMost);
      this.senders.set(frame.from, sender);
    }
    if (link === "ether") {
      sender.seen.ether.add(frame.sequence);
      sender.heardAt.ether = this.awakeAtMost;
    } else {
      sender.seen.serial.add(frame.sequence);
      sender.heardAt.serial = this.awakeAtMost;
    }
    sender.heardAtLeast = this.awakeAtLeast;
    const { message } = frame;
    if (message.kind === "muxPower" && frame.from === multiplexor) this.powered = message.powered;
    else if (message.kind === "bye" || message.kind === "failing") sender.saidGoodbye = true;
    else if (message.kind === "advert") {
      const before = sender.adverts[link];
      const isSame = before !== undefined && before.nonce === message.nonce && sameBytes(before.uid, message.uid);
      const echoedUs = message.echoes.some((echo) => echo.card === this.card && echo.nonce === nonce);
      sender.adverts[link] = { uid: message.uid, nonce: message.nonce, echoedUs: echoedUs || (isSame && before.echoedUs) };
    }
  }

  onPort(input: Extract<Input, { kind: "portUp" | "portDown" }>): void {
    this.portUpAt[input.link] = input.kind === "portUp" ? this.awakeAtMost : Infinity;
  }
}

/** The sequence numbers that were heard, of which those too far behind the newest count as heard. */
class SequenceSet {
  #newest = -1;
  #bits = new Uint32Array(32);

  has(sequence: number): boolean {
    if (sequence <= this.#newest - replayWindow) return true;
    return (((this.#bits[sequence >>> 5] ?? 0) >>> (sequence & 31)) & 1) === 1;
  }

  add(sequence: number): void {
    const index = sequence >>> 5;
    if (index >= this.#bits.length) {
      const grown = new Uint32Array(2 * index);
      grown.set(this.#bits);
      this.#bits = grown;
    }
    this.#bits[index] = (this.#bits[index] as number) | (1 << (sequence & 31));
    if (sequence > this.#newest) this.#newest = sequence;
  }
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
