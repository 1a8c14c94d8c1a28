/** Facts of what nobody has told of yet. */
import type { CardFacts, UnitFacts } from "./facts.ts";

/** A unit that has nothing behind it. */
export const freshUnit: UnitFacts = {
  failedOn: new Map(),
  quarantine: undefined,
  wanted: undefined,
  stay: undefined,
  isMoving: false,
  failbacksUndone: [],
};

/** A card of which nothing is known but whether it is there. */
export function freshCard(state: CardFacts["state"]): CardFacts {
  return {
    state,
    joined: false,
    readiness: { kind: "booting", phase: "START" },
    health: "good",
    healthReasons: [],
    healthySince: undefined,
    software: "",
    model: undefined,
    configuration: "behind",
    ports: new Map(),
    unfit: new Map(),
    leaseMs: undefined,
    quarantine: undefined,
    maintenance: undefined,
    drained: undefined,
  };
}
