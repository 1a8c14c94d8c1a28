/** The JSON schema (draft 2020-12) of the declarative file, made from the rules, so that editors complete and check it. */
import { isSaidById } from "./row-difference.ts";
import { documentSections, type JsonObject, tablesWithin } from "./document.ts";
import { type ColumnRule, rightOf, type TableName, type TextRule } from "./rules.ts";
import { tables } from "./tables.ts";

export function documentSchema(): JsonObject {
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "Cardinal configuration",
    description: "What a section says is all there is of it; a section that is left out stays as it is.",
    type: "object",
    properties: {
      $schema: { type: "string", description: "For editors; it is not read." },
      ...Object.fromEntries(documentSections.map((table) => [table, sectionSchema(table)])),
    },
    additionalProperties: false,
  };
}

function sectionSchema(table: TableName): JsonObject {
  const { about, only, id, parent, rowsMax, settings } = tables[table];
  if (only !== undefined) return rowSchema(table);
  if (settings !== undefined) {
    const properties = Object.fromEntries(Object.entries(settings).map(([name, rule]) => [name, valueSchema(rule)]));
    return { description: about, type: "object", properties, additionalProperties: false };
  }
  const name = { pattern: id.text.pattern.source };
  if (parent?.listOf !== undefined) {
    return {
      description: about,
      type: "array",
      items: { type: "string", description: id.about, ...name },
      uniqueItems: true,
      maxItems: rowsMax,
    };
  }
  return {
    description: about,
    type: "object",
    propertyNames: { description: `${id.about} ${sentence(id.text.right)}`, ...name },
    additionalProperties: rowSchema(table),
    maxProperties: rowsMax,
  };
}

function rowSchema(table: TableName): JsonObject {
  const { about, columns } = tables[table];
  const named = Object.entries<ColumnRule>(columns).filter(([column]) => !isSaidById(table, column));
  const filled = tables[table].id.fills?.column;
  const required = named.filter(([column, rule]) => isNeeded(rule) && rule.only === undefined && column !== filled && !rule.secret);
  const conditions = conditionsOf(table, named);
  return {
    description: about,
    type: "object",
    properties: {
      ...Object.fromEntries(named.map(([column, rule]) => [column, valueSchema(rule)])),
      ...Object.fromEntries(tablesWithin(table).map((name) => [tables[name].parent?.section as string, sectionSchema(name)])),
    },
    additionalProperties: false,
    ...required.length === 0 ? {} : { required: required.map(([column]) => column) },
    ...conditions.length === 0 ? {} : { allOf: conditions },
  };
}

function isNeeded(rule: ColumnRule): boolean {
  return rule.required && rule.default === undefined;
}

/** Which columns go with which value of another one. */
function conditionsOf(table: TableName, named: readonly (readonly [string, ColumnRule])[]): JsonObject[] {
  const groups = new Map<string, (readonly [string, ColumnRule])[]>();
  for (const entry of named) {
    const { only } = entry[1];
    if (only === undefined) continue;
    const key = JSON.stringify([only.column, only.values]);
    groups.set(key, [...groups.get(key) ?? [], entry]);
  }
  return [...groups].map(([key, group]) => {
    const [column, values] = JSON.parse(key) as [string, string[]];
    const needed = group.filter(([, rule]) => isNeeded(rule)).map(([name]) => name);
    return {
      if: conditionOf(table, column, values),
      ...needed.length === 0 ? {} : { then: { required: needed } },
      else: { properties: Object.fromEntries(group.map(([name]) => [name, false])) },
    };
  });
}

/** That a column, given or by default, has one of these values. */
function conditionOf(table: TableName, column: string, values: readonly string[]): JsonObject {
  const rule = tables[table].columns[column];
  const has = { properties: { [column]: { enum: values } } };
  const isDefault = typeof rule?.default === "string" && values.includes(rule.default);
  const own = isDefault ? has : { ...has, required: [column] };
  return rule?.only === undefined ? own : { allOf: [conditionOf(table, rule.only.column, rule.only.values), own] };
}

function valueSchema(rule: ColumnRule): JsonObject {
  const unit = rule.kind === "whole" && rule.unit !== undefined ? ` In ${rule.unit}.` : "";
  const description = `${rule.about}${unit}`;
  const fallback = rule.default === undefined ? {} : { default: rule.kind === "flag" ? rule.default === 1 : rule.default };
  return { description, ...typeSchema(rule), ...fallback };
}

function typeSchema(rule: ColumnRule): JsonObject {
  switch (rule.kind) {
    case "text":
      return textSchema(rule.text);
    case "whole":
      return { type: "integer", minimum: rule.min, maximum: rule.max };
    case "flag":
      return { type: "boolean" };
    case "choice":
      return { enum: rule.choices };
    case "reference":
      return { type: "string", minLength: 1, $comment: rightOf(rule) };
    case "texts":
      return {
        type: "array",
        items: textSchema(rule.text),
        minItems: rule.countMin,
        maxItems: rule.countMax,
        ...rule.repeats ? {} : { uniqueItems: true },
      };
    case "map":
      return {
        type: "object",
        propertyNames: { pattern: rule.key.pattern.source },
        additionalProperties: textSchema(rule.text),
        maxProperties: rule.countMax,
      };
    case "setting":
      return {};
  }
}

function textSchema({ pattern, bytesMax, right }: TextRule): JsonObject {
  return { type: "string", pattern: pattern.source, maxLength: bytesMax, $comment: right };
}

function sentence(right: string): string {
  return `${right.slice(0, 1).toUpperCase()}${right.slice(1)}.`;
}
