/**
 * What a mirrored device does, beside others on the same disk: `npm run bench -- mirror`. fio drives, a load at a time for all in turn: the raw file; two raw
 * files at once, which is what a mirror on this disk could reach at most; a device mirrored to one and to two backups, each engine a process of its own and
 * the backups over TCP; and qemu-storage-daemon with a write-blocking mirror to a second one over TCP. Everything is in a network namespace of its own.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { randomFillSync } from "node:crypto";
import { closeSync, existsSync, fsyncSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { runBenchmark } from "./comparison.ts";

const help = `Usage: npm run bench -- mirror [options]

Measures requests per second and latency of a mirrored device, beside raw files and qemu-storage-daemon's write-blocking mirror.

  --seconds S        length of each load (default 5)
  --rounds N         of each load for each system, of which the median counts (default 3)
  --mib N            size of each leg (default 1024)
  --directory PATH   where the files are (default a temporary one)
  --system NAMES     of raw,raw-pair,cardinal,cardinal-2,qemu (default all)
  --load NAMES       of those that the table shows (default all)
  --protocol NAME    of Cardinal's mirror: synchronous, memory or asynchronous (default synchronous)
  --json             one line of JSON a figure

raw-pair is one load on each of two files at once; its figure is the slower one's. cardinal-2 has two backups.
`;

const systems = ["raw", "raw-pair", "cardinal", "cardinal-2", "qemu"] as const;
type System = (typeof systems)[number];

const loads: Readonly<Record<string, readonly string[]>> = {
  "randwrite-4k-qd1": ["--rw=randwrite", "--bs=4k", "--iodepth=1"],
  "randwrite-4k-qd16": ["--rw=randwrite", "--bs=4k", "--iodepth=16"],
  "randwrite-4k-qd32": ["--rw=randwrite", "--bs=4k", "--iodepth=32"],
  "randread-4k-qd1": ["--rw=randread", "--bs=4k", "--iodepth=1"],
  "randread-4k-qd16": ["--rw=randread", "--bs=4k", "--iodepth=16"],
  "randread-4k-qd32": ["--rw=randread", "--bs=4k", "--iodepth=32"],
  "flush-4k-qd1": ["--rw=randwrite", "--bs=4k", "--iodepth=1", "--fsync=1"],
  "seqwrite-1m-qd8": ["--rw=write", "--bs=1m", "--iodepth=8"],
  "seqread-1m-qd8": ["--rw=read", "--bs=1m", "--iodepth=8"],
};

type Figure = {
  readonly bench: "mirror";
  readonly system: System;
  readonly load: string;
  readonly iops: number;
  readonly mibPerS: number;
  readonly medianUs: number;
  readonly p99Us: number;
  /** Of all processes of the system without fio, for each request. */
  readonly cpuUs: number;
};

/** `targets`: the engine and the target, for fio, one for each load that runs at the same time. */
type Stand = { readonly system: System; readonly targets: readonly (readonly string[])[]; readonly servers: readonly ChildProcess[] };

const variable = "CARDINAL_BENCH_NAMESPACE";
const startMs = 30_000;
const basePort = 20_900;
const serverProgram = fileURLToPath(new URL("../mirror-server.ts", import.meta.url));

/** Runs this program again in a network namespace of its own; true when that has been done. */
function enterNamespace(): boolean {
  if (process.env[variable] !== undefined) {
    spawnSync("ip", ["link", "set", "lo", "up"]);
    return false;
  }
  const asRoot = process.getuid?.() === 0 ? [] : ["--user", "--map-root-user"];
  const { status } = spawnSync("unshare", [...asRoot, "--net", "--", process.execPath, ...process.execArgv, ...process.argv.slice(1)], {
    env: { ...process.env, [variable]: "1" },
    stdio: "inherit",
  });
  process.exitCode = status ?? 1;
  return true;
}

function fill(path: string, mib: number): void {
  const file = openSync(path, "w");
  const piece = new Uint8Array(1024 * 1024);
  for (let count = 0; count < mib; count++) writeSync(file, randomFillSync(piece));
  fsyncSync(file);
  closeSync(file);
}

async function waitFor(what: string, isSo: () => boolean): Promise<void> {
  const end = performance.now() + startMs;
  while (!isSo()) {
    if (performance.now() > end) throw new Error(`${what}: not within ${startMs / 1_000} s`);
    await sleep(50);
  }
}

function launch(program: string, arguments_: readonly string[]): ChildProcess {
  return spawn(program, arguments_, { stdio: ["ignore", "ignore", "inherit"] });
}

const isServed = (uri: string) => spawnSync("nbdinfo", ["--size", uri]).status === 0;

/** A leg's data is what fio wrote there before: each load begins with all blocks written. */
function writeAll(uri: string, mib: number): void {
  spawnSync("fio", ["--name=fill", "--ioengine=nbd", `--uri=${uri}`, "--rw=write", "--bs=1m", "--iodepth=4", `--size=${mib}m`]);
}

async function startCardinal(system: System, directory: string, mib: number, backups: number, protocol: string): Promise<Stand> {
  const servers: ChildProcess[] = [];
  const at = (number: number) => `127.0.0.1:${basePort + 10 * backups + number}`;
  const leg = (
    number: number,
  ) => ["--leg", join(directory, `${system}-${number}.img`), "--format", String(mib * 2 ** 20), "--number", String(number)];
  const backupAddresses = Array.from({ length: backups }, (_, index) => at(index + 1));
  for (const [index, address] of backupAddresses.entries()) {
    servers.push(launch(process.execPath, [serverProgram, "backup", ...leg(index + 1), "--tcp", address]));
  }
  for (const address of backupAddresses) await listens(Number(address.split(":")[1]));
  const socket = join(directory, `${system}.sock`);
  const calls = backupAddresses.flatMap((address) => ["--backup", address]);
  servers.push(launch(process.execPath, [serverProgram, "primary", ...leg(0), ...calls, "--unix", socket, "--protocol", protocol]));
  const uri = `nbd+unix:///mirror?socket=${socket}`;
  await waitFor(`${system} serves ${uri}`, () => isServed(uri));
  writeAll(uri, mib);
  return { system, targets: [["--ioengine=nbd", `--uri=${uri}`]], servers };
}

/** Asked of the kernel, for a connection would be one that the server takes. */
async function listens(port: number): Promise<void> {
  await waitFor(
    `port ${port} is listened on`,
    () => spawnSync("ss", ["-Hltn", `sport = :${port}`], { encoding: "utf8" }).stdout.includes(String(port)),
  );
}

/** Gives orders over QMP, until the mirror is told to be ready. */
function mirrorQemu(monitor: string, port: number): Promise<void> {
  const orders = [
    { execute: "qmp_capabilities" },
    {
      execute: "blockdev-add",
      arguments: { driver: "nbd", "node-name": "far", server: { type: "inet", host: "127.0.0.1", port: String(port) }, export: "far" },
    },
    {
      execute: "blockdev-mirror",
      arguments: { "job-id": "mirror", device: "near", target: "far", sync: "full", "copy-mode": "write-blocking" },
    },
  ];
  return new Promise((resolve, reject) => {
    const socket = connect(monitor);
    const timer = setTimeout(() => reject(new Error("qemu's mirror is not ready in time")), 120_000);
    let text = "";
    socket.setEncoding("utf8").on("error", reject).on("data", (piece) => {
      text += piece;
      const lines = text.split("\n");
      text = lines.pop() ?? "";
      for (const line of lines) {
        const told = JSON.parse(line) as { QMP?: unknown; return?: unknown; error?: { desc: string }; event?: string };
        if (told.error !== undefined) reject(new Error(`qemu: ${told.error.desc}`));
        if (told.QMP !== undefined || told.return !== undefined) {
          const order = orders.shift();
          if (order !== undefined) socket.write(`${JSON.stringify(order)}\n`);
        }
        if (told.event !== "BLOCK_JOB_READY") continue;
        clearTimeout(timer);
        resolve();
      }
    });
  });
}

async function startQemu(directory: string, mib: number): Promise<Stand> {
  const [near, far, socket, monitor] = ["qemu-0.img", "qemu-1.img", "qemu.sock", "qemu.monitor"].map((name) => join(directory, name)) as [
    string,
    string,
    string,
    string,
  ];
  const port = basePort + 50;
  fill(near, mib);
  fill(far, mib);
  const disk = (
    name: string,
    file: string,
  ) => ["--blockdev", `driver=file,node-name=${name},filename=${file},cache.direct=on,aio=io_uring`];
  const servers = [
    launch("qemu-storage-daemon", [
      ...disk("far", far),
      "--nbd-server",
      `addr.type=inet,addr.host=127.0.0.1,addr.port=${port}`,
      "--export",
      "type=nbd,id=far,node-name=far,name=far,writable=on",
    ]),
    launch("qemu-storage-daemon", [
      ...disk("near", near),
      "--chardev",
      `socket,id=monitor,path=${monitor},server=on,wait=off`,
      "--monitor",
      "chardev=monitor",
      "--nbd-server",
      `addr.type=unix,addr.path=${socket}`,
      "--export",
      "type=nbd,id=near,node-name=near,name=near,writable=on",
    ]),
  ];
  await waitFor(
    "qemu-storage-daemon serves",
    () => isServed(`nbd://127.0.0.1:${port}/far`) && isServed(`nbd+unix:///near?socket=${socket}`),
  );
  await mirrorQemu(monitor, port);
  return { system: "qemu", targets: [["--ioengine=nbd", `--uri=nbd+unix:///near?socket=${socket}`]], servers };
}

function startRaw(system: System, directory: string, mib: number, count: number): Stand {
  const files = Array.from({ length: count }, (_, index) => join(directory, `${system}-${index}.img`));
  for (const file of files) fill(file, mib);
  return { system, targets: files.map((file) => ["--ioengine=io_uring", "--direct=1", `--filename=${file}`]), servers: [] };
}

async function start(system: System, directory: string, mib: number, protocol: string): Promise<Stand> {
  switch (system) {
    case "raw":
      return startRaw(system, directory, mib, 1);
    case "raw-pair":
      return startRaw(system, directory, mib, 2);
    case "cardinal":
      return await startCardinal(system, directory, mib, 1, protocol);
    case "cardinal-2":
      return await startCardinal(system, directory, mib, 2, protocol);
    case "qemu":
      return await startQemu(directory, mib);
  }
}

/** Of the processes, in microseconds; the kernel counts in hundredths of a second. */
function cpuUs(servers: readonly ChildProcess[]): number {
  return servers.reduce((sum, { pid }) => {
    const { stdout } = spawnSync("cat", [`/proc/${pid}/stat`], { encoding: "utf8" });
    const fields = stdout.slice(stdout.lastIndexOf(")") + 2).split(" ");
    return sum + (Number(fields[11]) + Number(fields[12])) * 10_000;
  }, 0);
}

type FioSide = {
  readonly iops: number;
  readonly total_ios: number;
  readonly bw_bytes: number;
  readonly clat_ns: { readonly percentile?: Readonly<Record<string, number>> };
};

/** The load on each of the stand's targets at once; fio runs as one process with a job for each. */
function measure({ system, targets, servers }: Stand, load: string, seconds: number, mib: number): Figure {
  const jobs = targets.flatMap((target, index) => [
    `--name=load${index}`,
    ...target,
    ...(loads[load] ?? []),
    `--size=${mib}m`,
    "--time_based",
    `--runtime=${seconds}`,
    "--norandommap",
  ]);
  const before = cpuUs(servers);
  const { status, stdout, stderr } = spawnSync("fio", [...jobs, "--output-format=json"], { encoding: "utf8" });
  if (status !== 0) throw new Error(`fio on ${system}: ${stderr}${stdout}`);
  const spent = cpuUs(servers) - before;
  const report = JSON.parse(stdout.slice(stdout.indexOf("{\n"))) as {
    readonly jobs: readonly { readonly read: FioSide; readonly write: FioSide }[];
  };
  const sides = report.jobs.map(({ read, write }) => (load.includes("read") ? read : write));
  const side = sides.reduce((slowest, each) => (each.iops < slowest.iops ? each : slowest));
  const us = (percentile: string) => Math.round((side.clat_ns.percentile?.[percentile] ?? 0) / 100) / 10;
  return {
    bench: "mirror",
    system,
    load,
    iops: Math.round(side.iops),
    mibPerS: Math.round(side.bw_bytes / 1024 / 1024),
    medianUs: us("50.000000"),
    p99Us: us("99.000000"),
    cpuUs: Math.round(10 * spent / side.total_ios) / 10,
  };
}

function median(figures: readonly Figure[]): Figure {
  return [...figures].sort((one, other) => one.iops - other.iops)[figures.length >> 1] as Figure;
}

function row(load: string, cells: readonly string[]): string {
  return [load.padEnd(18), ...cells.map((cell) => cell.padStart(24))].join("");
}

function cellOf(load: string, { iops, mibPerS, p99Us, cpuUs: cpu }: Figure): string {
  const most = load.includes("1m") ? `${mibPerS} MiB/s` : String(iops);
  return `${most} (${Math.round(p99Us)}, ${cpu})`;
}

function named<Name extends string>(text: string | undefined, known: readonly Name[], option: string): readonly Name[] {
  if (text === undefined) return known;
  return text.split(",").map((each) => {
    const name = known.find((one) => one === each);
    if (name === undefined) throw new Error(`--${option} is ${each}, must be of ${known.join(", ")}`);
    return name;
  });
}

function whole(text: string, min: number, max: number, option: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new Error(`--${option} is ${text}, must be a whole number from ${min} to ${max}`);
  }
  return value;
}

/** The systems whose programs are there; of the others it says why they are missing. */
function present(chosen: readonly System[]): readonly System[] {
  const isThere = (program: string) => spawnSync(program, ["--version"]).error === undefined;
  for (const program of ["fio", "nbdinfo"]) {
    if (!isThere(program)) throw new Error(`${program} is not installed; Debian has it as fio, libnbd-bin`);
  }
  return chosen.filter((system) => {
    const isMissing = system === "qemu" && !isThere("qemu-storage-daemon");
    if (isMissing) console.error("qemu is missing: qemu-storage-daemon is not installed; Debian has it in qemu-system-common");
    return !isMissing;
  });
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seconds: { type: "string", default: "5" },
      rounds: { type: "string", default: "3" },
      mib: { type: "string", default: "1024" },
      directory: { type: "string" },
      system: { type: "string" },
      load: { type: "string" },
      protocol: { type: "string", default: "synchronous" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(help);
    return;
  }
  const [seconds, rounds, mib] = [
    whole(values.seconds, 1, 600, "seconds"),
    whole(values.rounds, 1, 100, "rounds"),
    whole(values.mib, 16, 65_536, "mib"),
  ];
  const [protocol = "synchronous"] = named(values.protocol, ["synchronous", "memory", "asynchronous"], "protocol");
  const chosenLoads = named(values.load, Object.keys(loads), "load");
  const chosenSystems = present(named(values.system, systems, "system"));
  if (enterNamespace()) return;
  const directory = mkdtempSync(join(values.directory ?? tmpdir(), "cardinal-mirror-"));
  const stands: Stand[] = [];
  try {
    for (const system of chosenSystems) stands.push(await start(system, directory, mib, protocol));
    if (!values.json) {
      console.log(
        `${protocol}, ${seconds} s, median of ${rounds}: requests a second (99th percentile in µs, the servers' processor time for each in µs)`,
      );
      console.log(row("", chosenSystems));
    }
    for (const load of chosenLoads) {
      const measured = new Map<System, Figure[]>(stands.map(({ system }) => [system, []]));
      for (let round = 0; round < rounds; round++) {
        for (const stand of stands) measured.get(stand.system)?.push(measure(stand, load, seconds, mib));
      }
      const figures = [...measured.values()].map(median);
      if (values.json) { for (const figure of figures) console.log(JSON.stringify(figure)); }
      else console.log(row(load, figures.map((figure) => cellOf(load, figure))));
    }
  } finally {
    for (const { servers } of stands) for (const server of servers) server.kill();
    if (existsSync(directory)) rmSync(directory, { recursive: true });
  }
}

await runBenchmark(main);
