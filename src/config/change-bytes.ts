/** Changes as bytes, for cards that catch up: a CBOR array of arrays that only grow at their end. What a change says of the one before it is left out. */
import { isCardId } from "../base/ids.ts";
import { auditCommentBytesMax, configKeyBytesMax, viewNumberMax } from "../limits.ts";
import { decodeCbor, encodeCbor } from "../wire/cbor.ts";
import { hashBytes } from "./chain.ts";
import type { Change, Head } from "./change.ts";

const kinds = ["rows", "migrate"] as const;

export function encodeChanges(changes: readonly Change[]): Uint8Array {
  return encodeCbor(changes.map(({ sequence, epoch, hash, kind, author, comment, key, card, time, changeset }) => {
    return [sequence, epoch, hash, kinds.indexOf(kind), author, comment, key, card, time, changeset];
  }));
}

/** The changes that follow one after the other upon `head`; `undefined` when they do not, or the bytes are none. Their hashes are the store's to prove. */
export function decodeChanges(bytes: Uint8Array, head: Head): Change[] | undefined {
  const items = decodeCbor(bytes, "shared");
  if (!Array.isArray(items) || items.length === 0) return undefined;
  const changes: Change[] = [];
  let before = head;
  for (const item of items as unknown[]) {
    const change = changeOf(item, before);
    if (change === undefined) return undefined;
    changes.push(change);
    before = change;
  }
  return changes;
}

function changeOf(item: unknown, before: Head): Change | undefined {
  if (!Array.isArray(item)) return undefined;
  const [sequence, epoch, hash, kindIndex, author, comment, key, card, time, changeset] = item as unknown[];
  const kind = isCount(kindIndex, 1) ? kinds[kindIndex] : undefined;
  if (sequence !== before.sequence + 1 || !isCount(epoch, viewNumberMax) || epoch < before.epoch || kind === undefined) return undefined;
  if (!(hash instanceof Uint8Array) || hash.length !== hashBytes || !(changeset instanceof Uint8Array)) return undefined;
  if (!isTextWithin(author, configKeyBytesMax) || !isTextWithin(comment, auditCommentBytesMax) || !isTextWithin(key, configKeyBytesMax)) {
    return undefined;
  }
  if (!isCardId(card) || !isCount(time)) return undefined;
  return { sequence, epoch, hash, previous: before.hash, kind, author, comment, key, card, time, changeset };
}

function isCount(value: unknown, max: number = Number.MAX_SAFE_INTEGER): value is number {
  return typeof value === "number" && value >= 0 && value <= max;
}

function isTextWithin(value: unknown, unitsMax: number): value is string {
  return typeof value === "string" && value.length <= unitsMax;
}
