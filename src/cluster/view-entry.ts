/** The entry that opens an epoch: the view, and which of its cards know the state that follows from the order. */
import { assert } from "../base/assert.ts";
import { type CardId, isCardId } from "../base/ids.ts";
import { decodeCbor, encodeCbor } from "../wire/cbor.ts";
import type { Entry } from "../wire/message.ts";
import type { NodeView } from "./view.ts";

export type ViewEntry = { readonly view: NodeView; readonly whole: readonly CardId[] };

/** [number, coordinator, [card, incarnation, previous, ...], [ether...], [down...], [unknown...], [whole...]] */
export function entryOfView(origin: CardId, { view, whole }: ViewEntry): Entry {
  const absent = (state: "down" | "unknown") => view.absent.filter((card) => card.state === state).map(({ card }) => card);
  const body = encodeCbor([
    view.number,
    view.coordinator,
    view.members.flatMap(({ card, incarnation, previous }) => [card, incarnation, previous]),
    view.ether,
    absent("down"),
    absent("unknown"),
    whole,
  ]);
  return { type: "view", origin, id: 0, body };
}

/** Of an entry that a coordinator has put into the order; what a card of the system sends otherwise is a broken card. */
export function viewOfEntry(entry: Entry): ViewEntry {
  const read = readViewEntry(entry.body);
  assert(read !== undefined, "a view entry has the form that coordinators give it");
  return read;
}

/** `undefined` for bytes that are no view entry. */
export function readViewEntry(body: Uint8Array): ViewEntry | undefined {
  const items = decodeCbor(body);
  if (!Array.isArray(items)) return undefined;
  const [number, coordinator, triples, ether, down, unknown, whole] = items as unknown[];
  if (!isNumber(number) || !isCardId(coordinator) || !Array.isArray(triples) || triples.length % 3 !== 0) return undefined;
  if (!isCards(ether) || !isCards(down) || !isCards(unknown) || !isCards(whole)) return undefined;
  const members = [];
  for (let index = 0; index < triples.length; index += 3) {
    const [card, incarnation, previous] = triples.slice(index, index + 3) as unknown[];
    if (!isCardId(card) || !isNumber(incarnation) || !isNumber(previous)) return undefined;
    members.push({ card, incarnation, previous });
  }
  const absent = [
    ...down.map((card) => ({ card, state: "down" as const })),
    ...unknown.map((card) => ({ card, state: "unknown" as const })),
  ]
    .sort((a, b) => a.card - b.card);
  return { view: { number, coordinator, members, ether, absent }, whole };
}

function isNumber(value: unknown): value is number {
  return typeof value === "number" && value >= 0;
}

function isCards(value: unknown): value is CardId[] {
  return Array.isArray(value) && value.every(isCardId);
}
