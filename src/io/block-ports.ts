/**
 * The block engine as the card's program sees it: drivers/block carries it out, drivers/simulated stands in for it, and one
 * conformance suite (test/conformance/block.ts) runs against both.
 */

export type BlockVerb = "read" | "write" | "flush" | "discard" | "zero";

/** What orders fail with: `code` is the name of an error number, as ENOSPC. */
export type BlockError = Error & { readonly code: string };

/** What opening a slot found. All in bytes. */
export type BlockOpened = {
  readonly size: number;
  readonly blockBytes: number;
  readonly preferredBytes: number;
  readonly discardBytes: number;
  readonly readOnly: boolean;
  readonly canDiscard: boolean;
  readonly canZero: boolean;
  /** A block device, not a file. */
  readonly isBlock: boolean;
};

export type BlockOpenOptions = {
  readonly readOnly?: boolean;
  /** A file that is not there is made with so many bytes, a smaller one grows to it. */
  readonly size?: number;
  /** What is made or grows has its room on the disk from the start. */
  readonly allocated?: boolean;
};

/** `open` passes requests on, `paused` keeps them, `shut` refuses them. */
export type BlockGateState = "shut" | "open" | "paused";

export type BlockStatus = {
  readonly gate: BlockGateState;
  readonly term: number;
  readonly size: number;
  /** Requests that have passed the gate and not ended, and those that it keeps. */
  readonly passed: number;
  readonly kept: number;
  readonly keptBytes: number;
  readonly slots: readonly number[];
  /** Buffers of the device's reactor: what they may grow to, have grown to, and are in use. */
  readonly poolBytesMax: number;
  readonly poolBytesGrown: number;
  readonly poolBytesTaken: number;
};

/** Since the device was made. Requests that a gate has refused are not among them. */
export type BlockCounter = {
  readonly requests: number;
  readonly bytes: number;
  readonly errors: number;
  readonly latencyUs: number;
  /** Requests by their latency; `blockBucketUs()` tells where each begins. */
  readonly buckets: readonly number[];
};

export type BlockRequestOptions = {
  /** Past the gate, to what is in this slot. */
  readonly slot?: number;
  readonly term?: number;
  /** Durable when it is done. */
  readonly fua?: boolean;
  /** Of zero: the range keeps its room. */
  readonly noHole?: boolean;
};

/** For tests: what goes wrong. drivers/block/fault.h tells each. */
export type BlockFault = {
  readonly action: "fail" | "delay" | "torn" | "lie" | "hang";
  readonly verbs: readonly BlockVerb[];
  readonly offset?: number;
  readonly length?: number;
  readonly skip?: number;
  readonly count?: number;
  /** 0 to 1. */
  readonly chance?: number;
  /** Of `fail` and `torn`; EIO where nothing is said. */
  readonly code?: string;
  /** Of `delay` microseconds, of `torn` blocks. */
  readonly value?: number;
};

/** One device: a gate with what is behind it. Everything rejects with a `BlockError`. */
export interface BlockDevice {
  readonly number: number;
  open(slot: number, path: string, options?: BlockOpenOptions): Promise<BlockOpened>;
  /** Resolves when nothing of it is under way and it can be opened elsewhere. */
  close(slot: number): Promise<void>;
  /** Resolves with the size that it has then. */
  grow(slot: number, size: number, options?: { readonly allocated?: boolean }): Promise<number>;
  /** What the gate's requests go to, or nothing; the gate must not be open. */
  serve(slot: number | undefined): Promise<void>;
  gate(state: BlockGateState): Promise<void>;
  /** Resolves when nothing that has passed the gate is under way. */
  drain(): Promise<void>;
  /** Requests of any other term are refused from now on; resolves when none that had passed is under way. */
  raise(term: number): Promise<void>;
  status(): Promise<BlockStatus>;
  counters(): Promise<Readonly<Record<BlockVerb, BlockCounter>>>;
  /** Requests of the program's own, at most 1 MiB of data each: for looks at a device and for tests, hosts come in elsewhere. */
  read(offset: number, length: number, options?: BlockRequestOptions): Promise<Uint8Array>;
  write(offset: number, bytes: Uint8Array, options?: BlockRequestOptions): Promise<void>;
  flush(options?: BlockRequestOptions): Promise<void>;
  discard(offset: number, length: number, options?: BlockRequestOptions): Promise<void>;
  zero(offset: number, length: number, options?: BlockRequestOptions): Promise<void>;
  /** Over what is in the slot, before it is served: something that goes wrong by rules, or a disk with a cache that its power keeps. */
  layFault(slot: number, kind: "rules" | "power", seed: number): Promise<void>;
  addFault(slot: number, fault: BlockFault): Promise<void>;
  /** Takes all rules away and lets go on what hangs. */
  resume(slot: number): Promise<void>;
  cutPower(slot: number): Promise<void>;
  /** Ends all that the device has; its number is free again. */
  remove(): Promise<void>;
}

/** A device of a card failed a request, or began to; told at most once a second for each slot. */
export type BlockFailure = {
  readonly device: number;
  readonly slot: number;
  readonly verb: BlockVerb;
  readonly code: string;
  readonly offset: number;
  readonly length: number;
};

/** What a module beside the core tells; its kinds are in its header. */
export type BlockNews = { readonly kind: number; readonly number: number; readonly value: number; readonly bytes: Uint8Array };

export type BlockOptions = {
  /** Threads; a device is on one of them. */
  readonly reactors?: number;
  /** Of buffers, for each thread. */
  readonly poolBytesMax?: number;
  /** Whether faults may be laid. */
  readonly faults?: boolean;
  readonly onFailure?: (failure: BlockFailure) => void;
  readonly onNews?: (news: BlockNews) => void;
};

export interface BlockEngine {
  /** `number` is the caller's choice, from 0. */
  make(number: number): Promise<BlockDevice>;
  /** An order of a module beside the core, as its header says, for a device or for none; resolves with the answer's bytes. */
  order(kind: number, device: number | undefined, bytes: Uint8Array): Promise<Uint8Array>;
  close(): Promise<void>;
}

export interface BlockDriver {
  /** Rejects when io_uring is forbidden or missing. */
  open(options: BlockOptions): Promise<BlockEngine>;
}
