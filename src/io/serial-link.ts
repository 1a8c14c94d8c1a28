/**
 * The serial link of a card: a tty opened through `@serialport/stream` and kept open. When it fails or is pulled it
 * is tried again every `retryMs`; the owner is told each change. Frames go in and out whole.
 */
import { SerialPortStream } from "@serialport/stream";
import { serialFrameBytesMax } from "../limits.ts";
import { encodeSerial, SerialDecoder } from "../wire/serial.ts";
import type { UartDriver, UartPort } from "./ports.ts";

export type SerialLinkEvents = {
  readonly onFrame: (frame: Uint8Array) => void;
  readonly onDamaged: (reason: "crc" | "framing") => void;
  readonly onUp: () => void;
  readonly onDown: (reason: string) => void;
};

const retryMs = 1_000;
/** Bytes that may wait for the line; more means that it does not drain, and a heartbeat that waits is worth nothing. */
const waitingBytesMax = 8 * serialFrameBytesMax;

export class SerialLink {
  readonly #driver: UartDriver;
  readonly #device: string;
  readonly #baud: number;
  readonly #events: SerialLinkEvents;
  readonly #decoder = new SerialDecoder();
  #stream: SerialPortStream<UartDriver> | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #isClosed = false;
  #overflows = 0;

  constructor(driver: UartDriver, device: string, baud: number, events: SerialLinkEvents) {
    this.#driver = driver;
    this.#device = device;
    this.#baud = baud;
    this.#events = events;
    this.#open();
  }

  send(frame: Uint8Array): void {
    const stream = this.#stream;
    if (stream === undefined || !stream.isOpen) return;
    if (stream.writableLength > waitingBytesMax) {
      this.#overflows++;
      return;
    }
    stream.write(encodeSerial(frame));
  }

  /** The line's counters, and the frames that were dropped because the line did not drain. */
  counters(): Record<string, number> {
    const port = this.#stream?.port as UartPort | undefined;
    return { ...port?.counters(), overflows: this.#overflows };
  }

  /** Lets what waits go out, for at most `drainMs`, and closes. */
  async close(drainMs: number): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#retry);
    const stream = this.#stream;
    this.#stream = undefined;
    if (stream === undefined || !stream.isOpen) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, drainMs);
      stream.drain(() => {
        clearTimeout(timer);
        resolve();
      });
    });
    await new Promise<void>((resolve) => stream.close(() => resolve()));
  }

  #open(): void {
    const stream = new SerialPortStream({ binding: this.#driver, path: this.#device, baudRate: this.#baud, lock: true, autoOpen: false });
    this.#stream = stream;
    stream.on("data", (bytes: Uint8Array) => this.#onBytes(bytes));
    stream.on("error", (error: Error) => this.#fail(stream, error.message));
    stream.on("close", () => this.#fail(stream, "the tty was disconnected"));
    stream.open((error) => {
      if (error !== null && error !== undefined) return this.#fail(stream, error.message);
      if (this.#isClosed) return stream.close();
      this.#decoder.reset();
      (stream.port as UartPort).onBreak(() => this.#decoder.reset());
      this.#events.onUp();
    });
  }

  #onBytes(bytes: Uint8Array): void {
    for (const item of this.#decoder.push(bytes)) {
      if ("malformed" in item) this.#events.onDamaged(item.malformed);
      else this.#events.onFrame(item);
    }
  }

  #fail(stream: SerialPortStream<UartDriver>, reason: string): void {
    if (this.#isClosed || this.#stream !== stream) return;
    this.#stream = undefined;
    if (stream.isOpen) stream.close(() => {});
    this.#events.onDown(reason);
    this.#retry = setTimeout(() => this.#open(), retryMs);
  }
}
