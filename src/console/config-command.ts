/** The form of the commands that ask a card for its configuration, or change it: they get a client, and what it says is wrong ends them. */
import { cardAddress } from "./card-page.ts";
import {
  type Command,
  type CommandContext,
  type CommandValues,
  type Definition,
  fileValueName,
  type Operand,
  type Option,
  printJson,
} from "./command.ts";
import { type Changed, changedText, ConfigClient, Ended } from "./config-client.ts";
import { type Ending, type ExitCode, exitCodes } from "./exit-code.ts";

export const configOptions = {
  url: { kind: "text", short: "u", value: "URL", summary: "the card's address" },
} as const satisfies Readonly<Record<string, Option>>;

/** Options of what takes a token and changes nothing in the history. */
export const tokenOptions = {
  ...configOptions,
  "token-file": { kind: "text", value: fileValueName, summary: "the file with the token that allows it" },
} as const satisfies Readonly<Record<string, Option>>;

/** Options of what changes something. */
export const changeOptions = {
  ...tokenOptions,
  comment: { kind: "text", short: "m", value: "TEXT", summary: "why, for the history" },
  expect: { kind: "text", value: "HEAD", summary: "refuse unless the head is this one: its hash, or the first digits of it" },
} as const satisfies Readonly<Record<string, Option>>;

export const aboutTokens =
  "A change takes a token: the one in --token-file, else in the file that $CARDINAL_TOKEN_FILE names, else $CARDINAL_TOKEN, else, for root on the card itself, the card's own.";

/** Says what became of a change. */
export function printChanged({ terminal, json }: CommandContext, changed: Changed): ExitCode {
  if (json) printJson(terminal, changed);
  else terminal.stdout(`${changedText(changed)}\n`);
  return exitCodes.fine;
}

const exits: readonly Ending[] = ["failed", "unreachable", "refused", "interrupted"];

type ConfigDefinition<Options extends Readonly<Record<string, Option>>, Operands extends readonly Operand[]> =
  & Omit<Definition<Options, Operands>, "json" | "exits" | "run">
  & {
    readonly run: (
      context: CommandContext,
      client: ConfigClient,
      values: Parameters<Definition<Options, Operands>["run"]>[1],
    ) => Promise<ExitCode>;
  };

/** A command whose `run` gets a client besides what `defineCommand` gives it. */
export function defineConfigCommand<
  const Options extends Readonly<Record<string, Option>> = typeof configOptions,
  const Operands extends readonly Operand[] = readonly [],
>(definition: ConfigDefinition<Options, Operands>): Command {
  const { words, about = [], operands = [], options = configOptions } = definition;
  // As with `defineCommand`: the grammar gives what the definition declares.
  const use = definition.run as unknown as (context: CommandContext, client: ConfigClient, values: CommandValues) => Promise<ExitCode>;
  const run = async (context: CommandContext, values: CommandValues): Promise<ExitCode> => {
    const { url, "token-file": tokenFile } = values.options as { readonly url?: string; readonly "token-file"?: string };
    const command = words.join(" ");
    const base = cardAddress(context, command, url);
    if (base === undefined) return exitCodes.usage;
    try {
      return await use(context, new ConfigClient(context, command, base, tokenFile), values);
    } catch (error) {
      if (error instanceof Ended) return error.code;
      throw error;
    }
  };
  return { ...definition, about, operands, options, json: true, exits, run };
}
