/** A branch against the chain that went on: its rows, what they were when the two parted, and whose work each difference is. */
import { constants, DatabaseSync } from "node:sqlite";
import { isSameHead } from "../../config/chain.ts";
import type { Change, Row } from "../../config/change.ts";
import type { BranchRow, Finding, Plan } from "../../config/read-answer.ts";
import type { ConfigReader } from "../../config/reader.ts";
import { rowDifference, rowDifferences, stepOf } from "../../config/row-difference.ts";
import type { TableName } from "../../config/rules.ts";
import type { Branch } from "../../config/store.ts";
import { isSameRow } from "../../config/validate.ts";
import { chainBytesMax, chainChangesMax } from "../../limits.ts";
import { ChainTable } from "./chain-table.ts";
import { invertedChangeset, rowChanges } from "./changeset.ts";
import { DatabaseTables } from "./tables.ts";

type LastChange = { readonly author: string; readonly time: number };

/**
 * Opens the branch for as long as `body` runs. What was common is had by taking the branch's changes back in a transaction that is
 * never committed, beside a connection that sees the branch as it is.
 */
export function withBranch<Result>(path: string, branch: Branch, body: (comparison: BranchComparison) => Result): Result {
  const isNow = new DatabaseSync(path);
  const wasThen = new DatabaseSync(path);
  try {
    wasThen.exec("PRAGMA foreign_keys = ON; BEGIN");
    const chain = new ChainTable(isNow, { changesMax: chainChangesMax, bytesMax: chainBytesMax });
    const changes = [...chain.after(branch.common.sequence)];
    const common = branch.common.sequence === 0 ? undefined : takenBack(wasThen, changes, branch);
    return body(new BranchComparison(new DatabaseTables(isNow), common, lastChanges(changes)));
  } finally {
    wasThen.close();
    isNow.close();
  }
}

export class BranchComparison {
  readonly #branch: ConfigReader;
  /** Undefined when the two have nothing in common, or it is not kept. */
  readonly #common: ConfigReader | undefined;
  readonly #last: ReadonlyMap<string, LastChange>;

  constructor(branch: ConfigReader, common: ConfigReader | undefined, last: ReadonlyMap<string, LastChange>) {
    this.#branch = branch;
    this.#common = common;
    this.#last = last;
  }

  /** The rows in which the branch and `chain` differ, in the order of tables and ids. */
  *rows(chain: ConfigReader): Generator<BranchRow> {
    for (const { table, id, ours, theirs } of rowDifferences(chain, this.#branch)) {
      const common = this.#common?.row(table, id);
      yield {
        table,
        id,
        changed: this.#common === undefined ? "both" : isSame(common, ours) ? "branch" : isSame(common, theirs) ? "chain" : "both",
        ...common === undefined ? {} : { common },
        ...theirs === undefined ? {} : { branch: theirs },
        ...ours === undefined ? {} : { chain: ours },
        ...this.#last.get(`${table} ${id}`),
      };
    }
  }

  /** What gives the chain that which the branch alone has changed, and of what both have changed the one that is preferred. */
  merge(chain: ConfigReader, prefer: "branch" | "chain" | undefined): Omit<Plan, "head"> | { readonly findings: readonly Finding[] } {
    const findings: Finding[] = [];
    const plan: { operations: Plan["operations"][number][]; steps: Plan["steps"][number][] } = { operations: [], steps: [] };
    for (const row of this.rows(chain)) {
      if (row.changed === "chain" || (row.changed === "both" && prefer === "chain")) continue;
      if (row.changed === "both" && prefer === undefined) {
        const message = "both have changed it since they parted; say whose is to stay: --ours or --theirs";
        findings.push({ path: `/${row.table}/${pointerPart(row.id)}`, message });
        continue;
      }
      const difference = rowDifference(row.table, row.chain, row.branch);
      if (difference === undefined) continue;
      const { operation, step } = stepOf(difference);
      plan.operations.push(operation);
      plan.steps.push(step);
    }
    return findings.length > 0 ? { findings } : plan;
  }
}

/** The tables at the common change; undefined when the way there is not kept. */
function takenBack(database: DatabaseSync, changes: readonly Change[], { common }: Branch): ConfigReader | undefined {
  const [first] = changes;
  const isWhole = first !== undefined && first.sequence === common.sequence + 1 && changes.every(({ kind }) => kind === "rows");
  if (!isWhole || !isSameHead({ ...common, hash: first.previous }, common)) return undefined;
  const onConflict = () => constants.SQLITE_CHANGESET_ABORT;
  for (const { changeset } of [...changes].reverse()) {
    if (changeset.length > 0 && !database.applyChangeset(invertedChangeset(changeset), { onConflict })) return undefined;
  }
  return new DatabaseTables(database);
}

function lastChanges(changes: readonly Change[]): Map<string, LastChange> {
  const last = new Map<string, LastChange>();
  for (const { kind, changeset, author, time } of changes) {
    if (kind !== "rows") continue;
    for (const { table, before, after } of rowChanges(changeset)) last.set(`${table} ${String((before ?? after)?.[0])}`, { author, time });
  }
  return last;
}

function isSame(one: Row | undefined, other: Row | undefined): boolean {
  return one === undefined || other === undefined ? one === other : isSameRow(one, other);
}

/** A name as a part of a JSON pointer. */
function pointerPart(name: string): string {
  return name.replaceAll("~", "~0").replaceAll("/", "~1");
}

/** The cursor of a branch's row. */
export function branchCursor({ table, id }: { readonly table: TableName; readonly id: string }): string {
  return `${table} ${id}`;
}
