/** Both block engines against one suite: the native one on files. */
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { test } from "uvu";
import { nativeBlock } from "../../drivers/block/block.ts";
import { loadAddon } from "../../drivers/load.ts";
import { SimulatedBlocks } from "../../drivers/simulated/block.ts";
import { SimulatedDisk } from "../../drivers/simulated/disk.ts";
import type { BlockEngine } from "../../src/io/block-ports.ts";
import { blockConformance, type BlockWorld } from "./block.ts";
import { VirtualTime } from "./virtual-time.ts";

const diskBytes = 4 * 1_024 * 1_024;
const passMs = 20;

function native(): Promise<BlockWorld> {
  const directory = mkdtempSync(join(tmpdir(), "cardinal-block-"));
  const path = join(directory, "disk");
  writeFileSync(path, "");
  truncateSync(path, diskBytes);
  const engines: BlockEngine[] = [];
  const driver = nativeBlock(loadAddon());
  return Promise.resolve({
    driver: {
      async open(options) {
        const engine = await driver.open(options);
        engines.push(engine);
        return engine;
      },
    },
    path,
    absentPath: join(directory, "absent"),
    diskBytes,
    done: (promise) => promise,
    pass: () => setTimeout(passMs),
    async end() {
      // Of a test that failed, too: an engine that is open keeps the program alive.
      for (const engine of engines) await engine.close();
      rmSync(directory, { recursive: true });
    },
  });
}

function simulated(): Promise<BlockWorld> {
  const time = new VirtualTime();
  const blocks = new SimulatedBlocks({ scheduler: time, diskDelayMs: 0.1 });
  blocks.addDisk("/disk", new SimulatedDisk(diskBytes));
  return Promise.resolve({
    driver: blocks,
    path: "/disk",
    absentPath: "/absent",
    diskBytes,
    async done(promise) {
      let settled = false;
      promise.then(() => (settled = true), () => (settled = true));
      while (!settled && await time.step());
      return await promise;
    },
    pass: () => time.idle(),
    end: () => Promise.resolve(),
  });
}

blockConformance(test, "native", native, {});
blockConformance(test, "simulated", simulated, {});

test.run();
