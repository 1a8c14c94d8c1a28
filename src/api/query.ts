/** Queries that several paths understand in the same way; what cannot be understood is answered with the problem. */
import type { Context } from "hono";
import { pageRowsDefault, pageRowsMax } from "../limits.ts";
import { answerProblem } from "./resource.ts";

export function pageOf(context: Context): { readonly limit: number } | Response {
  const text = context.req.query("limit");
  if (text === undefined) return { limit: pageRowsDefault };
  const limit = /^\d{1,6}$/.test(text) ? Number(text) : 0;
  if (limit >= 1 && limit <= pageRowsMax) return { limit };
  return answerProblem(context, 400, `limit is ${JSON.stringify(text.slice(0, 40))}, must be a whole number from 1 to ${pageRowsMax}`);
}

/** `?name` and `?name=true` are true. */
export function flagOf(context: Context, name: string): boolean | Response {
  const text = context.req.query(name);
  if (text === undefined || text === "false") return false;
  if (text === "true" || text === "") return true;
  return answerProblem(context, 400, `${name} is ${JSON.stringify(text.slice(0, 40))}, must be true or false`);
}

/** Where the next page is. */
export function linkNext(context: Context, query: Readonly<Record<string, string>>): void {
  context.header("link", `<${context.req.path}?${new URLSearchParams(query)}>; rel="next"`);
}
