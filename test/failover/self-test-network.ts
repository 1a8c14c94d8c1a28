/**
 * Cards that hear each other by their real heartbeats and ask each other for self-tests, on two links, in one process. What is written about it in
 * the files of `test/failover/verdicts`, one verb a line, above the line `----`; below it everything that the cards concluded:
 *
 *     cards 3              how many, in one chassis; `chassis 2` puts half of them into a second one
 *     profile fast         how patient they are
 *     baud 115200
 *     settle               runs until all are healthy
 *     cut ether 1 2        nothing goes between two cards on a link; `cut ether 1 > 2` one way; `heal` likewise, or `heal` alone for all
 *     port 1 ether down    carrier is lost, and the card knows
 *     loopback 1 broken    its port has carrier and carries nothing, which its own check finds; `unseen`: which it does not find; `well` ends it
 *     multiplexor dead     nothing goes on serial; `alive`
 *     tty 1 broken         nothing goes on the card's serial line, and the card does not know
 *     crash 2              it stops
 *     deaf 2               its heartbeats come and its program answers nothing
 *     sick 2 disk          a check of it fails; `hung` never answers; `well`
 *     gone 2               its end is proven to all, whatever they hear
 *     stall 1 500          it stands still for so long
 *     run 1000
 *     trace                from here on questions and answers are recorded too
 *     ----
 */
import { assert } from "../../src/base/assert.ts";
import { cardsIn } from "../../src/base/card-set.ts";
import { cardAt, type CardId, chassisOf, type LinkKind, linkKinds } from "../../src/base/ids.ts";
import { Heartbeat } from "../../src/cluster/heartbeat.ts";
import { serialMs } from "../../src/cluster/serial-budget.ts";
import type { Evidence } from "../../src/failover/characterization.ts";
import { SelfTest, type SelfTestInput, type SelfTestOutput } from "../../src/failover/self-test.ts";
import { type CheckOutcome, type SelfTestCheck } from "../../src/failover/self-test-checks.ts";
import { selfTestAnswerMs } from "../../src/failover/self-test-timing.ts";
import { patienceOf, type ProfileName, profiles } from "../../src/node/profiles.ts";
import type { Heartbeat as HeartbeatMessage, SelfTest as Question, SelfTestAnswer } from "../../src/wire/message.ts";

type Message = HeartbeatMessage | Question | SelfTestAnswer;
type Flight = { readonly at: number; readonly order: number; readonly deliver: () => void };

type Card = {
  readonly id: CardId;
  readonly heartbeat: Heartbeat;
  readonly selfTest: SelfTest;
  readonly port: Record<LinkKind, boolean>;
  isRunning: boolean;
  isDeaf: boolean;
  hasLoopback: boolean;
  findsLoopback: boolean;
  stalledUntil: number;
  readonly waiting: (() => void)[];
  readonly checks: Map<SelfTestCheck, "failed" | "hung">;
};

export class SelfTestNetwork {
  now = 0;
  readonly cards = new Map<CardId, Card>();
  readonly lines: string[] = [];
  readonly verdicts: { readonly at: number; readonly by: CardId; readonly card: CardId; readonly verdict: string; readonly row: string }[] =
    [];
  isTracing = false;
  isQuiet = false;
  multiplexorWorks = true;
  readonly #cuts = new Set<string>();
  readonly #brokenTtys = new Set<CardId>();
  #flights: Flight[] = [];
  #order = 0;
  readonly #baud: number;

  constructor(count: number, options: { readonly profile?: ProfileName; readonly baud?: number; readonly chassis?: number } = {}) {
    const { profile = "default", baud = 115_200, chassis = 1 } = options;
    this.#baud = baud;
    const ids = Array.from({ length: count }, (_, index) => {
      const perChassis = Math.ceil(count / chassis);
      return cardAt(Math.floor(index / perChassis) + 1, index % perChassis + 1);
    });
    const ether = patienceOf(profiles[profile].ether);
    const serial = patienceOf(profiles[profile].serial);
    const settings = { ether, serial, baud, expected: ids };
    for (const id of ids) {
      const selfTest = new SelfTest(id, id * 1_000, {
        answerMs: selfTestAnswerMs(baud),
        doneMs: 2_000,
        tries: 2,
        settleMs: serial.downAfterMs,
        earlyGapMs: 500,
      });
      this.cards.set(id, {
        id,
        heartbeat: new Heartbeat(id, settings),
        selfTest,
        port: { ether: true, serial: true },
        isRunning: true,
        isDeaf: false,
        hasLoopback: true,
        findsLoopback: true,
        stalledUntil: 0,
        waiting: [],
        checks: new Map(),
      });
    }
    for (const card of this.cards.values()) for (const link of linkKinds) this.#port(card, link, true);
  }

  card(id: number): Card {
    const card = this.cards.get(id as CardId);
    assert(card !== undefined, `no card ${id}`);
    return card;
  }

  /** Carries a line of a scenario out. */
  perform(line: string): void {
    const [verb = "", ...words] = line.split(/\s+/);
    const number = (index: number) => Number(words[index]);
    switch (verb) {
      case "run":
        return this.run(number(0));
      case "settle":
        this.isQuiet = true;
        this.run(3_000);
        this.isQuiet = false;
        return;
      case "trace":
        this.isTracing = true;
        return;
      case "cut":
      case "heal":
        return this.#cut(verb === "cut", words);
      case "port":
        return this.#port(this.card(number(0)), words[1] as LinkKind, words[2] === "up");
      case "loopback":
        this.card(number(0)).hasLoopback = words[1] === "well";
        this.card(number(0)).findsLoopback = words[1] !== "unseen";
        return;
      case "multiplexor":
        this.multiplexorWorks = words[0] === "alive";
        return;
      case "tty":
        if (words[1] === "well") this.#brokenTtys.delete(number(0) as CardId);
        else this.#brokenTtys.add(number(0) as CardId);
        return;
      case "crash":
        this.card(number(0)).isRunning = false;
        return;
      case "deaf":
        this.card(number(0)).isDeaf = true;
        return;
      case "sick": {
        const [, check = "", how] = words;
        this.card(number(0)).checks.set(check as SelfTestCheck, how === "hung" ? "hung" : "failed");
        return;
      }
      case "well":
        this.card(number(0)).checks.clear();
        return;
      case "gone":
        for (const card of this.#running()) if (card.id !== number(0)) this.#tell(card, { kind: "gone", card: number(0) as CardId });
        return;
      case "stall":
        this.card(number(0)).stalledUntil = this.now + number(1);
        return;
      default:
        throw new Error(`no verb "${verb}"`);
    }
  }

  run(ms: number): void {
    const until = this.now + ms;
    for (;;) {
      let at = until;
      for (const flight of this.#flights) at = Math.min(at, flight.at);
      for (const card of this.#running()) {
        at = Math.min(at, Math.max(card.stalledUntil, Math.min(card.heartbeat.deadline(), card.selfTest.deadline())));
      }
      this.now = Math.max(this.now, at);
      const due = this.#flights.filter((flight) => flight.at <= this.now).sort((a, b) => a.at - b.at || a.order - b.order);
      this.#flights = this.#flights.filter((flight) => flight.at > this.now);
      for (const { deliver } of due) deliver();
      let hasTicked = false;
      for (const card of this.#running()) {
        if (this.now < card.stalledUntil) continue;
        for (const deliver of card.waiting.splice(0)) deliver();
        if (card.heartbeat.deadline() <= this.now) {
          hasTicked = true;
          this.#beat(card, card.heartbeat.step(this.now, { kind: "tick" }));
        }
        if (card.selfTest.deadline() <= this.now) {
          hasTicked = true;
          this.#tell(card, { kind: "tick" });
        }
      }
      if (this.now >= until && due.length === 0 && !hasTicked) return;
    }
  }

  #running(): Card[] {
    return [...this.cards.values()].filter(({ isRunning }) => isRunning);
  }

  #port(card: Card, link: LinkKind, up: boolean): void {
    card.port[link] = up;
    this.#tell(card, { kind: "port", link, up });
    this.#beat(card, card.heartbeat.step(this.now, { kind: "port", link, up }));
  }

  #cut(cut: boolean, words: readonly string[]): void {
    const [link, a, ...rest] = words;
    if (link === undefined) return this.#cuts.clear();
    const isOneWay = rest[0] === ">";
    const b = isOneWay ? rest[1] : rest[0];
    for (const key of isOneWay ? [`${link} ${a} ${b}`] : [`${link} ${a} ${b}`, `${link} ${b} ${a}`]) {
      if (cut) this.#cuts.add(key);
      else this.#cuts.delete(key);
    }
  }

  #passes(link: LinkKind, from: Card, to: Card): boolean {
    if (this.#cuts.has(`${link} ${from.id} ${to.id}`) || !from.port[link] || !to.port[link]) return false;
    if (link === "ether") return from.hasLoopback && to.hasLoopback;
    const isBroken = this.#brokenTtys.has(from.id) || this.#brokenTtys.has(to.id);
    return chassisOf(from.id) === chassisOf(to.id) && this.multiplexorWorks && !isBroken;
  }

  #send(from: Card, link: LinkKind, to: CardId | undefined, message: Message): void {
    // A frame is on the serial line twice: to the multiplexor and from it.
    const delayMs = link === "ether" ? 0.2 : 2 * serialMs(message.kind === "heartbeat" ? 48 : 44, this.#baud);
    for (const card of this.cards.values()) {
      if (card === from || (to !== undefined && card.id !== to && message.kind !== "heartbeat")) continue;
      if (!this.#passes(link, from, card)) continue;
      const deliver = () => {
        if (!card.isRunning) return;
        if (this.now < card.stalledUntil) card.waiting.push(() => this.#receive(card, link, from, message));
        else this.#receive(card, link, from, message);
      };
      this.#flights.push({ at: this.now + delayMs, order: this.#order++, deliver });
    }
  }

  #receive(card: Card, link: LinkKind, from: Card, message: Message): void {
    const beat = message.kind === "heartbeat" ? message : undefined;
    if (card.selfTest.isWatching(from.id)) this.#tell(card, { kind: "heard", card: from.id, link });
    this.#beat(card, card.heartbeat.step(this.now, { kind: "heard", link, from: from.id, beat }));
    if (beat !== undefined) {
      if (!card.selfTest.isInvestigating) return;
      const ticks = { ether: cardsIn(from.id, beat.etherTicks), serial: cardsIn(from.id, beat.serialTicks) };
      return this.#tell(card, { kind: "ticks", from: from.id, ...ticks });
    }
    if (card.isDeaf) return;
    if (message.kind === "selfTest") this.#tell(card, { kind: "question", from: from.id, link, message });
    else if (message.kind === "selfTestAnswer") this.#tell(card, { kind: "answer", from: from.id, message });
  }

  #beat(card: Card, outputs: ReturnType<Heartbeat["step"]>): void {
    for (const output of outputs) {
      if (output.kind === "beat") this.#send(card, output.link, undefined, output.message);
      else if (output.kind === "hush") this.#tell(card, { kind: "hush", card: output.card });
      else if (output.kind === "linkHealth") {
        this.#tell(card, { kind: "link", card: output.card, link: output.link, health: output.health });
      } else if (output.kind === "late") this.#tell(card, { kind: "late", ms: output.ms });
    }
  }

  #tell(card: Card, input: SelfTestInput): void {
    for (const output of card.selfTest.step(this.now, input)) this.#settle(card, output);
  }

  #settle(card: Card, output: SelfTestOutput): void {
    switch (output.kind) {
      case "send": {
        const { link, to, message } = output;
        const about = message.subject === to || message.subject === card.id ? "" : ` about card ${message.subject}`;
        const what = message.kind === "selfTest" ? "asks" : `tells "${message.stage}" to`;
        if (this.isTracing) this.#say(card, `${what} card ${to}${about} on ${link}`);
        return this.#send(card, link, to, message);
      }
      case "check":
        for (const check of output.checks) {
          const outcome = this.#outcomeOf(card, check);
          if (outcome === undefined) continue;
          const deliver = () => this.#tell(card, { kind: "checked", run: output.run, check, outcome });
          this.#flights.push({ at: this.now + outcome.ms, order: this.#order++, deliver: () => card.isRunning && deliver() });
        }
        return;
      case "verdict": {
        const { verdict, action, row } = output.characterization;
        this.verdicts.push({ at: this.now, by: card.id, card: output.card, verdict, row });
        return this.#say(card, `card ${output.card}: ${verdict}; ${action}  (${evidenceText(output.evidence)})`);
      }
      case "log":
        if (output.event === "self-test" && this.isTracing) {
          const { peer, outcome, failed } = output.fields;
          this.#say(card, `card ${peer} asked: ${outcome}${failed === undefined ? "" : ` (${(failed as readonly string[]).join(", ")})`}`);
        }
        return;
    }
  }

  #outcomeOf(card: Card, check: SelfTestCheck): CheckOutcome | undefined {
    const fault = card.checks.get(check);
    if (fault === "hung") return undefined;
    if (fault === "failed") return { result: "failed", code: "broken", text: "", ms: 10 };
    if (check === "carrier" && !card.port.ether) return { result: "failed", code: "no-carrier", text: "", ms: 0 };
    if (check === "loopback" && !(card.port.ether && (card.hasLoopback || !card.findsLoopback))) {
      return { result: "failed", code: "no-frame", text: "", ms: 100 };
    }
    return { result: "passed", code: "", text: "", ms: check === "disk" ? 8 : 1 };
  }

  #say(card: Card, text: string): void {
    if (!this.isQuiet) this.lines.push(`${this.now.toFixed(0).padStart(8)} card ${card.id}: ${text}`);
  }
}

function evidenceText(evidence: Evidence): string {
  const parts = [`S ${evidence.serial}`, `E ${evidence.ether}`];
  if (evidence.ticks !== "all") parts.push(evidence.ticks);
  if (evidence.selfTest !== "not asked") parts.push(`self-test ${evidence.selfTest}`);
  if (evidence.relay !== "not asked") parts.push(`relay ${evidence.relay}`);
  if (evidence.loopback !== "not asked") parts.push(`own port ${evidence.loopback}`);
  parts.push(evidence.third === "none" ? "no third" : `third ${evidence.third}`);
  if (evidence.serial === "down") parts.push(`serial lost: ${evidence.serialLoss}`);
  return parts.join(", ");
}

/** Runs the text of a scenario and gives what was concluded. */
export function runVerdictScenario(verbs: readonly string[]): { readonly concluded: string; readonly network: SelfTestNetwork } {
  const setup: { profile: ProfileName; baud: number; chassis: number } = { profile: "default", baud: 115_200, chassis: 1 };
  let count = 3;
  let network: SelfTestNetwork | undefined;
  for (const line of verbs.map((verb) => verb.replace(/#.*/, "").trim())) {
    if (line === "") continue;
    const [verb, word = ""] = line.split(/\s+/);
    if (verb === "cards") count = Number(word);
    else if (verb === "profile") setup.profile = word as ProfileName;
    else if (verb === "baud") setup.baud = Number(word);
    else if (verb === "chassis") setup.chassis = Number(word);
    else {
      network ??= new SelfTestNetwork(count, setup);
      network.perform(line);
    }
  }
  assert(network !== undefined, "a scenario does something");
  return { concluded: network.lines.map((line) => `${line}\n`).join(""), network };
}
