/** What `up` is told, with everything filled in. It stands in the chassis's record, so every verb knows it. */
import type { Layout } from "./names.ts";

export type Profile = "default" | "fast";
export const profiles: readonly Profile[] = ["default", "fast"];

/** What runs the card's program: the compiled binary, or its sources. */
export type Runtime = "binary" | "node" | "deno";
export const runtimes: readonly Runtime[] = ["binary", "node", "deno"];

export type Settings = Layout & {
  /** Bits per second of every serial line. */
  readonly baud: number;
  readonly profile: Profile;
  readonly runtime: Runtime;
  /** From power or reset to the start of the card's program. */
  readonly bootMs: number;
  readonly disks: number;
  readonly diskBytes: number;
  /** The disks that each card reaches, by the disk's name; a disk that is not named is reached by all. */
  readonly reach: Readonly<Record<string, readonly string[]>>;
  /** When this process ends, the chassis is taken down. */
  readonly ownerPid?: number;
};

export const defaults = {
  name: "chassis",
  cards: 3,
  chassis: 1,
  baud: 115_200,
  profile: "default",
  bootMs: 1_500,
  disks: 4,
  diskBytes: 64 * 1024 * 1024,
  reach: {},
  timeoutMs: 20_000,
} as const;

export const bounds = {
  baud: { min: 1_200, max: 4_000_000 },
  bootMs: { min: 0, max: 600_000 },
  disks: { min: 0, max: 64 },
  diskBytes: { min: 4_096, max: 1024 ** 4 },
} as const;

/** Where a card serves its status, on each of its addresses. */
export const httpPort = 8421;
