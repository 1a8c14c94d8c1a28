/** The card over HTTP: read-only, a handful of paths, every error a problem (RFC 9457). */
import { createRoute, OpenAPIHono, z } from "@hono/zod-openapi";
import type { Context, Hono } from "hono";
import type { LogFields } from "../node/effect.ts";
import type { CardStatus } from "../node/status.ts";
import { statusPage, statusPagePolicy } from "../ui/status-page.ts";
import { softwareVersion } from "../version.ts";
import { accepts } from "./accept.ts";
import { exampleStatus } from "./example.ts";
import { problem, type ProblemStatus, problemType } from "./problem.ts";
import { healthSchema, problemSchema, statusSchema } from "./schema.ts";

export type StatusSource = {
  status(): CardStatus;
  /** Told of each failure of a request, which the answer itself does not show. */
  readonly log?: (level: "error", event: string, fields: LogFields) => void;
};

/** On every answer, errors included. There is no CORS: a page from elsewhere reads nothing here. */
export const securityHeaders: Readonly<Record<string, string>> = {
  "cache-control": "no-store",
  "content-security-policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
};

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
  description: "This card's identity, links, peers with their health on each link, alarms, counters and process.",
  responses: {
    200: {
      description: "The card as it sees itself and its peers now.",
      content: { "application/json": { schema: statusSchema, example: exampleStatus } },
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

const routes = [statusRoute, healthRoute, documentRoute, pageRoute];
const paths = routes.map((route) => route.path);
const methods = ["GET", "HEAD"];

/** The OpenAPI 3.1 document of this interface, as a program of `version` serves it. */
export function openApiDocument(version: string = softwareVersion): unknown {
  const described = new OpenAPIHono();
  for (const route of routes) {
    described.openAPIRegistry.registerPath(route);
    described.openAPIRegistry.registerPath(headOf(route));
  }
  return described.getOpenAPI31Document({
    openapi: "3.1.0",
    info: {
      title: "Cardinal card",
      version,
      description: "One controller card of a storage chassis. Read-only; errors are problems after RFC 9457.",
      license: { name: "Apache-2.0" },
    },
    servers: [{ url: "/", description: "The card that serves this document." }],
  });
}

/** HEAD answers as GET does, without the content. */
function headOf(route: (typeof routes)[number]) {
  const responses = Object.fromEntries(
    Object.entries(route.responses).map(([status, { description }]) => [status, { description }]),
  );
  return { ...route, method: "head" as const, operationId: route.operationId.replace(/^get/, "head"), responses };
}

export function createApp(source: StatusSource): Hono {
  const app = new OpenAPIHono();
  let documentText: string | undefined;

  app.use("*", async (context, next) => {
    for (const [name, value] of Object.entries(securityHeaders)) context.header(name, value);
    await next();
  });
  for (const route of routes) {
    const available = Object.keys(route.responses[200].content);
    app.use(route.path, async (context, next) => {
      if (!methods.includes(context.req.method)) return refuseMethod(context);
      if (hasContent(context)) return refuseContent(context);
      if (!accepts(context.req.header("accept"), available)) return refuseAccept(context, available);
      return await next();
    });
  }

  app.openapi(statusRoute, (context) => context.json(source.status(), 200));
  app.openapi(healthRoute, (context) => {
    const { card, state } = source.status();
    return context.json({ card, state }, state === "running" ? 200 : 503);
  });
  app.openapi(documentRoute, (context) => {
    documentText ??= JSON.stringify(openApiDocument());
    return context.body(documentText, 200, { "content-type": "application/json" }) as never;
  });
  app.openapi(pageRoute, (context) => {
    context.header("content-security-policy", statusPagePolicy);
    return context.html(statusPage) as never;
  });

  app.notFound((context) => {
    const { path } = context.req;
    return answer(context, 404, `there is no ${path}; there are ${paths.join(", ")}`, { paths });
  });
  app.onError((error, context) => {
    const { method, path } = context.req;
    source.log?.("error", "http request failed", { method, path, reason: error.stack ?? error.message });
    return answer(context, 500, "the card failed to answer; its log says why");
  });
  return app as unknown as Hono;
}

function answer(context: Context, status: ProblemStatus, detail: string, extras: Parameters<typeof problem>[2] = {}): Response {
  const body = problem(status, detail, { instance: context.req.path, ...extras });
  return context.body(JSON.stringify(body), status, { "content-type": problemType });
}

function refuseMethod(context: Context): Response {
  const { method, path } = context.req;
  context.header("allow", methods.join(", "));
  if (hasContent(context)) context.header("connection", "close");
  return answer(context, 405, `${method} ${path} is not there; this interface only reads: ${methods.join(", ")}`, { allow: methods });
}

/** No path takes content; the connection ends, so that what comes need not be read to find the next request. */
function refuseContent(context: Context): Response {
  context.header("connection", "close");
  return answer(context, 413, `${context.req.path} takes no content; send the request without any`);
}

function hasContent(context: Context): boolean {
  return context.req.header("transfer-encoding") !== undefined || (context.req.header("content-length") ?? "0") !== "0";
}

function refuseAccept(context: Context, available: string[]): Response {
  return answer(context, 406, `${context.req.path} is only there as ${available.join(", ")}`, { available });
}
