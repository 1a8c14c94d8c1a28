/** What is read of a store at the card's edge, beside its orders; most answers are in `src/config/read-answer.ts`. Types only. */
import type { Head } from "../../config/change.ts";
import type { TableName } from "../../config/rules.ts";

/** `view` names a moment of the database that is kept for a while. */
export type BackupOpened = { readonly head: Head; readonly view: number };

export type StoreRead =
  | { readonly kind: "rows"; readonly table: string; readonly after?: string; readonly limit: number }
  | { readonly kind: "row"; readonly table: string; readonly id: string }
  /** All rows of these, as they are at one moment. */
  | { readonly kind: "tables"; readonly tables: readonly TableName[] }
  | { readonly kind: "history"; readonly before?: number; readonly since?: number; readonly limit: number; readonly rows: boolean }
  | { readonly kind: "document"; readonly secrets: boolean }
  | { readonly kind: "valueAt"; readonly path: string; readonly secrets: boolean }
  | { readonly kind: "paths"; readonly begun: string }
  | { readonly kind: "checkSets" }
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
