/**
 * The database's file: opened and proven, committed to, its log copied into it (checkpoint) with the pages' checksums kept, replaced
 * by another one in a step that a power cut cannot halve.
 *
 * Beside `configuration.db` stand the log (`-wal`, `-shm`: SQLite's), the checksums (`.sums`), and for the moment of a
 * replacement the successor (`.next`). The successor's name is the decision: once it is durable, the old file goes, now or at the next start.
 *
 * Whoever in this process closes a handle of the file drops all of SQLite's locks on it (POSIX has it so), and another program, say
 * a shell that dumps the tables, would take the log for abandoned. So there is one handle for all that is read beside SQLite, and it
 * is closed after SQLite's.
 */
import { closeSync, existsSync, mkdirSync, openSync, renameSync, rmSync } from "node:fs";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { syncDirectory } from "../durable-file.ts";
import { StoreError } from "./fault.ts";
import { PageSums, wrongPageError } from "./page-sums.ts";
import { lengthenLog, type LogFrames, noFrames, readLog } from "./write-ahead-log.ts";

/** "Card": the file is a configuration of ours, whatever its name. */
export const applicationId = 0x43617264;
export const pageBytes = 4096;
/** Pages that each connection keeps in memory. */
const cacheKib = 256;
/** How long a commit waits for another process that reads at a wrong moment. */
const busyMs = 2_000;

/** Pages in the log, and how many of them are in the file; -1 when there is no log. */
type LogState = { readonly log: number; readonly checkpointed: number };

export class DatabaseFile {
  readonly path: string;
  #writer: DatabaseSync | undefined;
  #reader: DatabaseSync | undefined;
  /** Statements that are used for each commit: a new one each time would be memory that only the collector gives back. */
  #logState: StatementSync | undefined;
  #copyLog: StatementSync | undefined;
  #sums: PageSums | undefined;
  #handle: number | undefined;
  /** While it is above zero the file must stay as it is. */
  #holds = 0;

  constructor(path: string) {
    this.path = path;
  }

  get isOpen(): boolean {
    return this.#writer !== undefined;
  }

  /** The connection that changes the database. */
  get writer(): DatabaseSync {
    if (this.#writer === undefined) throw new StoreError("io", "it is not open");
    return this.#writer;
  }

  /** A connection that only reads; it stays when the writer failed. */
  get reader(): DatabaseSync {
    if (this.#reader === undefined) throw new StoreError("io", "it is not open");
    return this.#reader;
  }

  get readerIfOpen(): DatabaseSync | undefined {
    return this.#reader;
  }

  /** The file, to be read; the caller leaves it open. */
  get handle(): number {
    return this.#handle ??= openSync(this.path, "r");
  }

  get pageCount(): number {
    return this.#sums?.pageCount ?? 0;
  }

  /** Opens the file, making it where there is none. `sequenceOf` gives the newest change's, for the checksums. */
  open(sequenceOf: (database: DatabaseSync) => number): void {
    this.close();
    this.#finishReplacement();
    if (!existsSync(this.path)) rmSync(`${this.path}-wal`, { force: true });
    this.#proveLog();
    const writer = new DatabaseSync(this.path, { timeout: busyMs });
    this.#writer = writer;
    // The bookkeeping of the log is ours, so SQLite is to leave it alone (wal_autocheckpoint); all else is said in ./CONFIGURATION.md.
    writer.exec(`PRAGMA page_size = ${pageBytes}; PRAGMA cache_size = -${cacheKib}; PRAGMA temp_store = MEMORY; PRAGMA foreign_keys = ON`);
    const { application_id: mark } = writer.prepare("PRAGMA application_id").get() as { application_id: number };
    const isNew = mark === 0 && (writer.prepare("SELECT count(*) AS n FROM sqlite_schema").get() as { n: number }).n === 0;
    if (isNew) writer.exec(`PRAGMA application_id = ${applicationId}`);
    else if (mark !== applicationId) throw new StoreError("corrupt", `it is a database of something else (application_id ${mark})`);
    writer.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0");
    if (pageBytes !== (writer.prepare("PRAGMA page_size").get() as { page_size: number }).page_size) {
      throw new StoreError("corrupt", `its pages are not of ${pageBytes} bytes`);
    }
    this.#reader = new DatabaseSync(this.path, { readOnly: true, timeout: busyMs });
    this.#reader.exec(`PRAGMA cache_size = -${cacheKib}`);
    this.#openSums(sequenceOf(writer));
    this.checkpoint(sequenceOf(writer));
  }

  /** Closes in good order: the log is empty afterwards, unless somebody else reads or the disk fails. */
  shut(sequence: number): void {
    if (this.#writer !== undefined && this.#holds === 0) {
      this.checkpoint(sequence);
      if (this.#logged() === 0 || this.isCopied) this.#writer.prepare("PRAGMA wal_checkpoint(TRUNCATE)").all();
    }
    this.close();
  }

  /**
   * Closes without a checkpoint: SQLite would make one of its own, without our checksums, when the last connection that
   * can write is closed last; the reader cannot, so it goes last.
   */
  close(): void {
    this.closeWriter();
    this.#reader?.close();
    this.#reader = undefined;
    if (this.#handle !== undefined) closeSync(this.#handle);
    this.#handle = undefined;
  }

  closeWriter(): void {
    this.#logState = undefined;
    this.#copyLog = undefined;
    this.#writer?.close();
    this.#writer = undefined;
    this.#sums = undefined;
  }

  /** Runs `body` in a transaction that `end` brings to its end; what throws is rolled back. */
  transaction<Result>(end: "COMMIT" | "ROLLBACK", body: () => Result): Result {
    const { writer } = this;
    writer.exec("BEGIN IMMEDIATE");
    try {
      const result = body();
      writer.exec(end);
      return result;
    } finally {
      if (writer.isTransaction) writer.exec("ROLLBACK");
    }
  }

  /** Pages in the log. */
  get loggedPages(): number {
    return this.#logged();
  }

  /** Copies the log into the file. Nothing happens while the file is held. */
  checkpoint(sequence: number): void {
    const count = this.#logged();
    if (count === 0 || this.#holds > 0 || this.#sums === undefined) return;
    const frames = this.#provenFrames(count);
    this.#sums.proveReplaced(frames);
    this.#copyLog ??= this.writer.prepare("PRAGMA wal_checkpoint(PASSIVE)");
    const [result] = this.#copyLog.all() as LogState[];
    // Somebody reads an older state: the log stays, and the rest is copied another time.
    if (result === undefined || result.log !== result.checkpointed) return;
    this.#sums.noteReplaced(frames, sequence);
  }

  /** Gives the log the room of so many pages beforehand. */
  lengthenLog(pages: number): void {
    lengthenLog(`${this.path}-wal`, pageBytes, pages);
  }

  /** Keeps the file from being changed by checkpoints, for who reads it in pieces. */
  hold(): void {
    this.#holds++;
  }

  release(): void {
    this.#holds--;
  }

  /** Proves up to `countMax` pages of the file from the one at index `from`; false when that was the last. Throws `StoreError`. */
  provePages(from: number, countMax: number): boolean {
    const sums = this.#sums;
    if (sums === undefined) throw new StoreError("io", "it is not open");
    const page = sums.wrongPage(() => this.#provenFrames(this.#logged()), from, countMax);
    if (page !== undefined) throw wrongPageError(page);
    return from + countMax < sums.pageCount;
  }

  /** Proves the log as far as it is committed. Throws `StoreError`. */
  proveLog(): void {
    this.#provenFrames(this.#logged());
  }

  /** Puts the file at `successor`, which is whole and durable, into the database's place; the database is closed by it. */
  replaceBy(successor: string): void {
    this.close();
    renameSync(successor, `${this.path}.next`);
    syncDirectory(directoryOf(this.path));
    this.#finishReplacement();
  }

  /** Removes the database, which is kept elsewhere. */
  remove(): void {
    this.close();
    for (const end of ["", "-wal", "-shm", ".sums"]) rmSync(`${this.path}${end}`, { force: true });
    syncDirectory(directoryOf(this.path));
  }

  /** Moves the database to `path`, with its log. */
  moveTo(path: string): void {
    this.close();
    rmSync(`${this.path}.next`, { force: true });
    // Its log follows it: one without its database is thrown away.
    if (existsSync(this.path)) renameSync(this.path, path);
    if (existsSync(`${this.path}-wal`)) renameSync(`${this.path}-wal`, `${path}-wal`);
    for (const end of ["-shm", ".sums"]) rmSync(`${this.path}${end}`, { force: true });
    syncDirectory(directoryOf(this.path));
  }

  #finishReplacement(): void {
    const next = `${this.path}.next`;
    if (!existsSync(next)) return;
    for (const end of ["-wal", "-shm", ".sums"]) rmSync(`${this.path}${end}`, { force: true });
    // The old log must be gone for good before the new file stands where it would be taken for its log.
    syncDirectory(directoryOf(this.path));
    renameSync(next, this.path);
    syncDirectory(directoryOf(this.path));
  }

  /** What SQLite is about to recover. A transaction that a power cut tore is the last one; one that others follow was durable, and is damaged. */
  #proveLog(): void {
    const { lost } = readLog(`${this.path}-wal`, pageBytes);
    if (lost > 1) throw new StoreError("corrupt", `its log is damaged before the last ${lost} of its transactions`);
  }

  #openSums(sequence: number): void {
    const path = `${this.path}.sums`;
    const noted = PageSums.read(path, this.handle, pageBytes);
    // A log that is empty although the chain has gone on was copied by a program that knows nothing of the checksums.
    if (noted !== undefined && (this.#logged() > 0 || noted.sequence === sequence)) {
      this.#sums = noted;
      const page = noted.wrongPage(() => this.#provenFrames(this.#logged()));
      if (page !== undefined) throw wrongPageError(page);
      return;
    }
    proveIntegrity(this.writer);
    this.writer.prepare("PRAGMA wal_checkpoint(PASSIVE)").all();
    if (!this.isCopied) throw new StoreError("io", "another program reads it while it is opened");
    this.#sums = PageSums.rebuild(path, this.handle, pageBytes, sequence);
  }

  #provenFrames(count: number): LogFrames {
    if (count === 0) return noFrames;
    const frames = readLog(`${this.path}-wal`, pageBytes, count);
    if (frames.count < count) throw new StoreError("corrupt", `its log is damaged behind page ${frames.count} of ${count}`);
    return frames;
  }

  #logged(): number {
    return Math.max(this.#stateOfLog().log, 0);
  }

  /** Whether all of the log is in the file. */
  get isCopied(): boolean {
    const { log, checkpointed } = this.#stateOfLog();
    return log === checkpointed;
  }

  #stateOfLog(): LogState {
    this.#logState ??= this.writer.prepare("PRAGMA wal_checkpoint(NOOP)");
    return this.#logState.all()[0] as LogState;
  }
}

/** Throws a `StoreError` unless SQLite finds the structure of the whole file right. */
export function proveIntegrity(database: DatabaseSync): void {
  const [finding] = database.prepare("PRAGMA integrity_check(1)").all() as { integrity_check: string }[];
  if (finding?.integrity_check !== "ok") throw new StoreError("corrupt", `integrity check: ${finding?.integrity_check}`);
}

export function makeDirectory(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 });
}

function directoryOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/")) || ".";
}
