// timeout: 240
// runtime: node, because the cards are the compiled binary on either runtime
/**
 * The configuration of real cards, as whoever manages them meets it: the compiled binary on the virtual chassis, asked by its own
 * commands on the cards, and over HTTP.
 */
import { readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Chassis, withChassis } from "../../scripts/chassis/chassis.ts";
import { buildDirectory, node } from "../../scripts/chassis/repository.ts";
import type { ChassisStatus } from "../../scripts/chassis/status.ts";

const name = `ct${process.pid % 10_000}`;
const three = [1, 2, 3];

type Said = { readonly code: number; readonly stdout: string; readonly stderr: string };

function cardinal(chassis: Chassis, card: number, ...words: readonly string[]): Promise<Said> {
  return chassis.exec(card, [`${buildDirectory}/cardinal`, ...words]) as Promise<Said>;
}

async function done(asked: Promise<Said>): Promise<string> {
  const { code, stdout, stderr } = await asked;
  assert.is(code, 0, stderr);
  return stdout;
}

/** Whether these cards, and no others that answer, are current with one head. */
function agree({ cards }: ChassisStatus, members: readonly number[]): boolean {
  const found = cards.filter(({ slot }) => members.includes(slot)).map(({ status }) => status?.configuration);
  const [first] = found;
  return first !== undefined &&
    found.every((each) => each?.state === "current" && each.head.hash === first.head.hash && each.replicas.length === members.length);
}

test("FS-4, FS-10: changes through each card in turn are on every card; a side without a quorum is read, marked, and not changed", async () => {
  const document = join(tmpdir(), `${name}.json`);
  await withChassis({ name, cards: 3, runtime: "binary" }, async (chassis) => {
    await chassis.waitFor("three cards are current", (status) => agree(status, three), 20_000);
    const where = (card: number, file: string) => join(chassis.directory, "cards", `1-${card}`, "state", file);
    for (const card of three) {
      assert.is(statSync(where(card, "admin-token")).mode & 0o777, 0o600);
      assert.match(readFileSync(where(card, "admin-token"), "utf8"), /^cardinal\.admin\.[\w-]{43}\n$/);
    }

    writeFileSync(document, '{ "chassis": { "1": {} }, "cards": { "1/1": {}, "1/2": { "name": "middle" } } } // a comment');
    const plan = await cardinal(chassis, 2, "config", "apply", document, "--dry-run");
    assert.match(plan.stdout, /\n3 to make, none to change, none to remove; upon change 1 /);
    assert.match(await done(cardinal(chassis, 2, "config", "apply", document, "--yes")), /, on every card; served by card 1\/2\n$/);
    for (let count = 0; count < 6; count++) {
      const card = three[count % 3] as number;
      await done(cardinal(chassis, card, "config", "set", "cards.1/2.capacity", String(count), "--comment", `number ${count}`));
      for (const other of three) assert.is(await done(cardinal(chassis, other, "config", "get", "cards.1/2.capacity")), `${count}\n`);
    }
    const histories = await Promise.all(three.map((card) => done(cardinal(chassis, card, "config", "history", "--rows", "--json"))));
    assert.is(new Set(histories).size, 1, "one history");
    const hashes = (histories[0] as string).trimEnd().split("\n").map((line) => JSON.parse(line).hash as string);
    assert.is(hashes.length, 8);

    const token = (await done(cardinal(chassis, 1, "token", "create", "ci", "--role", "operator"))).trimEnd();
    const patch = async (card: number, fields: Readonly<Record<string, string>>, row: unknown) => {
      const headers = { authorization: `Bearer ${token}`, "content-type": "application/json", ...fields };
      const request = JSON.stringify({ method: "PATCH", headers, body: JSON.stringify(row) });
      const url = "http://127.0.0.1:8421/v1/configuration/tables/cards/1%2F2";
      const asking = `fetch("${url}", ${request}).then((answer) => answer.text()).then((text) => console.log(text))`;
      return JSON.parse(await done(chassis.exec(card, [node, "-e", asking]) as Promise<Said>));
    };
    assert.is((await patch(3, { "if-match": `"${hashes[3]}"` }, { name: "late" })).status, 412);
    const once = await patch(3, { "idempotency-key": "k" }, { name: "once" });
    const twice = await patch(2, { "idempotency-key": "k" }, { name: "twice" });
    assert.equal([once.servedBy, once.repeated, twice.repeated], ["1/3", false, true]);
    assert.equal(twice.head, once.head);
    assert.is(await done(cardinal(chassis, 1, "config", "get", "cards.1/2.name")), "once\n");

    await chassis.pull(2);
    await chassis.pull(3);
    await chassis.waitFor(
      "card 1 is stale",
      ({ cards }) => cards.find(({ slot }) => slot === 1)?.status?.configuration?.state === "stale",
      20_000,
    );
    assert.is(await done(cardinal(chassis, 1, "config", "get", "cards.1/2.name")), "once\n");
    const refused = await cardinal(chassis, 1, "config", "set", "cards.1/2.name", "alone");
    assert.is(refused.code, 1);
    assert.match(refused.stderr, /no quorum\. Changes need more than half of the cards/);
    await chassis.insert(2);
    await chassis.insert(3);
    await chassis.waitFor("three cards are current again", (status) => agree(status, three), 30_000);
    await done(cardinal(chassis, 3, "config", "set", "cards.1/2.name", "together"));
    for (const card of three) assert.is(await done(cardinal(chassis, card, "config", "get", "cards.1/2.name")), "together\n");

    const backup = join(chassis.directory, "monday.backup");
    await done(cardinal(chassis, 1, "config", "backup", backup));
    await done(cardinal(chassis, 2, "config", "unset", "cards.1/2"));
    await done(cardinal(chassis, 3, "config", "restore", backup, "--yes"));
    assert.is(await done(cardinal(chassis, 1, "config", "get", "cards.1/2.name")), "together\n");
    assert.match(await done(cardinal(chassis, 2, "config", "check")), /^nothing is wrong/);
  });
  rmSync(document, { force: true });
});

test.run();
