/** What is read of a card's configuration at its edge, beside the node, and what plans are: answers of the store, as HTTP gives them on. Types only. */
import type { CardId } from "../base/ids.ts";
import type { ConfigRefusal, Head, Operation, Row } from "./change.ts";
import type { RowStep } from "./row-difference.ts";
import type { TableName } from "./rules.ts";

/** The store cannot be read: it is opening, or in hold. */
export type Unread = { readonly unread: ConfigRefusal };

export type RowPage = {
  readonly head: Head;
  readonly rows: readonly Row[];
  /** The id after which the next page begins. */
  readonly next?: string;
};

export type HistoryEntry = {
  readonly sequence: number;
  readonly epoch: number;
  /** In hexadecimal. */
  readonly hash: string;
  readonly kind: "rows" | "migrate";
  readonly author: string;
  readonly comment: string;
  /** The card that planned it, and its wall clock in milliseconds since 1970. */
  readonly card: CardId;
  readonly time: number;
  readonly bytes: number;
  /** What it did to rows. */
  readonly rows?: readonly RowStep[];
};

export type HistoryPage = {
  readonly head: Head;
  /** Newest first. */
  readonly changes: readonly HistoryEntry[];
  /** The sequence before which the next page begins. */
  readonly next?: number;
};

/** Something wrong with a document: a JSON pointer to the place, what is there, and what would be right. */
export type Finding = {
  readonly path: string;
  readonly message: string;
  /** Where that is in the text, from 1. */
  readonly place?: { readonly line: number; readonly column: number };
};

/** What would make the tables what a document, a backup or a branch says. */
export type Plan = { readonly head: Head; readonly operations: readonly Operation[]; readonly steps: readonly RowStep[] };

export type Planned = Plan | { readonly findings: readonly Finding[] } | Unread;

/** A row in which a branch and the chain that went on differ since they parted. */
export type BranchRow = {
  readonly table: TableName;
  readonly id: string;
  /** Changed by the branch alone, by the chain alone, or by both. */
  readonly changed: "branch" | "chain" | "both";
  readonly common?: Row;
  readonly branch?: Row;
  readonly chain?: Row;
  /** The last change of the branch to that row. */
  readonly author?: string;
  readonly time?: number;
};

export type BranchPage = { readonly head: Head; readonly rows: readonly BranchRow[]; readonly next?: string };

/** What is wrong, or may be, with the failover sets as a whole. What an `error` is about nobody can serve; what a `warning` is about not everybody, or not for long. */
export type SetFinding = {
  readonly code: SetFindingCode;
  readonly severity: "error" | "warning";
  readonly table: "failoverSets" | "setMembers" | "services";
  readonly id: string;
  readonly message: string;
};

export type SetFindingCode =
  | "cycle"
  | "two-parents"
  | "no-member"
  | "no-card"
  | "one-card"
  | "sets-in-n-way"
  | "only-spares"
  | "no-room"
  | "no-access"
  | "not-preferred"
  | "apart-together"
  | "too-many-apart";

export type SetsChecked = { readonly head: Head; readonly findings: readonly SetFinding[] };
