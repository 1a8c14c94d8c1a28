/**
 * Single places of the declarative document by a path that a shell leaves alone: `cards.1/2.name`, `policies.failback`,
 * `failoverSets.front.members.1/1.rank`, `resources.web.environment.LOG_LEVEL`. The parts are keys of the document, with dots between them.
 */
import { isJsonMistake, parseJson } from "../base/json-text.ts";
import { nearest } from "../base/nearest.ts";
import type { Operation, Row } from "./change.ts";
import {
  type DescribedRow,
  describeRow,
  describeRows,
  type DocumentPlan,
  documentSections,
  exportDocument,
  exportRow,
  exportRows,
  stepsOf,
  tablesWithin,
} from "./document.ts";
import { idEnd, idParts } from "./ids.ts";
import type { ConfigReader } from "./reader.ts";
import { configuredTables, isSaidById, rowDifference, stepOf } from "./row-difference.ts";
import { type ColumnRule, rightOf, type TableName } from "./rules.ts";
import { tables } from "./tables.ts";
import { isWrong, jsonOfValue, shownValue, valueOfJson } from "./values.ts";

/** What a path means. */
export type DocumentPlace =
  | { readonly kind: "document" }
  /** A table, or the rows of it that belong to the row `parent`. */
  | { readonly kind: "section"; readonly table: TableName; readonly parent?: string }
  | { readonly kind: "row"; readonly table: TableName; readonly id: string }
  | { readonly kind: "column"; readonly table: TableName; readonly id: string; readonly column: string }
  /** One text of a column that has them by name. */
  | { readonly kind: "entry"; readonly table: TableName; readonly id: string; readonly column: string; readonly key: string };

export type PathMistake = { readonly mistake: string };

export function isPathMistake(value: object): value is PathMistake {
  return "mistake" in value;
}

/** The place that a path means; whether there is anything is not looked at. An empty path means the whole document. */
export function documentPlace(path: string): DocumentPlace | PathMistake {
  if (path === "") return { kind: "document" };
  const parts = path.split(".");
  const section = parts.shift() as string;
  const table = documentSections.find((name) => name === section);
  if (table === undefined) return unknown(section, "section", documentSections);
  const { only } = tables[table];
  return only === undefined ? placeInSection(table, undefined, parts) : placeInRow(table, only, parts);
}

function placeInSection(table: TableName, parent: string | undefined, parts: readonly string[]): DocumentPlace | PathMistake {
  const [end, ...rest] = parts;
  if (end === undefined) return { kind: "section", table, ...parent === undefined ? {} : { parent } };
  const id = parent === undefined ? end : `${parent}/${end}`;
  const { settings, id: { text } } = tables[table];
  if (settings !== undefined && !Object.hasOwn(settings, end)) return unknown(end, "setting", Object.keys(settings));
  if (idParts(table, id, tables) === undefined) return { mistake: `${shownValue(end)} is no id in ${table}, must be ${text.right}` };
  return placeInRow(table, id, rest);
}

function placeInRow(table: TableName, id: string, parts: readonly string[]): DocumentPlace | PathMistake {
  const [key, ...rest] = parts;
  if (key === undefined) return { kind: "row", table, id };
  const { settings, columns } = tables[table];
  const child = tablesWithin(table).find((name) => tables[name].parent?.section === key);
  if (child !== undefined) return placeInSection(child, id, rest);
  const isKnown = settings === undefined && Object.hasOwn(columns, key) && !isSaidById(table, key);
  if (!isKnown) {
    if (settings !== undefined) return { mistake: `${table}.${id} is a single value, and has no ${shownValue(key)}` };
    return unknown(key, `column of ${table}`, namesInRow(table));
  }
  const [entry, ...more] = rest;
  if (entry === undefined) return { kind: "column", table, id, column: key };
  if (columns[key]?.kind !== "map" || more.length > 0) {
    return { mistake: `${table}.${id}.${key} is a single value, and has no ${shownValue(entry)}` };
  }
  return { kind: "entry", table, id, column: key, key: entry };
}

function unknown(word: string, what: string, known: readonly string[]): PathMistake {
  const meant = nearest(word, known);
  return {
    mistake: `${shownValue(word)} is no ${what}; ${meant === undefined ? `there are ${known.join(", ")}` : `did you mean ${meant}?`}`,
  };
}

/** What stands at a path, as the document has it; null for a column that is not set, the default for a setting that is not. */
export function valueAtPath(
  path: string,
  reader: ConfigReader,
  options: { readonly secrets: boolean },
): { readonly value: unknown } | PathMistake {
  const place = documentPlace(path);
  if (isPathMistake(place)) return place;
  switch (place.kind) {
    case "document":
      return { value: exportDocument(reader, options) };
    case "section": {
      const rows = rowsOfSection(place.table, place.parent, reader);
      return "mistake" in rows ? rows : { value: exportRows(place.table, rows.rows, reader, options) };
    }
    case "row": {
      const row = reader.row(place.table, place.id);
      const setting = tables[place.table].settings?.[place.id];
      if (row === undefined && setting !== undefined) return { value: jsonOfValue(setting, setting.default ?? null) };
      return row === undefined ? absent(place.table, place.id, reader) : { value: exportRow(place.table, row, reader, options) };
    }
    case "column":
    case "entry": {
      const row = reader.row(place.table, place.id);
      const rule = ruleOf(place);
      if (row === undefined) return absent(place.table, place.id, reader);
      if (rule.secret && !options.secrets) return { mistake: `${path} is a secret, and is not shown` };
      const value = jsonOfValue(rule, row[place.column] ?? null);
      if (place.kind === "column") return { value };
      const entries = (value ?? {}) as Readonly<Record<string, unknown>>;
      return { value: Object.hasOwn(entries, place.key) ? entries[place.key] : null };
    }
  }
}

/**
 * What gives the place of a path the value that `text` says: plain text, a number, true or false for a column, with commas between several texts, or
 * JSON; for a row or a section JSON, which is then all there is of it.
 */
export function settingAtPath(path: string, text: string, reader: ConfigReader, level: number): DocumentPlan | PathMistake {
  const place = documentPlace(path);
  if (isPathMistake(place)) return place;
  switch (place.kind) {
    case "document":
      return { mistake: "the whole document is set with `cardinal config apply FILE`" };
    case "section":
    case "row": {
      const setting = place.kind === "row" ? tables[place.table].settings?.[place.id] : undefined;
      const json = setting === undefined ? partOfText(place, text) : valueOfText(setting, text);
      return "mistake" in json ? { mistake: `${path} ${json.mistake}` } : described(place, path, json.value, reader, level);
    }
    case "column":
    case "entry": {
      const row = reader.row(place.table, place.id);
      const rule = ruleOf(place);
      if (row === undefined) return absent(place.table, place.id, reader);
      const entries = place.kind === "entry" ? jsonOfValue(rule, row[place.column] ?? null) ?? {} : undefined;
      const json = entries === undefined ? valueOfText(rule, text) : { value: { ...entries, [(place as { key: string }).key]: text } };
      if ("mistake" in json) return { mistake: `${path} ${json.mistake}` };
      const value = valueOfJson(rule, json.value);
      if (isWrong(value)) return { mistake: `${path} is ${shownValue(text)}, must be ${value.right}` };
      return planOf([rowDifference(place.table, row, { ...row, [place.column]: value })]);
    }
  }
}

/** What takes away what stands at a path: a row with all that belongs to it, the rows of a section; a column goes back to its default. */
export function unsettingAtPath(path: string, reader: ConfigReader): DocumentPlan | PathMistake {
  const place = documentPlace(path);
  if (isPathMistake(place)) return place;
  switch (place.kind) {
    case "document":
      return { mistake: "the whole configuration cannot be taken away; name a section, a row or a column, such as cards.1/2.name" };
    case "section": {
      const found = rowsOfSection(place.table, place.parent, reader);
      return "mistake" in found
        ? found
        : planOf(withinRows(place.table, found.rows, reader).map(({ table, row }) => rowDifference(table, row, undefined)));
    }
    case "row": {
      const row = reader.row(place.table, place.id);
      if (row === undefined) return absent(place.table, place.id, reader);
      return planOf(withinRows(place.table, [row], reader).map(({ table, row }) => rowDifference(table, row, undefined)));
    }
    case "column":
    case "entry": {
      const row = reader.row(place.table, place.id);
      const rule = ruleOf(place);
      if (row === undefined) return absent(place.table, place.id, reader);
      let value = idParts(place.table, place.id, tables)?.get(place.column)?.value ?? rule.default ?? null;
      if (place.kind === "entry") {
        const { [place.key]: _, ...entries } = (jsonOfValue(rule, row[place.column] ?? null) ?? {}) as Record<string, unknown>;
        value = Object.keys(entries).length === 0 ? null : JSON.stringify(entries);
      }
      return planOf([rowDifference(place.table, row, { ...row, [place.column]: value })]);
    }
  }
}

/** What the place of a path means, for help. */
export type PathMeaning = { readonly about: string; readonly right: string; readonly default?: unknown; readonly since: number };

export function meaningOfPath(path: string): PathMeaning | PathMistake {
  const place = documentPlace(path);
  if (isPathMistake(place)) return place;
  if (place.kind === "document") {
    return { about: "The whole configuration.", right: `an object of the sections ${documentSections.join(", ")}`, since: 1 };
  }
  const { about, since, settings, id } = tables[place.table];
  switch (place.kind) {
    case "section":
      return { about, right: `rows by their ids. ${id.about} It is ${id.text.right}`, since };
    case "row": {
      const setting = settings?.[place.id];
      return setting === undefined ? { about, right: `an object of ${namesInRow(place.table).join(", ")}`, since } : meaningOf(setting);
    }
    case "column":
      return meaningOf(ruleOf(place));
    case "entry": {
      const rule = ruleOf(place);
      return { ...meaningOf(rule), right: rule.kind === "map" ? rule.text.right : rightOf(rule) };
    }
  }
}

function meaningOf(rule: ColumnRule): PathMeaning {
  const fallback = rule.default === undefined ? {} : { default: jsonOfValue(rule, rule.default) };
  return { about: rule.about, right: rightOf(rule), since: rule.since, ...fallback };
}

/** The paths that `typed` may go on as, for completion: the last part is completed. */
export function completionsOfPath(typed: string, reader: ConfigReader): string[] {
  const dot = typed.lastIndexOf(".");
  const [before, begun] = [typed.slice(0, Math.max(0, dot)), typed.slice(dot + 1)];
  const place = dot < 0 ? { kind: "document" } as const : documentPlace(before);
  if (isPathMistake(place)) return [];
  return partsWithin(place, reader).filter((part) => part.startsWith(begun)).map((part) => dot < 0 ? part : `${before}.${part}`).sort();
}

function partsWithin(place: DocumentPlace, reader: ConfigReader): readonly string[] {
  switch (place.kind) {
    case "document":
      return documentSections;
    case "section": {
      const { settings } = tables[place.table];
      if (settings !== undefined) return Object.keys(settings);
      const found = rowsOfSection(place.table, place.parent, reader);
      return "mistake" in found ? [] : found.rows.map(({ id }) => idEnd(place.table, id, tables));
    }
    case "row":
      return tables[place.table].settings === undefined ? namesInRow(place.table) : [];
    case "column": {
      const rule = ruleOf(place);
      const value = reader.row(place.table, place.id)?.[place.column] ?? null;
      return rule.kind === "map" ? Object.keys((jsonOfValue(rule, value) ?? {}) as object) : [];
    }
    case "entry":
      return [];
  }
}

/** What a row has in the document: what belongs to it, and its columns. */
function namesInRow(table: TableName): string[] {
  const within = tablesWithin(table).map((name) => tables[name].parent?.section as string);
  return [...within, ...Object.keys(tables[table].columns).filter((name) => !isSaidById(table, name))];
}

function ruleOf({ table, column }: { readonly table: TableName; readonly column: string }): ColumnRule {
  return tables[table].columns[column] as ColumnRule;
}

function absent(table: TableName, id: string, reader: ConfigReader): PathMistake {
  const ids = [...reader.rows(table)].map((row) => row.id);
  const meant = nearest(id, ids);
  return {
    mistake: `there is no ${id} in ${table}; ${
      meant === undefined ? `set it as a whole to make it, such as with '{}'` : `did you mean ${meant}?`
    }`,
  };
}

function rowsOfSection(
  table: TableName,
  parent: string | undefined,
  reader: ConfigReader,
): { readonly rows: readonly Row[] } | PathMistake {
  const of = tables[table].parent;
  if (of === undefined || parent === undefined) return { rows: [...reader.rows(table)] };
  return reader.row(of.table, parent) === undefined
    ? absent(of.table, parent, reader)
    : { rows: reader.rowsWith(table, of.column, parent) };
}

/** Rows and all that belongs to them. */
function withinRows(table: TableName, rows: readonly Row[], reader: ConfigReader): { readonly table: TableName; readonly row: Row }[] {
  return rows.flatMap((row) => [
    { table, row },
    ...tablesWithin(table).flatMap((child) =>
      withinRows(child, reader.rowsWith(child, tables[child].parent?.column as string, row.id), reader)
    ),
  ]);
}

function planOf(differences: readonly ReturnType<typeof rowDifference>[]): DocumentPlan {
  const steps = differences.flatMap((difference) => difference === undefined ? [] : [stepOf(difference)]);
  return { operations: steps.map(({ operation }): Operation => operation), steps: steps.map(({ step }) => step) };
}

/** A row or a section as JSON; a list of ids also as they are, with commas between them. */
function partOfText(place: DocumentPlace & { readonly table: TableName }, text: string): { readonly value: unknown } | PathMistake {
  if (place.kind === "section" && tables[place.table].parent?.listOf !== undefined && !text.trimStart().startsWith("[")) {
    return { value: words(text, ",") };
  }
  const json = parseJson(text, { comments: true });
  if (!isJsonMistake(json)) return { value: json.value };
  return { mistake: `must be JSON, such as '{}': at ${json.place.line}:${json.place.column} found ${json.message}` };
}

function described(
  place: { readonly kind: "section"; readonly table: TableName; readonly parent?: string } | {
    readonly kind: "row";
    readonly table: TableName;
    readonly id: string;
  },
  path: string,
  value: unknown,
  reader: ConfigReader,
  level: number,
): DocumentPlan | PathMistake {
  const rows = new Map<TableName, Map<string, DescribedRow>>();
  const mistakes: string[] = [];
  const report = (_: unknown, message: string) => mistakes.push(message);
  const parts = path.split(".");
  let existing: readonly Row[];
  if (place.kind === "row") {
    const row = reader.row(place.table, place.id);
    existing = row === undefined ? [] : [row];
    describeRow(place.table, place.id, value, parts, rows, report);
  } else {
    const found = rowsOfSection(place.table, place.parent, reader);
    if ("mistake" in found) return found;
    existing = found.rows;
    describeRows(place.table, place.parent, value, parts, rows, report);
  }
  if (mistakes.length > 0) return { mistake: mistakes.join("\n") };
  const before = withinRows(place.table, existing, reader);
  const steps = configuredTables.flatMap((table) => {
    const ofTable = before.filter((each) => each.table === table).map(({ row }) => row);
    return stepsOf(table, rows.get(table) ?? new Map(), ofTable, level);
  });
  return { operations: steps.map(({ operation }) => operation), steps: steps.map(({ step }) => step) };
}

/** What somebody typed for a value, as the document would have it. */
export function valueOfText(rule: ColumnRule, text: string): { readonly value: unknown } | PathMistake {
  const wrong = { mistake: `is ${shownValue(text)}, must be ${rightOf(rule)}` };
  switch (rule.kind) {
    case "text":
    case "choice":
    case "reference":
      return { value: text };
    case "whole":
      return /^-?[0-9]{1,16}$/.test(text.trim()) ? { value: Number(text) } : wrong;
    case "flag": {
      const word = text.trim().toLowerCase();
      if (["true", "yes", "on", "1"].includes(word)) return { value: true };
      return ["false", "no", "off", "0"].includes(word) ? { value: false } : wrong;
    }
    case "texts":
      if (!text.trimStart().startsWith("[")) return { value: words(text, rule.repeats ? /\s+/ : ",") };
      return jsonOfText(text, wrong);
    case "map": {
      if (text.trimStart().startsWith("{")) return jsonOfText(text, wrong);
      const entries = words(text, ",").map((word) => /^([^=]*)=(.*)$/s.exec(word));
      return entries.includes(null) ? wrong : { value: Object.fromEntries(entries.map((entry) => [entry?.[1] ?? "", entry?.[2] ?? ""])) };
    }
    case "setting":
      return jsonOfText(text, wrong);
  }
}

function words(text: string, separator: string | RegExp): string[] {
  return text.split(separator).map((word) => word.trim()).filter((word) => word !== "");
}

function jsonOfText(text: string, wrong: PathMistake): { readonly value: unknown } | PathMistake {
  const json = parseJson(text);
  return isJsonMistake(json) ? wrong : { value: json.value };
}
