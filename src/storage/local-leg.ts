/**
 * One leg as this card has it: looked at, open, with what stands in its superblock. Compares what is agreed on with that, and gives the orders that make up the difference.
 *
 *     closed ─ it is ours to host ─► opening ─► open ─ not ours any more, and nothing is served ─► closing ─► closed
 *
 * Invariant: a superblock says `consistent` only of a leg that is in sync; before it is ready to be synchronized, it says that it is not.
 */
import type { BlockAnswer, BlockOrder, LegFound, LegId } from "./blocks.ts";
import type { DeviceAgreed } from "./device-state.ts";
import { compare, type Copy, type Generation, noGeneration, type Verdict } from "./generation.ts";
import { decodeLegState, type DeviceMemory, encodeLegState, type LegState } from "./leg-state.ts";
import type { LegSeen } from "./storage-types.ts";

/** An order but for its number, device and leg. */
export type LegOrder = BlockOrder extends infer Order ? Order extends BlockOrder ? Omit<Order, "order" | "device" | "leg"> : never : never;
/** Gives an order; the answer comes later. */
export type GiveOrder = (order: LegOrder, onAnswer: (now: number, answer: BlockAnswer) => void) => void;

/** How the leg may differ from what is agreed on. */
export function verdictOn(memory: DeviceMemory, state: LegState | undefined, leg: LegId): Verdict {
  // What is agreed on is the state of any leg in sync; the name only says that it is another one.
  const agreed: Copy = { ...memory, leg: `in sync with ${leg}`, consistent: true };
  if (state === undefined) return compare(agreed, undefined);
  const [before, ...older] = state.history;
  const counts = state.acknowledged || before === undefined ? state : { ...state, current: before, history: older };
  return compare(agreed, { ...counts, leg });
}

/** Whether a leg of the in-sync set with this superblock has all that it should have: it was in the set ever since it was written. */
export function isWhole(agreed: DeviceAgreed, leg: LegId, state: LegState | undefined): boolean {
  const { memory, forced } = agreed;
  if (memory === undefined || state === undefined || !memory.inSync.includes(leg)) return false;
  if (forced === leg) return true;
  return state.consistent && (state.current === memory.current || memory.history.includes(state.current));
}

export class LocalLeg {
  readonly leg: LegId;
  #path: string | undefined;
  #state: "closed" | "opening" | "open" | "closing" = "closed";
  #isNoting = false;
  #found: LegFound | undefined;
  /** In the superblock: the state, and the term below which requests are refused. */
  #noted: LegState | undefined;
  #notedTerm = 0;
  /** It was synchronized in this term, and is to be in sync as soon as the others agree. */
  #isSynchronized = false;
  /** The generation in which it was last in the set with all that it should have. */
  #rightAt: Generation | undefined;
  #retryAt = -Infinity;
  #isLooking = false;
  #seen: LegSeen | undefined;
  #why = "";
  #hasFailed = false;

  constructor(leg: LegId) {
    this.leg = leg;
  }

  get isOpen(): boolean {
    return this.#state === "open";
  }

  get isClosed(): boolean {
    return this.#state === "closed";
  }

  /** Its superblock now. */
  get noted(): LegState | undefined {
    return this.#state === "open" ? this.#noted : undefined;
  }

  get notedTerm(): number {
    return this.#state === "open" ? this.#notedTerm : 0;
  }

  /** What was seen of it last; undefined while it was not looked at, or cannot be reached: `why` says so. */
  get seen(): LegSeen | undefined {
    return this.#seen;
  }

  get why(): string {
    return this.#why;
  }

  /** It could not be opened or written since it became ours. */
  get hasFailed(): boolean {
    return this.#hasFailed;
  }

  instants(): number[] {
    return [this.#retryAt];
  }

  /** Looks whether this card reaches it. */
  look(now: number, path: string, lookAgainMs: number, give: GiveOrder): void {
    if (path !== this.#path) {
      this.#path = path;
      this.#seen = undefined;
      this.#why = "";
      this.#retryAt = -Infinity;
    }
    if (this.#isLooking || this.#state !== "closed" || this.#seen !== undefined || now < this.#retryAt) return;
    this.#isLooking = true;
    this.#retryAt = Infinity;
    give({ kind: "look", path }, (at, answer) => {
      this.#isLooking = false;
      this.#retryAt = at + lookAgainMs;
      if (answer.kind === "found") this.#see(answer.found);
      else this.#why = answer.kind === "failed" ? answer.reason : "nothing was found";
    });
  }

  #see(found: LegFound): void {
    const { bytes, blockBytes, foreign, clean } = found;
    this.#found = found;
    this.#seen = { bytes, blockBytes, foreign, clean, state: found.state === undefined ? undefined : decodeLegState(found.state) };
    this.#why = "";
  }

  /** It is ours to host. */
  open(now: number, agreed: DeviceAgreed, retryMs: number, give: GiveOrder): void {
    const path = this.#path;
    if (this.#state !== "closed" || this.#isLooking || path === undefined || this.#seen === undefined || this.#seen.foreign) return;
    if (now < this.#retryAt && this.#hasFailed) return;
    const format = this.#found?.state === undefined && agreed.memory !== undefined && agreed.definition.kind === "storage";
    this.#state = "opening";
    give({ kind: "open", path, format }, (at, answer) => {
      if (answer.kind !== "found") return this.#onFailure(at, retryMs, answer);
      this.#state = "open";
      this.#hasFailed = false;
      this.#see(answer.found);
      this.#noted = this.#seen?.state;
      this.#notedTerm = 0;
      this.#isSynchronized = false;
      this.#rightAt = undefined;
    });
  }

  #onFailure(now: number, retryMs: number, answer: BlockAnswer): void {
    if (this.#state === "opening") this.#state = "closed";
    this.#hasFailed = true;
    this.#retryAt = now + retryMs;
    this.#why = answer.kind === "failed" ? answer.reason : "an order was answered with nothing found";
  }

  /** The engine says that its device has failed: it is no use until it is opened anew. */
  onFailed(reason: string): void {
    this.#hasFailed = true;
    this.#why = reason;
  }

  close(give: GiveOrder): void {
    if (this.#state !== "open" || this.#isNoting) return;
    this.#state = "closing";
    give({ kind: "close" }, () => {
      this.#state = "closed";
      this.#noted = undefined;
      this.#notedTerm = 0;
      this.#hasFailed = false;
      this.#retryAt = -Infinity;
      // What it looks like now, it looks like to the next one: to be looked at again.
      this.#seen = undefined;
    });
  }

  /** The primary has synchronized it, and the others agree. */
  onIn(): void {
    this.#isSynchronized = true;
  }

  /** Brings the superblock to what is agreed on. `isKept`: something may be acknowledged upon it. */
  note(now: number, agreed: DeviceAgreed, isKept: boolean, retryMs: number, give: GiveOrder): void {
    const { memory } = agreed;
    if (this.#state !== "open" || memory === undefined) return;
    const wanted = this.#wanted(agreed, memory, isKept);
    if (wanted?.consistent === true) this.#rightAt = memory.current;
    if (this.#isNoting || (this.#hasFailed && now < this.#retryAt)) return;
    const isNew = wanted !== undefined && !isSame(wanted, this.#noted);
    if (!isNew && this.#notedTerm === memory.term) return;
    const state = wanted ?? this.#noted;
    if (state === undefined) return;
    this.#isNoting = true;
    const peers = agreed.definition.legs.map(({ leg }) => leg).filter((leg) => leg !== this.leg && memory.since.has(leg));
    const all = state.consistent ? this.#unknownTo(memory, peers) : [];
    const { term } = memory;
    give({ kind: "note", term, state: encodeLegState(state), peers: state.consistent ? peers : [], all }, (at, answer) => {
      this.#isNoting = false;
      if (answer.kind === "failed") return this.#onFailure(at, retryMs, answer);
      this.#hasFailed = false;
      this.#noted = state;
      this.#notedTerm = term;
      if (!state.consistent) this.#isSynchronized = false;
    });
  }

  /** What is to stand in the superblock; undefined: what stands there. */
  #wanted(agreed: DeviceAgreed, memory: DeviceMemory, isKept: boolean): LegState | undefined {
    const { leg } = this;
    const noted = this.#noted;
    if (memory.inSync.includes(leg)) {
      const isNew = noted === undefined && memory.inSync.length === 1 && memory.history.length === 0;
      const isRight = isNew || this.#isSynchronized || isWhole(agreed, leg, noted);
      const acknowledged = isKept || (noted?.acknowledged === true && noted.current === memory.current);
      return isRight ? { ...memory, leg, consistent: true, acknowledged } : undefined;
    }
    const since = memory.since.get(leg);
    if (since?.full === true && since.generation !== "" && since.generation !== noted?.current) {
      return emptied(leg, since.generation);
    }
    // It was in sync when it went out, whether its superblock came to say so or not.
    if (since?.full === false && since.generation === this.#rightAt && since.generation !== noted?.current) {
      return emptied(leg, since.generation);
    }
    if (noted === undefined) return emptied(leg, noGeneration);
    const verdict = verdictOn(memory, noted, leg);
    if (verdict.kind !== "source" || verdict.full || !noted.consistent) return undefined;
    return { ...noted, consistent: false };
  }

  /** Of the legs that are out, those of whose misses this leg has no bits. */
  #unknownTo(memory: DeviceMemory, peers: readonly LegId[]): LegId[] {
    const noted = this.#noted;
    if (noted?.consistent !== true) return [...peers];
    return peers.filter((peer) => {
      const since = memory.since.get(peer);
      return since?.full === true && since.generation !== noted.since.get(peer)?.generation;
    });
  }
}

/** It has nothing that counts but what is known since this generation. */
function emptied(leg: LegId, current: Generation): LegState {
  return { term: 0, revision: 0, inSync: [], current, since: new Map(), history: [], leg, consistent: false, acknowledged: true };
}

function isSame(a: LegState, b: LegState | undefined): boolean {
  return b !== undefined && new TextDecoder().decode(encodeLegState(a)) === new TextDecoder().decode(encodeLegState(b));
}
