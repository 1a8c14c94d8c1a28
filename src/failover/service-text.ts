/**
 * Values with maps in them as text, and back: JSON, in which a map is an object with the one key "$map" and an endless instant is "$ever". Keys
 * are sorted, so that equal values of one program have equal texts: a digest of what is agreed on is that of its text.
 */

/** Throws nothing for what decisions are made of: plain objects, lists, maps, texts, numbers, flags. What is undefined is left out. */
export function packText(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) => {
    if (item === Infinity) return { $ever: 1 };
    if (!(item instanceof Map)) return isPlain(item) ? Object.fromEntries(Object.entries(item).sort(byKey)) : item;
    const entries = [...item as Map<string | number, unknown>];
    return { $map: entries.sort(byKey) };
  });
}

function isPlain(item: unknown): item is Readonly<Record<string, unknown>> {
  return typeof item === "object" && item !== null && !Array.isArray(item);
}

function byKey([a]: readonly [string | number, unknown], [b]: readonly [string | number, unknown]): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** `undefined` for what is no such text. Whoever takes the value proves its form. */
export function unpackText(text: string): unknown {
  try {
    return JSON.parse(text, (_key, item: unknown) => {
      if (typeof item !== "object" || item === null) return item;
      if ("$ever" in item) return Infinity;
      return "$map" in item && Array.isArray(item.$map) ? new Map(item.$map as [string | number, unknown][]) : item;
    });
  } catch {
    return undefined;
  }
}

/** A text in pieces of so many bytes of UTF-8. There is always one. */
export function piecesOf(text: string, bytesMax: number): Uint8Array[] {
  const bytes = new TextEncoder().encode(text);
  const count = Math.max(1, Math.ceil(bytes.length / bytesMax));
  return Array.from({ length: count }, (_, index) => bytes.slice(index * bytesMax, (index + 1) * bytesMax));
}

export function textOfPieces(pieces: readonly Uint8Array[]): string {
  const bytes = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return new TextDecoder().decode(bytes);
}
