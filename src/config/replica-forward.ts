/**
 * Wishes that this card cannot carry out itself, because it is catching up or in hold, on their way to a card that can (FS-10); and those
 * that others have sent here. Which card is asked goes around, beginning with one that follows from this card's place, so that the load
 * is spread. A card that answers that it cannot either hands the wish back, and the next one is asked. Pure.
 */
import type { CardId } from "../base/ids.ts";
import { configForwardBytesMax, configForwardMs, configPendingMax, configTimeoutMs } from "../limits.ts";
import type { ConfigForward } from "../wire/message.ts";
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
  to: CardId | undefined;
  at: number;
};

export type Sent = { readonly to: CardId; readonly message: ConfigForward };

export class Forwards {
  readonly #card: CardId;
  readonly #forwarded = new Map<number, Forwarded>();
  #lastId = 0;
  #turn: number;

  constructor(card: CardId) {
    this.#card = card;
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

  /** Sends a wish to one of `cards`, or later when there is none; gives the answer when it cannot be sent. */
  forward(
    now: number,
    callers: readonly Caller[],
    wish: Wish,
    cards: readonly CardId[],
    dueAt = now + configTimeoutMs,
  ): Sent | ConfigAnswer | undefined {
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
    const forwarded: Forwarded = {
      bytes,
      callers,
      dueAt,
      hasKey: wish.key !== "",
      refusedBy: new Set(),
      refusal: undefined,
      to: undefined,
      at: now,
    };
    this.#forwarded.set(id, forwarded);
    return this.#send(now, id, forwarded, cards);
  }

  #send(now: number, id: number, forwarded: Forwarded, cards: readonly CardId[]): Sent | undefined {
    const others = cards.filter((card) => card !== this.#card);
    const open = others.filter((card) => !forwarded.refusedBy.has(card));
    if (open.length === 0) forwarded.refusedBy.clear();
    forwarded.to = open.includes(forwarded.to as CardId) ? forwarded.to : open[this.#turn++ % open.length];
    forwarded.at = now;
    return forwarded.to === undefined ? undefined : { to: forwarded.to, message: { kind: "configForward", id, wish: forwarded.bytes } };
  }

  /** An answer from a card that was asked: it is passed on, or the next card is asked. */
  onAnswer(now: number, from: CardId, id: number, bytes: Uint8Array, cards: readonly CardId[]): Sent | Answered[] | undefined {
    const forwarded = this.#forwarded.get(id);
    const answer = decodeAnswer(bytes);
    if (forwarded?.to !== from || answer === undefined) return undefined;
    const cannot = answer.kind === "refused" && (answer.refusal.code === "catching-up" || answer.refusal.code === "hold");
    if (cannot) {
      forwarded.refusedBy.add(from);
      forwarded.refusal = answer;
      forwarded.to = undefined;
      // When all have said so, they are asked again in a while.
      return this.#send(now, id, forwarded, cards) ?? [];
    }
    this.#forwarded.delete(id);
    return forwarded.callers.map((caller) => ({ caller, answer }));
  }

  onTick(now: number, cards: readonly CardId[]): { readonly sent: Sent[]; readonly answers: Answered[] } {
    const sent: Sent[] = [];
    const answers: Answered[] = [];
    for (const [id, forwarded] of this.#forwarded) {
      const isInDoubt = !forwarded.hasKey && forwarded.to !== undefined && !cards.includes(forwarded.to);
      if (now >= forwarded.dueAt || isInDoubt) {
        this.#forwarded.delete(id);
        const who = forwarded.to === undefined ? "no other card" : `card ${forwarded.to}`;
        const answer = forwarded.to === undefined && forwarded.refusal !== undefined
          ? forwarded.refusal
          : this.#refused("timeout", `${who} did not answer: the change may have been carried out; the same key tells`);
        answers.push(...forwarded.callers.map((caller) => ({ caller, answer })));
      } else if (now >= forwarded.at + configForwardMs) {
        const again = this.#send(now, id, forwarded, cards);
        if (again !== undefined) sent.push(again);
      }
    }
    return { sent, answers };
  }

  #refused(code: "catching-up" | "bounds" | "timeout", message: string): ConfigAnswer {
    return { kind: "refused", refusal: { code, message }, servedBy: this.#card };
  }
}

/** What other cards have asked of this one: a question that is asked again has the same answer, and is carried out once. */
export class Asked {
  readonly #known = new Map<string, { readonly at: number; answer: Uint8Array | undefined }>();

  /** Whether it is new; if not, its answer, once there is one. */
  take(now: number, card: CardId, id: number): "new" | Uint8Array | undefined {
    const key = `${card} ${id}`;
    const known = this.#known.get(key);
    if (known !== undefined && now - known.at < 2 * configTimeoutMs) return known.answer;
    for (const [other, { at }] of this.#known) {
      if (now - at < 2 * configTimeoutMs && this.#known.size < 2 * configPendingMax) break;
      this.#known.delete(other);
    }
    this.#known.delete(key);
    this.#known.set(key, { at: now, answer: undefined });
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

  /** A card that starts anew counts its questions from the beginning. */
  forget(card: CardId): void {
    for (const key of this.#known.keys()) if (key.startsWith(`${card} `)) this.#known.delete(key);
  }
}
