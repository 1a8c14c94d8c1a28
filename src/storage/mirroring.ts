/**
 * A device as its primary host serves it: attaches the legs of backup hosts that are ready, has those that were lost left out before anything is acknowledged without them, and
 * opens the gate when what is agreed on is kept and the legs in sync are alike (PB-5, PB-10, HA-12).
 *
 *     leg:   absent ─ ready ─► attaching ─► attached ─ synchronized ─► mirrored (in sync when the others agree)
 *              ▲                   │            │                          │
 *              └── let go ◄────────┴── lost ◄───┴──────────────────────────┘   frozen until it is out, and that is kept
 *
 * Invariant: `proceed` names a leg only when the set without it is agreed on and kept. The surprising part: a leg counts for the engine before it is in sync for the others, and
 * until after it is out for them.
 */
import type { CardId } from "../base/ids.ts";
import type { NodeView } from "../cluster/view.ts";
import { storageFlapsMax, storageFlapsMs, storageFlapWaitMs, storageReconcileMs, storageRetryMs } from "../limits.ts";
import type { BlockReport, LegId } from "./blocks.ts";
import { type DeviceAgreed, isKept } from "./device-state.ts";
import { type GiveOrder, type LocalLeg, verdictOn } from "./local-leg.ts";
import { candidates, type Holder, type LegAgreed } from "./primary-backup.ts";

type Peer = {
  state: "absent" | "attaching" | "attached" | "mirrored" | "lost";
  /** Who hosts it. */
  host: Holder | undefined;
  retryAt: number;
  lossesAt: number[];
  /** What cannot be synchronized, and why. */
  diverged: string | undefined;
};

export type MirrorSaying =
  | { readonly kind: "out"; readonly legs: readonly LegId[] }
  | { readonly kind: "in" | "full"; readonly leg: LegId };

export class Mirroring {
  readonly term: number;
  readonly #own: CardId;
  readonly #leg: LegId;
  readonly #peers = new Map<LegId, Peer>();
  #state: "new" | "making" | "made" | "shut" = "new";
  #gate: "paused" | "opening" | "open" = "paused";
  #isProceeding = false;
  #reconcileUntil: number;
  #hasLegFailed = false;
  #failure = "";

  constructor(now: number, own: CardId, leg: LegId, term: number) {
    this.#own = own;
    this.#leg = leg;
    this.term = term;
    this.#reconcileUntil = now + storageReconcileMs;
  }

  get isServing(): boolean {
    return this.#gate === "open" && this.#state === "made";
  }

  /** Why it cannot be served any more. */
  get failure(): string {
    return this.#failure;
  }

  /** The leg that it serves from. */
  get leg(): LegId {
    return this.#leg;
  }

  instants(): number[] {
    const retries = [...this.#peers.values()].map(({ retryAt }) => retryAt);
    return [this.#reconcileUntil, ...retries];
  }

  divergedOf(leg: LegId): string | undefined {
    return this.#peers.get(leg)?.diverged;
  }

  stateOf(leg: LegId): Peer["state"] {
    return this.#peers.get(leg)?.state ?? "absent";
  }

  onReport(now: number, report: BlockReport): void {
    if (report.kind === "legFailed") {
      this.#hasLegFailed = true;
      this.#failure = report.reason;
    }
    if (report.kind !== "synchronized" && report.kind !== "peerLost") return;
    const peer = this.#peers.get(report.peer);
    if (peer === undefined || report.term !== this.term || this.#state === "shut") return;
    if (report.kind === "synchronized") {
      if (peer.state !== "attached") return;
      peer.state = "mirrored";
    } else if (peer.state !== "absent") this.#lose(now, peer);
  }

  #lose(now: number, peer: Peer): void {
    if (peer.state === "lost") return;
    peer.state = "lost";
    peer.lossesAt = [...peer.lossesAt.filter((at) => now - at < storageFlapsMs), now].slice(-storageFlapsMax);
    peer.retryAt = peer.lossesAt.length >= storageFlapsMax ? now + storageFlapWaitMs : now + storageRetryMs;
  }

  /** Gives orders, and tells what has to be said. `isSaid`: a saying is on its way into the order. */
  advance(
    now: number,
    agreed: DeviceAgreed,
    view: NodeView,
    local: LocalLeg,
    isSaid: (kind: MirrorSaying["kind"], leg: LegId) => boolean,
    give: GiveOrder,
  ): MirrorSaying[] {
    const { memory } = agreed;
    if (memory === undefined || !local.isOpen || this.#state === "shut") return [];
    if (this.#state === "new" && local.notedTerm === this.term && local.noted?.consistent === true) this.#make(agreed, give);
    const sayings: MirrorSaying[] = [];
    const out: LegId[] = [];
    for (const [leg, known] of agreed.legs) {
      if (leg === this.#leg) continue;
      const peer = this.#peerOf(leg);
      if (this.#isToGo(now, agreed, view, leg, known, peer)) {
        if (peer.state !== "absent" && peer.state !== "lost") this.#letGo(now, leg, peer, give);
        if (memory.inSync.includes(leg)) out.push(leg);
      }
      if (peer.state === "mirrored" && !memory.inSync.includes(leg)) sayings.push({ kind: "in", leg });
      if (peer.state === "absent" && this.#state === "made" && now >= peer.retryAt) {
        sayings.push(...this.#attach(agreed, leg, known, peer, give));
      }
    }
    if (this.#hasLegFailed && memory.inSync.includes(this.#leg) && this.#hasOther(memory.inSync)) out.push(this.#leg);
    if (out.length > 0) sayings.push({ kind: "out", legs: out });
    this.#proceed(agreed, view, local, isSaid, give);
    this.#open(agreed, view, local, give);
    return sayings;
  }

  #peerOf(leg: LegId): Peer {
    const peer = this.#peers.get(leg) ?? { state: "absent", host: undefined, retryAt: -Infinity, lossesAt: [], diverged: undefined };
    this.#peers.set(leg, peer);
    return peer;
  }

  #hasOther(inSync: readonly LegId[]): boolean {
    return inSync.some((leg) => leg !== this.#leg && this.#peers.get(leg)?.state === "mirrored");
  }

  /** The gate stays paused: nothing is acknowledged before what is agreed on is kept. */
  #make(agreed: DeviceAgreed, give: GiveOrder): void {
    this.#state = "making";
    const suspects = agreed.memory?.inSync.filter((leg) => leg !== this.#leg) ?? [];
    give({ kind: "serve", term: this.term, policy: agreed.definition.policy }, (_at, answer) => {
      if (answer.kind === "failed") return this.#fail(answer.reason);
      give({ kind: "suspect", peers: suspects }, (_then, second) => {
        if (second.kind === "failed") return this.#fail(second.reason);
        if (this.#state === "making") this.#state = "made";
      });
    });
  }

  #fail(reason: string): void {
    this.#failure = reason;
    this.#hasLegFailed = true;
  }

  /** Whether a leg cannot stay, or cannot come: its host is not there, or what it has is not what it should. */
  #isToGo(now: number, agreed: DeviceAgreed, view: NodeView, leg: LegId, known: LegAgreed, peer: Peer): boolean {
    if (peer.state === "lost") return true;
    if (!agreed.definition.legs.some((each) => each.leg === leg)) return true;
    if (peer.state === "absent") {
      if (agreed.memory?.inSync.includes(leg) !== true) return false;
      if (known.holder === undefined && candidates(known, view).length === 0) return true;
      return this.#state === "made" && (this.#gate === "open" || now >= this.#reconcileUntil);
    }
    if (known.holder?.card !== peer.host?.card || known.holder?.incarnation !== peer.host?.incarnation) return true;
    return peer.state === "attached" && this.#gate === "paused" && now >= this.#reconcileUntil &&
      agreed.memory?.inSync.includes(leg) === true;
  }

  #letGo(now: number, leg: LegId, peer: Peer, give: GiveOrder): void {
    this.#lose(now, peer);
    give({ kind: "detach", peer: leg }, () => {});
  }

  #attach(agreed: DeviceAgreed, leg: LegId, { ready, holder, resolved }: LegAgreed, peer: Peer, give: GiveOrder): MirrorSaying[] {
    const { memory } = agreed;
    if (memory === undefined || ready?.term !== this.term || ready.card !== holder?.card) return [];
    const counts = memory.inSync.includes(leg);
    const verdict = verdictOn(memory, ready.state, leg);
    peer.diverged = undefined;
    if (counts) {
      // It says itself that it is not what is agreed on: it goes out, and comes back as what it is.
      if (!ready.state.consistent || ready.state.current !== memory.current) return [{ kind: "out", legs: [leg] }];
    } else if (verdict.kind === "source" && !verdict.full) {
      // It has to say first that it is not consistent while it synchronizes.
      if (ready.state.consistent) return [];
    } else if (verdict.kind === "source" || resolved || verdict.kind === "equal") {
      return [{ kind: "full", leg }];
    } else {
      peer.diverged = verdict.kind === "splitBrain" ? `both went on since ${verdict.ancestor}` : `what it has is ${verdict.kind}`;
      return [];
    }
    peer.state = "attaching";
    // A new run of its card does not answer for the old one's losses.
    if (peer.host?.incarnation !== holder?.incarnation || peer.host?.card !== holder?.card) peer.lossesAt = [];
    peer.host = holder;
    give({ kind: "attach", peer: leg, card: ready.card, term: this.term, counts }, (now, answer) => {
      if (peer.state !== "attaching") return;
      if (answer.kind === "failed") this.#lose(now, peer);
      else peer.state = "attached";
    });
    return [];
  }

  /** Acknowledgments go on without the legs that are lost, when they are out and that is kept. */
  #proceed(
    agreed: DeviceAgreed,
    view: NodeView,
    local: LocalLeg,
    isSaid: (kind: MirrorSaying["kind"], leg: LegId) => boolean,
    give: GiveOrder,
  ): void {
    if (this.#isProceeding || !this.#isSafe(agreed, view, local)) return;
    const isOut = (leg: LegId) => agreed.memory?.inSync.includes(leg) !== true && !isSaid("in", leg);
    const without = [...this.#peers].filter(([leg, { state }]) => state === "lost" && isOut(leg));
    if (without.length === 0) return;
    this.#isProceeding = true;
    give({ kind: "proceed", without: without.map(([leg]) => leg) }, () => {
      this.#isProceeding = false;
      for (const [, peer] of without) peer.state = "absent";
    });
  }

  /** What must be kept is kept, and stands in our own superblock. */
  #isSafe(agreed: DeviceAgreed, view: NodeView, local: LocalLeg): boolean {
    const { memory, keepRevision } = agreed;
    const isNoted = memory?.inSync.includes(this.#leg) !== true ||
      ((local.noted?.revision ?? 0) >= keepRevision && local.noted?.acknowledged === true);
    return isNoted && isKept(agreed, view, this.#own);
  }

  #open(agreed: DeviceAgreed, view: NodeView, local: LocalLeg, give: GiveOrder): void {
    const { memory } = agreed;
    if (this.#gate !== "paused" || this.#state !== "made" || memory === undefined || this.#hasLegFailed) return;
    if (!memory.inSync.includes(this.#leg) || !this.#isSafe(agreed, view, local)) return;
    if (memory.inSync.some((leg) => leg !== this.#leg && this.#peers.get(leg)?.state !== "mirrored")) return;
    this.#gate = "opening";
    give({ kind: "gate", state: "open" }, (_now, answer) => {
      if (answer.kind === "failed") return this.#fail(answer.reason);
      if (this.#gate === "opening") this.#gate = "open";
    });
  }

  /** Nothing is served any more. */
  shut(give: GiveOrder): void {
    if (this.#state === "shut") return;
    const isMade = this.#state !== "new";
    this.#state = "shut";
    if (isMade) give({ kind: "gate", state: "shut" }, () => {});
  }
}
