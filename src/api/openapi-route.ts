/** How a path is described in the OpenAPI document: its answer with an example, and the problems that it may answer with. */
import { createRoute, type RouteConfig, z } from "@hono/zod-openapi";
import { problem, type ProblemStatus, problemType } from "./problem.ts";
import { problemSchema } from "./schema.ts";

/** What a problem of a status means on some paths, with an example of its detail. */
export type Told = Partial<Record<ProblemStatus, readonly [description: string, detail: string, code?: string]>>;

export type Shape = {
  readonly method: RouteConfig["method"];
  readonly path: string;
  readonly operationId: string;
  readonly summary: string;
  readonly description?: string;
  readonly answer: string;
  readonly schema: z.ZodType;
  readonly example: unknown;
  readonly mediaType?: string;
  readonly headers?: Readonly<Record<string, z.ZodType>>;
  readonly request?: RouteConfig["request"];
  readonly isSecured?: boolean;
  readonly problems: readonly ProblemStatus[];
};

const security = [{ token: [] }];

/** Makes routes of which the problems are told so, with the fields that each good answer has. */
export function routesOf(common: {
  readonly told: Told;
  /** The path of the problems' examples. */
  readonly instance: string;
  readonly headers: Readonly<Record<string, z.ZodType>>;
}): (shape: Shape) => RouteConfig {
  const problems = (statuses: readonly ProblemStatus[]) =>
    Object.fromEntries(statuses.map((status) => {
      const [description, detail, code] = common.told[status] ?? ["", ""];
      const example = problem(status, detail, { instance: common.instance, ...(code === undefined ? {} : { code }) });
      return [status, { description, content: { [problemType]: { schema: problemSchema, example } } }];
    }));
  return (shape) => {
    const { method, path, operationId, summary, description, answer, schema, example, mediaType = "application/json", request } = shape;
    return createRoute({
      method,
      path,
      operationId,
      summary,
      ...(description === undefined ? {} : { description }),
      ...(request === undefined ? {} : { request }),
      ...(shape.isSecured === true ? { security } : {}),
      responses: {
        200: {
          description: answer,
          headers: z.object({ ...(shape.headers ?? common.headers) }),
          content: { [mediaType]: { schema, example } },
        },
        ...problems(shape.problems),
        406: {
          description: "The request accepts none of the media types that the path has.",
          content: { [problemType]: { schema: problemSchema } },
        },
        default: { description: "Any other error.", content: { [problemType]: { schema: problemSchema } } },
      },
    }) as RouteConfig;
  };
}

/** JSON as what a request has to have. */
export const jsonBody = (schema: z.ZodType, example: unknown, type = "application/json") => ({
  required: true,
  content: { [type]: { schema, example } },
});
