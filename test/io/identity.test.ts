import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { cardUid as readUid, nextIncarnation as next, reservedViews, reserveViews } from "../../src/io/identity.ts";
import { isRefusal, type Refusal } from "../../src/io/refusal.ts";
import { incarnationMax, viewNumberMax } from "../../src/limits.ts";

type Place = { directory: string };
const test = suite<Place>("identity");

test.before.each((place) => {
  place.directory = join(mkdtempSync(join(tmpdir(), "cardinal-state-")), "state");
});
test.after.each(({ directory }) => rmSync(join(directory, ".."), { recursive: true, force: true }));

const nextIncarnation = (directory: string, { atLeast = 0 } = {}) => next(directory, { atLeast, wallClockMs: Date.now() });
const number = (result: number | Refusal): number => {
  assert.type(result, "number", isRefusal(result) ? result.message : "");
  return result as number;
};
const refusedBy = (result: unknown): Refusal => {
  assert.ok(isRefusal(result), "it was not refused");
  return result as Refusal;
};

test("the identity is made once and kept, in a directory of the owner's alone", ({ directory }) => {
  const uid = readUid(directory);
  assert.instance(uid, Uint8Array);
  assert.is((uid as Uint8Array).length, 8);
  assert.equal(readUid(directory), uid);
  assert.is(statSync(directory).mode & 0o777, 0o700);
});

test("each start has a larger number, also within one second, and at least the clock's", ({ directory }) => {
  const first = number(nextIncarnation(directory));
  assert.ok(first >= Math.floor(Date.now() / 1_000) - 1);
  const second = number(nextIncarnation(directory));
  assert.ok(second > first);
  assert.is(readFileSync(join(directory, "incarnation"), "utf8"), `${second}\n`, "it is stored before it is used");
  assert.equal(readdirSync(directory), ["incarnation"], "no temporary file stays");
});

test("a clock that went back does not take the number back, and peers can ask for more", ({ directory }) => {
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, "incarnation"), "4000000000\n");
  assert.is(number(nextIncarnation(directory)), 4_000_000_001);
  assert.is(number(nextIncarnation(directory, { atLeast: 4_100_000_000 })), 4_100_000_000);
});

test("what cannot be understood is refused with the file's name, never taken for a beginning", ({ directory }) => {
  mkdirSync(directory, { recursive: true });
  for (const text of ["", "-1", "abc", "1.5", "99999999999", "1\n2\n"]) {
    writeFileSync(join(directory, "incarnation"), text);
    const { refused, message } = refusedBy(nextIncarnation(directory));
    assert.is(refused, "corrupt", text);
    assert.match(message, join(directory, "incarnation"));
  }
  for (const text of ["", "0123", "zz23456789abcdef", "0123456789abcdef0"]) {
    writeFileSync(join(directory, "uid"), text);
    assert.is(refusedBy(readUid(directory)).refused, "corrupt", text);
  }
});

test("the numbers end rather than wrap", ({ directory }) => {
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, "incarnation"), `${incarnationMax}\n`);
  assert.is(refusedBy(nextIncarnation(directory)).refused, "exhausted");
});

test("HA-5: what is reserved is on the disk before it is used, and there is nothing at first", ({ directory }) => {
  assert.is(reservedViews(directory), 0);
  assert.is(reserveViews(directory, 16), undefined);
  assert.is(readFileSync(join(directory, "reserved-views"), "utf8"), "16\n");
  assert.is(reservedViews(directory), 16);
  assert.is(reserveViews(directory, viewNumberMax), undefined);
  assert.is(reservedViews(directory), viewNumberMax);
  assert.equal(readdirSync(directory), ["reserved-views"], "no temporary file stays");
});

test("HA-5: a damaged reservation is never taken for none, and one that fails is said", ({ directory }) => {
  mkdirSync(directory, { recursive: true });
  for (const text of ["", "\n", "-1", "0x10", "1.5", "4294967296", "99999999999", "1\n2\n", "9".repeat(1_000)]) {
    writeFileSync(join(directory, "reserved-views"), text);
    const { refused, message } = refusedBy(reservedViews(directory));
    assert.is(refused, "corrupt", text);
    assert.match(message, `${join(directory, "reserved-views")} does not hold a number from 0 to ${viewNumberMax}`);
  }
  const { refused, message } = refusedBy(reserveViews(join(directory, "gone"), 16));
  assert.is(refused, "io");
  assert.match(message, join(directory, "gone", "reserved-views"));
});

test("a state directory that cannot be made is named", ({ directory }) => {
  mkdirSync(join(directory, ".."), { recursive: true });
  writeFileSync(directory, "a file");
  assert.match(refusedBy(nextIncarnation(directory)).message, directory);
  assert.match(refusedBy(readUid(directory)).message, directory);
  assert.match(refusedBy(reservedViews(directory)).message, directory);
  chmodSync(directory, 0o600);
});

test.run();
