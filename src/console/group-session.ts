/** What the commands of `cardinal group` have in common: the connection, what is said of it, and the events on standard output. */
import type { ApplicationErrorCode, GroupClient } from "../client/client.ts";
import { applicationMessageBytesMax } from "../limits.ts";
import type { CommandContext } from "./command.ts";
import { type ExitCode, exitCodes } from "./exit-code.ts";
import { groupEventJson, groupEventText } from "./group-event-text.ts";
import { paintOf } from "./text-layout.ts";

/** It is loaded by the commands that need it. */
export type ClientModule = typeof import("../client/client.ts");

/** After this without an answer it is said what is waited for. */
const patienceMs = 2_000;

export function say({ terminal }: CommandContext, command: string, text: string): void {
  terminal.stderr(`cardinal group ${command}: ${text}\n`);
}

/** How a command ends by an error of the client. */
export const codes: Readonly<Record<ApplicationErrorCode, ExitCode>> = {
  state: exitCodes.refused,
  bounds: exitCodes.refused,
  stopped: exitCodes.refused,
  busy: exitCodes.refused,
  unreachable: exitCodes.unreachable,
  lost: exitCodes.unreachable,
  denied: exitCodes.failed,
  protocol: exitCodes.failed,
  cutOff: exitCodes.failed,
  overrun: exitCodes.failed,
  closed: exitCodes.failed,
};

/** Connects, and says in one line what went wrong. When `use` is over, so is the connection. */
export async function withClient(
  context: CommandContext,
  module: ClientModule,
  command: string,
  socket: string | undefined,
  options: { readonly events?: boolean },
  use: (client: GroupClient, signal: AbortSignal) => Promise<ExitCode>,
): Promise<ExitCode> {
  const path = socket ?? (context.environment["CARDINAL_SOCKET"] || undefined);
  const signal = context.untilInterrupted();
  let client: GroupClient | undefined;
  try {
    client = await module.connect({ ...options, ...(path === undefined ? {} : { path }) });
    return signal.aborted ? exitCodes.interrupted : await use(client, signal);
  } catch (error) {
    if (!(error instanceof module.ApplicationError)) throw error;
    // What was asked for was given up because of Ctrl-C.
    if (error.code === "closed" && signal.aborted) return exitCodes.interrupted;
    const hint = client === undefined && error.code === "unreachable" && socket === undefined ? " (--socket names another path)" : "";
    say(context, command, error.message + hint);
    return codes[error.code];
  } finally {
    client?.drop();
  }
}

/** Says what is waited for when it takes long. */
export async function patiently<Result>(context: CommandContext, wanted: Promise<Result>, command: string, text: string): Promise<Result> {
  const timer = setTimeout(() => say(context, command, text), patienceMs);
  try {
    return await wanted;
  } finally {
    clearTimeout(timer);
  }
}

/** Resolves when the signal is aborted, which may never be. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve());
  });
}

/** Prints events, no faster than they are read, until the connection ends or `count` messages have come. */
export async function printEvents({ terminal, json }: CommandContext, client: GroupClient, count = Infinity): Promise<void> {
  const paint = paintOf(terminal.color);
  let messages = 0;
  for await (const event of client) {
    terminal.stdout(json ? groupEventJson(event) : groupEventText(event, paint));
    await terminal.drained?.();
    if (event.kind === "message" && ++messages >= count) return;
  }
}

const systemTexts: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  EACCES: "permission denied",
  EISDIR: "it is a directory",
};

export function systemText(error: unknown): string {
  const { code, message } = error as { readonly code?: string; readonly message: string };
  return systemTexts[code ?? ""] ?? (message.split("\n")[0] as string);
}

/** The code of the client's error, if it is one. */
export function codeOf(error: unknown): ApplicationErrorCode | undefined {
  const { code } = error as { readonly code?: string };
  return code !== undefined && Object.hasOwn(codes, code) ? code as ApplicationErrorCode : undefined;
}

/** `line` 0 is a message that is no line. */
export function tooLongText(line: number): string {
  return `${line === 0 ? "the message" : `line ${line}`} is longer than ${applicationMessageBytesMax} bytes and was not sent`;
}
