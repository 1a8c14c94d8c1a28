/**
 * The store of a card's configuration as the card's main thread sees it: orders go to a thread of their own, which has SQLite and the disk, and results
 * come back in time. Nothing here waits.
 */
import type { Worker } from "node:worker_threads";
import { unreachable } from "../base/assert.ts";
import type { StoreOrder, StoreResult } from "../config/store.ts";
import type { FromThread, ToThread } from "./config-store/message.ts";
import { startThread } from "./config-store/thread.ts";

export type ConfigStoreOptions = {
  /** The card's state directory; its lock is the store's. */
  readonly directory: string;
  onResult(result: StoreResult): void;
};

export class ConfigStore {
  readonly #worker: Worker;
  readonly #options: ConfigStoreOptions;
  #closed: (() => void) | undefined;

  constructor(options: ConfigStoreOptions) {
    this.#options = options;
    this.#worker = startThread({ directory: options.directory });
    this.#worker.on("message", (message: FromThread) => this.#onMessage(message));
    // The thread meets the disk's failures with results. What it throws is a mistake of ours: nobody catches it.
    this.#worker.on("error", (error) => {
      throw error;
    });
  }

  order(order: StoreOrder): void {
    this.#say({ kind: "order", order });
  }

  /** Carries out what was ordered before, closes the database in good order and ends the thread. */
  async close(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#closed = resolve;
      this.#say({ kind: "close" });
    });
    await this.#worker.terminate();
  }

  /** Ends the thread where it is, as a power cut would. */
  async terminate(): Promise<void> {
    await this.#worker.terminate();
  }

  #say(message: ToThread): void {
    this.#worker.postMessage(message);
  }

  #onMessage(message: FromThread): void {
    switch (message.kind) {
      case "result":
        return this.#options.onResult(message.result);
      case "closed":
        return this.#closed?.();
      default:
        unreachable(message);
    }
  }
}
