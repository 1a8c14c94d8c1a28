import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { cardAt, type CardId } from "../../src/base/ids.ts";
import { decodeChanges, encodeChanges } from "../../src/config/change-bytes.ts";
import { emptyHead, linked } from "../../src/config/chain.ts";
import type { Change, Operation, Proposal, Wish } from "../../src/config/change.ts";
import {
  decodeReplicaEntry,
  encodeReplicaEntry,
  partBytesMax,
  proposalEntries,
  type ReplicaEntry,
} from "../../src/config/replica-entry.ts";
import type { ConfigAnswer } from "../../src/config/request.ts";
import { decodeAnswer, decodeWish, encodeAnswer, encodeWish } from "../../src/config/wish-bytes.ts";
import { applicationMessageBytesMax } from "../../src/limits.ts";
import { encodeCbor } from "../../src/wire/cbor.ts";

const card = fc.integer({ min: 1, max: 64 }) as fc.Arbitrary<CardId>;
const count = fc.nat();
const view = fc.integer({ min: 0, max: 0xffffffff });
const hash = fc.uint8Array({ minLength: 32, maxLength: 32 });
const text = fc.string({ unit: "grapheme", maxLength: 40 });
const record = <Fields>(model: { [Name in keyof Fields]: fc.Arbitrary<Fields[Name]> }) => fc.record(model, { noNullPrototype: true });
const head = record({ sequence: count, epoch: view, hash });
const proposal = record({
  kind: fc.constantFrom("rows" as const, "migrate" as const),
  author: text,
  comment: text,
  key: text,
  time: count,
  changeset: fc.uint8Array({ maxLength: 100 }),
});

const entry: fc.Arbitrary<ReplicaEntry> = fc.oneof(
  record({ kind: fc.constant("announce" as const), head, level: count, levelMax: count, held: fc.boolean(), seen: view }),
  record({
    kind: fc.constant("elect" as const),
    groupView: count,
    head,
    level: count,
    replicas: fc.uniqueArray(card, { minLength: 1, maxLength: 64 }),
  }),
  record({ kind: fc.constant("propose" as const), id: count, base: hash, proposals: fc.array(proposal, { minLength: 1, maxLength: 5 }) }),
  record({
    kind: fc.constant("part" as const),
    id: count,
    index: fc.constant(0),
    count: fc.integer({ min: 1, max: 512 }),
    data: fc.uint8Array({ minLength: 1, maxLength: 100 }),
    first: record({ base: hash, proposal }),
  }),
  record({ kind: fc.constant("object" as const), head, level: count }),
  record({ kind: fc.constant("caughtUp" as const), head }),
);

test("what the replicas put into the order comes out of it as it was", () => {
  fc.assert(fc.property(entry, (one) => assert.equal(decodeReplicaEntry(encodeReplicaEntry(one)), one)));
});

test("any bytes, and entries with a byte changed, cut or added, are an entry or none: never an exception", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void decodeReplicaEntry(bytes)));
  fc.assert(fc.property(entry, fc.nat(), fc.integer({ min: 0, max: 255 }), (one, at, byte) => {
    const bytes = encodeReplicaEntry(one);
    bytes[at % bytes.length] = byte;
    decodeReplicaEntry(bytes);
    assert.is(decodeReplicaEntry(bytes.subarray(0, at % bytes.length)), undefined);
    assert.is(decodeReplicaEntry(Uint8Array.of(...encodeReplicaEntry(one), byte)), undefined);
  }));
});

test("entries of a later software have more fields, which are left alone", () => {
  assert.equal(decodeReplicaEntry(encodeCbor([5, 1, 2, new Uint8Array(32), "later"])), {
    kind: "caughtUp",
    head: { sequence: 1, epoch: 2, hash: new Uint8Array(32) },
  });
  assert.is(decodeReplicaEntry(encodeCbor([99, 1])), undefined);
});

test("a change of any size goes in messages that the order takes", () => {
  for (const size of [0, partBytesMax, partBytesMax + 1, 3 * partBytesMax, 1_000_000]) {
    const texts = { author: "é".repeat(256), comment: "é".repeat(1_024), key: "é".repeat(256) };
    const entries = proposalEntries(7, new Uint8Array(32), [{ kind: "rows", ...texts, time: 2 ** 50, changeset: new Uint8Array(size) }]);
    assert.is(entries.length, size <= partBytesMax ? 1 : Math.ceil(size / partBytesMax));
    for (const one of entries) assert.ok(encodeReplicaEntry(one).length <= applicationMessageBytesMax);
  }
});

test("changes come out of their bytes as they were, and only if they follow", () => {
  fc.assert(fc.property(fc.array(fc.tuple(proposal, card), { minLength: 1, maxLength: 6 }), (proposals) => {
    const changes: Change[] = [];
    for (const [one, by] of proposals) {
      const full: Proposal = { ...one, card: by };
      changes.push(linked(changes.at(-1) ?? emptyHead, 3, full));
    }
    assert.equal(decodeChanges(encodeChanges(changes), emptyHead), changes);
    assert.is(decodeChanges(encodeChanges(changes.slice(1)), emptyHead), undefined);
    assert.is(decodeChanges(encodeChanges(changes), changes[0] as Change), undefined);
  }));
});

const scalar = fc.oneof(text, fc.constant(null), fc.integer(), fc.constantFrom(-(2 ** 40), 2 ** 50, 0.5, -1.25));
const operation: fc.Arbitrary<Operation> = fc.oneof(
  record({ kind: fc.constant("remove" as const), table: text, id: text }),
  fc.tuple(text, text, fc.dictionary(fc.stringMatching(/^[a-z]{1,8}$/), scalar, { noNullPrototype: true })).map(([table, id, columns]) => ({
    kind: "put" as const,
    table,
    row: { ...columns, id },
  })),
);
const wish: fc.Arbitrary<Wish> = fc.oneof(
  record({ author: text, comment: text, key: text, operations: fc.array(operation, { maxLength: 5 }) }),
  record({ author: text, comment: text, key: text, expected: hash, operations: fc.array(operation, { maxLength: 5 }) }),
);

test("FS-10: a forwarded wish and its answer come out of their bytes as they were", () => {
  fc.assert(fc.property(wish, (one) => assert.equal(decodeWish(encodeWish(one)), one)));
  const answers: Extract<ConfigAnswer, { kind: "changed" | "refused" }>[] = [
    { kind: "changed", head: { sequence: 7, epoch: 3, hash: new Uint8Array(32) }, servedBy: cardAt(1, 2), repeated: true },
    {
      kind: "refused",
      refusal: { code: "invalid", message: "no", operation: 3, table: "hosts", id: "h", column: "note" },
      servedBy: cardAt(1, 2),
    },
    { kind: "refused", refusal: { code: "timeout", message: "" }, servedBy: cardAt(8, 8) },
  ];
  for (const answer of answers) assert.equal(decodeAnswer(encodeAnswer(answer)), answer);
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 100 }),
      (bytes) => void [decodeWish(bytes), decodeAnswer(bytes), decodeChanges(bytes, emptyHead)],
    ),
  );
});

test.run();
