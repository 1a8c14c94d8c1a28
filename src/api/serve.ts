import { serve as serveNode } from "@hono/node-server";
import type { Hono } from "hono";

/** Serves `app`; rejects when the address cannot be listened on. */
export async function serve(app: Hono, address: string, port: number): Promise<{ close(): Promise<void> }> {
  return await new Promise((resolve, reject) => {
    const server = serveNode({ fetch: app.fetch, hostname: address, port }, () => {
      resolve({ close: () => new Promise((done) => { server.close(() => done()); (server as { closeAllConnections?(): void }).closeAllConnections?.(); }) });
    });
    server.on("error", reject);
  });
}
