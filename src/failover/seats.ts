/**
 * The places of a failover set (FS-3): its members unfolded to cards. A member may be a card, a port group of a card, a device with the cards that
 * reach it, or another set, so a place is a path: set > set > card > port group. Where a set fails over to is then a matter of comparing paths:
 *
 *     who serves now      chassis-a > card 1 > front-a
 *     first choice        chassis-a > card 1 > front-b       shares the most with it: a child fails over inside itself first
 *     second choice       chassis-a > card 2 > front-a
 *     only then           chassis-b > ...
 *
 * A set that is a member of another one serves only while the place of the other one lies in it; else it is dormant.
 */
import type { CardId } from "../base/ids.ts";
import { setDepthMax } from "../limits.ts";
import type { FailoverConfig, MemberConfig, ResourceId, SetConfig, SetId } from "./config.ts";

/** A step of a path: the set whose members are compared at this step, and which of them it is. */
export type Step = { readonly set: SetId; readonly key: string; readonly rank: number; readonly spare: boolean };

export type Seat = {
  /** Its path as text, unique in its set: "chassis-a/1/1". */
  readonly key: string;
  readonly card: CardId;
  readonly path: readonly Step[];
  /** The sets that it lies in, the outermost first. */
  readonly sets: readonly SetId[];
  readonly portGroup: string | undefined;
  readonly device: ResourceId | undefined;
  /** Its place in the configured order of the outermost set: by rank at each step, then by the lowest card. */
  readonly index: number;
};

/** The places of a set, in the configured order. A cycle of sets is followed once. */
export function seatsOf(set: SetId, config: FailoverConfig): Seat[] {
  const seats: Seat[] = [];
  unfold(config.sets.get(set), config, [], [], seats);
  return seats;
}

type Group = { readonly rank: number; readonly step: Step; readonly members: readonly MemberConfig[] };

function unfold(set: SetConfig | undefined, config: FailoverConfig, path: readonly Step[], sets: readonly SetId[], seats: Seat[]): void {
  if (set === undefined || sets.includes(set.id) || sets.length >= setDepthMax) return;
  const within = [...sets, set.id];
  const push = (card: CardId, steps: readonly Step[], portGroup?: string, device?: ResourceId) => {
    const key = steps.map((step) => step.key).join(" > ");
    seats.push({ key, card, path: steps, sets: within, portGroup, device, index: seats.length });
  };
  for (const { step, members } of groupsOf(set)) {
    const here = [...path, step];
    for (const { id, rank, spare, body } of members) {
      switch (body.kind) {
        case "card":
          push(body.card, here);
          break;
        case "portGroup":
          push(body.card, [...here, { set: set.id, key: body.portGroup, rank, spare }], body.portGroup);
          break;
        case "device":
          for (const [at, card] of body.cards.entries()) {
            push(card, [...here, { set: set.id, key: `card ${card}`, rank: at, spare }], undefined, body.device);
          }
          break;
        case "set":
          unfold(config.sets.get(body.set), config, here, within, seats);
          break;
        default: {
          const never: never = body;
          throw new Error(`broken invariant: member ${id} of kind ${JSON.stringify(never)}`);
        }
      }
    }
  }
}

/** The members of a set as they are compared: port groups of one card are one, that card. */
function groupsOf({ id: set, members }: SetConfig): Group[] {
  const groups = new Map<string, { rank: number; spare: boolean; members: MemberConfig[] }>();
  for (const member of members) {
    const { body, rank, spare } = member;
    const key = body.kind === "set" ? body.set : body.kind === "device" ? body.device : `card ${body.card}`;
    const group = groups.get(key);
    // Members come by rank: the first one of a group gives its rank.
    if (group === undefined) groups.set(key, { rank, spare, members: [member] });
    else if (body.kind === "portGroup") group.members.push(member);
  }
  return [...groups].map(([key, { rank, spare, members }]) => ({ rank, step: { set, key, rank, spare }, members }));
}

/** How many steps two places have in common. */
export function sharedSteps(a: Seat, b: Seat): number {
  let shared = 0;
  while (shared < a.path.length && shared < b.path.length && a.path[shared]?.key === b.path[shared]?.key) shared++;
  return shared;
}

/** The steps at which two places part; undefined when they are the same. */
export function parting(a: Seat, b: Seat): { readonly a: Step; readonly b: Step } | undefined {
  const shared = sharedSteps(a, b);
  const [left, right] = [a.path[shared], b.path[shared]];
  return left === undefined || right === undefined ? undefined : { a: left, b: right };
}

/** Whether `a` is configured to serve rather than `b`: a lower rank where they part. */
export function isPreferred(a: Seat, b: Seat): boolean {
  const parted = parting(a, b);
  return parted !== undefined && parted.a.rank < parted.b.rank;
}

/** The sets that are members of no other one; sets of a cycle are none. */
export function rootsOf({ sets }: FailoverConfig): SetConfig[] {
  const children = new Set<SetId>();
  for (const { members } of sets.values()) for (const { body } of members) if (body.kind === "set") children.add(body.set);
  return [...sets.values()].filter(({ id }) => !children.has(id));
}
