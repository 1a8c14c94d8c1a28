/**
 * The invariants of ordered messages and groups, held against the log of every application as it grows: one order, each
 * message once, nothing skipped in silence, equal group views, equal state.
 */
import type { ApplicationEvent, GroupView } from "../cluster/application.ts";
import type { Applications, Client, Membership, Sent } from "./applications.ts";
import { nameOf as memberName, textOfView } from "./applications.ts";
import { Checker, type Log, type Scene, type Step, type Unsettled } from "./checker.ts";
import { nameOf, Orders, type SeenEpoch, type Stretch } from "./orders.ts";
import type { Run, SimCard } from "./sim-card.ts";
import { etherOf, type Views } from "./views.ts";

/** What one client's part in one group has been told so far. */
type Track = {
  readonly client: Client;
  readonly group: string;
  /** Since it joined or lost its place; absent until it is known where it stands. */
  stretch: Stretch | undefined;
  /** The epoch in which its last event came. */
  epoch: SeenEpoch | undefined;
  view: GroupView | undefined;
  /** Where it became a member. */
  joined: { readonly epoch: SeenEpoch; readonly sequence: number } | undefined;
  last: number;
  /** Since it joined or lost its place, with their places. */
  readonly messages: Map<Sent, number>;
  /** The last number of each sender. */
  readonly senders: Map<Client, number>;
};

type Message = Extract<ApplicationEvent, { kind: "message" }>;

/** What was delivered where, for all checkers of this file. */
export class OrderRecord {
  readonly orders = new Orders();
  readonly #views: Views;
  /** The epochs that each running incarnation of a card has entered, as "card incarnation". */
  readonly #entered = new Map<string, number[]>();
  readonly #epochs = new Map<Run, SeenEpoch>();
  readonly #cards = new WeakMap<Run, readonly unknown[]>();
  readonly #viewsAt = new Map<number, number[]>();
  readonly tracks = new Map<Membership, Track>();
  /** The epoch in which the sender was told; `undefined` when its place was not known there. */
  readonly acknowledged = new Map<Sent, SeenEpoch | undefined>();

  constructor(views: Views) {
    this.#views = views;
  }

  /** The epoch that a run follows now; nothing before its first. */
  epochOf(run: Run): SeenEpoch | undefined {
    const number = run.program.order?.().epoch ?? 0;
    const known = this.#epochs.get(run);
    if (number === 0 || known?.view === number) return known;
    const epoch = this.orders.epoch(number) ?? this.orders.begin(number, this.#parentOf(number));
    this.#epochs.set(run, epoch);
    this.#enteredOf(run.identity.card, run.identity.incarnation).push(number);
    return epoch;
  }

  /** A run has come to a view in the order. */
  onView(run: Run, number: number, sequence: number, cards: readonly unknown[]): void {
    this.#cards.set(run, cards);
    const numbers = this.#viewsAt.get(sequence);
    if (numbers === undefined) this.#viewsAt.set(sequence, [number]);
    else if (!numbers.includes(number)) numbers.push(number);
  }

  /** The numbers of the views that have this place in an order. */
  viewsAt(sequence: number): readonly number[] {
    return this.#viewsAt.get(sequence) ?? [];
  }

  /** What ran on the cards that order messages in a view, as far as it is known. */
  runsOf(number: number): Run[] {
    const view = this.#views.seen.get(number);
    return view === undefined ? [] : etherOf(view.status).flatMap((card) => view.runs.get(card) ?? []);
  }

  /** The cards of the epoch at the place in the order that a run has come to. */
  cardsOf(run: Run): readonly unknown[] {
    return this.#cards.get(run) ?? [];
  }

  /** What a run knew ends with it; a restored card may run with the same incarnation again. */
  forget(run: Run): void {
    this.#epochs.delete(run);
    this.#entered.delete(`${run.identity.card} ${run.identity.incarnation}`);
  }

  /** A track ends with its client, what it has had stays. */
  trackOf(client: Client, group: string): Track | undefined {
    const membership = client.memberships.get(group);
    if (membership === undefined) return undefined;
    let track = this.tracks.get(membership);
    if (track === undefined) {
      track = {
        client,
        group,
        stretch: undefined,
        epoch: undefined,
        view: undefined,
        joined: undefined,
        last: 0,
        messages: new Map(),
        senders: new Map(),
      };
      this.tracks.set(membership, track);
    }
    return track;
  }

  #enteredOf(card: number, incarnation: number): number[] {
    const key = `${card} ${incarnation}`;
    let entered = this.#entered.get(key);
    if (entered === undefined) {
      entered = [];
      this.#entered.set(key, entered);
    }
    return entered;
  }

  /**
   * An epoch must go on from the last one that any card of it has entered: that card holds whatever was delivered there.
   * When none has entered any, nobody remembers the order and it begins anew.
   */
  #parentOf(number: number): SeenEpoch | undefined {
    const view = this.#views.seen.get(number);
    if (view === undefined) return undefined;
    let last = 0;
    for (const { card, incarnation } of view.status.members) {
      if (!etherOf(view.status).includes(card)) continue;
      for (const epoch of this.#enteredOf(card, incarnation)) if (epoch < number && epoch > last) last = epoch;
    }
    return this.orders.epoch(last);
  }
}

abstract class OrderChecker extends Checker {
  override readonly needsSingles: boolean = true;
  protected readonly record: OrderRecord;

  constructor(record: OrderRecord) {
    super();
    this.record = record;
  }
}

export class OneOrder extends OrderChecker {
  readonly name = "one-order";
  readonly sentence =
    "There is one order of messages: a place in it has one message and group view, over all cards and for ever, unless no card that knew it was left; each log follows it, and nobody goes on past a message of his group that anybody has got or was told is committed.";

  override event(scene: Scene, client: Client, event: ApplicationEvent): string | undefined {
    switch (event.kind) {
      case "joined":
      case "watching":
      case "message":
      case "view":
      case "lost":
        return this.#follow(scene, client, event);
      case "sent":
        return this.#onSent(client, event.request, event.sequence);
      default:
        return undefined;
    }
  }

  override settled(): Unsettled | undefined {
    for (const { client, stretch, epoch, group } of this.record.tracks.values()) {
      if (client.endedAt !== Infinity || stretch === undefined || epoch === undefined) continue;
      const now = this.record.epochOf(client.run) ?? epoch;
      const missed = now.between(group, stretch.upTo, Infinity);
      if (missed === undefined || !isIn(client, group)) continue;
      const content = now.contentAt(missed)?.sent;
      const what = content === undefined ? "a message" : nameOf(content);
      return { card: client.card, detail: `${client.label} has gone to ${stretch.upTo} and never got ${what} at ${missed}` };
    }
    return undefined;
  }

  #follow(
    scene: Scene,
    client: Client,
    event: Extract<ApplicationEvent, { kind: "joined" | "watching" | "message" | "view" | "lost" }>,
  ): string | undefined {
    const track = this.record.trackOf(client, event.group);
    if (track === undefined) return `${client.label} has nothing to do with group ${event.group} and got ${event.kind}`;
    const epoch = this.record.epochOf(client.run);
    if (epoch === undefined) return `${client.label} got ${event.kind} and its card has entered no epoch`;
    const { orders } = this.record;
    if (event.kind === "watching") {
      track.epoch = epoch;
      return undefined;
    }
    if (event.kind === "lost") {
      track.messages.clear();
      track.senders.clear();
      track.view = undefined;
      track.epoch = epoch;
      track.last = event.sequence - 1;
      track.stretch = orders.open(client.label, event.group, epoch, event.sequence - 1);
      return undefined;
    }
    const moved = this.#move(track, epoch);
    if (moved !== undefined) return moved;
    const { sequence } = event;
    if (event.kind === "joined") {
      track.joined = { epoch, sequence };
      track.stretch = orders.open(client.label, event.group, epoch, sequence);
      track.last = sequence;
      return undefined;
    }
    if (sequence < track.last || (event.kind === "message" && sequence === track.last)) {
      return `${client.label} got ${event.kind} ${sequence} after ${track.last}`;
    }
    track.last = sequence;
    track.stretch ??= orders.open(client.label, event.group, epoch, sequence - 1);
    const missed = orders.pass(track.stretch, sequence);
    if (missed !== undefined || event.kind === "view") return missed;
    const sent = scene.applications.sentOf(event.data);
    // What nobody sent is another checker's.
    return sent === undefined ? undefined : orders.place(epoch, sequence, { sent, view: event.view }, track.stretch);
  }

  /** The card follows another epoch now: what was had before is a part of it, or it must have been told that it is lost. */
  #move(track: Track, epoch: SeenEpoch): string | undefined {
    const before = track.epoch;
    track.epoch = epoch;
    const { stretch } = track;
    if (before === epoch || before === undefined || stretch === undefined) return undefined;
    const { orders } = this.record;
    track.stretch = orders.open(stretch.who, stretch.group, epoch, stretch.after);
    if (!epoch.goesOnFrom(before)) {
      for (const [sent, sequence] of track.messages) {
        const wrong = orders.place(epoch, sequence, { sent, view: undefined }, track.stretch);
        if (wrong !== undefined) {
          return `${track.client.label} went on from epoch ${before.view} to ${epoch.view} and was not told that it lost its place: ${wrong}`;
        }
      }
    }
    track.stretch.upTo = stretch.upTo;
    return undefined;
  }

  #onSent(client: Client, request: number, sequence: number): string | undefined {
    const asked = client.asked.get(request);
    if (asked?.sent === undefined) return `${client.label} is told that request ${request} is sent, and has not asked for that`;
    const epoch = this.record.epochOf(client.run);
    this.record.acknowledged.set(asked.sent, sequence === 0 ? undefined : epoch);
    if (sequence === 0) return undefined;
    if (epoch === undefined) return `${nameOf(asked.sent)} is sent and its card has entered no epoch`;
    const wrong = this.record.orders.place(epoch, sequence, { sent: asked.sent, view: undefined }, undefined);
    return wrong === undefined ? undefined : `acknowledged: ${wrong}`;
  }
}

export class SentOnce extends OrderChecker {
  readonly name = "sent-once";
  readonly sentence =
    "An application gets a message once, from whom sent it, as it was sent, in the order in which he sent it, with none left out that was not refused.";

  override event(scene: Scene, client: Client, event: ApplicationEvent): string | undefined {
    return event.kind === "message" ? this.#onMessage(scene.applications, client, event) : undefined;
  }

  #onMessage(applications: Applications, client: Client, { group, sequence, from, data }: Message): string | undefined {
    const track = this.record.trackOf(client, group);
    const sent = applications.sentOf(data);
    if (sent === undefined || sent.group !== group) return `${client.label} got a message at ${sequence} that nobody sent to ${group}`;
    const sender = sent.client;
    const number = sender.memberships.get(group)?.member?.number;
    if (from.card !== sender.card.id || (from.number !== 0 && number !== undefined && from.number !== number)) {
      return `${nameOf(sent)} came from ${memberName(from)}`;
    }
    if (track === undefined) return undefined;
    if (track.messages.has(sent)) return `${client.label} got ${nameOf(sent)} at ${track.messages.get(sent)} and at ${sequence}`;
    track.messages.set(sent, sequence);
    const last = track.senders.get(sender);
    track.senders.set(sender, sent.number);
    if (last === undefined) return undefined;
    if (sent.number <= last) return `${client.label} got ${nameOf(sent)} after number ${last}`;
    const hole = sender.sent.slice(last, sent.number - 1).find((other) => other.group === group && this.#isMissed(track, other));
    return hole === undefined ? undefined : `${client.label} got ${nameOf(sent)} without ${nameOf(hole)}`;
  }

  /** What was acknowledged in an order that was overtaken died with all who knew it. */
  #isMissed(track: Track, other: Sent): boolean {
    if (other.outcome === "refused") return false;
    if (!this.record.acknowledged.has(other)) return true;
    const epoch = this.record.acknowledged.get(other);
    return epoch !== undefined && track.epoch?.goesOnFrom(epoch) === true;
  }
}

export class EqualGroupViews extends OrderChecker {
  readonly name = "equal-group-views";
  readonly sentence =
    "A group view follows on the one before by the changes that are named with it; at one place of the order, and with one number, it has the same members for all; a message is delivered in the view in which it says that it is.";

  override event(_scene: Scene, client: Client, event: ApplicationEvent): string | undefined {
    if (event.kind === "message") {
      const view = this.record.trackOf(client, event.group)?.view;
      if (view === undefined || view.number === event.view) return undefined;
      return `${client.label} got a message of view ${event.view} in view ${view.number}`;
    }
    if (event.kind !== "view" && event.kind !== "joined" && event.kind !== "watching") return undefined;
    const track = this.record.trackOf(client, event.group);
    if (track === undefined) return undefined;
    const before = track.view;
    track.view = event.view;
    if (event.kind === "view" && before !== undefined) {
      const unequal = followsOn(before, event);
      if (unequal !== undefined) return `${client.label} went from ${textOfView(before)} to ${textOfView(event.view)}: ${unequal}`;
    }
    if (event.kind === "watching") return undefined;
    const epoch = this.record.epochOf(client.run);
    const other = epoch?.placeView(event.group, event.sequence, event.view);
    return other === undefined
      ? undefined
      : `${client.label} got ${textOfView(event.view)} of ${event.group} at ${event.sequence}, another ${other}`;
  }
}

export class EqualState extends OrderChecker {
  readonly name = "equal-state";
  readonly sentence = "Two cards that know the state after the same entry of the order know the same groups and members.";

  override step({ run, effects }: Step): string | undefined {
    // The digest is dear, so it is taken where something was concluded.
    return effects.some((effect) => effect.kind === "log") ? this.#look(run) : undefined;
  }

  override settled(scene: Scene): Unsettled | undefined {
    for (const card of scene.cards) {
      const wrong = card.run === undefined ? undefined : this.#look(card.run);
      if (wrong !== undefined) return { card, detail: wrong };
    }
    return undefined;
  }

  #look(run: Run): string | undefined {
    const digest = run.program.digest?.();
    const epoch = this.record.epochOf(run);
    if (digest === undefined || epoch === undefined) return undefined;
    const other = epoch.say(`state ${digest.sequence}`, digest.digest);
    return other === undefined ? undefined : `the state after ${digest.sequence} has digest ${digest.digest}, and had ${other} elsewhere`;
  }
}

export class StateKept extends OrderChecker {
  readonly name = "state-kept";
  readonly sentence = "The groups begin anew, empty, only in an epoch in which no card knew them.";
  /** Where each run came to know the groups. */
  readonly #knownAt = new Map<Run, number>();

  override log(run: Run, { event, fields }: Log): string | undefined {
    if (event === "place in the order lost") this.#knownAt.delete(run);
    if (event !== "groups begin" && event !== "groups taken over") return undefined;
    const sequence = Number(fields["sequence"]);
    const knew = event === "groups begin" ? this.#whoKnew(Number(fields["view"]), sequence) : undefined;
    if (event === "groups begin") this.record.epochOf(run)?.begin(sequence);
    this.#knownAt.set(run, sequence);
    return knew === undefined ? undefined : `begins with no groups at ${sequence}, and card ${knew.identity.card} knew them`;
  }

  override end(_scene: Scene, _card: SimCard, run: Run): void {
    this.#knownAt.delete(run);
  }

  #whoKnew(number: number, sequence: number): Run | undefined {
    for (const other of this.record.runsOf(number)) {
      const knownAt = this.#knownAt.get(other);
      // With nothing between the two there is nothing that could be lost.
      if (knownAt !== undefined && knownAt < sequence - 1) return other;
    }
    return undefined;
  }
}

export class OneExchange extends OrderChecker {
  readonly name = "one-exchange";
  readonly sentence =
    "A finished exchange has processed the same group data on all cards, exactly one of each subgroup that has a live card (SG-4, SG-5).";

  override log(run: Run, { event, fields }: Log): string | undefined {
    if (event !== "exchange finished") return undefined;
    const { sequence, subgroups, data } = fields;
    const epoch = this.record.epochOf(run);
    if (epoch === undefined || !Array.isArray(subgroups) || !Array.isArray(data)) return "finished an exchange, and does not say which";
    const text = `${subgroups.join(" | ")}: ${data.join(" | ")}`;
    if (subgroups.length !== data.length) return `finished the exchange at ${sequence} with ${text}`;
    const other = epoch.say(`exchange ${sequence}`, text);
    if (other !== undefined) return `finished the exchange at ${sequence} with ${text}, another with ${other}`;
    const alive = this.record.cardsOf(run);
    const without = subgroups.find((cards, index) =>
      data[index] === "-" && `${cards}`.split(" ").some((card) => alive.includes(Number(card)))
    );
    return without === undefined
      ? undefined
      : `finished the exchange at ${sequence} without the data of cards ${without}, of which one lives`;
  }
}

export class EqualInTheEnd extends OrderChecker {
  readonly name = "equal-in-the-end";
  readonly sentence =
    "Within a stated time after the last fault, with nobody sending, the groups are the same on all cards and are the applications that live; every application has its answers, and nothing is pending.";
  override readonly needsSingles: boolean = false;

  override settled(scene: Scene): Unsettled | undefined {
    const votes = (card: SimCard) => scene.options.disabled?.includes(card.id) !== true;
    const running = scene.cards.filter((card) => card.run !== undefined && !card.run.leaving && votes(card));
    // Without a quorum messages stand still.
    if (2 * running.length <= scene.options.cards.length - (scene.options.disabled?.length ?? 0)) return undefined;
    let first: { readonly card: SimCard; readonly text: string } | undefined;
    for (const card of running) {
      const groups = scene.statusOf(card)?.groups;
      if (groups === undefined) continue;
      if (groups.state !== "running") return { card, detail: `is ${groups.state}: ${groups.reason ?? "no reason"}` };
      if (groups.pending > 0) return { card, detail: `has ${groups.pending} messages pending` };
      if (groups.delivered !== groups.held) return { card, detail: `holds ${groups.held} and has delivered ${groups.delivered}` };
      const of = groups.groups.map(({ name, view, members }) => `${name} view ${view} of ${members.map(memberName).join(" ")}`);
      const text = [`${groups.epoch} up to ${groups.delivered}`, ...of].join("; ");
      first ??= { card, text };
      if (text !== first.text) return { card, detail: `has groups ${text}, ${first.card.label} has ${first.text}` };
      const members = new Set(groups.groups.flatMap(({ name, members }) => members.map((member) => `${name} ${memberName(member)}`)));
      const wrong = this.#missing(scene, members);
      if (wrong !== undefined) return { card, detail: `has groups ${text}, ${wrong}` };
    }
    for (const { card, group, client, watches } of scene.applications.installed) {
      if (client === undefined || !running.includes(card)) continue;
      const membership = client.memberships.get(group);
      if (membership?.state !== "member") return { card, detail: `${client.label} is ${membership?.state ?? "not"} in ${group}` };
      if (client.asked.size > 0) return { card, detail: `${client.label} waits for ${client.asked.size} answers` };
      const view = watches ? undefined : membership.view;
      const there = scene.statusOf(card)?.groups.groups.find(({ name }) => name === group);
      if (view !== undefined && view.number !== there?.view) {
        return { card, detail: `${client.label} is in ${textOfView(view)}, the group in ${there?.view}` };
      }
    }
    return undefined;
  }

  /** Who lives and is no member, or is one and does not live. */
  #missing(scene: Scene, members: ReadonlySet<string>): string | undefined {
    const alive = new Set<string>();
    for (const client of scene.applications.clients) {
      if (client.endedAt !== Infinity || client.card.run !== client.run) continue;
      for (const { group, member, state } of client.memberships.values()) {
        if (member === undefined || state === "gone") continue;
        const name = `${group} ${memberName(member)}`;
        alive.add(name);
        if (!members.has(name)) return `without ${client.label}, which is ${name}`;
      }
    }
    // The cards' own groups have no applications.
    const dead = [...members].find((name) => !alive.has(name) && !name.startsWith("cardinal."));
    return dead === undefined ? undefined : `with ${dead}, which does not live`;
  }
}

function isIn(client: Client, group: string): boolean {
  return client.memberships.get(group)?.state === "member";
}

/** What is wrong with the step from one group view to the next. */
function followsOn(before: GroupView, { view, changes }: Extract<ApplicationEvent, { kind: "view" }>): string | undefined {
  if (view.number !== before.number + 1) return `view ${view.number} after view ${before.number}`;
  const expected = new Map<string, number>();
  const count = (name: string, by: number) => expected.set(name, (expected.get(name) ?? 0) + by);
  for (const member of before.members) count(memberName(member), 1);
  for (const { member, change } of changes) count(memberName(member), change === "joined" || change === "returned" ? 1 : -1);
  for (const member of view.members) count(memberName(member), -1);
  const wrong = [...expected].find(([, difference]) => difference !== 0);
  return wrong === undefined ? undefined : `member ${wrong[0]} is not accounted for`;
}
