/**
 * For applications on a card: joins groups, sends messages that all cards deliver in one order, and learns who is a
 * member. It speaks the protocol of `src/io/application-wire.ts` over the card's local socket, on Node and on Deno.
 *
 *   const client = await connect();
 *   const membership = await client.join("storage", { name: "export", critical: true, monitorMs: 1_000 });
 *   for await (const event of client) {
 *     if (event.kind === "message") ...
 *     if (event.kind === "view") ...
 *   }
 *
 * What the card says comes as one stream, in the order of the card, so that a message and a change of the membership cannot
 * overtake each other, in all groups of this client. Answers are promises; `joined`, `left` and `watching` are in the
 * stream too, at their place.
 *
 * Whoever iterates slowly is not waited for: the order goes on for the others. Events wait here, up to
 * `applicationWaitingBytesMax`, and then the client ends itself (`overrun`). An iteration ends with `close` and `drop`, and throws an
 * `ApplicationError` when the connection is lost. Nothing is connected again by itself: what was missed would be too.
 */
import { lstatSync, type Stats } from "node:fs";
import { connect as connectSocket, type Socket } from "node:net";
import process from "node:process";
import { unreachable } from "../base/assert.ts";
import type { CardId } from "../base/ids.ts";
import type { ApplicationEvent, ApplicationRefusalCode, GroupView, Member } from "../cluster/application.ts";
import {
  type ApplicationFrame,
  applicationProtocolVersion,
  applicationSocketPath,
  type ApplicationWelcome,
  type CardFrame,
  decodeCardFrame,
  encodeApplicationFrame,
  frameMistakeTexts,
  FrameReader,
  isMalformedFrame,
  joinFrames,
} from "../io/application-wire.ts";
import { systemErrorCode, systemErrorText } from "../io/refusal.ts";
import { groupNameOf } from "../io/system-group.ts";
import {
  applicationEventBytesMax,
  applicationHelloMs,
  applicationMessageBytesMax,
  applicationWaitingBytesMax,
  applicationWindowBytesMax,
  applicationWindowMax,
  groupNameBytesMax,
  memberNameBytesMax,
  monitorMsMax,
  monitorMsMin,
  socketPathBytesMax,
} from "../limits.ts";

export type { GroupView, Member, MemberChange } from "../cluster/application.ts";

/**
 * The codes of the group service, and what can befall a connection. `unreachable`: no card answers there. `denied`: this user may
 * not. `protocol`: who answers is no card of a version that this client knows. `cutOff`: the card ended the connection and
 * said why. `lost`: it ended without a word. `overrun`: events were not taken. `closed`: this program ended it.
 */
export type ApplicationErrorCode =
  | ApplicationRefusalCode
  | "unreachable"
  | "denied"
  | "protocol"
  | "cutOff"
  | "lost"
  | "overrun"
  | "closed";

export class ApplicationError extends Error {
  override readonly name = "ApplicationError";
  readonly code: ApplicationErrorCode;

  constructor(code: ApplicationErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** What the iteration yields; `monitor` only with `monitor: "manual"`. */
export type GroupEvent = Extract<
  ApplicationEvent,
  { readonly kind: "joined" | "left" | "watching" | "message" | "view" | "lost" | "stopped" | "resumed" | "monitor" }
>;

export type ConnectOptions = {
  /** The socket; else the environment variable CARDINAL_SOCKET names it, else it is `applicationSocketPath`. */
  readonly path?: string;
  /** With `manual`, `monitor` events come among the others and are answered with `alive`; otherwise the client answers them. */
  readonly monitor?: "automatic" | "manual";
  /** False for a program that only sends, or only is a member: events are dropped, an iteration tells only the end. */
  readonly events?: boolean;
};

export type JoinOptions = {
  /** For people, at most `memberNameBytesMax` bytes. */
  readonly name?: string;
  /** The card resets itself when this member goes without `leave` (or `close`), or does not answer its monitor. */
  readonly critical?: boolean;
  /** The card asks for a sign of life, to be given within this time; 0 for never. */
  readonly monitorMs?: number;
};

/** What an event without a message's data counts as while it waits, and what each member in it does. */
const eventBytes = 128;
const memberBytes = 64;

/** Connects to the card. Rejects with an `ApplicationError` that says what is in the way. */
export async function connect(options: ConnectOptions = {}): Promise<GroupClient> {
  const path = options.path ?? (process.env["CARDINAL_SOCKET"] || applicationSocketPath);
  const over = utf8.encode(path).length - socketPathBytesMax;
  if (over > 0) throw new ApplicationError("unreachable", `the path ${path} is ${over} bytes too long for a socket`);
  const socket = connectSocket({ path });
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("error", (error) => reject(errorOfConnecting(path, error)));
  });
  return await new Promise((resolve, reject) => {
    const client: GroupClient = new GroupClient(socket, path, options, (error) => error === undefined ? resolve(client) : reject(error));
  });
}

/** Why a name cannot be a group's, in words behind "the group's name"; `undefined` when it can. */
export function groupNameMistake(name: string): string | undefined {
  return name === "" ? "is empty" : nameMistake(name, groupNameBytesMax);
}

export function messageMistake(bytes: number): string | undefined {
  return bytes > applicationMessageBytesMax ? `is ${bytes} bytes long, must be at most ${applicationMessageBytesMax}` : undefined;
}

export function memberNameMistake(name: string): string | undefined {
  return nameMistake(name, memberNameBytesMax);
}

export class Membership {
  readonly group: string;
  readonly member: Member;
  /** The view that it joined with, at this place in the order; later ones come as events. */
  readonly view: GroupView;
  readonly sequence: number;
  readonly #client: GroupClient;
  #leaving: Promise<void> | undefined;

  constructor(client: GroupClient, { group, member, view, sequence }: Extract<ApplicationEvent, { readonly kind: "joined" }>) {
    this.#client = client;
    this.group = group;
    this.member = member;
    this.view = view;
    this.sequence = sequence;
  }

  /** Takes leave of the group; twice is fine. */
  leave(): Promise<void> {
    return this.#leaving ??= this.#client.leave(this.group);
  }

  send(data: Uint8Array | string): Promise<{ readonly sequence: number }> {
    return this.#client.send(this.group, data);
  }
}

type Answer = Extract<ApplicationEvent, { readonly kind: "joined" | "left" | "watching" | "sent" }>;
type Waiting = {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: ApplicationError) => void;
  readonly sentBytes: number;
};
type Unsent = { readonly frame: Uint8Array; readonly request: number; readonly waiting: Waiting };

/** One connection to the card. It keeps the program running until it is closed. */
export class GroupClient implements AsyncIterable<GroupEvent> {
  readonly path: string;
  readonly #socket: Socket;
  readonly #isManual: boolean;
  readonly #wantsEvents: boolean;
  readonly #reader = new FrameReader(applicationEventBytesMax);
  #welcome: ApplicationWelcome | undefined;
  readonly #helloTimer: ReturnType<typeof setTimeout>;
  /** Told once: the card's welcome, or why there is none. */
  #onIntroduced: ((error?: ApplicationError) => void) | undefined;
  #lastRequest = 0;
  readonly #answers = new Map<number, Waiting>();
  readonly #memberships = new Map<string, Membership>();

  #outbox: Uint8Array[] = [];
  readonly #unsent: Unsent[] = [];
  #unsentBytes = 0;
  #underWay = 0;
  #underWayBytes = 0;
  #roomWaiters: (() => void)[] = [];

  readonly #events: GroupEvent[] = [];
  /** The first that has not been taken. */
  #eventsAt = 0;
  #eventsBytes = 0;
  #eventWaiters: (() => void)[] = [];
  /** Set when the connection is over; `undefined` in it when that was wanted. */
  #ended: { readonly error: ApplicationError | undefined } | undefined;

  /** Called by `connect` alone. */
  constructor(socket: Socket, path: string, options: ConnectOptions, onIntroduced: (error?: ApplicationError) => void) {
    this.path = path;
    this.#socket = socket;
    this.#isManual = options.monitor === "manual";
    this.#wantsEvents = options.events !== false;
    this.#onIntroduced = onIntroduced;
    let broken: string | undefined;
    socket.on("data", (piece: Uint8Array) => this.#onBytes(piece));
    socket.on("error", (error) => broken = systemErrorText(error));
    socket.on(
      "close",
      () => this.#end(new ApplicationError("lost", `the connection to the card was lost${broken === undefined ? "" : `: ${broken}`}`)),
    );
    this.#helloTimer = setTimeout(
      () => this.#end(new ApplicationError("unreachable", `who listens at ${path} says nothing; is it a Cardinal card?`)),
      applicationHelloMs,
    );
    this.#write({ kind: "hello", version: applicationProtocolVersion });
  }

  /** The card that this client is connected to. */
  get card(): CardId {
    return this.#greeting.card;
  }

  get chassis(): number {
    return this.#greeting.chassis;
  }

  get slot(): number {
    return this.#greeting.slot;
  }

  /** The version of the card's software. */
  get software(): string {
    return this.#greeting.software;
  }

  get #greeting(): ApplicationWelcome {
    if (this.#welcome === undefined) throw new ApplicationError("protocol", "the card has not said who it is");
    return this.#welcome;
  }

  /** Becomes a member. Resolves when all cards have it as one. */
  async join(group: string, options: JoinOptions = {}): Promise<Membership> {
    const { name = "", critical = false, monitorMs = 0 } = options;
    proveGroupName(group);
    const mistake = memberNameMistake(name);
    if (mistake !== undefined) throw new ApplicationError("bounds", `the member's name ${mistake}`);
    if (!Number.isInteger(monitorMs) || (monitorMs !== 0 && (monitorMs < monitorMsMin || monitorMs > monitorMsMax))) {
      throw new ApplicationError(
        "bounds",
        `monitorMs is ${monitorMs}, must be 0 or a whole number from ${monitorMsMin} to ${monitorMsMax}`,
      );
    }
    const answer = await this.#ask((request) => ({ kind: "join", request, group, name, critical, monitorMs }));
    const membership = this.#memberships.get(group);
    if (answer.kind !== "joined" || membership === undefined) throw this.#wrongAnswer(answer);
    return membership;
  }

  /** Takes leave of a group. A critical member that has left may end. */
  async leave(group: string): Promise<void> {
    proveGroupName(group);
    const answer = await this.#ask((request) => ({ kind: "leave", request, group }));
    if (answer.kind !== "left") throw this.#wrongAnswer(answer);
  }

  /**
   * Sends a message to all members of a group, of which this client need not be one. Resolves when every card that orders
   * messages holds it, with its place in the order of all messages; 0 when this card was away when it was delivered. Messages of one
   * client are delivered in the order of their calls. Whoever sends many without waiting for each awaits `room` before each;
   * otherwise they wait here, and beyond `applicationWaitingBytesMax` are rejected (`busy`).
   */
  async send(group: string, data: Uint8Array | string): Promise<{ readonly sequence: number }> {
    proveGroupName(group);
    const bytes = typeof data === "string" ? utf8.encode(data) : new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    const mistake = messageMistake(bytes.length);
    if (mistake !== undefined) throw new ApplicationError("bounds", `the message ${mistake}`);
    if (this.#ended !== undefined) throw this.#endError();
    const request = ++this.#lastRequest;
    // Encoded at once: what the caller does with its bytes afterwards is its own business.
    const frame = encodeApplicationFrame({ kind: "send", request, group, data: bytes });
    const answer = await new Promise<Answer>((resolve, reject) => {
      const unsent = { frame, request, waiting: { resolve, reject, sentBytes: frame.length } };
      if (this.#unsent.length === 0 && this.#hasRoom(frame.length)) return this.#submit(unsent);
      if (this.#unsentBytes + frame.length > applicationWaitingBytesMax) {
        return reject(
          new ApplicationError("busy", `more than ${applicationWaitingBytesMax} bytes wait to be sent; await room() before each send`),
        );
      }
      this.#unsent.push(unsent);
      this.#unsentBytes += frame.length;
    });
    if (answer.kind !== "sent") throw this.#wrongAnswer(answer);
    return { sequence: answer.sequence };
  }

  /** Resolves when a message that is sent now is given to the card at once; rejects when the connection is over. */
  async room(): Promise<void> {
    while (this.#ended === undefined && (this.#unsent.length > 0 || !this.#hasRoom(applicationMessageBytesMax))) {
      await new Promise<void>((resolve) => this.#roomWaiters.push(resolve));
    }
    if (this.#ended !== undefined) throw this.#endError();
  }

  /** Receives what a group receives, without being a member; resolves with the group's view. */
  async watch(group: string): Promise<GroupView> {
    proveGroupName(group);
    const answer = await this.#ask((request) => ({ kind: "watch", request, group }));
    if (answer.kind !== "watching") throw this.#wrongAnswer(answer);
    return answer.view;
  }

  /** Answers a `monitor` event; for `monitor: "manual"`. */
  alive(nonce: number): void {
    if (this.#ended === undefined) this.#write({ kind: "alive", nonce });
  }

  /** The events in the card's order. Each is yielded once, whoever iterates. */
  async *[Symbol.asyncIterator](): AsyncGenerator<GroupEvent, void, undefined> {
    for (;;) {
      const event = this.#takeEvent();
      if (event !== undefined) {
        yield event;
      } else if (this.#ended === undefined) {
        await new Promise<void>((resolve) => this.#eventWaiters.push(resolve));
      } else {
        if (this.#ended.error !== undefined) throw this.#ended.error;
        return;
      }
    }
  }

  /**
   * Leaves all groups, then ends the connection. While ordered messages stand still it waits for them; `drop` does not.
   * When a leave is refused it rejects, and the connection stays.
   */
  async close(): Promise<void> {
    await Promise.all([...this.#memberships.values()].map(async (membership) => {
      try {
        await membership.leave();
      } catch (error) {
        // Nothing is left to be left when the connection is over.
        if (this.#ended === undefined) throw error;
      }
    }));
    this.#end(undefined);
  }

  /** Ends the connection without leaving, as a crash would: a critical member resets its card. */
  drop(): void {
    this.#end(undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #ask(frameOf: (request: number) => ApplicationFrame): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#ended !== undefined) return reject(this.#endError());
      const request = ++this.#lastRequest;
      this.#answers.set(request, { resolve, reject, sentBytes: 0 });
      this.#write(frameOf(request));
    });
  }

  /** For a message of so many bytes; the largest finds room when nothing else is under way. */
  #hasRoom(bytes: number): boolean {
    return this.#underWay === 0 || (this.#underWay < applicationWindowMax && this.#underWayBytes + bytes <= applicationWindowBytesMax);
  }

  #submit({ frame, request, waiting }: Unsent): void {
    this.#answers.set(request, waiting);
    this.#underWay++;
    this.#underWayBytes += waiting.sentBytes;
    this.#writeFrame(frame);
  }

  /** A message has been answered: others take its place. */
  #onAnswered({ sentBytes }: Waiting): void {
    if (sentBytes === 0) return;
    this.#underWay--;
    this.#underWayBytes -= sentBytes;
    let count = 0;
    for (; count < this.#unsent.length; count++) {
      const unsent = this.#unsent[count] as Unsent;
      if (!this.#hasRoom(unsent.frame.length)) break;
      this.#unsentBytes -= unsent.frame.length;
      this.#submit(unsent);
    }
    this.#unsent.splice(0, count);
    if (this.#unsent.length === 0) this.#roomWaiters = woken(this.#roomWaiters);
  }

  #write(frame: ApplicationFrame): void {
    this.#writeFrame(encodeApplicationFrame(frame));
  }

  /**
   * What is asked for at once is written at once: the tick comes when all promises that are settled have run, so a loop that
   * awaits `room` fills the window first. Each write wakes the card, and one message a write made it order one at a time.
   */
  #writeFrame(frame: Uint8Array): void {
    this.#outbox.push(frame);
    if (this.#outbox.length > 1) return;
    process.nextTick(() => {
      const frames = this.#outbox;
      this.#outbox = [];
      if (this.#ended === undefined) this.#socket.write(joinFrames(frames));
    });
  }

  #onBytes(piece: Uint8Array): void {
    this.#reader.push(piece);
    while (this.#ended === undefined) {
      const body = this.#reader.next();
      if (body === undefined) return;
      const frame = isMalformedFrame(body) ? body : decodeCardFrame(body);
      if (isMalformedFrame(frame)) {
        return this.#end(
          new ApplicationError("protocol", `who listens at ${this.path} is no Cardinal card: ${frameMistakeTexts[frame.malformed]}`),
        );
      }
      this.#onFrame(frame);
    }
  }

  #onFrame(frame: CardFrame): void {
    if (this.#welcome === undefined && frame.kind !== "welcome" && frame.kind !== "closed") {
      return this.#end(new ApplicationError("protocol", `who listens at ${this.path} is no Cardinal card: it does not say who it is`));
    }
    switch (frame.kind) {
      case "welcome":
        return this.#onWelcome(frame);
      case "closed":
        return this.#end(new ApplicationError("cutOff", `the card ended the connection: ${frame.reason}`));
      case "refused":
        return this.#answered(frame.request, ({ reject }) => reject(new ApplicationError(frame.code, frame.message)));
      case "sent":
        return this.#answered(frame.request, ({ resolve }) => resolve(frame));
      case "joined":
        this.#memberships.set(frame.group, new Membership(this, frame));
        return this.#onAnswer(frame);
      case "left":
        this.#memberships.delete(frame.group);
        return this.#onAnswer(frame);
      case "watching":
        return this.#onAnswer(frame);
      case "monitor":
        if (!this.#isManual) return this.alive(frame.nonce);
        return this.#queue(frame);
      case "message":
      case "view":
      case "lost":
      case "stopped":
      case "resumed":
        return this.#queue(frame);
      default:
        return unreachable(frame);
    }
  }

  #onWelcome(welcome: ApplicationWelcome): void {
    if (welcome.version > applicationProtocolVersion) {
      const text = `the card speaks version ${welcome.version} of the protocol, this client ${applicationProtocolVersion}`;
      return this.#end(new ApplicationError("protocol", text));
    }
    clearTimeout(this.#helloTimer);
    this.#welcome = welcome;
    this.#onIntroduced?.();
    this.#onIntroduced = undefined;
  }

  /** In the stream before the promise: whoever is woken by the one finds the other. */
  #onAnswer(frame: Extract<Answer, { readonly kind: "joined" | "left" | "watching" }>): void {
    this.#queue(frame);
    this.#answered(frame.request, ({ resolve }) => resolve(frame));
  }

  #answered(request: number, tell: (waiting: Waiting) => void): void {
    const waiting = this.#answers.get(request);
    if (waiting === undefined) return;
    this.#answers.delete(request);
    tell(waiting);
    this.#onAnswered(waiting);
  }

  #queue(event: GroupEvent): void {
    if (!this.#wantsEvents) return;
    this.#events.push(event);
    this.#eventsBytes += bytesOf(event);
    if (this.#eventWaiters.length > 0) this.#eventWaiters = woken(this.#eventWaiters);
    if (this.#eventsBytes <= applicationWaitingBytesMax) return;
    this.#end(
      new ApplicationError("overrun", "events came faster than they were taken: iterate over the client, or connect with events: false"),
    );
  }

  #takeEvent(): GroupEvent | undefined {
    const event = this.#events[this.#eventsAt];
    if (event === undefined) return undefined;
    this.#eventsBytes -= bytesOf(event);
    this.#eventsAt++;
    // Seldom enough that each event is moved up once on average.
    if (this.#eventsAt * 2 >= this.#events.length) {
      this.#events.splice(0, this.#eventsAt);
      this.#eventsAt = 0;
    }
    return event;
  }

  #wrongAnswer({ kind }: Answer): ApplicationError {
    const error = new ApplicationError("protocol", `the card gave the answer ${JSON.stringify(kind)} to something else`);
    this.#end(error);
    return error;
  }

  #endError(): ApplicationError {
    return this.#ended?.error ?? new ApplicationError("closed", "this program has closed the connection");
  }

  /** The connection is over, once. */
  #end(error: ApplicationError | undefined): void {
    if (this.#ended !== undefined) return;
    this.#ended = { error };
    clearTimeout(this.#helloTimer);
    this.#socket.destroy();
    this.#memberships.clear();
    const waiting = [...this.#answers.values(), ...this.#unsent.map((unsent) => unsent.waiting)];
    this.#answers.clear();
    this.#unsent.length = 0;
    for (const { reject } of waiting) reject(this.#endError());
    this.#roomWaiters = woken(this.#roomWaiters);
    this.#eventWaiters = woken(this.#eventWaiters);
    this.#onIntroduced?.(this.#endError());
    this.#onIntroduced = undefined;
  }
}

const utf8 = new TextEncoder();

/** What an event counts as while it waits. */
function bytesOf(event: GroupEvent): number {
  switch (event.kind) {
    case "message":
      return eventBytes + event.data.length;
    case "joined":
    case "watching":
      return eventBytes + memberBytes * event.view.members.length;
    case "view":
      return eventBytes + memberBytes * (event.view.members.length + event.changes.length);
    default:
      return eventBytes;
  }
}

/** Wakes all who wait; none is left. */
function woken(waiters: readonly (() => void)[]): (() => void)[] {
  for (const wake of waiters) wake();
  return [];
}

function nameMistake(name: string, bytesMax: number): string | undefined {
  const length = utf8.encode(name).length;
  if (length > bytesMax) return `${JSON.stringify(name)} is ${length} bytes long, must be at most ${bytesMax}`;
  return /[\p{Cc}\p{Cs}]/u.test(name) ? `${JSON.stringify(name)} holds a control character, must be plain text` : undefined;
}

function proveGroupName(group: string): void {
  const mistake = groupNameMistake(group);
  if (mistake !== undefined) throw new ApplicationError("bounds", `the group's name ${mistake}`);
}

function errorOfConnecting(path: string, error: Error): ApplicationError {
  const place = placeOf(path);
  switch (systemErrorCode(error)) {
    case "ENOENT":
    case "ENOTDIR":
      return new ApplicationError("unreachable", `there is no socket ${path}; is the card running?`);
    case "ECONNREFUSED":
      return new ApplicationError(
        "unreachable",
        place?.isSocket() === false ? `${path} is no socket` : `nobody answers at ${path}; is the card running?`,
      );
    case "EACCES":
    case "EPERM":
      return new ApplicationError("denied", deniedText(path, place));
    default:
      return new ApplicationError("unreachable", `${path} cannot be connected to: ${systemErrorText(error)}`);
  }
}

function placeOf(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch {
    return undefined;
  }
}

function deniedText(path: string, place: Stats | undefined): string {
  if (place === undefined) return `permission denied: a directory above ${path} may not be entered by this user`;
  const mode = (place.mode & 0o7777).toString(8).padStart(4, "0");
  const group = groupNameOf(place.gid);
  const owner = place.uid === 0 ? "root" : `user ${place.uid}`;
  return `permission denied: ${path} has mode ${mode}, owner ${owner} and group ${group}; be its owner, or a member of a group that may write to it`;
}
