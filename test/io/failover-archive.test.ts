// Records of failovers on a card's disk: they outlive the program, the newest words of each, bounded; what is wrong with the disk is told once.
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { CardId } from "../../src/base/ids.ts";
import { addEvent, openRecord } from "../../src/failover/failover-record.ts";
import { FailoverArchive } from "../../src/io/failover-archive.ts";
import { failoverArchiveMax } from "../../src/limits.ts";

const card = 1 as CardId;

async function withArchive(
  use: (directory: string, open: () => Promise<FailoverArchive>, failures: string[]) => Promise<void>,
): Promise<void> {
  const parent = mkdtempSync(join(tmpdir(), "cardinal-archive-"));
  const directory = join(parent, "failovers");
  const failures: string[] = [];
  try {
    await use(directory, () => FailoverArchive.open({ directory, onFailure: (reason) => failures.push(reason) }), failures);
  } finally {
    rmSync(parent, { recursive: true, force: true });
  }
}

test("FS-7: a record is there after a restart as it was last, and the oldest give way", async () => {
  await withArchive(async (directory, open, failures) => {
    const archive = await open();
    assert.equal(archive.records, []);
    const record = openRecord(1, { kind: "card", card }, 7, 100);
    archive.keep(record);
    const later = addEvent(record, { kind: "aborted", at: 150, text: "it was heard again" });
    archive.keep(later);
    await archive.close();
    assert.equal(readdirSync(directory), ["1.json"]);

    const second = await open();
    assert.equal(second.records, JSON.parse(JSON.stringify([later])));
    for (let id = 2; id <= failoverArchiveMax + 3; id++) second.keep(openRecord(id, { kind: "card", card }, 7, 100));
    await second.close();
    const third = await open();
    assert.equal([third.records.length, third.records[0]?.id, third.records.at(-1)?.id], [failoverArchiveMax, 4, failoverArchiveMax + 3]);
    assert.equal(failures, []);
  });
});

test("FS-7: what is no record is passed over; a disk that takes none is told once", async () => {
  await withArchive(async (directory, open, failures) => {
    const archive = await open();
    archive.keep(openRecord(3, { kind: "card", card }, 7, 100));
    await archive.close();
    writeFileSync(join(directory, "1.json"), '{"id":1,"ph');
    writeFileSync(join(directory, "2.json"), '{"id":9}\n');
    writeFileSync(join(directory, "other"), "");
    const second = await open();
    assert.equal(second.records.map(({ id }) => id), [3]);

    rmSync(directory, { recursive: true });
    second.keep(openRecord(4, { kind: "card", card }, 7, 100));
    await second.close();
    second.keep(openRecord(5, { kind: "card", card }, 7, 100));
    await second.close();
    assert.is(failures.length, 1);
    assert.match(failures[0] as string, /failovers: there is no such file or directory/);
    assert.equal(second.records.map(({ id }) => id), [3, 4, 5], "this run goes on with them");
  });
});

test.run();
