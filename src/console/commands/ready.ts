/** `cardinal ready`: whether each service would be taken over if its card failed now. */
import { cardPageAbout, cardPageExits, cardPageOptions, showCardPage } from "../card-page.ts";
import { type Command, defineCommand } from "../command.ts";
import { exitCodes } from "../exit-code.ts";
import { isReadiness, readyText } from "../failover-text.ts";
import { noFailover } from "./set.ts";

export const readyCommand: Command = defineCommand({
  words: ["ready"],
  summary: "tell whether each service would be taken over if its card failed now, and why not",
  about: [
    "Each card is failed in thought and everything is placed anew, so the answer is what would happen. A reason has a code, an age, an owner, who can end it, and how.",
    "Ends with 0 when every service would be taken over, with 1 when one would not. A warning makes a takeover slower or less safe, and changes no exit code.",
    ...cardPageAbout,
  ],
  options: cardPageOptions,
  json: true,
  examples: [
    { line: "cardinal ready", what: "before a card is pulled" },
    { line: "cardinal ready && echo safe", what: "in a script" },
    { line: "cardinal ready --json", what: "for programs" },
  ],
  exits: cardPageExits,
  async run(context, { options }) {
    return await showCardPage(context, {
      command: "ready",
      path: "v1/readiness",
      isValue: isReadiness,
      text: readyText,
      absent: noFailover,
      code: ({ ready }) => ready ? exitCodes.fine : exitCodes.failed,
    }, options);
  },
});
