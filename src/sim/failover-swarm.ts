/** What a seed draws for a system whose cards run resources: the failover sets that it has, what befalls the resources, and what operators order. */
import type { CardId } from "../base/ids.ts";
import { Prng } from "../base/prng.ts";
import { type FailoverPart, failoverParts, rowChanges } from "./failover-rows.ts";
import { hookFaults } from "./failover-system.ts";

type Plan = { readonly at: number; readonly line: string }[];

/** Services of these names are in one part or the other. */
const services = ["sql", "data", "a", "b", "c", "web", "target", "farm-1-1", "farm-1-2"];

/** One part, or some. What stands by takes its own stream of draws. */
export function drawParts(prng: Prng, seed: number): FailoverPart[] {
  const drawn = failoverParts.filter((part) => part !== "hot" && prng.chance(0.5));
  const isUsual = prng.chance(0.3) || drawn.length === 0 || (drawn.length === 1 && drawn[0] === "chassis");
  const parts: FailoverPart[] = isUsual ? ["single", "spread", "chassis"] : drawn;
  return new Prng(seed ^ 0x4cf5ad43).chance(0.3) ? [...parts, "hot"] : parts;
}

/** Half of the systems have watchdogs; some of these bite too soon to be a lease. */
export function drawWatchdogs(seed: number): { readonly watchdogMs?: number } {
  const prng = new Prng(seed ^ 0x7feb352d);
  return prng.chance(0.5) ? { watchdogMs: prng.pick([3_000, 8_000, 10_000, 15_000]) } : {};
}

/** Draws what befalls the resources of a system, and what operators order. Half of it comes in bursts: what is ordered while something else is under way. */
export function drawFailing(prng: Prng, cards: readonly CardId[], untilMs: number): Plan {
  const burstAt = prng.unit() * untilMs;
  const instant = () => prng.chance(0.5) ? prng.unit() * untilMs : burstAt + prng.between(0, 2_000);
  const plan: Plan = [];
  const some = (chance: number, max: number, line: () => string | undefined) => {
    for (let times = prng.chance(chance) ? 1 + prng.below(max) : 0; times > 0; times--) {
      const drawn = line();
      if (drawn !== undefined) plan.push({ at: instant(), line: drawn });
    }
  };
  for (const fault of hookFaults) {
    if (!prng.chance(0.25)) continue;
    for (const card of cards.filter(() => prng.chance(0.5))) {
      plan.push({ at: instant(), line: `hooks ${card} ${fault} ${prng.pick([0.02, 0.1, 0.5])}` });
    }
  }
  some(0.6, 12, () => `die ${prng.pick(cards)}`);
  some(0.2, 4, () => `rival ${prng.pick(cards)}`);
  some(0.6, 12, () => `move ${prng.pick(cards)} ${prng.pick(services)} ${prng.pick(cards)}`);
  some(0.4, 8, () => `drain ${prng.pick(cards)} ${prng.pick(["on", "off"])} ${prng.pick(cards)}`);
  some(0.3, 6, () => `maintenance ${prng.pick(cards)} ${prng.pick(["on", "off", "off"])} ${prng.pick(cards)}`);
  some(0.2, 4, () => `failback ${prng.pick(cards)} ${prng.pick(["db", ...services])}`);
  some(0.2, 4, () => `lift ${prng.pick(cards)} ${prng.pick(services)}`);
  some(0.4, 8, () => `configure ${prng.pick([...rowChanges, "back"])}`);
  some(0.3, 8, () => `interface ${prng.pick(cards)} ${prng.pick(["eth1", "eth2"])} ${prng.pick(["down", "down", "up"])}`);
  // Two things at once are what a takeover is afraid of: the other card ends while it is under way.
  some(0.4, 3, () => `${prng.pick(["crash", "pull"])} ${prng.pick(cards)}`);
  some(0.4, 6, () => `insert ${prng.pick(cards)}`);
  some(0.3, 3, () => `stall ${prng.pick(cards)} ${prng.pick([120, 400, 1_500, 6_000, 60_000])} ${prng.pick(["frames", "tick"])}`);
  some(0.4, 4, () => {
    const [from, to] = [prng.pick(cards), prng.pick(cards)];
    return from === to ? undefined : `${prng.chance(0.5) ? "partition" : "part"} ${from} ${to} ${prng.pick(["both", "oneway"])}`;
  });
  some(0.15, 3, () => `sick ${prng.pick(cards)} ${prng.pick(["on", "on", "off"])}`);
  return plan.filter(({ at }) => at < untilMs);
}
