import { test } from "uvu";
import * as assert from "uvu/assert";
import { failedAttemptsMax, failedAttemptsMs } from "../../src/limits.ts";
import { Authority } from "../../src/api/authority.ts";
import { tokenText } from "../../src/config/token-text.ts";
import { adminToken, standInApp } from "./stand-in.ts";

const row = "/v1/configuration/tables/cards/1%2F2";
const body = { chassis: "1", name: "left" };

async function problemOf(response: Response): Promise<{ code: string; detail: string }> {
  assert.is(response.headers.get("content-type"), "application/problem+json");
  return await response.json() as { code: string; detail: string };
}

test("without a token a change is refused, and it is said where root finds one", async () => {
  const { ask, source } = standInApp();
  const response = await ask("PUT", row, { body, token: "" });
  assert.is(response.status, 401);
  assert.match(response.headers.get("www-authenticate") ?? "", /^Bearer /);
  const { code, detail } = await problemOf(response);
  assert.is(code, "unauthenticated");
  assert.match(detail, /\/var\/lib\/cardinal\/state\/admin-token/);
  assert.equal(source.asked, []);
});

test("the card's own token does everything, and signs as the card", async () => {
  const { ask, source } = standInApp();
  assert.is((await ask("PUT", row, { body })).status, 200);
  assert.is((await ask("PUT", "/v1/configuration/tables/tokens/ci", { body: { role: "viewer" } })).status, 200);
  const [first] = source.asked;
  assert.is(first?.kind === "change" && first.wish.author, "card 1/2");
});

const refused: readonly (readonly [string, Record<string, string | number | null>, string])[] = [
  ["that is switched off", { enabled: 0 }, "the token ci is switched off"],
  ["that has expired", { expiresAt: 1_000_000 }, "the token ci has expired"],
  ["whose user is gone", { user: "carla" }, "the user carla of the token ci may not log in"],
  ["with a role of a later version", { role: "owner" }, "the token ci has the role owner, which this program does not know"],
  ["of another secret", { sha256: "00".repeat(32) }, "no token ci has this secret"],
];
for (const [what, more, reason] of refused) {
  test(`a token ${what} is refused; the log knows why, the caller does not`, async () => {
    const { ask, token, told } = standInApp();
    const response = await ask("PUT", row, { body, token: token("ci", { role: "operator", ...more }) });
    assert.is(response.status, 401);
    assert.is((await problemOf(response)).detail, "the token is wrong, has expired or was revoked");
    assert.equal(told, [`token refused: ${reason} (1)`]);
  });
}

test("FS-10: a card that is behind does not call a token wrong that it may not know yet, and counts no attempt", async () => {
  const attempt = { card: "card 1/2", adminDigest: undefined, adminFile: "", row: () => Promise.resolve(undefined), wallClock: () => 0 };
  let isBehind = true;
  const authority = new Authority({ ...attempt, isBehind: () => isBehind });
  const field = `Bearer ${tokenText("ci", new Uint8Array(32))}`;
  assert.equal(await authority.check(field, "192.0.2.1", "viewer"), {
    denied: 503,
    code: "unreadable",
    detail: "this card does not know this token, and not all of the system's changes yet: ask another card, or again in a moment",
    retryAfterS: 1,
  });
  assert.is((await authority.check("Bearer nonsense", "192.0.2.1", "viewer") as { denied: number }).denied, 401);
  isBehind = false;
  assert.is((await authority.check(field, "192.0.2.1", "viewer") as { denied: number }).denied, 401);
  assert.is(authority.failedCount, 2);
});

test("a token of a user who may not log in any more is refused", async () => {
  const { ask, token, source } = standInApp();
  const text = token("ci", { role: "operator", user: "carla" });
  source.put("users", { id: "carla", role: "operator", enabled: 1 });
  assert.is((await ask("PUT", row, { body, token: text })).status, 200);
  source.put("users", { id: "carla", role: "operator", enabled: 0 });
  assert.is((await ask("PUT", row, { body, token: text })).status, 401);
});

test("a viewer changes nothing, an operator everything but users and tokens", async () => {
  const { ask, token } = standInApp();
  const viewer = token("looker", { role: "viewer" });
  const operator = token("worker", { role: "operator" });
  const [denied, granted] = [await ask("PUT", row, { body, token: viewer }), await ask("PUT", row, { body, token: operator })];
  assert.equal([denied.status, granted.status], [403, 200]);
  assert.is((await problemOf(denied)).detail, "this takes the role operator, and looker has the role viewer");
  const own = await ask("PUT", "/v1/configuration/tables/tokens/worker", { body: { role: "administrator" }, token: operator });
  assert.is(own.status, 403);
  assert.match((await problemOf(own)).detail, /a change of tokens takes the role administrator/);
  for (
    const [method, path] of [["GET", "backup"], ["POST", "restore"], ["POST", "check?repair=true"], [
      "DELETE",
      "branches/0a1b2c3d",
    ]] as const
  ) {
    assert.is((await ask(method, `/v1/configuration/${path}`, { token: operator })).status, 403, path);
  }
  assert.is((await ask("POST", "/v1/configuration/check", { token: operator })).status, 200);
});

test("who guesses is not listened to for a minute; the card's own token is", async () => {
  const { ask, token, clock, authority } = standInApp();
  const right = token("ci", { role: "operator" });
  for (let attempt = 0; attempt < failedAttemptsMax; attempt++) assert.is((await ask("PUT", row, { body, token: "guess" })).status, 401);
  const blocked = await ask("PUT", row, { body, token: right });
  assert.is(blocked.status, 429);
  assert.is(blocked.headers.get("retry-after"), "60");
  assert.is((await problemOf(blocked)).code, "attempts");
  assert.is((await ask("PUT", row, { body, token: adminToken })).status, 200);
  assert.is(authority.failedCount, failedAttemptsMax);
  clock.now += failedAttemptsMs;
  assert.is((await ask("PUT", row, { body, token: right })).status, 200);
});

test("while the store cannot be read, tokens are refused as such, and the card's own one works", async () => {
  const { ask, token, source } = standInApp();
  const right = token("ci", { role: "operator" });
  source.unread = { code: "hold", message: "the disk is full" };
  const response = await ask("POST", "/v1/configuration/check", { token: right });
  assert.is(response.status, 503);
  assert.is((await problemOf(response)).code, "unreadable");
  assert.is((await ask("POST", "/v1/configuration/check")).status, 200);
});

test.run();
