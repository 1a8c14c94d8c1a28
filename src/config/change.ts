/**
 * The words of the configuration replica: a wish of somebody, the changes that follow from it, the head of their chain. Types only;
 * `CONFIGURATION.md` tells the whole.
 */
import type { CardId } from "../base/ids.ts";

/** A value of a row as SQLite holds it. Whole numbers are safe integers; booleans are 0 and 1, lists and objects JSON text. */
export type Scalar = string | number | null;

/** A row by the names of its columns. Every table's primary key is the text column `id`. */
export type Row = { readonly id: string } & Readonly<Record<string, Scalar>>;

/** `put` makes the row or replaces the columns that are given; `remove` takes it away, and is refused while another row refers to it. */
export type Operation =
  | { readonly kind: "put"; readonly table: string; readonly row: Row }
  | { readonly kind: "remove"; readonly table: string; readonly id: string };

/** The end of a chain. `hash` is 32 bytes. Of an empty chain: 0, 0 and zeroes. */
export type Head = { readonly sequence: number; readonly epoch: number; readonly hash: Uint8Array };

/** What somebody wants changed, as one change. */
export type Wish = {
  /** Who asks: a user's or token's id, or "card 1/2" for the card itself; UTF-8. */
  readonly author: string;
  /** Why, for people; may be empty. */
  readonly comment: string;
  /** The same key of the same author is carried out once; empty for none. */
  readonly key: string;
  /** Refused unless the chain's head has this hash. */
  readonly expected?: Uint8Array;
  readonly operations: readonly Operation[];
};

/** A change before it has its place in the chain. */
export type Proposal = {
  /** `rows` carries an SQLite changeset; `migrate` has the number of the level in four bytes, big-endian, instead. */
  readonly kind: "rows" | "migrate";
  readonly author: string;
  readonly comment: string;
  readonly key: string;
  /** The card that planned it, and its wall clock in milliseconds since 1970: for people, nothing is decided by it. */
  readonly card: CardId;
  readonly time: number;
  readonly changeset: Uint8Array;
};

/** A link of the chain. */
export type Change = Proposal & Head & {
  /** The hash of the change before. */
  readonly previous: Uint8Array;
};

/** Why a wish is refused. The table of codes with their hints is in `refusals.ts`. */
export type ConfigRefusal = {
  readonly code:
    /** The head is not the expected one, or other changes came first too often. */
    | "conflict"
    /** A table, column, value, reference or invariant is wrong. */
    | "invalid"
    /** A side without a quorum, or with too few replicas. */
    | "no-quorum"
    /** This card's store is in hold. */
    | "hold"
    /** This card does not know the present head yet. */
    | "catching-up"
    /** A card of the system cannot store it: its software is older. */
    | "too-new"
    /** Too many changes are under way, or the change is too large. */
    | "bounds"
    /** Not acknowledged in time: it may still be carried out; the same key tells. */
    | "timeout";
  readonly message: string;
  /** Which operation, from 0, and which table, row and column, where it is about one; the message has them too. */
  readonly operation?: number;
  readonly table?: string;
  readonly id?: string;
  readonly column?: string;
};
