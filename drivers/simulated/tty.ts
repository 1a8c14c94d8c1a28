/**
 * Ttys and the other ends of their lines. A line carries bytes at the tty's baud rate into a bounded queue; its far
 * end can also send BREAKs and damaged bytes, move the modem lines and hang up. A pseudo terminal is such a line
 * without a speed, so a simulated multiplexor and a simulated card meet as the real ones do.
 */
import type { BindingPortInterface, PortStatus, SetOptions } from "@serialport/bindings-interface";
import type { OpenOptions, PortInfo, PtyDriver, PtyPort, UartCounters, UartDriver, UartPort, UpdateOptions } from "../../src/io/ports.ts";
import { serialBitsPerByte } from "../../src/limits.ts";
import { canceledError, checkedBaudRate, checkedOptions, closedError, disconnectedError } from "../uart/options.ts";
import type { Scheduler } from "./scheduler.ts";

type Bytes = Parameters<BindingPortInterface["read"]>[0];
type PendingRead = {
  readonly buffer: Bytes;
  readonly offset: number;
  readonly length: number;
  resolve(result: { buffer: Bytes; bytesRead: number }): void;
  reject(error: Error): void;
};

/** What waits for a read, as in the native driver. */
const queueBytes = 64 * 1024;
/** What the far end may write ahead of a tty that nobody has open, as a kernel's line discipline holds. */
const unopenedBytes = 4096;

/** What the far end of a line gets to see. */
export type FarEnd = {
  onBytes(bytes: Uint8Array): void;
  onBreak?(): void;
};

/** A tty's line: the tty's port on one side, the far end on the other. */
export class SimulatedLine {
  readonly path: string;
  /** Whether bytes take the time that the baud rate says; a pseudo terminal's do not. */
  readonly #timed: boolean;
  readonly #scheduler: Scheduler;
  readonly #far: FarEnd;
  #port: SimulatedUartPort | undefined;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #freeAt = 0;
  #hungUp = false;
  lines: PortStatus = { cts: true, dsr: true, dcd: true };

  constructor(scheduler: Scheduler, path: string, timed: boolean, far: FarEnd) {
    this.#scheduler = scheduler;
    this.path = path;
    this.#timed = timed;
    this.#far = far;
  }

  get isTaken(): boolean {
    return this.#port !== undefined;
  }

  get hasModemLines(): boolean {
    return this.#timed;
  }

  /** Writes from the far end to the tty. Returns what was taken: a tty that nobody has open takes little. */
  write(bytes: Uint8Array): number {
    if (this.#hungUp) return 0;
    if (this.#port !== undefined) {
      const copy = bytes.slice();
      this.#scheduler.schedule(0, () => this.#port?.received(copy));
      return bytes.length;
    }
    const taken = bytes.slice(0, Math.max(0, unopenedBytes - this.#waitingBytes));
    if (taken.length > 0) this.#waiting.push(taken);
    this.#waitingBytes += taken.length;
    return taken.length;
  }

  sendBreak(): void {
    this.#scheduler.schedule(0, () => this.#port?.receivedBreak());
  }

  /** A byte whose stop bit or parity was wrong: counted, never delivered. */
  sendDamaged(kind: "framing" | "parity"): void {
    this.#scheduler.schedule(0, () => this.#port?.receivedDamaged(kind));
  }

  /** The far end goes away; an open tty is disconnected, and cannot be opened again. */
  hangUp(): void {
    this.#hungUp = true;
    this.#scheduler.schedule(0, () => this.#port?.hungUp());
  }

  /** Connects a port; what was written before it is discarded, as opening a tty does. */
  attach(port: SimulatedUartPort): void {
    if (this.#hungUp) throw new Error(`uart: there is no tty "${this.path}"`);
    this.#port = port;
    this.#waiting = [];
    this.#waitingBytes = 0;
  }

  detach(): void {
    this.#port = undefined;
  }

  /** Sends from the tty; `done` is called when the last bit has left. */
  transmit(bytes: Uint8Array, baud: number, done: () => void): void {
    const now = this.#scheduler.now();
    this.#freeAt = Math.max(now, this.#freeAt) + (this.#timed ? (bytes.length * serialBitsPerByte * 1_000) / baud : 0);
    const copy = bytes.slice();
    this.#scheduler.schedule(this.#freeAt - now, () => {
      if (!this.#hungUp) this.#far.onBytes(copy);
      done();
    });
  }

  transmitBreak(): void {
    this.#scheduler.schedule(0, () => this.#far.onBreak?.());
  }
}

class SimulatedUartPort implements UartPort {
  readonly openOptions: Required<OpenOptions>;
  isOpen = true;
  readonly #line: SimulatedLine;
  readonly #scheduler: Scheduler;
  #baudRate: number;
  #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  #read: PendingRead | undefined;
  /** Writes and drains under way, to be canceled by a close. */
  readonly #pending = new Set<(error: Error) => void>();
  readonly #breakListeners: (() => void)[] = [];
  #disconnected: Error | undefined;
  #counters = { receivedBytes: 0, sentBytes: 0, framingErrors: 0, parityErrors: 0, overruns: 0, breaks: 0, droppedBytes: 0 };

  constructor(scheduler: Scheduler, line: SimulatedLine, options: Required<OpenOptions>) {
    this.#scheduler = scheduler;
    this.#line = line;
    this.openOptions = options;
    this.#baudRate = options.baudRate;
    line.attach(this);
  }

  received(bytes: Uint8Array): void {
    this.#counters.receivedBytes += bytes.length;
    this.#queue.push(bytes);
    this.#queuedBytes += bytes.length;
    while (this.#queuedBytes > queueBytes) this.#dropOldest(this.#queuedBytes - queueBytes);
    this.#serveRead();
  }

  receivedBreak(): void {
    this.#counters.breaks++;
    for (const listener of this.#breakListeners) listener();
  }

  receivedDamaged(kind: "framing" | "parity"): void {
    if (kind === "framing") this.#counters.framingErrors++;
    else this.#counters.parityErrors++;
  }

  hungUp(): void {
    this.#disconnected = disconnectedError(this.openOptions.path, "hung up");
    this.#read?.reject(this.#disconnected);
    this.#read = undefined;
    this.#cancel(this.#disconnected);
  }

  read(buffer: Bytes, offset: number, length: number): Promise<{ buffer: Bytes; bytesRead: number }> {
    return new Promise((resolve, reject) => {
      if (!this.isOpen) return reject(closedError(this.openOptions.path));
      if (this.#read !== undefined) return reject(new Error("uart: a read is pending already"));
      if (length < 1 || offset + length > buffer.length) return reject(new RangeError(`uart: no room for ${length} bytes at ${offset}`));
      if (this.#queuedBytes === 0 && this.#disconnected !== undefined) return reject(this.#disconnected);
      this.#read = { buffer, offset, length, resolve, reject };
      this.#serveRead();
    });
  }

  write(buffer: Uint8Array): Promise<void> {
    this.#counters.sentBytes += this.isOpen && this.#disconnected === undefined ? buffer.length : 0;
    return this.#cancelable((done) => this.#line.transmit(buffer, this.#baudRate, done));
  }

  update(options: UpdateOptions): Promise<void> {
    return this.#attempt(() => {
      this.#baudRate = checkedBaudRate(options.baudRate);
    });
  }

  set(options: SetOptions): Promise<void> {
    return this.#attempt(() => {
      if (!this.#line.hasModemLines) throw new Error("uart: the modem lines cannot be set: the tty has none");
      if (options.brk === true) this.#line.transmitBreak();
    });
  }

  get(): Promise<PortStatus> {
    return this.#attempt(() => {
      if (!this.#line.hasModemLines) throw new Error("uart: the modem lines cannot be read: the tty has none");
      return { ...this.#line.lines };
    });
  }

  getBaudRate(): Promise<{ baudRate: number }> {
    return this.#attempt(() => ({ baudRate: this.#baudRate }));
  }

  flush(): Promise<void> {
    return this.#attempt(() => {
      this.#queue = [];
      this.#queuedBytes = 0;
    });
  }

  drain(): Promise<void> {
    return this.#cancelable((done) => this.#line.transmit(new Uint8Array(0), this.#baudRate, done));
  }

  sendBreak(durationMs: number): Promise<void> {
    return this.#cancelable((done) => {
      this.#line.transmitBreak();
      this.#scheduler.schedule(durationMs, done);
    });
  }

  onBreak(listener: () => void): void {
    this.#breakListeners.push(listener);
  }

  counters(): UartCounters {
    return { ...this.#counters };
  }

  close(): Promise<void> {
    if (!this.isOpen) return Promise.resolve();
    this.isOpen = false;
    this.#line.detach();
    const error = canceledError(this.openOptions.path);
    this.#read?.reject(error);
    this.#read = undefined;
    this.#cancel(error);
    return Promise.resolve();
  }

  #dropOldest(bytes: number): void {
    const oldest = this.#queue[0] as Uint8Array;
    const dropped = Math.min(bytes, oldest.length);
    if (dropped === oldest.length) this.#queue.shift();
    else this.#queue[0] = oldest.subarray(dropped);
    this.#queuedBytes -= dropped;
    this.#counters.droppedBytes += dropped;
  }

  #serveRead(): void {
    const read = this.#read;
    const oldest = this.#queue[0];
    if (read === undefined || oldest === undefined) return;
    const bytes = oldest.subarray(0, read.length);
    if (bytes.length === oldest.length) this.#queue.shift();
    else this.#queue[0] = oldest.subarray(bytes.length);
    this.#queuedBytes -= bytes.length;
    this.#read = undefined;
    read.buffer.set(bytes, read.offset);
    read.resolve({ buffer: read.buffer, bytesRead: bytes.length });
  }

  #attempt<Result>(action: () => Result): Promise<Result> {
    return new Promise((resolve, reject) => {
      if (!this.isOpen) return reject(closedError(this.openOptions.path));
      try {
        resolve(action());
      } catch (error) {
        reject(error as Error);
      }
    });
  }

  /** Starts something that calls `done` later, and that a close or a hang-up rejects in the meantime. */
  #cancelable(start: (done: () => void) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      if (!this.isOpen) return reject(closedError(this.openOptions.path));
      if (this.#disconnected !== undefined) return reject(this.#disconnected);
      this.#pending.add(reject);
      start(() => {
        this.#pending.delete(reject);
        resolve();
      });
    });
  }

  #cancel(error: Error): void {
    for (const reject of this.#pending) reject(error);
    this.#pending.clear();
  }
}

/** The ttys of a simulated machine: `uart` opens them, `pty` and `addLine` make them. */
export class SimulatedTtys {
  readonly #scheduler: Scheduler;
  readonly #lines = new Map<string, SimulatedLine>();
  readonly #forbidden = new Set<string>();
  #ptyCount = 0;

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler;
  }

  readonly uart: UartDriver = {
    list: () => Promise.resolve([...this.#lines.values()].filter((line) => line.hasModemLines).map((line) => portInfo(line.path))),
    open: (options) => Promise.resolve().then(() => this.#open(options)),
  };

  readonly pty: PtyDriver = {
    open: (onBytes) => Promise.resolve(this.#openPty(onBytes)),
  };

  /** A real line at `path`, with a speed and with modem lines; the caller is its far end. */
  addLine(path: string, far: FarEnd): SimulatedLine {
    const line = new SimulatedLine(this.#scheduler, path, true, far);
    this.#lines.set(path, line);
    return line;
  }

  lineAt(path: string): SimulatedLine | undefined {
    return this.#lines.get(path);
  }

  /** Opening the tty is refused from now on, as without access to its device. */
  forbid(path: string): void {
    this.#forbidden.add(path);
  }

  #open(options: OpenOptions): UartPort {
    const checked = checkedOptions(options);
    const { path, lock } = checked;
    const line = this.#lines.get(path);
    if (line === undefined) throw new Error(`uart: there is no tty "${path}"`);
    if (this.#forbidden.has(path)) throw new Error(`uart: no permission to open "${path}": read and write access is needed`);
    if (lock && line.isTaken) throw new Error(`uart: "${path}" is in use by another program`);
    return new SimulatedUartPort(this.#scheduler, line, checked);
  }

  #openPty(onBytes: (bytes: Uint8Array) => void): PtyPort {
    let open = true;
    const path = `/dev/pts/${this.#ptyCount++}`;
    const line = new SimulatedLine(this.#scheduler, path, false, { onBytes: (bytes) => open && onBytes(bytes) });
    this.#lines.set(path, line);
    return {
      path,
      write: (bytes) => (open ? line.write(bytes) : 0),
      close: () => {
        if (open) line.hangUp();
        open = false;
        this.#lines.delete(path);
        return Promise.resolve();
      },
    };
  }
}

function portInfo(path: string): PortInfo {
  return {
    path,
    manufacturer: undefined,
    serialNumber: undefined,
    pnpId: undefined,
    locationId: undefined,
    productId: undefined,
    vendorId: undefined,
  };
}
