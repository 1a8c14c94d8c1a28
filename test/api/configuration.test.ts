import { test } from "uvu";
import * as assert from "uvu/assert";
import { problemSchema } from "../../src/api/schema.ts";
import { cardAt } from "../../src/base/ids.ts";
import { hex } from "../../src/base/hex.ts";
import type { ConfigRefusal } from "../../src/config/change.ts";
import { documentContentBytesMax, pageRowsMax, rowContentBytesMax } from "../../src/limits.ts";
import { configurationPaths, standInApp } from "./stand-in.ts";

const root = "/v1/configuration";
const card = `${root}/tables/cards/1%2F2`;
const body = { chassis: "1", name: "left" };

async function problemOf(response: Response): Promise<ReturnType<typeof problemSchema.parse>> {
  assert.is(response.headers.get("content-type"), "application/problem+json");
  const said = await response.json();
  assert.equal(problemSchema.parse(said), said, "a problem has only the members that the document names");
  return problemSchema.parse(said);
}

test("FS-10: each answer names the card that served it, and the load of a card is in its status", async () => {
  const { ask, source } = standInApp();
  for (const path of ["/v1/status", root, `${root}/tables/cards`, "/nothing"]) {
    assert.is((await ask("GET", path)).headers.get("cardinal-served-by"), "1/2", path);
  }
  const changed = await ask("PUT", card, { body });
  assert.is(changed.headers.get("cardinal-served-by"), "1/1", "a change that another card carried out");
  const status = await (await ask("GET", root)).json() as { load: { served: number } };
  assert.is(status.load.served, source.served - 1);
});

test("the status has the head as its ETag, and says how old it is when the card is not current", async () => {
  const { ask, source } = standInApp();
  const current = await ask("GET", root, { token: "" });
  assert.equal([current.status, current.headers.get("etag"), current.headers.get("age")], [200, `"${"00".repeat(32)}"`, null]);
  assert.is(current.headers.get("cardinal-configuration-state"), "current");
  source.state = "stale";
  source.ageMs = 61_500;
  for (const path of [root, `${root}/document`, `${root}/tables/cards`, `${root}/history`]) {
    const stale = await ask("GET", path, { token: "" });
    assert.equal([stale.headers.get("cardinal-configuration-state"), stale.headers.get("age")], ["stale", "61"], path);
  }
  assert.is((await (await ask("GET", root)).json() as { ageMs: number }).ageMs, 61_500);
});

test("a row is put, read, changed in part and removed; values are as JSON has them, ids may have slashes", async () => {
  const { ask, source } = standInApp();
  const put = await ask("PUT", card, { body: { ...body, enabled: false } });
  assert.is(put.status, 200);
  const { head, servedBy } = await put.json() as { head: { hash: string; sequence: number }; servedBy: string };
  assert.equal([head.sequence, servedBy, put.headers.get("etag")], [1, "1/1", `"${head.hash}"`]);
  const made = source.tables.get("cards")?.get("1/2");
  assert.equal(
    [made?.id, made?.["enabled"], made?.["capacity"], made?.["note"]],
    ["1/2", 0, 100, null],
    "what is not given has its default",
  );
  const row = await ask("GET", card);
  assert.equal(await row.json(), { id: "1/2", chassis: "1", name: "left", enabled: false, capacity: 100 });
  assert.is(row.headers.get("etag"), `"${head.hash}"`);
  assert.is((await ask("PATCH", card, { body: { name: "right" } })).status, 200);
  const [, patch] = source.asked;
  assert.equal(patch?.kind === "change" && patch.wish.operations, [{ kind: "put", table: "cards", row: { id: "1/2", name: "right" } }]);
  assert.is((await ask("PATCH", `${root}/tables/cards/1%2F3`, { body: { name: "x" } })).status, 404);
  assert.is((await ask("DELETE", card)).status, 200);
  assert.is((await ask("GET", card)).status, 404);
});

test("secrets are never read", async () => {
  const { ask, token } = standInApp();
  token("ci", { role: "viewer" });
  for (const path of [`${root}/tables/tokens`, `${root}/tables/tokens/ci`]) {
    const text = await (await ask("GET", path)).text();
    assert.match(text, /"ci"/);
    assert.not.match(text, /sha256/, path);
  }
});

test("what is wrong with a row is said with its column and what would be right", async () => {
  const { ask, source } = standInApp();
  const cases: readonly (readonly [unknown, number, RegExp])[] = [
    [{ enabled: 1 }, 422, /enabled is 1, must be true or false/],
    [{ chasis: "1" }, 422, /chasis is no column; the columns are chassis, name/],
    [{ id: "1/3" }, 422, /id is "1\/3", must be "1\/2" as in the path/],
    [[], 400, /not a JSON object/],
    ["{", 400, /not a JSON object/],
  ];
  for (const [wrong, status, text] of cases) {
    const response = await ask("PUT", card, { body: wrong });
    assert.is(response.status, status, String(text));
    assert.match((await problemOf(response)).detail, text);
  }
  assert.match((await problemOf(await ask("PUT", `${root}/tables/crads/1`, { body }))).detail, /no table crads; there are system, chassis/);
  assert.equal(source.asked, []);
});

test("If-Match expects a head, Idempotency-Key and comment go with the change", async () => {
  const { ask, source } = standInApp();
  const none = `"${"00".repeat(32)}"`;
  const first = await ask("PUT", `${card}?comment=moved%20to%20the%20left`, {
    body,
    headers: { "if-match": none, "idempotency-key": "k1" },
  });
  assert.is(first.status, 200);
  const [asked] = source.asked;
  assert.ok(asked?.kind === "change");
  assert.equal([asked.wish.comment, asked.wish.key, hex(asked.wish.expected as Uint8Array)], ["moved to the left", "k1", "00".repeat(32)]);
  const late = await ask("PUT", card, { body, headers: { "if-match": none } });
  assert.is(late.status, 412);
  assert.is(late.headers.get("etag"), first.headers.get("etag"));
  assert.is((await problemOf(late)).code, "conflict");
  const odd = await ask("PUT", card, { body, headers: { "if-match": '"abc"' } });
  assert.is(odd.status, 400);
  assert.match((await problemOf(odd)).detail, /If-Match is "\\"abc\\"", must be the ETag of one head/);
});

const refusals: readonly (readonly [ConfigRefusal["code"], number, string | null])[] = [
  ["conflict", 409, null],
  ["invalid", 422, null],
  ["no-quorum", 503, "5"],
  ["hold", 503, null],
  ["catching-up", 503, "1"],
  ["too-new", 409, null],
  ["bounds", 413, null],
  ["timeout", 504, "1"],
];
for (const [code, status, retryAfter] of refusals) {
  test(`a change that is refused as ${code} is answered with ${status}`, async () => {
    const { ask, source } = standInApp();
    source.refusal = { code, message: "the reason", operation: 0, column: "name" };
    const response = await ask("PUT", card, { body });
    assert.equal([response.status, response.headers.get("retry-after"), response.headers.get("cardinal-served-by")], [
      status,
      retryAfter,
      "1/1",
    ]);
    const { detail, operation, column, code: said } = await problemOf(response);
    assert.equal([said, detail, operation, column], [code, "the reason", 0, "name"]);
  });
}

test("a store that cannot be read says so on each path", async () => {
  const { ask, source } = standInApp();
  source.unread = { code: "hold", message: "corrupt: page 7 of configuration.db" };
  for (const path of ["document", "tables/cards", "tables/cards/1%2F1", "history"]) {
    const response = await ask("GET", `${root}/${path}`);
    assert.is(response.status, 503, path);
    assert.match((await problemOf(response)).detail, /corrupt: page 7/);
  }
  assert.is((await ask("GET", root)).status, 200);
});

test("rows come in pages, with a link to the next", async () => {
  const { ask, source } = standInApp();
  for (let slot = 1; slot <= 5; slot++) source.put("cards", { id: `1/${slot}`, chassis: "1" });
  const ids: string[] = [];
  let path: string | undefined = `${root}/tables/cards?limit=2`;
  for (let pages = 0; path !== undefined; pages++) {
    assert.ok(pages < 4, "it ends");
    const response = await ask("GET", path);
    ids.push(...(await response.json() as { rows: { id: string }[] }).rows.map(({ id }) => id));
    path = /<([^>]+)>; rel="next"/.exec(response.headers.get("link") ?? "")?.[1];
  }
  assert.equal(ids, ["1/1", "1/2", "1/3", "1/4", "1/5"]);
  for (const limit of ["0", "x", String(pageRowsMax + 1)]) {
    const response = await ask("GET", `${root}/tables/cards?limit=${limit}`);
    assert.is(response.status, 400);
    assert.match((await problemOf(response)).detail, /must be a whole number from 1 to 1000/);
  }
});

test("the history comes newest first, in pages, and since a time", async () => {
  const { ask } = standInApp();
  for (let count = 0; count < 5; count++) await ask("PUT", card, { body });
  type Page = { changes: { sequence: number; rows?: unknown[] }[]; next?: number };
  const first = await ask("GET", `${root}/history?limit=2&rows=true`);
  const page = await first.json() as Page;
  assert.equal([page.changes.map(({ sequence }) => sequence), page.next, page.changes[0]?.rows], [[5, 4], 4, []]);
  assert.is(first.headers.get("link"), `<${root}/history?limit=2&before=4&rows=true>; rel="next"`);
  const since = await (await ask("GET", `${root}/history?since=4000`)).json() as Page;
  assert.equal(since.changes.map(({ sequence }) => sequence), [5, 4]);
  assert.is((await ask("GET", `${root}/history?before=yesterday`)).status, 400);
});

test("a document is planned, then applied as one change upon the head that it was planned on", async () => {
  const { ask, source } = standInApp();
  const document = [{ kind: "put", table: "hosts", row: { id: "web-1" } }];
  const planned = await ask("PUT", `${root}/document?plan=true`, { body: document });
  const plan = await planned.json() as { steps: unknown[]; head: { sequence: number } };
  assert.equal([planned.status, plan.head.sequence, plan.steps.length, source.asked.length], [200, 0, 1, 0]);
  const applied = await ask("PUT", `${root}/document`, { body: document });
  assert.equal([applied.status, (await applied.json() as { head: { sequence: number } }).head.sequence], [200, 1]);
  const [asked] = source.asked;
  assert.is(asked?.kind === "change" && hex(asked.wish.expected as Uint8Array), "00".repeat(32));
  source.findings = [{ path: "/cards/1~12/capacity", message: "is 2000, must be a whole number from 0 to 1000" }];
  const wrong = await ask("PUT", `${root}/document`, { body: document });
  const problem = await problemOf(wrong);
  assert.equal([wrong.status, problem.detail], [422, "/cards/1~12/capacity: is 2000, must be a whole number from 0 to 1000"]);
  assert.equal(problem.findings, source.findings);
});

test("a value is read, set and unset by its path; a change in between makes the plan anew", async () => {
  const { ask, source } = standInApp();
  source.put("cards", { id: "1/2", chassis: "1", name: "left" });
  const path = `${root}/values/${encodeURIComponent("cards.1/2.name")}`;
  assert.is((await (await ask("GET", path)).json() as { value: unknown }).value, "left");
  assert.is((await ask("GET", `${root}/values/cards.1%2F3`)).status, 404);
  source.conflicts = 2;
  const set = await ask("PUT", path, { body: { text: "right" } });
  assert.equal([set.status, (await set.json() as { steps: unknown[] }).steps.length, source.asked.length], [200, 1, 3]);
  source.conflicts = 1;
  const expecting = await ask("PUT", path, { body: { text: "left" }, headers: { "if-match": set.headers.get("etag") ?? "" } });
  assert.is(expecting.status, 412);
  source.conflicts = 100;
  assert.is((await ask("PUT", path, { body: { text: "left" } })).status, 409);
  source.conflicts = 0;
  assert.is((await ask("DELETE", path)).status, 200);
  assert.match((await problemOf(await ask("PUT", path, { body: { value: 1 } }))).detail, /not a JSON object with the value as text/);
});

test("an operator's document must not change users or tokens", async () => {
  const { ask, token } = standInApp();
  const operator = token("worker", { role: "operator" });
  const response = await ask("PUT", `${root}/document`, { token: operator, body: [{ kind: "put", table: "users", row: { id: "eve" } }] });
  assert.is(response.status, 403);
});

test("a branch is compared, merged with a preference, and discarded", async () => {
  const { ask, source } = standInApp();
  const branch = { id: "0a1b2c3d", setAsideAt: 1_000, changes: 3, since: 7 };
  source.branches = [branch];
  assert.equal((await (await ask("GET", `${root}/branches`)).json() as { branches: unknown }).branches, [branch]);
  assert.is((await ask("GET", `${root}/branches/0a1b2c3d/diff`)).status, 200);
  assert.match((await problemOf(await ask("GET", `${root}/branches/ffffffff/diff`))).detail, /card 1\/2 has only 0a1b2c3d, not ffffffff/);
  const undecided = await ask("POST", `${root}/branches/0a1b2c3d/merge`);
  assert.equal([undecided.status, source.branches.length], [422, 1]);
  assert.is((await ask("POST", `${root}/branches/0a1b2c3d/merge?prefer=branch&plan=true`)).status, 200);
  assert.is(source.branches.length, 1);
  assert.is((await ask("POST", `${root}/branches/0a1b2c3d/merge?prefer=branch`)).status, 200);
  assert.is(source.branches.length, 0);
  source.branches = [branch];
  assert.is((await ask("DELETE", `${root}/branches/0a1b2c3d`)).status, 200);
  assert.match((await problemOf(await ask("DELETE", `${root}/branches/0a1b2c3d`))).detail, /has no branches/);
});

test("a check says what it found, a backup is a stream, a restore is planned like a document", async () => {
  const { ask, source } = standInApp();
  const checked = { card: cardAt(1, 2), findings: [], repaired: true };
  assert.equal(await (await ask("POST", `${root}/check?repair=true`)).json(), { ...checked, sets: [] });
  source.setFindings = [{
    code: "one-card",
    severity: "warning",
    table: "failoverSets",
    id: "db",
    message: "card 1/1 is the only one of db",
  }];
  assert.equal(await (await ask("POST", `${root}/check?repair=true`)).json(), { ...checked, sets: source.setFindings });
  source.unread = { code: "hold", message: "the store is not open" };
  assert.equal(await (await ask("POST", `${root}/check?repair=true`)).json(), checked, "what cannot be read is not called right");
  source.unread = undefined;
  const backup = await ask("GET", `${root}/backup`);
  assert.equal([backup.headers.get("content-type"), await backup.text()], ["application/x-ndjson", "first\nsecond\n"]);
  assert.match(backup.headers.get("content-disposition") ?? "", /filename="configuration-0\.ndjson"/);
  const headers = { "content-type": "application/x-ndjson" };
  const restored = await ask("POST", `${root}/restore?plan=true`, { body: "first\nsecond\n", headers });
  assert.equal((await restored.json() as { steps: { id: string }[] }).steps[0]?.id, "13");
});

test("what a path may go on as is told with the head, and refused while nothing can be read", async () => {
  const { ask, source } = standInApp();
  const told = async (query: string) => (await (await ask("GET", `${root}/paths${query}`)).json() as { paths?: string[] }).paths;
  assert.equal([await told(""), await told("?begun=ca"), await told("?begun=x")], [["cards", "chassis"], ["cards"], []]);
  source.unread = { code: "hold", message: "the store is not open" };
  assert.is((await ask("GET", `${root}/paths`)).status, 503);
});

test("404 lists the paths as the document writes them", async () => {
  const { ask } = standInApp();
  const { paths = [] } = await problemOf(await ask("GET", `${root}/nothing`));
  assert.ok(paths.includes(`${root}/tables/{table}/{id}`) && paths.includes("/v1/status"), paths.join());
});

test("methods, media types, content types and bounds are refused before anything is done", async () => {
  const { ask, source } = standInApp();
  for (
    const path of configurationPaths.map((path) =>
      path.replace(":table", "cards").replace(":id{.+}", "1%2F2").replace(":branch", "00000000")
    )
  ) {
    const response = await ask("PROPFIND", path);
    assert.is(response.status, 405, path);
    assert.is(response.headers.get("allow"), (await problemOf(response)).allow?.join(", "), path);
  }
  const cases: readonly (readonly [string, string, Parameters<typeof ask>[2], number, RegExp])[] = [
    ["GET", root, { headers: { accept: "image/png" } }, 406, /only there as application\/json/],
    [
      "PUT",
      card,
      { body, headers: { "content-type": "text/plain" } },
      415,
      /takes application\/json, and this request has the content-type "text\/plain"/,
    ],
    ["PUT", card, { body: "x".repeat(rowContentBytesMax + 1) }, 413, /larger than 65536 bytes/],
    ["PUT", card, { body: "x".repeat(rowContentBytesMax + 1), headers: { "content-length": "9" } }, 413, /larger than 65536 bytes/],
    ["PUT", `${root}/document`, { body: "[]", headers: { "content-length": String(documentContentBytesMax + 1) } }, 413, /larger than/],
    ["POST", `${root}/check`, { body: {} }, 413, /takes no content/],
    ["GET", root, { body: undefined, headers: { "content-length": "2" } }, 413, /takes no content/],
    ["PUT", `${root}/document?plan=maybe`, { body: [] }, 400, /plan is "maybe", must be true or false/],
  ];
  for (const [method, path, options, status, text] of cases) {
    const response = await ask(method, path, options);
    assert.is(response.status, status, `${method} ${path}: ${text}`);
    assert.match((await problemOf(response)).detail, text);
  }
  assert.equal(source.asked, []);
});

test.run();
