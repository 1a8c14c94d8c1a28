/**
 * The declarative file: the whole configuration as one JSON document for people, with comments where they like. A section for each table, an
 * object of rows by their ids; rows that belong to another row are found in it, under their section and by the end of their id.
 *
 *     { "cards": { "1/2": { "name": "left", "links": { "public": { "kind": "ether", "interface": "eth0" } } } } }
 *
 * What a section says is all that there is of it: rows that it does not mention are removed with all that belongs to them, and columns that a
 * row does not mention are at their default. A section that the document does not have is left alone. Secrets, which an export can
 * leave out, stay as they are where they are not mentioned.
 */
import { isJsonMistake, type JsonPath, parseJson, type TextPlace } from "../base/json-text.ts";
import { nearest } from "../base/nearest.ts";
import { configFindingsMax } from "../limits.ts";
import type { ConfigRefusal, Operation, Row, Scalar } from "./change.ts";
import { idEnd, idParts, idRight } from "./ids.ts";
import type { ConfigReader } from "./reader.ts";
import { configuredTables, isSaidById, rowDifference, type RowStep, stepOf } from "./row-difference.ts";
import type { ColumnRule, TableName } from "./rules.ts";
import { tables } from "./tables.ts";
import { judge, type ValidationContext } from "./validate.ts";
import { isWrong, jsonOfValue, shownValue, valueOfJson } from "./values.ts";

export type JsonObject = { readonly [key: string]: unknown };

/** What is wrong with a document: the JSON pointer to it, its place in the text, and a line for people. */
export type DocumentMistake = { readonly path: string; readonly place?: TextPlace; readonly message: string };

/** A row as the document says it: the columns that it mentions, and where. */
export type DescribedRow = { readonly values: Readonly<Record<string, Scalar>>; readonly path: JsonPath };

/** The rows of a document, or of a part of one. `sections` are those that it has; what exists in them besides its rows is to be removed. */
export type Description = {
  readonly rows: ReadonlyMap<TableName, ReadonlyMap<string, DescribedRow>>;
  readonly sections: ReadonlyMap<TableName, JsonPath>;
};

/** What a document would change: operations for one wish, and for each of them what it does to its row. */
export type DocumentPlan = { readonly operations: readonly Operation[]; readonly steps: readonly RowStep[] };

/** The tables whose rows belong to rows of `table`. */
export function tablesWithin(table: TableName): TableName[] {
  return configuredTables.filter((name) => tables[name].parent?.table === table);
}

/** The tables that are sections of a document's own. */
export const documentSections: readonly TableName[] = configuredTables.filter((name) => tables[name].parent === undefined);

/**
 * What the document in `text` would change, proven by the same rules as any wish; or all that is wrong with it, in the order of the text.
 */
export function planDocument(
  text: string,
  reader: ConfigReader,
  context: ValidationContext,
): DocumentPlan | { readonly mistakes: readonly DocumentMistake[] } {
  const json = parseJson(text, { comments: true });
  if (isJsonMistake(json)) return { mistakes: [{ path: "", place: json.place, message: `not JSON: found ${json.message}` }] };
  const mistakes: { path: JsonPath; message: string }[] = [];
  const description = describe(json.value, (path, message) => mistakes.push({ path, message }));
  const plan = planOf(description, reader, context.level);
  if (mistakes.length === 0) {
    const judged = judge(reader, plan.operations, context);
    if (judged.kind === "refused") mistakes.push(...judged.refusals.map((refusal) => placed(refusal, plan, description)));
  }
  if (mistakes.length === 0) return plan;
  const told = mistakes.slice(0, configFindingsMax).map(({ path, message }) => ({
    path: pointerOf(path),
    place: json.placeOf(path),
    message,
  }));
  return { mistakes: told.sort((a, b) => a.place.line - b.place.line || a.place.column - b.place.column) };
}

/** The line and the column of a mistake in front of what it says, as compilers do it. */
export function mistakeLine(file: string, { place, message }: DocumentMistake): string {
  return place === undefined ? `${file}: ${message}` : `${file}:${place.line}:${place.column}: ${message}`;
}

/** Where in the document a refusal of its plan has its reason. What is removed because it is not mentioned has its reason in the section. */
function placed({ operation, column, message }: ConfigRefusal, { steps }: DocumentPlan, { rows, sections }: Description) {
  const step = operation === undefined ? undefined : steps[operation];
  if (step === undefined) return { path: [], message };
  const row = rows.get(step.table)?.get(step.id);
  if (row !== undefined) return { path: column === undefined || tables[step.table].settings ? row.path : [...row.path, column], message };
  let table = step.table;
  for (let parent = tables[table].parent; parent !== undefined; parent = tables[table].parent) table = parent.table;
  const path = sections.get(table) ?? [];
  const unmentioned = `${message} (it is removed because the document's section ${table} does not mention it)`;
  return { path, message: step.kind === "remove" ? unmentioned : message };
}

/** RFC 6901. */
function pointerOf(path: JsonPath): string {
  return path.map((part) => `/${String(part).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}

type ReportMistake = (path: JsonPath, message: string) => void;

/** The rows that a document's value describes. What is wrong is reported and left out. */
function describe(value: unknown, report: ReportMistake): Description {
  const rows = new Map<TableName, Map<string, DescribedRow>>();
  const sections = new Map<TableName, JsonPath>();
  if (!isObject(value)) {
    report([], `a configuration is ${shownJson(value)}, must be an object of sections, such as {"cards": {}}`);
    return { rows, sections };
  }
  for (const [key, section] of Object.entries(value)) {
    if (key === "$schema") continue;
    const table = documentSections.find((name) => name === key);
    if (table === undefined) {
      const meant = nearest(key, documentSections);
      report(
        [key],
        `${shownValue(key)} is no section; ${
          meant === undefined ? `the sections are ${documentSections.join(", ")}` : `did you mean ${meant}?`
        }`,
      );
      continue;
    }
    sections.set(table, [key]);
    const { only } = tables[table];
    if (only === undefined) describeRows(table, undefined, section, [key], rows, report);
    else describeRow(table, only, section, [key], rows, report);
  }
  return { rows, sections };
}

type DescribedRows = Map<TableName, Map<string, DescribedRow>>;

/** The rows of a table, or of those that belong to the row `parent`. */
export function describeRows(
  table: TableName,
  parent: string | undefined,
  value: unknown,
  path: JsonPath,
  rows: DescribedRows,
  report: ReportMistake,
): void {
  const { listOf } = tables[table].parent ?? {};
  const subject = parent === undefined ? table : `${tables[table].parent?.table} ${parent}: ${tables[table].parent?.section}`;
  if (listOf !== undefined) {
    if (!Array.isArray(value)) return report(path, `${subject} is ${shownJson(value)}, must be a list of ids`);
    for (const [index, end] of value.entries()) {
      if (typeof end !== "string") report([...path, index], `${subject} has ${shownJson(end)}, must be ${idText(table)}`);
      else if (value.indexOf(end) < index) report([...path, index], `${subject} has ${shownValue(end)} twice`);
      else describeRow(table, `${parent}/${end}`, {}, [...path, index], rows, report);
    }
    return;
  }
  if (!isObject(value)) return report(path, `${subject} is ${shownJson(value)}, must be an object of rows by their ids`);
  for (const [end, row] of Object.entries(value)) {
    describeRow(table, parent === undefined ? end : `${parent}/${end}`, row, [...path, end], rows, report);
  }
}

function idText(table: TableName): string {
  return tables[table].id.text.right;
}

/** A row and what belongs to it. */
export function describeRow(
  table: TableName,
  id: string,
  value: unknown,
  path: JsonPath,
  rows: DescribedRows,
  report: ReportMistake,
): void {
  const rule = tables[table];
  if (idParts(table, id, tables) === undefined) {
    const end = rule.parent === undefined ? id : String(path.at(-1));
    return report(
      path,
      `${table} ${shownValue(end)}: its name must be ${rule.parent === undefined ? idRight(table, tables) : idText(table)}`,
    );
  }
  let ofTable = rows.get(table);
  if (ofTable === undefined) rows.set(table, ofTable = new Map());
  if (rule.settings !== undefined) {
    const setting = Object.hasOwn(rule.settings, id) ? rule.settings[id] : undefined;
    if (setting === undefined) {
      const meant = nearest(id, Object.keys(rule.settings));
      return report(
        path,
        `${table} ${id} is no setting; ${
          meant === undefined ? `the settings are ${Object.keys(rule.settings).join(", ")}` : `did you mean ${meant}?`
        }`,
      );
    }
    // Null takes a setting back to its default, which is to have no row.
    if (value === null) return;
    const scalar = valueOfJson(setting, value);
    if (isWrong(scalar)) return report(path, `${table} ${id} is ${shownJson(value)}, must be ${scalar.right}`);
    ofTable.set(id, { values: { value: JSON.stringify(jsonOfValue(setting, scalar)) }, path });
    return;
  }
  if (!isObject(value)) return report(path, `${table} ${id} is ${shownJson(value)}, must be an object of its columns`);
  const values: Record<string, Scalar> = {};
  const within = tablesWithin(table);
  for (const [key, json] of Object.entries(value)) {
    const child = within.find((name) => tables[name].parent?.section === key);
    if (child !== undefined) {
      describeRows(child, id, json, [...path, key], rows, report);
      continue;
    }
    const column = Object.hasOwn(rule.columns, key) ? rule.columns[key] : undefined;
    if (column === undefined) {
      const known = [
        ...within.map((name) => tables[name].parent?.section as string),
        ...Object.keys(rule.columns).filter((name) => !isSaidById(table, name)),
      ];
      const meant = nearest(key, known);
      const hint = meant === undefined ? `it may have ${known.join(", ")}` : `did you mean ${meant}?`;
      report([...path, key], `${table} ${id}: ${shownValue(key)} is nothing that it has; ${hint}`);
      continue;
    }
    if (json === null) continue;
    const scalar = valueOfJson(column, json);
    if (isWrong(scalar)) report([...path, key], `${table} ${id}: ${key} is ${shownJson(json)}, must be ${scalar.right}`);
    else values[key] = scalar;
  }
  ofTable.set(id, { values, path });
}

/** What makes the tables what a description says, in the order of tables and ids. */
function planOf({ rows, sections }: Description, reader: ConfigReader, level: number): DocumentPlan {
  const steps: ReturnType<typeof stepOf>[] = [];
  for (const table of configuredTables) {
    let top = table;
    for (let parent = tables[top].parent; parent !== undefined; parent = tables[top].parent) top = parent.table;
    if (sections.has(top)) steps.push(...stepsOf(table, rows.get(table) ?? new Map(), reader.rows(table), level));
  }
  return { operations: steps.map(({ operation }) => operation), steps: steps.map(({ step }) => step) };
}

/** What makes rows that are there what is described. */
export function stepsOf(
  table: TableName,
  described: ReadonlyMap<string, DescribedRow>,
  existing: Iterable<Row>,
  level: number,
): ReturnType<typeof stepOf>[] {
  const before = new Map([...existing].map((row) => [row.id, row]));
  const ids = [...new Set([...before.keys(), ...described.keys()])].sort((a, b) => a < b ? -1 : a > b ? 1 : 0);
  return ids.flatMap((id) => {
    const row = before.get(id);
    const wanted = described.get(id);
    const difference = rowDifference(table, row, wanted && wholeRow(table, id, wanted.values, row, level));
    return difference === undefined ? [] : [stepOf(difference)];
  });
}

/** A row with what it does not mention at its default, as validation fills it in. */
function wholeRow(table: TableName, id: string, values: Readonly<Record<string, Scalar>>, existing: Row | undefined, level: number): Row {
  const parts = idParts(table, id, tables);
  const row: Record<string, Scalar> & { id: string } = { id };
  for (const [column, rule] of Object.entries<ColumnRule>(tables[table].columns)) {
    const value = values[column] ?? (rule.secret ? existing?.[column] : undefined) ?? null;
    const has = rule.only === undefined || rule.only.values.includes(row[rule.only.column] as string);
    if (value !== null) row[column] = value;
    else if (rule.since <= level) row[column] = has ? parts?.get(column)?.value ?? rule.default ?? null : null;
  }
  return row;
}

/** The document of all rows: what is at its default is left out, ids are in order, sections without rows are empty. */
export function exportDocument(reader: ConfigReader, options: { readonly secrets: boolean }): JsonObject {
  const document: Record<string, unknown> = {};
  for (const table of documentSections) {
    const { only } = tables[table];
    const row = only === undefined ? undefined : reader.row(table, only);
    if (only === undefined) document[table] = exportRows(table, reader.rows(table), reader, options);
    else if (row !== undefined) document[table] = exportRow(table, row, reader, options);
  }
  return document;
}

/** Rows of one table as the document has them. */
export function exportRows(table: TableName, rows: Iterable<Row>, reader: ConfigReader, options: { readonly secrets: boolean }): unknown {
  const sorted = [...rows].sort((a, b) => a.id < b.id ? -1 : 1);
  if (tables[table].parent?.listOf !== undefined) return sorted.map(({ id }) => idEnd(table, id, tables));
  return Object.fromEntries(sorted.map((row) => [idEnd(table, row.id, tables), exportRow(table, row, reader, options)]));
}

/** A row, and what belongs to it, as the document has it. */
export function exportRow(table: TableName, row: Row, reader: ConfigReader, options: { readonly secrets: boolean }): unknown {
  const rule = tables[table];
  if (rule.settings !== undefined) return JSON.parse(String(row["value"]));
  const json: Record<string, unknown> = {};
  const parts = idParts(table, row.id, tables);
  for (const [column, of] of Object.entries<ColumnRule>(rule.columns)) {
    const value = row[column] ?? null;
    if (value === null || value === (parts?.get(column)?.value ?? of.default) || (of.secret && !options.secrets)) continue;
    json[column] = jsonOfValue(of, value);
  }
  for (const child of tablesWithin(table)) {
    const { column = "", section = "" } = tables[child].parent ?? {};
    const rows = reader.rowsWith(child, column, row.id);
    if (rows.length > 0) json[section] = exportRows(child, rows, reader, options);
  }
  return json;
}

/** A document as text for people: what fits on a line stands on one. */
export function documentText(document: unknown): string {
  return `${jsonLines(document, "")}\n`;
}

const lineLengthMax = 110;

function jsonLines(value: unknown, indent: string, before = indent.length): string {
  const flat = flatJson(value);
  const isShallow = !isObject(value) || Object.values(value).every((each) => typeof each !== "object" || Array.isArray(each));
  if (typeof value !== "object" || value === null || (isShallow && before + flat.length <= lineLengthMax)) return flat;
  const deeper = `${indent}  `;
  if (Array.isArray(value)) return `[\n${value.map((each) => deeper + jsonLines(each, deeper)).join(",\n")}\n${indent}]`;
  const members = Object.entries(value).map(([key, each]) => {
    const name = `${deeper}${JSON.stringify(key)}: `;
    return name + jsonLines(each, deeper, name.length);
  });
  return members.length === 0 ? "{}" : `{\n${members.join(",\n")}\n${indent}}`;
}

function flatJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(flatJson).join(", ")}]`;
  if (!isObject(value)) return JSON.stringify(value);
  const members = Object.entries(value).map(([key, each]) => `${JSON.stringify(key)}: ${flatJson(each)}`);
  return members.length === 0 ? "{}" : `{ ${members.join(", ")} }`;
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A value of JSON on one line, cut where it is long. */
function shownJson(value: unknown): string {
  const text = JSON.stringify(value) ?? "absent";
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
