/**
 * Figures of the configuration's store on this machine's disk: `config-store-bench.ts [CHANGES]`. It plans and commits, then fills the chain up to 50 MiB,
 * and opens, proves, copies and installs that.
 */
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { linked } from "../../src/config/chain.ts";
import type { Change, Proposal } from "../../src/config/change.ts";
import type { StoreResult } from "../../src/config/store.ts";
import { ConfigStore } from "../../src/io/config-store.ts";
import { host, type Ordered, StoreDriver, wish } from "../conformance/config-store.ts";

const count = Number(process.argv[2] ?? 500);
const root = mkdtempSync(join(tmpdir(), "cardinal-store-"));
const stores: ConfigStore[] = [];

function start(name: string): StoreDriver {
  const waiting = new Map<number, (result: StoreResult) => void>();
  let number = 0;
  const store = new ConfigStore({ directory: join(root, name), onResult: (result) => waiting.get(result.order)?.(result) });
  stores.push(store);
  const order = (wanted: Ordered) =>
    new Promise<StoreResult>((resolve) => {
      waiting.set(number, resolve);
      store.order({ ...wanted, order: number++ });
    });
  const none = () => Promise.reject(new Error("not here"));
  return new StoreDriver({ order, cutPower: none, restart: none, dump: none });
}

function residentMiB(): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync("/proc/self/status", "latin1"))?.[1]) / 1024;
}

function say(what: string, value: number, unit: string): void {
  console.log(`${what.padEnd(44)} ${value.toFixed(2).padStart(9)} ${unit}`);
}

async function timed<Result>(what: string, body: () => Promise<Result>): Promise<Result> {
  const from = performance.now();
  const result = await body();
  say(what, performance.now() - from, "ms");
  return result;
}

function sayMedian(what: string, values: number[]): void {
  values.sort((a, b) => a - b);
  say(`${what}, median`, values[values.length >> 1] as number, "ms");
  say(`${what}, 99 of 100`, values[Math.floor(values.length * 0.99)] as number, "ms");
}

try {
  const before = residentMiB();
  const driver = start("from");
  await driver.begin();
  say("resident memory that it adds", residentMiB() - before, "MiB");
  const planMs: number[] = [];
  const commitMs: number[] = [];
  const bothMs: number[] = [];
  for (let index = 0; index < count; index++) {
    const from = performance.now();
    const proposal = await driver.proposal(wish(`k${index}`, [host(`h${index % 100}`, `note ${index} ${"x".repeat(100)}`)]));
    const planned = performance.now();
    await driver.commit(proposal);
    planMs.push(planned - from);
    commitMs.push(performance.now() - planned);
    bothMs.push(performance.now() - from);
  }
  sayMedian("plan", planMs);
  sayMedian("durable commit", commitMs);
  sayMedian("plan and commit", bothMs);

  // Each change replaces the note of a row; the texts are of the kind that people write, some 5 KiB a change with its author and comment.
  const words = ["path", "array", "controller", "left", "right", "spare", "failover", "rack", "row", "cabinet"];
  const text = (length: number, seed: number) => {
    let made = "";
    for (let at = seed; made.length < length; at = (at * 31 + 7) % 9_973) made += `${words[at % words.length]}-${at} `;
    return made.slice(0, length);
  };
  const head = driver.head;
  await timed("10,000 changes of 5 KiB, 50 in a commit", async () => {
    let last: Change | undefined;
    for (let batch = 0; batch < 200; batch++) {
      const changes: Change[] = [];
      for (let index = 0; index < 50; index++) {
        const proposal: Proposal = {
          kind: "rows",
          author: "bench",
          comment: text(5_000, batch * 50 + index + 1),
          key: "",
          card: 1 as Proposal["card"],
          time: 0,
          changeset: new Uint8Array(),
        };
        last = linked(last ?? head, 1, proposal);
        changes.push(last);
      }
      await driver.follow(changes);
    }
  });
  say("database", statSync(join(root, "from", "configuration.db")).size / 1024 / 1024, "MiB");
  const made = await timed("snapshot", () => driver.ask("snapshot", { kind: "snapshot", name: "copy" }));
  say("snapshot's size", made.bytes / 1024 / 1024, "MiB");
  const during: number[] = [];
  const again = driver.ask("snapshot", { kind: "snapshot", name: "again" });
  let isMade = false;
  void again.then(() => isMade = true);
  for (let index = 0; !isMade; index++) {
    const from = performance.now();
    await driver.change(wish(`during ${index}`, [host("h1", `note ${index}`)]));
    during.push(performance.now() - from);
  }
  sayMedian("plan and commit while one is made", during);
  await timed("check of the pages", () => driver.ask("checked", { kind: "check", scope: "pages" }));
  await timed("check of everything", () => driver.ask("checked", { kind: "check" }));
  const to = start("to");
  await to.open();
  await timed("receiving the snapshot in pieces of 64 KiB", async () => {
    for (let offset = 0; offset < made.bytes; offset += 65_536) {
      const { data } = await driver.ask("piece", { kind: "readSnapshot", name: "copy", offset, bytesMax: 65_536 });
      await to.ask("written", { kind: "writeSnapshot", name: "copy", offset, data });
    }
  });
  await timed("installing it", () => to.ask("opened", { kind: "installSnapshot", name: "copy", sha256: made.sha256 }));
  await timed("opening", () => to.open());
  say("resident memory that both stores added", residentMiB() - before, "MiB");
} finally {
  for (const store of stores) await store.close();
  rmSync(root, { recursive: true, force: true });
}
