/** `cardinal set`: who serves what, and the verbs by which an operator moves it. */
import type { SetsView } from "../../failover/failover-view.ts";
import { cardPageAbout, cardPageExits, cardPageOptions, showCardPage } from "../card-page.ts";
import { type Command, defineCommand } from "../command.ts";
import { isSets, setNamed, setsText } from "../failover-text.ts";

/** What it means that a card has no paths for failover. */
export const noFailover = "this card has no failover: it has no configuration, or is of an earlier version";

const showCommand: Command = defineCommand({
  words: ["set", "show"],
  summary: "show the failover sets: who is Primary, who would take over, where each service runs, and why",
  about: [
    "PRIMARY serves; SECONDARY takes over first, then each ALTERNATE; UNASSIGNED and FAILED cards do not, for the reasons beside them. In an N-way set every service has a card of its own.",
    "A service is placed, held (an unknown card may run it), quarantined (it failed too often), unserved (no card can have it), disabled or dormant. The grant says how far its card is with it.",
    ...cardPageAbout,
  ],
  operands: [{ name: "SET", summary: "that set alone; with --json too", optional: true }],
  options: cardPageOptions,
  json: true,
  examples: [
    { line: "cardinal set show", what: "all sets, as the card on this machine knows them" },
    { line: "cardinal set show web --watch", what: "one set, kept up to date" },
    { line: "cardinal set show --json", what: "for programs" },
  ],
  exits: cardPageExits,
  async run(context, { options, operands: { SET: name } }) {
    return await showCardPage<SetsView>(context, {
      command: "set show",
      path: "v1/sets",
      isValue: isSets,
      text: (view, page) => setsText(view, name, page),
      absent: noFailover,
      ...(name === undefined ? {} : { json: (view) => setNamed(view, name) }),
    }, options);
  },
});

export const setCommands: readonly Command[] = [showCommand];
