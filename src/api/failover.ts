/**
 * Failover over HTTP: what this card knows of sets, cards, readiness and past failovers, which everybody may read, and the operator's verbs, which
 * take a token. With `dryRun=true` a verb is planned on what this card knows; else it goes through the order, and its answer is what was decided
 * there. What it set into motion goes on after that.
 */
import { setImmediate } from "node:timers/promises";
import type { Context } from "hono";
import { cardAt, type CardId, chassisCountMax, isCardId, slotCountMax } from "../base/ids.ts";
import { failoverView, readinessView, setsView } from "../failover/failover-view.ts";
import type { ReadinessReport } from "../failover/readiness.ts";
import { recordsView, recordView } from "../failover/record-view.ts";
import type { FailoverStatus, OperatorRequest } from "../failover/service-types.ts";
import { changeCommentLengthMax } from "../limits.ts";
import type { Caller } from "./authority.ts";
import { answerOperatorRefusal } from "./failover-refusal.ts";
import type { FailoverSource } from "./failover-source.ts";
import { flagOf, linkNext, pageOf } from "./query.ts";
import { answerProblem, type Method, type MethodOf, type Resource } from "./resource.ts";

const json = "application/json";

export function failoverResources(source: FailoverSource): Resource[] {
  const resource = (path: string, methods: Partial<Record<Method, MethodOf>>): Resource => ({ path, mediaTypes: [json], methods });
  const read = (path: string, answer: (context: Context, status: FailoverStatus) => Response | Promise<Response>): Resource =>
    resource(path, {
      GET: {
        answer: async (context) => {
          const status = source.status();
          return status === undefined ? nothingHere(context) : await answer(context, status);
        },
      },
    });
  /** `orderOf` makes the order of the request, or says what is wrong with it. */
  const verb = (
    path: string,
    orderOf: (context: Context, status: FailoverStatus, common: Common) => OperatorRequest | Response,
  ): Resource => resource(path, { POST: { role: "operator", answer: (context, caller) => operate(context, source, caller, orderOf) } });
  return [
    read("/v1/failover", async (context, status) => context.json(failoverView(status, await readinessOf(status)))),
    read("/v1/sets", (context, status) => context.json(setsView(status))),
    read("/v1/sets/:set", answerSet),
    read("/v1/readiness", async (context, status) => context.json(readinessView(status, await readinessOf(status)))),
    read("/v1/failovers", answerRecords),
    read("/v1/failovers/:id", answerRecord),
    verb("/v1/sets/:set/switch", (context, status, common) => {
      const subject = subjectOf(context, status);
      if (subject instanceof Response) return subject;
      const named = context.req.query("to");
      const to = named === undefined ? undefined : cardNamed(context, named, "to");
      return to instanceof Response ? to : { ...common, verb: "switch", subject, to };
    }),
    verb("/v1/sets/:set/failback", (context, status, common) => {
      const subject = subjectOf(context, status);
      return subject instanceof Response ? subject : { ...common, verb: "failback", subject };
    }),
    verb("/v1/sets/:set/lift-quarantine", (context, status, common) => {
      const subject = subjectOf(context, status);
      return subject instanceof Response ? subject : { ...common, verb: "lift-quarantine", subject };
    }),
    verb("/v1/cards/:card/drain", (context, _status, common) => {
      const card = cardOf(context);
      if (card instanceof Response) return card;
      const force = flagOf(context, "force");
      return force instanceof Response ? force : { ...common, verb: "drain", card, force };
    }),
    verb("/v1/cards/:card/undrain", (context, _status, common) => {
      const card = cardOf(context);
      return card instanceof Response ? card : { ...common, verb: "undrain", card };
    }),
    verb("/v1/cards/:card/lift-quarantine", (context, _status, common) => {
      const card = cardOf(context);
      return card instanceof Response ? card : { ...common, verb: "lift-quarantine", subject: card };
    }),
    verb("/v1/cards/:card/maintenance", (context, _status, common) => {
      const card = cardOf(context);
      if (card instanceof Response) return card;
      if (context.req.query("on") === undefined) {
        return answerProblem(context, 400, "on is missing, must be true or false: whether the card is to be in maintenance");
      }
      const [on, force] = [flagOf(context, "on"), flagOf(context, "force")];
      if (on instanceof Response) return on;
      return force instanceof Response ? force : { ...common, verb: "maintenance", card, on, force };
    }),
    verb("/v1/boot/proceed", (_context, _status, common) => ({ ...common, verb: "assume-idle" })),
  ];
}

/** A step at each turn of the loop: the card's own work goes on in between. */
async function readinessOf({ readiness }: FailoverStatus): Promise<ReadinessReport | undefined> {
  for (;;) {
    const report = readiness?.step();
    if (report !== undefined || readiness === undefined) return report;
    await setImmediate();
  }
}

type Common = { readonly by: string; readonly comment: string };

async function operate(
  context: Context,
  source: FailoverSource,
  { author }: Caller,
  orderOf: (context: Context, status: FailoverStatus, common: Common) => OperatorRequest | Response,
): Promise<Response> {
  const status = source.status();
  if (status === undefined) return nothingHere(context);
  const dryRun = flagOf(context, "dryRun");
  if (dryRun instanceof Response) return dryRun;
  const comment = context.req.query("comment") ?? "";
  if (comment.length > changeCommentLengthMax) {
    return answerProblem(context, 400, `comment has ${comment.length} letters, must have at most ${changeCommentLengthMax}`);
  }
  const order = orderOf(context, status, { by: author, comment });
  if (order instanceof Response) return order;
  const answer = await source.operate(order, dryRun);
  if (answer.kind === "refused") return answerOperatorRefusal(context, answer);
  return context.json({ outcome: answer.kind === "plan" ? "planned" : "ordered", lines: answer.lines });
}

/** The set of the path, or the service of it that is named. */
function subjectOf(context: Context, status: FailoverStatus): string | Response {
  const name = context.req.param("set") as string;
  const service = context.req.query("service");
  // Who does not know the sets yet lets the service say so.
  if (status.assignment === undefined) return service ?? name;
  if (!status.assignment.sets.has(name)) return missingSet(context, status, name);
  if (service === undefined || status.assignment.services.get(service)?.set === name) return service ?? name;
  const services = [...status.assignment.services.values()].filter(({ set }) => set === name).map((each) => each.service);
  const has = services.length === 0 ? "it has none" : `it has ${services.join(", ")}`;
  return answerProblem(context, 404, `${name} has no service ${JSON.stringify(service.slice(0, 64))}; ${has}`, { code: "unknown-subject" });
}

function cardOf(context: Context): CardId | Response {
  return cardNamed(context, context.req.param("card") as string, "the card");
}

/** A card by its number, or by chassis and slot. */
function cardNamed(context: Context, text: string, what: string): CardId | Response {
  const number = /^\d{1,2}$/.test(text) ? Number(text) : undefined;
  if (isCardId(number)) return number;
  const [, chassis, slot] = /^([1-9])\/([1-9])$/.exec(text) ?? [];
  if (chassis !== undefined && Number(chassis) <= chassisCountMax && Number(slot) <= slotCountMax) {
    return cardAt(Number(chassis), Number(slot));
  }
  return answerProblem(context, 400, `${what} is ${JSON.stringify(text.slice(0, 40))}, must be a card's number, such as 2, or 1/2`);
}

function answerRecords(context: Context, status: FailoverStatus): Response {
  const page = pageOf(context);
  if (page instanceof Response) return page;
  const before = context.req.query("before");
  if (before !== undefined && !/^\d{1,15}$/.test(before)) {
    return answerProblem(context, 400, `before is ${JSON.stringify(before.slice(0, 40))}, must be a failover's number`);
  }
  const found = recordsView(status, { ...page, ...(before === undefined ? {} : { before: Number(before) }) });
  if (found.next !== undefined) linkNext(context, { limit: String(page.limit), before: String(found.next) });
  return context.json(found);
}

function answerRecord(context: Context, status: FailoverStatus): Response {
  const text = context.req.param("id") as string;
  const record = /^\d{1,15}$/.test(text) ? status.records.find(({ id }) => id === Number(text)) : undefined;
  if (record !== undefined) return context.json(recordView(record, status.now));
  const [first, last] = [status.records[0]?.id, status.records.at(-1)?.id];
  const has = first === undefined ? "this card knows of none" : first === last ? `there is ${first}` : `there are ${first} to ${last}`;
  return answerProblem(context, 404, `there is no failover ${JSON.stringify(text.slice(0, 40))}; ${has}`);
}

function answerSet(context: Context, status: FailoverStatus): Response {
  const { sets, ...standing } = setsView(status);
  const name = context.req.param("set") as string;
  const set = sets.find((each) => each.set === name);
  return set === undefined ? missingSet(context, status, name) : context.json({ ...standing, ...set });
}

/** Says which sets there are; a service's name leads to its set. */
function missingSet(context: Context, status: FailoverStatus, name: string): Response {
  const { assignment, reason } = status;
  if (assignment === undefined) {
    return answerProblem(context, 503, `this card does not know the failover sets yet${reason === undefined ? "" : `: ${reason}`}`, {
      code: "not-known",
      hint: "Ask another card, or wait a moment.",
    });
  }
  const names = [...assignment.sets.keys()];
  const service = assignment.services.get(name);
  const instead = service === undefined
    ? names.length === 0 ? "there are none: `failoverSets` of the configuration has no row" : `there are ${names.join(", ")}`
    : `it is a service of the set ${service.set}`;
  return answerProblem(context, 404, `there is no failover set ${JSON.stringify(name.slice(0, 64))}; ${instead}`, {
    code: "unknown-subject",
  });
}

function nothingHere(context: Context): Response {
  return answerProblem(context, 503, "this card has no failover service now: it has no configuration, or is still starting", {
    code: "not-known",
    hint: "Ask another card, or wait a moment.",
  });
}
