/**
 * Failover over HTTP: what this card knows of sets, cards, readiness and past failovers, which everybody may read, and the operator's verbs, which
 * take a token. A verb is planned on this card with `dryRun=true`, else it goes through the order and is answered with what it led to.
 */
import type { Context } from "hono";
import { failoverView, readinessView, setsView } from "../failover/failover-view.ts";
import type { FailoverStatus } from "../failover/service-types.ts";
import type { FailoverSource } from "./failover-source.ts";
import { answerProblem, type Method, type MethodOf, type Resource } from "./resource.ts";

const json = "application/json";

export function failoverResources(source: FailoverSource): Resource[] {
  const resource = (path: string, methods: Partial<Record<Method, MethodOf>>): Resource => ({ path, mediaTypes: [json], methods });
  const read = (path: string, answer: (context: Context, status: FailoverStatus) => Response): Resource =>
    resource(path, {
      GET: {
        answer: (context) => {
          const status = source.status();
          return status === undefined ? nothingHere(context) : answer(context, status);
        },
      },
    });
  return [
    read("/v1/failover", (context, status) => context.json(failoverView(status))),
    read("/v1/sets", (context, status) => context.json(setsView(status))),
    read("/v1/sets/:set", answerSet),
    read("/v1/readiness", (context, status) => context.json(readinessView(status))),
  ];
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
