/** Addresses of interfaces; net.h tells how the native side works. */
import { isIP } from "node:net";
import type { InterfaceAddress, NetDriver } from "../../src/io/ports.ts";
import type { Addon } from "../load.ts";

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

export function nativeNet(addon: Addon): NetDriver {
  const announcer = addon.netAnnouncer();
  const change = (act: (interfaceName: string, host: string, prefix: number) => void, address: InterfaceAddress): Promise<void> =>
    Promise.resolve().then(() => {
      const { host, prefix } = splitAddress(address.address);
      act(address.interface, host, prefix);
    });
  return {
    list: (interfaceName = "") => Promise.resolve().then(() => addon.netList(interfaceName)),
    add: (address) => change(addon.netAdd, address),
    remove: (address) => change(addon.netRemove, address),
    announce: (address) => change((...where) => addon.netAnnounce(announcer, ...where), address),
  };
}
