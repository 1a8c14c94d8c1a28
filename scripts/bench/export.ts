/**
 * What an export over NBD does, beside others on the same disk: fio drives a file of its own through the block engine's NBD server
 * (in a process of its own), nbdkit's file plugin and qemu-storage-daemon, and a raw file with io_uring and O_DIRECT, all in one
 * run, a load at a time for all of them in turn.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { closeSync, existsSync, fsyncSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { randomFillSync } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { runBenchmark } from "./comparison.ts";

const help = `Usage: npm run bench -- export [options]

Measures requests per second and latency of an export over NBD, beside nbdkit, qemu-storage-daemon and the raw file.

  --seconds S        length of each load (default 5)
  --rounds N         of each load for each system, of which the median counts (default 3)
  --mib N            size of each file (default 1024)
  --directory PATH   where the files are (default a temporary one)
  --transport NAME   unix or tcp (default unix)
  --system NAMES     of raw,cardinal,nbdkit,nbdkit-uncached,qemu (default raw,cardinal,nbdkit,qemu)
  --load NAMES       of those that the table shows (default all)
  --json             one line of JSON a figure

nbdkit goes through the page cache: what it has written is not on the disk until it is flushed, and what it reads need not come from
there. nbdkit-uncached drops what it has read and written from the cache again. The others use O_DIRECT.
`;

const systems = ["raw", "cardinal", "nbdkit", "nbdkit-uncached", "qemu"] as const;
type System = (typeof systems)[number];

/** What fio is told for each load. */
const loads: Readonly<Record<string, readonly string[]>> = {
  "randread-4k-qd1": ["--rw=randread", "--bs=4k", "--iodepth=1"],
  "randread-4k-qd16": ["--rw=randread", "--bs=4k", "--iodepth=16"],
  "randread-4k-qd32": ["--rw=randread", "--bs=4k", "--iodepth=32"],
  "randwrite-4k-qd1": ["--rw=randwrite", "--bs=4k", "--iodepth=1"],
  "randwrite-4k-qd16": ["--rw=randwrite", "--bs=4k", "--iodepth=16"],
  "randwrite-4k-qd32": ["--rw=randwrite", "--bs=4k", "--iodepth=32"],
  "flush-4k-qd1": ["--rw=randwrite", "--bs=4k", "--iodepth=1", "--fsync=1"],
  "seqread-1m-qd8": ["--rw=read", "--bs=1m", "--iodepth=8"],
  "seqwrite-1m-qd8": ["--rw=write", "--bs=1m", "--iodepth=8"],
};

type Figure = {
  readonly bench: "export";
  readonly system: System;
  readonly load: string;
  readonly transport: string;
  readonly iops: number;
  readonly mibPerS: number;
  readonly medianUs: number;
  readonly p99Us: number;
};

type Stand = {
  readonly system: System;
  /** The engine and the target, for fio. */
  readonly target: readonly string[];
  readonly server: ChildProcess | undefined;
};

/** Data that no server can mistake for zeroes. */
function fill(path: string, mib: number): void {
  const file = openSync(path, "w");
  const piece = new Uint8Array(1024 * 1024);
  for (let count = 0; count < mib; count++) writeSync(file, randomFillSync(piece));
  fsyncSync(file);
  closeSync(file);
}

function isMissing(program: string): boolean {
  return spawnSync(program, ["--version"]).error !== undefined;
}

const programs: Readonly<Partial<Record<System, string>>> = {
  nbdkit: "nbdkit",
  "nbdkit-uncached": "nbdkit",
  qemu: "qemu-storage-daemon",
};

/** The command line of a server of `file`, on a Unix socket or a TCP port of this machine. */
function commandOf(system: System, file: string, socket: string | undefined, port: number): readonly string[] {
  const ofTcp = socket === undefined;
  switch (system) {
    case "cardinal":
      return [
        process.execPath,
        fileURLToPath(new URL("../export-server.ts", import.meta.url)),
        `disk=${file}`,
        ...(ofTcp ? ["--tcp", `127.0.0.1:${port}`] : ["--unix", socket]),
      ];
    case "nbdkit":
    case "nbdkit-uncached":
      return [
        "nbdkit",
        "-f",
        ...(ofTcp ? ["-i", "127.0.0.1", "-p", String(port)] : ["-U", socket]),
        "file",
        file,
        ...(system === "nbdkit" ? [] : ["cache=none"]),
      ];
    case "qemu":
      return [
        "qemu-storage-daemon",
        "--blockdev",
        `driver=file,node-name=disk,filename=${file},cache.direct=on,aio=io_uring`,
        "--nbd-server",
        ofTcp ? `addr.type=inet,addr.host=127.0.0.1,addr.port=${port}` : `addr.type=unix,addr.path=${socket}`,
        "--export",
        "type=nbd,id=disk,node-name=disk,name=disk,writable=on",
      ];
    case "raw":
      return [];
  }
}

async function start(system: System, directory: string, mib: number, transport: string, index: number): Promise<Stand> {
  const file = join(directory, `${system}.img`);
  fill(file, mib);
  if (system === "raw") return { system, target: ["--ioengine=io_uring", "--direct=1", `--filename=${file}`], server: undefined };
  const port = 20_800 + (process.pid % 1_000) * 8 + index;
  const socket = transport === "unix" ? join(directory, `${system}.sock`) : undefined;
  const [program = "", ...rest] = commandOf(system, file, socket, port);
  const server = spawn(program, rest, { stdio: ["ignore", "ignore", "inherit"] });
  const uri = socket === undefined ? `nbd://127.0.0.1:${port}/disk` : `nbd+unix:///disk?socket=${socket}`;
  const until = performance.now() + 15_000;
  while (spawnSync("nbdinfo", ["--size", uri]).status !== 0) {
    if (performance.now() > until || server.exitCode !== null) throw new Error(`${program} does not serve ${uri}`);
    await sleep(50);
  }
  return { system, target: ["--ioengine=nbd", `--uri=${uri}`], server };
}

type Percentiles = { readonly percentile?: Readonly<Record<string, number>> };
type FioSide = {
  readonly iops: number;
  readonly bw_bytes: number;
  readonly clat_ns: Percentiles;
};

function measure({ system, target }: Stand, load: string, seconds: number, mib: number, transport: string): Figure {
  const { status, stdout, stderr } = spawnSync("fio", [
    "--name=load",
    ...target,
    ...(loads[load] ?? []),
    `--size=${mib}m`,
    "--time_based",
    `--runtime=${seconds}`,
    "--norandommap",
    "--output-format=json",
  ], { encoding: "utf8" });
  if (status !== 0) throw new Error(`fio on ${system}: ${stderr}${stdout}`);
  // The engine says before it that it is connected.
  const report = JSON.parse(stdout.slice(stdout.indexOf("{\n"))) as {
    readonly jobs: readonly [{ readonly read: FioSide; readonly write: FioSide; readonly sync: { readonly lat_ns: Percentiles } }];
  };
  const side = load.includes("read") ? report.jobs[0].read : report.jobs[0].write;
  // Of a write with its flush the flush is what takes time; fio counts the two apart.
  const latency = load.startsWith("flush") ? report.jobs[0].sync.lat_ns : side.clat_ns;
  const us = (percentile: string) => Math.round((latency.percentile?.[percentile] ?? 0) / 100) / 10;
  return {
    bench: "export",
    system,
    load,
    transport: system === "raw" ? "none" : transport,
    iops: Math.round(side.iops),
    mibPerS: Math.round(side.bw_bytes / 1024 / 1024),
    medianUs: us("50.000000"),
    p99Us: us("99.000000"),
  };
}

function median(figures: readonly Figure[]): Figure {
  return [...figures].sort((one, other) => one.iops - other.iops)[figures.length >> 1] as Figure;
}

function row(load: string, cells: readonly string[]): string {
  return [load.padEnd(18), ...cells.map((cell) => cell.padStart(18))].join("");
}

function printRow(load: string, figures: readonly Figure[]): void {
  const inMib = load.includes("1m");
  console.log(
    row(load, figures.map(({ iops, mibPerS, p99Us }) => `${inMib ? `${mibPerS} MiB/s` : iops} ${`(${Math.round(p99Us)})`.padStart(7)}`)),
  );
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

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seconds: { type: "string", default: "5" },
      rounds: { type: "string", default: "3" },
      mib: { type: "string", default: "1024" },
      directory: { type: "string" },
      transport: { type: "string", default: "unix" },
      system: { type: "string", default: "raw,cardinal,nbdkit,qemu" },
      load: { type: "string" },
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
  const [transport = "unix"] = named(values.transport, ["unix", "tcp"], "transport");
  const chosenLoads = named(values.load, Object.keys(loads), "load");
  for (const program of ["fio", "nbdinfo"]) {
    if (isMissing(program)) throw new Error(`${program} is not installed; Debian has it as fio, libnbd-bin`);
  }
  const chosenSystems = named(values.system, systems, "system").filter((system) => {
    const missing = programs[system] !== undefined && isMissing(programs[system] as string);
    if (missing) console.error(`${system} is missing: ${programs[system]} is not installed; Debian has it in nbdkit, qemu-system-common`);
    return !missing;
  });
  const directory = mkdtempSync(join(values.directory ?? tmpdir(), "cardinal-export-"));
  const stands: Stand[] = [];
  try {
    for (const [index, system] of chosenSystems.entries()) stands.push(await start(system, directory, mib, transport, index));
    if (!values.json) {
      console.log(`${transport}, ${seconds} s, median of ${rounds}: requests a second (99th percentile in µs)`);
      console.log(row("", chosenSystems));
    }
    for (const load of chosenLoads) {
      const measured = new Map<System, Figure[]>(stands.map(({ system }) => [system, []]));
      for (let round = 0; round < rounds; round++) {
        for (const stand of stands) measured.get(stand.system)?.push(measure(stand, load, seconds, mib, transport));
      }
      const figures = [...measured.values()].map(median);
      if (values.json) { for (const figure of figures) console.log(JSON.stringify(figure)); }
      else printRow(load, figures);
    }
  } finally {
    for (const { server } of stands) server?.kill();
    if (existsSync(directory)) rmSync(directory, { recursive: true });
  }
}

await runBenchmark(main);
