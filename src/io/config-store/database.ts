/**
 * The configuration's database: what a card's store does for its replica, one order at a time, synchronously; it runs in a thread of its
 * own (`worker.ts`). `src/config/CONFIGURATION.md` tells the whole.
 *
 * ```
 * closed ──open──► open ──order fails──► faulty ──open, reset──► open
 * ```
 *
 * Invariants: a change is in the tables with its place in the chain, or not at all; equal heads mean equal rows in
 * every table, so nothing of this card alone is in the file; what was answered with `committed` survives a power cut.
 * Its surprising idea: a plan is carried out for real, in a transaction that is rolled back; SQLite tells what it did.
 */
import { readdirSync, rmSync } from "node:fs";
import { constants, DatabaseSync, type StatementSync } from "node:sqlite";
import { unreachable } from "../../base/assert.ts";
import type { CardId } from "../../base/ids.ts";
import { brokenLink, countedBytes, emptyHead, headOf, isSameHead, levelOf } from "../../config/chain.ts";
import type { Change, ConfigRefusal, Head, Operation, Proposal, Wish } from "../../config/change.ts";
import type { Branch, Planned, StoreFault, StoreOrder, StoreResult } from "../../config/store.ts";
import { branchesMax, configFindingsMax, damagedMax } from "../../limits.ts";
import { BranchFiles, branchId } from "./branches.ts";
import { type ChainBounds, ChainTable } from "./chain-table.ts";
import { invertedChangeset, MalformedChangeset, tablesOf } from "./changeset.ts";
import { DatabaseFile, makeDirectory } from "./database-file.ts";
import type { DatabaseRules } from "./database-rules.ts";
import { fastDigest } from "./digest.ts";
import { faultOf, isConstraint, isUnreadable, StoreError } from "./fault.ts";
import { SnapshotFiles } from "./snapshots.ts";
import { chainTable, DatabaseTables, quoted } from "./tables.ts";

/** SQLITE_CHANGESET_CONSTRAINT, which the runtimes have and their types lack. */
const changesetConstraint = 4;

export type DatabaseOptions = {
  readonly directory: string;
  readonly rules: DatabaseRules;
  readonly bounds: ChainBounds & {
    /** Pages of the log above which it is copied into the file before the next commit. */
    readonly logPagesMax: number;
  };
  readonly wallClock: () => number;
  /** Another database is about to take the place of this one: nobody is to read it any more. */
  readonly onReplace: () => void;
};

type Order<Kind extends StoreOrder["kind"]> = Extract<StoreOrder, { readonly kind: Kind }>;
/** A result without its number, which the caller puts on. */
type Bare<Result> = Result extends StoreResult ? Omit<Result, "order"> : never;
export type BareResult = Bare<StoreResult>;

/** Changes whose hashes are proven in one slice of a check. */
const checkedChanges = 64;
/** Pages that are proven in one slice of a check. */
const checkedPages = 64;

/** What an order that takes long does in slices, with its result at the end. */
export type LongOrder = Generator<void, BareResult>;

export class ConfigDatabase {
  readonly #options: DatabaseOptions;
  readonly #file: DatabaseFile;
  readonly #snapshots: SnapshotFiles;
  readonly #branches: BranchFiles;
  #tables: DatabaseTables | undefined;
  #chain: ChainTable | undefined;
  #level = 0;
  readonly #tablesChanged = new Set<string>();
  #readTables: DatabaseTables | undefined;
  #readChain: ChainTable | undefined;
  #readState: HeadReader | undefined;
  #readLevel = 0;
  #fault: StoreFault | undefined;
  #isLogLengthened = false;

  constructor(options: DatabaseOptions) {
    this.#options = options;
    this.#file = new DatabaseFile(`${options.directory}/configuration.db`);
    this.#snapshots = new SnapshotFiles(`${options.directory}/snapshots`);
    this.#branches = new BranchFiles(`${options.directory}/branches`);
  }

  get head(): Head {
    return this.#chain?.head ?? emptyHead;
  }

  get level(): number {
    return this.#level;
  }

  get path(): string {
    return this.#file.path;
  }

  /** The tables whose rows the newest commit changed. */
  get tablesChanged(): string[] {
    return [...this.#tablesChanged];
  }

  get fault(): StoreFault | undefined {
    return this.#fault;
  }

  /** The connection for reads; undefined while there is nothing to be read. It outlives the writer's faults, unless what it would read is wrong. */
  get reader(): DatabaseSync | undefined {
    const isReadable = this.#fault === undefined || this.#fault.code === "disk-full" || this.#fault.code === "io";
    return isReadable ? this.#file.readerIfOpen : undefined;
  }

  /** The tables as the reader sees them. */
  get readTables(): DatabaseTables {
    return this.#readTables ??= new DatabaseTables(this.#file.reader);
  }

  /** What the reader sees at this moment. */
  get readHead(): { readonly head: Head; readonly level: number } {
    const read = this.#readState ??= new HeadReader(this.#file.reader);
    const state = read.state;
    if (state.level !== this.#readLevel) this.#readTables?.forgetSchema();
    this.#readLevel = state.level;
    return state;
  }

  /** Changes before a sequence, the newest first. */
  history(before: number, limit: number): Change[] {
    if (this.#readLevel === 0) return [];
    this.#readChain ??= new ChainTable(this.#file.reader, this.#options.bounds);
    return this.#readChain.page(before, limit);
  }

  /** A branch with its file. */
  branch(id: string): (Branch & { readonly path: string }) | undefined {
    const branch = this.#branches.find(id);
    return branch === undefined ? undefined : { ...branch, path: this.#branches.pathOf(id) };
  }

  get levelMax(): number {
    return this.#options.rules.migrations.length;
  }

  /** Carries out an order, or begins one that takes long. What goes wrong with the file is a result; what throws is our own mistake. */
  carryOut(order: StoreOrder): BareResult | LongOrder {
    if (this.#fault !== undefined && order.kind !== "open" && order.kind !== "reset" && order.kind !== "check") {
      return { kind: "failed", fault: this.#fault };
    }
    try {
      return this.#carryOut(order);
    } catch (error) {
      return this.#fail(error);
    }
  }

  #carryOut(order: StoreOrder): BareResult | LongOrder {
    switch (order.kind) {
      case "open":
        return this.#open();
      case "plan":
        return { kind: "planned", outcomes: this.#plan(order) };
      case "commit":
        return this.#commit(order.changes);
      case "hashes":
        return this.#hashes(order.sequences);
      case "changes":
        return this.#changes(order);
      case "snapshot":
        return this.#makeSnapshot(order.name);
      case "readSnapshot":
        return this.#readSnapshot(order);
      case "dropSnapshot":
        if (SnapshotFiles.isName(order.name)) this.#snapshots.drop(order.name);
        return { kind: "dropped" };
      case "writeSnapshot":
        if (!SnapshotFiles.isName(order.name)) return noSnapshot(order.name);
        return { kind: "written", name: order.name, upTo: this.#snapshots.write(order.name, order.offset, order.data) };
      case "resumeSnapshot":
        return { kind: "written", name: order.name, upTo: SnapshotFiles.isName(order.name) ? this.#snapshots.upTo(order.name) : 0 };
      case "installSnapshot":
        return this.#installSnapshot(order);
      case "setAside":
        return this.#setAside(order.common);
      case "discardBranch":
        if (this.#branches.find(order.id) === undefined) return { kind: "missing", what: `the branch ${order.id}` };
        this.#branches.discard(order.id);
        return { kind: "discarded", branches: this.#branches.list() };
      case "check":
        return this.#check(order.scope);
      case "reset":
        return this.#reset();
      default:
        return unreachable(order);
    }
  }

  /** The log is copied into the file when it has grown, and has room for what is to come; at moments when nobody waits. */
  rest(): void {
    if (this.#fault !== undefined || !this.#file.isOpen) return;
    const { logPagesMax } = this.#options.bounds;
    try {
      if (this.#file.loggedPages > logPagesMax / 4) this.#file.checkpoint(this.head.sequence);
    } catch (error) {
      this.#fail(error);
      return;
    }
    this.#lengthenLog(logPagesMax);
  }

  /** Once for each time that the file is opened: where there is no room for it, commits take what there is. */
  #lengthenLog(pages: number): void {
    if (this.#isLogLengthened) return;
    this.#isLogLengthened = true;
    try {
      this.#file.lengthenLog(pages);
    } catch (error) {
      // Throws what is no fault of the disk.
      faultOf(error, this.#file.path);
    }
  }

  close(): void {
    this.#snapshots.close();
    if (this.#fault !== undefined || !this.#file.isOpen) return this.#file.close();
    try {
      this.#file.shut(this.head.sequence);
    } catch (error) {
      this.#fail(error);
      this.#file.close();
    }
  }

  #fail(error: unknown): Extract<BareResult, { kind: "failed" }> {
    const fault = faultOf(error, this.#file.path);
    this.#fault = fault;
    this.#forget();
    this.#file.closeWriter();
    return { kind: "failed", fault };
  }

  #forget(): void {
    this.#tables = undefined;
    this.#chain = undefined;
    this.#level = 0;
  }

  #open(): BareResult {
    this.#forget();
    this.#readTables = undefined;
    this.#readChain = undefined;
    this.#readState = undefined;
    this.#readLevel = 0;
    this.#isLogLengthened = false;
    const { directory } = this.#options;
    for (const path of [directory, `${directory}/snapshots`, `${directory}/branches`]) makeDirectory(path);
    this.#snapshots.clean();
    try {
      this.#file.open((database) => levelIn(database) === 0 ? 0 : sequenceIn(database));
      this.#load();
    } catch (error) {
      throw isUnreadable(error) ? new StoreError("corrupt", (error as Error).message) : error;
    }
    this.#fault = undefined;
    return this.#opened();
  }

  #opened(): BareResult {
    return {
      kind: "opened",
      head: this.head,
      level: this.#level,
      levelMax: this.levelMax,
      first: this.#first,
      branches: this.#branches.list(),
    };
  }

  get #first(): number {
    return this.#chain?.first ?? this.head.sequence + 1;
  }

  /** Takes over what the open file holds, and proves the chain's end. */
  #load(): void {
    const { writer } = this.#file;
    this.#tables = new DatabaseTables(writer);
    this.#level = levelIn(writer);
    if (this.#level > this.levelMax) {
      throw new StoreError("too-old", `its tables are of level ${this.#level}, and this software stores up to ${this.levelMax}`);
    }
    if (this.#level === 0) return;
    this.#chain = new ChainTable(writer, this.#options.bounds);
    const wrong = this.#chain.reload();
    if (wrong !== undefined) throw new StoreError("corrupt", wrong);
  }

  #plan({ wishes, card, olderCards = [] }: Order<"plan">): Planned[] {
    return this.#file.transaction("ROLLBACK", () => {
      const outcomes: Planned[] = [];
      for (const wish of wishes) outcomes.push(this.#planOne(wish, card as CardId, olderCards, outcomes));
      return outcomes;
    });
  }

  #planOne(wish: Wish, card: CardId, olderCards: readonly CardId[], before: readonly Planned[]): Planned {
    const known = this.#chain?.known(wish.author, wish.key);
    if (known !== undefined) return { kind: "known", head: known };
    const planned = before.flatMap((outcome) => outcome.kind === "planned" ? [outcome.proposal] : []);
    if (wish.key !== "" && planned.some(({ author, key }) => author === wish.author && key === wish.key)) {
      return refused("conflict", `the key ${JSON.stringify(wish.key)} is that of another wish of ${wish.author} that is under way`);
    }
    const effective = planned.filter(({ changeset }) => changeset.length > 0);
    if (wish.expected !== undefined && (effective.length > 0 || !isEqual(wish.expected, this.head.hash))) {
      return refused("conflict", "the configuration has changed since: its head is not the expected one");
    }
    const time = this.#options.wallClock();
    const { author, comment, key } = wish;
    const sequence = this.head.sequence + effective.length + 1;
    const tables = this.#tables as DatabaseTables;
    const judged = this.#options.rules.validate(tables, wish.operations, {
      level: this.#level,
      olderCards,
      sequence,
      author,
      comment,
      card,
      time,
    });
    if (!("kind" in judged)) return { kind: "refused", refusal: judged };
    const changeset = this.#changesetOf(judged.operations);
    if (!(changeset instanceof Uint8Array)) return { kind: "refused", refusal: changeset };
    return { kind: "planned", proposal: { kind: "rows", author, comment, key, card, time, changeset } };
  }

  /**
   * What SQLite says that the operations did. It is then applied anew from the changeset, as every card will: what would not
   * fit there is found here, where it is one wish that is refused and not all cards that hold.
   */
  #changesetOf(operations: readonly Operation[]): Uint8Array | ConfigRefusal {
    if (operations.length === 0) return new Uint8Array();
    const { writer } = this.#file;
    const session = writer.createSession();
    writer.exec("SAVEPOINT wish");
    try {
      for (const operation of operations) this.#tables?.apply(operation);
      const changeset = session.changeset();
      writer.exec("ROLLBACK TO wish");
      if (changeset.length === 0) return changeset;
      const conflict = this.#applied(changeset);
      return conflict === undefined ? changeset : { code: "invalid", message: `it cannot be stored: ${conflict}` };
    } catch (error) {
      if (!isConstraint(error)) throw error;
      writer.exec("ROLLBACK TO wish");
      return { code: "invalid", message: `it cannot be stored: ${(error as Error).message}` };
    } finally {
      session.close();
      if (writer.isTransaction) writer.exec("RELEASE wish");
    }
  }

  #commit(changes: readonly Change[]): BareResult {
    this.#tablesChanged.clear();
    if (this.#file.loggedPages > this.#options.bounds.logPagesMax) this.#file.checkpoint(this.head.sequence);
    this.#file.transaction("COMMIT", () => {
      for (const change of changes) this.#append(change);
    });
    return { kind: "committed", head: this.head, level: this.#level };
  }

  #append(change: Change): void {
    const broken = brokenLink(this.head, change, fastDigest);
    if (broken !== undefined) throw new StoreError("divergent", broken);
    switch (change.kind) {
      case "rows":
        this.#applyRows(change);
        break;
      case "migrate":
        this.#migrate(change);
        break;
      default:
        unreachable(change.kind);
    }
    this.#chain?.append(change);
  }

  #applyRows({ sequence, changeset }: Change): void {
    const tables = this.#tables as DatabaseTables;
    if (this.#level === 0) throw new StoreError("divergent", `change ${sequence} wants tables, and there are none yet`);
    if (changeset.length === 0) return;
    for (const [table, count] of changesetTables(sequence, changeset)) {
      if (tables.columns.get(table)?.length !== count) {
        throw new StoreError("divergent", `change ${sequence} is of a table ${table} with ${count} columns, which is not here`);
      }
      this.#tablesChanged.add(table);
    }
    const conflict = this.#applied(changeset);
    if (conflict !== undefined) throw new StoreError("divergent", `change ${sequence} does not fit the tables: ${conflict}`);
  }

  /** Applies a changeset whole, or not at all: then it says why. */
  #applied(changeset: Uint8Array): string | undefined {
    let conflict = 0;
    const onConflict = (kind: number) => {
      conflict = kind;
      return constants.SQLITE_CHANGESET_ABORT;
    };
    try {
      return this.#file.writer.applyChangeset(changeset, { onConflict }) ? undefined : conflictText(conflict);
    } catch (error) {
      if (!isConstraint(error)) throw error;
      return conflictText(conflict);
    }
  }

  #migrate(change: Proposal & Head): void {
    const level = levelOf(change);
    if (level <= this.#level) {
      throw new StoreError("divergent", `change ${change.sequence} leads to level ${level}, and it is at ${this.#level}`);
    }
    if (level > this.levelMax) {
      throw new StoreError("too-old", `change ${change.sequence} leads to level ${level}, and this software stores up to ${this.levelMax}`);
    }
    const { writer } = this.#file;
    for (const { sql } of this.#options.rules.migrations.slice(this.#level, level)) writer.exec(sql);
    writer.exec(`PRAGMA user_version = ${level}`);
    this.#level = level;
    this.#tables?.forgetSchema();
    for (const table of this.#tables?.columns.keys() ?? []) this.#tablesChanged.add(table);
    this.#chain ??= new ChainTable(writer, this.#options.bounds);
  }

  #hashes(sequences: readonly number[]): BareResult {
    const heads = sequences.flatMap((sequence) => {
      const change = this.#chain?.at(sequence);
      return change === undefined ? [] : [{ sequence, epoch: change.epoch, hash: change.hash }];
    });
    return { kind: "hashes", heads, first: this.#first };
  }

  #changes({ after, bytesMax }: Order<"changes">): BareResult {
    const changes: Change[] = [];
    let bytes = 0;
    for (const change of this.#chain?.after(after) ?? []) {
      bytes += countedBytes(change);
      if (changes.length > 0 && bytes > bytesMax) break;
      changes.push(change);
    }
    const last = changes.at(-1)?.sequence ?? after;
    return { kind: "changes", changes, bytesLeft: this.#chain?.bytesAfter(last) ?? 0 };
  }

  #makeSnapshot(name: string): BareResult | LongOrder {
    if (!SnapshotFiles.isName(name)) return noSnapshot(name);
    this.#file.checkpoint(this.head.sequence);
    if (!this.#file.isCopied) return { kind: "missing", what: `the snapshot ${name}: another program reads the database` };
    // From now on the file stands still, and not from the first slice on, before which others may commit.
    this.#file.hold();
    return this.#copySnapshot(name, this.head, this.#level);
  }

  /** What is committed meanwhile goes into the log. Every page is proven before it is given to another card. */
  *#copySnapshot(name: string, head: Head, level: number): LongOrder {
    try {
      for (let page = 0; this.#file.provePages(page, checkedPages); page += checkedPages) yield;
      const made = yield* this.#snapshots.make(name, this.#file.handle);
      return { kind: "snapshot", name, head, level, ...made };
    } catch (error) {
      const fault = faultOf(error, this.#file.path);
      // That there is no room for a copy is no reason to stop: another card may have some.
      return fault.code === "disk-full" ? { kind: "missing", what: `the snapshot ${name}: ${fault.message}` } : this.#fail(error);
    } finally {
      this.#file.release();
    }
  }

  #readSnapshot({ name, offset, bytesMax }: Order<"readSnapshot">): BareResult {
    const data = SnapshotFiles.isName(name) ? this.#snapshots.read(name, offset, bytesMax) : undefined;
    return data === undefined ? noSnapshot(name) : { kind: "piece", name, offset, data };
  }

  #installSnapshot({ name, sha256 }: Order<"installSnapshot">): BareResult | LongOrder {
    if (!SnapshotFiles.isName(name) || this.#snapshots.upTo(name) === 0) return noSnapshot(name);
    return this.#unpackSnapshot(name, sha256);
  }

  *#unpackSnapshot(name: string, sha256: Uint8Array): LongOrder {
    const path = `${this.#options.directory}/snapshots/unpacked.db`;
    try {
      const wrong = (yield* this.#snapshots.unpack(name, sha256, path)) ?? (yield* this.#wrongIn(path));
      if (wrong !== undefined) {
        for (const end of ["", "-wal", "-shm"]) rmSync(`${path}${end}`, { force: true });
        this.#snapshots.forget(name);
        return { kind: "missing", what: `the snapshot ${name}: ${wrong}` };
      }
      for (const end of ["-wal", "-shm"]) rmSync(`${path}${end}`, { force: true });
      this.#options.onReplace();
      this.#forget();
      this.#file.replaceBy(path);
      this.#snapshots.forget(name);
      return this.#open();
    } catch (error) {
      return this.#fail(error);
    }
  }

  /** What is wrong with the database at `path`, which came from another card. */
  *#wrongIn(path: string): Generator<void, string | undefined> {
    let database: DatabaseSync | undefined;
    try {
      database = new DatabaseSync(path, { readOnly: true });
      const level = levelIn(database);
      if (level === 0) return "it has no tables";
      if (level > this.levelMax) return `its tables are of level ${level}, and this software stores up to ${this.levelMax}`;
      const chain = new ChainTable(database, this.#options.bounds);
      const wrongEnd = chain.reload();
      if (wrongEnd !== undefined) return wrongEnd;
      let before: Change | undefined;
      for (const change of chain.after(0)) {
        const broken = before === undefined ? undefined : brokenLink(before, change, fastDigest);
        if (broken !== undefined) return broken;
        before = change;
        if (change.sequence % checkedChanges === 0) yield;
      }
      return undefined;
    } catch (error) {
      return faultOf(error, path).message;
    } finally {
      database?.close();
    }
  }

  #setAside(common: Head): BareResult {
    const { head } = this;
    if (isSameHead(common, head)) return this.#opened();
    const mark = this.#chain?.at(common.sequence);
    if (common.sequence > 0 && (mark === undefined || !isSameHead(mark, common))) {
      return { kind: "missing", what: `the change ${common.sequence}, as the last one that is shared` };
    }
    const branches = this.#branches.list();
    if (branches.length >= branchesMax && this.#branches.find(branchId(head)) === undefined) {
      throw new StoreError("io", `${branches.length} branches are kept already; merge or discard one: cardinal config branches`);
    }
    this.#file.checkpoint(head.sequence);
    if (!this.#file.isCopied) throw new StoreError("io", "another program reads it while it is to be set aside");
    this.#branches.keep(this.#file.handle, head, common, this.#options.wallClock());
    if (!this.#takeBack(common)) this.#file.remove();
    return this.#open();
  }

  /** Takes back the changes after `common`, the newest first; false, with nothing done, when they are not all kept or cannot be inverted. */
  #takeBack(common: Head): boolean {
    const chain = this.#chain as ChainTable;
    // What pruning took away for the newer changes would be missing.
    if (chain.first > 1 || common.sequence === 0) return false;
    for (const { kind } of chain.after(common.sequence)) if (kind === "migrate") return false;
    try {
      this.#file.transaction("COMMIT", () => {
        while (chain.head.sequence > common.sequence) {
          const { sequence, changeset } = chain.at(chain.head.sequence) as Change;
          const conflict = changeset.length === 0 ? undefined : this.#applied(invertedChangeset(changeset));
          if (conflict !== undefined) throw new StoreError("divergent", `change ${sequence} cannot be taken back: ${conflict}`);
          chain.removeLast();
        }
      });
      return true;
    } catch (error) {
      if (error instanceof StoreError && error.code === "divergent") return false;
      throw error;
    }
  }

  #reset(): BareResult {
    this.#forget();
    const { directory } = this.#options;
    makeDirectory(directory);
    const damaged = readdirSync(directory).filter((file) => /^damaged-\d+\.db$/.test(file)).sort();
    for (const file of damaged.slice(0, Math.max(0, damaged.length + 1 - damagedMax))) {
      for (const end of ["", "-wal"]) rmSync(`${directory}/${file}${end}`, { force: true });
    }
    this.#file.moveTo(`${directory}/damaged-${this.#options.wallClock()}.db`);
    return this.#open();
  }

  *#check(scope: "pages" | undefined): LongOrder {
    if (!this.#file.isOpen) return { kind: "checked", findings: [this.#fault?.message ?? `${this.#file.path} is not open`] };
    const findings: string[] = [];
    const proofs = scope === "pages"
      ? [this.#provePages()]
      : [this.#provePages(), this.#proveStructure(), this.#proveChain(), this.#proveRules()];
    for (const proof of proofs) {
      try {
        for (const finding of proof) {
          if (finding === undefined) yield;
          else if (findings.length < configFindingsMax) findings.push(finding);
        }
      } catch (error) {
        findings.push(faultOf(error, this.#file.path).message);
      }
    }
    return { kind: "checked", findings };
  }

  *#provePages(): Generator<string | undefined> {
    this.#file.proveLog();
    for (let page = 0; this.#file.provePages(page, checkedPages); page += checkedPages) yield;
  }

  *#proveStructure(): Generator<string | undefined> {
    for (const table of [...this.#tables?.columns.keys() ?? [], chainTable]) {
      if (this.#level === 0) return;
      const found = this.#file.writer.prepare(`PRAGMA integrity_check(${quoted(table)})`).all() as { integrity_check: string }[];
      for (const { integrity_check: line } of found) if (line !== "ok") yield `${table}: ${line}`;
      yield;
    }
    const dangling = this.#file.writer.prepare("PRAGMA foreign_key_check").all() as { table: string; parent: string }[];
    for (const { table, parent } of dangling) yield `${table}: a row refers to one of ${parent} that is not there`;
  }

  *#proveChain(): Generator<string | undefined> {
    const end = this.head.sequence;
    let before: Head | undefined;
    for (let sequence = this.#first; sequence <= end; sequence++) {
      const change = this.#chain?.at(sequence);
      // Pruned meanwhile: the chain has gone on.
      if (change === undefined && sequence < this.#first) continue;
      if (change === undefined) return yield `change ${sequence} is missing`;
      const broken = brokenLink(before ?? { sequence: sequence - 1, epoch: 0, hash: change.previous }, change, fastDigest);
      if (broken !== undefined) return yield broken;
      before = headOf(change);
      if (sequence % checkedChanges === 0) yield;
    }
  }

  *#proveRules(): Generator<string | undefined> {
    if (this.#tables !== undefined) yield* this.#options.rules.findings(this.#tables, this.#level);
  }
}

/** Asks a connection for the chain's head as it sees it. */
export class HeadReader {
  readonly #database: DatabaseSync;
  readonly #level: StatementSync;
  #head: StatementSync | undefined;

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#level = database.prepare("PRAGMA user_version");
  }

  get state(): { readonly head: Head; readonly level: number } {
    const level = this.#level.get()?.["user_version"] as number;
    if (level === 0) return { head: emptyHead, level };
    this.#head ??= this.#database.prepare(`SELECT "sequence", "epoch", "hash" FROM "changes" ORDER BY "sequence" DESC LIMIT 1`);
    return { head: { ...(this.#head.get() as Head) }, level };
  }
}

function levelIn(database: DatabaseSync): number {
  return (database.prepare("PRAGMA user_version").get() as { user_version: number }).user_version;
}

function sequenceIn(database: DatabaseSync): number {
  return (database.prepare(`SELECT max("sequence") AS "last" FROM "changes"`).get() as { last: number | null }).last ?? 0;
}

function changesetTables(sequence: number, changeset: Uint8Array): Map<string, number> {
  try {
    return tablesOf(changeset);
  } catch (error) {
    if (!(error instanceof MalformedChangeset)) throw error;
    throw new StoreError("divergent", `change ${sequence} carries no changeset: ${error.message}`);
  }
}

function conflictText(kind: number): string {
  switch (kind) {
    case constants.SQLITE_CHANGESET_DATA:
      return "a row is not as it was before the change";
    case constants.SQLITE_CHANGESET_NOTFOUND:
      return "a row is not there";
    case constants.SQLITE_CHANGESET_CONFLICT:
      return "a row that it makes is there already";
    case changesetConstraint:
      return "a row breaks a constraint";
    case constants.SQLITE_CHANGESET_FOREIGN_KEY:
      return "a row refers to one that is not there";
    default:
      return "SQLite says no more";
  }
}

function noSnapshot(name: string): BareResult {
  return { kind: "missing", what: `the snapshot ${name}` };
}

function refused(code: ConfigRefusal["code"], message: string): Planned {
  return { kind: "refused", refusal: { code, message } };
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
