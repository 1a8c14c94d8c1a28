/** `cardinal group send`: messages from words, files or standard input, many under way at a time. */
import type { GroupClient } from "../client/client.ts";
import { applicationMessageBytesMax } from "../limits.ts";
import type { CommandContext } from "./command.ts";
import { type ExitCode, exitCodes } from "./exit-code.ts";
import { aborted, codeOf, codes, patiently, say, systemText, tooLongText } from "./group-session.ts";
import { type Line, linesOf } from "./lines.ts";

const progressMs = 500;

/** One message; `number` 0 says that it is no line. */
export async function* single(data: Uint8Array): AsyncGenerator<Line, void, undefined> {
  yield { number: 0, data, isCut: false };
}

/** The messages in a file, or in standard input when there is none: its lines, or all of it as one. */
export async function* messagesOf(
  context: CommandContext,
  file: string | undefined,
  asLines: boolean,
  signal: AbortSignal,
): AsyncGenerator<Line, void, undefined> {
  const pieces: AsyncIterable<Uint8Array> = file === undefined
    ? context.input(signal)
    : (await import("node:fs")).createReadStream(file, { signal });
  if (asLines) return yield* linesOf(pieces, applicationMessageBytesMax);
  const data = new Uint8Array(applicationMessageBytesMax);
  let length = 0;
  for await (const piece of pieces) {
    if (length + piece.length > data.length) return yield { number: 0, data, isCut: true };
    data.set(piece, length);
    length += piece.length;
  }
  yield { number: 0, data: data.subarray(0, length), isCut: false };
}

/** Sends messages, as many at a time as the client lets. The first that cannot be sent ends it, and so does the signal. */
export async function sendAll(
  context: CommandContext,
  client: GroupClient,
  group: string,
  messagesUntil: (stop: AbortSignal) => AsyncIterable<Line>,
  signal: AbortSignal,
): Promise<ExitCode> {
  const { terminal, json } = context;
  const progress = progressOf(context);
  const stop = new AbortController();
  const stopped = aborted(stop.signal);
  void aborted(signal).then(() => stop.abort());
  let failure: { readonly code: ExitCode; readonly text: string } | undefined;
  const fail = (error: unknown, before = "") => {
    const code = codeOf(error);
    // That is our own doing, and so is its reason.
    if (code === "closed") return;
    failure ??= code === undefined
      ? { code: exitCodes.failed, text: `the messages cannot be read: ${systemText(error)}` }
      : { code: codes[code], text: before + (error as Error).message };
    stop.abort();
  };
  // Events are not wanted: this tells the end of the connection alone, also while the input is waited for.
  const over = (async () => {
    for await (const _ of client);
  })().catch(fail);
  const waiting = "no answer yet: ordered messages may stand still, see `cardinal groups`; Ctrl-C gives up";

  const pending = new Set<Promise<void>>();
  try {
    for await (const { number, data, isCut } of messagesUntil(stop.signal)) {
      if (isCut) {
        failure = { code: exitCodes.failed, text: tooLongText(number) };
        break;
      }
      await patiently(context, Promise.race([client.room(), stopped]), "send", waiting);
      if (stop.signal.aborted) break;
      const sending: Promise<void> = client.send(group, data).then(
        ({ sequence }) => {
          terminal.stdout(json ? `${JSON.stringify({ sequence })}\n` : `${sequence}\n`);
          progress.sent();
        },
        (error: unknown) => fail(error, number === 0 ? "" : `line ${number}: `),
      ).finally(() => pending.delete(sending));
      pending.add(sending);
      await terminal.drained?.();
    }
  } catch (error) {
    // A file whose reading was stopped complains.
    if (!stop.signal.aborted) fail(error);
  }
  await patiently(context, Promise.race([Promise.all(pending), stopped]), "send", waiting);
  const unanswered = pending.size;
  client.drop();
  await over;
  progress.end();
  if (failure !== undefined) say(context, "send", failure.text);
  if (unanswered > 0) {
    say(context, "send", `given to the card and not answered: ${unanswered} ${unanswered === 1 ? "message" : "messages"}`);
  }
  return failure?.code ?? (signal.aborted ? exitCodes.interrupted : exitCodes.fine);
}

/** How many have been sent, for a person who does not see their sequences pass by. */
function progressOf({ terminal }: CommandContext): { sent(): void; end(): void } {
  if (terminal.isErrorTty !== true || terminal.isTty) return { sent: () => {}, end: () => {} };
  let count = 0;
  let shownAt = performance.now();
  let isShown = false;
  return {
    sent() {
      count++;
      const now = performance.now();
      if (now - shownAt < progressMs) return;
      shownAt = now;
      isShown = true;
      terminal.stderr(`\r${count} sent`);
    },
    end() {
      if (isShown) terminal.stderr("\r\u001b[K");
    },
  };
}
