/**
 * Serves an app over HTTP/1.1 on one address. What a slow, greedy or broken client can take is bounded here, and
 * the answers of Node's parser to it are problems like those of the app.
 */
import { createServer, type Server, STATUS_CODES } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { getRequestListener } from "@hono/node-server";
import type { Hono } from "hono";
import { assert } from "../base/assert.ts";
import { securityHeaders } from "./app.ts";
import { problem, type ProblemStatus, problemType } from "./problem.ts";

/** Bytes of a request's header fields together. */
export const headerBytesMax = 8 * 1024;
/** From the first byte of a request to the end of its header fields, and to its end. */
const headersTimeoutMs = 5_000;
const requestTimeoutMs = 10_000;
/** How often both are looked at. */
const checkingMs = 1_000;
/** A connection without a request is kept for this long: a page that asks each second keeps its own. */
const keepAliveMs = 3_000;
/** A connection that neither sends nor takes anything is ended after this. */
const idleSocketMs = 15_000;
/** Open connections; one more is closed at once. */
export const connectionsMax = 64;
/** Requests on one connection, after which it is closed. */
const requestsPerConnectionMax = 10_000;
/** What is being answered while the server closes gets this long. */
const graceMs = 500;

assert(headersTimeoutMs <= requestTimeoutMs, "the header fields are a part of the request");
assert(requestTimeoutMs < idleSocketMs, "a request that takes too long is told so before its connection ends");
assert(graceMs < 1_000, "closing takes less than a second");

export type Serving = {
  /** The port in use, which differs from the one asked for only when that was 0. */
  readonly port: number;
  /** Resolves within a second, when nothing is open any more. Closing twice is fine. */
  close(): Promise<void>;
};

/** Serves `app`; rejects, saying why in one line, when the address cannot be listened on. */
export async function serve(app: Hono, address: string, port: number): Promise<Serving> {
  const listener = getRequestListener(app.fetch, {
    // HTTP/1.0, which old monitors speak, knows no Host.
    hostname: "card",
    errorHandler: (error) => {
      const { head, body } = refusalOf(400, `the request cannot be read: ${(error as Error).message}`);
      return new Response(body, { status: 400, headers: head });
    },
  });
  const server = createServer({
    maxHeaderSize: headerBytesMax,
    headersTimeout: headersTimeoutMs,
    requestTimeout: requestTimeoutMs,
    connectionsCheckingInterval: checkingMs,
    keepAliveTimeout: keepAliveMs,
    noDelay: true,
  }, listener);
  server.maxRequestsPerSocket = requestsPerConnectionMax;
  server.timeout = idleSocketMs;
  server.on("clientError", (error: Error & { code?: string }, socket) => refuse(error, socket as Socket));
  // Kept here, as the runtimes differ in how they bound a server's connections and end them.
  const open = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    if (open.size >= connectionsMax) return void socket.destroy();
    open.add(socket);
    socket.once("close", () => open.delete(socket));
  });
  await listen(server, address, port);
  let closed: Promise<void> | undefined;
  return { port: (server.address() as AddressInfo).port, close: () => closed ??= close(server, open) };
}

async function listen(server: Server, address: string, port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) => reject(new Error(listenErrorText(error, address, port), { cause: error })));
    server.listen({ host: address, port, exclusive: true }, resolve);
  });
  server.removeAllListeners("error");
  // An error of a server that listens is of one connection that could not be taken, such as for want of descriptors.
  server.on("error", () => {});
}

function listenErrorText(error: Error & { code?: string }, address: string, port: number): string {
  const at = address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
  switch (error.code) {
    case "EADDRINUSE":
      return `${at} is in use`;
    case "EACCES":
    case "EPERM":
      return `${at} is not permitted${port < 1024 ? "; a port below 1024 takes CAP_NET_BIND_SERVICE" : ""}`;
    case "EADDRNOTAVAIL":
    case "EINVAL": // as Deno says it
      return `${address} is not an address of this machine`;
    default:
      return `${at} cannot be listened on: ${error.message}`;
  }
}

async function close(server: Server, open: ReadonlySet<Socket>): Promise<void> {
  const done = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeIdleConnections();
  const end = setTimeout(() => {
    for (const socket of open) socket.destroy();
  }, graceMs);
  await done;
  clearTimeout(end);
}

/** What Node's parser could not take never reaches the app. */
function refuse(error: Error & { code?: string }, socket: Socket): void {
  if (!socket.writable || socket.destroyed) return void socket.destroy();
  const [status, detail] = refusalFor(error.code);
  const { head, body } = refusalOf(status, detail);
  const lines = Object.entries(head).map(([name, value]) => `${name}: ${value}\r\n`).join("");
  const length = new TextEncoder().encode(body).length;
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines}content-length: ${length}\r\nconnection: close\r\n\r\n${body}`);
}

function refusalFor(code: string | undefined): [ProblemStatus, string] {
  switch (code) {
    case "HPE_HEADER_OVERFLOW":
      return [431, `the request's header fields are larger than ${headerBytesMax} bytes`];
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return [408, `the request did not come within ${requestTimeoutMs / 1_000} s`];
    default:
      return [400, "this is no HTTP/1.1 request"];
  }
}

function refusalOf(status: ProblemStatus, detail: string): { head: Record<string, string>; body: string } {
  return { head: { ...securityHeaders, "content-type": problemType }, body: JSON.stringify(problem(status, detail)) };
}
