/** Small files that are whole or not there. */
import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { readSmallFile, writeDurably } from "../../src/io/durable-file.ts";

const test = suite<{ directory: string }>("durable file");
test.before.each((place) => {
  place.directory = mkdtempSync(join(tmpdir(), "cardinal-file-"));
});
test.after.each(({ directory }) => rmSync(directory, { recursive: true, force: true }));

test("the new content takes the old one's place, with the mode asked for and nothing left over", ({ directory }) => {
  const path = join(directory, "file");
  writeDurably(path, "one", { mode: 0o640, replace: true });
  const before = statSync(path).ino;
  writeDurably(path, "two", { mode: 0o600, replace: true });
  assert.is(readFileSync(path, "utf8"), "two");
  assert.is(statSync(path).mode & 0o777, 0o600);
  assert.is.not(statSync(path).ino, before);
  assert.equal(readdirSync(directory), ["file"]);
});

test("without replace a file that is there stays, a link to nowhere too", ({ directory }) => {
  const path = join(directory, "file");
  writeFileSync(path, "old");
  assert.throws(() => writeDurably(path, "new", { mode: 0o600, replace: false }), (error: { code?: string }) => error.code === "EEXIST");
  assert.is(readFileSync(path, "utf8"), "old");
  const link = join(directory, "link");
  symlinkSync(join(directory, "nowhere"), link);
  assert.throws(() => writeDurably(link, "new", { mode: 0o600, replace: false }), (error: { code?: string }) => error.code === "EEXIST");
  assert.equal(readdirSync(directory).sort(), ["file", "link"]);
});

test("a file of another user stays theirs", ({ directory }) => {
  if (process.geteuid?.() !== 0) return;
  const path = join(directory, "file");
  writeDurably(path, "text", { mode: 0o600, replace: true, owner: { uid: 12_345, gid: 54_321 } });
  const { uid, gid } = statSync(path);
  assert.equal([uid, gid], [12_345, 54_321]);
});

test("a directory that is not there, and nothing is made", ({ directory }) => {
  assert.throws(
    () => writeDurably(join(directory, "no", "file"), "x", { mode: 0o600, replace: true }),
    (error: { code?: string }) => error.code === "ENOENT",
  );
  assert.equal(readdirSync(directory), []);
});

test("what a file is and holds, up to the bound", ({ directory }) => {
  const path = join(directory, "file");
  writeFileSync(path, "12345");
  chmodSync(path, 0o640);
  const { uid, gid } = statSync(path);
  assert.equal(readSmallFile(path, 5), { isFile: true, mode: 0o640, uid, gid, text: "12345" });
  assert.is(readSmallFile(path, 4).text, undefined);
});

test("neither a FIFO nor a directory is read, and neither is waited for", ({ directory }) => {
  const fifo = join(directory, "fifo");
  execFileSync("mkfifo", [fifo]);
  for (const path of [fifo, directory]) {
    const { isFile, text } = readSmallFile(path, 5);
    assert.equal([isFile, text], [false, undefined]);
  }
});

test.run();
