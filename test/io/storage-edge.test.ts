/** The storage service's orders carried out on two block engines, with a connection between them. */
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { mirrorNews, nativeMirror } from "../../drivers/block/mirror.ts";
import { PayloadWriter } from "../../drivers/block/payload.ts";
import { nativeStorageDrivers } from "../../drivers/native.ts";
import type { CardId } from "../../src/base/ids.ts";
import { type PeerHello, StorageEdge, type StoragePeers } from "../../src/io/storage-edge.ts";
import type { BlockAnswer, BlockOrder, BlockReport, MirrorPolicy } from "../../src/storage/blocks.ts";

const legBytes = 8 * 1_024 * 1_024;
const waitMs = 20_000;
const policy: MirrorPolicy = {
  protocol: "synchronous",
  behindBytesMax: 1 << 20,
  peerTimeoutMs: 5_000,
  fillBytes: 1 << 20,
  bytesPerSMax: 0,
  bytesPerSMin: 1 << 20,
};
const state = new TextEncoder().encode("state");

type Given = BlockOrder extends infer Order ? Order extends BlockOrder ? Omit<Order, "order" | "device"> : never : never;

/** A card: its edge, with what it told. */
class Card {
  readonly reports: BlockReport[] = [];
  readonly #waiting = new Map<number, (answer: BlockAnswer) => void>();
  #lastOrder = 0;
  edge!: StorageEdge;

  static async open(peers: StoragePeers): Promise<Card> {
    const card = new Card();
    card.edge = await StorageEdge.open({
      driver: nativeStorageDrivers().block,
      mirrorOf: nativeMirror,
      mirrorNews,
      peers,
      legsOf: () => ["a", "b"],
      onAnswer: (answer) => card.#waiting.get(answer.order)?.(answer),
      onReport: (report) => card.reports.push(report),
      now: () => performance.now(),
    });
    return card;
  }

  give(given: Given): Promise<BlockAnswer> {
    const order = ++this.#lastOrder;
    return new Promise((resolve) => {
      this.#waiting.set(order, resolve);
      this.edge.perform({ ...given, order, device: "vault" } as BlockOrder);
    });
  }

  async told(kind: BlockReport["kind"]): Promise<BlockReport> {
    const end = performance.now() + waitMs;
    for (;;) {
      const index = this.reports.findIndex((report) => report.kind === kind);
      if (index >= 0) return this.reports.splice(index, 1)[0] as BlockReport;
      assert.ok(performance.now() < end, `${kind} is told; what was: ${JSON.stringify(this.reports)}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

async function pair(): Promise<[number, number]> {
  let told: (descriptor: number) => void = () => {};
  const released = new Promise<number>((resolve) => (told = resolve));
  const ignored = { accepted() {}, bytes() {}, sent() {}, gone() {}, deaf() {} };
  const door = nativeStorageDrivers().door.open(4, { ...ignored, released: (_, descriptor) => told(descriptor) });
  const { connection, descriptor } = door.pair();
  door.answer(connection, new Uint8Array(), "release");
  const near = await released;
  await door.close();
  return [near, descriptor];
}

function write(card: Card, leg: string, byte: number): Promise<Uint8Array> {
  const bytes = new PayloadWriter().u8(255).u8(1).u8(0).u32(4_096).u64(0).u64(0).raw(new Uint8Array(4_096).fill(byte)).bytes;
  return card.edge.engine.order(10, card.edge.numberOf("vault", leg), bytes);
}

test("a leg is served with a backup: attached, synchronized, lost, left behind, and back", async () => {
  const directory = mkdtempSync(join(tmpdir(), "cardinal-storage-"));
  const paths = { a: join(directory, "a"), b: join(directory, "b") };
  for (const path of Object.values(paths)) {
    writeFileSync(path, "");
    truncateSync(path, legBytes);
  }
  const nobody: StoragePeers = { call: () => Promise.reject(new Error("nobody is there")) };
  const backup = await Card.open(nobody);
  const hellos: PeerHello[] = [];
  const primary = await Card.open({
    async call(_card, hello) {
      hellos.push(hello);
      const theirBitmap = backup.edge.greet(hello);
      if (theirBitmap === undefined) throw new Error(`leg ${hello.leg} is not open there in term ${hello.term}`);
      const [near, far] = await pair();
      await backup.edge.accept(hello, far, false);
      return { descriptor: near, theirBitmap };
    },
  });
  try {
    const done = async (answer: Promise<BlockAnswer>) => assert.equal({ ...(await answer), order: 0 }, { order: 0, kind: "done" });
    const attach = { leg: "a", kind: "attach", peer: "b", card: 2 as CardId, counts: false } as const;
    assert.is((await primary.give({ leg: "a", kind: "look", path: paths.a })).kind, "found");
    const absent = await primary.give({ leg: "a", kind: "look", path: join(directory, "absent") });
    assert.equal([absent.kind, absent.kind === "failed" && absent.code], ["failed", "gone"]);
    assert.is((await primary.give({ leg: "a", kind: "open", path: paths.a, format: true })).kind, "found");
    assert.is((await backup.give({ leg: "b", kind: "open", path: paths.b, format: true })).kind, "found");
    const held = await backup.give({ leg: "a", kind: "open", path: paths.a, format: false });
    assert.equal([held.kind, held.kind === "failed" && held.code], ["failed", "busy"]);
    await done(primary.give({ leg: "a", kind: "note", term: 1, state, peers: ["b"], all: ["b"] }));
    await done(primary.give({ leg: "a", kind: "serve", term: 1, policy }));
    await done(primary.give({ leg: "a", kind: "gate", state: "open" }));
    await write(primary, "a", 1);
    assert.is((await primary.give({ ...attach, term: 1 })).kind, "failed", "the backup has noted no term yet");
    await done(backup.give({ leg: "b", kind: "note", term: 1, state, peers: [], all: [] }));
    await done(primary.give({ ...attach, term: 1 }));
    assert.equal(await primary.told("synchronized"), { device: "vault", leg: "a", kind: "synchronized", term: 1, peer: "b" });
    await done(primary.give({ leg: "a", kind: "note", term: 1, state, peers: [], all: [] }));
    await write(primary, "a", 2);

    await done(backup.give({ leg: "b", kind: "close" }));
    const frozen = write(primary, "a", 3);
    const lost = await primary.told("peerLost");
    assert.equal([lost.kind === "peerLost" && lost.term, lost.kind === "peerLost" && lost.peer], [1, "b"]);
    await done(primary.give({ leg: "a", kind: "proceed", without: ["b"] }));
    await frozen;
    await done(primary.give({ leg: "a", kind: "note", term: 1, state, peers: ["b"], all: [] }));

    const again = await backup.give({ leg: "b", kind: "open", path: paths.b, format: false });
    assert.equal(again.kind === "found" && again.found.state, state);
    await done(backup.give({ leg: "b", kind: "note", term: 1, state, peers: [], all: [] }));
    await done(primary.give({ ...attach, term: 1 }));
    assert.is((await primary.told("synchronized")).kind, "synchronized");
    await done(primary.give({ leg: "a", kind: "verify", peer: "b", repair: false }));
    const verified = await primary.told("verified");
    assert.is(verified.kind === "verified" && verified.differentBytes, 0);
    await done(primary.give({ leg: "a", kind: "detach", peer: "b" }));
    await done(primary.give({ leg: "a", kind: "close" }));
    assert.is(hellos.length, 3);
    assert.equal(primary.reports.filter(({ kind }) => kind !== "progress"), []);
  } finally {
    await primary.edge.close();
    await backup.edge.close();
    rmSync(directory, { recursive: true });
  }
});

test.run();
