/** Rows as JSON for people and programs: true and false, lists and objects where SQLite holds 0, 1 and JSON text; secrets left out. */
import type { Row, Scalar } from "../config/change.ts";
import { isSaidById, type RowStep } from "../config/row-difference.ts";
import type { ColumnRule, TableName, TableRule } from "../config/rules.ts";
import { tables } from "../config/tables.ts";
import { isWrong, jsonOfValue, shownValue, valueOfJson, type WrongValue } from "../config/values.ts";

export type PlainRow = Readonly<Record<string, unknown>>;

/** Of a row, or of a part of one. What is null is left out, but for `nulls`. */
export function plainRow(rule: TableRule, row: Readonly<Record<string, Scalar>>, nulls: "left out" | "kept" = "left out"): PlainRow {
  const plain: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(row)) {
    const column = columnOf(rule, name);
    if (column?.secret === true) {
      if (nulls === "kept") plain[name] = hidden;
    } else if (value !== null || nulls === "kept") {
      plain[name] = column === undefined || value === null ? value : jsonOfValue(column, value);
    }
  }
  return plain;
}

/** Stands for a secret of which only is told that it changed. */
export const hidden = "(secret)";

/** A step with its rows as JSON has them. */
export function plainStep({ kind, table, id, before, after }: RowStep): PlainStep {
  const rule = tables[table];
  return {
    kind,
    table,
    id,
    ...(before === undefined ? {} : { before: plainRow(rule, before, "kept") }),
    ...(after === undefined
      ? {}
      : { after: kind === "update" ? plainRow(rule, after, "kept") : withoutRepeats(table, plainRow(rule, after)) }),
  };
}

/** Of a row that is made, columns that only repeat a part of its id are not worth telling. */
function withoutRepeats(table: TableName, row: PlainRow): PlainRow {
  return Object.fromEntries(Object.entries(row).filter(([name]) => !isSaidById(table, name)));
}

export type PlainStep = {
  readonly kind: RowStep["kind"];
  readonly table: TableName;
  readonly id: string;
  readonly before?: PlainRow;
  readonly after?: PlainRow;
};

/** The row that `plain` describes, or what is wrong with it; the store's rules prove it once more with all that is around it. */
export function rowOf(
  rule: TableRule,
  id: string,
  plain: PlainRow,
): { readonly row: Row } | { readonly mistake: string; readonly column: string } {
  const row: Record<string, Scalar> & { id: string } = { id };
  for (const [name, value] of Object.entries(plain)) {
    if (name === "id") {
      if (value !== id) {
        return { mistake: `id is ${shownValue(value)}, must be ${JSON.stringify(id)} as in the path, or left out`, column: "id" };
      }
      continue;
    }
    const column = columnOf(rule, name);
    if (column === undefined) {
      return { mistake: `${name} is no column; the columns are ${Object.keys(rule.columns).join(", ")}`, column: name };
    }
    const scalar = scalarOf(rule, column, id, value);
    if (isWrong(scalar)) return { mistake: `${name} is ${shownValue(value)}, must be ${scalar.right}`, column: name };
    row[name] = scalar;
  }
  return { row };
}

function columnOf(rule: TableRule, name: string): ColumnRule | undefined {
  return Object.hasOwn(rule.columns, name) ? rule.columns[name] : undefined;
}

/** The value of a setting follows the setting's own rule, and is kept as JSON text. */
function scalarOf(rule: TableRule, column: ColumnRule, id: string, value: unknown): Scalar | WrongValue {
  if (value === null) return null;
  if (column.kind !== "setting") return valueOfJson(column, value);
  const settings = rule.settings ?? {};
  const setting = Object.hasOwn(settings, id) ? settings[id] : undefined;
  if (setting === undefined) return { right: `of a setting: ${Object.keys(settings).join(", ")}` };
  const scalar = valueOfJson(setting, value);
  return isWrong(scalar) ? scalar : JSON.stringify(jsonOfValue(setting, scalar));
}
