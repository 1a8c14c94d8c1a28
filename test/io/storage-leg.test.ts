/** Legs on the block engine as the storage service orders them. */
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { mirrorNews, nativeMirror } from "../../drivers/block/mirror.ts";
import { PayloadWriter } from "../../drivers/block/payload.ts";
import { nativeStorageDrivers } from "../../drivers/native.ts";
import type { BlockEngine } from "../../src/io/block-ports.ts";
import type { MirrorNews } from "../../src/io/mirror-ports.ts";
import { decodeLegNote, encodeLegNote, numbered, StorageLeg } from "../../src/io/storage-leg.ts";
import type { MirrorPolicy } from "../../src/storage/blocks.ts";

const legBytes = 8 * 1_024 * 1_024;
const policy: MirrorPolicy = {
  protocol: "synchronous",
  behindBytesMax: 1 << 20,
  peerTimeoutMs: 5_000,
  fillBytes: 1 << 20,
  bytesPerSMax: 0,
  bytesPerSMin: 1 << 20,
};
const text = (bytes: Uint8Array | undefined) => bytes === undefined ? undefined : new TextDecoder().decode(bytes);
const state = (name: string) => new TextEncoder().encode(name);

/** A write of a front at the beginning of a device. */
async function writeThrough(engine: BlockEngine, device: number, bytes: Uint8Array): Promise<void> {
  const order = new PayloadWriter().u8(255).u8(1).u8(0).u32(bytes.length).u64(0).u64(0).raw(bytes).bytes;
  await engine.order(10, device, order);
}

type Place = {
  readonly engine: BlockEngine;
  readonly news: MirrorNews[];
  leg(number: number, device?: string): StorageLeg;
  path(number: number): string;
};

async function withEngine(run: (place: Place) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "cardinal-storage-"));
  const news: MirrorNews[] = [];
  const engine = await nativeStorageDrivers().block.open({
    onNews: (told) => {
      const heard = mirrorNews(told);
      if (heard !== undefined) news.push(heard);
    },
  });
  const names = ["a", "b", "c"];
  const path = (number: number) => join(directory, String(number));
  for (const number of names.keys()) {
    writeFileSync(path(number), "");
    truncateSync(path(number), legBytes);
  }
  const leg = (number: number, device = "vault") => {
    const others = () => names.filter((name) => name !== names[number]);
    return new StorageLeg({ engine, mirrorOf: (each) => nativeMirror(engine, each), number, device, leg: names[number] as string, others });
  };
  try {
    await run({ engine, news, leg, path });
  } finally {
    await engine.close();
    rmSync(directory, { recursive: true });
  }
}

test("what a leg's bitmaps are called survives being written, and a change of the legs", () => {
  const numbers = numbered(new Map(), ["c", "b"]);
  assert.equal([...numbers], [["b", 0], ["c", 1]]);
  const note = encodeLegNote(numbers, state("the state"));
  const decoded = decodeLegNote(note);
  assert.equal([decoded && [...decoded.numbers], text(decoded?.state)], [[...numbers], "the state"]);
  assert.equal([...numbered(numbers, ["c", "d", "e"])], [["c", 1], ["d", 0], ["e", 2]]);
  assert.throws(() => numbered(new Map(), [..."abcdefghi"]), /at most 9 legs, i is one too many/);
  for (let length = 1; length < 7; length++) assert.is(decodeLegNote(note.subarray(0, length)), undefined);
  assert.is(decodeLegNote(Uint8Array.of(1, 9, 0)), undefined);
});

test("a leg is looked at without being touched, formatted when it is told, and known again", async () => {
  await withEngine(async ({ leg, path }) => {
    const a = leg(0);
    assert.equal(await a.look(path(0)), { bytes: legBytes, blockBytes: 512, state: undefined, foreign: false, clean: true });
    assert.is((await a.open(path(0), false)).state, undefined);
    await a.close();
    const opened = await a.open(path(0), true);
    assert.ok(opened.bytes < legBytes && opened.state === undefined && !opened.foreign);
    await a.note(3, state("in the third term"), ["b"], ["c"]);
    const other = leg(1);
    assert.is(text((await leg(2).look(path(1))).state), undefined);
    await a.close();
    const looked = await a.look(path(0));
    assert.equal([text(looked.state), looked.bytes, looked.foreign], ["in the third term", opened.bytes, false]);
    assert.is((await other.look(path(0))).foreign, true, "the leg of another subgroup");
    assert.is((await leg(0, "attic").look(path(0))).foreign, true, "the leg of another device");
    assert.is(await leg(0, "attic").open(path(0), true).then(() => "opened", (error) => error.code), "EEXIST");
    assert.is(await a.look(join(path(0), "absent")).then(() => "", (error) => error.code), "ENOTDIR");
    await a.open(path(0), false);
    assert.equal([a.numberOf("b"), a.numberOf("c"), a.legOf(1), a.numberOf("z")], [0, 1, "c", undefined]);
    const { bitmaps, missing, term } = await a.mirror.legStatus(1);
    assert.equal([bitmaps, missing, term], [[0, 1], [0], 3]);
    await a.close();
  });
});

test("a leg that is open can be looked at by another program", async () => {
  await withEngine(async ({ leg, path }) => {
    const a = leg(0);
    await a.open(path(0), true);
    await a.note(1, state("one"), [], []);
    await withEngine(async (other) => {
      assert.is(text((await other.leg(0).look(path(0))).state), "one");
      assert.is(await other.leg(0).open(path(0), false).then(() => "opened", (error) => error.code), "EBUSY");
    });
    await a.close();
  });
});

/** Both ends of a connection. */
async function pair(): Promise<[number, number]> {
  let told: (descriptor: number) => void = () => {};
  const released = new Promise<number>((resolve) => (told = resolve));
  const ignored = { accepted() {}, bytes() {}, sent() {}, gone() {}, deaf() {} };
  const door = nativeStorageDrivers().door.open(4, { ...ignored, released: (_, descriptor) => told(descriptor) });
  const { connection, descriptor } = door.pair();
  door.answer(connection, new Uint8Array(), "release");
  const near = await released;
  await door.close();
  return [near, descriptor];
}

test("what the serving leg is written, a backup in sync has; it takes nothing of an older term", async () => {
  await withEngine(async ({ engine, news, leg, path }) => {
    const [a, b] = [leg(0), leg(1)];
    for (const [number, each] of [a, b].entries()) {
      await each.open(path(number), true);
      await each.note(5, state("new"), ["c"], []);
    }
    await a.mirror.setBits(1, [a.numberOf("b") as number], "none");
    await a.serve(5, policy);
    const [near, far] = await pair();
    await b.mirror.serve(far, 1, { forgets: true });
    await a.mirror.attach(a.numberOf("b") as number, near, b.numberOf("a") as number, "in-sync");
    await a.gate("open");
    // The device of the engine is the leg's; a front would write through its gate.
    const request = (byte: number) => new Uint8Array(4_096).fill(byte);
    await writeThrough(engine, 0, request(7));
    await b.note(6, state("promoted"), [], []);
    // It is acknowledged when it is known that the backup is left behind, not before.
    const frozen = writeThrough(engine, 0, request(8));
    for (let count = 0; count < 200 && news.length === 0; count++) await new Promise((resolve) => setTimeout(resolve, 10));
    const [lost] = news;
    assert.equal([lost?.kind, lost?.kind === "lost" ? lost.code : ""], ["lost", "ESTALE"]);
    assert.is(a.legOf(lost?.kind === "lost" ? lost.peer : 9), "b");
    await a.proceed(["b"]);
    await frozen;
    await b.close();
    await a.close();
    assert.is(text((await b.look(path(1))).state), "promoted");
  });
});

test.run();
