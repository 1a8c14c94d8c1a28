/**
 * The invariants, each with its sentence and the code that holds every step of every card against it. A checker
 * keeps what it needs and looks at one step, so a run with checkers costs little more than one without. They stand
 * outside the services: what is true they take from the world and its witnesses, what is said from the nodes.
 */
import { hex } from "../base/hex.ts";
import { type CardId, chassisOf, type LinkKind, linkKinds, slotOf } from "../base/ids.ts";
import { passEntriesMax, serialBitsPerByte, serialFrameBytesMax, serialHeartbeatBytesMax, serialHeartbeatLoadMax } from "../limits.ts";
import type { ApplicationEvent } from "../cluster/application.ts";
import type { Effect } from "../node/effect.ts";
import type { Input } from "../node/input.ts";
import type { CardHealth, NodeStatus, PeerStatus } from "../node/status.ts";
import type { Message } from "../wire/message.ts";
import type { Run, SimCard } from "./sim-card.ts";
import {
  type Agreement,
  type Change,
  Checker,
  type Log,
  type Report,
  type Scene,
  type Seen,
  type Step,
  type Unsettled,
  type Violation,
} from "./checker.ts";
import { FailedReset, OnlyFailedExit, OnlyFailedReset } from "./application-checkers.ts";
import type { Client } from "./applications.ts";
import { EqualGroupViews, EqualInTheEnd, EqualState, OneExchange, OneOrder, OrderRecord, SentOnce, StateKept } from "./order-checkers.ts";
import { downWithinMs } from "./settling.ts";
import { type ConfigChecker, configCheckers } from "./config-checkers.ts";
import type { FailoverChecker } from "./failover-checker.ts";
import { failoverCheckers } from "./failover-checkers.ts";
import type { SimConfigStore } from "./config-store.ts";
import type { Write } from "./operators.ts";
import type { ConfigAnswer } from "../config/request.ts";
import type { StoreResult } from "../config/store.ts";
import { EqualViews, OneSide, OneView, Promised, ProvenAbsent, Quorum, ViewsGrow } from "./view-checkers.ts";
import { Views } from "./views.ts";
import type { SaidOfPeer } from "./witness.ts";
import { sameBytes, type SenderWitness } from "./witness.ts";

/** Rounding of a card's clock, and of what a status says in whole milliseconds. */
const grainMs = 1.001;

export class DeadWithoutSilence extends Checker {
  readonly name = "dead-without-silence";
  readonly sentence =
    "A link to a peer is seen down only after downAfterMs of this card's own awake time without an authentic frame of the peer on it, or when the peer said goodbye, its slot has no power, or our own port is down.";

  override step({ card, run, changes }: Step): string | undefined {
    for (const { link, health, peer } of changes) {
      if (link === undefined || health !== "down") continue;
      const detail = this.#unproven(card, run, peer.card, link);
      if (detail !== undefined) return detail;
    }
    return undefined;
  }

  #unproven(card: SimCard, run: Run, peer: CardId, link: LinkKind): string | undefined {
    const { witness } = run;
    if (!run.port[link]) return undefined;
    const sender = witness.senders.get(peer);
    if (sender?.saidGoodbye === true) return undefined;
    if (chassisOf(peer) === chassisOf(card.id) && witness.powered !== undefined && !isInSlots(witness.powered, peer)) return undefined;
    const since = Math.max(sender?.heardAt[link] ?? -Infinity, witness.portUpAt[link]);
    const silentMs = witness.awakeAtMost - since;
    const { downAfterMs } = card.settings[link];
    if (silentMs + 1e-6 >= downAfterMs) return undefined;
    return `card ${peer} is seen down on ${link} after a silence of ${silentMs.toFixed(1)} ms, less than ${downAfterMs} ms`;
  }
}

export class DownOnAllLinks extends Checker {
  readonly name = "down-on-all-links";
  readonly sentence = "A card is seen down only when every link that it shares with the card that sees it is down.";

  override step({ changes }: Step): string | undefined {
    for (const { link, health, peer } of changes) {
      if (link !== undefined || health !== "down") continue;
      const alive = linkKinds.find((kind) => peer.links[kind] !== undefined && peer.links[kind].health !== "down");
      if (alive !== undefined) return `card ${peer.card} is seen down, its ${alive} link is ${peer.links[alive]?.health}`;
    }
    return undefined;
  }
}

export class NoReplay extends Checker {
  readonly name = "no-replay";
  readonly sentence =
    "A frame is accepted once, and none of an incarnation older than the newest that was heard: what is played again is no sign of life.";

  override step({ input, seen, status }: Step): string | undefined {
    if (
      input.kind !== "heard" || seen.freshness === undefined || seen.freshness === "fresh" || seen.status === undefined ||
      status === undefined
    ) {
      return undefined;
    }
    const { link, frame } = input;
    const what =
      `a frame that is ${seen.freshness} (from ${frame.from}, incarnation ${frame.incarnation}, sequence ${frame.sequence}, ${link})`;
    if (status.links[link].accepted !== seen.status.links[link].accepted) return `${what} was accepted`;
    const before = seen.status.peers.find((peer) => peer.card === frame.from)?.links[link];
    const after = status.peers.find((peer) => peer.card === frame.from)?.links[link];
    if (before === undefined || after === undefined) return undefined;
    if (after.accepted !== before.accepted) return `${what} was accepted`;
    const renewed = (before.silentForMs ?? 0) > grainMs && after.silentForMs === 0 &&
      status.lateTicks.count === seen.status.lateTicks.count;
    return renewed ? `${what} ended a silence of ${before.silentForMs} ms` : undefined;
  }
}

export class NoForgery extends Checker {
  readonly name = "no-forgery";
  readonly sentence = "What is made without this system's key, for another system, or for the other link is never heard as a frame.";

  override forged(input: Input): string | undefined {
    if (input.kind !== "heard") return undefined;
    const { from, message } = input.frame;
    return `a forged ${message.kind} in the name of ${from} was heard on ${input.link}`;
  }
}

export class ProvenIdentity extends Checker {
  readonly name = "proven-identity";
  readonly sentence =
    "A peer is verified only when on every shared link it named one and the same hardware and nonce and confirmed our nonce of this start; so never with two identities, and never without having spoken.";

  override step({ card, run, status }: Step): string | undefined {
    for (const peer of status.peers) {
      if (!peer.verified) continue;
      const detail = this.#unproven(card, run.witness.senders.get(peer.card), peer);
      if (detail !== undefined) return `card ${peer.card} is verified as ${peer.uid}, but ${detail}`;
    }
    return undefined;
  }

  #unproven(card: SimCard, sender: SenderWitness | undefined, peer: PeerStatus): string | undefined {
    if (sender === undefined) return "it has never spoken";
    const shared: readonly LinkKind[] = chassisOf(peer.card) === chassisOf(card.id) ? linkKinds : ["ether"];
    const [first] = shared.map((link) => sender.adverts[link]);
    for (const link of shared) {
      const advert = sender.adverts[link];
      if (advert === undefined || first === undefined) return `incarnation ${sender.incarnation} sent no advert on ${link}`;
      if (hex(advert.uid) !== peer.uid) return `its advert on ${link} says ${hex(advert.uid)}`;
      if (advert.nonce !== first.nonce || !sameBytes(advert.uid, first.uid)) return `its adverts on ${shared.join(" and ")} differ`;
      if (!advert.echoedUs) return `it did not confirm our nonce on ${link}`;
    }
    return undefined;
  }
}

export class BoundedStep extends Checker {
  readonly name = "bounded-step";
  readonly sentence =
    "A step returns a bounded number of effects: a few for each peer, and for each entry of the order that it delivers a few log lines, a few events for each application, and a few orders to the card's store; and after it the next deadline lies ahead: nothing spins.";
  /** How far each run had delivered when it last had much to say. */
  readonly #delivered = new WeakMap<Run, number>();

  /** Held against every step, so it takes no more than it needs. */
  every(run: Run, now: number, input: Input, effects: readonly Effect[]): string | undefined {
    if (!(run.deadline > now)) return `after ${input.kind} at ${now} the deadline is ${run.deadline}`;
    if (effects.length <= 16) return undefined;
    const counts = { events: 0, pieces: 0, logs: 0 };
    for (const effect of effects) {
      if (effect.kind === "application" || effect.kind === "closeApplication" || effect.kind === "configured") counts.events++;
      else if (effect.kind === "log") counts.logs++;
      else if (effect.kind === "send" && effect.message.kind === "fragment" && effect.message.index > 0) counts.pieces++;
    }
    const delivered = run.program.order?.().delivered ?? 0;
    const advanced = Math.max(0, delivered - (this.#delivered.get(run) ?? 0));
    this.#delivered.set(run, delivered);
    const few = 16 + 8 * run.program.status(now).peers.length;
    const others = effects.length - counts.events - counts.logs - counts.pieces;
    // What came during an exchange of group data is told at its end.
    const eventsMax = 2 * (advanced + passEntriesMax) * (run.clients + 1);
    // What a replica gives its store and says of it, for each change.
    const ofStoreMax = run.program.status(now).configuration !== undefined ? 3 * advanced : 0;
    // What a card starts, stops and looks at, says of it, and writes down.
    const ofFailoverMax = run.program.failover?.(now) === undefined ? 0 : 48 + 4 * advanced;
    if (others <= few + ofStoreMax + ofFailoverMax && counts.logs <= few + ofFailoverMax + 2 * advanced && counts.events <= eventsMax) {
      return undefined;
    }
    return `${others} effects, ${counts.logs} log lines and ${counts.events} events of one ${input.kind} that delivered ${advanced} entries`;
  }
}

export class SerialBudget extends Checker {
  readonly name = "serial-budget";
  readonly sentence =
    "A heartbeat takes at most serialHeartbeatBytesMax on the serial wire, no frame more than serialFrameBytesMax, and the heartbeats of all cards on a bus keep within their share of the line.";

  /** For each bus, the bytes above the share, draining at the share's speed. */
  readonly #above = new Map<number, { bytes: number; at: number }>();

  override serialSend(scene: Scene, card: SimCard, at: number, message: Message, lineBytes: number): string | undefined {
    if (lineBytes > serialFrameBytesMax) return `a ${message.kind} of ${lineBytes} bytes`;
    if (message.kind !== "heartbeat") return undefined;
    if (lineBytes > serialHeartbeatBytesMax) return `a heartbeat of ${lineBytes} bytes`;
    const onBus = scene.cards.filter((other) => other.chassis === card.chassis && other.slot !== undefined);
    // A twin is no card that anybody could have reckoned with.
    if (onBus.some((other) => other.isTwin)) return undefined;
    const share = (scene.options.baud / serialBitsPerByte / 1_000) * serialHeartbeatLoadMax;
    const above = this.#above.get(card.chassis) ?? { bytes: 0, at };
    this.#above.set(card.chassis, above);
    above.bytes = Math.max(0, above.bytes - (at - above.at) * share) + lineBytes;
    above.at = at;
    // All cards may beat at the same instant, and each once more when it or its port starts.
    const most = 3 * Math.max(2, onBus.length) * serialHeartbeatBytesMax;
    return above.bytes <= most
      ? undefined
      : `heartbeats are ${above.bytes.toFixed(0)} bytes above their share of ${scene.options.baud} baud`;
  }
}

export class PowerBelieved extends Checker {
  readonly name = "power-believed";
  readonly sentence = "When the multiplexor reports that a peer's slot has lost power, the peer is down at once.";

  override step({ card, run, seen, status }: Step): string | undefined {
    if (seen.lostPower === undefined) return undefined;
    for (const peer of status.peers) {
      if (chassisOf(peer.card) !== chassisOf(card.id) || !isInSlots(seen.lostPower, peer.card)) continue;
      if (isGone(peer.health) || !run.witness.senders.has(peer.card)) continue;
      return `card ${peer.card} is ${peer.health} after its slot lost power`;
    }
    return undefined;
  }
}

export class CrashSeen extends Checker {
  readonly name = "crash-seen";
  readonly sentence = "A card that stopped is seen down by every running card that had heard it, within the patience of their links.";

  override end(scene: Scene, stopped: SimCard, _run: Run, report: Report): void {
    for (const observer of scene.cards) {
      const { run } = observer;
      if (run === undefined || observer.id === stopped.id || !run.witness.senders.has(stopped.id)) continue;
      const boundMs = downWithinMs(scene, observer, stopped.id);
      const look = (at: number): void => {
        if (observer.run !== run || isSpeaking(scene, stopped.id)) return;
        const sender = run.witness.senders.get(stopped.id) as SenderWitness;
        const portUpAt = Math.max(...linkKinds.map((link) => run.port[link] ? run.witness.portUpAt[link] : -Infinity));
        // The witness has the time of the last step, so in a stall the wait goes on.
        const leftMs = Math.max(sender.heardAtLeast, portUpAt, endedAt) + boundMs - run.witness.awakeAtLeast;
        if (leftMs > 0 || run.stall !== undefined) return scene.later(at + Math.max(leftMs, 50), look);
        const health = scene.statusOf(observer)?.peers.find((peer) => peer.card === stopped.id)?.health;
        if (health !== undefined && !isGone(health)) {
          report(observer, `card ${stopped.id} stopped, and after ${boundMs.toFixed(0)} ms of silence is still ${health}`);
        }
      };
      const endedAt = run.witness.awakeAtLeast;
      scene.later(scene.at + boundMs, look);
    }
  }
}

export class ChangesLogged extends Checker {
  readonly name = "changes-logged";
  readonly sentence = "Whatever a node concludes of a peer is logged in the step in which it concludes it.";

  override step({ changes, effects, card }: Step): string | undefined {
    for (const change of changes) {
      const { link, health, peer } = change;
      const event = link === undefined ? "card health" : "link health";
      // A peer is first listed with the health that it starts with.
      if (change.was === undefined && (health === "absent" || health === "unheard")) continue;
      const isLogged = effects.some((effect) =>
        effect.kind === "log" && effect.event === event && effect.fields["peer"] === peer.card && effect.fields["health"] === health &&
        (link === undefined || effect.fields["link"] === link)
      );
      if (!isLogged) {
        return `${card.label} sees card ${peer.card}${link === undefined ? "" : ` on ${link}`} as ${health} and did not log it`;
      }
    }
    return undefined;
  }
}

export class CalmKept extends Checker {
  readonly name = "calm-kept";
  readonly sentence = "While nothing is wrong nobody's health changes.";
  calm = false;

  override step({ changes }: Step): string | undefined {
    if (!this.calm) return undefined;
    const change = changes[0];
    if (change === undefined) return undefined;
    return `card ${change.peer.card}${change.link === undefined ? "" : ` on ${change.link}`} went from ${change.was} to ${change.health}`;
  }
}

export class Settled extends Checker {
  readonly name = "settled";
  readonly sentence =
    "Within a stated time after the last fault every two running cards that share a link have verified each other and see each other healthy.";

  override settled(scene: Scene): Unsettled | undefined {
    const running = scene.cards.filter((card) => card.run !== undefined && !card.run.leaving);
    for (const card of running) {
      const status = scene.statusOf(card);
      for (const other of running) {
        if (other.id === card.id) continue;
        const peer = status?.peers.find((candidate) => candidate.card === other.id);
        if (peer === undefined) return { card, detail: `does not know card ${other.id}` };
        if (peer.health !== "healthy") return { card, detail: `sees card ${other.id} ${peer.health}: ${reasonsOf(peer)}` };
        if (!peer.verified) return { card, detail: `has not verified card ${other.id}: ${peer.unverifiedBecause}` };
        if (peer.uid !== hex(other.uid)) return { card, detail: `takes card ${other.id} for ${peer.uid}` };
      }
      const areAllThere = running.length === scene.cards.filter((other) => !other.isTwin).length;
      const alarm = status?.alarms.find(({ code }) => {
        // What is true of the system as it is built, or as the operator wants it, stays an alarm.
        const isOfDisabled = code === "no-quorum" || code === "configuration-stale";
        if (code === "single-link" || (isOfDisabled && scene.options.disabled?.includes(card.id) === true)) return false;
        return areAllThere || (code !== "card-down" && code !== "card-unknown");
      });
      if (alarm !== undefined) return { card, detail: `has an alarm still: ${alarm.code}, ${alarm.text}` };
    }
    return undefined;
  }
}

export class AtRest extends Checker {
  readonly name = "at-rest";
  readonly sentence = "With nobody sending and nothing under way a card sends heartbeats, adverts and how it started, and nothing else.";

  override settled(scene: Scene): Unsettled | undefined {
    // Where quarantines and failbacks wait for their time, the order carries it.
    if (scene.failover !== undefined) return undefined;
    for (const card of scene.cards) {
      const { run } = card;
      // A card that may not take part, or is too few, goes on asking.
      if (run === undefined || run.leaving || scene.statusOf(card)?.membership.state === "tentative") continue;
      if (scene.at - run.spoke.at < restMs) {
        return { card, detail: `sent ${run.spoke.kind} ${(scene.at - run.spoke.at).toFixed(0)} ms ago` };
      }
    }
    return undefined;
  }
}

/** After this long without anything to do a card is at rest. */
const restMs = 500;

function isSpeaking(scene: Scene, id: CardId): boolean {
  return scene.cards.some((card) => card.id === id && card.run !== undefined);
}

function isInSlots(slots: number, card: CardId): boolean {
  return ((slots >> (slotOf(card) - 1)) & 1) === 1;
}

function isGone(health: CardHealth): boolean {
  return health === "down" || health === "left" || health === "absent";
}

function reasonsOf(peer: PeerStatus): string {
  return linkKinds.flatMap((link) => {
    const at = peer.links[link];
    return at === undefined || at.health === "up" ? [] : [`${link} ${at.health}, ${at.reason}`];
  }).join("; ");
}

/** Runs all checkers over one world, and keeps the violations. */
export class Checkers {
  readonly violations: Violation[] = [];
  readonly #boundedStep = new BoundedStep();
  readonly calmKept = new CalmKept();
  readonly changesLogged = new ChangesLogged();
  readonly #views = new Views();
  readonly #order = new OrderRecord(this.#views);
  readonly all: readonly Checker[];
  readonly #ofCore: readonly Checker[] = [
    new DeadWithoutSilence(),
    new DownOnAllLinks(),
    new NoReplay(),
    new NoForgery(),
    new ProvenIdentity(),
    this.#boundedStep,
    new SerialBudget(),
    new PowerBelieved(),
    new CrashSeen(),
    this.changesLogged,
    this.calmKept,
    new Settled(),
    new AtRest(),
    new EqualViews(this.#views),
    new ViewsGrow(this.#views),
    new Promised(this.#views),
    new Quorum(this.#views),
    new ProvenAbsent(this.#views),
    new OneSide(this.#views),
    new OneView(this.#views),
    new OneOrder(this.#order),
    new SentOnce(this.#order),
    new EqualGroupViews(this.#order),
    new EqualState(this.#order),
    new StateKept(this.#order),
    new OneExchange(this.#order),
    new EqualInTheEnd(this.#order),
    new OnlyFailedReset(),
    new FailedReset(),
    new OnlyFailedExit(this.#order, this.#views),
  ];
  /** Only in a world whose cards have stores. */
  readonly #ofConfiguration: readonly ConfigChecker[];
  /** Only in a world whose cards have resources. */
  readonly #ofFailover: readonly FailoverChecker[];
  readonly #scene: Scene;
  #ofSteps: readonly Checker[];
  readonly #ofLogs: readonly Checker[];
  #ofEvents: readonly Checker[];
  readonly #ofSerial: readonly Checker[];
  #notFresh = 0;
  /** Two cards of one identity have run in this world. */
  #hadTwins = false;

  constructor(scene: Scene) {
    this.#scene = scene;
    this.#ofConfiguration = scene.operators === undefined ? [] : configCheckers(scene.operators);
    this.#ofFailover = scene.failover === undefined ? [] : failoverCheckers(scene.failover);
    this.all = [...this.#ofCore, ...this.#ofConfiguration, ...this.#ofFailover];
    this.#ofSteps = this.all.filter((checker) => checker.step !== undefined);
    this.#ofLogs = this.all.filter((checker) => checker.log !== undefined);
    this.#ofEvents = this.all.filter((checker) => checker.event !== undefined);
    this.#ofSerial = this.all.filter((checker) => checker.serialSend !== undefined);
  }

  /** What is to be known before a step; the witness learns what the step will take. */
  before(run: Run, now: number, input: Input): Seen {
    const { witness } = run;
    if (input.kind === "portUp" || input.kind === "portDown") witness.onPort(input);
    if (input.kind !== "heard") return nothingSeen;
    const freshness = witness.freshnessOf(input.link, input.frame);
    // Saying everything twice is dear, so of the many that come in some worlds every few are held against it.
    if (freshness !== "fresh") {
      return this.#notFresh++ % notFreshStride === 0 ? { freshness, status: run.program.status(now) } : nothingSeen;
    }
    const before = witness.powered ?? 0xff;
    witness.onFresh(input.link, input.frame, run.identity.nonce);
    const lostPower = before & ~(witness.powered ?? 0xff);
    return lostPower === 0 ? freshSeen : { freshness, lostPower };
  }

  after(card: SimCard, run: Run, at: number, now: number, input: Input, effects: readonly Effect[], seen: Seen): void {
    const unbounded = this.#boundedStep.every(run, now, input, effects);
    if (unbounded !== undefined) this.report(this.#boundedStep, card, unbounded);
    if (this.#ofFailover.length > 0 && !card.isTwin && !this.#hadTwins) {
      for (const checker of this.#ofFailover) this.#hold(checker, card, checker.each?.(this.#scene, card, run, effects));
    }
    // A node that logs nothing has concluded nothing; that it does log is held against it when the world has settled.
    if (seen.status === undefined && seen.lostPower === undefined && !hasLog(effects)) return;
    const status = run.program.status(now);
    const changes = changesOf(run, status);
    // A card that has ended in this step has taken over nothing that lasts.
    const view = this.#hadTwins || card.run !== run ? undefined : this.#views.note(this.#scene, card, run, status);
    const step: Step = { card, run, at, now, input, seen, effects, status, changes, view };
    for (const checker of this.#ofSteps) this.#hold(checker, card, checker.step?.(step, this.#scene));
    if (!this.#hadTwins && card.run === run) this.#order.epochOf(run);
    if (changes.length > 0) { for (const change of changes) remember(run, change); }
  }

  onSerialSend(card: SimCard, at: number, message: Message, lineBytes: number): void {
    for (const checker of this.#ofSerial) this.#hold(checker, card, checker.serialSend?.(this.#scene, card, at, message, lineBytes));
  }

  onAgreement(card: SimCard, run: Run, message: Agreement): void {
    for (const checker of this.#held()) this.#hold(checker, card, checker.agreement?.(card, run, message));
  }

  onLog(card: SimCard, run: Run, log: Log): void {
    if (this.#hadTwins) return;
    const { view, sequence, cards } = log.fields;
    if (log.event === "epoch" && Array.isArray(cards)) this.#order.onView(run, Number(view), Number(sequence), cards);
    for (const checker of this.#ofLogs) this.#hold(checker, card, checker.log?.(run, log));
  }

  onApplication(client: Client, event: ApplicationEvent): void {
    for (const checker of this.#ofEvents) this.#hold(checker, client.card, checker.event?.(this.#scene, client, event));
  }

  onStored(card: SimCard, _run: Run, store: SimConfigStore, result: StoreResult): void {
    for (const checker of this.#ofConfiguration) this.#hold(checker, card, checker.stored?.(this.#scene, card, store, result));
  }

  onAnswer(write: Write, card: SimCard, run: Run, answer: ConfigAnswer): void {
    for (const checker of this.#ofConfiguration) this.#hold(checker, card, checker.answered?.(this.#scene, write, card, run, answer));
  }

  /** A card begins to start a resource, or to stop it. */
  onHook(card: SimCard, hook: "start" | "stop", resource: string): void {
    if (this.#hadTwins) return;
    for (const checker of this.#ofFailover) {
      const detail = hook === "start" ? checker.started?.(this.#scene, card, resource) : checker.stopped?.(this.#scene, card, resource);
      this.#hold(checker, card, detail);
    }
  }

  /** A card's reset line is pulled. */
  onKilled(card: SimCard): void {
    if (this.#hadTwins) return;
    for (const checker of this.#ofFailover) this.#hold(checker, card, checker.killed?.(this.#scene, card));
  }

  onMissing(client: Client): void {
    for (const checker of this.#held()) checker.missing?.(this.#scene, client, (card, detail) => this.report(checker, card, detail));
  }

  onReset(card: SimCard, run: Run): void {
    for (const checker of this.#held()) this.#hold(checker, card, checker.reset?.(this.#scene, card, run));
  }

  onForged(card: SimCard, input: Input): void {
    for (const checker of this.all) this.#hold(checker, card, checker.forged?.(input));
  }

  onBegin(card: SimCard): void {
    if (!card.isTwin) return;
    this.#hadTwins = true;
    this.#ofSteps = this.#ofSteps.filter((checker) => !checker.needsSingles);
    this.#ofEvents = this.#ofEvents.filter((checker) => !checker.needsSingles);
  }

  onEnd(card: SimCard, run: Run): void {
    this.#views.forget(run);
    this.#order.forget(run);
    for (const checker of this.#held()) checker.end?.(this.#scene, card, run, (observer, detail) => this.report(checker, observer, detail));
  }

  /** Holds the whole world against what must be true once it has settled, and against every node's word. */
  checkSettled(): void {
    for (const checker of this.#held()) {
      const found = checker.settled?.(this.#scene);
      if (found !== undefined) this.report(checker, found.card, found.detail);
    }
    for (const card of this.#scene.cards) {
      const status = this.#scene.statusOf(card);
      if (card.run === undefined || status === undefined) continue;
      const [change] = changesOf(card.run, status);
      if (change === undefined) continue;
      const about = `card ${change.peer.card}${change.link === undefined ? "" : ` on ${change.link}`}`;
      this.report(this.changesLogged, card, `${about} has become ${change.health} and no step logged it`);
    }
  }

  report(checker: Checker, card: SimCard, detail: string): void {
    // What a checker has set in motion before there were two of a card is not held against the world any more.
    if (this.#hadTwins && checker.needsSingles) return;
    if (checker.needsTruth && this.#scene.cards.some(({ senseWrongUpTo }) => senseWrongUpTo > 0)) return;
    const { name, sentence } = checker;
    this.violations.push({ checker: name, sentence, at: this.#scene.at, card: card.label, detail });
  }

  /** The checkers that this world has not made void. */
  #held(): readonly Checker[] {
    return this.#hadTwins ? this.all.filter((checker) => !checker.needsSingles) : this.all;
  }

  #hold(checker: Checker, card: SimCard, detail: string | undefined): void {
    if (detail !== undefined) this.report(checker, card, detail);
  }
}

const nothingSeen: Seen = {};
/** Of frames that must not be taken, one in so many is looked at. */
const notFreshStride = 4;
const freshSeen: Seen = { freshness: "fresh" };

function hasLog(effects: readonly Effect[]): boolean {
  for (const effect of effects) if (effect.kind === "log") return true;
  return false;
}

/** What a status says of peers that it did not say before. */
function changesOf(run: Run, status: NodeStatus): Change[] {
  const changes: Change[] = [];
  for (const peer of status.peers) {
    const said = run.witness.said.get(peer.card);
    for (const link of linkKinds) {
      const health = peer.links[link]?.health;
      if (health !== undefined && health !== said?.links[link]) changes.push({ peer, link, was: said?.links[link], health });
    }
    if (peer.health !== said?.health) changes.push({ peer, was: said?.health, health: peer.health });
  }
  return changes;
}

function remember(run: Run, change: Change): void {
  const { said } = run.witness;
  let of: SaidOfPeer | undefined = said.get(change.peer.card);
  if (of === undefined) {
    of = { health: "absent", links: {} };
    said.set(change.peer.card, of);
  }
  if (change.link === undefined) of.health = change.health;
  else of.links[change.link] = change.health;
}
