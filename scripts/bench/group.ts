/**
 * Ordered messages among three cards, beside corosync's closed process groups on three nodes: the same loads on the
 * same machine, one system after the other.
 *
 *   npm run bench -- group [--json] [--seconds N] [--system NAME]
 *
 * Each system runs as it comes on a bridge in namespaces of its own, with HMAC-SHA-256 and no cipher; corosync also
 * without real-time scheduling, which on few processors keeps clients from handing over much at a time. Three clients,
 * one a card, are members of one group. In each run it is proven that all of them got the same messages in the same
 * order, none missing, none twice.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, statSync } from "node:fs";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { withChassis } from "../chassis/chassis.ts";
import { run, runWell } from "../chassis/command.ts";
import { outerUser } from "../chassis/place.ts";
import { becomeRoot } from "../chassis/private-run.ts";
import { buildDirectory, node, repository } from "../chassis/repository.ts";
import { comparisonOptions, type LatencyFigures, latencyFigures, latencyText, runBenchmark } from "./comparison.ts";
import { type Delivered, type Load, wordsOf } from "./group-load.ts";

const cards = 3;
const help = `Usage: npm run bench -- group [options]

Ordered messages among ${cards} cards, beside corosync's process groups on ${cards} nodes.

  --seconds N     length of each stream (default 5)
  --system NAME   cardinal, corosync or both (default both)
  --json          one line of JSON a figure

latency-64b: a client of card 2, which is not the coordinator, sends 200 messages a second for 5 s; the time from a send
to the delivery to that client. stream-64b, stream-1k: a client of each card sends as fast as it is let; messages a
second that were delivered to all clients, in the same order. Cardinal delivers what every card holds (committed);
corosync delivers what is ordered (agreed), whether the others hold it or not, which is its strongest guarantee.
Cardinal's clients run on Node, corosync's are C on libcpg. corosync runs with its default real-time scheduling and without.
`;

type SystemName = "cardinal" | "corosync";
type Scheduling = "real-time" | "normal";
/** A system that is up: runs a load, and gives what each client says. */
type System = { readonly scheduling: Scheduling; readonly run: (load: Load) => Promise<readonly Delivered[]> };

const guarantees: Readonly<Record<SystemName, string>> = { cardinal: "committed", corosync: "agreed" };
const latencySeconds = 5;
/** Beyond a load's own length: the start of its clients, and what is under way at its end. */
const graceMs = 60_000;

function loadsOf(seconds: number): readonly Load[] {
  return [
    { name: "latency-64b", sender: 2, bytes: 64, perSecond: 200, seconds: latencySeconds },
    { name: "stream-64b", sender: 0, bytes: 64, perSecond: 0, seconds },
    { name: "stream-1k", sender: 0, bytes: 1_024, perSecond: 0, seconds },
  ];
}

type Figure =
  & {
    readonly bench: "group";
    readonly system: SystemName;
    readonly scheduling: Scheduling;
    readonly load: string;
    readonly guarantee: string;
  }
  & (
    | LatencyFigures & { readonly runs: number }
    | { readonly messages: number; readonly messagesPerSecond: number }
  );

function figureOf(system: SystemName, scheduling: Scheduling, load: Load, all: readonly Delivered[]): Figure {
  const [first] = all;
  if (all.length !== cards || first === undefined) {
    throw new Error(`${system}, ${load.name}: ${all.length} of ${cards} clients came to the end`);
  }
  const differs = all.find(({ delivered, order }) => delivered !== first.delivered || order !== first.order);
  if (differs !== undefined) {
    const told = [first, differs].map(({ card, delivered, order }) => `${delivered} messages, hash ${order} on card ${card}`).join("; ");
    throw new Error(`${system}, ${load.name}: the order differs: ${told}`);
  }
  const head = { bench: "group", system, scheduling, load: load.name, guarantee: guarantees[system] } as const;
  if (load.perSecond === 0) {
    const slowestMs = Math.max(...all.map(({ ms }) => ms));
    return { ...head, messages: first.delivered, messagesPerSecond: Math.round((first.delivered * 1_000) / slowestMs) };
  }
  const latenciesUs = all.flatMap((each) => each.latenciesUs);
  if (latenciesUs.length === 0) throw new Error(`${system}, ${load.name}: nothing was measured`);
  return { ...head, runs: latenciesUs.length, ...latencyFigures(latenciesUs) };
}

function rowOf(figure: Figure): (string | number)[] {
  const head = [figure.load, figure.system, figure.scheduling, figure.guarantee];
  if ("messages" in figure) return [...head, figure.messages, `${figure.messagesPerSecond} messages/s`];
  return [...head, figure.runs, latencyText(figure)];
}

/** A child's lines as they come, up to its "done" or "failed". */
async function answerOf(child: ChildProcess, lines: AsyncIterator<string>, withinMs: number): Promise<string[]> {
  const found: string[] = [];
  const timer = setTimeout(() => child.kill("SIGKILL"), withinMs);
  try {
    for (;;) {
      const { value, done } = await lines.next() as IteratorResult<string, undefined>;
      if (done === true) throw new Error(`the nodes of corosync ended before they had answered (${child.signalCode ?? child.exitCode})`);
      if (value === "failed") throw new Error("a client of corosync failed");
      if (value === "done") return found;
      found.push(value);
    }
  } finally {
    clearTimeout(timer);
  }
}

/** Builds the client of corosync, unless it is newer than its source. */
async function cpgLoad(): Promise<string> {
  const [source, program] = [`${repository}/scripts/bench/cpg/cpg-load.c`, `${buildDirectory}/cpg-load`];
  const isBuilt = (statSync(program, { throwIfNoEntry: false })?.mtimeMs ?? 0) > statSync(source).mtimeMs;
  if (isBuilt) return program;
  mkdirSync(buildDirectory, { recursive: true });
  const flags = ["-std=c11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror", "-Wshadow", "-Wstrict-prototypes", "-Wvla"];
  await runWell("gcc", [...flags, "-o", program, source, "-lcpg"]);
  return program;
}

/** corosync on three nodes: one tree of processes in a process namespace, which ends with its first process, and that with this program. */
async function withCorosync(scheduling: Scheduling, use: (system: System) => Promise<void>): Promise<void> {
  const script = fileURLToPath(new URL("cpg/nodes.sh", import.meta.url));
  const namespaces = ["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"];
  const words = ["sh", script, String(cards), scheduling === "real-time" ? "yes" : "no", await cpgLoad()];
  const child = spawn("setpriv", ["--pdeathsig", "KILL", "unshare", ...namespaces, "--", ...words], {
    stdio: ["pipe", "pipe", "inherit"],
    // The terminal's Ctrl-C is for us.
    detached: true,
  });
  const ended = new Promise<void>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", () => resolve());
  });
  ended.catch(() => {});
  // What it did not read is told by its end.
  child.stdin.on("error", () => {});
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  try {
    await use({
      scheduling,
      run: async (load) => {
        child.stdin.write(wordsOf(cards, load).join(" ") + "\n");
        const said = await answerOf(child, lines, load.seconds * 1_000 + graceMs);
        return said.map((line) => JSON.parse(line) as Delivered);
      },
    });
  } finally {
    child.kill("SIGKILL");
    await ended;
  }
}

/** Cardinal on the virtual chassis; a client is a process that has a card's socket, wherever it runs itself. */
async function withCardinal(use: (system: System) => Promise<void>): Promise<void> {
  const program = fileURLToPath(new URL("group-client.ts", import.meta.url));
  await withChassis({ name: `bench${process.pid % 1_000}`, cards, runtime: "binary" }, async (chassis) => {
    if (!await chassis.waitUntilVerified(20_000)) throw new Error("the cards have not verified each other within 20 s");
    const { cards: slots } = await chassis.status();
    const scheduling = slots.every(({ status }) => status?.process.realtime === true) ? "real-time" : "normal";
    const runClient = async (card: number, load: Load) => {
      const args = [program, chassis.socketOf(card), ...wordsOf(cards, load)];
      const { code, signal, stdout, stderr } = await run(node, args, { timeoutMs: load.seconds * 1_000 + graceMs });
      if (code !== 0) throw new Error(`cardinal, ${load.name}, client of card ${card}: ${stderr.trim() || (signal ?? code)}`);
      return JSON.parse(stdout) as Delivered;
    };
    await use({
      scheduling,
      run: (load) => Promise.all(Array.from({ length: cards }, (_, index) => runClient(index + 1, load))),
    });
  });
}

async function main(): Promise<void> {
  const options = comparisonOptions(["corosync", "cardinal"], help);
  if (options === undefined) return;
  const { seconds, systems, json } = options;
  becomeRoot();
  if (!json) console.log(["load", "system", "scheduling", "guarantee", "messages", "figure"].join(" | "));
  for (const name of systems) {
    const measure = async ({ scheduling, run }: System) => {
      for (const load of loadsOf(seconds)) {
        const figure = figureOf(name, scheduling, load, await run(load));
        console.log(json ? JSON.stringify(figure) : rowOf(figure).join(" | "));
      }
    };
    if (name === "cardinal") {
      await withCardinal(measure);
    } else {
      // Somebody without root cannot have it; corosync then goes on without.
      if (outerUser() === 0) await withCorosync("real-time", measure);
      await withCorosync("normal", measure);
    }
  }
}

await runBenchmark(main);
