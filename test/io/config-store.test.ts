/** What is read of a store at the card's edge: rows, history, documents, branches, backups. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { StoreResult } from "../../src/config/store.ts";
import { ConfigStore } from "../../src/io/config-store.ts";
import type { Plan, Unread } from "../../src/config/read-answer.ts";
import { host, type Ordered, StoreDriver, wish } from "../conformance/config-store.ts";

type Opened = { readonly store: ConfigStore; readonly driver: StoreDriver; readonly directory: string };

type OnChanged = (tables: readonly string[] | undefined) => void;

/** Runs `body` with stores in directories of their own. */
async function withStores(body: (make: (onChanged?: OnChanged) => Opened) => Promise<void>): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), "cardinal-store-"));
  const stores: ConfigStore[] = [];
  const make = (onChanged: OnChanged = () => {}) => {
    const waiting = new Map<number, (result: StoreResult) => void>();
    let count = 0;
    const directory = join(root, `store-${stores.length}`);
    const store = new ConfigStore({ directory, onChanged, onResult: (result) => waiting.get(result.order)?.(result) });
    stores.push(store);
    const order = (wanted: Ordered) =>
      new Promise<StoreResult>((resolve) => {
        waiting.set(count, resolve);
        store.order({ ...wanted, order: count++ });
      });
    const none = () => Promise.reject(new Error("not here"));
    const driver = new StoreDriver({ order, cutPower: none, restart: none, dump: none });
    return { store, driver, directory };
  };
  try {
    await body(make);
  } finally {
    for (const store of stores) await store.close();
    rmSync(root, { recursive: true, force: true });
  }
}

function read<Answer>(answer: Answer | Unread | undefined): Exclude<Answer, Unread> {
  if (typeof answer === "object" && answer !== null && "unread" in answer) throw new Error(answer.unread.message);
  return answer as Exclude<Answer, Unread>;
}

function plan(answer: unknown): Plan {
  assert.ok(typeof answer === "object" && answer !== null && "operations" in answer, JSON.stringify(answer));
  return answer as Plan;
}

test("CARD-4: a row that is kept in memory is what the newest commit made of it, however closely they follow on each other", () =>
  withStores(async (make) => {
    const { store, driver } = make();
    assert.ok("unread" in await store.keptRow("hosts", "a"));
    await driver.begin();
    assert.is(read(await store.keptRow("hosts", "a")).row, undefined);
    await driver.change(wish("1", [host("a", "one"), host("b", "of b")]));
    assert.is(read(await store.keptRow("hosts", "a")).row?.["note"], "one");
    // Asked before, between and behind orders that are under way.
    for (let time = 0; time < 20; time++) {
      const proposal = await driver.proposal(wish(`t${time}`, [host("a", `time ${time}`)]));
      const asked = [store.keptRow("hosts", "a"), store.keptRow("hosts", "b")];
      const committed = driver.commit(proposal);
      asked.push(store.keptRow("hosts", "a"));
      await committed;
      assert.is(read(await store.keptRow("hosts", "a")).row?.["note"], `time ${time}`);
      await Promise.all(asked);
      assert.is(read(await store.keptRow("hosts", "a")).row?.["note"], `time ${time}`);
    }
    await driver.change(wish("gone", [{ kind: "remove", table: "hosts", id: "a" }]));
    assert.is(read(await store.keptRow("hosts", "a")).row, undefined);
    assert.is(read(await store.keptRow("hosts", "b")).row?.["note"], "of b");
    await driver.ask("opened", { kind: "reset" });
    assert.is(read(await store.keptRow("hosts", "b")).row, undefined, "another database has taken its place");
  }));

test("FS-4: whoever follows some tables is told which a commit has changed, and reads all their rows of one moment", () =>
  withStores(async (make) => {
    const changes: (readonly string[] | undefined)[] = [];
    const { store, driver } = make((tables) => changes.push(tables));
    assert.ok("unread" in await store.tables(["hosts", "chassis"]));
    await driver.begin();
    assert.equal(changes.at(0), undefined);
    changes.length = 0;
    await driver.change(wish("1", [host("b", "two"), host("a", "one")]));
    assert.equal(changes, [["hosts", "audit"]]);
    const { head, rows } = read(await store.tables(["hosts", "chassis"]));
    assert.equal([head.sequence, rows.hosts.map(({ id, note }) => [id, note]), rows.chassis], [2, [["a", "one"], ["b", "two"]], []]);
  }));

test("while a snapshot is proven reads are answered, and orders wait for its end", () =>
  withStores(async (make) => {
    const [from, to] = [make(), make()];
    await from.driver.begin();
    for (let index = 0; index < 150; index++) await from.driver.change(wish(`k${index}`, [host(`h${index}`, `${index}`)]));
    await to.driver.open();
    const { sha256 } = await to.driver.receive(from.driver, "copy");
    const told: string[] = [];
    const installed = to.driver.ask("opened", { kind: "installSnapshot", name: "copy", sha256 }).then((opened) => {
      told.push(`installed ${opened.head.sequence}`);
    });
    const hashes = to.driver.ask("hashes", { kind: "hashes", sequences: [151] }).then(({ heads }) => told.push(`${heads.length} hash`));
    const rows = to.store.row("hosts", "h7").then((found) => told.push(`read of ${read(found).head.sequence}`));
    await Promise.all([installed, hashes, rows]);
    assert.equal(told, ["read of 0", "installed 151", "1 hash"]);
    assert.is(read(await to.store.row("hosts", "h7")).row?.["note"], "7");
  }));

test("a store that is not open says so", () =>
  withStores(async (make) => {
    const { store, driver } = make();
    const unread = await store.rows("hosts", { limit: 1 });
    assert.ok("unread" in unread && unread.unread.code === "hold");
    await driver.open();
    assert.equal(read(await store.rows("hosts", { limit: 1 })).rows, []);
    assert.equal(read(await store.history({ limit: 1, rows: true })).changes, []);
  }));

test("rows come in pages, in the order of their ids", () =>
  withStores(async (make) => {
    const { store, driver } = make();
    await driver.begin();
    await driver.change(wish("a", ["h3", "h1", "h2"].map((id) => host(id, `note of ${id}`))));
    const first = read(await store.rows("hosts", { limit: 2 }));
    assert.equal([first.rows.map(({ id }) => id), first.next, first.head.sequence], [["h1", "h2"], "h2", 2]);
    const second = read(await store.rows("hosts", { limit: 2, after: "h2" }));
    assert.equal([second.rows.map(({ id }) => id), second.next], [["h3"], undefined]);
    assert.is(read(await store.row("hosts", "h1")).row?.["note"], "note of h1");
    assert.is(read(await store.row("hosts", "none")).row, undefined);
    assert.equal(read(await store.rows("none", { limit: 2 })).rows, []);
    assert.is(read(await store.row(`hosts" --`, "h1")).row, undefined);
  }));

test("the history is newest first, in pages, with what each change did", () =>
  withStores(async (make) => {
    const { store, driver } = make();
    await driver.begin();
    await driver.change(wish("a", [host("h1", "one"), host("h2", "two")], { comment: "why" }));
    await driver.change(wish("b", [host("h1", "other"), { kind: "remove", table: "hosts", id: "h2" }]));
    const page = read(await store.history({ limit: 2, rows: true }));
    assert.equal(page.changes.map(({ sequence, comment, kind }) => [sequence, comment, kind]), [[3, "", "rows"], [2, "why", "rows"]]);
    assert.is(page.next, 2);
    const steps = page.changes[0]?.rows?.filter(({ table }) => table === "hosts").sort((a, b) => a.id < b.id ? -1 : 1);
    assert.is(steps?.[0]?.kind, "update");
    assert.equal([steps?.[0]?.before, steps?.[0]?.after], [{ id: "h1", note: "one" }, { id: "h1", note: "other" }]);
    assert.equal([steps?.[1]?.kind, steps?.[1]?.before?.["note"]], ["remove", "two"]);
    const rest = read(await store.history({ limit: 2, rows: false, before: 2 }));
    assert.equal(rest.changes.map(({ sequence, kind }) => [sequence, kind]), [[1, "migrate"]]);
    assert.is(rest.next, undefined);
  }));

test("a document is exported, planned and applied, and its mistakes have their places", () =>
  withStores(async (make) => {
    const { store, driver } = make();
    await driver.begin();
    const encoder = new TextEncoder();
    const planned = plan(await store.planDocument(encoder.encode(`{ "hosts": { "h1": { "note": "hello" } } }`)));
    assert.is(planned.head.sequence, 1);
    assert.equal(planned.steps.map(({ kind, id }) => [kind, id]), [["insert", "h1"]]);
    await driver.change(wish("a", planned.operations));
    assert.match(read(await store.document({ secrets: false })).text, /"h1": \{ "note": "hello" \}/);
    const wrong = await store.planDocument(encoder.encode(`{ "hosts": { "h1": { "nose": 1 } } }`));
    assert.ok("findings" in wrong && wrong.findings[0]?.place?.line === 1, JSON.stringify(wrong));
    const value = read(await store.valueAt("hosts.h1.note", { secrets: false }));
    assert.ok("value" in value && value.value === "hello");
    assert.equal(plan(await store.planSetting("hosts.h1.note", "bye")).steps.length, 1);
    assert.equal(plan(await store.planUnsetting("hosts.h1")).steps.map(({ kind }) => kind), ["remove"]);
    assert.equal(read(await store.paths("hosts.h")).paths, ["hosts.h1"]);
  }));

test("FS-3: the failover sets are looked at in the thread, and what may be wrong with them is told", () =>
  withStores(async (make) => {
    const { store, driver } = make();
    assert.ok("unread" in await store.checkSets(), "not before it is opened");
    await driver.begin();
    const document = {
      chassis: { "1": {} },
      cards: { "1/1": {} },
      failoverSets: { db: { members: { "1/1": {} } } },
      services: { web: { set: "db" } },
    };
    await driver.change(wish("a", plan(await store.planDocument(new TextEncoder().encode(JSON.stringify(document)))).operations));
    const { head, findings } = read(await store.checkSets());
    assert.is(head.sequence, 2);
    assert.equal(findings.map(({ code, severity, id }) => [code, severity, id]), [["one-card", "warning", "db"]]);
  }));

test("a branch is compared row by row with the chain that went on, and merged", () =>
  withStores(async (make) => {
    const { store, driver } = make();
    await driver.begin();
    await driver.change(wish("a", [host("both", "common"), host("ours", "common"), host("theirs", "common")]));
    const common = driver.head;
    await driver.change(wish("b", [host("both", "branch"), host("theirs", "branch"), host("new", "branch")], { author: "somebody" }));
    const opened = await driver.ask("opened", { kind: "setAside", common });
    driver.head = opened.head;
    await driver.change(wish("c", [host("both", "chain"), host("ours", "chain")]));
    const id = opened.branches[0]?.id as string;
    const { rows } = read(await store.branchRows(id, { limit: 10 }))!;
    assert.equal(rows.map((row) => [row.id, row.changed, row.common?.["note"], row.branch?.["note"], row.chain?.["note"]]), [
      ["both", "both", "common", "branch", "chain"],
      ["new", "branch", undefined, "branch", undefined],
      ["ours", "chain", "common", "common", "chain"],
      ["theirs", "branch", "common", "branch", "common"],
    ]);
    assert.equal([rows[0]?.author, rows[2]?.author], ["somebody", undefined]);
    const page = read(await store.branchRows(id, { limit: 2 }))!;
    const next = read(await store.branchRows(id, { limit: 2, ...page.next === undefined ? {} : { after: page.next } }))!;
    assert.equal([...page.rows, ...next.rows].map((row) => row.id), ["both", "new", "ours", "theirs"]);
    const conflict = await store.planMerge(id, undefined);
    assert.ok("findings" in conflict && conflict.findings[0]?.path === "/hosts/both");
    const merge = plan(await store.planMerge(id, "branch"));
    await driver.change(wish("d", merge.operations));
    const notes = read(await store.rows("hosts", { limit: 10 })).rows.map((row) => [row.id, row["note"]]);
    assert.equal(notes, [["both", "branch"], ["new", "branch"], ["ours", "chain"], ["theirs", "branch"]]);
    assert.is(read(await store.branchRows("00000000", { limit: 1 })), undefined);
    await driver.ask("discarded", { kind: "discardBranch", id });
  }));

async function backupOf(store: ConfigStore): Promise<Uint8Array> {
  const { pieces } = read(await store.backup());
  const parts: Uint8Array[] = [];
  for await (const piece of pieces) parts.push(piece);
  return new Uint8Array(parts.flatMap((part) => [...part]));
}

async function* inPieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.slice(at, at + size);
}

test("a backup of one moment makes another system the same by one change", () =>
  withStores(async (make) => {
    const from = make();
    await from.driver.begin();
    await from.driver.change(wish("a", Array.from({ length: 50 }, (_, index) => host(`h${index}`, `note ${index} \u{1f4be}`))));
    const { pieces } = read(await from.store.backup());
    // It is opened: what is changed from now on is not in it.
    await from.driver.change(wish("b", [host("late")]));
    const parts: number[] = [];
    for await (const piece of pieces) parts.push(...piece);
    const backup = Uint8Array.from(parts);

    const to = make();
    await to.driver.begin();
    await to.driver.change(wish("a", [host("h1", "other"), host("gone")]));
    for (const size of [1, 7, 1_000_000]) {
      const planned = plan(await to.store.planBackup(inPieces(backup, size)));
      assert.is(planned.operations.length, 51);
    }
    await to.driver.change(wish("restore", plan(await to.store.planBackup(inPieces(backup, 100))).operations));
    assert.is(plan(await to.store.planBackup(inPieces(backup, 100))).operations.length, 0);
    assert.is(read(await to.store.row("hosts", "late")).row, undefined);
  }));

test("a backup that is cut off or changed is not restored", () =>
  withStores(async (make) => {
    const { store, driver } = make();
    await driver.begin();
    await driver.change(wish("a", [host("h1", "note")]));
    const backup = await backupOf(store);
    for (const length of [0, 10, backup.length - 1, backup.length - 90]) {
      const answer = await store.planBackup(inPieces(backup.slice(0, length), 64));
      assert.ok("findings" in answer, `cut at ${length}`);
    }
    const text = new TextDecoder().decode(backup);
    for (
      const changed of [
        text.replace("note", "nose"),
        `${text}{}\n`,
        text.replace('"form":1', '"form":2'),
        text.split("\n").slice(1).join("\n"),
      ]
    ) {
      const answer = await store.planBackup(inPieces(new TextEncoder().encode(changed), 64));
      assert.ok("findings" in answer, changed);
    }
  }));

test.run();
