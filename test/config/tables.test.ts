/** FS-4: the rules themselves: what validation, help and the schema take for granted of them. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { idEnd, idParts, referencesTo } from "../../src/config/ids.ts";
import { levelMax } from "../../src/config/migrations/migrations.ts";
import { configuredTables } from "../../src/config/row-difference.ts";
import { type ColumnRule, rightOf, type TableName, tableNames, type TextRule } from "../../src/config/rules.ts";
import { tables } from "../../src/config/tables.ts";
import { checkedValue, jsonOfValue, valueOfJson } from "../../src/config/values.ts";

const columns = tableNames.flatMap((table) => [
  ...Object.entries<ColumnRule>(tables[table].columns).map(([column, rule]) => ({ name: `${table}.${column}`, table, column, rule })),
  ...Object.entries<ColumnRule>(tables[table].settings ?? {}).map(([column, rule]) => ({
    name: `${table}.${column}`,
    table,
    column,
    rule,
  })),
]);

test("each table, column and setting says what it is, in sentences, and since a level that there is", () => {
  for (const { name, rule } of columns) {
    assert.match(rule.about, /^[A-Z].*\.$/, name);
    assert.not.match(rightOf(rule), /undefined|\.$/, name);
    assert.ok(rule.since >= 1 && rule.since <= levelMax, name);
  }
  for (const table of tableNames) {
    const { about, since, id, rowsMax } = tables[table];
    assert.match(about, /^[A-Z].*\.$/, table);
    assert.match(id.about, /^[A-Z].*\.$/, table);
    assert.ok(since >= 1 && since <= levelMax && rowsMax >= 1, table);
  }
});

test("a default is right by its own rule, and comes back from JSON as it was", () => {
  for (const { name, rule } of columns) {
    if (rule.default === undefined || rule.default === null) continue;
    assert.is(checkedValue(rule, rule.default), rule.default, name);
    assert.is(valueOfJson(rule, jsonOfValue(rule, rule.default)), rule.default, name);
  }
});

test("settings all have a default, so that what is not set is something", () => {
  for (const { name, rule, table } of columns) {
    if (table === "policies" && name !== "policies.value") assert.ok(rule.default !== undefined, name);
  }
});

test("a column on which others depend is a choice that comes before them", () => {
  for (const { name, table, column, rule } of columns) {
    if (rule.only === undefined) continue;
    const names = Object.keys(tables[table].columns);
    const decider = tables[table].columns[rule.only.column];
    assert.ok(decider?.kind === "choice" && names.indexOf(rule.only.column) < names.indexOf(column), name);
    assert.ok(decider.kind === "choice" && rule.only.values.every((value) => decider.choices.includes(value)), name);
  }
});

test("what a reference asks of the row that it refers to cannot change there", () => {
  for (const { name, rule } of columns) {
    if (rule.kind !== "reference" || rule.where === undefined) continue;
    const decider = tables[rule.to].columns[rule.where.column];
    assert.ok(decider?.kind === "choice" && decider.fixed, name);
    assert.ok(decider.kind === "choice" && rule.where.values.every((value) => decider.choices.includes(value)), name);
  }
});

test("secrets are columns of users and tokens only", () => {
  assert.equal(columns.filter(({ rule }) => rule.secret).map(({ name }) => name), ["users.password", "tokens.sha256"]);
});

test("patterns take whole texts, have no groups that capture, and are right as a schema has them", () => {
  const texts: (readonly [string, TextRule])[] = tableNames.map((table) => [`${table}.id`, tables[table].id.text] as const);
  for (const { name, rule } of columns) {
    if (rule.kind === "text" || rule.kind === "texts" || rule.kind === "map") texts.push([name, rule.text]);
    if (rule.kind === "map") texts.push([`${name} keys`, rule.key]);
  }
  for (const [name, { pattern, bytesMax }] of texts) {
    assert.match(pattern.source, /^\^.*\$$/s, name);
    assert.is(pattern.flags, "", name);
    assert.not.match(pattern.source.replaceAll(/\[(?:\\.|[^\]])*\]|\\./g, ""), /\((?!\?[:!=])/, name);
    assert.not.throws(() => new RegExp(pattern.source, "u"), name);
    assert.ok(bytesMax > 0, name);
  }
});

test("an id says the row that it belongs to and the columns that repeat it", () => {
  const cases: readonly (readonly [table: TableName, id: string, says: Readonly<Record<string, string>> | undefined, end?: string])[] = [
    ["cards", "2/3", { chassis: "2" }, "2/3"],
    ["links", "2/3/public", { card: "2/3" }, "public"],
    ["setMembers", "front/1/2", { set: "front", card: "1/2" }, "1/2"],
    ["setMembers", "front/rear", { set: "front" }, "rear"],
    ["subgroupMembers", "data/above/1/2", { subgroup: "data/above", card: "1/2" }, "1/2"],
    ["dependencies", "a/b", { resource: "a", needs: "b" }, "b"],
    ["hostAccess", "db/volume", { host: "db", export: "volume" }, "volume"],
    ["policies", "failback", {}, "failback"],
    ["links", "public", undefined],
    ["links", "2/3/", undefined],
    ["links", "2/3/a/b", undefined],
    ["subgroupMembers", "data/1/2", undefined],
    ["setMembers", "1/2/front", undefined],
    ["cards", "1/1\n", undefined],
    ["hosts", "a".repeat(1_000), undefined],
  ];
  for (const [table, id, says, end] of cases) {
    const parts = idParts(table, id, tables);
    assert.equal(parts && Object.fromEntries([...parts].map(([column, { value }]) => [column, value])), says, `${table} ${id}`);
    if (end !== undefined) assert.is(idEnd(table, id, tables), end);
  }
});

test("all that refers to a table is known, so that nothing is left dangling", () => {
  assert.equal(referencesTo("exports", tables).map(({ from, column }) => `${from}.${column}`), ["exportPaths.export", "hostAccess.export"]);
  const count = tableNames.reduce((sum, table) => sum + referencesTo(table, tables).length, 0);
  assert.is(count, columns.filter(({ rule }) => rule.kind === "reference").length);
  assert.ok(configuredTables.every((table) => referencesTo(table, tables).every(({ from }) => configuredTables.includes(from))));
});

test.run();
