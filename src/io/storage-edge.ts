/**
 * Carries out StorageService's orders on this card's block engine, and tells it what the engine says: each order is answered once, in whichever order they end, and
 * one that hangs delays no other.
 *
 * How hosts of legs reach each other is `StoragePeers`'s: it gives a connection on which both sides have said who they are.
 */
import { unreachable } from "../base/assert.ts";
import type { CardId } from "../base/ids.ts";
import type { BlockAnswer, BlockOrder, BlockReport, DeviceId, LegId } from "../storage/blocks.ts";
import type { BlockDriver, BlockEngine, BlockError, BlockNews } from "./block-ports.ts";
import type { MirrorDevice, MirrorNews, MirrorWalk } from "./mirror-ports.ts";
import { StorageLeg } from "./storage-leg.ts";

/** What a primary says of itself to the host of a backup leg. */
export type PeerHello = {
  readonly device: DeviceId;
  /** The leg that is called, and the one that calls. */
  readonly leg: LegId;
  readonly from: LegId;
  readonly term: number;
};

export interface StoragePeers {
  /** A connection to the host of a leg that has said yes; `theirBitmap` is its number for the caller's leg. The descriptor is the receiver's. */
  call(card: CardId, hello: PeerHello): Promise<{ readonly descriptor: number; readonly theirBitmap: number }>;
}

export type StorageEdgeOptions = {
  readonly driver: BlockDriver;
  readonly mirrorOf: (engine: BlockEngine, device: number) => MirrorDevice;
  readonly mirrorNews: (news: BlockNews) => MirrorNews | undefined;
  readonly peers: StoragePeers;
  /** All legs of a device, as the configuration has them. */
  readonly legsOf: (device: DeviceId) => readonly LegId[];
  readonly onAnswer: (answer: BlockAnswer) => void;
  readonly onReport: (report: BlockReport) => void;
  /** Monotonic milliseconds. */
  readonly now: () => number;
};

type Place = {
  readonly leg: StorageLeg;
  readonly device: DeviceId;
  /** The term in which each peer was attached, until it is told to be lost or is let go. */
  readonly attached: Map<LegId, number>;
  /** When the last progress of a peer was told, and how far it was. */
  readonly progress: Map<LegId, { readonly at: number; readonly bytes: number }>;
};

const legSlot = 1;
const synchronizing: MirrorWalk = { unite: true, counts: true };

function failed(order: number, error: unknown): BlockAnswer {
  const { code, message } = error as BlockError;
  const gone = ["ENOENT", "ENODEV", "ENXIO", "ENOTDIR", "EACCES", "EPERM", "ENOTBLK"].includes(code);
  return { order, kind: "failed", code: gone ? "gone" : code === "EBUSY" ? "busy" : "failed", reason: message };
}

export class StorageEdge {
  readonly #options: StorageEdgeOptions;
  readonly #engine: BlockEngine;
  readonly #places = new Map<number, Place>();
  #lastNumber = 0;

  static async open(options: StorageEdgeOptions): Promise<StorageEdge> {
    let hear: (news: BlockNews) => void = () => {};
    const engine = await options.driver.open({ onNews: (news) => hear(news) });
    const edge = new StorageEdge(options, engine);
    hear = (news) => edge.#onNews(options.mirrorNews(news));
    return edge;
  }

  private constructor(options: StorageEdgeOptions, engine: BlockEngine) {
    this.#options = options;
    this.#engine = engine;
  }

  get engine(): BlockEngine {
    return this.#engine;
  }

  /** The number under which fronts find a leg's device in the engine. */
  numberOf(device: DeviceId, leg: LegId): number | undefined {
    return [...this.#places].find(([, place]) => place.device === device && place.leg.leg === leg)?.[0];
  }

  perform(order: BlockOrder): void {
    this.#perform(order).then(
      (answer) => this.#options.onAnswer(answer),
      (error) => this.#options.onAnswer(failed(order.order, error)),
    );
  }

  /** A primary has called for a leg of this card: what to tell it before the connection is handed to `accept`. Undefined: it is not open here, or another term is noted. */
  greet({ device, leg, from, term }: PeerHello): number | undefined {
    const place = this.#placeOf(device, leg);
    return place === undefined || term !== place.leg.term ? undefined : place.leg.numberOf(from);
  }

  /** The descriptor is taken over in any case. `forgets`: the primary is the same run as before, which knows itself what was under way. */
  async accept({ device, leg }: PeerHello, descriptor: number, forgets: boolean): Promise<void> {
    const place = this.#placeOf(device, leg) ?? this.#place(device, leg);
    await place.leg.mirror.serve(descriptor, legSlot, { forgets });
  }

  close(): Promise<void> {
    return this.#engine.close();
  }

  #placeOf(device: DeviceId, leg: LegId): Place | undefined {
    return this.#places.get(this.numberOf(device, leg) ?? -1);
  }

  #place(device: DeviceId, leg: LegId): Place {
    const known = this.#placeOf(device, leg);
    if (known !== undefined) return known;
    const number = ++this.#lastNumber;
    const { mirrorOf, legsOf } = this.#options;
    const others = () => legsOf(device).filter((other) => other !== leg);
    const engine = this.#engine;
    const made = new StorageLeg({ engine, mirrorOf: (each) => mirrorOf(engine, each), number, device, leg, others });
    const place = { leg: made, device, attached: new Map(), progress: new Map() };
    this.#places.set(number, place);
    return place;
  }

  async #perform(order: BlockOrder): Promise<BlockAnswer> {
    const place = this.#place(order.device, order.leg);
    const { leg } = place;
    switch (order.kind) {
      case "look":
        return { order: order.order, kind: "found", found: await leg.look(order.path) };
      case "open":
        return { order: order.order, kind: "found", found: await leg.open(order.path, order.format) };
      case "note":
        await leg.note(order.term, order.state, order.peers, order.all);
        break;
      case "suspect":
        await leg.suspect(order.peers);
        break;
      case "serve":
        await leg.serve(order.term, order.policy);
        break;
      case "attach":
        await this.#attach(place, order);
        break;
      case "detach":
        place.attached.delete(order.peer);
        await leg.mirror.setState(leg.requireNumber(order.peer), "absent");
        break;
      case "proceed":
        await leg.proceed(order.without);
        break;
      case "gate":
        await leg.gate(order.state);
        break;
      case "verify":
        await leg.mirror.walk(leg.requireNumber(order.peer), { verify: true, mark: order.repair });
        break;
      case "pause":
        await leg.mirror.stop(leg.requireNumber(order.peer));
        break;
      case "resume":
        await leg.mirror.walk(leg.requireNumber(order.peer), synchronizing);
        break;
      case "grow":
        throw new Error(`leg ${leg.leg} of ${order.device} grows when it is opened anew, not while it is in use`);
      case "close":
        place.attached.clear();
        await leg.close();
        break;
      default:
        return unreachable(order);
    }
    return { order: order.order, kind: "done" };
  }

  async #attach(place: Place, order: Extract<BlockOrder, { kind: "attach" }>): Promise<void> {
    const { leg } = place;
    const { peer, term } = order;
    const number = leg.requireNumber(peer);
    const hello = { device: order.device, leg: peer, from: leg.leg, term };
    const { descriptor, theirBitmap } = await this.#options.peers.call(order.card, hello);
    await leg.mirror.attach(number, descriptor, theirBitmap, order.counts ? "in-sync" : "synchronizing");
    place.attached.set(peer, term);
    // What it finds to do may be nothing; that it was so is told by its end.
    await leg.mirror.walk(number, synchronizing);
  }

  #onNews(news: MirrorNews | undefined): void {
    const place = news === undefined ? undefined : this.#places.get(news.device);
    if (news === undefined || place === undefined) return;
    const { device, leg } = place;
    const report = { device, leg: leg.leg };
    const { onReport } = this.#options;
    if (news.kind === "legFailed") return onReport({ ...report, kind: "legFailed", reason: `${news.code} at byte ${news.offset}` });
    const peer = "peer" in news ? leg.legOf(news.peer) : undefined;
    const term = peer === undefined ? undefined : place.attached.get(peer);
    if (peer === undefined || term === undefined) return;
    if (news.kind === "lost") {
      place.attached.delete(peer);
      onReport({ ...report, kind: "peerLost", term, peer, reason: news.code });
    } else if (news.kind === "progress") {
      const { doneBytes, leftBytes, verify } = news;
      const bytesPerS = this.#rateOf(place, peer, doneBytes);
      onReport({
        ...report,
        kind: "progress",
        what: verify ? "verify" : "resync",
        peer,
        doneBytes,
        totalBytes: doneBytes + leftBytes,
        bytesPerS,
      });
    } else if (news.kind === "walkEnded" && news.code === undefined) {
      place.progress.delete(peer);
      if (news.verify) onReport({ ...report, kind: "verified", peer, differentBytes: news.differingBytes });
      else if (news.dirty === 0) onReport({ ...report, kind: "synchronized", term, peer });
      // What hosts wrote meanwhile has left bits; should the peer be lost by now, that is told by itself.
      else leg.mirror.walk(news.peer, synchronizing).catch(() => {});
    }
  }

  #rateOf({ progress }: Place, peer: LegId, bytes: number): number {
    const at = this.#options.now();
    const last = progress.get(peer);
    progress.set(peer, { at, bytes });
    if (last === undefined || at <= last.at || bytes < last.bytes) return 0;
    return Math.round((bytes - last.bytes) * 1_000 / (at - last.at));
  }
}
