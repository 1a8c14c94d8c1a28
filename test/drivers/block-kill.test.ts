/** A program that is killed while it writes leaves what it had flushed, and of a disk that keeps its power all that was done. */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { nativeBlock } from "../../drivers/block/block.ts";
import { loadAddon } from "../../drivers/load.ts";
import { BlockHistory, type Change, historyBlockBytes } from "./block-history.ts";
import { randomOf } from "./block-random.ts";

const program = fileURLToPath(new URL("block-process.ts", import.meta.url));
const blockCount = 512;
const rounds = Number(process.env["BLOCK_KILLS"] ?? 4);

/** Has it run for some time after its first line; resolves with what it said. */
async function killed(path: string, seed: number, kind: string, afterMs: number): Promise<string[]> {
  const runtime = process.versions["deno"] === undefined ? [] : ["run", "-A"];
  const child = spawn(process.execPath, [...runtime, program, path, String(seed), kind], { stdio: ["ignore", "pipe", "inherit"] });
  let said = "";
  child.stdout.on("data", (chunk) => (said += chunk));
  const ended = new Promise((resolve) => child.on("close", resolve));
  while (said === "" && child.exitCode === null) await setTimeout(5);
  await setTimeout(afterMs);
  child.kill("SIGKILL");
  await ended;
  return said.split("\n").slice(0, -1);
}

/** What the program has said, as a history. `isPlain`: what is done is durable. */
function replay(lines: readonly string[], isPlain: boolean): BlockHistory {
  const history = new BlockHistory(blockCount);
  const changes = new Map<number, { readonly change: Change; readonly fua: boolean }>();
  const flushes = new Map<number, number>();
  for (const line of lines) {
    const [kind, number = 0, first = 0, count = 0, fua = 0] = line.split(" ").map((word, index) => index === 0 ? word : Number(word));
    const id = Number(number);
    const begun = changes.get(id);
    if (kind === "b") changes.set(id, { change: history.begin(id, Number(first), Number(count)), fua: fua === 1 });
    else if (kind === "f") flushes.set(id, history.tick());
    else if (kind === "g") history.flushed(flushes.get(id) as number);
    else if (begun !== undefined) history.end(begun.change, true, begun.fua || isPlain);
  }
  return history;
}

for (const kind of ["power", "plain"]) {
  test(`block, native: what a killed program leaves on a disk (${kind})`, async () => {
    const random = randomOf(kind.length);
    for (let round = 1; round <= rounds; round++) {
      const directory = mkdtempSync(join(tmpdir(), "cardinal-block-"));
      const path = join(directory, "disk");
      const lines = await killed(path, round, kind, random(200));
      assert.ok(lines.length > 0, "the program has begun");
      const wrong = replay(lines, kind === "plain").left(0, new Uint8Array(readFileSync(path)));
      assert.is(wrong, undefined, `round ${round}, after ${lines.length} lines: ${wrong}`);
      const engine = await nativeBlock(loadAddon()).open({});
      try {
        const device = await engine.make(1);
        assert.is((await device.open(0, path)).size, blockCount * historyBlockBytes);
      } finally {
        await engine.close();
        rmSync(directory, { recursive: true });
      }
    }
  });
}

test.run();
