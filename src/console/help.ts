/** Help from the table of commands. Pure text. */
import { nearest } from "../base/nearest.ts";
import type { Command, Operand, Option } from "./command.ts";
import { type Ending, exitCodes, exitCodeTexts } from "./exit-code.ts";
import { note, pageText, type Paint, paintOf, pairs, wrap } from "./text-layout.ts";

/** Options that stand before or behind any command. */
export const generalOptions: Readonly<Record<string, Option>> = {
  help: { kind: "flag", short: "h", summary: "explain the command" },
  json: { kind: "flag", summary: "print the result as JSON" },
  version: { kind: "flag", short: "V", summary: "print the version of this program" },
};

type Page = { readonly columns: number; readonly color: boolean };

/** A command whose words are the first of `words`, the longest match. */
export function commandOf(commands: readonly Command[], words: readonly string[]): Command | undefined {
  return commands.filter((command) => command.words.every((word, index) => words[index] === word))
    .reduce<Command | undefined>(
      (best, command) => (best !== undefined && best.words.length >= command.words.length ? best : command),
      undefined,
    );
}

/** The words that can follow `words` on the way to a command, each once. */
export function wordsAfter(commands: readonly Command[], words: readonly string[]): string[] {
  const next = commands.filter((command) => words.every((word, index) => command.words[index] === word)).map((command) =>
    command.words[words.length]
  );
  return [...new Set(next.filter((word) => word !== undefined))];
}

/** The help for a command, a group of commands, or for all when `words` is empty; `undefined` when there is no such thing. */
export function helpOf(commands: readonly Command[], words: readonly string[], page: Page): string | undefined {
  const width = Math.min(100, Math.max(30, page.columns));
  const paint = paintOf(page.color);
  if (words.length === 0) return overviewOf(commands, width, paint);
  const command = commands.find((command) => command.words.join(" ") === words.join(" "));
  const group = commands.filter((command) => words.every((word, index) => command.words[index] === word));
  if (command !== undefined) return commandHelp(command, group.filter((other) => other !== command), width, paint);
  return group.length === 0 ? undefined : groupHelp(group, words, width, paint);
}

/** What to say when no command has the words that were typed. */
export function unknownCommand(commands: readonly Command[], words: readonly string[]): string {
  const known = words.findIndex((_, index) =>
    wordsAfter(commands, words.slice(0, index + 1)).length === 0 && commandOf(commands, words.slice(0, index + 1)) === undefined
  );
  const before = known < 0 ? words : words.slice(0, known);
  const typed = known < 0 ? undefined : words[known];
  const choices = wordsAfter(commands, before);
  const prefix = before.map((word) => `${word} `).join("");
  const list = choices.map((word) => prefix + word).join(", ");
  if (typed === undefined) return `${before.join(" ")} is a group of commands; say one of: ${list}`;
  const meant = nearest(typed, choices);
  const hint = meant === undefined
    ? (choices.length === 0 ? "see cardinal --help" : `the commands are ${list}`)
    : `did you mean ${prefix}${meant}?`;
  return `there is no command ${JSON.stringify(prefix + typed)}; ${hint}`;
}

/** "cardinal key generate [--force] FILE". */
export function usageOf(command: Command): string {
  const options = Object.entries(command.options).map(([name, { kind, value = "VALUE" }]) =>
    `[--${name}${kind === "flag" ? "" : ` ${value}`}]`
  );
  return ["cardinal", ...command.words, ...options, ...command.operands.map(operandText)].join(" ");
}

function operandText({ name, optional = false, many = false }: Operand): string {
  return `${optional ? "[" : ""}${name}${many ? "..." : ""}${optional ? "]" : ""}`;
}

function overviewOf(commands: readonly Command[], width: number, paint: Paint): string {
  return pageOf([
    wrap("Cardinal makes the controller cards of a storage chassis one highly available system.", width),
    [paint("heading", "Usage"), "  cardinal COMMAND [OPTIONS]"],
    [paint("heading", "Commands"), ...pairs(commands.map((command) => [command.words.join(" "), command.summary]), width, paint)],
    [paint("heading", "Options of every command"), ...optionLines(generalOptions, width, paint)],
    [
      paint("heading", "Environment"),
      ...pairs(
        [["CARDINAL_URL", "the address of the card that is asked, without --url"], [
          "CARDINAL_SOCKET",
          "the socket that group join, send and tail use",
        ], ["NO_COLOR", "when set: no colours"]],
        width,
        paint,
      ),
    ],
    exitLines(Object.keys(exitCodes) as Ending[], width, paint),
    note("`cardinal help COMMAND` explains a command and shows examples.", width, 0),
  ]);
}

function groupHelp(group: readonly Command[], words: readonly string[], width: number, paint: Paint): string {
  return pageOf([
    [paint("heading", "Usage"), `  cardinal ${words.join(" ")} COMMAND [OPTIONS]`],
    [paint("heading", "Commands"), ...pairs(group.map((command) => [command.words.join(" "), command.summary]), width, paint)],
    exampleLines(group, width, paint),
  ]);
}

/** `others` begin with its words. */
function commandHelp(command: Command, others: readonly Command[], width: number, paint: Paint): string {
  const { help, json } = generalOptions as { help: Option; json: Option };
  const options = { ...command.options, ...(command.json ? { json } : {}), help };
  return pageOf([
    wrap(`cardinal ${command.words.join(" ")}: ${command.summary}`, width),
    [paint("heading", "Usage"), ...note(usageOf(command), width)],
    ...command.about.map((paragraph) => wrap(paragraph, width)),
    others.length === 0
      ? []
      : [paint("heading", "More commands"), ...pairs(others.map(({ words, summary }) => [words.join(" "), summary]), width, paint)],
    command.operands.length === 0 ? [] : [
      paint("heading", "Operands"),
      ...pairs(
        command.operands.map(({ name, summary, choices }) => [name, choices === undefined ? summary : `${summary}: ${choices.join(", ")}`]),
        width,
        paint,
      ),
    ],
    [paint("heading", "Options"), ...optionLines(options, width, paint)],
    exampleLines([command], width, paint),
    exitLines(["fine", "usage", ...command.exits], width, paint),
  ]);
}

function optionLines(options: Readonly<Record<string, Option>>, width: number, paint: Paint): string[] {
  const entries = Object.entries(options).map(([name, { kind, short, value = "VALUE", summary }]) =>
    [`${short === undefined ? "    " : `-${short}, `}--${name}${kind === "flag" ? "" : ` ${value}`}`, summary] as const
  );
  return pairs(entries, width, paint);
}

function exitLines(endings: readonly Ending[], width: number, paint: Paint): string[] {
  const codes = endings.map((ending) => [exitCodes[ending], exitCodeTexts[ending]] as const).sort(([a], [b]) => a - b);
  return [paint("heading", "Exit codes"), ...pairs(codes.map(([code, text]) => [String(code), text]), width, paint)];
}

/** Lines to paste are never broken. */
function exampleLines(commands: readonly Command[], width: number, paint: Paint): string[] {
  const examples = commands.flatMap((command) => command.examples);
  return [
    paint("heading", "Examples"),
    ...examples.flatMap(({ line, what }) => [...note(`# ${what}`, width).map((text) => paint("faint", text)), `  ${line}`]),
  ];
}

function pageOf(sections: readonly (readonly string[])[]): string {
  return pageText(sections);
}
