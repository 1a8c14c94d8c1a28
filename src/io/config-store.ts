/**
 * The store of a card's configuration as the card's main thread sees it: orders go to a thread of their own, which has SQLite and the disk, and results
 * come back in time. Nothing here waits.
 */
import type { Worker } from "node:worker_threads";
import { unreachable } from "../base/assert.ts";
import type { Head, Row } from "../config/change.ts";
import type { BranchPage, HistoryPage, Planned, RowPage, SetsChecked, Unread } from "../config/read-answer.ts";
import type { TableName } from "../config/rules.ts";
import type { StoreOrder, StoreResult } from "../config/store.ts";
import { storeKeptRowsMax } from "../limits.ts";
import type { FromThread, ToThread } from "./config-store/message.ts";
import type { BackupOpened, StoreRead } from "./config-store/read.ts";
import { startThread } from "./config-store/thread.ts";

export type ConfigStoreOptions = {
  /** The card's state directory; its lock is the store's. */
  readonly directory: string;
  onResult(result: StoreResult): void;
  /** Rows of these tables have changed, or may have; of all of them when it does not say which. */
  onChanged?(tables: readonly string[] | undefined): void;
};

export class ConfigStore {
  readonly #worker: Worker;
  readonly #options: ConfigStoreOptions;
  readonly #reads = new Map<number, (answer: unknown) => void>();
  /** By their tables and ids. */
  readonly #keptRows = new Map<string, Map<string, Row>>();
  #readCount = 0;
  #closed: (() => void) | undefined;

  constructor(options: ConfigStoreOptions) {
    this.#options = options;
    this.#worker = startThread({ directory: options.directory });
    this.#worker.on("message", (message: FromThread) => this.#onMessage(message));
    // The thread meets the disk's failures with results. What it throws is a mistake of ours: nobody catches it.
    this.#worker.on("error", (error) => {
      throw error;
    });
  }

  order(order: StoreOrder): void {
    this.#say({ kind: "order", order });
  }

  rows(table: string, page: { readonly after?: string; readonly limit: number }): Promise<RowPage | Unread> {
    return this.#read({ kind: "rows", table, ...page });
  }

  row(table: string, id: string): Promise<{ readonly head: Head; readonly row?: Row } | Unread> {
    return this.#read({ kind: "row", table, id });
  }

  /** All rows of some tables, as they are at one moment. */
  tables<Name extends TableName>(
    tables: readonly Name[],
  ): Promise<{ readonly head: Head; readonly rows: Readonly<Record<Name, readonly Row[]>> } | Unread> {
    return this.#read({ kind: "tables", tables });
  }

  /** As `row`, from memory for as long as nothing of its table changes: for rows that are looked up with each request. */
  async keptRow(table: string, id: string): Promise<{ readonly row?: Row } | Unread> {
    const kept = this.#keptRows.get(table)?.get(id);
    if (kept !== undefined) return { row: kept };
    // It is kept when the answer comes, and not a moment later: of the commits that the thread tells of after it, one may change the row.
    return await this.#read<{ readonly row?: Row } | Unread>({ kind: "row", table, id }, (found) => {
      if ("row" in found && found.row !== undefined) this.#keep(table, id, found.row);
    });
  }

  #keep(table: string, id: string, row: Row): void {
    const rows = this.#keptRows.get(table) ?? new Map<string, Row>();
    const [oldest] = rows.keys();
    if (rows.size >= storeKeptRowsMax && oldest !== undefined) rows.delete(oldest);
    this.#keptRows.set(table, rows.set(id, row));
  }

  /** What is kept may not be so any more: `tables` have changed, or the database may be another one. */
  #forgetRows(result: StoreResult, tables: readonly string[]): void {
    if (result.kind === "opened" || result.kind === "failed") this.#keptRows.clear();
    for (const table of tables) this.#keptRows.delete(table);
  }

  history(
    page: { readonly before?: number; readonly since?: number; readonly limit: number; readonly rows: boolean },
  ): Promise<HistoryPage | Unread> {
    return this.#read({ kind: "history", ...page });
  }

  /** The declarative document, as text. */
  document(options: { readonly secrets: boolean }): Promise<{ readonly head: Head; readonly text: string } | Unread> {
    return this.#read({ kind: "document", ...options });
  }

  /** What stands at a path of the document. */
  valueAt(
    path: string,
    options: { readonly secrets: boolean },
  ): Promise<{ readonly head: Head; readonly value: unknown } | { readonly mistake: string } | Unread> {
    return this.#read({ kind: "valueAt", path, ...options });
  }

  /** What a path that was begun may go on as. */
  paths(begun: string): Promise<{ readonly head: Head; readonly paths: readonly string[] } | Unread> {
    return this.#read({ kind: "paths", begun });
  }

  /** What is wrong with the failover sets as a whole, or may be. */
  checkSets(): Promise<SetsChecked | Unread> {
    return this.#read({ kind: "checkSets" });
  }

  planDocument(document: Uint8Array): Promise<Planned> {
    return this.#read({ kind: "planDocument", document });
  }

  planSetting(path: string, text: string): Promise<Planned> {
    return this.#read({ kind: "planSetting", path, text });
  }

  planUnsetting(path: string): Promise<Planned> {
    return this.#read({ kind: "planUnsetting", path });
  }

  /** The rows in which a branch differs; undefined when there is no such branch. */
  branchRows(branch: string, page: { readonly after?: string; readonly limit: number }): Promise<BranchPage | Unread | undefined> {
    return this.#read({ kind: "branchRows", branch, ...page });
  }

  /** What a branch has that the chain has not; rows that both have changed are findings unless one side is preferred. */
  planMerge(branch: string, prefer: "branch" | "chain" | undefined): Promise<Planned> {
    return this.#read({ kind: "planMerge", branch, ...prefer && { prefer } });
  }

  /** Every row as lines of JSON, secrets included, of one moment. The pieces throw when they are not read on in time. */
  async backup(): Promise<{ readonly head: Head; readonly pieces: AsyncIterable<Uint8Array> } | Unread> {
    const opened = await this.#read<BackupOpened | Unread>({ kind: "openBackup" });
    return "unread" in opened ? opened : { head: opened.head, pieces: this.#backupPieces(opened.view) };
  }

  /** What would make the tables those of a backup. */
  async planBackup(pieces: AsyncIterable<Uint8Array>): Promise<Planned> {
    const { view } = await this.#read<{ view: number }>({ kind: "openRestore" });
    for await (const piece of pieces) {
      const { isWanted } = await this.#read<{ isWanted: boolean }>({ kind: "restorePiece", view, piece });
      if (!isWanted) break;
    }
    return this.#read({ kind: "planRestore", view });
  }

  async *#backupPieces(view: number): AsyncGenerator<Uint8Array> {
    try {
      while (true) {
        const piece = await this.#read<Uint8Array | Unread>({ kind: "backupPiece", view });
        if (!(piece instanceof Uint8Array)) throw new Error(piece.unread.message);
        if (piece.length === 0) return;
        yield piece;
      }
    } finally {
      await this.#read({ kind: "closeBackup", view });
    }
  }

  /** Carries out what was ordered before, closes the database in good order and ends the thread. */
  async close(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#closed = resolve;
      this.#say({ kind: "close" });
    });
    await this.#worker.terminate();
  }

  /** Ends the thread where it is, as a power cut would. */
  async terminate(): Promise<void> {
    await this.#worker.terminate();
  }

  #read<Answer>(read: StoreRead, onAnswer?: (answer: Answer) => void): Promise<Answer> {
    const number = ++this.#readCount;
    return new Promise((resolve) => {
      this.#reads.set(number, (answer) => {
        onAnswer?.(answer as Answer);
        resolve(answer as Answer);
      });
      this.#say({ kind: "read", number, read });
    });
  }

  #say(message: ToThread): void {
    this.#worker.postMessage(message);
  }

  #onMessage(message: FromThread): void {
    switch (message.kind) {
      case "result":
        this.#forgetRows(message.result, message.tables ?? []);
        this.#options.onResult(message.result);
        if (message.result.kind === "opened") this.#options.onChanged?.(undefined);
        else if (message.tables !== undefined && message.tables.length > 0) this.#options.onChanged?.(message.tables);
        return;
      case "answer":
        this.#reads.get(message.number)?.(message.answer);
        this.#reads.delete(message.number);
        return;
      case "closed":
        return this.#closed?.();
      default:
        unreachable(message);
    }
  }
}
