/**
 * Everything that must hold before a change lands, each step told in one line with its time. A failing step shows its
 * output and the rest goes on.
 *
 *   npm run check [-- --only STEP[,STEP ...]] [--list]
 */
import { execFileSync } from "node:child_process";
import { availableParallelism } from "node:os";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { endAll, type Ending, runToEnd, seconds } from "./child.ts";
import { nearest } from "../src/base/nearest.ts";

type Command = readonly [program: string, ...args: string[]];
type Step = {
  readonly name: string;
  readonly commands: readonly Command[];
  readonly timeoutS: number;
  readonly environment?: () => Readonly<Record<string, string>>;
};

const node = "node_modules/.bin/node";
const deno = "node_modules/.bin/deno";
const sources = ["src", "drivers", "firmware", "scripts", "test"];

/** The sanitized addon is loaded by a Node that is not: the runtime of the sanitizer has to be there before it. */
function sanitizerEnvironment(): Record<string, string> {
  const runtime = execFileSync("gcc", ["-print-file-name=libasan.so"], { encoding: "utf8" }).trim();
  return {
    LD_PRELOAD: runtime,
    CARDINAL_ADDON: resolve("build/asan/addon.node"),
    // V8 frees nothing at its end, so that leaks of the addon cannot be told from it.
    ASAN_OPTIONS: "detect_leaks=0:halt_on_error=1:abort_on_error=0",
    UBSAN_OPTIONS: "halt_on_error=1:print_stacktrace=1",
  };
}

const steps: readonly Step[] = [
  { name: "format", commands: [[node, "scripts/format.ts", "--check"]], timeoutS: 60 },
  { name: "lint", commands: [[deno, "lint", "--quiet"]], timeoutS: 60 },
  { name: "tidy", commands: [[node, "scripts/tidy.ts"]], timeoutS: 60 },
  { name: "types-deno", commands: [[deno, "check", "--quiet", ...sources]], timeoutS: 300 },
  { name: "types-tsc", commands: [["node_modules/.bin/tsc"]], timeoutS: 300 },
  { name: "tests-node", commands: [[node, "scripts/test.ts", "--runtime", "node"]], timeoutS: 3_600 },
  { name: "tests-deno", commands: [[node, "scripts/test.ts", "--runtime", "deno"]], timeoutS: 3_600 },
  { name: "addon-sanitized", commands: [["make", "-s", "-j", `${availableParallelism()}`, "-C", "drivers", "asan"]], timeoutS: 300 },
  {
    name: "conformance-sanitized",
    commands: [[node, "scripts/test.ts", "--runtime", "node", "--only", "^test/conformance/"]],
    timeoutS: 1_200,
    environment: sanitizerEnvironment,
  },
  { name: "seeds", commands: [[node, "src/sim/main.ts", "--seeds", "1..200"]], timeoutS: 1_200 },
];

/** Runs the commands of a step up to the first that fails; undefined when none did. */
async function failureOf(step: Step): Promise<Ending | Error | undefined> {
  for (const [program, ...args] of step.commands) {
    try {
      const ending = await runToEnd(program, args, {
        timeoutMs: step.timeoutS * 1000,
        environment: { NO_COLOR: "1", ...step.environment?.() },
      });
      if (ending.code !== 0 || ending.timedOut) return ending;
    } catch (error) {
      return error as Error;
    }
  }
  return undefined;
}

function explain(failure: Ending | Error): string {
  if (failure instanceof Error) return failure.message;
  return `${failure.output.trimEnd()}${failure.timedOut ? "\nran out of time and was ended" : ""}`;
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { only: { type: "string" }, list: { type: "boolean", default: false } } });
  const names = steps.map(({ name }) => name);
  if (values.list) {
    console.log(names.join("\n"));
    return 0;
  }
  const wanted = values.only?.split(",") ?? names;
  for (const name of wanted) {
    if (names.includes(name)) continue;
    const meant = nearest(name, names);
    console.error(
      `There is no step ${name}.${meant === undefined ? "" : ` Did you mean ${meant}?`} The steps are ${names.join(", ")}.`,
    );
    return 2;
  }
  process.chdir(fileURLToPath(new URL("..", import.meta.url)));

  let interrupted = false;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => {
      if (interrupted) return;
      interrupted = true;
      void endAll().then(() => process.exit(130));
    });
  }

  const failed: string[] = [];
  for (const step of steps.filter(({ name }) => wanted.includes(name))) {
    const startedAt = performance.now();
    const failure = await failureOf(step);
    if (interrupted) return await new Promise<never>(() => {});
    const took = seconds(performance.now() - startedAt);
    console.log(`${failure === undefined ? "ok  " : "FAIL"} ${step.name}, ${took}`);
    if (failure === undefined) continue;
    failed.push(step.name);
    console.log(explain(failure).split("\n").map((line) => `    ${line}`).join("\n"));
  }
  console.log(failed.length === 0 ? "All checks hold." : `Failed: ${failed.join(", ")}`);
  return failed.length === 0 ? 0 : 1;
}

process.exitCode = await main();
