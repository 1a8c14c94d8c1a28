/** A checker of failover: it sees what the cards' machines do beside what their programs say, in worlds whose cards run resources. */
import type { Effect } from "../node/effect.ts";
import { Checker, type Scene } from "./checker.ts";
import type { Run, SimCard } from "./sim-card.ts";

export abstract class FailoverChecker extends Checker {
  override readonly needsSingles = true;
  override readonly needsTruth = true;
  /** A card begins to start a resource, or to stop it; gives what is wrong with that. */
  started?(scene: Scene, card: SimCard, resource: string): string | undefined;
  stopped?(scene: Scene, card: SimCard, resource: string): string | undefined;
  /** A card's reset line is about to be pulled. */
  killed?(scene: Scene, card: SimCard): string | undefined;
  /** After every step of a card, logged or not. */
  each?(scene: Scene, card: SimCard, run: Run, effects: readonly Effect[]): string | undefined;
}
