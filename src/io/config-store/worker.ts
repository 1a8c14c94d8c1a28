/** The store's thread: orders come in, are carried out in their order, results go out. Whatever it waits for, the card's beats do not. */
import { parentPort, workerData } from "node:worker_threads";
import { setImmediate } from "node:timers";
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
});
const reads = new StoreReads(database);
const replacing = new Set<StoreOrder["kind"]>(["open", "installSnapshot", "setAside", "reset"]);
/** Orders that take long, the first of them under way. */
const long: { readonly order: number; readonly run: LongOrder }[] = [];
let isSlicing = false;
let resting: ReturnType<typeof setTimeout> | undefined;

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
}

/** Orders that have come meanwhile go before the next slice. */
function continueLong(): void {
  slice();
  isSlicing = long.length > 0;
  if (isSlicing) setImmediate(continueLong);
}

/** Those that put another database in the place of this one are not to meet somebody who is reading it. */
function finishLong(): void {
  while (long.length > 0) slice();
}

function onOrder(order: StoreOrder): void {
  if (replacing.has(order.kind)) {
    finishLong();
    reads.close();
  }
  const result = database.carryOut(order);
  if ("kind" in result) answer(order.order, result);
  else {
    long.push({ order: order.order, run: result });
    if (!isSlicing) setImmediate(continueLong);
    isSlicing = true;
  }
  clearTimeout(resting);
  resting = setTimeout(() => database.rest(), storeRestMs);
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
