/**
 * A process with a store that is to be killed: `config-store-process.ts DIRECTORY commit|setAside|install`. It works on and on,
 * and says the sequence of each change on a line of its own once that is durable.
 */
import process from "node:process";
import type { StoreResult } from "../../src/config/store.ts";
import { ConfigStore } from "../../src/io/config-store.ts";
import { host, type Ordered, StoreDriver, wish } from "../conformance/config-store.ts";

const [directory, mode] = process.argv.slice(2) as [string, string];
const waiting = new Map<number, (result: StoreResult) => void>();
let count = 0;
const store = new ConfigStore({ directory, onResult: (result) => waiting.get(result.order)?.(result) });
const order = (wanted: Ordered) =>
  new Promise<StoreResult>((resolve) => {
    waiting.set(count, resolve);
    store.order({ ...wanted, order: count++ });
  });
const none = () => Promise.reject(new Error("not here"));
const driver = new StoreDriver({ order, cutPower: none, restart: none, dump: none });
const run = `${process.pid}`;

async function change(index: number): Promise<void> {
  await driver.change(wish(`${run} ${index}`, [host(`h${index % 7}`, `note ${run} ${index} ${"x".repeat(index % 200)}`)]));
  process.stdout.write(`${driver.head.sequence}\n`);
}

const { level } = await driver.open();
if (level === 0) await driver.begin();
process.stdout.write(`${driver.head.sequence}\n`);
for (let index = 0;; index++) {
  await change(index);
  if (mode === "commit" || index % 5 !== 4) continue;
  if (mode === "setAside") {
    const common = (await driver.ask("hashes", { kind: "hashes", sequences: [driver.head.sequence - 2] })).heads[0];
    const { head, branches } = await driver.ask("opened", { kind: "setAside", common: common as NonNullable<typeof common> });
    driver.head = head;
    for (const { id } of branches) await driver.ask("discarded", { kind: "discardBranch", id });
  } else {
    const name = `copy-${run}-${index}`;
    const made = await driver.receive(driver, name);
    driver.head = (await driver.ask("opened", { kind: "installSnapshot", name, sha256: made.sha256 })).head;
  }
}
