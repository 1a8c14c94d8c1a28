/**
 * The simulator's speed: simulated card-seconds in a second of wall time, in calm worlds of the default and the fast
 * profile, with every checker on. One run beforehand warms the runtime up; the median of the others counts.
 *
 *   npm run bench -- sim [--runs N] [--json]
 */
import { performance } from "node:perf_hooks";
import process from "node:process";
import { parseArgs } from "node:util";
import type { ProfileName } from "../../src/node/profiles.ts";
import { placeCards } from "../../src/sim/swarm.ts";
import { World } from "../../src/sim/world.ts";

type Case = { readonly cards: number; readonly chassis: number; readonly profile: ProfileName; readonly seconds: number };

const cases: readonly Case[] = [
  { cards: 5, chassis: 1, profile: "default", seconds: 300 },
  { cards: 5, chassis: 1, profile: "fast", seconds: 40 },
  { cards: 8, chassis: 1, profile: "default", seconds: 120 },
  { cards: 64, chassis: 8, profile: "default", seconds: 4 },
];

function cardSecondsPerSecond({ cards, chassis, profile, seconds }: Case, seed: number): number {
  const began = performance.now();
  const world = new World({ seed, cards: placeCards(cards, chassis), profile, baud: 115_200 });
  world.runUntil(seconds * 1_000);
  if (world.violations[0] !== undefined) throw new Error(`seed ${seed}: ${world.violations[0].detail}`);
  return (cards * seconds * 1_000) / (performance.now() - began);
}

const { values } = parseArgs({
  options: { json: { type: "boolean", default: false }, runs: { type: "string", default: "5" }, help: { type: "boolean", default: false } },
});
if (values.help) {
  process.stdout.write(`Usage: npm run bench -- sim [--runs N] [--json]

  --runs N   runs of each case, of which the median counts (default 5)
  --json     one line per figure: {"bench":"sim","system":"cardinal","cards":5,"profile":"default","cardSecondsPerSecond":..,"runs":..}
`);
  process.exit(0);
}
const runs = Number(values.runs);
if (!(Number.isInteger(runs) && runs >= 1 && runs <= 100)) {
  process.stderr.write(`--runs is a whole number from 1 to 100, not "${values.runs}"\n`);
  process.exit(2);
}
if (!values.json) process.stdout.write("cards  chassis  profile  card-seconds/s (median)      min      max  runs\n");
for (const one of cases) {
  cardSecondsPerSecond(one, 0);
  const figures = Array.from({ length: runs }, (_, index) => cardSecondsPerSecond(one, index + 1)).sort((a, b) => a - b);
  const [min, median, max] = [0, Math.floor(runs / 2), runs - 1].map((index) => Math.round(figures[index] as number)) as [
    number,
    number,
    number,
  ];
  const { cards, chassis, profile } = one;
  if (values.json) {
    const figure = { bench: "sim", system: "cardinal", cards, chassis, profile, cardSecondsPerSecond: median, min, max, runs };
    process.stdout.write(JSON.stringify(figure) + "\n");
  } else {
    const cells = [`${cards}`.padStart(5), `${chassis}`.padStart(7), profile.padStart(7), `${median}`.padStart(23)];
    process.stdout.write(`${cells.join("  ")}  ${`${min}`.padStart(7)}  ${`${max}`.padStart(7)}  ${`${runs}`.padStart(4)}\n`);
  }
}
