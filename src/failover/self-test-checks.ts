/**
 * The named checks of a card: those of its start (POST, FS-6) and those of the self-test that a peer asks for (FS-8). One table says of each what
 * it is about, what its failure means, and how long it may take; who runs them is told by `by`, for some the node knows the answer itself.
 */
export type CheckResult =
  | "passed"
  | "failed"
  /** There is nothing to test on this card. */
  | "skipped";

export type CheckOutcome = {
  readonly result: CheckResult;
  /** A word for programs, such as `no-carrier`; empty when it passed. */
  readonly code: string;
  /** In words, for people. */
  readonly text: string;
  readonly ms: number;
};

type PostRule = {
  readonly about: string;
  /** Whether the card does not start with it failed. */
  readonly isCritical: boolean;
  readonly deadlineMs: number;
};

/** At the start. */
export const postRules = {
  clock: { about: "the clock runs, and shows a plausible date", isCritical: false, deadlineMs: 1_000 },
  memory: { about: "memory for the program is there", isCritical: false, deadlineMs: 1_000 },
  state: { about: "the state directory takes a file and gives it back", isCritical: true, deadlineMs: 10_000 },
  ether: { about: "the Ethernet interface is there and up", isCritical: false, deadlineMs: 2_000 },
  serial: { about: "the tty of the serial line is there", isCritical: false, deadlineMs: 2_000 },
  watchdog: { about: "the watchdog takes its feed", isCritical: false, deadlineMs: 1_000 },
} as const satisfies Readonly<Record<string, PostRule>>;

export type PostCheck = keyof typeof postRules;
export const postChecks = Object.keys(postRules) as readonly PostCheck[];

export function postRuleOf(check: PostCheck): PostRule {
  return postRules[check];
}

type SelfTestRule = {
  /** Its number on the wire, never used again for something else. */
  readonly number: number;
  readonly about: string;
  /** What its failure means: a card against its specification, its Ethernet port alone, or nothing but a hint for people. */
  readonly part: "card" | "port" | "hint";
  readonly by: "node" | "edge";
  readonly deadlineMs: number;
};

export const selfTestRules = {
  process: { number: 1, about: "the program is in time", part: "card", by: "node", deadlineMs: 100 },
  database: { number: 2, about: "the configuration's store works", part: "card", by: "node", deadlineMs: 100 },
  disk: { number: 3, about: "the state's disk takes a write", part: "card", by: "edge", deadlineMs: 1_000 },
  carrier: { number: 4, about: "the Ethernet port has carrier", part: "port", by: "edge", deadlineMs: 200 },
  loopback: { number: 5, about: "a frame goes through the Ethernet port", part: "port", by: "edge", deadlineMs: 500 },
  gateway: { number: 6, about: "the gateway answers on Ethernet", part: "hint", by: "edge", deadlineMs: 500 },
  multiplexor: { number: 7, about: "the serial multiplexor is heard", part: "hint", by: "node", deadlineMs: 100 },
} as const satisfies Readonly<Record<string, SelfTestRule>>;

export type SelfTestCheck = keyof typeof selfTestRules;
export const selfTestChecks = Object.keys(selfTestRules) as readonly SelfTestCheck[];

export function selfTestRuleOf(check: SelfTestCheck): SelfTestRule {
  return selfTestRules[check];
}

/** The check of a number on the wire; `undefined` for one that a later version has added. */
export function selfTestCheckOf(number: number): SelfTestCheck | undefined {
  return selfTestChecks.find((check) => selfTestRules[check].number === number);
}

/** What the answers say in one word. A failed card is that whatever its port does; unknown checks are hints. */
export function gradeOfSelfTest(
  results: Iterable<{ readonly check: SelfTestCheck | undefined; readonly result: CheckResult }>,
): "passed" | "port failed" | "failed" {
  let grade: "passed" | "port failed" = "passed";
  for (const { check, result } of results) {
    if (result !== "failed" || check === undefined) continue;
    const { part } = selfTestRuleOf(check);
    if (part === "card") return "failed";
    if (part === "port") grade = "port failed";
  }
  return grade;
}
