/**
 * The self-test over the redundant link tells a dead card from a dead link (FS-8). A peer that is silent on a link is asked on every link, and
 * through third cards, whether it works to its specification; what is known then goes through the table of `characterization.ts`, which says
 * what else has to be asked, and in the end a verdict.
 *
 *     a link is silent ──► asked on all links, third cards asked ──► verdict ──► links heard again: healthy
 *            ▲                                                        │ 30 s, or a link changes
 *            └────────────────────────────────────────────────────────┘
 *
 * Its one surprising idea: the serial line counts as heard only by what came *since the question went over it*. A card that crashed is silent on
 * Ethernet first, and the last heartbeat on the slow line is no sign of life: so it takes the time of a few frames to find it dead, and not the
 * silence of the slow line. Who goes on beating without an answer is asked until its time is over, and is deaf then, which is no death.
 *
 * Invariants: no verdict of a member's failure without a question that went unanswered on each link that is up and, where third cards are heard,
 * without one that says the same; what this card was late is on nobody's account.
 */
import { unreachable } from "../base/assert.ts";
import { type CardId, chassisOf, type LinkKind, linkKinds } from "../base/ids.ts";
import type { LinkHealth } from "../cluster/heartbeat.ts";
import { relaysMax, selfTestAgainMs, selfTestFreshMs } from "../limits.ts";
import type { Service } from "../service.ts";
import type { SelfTest as SelfTestQuestion, SelfTestAnswer, SelfTestResult } from "../wire/message.ts";
import { type Characterization, characterize, type Evidence } from "./characterization.ts";
import { type Answered, SelfTestAnswers } from "./self-test-answers.ts";
import { type CheckOutcome, gradeOfSelfTest, type SelfTestCheck, selfTestCheckOf, selfTestChecks } from "./self-test-checks.ts";

export type SelfTestSettings = {
  /** How long a receipt takes on each link, at most: a few frame times. */
  readonly answerMs: Readonly<Record<LinkKind, number>>;
  /** How long the checks of a card may take; as long a card that beats is asked. */
  readonly doneMs: number;
  /** How often a question is sent over each link. */
  readonly tries: number;
  /** How long a loss of serial alone is watched before it is judged: whether it is one line or all of them shows within a period. */
  readonly settleMs: number;
  /** Between two cards that are asked early: what that may take of the serial line. */
  readonly earlyGapMs: number;
};

export type SelfTestInput =
  /** How a peer's link stands, at each change. */
  | { readonly kind: "link"; readonly card: CardId; readonly link: LinkKind; readonly health: LinkHealth }
  /** It said goodbye, its end is proven, or it has started anew: there is nothing to find out. */
  | { readonly kind: "gone"; readonly card: CardId }
  /** Nothing came of a peer on Ethernet for half of the silence that it is borne. */
  | { readonly kind: "hush"; readonly card: CardId }
  /** A frame came of a card that is watched. */
  | { readonly kind: "heard"; readonly card: CardId; readonly link: LinkKind }
  /** Whom a card says that it hears. */
  | { readonly kind: "ticks"; readonly from: CardId; readonly ether: readonly CardId[]; readonly serial: readonly CardId[] }
  | { readonly kind: "port"; readonly link: LinkKind; readonly up: boolean }
  | { readonly kind: "question"; readonly from: CardId; readonly link: LinkKind; readonly message: SelfTestQuestion }
  | { readonly kind: "answer"; readonly from: CardId; readonly message: SelfTestAnswer }
  /** What came of one of our own checks. */
  | { readonly kind: "checked"; readonly run: number; readonly check: SelfTestCheck; readonly outcome: CheckOutcome }
  | { readonly kind: "settings"; readonly settings: SelfTestSettings }
  | { readonly kind: "late"; readonly ms: number }
  | { readonly kind: "tick" };

export type SelfTestOutput =
  | { readonly kind: "send"; readonly link: LinkKind; readonly to: CardId; readonly message: SelfTestQuestion | SelfTestAnswer }
  /** Carry our own checks out; each is answered with `checked` and the number of the run. */
  | { readonly kind: "check"; readonly run: number; readonly checks: readonly SelfTestCheck[] }
  | { readonly kind: "verdict"; readonly card: CardId; readonly evidence: Evidence; readonly characterization: Characterization }
  | { readonly kind: "log"; readonly level: "info" | "warn"; readonly event: string; readonly fields: LogFields };

type LogFields = Readonly<Record<string, string | number | boolean | readonly (string | number)[]>>;

/** What came of asking one card, directly. */
type Outcome = "passed" | "port failed" | "failed" | "no answer";

/** Asking one card on all links that we share with it. */
type Round = {
  readonly card: CardId;
  /** Begun before anything was wrong: it is forgotten when it is heard on Ethernet, and counts when it is not. */
  isEarly: boolean;
  readonly id: number;
  readonly links: readonly LinkKind[];
  readonly startedAt: number;
  /** Sent so often in this window; a window ends when a receipt should have come. */
  sent: number;
  nextAt: number;
  windowEndsAt: number;
  /** What came of it since the window began. */
  readonly heard: Record<LinkKind, boolean>;
  /** When its results are due, once it has said that it has the question. */
  doneBy: number;
  outcome: Outcome | undefined;
  results: readonly SelfTestResult[];
  endedAt: number;
  /** Third cards that want to know. */
  readonly askers: { readonly card: CardId; readonly link: LinkKind; readonly id: number }[];
};

/** Asking a third card about a peer. */
type Relay = {
  readonly id: number;
  readonly link: LinkKind;
  /** When its word is due. */
  by: number;
  /** It says that frames of the subject come, and asks on. */
  isHeard: boolean;
  answer: Outcome | "silent" | "deaf" | "none" | undefined;
};

type Peer = {
  readonly card: CardId;
  readonly health: Partial<Record<LinkKind, LinkHealth>>;
  /** Whom it says that it hears, since it is asked for. */
  ticks: { readonly ether: readonly CardId[]; readonly serial: readonly CardId[] } | undefined;
};

/** One peer that something is wrong with. */
type Trial = {
  readonly card: CardId;
  openedAt: number;
  /** How the links stood when they were looked at last, and since when: when that changes, it is asked anew. */
  pattern: string;
  patternAt: number;
  round: Round | undefined;
  readonly relays: Map<CardId, Relay>;
  relaysAsked: boolean;
  verdict: Characterization | undefined;
  evidence: Evidence | undefined;
  againAt: number;
  /** When a loss of serial alone is judged, while that is to come. */
  settledAt: number;
};

export type SelfTestStatus = {
  readonly own: {
    readonly state: "never" | "running" | "done";
    readonly agoMs?: number;
    readonly checks: readonly {
      readonly check: SelfTestCheck;
      readonly result: CheckOutcome["result"];
      readonly code?: string;
      readonly text?: string;
    }[];
  };
  readonly peers: readonly {
    readonly card: CardId;
    readonly forMs: number;
    readonly verdict: Characterization["verdict"];
    readonly action: Characterization["action"];
    readonly reason: string;
    readonly evidence?: Evidence;
    /** Checks that failed, by name, of a peer that answered. */
    readonly failed?: readonly string[];
  }[];
};

export class SelfTest implements Service<SelfTestInput, SelfTestOutput> {
  readonly #card: CardId;
  #settings: SelfTestSettings;
  readonly #answers: SelfTestAnswers;
  readonly #peers = new Map<CardId, Peer>();
  readonly #rounds = new Map<CardId, Round>();
  readonly #trials = new Map<CardId, Trial>();
  /** Whose end is proven, until they are heard again. */
  readonly #gone = new Set<CardId>();
  /** When a card may be asked early again. */
  #earlyFrom = -Infinity;
  readonly #portUp: Record<LinkKind, boolean> = { ether: false, serial: false };
  #lastId: number;
  #outputs: SelfTestOutput[] = [];

  /** Questions are numbered from `nonce`: the answer to one of an earlier run must not pass for one of this run. */
  constructor(card: CardId, nonce: number, settings: SelfTestSettings) {
    this.#card = card;
    this.#lastId = nonce;
    this.#settings = settings;
    this.#answers = new SelfTestAnswers(card);
  }

  deadline(): number {
    let at = this.#answers.deadline();
    for (const round of this.#rounds.values()) if (!this.#isKept(round)) at = Math.min(at, roundDeadline(round));
    for (const trial of this.#trials.values()) {
      at = Math.min(at, trial.againAt, trial.settledAt);
      for (const relay of trial.relays.values()) if (relay.answer === undefined) at = Math.min(at, relay.by);
    }
    return at;
  }

  step(now: number, input: SelfTestInput): SelfTestOutput[] {
    this.#outputs = [];
    switch (input.kind) {
      case "link":
        this.#onLink(now, input.card, input.link, input.health);
        break;
      case "gone":
        this.#onGone(input.card);
        break;
      case "hush":
        this.#onHush(now, input.card);
        break;
      case "heard":
        this.#onHeard(input.card, input.link);
        return this.#outputs;
      case "ticks":
        this.#peerOf(input.from).ticks = { ether: input.ether, serial: input.serial };
        break;
      case "port":
        this.#portUp[input.link] = input.up;
        break;
      case "question":
        this.#onQuestion(now, input.from, input.link, input.message);
        break;
      case "answer":
        this.#onAnswer(now, input.from, input.message);
        break;
      case "checked":
        this.#answer(this.#answers.onChecked(now, input.run, input.check, this.#weighed(input.check, input.outcome)));
        break;
      case "settings":
        this.#settings = input.settings;
        break;
      case "late":
        this.#onLate(input.ms);
        break;
      case "tick":
        break;
      default:
        return unreachable(input);
    }
    this.#runTimers(now);
    for (const trial of [...this.#trials.values()]) this.#judge(now, trial);
    return this.#outputs;
  }

  /** Whether `heard` is wanted for a card. */
  isWatching(card: CardId): boolean {
    return this.#rounds.has(card) || this.#trials.get(card)?.round !== undefined;
  }

  /** Whether `ticks` are wanted. */
  get isInvestigating(): boolean {
    return this.#trials.size > 0;
  }

  status(now: number): SelfTestStatus {
    const own = this.#answers;
    const checks = [...own.outcomes()].map(([check, { result, code, text }]) => ({
      check,
      result,
      ...(code === "" ? {} : { code }),
      ...(text === "" ? {} : { text }),
    }));
    const state = own.isRunning ? "running" : own.finishedAt === -Infinity ? "never" : "done";
    return {
      own: { state, ...(state === "done" ? { agoMs: Math.round(now - own.finishedAt) } : {}), checks },
      peers: [...this.#trials.values()].sort((a, b) => a.card - b.card).map((trial) => this.#trialStatus(now, trial)),
    };
  }

  #trialStatus(now: number, { card, openedAt, verdict, evidence, round }: Trial): SelfTestStatus["peers"][number] {
    const failed = (round?.results ?? []).filter(({ result }) => result === "failed").map(({ check }) =>
      selfTestCheckOf(check) ?? `${check}`
    );
    return {
      card,
      forMs: Math.round(now - openedAt),
      verdict: verdict?.verdict ?? "open",
      action: verdict?.action ?? "none",
      reason: verdict?.reason ?? "it is being asked",
      ...(evidence === undefined ? {} : { evidence }),
      ...(failed.length === 0 ? {} : { failed }),
    };
  }

  // ---- what comes in

  #peerOf(card: CardId): Peer {
    let peer = this.#peers.get(card);
    if (peer === undefined) this.#peers.set(card, peer = { card, health: {}, ticks: undefined });
    return peer;
  }

  #onLink(now: number, card: CardId, link: LinkKind, health: LinkHealth): void {
    // That nothing is heard of it any more is no news.
    if (this.#gone.has(card) && (isLost(health) || health === "unheard")) return;
    this.#gone.delete(card);
    const peer = this.#peerOf(card);
    peer.health[link] = health;
    const isWrong = Object.values(peer.health).some((each) => isLost(each) || each === "oneWay");
    if (!isWrong || this.#trials.has(card)) return;
    for (const other of this.#peers.values()) if (this.#trials.size === 0) other.ticks = undefined;
    this.#trials.set(card, {
      card,
      openedAt: now,
      pattern: "",
      patternAt: now,
      round: undefined,
      relays: new Map(),
      relaysAsked: false,
      verdict: undefined,
      evidence: undefined,
      againAt: Infinity,
      settledAt: Infinity,
    });
  }

  /** The answer to a question takes its time on the slow line: who may be dead is asked before it is silent, so that the answer is due when it is. */
  #onHush(now: number, card: CardId): void {
    if (now < this.#earlyFrom || this.#gone.has(card) || this.#trials.has(card) || this.#rounds.has(card)) return;
    this.#earlyFrom = now + this.#settings.earlyGapMs;
    this.#roundOf(now, card, true);
  }

  #onHeard(card: CardId, link: LinkKind): void {
    if (link === "ether" && this.#rounds.get(card)?.isEarly === true) this.#rounds.delete(card);
    // A question of a third card may have begun another round since the one that a verdict goes by.
    for (const round of [this.#rounds.get(card), this.#trials.get(card)?.round]) if (round !== undefined) round.heard[link] = true;
  }

  #onGone(card: CardId): void {
    this.#gone.add(card);
    this.#trials.delete(card);
    this.#rounds.delete(card);
    this.#peers.delete(card);
  }

  #onQuestion(now: number, from: CardId, link: LinkKind, { id, subject, early }: SelfTestQuestion): void {
    if (subject === this.#card) {
      if (early === true) return this.#answer([this.#answers.receivedBy({ card: from, link, id })]);
      const run = this.#answers.start(now);
      this.#answer(this.#answers.onQuestion(now, { card: from, link, id }));
      if (run !== undefined) this.#outputs.push({ kind: "check", run, checks: selfTestChecks });
      return;
    }
    const round = this.#roundOf(now, subject);
    if (round.askers.some((asker) => asker.card === from && asker.id === id)) return;
    // The newest question of a card is the one that it waits for.
    const before = round.askers.findIndex((asker) => asker.card === from);
    if (before >= 0) round.askers.splice(before, 1);
    round.askers.push({ card: from, link, id });
    if (round.outcome !== undefined) this.#tellAskers(round);
    else if (round.doneBy < Infinity) this.#tell({ ...round, askers: round.askers.slice(-1) }, "received");
  }

  #answer(answers: readonly Answered[]): void {
    for (const { asker, message } of answers) this.#outputs.push({ kind: "send", link: asker.link, to: asker.card, message });
  }

  #onAnswer(now: number, from: CardId, { id, subject, stage, results }: SelfTestAnswer): void {
    const round = this.#rounds.get(subject);
    if (round?.id === id && from === subject) {
      if (round.outcome !== undefined && round.outcome !== "no answer") return;
      // It runs, and was not asked for more.
      if (round.isEarly) return;
      if (stage === "received" && round.doneBy === Infinity) {
        round.doneBy = now + this.#settings.doneMs;
        // Third cards wait for it as long as we do.
        this.#tell(round, "received");
      }
      if (stage === "done") this.#endRound(now, round, gradeOf(results), results);
      return;
    }
    const relay = this.#trials.get(subject)?.relays.get(from);
    if (relay?.id !== id || relay.answer !== undefined) return;
    if (stage === "received" || stage === "deaf") {
      // It is being asked, and will be for as long as a card may take.
      relay.isHeard ||= stage === "deaf";
      relay.by = Math.max(relay.by, now + this.#settings.doneMs);
    } else relay.answer = stage === "done" ? gradeOf(results) : stage;
  }

  /** All that is waited for is borne longer by what we were late. */
  #onLate(ms: number): void {
    this.#answers.onLate(ms);
    for (const round of this.#rounds.values()) {
      round.nextAt += ms;
      round.windowEndsAt += ms;
      round.doneBy += ms;
    }
    for (const trial of this.#trials.values()) for (const relay of trial.relays.values()) relay.by += ms;
  }

  // ---- asking

  /** The round in which a card is asked; one that has just ended counts, unless what it found was overtaken. */
  #roundOf(now: number, card: CardId, isEarly = false): Round {
    const before = this.#rounds.get(card);
    if (before !== undefined && (before.outcome === undefined || isStanding(now, before))) return this.#adopt(now, before);
    const { health } = this.#peerOf(card);
    const links = linkKinds.filter((link) => this.#portUp[link] && (link === "ether" || chassisOf(card) === chassisOf(this.#card)));
    const round: Round = {
      card,
      isEarly,
      id: this.#lastId = (this.#lastId + 1) >>> 0,
      // A link that has been down for long costs nothing but a frame, and may have come back.
      links: links.filter((link) => health[link] !== "unheard").length > 0 ? links : [],
      startedAt: now,
      sent: 0,
      nextAt: now,
      windowEndsAt: 0,
      heard: { ether: false, serial: false },
      doneBy: Infinity,
      outcome: undefined,
      results: [],
      endedAt: Infinity,
      askers: [],
    };
    this.#rounds.set(card, round);
    this.#openWindow(now, round);
    this.#ask(now, round);
    return round;
  }

  /** What was asked early counts from then on: it is asked for its checks too, and the answer to the first question is waited for as long as it was. */
  #adopt(now: number, round: Round): Round {
    if (!round.isEarly) return round;
    round.isEarly = false;
    if (round.outcome === undefined) this.#ask(now, round);
    else {
      // That it did not answer is news only now.
      round.endedAt = now;
      this.#logEnd(now, round);
    }
    return round;
  }

  #openWindow(now: number, round: Round): void {
    round.sent = 0;
    round.nextAt = now;
    round.windowEndsAt = now + this.#windowMs(round.links);
    round.heard.ether = round.heard.serial = false;
  }

  #windowMs(links: readonly LinkKind[]): number {
    return Math.max(0, ...links.map((link) => this.#settings.answerMs[link]));
  }

  /** The tries of a window are spread over its first half, so that the answer to the last one still comes in time. */
  #ask(now: number, round: Round): void {
    const { tries } = this.#settings;
    const { card, id, isEarly } = round;
    const message: SelfTestQuestion = { kind: "selfTest", id, subject: card, ...(isEarly ? { early: true } : {}) };
    for (const link of round.links) this.#outputs.push({ kind: "send", link, to: card, message });
    round.sent++;
    round.nextAt = round.sent >= tries ? Infinity : now + this.#windowMs(round.links) / (2 * tries);
  }

  #runTimers(now: number): void {
    this.#answer(this.#answers.expire(now));
    for (const round of [...this.#rounds.values()]) this.#runRound(now, round);
    for (const trial of this.#trials.values()) {
      for (const [card, relay] of [...trial.relays]) {
        if (relay.answer === undefined && now >= relay.by) this.#endRelay(now, trial, card, relay);
      }
      if (now >= trial.againAt) this.#startOver(now, trial);
    }
  }

  #runRound(now: number, round: Round): void {
    if (round.outcome !== undefined) {
      if (now >= round.endedAt + selfTestFreshMs && !this.#isKept(round)) this.#rounds.delete(round.card);
      return;
    }
    if (round.doneBy < Infinity) {
      // It has the question, so it runs; checks that do not end in time are an answer that does not come.
      if (now >= round.doneBy) this.#endRound(now, round, "no answer", []);
      return;
    }
    if (now >= round.nextAt) this.#ask(now, round);
    if (now < round.windowEndsAt) return;
    if (!this.#isBeating(round) || now >= round.startedAt + this.#settings.doneMs) return this.#endRound(now, round, "no answer", []);
    this.#tell(round, "deaf");
    this.#openWindow(now, round);
    this.#ask(now, round);
  }

  /** Ethernet's own silence shows soon enough; on serial only what came since the question counts. */
  #isBeating({ card, links, heard, isEarly }: Round): boolean {
    const { ether } = this.#peerOf(card).health;
    if (links.some((link) => heard[link])) return true;
    // Who is asked early is not silent for long enough to count as lost, and is forgotten when it is heard on Ethernet.
    return !isEarly && links.includes("ether") && ether !== undefined && !isLost(ether) && ether !== "unheard";
  }

  /** What a trial goes by is kept as long as the trial. */
  #isKept(round: Round): boolean {
    return round.outcome !== undefined && this.#trials.get(round.card)?.round === round;
  }

  #endRound(now: number, round: Round, outcome: Outcome, results: readonly SelfTestResult[]): void {
    round.outcome = outcome;
    round.results = results;
    round.endedAt = now;
    this.#tellAskers(round);
    if (!round.isEarly) this.#logEnd(now, round);
  }

  #logEnd(now: number, { card, outcome, results, startedAt }: Round): void {
    const failed = results.filter(({ result }) => result === "failed").map(({ check, code }) =>
      `${selfTestCheckOf(check) ?? check} ${code}`
    );
    const fields = {
      peer: card,
      outcome: outcome ?? "no answer",
      ms: Math.round(now - startedAt),
      ...(failed.length === 0 ? {} : { failed }),
    };
    this.#outputs.push({ kind: "log", level: outcome === "passed" ? "info" : "warn", event: "self-test", fields });
  }

  #tellAskers(round: Round): void {
    const stage = round.outcome !== "no answer" ? "done" : this.#isBeating(round) ? "deaf" : "silent";
    // Who asked is told so already, and waits as long as we did.
    if (stage !== "deaf") this.#tell(round, stage);
    round.askers.length = 0;
  }

  #tell({ card: subject, results, askers }: Round, stage: SelfTestAnswer["stage"]): void {
    for (const { card, link, id } of askers) {
      this.#outputs.push({ kind: "send", link, to: card, message: { kind: "selfTestAnswer", id, subject, stage, results } });
    }
  }

  #askThirds(now: number, trial: Trial): void {
    if (trial.relaysAsked) return;
    trial.relaysAsked = true;
    for (const { card, link } of this.#thirds(trial.card).slice(0, relaysMax)) this.#askThird(now, trial, card, link);
  }

  #askThird(now: number, trial: Trial, card: CardId, link: LinkKind): void {
    const id = this.#lastId = (this.#lastId + 1) >>> 0;
    const by = now + this.#windowMs(linkKinds) + this.#settings.answerMs[link];
    trial.relays.set(card, { id, link, by, isHeard: false, answer: undefined });
    this.#outputs.push({ kind: "send", link, to: card, message: { kind: "selfTest", id, subject: trial.card } });
  }

  /** Who says nothing on Ethernet is asked on serial: it may be our own port that is broken. */
  #endRelay(now: number, trial: Trial, card: CardId, relay: Relay): void {
    if (!relay.isHeard && relay.link === "ether" && this.#peerOf(card).health.serial === "up") this.#askThird(now, trial, card, "serial");
    else relay.answer = relay.isHeard ? "deaf" : "none";
  }

  /** The other cards that we hear, and the best link to each. */
  #thirds(subject: CardId): { readonly card: CardId; readonly link: LinkKind }[] {
    const thirds: { card: CardId; link: LinkKind }[] = [];
    for (const { card, health } of this.#peers.values()) {
      const link = linkKinds.find((each) => health[each] === "up");
      if (card !== subject && link !== undefined) thirds.push({ card, link });
    }
    return thirds.sort((a, b) => a.card - b.card);
  }

  #testOwnPort(now: number): void {
    const run = this.#answers.start(now);
    if (run !== undefined) this.#outputs.push({ kind: "check", run, checks: selfTestChecks });
  }

  // ---- judging

  /** Forgets what was asked: something has changed, or it is time to look again. The verdict stands until there is another one. */
  #startOver(now: number, trial: Trial): void {
    if (trial.round !== undefined && this.#rounds.get(trial.card) === trial.round) this.#rounds.delete(trial.card);
    trial.round = undefined;
    trial.relays.clear();
    trial.relaysAsked = false;
    trial.againAt = Infinity;
    trial.openedAt = trial.verdict === undefined ? now : trial.openedAt;
  }

  #judge(now: number, trial: Trial): void {
    const peer = this.#peerOf(trial.card);
    let evidence = this.#evidenceOf(peer, trial);
    const pattern = `${evidence.serial} ${evidence.ether}`;
    if (pattern !== trial.pattern) {
      // A question that is under way goes over all links anyhow; what was answered before may be overtaken, unless the answer is the change. What
      // third cards said of a card that was silent is overtaken once it is not.
      const isAnswered = trial.round?.outcome !== undefined && trial.round.endedAt < now;
      const isOvertaken = trial.relaysAsked && hasLinkBack(trial.pattern, pattern);
      if (isAnswered || isOvertaken) {
        this.#startOver(now, trial);
        evidence = this.#evidenceOf(peer, trial);
      }
      trial.pattern = `${evidence.serial} ${evidence.ether}`;
      trial.patternAt = now;
    }
    const found = characterize(evidence);
    if (found.verdict === "open") this.#askFor(now, trial, found);
    const settledAt = this.#settledAt(peer, trial);
    trial.settledAt = settledAt > now ? settledAt : Infinity;
    if (found.verdict === "open" || now < settledAt) return;
    if (found.row !== trial.verdict?.row) {
      trial.verdict = found;
      trial.evidence = evidence;
      const { verdict, action, reason } = found;
      const level = verdict === "healthy" ? "info" : "warn";
      this.#outputs.push({ kind: "log", level, event: "verdict", fields: { peer: trial.card, verdict, action, because: reason } });
      this.#outputs.push({ kind: "verdict", card: trial.card, evidence, characterization: found });
    }
    if (found.verdict === "healthy") this.#trials.delete(trial.card);
    else if (trial.againAt === Infinity) trial.againAt = now + selfTestAgainMs;
  }

  /** Until when a loss of serial alone is only watched. */
  #settledAt(peer: Peer, { patternAt }: Trial): number {
    const isSerialAlone = this.#isLost(peer, "serial") && !this.#isLost(peer, "ether");
    return isSerialAlone ? patternAt + this.#settings.settleMs : -Infinity;
  }

  #askFor(now: number, trial: Trial, { action }: Characterization): void {
    switch (action) {
      case "send self-test":
        trial.round ??= this.#roundOf(now, trial.card);
        // Those who lost it too know at once; nobody is to wait for one question to end before the next.
        if (this.#isLost(this.#peerOf(trial.card), "ether")) this.#askThirds(now, trial);
        if (this.#ownPort(trial.card) === "not asked") this.#testOwnPort(now);
        return;
      case "ask third cards":
        return this.#askThirds(now, trial);
      case "test own port":
        return this.#testOwnPort(now);
      default:
        return;
    }
  }

  #evidenceOf(peer: Peer, trial: Trial): Evidence {
    const { round } = trial;
    const isSilent = (link: LinkKind): boolean => {
      if (this.#isLost(peer, link)) return true;
      // What was heard on the slow link before the question is no sign of life.
      return link === "serial" && round?.outcome === "no answer" && round.links.includes(link) && !round.heard[link];
    };
    const ticks = peer.health.ether === "oneWay" ? "ether missing" : peer.health.serial === "oneWay" ? "serial missing" : "all";
    return {
      serial: isSilent("serial") ? "down" : "up",
      ether: isSilent("ether") ? "down" : "up",
      ticks,
      selfTest: round?.outcome ?? "not asked",
      relay: relayed(trial),
      loopback: this.#ownPort(peer.card),
      third: this.#third(trial),
      serialLoss: this.#serialLoss(peer.card),
    };
  }

  /** A card of another chassis has no serial line with us: the one link counts for both. */
  #isLost({ card, health }: Peer, link: LinkKind): boolean {
    const each = chassisOf(card) === chassisOf(this.#card) ? health[link] : health.ether;
    return each !== undefined && isLost(each);
  }

  #ownPort(subject: CardId): Evidence["loopback"] {
    const known = this.#knownPort(subject);
    if (known !== undefined) return known;
    if (this.#answers.isRunning || this.#answers.finishedAt === -Infinity) return "not asked";
    return gradeOf(this.#answers.results()) === "port failed" ? "failed" : "passed";
  }

  /**
   * Whoever hears and is heard on Ethernet has a port that works; who is heard or hears nobody there, while the others hear each other, has not,
   * whatever its own checks say.
   */
  #knownPort(subject: CardId | undefined): "passed" | "failed" | undefined {
    if (!this.#portUp.ether) return "failed";
    const others = [...this.#peers.values()];
    if (others.some(({ card, health }) => card !== subject && health.ether === "up")) return "passed";
    if (others.some(({ health }) => health.ether === "up")) return undefined;
    return others.some(({ ticks }) => ticks?.ether.some((card) => this.#peers.get(card)?.ticks !== undefined)) ? "failed" : undefined;
  }

  /** What the edge finds of the port is less than what the others say. */
  #weighed(check: SelfTestCheck, outcome: CheckOutcome): CheckOutcome {
    if (check !== "loopback") return outcome;
    const known = this.#knownPort(undefined);
    if (known === undefined || known === outcome.result || outcome.result === "failed") return outcome;
    const { ms } = outcome;
    return known === "passed"
      ? { result: "passed", code: "", text: "", ms }
      : { result: "failed", code: "alone", text: "the others hear each other, and nobody us", ms };
  }

  /** What third cards say by their answers, and before these come by their ticks. */
  #third(trial: Trial): Evidence["third"] {
    const thirds = this.#thirds(trial.card);
    if (thirds.length === 0) return "none";
    const answers = [...trial.relays.values()].map(({ answer }) => answer);
    const hears = answers.some((answer) => answer !== undefined && answer !== "silent" && answer !== "none");
    if (hears) return "hears it";
    if (answers.includes("silent")) return "silent";
    if (trial.relaysAsked && answers.every((answer) => answer === "none")) return "none";
    const ticked = thirds.some(({ card }) => {
      const ticks = this.#peers.get(card)?.ticks;
      return ticks === undefined || ticks.ether.includes(trial.card) || ticks.serial.includes(trial.card);
    });
    return ticked ? "hears it" : "silent";
  }

  /** Of the cards of our chassis: whether we have lost more than this one on serial, and whether they have lost each other. */
  #serialLoss(subject: CardId): Evidence["serialLoss"] {
    const peers = [...this.#peers.values()].filter(({ card, health }) =>
      chassisOf(card) === chassisOf(this.#card) && health.serial !== undefined
    );
    if (!this.#portUp.serial) return "ours";
    if (peers.length < 2 || peers.some(({ health }) => health.serial !== undefined && !isLost(health.serial))) return "this one";
    const others = peers.filter(({ card, ticks }) => card !== subject && ticks !== undefined);
    return others.length > 0 && others.every(({ ticks }) => ticks?.serial.length === 0) ? "all" : "ours";
  }
}

/** Whether a link that was down is up: "serial ether", each up or down. */
function hasLinkBack(before: string, now: string): boolean {
  const links = now.split(" ");
  return before.split(" ").some((link, index) => link === "down" && links[index] === "up");
}

/** Silent or worse. */
function isLost(health: LinkHealth): boolean {
  return health === "silent" || health === "down";
}

function gradeOf(results: readonly SelfTestResult[]): "passed" | "port failed" | "failed" {
  return gradeOfSelfTest(results.map(({ check, result }) => ({ check: selfTestCheckOf(check), result })));
}

/** Whether what a round found still holds: it is fresh, and nothing was heard of a card that was found silent. */
function isStanding(now: number, { outcome, endedAt, heard }: Round): boolean {
  return now < endedAt + selfTestFreshMs && (outcome !== "no answer" || (!heard.ether && !heard.serial));
}

function roundDeadline({ outcome, doneBy, nextAt, windowEndsAt, endedAt }: Round): number {
  if (outcome !== undefined) return endedAt + selfTestFreshMs;
  return doneBy < Infinity ? doneBy : Math.min(nextAt, windowEndsAt);
}

/** The best answer of a third card; nothing while one that could be better is out. */
function relayed({ relays, relaysAsked }: Trial): Evidence["relay"] {
  const answers = [...relays.values()].map(({ answer }) => answer);
  for (const outcome of ["passed", "port failed", "failed"] as const) if (answers.includes(outcome)) return outcome;
  if (!relaysAsked || answers.includes(undefined)) return "not asked";
  return answers.length === 0 ? "not asked" : "no answer";
}
