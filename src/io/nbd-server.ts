/**
 * The card's NBD server: connections come in through the door, say in the handshake which export they want, and are given to the
 * block engine, which serves them from then on without this program. With a certificate a connection can be secured: TLS is
 * carried out here, so the bytes of such a session pass through this program, at a fraction of the speed.
 */
import { createSecureContext, createServer, type SecureContextOptions, type TLSSocket } from "node:tls";
import { joinedBytes } from "../base/bytes.ts";
import { nbdHandshakeMs, nbdHandshakesMax, nbdHandshakesPerAddressMax, nbdSecuredMax } from "../limits.ts";
import {
  type NbdCatalogue,
  type NbdExport,
  nbdGreeting,
  NbdHandshake,
  type NbdOrder,
  type NbdUnavailable,
} from "../storage/nbd-handshake.ts";
import type { BlockEngine, BlockNews } from "./block-ports.ts";
import { DoorStream } from "./door-stream.ts";
import type { DoorDriver, DoorPort, DoorThen } from "./ports.ts";

export type ServedExport = NbdExport & {
  /** The engine's number of the device. */
  readonly device: number;
};

/** Where a host comes from, which is empty for one on the card itself, and where it came in. */
export type NbdGuest = { readonly address: string; readonly listener: number };

/** Who may use what, asked for each connection and option. */
export interface NbdExports {
  list(guest: NbdGuest): readonly ServedExport[];
  find(guest: NbdGuest, name: string): ServedExport | NbdUnavailable;
}

export type NbdCertificate = {
  /** PEM; of the certificate the whole chain. */
  readonly certificate: string;
  readonly key: string;
  /** PEM of who signs the hosts' certificates; with it only such hosts come in. */
  readonly authority?: string;
  /** Whether hosts that do not ask for TLS are turned away. */
  readonly required: boolean;
};

export type NbdSession = {
  readonly number: number;
  readonly address: string;
  readonly listener: number;
  readonly export: string;
  readonly device: number;
  readonly readOnly: boolean;
  readonly structuredReplies: boolean;
  readonly secured: boolean;
};

/** How a session went, of which the first four are what the engine has counted. */
export type NbdSessionEnd = {
  readonly requests: number;
  readonly refused: number;
  readonly readBytes: number;
  readonly writtenBytes: number;
  /** Why it ended, where it was not the host who said goodbye. */
  readonly error: number | undefined;
};

export type NbdServerEvents = {
  begun?(session: NbdSession): void;
  ended?(session: NbdSession, end: NbdSessionEnd): void;
  /** A connection that came to nothing, with the reason. Any stranger can cause it as often as it likes. */
  refused?(address: string, reason: string): void;
};

export type NbdServerOptions = {
  readonly door: DoorDriver;
  readonly engine: BlockEngine;
  readonly exports: NbdExports;
  readonly certificate?: NbdCertificate;
  readonly events?: NbdServerEvents;
};

/** Orders and reports of drivers/block/nbd.h. */
const orderServe = 64;
const orderDrop = 65;
const reportEnded = 64;
const options = { structured: 1, readOnly: 2, fastZero: 4 } as const;

type Guest = NbdGuest & {
  readonly connection: number;
  readonly handshake: NbdHandshake<ServedExport>;
  readonly timer: ReturnType<typeof setTimeout>;
  /** From the moment of STARTTLS on. */
  stream?: DoorStream;
  socket?: TLSSocket;
  granted?: Extract<NbdOrder<ServedExport>, { kind: "transmit" }>;
};

const nothing = new Uint8Array(0);

export class NbdServer {
  readonly #door: DoorPort;
  readonly #engine: BlockEngine;
  readonly #exports: NbdExports;
  readonly #certificate: NbdCertificate | undefined;
  readonly #tls: SecureContextOptions | undefined;
  readonly #events: NbdServerEvents;
  readonly #guests = new Map<number, Guest>();
  /** What carries the bytes of secured sessions, by connection. */
  readonly #streams = new Map<number, DoorStream>();
  readonly #sessions = new Map<number, NbdSession>();
  #lastSession = 0;
  #lastListener = 0;
  #secured = 0;

  /** Throws when the certificate is none. The engine's news have to be given to `onNews`. */
  constructor({ door, engine, exports, certificate, events }: NbdServerOptions) {
    this.#engine = engine;
    this.#exports = exports;
    this.#certificate = certificate;
    this.#events = events ?? {};
    if (certificate !== undefined) {
      this.#tls = { cert: certificate.certificate, key: certificate.key, ca: certificate.authority, minVersion: "TLSv1.2" };
      createSecureContext(this.#tls);
    }
    this.#door = door.open(nbdHandshakesMax, {
      accepted: (connection, listener, address) => this.#onAccepted(connection, { address, listener }),
      bytes: (connection, bytes) => this.#onBytes(connection, bytes),
      sent: (connection) => this.#streams.get(connection)?.onSent(),
      released: (connection, descriptor) => this.#onReleased(connection, descriptor),
      gone: (connection, error) => this.#onGone(connection, error),
      deaf: () => this.#events.refused?.("", `${nbdHandshakesMax} connections are in the handshake already`),
    });
  }

  /** Returns the listener's number and its port; throws when the address cannot be had. */
  listen(at: { readonly host: string; readonly port: number } | { readonly path: string }): {
    readonly listener: number;
    readonly port: number;
  } {
    const listener = ++this.#lastListener;
    return { listener, port: this.#door.listen(listener, at) };
  }

  /** Nobody comes in there any more; who is in stays. */
  unlisten(listener: number): void {
    this.#door.unlisten(listener);
  }

  get sessions(): readonly NbdSession[] {
    return [...this.#sessions.values()];
  }

  /** Ends a session once what is under way is answered; false when there is none. */
  async drop(number: number): Promise<boolean> {
    const session = this.#sessions.get(number);
    if (session === undefined) return false;
    try {
      await this.#engine.order(orderDrop, session.device, words(number));
      return true;
    } catch {
      return false;
    }
  }

  /** Ends the sessions of hosts that may not have them any more, or not as they have them. To be called when access has changed. */
  async enforce(): Promise<void> {
    const drops: Promise<boolean>[] = [];
    for (const session of this.#sessions.values()) {
      const found = this.#exports.find(session, session.export);
      const same = !("unavailable" in found) && found.device === session.device && found.readOnly === session.readOnly;
      if (!same) drops.push(this.drop(session.number));
    }
    await Promise.all(drops);
  }

  /** What the engine tells; of others' news nothing is taken. */
  onNews(news: BlockNews): void {
    if (news.kind !== reportEnded) return;
    const session = this.#sessions.get(news.number);
    if (session === undefined) return;
    this.#sessions.delete(news.number);
    const view = new DataView(news.bytes.buffer, news.bytes.byteOffset, news.bytes.length);
    const [requests = 0, refused = 0, readBytes = 0, writtenBytes = 0] = [0, 8, 16, 24].map((at) => Number(view.getBigUint64(at, true)));
    this.#events.ended?.(session, { requests, refused, readBytes, writtenBytes, error: news.value === 0 ? undefined : news.value });
  }

  /** Ends handshakes and listeners. Sessions are the engine's, but for secured ones, which end. */
  async close(): Promise<void> {
    for (const guest of this.#guests.values()) clearTimeout(guest.timer);
    this.#guests.clear();
    for (const stream of this.#streams.values()) stream.destroy();
    await this.#door.close();
  }

  #onAccepted(connection: number, from: NbdGuest): void {
    const { address } = from;
    const fromThere = [...this.#guests.values()].filter((guest) => guest.address === address).length;
    if (address !== "" && fromThere >= nbdHandshakesPerAddressMax) {
      this.#answer(connection, nothing, "end");
      this.#events.refused?.(address, `${fromThere} of its connections are in the handshake already`);
      return;
    }
    const tls = this.#certificate === undefined ? "refused" : this.#certificate.required && address !== "" ? "required" : "offered";
    const handshake = new NbdHandshake(this.#catalogueOf(from), tls);
    const timer = setTimeout(() => this.#dismiss(connection, `its handshake took longer than ${nbdHandshakeMs} ms`), nbdHandshakeMs);
    this.#guests.set(connection, { connection, ...from, handshake, timer });
    this.#answer(connection, nbdGreeting, "more");
  }

  #catalogueOf(guest: NbdGuest): NbdCatalogue<ServedExport> {
    return {
      list: () => this.#exports.list(guest),
      find: (name) => {
        const [first, ...others] = name === "" ? this.#exports.list(guest) : [];
        return first !== undefined && others.length === 0 ? first : this.#exports.find(guest, name);
      },
    };
  }

  #onBytes(connection: number, bytes: Uint8Array): void {
    const stream = this.#streams.get(connection);
    if (stream !== undefined) {
      stream.onBytes(bytes);
      return;
    }
    const guest = this.#guests.get(connection);
    if (guest === undefined) return;
    const orders = guest.handshake.onBytes(bytes);
    const sent = joinedBytes(orders.flatMap((order) => (order.kind === "send" ? [order.bytes] : [])));
    const last = orders.at(-1);
    switch (last?.kind) {
      case "close":
        this.#events.refused?.(guest.address, last.reason);
        this.#forget(guest);
        this.#answer(connection, sent, "end");
        break;
      case "transmit":
        guest.granted = last;
        this.#answer(connection, sent, "release");
        break;
      case "startTls":
        this.#secureGuest(guest, sent);
        break;
      default:
        this.#answer(connection, sent, "more");
    }
  }

  #onReleased(connection: number, descriptor: number): void {
    const guest = this.#guests.get(connection);
    if (guest?.granted === undefined) {
      this.#door.discard(descriptor);
      return;
    }
    this.#forget(guest);
    void this.#serve(guest, guest.granted, descriptor, false);
  }

  #onGone(connection: number, error: string | undefined): void {
    const stream = this.#streams.get(connection);
    this.#streams.delete(connection);
    stream?.onGone();
    const guest = this.#guests.get(connection);
    if (guest === undefined) return;
    this.#forget(guest);
    this.#events.refused?.(
      guest.address,
      error === undefined ? "it closed the connection in the handshake" : `its connection failed: ${error}`,
    );
  }

  /** The descriptor is the engine's from here on, or closed. */
  async #serve(
    { address, listener }: NbdGuest,
    granted: Extract<NbdOrder<ServedExport>, { kind: "transmit" }>,
    descriptor: number,
    secured: boolean,
  ): Promise<void> {
    const { structuredReplies, export: { name, device, readOnly, zeroesFast } } = granted;
    const number = this.#nextSession();
    const session = { number, address, listener, export: name, device, readOnly, structuredReplies, secured };
    const flags = (structuredReplies ? options.structured : 0) | (readOnly ? options.readOnly : 0) | (zeroesFast ? options.fastZero : 0);
    // Its end may be told before its beginning is answered.
    this.#sessions.set(number, session);
    try {
      await this.#engine.order(orderServe, device, words(number, descriptor, flags));
      this.#events.begun?.(session);
    } catch (error) {
      this.#sessions.delete(number);
      this.#door.discard(descriptor);
      this.#events.refused?.(address, (error as Error).message);
    }
  }

  #nextSession(): number {
    do this.#lastSession = (this.#lastSession % 0xffff_ffff) + 1; while (this.#sessions.has(this.#lastSession));
    return this.#lastSession;
  }

  #secureGuest(guest: Guest, answer: Uint8Array): void {
    if (this.#secured >= nbdSecuredMax) {
      this.#dismiss(guest.connection, `${nbdSecuredMax} connections are secured already`);
      return;
    }
    this.#answer(guest.connection, answer, "nothing");
    this.#secured++;
    const stream = this.#streamOf(guest.connection, { awaited: answer.length > 0 ? 1 : 0 });
    stream.once("close", () => this.#secured--);
    guest.stream = stream;
    // A server of its own for one connection: it is what judges the host's certificate.
    const mutual = this.#tls?.ca !== undefined;
    const server = createServer({ ...this.#tls, requestCert: mutual, rejectUnauthorized: mutual, handshakeTimeout: nbdHandshakeMs });
    server.once("tlsClientError", (error) => this.#dismiss(guest.connection, `TLS failed: ${error.message}`));
    server.once("secureConnection", (socket) => this.#onSecured(guest, socket));
    server.emit("connection", stream);
  }

  #onSecured(guest: Guest, socket: TLSSocket): void {
    guest.socket = socket;
    guest.handshake.onTlsStarted();
    socket.on("error", (error) => this.#dismiss(guest.connection, `TLS failed: ${error.message}`));
    const onData = (bytes: Uint8Array) => {
      const orders = guest.handshake.onBytes(new Uint8Array(bytes));
      for (const order of orders) if (order.kind === "send") socket.write(order.bytes);
      const last = orders.at(-1);
      if (last?.kind === "close") this.#dismiss(guest.connection, last.reason);
      if (last?.kind !== "transmit") return;
      socket.off("data", onData);
      socket.pause();
      this.#forget(guest);
      this.#relay(guest, last, socket);
    };
    socket.on("data", onData);
  }

  /** Between the host's TLS and a pair of sockets, of which the engine has the other end. */
  #relay(guest: Guest, granted: Extract<NbdOrder<ServedExport>, { kind: "transmit" }>, socket: TLSSocket): void {
    const { connection, descriptor } = this.#door.pair();
    const plain = this.#streamOf(connection, { awaited: 0 });
    const end = () => {
      plain.destroy();
      socket.destroy();
    };
    socket.removeAllListeners("error");
    for (const side of [socket, plain]) {
      side.on("error", end);
      side.on("close", end);
    }
    socket.pipe(plain);
    plain.pipe(socket);
    void this.#serve(guest, granted, descriptor, true);
  }

  #streamOf(connection: number, { awaited }: { readonly awaited: number }): DoorStream {
    const stream = new DoorStream(this.#door, connection, awaited);
    this.#streams.set(connection, stream);
    stream.once("close", () => this.#streams.delete(connection));
    return stream;
  }

  #dismiss(connection: number, reason: string): void {
    const guest = this.#guests.get(connection);
    if (guest === undefined) return;
    this.#forget(guest);
    this.#events.refused?.(guest.address, reason);
    if (guest.socket !== undefined) guest.socket.destroy();
    if (guest.stream !== undefined) guest.stream.destroy();
    else this.#answer(connection, nothing, "end");
  }

  #answer(connection: number, bytes: Uint8Array, then: DoorThen): void {
    try {
      this.#door.answer(connection, bytes, then);
    } catch {
      // It asks for more than it takes.
      this.#door.answer(connection, nothing, "end");
    }
  }

  #forget(guest: Guest): void {
    clearTimeout(guest.timer);
    this.#guests.delete(guest.connection);
  }
}

function words(...values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(4 * values.length);
  const view = new DataView(bytes.buffer);
  for (const [index, value] of values.entries()) view.setUint32(4 * index, value, true);
  return bytes;
}
