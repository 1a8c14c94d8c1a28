/**
 * Each write of a leg's metadata is torn once, in turn, at each place in it: after that the leg takes no more writes, as after a crash, and is opened again. What it acknowledged must
 * be there or be marked as different, and what is recorded is the record before or the one that was being written.
 */
import { closeSync, openSync, readSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Prng } from "../../src/base/prng.ts";
import { backingSlot, type Leg, legSlot, MirrorRig } from "./mirror-rig.ts";

const deviceBytes = 512 << 20;
const extentBytes = 4 << 20;
const grainBytes = 64 << 10;
const block = 4_096;
const hotMax = 16;
const peer = 1;

type Written = { readonly done: Set<number>; readonly asked: Set<number>; records: number };

/** Writes all over the device, so that extents come and go, with a leg that misses all of them, and records in between. */
async function work(leg: Leg, prng: Prng, written: Written, mark: number): Promise<void> {
  const writer = async () => {
    for (let count = 0; count < 12; count++) {
      const place = prng.below(deviceBytes / extentBytes) * extentBytes + prng.below(extentBytes / block) * block;
      written.asked.add(place);
      await leg.device.write(place, new Uint8Array(block).fill(mark));
      written.done.add(place);
    }
  };
  const recorder = async () => {
    for (let count = 1; count <= 6; count++) {
      const state = new Uint8Array(100).fill(count);
      await leg.mirror.record(legSlot, { term: count, bitmaps: [peer], missing: [peer], state });
      written.records = count;
    }
  };
  await Promise.allSettled([...Array.from({ length: 8 }, writer), recorder()]);
}

/** Where MIRROR.md has the bitmaps: before log and superblocks; of a device of this size each is one block. */
function bitOf(leg: Leg, place: number): boolean {
  const file = openSync(leg.path, "r");
  const byte = new Uint8Array(1);
  const grain = Math.floor(place / grainBytes);
  readSync(file, byte, 0, 1, leg.opened.end - (10 + 8 - peer) * block + (grain >> 3));
  closeSync(file);
  return ((byte[0] ?? 0) >> (grain & 7) & 1) === 1;
}

/** The number of a write of metadata, and how many of its sectors arrive. Gives false when there was no such write. */
async function crash(rig: MirrorRig, number: number, skip: number, sectors: number): Promise<boolean> {
  const prng = new Prng(1_000 * skip + sectors);
  const leg = await rig.makeLeg(number, deviceBytes, { fault: "rules", others: [peer] });
  await leg.mirror.record(legSlot, { term: 1, bitmaps: [peer], missing: [peer], state: new Uint8Array(100) });
  await rig.serveLeg(leg);
  await leg.device.addFault(backingSlot, { action: "torn", verbs: ["write"], offset: deviceBytes, skip, count: 1, value: sectors });
  const written: Written = { done: new Set(), asked: new Set(), records: 0 };
  const mark = 1 + skip % 250;
  await work(leg, prng, written, mark);
  const isTorn = rig.news.splice(0).some((news) => news.kind === "legFailed");
  await rig.reopen(leg);
  const { state } = leg.opened;
  const what = `write ${skip}, ${sectors} sectors`;
  assert.ok(state.every((byte) => byte === state[0]), `${what}: the state is one that was recorded`);
  assert.ok([written.records, written.records + 1].includes(state[0] ?? 0), `${what}: it is record ${state[0]}, after ${written.records}`);
  await leg.device.serve(legSlot);
  for (const place of written.done) assert.is((await leg.device.read(place, block, { slot: legSlot }))[0], mark);
  for (const place of written.asked) {
    const hasBit = bitOf(leg, place);
    // What was asked for and not done may be on the disk too, but only if its extent was hot.
    if (!hasBit && !written.done.has(place)) assert.is.not((await leg.device.read(place, block, { slot: legSlot }))[0], mark);
    else assert.ok(hasBit, `${what}: what was written at ${place} has its bit`);
  }
  await leg.device.remove();
  return isTorn;
}

test("a torn write of metadata, whichever it is and wherever it is torn, leaves what was before", async () => {
  const rig = await MirrorRig.open({ hotMax });
  try {
    let skip = 0;
    for (let number = 0; await crash(rig, number, skip, skip % 8); number = 0) skip++;
    assert.ok(skip > 20, `${skip} writes of metadata were torn`);
  } finally {
    await rig.close();
  }
});

test.run();
