/**
 * LLDP frames (IEEE 802.1AB-2016), so that switches and standard tools see each card. Only the payload after the
 * Ethernet header is made and read here; it goes to `lldpAddress` under `lldpEtherType`.
 *
 * The chassis ID is the port's MAC address (subtype 4), the form that every switch's tables show well and that keeps
 * cards apart even where two systems have cards of one name; the port ID is the interface's name (subtype 5). What
 * only we know stands in an organizationally specific TLV (type 127) under the identifier 02-43-41: that is our group
 * address's first three bytes as an individual, locally administered address, so it collides with nobody's assigned
 * OUI. Its subtype 1 is eleven bytes: card, chassis, slot, and the eight of the card's uid.
 */
import { assert } from "../base/assert.ts";
import { cardCountMax, chassisCountMax, slotCountMax } from "../base/ids.ts";
import { uidBytes } from "../limits.ts";

/** The identifier of our organizationally specific TLV, and the subtype that names a card. */
export const lldpOrganization: Uint8Array = Uint8Array.of(0x02, 0x43, 0x41);
export const lldpCardSubtype = 1;

export type LldpAnnouncement = {
  /** The port's own address, six bytes. */
  readonly mac: Uint8Array;
  readonly interfaceName: string;
  readonly cardName: string;
  /** The name of the system that the card belongs to. */
  readonly systemName: string;
  readonly card: number;
  readonly chassis: number;
  readonly slot: number;
  readonly uid: Uint8Array;
  readonly software: string;
  /** How long a neighbour keeps what it reads here, in seconds; 0 takes it back at once. */
  readonly ttlS: number;
  /** Addresses at which the card is managed: 4 bytes for IPv4, 16 for IPv6. */
  readonly managementAddresses?: readonly Uint8Array[];
};

/** What an LLDP frame says, ours or another's; absent is what it does not say. */
export type LldpNeighbor = {
  readonly chassisId: LldpId;
  readonly portId: LldpId;
  readonly ttlS: number;
  readonly portDescription?: string;
  readonly systemName?: string;
  readonly systemDescription?: string;
  /** Bits as in IEEE 802.1AB table 8-4: what the system can be, and what of it is enabled. */
  readonly capabilities?: { readonly can: number; readonly enabled: number };
  readonly managementAddresses: readonly Uint8Array[];
  /** Our own TLV. */
  readonly cardinal?: { readonly card: number; readonly chassis: number; readonly slot: number; readonly uid: Uint8Array };
};
export type LldpId = { readonly subtype: number; readonly id: Uint8Array };

/**
 * Why bytes are no LLDP frame: `length` a TLV reaches over the end, or its value is too short or too long;
 * `order` the frame does not begin with chassis ID, port ID and time to live, or has one of them, or what may stand once, again.
 */
export type LldpMalformed = { readonly malformed: "length" | "order" };

const tlv = {
  end: 0,
  chassisId: 1,
  portId: 2,
  ttl: 3,
  portDescription: 4,
  systemName: 5,
  systemDescription: 6,
  capabilities: 7,
  managementAddress: 8,
  organization: 127,
} as const;

const macSubtype = 4;
const interfaceNameSubtype = 5;
/** The capability of an end system that forwards nothing. */
const stationOnly = 0x0080;
/** The address family numbers that LLDP uses (RFC 3232), by an address's length. */
const familyOf: Record<number, number> = { 4: 1, 16: 2 };
const interfaceUnknown = 1;
const textBytesMax = 255;

const toUtf8 = new TextEncoder();
const fromUtf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/** The payload of a card's LLDP frame; with `ttlS` 0 the short one that says goodbye (IEEE 802.1AB clause 9.1.2.5). */
export function encodeLldp(announcement: LldpAnnouncement): Uint8Array {
  const { mac, interfaceName, cardName, systemName, card, chassis, slot, uid, software, ttlS, managementAddresses = [] } = announcement;
  assert(mac.length === 6, `a MAC address has 6 bytes, not ${mac.length}`);
  assert(uid.length === uidBytes, `a uid has ${uidBytes} bytes, not ${uid.length}`);
  assert(Number.isInteger(ttlS) && ttlS >= 0 && ttlS <= 0xffff, `a time to live is 0 to 65535 s, not ${ttlS}`);
  const parts = [
    tlvOf(tlv.chassisId, macSubtype, ...mac),
    tlvOf(tlv.portId, interfaceNameSubtype, ...text(interfaceName)),
    tlvOf(tlv.ttl, ttlS >> 8, ttlS & 0xff),
  ];
  if (ttlS > 0) {
    parts.push(
      tlvOf(tlv.portDescription, ...text(`public link of card ${card} (chassis ${chassis}, slot ${slot})`)),
      tlvOf(tlv.systemName, ...text(cardName)),
      tlvOf(tlv.systemDescription, ...text(`Cardinal ${software}, card ${card} of system ${systemName}`)),
      tlvOf(tlv.capabilities, stationOnly >> 8, stationOnly & 0xff, stationOnly >> 8, stationOnly & 0xff),
      ...managementAddresses.map(managementTlv),
      tlvOf(tlv.organization, ...lldpOrganization, lldpCardSubtype, card, chassis, slot, ...uid),
    );
  }
  parts.push(tlvOf(tlv.end));
  return Uint8Array.from(parts.flat());
}

function tlvOf(type: number, ...value: number[]): number[] {
  return [(type << 1) | (value.length >> 8), value.length & 0xff, ...value];
}

/** The interface that the address is on, and what it is in a MIB, are left unknown: an address of ours moves between cards. */
function managementTlv(address: Uint8Array): number[] {
  const family = familyOf[address.length];
  assert(family !== undefined, `an address has 4 or 16 bytes, not ${address.length}`);
  return tlvOf(tlv.managementAddress, 1 + address.length, family, ...address, interfaceUnknown, 0, 0, 0, 0, 0);
}

/** UTF-8, cut to what fits without splitting a character. */
function text(value: string): Uint8Array {
  const { written } = toUtf8.encodeInto(value, scratch);
  return scratch.slice(0, written);
}
// A port ID has one byte less than a description, for its subtype.
const scratch = new Uint8Array(textBytesMax - 1);

/** What an LLDP frame's payload says, or why it is none. Never throws. What we do not know is passed over, as the standard wants. */
export function decodeLldp(bytes: Uint8Array): LldpNeighbor | LldpMalformed {
  let chassisId: LldpId | undefined;
  let portId: LldpId | undefined;
  let ttlS: number | undefined;
  const optional: { -readonly [Name in keyof LldpNeighbor]?: LldpNeighbor[Name] } = {};
  const managementAddresses: Uint8Array[] = [];

  let at = 0;
  for (let count = 0;; count++) {
    if (at + 2 > bytes.length) return { malformed: "length" };
    const type = (bytes[at] as number) >> 1;
    const length = (((bytes[at] as number) & 1) << 8) | (bytes[at + 1] as number);
    const start = at + 2;
    at = start + length;
    if (at > bytes.length) return { malformed: "length" };
    const value = bytes.subarray(start, at);
    const byte = (index: number) => value[index] as number;

    // The first three TLVs are these, in this order, and never come again.
    if ((count < 3 || (type >= tlv.chassisId && type <= tlv.ttl)) && type !== count + 1) return { malformed: "order" };
    switch (type) {
      case tlv.end:
        if (length !== 0) return { malformed: "length" };
        // What follows is the padding of a short Ethernet frame.
        return { ...optional, chassisId: chassisId as LldpId, portId: portId as LldpId, ttlS: ttlS as number, managementAddresses };
      case tlv.chassisId:
        if (length < 2 || length > 256) return { malformed: "length" };
        chassisId = idOf(value);
        break;
      case tlv.portId:
        if (length < 2 || length > 256) return { malformed: "length" };
        portId = idOf(value);
        break;
      case tlv.ttl:
        if (length < 2) return { malformed: "length" };
        ttlS = (byte(0) << 8) | byte(1);
        break;
      case tlv.portDescription:
      case tlv.systemName:
      case tlv.systemDescription: {
        if (length > textBytesMax) return { malformed: "length" };
        const name = type === tlv.portDescription ? "portDescription" : type === tlv.systemName ? "systemName" : "systemDescription";
        if (optional[name] !== undefined) return { malformed: "order" };
        optional[name] = fromUtf8.decode(value);
        break;
      }
      case tlv.capabilities:
        if (length < 4) return { malformed: "length" };
        if (optional.capabilities !== undefined) return { malformed: "order" };
        optional.capabilities = { can: (byte(0) << 8) | byte(1), enabled: (byte(2) << 8) | byte(3) };
        break;
      case tlv.managementAddress: {
        // Length of family and address, both, then at least interface subtype, number and the OID's length.
        if (length < 9 || byte(0) < 2 || byte(0) > 32 || byte(0) + 7 > length) return { malformed: "length" };
        const address = new Uint8Array(value.subarray(2, 1 + byte(0)));
        if (byte(1) === familyOf[address.length]) managementAddresses.push(address);
        break;
      }
      case tlv.organization:
        if (length < 4) return { malformed: "length" };
        if (!lldpOrganization.every((part, index) => part === byte(index)) || byte(3) !== lldpCardSubtype) break;
        if (length < 7 + uidBytes) return { malformed: "length" };
        if (byte(4) < 1 || byte(4) > cardCountMax || byte(5) < 1 || byte(5) > chassisCountMax || byte(6) < 1 || byte(6) > slotCountMax) {
          break;
        }
        optional.cardinal = { card: byte(4), chassis: byte(5), slot: byte(6), uid: new Uint8Array(value.subarray(7, 7 + uidBytes)) };
    }
  }
}

function idOf(value: Uint8Array): LldpId {
  return { subtype: value[0] as number, id: new Uint8Array(value.subarray(1)) };
}
