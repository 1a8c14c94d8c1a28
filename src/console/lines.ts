/** Cuts bytes that come in pieces into lines. The bytes of a line are kept as they are; only its newline is left out. */
import { joinedBytes } from "../base/bytes.ts";

export type Line = {
  /** From 1. */
  readonly number: number;
  readonly data: Uint8Array;
  /** It is longer than the bound: this is its beginning. */
  readonly isCut: boolean;
};

const newline = 0x0a;

/** What follows the last newline is a line when it is not empty. Of each line at most `bytesMax` bytes are kept. */
export async function* linesOf(pieces: AsyncIterable<Uint8Array>, bytesMax: number): AsyncGenerator<Line, void, undefined> {
  let number = 0;
  let kept: Uint8Array[] = [];
  let keptBytes = 0;
  let length = 0;
  const keep = (piece: Uint8Array) => {
    length += piece.length;
    const part = piece.subarray(0, bytesMax - keptBytes);
    if (part.length === 0) return;
    kept.push(part);
    keptBytes += part.length;
  };
  const finish = (): Line => {
    const line = { number: ++number, data: joinedBytes(kept), isCut: length > keptBytes };
    kept = [];
    keptBytes = 0;
    length = 0;
    return line;
  };
  for await (const piece of pieces) {
    let at = 0;
    for (let end = piece.indexOf(newline); end >= 0; end = piece.indexOf(newline, at)) {
      keep(piece.subarray(at, end));
      at = end + 1;
      yield finish();
    }
    keep(piece.subarray(at));
  }
  if (length > 0) yield finish();
}
