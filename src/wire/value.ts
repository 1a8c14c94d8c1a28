/** The values of bodies, and what proves one before it is believed. */
import { sequenceMax } from "../limits.ts";

export type Value = number | string | Uint8Array | Value[];

export function isCount(value: unknown, max: number): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= max;
}

export function isSequence(value: unknown): value is number {
  return isCount(value, sequenceMax);
}

export function isBytes(value: unknown, min: number, max: number): value is Uint8Array {
  return value instanceof Uint8Array && value.length >= min && value.length <= max;
}

/** The items of a list that is not too long and of which each is what it should be, in groups of so many. */
export function groupsOf<Item>(
  values: unknown,
  size: number,
  min: number,
  max: number,
  read: (group: readonly unknown[]) => Item | undefined,
): Item[] | undefined {
  if (!Array.isArray(values) || values.length % size !== 0 || values.length < min * size || values.length > max * size) return undefined;
  const items: Item[] = [];
  for (let index = 0; index < values.length; index += size) {
    const item = read(values.slice(index, index + size) as unknown[]);
    if (item === undefined) return undefined;
    items.push(item);
  }
  return items;
}

/** What is for people is cut to what fits rather than refused. */
export function textWithin(text: string, bytesMax: number): string {
  const bytes = new Uint8Array(bytesMax);
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes.subarray(0, new TextEncoder().encodeInto(text, bytes).written));
}

export function isText(value: unknown, bytesMax: number): value is string {
  // One UTF-16 unit is one to three bytes of UTF-8; the exact count is only taken where it can matter.
  if (typeof value !== "string" || value.length > bytesMax) return false;
  return value.length * 3 <= bytesMax || new TextEncoder().encode(value).length <= bytesMax;
}
