/** FS-4, HA-1: one schema, said three times, by the rules, for typed queries and as SQL, with nothing said differently. */
import { DatabaseSync } from "node:sqlite";
import { getTableConfig } from "drizzle-orm/sqlite-core";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { levelMax, migrations } from "../../src/config/migrations/migrations.ts";
import { type ColumnRule, tableNames } from "../../src/config/rules.ts";
import { changes, schema } from "../../src/config/schema.ts";
import { tables } from "../../src/config/tables.ts";

type Column = { name: string; type: string; notnull: number; dflt_value: unknown; pk: number };
type ForeignKey = { table: string; from: string; to: string; on_update: string; on_delete: string };

function database(): DatabaseSync {
  const db = new DatabaseSync(":memory:");
  for (const { sql } of migrations) db.exec(sql);
  return db;
}

const all = (db: DatabaseSync, sql: string) => db.prepare(sql).all() as unknown[];

test("the migrations are the levels from 1 on, named by their level", () => {
  assert.is(levelMax, migrations.length);
  migrations.forEach(({ level, name }, index) => {
    assert.is(level, index + 1);
    assert.match(name, new RegExp(`^${String(level).padStart(4, "0")}-[a-z-]+$`));
  });
});

test("the migrations leave the tables that typed queries have, column by column", () => {
  const db = database();
  const names = all(db, "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name") as { name: string }[];
  assert.equal(names.map(({ name }) => name), [...tableNames, "changes"].sort());
  for (const table of [...Object.values(schema), changes]) {
    const { name, columns, foreignKeys, indexes } = getTableConfig(table);
    const inSql = all(db, `PRAGMA table_xinfo("${name}")`) as Column[];
    assert.equal(
      inSql.map(({ name, type, notnull, pk }) => [name, type, notnull === 1, pk === 1]),
      columns.map((column) => [column.name, column.getSQLType().toUpperCase(), column.notNull, column.primary]),
      name,
    );
    assert.ok(inSql.every(({ dflt_value }) => dflt_value === null), `${name} has a default that the rules do not know`);
    const inRules = foreignKeys.map((key) => {
      const { columns, foreignColumns, foreignTable } = key.reference();
      return `${columns[0]?.name} -> ${getTableConfig(foreignTable).name}.${foreignColumns[0]?.name}`;
    });
    const keys = all(db, `PRAGMA foreign_key_list("${name}")`) as ForeignKey[];
    assert.equal(keys.map(({ from, table, to }) => `${from} -> ${table}.${to}`).sort(), inRules.sort(), name);
    assert.ok(keys.every(({ on_delete, on_update }) => on_delete === "NO ACTION" && on_update === "NO ACTION"));
    const indexNames = (all(db, `PRAGMA index_list("${name}")`) as { name: string; origin: string }[])
      .filter(({ origin }) => origin === "c").map(({ name }) => name);
    assert.equal(indexNames.sort(), indexes.map(({ config }) => config.name).sort(), name);
  }
  db.close();
});

test("the rules have these columns, of these types, with these references", () => {
  for (const name of tableNames) {
    const { columns, foreignKeys } = getTableConfig(schema[name]);
    const rules = Object.entries<ColumnRule>(tables[name].columns);
    assert.equal(columns.map((column) => column.name), ["id", ...rules.map(([column]) => column)], name);
    for (const [column, rule] of rules) {
      const type = rule.kind === "whole" || rule.kind === "flag" ? "INTEGER" : "TEXT";
      const found = columns.find((each) => each.name === column);
      assert.is(found?.getSQLType().toUpperCase(), type, `${name}.${column}`);
      const isNeeded = (rule.required || rule.default !== undefined) && rule.only === undefined && rule.since === 1;
      assert.is(found?.notNull, isNeeded, `${name}.${column}`);
    }
    const references = rules.flatMap(([column, rule]) => rule.kind === "reference" ? [`${column} -> ${rule.to}`] : []);
    const keys = foreignKeys.map((key) => {
      const { columns, foreignTable } = key.reference();
      return `${columns[0]?.name} -> ${getTableConfig(foreignTable).name}`;
    });
    assert.equal(keys.sort(), references.sort(), name);
  }
});

test("tables are as changesets need them: strict, without rowids, keyed by id, foreign keys deferred, nothing else unique", () => {
  const db = database();
  for (const name of tableNames) {
    const [{ sql }] = all(db, `SELECT sql FROM sqlite_schema WHERE name = '${name}' AND type = 'table'`) as [{ sql: string }];
    assert.match(sql, /\) STRICT, WITHOUT ROWID$/, name);
    assert.match(sql, /"id" TEXT NOT NULL PRIMARY KEY/, name);
    assert.is(sql.match(/REFERENCES/g)?.length, sql.match(/DEFERRABLE INITIALLY DEFERRED/g)?.length, name);
    assert.not.match(sql, /UNIQUE|CHECK|DEFAULT/, name);
  }
  assert.equal((all(db, "PRAGMA index_list(users)") as { unique: number; origin: string }[]).filter(({ origin }) => origin === "u"), []);
  db.close();
});

test("columns that validation looks for are indexed", () => {
  const db = database();
  for (const name of tableNames) {
    const indexed = (all(db, `PRAGMA index_list("${name}")`) as { name: string }[]).map(({ name: index }) =>
      (all(db, `PRAGMA index_info("${index}")`) as { name: string }[])[0]?.name
    );
    const { columns, unique = [] } = tables[name];
    const wanted = [
      ...Object.entries<ColumnRule>(columns).flatMap(([column, rule]) => rule.kind === "reference" ? [column] : []),
      ...unique.map(({ columns: [first] }) => first),
    ];
    for (const column of wanted) assert.ok(indexed.includes(column), `${name}.${column} has no index`);
  }
  for (const name of ["users", "tokens"]) {
    assert.ok((all(db, `PRAGMA index_list("${name}")`) as { name: string }[]).some((index) => index.name === `${name}_role`));
  }
  db.close();
});

test("a changeset of these tables goes from one database to another, rows in any order, values exchanged", () => {
  const [from, to] = [database(), database()];
  for (const db of [from, to]) {
    db.exec(`PRAGMA foreign_keys = ON`);
    db.exec(`INSERT INTO chassis (id, kind) VALUES ('1', 'chassis');
      INSERT INTO cards (id, chassis, name, enabled, capacity) VALUES ('1/1', '1', 'a', 1, 1), ('1/2', '1', 'b', 1, 1)`);
  }
  const session = from.createSession();
  from.exec(`BEGIN;
    INSERT INTO setMembers (id, "set", card, rank, spare) VALUES ('front/1/1', 'front', '1/1', 1, 0);
    INSERT INTO failoverSets (id, composition) VALUES ('front', 'single');
    UPDATE cards SET name = CASE name WHEN 'a' THEN 'b' ELSE 'a' END;
    INSERT INTO cards (id, chassis, enabled, capacity) VALUES ('2/1', '2', 1, 1);
    INSERT INTO chassis (id, kind) VALUES ('2', 'chassis');
    COMMIT`);
  assert.ok(to.applyChangeset(session.changeset()));
  session.close();
  const dump = (db: DatabaseSync) => tableNames.map((name) => all(db, `SELECT * FROM "${name}" ORDER BY id`));
  assert.equal(JSON.stringify(dump(to)), JSON.stringify(dump(from)));
  assert.equal(all(to, "SELECT name FROM cards ORDER BY id"), all(from, "SELECT name FROM cards ORDER BY id"));
  assert.equal(all(to, "PRAGMA foreign_key_check"), []);
  for (const db of [from, to]) db.close();
});

test.run();
