/** Errors over HTTP, after RFC 9457. Each names the thing that was asked for and what would be right. */
import type { z } from "@hono/zod-openapi";
import type { problemSchema } from "./schema.ts";

export type Problem = z.output<typeof problemSchema>;
export type ProblemStatus = keyof typeof titles;

export const problemType = "application/problem+json";

const titles = {
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  406: "Not Acceptable",
  408: "Request Timeout",
  409: "Conflict",
  412: "Precondition Failed",
  413: "Content Too Large",
  415: "Unsupported Media Type",
  422: "Unprocessable Content",
  429: "Too Many Requests",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  503: "Service Unavailable",
  504: "Gateway Timeout",
} as const;

export type ProblemExtras = Partial<Omit<Problem, "type" | "title" | "status" | "detail">>;

/** `about:blank` says that the status says it all, so the title is the status's own; `code` tells programs more. */
export function problem(status: ProblemStatus, detail: string, extras: ProblemExtras = {}): Problem {
  return { type: "about:blank", title: titles[status], status, detail, ...extras };
}
