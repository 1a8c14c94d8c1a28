import type { LinkPatience } from "../cluster/heartbeat.ts";

export type ProfileName = "default" | "fast";
export const profileNames: readonly ProfileName[] = ["default", "fast"];

/** How often cards speak and how long they bear silence, in milliseconds: the figures that a card's configuration starts from. */
export const profiles: Record<ProfileName, { readonly ether: LinkPatience; readonly serial: LinkPatience }> = {
  default: {
    ether: { periodMs: 100, silentAfterMs: 300, downAfterMs: 500 },
    serial: { periodMs: 200, silentAfterMs: 600, downAfterMs: 1_000 },
  },
  fast: {
    ether: { periodMs: 10, silentAfterMs: 30, downAfterMs: 50 },
    serial: { periodMs: 50, silentAfterMs: 150, downAfterMs: 250 },
  },
};
