/**
 * What the replicas put into the order, and its bytes: CBOR arrays that only grow at their end, led by their kind. A body that is not
 * of this form is `undefined` for every card alike. Whether what it says holds is decided where it is delivered, in `replica-state.ts`.
 */
import { cardCountMax, type CardId, isCardId } from "../base/ids.ts";
import {
  applicationMessageBytesMax,
  auditCommentBytesMax,
  configBatchMax,
  configKeyBytesMax,
  configPartsMax,
  viewNumberMax,
} from "../limits.ts";
import { type Cbor, decodeCbor, encodeCbor } from "../wire/cbor.ts";
import { hashBytes } from "./chain.ts";
import type { Head, Proposal } from "./change.ts";

/** A proposal as its origin says it; the card is the message's. */
export type Proposed = Omit<Proposal, "card">;

export type ReplicaEntry =
  /** "I am here, my database ends so": from a card that is no replica, or no longer. `held`: it cannot be used, do not wait for me. */
  | {
    readonly kind: "announce";
    readonly head: Head;
    readonly level: number;
    readonly levelMax: number;
    readonly held: boolean;
    /** The newest view in which it knows of a change. */
    readonly seen: number;
  }
  /** Nobody was a replica: those that are listed have the best head, and are. Counts while the group's view has this number. */
  | {
    readonly kind: "elect";
    readonly groupView: number;
    readonly head: Head;
    readonly level: number;
    readonly replicas: readonly CardId[];
  }
  /** Changes upon the head with the hash `base`. */
  | { readonly kind: "propose"; readonly id: number; readonly base: Uint8Array; readonly proposals: readonly Proposed[] }
  /** A piece of the bytes of a proposal that is larger than a message; the first one says upon what, and takes the one place that there is for such. */
  | {
    readonly kind: "part";
    readonly id: number;
    readonly index: number;
    readonly count: number;
    readonly base: Uint8Array;
    readonly data: Uint8Array;
  }
  /** "Everything up to this head is durable here." */
  | { readonly kind: "caughtUp"; readonly head: Head };

const kinds = { announce: 1, elect: 2, propose: 3, part: 4, caughtUp: 5 } as const;
const proposalKinds = ["rows", "migrate"] as const;
/** What a part has besides its data. */
const partOverheadBytes = 64;
export const partBytesMax = applicationMessageBytesMax - partOverheadBytes;

export function encodeReplicaEntry(entry: ReplicaEntry): Uint8Array {
  switch (entry.kind) {
    case "announce":
      return encodeCbor([kinds.announce, ...headItems(entry.head), entry.level, entry.levelMax, entry.held, entry.seen]);
    case "elect":
      return encodeCbor([kinds.elect, entry.groupView, ...headItems(entry.head), entry.level, entry.replicas]);
    case "propose":
      return encodeCbor([kinds.propose, entry.id, entry.base, entry.proposals.map(proposalItems)]);
    case "part":
      return encodeCbor([kinds.part, entry.id, entry.index, entry.count, entry.base, entry.data]);
    case "caughtUp":
      return encodeCbor([kinds.caughtUp, ...headItems(entry.head)]);
  }
}

export function decodeReplicaEntry(bytes: Uint8Array): ReplicaEntry | undefined {
  const items = decodeCbor(bytes);
  if (!Array.isArray(items)) return undefined;
  const [kind, a, b, c, d, e, f, g] = items as unknown[];
  switch (kind) {
    case kinds.announce: {
      const head = headFrom(a, b, c);
      if (head === undefined || !isCount(d) || !isCount(e) || typeof f !== "boolean" || !isCount(g, viewNumberMax)) return undefined;
      return { kind: "announce", head, level: d, levelMax: e, held: f, seen: g };
    }
    case kinds.elect: {
      const head = headFrom(b, c, d);
      if (!isCount(a) || head === undefined || !isCount(e) || !areCards(f)) return undefined;
      return { kind: "elect", groupView: a, head, level: e, replicas: f };
    }
    case kinds.propose: {
      const proposals = proposalsFrom(c);
      return isCount(a) && isHash(b) && proposals !== undefined ? { kind: "propose", id: a, base: b, proposals } : undefined;
    }
    case kinds.part: {
      if (!isCount(a) || !isCount(c, configPartsMax) || !isCount(b, c - 1) || !isHash(d) || !(e instanceof Uint8Array)) return undefined;
      return e.length > 0 && e.length <= partBytesMax ? { kind: "part", id: a, index: b, count: c, base: d, data: e } : undefined;
    }
    case kinds.caughtUp: {
      const head = headFrom(a, b, c);
      return head === undefined ? undefined : { kind: "caughtUp", head };
    }
    default:
      return undefined;
  }
}

/** The bytes that parts carry. */
export function encodeProposals(proposals: readonly Proposed[]): Uint8Array {
  return encodeCbor(proposals.map(proposalItems));
}

export function decodeProposals(bytes: Uint8Array): Proposed[] | undefined {
  return proposalsFrom(decodeCbor(bytes));
}

function headItems({ sequence, epoch, hash }: Head): Cbor[] {
  return [sequence, epoch, hash];
}

function headFrom(sequence: unknown, epoch: unknown, hash: unknown): Head | undefined {
  return isCount(sequence) && isCount(epoch, viewNumberMax) && isHash(hash) ? { sequence, epoch, hash } : undefined;
}

function proposalItems({ kind, author, comment, key, time, changeset }: Proposed): Cbor {
  return [proposalKinds.indexOf(kind), author, comment, key, time, changeset];
}

function proposalsFrom(items: unknown): Proposed[] | undefined {
  if (!Array.isArray(items) || items.length === 0 || items.length > configBatchMax) return undefined;
  const proposals: Proposed[] = [];
  for (const item of items as unknown[]) {
    if (!Array.isArray(item)) return undefined;
    const [kindIndex, author, comment, key, time, changeset] = item as unknown[];
    const kind = isCount(kindIndex, 1) ? proposalKinds[kindIndex] : undefined;
    if (kind === undefined || !isTextWithin(author, configKeyBytesMax) || !isTextWithin(comment, auditCommentBytesMax)) return undefined;
    if (!isTextWithin(key, configKeyBytesMax) || !isCount(time) || !(changeset instanceof Uint8Array)) return undefined;
    proposals.push({ kind, author, comment, key, time, changeset });
  }
  return proposals;
}

function areCards(value: unknown): value is CardId[] {
  return Array.isArray(value) && value.length > 0 && value.length <= cardCountMax && value.every(isCardId);
}

function isHash(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array && value.length === hashBytes;
}

function isCount(value: unknown, max: number = Number.MAX_SAFE_INTEGER): value is number {
  return typeof value === "number" && value >= 0 && value <= max;
}

function isTextWithin(value: unknown, unitsMax: number): value is string {
  return typeof value === "string" && value.length <= unitsMax;
}
