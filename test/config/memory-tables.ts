/** The tables of the configuration in memory: what a store does, by the plainest means. */
import type { Operation, Row, Scalar } from "../../src/config/change.ts";
import type { ConfigReader } from "../../src/config/reader.ts";
import type { TableName } from "../../src/config/rules.ts";
import { validate, type ValidationContext } from "../../src/config/validate.ts";
import type { CardId } from "../../src/base/ids.ts";

export const context: ValidationContext = {
  level: 1,
  sequence: 1,
  author: "alice",
  comment: "because",
  card: 2 as CardId,
  time: 1_700_000_000_000,
};

export class MemoryTables implements ConfigReader {
  readonly #tables = new Map<TableName, Map<string, Row>>();
  #sequence = 0;

  row(table: TableName, id: string): Row | undefined {
    return this.#tables.get(table)?.get(id);
  }

  rowsWith(table: TableName, column: string, value: Scalar): Row[] {
    return [...this.#tables.get(table)?.values() ?? []].filter((row) => row[column] === value);
  }

  count(table: TableName): number {
    return this.#tables.get(table)?.size ?? 0;
  }

  rows(table: TableName): Row[] {
    return [...this.#tables.get(table)?.values() ?? []].sort((a, b) => a.id < b.id ? -1 : 1);
  }

  /** Takes operations as they are. */
  apply(operations: readonly Operation[]): void {
    for (const operation of operations) {
      const table = operation.table as TableName;
      const rows = this.#tables.get(table) ?? new Map<string, Row>();
      this.#tables.set(table, rows);
      if (operation.kind === "remove") rows.delete(operation.id);
      else rows.set(operation.row.id, { ...rows.get(operation.row.id), ...operation.row });
    }
  }

  /** Validates and applies; the message of the refusal when it is refused. */
  change(operations: readonly Operation[], level = 1): string | undefined {
    const validated = validate(this, operations, { ...context, level, sequence: this.#sequence + 1 });
    if (!("kind" in validated)) return validated.message;
    if (validated.operations.length > 0) this.#sequence++;
    this.apply(validated.operations);
    return undefined;
  }

  copy(): MemoryTables {
    const copy = new MemoryTables();
    for (const [table, rows] of this.#tables) copy.apply([...rows.values()].map((row) => ({ kind: "put", table, row })));
    copy.#sequence = this.#sequence;
    return copy;
  }
}

export const put = (table: TableName, id: string, columns: Readonly<Record<string, Scalar>> = {}): Operation => {
  return { kind: "put", table, row: { ...columns, id } };
};
export const remove = (table: TableName, id: string): Operation => ({ kind: "remove", table, id });
