/**
 * What the card answers, as zod schemas: the OpenAPI document is made of them, and nothing is checked against them
 * at run time. `StatusAgrees` fails to compile as soon as a field here and one in `CardStatus` differ.
 *
 * Objects are open: a later version may add fields, and a caller must not mind.
 */
import { z } from "@hono/zod-openapi";
import { chassisCountMax, slotCountMax } from "../base/ids.ts";
import type { CardStatus } from "../node/status.ts";
import { configurationStatusSchema } from "./configuration-schema.ts";
import { bootSchema, selfTestSchema } from "./proving-schema.ts";
import { cardId, count, counters, mayBeAbsent, wholeMs } from "./schema-part.ts";

const chassis = z.int().min(1).max(chassisCountMax).meta({ description: "The chassis that the card sits in, counted from 1." });
const slot = z.int().min(1).max(slotCountMax).meta({ description: "The card's slot in its chassis, counted from 1." });
const uid = z.string().regex(/^[0-9a-f]{16}$/).meta({
  description: "The card's own identity, which moves with it: 64 bits in hexadecimal.",
});
const incarnation = count("Grows with each start of the card; frames of an older one are dropped.");

const linkHealth = z.enum(["unheard", "up", "oneWay", "silent", "recovering", "down"]).meta({
  id: "LinkHealth",
  description:
    "A peer on one link. `unheard`: nothing has come yet; `up`: both ends hear each other; `oneWay`: we hear the peer and it does not hear us; `silent`: missed for a while; `recovering`: heard again; `down`: given up on this link.",
});

const cardHealth = z.enum(["healthy", "degraded", "suspect", "down", "left", "absent"]).meta({
  id: "CardHealth",
  description:
    "A peer as a whole. `healthy`: every shared link is up; `degraded`: heard, with a link that is not up; `suspect`: heard on no link for a while; `down`: down on every link; `left`: said goodbye; `absent`: the configuration names it and it was never heard.",
});

const peerLink = z.object({
  health: linkHealth,
  reason: mayBeAbsent(z.string().meta({ description: "Why the link is not up, in words." })),
  silentForMs: mayBeAbsent(wholeMs("Since the last frame of the peer on this link; absent when there was none")),
  ticked: z.boolean().meta({ description: "The peer says that it hears us on this link." }),
  accepted: count("Frames of the peer that were accepted on this link."),
  dropped: count("Frames of the peer that were dropped on this link as replayed or of an older incarnation."),
}).meta({ id: "PeerLink", description: "A peer as this card hears it on one link." });

const peer = z.object({
  card: cardId,
  chassis,
  slot,
  health: cardHealth,
  candidate: z.boolean().meta({ description: "Its adverts have been seen on at least one link." }),
  verified: z.boolean().meta({ description: "It has confirmed the same identity on each link that we share." }),
  unverifiedBecause: mayBeAbsent(z.string().meta({ description: "What still keeps it from being verified, in words." })),
  name: mayBeAbsent(z.string().meta({ description: "The name that the peer's configuration gives it." })),
  uid: mayBeAbsent(uid),
  software: mayBeAbsent(z.string().meta({ description: "The version of the peer's program." })),
  incarnation: mayBeAbsent(incarnation),
  links: z.object({ ether: mayBeAbsent(peerLink), serial: mayBeAbsent(peerLink) }).meta({
    description: "The links that we share with the peer; the serial line is shared within a chassis only.",
  }),
}).meta({ id: "Peer", description: "Another card of the system, heard or named by the configuration." });

const ownLink = z.object({
  port: z.enum(["up", "down"]).meta({ description: "Whether the port itself works: its carrier, or its open line." }),
  reason: mayBeAbsent(z.string().meta({ description: "Why the port is down, in words." })),
  sent: count("Frames sent."),
  accepted: count("Frames accepted, from every sender."),
  dropped: counters("Frames dropped, by reason."),
  heartbeatPeriodMs: z.number().positive().meta({ description: "Between two heartbeats of this card on this link, in milliseconds." }),
  multiplexor: mayBeAbsent(
    z.enum(["heard", "unheard"]).meta({ description: "Serial only: whether the chassis's multiplexor has been heard lately." }),
  ),
}).meta({ id: "OwnLink", description: "One of this card's two links." });

const alarm = z.object({
  code: z.string().meta({ description: "What kind of alarm it is, such as `card-down`; for programs." }),
  text: z.string().meta({ description: "What is wrong, for people." }),
  forMs: wholeMs("How long the alarm has been raised"),
}).meta({ id: "Alarm", description: "Something that an operator should look at." });

const cards = (description: string) => z.array(cardId).readonly().meta({ description });
const whether = (description: string) => z.boolean().meta({ description });

const notification = z.enum(["tentative", "confirmed", "unconfirmed"]).meta({
  id: "Notification",
  description:
    "`tentative`: a change is under way or there is no quorum, so nothing new is started; `confirmed`: every absent card is proven down; `unconfirmed`: some absent card is not, and what it serves stays where it is.",
});
const viewNumber = count("The view's number; equal numbers mean equal views on all cards.");

const view = z.object({
  number: viewNumber,
  coordinator: cardId,
  members: z.array(z.object({
    card: cardId,
    incarnation,
    previous: count("The number of the view that this card was in before; 0 for a card that had just started."),
    ether: whether("It exchanges ordered messages: it and the others that do confirm each other on Ethernet."),
  })).readonly().meta({ description: "The cards that confirm each other, lowest first." }),
  absent: z.array(z.object({
    card: cardId,
    state: z.enum(["down", "unknown"]).meta({ description: "`down`: proven by a receipt; `unknown`: it may still be running." }),
    receipt: mayBeAbsent(z.string().meta({ description: "What proves that it is down." })),
  })).readonly().meta({ description: "The cards of the electorate that are no members." }),
}).meta({ id: "View", description: "The agreed list of live cards." });

export const membershipSchema = z.object({
  state: notification,
  reason: mayBeAbsent(z.string().meta({ description: "Why it is tentative, in words." })),
  view: mayBeAbsent(view),
  electorate: cards("The cards that vote, lowest first."),
  quorum: z.object({
    held: whether("Whether the cards that confirm each other are a quorum."),
    text: z.string().meta({ description: "The same in words, with the figures." }),
  }).meta({ description: "Whether this card's side may go on." }),
  ticks: z.array(z.object({
    card: cardId,
    ether: cards("Whom it hears on Ethernet."),
    serial: cards("Whom it hears on serial."),
  })).readonly().meta({ description: "Whom each card says that it hears, as it was last heard; this card's own row is first." }),
  history: z.array(z.object({
    state: notification,
    view: mayBeAbsent(viewNumber),
    members: mayBeAbsent(cards("The members of that view.")),
    reason: z.string().meta({ description: "What led to it, in words." }),
    agoMs: wholeMs("How long ago it was"),
  })).readonly().meta({ description: "The last notifications, newest first." }),
}).meta({ id: "Membership", description: "The view that this card is in, who is absent, and how it came to be." });

const member = z.object({
  card: cardId,
  number: count("Counts the members of one incarnation of a card, from 1."),
  name: z.string().meta({ description: "The name that the application gave itself." }),
  critical: whether("Its failure resets its card."),
  local: whether("It is registered on this card."),
}).meta({ id: "Member", description: "An application instance that is a member of a group." });

export const groupsSchema = z.object({
  state: z.enum(["running", "flushing", "exchanging", "stopped"]).meta({
    description:
      "`flushing`: the members of a new view level what they hold; `exchanging`: subgroups exchange group data; `stopped`: this card takes no part, see the reason.",
  }),
  reason: mayBeAbsent(z.string().meta({ description: "Why it does not run, in words." })),
  epoch: count("The number of the view whose order is being followed; 0 before the first."),
  coordinator: mayBeAbsent(cardId),
  held: count("The last sequence that this card holds."),
  committed: count("The last sequence that this card knows to be committed."),
  delivered: count("The last sequence that this card has delivered."),
  pending: count("This card's own messages that are not committed yet."),
  counters: counters("What the order has counted since the card's start."),
  groups: z.array(z.object({
    name: z.string().meta({ description: "The group's name." }),
    view: count("The group view's number; it grows with each change of the members."),
    messages: count("Messages delivered in this group."),
    members: z.array(member).readonly().meta({ description: "By card, then number." }),
  })).readonly().meta({ description: "The groups of the system, by name." }),
}).meta({ id: "Groups", description: "The order of all messages as this card follows it, and the groups of applications." });

const lateTicks = z.object({
  count: count("How often this card was late."),
  totalMs: wholeMs("All lateness together"),
  worstMs: wholeMs("The worst lateness"),
}).meta({ description: "Times at which this card itself ran late; they are taken off everybody's silence." });

const ports = z.object({
  ether: z.object({
    interface: z.string().meta({ description: "The network interface of the Ethernet link." }),
    mac: z.string().meta({ description: "Its hardware address; empty while the interface is not open." }),
    counters: counters("Counters of the interface and its driver; they only grow while the port is open."),
  }),
  serial: z.object({
    device: z.string().meta({ description: "The tty of the serial link." }),
    baud: z.int().positive().meta({ description: "The line's speed, in bits per second." }),
    counters: counters("Counters of the line and its driver; they only grow while the port is open."),
  }),
}).meta({ description: "The hardware below the two links." });

const ownProcess = z.object({
  pid: z.int().positive().meta({ description: "The process." }),
  runtime: z.string().meta({ description: "What the program runs on: `binary`, `node` or `deno`, and the runtime's version." }),
  startedAt: z.iso.datetime().meta({ description: "The wall clock when the program started; nothing is decided by it." }),
  residentBytes: count("Resident memory, in bytes."),
  cpuShare: z.number().min(0).meta({ description: "Processor time since the start, as a share of one core." }),
  realtime: z.boolean().meta({ description: "Whether the process runs under real-time scheduling." }),
}).meta({ description: "The program as a process." });

const state = z.enum(["running", "leaving"]).meta({
  id: "CardState",
  description: "`leaving`: the card was told to stop and says goodbye to its peers.",
});

export const statusSchema = z.object({
  card: cardId,
  chassis,
  slot,
  name: z.string().meta({ description: "The name that the configuration gives this card." }),
  uid,
  incarnation,
  software: z.string().meta({ description: "The version as peers are told it." }),
  uptimeMs: wholeMs("Since this card's node was started"),
  state,
  links: z.object({ ether: ownLink, serial: ownLink }).meta({
    description: "Ethernet is the public network between cards, serial the private one.",
  }),
  peers: z.array(peer).readonly().meta({ description: "Every other card that was heard or that the configuration names, by number." }),
  alarms: z.array(alarm).readonly().meta({ description: "The alarms that are raised now, oldest first." }),
  membership: membershipSchema,
  groups: groupsSchema,
  configuration: mayBeAbsent(configurationStatusSchema),
  boot: bootSchema,
  selfTest: selfTestSchema,
  lateTicks,
  system: z.string().meta({ description: "The name of the system that the card belongs to." }),
  version: z.string().meta({ description: "The version of this card's program." }),
  profile: z.string().meta({ description: "The timing profile in force." }),
  ports,
  process: ownProcess,
}).meta({ id: "CardStatus", description: "One card: its identity, links, peers, alarms and process, as it sees them." });

export const healthSchema = z.object({ card: cardId, state }).meta({
  id: "CardHealthAnswer",
  description: "Whether the card's program answers and goes on running.",
});

export const problemSchema = z.object({
  type: z.literal("about:blank").meta({ description: "The problem means no more than its status." }),
  title: z.string().meta({ description: "The status in words." }),
  status: z.int().min(400).max(599).meta({ description: "The status code." }),
  detail: z.string().meta({ description: "What is wrong with this request, and what would be right." }),
  instance: mayBeAbsent(z.string().meta({ description: "The path that was asked for." })),
  paths: mayBeAbsent(z.array(z.string()).readonly().meta({ description: "With 404: the paths that exist." })),
  allow: mayBeAbsent(z.array(z.string()).readonly().meta({ description: "With 405: the methods that the path has." })),
  available: mayBeAbsent(z.array(z.string()).readonly().meta({ description: "With 406: the media types that the path has." })),
  code: mayBeAbsent(z.string().meta({ description: "What kind of refusal it is, such as `no-quorum`; for programs." })),
  operation: mayBeAbsent(count("Which operation of the change it is about, from 0.")),
  hint: mayBeAbsent(z.string().meta({ description: "What to do about a refusal of that code." })),
  table: mayBeAbsent(z.string().meta({ description: "The table of that operation." })),
  id: mayBeAbsent(z.string().meta({ description: "The row of that operation." })),
  column: mayBeAbsent(z.string().meta({ description: "Which column of that operation's row." })),
  findings: mayBeAbsent(
    z.array(z.object({
      path: z.string().meta({ description: "A JSON pointer into what was sent; empty for the whole." }),
      message: z.string().meta({ description: "What is wrong there, and what would be right." }),
      place: mayBeAbsent(
        z.object({
          line: z.int().min(1).meta({ description: "The line, from 1." }),
          column: z.int().min(1).meta({ description: "The letter in its line, from 1." }),
        }).meta({ description: "Where that is in the text." }),
      ),
    })).readonly().meta({ description: "With 422: everything that is wrong with what was sent." }),
  ),
}).meta({ id: "Problem", description: "What went wrong, after RFC 9457." });

type Both<A, B> = [A, B] extends [B, A] ? true : never;
/** Never, and so no type for `true`, when the schema and the type it mirrors differ. */
export type StatusAgrees = Both<z.output<typeof statusSchema>, CardStatus>;
true satisfies StatusAgrees;
