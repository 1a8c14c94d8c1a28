/**
 * Health monitoring (FS-7): readings of a card become its grade. A reading counts when it has been bad for long enough, and counts as good again
 * only after it has been good for longer; so one that hovers at its bound does not flap. One table names every reading with the settings that
 * bound it and what is done about it.
 *
 * A reading that does not come keeps its last value: who reads is watched elsewhere.
 */
import type { SettingName } from "../config/settings.ts";
import { durationText } from "./eligibility.ts";
import type { HealthGrade } from "./facts.ts";
import type { Policy } from "./policy.ts";

export type ReadingName = "stall" | "memory" | "database" | "disk" | "diskErrors" | "ports" | "temperature" | "selfTest";

/** What is done about a bad reading besides its effect on the card's grade. */
export type Correction =
  | "alarm"
  /** Old logs, snapshots and branches are dropped. */
  | "free disk"
  /** The program is started anew, after an orderly demotion. */
  | "restart program"
  /** The configuration is taken from another card. */
  | "repair database"
  /** Everything is handed over in order. */
  | "hand over";

type ReadingRule = {
  readonly about: string;
  readonly unit: string;
  /** Above these the card is degraded, or failing; `undefined` where the reading is a grade by itself: 0 good, 1 degraded, 2 failing. */
  readonly degraded: SettingName | undefined;
  readonly failing: SettingName | undefined;
  readonly corrections: { readonly degraded: Correction; readonly failing: Correction };
  /** Whether it counts at once: a fault that was proven needs no second look. */
  readonly isImmediate: boolean;
};

export const readingRules: Readonly<Record<ReadingName, ReadingRule>> = {
  stall: {
    about: "the longest stall of the program",
    unit: "ms",
    degraded: "stallWarnMs",
    failing: "stallFailMs",
    corrections: { degraded: "alarm", failing: "restart program" },
    isImmediate: false,
  },
  memory: {
    about: "memory in use",
    unit: "%",
    degraded: "memoryWarnPercent",
    failing: "memoryFailPercent",
    corrections: { degraded: "alarm", failing: "restart program" },
    isImmediate: false,
  },
  database: {
    about: "the configuration's database",
    unit: "",
    degraded: undefined,
    failing: undefined,
    corrections: { degraded: "alarm", failing: "repair database" },
    isImmediate: true,
  },
  disk: {
    about: "use of the state's disk",
    unit: "%",
    degraded: "diskWarnPercent",
    failing: "diskFailPercent",
    corrections: { degraded: "free disk", failing: "free disk" },
    isImmediate: false,
  },
  diskErrors: {
    about: "errors of disks in the last hour",
    unit: "",
    degraded: "diskErrorsWarn",
    failing: "diskErrorsFail",
    corrections: { degraded: "alarm", failing: "hand over" },
    isImmediate: true,
  },
  ports: {
    about: "ports that are down",
    unit: "",
    degraded: "portsDownWarn",
    failing: undefined,
    corrections: { degraded: "alarm", failing: "alarm" },
    isImmediate: false,
  },
  temperature: {
    about: "temperature",
    unit: "°C",
    degraded: "temperatureWarn",
    failing: "temperatureFail",
    corrections: { degraded: "alarm", failing: "hand over" },
    isImmediate: false,
  },
  selfTest: {
    about: "the self-test",
    unit: "",
    degraded: undefined,
    failing: undefined,
    corrections: { degraded: "alarm", failing: "restart program" },
    isImmediate: true,
  },
};

export const readingNames = Object.keys(readingRules) as readonly ReadingName[];

const grades: readonly HealthGrade[] = ["good", "degraded", "failing"];

/** One reading: its last value, the grade that counts, and since when the value asks for another one. */
export type Reading = {
  readonly value: number;
  readonly grade: HealthGrade;
  /** What the value has asked for without a break, and since when; undefined when it asks for the grade that counts. */
  readonly asked: { readonly grade: HealthGrade; readonly since: number } | undefined;
};

export type Health = ReadonlyMap<ReadingName, Reading>;

export type HealthChange = {
  readonly reading: ReadingName;
  readonly from: HealthGrade;
  readonly to: HealthGrade;
  /** Undefined when it became better. */
  readonly correction: Correction | undefined;
  readonly rule: SettingName | undefined;
  readonly text: string;
};

export type HealthStep = { readonly health: Health; readonly changes: readonly HealthChange[] };

/** Takes new values, and time that has passed: `at` never goes back. */
export function stepHealth(health: Health, values: ReadonlyMap<ReadingName, number>, at: number, policy: Policy): HealthStep {
  const next = new Map(health);
  const changes: HealthChange[] = [];
  for (const name of readingNames) {
    const before: Reading = health.get(name) ?? { value: 0, grade: "good", asked: undefined };
    const value = values.get(name) ?? health.get(name)?.value;
    if (value === undefined) continue;
    const after = stepReading(name, before, value, at, policy);
    next.set(name, after);
    if (after.grade !== before.grade) changes.push(changeOf(name, before.grade, after, policy));
  }
  return { health: next, changes };
}

function stepReading(name: ReadingName, before: Reading, value: number, at: number, policy: Policy): Reading {
  const { isImmediate } = readingRules[name];
  const wanted = gradeOf(name, value, policy);
  if (wanted === before.grade) return { value, grade: before.grade, asked: undefined };
  const isWorse = grades.indexOf(wanted) > grades.indexOf(before.grade);
  if (isWorse && isImmediate) return { value, grade: wanted, asked: undefined };
  // While it asks for something worse, or something better, it may ask for more or for less of it; what it has asked for all the time counts.
  const sameWay = before.asked !== undefined && isWorse === (grades.indexOf(before.asked.grade) > grades.indexOf(before.grade));
  const since = sameWay && before.asked !== undefined ? before.asked.since : at;
  const asked = sameWay && before.asked !== undefined ? milderOf(before.asked.grade, wanted, isWorse) : wanted;
  const neededMs = 1_000 * (isWorse ? policy.healthRaiseS : policy.healthClearS);
  if (at - since >= neededMs) return { value, grade: asked, asked: asked === wanted ? undefined : { grade: wanted, since: at } };
  return { value, grade: before.grade, asked: { grade: asked, since } };
}

/** Of two grades on one side, the one that was asked for all the time: the nearer one. */
function milderOf(a: HealthGrade, b: HealthGrade, isWorse: boolean): HealthGrade {
  const [low, high] = grades.indexOf(a) < grades.indexOf(b) ? [a, b] : [b, a];
  return isWorse ? low : high;
}

function gradeOf(name: ReadingName, value: number, policy: Policy): HealthGrade {
  const { degraded, failing } = readingRules[name];
  if (degraded === undefined && failing === undefined) return grades[value] ?? "failing";
  if (failing !== undefined && value > numberOf(policy, failing)) return "failing";
  return degraded !== undefined && value > numberOf(policy, degraded) ? "degraded" : "good";
}

function numberOf(policy: Policy, name: SettingName): number {
  const value = policy[name];
  return typeof value === "number" ? value : Infinity;
}

function changeOf(name: ReadingName, from: HealthGrade, { value, grade }: Reading, policy: Policy): HealthChange {
  const rule = readingRules[name];
  const isWorse = grades.indexOf(grade) > grades.indexOf(from);
  const bound = grade === "failing" ? rule.failing : grade === "degraded" ? rule.degraded : rule.degraded ?? rule.failing;
  const limit = bound === undefined ? "" : `, ${isWorse ? "above" : "the bound is"} ${numberOf(policy, bound)} (${bound})`;
  const seconds = isWorse ? (rule.isImmediate ? 0 : policy.healthRaiseS) : policy.healthClearS;
  const lasting = seconds === 0 ? "" : ` for ${durationText(1_000 * seconds)}`;
  return {
    reading: name,
    from,
    to: grade,
    correction: !isWorse || grade === "good" ? undefined : rule.corrections[grade],
    rule: bound,
    text: `${rule.about} is ${grade}: ${valueText(name, value)}${limit}${lasting}`,
  };
}

function valueText(name: ReadingName, value: number): string {
  const { unit, degraded, failing } = readingRules[name];
  if (degraded === undefined && failing === undefined) return ["passes", "has findings", "fails"][value] ?? "fails";
  return unit === "" ? `${value}` : unit === "%" ? `${value}%` : `${value} ${unit}`;
}

/** The grade of the card: that of its worst reading; and why, the worst first. */
export function gradeOfCard(health: Health): { readonly grade: HealthGrade; readonly reasons: readonly string[] } {
  const bad = readingNames.flatMap((name) => {
    const reading = health.get(name);
    return reading === undefined || reading.grade === "good" ? [] : [{ name, ...reading }];
  });
  bad.sort((a, b) => grades.indexOf(b.grade) - grades.indexOf(a.grade));
  return {
    grade: bad[0]?.grade ?? "good",
    reasons: bad.map(({ name, value, grade, asked }) => {
      const isBetter = asked !== undefined && grades.indexOf(asked.grade) < grades.indexOf(grade);
      return `${readingRules[name].about}: ${valueText(name, value)}${isBetter ? ", but not for long enough yet" : ""}`;
    }),
  };
}

/** When a grade would change without a new value; `Infinity` when it would not. */
export function healthDeadline(health: Health, policy: Policy): number {
  let deadline = Infinity;
  for (const { grade, asked } of health.values()) {
    if (asked === undefined) continue;
    const isWorse = grades.indexOf(asked.grade) > grades.indexOf(grade);
    deadline = Math.min(deadline, asked.since + 1_000 * (isWorse ? policy.healthRaiseS : policy.healthClearS));
  }
  return deadline;
}
