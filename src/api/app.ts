/** The card over HTTP: read-only, a handful of paths, every error a problem (RFC 9457). `openapi.ts` describes it. */
import { type Context, Hono } from "hono";
import type { LogFields } from "../node/effect.ts";
import type { CardStatus } from "../node/status.ts";
import { statusPage, statusPagePolicy } from "../ui/status-page.ts";
import { softwareVersion } from "../version.ts";
import { accepts } from "./accept.ts";
import { problem, type ProblemStatus, problemType } from "./problem.ts";

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

/** What there is, with the media type that each path has. */
const mediaTypes = {
  "/v1/status": "application/json",
  "/v1/members": "application/json",
  "/v1/groups": "application/json",
  "/v1/health": "application/json",
  "/v1/openapi.json": "application/json",
  "/": "text/html",
} as const;
const paths = Object.keys(mediaTypes);
const methods = ["GET", "HEAD"];

/** The OpenAPI 3.1 document of this interface, as a program of `version` serves it. */
export async function openApiDocument(version: string = softwareVersion): Promise<unknown> {
  return (await import("./openapi.ts")).openApiDocument(version);
}

export function createApp(source: StatusSource): Hono {
  const app = new Hono();
  let documentText: string | undefined;

  app.use("*", async (context, next) => {
    for (const [name, value] of Object.entries(securityHeaders)) context.header(name, value);
    await next();
  });
  for (const [path, mediaType] of Object.entries(mediaTypes)) {
    const available = [mediaType];
    app.use(path, async (context, next) => {
      if (!methods.includes(context.req.method)) return refuseMethod(context);
      if (hasContent(context)) return refuseContent(context);
      if (!accepts(context.req.header("accept"), available)) return refuseAccept(context, available);
      return await next();
    });
  }

  app.get("/v1/status", (context) => context.json(source.status()));
  app.get("/v1/members", (context) => context.json(source.status().membership));
  app.get("/v1/groups", (context) => context.json(source.status().groups));
  app.get("/v1/health", (context) => {
    const { card, state } = source.status();
    return context.json({ card, state }, state === "running" ? 200 : 503);
  });
  app.get("/v1/openapi.json", async (context) => {
    documentText ??= JSON.stringify(await openApiDocument());
    return context.body(documentText, 200, { "content-type": "application/json" });
  });
  app.get("/", (context) => {
    context.header("content-security-policy", statusPagePolicy);
    return context.html(statusPage);
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
  return app;
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
