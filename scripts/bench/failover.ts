/**
 * What a client misses when the card that serves an address fails, or hands it over: the same fault again and again.
 *
 *   npm run bench -- failover [--json] [--times N] [--profile fast|default|both] [--how crash|pull|stall|switch]
 *
 * Three cards run on the virtual chassis; the client is in the namespace of the hosts and opens a connection every other millisecond to the address, whose
 * kernel answers. A figure is the longest time between two answers of a run. Beside it stand the phases of the failover, as its record has them.
 */
import process from "node:process";
import { parseArgs } from "node:util";
import type { FailoverPhase } from "../../src/failover/failover-record.ts";
import { outerUser } from "../chassis/place.ts";
import { becomeRoot } from "../chassis/private-run.ts";
import { type Profile, profiles } from "../chassis/settings.ts";
import { chosen, type LatencyFigures, latencyFigures, latencyText, runBenchmark } from "./comparison.ts";
import { type FailoverClient, type FailoverStand, webDocument, withFailover } from "./failover-stand.ts";

const help = `Usage: npm run bench -- failover [options]

What a client misses when the card that serves an address fails, or hands it over.

  --times N       how often (default 10)
  --profile NAME  fast, default or both (default both)
  --how NAME      crash, pull, stall or switch (default crash)
  --json          one line of JSON a figure

crash: its program and its addresses end at once, and nothing but silence tells; pull: its slot loses power, which the multiplexor reports; stall:
it hangs (SIGSTOP) and is fenced; switch: it is told to hand over. In each run it is proven that nobody else had the address before its owner was stopped.
`;

const hows = ["crash", "pull", "stall", "switch"] as const;
type How = typeof hows[number];

const cards = [1, 2, 3];
const periodMs = 2;
/** From the end of one run to the next fault, for what the cards do after a failover. */
const restMs = 1_000;

type Run = { readonly gapMs: number; readonly phases: readonly { readonly phase: FailoverPhase; readonly ms: number }[] };
type PhaseFigure = { readonly phase: string; readonly medianMs: number; readonly share: number };
type Figure = LatencyFigures & {
  readonly bench: "failover";
  readonly system: "cardinal";
  readonly profile: Profile;
  readonly how: How;
  readonly runs: number;
  readonly scheduling: "real-time" | "normal";
  readonly phases: readonly PhaseFigure[];
};

type Records = { readonly failovers: readonly { readonly id: number }[] };
type Explained = { readonly phases: Run["phases"] };

async function act(stand: FailoverStand, how: How, owner: number, next: number): Promise<void> {
  const { chassis } = stand;
  switch (how) {
    case "crash":
      return await chassis.crash(owner);
    case "pull":
      return await chassis.pull(owner);
    case "stall":
      return await chassis.stall(owner, 10_000);
    case "switch":
      await stand.cardinal(next, "set", "switch", "web", "--to", `1/${next}`);
  }
}

async function measure(stand: FailoverStand, client: FailoverClient, how: How, owner: number): Promise<Run & { readonly owner: number }> {
  const others = cards.filter((card) => card !== owner);
  await client.observe(restMs);
  await act(stand, how, owner, others[0] as number);
  const next = await stand.servedBy(others, 30_000, owner);
  const seen = await client.observe(200);
  if (seen.doubles > 0) throw new Error(`${how}: two cards had the address at once, ${seen.doubles} times`);
  const owners = seen.owners.map(({ mac }) => stand.cardOf(mac));
  if (owners.length !== 2 || owners[1] !== next) {
    throw new Error(`${how}: the address was on the cards ${owners.join(", ")}, and ${next} has it`);
  }
  const { failovers } = JSON.parse(await stand.cardinal(next, "failovers", "--json")) as Records;
  const id = Math.max(...failovers.map((each) => each.id));
  const { phases } = JSON.parse(await stand.cardinal(next, "failover", "explain", String(id), "--json")) as Explained;
  if (how === "pull") await stand.chassis.insert(owner);
  await stand.waitUntilWhole();
  return { gapMs: seen.gap.toMs - seen.gap.fromMs, phases, owner: next };
}

function figureOf(profile: Profile, how: How, scheduling: Figure["scheduling"], runs: readonly Run[]): Figure {
  const names = [...new Set(runs.flatMap(({ phases }) => phases.map(({ phase }) => phase)))];
  const medians = names.map((phase) => {
    const ms = runs.map(({ phases }) => phases.find((each) => each.phase === phase)?.ms ?? 0);
    return { phase, medianMs: latencyFigures(ms.map((each) => each * 1_000)).medianMs };
  });
  const sum = medians.reduce((total, { medianMs }) => total + medianMs, 0);
  const phases = medians.map((each) => ({ ...each, share: sum === 0 ? 0 : Math.round((100 * each.medianMs) / sum) }));
  const figures = latencyFigures(runs.map(({ gapMs }) => gapMs * 1_000));
  const rounded = {
    minMs: Math.round(figures.minMs * 10) / 10,
    medianMs: Math.round(figures.medianMs * 10) / 10,
    p99Ms: Math.round(figures.p99Ms * 10) / 10,
  };
  return { bench: "failover", system: "cardinal", profile, how, runs: runs.length, scheduling, ...rounded, phases };
}

function rowOf({ profile, how, runs, scheduling, phases, ...figures }: Figure): string {
  const shares = phases.map(({ phase, medianMs, share }) => `${phase} ${medianMs} ms (${share} %)`).join(", ");
  return [profile, how, scheduling, runs, latencyText(figures), shares].join(" | ");
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      times: { type: "string", default: "10" },
      profile: { type: "string", default: "both" },
      how: { type: "string", default: "crash" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return console.log(help);
  const times = Number(values.times);
  if (!Number.isInteger(times) || times < 1 || times > 1_000) {
    throw new Error(`--times is ${values.times}, must be a whole number from 1 to 1000`);
  }
  const how = hows.find((each) => each === values.how);
  if (how === undefined) throw new Error(`--how is ${values.how}, must be ${hows.join(", ")}`);
  const wanted = chosen(values.profile, profiles, "profile");
  becomeRoot();
  if (!values.json) console.log("profile | how | scheduling | runs | the client's gap | phases, median");
  // A card that fails as often as it does here would be put into quarantine.
  const policies = { failoversMax: 100, failoverWindowS: 1 };
  for (const profile of wanted) {
    const options = { name: `bench${process.pid % 1_000}`, cards: cards.length, runtime: "binary", profile } as const;
    await withFailover({ ...options, document: { ...webDocument(cards), policies } }, async (stand) => {
      let owner = await stand.servedBy(cards, 30_000);
      const { cards: slots } = await stand.chassis.status();
      const scheduling = slots.every(({ status }) => status?.process.realtime === true) ? "real-time" : "normal";
      const client = await stand.client({ periodMs, realtime: outerUser() === 0 });
      const runs: Run[] = [];
      while (runs.length < times) {
        const run = await measure(stand, client, how, owner);
        runs.push(run);
        ({ owner } = run);
      }
      client.end();
      const figure = figureOf(profile, how, scheduling, runs);
      console.log(values.json ? JSON.stringify(figure) : rowOf(figure));
    });
  }
}

await runBenchmark(main);
