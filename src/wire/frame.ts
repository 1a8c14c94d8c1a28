/**
 * A frame is a CBOR sequence (RFC 8742) of two items: the envelope, an array of eight or more, and the authentication
 * tag, a byte string. The tag stands at a fixed distance from the end, so it is proven before a single byte of
 * the envelope is interpreted: nothing unauthenticated reaches the CBOR decoder. For the same reason a frame that
 * Ethernet would pad is padded here, inside the envelope and under the tag: its ninth item is that padding.
 */
import { type Address, everybody, isCardId, type LinkKind, multiplexor, type SenderId } from "../base/ids.ts";
import { etherFrameBytesMax, incarnationMax, sequenceMax } from "../limits.ts";
import { type Keyring, tagBytesOf } from "./auth.ts";
import { bodyOf, kindNumbers, kindOfNumber, messageOf } from "./body.ts";
import { type Cbor, decodeCbor, encodeCbor } from "./cbor.ts";
import type { Message } from "./message.ts";
import { serialPlainBytesMax } from "./serial.ts";
import { packVersions, unpackVersions, versionsMeet, wireVersions } from "./version.ts";

/** Who sends, to whom, and the numbers that keep an old frame from passing for a new one. */
export type Envelope = {
  /** The system's number, 16 bits, from its name. */
  readonly system: number;
  readonly from: SenderId;
  readonly to: Address;
  /** Grows with each start of the sender, 32 bits. */
  readonly incarnation: number;
  /** Grows with each frame of this incarnation on this link. */
  readonly sequence: number;
};

export type Frame = Envelope & { readonly message: Message };

/**
 * Why bytes are not a frame for us. `crc` and `framing` come from the serial line's framing, the rest from here:
 * `length` too short or too long, `tag` made with another key or damaged, `cbor` and `shape` authentic but not understood,
 * `version` written for other readers, `system` another system with the same key, `kind` a message that we do not know.
 */
export type MalformedReason = "crc" | "framing" | "length" | "tag" | "cbor" | "shape" | "version" | "system" | "kind";
export const malformedReasons: readonly MalformedReason[] = [
  "crc",
  "framing",
  "length",
  "tag",
  "cbor",
  "shape",
  "version",
  "system",
  "kind",
];
export type Malformed = { readonly malformed: MalformedReason };

/** The largest frame of each link: on Ethernet what a standard MTU holds, on serial what its framing leaves. */
export const frameBytesMax: Record<LinkKind, number> = { ether: etherFrameBytesMax, serial: serialPlainBytesMax };

/** Ethernet's shortest payload (IEEE 802.3): an interface fills up what is shorter, and the receiver cannot tell by how much. */
const etherPayloadBytesMin = 46;

/** The bytes of a frame for `link`, tag included. */
export function encodeFrame(link: LinkKind, keyring: Keyring, frame: Frame): Uint8Array {
  const items: Cbor[] = [
    packVersions(wireVersions),
    frame.system,
    frame.from,
    frame.to,
    frame.incarnation,
    frame.sequence,
    kindNumbers[frame.message.kind],
    bodyOf(frame.message),
  ];
  const tagBytes = tagBytesOf(link);
  const plain = encodeCbor(items, 0, 1 + tagBytes);
  const bytes = link === "ether" && plain.length < etherPayloadBytesMin ? padded(plain, plain.length - tagBytes - 1) : plain;
  const end = bytes.length - tagBytes - 1;
  bytes[end] = 0x40 | tagBytes;
  bytes.set(keyring.sign(link, bytes.subarray(0, end)), end + 1);
  return bytes;
}

/** A frame with `end` bytes of envelope, and a ninth item that fills it up to Ethernet's shortest payload, before there is a tag. */
function padded(plain: Uint8Array, end: number): Uint8Array {
  const bytes = new Uint8Array(etherPayloadBytesMin);
  for (let index = 1; index < end; index++) bytes[index] = plain[index] as number;
  bytes[0] = 0x80 | 9;
  bytes[end] = 0x40 | (etherPayloadBytesMin - plain.length - 1);
  return bytes;
}

/** The frame in `bytes`, of which it may keep parts, or why there is none. Never throws, whatever the bytes are. */
export function decodeFrame(link: LinkKind, keyring: Keyring, system: number, bytes: Uint8Array): Frame | Malformed {
  const tagBytes = tagBytesOf(link);
  const end = bytes.length - tagBytes - 1;
  if (end < 1 || bytes.length > frameBytesMax[link] || bytes[end] !== (0x40 | tagBytes)) return { malformed: "length" };
  const envelope = bytes.subarray(0, end);
  if (!keyring.accepts(link, envelope, bytes.subarray(end + 1))) return { malformed: "tag" };

  const items = decodeCbor(envelope, "shared");
  if (!Array.isArray(items)) return { malformed: "cbor" };
  const [versions, inSystem, from, to, incarnation, sequence, kindNumber, body] = items as unknown[];
  if (!isWithin(versions, 0xff) || !versionsMeet(wireVersions, unpackVersions(versions))) return { malformed: "version" };
  if (inSystem !== system) return { malformed: "system" };
  if (!isSender(from) || !isAddress(to)) return { malformed: "shape" };
  if (!isWithin(incarnation, incarnationMax) || !isWithin(sequence, sequenceMax)) return { malformed: "shape" };
  const kind = kindOfNumber(kindNumber);
  if (kind === undefined) return { malformed: "kind" };
  const message = messageOf(kind, body);
  if (message === undefined) return { malformed: "shape" };
  return { system, from, to, incarnation, sequence, message };
}

export function isMalformed(decoded: Frame | Malformed): decoded is Malformed {
  return "malformed" in decoded;
}

function isSender(value: unknown): value is SenderId {
  return isCardId(value) || value === multiplexor;
}

function isAddress(value: unknown): value is Address {
  return value === everybody || isSender(value);
}

function isWithin(value: unknown, max: number): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= max;
}
