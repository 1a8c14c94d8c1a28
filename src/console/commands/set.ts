/** `cardinal set`: who serves what, and the verbs by which an operator moves it. */
import type { SetsView } from "../../failover/failover-view.ts";
import { cardPageAbout, cardPageExits, cardPageOptions, showCardPage } from "../card-page.ts";
import { type Command, defineCommand } from "../command.ts";
import { defineConfigCommand } from "../config-command.ts";
import { isSets, setNamed, setsText } from "../failover-text.ts";
import { aboutVerbs, cardFrom, carryOutVerb, forceOption, needCard, verbOptions } from "../operator-verb.ts";

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

const serviceOption = {
  service: { kind: "text", short: "s", value: "SERVICE", summary: "this service of an N-way set, whose services move one by one" },
} as const;

const setOperand = { name: "SET", summary: "the failover set" } as const;
const cardOperand = { name: "CARD", summary: "the card, by its number or as chassis/slot" } as const;

const switchCommand: Command = defineConfigCommand({
  words: ["set", "switch"],
  summary: "move a set, or a service, to another card: it stops where it is, then starts there",
  about: [
    "It stays where it was sent: nothing takes it back by itself before `set failback`, or before that card fails. Of a single or hierarchical set all services move together.",
    aboutVerbs,
  ],
  operands: [setOperand],
  options: {
    to: { kind: "text", short: "t", value: "CARD", summary: "to this card; else to the one that would take over" },
    ...serviceOption,
    ...verbOptions,
  },
  examples: [
    { line: "cardinal set switch web --dry-run", what: "what would happen" },
    { line: "cardinal set switch web --to 2 --comment fan", what: "to card 2, and why" },
    { line: "cardinal set switch exports --service home --to 1/3", what: "one service of an N-way set" },
  ],
  run: async (context, client, { options, operands: { SET: set } }) => {
    const to = options.to === undefined ? undefined : String(needCard(client, options.to, "--to"));
    return await carryOutVerb(context, client, setPath(set, "switch"), options, { to, service: options.service });
  },
});

const failbackCommand: Command = defineConfigCommand({
  words: ["set", "failback"],
  summary: "move a set, or a service, back to the card that is configured to have it",
  about: [
    "Refused while no card that it prefers can have it. What would keep an automatic failback waiting is printed as a warning and keeps nobody.",
    aboutVerbs,
  ],
  operands: [setOperand],
  options: { ...serviceOption, ...verbOptions },
  examples: [
    { line: "cardinal set failback web --dry-run", what: "where it would go" },
    { line: "cardinal set failback web", what: "now" },
  ],
  run: async (context, client, { options, operands: { SET: set } }) =>
    await carryOutVerb(context, client, setPath(set, "failback"), options, { service: options.service }),
});

const liftCommand: Command = defineConfigCommand({
  words: ["set", "lift-quarantine"],
  summary: "let a set, a service or a card that failed too often take part again",
  about: [
    "What failed too often is not started before its quarantine ends: find the cause first, `cardinal failovers` shows what happened. It is forgotten, too, on which cards it failed.",
    aboutVerbs,
  ],
  operands: [{ name: "SET", summary: "the failover set, or a card by its number or as chassis/slot" }],
  options: { ...serviceOption, ...verbOptions },
  examples: [
    { line: "cardinal set lift-quarantine web", what: "a set" },
    { line: "cardinal set lift-quarantine exports --service home", what: "a service of an N-way set" },
    { line: "cardinal set lift-quarantine 2 --comment replaced", what: "a card" },
  ],
  run: async (context, client, { options, operands: { SET: name } }) => {
    const card = cardFrom(name);
    if (card === undefined) {
      return await carryOutVerb(context, client, setPath(name, "lift-quarantine"), options, { service: options.service });
    }
    if (options.service !== undefined) return client.mistaken(`--service is of a set, and ${name} is a card`);
    return await carryOutVerb(context, client, `v1/cards/${card}/lift-quarantine`, options);
  },
});

const drainCommand: Command = defineConfigCommand({
  words: ["set", "drain"],
  summary: "move everything away from a card, and let it back nothing up until it is undrained",
  about: [
    "Refused while a service would find no other card, unless --force lets it stop. The card stays a member of the system; before it is pulled or switched off, wait until `cardinal set show` has nothing on it.",
    aboutVerbs,
  ],
  operands: [cardOperand],
  options: { ...forceOption, ...verbOptions },
  examples: [
    { line: "cardinal set drain 2 --dry-run", what: "what would move, and where to" },
    { line: "cardinal set drain 1/2 --comment fan", what: "and why" },
  ],
  run: async (context, client, { options, operands: { CARD: text } }) => {
    const path = `v1/cards/${needCard(client, text, "CARD")}/drain`;
    return await carryOutVerb(context, client, path, options, { force: options.force ? "true" : undefined });
  },
});

const undrainCommand: Command = defineConfigCommand({
  words: ["set", "undrain"],
  summary: "let a drained card serve and back up again",
  about: ["What has left it comes back by `set failback`, or by itself where failback is automatic.", aboutVerbs],
  operands: [cardOperand],
  options: verbOptions,
  examples: [{ line: "cardinal set undrain 2", what: "after its fan was replaced" }],
  run: async (context, client, { options, operands: { CARD: text } }) =>
    await carryOutVerb(context, client, `v1/cards/${needCard(client, text, "CARD")}/undrain`, options),
});

export const setCommands: readonly Command[] = [
  showCommand,
  switchCommand,
  failbackCommand,
  drainCommand,
  undrainCommand,
  liftCommand,
];

function setPath(set: string, verb: string): string {
  return `v1/sets/${encodeURIComponent(set)}/${verb}`;
}
