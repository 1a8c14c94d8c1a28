/**
 * A card's local socket with a group service of its own behind it: the server and its sockets are the real ones, the decisions
 * are made here, at once and for this card alone. A test can also take them over.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cardAt, type CardId } from "../../src/base/ids.ts";
import type { ApplicationEvent, ApplicationRequest, GroupView, Member, MemberChange } from "../../src/cluster/application.ts";
import { ApplicationServer } from "../../src/io/application-server.ts";

type Group = { number: number; readonly members: Map<number, Member>; readonly watchers: Set<number> };
type Asked<Kind> = Extract<ApplicationRequest, { readonly kind: Kind }>;

export class ApplicationWorld {
  readonly directory: string = mkdtempSync(join(tmpdir(), "cardinal-client-"));
  readonly path: string = join(this.directory, "a.sock");
  readonly card: CardId = cardAt(1, 2);
  readonly requests: { readonly client: number; readonly request: ApplicationRequest }[] = [];
  readonly gone: { readonly client: number; readonly reason: string }[] = [];
  /** Takes the place of the decisions; true when it has dealt with the request. */
  decide: (client: number, request: ApplicationRequest) => boolean = () => false;
  readonly server: ApplicationServer = new ApplicationServer({
    path: this.path,
    mode: 0o600,
    card: this.card,
    software: "9.9",
    log: () => {},
    onRequest: (client, request) => {
      this.requests.push({ client, request });
      if (!this.decide(client, request)) this.#answer(client, request);
      this.#tell();
    },
    onGone: (client, reason) => {
      this.gone.push({ client, reason });
      for (const name of this.#groups.keys()) this.#remove(name, client, "exited");
      this.#tell();
    },
  });
  readonly #groups = new Map<string, Group>();
  #sequence = 0;
  #lastMember = 0;
  #waiters: (() => void)[] = [];

  static async open(): Promise<ApplicationWorld> {
    const world = new ApplicationWorld();
    const refused = await world.server.open();
    if (refused !== undefined) throw new Error(refused.message);
    return world;
  }

  async end(): Promise<void> {
    await this.server.end();
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** Waits until something that the server tells makes it so. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#waiters.push(resolve));
  }

  /** The requests of one kind. */
  asked<Kind extends ApplicationRequest["kind"]>(kind: Kind): Asked<Kind>[] {
    return this.requests.map(({ request }) => request).filter((request): request is Asked<Kind> => request.kind === kind);
  }

  members(group: string): readonly Member[] {
    return this.#view(this.#group(group)).members;
  }

  /** Gives an event to all clients that are in a group or watch it. */
  tell(group: string, event: ApplicationEvent): void {
    const { members, watchers } = this.#group(group);
    for (const client of new Set([...members.keys(), ...watchers])) this.server.send(client, event);
  }

  /** A message that somebody on another card has sent. */
  deliver(group: string, data: Uint8Array, from?: Member): number {
    const sequence = ++this.#sequence;
    const other = from ?? { card: cardAt(1, 1), number: 1, name: "other", critical: false };
    this.tell(group, { kind: "message", group, sequence, view: this.#group(group).number, from: other, data });
    return sequence;
  }

  #tell(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const wake of waiters) wake();
  }

  #group(name: string): Group {
    let group = this.#groups.get(name);
    if (group === undefined) this.#groups.set(name, group = { number: 0, members: new Map(), watchers: new Set() });
    return group;
  }

  #view({ number, members }: Group): GroupView {
    return { number, members: [...members.values()] };
  }

  #answer(client: number, request: ApplicationRequest): void {
    switch (request.kind) {
      case "join":
        return this.#join(client, request);
      case "leave":
        if (!this.#group(request.group).members.has(client)) {
          return this.#refuse(client, request.request, `not a member of ${request.group}`);
        }
        this.#remove(request.group, client, "left");
        return this.server.send(client, { kind: "left", request: request.request, group: request.group });
      case "watch": {
        const group = this.#group(request.group);
        group.watchers.add(client);
        return this.server.send(client, { kind: "watching", request: request.request, group: request.group, view: this.#view(group) });
      }
      case "send": {
        const member = this.#group(request.group).members.get(client) ?? { card: this.card, number: 0, name: "", critical: false };
        const sequence = this.deliver(request.group, request.data, member);
        return this.server.send(client, { kind: "sent", request: request.request, group: request.group, sequence });
      }
      case "alive":
        return;
    }
  }

  #join(client: number, { request, group: name, name: memberName, critical }: Asked<"join">): void {
    const group = this.#group(name);
    if (group.members.has(client)) return this.#refuse(client, request, `a member of ${name} already`);
    const member: Member = { card: this.card, number: ++this.#lastMember, name: memberName, critical };
    const others = [...group.members.keys(), ...group.watchers];
    group.members.set(client, member);
    group.number++;
    const sequence = ++this.#sequence;
    const view = this.#view(group);
    this.server.send(client, { kind: "joined", request, group: name, sequence, member, view });
    this.#announce(others, name, sequence, view, { member, change: "joined" });
  }

  #remove(name: string, client: number, change: "left" | "exited"): void {
    const group = this.#group(name);
    const member = group.members.get(client);
    group.watchers.delete(client);
    if (member === undefined) return;
    group.members.delete(client);
    group.number++;
    this.#announce([...group.members.keys(), ...group.watchers], name, ++this.#sequence, this.#view(group), { member, change });
  }

  #announce(clients: readonly number[], group: string, sequence: number, view: GroupView, change: MemberChange): void {
    const event: ApplicationEvent = { kind: "view", group, sequence, view, changes: [change] };
    for (const client of new Set(clients)) this.server.send(client, event);
  }

  #refuse(client: number, request: number, message: string): void {
    this.server.send(client, { kind: "refused", request, code: "state", message });
  }
}
