import { createHash } from "node:crypto";
import { runInNewContext, Script } from "node:vm";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { cardsText } from "../../src/console/text-layout.ts";
import { membershipScript } from "../../src/ui/membership-script.ts";
import { statusPage, statusPagePolicy } from "../../src/ui/status-page.ts";

function inner(tag: string): string {
  const found = [...statusPage.matchAll(new RegExp(`<${tag}>([^]*?)</${tag}>`, "g"))];
  assert.is(found.length, 1, `one <${tag}>`);
  return found[0]?.[1] ?? "";
}

const script = inner("script");
const style = inner("style");

test("the script parses", () => {
  new Script(script);
});

test("nothing of the page is beyond ASCII, which would double what the program's source takes", () => {
  assert.not.match(script + style, /[^\0-\x7f]/);
});

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

test("what a card says gets into the page as text only", () => {
  assert.match(script, /textContent/);
  for (
    const sink of [
      "innerHTML",
      "outerHTML",
      "insertAdjacentHTML",
      "document.write",
      "DOMParser",
      "setHTML",
      "createContextualFragment",
      "eval",
      "Function(",
    ]
  ) {
    assert.not.ok(script.includes(sink), sink);
  }
  assert.not.match(script, /\.(href|src|srcdoc|style)\s*=/, "no data becomes an address or a style");
});

test("the policy allows this style and this script, nothing else and nobody's frame", () => {
  const hash = (text: string) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
  const policy = new Map(statusPagePolicy.split("; ").map((part) => [part.split(" ")[0], part.split(" ").slice(1).join(" ")]));
  assert.is(policy.get("default-src"), "'none'");
  assert.is(policy.get("script-src"), hash(script));
  assert.is(policy.get("style-src"), hash(style));
  assert.is(policy.get("connect-src"), "'self'");
  assert.is(policy.get("frame-ancestors"), "'none'");
  assert.is(policy.get("base-uri"), "'none'");
  assert.is(policy.get("form-action"), "'none'");
});

test("nothing comes from elsewhere, and the policy stops no attribute of ours", () => {
  assert.not.match(statusPage.replaceAll("http://www.w3.org/2000/svg", ""), /https?:|\/\/[a-z]+\./i);
  assert.not.match(style, /url\(|@import/);
  assert.not.match(statusPage, /\son\w+=|\sstyle=|javascript:/i);
});

test("every element that the script looks for is in the page, once", () => {
  const ids = [...statusPage.matchAll(/\sid="([^"]+)"/g)].map(([, id]) => id);
  assert.is(new Set(ids).size, ids.length, "ids are unique");
  const wanted = [...script.matchAll(/\$\("([^"]+)"\)/g)].map(([, id]) => id);
  assert.ok(wanted.length > 15);
  for (const id of wanted) assert.ok(ids.includes(id), `#${id}`);
  for (const [, name] of script.matchAll(/part\("([^"]+)"\)/g)) {
    assert.match(statusPage, new RegExp(`class="[^"]*\\b${name}\\b`), `.${name}`);
  }
});

test("labels, headers and live regions are there for those who do not see the page", () => {
  assert.match(statusPage, /<html lang="en">/);
  assert.match(statusPage, /<meta name="viewport" content="width=device-width, initial-scale=1">/);
  for (const name of ["Card", "Health", "Ethernet", "Serial", "Verified", "State", "Group", "View", "Messages", "Members"]) {
    assert.match(statusPage, new RegExp(`<th scope="col" role="columnheader">${name}</th>`));
  }
  assert.match(statusPage, /<p class="unseen" id="news" aria-live="polite">/);
  assert.match(statusPage, /id="said" role="status"/);
  const ids = new Set([...statusPage.matchAll(/\sid="([^"]+)"/g)].map(([, id]) => id));
  for (const [, id] of statusPage.matchAll(/aria-labelledby="([^"]+)"/g)) assert.ok(ids.has(id), `#${id} labels something`);
  for (const scheme of ["light dark", "prefers-color-scheme: dark", "prefers-reduced-motion"]) assert.ok(style.includes(scheme), scheme);
});

test.run();
