import { chmodSync, chownSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { execFileSync } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { generateKeyFile as generate, promoteKey, readKeyFile, retireKey, stageKey, type SystemKeys } from "../../src/io/key-file.ts";
import { isRefusal, type Refusal } from "../../src/io/refusal.ts";
import { Keyring } from "../../src/wire/auth.ts";

type Place = { directory: string; file: string };
const test = suite<Place>("key file");

test.before.each((place) => {
  place.directory = mkdtempSync(join(tmpdir(), "cardinal-key-"));
  place.file = join(place.directory, "system.key");
});
test.after.each(({ directory }) => rmSync(directory, { recursive: true, force: true }));

const generateKeyFile = (path: string, { force }: { force: boolean }) => generate(path, { force, now: new Date() });
const stepKeyFile = (path: string, step: "stage" | "promote" | "retire") =>
  step === "stage" ? stageKey(path, new Date()) : step === "promote" ? promoteKey(path) : retireKey(path);
const ids = (keys: SystemKeys) => keys.map(({ id, role }) => `${role} ${id}`);

function kept(result: SystemKeys | Refusal): SystemKeys {
  assert.not.ok(isRefusal(result), isRefusal(result) ? result.message : "");
  return result as SystemKeys;
}

function refused(result: SystemKeys | Refusal): Refusal {
  assert.ok(isRefusal(result), "it was not refused");
  return result as Refusal;
}

test("a new key file is its owner's alone, and reads back", ({ file, directory }) => {
  const made = kept(generateKeyFile(file, { force: false }));
  assert.is(statSync(file).mode & 0o777, 0o600);
  assert.equal(kept(readKeyFile(file)), made);
  assert.equal(readdirSync(directory), ["system.key"], "no temporary file stays");
  assert.match(made[0].id, /^[0-9a-f]{8}$/);
});

test("a file that is there is not overwritten without force", ({ file }) => {
  kept(generateKeyFile(file, { force: false }));
  const before = readFileSync(file, "utf8");
  assert.is(refused(generateKeyFile(file, { force: false })).refused, "exists");
  assert.is(readFileSync(file, "utf8"), before);
  kept(generateKeyFile(file, { force: true }));
  assert.is.not(readFileSync(file, "utf8"), before);
});

for (const mode of [0o640, 0o604, 0o660, 0o610, 0o644]) {
  test(`mode ${mode.toString(8)} is refused with the command that mends it`, ({ file }) => {
    kept(generateKeyFile(file, { force: false }));
    chmodSync(file, mode);
    const { refused: code, message } = refused(readKeyFile(file));
    assert.is(code, "unsafe");
    assert.match(message, `0${mode.toString(8)}`);
    assert.match(message, `chmod 600 ${file}`);
  });
}

test("another user's file is refused", ({ file }) => {
  // Only root can give a file away; an ordinary user meets this case by a file that root has not given it.
  if (process.getuid?.() !== 0) return;
  kept(generateKeyFile(file, { force: false }));
  try {
    chownSync(file, 12_345, 12_345);
  } catch {
    // In a user namespace with one user there is nobody to give it to.
    return;
  }
  assert.match(refused(readKeyFile(file)).message, "belongs to user 12345");
});

test("what is no key file is refused by name and never waited for", ({ file, directory }) => {
  assert.match(refused(readKeyFile(file)).message, `cardinal key generate ${file}`);
  assert.is(refused(readKeyFile(directory)).refused, "unsafe");
  execFileSync("mkfifo", ["-m", "600", file]);
  assert.is(refused(readKeyFile(file)).refused, "unsafe");
  const wrong = [
    "",
    "{",
    "[]",
    "null",
    '{"cardinalKey":2,"keys":[]}',
    '{"cardinalKey":1,"keys":[]}',
    '{"cardinalKey":1,"keys":[null]}',
    `{"cardinalKey":1,"keys":[{"id":"00000000","made":"x","secret":"${"0".repeat(64)}"}]}`,
    `{"cardinalKey":1,"keys":[{"id":"00000000","made":"x","secret":"${"0".repeat(62)}"}]}`,
  ];
  for (const text of wrong) {
    rmSync(file, { force: true });
    writeFileSync(file, text, { mode: 0o600 });
    assert.is(refused(readKeyFile(file)).refused, "corrupt", text);
  }
});

test("a link to a good file is fine", ({ file, directory }) => {
  kept(generateKeyFile(file, { force: false }));
  symlinkSync(file, join(directory, "link"));
  kept(readKeyFile(join(directory, "link")));
});

test("the three steps of a replacement, in their order only", ({ file }) => {
  const first = kept(generateKeyFile(file, { force: false }))[0].id;
  assert.is(refused(stepKeyFile(file, "promote")).refused, "order");
  assert.is(refused(stepKeyFile(file, "retire")).refused, "order");
  const staged = kept(stepKeyFile(file, "stage"));
  assert.is(refused(stepKeyFile(file, "stage")).refused, "order");
  const second = staged[1]?.id;
  assert.equal(ids(staged), [`signing ${first}`, `staged ${second}`]);
  assert.equal(ids(kept(stepKeyFile(file, "promote"))), [`signing ${second}`, `retiring ${first}`]);
  assert.equal(ids(kept(stepKeyFile(file, "retire"))), [`signing ${second}`]);
  assert.is(statSync(file).mode & 0o777, 0o600);
});

test("while a key is replaced, each card understands a card that is one step behind or ahead", ({ file }) => {
  const states = [kept(generateKeyFile(file, { force: false }))];
  for (const step of ["stage", "promote", "retire"] as const) states.push(kept(stepKeyFile(file, step)));
  const keyrings = states.map((state) => new Keyring(state.map(({ secret }) => secret)));
  const envelope = Uint8Array.of(1, 2, 3);
  keyrings.forEach((sender, index) => {
    for (const receiver of keyrings.slice(Math.max(0, index - 1), index + 2)) {
      assert.ok(receiver.accepts("ether", envelope, sender.sign("ether", envelope)), `state ${index}`);
    }
  });
  const [oldest, newest] = [keyrings[0] as Keyring, keyrings[3] as Keyring];
  assert.not.ok(newest.accepts("ether", envelope, oldest.sign("ether", envelope)), "a retired key is not accepted");
});

test.run();
