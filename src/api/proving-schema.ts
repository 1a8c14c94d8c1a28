/** The schemas of what a card answers about its start and its self-tests; `schema.ts` proves that they say what the types say. */
import { z } from "@hono/zod-openapi";
import { cardId, mayBeAbsent, wholeMs } from "./schema-part.ts";

const bootType = z.enum(["cold", "warm", "hot-insert", "fenced", "upgrade", "maintenance"]).meta({
  id: "BootType",
  description:
    "`cold`: the chassis was powered on; `warm`: the program or the card's system started anew; `hot-insert`: the card was put in while the chassis ran; `fenced`: a peer had its reset line pulled; `upgrade`: other software than before; `maintenance`: an operator's mark.",
});

const phases = ["post", "listen", "announce", "catch-up", "arbitrate", "ready"] as const;
const phase = z.enum(phases).meta({
  id: "BootPhase",
  description: "How far a card is with its start. Only one that is `ready` is given anything to serve.",
});
const bootState = z.enum([...phases, "hold"]).meta({
  id: "BootState",
  description: "The phase of a card's start, or `hold`: something keeps it out, see the code.",
});
const result = z.enum(["passed", "failed", "skipped"]);
const words = (description: string) => z.string().meta({ description });

export const bootSchema = z.object({
  type: mayBeAbsent(bootType),
  because: mayBeAbsent(words("Why it is a start of this type, in words.")),
  state: bootState,
  phase,
  waitsFor: mayBeAbsent(words("What it waits for, in words.")),
  hold: mayBeAbsent(
    z.object({
      code: z.enum([
        "post-failed",
        "links-down",
        "duplicate-identity",
        "incompatible",
        "configuration",
        "catching-up",
        "no-quorum",
        "cards-missing",
        "disabled",
        "maintenance",
        "quarantined",
        "reboot-loop",
      ]).meta({ description: "What it holds for; for programs." }),
      reason: words("What keeps it out."),
      hint: words("What ends that."),
    }).meta({ description: "What keeps the card out, while it holds." }),
  ),
  forMs: wholeMs("How long it has been in this state"),
  tookMs: mayBeAbsent(wholeMs("From the start to ready")),
  lastRole: z.enum(["none", "alternate", "secondary", "primary"]).meta({
    description: "Its highest role in any failover set; before it is ready, that of its last run.",
  }),
  checks: z.array(z.object({
    check: z.enum(["clock", "memory", "state", "ether", "serial", "watchdog"]),
    result: z.enum(["running", "passed", "failed", "skipped"]),
    critical: z.boolean().meta({ description: "The card does not start with it failed." }),
    code: mayBeAbsent(words("A word for programs.")),
    text: mayBeAbsent(words("The same for people.")),
    ms: mayBeAbsent(wholeMs("What it took")),
  })).readonly().meta({ description: "The checks of the start, by name." }),
  peers: z.array(z.object({
    card: cardId,
    type: bootType,
    state: bootState,
    hold: mayBeAbsent(words("The code of its hold.")),
  })).readonly().meta({ description: "What the cards that are heard have announced of theirs." }),
}).meta({ id: "Boot", description: "How far a card is with its start." });

const link = z.enum(["up", "down"]);
const grade = z.enum(["not asked", "passed", "port failed", "failed", "no answer"]);

const evidence = z.object({
  serial: link.meta({ description: "Whether the card is heard on serial." }),
  ether: link.meta({ description: "Whether the card is heard on Ethernet." }),
  ticks: z.enum(["all", "serial missing", "ether missing"]).meta({ description: "Whether it says that it hears us, where we hear it." }),
  selfTest: grade.meta({ description: "What its self-test gave." }),
  relay: grade.meta({ description: "The same test, sent by a third card." }),
  loopback: z.enum(["not asked", "passed", "failed"]).meta({ description: "What the loopback of our own Ethernet port gave." }),
  third: z.enum(["hears it", "silent", "none"]).meta({ description: "Whether third cards hear it; `none`: there is none that we hear." }),
  serialLoss: z.enum(["this one", "ours", "all"]).meta({ description: "To whom a serial line that is lost is lost." }),
}).meta({ id: "Evidence", description: "What the verdict was made from." });

export const selfTestSchema = z.object({
  own: z.object({
    state: z.enum(["never", "running", "done"]).meta({ description: "Whether it was asked for its checks." }),
    agoMs: mayBeAbsent(wholeMs("When its checks were done last")),
    checks: z.array(z.object({
      check: z.enum(["process", "database", "disk", "carrier", "loopback", "gateway", "multiplexor"]).meta({
        description: "The check's name.",
      }),
      result,
      code: mayBeAbsent(words("A word for programs.")),
      text: mayBeAbsent(words("The same for people.")),
    })).readonly(),
  }).meta({ description: "This card's own checks, as they were asked for last." }),
  peers: z.array(z.object({
    card: cardId,
    forMs: wholeMs("How long something has been wrong with it"),
    verdict: z.enum([
      "healthy",
      "one-way fault",
      "peer's public port",
      "own public port",
      "path between two cards",
      "serial line",
      "own serial port",
      "multiplexor",
      "two path faults",
      "isolated",
      "sick member",
      "member failure",
      "undecidable",
      "open",
    ]).meta({ description: "`open`: it is being asked." }),
    action: z.enum([
      "none",
      "alarm",
      "send self-test",
      "ask third cards",
      "test own port",
      "peer hands over",
      "hand over own",
      "demote and restart",
      "shield, fence, take over",
      "shield, fence, wait for proof",
    ]).meta({ description: "What follows from the verdict." }),
    reason: words("Why, in words."),
    evidence: mayBeAbsent(evidence),
    failed: mayBeAbsent(z.array(z.string()).readonly().meta({ description: "The checks that failed on it, by name." })),
  })).readonly().meta({ description: "The peers with which something is wrong, by number." }),
}).meta({ id: "SelfTest", description: "Whether what is silent is a link or a card, as the self-tests over the other link tell." });
