/**
 * The store when the world is bad: its process is killed at any instant, the log is torn, bytes flip, the disk is full or read-only. What was
 * answered is there, nothing is half there, and what is wrong is said (FS-4).
 *
 * It runs in a mount namespace of its own, for the disks that it fills.
 */
import { spawn, spawnSync } from "node:child_process";
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Prng } from "../../src/base/prng.ts";
import type { Change } from "../../src/config/change.ts";
import type { StoreResult } from "../../src/config/store.ts";
import { logPagesMax } from "../../src/limits.ts";
import { ConfigStore } from "../../src/io/config-store.ts";
import { host, type Ordered, StoreDriver, wish } from "../conformance/config-store.ts";
import { command, enterNamespaces, runCommand } from "../conformance/namespace.ts";

enterNamespaces(import.meta.url, ["--mount"]);

const program = fileURLToPath(new URL("config-store-process.ts", import.meta.url));
const prng = new Prng(4);
const between = (low: number, high: number) => low + prng.below(high - low + 1);

class Place {
  readonly store: ConfigStore;
  readonly driver: StoreDriver;

  constructor(directory: string) {
    const waiting = new Map<number, (result: StoreResult) => void>();
    let count = 0;
    this.store = new ConfigStore({ directory, onResult: (result) => waiting.get(result.order)?.(result) });
    const order = (wanted: Ordered) =>
      new Promise<StoreResult>((resolve) => {
        waiting.set(count, resolve);
        this.store.order({ ...wanted, order: count++ });
      });
    const none = () => Promise.reject(new Error("not here"));
    this.driver = new StoreDriver({ order, cutPower: none, restart: none, dump: () => Promise.resolve(dumpOf(directory)) });
  }
}

function dumpOf(directory: string): string {
  return command("sqlite3", join(directory, "configuration.db"), ".dump");
}

async function inDirectory(body: (directory: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "cardinal-store-"));
  try {
    await body(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function withPlace<Result>(directory: string, body: (place: Place) => Promise<Result>): Promise<Result> {
  const place = new Place(directory);
  try {
    return await body(place);
  } finally {
    await place.store.close();
  }
}

/** All changes of a store, from the first. */
async function chainOf(driver: StoreDriver): Promise<readonly Change[]> {
  const all: Change[] = [];
  while (true) {
    const { changes } = await driver.ask("changes", { kind: "changes", after: all.length, bytesMax: 1_000_000 });
    if (changes.length === 0) return all;
    all.push(...changes);
  }
}

/** Proves that the tables are what the chain makes of nothing. */
async function proveReplay(directory: string, replayed: string): Promise<number> {
  return await withPlace(directory, async ({ driver }) => {
    await driver.open();
    assert.equal((await driver.ask("checked", { kind: "check" })).findings, []);
    const changes = await chainOf(driver);
    assert.is(changes.length, driver.head.sequence);
    rmSync(replayed, { recursive: true, force: true });
    await withPlace(replayed, async (other) => {
      await other.driver.open();
      await other.driver.follow(changes);
      assert.is(await other.driver.place.dump(), await driver.place.dump());
    });
    return driver.head.sequence;
  });
}

/** Runs the process on the directory and kills it after so many lines and a moment; gives the last sequence that it said. */
function killedAfter(directory: string, mode: string, lines: number, momentMs: number): Promise<number> {
  const [name, ...rest] = runCommand(program);
  const child = spawn(name, [...rest, directory, mode], { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  return new Promise((resolve, reject) => {
    child.stdout.on("data", (data: Uint8Array) => {
      const wasFew = text.split("\n").length <= lines;
      text += new TextDecoder().decode(data);
      if (wasFew && text.split("\n").length > lines) void setTimeout(momentMs).then(() => child.kill("SIGKILL"));
    });
    child.on("error", reject);
    child.on("close", (code, signal) => {
      if (signal !== "SIGKILL") reject(new Error(`it ended by itself with ${code}`));
      resolve(Number(text.slice(0, text.lastIndexOf("\n")).split("\n").at(-1)));
    });
  });
}

const kills = Number(process.env["CARDINAL_KILLS"] ?? 4);

test("what was answered outlives kill -9 at any instant, and nothing is half there", () =>
  inDirectory(async (root) => {
    const directory = join(root, "store");
    for (let round = 0; round < kills; round++) {
      const said = await killedAfter(directory, "commit", between(1, 60), between(0, 20));
      const head = await proveReplay(directory, join(root, "replayed"));
      assert.ok(head === said || head === said + 1, `said ${said}, found ${head}`);
    }
  }));

for (const mode of ["setAside", "install"]) {
  test(`kill -9 around ${mode} leaves a store that is whole`, () =>
    inDirectory(async (root) => {
      const directory = join(root, "store");
      for (let round = 0; round < kills; round++) {
        await killedAfter(directory, mode, between(4, 30), between(0, 60));
        await proveReplay(directory, join(root, "replayed"));
      }
    }));
}

/** A directory as it is while its store is open: the last changes are in the log alone. */
async function crashed(root: string, changes: number): Promise<string> {
  const directory = join(root, "live");
  const copy = join(root, "crashed");
  await withPlace(directory, async ({ driver }) => {
    await driver.begin();
    await driver.changeTimes(changes);
    command("cp", "-r", directory, copy);
  });
  return copy;
}

test("a log that is torn anywhere gives the changes before, whole", () =>
  inDirectory(async (root) => {
    const original = await crashed(root, 12);
    const size = readFileSync(join(original, "configuration.db-wal")).findLastIndex((byte) => byte !== 0);
    assert.ok(size > 50_000);
    for (let round = 0; round < 8; round++) {
      const torn = join(root, `torn-${round}`);
      cpSync(original, torn, { recursive: true });
      const log = join(torn, "configuration.db-wal");
      // The file ends there; or it had its length before, and what was written from there on is not on the disk.
      const at = between(0, size);
      if (round % 2 === 0) truncateSync(log, at);
      else writeFileSync(log, readFileSync(log).fill(0, at));
      const head = await proveReplay(torn, join(root, "replayed"));
      assert.ok(head >= 0 && head <= 13);
    }
  }));

test("the log has its length beforehand, keeps it while it is written again and again, and its end is found after a crash", () =>
  inDirectory(async (root) => {
    const directory = join(root, "store");
    const log = join(directory, "configuration.db-wal");
    const dump = await withPlace(directory, async ({ driver }) => {
      await driver.begin();
      await setTimeout(200);
      const { size } = statSync(log);
      assert.is(size, 32 + logPagesMax * (24 + 4096));
      for (let round = 0; round < 3; round++) {
        await driver.changeTimes(150, `r${round}-`);
        await setTimeout(100);
        assert.is(statSync(log).size, size);
      }
      await driver.changeTimes(3, "last");
      command("cp", "-r", directory, join(root, "crashed"));
      assert.equal((await driver.ask("checked", { kind: "check" })).findings, []);
      return await driver.place.dump();
    });
    await withPlace(join(root, "crashed"), async ({ driver }) => {
      await driver.open();
      assert.is(await driver.place.dump(), dump);
      assert.equal((await driver.ask("checked", { kind: "check" })).findings, []);
    });
  }));

/** The byte at an offset, read by another process: a handle that this one closed would cost the store's thread its locks. */
function byteAt(path: string, offset: number): number {
  return spawnSync("dd", [`if=${path}`, "bs=1", `skip=${offset}`, "count=1"]).stdout[0] as number;
}

function setByte(path: string, offset: number, byte: number): void {
  spawnSync("dd", [`of=${path}`, "bs=1", `seek=${offset}`, "conv=notrunc"], { input: Uint8Array.of(byte) });
}

/** Gives the byte that was there. */
function flip(path: string, offset: number): number {
  const byte = byteAt(path, offset);
  setByte(path, offset, byte ^ (1 << between(0, 7)));
  return byte;
}

async function closed(directory: string): Promise<void> {
  await withPlace(directory, async ({ driver }) => {
    await driver.begin();
    await driver.changeTimes(20);
  });
}

test("a flipped bit anywhere in the file of a store that is closed is found when it is opened", () =>
  inDirectory(async (root) => {
    const directory = join(root, "store");
    await closed(directory);
    const path = join(directory, "configuration.db");
    const whole = join(root, "whole");
    copyFileSync(path, whole);
    const { size } = statSync(path);
    await withPlace(directory, async ({ driver }) => {
      for (let round = 0; round < 40; round++) {
        copyFileSync(whole, path);
        const offset = round === 0 ? 0 : round === 1 ? size - 1 : between(0, size - 1);
        flip(path, offset);
        const { fault } = await driver.ask("failed", { kind: "open" });
        assert.is(fault.code, "corrupt", `byte ${offset}: ${fault.message}`);
        assert.match(fault.message, path);
      }
      copyFileSync(whole, path);
      assert.is((await driver.open()).head.sequence, 21);
    });
  }));

test("a flipped bit anywhere in the file or the log of a store that works is found by the next check, and it works on", () =>
  inDirectory(async (root) => {
    const directory = join(root, "store");
    await closed(directory);
    await withPlace(directory, async ({ driver }) => {
      await driver.open();
      await driver.changeTimes(3, "more");
      const path = join(directory, "configuration.db");
      for (const name of [path, `${path}-wal`]) {
        // Of the log, what is behind its end is no data: the first frames are.
        const size = name === path ? statSync(name).size : 4096;
        for (let round = 0; round < 10; round++) {
          const offset = between(0, size - 1);
          const byte = flip(name, offset);
          const { findings } = await driver.ask("checked", { kind: "check", scope: "pages" });
          assert.ok(findings.length > 0, `${name}, byte ${offset}`);
          setByte(name, offset, byte);
          assert.equal((await driver.ask("checked", { kind: "check", scope: "pages" })).findings, []);
        }
      }
      await driver.changeTimes(2, "on");
    });
  }));

test("a page that went bad is found before a checkpoint covers it up", () =>
  inDirectory(async (root) => {
    const directory = join(root, "store");
    await closed(directory);
    await withPlace(directory, async ({ driver }) => {
      await driver.open();
      // All pages of the chain's end and of the table will be replaced by the log.
      const { size } = statSync(join(directory, "configuration.db"));
      for (let page = 0; page < size / 4096; page++) flip(join(directory, "configuration.db"), page * 4096 + 2000);
      const results: string[] = [];
      for (let index = 0; index < 200 && results.at(-1) !== "failed"; index++) {
        // The log is copied into the file while nobody asks for anything.
        if (index % 60 === 59) await setTimeout(100);
        const planned = await driver.place.order({
          kind: "plan",
          wishes: [wish(`x${index}`, [host("h1", "x".repeat(200 + index % 50))])],
          card: 1,
        });
        if (planned.kind !== "planned" || planned.outcomes[0]?.kind !== "planned") {
          results.push(planned.kind);
          continue;
        }
        await driver.commit(planned.outcomes[0].proposal).catch(() => results.push("failed"));
      }
      assert.is(results.at(-1), "failed");
      assert.is((await driver.ask("failed", { kind: "hashes", sequences: [1] })).fault.code, "corrupt");
      // And it stays found: reopening does not take the pages as they are for right.
      assert.is((await driver.ask("failed", { kind: "open" })).fault.code, "corrupt");
      await driver.ask("opened", { kind: "reset" });
      assert.ok(readdirSync(directory).some((name) => /^damaged-\d+\.db$/.test(name)));
      await driver.begin();
    });
  }));

test("what is no database of ours is not touched", () =>
  inDirectory(async (root) => {
    const text = "Dear diary, ".repeat(1_000);
    writeFileSync(join(root, "configuration.db"), text);
    await withPlace(root, async ({ driver }) => {
      const { fault } = await driver.ask("failed", { kind: "open" });
      assert.is(fault.code, "corrupt");
    });
    assert.is(readFileSync(join(root, "configuration.db"), "utf8"), text);
    rmSync(join(root, "configuration.db"));
    command("sqlite3", join(root, "configuration.db"), "CREATE TABLE diary (day); PRAGMA user_version = 7");
    await withPlace(root, async ({ driver }) => {
      assert.match((await driver.ask("failed", { kind: "open" })).fault.message, /something else/);
    });
    await withPlace(join(root, "configuration.db", "below"), async ({ driver }) => {
      assert.is((await driver.ask("failed", { kind: "open" })).fault.code, "io");
    });
  }));

test("another program that reads, and one that copied the log, do no harm", () =>
  inDirectory(async (root) => {
    const copy = await crashed(root, 12);
    // The shell recovers the log, copies it into the file and removes it: it knows nothing of the checksums.
    const dump = dumpOf(copy);
    assert.not(existsSync(join(copy, "configuration.db-wal")));
    await withPlace(copy, async ({ driver }) => {
      await driver.open();
      assert.equal((await driver.ask("checked", { kind: "check" })).findings, []);
      assert.is(await driver.place.dump(), dump);
      await driver.changeTimes(2, "on");
    });
  }));

/** Mounts a small file system for as long as `body` runs; skips, with the reason, where that is not allowed. */
async function onSmallDisk(options: string, body: (directory: string) => Promise<void>): Promise<void> {
  await inDirectory(async (directory) => {
    const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", options, "none", directory], { encoding: "utf8" });
    if (mounted.status !== 0) {
      console.log(`skipped: no file system can be mounted here: ${mounted.stderr.trim()}`);
      return;
    }
    try {
      await body(directory);
    } finally {
      command("umount", directory);
    }
  });
}

test("a full disk ends in a clear state, with what was answered, and goes on when there is room", () =>
  onSmallDisk("size=6m", async (disk) => {
    const directory = join(disk, "state");
    mkdirSync(directory);
    await withPlace(directory, async ({ driver }) => {
      await driver.begin();
      await driver.changeTimes(5);
      spawnSync("dd", ["if=/dev/zero", `of=${join(disk, "filler")}`, "bs=4k"]);
      let said = driver.head.sequence;
      let fault: string | undefined;
      for (let index = 0; index < 500 && fault === undefined; index++) {
        const wished = wish(`f${index}`, [host(`f${index}`, "x".repeat(250))]);
        const planned = await driver.place.order({ kind: "plan", wishes: [wished], card: 1 });
        if (planned.kind === "failed") fault = planned.fault.code;
        else if (planned.kind === "planned" && planned.outcomes[0]?.kind === "planned") {
          await driver.commit(planned.outcomes[0].proposal).then(
            () => said = driver.head.sequence,
            (error: Error) => fault = error.message,
          );
        }
      }
      assert.match(String(fault), /disk-full|disk is full/);
      const { fault: standing } = await driver.ask("failed", { kind: "plan", wishes: [], card: 1 });
      assert.is(standing.code, "disk-full");
      assert.match(standing.message, /configuration\.db/);
      // It may be opened while the disk is full, or not; but not be anything else than it was.
      const opened = await driver.place.order({ kind: "open" });
      if (opened.kind === "opened") assert.is(opened.head.sequence, said);
      else assert.ok(opened.kind === "failed" && opened.fault.code === "disk-full", JSON.stringify(opened));
      rmSync(join(disk, "filler"));
      assert.is((await driver.open()).head.sequence, said);
      assert.equal((await driver.ask("checked", { kind: "check" })).findings, []);
      await driver.changeTimes(20, "on");
    });
  }));

test("a read-only disk is said to be one", () =>
  onSmallDisk("size=20m", async (disk) => {
    const directory = join(disk, "state");
    await closed(directory);
    command("mount", "-o", "remount,ro", disk);
    await withPlace(directory, async ({ driver }) => {
      const { fault } = await driver.ask("failed", { kind: "open" });
      assert.is(fault.code, "read-only", fault.message);
      command("mount", "-o", "remount,rw", disk);
      await driver.open();
      await driver.changeTimes(1, "on");
    });
  }));

test.run();
