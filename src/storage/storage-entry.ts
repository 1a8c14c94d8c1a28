/** The bytes of what the storage services put into the order: text of values with maps. A body that is not of the form of its kind is `undefined` for every card alike. */
import { packText, unpackText } from "../failover/service-text.ts";
import { storagePiecesMax } from "../limits.ts";
import { isGeneration } from "./generation.ts";
import { legStateOf, memoryOf, textOf } from "./leg-state.ts";
import type { Announcement } from "./storage-state.ts";
import type { LegSeen, StorageEntry } from "./storage-types.ts";

export function encodeStorageEntry(entry: StorageEntry): Uint8Array {
  return new TextEncoder().encode(packText(entry));
}

export function decodeStorageEntry(bytes: Uint8Array): StorageEntry | undefined {
  const value = unpackText(new TextDecoder().decode(bytes));
  return isShape(value) && isCount(value.of) ? bodyOf(value) : undefined;
}

type Shape = Readonly<Record<string, unknown>>;

/** What is missing because it is undefined is put back, so that equal entries are equal values. */
function bodyOf(value: Shape): StorageEntry | undefined {
  const is = (...checks: readonly boolean[]) => checks.every(Boolean) ? value as StorageEntry : undefined;
  const { device, leg, term } = value;
  const isOfLeg = isName(device) && isName(leg);
  switch (value.kind) {
    case "announce":
      return is(isPiece(value));
    case "state":
      return is(isPiece(value), isCount(value.asOf), isCount(value.begins));
    case "define": {
      const { place, definition } = value;
      if (!isName(device) || !isShape(place) || !isCount(place.epoch) || !isCount(place.sequence)) return undefined;
      return definition === undefined || isDefinition(definition) ? { ...value, definition } as StorageEntry : undefined;
    }
    case "access": {
      const seen = value.seen === undefined ? undefined : seenOf(value.seen);
      return isOfLeg && typeof value.why === "string" && (value.seen === undefined || seen !== undefined)
        ? { ...value, seen } as StorageEntry
        : undefined;
    }
    case "claim":
      return is(isOfLeg, isCount(term), isGeneration(value.generation));
    case "ready": {
      const state = legStateOf(textOfState(value.state));
      return isOfLeg && isCount(term) && state !== undefined ? { ...value, state } as StorageEntry : undefined;
    }
    case "out":
      return is(isName(device), isCount(term), Array.isArray(value.legs) && value.legs.every(isName), isGeneration(value.generation));
    case "in":
      return is(isOfLeg, isCount(term));
    case "full":
      return is(isOfLeg, isCount(term), isGeneration(value.generation));
    case "kept":
      return is(isName(device), isCount(value.revision), typeof value.failed === "boolean");
    case "released":
      return is(isOfLeg);
    case "data":
      return is(isOfLeg, typeof value.text === "string");
    case "operate": {
      const { order } = value;
      return is(isCount(value.id), isGeneration(value.generation), isShape(order) && isName(order.device) && isOrder(order));
    }
    default:
      return undefined;
  }
}

function isOrder({ verb, leg }: Shape): boolean {
  return verb === "assume" || ((verb === "resolve" || verb === "force") && isName(leg));
}

function isDefinition(value: unknown): boolean {
  if (!isShape(value) || (value.kind !== "storage" && value.kind !== "imaging") || !isShape(value.policy)) return false;
  return Array.isArray(value.legs) && value.legs.every((leg: unknown) => isShape(leg) && isName(leg.leg) && leg.paths instanceof Map);
}

function seenOf(value: unknown): LegSeen | undefined {
  if (!isShape(value)) return undefined;
  const { bytes, blockBytes, foreign, clean } = value;
  if (!isCount(bytes) || !isCount(blockBytes) || typeof foreign !== "boolean" || typeof clean !== "boolean") return undefined;
  const state = value.state === undefined ? undefined : legStateOf(textOfState(value.state));
  return value.state !== undefined && state === undefined ? undefined : { bytes, blockBytes, foreign, clean, state };
}

/** A leg's state travels with a map; its form is proven where superblocks are read. */
function textOfState(value: unknown): unknown {
  if (!isShape(value) || !(value.since instanceof Map)) return undefined;
  const since = [...value.since as Map<string, unknown>].map(([leg, item]) =>
    isShape(item) ? [leg, item.generation, item.full] : undefined
  );
  return { ...value, since };
}

/** Notes and what is held, as an announcement carries them in pieces. */
export function announcementText({ notes, holds }: Announcement): string {
  return packText({
    notes: notes === undefined ? undefined : new Map([...notes].map(([device, memory]) => [device, textOf(memory)])),
    holds,
  });
}

export function announcementOf(text: string): Announcement | undefined {
  const value = unpackText(text);
  if (!isShape(value) || !(value.holds instanceof Map)) return undefined;
  const holds = value.holds as Announcement["holds"];
  if (!(value.notes instanceof Map)) return { notes: undefined, holds };
  const notes = [...value.notes as Map<string, unknown>].flatMap(([device, item]) => {
    const memory = memoryOf(item);
    return memory === undefined ? [] : [[device, memory] as const];
  });
  return { notes: new Map(notes), holds };
}

function isPiece({ index, count, data }: Shape): boolean {
  return isCount(count) && count > 0 && count <= storagePiecesMax && isCount(index) && index < count && typeof data === "string";
}

function isShape(value: unknown): value is Shape {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Map);
}

function isName(value: unknown): value is string {
  return typeof value === "string" && value.length > 0 && value.length <= 32;
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
