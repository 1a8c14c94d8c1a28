/** `cardinal config`: what the system is configured with, read and changed a row at a time. */
import { type TableName, tableNames } from "../../config/rules.ts";
import { cardPageAbout, cardPageExits, cardPageOptions, showCardPage } from "../card-page.ts";
import { type Command, type CommandContext, defineCommand, placeOperandName, placesCommand, printJson } from "../command.ts";
import {
  type ChangeConditions,
  type Changed,
  changedText,
  type ConfigClient,
  jsonContent,
  type TokenQuestion,
  withQuery,
} from "../config-client.ts";
import { aboutTokens, changeOptions, configOptions, defineConfigCommand } from "../config-command.ts";
import { configurationText, isConfigurationStatus } from "../configuration-text.ts";
import { type ExitCode, exitCodes } from "../exit-code.ts";
import { changeLines, type HistoryChange } from "../history-text.ts";
import { shown, type Step, stepLines } from "../plan-text.ts";
import { paintOf, pairs, printable, table, wrap } from "../text-layout.ts";
import { sinceOf } from "../time-text.ts";

const aboutPaths =
  "A PATH is a place in the document: a section, a row, a value: cards, cards.1/2, cards.1/2.name, policies.failback, exports.data-1.paths.1/1.weight. " +
  "`cardinal config tables` lists what there is, `cardinal config tables TABLE` its columns.";

const statusCommand: Command = defineCommand({
  words: ["config", "status"],
  summary: "show how current a card's configuration is: head, replicas, branches, load",
  about: [
    "current: every acknowledged change is here. stale: this side has no quorum; it can be read, with its age, and changes are refused. hold: the database cannot be used, and the reason says what to do.",
    ...cardPageAbout,
  ],
  options: cardPageOptions,
  json: true,
  examples: [
    { line: "cardinal config status", what: "the card on this machine" },
    { line: "cardinal config status --watch", what: "while it catches up" },
  ],
  exits: cardPageExits,
  async run(context, { options }) {
    return await showCardPage(context, {
      command: "config status",
      path: "v1/configuration",
      isValue: isConfigurationStatus,
      text: configurationText,
      absent: 'this card has no configuration: "configuration" is false in its card.json, or it is of an earlier version',
    }, options);
  },
});

const getCommand: Command = defineConfigCommand({
  words: ["config", "get"],
  summary: "print a value, a row or a table",
  about: [aboutPaths, "A value is printed as it is, for scripts; --json prints rows as JSON. Secrets are never shown."],
  operands: [{ name: placeOperandName, summary: "what to print; without it, all as a document", optional: true }],
  examples: [
    { line: "cardinal config get cards.1/2.name", what: "one value" },
    { line: "cardinal config get hosts", what: "a table" },
    { line: "cardinal config get policies.failback", what: "a setting" },
    { line: "cardinal config get cards.1/2 --json", what: "a row, for programs" },
  ],
  async run(context, client, { operands: { PATH: path } }) {
    if (path === undefined) return await exported(context, client);
    const { value: { value } } = await client.read<{ readonly value: unknown }>(valuePath(path));
    if (context.json) printJson(context.terminal, value);
    else context.terminal.stdout(valueText(value, context.terminal));
    return exitCodes.fine;
  },
});

const setCommand: Command = defineConfigCommand({
  words: ["config", "set"],
  summary: "change a value, or make or change a row",
  about: [
    aboutPaths,
    "VALUE is plain text, a number, true or false; several texts have commas between them. For a row or a section it is JSON, and then all there is of it: '{}' makes a row with its defaults.",
    aboutTokens,
  ],
  operands: [{ name: placeOperandName, summary: "the place" }, { name: "VALUE", summary: "what it is to be" }],
  options: changeOptions,
  examples: [
    { line: "cardinal config set cards.1/2.name left", what: "one value" },
    { line: "cardinal config set policies.failback automatic --comment summer", what: "a setting, and why" },
    { line: `cardinal config set hosts.web-1 '{"addresses":["192.0.2.0/24"]}'`, what: "a row" },
  ],
  run: async (context, client, { options, operands: { PATH: path, VALUE: text } }) =>
    await changeValue(context, client, path, options, { method: "PUT", ...jsonContent({ text }) }),
});

const unsetCommand: Command = defineConfigCommand({
  words: ["config", "unset"],
  summary: "take a value back to its default, or remove a row with all that belongs to it",
  about: [aboutPaths, "A row is not removed while another one refers to it.", aboutTokens],
  operands: [{ name: placeOperandName, summary: "the place" }],
  options: changeOptions,
  examples: [
    { line: "cardinal config unset hosts.web-1", what: "remove the host" },
    { line: "cardinal config unset policies.failback", what: "the setting's default again" },
  ],
  run: async (context, client, { options, operands: { PATH: path } }) =>
    await changeValue(context, client, path, options, { method: "DELETE" }),
});

const exportCommand: Command = defineConfigCommand({
  words: ["config", "export"],
  summary: "print the whole configuration as the document that `config apply` takes",
  about: ["Secrets are left out; `cardinal config backup` has them."],
  examples: [{ line: "cardinal config export > system.json", what: "to edit and apply" }],
  run: exported,
});

const historyCommand: Command = defineConfigCommand({
  words: ["config", "history"],
  summary: "show the changes, newest first: who, when, why, and what with --rows",
  options: {
    ...configOptions,
    limit: { kind: "text", short: "n", value: "N", summary: "so many changes (default: 20)" },
    since: { kind: "text", value: "WHEN", summary: "not older than this: 2h, 3d, or 2026-03-01T10:00Z" },
    rows: { kind: "flag", summary: "show what each change did to rows" },
  },
  examples: [
    { line: "cardinal config history", what: "the last 20 changes" },
    { line: "cardinal config history --rows --limit 1", what: "what the last change did" },
    { line: "cardinal config history --since 2d --json", what: "for programs, a change a line" },
  ],
  async run(context, client, { options }) {
    const limit = options.limit === undefined ? 20 : /^[1-9]\d{0,5}$/.test(options.limit) ? Number(options.limit) : undefined;
    if (limit === undefined) {
      return client.mistaken(`--limit is ${JSON.stringify(options.limit)}, must be a whole number from 1`);
    }
    const since = options.since === undefined ? undefined : sinceOf(options.since, context.wallClock().getTime());
    if (since !== undefined && "mistake" in since) return client.mistaken(`--since ${since.mistake}`);
    return await printHistory(context, client, limit, since?.ms, options.rows);
  },
});

const pathsCommand: Command = defineConfigCommand({
  words: placesCommand,
  summary: "list what a PATH may go on as: sections, rows, columns",
  about: ["Only the last part is completed: without a dot the sections, behind one what is there. Shells ask it when Tab is pressed."],
  operands: [{ name: placeOperandName, summary: "what there is of it; without it, the sections", optional: true }],
  examples: [{ line: "cardinal config paths cards.", what: "all cards" }, {
    line: "cardinal config paths cards.1/2.",
    what: "what a card has",
  }],
  async run({ terminal, json }, client, { operands: { PATH: begun = "" } }) {
    const { value: { paths } } = await client.read<{ readonly paths: readonly string[] }>(withQuery("v1/configuration/paths", { begun }));
    if (json) printJson(terminal, paths);
    else terminal.stdout(paths.map((path) => `${printable(path)}\n`).join(""));
    return exitCodes.fine;
  },
});

const schemaCommand: Command = defineConfigCommand({
  words: ["config", "schema"],
  summary: "print the JSON schema of the document that `config apply` takes",
  about: ['For editors: name its file in the document with the key "$schema", and they complete and check what you write.'],
  examples: [{ line: "cardinal config schema > system.schema.json", what: "for an editor" }],
  async run({ terminal }, client) {
    printJson(terminal, (await client.read("v1/configuration/schema.json")).value);
    return exitCodes.fine;
  },
});

const tablesCommand: Command = defineCommand({
  words: ["config", "tables"],
  summary: "list the tables of the configuration, or a table's columns with what they mean",
  operands: [{ name: "TABLE", summary: "its columns", optional: true, choices: tableNames }],
  json: true,
  examples: [{ line: "cardinal config tables", what: "all tables" }, { line: "cardinal config tables hosts", what: "the columns of one" }],
  async run(context, { operands: { TABLE: name } }) {
    const [{ tables }, { rightOf }] = await Promise.all([import("../../config/tables.ts"), import("../../config/rules.ts")]);
    const { terminal, json } = context;
    const paint = paintOf(terminal.color);
    if (name === undefined) {
      if (json) printJson(terminal, Object.entries(tables).map(([name, { about, rowsMax }]) => ({ name, about, rowsMax })));
      else {
        const rows = Object.entries(tables).map(([name, { about }]) => [{ text: name }, { text: about }]);
        terminal.stdout(`${table(["TABLE", "WHAT"], rows, terminal.columns, paint).join("\n")}\n`);
      }
      return exitCodes.fine;
    }
    const rule = tables[name as TableName];
    const columns = Object.entries(rule.settings ?? rule.columns);
    const described = columns.map(([name, column]) => ({
      name,
      about: column.about,
      right: rightOf(column),
      required: column.required,
      ...(column.default === undefined ? {} : { default: column.default }),
    }));
    if (json) printJson(terminal, { name, about: rule.about, id: rule.id.text.right, columns: described });
    else {
      const rows = described.map(({ name, about, right, required }) => [
        { text: name },
        { text: required ? "yes" : "" },
        { text: `${about} ${right[0]?.toUpperCase()}${right.slice(1)}.` },
      ]);
      terminal.stdout(
        `${
          [
            ...wrap(`${name}: ${rule.about} An id is ${rule.id.text.right}.`, terminal.columns),
            ...table([rule.settings === undefined ? "COLUMN" : "SETTING", "REQUIRED", "WHAT"], rows, terminal.columns, paint),
          ].join("\n")
        }\n`,
      );
    }
    return exitCodes.fine;
  },
});

/** Without those that apply, back up and compare: `config-change.ts`. */
export const configCommands: readonly Command[] = [
  statusCommand,
  getCommand,
  setCommand,
  unsetCommand,
  exportCommand,
  historyCommand,
  pathsCommand,
  schemaCommand,
  tablesCommand,
];

function valuePath(path: string): string {
  return `v1/configuration/values/${encodeURIComponent(path)}`;
}

async function changeValue(
  context: CommandContext,
  client: ConfigClient,
  path: string,
  conditions: ChangeConditions,
  question: TokenQuestion,
): Promise<ExitCode> {
  const { terminal, json } = context;
  const value = await client.carryOut<Changed & { readonly steps: readonly Step[] }>(valuePath(path), conditions, question);
  if (json) printJson(terminal, value);
  else if (value.steps.length === 0) terminal.stdout(`nothing to change: ${path} is so already\n`);
  else terminal.stdout(`${[...stepLines(value.steps, terminal.columns, paintOf(terminal.color)), changedText(value)].join("\n")}\n`);
  return exitCodes.fine;
}

type JsonObject = Readonly<Record<string, unknown>>;

/** A value as it is, a row as pairs, rows as a table. */
function valueText(value: unknown, { columns, color }: { readonly columns: number; readonly color: boolean }): string {
  const paint = paintOf(color);
  if (!isObject(value)) {
    return value === null || value === undefined ? "\n" : `${typeof value === "string" ? printable(value) : shown(value)}\n`;
  }
  const entries = Object.entries(value);
  if (entries.length === 0) return "nothing is set here\n";
  if (!entries.every(([, row]) => isObject(row))) {
    return `${pairs(entries.map(([name, each]) => [printable(name), plainText(each)] as const), columns, paint).join("\n")}\n`;
  }
  const rows = entries as readonly [string, JsonObject][];
  const names = [...new Set(rows.flatMap(([, row]) => Object.keys(row)))];
  const cells = rows.map(([id, row]) => [{ text: printable(id) }, ...names.map((name) => ({ text: plainText(row[name]) }))]);
  return `${table(["ID", ...names.map((name) => name.toUpperCase())], cells, columns, paint).join("\n")}\n`;
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function plainText(value: unknown): string {
  return typeof value === "string" ? printable(value) : value === undefined || value === null ? "" : shown(value);
}

async function exported({ terminal }: CommandContext, client: ConfigClient): Promise<ExitCode> {
  const { value, answer } = await client.read("v1/configuration/document");
  const state = answer.fields?.["cardinal-configuration-state"];
  if (state !== undefined && state !== "current") client.say(`this card is ${String(state)}: what is printed may be out of date`);
  printJson(terminal, value);
  return exitCodes.fine;
}

async function printHistory(
  context: CommandContext,
  client: ConfigClient,
  limit: number,
  since: number | undefined,
  rows: boolean,
): Promise<ExitCode> {
  const { terminal, json } = context;
  const paint = paintOf(terminal.color);
  let before: number | undefined;
  for (let left = limit, isFirst = true; left > 0; isFirst = false) {
    const query: string = new URLSearchParams({
      limit: String(Math.min(left, 100)),
      ...(rows ? { rows: "true" } : {}),
      ...(since === undefined ? {} : { since: String(since) }),
      ...(before === undefined ? {} : { before: String(before) }),
    }).toString();
    const { value }: { value: { readonly changes: readonly HistoryChange[]; readonly next?: number } } = await client.read(
      `v1/configuration/history?${query}`,
    );
    for (const [index, change] of value.changes.entries()) {
      if (json) terminal.stdout(`${JSON.stringify(change)}\n`);
      else terminal.stdout(`${isFirst && index === 0 ? "" : "\n"}${changeLines(change, terminal.columns, paint).join("\n")}\n`);
    }
    await terminal.drained?.();
    if (isFirst && value.changes.length === 0 && !json) terminal.stdout("no changes\n");
    left -= value.changes.length;
    before = value.next;
    if (before === undefined || client.signal.aborted) break;
  }
  return client.signal.aborted ? exitCodes.interrupted : exitCodes.fine;
}
