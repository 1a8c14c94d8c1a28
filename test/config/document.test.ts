/** FS-4: the declarative file: mistakes with their places, plans, and what an export says. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type DocumentPlan, documentSections, documentText, exportDocument, mistakeLine, planDocument } from "../../src/config/document.ts";
import { configurationExample } from "../../src/config/example.ts";
import { isSaidById, stepLine } from "../../src/config/row-difference.ts";
import { type ColumnRule, tableNames } from "../../src/config/rules.ts";
import { tables as rules } from "../../src/config/tables.ts";
import { exampleTables } from "./example-tables.ts";
import { context, MemoryTables, put } from "./memory-tables.ts";

const example = exampleTables();

/** What is wrong with a document, as a compiler says it. */
function mistakes(text: string, tables: MemoryTables = example): string[] {
  const plan = planDocument(text, tables, context);
  assert.ok("mistakes" in plan, `it was planned: ${JSON.stringify(plan)}`);
  return "mistakes" in plan ? plan.mistakes.map((mistake) => mistakeLine("system.json", mistake)) : [];
}

function planned(document: unknown, tables: MemoryTables = example): DocumentPlan {
  const plan = planDocument(typeof document === "string" ? document : JSON.stringify(document), tables, context);
  assert.not("mistakes" in plan, JSON.stringify(plan));
  return plan as DocumentPlan;
}

const lines = (document: unknown, tables?: MemoryTables): string[] => planned(document, tables).steps.map(stepLine);

test("the example is the whole configuration of two chassis", () => {
  for (const section of documentSections) assert.ok(example.count(section) > 0, section);
  for (const table of tableNames) if (!rules[table].internal) assert.ok(example.count(table) > 0, table);
  assert.equal(planned(configurationExample).operations, []);
});

test("a mistake is told with its line and column, and with what would be right", () => {
  const cases: readonly (readonly [text: string, line: string, tables?: MemoryTables])[] = [
    ["", "system.json:1:1: not JSON: found the end of the file; expected a JSON object, which begins with {"],
    ['{\n  "cards": {},\n}', 'system.json:2:14: not JSON: found a comma before "}"; expected none after the last member'],
    ["{} /* x", "system.json:1:4: not JSON: found a comment that does not end; expected */"],
    ["[]", 'system.json:1:1: a configuration is [], must be an object of sections, such as {"cards": {}}'],
    ['{\n  "card": {}\n}', 'system.json:2:3: "card" is no section; did you mean cards?'],
    ['{ "audit": {} }', 'system.json:1:3: "audit" is no section; the sections are system, chassis, cards'],
    ['{ "links": {} }', 'system.json:1:3: "links" is no section; the sections are'],
    ['{ "cards": [] }', "system.json:1:3: cards is [], must be an object of rows by their ids"],
    ['{ "cards": { "1/9": {} } }', 'system.json:1:14: cards "1/9": its name must be a chassis and a slot, such as 1/2'],
    ['{ "cards": { "1/1": 5 } }', "system.json:1:14: cards 1/1 is 5, must be an object of its columns"],
    ['{ "cards": { "1/1": {\n "nam": "a" } } }', 'system.json:2:2: cards 1/1: "nam" is nothing that it has; did you mean name?'],
    ['{ "cards": { "1/1": { "chassis": 1 } } }', "system.json:1:23: cards 1/1: chassis is 1, must be the id of a row of chassis"],
    ['{ "cards": { "1/1": { "enabled": 1 } } }', "system.json:1:23: cards 1/1: enabled is 1, must be true or false"],
    ['{ "cards": { "1/1": { "capacity": "5" } } }', 'system.json:1:23: cards 1/1: capacity is "5", must be a whole number from 0 to 1000'],
    [
      '{ "cards": { "1/1": { "links": { "x": { "kind": "fibre" } } } } }',
      'system.json:1:41: links 1/1/x: kind is "fibre", must be one of ether, serial',
    ],
    [
      '{ "cards": { "1/1": { "links": { "X": {} } } } }',
      'system.json:1:34: links "X": its name must be a name of at most 32 small letters',
    ],
    ['{ "policies": { "failbak": "x" } }', "system.json:1:17: policies failbak is no setting; did you mean failback?"],
    ['{ "policies": { "failback": "x" } }', 'system.json:1:17: policies failback is "x", must be one of controlled, automatic'],
    [
      '{ "policies": { "quarantineS": "60" } }',
      'system.json:1:17: policies quarantineS is "60", must be a whole number from 0 to 604800 (seconds)',
    ],
    ['{ "system": { "system": {} } }', 'system.json:1:15: system system: "system" is nothing that it has; it may have name'],
    [
      '{ "resources": { "a": { "kind": "address", "needs": {} } } }',
      "system.json:1:44: resources a: needs is {}, must be a list of ids",
    ],
    ['{ "resources": { "a": { "needs": ["b", "b"] } } }', 'system.json:1:40: resources a: needs has "b" twice'],
    [
      '{ "resources": { "a": { "needs": [5] } } }',
      "system.json:1:35: resources a: needs has 5, must be a name of at most 32 small letters",
    ],
    [
      '{ "hosts": {\n  "h": { "addresses": "192.0.2.1" } } }',
      'system.json:2:10: hosts h: addresses is "192.0.2.1", must be a list of 1 to 16',
    ],
    // What only a look at the tables tells.
    [
      '{ "services": {\n  "s": {\n    "set": "uper" } } }',
      'system.json:3:5: services s: set is "uper", and there is no such row in failoverSets; did you mean upper?',
    ],
    [
      '{ "hosts": {\n  "h": { "access": {\n    "volume-2": {} } } } }',
      'system.json:3:5: hostAccess h/volume-2: export is "volume-2", and there is no such row',
    ],
    [
      '{ "resources": {\n  "a": { "kind": "device" } } }',
      "system.json:2:3: resources a: would leave resources a with 0 primary subgroups",
      new MemoryTables(),
    ],
    ['{\n  "exports": {}\n}', "system.json:2:3: exports volume-1: cannot be removed while hostAccess"],
    ['{ "users": {} }', "(it is removed because the document's section users does not mention it)"],
  ];
  for (const [text, line, tables] of cases) {
    const told = mistakes(text, tables);
    assert.ok(told.some((each) => each.includes(line)), `${text}\n  said: ${told.join("\n        ")}\n  not:  ${line}`);
  }
});

test("all mistakes are told, in the order of the text", () => {
  const told = mistakes('{\n "cards": { "1/1": { "capacity": -1 } },\n "chasis": {},\n "policies": { "failback": 1 }\n}');
  assert.equal(told.map((line) => line.split(":").slice(1, 3).join(":")), ["2:22", "3:2", "4:16"]);
});

test("a mistake has a JSON pointer", () => {
  const plan = planDocument('{ "cards": { "1/1": { "links": { "a": { "kind": 1 } } } } }', example, context);
  assert.equal("mistakes" in plan && plan.mistakes.map(({ path }) => path), ["/cards/1~11/links/a/kind"]);
});

test("what a section says is all there is of it; other sections are left alone", () => {
  assert.equal(lines({ policies: { failback: "controlled", quarantineS: 60 } }), [
    "policies: remove failbackAfterS",
    "policies: make quarantineS: value 60",
    "policies: remove restartsMax",
  ]);
  assert.equal(lines({}), []);
  assert.equal(lines({ hosts: {} }), [
    "hosts: remove backup",
    "hosts: remove db-1",
    "hostAccess: remove backup/volume-1",
    "hostAccess: remove db-1/volume-1",
  ]);
});

test("a row is as it is described: columns at their default, what belonged to it removed", () => {
  const document = exportDocument(example, { secrets: false }) as { cards: Record<string, object> };
  const cards = { ...document.cards, "2/2": { name: "lower-right" } };
  assert.equal(lines({ cards }), ["cards: change 2/2: capacity 50 -> 100", "links: remove 2/2/private", "links: remove 2/2/public"]);
  assert.equal(lines({ cards: { ...document.cards, "1/2": { ...document.cards["1/2"], name: null } } }), [
    'cards: change 1/2: name "upper-right" -> none',
  ]);
});

test("only what differs is put, so that a change of other columns meanwhile stays", () => {
  const { cards } = exportDocument(example, { secrets: false }) as { cards: Record<string, object> };
  assert.equal(planned({ cards: { ...cards, "1/2": { ...cards["1/2"], name: "b" } } }).operations, [put("cards", "1/2", { name: "b" })]);
});

test("secrets are exported when they are asked for, and stay when they are not mentioned", () => {
  const without = documentText(exportDocument(example, { secrets: false }));
  assert.not.match(without, /sha256/);
  assert.match(documentText(exportDocument(example, { secrets: true })), /"sha256": "50d8/);
  assert.equal(planned(without).operations, []);
});

test("a setting that is null is back at its default", () => {
  assert.equal(lines({ policies: { failback: null, failbackAfterS: 900, restartsMax: 2 } }), ["policies: remove failback"]);
});

test("a plan tells secrets by name only", () => {
  const tokens = { monitoring: { role: "viewer", user: "bob", enabled: false, sha256: "ab".repeat(32) } };
  assert.equal(lines({ tokens }), ["tokens: change monitoring: sha256 hidden -> hidden"]);
});

test("an export is short, stable, and reads well", () => {
  const text = documentText(exportDocument(example, { secrets: false }));
  assert.ok(text.split("\n").every((line) => line.length <= 120));
  assert.match(text, /^ {4}"data": \{$/m);
  assert.match(text, /^ {2}"policies": \{ "failback": "controlled", "failbackAfterS": 900, "restartsMax": 2 \},$/m);
  assert.match(text, /^ {6}"needs": \["web-ip"\]$/m);
  assert.not.match(text, /"capacity": 100|null|"chassis": "1"|"resource": /);
});

test("no section within a row is called as one of its columns", () => {
  for (const table of tableNames) {
    const { parent } = rules[table];
    if (parent === undefined) continue;
    assert.not(parent.section in rules[parent.table].columns, `${parent.table}.${parent.section}`);
    const column: ColumnRule | undefined = rules[table].columns[parent.column];
    assert.ok(column?.kind === "reference" && column.to === parent.table && column.fixed, table);
    assert.ok(isSaidById(table, parent.column));
  }
});

test.run();
