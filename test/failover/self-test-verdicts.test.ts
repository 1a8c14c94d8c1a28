/** FS-8: every row of the table of a link's or a member's failure, told by the self-test: what happens in, verdicts out. A changed recording is read before it is kept. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { characterizationTable } from "../../src/failover/characterization.ts";
import { runVerdictScenario } from "./self-test-network.ts";

const folder = fileURLToPath(new URL("verdicts/", import.meta.url));
const isRewrite = process.env.REWRITE === "1";
const rows = new Set<string>();

for (const name of readdirSync(folder).filter((file) => file.endsWith(".txt")).sort()) {
  const recordings: string[] = [];
  for (const one of readFileSync(`${folder}${name}`, "utf8").split("\n====\n")) {
    const [words = "", recorded = ""] = one.split(/^----\n?/m);
    const { concluded, network } = runVerdictScenario(words.trim().split("\n"));
    for (const { row } of network.verdicts) rows.add(row);
    recordings.push(`${words.trim()}\n----\n${concluded}`);
    const title = words.trim().split("\n")[0]?.replace(/^#\s*/, "") ?? "";
    test(`FS-8: ${name}: ${title}`, () => {
      if (!isRewrite) assert.is(concluded.trim(), recorded.trim());
    });
  }
  if (isRewrite) writeFileSync(`${folder}${name}`, recordings.join("====\n"));
}

test("FS-8: each row of the table that is a verdict is come to", () => {
  const verdicts = characterizationTable.filter(({ verdict }) => verdict !== "open").map(({ name }) => name);
  // An answer is a frame that is heard: it takes a heartbeat service that counts none of it to find both links silent after one.
  assert.equal(verdicts.filter((name) => !rows.has(name)), ["answered after all"]);
});

test.run();
