/**
 * Where the log goes: a descriptor whose reader may be slow, stopped or gone. A card does not miss a heartbeat for the
 * sake of its log, so a line that cannot be written at once is not written at all.
 */
import { constants, fstatSync, openSync, writeSync } from "node:fs";

/** A pipe takes so much as a whole or not at all (PIPE_BUF of Linux). Of a larger piece Deno does not tell how much went before the pipe was full. */
const pieceBytes = 4_096;

/** Takes a line, newline included; false when it was lost. A line is never lost in part. */
export type LineOutput = (line: string) => boolean;

export function lineOutput(descriptor: number): LineOutput {
  const file = unblocked(descriptor);
  const encoder = new TextEncoder();
  /** What a full pipe left of a line; it goes first, so that lines stay whole. */
  let rest = new Uint8Array(0);

  /** Writes what can be written of `rest`. */
  const flush = () => {
    try {
      while (rest.length > 0) rest = rest.subarray(writeSync(file, rest.subarray(0, pieceBytes)));
    } catch {
      // Full (EAGAIN), or without a reader (EPIPE): either may be over at the next line.
    }
  };

  return (line) => {
    flush();
    if (rest.length > 0) return false;
    const bytes = encoder.encode(line);
    rest = bytes;
    flush();
    if (rest.length < bytes.length) return true;
    rest = new Uint8Array(0);
    return false;
  };
}

/**
 * A handle on the same pipe or terminal that never waits. The flag belongs to an open handle, which others may share,
 * so it takes one of our own; what cannot be opened again, as a socket, and files, which do not wait, are used as they are.
 */
function unblocked(descriptor: number): number {
  try {
    const stat = fstatSync(descriptor);
    if (!stat.isFIFO() && !stat.isCharacterDevice()) return descriptor;
    return openSync(`/proc/self/fd/${descriptor}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch {
    return descriptor;
  }
}
