/**
 * What stands in a leg's superblock, and in each card's note of a device: what was agreed on about the device when it was written, and of a leg what it holds. JSON text
 * that only grows; what is not of this form is `undefined`.
 */
import type { LegId } from "./blocks.ts";
import { type Chain, type Copy, type Generation, isGeneration, type Since } from "./generation.ts";

/** What must outlive every card: of two of these the one with the higher term, then revision, is the later. */
export type DeviceMemory = Chain & {
  readonly term: number;
  readonly revision: number;
  readonly inSync: readonly LegId[];
};

export type LegState = DeviceMemory & Copy & {
  /** Something may have been acknowledged in its current generation; until then it counts as one of the generation before. */
  readonly acknowledged: boolean;
};

export function isLaterMemory(a: DeviceMemory, b: DeviceMemory | undefined): boolean {
  return b === undefined || a.term > b.term || (a.term === b.term && a.revision > b.revision);
}

export function encodeLegState(state: LegState): Uint8Array {
  return new TextEncoder().encode(
    JSON.stringify({ ...textOf(state), leg: state.leg, consistent: state.consistent, acknowledged: state.acknowledged }),
  );
}

export function decodeLegState(bytes: Uint8Array): LegState | undefined {
  try {
    return legStateOf(JSON.parse(new TextDecoder().decode(bytes)));
  } catch {
    return undefined;
  }
}

export function legStateOf(value: unknown): LegState | undefined {
  const memory = memoryOf(value);
  if (memory === undefined) return undefined;
  const { leg, consistent, acknowledged } = value as Partial<Record<"leg" | "consistent" | "acknowledged", unknown>>;
  return typeof leg === "string" && typeof consistent === "boolean"
    ? { ...memory, leg, consistent, acknowledged: acknowledged !== false }
    : undefined;
}

/** As JSON takes it. */
export function textOf({ term, revision, inSync, current, since, history }: DeviceMemory): Readonly<Record<string, unknown>> {
  return {
    term,
    revision,
    inSync: [...inSync].sort(),
    current,
    since: [...since].sort(([a], [b]) => a < b ? -1 : 1).map(([leg, { generation, full }]) => [leg, generation, full]),
    history,
  };
}

export function memoryOf(value: unknown): DeviceMemory | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { term, revision, inSync, current, since, history } = value as Readonly<Record<string, unknown>>;
  if (!isCount(term) || !isCount(revision) || !isGeneration(current)) return undefined;
  if (!areAll(inSync, isText) || !areAll(history, isGeneration) || !areAll(since, isSince)) return undefined;
  const map = new Map<LegId, Since>(since.map(([leg, generation, full]) => [leg, { generation, full }]));
  return { term, revision, inSync, current, since: map, history };
}

function areAll<Item>(value: unknown, is: (item: unknown) => item is Item): value is Item[] {
  return Array.isArray(value) && value.every(is);
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

function isSince(value: unknown): value is readonly [LegId, Generation, boolean] {
  return Array.isArray(value) && value.length === 3 && isText(value[0]) && isGeneration(value[1]) && typeof value[2] === "boolean";
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
