/** `cardinal key`: makes the system's key, shows which keys a file holds, and changes the key of a running system. */
import { type Command, type CommandContext, defineCommand, printJson } from "../command.ts";
import { type ExitCode, exitCodes } from "../exit-code.ts";
import { isRefusal, type KeyName, type Program, type Refusal } from "../program.ts";
import { table } from "../text-layout.ts";

const file = { name: "FILE", summary: "the key file" } as const;

const rotation = "A running system changes its key without an outage in three steps: stage, promote, retire. " +
  "After each step copy the file to every card and send each card's process SIGHUP, before the next step.";

const generate = (program: Program): Command =>
  defineCommand({
    words: ["key", "generate"],
    summary: "make the key file of a new system",
    about: ["Makes the file with a random key, readable by its owner only. All cards of a system use copies of the same file.", rotation],
    operands: [file],
    options: { force: { kind: "flag", summary: "replace a file that is there; its old key is lost" } },
    json: true,
    examples: [{ line: "cardinal key generate system.key", what: "then copy system.key to every card" }],
    exits: ["failed", "refused"],
    async run(context, { options, operands }) {
      const files = await program.keyFiles();
      const made = files.generate(operands.FILE, { force: options.force, now: context.wallClock() });
      return finish(context, "generate", operands.FILE, made, "Copy the file to every card of the system.");
    },
  });

const show = (program: Program): Command =>
  defineCommand({
    words: ["key", "show"],
    summary: "show which keys a file holds, never the secrets",
    about: ["Two cards understand each other when the key that one signs with is in the file of the other. Compare the ids.", rotation],
    operands: [file],
    json: true,
    examples: [{ line: "cardinal key show system.key", what: "ids, dates and what each key is for" }],
    exits: ["failed", "refused"],
    async run(context, { operands }) {
      const files = await program.keyFiles();
      const keys = files.read(operands.FILE);
      return finish(context, "show", operands.FILE, keys, isRefusal(keys) ? undefined : comingStep(operands.FILE, keys[1]?.role));
    },
  });

const stage = (program: Program): Command =>
  defineCommand({
    words: ["key", "stage"],
    summary: "first step of a key change: add a new key, accepted and not yet signing",
    about: [rotation],
    operands: [file],
    json: true,
    examples: [{ line: "cardinal key stage system.key", what: "then copy it to every card and reload them" }],
    exits: ["failed", "refused"],
    async run(context, { operands }) {
      const files = await program.keyFiles();
      return finish(context, "stage", operands.FILE, files.stage(operands.FILE, context.wallClock()), nextStep("promote", operands.FILE));
    },
  });

const promote = (program: Program): Command =>
  defineCommand({
    words: ["key", "promote"],
    summary: "second step: the new key signs, the old one is still accepted",
    about: [rotation],
    operands: [file],
    json: true,
    examples: [{ line: "cardinal key promote system.key", what: "then copy it to every card and reload them" }],
    exits: ["failed", "refused"],
    async run(context, { operands }) {
      const files = await program.keyFiles();
      return finish(context, "promote", operands.FILE, files.promote(operands.FILE), nextStep("retire", operands.FILE));
    },
  });

const retire = (program: Program): Command =>
  defineCommand({
    words: ["key", "retire"],
    summary: "last step: drop the old key",
    about: [rotation],
    operands: [file],
    json: true,
    examples: [{ line: "cardinal key retire system.key", what: "then copy it to every card and reload them" }],
    exits: ["failed", "refused"],
    async run(context, { operands }) {
      const files = await program.keyFiles();
      return finish(
        context,
        "retire",
        operands.FILE,
        files.retire(operands.FILE),
        "Copy the file to every card and send each card's process SIGHUP; then the change is done.",
      );
    },
  });

export function keyCommands(program: Program): readonly Command[] {
  return [generate(program), show(program), stage(program), promote(program), retire(program)];
}

function comingStep(path: string, second: KeyName["role"] | undefined): string {
  if (second === undefined) return `To change the key: cardinal key stage ${path}`;
  return `A change of the key is under way. When every card has this file: cardinal key ${
    second === "staged" ? "promote" : "retire"
  } ${path}`;
}

function nextStep(step: string, path: string): string {
  return `Copy the file to every card and send each card's process SIGHUP. Next step: cardinal key ${step} ${path}`;
}

const roleTexts = { signing: "signs", staged: "accepted, does not sign yet", retiring: "accepted, signs no more" } as const;

function finish(context: CommandContext, step: string, path: string, result: readonly KeyName[] | Refusal, next?: string): ExitCode {
  const { terminal, json } = context;
  if (isRefusal(result)) {
    terminal.stderr(`cardinal key ${step}: ${result.message}\n`);
    return result.refused === "io" ? exitCodes.failed : exitCodes.refused;
  }
  // Member by member: what a key file gives holds the secret too.
  const keys = result.map(({ id, made, role }) => ({ id, made, role }));
  if (json) {
    printJson(terminal, { file: path, keys });
    return exitCodes.fine;
  }
  const rows = keys.map(({ id, made, role }) => [{ text: id }, { text: made }, { text: roleTexts[role] }]);
  terminal.stdout(`${[`${path}:`, ...table(["KEY", "MADE", "USE"], rows, terminal.columns, (_tone, text) => text)].join("\n")}\n`);
  if (next !== undefined) terminal.stdout(`${next}\n`);
  return exitCodes.fine;
}
