/**
 * The names and addresses that a virtual chassis gives to what it makes. Everything outside its directory carries
 * the chassis's name, so that what is left of it can be found without any record.
 */
import { chassisCountMax, slotCountMax } from "../../src/base/ids.ts";
import { crc32 } from "../../src/base/crc.ts";
import { didYouMean, Refused } from "./refusal.ts";

/** Where a card sits: both numbers from 1 to 8. */
export type Place = { readonly chassis: number; readonly slot: number };

/** How many enclosures share the Ethernet, and how many cards each holds, in slots 1 to `cards`. */
export type Layout = { readonly name: string; readonly chassis: number; readonly cards: number };

export const nameLengthMax = 31;

/** Why `name` cannot name a chassis, or nothing when it can. */
export function nameProblem(name: string): string | undefined {
  if (/^[a-z]([a-z0-9-]*[a-z0-9])?$/.test(name) && name.length <= nameLengthMax) return undefined;
  return `--name ${
    JSON.stringify(name)
  } is not a name: up to ${nameLengthMax} of a-z, 0-9 and -, starting with a letter, not ending with -`;
}

/** Every card of the layout, in order. */
export function placesOf(layout: Layout): Place[] {
  const places: Place[] = [];
  for (let chassis = 1; chassis <= layout.chassis; chassis++) {
    for (let slot = 1; slot <= layout.cards; slot++) places.push({ chassis, slot });
  }
  return places;
}

/** "1/3": how a card's place is written everywhere. */
export function placeText(place: Place): string {
  return `${place.chassis}/${place.slot}`;
}

/** Reads "3" (in a system of one chassis) or "2/3". */
export function parsePlace(text: string, layout: Layout): Place {
  const parts = /^(?:(\d)\/)?(\d)$/.exec(text);
  const known = placesOf(layout).map((place) => (layout.chassis === 1 ? String(place.slot) : placeText(place)));
  if (parts === null) {
    throw new Refused("usage", `${JSON.stringify(text)} is not a slot: say one of ${known.join(", ")}.${didYouMean(text, known)}`);
  }
  if (parts[1] === undefined && layout.chassis > 1) {
    throw new Refused("usage", `slot ${text} is in ${layout.chassis} chassis: say which, as in 1/${text}`);
  }
  const place = { chassis: Number(parts[1] ?? 1), slot: Number(parts[2]) };
  const there = place.chassis >= 1 && place.chassis <= layout.chassis && place.slot >= 1 && place.slot <= layout.cards;
  if (!there) throw new Refused("usage", `there is no slot ${text} in ${layout.name}: say one of ${known.join(", ")}`);
  return place;
}

export function cardNamespace(name: string, place: Place): string {
  return `cardinal-${name}-${place.chassis}-${place.slot}`;
}
/** Where the hosts are: on the same Ethernet as the cards. */
export function hostNamespace(name: string): string {
  return `cardinal-${name}-host`;
}
/** Where the bridge is, which no address is on. */
export function bridgeNamespace(name: string): string {
  return `cardinal-${name}-net`;
}

export function namespacesOf(layout: Layout): string[] {
  return [bridgeNamespace(layout.name), hostNamespace(layout.name), ...placesOf(layout).map((place) => cardNamespace(layout.name, place))];
}

/** Whether a namespace belongs to the chassis `name`, whatever its layout was. No two chassis names share a namespace name. */
export function isNamespaceOf(name: string, namespaceName: string): boolean {
  const prefix = `cardinal-${name}-`;
  return namespaceName.startsWith(prefix) && /^(net|host|[1-8]-[1-8])$/.test(namespaceName.slice(prefix.length));
}

/** The interface of a card and of the hosts, in their own namespace. */
export const interfaceName = "eth0";
export const bridgeName = "bridge";
/** The other half of the switch while a part of the cards is apart. */
export const apartBridgeName = "apart";
export const hostPortName = "host";

/** The bridge's end of a card's cable; it is the only thing of a card in the bridge's namespace. */
export function portName(place: Place): string {
  return `c${place.chassis}s${place.slot}`;
}

/** Addresses exist only inside the namespaces, so every chassis uses the same ones. */
export const prefixLength = 16;
export const hostAddress = "10.77.255.254";
export function cardAddress(place: Place): string {
  return `10.77.${place.chassis}.${place.slot}`;
}

/** A locally administered address that names the chassis (16 bits of its name) and the slot. */
export function cardMac(name: string, place: Place): string {
  return macOf(name, place.chassis, place.slot);
}
export function hostMac(name: string): string {
  return macOf(name, 0xff, 0xfe);
}
function macOf(name: string, last: number, least: number): string {
  const crc = crc32(new TextEncoder().encode(name));
  return [0x02, 0xca, (crc >>> 8) & 0xff, crc & 0xff, last, least].map((byte) => byte.toString(16).padStart(2, "0")).join(":");
}

export const cardsMax = slotCountMax;
export const chassisMax = chassisCountMax;
