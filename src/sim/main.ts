/**
 * The simulator's command line: lives one seed or many, checks every invariant after every step, and ends with the
 * hash of the history. The wall clock is read here alone, for the figure of simulated card-seconds a second.
 */
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { performance } from "node:perf_hooks";
import process from "node:process";
import { setImmediate } from "node:timers/promises";
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import { cardCountMax, chassisCountMax, slotCountMax } from "../base/ids.ts";
import type { Violation } from "./checker.ts";
import { verbs } from "./faults.ts";
import { hashOfHashes } from "./history.ts";
import { type ProfileName, profileNames } from "../node/profiles.ts";
import { parseScenario, runScenario } from "./scenario.ts";
import { liveStorageSeed } from "./storage-swarm.ts";
import { liveSeed, type SeedOptions, type SeedResult } from "./swarm.ts";

const help = `Usage: npm run -s sim -- [options]

Simulates whole systems under faults drawn from a seed, and checks every invariant after every step.

  --seed N           one seed (default 1)
  --seeds A..B       all seeds from A to B
  --cards N          2 to 64 cards (default: drawn from the seed)
  --chassis N        1 to 8 chassis (default: drawn from the seed)
  --seconds S        simulated seconds for each seed (default 30); more when the world needs them to settle
  --profile NAME     default or fast (default: drawn from the seed)
  --calm             no faults
  --failover         every card has resources, and failover sets say who runs them
  --storage          instead: mirrored devices under faults, and who may serve them
  --stores           every card has a store, and operators change the configuration
  --trace            print every line of history (one seed)
  --scenario FILE    run a scenario file and compare it with its recording
  --jobs N           seeds side by side (default: 2 at most)
  --json             one JSON object a line
  --help             this text

Examples:
  npm run -s sim -- --seed 7
  npm run -s sim -- --seeds 1..200
  npm run -s sim -- --seed 7 --cards 3 --calm --seconds 5 --trace
  npm run -s sim -- --seeds 1..1000 --stores
  npm run -s sim -- --seeds 1..100 --storage
  npm run -s sim -- --scenario test/scenarios/heartbeat/pull.txt

Exit code: 0 all invariants held, 1 one was violated, 2 a wrong option, 130 stopped by Ctrl-C.

A scenario begins with how its world is set up, in lines of cards N, chassis N, profile NAME, baud N, seed N,
disabled CARD, tiebreak CARD, witness, stores, failover PART ..., watchdog MS, only EVENT ... (the events of the log that are recorded). Then it has the lines
settle, run MS, show, show members, show groups, show services, show records, show configuration, show log CARD GROUP, and these verbs:
${Object.entries(verbs).map(([name, verb]) => `  ${`${name} ${verb.usage}`.padEnd(58)} ${verb.does}`).join("\n")}
`;

type Options = {
  readonly seeds: readonly number[];
  readonly seed: Omit<SeedOptions, "seed" | "trace">;
  readonly trace: boolean;
  readonly json: boolean;
  readonly storage: boolean;
  readonly jobs: number;
  readonly scenario?: string;
};

/** The options, or what is wrong with them in one line, or that help is wanted. */
function readOptions(args: readonly string[]): Options | { readonly wrong: string } | "help" {
  let values;
  try {
    ({ values } = parseArgs({
      args: [...args],
      options: {
        seed: { type: "string" },
        seeds: { type: "string" },
        cards: { type: "string" },
        chassis: { type: "string" },
        seconds: { type: "string", default: "30" },
        profile: { type: "string" },
        calm: { type: "boolean", default: false },
        stores: { type: "boolean", default: false },
        failover: { type: "boolean", default: false },
        storage: { type: "boolean", default: false },
        trace: { type: "boolean", default: false },
        scenario: { type: "string" },
        jobs: { type: "string" },
        json: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    }));
  } catch (error) {
    return { wrong: (error as Error).message.split("\n")[0] as string };
  }
  if (values.help) return "help";

  const wrongs: string[] = [];
  const whole = (name: string, text: string | undefined, min: number, max: number): number | undefined => {
    if (text === undefined) return undefined;
    const value = /^\d+$/.test(text) ? Number(text) : NaN;
    if (value >= min && value <= max) return value;
    wrongs.push(`--${name} is a whole number from ${min} to ${max}, not "${text}"`);
    return undefined;
  };
  const seed = whole("seed", values.seed, 0, 0xffffffff);
  const cards = whole("cards", values.cards, 2, cardCountMax);
  const chassis = whole("chassis", values.chassis, 1, chassisCountMax);
  const jobs = whole("jobs", values.jobs, 1, 64) ?? Math.min(2, availableParallelism());
  const seconds = Number(values.seconds);
  if (!(seconds >= 1 && seconds <= 86_400)) wrongs.push(`--seconds is a number from 1 to 86400, not "${values.seconds}"`);
  const profile = profileNames.find((name) => name === values.profile);
  if (values.profile !== undefined && profile === undefined) {
    wrongs.push(`--profile is ${profileNames.join(" or ")}, not "${values.profile}"`);
  }
  const range = values.seeds === undefined ? undefined : seedsOf(values.seeds);
  if (range === null) wrongs.push(`--seeds is a range such as 1..200, at most 100000 seeds, not "${values.seeds}"`);
  if (values.seed !== undefined && values.seeds !== undefined) wrongs.push("--seed and --seeds exclude each other");
  if (values.trace && values.seeds !== undefined) wrongs.push("--trace is for one seed");
  if (cards !== undefined && chassis !== undefined && (cards < chassis || cards > chassis * slotCountMax)) {
    wrongs.push(`${cards} cards do not fit ${chassis} chassis: each holds 1 to ${slotCountMax}`);
  }
  if (wrongs[0] !== undefined) return { wrong: wrongs[0] };
  return {
    seeds: range ?? [seed ?? 1],
    seed: {
      seconds,
      calm: values.calm,
      ...(values.stores ? { stores: true } : {}),
      ...(values.failover ? { failover: true } : {}),
      ...(cards === undefined ? {} : { cards }),
      ...(chassis === undefined ? {} : { chassis }),
      ...(profile === undefined ? {} : { profile: profile satisfies ProfileName }),
    },
    trace: values.trace,
    json: values.json,
    storage: values.storage,
    jobs,
    ...(values.scenario === undefined ? {} : { scenario: values.scenario }),
  };
}

function seedsOf(text: string): number[] | null {
  const match = /^(\d+)\.\.(\d+)$/.exec(text);
  const first = Number(match?.[1]);
  const last = Number(match?.[2]);
  if (match === null || last < first || last > 0xffffffff || last - first >= 100_000) return null;
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

function out(line: string): void {
  process.stdout.write(line + "\n");
}

/** Shows how far a long run is, where a person watches. */
function showProgress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}

/** One seed's result with what it took. */
type Timed = { readonly result: SeedResult; readonly wallMs: number };

/** Lives the seeds one after the other, here. */
async function liveHere(options: Options, isStopped: () => boolean, onResult: (timed: Timed) => void): Promise<void> {
  for (const seed of options.seeds) {
    const began = performance.now();
    const life = liveSeed({ ...options.seed, seed, ...(options.trace ? { trace: out } : {}) });
    for (;;) {
      if (isStopped()) return;
      const step = life.next();
      if (step.done === true) {
        onResult({ result: step.value, wallMs: performance.now() - began });
        break;
      }
      if (!options.trace) showProgress(`seed ${seed}: ${(100 * step.value).toFixed(0)} %`);
      await setImmediate();
    }
  }
}

/** Lives the seeds in threads; the results come in the order of the seeds all the same. */
async function liveInThreads(options: Options, isStopped: () => boolean, onResult: (timed: Timed) => void): Promise<void> {
  const results = new Map<number, Timed>();
  let given = 0;
  let told = 0;
  const live = async () => {
    // A world makes a great many objects that live for one step: a larger young generation copies fewer of them.
    const worker = new Worker(new URL("./seed-worker.ts", import.meta.url), { resourceLimits: { maxYoungGenerationSizeMb: 64 } });
    let answer = (_result: SeedResult | undefined): void => {};
    let fail = (_error: unknown): void => {};
    worker.on("message", (result: SeedResult) => answer(result));
    worker.on("error", (error) => fail(error));
    const watch = setInterval(() => {
      if (isStopped()) answer(undefined);
    }, 100);
    try {
      while (given < options.seeds.length && !isStopped()) {
        const index = given++;
        const began = performance.now();
        const result = await new Promise<SeedResult | undefined>((resolve, reject) => {
          answer = resolve;
          fail = reject;
          worker.postMessage({ ...options.seed, seed: options.seeds[index] });
        });
        if (result === undefined) return;
        results.set(index, { result, wallMs: performance.now() - began });
        for (let timed = results.get(told); timed !== undefined; timed = results.get(++told)) {
          results.delete(told);
          onResult(timed);
        }
        showProgress(`${told} of ${options.seeds.length} seeds`);
      }
    } finally {
      clearInterval(watch);
      await worker.terminate();
    }
  };
  await Promise.all(Array.from({ length: Math.min(options.jobs, options.seeds.length) }, live));
}

function tell({ result, wallMs }: Timed, json: boolean): void {
  const { seed, cards, chassis, profile, baud, faults, simulatedMs, violation, lines, hash } = result;
  const cardSecondsPerSecond = Math.round((cards * simulatedMs) / wallMs);
  if (json) return out(JSON.stringify({ ...result, cardSecondsPerSecond }));
  const size = `${cards} cards in ${chassis} chassis, ${profile}, ${baud} baud, ${faults} faults`;
  const time = `${(simulatedMs / 1_000).toFixed(1)} s, ${cardSecondsPerSecond} card-seconds/s`;
  out(`seed ${seed}  ${size}, ${time}  ${violation === undefined ? "ok" : "VIOLATED"}  ${hash}`);
  if (violation !== undefined) tellViolation(violation, lines, `seed ${seed}`);
}

function tellViolation({ checker, sentence, at, card, detail }: Violation, lines: readonly string[], where: string): void {
  for (const line of lines) out(`  ${line}`);
  out(`  ${where}, at ${at.toFixed(3)} ms, ${card}: ${checker}`);
  out(`  ${sentence}`);
  out(`  But ${detail}`);
}

function tellScenario(path: string, options: Options): number {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    process.stderr.write(`--scenario: ${(error as Error).message}\n`);
    return 2;
  }
  const scenario = parseScenario(text);
  const result = runScenario(scenario, options.trace ? { trace: out } : {});
  if (typeof result === "string") {
    process.stderr.write(`${path}: ${result}\n`);
    return 2;
  }
  const isAsRecorded = result.concluded === scenario.recorded;
  if (options.json) {
    out(JSON.stringify({ scenario: path, asRecorded: isAsRecorded, violation: result.violation, hash: result.hash }));
  } else {
    if (!options.trace) process.stdout.write(result.concluded);
    if (result.violation !== undefined) tellViolation(result.violation, result.lines, path);
    out(isAsRecorded ? "as recorded" : "not as recorded");
    out(`history ${result.hash}`);
  }
  return isAsRecorded && result.violation === undefined ? 0 : 1;
}

/** Seeds of mirrored devices, one after the other. */
async function liveStorage({ seeds, seed: { seconds, calm }, trace, json }: Options): Promise<number> {
  let stopped = false;
  const onInterrupt = () => stopped = true;
  process.on("SIGINT", onInterrupt);
  const hashes: string[] = [];
  const violated: number[] = [];
  for (const seed of seeds) {
    if (stopped) break;
    const result = liveStorageSeed({ seed, seconds, calm, ...(trace ? { trace: out } : {}) });
    const { cards, devices, legs, faults, acknowledged, simulatedMs, violation, hash } = result;
    hashes.push(hash);
    if (violation !== undefined) violated.push(seed);
    if (json) out(JSON.stringify(result));
    else {
      const size = `${cards} cards, ${devices} devices of ${legs} legs, ${faults} faults, ${acknowledged} writes`;
      out(`seed ${seed}  ${size}, ${(simulatedMs / 1_000).toFixed(1)} s  ${violation === undefined ? "ok" : "VIOLATED"}  ${hash}`);
      if (violation !== undefined) tellViolation({ ...violation, card: "system" }, [], `seed ${seed}`);
    }
    await setImmediate();
  }
  process.off("SIGINT", onInterrupt);
  const verdict = violated.length === 0 ? "all invariants held" : `violated by seeds ${violated.join(", ")}`;
  if (json) out(JSON.stringify({ seeds: hashes.length, violated, stopped, history: hashOfHashes(hashes) }));
  else out(`${hashes.length} of ${seeds.length} seeds, ${verdict}\nhistory ${hashOfHashes(hashes)}`);
  return stopped ? 130 : violated.length > 0 ? 1 : 0;
}

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2));
  if (options === "help") {
    process.stdout.write(help);
    return 0;
  }
  if ("wrong" in options) {
    process.stderr.write(`${options.wrong} (--help shows all options)\n`);
    return 2;
  }
  if (options.scenario !== undefined) return tellScenario(options.scenario, options);
  if (options.storage) return await liveStorage(options);

  let stopped = false;
  const onInterrupt = () => stopped = true;
  process.on("SIGINT", onInterrupt);
  const began = performance.now();
  const results: SeedResult[] = [];
  const live = options.seeds.length > 1 && options.jobs > 1 ? liveInThreads : liveHere;
  await live(options, () => stopped, (timed) => {
    showProgress("");
    results.push(timed.result);
    tell(timed, options.json);
  });
  showProgress("");
  process.off("SIGINT", onInterrupt);

  const violated = results.filter(({ violation }) => violation !== undefined).map(({ seed }) => seed);
  const hash = results.length === 1 ? (results[0] as SeedResult).hash : hashOfHashes(results.map((result) => result.hash));
  const cardSeconds = results.reduce((sum, { cards, simulatedMs }) => sum + (cards * simulatedMs) / 1_000, 0);
  const cardSecondsPerSecond = Math.round((1_000 * cardSeconds) / (performance.now() - began));
  if (options.json) {
    out(JSON.stringify({ seeds: results.length, violated, cardSecondsPerSecond, stopped, history: hash }));
  } else {
    if (options.seeds.length > 1) {
      const verdict = violated.length === 0 ? "all invariants held" : `violated by seeds ${violated.join(", ")}`;
      out(`${results.length} of ${options.seeds.length} seeds, ${cardSecondsPerSecond} card-seconds/s, ${verdict}`);
    }
    out(`history ${hash}`);
  }
  return stopped ? 130 : violated.length > 0 ? 1 : 0;
}

// Whoever reads no further, as `head` does, ends the program.
process.stdout.on("error", (error: Error & { code?: string }) => {
  if (error.code !== "EPIPE") throw error;
  process.exit();
});
process.exitCode = await main();
