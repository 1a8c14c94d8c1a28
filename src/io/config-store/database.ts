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
import { constants } from "node:sqlite";
import type { DatabaseSync } from "node:sqlite";
import { unreachable } from "../../base/assert.ts";
import type { CardId } from "../../base/ids.ts";
import { brokenLink, emptyHead, levelOf } from "../../config/chain.ts";
import type { Change, ConfigRefusal, Head, Operation, Proposal, Wish } from "../../config/change.ts";
import type { Planned, StoreFault, StoreOrder, StoreResult } from "../../config/store.ts";
import { type ChainBounds, ChainTable } from "./chain-table.ts";
import { MalformedChangeset, tablesOf } from "./changeset.ts";
import { DatabaseFile, makeDirectory } from "./database-file.ts";
import type { DatabaseRules } from "./database-rules.ts";
import { faultOf, StoreError } from "./fault.ts";
import { DatabaseTables } from "./tables.ts";

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
};

type Order<Kind extends StoreOrder["kind"]> = Extract<StoreOrder, { readonly kind: Kind }>;
/** A result without its number, which the caller puts on. */
type Bare<Result> = Result extends StoreResult ? Omit<Result, "order"> : never;
export type BareResult = Bare<StoreResult>;

export class ConfigDatabase {
  readonly #options: DatabaseOptions;
  readonly #file: DatabaseFile;
  #tables: DatabaseTables | undefined;
  #chain: ChainTable | undefined;
  #level = 0;
  #fault: StoreFault | undefined;

  constructor(options: DatabaseOptions) {
    this.#options = options;
    this.#file = new DatabaseFile(`${options.directory}/configuration.db`);
  }

  get head(): Head {
    return this.#chain?.head ?? emptyHead;
  }

  get level(): number {
    return this.#level;
  }

  get levelMax(): number {
    return this.#options.rules.migrations.length;
  }

  /** Carries out an order. What goes wrong with the file is a result; what throws is our own mistake. */
  carryOut(order: StoreOrder): BareResult {
    if (this.#fault !== undefined && order.kind !== "open" && order.kind !== "reset" && order.kind !== "check") {
      return { kind: "failed", fault: this.#fault };
    }
    try {
      return this.#carryOut(order);
    } catch (error) {
      return this.#fail(error);
    }
  }

  #carryOut(order: StoreOrder): BareResult {
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
      default:
        throw new Error(`no order ${order.kind}`);
    }
  }

  /** The log is copied into the file when it has grown; at moments when nobody waits. */
  rest(): void {
    if (this.#fault !== undefined || !this.#file.isOpen) return;
    try {
      if (this.#file.loggedPages > this.#options.bounds.logPagesMax / 4) this.#file.checkpoint(this.head.sequence);
    } catch (error) {
      this.#fail(error);
    }
  }

  close(): void {
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
    makeDirectory(this.#options.directory);
    this.#file.open((database) => levelIn(database) === 0 ? 0 : sequenceIn(database));
    this.#load();
    this.#fault = undefined;
    return this.#opened();
  }

  #opened(): BareResult {
    return { kind: "opened", head: this.head, level: this.#level, levelMax: this.levelMax, first: this.#first, branches: [] };
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

  #plan({ wishes, card }: Order<"plan">): Planned[] {
    if (this.#level === 0) {
      const refusal: ConfigRefusal = { code: "catching-up", message: "the configuration has no tables yet: the system has not begun" };
      return wishes.map(() => ({ kind: "refused", refusal }));
    }
    return this.#file.transaction("ROLLBACK", () => {
      const outcomes: Planned[] = [];
      for (const wish of wishes) outcomes.push(this.#planOne(wish, card as CardId, outcomes));
      return outcomes;
    });
  }

  #planOne(wish: Wish, card: CardId, before: readonly Planned[]): Planned {
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
    const judged = this.#options.rules.validate(tables, wish.operations, { level: this.#level, sequence, author, comment, card, time });
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
    if (this.#file.loggedPages > this.#options.bounds.logPagesMax) this.#file.checkpoint(this.head.sequence);
    this.#file.transaction("COMMIT", () => {
      for (const change of changes) this.#append(change);
    });
    return { kind: "committed", head: this.head, level: this.#level };
  }

  #append(change: Change): void {
    const broken = brokenLink(this.head, change);
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
      if (changes.length > 0 && bytes + change.changeset.length > bytesMax) break;
      changes.push(change);
      bytes += change.changeset.length;
    }
    const last = changes.at(-1)?.sequence ?? after;
    return { kind: "changes", changes, bytesLeft: this.#chain?.bytesAfter(last) ?? 0 };
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

/** SQLITE_CONSTRAINT: the values are in the way, not the disk. */
function isConstraint(error: unknown): boolean {
  const { errcode } = error as { errcode?: unknown };
  return typeof errcode === "number" && (errcode & 0xff) === 19;
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

function refused(code: ConfigRefusal["code"], message: string): Planned {
  return { kind: "refused", refusal: { code, message } };
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
