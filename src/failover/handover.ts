/**
 * Handover joins what is wanted with what is: from the assignment and the grants of each service it says which grants are to be stepped, and what the
 * next assignment has to take for granted. So a service that an unknown card has not let go of counts as held there, although the assignment had
 * already given it to another one.
 */
import type { Assignment } from "./assignment.ts";
import { compareText, type ServiceId } from "./config.ts";
import { stateOf } from "./eligibility.ts";
import type { Facts } from "./facts.ts";
import { type Grant, type GrantEvent, idleGrant, isHeld } from "./grant.ts";

export type Grants = ReadonlyMap<ServiceId, Grant>;

/** The steps of grants that the assignment asks for, by service. A service that is held asks for none: what it has stays as it is. */
export function wantsOf(
  assignment: Assignment,
  grants: Grants,
): { readonly service: ServiceId; readonly event: GrantEvent }[] {
  const wants: { service: ServiceId; event: GrantEvent }[] = [];
  const services = [...new Set([...assignment.services.keys(), ...grants.keys()])].sort(compareText);
  for (const id of services) {
    const service = assignment.services.get(id);
    if (service?.state === "held") continue;
    const grant = grants.get(id) ?? idleGrant;
    const to = service?.owner?.card;
    if (grant.target === to && (to !== undefined || grant.state === "idle" || grant.state === "releasing")) continue;
    wants.push({ service: id, event: { kind: "wanted", to } });
  }
  return wants;
}

/** The assignment as the next one has to see it: what an unknown card still has, or may have, is there. */
export function withHolders(assignment: Assignment, grants: Grants, facts: Facts): Assignment {
  const services = new Map(assignment.services);
  for (const [id, grant] of grants) {
    const { holder } = grant;
    if (holder === undefined || !isHeld(grant) || stateOf(holder, facts) !== "unknown") continue;
    const known = services.get(id);
    if (known === undefined || known.owner?.card === holder) continue;
    services.set(id, { ...known, state: "held", owner: { card: holder, seat: `card ${holder}` } });
  }
  return { ...assignment, services };
}
