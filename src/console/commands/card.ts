/** `cardinal card`: everything about `card.json` that needs no running card, and a card's maintenance. */
import { type Command, defineCommand, printJson } from "../command.ts";
import { defineConfigCommand } from "../config-command.ts";
import { exitCodes } from "../exit-code.ts";
import { aboutVerbs, carryOutVerb, forceOption, needCard, verbOptions } from "../operator-verb.ts";
import { isMistakes, type Program, type RightConfig } from "../program.ts";

const check = (program: Program): Command =>
  defineCommand({
    words: ["card", "check"],
    summary: "find all mistakes in a card's configuration",
    about: [
      "Prints each mistake on a line of its own with its place, the key, the value and what would be right. Ends with 78 when there is one.",
    ],
    operands: [{ name: "FILE", summary: "the configuration, card.json" }],
    json: true,
    examples: [{ line: "cardinal card check card.json", what: "before the card is started or reloaded" }],
    exits: ["configuration"],
    async run({ terminal, json }, { operands }) {
      const config = (await program.configurations()).read(operands.FILE);
      const mistakes = isMistakes(config) ? config : [];
      if (json) printJson(terminal, { file: operands.FILE, mistakes });
      else if (isMistakes(config)) terminal.stderr(mistakes.map(({ line }) => `${line}\n`).join(""));
      else terminal.stdout(`${operands.FILE} is right: ${summaryOf(config)}\n`);
      return mistakes.length === 0 ? exitCodes.fine : exitCodes.configuration;
    },
  });

const example = (program: Program): Command =>
  defineCommand({
    words: ["card", "example"],
    summary: "print a small configuration to start from",
    about: [
      "What it leaves out has a default; `cardinal card schema` lists every key. Change system, slot, interface and device to what your card has.",
    ],
    json: true,
    examples: [{ line: "cardinal card example > card.json", what: "a card.json to edit" }],
    async run({ terminal }) {
      terminal.stdout((await program.configurations()).example);
      return exitCodes.fine;
    },
  });

const schema = (program: Program): Command =>
  defineCommand({
    words: ["card", "schema"],
    summary: "print the JSON schema of card.json",
    about: ['For editors and for programs that write configurations. A card.json may name its schema with the key "$schema".'],
    json: true,
    examples: [{ line: "cardinal card schema > card.schema.json", what: "for an editor" }],
    async run({ terminal }) {
      printJson(terminal, (await program.configurations()).schema());
      return exitCodes.fine;
    },
  });

const maintenance: Command = defineConfigCommand({
  words: ["card", "maintenance"],
  summary: "take a card out of service for work on it, or put it into service again",
  about: [
    "On: everything moves away from it, it has no role, it holds when it starts, and its failures count for nothing. Refused while a service would find no other card, unless --force lets it stop. Off: it serves and backs up again.",
    aboutVerbs,
  ],
  operands: [
    { name: "CARD", summary: "the card, by its number or as chassis/slot" },
    { name: "STATE", summary: "on or off: whether it is to be in maintenance; it may come before the card" },
  ],
  options: { ...forceOption, ...verbOptions },
  examples: [
    { line: "cardinal card maintenance 2 on --dry-run", what: "what would move, and where to" },
    { line: "cardinal card maintenance 2 on --comment memory", what: "before the work" },
    { line: "cardinal card maintenance 2 off", what: "after it" },
  ],
  async run(context, client, { options, operands: { CARD: first, STATE: second } }) {
    const [text, state] = isState(first) ? [second, first] : [first, second];
    const card = needCard(client, text, "CARD");
    if (!isState(state)) client.mistaken(`STATE is ${JSON.stringify(state)}, must be one of on, off`);
    const query = { on: String(state === "on"), force: options.force ? "true" : undefined };
    return await carryOutVerb(context, client, `v1/cards/${card}/maintenance`, options, query);
  },
});

function isState(word: string): boolean {
  return word === "on" || word === "off";
}

export function cardCommands(program: Program): readonly Command[] {
  return [check(program), example(program), schema(program), maintenance];
}

/** What a configuration describes, on one line. */
function summaryOf(config: RightConfig): string {
  const { node, http } = config;
  const cards = node.expected.length;
  return [
    `card ${config.chassis}/${config.slot} of ${config.system}, named ${config.name}`,
    `${config.interface} every ${node.ether.periodMs} ms`,
    `${config.device} at ${node.baud} baud every ${node.serial.periodMs} ms`,
    cards === 1 ? "no other card expected" : `${cards} cards expected`,
    http === false ? "no HTTP" : `HTTP on ${http.address.includes(":") ? `[${http.address}]` : http.address}:${http.port}`,
    `key ${config.keyFile}`,
    `state in ${config.stateDirectory}`,
  ].join("; ");
}
