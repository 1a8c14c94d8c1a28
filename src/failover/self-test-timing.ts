/** How long the receipt of a self-test may take: a few frame times of the link, and the delay of the program that is asked (FS-8). */
import type { LinkKind } from "../base/ids.ts";
import { selfTestDelayMs, selfTestFrameBytes, selfTestFrames, serialBitsPerByte } from "../limits.ts";

/** Milliseconds on each link, with a serial line of `baud` bits per second. */
export function selfTestAnswerMs(baud: number): Readonly<Record<LinkKind, number>> {
  const frameMs = (selfTestFrameBytes * serialBitsPerByte * 1_000) / baud;
  return { ether: selfTestDelayMs, serial: selfTestFrames * frameMs + selfTestDelayMs };
}
