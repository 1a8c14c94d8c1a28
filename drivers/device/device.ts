/** Device nodes that are held; device.h tells how the native side works. */
import type { DeviceDriver, DevicePort } from "../../src/io/ports.ts";
import type { Addon, NativePort } from "../load.ts";
import { Inbox } from "../mailbox/mailbox.ts";

const askProbe = 2;
const askRelease = 3;
/** Of a record, before its text. */
const wordCount = 3;

type Waiting = { readonly resolve: () => void; readonly reject: (error: Error) => void };

class NativeDevicePort implements DevicePort {
  readonly #addon: Addon;
  readonly #inbox: Inbox;
  readonly #native: NativePort;
  /** Answers come in the order of what was asked. */
  readonly #waiting: Waiting[] = [];
  readonly opened: Promise<void>;
  #open = true;
  #closed: Promise<void> | undefined;

  constructor(addon: Addon, inbox: Inbox, path: string, exclusive: boolean) {
    this.#addon = addon;
    this.#inbox = inbox;
    this.#native = addon.deviceOpen(path, exclusive, () => this.#take());
    this.opened = this.#answered();
  }

  probe(): Promise<void> {
    return this.#ask(askProbe);
  }

  release(): Promise<void> {
    return this.#ask(askRelease);
  }

  close(): Promise<void> {
    this.#open = false;
    for (const { reject } of this.#waiting.splice(0)) reject(new Error("device: closed"));
    this.#closed ??= this.#addon.deviceClose(this.#native);
    return this.#closed;
  }

  async #ask(kind: number): Promise<void> {
    if (!this.#open) throw new Error("device: closed");
    this.#addon.deviceAsk(this.#native, kind);
    await this.#answered();
  }

  #answered(): Promise<void> {
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  #take(): void {
    if (!this.#open) return;
    const taken = this.#addon.deviceTake(this.#native, this.#inbox.bytes);
    for (const { words, text } of this.#inbox.reports(taken, wordCount)) {
      const [, result = 0] = words;
      const waiting = this.#waiting.shift();
      if (result < 0) waiting?.reject(new Error(text));
      else waiting?.resolve();
    }
  }
}

export function nativeDevice(addon: Addon): DeviceDriver {
  const inbox = new Inbox();
  return {
    async open(path, { exclusive, signal }) {
      const port = new NativeDevicePort(addon, inbox, path, exclusive);
      const onAbort = () => void port.close();
      signal?.addEventListener("abort", onAbort);
      try {
        if (signal?.aborted === true) onAbort();
        await port.opened;
      } catch (error) {
        await port.close();
        throw error;
      } finally {
        signal?.removeEventListener("abort", onAbort);
      }
      return port;
    },
  };
}
