import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { liveSeed, runSeed } from "../../src/sim/swarm.ts";

const options = { seed: 5, seconds: 8, calm: false } as const;

test("the same seed has the same history twice in a row", () => {
  assert.is(runSeed(options).hash, runSeed(options).hash);
});

test("two worlds side by side do not touch each other", () => {
  const alone = runSeed(options).hash;
  const lives = [liveSeed(options), liveSeed({ ...options, seed: 9 }), liveSeed(options)];
  const hashes: string[] = [];
  for (let running = lives.length; running > 0;) {
    lives.forEach((life, index) => {
      const step = life.next();
      if (step.done !== true || step.value === undefined) return;
      hashes[index] = step.value.hash;
      running--;
    });
  }
  assert.is(hashes[0], alone);
  assert.is(hashes[2], alone);
});

test("another seed has another history", () => {
  assert.is.not(runSeed({ ...options, seed: 6 }).hash, runSeed(options).hash);
});

test("tracing changes nothing", () => {
  const lines: string[] = [];
  assert.is(runSeed({ ...options, trace: (line) => lines.push(line) }).hash, runSeed(options).hash);
  assert.ok(lines.length > 1_000);
});

test("the same seed has the same history on Deno and on Node", () => {
  const root = new URL("../../", import.meta.url);
  const program = [fileURLToPath(new URL("src/sim/main.ts", root)), "--seed", `${options.seed}`, "--seconds", `${options.seconds}`];
  const lastLine = (runtime: string, args: readonly string[]) => {
    const path = fileURLToPath(new URL(`node_modules/.bin/${runtime}`, root));
    const output = execFileSync(path, [...args, ...program], {
      cwd: fileURLToPath(root),
      encoding: "utf8",
      timeout: 60_000,
      stdio: ["ignore", "pipe", "pipe"],
    });
    return output.trimEnd().split("\n").at(-1);
  };
  const expected = `history ${runSeed(options).hash}`;
  assert.is(lastLine("node", []), expected);
  assert.is(lastLine("deno", ["run", "-A"]), expected);
});

test.run();
