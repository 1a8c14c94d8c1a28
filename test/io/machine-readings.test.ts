// What a card reads of its machine, from what Linux says.
import { tmpdir } from "node:os";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { diskPercent, machineReadings, memoryPercent } from "../../src/io/machine-readings.ts";

test("FS-7: memory in use is what no program could get any more", () => {
  const rows: readonly [string, number | undefined][] = [
    ["MemTotal:        8000000 kB\nMemFree:          100000 kB\nMemAvailable:    6000000 kB\n", 25],
    ["MemTotal:        8000000 kB\nMemAvailable:          0 kB\n", 100],
    ["MemTotal:        8000000 kB\n", undefined],
    ["", undefined],
  ];
  for (const [text, percent] of rows) assert.is(memoryPercent(text), percent, text);
});

test("FS-7: use of the disk counts what is kept for root as used, as df does", () => {
  const rows: readonly [Parameters<typeof diskPercent>[0], number | undefined][] = [
    [{ blocks: 1_000, bfree: 500, bavail: 500 }, 50],
    [{ blocks: 1_000, bfree: 100, bavail: 50 }, 95],
    [{ blocks: 1_000, bfree: 50, bavail: 0 }, 100],
    [{ blocks: 0, bfree: 0, bavail: 0 }, undefined],
  ];
  for (const [stat, percent] of rows) assert.is(diskPercent(stat), percent);
});

test("FS-7: this machine gives its memory and its disk; a disk that is not there is left out", async () => {
  const here = await machineReadings(tmpdir());
  for (const name of ["memory", "disk"] as const) assert.ok((here.get(name) ?? -1) >= 0 && (here.get(name) ?? 101) <= 100, name);
  assert.not((await machineReadings("/nowhere/at/all")).has("disk"));
});

test.run();
