/** What the benchmarks that put Cardinal beside another system share: their options, how they end, and the figures of latencies. */
import process from "node:process";
import { parseArgs } from "node:util";

export type ComparisonOptions<Name extends string> = {
  /** Of each load. */
  readonly seconds: number;
  /** Those to be measured, in the order in which they are. */
  readonly systems: readonly Name[];
  readonly json: boolean;
};

/** What the command line says; undefined when it was help that it wanted, which is printed. */
export function comparisonOptions<Name extends string>(names: readonly [Name, Name], help: string): ComparisonOptions<Name> | undefined {
  const { values } = parseArgs({
    options: {
      seconds: { type: "string", default: "5" },
      system: { type: "string", default: "both" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(help);
    return undefined;
  }
  const seconds = Number(values.seconds);
  if (!Number.isInteger(seconds) || seconds < 1 || seconds > 600) {
    throw new Error(`--seconds is ${values.seconds}, must be a whole number from 1 to 600`);
  }
  return { seconds, systems: chosen(values.system, names, "system"), json: values.json };
}

/** The name that an option has, or all for "both". */
export function chosen<Name extends string>(value: string, names: readonly Name[], option: string): readonly Name[] {
  if (value === "both") return names;
  const name = names.find((each) => each === value);
  if (name === undefined) throw new Error(`--${option} is ${value}, must be ${names.join(", ")} or both`);
  return [name];
}

export type LatencyFigures = { readonly minMs: number; readonly medianMs: number; readonly p99Ms: number };

/** Nearest rank, of latencies in microseconds of which there is one at least. */
export function latencyFigures(latenciesUs: readonly number[]): LatencyFigures {
  const sorted = [...latenciesUs].sort((a, b) => a - b);
  const quantileMs = (share: number) => (sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] as number) / 1_000;
  return { minMs: quantileMs(0), medianMs: quantileMs(0.5), p99Ms: quantileMs(0.99) };
}

export function latencyText({ minMs, medianMs, p99Ms }: LatencyFigures): string {
  return `${minMs} ms min, ${medianMs} ms median, ${p99Ms} ms p99`;
}

/** Ends the program with 2 and one line when the benchmark fails. */
export async function runBenchmark(main: () => Promise<void>): Promise<void> {
  try {
    await main();
  } catch (error) {
    console.error((error as Error).message);
    process.exitCode = 2;
  }
}
