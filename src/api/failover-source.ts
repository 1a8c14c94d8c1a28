/**
 * What the HTTP interface asks of a card's failover service. Whoever composes the card makes one of its node: what is read is a snapshot of the
 * moment, an order is answered when the order of messages has brought it back.
 */
import type { FailoverStatus, OperatorAnswer, OperatorRequest } from "../failover/service-types.ts";

export type FailoverSource = {
  /** Undefined while the card has no failover service: its node has not composed one, or is not started yet. */
  status(): FailoverStatus | undefined;
  /**
   * Dry, it is planned on what this card knows and changes nothing. `assume-idle` is the word that a card which holds for others that are
   * missing waits for, too.
   */
  operate(order: OperatorRequest, dryRun: boolean): Promise<OperatorAnswer>;
};
