/** The card over HTTP: a table of resources, every error a problem (RFC 9457). `openapi.ts` describes it. */
import { type Context, Hono } from "hono";
import { type CardId, cardName } from "../base/ids.ts";
import type { LogFields } from "../node/effect.ts";
import type { CardStatus } from "../node/status.ts";
import { configurationPage, configurationPagePolicy } from "../ui/configuration-page.ts";
import { failoverPage, failoverPagePolicy } from "../ui/failover-page.ts";
import { statusPage, statusPagePolicy } from "../ui/status-page.ts";
import { softwareVersion } from "../version.ts";
import type { Authority } from "./authority.ts";
import { configurationResources } from "./configuration.ts";
import type { ConfigurationSource } from "./configuration-source.ts";
import { failoverResources } from "./failover.ts";
import type { FailoverSource } from "./failover-source.ts";
import { addResource, answerProblem, type Permit, type Resource, templateOf } from "./resource.ts";

export type StatusSource = {
  status(): CardStatus;
  /** Told of each failure of a request, which the answer itself does not show. */
  readonly log?: (level: "error", event: string, fields: LogFields) => void;
  /** The card that answers; each answer names it. */
  readonly card?: CardId;
  /** The configuration and who may change it; a card without one has no paths for it. */
  readonly configuration?: { readonly source: ConfigurationSource; readonly authority: Authority };
  /** Who serves what; its verbs take the tokens of the configuration, so a card has it only with one. */
  readonly failover?: FailoverSource;
};

/** On every answer, errors included. There is no CORS: a page from elsewhere reads nothing here. */
export const securityHeaders: Readonly<Record<string, string>> = {
  "cache-control": "no-store",
  "content-security-policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
};

/** The OpenAPI 3.1 document of this interface, as a program of `version` serves it. */
export async function openApiDocument(version: string = softwareVersion): Promise<unknown> {
  return (await import("./openapi.ts")).openApiDocument(version);
}

export function createApp(source: StatusSource): Hono {
  const app = new Hono();
  const { configuration, failover, card } = source;
  const resources = [
    ...cardResources(source),
    ...(configuration === undefined
      ? []
      : [...configurationResources(configuration.source), page("/configuration", configurationPage, configurationPagePolicy)]),
    ...(failover === undefined ? [] : [...failoverResources(failover), page("/failover", failoverPage, failoverPagePolicy)]),
  ];
  const paths = resources.map(templateOf);
  const permit: Permit | undefined = configuration === undefined
    ? undefined
    : (context, least) => configuration.authority.check(context.req.header("authorization"), addressOf(context), least);

  app.use("*", async (context, next) => {
    for (const [name, value] of Object.entries(securityHeaders)) context.header(name, value);
    if (card !== undefined) context.header("cardinal-served-by", cardName(card));
    await next();
  });
  for (const resource of resources) addResource(app, resource, permit);
  app.notFound((context) => {
    const { path } = context.req;
    return answerProblem(context, 404, `there is no ${path}; there are ${paths.join(", ")}`, { paths });
  });
  app.onError((error, context) => {
    const { method, path } = context.req;
    source.log?.("error", "http request failed", { method, path, reason: error.stack ?? error.message });
    return answerProblem(context, 500, "the card failed to answer; its log says why");
  });
  return app;
}

/** The card itself: what can only be read. */
function cardResources(source: StatusSource): Resource[] {
  let documentText: string | undefined;
  const json = (path: string, answer: (context: Context) => Response | Promise<Response>): Resource => ({
    path,
    mediaTypes: ["application/json"],
    methods: { GET: { answer } },
  });
  return [
    json("/v1/status", (context) => context.json(source.status())),
    json("/v1/members", (context) => context.json(source.status().membership)),
    json("/v1/groups", (context) => context.json(source.status().groups)),
    json("/v1/health", (context) => {
      const { card, state } = source.status();
      return context.json({ card, state }, state === "running" ? 200 : 503);
    }),
    json("/v1/openapi.json", async (context) => {
      documentText ??= JSON.stringify(await openApiDocument());
      return context.body(documentText, 200, { "content-type": "application/json" });
    }),
    page("/", statusPage, statusPagePolicy),
  ];
}

function page(path: string, text: string, policy: string): Resource {
  const answer = (context: Context) => {
    context.header("content-security-policy", policy);
    return context.html(text);
  };
  return { path, mediaTypes: ["text/html"], methods: { GET: { answer } } };
}

/** Where a request comes from, as far as its connection tells. */
function addressOf(context: Context): string {
  const { incoming } = (context.env ?? {}) as { readonly incoming?: { readonly socket?: { readonly remoteAddress?: string } } };
  return incoming?.socket?.remoteAddress ?? "an unknown address";
}
