/**
 * Resources that stand by hot: they run on every card that would take their service over, so that of the service only the rest moves, an address mostly (HA-13).
 * To the runner they are a want of their own, which stands beside that of the service: a release leaves them running, and what needs them starts at once. Pure.
 *
 *     runs ──fails──► failed ── its service begins here, or begins here again ──► runs
 *                        └───── on a card that stands by, after `standbyRetryMs` ──► runs
 *
 * Where the service is, their failure is its failure, told once for each of its runs: restart, failover and quarantine follow from it as from any other.
 */
import type { CardId } from "../base/ids.ts";
import { standbyRetryMs } from "../limits.ts";
import type { ServiceId } from "./config.ts";
import type { PlacedConfig } from "./service-config.ts";
import type { LocalFailure, Runner, Want } from "./service-runner.ts";
import type { FailoverState } from "./service-state.ts";

/** Under which the runner has them. No service has such a name. */
function wantOf(service: ServiceId): ServiceId {
  return `standby of ${service}`;
}

type Standby = {
  attempt: number;
  /** The run of its service here that it has last been seen with. */
  run: string | undefined;
  retryAt: number;
};

export class Standbys {
  readonly #card: CardId;
  readonly #runner: Runner;
  readonly #standbys = new Map<ServiceId, Standby>();
  #failures: ReadonlyMap<ServiceId, string> = new Map();

  constructor(card: CardId, runner: Runner) {
    this.#card = card;
    this.#runner = runner;
  }

  deadline(): number {
    return Math.min(...[...this.#standbys.values()].map(({ retryAt }) => retryAt), Infinity);
  }

  /** The wants with what is to stand by here. */
  with(
    wants: ReadonlyMap<ServiceId, Want>,
    now: number,
    state: FailoverState,
    config: PlacedConfig,
  ): Map<ServiceId, Want> {
    const all = new Map(wants);
    const standing = new Set<ServiceId>();
    for (const service of config.hotServices) {
      const isHolder = state.grants.get(service)?.holder === this.#card;
      if (!isHolder && !this.#wouldTakeOver(service, state)) continue;
      const plans = config.plansOf(service, this.#card, "hot");
      standing.add(service);
      const want = wants.get(service);
      const run = want === undefined ? undefined : `${want.epoch}:${want.attempt}`;
      all.set(wantOf(service), { epoch: 0, attempt: this.#attemptOf(service, now, run), plans });
    }
    for (const service of this.#standbys.keys()) if (!standing.has(service)) this.#standbys.delete(service);
    this.#noteFailures(wants);
    return all;
  }

  #wouldTakeOver(service: ServiceId, { assignment }: FailoverState): boolean {
    const placed = assignment.services.get(service);
    if (placed?.state !== "placed") return false;
    return (assignment.sets.get(placed.set)?.seats ?? []).some(({ card, role }) =>
      card === this.#card && (role === "primary" || role === "secondary" || role === "alternate")
    );
  }

  #attemptOf(service: ServiceId, now: number, run: string | undefined): number {
    let standby = this.#standbys.get(service);
    if (standby === undefined) this.#standbys.set(service, standby = { attempt: 1, run, retryAt: Infinity });
    // Nobody asks for them, and they are in the log.
    this.#runner.takeTimings(wantOf(service));
    const hasFailed = this.failureOf(service) !== undefined;
    if (!hasFailed) standby.retryAt = Infinity;
    else if (run === undefined && standby.retryAt === Infinity) standby.retryAt = now + standbyRetryMs;
    if (hasFailed && ((run !== undefined && run !== standby.run) || now >= standby.retryAt)) {
      standby.attempt++;
      standby.retryAt = Infinity;
    }
    standby.run = run;
    return standby.attempt;
  }

  #noteFailures(wants: ReadonlyMap<ServiceId, Want>): void {
    const failures = new Map<ServiceId, string>();
    for (const service of this.#standbys.keys()) {
      const failure = this.failureOf(service);
      if (failure !== undefined && !wants.has(service)) failures.set(service, failure.why);
    }
    const isSame = failures.size === this.#failures.size && [...failures].every(([service, why]) => this.#failures.get(service) === why);
    if (!isSame) this.#failures = failures;
  }

  /** Why what only stands by does not run here, by service. The same map while nothing changes. */
  get failures(): ReadonlyMap<ServiceId, string> {
    return this.#failures;
  }

  /** Why what stands by for a service does not run here, where it should. */
  failureOf(service: ServiceId): LocalFailure | undefined {
    return this.#runner.failureOf(wantOf(service));
  }

  /** Whether all that stands by for a service here runs; of a service without such things too. */
  isRunning(service: ServiceId): boolean {
    return !this.#standbys.has(service) || this.#runner.stateOf(wantOf(service)) === "running";
  }
}
