import { createHash } from "node:crypto";
import { Script } from "node:vm";
import { test } from "uvu";
import * as assert from "uvu/assert";
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
  for (const name of ["Card", "Health", "Ethernet", "Serial", "Verified"]) {
    assert.match(statusPage, new RegExp(`<th scope="col" role="columnheader">${name}</th>`));
  }
  assert.match(statusPage, /<p class="unseen" id="news" aria-live="polite">/);
  assert.match(statusPage, /id="said" role="status"/);
  const ids = new Set([...statusPage.matchAll(/\sid="([^"]+)"/g)].map(([, id]) => id));
  for (const [, id] of statusPage.matchAll(/aria-labelledby="([^"]+)"/g)) assert.ok(ids.has(id), `#${id} labels something`);
  for (const scheme of ["light dark", "prefers-color-scheme: dark", "prefers-reduced-motion"]) assert.ok(style.includes(scheme), scheme);
});

test.run();
