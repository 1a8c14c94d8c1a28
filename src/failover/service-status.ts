/** What a card says of the services: what is agreed on of each, and what it is doing with it itself. Pure. */
import type { ServiceId } from "./config.ts";
import type { Runner } from "./service-runner.ts";
import type { FailoverState } from "./service-state.ts";
import type { FailoverDecided, ServiceStatus } from "./service-types.ts";

/** `wanted`: what this card is to run. */
export function servicesStatus(state: FailoverState, runner: Runner, wanted: { has(service: ServiceId): boolean }): ServiceStatus[] {
  return [...state.assignment.services.values()].map(({ service, set, state: word, owner, reasons }) => {
    const grant = state.grants.get(service);
    const isHere = wanted.has(service) || runner.isHere(service);
    return {
      service,
      set,
      state: word,
      owner: owner?.card,
      grant: grant?.state ?? "idle",
      epoch: grant?.epoch ?? 0,
      reasons: reasons.map(({ text }) => text),
      here: isHere ? { state: runner.stateOf(service), waitingFor: runner.waitingFor(service) } : undefined,
    };
  });
}

/** What is agreed on after an entry; to be read at once. */
export function decidedOf(state: FailoverState, sequence: number): FailoverDecided {
  const { generation, view, assignment } = state;
  return {
    sequence,
    view: view?.number ?? 0,
    generation,
    assignment,
    // Made only for who asks: the checkers of the simulator look at each step.
    get facts() {
      return state.facts;
    },
  };
}
