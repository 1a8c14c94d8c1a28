/**
 * What a client misses when the card that serves an address fails, or hands it over, beside keepalived and corosync with pacemaker: the same fault again and again.
 *
 *   npm run bench -- failover [--json] [--times N] [--system NAME] [--profile NAME] [--how crash|pull|stall|switch]
 *
 * Three cards run on the virtual chassis; the client is in the namespace of the hosts and opens a connection every millisecond to the address, whose
 * kernel answers. A figure is the longest time between two answers of a run. Beside it stand the phases of the failover, as its record has them. The
 * peers run in the namespaces of the same cards.
 */
import process from "node:process";
import { parseArgs } from "node:util";
import type { FailoverPhase } from "../../src/failover/failover-record.ts";
import { outerUser } from "../chassis/place.ts";
import { becomeRoot } from "../chassis/private-run.ts";
import { type Profile, profiles } from "../chassis/settings.ts";
import { type LatencyFigures, latencyFigures, latencyText, runBenchmark } from "./comparison.ts";
import { missingOf, type Peer, type PeerName, peers, type PeerStand, withPeer } from "./failover-peers.ts";
import { missingForWebServers, withWebServers } from "./switch-stand.ts";
import { type FailoverClient, type FailoverStand, webDocument, withFailover } from "./failover-stand.ts";

const help = `Usage: npm run bench -- failover [options]

What a client misses when the card that serves an address fails, or hands it over, beside keepalived and corosync with pacemaker.

  --times N       how often (default 10)
  --system NAME   cardinal, keepalived, corosync or all (default all)
  --profile NAME  one of the profiles below, or all (default all)
  --how NAME      crash, pull, stall or switch (default crash); the peers are measured with crash alone
  --clients N     with --how switch: so many clients of a web server, from 2 to 1000, half of which keep their connections
  --json          one line of JSON a figure

crash: its program and its addresses end at once, and nothing but silence tells; pull: its slot loses power, which the multiplexor reports; stall:
it hangs (SIGSTOP) and is fenced; switch: it is told to hand over. In each run of Cardinal it is proven that nobody else had the address before its owner
was stopped; of the peers, which fence nobody here, it is told how often two answered for it.

With --clients the address of nginx, run by its OCF agent, is moved while the clients ask. nginx stands by on all cards (standby: hot). A request may fail
only where its connection was open to the card that the address left; any other failure ends the benchmark. A gap is then the longest time between two
answers to whomever.

Profiles:
${profileLines()}

Examples:
  npm run bench -- failover                                 all systems, 10 crashes each
  npm run bench -- failover --system cardinal --profile fast --times 50
  npm run bench -- failover --system keepalived --json
  npm run bench -- failover --system cardinal --how pull
  npm run bench -- failover --how switch --clients 200 --profile fast
`;

function profileLines(): string {
  const ofPeer = (
    { system, timings }: Peer,
  ) => [system, timings.map(({ name, timesMax }) => timesMax < 1_000 ? `${name} (at most ${timesMax} times)` : name)];
  const lines = [["cardinal", profiles], ...peers.map(ofPeer)] as [string, readonly string[]][];
  return lines.map(([system, names]) => `  ${system.padEnd(10)}  ${names.join(", ")}`).join("\n");
}

const hows = ["crash", "pull", "stall", "switch"] as const;
type How = typeof hows[number];

const cards = [1, 2, 3];
const periodMs = 1;
/** Who only looks who has the address need not ask so often. */
const witnessMs = 10;
/** From the end of one run to the next fault, for what the cards do after a failover. */
const restMs = 1_000;
const chassisName = `bench${process.pid % 1_000}`;

type Run = { readonly gapMs: number; readonly phases: readonly { readonly phase: FailoverPhase; readonly ms: number }[] };
type PhaseFigure = { readonly phase: string; readonly medianMs: number; readonly share: number };
type Figure = LatencyFigures & {
  readonly bench: "failover";
  readonly system: "cardinal" | PeerName;
  readonly profile: string;
  readonly how: How;
  readonly runs: number;
  readonly scheduling: "real-time" | "normal";
  /** Questions that two cards had an answer to. */
  readonly doubles: number;
  readonly phases: readonly PhaseFigure[];
};
/** Of a peer that cannot be measured here. */
type Missing = { readonly bench: "failover"; readonly system: PeerName; readonly missing: string };

type SwitchFigure = LatencyFigures & {
  readonly bench: "failover";
  readonly system: "cardinal";
  readonly profile: Profile;
  readonly how: "switch";
  readonly clients: number;
  readonly runs: number;
  readonly answers: number;
  /** On connections that were open to the card that the address left. */
  readonly failedOpen: number;
  /** The longest that a request took which was answered: its first SYN was lost. */
  readonly slowestMs: number;
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

function figureOf(head: Pick<Figure, "system" | "profile" | "how" | "scheduling" | "doubles">, runs: readonly Run[]): Figure {
  const names = [...new Set(runs.flatMap(({ phases }) => phases.map(({ phase }) => phase)))];
  const medians = names.map((phase) => {
    const ms = runs.map(({ phases }) => phases.find((each) => each.phase === phase)?.ms ?? 0);
    return { phase, medianMs: latencyFigures(ms.map((each) => each * 1_000)).medianMs };
  });
  const sum = medians.reduce((total, { medianMs }) => total + medianMs, 0);
  const phases = medians.map((each) => ({ ...each, share: sum === 0 ? 0 : Math.round((100 * each.medianMs) / sum) }));
  return { bench: "failover", ...head, runs: runs.length, ...rounded(latencyFigures(runs.map(({ gapMs }) => gapMs * 1_000))), phases };
}

/** To a tenth of a millisecond. */
function rounded({ minMs, medianMs, p99Ms }: LatencyFigures): LatencyFigures {
  const tenths = (ms: number) => Math.round(ms * 10) / 10;
  return { minMs: tenths(minMs), medianMs: tenths(medianMs), p99Ms: tenths(p99Ms) };
}

function print(figure: Figure | Missing, json: boolean): void {
  if (json) return console.log(JSON.stringify(figure));
  if ("missing" in figure) return console.log(`${figure.system} | not measured: ${figure.missing}`);
  const { system, profile, how, runs, scheduling, doubles, phases } = figure;
  const shares = phases.map(({ phase, medianMs, share }) => `${phase} ${medianMs} ms (${share} %)`).join(", ");
  const told = doubles > 0 ? `two owners ${doubles} times` : shares;
  console.log([system, profile, how, scheduling, runs, latencyText(figure), told].join(" | "));
}

/** The wanted profile of those that a system has, or all of them. */
function wantedOf<Name extends string>(wanted: string, names: readonly Name[]): readonly Name[] {
  return wanted === "all" ? names : names.filter((name) => name === wanted);
}

async function measureCardinal(profile: Profile, how: How, times: number): Promise<Figure> {
  // A card that fails as often as it does here would be put into quarantine.
  const policies = { failoversMax: 100, failoverWindowS: 1 };
  const options = { name: chassisName, cards: cards.length, runtime: "binary", profile } as const;
  let figure: Figure | undefined;
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
    figure = figureOf({ system: "cardinal", profile, how, scheduling, doubles: 0 }, runs);
  });
  return figure as Figure;
}

async function measureSwitch(profile: Profile, clients: number, times: number): Promise<SwitchFigure> {
  const gapsUs: number[] = [];
  let [answers, failedOpen, slowestMs] = [0, 0, 0];
  const options = { name: chassisName, cards: cards.length, runtime: "binary", profile, standby: "hot" } as const;
  await withWebServers(options, async (servers) => {
    const crowd = await servers.crowd(clients);
    const witness = await servers.stand.client({ periodMs: witnessMs, realtime: outerUser() === 0 });
    let owner = await servers.stand.servedBy(cards, 10_000);
    while (gapsUs.length < times) {
      owner = cards[cards.indexOf(owner) + 1] ?? (cards[0] as number);
      const { seen, gapMs, unexcused: [wrong] } = await servers.switchTo(owner, crowd, witness);
      if (wrong !== undefined) throw new Error(`a request failed that had nothing to do with the switch: ${JSON.stringify(wrong)}`);
      gapsUs.push(gapMs * 1_000);
      answers += seen.answers;
      failedOpen += seen.failureCount;
      slowestMs = Math.max(slowestMs, seen.slowestMs);
    }
    crowd.end();
    witness.end();
  });
  const head = { bench: "failover", system: "cardinal", profile, how: "switch", clients, runs: gapsUs.length } as const;
  return { ...head, ...rounded(latencyFigures(gapsUs)), answers, failedOpen, slowestMs: Math.round(slowestMs) };
}

async function measureSwitches(wanted: readonly Profile[], clients: number, times: number, json: boolean): Promise<void> {
  const missing = missingForWebServers();
  if (missing !== undefined) throw new Error(missing);
  for (const profile of wanted) {
    const figure = await measureSwitch(profile, clients, times);
    const { runs, answers, failedOpen, slowestMs } = figure;
    const told = `${answers} answers, ${failedOpen} failed on connections to the card that was left, the slowest ${slowestMs} ms`;
    console.log(
      json ? JSON.stringify(figure) : ["cardinal", profile, `switch, ${clients} clients`, runs, latencyText(figure), told].join(" | "),
    );
  }
}

/** Undefined where the address had moved by itself before the crash: a busy machine is enough for that. */
async function measurePeerCrash(peer: PeerStand, client: FailoverClient): Promise<Run & { readonly doubles: number } | undefined> {
  const owner = await peer.ownedBy(cards, 60_000);
  await client.observe();
  await peer.crash(owner);
  await peer.ownedBy(cards.filter((card) => card !== owner), 60_000);
  const { gap, doubles, owners } = await client.observe(500);
  await peer.start(owner);
  await peer.waitUntilWhole(60_000);
  const isOwn = owners[0] !== undefined && peer.stand.cardOf(owners[0].mac) === owner && owners.length > 1;
  return isOwn ? { gapMs: gap.toMs - gap.fromMs, phases: [], doubles } : undefined;
}

async function measurePeer(peer: Peer, timing: Peer["timings"][number], times: number): Promise<Figure> {
  let figure: Figure | undefined;
  await withPeer(chassisName, cards, peer, timing, async (stand) => {
    const realtime = outerUser() === 0;
    const client = await stand.stand.client({ periodMs, realtime });
    const runs: Run[] = [];
    const wanted = Math.min(times, timing.timesMax);
    let [doubles, unasked] = [0, 0];
    while (runs.length < wanted) {
      const run = await measurePeerCrash(stand, client);
      doubles += run?.doubles ?? 0;
      if (run !== undefined) runs.push(run);
      else if (++unasked > wanted) {
        throw new Error(`${peer.system}, ${timing.name}: the address moved by itself ${unasked} times: is the machine busy?`);
      }
    }
    client.end();
    figure = figureOf(
      { system: peer.system, profile: timing.name, how: "crash", scheduling: realtime ? "real-time" : "normal", doubles },
      runs,
    );
  });
  return figure as Figure;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      times: { type: "string", default: "10" },
      system: { type: "string", default: "all" },
      profile: { type: "string", default: "all" },
      how: { type: "string", default: "crash" },
      clients: { type: "string" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return console.log(help);
  const { system, profile, json } = values;
  const times = Number(values.times);
  if (!Number.isInteger(times) || times < 1 || times > 1_000) {
    throw new Error(`--times is ${values.times}, must be a whole number from 1 to 1000`);
  }
  const how = hows.find((each) => each === values.how);
  if (how === undefined) throw new Error(`--how is ${values.how}, must be ${hows.join(", ")}`);
  const systems = ["all", "cardinal", ...peers.map((peer) => peer.system)];
  if (!systems.includes(system)) throw new Error(`--system is ${system}, must be ${systems.join(", ")}`);
  const isWanted = (name: string) => system === "all" || system === name;
  const names = [
    ...isWanted("cardinal") ? profiles : [],
    ...peers.filter((peer) => isWanted(peer.system)).flatMap(({ timings }) => timings.map(({ name }) => name)),
  ];
  if (profile !== "all" && !names.includes(profile)) throw new Error(`--profile is ${profile}, must be ${names.join(", ")} or all`);
  const clients = Number(values.clients ?? 0);
  if (values.clients !== undefined && (how !== "switch" || !Number.isInteger(clients) || clients < 2 || clients > 1_000)) {
    throw new Error(`--clients is ${values.clients}, must be a whole number from 2 to 1000, with --how switch`);
  }
  becomeRoot();
  if (clients > 0) return await measureSwitches(wantedOf(profile, profiles), clients, times, json);
  if (!json) console.log("system | profile | how | scheduling | runs | the client's gap | phases, median");
  if (isWanted("cardinal")) {
    for (const each of wantedOf(profile, profiles)) print(await measureCardinal(each, how, times), json);
  }
  for (const peer of peers) {
    const timings = peer.timings.filter(({ name }) => profile === "all" || profile === name);
    if (!isWanted(peer.system) || timings.length === 0 || (how !== "crash" && system === "all")) continue;
    const missing = how === "crash" ? missingOf(peer) : `the peers are measured with crash alone, not with ${how}`;
    if (missing !== undefined) print({ bench: "failover", system: peer.system, missing }, json);
    else for (const timing of timings) print(await measurePeer(peer, timing, times), json);
  }
}

await runBenchmark(main);
