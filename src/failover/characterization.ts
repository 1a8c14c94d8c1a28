/**
 * Characterization tells the failure of a link from the failure of a card (FS-8): the table of the design as data. The first row that fits the
 * evidence gives the verdict; every combination of evidence fits one, which a test walks.
 *
 * The self-test goes over the redundant link, or over a third card. The rule of thumb behind the order of the rows: whoever answers is alive,
 * whoever hears nobody suspects itself first, and only silence on every way there is makes a dead card.
 */

/** What one card knows of a peer. */
export type Evidence = {
  /** Whether the peer is heard on the link. */
  readonly serial: "up" | "down";
  readonly ether: "up" | "down";
  /** Whether the peer says that it hears us, on the links on which we hear it. */
  readonly ticks: "all" | "serial missing" | "ether missing";
  /** The self-test over the link that is up, or over both: `port` is a pass but for its own loopback of the Ethernet port. */
  readonly selfTest: "not asked" | "passed" | "port failed" | "failed" | "no answer";
  /** The same test sent by a third card. */
  readonly relay: "not asked" | "passed" | "port failed" | "failed" | "no answer";
  /** Our own Ethernet port's loopback. */
  readonly loopback: "not asked" | "passed" | "failed";
  /** Whether third cards hear the peer; `none`: there is no third card that we hear. */
  readonly third: "hears it" | "silent" | "none";
  /** Of a lost serial line: lost to this peer only, to all of ours, or to everybody's. */
  readonly serialLoss: "this one" | "ours" | "all";
};

export const evidenceValues: { readonly [Name in keyof Evidence]: readonly Evidence[Name][] } = {
  serial: ["up", "down"],
  ether: ["up", "down"],
  ticks: ["all", "serial missing", "ether missing"],
  selfTest: ["not asked", "passed", "port failed", "failed", "no answer"],
  relay: ["not asked", "passed", "port failed", "failed", "no answer"],
  loopback: ["not asked", "passed", "failed"],
  third: ["hears it", "silent", "none"],
  serialLoss: ["this one", "ours", "all"],
};

export type Verdict =
  | "healthy"
  | "one-way fault"
  | "peer's public port"
  | "own public port"
  | "path between two cards"
  | "serial line"
  | "own serial port"
  | "multiplexor"
  | "two path faults"
  | "isolated"
  | "sick member"
  | "member failure"
  | "undecidable"
  /** More evidence is asked for first. */
  | "open";

export type CharacterizationAction =
  | "none"
  | "alarm"
  | "send self-test"
  | "ask third cards"
  | "test own port"
  /** The peer gives up addresses and paths, and stays a member. */
  | "peer hands over"
  | "hand over own"
  /** Ordered demotion, restart, re-integration or fail-stop. */
  | "demote and restart"
  | "shield, fence, take over"
  /** Without a receipt only the holder of the tie-break acts, after the lease. */
  | "shield, fence, wait for proof";

export type CharacterizationRow = {
  readonly name: string;
  /** The values that fit; what is not named may be anything. */
  readonly when: { readonly [Name in keyof Evidence]?: readonly Evidence[Name][] };
  readonly verdict: Verdict;
  readonly action: CharacterizationAction;
  /** Whether it may end in another card's taking over. */
  readonly isFailover: boolean;
  readonly reason: string;
};

const up = ["up"] as const;
const down = ["down"] as const;

export const characterizationTable: readonly CharacterizationRow[] = [
  {
    name: "sick",
    when: { selfTest: ["failed"] },
    verdict: "sick member",
    action: "demote and restart",
    isFailover: true,
    reason: "it answers, and fails its specification",
  },
  {
    name: "sick, by relay",
    when: { relay: ["failed"] },
    verdict: "sick member",
    action: "demote and restart",
    isFailover: true,
    reason: "it answers a third card, and fails its specification",
  },
  {
    name: "healthy",
    when: { serial: up, ether: up, ticks: ["all"] },
    verdict: "healthy",
    action: "none",
    isFailover: false,
    reason: "heard and hearing on both links",
  },
  {
    name: "one way",
    when: { serial: up, ether: up },
    verdict: "one-way fault",
    action: "alarm",
    isFailover: false,
    reason: "heard on both links, and it does not hear us on one: redundancy is lost",
  },
  {
    name: "own port",
    when: { serial: up, ether: down, loopback: ["failed"] },
    verdict: "own public port",
    action: "hand over own",
    isFailover: true,
    reason: "our own port fails its loopback: what it served goes to others",
  },
  {
    name: "peer's port",
    when: { serial: up, ether: down, selfTest: ["port failed"] },
    verdict: "peer's public port",
    action: "peer hands over",
    isFailover: true,
    reason: "its port fails its loopback: it gives up addresses and paths and stays a member",
  },
  {
    name: "ask, Ethernet lost",
    when: { serial: up, ether: down, selfTest: ["not asked"] },
    verdict: "open",
    action: "send self-test",
    isFailover: false,
    reason: "Ethernet is lost, serial is up: a self-test over serial tells why",
  },
  {
    name: "deaf on serial",
    when: { serial: up, ether: down, selfTest: ["no answer"] },
    verdict: "sick member",
    action: "demote and restart",
    isFailover: true,
    reason: "its heartbeats come and its self-test is not answered: its program is stuck",
  },
  {
    name: "own port untested",
    when: { serial: up, ether: down, selfTest: ["passed"], loopback: ["not asked"] },
    verdict: "open",
    action: "test own port",
    isFailover: false,
    reason: "its port is well: ours is tested before the path is blamed",
  },
  {
    name: "path",
    when: { serial: up, ether: down, selfTest: ["passed"], loopback: ["passed"] },
    verdict: "path between two cards",
    action: "alarm",
    isFailover: false,
    reason: "both ports pass their loopback: the path between them is broken",
  },
  {
    name: "multiplexor",
    when: { serial: down, ether: up, serialLoss: ["all"] },
    verdict: "multiplexor",
    action: "alarm",
    isFailover: false,
    reason: "every card has lost serial to every other one: the multiplexor or its power",
  },
  {
    name: "own serial",
    when: { serial: down, ether: up, serialLoss: ["ours"] },
    verdict: "own serial port",
    action: "alarm",
    isFailover: false,
    reason: "only we have lost serial, and to all: our line or tty",
  },
  {
    name: "ask, serial lost",
    when: { serial: down, ether: up, selfTest: ["not asked"] },
    verdict: "open",
    action: "send self-test",
    isFailover: false,
    reason: "serial is lost, Ethernet is up: a self-test over Ethernet tells why",
  },
  {
    name: "peer's port, by Ethernet",
    when: { serial: down, ether: up, selfTest: ["port failed"] },
    verdict: "peer's public port",
    action: "peer hands over",
    isFailover: true,
    reason: "it is heard on a port that fails its loopback: it gives up addresses and paths and stays a member",
  },
  {
    name: "deaf on Ethernet",
    when: { serial: down, ether: up, selfTest: ["no answer"] },
    verdict: "sick member",
    action: "demote and restart",
    isFailover: true,
    reason: "its heartbeats come and its self-test is not answered: its program is stuck",
  },
  {
    name: "serial line",
    when: { serial: down, ether: up },
    verdict: "serial line",
    action: "alarm",
    isFailover: false,
    reason: "it passes its self-test over Ethernet: the serial line or its port of the multiplexor",
  },
  {
    name: "two paths",
    when: { serial: down, ether: down, relay: ["passed"] },
    verdict: "two path faults",
    action: "alarm",
    isFailover: false,
    reason: "it passes its self-test through a third card: both our paths to it are broken; it keeps what it has while the quorum holds",
  },
  {
    name: "peer's port, by relay",
    when: { serial: down, ether: down, relay: ["port failed"] },
    verdict: "peer's public port",
    action: "peer hands over",
    isFailover: true,
    reason: "it answers through a third card that its port fails its loopback: it gives up addresses and paths and stays a member",
  },
  {
    name: "answered after all",
    when: { serial: down, ether: down, selfTest: ["passed", "port failed"] },
    verdict: "two path faults",
    action: "alarm",
    isFailover: false,
    reason: "it answered a self-test although no heartbeat is heard: it is alive behind bad links",
  },
  {
    name: "ask a third card",
    when: { serial: down, ether: down, third: ["hears it"], relay: ["not asked"] },
    verdict: "open",
    action: "ask third cards",
    isFailover: false,
    reason: "a third card hears it: the self-test goes through that card",
  },
  {
    name: "deaf to a third card",
    when: { serial: down, ether: down, third: ["hears it"] },
    verdict: "sick member",
    action: "demote and restart",
    isFailover: true,
    reason: "a third card hears its heartbeats and gets no answer to the self-test: its program is stuck",
  },
  {
    name: "isolated",
    when: { serial: down, ether: down, loopback: ["failed"] },
    verdict: "isolated",
    action: "hand over own",
    isFailover: true,
    reason: "nothing is heard and our own port fails its loopback: we are the ones who are cut off",
  },
  {
    name: "ask, both lost",
    when: { serial: down, ether: down, selfTest: ["not asked"] },
    verdict: "open",
    action: "send self-test",
    isFailover: false,
    reason: "both links are silent: a last self-test over each before anything is done",
  },
  {
    name: "ask a third card that is silent",
    when: { serial: down, ether: down, third: ["silent"], relay: ["not asked"] },
    verdict: "open",
    action: "ask third cards",
    isFailover: false,
    reason: "third cards do not hear it either: they send their self-test too",
  },
  {
    name: "own port first",
    when: { serial: down, ether: down, loopback: ["not asked"] },
    verdict: "open",
    action: "test own port",
    isFailover: false,
    reason: "nobody is fenced before our own port has passed its loopback",
  },
  {
    name: "member failure",
    when: { serial: down, ether: down, third: ["silent"] },
    verdict: "member failure",
    action: "shield, fence, take over",
    isFailover: true,
    reason: "nobody hears it, and nobody's self-test is answered",
  },
  {
    name: "undecidable",
    when: { serial: down, ether: down, third: ["none"] },
    verdict: "undecidable",
    action: "shield, fence, wait for proof",
    isFailover: true,
    reason: "it does not answer and no third card can say more: dead, or both links are cut",
  },
];

export type Characterization = {
  readonly row: string;
  readonly verdict: Verdict;
  readonly action: CharacterizationAction;
  readonly isFailover: boolean;
  readonly reason: string;
};

export function characterize(evidence: Evidence): Characterization {
  const row = characterizationTable.find((candidate) => fits(candidate, evidence));
  // The text is made only when it is needed: this is asked at each word of a card that is being judged.
  if (row === undefined) throw new Error(`broken invariant: no row of the table of characterization fits ${JSON.stringify(evidence)}`);
  const { name, verdict, action, isFailover, reason } = row;
  return { row: name, verdict, action, isFailover, reason };
}

export function fits({ when }: CharacterizationRow, evidence: Evidence): boolean {
  for (const name of Object.keys(when) as (keyof Evidence)[]) {
    const values: readonly string[] = when[name] ?? [];
    if (!values.includes(evidence[name])) return false;
  }
  return true;
}
