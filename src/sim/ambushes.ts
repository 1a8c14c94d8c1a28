/** Faults that wait for a message: a card that ends at an instant of a protocol, a frame of a kind that is lost. */
import type { MessageKind } from "../wire/message.ts";
import type { SimCard } from "./sim-card.ts";
import type { Port } from "./switch.ts";

/** How a trapped card meets its message: it has sent it, or is about to take it. */
export type TrapWay = "sends" | "hears";
export type TrapEnd = "crash" | "pull";
/** It springs at the `left`th message of its kind. */
type Trap = { readonly card: SimCard; readonly way: TrapWay; readonly kind: MessageKind; left: number; readonly ends: TrapEnd };
/** Ethernet frames of a kind that are lost, the next `left` of them, on their way to one card or to all. */
type Drop = { readonly from: SimCard; readonly kind: MessageKind; readonly to: SimCard | undefined; left: number };

export class Ambushes {
  #traps: readonly Trap[] = [];
  #drops: readonly Drop[] = [];

  trap(card: SimCard, way: TrapWay, kind: MessageKind, count: number, ends: TrapEnd): void {
    this.#traps = [...this.#traps, { card, way, kind, left: count, ends }];
  }

  drop(from: SimCard, kind: MessageKind, to: SimCard | undefined, count: number): void {
    this.#drops = [...this.#drops, { from, kind, to, left: count }];
  }

  clear(): void {
    this.#traps = [];
    this.#drops = [];
  }

  /** How a card ends by this message, if somebody waited for it. */
  sprungBy(card: SimCard, way: TrapWay, kind: MessageKind): TrapEnd | undefined {
    if (this.#traps.length === 0) return undefined;
    const sprung = this.#traps.find((trap) => trap.card === card && trap.way === way && trap.kind === kind && --trap.left === 0);
    if (sprung === undefined) return undefined;
    this.#traps = this.#traps.filter((trap) => trap !== sprung);
    return sprung.ends;
  }

  /** The ports, of those of all cards, that a frame does not reach because somebody waited for it. */
  lostTo(card: SimCard, kind: MessageKind, cards: readonly SimCard[]): readonly Port[] | undefined {
    if (this.#drops.length === 0) return undefined;
    const drops = this.#drops.filter((drop) => drop.from === card && drop.kind === kind);
    if (drops.length === 0) return undefined;
    for (const drop of drops) drop.left--;
    this.#drops = this.#drops.filter(({ left }) => left > 0);
    return cards.filter((other) => drops.some(({ to }) => to === undefined || to === other)).map(({ etherPort }) => etherPort);
  }
}
