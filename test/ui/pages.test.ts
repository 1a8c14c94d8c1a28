/** What must hold for every page. */
import { createHash } from "node:crypto";
import { Script } from "node:vm";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { configurationPage, configurationPagePolicy } from "../../src/ui/configuration-page.ts";
import { failoverPage, failoverPagePolicy } from "../../src/ui/failover-page.ts";
import { statusPage, statusPagePolicy } from "../../src/ui/status-page.ts";

for (
  const [name, page, pagePolicy] of [
    ["status", statusPage, statusPagePolicy],
    ["configuration", configurationPage, configurationPagePolicy],
    ["failover", failoverPage, failoverPagePolicy],
  ] as const
) {
  const inner = (tag: string): string => {
    const found = [...page.matchAll(new RegExp(`<${tag}>([^]*?)</${tag}>`, "g"))];
    assert.is(found.length, 1, `one <${tag}>`);
    return found[0]?.[1] ?? "";
  };
  const script = inner("script");
  const style = inner("style");
  const test = suite(`the ${name} page`);

  test("the script parses", () => {
    new Script(script);
  });

  test("nothing of the page is beyond ASCII, which would double what the program's source takes", () => {
    assert.not.match(page, /[^\0-\x7f]/);
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
    const policy = new Map(pagePolicy.split("; ").map((part) => [part.split(" ")[0], part.split(" ").slice(1).join(" ")]));
    assert.is(policy.get("default-src"), "'none'");
    assert.is(policy.get("script-src"), hash(script));
    assert.is(policy.get("style-src"), hash(style));
    assert.is(policy.get("connect-src"), "'self'");
    assert.is(policy.get("frame-ancestors"), "'none'");
    assert.is(policy.get("base-uri"), "'none'");
    assert.is(policy.get("form-action"), "'none'");
  });

  test("nothing comes from elsewhere, and the policy stops no attribute of ours", () => {
    assert.not.match(page.replaceAll("http://www.w3.org/2000/svg", ""), /https?:|\/\/[a-z]+\./i);
    assert.not.match(style, /url\(|@import/);
    assert.not.match(page, /\son\w+=|\sstyle=|javascript:/i);
  });

  test("every element that the script looks for is in the page, once", () => {
    const ids = [...page.matchAll(/\sid="([^"]+)"/g)].map(([, id]) => id);
    assert.is(new Set(ids).size, ids.length, "ids are unique");
    const wanted = [...script.matchAll(/\$\("([^"]+)"\)/g)].map(([, id]) => id);
    assert.ok(wanted.length > 10);
    for (const id of wanted) assert.ok(ids.includes(id), `#${id}`);
    for (const [, name] of script.matchAll(/part\("([^"]+)"\)/g)) {
      assert.match(page, new RegExp(`class="[^"]*\\b${name}\\b`), `.${name}`);
    }
  });

  test("labels and live regions are there for those who do not see the page", () => {
    assert.match(page, /<html lang="en">/);
    assert.match(page, /<meta name="viewport" content="width=device-width, initial-scale=1">/);
    assert.match(page, /id="said" role="status"/);
    const ids = new Set([...page.matchAll(/\sid="([^"]+)"/g)].map(([, id]) => id));
    for (const [, id] of page.matchAll(/aria-labelledby="([^"]+)"/g)) assert.ok(ids.has(id), `#${id} labels something`);
    for (const scheme of ["light dark", "prefers-color-scheme: dark", "prefers-reduced-motion"]) assert.ok(style.includes(scheme), scheme);
  });

  test.run();
}
