/**
 * Builds the addon with the address and undefined-behaviour sanitizers and runs every test of the native drivers on
 * it; runs the drivers' threads under the thread sanitizer; lets the fuzzers run for a few seconds. Run it with Node:
 * the sanitizers' runtime is preloaded into it. Exits with 1 when anything was found, after having run all of it.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { command, enterNamespaces } from "../conformance/namespace.ts";
import { makeVethPair } from "../conformance/veth.ts";

enterNamespaces(import.meta.url);

const root = fileURLToPath(new URL("../..", import.meta.url));
const tests = [
  "test/conformance/ether.test.ts",
  "test/conformance/uart.test.ts",
  "test/conformance/door.test.ts",
  "test/conformance/net.test.ts",
  "test/conformance/watchdog.test.ts",
  "test/conformance/realtime.test.ts",
  "test/conformance/block.test.ts",
  "test/drivers/block.test.ts",
  "test/drivers/lifetime.test.ts",
  "test/drivers/mirror.test.ts",
  "test/drivers/mirror-power.test.ts",
  "test/io/nbd-server.test.ts",
  "test/io/resources/command.test.ts",
  "test/io/resources/device.test.ts",
  "test/io/resources/filesystem.test.ts",
];
const stressRounds = 10;
const fuzzS = 10;
const timeoutMs = 180_000;

/** The shared runtimes of gcc's sanitizers. */
function runtimes(): string {
  return ["libasan.so", "libubsan.so"].map((name) => command(process.env["CC"] ?? "cc", `-print-file-name=${name}`).trim()).join(" ");
}

let failures = 0;

function run(what: string, program: string, arguments_: readonly string[], environment: Record<string, string> = {}): void {
  const started = performance.now();
  const { status, stdout, stderr } = spawnSync(program, arguments_, {
    cwd: root,
    env: { ...process.env, ...environment },
    encoding: "utf8",
    timeout: timeoutMs,
  });
  // A report in a process that a test started reaches us only as text.
  const isClean = status === 0 && !/ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:/.test(stdout + stderr);
  console.log(`${isClean ? "clean" : "FOUND"}  ${what} (${((performance.now() - started) / 1_000).toFixed(1)} s)`);
  if (isClean) return;
  failures++;
  console.log(stdout, stderr);
}

command("make", "-C", `${root}/drivers`, "asan", "tsan", "fuzz");
const sanitized = {
  LD_PRELOAD: runtimes(),
  // The runtimes of JavaScript end without giving memory back, so leaks are looked for by lifetime.test.ts.
  ASAN_OPTIONS: "detect_leaks=0:abort_on_error=1:detect_stack_use_after_return=1",
  UBSAN_OPTIONS: "halt_on_error=1:print_stacktrace=1",
  CARDINAL_ADDON: `${root}/build/asan/addon.node`,
};
for (const test of tests) run(`address, undefined behaviour: ${test}`, process.execPath, [test], sanitized);
await makeVethPair("left0", "right0");
run("threads: stress", "build/tsan/stress", ["left0", "right0", String(stressRounds)]);
const directory = mkdtempSync(join(tmpdir(), "cardinal-block-"));
run("threads: block-stress", "build/tsan/block-stress", [directory, String(stressRounds)]);
rmSync(directory, { recursive: true });
for (const fuzzer of ["parmrk", "mailbox", "claim", "nbd", "mirror"]) {
  run(`fuzz: ${fuzzer}`, `build/fuzz/${fuzzer}`, [`-max_total_time=${fuzzS}`]);
}
process.exitCode = failures === 0 ? 0 : 1;
