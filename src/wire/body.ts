/**
 * Bodies of messages to and from CBOR values, field by field as `wire.cddl` lists them. A decoder proves every
 * field before it believes it; it gives `undefined` for a body of a wrong shape and never throws.
 */
import { unreachable } from "../base/assert.ts";
import { isCardId, slotCountMax } from "../base/ids.ts";
import { cardCountMax } from "../base/ids.ts";
import { fragmentCountMax, incarnationMax, nameBytesMax, softwareBytesMax, uidBytes } from "../limits.ts";
import type { Advert, Echo, Message, MessageKind } from "./message.ts";

/** The number of each kind on the wire. Numbers are never used again for something else. */
export const kindNumbers: Record<MessageKind, number> = {
  heartbeat: 1,
  advert: 2,
  bye: 3,
  stale: 4,
  fragment: 5,
  muxReset: 16,
  muxReceipt: 17,
  muxPower: 18,
};

const kindsByNumber = new Map(Object.entries(kindNumbers).map(([kind, number]) => [number, kind as MessageKind]));
export function kindOfNumber(number: unknown): MessageKind | undefined {
  return kindsByNumber.get(number as number);
}

const byeReasons = ["stop", "restart", "maintenance", "upgrade"] as const;
const resetOutcomes = ["reset", "off", "absent", "failed"] as const;

type Value = number | string | Uint8Array | Value[];

/** The CBOR value of a message's body. */
export function bodyOf(message: Message): Value[] {
  switch (message.kind) {
    case "heartbeat":
      return [(message.etherPort ? 1 : 0) | (message.serialPort ? 2 : 0), message.serialTicks, message.etherTicks];
    case "advert":
      return [
        message.uid,
        message.name,
        message.nonce,
        message.echoes.flatMap((echo) => [echo.card, echo.nonce]),
        message.etherPeriodMs,
        message.serialPeriodMs,
        message.wireMin,
        message.wireMax,
        message.software,
      ];
    case "bye":
      return [byeReasons.indexOf(message.reason)];
    case "stale":
      return [message.card, message.incarnation];
    case "fragment":
      return [message.id, message.index, message.count, message.data];
    case "muxReset":
      return [message.id, message.slot];
    case "muxReceipt":
      return [message.id, message.slot, resetOutcomes.indexOf(message.outcome)];
    case "muxPower":
      return [message.powered];
    default:
      return unreachable(message);
  }
}

/** The message of a kind and a decoded CBOR body, or `undefined` when the body has not that kind's shape. */
export function messageOf(kind: MessageKind, body: unknown): Message | undefined {
  if (!Array.isArray(body)) return undefined;
  const [a, b, c, d] = body as unknown[];
  switch (kind) {
    case "heartbeat":
      if (!isCount(a, 0xff) || !isBytes(b, 0, 8) || !isBytes(c, 0, 8)) return undefined;
      return { kind, etherPort: (a & 1) === 1, serialPort: (a & 2) === 2, serialTicks: b, etherTicks: c };
    case "advert":
      return advertOf(body);
    case "bye": {
      const reason = isCount(a, byeReasons.length - 1) ? byeReasons[a] : undefined;
      return reason === undefined ? undefined : { kind, reason };
    }
    case "stale":
      return isCardId(a) && isCount(b, incarnationMax) ? { kind, card: a, incarnation: b } : undefined;
    case "fragment":
      if (!isCount(a, 0xffffffff) || !isCount(c, fragmentCountMax) || !isCount(b, c - 1) || !isBytes(d, 1, 0xffff)) return undefined;
      return { kind, id: a, index: b, count: c, data: d };
    case "muxReset":
      return isCount(a, 0xffffffff) && isSlot(b) ? { kind, id: a, slot: b } : undefined;
    case "muxReceipt": {
      const outcome = isCount(c, resetOutcomes.length - 1) ? resetOutcomes[c] : undefined;
      return isCount(a, 0xffffffff) && isSlot(b) && outcome !== undefined ? { kind, id: a, slot: b, outcome } : undefined;
    }
    case "muxPower":
      return isCount(a, 0xff) ? { kind, powered: a } : undefined;
    default:
      return unreachable(kind);
  }
}

function advertOf(body: unknown[]): Advert | undefined {
  const [uid, name, nonce, pairs, etherPeriodMs, serialPeriodMs, wireMin, wireMax, software] = body;
  if (!isBytes(uid, uidBytes, uidBytes) || !isText(name, nameBytesMax) || !isCount(nonce, 0xffffffff)) return undefined;
  if (!isCount(etherPeriodMs, 60_000) || !isCount(serialPeriodMs, 60_000) || etherPeriodMs < 1 || serialPeriodMs < 1) return undefined;
  if (!isCount(wireMin, 15) || !isCount(wireMax, 15) || wireMin > wireMax || !isText(software, softwareBytesMax)) return undefined;
  const echoes = echoesOf(pairs);
  if (echoes === undefined) return undefined;
  return { kind: "advert", uid, name, nonce, echoes, etherPeriodMs, serialPeriodMs, wireMin, wireMax, software };
}

function echoesOf(pairs: unknown): Echo[] | undefined {
  if (!Array.isArray(pairs) || pairs.length % 2 !== 0 || pairs.length > 2 * cardCountMax) return undefined;
  const echoes: Echo[] = [];
  for (let index = 0; index < pairs.length; index += 2) {
    const card: unknown = pairs[index];
    const nonce: unknown = pairs[index + 1];
    if (!isCardId(card) || !isCount(nonce, 0xffffffff)) return undefined;
    echoes.push({ card, nonce });
  }
  return echoes;
}

function isCount(value: unknown, max: number): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= max;
}

function isSlot(value: unknown): value is number {
  return isCount(value, slotCountMax) && value >= 1;
}

function isBytes(value: unknown, min: number, max: number): value is Uint8Array {
  return value instanceof Uint8Array && value.length >= min && value.length <= max;
}

function isText(value: unknown, bytesMax: number): value is string {
  // One UTF-16 unit is one to three bytes of UTF-8; the exact count is only taken where it can matter.
  if (typeof value !== "string" || value.length > bytesMax) return false;
  return value.length * 3 <= bytesMax || new TextEncoder().encode(value).length <= bytesMax;
}
