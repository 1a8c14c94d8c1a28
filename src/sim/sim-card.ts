/**
 * A card of the simulated world: its place, its clock, its edge (what lies between the links and the node), and
 * the node that runs on it. The world moves it; it decides nothing.
 */
import type { CardId, LinkKind } from "../base/ids.ts";
import type { LastRun } from "../failover/boot-type.ts";
import type { FailoverDecided, FailoverStatus } from "../failover/service-types.ts";
import { receiveQueueMax } from "../limits.ts";
import type { Effect } from "../node/effect.ts";
import type { Input } from "../node/input.ts";
import type { Identity, NodeSettings } from "../node/settings.ts";
import type { NodeStatus } from "../node/status.ts";
import type { Service } from "../service.ts";
import { SerialDecoder } from "../wire/serial.ts";
import type { Clock } from "./clock.ts";
import type { Port, Transmission } from "./switch.ts";
import { Witness } from "./witness.ts";

/** What runs on a card: the node, or a variant of it that a test has broken. */
export interface Program extends Service<Input, Effect> {
  status(now: number): NodeStatus;
  /** The epoch whose order this card follows, 0 before the first, and the last sequence that it has delivered. */
  order?(): { readonly epoch: number; readonly delivered: number };
  /** Whether it has said goodbye, or that it resets itself. */
  readonly hasLeft?: boolean;
  /** What is agreed on of failover, where the card takes part and knows it. */
  failover?(now: number): FailoverStatus | undefined;
  decidedFailover?(): FailoverDecided | undefined;
  /** Whether the card's watchdog is fed now; `isIdle`: nothing that is failed over runs there. */
  feedsWatchdog?(now: number, isIdle: boolean): boolean;
  agreedFailover?(): { readonly sequence: number; readonly text: string } | undefined;
  /** The last sequence that the replicated state of groups follows from, and its digest; nothing while this card knows no state. */
  digest?(): { readonly sequence: number; readonly digest: string } | undefined;
}
export type StartProgram = (identity: Identity, settings: NodeSettings, now: number) => Program;

/** What a card that wakes up from a stall gets first. */
export type WakeOrder = "frames" | "tick";

export type Stall = {
  readonly until: number;
  readonly first: WakeOrder;
  /** A stopped process leaves what finds its queue full to the kernel, which drops the newest; a busy one drops the oldest. */
  readonly dropsOldest: boolean;
  readonly waiting: (
    | { readonly link: "ether"; readonly sent: Transmission }
    | { readonly link: "serial"; readonly bytes: Uint8Array }
  )[];
  /** What the card's own side has to tell: requests of applications, results of effects. */
  readonly inputs: Input[];
};

/** The card's process, from one start to its end. */
export type Run = {
  readonly identity: Identity;
  readonly program: Program;
  readonly decoder: SerialDecoder;
  readonly witness: Witness;
  /** The node's deadline after its last step, and its clock at that step. */
  deadline: number;
  now: number;
  readonly port: Record<LinkKind, boolean>;
  stall: Stall | undefined;
  leaving: boolean;
  /** When it told the others that it resets itself; from then on it does nothing more for anybody. */
  failingAt: number;
  /** When it last sent anything but a heartbeat, an advert or an announcement of its start, and what. */
  readonly spoke: { at: number; kind: string };
  /** Clients that its socket has had. */
  clients: number;
};

export class SimCard {
  readonly index: number;
  readonly id: CardId;
  readonly chassis: number;
  /** The slot whose serial line it has; `undefined` for a card without one. */
  readonly slot: number | undefined;
  readonly uid: Uint8Array;
  readonly label: string;
  readonly clock: Clock;
  readonly etherPort: Port;
  /** A second card that claims the identity of another. */
  readonly isTwin: boolean;
  /** What its program goes by, and what its configuration says, which a program that stands still has not read yet. */
  settings: NodeSettings;
  configured: NodeSettings;
  powered = false;
  /** Its slot's power sense tells the truth. */
  senseWorks = true;
  /** Its disk fails the check of a self-test. */
  isSick = false;
  /** Ethernet has carrier, the tty works. */
  readonly portWorks: Record<LinkKind, boolean>;
  run: Run | undefined;
  /** The last incarnation that was given out, as the card's own store remembers it. */
  incarnation: number;
  /** The highest that it has run with, whatever its store remembers. */
  usedIncarnation = 0;
  /** It runs, or will run next, with an incarnation that it has run with before: until it is told, the others may take it for two cards. */
  get repeatsIncarnation(): boolean {
    return this.#repeats || this.incarnation < this.usedIncarnation;
  }
  #repeats = false;
  /** View numbers up to this one are reserved on its disk. */
  reservedView = 0;
  /** What its last run left on the disk. */
  lastRun: LastRun | undefined;
  /** Starts of its machine. */
  machineStarts = 0;
  /** The incarnation up to which the power sense of its slot has been wrong while it ran. */
  senseWrongUpTo = 0;
  /** Starts under way; a later one, or an end of power, makes an earlier one void. */
  starts = 0;
  /** When the next tick is due, in the world's time. */
  tickAt = Infinity;
  /** The node's deadline that the tick was made for; a later one is found when the tick is there. */
  tickFor = Infinity;

  constructor(
    options: Pick<
      SimCard,
      "index" | "id" | "chassis" | "slot" | "uid" | "label" | "clock" | "etherPort" | "isTwin" | "settings" | "incarnation"
    >,
  ) {
    this.index = options.index;
    this.id = options.id;
    this.chassis = options.chassis;
    this.slot = options.slot;
    this.uid = options.uid;
    this.label = options.label;
    this.clock = options.clock;
    this.etherPort = options.etherPort;
    this.isTwin = options.isTwin;
    this.settings = this.configured = options.settings;
    this.incarnation = options.incarnation;
    this.portWorks = { ether: true, serial: options.slot !== undefined };
  }

  begin(identity: Identity, start: StartProgram, at: number): Run {
    this.#repeats = identity.incarnation <= this.usedIncarnation;
    this.usedIncarnation = Math.max(this.usedIncarnation, identity.incarnation);
    const now = this.clock.localAt(at);
    const program = start(identity, this.settings, now);
    const run: Run = {
      identity,
      program,
      decoder: new SerialDecoder(),
      witness: new Witness(this.id, now),
      deadline: program.deadline(),
      now,
      port: { ether: false, serial: false },
      stall: undefined,
      leaving: false,
      failingAt: Infinity,
      spoke: { at: -Infinity, kind: "" },
      clients: 0,
    };
    this.run = run;
    this.tickAt = Infinity;
    this.tickFor = Infinity;
    return run;
  }

  end(): void {
    this.run = undefined;
    this.tickAt = Infinity;
    this.tickFor = Infinity;
  }
}

/** Bytes that wait in a tty that nobody reads. */
const ttyBytesMax = 4_096;

/** Keeps what comes in for a card that is stalled, within the bounds that its queues have. */
export function keepWaiting(stall: Stall, heard: Stall["waiting"][number]): void {
  const { waiting, dropsOldest } = stall;
  const { link } = heard;
  const sizeOf = (item: Stall["waiting"][number]) => item.link === "ether" ? 1 : item.bytes.length;
  let used = 0;
  for (const item of waiting) if (item.link === link) used += sizeOf(item);
  const most = link === "ether" ? receiveQueueMax : ttyBytesMax;
  if (used + sizeOf(heard) > most) {
    if (!dropsOldest) return;
    waiting.splice(waiting.findIndex((item) => item.link === link), 1);
  }
  waiting.push(heard);
}
