/** `cardinal token` and `cardinal user`: who manages the system, and the secrets with which programs do. */
import { tokenText } from "../../config/token-text.ts";
import { tokenSecretBytes } from "../../limits.ts";
import { type Command, type CommandContext, printJson } from "../command.ts";
import { type ChangeConditions, changedText, type ConfigClient, jsonContent } from "../config-client.ts";
import { aboutTokens, changeOptions, defineConfigCommand, printChanged } from "../config-command.ts";
import { type ExitCode, exitCodes } from "../exit-code.ts";
import { instantText } from "../history-text.ts";
import { type Cell, paintOf, printable, table } from "../text-layout.ts";
import { durationMsOf } from "../time-text.ts";

const roles = ["administrator", "operator", "viewer"] as const;
const aboutRoles = "An administrator does everything, an operator everything but users and tokens, a viewer only looks.";
const namePattern = /^[a-z][a-z0-9-]{0,31}$/;

const createToken: Command = defineConfigCommand({
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
  examples: [
    { line: "cardinal token create ci --role operator --expires 30d", what: "for a build server" },
    {
      line: "cardinal token create ci --role operator > ci.token",
      what: "straight into a file, for --token-file; close it to others first (umask 077)",
    },
  ],
  async run(context, client, { options, operands: { NAME: name } }) {
    const mistake = nameMistake(name) ?? roleMistake(options.role);
    if (mistake !== undefined) return client.mistaken(mistake);
    const expires = options.expires === undefined ? undefined : durationMsOf(options.expires);
    if (options.expires !== undefined && expires === undefined) {
      return client.mistaken(`--expires is ${JSON.stringify(options.expires)}, must be a duration, such as 12h or 30d`);
    }
    await refuseThere(client, "tokens", name);
    const { createHash, randomBytes } = await import("node:crypto");
    const token = tokenText(name, randomBytes(tokenSecretBytes));
    const row = {
      role: options.role,
      sha256: createHash("sha256").update(token).digest("hex"),
      ...(expires === undefined ? {} : { expiresAt: context.wallClock().getTime() + expires }),
      ...(options.user === undefined ? {} : { user: options.user }),
    };
    const value = await client.carryOut(rowPath("tokens", name), options, put(row));
    if (context.json) printJson(context.terminal, { ...value, name, token });
    else {
      context.terminal.stdout(`${token}\n`);
      client.say(`${changedText(value)}; the secret is shown only now`);
    }
    return exitCodes.fine;
  },
});

const listTokens: Command = defineConfigCommand({
  words: ["token", "list"],
  summary: "list the tokens: roles, users, ends; never the secrets",
  examples: [{ line: "cardinal token list", what: "all of them" }],
  async run(context, client) {
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
  },
});

const revokeToken: Command = defineConfigCommand({
  words: ["token", "revoke"],
  summary: "take a token away for good, on all cards",
  about: [aboutTokens],
  operands: [{ name: "NAME", summary: "the token" }],
  options: changeOptions,
  examples: [{ line: "cardinal token revoke ci", what: "from then on it is refused everywhere" }],
  run: async (context, client, { options, operands: { NAME: name } }) => await removeRow(context, client, rowPath("tokens", name), options),
});

const createUser: Command = defineConfigCommand({
  words: ["user", "create"],
  summary: "make a user, to whom tokens can belong",
  about: [aboutRoles, aboutTokens],
  operands: [{ name: "NAME", summary: "the user's short name" }],
  options: {
    ...changeOptions,
    role: { kind: "text", short: "r", value: "ROLE", summary: "administrator, operator or viewer" },
    "full-name": { kind: "text", value: "TEXT", summary: "the name for people" },
  },
  examples: [{
    line: "cardinal user create carla --role operator",
    what: "then: cardinal token create carla-laptop --role operator --user carla",
  }],
  async run(context, client, { options, operands: { NAME: name } }) {
    const mistake = nameMistake(name) ?? roleMistake(options.role);
    if (mistake !== undefined) return client.mistaken(mistake);
    await refuseThere(client, "users", name);
    const fullName = options["full-name"];
    const row = { role: options.role, ...(fullName === undefined ? {} : { fullName }) };
    return printChanged(context, await client.carryOut(rowPath("users", name), options, put(row)));
  },
});

const listUsers: Command = defineConfigCommand({
  words: ["user", "list"],
  summary: "list the users",
  examples: [{ line: "cardinal user list", what: "all of them" }],
  async run(context, client) {
    return await list(context, client, "users", ["USER", "ROLE", "STATE", "NAME"], (row) => {
      const state: Cell = row["enabled"] === false ? { text: "off", tone: "faint" } : { text: "may log in", tone: "good" };
      return [row.id, text(row["role"]), state, text(row["fullName"])];
    });
  },
});

const removeUser: Command = defineConfigCommand({
  words: ["user", "remove"],
  summary: "remove a user; refused while tokens belong to it",
  about: [aboutTokens],
  operands: [{ name: "NAME", summary: "the user" }],
  options: changeOptions,
  examples: [{ line: "cardinal user remove carla", what: "after `cardinal token revoke carla-laptop`" }],
  run: async (context, client, { options, operands: { NAME: name } }) => await removeRow(context, client, rowPath("users", name), options),
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

function put(row: unknown) {
  return { method: "PUT", ...jsonContent(row) };
}

function rowPath(table: "tokens" | "users", id: string): string {
  return `v1/configuration/tables/${table}/${encodeURIComponent(id)}`;
}

/** A row that is there is not quietly made another one. */
async function refuseThere(client: ConfigClient, name: "tokens" | "users", id: string): Promise<void> {
  const { status } = await client.exchangeWithToken(rowPath(name, id), { timeoutMs: 15_000 });
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
  const rows: Row[] = [];
  type Page = { readonly rows: readonly Row[]; readonly next?: string };
  for await (const page of client.pages<Page>(`v1/configuration/tables/${name}`)) rows.push(...page.rows);
  if (json) printJson(terminal, rows);
  else if (rows.length === 0) terminal.stdout(`no ${name}\n`);
  else {
    const cells = rows.map((row) => cellsOf(row).map((cell) => typeof cell === "string" ? { text: printable(cell) } : cell));
    terminal.stdout(`${table(headings, cells, terminal.columns, paintOf(terminal.color)).join("\n")}\n`);
  }
  return exitCodes.fine;
}

async function removeRow(context: CommandContext, client: ConfigClient, path: string, conditions: ChangeConditions): Promise<ExitCode> {
  return printChanged(context, await client.carryOut(path, conditions, { method: "DELETE" }));
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}
