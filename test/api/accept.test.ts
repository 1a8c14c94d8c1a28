import { test } from "uvu";
import * as assert from "uvu/assert";
import { accepts } from "../../src/api/accept.ts";

const json = ["application/json"];
const rows: readonly [field: string | undefined, accepted: boolean][] = [
  [undefined, true],
  ["", true],
  ["*/*", true],
  ["application/json", true],
  ["application/*", true],
  ["APPLICATION/JSON; charset=utf-8", true],
  ["text/html, application/xhtml+xml;q=0.9, */*;q=0.8", true],
  ["text/html", false],
  ["text/*", false],
  ["application/json;q=0", false],
  ["application/json;q=0, */*", false],
  ["*/*;q=0", false],
  ["application/*;q=0, application/json;q=0.1", true],
  ["application/json;q=nonsense", false],
  [",,,", false],
  ["text/html,", false],
];

for (const [field, accepted] of rows) {
  test(`Accept: ${field ?? "(none)"} ${accepted ? "takes" : "does not take"} JSON`, () => assert.is(accepts(field, json), accepted));
}

test.run();
