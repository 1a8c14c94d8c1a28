/** `cardinal status`: asks a card what it sees and prints it for people, or exactly as it came for programs. */
import { type Answer, ask, cardUrl, type NoAnswer } from "../ask.ts";
import { type Command, type CommandContext, defineCommand } from "../command.ts";
import { type ExitCode, exitCodes } from "../exit-code.ts";
import { isCardStatus, statusText } from "../status-text.ts";
import { wrap } from "../text-layout.ts";

const defaultUrl = "http://127.0.0.1:8421";
const askTimeoutMs = 5_000;
const redrawMs = 1_000;

export const statusCommand: Command = defineCommand({
  words: ["status"],
  summary: "show what a card sees: itself, its links, the other cards, alarms",
  about: [
    `The card is asked over HTTP at --url, else at the address in the environment variable CARDINAL_URL, else at ${defaultUrl}. ` +
    "An address is a URL, or a host with or without a port.",
    "With --json the card's answer is printed as it came; with --watch as well, one line for each second.",
  ],
  options: {
    url: { kind: "text", short: "u", value: "URL", summary: "the card's address" },
    watch: { kind: "flag", short: "w", summary: "show it anew every second until Ctrl-C" },
  },
  json: true,
  examples: [
    { line: "cardinal status", what: "the card on this machine" },
    { line: "cardinal status --watch", what: "the same, kept up to date" },
    { line: "cardinal status --url http://127.0.0.1:8421", what: "a card at another address" },
    { line: "cardinal --json status", what: "for programs" },
  ],
  exits: ["failed", "unreachable", "interrupted"],
  async run(context, { options }) {
    const told = options.url ?? (context.environment["CARDINAL_URL"] || undefined);
    const base = cardUrl(told ?? defaultUrl);
    if (base === undefined) {
      const source = options.url === undefined ? "CARDINAL_URL" : "--url";
      context.terminal.stderr(`cardinal status: ${source} is ${JSON.stringify(told)}, must be a card's address, such as ${defaultUrl}\n`);
      return exitCodes.usage;
    }
    const url = new URL("v1/status", base);
    if (options.watch) return await watch(context, base, url);
    const shown = showAnswer(context, base, await ask(url, askTimeoutMs));
    context.terminal.stdout(shown.text);
    if (shown.trouble !== undefined) context.terminal.stderr(`cardinal status: ${shown.trouble}\n`);
    return shown.code;
  },
});

type Shown = { readonly text: string; readonly trouble?: string; readonly code: ExitCode };

function showAnswer({ terminal, json }: CommandContext, base: URL, answer: Answer | NoAnswer): Shown {
  const at = base.href.replace(/\/$/, "");
  if ("unreachable" in answer) {
    return {
      text: "",
      trouble:
        `the card at ${at} cannot be reached: ${answer.unreachable}; check that the card runs and that "http" in its card.json has this address and port`,
      code: exitCodes.unreachable,
    };
  }
  if (answer.status !== 200) {
    return { text: "", trouble: `${at} answers with HTTP status ${answer.status}; is it a Cardinal card?`, code: exitCodes.failed };
  }
  const value = parsed(answer.body);
  if (!isCardStatus(value)) {
    return { text: "", trouble: `${at} answers, but not as a Cardinal card of a version that this program knows`, code: exitCodes.failed };
  }
  return { text: json ? `${answer.body.replace(/\n$/, "")}\n` : statusText(value, terminal), code: exitCodes.fine };
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

async function watch(context: CommandContext, base: URL, url: URL): Promise<ExitCode> {
  const { terminal, json } = context;
  const redraws = terminal.isTty && !json;
  const interrupted = context.untilInterrupted();
  if (redraws) terminal.stdout(takeScreen);
  while (!interrupted.aborted) {
    const { text, trouble } = showAnswer(context, base, await ask(url, askTimeoutMs, interrupted));
    if (interrupted.aborted) break;
    if (redraws) terminal.stdout(screenOf(context, trouble ?? text));
    else if (trouble === undefined) terminal.stdout(json ? text : `${text}\n`);
    else terminal.stderr(`cardinal status: ${trouble}\n`);
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
