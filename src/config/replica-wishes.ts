/**
 * The wishes that this card has been asked to carry out, from the moment that they are taken to their answer.
 *
 *     waiting ─ plan ─► planning ─ propose ─► proposed ─ accepted ─► accepted ─ durable everywhere ─► answered
 *        ▲                 │ base overtaken      │ refused: others came first
 *        └─────────────────┴─────────────────────┘
 *
 * Wishes that wait are planned together, each upon the one before, and proposed in one message. A wish with an expected head stands
 * first in its batch: the head that the others of it follow upon is not known before they are ordered. A second wish with the
 * author and key of one that is under way is the same wish with another caller. Pure: the replica says when, and carries out.
 */
import type { CardId } from "../base/ids.ts";
import { configBatchMax, configChangeBytesMax, configPendingMax, configRetriesMax, configTimeoutMs } from "../limits.ts";
import { headOf, levelChangeset } from "./chain.ts";
import type { Change, ConfigRefusal, Head, Wish } from "./change.ts";
import type { Proposed } from "./replica-entry.ts";
import type { ConfigAnswer } from "./request.ts";
import type { Planned } from "./store.ts";

/** Who waits for the answer: a client of this card's management, another card under its number, or the replica itself. */
export type Caller =
  | { readonly kind: "client"; readonly client: number }
  | { readonly kind: "card"; readonly card: CardId; readonly id: number }
  | { readonly kind: "self" };

export type Answered = { readonly caller: Caller; readonly answer: ConfigAnswer };

type Pending = {
  readonly wish: Wish;
  /** The level that this wish of the replica's own raises the chain to. */
  readonly level: number | undefined;
  readonly callers: Caller[];
  readonly dueAt: number;
  tries: number;
  state: "waiting" | "planning" | "proposed" | "accepted";
  /** Of its batch's message, and which of the changes in it is its own, or the last before it when it has no effect. */
  proposal: number;
  index: number;
  /** Its change, or the head that it left as it was. */
  head: Head | undefined;
  isRepeated: boolean;
};

export class Wishes {
  readonly #card: CardId;
  #pending: Pending[] = [];
  /** What is being planned, in its order. */
  #batch: Pending[] = [];
  #lastProposal = 0;

  constructor(card: CardId) {
    this.#card = card;
  }

  get count(): number {
    return this.#pending.length;
  }

  /** Whether one of them waits to be planned. */
  get isWaiting(): boolean {
    return this.#pending.some(({ state }) => state === "waiting");
  }

  /** Whether a batch is being planned, or ordered. */
  get isUnderWay(): boolean {
    return this.#pending.some(({ state }) => state === "planning" || state === "proposed");
  }

  deadline(): number {
    return this.#pending.reduce((first, { dueAt }) => Math.min(first, dueAt), Infinity);
  }

  /** Takes a wish; gives the answer when it is refused at once. */
  add(now: number, caller: Caller, wish: Wish, level?: number): ConfigAnswer | undefined {
    const same = wish.key === ""
      ? undefined
      : this.#pending.find(({ wish: { author, key } }) => author === wish.author && key === wish.key);
    if (same !== undefined) {
      same.callers.push(caller);
      return undefined;
    }
    if (this.#pending.length >= configPendingMax && caller.kind !== "self") {
      return this.#refused("bounds", `${this.#pending.length} changes of this card's callers are under way: wait for some to be answered`);
    }
    const pending: Pending = {
      wish,
      level,
      callers: [caller],
      dueAt: now + configTimeoutMs,
      tries: 0,
      state: "waiting",
      proposal: 0,
      index: 0,
      head: undefined,
      isRepeated: false,
    };
    // What the replica itself sees to comes first: others may need it.
    if (caller.kind === "self") this.#pending.unshift(pending);
    else this.#pending.push(pending);
    return undefined;
  }

  /** Whether a wish of the replica's own is under way. */
  get hasOwn(): boolean {
    return this.#pending.some(({ callers }) => callers[0]?.kind === "self");
  }

  /** The wishes that are planned next, together. */
  batch(): Wish[] {
    const batch: Pending[] = [];
    for (const pending of this.#pending) {
      if (pending.state !== "waiting") continue;
      const goesAlone = pending.level !== undefined;
      if (batch.length > 0 && (goesAlone || pending.wish.expected !== undefined)) break;
      batch.push(pending);
      if (goesAlone || batch.length === configBatchMax) break;
    }
    for (const pending of batch) pending.state = "planning";
    this.#batch = batch;
    return batch.map(({ wish }) => wish);
  }

  /** The base of the plan was overtaken before it could be proposed: that counts against nobody. */
  replan(): void {
    for (const pending of this.#pending) if (pending.state === "planning") pending.state = "waiting";
  }

  /**
   * What became of the batch, planned upon `base`. `bytesMax`: what one message takes; of what is more the first change goes alone, the
   * rest is planned again.
   */
  onPlanned(base: Head, outcomes: readonly Planned[], bytesMax: number): {
    readonly answers: Answered[];
    readonly id: number;
    readonly proposals: Proposed[];
  } {
    const answers: Answered[] = [];
    const proposals: Proposed[] = [];
    const id = ++this.#lastProposal;
    let bytes = 0;
    let isFull = false;
    for (const [index, pending] of this.#batch.entries()) {
      const outcome = outcomes[index];
      if (pending.state !== "planning" || !this.#pending.includes(pending)) {
        // It was answered in the meantime; those behind it were planned upon it.
        isFull ||= outcome?.kind === "planned";
        continue;
      }
      if (outcome === undefined || isFull) {
        pending.state = "waiting";
        continue;
      }
      switch (outcome.kind) {
        case "refused":
          answers.push(...this.#answer(pending, { kind: "refused", refusal: outcome.refusal, servedBy: this.#card }));
          continue;
        case "known":
          pending.state = "accepted";
          pending.head = outcome.head;
          pending.isRepeated = true;
          continue;
        case "planned": {
          const { kind, author, comment, key, time, changeset } = outcome.proposal;
          const isEmpty = changeset.length === 0 && pending.callers[0]?.kind !== "self";
          if (isEmpty) {
            // It holds as soon as what it was planned upon holds.
            pending.state = proposals.length === 0 ? "accepted" : "proposed";
            pending.head = proposals.length === 0 ? base : undefined;
            pending.proposal = id;
            pending.index = proposals.length - 1;
            continue;
          }
          const size = changeset.length + 4 * (author.length + comment.length + key.length) + 64;
          if (proposals.length > 0 && bytes + size > bytesMax) {
            isFull = true;
            pending.state = "waiting";
            continue;
          }
          if (changeset.length > configChangeBytesMax) {
            const message = `the change has ${changeset.length} bytes; at most ${configChangeBytesMax} are taken: make it in parts`;
            answers.push(...this.#answer(pending, this.#refused("bounds", message)));
            isFull = true;
            continue;
          }
          bytes += size;
          isFull = bytes > bytesMax;
          pending.state = "proposed";
          pending.proposal = id;
          pending.index = proposals.length;
          const level = pending.level;
          proposals.push({
            kind: level === undefined ? kind : "migrate",
            author,
            comment,
            key,
            time,
            changeset: level === undefined ? changeset : levelChangeset(level),
          });
        }
      }
    }
    return { answers, id, proposals };
  }

  /** Our proposal came through as these changes. */
  onAccepted(id: number, changes: readonly Change[]): void {
    for (const pending of this.#pending) {
      if (pending.state !== "proposed" || pending.proposal !== id) continue;
      pending.state = "accepted";
      pending.head = headOf(changes[pending.index] as Change);
    }
  }

  /** Others came first. */
  onRefused(id: number): Answered[] {
    const answers: Answered[] = [];
    for (const pending of this.#pending.filter(({ state, proposal }) => state === "proposed" && proposal === id)) {
      pending.state = "waiting";
      if (++pending.tries <= configRetriesMax) continue;
      const message = `other changes came first ${pending.tries} times`;
      answers.push(...this.#answer(pending, this.#refused("conflict", message)));
    }
    return answers;
  }

  /** What was accepted behind this sequence was taken back: it is planned again. */
  onTakenBack(sequence: number): void {
    for (const pending of this.#pending) {
      if (pending.state !== "accepted" || pending.head === undefined || pending.head.sequence <= sequence) continue;
      pending.state = "waiting";
      pending.head = undefined;
    }
  }

  /**
   * This card does not know any more what became of what it proposed: by their keys the chain tells, once it knows that again. Who gave no
   * key is told that it cannot be told.
   */
  onDoubt(): Answered[] {
    const answers: Answered[] = [];
    for (const pending of [...this.#pending]) {
      if (pending.state === "waiting") continue;
      const wasProposed = pending.state !== "planning";
      pending.state = "waiting";
      pending.head = undefined;
      if (!wasProposed || pending.wish.key !== "" || pending.callers[0]?.kind === "self") continue;
      const message = "this card lost its place in the order while the change was under way: it may have been carried out";
      answers.push(...this.#answer(pending, this.#refused("timeout", message)));
    }
    this.#pending = this.#pending.filter(({ callers }) => callers[0]?.kind !== "self");
    return answers;
  }

  /** The last change that somebody waits for, `undefined` when nobody does. */
  get awaited(): number | undefined {
    return this.#pending.reduce<number | undefined>(
      (last, { state, head }) => state !== "accepted" || head === undefined ? last : Math.max(last ?? 0, head.sequence),
      undefined,
    );
  }

  /**
   * The change that all must have before nobody waits any more: the last one that is awaited, or, when one of those is from before the present
   * replicas began, the first one of theirs, which vouches for it.
   */
  needed(lineage: number, voucher: number | undefined): number | undefined {
    const { awaited } = this;
    return awaited !== undefined && this.awaitsOlderThan(lineage) ? Math.max(awaited, voucher ?? 0) : awaited;
  }

  /** Everything up to this sequence is durable on every replica. Changes of views before `since` do not count yet. */
  onDurable(sequence: number, since: number): Answered[] {
    const answers: Answered[] = [];
    for (const pending of [...this.#pending]) {
      const { state, head, isRepeated } = pending;
      if (state !== "accepted" || head === undefined || head.sequence > sequence || head.epoch < since) continue;
      answers.push(...this.#answer(pending, { kind: "changed", head, servedBy: this.#card, repeated: isRepeated }));
    }
    return answers;
  }

  /** Whether an answer waits that tells of a change made before this view. */
  awaitsOlderThan(epoch: number): boolean {
    return this.#pending.some(({ state, head }) => state === "accepted" && head !== undefined && head.epoch < epoch);
  }

  /** `why` it could not be acknowledged, and whether that is for want of cards. */
  expire(now: number, why: string | undefined, lacksCards: boolean): Answered[] {
    const answers: Answered[] = [];
    for (const pending of this.#pending.filter(({ dueAt }) => dueAt <= now)) {
      const isUntouched = pending.state === "waiting" || pending.state === "planning";
      const doubt = isUntouched ? "it has not been carried out" : "it may still be carried out; the same key tells";
      const text = why === undefined ? "" : ` (${why})`;
      if (isUntouched && lacksCards) {
        answers.push(...this.#answer(pending, this.#refused("no-quorum", `${why}: ${doubt}`)));
        continue;
      }
      answers.push(...this.#answer(pending, this.#refused("timeout", `not acknowledged within ${configTimeoutMs} ms${text}: ${doubt}`)));
    }
    return answers;
  }

  /** Takes back all that has not been proposed: this card cannot do it now. */
  takeWaiting(): { readonly wish: Wish; readonly callers: readonly Caller[]; readonly dueAt: number }[] {
    const isUntouched = ({ state }: Pending) => state === "waiting" || state === "planning";
    const waiting = this.#pending.filter(isUntouched);
    this.#pending = this.#pending.filter((pending) => !isUntouched(pending));
    return waiting.filter(({ callers }) => callers[0]?.kind !== "self");
  }

  #answer(pending: Pending, answer: ConfigAnswer): Answered[] {
    this.#pending = this.#pending.filter((other) => other !== pending);
    return pending.callers.map((caller) => ({ caller, answer }));
  }

  #refused(code: ConfigRefusal["code"], message: string): ConfigAnswer {
    return { kind: "refused", refusal: { code, message }, servedBy: this.#card };
  }
}
