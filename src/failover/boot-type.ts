/**
 * The type of a boot, from evidence (FS-6): what the card's last run left on the disk, and what the multiplexor says of its own start and of
 * our slot's. The table is read from the top, the first row that fits decides; a doubt makes a boot cold, for a cold boot waits for all.
 */
export type BootType =
  /** The chassis was powered on. */
  | "cold"
  /** The program or the card's system started anew, in good order or not. */
  | "warm"
  /** The card, or its power, was put in while the chassis ran. */
  | "hot-insert"
  /** A peer had our reset line pulled. */
  | "fenced"
  /** Another version of the software runs than before. */
  | "upgrade"
  /** An operator has put the card into maintenance. */
  | "maintenance";

/** The highest role that a card has in any failover set. */
export type BootRole = "none" | "alternate" | "secondary" | "primary";

/** What the multiplexor says of a slot. Its counts wrap at 256 and are compared with what they were in the last run. */
export type SlotSense = {
  /** Grows with each start of the multiplexor, so with each power-on of the chassis. */
  readonly incarnation: number;
  /** How often the slot got its power after the chassis was powered on. */
  readonly powerOns: number;
  /** How often its reset line was pulled. */
  readonly resets: number;
};

/** What a run of the card leaves on the disk for the next one. */
export type LastRun = {
  /** Changes with each start of the card's operating system; empty where it tells nothing. */
  readonly machineBoot: string;
  readonly software: string;
  /** `open`: it ended without saying so. `reset`: it had itself reset. */
  readonly ended: "open" | "stop" | "restart" | "maintenance" | "upgrade" | "reset";
  readonly role: BootRole;
  /** The operator's mark: it outlives restarts. */
  readonly maintenance: boolean;
  /** Starts in a row, that of this run included, after which the card was not ready. */
  readonly unreadyStarts: number;
  readonly sense: SlotSense | undefined;
};

export type BootEvidence = {
  readonly machineBoot: string;
  readonly software: string;
  /** The operator's mark. */
  readonly maintenance: boolean;
  readonly lastRun: LastRun | undefined;
};

export function typeOfBoot(
  { machineBoot, software, maintenance, lastRun }: BootEvidence,
  sense: SlotSense | undefined,
): { readonly type: BootType; readonly reason: string } {
  if (maintenance) return { type: "maintenance", reason: "the card is in maintenance" };
  if (lastRun === undefined) {
    if (sense !== undefined && sense.powerOns > 0) {
      return { type: "hot-insert", reason: "its first run, in a slot that got its power while the chassis ran" };
    }
    return { type: "cold", reason: "its first run" };
  }
  const before = lastRun.sense;
  if (sense !== undefined && before !== undefined) {
    if (sense.incarnation !== before.incarnation) return { type: "cold", reason: "the multiplexor has started since the last run" };
    if (sense.resets !== before.resets && lastRun.ended !== "reset") {
      return { type: "fenced", reason: "the reset line of its slot was pulled" };
    }
    if (sense.powerOns !== before.powerOns) return { type: "hot-insert", reason: "its slot was without power while the chassis ran" };
  } else if ((machineBoot === "" || machineBoot !== lastRun.machineBoot) && !wasTold.has(lastRun.ended)) {
    return { type: "cold", reason: "its machine may have started anew, and the multiplexor does not say why" };
  }
  if (lastRun.ended === "upgrade" || software !== lastRun.software) {
    return { type: "upgrade", reason: `software ${software} after ${lastRun.software}` };
  }
  return { type: "warm", reason: endings[lastRun.ended] };
}

/** Ends after which a machine starts anew without anything being wrong. */
const wasTold: ReadonlySet<LastRun["ended"]> = new Set(["restart", "upgrade", "reset"]);

const endings: Readonly<Record<LastRun["ended"], string>> = {
  open: "its last run ended without a word",
  stop: "it was stopped",
  restart: "it was told to restart",
  maintenance: "it left for maintenance, which is over",
  upgrade: "it left for an upgrade",
  reset: "it had itself reset",
};
