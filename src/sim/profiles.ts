import type { LinkPatience } from "../cluster/heartbeat.ts";

export type ProfileName = "default" | "fast";
export const profileNames: readonly ProfileName[] = ["default", "fast"];

/** How often cards speak and how long they bear silence, in milliseconds. */
export const profiles: Record<ProfileName, { readonly ether: LinkPatience; readonly serial: LinkPatience }> = {
  default: {
    ether: { periodMs: 100, silentAfterMs: 350, downAfterMs: 1_000 },
    serial: { periodMs: 250, silentAfterMs: 800, downAfterMs: 2_000 },
  },
  fast: {
    ether: { periodMs: 10, silentAfterMs: 35, downAfterMs: 100 },
    serial: { periodMs: 50, silentAfterMs: 160, downAfterMs: 400 },
  },
};
