/** `cardinal groups`: how the order of messages stands, and which applications are in which group. */
import type { GroupsStatus } from "../../node/status.ts";
import { cardPageAbout, cardPageExits, cardPageOptions, showCardPage } from "../card-page.ts";
import { type Command, defineCommand } from "../command.ts";
import { groupNamed, groupsText, isGroupsStatus } from "../groups-text.ts";

export const groupsCommand: Command = defineCommand({
  words: ["groups"],
  summary: "show the order of messages, and the groups with their members",
  about: [
    "A member's card and number name it everywhere. When a critical member fails, its card is reset.",
    ...cardPageAbout,
  ],
  operands: [{ name: "NAME", summary: "that group alone; with --json too", optional: true }],
  options: cardPageOptions,
  json: true,
  examples: [
    { line: "cardinal groups", what: "all groups, as the card on this machine knows them" },
    { line: "cardinal groups exports --watch", what: "one group, kept up to date" },
    { line: "cardinal groups --json", what: "for programs" },
  ],
  exits: cardPageExits,
  async run(context, { options, operands: { NAME: name } }) {
    return await showCardPage<GroupsStatus>(
      context,
      {
        command: "groups",
        path: "v1/groups",
        isValue: isGroupsStatus,
        text: (status, page) => groupsText(status, name, page),
        ...(name === undefined ? {} : { json: (status) => groupNamed(status, name) }),
      },
      options,
    );
  },
});
