/** FS-4: what is accepted keeps the tables right, whatever is wished; what is junk is refused and nothing throws. */
import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Operation, Row } from "../../src/config/change.ts";
import { documentText, exportDocument, planDocument } from "../../src/config/document.ts";
import {
  completionsOfPath,
  isPathMistake,
  meaningOfPath,
  settingAtPath,
  unsettingAtPath,
  valueAtPath,
} from "../../src/config/document-path.ts";
import { migrations } from "../../src/config/migrations/migrations.ts";
import { isConfigRefusal } from "../../src/config/refusals.ts";
import { configuredTables, rowDifferences, stepLine, stepOf } from "../../src/config/row-difference.ts";
import { type TableName, tableNames } from "../../src/config/rules.ts";
import { judge, tableFindings, validate } from "../../src/config/validate.ts";
import { readFailoverConfig } from "../../src/failover/config.ts";
import { checkSets } from "../../src/failover/set-check.ts";
import { exampleTables } from "./example-tables.ts";
import { context, MemoryTables } from "./memory-tables.ts";
import { anyOperation, cluster, nearWish } from "./wishes.ts";

const wishes = fc.array(
  fc.oneof({ arbitrary: fc.array(anyOperation(0), { minLength: 1, maxLength: 3 }), weight: 4 }, { arbitrary: cluster, weight: 1 }),
  { minLength: 1, maxLength: 30 },
);

/** The tables after those of the wishes that were accepted, beginning with a cluster. */
function grown(first: readonly Operation[], wished: readonly (readonly Operation[])[]): { tables: MemoryTables; acceptedCount: number } {
  const tables = new MemoryTables();
  const acceptedCount = [first, ...wished].filter((operations) => tables.change(operations) === undefined).length;
  return { tables, acceptedCount };
}

/** What is wrong with the tables by the rules, and what of their failover sets nobody could serve. */
function wrongIn(tables: MemoryTables): readonly unknown[] {
  return [...tableFindings(tables, 1), ...checkSets(readFailoverConfig(tables)).filter(({ severity }) => severity === "error")];
}

test("whatever is accepted keeps every reference and every invariant, as a look at everything sees them", () => {
  let accepted = 0;
  let all = 0;
  fc.assert(
    fc.property(cluster, wishes, (first, wished) => {
      const tables = new MemoryTables();
      for (const operations of [first, ...wished]) {
        const refusal = tables.change(operations);
        all++;
        if (refusal !== undefined) continue;
        accepted++;
        assert.equal(wrongIn(tables), [], JSON.stringify(operations));
      }
    }),
    { numRuns: 80 },
  );
  assert.ok(accepted > all / 10, `${accepted} of ${all} wishes were accepted: too few to prove anything`);
});

test("HA-15: a system in use is changed and taken apart bit by bit, and stays right all the way", () => {
  const example = exampleTables();
  const did = new Map<string, number>();
  fc.assert(
    fc.property(fc.array(fc.nat(), { minLength: 100, maxLength: 400 }), (draws) => {
      const tables = example.copy();
      let at = 0;
      const draw = (count: number) => (draws[at++] ?? 0) % Math.max(1, count);
      while (at < draws.length && configuredTables.some((table) => tables.count(table) > 0)) {
        const operations = nearWish(tables, draw);
        if (tables.change(operations) !== undefined) continue;
        for (const { kind, table } of operations) did.set(`${kind} ${table}`, (did.get(`${kind} ${table}`) ?? 0) + 1);
        assert.equal(wrongIn(tables), [], JSON.stringify(operations));
      }
    }),
    { numRuns: 40 },
  );
  // Luck leaves a rare one out now and then.
  for (const kind of ["put", "remove"]) {
    const never = configuredTables.filter((table) => !did.has(`${kind} ${table}`));
    assert.ok(never.length <= 4, `${kind}: never of ${never.join(", ")}`);
  }
});

test("SQLite agrees: accepted operations, in any order, leave no foreign key dangling and the same rows", () => {
  fc.assert(
    fc.property(cluster, wishes, fc.integer(), (first, wished, seed) => {
      const db = new DatabaseSync(":memory:");
      for (const { sql } of migrations) db.exec(sql);
      db.exec("PRAGMA foreign_keys = ON");
      const tables = new MemoryTables();
      for (const operations of [first, ...wished]) {
        const validated = validate(tables, operations, context);
        if (isConfigRefusal(validated)) continue;
        tables.apply(validated.operations);
        db.exec("BEGIN");
        for (const operation of rotated(validated.operations, seed)) run(db, operation);
        db.exec("COMMIT");
      }
      for (const table of tableNames) {
        const rows = db.prepare(`SELECT * FROM "${table}" ORDER BY id`).all() as Row[];
        assert.equal(rows.map((row) => ({ ...row })), tables.rows(table).map((row) => ({ ...row })), table);
      }
      db.close();
    }),
    { numRuns: 40 },
  );
});

function rotated<Item>(items: readonly Item[], by: number): Item[] {
  const at = Math.abs(by) % Math.max(1, items.length);
  return [...items.slice(at), ...items.slice(0, at)];
}

function run(db: DatabaseSync, operation: Operation): void {
  if (operation.kind === "remove") {
    db.prepare(`DELETE FROM "${operation.table}" WHERE id = ?`).run(operation.id);
    return;
  }
  const columns = Object.keys(operation.row);
  const quoted = columns.map((column) => `"${column}"`);
  db.prepare(
    `INSERT INTO "${operation.table}" (${quoted}) VALUES (${columns.map(() => "?")})
      ON CONFLICT (id) DO UPDATE SET ${quoted.map((column) => `${column} = excluded.${column}`)}`,
  ).run(...Object.values(operation.row));
}

test("an export applied is an empty plan, and makes the same tables out of nothing", () => {
  fc.assert(
    fc.property(cluster, wishes, (first, wished) => {
      const { tables } = grown(first, wished);
      const text = documentText(exportDocument(tables, { secrets: true }));
      assert.equal(planDocument(text, tables, context), { operations: [], steps: [] });
      assert.equal(planDocument(documentText(exportDocument(tables, { secrets: false })), tables, context), { operations: [], steps: [] });
      const empty = new MemoryTables();
      const plan = planDocument(text, empty, context);
      assert.not("mistakes" in plan, JSON.stringify(plan));
      if (!("mistakes" in plan)) assert.is(empty.change(plan.operations), undefined);
      assert.equal(configuredTables.map((table) => empty.rows(table)), configuredTables.map((table) => tables.rows(table)));
      assert.is(documentText(exportDocument(empty, { secrets: true })), text);
    }),
    { numRuns: 100 },
  );
});

test("the differences of any two systems make the one the other, and a line tells each", () => {
  fc.assert(
    fc.property(cluster, wishes, cluster, wishes, (first, wished, otherFirst, otherWished) => {
      const { tables: ours } = grown(first, wished);
      const { tables: theirs } = grown(otherFirst, otherWished);
      const steps = [...rowDifferences(ours, theirs)].map(stepOf);
      for (const { step } of steps) assert.match(stepLine(step), /^[a-zA-Z]+: (?:make|change|remove) [a-z0-9/-]+|^policies/);
      ours.apply(steps.map(({ operation }) => operation));
      assert.equal(configuredTables.map((table) => ours.rows(table)), configuredTables.map((table) => theirs.rows(table)));
      assert.equal([...rowDifferences(ours, theirs)], []);
    }),
    { numRuns: 50 },
  );
});

test("validation never throws, whatever the operations are", () => {
  const example = exampleTables();
  const values = fc.anything({ withNullPrototype: true, withBigInt: true, withDate: true });
  const shaped = fc.record({
    kind: fc.oneof(fc.constantFrom("put", "remove"), values),
    table: fc.oneof(fc.constantFrom(...tableNames), fc.constantFrom("__proto__", "constructor"), values),
    id: fc.oneof(fc.constantFrom("1/1", "data", "data/above"), values),
    row: fc.oneof(fc.dictionary(fc.constantFrom("id", "name", "kind", "set", "value", "__proto__", "interfaces"), values), values),
  }, { requiredKeys: [] });
  const operations = fc.oneof(fc.array(fc.oneof(anyOperation(10), shaped, values), { maxLength: 8 }), values);
  fc.assert(
    fc.property(operations, (junk) => {
      const judged = judge(example, junk as Operation[], context);
      if (judged.kind === "validated") return;
      for (const refusal of judged.refusals) {
        assert.ok(isConfigRefusal(refusal) && refusal.message.length < 1_000 && !refusal.message.includes("\n"));
      }
    }),
    { numRuns: 1_000 },
  );
});

test("any path and any text is a value, a plan or a mistake, and a plan is a wish that changes what it says", () => {
  const example = exampleTables();
  const paths: string[] = [""];
  for (const path of paths) if (path.split(".").length < 7) paths.push(...completionsOfPath(path === "" ? "" : `${path}.`, example));
  assert.ok(paths.length > 500, `${paths.length} paths`);
  for (const path of paths) {
    assert.not(isPathMistake(valueAtPath(path, example, { secrets: true })), path);
    assert.not(isPathMistake(meaningOfPath(path)), path);
  }
  const known = fc.constantFrom(...paths);
  const bent = fc.tuple(known, fc.nat(40), fc.constantFrom(".", "x", "/", "..", "__proto__", ".name")).map(([path, at, piece]) =>
    path.slice(0, at) + piece + path.slice(at)
  );
  const texts = fc.oneof(fc.string(), fc.json(), fc.constantFrom("true", "5", "a,b", "A=b", "{}", "[]", "null", "1/1", '{"1/1":{}}'));
  fc.assert(
    fc.property(fc.oneof(known, bent), texts, (path, text) => {
      for (const plan of [settingAtPath(path, text, example, 1), unsettingAtPath(path, example)]) {
        if (isPathMistake(plan)) continue;
        const validated = validate(example, plan.operations, context);
        if (isConfigRefusal(validated)) continue;
        assert.is(validated.operations.length === 0, plan.operations.length === 0, `${path} ${text}`);
      }
    }),
    { numRuns: 500 },
  );
});

test("a document is planned or its mistakes are told, whatever it says", () => {
  const example = exampleTables();
  const text = documentText(exportDocument(example, { secrets: true }));
  const broken = fc.tuple(
    fc.nat(text.length),
    fc.nat(12),
    fc.oneof(fc.string({ maxLength: 3 }), fc.constantFrom("{}", "[]", "null", "1", '"x"')),
  )
    .map(([at, cut, piece]) => text.slice(0, at) + piece + text.slice(at + cut));
  const junk = fc.dictionary(fc.constantFrom<TableName | "x">(...tableNames, "x"), fc.jsonValue()).map((value) => JSON.stringify(value));
  fc.assert(
    fc.property(fc.oneof(broken, junk, fc.string()), (document) => {
      const plan = planDocument(document, example, context);
      if (!("mistakes" in plan)) return;
      assert.ok(plan.mistakes.length > 0);
      for (const { place, path } of plan.mistakes) {
        assert.ok(place !== undefined && place.line > 0 && (path === "" || path.startsWith("/")));
      }
    }),
    { numRuns: 500 },
  );
});

test.run();
