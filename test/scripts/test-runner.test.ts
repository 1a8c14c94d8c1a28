// runtime: node, because the programs of scripts/ run on the pinned Node alone
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { runToEnd } from "../../scripts/child.ts";
import { headOf, tallyOf } from "../../scripts/test.ts";

const totals = (total: number, passed: number, skipped: number) =>
  `• •\n\n  Total:     ${total}\n  Passed:    ${passed}\n  Skipped:   ${skipped}\n  Duration:  1ms\n\n`;
const ended = { code: 0, signal: null, output: totals(2, 2, 1), timedOut: false, leftProcesses: false };

const tallies: readonly (readonly [name: string, ending: Partial<typeof ended> | { signal: string }, passed: number, failed: number])[] = [
  ["all passed", {}, 2, 0],
  [
    "colours around the figures",
    { output: "\n  Total:     2\u001b[32m\n  Passed:    2\u001b[39m\n  Skipped:   \u001b[33m1\u001b[39m\n" },
    2,
    0,
  ],
  ["one failed", { code: 1, output: totals(2, 1, 1) }, 1, 1],
  ["all passed but a bad exit code", { code: 1 }, 2, 1],
  ["no totals and a good exit code", { output: "" }, 0, 1],
  ["a crash before the totals", { code: 1, output: "Error: x" }, 0, 1],
  ["killed", { signal: "SIGSEGV" }, 2, 1],
  ["out of time", { timedOut: true, output: "" }, 0, 1],
  ["processes left behind", { leftProcesses: true }, 2, 1],
  [
    "totals that a test prints itself, then uvu's",
    { output: `  Total:     9\n  Passed:    9\n  Skipped:   0\n${totals(2, 1, 0)}`, code: 1 },
    1,
    1,
  ],
];
for (const [name, ending, passed, failed] of tallies) {
  test(`a run is counted: ${name}`, () => {
    const tally = tallyOf({ ...ended, ...ending });
    assert.equal([tally.passed, tally.failed], [passed, failed]);
  });
}

test("the head of a file says what is special about it", () => {
  assert.equal(headOf('import { test } from "uvu";'), { runtimes: ["node", "deno"], timeoutS: 120, alone: false });
  assert.equal(headOf("/** About. */\n// runtime: node, because\n// timeout: 300\n// alone: it measures\n"), {
    runtimes: ["node"],
    timeoutS: 300,
    alone: true,
  });
  assert.equal(headOf(`${"\n".repeat(40)}// runtime: deno`).runtimes, ["node", "deno"], "only the head counts");
});

test("a program is run to its end", async () => {
  const ending = await runToEnd("sh", ["-c", "echo out; echo err >&2; exit 3"], { timeoutMs: 5_000 });
  assert.is(ending.code, 3);
  assert.match(ending.output, "out");
  assert.match(ending.output, "err");
  assert.not(ending.timedOut || ending.leftProcesses);
});

test("a program that takes too long is ended with all of its group", async () => {
  const ending = await runToEnd("sh", ["-c", "sleep 30 & echo $!; wait"], { timeoutMs: 300 });
  assert.ok(ending.timedOut);
  assert.not(isRunning(Number(ending.output)));
});

test("a program that ignores SIGTERM is killed", async () => {
  const ending = await runToEnd("sh", ["-c", "trap '' TERM; echo $$; while :; do sleep 0.1; done"], { timeoutMs: 300 });
  assert.ok(ending.timedOut);
  assert.not(isRunning(Number(ending.output)));
});

test("a process that a program leaves behind is found and ended", async () => {
  const ending = await runToEnd("sh", ["-c", "sleep 30 >/dev/null 2>&1 & echo $!"], { timeoutMs: 10_000 });
  assert.is(ending.code, 0);
  assert.ok(ending.leftProcesses);
  assert.not(isRunning(Number(ending.output)));
});

test("a program that is not there is an error", async () => {
  try {
    await runToEnd("/no/such/program", [], { timeoutMs: 1_000 });
    assert.unreachable();
  } catch (error) {
    assert.match(String(error), "ENOENT");
  }
});

function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

const root = fileURLToPath(new URL("../..", import.meta.url));

function runTests(...args: string[]) {
  const result = spawnSync(process.execPath, ["scripts/test.ts", ...args], { cwd: root, encoding: "utf8", timeout: 60_000 });
  return { status: result.status, lines: result.stdout.trimEnd().split("\n"), error: result.stderr };
}

test("the last line says how many passed and failed", () => {
  const { status, lines } = runTests("--only", "test/tidy.test", "--runtime", "deno");
  assert.match(lines.at(-1) ?? "", /^\d+ passed, \d+ failed$/);
  assert.is(status, lines.at(-1)?.endsWith(" 0 failed") ? 0 : 1);
});

test("a pattern that matches no file is an error and not a success", () => {
  const { status, error } = runTests("--only", "no-such-file");
  assert.is(status, 2);
  assert.match(error, "no test file matches no-such-file");
});

test("a failing file is shown and fails the run", () => {
  // Below the root, so that Deno finds uvu; what is in build/ is no source.
  mkdirSync(join(root, "build"), { recursive: true });
  const folder = mkdtempSync(join(root, "build/failing-"));
  try {
    const file = join(folder, "failing.ts");
    writeFileSync(
      file,
      `import { test } from "uvu";\ntest("breaks", () => { throw new Error("on purpose"); });\ntest.run();\n`,
    );
    for (const runtime of ["node", "deno"]) {
      const args = runtime === "deno" ? ["run", "-A", file] : [file];
      const result = spawnSync(join(root, "node_modules/.bin", runtime), args, { encoding: "utf8", timeout: 30_000, cwd: root });
      const tally = tallyOf({ ...ended, code: result.status, output: result.stdout });
      assert.equal([tally.passed, tally.failed], [0, 1], `${runtime}: ${result.stdout}${result.stderr}`);
      assert.match(result.stdout, "on purpose", `${result.stdout}${result.stderr}`);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test.run();
