/**
 * What a command is. The command line and the serial console share one table of them: the grammar, the help, the
 * completion of shells and the suggestions for mistyped words all come from it.
 */
import type { Ending, ExitCode } from "./exit-code.ts";

/** Where a command's words go. Text is written as it is, newlines included. */
export interface Terminal {
  stdout(text: string): void;
  stderr(text: string): void;
  /** Resolves when standard output has taken what was written, for who writes without an end; absent where it always has. */
  drained?(): Promise<void>;
  readonly columns: number;
  readonly rows: number;
  /** Standard output is a terminal that a person looks at. */
  readonly isTty: boolean;
  /** Standard error is one. */
  readonly isErrorTty?: boolean;
  /** Standard input is one: somebody can be asked. */
  readonly isInputTty?: boolean;
  /** Colours are wanted and understood. */
  readonly color: boolean;
}

export type CommandContext = {
  readonly terminal: Terminal;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly version: string;
  /** The table that this command is in. */
  readonly commands: readonly Command[];
  /** The result is wanted as JSON. */
  readonly json: boolean;
  readonly wallClock: () => Date;
  /** Aborted by Ctrl-C or SIGTERM; from the first call on these no longer end the process by themselves. */
  readonly untilInterrupted: () => AbortSignal;
  /** Standard input in pieces, as they come, until it or the signal ends. It rejects with what the system says. */
  readonly input: (signal: AbortSignal) => AsyncIterable<Uint8Array>;
};

export type Option = {
  /** A flag is there or not; a text has a value. */
  readonly kind: "flag" | "text";
  readonly short?: string;
  /** How help names the value, as "FILE". */
  readonly value?: string;
  readonly summary: string;
};

export type Operand = {
  /** How help names it, as "FILE". */
  readonly name: string;
  readonly summary: string;
  readonly optional?: boolean;
  /** More than one word; they come as one text with single spaces. */
  readonly many?: boolean;
  readonly choices?: readonly string[];
};

/** A value or operand of this name is a path: shells complete it so. */
export const fileValueName = "FILE";

/** An operand of this name is a place in the configuration, which is typed part by part. */
export const placeOperandName = "PATH";
export const placesCommand = ["config", "paths"] as const;

/** Values and first operands of these names are known to the card alone: shells ask it, by these words, what one that was begun may go on as. */
export const askedNames: Readonly<Record<string, readonly string[]>> = {
  [placeOperandName]: placesCommand,
  SET: ["names", "sets"],
  SERVICE: ["names", "services"],
  CARD: ["names", "cards"],
};

export type Example = { readonly line: string; readonly what: string };

export type Command = {
  readonly words: readonly [string, ...string[]];
  readonly summary: string;
  /** What help says beyond the summary; each entry is a paragraph. */
  readonly about: readonly string[];
  readonly operands: readonly Operand[];
  readonly options: Readonly<Record<string, Option>>;
  /** Whether `--json` changes what it prints, or it prints JSON anyway. */
  readonly json: boolean;
  readonly examples: readonly Example[];
  /** How it can end, besides `fine` and `usage`, with which every command can. */
  readonly exits: readonly Ending[];
  run(context: CommandContext, values: CommandValues): ExitCode | Promise<ExitCode>;
};

export type CommandValues = {
  readonly options: Readonly<Record<string, string | boolean | undefined>>;
  readonly operands: Readonly<Record<string, string | undefined>>;
};

type OptionValues<Options extends Readonly<Record<string, Option>>> = {
  readonly [Name in keyof Options]: Options[Name]["kind"] extends "flag" ? boolean : string | undefined;
};

type OperandValues<Operands extends readonly Operand[]> = {
  readonly [Entry in Operands[number] as Entry["name"]]: Entry extends { readonly optional: true } ? string | undefined : string;
};

/** What a command declares, with the types of what its `run` gets. */
export type Definition<Options extends Readonly<Record<string, Option>>, Operands extends readonly Operand[]> = {
  readonly words: readonly [string, ...string[]];
  readonly summary: string;
  readonly about?: readonly string[];
  readonly operands?: Operands;
  readonly options?: Options;
  readonly json?: boolean;
  readonly examples: readonly Example[];
  readonly exits?: readonly Ending[];
  readonly run: (
    context: CommandContext,
    values: { readonly options: OptionValues<Options>; readonly operands: OperandValues<Operands> },
  ) => ExitCode | Promise<ExitCode>;
};

/** One JSON document, indented for people. */
export function printJson(terminal: Terminal, value: unknown): void {
  terminal.stdout(`${JSON.stringify(value, undefined, 2)}\n`);
}

/** A command whose `run` gets exactly the options and operands that it declares. */
export function defineCommand<
  const Options extends Readonly<Record<string, Option>> = Readonly<Record<never, Option>>,
  const Operands extends readonly Operand[] = readonly [],
>(definition: Definition<Options, Operands>): Command {
  const { about = [], operands = [], options = {}, json = false, exits = [] } = definition;
  // The grammar gives `run` what the definition declares and nothing else; the table cannot say that in types.
  const run = definition.run as unknown as Command["run"];
  return { ...definition, about, operands, options, json, exits, run };
}
