/** How two sets of tables differ, row by row: for plans, for branches, and for making one what the other is. */
import type { Operation, Row, Scalar } from "./change.ts";
import type { ConfigReader } from "./reader.ts";
import { type ColumnRule, type TableName, tableNames } from "./rules.ts";
import { tables } from "./tables.ts";
import { jsonOfValue } from "./values.ts";

/** A row in which two sets of tables differ. A side that has not got it has undefined; `columns` are those that differ, all of them when one side has none. */
export type RowDifference = {
  readonly table: TableName;
  readonly id: string;
  readonly ours: Row | undefined;
  readonly theirs: Row | undefined;
  readonly columns: readonly { readonly column: string; readonly ours: Scalar; readonly theirs: Scalar }[];
};

/** What becomes of a row; of one that changes, `before` and `after` have the columns that differ, and the id. */
export type RowStep = {
  readonly kind: "insert" | "update" | "remove";
  readonly table: TableName;
  readonly id: string;
  readonly before?: Row;
  readonly after?: Row;
};

/** The tables that people configure. */
export const configuredTables: readonly TableName[] = tableNames.filter((name) => !tables[name].internal);

/** The differences in the order of tables and ids; each side's rows are read once. */
export function* rowDifferences(
  ours: ConfigReader,
  theirs: ConfigReader,
  names: readonly TableName[] = configuredTables,
): Generator<RowDifference> {
  for (const table of names) {
    const [left, right] = [ours.rows(table)[Symbol.iterator](), theirs.rows(table)[Symbol.iterator]()];
    let [one, other] = [left.next(), right.next()];
    while (!one.done || !other.done) {
      const isOurs = !one.done && (other.done || one.value.id <= other.value.id);
      const isTheirs = !other.done && (one.done || other.value.id <= one.value.id);
      const difference = rowDifference(table, isOurs ? one.value as Row : undefined, isTheirs ? other.value as Row : undefined);
      if (difference !== undefined) yield difference;
      if (isOurs) one = left.next();
      if (isTheirs) other = right.next();
    }
  }
}

/** Undefined when they are equal. A column that one of them has not got is null there. */
export function rowDifference(table: TableName, ours: Row | undefined, theirs: Row | undefined): RowDifference | undefined {
  const names = new Set([...Object.keys(ours ?? {}), ...Object.keys(theirs ?? {})]);
  const columns = [...names].flatMap((column) => {
    const [one, other] = [ours?.[column] ?? null, theirs?.[column] ?? null];
    return column === "id" || one === other ? [] : [{ column, ours: one, theirs: other }];
  });
  const id = ours?.id ?? theirs?.id;
  if (id === undefined || (ours !== undefined && theirs !== undefined && columns.length === 0)) return undefined;
  return { table, id, ours, theirs, columns };
}

/** What makes `ours` the same as `theirs`; only the columns that differ, so that a change of others meanwhile stays. */
export function stepOf({ table, id, ours, theirs, columns }: RowDifference): { operation: Operation; step: RowStep } {
  if (theirs === undefined) {
    return { operation: { kind: "remove", table, id }, step: { kind: "remove", table, id, ...ours && { before: ours } } };
  }
  if (ours === undefined) return { operation: { kind: "put", table, row: theirs }, step: { kind: "insert", table, id, after: theirs } };
  const side = (key: "ours" | "theirs"): Row => ({ id, ...Object.fromEntries(columns.map((each) => [each.column, each[key]])) });
  const after = side("theirs");
  return { operation: { kind: "put", table, row: after }, step: { kind: "update", table, id, before: side("ours"), after } };
}

/** A step on one line: `cards: change 1/2: name "a" -> "b"`. Secrets are not shown. */
export function stepLine({ kind, table, id, before, after }: RowStep): string {
  const shown = (column: string, row: Row | undefined): string => {
    const value = row?.[column] ?? null;
    const rule: ColumnRule | undefined = tables[table].columns[column];
    if (value === null || rule === undefined) return value === null ? "none" : JSON.stringify(value);
    return rule.secret ? "hidden" : JSON.stringify(rule.kind === "setting" ? JSON.parse(String(value)) : jsonOfValue(rule, value));
  };
  const columns = Object.keys({ ...before, ...after }).filter((column) => column !== "id");
  switch (kind) {
    case "remove":
      return `${table}: remove ${id}`;
    case "update":
      return `${table}: change ${id}: ${
        columns.map((column) => `${column} ${shown(column, before)} -> ${shown(column, after)}`).join(", ")
      }`;
    case "insert": {
      const told = columns.filter((column) => {
        const rule: ColumnRule | undefined = tables[table].columns[column];
        const value = after?.[column] ?? null;
        return value !== null && value !== rule?.default && !isSaidById(table, column);
      });
      const values = told.map((column) => `${column} ${shown(column, after)}`);
      return `${table}: make ${id}${values.length === 0 ? "" : `: ${values.join(", ")}`}`;
    }
  }
}

/** Whether a column only repeats what the id says. */
export function isSaidById(table: TableName, column: string): boolean {
  const { parent, id } = tables[table];
  return parent?.column === column || (id.fills?.column === column && id.fills.always);
}
