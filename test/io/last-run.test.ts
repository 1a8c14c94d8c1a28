import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { LastRun } from "../../src/failover/boot-type.ts";
import { machineBoot, readLastRun, writeLastRun } from "../../src/io/last-run.ts";

type Place = { directory: string };
const test = suite<Place>("last run");

test.before.each((place) => {
  place.directory = mkdtempSync(join(tmpdir(), "cardinal-last-run-"));
});
test.after.each(({ directory }) => rmSync(directory, { recursive: true, force: true }));

const run: LastRun = {
  machineBoot: "4f1c",
  software: "1.0.0",
  ended: "open",
  role: "secondary",
  maintenance: false,
  unreadyStarts: 2,
  sense: { incarnation: 7, powerOns: 1, resets: 255 },
};

/** What is read, and what was said about it. */
function read(directory: string): { run: LastRun | undefined; said: string[] } {
  const said: string[] = [];
  return { run: readLastRun(directory, (reason) => said.push(reason)), said };
}

test("FS-6: what a run leaves is what the next one reads", ({ directory }) => {
  assert.equal(read(directory), { run: undefined, said: [] });
  for (const left of [run, { ...run, sense: undefined }, { ...run, ended: "reset", maintenance: true } as const]) {
    assert.is(writeLastRun(directory, left), undefined);
    assert.equal(read(directory), { run: left, said: [] });
  }
  assert.equal(readdirSync(directory), ["last-run"], "no temporary file stays");
  assert.is(statSync(join(directory, "last-run")).mode & 0o777, 0o600);
});

test("FS-6: what cannot be understood is no last run, and is said", ({ directory }) => {
  const path = join(directory, "last-run");
  const wrong = [
    "",
    "{",
    "null",
    "[]",
    "7",
    "{}",
    ...Object.keys(run).filter((key) => key !== "sense").map((key) => JSON.stringify({ ...run, [key]: undefined })),
    JSON.stringify({ ...run, ended: "toString" }),
    JSON.stringify({ ...run, role: "king" }),
    JSON.stringify({ ...run, unreadyStarts: -1 }),
    JSON.stringify({ ...run, sense: { incarnation: 1.5, powerOns: 0, resets: 0 } }),
    JSON.stringify({ ...run, sense: {} }),
    `${JSON.stringify(run)}${" ".repeat(5_000)}`,
  ];
  for (const text of wrong) {
    writeFileSync(path, text);
    const { run: found, said } = read(directory);
    assert.is(found, undefined, text);
    assert.is(said.length, 1, text);
    assert.match(said[0] as string, path);
  }
});

test("a directory that cannot be written is said", ({ directory }) => {
  assert.match(writeLastRun(join(directory, "missing"), run) as string, /no such file or directory/);
});

test("each start of the machine has a name", () => {
  assert.is(machineBoot(), machineBoot());
  assert.match(machineBoot(), /^[0-9a-f-]{36}$/);
});

test.run();
