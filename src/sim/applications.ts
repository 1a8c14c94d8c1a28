/**
 * Applications of a simulated world: clients on cards that join groups, send numbered messages, answer their monitors,
 * leave, die, hang and come again. They are the clients of the cards' local sockets and judge nothing: what each was
 * told goes to the checkers.
 *
 *     installed ─ card starts ─► client ─ join ─► member ─ kill, hang too long, card ends ─► gone ─ join, card starts ─► client
 *                                                     └─ quit ─► no longer installed
 *
 * An application is installed on a card for a group. It has a client of its own, or shares one with others of its card.
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
  /** A client was told something. */
  onEvent(client: Client, event: ApplicationEvent): void;
  /** A client has ended, or stands still, so that a member may be missed. */
  onMissing(client: Client): void;
};

export type Installed = {
  readonly card: SimCard;
  readonly group: string;
  readonly critical: boolean;
  /** 0 for a member that is not monitored. */
  readonly monitorMs: number;
  /** One client is a member for all shared ones of the card. */
  readonly shared: boolean;
  /** It watches and is no member. */
  readonly watches: boolean;
  /** The mean time between two messages, `Infinity` for none, and their bytes. */
  gapMs: number;
  bytes: number;
  client: Client | undefined;
};

/** A message that a client sent; it knows what became of it. */
export type Sent = {
  readonly client: Client;
  /** Counts the messages of the client from 1. */
  readonly number: number;
  readonly group: string;
  readonly data: Uint8Array;
  outcome: "underWay" | "sent" | "refused";
};

/** A client's part in one group. */
export type Membership = {
  readonly group: string;
  readonly critical: boolean;
  readonly monitorMs: number;
  readonly watches: boolean;
  state: "joining" | "member" | "leaving" | "gone";
  member: Member | undefined;
  view: GroupView | undefined;
};

/** A message starts with its client and its number. */
const headerBytes = 8;
/** Messages of one client that are not answered yet, when it sends by itself. */
const underWayMax = 64;
const logMax = 400;

/** One life of an application: one connection to a card's socket. */
export class Client {
  readonly id: number;
  readonly card: SimCard;
  readonly run: Run;
  readonly number: number;
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
    this.number = ++run.clients;
  }

  get label(): string {
    return `client ${this.id} on ${this.card.label}`;
  }
}

export class Applications {
  readonly #world: ApplicationEdge["world"];
  readonly #edge: ApplicationEdge;
  readonly #prng: Prng;
  readonly #installed: Installed[] = [];
  readonly #ofRun = new Map<Run, Map<number, Client>>();
  /** All that ever lived, each at the index of its id. */
  readonly clients: Client[] = [];
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
      app = { card, group, ...how, gapMs: Infinity, bytes: 0, client: undefined };
      this.#installed.push(app);
    }
    if (card.run !== undefined && app.client === undefined) this.#start(app, card.run);
  }

  /** The application sends by itself from now on, `gapMs` between two messages on average. */
  chatter(card: SimCard, group: string, gapMs: number, bytes: number): void {
    const app = this.#find(card, group);
    if (app === undefined) return;
    const wasSilent = app.gapMs === Infinity;
    app.gapMs = gapMs;
    app.bytes = bytes;
    if (wasSilent && app.client !== undefined) this.#chatterOn(app, app.client);
  }

  /** A client of the card sends messages; a client that is no member where there is no other. */
  send(card: SimCard, group: string, texts: readonly string[]): void {
    const client = this.#find(card, group)?.client ?? this.#sender(card);
    if (client === undefined) return;
    for (const text of texts) this.#sendOne(client, group, new TextEncoder().encode(text));
  }

  /** The client dies without a word. */
  kill(card: SimCard, group: string): void {
    const client = this.#find(card, group)?.client;
    if (client !== undefined) this.#endClient(client, "killed", "connection closed");
  }

  /** The client stands still: it asks and answers nothing. */
  hang(card: SimCard, group: string, ms: number): void {
    const client = this.#find(card, group)?.client;
    if (client === undefined) return;
    if (client.hungUntil < this.#world.at) client.hungFrom = this.#world.at;
    client.hungUntil = Math.max(client.hungUntil, this.#world.at + ms);
    this.#edge.onMissing(client);
  }

  /** The application leaves its group in good order, and is no longer installed. */
  quit(card: SimCard, group: string): void {
    const app = this.#find(card, group);
    if (app === undefined) return;
    this.#installed.splice(this.#installed.indexOf(app), 1);
    const { client } = app;
    const membership = client?.memberships.get(group);
    if (client === undefined || membership === undefined) return;
    if (membership.state === "member") {
      membership.state = "leaving";
      this.#ask(client, { kind: "leave", request: ++client.requests, group });
    } else this.#endClient(client, "quit", "connection closed");
  }

  /** Nobody sends anything by itself from now on, or they do again. */
  setQuiet(quiet: boolean): void {
    this.#quiet = quiet;
    if (!quiet) { for (const app of this.#installed) if (app.client !== undefined) this.#chatterOn(app, app.client); }
  }

  /** A card's program has started: what is installed on it comes to its socket. */
  onBegin(card: SimCard, run: Run): void {
    for (const app of this.#installed) {
      if (app.card !== card) continue;
      this.#world.later(this.#world.at + this.#prng.between(1, 400), () => {
        if (card.run === run && app.client === undefined && this.#installed.includes(app)) this.#start(app, run);
      });
    }
  }

  /** A card's program has ended, and its socket with it. */
  onEnd(run: Run): void {
    for (const client of this.#ofRun.get(run)?.values() ?? []) this.#endClient(client, "card", "");
    this.#ofRun.delete(run);
  }

  /** An event for a client of a card's socket. */
  onEvent(run: Run, number: number, event: ApplicationEvent): void {
    const client = this.#ofRun.get(run)?.get(number);
    // Nobody reads what is sent to a client that has just died.
    if (client === undefined || client.endedAt !== Infinity) return;
    this.#edge.onEvent(client, event);
    client.log.push(event);
    if (client.log.length >= 2 * logMax) client.log.splice(0, logMax);
    this.#take(client, event);
  }

  /** The card cuts a client off. */
  onClose(run: Run, number: number, reason: string): void {
    const client = this.#ofRun.get(run)?.get(number);
    if (client === undefined || client.endedAt !== Infinity) return;
    client.log.push(`closed: ${reason}`);
    this.#endClient(client, "closed", reason);
  }

  /** The message that bytes are, if a client sent it. */
  sentOf(data: Uint8Array): Sent | undefined {
    if (data.length < headerBytes) return undefined;
    const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    const sent = this.clients[view.getUint32(0)]?.sent[view.getUint32(4) - 1];
    if (sent === undefined || sent.data.length !== data.length) return undefined;
    for (let index = headerBytes; index < data.length; index++) if (sent.data[index] !== data[index]) return undefined;
    return sent;
  }

  #find(card: SimCard, group: string): Installed | undefined {
    return this.#installed.find((app) => app.card === card && app.group === group);
  }

  #start(app: Installed, run: Run): void {
    const other = app.shared ? this.#installed.find((one) => one.card === app.card && one.shared && one.client !== undefined) : undefined;
    const client = other?.client ?? this.#open(app.card, run);
    app.client = client;
    const { group, critical, monitorMs, watches } = app;
    client.memberships.set(group, { group, critical, monitorMs, watches, state: "joining", member: undefined, view: undefined });
    this.#register(app, client);
  }

  #register(app: Installed, client: Client): void {
    const { group, critical, monitorMs } = app;
    const request = ++client.requests;
    if (app.watches) this.#ask(client, { kind: "watch", request, group });
    else this.#ask(client, { kind: "join", request, group, name: `p${client.id}`, critical, monitorMs });
  }

  #open(card: SimCard, run: Run): Client {
    const client = new Client(this.clients.length, card, run);
    this.clients.push(client);
    let ofRun = this.#ofRun.get(run);
    if (ofRun === undefined) {
      ofRun = new Map();
      this.#ofRun.set(run, ofRun);
    }
    ofRun.set(client.number, client);
    return client;
  }

  /** A client of the card that is no member of anything. */
  #sender(card: SimCard): Client | undefined {
    if (card.run === undefined) return undefined;
    const others = this.#ofRun.get(card.run)?.values() ?? [];
    for (const client of others) if (client.memberships.size === 0 && client.endedAt === Infinity) return client;
    return this.#open(card, card.run);
  }

  #isAwake(client: Client): boolean {
    return client.endedAt === Infinity && client.hungUntil <= this.#world.at;
  }

  #take(client: Client, event: ApplicationEvent): void {
    switch (event.kind) {
      case "joined":
      case "watching": {
        client.asked.delete(event.request);
        const membership = client.memberships.get(event.group);
        if (membership === undefined) return;
        membership.state = "member";
        membership.view = event.view;
        if (event.kind === "joined") membership.member = event.member;
        const app = this.#installed.find((one) => one.client === client && one.group === event.group);
        if (app !== undefined) this.#chatterOn(app, client);
        return;
      }
      case "left": {
        client.asked.delete(event.request);
        const membership = client.memberships.get(event.group);
        if (membership !== undefined) membership.state = "gone";
        if ([...client.memberships.values()].every(({ state }) => state === "gone")) {
          this.#endClient(client, "quit", "connection closed");
        }
        return;
      }
      case "sent": {
        const sent = client.asked.get(event.request)?.sent;
        client.asked.delete(event.request);
        if (sent === undefined) return;
        client.underWay--;
        sent.outcome = "sent";
        return;
      }
      case "refused":
        return this.#onRefused(client, event.request);
      case "monitor":
        return this.#answer(client, event.nonce, event.withinMs);
      case "view": {
        const membership = client.memberships.get(event.group);
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

  #onRefused(client: Client, request: number): void {
    const asked = client.asked.get(request);
    client.asked.delete(request);
    if (asked === undefined) return;
    if (asked.sent !== undefined) {
      client.underWay--;
      asked.sent.outcome = "refused";
      return;
    }
    const { request: refused } = asked;
    if (refused.kind === "alive" || refused.kind === "send") return;
    const again = this.#prng.between(100, 1_000);
    this.#world.later(this.#world.at + again, () => {
      const app = this.#installed.find((one) => one.client === client && one.group === refused.group);
      const state = client.memberships.get(refused.group)?.state;
      if (client.endedAt !== Infinity) return;
      if (refused.kind === "leave" && state === "leaving") this.#endClient(client, "quit", "connection closed");
      else if (app !== undefined && state === "joining") this.#register(app, client);
    });
  }

  #answer(client: Client, nonce: number, withinMs: number): void {
    const readyAt = Math.max(this.#world.at, client.hungUntil) + this.#prng.between(0.05, Math.min(5, withinMs / 4));
    this.#world.later(readyAt, () => {
      // It may have been stopped meanwhile, and answers when it goes on.
      if (client.endedAt === Infinity && !this.#isAwake(client)) this.#answer(client, nonce, withinMs);
      else this.#ask(client, { kind: "alive", nonce });
    });
  }

  #chatterOn(app: Installed, client: Client): void {
    if (app.gapMs === Infinity || this.#quiet) return;
    this.#world.later(this.#world.at + app.gapMs * this.#prng.between(0.2, 1.8), () => {
      if (app.client !== client || this.#quiet || client.memberships.get(app.group)?.state !== "member") return;
      if (this.#isAwake(client) && client.underWay < underWayMax) this.#sendOne(client, app.group, this.#content(app.bytes));
      this.#chatterOn(app, client);
    });
  }

  #content(bytes: number): Uint8Array {
    const content = new Uint8Array(Math.ceil(bytes * this.#prng.between(0.2, 1.8)));
    if (content.length > 0) content[content.length - 1] = this.#prng.bits();
    return content;
  }

  #sendOne(client: Client, group: string, content: Uint8Array): void {
    const data = new Uint8Array(headerBytes + content.length);
    const number = client.sent.length + 1;
    const view = new DataView(data.buffer);
    view.setUint32(0, client.id);
    view.setUint32(4, number);
    data.set(content, headerBytes);
    const sent: Sent = { client, number, group, data, outcome: "underWay" };
    client.sent.push(sent);
    client.underWay++;
    this.#ask(client, { kind: "send", request: ++client.requests, group, data }, sent);
  }

  /** Puts a request into the socket: it is there a little later, in the order of all that this client says. */
  #ask(client: Client, request: ApplicationRequest, sent?: Sent): void {
    if (client.endedAt !== Infinity) return;
    if (request.kind !== "alive") client.asked.set(request.request, sent === undefined ? { request } : { request, sent });
    this.#tell(client, { kind: "application", client: client.number, request });
  }

  #tell(client: Client, input: Input): void {
    client.arrivesAt = Math.max(client.arrivesAt, this.#world.at + this.#prng.between(0.02, 0.3));
    this.#world.later(client.arrivesAt, () => {
      if (client.card.run === client.run) this.#edge.tell(client.card, client.run, input);
    });
  }

  #endClient(client: Client, ended: NonNullable<Client["ended"]>, reason: string): void {
    if (client.endedAt !== Infinity) return;
    // A connection that the card has closed is reported as gone, or is not: the node bears both.
    if (ended === "killed" || ended === "quit" || (ended === "closed" && this.#prng.chance(0.5))) {
      this.#tell(client, { kind: "applicationGone", client: client.number, reason });
    }
    client.endedAt = this.#world.at;
    client.ended = ended;
    for (const app of this.#installed) {
      if (app.client !== client) continue;
      app.client = undefined;
      // A program that was cut off connects again.
      if (ended === "closed") this.#world.later(this.#world.at + this.#prng.between(50, 1_000), () => this.#again(app));
    }
    this.#edge.onMissing(client);
  }

  #again(app: Installed): void {
    const { run } = app.card;
    if (run !== undefined && app.client === undefined && this.#installed.includes(app)) this.#start(app, run);
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
