/** FS-4: the published schema takes what is right and refuses what is wrong, as the rules do. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type JsonObject, planDocument } from "../../src/config/document.ts";
import { documentSchema } from "../../src/config/document-schema.ts";
import { configurationExample } from "../../src/config/example.ts";
import { parseJson } from "../../src/base/json-text.ts";
import { context, MemoryTables } from "./memory-tables.ts";

const keywords = new Set([
  "$schema",
  "$comment",
  "title",
  "description",
  "default",
  "type",
  "enum",
  "properties",
  "required",
  "additionalProperties",
  "propertyNames",
  "maxProperties",
  "items",
  "minItems",
  "maxItems",
  "uniqueItems",
  "pattern",
  "minLength",
  "maxLength",
  "minimum",
  "maximum",
  "allOf",
  "if",
  "then",
  "else",
]);

/** The keywords of draft 2020-12 that the schema uses; the first place that is wrong, or undefined. */
function wrongAt(schema: unknown, value: unknown, at = ""): string | undefined {
  if (schema === true) return undefined;
  if (schema === false) return `${at}: nothing may be here`;
  const of = schema as Readonly<Record<string, never>> & { [key: string]: unknown };
  const unknown = Object.keys(of).find((key) => !keywords.has(key));
  assert.is(unknown, undefined, `the keyword ${unknown} is not known here`);
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  const types: Record<string, boolean> = {
    object: isObject,
    array: Array.isArray(value),
    string: typeof value === "string",
    integer: Number.isInteger(value),
    boolean: typeof value === "boolean",
  };
  const fails = (key: string, isWrong: (limit: never) => boolean) => key in of && isWrong(of[key] as never);
  if (fails("type", (type: string) => types[type] !== true)) return `${at}: type`;
  if (fails("enum", (choices: unknown[]) => !choices.includes(value))) return `${at}: enum`;
  if (typeof value === "string") {
    if (fails("pattern", (pattern: string) => !new RegExp(pattern, "u").test(value))) return `${at}: pattern`;
    if (fails("maxLength", (max: number) => [...value].length > max) || fails("minLength", (min: number) => value.length < min)) {
      return `${at}: length`;
    }
  }
  if (typeof value === "number" && (fails("minimum", (min: number) => value < min) || fails("maximum", (max: number) => value > max))) {
    return `${at}: range`;
  }
  const inner: (string | undefined)[] = [];
  if (Array.isArray(value)) {
    if (fails("minItems", (min: number) => value.length < min) || fails("maxItems", (max: number) => value.length > max)) {
      return `${at}: items`;
    }
    if (of["uniqueItems"] && new Set(value).size < value.length) return `${at}: uniqueItems`;
    if ("items" in of) inner.push(...value.map((each, index) => wrongAt(of["items"], each, `${at}/${index}`)));
  }
  if (isObject) {
    const properties = (of["properties"] ?? {}) as Record<string, unknown>;
    if (fails("maxProperties", (max: number) => Object.keys(value as object).length > max)) return `${at}: maxProperties`;
    const missing = ((of["required"] ?? []) as string[]).find((key) => !Object.hasOwn(value as object, key));
    if (missing !== undefined) return `${at}: ${missing} is missing`;
    for (const [key, each] of Object.entries(value as object)) {
      if ("propertyNames" in of) inner.push(wrongAt(of["propertyNames"], key, `${at}/${key} (name)`));
      if (Object.hasOwn(properties, key)) inner.push(wrongAt(properties[key], each, `${at}/${key}`));
      else if ("additionalProperties" in of) inner.push(wrongAt(of["additionalProperties"], each, `${at}/${key}`));
    }
  }
  for (const each of (of["allOf"] ?? []) as unknown[]) inner.push(wrongAt(each, value, at));
  if ("if" in of) inner.push(wrongAt(wrongAt(of["if"], value, at) === undefined ? of["then"] ?? true : of["else"] ?? true, value, at));
  return inner.find((wrong) => wrong !== undefined);
}

const schema = documentSchema();
const valueOf = (text: string): unknown => (parseJson(text, { comments: true }) as { value: unknown }).value;

test("the example is right by the schema", () => {
  assert.is(wrongAt(schema, valueOf(configurationExample)), undefined);
});

test("what is wrong by the schema is wrong by the rules, and is found at the same place", () => {
  const cases: readonly (readonly [document: unknown, place: string])[] = [
    [{ card: {} }, "/card: nothing may be here"],
    [{ system: {} }, "/system: name is missing"],
    [{ system: { name: "Rack" } }, "/system/name: pattern"],
    [{ cards: [] }, "/cards: type"],
    [{ cards: { "1/9": {} } }, "/cards/1/9 (name): pattern"],
    [{ cards: { "1/1": { nam: "x" } } }, "/cards/1/1/nam: nothing may be here"],
    [{ cards: { "1/1": { enabled: 1 } } }, "/cards/1/1/enabled: type"],
    [{ cards: { "1/1": { capacity: 1_001 } } }, "/cards/1/1/capacity: range"],
    [{ cards: { "1/1": { chassis: "1" } }, chassis: { "9": {} } }, "/cards/1/1/chassis: nothing may be here"],
    [{ cards: { "1/1": { links: { a: {} } } } }, "/cards/1/1/links/a: kind is missing"],
    [{ cards: { "1/1": { links: { a: { kind: "ether" } } } } }, "/cards/1/1/links/a: interface is missing"],
    [
      { cards: { "1/1": { links: { a: { kind: "ether", interface: "eth0", baud: 9_600 } } } } },
      "/cards/1/1/links/a/baud: nothing may be here",
    ],
    [{ resources: { a: { kind: "address", address: "192.0.2.1" } } }, "/resources/a: prefix is missing"],
    [{ resources: { a: { kind: "application" } } }, "/resources/a: start is missing"],
    [{ resources: { a: { kind: "application", agent: "ocf" } } }, "/resources/a: type is missing"],
    [{ resources: { a: { kind: "application", agent: "systemd", unit: "x" } } }, "/resources/a/unit: pattern"],
    [{ resources: { a: { kind: "device", start: ["/bin/a"] } } }, "/resources/a/start: nothing may be here"],
    [{ resources: { a: { kind: "device", needs: ["b", "b"] } } }, "/resources/a/needs: uniqueItems"],
    [{ hosts: { h: { addresses: [] } } }, "/hosts/h/addresses: items"],
    [{ policies: { failback: "x" } }, "/policies/failback: enum"],
    [{ policies: { failbak: "x" } }, "/policies/failbak: nothing may be here"],
    [{ services: { s: {} } }, "/services/s: set is missing"],
  ];
  for (const [document, place] of cases) {
    const name = JSON.stringify(document);
    assert.is(wrongAt(schema, document), place, name);
    assert.ok("mistakes" in planDocument(name, new MemoryTables(), context), `the rules take ${name}`);
  }
});

test("everything in it has a description, and a reference says what it refers to", () => {
  const visit = (part: unknown, path: string): void => {
    if (typeof part !== "object" || part === null) return;
    const { properties, additionalProperties } = part as JsonObject;
    if (path !== "" && !/\/(?:items|additionalProperties)$/.test(path)) assert.type((part as JsonObject)["description"], "string", path);
    for (const [key, each] of Object.entries((properties ?? {}) as object)) visit(each, `${path}/${key}`);
    if (typeof additionalProperties === "object") visit(additionalProperties, `${path}/additionalProperties`);
  };
  visit(schema, "");
  assert.ok(JSON.stringify(schema).length < 64 * 1024);
});

test.run();
