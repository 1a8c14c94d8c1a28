/** The store's thread: orders come in, are carried out in their order, results go out. Whatever it waits for, the card's beats do not. */
import { parentPort, workerData } from "node:worker_threads";
import { clearTimeout, setImmediate, setTimeout } from "node:timers";
import { assert, unreachable } from "../../base/assert.ts";
import { chainBytesMax, chainChangesMax, logPagesMax, storeRestMs } from "../../limits.ts";
import type { StoreOrder, StoreResult } from "../../config/store.ts";
import { type BareResult, ConfigDatabase, type LongOrder } from "./database.ts";
import { databaseRules } from "./database-rules.ts";
import { StoreReads } from "./reads.ts";
import type { FromThread, ThreadSettings, ToThread } from "./message.ts";

assert(parentPort !== null, "the store's thread has somebody who started it");
const port = parentPort;
const { directory } = workerData as ThreadSettings;
const database = new ConfigDatabase({
  directory,
  rules: databaseRules,
  bounds: { changesMax: chainChangesMax, bytesMax: chainBytesMax, logPagesMax },
  wallClock: Date.now,
  onReplace: () => reads.close(),
});
const reads = new StoreReads(database);
const replacing = new Set<StoreOrder["kind"]>(["open", "installSnapshot", "setAside", "reset"]);
/** Orders that take long, the first of them under way. */
const long: { readonly order: number; readonly run: LongOrder }[] = [];
let isSlicing = false;
/** While a snapshot is proven and takes the database's place, only reads go before its next slice: these orders wait for its end. */
let waiting: StoreOrder[] | undefined;
const resting = setTimeout(() => database.rest(), storeRestMs);

function say(message: FromThread): void {
  port.postMessage(message);
}

function answer(order: number, result: BareResult): void {
  const tables = result.kind === "committed" ? { tables: database.tablesChanged } : {};
  say({ kind: "result", result: { order, ...result } as StoreResult, ...tables });
}

function slice(): void {
  const [first] = long;
  if (first === undefined) return;
  const step = first.run.next();
  if (!step.done) return;
  long.shift();
  answer(first.order, step.value);
  const orders = waiting ?? [];
  waiting = undefined;
  for (const order of orders) onOrder(order);
}

/** What has come meanwhile goes before the next slice. */
function continueLong(): void {
  isSlicing = false;
  slice();
  if (long.length > 0) sliceSoon();
}

function sliceSoon(): void {
  if (!isSlicing) setImmediate(continueLong);
  isSlicing = true;
}

/** Those that put another database in the place of this one are not to meet somebody who is reading it. */
function finishLong(): void {
  while (long.length > 0) slice();
}

function onOrder(order: StoreOrder): void {
  if (waiting !== undefined) return void waiting.push(order);
  if (replacing.has(order.kind)) finishLong();
  if (order.kind === "installSnapshot") waiting = [];
  else if (replacing.has(order.kind)) reads.close();
  const result = database.carryOut(order);
  if ("kind" in result) {
    waiting = undefined;
    answer(order.order, result);
  } else {
    long.push({ order: order.order, run: result });
    sliceSoon();
  }
  resting.refresh();
}

port.on("message", (message: ToThread) => {
  switch (message.kind) {
    case "order":
      return onOrder(message.order);
    case "read":
      return say({ kind: "answer", number: message.number, answer: reads.answer(message.read) });
    case "close":
      clearTimeout(resting);
      finishLong();
      reads.close();
      database.close();
      return say({ kind: "closed" });
    default:
      unreachable(message);
  }
});
