/**
 * What the commands that ask a card have in common: its address, a page for people or exactly what it answered for
 * programs, the page kept fresh until Ctrl-C, and what is said when there is no card.
 */
import { type Answer, ask, cardUrl, defaultPort, type NoAnswer } from "./ask.ts";
import type { CommandContext, Option } from "./command.ts";
import { type Ending, type ExitCode, exitCodes } from "./exit-code.ts";
import { fits } from "./shape.ts";
import { printable, wrap } from "./text-layout.ts";

const defaultUrl = `http://127.0.0.1:${defaultPort}`;
const askTimeoutMs = 5_000;
const redrawMs = 1_000;

/** How wide and colourful a page is. */
export type PageOptions = { readonly columns: number; readonly color: boolean };

/** What a page cannot be made for, in words. */
export type Nothing = { readonly missing: string };

/** What a card is asked for. */
export type CardPage<Value> = {
  /** The command's name, in front of what goes wrong. */
  readonly command: string;
  /** Relative to the card's address. */
  readonly path: string;
  readonly isValue: (value: unknown) => value is Value;
  /** What it means that the card does not have the path. */
  readonly absent?: string;
  /** The page, newline at its end. */
  readonly text: (value: Value, options: PageOptions) => string | Nothing;
  /** The part of the answer that `--json` prints; without it the answer as it came. */
  readonly json?: (value: Value) => unknown;
  /** How the command ends by what the card answered; without it always well. */
  readonly code?: (value: Value) => ExitCode;
};

export const cardPageOptions = {
  url: { kind: "text", short: "u", value: "URL", summary: "the card's address" },
  watch: { kind: "flag", short: "w", summary: "show it anew every second until Ctrl-C" },
} as const satisfies Readonly<Record<string, Option>>;

export const cardPageAbout: readonly string[] = [
  `The card is asked over HTTP at --url, else at the address in the environment variable CARDINAL_URL, else at ${defaultUrl}. ` +
  "An address is a URL, or a host with or without a port.",
  "With --json the card's answer is printed as it came; with --watch as well, one line for each second.",
];

export const cardPageExits: readonly Ending[] = ["failed", "unreachable", "interrupted"];

export async function showCardPage<Value>(
  context: CommandContext,
  page: CardPage<Value>,
  options: { readonly url: string | undefined; readonly watch: boolean },
): Promise<ExitCode> {
  const { command } = page;
  const base = cardAddress(context, command, options.url);
  if (base === undefined) return exitCodes.usage;
  if (options.watch) return await watch(context, page, base);
  const shown = shownOf(context, page, base, await ask(new URL(page.path, base), askTimeoutMs));
  context.terminal.stdout(shown.text);
  if (shown.trouble !== undefined) context.terminal.stderr(`cardinal ${command}: ${shown.trouble}\n`);
  return shown.code;
}

/** The card that is meant, or nothing, when what is given is no address; then that has been said. */
export function cardAddress(context: CommandContext, command: string, url: string | undefined): URL | undefined {
  const told = url ?? (context.environment["CARDINAL_URL"] || undefined);
  const base = cardUrl(told ?? defaultUrl);
  if (base !== undefined) return base;
  const source = url === undefined ? "CARDINAL_URL" : "--url";
  context.terminal.stderr(`cardinal ${command}: ${source} is ${JSON.stringify(told)}, must be a card's address, such as ${defaultUrl}\n`);
  return undefined;
}

/** Why a card gives no answer, in one line. */
export function unreachableText(base: URL, reason: string): string {
  const at = base.href.replace(/\/$/, "");
  return `the card at ${at} cannot be reached: ${reason}; check that the card runs and that "http" in its card.json has this address and port`;
}

type Shown = { readonly text: string; readonly trouble?: string; readonly code: ExitCode };

function shownOf<Value>({ terminal, json }: CommandContext, page: CardPage<Value>, base: URL, answer: Answer | NoAnswer): Shown {
  const at = base.href.replace(/\/$/, "");
  const failed = (trouble: string): Shown => ({ text: "", trouble, code: exitCodes.failed });
  if ("unreachable" in answer) {
    return {
      text: "",
      trouble: unreachableText(base, answer.unreachable),
      code: exitCodes.unreachable,
    };
  }
  if (answer.status === 404 && page.absent !== undefined) return failed(page.absent);
  const value = parsed(answer.body);
  if (answer.status !== 200) {
    return failed(problemText(answer, value) ?? `${at} answers with HTTP status ${answer.status}; is it a Cardinal card?`);
  }
  if (!page.isValue(value)) return failed(`${at} answers, but not as a Cardinal card of a version that this program knows`);
  const text = page.text(value, terminal);
  if (typeof text !== "string") return failed(text.missing);
  const code = page.code?.(value) ?? exitCodes.fine;
  if (!json) return { text, code };
  return { text: `${page.json === undefined ? answer.body.replace(/\n$/, "") : JSON.stringify(page.json(value))}\n`, code };
}

/** What a card says is wrong, in one line. */
function problemText({ mediaType }: Answer, value: unknown): string | undefined {
  if (mediaType !== "application/problem+json" || !fits(value, { detail: "string", "hint?": "string" })) return undefined;
  const { detail, hint } = value as { readonly detail: string; readonly hint?: string };
  return printable(hint === undefined ? detail : `${detail}. ${hint}`);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A screen of its own without a cursor; afterwards what was there before comes back. */
const takeScreen = "\u001b[?1049h\u001b[?25l\u001b[2J";
const leaveScreen = "\u001b[?25h\u001b[?1049l";
const home = "\u001b[H";
const clearLineEnd = "\u001b[K";
const clearBelow = "\u001b[J";

async function watch<Value>(context: CommandContext, page: CardPage<Value>, base: URL): Promise<ExitCode> {
  const { terminal, json } = context;
  const url = new URL(page.path, base);
  const redraws = terminal.isTty && !json;
  const interrupted = context.untilInterrupted();
  if (redraws) terminal.stdout(takeScreen);
  while (!interrupted.aborted) {
    const { text, trouble } = shownOf(context, page, base, await ask(url, askTimeoutMs, interrupted));
    if (interrupted.aborted) break;
    if (redraws) terminal.stdout(screenOf(context, trouble ?? text));
    else if (trouble === undefined) terminal.stdout(json ? text : `${text}\n`);
    else terminal.stderr(`cardinal ${page.command}: ${trouble}\n`);
    await pause(redrawMs, interrupted);
  }
  if (redraws) terminal.stdout(leaveScreen);
  return exitCodes.interrupted;
}

/** A page drawn over the last one without a flicker, ending above the last row. */
function screenOf({ terminal, wallClock }: CommandContext, page: string): string {
  const lines = page.trimEnd().split("\n").flatMap((line) => (line.includes("\u001b") ? [line] : wrapLong(line, terminal.columns)));
  const room = Math.max(3, terminal.rows - 2);
  const hidden = lines.length - room;
  const seen = hidden > 0 ? [...lines.slice(0, room - 1), `... ${hidden + 1} more lines`] : lines;
  const foot = `${wallClock().toISOString().slice(11, 19)} UTC, Ctrl-C ends`;
  return home + [...seen, foot].map((line) => line + clearLineEnd).join("\n") + clearBelow;
}

/** Only a message is ever too long; the page itself was made for the width. */
function wrapLong(line: string, columns: number): string[] {
  return line.length > columns ? wrap(line, columns) : [line];
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done);
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    }
  });
}
