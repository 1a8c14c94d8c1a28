/** Pseudo terminals; pty.h tells how the native side works. */
import type { PtyDriver, PtyPort } from "../../src/io/ports.ts";
import type { Addon, NativePort } from "../load.ts";
import { Inbox } from "../mailbox/mailbox.ts";

/** What may wait between the thread and us; the writers of the slave wait when it is full. */
const queueBytes = 256 * 1024;

class NativePtyPort implements PtyPort {
  readonly path: string;
  readonly #addon: Addon;
  readonly #native: NativePort;
  #open = true;
  #closed: Promise<void> | undefined;

  constructor(addon: Addon, inbox: Inbox, onBytes: (bytes: Uint8Array) => void) {
    this.#addon = addon;
    const opened = addon.ptyOpen(queueBytes, () => {
      if (!this.#open) return;
      const taken = addon.ptyTake(this.#native, inbox.bytes);
      const chunks: Uint8Array[] = [];
      inbox.forEach(taken, (start, end) => chunks.push(inbox.bytes.slice(start, end)));
      for (const chunk of chunks) {
        if (this.#open) onBytes(chunk);
      }
    });
    this.#native = opened.port;
    this.path = opened.path;
  }

  write(bytes: Uint8Array): number {
    return this.#open ? this.#addon.ptyWrite(this.#native, bytes) : 0;
  }

  close(): Promise<void> {
    this.#open = false;
    this.#closed ??= this.#addon.ptyClose(this.#native);
    return this.#closed;
  }
}

export function nativePty(addon: Addon): PtyDriver {
  const inbox = new Inbox();
  return {
    open: (onBytes) => Promise.resolve().then(() => new NativePtyPort(addon, inbox, onBytes)),
  };
}
