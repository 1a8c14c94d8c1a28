// What a card has running is noted before it is started, and known to its next run; a cut line, another start of the machine, a full journal.
import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { ResourceSpec } from "../../src/failover/resource.ts";
import { ResourceJournal } from "../../src/io/resource-journal.ts";
import { resourceJournalBytesMax } from "../../src/limits.ts";

function address(last: number): ResourceSpec {
  return { kind: "address", address: `192.0.2.${last}`, prefix: 24, interface: "eth0" };
}

async function withJournal(use: (path: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "cardinal-journal-"));
  try {
    await use(join(directory, "state", "resources"));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

test("HA-15: what was started and not stopped is known to the next run, in the order of its starts", async () => {
  await withJournal(async (path) => {
    const first = await ResourceJournal.open(path, "boot-1");
    assert.ok(first.isEmpty);
    await Promise.all([first.start("a", address(1)), first.start("b", address(2)), first.start("c", address(3))]);
    first.stopped("b");
    first.stopped("never");
    await first.start("a", address(4));
    // As after SIGKILL: nobody has closed it.
    const second = await ResourceJournal.open(path, "boot-1");
    assert.equal(second.held, [{ resource: "c", spec: address(3) }, { resource: "a", spec: address(4) }]);
    second.stopped("c");
    await second.close();
    const third = await ResourceJournal.open(path, "boot-1");
    assert.equal(third.held, [{ resource: "a", spec: address(4) }]);
    await third.close();
    await first.close();
  });
});

test("HA-15: after another start of the machine nothing runs that was noted before it", async () => {
  await withJournal(async (path) => {
    const before = await ResourceJournal.open(path, "boot-1");
    await before.start("a", address(1));
    await before.close();
    const after = await ResourceJournal.open(path, "boot-2");
    assert.ok(after.isEmpty);
    await after.close();
    assert.is(readFileSync(path, "utf8"), '{"machineBoot":"boot-2"}\n');
  });
});

test("HA-15: a line that was cut short, or that is none of ours, is passed over", async () => {
  await withJournal(async (path) => {
    const journal = await ResourceJournal.open(path, "boot");
    await journal.start("a", address(1));
    await journal.close();
    appendFileSync(path, '{"stopped":7}\nnull\n{"start":{"resource":"x"}}\n{"start":{"resource":"b","spec":{"kind":"addr');
    const next = await ResourceJournal.open(path, "boot");
    assert.equal(next.held.map(({ resource }) => resource), ["a"]);
    await next.close();
  });
});

test("HA-15: a journal that has grown is written anew, and loses nothing", async () => {
  await withJournal(async (path) => {
    const journal = await ResourceJournal.open(path, "boot");
    await journal.start("kept", address(1));
    const name = "n".repeat(2_000);
    for (let round = 0; round * 4_000 < 2 * resourceJournalBytesMax; round++) {
      await journal.start(name, address(2));
      journal.stopped(name);
    }
    await journal.start("last", address(3));
    assert.ok(statSync(path).size <= resourceJournalBytesMax);
    await journal.close();
    const next = await ResourceJournal.open(path, "boot");
    assert.equal(next.held.map(({ resource }) => resource), ["kept", "last"]);
    await next.close();
  });
});

test("HA-15: a start that cannot be noted is told; what is in the way of the file is too", async () => {
  await withJournal(async (path) => {
    const journal = await ResourceJournal.open(path, "boot");
    await journal.close();
    let failure: unknown;
    await journal.start("a", address(1)).catch((error) => failure = error);
    assert.match((failure as Error).message, /closed/);
    rmSync(path);
    const file = join(path, "..", "file");
    writeFileSync(file, "");
    await ResourceJournal.open(join(file, "resources"), "boot").catch((error) => failure = error);
    assert.match((failure as Error).message, /ENOTDIR|EEXIST/);
  });
});

test.run();
