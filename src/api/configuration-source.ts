/**
 * What the HTTP interface asks of a card's configuration. `firmware/run.ts` makes one of the card's store, for what is read, and its
 * node, for what is changed. Whatever is large comes in pages or pieces, and is read and compared outside of the card's loop.
 */
import type { CardId } from "../base/ids.ts";
import type { Head, Row } from "../config/change.ts";
import type { BranchPage, HistoryPage, Planned, RowPage, SetsChecked, Unread } from "../config/read-answer.ts";
import type { ConfigAnswer, ConfigRequest, ConfigurationStatus } from "../config/request.ts";

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
  /** What a path that was begun may go on as, its last part completed. */
  paths(begun: string): Promise<{ readonly head: Head; readonly paths: readonly string[] } | Unread>;
  /** What is wrong with the failover sets as a whole, or may be. */
  checkSets(): Promise<SetsChecked | Unread>;
  planSetting(path: string, text: string): Promise<Planned>;
  planUnsetting(path: string): Promise<Planned>;
  /** What a branch has that the chain has not; with `prefer` rows that both changed are as that side has them, without it they are findings. */
  planMerge(branch: string, prefer: "branch" | "chain" | undefined): Promise<Planned>;
  branchRows(branch: string, page: { readonly after?: string; readonly limit: number }): Promise<BranchPage | Unread | undefined>;
  /** Every row as lines of JSON, secrets included, of one moment. */
  backup(): Promise<{ readonly head: Head; readonly pieces: AsyncIterable<Uint8Array> } | Unread>;
  planBackup(pieces: AsyncIterable<Uint8Array>): Promise<Planned>;
};
