/** Refusals of the configuration as problems over HTTP. */
import type { Context } from "hono";
import { type CardId, chassisOf, slotOf } from "../base/ids.ts";
import type { ConfigRefusal } from "../config/change.ts";
import type { ConfigurationSource } from "./configuration-source.ts";
import type { ProblemStatus } from "./problem.ts";
import { answerProblem } from "./resource.ts";

export type Refused = { readonly refusal: ConfigRefusal; readonly servedBy: CardId };

const statuses: Readonly<Record<ConfigRefusal["code"], ProblemStatus>> = {
  conflict: 409,
  invalid: 422,
  "no-quorum": 503,
  hold: 503,
  "catching-up": 503,
  "too-new": 409,
  bounds: 413,
  timeout: 504,
};

/** After how many seconds it makes sense to ask again; nothing where it does not. */
const retryAfterS: Partial<Record<ConfigRefusal["code"], number>> = { "no-quorum": 5, "catching-up": 1, timeout: 1 };

/** `conditional`: the request named the head that it expects. */
export function answerRefusal(
  context: Context,
  source: ConfigurationSource,
  { refusal, servedBy }: Refused,
  { conditional = false }: { readonly conditional?: boolean } = {},
): Response {
  const { code, message, operation, column } = refusal;
  const status = code === "conflict" && conditional ? 412 : statuses[code];
  const retry = retryAfterS[code];
  if (retry !== undefined) context.header("retry-after", String(retry));
  context.header("cardinal-served-by", `${chassisOf(servedBy)}/${slotOf(servedBy)}`);
  context.header("etag", `"${source.status().head.hash}"`);
  return answerProblem(context, status, message, {
    code,
    ...(operation === undefined ? {} : { operation }),
    ...(column === undefined ? {} : { column }),
  });
}
