/**
 * What can be done to a world, as lines of words: a scenario file holds them, a swarm draws them, the history prints
 * them. One table says how each is written and what it does.
 */
import { type CardId, chassisCountMax, type LinkKind, linkKinds, slotCountMax } from "../base/ids.ts";
import { applicationMessageBytesMax, monitorMsMax } from "../limits.ts";
import type { StoreOrder } from "../config/store.ts";
import type { MessageKind } from "../wire/message.ts";
import type { DiskFault } from "./config-store.ts";
import { type RowChange, rowChanges } from "./failover-rows.ts";
import { type HookFault, hookFaults } from "./failover-system.ts";
import { forgeries } from "./forger.ts";
import type { LineDirection } from "./multiplexor.ts";
import { type ProfileName, profileNames } from "../node/profiles.ts";
import { storeOrders } from "./operators.ts";
import type { SimCard, WakeOrder } from "./sim-card.ts";
import type { TwinIncarnation, World } from "./world.ts";

/** The messages that cards send each other to agree, which a fault may wait for. */
export const agreeing = [
  "wantView",
  "proposeView",
  "promiseView",
  "refuseView",
  "commitView",
  "committedView",
  "submit",
  "pass",
  "commit",
  "flush",
  "sync",
] as const;
const messageKinds: readonly MessageKind[] = [
  ...agreeing,
  "heartbeat",
  "advert",
  "bye",
  "stale",
  "fragment",
  "failing",
  "configState",
  "configAsk",
  "configGive",
  "configDurable",
  "configForward",
  "configAnswer",
  "muxPower",
  "muxReceipt",
];

/** One word of a line. */
type Arg<Value> = {
  readonly shows: string;
  /** What a left out word stands for; without it the word must be there. */
  readonly otherwise?: Value;
  /** `undefined` when the word is wrong. */
  readonly read: (word: string, world: World) => Value | undefined;
};
type Values<Args> = { readonly [Name in keyof Args]: Args[Name] extends Arg<infer Value> ? Value : never };

export type Verb = {
  /** How its words are written. */
  readonly usage: string;
  readonly does: string;
  /** Does it, or says which word is wrong. */
  readonly run: (world: World, words: readonly string[]) => string | undefined;
};

function verb<Args extends Record<string, Arg<unknown>>>(
  does: string,
  args: Args,
  run: (world: World, values: Values<Args>) => void,
): Verb {
  const entries = Object.entries(args);
  const usage = entries.map(([, arg]) => arg.otherwise === undefined ? arg.shows : `[${arg.shows}]`).join(" ");
  return {
    usage,
    does,
    run: (world, words) => {
      if (words.length > entries.length) return `"${words[entries.length]}" is a word too many`;
      const values: Record<string, unknown> = {};
      for (const [index, [name, arg]] of entries.entries()) {
        const word = words[index];
        const value = word === undefined ? arg.otherwise : arg.read(word, world);
        if (value === undefined) return word === undefined ? `${arg.shows} is missing` : `"${word}" is not ${arg.shows}`;
        values[name] = value;
      }
      run(world, values as Values<Args>);
      return undefined;
    },
  };
}

function oneOf<Choice extends string>(choices: readonly Choice[], otherwise?: Choice): Arg<Choice> {
  const read = (word: string) => choices.find((choice) => choice === word);
  return { shows: choices.join("|"), read, ...(otherwise === undefined ? {} : { otherwise }) };
}

const card: Arg<SimCard> = {
  shows: "CARD",
  read: (word, world) => world.cards.find((candidate) => !candidate.isTwin && String(candidate.id) === word),
};
const cardOrAll: Arg<SimCard | "all"> = {
  shows: "CARD|all",
  otherwise: "all",
  read: (word, world) => word === "all" ? word : card.read(word, world),
};
const link: Arg<LinkKind> = oneOf(linkKinds);
const number = (shows: string, min: number, max: number): Arg<number> => ({
  shows,
  read: (word) => word !== "" && Number(word) >= min && Number(word) <= max ? Number(word) : undefined,
});
const rate = number("RATE (0 to 1)", 0, 1);
const ms = number("MS", 0, 1e9);
const chassis = number("CHASSIS", 1, chassisCountMax);
const direction: Arg<LineDirection | "both"> = oneOf(["tx", "rx", "both"], "both");
const first: Arg<WakeOrder> = oneOf(["frames", "tick"], "tick");
const drops: Arg<"newest" | "oldest"> = oneOf(["newest", "oldest"], "newest");
const profile: Arg<ProfileName> = oneOf(profileNames);
const reason: Arg<"stop" | "restart" | "maintenance" | "upgrade"> = oneOf(["stop", "restart", "maintenance", "upgrade"], "stop");
const twin: Arg<TwinIncarnation> = oneOf(["lower", "same", "higher"], "higher");
const incarnation: Arg<number> = { ...number("INCARNATION", 0, 0xffffffff), otherwise: -1 };
const count: Arg<number> = { ...number("COUNT", 1, 10_000), otherwise: 1 };
const group: Arg<string> = { shows: "GROUP", read: (word) => /^[a-z][a-z0-9-]{0,31}$/.test(word) ? word : undefined };
const kind: Arg<MessageKind> = { shows: "MESSAGE", read: (word) => messageKinds.find((kind) => kind === word) };
const way: Arg<"sends" | "hears"> = oneOf(["sends", "hears"]);
const ends: Arg<"crash" | "pull"> = oneOf(["crash", "pull"], "crash");
const criticality: Arg<"critical" | "plain"> = oneOf(["critical", "plain"], "plain");
const sharing: Arg<"own" | "shared"> = oneOf(["own", "shared"], "own");
const diskState: Arg<DiskFault | "slow" | "right"> = oneOf(["full", "failing", "readOnly", "slow", "right"]);
const storeOrder: Arg<StoreOrder["kind"]> = oneOf(storeOrders);
const hookFault: Arg<HookFault> = oneOf(hookFaults);
const subject: Arg<string> = { shows: "SERVICE", read: (word) => word };
const by = { by: "operator", comment: "" } as const;
const monitor: Arg<number> = { ...number("MONITOR_MS", 0, monitorMsMax), otherwise: 0 };

export const verbs: Readonly<Record<string, Verb>> = {
  pull: verb("the card is taken out: no power, and its slot's sense says so", { card }, (world, { card }) => world.pull(card)),
  crash: verb("the card's program ends, its power stays: only silence tells", { card }, (world, { card }) => world.crash(card)),
  insert: verb(
    "a card that was pulled or has crashed starts, with its next incarnation or a restored one",
    { card, incarnation },
    (world, { card, incarnation }) => incarnation < 0 ? world.insert(card) : world.insert(card, incarnation),
  ),
  leave: verb(
    "the card is asked to leave in good order",
    { card, reason },
    (world, { card, reason }) => world.leave(card, reason),
  ),
  stall: verb(
    "the card's process stands still; on waking it gets its tick or its frames first",
    { card, ms, first, drops },
    (world, { card, ms, first, drops }) => world.stall(card, ms, first, drops === "oldest"),
  ),
  cut: verb(
    "a cable carries nothing, one way as the card sees it or both, while its port looks fine",
    { link, card, direction },
    (world, { link, card, direction }) => world.cut(card, link, direction),
  ),
  port: verb(
    "the card's own port fails (no carrier, the tty gone) or works again",
    { link, card, state: oneOf(["down", "up"]) },
    (world, { link, card, state }) => world.setPort(card, link, state === "up"),
  ),
  partition: verb(
    "Ethernet carries nothing between two cards, or nothing from the first to the second",
    { from: card, to: card, ways: oneOf(["oneway", "both"], "both") },
    (world, { from, to, ways }) => world.partition(from, to, ways === "oneway"),
  ),
  part: verb(
    "the multiplexor repeats nothing from the first card's line to the second's, or both ways",
    { from: card, to: card, ways: oneOf(["oneway", "both"], "both") },
    (world, { from, to, ways }) => {
      world.busOf(from).part(world.at, from.slot, to.slot);
      if (ways === "both") world.busOf(to).part(world.at, to.slot, from.slot);
    },
  ),
  lose: verb("frames get lost", { link, rate }, (world, { link, rate }) => world.setNoise(link, { loss: rate })),
  repeat: verb("frames come twice", { link, rate }, (world, { link, rate }) => world.setNoise(link, { duplicate: rate })),
  reorder: verb("frames overtake each other", { link, rate }, (world, { link, rate }) => world.setNoise(link, { reorder: rate })),
  damage: verb("a bit of a frame is flipped", { link, rate }, (world, { link, rate }) => world.setNoise(link, { damage: rate })),
  delay: verb("frames take up to so long", { link, ms }, (world, { link, ms }) => world.setNoise(link, { jitterMs: ms })),
  corrupt: verb(
    "a bit of a byte on the card's serial line is flipped",
    { link: oneOf(["serial"]), card, rate },
    (world, { card, rate }) => world.corruptSerial(card, rate),
  ),
  multiplexor: verb(
    "a chassis's multiplexor fails or comes back",
    { chassis, state: oneOf(["dead", "alive"]) },
    (world, { chassis, state }) => world.setMultiplexorDead(chassis, state === "dead"),
  ),
  sense: verb(
    "the power sense of the card's slot fails, so that the slot passes for empty, or works again",
    { card, state: oneOf(["fails", "works"]) },
    (world, { card, state }) => world.setSense(card, state === "works"),
  ),
  babble: verb("the card's serial line carries noise without end", { card }, (world, { card }) => world.babble(card)),
  crosstalk: verb(
    "frames on the first card's serial line leak into the second's",
    { from: card, into: card, rate },
    (world, { from, into, rate }) => world.crossTalk(from, into, rate),
  ),
  duplicate: verb(
    "a second card with the same identity is plugged in, with an incarnation that is lower, the same or higher",
    { card, twin },
    (world, { card, twin }) => world.duplicate(card, twin),
  ),
  forge: verb(
    "somebody without the key sends frames in the card's name",
    { forgery: oneOf(forgeries), link, card, count },
    (world, { forgery, link, card, count }) => {
      for (let index = 0; index < count; index++) world.forge(forgery, link, card);
    },
  ),
  reset: verb(
    "the first card orders the multiplexor to reset a slot of its chassis",
    { card, slot: number("SLOT", 1, slotCountMax) },
    (world, { card, slot }) => world.orderReset(card, slot),
  ),
  reload: verb("the card reads its settings again", { card, profile }, (world, { card, profile }) => world.reload(card, profile)),
  trap: verb(
    "the card ends when it has sent, or is about to take, its next message of a kind, or a later one",
    { card, way, kind, count, ends },
    (world, { card, way, kind, count, ends }) => world.trap(card, way, kind, count, ends),
  ),
  drop: verb(
    "the next Ethernet frames of a kind that the first card sends are lost on their way to the second, or to all",
    { from: card, kind, count, to: cardOrAll },
    (world, { from, kind, count, to }) => world.drop(from, kind, to === "all" ? undefined : to, count),
  ),
  join: verb(
    "an application is installed on the card and joins a group, or starts again; shared ones are one process",
    { card, group, criticality, monitor, sharing },
    (world, { card, group, criticality, monitor, sharing }) =>
      world.applications.join(card, group, {
        critical: criticality === "critical",
        monitorMs: monitor,
        shared: sharing === "shared",
        watches: false,
      }),
  ),
  watch: verb(
    "an application is installed on the card that receives what a group receives and is no member",
    { card, group, sharing },
    (world, { card, group, sharing }) =>
      world.applications.join(card, group, { critical: false, monitorMs: 0, shared: sharing === "shared", watches: true }),
  ),
  send: verb(
    "an application on the card sends one message with a text, or so many",
    { card, group, what: { shows: "TEXT|COUNT", read: (word) => word } },
    (world, { card, group, what }) => {
      const times = /^\d+$/.test(what) ? Number(what) : 1;
      const texts = times === 1 ? [what] : Array.from({ length: times }, (_, index) => `${index + 1}`);
      world.applications.send(card, group, texts);
    },
  ),
  chatter: verb(
    "the card's application sends by itself from now on, with such a mean gap and size",
    { card, group, gapMs: number("GAP_MS", 1, 1e6), bytes: { ...number("BYTES", 0, applicationMessageBytesMax / 2), otherwise: 16 } },
    (world, { card, group, gapMs, bytes }) => world.applications.chatter(card, group, gapMs, bytes),
  ),
  quiet: verb(
    "no application sends by itself and no operator asks any more, or they do again",
    { state: oneOf(["on", "off"], "on") },
    (world, { state }) => world.setQuiet(state === "on"),
  ),
  kill: verb("the card's application in a group dies", { card, group }, (world, { card, group }) => world.applications.kill(card, group)),
  hang: verb(
    "the card's application in a group stands still: it sends and answers nothing",
    { card, group, ms },
    (world, { card, group, ms }) => world.applications.hang(card, group, ms),
  ),
  quit: verb(
    "the card's application leaves its group in good order, and is installed no longer",
    { card, group },
    (world, { card, group }) => world.applications.quit(card, group),
  ),
  write: verb(
    "an operator changes the configuration on the card, so many times at once",
    { card, count },
    (world, { card, count }) => world.operators?.write(card, count),
  ),
  writers: verb(
    "operators change the configuration on some card by themselves from now on, with such a mean gap",
    { gapMs: number("GAP_MS", 1, 1e6) },
    (world, { gapMs }) => world.operators?.keepWriting(gapMs),
  ),
  disk: verb(
    "the disk of the card's store is full, fails, is read-only, slow now and then, or right again",
    { card, state: diskState },
    (world, { card, state }) => world.operators?.setDisk(card, state),
  ),
  blackout: verb(
    "the card ends while its store is at its next order of a kind, or a later one; the disk has it or has it not",
    { card, order: storeOrder, count },
    (world, { card, order, count }) => world.operators?.trap(card, order, count),
  ),
  rot: verb("a row in the card's store changes without a change", { card }, (world, { card }) => world.operators?.rot(card)),
  repair: verb(
    "an operator has the card's store checked, and what is wrong taken from another card",
    { card },
    (world, { card }) => world.operators?.repair(card),
  ),
  discard: verb(
    "an operator discards the branches that the card has set aside",
    { card },
    (world, { card }) => world.operators?.discardBranches(card),
  ),
  hooks: verb(
    "the hooks of the card's resources fail now and then: starts, stops, or they hang",
    { card, fault: hookFault, rate },
    (world, { card, fault, rate }) => world.failover?.setFault(card, fault, rate),
  ),
  die: verb("one of the resources that run on the card dies", { card }, (world, { card }) => world.failover?.die(card)),
  sick: verb(
    "the card's disk fails the check of a self-test, or is well again",
    { card, state: oneOf(["on", "off"]) },
    (world, { card, state }) => {
      card.isSick = state === "on";
      world.failover?.tellHealth(card);
    },
  ),
  rival: verb("somebody else answers for an address of the card", { card }, (world, { card }) => world.failover?.rival(card)),
  interface: verb(
    "an interface of the card for clients loses its carrier, or has it again",
    { card, name: { shows: "INTERFACE", read: (word: string) => word }, state: oneOf(["down", "up"]) },
    (world, { card, name, state }) => world.failover?.setInterface(card, name, state === "up"),
  ),
  configure: verb(
    "operators change the rows of failover, change that back, or change all back",
    { change: oneOf<RowChange | "back">([...rowChanges, "back"]) },
    (world, { change }) => world.failover?.configure(change),
  ),
  move: verb(
    "an operator has a service moved to the second card, as the first one is asked",
    { card, subject, to: card },
    (world, { card, subject, to }) => world.failover?.operate(card, { verb: "switch", subject, to: to.id, ...by }),
  ),
  failback: verb(
    "an operator has a service moved back, as the card is asked",
    { card, subject },
    (world, { card, subject }) => world.failover?.operate(card, { verb: "failback", subject, ...by }),
  ),
  lift: verb(
    "an operator lifts the quarantine of a service, or of a card, as the card is asked",
    { card, subject },
    (world, { card, subject }) =>
      world.failover?.operate(card, {
        verb: "lift-quarantine",
        subject: /^\d+$/.test(subject) ? Number(subject) as CardId : subject,
        ...by,
      }),
  ),
  drain: verb(
    "an operator has the second card drained, or ends that, as the first one is asked",
    { card, state: oneOf(["on", "off"]), of: card },
    (world, { card, state, of }) =>
      world.failover?.operate(
        card,
        state === "on" ? { verb: "drain", card: of.id, force: true, ...by } : { verb: "undrain", card: of.id, ...by },
      ),
  ),
  maintenance: verb(
    "an operator has the second card in maintenance, or ends that, as the first one is asked",
    { card, state: oneOf(["on", "off"]), of: card },
    (world, { card, state, of }) =>
      world.failover?.operate(card, { verb: "maintenance", card: of.id, on: state === "on", force: true, ...by }),
  ),
  heal: verb("all faults of links end and stalled cards wake up", {}, (world) => world.heal()),
  revive: verb("twins are taken out, and every card that has stopped starts", {}, (world) => world.revive()),
};

/** Does what a line says, or says what is wrong with it. */
export function carryOutLine(world: World, line: string): string | undefined {
  const [name = "", ...words] = line.split(/\s+/);
  const found = Object.hasOwn(verbs, name) ? verbs[name] : undefined;
  if (found === undefined) return `"${name}" is no verb; there are ${Object.keys(verbs).join(", ")}`;
  world.history.fact(world.at, line);
  const wrong = found.run(world, words);
  return wrong === undefined ? undefined : `${name} ${found.usage}: ${wrong}`;
}
