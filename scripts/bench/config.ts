/**
 * Acknowledged changes of the configuration on three cards, beside etcd on three members: the same client over HTTP, the same disk.
 *
 *   npm run bench -- config [--json] [--seconds N] [--system NAME]
 *
 * A change of Cardinal's is acknowledged when every card has it durably; etcd's when a majority has. Both write to this machine's disk
 * with fsync. After each load it is proven that all cards have the same head, and all members the same revision.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type Chassis, withChassis } from "../chassis/chassis.ts";
import { run } from "../chassis/command.ts";
import { cardAddress } from "../chassis/names.ts";
import { cardDirectory } from "../chassis/place.ts";
import { becomeRoot } from "../chassis/private-run.ts";
import { buildDirectory, node } from "../chassis/repository.ts";
import { type ComparisonOptions, comparisonOptions, latencyFigures, latencyText, runBenchmark } from "./comparison.ts";
import type { ConfigLoad, ConfigRun } from "./config-client.ts";

const members = 3;
const help = `Usage: npm run bench -- config [options]

Acknowledged changes of the configuration on ${members} cards, beside etcd on ${members} members.

  --seconds N     length of each load (default 5)
  --system NAME   cardinal, etcd or both (default both)
  --json          one line of JSON a figure

one-client: one client changes a row, waits for the acknowledgment and 5 ms, and goes on. eight-clients: eight clients, over all cards
in turn, without a pause. Cardinal acknowledges what every card has on its disk, etcd what a majority has.
`;

type SystemName = "cardinal" | "etcd";
type Options = Pick<ComparisonOptions<SystemName>, "seconds" | "json">;
type Load = Pick<ConfigLoad, "clients" | "pauseMs"> & { readonly name: string };
const loads: readonly Load[] = [
  { name: "one-client", clients: 1, pauseMs: 5 },
  { name: "eight-clients", clients: 8, pauseMs: 0 },
];
const guarantees: Readonly<Record<SystemName, string>> = { cardinal: "all", etcd: "majority" };
const graceMs = 60_000;
const program = fileURLToPath(new URL("config-client.ts", import.meta.url));

function tell(system: SystemName, load: Load, outcome: ConfigRun, json: boolean): void {
  if (outcome.latenciesUs.length === 0) throw new Error(`${system}, ${load.name}: nothing was acknowledged`);
  const latency = latencyFigures(outcome.latenciesUs);
  const changesPerSecond = Math.round((outcome.changes * 1_000) / outcome.ms);
  const figure = { bench: "config", system, load: load.name, guarantee: guarantees[system], runs: outcome.changes, ...latency };
  if (json) console.log(JSON.stringify({ ...figure, changesPerSecond, refused: outcome.refused }));
  else {
    const row = [load.name, system, guarantees[system], outcome.changes, latencyText(latency), `${changesPerSecond} changes/s`];
    console.log(row.join(" | "));
  }
}

type Client = (load: ConfigLoad) => Promise<ConfigRun>;

async function measure(system: SystemName, urls: readonly string[], token: string, client: Client, options: Options): Promise<void> {
  for (const load of loads) {
    const { clients, pauseMs } = load;
    const seconds = options.seconds;
    // The first changes make the rows, and warm everything up.
    await client({ system, urls, token, clients, seconds: 1, pauseMs });
    tell(system, load, await client({ system, urls, token, clients, seconds, pauseMs }), options.json);
  }
}

// ---- Cardinal

async function withCardinal(options: Options): Promise<void> {
  // Not in memory, where a chassis usually is: on the disk that etcd has.
  process.env["CARDINAL_CHASSIS_ROOT"] = `${buildDirectory}/chassis`;
  await withChassis({ name: `bench${process.pid % 1_000}`, cards: members, runtime: "binary" }, async (chassis) => {
    await chassis.waitFor(
      "every card's configuration is current",
      ({ cards }) =>
        cards.every(({ status }) => status?.configuration?.state === "current" && status.configuration.replicas.length === members),
      30_000,
    );
    const places = Array.from({ length: members }, (_, index) => chassis.place(index + 1));
    const urls = places.map((place) => `http://${cardAddress(place)}:8421`);
    const token = await tokenOf(chassis, urls[0] as string);
    const client: Client = async (load) => {
      const { code, signal, stdout, stderr } = await chassis.host([node, program, JSON.stringify(load)], load.seconds * 1_000 + graceMs);
      if (code !== 0) throw new Error(`cardinal: ${stderr.trim() || (signal ?? code)}`);
      return JSON.parse(stdout) as ConfigRun;
    };
    await measure("cardinal", urls, token, client, options);
    await chassis.waitFor(
      "all cards have the same head",
      ({ cards }) => new Set(cards.map(({ status }) => status?.configuration?.head.hash)).size === 1,
      5_000,
    );
  });
}

/** A token that every card takes, made with the first one's own. */
async function tokenOf(chassis: Chassis, url: string): Promise<string> {
  const own = readFileSync(`${cardDirectory(chassis.directory, chassis.place(1))}/state/admin-token`, "utf8").trim();
  const command = [`${buildDirectory}/cardinal`, "token", "create", "bench", "--role", "administrator", "--url", url];
  const { code, stdout, stderr } = await chassis.host(["env", `CARDINAL_TOKEN=${own}`, ...command]);
  if (code !== 0) throw new Error(`no token: ${stderr.trim()}`);
  return stdout.trim();
}

// ---- etcd

/** etcd's members in a network namespace of their own, on its loopback; they end with this program. */
async function withEtcd(options: Options): Promise<void> {
  mkdirSync(buildDirectory, { recursive: true });
  const directory = mkdtempSync(`${buildDirectory}/etcd-`);
  const peers = Array.from({ length: members }, (_, index) => `m${index}=http://127.0.0.1:${2_380 + 10 * index}`);
  const lines = peers.map((peer, index) => {
    const [client, own] = [`http://127.0.0.1:${2_379 + 10 * index}`, peer.split("=")[1]];
    const words = [
      `--name m${index} --data-dir ${directory}/m${index}`,
      `--listen-client-urls ${client} --advertise-client-urls ${client} --listen-peer-urls ${own} --initial-advertise-peer-urls ${own}`,
      `--initial-cluster ${peers.join(",")} --logger zap --log-level error`,
    ];
    return `etcd ${words.join(" ")} &`;
  });
  const script = ["ip link set lo up", ...lines, 'while read -r line; do eval "$line"; echo done; done'].join("\n");
  const namespaces = ["--net", "--pid", "--fork", "--kill-child", "--mount-proc"];
  const child = spawn("setpriv", ["--pdeathsig", "KILL", "unshare", "--mount", ...namespaces, "--", "sh", "-c", script], {
    stdio: ["pipe", "pipe", "inherit"],
    detached: true,
  });
  child.stdin.on("error", () => {});
  const ended = new Promise<void>((resolve) => child.on("close", () => resolve()));
  try {
    const urls = peers.map((_, index) => `http://127.0.0.1:${2_379 + 10 * index}`);
    const client: Client = async (load) => {
      const text = await answerOf(child, `${node} ${program} '${JSON.stringify(load)}'`, load.seconds * 1_000 + graceMs);
      return JSON.parse(text) as ConfigRun;
    };
    await healthy(child, urls);
    await measure("etcd", urls, "", client, options);
    const told = await Promise.all(urls.map(async (url) => await revisionOf(child, url)));
    if (new Set(told).size !== 1) throw new Error(`etcd's members differ: revisions ${told.join(", ")}`);
  } finally {
    child.kill("SIGKILL");
    await ended;
    rmSync(directory, { recursive: true, force: true });
  }
}

/** What the shell in the namespace answers to a line. One line at a time. */
async function answerOf(child: ChildProcess, line: string, withinMs: number): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let text = "";
  const onData = (bytes: Uint8Array) => {
    text += new TextDecoder().decode(bytes);
    if (text.endsWith("done\n")) resolve(text.slice(0, -"done\n".length));
  };
  const timer = setTimeout(() => reject(new Error(`no answer within ${withinMs} ms: ${line}`)), withinMs);
  const onClose = () => reject(new Error("etcd's namespace has ended"));
  child.stdout?.on("data", onData);
  child.once("close", onClose);
  try {
    child.stdin?.write(`${line}\n`);
    return await promise;
  } finally {
    clearTimeout(timer);
    child.stdout?.off("data", onData);
    child.off("close", onClose);
  }
}

async function healthy(child: ChildProcess, urls: readonly string[]): Promise<void> {
  const endpoints = urls.map((url) => url.slice("http://".length)).join(",");
  for (let time = 0; time < 60; time++) {
    const said = await answerOf(child, `ETCDCTL_API=3 etcdctl --endpoints ${endpoints} endpoint health 2>&1`, 20_000);
    if (said.split("is healthy").length - 1 === urls.length) return;
    await sleep(500);
  }
  throw new Error("etcd's members have not found each other within 30 s");
}

async function revisionOf(child: ChildProcess, url: string): Promise<number> {
  const text = await answerOf(child, `ETCDCTL_API=3 etcdctl --endpoints ${url.slice("http://".length)} endpoint status -w json`, 20_000);
  const [member] = JSON.parse(text) as readonly { readonly Status: { readonly header: { readonly revision: number } } }[];
  return member?.Status.header.revision ?? -1;
}

async function main(): Promise<void> {
  const options = comparisonOptions(["etcd", "cardinal"], help);
  if (options === undefined) return;
  becomeRoot();
  const { code } = await run("etcd", ["--version"], {});
  if (code !== 0 && options.systems.includes("etcd")) throw new Error("etcd is not installed: apt-get install etcd-server etcd-client");
  if (!options.json) console.log(["load", "system", "durable on", "changes", "latency", "throughput"].join(" | "));
  for (const system of options.systems) await (system === "etcd" ? withEtcd : withCardinal)(options);
}

await runBenchmark(main);
