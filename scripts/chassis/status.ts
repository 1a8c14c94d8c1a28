/** What a chassis says of itself: the shape of `status --json`. */
import type { CardStatus } from "../../src/node/status.ts";
import type { LineCounters } from "./multiplexor-messages.ts";
import type { Settings } from "./settings.ts";
import type { Disk } from "./shelf.ts";

/**
 * What runs in a slot. `booting` waits for the boot time to pass; `stalled` is stopped by a signal for a while;
 * `stopped` was pulled, crashed or told to leave and waits for `insert`; `givenUp` ended by itself too often.
 */
export type ProgramState = "running" | "stalled" | "booting" | "stopped" | "givenUp";

export type SlotStatus = {
  /** "1/3" */
  readonly card: string;
  readonly chassis: number;
  readonly slot: number;
  readonly namespace: string;
  readonly directory: string;
  readonly address: string;
  readonly power: "on" | "off";
  readonly program: ProgramState;
  readonly pid?: number;
  /** How the program ended last, in words. */
  readonly ended?: string;
  /** Starts of the program, and those of them that followed an end of its own. */
  readonly starts: number;
  readonly restarts: number;
  readonly device: string;
  /** Faults in force: "ether", "ether tx", "serial rx" and the like. */
  readonly cuts: readonly string[];
  /** The chance that a byte on its serial line has a bit flipped. */
  readonly corruptRate: number;
  /** The multiplexor's counters of its line; absent when the multiplexor does not answer. */
  readonly line?: LineCounters;
  /** What the card says itself; absent when it does not answer, or was not asked. */
  readonly status?: CardStatus;
  /** Why a card that runs does not answer. */
  readonly silentBecause?: string;
};

export type MultiplexorStatus = {
  readonly chassis: number;
  readonly pid?: number;
  readonly alive: boolean;
  /** Switched off by `cut mux`. */
  readonly dead: boolean;
  readonly realtime: boolean;
  readonly notRealtimeBecause?: string;
};

export type ChassisStatus = {
  readonly name: string;
  readonly directory: string;
  readonly daemonPid: number;
  readonly upForMs: number;
  /** Since the cards were started for the first time. */
  readonly cardsForMs: number;
  readonly settings: Settings;
  readonly hostNamespace: string;
  readonly hostAddress: string;
  readonly multiplexors: readonly MultiplexorStatus[];
  readonly cards: readonly SlotStatus[];
  readonly disks: readonly Disk[];
};
