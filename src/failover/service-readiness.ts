/**
 * The readiness that a card tells: worked out for each decision when somebody asks, a step at a time, and kept until something else is decided. Pure.
 */
import type { Assignment } from "./assignment.ts";
import type { FailoverConfig } from "./config.ts";
import type { Facts } from "./facts.ts";
import { noSurroundings, type ReadinessReport, ReadinessStudy, type Surroundings } from "./readiness.ts";

export class ReportedReadiness {
  #surroundings: Surroundings = noSurroundings;
  #study: ReadinessStudy | undefined;
  /** The last report that was finished: it knows since when there is a reason. */
  #last: ReadinessReport | undefined;
  /** What the study is of. Each decision makes a new assignment. */
  #of: { readonly assignment?: Assignment; readonly surroundings?: Surroundings } = {};

  onSurroundings(surroundings: Surroundings): void {
    this.#surroundings = surroundings;
  }

  study(config: FailoverConfig, facts: Facts, assignment: Assignment): ReadinessStudy {
    const surroundings = this.#surroundings;
    if (this.#study !== undefined && this.#of.assignment === assignment && this.#of.surroundings === surroundings) return this.#study;
    this.#last = this.#study?.report ?? this.#last;
    this.#of = { assignment, surroundings };
    return this.#study = new ReadinessStudy(config, facts, assignment, surroundings, this.#last);
  }
}
