/** The block engine over simulated disks: the same devices, gates and faults, in the time of a scheduler. */
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
import { changes, DiskLayer, type DiskRequest, type Layer, PowerLayer, RulesLayer, SimulatedDisk } from "./disk.ts";
import type { Scheduler } from "./scheduler.ts";

const requestBytesMax = 1_024 * 1_024;
const slotCount = 16;
const bucketCount = 96;
const failuresApartMs = 1_000;

function blockError(code: string, text: string): BlockError {
  return Object.assign(new Error(`block: ${text}`), { code });
}

/** Numbers from 0 to 1 by a seed (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

function bucketOf(latencyUs: number): number {
  if (latencyUs < 4) return Math.floor(latencyUs);
  const high = Math.floor(Math.log2(latencyUs));
  return Math.min(bucketCount - 1, (high - 1) * 4 + (Math.floor(latencyUs / 2 ** (high - 2)) & 3));
}

export type SimulatedBlocksOptions = {
  readonly scheduler: Scheduler;
  /** How long a disk takes for a request. */
  readonly diskDelayMs: number;
};

/** The disks of a machine, and the engines of programs on it. */
export class SimulatedBlocks implements BlockDriver {
  readonly #scheduler: Scheduler;
  readonly #diskDelayMs: number;
  readonly #disks = new Map<string, SimulatedDisk>();
  readonly #engines = new Set<SimulatedEngine>();

  constructor({ scheduler, diskDelayMs }: SimulatedBlocksOptions) {
    this.#scheduler = scheduler;
    this.#diskDelayMs = diskDelayMs;
  }

  addDisk(path: string, disk: SimulatedDisk): void {
    this.#disks.set(path, disk);
  }

  disk(path: string): SimulatedDisk | undefined {
    return this.#disks.get(path);
  }

  open(options: BlockOptions): Promise<BlockEngine> {
    const engine = new SimulatedEngine(this.#scheduler, options, (path, open) => this.#openDisk(path, open));
    this.#engines.add(engine);
    return Promise.resolve(engine);
  }

  /** All programs end at once, in the middle of whatever they do. */
  kill(): void {
    for (const engine of this.#engines) engine.die();
    this.#engines.clear();
  }

  #openDisk(path: string, { readOnly = false, size = 0 }: BlockOpenOptions): DiskLayer {
    let disk = this.#disks.get(path);
    if (disk === undefined && size > 0 && !readOnly) {
      disk = new SimulatedDisk(size);
      this.#disks.set(path, disk);
    }
    if (disk === undefined) throw blockError("ENOENT", `there is no ${path}`);
    if (disk.isHeld && !readOnly) throw blockError("EBUSY", `${path} is mounted, part of another device, or held by another program`);
    if (!disk.isBlock && !readOnly) disk.size = Math.max(disk.size, size);
    if (disk.size === 0) throw blockError("EINVAL", `${path} is empty; give it a size`);
    return new DiskLayer(disk, this.#scheduler, this.#diskDelayMs, readOnly);
  }
}

type OpenDisk = (path: string, options: BlockOpenOptions) => DiskLayer;

class SimulatedEngine implements BlockEngine {
  readonly scheduler: Scheduler;
  readonly options: BlockOptions;
  readonly openDisk: OpenDisk;
  readonly #devices = new Map<number, SimulatedDevice>();
  #isOpen = true;

  constructor(scheduler: Scheduler, options: BlockOptions, openDisk: OpenDisk) {
    this.scheduler = scheduler;
    this.options = options;
    this.openDisk = openDisk;
  }

  make(number: number): Promise<BlockDevice> {
    return this.answer(() => {
      if (this.#devices.has(number)) throw blockError("EEXIST", "there is a device of that number");
      const device = new SimulatedDevice(this, number);
      this.#devices.set(number, device);
      return device;
    });
  }

  order(kind: number): Promise<Uint8Array> {
    return this.answer(() => {
      throw blockError("ENOSYS", `there is no order ${kind}`);
    });
  }

  async close(): Promise<void> {
    await Promise.all([...this.#devices.values()].map((device) => device.remove()));
    this.#isOpen = false;
  }

  forget(number: number): void {
    this.#devices.delete(number);
  }

  die(): void {
    this.#isOpen = false;
    for (const device of this.#devices.values()) device.die();
  }

  /** What `run` returns or throws, in a moment. A dead program hears nothing. */
  answer<T>(run: () => T | Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      if (!this.#isOpen) throw blockError("EPIPE", "the engine is closed");
      this.scheduler.schedule(0, () => {
        if (this.#isOpen) Promise.resolve().then(run).then(resolve, reject);
      });
    });
  }
}

type Counter = { requests: number; bytes: number; errors: number; latencyUs: number; buckets: number[] };
type Asked = DiskRequest & { readonly term: number; readonly submittedAt: number };

class SimulatedDevice implements BlockDevice {
  readonly number: number;
  readonly #engine: SimulatedEngine;
  readonly #slots = new Map<number, Layer>();
  readonly #disks = new Map<number, DiskLayer>();
  readonly #failedAt = new Map<number, number>();
  readonly #counters: Readonly<Record<BlockVerb, Counter>>;
  #behind: Layer | undefined;
  #state: BlockGateState = "shut";
  #term = 0;
  #isRaising = false;
  #passed = 0;
  #kept: Asked[] = [];
  #drains: (() => void)[] = [];
  #isGone = false;

  constructor(engine: SimulatedEngine, number: number) {
    this.#engine = engine;
    this.number = number;
    const zero = (): Counter => ({ requests: 0, bytes: 0, errors: 0, latencyUs: 0, buckets: new Array<number>(bucketCount).fill(0) });
    this.#counters = { read: zero(), write: zero(), flush: zero(), discard: zero(), zero: zero() };
  }

  open(slot: number, path: string, options: BlockOpenOptions = {}): Promise<BlockOpened> {
    return this.#answer(() => {
      if (this.#slots.has(slot) || slot >= slotCount) {
        throw blockError("EEXIST", `slot ${slot} of device ${this.number} is taken, or is none of ${slotCount}`);
      }
      const disk = this.#engine.openDisk(path, options);
      this.#disks.set(slot, disk);
      this.#lay(slot, disk);
      return disk.opened;
    });
  }

  close(slot: number): Promise<void> {
    return this.#answer(() => {
      const layer = this.#in(slot);
      if (layer === this.#behind) {
        throw blockError("EBUSY", `slot ${slot} of device ${this.number} is behind its gate; serve something else first`);
      }
      return this.#close(slot, layer);
    });
  }

  grow(slot: number, size: number): Promise<number> {
    return this.#answer(() => {
      const layer = this.#in(slot);
      if (!(layer instanceof DiskLayer) || size < layer.opened.size) {
        const text = `slot ${slot} of device ${this.number} has ${layer.opened.size} bytes; only a file or device can grow, and only so`;
        throw blockError("EINVAL", text);
      }
      if (layer.opened.isBlock && size > layer.opened.size) throw blockError("ENOSPC", "a device does not grow by itself");
      layer.grow(size);
      return layer.opened.size;
    });
  }

  serve(slot: number | undefined): Promise<void> {
    return this.#answer(async () => {
      if (this.#state === "open") throw blockError("EBUSY", `the gate of device ${this.number} is open; pause it first`);
      if (slot !== undefined) this.#in(slot);
      await this.#drained();
      this.#behind = slot === undefined ? undefined : this.#in(slot);
      this.#refill();
    });
  }

  gate(state: BlockGateState): Promise<void> {
    return this.#answer(() => {
      this.#state = state;
      this.#refill();
    });
  }

  drain(): Promise<void> {
    return this.#answer(() => this.#drained());
  }

  raise(term: number): Promise<void> {
    return this.#answer(async () => {
      if (term <= this.#term) {
        throw blockError("ESTALE", `device ${this.number} is in term ${this.#term} already, ${term} is not higher`);
      }
      this.#term = term;
      this.#isRaising = true;
      await this.#drained();
      this.#isRaising = false;
      this.#refill();
    });
  }

  status(): Promise<BlockStatus> {
    return this.#answer(() => ({
      gate: this.#state,
      term: this.#term,
      size: this.#behind?.opened.size ?? 0,
      passed: this.#passed,
      kept: this.#kept.length,
      keptBytes: this.#kept.reduce((bytes, { verb, length }) => bytes + (verb === "read" || verb === "write" ? length : 0), 0),
      slots: [...this.#slots.keys()].sort((one, other) => one - other),
      poolBytesMax: blockPoolBytesMax,
      poolBytesGrown: 0,
      poolBytesTaken: 0,
    }));
  }

  counters(): Promise<Readonly<Record<BlockVerb, BlockCounter>>> {
    return this.#answer(() => structuredClone(this.#counters));
  }

  async read(offset: number, length: number, options?: BlockRequestOptions): Promise<Uint8Array> {
    const data = new Uint8Array(length);
    await this.#request("read", offset, data, length, options);
    return data;
  }

  write(offset: number, bytes: Uint8Array, options?: BlockRequestOptions): Promise<void> {
    return this.#request("write", offset, bytes.slice(), bytes.length, options);
  }

  flush(options?: BlockRequestOptions): Promise<void> {
    return this.#request("flush", 0, new Uint8Array(), 0, options);
  }

  discard(offset: number, length: number, options?: BlockRequestOptions): Promise<void> {
    return this.#request("discard", offset, new Uint8Array(), length, options);
  }

  zero(offset: number, length: number, options?: BlockRequestOptions): Promise<void> {
    return this.#request("zero", offset, new Uint8Array(), length, options);
  }

  layFault(slot: number, kind: "rules" | "power", seed: number): Promise<void> {
    return this.#answer(() => {
      const below = this.#in(slot);
      if (this.#engine.options.faults !== true || below === this.#behind) {
        throw blockError("EPERM", "faults are laid before a slot is served, and only in an engine that was opened for them");
      }
      const random = randomFrom(seed);
      const layer = kind === "power" ? PowerLayer : RulesLayer;
      this.#lay(slot, new layer(below, this.#engine.scheduler, random));
    });
  }

  addFault(slot: number, fault: BlockFault): Promise<void> {
    return this.#answer(() => this.#rules(slot).add(fault));
  }

  resume(slot: number): Promise<void> {
    return this.#answer(() => this.#rules(slot).resume());
  }

  cutPower(slot: number): Promise<void> {
    return this.#answer(() => {
      let layer = this.#in(slot);
      while (layer instanceof RulesLayer) layer = layer.below;
      if (!(layer instanceof PowerLayer)) {
        throw blockError("EINVAL", `slot ${slot} of device ${this.number} has no disk that can lose its power`);
      }
      layer.cut();
    });
  }

  remove(): Promise<void> {
    return this.#answer(async () => {
      this.#isGone = true;
      this.#state = "shut";
      this.#refill();
      for (const layer of this.#slots.values()) if (layer instanceof RulesLayer) layer.resume();
      await this.#drained();
      this.#behind = undefined;
      for (const [slot, layer] of this.#slots) await this.#close(slot, layer);
      this.#engine.forget(this.number);
    });
  }

  die(): void {
    for (const disk of this.#disks.values()) disk.die();
  }

  #answer<T>(run: () => T | Promise<T>): Promise<T> {
    return this.#engine.answer(() => {
      if (this.#isGone) throw blockError("ENODEV", `there is no device ${this.number}`);
      return run();
    });
  }

  #in(slot: number): Layer {
    const layer = this.#slots.get(slot);
    if (layer === undefined) throw blockError("ENXIO", `device ${this.number} has nothing in slot ${slot}`);
    return layer;
  }

  #rules(slot: number): RulesLayer {
    const layer = this.#in(slot);
    if (!(layer instanceof RulesLayer)) throw blockError("EINVAL", `no fault is laid over slot ${slot} of device ${this.number}`);
    return layer;
  }

  #lay(slot: number, layer: Layer): void {
    this.#slots.set(slot, layer);
    layer.onFailure = ({ verb, offset, length }, code) => {
      const now = this.#engine.scheduler.now();
      if (now - (this.#failedAt.get(slot) ?? -Infinity) < failuresApartMs) return;
      this.#failedAt.set(slot, now);
      this.#engine.options.onFailure?.({ device: this.number, slot, verb, code, offset, length });
    };
  }

  #close(slot: number, layer: Layer): Promise<void> {
    this.#slots.delete(slot);
    this.#disks.delete(slot);
    return new Promise((resolve) => layer.close(resolve));
  }

  #drained(): Promise<void> {
    return this.#passed === 0 ? Promise.resolve() : new Promise((resolve) => this.#drains.push(resolve));
  }

  #request(verb: BlockVerb, offset: number, data: Uint8Array, length: number, options: BlockRequestOptions = {}): Promise<void> {
    const { slot, term = 0, fua = false } = options;
    return this.#answer(() =>
      new Promise<void>((resolve, reject) => {
        const submittedAt = this.#engine.scheduler.now();
        const done = (code: string | undefined) => code === undefined ? resolve() : reject(blockError(code, `the request failed: ${code}`));
        const request = { verb, offset, data, length, fua, term, submittedAt, done };
        if (slot !== undefined) this.#submit(this.#in(slot), request);
        else this.#enter(request);
      })
    );
  }

  #enter(request: Asked): void {
    const target = this.#behind;
    if (this.#state === "shut") request.done("ESHUTDOWN");
    else if (this.#state === "open" && !this.#isRaising && this.#kept.length === 0 && target !== undefined) this.#pass(target, request);
    else this.#kept.push(request);
  }

  #pass(target: Layer, request: Asked): void {
    if (request.term !== 0 && request.term !== this.#term) return request.done("ESTALE");
    this.#passed++;
    this.#submit(target, {
      ...request,
      done: (code) => {
        this.#count(request, code);
        request.done(code);
        if (--this.#passed === 0) { for (const drained of this.#drains.splice(0)) drained(); }
      },
    });
  }

  #refill(): void {
    while (this.#kept.length > 0) {
      const target = this.#behind;
      const passes = this.#state === "open" && !this.#isRaising;
      if (this.#state !== "shut" && (!passes || target === undefined)) return;
      const request = this.#kept.shift() as Asked;
      if (this.#state === "shut" || target === undefined) request.done("ESHUTDOWN");
      else this.#pass(target, request);
    }
  }

  #submit(target: Layer, request: DiskRequest): void {
    const code = checked(target.opened, request);
    const isEmpty = request.length === 0 && request.verb !== "flush";
    if (code === undefined && !isEmpty) target.submit(request);
    else this.#engine.scheduler.schedule(0, () => request.done(code));
  }

  #count({ verb, length, submittedAt }: Asked, code: string | undefined): void {
    const counter = this.#counters[verb];
    const latencyUs = (this.#engine.scheduler.now() - submittedAt) * 1_000;
    counter.requests++;
    counter.latencyUs += latencyUs;
    counter.buckets[bucketOf(latencyUs)] = (counter.buckets[bucketOf(latencyUs)] ?? 0) + 1;
    if (code === undefined) counter.bytes += length;
    else counter.errors++;
  }
}

/** What is wrong with a request, as block_submit() says. */
function checked({ size, blockBytes, readOnly }: BlockOpened, { verb, offset, length }: DiskRequest): string | undefined {
  if (verb === "flush") return undefined;
  if (changes(verb) && readOnly) return "EROFS";
  if ((verb === "read" || verb === "write") && length > requestBytesMax) return "EINVAL";
  if (offset % blockBytes !== 0 || length % blockBytes !== 0) return "EINVAL";
  if (offset + length > size) return changes(verb) ? "ENOSPC" : "EINVAL";
  return undefined;
}
