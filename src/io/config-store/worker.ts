/** The store's thread: orders come in, are carried out in their order, results go out. Whatever it waits for, the card's beats do not. */
import { parentPort, workerData } from "node:worker_threads";
import { assert } from "../../base/assert.ts";
import { chainBytesMax, chainChangesMax, logPagesMax, storeRestMs } from "../../limits.ts";
import type { StoreResult } from "../../config/store.ts";
import { ConfigDatabase } from "./database.ts";
import { databaseRules } from "./database-rules.ts";
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
let resting: ReturnType<typeof setTimeout> | undefined;

function say(message: FromThread): void {
  port.postMessage(message);
}

port.on("message", (message: ToThread) => {
  if (message.kind === "close") {
    clearTimeout(resting);
    database.close();
    say({ kind: "closed" });
    return;
  }
  const { order } = message;
  say({ kind: "result", result: { order: order.order, ...database.carryOut(order) } as StoreResult });
  clearTimeout(resting);
  resting = setTimeout(() => database.rest(), storeRestMs);
});
