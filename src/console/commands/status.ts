/** `cardinal status`: asks a card what it sees and prints it for people, or exactly as it came for programs. */
import { cardPageAbout, cardPageExits, cardPageOptions, showCardPage } from "../card-page.ts";
import { type Command, defineCommand } from "../command.ts";
import { isCardStatus, statusText } from "../status-text.ts";

export const statusCommand: Command = defineCommand({
  words: ["status"],
  summary: "show what a card sees: itself, its links, the other cards, alarms",
  about: cardPageAbout,
  options: cardPageOptions,
  json: true,
  examples: [
    { line: "cardinal status", what: "the card on this machine" },
    { line: "cardinal status --watch", what: "the same, kept up to date" },
    { line: "cardinal status --url http://127.0.0.1:8421", what: "a card at another address" },
    { line: "cardinal --json status", what: "for programs" },
  ],
  exits: cardPageExits,
  async run(context, { options }) {
    return await showCardPage(context, { command: "status", path: "v1/status", isValue: isCardStatus, text: statusText }, options);
  },
});
