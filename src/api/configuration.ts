/**
 * The configuration over HTTP: what is read comes from this card's store, marked with its head and, when the card is not current,
 * with its age; what is changed goes through the card's node, which answers when every replica has it.
 */
import type { Context } from "hono";
import { cardName } from "../base/ids.ts";
import { hex } from "../base/hex.ts";
import type { Head, Operation, Row, Wish } from "../config/change.ts";
import type { BranchRow, Finding, HistoryEntry, Planned, Unread } from "../config/read-answer.ts";
import type { ConfigAnswer } from "../config/request.ts";
import type { RowStep } from "../config/row-difference.ts";
import { type TableName, tableNames, type TableRule } from "../config/rules.ts";
import { tables } from "../config/tables.ts";
import {
  backupContentBytesMax,
  changeCommentLengthMax,
  documentContentBytesMax,
  idempotencyKeyLengthMax,
  longAnswerMs,
  planAttemptsMax,
  rowContentBytesMax,
} from "../limits.ts";
import { type Caller, forbidden } from "./authority.ts";
import type { ConfigurationSource } from "./configuration-source.ts";
import { answerRefusal, type Refused } from "./configuration-refusal.ts";
import { answerProblem, contentOf, piecesOf, type Resource, tooLarge } from "./resource.ts";
import { flagOf, linkNext, pageOf } from "./query.ts";
import { plainRow, plainStep, rowOf } from "./row-json.ts";

const json = "application/json";
const jsonLines = "application/x-ndjson";
const schemaType = "application/schema+json";
const jsonContent = { types: [json], bytesMax: rowContentBytesMax };
/** What an operator must not change. */
const administrated: ReadonlySet<string> = new Set(["users", "tokens"]);
export function headJson({ sequence, epoch, hash }: Head): { sequence: number; epoch: number; hash: string } {
  return { sequence, epoch, hash: hex(hash) };
}

export function configurationResources(source: ConfigurationSource): Resource[] {
  const root = "/v1/configuration";
  return [
    {
      path: root,
      mediaTypes: [json],
      methods: { GET: { answer: (context) => answerStatus(context, source) } },
    },
    {
      path: `${root}/document`,
      mediaTypes: [json],
      methods: {
        GET: { answer: (context) => answerDocument(context, source) },
        PUT: {
          role: "operator",
          content: { types: [json], bytesMax: documentContentBytesMax },
          answer: async (context, caller) => {
            const content = await contentOf(context, documentContentBytesMax);
            if (content instanceof Response) return content;
            return await answerPlanned(context, source, caller, () => source.plan(content));
          },
        },
      },
    },
    {
      path: `${root}/schema.json`,
      mediaTypes: [schemaType, json],
      methods: {
        GET: {
          answer: async (context) => context.body(JSON.stringify(await source.schema()), 200, { "content-type": schemaType }),
        },
      },
    },
    {
      path: `${root}/values/:path{.+}`,
      mediaTypes: [json],
      methods: {
        GET: { answer: (context) => answerValue(context, source) },
        PUT: { role: "operator", content: jsonContent, answer: (context, caller) => setValue(context, source, caller) },
        DELETE: {
          role: "operator",
          answer: async (context, caller) =>
            await answerPlanned(context, source, caller, () => source.planUnsetting(context.req.param("path") as string)),
        },
      },
    },
    { path: `${root}/paths`, mediaTypes: [json], methods: { GET: { answer: (context) => answerPaths(context, source) } } },
    { path: `${root}/tables`, mediaTypes: [json], methods: { GET: { answer: answerTables } } },
    {
      path: `${root}/tables/:table`,
      mediaTypes: [json],
      methods: { GET: { answer: (context) => answerRows(context, source) } },
    },
    {
      path: `${root}/tables/:table/:id{.+}`,
      mediaTypes: [json],
      methods: {
        GET: { answer: (context) => answerRow(context, source) },
        PUT: { role: "operator", content: jsonContent, answer: (context, caller) => putRow(context, source, caller, "whole") },
        PATCH: {
          role: "operator",
          content: { types: [json, "application/merge-patch+json"], bytesMax: rowContentBytesMax },
          answer: (context, caller) => putRow(context, source, caller, "part"),
        },
        DELETE: { role: "operator", answer: (context, caller) => removeRow(context, source, caller) },
      },
    },
    { path: `${root}/history`, mediaTypes: [json], methods: { GET: { answer: (context) => answerHistory(context, source) } } },
    { path: `${root}/branches`, mediaTypes: [json], methods: { GET: { answer: (context) => answerBranches(context, source) } } },
    {
      path: `${root}/branches/:branch`,
      mediaTypes: [json],
      methods: { DELETE: { role: "administrator", answer: (context) => discardBranch(context, source) } },
    },
    {
      path: `${root}/branches/:branch/diff`,
      mediaTypes: [json],
      methods: { GET: { answer: (context) => answerBranchRows(context, source) } },
    },
    {
      path: `${root}/branches/:branch/merge`,
      mediaTypes: [json],
      methods: { POST: { role: "administrator", answer: (context, caller) => mergeBranch(context, source, caller) } },
    },
    {
      path: `${root}/check`,
      mediaTypes: [json],
      methods: { POST: { role: "operator", answer: (context, caller) => check(context, source, caller) } },
    },
    {
      path: `${root}/backup`,
      mediaTypes: [jsonLines],
      methods: { GET: { role: "administrator", answer: (context) => answerBackup(context, source) } },
    },
    {
      path: `${root}/restore`,
      mediaTypes: [json],
      methods: {
        POST: {
          role: "administrator",
          content: { types: [jsonLines], bytesMax: backupContentBytesMax },
          answer: (context, caller) => restore(context, source, caller),
        },
      },
    },
  ];
}

function answerStatus(context: Context, source: ConfigurationSource): Response {
  const status = source.status();
  context.header("etag", `"${status.head.hash}"`);
  return freshness(source, context.json({ card: source.card, tokenFile: source.tokenFile, ...status }));
}

async function answerDocument(context: Context, source: ConfigurationSource): Promise<Response> {
  const found = await source.document();
  if ("unread" in found) return refused(context, source, found);
  return read(source, found.head, context.body(found.text, 200, { "content-type": json }));
}

async function answerPaths(context: Context, source: ConfigurationSource): Promise<Response> {
  const found = await source.paths(context.req.query("begun") ?? "");
  if ("unread" in found) return refused(context, source, found);
  const { head, paths } = found;
  return read(source, head, context.json({ head: headJson(head), paths }));
}

async function answerValue(context: Context, source: ConfigurationSource): Promise<Response> {
  const found = await source.valueAt(context.req.param("path") as string);
  if ("unread" in found) return refused(context, source, found);
  if ("mistake" in found) return answerProblem(context, 404, found.mistake);
  return read(source, found.head, context.json({ head: headJson(found.head), value: found.value }));
}

async function setValue(context: Context, source: ConfigurationSource, caller: Caller): Promise<Response> {
  const content = await contentOf(context, rowContentBytesMax);
  if (content instanceof Response) return content;
  const text = objectOf(content)?.["text"];
  if (typeof text !== "string") {
    return answerProblem(context, 400, 'the content is not a JSON object with the value as text, such as {"text": "left"}');
  }
  return await answerPlanned(context, source, caller, () => source.planSetting(context.req.param("path") as string, text));
}

function answerTables(context: Context): Response {
  return context.json({
    tables: Object.entries(tables).map(([name, rule]) => ({
      name,
      about: rule.about,
      rowsMax: rule.rowsMax,
      writable: rule.internal !== true,
      columns: Object.entries(rule.columns).map(([column, { about, kind, required, secret }]) => ({
        name: column,
        about,
        kind,
        required,
        ...(secret === true ? { secret } : {}),
      })),
    })),
  });
}

async function answerRows(context: Context, source: ConfigurationSource): Promise<Response> {
  const table = tableOf(context);
  if (table instanceof Response) return table;
  const page = pageOf(context);
  if (page instanceof Response) return page;
  const after = context.req.query("after");
  const found = await source.rows(table.name, { limit: page.limit, ...(after === undefined ? {} : { after }) });
  if ("unread" in found) return refused(context, source, found);
  const { head, rows, next } = found;
  if (next !== undefined) linkNext(context, { limit: String(page.limit), after: next });
  const body = {
    table: table.name,
    head: headJson(head),
    rows: rows.map((row) => plainRow(table.rule, row)),
    ...(next === undefined ? {} : { next }),
  };
  return read(source, head, context.json(body));
}

async function answerRow(context: Context, source: ConfigurationSource): Promise<Response> {
  const table = tableOf(context);
  if (table instanceof Response) return table;
  const id = context.req.param("id") as string;
  const found = await source.row(table.name, id);
  if ("unread" in found) return refused(context, source, found);
  if (found.row === undefined) return read(source, found.head, missingRow(context, table.name, id));
  return read(source, found.head, context.json(plainRow(table.rule, found.row)));
}

/** `whole`: the columns that are not given take their defaults; `part`: they stay, and the row has to be there. */
async function putRow(context: Context, source: ConfigurationSource, caller: Caller, extent: "whole" | "part"): Promise<Response> {
  const table = tableOf(context);
  if (table instanceof Response) return table;
  const content = await contentOf(context, rowContentBytesMax);
  if (content instanceof Response) return content;
  const plain = objectOf(content);
  if (plain === undefined) return answerProblem(context, 400, `the content is not a JSON object with the row's columns`);
  const id = context.req.param("id") as string;
  const described = rowOf(table.rule, id, plain);
  if ("mistake" in described) {
    const { mistake, column } = described;
    return answerProblem(context, 422, `${table.name} ${id}: ${mistake}`, {
      code: "invalid",
      findings: [{ path: `/${column}`, message: mistake }],
    });
  }
  const { row } = described;
  if (extent === "part") {
    const found = await source.row(table.name, id);
    if ("unread" in found) return refused(context, source, found);
    if (found.row === undefined) return missingRow(context, table.name, id);
  }
  const given = extent === "part" ? row : { ...defaultsOf(table.rule), ...row };
  return await change(context, source, caller, [{ kind: "put", table: table.name, row: given as Row }]);
}

async function removeRow(context: Context, source: ConfigurationSource, caller: Caller): Promise<Response> {
  const table = tableOf(context);
  if (table instanceof Response) return table;
  return await change(context, source, caller, [{ kind: "remove", table: table.name, id: context.req.param("id") as string }]);
}

async function answerHistory(context: Context, source: ConfigurationSource): Promise<Response> {
  const page = pageOf(context);
  if (page instanceof Response) return page;
  const [before, since] = [context.req.query("before"), context.req.query("since")];
  for (const [name, text] of [["before", before], ["since", since]] as const) {
    if (text !== undefined && !/^\d{1,15}$/.test(text)) {
      const right = name === "before" ? "a sequence" : "milliseconds since 1970";
      return answerProblem(context, 400, `${name} is ${JSON.stringify(text.slice(0, 40))}, must be ${right}`);
    }
  }
  const rows = flagOf(context, "rows");
  if (rows instanceof Response) return rows;
  const found = await source.history({
    limit: page.limit,
    rows,
    ...(before === undefined ? {} : { before: Number(before) }),
    ...(since === undefined ? {} : { since: Number(since) }),
  });
  if ("unread" in found) return refused(context, source, found);
  const { head, changes, next } = found;
  if (next !== undefined) {
    linkNext(context, {
      limit: String(page.limit),
      before: String(next),
      ...(rows ? { rows: "true" } : {}),
      ...(since === undefined ? {} : { since }),
    });
  }
  return read(
    source,
    head,
    context.json({ head: headJson(head), changes: changes.map(plainChange), ...(next === undefined ? {} : { next }) }),
  );
}

/** Without what the changes write by themselves: it says the same once more. */
function plainChange({ rows, ...change }: HistoryEntry) {
  return rows === undefined
    ? change
    : { ...change, rows: rows.filter(({ table }) => tables[table].internal !== true).sort(byTable).map(plainStep) };
}

/** In the order in which people read tables; a changeset has an order of its own. */
function byTable(a: RowStep, b: RowStep): number {
  return tableNames.indexOf(a.table) - tableNames.indexOf(b.table) || (a.id < b.id ? -1 : 1);
}

function plainBranchRow({ common, branch, chain, ...row }: BranchRow) {
  const rule = tables[row.table];
  return {
    ...row,
    ...(common === undefined ? {} : { common: plainRow(rule, common) }),
    ...(branch === undefined ? {} : { branch: plainRow(rule, branch) }),
    ...(chain === undefined ? {} : { chain: plainRow(rule, chain) }),
  };
}

function answerBranches(context: Context, source: ConfigurationSource): Response {
  const { branches } = source.status();
  return freshness(source, context.json({ card: source.card, branches }));
}

async function answerBranchRows(context: Context, source: ConfigurationSource): Promise<Response> {
  const page = pageOf(context);
  if (page instanceof Response) return page;
  const branch = context.req.param("branch") as string;
  const after = context.req.query("after");
  const found = await source.branchRows(branch, { limit: page.limit, ...(after === undefined ? {} : { after }) });
  if (found === undefined) return missingBranch(context, source, branch);
  if ("unread" in found) return refused(context, source, found);
  const { head, rows, next } = found;
  if (next !== undefined) linkNext(context, { limit: String(page.limit), after: next });
  return read(
    source,
    head,
    context.json({ branch, head: headJson(head), rows: rows.map(plainBranchRow), ...(next === undefined ? {} : { next }) }),
  );
}

async function discardBranch(context: Context, source: ConfigurationSource): Promise<Response> {
  const id = context.req.param("branch") as string;
  if (!hasBranch(source, id)) return missingBranch(context, source, id);
  const answer = await source.ask({ kind: "discardBranch", id });
  if (answer.kind === "refused") return answerRefusal(context, source, answer);
  return freshness(source, context.json({ discarded: id }));
}

async function mergeBranch(context: Context, source: ConfigurationSource, caller: Caller): Promise<Response> {
  const id = context.req.param("branch") as string;
  if (!hasBranch(source, id)) return missingBranch(context, source, id);
  const prefer = context.req.query("prefer");
  if (prefer !== undefined && prefer !== "branch" && prefer !== "chain") {
    return answerProblem(context, 400, `prefer is ${JSON.stringify(prefer.slice(0, 40))}, must be branch or chain, or left out`);
  }
  const response = await answerPlanned(context, source, caller, () => source.planMerge(id, prefer));
  if (response.status === 200 && context.req.query("plan") !== "true") await source.ask({ kind: "discardBranch", id });
  return response;
}

async function check(context: Context, source: ConfigurationSource, caller: Caller): Promise<Response> {
  const repair = flagOf(context, "repair");
  if (repair instanceof Response) return repair;
  if (repair && caller.role !== "administrator") {
    const { denied, code, detail } = forbidden(caller, "a repair takes the role administrator");
    return answerProblem(context, denied, detail, { code });
  }
  const release = waitLong(context);
  try {
    const answer = await source.ask({ kind: "check", repair });
    if (answer.kind === "refused") return answerRefusal(context, source, answer);
    if (answer.kind !== "checked") return unexpected(answer);
    const { findings, repaired } = answer;
    const sets = await source.checkSets();
    const told = { card: source.card, findings, repaired, ...("unread" in sets ? {} : { sets: sets.findings }) };
    return freshness(source, context.json(told));
  } finally {
    release();
  }
}

async function answerBackup(context: Context, source: ConfigurationSource): Promise<Response> {
  const found = await source.backup();
  if ("unread" in found) return refused(context, source, found);
  const { head, pieces } = found;
  const iterator = pieces[Symbol.asyncIterator]();
  const body = new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      const next = await iterator.next();
      if (next.done === true) controller.close();
      else controller.enqueue(next.value);
    },
    cancel: async () => void await iterator.return?.(),
  });
  context.header("content-disposition", `attachment; filename="configuration-${head.sequence}.ndjson"`);
  return read(source, head, context.body(body, 200, { "content-type": jsonLines }));
}

async function restore(context: Context, source: ConfigurationSource, caller: Caller): Promise<Response> {
  let left = backupContentBytesMax;
  async function* bounded(): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const piece of piecesOf(context)) {
      left -= piece.length;
      if (left < 0) return;
      yield piece;
    }
  }
  const release = waitLong(context);
  try {
    const planned = await source.planBackup(bounded());
    return left < 0
      ? tooLarge(context, backupContentBytesMax)
      : await answerPlanned(context, source, caller, () => Promise.resolve(planned), { again: false });
  } finally {
    release();
  }
}

/**
 * Carries a plan out as one change upon the head that it was made on; with `plan=true` it only tells it. When other changes come in between,
 * and the request does not name a head, it is made anew.
 */
async function answerPlanned(
  context: Context,
  source: ConfigurationSource,
  caller: Caller,
  plan: () => Promise<Planned>,
  { again = true }: { readonly again?: boolean } = {},
): Promise<Response> {
  const only = flagOf(context, "plan");
  if (only instanceof Response) return only;
  const conditions = conditionsOf(context);
  if (conditions instanceof Response) return conditions;
  const conditional = conditions.expected !== undefined;
  for (let attempt = 1;; attempt++) {
    const planned = await plan();
    if ("unread" in planned) return refused(context, source, planned);
    if ("findings" in planned) return answerFindings(context, planned.findings);
    const { head, operations, steps } = planned;
    if (only) return read(source, head, context.json({ head: headJson(head), steps: steps.map(plainStep) }));
    const answer = await carryOut(context, source, caller, operations, { ...conditions, expected: conditions.expected ?? head.hash });
    if (answer instanceof Response) return answer;
    const isLate = answer.kind === "refused" && answer.refusal.code === "conflict";
    if (isLate && again && !conditional && attempt < planAttemptsMax) continue;
    return answerChange(context, source, answer, { conditional, steps });
  }
}

function answerFindings(context: Context, findings: readonly Finding[]): Response {
  const [first] = findings;
  const detail = findings.length === 1 && first !== undefined
    ? `${first.path === "" ? "" : `${first.path}: `}${first.message}`
    : `${findings.length} things are wrong; see findings`;
  return answerProblem(context, 422, detail, { code: "invalid", findings });
}

async function change(
  context: Context,
  source: ConfigurationSource,
  caller: Caller,
  operations: readonly Operation[],
): Promise<Response> {
  const conditions = conditionsOf(context);
  if (conditions instanceof Response) return conditions;
  const answer = await carryOut(context, source, caller, operations, conditions);
  return answer instanceof Response ? answer : answerChange(context, source, answer, { conditional: conditions.expected !== undefined });
}

type ChangeAnswer = Extract<ConfigAnswer, { readonly kind: "changed" | "refused" }>;

async function carryOut(
  context: Context,
  source: ConfigurationSource,
  { author, role }: Caller,
  operations: readonly Operation[],
  { comment, key, expected }: Conditions,
): Promise<ChangeAnswer | Response> {
  const touched = operations.map((operation) => operation.table).find((table) => administrated.has(table));
  if (touched !== undefined && role !== "administrator") {
    const { denied, code, detail } = forbidden({ author, role }, `a change of ${touched} takes the role administrator`);
    return answerProblem(context, denied, detail, { code });
  }
  const wish: Wish = { author, comment, key, operations, ...(expected === undefined ? {} : { expected }) };
  const answer = await source.ask({ kind: "change", wish });
  return answer.kind === "changed" || answer.kind === "refused" ? answer : unexpected(answer);
}

function answerChange(
  context: Context,
  source: ConfigurationSource,
  answer: ChangeAnswer,
  { conditional, steps }: { readonly conditional: boolean; readonly steps?: readonly RowStep[] },
): Response {
  if (answer.kind === "refused") return answerRefusal(context, source, answer, { conditional });
  const { head, servedBy, repeated } = answer;
  context.header("cardinal-served-by", cardName(servedBy));
  context.header("etag", etagOf(head));
  return context.json({
    head: headJson(head),
    servedBy: cardName(servedBy),
    repeated,
    ...(steps === undefined ? {} : { steps: steps.map(plainStep) }),
  });
}

type Conditions = { readonly comment: string; readonly key: string; readonly expected?: Uint8Array };

function conditionsOf(context: Context): Conditions | Response {
  const comment = context.req.query("comment") ?? "";
  const key = context.req.header("idempotency-key") ?? "";
  const match = context.req.header("if-match");
  if (comment.length > changeCommentLengthMax) {
    return answerProblem(context, 400, `comment has ${comment.length} letters, must have at most ${changeCommentLengthMax}`);
  }
  if (key.length > idempotencyKeyLengthMax) {
    return answerProblem(context, 400, `Idempotency-Key has ${key.length} letters, must have at most ${idempotencyKeyLengthMax}`);
  }
  if (match === undefined || match.trim() === "*") return { comment, key };
  const digits = /^(?:W\/)?"?([0-9a-f]{64})"?$/.exec(match.trim())?.[1];
  if (digits === undefined) {
    return answerProblem(
      context,
      400,
      `If-Match is ${JSON.stringify(match.slice(0, 80))}, must be the ETag of one head, such as "${"0".repeat(64)}"`,
    );
  }
  const expected = Uint8Array.from({ length: 32 }, (_, at) => parseInt(digits.slice(2 * at, 2 * at + 2), 16));
  return { comment, key, expected };
}

type Table = { readonly name: TableName; readonly rule: TableRule };

function tableOf(context: Context): Table | Response {
  const name = context.req.param("table") as string;
  const rule = Object.hasOwn(tables, name) ? tables[name as TableName] : undefined;
  if (rule !== undefined) return { name: name as TableName, rule };
  const names = Object.keys(tables);
  return answerProblem(context, 404, `there is no table ${name.slice(0, 64)}; there are ${names.join(", ")}`);
}

function missingRow(context: Context, table: string, id: string): Response {
  return answerProblem(context, 404, `${table} has no row ${JSON.stringify(id.slice(0, 100))}`);
}

function hasBranch(source: ConfigurationSource, id: string): boolean {
  return source.status().branches.some((branch) => branch.id === id);
}

function missingBranch(context: Context, source: ConfigurationSource, id: string): Response {
  const ids = source.status().branches.map((branch) => branch.id);
  const has = ids.length === 0 ? "no branches" : `only ${ids.join(", ")}`;
  return answerProblem(
    context,
    404,
    `card ${cardName(source.card)} has ${has}, not ${id.slice(0, 64)}; a branch is only on the card that made it`,
  );
}

function etagOf(head: Head): string {
  return `"${hex(head.hash)}"`;
}

function read(source: ConfigurationSource, head: Head, response: Response): Response {
  response.headers.set("etag", etagOf(head));
  return freshness(source, response);
}

/** How fresh what is served is: its state always, its age when the card is not current. */
function freshness(source: ConfigurationSource, response: Response): Response {
  const { state, ageMs } = source.status();
  response.headers.set("cardinal-configuration-state", state);
  if (state !== "current") response.headers.set("age", String(Math.floor(ageMs / 1_000)));
  source.countServed();
  return response;
}

function refused(context: Context, source: ConfigurationSource, { unread }: Unread): Response {
  return answerRefusal(context, source, { refusal: unread, servedBy: source.card } satisfies Refused);
}

function unexpected(answer: ConfigAnswer): never {
  throw new Error(`the node answers ${answer.kind} to another question`);
}

function defaultsOf(rule: TableRule): Record<string, Row[string]> {
  return Object.fromEntries(
    Object.entries(rule.columns).filter(([, column]) => !column.required).map(([name, column]) => [name, column.default ?? null]),
  );
}

/** Lets the connection be silent while the card works, longer than a connection may be otherwise. */
function waitLong(context: Context): () => void {
  const { incoming } = (context.env ?? {}) as {
    readonly incoming?: { readonly socket?: { timeout?: number; setTimeout(ms: number): void } };
  };
  const socket = incoming?.socket;
  const usual = socket?.timeout ?? 0;
  socket?.setTimeout(longAnswerMs);
  return () => socket?.setTimeout(usual);
}

function objectOf(content: Uint8Array): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(content));
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value as Readonly<Record<string, unknown>> : undefined;
  } catch {
    return undefined;
  }
}
