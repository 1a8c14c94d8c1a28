/** What a row's id says: the row that it belongs to, and columns that repeat a part of it so that they can be referred to and indexed. */
import { type ColumnRule, type TableName, tableNames, type TableRule } from "./rules.ts";

type Tables = Readonly<Record<TableName, TableRule>>;

/** Columns that the id says. `always`: they cannot be anything else. */
export type IdParts = ReadonlyMap<string, { readonly value: string; readonly always: boolean }>;

/** The columns that `id` says, or undefined when a row of the table cannot have that id. */
export function idParts(table: TableName, id: string, tables: Tables): IdParts | undefined {
  if (id.length > idLengthMax) return undefined;
  const rule = tables[table];
  const found = idPattern(table, tables).exec(id);
  if (found === null) return undefined;
  const [, parent = "", end = ""] = found;
  const parts = new Map<string, { value: string; always: boolean }>();
  if (rule.parent !== undefined) parts.set(rule.parent.column, { value: parent, always: true });
  const { fills } = rule.id;
  const value = fills?.of(end) ?? null;
  if (fills !== undefined && value !== null) parts.set(fills.column, { value, always: fills.always });
  return parts;
}

/** What an id of the table has to be, in words. */
export function idRight(table: TableName, tables: Tables): string {
  const { parent, id } = tables[table];
  return parent === undefined ? id.text.right : `the id of a row of ${parent.table}, a slash, and ${id.text.right}`;
}

/** The id without the part that names the row it belongs to. */
export function idEnd(table: TableName, id: string, tables: Tables): string {
  return idPattern(table, tables).exec(id)?.[2] ?? id;
}

/** The columns of all tables that refer to a table. */
export function referencesTo(table: TableName, tables: Tables): readonly { readonly from: TableName; readonly column: string }[] {
  let references = referencesOf.get(tables);
  if (references === undefined) {
    references = new Map();
    for (const from of tableNames) {
      for (const [column, rule] of Object.entries<ColumnRule>(tables[from].columns)) {
        if (rule.kind !== "reference") continue;
        references.set(rule.to, [...references.get(rule.to) ?? [], { from, column }]);
      }
    }
    referencesOf.set(tables, references);
  }
  return references.get(table) ?? [];
}

const idLengthMax = 128;
const referencesOf = new WeakMap<Tables, Map<TableName, { from: TableName; column: string }[]>>();
const patternsOf = new WeakMap<Tables, Map<TableName, RegExp>>();

/** Groups: the id of the row that it belongs to, empty for none, and the end. */
function idPattern(table: TableName, tables: Tables): RegExp {
  let patterns = patternsOf.get(tables);
  if (patterns === undefined) patternsOf.set(tables, patterns = new Map());
  let pattern = patterns.get(table);
  if (pattern === undefined) patterns.set(table, pattern = new RegExp(`^${idSource(table, tables)}$`));
  return pattern;
}

function idSource(table: TableName, tables: Tables): string {
  const { parent, id } = tables[table];
  const end = `(${bare(id.text.pattern)})`;
  if (parent === undefined) return `()${end}`;
  return `(${idSource(parent.table, tables).replaceAll(/\((?!\?)/g, "(?:")})/${end}`;
}

/** A pattern without its anchors, to be put into a larger one. It has no capturing groups. */
function bare(pattern: RegExp): string {
  return pattern.source.replace(/^\^/, "").replace(/\$$/, "");
}
