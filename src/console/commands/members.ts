/** `cardinal members`: which cards are in the view, which are out and why, and who hears whom. */
import { cardPageAbout, cardPageExits, cardPageOptions, showCardPage } from "../card-page.ts";
import { type Command, defineCommand } from "../command.ts";
import { isMembershipStatus, membersText } from "../members-text.ts";

export const membersCommand: Command = defineCommand({
  words: ["members"],
  summary: "show the view: members, absent cards, who hears whom, what changed",
  about: [
    "A view is the agreed list of live cards. CONFIRMED: every absent card is DOWN, proven by a receipt. " +
    "UNCONFIRMED: some absent card is UNKNOWN; what it serves stays where it is. " +
    "TENTATIVE: a change is under way or there is no quorum; nothing new is started.",
    ...cardPageAbout,
  ],
  options: cardPageOptions,
  json: true,
  examples: [
    { line: "cardinal members", what: "as the card on this machine sees it" },
    { line: "cardinal members --watch", what: "the same, kept up to date" },
    { line: "cardinal members --json", what: "for programs" },
  ],
  exits: cardPageExits,
  async run(context, { options }) {
    return await showCardPage(context, { command: "members", path: "v1/members", isValue: isMembershipStatus, text: membersText }, options);
  },
});
