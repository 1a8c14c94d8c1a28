import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Context, Hono } from "hono";
import { createApp, openApiDocument, securityHeaders } from "../../src/api/app.ts";
import { exampleStatus } from "../../src/api/example.ts";
import { addResource, type Resource } from "../../src/api/resource.ts";
import { problemSchema } from "../../src/api/schema.ts";
import type { CardStatus } from "../../src/node/status.ts";
import { statusPage, statusPagePolicy } from "../../src/ui/status-page.ts";

const paths = ["/v1/status", "/v1/members", "/v1/groups", "/v1/health", "/v1/openapi.json", "/"];
const app = createApp({ status: () => exampleStatus });

async function problemOf(response: Response): Promise<ReturnType<typeof problemSchema.parse>> {
  assert.is(response.headers.get("content-type"), "application/problem+json");
  const body = await response.json();
  const problem = problemSchema.parse(body);
  assert.equal(problem, body, "a problem has only the members that the document names");
  assert.is(problem.status, response.status);
  return problem;
}

function assertSecured(response: Response, what: string): void {
  for (const [name, value] of Object.entries(securityHeaders)) {
    if (name !== "content-security-policy") assert.is(response.headers.get(name), value, `${name} of ${what}`);
  }
  assert.match(response.headers.get("content-security-policy") ?? "", /default-src 'none'.*frame-ancestors 'none'/, what);
  for (const [name] of response.headers) assert.not.match(name, /^access-control-/, `${what} is for no other origin`);
}

test("what takes a role is never open: a path of that kind does not stand where nobody knows roles", () => {
  const answer = (context: Context) => context.text("changed");
  const guarded: Resource = {
    path: "/guarded",
    mediaTypes: ["text/plain"],
    methods: { GET: { answer }, POST: { role: "viewer", answer } },
  };
  assert.throws(() => addResource(new Hono(), guarded, undefined), /\/guarded takes a role, and nobody says who has it/);
});

test("CARD-4: GET /v1/status gives exactly the card's status", async () => {
  const response = await app.request("/v1/status");
  assert.is(response.status, 200);
  assert.match(response.headers.get("content-type") ?? "", /^application\/json/);
  assert.equal(await response.json(), exampleStatus);
});

test("HA-5, HA-6: GET /v1/members and GET /v1/groups give exactly those parts of it", async () => {
  const [members, groups] = [await app.request("/v1/members"), await app.request("/v1/groups")];
  assert.equal([members.status, await members.json()], [200, exampleStatus.membership]);
  assert.equal([groups.status, await groups.json()], [200, exampleStatus.groups]);
});

test("GET /v1/health is 200 while the card runs and 503 while it leaves", async () => {
  let state: CardStatus["state"] = "running";
  const changing = createApp({ status: () => ({ ...exampleStatus, state }) });
  const running = await changing.request("/v1/health");
  assert.equal([running.status, await running.json()], [200, { card: 1, state: "running" }]);
  state = "leaving";
  const leaving = await changing.request("/v1/health");
  assert.equal([leaving.status, await leaving.json()], [503, { card: 1, state: "leaving" }]);
});

test("GET /v1/openapi.json gives the document, GET / the page", async () => {
  const document = await app.request("/v1/openapi.json");
  assert.match(document.headers.get("content-type") ?? "", /^application\/json/);
  assert.equal(await document.json(), await openApiDocument());
  const page = await app.request("/");
  assert.match(page.headers.get("content-type") ?? "", /^text\/html; charset=utf-8/i);
  assert.is(page.headers.get("content-security-policy"), statusPagePolicy);
  assert.is(await page.text(), statusPage);
});

for (const path of [...paths, "/nothing"]) {
  test(`HEAD ${path} answers as GET does, without the content`, async () => {
    const [get, head] = [await app.request(path), await app.request(path, { method: "HEAD" })];
    assert.is(head.status, get.status);
    assert.equal(Object.fromEntries(head.headers), Object.fromEntries(get.headers));
    assert.is(await head.text(), "");
    assert.ok((await get.text()).length > 0);
  });
}

for (const path of ["/nothing", "/v1", "/v1/status/", "/v2/status", "/favicon.ico"]) {
  test(`404 for ${path} names what exists`, async () => {
    const response = await app.request(path);
    assert.is(response.status, 404);
    const problem = await problemOf(response);
    assert.equal([...problem.paths ?? []].sort(), [...paths].sort());
    assert.is(problem.instance, path);
    for (const known of paths) assert.ok(problem.detail.includes(known), `the detail names ${known}`);
  });
}

for (const method of ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"]) {
  test(`405 for ${method} says which methods there are`, async () => {
    for (const path of paths) {
      const response = await app.request(path, { method });
      assert.is(response.status, 405, path);
      assert.is(response.headers.get("allow"), "GET, HEAD");
      assert.equal((await problemOf(response)).allow, ["GET", "HEAD"]);
    }
  });
}

test("406 names the media type that the path has", async () => {
  for (const path of paths) {
    const response = await app.request(path, { headers: { accept: "image/png" } });
    assert.is(response.status, 406, path);
    assert.equal((await problemOf(response)).available, [path === "/" ? "text/html" : "application/json"]);
  }
});

test("413 for a request with content, and the connection ends", async () => {
  for (const fields of [{ "content-length": "1" }, { "transfer-encoding": "chunked" }]) {
    const response = await app.request("/v1/status", { headers: fields as Record<string, string> });
    assert.is(response.status, 413);
    assert.is(response.headers.get("connection"), "close");
    await problemOf(response);
  }
  const empty = await app.request("/v1/status", { headers: { "content-length": "0" } });
  assert.is(empty.status, 200);
});

test("500 shows nothing of the inside, which the log is told", async () => {
  const told: unknown[] = [];
  const failing = createApp({
    status: () => {
      throw new Error("the secret inside");
    },
    log: (level, event, fields) => told.push([level, event, fields]),
  });
  const response = await failing.request("/v1/status");
  assert.is(response.status, 500);
  assertSecured(response, "500");
  assert.not.match(JSON.stringify(await problemOf(response)), /secret|\.ts/);
  assert.is(told.length, 1);
  assert.match(JSON.stringify(told), /"error","http request failed".*"path":"\/v1\/status".*the secret inside/);
});

test("a failure without a log is answered all the same", async () => {
  const failing = createApp({
    status: () => {
      throw new Error("inside");
    },
  });
  assert.is((await failing.request("/v1/health")).status, 500);
});

test("every answer, errors included, carries the security headers and no CORS", async () => {
  for (const path of paths) assertSecured(await app.request(path, { headers: { origin: "http://elsewhere.example" } }), path);
  assertSecured(await app.request("/nothing"), "404");
  assertSecured(await app.request("/v1/status", { method: "POST" }), "405");
  assertSecured(await app.request("/", { headers: { accept: "image/png" } }), "406");
});

test.run();
