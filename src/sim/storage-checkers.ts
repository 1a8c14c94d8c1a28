/**
 * What must hold of storage, held against a world that knows what every block of every leg holds, what hosts were told, and what cards reach: an acknowledged write is on each leg in
 * sync, none is lost, no stale leg is served, one host for each leg, mirroring only between hosts that are both ready, and in the end all legs are alike.
 */
import type { CardId } from "../base/ids.ts";
import type { DeviceId, LegId } from "../storage/blocks.ts";
import type { SimLeg, WriteId } from "./storage-disk.ts";

/** What a card says of a device. */
export type SaidDevice = {
  readonly memory: { readonly term: number; readonly revision: number; readonly inSync: readonly LegId[] } | undefined;
  readonly primary: { readonly card: CardId; readonly leg: LegId; readonly term: number } | undefined;
  readonly legs: ReadonlyMap<LegId, { readonly members: ReadonlyMap<CardId, unknown> }>;
};

export type StorageViolation = { readonly checker: string; readonly sentence: string; readonly detail: string };

export const sentences = {
  "acknowledged-everywhere": "An acknowledged write is readable from every leg in sync (HA-12).",
  "nothing-lost": "What hosts are served from has every acknowledged write, and no older one in its place (HA-12).",
  "stable-reads": "What was read once stays so until it is written again.",
  "in-sync-served": "Hosts are served only from a leg that is in sync (PB-12).",
  "one-server": "One card at a time serves a device.",
  "one-host": "One card at a time has a leg open (PB-3).",
  "both-ready": "Mirroring runs only when both hosts are ready, in the same term (PB-5, PB-10).",
  "only-who-reach": "A card is only in subgroups whose resource it reaches (PB-1, PB-8).",
  "equal-agreement": "Cards that know what is agreed on agree: after the same entry all of it is the same (PB-2).",
  "alike-in-the-end": "Within a stated time after the last fault every device is served and all of its legs are in sync and alike (PB-12).",
} as const;

export type StorageCheckerName = keyof typeof sentences;

/** Of one block: what may be read. */
type Known = {
  acknowledged: WriteId;
  /** Writes that were begun and neither acknowledged nor seen; a torn one is seen as a number below zero. */
  readonly maybe: Set<WriteId>;
};

export class StorageCheckers {
  readonly #known = new Map<DeviceId, Known[]>();
  /** Devices whose next reading is taken for what was acknowledged. */
  readonly #forgotten = new Set<DeviceId>();
  readonly #texts = new Map<number, { readonly text: string; readonly who: string }>();
  violation: StorageViolation | undefined;

  fail(checker: StorageCheckerName, detail: string): void {
    this.violation ??= { checker, sentence: sentences[checker], detail };
  }

  #of(device: DeviceId, block: number): Known {
    const blocks = this.#known.get(device) ?? [];
    this.#known.set(device, blocks);
    return blocks[block] ??= { acknowledged: 0, maybe: new Set() };
  }

  /** A host begins to write. */
  begun(device: DeviceId, block: number, write: WriteId): void {
    this.#of(device, block).maybe.add(write);
  }

  acknowledged(leg: SimLeg, block: number, write: WriteId, said: SaidDevice | undefined, legs: readonly SimLeg[]): void {
    const known = this.#of(leg.device, block);
    known.acknowledged = write;
    // What was given up before cannot come back after it.
    known.maybe.delete(write);
    for (const other of known.maybe) if (!this.isUnderWay(other)) known.maybe.delete(other);
    for (const name of said?.memory?.inSync ?? []) {
      const other = legs.find((each) => each.device === leg.device && each.leg === name);
      if (other !== undefined && other.content[block] !== write) {
        this.fail(
          "acknowledged-everywhere",
          `${name} has write ${other.content[block]} in block ${block} of ${leg.device}, not ${write}, which is acknowledged`,
        );
      }
    }
  }

  /** A host reads a block. */
  read(leg: SimLeg, block: number): void {
    const known = this.#of(leg.device, block);
    // Which of both is read while it is being written is nobody's promise.
    if ([...known.maybe].some((write) => this.isUnderWay(write))) return;
    const found = leg.content[block] as WriteId;
    const isTorn = found < 0 && known.maybe.size > 0;
    if (found !== known.acknowledged && !known.maybe.has(found) && !isTorn) {
      const name = found < known.acknowledged ? "nothing-lost" : "stable-reads";
      return this.fail(name, `block ${block} of ${leg.device} reads ${found} from ${leg.leg}, not ${known.acknowledged}`);
    }
    known.acknowledged = found;
    known.maybe.clear();
  }

  /** Whether a host still waits for the write; set by the world. */
  isUnderWay: (write: WriteId) => boolean = () => false;

  /** The gate opens: all is read. */
  served(leg: SimLeg, said: SaidDevice | undefined): void {
    if (said?.memory?.inSync.includes(leg.leg) !== true) {
      this.fail("in-sync-served", `${leg.device} is served from ${leg.leg}; in sync is ${said?.memory?.inSync.join(", ")}`);
    }
    if (this.#forgotten.delete(leg.device)) {
      for (const [block, write] of leg.content.entries()) this.#of(leg.device, block).acknowledged = write;
    }
    for (const block of leg.content.keys()) this.read(leg, block);
  }

  /** An operator has given up what was acknowledged: what is there counts from now on. */
  forget(device: DeviceId): void {
    this.#known.delete(device);
    this.#forgotten.add(device);
  }

  agreed(who: string, sequence: number, text: string): void {
    const known = this.#texts.get(sequence);
    if (known === undefined) {
      this.#texts.set(sequence, { text, who });
      for (const old of this.#texts.keys()) if (this.#texts.size > 64) this.#texts.delete(old);
    } else if (known.text !== text) {
      let at = 0;
      while (text[at] === known.text[at] && at < text.length) at++;
      const [here, there] = [text, known.text].map((each) => each.slice(Math.max(0, at - 80), at + 60));
      this.fail("equal-agreement", `after ${sequence} ${who} has ...${here}..., and ${known.who} ...${there}...`);
    }
  }

  members(said: ReadonlyMap<DeviceId, SaidDevice>, reaches: (card: CardId, device: DeviceId, leg: LegId) => boolean): void {
    for (const [device, { legs }] of said) {
      for (const [leg, { members }] of legs) {
        for (const card of members.keys()) {
          if (!reaches(card, device, leg)) this.fail("only-who-reach", `card ${card} is in ${leg} of ${device} and does not reach it`);
        }
      }
    }
  }
}
