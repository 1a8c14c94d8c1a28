/** `cardinal group join`: the life of a membership, with a person or a program at the standard streams, or for a command. */
import process from "node:process";
import type { GroupClient, GroupEvent, Membership } from "../client/client.ts";
import { applicationMessageBytesMax } from "../limits.ts";
import type { CommandContext } from "./command.ts";
import { type ExitCode, exitCodes } from "./exit-code.ts";
import { groupEventJson } from "./group-event-text.ts";
import { aborted, codeOf, patiently, say, systemText, tooLongText } from "./group-session.ts";
import { linesOf } from "./lines.ts";

/** What a command that has ended may still have written. */
const lastLinesMs = 1_000;
/** From SIGTERM to SIGKILL. */
const graceMs = 5_000;
/** Bytes of events that wait for a command that reads slowly; further ones are left out. */
const feedBytesMax = 1024 * 1024;

/** Until the end of the input or an interruption: then the member leaves. `events` are being printed. */
export async function takePart(
  context: CommandContext,
  client: GroupClient,
  membership: Membership,
  events: Promise<void>,
  signal: AbortSignal,
): Promise<ExitCode> {
  const stop = new AbortController();
  try {
    const sending = sendLines(context, client, membership, context.input(stop.signal));
    const isFine = await Promise.race([sending, aborted(signal), events]);
    await leave(context, client);
    await events;
    if (signal.aborted) return exitCodes.interrupted;
    return isFine === false ? exitCodes.failed : exitCodes.fine;
  } finally {
    stop.abort();
  }
}

/** For the life of a command that a shell runs. */
export async function runFor(
  context: CommandContext,
  client: GroupClient,
  membership: Membership,
  command: string,
  signal: AbortSignal,
): Promise<ExitCode> {
  const { spawn } = await import("node:child_process");
  // A process group of its own: Ctrl-C at the terminal is for us, who leave first.
  const child = spawn("/bin/sh", ["-c", command], {
    detached: true,
    stdio: ["pipe", "pipe", "inherit"],
    env: {
      ...context.environment,
      CARDINAL_GROUP: membership.group,
      CARDINAL_MEMBER: String(membership.member.number),
      CARDINAL_CARD: String(membership.member.card),
      CARDINAL_SOCKET: client.path,
    },
  });
  /** How it ended, in words behind "the command"; empty when it ended well. */
  const ended = new Promise<string>((resolve) => {
    child.once("exit", (code, by) => resolve(code === 0 ? "" : code === null ? `was ended by ${by}` : `ended with ${code}`));
    child.once("error", (error) => resolve(`cannot be run: ${systemText(error)}`));
  });
  const feed = feedOf(child.stdin);
  const feeding = (async () => {
    for await (const event of client) feed(event);
  })();
  const sending = sendLines(context, client, membership, child.stdout);
  try {
    const how = await Promise.race([ended, aborted(signal), feeding]);
    if (signal.aborted || how === undefined) {
      await leave(context, client);
      return exitCodes.interrupted;
    }
    if (how !== "") {
      client.drop();
      const effect = membership.member.critical ? ", so this card resets itself" : "";
      say(context, "join", `the command ${how}: the connection was ended without leaving${effect}`);
      return exitCodes.failed;
    }
    // What it has started may keep its output open for ever.
    const isFine = await within(lastLinesMs, sending);
    await leave(context, client);
    return isFine === false ? exitCodes.failed : exitCodes.fine;
  } finally {
    feeding.catch(() => {});
    child.stdin.destroy();
    await endCommand(child.pid, ended);
    child.stdout.destroy();
  }
}

async function leave(context: CommandContext, client: GroupClient): Promise<void> {
  await patiently(context, client.close(), "join", "the leave has not been agreed on yet; Ctrl-C ends without it");
}

/** Sends lines until there are none; false when one was not sent, which is said. */
async function sendLines(
  context: CommandContext,
  client: GroupClient,
  membership: Membership,
  pieces: AsyncIterable<Uint8Array>,
): Promise<boolean> {
  let isFine = true;
  const pending = new Set<Promise<void>>();
  const refuse = (text: string) => {
    isFine = false;
    say(context, "join", text);
  };
  try {
    for await (const { number, data, isCut } of linesOf(pieces, applicationMessageBytesMax)) {
      if (isCut) {
        refuse(tooLongText(number));
        continue;
      }
      await client.room();
      const sending: Promise<void> = membership.send(data).then(() => {}, (error: Error) => {
        if (!isOver(error)) refuse(`line ${number} was not sent: ${error.message}`);
      }).finally(() => pending.delete(sending));
      pending.add(sending);
    }
  } catch (error) {
    if (!isOver(error)) refuse(`the input cannot be read: ${systemText(error)}`);
  }
  await Promise.all(pending);
  return isFine;
}

/** Whether the connection is over; that is said once, by who waits for it. */
function isOver(error: unknown): boolean {
  switch (codeOf(error)) {
    case "closed":
    case "lost":
    case "cutOff":
    case "overrun":
    case "protocol":
      return true;
    default:
      return false;
  }
}

type Input = { write(text: string): unknown; readonly writableLength: number; on(event: "error", told: () => void): unknown };

/** Gives events to a command; one that does not keep up is told what it missed, and never makes the member fall behind. */
function feedOf(input: Input): (event: GroupEvent) => void {
  let isBroken = false;
  let isBehind = false;
  input.on("error", () => isBroken = true);
  return (event) => {
    if (isBroken) return;
    // Behind once, it has to catch up with half before it is given more.
    if (input.writableLength > (isBehind ? feedBytesMax / 2 : feedBytesMax)) {
      isBehind = true;
      return;
    }
    if (isBehind) {
      // An event without a place in the order waits for one that tells where the gap ends.
      if (!("sequence" in event)) return;
      isBehind = false;
      const { group, sequence } = event;
      input.write(groupEventJson({ kind: "lost", group, sequence, reason: "the command did not read its input" }));
    }
    input.write(groupEventJson(event));
  };
}

/** Ends a command that still runs, and what it has started with it, politely first. */
async function endCommand(pid: number | undefined, ended: Promise<string>): Promise<void> {
  if (pid === undefined || await within(0, ended) !== undefined) return;
  signalGroup(pid, "SIGTERM");
  if (await within(graceMs, ended) === undefined) signalGroup(pid, "SIGKILL");
}

function signalGroup(leader: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-leader, signal);
  } catch {
    // It has ended in the meantime.
  }
}

/** What is wanted, or `undefined` when it takes longer. */
async function within<Result>(ms: number, wanted: Promise<Result>): Promise<Result | undefined> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<undefined>((resolve) => timer = setTimeout(() => resolve(undefined), ms));
  try {
    return await Promise.race([wanted, late]);
  } finally {
    clearTimeout(timer);
  }
}
