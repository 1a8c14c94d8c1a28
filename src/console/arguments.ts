/**
 * The one place that knows how options look: it wraps `parseArgs` of `node:util`, which both runtimes carry, so that
 * another parser can take its place. It knows nothing of commands; it cuts words into options and operands and says
 * in words what does not fit.
 */
import { parseArgs } from "node:util";
import { nearest } from "../base/nearest.ts";
import type { Option } from "./command.ts";

export type ParsedArguments = {
  /** By name: true for a flag, the text of a value. */
  readonly options: ReadonlyMap<string, string | true>;
  readonly operands: readonly string[];
};

export type ArgumentMistake = { readonly mistake: string };

/** Cuts `words` by `options`. `--` ends the options; `-abc` is three flags; a value stands behind `=` or in the next word. */
export function parseArguments(words: readonly string[], options: Readonly<Record<string, Option>>): ParsedArguments | ArgumentMistake {
  const { tokens } = parseArgs({
    args: [...words],
    strict: false,
    tokens: true,
    allowPositionals: true,
    options: Object.fromEntries(
      Object.entries(options).map(([name, { kind, short }]) => [
        name,
        { type: kind === "flag" ? ("boolean" as const) : ("string" as const), ...(short === undefined ? {} : { short }) },
      ]),
    ),
  });
  const found = new Map<string, string | true>();
  const operands: string[] = [];
  for (const token of tokens) {
    if (token.kind === "positional") operands.push(token.value);
    if (token.kind !== "option") continue;
    const { name, rawName, value } = token;
    const option = Object.hasOwn(options, name) ? options[name] : undefined;
    if (option === undefined) return { mistake: unknownOption(rawName, name, Object.keys(options)) };
    if (option.kind === "flag" && value !== undefined) {
      return { mistake: `${rawName} takes no value, but ${JSON.stringify(value)} is given` };
    }
    if (option.kind === "text" && (value === undefined || value === "")) {
      return { mistake: `${rawName} needs a value: ${rawName} ${option.value ?? "VALUE"}` };
    }
    // A word like an option behind one that wants a value is most likely a value forgotten.
    if (option.kind === "text" && !token.inlineValue && value?.startsWith("-") === true && value.length > 1) {
      return {
        mistake: `${rawName} needs a value, and ${
          JSON.stringify(value)
        } looks like an option; if it is the value, write ${rawName}=${value}`,
      };
    }
    if (found.has(name) && option.kind === "text") return { mistake: `${rawName} is given twice` };
    found.set(name, value ?? true);
  }
  return { options: found, operands };
}

function unknownOption(rawName: string, name: string, names: readonly string[]): string {
  const meant = rawName.startsWith("--") ? nearest(name, names) : undefined;
  return meant === undefined ? `there is no option ${rawName}` : `there is no option ${rawName}; did you mean --${meant}?`;
}
