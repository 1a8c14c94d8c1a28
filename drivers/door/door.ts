/** Where hosts come in; door.h tells how the native side works. */
import type { DoorDriver, DoorEvents, DoorPort, DoorThen } from "../../src/io/ports.ts";
import type { Addon, NativePort } from "../load.ts";
import { Inbox } from "../mailbox/mailbox.ts";

const kinds = { accepted: 1, bytes: 2, sent: 3, released: 4, gone: 5, deaf: 6 } as const;
const then: Readonly<Record<DoorThen, number>> = { nothing: 0, more: 1, end: 2, release: 3 };
/** Of a record, before its bytes. */
const wordBytes = 12;

class NativeDoorPort implements DoorPort {
  readonly #addon: Addon;
  readonly #inbox: Inbox;
  readonly #native: NativePort;
  readonly #events: DoorEvents;
  #open = true;
  #closed: Promise<void> | undefined;

  constructor(addon: Addon, inbox: Inbox, connectionsMax: number, events: DoorEvents) {
    this.#addon = addon;
    this.#inbox = inbox;
    this.#events = events;
    this.#native = addon.doorOpen(connectionsMax, () => this.#take());
  }

  listen(listener: number, at: { readonly host: string; readonly port: number } | { readonly path: string }): number {
    if ("path" in at) return this.#addon.doorListen(this.#native, listener, "", 0, at.path);
    return this.#addon.doorListen(this.#native, listener, at.host, at.port, "");
  }

  unlisten(listener: number): void {
    if (this.#open) this.#addon.doorUnlisten(this.#native, listener);
  }

  answer(connection: number, bytes: Uint8Array, next: DoorThen): boolean {
    return this.#open && this.#addon.doorAnswer(this.#native, connection, bytes, then[next]);
  }

  pair(): { readonly connection: number; readonly descriptor: number } {
    return this.#addon.doorPair(this.#native);
  }

  connect(host: string, port: number): number {
    return this.#addon.doorConnect(this.#native, host, port);
  }

  discard(descriptor: number): void {
    this.#addon.doorDiscard(descriptor);
  }

  close(): Promise<void> {
    this.#open = false;
    this.#closed ??= this.#addon.doorClose(this.#native);
    return this.#closed;
  }

  #take(): void {
    if (!this.#open) return;
    const taken = this.#addon.doorTake(this.#native, this.#inbox.bytes);
    const records: { readonly words: Int32Array; readonly bytes: Uint8Array }[] = [];
    this.#inbox.forEach(taken, (start, end) => {
      const record = this.#inbox.bytes.slice(start, end);
      records.push({ words: new Int32Array(record.buffer, 0, wordBytes / 4), bytes: record.subarray(wordBytes) });
    });
    for (const { words, bytes } of records) {
      if (this.#open) this.#tell(words[0] ?? 0, words[1] ?? 0, words[2] ?? 0, bytes);
    }
  }

  #tell(connection: number, kind: number, value: number, bytes: Uint8Array): void {
    switch (kind) {
      case kinds.accepted:
        return this.#events.accepted(connection, value, new TextDecoder().decode(bytes));
      case kinds.bytes:
        return this.#events.bytes(connection, bytes);
      case kinds.sent:
        return this.#events.sent(connection);
      case kinds.released:
        return this.#events.released(connection, this.#addon.doorClaim(this.#native, connection));
      case kinds.gone:
        return this.#events.gone(connection, value === 0 ? undefined : `error ${-value}`);
      case kinds.deaf:
        return this.#events.deaf(value);
    }
  }
}

export function nativeDoor(addon: Addon): DoorDriver {
  const inbox = new Inbox();
  return { open: (connectionsMax, events) => new NativeDoorPort(addon, inbox, connectionsMax, events) };
}
