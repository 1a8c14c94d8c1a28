/** `cardinal names`: what shells offer where a set, a service or a card is to be named. */
import { cardName } from "../../base/ids.ts";
import type { FailoverView } from "../../failover/failover-view.ts";
import { type Command, printJson } from "../command.ts";
import { configOptions, defineConfigCommand } from "../config-command.ts";
import { exitCodes } from "../exit-code.ts";
import { printable } from "../text-layout.ts";

export const namesCommand: Command = defineConfigCommand({
  words: ["names"],
  summary: "list the failover sets, services or cards whose names begin so",
  about: ["Shells ask it when Tab is pressed. Cards are listed by their numbers, and as chassis/slot where a slash was typed."],
  operands: [
    { name: "WHAT", summary: "what is to be named", choices: ["sets", "services", "cards"] },
    { name: "BEGUN", summary: "what there is of the name; without it, all", optional: true },
  ],
  options: configOptions,
  examples: [
    { line: "cardinal names sets", what: "all failover sets" },
    { line: "cardinal names cards 1/", what: "the cards of chassis 1" },
  ],
  async run({ terminal, json }, client, { operands: { WHAT: what, BEGUN: begun = "" } }) {
    const { value: { sets, cards } } = await client.read<FailoverView>("v1/failover");
    const all = what === "sets"
      ? sets.map(({ set }) => set)
      : what === "services"
      ? sets.flatMap(({ services }) => services.map(({ service }) => service)).sort()
      : cards.map(({ card }) => begun.includes("/") ? cardName(card) : String(card));
    const names = all.filter((name) => name.startsWith(begun));
    if (json) printJson(terminal, names);
    else terminal.stdout(names.map((name) => `${printable(name)}\n`).join(""));
    return exitCodes.fine;
  },
});
