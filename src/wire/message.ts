/**
 * The messages that cards exchange, as the program holds them. Their bytes are in `wire.cddl`; `body.ts`
 * turns one into the other. A body is an array that only ever grows at its end: a reader takes the fields
 * that it knows and leaves the rest, which is how cards of different software versions understand each other (HA-1).
 */
import type { CardSet } from "../base/card-set.ts";
import type { CardId } from "../base/ids.ts";

/** Sent every period on each link. The ticks say "I hear you", per peer and per link, and travel on both links. */
export type Heartbeat = {
  readonly kind: "heartbeat";
  /** The sender's own Ethernet port has carrier. */
  readonly etherPort: boolean;
  /** The sender's own serial line is open and without fault. */
  readonly serialPort: boolean;
  /** The peers that the sender hears on Ethernet; on serial only those of its own chassis are listed. */
  readonly etherTicks: CardSet;
  /** The peers that the sender hears on its serial bus, so cards of its own chassis. */
  readonly serialTicks: CardSet;
  /** The lowest 16 bits of the number of the view that the sender took over last, 0 for none: who is left behind learns it from this. */
  readonly view: number;
  /** Of the sender's configuration, where it has one: the lowest 4 bits of the number of its last change, and the first 12 of its hash. */
  readonly head?: number;
};

/** What a card says of itself, the same on both links (FS-2). */
export type Advert = {
  readonly kind: "advert";
  /** The hardware's identity, eight bytes, made once per card; two cards that claim one slot differ here. */
  readonly uid: Uint8Array;
  /** The card's name for people, at most 32 bytes of UTF-8. */
  readonly name: string;
  /** Drawn afresh at every start of the card, 32 bits; who echoes it has heard this very incarnation. */
  readonly nonce: number;
  /** The nonces that the sender heard *on this link*, one for each card. */
  readonly echoes: readonly Echo[];
  /** The sender's heartbeat periods in milliseconds: a receiver's patience follows them. */
  readonly etherPeriodMs: number;
  readonly serialPeriodMs: number;
  /** The wire versions that the sender speaks. */
  readonly wireMin: number;
  readonly wireMax: number;
  /** The software's version, at most 32 bytes, for people. */
  readonly software: string;
};
export type Echo = { readonly card: CardId; readonly nonce: number };

/** A card that leaves in good order says so; its silence afterwards is not a failure. */
export type Bye = { readonly kind: "bye"; readonly reason: "stop" | "restart" | "maintenance" | "upgrade" };

/** "Your incarnation is older than one that I have heard from your slot": tells a restored or replaced card to move above it. */
export type Stale = { readonly kind: "stale"; readonly card: CardId; readonly incarnation: number };

/** A piece of a message that is larger than a frame. `data` are the bytes of the CBOR array [kind, body], cut in order. */
export type Fragment = {
  readonly kind: "fragment";
  /** The number of the whole message, per sender and link, counting up. */
  readonly id: number;
  readonly index: number;
  readonly count: number;
  readonly data: Uint8Array;
};

/**
 * To the multiplexor: pull the reset line of a slot. `id` is the sender's number for this order and comes back in the receipt. `incarnation`: the run of
 * the slot's card that is meant, whichever runs where it is missing; neither a later one nor one that was reset before is reset for it.
 */
export type MuxReset = { readonly kind: "muxReset"; readonly id: number; readonly slot: number; readonly incarnation?: number };

/**
 * From the multiplexor, to everybody: the receipt. `reset` and `off` prove that the slot's card has stopped, in the incarnation of the order and all before it;
 * `newer` that a later one runs, and was not reset; the others prove nothing.
 */
export type MuxReceipt = {
  readonly kind: "muxReceipt";
  readonly id: number;
  readonly slot: number;
  readonly outcome: "reset" | "off" | "absent" | "failed" | "newer";
  readonly incarnation?: number;
};

/**
 * From the multiplexor, periodically and at once on a change: which slots have power, lowest slot in the lowest bit. `starts` has two bytes for each
 * slot, lowest first: how often it got its power since the chassis was powered on, and how often its line was pulled; both wrap.
 */
export type MuxPower = { readonly kind: "muxPower"; readonly powered: number; readonly starts?: Uint8Array };

/** "I have no view that holds": asks the coordinator of those who hear it for one. Sent to everybody, again and again until there is one. */
export type WantView = {
  readonly kind: "wantView";
  /** The sender's last view, 0 for none. */
  readonly previous: number;
  /** The highest view number that it has promised or seen. */
  readonly promised: number;
};

/** First phase of the two-phase commit of a view: the would-be members and, of these, those that order messages. From the coordinator to everybody. */
export type ProposeView = {
  readonly kind: "proposeView";
  readonly number: number;
  readonly members: CardSet;
  /** Of each member, lowest card first. */
  readonly incarnations: readonly number[];
  readonly ether: CardSet;
};

/** A member's yes: it confirms every other member, and promises never to agree to a number that is not higher. */
export type PromiseView = {
  readonly kind: "promiseView";
  readonly number: number;
  /** The view that it was in before, 0 for none. */
  readonly previous: number;
  /** Cards for whose end it holds a receipt. */
  readonly down: CardSet;
};

/** A member's no: it has promised `promised`, or does not confirm the cards in `missing`. */
export type RefuseView = { readonly kind: "refuseView"; readonly number: number; readonly promised: number; readonly missing: CardSet };

/** Second phase: the view stands. Carries all of it, so that a member that missed the proposal's last form is not misled. */
export type CommitView = {
  readonly kind: "commitView";
  readonly number: number;
  readonly members: CardSet;
  readonly incarnations: readonly number[];
  /** The view that each member was in before, lowest card first. */
  readonly previous: readonly number[];
  readonly ether: CardSet;
  /** The electorate's absent cards whose end is proven, and those of whom nothing is. */
  readonly down: CardSet;
  readonly unknown: CardSet;
};

/** A member has taken over the view. */
export type CommittedView = { readonly kind: "committedView"; readonly number: number };

/**
 * One place in the order of all messages. `view` opens an epoch; `control` is the group service's own, without effect
 * when it comes twice; `data` is counted by its origin from 1 without gaps, and delivered once.
 */
export type Entry = {
  readonly type: "view" | "control" | "data";
  readonly origin: CardId;
  /** Of `data`; 0 for the others. */
  readonly id: number;
  readonly body: Uint8Array;
};

/** From an initiator to the coordinator of the view: entries to be ordered, `data` with rising ids. */
export type Submit = {
  readonly kind: "submit";
  readonly view: number;
  readonly entries: readonly Entry[];
  /** The lowest data id that the sender still wants ordered: those below were delivered to it, be it in an order that was overtaken. */
  readonly floor: number;
};

/** A proposal on its way around the ring: stored by each card and passed on, until it is back at the coordinator. */
export type Pass = {
  readonly kind: "pass";
  /** The epoch, that is the number of the view. */
  readonly view: number;
  /** Counts the coordinator's passes in this epoch. */
  readonly pass: number;
  /** The sequence of the first entry; without entries, of the next one to come. */
  readonly first: number;
  readonly entries: readonly Entry[];
  /** Everything up to here is committed. */
  readonly committed: number;
  /** The lowest sequence up to which the cards passed so far have delivered: the acknowledgment of the commit. */
  readonly delivered: number;
};

/** Second phase of a message: everybody holds everything up to `committed`. From the coordinator to everybody. */
export type Commit = { readonly kind: "commit"; readonly view: number; readonly committed: number };

/** On entering a view: what this card holds of the order. Sent to everybody until the first pass of the view comes. */
export type Flush = {
  readonly kind: "flush";
  readonly view: number;
  /** The epoch of the last entry that it holds, 0 for none. */
  readonly epoch: number;
  /** The last sequence that it holds, and the last that it has delivered. */
  readonly held: number;
  readonly delivered: number;
  /** The epoch of the last entry that it has delivered, 0 for none. */
  readonly deliveredEpoch: number;
  /** It knows the state that follows from the order; a card that has just started, or has lost its place, does not. */
  readonly whole: boolean;
  /** It holds all that this view begins with. */
  readonly ready: boolean;
};

/** How far an origin's `data` entries have come into the order. */
export type Mark = { readonly card: CardId; readonly incarnation: number; readonly id: number };

/** From the card that holds the most to one that holds less: what is missing up to `last`; or, with `skip`, where to go on without it. */
export type Sync = {
  readonly kind: "sync";
  readonly view: number;
  /** The sequence of the first entry: what the receiver holds from here on is replaced. */
  readonly first: number;
  readonly last: number;
  readonly entries: readonly Entry[];
  readonly skip: boolean;
  /** The epochs of the order, oldest first: each began at this sequence. */
  readonly epochs: readonly { readonly view: number; readonly first: number }[];
  /** With `skip`: the last `data` id of each origin and its incarnation, up to `last`. */
  readonly marks: readonly Mark[];
};

/** "I am about to reset myself", and why: a critical application instance failed (HA-7). */
export type Failing = { readonly kind: "failing"; readonly reason: string };

/** The end of a chain of changes; the hash has 32 bytes. */
export type ConfigHead = { readonly sequence: number; readonly epoch: number; readonly hash: Uint8Array };

/** From a replica of the configuration to a card that has announced itself: what all who know it agree on, at the place of that announcement. */
export type ConfigState = {
  readonly kind: "configState";
  /** The place of the announcement in the order of all messages. */
  readonly announced: number;
  readonly accepted: ConfigHead;
  readonly level: number;
  /** The view in which the replicas began. */
  readonly lineage: number;
  readonly replicas: readonly CardId[];
  /** The highest level that each card stores, as it announced it last. */
  readonly levels: readonly { readonly card: CardId; readonly levelMax: number }[];
  /** The cards whose turn it is to propose, first one first. */
  readonly line: readonly CardId[];
  /** The large change under way: whose, upon which hash, of how many parts, and the next one. */
  readonly parts:
    | { readonly card: CardId; readonly id: number; readonly base: Uint8Array; readonly count: number; readonly next: number }
    | undefined;
};

/** "What have you?" Each question has a number of its sender, which the answer carries back. */
export type ConfigAsk =
  & { readonly kind: "configAsk"; readonly id: number }
  & (
    /** What is durable; answered with `configDurable`. */
    | { readonly what: "durable" }
    /** The heads of the chain after these changes. */
    | { readonly what: "hashes"; readonly sequences: readonly number[] }
    /** What follows on the change `after`, as changes or as a snapshot. */
    | { readonly what: "transfer"; readonly after: number; readonly snapshot: boolean }
    /** A piece of what was offered. */
    | { readonly what: "piece"; readonly transfer: number; readonly offset: number }
  );

export type ConfigGive =
  & { readonly kind: "configGive"; readonly id: number }
  & (
    /** Those of the heads asked for that the sender has, and the first change that its chain still has. */
    | { readonly what: "hashes"; readonly first: number; readonly heads: readonly ConfigHead[] }
    /** So many bytes of changes or of a snapshot, which go up to `head`; `left` are the bytes of changes behind them. */
    | {
      readonly what: "offer";
      readonly transfer: number;
      readonly content: "changes" | "snapshot";
      readonly head: ConfigHead;
      readonly bytes: number;
      readonly sha256: Uint8Array;
      readonly left: number;
    }
    | { readonly what: "piece"; readonly transfer: number; readonly offset: number; readonly data: Uint8Array }
    /** It has nothing: too many ask at the same time, what was offered is gone, or the sender is no replica. */
    | { readonly what: "nothing"; readonly reason: "busy" | "gone" | "behind" }
  );

/** What is durable on the sender. */
export type ConfigDurable = { readonly kind: "configDurable"; readonly head: ConfigHead };

/** A wish that the sender cannot carry out itself, in bytes. */
export type ConfigForward = { readonly kind: "configForward"; readonly id: number; readonly wish: Uint8Array };

/** What became of a forwarded wish: the bytes of an answer. */
export type ConfigAnswerMessage = { readonly kind: "configAnswer"; readonly id: number; readonly answer: Uint8Array };

/** What the replicas of the configuration say to each other outside of the order. */
export type ConfigMessage = ConfigState | ConfigAsk | ConfigGive | ConfigDurable | ConfigForward | ConfigAnswerMessage;

/** How a card starts, said to all on both links: while it does, when that changes, and now and then once it is ready (FS-6). */
export type Boot = {
  readonly kind: "boot";
  readonly bootType: "cold" | "warm" | "hot-insert" | "fenced" | "upgrade" | "maintenance";
  readonly state: "post" | "listen" | "announce" | "catch-up" | "arbitrate" | "ready" | "hold";
  /** The code of a hold, empty without one; later versions have others. */
  readonly hold: string;
  /** The head of its configuration. */
  readonly sequence: number;
  readonly epoch: number;
  /** Its highest role in any failover set; before it is ready, that of its last run. */
  readonly role: "none" | "alternate" | "secondary" | "primary";
};

/** "Test yourself", or, where the subject is not the receiver, "test that card and tell me" (FS-8). */
export type SelfTest = {
  readonly kind: "selfTest";
  readonly id: number;
  readonly subject: CardId;
  /** Only that it has the question is wanted: it is asked before anything is wrong. */
  readonly early?: true;
};

/** One named check; `check` is its number, which a reader of an earlier version may not know. */
export type SelfTestResult = {
  readonly check: number;
  readonly result: "passed" | "failed" | "skipped";
  /** A word, empty when it passed. */
  readonly code: string;
  readonly ms: number;
};

/** The answer to whoever asked, with the id of the question. */
export type SelfTestAnswer = {
  readonly kind: "selfTestAnswer";
  readonly id: number;
  readonly subject: CardId;
  /** `received` at once, `done` with the results; of a third card about the subject: `silent` nothing came, `deaf` frames but no answer. */
  readonly stage: "received" | "done" | "silent" | "deaf";
  readonly results: readonly SelfTestResult[];
};

/**
 * "I run nothing that is failed over, and start nothing before I am in the order again": from a card that the view of this number keeps out of
 * its order, on both links (HA-15).
 */
export type Idle = { readonly kind: "idle"; readonly view: number };

export type Message =
  | Heartbeat
  | Advert
  | Bye
  | Stale
  | Fragment
  | WantView
  | ProposeView
  | PromiseView
  | RefuseView
  | CommitView
  | CommittedView
  | Submit
  | Pass
  | Commit
  | Flush
  | Sync
  | Failing
  | ConfigMessage
  | Boot
  | SelfTest
  | SelfTestAnswer
  | MuxReset
  | MuxReceipt
  | MuxPower
  | Idle;
export type MessageKind = Message["kind"];
