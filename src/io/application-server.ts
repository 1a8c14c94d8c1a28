/**
 * The socket that applications on this card come to: it takes their connections, gives what they ask for to the node
 * and gives them the events that the node orders. It knows frames and bounds, and nothing of groups.
 *
 * A client is one connection, from its hello to `onGone`, which comes exactly once, in a turn of its own: the node is
 * never called from within its own effects. What goes to a client within one turn of the event loop is written at
 * once, and an event that goes to many is encoded once.
 *
 * Nobody can hold the card up or fill its memory: a client that does not read is cut off, and one that has too many
 * requests without an answer is not read until it has fewer.
 */
import { chmodSync, chownSync, lstatSync, mkdirSync, mkdtempSync, renameSync, rmSync, type Stats } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { basename, dirname, join } from "node:path";
import { setImmediate } from "node:timers";
import { type CardId, chassisOf, slotOf } from "../base/ids.ts";
import type { ApplicationEvent, ApplicationRequest } from "../cluster/application.ts";
import {
  applicationClientsMax,
  applicationClosingMs,
  applicationHelloMs,
  applicationUnderWayMax,
  applicationWaitingBytesMax,
  socketPathBytesMax,
} from "../limits.ts";
import {
  applicationProtocolVersion,
  applicationRequestBytesMax,
  type CardFrame,
  decodeApplicationFrame,
  encodeCardFrame,
  frameMistakeTexts,
  FrameReader,
  isMalformedFrame,
  joinFrames,
} from "./application-wire.ts";
import type { Log } from "./log.ts";
import { isRefusal, type Refusal, refusal, systemErrorCode, systemErrorText } from "./refusal.ts";
import { groupIdOf } from "./system-group.ts";

export type ApplicationServerOptions = {
  readonly path: string;
  /** The permissions of the socket: who may write to it may connect. */
  readonly mode: number;
  /** The name of the group that the socket belongs to; the process's own when it is left out. */
  readonly group?: string;
  readonly card: CardId;
  readonly software: string;
  readonly log: Log;
  readonly onRequest: (client: number, request: ApplicationRequest) => void;
  /** The connection has ended, in words why. */
  readonly onGone: (client: number, reason: string) => void;
};

type Client = {
  readonly number: number;
  readonly socket: Socket;
  readonly reader: FrameReader;
  /** Until it has said hello: cuts it off. */
  helloTimer: ReturnType<typeof setTimeout> | undefined;
  /** Requests without an answer. */
  underWay: number;
  /** It is not read until it has fewer of them. */
  isHeld: boolean;
  /** What this turn has for it. */
  outbox: Uint8Array[];
};

/** Names of a private directory and of the socket in it, behind the directory of the path. */
const privateSuffixBytes = "/XXXXXX/s".length;
/** A client that was held is read again when it has no more than this under way. */
const heldUntil = applicationUnderWayMax / 2;

export class ApplicationServer {
  readonly #options: ApplicationServerOptions;
  readonly #server: Server;
  /** The socket as it is on disk; another one in its place is not ours to remove. */
  #place: Stats | undefined;
  readonly #clients = new Map<number, Client>();
  /** Connections that were told why they end and may still read it. */
  readonly #closing = new Map<Socket, ReturnType<typeof setTimeout>>();
  #lastNumber = 0;
  #isEnding = false;

  /** What the coming turn does. */
  #isTurnDue = false;
  readonly #written = new Set<Client>();
  readonly #answered = new Set<Client>();
  #gone: { readonly client: number; readonly reason: string }[] = [];
  /** This turn's events as frames. */
  readonly #frames = new Map<ApplicationEvent, Uint8Array>();

  readonly #counters = { connections: 0, refused: 0, cutOff: 0, requests: 0, events: 0, held: 0, writes: 0, bytesIn: 0, bytesOut: 0 };

  constructor(options: ApplicationServerOptions) {
    this.#options = options;
    // Half open: a client that is cut off can still be told why.
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#onConnection(socket));
  }

  /** Listens; until it is done nobody can connect. A refusal leaves nothing behind. */
  async open(): Promise<Refusal | undefined> {
    const { path, group } = this.#options;
    const tooLong = pathTooLong(path);
    if (tooLong !== undefined) return tooLong;
    const gid = group === undefined ? undefined : groupIdOf(group);
    if (group !== undefined && gid === undefined) {
      return refusal(
        "missing",
        `there is no group ${JSON.stringify(group)} on this machine, which ${path} is to belong to; make it, or name another one`,
      );
    }
    const isTaken = await refusalOfTaken(path);
    if (isTaken !== undefined) return isTaken;
    const opened = await this.#listen(gid);
    if (isRefusal(opened)) return opened;
    this.#place = opened;
    // An error of a server that listens is of one connection that could not be taken, such as for want of descriptors.
    this.#server.on("error", (error) => this.#options.log("warn", "application not taken", { reason: systemErrorText(error) }));
    return undefined;
  }

  /** Gives an event to a client; to one that has gone, nothing happens. */
  send(client: number, event: ApplicationEvent): void {
    const found = this.#clients.get(client);
    if (found === undefined) return;
    let frame = this.#frames.get(event);
    if (frame === undefined) this.#frames.set(event, frame = encodeCardFrame(event));
    this.#counters.events++;
    if (isAnswer(event)) {
      found.underWay--;
      this.#answered.add(found);
    }
    this.#write(found, frame);
  }

  /** Cuts a client off, behind what was sent to it. */
  close(client: number, reason: string): void {
    const found = this.#clients.get(client);
    if (found !== undefined) this.#cutOff(found, reason);
  }

  /** Cuts all clients off, as when the node starts over and knows none of them. */
  closeAll(reason: string): void {
    for (const client of [...this.#clients.values()]) this.#cutOff(client, reason);
  }

  /** Ends all connections, which are told so, and removes the socket. Nobody is reported gone any more. */
  async end(): Promise<void> {
    this.#isEnding = true;
    this.#gone = [];
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    removePlace(this.#options.path, this.#place);
    for (const client of [...this.#clients.values()]) this.#farewell(client, "the card's program ends");
    await closed;
  }

  counters(): Record<string, number> {
    return { clients: this.#clients.size, ...this.#counters };
  }

  /**
   * The socket comes to life in a directory that only this user can enter, gets its owner and permissions there, and is
   * moved to its place: it replaces one of a dead process in the same step.
   */
  async #listen(gid: number | undefined): Promise<Stats | Refusal> {
    const { path, mode, group } = this.#options;
    let directory: string | undefined;
    try {
      mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
      directory = mkdtempSync(`${dirname(path)}/`);
      const born = join(directory, "s");
      await new Promise<void>((resolve, reject) => {
        this.#server.once("error", reject);
        this.#server.listen({ path: born }, () => {
          this.#server.off("error", reject);
          resolve();
        });
      });
      const { uid } = lstatSync(born);
      if (gid !== undefined) chownSync(born, uid, gid);
      chmodSync(born, mode);
      renameSync(born, path);
      return lstatSync(path);
    } catch (error) {
      if (this.#server.listening) this.#server.close();
      const text = systemErrorText(error);
      const isGroup = gid !== undefined && (error as { syscall?: string }).syscall === "chown";
      return refusal(
        "io",
        isGroup
          ? `${path} cannot be given to the group ${JSON.stringify(group)}: ${text}; the card must run as root or as a member of it`
          : `the socket for applications ${path} cannot be made: ${text}`,
      );
    } finally {
      if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
    }
  }

  #onConnection(socket: Socket): void {
    this.#counters.connections++;
    const refused = this.#clients.size >= applicationClientsMax || this.#isEnding;
    const client: Client = {
      number: ++this.#lastNumber,
      socket,
      reader: new FrameReader(applicationRequestBytesMax),
      helloTimer: undefined,
      underWay: 0,
      isHeld: false,
      outbox: [],
    };
    let broken: string | undefined;
    socket.on("data", (piece: Uint8Array) => this.#onBytes(client, piece));
    // What it could still read it has given up; one that was cut off is closed by both ends or by its timer.
    socket.on("end", () => {
      if (!this.#closing.has(socket)) socket.destroy();
      this.#remove(client, "it ended the connection");
    });
    socket.on("error", (error) => broken = systemErrorText(error));
    socket.on("close", () => {
      clearTimeout(this.#closing.get(socket));
      this.#closing.delete(socket);
      this.#remove(client, broken === undefined ? "the connection ended" : `the connection broke: ${broken}`);
    });
    if (refused) {
      this.#counters.refused++;
      const reason = this.#isEnding ? "the card's program ends" : `${applicationClientsMax} applications are connected, more are not taken`;
      this.#options.log("warn", "application refused", { reason });
      return this.#sayClosed(client, reason);
    }
    this.#clients.set(client.number, client);
    client.helloTimer = setTimeout(
      () => this.#cutOff(client, `it did not say hello within ${applicationHelloMs / 1_000} s`),
      applicationHelloMs,
    );
  }

  #onBytes(client: Client, piece: Uint8Array): void {
    // Of a client that was cut off nothing is wanted any more; it is read so that it can end.
    if (!this.#isServed(client)) return;
    this.#counters.bytesIn += piece.length;
    client.reader.push(piece);
    this.#handle(client);
  }

  /** Handles what a client has sent, as far as it may have it under way. */
  #handle(client: Client): void {
    while (this.#isServed(client)) {
      if (client.underWay >= applicationUnderWayMax) return this.#hold(client);
      const body = client.reader.next();
      if (body === undefined) return this.#letGo(client);
      const frame = isMalformedFrame(body) ? body : decodeApplicationFrame(body);
      if (isMalformedFrame(frame)) return this.#cutOff(client, frameMistakeTexts[frame.malformed]);
      if (frame.kind === "hello") {
        if (client.helloTimer === undefined) return this.#cutOff(client, "it said hello twice");
        this.#welcome(client, frame.version);
      } else {
        if (client.helloTimer !== undefined) return this.#cutOff(client, "its first frame is not hello");
        if (frame.kind !== "alive") client.underWay++;
        this.#counters.requests++;
        this.#options.onRequest(client.number, frame);
      }
    }
  }

  #isServed(client: Client): boolean {
    return this.#clients.get(client.number) === client;
  }

  #hold(client: Client): void {
    if (client.isHeld) return;
    client.isHeld = true;
    this.#counters.held++;
    client.socket.pause();
  }

  #letGo(client: Client): void {
    if (!client.isHeld) return;
    client.isHeld = false;
    client.socket.resume();
  }

  #welcome(client: Client, version: number): void {
    clearTimeout(client.helloTimer);
    client.helloTimer = undefined;
    const { card, software } = this.#options;
    const spoken = Math.min(version, applicationProtocolVersion);
    this.#write(
      client,
      encodeCardFrame({ kind: "welcome", version: spoken, card, chassis: chassisOf(card), slot: slotOf(card), software }),
    );
    this.#options.log("debug", "application connected", { client: client.number });
  }

  #write(client: Client, frame: Uint8Array): void {
    client.outbox.push(frame);
    this.#written.add(client);
    this.#turnSoon();
  }

  #turnSoon(): void {
    if (this.#isTurnDue) return;
    this.#isTurnDue = true;
    setImmediate(() => this.#turn());
  }

  /** Writes what has gathered, reports who has gone, and reads on from those who were held. */
  #turn(): void {
    this.#isTurnDue = false;
    this.#frames.clear();
    const written = [...this.#written];
    this.#written.clear();
    for (const client of written) if (this.#isServed(client)) this.#flush(client);
    const gone = this.#gone;
    this.#gone = [];
    for (const { client, reason } of gone) this.#options.onGone(client, reason);
    const answered = [...this.#answered];
    this.#answered.clear();
    for (const client of answered) if (client.isHeld && client.underWay <= heldUntil) this.#handle(client);
  }

  #flush(client: Client): void {
    // Judged by what earlier turns have left: however much one turn brings, a client that reads is given the time to.
    if (client.socket.writableLength > applicationWaitingBytesMax) return this.#cutOff(client, "it does not read");
    const bytes = joinFrames(client.outbox);
    client.outbox = [];
    this.#counters.writes++;
    this.#counters.bytesOut += bytes.length;
    client.socket.write(bytes);
  }

  #cutOff(client: Client, reason: string): void {
    this.#counters.cutOff++;
    this.#options.log("warn", "application cut off", { client: client.number, reason });
    this.#farewell(client, reason);
  }

  #farewell(client: Client, reason: string): void {
    this.#remove(client, reason);
    this.#sayClosed(client, reason);
  }

  /** The last frame behind all that was sent; whoever does not take it in time misses it. */
  #sayClosed({ socket, outbox }: Client, reason: string): void {
    if (socket.destroyed) return;
    if (socket.writableLength > applicationWaitingBytesMax || this.#closing.size >= applicationClientsMax) return void socket.destroy();
    this.#closing.set(socket, setTimeout(() => socket.destroy(), applicationClosingMs));
    const last: CardFrame = { kind: "closed", reason };
    socket.end(joinFrames([...outbox, encodeCardFrame(last)]));
    socket.resume();
  }

  /** Forgets a client, and has it reported if it was ever a client of the node. */
  #remove(client: Client, reason: string): void {
    if (!this.#isServed(client)) return;
    this.#clients.delete(client.number);
    const wasIntroduced = client.helloTimer === undefined;
    clearTimeout(client.helloTimer);
    if (!wasIntroduced || this.#isEnding) return;
    this.#gone.push({ client: client.number, reason });
    this.#turnSoon();
  }
}

function isAnswer({ kind }: ApplicationEvent): boolean {
  return kind === "joined" || kind === "left" || kind === "watching" || kind === "sent" || kind === "refused";
}

function pathTooLong(path: string): Refusal | undefined {
  const bytes = (text: string) => new TextEncoder().encode(text).length;
  const over = Math.max(bytes(path), bytes(dirname(path)) + privateSuffixBytes) - socketPathBytesMax;
  if (over <= 0) return undefined;
  return refusal("io", `the path of the socket for applications, ${path}, is ${over} bytes too long; take a shorter directory`);
}

/** Why the path cannot be taken: something else is there, or somebody answers. A socket whose process is dead may be replaced. */
async function refusalOfTaken(path: string): Promise<Refusal | undefined> {
  try {
    if (!lstatSync(path).isSocket()) {
      return refusal("exists", `${path} is there and is no socket; remove it, or take another path for the applications' socket`);
    }
  } catch (error) {
    // Not there; or not to be looked at, which says so when it is made.
    if (systemErrorCode(error) === "ENOENT" || systemErrorCode(error) === "ENOTDIR") return undefined;
    return refusal("io", `${path} cannot be looked at: ${systemErrorText(error)}`);
  }
  const code = await errorOfConnecting(path);
  switch (code) {
    case "ECONNREFUSED":
    case "ENOENT":
      return undefined;
    case undefined:
    case "EAGAIN": // so many wait already
      return refusal(
        "exists",
        `${path} is in use: another card's program answers there; stop that one first, or give this one another path`,
      );
    default:
      return refusal("exists", `${path} is there and cannot be told to be unused (${code}); remove it if ${basename(path)} is not in use`);
  }
}

/** The system's name of what went wrong; `undefined` when somebody answered. */
function errorOfConnecting(path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.once("connect", () => {
      socket.destroy();
      resolve(undefined);
    });
    socket.once("error", (error) => resolve(systemErrorCode(error) ?? error.message));
  });
}

function removePlace(path: string, place: Stats | undefined): void {
  try {
    const { dev, ino } = lstatSync(path);
    if (dev === place?.dev && ino === place.ino) rmSync(path, { force: true });
  } catch {
    // Somebody has removed it already.
  }
}
