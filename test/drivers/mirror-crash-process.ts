/**
 * One side of a mirror, to be killed, which says what it does in a file. `LOG backup NUMBER PATH` says `ready PORT`. `LOG primary NUMBER PATH PORT TERM FIRST` says `synchronized`, waits for a line, and
 * then writes, with a line for each thing that it asks for and is told: `ask PLACE NUMBER`, `done PLACE NUMBER`, numbers from FIRST on; and `out` when
 * the backup is noted as out of sync.
 */
import { openSync, writeSync } from "node:fs";
import process from "node:process";
import { nativeBlock } from "../../drivers/block/block.ts";
import { mirrorNews, nativeMirror } from "../../drivers/block/mirror.ts";
import { nativeDoor } from "../../drivers/door/door.ts";
import { loadAddon } from "../../drivers/load.ts";
import { Prng } from "../../src/base/prng.ts";
import type { BlockNews } from "../../src/io/block-ports.ts";
import { contentOf, crashHotMax, crashPlaces } from "./mirror-oracle.ts";
import { settings } from "./mirror-rig.ts";

const [log = "", role, ...rest] = process.argv.slice(2);
const [own = 0, , port = 0, term = 1, first = 1] = rest.map(Number);
const path = rest[1] as string;
const other = 1 - own;
const [device, mirrorSlot, legSlot, backingSlot] = [1, 0, 1, 2];
const writers = 16;

// A pipe could be full; what is in a file is there when its writer is dead.
const said = openSync(log, "a");
const say = (line: string) => writeSync(said, `${line}\n`);
const addon = loadAddon();
const engine = await nativeBlock(addon).open({ onNews });
const block = await engine.make(device);
const mirror = nativeMirror(engine, device);
let last = first;

function onNews(news: BlockNews): void {
  const told = mirrorNews(news);
  if (told?.kind === "walkEnded" && told.code === undefined && told.dirty === 0) say("synchronized");
  if (told?.kind === "lost") void goOn();
}

/** 'Out of sync' is durable before anything is acknowledged that the backup missed. */
async function goOn(): Promise<void> {
  await mirror.record(legSlot, { term, bitmaps: [other], missing: [other] });
  say("out");
  await mirror.proceed([other]);
}

/** Places of its own, so that of each the newest number is known. */
async function write(writer: number): Promise<never> {
  const prng = new Prng(first + writer);
  for (;;) {
    const place = writer + writers * prng.below(Math.floor(crashPlaces.count / writers));
    const number = last++;
    say(`ask ${place} ${number}`);
    await block.write(place * crashPlaces.strideBytes, contentOf(number));
    say(`done ${place} ${number}`);
  }
}

async function attach(descriptor: number): Promise<void> {
  await mirror.make(legSlot, mirrorSlot, term);
  await mirror.set(settings);
  await block.serve(mirrorSlot);
  await block.gate("open");
  await mirror.attach(other, descriptor, own, "synchronizing");
  await mirror.walk(other, { unite: true, counts: true, compare: true });
}

await block.open(backingSlot, path);
await mirror.openLeg(backingSlot, legSlot, { hotMax: crashHotMax });
await block.raise(term);
await mirror.record(legSlot, { term, bitmaps: [other] });
const door = nativeDoor(addon).open(4, {
  accepted: (connection) => door.answer(connection, new Uint8Array(1), "release"),
  bytes: (connection) => door.answer(connection, new Uint8Array(), "release"),
  sent() {},
  gone() {},
  deaf() {},
  released: (_connection, descriptor) => void (role === "primary" ? attach(descriptor) : mirror.serve(descriptor, legSlot)),
});
if (role === "primary") {
  process.stdin.once("data", () => {
    for (let writer = 0; writer < writers; writer++) void write(writer);
  });
  door.answer(door.connect("127.0.0.1", port), new Uint8Array(), "more");
} else {
  await block.serve(legSlot);
  await block.gate("open");
  say(`ready ${door.listen(1, { host: "127.0.0.1", port: 0 })}`);
}
