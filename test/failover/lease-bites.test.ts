// runtime: node
// timeout: 300
/** For each rule of the lease the line that holds it is broken in a copy of the sources, and its test is seen to fail there (HA-15). */
import { type Bite, testBites } from "./bite.ts";

const bites: readonly Bite<"lease">[] = [
  {
    rule: "a lease is waited for to its end",
    file: "service-leases.ts",
    line: "incarnation === undefined || now < wait.since + ms) continue;",
    broken: "incarnation === undefined || now < wait.since + ms / 8) continue;",
    by: "lease",
  },
  {
    rule: "the watchdog is not fed where something runs that may not",
    file: "../node/watchdog-lease.ts",
    line: "if (!isIdle && (!mayServe || stoodStill)) return false;",
    broken: "if (!isIdle && stoodStill) return false;",
    by: "lease",
  },
  {
    rule: "who stood still is not fed again",
    file: "../node/watchdog-lease.ts",
    line: "if (!isIdle && (!mayServe || stoodStill)) return false;",
    broken: "if (!isIdle && !mayServe) return false;",
    by: "lease",
  },
  {
    rule: "a time-out that is too short to stop in is no lease",
    file: "../node/watchdog-lease.ts",
    line: "> timeoutMs * leaseServeShare",
    broken: "> timeoutMs * 1_000",
    by: "lease",
  },
  {
    rule: "what an unknown card has said of its lease holds",
    file: "service-state.ts",
    line: 'state === "unknown" ? before.leaseMs : undefined',
    broken: 'state === "down" ? before.leaseMs : undefined',
    by: "lease",
  },
];

testBites(["src", "test/failover", "test/broken-copy.ts"], bites, 60_000);
