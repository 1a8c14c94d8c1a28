/**
 * How a card comes to have what the replicas have. It asks one of them, another one when that does not answer, and pulls what it is given
 * piece by piece, so that nobody is sent more than it can put away.
 *
 *     locating ─ common found ─► (setting aside what is beyond it) ─► asking ─ offer ─► pulling changes ─► committing ─┐
 *         ▲                                                            ▲  └─► resuming ─► pulling a snapshot ─► installing
 *         └──── another replica ◄── no answer, nothing to give ────────┴──────────────────────────────────────────────┘
 *
 * The last common change is found by hashes at growing distances back, then between the last that is equal and the first that is
 * not: two or three questions for any length. Pure: it orders the store and asks others through what it is constructed with.
 *
 * Invariant: nothing is taken back or replaced that was not set aside before, but what is a part of the replicas' chain.
 */
import type { CardId } from "../base/ids.ts";
import {
  configBusyMs,
  configHashesMax,
  configPieceBytesMax,
  configPieceMs,
  configQuestionsMax,
  configTransfersAskedMax,
  configWindow,
} from "../limits.ts";
import type { ConfigAsk, ConfigGive } from "../wire/message.ts";
import { emptyHead, equalBytes } from "./chain.ts";
import { decodeChanges } from "./change-bytes.ts";
import type { Change, Head } from "./change.ts";
import type { ConfigurationStatus } from "./request.ts";
import type { StoreOrderBody, StoreResult } from "./store.ts";

export type Question = ConfigAsk extends infer Ask ? Ask extends unknown ? Omit<Ask, "kind" | "id"> : never : never;

/** The replica's side. */
export type CatchUpPorts = {
  readonly ask: (to: CardId, id: number, question: Question, isAgain: boolean) => void;
  readonly order: (body: StoreOrderBody, take: (now: number, result: StoreResult) => void) => void;
  /** An order that takes the database back, or replaces it. */
  readonly orderDatabase: (body: StoreOrderBody, take: (now: number, result: StoreResult) => void) => void;
  readonly commit: (changes: readonly Change[]) => void;
  readonly log: (event: string, fields: Readonly<Record<string, string | number>>) => void;
};

type Asked = { readonly question: Question; at: number; times: number };

type Pull = {
  readonly content: "changes" | "snapshot";
  readonly transfer: number;
  readonly bytes: number;
  readonly sha256: Uint8Array;
  readonly name: string;
  /** The next piece to ask for, and up to where all is here: in memory for changes, in the store's file for a snapshot. */
  asked: number;
  done: number;
  readonly data: Uint8Array | undefined;
  /** Pieces asked for, and pieces in the store's hands. */
  underWay: number;
};

export class CatchUp {
  readonly #ports: CatchUpPorts;
  #state: "idle" | "locating" | "settingAside" | "asking" | "pulling" | "installing" | "waiting" = "idle";
  #peer: CardId | undefined;
  #turn = 0;
  #lastId = 0;
  readonly #asked = new Map<number, Asked>();
  #waitUntil = Infinity;
  #isAbandoned = false;

  // Locating.
  #own: Head = emptyHead;
  #equal: Head = emptyHead;
  /** The lowest sequence that is known to differ. */
  #differs = 0;
  #ownHeads: readonly Head[] | undefined;
  #theirs: Extract<ConfigGive, { what: "hashes" }> | undefined;
  #isOnChain = false;

  #pull: Pull | undefined;

  constructor(card: CardId, ports: CatchUpPorts) {
    this.#ports = ports;
    this.#turn = card;
  }

  get isIdle(): boolean {
    return this.#state === "idle";
  }

  deadline(): number {
    let deadline = this.#waitUntil;
    for (const { at } of this.#asked.values()) deadline = Math.min(deadline, at + configPieceMs);
    return deadline;
  }

  progress(): ConfigurationStatus["progress"] {
    const pull = this.#pull;
    return pull === undefined || this.#peer === undefined
      ? undefined
      : { what: pull.content, done: Math.min(pull.done, pull.bytes), of: pull.bytes, from: this.#peer };
  }

  /** The card lacks what `peers` have: begins, or goes on, from the durable head `own`. */
  begin(now: number, own: Head, peers: readonly CardId[]): void {
    // Who is no replica any more has nothing to give, and may be gone.
    if (this.#isAsking && !peers.includes(this.#peer as CardId)) this.#nextPeer(now, "is no replica any more");
    if (this.#state !== "idle" || peers.length === 0) return;
    this.#own = own;
    this.#peer = peers[this.#turn % peers.length] as CardId;
    if (this.#isOnChain) return this.#askTransfer(now);
    this.#locate(now);
  }

  get #isAsking(): boolean {
    return this.#state === "locating" || this.#state === "asking" || this.#state === "pulling";
  }

  /** What was going on is of no use any more; what the store was ordered comes to its end unheard. */
  abandon(): void {
    this.#isAbandoned = true;
  }

  onTick(now: number): void {
    if (now >= this.#waitUntil) {
      this.#waitUntil = Infinity;
      this.#state = "idle";
    }
    for (const [id, asked] of this.#asked) {
      if (now < asked.at + configPieceMs) continue;
      // A snapshot takes its time to be made.
      const most = asked.question.what === "transfer" ? configTransfersAskedMax : configQuestionsMax;
      if (++asked.times > most) return this.#nextPeer(now, "did not answer");
      asked.at = now;
      this.#ports.ask(this.#peer as CardId, id, asked.question, true);
    }
  }

  onGive(now: number, from: CardId, give: ConfigGive): void {
    const asked = this.#asked.get(give.id);
    if (asked === undefined || from !== this.#peer) return;
    this.#asked.delete(give.id);
    switch (give.what) {
      case "nothing":
        if (give.reason === "gone" && asked.question.what === "piece") {
          this.#endPull();
          return this.#askTransfer(now);
        }
        return this.#nextPeer(now, `has nothing to give (${give.reason})`);
      case "hashes":
        this.#theirs = give;
        return this.#compare(now);
      case "offer":
        return this.#onOffer(now, give);
      case "piece":
        return this.#onPiece(now, give.offset, give.data);
    }
  }

  #ask(now: number, question: Question): void {
    const id = ++this.#lastId;
    this.#asked.set(id, { question, at: now, times: 1 });
    this.#ports.ask(this.#peer as CardId, id, question, false);
  }

  #order(body: StoreOrderBody, take: (now: number, result: StoreResult) => void): void {
    const order = body.kind === "setAside" || body.kind === "installSnapshot" ? this.#ports.orderDatabase : this.#ports.order;
    order(body, (now, result) => {
      if (!this.#isAbandoned) take(now, result);
    });
  }

  /** Somebody else may have it. */
  #nextPeer(now: number, why: string): void {
    this.#ports.log("another card is asked for the configuration", { peer: this.#peer as CardId, why });
    this.#turn++;
    this.#endPull();
    this.#state = "waiting";
    this.#waitUntil = now + configBusyMs;
  }

  #endPull(): void {
    this.#asked.clear();
    this.#pull = undefined;
  }

  // ---- the last common change

  #locate(now: number): void {
    this.#state = "locating";
    this.#equal = emptyHead;
    this.#differs = this.#own.sequence + 1;
    const back: number[] = [];
    for (let distance = 0; distance < this.#own.sequence; distance = distance === 0 ? 1 : 2 * distance) {
      back.push(this.#own.sequence - distance);
    }
    this.#askHashes(now, back);
  }

  #askHashes(now: number, sequences: readonly number[]): void {
    if (sequences.length === 0) return this.#onLocated(now);
    this.#ownHeads = this.#theirs = undefined;
    this.#ask(now, { what: "hashes", sequences });
    this.#order({ kind: "hashes", sequences }, (at, result) => {
      if (result.kind !== "hashes") return;
      this.#ownHeads = result.heads;
      this.#compare(at);
    });
  }

  #compare(now: number): void {
    if (this.#ownHeads === undefined || this.#theirs === undefined) return;
    const theirs = new Map(this.#theirs.heads.map((head) => [head.sequence, head.hash]));
    for (const head of this.#ownHeads) {
      const hash = theirs.get(head.sequence);
      if (hash !== undefined && equalBytes(hash, head.hash)) {
        if (head.sequence > this.#equal.sequence) this.#equal = head;
      } else this.#differs = Math.min(this.#differs, Math.max(head.sequence, this.#equal.sequence + 1));
    }
    const low = this.#equal.sequence + 1;
    const count = Math.min(configHashesMax, this.#differs - low);
    const between = Array.from({ length: count }, (_, index) => low + Math.floor((index * (this.#differs - low)) / count));
    this.#askHashes(now, between);
  }

  #onLocated(now: number): void {
    const common = this.#equal;
    if (common.sequence === this.#own.sequence) {
      this.#isOnChain = true;
      return this.#askTransfer(now);
    }
    this.#state = "settingAside";
    this.#ports.log("configuration set aside", { sequence: this.#own.sequence, common: common.sequence });
    this.#order({ kind: "setAside", common }, (_at, result) => {
      if (result.kind !== "opened") return;
      this.#isOnChain = true;
      this.#rest();
    });
  }

  /** The replica says whether there is more to be had. */
  #rest(): void {
    this.#endPull();
    this.#state = "idle";
  }

  // ---- what follows on it

  #askTransfer(now: number): void {
    this.#state = "asking";
    this.#ask(now, { what: "transfer", after: this.#own.sequence, snapshot: false });
  }

  #onOffer(now: number, { transfer, content, bytes, sha256 }: Extract<ConfigGive, { what: "offer" }>): void {
    this.#state = "pulling";
    const name = `in-${hexOf(sha256.subarray(0, 8))}`;
    const data = content === "changes" ? new Uint8Array(bytes) : undefined;
    const pull: Pull = { content, transfer, bytes, sha256, name, asked: 0, done: 0, data, underWay: 0 };
    this.#pull = pull;
    if (content === "changes") return this.#askPieces(now);
    this.#order({ kind: "resumeSnapshot", name }, (at, result) => {
      if (this.#pull !== pull || result.kind !== "written") return;
      pull.asked = pull.done = Math.min(result.upTo, bytes);
      this.#goOn(at, pull);
    });
  }

  #askPieces(now: number): void {
    const pull = this.#pull as Pull;
    while (pull.underWay < configWindow && pull.asked < pull.bytes) {
      this.#ask(now, { what: "piece", transfer: pull.transfer, offset: pull.asked });
      pull.asked += configPieceBytesMax;
      pull.underWay++;
    }
  }

  #onPiece(now: number, offset: number, piece: Uint8Array): void {
    const pull = this.#pull;
    if (pull === undefined || piece.length !== Math.min(configPieceBytesMax, pull.bytes - offset)) {
      return this.#nextPeer(now, "gave a piece that is none");
    }
    if (pull.data !== undefined) {
      pull.data.set(piece, offset);
      pull.done += piece.length;
      pull.underWay--;
      return this.#goOn(now, pull);
    }
    this.#order({ kind: "writeSnapshot", name: pull.name, offset, data: piece }, (at, result) => {
      if (this.#pull !== pull) return;
      pull.underWay--;
      if (result.kind === "written") pull.done = Math.max(pull.done, result.upTo);
      this.#goOn(at, pull);
    });
  }

  #goOn(now: number, pull: Pull): void {
    if (pull.done < pull.bytes) return this.#askPieces(now);
    if (pull.data === undefined) return this.#install(pull);
    const changes = decodeChanges(pull.data, this.#own);
    this.#rest();
    if (changes === undefined) return this.#nextPeer(now, "gave changes that do not follow");
    this.#ports.commit(changes);
  }

  #install(pull: Pull): void {
    this.#state = "installing";
    this.#order({ kind: "installSnapshot", name: pull.name, sha256: pull.sha256 }, (now, result) => {
      if (result.kind === "opened") return this.#rest();
      this.#nextPeer(now, "gave a snapshot that is none");
    });
  }
}

function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
