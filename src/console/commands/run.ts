/** `cardinal run`: the card itself. */
import { type Command, defineCommand } from "../command.ts";
import type { ExitCode } from "../exit-code.ts";
import type { Program } from "../program.ts";

export function runCommand(program: Program): Command {
  return defineCommand({
    words: ["run"],
    summary: "run this card",
    about: [
      "Runs until SIGTERM or Ctrl-C, which let the card say goodbye to the others. SIGHUP reads the configuration and the key file again and takes over what can change while the card runs: heartbeat, profile, cards, log, key.",
      "It logs on standard error, one line of JSON for each event.",
    ],
    options: { config: { kind: "text", short: "c", value: "FILE", summary: "the configuration (default: card.json in this directory)" } },
    examples: [
      { line: "cardinal run --config card.json", what: "start the card" },
      { line: "cardinal card example > card.json && cardinal key generate system.key", what: "what it needs first" },
    ],
    exits: ["failed", "configuration"],
    run: async ({ terminal }, { options }) =>
      await program.runCard(options.config ?? "card.json", (line) => terminal.stderr(`${line}\n`)) as ExitCode,
  });
}
