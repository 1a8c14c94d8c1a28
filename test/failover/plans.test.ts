/** The plan files: state in, plan out (FS-3, FS-5, FS-7, FS-9, HA-13). A changed recording is read before it is kept. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { PlanWorld } from "./plan-world.ts";

const folder = fileURLToPath(new URL("plans/", import.meta.url));
const isRewrite = process.env.REWRITE === "1";

function record(text: string): { readonly recorded: string; readonly title: string } {
  const [words = ""] = text.split("\n----\n");
  const world = new PlanWorld();
  const lines = words.trim().split("\n");
  const said: string[] = [];
  let plans = 0;
  for (const line of lines) {
    if (line.startsWith("#") || line.trim() === "") continue;
    const answer = world.run(line.trim());
    if (answer.length > 0) said.push(`${++plans}  ${answer.join("\n   ")}`);
  }
  const title = lines[0]?.replace(/^#\s*/, "") ?? "";
  return { recorded: `${lines.join("\n")}\n----\n${said.join("\n")}\n`, title };
}

let count = 0;
for (const name of readdirSync(folder).filter((file) => file.endsWith(".txt")).sort()) {
  const text = readFileSync(`${folder}${name}`, "utf8");
  const cases = text.split("\n====\n").map((one) => one.trim() + "\n");
  const recorded = cases.map((one) => record(one).recorded);
  if (isRewrite) writeFileSync(`${folder}${name}`, recorded.join("\n====\n\n"));
  count += cases.length;
  for (const [index, one] of cases.entries()) {
    const { title } = record(one);
    test(`${name}: ${title}`, () =>
      assert.is(
        isRewrite ? one.split("\n----\n")[0]?.trim() : one,
        isRewrite ? (recorded[index] as string).split("\n----\n")[0] : recorded[index],
      ));
  }
}

test("there are as many cases as the rules deserve", () => assert.ok(count >= 150, `${count} cases`));

test.run();
