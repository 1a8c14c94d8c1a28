/**
 * Runs every test/**\/*.test.ts in a process of its own, on Node and on Deno, two at a time; those of test/runtime,
 * which make namespaces and measure time, one at a time after the others. The last line is "N passed, N failed".
 *
 *   node scripts/test.ts [--only PATTERN] [--runtime node|deno] [--list] [--bail] [--json]
 *
 * Comments in the first lines of a file say what is special about it:
 *   // runtime: node, because ...     only on this runtime
 *   // timeout: 300                   seconds, instead of 120
 *   // alone: because ...             one at a time, as those of test/runtime
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs, stripVTControlCharacters } from "node:util";
import { endAllOnSignals, type Ending, runToEnd, seconds } from "./child.ts";

type Runtime = "node" | "deno";
type Job = { readonly file: string; readonly runtime: Runtime; readonly timeoutS: number; readonly alone: boolean };
type Tally = { readonly passed: number; readonly failed: number; readonly skipped: number };
type Result = Tally & { readonly job: Job; readonly ending: Ending; readonly complaints: readonly string[] };

const runtimes: readonly Runtime[] = ["node", "deno"];
const commands: Readonly<Record<Runtime, readonly [string, ...string[]]>> = {
  node: ["node_modules/.bin/node"],
  deno: ["node_modules/.bin/deno", "run", "-A"],
};
const parallelMax = 2;
const timeoutDefaultS = 120;
const headLines = 30;

/** What the head of a test file says of it. */
export function headOf(text: string): { runtimes: readonly Runtime[]; timeoutS: number; alone: boolean } {
  const head = text.split("\n").slice(0, headLines).join("\n");
  const runtime = /^\/\/ runtime: (node|deno)\b/m.exec(head)?.[1] as Runtime | undefined;
  const timeout = /^\/\/ timeout: (\d+)/m.exec(head)?.[1];
  return {
    runtimes: runtime ? [runtime] : runtimes,
    timeoutS: timeout ? Number(timeout) : timeoutDefaultS,
    alone: /^\/\/ alone: \S/m.test(head),
  };
}

/**
 * What a file's run counts as. uvu says how many tests it had, passed and skipped; a run that ended badly, or never
 * came to say it, has at least one failure.
 */
export function tallyOf(
  ending: Pick<Ending, "code" | "signal" | "output" | "timedOut" | "leftProcesses">,
): Tally & { complaints: string[] } {
  const text = stripVTControlCharacters(ending.output);
  const count = (word: string) => Number([...text.matchAll(new RegExp(`^ *${word}: +(\\d+)$`, "gm"))].at(-1)?.[1] ?? Number.NaN);
  const [total, passed, skipped] = [count("Total"), count("Passed"), count("Skipped")];
  const complaints: string[] = [];
  if (ending.timedOut) complaints.push("ran out of time and was ended");
  else if (ending.signal !== null) complaints.push(`ended by ${ending.signal}`);
  if (ending.leftProcesses && !ending.timedOut) complaints.push("left processes behind");
  if (Number.isNaN(total + passed + skipped)) {
    if (complaints.length === 0) complaints.push(`ended with code ${ending.code} and printed no totals: is test.run() missing?`);
    return { passed: 0, failed: 1, skipped: 0, complaints };
  }
  let failed = total - passed;
  if (failed === 0 && complaints.length === 0 && ending.code !== 0) {
    complaints.push(`all tests passed, but the exit code is ${ending.code}`);
  }
  if (failed === 0 && complaints.length > 0) failed = 1;
  return { passed, failed, skipped, complaints };
}

function jobsOf(only: RegExp | undefined, runtime: Runtime | undefined): Job[] {
  const files = readdirSync("test", { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".test.ts"))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((file) => only === undefined || only.test(file))
    .sort();
  const heads = files.map((file) => ({ file, ...headOf(readFileSync(file, "utf8")) }));
  return (runtime ? [runtime] : runtimes).flatMap((each) =>
    heads.filter((head) => head.runtimes.includes(each)).map(({ file, timeoutS, alone }) => ({
      file,
      runtime: each,
      timeoutS,
      alone: alone || file.startsWith("test/runtime/"),
    }))
  );
}

async function perform(job: Job): Promise<Result> {
  const [command, ...args] = commands[job.runtime];
  const ending = await runToEnd(command, [...args, job.file], {
    timeoutMs: job.timeoutS * 1000,
    environment: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
  });
  return { job, ending, ...tallyOf(ending) };
}

/** Runs the jobs with at most `width` at once, never one file on both runtimes at the same time. */
async function performAll(jobs: readonly Job[], width: number, onResult: (result: Result) => void, isOver: () => boolean): Promise<void> {
  const waiting = [...jobs];
  const atWork = new Set<string>();
  const worker = async () => {
    while (!isOver()) {
      const index = waiting.findIndex((job) => !atWork.has(job.file));
      const job = waiting[index];
      if (!job) return;
      waiting.splice(index, 1);
      atWork.add(job.file);
      onResult(await perform(job));
      atWork.delete(job.file);
    }
  };
  await Promise.all(Array.from({ length: width }, worker));
}

function indented(text: string): string {
  return text.trimEnd().split("\n").map((line) => `    ${line}`).join("\n");
}

function describe({ job, ending, passed, failed, skipped }: Result): string {
  const counts = `${passed} passed${failed > 0 ? `, ${failed} failed` : ""}${skipped > 0 ? `, ${skipped} skipped` : ""}`;
  return `${failed > 0 ? "FAIL" : "ok  "} ${job.runtime} ${job.file}: ${counts}, ${seconds(ending.durationMs)}`;
}

function show(result: Result, json: boolean): void {
  const { job, ending, passed, failed, skipped, complaints } = result;
  if (json) {
    const output = failed > 0 ? { complaints, output: ending.output } : {};
    console.log(
      JSON.stringify({ file: job.file, runtime: job.runtime, passed, failed, skipped, ms: Math.round(ending.durationMs), ...output }),
    );
    return;
  }
  console.log(describe(result));
  if (failed === 0) return;
  for (const complaint of complaints) console.log(`    ${complaint}`);
  if (ending.output.trim() !== "") console.log(indented(ending.output));
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      only: { type: "string" },
      runtime: { type: "string" },
      list: { type: "boolean", default: false },
      bail: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
    },
  });
  const { only, runtime } = values;
  if (runtime !== undefined && runtime !== "node" && runtime !== "deno") throw new TypeError(`--runtime is node or deno, not ${runtime}`);
  process.chdir(fileURLToPath(new URL("..", import.meta.url)));
  const jobs = jobsOf(only === undefined ? undefined : new RegExp(only), runtime);
  if (jobs.length === 0) throw new TypeError(only === undefined ? "there are no tests" : `no test file matches ${only}`);
  if (values.list) {
    for (const { file, runtime: each, timeoutS, alone } of jobs) console.log(`${each} ${file}, ${timeoutS} s${alone ? ", alone" : ""}`);
    return 0;
  }

  const isInterrupted = endAllOnSignals();

  const results: Result[] = [];
  const failures = () => results.filter(({ failed }) => failed > 0);
  const isOver = () => isInterrupted() || (values.bail && failures().length > 0);
  const onResult = (result: Result) => {
    if (isInterrupted()) return;
    results.push(result);
    show(result, values.json);
  };
  await performAll(jobs.filter(({ alone }) => !alone), parallelMax, onResult, isOver);
  await performAll(jobs.filter(({ alone }) => alone), 1, onResult, isOver);
  if (isInterrupted()) return await new Promise<never>(() => {});

  const sum = (key: keyof Tally) => results.reduce((total, result) => total + result[key], 0);
  const [passed, failed, skipped] = [sum("passed"), sum("failed"), sum("skipped")];
  if (values.json) {
    console.log(JSON.stringify({ passed, failed, skipped }));
  } else {
    if (failed > 0) console.log(["", "Failed:", ...failures().map(describe), ""].join("\n"));
    console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
  }
  return failed > 0 ? 1 : 0;
}

if (import.meta.main) {
  try {
    process.exitCode = await main();
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    console.error(`${error.message}\nusage: npm test -- [--only PATTERN] [--runtime node|deno] [--list] [--bail] [--json]`);
    process.exitCode = 2;
  }
}
