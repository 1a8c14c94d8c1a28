/**
 * The server's side of NBD's newstyle handshake: which export a host gets, and what it is told of it. Bytes in, orders out.
 *
 *   greeting ──flags──► options ──EXPORT_NAME, GO──► transmission (drivers/block/nbd.c)
 *                        │  ▲ │
 *               STARTTLS │  │ └─ABORT, or what cannot be answered──► closed
 *                        ▼  │
 *                         tls, where all that was agreed upon before is forgotten
 *
 * Follows "The NBD protocol" (doc/proto.md of the reference implementation), sections "Handshake phase" and "Option types". It
 * deviates where a server may choose: a host that does not ask for the block sizes is let in all the same, and told of its
 * unaligned requests one by one; of a host that speaks before it was answered, which could be another one's bytes before
 * TLS, the connection is closed.
 *
 * What a host sends is bounded in bytes, in options and, by the connection's owner, in time; nothing that it sends throws.
 */
import { unreachable } from "../base/assert.ts";
import { joinedBytes } from "../base/bytes.ts";
import { nbdListsMax, nbdNameBytesMax, nbdOptionBytesMax, nbdOptionSkippedBytesMax, nbdOptionsMax } from "../limits.ts";

/** What a host is told of an export. */
export type NbdExport = {
  readonly name: string;
  /** For people; may be empty. */
  readonly description: string;
  readonly sizeBytes: number;
  readonly readOnly: boolean;
  /** Requests are whole multiples of it, a power of two; and what suits the device best. */
  readonly blockBytes: number;
  readonly preferredBytes: number;
  /** The longest request that moves data. */
  readonly requestBytesMax: number;
  readonly canTrim: boolean;
  readonly canZero: boolean;
  /** Zeroes are written faster than data would be, always. */
  readonly zeroesFast: boolean;
  /** What one connection has flushed is durable whichever connection wrote it. */
  readonly multipleConnections: boolean;
};

export type NbdUnavailable = { readonly unavailable: "unknown" | "policy" | "shutdown"; readonly message: string };

/** The exports as one host sees them; asked anew for each option. The empty name is that of the default export. */
export type NbdCatalogue<Export extends NbdExport = NbdExport> = {
  list(): readonly { readonly name: string; readonly description: string }[];
  find(name: string): Export | NbdUnavailable;
};

/** Whether the connection may be, or has to be, secured. */
export type NbdTls = "refused" | "offered" | "required";

export type NbdOrder<Export extends NbdExport = NbdExport> =
  | { readonly kind: "send"; readonly bytes: Uint8Array }
  /** Once all is sent: what comes next is TLS, and what it carries is for `onBytes`. */
  | { readonly kind: "startTls" }
  /** Once all is sent. The handshake is over; the export is what the catalogue found. */
  | { readonly kind: "transmit"; readonly export: Export; readonly structuredReplies: boolean }
  /** Once all is sent. `reason` is for people. */
  | { readonly kind: "close"; readonly reason: string };

export const nbdPort = 10_809;

const option = {
  exportName: 1,
  abort: 2,
  list: 3,
  startTls: 5,
  info: 6,
  go: 7,
  structuredReply: 8,
} as const;

const reply = {
  acknowledged: 1,
  server: 2,
  info: 3,
  unsupported: 0x8000_0001,
  policy: 0x8000_0002,
  invalid: 0x8000_0003,
  tlsRequired: 0x8000_0005,
  unknown: 0x8000_0006,
  shutdown: 0x8000_0007,
  tooBig: 0x8000_0009,
} as const;

const info = { export: 0, name: 1, description: 2, blockSize: 3 } as const;

const serverFlags = { fixedNewstyle: 1, noZeroes: 2 } as const;

/** Of an export, in the handshake's last word. */
const transmissionFlags = {
  hasFlags: 1,
  readOnly: 2,
  sendFlush: 4,
  sendFua: 8,
  sendTrim: 32,
  sendWriteZeroes: 64,
  sendDf: 128,
  canMultipleConnections: 256,
  sendFastZero: 2_048,
} as const;

const optionMagic = Uint8Array.of(0x49, 0x48, 0x41, 0x56, 0x45, 0x4f, 0x50, 0x54);
const replyMagic = Uint8Array.of(0x00, 0x03, 0xe8, 0x89, 0x04, 0x55, 0x65, 0xa9);
const flagsBytes = 4;
const optionHeaderBytes = 16;
const exportNameZeroes = 124;

/** What a server says first, to whoever connects. */
export const nbdGreeting: Uint8Array = Uint8Array.of(
  ...[0x4e, 0x42, 0x44, 0x4d, 0x41, 0x47, 0x49, 0x43],
  ...optionMagic,
  ...[0, serverFlags.fixedNewstyle | serverFlags.noZeroes],
);

type Phase = "flags" | "options" | "tls" | "over";

export class NbdHandshake<Export extends NbdExport = NbdExport> {
  readonly #catalogue: NbdCatalogue<Export>;
  readonly #tls: NbdTls;
  #phase: Phase = "flags";
  #pending: Uint8Array = new Uint8Array(0);
  /** Bytes of an option that is too big, still to be passed over. */
  #skipping = 0;
  #options = 0;
  #lists = 0;
  #secured = false;
  #noZeroes = false;
  #structuredReplies = false;

  constructor(catalogue: NbdCatalogue<Export>, tls: NbdTls) {
    this.#catalogue = catalogue;
    this.#tls = tls;
  }

  /** Whether a `transmit` or a `close` was given: nothing more is taken. */
  get over(): boolean {
    return this.#phase === "over";
  }

  /** Bytes of the host, in whatever pieces they come. */
  onBytes(bytes: Uint8Array): readonly NbdOrder<Export>[] {
    if (this.#phase === "over") return [];
    if (this.#phase === "tls") return this.#close("it spoke before TLS was set up");
    this.#pending = this.#pending.length === 0 ? bytes : joinedBytes([this.#pending, bytes]);
    const orders: NbdOrder<Export>[] = [];
    while (this.#phase === "flags" || this.#phase === "options") {
      const more = this.#phase === "flags" ? this.#takeFlags() : this.#takeOption();
      if (more === undefined) break;
      orders.push(...more);
    }
    const last = orders.at(-1)?.kind;
    if (this.#pending.length > 0 && (last === "startTls" || last === "transmit")) {
      return this.#close("it went on speaking before it was answered");
    }
    // What waits is less than an option; it is a copy, for the bytes may be another's buffer.
    this.#pending = this.#pending.slice();
    return orders;
  }

  /** TLS is set up as `startTls` asked: options are to come as if for the first time. */
  onTlsStarted(): void {
    if (this.#phase !== "tls") return;
    this.#phase = "options";
    this.#secured = true;
    this.#structuredReplies = false;
  }

  #takeFlags(): NbdOrder<Export>[] | undefined {
    if (this.#pending.length < flagsBytes) return undefined;
    const flags = viewOf(this.#pending).getUint32(0);
    this.#pending = this.#pending.subarray(flagsBytes);
    if ((flags & ~(serverFlags.fixedNewstyle | serverFlags.noZeroes)) !== 0) {
      return this.#close(`its flags are 0x${flags.toString(16)}, of which only 0x3 were offered`);
    }
    this.#noZeroes = (flags & serverFlags.noZeroes) !== 0;
    this.#phase = "options";
    return [];
  }

  /** Orders for the next option; undefined when it is not there as a whole. */
  #takeOption(): NbdOrder<Export>[] | undefined {
    if (this.#skipping > 0) {
      const passed = Math.min(this.#skipping, this.#pending.length);
      this.#skipping -= passed;
      this.#pending = this.#pending.subarray(passed);
    }
    if (this.#skipping > 0 || this.#pending.length < optionHeaderBytes) return undefined;
    if (!optionMagic.every((byte, index) => byte === this.#pending[index])) return this.#close("what it sends is no option");
    const header = viewOf(this.#pending);
    const [kind, length] = [header.getUint32(8), header.getUint32(12)];
    if (length > nbdOptionSkippedBytesMax) return this.#close(`its option ${kind} has ${length} bytes`);
    if (length > nbdOptionBytesMax) {
      if (!this.#count()) return this.#close(`it sent more than ${nbdOptionsMax} options`);
      this.#pending = this.#pending.subarray(optionHeaderBytes);
      this.#skipping = length;
      if (kind === option.exportName) return this.#close(`the name of its export has ${length} bytes`);
      return [refused(kind, reply.tooBig, `an option has at most ${nbdOptionBytesMax} bytes, this one ${length}`)];
    }
    if (this.#pending.length < optionHeaderBytes + length) return undefined;
    if (!this.#count()) return this.#close(`it sent more than ${nbdOptionsMax} options`);
    const data = this.#pending.subarray(optionHeaderBytes, optionHeaderBytes + length);
    this.#pending = this.#pending.subarray(optionHeaderBytes + length);
    return this.#onOption(kind, data);
  }

  #count(): boolean {
    return ++this.#options <= nbdOptionsMax;
  }

  #onOption(kind: number, data: Uint8Array): NbdOrder<Export>[] {
    if (this.#tls === "required" && !this.#secured && kind !== option.startTls && kind !== option.abort) {
      if (kind === option.exportName) return this.#close("it did not ask for TLS, which is required here");
      return [refused(kind, reply.tlsRequired, "this server wants TLS first")];
    }
    switch (kind) {
      case option.exportName:
        return this.#onExportName(data);
      case option.abort:
        return [answer(kind, reply.acknowledged), ...this.#close("it gave up")];
      case option.list:
        if (data.length > 0) return [refused(kind, reply.invalid, "LIST has no data")];
        if (++this.#lists > nbdListsMax) return [refused(kind, reply.policy, `the list was told ${nbdListsMax} times`)];
        return [
          ...this.#catalogue.list().map(({ name, description }) => answer(kind, reply.server, ...namePieces(name), textBytes(description))),
          answer(kind, reply.acknowledged),
        ];
      case option.startTls:
        return this.#onStartTls(data);
      case option.info:
      case option.go:
        return this.#onInfo(kind, data);
      case option.structuredReply:
        if (data.length > 0) return [refused(kind, reply.invalid, "STRUCTURED_REPLY has no data")];
        this.#structuredReplies = true;
        return [answer(kind, reply.acknowledged)];
      default:
        return [refused(kind, reply.unsupported, `this server does not know the option ${kind}`)];
    }
  }

  /** The old way in, which has no way to say no. */
  #onExportName(data: Uint8Array): NbdOrder<Export>[] {
    const name = textOf(data);
    if (name === undefined) return this.#close("the name of its export is not UTF-8");
    const found = this.#catalogue.find(name);
    if ("unavailable" in found) return this.#close(found.message);
    const bytes = new Uint8Array(10 + (this.#noZeroes ? 0 : exportNameZeroes));
    const view = viewOf(bytes);
    view.setBigUint64(0, BigInt(found.sizeBytes));
    view.setUint16(8, flagsOf(found, this.#structuredReplies));
    return [{ kind: "send", bytes }, this.#transmit(found)];
  }

  #onStartTls(data: Uint8Array): NbdOrder<Export>[] {
    const kind = option.startTls;
    if (data.length > 0) return [refused(kind, reply.invalid, "STARTTLS has no data")];
    if (this.#secured) return [refused(kind, reply.invalid, "TLS is set up already")];
    if (this.#tls === "refused") {
      return [refused(kind, reply.policy, "this server has no certificate: connect without TLS, or give it one")];
    }
    this.#phase = "tls";
    return [answer(kind, reply.acknowledged), { kind: "startTls" }];
  }

  #onInfo(kind: number, data: Uint8Array): NbdOrder<Export>[] {
    const request = decodeInfo(data);
    if (typeof request === "string") return [refused(kind, reply.invalid, request)];
    if (request.nameLength > nbdNameBytesMax) {
      return [refused(kind, reply.tooBig, `a name has at most ${nbdNameBytesMax} bytes, this one ${request.nameLength}`)];
    }
    const found = this.#catalogue.find(request.name);
    if ("unavailable" in found) return [refused(kind, unavailableReply(found.unavailable), found.message)];
    const infos = [
      answer(kind, reply.info, word16(info.export), word64(found.sizeBytes), word16(flagsOf(found, this.#structuredReplies))),
      answer(
        kind,
        reply.info,
        word16(info.blockSize),
        word32(found.blockBytes),
        word32(found.preferredBytes),
        word32(found.requestBytesMax),
      ),
    ];
    if (request.infos.has(info.name)) infos.push(answer(kind, reply.info, word16(info.name), textBytes(found.name)));
    if (request.infos.has(info.description) && found.description !== "") {
      infos.push(answer(kind, reply.info, word16(info.description), textBytes(found.description)));
    }
    infos.push(answer(kind, reply.acknowledged));
    return kind === option.go ? [...infos, this.#transmit(found)] : infos;
  }

  #transmit(found: Export): NbdOrder<Export> {
    this.#phase = "over";
    return { kind: "transmit", export: found, structuredReplies: this.#structuredReplies };
  }

  #close(reason: string): NbdOrder<Export>[] {
    this.#phase = "over";
    this.#pending = new Uint8Array(0);
    return [{ kind: "close", reason }];
  }
}

type Send = Extract<NbdOrder, { kind: "send" }>;
type InfoRequest = { readonly name: string; readonly nameLength: number; readonly infos: ReadonlySet<number> };

/** What INFO and GO carry; a string says what is wrong with it. */
function decodeInfo(data: Uint8Array): InfoRequest | string {
  const view = viewOf(data);
  if (data.length < 6) return `6 bytes are the least, these are ${data.length}`;
  const nameLength = view.getUint32(0);
  if (nameLength > data.length - 6) return `a name of ${nameLength} bytes does not fit in ${data.length}`;
  const name = textOf(data.subarray(4, 4 + nameLength));
  if (name === undefined) return "the name is not UTF-8";
  const count = view.getUint16(4 + nameLength);
  const wanted = 6 + nameLength + 2 * count;
  if (wanted !== data.length) return `${count} requests for information take ${wanted} bytes, these are ${data.length}`;
  return { name, nameLength, infos: new Set(Array.from({ length: count }, (_, index) => view.getUint16(6 + nameLength + 2 * index))) };
}

/** `NBD_FLAG_*` of an export. */
function flagsOf(found: NbdExport, structuredReplies: boolean): number {
  const of = transmissionFlags;
  const writes = found.readOnly ? of.readOnly : (found.canTrim ? of.sendTrim : 0) |
    (found.canZero ? of.sendWriteZeroes | (found.zeroesFast ? of.sendFastZero : 0) : 0);
  return of.hasFlags | of.sendFlush | of.sendFua | writes | (structuredReplies ? of.sendDf : 0) |
    (found.multipleConnections ? of.canMultipleConnections : 0);
}

function unavailableReply(why: NbdUnavailable["unavailable"]): number {
  switch (why) {
    case "unknown":
      return reply.unknown;
    case "policy":
      return reply.policy;
    case "shutdown":
      return reply.shutdown;
    default:
      return unreachable(why);
  }
}

function answer(kind: number, type: number, ...pieces: readonly Uint8Array[]): Send {
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  return { kind: "send", bytes: joinedBytes([replyMagic, word32(kind), word32(type), word32(length), ...pieces]) };
}

function refused(kind: number, type: number, message: string): Send {
  return answer(kind, type, textBytes(message));
}

function namePieces(name: string): [Uint8Array, Uint8Array] {
  const bytes = textBytes(name);
  return [word32(bytes.length), bytes];
}

function textBytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

function textOf(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function word16(value: number): Uint8Array {
  return Uint8Array.of(value >> 8, value & 0xff);
}

function word32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  viewOf(bytes).setUint32(0, value);
  return bytes;
}

function word64(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  viewOf(bytes).setBigUint64(0, BigInt(value));
  return bytes;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}
