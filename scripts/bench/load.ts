/**
 * What a card costs and whether it keeps its nerve: a chassis of `--cards` cards runs for `--seconds` at each profile,
 * idle and with both cores busy (stress-ng), and the figures are what the cards and /proc say. A suspicion counts as
 * false because nobody fails here: each `silent`, `oneWay`, `suspect` or `down` in a card's log after all were healthy.
 */
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { type Chassis, withChassis } from "../chassis/chassis.ts";
import { type Profile, runtimes } from "../chassis/settings.ts";
import { isSuspicion, sampleOf, startLoad } from "./card-watch.ts";
import { chosen, runBenchmark } from "./comparison.ts";

const help = `Usage: npm run bench -- load [options]

Measures each card's share of a core and its memory, and counts false suspicions, idle and with busy cores.

  --cards N        cards in the chassis (default 3)
  --seconds S      length of each measurement (default 60)
  --profile NAME   default, fast or both (default both)
  --load NAME      idle, busy or both (default both)
  --runtime NAME   binary, node or deno (default binary)
  --json           one line of JSON a figure
`;

type Figure = {
  readonly bench: "load";
  readonly system: "cardinal";
  readonly profile: Profile;
  readonly load: "idle" | "busy";
  readonly cards: number;
  readonly seconds: number;
  /** Of one core, over all cards. */
  readonly cpuPercentMedian: number;
  readonly cpuPercentMax: number;
  readonly residentMiBMax: number;
  readonly falseSuspicions: number;
  readonly lateTicks: number;
  readonly worstLateMs: number;
};

async function measure(chassis: Chassis, profile: Profile, load: "idle" | "busy", seconds: number): Promise<Figure> {
  await chassis.waitFor(
    "all cards are healthy and verified",
    ({ cards }) =>
      cards.every(({ status }) =>
        status?.peers.length === cards.length - 1 && status.peers.every((peer) => peer.health === "healthy" && peer.verified)
      ),
    20_000,
  );
  await sleep(2_000);
  const started = await chassis.status();
  const logLines = async () => await Promise.all(started.cards.map(({ card }) => chassis.log(card, 5_000)));
  const logsBefore = (await logLines()).map((lines) => lines.length);
  const pids = started.cards.map(({ pid }) => pid as number);
  const before = pids.map(sampleOf);
  const from = performance.now();
  const stress = load === "busy" ? startLoad(seconds) : undefined;
  try {
    await sleep(seconds * 1_000);
  } finally {
    stress?.kill();
  }
  const tookMs = performance.now() - from;
  const after = pids.map(sampleOf);
  const ended = await chassis.status();
  const cpu = after.map((sample, index) => (100 * (sample.cpuMs - (before[index] as (typeof before)[number]).cpuMs)) / tookMs).sort((
    a,
    b,
  ) => a - b);
  const found = (await logLines()).flatMap((lines, index) => lines.slice(logsBefore[index]).filter(isSuspicion));
  for (const line of found.slice(0, 40)) console.error(line);
  const late = ended.cards.map(({ status }, index) => {
    const was = started.cards[index]?.status?.lateTicks.count ?? 0;
    return { count: (status?.lateTicks.count ?? 0) - was, worstMs: status?.lateTicks.worstMs ?? 0 };
  });
  return {
    bench: "load",
    system: "cardinal",
    profile,
    load,
    cards: pids.length,
    seconds,
    cpuPercentMedian: round(cpu[cpu.length >> 1] as number),
    cpuPercentMax: round(cpu.at(-1) as number),
    residentMiBMax: round(Math.max(...after.map(({ residentBytes }) => residentBytes)) / 1024 / 1024),
    falseSuspicions: found.length,
    lateTicks: late.reduce((sum, { count }) => sum + count, 0),
    worstLateMs: Math.max(...late.map(({ worstMs }) => worstMs)),
  };
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      cards: { type: "string", default: "3" },
      seconds: { type: "string", default: "60" },
      profile: { type: "string", default: "both" },
      load: { type: "string", default: "both" },
      runtime: { type: "string", default: "binary" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(help);
    return;
  }
  const profiles = chosen(values.profile, ["default", "fast"] as const, "profile");
  const loads = chosen(values.load, ["idle", "busy"] as const, "load");
  const runtime = runtimes.find((name) => name === values.runtime);
  if (runtime === undefined) throw new Error(`--runtime is ${values.runtime}, must be one of ${runtimes.join(", ")}`);
  const [cards, seconds] = [Number(values.cards), Number(values.seconds)];
  if (!Number.isInteger(cards) || cards < 2 || cards > 8) throw new Error(`--cards is ${values.cards}, must be a whole number from 2 to 8`);
  if (!(seconds >= 1 && seconds <= 3_600)) throw new Error(`--seconds is ${values.seconds}, must be from 1 to 3600`);
  if (!values.json) {
    console.log(
      ["profile", "load", "cards", "cpu % median", "cpu % max", "MiB max", "false suspicions", "late ticks", "worst late ms"].join(" | "),
    );
  }
  for (const profile of profiles) {
    for (const load of loads) {
      const figure = await withChassis(
        { name: `bench${process.pid % 1_000}`, cards, profile, runtime },
        (chassis) => measure(chassis, profile, load, seconds),
      );
      const { cpuPercentMedian, cpuPercentMax, residentMiBMax, falseSuspicions, lateTicks, worstLateMs } = figure;
      const row = [profile, load, cards, cpuPercentMedian, cpuPercentMax, residentMiBMax, falseSuspicions, lateTicks, worstLateMs];
      console.log(values.json ? JSON.stringify(figure) : row.join(" | "));
    }
  }
}

await runBenchmark(main);
