/** The mirror's data path in one engine: what hosts write is on every leg, what a leg misses is noted, and nothing of an older term lands. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { nativeMirror } from "../../drivers/block/mirror.ts";
import { Prng } from "../../src/base/prng.ts";
import type { MirrorSettings } from "../../src/io/mirror-ports.ts";
import { backingSlot, type Leg, legSlot, MirrorRig, mirrorSlot } from "./mirror-rig.ts";

const deviceBytes = 16 << 20;
const block = 4_096;
const grain = 65_536;

async function withRig(body: (rig: MirrorRig) => Promise<void>): Promise<void> {
  const rig = await MirrorRig.open();
  try {
    await body(rig);
  } finally {
    await rig.close();
  }
}

/** A primary and its backups, all in sync. */
async function mirrored(rig: MirrorRig, backups: number, options: Partial<MirrorSettings> = {}): Promise<[Leg, ...Leg[]]> {
  const primary = await rig.makeLeg(0, deviceBytes);
  const others: Leg[] = [];
  for (let number = 1; number <= backups; number++) others.push(await rig.makeLeg(number, deviceBytes));
  await rig.serveMirror(primary, 1, options);
  for (const backup of others) {
    await rig.serveLeg(backup);
    await rig.attach(primary, backup, "in-sync");
  }
  return [primary, ...others];
}

function patterned(prng: Prng, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  const words = new Uint32Array(bytes.buffer);
  let value = prng.below(0x7fffffff);
  for (let index = 0; index < words.length; index++) words[index] = value = (Math.imul(value, 1_664_525) + 1_013_904_223) >>> 0;
  return bytes;
}

function sameBytes(one: Uint8Array, other: Uint8Array, what: string): void {
  if (Buffer.compare(one, other) === 0) return;
  const at = one.findIndex((byte, index) => byte !== other[index]);
  throw new Error(`${what}: they differ at ${at}`);
}

/** Random requests, some of them at once, on the device and on a model that takes only what does not overlap with others under way. */
async function exercise(device: Leg["device"], model: Uint8Array, prng: Prng, rounds: number): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    const taken = new Set<number>();
    const under = Array.from({ length: 1 + prng.below(12) }, async () => {
      const blocks = 1 + prng.below(prng.below(8) === 0 ? 256 : 8);
      const first = prng.below(model.length / block - blocks);
      const span = Array.from({ length: blocks }, (_, index) => first + index);
      if (span.some((each) => taken.has(each))) return;
      for (const each of span) taken.add(each);
      const offset = first * block;
      const length = blocks * block;
      switch (prng.below(6)) {
        case 0:
          sameBytes(await device.read(offset, length), model.subarray(offset, offset + length), `read at ${offset}`);
          return;
        case 1:
          model.fill(0, offset, offset + length);
          return await (prng.below(2) === 0 ? device.zero(offset, length) : device.discard(offset, length));
        default: {
          const bytes = patterned(prng, length);
          model.set(bytes, offset);
          return await device.write(offset, bytes, { fua: prng.below(8) === 0 });
        }
      }
    });
    await Promise.all(under);
    if (prng.below(8) === 0) await device.flush();
  }
}

for (const protocol of ["synchronous", "memory", "asynchronous"] as const) {
  test(`PB-5, PB-6: every write on the primary resource is mirrored to two backups, ${protocol}`, () =>
    withRig(async (rig) => {
      const [primary, ...backups] = await mirrored(rig, 2, { protocol, behindBytesMax: 256 << 10 });
      const model = new Uint8Array(deviceBytes);
      await exercise(primary.device, model, new Prng(7), 60);
      await primary.device.flush();
      /* Asynchronous mirroring is behind by what is under way. */
      while ((await primary.mirror.counters()).behindBytes > 0) await new Promise((resolve) => setTimeout(resolve, 5));
      for (const leg of [primary, ...backups]) sameBytes(rig.bytes(leg), model, `leg ${leg.number}`);
      const { peers, lost } = await primary.mirror.counters();
      assert.equal(lost, []);
      assert.is(peers[1]?.dirty, 0);
    }));
}

test("writes that overlap end in one order on all legs", () =>
  withRig(async (rig) => {
    const [primary, ...backups] = await mirrored(rig, 2);
    const prng = new Prng(11);
    for (let round = 0; round < 40; round++) {
      const first = prng.below(64) * block;
      await Promise.all(Array.from({ length: 12 }, () => {
        const offset = first + prng.below(4) * block;
        return primary.device.write(offset, patterned(prng, (1 + prng.below(8)) * block));
      }));
    }
    assert.ok((await primary.mirror.counters()).rangeWaits > 0);
    for (const backup of backups) sameBytes(rig.bytes(backup), rig.bytes(primary), `leg ${backup.number}`);
  }));

test("a write that a lost backup missed is acknowledged only after it was told to proceed, and comes back by resynchronization", () =>
  withRig(async (rig) => {
    const [primary, backup] = await mirrored(rig, 1) as [Leg, Leg];
    const model = new Uint8Array(deviceBytes);
    const prng = new Prng(13);
    await exercise(primary.device, model, prng, 20);
    await backup.device.remove();
    const lost = await rig.next("lost", 0);
    assert.is(lost.frozen, true);
    const bytes = patterned(prng, block);
    let isAcknowledged = false;
    const write = primary.device.write(5 * grain, bytes).then(() => isAcknowledged = true);
    model.set(bytes, 5 * grain);
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.is(isAcknowledged, false);
    await primary.mirror.record(legSlot, { term: 1, bitmaps: [1, 2, 3], missing: [1], state: new Uint8Array([1]) });
    await primary.mirror.proceed([1]);
    await write;
    await exercise(primary.device, model, prng, 20);
    const dirty = (await primary.mirror.legStatus(legSlot)).dirty[1] as number;
    assert.ok(dirty > 0 && dirty < deviceBytes / grain);

    const back = await rig.reopenServed(backup);
    await rig.attach(primary, back, "synchronizing");
    /* Hosts go on while it synchronizes. */
    const [ended] = await Promise.all([rig.resync(primary, back), exercise(primary.device, model, prng, 20)]);
    assert.is(ended.code, undefined);
    assert.is(ended.dirty, 0);
    assert.is((await primary.mirror.counters()).peers[1]?.state, "in-sync");
    sameBytes(rig.bytes(back), rig.bytes(primary), "the backup");
    sameBytes(rig.bytes(primary), model, "the primary");
  }));

test("resynchronization sends what the bitmaps have, with hashes only what differs", () =>
  withRig(async (rig) => {
    const [primary, backup] = await mirrored(rig, 1) as [Leg, Leg];
    await primary.mirror.setState(1, "absent");
    await rig.next("sessionEnded", 1);
    await primary.mirror.proceed([1]);
    const prng = new Prng(17);
    for (const at of [3, 4, 5, 100, 200]) await primary.device.write(at * grain + block, patterned(prng, block));
    await rig.attach(primary, backup, "synchronizing");
    const plain = await rig.resync(primary, backup);
    assert.is(plain.sentBytes, 5 * grain);
    await primary.mirror.setBits(legSlot, [1], "all");
    await primary.device.write(7 * grain, patterned(prng, block), { slot: backingSlot });
    const compared = await rig.resync(primary, backup, { compare: true });
    assert.is(compared.doneBytes, deviceBytes);
    assert.is(compared.sentBytes, grain);
    const all = await rig.resync(primary, backup, { all: true });
    assert.is(all.sentBytes, deviceBytes);
    sameBytes(rig.bytes(backup), rig.bytes(primary), "the backup");
  }));

test("resynchronization that is stopped or cut off goes on with what is left", () =>
  withRig(async (rig) => {
    const [primary, backup] = await mirrored(rig, 1, { resyncMost: 8 << 20, resyncFill: 1 << 18 }) as [Leg, Leg];
    await primary.mirror.setState(1, "synchronizing");
    await primary.device.write(0, patterned(new Prng(19), 1 << 20), { slot: backingSlot });
    await primary.mirror.walk(1, { all: true });
    await new Promise((resolve) => setTimeout(resolve, 500));
    await primary.mirror.stop(1);
    const stopped = await rig.next("walkEnded", 0);
    assert.is(stopped.code, "ECANCELED");
    assert.ok(stopped.dirty > 0 && stopped.dirty < deviceBytes / grain);
    await primary.mirror.walk(1);
    await backup.device.remove();
    assert.is((await rig.next("lost", 0)).frozen, false);
    const cut = await rig.next("walkEnded", 0);
    assert.ok(cut.code !== undefined && cut.dirty > 0);
    await rig.reopenServed(backup);
    await rig.attach(primary, backup, "synchronizing");
    await primary.mirror.set({
      protocol: "synchronous",
      behindBytesMax: 0,
      timeoutMs: 6_000,
      resyncMost: 0,
      resyncLeast: 1 << 24,
      resyncFill: 1 << 23,
    });
    assert.is((await rig.resync(primary, backup)).code, undefined);
    sameBytes(rig.bytes(backup), rig.bytes(primary), "the backup");
  }));

test("verify tells the ranges that differ, and repairs them only when it is to", () =>
  withRig(async (rig) => {
    const [primary, backup] = await mirrored(rig, 1) as [Leg, Leg];
    await exercise(primary.device, new Uint8Array(deviceBytes), new Prng(23), 10);
    await backup.device.write(9 * grain + block, new Uint8Array(block).fill(0x5a), { slot: backingSlot });
    await primary.mirror.walk(1, { verify: true });
    const differs = await rig.next("differs", 0);
    assert.equal([differs.peer, differs.offset, differs.length], [1, 9 * grain, grain]);
    const told = await rig.next("walkEnded", 0);
    assert.equal([told.verify, told.differingBytes, told.dirty, told.sentBytes], [true, grain, 0, 0]);
    await primary.mirror.walk(1, { verify: true, mark: true });
    assert.is((await rig.next("walkEnded", 0)).dirty, 1);
    assert.is((await rig.resync(primary, backup)).sentBytes, grain);
    sameBytes(rig.bytes(backup), rig.bytes(primary), "the backup");
  }));

test("a backup refuses an older term: nothing of an old primary lands, also not what was queued when the term was raised", () =>
  withRig(async (rig) => {
    const primary = await rig.makeLeg(0, deviceBytes);
    const backup = await rig.makeLeg(1, deviceBytes, { fault: "rules" });
    await rig.serveMirror(primary);
    await rig.serveLeg(backup);
    await rig.attach(primary, backup, "in-sync");
    await primary.device.write(0, new Uint8Array(block).fill(1));
    await backup.device.addFault(backingSlot, { action: "delay", verbs: ["write"], value: 100_000 });
    const stalled = Promise.allSettled(
      Array.from({ length: 8 }, (_, index) => primary.device.write(index * block, new Uint8Array(block).fill(2))),
    );
    await new Promise((resolve) => setTimeout(resolve, 30));
    await backup.device.raise(2);
    await backup.device.resume(backingSlot);
    await backup.device.write(0, new Uint8Array(8 * block).fill(3));
    const lost = await rig.next("lost", 0);
    assert.is(lost.code, "ESTALE");
    await primary.mirror.abandon();
    await stalled;
    sameBytes(rig.bytes(backup).subarray(0, 8 * block), new Uint8Array(8 * block).fill(3), "the backup");
  }));

test("a peer that leaves requests unanswered is lost after the time-out; reads go on", () =>
  withRig(async (rig) => {
    const primary = await rig.makeLeg(0, deviceBytes);
    const backup = await rig.makeLeg(1, deviceBytes, { fault: "rules" });
    await rig.serveMirror(primary, 1, { timeoutMs: 300 });
    await rig.serveLeg(backup);
    await rig.attach(primary, backup, "in-sync");
    await backup.device.addFault(backingSlot, { action: "hang", verbs: ["write"] });
    const began = performance.now();
    const write = primary.device.write(0, new Uint8Array(block).fill(9));
    const lost = await rig.next("lost", 0);
    assert.is(lost.code, "ETIMEDOUT");
    assert.ok(performance.now() - began < 2_000);
    await primary.device.read(grain, block);
    await primary.mirror.proceed([1]);
    await write;
    await backup.device.resume(backingSlot);
  }));

test("an error of the backup's disk is the loss of the backup, one of the primary's is the host's", () =>
  withRig(async (rig) => {
    const primary = await rig.makeLeg(0, deviceBytes, { fault: "rules" });
    const backup = await rig.makeLeg(1, deviceBytes, { fault: "rules" });
    await rig.serveMirror(primary);
    await rig.serveLeg(backup);
    await rig.attach(primary, backup, "in-sync");
    await primary.device.write(0, new Uint8Array(block).fill(1));
    await primary.device.addFault(backingSlot, { action: "fail", verbs: ["write"], count: 1 });
    await primary.device.write(0, new Uint8Array(block).fill(2)).then(() => assert.unreachable(), (error) => assert.is(error.code, "EIO"));
    assert.is((await primary.mirror.legStatus(legSlot)).dirty[1], 1);
    await backup.device.addFault(backingSlot, { action: "fail", verbs: ["write"], count: 1 });
    const write = primary.device.write(0, new Uint8Array(block).fill(3));
    assert.is((await rig.next("lost", 0)).code, "EIO");
    await primary.mirror.proceed([1]);
    await write;
  }));

test("asynchronous mirroring is held back when more than its bound is under way", () =>
  withRig(async (rig) => {
    const primary = await rig.makeLeg(0, deviceBytes);
    const backup = await rig.makeLeg(1, deviceBytes, { fault: "rules" });
    await rig.serveMirror(primary, 1, { protocol: "asynchronous", behindBytesMax: 16 * block });
    await rig.serveLeg(backup);
    await rig.attach(primary, backup, "in-sync");
    await primary.device.write(0, new Uint8Array(block));
    await backup.device.addFault(backingSlot, { action: "hang", verbs: ["write"] });
    let acknowledged = 0;
    const writes = Array.from({ length: 40 }, (_, index) =>
      primary.device.write(index * block, new Uint8Array(block).fill(index)).then(() => acknowledged++));
    await new Promise((resolve) =>
      setTimeout(resolve, 200)
    );
    assert.ok(acknowledged >= 1 && acknowledged <= 25, `${acknowledged} are acknowledged`);
    await backup.device.resume(backingSlot);
    await Promise.all(writes);
    assert.ok((await primary.mirror.counters()).congested > 0);
  }));

test("a log that was not closed becomes bits of all peers; one that was closed leaves none", () =>
  withRig(async (rig) => {
    const [primary] = await mirrored(rig, 1) as [Leg];
    await primary.device.write(0, new Uint8Array(block).fill(1));
    await primary.device.write(9 << 20, new Uint8Array(block).fill(1));
    await rig.reopen(primary);
    assert.is(primary.opened.hot, 2);
    assert.equal(primary.opened.dirty.slice(1, 4), [128, 128, 128]);
    await primary.mirror.setBits(legSlot, [1, 2, 3], "none");
    await primary.mirror.closeLog(legSlot);
    await rig.reopen(primary);
    assert.is(primary.opened.hot, 0);
    assert.equal(primary.opened.dirty, [0, 0, 0, 0, 0, 0, 0, 0]);
  }));

test("a backup keeps what it wrote hot until the primary has told that it is settled, and marks what a third leg misses", () =>
  withRig(async (rig) => {
    const [primary, backup] = await mirrored(rig, 1) as [Leg, Leg];
    await backup.mirror.record(legSlot, { term: 1, bitmaps: [0, 2, 3], missing: [2] });
    await primary.device.write(3 * grain, new Uint8Array(block).fill(1));
    assert.is((await backup.mirror.legStatus(legSlot)).dirty[2], 1);
    await backup.mirror.closeLog(legSlot).then(() => assert.unreachable(), (error) => assert.is(error.code, "EBUSY"));
    const end = performance.now() + 5_000;
    /* The primary says so when it asks whether the backup is there. */
    for (;;) {
      const closed = await backup.mirror.closeLog(legSlot).then(() => true, () => false);
      if (closed) break;
      assert.ok(performance.now() < end, "it is settled in time");
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    await rig.reopen(backup);
    assert.is(backup.opened.hot, 0);
    assert.is(backup.opened.dirty[2], 1);
  }));

test("FS-12: a card that is not the device's host forwards reads and writes to it", () =>
  withRig(async (rig) => {
    const [primary, backup] = await mirrored(rig, 1) as [Leg, Leg];
    const [near, far] = await rig.pair();
    await primary.mirror.serve(far, undefined);
    const front = await rig.engine.make(50);
    await nativeMirror(rig.engine, 50).forward(mirrorSlot, near, deviceBytes, 1);
    await front.serve(mirrorSlot);
    await front.gate("open");
    const model = new Uint8Array(deviceBytes);
    await exercise(front, model, new Prng(29), 30);
    sameBytes(rig.bytes(primary), model, "the primary");
    sameBytes(rig.bytes(backup), model, "the backup");
    await primary.device.raise(2);
    await front.write(0, new Uint8Array(block)).then(() => assert.unreachable(), (error) => assert.is(error.code, "ESTALE"));
  }));

test.run();
