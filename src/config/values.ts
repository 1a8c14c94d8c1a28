/** Values of columns: proven and brought into the one form in which a row keeps them, and turned into JSON for people and back. */
import { nearest } from "../base/nearest.ts";
import { configValueBytesMax } from "../limits.ts";
import type { Scalar } from "./change.ts";
import { type ColumnRule, rightOf, type TextRule } from "./rules.ts";

/** What would be right, for a value that is not. */
export type WrongValue = { readonly right: string };

export function isWrong(value: Scalar | WrongValue): value is WrongValue {
  return typeof value === "object" && value !== null;
}

/** `value` as a row keeps it. `null` is not looked at here: whether a row may be without is its table's business. */
export function checkedValue(rule: ColumnRule, value: unknown): Scalar | WrongValue {
  const wrong = { right: rightOf(rule) };
  switch (rule.kind) {
    case "text":
      return textOf(rule.text, value) ?? wrong;
    case "whole":
      return typeof value === "number" && Number.isSafeInteger(value) && value >= rule.min && value <= rule.max ? value + 0 : wrong;
    case "flag":
      return value === 0 || value === 1 ? value + 0 : wrong;
    case "choice": {
      if (typeof value !== "string") return wrong;
      if (rule.choices.includes(value)) return value;
      const meant = nearest(value, rule.choices);
      return meant === undefined ? wrong : { right: `${wrong.right}; did you mean ${meant}?` };
    }
    case "reference":
      return typeof value === "string" && value.length > 0 && isSmallText(value) ? value : wrong;
    case "texts":
    case "map": {
      const json = parsed(value);
      return json === undefined ? wrong : valueOfJson(rule, json);
    }
    case "setting":
      return wrong;
  }
}

/** The value of a setting as its row keeps it: the JSON text of what `rule` allows. */
export function checkedSetting(rule: ColumnRule, value: unknown): Scalar | WrongValue {
  const json = parsed(value);
  if (json === undefined || json === null) return { right: `${rightOf(rule)}, as JSON` };
  const scalar = valueOfJson(rule, json);
  return isWrong(scalar) ? scalar : JSON.stringify(jsonOfValue(rule, scalar));
}

/** What the declarative file says, as a row keeps it. */
export function valueOfJson(rule: ColumnRule, json: unknown): Scalar | WrongValue {
  const wrong = { right: rightOf(rule) };
  switch (rule.kind) {
    case "flag":
      return typeof json === "boolean" ? Number(json) : wrong;
    case "texts": {
      if (!Array.isArray(json) || json.length > rule.countMax || json.length < rule.countMin) return wrong;
      const texts = json.map((text) => textOf(rule.text, text));
      if (texts.includes(undefined) || (!rule.repeats && new Set(texts).size < texts.length)) return wrong;
      return JSON.stringify(texts);
    }
    case "map": {
      if (typeof json !== "object" || json === null || Array.isArray(json)) return wrong;
      const entries = Object.entries(json).map(([key, text]) => [textOf(rule.key, key), textOf(rule.text, text)] as const);
      if (entries.length > rule.countMax || entries.some((entry) => entry.includes(undefined))) return wrong;
      return JSON.stringify(Object.fromEntries(entries.sort(([a], [b]) => (a as string) < (b as string) ? -1 : 1)));
    }
    case "text":
    case "whole":
    case "choice":
    case "reference":
    case "setting":
      return checkedValue(rule, json);
  }
}

/** A row's value as the declarative file says it. */
export function jsonOfValue(rule: ColumnRule, value: Scalar): unknown {
  if (value === null) return null;
  if (rule.kind === "flag") return value === 1;
  return rule.kind === "texts" || rule.kind === "map" || rule.kind === "setting" ? parsed(value) ?? null : value;
}

function textOf(rule: TextRule, value: unknown): string | undefined {
  if (typeof value !== "string" || !isSmallText(value, rule.bytesMax) || !rule.pattern.test(value)) return undefined;
  return rule.canonical === undefined ? value : rule.canonical(value);
}

/** SQLite keeps UTF-8, which has no lone surrogates. */
function isSmallText(value: string, bytesMax = configValueBytesMax): boolean {
  return value.length <= bytesMax && value.isWellFormed() && bytesOf(value) <= bytesMax;
}

export function bytesOf(text: string): number {
  return new TextEncoder().encode(text).length;
}

function parsed(value: unknown): unknown {
  if (typeof value !== "string" || !isSmallText(value)) return undefined;
  try {
    return JSON.parse(value);
  } catch {
    return undefined;
  }
}

/** A value on one line, cut where it is long. */
export function shownValue(value: unknown): string {
  if (value === undefined || value === null) return "absent";
  const isPlain = typeof value === "number" || typeof value === "boolean";
  const text = typeof value === "string" ? JSON.stringify(value) : isPlain ? String(value) : Array.isArray(value) ? "a list" : "an object";
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
