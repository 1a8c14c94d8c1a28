/** What must hold of failover, held against a world whose cards run resources: one owner, one Primary, no role in rest, and in the end everything served. */
import type { CardId } from "../base/ids.ts";
import { failingMs } from "../limits.ts";
import type { Scene, Step, Unsettled } from "./checker.ts";
import { FailoverChecker } from "./failover-checker.ts";
import type { FailoverSystem } from "./failover-system.ts";
import { RecordsTell } from "./record-checkers.ts";
import type { Run, SimCard } from "./sim-card.ts";
import { Demoted, FencedForSilence, NothingForgotten, OneKill, StartsInOrder, ToldNoFirst } from "./takeover-checkers.ts";

export function failoverCheckers(system: FailoverSystem): FailoverChecker[] {
  return [
    new OneOwner(system),
    new OnePrimary(),
    new EqualDecisions(),
    new NoRoleInRest(),
    new OneKill(),
    new FencedForSilence(),
    new ToldNoFirst(),
    new StartsInOrder(),
    new Demoted(),
    new NothingForgotten(),
    new RecordsTell(system),
    new AllServed(system),
  ];
}

class OneOwner extends FailoverChecker {
  readonly name = "one-owner";
  readonly sentence =
    "A resource is started on a card only when no other card has it, from the start of its start to the proof of its stop; but for the moment in which a card that told the others resets itself (HA-15).";
  readonly #system: FailoverSystem;

  constructor(system: FailoverSystem) {
    super();
    this.#system = system;
  }

  override started(scene: Scene, card: SimCard, resource: string): string | undefined {
    if (this.#system.isHot(resource)) return undefined;
    const others = this.#system.placesOf(resource).filter((place) => place.card !== card && !isResetting(scene, place.card));
    if (others.length === 0) return undefined;
    const where = others.map((place) =>
      `${place.card.label} has it (${place.state}${place.card.run === undefined ? ", without a program" : ""})`
    );
    return `starts ${resource} while ${where.join(" and ")}`;
  }
}

function isResetting({ at }: Scene, { run }: SimCard): boolean {
  return run !== undefined && run.failingAt <= at && at <= run.failingAt + failingMs;
}

class OnePrimary extends FailoverChecker {
  readonly name = "one-primary";
  readonly sentence = "There is at most one Primary for each failover set and epoch, over all cards and for ever (FS-5).";
  readonly #primaries = new Map<string, CardId>();
  readonly #seen = new WeakSet<object>();

  override each(_scene: Scene, _card: SimCard, run: Run): string | undefined {
    const assignment = run.program.decidedFailover?.()?.assignment;
    if (assignment === undefined || this.#seen.has(assignment)) return undefined;
    this.#seen.add(assignment);
    for (const { set, epoch, primary } of assignment.sets.values()) {
      if (primary === undefined) continue;
      const key = `${set} ${epoch}`;
      const known = this.#primaries.get(key);
      if (known === undefined) this.#primaries.set(key, primary.card);
      else if (known !== primary.card) return `card ${primary.card} is Primary of ${set} in epoch ${epoch}, in which card ${known} was`;
    }
    return undefined;
  }
}

/** Places that are remembered. */
const placesMax = 256;

class EqualDecisions extends FailoverChecker {
  readonly name = "equal-decisions";
  readonly sentence = "Cards that know what is agreed on of failover agree: after the same entry in the same view all of it is the same.";
  readonly #texts = new Map<string, { readonly text: string; readonly card: string }>();

  override step({ card, run, effects }: Step): string | undefined {
    const isNew = effects.some((effect) => effect.kind === "log" && (effect.event === "granted" || effect.event === "running"));
    return isNew ? this.#compare(card, run) : undefined;
  }

  #compare(card: SimCard, run: NonNullable<SimCard["run"]>): string | undefined {
    const decided = run.program.decidedFailover?.();
    const agreed = run.program.agreedFailover?.();
    if (decided === undefined || agreed === undefined) return undefined;
    const key = `${decided.generation} ${decided.view} ${decided.sequence}`;
    const known = this.#texts.get(key);
    if (known !== undefined) return known.text === agreed.text ? undefined : `${difference(agreed.text, known.text)}, unlike ${known.card}`;
    this.#texts.set(key, { text: agreed.text, card: card.label });
    for (const old of this.#texts.keys()) if (this.#texts.size > placesMax) this.#texts.delete(old);
    return undefined;
  }

  override settled(scene: Scene): Unsettled | undefined {
    let first: { readonly card: SimCard; readonly text: string } | undefined;
    for (const card of votersOf(scene)) {
      const agreed = card.run?.program.agreedFailover?.();
      if (agreed === undefined) return { card, detail: `knows nothing of failover: ${card.run?.program.failover?.(card.run.now)?.reason}` };
      first ??= { card, text: agreed.text };
      if (agreed.text !== first.text) return { card, detail: `${difference(agreed.text, first.text)}, unlike ${first.card.label}` };
    }
    return undefined;
  }
}

function difference(text: string, other: string): string {
  let at = 0;
  while (text[at] === other[at] && at < text.length) at++;
  const [here, there] = [text, other].map((whole) => whole.slice(Math.max(0, at - 80), at + 60));
  return `has ...${here}..., not ...${there}...`;
}

class NoRoleInRest extends FailoverChecker {
  readonly name = "no-role-in-rest";
  readonly sentence =
    "No card is Primary, or is given a service, while it is in quarantine, in maintenance or drained; no service has a card while it is in quarantine (FS-7).";
  readonly #seen = new WeakSet<object>();

  override each(_scene: Scene, _card: SimCard, run: Run): string | undefined {
    const decided = run.program.decidedFailover?.();
    if (decided === undefined || this.#seen.has(decided.assignment)) return undefined;
    this.#seen.add(decided.assignment);
    const { assignment, facts } = decided;
    const isResting = (card: CardId) => {
      const known = facts.cards.get(card);
      if (known?.state !== "up") return false;
      const { quarantine, maintenance, drained } = known;
      return maintenance !== undefined || drained !== undefined || (quarantine !== undefined && quarantine.until > facts.now);
    };
    for (const { set, primary } of assignment.sets.values()) {
      if (primary !== undefined && isResting(primary.card)) return `card ${primary.card} rests and is Primary of ${set}`;
    }
    for (const { service, unit, state, owner } of assignment.services.values()) {
      const quarantine = facts.units.get(unit)?.quarantine;
      if (state === "placed" && quarantine !== undefined && quarantine.until > facts.now) {
        return `${service} is in quarantine and on card ${owner?.card}`;
      }
      if (state === "placed" && owner !== undefined && isResting(owner.card)) return `card ${owner.card} rests and is given ${service}`;
    }
    return undefined;
  }
}

class AllServed extends FailoverChecker {
  readonly name = "all-served";
  readonly sentence =
    "Within a stated time after the last fault every set has one Primary, and every resource runs on one card, the one that it is assigned to (HA-3).";
  readonly #system: FailoverSystem;

  constructor(system: FailoverSystem) {
    super();
    this.#system = system;
  }

  override settled(scene: Scene): Unsettled | undefined {
    const [card] = votersOf(scene);
    const decided = card?.run?.program.decidedFailover?.();
    if (card === undefined || decided === undefined) return undefined;
    for (const { set, primary, isDormant, seats } of decided.assignment.sets.values()) {
      if (primary === undefined && !isDormant && seats.length > 0) return { card, detail: `${set} has no Primary` };
    }
    for (const { id, service } of this.#system.rows.resources) {
      const assigned = decided.assignment.services.get(String(service));
      const places = this.#system.placesOf(id);
      const where = places.map((place) => `${place.card.label} (${place.state})`).join(", ");
      const said = `${service} is ${assigned?.state} on card ${assigned?.owner?.card}: ${
        assigned?.reasons.map(({ text }) => text).join("; ")
      }`;
      const isHere = places.some(({ card: place, state }) => state === "running" && place.id === assigned?.owner?.card);
      if (this.#system.isHot(id) && isHere) continue;
      if (places.length !== 1) return { card, detail: `${id} is on ${where === "" ? "no card" : where}; ${said}` };
      const [place] = places;
      if (place?.state !== "running" || place.card.id !== assigned?.owner?.card) return { card, detail: `${id} is on ${where}; ${said}` };
    }
    return undefined;
  }
}

function votersOf(scene: Scene): SimCard[] {
  return scene.cards.filter((card) =>
    !card.isTwin && card.run !== undefined && !card.run.leaving && !(scene.options.disabled ?? []).includes(card.id)
  );
}
