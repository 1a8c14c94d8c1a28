/** The mirror's orders and reports; mirror-orders.h and MIRROR.md tell what they are. */
import type { BlockEngine, BlockNews } from "../../src/io/block-ports.ts";
import type {
  MirrorCounters,
  MirrorDevice,
  MirrorFormat,
  MirrorLeg,
  MirrorNews,
  MirrorPeerCounters,
  MirrorPeerState,
  MirrorRecord,
  MirrorSettings,
  MirrorWalk,
} from "../../src/io/mirror-ports.ts";
import { codeOf } from "./block.ts";
import { PayloadReader, PayloadWriter } from "./payload.ts";

/** ENGINE_KIND(ENGINE_MIRROR, 0). */
const firstKind = 128;
const orders = {
  format: 1,
  open: 2,
  record: 3,
  suspect: 4,
  bitmap: 5,
  closeLog: 6,
  legStatus: 7,
  serve: 8,
  make: 9,
  attach: 10,
  options: 11,
  state: 12,
  proceed: 13,
  resync: 14,
  stop: 15,
  count: 16,
  term: 17,
  abandon: 18,
  forward: 19,
} as const;
const news = { sessionEnded: 1, lost: 2, progress: 3, walkEnded: 4, differs: 5, legFailed: 6, forwarderLost: 7 } as const;
const walkFlags = { compare: 1, all: 2, unite: 4, counts: 8, verify: 16, mark: 32 } as const;
const peerCount = 8;
const noLeg = 0xffffffff;

const states: readonly MirrorPeerState[] = ["absent", "synchronizing", "in-sync"];
const protocols: readonly MirrorSettings["protocol"][] = ["synchronous", "memory", "asynchronous"];
const peers = Array.from({ length: peerCount }, (_, peer) => peer);

function setOf(numbers: readonly number[]): number {
  return numbers.reduce((set, number) => set | (1 << number), 0);
}

function membersOf(set: number): number[] {
  return peers.filter((peer) => (set >> peer & 1) === 1);
}

function readLeg(bytes: Uint8Array): MirrorLeg {
  const reader = new PayloadReader(bytes);
  const device = reader.raw(16);
  const leg = reader.raw(16);
  const [size, end, term] = [reader.u64(), reader.u64(), reader.u64()];
  const [bitmaps, missing, hot] = [membersOf(reader.u32()), membersOf(reader.u32()), reader.u32()];
  reader.u32();
  const dirty = peers.map(() => reader.u64());
  return { device, leg, size, end, term, bitmaps, missing, hot, dirty, state: reader.raw(reader.left) };
}

function readPeer(reader: PayloadReader): MirrorPeerCounters {
  const state = states[reader.u32()] as MirrorPeerState;
  const connected = reader.u32() === 1;
  const [dirty, underWay, bytesUnderWay] = [reader.u64(), reader.u64(), reader.u64()];
  const [framesSent, bytesSent, sends] = [reader.u64(), reader.u64(), reader.u64()];
  const [framesHeard, bytesHeard, receives] = [reader.u64(), reader.u64(), reader.u64()];
  return { state, connected, dirty, underWay, bytesUnderWay, framesSent, bytesSent, sends, framesHeard, bytesHeard, receives };
}

function readCounters(bytes: Uint8Array): MirrorCounters {
  const reader = new PayloadReader(bytes);
  const [writes, writeBytes, flushes, reads] = [reader.u64(), reader.u64(), reader.u64(), reader.u64()];
  const [localErrors, peerErrors, frozen, congested] = [reader.u64(), reader.u64(), reader.u64(), reader.u64()];
  reader.u64();
  const [logBlocks, bitmapBlocks, superblocks] = [reader.u64(), reader.u64(), reader.u64()];
  reader.u64();
  const [logWaits, evictions, rangeWaits, behindBytes] = [reader.u64(), reader.u64(), reader.u64(), reader.u64()];
  const lost = membersOf(reader.u32());
  reader.u32();
  const counters = { writes, writeBytes, flushes, reads, localErrors, peerErrors, frozen, congested, logBlocks, bitmapBlocks, superblocks };
  return { ...counters, logWaits, evictions, rangeWaits, behindBytes, lost, peers: peers.map(() => readPeer(reader)) };
}

class NativeMirrorDevice implements MirrorDevice {
  readonly #engine: BlockEngine;
  readonly #device: number;

  constructor(engine: BlockEngine, device: number) {
    this.#engine = engine;
    this.#device = device;
  }

  async format(slot: number, { device, leg, size = 0, term, bitmaps, state = new Uint8Array() }: MirrorFormat): Promise<number> {
    const payload = new PayloadWriter().u32(slot).raw(device).raw(leg).u64(size).u64(term).u32(setOf(bitmaps)).raw(state);
    return new PayloadReader(await this.#order(orders.format, payload)).u64();
  }

  async openLeg(
    backingSlot: number,
    slot: number,
    { end = 0, hotMax = 0 }: { readonly end?: number; readonly hotMax?: number } = {},
  ): Promise<MirrorLeg> {
    return readLeg(await this.#order(orders.open, new PayloadWriter().u32(backingSlot).u32(slot).u64(end).u32(hotMax)));
  }

  async legStatus(slot: number): Promise<MirrorLeg> {
    return readLeg(await this.#order(orders.legStatus, new PayloadWriter().u32(slot)));
  }

  async record(slot: number, { term, bitmaps, missing = [], fill = [], state = new Uint8Array() }: MirrorRecord): Promise<void> {
    const payload = new PayloadWriter().u32(slot).u64(term).u32(setOf(bitmaps)).u32(setOf(missing)).u32(setOf(fill)).raw(state);
    await this.#order(orders.record, payload);
  }

  async suspect(slot: number, bitmaps: readonly number[]): Promise<MirrorLeg> {
    return readLeg(await this.#order(orders.suspect, new PayloadWriter().u32(slot).u32(setOf(bitmaps))));
  }

  async setBits(slot: number, bitmaps: readonly number[], bits: "all" | "none"): Promise<MirrorLeg> {
    const payload = new PayloadWriter().u32(slot).u32(setOf(bitmaps)).u32(bits === "all" ? 1 : 2);
    return readLeg(await this.#order(orders.bitmap, payload));
  }

  async closeLog(slot: number): Promise<MirrorLeg> {
    return readLeg(await this.#order(orders.closeLog, new PayloadWriter().u32(slot)));
  }

  async serve(descriptor: number, legSlot: number | undefined, { forgets = false }: { readonly forgets?: boolean } = {}): Promise<void> {
    await this.#order(orders.serve, new PayloadWriter().u32(descriptor).u32(legSlot ?? noLeg).u32(forgets ? 1 : 0));
  }

  async make(legSlot: number, slot: number, term: number): Promise<void> {
    await this.#order(orders.make, new PayloadWriter().u32(legSlot).u32(slot).u64(term));
  }

  async attach(peer: number, descriptor: number, theirBitmap: number, state: "synchronizing" | "in-sync"): Promise<void> {
    await this.#order(orders.attach, new PayloadWriter().u32(peer).u32(descriptor).u32(theirBitmap).u32(states.indexOf(state)));
  }

  async set({ protocol, behindBytesMax, timeoutMs, resyncMost, resyncLeast, resyncFill }: MirrorSettings): Promise<void> {
    const payload = new PayloadWriter().u32(protocols.indexOf(protocol)).u64(behindBytesMax).u32(timeoutMs).u64(resyncMost).u64(
      resyncLeast,
    );
    await this.#order(orders.options, payload.u32(resyncFill));
  }

  async setState(peer: number, state: MirrorPeerState): Promise<void> {
    await this.#order(orders.state, new PayloadWriter().u32(peer).u32(states.indexOf(state)));
  }

  async proceed(without: readonly number[]): Promise<void> {
    await this.#order(orders.proceed, new PayloadWriter().u32(setOf(without)));
  }

  async walk(peer: number, { from = 0, ...wanted }: MirrorWalk = {}): Promise<void> {
    const names = Object.keys(walkFlags) as (keyof typeof walkFlags)[];
    const flags = names.reduce((set, name) => set | (wanted[name] === true ? walkFlags[name] : 0), 0);
    await this.#order(orders.resync, new PayloadWriter().u32(peer).u32(flags).u64(from));
  }

  async stop(peer: number): Promise<void> {
    await this.#order(orders.stop, new PayloadWriter().u32(peer));
  }

  async counters(): Promise<MirrorCounters> {
    return readCounters(await this.#order(orders.count, new PayloadWriter()));
  }

  async setTerm(term: number): Promise<void> {
    await this.#order(orders.term, new PayloadWriter().u64(term));
  }

  async abandon(): Promise<void> {
    await this.#order(orders.abandon, new PayloadWriter());
  }

  async forward(slot: number, descriptor: number, size: number, term: number): Promise<void> {
    await this.#order(orders.forward, new PayloadWriter().u32(slot).u32(descriptor).u64(size).u64(term));
  }

  #order(kind: number, payload: PayloadWriter): Promise<Uint8Array> {
    return this.#engine.order(firstKind + kind, this.#device, payload.bytes);
  }
}

export function nativeMirror(engine: BlockEngine, device: number): MirrorDevice {
  return new NativeMirrorDevice(engine, device);
}

/** What the engine told, if it is of a mirror. */
export function mirrorNews({ kind, number, value, bytes }: BlockNews): MirrorNews | undefined {
  const reader = new PayloadReader(bytes);
  const code = codeOf(value);
  const walked = () => {
    const verify = reader.u32() === 1;
    return { verify, doneBytes: reader.u64(), left: reader.u64(), sentBytes: reader.u64(), differingBytes: reader.u64() };
  };
  switch (kind - firstKind) {
    case news.sessionEnded:
      return { kind: "sessionEnded", device: number, code, descriptor: reader.u32() };
    case news.lost:
      return { kind: "lost", device: number, code, peer: reader.u32(), frozen: reader.u32() === 1 };
    case news.progress: {
      const { left, ...rest } = walked();
      return { kind: "progress", device: number, peer: value, leftBytes: left, ...rest };
    }
    case news.walkEnded: {
      const peer = reader.u32();
      const { left, ...rest } = walked();
      return { kind: "walkEnded", device: number, peer, code: value === 0 ? undefined : code, dirty: left, ...rest };
    }
    case news.differs:
      return { kind: "differs", device: number, peer: value, offset: reader.u64(), length: reader.u64() };
    case news.legFailed:
      reader.u64();
      return { kind: "legFailed", device: number, code, offset: reader.u64() };
    case news.forwarderLost:
      return { kind: "forwarderLost", device: number, code, slot: reader.u32() };
    default:
      return undefined;
  }
}
