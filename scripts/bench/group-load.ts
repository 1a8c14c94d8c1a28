/** What the systems under comparison are made to do, and what their clients say of it; the same for all of them. */

/** Everybody joins one group; when all are members, `sender` sends for `seconds`. */
export type Load = {
  /** The group's name as well: a load does not meet what is left of the one before. */
  readonly name: string;
  /** The card that sends, or 0: all do. */
  readonly sender: number;
  readonly bytes: number;
  /** 0: as many as it may. */
  readonly perSecond: number;
  readonly seconds: number;
};

/** What one client says at the end, when every sender's last message has been delivered to it. */
export type Delivered = {
  readonly card: number;
  readonly delivered: number;
  /** A hash over sender and number of each message in the order in which they were delivered. */
  readonly order: number;
  /** From the first message that was delivered to the last. */
  readonly ms: number;
  /** From each send to the delivery to the sender itself; of a load with a rate only. */
  readonly latenciesUs: readonly number[];
};

/** A message begins with this: whether it is its sender's last, and its number, counted from 0; 32 bits each, lowest byte first. */
export const headBytes = 16;
const fnvPrime = 16_777_619;
export const orderAtStart = 0x811c9dc5;

/** FNV-1a, two words at a time. */
export function orderAfter(order: number, card: number, number: number): number {
  return Math.imul(Math.imul(order ^ card, fnvPrime) ^ number, fnvPrime) >>> 0;
}

/** The words that a client's program takes. */
export function wordsOf(members: number, load: Load): string[] {
  return [load.name, members, load.sender, load.bytes, load.perSecond, load.seconds].map(String);
}
