/** The commands about the program itself: help, version, completion, and the HTTP API's document. */
import { type Command, defineCommand, printJson } from "../command.ts";
import { completionScript, type Shell, shells } from "../completion.ts";
import { exitCodes } from "../exit-code.ts";
import { helpOf, unknownCommand } from "../help.ts";
import type { Program } from "../program.ts";

export const helpCommand: Command = defineCommand({
  words: ["help"],
  summary: "explain a command",
  operands: [{ name: "COMMAND", summary: "the command, as `key generate`", optional: true, many: true }],
  examples: [
    { line: "cardinal help", what: "all commands" },
    { line: "cardinal help status", what: "one command" },
    { line: "cardinal help key", what: "a group of commands" },
  ],
  run({ terminal, commands }, { operands }) {
    const words = operands.COMMAND?.split(" ") ?? [];
    const help = helpOf(commands, words, terminal);
    if (help === undefined) {
      terminal.stderr(`cardinal help: ${unknownCommand(commands, words)}\n`);
      return exitCodes.usage;
    }
    terminal.stdout(help);
    return exitCodes.fine;
  },
});

export const versionCommand: Command = defineCommand({
  words: ["version"],
  summary: "print the version of this program",
  json: true,
  examples: [{ line: "cardinal version", what: "the same as cardinal --version" }],
  run({ terminal, version, json }) {
    if (json) printJson(terminal, { name: "cardinal", version });
    else terminal.stdout(`cardinal ${version}\n`);
    return exitCodes.fine;
  },
});

export const completionCommand: Command = defineCommand({
  words: ["completion"],
  summary: "print the completion of these commands for a shell",
  operands: [{ name: "SHELL", summary: "the shell", choices: shells }],
  examples: [
    { line: 'eval "$(cardinal completion bash)"', what: "in ~/.bashrc" },
    { line: "source <(cardinal completion zsh)", what: "in ~/.zshrc, after compinit" },
    { line: "cardinal completion fish > ~/.config/fish/completions/cardinal.fish", what: "once" },
  ],
  run({ terminal, commands }, { operands }) {
    terminal.stdout(completionScript(operands.SHELL as Shell, commands));
    return exitCodes.fine;
  },
});

export const openapiCommand = (program: Program): Command =>
  defineCommand({
    words: ["openapi"],
    summary: "print the OpenAPI document of a card's HTTP interface",
    about: ["The same document that a card serves at /v1/openapi.json."],
    json: true,
    examples: [{ line: "cardinal openapi > cardinal.openapi.json", what: "for a generator of clients" }],
    async run({ terminal }) {
      printJson(terminal, await program.openApiDocument());
      return exitCodes.fine;
    },
  });
