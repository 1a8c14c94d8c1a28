import { get } from "node:http";
import { connect, type Socket } from "node:net";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { createApp } from "../../src/api/app.ts";
import { exampleStatus } from "../../src/api/example.ts";
import { problemSchema } from "../../src/api/schema.ts";
import { connectionsMax, headerBytesMax, serve } from "../../src/api/serve.ts";

const host = "127.0.0.1";
const app = createApp({ status: () => exampleStatus });

async function served(run: (port: number, close: () => Promise<void>) => Promise<void>): Promise<void> {
  const server = await serve(app, host, 0);
  try {
    await run(server.port, () => server.close());
  } finally {
    await server.close();
  }
}

type Conversation = { readonly socket: Socket; readonly said: Promise<string> };

/** Says `text` on a connection of its own; `said` is all that came back until the connection ended. */
function talk(port: number, text: string): Conversation {
  const socket = connect(port, host, () => socket.write(text));
  let heard = "";
  socket.on("data", (bytes) => heard += bytes.toString());
  const said = new Promise<string>((resolve) => {
    socket.on("close", () => resolve(heard));
    socket.on("error", () => {});
  });
  return { socket, said };
}

function request(line: string, ...fields: string[]): string {
  return [line, ...fields, "", ""].join("\r\n");
}

function assertProblem(said: string, status: number): void {
  assert.match(said, new RegExp(`^HTTP/1\\.1 ${status} `));
  const [head = "", body = ""] = said.split("\r\n\r\n");
  assert.match(head, /^content-type: application\/problem\+json$/im);
  assert.match(head, /^x-content-type-options: nosniff$/im);
  assert.is(problemSchema.parse(JSON.parse(body)).status, status);
}

async function failureOf(run: () => Promise<unknown>): Promise<Error> {
  try {
    await run();
  } catch (error) {
    return error as Error;
  }
  throw new Error("it did not reject");
}

test("CARD-4: the status is served, and a connection is kept for the next request", async () => {
  await served(async (port) => {
    const { socket, said } = talk(port, request("GET /v1/status HTTP/1.1", "Host: card"));
    await sleep(200);
    socket.write(request("GET /v1/health HTTP/1.1", "Host: card", "Connection: close"));
    const answers = await said;
    assert.is(answers.match(/HTTP\/1\.1 200 /g)?.length, 2);
    assert.ok(answers.includes(JSON.stringify(exampleStatus)));
  });
});

test("HTTP/1.0 without a Host is answered, as monitors speak it", async () => {
  await served(async (port) => {
    assert.match(await talk(port, request("GET /v1/health HTTP/1.0")).said, /^HTTP\/1\.1 200 [^]*"running"/);
  });
});

test("HEAD carries no content", async () => {
  await served(async (port) => {
    const said = await talk(port, request("HEAD /v1/status HTTP/1.1", "Host: card", "Connection: close")).said;
    assert.match(said, /^HTTP\/1\.1 200 /);
    assert.is(said.split("\r\n\r\n")[1], "");
  });
});

test("431 for header fields that are too large, and the server goes on", async () => {
  await served(async (port) => {
    const large = request("GET /v1/status HTTP/1.1", "Host: card", `X-Large: ${"x".repeat(headerBytesMax)}`);
    assertProblem(await talk(port, large).said, 431);
    const fits = request("GET /v1/health HTTP/1.1", "Host: card", "Connection: close", `X-Large: ${"x".repeat(headerBytesMax / 2)}`);
    assert.match(await talk(port, fits).said, /^HTTP\/1\.1 200 /);
  });
});

test("400 for what is no request, 413 for one with content, which is not waited for", async () => {
  await served(async (port) => {
    assertProblem(await talk(port, "\0\0\0 what is this\r\n\r\n").said, 400);
    assertProblem(await talk(port, request("GET /v1/status HTTP/1.1", "Host: card", "Content-Length: 1000000000")).said, 413);
    assertProblem(await talk(port, request("POST /v1/status HTTP/1.1", "Host: card", "Content-Length: 1000000000")).said, 405);
  });
});

test("closing ends idle connections and slow clients within a second, and twice is fine", async () => {
  await served(async (port, close) => {
    const clients = [
      talk(port, request("GET /v1/health HTTP/1.1", "Host: card")),
      talk(port, "GET /v1/health HTTP/1.1\r\nHos"),
      talk(port, ""),
      talk(port, request("POST /v1/status HTTP/1.1", "Host: card", "Content-Length: 10")),
    ];
    await sleep(200);
    const startedAt = performance.now();
    await Promise.all([close(), close()]);
    assert.ok(performance.now() - startedAt < 1_000, `closed after ${performance.now() - startedAt} ms`);
    await Promise.all(clients.map(({ said }) => said));
    await failureOf(() => new Promise((resolve, reject) => get({ host, port, path: "/" }, resolve).on("error", reject)));
  });
});

test("no more connections than the bound are kept", async () => {
  await served(async (port) => {
    const clients = Array.from({ length: connectionsMax + 10 }, () => talk(port, ""));
    let open = clients.length;
    for (const { said } of clients) void said.then(() => open--);
    await sleep(500);
    assert.is(open, connectionsMax);
    for (const { socket } of clients) socket.destroy();
    await Promise.all(clients.map(({ said }) => said));
    await sleep(200);
    assert.match(await talk(port, request("GET /v1/health HTTP/1.1", "Host: card", "Connection: close")).said, /^HTTP\/1\.1 200 /);
  });
});

test("a port in use is said in one line", async () => {
  await served(async (port) => {
    assert.is((await failureOf(() => serve(app, host, port))).message, `${host}:${port} is in use`);
  });
});

test("an address of another machine is said in one line", async () => {
  const error = await failureOf(() => serve(app, "203.0.113.9", 8421));
  assert.is(error.message, "203.0.113.9 is not an address of this machine");
});

// Without root's rights there are none to give up.
const testAsNobody = process.getuid?.() === 0 && process.seteuid !== undefined ? test : test.skip;
testAsNobody("a port that takes a permission is said in one line", async () => {
  process.seteuid?.(65_534);
  try {
    const { message } = await failureOf(() => serve(app, host, 81));
    assert.match(message, /^127\.0\.0\.1:81 is not permitted; /);
  } finally {
    process.seteuid?.(0);
  }
});

test.run();
