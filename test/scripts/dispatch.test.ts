// runtime: node, because the programs of scripts/ run on the pinned Node alone
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";

const root = fileURLToPath(new URL("../..", import.meta.url));

function run(program: string, ...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], { cwd: "/", encoding: "utf8", timeout: 30_000 });
  return { status, stdout, stderr };
}

test("npm run bench lists the benchmarks, and nothing that is none", () => {
  const { status, stdout } = run(`${root}scripts/bench.ts`);
  assert.is(status, 0);
  assert.match(stdout, /^ {2}sim +\S/m);
  assert.not.match(stdout, /^ {2}\S+ +$/m, "each says what it measures");
});

test("npm run bench hands the arguments over and passes the exit code on", () => {
  assert.is(run(`${root}scripts/bench.ts`, "sim", "--help").status, 0);
  assert.is.not(run(`${root}scripts/bench.ts`, "sim", "--no-such-option").status, 0);
});

test("npm run bench names what an unknown benchmark may have meant", () => {
  const { status, stderr } = run(`${root}scripts/bench.ts`, "simm");
  assert.is(status, 2);
  assert.match(stderr, "There is no benchmark simm. Did you mean sim?");
});

test("npm run check names what an unknown step may have meant", () => {
  const { status, stderr } = run(`${root}scripts/check.ts`, "--only", "tdiy");
  assert.is(status, 2);
  assert.match(stderr, "There is no step tdiy. Did you mean tidy?");
});

test("npm run check runs the step it is asked for", () => {
  const { status, stdout } = run(`${root}scripts/check.ts`, "--only", "tidy");
  assert.match(stdout, /^(ok {2}|FAIL) tidy, \d+\.\d\d s$/m);
  assert.match(stdout, status === 0 ? "All checks hold." : "Failed: tidy");
  assert.not.match(stdout, "format");
});

test("a program that needs no namespace of its own is run as it is by root", () => {
  const { status, stdout } = run(`${root}scripts/rootless.ts`, `${root}scripts/check.ts`, "--list");
  assert.is(status, 0);
  assert.match(stdout, /^format$/m);
});

test.run();
