/** The routes of failover for the OpenAPI document, with an example of each answer. */
import { type RouteConfig, z } from "@hono/zod-openapi";
import { cardAt } from "../base/ids.ts";
import type { FailoverView, ReadinessReasonView, SetView, StandingView } from "../failover/failover-view.ts";
import type { RecordSummary, RecordView } from "../failover/record-view.ts";
import { changeCommentLengthMax, pageRowsDefault, pageRowsMax } from "../limits.ts";
import {
  failoverSchema,
  oneSetSchema,
  orderedSchema,
  readinessSchema,
  recordSchema,
  recordsSchema,
  setsSchema,
} from "./failover-schema.ts";
import { routesOf, type Shape, type Told } from "./openapi-route.ts";

const [first, second] = [cardAt(1, 1), cardAt(1, 2)];

const standing: StandingView = { state: "known", configuration: { epoch: 128, sequence: 42 }, ownersKnown: true };

const down = {
  code: "down",
  card: first,
  text: "card 1 is down",
  owner: "card",
  hint: "Bring the card back: look at its power and its console.",
} as const;

const web: SetView = {
  set: "web",
  epoch: 134_217_730,
  dormant: false,
  primary: { card: second, seat: "card 2" },
  alternates: [],
  seats: [
    { card: second, seat: "card 2", role: "primary", reasons: [] },
    { card: first, seat: "card 1", role: "failed", reasons: [down] },
  ],
  services: [{
    service: "nginx",
    unit: "web",
    state: "placed",
    owner: { card: second, seat: "card 2" },
    grant: "running",
    epoch: 134_217_730,
    reasons: [],
    here: { state: "running", waitingFor: [] },
  }],
  units: [],
};

const notTakenOver: ReadinessReasonView = {
  service: "nginx",
  code: "down",
  card: first,
  text: "card 1 is down",
  forMs: 61_400,
  owner: "card",
  hint: down.hint,
};
const readiness = { ...standing, ready: false, reasons: [notTakenOver], warnings: [] };

const healthy = { joined: true, readiness: { kind: "ready" }, health: "good", healthReasons: [], software: "0.1.0" } as const;
const whole: FailoverView = {
  ...readiness,
  sets: [web],
  cards: [
    { ...healthy, card: first, state: "down", joined: false, configuration: "behind", ports: [], unfit: [] },
    { ...healthy, card: second, state: "up", healthyForMs: 93_701_220, configuration: "current", ports: [], unfit: [] },
  ],
  activities: [],
};

const summary: Omit<RecordSummary, "receipt"> = {
  id: 7,
  subject: { kind: "card", card: first },
  text: "card 1",
  view: 130,
  phase: "closed",
  agoMs: 61_400,
  totalMs: 63,
  verdict: "member failure",
  rule: "member failure",
  why: "nobody hears it, and nobody's self-test is answered",
  moves: [{ atMs: 30, service: "nginx", from: first, to: second, epoch: 134_217_730 }],
};

const record: RecordView = {
  ...summary,
  phases: [
    { phase: "characterized", atMs: 24, ms: 24 },
    { phase: "fenced", atMs: 28, ms: 4 },
    { phase: "granted", atMs: 30, ms: 2 },
    { phase: "up", atMs: 63, ms: 33 },
    { phase: "closed", atMs: 5_063, ms: 5_000 },
  ],
  evidence: [{ atMs: 15, by: second, source: "ether", text: "3 beats of card 1 are missing" }],
  selfTests: [{ atMs: 15, by: second, over: "serial", answer: "no answer in 9 ms", ms: 9 }],
  votes: [],
  fencing: [{ atMs: 25, by: second, way: "reset line" }],
  receipt: { atMs: 28, by: second, receipt: "reset" },
  resources: [{ atMs: 31, hook: "start", resource: "nginx", service: "nginx", card: second, ms: 32, outcome: "done" }],
  timeline: [
    { atMs: 15, kind: "evidence", text: "card 2 (ether): 3 beats of card 1 are missing" },
    { atMs: 28, kind: "receipt", text: "receipt: reset, known by card 2" },
    { atMs: 63, kind: "running", text: "nginx runs on card 2" },
  ],
  dropped: 0,
  missing: [],
  prevention: ["The start of nginx took 32 of 63 ms: to be faster, it is what to look at."],
};

const ordered = {
  outcome: "ordered",
  lines: ["nginx: card 2 -> card 1 (failback: wanted by anna)", "  stop on card 2: nginx", "  start on card 1: nginx"],
};

const told: Told = {
  400: ["A query cannot be understood.", 'dryRun is "maybe", must be true or false'],
  401: ["It takes a token, and there is none or a wrong one.", "the token is wrong, has expired or was revoked", "unauthenticated"],
  403: ["The token's role is not enough.", "this takes the role operator, and looker has the role viewer", "forbidden"],
  404: ["There is no such set, service, card or failover.", 'there is no failover set "wep"; there are exports, web', "unknown-subject"],
  409: ["It cannot be done as things are; `code` and `hint` say why and what helps.", "web is on card 2 already", "already-there"],
  413: ["The request has content.", "POST takes no content; send the request without any"],
  429: ["Too many attempts with a wrong token.", "too many attempts with a wrong token came from 192.0.2.7", "attempts"],
  503: [
    "This card does not know what all agree on, or takes part in no decisions now.",
    "this card does not know yet what all agree on",
    "not-known",
  ],
  504: [
    "The order of messages did not bring it back in time: it may still be carried out.",
    "the order of messages did not bring it back in 10 s: it may still be carried out",
    "unanswered",
  ],
};

const served = {
  "cardinal-served-by": z.string().meta({ description: "The card that served the request, such as 1/2.", example: "1/2" }),
};

const route = routesOf({ told, instance: "/v1/sets/web/switch", headers: served });

const flag = (description: string) => z.enum(["true", "false"]).optional().meta({ description });
const verbQuery = z.object({
  dryRun: flag("`true`: only tell what would happen."),
  comment: z.string().max(changeCommentLengthMax).optional().meta({ description: "Why, for the others and for the record." }),
});
const force = flag("`true`: although services stop that no other card can have.");
const serviceQuery = verbQuery.extend({
  service: z.string().optional().meta({ description: "A service of an N-way set, whose services move one by one." }),
});
const setParameter = z.object({ set: z.string().meta({ description: "The set's name.", example: "web" }) });
const cardParameter = z.object({
  card: z.string().meta({ description: "The card, by its number or as chassis/slot with the slash as %2F.", example: "2" }),
});

/** What only reads, and what it may be refused for besides being too early. */
function readRoute(shape: Pick<Shape, "path" | "operationId" | "summary" | "answer" | "schema" | "example"> & Partial<Shape>): RouteConfig {
  return route({ method: "get", problems: [503], ...shape });
}

function verbRoute(shape: Pick<Shape, "path" | "operationId" | "summary"> & Partial<Shape>): RouteConfig {
  const { description } = shape;
  return route({
    method: "post",
    answer: "With `dryRun=true` the plan; else what the cards agreed on, which is being carried out.",
    schema: orderedSchema,
    example: ordered,
    isSecured: true,
    problems: [400, 401, 403, 404, 409, 413, 429, 503, 504],
    ...shape,
    request: { query: verbQuery, ...shape.request },
    description: `${description === undefined ? "" : `${description} `}It takes the role operator.`,
  });
}

export const failoverRoutes: readonly RouteConfig[] = [
  readRoute({
    path: "/v1/failover",
    operationId: "getFailover",
    summary: "Who serves what: sets, cards and readiness at once",
    answer: "What the cards agree on, as this one knows it.",
    schema: failoverSchema,
    example: whole,
  }),
  readRoute({
    path: "/v1/sets",
    operationId: "getSets",
    summary: "The failover sets: Primary, Secondary, Alternates, services",
    answer: "The sets, by name.",
    schema: setsSchema,
    example: { ...standing, sets: [web] },
  }),
  readRoute({
    path: "/v1/sets/{set}",
    operationId: "getSet",
    summary: "A failover set",
    answer: "The set.",
    schema: oneSetSchema,
    example: { ...standing, ...web },
    request: { params: setParameter },
    problems: [404, 503],
  }),
  readRoute({
    path: "/v1/readiness",
    operationId: "getReadiness",
    summary: "Whether each service would be taken over if its card failed now",
    description: "Each card is failed in thought and everything is placed anew.",
    answer: "`ready`, or the reasons why not.",
    schema: readinessSchema,
    example: readiness,
  }),
  readRoute({
    path: "/v1/failovers",
    operationId: "getFailovers",
    summary: "The failovers, and moves that were ordered, newest first, in pages",
    answer: "A page; `Link` has the next one.",
    schema: recordsSchema,
    example: { failovers: [{ ...summary, receipt: "reset" }], next: 7 },
    request: {
      query: z.object({
        limit: z.coerce.number().int().min(1).max(pageRowsMax).optional().meta({
          description: `Failovers in a page; ${pageRowsDefault} when nothing is said.`,
        }),
        before: z.coerce.number().int().optional().meta({ description: "The `next` of the page before." }),
      }),
    },
    problems: [400, 503],
  }),
  readRoute({
    path: "/v1/failovers/{id}",
    operationId: "getFailoverRecord",
    summary: "A failover, explained: evidence, votes, receipt, grants, times, and what would have prevented it",
    answer: "The record.",
    schema: recordSchema,
    example: record,
    request: { params: z.object({ id: z.string().meta({ description: "Its number.", example: "7" }) }) },
    problems: [404, 503],
  }),
  verbRoute({
    path: "/v1/sets/{set}/switch",
    operationId: "switchSet",
    summary: "Move a set, or a service of it, to another card",
    description: "It stays there until `failback`, or until that card fails.",
    request: {
      params: setParameter,
      query: serviceQuery.extend({
        to: z.string().optional().meta({ description: "The card; without it the one that would take over.", example: "2" }),
      }),
    },
  }),
  verbRoute({
    path: "/v1/sets/{set}/failback",
    operationId: "failBackSet",
    summary: "Move a set, or a service of it, back to the card that is configured to have it",
    request: { params: setParameter, query: serviceQuery },
  }),
  verbRoute({
    path: "/v1/sets/{set}/lift-quarantine",
    operationId: "liftSetQuarantine",
    summary: "Let a set, or a service of it, that failed too often be started again",
    request: { params: setParameter, query: serviceQuery },
  }),
  verbRoute({
    path: "/v1/cards/{card}/drain",
    operationId: "drainCard",
    summary: "Move everything away from a card, and let it back nothing up",
    description: "Refused while a service would find no other card, but with `force`.",
    request: { params: cardParameter, query: verbQuery.extend({ force }) },
  }),
  verbRoute({
    path: "/v1/cards/{card}/undrain",
    operationId: "undrainCard",
    summary: "Let a drained card serve and back up again",
    request: { params: cardParameter },
  }),
  verbRoute({
    path: "/v1/cards/{card}/lift-quarantine",
    operationId: "liftCardQuarantine",
    summary: "Let a card that failed too often take part again",
    request: { params: cardParameter },
  }),
  verbRoute({
    path: "/v1/cards/{card}/maintenance",
    operationId: "maintainCard",
    summary: "Take a card out of service for work on it, or put it into service again",
    description:
      "In maintenance it has no role, and its failures count for nothing. Refused while a service would find no other card, but with `force`.",
    request: {
      params: cardParameter,
      query: verbQuery.extend({ on: z.enum(["true", "false"]).meta({ description: "Whether it is to be in maintenance." }), force }),
    },
  }),
  verbRoute({
    path: "/v1/boot/proceed",
    operationId: "proceedBoot",
    summary: "Say that the cards which are missing run nothing, so that the others start without them",
    description: "Make sure of it first: two cards that serve the same at once destroy data.",
  }),
];
