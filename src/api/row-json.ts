/** Rows as JSON for people and programs: true and false, lists and objects where SQLite holds 0, 1 and JSON text; secrets left out. */
import type { Row, Scalar } from "../config/change.ts";
import { type ColumnRule, rightOf, type TableRule } from "../config/rules.ts";

export type PlainRow = Readonly<Record<string, unknown>>;

export function plainRow(rule: TableRule, row: Row, options: { readonly secrets: boolean }): PlainRow {
  const plain: Record<string, unknown> = { id: row.id };
  for (const [name, value] of Object.entries(row)) {
    const column = Object.hasOwn(rule.columns, name) ? rule.columns[name] : undefined;
    if (name === "id" || value === null || (column?.secret === true && !options.secrets)) continue;
    plain[name] = column === undefined ? value : plainValue(column, value);
  }
  return plain;
}

export function plainValue({ kind }: ColumnRule, value: Scalar): unknown {
  switch (kind) {
    case "flag":
      return value === 1;
    case "texts":
    case "map":
    case "setting":
      return typeof value === "string" ? parsed(value) : value;
    default:
      return value;
  }
}

/** The row that `plain` describes, or what is wrong with it; values themselves are proven by the store's rules. */
export function rowOf(rule: TableRule, id: string, plain: PlainRow): Row | { readonly mistake: string; readonly column: string } {
  const row: Record<string, Scalar> & { id: string } = { id };
  for (const [name, value] of Object.entries(plain)) {
    if (name === "id") {
      if (value !== id) {
        return { mistake: `id is ${shown(value)}, must be ${JSON.stringify(id)} as in the path, or left out`, column: "id" };
      }
      continue;
    }
    const column = Object.hasOwn(rule.columns, name) ? rule.columns[name] : undefined;
    if (column === undefined) {
      return { mistake: `${name} is no column; the columns are ${Object.keys(rule.columns).join(", ")}`, column: name };
    }
    const scalar = scalarOf(column, value);
    if (scalar === undefined) return { mistake: `${name} is ${shown(value)}, must be ${rightOf(column)}`, column: name };
    row[name] = scalar;
  }
  return row;
}

function scalarOf({ kind }: ColumnRule, value: unknown): Scalar | undefined {
  if (value === null) return null;
  switch (kind) {
    case "flag":
      return typeof value === "boolean" ? Number(value) : undefined;
    case "whole":
      return Number.isSafeInteger(value) ? value as number : undefined;
    case "texts":
      return Array.isArray(value) ? JSON.stringify(value) : undefined;
    case "map":
      return typeof value === "object" && !Array.isArray(value) ? JSON.stringify(sorted(value as PlainRow)) : undefined;
    case "setting":
      return JSON.stringify(value);
    default:
      return typeof value === "string" ? value : undefined;
  }
}

function sorted(map: PlainRow): PlainRow {
  return Object.fromEntries(Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function shown(value: unknown): string {
  return (JSON.stringify(value) ?? String(value)).slice(0, 60);
}
