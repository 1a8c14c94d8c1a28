/** FS-7: the errors of disks, from the files in which Linux counts them. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { diskErrorCounts, DiskErrors } from "../../src/io/disk-errors.ts";

const hourMs = 3_600_000;

test("what is new counts, for an hour; what a source had counted before it was met does not", () => {
  const errors = new DiskErrors();
  const steps: readonly [number, Record<string, number>, number | undefined][] = [
    [0, {}, undefined],
    [1_000, { sda: 7 }, 0],
    [2_000, { sda: 9, sdb: 100 }, 2],
    [3_000, { sda: 9, sdb: 101 }, 3],
    // A disk that was changed counts from what it has.
    [4_000, { sdb: 101 }, 3],
    [5_000, { sda: 50, sdb: 101 }, 3],
    // So does one whose counter went back.
    [6_000, { sda: 1, sdb: 101 }, 3],
    [7_000, { sda: 2, sdb: 101 }, 4],
    [hourMs + 2_500, { sda: 2, sdb: 101 }, 2],
    [hourMs + 7_000, {}, undefined],
  ];
  for (const [now, counts, found] of steps) assert.is(errors.onCounts(now, new Map(Object.entries(counts))), found, `at ${now}`);
});

test("the counters of SCSI disks, of file systems and of members of an array are read; what is none is left out", async () => {
  const root = mkdtempSync(join(tmpdir(), "cardinal-sys-"));
  const files: Readonly<Record<string, string>> = {
    "block/sda/device/ioerr_cnt": "0x1f\n",
    "block/sdb/device/other": "1\n",
    "block/vda/stat": "1\n",
    "block/md0/md/dev-sda/errors": "3\n",
    "block/md0/md/dev-sdc/errors": "no number\n",
    "fs/ext4/sda1/errors_count": "2\n",
    "fs/ext4/features/batched_discard": "supported\n",
  };
  try {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(`${root}/${path}`), { recursive: true });
      writeFileSync(`${root}/${path}`, text);
    }
    const found = [...await diskErrorCounts(root)].map(([path, count]) => [path.slice(root.length + 1), count]);
    assert.equal(found, [["block/sda/device/ioerr_cnt", 31], ["fs/ext4/sda1/errors_count", 2], ["block/md0/md/dev-sda/errors", 3]]);
    assert.is((await diskErrorCounts(`${root}/nowhere`)).size, 0);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
});

test.run();
