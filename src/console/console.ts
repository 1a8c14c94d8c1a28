/** The command line: finds the command that the words name, proves its options and operands, and runs it. */
import process from "node:process";
import { nearest } from "../base/nearest.ts";
import { parseArguments } from "./arguments.ts";
import type { Command, CommandContext, CommandValues } from "./command.ts";
import { type ExitCode, exitCodes } from "./exit-code.ts";
import { commandOf, generalOptions, helpOf, unknownCommand, usageOf, wordsAfter } from "./help.ts";
import { processInput, processInterruption, processTerminal } from "./terminal.ts";

/** What a command line runs in; what is not given is the process's own. */
export type ConsoleOptions = Partial<Omit<CommandContext, "json" | "commands">> & Pick<CommandContext, "version">;

/**
 * Runs the command that `words` (without the program's own name) ask for and returns the exit code. It never ends
 * the process: what was written may still be on its way.
 */
export async function runConsole(words: readonly string[], commands: readonly Command[], options: ConsoleOptions): Promise<ExitCode> {
  const context: CommandContext = {
    terminal: options.terminal ?? processTerminal(),
    environment: options.environment ?? process.env,
    version: options.version,
    wallClock: options.wallClock ?? (() => new Date()),
    untilInterrupted: options.untilInterrupted ?? processInterruption(),
    input: options.input ?? processInput,
    commands,
    json: false,
  };
  const asked = understand(words, commands);
  switch (asked.kind) {
    case "mistake":
      context.terminal.stderr(`cardinal: ${asked.text}\n`);
      return exitCodes.usage;
    case "help":
      context.terminal[asked.wanted ? "stdout" : "stderr"](helpOf(commands, asked.words, context.terminal) ?? "");
      return asked.wanted ? exitCodes.fine : exitCodes.usage;
    case "run":
      return await asked.command.run({ ...context, json: asked.json }, asked.values);
  }
}

/** What a command line asks for. */
export type Asked =
  | { readonly kind: "run"; readonly command: Command; readonly values: CommandValues; readonly json: boolean }
  /** `wanted` is false when help is the answer to a command line that says nothing. */
  | { readonly kind: "help"; readonly words: readonly string[]; readonly wanted: boolean }
  | { readonly kind: "mistake"; readonly text: string };

export function understand(words: readonly string[], commands: readonly Command[]): Asked {
  // General options may stand before the command; they are flags, so no word behind them can be their value.
  const start = words.findIndex((word) => !word.startsWith("-") || word === "-" || word === "--");
  const [before, rest]: [readonly string[], readonly string[]] = start < 0 ? [words, []] : [words.slice(0, start), words.slice(start)];
  const general = parseArguments(before, generalOptions);
  if ("mistake" in general) return optionMistake(general.mistake, commands, before);
  const help = general.options.has("help");
  const json = general.options.has("json");
  if (general.options.has("version") && !help) return understand(["version", ...(json ? ["--json"] : [])], commands);

  const command = commandOf(commands, rest);
  if (command === undefined) return withoutCommand(rest, commands, help);
  const name = command.words.join(" ");
  const found = parseArguments(rest.slice(command.words.length), { ...generalOptions, ...command.options });
  const asksHelp = help || ("mistake" in found ? rest.includes("--help") : found.options.has("help"));
  if (asksHelp) return { kind: "help", words: command.words, wanted: true };
  if ("mistake" in found) return { kind: "mistake", text: `${name}: ${found.mistake}` };
  if (found.options.has("version")) return understand(["version"], commands);
  const asJson = json || found.options.has("json");
  if (asJson && !command.json) return { kind: "mistake", text: `${name} prints no result as JSON; leave --json out` };

  const operands = operandsOf(command, found.operands);
  if ("mistake" in operands) return { kind: "mistake", text: `${name}: ${operands.mistake}; usage: ${usageOf(command)}` };
  const options = Object.fromEntries(
    Object.entries(command.options).map((
      [option, { kind }],
    ) => [option, kind === "flag" ? found.options.has(option) : found.options.get(option)]),
  );
  return { kind: "run", command, values: { options, operands: operands.values }, json: asJson };
}

function operandsOf(
  command: Command,
  words: readonly string[],
): { readonly values: Record<string, string> } | { readonly mistake: string } {
  const values: Record<string, string> = {};
  let at = 0;
  for (const { name, optional = false, many = false, choices } of command.operands) {
    const taken = many ? words.slice(at) : words.slice(at, at + 1);
    if (taken.length === 0 && !optional) return { mistake: `${name} is missing` };
    if (taken.some((word) => word === "")) return { mistake: `${name} is empty` };
    const odd = choices === undefined ? undefined : taken.find((word) => !choices.includes(word));
    if (choices !== undefined && odd !== undefined) {
      const meant = nearest(odd, choices);
      const hint = meant === undefined ? "" : `; did you mean ${meant}?`;
      return { mistake: `${name} is ${JSON.stringify(odd)}, must be one of ${choices.join(", ")}${hint}` };
    }
    if (taken.length > 0) values[name] = taken.join(" ");
    at += taken.length;
  }
  return at < words.length ? { mistake: `${JSON.stringify(words[at])} is one word too many` } : { values };
}

/** Help for a group or for all, or what is wrong with the words. */
function withoutCommand(rest: readonly string[], commands: readonly Command[], help: boolean): Asked {
  const plain = rest.filter((word) => !word.startsWith("-"));
  const group = plain.length === 0 || wordsAfter(commands, plain).length > 0;
  const asksHelp = help || rest.includes("--help") || rest.includes("-h");
  if (group && (asksHelp || plain.length === 0)) return { kind: "help", words: plain, wanted: asksHelp };
  return { kind: "mistake", text: unknownCommand(commands, plain) };
}

/** An option before the command that only the command knows is most likely just misplaced. */
function optionMistake(mistake: string, commands: readonly Command[], before: readonly string[]): Asked {
  const names = before.filter((word) => word.startsWith("--")).map((word) => word.slice(2).split("=", 1)[0] as string);
  const owner = commands.find((command) => names.some((name) => name in command.options));
  if (owner !== undefined) {
    const option = names.find((name) => name in owner.options) as string;
    return { kind: "mistake", text: `--${option} stands behind its command: ${usageOf(owner)}` };
  }
  const meant = names.length === 1 ? nearest(names[0] as string, commands.map((command) => command.words.join("-"))) : undefined;
  if (meant !== undefined && !mistake.includes("did you mean")) {
    return { kind: "mistake", text: `${mistake}; the command is written without hyphens: cardinal ${meant.replaceAll("-", " ")}` };
  }
  return { kind: "mistake", text: mistake.endsWith("?") ? mistake : `${mistake}; see cardinal --help` };
}
