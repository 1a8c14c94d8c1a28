/**
 * What the storage services of all cards agree on, as it is after a place in the order: devices, and which cards know all this. Pure: `apply`, `onView` and nothing else change it,
 * and what they do is a function of the state and of what was ordered.
 *
 * Who joins announces itself; the lowest card that knows gives it all, as of a place behind the announcement. When nobody knows, the lowest of those that have announced themselves
 * begins with what they have in their notes.
 */
import type { CardId } from "../base/ids.ts";
import type { NodeView } from "../cluster/view.ts";
import { packText, unpackText } from "../failover/service-text.ts";
import type { DeviceId, LegId } from "./blocks.ts";
import { applyEntry, applyOrder, applyView, type DeviceAgreed, newDevice, onHolds, redefine } from "./device-state.ts";
import { type DeviceMemory, isLaterMemory } from "./leg-state.ts";
import { isGone, type LegAgreed, newLeg } from "./primary-backup.ts";
import { announcementOf } from "./storage-entry.ts";
import type { DefinitionPlace, DeviceDefinition, StorageEntry } from "./storage-types.ts";

export type Notes = ReadonlyMap<DeviceId, DeviceMemory>;

/** As it travels: unknown sets of cards are lists. */
type Travelled = {
  readonly beginning: number;
  readonly view: NodeView | undefined;
  readonly areNotesWhole: boolean;
  readonly notes: Notes;
  readonly knowing: ReadonlyMap<CardId, number>;
  readonly announced: ReadonlyMap<CardId, number>;
  readonly holds: ReadonlyMap<CardId, Holds>;
  readonly silent: readonly CardId[];
  readonly pieces: ReadonlyMap<CardId, readonly string[]>;
  readonly devices: readonly Readonly<Record<string, unknown>>[];
};

/** The legs of each device. */
export type Holds = ReadonlyMap<DeviceId, readonly LegId[]>;
/** What a card that announces itself remembers of earlier runs, undefined if it never kept anything; and what this run of it has open. */
export type Announcement = { readonly notes: Notes | undefined; readonly holds: Holds };

export class StorageState {
  #beginning = 0;
  #areNotesWhole = false;
  #notes: Notes = new Map();
  #view: NodeView | undefined;
  /** Cards that know all this, each with its incarnation; and those that have announced themselves since they were last given it, with the place of that. */
  #knowing = new Map<CardId, number>();
  #announced = new Map<CardId, number>();
  /** What cards had open when all began; and the cards of which that is not known. */
  #holds = new Map<CardId, Holds>();
  #silent = new Set<CardId>();
  /** Announcements of which some pieces have come. */
  #pieces = new Map<CardId, readonly string[]>();
  readonly #devices = new Map<DeviceId, DeviceAgreed>();

  /** All begins anew with the notes of these cards; undefined: a card that has none. */
  static begin(beginning: number, view: NodeView, announced: ReadonlyMap<CardId, Announcement>): StorageState {
    const state = new StorageState();
    state.#beginning = beginning;
    state.#view = view;
    const latest = new Map<DeviceId, DeviceMemory>();
    for (const [card, { notes, holds }] of [...announced].sort(([a], [b]) => a - b)) {
      for (const [device, memory] of notes ?? []) if (isLaterMemory(memory, latest.get(device))) latest.set(device, memory);
      state.#holds.set(card, holds);
    }
    state.#notes = latest;
    const cards = [...view.members, ...view.absent];
    for (const { card } of cards) if (!announced.has(card)) state.#silent.add(card);
    for (const { card, state: known } of view.absent) if (known === "down") state.#silent.delete(card);
    state.#areNotesWhole = 2 * [...announced.values()].filter(({ notes }) => notes !== undefined).length > cards.length;
    return state;
  }

  static fromText(text: string): StorageState | undefined {
    const travelled = unpackText(text) as Travelled | undefined;
    if (!Array.isArray(travelled?.devices)) return undefined;
    const state = new StorageState();
    state.#beginning = travelled.beginning;
    state.#view = travelled.view;
    state.#areNotesWhole = travelled.areNotesWhole;
    state.#notes = travelled.notes;
    state.#knowing = new Map(travelled.knowing);
    state.#announced = new Map(travelled.announced);
    state.#holds = new Map(travelled.holds);
    state.#silent = new Set(travelled.silent);
    state.#pieces = new Map(travelled.pieces);
    for (const device of travelled.devices) {
      const known = deviceFrom(device);
      state.#devices.set(known.device, known);
    }
    return state;
  }

  text(): string {
    const devices = [...this.#devices].sort(([a], [b]) => a < b ? -1 : 1).map(([, device]) => travelledOf(device));
    const travelled: Travelled = {
      beginning: this.#beginning,
      view: this.#view,
      areNotesWhole: this.#areNotesWhole,
      notes: this.#notes,
      knowing: this.#knowing,
      announced: this.#announced,
      holds: this.#holds,
      silent: [...this.#silent].sort(),
      pieces: this.#pieces,
      devices,
    };
    return packText(travelled);
  }

  get beginning(): number {
    return this.#beginning;
  }

  get view(): NodeView | undefined {
    return this.#view;
  }

  get devices(): ReadonlyMap<DeviceId, DeviceAgreed> {
    return this.#devices;
  }

  /** Where the card announced itself that waits longest for being given all this. */
  get isGivingDue(): boolean {
    return this.#announced.size > 0;
  }

  /** The cards that order messages and know all this, lowest first. */
  speakers(): CardId[] {
    const view = this.#view;
    if (view === undefined) return [];
    return view.ether.filter((card) =>
      view.members.some((member) => member.card === card && this.#knowing.get(card) === member.incarnation)
    );
  }

  onView(view: NodeView): void {
    this.#view = view;
    for (const [card, incarnation] of this.#knowing) if (isGone(view, { card, incarnation })) this.#knowing.delete(card);
    for (const card of this.#announced.keys()) if (!view.ether.includes(card)) this.#announced.delete(card);
    for (const { card, state } of view.absent) if (state === "down") this.#onHolds(card, new Map());
    for (const device of this.#devices.values()) applyView(device, view);
  }

  /** What a card says that it has open, with the last piece of its announcement. */
  #holdsIn(card: CardId, { index, count, data }: Extract<StorageEntry, { kind: "announce" }>): Holds | undefined {
    const before = this.#pieces.get(card) ?? [];
    if (index > 0 && before.length !== index) return undefined;
    const pieces = index === 0 ? [data] : [...before, data];
    this.#pieces.set(card, pieces);
    if (index < count - 1) return undefined;
    this.#pieces.delete(card);
    return announcementOf(pieces.join(""))?.holds;
  }

  /** What this card has open from before is known. */
  #onHolds(card: CardId, holds: Holds): void {
    this.#silent.delete(card);
    this.#holds.set(card, holds);
    const view = this.#view;
    for (const [name, device] of this.#devices) if (view !== undefined) onHolds(device, view, card, holds.get(name) ?? []);
  }

  onGiven(asOf: number): void {
    for (const [card, sequence] of this.#announced) {
      const member = this.#view?.members.find((each) => each.card === card);
      if (sequence > asOf || member === undefined) continue;
      this.#announced.delete(card);
      this.#knowing.set(card, member.incarnation);
    }
  }

  /** These know it: all began with them. */
  knownBy(cards: readonly CardId[]): void {
    for (const { card, incarnation } of this.#view?.members ?? []) if (cards.includes(card)) this.#knowing.set(card, incarnation);
  }

  /** An entry at its place in the order. */
  apply(sequence: number, card: CardId, entry: StorageEntry): void {
    const view = this.#view;
    const member = view?.members.find((each) => each.card === card);
    if (view === undefined || member === undefined) return;
    if (entry.kind === "announce") {
      this.#knowing.delete(card);
      const holds = this.#holdsIn(card, entry);
      if (holds === undefined) return;
      this.#announced.set(card, sequence);
      return this.#onHolds(card, holds);
    }
    if (entry.kind === "state") {
      if (entry.index === entry.count - 1 && entry.of === this.#beginning) this.onGiven(entry.asOf);
      return;
    }
    // Of a beginning that is over, or said before its sender knew this one.
    if (entry.of !== this.#beginning) return;
    if (entry.kind === "define") return this.#define(view, entry);
    const device = this.#devices.get(entry.kind === "operate" ? entry.order.device : entry.device);
    if (device === undefined) return;
    if (entry.kind === "operate") applyOrder(device, view, entry.order, entry.generation);
    else applyEntry(device, view, { card, incarnation: member.incarnation }, entry);
  }

  #newDevice(view: NodeView, name: DeviceId, place: DefinitionPlace, definition: DeviceDefinition): DeviceAgreed {
    const device = newDevice(name, place, definition, this.#notes.get(name), this.#areNotesWhole);
    for (const { leg, paths } of definition.legs) {
      const silent = [...paths.keys()].filter((card) => this.#silent.has(card));
      const holding = [...this.#holds].filter(([, holds]) => holds.get(name)?.includes(leg)).map(([card]) => card);
      for (const card of [...silent, ...holding]) device.legs.get(leg)?.mayHold.add(card);
    }
    applyView(device, view);
    return device;
  }

  #define(view: NodeView, { device: name, place, definition }: Extract<StorageEntry, { kind: "define" }>): void {
    const known = this.#devices.get(name);
    if (known !== undefined && !isLater(place, known.place)) return;
    if (definition === undefined) {
      this.#devices.delete(name);
      this.#notes = new Map([...this.#notes].filter(([device]) => device !== name));
    } else if (known === undefined) {
      this.#devices.set(name, this.#newDevice(view, name, place, definition));
    } else {
      redefine(known, place, definition);
      applyView(known, view);
    }
  }
}

/** Sets travel as lists; what is undefined does not travel. */
function travelledOf(device: DeviceAgreed): Readonly<Record<string, unknown>> {
  const legs = new Map([...device.legs].map(([name, leg]) => [name, { ...leg, mayHold: [...leg.mayHold].sort() }]));
  return { ...device, legs, unkept: [...device.unkept].sort() };
}

function deviceFrom(travelled: Readonly<Record<string, unknown>>): DeviceAgreed {
  const { legs, unkept, ...device } = travelled as Omit<DeviceAgreed, "legs" | "unkept"> & {
    readonly legs: ReadonlyMap<LegId, Omit<LegAgreed, "mayHold"> & { readonly mayHold: readonly CardId[] }>;
    readonly unkept: readonly CardId[];
  };
  return {
    ...device,
    memory: device.memory,
    claim: device.claim,
    primary: device.primary,
    forced: device.forced,
    legs: new Map([...legs].map(([name, leg]) => [name, { ...newLeg(), ...leg, mayHold: new Set(leg.mayHold) }])),
    unkept: new Set(unkept),
  };
}

function isLater(a: DefinitionPlace, b: DefinitionPlace): boolean {
  return a.epoch > b.epoch || (a.epoch === b.epoch && a.sequence > b.sequence);
}
