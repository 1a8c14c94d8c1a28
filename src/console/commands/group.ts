/** `cardinal group`: takes part in a group of applications from a shell or a script, through the card's local socket. */
import process from "node:process";
import { monitorMsMax, monitorMsMin } from "../../limits.ts";
import { type Command, type CommandContext, defineCommand, type Option } from "../command.ts";
import { type ExitCode, exitCodes } from "../exit-code.ts";
import { runFor, takePart } from "../group-join.ts";
import { messagesOf, sendAll, single } from "../group-send.ts";
import { type ClientModule, patiently, printEvents, say, withClient } from "../group-session.ts";

const socketOption = {
  socket: { kind: "text", value: "FILE", summary: "the card's socket for applications" },
} as const satisfies Readonly<Record<string, Option>>;

const nameOperand = { name: "NAME", summary: "the group, at most 32 bytes; it comes to be with its first member" } as const;

const aboutSocket = "The card is reached through its socket at --socket, else at the path in the environment variable CARDINAL_SOCKET, " +
  "else at /run/cardinal/applications.sock.";

const joinCommand: Command = defineCommand({
  words: ["group", "join"],
  summary: "be a member of a group: print what happens in it, send lines to it",
  about: [
    "Prints each event on a line of its own, and sends each line of standard input as a message. It leaves the group and ends at " +
    "the end of its input (Ctrl-D) or with Ctrl-C or SIGTERM.",
    "With --json each event is an object on a line of its own; a message has its data as `text`, or as `base64` when it is not UTF-8.",
    "With --exec the membership lasts as long as the command, which a shell runs: events come on its standard input as with --json, " +
    "lines that it writes to its standard output are sent. When it ends with 0 the member leaves. When it ends otherwise the " +
    "connection is ended without leaving: the others see that the member exited, and with --critical this card resets itself. " +
    "A command that does not read its input misses events and is told so by a `lost` event. It finds the group in CARDINAL_GROUP, the member's " +
    "number in CARDINAL_MEMBER, the card's number in CARDINAL_CARD, and the socket in CARDINAL_SOCKET.",
    "A critical member that goes without leaving, as when it is killed, resets this card; its services are then taken over by another one.",
    aboutSocket,
  ],
  operands: [nameOperand],
  options: {
    name: { kind: "text", value: "TEXT", summary: "the member's name, for people (default: pid-NUMBER)" },
    critical: { kind: "flag", summary: "reset this card when the member goes without leaving" },
    monitor: { kind: "text", value: "MS", summary: "the member counts as gone when it gives no sign of life within so many milliseconds" },
    exec: { kind: "text", value: "COMMAND", summary: "be a member for as long as this command runs" },
    ...socketOption,
  },
  json: true,
  examples: [
    { line: "cardinal group join lab", what: "a chat between cards" },
    { line: "cardinal group join export --name nfs --critical --exec ./run-nfs", what: "a program without which the card is of no use" },
    { line: "cardinal group join lab --json --monitor 1000", what: "for a program at the other end of two pipes" },
  ],
  exits: ["failed", "unreachable", "refused", "interrupted"],
  async run(context, { options, operands }) {
    const client = await import("../../client/client.ts");
    const { exec, critical, name = `pid-${process.pid}` } = options;
    const monitorMs = options.monitor === undefined ? 0 : wholeNumber(options.monitor);
    const mistake = groupMistake(client, operands.NAME) ?? named("--name", client.memberNameMistake(name)) ??
      (monitorMs === undefined || (monitorMs !== 0 && monitorMs < monitorMsMin) || monitorMs > monitorMsMax
        ? `--monitor is ${JSON.stringify(options.monitor)}, must be milliseconds from ${monitorMsMin} to ${monitorMsMax}, or 0 for none`
        : undefined);
    if (mistake !== undefined) return saidMistake(context, "join", mistake);
    return await withClient(context, client, "join", options.socket, {}, async (member, signal) => {
      const events = exec === undefined ? printEvents(context, member) : undefined;
      // Told by whoever waits for it; until then it is nobody's.
      events?.catch(() => {});
      const giveUp = () => member.drop();
      signal.addEventListener("abort", giveUp);
      const joining = member.join(operands.NAME, { name, critical, monitorMs: monitorMs as number });
      const membership = await patiently(
        context,
        joining,
        "join",
        "the membership has not been agreed on yet; `cardinal groups` may say why",
      );
      signal.removeEventListener("abort", giveUp);
      return events === undefined
        ? await runFor(context, member, membership, exec as string, signal)
        : await takePart(context, member, membership, events, signal);
    });
  },
});

const sendCommand: Command = defineCommand({
  words: ["group", "send"],
  summary: "send messages to a group",
  about: [
    "Prints the place of each message in the order of all messages once every card that orders messages holds it; 0 when this card " +
    "was away at that time. The sender need not be a member.",
    "With - each line of standard input is a message, with --file the file is one; with --lines each of its lines is, or each of standard input.",
    aboutSocket,
  ],
  operands: [nameOperand, { name: "MESSAGE", summary: "the message, at most 32768 bytes, or - for standard input", optional: true }],
  options: {
    file: { kind: "text", short: "f", value: "FILE", summary: "send this file" },
    lines: { kind: "flag", summary: "each line is a message" },
    ...socketOption,
  },
  json: true,
  examples: [
    { line: "cardinal group send lab hello", what: "one message" },
    { line: "cardinal group send lab --file state.bin", what: "one message of any bytes" },
    { line: "cardinal group send lab - < events.log", what: "a message for each line" },
  ],
  exits: ["failed", "unreachable", "refused", "interrupted"],
  async run(context, { options, operands }) {
    const client = await import("../../client/client.ts");
    const { NAME: group, MESSAGE: message } = operands;
    const bytes = message === undefined || message === "-" ? undefined : new TextEncoder().encode(message);
    const mistake = groupMistake(client, group) ?? sourceMistake(message, options) ??
      named("MESSAGE", bytes === undefined ? undefined : client.messageMistake(bytes.length));
    if (mistake !== undefined) return saidMistake(context, "send", mistake);
    return await withClient(context, client, "send", options.socket, { events: false }, async (sender, signal) => {
      const messages = (stop: AbortSignal) =>
        bytes === undefined ? messagesOf(context, options.file, options.lines || message === "-", stop) : single(bytes);
      return await sendAll(context, sender, group, messages, signal);
    });
  },
});

const tailCommand: Command = defineCommand({
  words: ["group", "tail"],
  summary: "print what happens in a group, without being a member",
  about: [
    "Prints each message and each change of the membership on a line of its own until Ctrl-C.",
    "With --json each event is an object on a line of its own; a message has its data as `text`, or as `base64` when it is not UTF-8.",
    aboutSocket,
  ],
  operands: [nameOperand],
  options: {
    count: { kind: "text", short: "n", value: "N", summary: "end after so many messages" },
    ...socketOption,
  },
  json: true,
  examples: [
    { line: "cardinal group tail lab", what: "until Ctrl-C" },
    { line: "cardinal group tail lab --json --count 1", what: "the next message, for a script" },
  ],
  exits: ["failed", "unreachable", "refused", "interrupted"],
  async run(context, { options, operands }) {
    const client = await import("../../client/client.ts");
    const count = options.count === undefined ? Infinity : wholeNumber(options.count);
    const mistake = groupMistake(client, operands.NAME) ??
      (count === undefined || count === 0 ? `--count is ${JSON.stringify(options.count)}, must be a whole number from 1` : undefined);
    if (mistake !== undefined) return saidMistake(context, "tail", mistake);
    return await withClient(context, client, "tail", options.socket, {}, async (watcher, signal) => {
      signal.addEventListener("abort", () => watcher.drop());
      const watching = watcher.watch(operands.NAME);
      await patiently(context, watching, "tail", "this card does not know its groups yet; `cardinal groups` may say why");
      await printEvents(context, watcher, count);
      return signal.aborted ? exitCodes.interrupted : exitCodes.fine;
    });
  },
});

export const groupCommands: readonly Command[] = [joinCommand, sendCommand, tailCommand];

function wholeNumber(text: string): number | undefined {
  return /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}

function named(name: string, mistake: string | undefined): string | undefined {
  return mistake === undefined ? undefined : `${name} ${mistake}`;
}

function groupMistake({ groupNameMistake }: ClientModule, name: string): string | undefined {
  return named("NAME", groupNameMistake(name));
}

function saidMistake(context: CommandContext, command: string, mistake: string): ExitCode {
  say(context, command, mistake);
  return exitCodes.usage;
}

type Source = { readonly file: string | undefined; readonly lines: boolean };

function sourceMistake(message: string | undefined, { file, lines }: Source): string | undefined {
  if (message === undefined) {
    if (file !== undefined || lines) return undefined;
    return "MESSAGE is missing; give it, or - for the lines of standard input, or --file FILE";
  }
  if (message === "-") return file === undefined ? undefined : "- is standard input, and --file a file: give one of them";
  if (file !== undefined) return "MESSAGE and --file are given: give one of them";
  return lines ? "--lines is for standard input and files: leave MESSAGE out, or it out" : undefined;
}
