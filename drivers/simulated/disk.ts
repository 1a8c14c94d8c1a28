/** Disks of the simulated block engine, and what may be laid over them: layers that take requests, as targets do in drivers/block. */
import type { BlockFault, BlockOpened, BlockVerb } from "../../src/io/block-ports.ts";
import type { Scheduler } from "./scheduler.ts";

export type DiskRequest = {
  readonly verb: BlockVerb;
  readonly offset: number;
  readonly length: number;
  /** Of a write what is written, of a read where it goes. */
  readonly data: Uint8Array;
  readonly fua: boolean;
  /** The name of an error number, or undefined when it went well. Once, never from inside of `submit`. */
  readonly done: (code: string | undefined) => void;
};

export interface Layer {
  readonly opened: BlockOpened;
  /** Told of requests that the device failed. */
  onFailure: ((request: DiskRequest, code: string) => void) | undefined;
  submit(request: DiskRequest): void;
  /** Calls `closed` when the last request has ended. */
  close(closed: () => void): void;
}

const pageBytes = 4_096;
const nothing: Uint8Array = new Uint8Array(0);

export function changes(verb: BlockVerb): boolean {
  return verb !== "read" && verb !== "flush";
}

/** A file or device of the simulated machine: what is on it survives the programs that have it open. */
export class SimulatedDisk {
  readonly #pages = new Map<number, Uint8Array>();
  readonly isBlock: boolean;
  readonly blockBytes: number;
  size: number;
  isHeld = false;
  /** Every request fails with this. */
  broken: string | undefined;

  constructor(size: number, options: { readonly isBlock?: boolean; readonly blockBytes?: number } = {}) {
    this.size = size;
    this.isBlock = options.isBlock ?? false;
    this.blockBytes = options.blockBytes ?? 512;
  }

  read(offset: number, into: Uint8Array): void {
    this.#eachPage(offset, into.length, (number, start, end, at) => {
      const page = this.#pages.get(number);
      if (page === undefined) into.fill(0, at, at + end - start);
      else into.set(page.subarray(start, end), at);
    });
  }

  write(offset: number, bytes: Uint8Array): void {
    this.#eachPage(offset, bytes.length, (number, start, end, at) => {
      const page = this.#pages.get(number) ?? new Uint8Array(pageBytes);
      page.set(bytes.subarray(at, at + end - start), start);
      this.#pages.set(number, page);
    });
  }

  zero(offset: number, length: number): void {
    this.#eachPage(offset, length, (number, start, end) => {
      if (end - start === pageBytes) this.#pages.delete(number);
      else this.#pages.get(number)?.fill(0, start, end);
    });
  }

  #eachPage(offset: number, length: number, visit: (number: number, start: number, end: number, at: number) => void): void {
    for (let at = 0; at < length;) {
      const number = Math.floor((offset + at) / pageBytes);
      const start = (offset + at) % pageBytes;
      const end = Math.min(pageBytes, start + length - at);
      visit(number, start, end, at);
      at += end - start;
    }
  }
}

/** A disk that is open. A request takes effect at the instant at which it ends. */
export class DiskLayer implements Layer {
  onFailure: Layer["onFailure"];
  readonly #disk: SimulatedDisk;
  readonly #scheduler: Scheduler;
  readonly #delayMs: number;
  readonly #readOnly: boolean;
  #underWay = 0;
  #closed: (() => void) | undefined;
  /** The program that had it open is dead: nothing takes effect any more. */
  #isDead = false;

  constructor(disk: SimulatedDisk, scheduler: Scheduler, delayMs: number, readOnly: boolean) {
    this.#disk = disk;
    this.#scheduler = scheduler;
    this.#delayMs = delayMs;
    this.#readOnly = readOnly;
    if (!readOnly) disk.isHeld = true;
  }

  get opened(): BlockOpened {
    const { size, blockBytes, isBlock } = this.#disk;
    return {
      size,
      blockBytes,
      preferredBytes: pageBytes,
      discardBytes: pageBytes,
      readOnly: this.#readOnly,
      canDiscard: !this.#readOnly,
      canZero: true,
      isBlock,
    };
  }

  grow(size: number): void {
    this.#disk.size = Math.max(size, this.#disk.size);
  }

  submit(request: DiskRequest): void {
    this.#underWay++;
    this.#scheduler.schedule(this.#delayMs, () => {
      if (this.#isDead) return;
      this.#underWay--;
      const code = this.#disk.broken;
      if (code === undefined) this.#perform(request);
      else this.onFailure?.(request, code);
      request.done(code);
      this.#closeIfIdle();
    });
  }

  close(closed: () => void): void {
    this.#closed = closed;
    this.#closeIfIdle();
  }

  /** Ends as with its program. */
  die(): void {
    this.#isDead = true;
    this.#letGo();
  }

  #letGo(): void {
    if (!this.#readOnly) this.#disk.isHeld = false;
  }

  #perform({ verb, offset, length, data }: DiskRequest): void {
    if (verb === "read") this.#disk.read(offset, data);
    else if (verb === "write") this.#disk.write(offset, data);
    else if (verb !== "flush") this.#disk.zero(offset, length);
  }

  #closeIfIdle(): void {
    const closed = this.#closed;
    if (closed === undefined || this.#underWay > 0) return;
    this.#closed = undefined;
    this.#letGo();
    this.#scheduler.schedule(0, closed);
  }
}

/** Goes wrong by rules, as drivers/block/fault.h says. `random` draws from 0 to 1. */
export class RulesLayer implements Layer {
  onFailure: Layer["onFailure"];
  readonly #below: Layer;
  readonly #scheduler: Scheduler;
  readonly #random: () => number;
  #rules: (BlockFault & { skip: number; count: number })[] = [];
  #hung: DiskRequest[] = [];
  #underWay = 0;
  #closed: (() => void) | undefined;

  constructor(below: Layer, scheduler: Scheduler, random: () => number) {
    this.#below = below;
    this.#scheduler = scheduler;
    this.#random = random;
    below.onFailure = (request, code) => this.onFailure?.(request, code);
  }

  get opened(): BlockOpened {
    return this.#below.opened;
  }

  get below(): Layer {
    return this.#below;
  }

  add(fault: BlockFault): void {
    this.#rules.push({ ...fault, skip: fault.skip ?? 0, count: fault.count ?? 0 });
  }

  resume(): void {
    this.#rules = [];
    for (const request of this.#hung.splice(0)) {
      this.#underWay--;
      this.#pass(request);
    }
  }

  submit(request: DiskRequest): void {
    const rule = this.#hit(request);
    if (rule === undefined) return this.#pass(request);
    if (rule.count > 0 && --rule.count === 0) this.#rules = this.#rules.filter((other) => other !== rule);
    const { action, code = "EIO", value = 0 } = rule;
    if (action === "lie") {
      this.#scheduler.schedule(0, () => request.done(undefined));
    } else if (action === "hang") {
      this.#underWay++;
      this.#hung.push(request);
    } else if (action === "delay") {
      this.#underWay++;
      this.#scheduler.schedule(value / 1_000, () => {
        this.#underWay--;
        this.#pass(request);
      });
    } else {
      this.#fail(request, action === "torn" ? value * this.opened.blockBytes : 0, code);
    }
  }

  close(closed: () => void): void {
    this.resume();
    this.#closed = closed;
    this.#closeIfIdle();
  }

  #hit(request: DiskRequest): (BlockFault & { skip: number; count: number }) | undefined {
    return this.#rules.find((rule) => {
      const { offset = 0, length = Number.MAX_SAFE_INTEGER, chance = 1 } = rule;
      const touches = request.verb === "flush" || (request.offset < offset + length && offset < request.offset + request.length);
      if (!rule.verbs.includes(request.verb) || !touches || (chance < 1 && this.#random() >= chance)) return false;
      return rule.skip === 0 || rule.skip-- === 0;
    });
  }

  #pass(request: DiskRequest): void {
    this.#underWay++;
    this.#below.submit({
      ...request,
      done: (code) => {
        this.#underWay--;
        request.done(code);
        this.#closeIfIdle();
      },
    });
  }

  #fail(request: DiskRequest, partBytes: number, code: string): void {
    const fail = (error: string | undefined) => {
      if (error === undefined) this.onFailure?.(request, code);
      request.done(error ?? code);
    };
    const length = Math.min(request.length, partBytes);
    if (length === 0) this.#scheduler.schedule(0, () => fail(undefined));
    else this.#pass({ ...request, length, data: request.data.subarray(0, length), done: fail });
  }

  #closeIfIdle(): void {
    const closed = this.#closed;
    if (closed === undefined || this.#underWay > 0) return;
    this.#closed = undefined;
    this.#below.close(closed);
  }
}

type Kept = { readonly offset: number; readonly length: number; readonly data: Uint8Array | undefined };

/** A disk with a volatile cache that can lose its power, as drivers/block/power.h says. */
export class PowerLayer implements Layer {
  onFailure: Layer["onFailure"];
  readonly #below: Layer;
  readonly #scheduler: Scheduler;
  readonly #random: () => number;
  /** Oldest first. */
  #kept: Kept[] = [];
  #flushes: { readonly request: DiskRequest | undefined }[] = [];
  #isFlushing = false;
  #isOff = false;
  #closed: (() => void) | undefined;

  constructor(below: Layer, scheduler: Scheduler, random: () => number) {
    this.#below = below;
    this.#scheduler = scheduler;
    this.#random = random;
    below.onFailure = (request, code) => this.onFailure?.(request, code);
  }

  get opened(): BlockOpened {
    return this.#below.opened;
  }

  submit(request: DiskRequest): void {
    if (this.#isOff) {
      this.#scheduler.schedule(0, () => request.done("EIO"));
    } else if (request.verb === "read") {
      this.#below.submit({ ...request, done: (code) => this.#onRead(request, code) });
    } else {
      if (changes(request.verb)) this.#keep(request);
      if (request.verb === "flush" || request.fua) this.#flush(request);
      else this.#scheduler.schedule(0, () => request.done(undefined));
    }
  }

  /** What was not flushed is lost, or some of it is not, whole or in part. */
  cut(): void {
    if (this.#isOff) return;
    this.#isOff = true;
    for (const kept of this.#kept.splice(0)) if (this.#random() < 0.5) this.#writeEarly(kept);
  }

  close(closed: () => void): void {
    this.#closed = closed;
    if (!this.#isOff && this.#kept.length > 0) this.#flush(undefined);
    else this.#closeIfIdle();
  }

  #keep({ verb, offset, length, data }: DiskRequest): void {
    const kept = { offset, length, data: verb === "write" ? data.slice() : undefined };
    this.#kept.push(kept);
    if (this.#random() < 0.25) this.#writeEarly(kept);
  }

  #writeEarly({ offset, length, data }: Kept): void {
    const { blockBytes } = this.opened;
    const part = Math.floor(this.#random() * (length / blockBytes + 1)) * blockBytes;
    if (part === 0) return;
    const verb = data === undefined ? "zero" : "write";
    this.#below.submit({ verb, offset, length: part, data: data?.subarray(0, part) ?? nothing, fua: false, done: () => {} });
  }

  #onRead(request: DiskRequest, code: string | undefined): void {
    for (const { offset, length, data } of this.#kept) {
      const start = Math.max(offset, request.offset);
      const end = Math.min(offset + length, request.offset + request.length);
      if (start >= end) continue;
      if (data === undefined) request.data.fill(0, start - request.offset, end - request.offset);
      else request.data.set(data.subarray(start - offset, end - offset), start - request.offset);
    }
    request.done(this.#isOff ? "EIO" : code);
  }

  #flush(request: DiskRequest | undefined): void {
    this.#flushes.push({ request });
    if (!this.#isFlushing) this.#startFlush();
  }

  /** The disk below carries requests out in their order, so a read that comes later finds there what leaves the cache here. */
  #startFlush(): void {
    const next = this.#flushes.shift();
    if (next === undefined) return this.#closeIfIdle();
    this.#isFlushing = true;
    const covered = [...this.#kept];
    let error: string | undefined;
    for (const { offset, length, data } of covered) {
      const verb = data === undefined ? "zero" : "write";
      this.#below.submit({ verb, offset, length, data: data ?? nothing, fua: false, done: (code) => (error ??= code) });
    }
    const done = (code: string | undefined) => {
      this.#isFlushing = false;
      error ??= code;
      if (error === undefined) this.#kept = this.#kept.filter((kept) => !covered.includes(kept));
      next.request?.done(this.#isOff ? "EIO" : error);
      this.#startFlush();
    };
    this.#below.submit({ verb: "flush", offset: 0, length: 0, data: nothing, fua: false, done });
  }

  #closeIfIdle(): void {
    const closed = this.#closed;
    if (closed === undefined || this.#isFlushing) return;
    this.#closed = undefined;
    this.#below.close(closed);
  }
}
