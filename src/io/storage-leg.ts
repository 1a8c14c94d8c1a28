/**
 * A leg of a device on this card's block engine: looks at it, opens it, and does what StorageService orders about it alone; what goes to the hosts of other legs
 * is its caller's.
 *
 * In the engine a leg is a device with three slots: the backing, the leg upon it, and the mirror upon that while this card serves it. Other legs are numbered there, as peers with a
 * bitmap each; which number is whose stands in the superblock before the service's state, so that a bitmap is never taken for another leg's, whatever the configuration became
 * meanwhile.
 */
import { createHash } from "node:crypto";
import type { LegFound, LegId, MirrorPolicy } from "../storage/blocks.ts";
import type { BlockDevice, BlockEngine, BlockError, BlockGateState } from "./block-ports.ts";
import type { MirrorDevice, MirrorLeg, MirrorSettings } from "./mirror-ports.ts";

const mirrorSlot = 0;
const legSlot = 1;
const backingSlot = 2;
const idBytes = 16;
const peersMax = 8;

export type StorageLegOptions = {
  readonly engine: BlockEngine;
  readonly mirrorOf: (device: number) => MirrorDevice;
  /** The number of the device in the engine. */
  readonly number: number;
  readonly device: string;
  readonly leg: LegId;
  /** The device's other legs, as the configuration has them. */
  readonly others: () => readonly LegId[];
};

/** A name as the superblock has it. */
export function mirrorId(text: string): Uint8Array {
  return new Uint8Array(createHash("sha256").update(text).digest().subarray(0, idBytes));
}

/** Which bitmap is whose. */
type Numbers = ReadonlyMap<LegId, number>;

/** The numbers, each with its name, and the service's state behind them. */
export function encodeLegNote(numbers: Numbers, state: Uint8Array): Uint8Array {
  const names = [...numbers].flatMap(([leg, number]) => {
    const name = new TextEncoder().encode(leg);
    return [number, name.length, ...name];
  });
  return new Uint8Array([numbers.size, ...names, ...state]);
}

/** Undefined where it is not of this form. An empty one is that of a leg of which nothing was noted yet. */
export function decodeLegNote(note: Uint8Array): { readonly numbers: Numbers; readonly state: Uint8Array } | undefined {
  const numbers = new Map<LegId, number>();
  let at = 1;
  for (let left = note[0] ?? 0; left > 0; left--) {
    const number = note[at] ?? peersMax;
    const end = at + 2 + (note[at + 1] ?? 0);
    if (number >= peersMax || end > note.length) return undefined;
    numbers.set(new TextDecoder().decode(note.subarray(at + 2, end)), number);
    at = end;
  }
  return { numbers, state: note.slice(at) };
}

/** Numbers for these legs: those that they have, and free ones for the others. Whoever is not of them any more loses his. */
export function numbered(numbers: Numbers, legs: readonly LegId[]): Numbers {
  const kept = new Map([...numbers].filter(([leg]) => legs.includes(leg)));
  const free = Array.from({ length: peersMax }, (_, number) => number).filter((number) => ![...kept.values()].includes(number));
  for (const leg of [...legs].sort()) {
    if (kept.has(leg)) continue;
    const number = free.shift();
    if (number === undefined) throw new RangeError(`a device has at most ${peersMax + 1} legs, ${leg} is one too many`);
    kept.set(leg, number);
  }
  return kept;
}

function settingsOf({ protocol, behindBytesMax, peerTimeoutMs, fillBytes, bytesPerSMax, bytesPerSMin }: MirrorPolicy): MirrorSettings {
  return {
    protocol,
    behindBytesMax,
    timeoutMs: peerTimeoutMs,
    resyncMost: bytesPerSMax,
    resyncLeast: bytesPerSMin,
    resyncFill: fillBytes,
  };
}

function isEqual(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, index) => byte === other[index]);
}

export class StorageLeg {
  readonly device: string;
  readonly leg: LegId;
  readonly #options: StorageLegOptions;
  #numbers: Numbers = new Map();
  #block: BlockDevice | undefined;
  #isServed = false;
  #term = 0;

  constructor(options: StorageLegOptions) {
    this.#options = options;
    this.device = options.device;
    this.leg = options.leg;
  }

  /** Its mirror's orders, while it is open. */
  get mirror(): MirrorDevice {
    return this.#options.mirrorOf(this.#options.number);
  }

  /** The engine's number of another leg's bitmap. */
  numberOf(peer: LegId): number | undefined {
    return this.#numbers.get(peer);
  }

  /** The same of one that must be known: it is in the configuration since the last note. */
  requireNumber(peer: LegId): number {
    const number = this.#numbers.get(peer);
    if (number === undefined) throw Object.assign(new Error(`leg ${this.leg} of ${this.device} knows no leg ${peer}`), { code: "ENODATA" });
    return number;
  }

  /** The term that was noted last since it was opened; 0 before. */
  get term(): number {
    return this.#term;
  }

  legOf(number: number): LegId | undefined {
    return [...this.#numbers].find(([, each]) => each === number)?.[0];
  }

  /** Whether this card reaches it; leaves it as it is, also while another program has it open. Rejects as the engine does. */
  look(path: string): Promise<LegFound> {
    return this.#with(async (block) => {
      const { size, blockBytes } = await block.open(backingSlot, path, { readOnly: true });
      return this.#found(await this.#openLeg(), size, blockBytes).found;
    });
  }

  /** For use, exclusively. Nothing is written to a leg of another device. */
  async open(path: string, format: boolean): Promise<LegFound> {
    const block = await this.#options.engine.make(this.#options.number);
    try {
      const { size, blockBytes } = await block.open(backingSlot, path);
      let opened = await this.#openLeg();
      if (opened === undefined && format) opened = await this.#format();
      const { found, numbers } = this.#found(opened, size, blockBytes);
      if (found.foreign) throw Object.assign(new Error(`${path} is a leg of another device`), { code: "EEXIST" });
      this.#numbers = numbers;
      this.#block = block;
      this.#term = 0;
      if (opened !== undefined) await block.serve(legSlot);
      return found;
    } catch (error) {
      await block.remove();
      throw error;
    }
  }

  /** Durable, and nothing of an older term is under way, when it resolves. `missing`: the legs that are out; `all`: of which nothing is known. */
  async note(term: number, state: Uint8Array, missing: readonly LegId[], all: readonly LegId[]): Promise<void> {
    const block = this.#opened();
    this.#numbers = numbered(this.#numbers, [...new Set([...this.#options.others(), ...missing])]);
    if (term > this.#term) {
      await block.raise(term);
      this.#term = term;
      if (this.#isServed) await this.mirror.setTerm(term);
    }
    await this.mirror.record(legSlot, {
      term,
      bitmaps: [...this.#numbers.values()],
      missing: this.#numbersOf(missing),
      fill: this.#numbersOf(all),
      state: encodeLegNote(this.#numbers, state),
    });
    // A backup takes what its Primary sends from here on; what this card serves waits for its own order.
    if (!this.#isServed) await block.gate("open");
  }

  async suspect(peers: readonly LegId[]): Promise<void> {
    this.#opened();
    await this.mirror.suspect(legSlot, this.#numbersOf(peers));
  }

  /** The mirror over it, its gate paused. */
  async serve(term: number, policy: MirrorPolicy): Promise<void> {
    const block = this.#opened();
    await block.gate("paused");
    await this.mirror.make(legSlot, mirrorSlot, term);
    await this.mirror.set(settingsOf(policy));
    await block.serve(mirrorSlot);
    this.#isServed = true;
  }

  async gate(state: BlockGateState): Promise<void> {
    await this.#opened().gate(state);
  }

  async proceed(without: readonly LegId[]): Promise<void> {
    this.#opened();
    await this.mirror.proceed(this.#numbersOf(without));
  }

  /** Nothing of it is under way when it resolves. What waits for a peer that is lost fails. */
  async close(): Promise<void> {
    const block = this.#block;
    this.#block = undefined;
    if (block === undefined) return;
    if (this.#isServed) await this.mirror.abandon();
    this.#isServed = false;
    await block.remove();
  }

  #opened(): BlockDevice {
    if (this.#block === undefined) throw Object.assign(new Error(`leg ${this.leg} of ${this.device} is not open`), { code: "ENXIO" });
    return this.#block;
  }

  #numbersOf(legs: readonly LegId[]): number[] {
    return legs.map((leg) => this.#numbers.get(leg)).filter((number) => number !== undefined);
  }

  async #with<Result>(run: (block: BlockDevice) => Promise<Result>): Promise<Result> {
    const block = await this.#options.engine.make(this.#options.number);
    try {
      return await run(block);
    } finally {
      await block.remove();
    }
  }

  /** Undefined where there is no superblock. */
  #openLeg(): Promise<MirrorLeg | undefined> {
    return this.mirror.openLeg(backingSlot, legSlot).catch((error: BlockError) => {
      if (error.code === "ENODATA") return undefined;
      throw error;
    });
  }

  async #format(): Promise<MirrorLeg> {
    const numbers = numbered(new Map(), this.#options.others());
    await this.mirror.format(backingSlot, {
      device: mirrorId(this.device),
      leg: mirrorId(this.leg),
      term: 0,
      bitmaps: [...numbers.values()],
      state: encodeLegNote(numbers, new Uint8Array()),
    });
    return await this.mirror.openLeg(backingSlot, legSlot);
  }

  #found(opened: MirrorLeg | undefined, bytes: number, blockBytes: number): { readonly found: LegFound; readonly numbers: Numbers } {
    if (opened === undefined) return { found: { bytes, blockBytes, state: undefined, foreign: false, clean: true }, numbers: new Map() };
    const note = decodeLegNote(opened.state);
    const foreign = note === undefined || !isEqual(opened.device, mirrorId(this.device)) || !isEqual(opened.leg, mirrorId(this.leg));
    const state = foreign || note.state.length === 0 ? undefined : note.state;
    return {
      found: { bytes: opened.size, blockBytes, state, foreign, clean: opened.hot === 0 },
      numbers: note?.numbers ?? new Map(),
    };
  }
}
