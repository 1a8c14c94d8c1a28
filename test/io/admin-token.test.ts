import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { hex } from "../../src/base/hex.ts";
import { adminToken } from "../../src/io/admin-token.ts";
import { isRefusal } from "../../src/io/refusal.ts";

function inDirectory(use: (directory: string, file: string) => void): void {
  const directory = mkdtempSync(join(tmpdir(), "admin-token-"));
  try {
    use(directory, join(directory, "admin-token"));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

test("the first start makes a token that its owner alone reads; later ones take the same", () =>
  inDirectory((directory, file) => {
    const made = adminToken(directory);
    assert.ok(!isRefusal(made));
    assert.is(statSync(file).mode & 0o777, 0o600);
    const text = readFileSync(file, "utf8").trim();
    assert.match(text, /^cardinal\.admin\.[\w-]{43}$/);
    assert.is(hex(made.digest), createHash("sha256").update(text).digest("hex"));
    assert.equal(adminToken(directory), made);
  }));

test("a token that others may read, or that is none, is refused with the way out", () =>
  inDirectory((directory, file) => {
    adminToken(directory);
    chmodSync(file, 0o640);
    const open = adminToken(directory);
    assert.ok(isRefusal(open));
    assert.match(open.message, /may be read by others \(mode 640\).*remove it, and the next start makes a new one/);
    chmodSync(file, 0o600);
    writeFileSync(file, "secret\n");
    const odd = adminToken(directory);
    assert.ok(isRefusal(odd) && odd.refused === "corrupt", JSON.stringify(odd));
  }));

test("a directory that is not there is said with its reason", () => {
  const refused = adminToken("/nowhere/at/all");
  assert.ok(isRefusal(refused));
  assert.match(refused.message, /admin-token cannot be written: there is no such file or directory/);
});

test.run();
