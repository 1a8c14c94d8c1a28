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
  /**
   * A piece of the changeset of one change that is larger than a message. The first one says upon what, and all that the change has
   * besides; it takes the one place that there is for such.
   */
  | {
    readonly kind: "part";
    readonly id: number;
    readonly index: number;
    readonly count: number;
    readonly data: Uint8Array;
    readonly first: { readonly base: Uint8Array; readonly proposal: Proposed } | undefined;
  }
  /** "What follows on this head does not fit my database, which has this level." */
  | { readonly kind: "object"; readonly head: Head; readonly level: number }
  /** "Everything up to this head is durable here." */
  | { readonly kind: "caughtUp"; readonly head: Head };

const kinds = { announce: 1, elect: 2, propose: 3, part: 4, caughtUp: 5, object: 6 } as const;
const proposalKinds = ["rows", "migrate"] as const;
/** What a part, or a proposal, has besides its changesets, with its texts at their longest. */
const overheadBytes = 64 + 4 * (2 * configKeyBytesMax + auditCommentBytesMax);
/** What of changesets one message takes. */
export const partBytesMax = applicationMessageBytesMax - overheadBytes;

export function encodeReplicaEntry(entry: ReplicaEntry): Uint8Array {
  switch (entry.kind) {
    case "announce":
      return encodeCbor([kinds.announce, ...headItems(entry.head), entry.level, entry.levelMax, entry.held, entry.seen]);
    case "elect":
      return encodeCbor([kinds.elect, entry.groupView, ...headItems(entry.head), entry.level, entry.replicas]);
    case "propose":
      return encodeCbor([kinds.propose, entry.id, entry.base, entry.proposals.map(proposalItems)]);
    case "part":
      return encodeCbor([
        kinds.part,
        entry.id,
        entry.index,
        entry.count,
        entry.data,
        ...(entry.first === undefined ? [] : [entry.first.base, proposalItems(entry.first.proposal)]),
      ]);
    case "object":
      return encodeCbor([kinds.object, ...headItems(entry.head), entry.level]);
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
      if (!isCount(a) || !isCount(c, configPartsMax) || !isCount(b, c - 1) || !(d instanceof Uint8Array)) return undefined;
      if (d.length === 0 || d.length > partBytesMax) return undefined;
      const proposal = b === 0 ? proposalFrom(f) : undefined;
      if (b === 0 && (!isHash(e) || proposal === undefined)) return undefined;
      const first = proposal === undefined ? undefined : { base: e as Uint8Array, proposal };
      return { kind: "part", id: a, index: b, count: c, data: d, first };
    }
    case kinds.object: {
      const head = headFrom(a, b, c);
      return head === undefined || !isCount(d) ? undefined : { kind: "object", head, level: d };
    }
    case kinds.caughtUp: {
      const head = headFrom(a, b, c);
      return head === undefined ? undefined : { kind: "caughtUp", head };
    }
    default:
      return undefined;
  }
}

/** The messages that propose these changes upon `base`: one, or one for each part of a change that is larger. */
export function proposalEntries(id: number, base: Uint8Array, proposals: readonly Proposed[]): ReplicaEntry[] {
  const [first] = proposals;
  if (first === undefined) return [];
  if (proposals.reduce((sum, { changeset }) => sum + changeset.length, 0) <= partBytesMax) {
    return [{ kind: "propose", id, base, proposals }];
  }
  const { changeset } = first;
  const count = Math.ceil(changeset.length / partBytesMax);
  return Array.from({ length: count }, (_, index) => {
    const data = changeset.slice(index * partBytesMax, (index + 1) * partBytesMax);
    const proposal = { ...first, changeset: new Uint8Array(0) };
    return { kind: "part", id, index, count, data, first: index === 0 ? { base, proposal } : undefined };
  });
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
    const proposal = proposalFrom(item);
    if (proposal === undefined) return undefined;
    proposals.push(proposal);
  }
  return proposals;
}

function proposalFrom(item: unknown): Proposed | undefined {
  if (!Array.isArray(item)) return undefined;
  const [kindIndex, author, comment, key, time, changeset] = item as unknown[];
  const kind = isCount(kindIndex, 1) ? proposalKinds[kindIndex] : undefined;
  if (kind === undefined || !isTextWithin(author, configKeyBytesMax) || !isTextWithin(comment, auditCommentBytesMax)) return undefined;
  if (!isTextWithin(key, configKeyBytesMax) || !isCount(time) || !(changeset instanceof Uint8Array)) return undefined;
  return { kind, author, comment, key, time, changeset };
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
