/** What the membership service says of itself, for people. */
import type { CardId } from "../base/ids.ts";
import { viewHistoryMax } from "../limits.ts";
import type { Peers } from "./peers.ts";
import type { Quorum } from "./quorum.ts";
import type { TickMatrix } from "./tick-matrix.ts";
import type { AbsentCard, MembershipNotification, NodeView, ViewMember } from "./view.ts";

export type MembershipState = MembershipNotification["kind"];

export type MembershipStatus = {
  readonly state: MembershipState;
  /** Why it is tentative; absent otherwise. */
  readonly reason?: string;
  /** The last view that this card took over. It holds unless the state is `tentative`. */
  readonly view?: {
    readonly number: number;
    readonly coordinator: CardId;
    readonly members: readonly (ViewMember & { readonly ether: boolean })[];
    readonly absent: readonly (AbsentCard & { readonly receipt?: string })[];
  };
  readonly electorate: readonly CardId[];
  readonly quorum: Quorum;
  /** The tick matrix, this card's own row first. */
  readonly ticks: readonly { readonly card: CardId; readonly ether: readonly CardId[]; readonly serial: readonly CardId[] }[];
  readonly history: ReturnType<ViewHistory["list"]>;
};

type Told = { readonly state: MembershipState; readonly view?: number; readonly members?: readonly CardId[]; readonly reason: string };

/** The last notifications. */
export class ViewHistory {
  readonly #entries: { readonly at: number; readonly told: Told }[] = [];

  add(at: number, notification: MembershipNotification, reason: string): void {
    const state = notification.kind;
    if (notification.kind === "tentative") this.#entries.unshift({ at, told: { state, reason } });
    else {
      const { number, members } = notification.view;
      this.#entries.unshift({ at, told: { state, view: number, members: members.map(({ card }) => card), reason } });
    }
    if (this.#entries.length > viewHistoryMax) this.#entries.length = viewHistoryMax;
  }

  /** Newest first. */
  list(now: number) {
    return this.#entries.map(({ at, told }) => ({ ...told, agoMs: Math.round(now - at) }));
  }
}

/** A view with what this card holds of the absent cards. */
export function viewStatusOf(
  { number, coordinator, members, ether, absent }: NodeView,
  peers: Peers,
): NonNullable<MembershipStatus["view"]> {
  return {
    number,
    coordinator,
    members: members.map((member) => ({ ...member, ether: ether.includes(member.card) })),
    absent: absent.map((of) => {
      const receipt = peers.get(of.card).proof?.receipt;
      return receipt === undefined || receipt === "agreed" ? of : { ...of, receipt };
    }),
  };
}

export function ticksOf(matrix: TickMatrix, own: CardId): MembershipStatus["ticks"] {
  const others = matrix.cards().filter((card) => card !== own);
  return [own, ...others].map((card) => ({ card, ether: matrix.heardBy("ether", card), serial: matrix.heardBy("serial", card) }));
}
