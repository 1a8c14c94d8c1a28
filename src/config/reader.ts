/**
 * What the rules need of a store's tables, synchronously, as they are at one point of the chain. A table that the store's level has not got yet has no
 * rows.
 */
import type { Row, Scalar } from "./change.ts";
import type { TableName } from "./rules.ts";

export type ConfigReader = {
  row(table: TableName, id: string): Row | undefined;
  /** The rows with that value in that column, in any order. Asked for columns that the migrations index, so that it costs what it finds. */
  rowsWith(table: TableName, column: string, value: Scalar): readonly Row[];
  count(table: TableName): number;
  /** All rows, in the order of their ids by UTF-8 bytes. For what looks at everything, and for the message of a name that is not there. */
  rows(table: TableName): Iterable<Row>;
};
