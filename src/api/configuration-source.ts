/**
 * What the HTTP interface asks of a card's configuration. `firmware/run.ts` makes one of the card's store, for what is read, and its
 * node, for what is changed. Whatever is large comes in pages or pieces, and is read and compared outside of the card's loop.
 */
import type { CardId } from "../base/ids.ts";
import type { ConfigRefusal, Head, Operation, Row } from "../config/change.ts";
import type { RowStep } from "../config/row-difference.ts";
import type { TableName } from "../config/rules.ts";
import type { ConfigAnswer, ConfigRequest, ConfigurationStatus } from "../config/request.ts";

/** The store cannot be read: it is opening, or in hold. */
export type Unread = { readonly unread: ConfigRefusal };

export type RowPage = {
  readonly head: Head;
  readonly rows: readonly Row[]; /** The id after which the next page begins. */
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

export type ConfigurationSource = {
  readonly card: CardId;
  /** The file on the card that has the token of its root. */
  readonly tokenFile: string;
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
  /** What stands at a path of the document, such as `cards.1/2.name`; secrets are not shown. */
  valueAt(path: string): Promise<{ readonly head: Head; readonly value: unknown } | { readonly mistake: string } | Unread>;
  planSetting(path: string, text: string): Promise<Planned>;
  planUnsetting(path: string): Promise<Planned>;
  /** What a branch has that the chain has not; with `prefer` rows that both changed are as that side has them, without it they are findings. */
  planMerge(branch: string, prefer: "branch" | "chain" | undefined): Promise<Planned>;
  branchRows(branch: string, page: { readonly after?: string; readonly limit: number }): Promise<BranchPage | Unread | undefined>;
  /** Every row as lines of JSON, secrets included, of one moment. */
  backup(): Promise<{ readonly head: Head; readonly pieces: AsyncIterable<Uint8Array> } | Unread>;
  planBackup(pieces: AsyncIterable<Uint8Array>): Promise<Planned>;
};
