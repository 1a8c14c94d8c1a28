/**
 * Reads at the card's edge, in the store's thread: each of one moment, on a connection that cannot write, so they go on while the
 * store is in hold. What is large comes in pages or pieces.
 */
import { DatabaseSync } from "node:sqlite";
import { unreachable } from "../../base/assert.ts";
import { hex } from "../../base/hex.ts";
import type { CardId } from "../../base/ids.ts";
import type { Change, Head, Row, Scalar } from "../../config/change.ts";
import { documentText, exportDocument, planDocument } from "../../config/document.ts";
import { completionsOfPath, settingAtPath, unsettingAtPath, valueAtPath } from "../../config/document-path.ts";
import type { BranchPage, Finding, HistoryEntry, HistoryPage, Plan, Planned, RowPage, Unread } from "../../config/read-answer.ts";
import { rowDifferences, type RowStep, stepOf } from "../../config/row-difference.ts";
import type { TableName } from "../../config/rules.ts";
import type { ValidationContext } from "../../config/validate.ts";
import { readFailoverConfig } from "../../failover/config.ts";
import { checkSets } from "../../failover/set-check.ts";
import { storePageMax, storeViewMs, storeViewsMax } from "../../limits.ts";
import { BackupParser, backupPieces } from "./backup.ts";
import { branchCursor, withBranch } from "./branch-comparison.ts";
import { rowChanges } from "./changeset.ts";
import { type ConfigDatabase, HeadReader } from "./database.ts";
import type { StoreRead } from "./read.ts";
import { DatabaseTables } from "./tables.ts";

type Read<Kind extends StoreRead["kind"]> = Extract<StoreRead, { readonly kind: Kind }>;

/** What a read sees: the database at one moment. */
type Moment = { readonly head: Head; readonly level: number; readonly tables: DatabaseTables; readonly database: ConfigDatabase };

type BackupView = { readonly connection: DatabaseSync; readonly pieces: Generator<Uint8Array> };
type View = { readonly backup?: BackupView; readonly restore?: BackupParser; timer: ReturnType<typeof setTimeout> };

export class StoreReads {
  readonly #database: ConfigDatabase;
  readonly #views = new Map<number, View>();
  #viewCount = 0;

  constructor(database: ConfigDatabase) {
    this.#database = database;
  }

  /** The answer to a read; `Unread` while there is nothing to read. */
  answer(read: StoreRead): unknown {
    switch (read.kind) {
      case "backupPiece":
        return this.#backupPiece(read.view);
      case "closeBackup":
        return this.#drop(read.view);
      case "openRestore":
        return { view: this.#keep({ restore: new BackupParser() }) };
      case "restorePiece":
        return this.#restorePiece(read);
      default:
        return this.#atOneMoment((moment) => this.#read(moment, read));
    }
  }

  /** Gives all views up: another database takes the place of this one. */
  close(): void {
    for (const view of [...this.#views.keys()]) this.#drop(view);
  }

  #read(moment: Moment, read: Exclude<StoreRead, { kind: "backupPiece" | "closeBackup" | "openRestore" | "restorePiece" }>): unknown {
    const { head, tables } = moment;
    switch (read.kind) {
      case "rows":
        return rowPage(moment, read);
      case "row": {
        const row = tables.row(read.table, read.id);
        return { head, ...row === undefined ? {} : { row } };
      }
      case "tables":
        return { head, rows: Object.fromEntries(read.tables.map((table) => [table, [...tables.rows(table)]])) };
      case "history":
        return history(moment, read);
      case "document":
        return { head, text: documentText(exportDocument(tables, { secrets: read.secrets })) };
      case "valueAt": {
        const found = valueAtPath(read.path, tables, { secrets: read.secrets });
        return "mistake" in found ? found : { head, value: found.value };
      }
      case "paths":
        return { head, paths: completionsOfPath(read.begun, tables) };
      case "checkSets":
        return { head, findings: checkSets(readFailoverConfig(tables)) };
      case "planDocument":
        return planOfDocument(moment, read.document);
      case "planSetting":
        return planned(moment, settingAtPath(read.path, read.text, tables, moment.level));
      case "planUnsetting":
        return planned(moment, unsettingAtPath(read.path, tables));
      case "branchRows":
        return this.#branchRows(moment, read);
      case "planMerge":
        return this.#planMerge(moment, read);
      case "openBackup":
        return this.#openBackup();
      case "planRestore":
        return this.#planRestore(moment, read.view);
      default:
        return unreachable(read);
    }
  }

  #atOneMoment(body: (moment: Moment) => unknown): unknown {
    const reader = this.#database.reader;
    if (reader === undefined) return this.#unread();
    reader.exec("BEGIN");
    try {
      return body({ ...this.#database.readHead, tables: this.#database.readTables, database: this.#database });
    } finally {
      reader.exec("ROLLBACK");
    }
  }

  #unread(): Unread {
    const message = this.#database.fault?.message ?? "the configuration's store is not open yet; try again in a moment";
    return { unread: { code: "hold", message } };
  }

  #branchRows({ head, tables }: Moment, { branch: id, after, limit }: Read<"branchRows">): BranchPage | undefined {
    const branch = this.#database.branch(id);
    if (branch === undefined) return undefined;
    return withBranch(branch.path, branch, (comparison) => {
      const rows: BranchPage["rows"][number][] = [];
      let isPast = after === undefined;
      for (const row of comparison.rows(tables)) {
        if (!isPast) {
          isPast = branchCursor(row) === after;
          continue;
        }
        if (rows.length === bounded(limit)) return { head, rows, next: branchCursor(rows.at(-1) as BranchPage["rows"][number]) };
        rows.push(row);
      }
      return { head, rows };
    });
  }

  #planMerge({ head, tables }: Moment, { branch: id, prefer }: Read<"planMerge">): Planned {
    const branch = this.#database.branch(id);
    if (branch === undefined) {
      return { findings: [{ path: "", message: `there is no branch ${id} on this card; cardinal config branches` }] };
    }
    return withBranch(branch.path, branch, (comparison) => {
      const merged = comparison.merge(tables, prefer);
      return "findings" in merged ? merged : { head, ...merged };
    });
  }

  /** A connection of its own holds the moment, for as long as pieces are asked for. */
  #openBackup(): unknown {
    const connection = new DatabaseSync(this.#database.path, { readOnly: true });
    connection.exec("BEGIN");
    const { head, level } = new HeadReader(connection).state;
    const pieces = backupPieces(new DatabaseTables(connection), head, level);
    return { head, view: this.#keep({ backup: { connection, pieces } }) };
  }

  #backupPiece(view: number): unknown {
    const kept = this.#touch(view);
    if (kept?.backup === undefined) {
      return { unread: { code: "timeout", message: "the backup was not read on in time, or the database was replaced" } };
    }
    const { done, value } = kept.backup.pieces.next();
    if (done) this.#drop(view);
    return done ? new Uint8Array() : value;
  }

  #restorePiece({ view, piece }: Read<"restorePiece">): unknown {
    const parser = this.#touch(view)?.restore;
    parser?.add(piece);
    return { isWanted: parser !== undefined && parser.mistake === undefined };
  }

  #planRestore({ head, tables }: Moment, view: number): Planned {
    const parser = this.#views.get(view)?.restore;
    this.#drop(view);
    const mistake = parser === undefined ? "it did not come in time" : parser.end();
    if (parser === undefined || mistake !== undefined) {
      return { findings: [{ path: "", message: `the backup cannot be used: ${mistake}` }] };
    }
    const steps = [...rowDifferences(tables, parser.rows)].map(stepOf);
    return { head, operations: steps.map(({ operation }) => operation), steps: steps.map(({ step }) => step) };
  }

  #keep(view: Omit<View, "timer">): number {
    const [oldest] = this.#views.keys();
    if (oldest !== undefined && this.#views.size >= storeViewsMax) this.#drop(oldest);
    const id = ++this.#viewCount;
    this.#views.set(id, { ...view, timer: setTimeout(() => this.#drop(id), storeViewMs) });
    return id;
  }

  #touch(id: number): View | undefined {
    const view = this.#views.get(id);
    if (view === undefined) return undefined;
    clearTimeout(view.timer);
    view.timer = setTimeout(() => this.#drop(id), storeViewMs);
    return view;
  }

  #drop(id: number): void {
    const view = this.#views.get(id);
    if (view === undefined) return;
    clearTimeout(view.timer);
    view.backup?.connection.close();
    this.#views.delete(id);
  }
}

function bounded(limit: number): number {
  return Math.max(1, Math.min(limit, storePageMax));
}

function rowPage({ head, tables }: Moment, { table, after, limit }: Read<"rows">): RowPage {
  const count = bounded(limit);
  const rows = tables.page(table, after, count + 1);
  const last = rows.length > count ? rows[count - 1] : undefined;
  return { head, rows: rows.slice(0, count), ...last === undefined ? {} : { next: last.id } };
}

function history({ head, tables, database }: Moment, { before, since, limit, rows }: Read<"history">): HistoryPage {
  const count = bounded(limit);
  const page = database.history(before ?? head.sequence + 1, count + 1);
  const shown = page.slice(0, count).filter(({ time }) => since === undefined || time >= since);
  const last = page.length > count ? page[count - 1] : undefined;
  const changes = shown.map((change): HistoryEntry => {
    const { sequence, epoch, hash, kind, author, comment, card, time, changeset } = change;
    const entry = { sequence, epoch, hash: hex(hash), kind, author, comment, card, time, bytes: changeset.length };
    return rows ? { ...entry, rows: kind === "rows" ? stepsOf(change, tables.columns) : [] } : entry;
  });
  return { head, changes, ...last === undefined ? {} : { next: last.sequence } };
}

/** What a change did to rows, by the names of columns. */
function stepsOf({ changeset }: Change, columns: ReadonlyMap<string, readonly string[]>): RowStep[] {
  return [...rowChanges(changeset)].map(({ table, kind, before, after }): RowStep => {
    const names = columns.get(table) ?? [];
    const id = String((before ?? after)?.[0]);
    const row = (values: typeof before): Row => {
      const entries = names.flatMap((name, column) => values?.[column] === undefined ? [] : [[name, values[column] as Scalar]]);
      return { ...Object.fromEntries(entries), id };
    };
    const step = { table: table as TableName, id };
    if (kind === "insert") return { ...step, kind, after: row(after) };
    return kind === "delete" ? { ...step, kind: "remove", before: row(before) } : { ...step, kind, before: row(before), after: row(after) };
  });
}

function planOfDocument({ head, level, tables }: Moment, document: Uint8Array): Planned {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(document);
  } catch {
    return { findings: [{ path: "", message: "it is no text in UTF-8" }] };
  }
  const context: ValidationContext = { level, sequence: head.sequence + 1, author: "", comment: "", card: 1 as CardId, time: 0 };
  const plan = planDocument(text, tables, context);
  if ("mistakes" in plan) {
    return { findings: plan.mistakes.map(({ path, message, place }): Finding => ({ path, message, ...place && { place } })) };
  }
  return { head, ...plan };
}

function planned({ head }: Moment, plan: Omit<Plan, "head"> | { readonly mistake: string }): Planned {
  return "mistake" in plan ? { findings: [{ path: "", message: plan.mistake }] } : { head, ...plan };
}
