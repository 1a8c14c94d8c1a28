/** What every block engine does. */
import * as assert from "uvu/assert";
import type { BlockDevice, BlockDriver, BlockEngine, BlockFailure, BlockOptions } from "../../src/io/block-ports.ts";
import { type Skips, Suite, type Tester } from "./world.ts";

export type BlockWorld = {
  readonly driver: BlockDriver;
  /** Paths of disks: one with zeroes, of `diskBytes`; one that is not there; one with blocks of 4096 bytes, where there is such. */
  readonly path: string;
  readonly absentPath: string;
  readonly diskBytes: number;
  /** Waits for what is under way, letting time pass where it must be let. */
  done<T>(promise: Promise<T>): Promise<T>;
  /** Lets some time pass. */
  pass(): Promise<void>;
  end(): Promise<void>;
};

const kib = 1_024;

function filled(length: number, byte: number): Uint8Array {
  return new Uint8Array(length).fill(byte);
}

function codeFrom(promise: Promise<unknown>): Promise<string> {
  return promise.then(() => "none", (error) => (error as { code: string }).code);
}

function messageFrom(promise: Promise<unknown>): Promise<string> {
  return promise.then(() => "none", (error) => (error as Error).message);
}

/** Whether a promise has settled by now. */
async function isSettled(world: BlockWorld, promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  promise.then(() => (settled = true), () => (settled = true));
  await world.pass();
  return settled;
}

type Place = BlockWorld & { readonly engine: BlockEngine; readonly device: BlockDevice; readonly failures: BlockFailure[] };

/** An engine with device 1, which has the disk in slot 0. */
async function started(world: BlockWorld, options: BlockOptions = {}): Promise<Place> {
  const failures: BlockFailure[] = [];
  const engine = await world.done(world.driver.open({ faults: true, onFailure: (failure) => failures.push(failure), ...options }));
  const device = await world.done(engine.make(1));
  await world.done(device.open(0, world.path));
  return { ...world, engine, device, failures };
}

async function serving(world: BlockWorld): Promise<Place> {
  const place = await started(world);
  await world.done(place.device.serve(0));
  await world.done(place.device.gate("open"));
  return place;
}

export function blockConformance(test: Tester, name: string, make: () => Promise<BlockWorld>, skips: Skips): void {
  const suite = new Suite(test, `block, ${name}`, make, skips);

  suite.property("what is written is read, also in parts and over its borders", async (world) => {
    const { done, device, engine } = await serving(world);
    await done(device.write(4 * kib, filled(8 * kib, 1)));
    await done(device.write(8 * kib, filled(512, 2)));
    const read = await done(device.read(3 * kib, 6 * kib));
    assert.equal(read, new Uint8Array([...filled(kib, 0), ...filled(4 * kib, 1), ...filled(512, 2), ...filled(512, 1)]));
    await done(device.write(world.diskBytes - 512, filled(512, 3)));
    assert.equal(await done(device.read(world.diskBytes - 512, 512)), filled(512, 3));
    const large = Uint8Array.from({ length: 1_024 * kib }, (_, index) => index * 7 + (index >> 8));
    await done(device.write(0, large));
    assert.equal(await done(device.read(0, 1_024 * kib)), large);
    await done(engine.close());
  });

  suite.property("a range is zero after zeroing, with and without its room", async (world) => {
    const { done, device, engine } = await serving(world);
    await done(device.write(0, filled(64 * kib, 9)));
    await done(device.zero(4 * kib, 8 * kib));
    await done(device.zero(16 * kib, 512, { noHole: true, fua: true }));
    const read = await done(device.read(0, 64 * kib));
    const zeroes = [...read.entries()].filter(([, byte]) => byte === 0).map(([index]) => index);
    assert.is(zeroes.length, 8 * kib + 512);
    assert.is(zeroes[0], 4 * kib);
    assert.is(zeroes.at(-1), 16 * kib + 511);
    await done(device.discard(0, 64 * kib));
    await done(device.flush());
    await done(engine.close());
  });

  suite.property("what a device is like is told when it is opened", async (world) => {
    const { done, engine, device } = await started(world);
    const other = await done(engine.make(2));
    await done(device.close(0));
    const opened = await done(other.open(3, world.path, { readOnly: true }));
    assert.is(opened.size, world.diskBytes);
    assert.ok([512, 1_024, 2_048, 4_096].includes(opened.blockBytes));
    assert.ok(opened.readOnly && !opened.isBlock && opened.preferredBytes >= 4_096 && opened.discardBytes >= opened.blockBytes);
    assert.equal((await done(other.status())).slots, [3]);
    assert.is(await done(codeFrom(other.write(0, filled(512, 1), { slot: 3 }))), "EROFS");
    await done(engine.close());
  });

  suite.property("what cannot be opened is refused by name and reason", async (world) => {
    const { done, engine, device } = await started(world);
    assert.is(await done(messageFrom(device.open(1, world.absentPath))), `block: there is no ${world.absentPath}`);
    const held = `block: ${world.path} is mounted, part of another device, or held by another program`;
    assert.is(await done(messageFrom(device.open(1, world.path))), held);
    assert.ok((await done(device.open(1, world.path, { readOnly: true }))).readOnly, "who only looks may look");
    await done(device.close(1));
    assert.match(await done(messageFrom(device.open(0, world.absentPath))), "slot 0 of device 1 is taken");
    assert.is(await done(codeFrom(device.close(5))), "ENXIO");
    assert.is(await done(codeFrom(engine.make(1))), "EEXIST");
    await done(device.close(0));
    await done(device.open(1, world.path));
    await done(engine.close());
  });

  suite.property("a file that is not there is made with its size, and grows", async (world) => {
    const { done, engine, device } = await started(world);
    const opened = await done(device.open(1, world.absentPath, { size: 64 * kib, allocated: true }));
    assert.is(opened.size, 64 * kib);
    await done(device.serve(1));
    await done(device.gate("open"));
    assert.is(await done(codeFrom(device.write(64 * kib, filled(512, 1)))), "ENOSPC");
    assert.is(await done(device.grow(1, 128 * kib)), 128 * kib);
    await done(device.write(64 * kib, filled(512, 1)));
    assert.is((await done(device.status())).size, 128 * kib);
    assert.is(await done(codeFrom(device.grow(1, 64 * kib))), "EINVAL");
    await done(engine.close());
  });

  suite.property("requests are checked: range, alignment, length", async (world) => {
    const { done, engine, device } = await serving(world);
    const { diskBytes } = world;
    assert.is(await done(codeFrom(device.read(diskBytes, 512))), "EINVAL");
    assert.is(await done(codeFrom(device.read(diskBytes - 512, 1_024))), "EINVAL");
    assert.is(await done(codeFrom(device.write(diskBytes, filled(512, 1)))), "ENOSPC");
    assert.is(await done(codeFrom(device.zero(diskBytes - 512, 1_024))), "ENOSPC");
    assert.is(await done(codeFrom(device.read(1, 512))), "EINVAL");
    assert.is(await done(codeFrom(device.read(0, 100))), "EINVAL");
    assert.is(await done(codeFrom(device.read(0, 2_048 * kib))), "EINVAL");
    assert.equal(await done(device.read(0, 0)), new Uint8Array());
    assert.is(await done(codeFrom(device.read(Number.MAX_SAFE_INTEGER - 511, 512))), "EINVAL");
    await done(engine.close());
  });

  suite.property("a gate is shut at first, keeps requests while it is paused, and lets them pass in order", async (world) => {
    const { done, engine, device } = await started(world);
    assert.is(await done(codeFrom(device.read(0, 512))), "ESHUTDOWN");
    await done(device.serve(0));
    assert.is(await done(codeFrom(device.read(0, 512))), "ESHUTDOWN");
    await done(device.gate("paused"));
    const writes = [1, 2, 3].map((byte) => device.write(0, filled(512, byte)));
    const read = device.read(0, 512);
    assert.is(await isSettled(world, writes[0] as Promise<void>), false);
    const status = await done(device.status());
    assert.equal([status.gate, status.kept, status.keptBytes, status.passed], ["paused", 4, 2_048, 0]);
    await done(device.gate("open"));
    await done(Promise.all([...writes, read]));
    await done(device.gate("paused"));
    const refused = codeFrom(device.flush());
    await world.pass();
    await done(device.gate("shut"));
    assert.is(await done(refused), "ESHUTDOWN");
    assert.is(await done(codeFrom(device.serve(9))), "ENXIO");
    await done(engine.close());
  });

  suite.property("what is behind an open gate is not changed, nor closed", async (world) => {
    const { done, engine, device } = await serving(world);
    assert.is(await done(codeFrom(device.serve(undefined))), "EBUSY");
    assert.is(await done(codeFrom(device.close(0))), "EBUSY");
    await done(device.gate("paused"));
    await done(device.serve(undefined));
    await done(device.close(0));
    assert.equal((await done(device.status())).slots, []);
    await done(engine.close());
  });

  suite.property("raising the term refuses others, and waits for what passed under the older one", async (world) => {
    const { done, engine, device } = await started(world);
    await done(device.layFault(0, "rules", 1));
    await done(device.addFault(0, { action: "hang", verbs: ["write"], count: 1 }));
    await done(device.serve(0));
    await done(device.gate("open"));
    await done(device.raise(4));
    assert.is(await done(codeFrom(device.raise(4))), "ESTALE");
    const stalled = device.write(0, filled(512, 1), { term: 4 });
    await world.pass();
    const raising = device.raise(5);
    assert.is(await isSettled(world, raising), false);
    const older = codeFrom(device.write(0, filled(512, 2), { term: 4 }));
    const newer = device.write(0, filled(512, 3), { term: 5 });
    const own = device.read(0, 512);
    assert.is(await isSettled(world, newer), false);
    await done(device.resume(0));
    await done(Promise.all([stalled, raising, newer]));
    assert.is(await done(older), "ESTALE");
    assert.equal(await done(own), filled(512, 3));
    assert.is(await done(codeFrom(device.write(0, filled(512, 2), { term: 6 }))), "ESTALE");
    assert.is((await done(device.status())).term, 5);
    await done(engine.close());
  });

  suite.property("drain waits for what has passed", async (world) => {
    const { done, engine, device } = await started(world);
    await done(device.layFault(0, "rules", 1));
    await done(device.addFault(0, { action: "hang", verbs: ["read"] }));
    await done(device.serve(0));
    await done(device.gate("open"));
    const read = device.read(0, 512);
    await world.pass();
    await done(device.gate("paused"));
    const drained = device.drain();
    assert.is(await isSettled(world, drained), false);
    await done(device.resume(0));
    await done(drained);
    await done(read);
    await done(engine.close());
  });

  suite.property("a fault hits as many of those that match as it is told to, and is told", async (world) => {
    const { done, engine, device, failures } = await started(world);
    await done(device.layFault(0, "rules", 1));
    await done(device.serve(0));
    await done(device.gate("open"));
    await done(
      device.addFault(0, { action: "fail", verbs: ["write"], offset: 4 * kib, length: 4 * kib, skip: 1, count: 2, code: "ENOSPC" }),
    );
    const codes: string[] = [];
    for (let index = 0; index < 4; index++) codes.push(await done(codeFrom(device.write(4 * kib, filled(8 * kib, 1)))));
    assert.equal(codes, ["none", "ENOSPC", "ENOSPC", "none"]);
    assert.is(await done(codeFrom(device.write(0, filled(4 * kib, 1)))), "none");
    assert.equal(failures, [{ device: 1, slot: 0, verb: "write", code: "ENOSPC", offset: 4 * kib, length: 8 * kib }]);
    await done(device.addFault(0, { action: "torn", verbs: ["write"], count: 1, value: 2 }));
    assert.is(await done(codeFrom(device.write(0, filled(4 * kib, 2)))), "EIO");
    const { blockBytes } = { blockBytes: 512 };
    const read = await done(device.read(0, 4 * kib));
    assert.is(read.filter((byte) => byte === 2).length % blockBytes, 0);
    assert.ok(read[0] === 2 && read.at(-1) === 1);
    await done(device.addFault(0, { action: "lie", verbs: ["write", "flush"], count: 2 }));
    await done(device.write(0, filled(512, 5)));
    await done(device.flush());
    assert.is((await done(device.read(0, 512)))[0], 2);
    await done(device.addFault(0, { action: "delay", verbs: ["read"], count: 1, value: 2_000 }));
    assert.is((await done(device.read(0, 512)))[0], 2);
    const { write } = await done(device.counters());
    assert.equal([write.requests, write.errors], [7, 3]);
    await done(engine.close());
  });

  suite.property("a disk without power has what was flushed", async (world) => {
    for (let seed = 1; seed <= 8; seed++) {
      const { done, engine, device } = await started(world);
      await done(device.layFault(0, "power", seed));
      await done(device.serve(0));
      await done(device.gate("open"));
      await done(device.write(0, filled(16 * kib, 1)));
      await done(device.flush());
      await done(device.write(8 * kib, filled(4 * kib, 2), { fua: true }));
      const later = [device.write(0, filled(4 * kib, 3)), device.zero(4 * kib, 2 * kib), device.write(2 * kib, filled(4 * kib, 4))];
      await done(Promise.all(later));
      const seen = await done(device.read(0, 16 * kib));
      assert.equal([seen[0], seen[3 * kib], seen[8 * kib], seen[12 * kib]], [3, 4, 2, 1]);
      await done(device.cutPower(0));
      assert.is(await done(codeFrom(device.read(0, 512))), "EIO");
      await done(device.remove());
      const again = await done(engine.make(1));
      await done(again.open(0, world.path));
      const left = await done(again.read(0, 16 * kib, { slot: 0 }));
      assert.equal(left.subarray(8 * kib, 12 * kib), filled(4 * kib, 2));
      assert.equal(left.subarray(12 * kib), filled(4 * kib, 1));
      assert.ok(left.subarray(0, 8 * kib).every((byte) => [0, 1, 3, 4].includes(byte)));
      await done(engine.close());
    }
  });

  suite.property("a disk whose power stays has all, also when it is closed without a flush", async (world) => {
    const { done, engine, device } = await started(world);
    await done(device.layFault(0, "power", 3));
    for (let index = 0; index < 16; index++) await done(device.write(index * 512, filled(512, index + 1), { slot: 0 }));
    await done(device.close(0));
    await done(device.open(0, world.path));
    const left = await done(device.read(0, 16 * 512, { slot: 0 }));
    assert.equal(left, Uint8Array.from({ length: 16 * 512 }, (_, at) => Math.floor(at / 512) + 1));
    await done(engine.close());
  });

  suite.property("faults are for engines that were opened for them", async (world) => {
    const { done, engine, device } = await started(world, { faults: false });
    assert.is(await done(codeFrom(device.layFault(0, "rules", 1))), "EPERM");
    await done(engine.close());
  });

  suite.property("what a device counts", async (world) => {
    const { done, engine, device } = await serving(world);
    await done(device.write(0, filled(4 * kib, 1)));
    await done(device.read(0, kib));
    await done(device.read(0, kib));
    await done(device.flush());
    await done(codeFrom(device.read(1, 512)));
    const { read, write, flush } = await done(device.counters());
    assert.equal([read.requests, read.bytes, read.errors], [3, 2 * kib, 1]);
    assert.equal([write.requests, write.bytes, flush.requests], [1, 4 * kib, 1]);
    assert.is(read.buckets.reduce((sum, count) => sum + count, 0), 3);
    assert.is(read.buckets.length, 96);
    await done(engine.close());
  });

  suite.property("a device that is removed ends what it keeps, and its number and disk are free", async (world) => {
    const { done, engine, device } = await serving(world);
    await done(device.gate("paused"));
    const kept = codeFrom(device.write(0, filled(512, 1)));
    await world.pass();
    await done(device.remove());
    assert.is(await done(kept), "ESHUTDOWN");
    assert.is(await done(codeFrom(device.read(0, 512))), "ENODEV");
    const again = await done(engine.make(1));
    await done(again.open(0, world.path));
    await done(engine.close());
    assert.is(await done(codeFrom(engine.make(2))), "EPIPE");
  });

  suite.close();
}
