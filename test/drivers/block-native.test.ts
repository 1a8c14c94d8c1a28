/** What only the native block engine can be asked: block devices, files that change under it, and what it leaves behind. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { nativeBlock } from "../../drivers/block/block.ts";
import { loadAddon } from "../../drivers/load.ts";
import type { BlockEngine, BlockFailure, BlockOptions } from "../../src/io/block-ports.ts";

const driver = nativeBlock(loadAddon());
const mib = 1_024 * 1_024;

/** Runs with an engine and a directory, both gone afterwards however it ended. */
async function withEngine(run: (engine: BlockEngine, directory: string) => Promise<void>, options: BlockOptions = {}): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "cardinal-block-"));
  const engine = await driver.open({ faults: true, ...options });
  try {
    await run(engine, directory);
  } finally {
    await engine.close();
    rmSync(directory, { recursive: true });
  }
}

function codeFrom(promise: Promise<unknown>): Promise<string> {
  return promise.then(() => "none", (error) => (error as { code: string }).code);
}

function held(): { readonly descriptors: number; readonly threads: readonly string[] } {
  const names = readdirSync("/proc/self/task").map((thread) => readFileSync(`/proc/self/task/${thread}/comm`, "utf8").trim());
  return { descriptors: readdirSync("/proc/self/fd").length, threads: names.filter((name) => name.startsWith("cardinal-")) };
}

test("an engine that is closed leaves no thread and no descriptor, and takes the requests with it", async () => {
  const round = () =>
    withEngine(async (engine, directory) => {
      const device = await engine.make(1);
      await device.open(0, join(directory, "disk"), { size: mib });
      await device.layFault(0, "rules", 1);
      await device.addFault(0, { action: "hang", verbs: ["write"] });
      const hung = codeFrom(device.write(0, new Uint8Array(4_096), { slot: 0 }));
      await engine.close();
      assert.is(await hung, "EPIPE");
    }, { reactors: 2 });
  await round();
  await setTimeout(100);
  const before = held();
  for (let count = 0; count < 10; count++) await round();
  await setTimeout(200);
  const after = held();
  assert.equal(after.threads, []);
  assert.ok(after.descriptors < before.descriptors + 5, `${after.descriptors} descriptors after ${before.descriptors}`);
});

test("a program with an engine ends at once when it exits", () => {
  const program = fileURLToPath(new URL("block-exit-process.ts", import.meta.url));
  const runtime = process.versions["deno"] === undefined ? [] : ["run", "-A"];
  const { status, stderr } = spawnSync(process.execPath, [...runtime, program], { encoding: "utf8", timeout: 20_000 });
  assert.equal([status, stderr], [7, ""]);
});

test("a file that becomes smaller under the engine fails what is beyond its end, and that is told", async () => {
  const failures: BlockFailure[] = [];
  const onFailure = (failure: BlockFailure) => failures.push(failure);
  await withEngine(async (engine, directory) => {
    const path = join(directory, "disk");
    const device = await engine.make(4);
    await device.open(2, path, { size: mib });
    truncateSync(path, mib / 2);
    assert.is(await codeFrom(device.read(mib / 2, 4_096, { slot: 2 })), "EIO");
    assert.is(await codeFrom(device.read(mib / 2 - 4_096, 8_192, { slot: 2 })), "EIO");
    assert.is(await codeFrom(device.read(0, 4_096, { slot: 2 })), "none");
    assert.equal(failures, [{ device: 4, slot: 2, verb: "read", code: "EIO", offset: mib / 2, length: 4_096 }]);
  }, { onFailure });
});

test("requests for more than the buffers hold are refused and hurt nobody", async () => {
  await withEngine(async (engine, directory) => {
    const device = await engine.make(1);
    await device.open(0, join(directory, "disk"), { size: 8 * mib });
    await device.serve(0);
    await device.gate("paused");
    const reads = Array.from({ length: 6 }, (_, index) => codeFrom(device.read(index * mib, mib)));
    const small = codeFrom(device.read(0, 4_096));
    const { poolBytesMax, poolBytesTaken } = await device.status();
    assert.equal([poolBytesMax, poolBytesTaken], [4 * mib, 4 * mib]);
    await device.gate("open");
    const codes = await Promise.all([...reads, small]);
    assert.equal(codes, ["none", "none", "none", "none", "EAGAIN", "EAGAIN", "EAGAIN"]);
    assert.is((await device.status()).poolBytesTaken, 0);
    assert.is((await device.read(0, 4_096)).length, 4_096);
  }, { poolBytesMax: 4 * mib });
});

test("devices are spread over the threads", async () => {
  await withEngine(async (engine, directory) => {
    const devices = await Promise.all([1, 2, 3, 4].map((number) => engine.make(number)));
    for (const device of devices) await device.open(0, join(directory, String(device.number)), { size: mib });
    const writes = devices.map((device) => device.write(0, new Uint8Array(mib).fill(device.number), { slot: 0 }));
    await Promise.all(writes);
    for (const device of devices) assert.is((await device.read(mib - 512, 512, { slot: 0 }))[0], device.number);
    assert.equal(held().threads.filter((name) => name.startsWith("cardinal-io")).sort(), ["cardinal-io0", "cardinal-io1"]);
  }, { reactors: 2 });
});

test("a device for which there is no io_uring is refused in words", async () => {
  const message = await driver.open({ reactors: 99 }).then(() => "none", (error) => (error as Error).message);
  assert.is(message, "block: 99 reactors; 1 to 8 are possible");
});

test("an order whose bytes are not as they should be is refused, whichever", async () => {
  await withEngine(async (engine, directory) => {
    const device = await engine.make(1);
    await device.open(0, join(directory, "disk"), { size: mib });
    const kinds = Array.from({ length: 16 }, (_, index) => index + 1).filter((kind) => kind !== 1);
    for (const kind of kinds) {
      // No order has so many bytes but a write, whose length is among the first of them.
      assert.is(await codeFrom(engine.order(kind, 1, new Uint8Array(60).fill(1))), "EBADMSG", `order ${kind}`);
    }
    assert.is(await codeFrom(engine.order(3, 1, new Uint8Array(9))), "EBADMSG");
    assert.is(await codeFrom(engine.order(9, 1, new Uint8Array(7))), "EBADMSG");
    assert.is(await codeFrom(engine.order(50, 1, new Uint8Array())), "ENOSYS");
    assert.is(await codeFrom(engine.order(5_000, 1, new Uint8Array())), "ENOSYS");
    assert.is(await codeFrom(engine.order(11, 2, new Uint8Array())), "ENODEV");
    assert.is(await codeFrom(engine.order(11, undefined, new Uint8Array())), "ENODEV");
    assert.is((await device.status()).passed, 0);
  });
});

/** A loop device over a file, or undefined where none can be had. */
function loopOver(path: string): string | undefined {
  const { status, stdout } = spawnSync("losetup", ["--find", "--show", path], { encoding: "utf8" });
  return status === 0 ? stdout.trim() : undefined;
}

test("a block device is opened for us alone, and read, written, zeroed and discarded", async () => {
  await withEngine(async (engine, directory) => {
    const path = join(directory, "disk");
    const device = await engine.make(1);
    await device.open(0, path, { size: 4 * mib, allocated: true });
    await device.close(0);
    const loop = loopOver(path);
    if (loop === undefined) return;
    try {
      const opened = await device.open(0, loop);
      assert.equal([opened.size, opened.isBlock, opened.readOnly], [4 * mib, true, false]);
      const other = await engine.make(2);
      assert.is(await codeFrom(other.open(0, loop)), "EBUSY");
      await device.serve(0);
      await device.gate("open");
      await device.write(0, new Uint8Array(mib).fill(7), { fua: true });
      await device.zero(4_096, 8_192);
      await device.zero(65_536, 4_096, { noHole: true });
      if (opened.canDiscard) await device.discard(131_072, 65_536, { fua: true });
      await device.flush();
      const read = await device.read(0, 131_072);
      assert.is(read.filter((byte) => byte === 7).length, 131_072 - 12_288);
      assert.equal([read[4_096], read[12_287], read[12_288], read[65_536]], [0, 0, 7, 0]);
      await device.gate("paused");
      assert.is(await codeFrom(device.grow(0, 8 * mib)), "ENOSPC");
      truncateSync(path, 8 * mib);
      assert.is(spawnSync("losetup", ["--set-capacity", loop]).status, 0);
      assert.is(await device.grow(0, 8 * mib), 8 * mib);
      await device.remove();
    } finally {
      spawnSync("losetup", ["--detach", loop]);
    }
  });
});

test.run();
