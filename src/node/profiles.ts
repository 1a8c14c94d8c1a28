/** The profiles that a configuration starts from: how often cards speak, and how many missed beats they bear. */
import type { LinkKind } from "../base/ids.ts";
import type { LinkPatience } from "../cluster/heartbeat.ts";

export type ProfileName = "default" | "fast";
export const profileNames: readonly ProfileName[] = ["default", "fast"];

/** Patience in beats, so that a change of the period keeps its meaning. */
export type Beats = {
  readonly periodMs: number;
  /** At least 2. */
  readonly silentBeats: number;
  /** More than `silentBeats`. */
  readonly downBeats: number;
};

export const profiles: Readonly<Record<ProfileName, Readonly<Record<LinkKind, Beats>>>> = {
  default: {
    ether: { periodMs: 100, silentBeats: 3, downBeats: 5 },
    serial: { periodMs: 200, silentBeats: 3, downBeats: 5 },
  },
  fast: {
    ether: { periodMs: 10, silentBeats: 3, downBeats: 5 },
    serial: { periodMs: 50, silentBeats: 3, downBeats: 5 },
  },
};

/** What a card's settings have of a profile. */
export function patiencesOf(profile: ProfileName): Record<LinkKind, LinkPatience> {
  return { ether: patienceOf(profiles[profile].ether), serial: patienceOf(profiles[profile].serial) };
}

export function patienceOf({ periodMs, silentBeats, downBeats }: Beats): LinkPatience {
  return { periodMs, silentAfterMs: periodMs * silentBeats, downAfterMs: periodMs * downBeats };
}
