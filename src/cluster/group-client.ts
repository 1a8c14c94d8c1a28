/**
 * The clients of this card as the group service knows them, and which of their requests are refused at once. Pure. What is
 * refused at its place in the order, for want of room in the state, is not decided here.
 */
import { unreachable } from "../base/assert.ts";
import {
  applicationMessageBytesMax,
  applicationUnderWayMax,
  groupMembersMax,
  groupNameBytesMax,
  groupsMax,
  memberNameBytesMax,
  monitorMsMax,
  monitorMsMin,
  pendingBytesMax,
  pendingEntriesMax,
} from "../limits.ts";
import type { ApplicationRefusalCode, ApplicationRequest, Member } from "./application.ts";
import { isText } from "./group-entry.ts";
import type { Monitor } from "./group-monitor.ts";

/** A client that is a member, or was and is to be gone. `client` is `undefined` for a member of the state that has none. */
export type LocalMember = {
  readonly kind: "member";
  readonly client: number | undefined;
  readonly group: string;
  readonly member: Member;
  readonly joinRequest: number;
  readonly monitorMs: number;
  /** What it was asked to leave with, once it was. */
  leaveRequest: number | undefined;
  /** Whether it is to be in the state. */
  isWanted: boolean;
  /** It was told that it has joined; from then on it hears of its group. */
  isTold: boolean;
  /** A critical member that went: it stays as it is until this card is reset. */
  isFailed: boolean;
  /** Entries about it that are not in the order. */
  underWay: number;
  monitor: Monitor | undefined;
};

export type Client = {
  readonly id: number;
  readonly members: Map<string, LocalMember>;
  /** By group; answered once this card knows the state. */
  readonly watches: Map<string, { readonly request: number; isAnswered: boolean }>;
  /** Entries of its requests that are not in the order. */
  underWay: number;
};

export function newLocal(
  client: number | undefined,
  group: string,
  member: Member,
  joinRequest: number,
  monitorMs: number,
  isWanted: boolean,
): LocalMember {
  return {
    kind: "member",
    client,
    group,
    member,
    joinRequest,
    monitorMs,
    leaveRequest: undefined,
    isWanted,
    isTold: false,
    isFailed: false,
    underWay: 0,
    monitor: undefined,
  };
}

/** Whether it is told what happens in a group. */
export function hears(client: Client, group: string): boolean {
  return client.members.get(group)?.isTold === true || client.watches.get(group)?.isAnswered === true;
}

export function heardBy(client: Client): string[] {
  return [...new Set([...client.members.keys(), ...client.watches.keys()])].filter((group) => hears(client, group));
}

/** What this card has under way: its local members, and data that is not in the order. */
export type Load = { readonly members: number; readonly entries: number; readonly bytes: number };

export type Refusal = readonly [code: ApplicationRefusalCode, message: string];

/** Kept free for what is submitted without being asked for: the end of each local member, and its return. */
const reservedBytes = 2 * groupMembersMax * 128;

/** What the names of the cards' own groups begin with: no application joins, hears or speaks there. */
export const ownGroups = "cardinal.";

export function refusalOf(
  client: Client,
  request: Exclude<ApplicationRequest, { kind: "alive" }>,
  load: Load,
  isOwn: boolean,
): Refusal | undefined {
  const { group } = request;
  if (!isOwn && group.startsWith(ownGroups)) return ["bounds", `names that begin with "${ownGroups}" are the cards' own groups`];
  if (group === "" || !isPlainText(group, groupNameBytesMax)) {
    return ["bounds", `the name of a group is 1 to ${groupNameBytesMax} bytes of plain text`];
  }
  const local = client.members.get(group);
  switch (request.kind) {
    case "join":
      if (!isPlainText(request.name, memberNameBytesMax)) {
        return ["bounds", `the name of a member is at most ${memberNameBytesMax} bytes of plain text`];
      }
      if (!isMonitorMs(request.monitorMs)) {
        return ["bounds", `monitorMs is 0 or from ${monitorMsMin} to ${monitorMsMax}, not ${request.monitorMs}`];
      }
      if (local !== undefined) return ["state", `this client is a member of "${group}" already${local.isWanted ? "" : ", and leaving it"}`];
      if (load.members >= groupMembersMax) return ["bounds", `at most ${groupMembersMax} members`];
      return whyBusy(client, load, 0);
    case "leave":
      if (local === undefined) return ["state", `this client is no member of "${group}"`];
      if (!local.isWanted) return ["state", `this client is leaving "${group}" already`];
      return client.underWay >= applicationUnderWayMax ? whyBusy(client, load, 0) : undefined;
    case "send":
      if (request.data.length > applicationMessageBytesMax) {
        return ["bounds", `a message has at most ${applicationMessageBytesMax} bytes, not ${request.data.length}`];
      }
      return whyBusy(client, load, request.data.length);
    case "watch":
      if (client.watches.has(group)) return ["state", `this client watches "${group}" already`];
      return client.watches.size >= groupsMax ? ["bounds", `at most ${groupsMax} groups`] : undefined;
    default:
      return unreachable(request);
  }
}

/** What is not asked for must always find room: for each local member its end and its return. */
function whyBusy(client: Client, load: Load, bytes: number): Refusal | undefined {
  if (client.underWay >= applicationUnderWayMax) {
    return ["busy", `${client.underWay} requests of this client are under way: wait for them to be answered`];
  }
  const hasRoom = load.entries + 2 * (load.members + 1) < pendingEntriesMax &&
    load.bytes + bytes + reservedBytes < pendingBytesMax;
  return hasRoom ? undefined : ["busy", "too many messages of this card are under way: wait for some to be answered"];
}

/** Well-formed text without control characters: it is shown to people. */
function isPlainText(text: string, bytesMax: number): boolean {
  return isText(text, bytesMax) && !/[\p{Cc}\p{Cs}]/u.test(text);
}

function isMonitorMs(value: number): boolean {
  return value === 0 || (Number.isInteger(value) && value >= monitorMsMin && value <= monitorMsMax);
}
