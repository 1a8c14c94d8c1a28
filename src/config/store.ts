/**
 * What the replica and a card's store say to each other: orders, carried out one after the other, and one result for each. `snapshot`
 * and `check` take long, so they are carried out in slices beside the orders after them, and their results may come after those. Types only.
 * `src/io/config-store.ts` is the real one (SQLite in a worker), `src/sim/config-store.ts` the simulated one; one
 * conformance suite holds for both.
 */
import type { CardId } from "../base/ids.ts";
import type { Change, ConfigRefusal, Head, Proposal, Wish } from "./change.ts";

/** Why a store cannot be used. */
export type StoreFault = {
  readonly code: "disk-full" | "read-only" | "corrupt" | "divergent" | "io" | "too-old";
  readonly message: string;
};

/** What became of one wish of a plan. `known`: the chain has this key already, as that change. */
export type Planned =
  | { readonly kind: "planned"; readonly proposal: Proposal }
  | { readonly kind: "known"; readonly head: Head }
  | { readonly kind: "refused"; readonly refusal: ConfigRefusal };

export type Branch = {
  /** The first eight hex digits of its head's hash. */
  readonly id: string;
  readonly head: Head;
  /** The last change that it shares with the chain that went on. */
  readonly common: Head;
  /** Milliseconds since 1970. */
  readonly setAsideAt: number;
};

/** `order` counts the orders of one run of the replica; the result carries it back. */
export type StoreOrder =
  & { readonly order: number }
  & (
    /** Opens the database, making it when there is none, and proves it (quick integrity check, chain's end). Answered with `opened`. */
    | { readonly kind: "open" }
    /**
     * Plans wishes upon the present tables, each upon those before it. `olderCards`: those whose software keeps the level down, to be named in a
     * refusal. A wish without effect is `planned` with an empty changeset. Answered with `planned`.
     */
    | { readonly kind: "plan"; readonly wishes: readonly Wish[]; readonly card: number; readonly olderCards?: readonly CardId[] }
    /** Applies changes that follow on the present head, all of them in one durable transaction. Answered with `committed`. */
    | { readonly kind: "commit"; readonly changes: readonly Change[] }
    /** The hashes of the chain at these sequences, those that it has; for finding the last common change. Answered with `hashes`. */
    | { readonly kind: "hashes"; readonly sequences: readonly number[] }
    /** Changes after a sequence, as many as fit `bytesMax` but at least one. Answered with `changes`. */
    | { readonly kind: "changes"; readonly after: number; readonly bytesMax: number }
    /**
     * Keeps a copy of the database as it is now under a name (small letters, digits, hyphens), and says how large. Dropped with `dropSnapshot`,
     * by a restart, or by more of them than `snapshotsMax`. Answered with `snapshot`, or `missing` when there is no room for it.
     */
    | { readonly kind: "snapshot"; readonly name: string }
    | { readonly kind: "readSnapshot"; readonly name: string; readonly offset: number; readonly bytesMax: number }
    | { readonly kind: "dropSnapshot"; readonly name: string }
    /** Puts a piece of another card's snapshot in its place in a file of that name; answered with `written`, which says how far it is without a gap. */
    | { readonly kind: "writeSnapshot"; readonly name: string; readonly offset: number; readonly data: Uint8Array }
    /** How far a file of that name has come, after a restart or a loss. Answered with `written`. */
    | { readonly kind: "resumeSnapshot"; readonly name: string }
    /**
     * Proves the file (digest, integrity, chain) and puts it in the database's place, durably. Answered with `opened`, or with `missing` when it is
     * not what it must be: then it is gone, and the database is as it was.
     */
    | { readonly kind: "installSnapshot"; readonly name: string; readonly sha256: Uint8Array }
    /**
     * Keeps the database as a branch and takes it back to the change `common`. Answered with `opened`, with the head `common`; or with the empty
     * head where the way back is not kept (changes were pruned, or a migration lies between): then a snapshot is needed.
     */
    | { readonly kind: "setAside"; readonly common: Head }
    /** Forgets a branch. Answered with `discarded`, or `missing`. */
    | { readonly kind: "discardBranch"; readonly id: string }
    /**
     * Proves everything: every page's checksum, integrity, chain, foreign keys, invariants; with the scope `pages` the checksums alone, which
     * is cheap enough for every minute. Answered with `checked`.
     */
    | { readonly kind: "check"; readonly scope?: "pages" }
    /** Moves the database out of the way (kept as `damaged-<time>.db`) and begins with an empty one. Answered with `opened`. */
    | { readonly kind: "reset" }
  );

/** An order before it has its number. */
export type StoreOrderBody = StoreOrder extends infer Order ? Order extends unknown ? Omit<Order, "order"> : never : never;

export type StoreResult =
  & { readonly order: number }
  & (
    | {
      readonly kind: "opened";
      readonly head: Head;
      readonly level: number;
      /** The highest level that this software stores. */
      readonly levelMax: number;
      /** The first sequence that the chain still has, head + 1 when none. */
      readonly first: number;
      readonly branches: readonly Branch[];
    }
    | { readonly kind: "planned"; readonly outcomes: readonly Planned[] }
    | { readonly kind: "committed"; readonly head: Head; readonly level: number }
    | { readonly kind: "hashes"; readonly heads: readonly Head[]; readonly first: number }
    | { readonly kind: "changes"; readonly changes: readonly Change[]; readonly bytesLeft: number }
    | {
      readonly kind: "snapshot";
      readonly name: string;
      readonly head: Head;
      readonly level: number;
      readonly bytes: number;
      readonly sha256: Uint8Array;
    }
    | { readonly kind: "piece"; readonly name: string; readonly offset: number; readonly data: Uint8Array }
    | { readonly kind: "dropped" }
    | { readonly kind: "written"; readonly name: string; readonly upTo: number }
    | { readonly kind: "discarded"; readonly branches: readonly Branch[] }
    | { readonly kind: "checked"; readonly findings: readonly string[] }
    /** The order was not carried out and nothing has changed; after it only `open`, `check` and `reset` are taken. */
    | { readonly kind: "failed"; readonly fault: StoreFault }
    /** A snapshot or piece that is not there (any more). */
    | { readonly kind: "missing"; readonly what: string }
  );
