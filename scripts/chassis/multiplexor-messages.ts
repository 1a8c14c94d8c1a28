/** What the daemon and the process of a serial multiplexor say to each other over their IPC channel. */
import type { LineDirection, SlotCounters, SlotPower } from "../../src/sim/multiplexor.ts";

export type MultiplexorStart = {
  readonly kind: "start";
  readonly chassis: number;
  /** Slots 1 to `slots` have a line. */
  readonly slots: number;
  readonly systemName: string;
  readonly keyFile: string;
  readonly baud: number;
  readonly incarnation: number;
  readonly seed: number;
};

/** Each order is answered with `done`. */
export type MultiplexorOrder =
  | { readonly kind: "power"; readonly slot: number; readonly power: SlotPower }
  /** A program is about to open the card's end of the line: gives it a new tty, in which nothing of an earlier one waits. */
  | { readonly kind: "connect"; readonly slot: number }
  /** The card's program has ended: what is still on its way in either direction is lost. */
  | { readonly kind: "disconnect"; readonly slot: number }
  | { readonly kind: "resetDone"; readonly slot: number; readonly stopped: boolean }
  | { readonly kind: "cut"; readonly slot: number; readonly direction: LineDirection; readonly cut: boolean }
  | { readonly kind: "corrupt"; readonly slot: number; readonly rate: number }
  | { readonly kind: "dead"; readonly dead: boolean }
  | { readonly kind: "counters" };

export type ToMultiplexor = MultiplexorStart | { readonly kind: "order"; readonly id: number; readonly order: MultiplexorOrder };

export type LineCounters = Readonly<SlotCounters> & {
  /** Bytes that found the card's receive buffer full: the card does not read. */
  readonly unread: number;
};

/** A slot's line: its tty while it is connected, and its counters. */
export type Line = { readonly device?: string; readonly counters: LineCounters };

export type FromMultiplexor =
  | { readonly kind: "ready"; readonly realtime: boolean; readonly notRealtimeBecause?: string }
  | { readonly kind: "done"; readonly id: number; readonly lines: readonly Line[] }
  /** A card has pulled this slot's reset line; `resetDone` is the answer. */
  | { readonly kind: "reset"; readonly slot: number };
