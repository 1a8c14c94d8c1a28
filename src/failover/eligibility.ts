/**
 * Whether a card may serve, and if not why: coded reasons with who can end them and how (FS-5, FS-7). One table says of each reason whether what
 * runs on the card has to leave it.
 *
 * The surprising idea is `leaves`: a fault that makes a card a bad choice is no reason to stop the only copy that runs. So a card with a dead
 * port loses its service to a better card, and keeps it when there is none.
 */
import type { CardId } from "../base/ids.ts";
import type { FailoverConfig, ResourceId, SetConfig } from "./config.ts";
import type { CardFacts, Facts } from "./facts.ts";

export type Owner = "card" | "operator" | "configuration";

type ReasonRule = {
  /** Whether what runs there leaves: always, when another card can have it, or never. */
  readonly leaves: "always" | "elsewhere" | "never";
  /** Whether it may start there when there is no other card. */
  readonly starts: "never" | "last";
  /** What the card's role in its sets is called then. */
  readonly role: "failed" | "unassigned";
  /** Who can end it. */
  readonly owner: Owner;
  /** What ends it, as one sentence. */
  readonly hint: string;
};

export const reasonRules = {
  down: {
    leaves: "always",
    starts: "never",
    role: "failed",
    owner: "card",
    hint: "Bring the card back: look at its power and its console.",
  },
  unknown: {
    leaves: "never",
    starts: "never",
    role: "failed",
    owner: "operator",
    hint: "Prove that the card is down: pull it, or fence it, or mend its links.",
  },
  disabled: {
    leaves: "always",
    starts: "never",
    role: "unassigned",
    owner: "configuration",
    hint: "Enable the card in the configuration.",
  },
  maintenance: {
    leaves: "always",
    starts: "never",
    role: "unassigned",
    owner: "operator",
    hint: "End it with `card maintenance CARD off`.",
  },
  drained: { leaves: "always", starts: "never", role: "unassigned", owner: "operator", hint: "End it with `set undrain CARD`." },
  quarantined: {
    leaves: "always",
    starts: "never",
    role: "failed",
    owner: "operator",
    hint: "Find the cause, then `set lift-quarantine CARD`; it ends by itself at the given time.",
  },
  booting: { leaves: "always", starts: "never", role: "unassigned", owner: "card", hint: "Wait until the card is ready." },
  hold: {
    leaves: "always",
    starts: "never",
    role: "unassigned",
    owner: "card",
    hint: "See `cardinal boot` on the card for what its start waits for.",
  },
  "off-ethernet": {
    leaves: "elsewhere",
    starts: "never",
    role: "unassigned",
    owner: "card",
    hint: "Look at the card's Ethernet cable and port: without it the card takes no part in decisions.",
  },
  failing: { leaves: "elsewhere", starts: "never", role: "failed", owner: "card", hint: "Replace or mend what the health reasons name." },
  "no-member": {
    leaves: "elsewhere",
    starts: "never",
    role: "unassigned",
    owner: "configuration",
    hint: "Make the card a member of the set again, or give the set another member that can serve.",
  },
  "configuration-behind": {
    leaves: "never",
    starts: "never",
    role: "unassigned",
    owner: "card",
    hint: "Wait until the card has caught up; `config status` shows how far it is.",
  },
  software: { leaves: "elsewhere", starts: "never", role: "unassigned", owner: "operator", hint: "Update the card's software." },
  model: {
    leaves: "elsewhere",
    starts: "never",
    role: "unassigned",
    owner: "configuration",
    hint: "Put a card of the right model in the slot, or take the card out of the set.",
  },
  "port-down": { leaves: "elsewhere", starts: "never", role: "unassigned", owner: "card", hint: "Look at the cable and the switch port." },
  "port-missing": {
    leaves: "elsewhere",
    starts: "never",
    role: "unassigned",
    owner: "configuration",
    hint: "Name an interface that the card has, or fit it.",
  },
  "no-access": {
    leaves: "elsewhere",
    starts: "never",
    role: "unassigned",
    owner: "configuration",
    hint: "Add the card to a subgroup of the device, or take it out of the set.",
  },
  unreachable: { leaves: "elsewhere", starts: "never", role: "unassigned", owner: "card", hint: "Mend the card's path to the device." },
  "not-in-sync": { leaves: "never", starts: "never", role: "unassigned", owner: "card", hint: "Wait until its copy is synchronized." },
  "not-installed": {
    leaves: "elsewhere",
    starts: "never",
    role: "unassigned",
    owner: "operator",
    hint: "Install on the card what the resource needs, then `set lift-quarantine`.",
  },
  "failed-here": {
    leaves: "elsewhere",
    starts: "last",
    role: "unassigned",
    owner: "operator",
    hint: "Find out why it failed there, then `set lift-quarantine`; it is forgotten at the given time.",
  },
  "no-room": {
    leaves: "never",
    starts: "never",
    role: "unassigned",
    owner: "configuration",
    hint: "Raise the card's capacity, lower weights, or give the set another card.",
  },
  degraded: { leaves: "never", starts: "last", role: "unassigned", owner: "card", hint: "Mend what the health reasons name." },
} as const satisfies Readonly<Record<string, ReasonRule>>;

export type ReasonCode = keyof typeof reasonRules;

export type Reason = {
  readonly code: ReasonCode;
  readonly card: CardId;
  readonly text: string;
  /** The resource that it is about, where it is about one. */
  readonly resource?: ResourceId;
};

export function ruleOf(code: ReasonCode): ReasonRule {
  return reasonRules[code];
}

/** 1.10.0 is later than 1.9.3; what is no version is the earliest. */
export function compareVersions(a: string, b: string): number {
  const partsOf = (text: string) => /^(\d+)\.(\d+)\.(\d+)/.exec(text)?.slice(1).map(Number) ?? [-1, 0, 0];
  const [left, right] = [partsOf(a), partsOf(b)];
  for (let at = 0; at < 3; at++) {
    const difference = (left[at] as number) - (right[at] as number);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Of a card that nobody has told of, nothing is proven: it is unknown. */
export function stateOf(card: CardId, { cards }: Facts): CardFacts["state"] {
  return cards.get(card)?.state ?? "unknown";
}

/** What speaks against a card whatever it is to serve, the weightiest first. */
export function cardReasons(card: CardId, { cards }: FailoverConfig, facts: Facts): Reason[] {
  const state: CardFacts | undefined = facts.cards.get(card);
  const name = `card ${card}`;
  if (state?.state === "down") return [{ code: "down", card, text: `${name} is down` }];
  if (state === undefined || state.state === "unknown") {
    return [{ code: "unknown", card, text: `${name} is silent, and nothing proves that it is down` }];
  }
  const reasons: Reason[] = [];
  const add = (code: ReasonCode, text: string) => void reasons.push({ code, card, text });
  const { maintenance, drained, quarantine, readiness, health, healthReasons, configuration } = state;
  if (cards.get(card)?.enabled !== true) add("disabled", `${name} is disabled in the configuration`);
  if (maintenance !== undefined) add("maintenance", `${name} is in maintenance by ${markText(maintenance)}`);
  if (drained !== undefined) add("drained", `${name} was drained by ${markText(drained)}`);
  if (quarantine !== undefined && quarantine.until > facts.now) {
    add("quarantined", `${name} is in quarantine${untilText(quarantine.until, facts.now)}: ${quarantine.reason}`);
  }
  if (readiness.kind === "booting") add("booting", `${name} is starting (${readiness.phase})`);
  if (readiness.kind === "hold") add("hold", `${name} holds (${readiness.code}): ${readiness.reason}`);
  if (!state.joined) add("off-ethernet", `${name} is not joined to the others on Ethernet`);
  if (health === "failing") add("failing", `${name} is failing: ${healthReasons.join("; ")}`);
  if (configuration === "behind") add("configuration-behind", `${name} has an older configuration`);
  if (health === "degraded") add("degraded", `${name} is degraded: ${healthReasons.join("; ")}`);
  return reasons;
}

function markText({ by, comment }: { readonly by: string; readonly comment: string }): string {
  return comment === "" ? by : `${by} (${comment})`;
}

/** " for another 30 min", or " until it is lifted". */
export function untilText(until: number, now: number): string {
  return until === Infinity ? " until it is lifted" : ` for another ${durationText(until - now)}`;
}

/** "1 h 20 min", "10 min", "45 s", "250 ms"; of the two largest units that are not zero. */
export function durationText(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  const seconds = Math.round(ms / 1_000);
  const parts: [number, string][] = [[Math.floor(seconds / 3_600), "h"], [Math.floor(seconds / 60) % 60, "min"], [seconds % 60, "s"]];
  return parts.filter(([count]) => count > 0).slice(0, 2).map(([count, unit]) => `${count} ${unit}`).join(" ");
}

/** Whether a card is one that a set wants: its model and its software. */
export function cardTypeReasons(card: CardId, set: SetConfig, { cards }: FailoverConfig, state: CardFacts): readonly Reason[] {
  if (set.cardModels.length === 0 && set.softwareMin === undefined) return noReasons;
  const reasons: Reason[] = [];
  const model = state.model ?? cards.get(card)?.model;
  if (set.cardModels.length > 0 && (model === undefined || !set.cardModels.includes(model))) {
    const text = `card ${card} is ${model ?? "of no known model"}, ${set.id} wants ${set.cardModels.join(" or ")}`;
    reasons.push({ code: "model", card, text });
  }
  if (set.softwareMin !== undefined && compareVersions(state.software, set.softwareMin) < 0) {
    reasons.push({ code: "software", card, text: `card ${card} runs ${state.software}, ${set.id} wants ${set.softwareMin} or later` });
  }
  return reasons;
}

const noReasons: readonly Reason[] = [];

/** What speaks against a card as the place of a resource: that it does not reach it, its port, or what it needs. */
export function resourceReasons(card: CardId, id: ResourceId, config: FailoverConfig, { ports, unfit }: CardFacts): readonly Reason[] {
  const resource = config.resources.get(id);
  if (resource === undefined) return noReasons;
  const isOutside = resource.reachedBy.length > 0 && !resource.reachedBy.includes(card);
  if (!isOutside && ports.size === 0 && unfit.size === 0) return noReasons;
  const reasons: Reason[] = [];
  if (isOutside) {
    reasons.push({ code: "no-access", card, text: `card ${card} is in no subgroup of ${id}`, resource: id });
  }
  const port = resource.interface === undefined ? undefined : ports.get(resource.interface);
  if (port !== undefined) {
    const text = `${resource.interface} of card ${card}, which ${id} is on, is ${port}`;
    reasons.push({ code: port === "down" ? "port-down" : "port-missing", card, text, resource: id });
  }
  const unfitness = unfit.get(id);
  if (unfitness !== undefined) {
    reasons.push({ code: unfitness.code, card, text: `${id} on card ${card}: ${unfitness.reason}`, resource: id });
  }
  return reasons;
}

export function portGroupReasons(card: CardId, portGroup: string, { portGroups }: FailoverConfig, facts: Facts): Reason[] {
  const state = facts.cards.get(card);
  const interfaces = portGroups.get(portGroup);
  if (state?.state !== "up" || interfaces === undefined) return [];
  if (interfaces.some((name) => !state.ports.has(name))) return [];
  const isMissing = interfaces.every((name) => state.ports.get(name) === "missing");
  return [{ code: isMissing ? "port-missing" : "port-down", card, text: `no port of ${portGroup} is up (${interfaces.join(", ")})` }];
}
