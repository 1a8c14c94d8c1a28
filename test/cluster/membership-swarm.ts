/** What befalls the cards of a seed: the draw of a system and of its faults, then healing, and how long one view may take. */
import { cardAt, type CardId, chassisOf } from "../../src/base/ids.ts";
import { Prng } from "../../src/base/prng.ts";
import { chassisOfCards, MembershipNetwork } from "./membership-network.ts";

const faultsMs = 2_500;
/** How long what was heard, or not heard, before the heal is still at work. */
const faultEchoMs = 600;
/** Longer than a card that did not answer is left out. */
const healMs = 15_000;

export type SwarmResult = { readonly network: MembershipNetwork; readonly settledMs: number };

/** Runs a seed; throws where an invariant breaks. */
export function runSeed(seed: number): SwarmResult {
  const draw = new Prng(seed ^ 0x5eed);
  const count = draw.pick([1, 2, 2, 3, 3, 4, 4, 5, 6, 8]);
  const cards = draw.chance(0.2) ? chassisOfCards(count).map((card, index) => cardAt(1 + index % 2, card)) : chassisOfCards(count);
  cards.sort((a, b) => a - b);
  const network = new MembershipNetwork({
    seed,
    cards,
    witness: draw.chance(0.15),
    ...(draw.chance(0.3) ? { tieBreak: draw.pick(cards) } : {}),
    loss: draw.pick([0, 0, 0.01, 0.05, 0.2, 0.4]),
    repeated: draw.pick([0, 0.05, 0.3]),
  });
  const together = draw.chance(0.5);
  for (const slot of network.slots) {
    if (together) network.at(draw.between(0, 20), () => network.start(slot));
    else if (draw.chance(0.8)) network.at(draw.between(0, 600), () => network.start(slot));
  }
  const faults = draw.below(12);
  for (let fault = 0; fault < faults; fault++) network.at(draw.between(0, faultsMs), () => strike(network, draw, cards));
  network.run(faultsMs);
  network.heal();
  const healedAt = network.now;
  while (network.unsettled() !== undefined) {
    if (network.now - healedAt > healMs) network.fail(`not settled ${healMs} ms after the heal: ${network.unsettled()}`);
    network.run(10);
  }
  const settledMs = network.now - healedAt;
  // What was on its way in the faults has its effect, then nothing may change any more.
  network.run(faultEchoMs);
  const views = viewsOf(network);
  network.run(calmMs(cards));
  if (network.unsettled() !== undefined || viewsOf(network) !== views) {
    network.fail(`does not rest: ${network.unsettled() ?? `${viewsOf(network) - views} views taken without need`}`);
  }
  return { network, settledMs };
}

/**
 * Cuts drawn once, not transitive and perhaps one way, that stay. The cards must come to rest: no more views, and a majority that
 * confirms each other has one. Gives what is wrong.
 */
export function runPartial(seed: number): string | undefined {
  const draw = new Prng(seed);
  const cards = chassisOfCards(2 + draw.below(6)).map((card, index) => index % 3 === 2 && seed % 3 === 0 ? cardAt(2, card) : card);
  cards.sort((a, b) => a - b);
  const network = new MembershipNetwork({ seed, cards });
  for (const slot of network.slots) network.start(slot);
  network.run(500);
  if (network.unsettled() !== undefined) return `does not begin: ${network.unsettled()}`;
  const share = draw.pick([0.1, 0.2, 0.3, 0.5]);
  const oneWay = draw.pick([0, 0.3, 1]);
  for (const a of cards) {
    for (const b of cards) {
      if (a >= b || !draw.chance(share)) continue;
      for (const link of draw.pick([["ether"], ["serial"], ["ether", "serial"], ["ether", "serial"]] as const)) {
        const isOneWay = draw.chance(oneWay);
        const isBack = draw.chance(0.5);
        if (!isOneWay || !isBack) network.setCut(link, a, b, true);
        if (!isOneWay || isBack) network.setCut(link, b, a, true);
      }
    }
  }
  if (draw.chance(0.5)) {
    const slot = draw.pick(network.slots);
    network.stop(slot, "silent");
    network.at(draw.between(1, 500), () => network.start(slot));
  }
  network.run(3_000);
  const views = viewsOf(network);
  network.run(2_000);
  const holders = network.running().filter(({ run }) => run?.membership.isHeld() === true).map(({ card }) => card);
  const clique = largestConfirming(network, cards);
  if (2 * clique.length > cards.length && holders.length < clique.length) {
    return `cards ${clique.join(", ")} confirm each other, and only ${holders.join(", ")} hold a view`;
  }
  return viewsOf(network) === views ? undefined : `${viewsOf(network) - views} views in the end`;
}

function largestConfirming(network: MembershipNetwork, cards: readonly CardId[]): readonly CardId[] {
  const hears = (a: CardId, b: CardId) =>
    !network.cut.has(`ether ${b} ${a}`) || (chassisOf(a) === chassisOf(b) && !network.cut.has(`serial ${b} ${a}`));
  let best: readonly CardId[] = [];
  for (let bits = 0; bits < 2 ** cards.length; bits++) {
    const set = cards.filter((_, index) => ((bits >> index) & 1) === 1);
    if (set.length > best.length && set.every((a) => set.every((b) => a === b || hears(a, b)))) best = set;
  }
  return best;
}

function viewsOf(network: MembershipNetwork): number {
  return network.slots.reduce((sum, { run }) => sum + (run?.views ?? 0), 0);
}

/** How long a system that has one view is watched. */
function calmMs(cards: readonly CardId[]): number {
  return cards.length < 6 ? 600 : 300;
}

function strike(network: MembershipNetwork, draw: Prng, cards: readonly CardId[]): void {
  const slot = draw.pick(network.slots);
  const other = draw.pick(cards);
  switch (draw.below(8)) {
    case 0:
    case 1:
      return network.stop(slot, draw.pick(["silent", "silent", "power", "left", "failing"] as const));
    case 2:
      return network.start(slot);
    case 3: {
      network.stop(slot, "silent");
      network.at(draw.between(1, 400), () => network.start(slot));
      return;
    }
    case 4: {
      const sides: CardId[][] = [[], [], []];
      for (const card of cards) (sides[draw.below(draw.chance(0.7) ? 2 : 3)] as CardId[]).push(card);
      return network.partition(sides);
    }
    case 5:
      if (other === slot.card) return;
      // One pair, perhaps one way, perhaps on one link: not transitive.
      for (const link of draw.pick([["ether"], ["serial"], ["ether", "serial"], ["ether", "serial"]] as const)) {
        network.setCut(link, slot.card, other, true);
        if (draw.chance(0.7)) network.setCut(link, other, slot.card, true);
      }
      return;
    case 6:
      network.cut.clear();
      return;
    case 7:
      // One port: nobody is heard there, and nobody hears it.
      for (const card of cards) {
        if (card === slot.card || chassisOf(card) !== chassisOf(slot.card)) continue;
        const link = draw.pick(["ether", "serial"] as const);
        network.setCut(link, slot.card, card, true);
        network.setCut(link, card, slot.card, true);
      }
  }
}
