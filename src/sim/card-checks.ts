/** What the checks of a simulated card find: all is well but for the Ethernet port, whose state the world knows, and for a disk that is to be sick. */
import type { CheckOutcome } from "../failover/self-test-checks.ts";
import type { Effect } from "../node/effect.ts";
import type { Input } from "../node/input.ts";
import type { SimCard } from "./sim-card.ts";

type Answer = Extract<Input, { readonly kind: "postChecked" | "selfTestChecked" }>;

/** After so many milliseconds. */
const ms = 2;
const checked: CheckOutcome = { result: "passed", code: "", text: "", ms };
const sick: CheckOutcome = { result: "failed", code: "io-error", text: "a write to the state directory failed", ms };
const unplugged: CheckOutcome = { result: "failed", code: "no-carrier", text: "no carrier", ms };

/** The answers to the checks that a card orders. */
export function checkAnswers(card: SimCard, effect: Extract<Effect, { readonly kind: "post" | "selfTest" }>): Answer[] {
  if (effect.kind === "post") return effect.checks.map((check) => ({ kind: "postChecked", check, outcome: checked }));
  return effect.checks.map((check) => {
    const isPort = check === "carrier" || check === "loopback";
    const outcome = isPort && !card.portWorks.ether ? unplugged : check === "disk" && card.isSick ? sick : checked;
    return { kind: "selfTestChecked", run: effect.run, check, outcome };
  });
}
