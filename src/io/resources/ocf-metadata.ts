/**
 * What an OCF resource agent says of itself (`meta-data`, the Resource Agent API 1.0 and 1.1): its parameters and actions.
 * It is XML, of which only tags and their attributes are looked at; what is told in words is left out.
 */
import { nearest } from "../../base/nearest.ts";
import type { Parameters } from "../../failover/resource.ts";

export type AgentParameter = {
  readonly name: string;
  readonly required: boolean;
  readonly type: "string" | "integer" | "boolean" | "other";
  readonly default: string | undefined;
};

export type AgentDescription = {
  readonly parameters: readonly AgentParameter[];
  /** The deadlines that the agent would like, by action: "start", "stop", "monitor". */
  readonly timeoutsMs: Readonly<Record<string, number>>;
};

type Tag = { readonly name: string; readonly attributes: Readonly<Record<string, string>> };

const entities: Readonly<Record<string, string>> = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'" };

function plain(text: string): string {
  return text.replace(/&(#x?[0-9a-fA-F]+|[a-z]+);/g, (whole, name: string) => {
    if (!name.startsWith("#")) return entities[name] ?? whole;
    const code = name[1] === "x" ? Number.parseInt(name.slice(2), 16) : Number(name.slice(1));
    return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
}

/** Opening and closing tags; those that close are named "/name". */
function* tagsOf(xml: string): Generator<Tag> {
  const text = xml.replace(/<!--[\s\S]*?-->/g, "").replace(/<!\[CDATA\[[\s\S]*?\]\]>/g, "");
  for (const [, name = "", inside = ""] of text.matchAll(/<(\/?[a-zA-Z][\w.-]*)((?:\s+[\w:.-]+\s*=\s*(?:"[^"]*"|'[^']*'))*)\s*\/?>/g)) {
    const attributes: Record<string, string> = {};
    for (const [, key = "", double, single] of inside.matchAll(/([\w:.-]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/g)) {
      attributes[key] = plain(double ?? single ?? "");
    }
    yield { name, attributes };
  }
}

/** "20s", "20", "1m", "500ms" as milliseconds. */
function milliseconds(text: string): number | undefined {
  const [, number, unit = "s"] = /^\s*(\d+)\s*(ms|s|sec|m|min|h)?\s*$/.exec(text) ?? [];
  const each = { ms: 1, s: 1_000, sec: 1_000, m: 60_000, min: 60_000, h: 3_600_000 }[unit];
  return number === undefined || each === undefined ? undefined : Number(number) * each;
}

function typeOf(text: string | undefined): AgentParameter["type"] {
  return text === "string" || text === "integer" || text === "boolean" ? text : "other";
}

/** Undefined for what is no description of an agent. */
export function parseAgentMetadata(xml: string): AgentDescription | undefined {
  const parameters: AgentParameter[] = [];
  const timeoutsMs: Record<string, number> = {};
  let isAgent = false;
  let open: AgentParameter | undefined;
  for (const { name, attributes } of tagsOf(xml)) {
    if (name === "resource-agent") isAgent = true;
    if (name === "parameter" && attributes["name"] !== undefined) {
      const required = ["1", "true", "yes"].includes(attributes["required"] ?? "");
      open = { name: attributes["name"], required, type: "other", default: undefined };
      parameters.push(open);
    }
    if (name === "content" && open !== undefined) {
      parameters[parameters.length - 1] = { ...open, type: typeOf(attributes["type"]), default: attributes["default"] };
      open = undefined;
    }
    if (name === "action" && attributes["name"] !== undefined) {
      const timeoutMs = milliseconds(attributes["timeout"] ?? "");
      // Of several monitors, one for each role or interval, the longest deadline serves all.
      if (timeoutMs !== undefined) timeoutsMs[attributes["name"]] = Math.max(timeoutMs, timeoutsMs[attributes["name"]] ?? 0);
    }
  }
  return isAgent ? { parameters, timeoutsMs } : undefined;
}

const booleans = ["yes", "no", "true", "false", "on", "off", "1", "0"];

/** What is wrong with parameters, in words; empty when nothing is. */
export function parameterMistakes({ parameters }: AgentDescription, given: Parameters): string[] {
  const names = parameters.map(({ name }) => name);
  const mistakes: string[] = [];
  for (const name of Object.keys(given)) {
    if (names.includes(name)) continue;
    const meant = nearest(name, names);
    const hint = meant === undefined ? `it has ${names.join(", ") || "none"}` : `did you mean "${meant}"?`;
    mistakes.push(`the agent has no parameter "${name}": ${hint}`);
  }
  for (const { name, required, type, default: standard } of parameters) {
    const value = given[name];
    if (value === undefined) {
      if (required && (standard === undefined || standard === "")) mistakes.push(`the parameter "${name}" is required`);
      continue;
    }
    if (type === "integer" && !/^-?\d+$/.test(value)) mistakes.push(`the parameter "${name}" is "${value}"; it must be a whole number`);
    if (type === "boolean" && !booleans.includes(value.toLowerCase())) {
      mistakes.push(`the parameter "${name}" is "${value}"; it must be one of ${booleans.join(", ")}`);
    }
  }
  return mistakes;
}
