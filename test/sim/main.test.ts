import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { execPath } from "node:process";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { runSeed } from "../../src/sim/swarm.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const isDeno = "Deno" in globalThis;
const args = (...words: readonly string[]) => [...(isDeno ? ["run", "-A"] : []), "src/sim/main.ts", ...words];

function sim(...words: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(execPath, args(...words), { cwd: root, encoding: "utf8", timeout: 60_000 });
  return { status, stdout, stderr };
}

const wrongs: readonly (readonly [readonly string[], RegExp])[] = [
  [["--seed", "x"], /^--seed is a whole number from 0 to 4294967295, not "x"/],
  [["--seeds", "9..1"], /^--seeds is a range such as 1\.\.200/],
  [["--cards", "65"], /^--cards is a whole number from 2 to 64, not "65"/],
  [["--cards", "9", "--chassis", "1"], /^9 cards do not fit 1 chassis/],
  [["--seconds", "0"], /^--seconds is a number from 1 to 86400, not "0"/],
  [["--profile", "slow"], /^--profile is default or fast, not "slow"/],
  [["--seeds", "1..2", "--trace"], /^--trace is for one seed/],
  [["--nonsense"], /--nonsense/],
  [["--scenario", "no-such-file.txt"], /no-such-file\.txt/],
];
for (const [words, expected] of wrongs) {
  test(`${words.join(" ")} is refused in one line`, () => {
    const { status, stdout, stderr } = sim(...words);
    assert.is(status, 2);
    assert.is(stdout, "");
    assert.match(stderr, expected);
    assert.is(stderr.trimEnd().split("\n").length, 1);
  });
}

test("--help shows examples and the verbs of scenarios", () => {
  const { status, stdout } = sim("--help");
  assert.is(status, 0);
  assert.match(stdout, /npm run -s sim -- --seeds 1\.\.200/);
  assert.match(stdout, /pull CARD/);
});

test("seeds side by side give the same lines, in order, and the same history as one after the other", () => {
  const lines = (jobs: string) => {
    const { status, stdout } = sim("--seeds", "3..6", "--seconds", "2", "--jobs", jobs);
    assert.is(status, 0);
    return stdout.replace(/\d+ card-seconds\/s/g, "").split("\n");
  };
  const together = lines("2");
  assert.equal(together, lines("1"));
  assert.match(together.at(-2) as string, /^history [0-9a-f]{16}$/);
  assert.equal(together.slice(0, 4).map((line) => line.split(/\s+/)[1]), ["3", "4", "5", "6"]);
});

test("--json gives an object a line, with the same hash", () => {
  const { status, stdout } = sim("--seed", "3", "--seconds", "2", "--json");
  assert.is(status, 0);
  const [seed, last] = stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
  assert.is(seed.hash, runSeed({ seed: 3, seconds: 2, calm: false }).hash);
  assert.is(last.history, seed.hash);
});

test("a scenario that comes out as recorded exits with 0", () => {
  const { status, stdout } = sim("--scenario", "test/scenarios/heartbeat/pull.txt");
  assert.is(status, 0, stdout);
  assert.match(stdout, /as recorded\nhistory [0-9a-f]{16}\n$/);
});

test("Ctrl-C ends with what was done so far and exit code 130", async () => {
  const child = spawn(execPath, args("--seeds", "1..1000", "--seconds", "2"), { cwd: root, stdio: ["ignore", "pipe", "ignore"] });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    if (output === "") child.kill("SIGINT");
    output += text;
  });
  const limit = setTimeout(() => child.kill("SIGKILL"), 30_000);
  const [code, signal] = await once(child, "close");
  clearTimeout(limit);
  // Deno tells an exit code of 130 as a death by SIGINT; the last lines tell them apart.
  assert.ok(code === 130 || (isDeno && signal === "SIGINT"), `ended with ${code} ${signal}`);
  assert.match(output, /^seed 1 /);
  assert.match(output, /\d+ of 1000 seeds.*\nhistory [0-9a-f]{16}\n$/);
});

test.run();
