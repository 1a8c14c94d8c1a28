/**
 * Two cards whose links are all cut at once, again and again: who serves afterwards, and that nobody else did.
 *
 *   npm run bench -- split [--json] [--times N] [--profile fast|default] [--how above|below|both|deaf|all]
 *
 * An address and a file system on a disk that both cards reach are one service. The host is the judge: it asks by ARP who has the address, and reads each
 * card's mounts in /proc every few milliseconds. Its instants are of the machine's one monotonic clock, and so are those that the cards log of what they start
 * and stop. A run fails when two cards had the address or the file system at once, or when one of them started before the other one had stopped.
 */
import { spawnSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { outerUser } from "../chassis/place.ts";
import { becomeRoot } from "../chassis/private-run.ts";
import { type Profile, profiles } from "../chassis/settings.ts";
import { allVerified } from "../chassis/view.ts";
import { type LatencyFigures, latencyFigures, latencyText, runBenchmark } from "./comparison.ts";
import { type Document, type FailoverClient, type FailoverStand, movingAddress, webDocument, withFailover } from "./failover-stand.ts";

const help = `Usage: npm run bench -- split [options]

Two cards lose both links to each other at once; the host judges that never two of them serve.

  --times N       how often (default 10)
  --profile NAME  fast or default (default default)
  --how NAME      above, below, both, deaf or all, one after the other (default all)
  --json          one line of JSON a figure

above: card 2's cables are cut, so card 1 alone reaches the multiplexor and can have the other one reset; below: card 1's are; both: nobody reaches it,
so nothing proves that the other one has stopped; deaf: both can order a reset, and neither hears of the other or of the receipt.
`;

const hows = ["above", "below", "both", "deaf"] as const;
type How = typeof hows[number];

export type SplitRun = {
  readonly how: How;
  readonly before: number;
  /** Who served when it was cut and settled; undefined when nobody did. */
  readonly after: number | undefined;
  /** From the cut to the new owner's file system, where it is another card. */
  readonly takeoverMs: number | undefined;
  /** From the old owner's stop to the new one's start, by the host's and by the cards' stamps. */
  readonly marginMs: number | undefined;
};

type Figure = LatencyFigures & {
  readonly bench: "split";
  readonly system: "cardinal";
  readonly profile: Profile;
  readonly how: How;
  readonly runs: number;
  readonly takeovers: number;
  readonly kept: number;
  readonly unserved: number;
  readonly doubles: 0;
};

const cards = [1, 2] as const;
/** After the cut, before it is asked who serves: what is to happen has happened, and what must not would have. */
const settleMs = 4_000;
const lookMs = 2;

const nowMs = () => Number(process.hrtime.bigint()) / 1e6;

/** An interval in which a card had the file system; open while it still has it. */
type Held = { readonly card: number; readonly fromMs: number; untilMs: number | undefined };

/** Looks into the mounts of each card's program, from outside. */
export class MountWatch {
  readonly #mountPoint: string;
  readonly #pids: () => ReadonlyMap<number, number>;
  readonly #timer: ReturnType<typeof setInterval>;
  held: Held[] = [];
  doubles = 0;

  constructor(mountPoint: string, pids: () => ReadonlyMap<number, number>) {
    this.#mountPoint = mountPoint;
    this.#pids = pids;
    this.#timer = setInterval(() => this.#look(), lookMs);
  }

  end(): void {
    clearInterval(this.#timer);
  }

  /** Who has it now. */
  get owners(): number[] {
    return this.held.filter(({ untilMs }) => untilMs === undefined).map(({ card }) => card);
  }

  forget(): void {
    this.held = this.held.filter(({ untilMs }) => untilMs === undefined);
    this.doubles = 0;
  }

  #look(): void {
    const pids = [...this.#pids()];
    const has = pids.map(([card, pid]) => [card, this.#isMounted(pid)] as const);
    const at = nowMs();
    for (const [card, isMounted] of has) {
      const open = this.held.find((each) => each.card === card && each.untilMs === undefined);
      if (isMounted && open === undefined) this.held.push({ card, fromMs: at, untilMs: undefined });
      if (!isMounted && open !== undefined) open.untilMs = at;
    }
    // The first is looked at again, for the looks are one after the other.
    const [first] = pids;
    if (has.length > 1 && has.every(([, isMounted]) => isMounted) && first !== undefined && this.#isMounted(first[1])) this.doubles++;
  }

  #isMounted(pid: number): boolean {
    try {
      return readFileSync(`/proc/${pid}/mountinfo`, "utf8").includes(` ${this.#mountPoint} `);
    } catch {
      return false;
    }
  }
}

/** A loop device with a file system of its own, for both cards: they are two machines with one disk. It ends with its last user, however this program ends. */
export class SharedDisk {
  readonly path: string;
  readonly #held: number;

  constructor(file: string) {
    for (const [program, ...given] of [["truncate", "-s", "32M", file], ["mkfs.ext4", "-q", "-F", file]]) call(program as string, given);
    this.path = call("losetup", ["--find", "--show", file]).trim();
    this.#held = openSync(this.path, "r");
    // It is in use, so it goes when nobody uses it any more.
    call("losetup", ["--detach", this.path]);
  }

  remove(): void {
    closeSync(this.#held);
  }
}

function call(program: string, given: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(program, given, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${program} ${given.join(" ")}: ${error?.message ?? stderr.trim()}`);
  return stdout;
}

/** The service "web" with an address that comes after a file system on the disk. */
export function splitDocument(disk: string, mountPoint: string): Document {
  const members = Object.fromEntries(cards.map((card) => [`1/${card}`, { path: disk }]));
  return {
    ...webDocument(cards, {
      addressNeeds: ["files"],
      resources: {
        disk: { kind: "device", service: "web", blockBytes: 512, subgroups: { all: { role: "primary", members } } },
        files: { kind: "filesystem", service: "web", device: "disk", mountPoint, filesystem: "ext4" },
      },
    }),
    // A card that fails as often as it does here would be put into quarantine.
    policies: { failoversMax: 100, failoverWindowS: 1 },
  };
}

export class Splitting {
  readonly #stand: FailoverStand;
  readonly #client: FailoverClient;
  readonly #watch: MountWatch;
  #pids: ReadonlyMap<number, number> = new Map();
  readonly #look: ReturnType<typeof setInterval>;

  constructor(stand: FailoverStand, client: FailoverClient, mountPoint: string) {
    this.#stand = stand;
    this.#client = client;
    this.#watch = new MountWatch(mountPoint, () => this.#pids);
    // A card that is reset has another program.
    this.#look = setInterval(() => void this.#lookForPrograms().catch(() => undefined), 100);
  }

  async #lookForPrograms(): Promise<void> {
    const slots = await Promise.all(cards.map((card) => this.#stand.chassis.slotStatus(card)));
    this.#pids = new Map(slots.flatMap(({ slot, pid }) => (pid === undefined ? [] : [[slot, pid] as const])));
  }

  end(): void {
    clearInterval(this.#look);
    this.#watch.end();
  }

  /** Cuts, waits, judges, heals, and waits until all is well again. Throws when two cards served at once. */
  async run(how: How): Promise<SplitRun> {
    const stand = this.#stand;
    await this.#client.observe();
    this.#watch.forget();
    const [before] = this.#watch.owners;
    if (before === undefined || this.#watch.owners.length !== 1) throw new Error(`the file system is on cards ${this.#watch.owners}`);
    const cutAt = nowMs();
    await cut(stand, how);
    await sleep(settleMs);
    const [after] = this.#watch.owners;
    const run: SplitRun = { how, before, after, ...await this.#judged(how, before, cutAt) };
    await stand.chassis.heal();
    await stand.waitUntilWhole();
    await stand.chassis.waitFor("both links of both cards work", allVerified, 20_000);
    await this.#served();
    await this.#judged(`${how}, healed`, before, cutAt);
    return run;
  }

  async #served(): Promise<void> {
    const until = performance.now() + 30_000;
    for (;;) {
      const { owners } = this.#watch;
      const [owner] = owners;
      if (owner !== undefined && owners.length === 1 && (await this.#stand.addresses(owner)).includes(movingAddress)) return;
      if (performance.now() > until) throw new Error(`healed, and within 30 s nobody serves; the file system is on cards ${owners}`);
      await sleep(100);
    }
  }

  async #judged(what: string, before: number, cutAt: number): Promise<Pick<SplitRun, "takeoverMs" | "marginMs">> {
    const { owners, doubles } = await this.#client.observe();
    const had = owners.map(({ mac }) => this.#stand.cardOf(mac));
    if (doubles > 0) throw new Error(`${what}: two cards had the address at once, ${doubles} times (${had})`);
    if (this.#watch.doubles > 0) throw new Error(`${what}: two cards had the file system at once, ${this.#watch.doubles} looks`);
    const margins: number[] = [];
    for (const [index, { card, fromMs }] of this.#watch.held.entries()) {
      const earlier = this.#watch.held[index - 1];
      if (earlier === undefined || earlier.card === card) continue;
      const { untilMs } = earlier;
      if (untilMs === undefined || untilMs > fromMs) {
        throw new Error(`${what}: card ${card} mounted before card ${earlier.card} had unmounted`);
      }
      margins.push(fromMs - untilMs);
    }
    margins.push(...await this.#ownMargins(what, cutAt));
    const taken = this.#watch.held.find(({ card }) => card !== before);
    return {
      takeoverMs: taken === undefined ? undefined : taken.fromMs - cutAt,
      marginMs: margins.length === 0 ? undefined : Math.min(...margins),
    };
  }

  /** What the cards logged themselves since the cut: nothing starts on one of them that has not ended on the other one. */
  async #ownMargins(what: string, cutAt: number): Promise<number[]> {
    const lines = (await Promise.all(cards.map((card) => this.#stand.chassis.log(card, 2_000)))).flat();
    const hooks = lines.flatMap((line) => {
      if (!line.startsWith("{")) return [];
      const { event, card, hook, resource, outcome, startedMs, endedMs } = JSON.parse(line) as Record<string, string | number>;
      return event === "hook" && resource === "files" && Number(endedMs) > cutAt
        ? [{ hook, card: Number(card), outcome, startedMs: Number(startedMs), endedMs: Number(endedMs) }]
        : [];
    }).sort((a, b) => a.endedMs - b.endedMs);
    const margins: number[] = [];
    for (const start of hooks.filter(({ hook, outcome }) => hook === "start" && outcome === "done")) {
      for (const stop of hooks.filter((each) => each.hook === "stop" && each.card !== start.card && each.outcome === "done")) {
        const isBefore = stop.endedMs <= start.startedMs;
        const isAfter = stop.startedMs >= start.endedMs;
        // A stop of a later ownership of that card lies after this one's end.
        if (!isBefore && !isAfter) {
          throw new Error(
            `${what}: card ${start.card} started at ${start.startedMs} while card ${stop.card} stopped until ${stop.endedMs}`,
          );
        }
        if (isBefore) margins.push(start.startedMs - stop.endedMs);
      }
    }
    return margins;
  }
}

async function cut({ chassis }: FailoverStand, how: How): Promise<void> {
  switch (how) {
    case "above":
      await Promise.all([chassis.cutEther(2), chassis.cutSerial(2)]);
      return;
    case "below":
      await Promise.all([chassis.cutEther(1), chassis.cutSerial(1)]);
      return;
    case "both":
      await Promise.all([chassis.cutEther(2, "apart"), chassis.cutSerial(1), chassis.cutSerial(2)]);
      return;
    case "deaf":
      await Promise.all([chassis.cutEther(2, "apart"), chassis.cutSerial(1, ["rx"]), chassis.cutSerial(2, ["rx"])]);
  }
}

/** A chassis of two with the service, a client and the watch; all of it is gone afterwards. */
export async function withSplitting(
  options: { readonly name: string; readonly profile: Profile },
  use: (splitting: Splitting, stand: FailoverStand) => Promise<void>,
): Promise<void> {
  let disk: SharedDisk | undefined;
  try {
    const given = { ...options, cards: cards.length, runtime: "binary", bootMs: 200 } as const;
    await withFailover({ ...given, document: { chassis: { 1: {} }, cards: { "1/1": {}, "1/2": {} } } }, async (stand) => {
      const { directory } = stand.chassis;
      const mountPoint = `${directory}/files`;
      mkdirSync(mountPoint);
      disk = new SharedDisk(`${directory}/disk.image`);
      await stand.configure(splitDocument(disk.path, mountPoint));
      const client = await stand.client({ periodMs: 5, realtime: outerUser() === 0 });
      const splitting = new Splitting(stand, client, mountPoint);
      try {
        await stand.servedBy(cards, 30_000);
        await sleep(500);
        await use(splitting, stand);
      } catch (error) {
        // The cards' directories do not outlive the chassis.
        for (const card of cards) console.error((await stand.chassis.log(card, 80)).join("\n"));
        throw error;
      } finally {
        splitting.end();
        client.end();
      }
    });
  } finally {
    disk?.remove();
  }
}

function figureOf(profile: Profile, how: How, runs: readonly SplitRun[]): Figure {
  const takeovers = runs.flatMap(({ takeoverMs }) => (takeoverMs === undefined ? [] : [takeoverMs * 1_000]));
  const kept = runs.filter(({ before, after, takeoverMs }) => after === before && takeoverMs === undefined).length;
  const figures = takeovers.length === 0 ? { minMs: 0, medianMs: 0, p99Ms: 0 } : latencyFigures(takeovers);
  const rounded = Object.fromEntries(Object.entries(figures).map(([name, ms]) => [name, Math.round(ms)])) as LatencyFigures;
  const unserved = runs.filter(({ after }) => after === undefined).length;
  return {
    bench: "split",
    system: "cardinal",
    profile,
    how,
    runs: runs.length,
    takeovers: takeovers.length,
    kept,
    unserved,
    doubles: 0,
    ...rounded,
  };
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      times: { type: "string", default: "10" },
      profile: { type: "string", default: "default" },
      how: { type: "string", default: "all" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return console.log(help);
  const times = Number(values.times);
  if (!Number.isInteger(times) || times < 1 || times > 10_000) {
    throw new Error(`--times is ${values.times}, must be a whole number from 1 to 10000`);
  }
  const profile = profiles.find((each) => each === values.profile);
  if (profile === undefined) throw new Error(`--profile is ${values.profile}, must be ${profiles.join(" or ")}`);
  const wanted = values.how === "all" ? hows : hows.filter((each) => each === values.how);
  if (wanted.length === 0) throw new Error(`--how is ${values.how}, must be ${hows.join(", ")} or all`);
  becomeRoot();
  await withSplitting({ name: `split${process.pid % 1_000}`, profile }, async (splitting) => {
    const runs: SplitRun[] = [];
    while (runs.length < times) {
      const run = await splitting.run(wanted[runs.length % wanted.length] as How);
      runs.push(run);
      if (!values.json) {
        const { how, before, after, takeoverMs, marginMs } = run;
        const text = (ms: number | undefined) => (ms === undefined ? "-" : `${ms.toFixed(1)} ms`);
        console.error(
          `${runs.length}: ${how}: card ${before} -> ${after ?? "nobody"}, taken over after ${text(takeoverMs)}, margin ${text(marginMs)}`,
        );
      }
    }
    if (!values.json) console.log("profile | how | runs | taken over | kept | nobody | two at once | until the takeover");
    for (const how of wanted) {
      const of = runs.filter((run) => run.how === how);
      if (of.length === 0) continue;
      const figure = figureOf(profile, how, of);
      const row = [profile, how, figure.runs, figure.takeovers, figure.kept, figure.unserved, figure.doubles, latencyText(figure)];
      console.log(values.json ? JSON.stringify(figure) : row.join(" | "));
    }
  });
}

if (process.argv[1]?.endsWith("split.ts")) await runBenchmark(main);
