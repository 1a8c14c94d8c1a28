/**
 * A program that writes to a device and is killed in the middle of it: block-process.ts PATH SEED power|plain.
 *
 * It tells what it does, a line before each request and one after it: `b TAG FIRST COUNT FUA` and `e TAG` of writes, `f N` and `g N` of flushes.
 */
import { writeSync } from "node:fs";
import process from "node:process";
import { nativeBlock } from "../../drivers/block/block.ts";
import { loadAddon } from "../../drivers/load.ts";
import { historyBlockBytes, stamp } from "./block-history.ts";
import { randomOf } from "./block-random.ts";

const [path = "", seed = "", kind = ""] = process.argv.slice(2);
const blockCount = 512;
const workers = 8;
const random = randomOf(Number(seed));

function say(line: string): void {
  writeSync(1, `${line}\n`);
}

const engine = await nativeBlock(loadAddon()).open({ faults: true });
const device = await engine.make(1);
await device.open(0, path, { size: blockCount * historyBlockBytes });
if (kind === "power") await device.layFault(0, "power", Number(seed));
await device.serve(0);
await device.gate("open");

let lastTag = 0;
let lastFlush = 0;

async function step(): Promise<void> {
  if (random(6) === 0) {
    const flush = ++lastFlush;
    say(`f ${flush}`);
    await device.flush();
    say(`g ${flush}`);
    return;
  }
  const tag = ++lastTag;
  const count = 1 + random(8);
  const first = random(blockCount - count);
  const fua = random(6) === 0;
  say(`b ${tag} ${first} ${count} ${fua ? 1 : 0}`);
  await device.write(first * historyBlockBytes, stamp(new Uint8Array(count * historyBlockBytes), first, tag), { fua });
  say(`e ${tag}`);
}

async function work(): Promise<void> {
  for (;;) await step();
}

await Promise.all(Array.from({ length: workers }, work));
