/**
 * The words between the storage service and the edge that drives the block engine: orders, their answers, and what the engine tells unasked. Types only. Answers and reports of one engine come in the order
 * in which it happened; `STORAGE.md`
 * tells when each is given, `drivers/block/MIRROR.md` what the engine does. Legs are called by device and leg, as nobody opens one twice.
 */
import type { CardId } from "../base/ids.ts";

export type DeviceId = string;
/** The name of the subgroup whose copy it is. */
export type LegId = string;

/** How data is mirrored. `memory`: acknowledged when the backup has received it; `asynchronous`: before, within a bound. */
export type MirrorProtocol = "synchronous" | "memory" | "asynchronous";

export type MirrorPolicy = {
  readonly protocol: MirrorProtocol;
  /** What may be under way without an acknowledgment of the peer, of asynchronous mirroring. */
  readonly behindBytesMax: number;
  /** A peer that leaves a request unanswered for so long is lost. */
  readonly peerTimeoutMs: number;
  /** Resynchronization: so much is to be under way, and at most so much, at least so much a second while hosts write. */
  readonly fillBytes: number;
  readonly bytesPerSMax: number;
  readonly bytesPerSMin: number;
};

/** What a look at a leg, or its opening, found. */
export type LegFound = {
  /** Bytes for data. */
  readonly bytes: number;
  readonly blockBytes: number;
  /** The state that was noted last (`leg-state.ts`); undefined where there is no superblock of ours. */
  readonly state: Uint8Array | undefined;
  /** The superblock is that of another device or leg: nothing is to be written there. */
  readonly foreign: boolean;
  /** Whether the log was closed: nothing was under way when it was last in use. */
  readonly clean: boolean;
};

export type BlockOrder =
  & { readonly order: number; readonly device: DeviceId; readonly leg: LegId }
  & (
    /** Whether this card reaches the leg: opens the path for reading, reads the superblocks, closes it. Answered `found`. */
    | { readonly kind: "look"; readonly path: string }
    /**
     * Opens the leg for use, exclusively. `format`: it is made a leg of the device first, with all bits of all bitmaps set. Its peers are refused until a term
     * is noted. Answered `found`.
     */
    | { readonly kind: "open"; readonly path: string; readonly format: boolean }
    /**
     * Makes term, state and the bitmaps in use durable in the superblock. When it is answered, requests of older terms are refused and none of them is under way.
     * `peers`: the legs that have a bitmap; a leg that is new in it has all bits of the hot extents set, one with `all` every bit.
     */
    | {
      readonly kind: "note";
      readonly term: number;
      readonly state: Uint8Array;
      readonly peers: readonly LegId[];
      readonly all: readonly LegId[];
    }
    /** The hot extents become bits of these peers: their copies may differ there. */
    | { readonly kind: "suspect"; readonly peers: readonly LegId[] }
    /** The mirror and its gate, paused, over the open leg. */
    | { readonly kind: "serve"; readonly term: number; readonly policy: MirrorPolicy }
    /**
     * Connects to the host of a backup leg and sends it each write from then on, and what the peer's bitmap says. `counts`: it is in the in-sync set, so no write is acknowledged
     * without it from now on. The backup's hot extents join the bits. Answered when it is connected; then `synchronized`, or `peerLost`.
     */
    | {
      readonly kind: "attach";
      readonly peer: LegId;
      readonly card: CardId;
      readonly term: number;
      readonly counts: boolean;
    }
    /** The peer is let go: as if it had been lost, but without a report. */
    | { readonly kind: "detach"; readonly peer: LegId }
    /** Acknowledges what is complete but for these peers; what they missed has its bits. */
    | { readonly kind: "proceed"; readonly without: readonly LegId[] }
    | { readonly kind: "gate"; readonly state: "open" | "paused" | "shut" }
    /** Compares the copies; differences become bits only with `repair`. Told by `progress`, ended by `verified`. */
    | { readonly kind: "verify"; readonly peer: LegId; readonly repair: boolean }
    /** Stops or goes on with the resynchronization of a peer. */
    | { readonly kind: "pause" | "resume"; readonly peer: LegId }
    /** The size for hosts grows to what the leg has. */
    | { readonly kind: "grow"; readonly bytes: number }
    /** Closes mirror and leg: nothing of it is under way when it is answered. */
    | { readonly kind: "close" }
  );

/** Each order has one answer. An order for a leg that is not open fails. */
export type BlockAnswer =
  & { readonly order: number }
  & (
    | { readonly kind: "done" }
    | { readonly kind: "found"; readonly found: LegFound }
    /** `gone`: the path cannot be opened; `busy`: another program has it; `failed`: it was tried and the device said no. */
    | { readonly kind: "failed"; readonly code: "gone" | "busy" | "failed"; readonly reason: string }
  );

export type BlockReport =
  & { readonly device: DeviceId; readonly leg: LegId }
  & (
    /** Acknowledgments that need this peer are frozen, if it counts; told once for each `attach`. */
    | { readonly kind: "peerLost"; readonly term: number; readonly peer: LegId; readonly reason: string }
    /** No bit is set, each write goes there, and from now on none is acknowledged without it: a loss freezes. */
    | { readonly kind: "synchronized"; readonly term: number; readonly peer: LegId }
    | {
      readonly kind: "progress";
      readonly what: "resync" | "verify";
      readonly peer: LegId;
      readonly doneBytes: number;
      readonly totalBytes: number;
      readonly bytesPerS: number;
    }
    | { readonly kind: "verified"; readonly peer: LegId; readonly differentBytes: number }
    /** The leg's own device failed a request for good: nothing is acknowledged from it, nor for it, any more. */
    | { readonly kind: "legFailed"; readonly reason: string }
  );
