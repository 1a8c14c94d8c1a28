/** Wishes of every sort for properties: ids and values from small pools, so that they meet each other, with some junk. */
import fc from "fast-check";
import type { Operation, Scalar } from "../../src/config/change.ts";
import { referencesTo } from "../../src/config/ids.ts";
import type { ConfigReader } from "../../src/config/reader.ts";
import { configuredTables, isSaidById } from "../../src/config/row-difference.ts";
import type { ColumnRule, TableName } from "../../src/config/rules.ts";
import { tables } from "../../src/config/tables.ts";

const names = ["alpha", "beta", "gamma"];
const cards = ["1/1", "1/2", "2/1"];
const ends: Partial<Record<TableName, readonly string[]>> = {
  system: ["system"],
  chassis: ["1", "2"],
  cards,
  setMembers: [...cards, "alpha", "beta"],
  subgroupMembers: cards,
  exportPaths: [...cards, "alpha"],
  policies: ["failback", "quarantineS", "exportMode"],
};

function idsOf(table: TableName): readonly string[] {
  const { parent } = tables[table];
  const own = ends[table] ?? names;
  return parent === undefined ? own : idsOf(parent.table).flatMap((id) => own.map((end) => `${id}/${end}`));
}

const lines = ["eth0", "eth1", "a line"];
/** Texts that are right somewhere. */
const texts = [
  ...lines,
  "/dev/sda",
  "/srv/x",
  "192.0.2.10",
  "2001:DB8::1",
  "2001:db8::1",
  "1.2.3",
  "nginx",
  "nginx.service",
  "rack-7",
  "ab".repeat(32),
  `scrypt$16384$8$1$${"A".repeat(22)}$${"B".repeat(43)}`,
];

function valueOf(rule: ColumnRule): fc.Arbitrary<Scalar> {
  switch (rule.kind) {
    case "text": {
      const right = texts.filter((text) => rule.text.pattern.test(text) && text.length <= rule.text.bytesMax);
      return fc.constantFrom(...right.length === 0 ? [null] : right);
    }
    case "whole":
      return fc.constantFrom(
        rule.min,
        Math.min(rule.max, rule.min + 1),
        Math.min(rule.max, 24),
        512 <= rule.max && 512 >= rule.min ? 512 : rule.max,
      );
    case "flag":
      return fc.constantFrom(0, 1, 1);
    case "choice":
      return fc.constantFrom(...rule.choices);
    case "reference":
      return fc.constantFrom(...idsOf(rule.to));
    case "texts": {
      const right = [...texts, ...cards].filter((text) => rule.text.pattern.test(text));
      return fc.uniqueArray(fc.constantFrom(...right), { minLength: rule.countMin, maxLength: 3 }).map((list) => JSON.stringify(list));
    }
    case "map":
      return fc.dictionary(fc.constantFrom("A", "B_1"), fc.constantFrom("x", "y z"), { maxKeys: 2 }).map((map) => JSON.stringify(map));
    case "setting":
      return fc.constantFrom('"controlled"', '"automatic"', "60", '"active-passive"');
  }
}

const junk: fc.Arbitrary<Scalar> = fc.oneof(
  fc.string(),
  fc.integer(),
  fc.double(),
  fc.constant(null),
  fc.constantFrom("\ud800", "[", "{}", "é"),
);

function rowOf(table: TableName, junkWeight: number): fc.Arbitrary<Operation> {
  const columns = Object.entries<ColumnRule>(tables[table].columns).filter(([column]) => !isSaidById(table, column));
  const values = Object.fromEntries(columns.map(([column, rule]) => [
    column,
    fc.oneof({ arbitrary: valueOf(rule), weight: 20 }, { arbitrary: fc.constant(null), weight: 2 }, {
      arbitrary: junk,
      weight: junkWeight,
    }),
  ]));
  // Columns of another kind are mostly left out, or hardly a resource would be right.
  const kindOf = columns.flatMap(([column, rule]) => rule.only === undefined ? [] : [[column, rule.only] as const]);
  return fc.tuple(
    fc.constantFrom(...idsOf(table)),
    fc.record(values, { requiredKeys: columns.filter(([, rule]) => rule.required).map(([column]) => column) }),
    fc.nat(9),
  )
    .map(([id, row, luck]): Operation => {
      const kept = { ...row } as Record<string, Scalar>;
      for (const [column, only] of luck === 0 ? [] : kindOf) {
        const decider = kept[only.column] ?? (tables[table].columns[only.column]?.only === undefined ? "" : "command");
        if (!only.values.includes(String(decider))) delete kept[column];
      }
      return { kind: "put", table, row: { ...kept, id } };
    });
}

/** One operation; `junkWeight` of some twenty values are junk. */
export function anyOperation(junkWeight: number): fc.Arbitrary<Operation> {
  const puts = configuredTables.map((table) => rowOf(table, junkWeight));
  const removes = configuredTables.map((table) => fc.constantFrom(...idsOf(table)).map((id): Operation => ({ kind: "remove", table, id })));
  return fc.oneof({ arbitrary: fc.oneof(...puts), weight: 5 }, { arbitrary: fc.oneof(...removes), weight: 1 });
}

/**
 * A small change of what is there: a column, a new row beside others, or a removal, alone or with what refers to it. `draw(n)` gives a number
 * from 0 to n - 1.
 */
export function nearWish(reader: ConfigReader, draw: (count: number) => number): Operation[] {
  const filled = configuredTables.filter((table) => reader.count(table) > 0);
  const pick = <Item>(items: readonly Item[]): Item => items[draw(items.length)] as Item;
  const operations = new Map<string, Operation>();
  for (let count = 1 + draw(3); count > 0; count--) {
    const table = pick(filled);
    const row = pick([...reader.rows(table)]);
    const action = draw(6);
    if (action === 0) operations.set(`${table} ${row.id}`, { kind: "remove", table, id: row.id });
    else if (action === 1) {
      for (const { table: from, id } of referring(table, row.id, reader)) {
        operations.set(`${from} ${id}`, { kind: "remove", table: from, id });
      }
    } else {
      const columns = Object.entries<ColumnRule>(tables[table].columns).filter(([, { only }]) =>
        only === undefined || only.values.includes(String(row[only.column]))
      );
      const [column, rule] = pick(columns);
      const id = action === 2 ? pick(idsOf(table)) : row.id;
      const values: Scalar[] = rule.kind === "reference"
        ? [...reader.rows(rule.to)].map((target) => target.id)
        : rule.kind === "flag"
        ? [0, 1]
        : rule.kind === "choice"
        ? [...rule.choices]
        : rule.kind === "whole"
        ? [rule.min, rule.max, 24]
        : [null, ...[...reader.rows(table)].map((other) => other[column] ?? null)];
      const of = action === 2 ? Object.fromEntries(Object.entries(row).filter(([name]) => !isSaidById(table, name))) : {};
      operations.set(`${table} ${id}`, { kind: "put", table, row: { ...of, [column]: pick(values), id } });
    }
  }
  return [...operations.values()];
}

/** A row, and all rows that refer to it or would be nothing without it, over any number of steps. */
function referring(table: TableName, id: string, reader: ConfigReader): { readonly table: TableName; readonly id: string }[] {
  const found = [{ table, id }];
  const note = (from: TableName, of: string) => {
    if (!found.some((known) => known.table === from && known.id === of)) found.push({ table: from, id: of });
  };
  const whole: Partial<Record<TableName, TableName>> = { setMembers: "failoverSets", subgroupMembers: "subgroups", subgroups: "resources" };
  for (const each of found) {
    const above = whole[each.table];
    if (above !== undefined) note(above, String(reader.row(each.table, each.id)?.[tables[each.table].parent?.column ?? ""]));
    for (const { from, column } of referencesTo(each.table, tables)) {
      for (const row of reader.rowsWith(from, column, each.id)) note(from, row.id);
    }
  }
  return found;
}

/** A whole service of small parts that belong together, so that wishes get through. */
export const cluster: fc.Arbitrary<Operation[]> = fc.record({
  name: fc.constantFrom(...names),
  card: fc.constantFrom(...cards),
  other: fc.constantFrom(...cards),
  composition: fc.constantFrom("single", "hierarchical"),
}).map(({ name, card, other, composition }) => {
  const put = (table: TableName, id: string, row: Record<string, Scalar> = {}): Operation => ({ kind: "put", table, row: { ...row, id } });
  const used = [...new Set([card, other])];
  return [
    ...[...new Set(used.map((id) => id.slice(0, 1)))].map((id) => put("chassis", id)),
    ...used.map((id) => put("cards", id, { enabled: 1 })),
    put("failoverSets", name, { composition }),
    ...used.map((id) => put("setMembers", `${name}/${id}`, { spare: 0 })),
    put("services", name, { set: name }),
    put("resources", name, { kind: "device", service: name }),
    put("subgroups", `${name}/alpha`, { role: "primary" }),
    put("subgroupMembers", `${name}/alpha/${card}`, { path: `/dev/${name}` }),
    put("exports", name, { device: name }),
    put("hosts", name),
    put("hostAccess", `${name}/${name}`),
  ];
});
