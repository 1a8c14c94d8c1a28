/** Parts of the store by themselves: changesets read and inverted, what pruning leaves, the checksums of a log. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { constants, DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { CardId } from "../../src/base/ids.ts";
import { emptyHead, levelChangeset, linked } from "../../src/config/chain.ts";
import type { Change, Head, Proposal } from "../../src/config/change.ts";
import type { StoreOrder, StoreResult } from "../../src/config/store.ts";
import { invertedChangeset, MalformedChangeset, rowChanges, tablesOf } from "../../src/io/config-store/changeset.ts";
import { type BareResult, ConfigDatabase } from "../../src/io/config-store/database.ts";
import { databaseRules } from "../../src/io/config-store/database-rules.ts";
import { readLog } from "../../src/io/config-store/write-ahead-log.ts";
import { host, type Ordered, wish } from "../conformance/config-store.ts";

function inDirectory(body: (directory: string) => void): void {
  const directory = mkdtempSync(join(tmpdir(), "cardinal-store-"));
  try {
    body(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const abort = { onConflict: () => constants.SQLITE_CHANGESET_ABORT };

/** What somebody does to a table with two rows' worth of columns; keys are few, so that rows meet. */
const edits = fc.array(
  fc.record({
    id: fc.constantFrom("a", "b", "c", "d"),
    what: fc.constantFrom("put", "put", "remove"),
    whole: fc.oneof(fc.integer(), fc.maxSafeInteger(), fc.constant(null)),
    text: fc.oneof(fc.string({ unit: "binary" }).filter((text) => !text.includes("\0")), fc.constant(null)),
    bytes: fc.uint8Array(),
    real: fc.oneof(fc.double({ noNaN: true }), fc.constant(null)),
  }),
  { maxLength: 12 },
);

function edit(database: DatabaseSync, list: typeof edits extends fc.Arbitrary<infer List> ? List : never): void {
  const put = database.prepare(
    `INSERT INTO t VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET w = excluded.w, x = excluded.x, y = excluded.y, z = excluded.z`,
  );
  for (const { id, what, whole, text, bytes, real } of list) {
    if (what === "remove") database.prepare("DELETE FROM t WHERE id = ?").run(id);
    else put.run(id, whole, text, bytes, real);
  }
}

function content(database: DatabaseSync): string {
  return JSON.stringify(database.prepare("SELECT id, w, x, hex(y) AS y, quote(z) AS z FROM t ORDER BY id").all());
}

test("an inverted changeset takes back what the changeset did, and its rows are read as they are", () => {
  fc.assert(
    fc.property(edits, edits, (first, second) => {
      const database = new DatabaseSync(":memory:");
      database.exec("CREATE TABLE t (id TEXT PRIMARY KEY, w INTEGER, x TEXT, y BLOB, z REAL) WITHOUT ROWID");
      edit(database, first);
      const before = content(database);
      const session = database.createSession();
      edit(database, second);
      const changeset = session.changeset();
      session.close();
      const after = content(database);
      const changes = [...rowChanges(changeset)];
      for (const { kind, before: was, after: is } of changes) {
        const id = (was ?? is)?.[0] as string;
        const row = database.prepare("SELECT * FROM t WHERE id = ?").get(id);
        assert.is(row === undefined, kind === "delete");
        for (const [index, column] of ["id", "w", "x", "y", "z"].entries()) {
          if (is?.[index] !== undefined) assert.equal(is[index], row?.[column]);
        }
      }
      assert.equal([...tablesOf(changeset)], changes.length === 0 ? [] : [["t", 5]]);
      const inverted = invertedChangeset(changeset);
      assert.equal(invertedChangeset(inverted), changeset);
      assert.ok(inverted.length === 0 || database.applyChangeset(inverted, abort));
      assert.is(content(database), before);
      assert.ok(changeset.length === 0 || database.applyChangeset(changeset, abort));
      assert.is(content(database), after);
      database.close();
    }),
    { numRuns: 300 },
  );
});

test("bytes that are no changeset are said to be none, wherever they are cut or changed", () => {
  const database = new DatabaseSync(":memory:");
  database.exec("CREATE TABLE t (id TEXT PRIMARY KEY, w INTEGER) WITHOUT ROWID");
  const session = database.createSession();
  database.exec("INSERT INTO t VALUES ('one', 1), ('two', 2)");
  const changeset = session.changeset();
  database.close();
  for (let length = 1; length < changeset.length; length++) {
    for (const read of [(bytes: Uint8Array) => [...rowChanges(bytes)], tablesOf, invertedChangeset]) {
      try {
        read(changeset.subarray(0, length));
      } catch (error) {
        assert.instance(error, MalformedChangeset);
      }
    }
  }
  fc.assert(fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
    for (const read of [(all: Uint8Array) => [...rowChanges(all)], tablesOf, invertedChangeset]) {
      try {
        read(bytes);
      } catch (error) {
        assert.instance(error, MalformedChangeset);
      }
    }
  }));
});

/** A database driven without a thread. */
class Direct {
  readonly database: ConfigDatabase;
  head: Head = emptyHead;

  constructor(directory: string, bounds: { readonly changesMax: number; readonly bytesMax: number }) {
    this.database = new ConfigDatabase({
      directory,
      rules: databaseRules,
      bounds: { ...bounds, logPagesMax: 64 },
      wallClock: () => 0,
      onReplace: () => {},
    });
    this.ask("opened", { kind: "open" });
    this.commit({ kind: "migrate", author: "", comment: "", key: "", card: 1 as CardId, time: 0, changeset: levelChangeset(1) });
  }

  ask<Kind extends StoreResult["kind"]>(kind: Kind, order: Ordered): Extract<StoreResult, { readonly kind: Kind }> {
    const begun = this.database.carryOut({ order: 0, ...order } as StoreOrder);
    let result = begun as BareResult;
    if (!("kind" in begun)) {
      let step = begun.next();
      while (!step.done) step = begun.next();
      result = step.value;
    }
    if (result.kind !== kind) throw new Error(`${order.kind} was answered with ${JSON.stringify(result)}, not ${kind}`);
    return result as Extract<StoreResult, { readonly kind: Kind }>;
  }

  commit(...proposals: Proposal[]): Change[] {
    const changes: Change[] = [];
    for (const proposal of proposals) changes.push(linked(changes.at(-1) ?? this.head, 1, proposal));
    this.head = this.ask("committed", { kind: "commit", changes }).head;
    return changes;
  }

  change(index: number): Change {
    const { outcomes: [outcome] } = this.ask("planned", {
      kind: "plan",
      card: 1,
      wishes: [wish(`k${index}`, [host(`h${index % 4}`, `${index}`)])],
    });
    if (outcome?.kind !== "planned") throw new Error(JSON.stringify(outcome));
    return this.commit(outcome.proposal)[0] as Change;
  }
}

function dumpOf(directory: string): string {
  return spawnSync("sqlite3", [join(directory, "configuration.db"), ".dump"], { encoding: "utf8", maxBuffer: 1 << 28 }).stdout;
}

test("pruning follows from the chain alone, not from how its changes were committed", () =>
  inDirectory((root) => {
    for (const bounds of [{ changesMax: 7, bytesMax: 1_000_000 }, { changesMax: 1_000, bytesMax: 4_000 }]) {
      const one = new Direct(join(root, `one-${bounds.changesMax}`), bounds);
      const changes = Array.from({ length: 30 }, (_, index) => one.change(index));
      const other = new Direct(join(root, `other-${bounds.changesMax}`), bounds);
      for (let at = 0; at < changes.length; at += 10) other.ask("committed", { kind: "commit", changes: changes.slice(at, at + 10) });
      const { first, heads } = one.ask("hashes", { kind: "hashes", sequences: [1, 31] });
      assert.ok(first > 1 && first < 31);
      assert.equal(heads.map(({ sequence }) => sequence), [31]);
      assert.is(other.ask("hashes", { kind: "hashes", sequences: [] }).first, first);
      one.database.close();
      other.database.close();
      assert.is(dumpOf(join(root, `one-${bounds.changesMax}`)), dumpOf(join(root, `other-${bounds.changesMax}`)));
      assert.is(one.ask("opened", { kind: "open" }).first, first);
      assert.equal(one.ask("checked", { kind: "check" }).findings, []);
      // Keys are known for as long as their change is kept.
      const wishes = [wish("k29", [host("h0", "x")]), wish("k0", [host("h0", "x")])];
      assert.equal(one.ask("planned", { kind: "plan", card: 1, wishes }).outcomes.map(({ kind }) => kind), ["known", "planned"]);
      // What was pruned on the way is not there on the way back: then a snapshot is needed.
      const common = one.ask("hashes", { kind: "hashes", sequences: [30] }).heads[0] as Head;
      assert.is(one.ask("opened", { kind: "setAside", common }).head.sequence, 0);
      one.database.close();
    }
  }));

test("the log is proven as SQLite proves it, and stays within its bound", () =>
  inDirectory((root) => {
    const one = new Direct(root, { changesMax: 1_000, bytesMax: 1_000_000 });
    for (let index = 0; index < 60; index++) {
      one.change(index);
      const log = join(root, "configuration.db-wal");
      const reader = new DatabaseSync(join(root, "configuration.db"), { readOnly: true });
      const [state] = reader.prepare("PRAGMA wal_checkpoint(NOOP)").all() as { log: number }[];
      reader.close();
      const { count, lost } = readLog(log, 4096, state?.log);
      assert.equal([count, lost], [state?.log, 0]);
      assert.ok(count <= 64 + 32, `${count} pages`);
    }
    one.database.close();
  }));

test.run();
