/**
 * Scenario files: what is done to a world above a line `----`, and below it everything that the cards concluded.
 * A recording is made by running it; whoever changes one reads the difference.
 *
 *     cards 3              how the world is set up: cards, chassis, profile, baud, seed, disabled CARD, tiebreak CARD, witness, stores,
 *                          failover PART ..., watchdog MS
 *     only tentative epoch of the cards' log lines only those whose event begins with one of these words
 *     settle               runs until all is quiet; what is concluded on the way is left out
 *     pull 3               any verb of faults.ts
 *     run 5000             lets 5 s pass
 *     show                 every running card's view of its peers, in one line each
 *     show members         the node view that each of them holds
 *     show groups          its place in the order, and the groups
 *     show services        what each card has, and the Primary of each set
 *     show records         what each record of a failover came to
 *     show configuration   the state of its replica, and the head of its chain
 *     show log 2 alpha     what the application on card 2 in group alpha was told
 *     ----
 */
import { unreachable } from "../base/assert.ts";
import type { ConfigAnswer } from "../config/request.ts";
import type { Effect } from "../node/effect.ts";
import type { Violation } from "./checker.ts";
import { settleMs } from "./settling.ts";
import type { CardId } from "../base/ids.ts";
import { nameOf, textOfEvent } from "./applications.ts";
import { type FailoverPart, failoverParts } from "./failover-rows.ts";
import { carryOutLine } from "./faults.ts";
import { type ProfileName, profileNames } from "../node/profiles.ts";
import type { StartProgram } from "./sim-card.ts";
import { placeCards, quietMs } from "./swarm.ts";
import { textOf as textOfView } from "./views.ts";
import { World } from "./world.ts";

export type Scenario = { readonly verbs: readonly string[]; readonly recorded: string };

export type ScenarioResult = {
  /** What the cards concluded, as it stands below the line. */
  readonly concluded: string;
  readonly hash: string;
  readonly violation?: Violation;
  readonly lines: readonly string[];
};

const divider = "----";

export function parseScenario(text: string): Scenario {
  const lines = text.split("\n");
  const at = lines.indexOf(divider);
  const verbs = at < 0 ? lines : lines.slice(0, at);
  return { verbs, recorded: at < 0 ? "" : lines.slice(at + 1).join("\n") };
}

/** The file's text with what was concluded now. */
export function recordScenario(scenario: Scenario, concluded: string): string {
  return `${scenario.verbs.join("\n").trimEnd()}\n${divider}\n${concluded}`;
}

/** Runs a scenario, or gives the line that is wrong and why. */
export function runScenario(
  scenario: Scenario,
  options: { start?: StartProgram; trace?: (line: string) => void } = {},
): ScenarioResult | string {
  const setup = { cards: 3, chassis: 1, profile: "default" as ProfileName, baud: 115_200, seed: 1 };
  const votes: {
    disabled?: CardId[];
    tieBreak?: CardId;
    witness?: boolean;
    stores?: boolean;
    failover?: FailoverPart[];
    watchdogMs?: number;
  } = {};
  /** The first words of the events of log lines that are recorded; without it all are. */
  let only: ReadonlySet<string> | undefined;
  const lines = scenario.verbs.map((line) => line.replace(/#.*/, "").trim());
  let index = 0;
  for (; index < lines.length; index++) {
    const line = lines[index] as string;
    const [name, word = ""] = line.split(/\s+/);
    if (line === "") continue;
    if (name === "profile") {
      const profile = profileNames.find((candidate) => candidate === word);
      if (profile === undefined) return `line ${index + 1}: "${word}" is none of ${profileNames.join(", ")}`;
      setup.profile = profile;
    } else if (name === "cards" || name === "chassis" || name === "baud" || name === "seed") {
      if (!/^[1-9]\d*$/.test(word)) return `line ${index + 1}: ${name} is a whole number above zero, not "${word}"`;
      setup[name] = Number(word);
    } else if (name === "disabled" || name === "tiebreak") {
      if (!/^[1-9]\d*$/.test(word)) return `line ${index + 1}: ${name} names a card, not "${word}"`;
      if (name === "disabled") votes.disabled = [...votes.disabled ?? [], Number(word) as CardId];
      else votes.tieBreak = Number(word) as CardId;
    } else if (name === "witness") votes.witness = true;
    else if (name === "stores") votes.stores = true;
    else if (name === "watchdog") {
      if (!(Number(word) > 0)) return `line ${index + 1}: watchdog needs milliseconds above zero, not "${word}"`;
      votes.watchdogMs = Number(word);
    } else if (name === "failover") {
      const words = line.split(/\s+/).slice(1);
      const parts = failoverParts.filter((part) => words.includes(part));
      if (parts.length === 0 || parts.length < words.length) return `line ${index + 1}: failover names some of ${failoverParts.join(", ")}`;
      votes.failover = parts;
    } else if (name === "only") only = new Set(line.split(/\s+/).slice(1));
    else break;
  }
  if (setup.chassis > 8 || setup.cards < setup.chassis || setup.cards > 8 * setup.chassis) {
    return `${setup.cards} cards do not fit ${setup.chassis} chassis: a chassis has 1 to 8 cards, a system 1 to 8 chassis`;
  }

  const concluded: string[] = [];
  let quiet = false;
  const world = new World({
    seed: setup.seed,
    cards: placeCards(setup.cards, setup.chassis),
    profile: setup.profile,
    baud: setup.baud,
    ...votes,
    // A recording should change with what the cards do, not with each draw of a timer's grain.
    timerGrainMs: 0,
    ...options,
    onStep: (card, at, _input, effects) => {
      if (quiet) return;
      for (const effect of effects) {
        if (effect.kind === "log" && only?.has(effect.event.split(" ")[0] as string) === false) continue;
        const text = textOf(effect);
        if (text !== undefined) concluded.push(`${at.toFixed(0).padStart(8)} ${card.label}: ${text}`);
      }
    },
  });
  const result = (): ScenarioResult => {
    const [violation] = world.violations;
    if (violation !== undefined) {
      concluded.push(`${world.at.toFixed(0).padStart(8)} violation: ${violation.checker}, ${violation.card}: ${violation.detail}`);
    }
    return {
      concluded: concluded.map((line) => line + "\n").join(""),
      hash: world.history.hash(),
      ...(violation === undefined ? {} : { violation }),
      lines: violation === undefined ? [] : world.history.lines(),
    };
  };

  for (; index < lines.length; index++) {
    const line = lines[index] as string;
    if (line === "") continue;
    if (world.violations.length > 0) return result();
    const [name, word = ""] = line.split(/\s+/);
    concluded.push(`${world.at.toFixed(0).padStart(8)} > ${line}`);
    if (name === "run") {
      if (!(Number(word) > 0)) return `line ${index + 1}: run needs milliseconds above zero, not "${word}"`;
      world.runUntil(world.at + Number(word));
    } else if (name === "settle") {
      quiet = true;
      world.runUntil(world.at + settleMs(world) - quietMs);
      world.setQuiet(true);
      world.runUntil(world.at + quietMs);
      world.setQuiet(false);
      quiet = false;
      if (world.violations.length === 0) world.checkers.checkSettled();
    } else if (name === "show") {
      const shown = show(world, line.split(/\s+/).slice(1));
      if (typeof shown === "string") return `line ${index + 1}: ${shown}`;
      concluded.push(...shown.map((text) => `         ${text}`));
    } else {
      const wrong = carryOutLine(world, line);
      if (wrong !== undefined) return `line ${index + 1}: ${wrong}`;
    }
  }
  return result();
}

function textOf(effect: Effect): string | undefined {
  if (effect.kind === "reincarnate") return `reincarnate above ${effect.above}`;
  if (effect.kind === "resetCard") return `reset card: ${effect.reason}`;
  if (effect.kind === "configured") return `configured ${effect.client}: ${textOfAnswer(effect.answer)}`;
  if (effect.kind === "closeApplication") return `close application ${effect.client}: ${effect.reason}`;
  if (effect.kind !== "log") return undefined;
  const fields = Object.entries(effect.fields).map(([name, value]) =>
    `${name}=${typeof value === "string" ? JSON.stringify(value) : value}`
  );
  return [`${effect.level} ${effect.event}`, ...fields].join(" ");
}

function textOfAnswer(answer: ConfigAnswer): string {
  switch (answer.kind) {
    case "changed":
      return `change ${answer.head.sequence} of epoch ${answer.head.epoch} by card ${answer.servedBy}${
        answer.repeated ? ", repeated" : ""
      }`;
    case "checked":
      return answer.findings.length === 0 ? "nothing is wrong" : `${answer.findings.join("; ")}${answer.repaired ? ": repaired" : ""}`;
    case "discarded":
      return "discarded";
    case "refused":
      return `refused by card ${answer.servedBy}, ${answer.refusal.code}: ${answer.refusal.message}`;
    default:
      return unreachable(answer);
  }
}

/** What `show` with these words shows, or what is wrong with them. */
function show(world: World, [what, ...words]: readonly string[]): readonly string[] | string {
  switch (what) {
    case undefined:
      return world.cards.flatMap((card) => viewOf(world, card.index) ?? []);
    case "members":
      return world.cards.flatMap((card) => {
        const membership = world.statusOf(card)?.membership;
        if (membership === undefined) return [];
        const { state, reason, view } = membership;
        return `${card.label} ${state}${reason === undefined ? "" : ` (${reason})`}: ${view === undefined ? "no view" : textOfView(view)}`;
      });
    case "groups":
      return world.cards.flatMap((card) => groupsOf(world, card.index));
    case "services":
      return servicesOf(world);
    case "records":
      return recordsOf(world);
    case "configuration":
      return world.cards.flatMap((card) => {
        const configuration = world.statusOf(card)?.configuration;
        if (configuration === undefined) return [];
        const { state, code, reason, head, level, replicas, branches } = configuration;
        const why = reason === undefined ? "" : ` (${code === undefined ? "" : `${code}: `}${reason})`;
        const aside = branches.map(({ changes, since }) => `, ${changes} changes since ${since} set aside`).join("");
        const place = `change ${head.sequence} of epoch ${head.epoch}, level ${level}, replicas ${replicas.join(" ") || "unknown"}`;
        return `${card.label} ${state}${why}: ${place}${aside}`;
      });
    case "log": {
      const [id, group = ""] = words;
      const client = world.applications.clients.findLast(({ card, memberships }) => `${card.id}` === id && memberships.has(group));
      if (client === undefined) return `no application on card ${id} has been in group ${group}`;
      return client.log.flatMap((item) =>
        typeof item !== "string" && "group" in item && item.group !== group ? [] : textOfEvent(item) ?? []
      );
    }
    default:
      return `show shows members, groups, services, records, configuration, log CARD GROUP, or without a word how the cards see each other, not "${what}"`;
  }
}

/** What each machine has, whatever its program knows, and what a card says of the sets. */
function servicesOf(world: World): string[] {
  const lines = world.cards.map((card) => {
    const has = [...world.failover?.on(card) ?? []].map(([id, state]) => state === "running" ? id : `${id} (${state})`);
    return `${card.label}: ${has.join(", ") || "nothing"}`;
  });
  const decided = world.cards.flatMap((card) => card.run?.program.decidedFailover?.() ?? []);
  const newest = decided.sort((one, other) => other.sequence - one.sequence)[0];
  if (newest === undefined) return lines;
  const sets = [...newest.assignment.sets.values()].map(({ set, primary, isDormant }) =>
    `${set} ${isDormant ? "is dormant" : primary === undefined ? "has no Primary" : `on card ${primary.card}`}`
  );
  return [...lines, sets.join(", ")];
}

function recordsOf(world: World): string[] {
  const [card] = world.cards.filter(({ run }) => run?.program.decidedFailover?.() !== undefined);
  return (card?.run?.program.failover?.(card.run.now)?.records ?? []).map(({ id, subject, phase, verdict, receipt, events }) => {
    const about = subject.kind === "card"
      ? `card ${subject.card}`
      : subject.kind === "service"
      ? `${subject.service} on card ${subject.card}`
      : subject.rule;
    const granted = events.flatMap((event) => event.kind === "granted" ? [`${event.service} to card ${event.to}`] : []);
    const why = verdict === undefined ? "no verdict" : `${verdict.verdict} by ${verdict.rule}`;
    return `${id} ${about}, ${phase}: ${why}, receipt ${receipt?.receipt ?? "none"}; ${granted.join(", ") || "nothing granted"}`;
  });
}

function groupsOf(world: World, index: number): string[] {
  const card = world.cards[index];
  const status = card === undefined ? undefined : world.statusOf(card)?.groups;
  if (card === undefined || status === undefined) return [];
  const { state, reason, epoch, held, committed, delivered, pending, groups } = status;
  const place = `epoch ${epoch}, held ${held}, committed ${committed}, delivered ${delivered}, pending ${pending}`;
  return [
    `${card.label} ${state}${reason === undefined ? "" : ` (${reason})`}: ${place}`,
    ...groups.map(({ name, view, messages, members }) =>
      `  ${name} view ${view} of ${members.map(nameOf).join(" ") || "nobody"}, ${messages} messages`
    ),
  ];
}

/** One line on what a running card sees. */
function viewOf(world: World, index: number): string | undefined {
  const card = world.cards[index];
  const status = card === undefined ? undefined : world.statusOf(card);
  if (card === undefined || status === undefined) return undefined;
  const peers = status.peers.map((peer) => {
    const links = Object.entries(peer.links).map(([link, at]) => `${link} ${at.health}`).join(", ");
    return `${peer.card} ${peer.health}${peer.verified ? " verified" : ""}${links === "" ? "" : ` (${links})`}`;
  });
  const alarms = status.alarms.map((alarm) => alarm.code);
  return `${card.label} incarnation ${status.incarnation}: ${peers.join("; ")}${
    alarms.length === 0 ? "" : `; alarms: ${alarms.join(", ")}`
  }`;
}
