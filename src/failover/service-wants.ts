/** What a card is to run of its own right: the services that it was granted. What stands by is in `service-standby.ts`. Pure. */
import type { CardId } from "../base/ids.ts";
import type { ServiceId } from "./config.ts";
import type { PlacedConfig } from "./service-config.ts";
import type { Want } from "./service-runner.ts";
import type { FailoverState } from "./service-state.ts";

/** One run of a service under one grant. */
export function runKey(service: ServiceId, epoch: number, attempt: number): string {
  return `${service}:${epoch}:${attempt}`;
}

/** `interrupted`: runs that ended because this card had to stop; they are told before anything is started again. */
export function grantedWants(
  card: CardId,
  state: FailoverState,
  config: PlacedConfig,
  interrupted: ReadonlySet<string>,
): Map<ServiceId, Want> {
  const wants = new Map<ServiceId, Want>();
  for (const [service, { state: grant, holder, epoch }] of state.grants) {
    if (holder !== card || (grant !== "starting" && grant !== "running")) continue;
    const attempt = state.attemptOf(service);
    if (interrupted.has(runKey(service, epoch, attempt))) continue;
    wants.set(service, { epoch, attempt, plans: config.plansOf(service, card, "cold") });
  }
  return wants;
}
