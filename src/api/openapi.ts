/**
 * The OpenAPI 3.1 document of the card's HTTP interface. `app.ts` loads this file when the document is asked for: a
 * card answers without its schemas, and a program that only prints the document needs no card.
 */
import { createRoute, OpenAPIHono, type RouteConfig, z } from "@hono/zod-openapi";
import { configurationRoutes } from "./configuration-openapi.ts";
import { exampleGroups, exampleMembership, exampleStatus } from "./example.ts";
import { failoverRoutes } from "./failover-openapi.ts";
import { problem, problemType } from "./problem.ts";
import { groupsSchema, healthSchema, membershipSchema, problemSchema, statusSchema } from "./schema.ts";

const problems = {
  406: {
    description: "The request accepts none of the media types that the path has.",
    content: {
      [problemType]: {
        schema: problemSchema,
        example: problem(406, "/v1/status is only there as application/json", { instance: "/v1/status", available: ["application/json"] }),
      },
    },
  },
  default: {
    description: "Any other error.",
    content: {
      [problemType]: {
        schema: problemSchema,
        example: problem(500, "the card failed to answer; its log says why", { instance: "/v1/status" }),
      },
    },
  },
} as const;

const statusRoute = createRoute({
  method: "get",
  path: "/v1/status",
  operationId: "getStatus",
  summary: "The whole card",
  description: "This card's identity, links, peers with their health on each link, membership, groups, alarms, counters and process.",
  responses: {
    200: {
      description: "The card as it sees itself and its peers now.",
      content: { "application/json": { schema: statusSchema, example: exampleStatus } },
    },
    ...problems,
  },
});

const membersRoute = createRoute({
  method: "get",
  path: "/v1/members",
  operationId: "getMembers",
  summary: "The view: which cards are in, which are out, and why",
  description: "The same as `membership` in `/v1/status`.",
  responses: {
    200: {
      description: "The membership as this card sees it now.",
      content: { "application/json": { schema: membershipSchema, example: exampleMembership } },
    },
    ...problems,
  },
});

const groupsRoute = createRoute({
  method: "get",
  path: "/v1/groups",
  operationId: "getGroups",
  summary: "The order of messages, and the groups of applications",
  description: "The same as `groups` in `/v1/status`.",
  responses: {
    200: {
      description: "The groups as this card knows them now.",
      content: { "application/json": { schema: groupsSchema, example: exampleGroups } },
    },
    ...problems,
  },
});

const healthRoute = createRoute({
  method: "get",
  path: "/v1/health",
  operationId: "getHealth",
  summary: "Whether the card runs",
  description: "For load balancers and monitors: the status code says it all.",
  responses: {
    200: {
      description: "The card runs.",
      content: { "application/json": { schema: healthSchema, example: { card: 3, state: "running" } } },
    },
    503: {
      description: "The card was told to stop and is leaving.",
      content: { "application/json": { schema: healthSchema, example: { card: 3, state: "leaving" } } },
    },
    ...problems,
  },
});

const documentRoute = createRoute({
  method: "get",
  path: "/v1/openapi.json",
  operationId: "getOpenApi",
  summary: "This document",
  responses: {
    200: {
      description: "The OpenAPI 3.1 description of this interface.",
      content: { "application/json": { schema: z.looseObject({ openapi: z.string() }) } },
    },
    ...problems,
  },
});

const pageRoute = createRoute({
  method: "get",
  path: "/",
  operationId: "getStatusPage",
  summary: "The status page",
  description: "A page for people that shows `/v1/status` and keeps it fresh.",
  responses: {
    200: { description: "The page.", content: { "text/html": { schema: z.string() } } },
    ...problems,
  },
});

const configurationPageRoute = createRoute({
  method: "get",
  path: "/configuration",
  operationId: "getConfigurationPage",
  summary: "The configuration's page",
  description: "A page for people with the tables and the history; a card without a configuration has none.",
  responses: {
    200: { description: "The page.", content: { "text/html": { schema: z.string() } } },
    ...problems,
  },
});

const failoverPageRoute = createRoute({
  method: "get",
  path: "/failover",
  operationId: "getFailoverPage",
  summary: "The failover page",
  description: "A page for people with readiness, sets, cards and the last failovers; a card without failover has none.",
  responses: {
    200: { description: "The page.", content: { "text/html": { schema: z.string() } } },
    ...problems,
  },
});

const routes: readonly RouteConfig[] = [
  statusRoute,
  membersRoute,
  groupsRoute,
  healthRoute,
  documentRoute,
  pageRoute,
  configurationPageRoute,
  failoverPageRoute,
  ...configurationRoutes,
  ...failoverRoutes,
];

/** The document, as a program of `version` serves it. */
export function openApiDocument(version: string): unknown {
  const described = new OpenAPIHono();
  described.openAPIRegistry.registerComponent("securitySchemes", "token", {
    type: "http",
    scheme: "bearer",
    description: "A token of the table `tokens`, or the card's own.",
  });
  for (const route of routes) {
    described.openAPIRegistry.registerPath(route);
    if (route.method === "get") described.openAPIRegistry.registerPath(headOf(route));
  }
  return described.getOpenAPI31Document({
    openapi: "3.1.0",
    info: {
      title: "Cardinal card",
      version,
      description: "One controller card of a storage chassis. Reads are open, changes take a token; errors are problems after RFC 9457.",
      license: { name: "Apache-2.0" },
    },
    servers: [{ url: "/", description: "The card that serves this document." }],
  });
}

/** HEAD answers as GET does, without the content. */
function headOf(route: RouteConfig): RouteConfig {
  const responses = Object.fromEntries(
    Object.entries(route.responses).map((
      [status, response],
    ) => [status, { description: "description" in response ? response.description : "" }]),
  );
  return { ...route, method: "head", operationId: (route.operationId ?? "").replace(/^get/, "head"), responses };
}
