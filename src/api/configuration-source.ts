/**
 * What the HTTP interface asks of a card's configuration. `firmware/run.ts` makes one of the card's store, for what is read, and its
 * node, for what is changed. Whatever is large comes in pages or pieces, and is read and compared outside of the card's loop.
 */
import type { CardId } from "../base/ids.ts";
import type { ConfigRefusal, Head, Operation, Row } from "../config/change.ts";
import type { ConfigAnswer, ConfigRequest, ConfigurationStatus } from "../config/request.ts";

/** The store cannot be read: it is opening, or in hold. */
export type Unread = { readonly unread: ConfigRefusal };

export type RowPage = {
  readonly head: Head;
  readonly rows: readonly Row[]; /** The id after which the next page begins. */
  readonly next?: string;
};

/** What a change did to a row; with only the columns that differ, but for the id, when it is an update. */
export type RowChange = {
  readonly kind: "insert" | "update" | "remove";
  readonly table: string;
  readonly id: string;
  readonly before?: Readonly<Record<string, unknown>>;
  readonly after?: Readonly<Record<string, unknown>>;
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
  readonly rows?: readonly RowChange[];
};

export type HistoryPage = {
  readonly head: Head;
  /** Newest first. */
  readonly changes: readonly HistoryEntry[];
  /** The sequence before which the next page begins. */
  readonly next?: number;
};

/** Something wrong with a document: a JSON pointer to the place, what is there, and what would be right. */
export type Finding = { readonly path: string; readonly message: string };

/** What would make the tables what a document, a backup or a branch says. */
export type Plan = { readonly head: Head; readonly operations: readonly Operation[]; readonly steps: readonly RowChange[] };

export type Planned = Plan | { readonly findings: readonly Finding[] } | Unread;

/** A row in which a branch and the chain that went on differ since they parted. */
export type BranchRow = {
  readonly table: string;
  readonly id: string;
  /** Changed by the branch alone, by the chain alone, or by both. */
  readonly changed: "branch" | "chain" | "both";
  readonly common?: Readonly<Record<string, unknown>>;
  readonly branch?: Readonly<Record<string, unknown>>;
  readonly chain?: Readonly<Record<string, unknown>>;
  /** The last change of the branch to that row. */
  readonly author?: string;
  readonly time?: number;
};

export type BranchPage = { readonly head: Head; readonly rows: readonly BranchRow[]; readonly next?: string };

export type ConfigurationSource = {
  readonly card: CardId;
  status(): ConfigurationStatus;
  ask(request: ConfigRequest): Promise<ConfigAnswer>;
  /** A request was served by this card at its edge, without its node. */
  countServed(): void;
  rows(table: string, page: { readonly after?: string; readonly limit: number }): Promise<RowPage | Unread>;
  row(table: string, id: string): Promise<{ readonly head: Head; readonly row?: Row } | Unread>;
  history(
    page: { readonly before?: number; readonly since?: number; readonly limit: number; readonly rows: boolean },
  ): Promise<HistoryPage | Unread>;
  /** The JSON schema of the declarative document. */
  schema(): Promise<unknown>;
  /** The declarative document, as JSON text. */
  document(): Promise<{ readonly head: Head; readonly text: string } | Unread>;
  plan(document: Uint8Array): Promise<Planned>;
  /** What a branch has that the chain has not; with `prefer` rows that both changed are as that side has them, without it they are findings. */
  planMerge(branch: string, prefer: "branch" | "chain" | undefined): Promise<Planned>;
  branchRows(branch: string, page: { readonly after?: string; readonly limit: number }): Promise<BranchPage | Unread | undefined>;
  /** Every row as lines of JSON, secrets included, of one moment. */
  backup(): Promise<{ readonly head: Head; readonly pieces: AsyncIterable<Uint8Array> } | Unread>;
  planBackup(pieces: AsyncIterable<Uint8Array>): Promise<Planned>;
};
