/** Lives seeds in a thread of its own: takes the options of one seed at a time, answers with its result. */
import { parentPort } from "node:worker_threads";
import { assert } from "../base/assert.ts";
import { runSeed, type SeedOptions } from "./swarm.ts";

const port = parentPort;
assert(port !== null, "this file is a worker's, not a program's");
port.on("message", (options: SeedOptions) => port.postMessage(runSeed(options)));
