/** Why a card that starts stays out (FS-6): one table of codes, with who can end each and how. The code stands in what the card announces. */
import type { Owner } from "./eligibility.ts";

type HoldRule = {
  /** Who can end it. */
  readonly owner: Owner;
  /** Whether the operator's word to proceed ends it. */
  readonly yields: boolean;
  /** Whether an operator should look at it: not at what an operator wanted. */
  readonly isAlarm: boolean;
  /** What ends it, as one sentence. */
  readonly hint: string;
};

export const holdRules = {
  "post-failed": {
    owner: "card",
    yields: false,
    isAlarm: true,
    hint: "Mend what the failed check of `cardinal boot` names; it is tried again every few seconds.",
  },
  "links-down": {
    owner: "card",
    yields: false,
    isAlarm: true,
    hint: "Look at the cables and ports: a card that hears nobody does not know what the others do.",
  },
  "duplicate-identity": {
    owner: "operator",
    yields: false,
    isAlarm: true,
    hint: "Two cards claim this slot: take one of them out, or correct its configuration.",
  },
  incompatible: {
    owner: "operator",
    yields: false,
    isAlarm: true,
    hint: "Update the software: this card and the others understand no common version.",
  },
  configuration: {
    owner: "card",
    yields: false,
    isAlarm: true,
    hint: "See `cardinal config status`: the store of the configuration does not work.",
  },
  "catching-up": {
    owner: "card",
    yields: false,
    isAlarm: true,
    hint: "See `cardinal config status`: the card has not got the system's configuration from the others.",
  },
  "no-quorum": {
    owner: "operator",
    yields: false,
    isAlarm: true,
    hint: "Start more cards, or look at the links between them: these are no majority.",
  },
  "cards-missing": {
    owner: "operator",
    yields: true,
    isAlarm: true,
    hint: "Start the missing cards, or make sure that they are off and say `cardinal boot proceed`.",
  },
  disabled: { owner: "configuration", yields: false, isAlarm: false, hint: "Enable the card in the configuration." },
  maintenance: { owner: "operator", yields: false, isAlarm: false, hint: "End it with `card maintenance CARD off`." },
  quarantined: {
    owner: "operator",
    yields: false,
    isAlarm: true,
    hint: "Find the cause, then `set lift-quarantine CARD`; it ends by itself at the given time.",
  },
  "reboot-loop": {
    owner: "operator",
    yields: true,
    isAlarm: true,
    hint: "Look at the log for why the card does not become ready, then say `cardinal boot proceed`; it goes on by itself after a while.",
  },
} as const satisfies Readonly<Record<string, HoldRule>>;

export type HoldCode = keyof typeof holdRules;

export const holdCodes = Object.keys(holdRules) as readonly HoldCode[];

export type Hold = { readonly code: HoldCode; readonly reason: string };

export function holdRuleOf(code: HoldCode): HoldRule {
  return holdRules[code];
}
