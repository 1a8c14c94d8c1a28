/**
 * Everything that must hold before a change lands, each step told in one line with its time. A failing step shows its
 * output and the rest goes on.
 *
 *   npm run check [-- --only STEP[,STEP ...]] [--list]
 */
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { endAllOnSignals, type Ending, runToEnd, seconds } from "./child.ts";
import { nearest } from "../src/base/nearest.ts";

type Command = readonly [program: string, ...args: string[]];
type Step = {
  readonly name: string;
  readonly command: Command;
  readonly timeoutS: number;
};

const node = "node_modules/.bin/node";
const deno = "node_modules/.bin/deno";
const sources = ["src", "drivers", "firmware", "scripts", "test"];

const steps: readonly Step[] = [
  { name: "format", command: [node, "scripts/format.ts", "--check"], timeoutS: 60 },
  { name: "lint", command: [deno, "lint", "--quiet"], timeoutS: 60 },
  { name: "tidy", command: [node, "scripts/tidy.ts"], timeoutS: 60 },
  { name: "types-deno", command: [deno, "check", "--quiet", ...sources], timeoutS: 300 },
  { name: "types-tsc", command: ["node_modules/.bin/tsc"], timeoutS: 300 },
  { name: "tests-node", command: [node, "scripts/test.ts", "--runtime", "node"], timeoutS: 3_600 },
  { name: "tests-deno", command: [node, "scripts/test.ts", "--runtime", "deno"], timeoutS: 3_600 },
  { name: "sanitizers", command: [node, "test/drivers/sanitize.ts"], timeoutS: 1_800 },
  { name: "seeds", command: [node, "src/sim/main.ts", "--seeds", "1..200"], timeoutS: 1_200 },
];

/** Runs a step; undefined when it holds. */
async function failureOf({ command: [program, ...args], timeoutS }: Step): Promise<Ending | Error | undefined> {
  try {
    const ending = await runToEnd(program, args, { timeoutMs: timeoutS * 1000, environment: { NO_COLOR: "1" } });
    return ending.code !== 0 || ending.timedOut ? ending : undefined;
  } catch (error) {
    return error as Error;
  }
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

  const isInterrupted = endAllOnSignals();

  const failed: string[] = [];
  for (const step of steps.filter(({ name }) => wanted.includes(name))) {
    const startedAt = performance.now();
    const failure = await failureOf(step);
    if (isInterrupted()) return await new Promise<never>(() => {});
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
