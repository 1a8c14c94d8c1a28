/**
 * The configuration of a simulated world: each card's store, and operators who write. They are the callers of the cards' management: an
 * operator asks one card, and when that one refuses, is too slow or ends, asks another with the same key, as a program that retries does.
 * They judge nothing: what each was told goes to the checkers.
 *
 *     wish ─ configure ─► card ─► changed | refused
 *              ▲                     │ busy, held up, or nobody answers
 *              └── another card ◄────┘
 */
import { assert } from "../base/assert.ts";
import type { CardId } from "../base/ids.ts";
import type { Prng } from "../base/prng.ts";
import type { ConfigRefusal, Head, Operation, Wish } from "../config/change.ts";
import type { ConfigAnswer, ConfigRequest } from "../config/request.ts";
import type { StoreOrder, StoreResult } from "../config/store.ts";
import type { Input } from "../node/input.ts";
import { type DiskFault, SimConfigStore } from "./config-store.ts";
import type { Run, SimCard } from "./sim-card.ts";

/** What the operators need of the world. */
export type OperatorsEdge = {
  readonly world: { readonly at: number; readonly cards: readonly SimCard[]; later(at: number, run: (at: number) => void): void };
  /** Tells a card's node something, now or when it wakes up. */
  tell(card: SimCard, run: Run, input: Input): void;
  crash(card: SimCard): void;
  onStored(card: SimCard, run: Run, store: SimConfigStore, result: StoreResult): void;
  onAnswer(write: Write, card: SimCard, run: Run, answer: ConfigAnswer): void;
};

/** Something that an operator wants changed, until he has been told what became of it or has given up. */
export type Write = {
  readonly number: number;
  readonly wish: Wish;
  /** `unknown`: asked often enough without an answer; it may be in the chain. */
  state: "underWay" | "changed" | "refused" | "unknown";
  head: Head | undefined;
  /** The highest change that was acknowledged, by more than one card, before anybody asked for this one. */
  readonly after: number;
  /** Some card that was asked never answered: it may have taken it. */
  isDoubtful: boolean;
  asked: number;
};

/** What a store does that outlasts it, or reads what did: the instants at which a card may end. */
export const storeOrders = [
  "open",
  "plan",
  "commit",
  "hashes",
  "changes",
  "snapshot",
  "readSnapshot",
  "writeSnapshot",
  "resumeSnapshot",
  "installSnapshot",
  "dropSnapshot",
  "setAside",
  "discardBranch",
  "check",
  "reset",
] as const satisfies readonly StoreOrder["kind"][];
type StoreTrap = { readonly card: SimCard; readonly kind: StoreOrder["kind"]; left: number };

/** Cards that an operator asks before he gives up. */
const asksMax = 6;
/** How long he waits before he asks another card, and between two asks. */
const patienceMs = 8_000;
const pauseMs = [5, 1_500] as const;
/** How long a store takes for an order, and how long one takes that is slow now and then. */
const storeMs = [0.2, 4] as const;
const slowStoreMs = [20, 900] as const;
/** How often operators look after the cards once all is healed. */
const roundsMax = 12;
const roundMs = 1_000;
const author = "operator";
const rowsMax = 24;
/** The wall clocks' first moment; nothing is decided by it. */
const epochMs = 1_700_000_000_000;

/** What another card may carry out, or the same one later. */
const passing: ReadonlySet<ConfigRefusal["code"]> = new Set(["conflict", "no-quorum", "hold", "catching-up", "bounds", "timeout"]);

export class Operators {
  readonly #edge: OperatorsEdge;
  readonly #prng: Prng;
  readonly #stores = new Map<SimCard, SimConfigStore>();
  /** How often a card's store is slow, 0 to 1. */
  readonly #slow = new Map<SimCard, number>();
  /** The run that a store works for. */
  readonly #runs = new Map<SimCard, Run>();
  readonly #asked = new Map<number, { readonly write: Write | undefined; readonly card: SimCard; readonly run: Run }>();
  #quiet = false;
  /** Who would ask again, and waits for the quiet to end. */
  #waiting: Write[] = [];
  readonly writes: Write[] = [];
  #traps: StoreTrap[] = [];
  #acknowledged = 0;
  #clients = 0;
  #gapMs = Infinity;
  #writers = 0;

  constructor(edge: OperatorsEdge, prng: Prng) {
    this.#edge = edge;
    this.#prng = prng;
  }

  storeOf(card: SimCard): SimConfigStore | undefined {
    return this.#stores.get(card);
  }

  onBegin(card: SimCard, run: Run): void {
    if (!this.#stores.has(card)) {
      this.#stores.set(card, new SimConfigStore({ wallClock: () => epochMs + Math.floor(this.#edge.world.at) }));
    }
    this.#runs.set(card, run);
    this.#edge.world.later(this.#edge.world.at, () => this.#edge.tell(card, run, { kind: "storeFound" }));
  }

  /** The card's program is gone, or starts over: what its store was at is done or not. */
  onEnd(card: SimCard, run: Run): void {
    if (this.#runs.get(card) !== run) return;
    this.#runs.delete(card);
    this.#stores.get(card)?.cutPower(this.#prng.chance(0.5));
    for (const [client, asked] of this.#asked) if (asked.run === run) this.#onSilence(client);
  }

  onOrder(card: SimCard, run: Run, order: StoreOrder): void {
    const store = this.#stores.get(card);
    assert(store !== undefined, `only a card that was given a store gives it orders, not ${card.label}`);
    const [atLeast, atMost] = this.#prng.chance(this.#slow.get(card) ?? 0) ? slowStoreMs : storeMs;
    store.latencyMs = this.#prng.between(atLeast, atMost);
    store.order(this.#edge.world.at, order);
    this.#edge.world.later(store.doneAt, () => this.#onDone(card, run, store));
    const sprung = this.#traps.find((trap) => trap.card === card && trap.kind === order.kind && --trap.left === 0);
    if (sprung === undefined) return;
    this.#traps = this.#traps.filter((trap) => trap !== sprung);
    // Somewhere between the order and its result: the disk has all of it then, or nothing.
    this.#edge.world.later(this.#prng.between(this.#edge.world.at, store.doneAt), () => {
      if (this.#runs.get(card) === run) this.#edge.crash(card);
    });
  }

  /** The card ends while its store is at its `count`th order of a kind from now on. */
  trap(card: SimCard, kind: StoreOrder["kind"], count: number): void {
    this.#traps.push({ card, kind, left: count });
  }

  #onDone(card: SimCard, run: Run, store: SimConfigStore): void {
    if (this.#runs.get(card) !== run) return;
    for (const result of store.take(this.#edge.world.at)) {
      this.#edge.onStored(card, run, store, result);
      this.#edge.tell(card, run, { kind: "stored", result });
    }
  }

  // ---- what operators do

  /** Somebody writes to a card, so many times at once. */
  write(card: SimCard, times: number): void {
    for (let time = 0; time < times; time++) this.#begin(card);
  }

  /** From now on somebody writes to some card after each such gap, on average; `Infinity` for nobody. */
  keepWriting(gapMs: number): void {
    this.#gapMs = gapMs;
    this.#scheduleWriter(++this.#writers);
  }

  /** The disk of a card's store is full, fails, is read-only, slow now and then, or right again. */
  setDisk(card: SimCard, fault: DiskFault | "slow" | "right"): void {
    const store = this.#stores.get(card);
    if (store === undefined) return;
    if (fault === "slow") this.#slow.set(card, 0.3);
    else if (fault === "right") {
      this.#slow.delete(card);
      store.diskFault = undefined;
    } else store.diskFault = fault;
  }

  /** A row of the card's store changes without anybody's doing. */
  rot(card: SimCard): void {
    this.#stores.get(card)?.corruptRow((count) => this.#prng.below(count));
  }

  /** The operator orders a check, and to take from another card what is wrong. */
  repair(card: SimCard): void {
    const { run } = card;
    if (run !== undefined) this.#ask(card, run, undefined, { kind: "check", repair: true });
  }

  discardBranches(card: SimCard): void {
    const { run } = card;
    if (run === undefined) return;
    for (const { id } of this.#stores.get(card)?.branches ?? []) this.#ask(card, run, undefined, { kind: "discardBranch", id });
  }

  /** All disks are right again, and nobody writes by himself any more; operators look after the cards for a while. */
  heal(): void {
    this.#gapMs = Infinity;
    this.#traps = [];
    for (const card of this.#stores.keys()) this.setDisk(card, "right");
    this.#lookAfter(roundsMax);
  }

  /** While it is quiet nobody asks for anything; what was asked for is still answered. */
  setQuiet(quiet: boolean): void {
    this.#quiet = quiet;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const write of waiting) this.#again(write);
  }

  /** What needs an operator's word gets it: a store that holds is repaired, what was set aside is discarded. */
  #lookAfter(rounds: number): void {
    for (const card of this.#quiet ? [] : this.#stores.keys()) {
      const configuration = card.run?.program.status(card.run.now).configuration;
      if (configuration?.state === "hold" || this.#stores.get(card)?.isDamaged === true) this.repair(card);
      if (configuration !== undefined && configuration.branches.length > 0) this.discardBranches(card);
    }
    if (rounds > 0) this.#edge.world.later(this.#edge.world.at + roundMs, () => this.#lookAfter(rounds - 1));
  }

  onAnswer(card: SimCard, run: Run, client: number, answer: ConfigAnswer): void {
    const asked = this.#asked.get(client);
    if (asked === undefined) return;
    this.#asked.delete(client);
    const { write } = asked;
    if (write === undefined) return;
    if (answer.kind === "changed") {
      write.state = "changed";
      write.head = answer.head;
      const replicas = run.program.status(run.now).configuration?.replicas ?? [];
      if (replicas.length > 1) this.#acknowledged = Math.max(this.#acknowledged, answer.head.sequence);
    } else if (answer.kind === "refused" && passing.has(answer.refusal.code)) {
      if (answer.refusal.code === "timeout") write.isDoubtful = true;
      this.#again(write);
    } else write.state = "refused";
    this.#edge.onAnswer(write, card, run, answer);
  }

  #scheduleWriter(writer: number): void {
    if (this.#gapMs === Infinity) return;
    this.#edge.world.later(this.#edge.world.at - this.#gapMs * Math.log(1 - this.#prng.unit()), () => {
      if (writer !== this.#writers || this.#gapMs === Infinity) return;
      const card = this.#quiet ? undefined : this.#anyCard();
      if (card !== undefined) this.#begin(card);
      this.#scheduleWriter(writer);
    });
  }

  #anyCard(): SimCard | undefined {
    const running = this.#edge.world.cards.filter((card) => card.run !== undefined && !card.isTwin);
    return running.length === 0 ? undefined : this.#prng.pick(running);
  }

  #begin(card: SimCard): void {
    const number = this.writes.length + 1;
    const isExpecting = this.#prng.chance(0.1);
    const expected = isExpecting ? this.#stores.get(card)?.head.hash : undefined;
    const wish: Wish = {
      author,
      comment: `write ${number}`,
      key: `key-${number}`,
      ...(expected === undefined ? {} : { expected }),
      operations: this.#operations(number),
    };
    const write: Write = { number, wish, state: "underWay", head: undefined, after: this.#acknowledged, isDoubtful: false, asked: 0 };
    this.writes.push(write);
    this.#askFor(write, card);
  }

  /** Most wishes are a row or two that others change too; some are large, some impossible. */
  #operations(number: number): Operation[] {
    const prng = this.#prng;
    const row = (index: number, note: string): Operation => ({
      kind: "put",
      table: "hosts",
      row: { id: `h-${index}`, initiator: `iqn.2026-01.example:h-${index}`, note },
    });
    if (prng.chance(0.05)) return Array.from({ length: 80 }, (_, index) => row(1_000 + index, `${number} `.padEnd(600, "x")));
    if (prng.chance(0.1)) return [{ kind: "remove", table: "hosts", id: `h-${prng.below(rowsMax)}` }];
    if (prng.chance(0.05)) return [{ kind: "put", table: "nothing", row: { id: "x" } }];
    return Array.from({ length: 1 + prng.below(2) }, (_, index) => row(prng.below(rowsMax / 2) * 2 + index, `write ${number}`));
  }

  #askFor(write: Write, card: SimCard): void {
    const { run } = card;
    write.asked++;
    if (run === undefined) return this.#again(write);
    const client = this.#ask(card, run, write, { kind: "change", wish: write.wish });
    this.#edge.world.later(this.#edge.world.at + patienceMs, () => this.#onSilence(client));
  }

  #ask(card: SimCard, run: Run, write: Write | undefined, request: ConfigRequest): number {
    const client = ++this.#clients;
    this.#asked.set(client, { write, card, run });
    this.#edge.tell(card, run, { kind: "configure", client, request });
    return client;
  }

  #onSilence(client: number): void {
    const asked = this.#asked.get(client);
    if (asked === undefined) return;
    this.#asked.delete(client);
    if (asked.write === undefined) return;
    asked.write.isDoubtful = true;
    this.#again(asked.write);
  }

  #again(write: Write): void {
    if (write.asked >= asksMax) {
      write.state = write.isDoubtful ? "unknown" : "refused";
      return;
    }
    this.#edge.world.later(this.#edge.world.at + this.#prng.between(...pauseMs), () => {
      if (this.#quiet) {
        this.#waiting.push(write);
        return;
      }
      const card = this.#anyCard();
      if (card === undefined) {
        write.asked++;
        this.#again(write);
      } else this.#askFor(write, card);
    });
  }

  /** The card that owes somebody an answer, if there is one. */
  get owing(): SimCard | undefined {
    for (const { card } of this.#asked.values()) return card;
    return undefined;
  }

  /** The changes of a card's chain that carry an operator's key, as far as the chain is kept. */
  keysOn(card: SimCard): string[] {
    const store = this.#stores.get(card);
    if (store === undefined) return [];
    return store.chain().filter((change) => change.author === author).map(({ key }) => key);
  }

  /** The stores' cards, for who looks at them all. */
  cards(): CardId[] {
    return [...this.#stores.keys()].map(({ id }) => id);
  }
}
