/** Failover over HTTP, of real services. FS-3, FS-5, FS-7. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { FailoverView, ReadinessView, SetsView, SetView } from "../../src/failover/failover-view.ts";
import type { RecordSummary, RecordView } from "../../src/failover/record-view.ts";
import { FailoverStandIn } from "./failover-stand-in.ts";
import { standInApp } from "./stand-in.ts";

const test = suite("failover over HTTP");

function system() {
  const failover = new FailoverStandIn();
  return { failover, ...standInApp(undefined, failover) };
}

test("FS-5: the sets with Primary, Secondary and Alternates, epochs, services and where they run", async () => {
  const { ask, failover } = system();
  const response = await ask("GET", "/v1/sets", { token: "" });
  assert.is(response.status, 200);
  const { state, ownersKnown, sets } = (await response.json()) as SetsView;
  assert.equal([state, ownersKnown, sets.map(({ set }) => set)], ["known", true, ["all", "db"]]);
  const db = sets[1] as SetView;
  assert.is(db.primary?.card, failover.where("engine"));
  assert.equal(new Set([db.primary?.card, db.secondary?.card, ...db.alternates.map(({ card }) => card)]).size, 3);
  assert.equal(db.seats.map(({ role }) => role), ["primary", "secondary", "alternate"]);
  assert.ok(db.epoch > 0);
  assert.equal(db.services.map(({ service, state, grant }) => `${service} ${state} ${grant}`), [
    "data placed running",
    "sql placed running",
  ]);
  assert.ok(db.services.every(({ owner }) => owner?.card === db.primary?.card));
});

test("one set by its name; one that is not there is told which there are, a service to which set it belongs", async () => {
  const { ask } = system();
  assert.is(((await (await ask("GET", "/v1/sets/db")).json()) as SetView).set, "db");
  const missing = await ask("GET", "/v1/sets/nope");
  assert.is(missing.status, 404);
  assert.match((await missing.json() as { detail: string }).detail, /no failover set "nope"; there are db, all|all, db/);
  assert.match((await (await ask("GET", "/v1/sets/sql")).json() as { detail: string }).detail, /it is a service of the set db/);
});

test("FS-7: a card that is down speaks with code, owner and hint, and its reasons make the system not ready", async () => {
  const { ask, failover } = system();
  const before = (await (await ask("GET", "/v1/readiness")).json()) as ReadinessView;
  assert.equal([before.ready, before.reasons], [true, []]);
  failover.world.crash(failover.world.card(1));
  failover.world.run(3_000);
  failover.world.crash(failover.world.card(3));
  failover.world.run(3_000);
  const { ready, state, reason } = (await (await ask("GET", "/v1/readiness")).json()) as ReadinessView;
  assert.equal([ready, state], [false, "out"]);
  assert.ok((reason ?? "").length > 5);
});

test("who looks each second has nothing worked out anew before something is decided", async () => {
  const { ask, failover } = system();
  const before = failover.status()?.readiness;
  failover.world.run(500);
  assert.is(failover.status()?.readiness, before);
  await ask("POST", "/v1/cards/3/drain");
  assert.is.not(failover.status()?.readiness, before);
});

test("the whole: cards with their health, and ages instead of instants", async () => {
  const { ask, failover } = system();
  failover.world.crash(failover.world.card(3));
  failover.world.run(5_000);
  const whole = (await (await ask("GET", "/v1/failover")).json()) as FailoverView;
  assert.equal(whole.cards.map(({ card, state }) => `${card} ${state}`), ["1 up", "2 up", "3 down"]);
  const db = whole.sets.find(({ set }) => set === "db");
  const third = db?.seats.find(({ card }) => card === 3);
  assert.equal([third?.role, third?.reasons[0]?.code, third?.reasons[0]?.owner], ["failed", "down", "card"]);
  assert.match(third?.reasons[0]?.hint ?? "", /Bring the card back/);
  assert.ok((whole.cards[0]?.healthyForMs ?? 0) > 1_000);
  assert.equal(whole.configuration, { epoch: 1, sequence: 1 });
});

test("who has just started knows nothing yet, and says so", async () => {
  const { ask, failover } = system();
  failover.world.crash(failover.host);
  failover.world.run(2_000);
  failover.world.start(failover.host);
  const { ready, state, sets } = (await (await ask("GET", "/v1/failover")).json()) as FailoverView;
  assert.equal([ready, state === "known", sets], [false, false, []]);
  const one = await ask("GET", "/v1/sets/db");
  assert.equal([one.status, (await one.json() as { code: string }).code], [503, "not-known"]);
  failover.isAbsent = true;
  assert.is((await ask("GET", "/v1/failover")).status, 503);
});

type Outcome = { readonly outcome: string; readonly lines: readonly string[] };
type Problem = { readonly status: number; readonly code?: string; readonly detail: string; readonly hint?: string };

test("a dry run plans and changes nothing; the verb itself is ordered, with the token's name", async () => {
  const { ask, failover, token } = system();
  const operator = token("anna", { role: "operator" });
  const from = failover.where("engine");
  const to = from === 3 ? 2 : 3;
  const path = `/v1/sets/db/switch?to=${to}&comment=a%20fan`;
  const planned = (await (await ask("POST", `${path}&dryRun=true`, { token: operator })).json()) as Outcome;
  assert.is(planned.outcome, "planned");
  assert.is(planned.lines[0], `data, sql: card ${from} -> card ${to} (switch: wanted by anna (a fan))`);
  failover.world.run(2_000);
  assert.is(failover.where("engine"), from);
  const ordered = (await (await ask("POST", path, { token: operator })).json()) as Outcome;
  assert.equal(ordered, { outcome: "ordered", lines: planned.lines });
  failover.world.run(2_000);
  assert.is(failover.where("engine"), to);
  assert.equal(failover.asked.map(({ order, dryRun }) => [order.by, order.comment, dryRun]), [
    ["anna", "a fan", true],
    ["anna", "a fan", false],
  ]);
  const db = (await (await ask("GET", "/v1/sets/db")).json()) as SetView;
  assert.equal([db.primary?.card, db.units.map(({ unit, stays }) => [unit, stays])], [to, [["db", to]]]);
});

const orders: readonly (readonly [path: string, order: Readonly<Record<string, unknown>>])[] = [
  ["/v1/sets/db/switch", { verb: "switch", subject: "db", to: undefined }],
  ["/v1/sets/db/switch?to=1%2F3", { verb: "switch", subject: "db", to: 3 }],
  ["/v1/sets/all/switch?service=b&to=9", { verb: "switch", subject: "b", to: 9 }],
  ["/v1/sets/db/failback", { verb: "failback", subject: "db" }],
  ["/v1/sets/all/lift-quarantine?service=b", { verb: "lift-quarantine", subject: "b" }],
  ["/v1/cards/3/lift-quarantine", { verb: "lift-quarantine", subject: 3 }],
  ["/v1/cards/3/drain", { verb: "drain", card: 3, force: false }],
  ["/v1/cards/1%2F3/drain?force=true", { verb: "drain", card: 3, force: true }],
  ["/v1/cards/3/undrain", { verb: "undrain", card: 3 }],
  ["/v1/cards/3/maintenance?on=true", { verb: "maintenance", card: 3, on: true, force: false }],
  ["/v1/cards/3/maintenance?on=false&force", { verb: "maintenance", card: 3, on: false, force: true }],
  ["/v1/boot/proceed", { verb: "assume-idle" }],
];

test("each verb's request becomes its order", async () => {
  const { ask, failover } = system();
  for (const [path, order] of orders) {
    await ask("POST", `${path}${path.includes("?") ? "&" : "?"}dryRun`);
    assert.equal(failover.asked.at(-1), { order: { by: "card 1/2", comment: "", ...order }, dryRun: true }, path);
  }
});

test("whoever has no token, or one of a viewer, orders nothing", async () => {
  const { ask, failover, token } = system();
  assert.is((await ask("POST", "/v1/cards/3/drain", { token: "" })).status, 401);
  const refused = await ask("POST", "/v1/cards/3/drain", { token: token("looker", { role: "viewer" }) });
  assert.is(refused.status, 403);
  assert.equal(failover.asked, []);
});

const mistaken: readonly (readonly [path: string, status: number, says: RegExp])[] = [
  ["/v1/sets/nope/switch", 404, /no failover set "nope"; there are/],
  ["/v1/sets/sql/switch", 404, /it is a service of the set db/],
  ["/v1/sets/db/switch?service=b", 404, /db has no service "b"; it has data, sql/],
  ["/v1/sets/db/switch?to=65", 400, /to is "65", must be a card's number, such as 2, or 1\/2/],
  ["/v1/cards/9%2F1/drain", 400, /the card is "9\/1", must be/],
  ["/v1/cards/3/drain?dryRun=maybe", 400, /dryRun is "maybe", must be true or false/],
  ["/v1/cards/3/drain?force=x", 400, /force is "x"/],
  ["/v1/cards/3/maintenance", 400, /on is missing/],
  [`/v1/cards/3/drain?comment=${"x".repeat(1_025)}`, 400, /comment has 1025 letters/],
];

test("what cannot be understood is never ordered, and said", async () => {
  const { ask, failover } = system();
  for (const [path, status, says] of mistaken) {
    const response = await ask("POST", path);
    assert.is(response.status, status, path);
    assert.match(((await response.json()) as Problem).detail, says);
  }
  assert.equal(failover.asked, []);
});

test("a refusal has its code, a hint and the status of its kind", async () => {
  const { ask, failover } = system();
  const refusal = async (path: string) => {
    const response = await ask("POST", path);
    const { code, hint } = (await response.json()) as Problem;
    assert.ok((hint ?? "").length > 5, path);
    return [response.status, code, response.headers.get("retry-after")];
  };
  assert.equal(await refusal("/v1/sets/all/switch"), [409, "has-units", null]);
  assert.equal(await refusal(`/v1/sets/db/switch?to=${failover.where("engine")}`), [409, "already-there", null]);
  assert.equal(await refusal("/v1/cards/9/drain"), [404, "unknown-card", null]);
  assert.equal(await refusal("/v1/cards/3/undrain"), [409, "already-so", null]);
  assert.equal(await refusal("/v1/boot/proceed"), [409, "already-so", null]);
  failover.world.cut(failover.host, "ether");
  failover.world.run(3_000);
  assert.equal(await refusal("/v1/cards/3/drain"), [503, "no-quorum", "5"]);
  failover.isAbsent = true;
  assert.equal((await refusal("/v1/cards/3/drain")).slice(0, 2), [503, "not-known"]);
});

test("HA-3: a crash is one record: evidence, receipt, grants, each resource's start, times of the phases, what fired", async () => {
  const { ask, failover } = system();
  const from = failover.where("engine");
  const host = failover.host.card;
  const gone = from === host ? failover.world.card(host === 1 ? 3 : 1) : failover.world.card(from);
  failover.world.crash(gone);
  failover.world.run(8_000);
  const { failovers } = (await (await ask("GET", "/v1/failovers")).json()) as { failovers: RecordSummary[] };
  const [last] = failovers;
  assert.equal(last?.subject, { kind: "card", card: gone.card });
  assert.equal([last?.phase, last?.verdict, last?.rule, last?.receipt], ["closed", "member failure", "view", "reset"]);
  const one = (await (await ask("GET", `/v1/failovers/${last?.id}`)).json()) as RecordView;
  assert.ok(one.evidence.length > 0 && one.receipt?.receipt === "reset");
  assert.ok(one.moves.every(({ from, to, epoch }) => from === gone.card && to !== gone.card && epoch > 0));
  const started = one.resources.filter(({ hook, outcome }) => hook === "start" && outcome === "done");
  assert.ok(started.length >= one.moves.length && started.every(({ ms }) => ms !== undefined && ms >= 0));
  assert.equal(one.phases.map(({ phase }) => phase), ["characterized", "granted", "up", "closed"]);
  assert.is(one.phases.slice(0, 3).reduce((sum, { ms }) => sum + ms, 0), one.totalMs);
  const stamps = one.timeline.map(({ atMs }) => atMs);
  assert.equal(stamps, [...stamps].sort((a, b) => a - b));
  assert.equal([one.missing, one.prevention.length > 0], [[], true]);
});

test("failovers come in pages, the newest first, and one that is not there is told which there are", async () => {
  const { ask, failover } = system();
  for (const verb of ["drain", "undrain", "drain"]) {
    await ask("POST", `/v1/cards/3/${verb}`);
    await ask("POST", `/v1/cards/1/${verb === "drain" ? "undrain" : "drain"}`);
    failover.world.run(6_000);
  }
  const ids: number[] = [];
  for (let path: string | undefined = "/v1/failovers?limit=2"; path !== undefined;) {
    const response: Response = await ask("GET", path);
    const { failovers, next } = (await response.json()) as { failovers: RecordSummary[]; next?: number };
    assert.ok(failovers.length <= 2);
    ids.push(...failovers.map(({ id }) => id));
    path = response.headers.get("link")?.match(/^<(.*)>; rel="next"$/)?.[1];
    assert.is(path === undefined, next === undefined);
  }
  assert.equal(ids, Array.from({ length: ids.length }, (_, at) => ids.length - at));
  assert.ok(ids.length >= 3);
  assert.match(((await (await ask("GET", "/v1/failovers/99")).json()) as Problem).detail, /there is no failover "99"; there are 1 to/);
  assert.is((await ask("GET", "/v1/failovers/x")).status, 404);
  assert.is((await ask("GET", "/v1/failovers?before=x")).status, 400);
});

test.run();
