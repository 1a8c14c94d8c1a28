/** The routes of the configuration for the OpenAPI document, with an example of each answer. */
import { type RouteConfig, z } from "@hono/zod-openapi";
import { cardAt } from "../base/ids.ts";
import { changeCommentLengthMax, idempotencyKeyLengthMax, pageRowsDefault, pageRowsMax } from "../limits.ts";
import {
  branchesSchema,
  branchRowsSchema,
  changedSchema,
  checkedSchema,
  configurationSchema,
  discardedSchema,
  historySchema,
  pathsSchema,
  planSchema,
  rowSchema,
  rowsSchema,
  settingSchema,
  tablesSchema,
  valueSchema,
} from "./configuration-schema.ts";
import { exampleConfiguration } from "./example.ts";
import { jsonBody, routesOf, type Shape, type Told } from "./openapi-route.ts";

const root = "/v1/configuration";
const { head } = exampleConfiguration;
const servedBy = "1/1";
const step = { kind: "update", table: "cards", id: "1/2", before: { id: "1/2", name: null }, after: { id: "1/2", name: "left" } } as const;
const row = { id: "1/2", chassis: "1", name: "left", enabled: true, capacity: 100 };
const changed = { head, servedBy, repeated: false };
const branch = { id: "0a1b2c3d", setAsideAt: 1_795_247_281_000, changes: 3, since: 39 };

const served = {
  "cardinal-served-by": z.string().meta({ description: "The card that served the request, such as 1/2.", example: "1/2" }),
};
const fresh = {
  ...served,
  etag: z.string().meta({ description: "The hash of the head, quoted: send it as `If-Match`.", example: `"${head.hash}"` }),
  "cardinal-configuration-state": z.string().meta({ description: "As `state` in `/v1/configuration`." }),
  age: z.string().meta({ description: "When the card is not current: how old the answer is, in seconds." }).optional(),
};

const told: Told = {
  400: ["A field, a query or the content cannot be understood.", 'limit is "many", must be a whole number from 1 to 1000'],
  401: ["It takes a token, and there is none or a wrong one.", "the token is wrong, has expired or was revoked", "unauthenticated"],
  403: ["The token's role is not enough.", "this takes the role operator, and looker has the role viewer", "forbidden"],
  404: ["There is no such table, row, place or branch.", 'cards has no row "1/9"'],
  409: ["Other changes came first, or a card's software is too old.", "the head is change 43, not the expected one", "conflict"],
  412: ["The head is not the one in `If-Match`.", "the head is change 43, not the expected one", "conflict"],
  413: ["The content, or the change, is too large.", "the content is larger than 65536 bytes", "bounds"],
  415: ["The content is of another type than the path takes.", "PUT takes application/json"],
  422: [
    "The change is not right; `findings` has all that is wrong.",
    "cards 1/2: capacity is 2000, must be a whole number from 0 to 1000",
    "invalid",
  ],
  429: ["Too many attempts with a wrong token.", "too many attempts with a wrong token came from 192.0.2.7", "attempts"],
  503: ["The store cannot be used now, or there is no quorum.", "2 of 5 cards: no quorum", "no-quorum"],
  504: ["Not acknowledged in time: it may still be carried out.", "not acknowledged within 5 s", "timeout"],
};

const readProblems = [400, 503] as const;
const changeProblems = [400, 401, 403, 409, 412, 413, 415, 422, 429, 503, 504] as const;

const page = z.object({
  limit: z.coerce.number().int().min(1).max(pageRowsMax).optional().meta({
    description: `Rows in a page; ${pageRowsDefault} when nothing is said.`,
  }),
});
const after = page.extend({ after: z.string().optional().meta({ description: "The `next` of the page before." }) });
const flag = (description: string) => z.enum(["true", "false"]).optional().meta({ description });
const comment = z.string().max(changeCommentLengthMax).optional().meta({ description: "Why, for the history." });
const planQuery = z.object({ plan: flag("`true`: only tell what would change."), comment });
const changeQuery = z.object({ comment });
const conditions = z.object({
  "if-match": z.string().optional().meta({
    description: "The ETag of the head that is expected; refused with 412 when it is another one.",
  }),
  "idempotency-key": z.string().max(idempotencyKeyLengthMax).optional().meta({
    description: "The same key of the same caller is carried out once.",
  }),
});
const route = routesOf({ told, instance: root, headers: fresh });

type ChangeShape = Pick<Shape, "method" | "path" | "operationId" | "summary"> & Partial<Shape>;

/** A change: it takes a token, may be upon a head that is expected, and is on every replica once it is answered. */
function changeRoute({ request, ...shape }: ChangeShape): RouteConfig {
  return route({
    answer: "It is so on every replica.",
    schema: changedSchema,
    example: changed,
    headers: served,
    isSecured: true,
    problems: changeProblems,
    ...shape,
    request: { query: changeQuery, headers: conditions, ...request },
  });
}

/** A change of which only the plan may be asked for. */
function plannedRoute({ request, ...shape }: ChangeShape): RouteConfig {
  return changeRoute({
    answer: "It is so on every replica; with `plan=true` what would change.",
    schema: z.union([changedSchema, planSchema]),
    example: { ...changed, steps: [step] },
    ...shape,
    request: { query: planQuery, ...request },
  });
}

const tableParameter = z.object({ table: z.string().meta({ example: "cards" }) });
const rowParameters = tableParameter.extend({
  id: z.string().meta({ description: "The row's id; a slash in it is written %2F.", example: "1/2" }),
});
const branchParameter = z.object({ branch: z.string().meta({ example: branch.id }) });
const pathParameter = z.object({
  path: z.string().meta({ description: "A place in the document; a slash in it is written %2F.", example: "cards.1/2.name" }),
});
const document = z.looseObject({}).meta({ description: "As `/v1/configuration/schema.json` says." });
const backup = z.string().meta({ description: "A JSON value a line: what it is of, then each row, then a digest." });
const exampleDocument = { cards: { "1/2": { name: "left" } } };
const administrator = "It takes the role administrator.";
const operator = "It takes the role operator; for users and tokens administrator.";

export const configurationRoutes: readonly RouteConfig[] = [
  route({
    method: "get",
    path: root,
    operationId: "getConfiguration",
    summary: "How current this card's configuration is",
    answer: "State, head, replicas, branches, and the card's load.",
    schema: configurationSchema,
    example: { card: cardAt(1, 2), tokenFile: "/var/lib/cardinal/state/admin-token", ...exampleConfiguration },
    problems: [],
  }),
  route({
    method: "get",
    path: `${root}/document`,
    operationId: "getConfigurationDocument",
    summary: "The whole configuration as one document, without secrets",
    answer: "The document.",
    schema: document,
    example: exampleDocument,
    problems: readProblems,
  }),
  plannedRoute({
    method: "put",
    path: `${root}/document`,
    operationId: "putConfigurationDocument",
    summary: "Make the configuration what a document says, as one change",
    description: `Sections that it has not are left alone; what its sections do not mention is removed. ${operator}`,
    request: { body: jsonBody(document, exampleDocument) },
  }),
  route({
    method: "get",
    path: `${root}/schema.json`,
    operationId: "getConfigurationSchema",
    summary: "The JSON schema of the document",
    answer: "The schema, for editors and programs.",
    schema: z.looseObject({}),
    example: { $schema: "https://json-schema.org/draft/2020-12/schema", type: "object" },
    mediaType: "application/schema+json",
    headers: served,
    problems: [],
  }),
  route({
    method: "get",
    path: `${root}/values/{path}`,
    operationId: "getConfigurationValue",
    summary: "What stands at a place of the document",
    answer: "A value, a row or a section.",
    schema: valueSchema,
    example: { head, value: "left" },
    request: { params: pathParameter },
    problems: [404, 503],
  }),
  plannedRoute({
    method: "put",
    path: `${root}/values/{path}`,
    operationId: "putConfigurationValue",
    summary: "Give a place of the document a value",
    description: operator,
    request: { params: pathParameter, body: jsonBody(settingSchema, { text: "left" }) },
  }),
  plannedRoute({
    method: "delete",
    path: `${root}/values/{path}`,
    operationId: "deleteConfigurationValue",
    summary: "Take a value back to its default, or remove a row with all that belongs to it",
    description: operator,
    request: { params: pathParameter },
  }),
  route({
    method: "get",
    path: `${root}/paths`,
    operationId: "getConfigurationPaths",
    summary: "What a place of the document may go on as, for completion",
    answer: "The places that `begun` is the beginning of; only their last part is completed.",
    schema: pathsSchema,
    example: { head, paths: ["cards.1/2.name", "cards.1/2.note"] },
    request: { query: z.object({ begun: z.string().optional().meta({ description: "What was typed.", example: "cards.1/2.n" }) }) },
    problems: [503],
  }),
  route({
    method: "get",
    path: `${root}/tables`,
    operationId: "getConfigurationTables",
    summary: "The tables and their columns",
    answer: "What there is, and what it means.",
    schema: tablesSchema,
    example: {
      tables: [{
        name: "chassis",
        about: "An enclosure of cards.",
        rowsMax: 8,
        writable: true,
        columns: [{ name: "name", about: "Its name for people.", kind: "text", required: false }],
      }],
    },
    headers: served,
    problems: [],
  }),
  route({
    method: "get",
    path: `${root}/tables/{table}`,
    operationId: "getConfigurationRows",
    summary: "The rows of a table, in pages",
    answer: "A page; `Link` has the next one.",
    schema: rowsSchema,
    example: { table: "cards", head, rows: [row] },
    request: { params: tableParameter, query: after },
    problems: [...readProblems, 404],
  }),
  route({
    method: "get",
    path: `${root}/tables/{table}/{id}`,
    operationId: "getConfigurationRow",
    summary: "A row",
    answer: "The row.",
    schema: rowSchema,
    example: row,
    request: { params: rowParameters },
    problems: [404, 503],
  }),
  changeRoute({
    method: "put",
    path: `${root}/tables/{table}/{id}`,
    operationId: "putConfigurationRow",
    summary: "Make a row, or replace it",
    description: `Columns that are not given take their defaults. ${operator}`,
    request: {
      params: rowParameters,
      body: jsonBody(z.looseObject({}), { chassis: "1", name: "left" }),
    },
    problems: [...changeProblems, 404],
  }),
  changeRoute({
    method: "patch",
    path: `${root}/tables/{table}/{id}`,
    operationId: "patchConfigurationRow",
    summary: "Change columns of a row",
    description: `Null takes a column's value away. ${operator}`,
    request: {
      params: rowParameters,
      body: jsonBody(z.looseObject({}), { name: "left" }, "application/merge-patch+json"),
    },
    problems: [...changeProblems, 404],
  }),
  changeRoute({
    method: "delete",
    path: `${root}/tables/{table}/{id}`,
    operationId: "deleteConfigurationRow",
    summary: "Remove a row; refused while another one refers to it",
    description: operator,
    request: { params: rowParameters },
    problems: [...changeProblems, 404],
  }),
  route({
    method: "get",
    path: `${root}/history`,
    operationId: "getConfigurationHistory",
    summary: "The changes, newest first, in pages",
    answer: "A page; `Link` has the next one.",
    schema: historySchema,
    example: {
      head,
      changes: [{
        ...head,
        kind: "rows",
        author: "ci",
        comment: "moved to the left",
        card: cardAt(1, 2),
        time: 1_795_247_281_000,
        bytes: 61,
        rows: [step],
      }],
      next: 42,
    },
    request: {
      query: page.extend({
        before: z.coerce.number().int().optional().meta({ description: "The `next` of the page before." }),
        since: z.coerce.number().int().optional().meta({ description: "None older than this, in milliseconds since 1970." }),
        rows: flag("`true`: with what each change did to rows."),
      }),
    },
    problems: readProblems,
  }),
  route({
    method: "get",
    path: `${root}/branches`,
    operationId: "getConfigurationBranches",
    summary: "The branches on this card",
    answer: "What this card had and the others had not.",
    schema: branchesSchema,
    example: { card: cardAt(1, 2), branches: [branch] },
    headers: served,
    problems: [],
  }),
  route({
    method: "delete",
    path: `${root}/branches/{branch}`,
    operationId: "deleteConfigurationBranch",
    summary: "Discard a branch",
    description: administrator,
    answer: "It is gone.",
    schema: discardedSchema,
    example: { discarded: branch.id },
    headers: served,
    request: { params: branchParameter },
    isSecured: true,
    problems: [401, 403, 404, 429, 503],
  }),
  route({
    method: "get",
    path: `${root}/branches/{branch}/diff`,
    operationId: "getConfigurationBranchDiff",
    summary: "How a branch and the chain differ, row by row, in pages",
    answer: "A page; `Link` has the next one.",
    schema: branchRowsSchema,
    example: {
      branch: branch.id,
      head,
      rows: [{
        table: "cards",
        id: "1/2",
        changed: "both",
        branch: row,
        chain: { ...row, name: "right" },
        author: "ci",
        time: 1_795_247_281_000,
      }],
    },
    request: { params: branchParameter, query: after },
    problems: [...readProblems, 404],
  }),
  plannedRoute({
    method: "post",
    path: `${root}/branches/{branch}/merge`,
    operationId: "mergeConfigurationBranch",
    summary: "Take a branch's changes over as one change, and discard it",
    description: `Rows that both sides changed need \`prefer\`. ${administrator}`,
    request: {
      params: branchParameter,
      query: planQuery.extend({
        prefer: z.enum(["branch", "chain"]).optional().meta({ description: "Whose rows stay where both changed." }),
      }),
    },
    problems: [...changeProblems, 404],
  }),
  route({
    method: "post",
    path: `${root}/check`,
    operationId: "checkConfiguration",
    summary: "Prove the card's store, and repair it; look at the failover sets",
    description: "It takes the role operator, with `repair` administrator.",
    answer: "What was found.",
    schema: checkedSchema,
    example: {
      card: cardAt(1, 2),
      findings: [],
      repaired: false,
      sets: [{
        code: "one-card",
        severity: "warning",
        table: "failoverSets",
        id: "db",
        message: "card 1/1 is the only one of db: its failure is an outage; add another card",
      }],
    },
    headers: served,
    request: { query: z.object({ repair: flag("`true`: take what is wrong from another card.") }) },
    isSecured: true,
    problems: [400, 401, 403, 429, 503],
  }),
  route({
    method: "get",
    path: `${root}/backup`,
    operationId: "getConfigurationBackup",
    summary: "All rows of one moment, secrets included",
    description: administrator,
    answer: "Lines of JSON, as a stream.",
    schema: backup,
    example: '{"backup":"cardinal configuration"}\n',
    mediaType: "application/x-ndjson",
    isSecured: true,
    problems: [401, 403, 429, 503],
  }),
  plannedRoute({
    method: "post",
    path: `${root}/restore`,
    operationId: "restoreConfiguration",
    summary: "Make all rows what a backup says, as one change",
    description: administrator,
    request: {
      body: jsonBody(backup, '{"backup":"cardinal configuration"}\n', "application/x-ndjson"),
    },
  }),
];
