// runtime: node
// timeout: 300
/**
 * For each rule of failover that keeps data or clients safe, the line that holds it is broken in a copy of the sources, and a named test is seen to
 * fail there. So a test that would pass anyway fails here.
 */
import { type Bite, testBites } from "./bite.ts";

const bites: readonly Bite<"plans" | "grant" | "handover" | "properties" | "characterization">[] = [
  {
    rule: "what an unknown card has is started nowhere else",
    file: "assignment.ts",
    line: "if (current !== undefined && this.#isUnknown(current.card)) {",
    broken: "if (current === undefined && seats.length < 0) {",
    by: "plans",
  },
  {
    rule: "after a cold start a silent card may run anything",
    file: "assignment.ts",
    line: "current !== undefined || this.#facts.ownersKnown ? undefined",
    broken: "current !== undefined || !this.#facts.ownersKnown ? undefined",
    by: "plans",
  },
  {
    rule: "no role in quarantine",
    file: "eligibility.ts",
    line: "quarantine.until > facts.now",
    broken: "quarantine.until < facts.now",
    by: "properties",
  },
  {
    rule: "no role in maintenance",
    file: "eligibility.ts",
    line: "if (maintenance !== undefined)",
    broken: "if (maintenance === null)",
    by: "properties",
  },
  {
    rule: "no role when drained",
    file: "eligibility.ts",
    line: "if (drained !== undefined)",
    broken: "if (drained === null)",
    by: "properties",
  },
  {
    rule: "nothing of a service in quarantine runs",
    file: "assignment.ts",
    line: "about.quarantine.until > now",
    broken: "about.quarantine.until < now",
    by: "plans",
  },
  {
    rule: "epochs grow with each new Primary",
    file: "assignment.ts",
    line: "(primary === undefined || isSame ? 0 : 1)",
    broken: "0",
    by: "properties",
  },
  {
    rule: "a copy that is behind never becomes primary",
    file: "eligibility.ts",
    line: '"not-in-sync": { leaves: "never", starts: "never"',
    broken: '"not-in-sync": { leaves: "never", starts: "last"',
    by: "plans",
  },
  {
    rule: "no failback without its vetoes",
    file: "assignment.ts",
    line: "if (vetoesOf(unit, better, this.#config, this.#facts).length === 0) {",
    broken: "if (vetoesOf(unit, better, this.#config, this.#facts).length >= 0) {",
    by: "plans",
  },
  {
    rule: "what runs is stopped only for what is more important",
    file: "placement.ts",
    line: "return other.item.priority < item.priority",
    broken: "return other.item.priority <= item.priority",
    by: "plans",
  },
  {
    rule: "the fewest moves",
    file: "placement.ts",
    line: "for (let budget = 0; budget <= budgetMax; budget++)",
    broken: "for (let budget = budgetMax; budget <= budgetMax; budget++)",
    by: "properties",
  },
  {
    rule: "only the holder lets go",
    file: "grant.ts",
    line: "event.by === grant.holder ? onFree(grant)",
    broken: "event.by > 0 ? onFree(grant)",
    by: "grant",
  },
  {
    rule: "each grant has a new epoch",
    file: "grant.ts",
    line: "const epoch = grant.epoch + 1;",
    broken: "const epoch = grant.epoch;",
    by: "grant",
  },
  {
    rule: "only the holder's end frees what it has",
    file: "grant.ts",
    line: "isHeld(grant) && card === grant.holder",
    broken: "isHeld(grant) && card > 0",
    by: "handover",
  },
  {
    rule: "nobody is shot by a card whose own port is dead",
    file: "characterization.ts",
    line: 'when: { serial: down, ether: down, loopback: ["failed"] },',
    broken: 'when: { serial: down, ether: down, loopback: ["failed"], third: ["silent"] },',
    by: "characterization",
  },
];

testBites(["src/base", "src/config", "src/failover", "src/limits.ts", "test/failover", "test/config"], bites);
