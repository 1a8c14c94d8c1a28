/** What is read of a store at the card's edge, beside its orders, and the answers. Types only. */
import type { CardId } from "../../base/ids.ts";
import type { ConfigRefusal, Head, Operation, Row } from "../../config/change.ts";
import type { RowStep } from "../../config/row-difference.ts";
import type { TableName } from "../../config/rules.ts";

/** The store cannot be read: it is opening, or in hold. */
export type Unread = { readonly unread: ConfigRefusal };

/** `next` is the id after which the next page begins. */
export type RowPage = { readonly head: Head; readonly rows: readonly Row[]; readonly next?: string };

export type HistoryEntry = {
  readonly sequence: number;
  readonly epoch: number;
  /** In hexadecimal. */
  readonly hash: string;
  readonly kind: "rows" | "migrate";
  readonly author: string;
  readonly comment: string;
  readonly card: CardId;
  readonly time: number;
  readonly bytes: number;
  readonly rows?: readonly RowStep[];
};

/** Newest first; `next` is the sequence before which the next page begins. */
export type HistoryPage = { readonly head: Head; readonly changes: readonly HistoryEntry[]; readonly next?: number };

/** A JSON pointer, what is wrong there, and where it is in the text. */
export type Finding = {
  readonly path: string;
  readonly message: string;
  readonly place?: { readonly line: number; readonly column: number };
};

export type Plan = { readonly head: Head; readonly operations: readonly Operation[]; readonly steps: readonly RowStep[] };
export type PlanAnswer = Plan | { readonly findings: readonly Finding[] } | Unread;

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

/** `view` names a moment of the database that is kept for a while. */
export type BackupOpened = { readonly head: Head; readonly view: number };

export type StoreRead =
  | { readonly kind: "rows"; readonly table: string; readonly after?: string; readonly limit: number }
  | { readonly kind: "row"; readonly table: string; readonly id: string }
  | { readonly kind: "history"; readonly before?: number; readonly since?: number; readonly limit: number; readonly rows: boolean }
  | { readonly kind: "document"; readonly secrets: boolean }
  | { readonly kind: "valueAt"; readonly path: string; readonly secrets: boolean }
  | { readonly kind: "planDocument"; readonly document: Uint8Array }
  | { readonly kind: "planSetting"; readonly path: string; readonly text: string }
  | { readonly kind: "planUnsetting"; readonly path: string }
  | { readonly kind: "branchRows"; readonly branch: string; readonly after?: string; readonly limit: number }
  | { readonly kind: "planMerge"; readonly branch: string; readonly prefer?: "branch" | "chain" }
  /** A view of the whole, read in pieces; given up when no piece is asked for in time. An empty piece is the end. */
  | { readonly kind: "openBackup" }
  | { readonly kind: "backupPiece"; readonly view: number }
  | { readonly kind: "closeBackup"; readonly view: number }
  /** A backup that comes in pieces; given up when none comes in time. */
  | { readonly kind: "openRestore" }
  | { readonly kind: "restorePiece"; readonly view: number; readonly piece: Uint8Array }
  | { readonly kind: "planRestore"; readonly view: number };
