/** Addresses of interfaces; segment.h tells how the native side works. */
import { isIP } from "node:net";
import type { InterfaceAddress, LinkState, NetDriver, NetEvent, NetPort } from "../../src/io/ports.ts";
import type { Addon, NativePort } from "../load.ts";
import { Inbox } from "../mailbox/mailbox.ts";

const kindList = 1;
const kindAnnounce = 2;
const kindTake = 3;
const kindRelease = 4;
const kindLink = 5;
const kindRival = 16;
const kindLost = 17;
const kindCarrier = 18;

/** Of a record, before its text. */
const wordCount = 4;
/** The result of a piece of a listing that others follow. */
const resultMore = 1;

/** The parts of "192.0.2.7/24" or "2001:db8::7/64"; throws a `TypeError` that says what is wrong. */
export function splitAddress(text: string): { readonly host: string; readonly prefix: number } {
  const [host = "", prefixText = "", ...more] = text.split("/");
  const family = isIP(host);
  const prefix = Number(prefixText);
  if (family === 0 || more.length > 0 || !/^\d{1,3}$/.test(prefixText) || prefix > (family === 4 ? 32 : 128)) {
    throw new TypeError(`net: "${text}" is no address with its prefix, as 192.0.2.7/24 or 2001:db8::7/64`);
  }
  return { host, prefix };
}

type Answer = { readonly text: string; readonly ms: number };
type Waiting = { text: string; readonly resolve: (answer: Answer) => void; readonly reject: (error: Error) => void };

class NativeNetPort implements NetPort {
  readonly #addon: Addon;
  readonly #inbox: Inbox;
  readonly #native: NativePort;
  readonly #onEvent: (event: NetEvent) => void;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;
  #open = true;
  #closed: Promise<void> | undefined;

  constructor(addon: Addon, inbox: Inbox, onEvent: (event: NetEvent) => void) {
    this.#addon = addon;
    this.#inbox = inbox;
    this.#onEvent = onEvent;
    this.#native = addon.netOpen(() => this.#take());
  }

  async list(interfaceName = ""): Promise<InterfaceAddress[]> {
    const { text } = await this.#request(kindList, interfaceName);
    return text.split("\n").filter((line) => line !== "").map(addressOf);
  }

  async take(address: InterfaceAddress, announcements: number): Promise<{ link: LinkState; ms: number }> {
    const { text, ms } = await this.#request(kindTake, address.interface, address.address, announcements);
    return { link: text as LinkState, ms };
  }

  async release(address: InterfaceAddress): Promise<boolean> {
    const { text } = await this.#request(kindRelease, address.interface, address.address);
    return text !== "0";
  }

  async announce(address: InterfaceAddress, times = 1): Promise<void> {
    await this.#request(kindAnnounce, address.interface, address.address, times);
  }

  async link(interfaceName: string): Promise<LinkState> {
    const { text } = await this.#request(kindLink, interfaceName);
    return text as LinkState;
  }

  close(): Promise<void> {
    this.#open = false;
    for (const { reject } of this.#waiting.values()) reject(new Error("net: closed"));
    this.#waiting.clear();
    this.#closed ??= this.#addon.netClose(this.#native);
    return this.#closed;
  }

  #request(kind: number, interfaceName: string, address?: string, announcements = 0): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (!this.#open) throw new Error("net: closed");
      const { host, prefix } = address === undefined ? { host: "", prefix: 0 } : splitAddress(address);
      this.#lastId = (this.#lastId % 0xffffffff) + 1;
      this.#addon.netRequest(this.#native, this.#lastId, kind, interfaceName, host, prefix, announcements);
      this.#waiting.set(this.#lastId, { text: "", resolve, reject });
    });
  }

  #take(): void {
    if (!this.#open) return;
    const taken = this.#addon.netTake(this.#native, this.#inbox.bytes);
    for (const { words, text } of this.#inbox.reports(taken, wordCount)) {
      const [id = 0, result = 0, microseconds = 0, kind = 0] = words;
      if (id === 0) this.#tell(kind, text);
      else this.#answer(id >>> 0, result, text, microseconds / 1_000);
    }
  }

  #answer(id: number, result: number, text: string, ms: number): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    if (result < 0) waiting.reject(new Error(text));
    else waiting.text += text;
    if (result === resultMore) return;
    this.#waiting.delete(id);
    waiting.resolve({ text: waiting.text, ms });
  }

  #tell(kind: number, text: string): void {
    if (!this.#open) return;
    const [interfaceName = "", second = "", mac = ""] = text.split(" ");
    if (kind === kindRival) this.#onEvent({ kind: "rival", address: { interface: interfaceName, address: second }, mac });
    if (kind === kindLost) this.#onEvent({ kind: "lost", address: { interface: interfaceName, address: second } });
    if (kind === kindCarrier) this.#onEvent({ kind: "link", interface: interfaceName, state: second as LinkState });
  }
}

function addressOf(line: string): InterfaceAddress {
  const [interfaceName = "", address = ""] = line.split(" ");
  return { interface: interfaceName, address };
}

export function nativeNet(addon: Addon): NetDriver {
  const inbox = new Inbox();
  return {
    open: (onEvent) => Promise.resolve().then(() => new NativeNetPort(addon, inbox, onEvent)),
  };
}
