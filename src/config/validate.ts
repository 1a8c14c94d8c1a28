/**
 * Whether a wish is right, proven once, on the card that plans it, for all cards: one pure function of the tables and the wish (FS-4). The
 * operations of a wish are judged together, as if they came at once, so their order means nothing. What it costs follows the
 * operations, not the tables.
 *
 * 1. Each operation by itself: table, id, columns, values. Defaults are filled in, values brought into their one form.
 * 2. The rows laid over the tables: references both ways, what is unique, counts.
 * 3. What must hold between rows: `invariants.ts`.
 * 4. What nobody could serve any more: `servable.ts`.
 * 5. The row of the audit, if anything changes at all.
 */
import type { CardId } from "../base/ids.ts";
import { cardName } from "../base/ids.ts";
import { nearest } from "../base/nearest.ts";
import { configFindingsMax, wishOperationsMax } from "../limits.ts";
import { auditOperations } from "./audit.ts";
import type { ConfigRefusal, Operation, Row, Scalar } from "./change.ts";
import { type IdParts, idParts, idRight, referencesTo } from "./ids.ts";
import { checkInvariants, type ReportInvariant } from "./invariants.ts";
import type { ConfigReader } from "./reader.ts";
import { type ColumnRule, type TableName, tableNames, type TableRule } from "./rules.ts";
import { checkServable } from "./servable.ts";
import { tables as allTables } from "./tables.ts";
import { type RowChange, TablesAfter } from "./tables-after.ts";
import { checkedSetting, checkedValue, isWrong, shownValue } from "./values.ts";

export type ValidationContext = {
  /** The chain's level: what is of a higher one cannot be stored by all cards. */
  readonly level: number;
  /** The cards whose software is why the level is no higher, for the message. */
  readonly olderCards?: readonly CardId[];
  /** The sequence that the change will have: one more than the head that it builds upon. */
  readonly sequence: number;
  /** For the audit: who asked, why, the card that plans, and its wall clock in milliseconds since 1970. */
  readonly author: string;
  readonly comment: string;
  readonly card: CardId;
  readonly time: number;
};

/**
 * What is to be done instead of what was wished: whole rows in their final form, and the audit's. The rows of one list belong into one
 * transaction, in any order. Empty when the wish has no effect.
 */
export type Validated = { readonly kind: "validated"; readonly operations: readonly Operation[] };

/** All that is wrong with a wish, at least one, or the first of it when it is much. */
export type Refused = { readonly kind: "refused"; readonly refusals: readonly [ConfigRefusal, ...ConfigRefusal[]] };

export function validate(reader: ConfigReader, operations: readonly Operation[], context: ValidationContext): Validated | ConfigRefusal {
  const judged = judge(reader, operations, context);
  return judged.kind === "refused" ? judged.refusals[0] : judged;
}

/** As `validate`, with all that is wrong. */
export function judge(
  reader: ConfigReader,
  operations: readonly Operation[],
  context: ValidationContext,
  tables: Readonly<Record<TableName, TableRule>> = allTables,
): Validated | Refused {
  return new Judgement(reader, context, tables).of(operations);
}

/** What is wrong with whole tables, as lines; for proving a store. */
export function tableFindings(reader: ConfigReader, level: number): string[] {
  const nothing: ConfigReader = { row: () => undefined, rowsWith: () => [], count: () => 0, rows: () => [] };
  const context = { level, sequence: 0, author: "", comment: "", card: 1 as CardId, time: 0 };
  const names = tableNames.filter((name) => allTables[name].since <= level && !allTables[name].internal);
  const operations = names.flatMap((table) => [...reader.rows(table)].map((row): Operation => ({ kind: "put", table, row })));
  const judged = new Judgement(nothing, context, allTables).of(operations, "tables");
  if (judged.kind === "refused") return judged.refusals.map(({ message }) => message);
  // Out of nothing every row is made, so what is right comes in the order of what is there.
  return operations.flatMap((operation, index) => {
    const right = judged.operations[index];
    if (operation.kind !== "put" || right?.kind !== "put" || isSameRow(operation.row, right.row)) return [];
    const { row } = operation;
    const column = Object.keys(right.row).find((name) => row[name] !== right.row[name]) ?? "";
    return [`${right.table} ${row.id}: ${column} is ${shownValue(row[column])}, must be kept as ${shownValue(right.row[column])}`];
  });
}

export function isSameRow(one: Row, other: Row): boolean {
  for (const column in one) if ((one[column] ?? null) !== (other[column] ?? null)) return false;
  for (const column in other) if ((one[column] ?? null) !== (other[column] ?? null)) return false;
  return true;
}

type Place = { readonly operation: number; readonly table: string; readonly id?: string; readonly column?: string | undefined };

class Judgement {
  readonly #reader: ConfigReader;
  readonly #context: ValidationContext;
  readonly #tables: Readonly<Record<TableName, TableRule>>;
  readonly #after: TablesAfter;
  readonly #findings: ConfigRefusal[] = [];

  constructor(reader: ConfigReader, context: ValidationContext, tables: Readonly<Record<TableName, TableRule>>) {
    this.#reader = reader;
    this.#context = context;
    this.#tables = tables;
    this.#after = new TablesAfter(reader);
  }

  /** `as` whole tables, which are made out of nothing here, they may be of any number, and what nobody can serve is no damage. */
  of(operations: readonly Operation[], as: "wish" | "tables" = "wish"): Validated | Refused {
    const refused = (code: ConfigRefusal["code"], message: string): Refused => ({ kind: "refused", refusals: [{ code, message }] });
    if (!Array.isArray(operations)) return refused("invalid", "a wish's operations are no list");
    if (as === "wish" && operations.length > wishOperationsMax) {
      return refused("bounds", `a wish of ${operations.length} operations; at most ${wishOperationsMax} are one change, so make several`);
    }
    for (const [index, operation] of (operations as readonly unknown[]).entries()) this.#layOperation(index, operation);
    if (this.#findings.length === 0) {
      for (const change of this.#after.changes()) this.#checkRelations(change);
      this.#checkCounts();
    }
    const report: ReportInvariant = ({ operation, table, id }, column, text) =>
      this.#report("invalid", { operation, table, id, column }, text);
    if (this.#findings.length === 0) checkInvariants(this.#after, report);
    if (this.#findings.length === 0 && as === "wish") checkServable(this.#after, report);
    const [first, ...more] = this.#findings;
    if (first !== undefined) return { kind: "refused", refusals: [first, ...more] };
    const changes = [...this.#after.changes()].filter(({ before, after }) =>
      before === undefined || after === undefined || !isSameRow(before, after)
    ).sort((a, b) => a.operation - b.operation);
    if (changes.length === 0) return { kind: "validated", operations: [] };
    const rows = changes.map(({ table, id, after }): Operation =>
      after === undefined ? { kind: "remove", table, id } : { kind: "put", table, row: after }
    );
    return { kind: "validated", operations: [...rows, ...auditOperations(this.#reader, changes, this.#context)] };
  }

  #report(code: ConfigRefusal["code"], { operation, table, id, column }: Place, text: string): void {
    if (this.#findings.length >= configFindingsMax) return;
    const subject = [table, ...id === undefined ? [] : [id]].join(" ");
    const message = `${subject}: ${column === undefined ? "" : `${column} `}${text}`;
    this.#findings.push({
      code,
      message,
      operation,
      table,
      ...id === undefined ? {} : { id },
      ...column === undefined ? {} : { column },
    });
  }

  /** Who stands in the way of something newer. */
  #tooNew(since: number): string {
    const { level, olderCards = [] } = this.#context;
    const cards = olderCards.map(cardName);
    const many = `cards ${cards.join(", ")} have`;
    const who = cards.length === 0 ? "a card of the system has" : cards.length === 1 ? `card ${cards[0]} has` : many;
    return `needs level ${since}, and the system is at level ${level}: ${who} older software; update it first`;
  }

  #layOperation(index: number, operation: unknown): void {
    const broken = (text: string) => this.#report("invalid", { operation: index, table: `operation ${index + 1}` }, text);
    if (!isRecord(operation)) return broken("is no operation, must be a put of a row or a remove of an id");
    const { kind } = operation;
    if (kind !== "put" && kind !== "remove") return broken(`kind is ${shownValue(kind)}, must be put or remove`);
    const table = tableNames.find((name) => name === operation["table"]);
    if (table === undefined) {
      const meant = typeof operation["table"] === "string" ? nearest(operation["table"], tableNames) : undefined;
      const hint = meant === undefined ? `the tables are ${tableNames.join(", ")}` : `did you mean ${meant}?`;
      return broken(`table ${shownValue(operation["table"])} is none; ${hint}`);
    }
    const rule = this.#tables[table];
    if (rule.internal) return this.#report("invalid", { operation: index, table }, "is written by the changes themselves, not by wishes");
    if (rule.since > this.#context.level) return this.#report("too-new", { operation: index, table }, this.#tooNew(rule.since));
    const row = kind === "put" ? operation["row"] : operation;
    if (!isRecord(row)) return this.#report("invalid", { operation: index, table }, "row is missing, must be an object with an id");
    const id = row["id"];
    const parts = typeof id === "string" ? idParts(table, id, this.#tables) : undefined;
    if (typeof id !== "string" || parts === undefined) {
      return this.#report("invalid", { operation: index, table }, `id is ${shownValue(id)}, must be ${idRight(table, this.#tables)}`);
    }
    const place = { operation: index, table, id };
    const earlier = this.#after.change(table, id);
    if (earlier !== undefined) {
      const both = `operations ${earlier.operation + 1} and ${index + 1}`;
      return this.#report("invalid", place, `is named by ${both}; one operation of a wish is for one row`);
    }
    const before = this.#reader.row(table, id);
    if (kind === "put") {
      const after = this.#rowOf(place, table, rule, row, before, parts);
      if (after !== undefined) this.#after.lay({ table, id, operation: index, before, after });
      return;
    }
    if (before === undefined) {
      return this.#report("invalid", place, `is not there, so it cannot be removed${this.#meant(this.#reader, table, id)}`);
    }
    if (rule.only !== undefined) return this.#report("invalid", place, "cannot be removed; set its columns to null instead");
    this.#after.lay({ table, id, operation: index, before, after: undefined });
  }

  /** The row as it is to be, or undefined with what is wrong reported. */
  #rowOf(
    place: Place & { readonly id: string },
    table: TableName,
    rule: TableRule,
    given: Readonly<Record<string, unknown>>,
    before: Row | undefined,
    parts: IdParts,
  ): Row | undefined {
    const count = this.#findings.length;
    const setting = rule.settings === undefined ? undefined : ownValue(rule.settings, place.id);
    if (rule.settings !== undefined) {
      if (setting === undefined) {
        const meant = nearest(place.id, Object.keys(rule.settings));
        const hint = meant === undefined ? `the settings are ${Object.keys(rule.settings).join(", ")}` : `did you mean ${meant}?`;
        this.#report("invalid", place, `is no setting; ${hint}`);
        return undefined;
      }
      if (setting.since > this.#context.level) {
        this.#report("too-new", place, this.#tooNew(setting.since));
        return undefined;
      }
    }
    for (const column of Object.keys(given)) {
      if (column === "id") continue;
      const known = ownValue(rule.columns, column);
      if (known === undefined) {
        const names = Object.keys(rule.columns);
        const meant = nearest(column, names);
        const hint = meant === undefined ? `the columns are ${names.join(", ")}` : `did you mean ${meant}?`;
        this.#report("invalid", place, `${JSON.stringify(column.slice(0, 40))} is no column of ${table}; ${hint}`);
      } else if (known.since > this.#context.level && given[column] !== null) {
        this.#report("too-new", { ...place, column }, this.#tooNew(known.since));
      }
    }
    const row: Record<string, Scalar> & { id: string } = { id: place.id };
    // A column that decides on others comes before them in its table.
    for (const [column, known] of Object.entries(rule.columns)) {
      if (known.since > this.#context.level) continue;
      row[column] = this.#valueOf({ ...place, column }, known, setting, given, before, row, parts);
    }
    return this.#findings.length === count ? row : undefined;
  }

  #valueOf(
    place: Place & { readonly column: string },
    rule: ColumnRule,
    setting: ColumnRule | undefined,
    given: Readonly<Record<string, unknown>>,
    before: Row | undefined,
    row: Readonly<Record<string, Scalar>>,
    parts: IdParts,
  ): Scalar {
    const { column } = place;
    const wished = Object.hasOwn(given, column) ? given[column] : undefined;
    const derived = parts.get(column);
    const has = rule.only === undefined || rule.only.values.includes(row[rule.only.column] as string);
    if (!has) {
      if (wished === undefined || wished === null) return null;
      const { column: by, values } = rule.only as { column: string; values: readonly string[] };
      this.#report("invalid", place, `is ${shownValue(wished)}, must be left out: only a row whose ${by} is ${values.join(" or ")} has it`);
      return null;
    }
    // What is not given stays; null takes it back to what it is by default.
    const value = wished === undefined ? before?.[column] : wished;
    if (value === undefined || value === null) {
      const fallback = derived?.value ?? rule.default ?? null;
      if (fallback === null && rule.required) this.#report("invalid", place, `is missing, must be ${wordsOf(rule)}`);
      return fallback;
    }
    const checked = rule.kind === "setting" && setting !== undefined ? checkedSetting(setting, value) : checkedValue(rule, value);
    if (isWrong(checked)) {
      this.#report("invalid", place, `is ${shownValue(value)}, must be ${checked.right}`);
      return null;
    }
    if (derived?.always && checked !== derived.value) {
      this.#report("invalid", place, `is ${shownValue(value)}, must be ${shownValue(derived.value)} as its id says`);
    } else if (rule.fixed && before !== undefined && before[column] !== checked) {
      this.#report(
        "invalid",
        place,
        `is ${shownValue(checked)}, must stay ${shownValue(before[column])}; remove the row and make another one under a new id`,
      );
    }
    return checked;
  }

  #checkRelations(change: RowChange): void {
    const { table, id, operation, before, after } = change;
    const place = { operation, table, id };
    if (after === undefined) {
      for (const { from, column } of referencesTo(table, this.#tables)) {
        if (this.#tables[from].since > this.#context.level) continue;
        const [referring, ...more] = this.#after.rowsWith(from, column, id);
        if (referring === undefined) continue;
        const others = more.length === 0 ? " refers" : ` and ${more.length} more refer`;
        this.#report("invalid", place, `cannot be removed while ${from} ${referring.id}${others} to it (${column})`);
      }
      return;
    }
    const rule = this.#tables[table];
    for (const [column, known] of Object.entries(rule.columns)) {
      const value = after[column] ?? null;
      if (known.kind !== "reference" || typeof value !== "string") continue;
      // What was referred to before is there, or its removal is what is wrong.
      if (before?.[column] === value) continue;
      const target = this.#after.row(known.to, value);
      if (target === undefined) {
        const meant = this.#meant(this.#after, known.to, value);
        this.#report("invalid", { ...place, column }, `is ${shownValue(value)}, and there is no such row in ${known.to}${meant}`);
      } else if (known.where !== undefined && !known.where.values.includes(target[known.where.column] as string)) {
        const is = shownValue(target[known.where.column]);
        this.#report(
          "invalid",
          { ...place, column },
          `is ${shownValue(value)}, whose ${known.where.column} is ${is}, must be one whose ${known.where.column} is ${
            known.where.values.join(" or ")
          }`,
        );
      }
    }
    for (const { columns, about } of rule.unique ?? []) {
      if (columns.some((column) => (after[column] ?? null) === null)) continue;
      if (before !== undefined && columns.every((column) => before[column] === after[column])) continue;
      const other = this.#after.rowsWith(table, columns[0] as string, after[columns[0] as string] as Scalar)
        .find((row) => row.id !== id && columns.every((column) => row[column] === after[column]));
      if (other === undefined) continue;
      const column = Object.keys(rule.columns).findLast((name) => columns.includes(name)) as string;
      this.#report(
        "invalid",
        { ...place, column },
        `is ${shownValue(after[column])}, which ${table} ${other.id} has; ${about} is there once`,
      );
    }
  }

  #checkCounts(): void {
    for (const table of tableNames) {
      const { rowsMax, internal } = this.#tables[table];
      if (internal) continue;
      const made = [...this.#after.changesOf(table)].filter(({ before, after }) => before === undefined && after !== undefined);
      const last = made.at(-1);
      if (last === undefined) continue;
      const count = this.#after.count(table);
      if (count > rowsMax) {
        this.#report(
          "bounds",
          { operation: last.operation, table, id: last.id },
          `would be row ${count}, and ${table} has at most ${rowsMax}`,
        );
      }
    }
  }

  #meant(reader: ConfigReader, table: TableName, id: string): string {
    const ids: string[] = [];
    for (const row of reader.rows(table)) ids.push(row.id);
    const meant = nearest(id, ids);
    if (meant !== undefined) return `; did you mean ${meant}?`;
    if (ids.length === 0) return `; ${table} is empty`;
    return ids.length <= 8 ? `; there are ${ids.join(", ")}` : "";
  }
}

function wordsOf(rule: ColumnRule): string {
  const wrong = checkedValue(rule, undefined);
  return isWrong(wrong) ? wrong.right : "";
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function ownValue<Value>(record: Readonly<Record<string, Value>>, key: string): Value | undefined {
  return Object.hasOwn(record, key) ? record[key] : undefined;
}
