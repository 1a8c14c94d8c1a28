/**
 * One device as one card has its part in it: the legs that it reaches, those that it hosts, and the mirror if it serves. After each input it compares what is agreed on with that;
 * what is missing it orders from the engine, or says.
 */
import type { NodeView } from "../cluster/view.ts";
import type { BlockReport, DeviceId, LegId } from "./blocks.ts";
import { type DeviceAgreed, isKept, whyNot } from "./device-state.ts";
import type { Generations } from "./generation.ts";
import { storageLookMs, storageRetryMs } from "../limits.ts";
import { encodeLegState, type LegState } from "./leg-state.ts";
import { type GiveOrder, isWhole, LocalLeg } from "./local-leg.ts";
import { Mirroring, type MirrorSaying } from "./mirroring.ts";
import type { Holder } from "./primary-backup.ts";
import type { StorageState } from "./storage-state.ts";
import type { StorageEntry, StorageOutput } from "./storage-types.ts";

/** An entry but for the beginning. */
export type Saying = StorageEntry extends infer Entry ? Entry extends StorageEntry ? Omit<Entry, "of"> : never : never;

export type CardSide = {
  readonly own: Holder;
  readonly generations: Generations;
  /** Says it unless it was said; the key tells what is the same. */
  readonly say: (key: string, saying: Saying) => void;
  /** Whether something with a key that begins so is on its way into the order. */
  readonly isUnderWay: (prefix: string) => boolean;
  readonly put: (output: StorageOutput) => void;
  /** Numbers an order and keeps what follows from its answer. */
  readonly order: (device: DeviceId, leg: LegId, order: Parameters<GiveOrder>[0], onAnswer: Parameters<GiveOrder>[1]) => void;
};

/** What failover wants of this card. */
type Want = { readonly kind: "serve"; readonly term: number; answer: "none" | "served" | "unservable" } | { readonly kind: "cease" };

export class CardDevice {
  readonly device: DeviceId;
  readonly #side: CardSide;
  readonly #legs = new Map<LegId, LocalLeg>();
  #mirroring: Mirroring | undefined;
  #want: Want | undefined;
  /** The revision that was last given to be kept, and the one that is. */
  #keeping = -1;
  #kept = -1;
  #hasKeepFailed = false;
  /** Configuration data of the resource, by leg. */
  readonly #data = new Map<LegId, string>();
  readonly #dataTold = new Map<LegId, string>();
  readonly #dataHeard = new Map<LegId, string>();
  #standing = "";

  constructor(device: DeviceId, side: CardSide) {
    this.device = device;
    this.#side = side;
  }

  /** The legs that this card has open or may have. */
  get holds(): LegId[] {
    return [...this.#legs.values()].filter(({ isClosed }) => !isClosed).map(({ leg }) => leg);
  }

  get isIdle(): boolean {
    return this.holds.length === 0 && this.#want === undefined;
  }

  get mirroring(): Mirroring | undefined {
    return this.#mirroring;
  }

  instants(): number[] {
    return [...this.#mirroring?.instants() ?? [], ...[...this.#legs.values()].flatMap((leg) => leg.instants())];
  }

  onServe(term: number): void {
    this.#want = { kind: "serve", term, answer: "none" };
  }

  onCease(): void {
    this.#want = { kind: "cease" };
  }

  onReport(now: number, report: BlockReport): void {
    if (report.kind === "legFailed") this.#legs.get(report.leg)?.onFailed(report.reason);
    if (report.leg === this.#mirroring?.leg) this.#mirroring.onReport(now, report);
  }

  onKept(revision: number, failed: boolean): void {
    this.#hasKeepFailed = failed;
    if (failed) this.#keeping = -1;
    else this.#kept = Math.max(this.#kept, revision);
  }

  onData(leg: LegId, text: string): void {
    this.#data.set(leg, text);
  }

  /** An entry that changed something for a leg of ours. */
  onIn(leg: LegId): void {
    this.#legs.get(leg)?.onIn();
  }

  /** Nothing is agreed on of it any more: all of it is closed. */
  abandon(): void {
    this.#stop();
    for (const leg of this.#legs.values()) leg.close(this.#giveOf(leg.leg));
    this.#finishCease(undefined);
  }

  advance(now: number, state: StorageState, agreed: DeviceAgreed): void {
    const view = state.view;
    if (view === undefined) return;
    this.#keep(agreed);
    const { own } = this.#side;
    const { primary } = agreed;
    const isPrimary = primary?.card === own.card && primary.incarnation === own.incarnation && this.#want?.kind === "serve" &&
      this.#want.term === primary.term;
    if (this.#mirroring !== undefined && (!isPrimary || this.#mirroring.term !== primary.term)) this.#stop();
    for (const leg of new Set([...agreed.legs.keys(), ...this.#legs.keys()])) this.#advanceLeg(now, agreed, view, leg, isPrimary);
    if (isPrimary) this.#serve(now, state, agreed, primary.leg, primary.term);
    else this.#claim(agreed, state);
    this.#sayKept(agreed);
    this.#finishCease(agreed);
    this.#tellStanding(agreed);
  }

  #giveOf(leg: LegId): GiveOrder {
    return (order, onAnswer) => this.#side.order(this.device, leg, order, onAnswer);
  }

  #localOf(leg: LegId): LocalLeg {
    const local = this.#legs.get(leg) ?? new LocalLeg(leg);
    this.#legs.set(leg, local);
    return local;
  }

  #stop(): void {
    if (this.#mirroring === undefined) return;
    this.#mirroring.shut(this.#giveOf(this.#mirroring.leg));
    this.#mirroring = undefined;
  }

  // ---- legs

  #advanceLeg(now: number, agreed: DeviceAgreed, view: NodeView, name: LegId, isPrimary: boolean): void {
    const { own, say } = this.#side;
    const path = agreed.definition.legs.find(({ leg }) => leg === name)?.paths.get(own.card);
    const known = agreed.legs.get(name);
    if (path === undefined && !this.#legs.has(name)) return;
    const local = this.#localOf(name);
    const give = this.#giveOf(name);
    if (path !== undefined) local.look(now, path, storageLookMs, give);
    const isHeld = known?.holder?.card === own.card && known.holder.incarnation === own.incarnation;
    const isPrimaryLeg = agreed.primary?.card === own.card && agreed.primary.leg === name;
    // Who was told to cease gives its leg back, and so does who claims and is not to serve any more.
    const isOurs = isHeld && known.host === own.card && path !== undefined && (!isPrimaryLeg || isPrimary);
    if (isOurs) local.open(now, agreed, storageRetryMs, give);
    else if (this.#mirroring?.leg !== name) local.close(give);
    const device = this.device;
    if (local.isClosed && !isOurs && (isHeld || known?.mayHold.has(own.card) === true)) {
      say(`released:${device}:${name}`, { kind: "released", device, leg: name });
    }
    if (known === undefined) return;
    this.#hearData(name, known.data);
    this.#sayAccess(agreed, name, local);
    if (!isOurs) return;
    if (agreed.definition.kind === "storage") {
      local.note(now, agreed, isKept(agreed, view, own.card), storageRetryMs, give);
      if (!isPrimaryLeg) this.#sayReady(agreed, name, local);
    }
    this.#sayData(agreed, name);
  }

  #sayAccess(agreed: DeviceAgreed, leg: LegId, local: LocalLeg): void {
    const { own, say } = this.#side;
    const { device } = this;
    const known = agreed.legs.get(leg);
    const { seen, why } = local;
    if (seen !== undefined) {
      const said = known?.members.get(own.card);
      const text = seen.state === undefined ? "" : textOf(seen.state);
      const isSaid = said?.incarnation === own.incarnation &&
        (!local.isClosed || (said.seen.state === undefined ? "" : textOf(said.seen.state)) === text);
      if (isSaid) return;
      say(`access:${device}:${leg}:${text}`, { kind: "access", device, leg, seen, why: "" });
    } else if (why !== "" && known?.barred.get(own.card) !== why) {
      say(`access:${device}:${leg}:${why}`, { kind: "access", device, leg, seen, why });
    }
  }

  #sayReady(agreed: DeviceAgreed, leg: LegId, local: LocalLeg): void {
    const { own, say } = this.#side;
    const { memory } = agreed;
    const { noted: state, notedTerm } = local;
    const ready = agreed.legs.get(leg)?.ready;
    if (memory === undefined || state === undefined || notedTerm !== memory.term || local.hasFailed) return;
    if (memory.inSync.includes(leg) && isWhole(agreed, leg, state) && state.revision !== memory.revision) return;
    const text = textOf(state);
    const isSaid = ready?.card === own.card && ready.term === memory.term && textOf(ready.state) === text;
    // What is ready once stays so: that its superblock follows on what is agreed on needs no word.
    const isRight = ready?.term === memory.term && ready.state.consistent && state.consistent;
    if (!isSaid && !isRight) {
      say(`ready:${this.device}:${leg}:${memory.term}:${memory.revision}:${text}`, {
        kind: "ready",
        device: this.device,
        leg,
        term: memory.term,
        state,
      });
    }
  }

  #sayData(agreed: DeviceAgreed, leg: LegId): void {
    const { device } = this;
    const known = agreed.legs.get(leg);
    const text = this.#data.get(leg);
    if (known === undefined || text === undefined) return;
    // Each joiner of the subgroup hears it from the host (PB-9).
    const members = [...known.members].map(([card, { incarnation }]) => `${card}/${incarnation}`).sort().join(" ");
    const told = `${members} ${text}`;
    if (this.#dataTold.get(leg) === told && known.data === text) return;
    this.#dataTold.set(leg, told);
    this.#side.say(`data:${device}:${leg}:${told}`, { kind: "data", device, leg, text });
  }

  /** What the host of our subgroup says of the resource (PB-4). */
  #hearData(leg: LegId, text: string | undefined): void {
    if (text === undefined || this.#dataHeard.get(leg) === text) return;
    this.#dataHeard.set(leg, text);
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    this.#side.put({ kind: "resourceData", device: this.device, leg, bytes });
  }

  // ---- notes

  #keep(agreed: DeviceAgreed): void {
    const { memory } = agreed;
    if (memory === undefined || memory.revision === this.#keeping) return;
    this.#keeping = memory.revision;
    this.#side.put({ kind: "keep", device: this.device, memory, revision: memory.revision });
  }

  #sayKept(agreed: DeviceAgreed): void {
    const { own, say } = this.#side;
    const { memory, keepRevision, kept, unkept } = agreed;
    const { device } = this;
    if (memory === undefined || (kept.get(own.card) ?? 0) >= keepRevision) return;
    if (this.#hasKeepFailed) {
      if (!unkept.has(own.card)) say(`unkept:${device}:${keepRevision}`, { kind: "kept", device, revision: 0, failed: true });
      return;
    }
    if (this.#kept < keepRevision) return;
    const isNoted = [...this.#legs.values()].every(({ leg, isOpen, noted }) =>
      !isOpen || !memory.inSync.includes(leg) || agreed.definition.kind === "imaging" || (noted?.revision ?? 0) >= keepRevision
    );
    if (isNoted) say(`kept:${device}:${this.#kept}`, { kind: "kept", device, revision: this.#kept, failed: false });
  }

  // ---- serving

  #claim(agreed: DeviceAgreed, state: StorageState): void {
    const want = this.#want;
    const view = state.view;
    if (want?.kind !== "serve" || want.answer !== "none" || view === undefined) return;
    const { own, say, generations } = this.#side;
    const { memory, definition, claim } = agreed;
    const { term } = want;
    const { device } = this;
    if (claim?.card === own.card && claim.term === term) return;
    const reached = definition.legs.filter(({ paths }) => paths.has(own.card));
    const isLooking = reached.some(({ leg }) => this.#legs.get(leg)?.seen === undefined && this.#legs.get(leg)?.why === "");
    const isRight = (leg: LegId) => memory === undefined || definition.kind === "imaging" || isWhole(agreed, leg, this.#stateOf(leg));
    const able = reached.filter(({ leg }) => whyNot(agreed, view, { card: own.card, leg, term }) === undefined && isRight(leg))
      .sort((a, b) => Number(a.role !== "primary") - Number(b.role !== "primary") || (a.leg < b.leg ? -1 : 1));
    const [best] = able;
    if (best !== undefined) {
      say(`claim:${device}:${term}`, { kind: "claim", device, leg: best.leg, term, generation: generations.next(term) });
    } else if (!isLooking && agreed.sure) {
      const known = reached.every(({ leg }) => {
        const its = agreed.legs.get(leg);
        return its?.members.get(own.card)?.incarnation === own.incarnation || its?.barred.has(own.card) === true;
      });
      if (known) this.#refuse(want, this.#reasonAgainst(agreed, state, reached.map(({ leg }) => leg), term));
    }
  }

  #stateOf(leg: LegId) {
    const local = this.#legs.get(leg);
    return local?.noted ?? local?.seen?.state;
  }

  #reasonAgainst(agreed: DeviceAgreed, { view }: StorageState, reached: readonly LegId[], term: number): string {
    if (view === undefined || reached.length === 0) return `card ${this.#side.own.card} is in no subgroup of ${this.device}`;
    const reasons = reached.map((leg) =>
      whyNot(agreed, view, { card: this.#side.own.card, leg, term }) ?? `what ${leg} has is not what was agreed on`
    );
    return reasons.join("; ");
  }

  #refuse(want: Extract<Want, { kind: "serve" }>, reason: string): void {
    want.answer = "unservable";
    this.#side.put({ kind: "unservable", device: this.device, term: want.term, reason });
  }

  #serve(now: number, state: StorageState, agreed: DeviceAgreed, leg: LegId, term: number): void {
    const want = this.#want;
    const local = this.#localOf(leg);
    const { view } = state;
    if (want?.kind !== "serve" || view === undefined) return;
    if (agreed.definition.kind === "storage") this.#mirror(now, agreed, view, local, term);
    const failure = local.hasFailed && !local.isOpen ? local.why : this.#mirroring?.failure ?? "";
    if (failure !== "" && want.answer !== "unservable") this.#refuse(want, failure);
    const isServing = agreed.definition.kind === "imaging" ? local.isOpen : this.#mirroring?.isServing === true;
    if (!isServing || want.answer !== "none") return;
    want.answer = "served";
    this.#side.put({ kind: "served", device: this.device, term });
  }

  #mirror(now: number, agreed: DeviceAgreed, view: NodeView, local: LocalLeg, term: number): void {
    const { own, isUnderWay } = this.#side;
    const { leg } = local;
    if (local.isOpen) this.#mirroring ??= new Mirroring(now, own.card, leg, term);
    const isSaid = (kind: MirrorSaying["kind"], name: LegId) => isUnderWay(`${kind}:${this.device}:${name}:${term}:`);
    const revision = agreed.memory?.revision ?? 0;
    for (const saying of this.#mirroring?.advance(now, agreed, view, local, isSaid, this.#giveOf(leg)) ?? []) {
      this.#sayMirror(saying, term, revision);
    }
  }

  #sayMirror(saying: MirrorSaying, term: number, revision: number): void {
    const { say, generations } = this.#side;
    const { device } = this;
    if (saying.kind === "out") {
      const { legs } = saying;
      say(`out:${device}:${legs.join("+")}:${term}:${revision}`, { kind: "out", device, term, legs, generation: generations.next(term) });
    } else if (saying.kind === "full") {
      say(`full:${device}:${saying.leg}:${term}:${revision}`, {
        kind: "full",
        device,
        term,
        leg: saying.leg,
        generation: generations.next(term),
      });
    } else say(`in:${device}:${saying.leg}:${term}:${revision}`, { kind: "in", device, term, leg: saying.leg });
  }

  #finishCease(agreed: DeviceAgreed | undefined): void {
    if (this.#want?.kind !== "cease") return;
    const { own } = this.#side;
    const isPrimary = agreed?.primary?.card === own.card && agreed.primary.incarnation === own.incarnation;
    const isClaiming = agreed?.claim?.card === own.card;
    if (isPrimary || isClaiming || this.#mirroring !== undefined) return;
    this.#want = undefined;
    this.#side.put({ kind: "ceased", device: this.device, term: 0 });
  }

  #tellStanding(agreed: DeviceAgreed): void {
    const { memory, definition } = agreed;
    const { own } = this.#side;
    const reached = definition.legs.filter(({ paths }) => paths.has(own.card));
    if (reached.length === 0 || definition.kind === "imaging") return;
    const inSync = reached.some(({ leg }) => memory === undefined || memory.inSync.includes(leg));
    const reason = inSync ? "" : `${reached.map(({ leg }) => leg).join(", ")} is not in sync: ${memory?.inSync.join(", ")} is`;
    const text = `${inSync} ${reason}`;
    if (text === this.#standing) return;
    this.#standing = text;
    this.#side.put({ kind: "standing", device: this.device, inSync, reason });
  }
}

function textOf(state: LegState): string {
  return new TextDecoder().decode(encodeLegState(state));
}
