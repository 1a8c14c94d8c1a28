/** The block engine; BLOCK.md tells what it is, engine.h and device-orders.h how it is spoken to. */
import { constants } from "node:os";
import type {
  BlockCounter,
  BlockDevice,
  BlockDriver,
  BlockEngine,
  BlockError,
  BlockFault,
  BlockGateState,
  BlockOpened,
  BlockOpenOptions,
  BlockOptions,
  BlockRequestOptions,
  BlockStatus,
  BlockVerb,
} from "../../src/io/block-ports.ts";
import { blockPoolBytesMax } from "../../src/limits.ts";
import type { Addon, NativePort } from "../load.ts";
import { Inbox } from "../mailbox/mailbox.ts";
import { PayloadReader, PayloadWriter } from "./payload.ts";

const orders = {
  make: 1,
  remove: 2,
  open: 3,
  close: 4,
  grow: 5,
  serve: 6,
  gate: 7,
  drain: 8,
  raise: 9,
  request: 10,
  status: 11,
  count: 12,
  layFault: 13,
  addFault: 14,
  resume: 15,
  cutPower: 16,
} as const;
const kindAnswer = 0;
const kindFailed = 1;

const verbs: readonly BlockVerb[] = ["read", "write", "flush", "discard", "zero"];
const gateStates: readonly BlockGateState[] = ["shut", "open", "paused"];
const faultActions: readonly BlockFault["action"][] = ["fail", "delay", "torn", "lie", "hang"];
const bucketCount = 96;
const noDevice = 0xffffffff;
const theGate = 255;
const chanceOne = 65_536;

/** Room for the largest report, with the words before it. */
const inboxBytes = 1_088 * 1_024;
/** Of a record, before its bytes: kind, number, value. */
const recordWords = 3;

/** The runtime's list of names lacks the one that says that a device is closed. */
const errorNumbers: Readonly<Record<string, number>> = { ...constants.errno, ESHUTDOWN: 108 };

/** The name of a negative error number. */
export function codeOf(error: number): string {
  return Object.entries(errorNumbers).find(([, number]) => number === -error)?.[0] ?? String(-error);
}

function numberOf(code: string): number {
  const number = errorNumbers[code];
  if (number === undefined) throw new RangeError(`block: there is no error ${code}`);
  return number;
}

function blockError(error: number, text: string): BlockError {
  return Object.assign(new Error(text), { code: codeOf(error) });
}

type Waiting = { readonly resolve: (bytes: Uint8Array) => void; readonly reject: (error: Error) => void };

class NativeBlockEngine implements BlockEngine {
  readonly #addon: Addon;
  readonly #inbox = new Inbox(inboxBytes);
  readonly #native: NativePort;
  readonly #options: BlockOptions;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;
  #open = true;
  #closed: Promise<void> | undefined;

  constructor(addon: Addon, options: BlockOptions) {
    this.#addon = addon;
    this.#options = options;
    const { reactors = 1, poolBytesMax = blockPoolBytesMax, faults = false } = options;
    this.#native = addon.blockOpen(reactors, poolBytesMax, faults, () => this.#take());
  }

  async make(number: number): Promise<BlockDevice> {
    await this.order(orders.make, number, new Uint8Array());
    return new NativeBlockDevice(this, number);
  }

  order(kind: number, device: number | undefined, bytes: Uint8Array): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      if (!this.#open) throw blockError(-constants.errno.EPIPE, "block: the engine is closed");
      do this.#lastId = (this.#lastId % 0xffffffff) + 1; while (this.#waiting.has(this.#lastId));
      this.#addon.blockOrder(this.#native, this.#lastId, kind, device ?? noDevice, bytes);
      this.#waiting.set(this.#lastId, { resolve, reject });
    });
  }

  close(): Promise<void> {
    this.#open = false;
    this.#closed ??= this.#addon.blockClose(this.#native).then(() => {
      for (const { reject } of this.#waiting.values()) reject(blockError(-constants.errno.EPIPE, "block: the engine is closed"));
      this.#waiting.clear();
    });
    return this.#closed;
  }

  #take(): void {
    if (!this.#open) return;
    const taken = this.#addon.blockTake(this.#native, this.#inbox.bytes);
    const records: { readonly words: Int32Array; readonly bytes: Uint8Array }[] = [];
    this.#inbox.forEach(taken, (start, end) => {
      const record = this.#inbox.bytes.slice(start, end);
      records.push({ words: new Int32Array(record.buffer, 0, recordWords), bytes: record.subarray(recordWords * 4) });
    });
    for (const { words, bytes } of records) this.#told(words[0] as number, (words[1] as number) >>> 0, words[2] as number, bytes);
  }

  #told(kind: number, number: number, value: number, bytes: Uint8Array): void {
    switch (kind) {
      case kindAnswer: {
        const waiting = this.#waiting.get(number);
        this.#waiting.delete(number);
        if (value < 0) waiting?.reject(blockError(value, new TextDecoder().decode(bytes)));
        else waiting?.resolve(bytes);
        break;
      }
      case kindFailed: {
        const reader = new PayloadReader(bytes);
        const slot = reader.u8();
        const verb = verbs[reader.u8()] as BlockVerb;
        reader.u16();
        const length = reader.u32();
        this.#options.onFailure?.({ device: number, slot, verb, code: codeOf(value), offset: reader.u64(), length });
        break;
      }
      default:
        this.#options.onNews?.({ kind, number, value, bytes });
    }
  }
}

class NativeBlockDevice implements BlockDevice {
  readonly number: number;
  readonly #engine: NativeBlockEngine;

  constructor(engine: NativeBlockEngine, number: number) {
    this.#engine = engine;
    this.number = number;
  }

  async open(slot: number, path: string, options: BlockOpenOptions = {}): Promise<BlockOpened> {
    const { readOnly = false, allocated = false, size = 0 } = options;
    const bytes = new PayloadWriter().u8(slot).u8((readOnly ? 1 : 0) | (allocated ? 2 : 0)).u64(size).text(path).bytes;
    const reader = new PayloadReader(await this.#order(orders.open, bytes));
    const found = {
      size: reader.u64(),
      blockBytes: reader.u32(),
      preferredBytes: reader.u32(),
      discardBytes: reader.u32(),
    };
    const flags = reader.u32();
    return {
      ...found,
      readOnly: (flags & 1) !== 0,
      canDiscard: (flags & 2) !== 0,
      canZero: (flags & 4) !== 0,
      isBlock: (flags & 8) !== 0,
    };
  }

  async close(slot: number): Promise<void> {
    await this.#order(orders.close, new PayloadWriter().u8(slot).bytes);
  }

  async grow(slot: number, size: number, { allocated = false }: { readonly allocated?: boolean } = {}): Promise<number> {
    const bytes = new PayloadWriter().u8(slot).u8(allocated ? 1 : 0).u64(size).bytes;
    return new PayloadReader(await this.#order(orders.grow, bytes)).u64();
  }

  async serve(slot: number | undefined): Promise<void> {
    await this.#order(orders.serve, new PayloadWriter().u8(slot ?? theGate).bytes);
  }

  async gate(state: BlockGateState): Promise<void> {
    await this.#order(orders.gate, new PayloadWriter().u8(gateStates.indexOf(state)).bytes);
  }

  async drain(): Promise<void> {
    await this.#order(orders.drain, new Uint8Array());
  }

  async raise(term: number): Promise<void> {
    await this.#order(orders.raise, new PayloadWriter().u64(term).bytes);
  }

  async status(): Promise<BlockStatus> {
    const reader = new PayloadReader(await this.#order(orders.status, new Uint8Array()));
    const [term, size, keptBytes, poolBytesMax, poolBytesGrown, poolBytesTaken] = Array.from({ length: 6 }, () => reader.u64());
    const [state, passed, kept, taken] = Array.from({ length: 4 }, () => reader.u32());
    const slots = Array.from({ length: 16 }, (_, slot) => slot).filter((slot) => ((taken as number) >> slot & 1) === 1);
    const gate = gateStates[state as number];
    return { gate, term, size, passed, kept, keptBytes, slots, poolBytesMax, poolBytesGrown, poolBytesTaken } as BlockStatus;
  }

  async counters(): Promise<Readonly<Record<BlockVerb, BlockCounter>>> {
    const reader = new PayloadReader(await this.#order(orders.count, new Uint8Array()));
    const counters = verbs.map((verb): [BlockVerb, BlockCounter] => {
      const [requests, bytes, errors, latencyUs] = Array.from({ length: 4 }, () => reader.u64());
      const buckets = Array.from({ length: bucketCount }, () => reader.u32());
      return [verb, { requests, bytes, errors, latencyUs, buckets } as BlockCounter];
    });
    return Object.fromEntries(counters) as Record<BlockVerb, BlockCounter>;
  }

  read(offset: number, length: number, options?: BlockRequestOptions): Promise<Uint8Array> {
    return this.#request("read", offset, length, options);
  }

  async write(offset: number, bytes: Uint8Array, options?: BlockRequestOptions): Promise<void> {
    await this.#request("write", offset, bytes.length, options, bytes);
  }

  async flush(options?: BlockRequestOptions): Promise<void> {
    await this.#request("flush", 0, 0, options);
  }

  async discard(offset: number, length: number, options?: BlockRequestOptions): Promise<void> {
    await this.#request("discard", offset, length, options);
  }

  async zero(offset: number, length: number, options?: BlockRequestOptions): Promise<void> {
    await this.#request("zero", offset, length, options);
  }

  async layFault(slot: number, kind: "rules" | "power", seed: number): Promise<void> {
    await this.#order(orders.layFault, new PayloadWriter().u8(slot).u8(kind === "power" ? 1 : 0).u64(seed).bytes);
  }

  async addFault(slot: number, fault: BlockFault): Promise<void> {
    const { action, offset = 0, length = Number.MAX_SAFE_INTEGER, skip = 0, count = 0, chance = 1, code = "EIO", value = 0 } = fault;
    const set = fault.verbs.reduce((bits, verb) => bits | (1 << verbs.indexOf(verb)), 0);
    const bytes = new PayloadWriter().u8(slot).u8(faultActions.indexOf(action)).u32(set).u64(offset).u64(length).u32(skip).u32(count)
      .u32(chance >= 1 ? 0 : Math.ceil(chance * chanceOne)).u32(numberOf(code)).u32(value).bytes;
    await this.#order(orders.addFault, bytes);
  }

  async resume(slot: number): Promise<void> {
    await this.#order(orders.resume, new PayloadWriter().u8(slot).bytes);
  }

  async cutPower(slot: number): Promise<void> {
    await this.#order(orders.cutPower, new PayloadWriter().u8(slot).bytes);
  }

  async remove(): Promise<void> {
    await this.#order(orders.remove, new Uint8Array());
  }

  #order(kind: number, bytes: Uint8Array): Promise<Uint8Array> {
    return this.#engine.order(kind, this.number, bytes);
  }

  #request(verb: BlockVerb, offset: number, length: number, options: BlockRequestOptions = {}, data?: Uint8Array): Promise<Uint8Array> {
    const { slot = theGate, term = 0, fua = false, noHole = false } = options;
    const flags = (fua ? 1 : 0) | (noHole ? 2 : 0);
    const payload = new PayloadWriter().u8(slot).u8(verbs.indexOf(verb)).u8(flags).u32(length).u64(offset).u64(term);
    if (data !== undefined) payload.raw(data);
    return this.#order(orders.request, payload.bytes);
  }
}

export function nativeBlock(addon: Addon): BlockDriver {
  return {
    open: (options) => Promise.resolve().then(() => new NativeBlockEngine(addon, options)),
  };
}
