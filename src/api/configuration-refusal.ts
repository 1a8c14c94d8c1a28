/** Refusals of the configuration as problems over HTTP. */
import type { Context } from "hono";
import { type CardId, cardName } from "../base/ids.ts";
import type { ConfigRefusal } from "../config/change.ts";
import { refusals } from "../config/refusals.ts";
import type { ConfigurationSource } from "./configuration-source.ts";
import { answerProblem } from "./resource.ts";

export type Refused = { readonly refusal: ConfigRefusal; readonly servedBy: CardId };

/** `conditional`: the request named the head that it expects. */
export function answerRefusal(
  context: Context,
  source: ConfigurationSource,
  { refusal, servedBy }: Refused,
  { conditional = false }: { readonly conditional?: boolean } = {},
): Response {
  const { code, message, operation, table, id, column } = refusal;
  const { status, retryAfterS, hint } = refusals[code];
  if (retryAfterS !== undefined) context.header("retry-after", String(retryAfterS));
  context.header("cardinal-served-by", cardName(servedBy));
  context.header("etag", `"${source.status().head.hash}"`);
  return answerProblem(context, code === "conflict" && conditional ? 412 : status, message, {
    code,
    hint,
    ...(operation === undefined ? {} : { operation }),
    ...(table === undefined ? {} : { table }),
    ...(id === undefined ? {} : { id }),
    ...(column === undefined ? {} : { column }),
  });
}
