/** `cardinal failover`: one failover, explained. */
import { cardPageAbout, cardPageExits, cardPageOptions, showCardPage } from "../card-page.ts";
import { type Command, defineCommand } from "../command.ts";
import { exitCodes } from "../exit-code.ts";
import { failoverText, isFailover } from "../failover-record-text.ts";

export const failoverCommands: readonly Command[] = [
  defineCommand({
    words: ["failover", "explain"],
    summary: "explain a failover: why, how long each step took, and what would have prevented it",
    about: [
      "The record has all that was seen of a card on each link, the self-tests and their answers, what other cards said, the rule that fired, what proved the card down, who was given what, and how long each resource took to start. Times count from the first sign, in milliseconds.",
      ...cardPageAbout,
    ],
    operands: [{ name: "ID", summary: "its number, as `cardinal failovers` lists it" }],
    options: cardPageOptions,
    json: true,
    examples: [
      { line: "cardinal failover explain 7", what: "all of it" },
      { line: "cardinal failover explain 7 --json", what: "for programs" },
      { line: "cardinal failover explain 7 --watch", what: "while it is under way" },
    ],
    exits: cardPageExits,
    async run(context, { options, operands: { ID: id } }) {
      if (!/^\d{1,15}$/.test(id)) {
        context.terminal.stderr(
          `cardinal failover explain: ID is ${JSON.stringify(id)}, must be a failover's number; see cardinal failovers\n`,
        );
        return exitCodes.usage;
      }
      return await showCardPage(context, {
        command: "failover explain",
        path: `v1/failovers/${Number(id)}`,
        isValue: isFailover,
        text: failoverText,
      }, options);
    },
  }),
];
