/**
 * Whether cards keep their nerve: a chassis at the fast profile serves an address for an hour while all processors are busy, and nothing fails. So every
 * failover and every new view is a false one, and each is told.
 *
 *   npm run soak -- [--minutes N] [--profile fast|default] [--cards N] [--load busy|idle] [--json]
 *
 * It ends with 0 when there was none, with 1 when there was one, with 2 when it could not be told.
 */
import type { ChildProcess } from "node:child_process";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { follow } from "./chassis/logs.ts";
import { cardLog, outerUser } from "./chassis/place.ts";
import { becomeRoot } from "./chassis/private-run.ts";
import { type Profile, profiles } from "./chassis/settings.ts";
import { isSuspicion, type Sample, sampleOf, startLoad } from "./bench/card-watch.ts";
import { type FailoverStand, webDocument, withFailover } from "./bench/failover-stand.ts";

const help = `Usage: npm run soak -- [options]

A chassis serves an address while all processors are busy, and nothing fails: every failover is a false one.

  --minutes N     how long (default 60; fractions are taken)
  --profile NAME  fast or default (default fast)
  --cards N       cards in the chassis (default 3)
  --load NAME     busy or idle (default busy: two workers of stress-ng for each processor)
  --json          the report as one line of JSON

It tells failovers, views, suspicions, late ticks, what a client of the address missed, and what the cards cost: their share of a core and their memory at
the beginning and at the end. It ends with 0 when there was no failover, no new view and no restart, and with 1 otherwise, after it has told which.

Examples:
  npm run soak                              the hour that the product is held to
  npm run soak -- --minutes 5 --json
  npm run soak -- --minutes 600 --profile default --load idle
`;

/** For what the cards do after their start, and for their memory. */
const settleMs = 5_000;
const lookMs = 1_000;
const barColumns = 30;
const suspicionsToldMax = 20;
/** The client asks so often, and tells of gaps that are longer than 20 ms. */
const askMs = 5;

type CardCost = {
  readonly card: string;
  /** Of one core. */
  readonly cpuPercent: number;
  readonly residentMiBBegin: number;
  readonly residentMiBEnd: number;
  readonly lateTicks: number;
  readonly worstLateMs: number;
};

type Report = {
  readonly bench: "soak";
  readonly system: "cardinal";
  readonly profile: Profile;
  readonly load: "busy" | "idle";
  readonly minutes: number;
  readonly scheduling: "real-time" | "normal";
  /** Each in a line. */
  readonly failovers: readonly string[];
  readonly views: number;
  readonly restarts: number;
  readonly suspicions: number;
  /** The client's longest gap. */
  readonly gapMsMax: number;
  readonly cards: readonly CardCost[];
};

type Records = { readonly failovers: readonly { readonly id: number; readonly [key: string]: unknown }[] };

type Options = {
  readonly minutes: number;
  readonly profile: Profile;
  readonly cards: number;
  readonly load: "busy" | "idle";
  readonly json: boolean;
};

function optionsOf(args: readonly string[]): Options | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      minutes: { type: "string", default: "60" },
      profile: { type: "string", default: "fast" },
      cards: { type: "string", default: "3" },
      load: { type: "string", default: "busy" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return undefined;
  const [minutes, cards] = [Number(values.minutes), Number(values.cards)];
  if (!(minutes >= 0.1 && minutes <= 10_080)) throw new Error(`--minutes is ${values.minutes}, must be from 0.1 to 10080, which is a week`);
  if (!Number.isInteger(cards) || cards < 2 || cards > 8) throw new Error(`--cards is ${values.cards}, must be a whole number from 2 to 8`);
  const profile = profiles.find((each) => each === values.profile);
  if (profile === undefined) throw new Error(`--profile is ${values.profile}, must be ${profiles.join(" or ")}`);
  if (values.load !== "busy" && values.load !== "idle") throw new Error(`--load is ${values.load}, must be busy or idle`);
  return { minutes, profile, cards, load: values.load, json: values.json };
}

/** What the cards know of failovers, one line each. */
async function failoversOf(stand: FailoverStand): Promise<Map<number, string>> {
  const { failovers } = JSON.parse(await stand.cardinal(stand.cards[0] as number, "failovers", "--json")) as Records;
  return new Map(failovers.map((record) => [record.id, JSON.stringify(record)]));
}

type Now = {
  readonly samples: readonly Sample[];
  readonly views: readonly number[];
  readonly restarts: number;
  readonly late: readonly { readonly count: number; readonly worstMs: number }[];
};

async function nowOf({ chassis }: FailoverStand): Promise<Now> {
  const { cards } = await chassis.status();
  const silent = cards.find(({ pid, status }) => pid === undefined || status === undefined);
  if (silent !== undefined) {
    throw new Error(`card ${silent.card} does not answer (${silent.silentBecause ?? silent.ended ?? silent.program})`);
  }
  return {
    samples: cards.map(({ pid }) => sampleOf(pid as number)),
    views: cards.map(({ status }) => status?.groups.epoch ?? 0),
    restarts: cards.reduce((sum, { restarts }) => sum + restarts, 0),
    late: cards.map(({ status }) => status?.lateTicks ?? { count: 0, worstMs: 0 }),
  };
}

function showProgress(doneMs: number, allMs: number, suspicions: number, gapMs: number): void {
  if (!process.stderr.isTTY) return;
  const filled = Math.min(barColumns, Math.floor((barColumns * doneMs) / allMs));
  const left = new Date(Math.max(0, allMs - doneMs)).toISOString().slice(11, 19);
  const bar = "#".repeat(filled) + ".".repeat(barColumns - filled);
  process.stderr.write(`\r[${bar}] ${left} left, ${suspicions} suspicions, longest gap ${gapMs.toFixed(0)} ms\x1b[K`);
}

async function soak(stand: FailoverStand, { minutes, profile, load, json }: Options): Promise<Report> {
  const { chassis, cards } = stand;
  await stand.servedBy(cards, 30_000);
  await sleep(settleMs);
  const { cards: slots } = await chassis.status();
  const scheduling = slots.every(({ status }) => status?.process.realtime === true) ? "real-time" : "normal";
  const client = await stand.client({ periodMs: askMs, realtime: outerUser() === 0 });
  let suspicions = 0;
  const stop = new AbortController();
  const logs = cards.map((card) => {
    let rest = "";
    return follow(cardLog(chassis.directory, chassis.place(card)), (text) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop() as string;
      for (const line of lines) {
        if (!isSuspicion(line)) continue;
        suspicions++;
        if (suspicions <= suspicionsToldMax && !json) console.error(`${process.stderr.isTTY ? "\r\x1b[K" : ""}card ${card}: ${line}`);
      }
    }, stop.signal);
  });
  const known = await failoversOf(stand);
  const before = await nowOf(stand);
  const allMs = minutes * 60_000;
  let busy: ChildProcess | undefined;
  if (load === "busy") busy = startLoad(Math.ceil(allMs / 1_000) + 60);
  busy?.on("error", (error) => console.error(`stress-ng: ${error.message}; it comes with the Debian package stress-ng`));
  const startedAt = performance.now();
  let gapMsMax = 0;
  let doneMs = 0;
  await client.observe();
  try {
    while (doneMs < allMs) {
      const { gap } = await client.observe(Math.min(lookMs, allMs - doneMs));
      gapMsMax = Math.max(gapMsMax, gap.toMs - gap.fromMs);
      doneMs = performance.now() - startedAt;
      if (busy !== undefined && busy.exitCode !== null) {
        throw new Error(`stress-ng ended after ${(doneMs / 1_000).toFixed(0)} s: there was no load`);
      }
      showProgress(doneMs, allMs, suspicions, gapMsMax);
    }
  } finally {
    busy?.kill();
    if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
  }
  const after = await nowOf(stand);
  const failovers = [...await failoversOf(stand)].filter(([id]) => !known.has(id)).map(([, record]) => record);
  stop.abort();
  await Promise.all(logs);
  client.end();
  return {
    bench: "soak",
    system: "cardinal",
    profile,
    load,
    minutes,
    scheduling,
    failovers,
    views: Math.max(...after.views.map((view, index) => view - (before.views[index] as number))),
    restarts: after.restarts - before.restarts,
    suspicions,
    gapMsMax: Math.round(gapMsMax * 10) / 10,
    cards: slots.map(({ card }, index) => {
      const [from, to] = [before.samples[index] as Sample, after.samples[index] as Sample];
      return {
        card,
        cpuPercent: Math.round((10_000 * (to.cpuMs - from.cpuMs)) / doneMs) / 100,
        residentMiBBegin: mebibytes(from.residentBytes),
        residentMiBEnd: mebibytes(to.residentBytes),
        lateTicks: (after.late[index]?.count ?? 0) - (before.late[index]?.count ?? 0),
        worstLateMs: after.late[index]?.worstMs ?? 0,
      };
    }),
  };
}

function mebibytes(bytes: number): number {
  return Math.round((bytes / 1024 / 1024) * 10) / 10;
}

function textOf({ profile, load, minutes, scheduling, failovers, views, restarts, suspicions, gapMsMax, cards }: Report): string {
  const costs = cards.map(({ card, cpuPercent, residentMiBBegin, residentMiBEnd, lateTicks, worstLateMs }) =>
    `card ${card}: ${cpuPercent} % of a core, ${residentMiBBegin} MiB at the beginning, ${residentMiBEnd} MiB at the end, ${lateTicks} late ticks (worst ${worstLateMs} ms)`
  );
  return [
    `${minutes} min, profile ${profile}, ${load}, ${scheduling} scheduling`,
    `${failovers.length} failovers, ${views} new views, ${restarts} restarts, ${suspicions} suspicions; the client's longest gap ${gapMsMax} ms`,
    ...costs,
    ...failovers.map((record) => `false failover: ${record}`),
  ].join("\n");
}

async function main(): Promise<void> {
  const options = optionsOf(process.argv.slice(2));
  if (options === undefined) return console.log(help);
  becomeRoot();
  const { cards, profile, json } = options;
  const slots = Array.from({ length: cards }, (_, index) => index + 1);
  await withFailover(
    { name: `soak${process.pid % 1_000}`, cards, runtime: "binary", profile, document: webDocument(slots) },
    async (stand) => {
      const report = await soak(stand, options);
      console.log(json ? JSON.stringify(report) : textOf(report));
      const { failovers, views, restarts } = report;
      if (failovers.length > 0 || views > 0 || restarts > 0) {
        console.error(`nothing failed, and yet: ${failovers.length} failovers, ${views} new views, ${restarts} restarts`);
        process.exitCode = 1;
      }
    },
  );
}

try {
  await main();
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 2;
}
