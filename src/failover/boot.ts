/**
 * The boot service coordinates how a card that starts comes to serve, by the type of its boot, and what it says of that on both links (FS-6).
 *
 *     post ──► listen ──► announce ──► catch-up ──► arbitrate ──► ready
 *       └────────┴───────────┴────────────┴────────────┴──► hold(code) ──► back to where it was, once the reason is gone
 *
 * *Post*: named checks of the own hardware. *Listen*: two periods on each link that is up, and the multiplexor's word; of a role it says nothing
 * before. *Announce*: type of boot, head of the configuration and last role, to all, until those who are heard have said theirs. *Catch-up*: until
 * the replica of the configuration is current. *Arbitrate*: until it is known who takes part. *Ready*: it may be given roles, and the service
 * is done; what happens to a card that is ready is health, quarantine or a view, not boot.
 *
 * Its one surprising idea: a cold start is one of the system and not of a card. A card that boots cold waits for all only while nobody that it
 * hears is ready; whoever is ready knows more, and joining it needs no vote. And nobody is ready before all that start with it have come as
 * far, for the first one would be given everything.
 *
 * Invariants: nothing is said of a role before `listen` is over; no phase but a standing `hold` lasts longer than its time-out; `ready` is final.
 */
import { unreachable } from "../base/assert.ts";
import { type CardId, type LinkKind, linkKinds } from "../base/ids.ts";
import {
  bootAnnounceMs,
  bootAnnounceReadyMs,
  bootAnswerGapMs,
  bootAnswerMs,
  bootCatchUpMs,
  bootLoopMs,
  bootLoopStarts,
  bootMultiplexorMs,
  bootPostRetryMs,
  bootQuorumMs,
} from "../limits.ts";
import type { Service } from "../service.ts";
import type { Boot as BootMessage } from "../wire/message.ts";
import { type Hold, type HoldCode, holdRuleOf } from "./boot-hold.ts";
import { type BootEvidence, type BootRole, type BootType, type LastRun, type SlotSense, typeOfBoot } from "./boot-type.ts";
import type { Readiness } from "./facts.ts";
import { type CheckOutcome, type PostCheck, postChecks, postRuleOf } from "./self-test-checks.ts";

export type BootPhase = "post" | "listen" | "announce" | "catch-up" | "arbitrate" | "ready";
export type BootState = BootPhase | "hold";

export const bootPhases: readonly BootPhase[] = ["post", "listen", "announce", "catch-up", "arbitrate", "ready"];

/** What a card announces before there is nothing but the others to wait for. */
const startsStill: ReadonlySet<BootState> = new Set(["post", "listen", "announce", "catch-up"]);

export type BootSettings = {
  /** The cards that the configuration names and that are enabled, this one included. */
  readonly electorate: readonly CardId[];
  /** Our own heartbeat periods, in milliseconds. */
  readonly periodMs: Readonly<Record<LinkKind, number>>;
  /** How long a cold start waits for all cards of the configuration; `Infinity`: until an operator says so. */
  readonly coldWaitMs: number;
  /** The shortest period of announcements that the serial line bears. */
  readonly announceMs: number;
};

/** What the replica of the configuration says of itself; `none`: this card keeps none. */
export type BootConfiguration = {
  readonly state: "none" | "opening" | "joining" | "catching-up" | "current" | "stale" | "hold";
  readonly reason?: string;
  /** The head of its chain. */
  readonly sequence: number;
  readonly epoch: number;
};

export type BootInput =
  /** What came of one of the checks that were ordered. */
  | { readonly kind: "checked"; readonly check: PostCheck; readonly outcome: CheckOutcome }
  | { readonly kind: "port"; readonly link: LinkKind; readonly up: boolean }
  /** A peer is heard, or no longer. */
  | { readonly kind: "peer"; readonly card: CardId; readonly heard: boolean }
  /** The multiplexor was heard; of our slot it may say nothing. */
  | { readonly kind: "multiplexor"; readonly sense: SlotSense | undefined }
  | { readonly kind: "announced"; readonly from: CardId; readonly incarnation: number; readonly message: BootMessage }
  /** The node view that holds with a quorum has this card in it, or not. */
  | { readonly kind: "view"; readonly holds: boolean; readonly reason: string }
  | { readonly kind: "configuration"; readonly configuration: BootConfiguration }
  /** Whether this card knows what the services of failover have agreed on; where nobody says so, nothing has to be known. */
  | { readonly kind: "known"; readonly known: boolean }
  /** A second card claims our slot; without evidence, no longer. */
  | { readonly kind: "twin"; readonly evidence: string | undefined }
  /** The others cannot be understood, in words why; or no longer. */
  | { readonly kind: "incompatible"; readonly reason: string | undefined }
  | { readonly kind: "quarantine"; readonly reason: string | undefined }
  | { readonly kind: "maintenance"; readonly on: boolean }
  | { readonly kind: "role"; readonly role: BootRole }
  /** An operator says that what is missing does not run; answered with `answered`. */
  | { readonly kind: "proceed"; readonly client: number; readonly by: string }
  /** The card leaves, and how: the next run is told. */
  | { readonly kind: "leave"; readonly ended: LastRun["ended"] }
  | { readonly kind: "settings"; readonly settings: BootSettings }
  /** This card was late by so much: nobody is to be missed for that. */
  | { readonly kind: "late"; readonly ms: number }
  | { readonly kind: "tick" };

export type BootOutput =
  /** Carry these checks out, each answered with `checked`. */
  | { readonly kind: "check"; readonly checks: readonly PostCheck[] }
  /** Whether this card speaks of roles. */
  | { readonly kind: "speaking"; readonly speaking: boolean }
  /** Say it to all, on both links. */
  | { readonly kind: "announce"; readonly message: BootMessage }
  | { readonly kind: "readiness"; readonly readiness: Readiness }
  /** An operator has said that what is missing does not run. */
  | { readonly kind: "proceeded"; readonly by: string }
  | { readonly kind: "answered"; readonly client: number; readonly answer: ProceedAnswer }
  /** Keep it for the next run. */
  | { readonly kind: "record"; readonly record: LastRun }
  /** Raised, or with new words; without a text it is over. */
  | { readonly kind: "alarm"; readonly code: "boot-hold" | "boot-check"; readonly about: string; readonly text: string | undefined }
  | { readonly kind: "log"; readonly level: "info" | "warn"; readonly event: string; readonly fields: LogFields };

type LogFields = Readonly<Record<string, string | number | boolean | readonly (string | number)[]>>;

export type ProceedAnswer =
  | { readonly kind: "proceeds"; readonly text: string }
  | { readonly kind: "refused"; readonly code: "not-waiting" | "not-yours"; readonly message: string };

export type BootStatus = {
  readonly type?: BootType;
  readonly because?: string;
  readonly state: BootState;
  /** Where it is, or where it goes on after the hold. */
  readonly phase: BootPhase;
  /** What it waits for, in words. */
  readonly waitsFor?: string;
  readonly hold?: { readonly code: HoldCode; readonly reason: string; readonly hint: string };
  readonly forMs: number;
  /** From the start to ready. */
  readonly tookMs?: number;
  readonly lastRole: BootRole;
  readonly checks: readonly {
    readonly check: PostCheck;
    readonly result: "running" | CheckOutcome["result"];
    readonly critical: boolean;
    readonly code?: string;
    readonly text?: string;
    readonly ms?: number;
  }[];
  /** What the cards that are heard have announced. */
  readonly peers: readonly { readonly card: CardId; readonly type: BootType; readonly state: BootState; readonly hold?: string }[];
};

type Announced = { readonly incarnation: number; readonly message: BootMessage };

/** How a phase stands: over, waiting for something, or held up by something that has a code; and when it has to be looked at again anyhow. */
type Judgement =
  | { readonly kind: "done" }
  | { readonly kind: "waits"; readonly reason: string; readonly until: number }
  | { readonly kind: "held"; readonly hold: Hold; readonly until: number };

const done: Judgement = { kind: "done" };
const waits = (reason: string, until: number): Judgement => ({ kind: "waits", reason, until });
const held = (code: HoldCode, reason: string, until = Infinity): Judgement => ({ kind: "held", hold: { code, reason }, until });

export class Boot implements Service<BootInput, BootOutput> {
  readonly #card: CardId;
  readonly #evidence: BootEvidence;
  readonly #startedAt: number;
  #settings: BootSettings;
  #outputs: BootOutput[] = [];

  #phase: BootPhase = "post";
  #enteredAt: number;
  #hold: Hold | undefined;
  #waitsFor = "";
  #changedAt: number;
  #readyAt: number | undefined;
  #isLeaving = false;

  readonly #checks = new Map<PostCheck, CheckOutcome | undefined>();
  /** When those that run were ordered, and when those that failed are tried again. */
  #orderedAt: number;
  #retryAt: number;

  readonly #portUpAt: Record<LinkKind, number | undefined> = { ether: undefined, serial: undefined };
  readonly #heard = new Set<CardId>();
  readonly #announced = new Map<CardId, Announced>();
  #multiplexorHeard = false;
  #sense: SlotSense | undefined;
  #type: { readonly type: BootType; readonly reason: string } | undefined;
  #view: { readonly holds: boolean; readonly reason: string } = { holds: false, reason: "no view yet" };
  #configuration: BootConfiguration = { state: "none", sequence: 0, epoch: 0 };
  #known = true;
  #twin: string | undefined;
  #incompatible: string | undefined;
  #quarantine: string | undefined;
  #maintenance: boolean;
  #role: BootRole;
  /** Who said that it goes on without what is missing. */
  #proceedBy: string | undefined;
  #announceAt = Infinity;
  #announcedAt = -Infinity;
  /** When the phase has to be looked at again. */
  #judgeAt: number;

  constructor(card: CardId, evidence: BootEvidence, settings: BootSettings, now: number) {
    this.#card = card;
    this.#evidence = evidence;
    this.#settings = settings;
    this.#startedAt = this.#enteredAt = this.#changedAt = now;
    this.#maintenance = evidence.maintenance;
    this.#role = evidence.lastRun?.role ?? "none";
    this.#orderedAt = this.#retryAt = this.#judgeAt = now;
  }

  deadline(): number {
    if (this.#isLeaving) return Infinity;
    return Math.min(this.#announceAt, this.#judgeAt);
  }

  step(now: number, input: BootInput): BootOutput[] {
    this.#outputs = [];
    if (this.#isLeaving) return this.#outputs;
    switch (input.kind) {
      case "checked":
        this.#onChecked(input.check, input.outcome);
        break;
      case "port":
        this.#portUpAt[input.link] = input.up ? this.#portUpAt[input.link] ?? now : undefined;
        break;
      case "peer":
        this.#onPeer(input.card, input.heard);
        break;
      case "multiplexor":
        this.#onMultiplexor(input.sense);
        break;
      case "announced":
        this.#onAnnounced(now, input.from, input.incarnation, input.message);
        break;
      case "view":
        this.#view = { holds: input.holds, reason: input.reason };
        break;
      case "configuration":
        this.#configuration = input.configuration;
        break;
      case "known":
        this.#known = input.known;
        break;
      case "twin":
        this.#twin = input.evidence;
        break;
      case "incompatible":
        this.#incompatible = input.reason;
        break;
      case "quarantine":
        this.#quarantine = input.reason;
        break;
      case "maintenance":
        this.#onMaintenance(input.on);
        break;
      case "role":
        this.#onRole(now, input.role);
        break;
      case "proceed":
        this.#onProceed(input.client, input.by);
        break;
      case "leave":
        this.#isLeaving = true;
        this.#record(input.ended);
        return this.#outputs;
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
    this.#settle(now);
    if (now >= this.#announceAt) this.#announce(now);
    return this.#outputs;
  }

  /** Whether this card speaks of roles: not before it has listened. */
  get speaks(): boolean {
    return bootPhases.indexOf(this.#phase) >= bootPhases.indexOf("announce");
  }

  status(now: number): BootStatus {
    const hold = this.#hold;
    return {
      ...(this.#type === undefined ? {} : { type: this.#type.type, because: this.#type.reason }),
      state: hold === undefined ? this.#phase : "hold",
      phase: this.#phase,
      ...(this.#waitsFor === "" ? {} : { waitsFor: this.#waitsFor }),
      ...(hold === undefined ? {} : { hold: { ...hold, hint: holdRuleOf(hold.code).hint } }),
      forMs: Math.round(now - this.#changedAt),
      ...(this.#readyAt === undefined ? {} : { tookMs: Math.round(this.#readyAt - this.#startedAt) }),
      lastRole: this.#role,
      checks: postChecks.filter((check) => this.#checks.has(check)).map((check) => this.#checkStatus(check)),
      peers: [...this.#announced].filter(([card]) => this.#heard.has(card)).sort(([a], [b]) => a - b).map(([card, { message }]) => ({
        card,
        type: message.bootType,
        state: message.state,
        ...(message.hold === "" ? {} : { hold: message.hold }),
      })),
    };
  }

  #checkStatus(check: PostCheck): BootStatus["checks"][number] {
    const outcome = this.#checks.get(check);
    const critical = postRuleOf(check).isCritical;
    if (outcome === undefined) return { check, result: "running", critical };
    const { result, code, text, ms } = outcome;
    return { check, result, critical, ...(code === "" ? {} : { code }), ...(text === "" ? {} : { text }), ms };
  }

  // ---- what comes in

  #onChecked(check: PostCheck, outcome: CheckOutcome): void {
    if (!this.#checks.has(check)) return;
    this.#checks.set(check, outcome);
    const { result, code, text, ms } = outcome;
    const level = result === "failed" ? "warn" : "info";
    this.#log(level, "boot check", { check, result, ...(code === "" ? {} : { code }), ...(text === "" ? {} : { text }), ms });
    const isFailed = result === "failed";
    this.#outputs.push({
      kind: "alarm",
      code: "boot-check",
      about: check,
      text: isFailed ? `the check "${check}" of the start failed (${code}): ${text}` : undefined,
    });
  }

  #onPeer(card: CardId, heard: boolean): void {
    if (heard) this.#heard.add(card);
    else {
      this.#heard.delete(card);
      this.#announced.delete(card);
    }
  }

  /** Who is new is told what we are, so that nobody waits for a period to pass. */
  #onAnnounced(now: number, from: CardId, incarnation: number, message: BootMessage): void {
    const before = this.#announced.get(from);
    if (before !== undefined && before.incarnation > incarnation) return;
    this.#announced.set(from, { incarnation, message });
    this.#heard.add(from);
    if (before?.incarnation !== incarnation && this.speaks) {
      this.#announceAt = Math.min(this.#announceAt, Math.max(now, this.#announcedAt + bootAnswerGapMs));
    }
  }

  /** What it counts goes on counting while we run: the next run compares with the last word. */
  #onMultiplexor(sense: SlotSense | undefined): void {
    this.#multiplexorHeard = true;
    const before = this.#sense;
    if (sense === undefined || isSameSense(before, sense)) return;
    this.#sense = sense;
    if (this.#phase === "ready") return this.#record("open");
    // It came late: what was taken for a type without it may have been a guess.
    if (before === undefined && this.#type !== undefined) this.#findType();
  }

  #findType(): void {
    this.#type = typeOfBoot(this.#evidence, this.#sense);
    this.#log("info", "boot type", { type: this.#type.type, because: this.#type.reason, lastRole: this.#role });
    this.#record("open");
  }

  #onMaintenance(on: boolean): void {
    if (this.#maintenance === on) return;
    this.#maintenance = on;
    this.#record("open");
  }

  #onRole(now: number, role: BootRole): void {
    if (this.#role === role) return;
    this.#role = role;
    if (this.#phase === "ready") {
      this.#announceAt = now;
      this.#record("open");
    }
  }

  #onProceed(client: number, by: string): void {
    const hold = this.#hold;
    const answer = (given: ProceedAnswer) => void this.#outputs.push({ kind: "answered", client, answer: given });
    if (hold === undefined) {
      const message = this.#phase === "ready" ? "the card is ready: nothing waits" : `the card does not hold, it is at ${this.#phase}`;
      return answer({ kind: "refused", code: "not-waiting", message });
    }
    if (!holdRuleOf(hold.code).yields) {
      const message = `the card holds because ${hold.reason}: no word ends that. ${holdRuleOf(hold.code).hint}`;
      return answer({ kind: "refused", code: "not-yours", message });
    }
    this.#proceedBy = by;
    this.#log("warn", "boot proceeds", { by, despite: hold.code });
    this.#outputs.push({ kind: "proceeded", by });
    answer({ kind: "proceeds", text: `goes on although ${hold.reason}` });
  }

  /** What was not heard while we did not listen is nobody's fault. */
  #onLate(ms: number): void {
    for (const link of linkKinds) {
      const at = this.#portUpAt[link];
      if (at !== undefined) this.#portUpAt[link] = at + ms;
    }
    this.#enteredAt += ms;
    this.#orderedAt += ms;
  }

  // ---- the phases

  /** Goes on as far as nothing is in the way. */
  #settle(now: number): void {
    for (;;) {
      const judgement = this.#judge(now);
      if (judgement.kind !== "done") return this.#rest(now, judgement);
      if (this.#phase === "ready") return this.#rest(now, judgement);
      this.#enterPhase(now, bootPhases[bootPhases.indexOf(this.#phase) + 1] as BootPhase);
    }
  }

  #enterPhase(now: number, phase: BootPhase): void {
    const spoke = this.speaks;
    this.#phase = phase;
    this.#enteredAt = this.#changedAt = now;
    this.#endHold();
    this.#waitsFor = "";
    if (this.speaks && !spoke) {
      this.#findType();
      this.#outputs.push({ kind: "speaking", speaking: true });
    }
    this.#log("info", "boot", { state: phase });
    if (phase === "ready") {
      this.#readyAt = now;
      this.#record("open");
      this.#outputs.push({ kind: "readiness", readiness: { kind: "ready" } });
    } else this.#outputs.push({ kind: "readiness", readiness: { kind: "booting", phase } });
    if (this.speaks) this.#announceAt = now;
  }

  #rest(now: number, judgement: Judgement): void {
    this.#judgeAt = judgement.kind === "done" ? Infinity : judgement.until;
    this.#waitsFor = judgement.kind === "waits" ? judgement.reason : "";
    if (judgement.kind !== "held") {
      if (this.#hold === undefined) return;
      this.#endHold();
      this.#changedAt = now;
      this.#log("info", "boot", { state: this.#phase });
      if (this.#phase !== "ready") this.#outputs.push({ kind: "readiness", readiness: { kind: "booting", phase: this.#phase } });
      if (this.speaks) this.#announceAt = now;
      return;
    }
    const { code, reason } = judgement.hold;
    const before = this.#hold;
    if (before?.code === code && before.reason === reason) return;
    this.#hold = judgement.hold;
    this.#outputs.push({ kind: "readiness", readiness: { kind: "hold", code, reason } });
    const text = holdRuleOf(code).isAlarm ? `holds (${code}): ${reason}` : undefined;
    this.#outputs.push({ kind: "alarm", code: "boot-hold", about: "", text });
    if (before?.code === code) return;
    this.#changedAt = now;
    this.#log("warn", "boot", { state: "hold", code, reason, at: this.#phase });
    if (this.speaks) this.#announceAt = now;
  }

  #endHold(): void {
    if (this.#hold === undefined) return;
    this.#hold = undefined;
    this.#outputs.push({ kind: "alarm", code: "boot-hold", about: "", text: undefined });
  }

  #judge(now: number): Judgement {
    const standing = this.#standing(now);
    if (standing !== undefined) return standing;
    switch (this.#phase) {
      case "post":
        return this.#judgePost(now);
      case "listen":
        return this.#judgeListen(now);
      case "announce":
        return this.#judgeAnnounce(now);
      case "catch-up":
        return this.#judgeCatchUp(now);
      case "arbitrate":
        return this.#judgeArbitrate(now);
      case "ready":
        return done;
      default:
        return unreachable(this.#phase);
    }
  }

  /** What holds a card wherever it is; a card that is ready is past all of it. */
  #standing(now: number): Judgement | undefined {
    if (this.#phase === "ready") return undefined;
    if (this.#twin !== undefined) return held("duplicate-identity", this.#twin);
    const isLate = this.#phase === "catch-up" || this.#phase === "arbitrate";
    if (isLate && !this.#settings.electorate.includes(this.#card)) return held("disabled", "the configuration has it disabled");
    if (this.#phase !== "arbitrate") return undefined;
    if (this.#maintenance) return held("maintenance", "the card is in maintenance");
    if (this.#incompatible !== undefined) return held("incompatible", this.#incompatible);
    if (this.#quarantine !== undefined) return held("quarantined", this.#quarantine);
    const starts = this.#evidence.lastRun?.unreadyStarts ?? 0;
    const until = this.#startedAt + bootLoopMs;
    if (starts < bootLoopStarts || this.#proceedBy !== undefined || now >= until) return undefined;
    return held("reboot-loop", `it was not ready after any of its last ${starts} starts`, until);
  }

  #judgePost(now: number): Judgement {
    if (now >= this.#retryAt) this.#order(now);
    let until = Infinity;
    const running: PostCheck[] = [];
    for (const [check, outcome] of this.#checks) {
      if (outcome !== undefined) continue;
      const { deadlineMs } = postRuleOf(check);
      if (now >= this.#orderedAt + deadlineMs) {
        this.#onChecked(check, { result: "failed", code: "timeout", text: `no answer within ${deadlineMs} ms`, ms: deadlineMs });
        continue;
      }
      running.push(check);
      until = Math.min(until, this.#orderedAt + deadlineMs);
    }
    if (running.length > 0) {
      // A check that is tried again leaves the card where it is.
      return this.#hold === undefined ? waits(`its checks: ${running.join(", ")}`, until) : { kind: "held", hold: this.#hold, until };
    }
    const failed = [...this.#checks].filter(([check, outcome]) => outcome?.result === "failed" && postRuleOf(check).isCritical);
    if (failed.length === 0) return done;
    if (this.#retryAt === Infinity) this.#retryAt = now + bootPostRetryMs;
    return held("post-failed", failed.map(([check, outcome]) => `${check}: ${outcome?.text}`).join("; "), this.#retryAt);
  }

  /** All checks at the first time, afterwards those that failed. */
  #order(now: number): void {
    this.#retryAt = Infinity;
    if (this.#checks.size === 0) this.#record("open");
    const checks = postChecks.filter((check) => !this.#checks.has(check) || this.#checks.get(check)?.result === "failed");
    for (const check of checks) this.#checks.set(check, undefined);
    this.#orderedAt = now;
    this.#outputs.push({ kind: "check", checks });
  }

  #judgeListen(now: number): Judgement {
    const up = linkKinds.filter((link) => this.#portUpAt[link] !== undefined);
    if (up.length === 0) {
      if (this.#settings.electorate.every((card) => card === this.#card)) return done;
      const until = this.#enteredAt + bootAnswerMs;
      return now < until ? waits("a link that is up", until) : held("links-down", "neither link is up");
    }
    const until = this.#listenUntil();
    return now < until ? waits(`what is said on ${up.join(" and ")}`, until) : done;
  }

  /** Two periods on each link that is up; on serial the multiplexor's word too, if it comes in time. */
  #listenUntil(): number {
    let until = this.#enteredAt;
    for (const link of linkKinds) {
      const upAt = this.#portUpAt[link];
      if (upAt === undefined) continue;
      until = Math.max(until, upAt + 2 * this.#settings.periodMs[link]);
      if (link === "serial" && !this.#multiplexorHeard) until = Math.max(until, upAt + bootMultiplexorMs);
    }
    return until;
  }

  #judgeAnnounce(now: number): Judgement {
    const silent = [...this.#heard].filter((card) => !this.#announced.has(card)).sort((a, b) => a - b);
    const until = this.#enteredAt + Math.max(bootAnswerMs, this.#settings.announceMs);
    return silent.length === 0 || now >= until ? done : waits(`what ${named(silent)} announce`, until);
  }

  #judgeCatchUp(now: number): Judgement {
    const { state, reason } = this.#configuration;
    if (state === "none" || state === "current") return done;
    if (state === "hold") return held("configuration", reason ?? "the store of the configuration does not work");
    const text = reason === undefined ? `the configuration is ${state}` : `the configuration is ${state}: ${reason}`;
    const until = this.#enteredAt + bootCatchUpMs;
    if (now < until) return waits(text, until);
    return this.#view.holds ? held("catching-up", text) : held("no-quorum", this.#view.reason);
  }

  #judgeArbitrate(now: number): Judgement {
    if (this.#isAnyReady()) return this.#judgeQuorum(now);
    const { electorate, coldWaitMs } = this.#settings;
    const missing = electorate.filter((card) => card !== this.#card && !this.#heard.has(card));
    const isWaitedFor = this.#type?.type === "cold" && this.#proceedBy === undefined;
    const waitedUntil = this.#startedAt + coldWaitMs;
    if (isWaitedFor && missing.length > 0 && now < waitedUntil) {
      const text = `${named(missing)} of the configuration ${missing.length === 1 ? "was" : "were"} not heard since the start`;
      return held("cards-missing", text, waitedUntil);
    }
    const behind = [...this.#announced].filter(([card, { message }]) => this.#heard.has(card) && startsStill.has(message.state));
    const until = this.#enteredAt + bootCatchUpMs;
    if (behind.length > 0 && now < until) return waits(`${named(behind.map(([card]) => card))} to come as far`, until);
    return this.#judgeQuorum(now);
  }

  #judgeQuorum(now: number): Judgement {
    if (!this.#view.holds) {
      const until = this.#enteredAt + bootQuorumMs;
      return now < until ? waits(`a view: ${this.#view.reason}`, until) : held("no-quorum", this.#view.reason);
    }
    if (this.#known) return done;
    const until = this.#enteredAt + bootCatchUpMs;
    const text = "it does not know yet what the others have agreed on";
    return now < until ? waits(text, until) : held("catching-up", text);
  }

  /** Who is ready knows who has what. */
  #isAnyReady(): boolean {
    for (const [card, { message }] of this.#announced) if (message.state === "ready" && this.#heard.has(card)) return true;
    return false;
  }

  // ---- what goes out

  #announce(now: number): void {
    this.#announcedAt = now;
    this.#announceAt = now + Math.max(this.#settings.announceMs, this.#phase === "ready" ? bootAnnounceReadyMs : bootAnnounceMs);
    const { sequence, epoch } = this.#configuration;
    this.#outputs.push({
      kind: "announce",
      message: {
        kind: "boot",
        bootType: this.#type?.type ?? "cold",
        state: this.#hold === undefined ? this.#phase : "hold",
        hold: this.#hold?.code ?? "",
        sequence,
        epoch,
        role: this.#role,
      },
    });
  }

  #record(ended: LastRun["ended"]): void {
    const { machineBoot, software, lastRun } = this.#evidence;
    const unreadyStarts = this.#readyAt === undefined ? (lastRun?.unreadyStarts ?? 0) + 1 : 0;
    const sense = this.#sense ?? lastRun?.sense;
    const record = { machineBoot, software, ended, role: this.#role, maintenance: this.#maintenance, unreadyStarts, sense };
    this.#outputs.push({ kind: "record", record });
  }

  #log(level: "info" | "warn", event: string, fields: LogFields): void {
    this.#outputs.push({ kind: "log", level, event, fields });
  }
}

function named(cards: readonly CardId[]): string {
  return cards.map((card) => `card ${card}`).join(", ");
}

function isSameSense(a: SlotSense | undefined, b: SlotSense): boolean {
  return a !== undefined && a.incarnation === b.incarnation && a.powerOns === b.powerOns && a.resets === b.resets;
}
