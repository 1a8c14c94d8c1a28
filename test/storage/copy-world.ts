/**
 * Copies of a device with their bitmaps and hot blocks, as the engine keeps them, and an oracle that knows which acknowledged writes each has. `ordered`: a leg is promoted only
 * as the order of the storage group would have it; else whenever a move says so.
 */
import * as assert from "uvu/assert";
import { compare, type Copy, firstChain, Generations, leaveOut, startOver, takeIn, type Verdict } from "../../src/storage/generation.ts";

export type Move =
  | { readonly kind: "write"; readonly session: number; readonly block: number }
  | { readonly kind: "torn"; readonly session: number; readonly block: number; readonly landed: number }
  | { readonly kind: "end"; readonly session: number }
  | { readonly kind: "lose"; readonly session: number; readonly leg: number }
  | { readonly kind: "promote"; readonly leg: number; readonly reached: number }
  | { readonly kind: "connect"; readonly session: number; readonly leg: number; readonly interruptAt: number | null }
  | { readonly kind: "resolve"; readonly session: number; readonly leg: number };

const blocks = 8;

class Leg {
  readonly name: string;
  copy: Copy | undefined;
  /** The number of the write that is there, 0 for none. */
  content: number[] = Array.from({ length: blocks }, () => 0);
  readonly bitmaps = new Map<string, Set<number>>();
  hot = new Set<number>();
  /** The oracle's: acknowledged writes that are here or were overwritten here by later ones. */
  acked = new Set<number>();

  constructor(name: string) {
    this.name = name;
  }

  bitmap(leg: string): Set<number> {
    const bits = this.bitmaps.get(leg) ?? new Set();
    this.bitmaps.set(leg, bits);
    return bits;
  }
}

type Session = { readonly primary: Leg; readonly inSync: Set<Leg> };

export class CopyWorld {
  readonly #legs: readonly Leg[];
  readonly #ordered: boolean;
  readonly #generations = new Generations("00000000000000aa");
  #sessions: Session[] = [];
  #agreed: ReadonlySet<Leg> = new Set();
  #writes = 0;
  #term = 1;
  splits = 0;
  partials = 0;

  constructor(count: number, ordered: boolean) {
    this.#legs = Array.from({ length: count }, (_, index) => new Leg("abcd"[index] as string));
    this.#ordered = ordered;
    const [first, ...others] = this.#legs as [Leg, ...Leg[]];
    first.copy = { ...firstChain(this.#generations.next(1), others.map(({ name }) => name)), leg: first.name, consistent: true };
    for (const { name } of others) for (let block = 0; block < blocks; block++) first.bitmap(name).add(block);
    this.#sessions = [{ primary: first, inSync: new Set([first]) }];
    this.#agreed = new Set([first]);
  }

  run(move: Move): void {
    const session = "session" in move ? this.#sessions[move.session % Math.max(1, this.#sessions.length)] : undefined;
    const leg = "leg" in move ? this.#legs[move.leg % this.#legs.length] as Leg : undefined;
    switch (move.kind) {
      case "write":
        if (session !== undefined) this.#write(session, move.block, [...session.inSync], true);
        return;
      case "torn":
        if (session === undefined) return;
        this.#write(session, move.block, [...session.inSync].filter((_, index) => (move.landed >> index & 1) === 1), false);
        this.#sessions = this.#sessions.filter((other) => other !== session);
        return;
      case "end":
        this.#sessions = this.#sessions.filter((other) => other !== session);
        return;
      case "lose":
        if (session !== undefined && leg !== undefined && leg !== session.primary && session.inSync.has(leg)) this.#leave(session, [leg]);
        return;
      case "promote":
        return this.#promote(leg as Leg, this.#legs.filter((_, index) => (move.reached >> index & 1) === 1));
      case "connect":
        if (session !== undefined && leg !== undefined) this.#connect(session, leg, move.interruptAt);
        return;
      case "resolve":
        if (session === undefined || leg === undefined || session.inSync.has(leg) || this.#sessions.some(({ inSync }) => inSync.has(leg))) {
          return;
        }
        return this.#startOver(session, leg);
    }
  }

  #write(session: Session, block: number, landed: readonly Leg[], isAcked: boolean): void {
    const write = ++this.#writes;
    for (const leg of landed) {
      leg.content[block] = write;
      if (isAcked) leg.acked.add(write);
      else leg.hot.add(block);
      for (const other of leg.copy?.since.keys() ?? []) leg.bitmap(other).add(block);
    }
    // Where it was to land the extent was hot before.
    if (!isAcked) { for (const leg of session.inSync) leg.hot.add(block); }
  }

  #leave(session: Session, legs: readonly Leg[]): void {
    const generation = this.#generations.next(this.#term);
    for (const leg of legs) session.inSync.delete(leg);
    for (const leg of session.inSync) {
      leg.copy = { ...leg.copy as Copy, ...leaveOut(leg.copy as Copy, legs.map(({ name }) => name), generation) };
      for (const { name } of legs) for (const block of leg.hot) leg.bitmap(name).add(block);
    }
    if (this.#ordered) this.#agreed = new Set(session.inSync);
  }

  #promote(leg: Leg, reached: readonly Leg[]): void {
    if (leg.copy?.consistent !== true || this.#sessions.some(({ inSync }) => inSync.has(leg))) {
      if (!this.#ordered || !this.#agreed.has(leg) || leg.copy?.consistent !== true) return;
    }
    // In order: the old primary is gone before.
    if (this.#ordered) {
      if (!this.#agreed.has(leg)) return;
      this.#sessions = [];
    }
    this.#term++;
    const others = this.#ordered
      ? [...this.#agreed].filter((other) => other !== leg)
      : this.#legs.filter((other) => other !== leg && !(leg.copy as Copy).since.has(other.name));
    const isFree = (other: Leg) => !this.#sessions.some(({ inSync }) => inSync.has(other));
    const stay = others.filter((other) => reached.includes(other) && isFree(other) && compare(leg.copy, other.copy).kind === "equal");
    const session = { primary: leg, inSync: new Set([leg, ...stay]) };
    this.#sessions.push(session);
    for (const other of stay) this.#reconcile(leg, other);
    leg.hot.clear();
    const gone = others.filter((other) => !stay.includes(other));
    if (this.#ordered) this.#agreed = new Set(session.inSync);
    if (gone.length > 0) this.#leave(session, gone);
    for (const other of session.inSync) other.hot.clear();
  }

  /** What was under way may differ: the promoted leg's is taken, and was acknowledged by nobody. */
  #reconcile(leg: Leg, other: Leg): void {
    // With more legs than two the primary's hot blocks were marked for those that go out, so what is hot here is forgotten only with the last of them.
    for (const block of new Set([...leg.hot, ...other.hot])) {
      other.content[block] = leg.content[block] as number;
      for (const out of leg.copy?.since.keys() ?? []) for (const each of [leg, other]) each.bitmap(out).add(block);
      leg.hot.add(block);
    }
    other.hot.clear();
    this.#assertAlike(leg, other);
  }

  #connect(session: Session, leg: Leg, interruptAt: number | null): void {
    const { primary } = session;
    if (session.inSync.has(leg)) return;
    const verdict = compare(primary.copy, leg.copy);
    this.#check(verdict, primary, leg);
    if (verdict.kind === "splitBrain") this.splits++;
    // Who serves does not become a target while it does.
    if (this.#sessions.some(({ inSync }) => inSync.has(leg))) return;
    switch (verdict.kind) {
      case "equal":
        return this.#synchronize(session, leg, interruptAt);
      case "source":
        if (!verdict.full) {
          this.partials++;
          return this.#synchronize(session, leg, interruptAt);
        }
        return this.#startOver(session, leg);
      case "target":
        this.#sessions = this.#sessions.filter((other) => other !== session);
        return;
      case "splitBrain":
      case "unrelated":
      case "noSource":
      case "blank":
        return;
    }
  }

  #check(verdict: Verdict, mine: Leg, theirs: Leg): void {
    const loses = (target: Leg, source: Leg) => [...target.acked].filter((write) => !source.acked.has(write));
    const isOverwritten = (leg: Leg) => leg.copy?.consistent === true;
    if (verdict.kind === "equal") {
      assert.equal([...mine.acked].sort(), [...theirs.acked].sort());
    } else if (verdict.kind === "source" && isOverwritten(theirs)) {
      assert.equal(loses(theirs, mine), [], `${theirs.name} would lose writes to ${mine.name}`);
    } else if (verdict.kind === "target" && isOverwritten(mine)) {
      assert.equal(loses(mine, theirs), [], `${mine.name} would lose writes to ${theirs.name}`);
    }
    if (this.#ordered) assert.ok(verdict.kind === "equal" || verdict.kind === "source", `${verdict.kind} in an ordered history`);
  }

  #startOver(session: Session, leg: Leg): void {
    const generation = this.#generations.next(this.#term);
    for (const each of session.inSync) {
      each.copy = { ...each.copy as Copy, ...startOver(each.copy as Copy, leg.name, generation) };
      for (let block = 0; block < blocks; block++) each.bitmap(leg.name).add(block);
    }
    leg.copy = { leg: leg.name, consistent: false, current: generation, since: new Map(), history: [] };
    leg.acked = new Set();
    leg.bitmaps.clear();
    leg.hot.clear();
  }

  #synchronize(session: Session, leg: Leg, interruptAt: number | null): void {
    const { primary } = session;
    leg.copy = { ...leg.copy as Copy, consistent: false };
    const bits = primary.bitmap(leg.name);
    for (const block of leg.hot) bits.add(block);
    for (const [index, block] of [...bits].sort().entries()) {
      if (index === interruptAt) return;
      leg.content[block] = primary.content[block] as number;
      bits.delete(block);
    }
    leg.hot.clear();
    leg.acked = new Set(primary.acked);
    session.inSync.add(leg);
    const chain = takeIn(primary.copy as Copy, leg.name);
    for (const each of session.inSync) {
      each.copy = { ...each.copy as Copy, ...chain, leg: each.name, consistent: true };
      each.bitmap(leg.name).clear();
    }
    // What others missed while it was away itself it does not know.
    for (const out of chain.since.keys()) for (let block = 0; block < blocks; block++) leg.bitmap(out).add(block);
    if (this.#ordered) this.#agreed = new Set(session.inSync);
    this.#assertAlike(primary, leg);
  }

  #assertAlike(a: Leg, b: Leg): void {
    assert.equal(a.content, b.content, `${a.name} and ${b.name} differ after they were synchronized`);
  }
}
