/** `cardinal failovers`: what failed over lately. */
import { pageRowsMax } from "../../limits.ts";
import { cardPageAbout, cardPageExits, cardPageOptions, showCardPage } from "../card-page.ts";
import { type Command, defineCommand } from "../command.ts";
import { exitCodes } from "../exit-code.ts";
import { failoversText, isFailovers } from "../failover-record-text.ts";
import { noFailover } from "./set.ts";

const shownDefault = "20";

export const failoversCommand: Command = defineCommand({
  words: ["failovers"],
  summary: "list the last failovers and moves, newest first: what, why, how long, where to",
  about: ["`cardinal failover explain ID` tells all of one.", ...cardPageAbout],
  options: { ...cardPageOptions, limit: { kind: "text", short: "n", value: "N", summary: `so many (default: ${shownDefault})` } },
  json: true,
  examples: [
    { line: "cardinal failovers", what: `the last ${shownDefault}` },
    { line: "cardinal failovers --watch", what: "the same, kept up to date" },
    { line: "cardinal failovers --limit 1 --json", what: "the last one, for programs" },
  ],
  exits: cardPageExits,
  async run(context, { options }) {
    const { limit = shownDefault } = options;
    if (!/^[1-9]\d{0,5}$/.test(limit) || Number(limit) > pageRowsMax) {
      context.terminal.stderr(`cardinal failovers: --limit is ${JSON.stringify(limit)}, must be a whole number from 1 to ${pageRowsMax}\n`);
      return exitCodes.usage;
    }
    return await showCardPage(context, {
      command: "failovers",
      path: `v1/failovers?limit=${limit}`,
      isValue: isFailovers,
      text: failoversText,
      absent: noFailover,
    }, options);
  },
});
