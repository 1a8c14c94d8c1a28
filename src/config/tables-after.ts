/** The tables as a wish would leave them: what a store has, with the wish's rows laid over it. */
import { assert } from "../base/assert.ts";
import type { Row, Scalar } from "./change.ts";
import type { ConfigReader } from "./reader.ts";
import type { TableName } from "./rules.ts";

/** A row that the wish makes, changes or removes: before or after is undefined where it is not there. */
export type RowChange = {
  readonly table: TableName;
  readonly id: string;
  /** The place of the operation in the wish. */
  readonly operation: number;
  readonly before: Row | undefined;
  readonly after: Row | undefined;
};

export class TablesAfter implements ConfigReader {
  readonly #before: ConfigReader;
  readonly #changes = new Map<TableName, Map<string, RowChange>>();
  /** Of the rows that the wish leaves, made when first asked for: by table, column and value. */
  readonly #found = new Map<string, Map<Scalar, Row[]>>();

  constructor(before: ConfigReader) {
    this.#before = before;
  }

  lay(change: RowChange): void {
    assert(this.#found.size === 0, "all rows are laid over the tables before the first is looked for");
    let ofTable = this.#changes.get(change.table);
    if (ofTable === undefined) this.#changes.set(change.table, ofTable = new Map());
    ofTable.set(change.id, change);
  }

  change(table: TableName, id: string): RowChange | undefined {
    return this.#changes.get(table)?.get(id);
  }

  changesOf(table: TableName): Iterable<RowChange> {
    return this.#changes.get(table)?.values() ?? [];
  }

  *changes(): Iterable<RowChange> {
    for (const ofTable of this.#changes.values()) yield* ofTable.values();
  }

  get before(): ConfigReader {
    return this.#before;
  }

  row(table: TableName, id: string): Row | undefined {
    const change = this.change(table, id);
    return change === undefined ? this.#before.row(table, id) : change.after;
  }

  rowsWith(table: TableName, column: string, value: Scalar): Row[] {
    const changed = this.#changes.get(table);
    const rows = this.#before.rowsWith(table, column, value);
    if (changed === undefined) return [...rows];
    return [...rows.filter((row) => !changed.has(row.id)), ...this.#foundIn(table, column).get(value) ?? []];
  }

  count(table: TableName): number {
    let count = this.#before.count(table);
    for (const { before, after } of this.changesOf(table)) count += Number(after !== undefined) - Number(before !== undefined);
    return count;
  }

  *rows(table: TableName): Iterable<Row> {
    for (const row of this.#before.rows(table)) if (this.change(table, row.id) === undefined) yield row;
    for (const { after } of this.changesOf(table)) if (after !== undefined) yield after;
  }

  #foundIn(table: TableName, column: string): Map<Scalar, Row[]> {
    const key = `${table} ${column}`;
    let found = this.#found.get(key);
    if (found !== undefined) return found;
    this.#found.set(key, found = new Map());
    for (const { after } of this.changesOf(table)) {
      const value = after?.[column];
      if (after === undefined || value === undefined) continue;
      const rows = found.get(value);
      if (rows === undefined) found.set(value, [after]);
      else rows.push(after);
    }
    return found;
  }
}
