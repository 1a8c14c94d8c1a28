/** What the page of failover says in words, of what real services answer. */
import { runInNewContext } from "node:vm";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type FailoverView, failoverView } from "../../src/failover/failover-view.ts";
import type { CardId } from "../../src/base/ids.ts";
import { failoverPage } from "../../src/ui/failover-page.ts";
import { failoverScript } from "../../src/ui/failover-script.ts";
import { pageScript } from "../../src/ui/page-script.ts";
import { FailoverStandIn } from "../api/failover-stand-in.ts";

type Gathered = { readonly services: string; readonly code: string; readonly tone: string; readonly forMs: number };
type Words = {
  readonly answerText: (view: unknown) => readonly [string, string];
  readonly gathered: (reasons: unknown, tone: string) => readonly Gathered[];
  readonly unitTexts: (unit: unknown) => readonly string[];
};

// Without its last line, which begins to ask.
const script = failoverScript.replace(/keepAsking\(ask\);\s*$/, "");
const words = runInNewContext(`${pageScript}${script}; ({ answerText, gathered, unitTexts })`, {
  document: { addEventListener: () => {} },
}) as Words;

/** As it comes over HTTP. */
function viewOf(failover: FailoverStandIn): FailoverView {
  const status = failover.status();
  if (status === undefined) throw new Error("there is no status");
  return JSON.parse(JSON.stringify(failoverView(status, status.readiness?.finish())));
}

test("the strip says whether every service would be taken over, and what this card knows", async () => {
  const failover = new FailoverStandIn();
  assert.equal([...words.answerText(viewOf(failover))], ["Ready: every service would be taken over", "ok"]);
  for (const card of [1, 3] as CardId[]) await failover.operate({ verb: "drain", card, force: true, by: "anna", comment: "" }, false);
  failover.world.run(3_000);
  const view = viewOf(failover);
  assert.equal([...words.answerText(view)], ["Not ready: 5 services would not be taken over", "bad"]);
  const reasons = [...words.gathered(view.reasons, "bad")];
  assert.equal(reasons.map(({ services, code, tone }) => `${services} ${code} ${tone}`), [
    "a, b, c, data, sql drained bad",
    "a, b, c, data, sql drained bad",
  ]);
  failover.world.cut(failover.host, "ether");
  failover.world.run(3_000);
  const [said, tone] = words.answerText(viewOf(failover));
  assert.match(said, /^This card may not serve, and what it knows may be old: ./);
  assert.is(tone, "bad");
  assert.match(words.answerText({ ...view, ownersKnown: false })[0], /cardinal boot proceed/);
});

test("a set that an operator has sent away says so", async () => {
  const failover = new FailoverStandIn();
  await failover.operate({ verb: "switch", subject: "db", to: undefined, by: "anna", comment: "" }, false);
  failover.world.run(3_000);
  const units = viewOf(failover).sets.flatMap((set) => set.units);
  assert.equal(units.flatMap((unit) => [...words.unitTexts(unit)]), [`db stays on card ${failover.where("engine")}, where it was sent`]);
});

test("the pages lead to each other", () => {
  assert.match(failoverPage, /<a href="\.\/">Status<\/a><a href="configuration">Configuration<\/a>/);
});

test.run();
