/**
 * What management asks of this card, and what becomes of it (FS-10): a wish is carried out here, or by a card that can; wishes that
 * others sent here are carried out for them. It counts who served whom. The wishes themselves are in `replica-wishes.ts`, those
 * that travel in `replica-forward.ts`. Pure.
 */
import type { CardId } from "../base/ids.ts";
import type { ConfigMessage } from "../wire/message.ts";
import type { ConfigRefusal, Wish } from "./change.ts";
import { Asked, Forwards } from "./replica-forward.ts";
import type { Answered, Caller, Wishes } from "./replica-wishes.ts";
import type { ConfigAnswer, ConfigurationStatus } from "./request.ts";
import { decodeWish, encodeAnswer } from "./wish-bytes.ts";

export type RequestPorts = {
  readonly send: (to: CardId, message: ConfigMessage, isAgain: boolean) => void;
  readonly configured: (client: number, answer: ConfigAnswer) => void;
  /** Why nothing is ordered, `undefined` while something is. */
  readonly stopped: () => string | undefined;
  /** This card is a replica, and the order goes on. */
  readonly isCurrent: () => boolean;
  /** Others can do what this card cannot; a card that is about to know more waits for that. */
  readonly isToBeForwarded: () => boolean;
  /** The cards that may be able to carry a wish out. */
  readonly servers: () => readonly CardId[];
};

const notCurrent = "this card does not know the present head";

export class Requests {
  readonly #card: CardId;
  readonly #wishes: Wishes;
  readonly #ports: RequestPorts;
  readonly #forwards: Forwards;
  readonly #asked = new Asked();
  readonly #load = { served: 0, servedForOthers: 0, forwarded: 0 };

  constructor(card: CardId, nonce: number, wishes: Wishes, ports: RequestPorts) {
    this.#card = card;
    this.#wishes = wishes;
    this.#ports = ports;
    this.#forwards = new Forwards(card, nonce, {
      send: ports.send,
      answer: (answers) => this.answerAll(answers),
      servers: ports.servers,
    });
  }

  /** Not answered yet. */
  get count(): number {
    return this.#wishes.count + this.#forwards.count;
  }

  load(): ConfigurationStatus["load"] {
    return { ...this.#load };
  }

  deadline(): number {
    return this.#forwards.deadline();
  }

  onTick(now: number): void {
    if (now >= this.#forwards.deadline()) this.#forwards.onTick(now);
  }

  /** A wish of a caller of this card. */
  take(now: number, caller: Caller, wish: Wish): void {
    const stopped = this.#ports.stopped();
    if (stopped !== undefined) return this.refuse(caller, "no-quorum", stopped);
    if (this.#ports.isToBeForwarded()) return this.#forward(now, [caller], wish);
    this.#load.served++;
    this.#add(now, caller, wish);
  }

  #add(now: number, caller: Caller, wish: Wish): void {
    const refused = this.#wishes.add(now, caller, wish);
    if (refused !== undefined) this.#answer({ caller, answer: refused });
  }

  #forward(now: number, callers: readonly Caller[], wish: Wish, dueAt?: number): void {
    const refused = this.#forwards.forward(now, callers, wish, dueAt);
    if (refused !== undefined) return this.answerAll(callers.map((caller) => ({ caller, answer: refused })));
    this.#load.forwarded += callers.length;
  }

  /** What waits here and can no longer be carried out here goes to a card that can, or back to where it came from. */
  handOn(now: number): void {
    if (!this.#wishes.isWaiting || this.#ports.stopped() !== undefined || !this.#ports.isToBeForwarded()) return;
    for (const { wish, callers, dueAt } of this.#wishes.takeWaiting()) {
      const own = callers.filter(({ kind }) => kind === "client");
      if (own.length > 0) this.#forward(now, own, wish, dueAt);
      for (const caller of callers) if (caller.kind === "card") this.refuse(caller, "catching-up", notCurrent);
    }
  }

  // ---- other cards

  /** A wish that another card sent here; asked again, it has the same answer. */
  onForward(now: number, from: CardId, id: number, bytes: Uint8Array): void {
    const known = this.#asked.take(now, from, id, bytes);
    if (known === undefined) return;
    if (known !== "new") return this.#ports.send(from, { kind: "configAnswer", id, answer: known }, true);
    const caller: Caller = { kind: "card", card: from, id };
    if (!this.#ports.isCurrent()) {
      this.refuse(caller, "catching-up", this.#ports.stopped() ?? notCurrent);
      // It may be able to, the next time that it is asked.
      return this.#asked.forgetOne(from, id);
    }
    const wish = decodeWish(bytes);
    if (wish === undefined) return this.refuse(caller, "invalid", "the forwarded wish cannot be read: is its card's software a later one?");
    this.#load.servedForOthers++;
    this.#add(now, caller, wish);
  }

  onAnswer(now: number, from: CardId, id: number, bytes: Uint8Array): void {
    this.#forwards.onAnswer(now, from, id, bytes);
  }

  /** A card that starts anew counts its questions from the beginning. */
  forget(card: CardId): void {
    this.#asked.forget(card);
  }

  // ---- answers

  refuse(caller: Caller, code: ConfigRefusal["code"], message: string): void {
    this.#answer({ caller, answer: { kind: "refused", refusal: { code, message }, servedBy: this.#card } });
  }

  answerAll(answers: readonly Answered[]): void {
    for (const answered of answers) this.#answer(answered);
  }

  #answer({ caller, answer }: Answered): void {
    if (caller.kind === "client") this.#ports.configured(caller.client, answer);
    if (caller.kind !== "card" || (answer.kind !== "changed" && answer.kind !== "refused")) return;
    const bytes = encodeAnswer(answer);
    this.#asked.answer(caller.card, caller.id, bytes);
    this.#ports.send(caller.card, { kind: "configAnswer", id: caller.id, answer: bytes }, false);
  }
}
