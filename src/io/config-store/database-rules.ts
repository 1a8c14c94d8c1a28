/** What a store follows besides its own bookkeeping; a test may give it rules of its own. */
import type { ConfigRefusal, Operation } from "../../config/change.ts";
import { type Migration, migrations } from "../../config/migrations/migrations.ts";
import type { ConfigReader } from "../../config/reader.ts";
import { tableFindings, validate, type Validated, type ValidationContext } from "../../config/validate.ts";

export type DatabaseRules = {
  /** In order; their count is the highest level. */
  readonly migrations: readonly Migration[];
  validate(reader: ConfigReader, operations: readonly Operation[], context: ValidationContext): Validated | ConfigRefusal;
  /** What is wrong with all of the tables, as lines. */
  findings(reader: ConfigReader, level: number): string[];
};

export const databaseRules: DatabaseRules = { migrations, validate, findings: tableFindings };
