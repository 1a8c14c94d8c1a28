/** Refusals of operators' orders as problems over HTTP. */
import type { Context } from "hono";
import type { OperatorAnswer } from "../failover/service-types.ts";
import type { ProblemStatus } from "./problem.ts";
import { answerProblem } from "./resource.ts";

type Refused = Extract<OperatorAnswer, { readonly kind: "refused" }>;

type Rule = { readonly status: ProblemStatus; readonly retryAfterS?: number };

/** What the system's state forbids conflicts with it; what does not exist is not found; what may be otherwise in a while is unavailable. */
export const operatorRefusalRules = {
  "unknown-card": { status: 404 },
  "unknown-subject": { status: 404 },
  "is-dormant": { status: 409 },
  "has-units": { status: 409 },
  "is-held": { status: 409 },
  "is-moving": { status: 409, retryAfterS: 1 },
  "is-quarantined": { status: 409 },
  "already-there": { status: 409 },
  "no-other-card": { status: 409 },
  "not-eligible": { status: 409 },
  "no-room": { status: 409 },
  "nothing-better": { status: 409 },
  "would-stop": { status: 409 },
  "already-so": { status: 409 },
  "not-known": { status: 503, retryAfterS: 1 },
  "no-quorum": { status: 503, retryAfterS: 5 },
  unanswered: { status: 504 },
} as const satisfies Readonly<Record<Refused["code"], Rule>>;

export function answerOperatorRefusal(context: Context, { code, message, hint }: Refused): Response {
  const { status, retryAfterS }: Rule = operatorRefusalRules[code];
  if (retryAfterS !== undefined) context.header("retry-after", String(retryAfterS));
  return answerProblem(context, status, message, { code, hint });
}
