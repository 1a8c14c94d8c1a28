/**
 * What there is under a path, and the gate in front of it: methods, content, media types and permission are handled the same way
 * everywhere, before anything of a request is acted upon or its content is read.
 */
import type { Context, Hono } from "hono";
import { assert } from "../base/assert.ts";
import { joinedBytes } from "../base/bytes.ts";
import type { Caller, Denied, Role } from "./authority.ts";
import { accepts } from "./accept.ts";
import { problem, type ProblemExtras, type ProblemStatus, problemType } from "./problem.ts";

export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/** What a method takes. Without it a request with content is refused. */
export type Content = { readonly types: readonly string[]; readonly bytesMax: number };

type Answered = Response | Promise<Response>;

/** `role` is the least that may; without one everybody may, and nobody asks who it is. */
export type MethodOf =
  & { readonly content?: Content }
  & (
    | { readonly role?: undefined; readonly answer: (context: Context) => Answered }
    | { readonly role: Role; readonly answer: (context: Context, caller: Caller) => Answered }
  );

export type Resource = {
  /** As the router has it: `/v1/configuration/tables/:table`. */
  readonly path: string;
  readonly mediaTypes: readonly string[];
  readonly methods: Partial<Record<Method, MethodOf>>;
};

/** Who is asking, and whether the role is enough. */
export type Permit = (context: Context, least: Role) => Promise<Caller | Denied>;

/** The path as documents write it: `/v1/configuration/tables/{table}`. */
export function templateOf({ path }: Resource): string {
  return path.replace(/:(\w+)(?:\{[^}]*\})?/g, "{$1}");
}

export function addResource(app: Hono, resource: Resource, permit: Permit | undefined): void {
  const isOpen = Object.values(resource.methods).every(({ role }) => role === undefined);
  assert(isOpen || permit !== undefined, `${resource.path} takes a role, and nobody says who has it`);
  const allow = Object.keys(resource.methods).flatMap((method) => method === "GET" ? ["GET", "HEAD"] : [method]);
  app.all(resource.path, async (context) => {
    const asked = context.req.method === "HEAD" ? "GET" : context.req.method;
    const method = Object.hasOwn(resource.methods, asked) ? resource.methods[asked as Method] : undefined;
    if (method === undefined) return refuseMethod(context, allow);
    const wrongContent = contentMistake(context, method.content);
    if (wrongContent !== undefined) return wrongContent;
    if (!accepts(context.req.header("accept"), resource.mediaTypes)) return refuseAccept(context, resource.mediaTypes);
    if (method.role === undefined) return await method.answer(context);
    const permitted = await (permit as Permit)(context, method.role);
    if ("denied" in permitted) return refuseCaller(context, permitted);
    return await method.answer(context, permitted);
  });
}

/** A problem as the answer. What is left of the request is not read, so its connection ends. */
export function answerProblem(context: Context, status: ProblemStatus, detail: string, extras: ProblemExtras = {}): Response {
  const body = problem(status, detail, { instance: context.req.path, ...extras });
  if (hasContent(context) && context.req.raw.bodyUsed !== true) context.header("connection", "close");
  return context.body(JSON.stringify(body), status, { "content-type": problemType });
}

function refuseMethod(context: Context, allow: readonly string[]): Response {
  const { method, path } = context.req;
  context.header("allow", allow.join(", "));
  const what = allow.every((each) => each === "GET" || each === "HEAD") ? "this only reads: " : "there are ";
  return answerProblem(context, 405, `${method} ${path} is not there; ${what}${allow.join(", ")}`, { allow });
}

function contentMistake(context: Context, content: Content | undefined): Response | undefined {
  const { path, method } = context.req;
  if (content === undefined) {
    return hasContent(context)
      ? answerProblem(context, 413, `${method} ${path} takes no content; send the request without any`)
      : undefined;
  }
  const type = (context.req.header("content-type") ?? "").split(";", 1)[0]?.trim().toLowerCase() as string;
  if (hasContent(context) && !content.types.includes(type)) {
    const given = type === "" ? "no content-type" : `the content-type ${JSON.stringify(type.slice(0, 64))}`;
    return answerProblem(context, 415, `${method} ${path} takes ${content.types.join(" or ")}, and this request has ${given}`);
  }
  const length = Number(context.req.header("content-length") ?? "0");
  return length > content.bytesMax ? tooLarge(context, content.bytesMax) : undefined;
}

export function tooLarge(context: Context, bytesMax: number): Response {
  return answerProblem(context, 413, `the content is larger than ${bytesMax} bytes, which is the most that ${context.req.path} takes`);
}

function hasContent(context: Context): boolean {
  return context.req.header("transfer-encoding") !== undefined || (context.req.header("content-length") ?? "0") !== "0";
}

function refuseAccept(context: Context, available: readonly string[]): Response {
  return answerProblem(context, 406, `${context.req.path} is only there as ${available.join(", ")}`, { available });
}

function refuseCaller(context: Context, { denied, code, detail, retryAfterS }: Denied): Response {
  if (denied === 401) context.header("www-authenticate", 'Bearer realm="cardinal"');
  if (retryAfterS !== undefined) context.header("retry-after", String(retryAfterS));
  return answerProblem(context, denied, detail, { code });
}

/** The content as bytes, or the refusal of one that turns out to be larger than its bound. */
export async function contentOf(context: Context, bytesMax: number): Promise<Uint8Array | Response> {
  // What says its length has no more than that. Read at once it needs no stream, which is half of what a small request costs.
  const said = Number(context.req.header("content-length"));
  if (said <= bytesMax) {
    const whole = new Uint8Array(await context.req.raw.arrayBuffer());
    return whole.length <= bytesMax ? whole : tooLarge(context, bytesMax);
  }
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of piecesOf(context)) {
    length += piece.length;
    if (length > bytesMax) return tooLarge(context, bytesMax);
    pieces.push(piece);
  }
  return joinedBytes(pieces);
}

/** The content in pieces as they come. */
export async function* piecesOf(context: Context): AsyncGenerator<Uint8Array, void, undefined> {
  const { body } = context.req.raw;
  if (body === null) return;
  const reader = body.getReader();
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) yield next.value as Uint8Array;
  } finally {
    await reader.cancel().catch(() => {});
  }
}
