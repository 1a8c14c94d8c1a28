/** The time that the simulated drivers live in. They know no other clock, so a test or a simulation owns it. */
export type Scheduler = {
  /** Monotonic milliseconds. */
  now(): number;
  /** Runs `action` after `delayMs`; actions of the same instant run in the order in which they were scheduled. */
  schedule(delayMs: number, action: () => void): void;
};
