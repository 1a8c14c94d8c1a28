import { test } from "uvu";
import * as assert from "uvu/assert";
import fc from "fast-check";
import { hex } from "../../src/base/hex.ts";
import type { CardId } from "../../src/base/ids.ts";
import {
  decodeGroupData,
  decodeGroupEntry,
  encodeGroupData,
  encodeGroupEntry,
  type GroupData,
  type GroupEntry,
  type GroupMember,
} from "../../src/cluster/group-entry.ts";
import {
  applicationMessageBytesMax,
  entryBytesMax,
  groupMembersMax,
  groupNameBytesMax,
  groupsMax,
  incarnationMax,
  memberNameBytesMax,
} from "../../src/limits.ts";
import { type Cbor, decodeCbor, encodeCbor } from "../../src/wire/cbor.ts";

const one = 1 as CardId;

/** Each kind, with its bytes as other cards read them. */
const table: [entry: GroupEntry, type: "data" | "control", bytes: string][] = [
  [
    { kind: "join", incarnation: 7, group: "g", number: 1, name: "db", critical: true, returned: false },
    "data",
    "870107616701626462f5f4",
  ],
  [{ kind: "leave", incarnation: 7, group: "g", number: 1, change: "left" }, "data", "850207616701f4"],
  [{ kind: "leave", incarnation: 7, group: "g", number: 1, change: "exited" }, "data", "850207616701f5"],
  [{ kind: "message", incarnation: 7, group: "g", number: 0, data: new Uint8Array([1, 2]) }, "data", "850307616700420102"],
  [{ kind: "request", view: 300, subgroups: [[one], [2 as CardId, 3 as CardId]] }, "control", "830419012c828101820203"],
  [{ kind: "groupData", request: 300, subgroup: 1, data: new Uint8Array([9]) }, "control", "840519012c014109"],
  [{ kind: "acknowledgment", request: 300, round: 2 }, "control", "830619012c02"],
];

test("the bytes of each kind of entry stay as they are", () => {
  for (const [entry, type, bytes] of table) {
    assert.is(hex(encodeGroupEntry(entry)), bytes, entry.kind);
    assert.equal(decodeGroupEntry(type, encodeGroupEntry(entry)), entry);
  }
});

test("a body goes with one type of entry only", () => {
  for (const [entry, type] of table) {
    const body = encodeGroupEntry(entry);
    assert.is(decodeGroupEntry(type === "data" ? "control" : "data", body), undefined);
    assert.is(decodeGroupEntry("view", body), undefined);
  }
});

test("a body that has grown at its end is read as far as it is known; one that is cut off is none", () => {
  for (const [entry, type] of table) {
    const items = decodeCbor(encodeGroupEntry(entry)) as Cbor[];
    assert.equal(decodeGroupEntry(type, encodeCbor([...items, "later"])), entry);
    for (let count = 0; count < items.length; count++) assert.is(decodeGroupEntry(type, encodeCbor(items.slice(0, count))), undefined);
  }
});

test("any bytes are an entry or none, and nothing is thrown", () => {
  for (const [entry, type] of table) {
    const body = encodeGroupEntry(entry);
    for (let index = 0; index < body.length; index++) {
      for (let bit = 0; bit < 8; bit++) {
        const flipped = body.slice();
        flipped[index] = (flipped[index] as number) ^ (1 << bit);
        decodeGroupEntry(type, flipped);
      }
    }
  }
  fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
    assert.not(decodeGroupEntry("data", bytes)?.kind === "request");
    decodeGroupData(bytes);
  }));
});

test("what is out of its bounds is no entry", () => {
  const join = { kind: "join", incarnation: 1, group: "g", number: 1, name: "", critical: false, returned: false } as const;
  const message = { kind: "message", incarnation: 1, group: "g", number: 0, data: new Uint8Array() } as const;
  const bounds: [GroupEntry, boolean][] = [
    [{ ...join, group: "g".repeat(groupNameBytesMax) }, true],
    [{ ...join, group: "g".repeat(groupNameBytesMax + 1) }, false],
    [{ ...join, group: "" }, false],
    [{ ...join, name: "n".repeat(memberNameBytesMax) }, true],
    [{ ...join, name: "n".repeat(memberNameBytesMax + 1) }, false],
    [{ ...join, name: "€".repeat(memberNameBytesMax / 2) }, false],
    [{ ...join, number: 0 }, false],
    [{ ...join, number: -1 }, false],
    [{ ...join, incarnation: incarnationMax }, true],
    [{ ...join, incarnation: incarnationMax + 1 }, false],
    [{ ...message, data: new Uint8Array(applicationMessageBytesMax) }, true],
    [{ ...message, data: new Uint8Array(applicationMessageBytesMax + 1) }, false],
    [{ kind: "leave", incarnation: 1, group: "g", number: 0, change: "left" }, false],
  ];
  for (const [index, [entry, isTaken]] of bounds.entries()) {
    assert.is(decodeGroupEntry("data", encodeGroupEntry(entry)) !== undefined, isTaken, `row ${index}`);
  }
  for (const subgroups of [[[]], [[65]], [[0]], ["1"], 5] as unknown as CardId[][][]) {
    assert.is(decodeGroupEntry("control", encodeGroupEntry({ kind: "request", view: 1, subgroups })), undefined);
  }
});

/** The same, of the plain prototype that the decoder makes. */
const record = <Value>(of: { [Key in keyof Value]: fc.Arbitrary<Value[Key]> }) => fc.record(of, { noNullPrototype: true });
const members = (group: string): fc.Arbitrary<GroupMember> =>
  record({
    group: fc.constant(group),
    incarnation: fc.integer({ min: 0, max: incarnationMax }),
    member: record({
      card: fc.integer({ min: 1, max: 64 }).map((card) => card as CardId),
      number: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
      name: fc.string({ maxLength: memberNameBytesMax }),
      critical: fc.boolean(),
    }),
  });
const groupData: fc.Arbitrary<GroupData> = record({
  sequence: fc.nat(),
  state: fc.option(
    record({
      cards: fc.array(
        record({ card: fc.integer({ min: 1, max: 64 }).map((card) => card as CardId), incarnation: fc.nat(), shares: fc.boolean() }),
      ),
      groups: fc.array(
        fc.nat({ max: 9 }).chain((name) =>
          record({
            name: fc.constant(`g${name}`),
            view: fc.nat(),
            messages: fc.nat(),
            changedAt: fc.nat(),
            members: fc.array(members(`g${name}`), { maxLength: 5 }),
          })
        ),
      ),
    }),
    { nil: undefined },
  ),
  members: fc.array(members("g"), { maxLength: 5 }),
});

test("property: a subgroup's group data comes back as it was said", () => {
  fc.assert(fc.property(groupData, (data) => assert.equal(decodeGroupData(encodeGroupData(data)), data)));
});

test("the group data of the fullest state fits in an entry", () => {
  const name = "€".repeat(Math.floor(memberNameBytesMax / 3));
  const group = (index: number) => `${"€".repeat(Math.floor((groupNameBytesMax - 4) / 3))}${index}`;
  const all = Array.from({ length: groupMembersMax }, (_, index) => ({
    group: group(index % groupsMax),
    incarnation: incarnationMax,
    member: { card: 64 as CardId, number: Number.MAX_SAFE_INTEGER, name, critical: true },
  }));
  const cards = Array.from({ length: 64 }, (_, index) => ({ card: (index + 1) as CardId, incarnation: incarnationMax, shares: true }));
  const count = Number.MAX_SAFE_INTEGER;
  for (const ofState of [0, groupMembersMax / 2, groupMembersMax]) {
    const groups = Array.from({ length: groupsMax }, (_, index) => ({
      name: group(index),
      view: count,
      messages: count,
      changedAt: count,
      members: all.slice(0, ofState).filter((member) => member.group === group(index)),
    }));
    const data = encodeGroupData({ sequence: count, state: { cards, groups }, members: all.slice(ofState) });
    const body = encodeGroupEntry({ kind: "groupData", request: count, subgroup: 63, data });
    assert.ok(body.length <= entryBytesMax, `${body.length} bytes`);
    assert.is(decodeGroupData(data)?.members.length, groupMembersMax - ofState);
  }
});

test.run();
