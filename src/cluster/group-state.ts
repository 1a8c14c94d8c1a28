/**
 * The replicated state of the group service: which groups there are, who is in them, and which cards share it. A pure
 * function of the order's entries: whoever applies the same entries has the same state, byte for byte in its snapshot.
 * What no entry says is not in here: clients, connections, time.
 *
 * Follows HA-6 (what became of a member whose process or card went is unknown: `exited`) and HA-15 (cards come, go, and
 * come back). Invariants: a member is in a group once; no more than groupsMax groups and groupMembersMax members, decided
 * where an entry is applied and so by all alike; a group view's number grows with each change, and a group that has lost
 * its last member keeps its number until its place is needed.
 */
import type { CardId } from "../base/ids.ts";
import { groupMembersMax, groupsMax } from "../limits.ts";
import type { GroupView, Member, MemberChange } from "./application.ts";
import { encodeSnapshot, type GroupMember, type Snapshot } from "./group-entry.ts";
import type { NodeView } from "./view.ts";

/** A group view and how it came from the one before. */
export type GroupChange = { readonly group: string; readonly view: GroupView; readonly changes: readonly MemberChange[] };

type Group = { view: GroupView; messages: number; changedAt: number; members: GroupMember[] };

const noView: GroupView = { number: 0, members: [] };

export class GroupState {
  /** The cards of the newest epoch. */
  readonly #cards = new Map<CardId, { readonly incarnation: number; shares: boolean }>();
  readonly #groups = new Map<string, Group>();
  #memberCount = 0;

  /** The empty state, that all cards of a view share. */
  static begun(view: NodeView): GroupState {
    const state = new GroupState();
    for (const { card, incarnation } of etherOf(view)) state.#cards.set(card, { incarnation, shares: true });
    return state;
  }

  static of({ cards, groups }: Snapshot): GroupState {
    const state = new GroupState();
    for (const { card, incarnation, shares } of cards) state.#cards.set(card, { incarnation, shares });
    for (const { name, view, messages, changedAt, members } of groups) {
      state.#groups.set(name, { view: viewOf(view, members), messages, changedAt, members: [...members] });
      state.#memberCount += members.length;
    }
    return state;
  }

  snapshot(): Snapshot {
    return {
      cards: [...this.#cards].map(([card, { incarnation, shares }]) => ({ card, incarnation, shares })),
      groups: this.#sortedGroups().map(([name, { view, messages, changedAt, members }]) => ({
        name,
        view: view.number,
        messages,
        changedAt,
        members,
      })),
    };
  }

  /** The same bytes wherever the state is the same. */
  bytes(): Uint8Array {
    return encodeSnapshot(this.snapshot());
  }

  /** The incarnation of a card of the newest epoch. */
  incarnationOf(card: CardId): number | undefined {
    return this.#cards.get(card)?.incarnation;
  }

  shares(card: CardId, incarnation: number): boolean {
    const known = this.#cards.get(card);
    return known?.incarnation === incarnation && known.shares;
  }

  /** The cards of the newest epoch that share the state. */
  sharers(): CardId[] {
    return [...this.#cards].filter(([, { shares }]) => shares).map(([card]) => card);
  }

  /** Whether every card of the newest epoch shares the state. */
  isShared(): boolean {
    return [...this.#cards.values()].every(({ shares }) => shares);
  }

  get memberCount(): number {
    return this.#memberCount;
  }

  /** By group, then card, then number. */
  members(): GroupMember[] {
    return this.#sortedGroups().flatMap(([, { members }]) => members);
  }

  /** By name. */
  groups(): { readonly name: string; readonly view: GroupView; readonly messages: number }[] {
    return this.#sortedGroups().map(([name, { view, messages }]) => ({ name, view, messages }));
  }

  /** Number 0 and empty for a group that there is not. */
  viewOf(group: string): GroupView {
    return this.#groups.get(group)?.view ?? noView;
  }

  find(group: string, card: CardId, incarnation: number, number: number): GroupMember | undefined {
    return this.#groups.get(group)?.members.find((known) =>
      known.member.card === card && known.member.number === number && known.incarnation === incarnation
    );
  }

  /** `undefined` when the member is there already; "bounds" when there is no room for it. */
  join(sequence: number, joiner: GroupMember, change: "joined" | "returned"): GroupChange | "bounds" | undefined {
    const [changed] = this.#add(sequence, [joiner], change);
    if (changed !== undefined) return changed;
    return this.#has(joiner) ? undefined : "bounds";
  }

  /** `undefined` when there is no such member. */
  leave(
    sequence: number,
    group: string,
    card: CardId,
    incarnation: number,
    number: number,
    change: "left" | "exited",
  ): GroupChange | undefined {
    const leaver = this.find(group, card, incarnation, number);
    return leaver === undefined ? undefined : this.#remove(sequence, group, [leaver], change);
  }

  /** Counts a message, and says in which view it is delivered and who its sender is. */
  message(group: string, card: CardId, incarnation: number, number: number): { readonly view: number; readonly from: Member } {
    const known = this.#groups.get(group);
    if (known !== undefined) known.messages++;
    const from = this.find(group, card, incarnation, number)?.member;
    return { view: known?.view.number ?? 0, from: from ?? { card, number: 0, name: "", critical: false } };
  }

  /**
   * A new epoch: members of cards that are not in it, or have started anew, have exited; and who does not know the state
   * (any more) does not share it.
   */
  enterEpoch(sequence: number, view: NodeView, whole: readonly CardId[]): GroupChange[] {
    const before = new Map(this.#cards);
    this.#cards.clear();
    for (const { card, incarnation } of etherOf(view)) {
      const known = before.get(card);
      const shares = known?.incarnation === incarnation && known.shares && whole.includes(card);
      this.#cards.set(card, { incarnation, shares });
    }
    return this.#sortedGroups().flatMap(([group, { members }]) => {
      const gone = members.filter(({ incarnation, member }) => this.incarnationOf(member.card) !== incarnation);
      return gone.length === 0 ? [] : [this.#remove(sequence, group, gone, "exited")];
    });
  }

  /** The end of an exchange: members come back, as far as there is room, and all cards of the epoch share the state. */
  merge(sequence: number, returning: readonly GroupMember[]): GroupChange[] {
    for (const known of this.#cards.values()) known.shares = true;
    const inOrder = [...returning].sort((one, other) => byCardAndNumber(one, other) || byName([one.group, one], [other.group, other]));
    return this.#add(sequence, inOrder, "returned");
  }

  #has({ group, incarnation, member }: GroupMember): boolean {
    return this.find(group, member.card, incarnation, member.number) !== undefined;
  }

  #add(sequence: number, joiners: readonly GroupMember[], change: "joined" | "returned"): GroupChange[] {
    const added = new Map<string, GroupMember[]>();
    for (const joiner of joiners) {
      if (this.#has(joiner) || this.#memberCount === groupMembersMax) continue;
      const group = this.#groups.get(joiner.group) ?? this.#open(joiner.group);
      if (group === undefined) continue;
      group.members = [...group.members, joiner].sort(byCardAndNumber);
      group.changedAt = sequence;
      this.#memberCount++;
      added.set(joiner.group, [...added.get(joiner.group) ?? [], joiner]);
    }
    return [...added].sort(byName).map(([group, members]) => this.#changed(group, members, change));
  }

  /** A new group, in the place of the one that has been empty for longest when there is no other place. */
  #open(name: string): Group | undefined {
    if (this.#groups.size === groupsMax) {
      const empty = this.#sortedGroups().filter(([, { members }]) => members.length === 0);
      const oldest = empty.reduce<[string, Group] | undefined>(
        (found, other) => found === undefined || other[1].changedAt < found[1].changedAt ? other : found,
        undefined,
      );
      if (oldest === undefined) return undefined;
      this.#groups.delete(oldest[0]);
    }
    const group: Group = { view: noView, messages: 0, changedAt: 0, members: [] };
    this.#groups.set(name, group);
    return group;
  }

  #remove(sequence: number, name: string, leavers: readonly GroupMember[], change: "left" | "exited"): GroupChange {
    const group = this.#groups.get(name) as Group;
    group.members = group.members.filter((member) => !leavers.includes(member));
    group.changedAt = sequence;
    this.#memberCount -= leavers.length;
    return this.#changed(name, leavers, change);
  }

  #changed(name: string, members: readonly GroupMember[], change: MemberChange["change"]): GroupChange {
    const group = this.#groups.get(name) as Group;
    group.view = viewOf(group.view.number + 1, group.members);
    return { group: name, view: group.view, changes: members.map(({ member }) => ({ member, change })) };
  }

  #sortedGroups(): [string, Group][] {
    return [...this.#groups].sort(byName);
  }
}

function etherOf(view: NodeView): readonly { readonly card: CardId; readonly incarnation: number }[] {
  return view.members.filter(({ card }) => view.ether.includes(card));
}

function viewOf(number: number, members: readonly GroupMember[]): GroupView {
  return { number, members: members.map(({ member }) => member) };
}

function byName([one]: readonly [string, unknown], [other]: readonly [string, unknown]): number {
  return one < other ? -1 : one > other ? 1 : 0;
}

function byCardAndNumber({ member: one }: GroupMember, { member: other }: GroupMember): number {
  return one.card - other.card || one.number - other.number;
}
