/** Failover over HTTP, of real services. FS-3, FS-5, FS-7. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { FailoverView, ReadinessView, SetsView, SetView } from "../../src/failover/failover-view.ts";
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

test.run();
