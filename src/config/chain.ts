/**
 * The chain of changes: each has the hash of the one before and its own, so that two equal heads prove equal histories. The rule is
 * in `CONFIGURATION.md`; it is part of every database and of the wire, and never changes.
 */
import { sha256 } from "@noble/hashes/sha2.js";
import { encodeCbor } from "../wire/cbor.ts";
import type { Change, Head, Proposal } from "./change.ts";
import { bytesOf } from "./values.ts";

export const hashBytes = 32;
/** What a change counts for besides its texts and its changeset. */
export const changeOverheadBytes = 256;

/** SHA-256. */
export type Digest = (bytes: Uint8Array) => Uint8Array;

/** The head of a chain without changes. */
export const emptyHead: Head = { sequence: 0, epoch: 0, hash: new Uint8Array(hashBytes) };

/**
 * The hash of a change that follows on `previous` with the place (sequence, epoch). The changeset goes into it as its own digest, so that a
 * large one can be hashed piece by piece as it comes, long before its place is known. Who proves many gives a faster `digest` (SHA-256).
 */
export function changeHash(
  previous: Uint8Array,
  sequence: number,
  epoch: number,
  proposal: Proposal,
  digest: Digest = sha256,
  changesetDigest: Uint8Array = digest(proposal.changeset),
): Uint8Array {
  const { kind, author, comment, time, key, card } = proposal;
  return digest(encodeCbor([previous, sequence, epoch, kind, author, comment, time, key, card, changesetDigest]));
}

/** A digest of bytes that come one after the other. */
export function runningDigest(): { update(bytes: Uint8Array): unknown; digest(): Uint8Array } {
  return sha256.create();
}

/** The digest of whole databases, by which a copy is proven. */
export function contentDigest(bytes: Uint8Array): Uint8Array {
  return sha256(bytes);
}

/** The link that a proposal becomes, put behind `head` by the view `epoch`. */
export function linked(head: Head, epoch: number, proposal: Proposal, changesetDigest?: Uint8Array): Change {
  const sequence = head.sequence + 1;
  const hash = changeHash(head.hash, sequence, epoch, proposal, sha256, changesetDigest);
  return { ...proposal, sequence, epoch, previous: head.hash, hash };
}

/** What a change counts for where changes are bounded by their bytes. */
export function countedBytes({ changeset, author, comment, key }: Proposal): number {
  return changeset.length + bytesOf(author) + bytesOf(comment) + bytesOf(key) + changeOverheadBytes;
}

export function headOf({ sequence, epoch, hash }: Head): Head {
  return { sequence, epoch, hash };
}

/** Why `change` is not the link behind `head`, or undefined when it is. */
export function brokenLink(head: Head, change: Change, digest: Digest = sha256): string | undefined {
  const { sequence, epoch, previous, hash } = change;
  if (sequence !== head.sequence + 1) return `change ${sequence} follows on ${head.sequence}; ${head.sequence + 1} is next`;
  if (epoch < head.epoch) return `change ${sequence} has the epoch ${epoch}, the one before has ${head.epoch}; epochs never go down`;
  if (!equalBytes(previous, head.hash)) return `change ${sequence} does not build upon change ${head.sequence} as it is here`;
  if (!equalBytes(hash, changeHash(previous, sequence, epoch, change, digest))) {
    return `change ${sequence} does not have the hash of what it holds`;
  }
  return undefined;
}

export function isSameHead(a: Head, b: Head): boolean {
  return a.sequence === b.sequence && a.epoch === b.epoch && equalBytes(a.hash, b.hash);
}

/** Above zero when `a` is the better head of two that parted: the one with the higher (epoch, sequence, hash) stays. */
export function compareHeads(a: Head, b: Head): number {
  return a.epoch - b.epoch || a.sequence - b.sequence || compareBytes(a.hash, b.hash);
}

/** The level that a change of the kind `migrate` raises the database to. */
export function levelOf({ changeset }: Proposal): number {
  return changeset.length === 4 ? new DataView(changeset.buffer, changeset.byteOffset).getUint32(0) : 0;
}

/** What a change of the kind `migrate` has instead of a changeset. */
export function levelChangeset(level: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, level);
  return bytes;
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && compareBytes(a, b) === 0;
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  for (let at = 0; at < Math.min(a.length, b.length); at++) {
    const difference = (a[at] as number) - (b[at] as number);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}
