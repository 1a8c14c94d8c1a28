/**
 * What can be said of a table and of a column of the configuration: which values are right, what they mean, since which level. The tables
 * themselves are in `tables.ts`. Messages of validation, the JSON schema of the declarative file and help are all made from these rules, so
 * that they cannot disagree.
 */
import type { Scalar } from "./change.ts";

/** The configured tables, each after those whose rows it needs to be understood by people. */
export const tableNames = [
  "system",
  "chassis",
  "cards",
  "links",
  "portGroups",
  "failoverSets",
  "setMembers",
  "services",
  "resources",
  "dependencies",
  "subgroups",
  "subgroupMembers",
  "exports",
  "exportPaths",
  "hosts",
  "hostAccess",
  "policies",
  "users",
  "tokens",
  "audit",
] as const;

export type TableName = typeof tableNames[number];

type ColumnCommon = {
  /** What it is, for people: one sentence. */
  readonly about: string;
  /** The level that brought it. */
  readonly since: number;
  /** Whether a row without it is refused. Where it is not and there is no default, it is null. */
  readonly required: boolean;
  readonly default?: Scalar;
  /** Only rows with one of these values in that column have it; it is null in the others. */
  readonly only?: { readonly column: string; readonly values: readonly string[] };
  /** It stays what it was when the row was made. */
  readonly fixed?: boolean;
  /** It stands in no audit row and is hidden where it is shown to people. */
  readonly secret?: boolean;
};

/** Which texts are right. `right` says so to people, with an example. */
export type TextRule = {
  readonly pattern: RegExp;
  readonly right: string;
  readonly bytesMax: number;
  /** The one form in which it is kept, for what can be written in several; undefined when it is wrong after all. */
  readonly canonical?: (text: string) => string | undefined;
};

export type ColumnRule =
  & ColumnCommon
  & (
    | { readonly kind: "text"; readonly text: TextRule }
    | { readonly kind: "whole"; readonly min: number; readonly max: number; readonly unit?: string }
    /** 0 or 1 in the row, true or false in the declarative file. */
    | { readonly kind: "flag" }
    | { readonly kind: "choice"; readonly choices: readonly string[] }
    /** The id of a row of that table; with `where` only of a row that has one of these values in a column that is fixed. */
    | {
      readonly kind: "reference";
      readonly to: TableName;
      readonly where?: { readonly column: string; readonly values: readonly string[] };
    }
    /** A list of texts, different ones unless it `repeats`, kept as JSON text. */
    | { readonly kind: "texts"; readonly text: TextRule; readonly countMin: number; readonly countMax: number; readonly repeats?: boolean }
    /** Texts by their names, kept as JSON text. */
    | { readonly kind: "map"; readonly key: TextRule; readonly text: TextRule; readonly countMax: number }
    /** The value of a setting, kept as JSON text; the row's id names the rule. */
    | { readonly kind: "setting" }
  );

export type TableRule = {
  readonly about: string;
  readonly since: number;
  readonly rowsMax: number;
  /** What an id is; for a row that belongs to another one, what comes after that one's id and a slash. */
  readonly id: {
    readonly text: TextRule;
    readonly about: string;
    /** A column that its end says: `always`, or where the row does not say otherwise. */
    readonly fills?: { readonly column: string; readonly always: boolean; readonly of: (end: string) => string | null };
  };
  /** The row that a row belongs to: its id begins with that one's, which also stands in `column`. In the declarative file it is found there, under `section`. */
  readonly parent?: {
    readonly table: TableName;
    readonly column: string;
    readonly section: string;
    /** In the declarative file these rows are a list of the values of that column, which is also the end of their id. */
    readonly listOf?: string;
  };
  readonly columns: Readonly<Record<string, ColumnRule>>;
  /** Columns whose values together are in one row only, null left aside. The first of them is indexed: the one that fewest rows share. */
  readonly unique?: readonly { readonly columns: readonly string[]; readonly about: string }[];
  /** The only id of a table of one row. */
  readonly only?: string;
  /** Named values with a rule each: the ids of the table are their names. */
  readonly settings?: Readonly<Record<string, ColumnRule>>;
  /** Written by the changes themselves, not by wishes, and no part of the declarative file. */
  readonly internal?: boolean;
};

/** What a column's value has to be, in words. */
export function rightOf(rule: ColumnRule): string {
  switch (rule.kind) {
    case "text":
      return rule.text.right;
    case "whole":
      return `a whole number from ${rule.min} to ${rule.max}${rule.unit === undefined ? "" : ` (${rule.unit})`}`;
    case "flag":
      return "true or false";
    case "choice":
      return `one of ${rule.choices.join(", ")}`;
    case "reference":
      return rule.where === undefined
        ? `the id of a row of ${rule.to}`
        : `the id of a row of ${rule.to} whose ${rule.where.column} is ${rule.where.values.join(" or ")}`;
    case "texts":
      return `a list of ${rule.countMin} to ${rule.countMax} ${rule.repeats ? "" : "different "}texts, each ${rule.text.right}`;
    case "map":
      return `an object of at most ${rule.countMax} texts; each key is ${rule.key.right}, each value ${rule.text.right}`;
    case "setting":
      return "a value that the setting allows";
  }
}
