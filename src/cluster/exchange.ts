/**
 * Exchange decides when this card speaks for its subgroup, and when all have the same data of all subgroups: the exchange
 * of group data that brings subgroups into one group. Pure; its input is one order of entries, the same for everybody.
 *
 *     idle ── request ──► exchanging ── acknowledgments of all for one round ──► idle, finished
 *                          │      ▲
 *                          └──────┘ failed: the lost are left out, the next round begins
 *
 * Follows SG-1 to SG-7: who leads is worked out by each on its own, no message elects anybody; the indicator of a request
 * is cleared by the request and set by the arrival of the subgroup's data, so that a leader that died half way is
 * replaced without anything sent twice. An acknowledgment is put into the order when the indicator is set, so after the
 * leader's transmission: a round with all acknowledgments has the data of every subgroup with a live member before it.
 *
 * Invariants: the data of a subgroup counts once, the first to arrive; all who follow the same order finish at the same
 * entry with the same data. Surprising idea: who is in no subgroup, or has been left out, follows silently and finishes too.
 */
import { unreachable } from "../base/assert.ts";
import type { CardId } from "../base/ids.ts";

export type ExchangeMessage =
  | { readonly kind: "groupData"; readonly request: number; readonly subgroup: number; readonly data: Uint8Array }
  | { readonly kind: "acknowledgment"; readonly request: number; readonly round: number };

export type ExchangeInput<Name extends number = CardId> =
  /** `data` gives our own subgroup's group data; it is asked for only when we lead. */
  | {
    readonly kind: "request";
    readonly id: number;
    readonly subgroups: readonly (readonly Name[])[];
    readonly data: (subgroup: number) => Uint8Array;
  }
  | { readonly kind: "groupData"; readonly from: Name; readonly request: number; readonly subgroup: number; readonly data: Uint8Array }
  | { readonly kind: "acknowledgment"; readonly from: Name; readonly request: number; readonly round: number }
  /** The membership changed. Without members it still begins a new round: what was under way may have been lost with the change. */
  | { readonly kind: "failed"; readonly members: readonly Name[] }
  /** The request is void. */
  | { readonly kind: "abandoned" };

export type ExchangeOutput =
  | { readonly kind: "send"; readonly message: ExchangeMessage }
  /** By subgroup; `undefined` for one that died before it sent. */
  | { readonly kind: "finished"; readonly id: number; readonly data: readonly (Uint8Array | undefined)[] };

type Subgroup<Name> = { live: Name[]; data: Uint8Array | undefined };

export class Exchange<Name extends number = CardId> {
  readonly #name: Name;
  #id: number | undefined;
  #round = 0;
  #subgroups: Subgroup<Name>[] = [];
  #dataOf: (subgroup: number) => Uint8Array = () => new Uint8Array();
  /** Of this round. */
  readonly #acknowledged = new Set<Name>();

  constructor(name: Name) {
    this.#name = name;
  }

  /** The request that is being processed, `undefined` when none is. */
  get id(): number | undefined {
    return this.#id;
  }

  /** The live members of a subgroup. */
  liveOf(subgroup: number): readonly Name[] {
    return this.#subgroups[subgroup]?.live ?? [];
  }

  /** Whether a subgroup's data has arrived: as for our own subgroup, the indicator. */
  hasData(subgroup: number): boolean {
    return this.#subgroups[subgroup]?.data !== undefined;
  }

  /** Who has not acknowledged this round yet. */
  waitsFor(): Name[] {
    return this.#subgroups.flatMap(({ live }) => live.filter((name) => !this.#acknowledged.has(name))).sort((a, b) => a - b);
  }

  step(input: ExchangeInput<Name>): ExchangeOutput[] {
    switch (input.kind) {
      case "request":
        this.#id = input.id;
        this.#dataOf = input.data;
        this.#subgroups = input.subgroups.map((members) => ({ live: [...members], data: undefined }));
        this.#round = 1;
        this.#acknowledged.clear();
        return this.#speak();
      case "groupData":
        return input.request === this.#id ? this.#onGroupData(input.from, input.subgroup, input.data) : [];
      case "acknowledgment":
        return input.request === this.#id ? this.#onAcknowledgment(input.from, input.round) : [];
      case "failed":
        return this.#id === undefined ? [] : this.#onFailed(input.members);
      case "abandoned":
        this.#id = undefined;
        this.#subgroups = [];
        return [];
      default:
        return unreachable(input);
    }
  }

  /** What we owe at the beginning of a round: our subgroup's data if it is missing and we lead, our acknowledgment if it is not. */
  #speak(): ExchangeOutput[] {
    const own = this.#subgroups.findIndex(({ live }) => live.includes(this.#name));
    if (own < 0) return [];
    const request = this.#id as number;
    const { live, data } = this.#subgroups[own] as Subgroup<Name>;
    if (data !== undefined) return [{ kind: "send", message: { kind: "acknowledgment", request, round: this.#round } }];
    const leader = live.reduce((lowest, name) => name < lowest ? name : lowest);
    if (leader !== this.#name) return [];
    return [{ kind: "send", message: { kind: "groupData", request, subgroup: own, data: this.#dataOf(own) } }];
  }

  #onGroupData(from: Name, index: number, data: Uint8Array): ExchangeOutput[] {
    const subgroup = this.#subgroups[index];
    if (subgroup === undefined || subgroup.data !== undefined || !subgroup.live.includes(from)) return [];
    subgroup.data = data;
    return subgroup.live.includes(this.#name) ? this.#speak() : [];
  }

  #onAcknowledgment(from: Name, round: number): ExchangeOutput[] {
    if (round !== this.#round) return [];
    this.#acknowledged.add(from);
    return this.#finish();
  }

  #onFailed(members: readonly Name[]): ExchangeOutput[] {
    for (const subgroup of this.#subgroups) subgroup.live = subgroup.live.filter((name) => !members.includes(name));
    this.#round++;
    this.#acknowledged.clear();
    return this.#speak();
  }

  #finish(): ExchangeOutput[] {
    if (!this.#subgroups.every(({ live }) => live.every((name) => this.#acknowledged.has(name)))) return [];
    const finished: ExchangeOutput = { kind: "finished", id: this.#id as number, data: this.#subgroups.map(({ data }) => data) };
    this.#id = undefined;
    this.#subgroups = [];
    return [finished];
  }
}
