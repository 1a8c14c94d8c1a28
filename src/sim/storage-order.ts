/**
 * The order of messages, as the storage services of a simulated system see it: views and messages in one list, which each card is told in time, later, or after it was away. What the cluster
 * core promises is taken for granted here; the simulator of the core checks that.
 */
import type { CardId } from "../base/ids.ts";
import type { Prng } from "../base/prng.ts";
import type { ApplicationEvent, ApplicationRequest, GroupView, Member } from "../cluster/application.ts";
import type { NodeView } from "../cluster/view.ts";

export type Listener = {
  readonly card: CardId;
  readonly incarnation: number;
  readonly isDead: boolean;
  /** Its program stands still until then. */
  stalledUntil: number;
  onEpoch(view: NodeView): void;
  onEvent(event: ApplicationEvent): void;
};

type Item =
  | { readonly kind: "view"; readonly view: NodeView }
  | { readonly kind: "join"; readonly listener: Listener; readonly request: number; readonly returned: boolean }
  | { readonly kind: "message"; readonly from: Listener; readonly request: number; readonly data: Uint8Array };

/** Where a card is in the list. */
type Place = { next: number; lastAt: number; isMember: boolean; isJoinAsked: boolean; held: ApplicationRequest[] };

export type OrderWorld = { readonly prng: Prng; readonly now: () => number; after(ms: number, run: () => void): void };

const submitMs = [0.1, 2] as const;
const deliverMs = [0.05, 4] as const;

export class SimOrder {
  readonly #world: OrderWorld;
  readonly #group: string;
  #items: Item[] = [];
  /** The members after each item. */
  #groups: GroupView[] = [];
  readonly #places = new Map<Listener, Place>();
  #view: NodeView | undefined;
  #number = 0;

  constructor(world: OrderWorld, group: string) {
    this.#world = world;
    this.#group = group;
  }

  get view(): NodeView | undefined {
    return this.#view;
  }

  /** How many items there are: the sequence of the last. */
  get sequence(): number {
    return this.#items.length;
  }

  /** A new view of these; undefined: those that are left are no quorum, and nothing is ordered. */
  setView(members: readonly Listener[], absent: NodeView["absent"]): void {
    const sorted = [...members].sort((a, b) => a.card - b.card);
    const previous = this.#view;
    const first = sorted[0];
    if (first === undefined) return;
    const before = new Map(previous?.members.map(({ card, incarnation }) => [`${card}/${incarnation}`, previous.number] as const));
    const view: NodeView = {
      number: ++this.#number,
      coordinator: first.card,
      members: sorted.map(({ card, incarnation }) => ({ card, incarnation, previous: before.get(`${card}/${incarnation}`) ?? 0 })),
      ether: sorted.map(({ card }) => card),
      absent,
    };
    this.#view = view;
    this.#append({ kind: "view", view });
    for (const listener of sorted) {
      const place = this.#placeOf(listener);
      if (place.isMember && !this.#isIn(listener)) this.#append({ kind: "join", listener, request: 0, returned: true });
      for (const request of place.held.splice(0)) this.request(listener, request);
    }
    for (const [listener] of this.#places) if (listener.isDead) this.#places.delete(listener);
    this.#deliverAll();
  }

  /** What it would have heard is gone: it goes on with the newest view. */
  skip(listener: Listener): void {
    const place = this.#places.get(listener);
    if (place === undefined || place.next >= this.#items.length) return;
    place.next = this.#items.findLastIndex(({ kind }) => kind === "view");
    if (place.isMember) listener.onEvent({ kind: "lost", group: this.#group, sequence: place.next, reason: "it was away for too long" });
  }

  #isIn({ card, incarnation }: Listener): boolean {
    return this.#groups.at(-1)?.members.some((member) => member.card === card && memberIncarnation(member) === incarnation) === true;
  }

  #inView(listener: Listener): boolean {
    return this.#view?.members.some(({ card, incarnation }) => card === listener.card && incarnation === listener.incarnation) === true;
  }

  /** A card that has just started hears the newest view first. */
  #placeOf(listener: Listener): Place {
    const known = this.#places.get(listener);
    if (known !== undefined) return known;
    const next = this.#items.findLastIndex(({ kind }) => kind === "view");
    const place = { next: Math.max(0, next), lastAt: 0, isMember: false, isJoinAsked: false, held: [] };
    this.#places.set(listener, place);
    return place;
  }

  request(listener: Listener, request: ApplicationRequest): void {
    const { prng, now } = this.#world;
    const place = this.#placeOf(listener);
    const at = Math.max(place.lastAt, now() + prng.between(...submitMs));
    place.lastAt = at;
    this.#world.after(at - now(), () => {
      if (listener.isDead) return;
      if (!this.#inView(listener)) {
        place.held.push(request);
        return;
      }
      if (request.kind === "join") this.#append({ kind: "join", listener, request: request.request, returned: false });
      else if (request.kind === "send") this.#append({ kind: "message", from: listener, request: request.request, data: request.data });
      this.#deliverAll();
    });
  }

  #append(item: Item): void {
    const { number, members } = this.#groups.at(-1) ?? { number: 0, members: [] };
    let next: readonly Member[] = members;
    if (item.kind === "view") {
      next = members.filter((member) =>
        item.view.members.some(({ card, incarnation }) => card === member.card && incarnation === memberIncarnation(member))
      );
    } else if (item.kind === "join") {
      next = [...members, memberOf(item.listener)].sort((a, b) => a.card - b.card);
    }
    this.#items.push(item);
    this.#groups.push({ number: next.length === members.length ? number : number + 1, members: next });
  }

  /** What is due to each card, in time. */
  #deliverAll(): void {
    const { prng } = this.#world;
    for (const [listener, place] of this.#places) {
      if (listener.isDead || !this.#inView(listener) || place.next >= this.#items.length) continue;
      this.#world.after(prng.between(...deliverMs), () => this.#deliver(listener, place));
    }
  }

  #deliver(listener: Listener, place: Place): void {
    const { now, after } = this.#world;
    while (!listener.isDead && this.#inView(listener) && place.next < this.#items.length) {
      if (listener.stalledUntil > now()) return after(listener.stalledUntil - now(), () => this.#deliver(listener, place));
      const index = place.next++;
      this.#tell(listener, place, index);
    }
  }

  #tell(listener: Listener, place: Place, index: number): void {
    const item = this.#items[index] as Item;
    const before = this.#groups[index - 1] ?? { number: 0, members: [] };
    const view = this.#groups[index] as GroupView;
    const sequence = index + 1;
    const group = this.#group;
    if (item.kind === "view") listener.onEpoch(item.view);
    if (item.kind === "join" && item.listener === listener && !item.returned) {
      place.isMember = true;
      return listener.onEvent({ kind: "joined", request: item.request, group, sequence, member: memberOf(listener), view });
    }
    if (!place.isMember) return;
    if (item.kind === "message") {
      const { from, request, data } = item;
      listener.onEvent({ kind: "message", group, sequence, view: view.number, from: memberOf(from), data });
      if (from === listener) listener.onEvent({ kind: "sent", request, group, sequence });
      return;
    }
    if (view.number === before.number) return;
    const isIn = (list: readonly Member[], member: Member) => list.some((other) => other.name === member.name);
    const changes = [
      ...before.members.filter((member) => !isIn(view.members, member)).map((member) => ({ member, change: "exited" as const })),
      ...view.members.filter((member) => !isIn(before.members, member)).map((member) => ({ member, change: "joined" as const })),
    ];
    listener.onEvent({ kind: "view", group, sequence, view, changes });
  }
}

function memberOf({ card, incarnation }: Listener): Member {
  return { card, number: 1, name: `${card}/${incarnation}`, critical: false };
}

function memberIncarnation({ name }: Member): number {
  return Number(name.split("/")[1]);
}
