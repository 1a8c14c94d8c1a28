/**
 * What a card gives to others that catch up: hashes of its chain, changes, a snapshot of its database. Each is asked for piece by piece, so
 * the one that asks sets the pace; what is kept for others is bounded, and forgotten when nobody asks for it any more.
 *
 * One snapshot serves all who ask while it is fresh: what has changed since follows as changes. Pure: it orders the store and answers
 * through what it is constructed with.
 */
import type { CardId } from "../base/ids.ts";
import {
  configChangeCostBytes,
  configPieceBytesMax,
  configSnapshotAboveBytes,
  configTransferBytesMax,
  configTransferMs,
  configTransfersMax,
} from "../limits.ts";
import type { ConfigAsk, ConfigGive } from "../wire/message.ts";
import { headOf } from "./chain.ts";
import { encodeChanges } from "./change-bytes.ts";
import type { Change, Head } from "./change.ts";
import type { StoreOrderBody, StoreResult } from "./store.ts";

export type Gift = ConfigGive extends infer Give ? Give extends unknown ? Omit<Give, "kind" | "id"> : never : never;

export type SupplyPorts = {
  readonly give: (to: CardId, id: number, gift: Gift, isAgain?: boolean) => void;
  readonly order: (body: StoreOrderBody, take: (now: number, result: StoreResult) => void) => void;
  /** The sequence of the durable head. */
  readonly sequence: () => number;
};

/** Changes in memory, or a snapshot by its name. `next`: behind the pieces that were given. */
type Transfer = {
  readonly to: CardId;
  readonly data: Uint8Array | undefined;
  readonly snapshot: Snapshot | undefined;
  usedAt: number;
  next: number;
};
type Snapshot = { readonly name: string; readonly head: Head; readonly bytes: number; readonly sha256: Uint8Array; usedAt: number };

export class Supply {
  readonly #ports: SupplyPorts;
  readonly #transfers = new Map<number, Transfer>();
  #lastTransfer = 0;
  #lastSnapshot = 0;
  #snapshot: Snapshot | undefined;
  #isMaking = false;
  /** Who waits for the snapshot that is being made. */
  #waiting: ((now: number, snapshot: Snapshot | undefined) => void)[] = [];
  /** Cards whose question is being worked on. */
  readonly #preparing = new Set<CardId>();
  #snapshots = 0;

  constructor(ports: SupplyPorts) {
    this.#ports = ports;
  }

  /** Snapshots made so far. */
  get snapshots(): number {
    return this.#snapshots;
  }

  deadline(): number {
    let deadline = this.#snapshot === undefined ? Infinity : this.#snapshot.usedAt + configTransferMs;
    for (const { usedAt } of this.#transfers.values()) deadline = Math.min(deadline, usedAt + configTransferMs);
    return deadline;
  }

  onTick(now: number): void {
    for (const [number, { usedAt }] of this.#transfers) if (usedAt + configTransferMs <= now) this.#transfers.delete(number);
    const snapshot = this.#snapshot;
    if (snapshot === undefined || snapshot.usedAt + configTransferMs > now) return;
    this.#snapshot = undefined;
    this.#ports.order({ kind: "dropSnapshot", name: snapshot.name }, () => {});
  }

  onAsk(now: number, from: CardId, ask: Exclude<ConfigAsk, { what: "durable" }>): void {
    switch (ask.what) {
      case "hashes":
        return this.#ports.order({ kind: "hashes", sequences: ask.sequences }, (_at, result) => {
          if (result.kind === "hashes") this.#ports.give(from, ask.id, { what: "hashes", first: result.first, heads: result.heads });
        });
      case "transfer":
        return this.#onTransfer(from, ask.id, ask.after, ask.snapshot);
      case "piece":
        return this.#onPiece(now, from, ask.id, ask.transfer, ask.offset);
    }
  }

  #onTransfer(from: CardId, id: number, after: number, wantsSnapshot: boolean): void {
    // It asks again because it has not been answered yet.
    if (this.#preparing.has(from)) return;
    for (const [number, { to }] of this.#transfers) if (to === from) this.#transfers.delete(number);
    if (this.#transfers.size + this.#preparing.size >= configTransfersMax) {
      return this.#ports.give(from, id, { what: "nothing", reason: "busy" });
    }
    this.#preparing.add(from);
    this.#ports.order({ kind: "changes", after, bytesMax: configTransferBytesMax }, (now, result) => {
      if (result.kind !== "changes" && result.kind !== "missing") return void this.#preparing.delete(from);
      const changes = result.kind === "changes" ? result.changes : [];
      const left = result.kind === "changes" ? result.bytesLeft : 0;
      const areKept = result.kind === "changes" && (changes[0] === undefined || changes[0].sequence === after + 1);
      // To apply a change takes its time besides: a snapshot has all of them in it and none to be applied.
      const cost = changes.reduce((sum, { changeset }) => sum + changeset.length, left) +
        (this.#ports.sequence() - after) * configChangeCostBytes;
      if (areKept && !wantsSnapshot && cost <= configSnapshotAboveBytes) return this.#offerChanges(now, from, id, changes, left);
      this.#withSnapshot((at, snapshot) => {
        const isLess = snapshot !== undefined && snapshot.head.sequence > after && (!areKept || wantsSnapshot || snapshot.bytes < cost);
        if (isLess) return this.#offerSnapshot(at, from, id, snapshot);
        if (areKept) return this.#offerChanges(at, from, id, changes, left);
        this.#preparing.delete(from);
        this.#ports.give(from, id, { what: "nothing", reason: "busy" });
      }, now);
    });
  }

  #offerChanges(now: number, to: CardId, id: number, changes: readonly Change[], left: number): void {
    this.#preparing.delete(to);
    const last = changes.at(-1);
    if (last === undefined) return this.#ports.give(to, id, { what: "nothing", reason: "behind" });
    const data = encodeChanges(changes);
    const transfer = this.#begin({ to, data, snapshot: undefined, usedAt: now, next: 0 });
    const head = headOf(last);
    this.#ports.give(to, id, { what: "offer", transfer, content: "changes", head, bytes: data.length, sha256: head.hash, left });
  }

  #offerSnapshot(now: number, to: CardId, id: number, snapshot: Snapshot): void {
    this.#preparing.delete(to);
    const transfer = this.#begin({ to, data: undefined, snapshot, usedAt: now, next: 0 });
    const { head, bytes, sha256 } = snapshot;
    this.#ports.give(to, id, { what: "offer", transfer, content: "snapshot", head, bytes, sha256, left: 0 });
  }

  #begin(transfer: Transfer): number {
    this.#lastTransfer = (this.#lastTransfer % 0xffffffff) + 1;
    this.#transfers.set(this.#lastTransfer, transfer);
    return this.#lastTransfer;
  }

  #withSnapshot(take: (now: number, snapshot: Snapshot | undefined) => void, now: number): void {
    if (this.#snapshot !== undefined) {
      this.#snapshot.usedAt = now;
      return take(now, this.#snapshot);
    }
    this.#waiting.push(take);
    if (this.#isMaking) return;
    this.#isMaking = true;
    this.#ports.order({ kind: "snapshot", name: `out-${++this.#lastSnapshot}` }, (at, result) => {
      this.#isMaking = false;
      if (result.kind === "snapshot") {
        const { name, head, bytes, sha256 } = result;
        this.#snapshot = { name, head, bytes, sha256, usedAt: at };
        this.#snapshots++;
      }
      const waiting = this.#waiting;
      this.#waiting = [];
      for (const one of waiting) one(at, this.#snapshot);
    });
  }

  #onPiece(now: number, from: CardId, id: number, number: number, offset: number): void {
    const transfer = this.#transfers.get(number);
    const gone = () => this.#ports.give(from, id, { what: "nothing", reason: "gone" });
    if (transfer?.to !== from) return gone();
    transfer.usedAt = now;
    // A piece that is asked for again may not have come.
    const isAgain = offset < transfer.next;
    transfer.next = Math.max(transfer.next, offset + configPieceBytesMax);
    if (transfer.data !== undefined) {
      const data = transfer.data.subarray(offset, offset + configPieceBytesMax);
      return data.length === 0 ? gone() : this.#ports.give(from, id, { what: "piece", transfer: number, offset, data }, isAgain);
    }
    const snapshot = transfer.snapshot as Snapshot;
    snapshot.usedAt = now;
    this.#ports.order({ kind: "readSnapshot", name: snapshot.name, offset, bytesMax: configPieceBytesMax }, (_at, result) => {
      if (result.kind !== "piece" || result.data.length === 0) return gone();
      this.#ports.give(from, id, { what: "piece", transfer: number, offset, data: result.data }, isAgain);
    });
  }
}
