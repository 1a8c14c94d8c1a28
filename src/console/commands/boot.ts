/** `cardinal boot`: the operator's word to a system that waits for cards that are missing. */
import type { Command } from "../command.ts";
import { defineConfigCommand } from "../config-command.ts";
import { aboutVerbs, carryOutVerb, verbOptions } from "../operator-verb.ts";

export const bootCommands: readonly Command[] = [
  defineConfigCommand({
    words: ["boot", "proceed"],
    summary: "say that the cards which are missing run nothing, so that the others start without them",
    about: [
      "After a cold start nobody knows what a silent card runs, so what it may have is started nowhere until it is heard. Make sure that the missing cards are off, or pulled, before you say so: two cards that serve the same at once destroy data.",
      aboutVerbs,
    ],
    options: verbOptions,
    examples: [
      { line: "cardinal boot proceed --dry-run", what: "what would start, and where" },
      { line: "cardinal boot proceed --comment pulled", what: "start without it" },
    ],
    run: async (context, client, { options }) => await carryOutVerb(context, client, "v1/boot/proceed", options),
  }),
];
