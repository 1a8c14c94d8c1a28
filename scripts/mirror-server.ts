/**
 * A block engine of its own with one leg, for benchmarks and crash tests of the mirror alone. Roles:
 *
 *   backup --leg PATH --tcp HOST:PORT            serves its leg to whoever connects
 *   primary --leg PATH --backup HOST:PORT ...    mirrors to the backups, and exports the device as `mirror` with --unix PATH or --nbd HOST:PORT
 *
 * --format BYTES makes the leg first, blank and in sync; --number N is the leg's (0 the primary's); --protocol NAME; --term N. It prints `ready PORT` once it
 * serves, and ends with SIGTERM. There is no handshake: a greeting of one byte stands for it.
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { nativeBlock } from "../drivers/block/block.ts";
import { mirrorNews, nativeMirror } from "../drivers/block/mirror.ts";
import { nativeDoor } from "../drivers/door/door.ts";
import { loadAddon } from "../drivers/load.ts";
import type { BlockNews } from "../src/io/block-ports.ts";
import type { MirrorSettings } from "../src/io/mirror-ports.ts";
import { NbdServer, type ServedExport } from "../src/io/nbd-server.ts";
import { nbdRequestBytesMax } from "../src/limits.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    leg: { type: "string", default: "" },
    tcp: { type: "string", default: "" },
    backup: { type: "string", multiple: true, default: [] },
    unix: { type: "string" },
    nbd: { type: "string" },
    format: { type: "string" },
    number: { type: "string", default: "0" },
    term: { type: "string", default: "1" },
    protocol: { type: "string", default: "synchronous" },
    verbose: { type: "boolean", default: false },
  },
});

const device = 1;
const [mirrorSlot, legSlot, backingSlot] = [0, 1, 2];
const metadataBytes = 1 << 20;
const number = Number(values.number);
const term = Number(values.term);
const others = [0, 1, 2, 3].filter((other) => other !== number);
const greeting = new Uint8Array([1]);

const addon = loadAddon();
let server: NbdServer | undefined;

function onNews(news: BlockNews): void {
  const told = mirrorNews(news);
  if (told !== undefined && values.verbose) console.error(JSON.stringify(told));
  server?.onNews(news);
}

function addressOf(text: string): { host: string; port: number } {
  const at = text.lastIndexOf(":");
  return { host: text.slice(0, at), port: Number(text.slice(at + 1)) };
}

const engine = await nativeBlock(addon).open({ onNews });
const block = await engine.make(device);
const mirror = nativeMirror(engine, device);
const released = new Map<number, (descriptor: number) => void>();
const door = nativeDoor(addon).open(16, {
  accepted: (connection) => {
    released.set(connection, (descriptor) => void mirror.serve(descriptor, legSlot, { forgets: true }));
    door.answer(connection, greeting, "release");
  },
  bytes: (connection) => door.answer(connection, new Uint8Array(), "release"),
  sent() {},
  gone: (connection, error) => {
    if (released.delete(connection)) throw new Error(`the backup is gone: ${error}`);
  },
  deaf() {},
  released: (connection, descriptor) => {
    released.get(connection)?.(descriptor);
    released.delete(connection);
  },
});

async function openLeg(): Promise<number> {
  const size = values.format === undefined ? 0 : Number(values.format) + metadataBytes;
  await block.open(backingSlot, values.leg, { size, allocated: true });
  if (values.format !== undefined) {
    const ids = { device: new Uint8Array(16), leg: new Uint8Array(16).fill(number) };
    await mirror.format(backingSlot, { ...ids, size: Number(values.format), term, bitmaps: others });
  }
  const leg = await mirror.openLeg(backingSlot, legSlot);
  if (values.format !== undefined) await mirror.setBits(legSlot, others, "none");
  await block.raise(term);
  return leg.size;
}

async function attach(address: string, peer: number): Promise<void> {
  const { host, port } = addressOf(address);
  const connection = door.connect(host, port);
  const descriptor = await new Promise<number>((resolve) => {
    released.set(connection, resolve);
    // Nothing is said: what the backup did not read as a greeting it would take for a frame.
    door.answer(connection, new Uint8Array(), "more");
  });
  await mirror.attach(peer, descriptor, number, "in-sync");
}

const size = await openLeg();
let port = 0;
if (positionals[0] === "backup") {
  await block.serve(legSlot);
  await block.gate("open");
  port = door.listen(1, addressOf(values.tcp));
} else {
  const protocol = values.protocol as MirrorSettings["protocol"];
  await mirror.make(legSlot, mirrorSlot, term);
  await mirror.set({ protocol, behindBytesMax: 8 << 20, timeoutMs: 6_000, resyncMost: 0, resyncLeast: 16 << 20, resyncFill: 8 << 20 });
  for (const [index, address] of values.backup.entries()) await attach(address, index + 1);
  await block.serve(mirrorSlot);
  await block.gate("open");
  const exported: ServedExport = {
    name: "mirror",
    description: values.leg,
    sizeBytes: size,
    readOnly: false,
    blockBytes: 512,
    preferredBytes: 4_096,
    requestBytesMax: nbdRequestBytesMax,
    canTrim: true,
    canZero: true,
    zeroesFast: false,
    multipleConnections: true,
    device,
  };
  server = new NbdServer({
    door: nativeDoor(addon),
    engine,
    exports: { list: () => [exported], find: () => exported },
    events: {},
  });
  if (values.unix !== undefined) server.listen({ path: values.unix });
  if (values.nbd !== undefined) port = server.listen(addressOf(values.nbd)).port;
}
process.on("SIGTERM", () => {
  void (async () => {
    await server?.close();
    await block.remove();
    await engine.close();
    await door.close();
  })();
});
console.log(`ready ${port}`);
