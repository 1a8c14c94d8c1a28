/**
 * Addresses: taken and released by the driver, and announced for as long as they are here: at once, after one and five
 * seconds, then every hundred (switches and neighbours forget, and announcements are lost), whenever the interface is up
 * again, and whenever somebody else claims the address. A rival is told and not given way to: who owns an address is
 * decided by the cards, not by whoever speaks last on the segment.
 */
import { clearTimeout, setTimeout } from "node:timers";
import { unreachable } from "../../base/assert.ts";
import { type IpAddress, ipAddressText, parseIpAddress } from "../../base/ip-address.ts";
import type { HookKind, ResourceEvent, ResourceSpec } from "../../failover/resource.ts";
import { announceAfterMs, announceEveryMs, announcementsAtOnce } from "../../limits.ts";
import type { InterfaceAddress, LinkState, NetDriver, NetEvent, NetPort } from "../ports.ts";
import { answer, done, type HookAnswer, type HookContext, type Keeper } from "./hook.ts";

export type AddressSpec = Extract<ResourceSpec, { readonly kind: "address" }>;

type Kept = {
  readonly resource: string;
  readonly address: InterfaceAddress;
  timer: ReturnType<typeof setTimeout> | undefined;
};

export class AddressKeeper implements Keeper<AddressSpec> {
  readonly #tell: (event: ResourceEvent) => void;
  #net: NetPort | undefined;
  /** By `keyOf`. */
  readonly #kept = new Map<string, Kept>();
  /** The last start or announcement of each: a stop takes it away, so that one that comes back late announces nothing. */
  readonly #wanted = new Map<string, { readonly resource: string; readonly address: InterfaceAddress }>();

  private constructor(tell: (event: ResourceEvent) => void) {
    this.#tell = tell;
  }

  static async open(driver: NetDriver, tell: (event: ResourceEvent) => void): Promise<AddressKeeper> {
    const keeper = new AddressKeeper(tell);
    keeper.#net = await driver.open((event) => keeper.#onEvent(event));
    // What is compiled and opened at the first question is not to be waited for in a takeover.
    await Promise.all([keeper.#port.list("lo"), keeper.#port.link("lo")]).catch(() => {});
    return keeper;
  }

  async perform(hook: HookKind, spec: AddressSpec, context: HookContext): Promise<HookAnswer> {
    const mistake = mistakeOf(spec);
    if (mistake !== undefined) return answer("invalid", mistake);
    const address = { interface: spec.interface, address: `${hostOf(spec.address)}/${spec.prefix}` };
    try {
      switch (hook) {
        case "validate":
          await this.#port.link(spec.interface);
          return done;
        case "start":
          return await this.#start(context.resource, address);
        case "stop":
          return await this.#stop(address);
        case "monitor":
          return await this.#monitor(address);
        case "announce":
          return await this.#announce(context.resource, address);
        default:
          return unreachable(hook);
      }
    } catch (error) {
      const { message } = error as Error;
      const isMissing = message.includes("there is no interface");
      if (isMissing && (hook === "monitor" || hook === "announce")) return answer("notRunning", message);
      return answer(isMissing || message.includes("disable_ipv6") ? "invalid" : "failed", message);
    }
  }

  async linkOf(interfaceName: string): Promise<"up" | "down" | "missing"> {
    try {
      const state = await this.#port.link(interfaceName);
      return state === "gone" ? "missing" : state;
    } catch {
      return "missing";
    }
  }

  /** What is here stays here. */
  async close(): Promise<void> {
    for (const kept of this.#kept.values()) clearTimeout(kept.timer);
    this.#kept.clear();
    this.#wanted.clear();
    await this.#port.close();
  }

  get #port(): NetPort {
    return this.#net as NetPort;
  }

  async #start(resource: string, address: InterfaceAddress): Promise<HookAnswer> {
    const isWanted = this.#want(resource, address);
    let link: LinkState;
    try {
      ({ link } = await this.#port.take(address, announcementsAtOnce));
    } catch (error) {
      if (isWanted()) this.#giveUp(address);
      throw error;
    }
    if (link !== "up") {
      if (isWanted()) this.#giveUp(address);
      await this.#port.release(address);
      return answer("failed", `${address.interface} has no carrier, or was taken down: nobody would reach ${address.address}`);
    }
    if (isWanted()) this.#keep(resource, address);
    return done;
  }

  async #stop(address: InterfaceAddress): Promise<HookAnswer> {
    this.#giveUp(address);
    return await this.#port.release(address) ? done : answer("notRunning", `no interface has ${address.address}`);
  }

  async #monitor(address: InterfaceAddress): Promise<HookAnswer> {
    if (!await this.#isPresent(address)) return answer("notRunning", `${address.interface} does not have ${address.address}`);
    const link = await this.#port.link(address.interface);
    return link === "up" ? done : answer("failed", `${address.interface} has no carrier, or was taken down`);
  }

  async #announce(resource: string, address: InterfaceAddress): Promise<HookAnswer> {
    if (!await this.#isPresent(address)) return answer("notRunning", `${address.interface} does not have ${address.address}`);
    const isWanted = this.#want(resource, address);
    await this.#port.announce(address, announcementsAtOnce);
    if (isWanted()) this.#keep(resource, address);
    return done;
  }

  #want(resource: string, address: InterfaceAddress): () => boolean {
    const wanted = { resource, address };
    this.#wanted.set(keyOf(address), wanted);
    return () => this.#wanted.get(keyOf(address)) === wanted;
  }

  async #isPresent(address: InterfaceAddress): Promise<boolean> {
    return (await this.#port.list(address.interface)).some((present) => keyOf(present) === keyOf(address));
  }

  /** Announces the address on from here. */
  #keep(resource: string, address: InterfaceAddress): void {
    this.#forget(keyOf(address));
    const kept: Kept = { resource, address, timer: undefined };
    this.#kept.set(keyOf(address), kept);
    this.#schedule(kept, 0);
  }

  #schedule(kept: Kept, step: number): void {
    const sinceMs = announceAfterMs[step - 1] ?? 0;
    const atMs = announceAfterMs[step];
    const waitMs = atMs === undefined ? announceEveryMs : atMs - sinceMs;
    kept.timer = setTimeout(() => {
      this.#say(kept.address, atMs === undefined ? 1 : announcementsAtOnce);
      this.#schedule(kept, step + 1);
    }, waitMs);
    kept.timer.unref();
  }

  /** An announcement that could not be made is no event: the interface's state is, and the next one comes. */
  #say(address: InterfaceAddress, times: number): void {
    this.#port.announce(address, times).catch(() => {});
  }

  #giveUp(address: InterfaceAddress): void {
    this.#wanted.delete(keyOf(address));
    this.#forget(keyOf(address));
  }

  #forget(key: string): void {
    clearTimeout(this.#kept.get(key)?.timer);
    this.#kept.delete(key);
  }

  #onEvent(event: NetEvent): void {
    switch (event.kind) {
      case "rival": {
        // The answer to the question who has it comes before the start is over.
        const wanted = this.#wanted.get(keyOf(event.address));
        if (wanted === undefined) return;
        this.#say(wanted.address, 1);
        this.#tell({ resource: wanted.resource, kind: "rival", reason: `${event.mac} says that it has ${hostIn(event.address)}` });
        return;
      }
      case "lost": {
        const wanted = this.#wanted.get(keyOf(event.address));
        if (wanted === undefined) return;
        this.#giveUp(event.address);
        this.#tell({
          resource: wanted.resource,
          kind: "ended",
          reason: `${hostIn(event.address)} was removed from ${event.address.interface}`,
        });
        return;
      }
      case "link":
        if (event.state !== "up") return;
        for (const kept of [...this.#kept.values()]) {
          if (kept.address.interface !== event.interface) continue;
          this.#say(kept.address, announcementsAtOnce);
          this.#keep(kept.resource, kept.address);
        }
        return;
      default:
        unreachable(event);
    }
  }
}

function hostIn({ address }: InterfaceAddress): string {
  return address.slice(0, address.indexOf("/"));
}

/** An address of an interface, whatever its prefix. */
function keyOf(address: InterfaceAddress): string {
  return `${address.interface} ${hostIn(address)}`;
}

/** In the one form in which the kernel says it. */
function hostOf(text: string): string {
  return ipAddressText(parseIpAddress(text) as IpAddress);
}

function mistakeOf({ address, prefix, interface: name }: AddressSpec): string | undefined {
  const bytes = parseIpAddress(address);
  if (bytes === undefined) return `"${address}" is no address, as 192.0.2.7 or 2001:db8::7`;
  const bits = bytes.length * 8;
  if (!Number.isInteger(prefix) || prefix < 1 || prefix > bits) return `the prefix ${prefix} of ${address} must be from 1 to ${bits}`;
  if (!/^[^\s/]{1,15}$/.test(name)) return `"${name}" is no name of an interface`;
  return hostMistake(address, bytes, prefix);
}

function hostMistake(address: string, bytes: IpAddress, prefix: number): string | undefined {
  const [first = 0] = bytes;
  if (bytes.every((byte) => byte === 0)) return `${address} stands for any address and cannot be given to an interface`;
  const isGroup = bytes.length === 4 ? first >= 224 : first === 0xff;
  if (isGroup) return `${address} is an address of a group and cannot be given to an interface`;
  const isLoopback = bytes.length === 4 ? first === 127 : bytes.every((byte, index) => byte === (index === 15 ? 1 : 0));
  if (isLoopback) return `${address} is this machine's own for every machine: nobody would reach it`;
  if (bytes.length === 16 || prefix > 30) return undefined;
  const host = bytes.reduce((sum, byte) => sum * 256 + byte, 0) % 2 ** (32 - prefix);
  if (host === 0) return `${address}/${prefix} is the network itself, not a host in it`;
  if (host === 2 ** (32 - prefix) - 1) return `${address}/${prefix} is the network's broadcast address, not a host in it`;
  return undefined;
}
