/**
 * What a card proves of itself and of the others: its start, and the self-tests that it asks for and answers. Boot and self-test, composed with what
 * the node knows; `src/failover/BOOT.md` tells the whole.
 *
 *     ports, peers, views, replica ─► boot ──► readiness ─► failover        links, frames, ticks ─► self-test ──► verdicts ─► failover
 *                                      │ announce on both links                                        │ questions and answers on both links
 *                                      └► checks ◄─────────────────────────── edge ──────────────────► checks
 */
import { unreachable } from "../base/assert.ts";
import { cardsIn } from "../base/card-set.ts";
import { cardAt, type CardId, cardName, chassisOf, everybody, type LinkKind, linkKinds, slotCountMax, slotOf } from "../base/ids.ts";
import type { CardHealth, LinkHealth } from "../cluster/heartbeat.ts";
import { serialMs } from "../cluster/serial-budget.ts";
import type { Row } from "../config/change.ts";
import { Boot, type BootConfiguration, type BootInput, type BootOutput, type BootSettings, type BootStatus } from "../failover/boot.ts";
import type { BootRole, LastRun, SlotSense } from "../failover/boot-type.ts";
import { policyOfRows } from "../failover/config.ts";
import type { Readiness } from "../failover/facts.ts";
import { type Policy, policyOf } from "../failover/policy.ts";
import { SelfTest, type SelfTestInput, type SelfTestOutput, type SelfTestSettings, type SelfTestStatus } from "../failover/self-test.ts";
import { type CheckOutcome, type SelfTestCheck, selfTestRuleOf } from "../failover/self-test-checks.ts";
import { selfTestAnswerMs } from "../failover/self-test-timing.ts";
import {
  bootColdWaitMs,
  selfTestFrameBytes,
  serialAnnounceBytes,
  serialAnnounceLoadMax,
  serialEarlyLoadMax,
  stallForgottenMs,
} from "../limits.ts";
import type { Boot as BootMessage, Heartbeat, Message, MuxPower, SelfTest as Question, SelfTestAnswer } from "../wire/message.ts";
import type { Alarms } from "./alarms.ts";
import type { Effect } from "./effect.ts";
import type { Input } from "./input.ts";
import type { Identity, NodeSettings } from "./settings.ts";

/** What the core says while the card starts. */
export type StartStanding = {
  /** A view with a quorum holds and has this card; in words why not. */
  readonly view: { readonly holds: boolean; readonly reason: string };
  readonly configuration: BootConfiguration;
};

export type ProvingSurroundings = {
  readonly alarms: Alarms;
  readonly send: (link: LinkKind, to: CardId | typeof everybody, message: Message, effects: Effect[]) => void;
  /** Our own heartbeat period on a link, as the line bears it. */
  readonly periodMs: (link: LinkKind) => number;
  readonly standing: (now: number) => StartStanding;
  /** `undefined` without a serial line. */
  readonly isMultiplexorHeard: (now: number) => boolean | undefined;
  readonly onReadiness: (now: number, readiness: Readiness, effects: Effect[]) => void;
  readonly onProceeded: (now: number, by: string, effects: Effect[]) => void;
  readonly onVerdict: (now: number, verdict: Extract<SelfTestOutput, { kind: "verdict" }>, effects: Effect[]) => void;
};

type Told = Extract<Input, { readonly kind: "postChecked" | "selfTestChecked" | "bootProceed" }>;

const endings: Readonly<Record<Extract<Input, { kind: "leave" }>["reason"], LastRun["ended"]>> = {
  stop: "stop",
  restart: "restart",
  maintenance: "maintenance",
  upgrade: "upgrade",
};

export class Proving {
  readonly #card: CardId;
  readonly #surroundings: ProvingSurroundings;
  readonly #boot: Boot;
  readonly #selfTest: SelfTest;
  #settings: NodeSettings;
  #policy: Policy = policyOf();
  /** What boot was told last of what the core says. */
  #standing: StartStanding | undefined;
  #readiness: Readiness = { kind: "booting", phase: "post" };
  #powered: number | undefined;
  #twin: string | undefined;
  #hearsOtherVersion = false;
  /** How often somebody was heard who had not been. */
  #heardCount = 0;
  /** The longest stall lately. */
  #stall = { ms: 0, at: -Infinity };

  constructor(identity: Identity, settings: NodeSettings, now: number, surroundings: ProvingSurroundings) {
    const { card, nonce, software, boot } = identity;
    this.#card = card;
    this.#settings = settings;
    this.#surroundings = surroundings;
    const evidence = {
      machineBoot: boot?.machineBoot ?? "",
      software,
      maintenance: boot?.lastRun?.maintenance ?? false,
      lastRun: boot?.lastRun,
    };
    this.#boot = new Boot(card, evidence, this.#bootSettings(), now);
    this.#selfTest = new SelfTest(card, nonce, this.#selfTestSettings());
  }

  deadline(): number {
    return Math.min(this.#boot.deadline(), this.#selfTest.deadline());
  }

  runTimers(now: number, effects: Effect[]): void {
    if (this.#readiness.kind !== "ready") this.#look(now, effects);
    if (now >= this.#boot.deadline()) this.#tellBoot(now, { kind: "tick" }, effects);
    if (now >= this.#selfTest.deadline()) this.#tellSelfTest(now, { kind: "tick" }, effects);
  }

  status(now: number): { readonly boot: BootStatus; readonly selfTest: SelfTestStatus } {
    return { boot: this.#boot.status(now), selfTest: this.#selfTest.status(now) };
  }

  // ---- what the node hears

  onPort(now: number, link: LinkKind, up: boolean, effects: Effect[]): void {
    this.#tellBoot(now, { kind: "port", link, up }, effects);
    this.#tellSelfTest(now, { kind: "port", link, up }, effects);
  }

  /** Any frame of a card. */
  onHeard(now: number, card: CardId, link: LinkKind, effects: Effect[]): void {
    if (this.#selfTest.isWatching(card)) this.#tellSelfTest(now, { kind: "heard", card, link }, effects);
    if (this.#hearsOtherVersion) this.#settleVersion(now, undefined, effects);
  }

  /** Half of the silence that a card is borne on Ethernet is over. */
  onHush(now: number, card: CardId, effects: Effect[]): void {
    this.#tellSelfTest(now, { kind: "hush", card }, effects);
  }

  onBeat(now: number, from: CardId, { etherTicks, serialTicks }: Heartbeat, effects: Effect[]): void {
    if (!this.#selfTest.isInvestigating) return;
    this.#tellSelfTest(now, { kind: "ticks", from, ether: cardsIn(from, etherTicks), serial: cardsIn(from, serialTicks) }, effects);
  }

  onLink(now: number, card: CardId, link: LinkKind, health: LinkHealth, effects: Effect[]): void {
    this.#tellSelfTest(now, { kind: "link", card, link, health }, effects);
  }

  onCard(now: number, card: CardId, health: CardHealth, effects: Effect[]): void {
    const heard = health !== "down" && health !== "left";
    if (heard) this.#heardCount++;
    this.#tellBoot(now, { kind: "peer", card, heard }, effects);
  }

  /** Its end is proven, or it has started anew; before the heartbeat is told. */
  onGone(now: number, card: CardId, effects: Effect[]): void {
    this.#tellSelfTest(now, { kind: "gone", card }, effects);
    this.#surroundings.alarms.clear(now, "self-test", `${card}`, effects);
    this.#tellBoot(now, { kind: "peer", card, heard: false }, effects);
  }

  /** A slot that has lost its power is no case for a self-test. Before the heartbeat is told. */
  onMultiplexor(now: number, incarnation: number, { powered, starts }: MuxPower, effects: Effect[]): void {
    const before = this.#powered ?? 0xff;
    this.#powered = powered;
    const chassis = chassisOf(this.#card);
    for (let slot = 1; slot <= slotCountMax; slot++) {
      const bit = 1 << (slot - 1);
      const card = cardAt(chassis, slot);
      if (card !== this.#card && (before & bit) !== 0 && (powered & bit) === 0) this.onGone(now, card, effects);
    }
    this.#tellBoot(now, { kind: "multiplexor", sense: senseOf(this.#card, incarnation, starts) }, effects);
  }

  onMessage(
    now: number,
    link: LinkKind,
    from: CardId,
    incarnation: number,
    message: BootMessage | Question | SelfTestAnswer,
    effects: Effect[],
  ): void {
    switch (message.kind) {
      case "boot":
        return this.#tellBoot(now, { kind: "announced", from, incarnation, message }, effects);
      case "selfTest":
        return this.#tellSelfTest(now, { kind: "question", from, link, message }, effects);
      case "selfTestAnswer":
        return this.#tellSelfTest(now, { kind: "answer", from, message }, effects);
      default:
        return unreachable(message);
    }
  }

  onTold(now: number, input: Told, effects: Effect[]): void {
    switch (input.kind) {
      case "postChecked":
        return this.#tellBoot(now, { kind: "checked", check: input.check, outcome: input.outcome }, effects);
      case "selfTestChecked":
        return this.#tellSelfTest(now, { kind: "checked", run: input.run, check: input.check, outcome: input.outcome }, effects);
      case "bootProceed":
        return this.#tellBoot(now, { kind: "proceed", client: input.client, by: input.by }, effects);
      default:
        return unreachable(input);
    }
  }

  onLate(now: number, ms: number, effects: Effect[]): void {
    if (ms >= this.#stall.ms || now > this.#stall.at + stallForgottenMs) this.#stall = { ms, at: now };
    this.#tellBoot(now, { kind: "late", ms }, effects);
    this.#tellSelfTest(now, { kind: "late", ms }, effects);
  }

  /** Settings, or the number of cards that share the serial line, have changed. */
  onSettings(now: number, settings: NodeSettings, effects: Effect[]): void {
    this.#settings = settings;
    this.#tellBoot(now, { kind: "settings", settings: this.#bootSettings() }, effects);
    this.#tellSelfTest(now, { kind: "settings", settings: this.#selfTestSettings() }, effects);
  }

  /** What the configuration says of self-tests, at each change of it. */
  onPolicies(now: number, rows: readonly Row[], effects: Effect[]): void {
    const { selfTestS, selfTestTries } = this.#policy;
    this.#policy = policyOfRows(rows);
    if (this.#policy.selfTestS === selfTestS && this.#policy.selfTestTries === selfTestTries) return;
    this.#tellSelfTest(now, { kind: "settings", settings: this.#selfTestSettings() }, effects);
  }

  onTwin(now: number, evidence: string | undefined, effects: Effect[]): void {
    if (this.#twin === evidence) return;
    this.#twin = evidence;
    this.#tellBoot(now, { kind: "twin", evidence }, effects);
  }

  /** A frame came that this program does not understand; as long as no other comes, it understands nobody. */
  onOtherVersion(now: number, effects: Effect[]): void {
    if (!this.#hearsOtherVersion && this.#heardCount === 0) {
      this.#settleVersion(now, "the others speak a version that this program does not", effects);
    }
  }

  #settleVersion(now: number, reason: string | undefined, effects: Effect[]): void {
    this.#hearsOtherVersion = reason !== undefined;
    this.#tellBoot(now, { kind: "incompatible", reason }, effects);
  }

  // ---- what failover says of this card

  /** To a failover service that begins only now. */
  tellReadiness(now: number, effects: Effect[]): void {
    this.#surroundings.onReadiness(now, this.#readiness, effects);
  }

  onKnown(now: number, known: boolean, effects: Effect[]): void {
    this.#tellBoot(now, { kind: "known", known }, effects);
  }

  onOwnFacts(
    now: number,
    facts: { readonly quarantine: string | undefined; readonly maintenance: boolean; readonly role: BootRole },
    effects: Effect[],
  ): void {
    this.#tellBoot(now, { kind: "quarantine", reason: facts.quarantine }, effects);
    this.#tellBoot(now, { kind: "maintenance", on: facts.maintenance }, effects);
    this.#tellBoot(now, { kind: "role", role: facts.role }, effects);
  }

  onLeave(now: number, reason: Extract<Input, { kind: "leave" }>["reason"] | "reset", effects: Effect[]): void {
    this.#tellBoot(now, { kind: "leave", ended: reason === "reset" ? "reset" : endings[reason] }, effects);
  }

  // ---- boot

  /** While the card starts it follows what the core says; a card that is ready is past that. */
  #look(now: number, effects: Effect[]): void {
    const { view, configuration } = this.#surroundings.standing(now);
    const before = this.#standing;
    this.#standing = { view, configuration };
    if (before?.view.holds !== view.holds || before.view.reason !== view.reason) this.#tellBoot(now, { kind: "view", ...view }, effects);
    if (before === undefined || !isSame(before.configuration, configuration)) {
      this.#tellBoot(now, { kind: "configuration", configuration }, effects);
    }
  }

  #tellBoot(now: number, input: BootInput, effects: Effect[]): void {
    for (const output of this.#boot.step(now, input)) this.#settleBoot(now, output, effects);
  }

  #settleBoot(now: number, output: BootOutput, effects: Effect[]): void {
    const { alarms, send } = this.#surroundings;
    switch (output.kind) {
      case "check":
        effects.push({ kind: "post", checks: output.checks });
        return;
      case "speaking":
        return;
      case "announce": {
        // The head moves on once the card is ready, without boot's being told.
        const { sequence, epoch } = this.#surroundings.standing(now).configuration;
        for (const link of linkKinds) send(link, everybody, { ...output.message, sequence, epoch }, effects);
        return;
      }
      case "readiness":
        this.#readiness = output.readiness;
        return this.#surroundings.onReadiness(now, output.readiness, effects);
      case "proceeded":
        return this.#surroundings.onProceeded(now, output.by, effects);
      case "answered":
        effects.push({ kind: "bootAnswered", client: output.client, answer: output.answer });
        return;
      case "record":
        effects.push({ kind: "recordRun", record: output.record });
        return;
      case "alarm":
        if (output.text === undefined) alarms.clear(now, output.code, output.about, effects);
        else alarms.raise(now, output.code, output.about, output.text, effects);
        return;
      case "log":
        effects.push(output);
        return;
      default:
        return unreachable(output);
    }
  }

  /** The cards that share our serial line. */
  get #onBus(): number {
    return new Set([this.#card, ...this.#settings.expected.filter((card) => chassisOf(card) === chassisOf(this.#card))]).size;
  }

  #bootSettings(): BootSettings {
    const { expected, disabled, baud, coldWaitMs } = this.#settings;
    const electorate = expected.filter((card) => !disabled.includes(card));
    return {
      electorate,
      periodMs: { ether: this.#surroundings.periodMs("ether"), serial: this.#surroundings.periodMs("serial") },
      coldWaitMs: coldWaitMs ?? bootColdWaitMs,
      announceMs: this.#onBus * serialMs(serialAnnounceBytes, baud) / serialAnnounceLoadMax,
    };
  }

  // ---- self-test

  #tellSelfTest(now: number, input: SelfTestInput, effects: Effect[]): void {
    for (const output of this.#selfTest.step(now, input)) this.#settleSelfTest(now, output, effects);
  }

  #settleSelfTest(now: number, output: SelfTestOutput, effects: Effect[]): void {
    const { alarms, send } = this.#surroundings;
    switch (output.kind) {
      case "send":
        return send(output.link, output.to, output.message, effects);
      case "check": {
        const { run, checks } = output;
        effects.push({ kind: "selfTest", run, checks: checks.filter((check) => selfTestRuleOf(check).by === "edge") });
        for (const check of checks) {
          if (selfTestRuleOf(check).by === "node") {
            this.#tellSelfTest(now, { kind: "checked", run, check, outcome: this.#ownCheck(now, check) }, effects);
          }
        }
        return;
      }
      case "verdict": {
        const { card, characterization } = output;
        const { verdict, reason } = characterization;
        // That a link is heard one way only has an alarm of its own.
        if (verdict === "healthy" || verdict === "one-way fault") alarms.clear(now, "self-test", `${card}`, effects);
        else alarms.raise(now, "self-test", `${card}`, `card ${cardName(card)}: ${verdict}: ${reason}`, effects);
        return this.#surroundings.onVerdict(now, output, effects);
      }
      case "log":
        effects.push(output);
        return;
      default:
        return unreachable(output);
    }
  }

  #ownCheck(now: number, check: SelfTestCheck): CheckOutcome {
    switch (check) {
      case "process": {
        const { stallFailMs } = this.#policy;
        const ms = now > this.#stall.at + stallForgottenMs ? 0 : this.#stall.ms;
        return ms < stallFailMs ? passed : failed("stalled", `it stood still for ${Math.round(ms)} ms`);
      }
      case "database": {
        const { state, reason } = this.#surroundings.standing(now).configuration;
        if (state === "none") return skipped;
        return state === "hold" ? failed("hold", reason ?? "the store of the configuration does not work") : passed;
      }
      case "multiplexor": {
        const isHeard = this.#surroundings.isMultiplexorHeard(now);
        if (isHeard === undefined) return skipped;
        return isHeard ? passed : failed("unheard", "the multiplexor is not heard");
      }
      default:
        return skipped;
    }
  }

  #selfTestSettings(): SelfTestSettings {
    const { selfTestS, selfTestTries } = this.#policy;
    const { serial, baud } = this.#settings;
    const stretched = this.#surroundings.periodMs("serial") / serial.periodMs;
    return {
      answerMs: selfTestAnswerMs(baud),
      doneMs: 1_000 * selfTestS,
      tries: selfTestTries,
      settleMs: serial.downAfterMs * Math.max(1, stretched),
      earlyGapMs: (this.#onBus * 2 * selfTestTries * serialMs(selfTestFrameBytes, baud)) / serialEarlyLoadMax,
    };
  }
}

const passed: CheckOutcome = { result: "passed", code: "", text: "", ms: 0 };
const skipped: CheckOutcome = { result: "skipped", code: "", text: "", ms: 0 };
const failed = (code: string, text: string): CheckOutcome => ({ result: "failed", code, text, ms: 0 });

function senseOf(card: CardId, incarnation: number, starts: Uint8Array | undefined): SlotSense | undefined {
  if (starts === undefined) return undefined;
  const at = 2 * (slotOf(card) - 1);
  return { incarnation, powerOns: starts[at] as number, resets: starts[at + 1] as number };
}

function isSame(a: BootConfiguration, b: BootConfiguration): boolean {
  return a.state === b.state && a.reason === b.reason && a.sequence === b.sequence && a.epoch === b.epoch;
}
