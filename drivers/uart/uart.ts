/** Ttys as a binding for `@serialport/stream`; uart.h tells how the native side works. */
import type { BindingPortInterface, PortStatus, SetOptions } from "@serialport/bindings-interface";
import type { OpenOptions, UartCounters, UartDriver, UartPort, UpdateOptions } from "../../src/io/ports.ts";
import type { Addon, NativePort } from "../load.ts";
import { Inbox, wantIfNoneTaken, wantNever } from "../mailbox/mailbox.ts";
import { listTtys } from "./list.ts";
import { canceledError, checkedBaudRate, checkedOptions, closedError, disconnectedError } from "./options.ts";

/** The interface of serialport says `Buffer`; nothing here needs more than a `Uint8Array`. */
type Bytes = Parameters<BindingPortInterface["read"]>[0];

type PendingRead = {
  readonly buffer: Bytes;
  readonly offset: number;
  readonly length: number;
  resolve(result: { buffer: Bytes; bytesRead: number }): void;
  reject(error: Error): void;
};
type PendingWrite = { readonly bytes: Uint8Array; resolve(): void; reject(error: Error): void };
type PendingDrain = Omit<PendingWrite, "bytes">;

/** What may wait between the thread and us: more than five seconds of a line at 115,200 baud. */
const queueBytes = 64 * 1024;
/** Writes that may wait for their turn; `@serialport/stream` has one at a time. */
const writesMax = 64;

const factBreaks = 0;
const factDisconnected = 1;
const factWritten = 2;
const factDrained = 3;

const lineDtr = 1;
const lineRts = 2;
const lineBreak = 4;
const lineCts = 8;
const lineDsr = 16;
const lineDcd = 32;

function flagsOf(options: Required<OpenOptions>): number {
  const flags = [options.rtscts, options.xon, options.xoff, options.xany, options.hupcl, options.lock];
  return flags.reduce((bits, flag, index) => (flag ? bits | (1 << index) : bits), 0);
}

function errorOf(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}

class NativeUartPort implements UartPort {
  readonly openOptions: Required<OpenOptions>;
  isOpen = true;
  readonly #addon: Addon;
  readonly #inbox: Inbox;
  readonly #native: NativePort;
  /** Bytes taken that the last read had no room for. */
  #rest: Uint8Array = new Uint8Array(0);
  #read: PendingRead | undefined;
  /** The first is with the thread, the others wait for it. */
  #writes: PendingWrite[] = [];
  #drains: PendingDrain[] = [];
  readonly #breakListeners: (() => void)[] = [];
  #breaks = 0;
  #written = 0;
  #drained = 0;
  #disconnected: Error | undefined;
  #lastCounters: UartCounters | undefined;
  #closed: Promise<void> | undefined;

  constructor(addon: Addon, inbox: Inbox, options: OpenOptions) {
    this.#addon = addon;
    this.#inbox = inbox;
    this.openOptions = checkedOptions(options);
    const { path, baudRate, dataBits, stopBits, parity } = this.openOptions;
    const flags = flagsOf(this.openOptions);
    const ready = () => this.#onReady();
    this.#native = addon.uartOpen(path, baudRate, dataBits, stopBits === 1 ? 1 : 2, parity.charAt(0), flags, queueBytes, ready);
  }

  read(buffer: Bytes, offset: number, length: number): Promise<{ buffer: Bytes; bytesRead: number }> {
    return new Promise((resolve, reject) => {
      if (!this.isOpen) return reject(closedError(this.openOptions.path));
      if (this.#read !== undefined) return reject(new Error("uart: a read is pending already"));
      if (length < 1 || offset + length > buffer.length) return reject(new RangeError(`uart: no room for ${length} bytes at ${offset}`));
      this.#read = { buffer, offset, length, resolve, reject };
      this.#takeForRead();
    });
  }

  write(buffer: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      if (!this.isOpen) return reject(closedError(this.openOptions.path));
      if (this.#disconnected !== undefined) return reject(this.#disconnected);
      if (this.#writes.length >= writesMax) return reject(new Error(`uart: ${writesMax} writes are pending already`));
      this.#writes.push({ bytes: buffer, resolve, reject });
      if (this.#writes.length === 1) this.#startWrites();
    });
  }

  update(options: UpdateOptions): Promise<void> {
    return this.#attempt(() => this.#addon.uartSetBaud(this.#native, checkedBaudRate(options.baudRate)));
  }

  set(options: SetOptions): Promise<void> {
    const { brk = false, dtr = true, rts = true } = options;
    const lines = (brk ? lineBreak : 0) | (dtr ? lineDtr : 0) | (rts ? lineRts : 0);
    return this.#attempt(() => this.#addon.uartSetLines(this.#native, lineBreak | lineDtr | lineRts, lines));
  }

  get(): Promise<PortStatus> {
    return this.#attempt(() => {
      const lines = this.#addon.uartGetLines(this.#native);
      return { cts: (lines & lineCts) !== 0, dsr: (lines & lineDsr) !== 0, dcd: (lines & lineDcd) !== 0 };
    });
  }

  getBaudRate(): Promise<{ baudRate: number }> {
    return this.#attempt(() => ({ baudRate: this.#addon.uartGetBaud(this.#native) }));
  }

  flush(): Promise<void> {
    return this.#attempt(() => {
      this.#rest = new Uint8Array(0);
      this.#addon.uartFlush(this.#native);
    });
  }

  drain(): Promise<void> {
    return new Promise((resolve, reject) => {
      if (!this.isOpen) return reject(closedError(this.openOptions.path));
      try {
        if (this.#addon.uartDrain(this.#native)) resolve();
        else this.#drains.push({ resolve, reject });
      } catch (error) {
        reject(errorOf(error));
      }
    });
  }

  async sendBreak(durationMs: number): Promise<void> {
    await this.#attempt(() => this.#addon.uartSetLines(this.#native, lineBreak, lineBreak));
    await new Promise((resolve) => setTimeout(resolve, durationMs));
    // A port that was closed in the meantime has ended its BREAK itself.
    if (this.isOpen) await this.#attempt(() => this.#addon.uartSetLines(this.#native, lineBreak, 0));
  }

  onBreak(listener: () => void): void {
    this.#breakListeners.push(listener);
  }

  counters(): UartCounters {
    return this.#lastCounters ?? this.#addon.uartCount(this.#native);
  }

  close(): Promise<void> {
    if (this.#closed !== undefined) return this.#closed;
    this.#lastCounters = this.counters();
    this.isOpen = false;
    this.#closed = this.#addon.uartClose(this.#native);
    const error = canceledError(this.openOptions.path);
    this.#read?.reject(error);
    this.#read = undefined;
    this.#rejectWrites(error);
    return this.#closed;
  }

  #attempt<Result>(action: () => Result): Promise<Result> {
    return new Promise((resolve, reject) => {
      if (!this.isOpen) return reject(closedError(this.openOptions.path));
      try {
        resolve(action());
      } catch (error) {
        reject(errorOf(error));
      }
    });
  }

  #onReady(): void {
    if (!this.isOpen) return;
    if (this.#read !== undefined) {
      this.#takeForRead();
    } else {
      this.#addon.uartTake(this.#native, this.#inbox.preamble, wantNever);
      this.#settle();
    }
  }

  /** Gives the pending read what there is; when there is nothing we are woken as soon as something comes. */
  #takeForRead(): void {
    const taken = this.#rest.length === 0;
    if (taken) this.#rest = this.#inbox.joined(this.#addon.uartTake(this.#native, this.#inbox.bytes, wantIfNoneTaken));
    const read = this.#read;
    if (read !== undefined && this.#rest.length > 0) {
      const bytes = this.#rest.subarray(0, read.length);
      read.buffer.set(bytes, read.offset);
      this.#rest = this.#rest.subarray(bytes.length);
      this.#read = undefined;
      read.resolve({ buffer: read.buffer, bytesRead: bytes.length });
    }
    if (taken) this.#settle();
  }

  /** Acts on the facts of the last take. A read that is still pending then found nothing. */
  #settle(): void {
    const inbox = this.#inbox;
    const breaks = (inbox.fact(factBreaks) - this.#breaks) >>> 0;
    const written = (inbox.fact(factWritten) - this.#written) >>> 0;
    const drained = (inbox.fact(factDrained) - this.#drained) >>> 0;
    const disconnected = inbox.fact(factDisconnected);
    this.#breaks = inbox.fact(factBreaks);
    this.#written = inbox.fact(factWritten);
    this.#drained = inbox.fact(factDrained);
    for (const write of this.#writes.splice(0, written)) write.resolve();
    if (written > 0) this.#startWrites();
    for (const drain of this.#drains.splice(0, drained)) drain.resolve();
    if (disconnected !== 0) this.#disconnect(`error ${disconnected}`);
    for (let count = 0; count < breaks; count++) {
      for (const listener of this.#breakListeners) listener();
    }
  }

  /** Hands the thread the first of the waiting writes, and those after it that the kernel takes at once. */
  #startWrites(): void {
    for (let write = this.#writes[0]; write !== undefined; write = this.#writes[0]) {
      try {
        if (!this.#addon.uartWrite(this.#native, write.bytes)) return;
      } catch (error) {
        return this.#disconnect(errorOf(error).message);
      }
      this.#writes.shift();
      write.resolve();
    }
  }

  #disconnect(reason: string): void {
    this.#disconnected ??= disconnectedError(this.openOptions.path, reason);
    this.#read?.reject(this.#disconnected);
    this.#read = undefined;
    this.#rejectWrites(this.#disconnected);
  }

  #rejectWrites(error: Error): void {
    for (const write of this.#writes.splice(0)) write.reject(error);
    for (const drain of this.#drains.splice(0)) drain.reject(error);
  }
}

export function nativeUart(addon: Addon): UartDriver {
  const inbox = new Inbox();
  return {
    list: listTtys,
    open: (options) => Promise.resolve().then(() => new NativeUartPort(addon, inbox, options)),
  };
}
