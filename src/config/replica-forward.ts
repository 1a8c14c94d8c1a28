/**
 * Wishes that this card cannot carry out itself, because it is catching up or in hold, on their way to a card that can (FS-10); and those
 * that others have sent here. Which card is asked goes around, beginning with one that follows from this card's place, so that the load
 * is spread. A card that answers that it cannot either hands the wish back, and the next one is asked. Pure.
 */
import type { CardId } from "../base/ids.ts";
import {
  configForwardBytesMax,
  configForwardMs,
  configForwardWindow,
  configForwardWindowBytes,
  configPendingMax,
  configTimeoutMs,
} from "../limits.ts";
import type { ConfigForward } from "../wire/message.ts";
import { equalBytes } from "./chain.ts";
import type { Wish } from "./change.ts";
import type { Answered, Caller } from "./replica-wishes.ts";
import type { ConfigAnswer } from "./request.ts";
import { decodeAnswer, encodeWish } from "./wish-bytes.ts";

type Forwarded = {
  readonly bytes: Uint8Array;
  readonly callers: readonly Caller[];
  readonly dueAt: number;
  /** Asking twice does it once. */
  readonly hasKey: boolean;
  /** Cards that could not do it either, and what the last of them said. */
  readonly refusedBy: Set<CardId>;
  refusal: ConfigAnswer | undefined;
  /** Whom it was sent to, `undefined` while it waits; and when. */
  to: CardId | undefined;
  at: number;
};

export type ForwardPorts = {
  readonly send: (to: CardId, message: ConfigForward, isAgain: boolean) => void;
  readonly answer: (answers: readonly Answered[]) => void;
  /** The cards that may be able to carry a wish out. */
  readonly servers: () => readonly CardId[];
};

export class Forwards {
  readonly #card: CardId;
  readonly #ports: ForwardPorts;
  /** By number, in the order in which they came. */
  readonly #forwarded = new Map<number, Forwarded>();
  #lastId: number;
  #turn: number;

  /** `nonce`: drawn at each start, 32 bits. What an earlier start of this card asked is answered for long, and is not to pass for an answer to us. */
  constructor(card: CardId, nonce: number, ports: ForwardPorts) {
    this.#card = card;
    this.#lastId = nonce;
    this.#ports = ports;
    this.#turn = card;
  }

  get count(): number {
    return this.#forwarded.size;
  }

  deadline(): number {
    let deadline = Infinity;
    for (const { at, dueAt } of this.#forwarded.values()) deadline = Math.min(deadline, dueAt, at + configForwardMs);
    return deadline;
  }

  /** Sends a wish to another card, now or when there is room or somebody to ask; gives the answer when it cannot be sent at all. */
  forward(now: number, callers: readonly Caller[], wish: Wish, dueAt: number = now + configTimeoutMs): ConfigAnswer | undefined {
    const bytes = encodeWish(wish);
    if (bytes.length > configForwardBytesMax) {
      return this.#refused(
        "catching-up",
        `this card cannot do it now, and ${bytes.length} bytes are too many to be forwarded: ask another card`,
      );
    }
    if (this.#forwarded.size >= configPendingMax) {
      return this.#refused("bounds", "too many requests are forwarded: wait for some to be answered");
    }
    const id = this.#lastId = (this.#lastId % 0xffffffff) + 1;
    const hasKey = wish.key !== "";
    this.#forwarded.set(id, { bytes, callers, dueAt, hasKey, refusedBy: new Set(), refusal: undefined, to: undefined, at: now });
    this.#sendWaiting(now);
    return undefined;
  }

  /** An answer from a card that was asked: it is passed on, or the next card is asked. */
  onAnswer(now: number, from: CardId, id: number, bytes: Uint8Array): void {
    const forwarded = this.#forwarded.get(id);
    const answer = decodeAnswer(bytes);
    if (forwarded?.to !== from || answer === undefined) return;
    const cannot = answer.kind === "refused" && (answer.refusal.code === "catching-up" || answer.refusal.code === "hold");
    if (cannot) {
      forwarded.refusedBy.add(from);
      forwarded.refusal = answer;
      forwarded.to = undefined;
      // When all have said so, they are asked again in a while.
      if (this.#open(forwarded).length === 0) {
        forwarded.refusedBy.clear();
        forwarded.at = now;
      } else this.#send(now, id, forwarded);
      return;
    }
    this.#forwarded.delete(id);
    this.#ports.answer(forwarded.callers.map((caller) => ({ caller, answer })));
    this.#sendWaiting(now);
  }

  onTick(now: number): void {
    const servers = this.#ports.servers();
    for (const [id, forwarded] of this.#forwarded) {
      const { to, at, dueAt, hasKey, refusal, callers } = forwarded;
      const isInDoubt = !hasKey && to !== undefined && !servers.includes(to);
      if (now >= dueAt || isInDoubt) {
        this.#forwarded.delete(id);
        const who = to === undefined ? "no other card" : `card ${to}`;
        const answer = to === undefined && refusal !== undefined
          ? refusal
          : this.#refused("timeout", `${who} did not answer: the change may have been carried out; the same key tells`);
        this.#ports.answer(callers.map((caller) => ({ caller, answer })));
      } else if (now >= at + configForwardMs) {
        forwarded.at = now;
        if (to !== undefined) this.#send(now, id, forwarded);
      }
    }
    this.#sendWaiting(now);
  }

  #open({ refusedBy }: Forwarded): CardId[] {
    return this.#ports.servers().filter((card) => card !== this.#card && !refusedBy.has(card));
  }

  /** So much at a time as a step may send. */
  #sendWaiting(now: number): void {
    const underWay = [...this.#forwarded.values()].filter(({ to }) => to !== undefined);
    let count = underWay.length;
    let bytes = underWay.reduce((sum, forwarded) => sum + forwarded.bytes.length, 0);
    for (const [id, forwarded] of this.#forwarded) {
      if (forwarded.to !== undefined) continue;
      const isFull = count >= configForwardWindow || (count > 0 && bytes + forwarded.bytes.length > configForwardWindowBytes);
      if (isFull) return;
      count++;
      bytes += forwarded.bytes.length;
      this.#send(now, id, forwarded);
    }
  }

  #send(now: number, id: number, forwarded: Forwarded): void {
    const open = this.#open(forwarded);
    const before = forwarded.to;
    forwarded.to = open.includes(forwarded.to as CardId) ? forwarded.to : open[this.#turn++ % open.length];
    forwarded.at = now;
    if (forwarded.to !== undefined) {
      this.#ports.send(forwarded.to, { kind: "configForward", id, wish: forwarded.bytes }, forwarded.to === before);
    }
  }

  #refused(code: "catching-up" | "bounds" | "timeout", message: string): ConfigAnswer {
    return { kind: "refused", refusal: { code, message }, servedBy: this.#card };
  }
}

/** What other cards have asked of this one: a question that is asked again has the same answer, and is carried out once. */
export class Asked {
  readonly #known = new Map<string, { readonly at: number; readonly wish: Uint8Array; answer: Uint8Array | undefined }>();

  /** Whether it is new; if not, its answer, once there is one. The same number with another wish is another question. */
  take(now: number, card: CardId, id: number, wish: Uint8Array): "new" | Uint8Array | undefined {
    const key = `${card} ${id}`;
    const known = this.#known.get(key);
    if (known !== undefined && now - known.at < 2 * configTimeoutMs && equalBytes(known.wish, wish)) return known.answer;
    for (const [other, { at }] of this.#known) {
      if (now - at < 2 * configTimeoutMs && this.#known.size < 2 * configPendingMax) break;
      this.#known.delete(other);
    }
    this.#known.delete(key);
    this.#known.set(key, { at: now, wish, answer: undefined });
    return "new";
  }

  answer(card: CardId, id: number, answer: Uint8Array): void {
    const known = this.#known.get(`${card} ${id}`);
    if (known !== undefined) known.answer = answer;
  }

  /** The question may be asked again, and then has another answer. */
  forgetOne(card: CardId, id: number): void {
    this.#known.delete(`${card} ${id}`);
  }

  forget(card: CardId): void {
    for (const key of this.#known.keys()) if (key.startsWith(`${card} `)) this.#known.delete(key);
  }
}
