/**
 * A card's block engine, simulated: carries out the orders of its storage service upon simulated legs, mirrors writes to the engines of other cards, and synchronizes them. It keeps to
 * `drivers/block/MIRROR.md` in what it promises; it shares no code with what decides.
 */
import type { CardId } from "../base/ids.ts";
import type { Prng } from "../base/prng.ts";
import type { BlockAnswer, BlockOrder, BlockReport, DeviceId, LegId } from "../storage/blocks.ts";
import type { SimLeg, Tearing, WriteId } from "./storage-disk.ts";

type Order<Kind extends BlockOrder["kind"]> = Extract<BlockOrder, { readonly kind: Kind }>;

export type EngineWorld = {
  readonly prng: Prng;
  readonly tearing: Tearing;
  after(ms: number, run: () => void): void;
  /** The leg, as far as this card reaches it. */
  reach(card: CardId, device: DeviceId, leg: LegId): SimLeg | undefined;
  engineOf(card: CardId): SimEngine | undefined;
  isCut(a: CardId, b: CardId): boolean;
  onOpened(engine: SimEngine, leg: SimLeg): void;
  onAttach(engine: SimEngine, device: DeviceId, peer: LegId, term: number): void;
  onGateOpen(engine: SimEngine, leg: SimLeg, term: number): void;
  onAcknowledged(engine: SimEngine, leg: SimLeg, block: number, write: WriteId): void;
  tell(engine: SimEngine, told: { readonly answer: BlockAnswer } | { readonly report: BlockReport }): void;
};

type Write = {
  readonly block: number;
  readonly id: WriteId;
  readonly needs: Set<LegId>;
  own: boolean;
  isOver: boolean;
  readonly end: (ok: boolean) => void;
};

type Link = {
  readonly leg: LegId;
  readonly target: SimEngine;
  readonly session: number;
  phase: "attached" | "mirrored" | "lost";
  counts: boolean;
  /** Writes and blocks under way to it, each since when. */
  readonly underWay: Map<WriteId, number>;
  resyncing: number | undefined;
  /** Hot entries that it came with. */
  cameWith: readonly WriteId[];
  lastAt: number;
};

type Open = {
  readonly disk: SimLeg;
  /** Requests of older terms are refused. */
  term: number;
  /** The session that may write here. */
  session: number;
  underWay: number;
  readonly whenIdle: (() => void)[];
  mirror: Mirror | undefined;
  readonly pending: Map<WriteId, number>;
  note: (() => void) | undefined;
};

type Mirror = {
  readonly term: number;
  readonly timeoutMs: number;
  gate: "paused" | "open" | "shut";
  readonly links: Map<LegId, Link>;
  readonly writes: Map<WriteId, Write>;
  readonly busy: Set<number>;
};

const diskMs = [0.05, 2] as const;
const netMs = [0.05, 3] as const;
const watchMs = 10;

export class SimEngine {
  readonly card: CardId;
  readonly #world: EngineWorld;
  readonly #open = new Map<string, Open>();
  isDead = false;
  #sessions = 0;
  #now = () => 0;

  constructor(card: CardId, world: EngineWorld, now: () => number) {
    this.card = card;
    this.#world = world;
    this.#now = now;
  }

  // ---- orders

  order(order: BlockOrder): void {
    const { prng } = this.#world;
    this.#after(prng.between(0.02, 1), () => this.#carryOut(order));
  }

  #after(ms: number, run: () => void): void {
    this.#world.after(ms, () => {
      if (!this.isDead) run();
    });
  }

  #answer(
    order: BlockOrder,
    answer: BlockAnswer extends infer Answer ? Answer extends BlockAnswer ? Omit<Answer, "order"> : never : never,
  ): void {
    this.#world.tell(this, { answer: { order: order.order, ...answer } as BlockAnswer });
  }

  #fail(order: BlockOrder, code: "gone" | "busy" | "failed", reason: string): void {
    this.#answer(order, { kind: "failed", code, reason });
  }

  #carryOut(order: BlockOrder): void {
    const key = `${order.device}/${order.leg}`;
    const open = this.#open.get(key);
    const disk = this.#world.reach(this.card, order.device, order.leg);
    switch (order.kind) {
      case "look":
        if (disk === undefined) return this.#fail(order, "gone", "no such path");
        return this.#answer(order, { kind: "found", found: foundOf(disk) });
      case "open":
        return this.#openLeg(order, key, disk);
      default:
    }
    if (open === undefined) return this.#fail(order, "failed", "it is not open");
    switch (order.kind) {
      case "note":
        return this.#note(order, open);
      case "close":
        return this.#close(order, key, open);
      case "serve":
        open.mirror = {
          term: order.term,
          timeoutMs: order.policy.peerTimeoutMs,
          gate: "paused",
          links: new Map(),
          writes: new Map(),
          busy: new Set(),
        };
        this.#watch(open, open.mirror);
        return this.#answer(order, { kind: "done" });
      case "suspect":
        for (const peer of order.peers) open.disk.suspect(peer);
        open.disk.hot.clear();
        return this.#answer(order, { kind: "done" });
      default:
    }
    const { mirror } = open;
    if (mirror === undefined) return this.#fail(order, "failed", "it is not served");
    switch (order.kind) {
      case "attach":
        return this.#attach(order, open, mirror);
      case "detach": {
        const link = mirror.links.get(order.peer);
        if (link !== undefined) this.#lose(open, mirror, link);
        return this.#answer(order, { kind: "done" });
      }
      case "proceed":
        return this.#proceed(order, open, mirror);
      case "gate":
        mirror.gate = order.state;
        if (order.state === "open") this.#world.onGateOpen(this, open.disk, mirror.term);
        if (order.state === "shut") { for (const write of [...mirror.writes.values()]) this.#endWrite(open, mirror, write, false); }
        return this.#answer(order, { kind: "done" });
      default:
        return this.#fail(order, "failed", `${order.kind} is not simulated`);
    }
  }

  #openLeg(order: Order<"open">, key: string, disk: SimLeg | undefined): void {
    if (disk === undefined) return this.#fail(order, "gone", "no such path");
    if (this.#open.has(key)) return this.#fail(order, "busy", "it is open here");
    for (const peer of disk.inUse) disk.suspect(peer);
    this.#open.set(key, {
      disk,
      term: Infinity,
      session: 0,
      underWay: 0,
      whenIdle: [],
      mirror: undefined,
      pending: new Map(),
      note: undefined,
    });
    this.#world.onOpened(this, disk);
    this.#answer(order, { kind: "found", found: foundOf(disk) });
  }

  /** Requests of older terms are refused from now on; those that are under way end first. */
  #note(order: Order<"note">, open: Open): void {
    const { term, state, peers, all } = order;
    if (open.term !== term) {
      open.term = Infinity;
      open.session = 0;
    }
    this.#whenIdle(open, () => {
      open.note = () => open.disk.note(term, state, peers, all);
      this.#after(this.#world.prng.between(...diskMs), () => {
        open.note?.();
        open.note = undefined;
        open.term = term;
        this.#answer(order, { kind: "done" });
      });
    }, open.term === term);
  }

  #whenIdle(open: Open, run: () => void, atOnce: boolean): void {
    if (atOnce || open.underWay === 0) return run();
    open.whenIdle.push(run);
  }

  #close(order: Order<"close">, key: string, open: Open): void {
    if (open.mirror !== undefined) {
      open.mirror.gate = "shut";
      for (const write of [...open.mirror.writes.values()]) this.#endWrite(open, open.mirror, write, false);
      open.mirror = undefined;
    }
    open.term = Infinity;
    open.session = 0;
    this.#whenIdle(open, () => {
      this.#open.delete(key);
      this.#answer(order, { kind: "done" });
    }, false);
  }

  // ---- the disk

  #writeDisk(open: Open, block: number, id: WriteId, done: () => void): void {
    open.underWay++;
    open.pending.set(id, block);
    this.#after(this.#world.prng.between(...diskMs), () => {
      open.pending.delete(id);
      open.disk.content[block] = id;
      open.underWay--;
      done();
      if (open.underWay === 0) { for (const run of open.whenIdle.splice(0)) run(); }
    });
  }

  /** The program has ended, or the power is gone: what was under way is there, or not, or torn. */
  die(): void {
    if (this.isDead) return;
    this.isDead = true;
    const { tearing } = this.#world;
    for (const open of this.#open.values()) {
      for (const [id, block] of open.pending) tearing.end(open.disk, block, id);
      if (open.note !== undefined && tearing.chance()) open.note();
    }
    this.#open.clear();
  }

  /** Whether the leg is open here. */
  has(device: DeviceId, leg: LegId): boolean {
    return this.#open.has(`${device}/${leg}`);
  }

  /** The leg that hosts are served from, while the gate is open. */
  served(device: DeviceId): SimLeg | undefined {
    for (const { disk, mirror } of this.#open.values()) if (disk.device === device && mirror?.gate === "open") return disk;
    return undefined;
  }

  // ---- hosts

  /** A write of a host; ended once, with whether it was acknowledged. */
  write(device: DeviceId, block: number, id: WriteId, end: (ok: boolean) => void): void {
    for (const open of this.#open.values()) {
      const { disk, mirror } = open;
      if (disk.device !== device || mirror?.gate !== "open") continue;
      return this.#begin(open, mirror, block, id, end);
    }
    end(false);
  }

  #begin(open: Open, mirror: Mirror, block: number, id: WriteId, end: (ok: boolean) => void): void {
    if (mirror.gate !== "open" || open.mirror !== mirror) return end(false);
    if (mirror.busy.has(block)) return this.#after(0.2, () => this.#begin(open, mirror, block, id, end));
    mirror.busy.add(block);
    const write: Write = { block, id, needs: new Set(), own: false, isOver: false, end };
    mirror.writes.set(id, write);
    open.disk.hot.set(id, block);
    for (const peer of open.disk.bitmaps.keys()) if (!mirror.links.has(peer)) this.#mark(open, peer, block);
    for (const peer of open.disk.inUse) if (!mirror.links.has(peer)) this.#mark(open, peer, block);
    for (const link of mirror.links.values()) {
      if (link.counts) write.needs.add(link.leg);
      if (link.phase === "lost") this.#mark(open, link.leg, block);
      else this.#sendWrite(open, mirror, link, block, id, () => this.#onPeerHas(open, mirror, write, link.leg));
    }
    this.#writeDisk(open, block, id, () => {
      write.own = true;
      this.#finish(open, mirror, write);
    });
  }

  #mark(open: Open, peer: LegId, block: number): void {
    open.disk.bitmap(peer).add(block);
  }

  #onPeerHas(open: Open, mirror: Mirror, write: Write, leg: LegId): void {
    write.needs.delete(leg);
    this.#finish(open, mirror, write);
  }

  #finish(open: Open, mirror: Mirror, write: Write): void {
    if (write.isOver || !write.own || write.needs.size > 0) return;
    this.#endWrite(open, mirror, write, true);
  }

  #endWrite(open: Open, mirror: Mirror, write: Write, ok: boolean): void {
    if (write.isOver) return;
    write.isOver = true;
    mirror.writes.delete(write.id);
    mirror.busy.delete(write.block);
    if (ok) {
      // A peer that synchronizes may still be about to get it.
      for (const link of mirror.links.values()) {
        if (link.underWay.has(write.id) && link.phase !== "mirrored") this.#mark(open, link.leg, write.block);
      }
      this.#world.onAcknowledged(this, open.disk, write.block, write.id);
      open.disk.hot.delete(write.id);
      for (const link of mirror.links.values()) this.#send(link, () => link.target.onSettled(open.disk.device, link.leg, write.id));
    }
    write.end(ok);
  }

  /** A write is on all legs that count. */
  onSettled(device: DeviceId, leg: LegId, id: WriteId): void {
    this.#open.get(`${device}/${leg}`)?.disk.hot.delete(id);
  }

  // ---- peers

  #attach(order: Order<"attach">, open: Open, mirror: Mirror): void {
    this.#world.onAttach(this, order.device, order.peer, order.term);
    const target = this.#world.engineOf(order.card);
    const answer = this.#world.prng.between(...netMs) * 2;
    this.#after(answer, () => {
      const session = target?.onSession(this, order.device, order.peer, order.term);
      if (open.mirror !== mirror) return this.#fail(order, "failed", "it is served no more");
      if (target === undefined || session === undefined) return this.#fail(order, "failed", `card ${order.card} does not answer`);
      const link: Link = {
        leg: order.peer,
        target,
        session: session.number,
        phase: "attached",
        counts: order.counts,
        underWay: new Map(),
        resyncing: undefined,
        cameWith: session.hot.map(([id]) => id),
        lastAt: 0,
      };
      mirror.links.set(order.peer, link);
      for (const [, block] of session.hot) this.#mark(open, link.leg, block);
      // What is under way now goes there too, later.
      for (const write of mirror.writes.values()) this.#mark(open, link.leg, write.block);
      this.#answer(order, { kind: "done" });
      this.#resync(open, mirror, link);
    });
  }

  /** A primary opens a session with a leg of ours: the ones before have ended. */
  onSession(
    from: SimEngine,
    device: DeviceId,
    leg: LegId,
    term: number,
  ): { readonly number: number; readonly hot: readonly (readonly [WriteId, number])[] } | undefined {
    const open = this.#open.get(`${device}/${leg}`);
    if (this.isDead || open === undefined || open.term !== term || open.underWay > 0 || this.#world.isCut(from.card, this.card)) {
      return undefined;
    }
    open.session = ++this.#sessions;
    return { number: open.session, hot: [...open.disk.hot] };
  }

  /** First in, first out; nothing arrives over a link that is cut. */
  #send(link: Link, arrive: () => void): void {
    const now = this.#now();
    const at = Math.max(link.lastAt, now + this.#world.prng.between(...netMs));
    link.lastAt = at;
    this.#world.after(at - now, () => {
      if (!link.target.isDead && !this.#world.isCut(this.card, link.target.card)) arrive();
    });
  }

  #sendWrite(open: Open, mirror: Mirror, link: Link, block: number, id: WriteId, done: () => void): void {
    link.underWay.set(id, this.#now());
    const { device } = open.disk;
    this.#send(link, () =>
      link.target.onWrite(device, link.leg, mirror.term, link.session, block, id, (ok) => {
        this.#after(this.#world.prng.between(...netMs), () => {
          if (this.#world.isCut(this.card, link.target.card) || link.phase === "lost") return;
          link.underWay.delete(id);
          if (!ok) return this.#reportLoss(open, mirror, link, "it refused a write");
          done();
        });
      }));
  }

  /** A write of a primary for a leg of ours. */
  onWrite(device: DeviceId, leg: LegId, term: number, session: number, block: number, id: WriteId, reply: (ok: boolean) => void): void {
    const open = this.#open.get(`${device}/${leg}`);
    if (this.isDead || open === undefined) return;
    if (open.term !== term || open.session !== session) return reply(false);
    open.disk.hot.set(id, block);
    for (const peer of open.disk.inUse) this.#mark(open, peer, block);
    this.#writeDisk(open, block, id, () => reply(true));
  }

  #resync(open: Open, mirror: Mirror, link: Link): void {
    if (open.mirror !== mirror || link.phase !== "attached" || mirror.links.get(link.leg) !== link || link.resyncing !== undefined) return;
    const bits = open.disk.bitmap(link.leg);
    const block = [...bits].sort((a, b) => a - b).find((each) => !mirror.busy.has(each));
    if (block === undefined) {
      if (bits.size > 0 || link.underWay.size > 0) return this.#after(0.5, () => this.#resync(open, mirror, link));
      link.phase = "mirrored";
      link.counts = true;
      for (const id of link.cameWith) link.target.onSettled(open.disk.device, link.leg, id);
      this.#report(open, { kind: "synchronized", term: mirror.term, peer: link.leg });
      return;
    }
    mirror.busy.add(block);
    link.resyncing = block;
    const id = open.disk.content[block] as WriteId;
    this.#sendWrite(open, mirror, link, block, id, () => {
      bits.delete(block);
      this.#settleResync(mirror, link);
      link.target.onSettled(open.disk.device, link.leg, id);
      this.#resync(open, mirror, link);
    });
  }

  #settleResync(mirror: Mirror, link: Link): void {
    if (link.resyncing !== undefined) mirror.busy.delete(link.resyncing);
    link.resyncing = undefined;
  }

  /** Peers that do not answer are lost. */
  #watch(open: Open, mirror: Mirror): void {
    if (open.mirror !== mirror) return;
    for (const link of mirror.links.values()) {
      if (link.phase === "lost") continue;
      const isOld = [...link.underWay.values()].some((since) => this.#now() - since > mirror.timeoutMs);
      const isGone = link.target.isDead || !link.target.has(open.disk.device, link.leg);
      if (isOld) this.#reportLoss(open, mirror, link, "it did not answer in time");
      else if (isGone) this.#reportLoss(open, mirror, link, "its connection ended");
      else if (this.#world.isCut(this.card, link.target.card) && this.#world.prng.chance(0.1)) {
        this.#reportLoss(open, mirror, link, "it is silent");
      }
    }
    this.#after(watchMs, () => this.#watch(open, mirror));
  }

  #reportLoss(open: Open, mirror: Mirror, link: Link, reason: string): void {
    if (link.phase === "lost") return;
    this.#lose(open, mirror, link);
    this.#report(open, { kind: "peerLost", term: mirror.term, peer: link.leg, reason });
  }

  /** What was under way to it has its bits; what counts stays frozen. */
  #lose(open: Open, mirror: Mirror, link: Link): void {
    link.phase = "lost";
    for (const write of mirror.writes.values()) {
      if (link.underWay.has(write.id) || write.needs.has(link.leg)) this.#mark(open, link.leg, write.block);
    }
    this.#settleResync(mirror, link);
  }

  #proceed(order: Order<"proceed">, open: Open, mirror: Mirror): void {
    for (const leg of order.without) {
      if (mirror.links.get(leg)?.phase === "lost") mirror.links.delete(leg);
      for (const write of [...mirror.writes.values()]) {
        write.needs.delete(leg);
        this.#finish(open, mirror, write);
      }
    }
    this.#answer(order, { kind: "done" });
  }

  #report(
    open: Open,
    report: BlockReport extends infer Report ? Report extends BlockReport ? Omit<Report, "device" | "leg"> : never : never,
  ): void {
    const { device, leg } = open.disk;
    this.#world.tell(this, { report: { device, leg, ...report } as BlockReport });
  }
}

function foundOf(disk: SimLeg) {
  return { bytes: disk.content.length * 4_096, blockBytes: 4_096, state: disk.state, foreign: false, clean: disk.hot.size === 0 };
}
