/**
 * What a checker is: an invariant with its sentence, and the code that holds what a world's cards do against it. It
 * stands outside of the services: what is true it takes from the world and its witnesses, what is said from the nodes.
 */
import type { CardId, LinkKind } from "../base/ids.ts";
import type { ApplicationEvent } from "../cluster/application.ts";
import type { Effect } from "../node/effect.ts";
import type { Input } from "../node/input.ts";
import type { CardHealth, LinkHealth, NodeStatus, PeerStatus } from "../node/status.ts";
import type { Message } from "../wire/message.ts";
import type { Applications, Client } from "./applications.ts";
import type { FailoverSystem } from "./failover-system.ts";
import type { Operators } from "./operators.ts";
import type { Lease } from "./lease.ts";
import type { Run, SimCard } from "./sim-card.ts";
import type { SeenView } from "./views.ts";
import type { Freshness } from "./witness.ts";

export type Violation = {
  readonly checker: string;
  readonly sentence: string;
  readonly at: number;
  readonly card: string;
  readonly detail: string;
};

/** What the checkers need to know of the world. */
export type Scene = {
  readonly at: number;
  readonly cards: readonly SimCard[];
  readonly options: {
    readonly baud: number;
    readonly cards: readonly CardId[];
    readonly disabled?: readonly CardId[];
    readonly tieBreak?: CardId;
    readonly witness?: boolean;
    readonly watchdogMs?: number;
  };
  readonly operators: Operators | undefined;
  readonly failover: FailoverSystem | undefined;
  readonly applications: Applications;
  readonly lease: Lease;
  later(at: number, run: (at: number) => void): void;
  statusOf(card: SimCard): NodeStatus | undefined;
};

/** A change in what a node says of a peer. `link` is missing when it is about the card. */
export type Change =
  | { readonly peer: PeerStatus; readonly link: LinkKind; readonly was: LinkHealth | undefined; readonly health: LinkHealth }
  | { readonly peer: PeerStatus; readonly link?: undefined; readonly was: CardHealth | undefined; readonly health: CardHealth };

/** One step of one card, as the checkers see it. */
export type Step = {
  readonly card: SimCard;
  readonly run: Run;
  readonly at: number;
  readonly now: number;
  readonly input: Input;
  readonly seen: Seen;
  readonly effects: readonly Effect[];
  readonly status: NodeStatus;
  readonly changes: readonly Change[];
  /** The view that the card has taken over in this step, and how it says it; only where the world has one card of each identity. */
  readonly view: { readonly view: SeenView; readonly text: string } | undefined;
};

/** What was known before a step. */
export type Seen = {
  readonly freshness?: Freshness;
  /** Before a frame that must not be taken. */
  readonly status?: NodeStatus;
  /** The slots, lowest in the lowest bit, that a report of the multiplexor says have lost power; not zero. */
  readonly lostPower?: number;
};

export abstract class Checker {
  abstract readonly name: string;
  /**
   * Rests on there being one card of each identity. Two of the same vote twice and remember different promises: the world
   * has broken what the invariant stands on, so it is not held against what happens from then on.
   */
  readonly needsSingles: boolean = false;
  /** Rests on receipts that do not lie, so it is not held against a world in which a slot's power sense was wrong about a card that ran. */
  readonly needsTruth: boolean = false;
  /** The invariant, for people. */
  abstract readonly sentence: string;
  /** Gives what is wrong with a step that logged something, or after which the node should say something else. */
  step?(step: Step, scene: Scene): string | undefined;
  /** A card's program has started, or has ended. */
  begin?(scene: Scene, card: SimCard): void;
  end?(scene: Scene, card: SimCard, run: Run, report: Report): void;
  /** Gives what is wrong with a promise or a proposal that a card sends. */
  agreement?(card: SimCard, run: Run, message: Agreement): string | undefined;
  /** Gives what is wrong with what a card logs, in its turn among what the step orders. */
  log?(run: Run, log: Log): string | undefined;
  /** Gives what is wrong with an event that an application gets. */
  event?(scene: Scene, client: Client, event: ApplicationEvent): string | undefined;
  /** An application has ended or stands still. */
  missing?(scene: Scene, client: Client, report: Report): void;
  /** Gives what is wrong with a card's end by its own will. */
  reset?(scene: Scene, card: SimCard, run: Run): string | undefined;
  /** Gives what is wrong now that the world has been healed and calm for long enough, and nobody sends anything. */
  settled?(scene: Scene): Unsettled | undefined;
  /** Gives what is wrong with what became of forged bytes. */
  forged?(input: Input): string | undefined;
  /** Gives what is wrong with a frame that a card puts on its serial line. */
  serialSend?(scene: Scene, card: SimCard, at: number, message: Message, lineBytes: number): string | undefined;
}
export type Log = Extract<Effect, { kind: "log" }>;
export type Agreement = Extract<Message, { kind: "promiseView" | "proposeView" }>;
export type Report = (card: SimCard, detail: string) => void;
export type Unsettled = { readonly card: SimCard; readonly detail: string };
