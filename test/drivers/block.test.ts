/** Random requests upon both block engines, with faults and losses of power, held against a model of what may be read. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { nativeBlock } from "../../drivers/block/block.ts";
import { loadAddon } from "../../drivers/load.ts";
import { SimulatedBlocks } from "../../drivers/simulated/block.ts";
import type { BlockDevice, BlockDriver } from "../../src/io/block-ports.ts";
import { VirtualTime } from "../conformance/virtual-time.ts";
import { BlockHistory, historyBlockBytes, stamp } from "./block-history.ts";
import { type Random, RandomLoad, randomOf } from "./block-random.ts";

const blockCount = 512;
const size = blockCount * historyBlockBytes;
const workers = 12;
const steps = 60;
const seeds = Number(process.env["BLOCK_SEEDS"] ?? 6);

type Side = {
  readonly driver: BlockDriver;
  readonly path: string;
  done<T>(promise: Promise<T>): Promise<T>;
  end(): void;
};

function native(): Side {
  const directory = mkdtempSync(join(tmpdir(), "cardinal-block-"));
  return {
    driver: nativeBlock(loadAddon()),
    path: join(directory, "disk"),
    done: (promise) => promise,
    end: () => rmSync(directory, { recursive: true }),
  };
}

function simulated(): Side {
  const time = new VirtualTime();
  return {
    driver: new SimulatedBlocks({ scheduler: time, diskDelayMs: 0.1 }),
    path: "/disk",
    async done(promise) {
      let settled = false;
      promise.then(() => (settled = true), () => (settled = true));
      while (!settled && await time.step());
      return await promise;
    },
    end: () => {},
  };
}

const sides: readonly (readonly [string, () => Side])[] = [["native", native], ["simulated", simulated]];

async function disturb(device: BlockDevice, random: Random, rounds: number): Promise<void> {
  let term = 0;
  for (let round = 0; round < rounds; round++) {
    await device.addFault(0, { action: "fail", verbs: ["write", "read", "zero"], chance: 0.3, count: 1 + random(4), code: "EIO" });
    await device.addFault(0, { action: "torn", verbs: ["write"], chance: 0.5, count: 1 + random(4), value: 1 + random(4) });
    await device.addFault(0, { action: "delay", verbs: ["write", "read", "flush"], chance: 0.5, count: 8, value: random(3_000) });
    await device.addFault(0, { action: "hang", verbs: ["write", "read"], chance: 0.2, count: 2 });
    await device.gate("paused");
    await device.gate("open");
    const raising = device.raise(++term);
    await device.resume(0);
    await raising;
  }
}

for (const [name, make] of sides) {
  test(`block, ${name}: what is read is what was written, with requests that overlap and faults between`, async () => {
    for (let seed = 1; seed <= seeds; seed++) {
      const side = make();
      const engine = await side.done(side.driver.open({ faults: true, reactors: 1 + seed % 2 }));
      const device = await side.done(engine.make(1));
      await side.done(device.open(0, side.path, { size }));
      await side.done(device.layFault(0, "rules", seed));
      await side.done(device.serve(0));
      await side.done(device.gate("open"));
      const load = new RandomLoad(device, blockCount, randomOf(seed), new BlockHistory(blockCount));
      await side.done(Promise.all([load.run(workers, steps), disturb(device, randomOf(seed + 1_000), 12)]));
      await side.done(device.resume(0));
      const begun = load.history.tick();
      load.wrong ??= load.history.read(0, await side.done(device.read(0, size)), begun);
      await side.done(engine.close());
      if (name === "native") load.wrong ??= load.history.read(0, new Uint8Array(readFileSync(side.path)), load.history.tick());
      side.end();
      assert.is(load.wrong, undefined, `seed ${seed}: ${load.wrong}`);
      assert.ok(load.failures > 0 && load.requests === workers * steps, "the faults hit some requests and ended none");
    }
  });

  test(`block, ${name}: after a loss of power there is what was flushed`, async () => {
    for (let seed = 1; seed <= seeds; seed++) {
      const side = make();
      const engine = await side.done(side.driver.open({ faults: true }));
      const device = await side.done(engine.make(1));
      await side.done(device.open(0, side.path, { size }));
      await side.done(device.layFault(0, "power", seed));
      await side.done(device.serve(0));
      await side.done(device.gate("open"));
      const random = randomOf(seed);
      const load = new RandomLoad(device, blockCount, random, new BlockHistory(blockCount));
      const running = load.run(workers, steps);
      await side.done(load.run(4, 10 + random(40)));
      await side.done(device.cutPower(0));
      await side.done(running);
      await side.done(device.remove());
      const again = await side.done(engine.make(2));
      await side.done(again.open(0, side.path));
      load.wrong ??= load.history.left(0, await side.done(again.read(0, size, { slot: 0 })));
      await side.done(engine.close());
      side.end();
      assert.is(load.wrong, undefined, `seed ${seed}: ${load.wrong}`);
    }
  });
}

test("the model refuses what cannot be", () => {
  const stamped = (tag: number) => stamp(new Uint8Array(historyBlockBytes), 3, tag);
  const history = new BlockHistory(8);
  const first = history.begin(history.nextTag(), 3, 1);
  history.end(first, true, false);
  const second = history.begin(history.nextTag(), 3, 1);
  const begun = history.tick();
  assert.is(history.read(3, stamped(1), begun), undefined);
  assert.is(history.read(3, stamped(2), begun), undefined);
  assert.match(history.read(3, stamped(1), history.tick()) ?? "", "after write 2, which came later, was seen");
  assert.match(history.read(3, new Uint8Array(historyBlockBytes), history.tick()) ?? "", "was replaced");
  assert.match(history.read(3, stamped(9), history.tick()) ?? "", "never was");
  assert.match(history.read(2, stamped(2), history.tick()) ?? "", "another place");
  assert.is(history.left(3, new Uint8Array(historyBlockBytes)), undefined);
  history.end(second, true, false);
  history.flushed(history.tick());
  assert.match(history.left(3, stamped(1)) ?? "", "was replaced");
  assert.is(history.left(3, stamped(2)), undefined);
});

test.run();
