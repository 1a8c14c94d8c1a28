/**
 * How often a card may speak on the serial bus. The bus repeats every card to all others, so what one card may
 * use follows from how many share the line: heartbeats of all together keep within `serialHeartbeatLoadMax` of
 * it, adverts within `serialAdvertLoadMax`, and the rest stays free for what cannot wait (HA-2).
 */
import {
  advertPeriodMs,
  serialAdvertBytes,
  serialAdvertLoadMax,
  serialBitsPerByte,
  serialEchoBytes,
  serialHeartbeatBytesMax,
  serialHeartbeatLoadMax,
} from "../limits.ts";

/** Milliseconds that `bytes` take on a line of `baud` bits per second. */
export function serialMs(bytes: number, baud: number): number {
  return (bytes * serialBitsPerByte * 1_000) / baud;
}

/** The shortest heartbeat period in milliseconds that `cards` cards may keep on a line of `baud` bits per second. */
export function serialHeartbeatFloorMs(cards: number, baud: number): number {
  return Math.ceil((cards * serialMs(serialHeartbeatBytesMax, baud)) / serialHeartbeatLoadMax);
}

/** The period of the adverts in milliseconds: as on Ethernet, or longer where the line asks for it. */
export function serialAdvertPeriodMs(cards: number, baud: number): number {
  const bytes = serialAdvertBytes + cards * serialEchoBytes;
  return Math.max(advertPeriodMs, Math.ceil((cards * serialMs(bytes, baud)) / serialAdvertLoadMax));
}
