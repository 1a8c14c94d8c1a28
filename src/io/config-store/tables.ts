/** Rows of a database by their tables, for the rules and for those who read, and written as operations say. */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Operation, Row, Scalar } from "../../config/change.ts";
import type { ConfigReader } from "../../config/reader.ts";

/** The table of the chain, which no change touches. */
export const chainTable = "changes";

/** Rows that are read at a time. */
const pageRows = 128;

export class DatabaseTables implements ConfigReader {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  #columns: Map<string, readonly string[]> | undefined;

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /** The names are looked up anew: a migration has been applied. */
  forgetSchema(): void {
    this.#columns = undefined;
    this.#statements.clear();
  }

  /** The tables of the present level but the chain, in their order, each with its columns. */
  get columns(): ReadonlyMap<string, readonly string[]> {
    if (this.#columns !== undefined) return this.#columns;
    const names = this.#database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> ? ORDER BY rowid").all(
      chainTable,
    );
    const columns = new Map(names.map(({ name }) => {
      const found = this.#database.prepare("SELECT name FROM pragma_table_info(?) ORDER BY cid").all(name as string);
      return [name as string, found.map((column) => column["name"] as string)];
    }));
    this.#columns = columns;
    return columns;
  }

  row(table: string, id: string): Row | undefined {
    if (!this.columns.has(table)) return undefined;
    return this.#prepared(`SELECT * FROM ${quoted(table)} WHERE "id" = ?`).get(id) as Row | undefined;
  }

  rowsWith(table: string, column: string, value: Scalar): Row[] {
    if (!this.columns.get(table)?.includes(column)) return [];
    return this.#prepared(`SELECT * FROM ${quoted(table)} WHERE ${quoted(column)} IS ?`).all(value) as Row[];
  }

  count(table: string): number {
    if (!this.columns.has(table)) return 0;
    return this.#prepared(`SELECT count(*) AS "count" FROM ${quoted(table)}`).get()?.["count"] as number;
  }

  /** Page by page: a statement is one walk at a time, and a new one for each walk would be memory that only the collector gives back. */
  *rows(table: string): Generator<Row> {
    let after: string | undefined;
    do {
      const page = this.page(table, after, pageRows);
      yield* page;
      after = page.length === pageRows ? page.at(-1)?.id : undefined;
    } while (after !== undefined);
  }

  /** Rows whose ids come after `after`, at most `limit`, in the order of the ids. */
  page(table: string, after: string | undefined, limit: number): Row[] {
    if (!this.columns.has(table)) return [];
    const where = after === undefined ? "" : `WHERE "id" > ?`;
    const statement = this.#prepared(`SELECT * FROM ${quoted(table)} ${where} ORDER BY "id" LIMIT ?`);
    return (after === undefined ? statement.all(limit) : statement.all(after, limit)) as Row[];
  }

  /** Carries out an operation whose row, if it has one, is whole. */
  apply(operation: Operation): void {
    const { table } = operation;
    if (operation.kind === "remove") {
      this.#prepared(`DELETE FROM ${quoted(table)} WHERE "id" = ?`).run(operation.id);
      return;
    }
    const names = Object.keys(operation.row);
    const values = Object.values(operation.row);
    const sets = names.filter((name) => name !== "id").map((name) => `${quoted(name)} = excluded.${quoted(name)}`);
    const columns = names.map(quoted).join(", ");
    const upsert = sets.length === 0 ? "DO NOTHING" : `DO UPDATE SET ${sets.join(", ")}`;
    const places = names.map(() => "?").join(", ");
    this.#prepared(`INSERT INTO ${quoted(table)} (${columns}) VALUES (${places}) ON CONFLICT ("id") ${upsert}`).run(...values);
  }

  #prepared(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) this.#statements.set(sql, statement = this.#database.prepare(sql));
    return statement;
  }
}

export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
