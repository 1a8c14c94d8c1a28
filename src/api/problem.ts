/** Errors over HTTP, after RFC 9457. Each names the thing that was asked for and what would be right. */
import type { z } from "@hono/zod-openapi";
import type { problemSchema } from "./schema.ts";

export type Problem = z.output<typeof problemSchema>;
export type ProblemStatus = keyof typeof titles;

export const problemType = "application/problem+json";

const titles = {
  400: "Bad Request",
  404: "Not Found",
  405: "Method Not Allowed",
  406: "Not Acceptable",
  408: "Request Timeout",
  413: "Content Too Large",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
} as const;

type Extras = Partial<Pick<Problem, "instance" | "paths" | "allow" | "available">>;

/** `about:blank` says that the status says it all, so the title is the status's own. */
export function problem(status: ProblemStatus, detail: string, extras: Extras = {}): Problem {
  return { type: "about:blank", title: titles[status], status, detail, ...extras };
}
