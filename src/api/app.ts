import { Hono } from "hono";
import type { CardStatus } from "../node/status.ts";

export type StatusSource = { status(): CardStatus };

export function createApp(source: StatusSource): Hono {
  const app = new Hono();
  app.get("/v1/status", (context) => context.json(source.status()));
  return app;
}
