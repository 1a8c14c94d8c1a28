/** `cardinal boot`: how far a card's start is, and the operator's word to one that waits for cards that are missing. */
import { type BootPage, bootText, isBootPage } from "../boot-text.ts";
import { cardPageAbout, cardPageExits, cardPageOptions, showCardPage } from "../card-page.ts";
import { type Command, defineCommand } from "../command.ts";
import { defineConfigCommand } from "../config-command.ts";
import { aboutVerbs, carryOutVerb, verbOptions } from "../operator-verb.ts";

export const bootCommands: readonly Command[] = [
  defineCommand({
    words: ["boot"],
    summary: "show how far a card's start is: its checks, what it waits for or holds for, what self-tests found",
    about: [
      "A card starts with named checks, listens on both links, announces itself, fetches what it missed and is told its role; then it is READY. HOLD: it stays out until the reason beside it is gone.",
      "A self-test tells a dead card from a dead link: a peer that is silent on one link is asked over the other one, and through third cards.",
      ...cardPageAbout,
    ],
    options: cardPageOptions,
    json: true,
    examples: [
      { line: "cardinal boot", what: "the card on this machine" },
      { line: "cardinal boot --watch", what: "while it starts" },
    ],
    exits: cardPageExits,
    async run(context, { options }) {
      return await showCardPage<BootPage>(context, {
        command: "boot",
        path: "v1/status",
        isValue: isBootPage,
        text: bootText,
        json: ({ boot, selfTest }) => ({ boot, selfTest }),
      }, options);
    },
  }),
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
