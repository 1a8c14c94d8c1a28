/**
 * Groups decides what the order of entries means: who is a member of which group, which client is told what, and how the
 * cards of a new epoch come to one state. The group communication service of this card (GCS, its part GCD).
 *
 *              all of the epoch share the state
 *     void ──────────────────────────────────────► shared ◄───────────────┐
 *       │ ▲                                           │ epoch with others │ exchange finished
 *       │ └────────────── skipped ────────────────────┤                   │
 *       └──────────────── epoch ──────────────────────┴──► exchanging ────┘
 *
 * Follows HA-6 and HA-7 (existence by the connection, liveliness by the monitor; a critical member that goes resets its
 * card), HA-11 (what reached this card reaches its clients) and HA-15 (cards come and go, partitions merge), with the
 * exchange of group data (SG) in `exchange.ts` and the replicated state in `group-state.ts`.
 *
 * What a client wants and what the order says are kept apart: a local member is `wanted` or not, the state has it or
 * not, and once the order is calm the difference is submitted (`#settle`). So whatever a separation, a loss of place or a
 * double failure did to the state, no member stays without its client and no client without its membership. That is
 * the surprising idea: the exchange of group data makes the common case one step, and correctness does not lean on it.
 *
 * Invariants: cards that have processed the same sequence and are not void have the same state; what one client is told
 * follows the sequence; a member's number is given once in an incarnation.
 */
import { unreachable } from "../base/assert.ts";
import { crc32 } from "../base/crc.ts";
import type { CardId } from "../base/ids.ts";
import { applicationClientsMax, groupMembersMax, groupsMax } from "../limits.ts";
import type { Service } from "../service.ts";
import type { Entry } from "../wire/message.ts";
import type { ApplicationEvent, ApplicationRefusalCode, ApplicationRequest, GroupView, Member } from "./application.ts";
import { Exchange, type ExchangeOutput } from "./exchange.ts";
import { type Client, heardBy, hears, type LocalMember, newLocal, type Refusal, refusalOf } from "./group-client.ts";
import {
  type DataEntry,
  decodeGroupData,
  decodeGroupEntry,
  encodeGroupData,
  encodeGroupEntry,
  type GroupEntry,
  type GroupMember,
} from "./group-entry.ts";
import { Monitor } from "./group-monitor.ts";
import { type GroupChange, GroupState } from "./group-state.ts";
import type { NodeView } from "./view.ts";

export type GroupsInput =
  /** The `view` entry of the order; `whole` are its cards that know the state. */
  | { readonly kind: "epoch"; readonly sequence: number; readonly view: NodeView; readonly whole: readonly CardId[] }
  | { readonly kind: "delivered"; readonly sequence: number; readonly entry: Entry }
  /** What was before `sequence` is unknown to this card; its own data up to the id `ordered` is in it. */
  | { readonly kind: "skipped"; readonly sequence: number; readonly ordered: number }
  | { readonly kind: "application"; readonly client: number; readonly request: ApplicationRequest }
  | { readonly kind: "applicationGone"; readonly client: number; readonly reason: string }
  /** Messages stand still on this card, or go on. It begins stopped. */
  | { readonly kind: "stopped"; readonly reason: string }
  | { readonly kind: "running" }
  | { readonly kind: "tick" };

export type GroupsOutput =
  /** Into the order. `data` is counted from 1. */
  | { readonly kind: "submit"; readonly type: "control" | "data"; readonly body: Uint8Array }
  /** Whether our data may go. */
  | { readonly kind: "open"; readonly open: boolean }
  /** This card knows the state. */
  | { readonly kind: "whole" }
  | { readonly kind: "event"; readonly client: number; readonly event: ApplicationEvent }
  | { readonly kind: "close"; readonly client: number; readonly reason: string }
  /** A critical member failed: tell the others, then reset this card (HA-7). */
  | { readonly kind: "failing"; readonly reason: string }
  | {
    readonly kind: "log";
    readonly level: "debug" | "info" | "warn" | "error";
    readonly event: string;
    readonly fields: Readonly<Record<string, string | number | boolean | readonly (string | number)[]>>;
  };

export type GroupsState = {
  readonly state: "running" | "exchanging" | "stopped";
  /** Why it is not running, in words. */
  readonly reason?: string;
  readonly groups: readonly {
    readonly name: string;
    readonly view: number;
    readonly messages: number;
    readonly members: readonly (Member & { readonly local: boolean })[];
  }[];
  readonly counters: Readonly<Record<keyof Counters, number>>;
};

type Counters = {
  /** Entries whose bodies mean nothing. */
  malformed: number;
  /** Entries that came too late to mean anything. */
  outdated: number;
  exchanges: number;
  abandoned: number;
};

/** Data of ours that is not in the order. */
type UnderWay = {
  readonly client: number | undefined;
  readonly bytes: number;
  readonly about: { readonly kind: "send"; readonly request: number; readonly group: string } | LocalMember;
};

/** What a void card has seen since the request, to be applied to the state that it will be given. */
type Recorded =
  | { readonly kind: "epoch"; readonly sequence: number; readonly view: NodeView; readonly whole: readonly CardId[] }
  | { readonly kind: "data"; readonly sequence: number; readonly entry: Entry; readonly body: DataEntry };

export class Groups implements Service<GroupsInput, GroupsOutput> {
  readonly #card: CardId;
  readonly #incarnation: number;
  readonly #own: readonly number[];
  readonly #counters: Counters = { malformed: 0, outdated: 0, exchanges: 0, abandoned: 0 };
  #outputs: GroupsOutput[] = [];

  // The order.
  #sequence = 0;
  #view: NodeView | undefined;
  /** `undefined` while this card is void. */
  #state: GroupState | undefined;
  readonly #exchange: Exchange;
  /** The newest request that was accepted: its view, its place, its subgroups, and who of them has not been lost since. */
  #requested = 0;
  #requestedAt = 0;
  #subgroups: readonly (readonly CardId[])[] = [];
  readonly #participants = new Map<CardId, number>();
  #record: Recorded[] = [];
  /** The members that the state had when this card last ceased to share it. */
  #parted: readonly GroupMember[] = [];
  /** Groups that are heard here, and of which messages passed by while this card was void. */
  readonly #missed = new Set<string>();

  // The clients of this card.
  readonly #clients = new Map<number, Client>();
  /** Clients that we cut off, until their connection has ended. */
  readonly #closed = new Set<number>();
  /** By number. */
  readonly #locals = new Map<number, LocalMember>();
  readonly #underWay = new Map<number, UnderWay>();
  #underWayBytes = 0;
  #lastId = 0;
  #lastNumber = 0;
  #lastNonce = 0;
  #stopped: string | undefined = "no view yet";
  #failing: string | undefined;

  /** `own`: the clients that this card itself is; they alone may be in groups whose names begin with `ownGroups`. */
  constructor(card: CardId, incarnation: number, own: readonly number[] = []) {
    this.#card = card;
    this.#incarnation = incarnation;
    this.#own = own;
    this.#exchange = new Exchange(card);
  }

  deadline(): number {
    let deadline = Infinity;
    for (const { monitor } of this.#locals.values()) deadline = Math.min(deadline, monitor?.deadline() ?? Infinity);
    return deadline;
  }

  step(now: number, input: GroupsInput): GroupsOutput[] {
    switch (input.kind) {
      case "epoch":
        this.#onEpoch(now, input.sequence, input.view, input.whole);
        break;
      case "delivered":
        this.#onDelivered(now, input.sequence, input.entry);
        break;
      case "skipped":
        this.#onSkipped(input.sequence, input.ordered);
        break;
      case "application":
        this.#onApplication(input.client, input.request);
        break;
      case "applicationGone":
        if (!this.#closed.delete(input.client)) this.#onGone(input.client, `the connection ended without leave (${input.reason})`);
        break;
      case "stopped":
        this.#onStopped(input.reason);
        break;
      case "running":
        this.#onRunning();
        break;
      case "tick":
        this.#runMonitors(now);
        break;
      default:
        return unreachable(input);
    }
    const outputs = this.#outputs;
    this.#outputs = [];
    return outputs;
  }

  /** The last sequence that was processed, and what stands for the replicated state after it; `undefined` while this card is void. */
  digest(): { readonly sequence: number; readonly digest: string } | undefined {
    if (this.#state === undefined) return undefined;
    return { sequence: this.#sequence, digest: digestOf(this.#state.bytes()) };
  }

  status(): GroupsState {
    const reason = this.#stopped ?? this.#whyExchanging();
    const groups = this.#state?.groups() ?? [];
    return {
      state: this.#stopped !== undefined ? "stopped" : reason !== undefined ? "exchanging" : "running",
      ...(reason === undefined ? {} : { reason }),
      groups: groups.map(({ name, view, messages }) => ({
        name,
        view: view.number,
        messages,
        members: view.members.map((member) => ({
          ...member,
          local: member.card === this.#card && this.#locals.get(member.number)?.group === name,
        })),
      })),
      counters: { ...this.#counters },
    };
  }

  #whyExchanging(): string | undefined {
    if (this.#exchange.id !== undefined) {
      const cards = this.#exchange.waitsFor().map((card) => `card ${card}`);
      return `exchanging group data: waiting for ${cards.join(", ")}`;
    }
    return this.#isSettled() ? undefined : "waiting for the exchange of group data";
  }

  // ---- the order

  #onEpoch(now: number, sequence: number, view: NodeView, whole: readonly CardId[]): void {
    this.#sequence = sequence;
    this.#view = view;
    const goesOn = this.#exchangeGoesOn(view, whole);
    if (!goesOn) this.#abandonExchange();
    if (whole.length === 0 && !goesOn) this.#begin(sequence, view);
    else if (this.#state !== undefined) this.#applyEpoch(sequence, view, whole);
    else if (goesOn) this.#record.push({ kind: "epoch", sequence, view, whole });
    if (goesOn) {
      const lost = [...this.#participants.keys()].filter((card) => !view.ether.includes(card));
      for (const card of lost) this.#participants.delete(card);
      this.#carryOut(now, this.#exchange.step({ kind: "failed", members: lost }));
    }
    if (!view.ether.includes(this.#card)) return;
    const isSettled = this.#isSettled();
    this.#outputs.push({ kind: "open", open: isSettled });
    if (isSettled) this.#settle(now);
    else if (!goesOn && this.#state !== undefined && this.#card === view.ether.find((card) => whole.includes(card))) {
      this.#submitControl({ kind: "request", view: view.number, subgroups: this.#subgroupsOf(view, whole, this.#state) });
    }
  }

  /**
   * Whether the exchange under way can end among the cards of this view: none of them is new to it, and the state has
   * come or the first subgroup, or what is left of it, still knows it. All cards conclude the same.
   */
  #exchangeGoesOn(view: NodeView, whole: readonly CardId[]): boolean {
    if (this.#exchange.id === undefined) return false;
    const isNewcomer = (card: CardId) => this.#participants.get(card) !== incarnationIn(view, card);
    if (view.ether.some(isNewcomer)) return false;
    const sources = this.#exchange.liveOf(0).filter((card) => view.ether.includes(card));
    return this.#exchange.hasData(0) || (sources.length > 0 && sources.every((card) => whole.includes(card)));
  }

  /** Nobody knows any state: all begin with the empty one. */
  #begin(sequence: number, view: NodeView): void {
    if (this.#state !== undefined) this.#tellLost(sequence, "no card knew the groups any more: they begin anew");
    this.#state = GroupState.begun(view);
    this.#parted = [];
    this.#log("info", "groups begin", { view: view.number, sequence });
    this.#onKnown(sequence);
  }

  #applyEpoch(sequence: number, view: NodeView, whole: readonly CardId[]): void {
    const state = this.#state as GroupState;
    const wasSharing = state.shares(this.#card, this.#incarnation);
    const members = wasSharing ? state.members() : [];
    const changes = state.enterEpoch(sequence, view, whole);
    if (wasSharing && !state.shares(this.#card, this.#incarnation)) this.#parted = members;
    for (const change of changes) this.#tellChange(sequence, change);
  }

  /**
   * First those that know the state: who shares it, or when none of them is left, who has followed the order. Then the
   * others, by the view that they came from.
   */
  #subgroupsOf(view: NodeView, whole: readonly CardId[], state: GroupState): CardId[][] {
    const sharers = state.sharers();
    const first = sharers.length > 0 ? sharers : view.ether.filter((card) => whole.includes(card));
    const others = view.members.filter(({ card }) => view.ether.includes(card) && !first.includes(card));
    const byView = Map.groupBy(others, ({ previous }) => previous);
    return [first, ...[...byView.values()].map((members) => members.map(({ card }) => card))];
  }

  #onSkipped(sequence: number, ordered: number): void {
    this.#sequence = sequence;
    if (this.#state?.shares(this.#card, this.#incarnation)) this.#parted = this.#state.members();
    this.#state = undefined;
    this.#view = undefined;
    this.#abandonExchange();
    this.#missed.clear();
    this.#log("warn", "place in the order lost", { sequence });
    this.#tellLost(sequence, "this card was away for too long, or others have overtaken what it knew");
    for (const id of this.#underWay.keys()) if (id <= ordered) this.#onOrdered(id, 0);
  }

  #onDelivered(now: number, sequence: number, entry: Entry): void {
    this.#sequence = sequence;
    const body = decodeGroupEntry(entry.type, entry.body);
    if (body === undefined) {
      this.#counters.malformed++;
      this.#log("warn", "entry malformed", { sequence, card: entry.origin });
      return;
    }
    switch (body.kind) {
      case "request":
        return this.#onRequest(now, sequence, body.view, body.subgroups);
      case "groupData":
      case "acknowledgment":
        if (body.request !== this.#exchange.id) this.#counters.outdated++;
        return this.#carryOut(now, this.#exchange.step({ ...body, from: entry.origin }));
      default:
        if (this.#state !== undefined) this.#applyData(now, sequence, entry, body);
        else if (this.#exchange.id !== undefined) this.#record.push({ kind: "data", sequence, entry, body });
        else this.#passOver(sequence, entry, body);
    }
  }

  /** Data that a void card cannot follow. */
  #passOver(sequence: number, entry: Entry, body: DataEntry): void {
    const isHeard = [...this.#clients.values()].some((client) => hears(client, body.group));
    if (body.kind === "message" && isHeard) this.#missed.add(body.group);
    if (this.#isOwn(entry, body)) this.#onOrdered(entry.id, sequence);
  }

  #isOwn(entry: Entry, body: DataEntry): boolean {
    return entry.origin === this.#card && body.incarnation === this.#incarnation;
  }

  #applyData(now: number, sequence: number, entry: Entry, body: DataEntry): void {
    const state = this.#state as GroupState;
    const own = this.#isOwn(entry, body) ? this.#underWay.get(entry.id) : undefined;
    const local = own === undefined || own.about.kind === "send" ? undefined : own.about;
    if (state.incarnationOf(entry.origin) !== body.incarnation) {
      this.#counters.outdated++;
      if (own !== undefined) this.#onOrdered(entry.id, sequence);
      return;
    }
    const card = entry.origin;
    const { incarnation, group, number } = body;
    switch (body.kind) {
      case "join": {
        const { name, critical } = body;
        const joiner = { group, incarnation, member: { card, number, name, critical } };
        const outcome = state.join(sequence, joiner, body.returned ? "returned" : "joined");
        if (outcome !== undefined && outcome !== "bounds") this.#tellChange(sequence, outcome, local);
        if (own !== undefined) this.#onOrdered(entry.id, sequence);
        if (local !== undefined) this.#onOwnJoin(now, sequence, local, outcome === "bounds");
        return;
      }
      case "leave": {
        const change = state.leave(sequence, group, card, incarnation, number, body.change);
        if (change !== undefined) this.#tellChange(sequence, change, local);
        if (own !== undefined) this.#onOrdered(entry.id, sequence);
        if (local !== undefined) this.#forget(local);
        return;
      }
      case "message": {
        const { view, from } = state.message(group, card, incarnation, number);
        const event: ApplicationEvent = { kind: "message", group, sequence, view, from, data: body.data };
        for (const client of this.#clients.values()) if (hears(client, group)) this.#tell(client.id, event);
        if (own !== undefined) this.#onOrdered(entry.id, sequence);
        return;
      }
      default:
        return unreachable(body);
    }
  }

  /** Data of ours is in the order: at this place, or at 0, one that this card has not seen. */
  #onOrdered(id: number, sequence: number): void {
    const own = this.#underWay.get(id);
    if (own === undefined) return;
    this.#underWay.delete(id);
    this.#underWayBytes -= own.bytes;
    const client = own.client === undefined ? undefined : this.#clients.get(own.client);
    if (client !== undefined) client.underWay--;
    if (own.about.kind !== "send") own.about.underWay--;
    else if (client !== undefined) {
      this.#tell(client.id, { kind: "sent", request: own.about.request, group: own.about.group, sequence });
    }
  }

  #onOwnJoin(now: number, sequence: number, local: LocalMember, isRefused: boolean): void {
    if (!isRefused) return local.isTold ? undefined : this.#tellJoined(now, sequence, local);
    const bounds = `no room for another member: at most ${groupsMax} groups and ${groupMembersMax} members in all of them`;
    this.#forget(local, ["bounds", bounds]);
  }

  // ---- the exchange of group data

  #onRequest(now: number, sequence: number, number: number, subgroups: readonly (readonly CardId[])[]): void {
    const view = this.#view;
    const cards = subgroups.flat().sort((a, b) => a - b);
    const isCurrent = view?.number === number && number > this.#requested;
    // Each card of the epoch is in one subgroup.
    if (!isCurrent || cards.length !== view.ether.length || cards.some((card, index) => card !== view.ether[index])) {
      this.#counters.outdated++;
      return;
    }
    this.#requested = number;
    this.#requestedAt = sequence;
    this.#subgroups = subgroups;
    this.#participants.clear();
    for (const card of cards) this.#participants.set(card, incarnationIn(view, card) as number);
    this.#log("info", "exchange begun", { request: number, sequence, subgroups: subgroups.map((members) => members.join(" ")) });
    const data = (subgroup: number) => this.#groupData(subgroup);
    this.#carryOut(now, this.#exchange.step({ kind: "request", id: number, subgroups, data }));
  }

  #carryOut(now: number, outputs: readonly ExchangeOutput[]): void {
    for (const output of outputs) {
      if (output.kind === "send") this.#submitControl(output.message);
      else this.#onFinished(now, output.id, output.data);
    }
  }

  /** What this card, as its subgroup's leader, says for it: the state, if it is the first one, and who has to come back. */
  #groupData(subgroup: number): Uint8Array {
    const cards = this.#subgroups[subgroup] ?? [];
    const state = this.#state;
    const ofOthers = this.#parted.filter(({ member: { card } }) => card !== this.#card && cards.includes(card));
    // Of itself it knows better than when it parted.
    const own = [...this.#locals.values()].filter(({ isWanted, isTold, isFailed }) => isWanted && isTold && !isFailed)
      .map(({ group, member }) => ({ group, incarnation: this.#incarnation, member }));
    const room = groupMembersMax - (state?.memberCount ?? 0);
    const members = [...ofOthers, ...own]
      .filter(({ group, incarnation, member: { card, number } }) => state?.find(group, card, incarnation, number) === undefined)
      .slice(0, room);
    const groups = [...new Set(members.map(({ group }) => group))].slice(0, groupsMax);
    return encodeGroupData({
      sequence: this.#sequence,
      state: subgroup === 0 ? state?.snapshot() : undefined,
      members: members.filter(({ group }) => groups.includes(group)),
    });
  }

  #onFinished(now: number, id: number, data: readonly (Uint8Array | undefined)[]): void {
    this.#counters.exchanges++;
    this.#log("info", "exchange finished", {
      request: id,
      sequence: this.#requestedAt,
      subgroups: this.#subgroups.map((members) => members.join(" ")),
      data: data.map((bytes) => bytes === undefined ? "-" : digestOf(bytes)),
    });
    const carried = data.map((bytes) => bytes === undefined ? undefined : decodeGroupData(bytes));
    const first = carried[0];
    if (first?.state === undefined) {
      // All cards see it alike, and stay as they are.
      this.#counters.malformed++;
      this.#log("error", "group data without a state", { request: id });
      return this.#dropRecord();
    }
    if (this.#state === undefined) this.#takeOver(now, first.sequence, GroupState.of(first.state));
    // A card that was lost in the meantime does not bring its members back.
    const returning = carried.flatMap((one) =>
      (one?.members ?? []).filter(({ incarnation, member: { card } }) => this.#participants.get(card) === incarnation)
    );
    for (const change of (this.#state as GroupState).merge(this.#sequence, returning)) this.#tellChange(this.#sequence, change);
    if (this.#view?.ether.includes(this.#card) !== true) return;
    this.#parted = [];
    this.#outputs.push({ kind: "open", open: true });
    this.#settle(now);
  }

  /** A state has been given to this card: it was so after `sequence`, and what came since is applied to it. */
  #takeOver(now: number, sequence: number, state: GroupState): void {
    const record = this.#record;
    this.#record = record.filter((recorded) => recorded.sequence <= sequence);
    this.#dropRecord();
    this.#state = state;
    this.#log("info", "groups taken over", { sequence });
    this.#onKnown(sequence);
    for (const recorded of record) {
      if (recorded.sequence <= sequence) continue;
      if (recorded.kind === "epoch") this.#applyEpoch(recorded.sequence, recorded.view, recorded.whole);
      else this.#applyData(now, recorded.sequence, recorded.entry, recorded.body);
    }
  }

  /** This card was void and knows the state: everybody who hears of a group is told how it stands. */
  #onKnown(sequence: number): void {
    this.#outputs.push({ kind: "whole" });
    for (const client of this.#clients.values()) {
      for (const group of heardBy(client)) {
        const reason = "messages passed by before this card knew the groups";
        if (this.#missed.has(group)) this.#tell(client.id, { kind: "lost", group, sequence, reason });
        this.#tell(client.id, { kind: "view", group, sequence, view: this.#viewOf(group), changes: [] });
      }
      for (const [group, watch] of client.watches) if (!watch.isAnswered) this.#tellWatching(client, group, watch);
    }
    this.#missed.clear();
  }

  #abandonExchange(): void {
    if (this.#exchange.id === undefined) return;
    this.#counters.abandoned++;
    this.#log("info", "exchange abandoned", { request: this.#exchange.id });
    this.#exchange.step({ kind: "abandoned" });
    this.#dropRecord();
  }

  #dropRecord(): void {
    const record = this.#record;
    this.#record = [];
    for (const recorded of record) if (recorded.kind === "data") this.#passOver(recorded.sequence, recorded.entry, recorded.body);
  }

  // ---- what is wanted and what is so

  /** Whether this card is in the order, and all who are in it share the state. */
  #isSettled(): boolean {
    const isIn = this.#view?.ether.includes(this.#card) === true;
    return isIn && this.#exchange.id === undefined && this.#state?.isShared() === true;
  }

  /** Submits what makes the state have the local members that there are, and no others. */
  #settle(now: number): void {
    const state = this.#state as GroupState;
    for (const { group, incarnation, member } of state.members()) {
      if (member.card !== this.#card || incarnation !== this.#incarnation || this.#locals.has(member.number)) continue;
      this.#locals.set(member.number, newLocal(undefined, group, member, 0, 0, false));
    }
    for (const local of [...this.#locals.values()].sort((one, other) => one.member.number - other.member.number)) {
      if (local.underWay > 0 || local.isFailed) continue;
      const { group, member: { number } } = local;
      const isMember = state.find(group, this.#card, this.#incarnation, number) !== undefined;
      if (local.isWanted && !isMember) this.#submitJoin(local);
      else if (local.isWanted && !local.isTold) this.#tellJoined(now, this.#sequence, local);
      else if (!local.isWanted && isMember) this.#submitLeave(local);
      else if (!local.isWanted) this.#forget(local);
    }
  }

  #submitJoin(local: LocalMember, client?: Client): void {
    const { group, member: { number, name, critical }, isTold } = local;
    const incarnation = this.#incarnation;
    this.#submitData({ kind: "join", incarnation, group, number, name, critical, returned: isTold }, local, client);
    local.underWay++;
  }

  #submitLeave(local: LocalMember, client?: Client): void {
    const { group, member: { number }, leaveRequest } = local;
    const change = leaveRequest === undefined ? "exited" : "left";
    this.#submitData({ kind: "leave", incarnation: this.#incarnation, group, number, change }, local, client);
    local.underWay++;
  }

  /** `client`: it is one of its requests. */
  #submitData(entry: GroupEntry, about: UnderWay["about"], client: Client | undefined): void {
    const body = encodeGroupEntry(entry);
    this.#underWay.set(++this.#lastId, { client: client?.id, bytes: body.length, about });
    this.#underWayBytes += body.length;
    if (client !== undefined) client.underWay++;
    this.#outputs.push({ kind: "submit", type: "data", body });
  }

  #submitControl(entry: GroupEntry): void {
    this.#outputs.push({ kind: "submit", type: "control", body: encodeGroupEntry(entry) });
  }

  /** A member that is in no state and shall not be: answered, and gone. `refusal`: it could not join, or could not return. */
  #forget(local: LocalMember, refusal?: Refusal): void {
    this.#locals.delete(local.member.number);
    const client = local.client === undefined ? undefined : this.#clients.get(local.client);
    if (client?.members.get(local.group) !== local) return;
    client.members.delete(local.group);
    const left: Refusal | undefined = local.isTold
      ? undefined
      : ["state", "it was asked to leave before this card knew that it had joined"];
    const why = refusal ?? left;
    if (why !== undefined) this.#refuse(client.id, local.joinRequest, ...why);
    if (local.leaveRequest !== undefined) this.#tell(client.id, { kind: "left", request: local.leaveRequest, group: local.group });
  }

  // ---- what clients are told

  /** What goes to many is one event, which is then encoded once. */
  #tell(client: number, event: ApplicationEvent): void {
    this.#outputs.push({ kind: "event", client, event });
  }

  #viewOf(group: string): GroupView {
    return (this.#state as GroupState).viewOf(group);
  }

  /** `local`: the member of this card that the change is the doing of; it is answered in its own way. */
  #tellChange(sequence: number, { group, view, changes }: GroupChange, local?: LocalMember): void {
    const event: ApplicationEvent = { kind: "view", group, sequence, view, changes };
    for (const client of this.#clients.values()) {
      const own = local !== undefined && client.members.get(group) === local ? local : undefined;
      const isAnswer = own !== undefined && (!own.isTold || (!own.isWanted && !client.watches.has(group)));
      if (hears(client, group) && !isAnswer) this.#tell(client.id, event);
    }
  }

  #tellJoined(now: number, sequence: number, local: LocalMember): void {
    if (local.client === undefined || !this.#clients.has(local.client)) return;
    const { group, member, joinRequest, monitorMs } = local;
    local.isTold = true;
    if (monitorMs > 0) local.monitor = new Monitor(now, monitorMs);
    this.#tell(local.client, { kind: "joined", request: joinRequest, group, sequence, member, view: this.#viewOf(group) });
  }

  #tellWatching(client: Client, group: string, watch: { readonly request: number; isAnswered: boolean }): void {
    watch.isAnswered = true;
    this.#tell(client.id, { kind: "watching", request: watch.request, group, view: this.#viewOf(group) });
  }

  #tellLost(sequence: number, reason: string): void {
    for (const client of this.#clients.values()) {
      for (const group of heardBy(client)) this.#tell(client.id, { kind: "lost", group, sequence, reason });
    }
  }

  #refuse(client: number, request: number, code: ApplicationRefusalCode, message: string): void {
    this.#tell(client, { kind: "refused", request, code, message });
  }

  #onStopped(reason: string): void {
    if (this.#stopped === reason) return;
    this.#stopped = reason;
    for (const client of this.#clients.keys()) this.#tell(client, { kind: "stopped", reason });
  }

  #onRunning(): void {
    if (this.#stopped === undefined) return;
    this.#stopped = undefined;
    for (const client of this.#clients.keys()) this.#tell(client, { kind: "resumed" });
  }

  // ---- what clients ask for

  #onApplication(id: number, request: ApplicationRequest): void {
    if (this.#closed.has(id)) return;
    const client = this.#clients.get(id) ?? this.#newClient(id);
    if (request.kind === "alive") {
      for (const { monitor } of client?.members.values() ?? []) monitor?.onAlive(request.nonce);
      return;
    }
    if (client === undefined) return this.#refuse(id, request.request, "bounds", `at most ${applicationClientsMax} clients on a card`);
    const load = { members: this.#locals.size, entries: this.#underWay.size, bytes: this.#underWayBytes };
    const refusal = this.#failing === undefined
      ? refusalOf(client, request, load, this.#own.includes(client.id))
      : ["stopped", `this card is about to reset itself: ${this.#failing}`] as const;
    if (refusal !== undefined) return this.#refuse(id, request.request, ...refusal);
    const { group } = request;
    switch (request.kind) {
      case "join": {
        const { name, critical } = request;
        const member = { card: this.#card, number: ++this.#lastNumber, name, critical };
        const local = newLocal(id, group, member, request.request, request.monitorMs, true);
        this.#locals.set(member.number, local);
        client.members.set(group, local);
        return this.#submitJoin(local, client);
      }
      case "leave": {
        const local = client.members.get(group) as LocalMember;
        local.leaveRequest = request.request;
        local.isWanted = false;
        return this.#submitLeave(local, client);
      }
      case "send": {
        const number = client.members.get(group)?.member.number ?? 0;
        const entry = { kind: "message", incarnation: this.#incarnation, group, number, data: request.data } as const;
        return this.#submitData(entry, { kind: "send", request: request.request, group }, client);
      }
      case "watch": {
        const watch = { request: request.request, isAnswered: false };
        client.watches.set(group, watch);
        if (this.#state !== undefined) this.#tellWatching(client, group, watch);
        return;
      }
      default:
        return unreachable(request);
    }
  }

  #newClient(id: number): Client | undefined {
    if (this.#clients.size >= applicationClientsMax) return undefined;
    const client: Client = { id, members: new Map(), watches: new Map(), underWay: 0 };
    this.#clients.set(id, client);
    if (this.#stopped !== undefined) this.#tell(id, { kind: "stopped", reason: this.#stopped });
    return client;
  }

  // ---- existence and liveliness

  /** A client is no more: its members end, or with a critical one this card. */
  #onGone(id: number, why: string): void {
    const client = this.#clients.get(id);
    if (client === undefined) return;
    this.#clients.delete(id);
    for (const local of client.members.values()) {
      local.monitor = undefined;
      if (!local.isWanted) continue;
      const { group, member: { name, number, critical } } = local;
      if (critical) {
        local.isFailed = true;
        const reason = `critical "${name}" of group "${group}" failed: ${why}`;
        this.#log("error", "critical member failed", { group, name, number, reason: why });
        if (this.#failing === undefined) this.#outputs.push({ kind: "failing", reason });
        this.#failing ??= reason;
        continue;
      }
      this.#log("info", "member exited", { group, name, number, reason: why });
      local.isWanted = false;
      this.#submitLeave(local);
    }
  }

  #runMonitors(now: number): void {
    for (const { client, monitor } of [...this.#locals.values()]) {
      if (monitor === undefined || client === undefined || !this.#clients.has(client)) continue;
      const nonce = this.#lastNonce + 1;
      const verdict = monitor.onTick(now, nonce);
      if (verdict === "ask") {
        this.#lastNonce = nonce;
        this.#tell(client, { kind: "monitor", nonce, withinMs: monitor.withinMs });
      } else if (verdict === "dead") {
        const why = `did not answer its monitor within ${monitor.withinMs} ms`;
        this.#closed.add(client);
        this.#outputs.push({ kind: "close", client, reason: why });
        this.#onGone(client, why);
      }
    }
  }

  #log(level: "debug" | "info" | "warn" | "error", event: string, fields: Record<string, string | number | readonly string[]>): void {
    this.#outputs.push({ kind: "log", level, event, fields });
  }
}

function incarnationIn(view: NodeView, card: CardId): number | undefined {
  return view.members.find((member) => member.card === card)?.incarnation;
}

function digestOf(bytes: Uint8Array): string {
  return crc32(bytes).toString(16).padStart(8, "0");
}
