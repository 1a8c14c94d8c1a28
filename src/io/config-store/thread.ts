/**
 * Starts the store's thread: from its source, or in the single executable from the bundle that is its asset.
 *
 * It is started once the card runs in real time, if it does (drivers/realtime/realtime.h): threads that are
 * started then are normal ones, and a slow disk's work is none that beats should wait for.
 */
import process from "node:process";
import { Worker } from "node:worker_threads";
import type { ThreadSettings } from "./message.ts";

/** The name of the bundle among the executable's assets; scripts/build.ts makes it. */
const bundleAsset = "config-store.js";

type Sea = { isSea(): boolean; getAsset(name: string, encoding: "utf8"): string };

export function startThread(settings: ThreadSettings): Worker {
  const options = {
    workerData: settings,
    name: "config-store",
    // What it holds is the pages of two connections and one change at a time; a plan of a large file is the most.
    resourceLimits: { maxYoungGenerationSizeMb: 1, maxOldGenerationSizeMb: 64, stackSizeMb: 1 },
  };
  const sea = (process as { getBuiltinModule?: (name: string) => unknown }).getBuiltinModule?.("node:sea") as Sea | undefined;
  if (sea?.isSea() === true) return new Worker(sea.getAsset(bundleAsset, "utf8"), { ...options, eval: true });
  return new Worker(new URL("./worker.ts", import.meta.url), options);
}
