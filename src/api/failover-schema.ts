/** What the card answers about failover, as zod schemas, for the OpenAPI document alone. */
import { z } from "@hono/zod-openapi";
import type { FailoverView, ReadinessView, SetsView, SetView, StandingView } from "../failover/failover-view.ts";
import type { RecordSummary, RecordView } from "../failover/record-view.ts";
import { cardId, count, mayBeAbsent, wholeMs } from "./schema-part.ts";

const text = (description: string) => z.string().meta({ description });
const list = <T extends z.ZodType>(item: T, description: string) => z.array(item).readonly().meta({ description });
const whether = (description: string) => z.boolean().meta({ description });
const setName = text("The set's name in the configuration.");
const serviceName = text("The service's name in the configuration.");
const resourceName = text("The resource's name in the configuration.");
const unitName = text("What moves as one: a set's name, or of an N-way set `set/service` or `set/+word`.");
const owner = z.enum(["card", "operator", "configuration"]).meta({
  description: "Who can end it: it ends by itself with its cause on the card, an operator ends it, or a change of the configuration.",
});
const hint = text("What ends it, as one sentence.");
const sinceStart = z.int().meta({ description: "When it was, since the record's beginning, in milliseconds." });

const reason = z.object({
  code: text("What speaks against the card, such as `down` or `drained`; for programs."),
  card: cardId,
  text: text("The same in words."),
  resource: mayBeAbsent(resourceName),
  owner,
  hint,
}).meta({ id: "SeatReason", description: "What speaks against a card as the place of something." });

const spot = z.object({
  card: cardId,
  seat: text("Where in the set: the path of its members, such as `chassis-a > card 1 > 1/1/front`."),
}).meta({ id: "Spot", description: "A place in a failover set." });

const role = z.enum(["primary", "secondary", "alternate", "unassigned", "failed"]).meta({
  id: "SetRole",
  description:
    "`primary` serves; `secondary` takes over first, then each `alternate`; `unassigned` and `failed` cards do not, for the reasons beside them.",
});

const service = z.object({
  service: serviceName,
  unit: unitName,
  state: text(
    "`placed`; `held`: an unknown card may run it; `quarantined`: it failed too often; `unserved`: no card can have it; `disabled`; `dormant`: its set serves elsewhere.",
  ),
  owner: mayBeAbsent(spot),
  grant: text("How far its card is with it: `idle`, `releasing`, `proven`, `starting`, `running`, `failed`."),
  epoch: count("Grows with each new owner."),
  home: mayBeAbsent(cardId),
  reasons: list(reason, "Why it has no card or is held; of one that is placed, what speaks against its card."),
  here: mayBeAbsent(
    z.object({
      state: z.enum(["starting", "running", "stopping", "stopped", "failed"]).meta({
        description: "What the card that answers does with it.",
      }),
      waitingFor: list(z.string(), "Its resources that are not running there."),
    }).meta({ description: "On the card that answers." }),
  ),
}).meta({ id: "ServiceState", description: "A service: who has it, and how far that is." });

const quarantine = z.object({
  reason: text("What it failed of, in words."),
  forMs: wholeMs("Since when"),
  leftMs: mayBeAbsent(wholeMs("For how long yet; absent: until it is lifted")),
});
const mark = z.object({
  by: text("Who said so: a token's name, or `card 1/2` for the card's own."),
  comment: text("Why, in their words; may be empty."),
  forMs: wholeMs("Since when"),
});

const unit = z.object({
  unit: unitName,
  moving: whether("A move of it is under way."),
  quarantine: mayBeAbsent(quarantine.meta({ description: "It failed too often and is started nowhere." })),
  wanted: mayBeAbsent(
    mark.extend({ to: cardId, verb: z.enum(["switch", "failback"]).meta({ description: "By which verb it is wanted there." }) }).meta({
      description: "Where an operator wants it now.",
    }),
  ),
  stays: mayBeAbsent(cardId),
  failedOn: list(
    quarantine.extend({ card: cardId }),
    "Cards where it failed more often than restarts are allowed, and for how long that counts.",
  ),
}).meta({ id: "UnitState", description: "What of a set has something behind it, or before it." });

export const setSchema = z.object({
  set: setName,
  epoch: count("Grows with each new Primary."),
  dormant: whether("It is a member of a set that serves elsewhere now."),
  primary: mayBeAbsent(spot),
  secondary: mayBeAbsent(spot),
  alternates: list(spot, "Who would take over after the Secondary, in that order."),
  seats: list(
    z.object({ card: cardId, seat: text("Where in the set."), role, reasons: list(reason, "What speaks against it.") }),
    "All places, the Primary's first, then in the order in which they would take over.",
  ),
  services: list(service, "Its services, by name."),
  units: list(unit, "What moves as one in it, where there is something to tell."),
}).meta({ id: "FailoverSet", description: "A failover set: who serves, who would take over, and why not the others." });

const standing = z.object({
  state: z.enum(["joining", "out", "known"]).meta({
    description: "`known`: it knows what all cards agree on; `joining`: not yet; `out`: it may not serve, and what it tells may be old.",
  }),
  reason: mayBeAbsent(text("Why it is not `known`, in words.")),
  configuration: mayBeAbsent(
    z.object({ epoch: count("The view that ordered it."), sequence: count("The number of the change.") }).meta({
      description: "The last change of the configuration that decisions are made from.",
    }),
  ),
  ownersKnown: whether(
    "Whether it is known what each card runs; after a cold start it is not, until all were heard or an operator says so.",
  ),
});

export const setsSchema = standing.extend({ sets: list(setSchema, "The failover sets, by name.") }).meta({ id: "FailoverSets" });
export const oneSetSchema = standing.extend(setSchema.shape).meta({
  id: "OneFailoverSet",
  description: "A failover set, as the card that answers knows it.",
});

const readinessReason = z.object({
  service: serviceName,
  code: text("Why it would not be taken over, such as `only-card` or `no-room`; for programs."),
  card: mayBeAbsent(cardId),
  text: text("The same in words."),
  forMs: wholeMs("Since when"),
  owner,
  hint,
}).meta({ id: "ReadinessReason", description: "Why a service would not be taken over, or not well." });

export const readinessSchema = standing.extend({
  ready: whether("Every service would find another card if its own one failed now."),
  reasons: list(readinessReason, "Why not, by service."),
  warnings: list(readinessReason, "What makes a takeover slower or less safe without preventing it."),
}).meta({ id: "FailoverReadiness", description: "Whether each service would be taken over." });

const card = z.object({
  card: cardId,
  state: z.enum(["up", "down", "unknown"]).meta({
    description: "`down` is proven; `unknown`: silent, and nothing proves that it is down.",
  }),
  joined: whether("It is joined to the others on Ethernet and takes part in decisions."),
  readiness: z.union([
    z.object({ kind: z.literal("ready") }),
    z.object({ kind: z.literal("booting"), phase: text("How far its start is.") }),
    z.object({ kind: z.literal("hold"), code: text("What it waits for, for programs."), reason: text("The same in words.") }),
  ]).meta({ description: "How far the card is with its start." }),
  health: z.enum(["good", "degraded", "failing"]).meta({
    description: "By its own readings; `failing` loses its services to another card.",
  }),
  healthReasons: list(z.string(), "Why it is not good, the worst first."),
  healthyForMs: mayBeAbsent(wholeMs("How long it has been up, ready and good; absent while it is not")),
  software: text("The version of its program."),
  model: mayBeAbsent(text("What sort of card it is, as it says itself.")),
  configuration: z.enum(["current", "behind"]).meta({ description: "Whether its configuration is the system's." }),
  ports: list(
    z.object({
      port: text("The network interface."),
      state: z.enum(["down", "missing"]).meta({ description: "What is the matter with it." }),
    }),
    "Its network interfaces that are not up.",
  ),
  unfit: list(
    z.object({ resource: resourceName, code: text("What it cannot do, for programs."), reason: text("The same in words.") }),
    "Resources that it cannot serve.",
  ),
  quarantine: mayBeAbsent(quarantine.meta({ description: "It failed too often and has no role." })),
  maintenance: mayBeAbsent(mark.meta({ description: "It is in maintenance, by whom and since when." })),
  drained: mayBeAbsent(mark.meta({ description: "It was drained, by whom and since when." })),
}).meta({ id: "CardFacts", description: "What all cards agree on about one of them." });

export const failoverSchema = readinessSchema.extend({
  sets: list(setSchema, "The failover sets, by name."),
  cards: list(card, "The cards of the configuration, lowest first."),
  activities: list(
    z.object({
      kind: z.enum(["drill", "upgrade"]).meta({ description: "What is under way." }),
      reason: text("Why, in words."),
      forMs: wholeMs("Since when"),
    }),
    "What keeps services from being moved without need.",
  ),
}).meta({ id: "Failover", description: "Who serves what, as the card that answers knows it." });

const phase = z.enum(["detected", "characterized", "shielded", "fenced", "granted", "up", "served", "closed", "aborted"]).meta({
  id: "FailoverPhase",
  description:
    "How far a failover is. `shielded`: nobody takes what the card still says for new; `fenced`: it is proven down; `granted`: others may start; `up`: all that it moved runs; `served`: the first client was answered; `aborted`: it turned out to be none.",
});

const subject = z.union([
  z.object({ kind: z.literal("card"), card: cardId }),
  z.object({ kind: z.literal("service"), service: serviceName, card: cardId }),
  z.object({
    kind: z.literal("order"),
    rule: text("An operator's verb, or the rule that made it move."),
    reason: text("Who or what wanted it, in words."),
  }),
]).meta({ description: "What it is about: a card that failed, a service that failed on one, or a move that was ordered." });

const grant = z.object({
  atMs: sinceStart,
  service: serviceName,
  from: mayBeAbsent(cardId),
  to: cardId,
  epoch: count("Of the service, from then on."),
}).meta({ id: "ServiceMove", description: "A service was given to a card." });

const summary = z.object({
  id: count("Its number; they grow with each failover of the system."),
  subject,
  text: text("The subject in words."),
  view: count("The number of the view in which it began."),
  phase,
  agoMs: wholeMs("How long ago it began"),
  totalMs: mayBeAbsent(wholeMs("Until all that it moved ran again, or the first client was answered")),
  verdict: mayBeAbsent(text("What it was found to be, such as `member failure`.")),
  rule: mayBeAbsent(text("The rule that fired.")),
  why: mayBeAbsent(text("What that rule said, in words.")),
  moves: list(grant, "Who was given what."),
});

export const recordSummarySchema = summary.extend({ receipt: mayBeAbsent(text("What proved that a card was down, such as `reset`.")) })
  .meta({
    id: "FailoverSummary",
    description: "A failover, or a move that was ordered, in short.",
  });

export const recordsSchema = z.object({
  failovers: list(recordSummarySchema, "The newest first."),
  next: mayBeAbsent(count("Where the next page begins: send it as `before`.")),
}).meta({ id: "Failovers" });

export const recordSchema = summary.extend({
  phases: list(
    z.object({ phase, atMs: sinceStart, ms: z.int().meta({ description: "From the phase before to this one, in milliseconds." }) }),
    "When each phase was entered.",
  ),
  evidence: list(
    z.object({
      atMs: sinceStart,
      by: cardId,
      source: z.enum(["serial", "ether", "power", "monitor", "health", "operator", "view"]).meta({ description: "Where it was seen." }),
      text: text("What was seen, in words."),
    }),
    "What was seen, on each link and otherwise.",
  ),
  selfTests: list(
    z.object({
      atMs: sinceStart,
      by: cardId,
      over: z.string().regex(/^(serial|ether|card [0-9]{1,2})$/).meta({
        description: "`serial`, `ether`, or the card that passed it on, such as `card 3`.",
      }) as unknown as z.ZodType<RecordView["selfTests"][number]["over"]>,
      answer: mayBeAbsent(text("What was answered; absent: nothing was.")),
      ms: mayBeAbsent(z.int().meta({ description: "From the question to the answer, in milliseconds." })),
    }),
    "Self-tests that were asked for, and their answers.",
  ),
  votes: list(z.object({ atMs: sinceStart, by: cardId, text: text("What it said, in words.") }), "What third cards said of it."),
  fencing: list(
    z.object({
      atMs: sinceStart,
      by: cardId,
      way: z.enum(["shield", "reset line", "hook", "lease"]).meta({ description: "How the card was kept or stopped from serving." }),
    }),
    "What was done so that the card serves nothing any more.",
  ),
  receipt: mayBeAbsent(
    z.object({ atMs: sinceStart, by: cardId, receipt: text("What proves it: `left`, `power`, `reset`, `failing`, `restarted`, `lease`.") })
      .meta({
        description: "What proved that the card was down.",
      }),
  ),
  resources: list(
    z.object({
      atMs: sinceStart,
      hook: z.enum(["start", "stop"]).meta({ description: "What was done with it." }),
      resource: resourceName,
      service: serviceName,
      card: cardId,
      ms: mayBeAbsent(z.int().meta({ description: "How long it took, in milliseconds; absent while it is under way." })),
      outcome: mayBeAbsent(text("How it ended, such as `done` or `timeout`.")),
      reason: mayBeAbsent(text("Why it did not end well, in words.")),
    }),
    "Each resource that was stopped or started, in the order of time.",
  ),
  timeline: list(
    z.object({
      atMs: sinceStart,
      kind: z.enum([
        "evidence",
        "selfTestSent",
        "selfTestAnswered",
        "vote",
        "characterized",
        "shielded",
        "killSent",
        "receipt",
        "granted",
        "hookStarted",
        "hookEnded",
        "running",
        "firstReply",
        "closed",
        "aborted",
      ]).meta({ description: "What sort of event it is." }),
      text: text("The event in words."),
    }),
    "All of it in the order of time.",
  ),
  dropped: count("Events that did not fit into the record any more."),
  missing: list(z.string(), "What a finished record of its kind has, and this one has not."),
  prevention: list(z.string(), "What would have prevented it, or made it shorter; the most useful first."),
}).meta({ id: "FailoverRecord", description: "A failover, explained." });

export const orderedSchema = z.object({
  outcome: z.enum(["planned", "ordered"]).meta({
    description: "`planned`: it was a dry run; `ordered`: the cards have agreed on it, and carry it out.",
  }),
  lines: list(z.string(), "What moves and why, with its resources, as people read it."),
}).meta({ id: "Ordered", description: "What an operator's verb leads to." });

type Both<A, B> = [A, B] extends [B, A] ? true : never;
type Of<T extends z.ZodType> = z.output<T>;
/** Each never, and so no type for `true`, when a schema and the type it mirrors differ. */
export type FailoverAgrees =
  & Both<Of<typeof failoverSchema>, FailoverView>
  & Both<Of<typeof readinessSchema>, ReadinessView>
  & Both<Of<typeof setsSchema>, SetsView>
  & Both<Of<typeof oneSetSchema>, StandingView & SetView>
  & Both<Of<typeof recordSummarySchema>, RecordSummary>
  & Both<Of<typeof recordSchema>, RecordView>;
true satisfies FailoverAgrees;
