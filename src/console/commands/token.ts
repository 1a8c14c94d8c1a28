/** `cardinal token` and `cardinal user`: who manages the system, and the secrets with which programs do. */
import { type Command, type CommandContext, defineCommand, printJson } from "../command.ts";
import {
  aboutTokens,
  changeExits,
  changeFields,
  changeOptions,
  changeQuery,
  type ConfigClient,
  configOptions,
  readExits,
  withConfig,
} from "../config-client.ts";
import { type ExitCode, exitCodes } from "../exit-code.ts";
import { instantText } from "../history-text.ts";
import { type Cell, paintOf, printable, table } from "../text-layout.ts";
import { durationMsOf } from "../time-text.ts";
import { type Changed, changed, changedText, mayBeDone, mistaken, rowPath } from "./config.ts";

const roles = ["administrator", "operator", "viewer"] as const;
const aboutRoles = "An administrator does everything, an operator everything but users and tokens, a viewer only looks.";
const namePattern = /^[a-z][a-z0-9-]{0,31}$/;
const secretBytes = 32;

const createToken: Command = defineCommand({
  words: ["token", "create"],
  summary: "make a token, and print its secret once",
  about: [
    `${aboutRoles} Only the secret's SHA-256 is kept: who loses it makes another one.`,
    "The token is the only thing on standard output, so that it can go into a file that only its owner reads.",
    aboutTokens,
  ],
  operands: [{ name: "NAME", summary: "what it is called: changes are signed with it" }],
  options: {
    ...changeOptions,
    role: { kind: "text", short: "r", value: "ROLE", summary: "administrator, operator or viewer" },
    expires: { kind: "text", value: "TIME", summary: "when it ends, from now: 12h, 30d (default: never)" },
    user: { kind: "text", value: "USER", summary: "the user that it belongs to, and ends with" },
  },
  json: true,
  examples: [
    { line: "cardinal token create ci --role operator --expires 30d", what: "for a build server" },
    {
      line: "cardinal token create ci --role operator > ci.token",
      what: "straight into a file, for --token-file; close it to others first (umask 077)",
    },
  ],
  exits: changeExits,
  async run(context, { options, operands: { NAME: name } }) {
    const mistake = nameMistake(name) ?? roleMistake(options.role);
    if (mistake !== undefined) return mistaken(context, "token create", mistake);
    const expires = options.expires === undefined ? undefined : durationMsOf(options.expires);
    if (options.expires !== undefined && expires === undefined) {
      return mistaken(context, "token create", `--expires is ${JSON.stringify(options.expires)}, must be a duration, such as 12h or 30d`);
    }
    return await withConfig(context, "token create", options, async (client) => {
      await refuseThere(client, "tokens", name);
      const { createHash, randomBytes } = await import("node:crypto");
      const token = `cardinal.${name}.${randomBytes(secretBytes).toString("base64url")}`;
      const row = {
        role: options.role,
        sha256: createHash("sha256").update(token).digest("hex"),
        ...(expires === undefined ? {} : { expiresAt: context.wallClock().getTime() + expires }),
        ...(options.user === undefined ? {} : { user: options.user }),
      };
      const { key, fields } = await changeFields(await client.expected(options.expect));
      const { value } = await client.change<Changed>(changeQuery(rowPath("tokens", name), options), put(row, fields), mayBeDone(key));
      if (context.json) printJson(context.terminal, { ...value, name, token });
      else {
        context.terminal.stdout(`${token}\n`);
        client.say(`${changedText(value)}; the secret is shown only now`);
      }
      return exitCodes.fine;
    });
  },
});

const listTokens: Command = defineCommand({
  words: ["token", "list"],
  summary: "list the tokens: roles, users, ends; never the secrets",
  options: configOptions,
  json: true,
  examples: [{ line: "cardinal token list", what: "all of them" }],
  exits: readExits,
  async run(context, { options }) {
    return await withConfig(context, "token list", options, async (client) => {
      const now = context.wallClock().getTime();
      return await list(context, client, "tokens", ["TOKEN", "ROLE", "USER", "ENDS", "STATE"], (row) => {
        const ends = typeof row["expiresAt"] === "number" ? row["expiresAt"] : undefined;
        const state: Cell = row["enabled"] === false
          ? { text: "off", tone: "faint" }
          : ends !== undefined && ends <= now
          ? { text: "expired", tone: "bad" }
          : { text: "in use", tone: "good" };
        return [row.id, text(row["role"]), text(row["user"]), ends === undefined ? "never" : instantText(ends), state];
      });
    });
  },
});

const revokeToken: Command = defineCommand({
  words: ["token", "revoke"],
  summary: "take a token away for good, on all cards",
  about: [aboutTokens],
  operands: [{ name: "NAME", summary: "the token" }],
  options: changeOptions,
  json: true,
  examples: [{ line: "cardinal token revoke ci", what: "from then on it is refused everywhere" }],
  exits: changeExits,
  run: async (context, { options, operands: { NAME: name } }) => await removed(context, "token revoke", "tokens", name, options),
});

const createUser: Command = defineCommand({
  words: ["user", "create"],
  summary: "make a user, to whom tokens can belong",
  about: [aboutRoles, aboutTokens],
  operands: [{ name: "NAME", summary: "the user's short name" }],
  options: {
    ...changeOptions,
    role: { kind: "text", short: "r", value: "ROLE", summary: "administrator, operator or viewer" },
    "full-name": { kind: "text", value: "TEXT", summary: "the name for people" },
  },
  json: true,
  examples: [{
    line: "cardinal user create carla --role operator",
    what: "then: cardinal token create carla-laptop --role operator --user carla",
  }],
  exits: changeExits,
  async run(context, { options, operands: { NAME: name } }) {
    const mistake = nameMistake(name) ?? roleMistake(options.role);
    if (mistake !== undefined) return mistaken(context, "user create", mistake);
    return await withConfig(context, "user create", options, async (client) => {
      await refuseThere(client, "users", name);
      const fullName = options["full-name"];
      const row = { role: options.role, ...(fullName === undefined ? {} : { fullName }) };
      const { key, fields } = await changeFields(await client.expected(options.expect));
      return await changed(context, client, changeQuery(rowPath("users", name), options), put(row, fields), key);
    });
  },
});

const listUsers: Command = defineCommand({
  words: ["user", "list"],
  summary: "list the users",
  options: configOptions,
  json: true,
  examples: [{ line: "cardinal user list", what: "all of them" }],
  exits: readExits,
  async run(context, { options }) {
    return await withConfig(
      context,
      "user list",
      options,
      (client) =>
        list(context, client, "users", ["USER", "ROLE", "STATE", "NAME"], (row) => {
          const state: Cell = row["enabled"] === false ? { text: "off", tone: "faint" } : { text: "may log in", tone: "good" };
          return [row.id, text(row["role"]), state, text(row["fullName"])];
        }),
    );
  },
});

const removeUser: Command = defineCommand({
  words: ["user", "remove"],
  summary: "remove a user; refused while tokens belong to it",
  about: [aboutTokens],
  operands: [{ name: "NAME", summary: "the user" }],
  options: changeOptions,
  json: true,
  examples: [{ line: "cardinal user remove carla", what: "after `cardinal token revoke carla-laptop`" }],
  exits: changeExits,
  run: async (context, { options, operands: { NAME: name } }) => await removed(context, "user remove", "users", name, options),
});

export const tokenCommands: readonly Command[] = [createToken, listTokens, revokeToken, createUser, listUsers, removeUser];

type Row = Readonly<Record<string, unknown>> & { readonly id: string };

function nameMistake(name: string): string | undefined {
  if (namePattern.test(name)) return undefined;
  return `NAME is ${JSON.stringify(name)}, must be at most 32 small letters, digits and hyphens that begin with a letter`;
}

function roleMistake(role: string | undefined): string | undefined {
  if (role === undefined) return `--role is missing, must be one of ${roles.join(", ")}`;
  return roles.some((known) => known === role) ? undefined : `--role is ${JSON.stringify(role)}, must be one of ${roles.join(", ")}`;
}

function put(row: unknown, fields: Readonly<Record<string, string>>) {
  const content = new TextEncoder().encode(JSON.stringify(row));
  return { method: "PUT", fields: { ...fields, "content-type": "application/json" }, content };
}

/** A row that is there is not quietly made another one. */
async function refuseThere(client: ConfigClient, name: "tokens" | "users", id: string): Promise<void> {
  const { status } = await client.exchange(rowPath(name, id), { timeoutMs: 15_000 });
  if (status !== 200) return;
  const way = name === "tokens"
    ? `revoke it first (cardinal token revoke ${id})`
    : `change it with \`cardinal config set users.${id}.role ROLE\``;
  client.fail(`there is a ${name.slice(0, -1)} ${id} already; give another name, or ${way}`, exitCodes.refused);
}

async function list(
  context: CommandContext,
  client: ConfigClient,
  name: string,
  headings: readonly string[],
  cellsOf: (row: Row) => readonly (string | Cell)[],
): Promise<ExitCode> {
  const { terminal, json } = context;
  const { value: { rows } } = await client.read<{ readonly rows: readonly Row[] }>(`v1/configuration/tables/${name}?limit=1000`);
  if (json) printJson(terminal, rows);
  else if (rows.length === 0) terminal.stdout(`no ${name}\n`);
  else {
    const cells = rows.map((row) => cellsOf(row).map((cell) => typeof cell === "string" ? { text: printable(cell) } : cell));
    terminal.stdout(`${table(headings, cells, terminal.columns, paintOf(terminal.color)).join("\n")}\n`);
  }
  return exitCodes.fine;
}

async function removed(
  context: CommandContext,
  command: string,
  name: string,
  id: string,
  options: Parameters<typeof withConfig>[2] & { readonly comment: string | undefined; readonly expect: string | undefined },
): Promise<ExitCode> {
  return await withConfig(context, command, options, async (client) => {
    const { key, fields } = await changeFields(await client.expected(options.expect));
    return await changed(context, client, changeQuery(rowPath(name, id), options), { method: "DELETE", fields }, key);
  });
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}
