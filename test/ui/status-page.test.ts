import { runInNewContext } from "node:vm";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { cardsText } from "../../src/console/text-layout.ts";
import { configurationPanelScript } from "../../src/ui/configuration-panel.ts";
import { membershipScript } from "../../src/ui/membership-script.ts";
import { pageScript } from "../../src/ui/page-script.ts";
import { statusPage } from "../../src/ui/status-page.ts";

type MembershipWords = {
  readonly cardsText: (cards: readonly number[]) => string;
  readonly viewReason: (membership: unknown) => string;
  readonly oneWayNotes: (pairs: readonly { readonly hearing: number; readonly deaf: number }[], link: string) => string[];
};
const words = runInNewContext(`${membershipScript}; ({ cardsText, viewReason, oneWayNotes })`) as MembershipWords;

test("HA-5: the page says in words what a notification means", () => {
  const absent = [{ card: 2, state: "down" }, { card: 4, state: "unknown" }, { card: 5, state: "unknown" }];
  const cases: readonly (readonly [unknown, string])[] = [
    [{ state: "confirmed", view: { absent: [] } }, "Nobody is absent"],
    [{ state: "confirmed", view: { absent: absent.slice(0, 1) } }, "Every absent card is down, with a receipt"],
    [{ state: "unconfirmed", view: { absent } }, "No proof that cards 4, 5 stopped: what it serves stays where it is"],
    [{ state: "tentative", reason: "2 of 5 cards: no quorum" }, "Nothing new is started: 2 of 5 cards: no quorum"],
  ];
  for (const [membership, text] of cases) assert.is(words.viewReason(membership), text);
  for (const cards of [[], [7], [1, 2], [1, 2, 3], [1, 3, 4, 5, 8]]) assert.is(words.cardsText(cards), cardsText(cards));
});

test("one-way pairs are told by their cause: one receiver, one sender, or both", () => {
  const pairs = (hearing: readonly number[], deaf: readonly number[]) =>
    hearing.flatMap((each) => deaf.map((other) => ({ hearing: each, deaf: other })));
  assert.equal([...words.oneWayNotes(pairs([1, 2, 3], [8]), "serial")], [
    "One-way on serial: card 8 does not hear cards 1-3, which hear it",
  ]);
  assert.equal([...words.oneWayNotes(pairs([5], [1, 2, 3]), "Ethernet")], [
    "One-way on Ethernet: card 5 is not heard by cards 1-3, which it hears",
  ]);
  assert.equal([...words.oneWayNotes([...pairs([5], [1, 2]), ...pairs([1, 2, 3, 5], [8])], "serial")], [
    "One-way on serial: card 8 does not hear cards 1-3, 5, which hear it",
    "One-way on serial: card 5 is not heard by cards 1, 2, which it hears",
  ]);
  assert.equal([...words.oneWayNotes([], "serial")], []);
});

type PanelWords = {
  readonly headText: (head: unknown) => string;
  readonly progressText: (progress: unknown) => string;
  readonly slotText: (card: number) => string;
};
const panel = runInNewContext(`${pageScript}${configurationPanelScript}; ({ headText, progressText, slotText })`) as PanelWords;

test("FS-4: the page says how far a card's configuration is", () => {
  assert.is(panel.headText({ sequence: 0, hash: "00" }), "no changes yet");
  assert.is(panel.headText({ sequence: 1_234, hash: "9f3a1c2b77d0" }), "change 1,234 9f3a1c2b");
  assert.is(panel.progressText(undefined), "nothing to fetch");
  assert.is(panel.progressText({ what: "snapshot", done: 5, of: 20, from: 9 }), "25 % of a snapshot from card 2/1");
  assert.equal([1, 8, 9, 64].map(panel.slotText), ["1/1", "1/8", "2/1", "8/8"]);
});

test("the tables have their headings", () => {
  for (const name of ["Card", "Health", "Ethernet", "Serial", "Verified", "State", "Group", "View", "Messages", "Members"]) {
    assert.match(statusPage, new RegExp(`<th scope="col" role="columnheader">${name}</th>`));
  }
  assert.match(statusPage, /<p class="unseen" id="news" aria-live="polite">/);
});

test.run();
