/**
 * Legs and mirrors as the card's program sees them: drivers/block/mirror.ts gives the orders, MIRROR.md tells what they do. A peer is called by the number of
 * its bitmap, 0 to 7; sets of peers are sets of these numbers.
 */

/** A leg's superblock and bitmaps. */
export type MirrorLeg = {
  readonly device: Uint8Array;
  readonly leg: Uint8Array;
  /** Bytes for data, and where the metadata ends. */
  readonly size: number;
  readonly end: number;
  readonly term: number;
  readonly bitmaps: readonly number[];
  readonly missing: readonly number[];
  /** Extents that the log had when it was opened: 0 after it was closed. */
  readonly hot: number;
  /** Bits of 64 KiB that are set, for each bitmap. */
  readonly dirty: readonly number[];
  readonly state: Uint8Array;
};

export type MirrorFormat = {
  /** 16 bytes each. */
  readonly device: Uint8Array;
  readonly leg: Uint8Array;
  /** 0: as large as there is room. */
  readonly size?: number;
  readonly term: number;
  readonly bitmaps: readonly number[];
  readonly state?: Uint8Array;
};

export type MirrorRecord = {
  readonly term: number;
  /** The peers that have a bitmap. One that is new begins with the hot extents. */
  readonly bitmaps: readonly number[];
  /** Those of them that miss each write. */
  readonly missing?: readonly number[];
  /** Those that get every bit. */
  readonly fill?: readonly number[];
  readonly state?: Uint8Array;
};

export type MirrorPeerState = "absent" | "synchronizing" | "in-sync";

export type MirrorSettings = {
  readonly protocol: "synchronous" | "memory" | "asynchronous";
  readonly behindBytesMax: number;
  readonly timeoutMs: number;
  /** Resynchronization: bytes in a second at most (0: no bound), at least while hosts are busy, and bytes under way. */
  readonly resyncMost: number;
  readonly resyncLeast: number;
  readonly resyncFill: number;
};

export type MirrorWalk = {
  /** Hashes first; only what differs is sent. */
  readonly compare?: boolean;
  /** Everything, whatever the bitmap says. */
  readonly all?: boolean;
  /** With what the peer's own bitmap says. */
  readonly unite?: boolean;
  /** When nothing is left the peer is in sync. */
  readonly counts?: boolean;
  /** Compares and sends nothing. */
  readonly verify?: boolean;
  /** Of verify: what differs becomes bits. */
  readonly mark?: boolean;
  readonly from?: number;
};

export type MirrorPeerCounters = {
  readonly state: MirrorPeerState;
  readonly connected: boolean;
  readonly dirty: number;
  readonly underWay: number;
  readonly bytesUnderWay: number;
  readonly framesSent: number;
  readonly bytesSent: number;
  readonly sends: number;
  readonly framesHeard: number;
  readonly bytesHeard: number;
  readonly receives: number;
};

export type MirrorCounters = {
  readonly writes: number;
  readonly writeBytes: number;
  readonly flushes: number;
  readonly reads: number;
  readonly localErrors: number;
  readonly peerErrors: number;
  readonly frozen: number;
  readonly congested: number;
  readonly logBlocks: number;
  readonly bitmapBlocks: number;
  readonly superblocks: number;
  readonly logWaits: number;
  readonly evictions: number;
  readonly rangeWaits: number;
  readonly behindBytes: number;
  readonly lost: readonly number[];
  readonly peers: readonly MirrorPeerCounters[];
};

type Walked = {
  readonly verify: boolean;
  readonly doneBytes: number;
  readonly sentBytes: number;
  readonly differingBytes: number;
};

/** What is told without being asked. `code`: the name of an error. */
export type MirrorNews =
  & { readonly device: number }
  & (
    /** `descriptor` as it was served by. */
    | { readonly kind: "sessionEnded"; readonly code: string; readonly descriptor: number }
    /** ESTALE: it knows a newer term. `frozen`: acknowledgments wait for `proceed`. */
    | { readonly kind: "lost"; readonly code: string; readonly peer: number; readonly frozen: boolean }
    | { readonly kind: "progress"; readonly peer: number; readonly leftBytes: number } & Walked
    /** `dirty`: bits that are left. Without a code it went through. */
    | { readonly kind: "walkEnded"; readonly peer: number; readonly code: string | undefined; readonly dirty: number } & Walked
    | { readonly kind: "differs"; readonly peer: number; readonly offset: number; readonly length: number }
    | { readonly kind: "legFailed"; readonly code: string; readonly offset: number }
    | { readonly kind: "forwarderLost"; readonly code: string; readonly slot: number }
  );

/** The mirror's orders for one device of the engine. Everything rejects with a `BlockError`. Descriptors are taken over, in any case. */
export interface MirrorDevice {
  /** Resolves with the bytes for data. The backing is in `slot`. */
  format(slot: number, format: MirrorFormat): Promise<number>;
  /**
   * ENODATA: there is no superblock. `end`: of the metadata, where the backing has grown since. `hotMax`: extents of 4 MiB that may be written to without a
   * write of the log, which is what a crash leaves to be compared; the same for all legs of a device. A log of fewer than 258 refuses discards of 1 GiB.
   */
  openLeg(backingSlot: number, slot: number, options?: { readonly end?: number; readonly hotMax?: number }): Promise<MirrorLeg>;
  legStatus(slot: number): Promise<MirrorLeg>;
  /** Resolves when it is durable. */
  record(slot: number, record: MirrorRecord): Promise<void>;
  suspect(slot: number, bitmaps: readonly number[]): Promise<MirrorLeg>;
  setBits(slot: number, bitmaps: readonly number[], bits: "all" | "none"): Promise<MirrorLeg>;
  /** EBUSY while writes are under way. */
  closeLog(slot: number): Promise<MirrorLeg>;
  /** A connection of a mirror's primary (`legSlot`), or of a forwarder. `forgets`: what the session before left unsettled is known to the primary. */
  serve(descriptor: number, legSlot: number | undefined, options?: { readonly forgets?: boolean }): Promise<void>;
  make(legSlot: number, slot: number, term: number): Promise<void>;
  attach(peer: number, descriptor: number, theirBitmap: number, state: "synchronizing" | "in-sync"): Promise<void>;
  set(settings: MirrorSettings): Promise<void>;
  /** `absent`: as if it had been lost, but without being told. */
  setState(peer: number, state: MirrorPeerState): Promise<void>;
  proceed(without: readonly number[]): Promise<void>;
  /** EBUSY until the end of the last one is told. */
  walk(peer: number, walk?: MirrorWalk): Promise<void>;
  stop(peer: number): Promise<void>;
  counters(): Promise<MirrorCounters>;
  setTerm(term: number): Promise<void>;
  /** What waits for a lost peer, now or later, fails: before a frozen device is removed. */
  abandon(): Promise<void>;
  forward(slot: number, descriptor: number, size: number, term: number): Promise<void>;
}
