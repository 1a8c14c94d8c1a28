/** `cardinal config`: whole documents, backups and branches: planned, looked at, then carried out as one change each. */
import { joinedBytes } from "../../base/bytes.ts";
import type { SetFinding } from "../../config/read-answer.ts";
import type { ConfigurationStatus } from "../../config/request.ts";
import { documentContentBytesMax, longAnswerMs } from "../../limits.ts";
import { type Command, type CommandContext, fileValueName, printJson } from "../command.ts";
import { type ChangeConditions, type ConfigClient, type HeadText, headText, ifMatch, withQuery } from "../config-client.ts";
import { aboutTokens, changeOptions, defineConfigCommand, printChanged, tokenOptions } from "../config-command.ts";
import { branchLines, progressText } from "../configuration-text.ts";
import { type ExitCode, exitCodes } from "../exit-code.ts";
import { instantText } from "../history-text.ts";
import { shown, type Step, stepCounts, stepLines } from "../plan-text.ts";
import { Progress } from "../progress.ts";
import { askYesNo } from "../question.ts";
import { note, paintOf, pairs, printable, table } from "../text-layout.ts";

const lookMs = 250;

const planOptions = {
  ...changeOptions,
  yes: { kind: "flag", short: "y", summary: "carry it out without asking" },
  "dry-run": { kind: "flag", short: "n", summary: "show what would change, and change nothing" },
} as const;

const aboutPlans =
  "The plan is shown first: + makes a row, ~ changes it, - removes it. On a terminal you are asked; elsewhere say --yes. All of it is one change, which is made as a whole or not at all.";

const applyCommand: Command = defineConfigCommand({
  words: ["config", "apply"],
  summary: "make the configuration what a document says, as one change",
  about: [
    "A section of the document is all that there is of it: rows that it does not mention are removed. Sections that it does not have are left alone. Comments are allowed.",
    aboutPlans,
    aboutTokens,
  ],
  operands: [{ name: fileValueName, summary: "the document, or - for standard input" }],
  options: planOptions,
  examples: [
    { line: "cardinal config apply system.json", what: "shows the plan and asks" },
    { line: "cardinal config apply system.json --dry-run", what: "shows the plan alone" },
    { line: "cardinal config apply system.json --yes --comment rack-8", what: "for scripts" },
  ],
  async run(context, client, { options, operands: { FILE: file } }) {
    const content = await documentOf(context, client, file);
    const fields = { "content-type": "application/json" };
    return await planned(context, client, options, {
      method: "PUT",
      path: "v1/configuration/document",
      fields,
      content: () => content,
      file,
    });
  },
});

const restoreCommand: Command = defineConfigCommand({
  words: ["config", "restore"],
  summary: "make the configuration what a backup says, as one change",
  about: ["The history goes on: a restore is a change like others, and can be undone by another one.", aboutPlans, aboutTokens],
  operands: [{ name: fileValueName, summary: "the backup" }],
  options: planOptions,
  examples: [{ line: "cardinal config restore monday.backup", what: "shows the plan and asks" }],
  async run(context, client, { options, operands: { FILE: file } }) {
    const { statSync, createReadStream } = await import("node:fs");
    let bytes = 0;
    try {
      bytes = statSync(file).size;
    } catch (error) {
      return client.fail(fileText(file, error));
    }
    const progress = new Progress(context.terminal, "sending");
    async function* pieces(): AsyncGenerator<Uint8Array> {
      let sent = 0;
      for await (const piece of createReadStream(file)) {
        sent += (piece as Uint8Array).length;
        progress.show(sent, bytes, amountText(sent));
        yield piece as Uint8Array;
      }
      progress.end();
    }
    const fields = { "content-type": "application/x-ndjson", "content-length": String(bytes) };
    return await planned(context, client, options, { method: "POST", path: "v1/configuration/restore", fields, content: pieces, file });
  },
});

const backupCommand: Command = defineConfigCommand({
  words: ["config", "backup"],
  summary: "write all rows, secrets included, to a file",
  about: [
    "The file is readable by its owner only. It has the tables as they were at one moment, not their history, a row a line; `config restore` takes it on a system of this or a later version.",
    aboutTokens,
  ],
  operands: [{ name: fileValueName, summary: "the file to write, or - for standard output" }],
  options: {
    ...tokenOptions,
    force: { kind: "flag", summary: "replace a file that is there" },
  },
  examples: [{ line: "cardinal config backup monday.backup", what: "everything, to keep elsewhere" }],
  async run(context, client, { options, operands: { FILE: file } }) {
    return await backup(context, client, file, options.force);
  },
});

const checkCommand: Command = defineConfigCommand({
  words: ["config", "check"],
  summary: "prove a card's database: integrity, chain, references, invariants; look at the failover sets",
  about: [
    "Of the failover sets an error is what nobody can serve; a warning is what not everybody can, or what a single failure takes away.",
    "With --repair what is wrong is taken from another card; nothing else is disturbed, and what was found damaged is kept aside.",
    aboutTokens,
  ],
  // A file is what the command of that name took before.
  operands: [{ name: "NOTHING", summary: "a card.json is proven by `cardinal card check`", optional: true }],
  options: {
    ...tokenOptions,
    repair: { kind: "flag", summary: "take what is wrong from another card" },
  },
  examples: [
    { line: "cardinal config check", what: "the card on this machine" },
    { line: "cardinal config check --repair", what: "and repair it" },
  ],
  async run(context, client, { options, operands: { NOTHING: file } }) {
    if (file !== undefined) {
      return client.mistaken(
        `it proves a running card's database and takes no file; a card.json is proven by: cardinal card check ${file}`,
      );
    }
    return await check(context, client, options.repair);
  },
});

const branchesCommand: Command = defineConfigCommand({
  words: ["config", "branches"],
  summary: "list what this card had and the others had not, when they met again",
  examples: [{ line: "cardinal config branches", what: "those of the card on this machine" }],
  async run(context, client) {
    const { value } = await client.read<{ readonly branches: ConfigurationStatus["branches"] }>("v1/configuration/branches");
    const { terminal, json } = context;
    if (json) printJson(terminal, value.branches);
    else if (value.branches.length === 0) terminal.stdout("this card has no branches\n");
    else terminal.stdout(`${branchLines(value.branches, terminal.columns, paintOf(terminal.color)).join("\n")}\n`);
    return exitCodes.fine;
  },
});

const branch = { name: "BRANCH", summary: "its id, as `config branches` lists it" } as const;

const diffCommand: Command = defineConfigCommand({
  words: ["config", "diff"],
  summary: "compare a branch with what goes on, row by row",
  operands: [branch],
  examples: [{ line: "cardinal config diff 9f3a1c2b", what: "each row that differs, with time and author" }],
  async run(context, client, { operands: { BRANCH: id } }) {
    return await diff(context, client, id);
  },
});

const mergeCommand: Command = defineConfigCommand({
  words: ["config", "merge"],
  summary: "take a branch's changes over, as one change, and discard the branch",
  about: ["Rows that both sides changed need a decision: --prefer branch or --prefer chain.", aboutPlans, aboutTokens],
  operands: [branch],
  options: { ...planOptions, prefer: { kind: "text", value: "SIDE", summary: "branch or chain: whose rows stay where both changed" } },
  examples: [
    { line: "cardinal config merge 9f3a1c2b", what: "when no row was changed on both sides" },
    { line: "cardinal config merge 9f3a1c2b --prefer branch", what: "the branch wins" },
  ],
  async run(context, client, { options, operands: { BRANCH: id } }) {
    const { prefer } = options;
    if (prefer !== undefined && prefer !== "branch" && prefer !== "chain") {
      return client.mistaken(`--prefer is ${JSON.stringify(prefer)}, must be branch or chain`);
    }
    const query: Readonly<Record<string, string>> = prefer === undefined ? {} : { prefer };
    const path = `v1/configuration/branches/${encodeURIComponent(id)}/merge`;
    return await planned(context, client, options, { method: "POST", path, fields: {}, query });
  },
});

const discardCommand: Command = defineConfigCommand({
  words: ["config", "discard"],
  summary: "throw a branch away",
  about: ["What only the branch has is gone afterwards.", aboutTokens],
  operands: [branch],
  options: { ...tokenOptions, yes: planOptions.yes },
  examples: [{ line: "cardinal config discard 9f3a1c2b", what: "after a look at `cardinal config diff 9f3a1c2b`" }],
  async run(context, client, { options, operands: { BRANCH: id } }) {
    const decided = await decide(context, client, options.yes, `Throw branch ${printable(id)} away for good?`);
    if (decided !== undefined) return decided;
    const { value } = await client.askWithToken(`v1/configuration/branches/${encodeURIComponent(id)}`, { method: "DELETE" });
    if (context.json) printJson(context.terminal, value);
    else context.terminal.stdout(`branch ${printable(id)} is gone\n`);
    return exitCodes.fine;
  },
});

export const configChangeCommands: readonly Command[] = [
  applyCommand,
  checkCommand,
  backupCommand,
  restoreCommand,
  branchesCommand,
  diffCommand,
  mergeCommand,
  discardCommand,
];

type PlanOptions = ChangeConditions & { readonly yes: boolean; readonly "dry-run": boolean };

type Wish = {
  readonly method: string;
  readonly path: string;
  readonly fields: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
  readonly content?: () => Uint8Array | AsyncIterable<Uint8Array>;
  /** For the place of a mistake. */
  readonly file?: string;
};

/** Shows the plan of a wish, asks, and carries it out upon the head that the plan was made on. */
async function planned(context: CommandContext, client: ConfigClient, options: PlanOptions, wish: Wish): Promise<ExitCode> {
  const { terminal, json } = context;
  const { method, path, query = {}, content } = wish;
  const expected = await client.expected(options.expect);
  const question = (fields: Readonly<Record<string, string>> = {}) => ({
    method,
    fields: { ...wish.fields, ...fields },
    timeoutMs: longAnswerMs,
    ...(content === undefined ? {} : { content: content() }),
    ...(wish.file === undefined ? {} : { file: wish.file }),
  });
  const { value: plan } = await client.askWithToken<{ readonly head: HeadText; readonly steps: readonly Step[] }>(
    withQuery(path, { ...query, plan: "true" }),
    question(ifMatch(expected)),
  );
  const { steps, head } = plan;
  if (expected !== undefined && expected !== head.hash) {
    return client.fail(
      `the head is ${headText(head)}, not ${expected.slice(0, 8)}; look at what changed: cardinal config history`,
      exitCodes.refused,
    );
  }
  if (options["dry-run"] || steps.length === 0) {
    if (json) printJson(terminal, plan);
    else if (steps.length > 0) terminal.stdout(planText(context, steps, head));
    else terminal.stdout(`nothing to change: the configuration is as it says, at ${headText(head)}\n`);
    return exitCodes.fine;
  }
  if (!json) terminal.stdout(planText(context, steps, head));
  const decided = await decide(context, client, options.yes, "Carry it out?");
  if (decided !== undefined) return decided;
  return printChanged(context, await client.carryOut(path, { ...options, expect: head.hash }, question(), query));
}

function planText({ terminal }: CommandContext, steps: readonly Step[], head: HeadText): string {
  const lines = stepLines(steps, terminal.columns, paintOf(terminal.color));
  return `${lines.join("\n")}\n\n${stepCounts(steps)}; upon ${headText(head)}\n`;
}

/** Nothing when it is to be done; else how the command ends. */
async function decide(context: CommandContext, client: ConfigClient, yes: boolean, question: string): Promise<ExitCode | undefined> {
  const { terminal } = context;
  if (yes) return undefined;
  if (terminal.isInputTty !== true || terminal.isErrorTty !== true) {
    client.say("nobody can be asked here, and nothing was changed; say --yes to carry it out");
    return exitCodes.usage;
  }
  const answer = await askYesNo(context, question, client.signal);
  if (answer === true) return undefined;
  client.say(`${answer === undefined ? "interrupted; " : ""}nothing was changed`);
  return answer === undefined ? exitCodes.interrupted : exitCodes.refused;
}

async function documentOf(context: CommandContext, client: ConfigClient, file: string): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  try {
    const source: AsyncIterable<Uint8Array> = file === "-"
      ? context.input(client.signal)
      : (await import("node:fs")).createReadStream(file, { signal: client.signal });
    for await (const piece of source) {
      length += piece.length;
      if (length > documentContentBytesMax) {
        return client.fail(`${file} is larger than ${documentContentBytesMax / 1_048_576} MiB, which no document is`);
      }
      pieces.push(piece);
    }
  } catch (error) {
    if (client.signal.aborted) return client.fail("interrupted; nothing was changed", exitCodes.interrupted);
    return client.fail(fileText(file, error));
  }
  if (length === 0) {
    return client.fail(`${file === "-" ? "standard input" : file} is empty; \`cardinal config export\` prints a document to start from`);
  }
  return joinedBytes(pieces);
}

async function backup(context: CommandContext, client: ConfigClient, file: string, force: boolean): Promise<ExitCode> {
  const { terminal } = context;
  const question = { timeoutMs: longAnswerMs, fields: { accept: "application/x-ndjson" } };
  const progress = new Progress(terminal, "backup");
  const { openSync, writeSync, fsyncSync, closeSync, renameSync, rmSync, existsSync } = await import("node:fs");
  if (file !== "-" && !force && existsSync(file)) {
    return client.fail(`${file} is there; give another name, or --force to replace it`, exitCodes.refused);
  }
  const partial = `${file}.partial`;
  let handle: number | undefined;
  let bytes = 0;
  let tail: Uint8Array = new Uint8Array(0);
  try {
    if (file !== "-") handle = openSync(partial, "w", 0o600);
    const { value } = await client.stream("v1/configuration/backup", question, async (piece) => {
      for (let at = 0; handle !== undefined && at < piece.length;) at += writeSync(handle, piece, at);
      if (handle === undefined) terminal.stdout(new TextDecoder().decode(piece));
      await terminal.drained?.();
      bytes += piece.length;
      tail = piece.length > 0 ? piece : tail;
      progress.show(bytes, undefined, amountText(bytes));
    });
    progress.end();
    if (handle === undefined) return exitCodes.fine;
    fsyncSync(handle);
    closeSync(handle);
    handle = undefined;
    renameSync(partial, file);
    if (context.json) printJson(terminal, { file, bytes, head: value });
    else terminal.stdout(`${file}: ${amountText(bytes)}${value === undefined ? "" : `, head ${value.slice(0, 8)}`}\n`);
    return exitCodes.fine;
  } catch (error) {
    progress.end();
    if ((error as { readonly code?: unknown }).code === undefined || typeof (error as { readonly code?: unknown }).code === "number") {
      throw error;
    }
    return client.fail(fileText(file, error));
  } finally {
    if (handle !== undefined) closeSync(handle);
    if (file !== "-") rmSync(partial, { force: true });
  }
}

type Checked = {
  readonly findings: readonly string[];
  readonly repaired: boolean;
  /** Absent where the tables cannot be read. */
  readonly sets?: readonly SetFinding[];
};

/** What is to be said of the failover sets, each after its weight; nothing when there is nothing. */
function setsText(sets: readonly SetFinding[] | undefined, { columns, color }: CommandContext["terminal"]): string {
  if (sets === undefined) return "the failover sets were not looked at: the tables cannot be read\n";
  if (sets.length === 0) return "";
  const paint = paintOf(color);
  const lines = pairs(
    sets.map(({ severity, message }) => [severity, printable(message), severity === "error" ? "bad" : "warning"] as const),
    columns,
    paint,
  );
  return `\n${[paint("heading", "Failover sets"), ...lines].join("\n")}\n`;
}

async function check(context: CommandContext, client: ConfigClient, repair: boolean): Promise<ExitCode> {
  const { terminal, json } = context;
  const progress = new Progress(terminal, repair ? "repair" : "check");
  // What the card does meanwhile is asked beside it.
  let isOver = false;
  const looking = (async () => {
    while (!isOver) {
      await new Promise((resolve) => setTimeout(resolve, lookMs));
      if (isOver || terminal.isErrorTty !== true) continue;
      const { value } = await client.read<ConfigurationStatus>("v1/configuration");
      const { progress: at } = value;
      if (!isOver) progress.show(at?.done ?? 0, at?.of, at === undefined ? value.state : progressText(at));
    }
  })().catch(() => {});
  try {
    const path = `v1/configuration/check${repair ? "?repair=true" : ""}`;
    const { value } = await client.askWithToken<Checked>(path, {
      method: "POST",
      timeoutMs: longAnswerMs,
    }, repair ? "the repair goes on: `cardinal config status` shows how far it is" : undefined);
    isOver = true;
    progress.end();
    if (json) printJson(terminal, value);
    else if (value.findings.length === 0) {
      terminal.stdout("nothing is wrong: pages, chain, references and invariants are as they must be\n");
    } else {
      for (const finding of value.findings) terminal.stdout(`${printable(finding)}\n`);
      terminal.stdout(
        value.repaired ? "repaired from another card\n" : "not repaired: `cardinal config check --repair` takes it from another card\n",
      );
    }
    if (!json) terminal.stdout(setsText(value.sets, terminal));
    const isRight = (value.findings.length === 0 || value.repaired) && value.sets?.some(({ severity }) => severity === "error") !== true;
    return isRight ? exitCodes.fine : exitCodes.failed;
  } finally {
    isOver = true;
    progress.end();
    await looking;
  }
}

type BranchRow = {
  readonly table: string;
  readonly id: string;
  readonly changed: "branch" | "chain" | "both";
  readonly common?: Readonly<Record<string, unknown>>;
  readonly branch?: Readonly<Record<string, unknown>>;
  readonly chain?: Readonly<Record<string, unknown>>;
  readonly author?: string;
  readonly time?: number;
};

async function diff(context: CommandContext, client: ConfigClient, id: string): Promise<ExitCode> {
  const { terminal, json } = context;
  const paint = paintOf(terminal.color);
  let count = 0;
  type Page = { readonly rows: readonly BranchRow[]; readonly next?: string };
  for await (const { rows } of client.pages<Page>(`v1/configuration/branches/${encodeURIComponent(id)}/diff`)) {
    for (const row of rows) {
      count++;
      if (json) terminal.stdout(`${JSON.stringify(row)}\n`);
      else terminal.stdout(`${branchRowLines(row, terminal.columns, paint).join("\n")}\n`);
    }
    await terminal.drained?.();
  }
  if (!json && count === 0) terminal.stdout("the branch has nothing that the chain has not\n");
  return exitCodes.fine;
}

function branchRowLines(row: BranchRow, width: number, paint: ReturnType<typeof paintOf>): string[] {
  const { table: name, id, changed, branch, chain, author, time } = row;
  const who = { branch: "changed by the branch", chain: "changed by what goes on", both: "changed by both" }[changed];
  const signed = author === undefined ? "" : `, by ${printable(author)}${time === undefined ? "" : ` at ${instantText(time)}`}`;
  const columns = Object.keys({ ...branch, ...chain }).filter((column) =>
    column !== "id" && JSON.stringify(branch?.[column]) !== JSON.stringify(chain?.[column])
  );
  const heading = `  ${paint(changed === "both" ? "bad" : "warning", `${printable(name)} ${printable(id)}`)}`;
  const cells = columns.map((column) => [{ text: printable(column) }, { text: shown(branch?.[column]) }, { text: shown(chain?.[column]) }]);
  const sides = branch === undefined
    ? note("the branch removed it", width, 4)
    : chain === undefined
    ? note("what goes on has not got it", width, 4)
    : [];
  return [
    heading,
    ...note(who + signed, width, 4),
    ...sides,
    ...(cells.length === 0 ? [] : table(["COLUMN", "BRANCH", "CHAIN"], cells, width - 2, paint).map((line) => `  ${line}`)),
  ];
}

function amountText(bytes: number): string {
  return bytes < 1_048_576 ? `${(bytes / 1_024).toFixed(1)} KiB` : `${(bytes / 1_048_576).toFixed(1)} MiB`;
}

const fileTexts: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  EACCES: "permission denied",
  EISDIR: "it is a directory",
  ENOSPC: "the disk is full",
  EROFS: "the filesystem is read-only",
};

function fileText(file: string, error: unknown): string {
  const { code, message } = error as { readonly code?: string; readonly message: string };
  return `${file}: ${fileTexts[code ?? ""] ?? message.split("\n")[0]}`;
}
