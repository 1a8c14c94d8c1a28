/**
 * The invariants of the configuration's replicas. What is true is on the simulated disks; what is said comes from the nodes and their answers.
 *
 * They rest on there being one card of each identity, and on receipts that do not lie: a power sense that lies makes two sides, each of
 * which takes changes, and the younger of the two is set aside afterwards.
 */
import { hex } from "../base/hex.ts";
import type { CardId } from "../base/ids.ts";
import { isSameHead } from "../config/chain.ts";
import type { Head } from "../config/change.ts";
import type { ConfigAnswer } from "../config/request.ts";
import type { StoreResult } from "../config/store.ts";
import { Checker, type Scene, type Step, type Unsettled } from "./checker.ts";
import type { SimConfigStore } from "./config-store.ts";
import type { Operators, Write } from "./operators.ts";
import type { Run, SimCard } from "./sim-card.ts";

abstract class ConfigChecker extends Checker {
  override readonly needsSingles: boolean = true;
  override readonly needsTruth: boolean = true;
  protected readonly operators: Operators;

  constructor(operators: Operators) {
    super();
    this.operators = operators;
  }

  /** A store has done something. */
  stored?(scene: Scene, card: SimCard, store: SimConfigStore, result: StoreResult): string | undefined;
  /** An operator was told something. */
  answered?(scene: Scene, write: Write, card: SimCard, run: Run, answer: ConfigAnswer): string | undefined;
}
export type { ConfigChecker };

export function configCheckers(operators: Operators): readonly ConfigChecker[] {
  return [
    new ConfigOneChain(operators),
    new ConfigEqualTables(operators),
    new ConfigKept(operators),
    new ConfigOnce(operators),
    new ConfigSettled(operators),
    new ConfigTrueHold(operators),
  ];
}

function headsOf(result: StoreResult): readonly Head[] {
  return result.kind === "opened" || result.kind === "committed" ? [result.head] : [];
}

export class ConfigOneChain extends ConfigChecker {
  readonly name = "config-one-chain";
  readonly sentence = "Equal sequence and epoch of the configuration mean an equal hash, over all cards and for ever.";
  readonly #hashes = new Map<string, string>();

  override stored(_scene: Scene, _card: SimCard, _store: SimConfigStore, result: StoreResult): string | undefined {
    for (const { sequence, epoch, hash } of headsOf(result)) {
      const place = `${sequence} of epoch ${epoch}`;
      const text = hex(hash);
      const known = this.#hashes.get(place);
      if (known === undefined) this.#hashes.set(place, text);
      else if (known !== text) return `change ${place} has hash ${text.slice(0, 8)}, and had ${known.slice(0, 8)} elsewhere`;
    }
    return undefined;
  }
}

export class ConfigEqualTables extends ConfigChecker {
  readonly name = "config-equal-tables";
  readonly sentence = "Equal heads of the configuration mean equal tables and chains, to the last row.";
  readonly #dumps = new Map<string, string>();
  #seen = 0;

  override stored(_scene: Scene, card: SimCard, store: SimConfigStore, result: StoreResult): string | undefined {
    // A dump is dear: not each commit is looked at, each head that is opened is.
    if (result.kind === "committed" ? this.#seen++ % 4 !== 0 : result.kind !== "opened") return undefined;
    return this.#look(card, store);
  }

  override settled(scene: Scene): Unsettled | undefined {
    for (const card of scene.cards) {
      const store = this.operators.storeOf(card);
      const wrong = store === undefined ? undefined : this.#look(card, store);
      if (wrong !== undefined) return { card, detail: wrong };
    }
    return undefined;
  }

  #look(card: SimCard, store: SimConfigStore): string | undefined {
    if (store.isDamaged) return undefined;
    const { sequence, hash } = store.head;
    // What is kept of a chain follows from the chain alone, so the dump does too.
    const dump = store.dumpHash();
    const known = this.#dumps.get(hex(hash));
    if (known === undefined) this.#dumps.set(hex(hash), dump);
    else if (known !== dump) return `${card.label} has other tables at change ${sequence} than another card had`;
    return undefined;
  }
}

export class ConfigKept extends ConfigChecker {
  readonly name = "config-kept";
  readonly sentence =
    "A change that was acknowledged is durable on every replica, on at least half of the cards that vote, and stays in the chain of every card that is current; what is acknowledged stands after all that was before it was asked for; unless only one card was left to have it.";
  readonly #acknowledged: { readonly write: Write; readonly head: Head }[] = [];

  override answered(scene: Scene, write: Write, card: SimCard, run: Run, answer: ConfigAnswer): string | undefined {
    if (answer.kind !== "changed") return undefined;
    const { head } = answer;
    if (!answer.repeated && head.sequence < write.after) {
      return `${nameOf(write)} was acknowledged as change ${head.sequence}, and change ${write.after} was before anybody had asked for it`;
    }
    // A wish without effect is answered with the head that it found.
    const replicas = this.#replicasOf(scene, card, run, answer.servedBy);
    // What only one card could have goes with that one's disk.
    if (replicas.length > 1) this.#acknowledged.push({ write, head });
    const missing = replicas.find((id) => !scene.cards.some((other) => other.id === id && !other.isTwin && this.#has(other, head)));
    if (missing !== undefined) return `${nameOf(write)} was acknowledged by ${card.label}, and replica ${missing} has it not`;
    const count = scene.cards.filter((other) => !other.isTwin && this.#has(other, head)).length;
    const votes = scene.options.cards.filter((id) => scene.options.disabled?.includes(id) !== true).length;
    return 2 * count >= votes ? undefined : `${nameOf(write)} was acknowledged with ${count} of ${votes} cards that have it`;
  }

  /** Whom the card that served it counts: who passed it on may be out of the view by now, and not know it yet. */
  #replicasOf(scene: Scene, card: SimCard, run: Run, servedBy: CardId): readonly CardId[] {
    if (servedBy === card.id) return run.program.status(run.now).configuration?.replicas ?? [];
    const server = scene.cards.find(({ id, isTwin }) => id === servedBy && !isTwin);
    return (server && scene.statusOf(server)?.configuration?.replicas) ?? [];
  }

  override settled(scene: Scene): Unsettled | undefined {
    for (const card of scene.cards) {
      if (scene.statusOf(card)?.configuration?.state !== "current") continue;
      for (const { write, head } of this.#acknowledged) {
        if (!this.#has(card, head)) return { card, detail: `has lost ${nameOf(write)}, acknowledged as change ${head.sequence}` };
      }
    }
    return undefined;
  }

  #has(card: SimCard, head: Head): boolean {
    const chain = this.operators.storeOf(card)?.chain() ?? [];
    const first = chain[0]?.sequence ?? 1;
    if (head.sequence === 0) return true;
    const change = chain[head.sequence - first];
    return change === undefined ? head.sequence < first : isSameHead(change, head);
  }
}

export class ConfigOnce extends ConfigChecker {
  readonly name = "config-once";
  readonly sentence =
    "A wish is carried out at most once, however often it is asked for with its key, and never when it was refused for good.";

  override settled(scene: Scene): Unsettled | undefined {
    for (const card of scene.cards) {
      const seen = new Set<string>();
      for (const key of this.operators.keysOn(card)) {
        if (seen.has(key)) return { card, detail: `has ${key} twice in its chain` };
        seen.add(key);
      }
      const refused = this.operators.writes.find((write) => write.state === "refused" && !write.isDoubtful && seen.has(write.wish.key));
      if (refused !== undefined) return { card, detail: `has ${nameOf(refused)} in its chain, which was refused` };
    }
    return undefined;
  }
}

export class ConfigSettled extends ConfigChecker {
  readonly name = "config-settled";
  readonly sentence =
    "Within a stated time after the last fault all running cards with a store are current with the same head, and nobody who asked waits for an answer.";

  override settled(scene: Scene): Unsettled | undefined {
    let first: { readonly card: SimCard; readonly text: string } | undefined;
    for (const card of scene.cards) {
      const configuration = scene.statusOf(card)?.configuration;
      const isVoter = scene.options.disabled?.includes(card.id) !== true;
      if (configuration === undefined || card.run?.leaving === true || !isVoter) continue;
      const { state, reason, head } = configuration;
      if (state !== "current") return { card, detail: `its configuration is ${state}: ${reason ?? "no reason"}` };
      const text = `change ${head.sequence} ${head.hash.slice(0, 8)}`;
      first ??= { card, text };
      if (first.text !== text) return { card, detail: `has ${text} while ${first.card.label} has ${first.text}` };
    }
    const { owing } = this.operators;
    return owing === undefined ? undefined : { card: owing, detail: "owes an answer to somebody who asked for a change" };
  }
}

export class ConfigTrueHold extends ConfigChecker {
  readonly name = "config-true-hold";
  readonly sentence = "A store is called corrupt or divergent only when a row of it changed without a change.";

  override step({ card, status }: Step): string | undefined {
    const { configuration } = status;
    if (configuration?.state !== "hold" || (configuration.code !== "corrupt" && configuration.code !== "divergent")) return undefined;
    const store = this.operators.storeOf(card);
    return store?.wasDamaged === true ? undefined : `is in hold: ${configuration.reason ?? configuration.code}`;
  }
}

function nameOf({ number }: Write): string {
  return `write ${number}`;
}
