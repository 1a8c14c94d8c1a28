/**
 * What the group service puts into the order, and its bytes: CBOR arrays that only grow at their end, led by their kind.
 * A body that is not of this form is `undefined` for every card alike.
 *
 *     data:     join, leave, message            what applications do; with the incarnation of the card that says so
 *     control:  request, group data, acknowledgment        the exchange of group data (SG)
 */
import { assert, unreachable } from "../base/assert.ts";
import { cardCountMax, type CardId, isCardId } from "../base/ids.ts";
import {
  applicationMessageBytesMax,
  entryBytesMax,
  groupMembersMax,
  groupNameBytesMax,
  groupsMax,
  incarnationMax,
  memberNameBytesMax,
} from "../limits.ts";
import { type Cbor, decodeCbor, encodeCbor } from "../wire/cbor.ts";
import type { Entry } from "../wire/message.ts";
import type { Member } from "./application.ts";

export type GroupEntry =
  /** `returned`: it was a member before, and the order lost it while its card was away. */
  | {
    readonly kind: "join";
    readonly incarnation: number;
    readonly group: string;
    readonly number: number;
    readonly name: string;
    readonly critical: boolean;
    readonly returned: boolean;
  }
  | {
    readonly kind: "leave";
    readonly incarnation: number;
    readonly group: string;
    readonly number: number;
    readonly change: "left" | "exited";
  }
  /** `number` is the sending member's, 0 for a sender that is none. */
  | {
    readonly kind: "message";
    readonly incarnation: number;
    readonly group: string;
    readonly number: number;
    readonly data: Uint8Array;
  }
  /** To exchange group data in the epoch of this view. The first subgroup are cards that know the state. */
  | { readonly kind: "request"; readonly view: number; readonly subgroups: readonly (readonly CardId[])[] }
  | { readonly kind: "groupData"; readonly request: number; readonly subgroup: number; readonly data: Uint8Array }
  | { readonly kind: "acknowledgment"; readonly request: number; readonly round: number };

/** What the data of applications is ordered as. */
export type DataEntry = Extract<GroupEntry, { kind: "join" | "leave" | "message" }>;

/** A member of a group, and the incarnation of its card that it belongs to. */
export type GroupMember = { readonly group: string; readonly incarnation: number; readonly member: Member };

/** A group as the state has it. `changedAt` is the sequence of its last change; `messages` counts those delivered to it. */
export type GroupRecord = {
  readonly name: string;
  readonly view: number;
  readonly messages: number;
  readonly changedAt: number;
  readonly members: readonly GroupMember[];
};

/** A card of the newest epoch; `shares` when it is one of those that share the state. */
export type CardRecord = { readonly card: CardId; readonly incarnation: number; readonly shares: boolean };

export type Snapshot = { readonly cards: readonly CardRecord[]; readonly groups: readonly GroupRecord[] };

/**
 * What a subgroup's leader says for it. `state` is from the first subgroup: the state after `sequence`. `members` are those
 * of the subgroup's cards that the state may have lost.
 */
export type GroupData = {
  readonly sequence: number;
  readonly state: Snapshot | undefined;
  readonly members: readonly GroupMember[];
};

const memberBytesMax = memberNameBytesMax + 24;
const groupBytesMax = groupNameBytesMax + 32;
const groupDataBytesMax = groupMembersMax * memberBytesMax + 2 * groupsMax * groupBytesMax + cardCountMax * 10 + 64;
assert(groupDataBytesMax <= entryBytesMax, "all members, those of the state and those that return, fit in an entry with their groups");

const kinds = { join: 1, leave: 2, message: 3, request: 4, groupData: 5, acknowledgment: 6 } as const;

export function encodeGroupEntry(entry: GroupEntry): Uint8Array {
  return encodeCbor([kinds[entry.kind], ...fieldsOf(entry)]);
}

function fieldsOf(entry: GroupEntry): Cbor[] {
  switch (entry.kind) {
    case "join":
      return [entry.incarnation, entry.group, entry.number, entry.name, entry.critical, entry.returned];
    case "leave":
      return [entry.incarnation, entry.group, entry.number, entry.change === "exited"];
    case "message":
      return [entry.incarnation, entry.group, entry.number, entry.data];
    case "request":
      return [entry.view, entry.subgroups];
    case "groupData":
      return [entry.request, entry.subgroup, entry.data];
    case "acknowledgment":
      return [entry.request, entry.round];
    default:
      return unreachable(entry);
  }
}

/** `undefined` for a body that is none, or does not go with the type of its entry. Data may be a part of `body`. */
export function decodeGroupEntry(type: Entry["type"], body: Uint8Array): GroupEntry | undefined {
  const items = decodeCbor(body, "shared");
  if (!Array.isArray(items)) return undefined;
  const [kind, ...fields] = items as unknown[];
  return type === "data" ? dataOf(kind, fields) : type === "control" ? controlOf(kind, fields) : undefined;
}

function dataOf(kind: unknown, fields: readonly unknown[]): GroupEntry | undefined {
  const [incarnation, group, number, fourth, critical, returned] = fields;
  if (!isCount(incarnation, incarnationMax) || !isGroupName(group) || !isCount(number)) return undefined;
  switch (kind) {
    case kinds.join: {
      if (number === 0 || !isText(fourth, memberNameBytesMax) || !isFlag(critical) || !isFlag(returned)) return undefined;
      return { kind: "join", incarnation, group, number, name: fourth, critical, returned };
    }
    case kinds.leave:
      return number > 0 && isFlag(fourth) ? { kind: "leave", incarnation, group, number, change: fourth ? "exited" : "left" } : undefined;
    case kinds.message: {
      const isMessage = fourth instanceof Uint8Array && fourth.length <= applicationMessageBytesMax;
      return isMessage ? { kind: "message", incarnation, group, number, data: fourth } : undefined;
    }
    default:
      return undefined;
  }
}

function controlOf(kind: unknown, [first, second, third]: readonly unknown[]): GroupEntry | undefined {
  if (!isCount(first)) return undefined;
  switch (kind) {
    case kinds.request:
      return areSubgroups(second) ? { kind: "request", view: first, subgroups: second } : undefined;
    case kinds.groupData:
      return isCount(second) && third instanceof Uint8Array
        ? { kind: "groupData", request: first, subgroup: second, data: third }
        : undefined;
    case kinds.acknowledgment:
      return isCount(second) ? { kind: "acknowledgment", request: first, round: second } : undefined;
    default:
      return undefined;
  }
}

/** [sequence, state or null, [group, [member...]]...] */
export function encodeGroupData({ sequence, state, members }: GroupData): Uint8Array {
  const byGroup = Map.groupBy(members, ({ group }) => group);
  return encodeCbor([
    sequence,
    state === undefined ? null : snapshotItems(state),
    [...byGroup].map(([group, ofGroup]) => [group, ofGroup.map(memberItems)]),
  ]);
}

export function decodeGroupData(bytes: Uint8Array): GroupData | undefined {
  const items = decodeCbor(bytes);
  if (!Array.isArray(items)) return undefined;
  const [sequence, stateItems, groupItems] = items as unknown[];
  const state = stateItems === null ? undefined : snapshotOf(stateItems);
  const members = listOf(groupItems, groupsMax, (item) => {
    const [group, ofGroup] = arrayOf(item);
    return isGroupName(group) ? listOf(ofGroup, groupMembersMax, (member) => memberOf(group, member)) : undefined;
  })?.flat();
  if (!isCount(sequence) || (state === undefined && stateItems !== null) || members === undefined) return undefined;
  return { sequence, state, members };
}

export function encodeSnapshot(snapshot: Snapshot): Uint8Array {
  return encodeCbor(snapshotItems(snapshot));
}

/** [[card, incarnation, shares]..., [name, view, messages, changedAt, [member...]]...] */
function snapshotItems({ cards, groups }: Snapshot): Cbor {
  return [
    cards.map(({ card, incarnation, shares }) => [card, incarnation, shares]),
    groups.map(({ name, view, messages, changedAt, members }) => [name, view, messages, changedAt, members.map(memberItems)]),
  ];
}

function snapshotOf(items: unknown): Snapshot | undefined {
  const [cardItems, groupItems] = arrayOf(items);
  const cards = listOf(cardItems, cardCountMax, (item) => {
    const [card, incarnation, shares] = arrayOf(item);
    return isCardId(card) && isCount(incarnation, incarnationMax) && isFlag(shares) ? { card, incarnation, shares } : undefined;
  });
  const groups = listOf(groupItems, groupsMax, (item) => {
    const [name, view, messages, changedAt, memberList] = arrayOf(item);
    if (!isGroupName(name) || !isCount(view) || !isCount(messages) || !isCount(changedAt)) return undefined;
    const members = listOf(memberList, groupMembersMax, (member) => memberOf(name, member));
    return members === undefined ? undefined : { name, view, messages, changedAt, members };
  });
  return cards === undefined || groups === undefined ? undefined : { cards, groups };
}

function memberItems({ incarnation, member }: GroupMember): Cbor {
  return [member.card, incarnation, member.number, member.name, member.critical];
}

function memberOf(group: string, item: unknown): GroupMember | undefined {
  const [card, incarnation, number, name, critical] = arrayOf(item);
  if (!isCardId(card) || !isCount(incarnation, incarnationMax) || !isCount(number) || number === 0) return undefined;
  if (!isText(name, memberNameBytesMax) || !isFlag(critical)) return undefined;
  return { group, incarnation, member: { card, number, name, critical } };
}

function arrayOf(item: unknown): readonly unknown[] {
  return Array.isArray(item) ? item : [];
}

/** The items of a list, `undefined` when it is too long, no list, or one of them is not what it should be. */
function listOf<Item>(items: unknown, countMax: number, read: (item: unknown) => Item | undefined): Item[] | undefined {
  if (!Array.isArray(items) || items.length > countMax) return undefined;
  const list: Item[] = [];
  for (const item of items) {
    const value = read(item);
    if (value === undefined) return undefined;
    list.push(value);
  }
  return list;
}

function areSubgroups(value: unknown): value is CardId[][] {
  return Array.isArray(value) && value.every((cards) => Array.isArray(cards) && cards.length > 0 && cards.every(isCardId));
}

function isCount(value: unknown, max: number = Number.MAX_SAFE_INTEGER): value is number {
  return typeof value === "number" && value >= 0 && value <= max;
}

function isFlag(value: unknown): value is boolean {
  return typeof value === "boolean";
}

function isGroupName(value: unknown): value is string {
  return isText(value, groupNameBytesMax) && value !== "";
}

const toUtf8 = new TextEncoder();

/** Text of at most so many bytes of UTF-8. */
export function isText(value: unknown, bytesMax: number): value is string {
  // One UTF-16 unit is one to three bytes of UTF-8; the exact count is only taken where it can matter.
  if (typeof value !== "string" || value.length > bytesMax) return false;
  return value.length * 3 <= bytesMax || toUtf8.encode(value).length <= bytesMax;
}
