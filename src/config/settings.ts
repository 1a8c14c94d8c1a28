/**
 * The settings of the system: what each one is, its bounds and default, and why the default is what it is. The rules of the configuration, the
 * help of the command line and the documents are made from this one table; `src/failover/policy.ts` reads the values.
 */
import type { ColumnRule } from "./rules.ts";

export type SettingGroup = "arbitration" | "failback" | "health" | "limits" | "monitoring" | "paths" | "resynchronization" | "self-test";

/** A setting: its rule as a column has one, and what only settings have. */
export type Setting = ColumnRule & {
  readonly group: SettingGroup;
  /** Where it may be set: for the whole system only, or for a failover set too. */
  readonly scope: "system" | "set";
  /** Why the default is what it is: the text that stands beside a decision that it made. */
  readonly why: string;
};

type Of<Kind extends ColumnRule["kind"]> = Extract<ColumnRule, { readonly kind: Kind }>;
type Extra = { readonly unit?: string; readonly scope?: "set" };

function whole(group: SettingGroup, about: string, fallback: number, min: number, max: number, why: string, extra: Extra = {}): Setting {
  const { unit, scope = "system" } = extra;
  const rule: Of<"whole"> = { kind: "whole", min, max, about, since: 1, required: false, default: fallback };
  return { ...rule, ...(unit === undefined ? {} : { unit }), group, scope, why };
}

function flag(group: SettingGroup, about: string, fallback: boolean, why: string): Setting {
  return { kind: "flag", about, since: 1, required: false, default: fallback ? 1 : 0, group, scope: "system", why };
}

function choice(group: SettingGroup, about: string, choices: readonly string[], why: string, extra: Extra = {}): Setting {
  const fallback = choices[0] as string;
  return { kind: "choice", choices, about, since: 1, required: false, default: fallback, group, scope: extra.scope ?? "system", why };
}

const seconds = { unit: "seconds" };
const percent = { unit: "percent" };
const degrees = { unit: "degrees Celsius" };

export const settings = {
  degradedLast: flag(
    "arbitration",
    "Whether a card whose health is degraded is chosen only when no good one is left, whatever its rank.",
    true,
    "a takeover by a card that is about to fail is followed by a second one",
  ),
  rebalance: flag(
    "arbitration",
    "Whether a running service of an N-way set may be moved to make room for one that has nowhere else to go.",
    true,
    "a service that stands still costs more than one that moves once",
  ),
  failback: choice(
    "failback",
    "Whether a service goes back to its preferred card when told (controlled) or by itself (automatic).",
    ["controlled", "automatic"],
    "each failback interrupts clients, and the card that failed may fail again",
    { scope: "set" },
  ),
  failbackAfterS: whole(
    "failback",
    "How long a card has to be healthy before an automatic failback.",
    600,
    10,
    86_400,
    "a card that fails again mostly does so within minutes",
    seconds,
  ),
  failbacksMax: whole(
    "failback",
    "Automatic failbacks of a service that were undone by a failover until the next one needs a command.",
    2,
    1,
    100,
    "a service that goes to and fro is worse off than on its second card",
  ),
  failbackWindowS: whole(
    "failback",
    "The time in which these failbacks are counted.",
    86_400,
    60,
    604_800,
    "what fails once a day under load is still the same fault",
    seconds,
  ),
  restartsMax: whole(
    "limits",
    "Restarts of a failed service on its card until it fails over.",
    3,
    0,
    100,
    "most crashes are cured by a restart, and a restart in place is the shortest outage",
  ),
  restartWindowS: whole("limits", "The time in which these restarts are counted.", 900, 1, 86_400, "a crash an hour is no loop", seconds),
  restartDelayMs: whole(
    "limits",
    "The wait before a second restart; the first one is at once, and each later wait is twice as long.",
    1_000,
    0,
    600_000,
    "what failed for want of something needs a moment to get it back",
    { unit: "milliseconds" },
  ),
  restartDelayMaxS: whole(
    "limits",
    "The longest wait before a restart.",
    60,
    1,
    3_600,
    "nobody waits longer than that to see it run",
    seconds,
  ),
  failoversMax: whole(
    "limits",
    "Failures of a card, or of a service on its cards, that make a failover, until it is put into quarantine.",
    3,
    1,
    100,
    "what has failed on three cards in a row is not cured by a fourth",
  ),
  failoverWindowS: whole(
    "limits",
    "The time in which these failovers are counted.",
    3_600,
    1,
    604_800,
    "faults that far apart are not one fault",
    seconds,
  ),
  quarantineS: whole(
    "limits",
    "How long a quarantine lasts unless it is lifted; 0 is until it is lifted.",
    7_200,
    0,
    604_800,
    "long enough for somebody to look at it, short enough for a night without anybody",
    seconds,
  ),
  selfTestS: whole(
    "self-test",
    "The time that a card has to answer a self-test.",
    2,
    1,
    60,
    "a busy card answers late, a dead one never",
    seconds,
  ),
  selfTestTries: whole(
    "self-test",
    "Self-tests that are sent over each link before no answer is taken for one.",
    2,
    1,
    10,
    "one frame can get lost",
  ),
  healthRaiseS: whole(
    "health",
    "How long a reading has to be bad before it counts.",
    10,
    0,
    3_600,
    "one bad reading is noise",
    seconds,
  ),
  healthClearS: whole(
    "health",
    "How long a reading has to be good again before it counts.",
    60,
    0,
    86_400,
    "longer than to raise it, so that a reading at the edge does not flap",
    seconds,
  ),
  stallWarnMs: whole(
    "health",
    "A stall of the program above which the card is degraded.",
    250,
    1,
    60_000,
    "it is near what the others take for silence",
    {
      unit: "milliseconds",
    },
  ),
  stallFailMs: whole(
    "health",
    "A stall of the program above which the card is failing.",
    2_000,
    1,
    60_000,
    "a watchdog would have reset it",
    {
      unit: "milliseconds",
    },
  ),
  memoryWarnPercent: whole(
    "health",
    "Memory in use above which the card is degraded.",
    90,
    1,
    100,
    "the kernel begins to reclaim what runs",
    percent,
  ),
  memoryFailPercent: whole(
    "health",
    "Memory in use above which the card is failing.",
    98,
    1,
    100,
    "the next allocation may end a program",
    percent,
  ),
  diskWarnPercent: whole(
    "health",
    "Use of the state's disk above which the card is degraded.",
    90,
    1,
    100,
    "logs and snapshots need the rest",
    percent,
  ),
  diskFailPercent: whole(
    "health",
    "Use of the state's disk above which the card is failing.",
    99,
    1,
    100,
    "the configuration can no longer be written",
    percent,
  ),
  diskErrorsWarn: whole(
    "health",
    "Errors of disks in an hour above which the card is degraded.",
    0,
    0,
    1_000_000,
    "a disk that had one error has more",
  ),
  diskErrorsFail: whole(
    "health",
    "Errors of disks in an hour above which the card is failing.",
    20,
    0,
    1_000_000,
    "by then it is the path, not a sector",
  ),
  portsDownWarn: whole("health", "Ports that are down above which the card is degraded.", 0, 0, 64, "redundancy is gone"),
  temperatureWarn: whole(
    "health",
    "Temperature above which the card is degraded.",
    75,
    -40,
    200,
    "most boards are specified to 85",
    degrees,
  ),
  temperatureFail: whole(
    "health",
    "Temperature above which the card is failing.",
    90,
    -40,
    200,
    "an orderly handover is better than the board's emergency stop",
    degrees,
  ),
  exportMode: choice(
    "paths",
    "How the paths of an export are used when it does not say so itself.",
    ["active-active", "active-passive"],
    "every path helps",
  ),
  pathPolicy: choice(
    "paths",
    "How commands are spread over the paths of an export when it does not say so itself.",
    ["round-robin", "least-queued", "preferred"],
    "it is fair without knowing the paths' speed",
  ),
  resyncMiBPerS: whole(
    "resynchronization",
    "The most that resynchronization writes on a card; 0 is no limit.",
    0,
    0,
    100_000,
    "redundancy is wanted back soon",
    {
      unit: "MiB/s",
    },
  ),
  resyncHostShare: whole(
    "resynchronization",
    "The share of a device that hosts keep while it is resynchronized.",
    50,
    0,
    100,
    "hosts should notice it, not suffer from it",
    percent,
  ),
  monitorPeriodS: whole(
    "monitoring",
    "How often a resource is looked at when it does not say so itself.",
    10,
    1,
    3_600,
    "what matters sooner tells by itself that it ended",
    seconds,
  ),
} as const satisfies Readonly<Record<string, Setting>>;

export type SettingName = keyof typeof settings;
