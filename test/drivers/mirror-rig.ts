/** Devices of one engine with legs in files, and mirrors between them over pairs of sockets: what the tests of the mirror build upon. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nativeBlock } from "../../drivers/block/block.ts";
import { mirrorNews, nativeMirror } from "../../drivers/block/mirror.ts";
import { nativeDoor } from "../../drivers/door/door.ts";
import { loadAddon } from "../../drivers/load.ts";
import type { BlockDevice, BlockEngine } from "../../src/io/block-ports.ts";
import type { MirrorDevice, MirrorLeg, MirrorNews, MirrorPeerState, MirrorSettings, MirrorWalk } from "../../src/io/mirror-ports.ts";
import type { DoorPort } from "../../src/io/ports.ts";

export const mirrorSlot = 0;
export const legSlot = 1;
export const backingSlot = 2;
/** Every leg has the bitmaps of all others; a leg's number is that of its bitmap at the others. */
const numbers = [0, 1, 2, 3];
const waitMs = 120_000;

export const settings: MirrorSettings = {
  protocol: "synchronous",
  behindBytesMax: 1 << 20,
  timeoutMs: 6_000,
  resyncMost: 0,
  resyncLeast: 1 << 24,
  resyncFill: 1 << 23,
};

export function idOf(number: number): Uint8Array {
  return new Uint8Array(16).fill(number + 1);
}

/** A leg in a file, with the device of the engine that has it open. */
export type Leg = { readonly number: number; readonly path: string; device: BlockDevice; mirror: MirrorDevice; opened: MirrorLeg };

export class MirrorRig {
  readonly engine: BlockEngine;
  readonly news: MirrorNews[] = [];
  readonly #directory: string;
  readonly #door: DoorPort;
  readonly #released = new Map<number, (descriptor: number) => void>();
  readonly #told: (() => void)[] = [];
  readonly #log: { readonly hotMax?: number };

  static async open(log: { readonly hotMax?: number } = {}): Promise<MirrorRig> {
    const news: { rig?: MirrorRig } = {};
    const addon = loadAddon();
    const engine = await nativeBlock(addon).open({ faults: true, onNews: (told) => news.rig?.onNews(mirrorNews(told)) });
    const rig = new MirrorRig(engine, log);
    news.rig = rig;
    return rig;
  }

  private constructor(engine: BlockEngine, log: { readonly hotMax?: number }) {
    this.engine = engine;
    this.#log = log;
    this.#directory = mkdtempSync(join(tmpdir(), "cardinal-mirror-"));
    this.#door = nativeDoor(loadAddon()).open(16, {
      accepted() {},
      bytes() {},
      sent() {},
      gone() {},
      deaf() {},
      released: (connection, descriptor) => {
        this.#released.get(connection)?.(descriptor);
        this.#released.delete(connection);
      },
    });
  }

  onNews(news: MirrorNews | undefined): void {
    if (news === undefined) return;
    this.news.push(news);
    for (const told of this.#told.splice(0)) told();
  }

  /** The first news that fits, taken out; waits for it. */
  async next<Kind extends MirrorNews["kind"]>(kind: Kind, device: number): Promise<Extract<MirrorNews, { kind: Kind }>> {
    const end = performance.now() + waitMs;
    while (performance.now() < end) {
      const index = this.news.findIndex((news) => news.kind === kind && news.device === device);
      if (index >= 0) return this.news.splice(index, 1)[0] as Extract<MirrorNews, { kind: Kind }>;
      await new Promise<void>((resolve) => {
        this.#told.push(resolve);
        setTimeout(resolve, 100);
      });
    }
    throw new Error(`the engine does not tell ${kind} of device ${device}: ${JSON.stringify(this.news)}`);
  }

  /** Both ends of a connection. */
  async pair(): Promise<[number, number]> {
    const { connection, descriptor } = this.#door.pair();
    const released = new Promise<number>((resolve) => this.#released.set(connection, resolve));
    this.#door.answer(connection, new Uint8Array(), "release");
    return [await released, descriptor];
  }

  /** A leg of so many bytes, formatted, with bits in no bitmap. */
  async makeLeg(
    number: number,
    bytes: number,
    options: { readonly fault?: "rules" | "power"; readonly others?: readonly number[] } = {},
  ): Promise<Leg> {
    const path = join(this.#directory, `leg${number}`);
    const device = await this.engine.make(number);
    const mirror = nativeMirror(this.engine, number);
    const others = options.others ?? numbers.filter((other) => other !== number);
    await device.open(backingSlot, path, { size: bytes + (1 << 20) });
    await mirror.format(backingSlot, { device: idOf(99), leg: idOf(number), size: bytes, term: 1, bitmaps: others });
    if (options.fault !== undefined) await device.layFault(backingSlot, options.fault, number);
    const opened = await mirror.openLeg(backingSlot, legSlot, this.#log);
    await mirror.setBits(legSlot, others, "none");
    await device.raise(1);
    return { number, path, device, mirror, opened };
  }

  /** The device of a leg is gone, and opened again. */
  async reopen(leg: Leg, term = 1): Promise<Leg> {
    await leg.device.remove();
    return await this.reopenRemoved(leg, term);
  }

  async reopenRemoved(leg: Leg, term = 1, fault?: "rules" | "power"): Promise<Leg> {
    leg.device = await this.engine.make(leg.number);
    leg.mirror = nativeMirror(this.engine, leg.number);
    await leg.device.open(backingSlot, leg.path);
    if (fault !== undefined) await leg.device.layFault(backingSlot, fault, term);
    leg.opened = await leg.mirror.openLeg(backingSlot, legSlot, this.#log);
    await leg.device.raise(term);
    return leg;
  }

  async reopenServed(leg: Leg, term = 1): Promise<Leg> {
    await this.reopenRemoved(leg, term);
    await this.serveLeg(leg);
    return leg;
  }

  async serveMirror(leg: Leg, term = 1, options: Partial<MirrorSettings> = {}): Promise<void> {
    await leg.mirror.make(legSlot, mirrorSlot, term);
    await leg.mirror.set({ ...settings, ...options });
    await leg.device.serve(mirrorSlot);
    await leg.device.gate("open");
  }

  async serveLeg(leg: Leg): Promise<void> {
    await leg.device.serve(legSlot);
    await leg.device.gate("open");
  }

  async attach(primary: Leg, backup: Leg, state: Exclude<MirrorPeerState, "absent">): Promise<void> {
    const [near, far] = await this.pair();
    await backup.mirror.serve(far, legSlot, { forgets: true });
    await primary.mirror.attach(backup.number, near, primary.number, state);
  }

  async resync(primary: Leg, backup: Leg, walk: MirrorWalk = { unite: true, counts: true }) {
    await primary.mirror.walk(backup.number, walk);
    return await this.next("walkEnded", primary.number);
  }

  /** The device's bytes as they are in the leg's file. */
  bytes(leg: Leg): Uint8Array {
    return new Uint8Array(readFileSync(leg.path)).subarray(0, leg.opened.size);
  }

  async close(): Promise<void> {
    await this.engine.close();
    await this.#door.close();
    rmSync(this.#directory, { recursive: true });
  }
}
