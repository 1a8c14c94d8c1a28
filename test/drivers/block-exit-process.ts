/** A program that ends while a request of its engine hangs. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { nativeBlock } from "../../drivers/block/block.ts";
import { loadAddon } from "../../drivers/load.ts";

const directory = mkdtempSync(join(tmpdir(), "cardinal-block-"));
const engine = await nativeBlock(loadAddon()).open({ faults: true });
const device = await engine.make(1);
await device.open(0, join(directory, "disk"), { size: 1_048_576 });
await device.layFault(0, "rules", 1);
await device.addFault(0, { action: "hang", verbs: ["read"] });
await device.serve(0);
await device.gate("open");
void device.read(0, 512);
await device.status();
rmSync(directory, { recursive: true });
process.exit(7);
