/**
 * The report of readiness that a card tells, worked out once for each decision: to fail each card in thought takes long, and who looks may look each second.
 * Pure.
 */
import type { Assignment } from "./assignment.ts";
import type { FailoverConfig } from "./config.ts";
import type { Facts } from "./facts.ts";
import { noSurroundings, readinessOf, type ReadinessReport, type Surroundings } from "./readiness.ts";

export class ReportedReadiness {
  #surroundings: Surroundings = noSurroundings;
  #report: ReadinessReport | undefined;
  /** What the report was made of. Each decision makes a new assignment. */
  #of: { readonly assignment?: Assignment; readonly surroundings?: Surroundings } = {};

  onSurroundings(surroundings: Surroundings): void {
    this.#surroundings = surroundings;
  }

  report(config: FailoverConfig, facts: Facts, assignment: Assignment): ReadinessReport {
    const surroundings = this.#surroundings;
    if (this.#report !== undefined && this.#of.assignment === assignment && this.#of.surroundings === surroundings) return this.#report;
    this.#of = { assignment, surroundings };
    return this.#report = readinessOf(config, facts, assignment, surroundings, this.#report);
  }
}
