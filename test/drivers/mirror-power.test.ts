/**
 * Disks that lose their power under load: of the primary, of the backup, of both; with the backup left out before, and with the survivor promoted as it is or
 * opened again. Each time the legs are equal after resynchronization, and no acknowledged write is lost that the survivor had, no durable one ever.
 * `mirror-power.test.ts 200` runs so many crashes, from a seed that may follow.
 */
import process from "node:process";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Prng } from "../../src/base/prng.ts";
import { MirrorOracle } from "./mirror-oracle.ts";
import { backingSlot, type Leg, legSlot, MirrorRig, mirrorSlot } from "./mirror-rig.ts";

const [crashes = 8, seed = 1] = process.argv.slice(2).map(Number);
const deviceBytes = 2 ** 30;
const hotMax = 32;
const places = { count: 200, strideBytes: 5 << 20 };
const writers = 24;

/** Writes until told to stop; what fails is not acknowledged. */
async function load(leg: Leg, oracle: MirrorOracle, prng: Prng, isOver: () => boolean): Promise<void> {
  const write = async () => {
    while (!isOver()) {
      if (prng.below(60) === 0) {
        const before = oracle.beforeFlush();
        await leg.device.flush().then(() => oracle.flushed(before), () => {});
        continue;
      }
      const fua = prng.below(30) === 0;
      const { place, bytes } = oracle.ask(prng);
      const isDone = await leg.device.write(oracle.offsetOf(place), bytes, { fua }).then(() => true, () => false);
      oracle.told(place, isDone, fua);
      if (!isDone) return;
    }
  };
  await Promise.all(Array.from({ length: writers }, write));
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

class Course {
  readonly rig: MirrorRig;
  readonly prng: Prng;
  readonly oracle = new MirrorOracle(places);
  #term = 1;

  constructor(rig: MirrorRig, prng: Prng) {
    this.rig = rig;
    this.prng = prng;
  }

  /** One crash of a mirror in sync; gives both legs back, in sync again, the new primary first. */
  async crash(primary: Leg, backup: Leg, what: string): Promise<[Leg, Leg]> {
    const { rig, prng, oracle } = this;
    let isOver = false;
    const loaded = load(primary, oracle, prng, () => isOver);
    await pause(10 + prng.below(60));
    const kind = prng.pick(["primary", "backup", "both", "backup, then primary", "primary, survivor promoted"] as const);
    let isOut = false;
    if (kind.startsWith("backup")) {
      await backup.device.cutPower(backingSlot);
      await rig.next("lost", primary.number);
      isOut = true;
      await primary.mirror.record(legSlot, {
        term: this.#term,
        bitmaps: [0, 1].filter((each) => each !== primary.number),
        missing: [backup.number],
      });
      await primary.mirror.proceed([backup.number]);
      await pause(10 + prng.below(40));
    }
    if (kind !== "backup") await primary.device.cutPower(backingSlot);
    if (kind === "both") await backup.device.cutPower(backingSlot);
    isOver = true;
    await primary.mirror.abandon();
    await loaded;
    this.#term++;
    const source = isOut ? primary : kind === "both" ? prng.pick([primary, backup]) : backup;
    const target = source === primary ? backup : primary;
    await primary.device.remove();
    if (kind === "primary, survivor promoted") await this.#promote(backup);
    else await this.#openAgain(backup);
    await this.#reopen(primary);
    await this.#joined(source, target, kind === "primary, survivor promoted");
    await source.device.flush();
    const floor = kind === "both" || kind === "backup, then primary" ? "durable" : "acknowledged";
    for (const place of oracle.check(source.path, target.path, floor, `${what}, ${kind}`)) {
      await source.device.write(oracle.offsetOf(place), oracle.askFor(place).bytes, { fua: true });
      oracle.told(place, true, true);
    }
    rig.news.splice(0);
    return [source, target];
  }

  async #openAgain(leg: Leg): Promise<void> {
    await leg.device.remove();
    await this.#reopen(leg);
  }

  async #reopen(leg: Leg): Promise<void> {
    await this.rig.reopenRemoved(leg, this.#term, "power");
  }

  /** As it runs: what may be on one leg and not on the other is in its log. */
  async #promote(leg: Leg): Promise<void> {
    await leg.device.gate("paused");
    await leg.device.raise(this.#term);
    await leg.mirror.suspect(legSlot, [0, 1].filter((each) => each !== leg.number));
  }

  async #joined(source: Leg, target: Leg, isPaused: boolean): Promise<void> {
    const { rig } = this;
    await source.mirror.record(legSlot, { term: this.#term, bitmaps: [target.number], missing: [] });
    await target.mirror.record(legSlot, { term: this.#term, bitmaps: [source.number], missing: [] });
    await source.mirror.make(legSlot, mirrorSlot, this.#term);
    if (isPaused) await source.device.drain();
    await source.device.serve(mirrorSlot);
    await source.device.gate("open");
    await rig.serveLeg(target);
    await rig.attach(source, target, "synchronizing");
    const ended = await rig.resync(source, target, { unite: true, counts: true, compare: this.prng.below(2) === 0 });
    assert.equal([ended.code, ended.dirty], [undefined, 0]);
    assert.ok(ended.doneBytes <= deviceBytes / 2, `${ended.doneBytes} bytes are looked at: no more than bits and two logs have`);
    await target.mirror.setBits(legSlot, [source.number], "none");
  }
}

test("a power cut at any instant resynchronizes what may differ, and loses no acknowledged write", async () => {
  const rig = await MirrorRig.open({ hotMax });
  try {
    const prng = new Prng(seed);
    let primary = await rig.makeLeg(0, deviceBytes, { fault: "power", others: [1] });
    let backup = await rig.makeLeg(1, deviceBytes, { fault: "power", others: [0] });
    await rig.serveLeg(backup);
    await rig.serveMirror(primary);
    await rig.attach(primary, backup, "in-sync");
    const course = new Course(rig, prng);
    for (let crash = 1; crash <= crashes; crash++) {
      [primary, backup] = await course.crash(primary, backup, `seed ${seed}, crash ${crash}`);
    }
  } finally {
    await rig.close();
  }
});

test.run();
