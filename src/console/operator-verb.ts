/** What the operator's verbs have in common: options, the question with a token, and the plan or what was ordered as it is printed. */
import { cardAt, type CardId, chassisCountMax, isCardId, slotCountMax } from "../base/ids.ts";
import { type CommandContext, type Option, printJson } from "./command.ts";
import { type ConfigClient, withQuery } from "./config-client.ts";
import { tokenOptions } from "./config-command.ts";
import { type ExitCode, exitCodes } from "./exit-code.ts";
import { printable } from "./text-layout.ts";

export const verbOptions = {
  ...tokenOptions,
  comment: { kind: "text", short: "m", value: "TEXT", summary: "why, for the others and for the record" },
  "dry-run": { kind: "flag", short: "n", summary: "print what would happen, and do nothing" },
} as const satisfies Readonly<Record<string, Option>>;

export const forceOption = {
  force: { kind: "flag", summary: "although services stop that no other card can have" },
} as const satisfies Readonly<Record<string, Option>>;

export const aboutVerbs =
  "It takes a token of an operator: the one in --token-file, else in the file that $CARDINAL_TOKEN_FILE names, else $CARDINAL_TOKEN, else, for root on the card itself, the card's own. " +
  "With --dry-run the plan is printed; without it, it is carried out in the order of messages, and what was decided there is printed.";

type Answer = { readonly outcome: string; readonly lines: readonly string[] };

type VerbValues = { readonly comment: string | undefined; readonly "dry-run": boolean };

/** An operator's order waits for the order of messages, which may be busy with a failover. */
const verbTimeoutMs = 20_000;

export async function carryOutVerb(
  { terminal, json }: CommandContext,
  client: ConfigClient,
  path: string,
  options: VerbValues,
  query: Readonly<Record<string, string | undefined>> = {},
): Promise<ExitCode> {
  const { comment, "dry-run": dryRun } = options;
  const given = Object.entries({ ...query, comment, dryRun: dryRun ? "true" : undefined }).filter((entry): entry is [string, string] =>
    entry[1] !== undefined
  );
  const { value: { outcome, lines } } = await client.askWithToken<Answer>(
    withQuery(path, Object.fromEntries(given)),
    { method: "POST", timeoutMs: verbTimeoutMs },
    dryRun ? undefined : "it may still be carried out: `cardinal set show` tells",
  );
  if (json) printJson(terminal, { outcome, lines });
  else terminal.stdout(lines.map((line) => `${printable(line)}\n`).join("") + (dryRun ? "" : "ordered\n"));
  return exitCodes.fine;
}

/** A card as people give it: its number, or chassis and slot. */
export function cardFrom(text: string): CardId | undefined {
  const number = /^\d{1,2}$/.test(text) ? Number(text) : undefined;
  if (isCardId(number)) return number;
  const [, chassis, slot] = /^([1-9])\/([1-9])$/.exec(text) ?? [];
  if (chassis === undefined || Number(chassis) > chassisCountMax || Number(slot) > slotCountMax) return undefined;
  return cardAt(Number(chassis), Number(slot));
}

/** The card that is meant; ends the command when it is none. */
export function needCard(client: ConfigClient, text: string, what: string): CardId {
  return cardFrom(text) ??
    client.mistaken(`${what} is ${JSON.stringify(text)}, must be a card's number, such as 2, or its chassis and slot, 1/2`);
}
