/**
 * Applications of a simulated world: processes on cards that join groups, send numbered messages, answer their monitors,
 * leave, die, hang and come again. They are the clients of the cards' local sockets and judge nothing: what each was
 * told goes to the checkers.
 *
 *     installed ─ card starts ─► process ─ join ─► member ─ kill, hang too long, card ends ─► gone ─ join, card starts ─► process
 *                                                     └─ quit ─► no longer installed
 *
 * An application is installed on a card for a group. It has a process of its own, or shares one with others of its card.
 */
import { unreachable } from "../base/assert.ts";
import type { Prng } from "../base/prng.ts";
import type { ApplicationEvent, ApplicationRequest, GroupView, Member } from "../cluster/application.ts";
import type { Input } from "../node/input.ts";
import type { Run, SimCard } from "./sim-card.ts";

/** What the applications need of the world. */
export type ApplicationEdge = {
  readonly world: { readonly at: number; later(at: number, run: (at: number) => void): void };
  /** Tells a card's node something, now or when it wakes up. */
  tell(card: SimCard, run: Run, input: Input): void;
  /** A process was told something. */
  onEvent(process: Process, event: ApplicationEvent): void;
  /** A process has ended, or stands still, so that a member may be missed. */
  onMissing(process: Process): void;
};

export type Installed = {
  readonly card: SimCard;
  readonly group: string;
  readonly critical: boolean;
  /** 0 for a member that is not monitored. */
  readonly monitorMs: number;
  /** One process is a member for all shared ones of the card. */
  readonly shared: boolean;
  /** It watches and is no member. */
  readonly watches: boolean;
  /** The mean time between two messages, `Infinity` for none, and their bytes. */
  gapMs: number;
  bytes: number;
  process: Process | undefined;
};

/** A message that a process sent; it knows what became of it. */
export type Sent = {
  readonly process: Process;
  /** Counts the messages of the process from 1. */
  readonly number: number;
  readonly group: string;
  readonly data: Uint8Array;
  outcome: "underWay" | "sent" | "refused";
};

/** A process's part in one group. */
export type Membership = {
  readonly group: string;
  readonly critical: boolean;
  readonly monitorMs: number;
  readonly watches: boolean;
  state: "joining" | "member" | "leaving" | "gone";
  member: Member | undefined;
  view: GroupView | undefined;
};

/** A message starts with its process and its number. */
const headerBytes = 8;
/** Messages of one process that are not answered yet, when it sends by itself. */
const underWayMax = 64;
const logMax = 400;

/** One life of an application: one connection to a card's socket. */
export class Process {
  readonly id: number;
  readonly card: SimCard;
  readonly run: Run;
  readonly client: number;
  readonly memberships = new Map<string, Membership>();
  readonly sent: Sent[] = [];
  /** What it asked for and has no answer to. */
  readonly asked = new Map<number, { readonly request: ApplicationRequest; readonly sent?: Sent }>();
  /** What it was told, the last of it, and in words what else befell it. */
  readonly log: (ApplicationEvent | string)[] = [];
  requests = 0;
  underWay = 0;
  /** Its socket delivers in order: when the last request is there. */
  arrivesAt = 0;
  endedAt = Infinity;
  /** Why it ended; `closed` by the node. */
  ended: "killed" | "quit" | "closed" | "card" | undefined;
  /** The last time for which it stood still. */
  hungFrom = -Infinity;
  hungUntil = -Infinity;

  constructor(id: number, card: SimCard, run: Run) {
    this.id = id;
    this.card = card;
    this.run = run;
    this.client = ++run.clients;
  }

  get label(): string {
    return `process ${this.id} on ${this.card.label}`;
  }
}

export class Applications {
  readonly #world: ApplicationEdge["world"];
  readonly #edge: ApplicationEdge;
  readonly #prng: Prng;
  readonly #installed: Installed[] = [];
  readonly #clients = new Map<Run, Map<number, Process>>();
  /** All that ever lived, each at the index of its id. */
  readonly processes: Process[] = [];
  /** Nobody sends anything by itself. */
  #quiet = false;

  constructor(edge: ApplicationEdge, prng: Prng) {
    this.#world = edge.world;
    this.#edge = edge;
    this.#prng = prng;
  }

  get installed(): readonly Installed[] {
    return this.#installed;
  }

  /** Installs an application, or has one that has died start again. */
  join(card: SimCard, group: string, how: { critical: boolean; monitorMs: number; shared: boolean; watches: boolean }): void {
    let app = this.#find(card, group);
    if (app === undefined) {
      app = { card, group, ...how, gapMs: Infinity, bytes: 0, process: undefined };
      this.#installed.push(app);
    }
    if (card.run !== undefined && app.process === undefined) this.#start(app, card.run);
  }

  /** The application sends by itself from now on, `gapMs` between two messages on average. */
  chatter(card: SimCard, group: string, gapMs: number, bytes: number): void {
    const app = this.#find(card, group);
    if (app === undefined) return;
    const wasSilent = app.gapMs === Infinity;
    app.gapMs = gapMs;
    app.bytes = bytes;
    if (wasSilent && app.process !== undefined) this.#chatterOn(app, app.process);
  }

  /** A process of the card sends messages; a process that is no member where there is no other. */
  send(card: SimCard, group: string, texts: readonly string[]): void {
    const process = this.#find(card, group)?.process ?? this.#sender(card);
    if (process === undefined) return;
    for (const text of texts) this.#sendOne(process, group, new TextEncoder().encode(text));
  }

  /** The process dies without a word. */
  kill(card: SimCard, group: string): void {
    const process = this.#find(card, group)?.process;
    if (process !== undefined) this.#endProcess(process, "killed", "connection closed");
  }

  /** The process stands still: it asks and answers nothing. */
  hang(card: SimCard, group: string, ms: number): void {
    const process = this.#find(card, group)?.process;
    if (process === undefined) return;
    if (process.hungUntil < this.#world.at) process.hungFrom = this.#world.at;
    process.hungUntil = Math.max(process.hungUntil, this.#world.at + ms);
    this.#edge.onMissing(process);
  }

  /** The application leaves its group in good order, and is no longer installed. */
  quit(card: SimCard, group: string): void {
    const app = this.#find(card, group);
    if (app === undefined) return;
    this.#installed.splice(this.#installed.indexOf(app), 1);
    const { process } = app;
    const membership = process?.memberships.get(group);
    if (process === undefined || membership === undefined) return;
    if (membership.state === "member") {
      membership.state = "leaving";
      this.#ask(process, { kind: "leave", request: ++process.requests, group });
    } else this.#endProcess(process, "quit", "connection closed");
  }

  /** Nobody sends anything by itself from now on, or they do again. */
  setQuiet(quiet: boolean): void {
    this.#quiet = quiet;
    if (!quiet) { for (const app of this.#installed) if (app.process !== undefined) this.#chatterOn(app, app.process); }
  }

  /** A card's program has started: what is installed on it comes to its socket. */
  onBegin(card: SimCard, run: Run): void {
    for (const app of this.#installed) {
      if (app.card !== card) continue;
      this.#world.later(this.#world.at + this.#prng.between(1, 400), () => {
        if (card.run === run && app.process === undefined && this.#installed.includes(app)) this.#start(app, run);
      });
    }
  }

  /** A card's program has ended, and its socket with it. */
  onEnd(run: Run): void {
    for (const process of this.#clients.get(run)?.values() ?? []) this.#endProcess(process, "card", "");
    this.#clients.delete(run);
  }

  /** An event for a client of a card's socket. */
  onEvent(run: Run, client: number, event: ApplicationEvent): void {
    const process = this.#clients.get(run)?.get(client);
    // Nobody reads what is sent to a process that has just died.
    if (process === undefined || process.endedAt !== Infinity) return;
    this.#edge.onEvent(process, event);
    process.log.push(event);
    if (process.log.length >= 2 * logMax) process.log.splice(0, logMax);
    this.#take(process, event);
  }

  /** The card cuts a client off. */
  onClose(run: Run, client: number, reason: string): void {
    const process = this.#clients.get(run)?.get(client);
    if (process === undefined || process.endedAt !== Infinity) return;
    process.log.push(`closed: ${reason}`);
    this.#endProcess(process, "closed", reason);
  }

  /** The message that bytes are, if a process sent it. */
  sentOf(data: Uint8Array): Sent | undefined {
    if (data.length < headerBytes) return undefined;
    const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    const sent = this.processes[view.getUint32(0)]?.sent[view.getUint32(4) - 1];
    if (sent === undefined || sent.data.length !== data.length) return undefined;
    for (let index = headerBytes; index < data.length; index++) if (sent.data[index] !== data[index]) return undefined;
    return sent;
  }

  #find(card: SimCard, group: string): Installed | undefined {
    return this.#installed.find((app) => app.card === card && app.group === group);
  }

  #start(app: Installed, run: Run): void {
    const other = app.shared ? this.#installed.find((one) => one.card === app.card && one.shared && one.process !== undefined) : undefined;
    const process = other?.process ?? this.#open(app.card, run);
    app.process = process;
    const { group, critical, monitorMs, watches } = app;
    process.memberships.set(group, { group, critical, monitorMs, watches, state: "joining", member: undefined, view: undefined });
    this.#register(app, process);
  }

  #register(app: Installed, process: Process): void {
    const { group, critical, monitorMs } = app;
    const request = ++process.requests;
    if (app.watches) this.#ask(process, { kind: "watch", request, group });
    else this.#ask(process, { kind: "join", request, group, name: `p${process.id}`, critical, monitorMs });
  }

  #open(card: SimCard, run: Run): Process {
    const process = new Process(this.processes.length, card, run);
    this.processes.push(process);
    let clients = this.#clients.get(run);
    if (clients === undefined) {
      clients = new Map();
      this.#clients.set(run, clients);
    }
    clients.set(process.client, process);
    return process;
  }

  /** A process of the card that is no member of anything. */
  #sender(card: SimCard): Process | undefined {
    if (card.run === undefined) return undefined;
    const clients = this.#clients.get(card.run)?.values() ?? [];
    for (const process of clients) if (process.memberships.size === 0 && process.endedAt === Infinity) return process;
    return this.#open(card, card.run);
  }

  #isAwake(process: Process): boolean {
    return process.endedAt === Infinity && process.hungUntil <= this.#world.at;
  }

  #take(process: Process, event: ApplicationEvent): void {
    switch (event.kind) {
      case "joined":
      case "watching": {
        process.asked.delete(event.request);
        const membership = process.memberships.get(event.group);
        if (membership === undefined) return;
        membership.state = "member";
        membership.view = event.view;
        if (event.kind === "joined") membership.member = event.member;
        const app = this.#installed.find((one) => one.process === process && one.group === event.group);
        if (app !== undefined) this.#chatterOn(app, process);
        return;
      }
      case "left": {
        process.asked.delete(event.request);
        const membership = process.memberships.get(event.group);
        if (membership !== undefined) membership.state = "gone";
        if ([...process.memberships.values()].every(({ state }) => state === "gone")) {
          this.#endProcess(process, "quit", "connection closed");
        }
        return;
      }
      case "sent": {
        const sent = process.asked.get(event.request)?.sent;
        process.asked.delete(event.request);
        if (sent === undefined) return;
        process.underWay--;
        sent.outcome = "sent";
        return;
      }
      case "refused":
        return this.#onRefused(process, event.request);
      case "monitor":
        return this.#answer(process, event.nonce, event.withinMs);
      case "view": {
        const membership = process.memberships.get(event.group);
        if (membership !== undefined) membership.view = event.view;
        return;
      }
      case "message":
      case "lost":
      case "stopped":
      case "resumed":
        return;
      default:
        return unreachable(event);
    }
  }

  #onRefused(process: Process, request: number): void {
    const asked = process.asked.get(request);
    process.asked.delete(request);
    if (asked === undefined) return;
    if (asked.sent !== undefined) {
      process.underWay--;
      asked.sent.outcome = "refused";
      return;
    }
    const { request: refused } = asked;
    if (refused.kind === "alive" || refused.kind === "send") return;
    const again = this.#prng.between(100, 1_000);
    this.#world.later(this.#world.at + again, () => {
      const app = this.#installed.find((one) => one.process === process && one.group === refused.group);
      const state = process.memberships.get(refused.group)?.state;
      if (process.endedAt !== Infinity) return;
      if (refused.kind === "leave" && state === "leaving") this.#endProcess(process, "quit", "connection closed");
      else if (app !== undefined && state === "joining") this.#register(app, process);
    });
  }

  #answer(process: Process, nonce: number, withinMs: number): void {
    const readyAt = Math.max(this.#world.at, process.hungUntil) + this.#prng.between(0.05, Math.min(5, withinMs / 4));
    this.#world.later(readyAt, () => {
      // It may have been stopped meanwhile, and answers when it goes on.
      if (process.endedAt === Infinity && !this.#isAwake(process)) this.#answer(process, nonce, withinMs);
      else this.#ask(process, { kind: "alive", nonce });
    });
  }

  #chatterOn(app: Installed, process: Process): void {
    if (app.gapMs === Infinity || this.#quiet) return;
    this.#world.later(this.#world.at + app.gapMs * this.#prng.between(0.2, 1.8), () => {
      if (app.process !== process || this.#quiet || process.memberships.get(app.group)?.state !== "member") return;
      if (this.#isAwake(process) && process.underWay < underWayMax) this.#sendOne(process, app.group, this.#content(app.bytes));
      this.#chatterOn(app, process);
    });
  }

  #content(bytes: number): Uint8Array {
    const content = new Uint8Array(Math.ceil(bytes * this.#prng.between(0.2, 1.8)));
    if (content.length > 0) content[content.length - 1] = this.#prng.bits();
    return content;
  }

  #sendOne(process: Process, group: string, content: Uint8Array): void {
    const data = new Uint8Array(headerBytes + content.length);
    const number = process.sent.length + 1;
    const view = new DataView(data.buffer);
    view.setUint32(0, process.id);
    view.setUint32(4, number);
    data.set(content, headerBytes);
    const sent: Sent = { process, number, group, data, outcome: "underWay" };
    process.sent.push(sent);
    process.underWay++;
    this.#ask(process, { kind: "send", request: ++process.requests, group, data }, sent);
  }

  /** Puts a request into the socket: it is there a little later, in the order of all that this process says. */
  #ask(process: Process, request: ApplicationRequest, sent?: Sent): void {
    if (process.endedAt !== Infinity) return;
    if (request.kind !== "alive") process.asked.set(request.request, sent === undefined ? { request } : { request, sent });
    this.#tell(process, { kind: "application", client: process.client, request });
  }

  #tell(process: Process, input: Input): void {
    process.arrivesAt = Math.max(process.arrivesAt, this.#world.at + this.#prng.between(0.02, 0.3));
    this.#world.later(process.arrivesAt, () => {
      if (process.card.run === process.run) this.#edge.tell(process.card, process.run, input);
    });
  }

  #endProcess(process: Process, ended: NonNullable<Process["ended"]>, reason: string): void {
    if (process.endedAt !== Infinity) return;
    // A connection that the card has closed is reported as gone, or is not: the node bears both.
    if (ended === "killed" || ended === "quit" || (ended === "closed" && this.#prng.chance(0.5))) {
      this.#tell(process, { kind: "applicationGone", client: process.client, reason });
    }
    process.endedAt = this.#world.at;
    process.ended = ended;
    for (const app of this.#installed) {
      if (app.process !== process) continue;
      app.process = undefined;
      // A program that was cut off connects again.
      if (ended === "closed") this.#world.later(this.#world.at + this.#prng.between(50, 1_000), () => this.#again(app));
    }
    this.#edge.onMissing(process);
  }

  #again(app: Installed): void {
    const { run } = app.card;
    if (run !== undefined && app.process === undefined && this.#installed.includes(app)) this.#start(app, run);
  }
}

/** What a log says of an event; the monitor's questions are left out. */
export function textOfEvent(event: ApplicationEvent | string): string | undefined {
  if (typeof event === "string") return event;
  switch (event.kind) {
    case "joined":
      return `${event.sequence} ${event.group}: joined as ${nameOf(event.member)}, ${textOfView(event.view)}`;
    case "left":
      return `${event.group}: left`;
    case "watching":
      return `${event.group}: watching, ${textOfView(event.view)}`;
    case "sent":
      return `${event.sequence} ${event.group}: sent ${event.request}`;
    case "refused":
      return `refused ${event.request}: ${event.code}, ${event.message}`;
    case "message":
      return `${event.sequence} ${event.group}: view ${event.view}, ${nameOf(event.from)} says ${contentOf(event.data)}`;
    case "view": {
      const changes = event.changes.map(({ member, change }) => `${nameOf(member)} ${change}`).join(", ");
      return `${event.sequence} ${event.group}: ${textOfView(event.view)}; ${changes}`;
    }
    case "lost":
      return `${event.sequence} ${event.group}: lost, ${event.reason}`;
    case "stopped":
      return `stopped: ${event.reason}`;
    case "resumed":
      return "resumed";
    case "monitor":
      return undefined;
    default:
      return unreachable(event);
  }
}

function contentOf(data: Uint8Array): string {
  const content = data.subarray(headerBytes);
  const isText = content.every((byte) => byte >= 0x20 && byte < 0x7f);
  return isText ? `"${new TextDecoder().decode(content)}"` : `${content.length} bytes`;
}

/** A member by its card and number; the number 0 is a sender that is no member. */
export function nameOf({ card, number }: Member): string {
  return `${card}.${number}`;
}

export function textOfView({ number, members }: GroupView): string {
  return `view ${number} of ${members.map(nameOf).join(" ") || "nobody"}`;
}
