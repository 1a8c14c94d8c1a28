/** A host that speaks NBD byte by byte, for tests of what real clients never say. */
import { connect, type NetConnectOpts, type Socket } from "node:net";
import { joinedBytes } from "../../src/base/bytes.ts";

export const command = { read: 0, write: 1, disc: 2, flush: 3, trim: 4, zeroes: 6 } as const;
export const flag = { fua: 1, noHole: 2, df: 4, fastZero: 16 } as const;
export const errors = { perm: 1, io: 5, inval: 22, nospc: 28, overflow: 75, notsup: 95, shutdown: 108 } as const;

export type Chunk = { readonly type: number; readonly done: boolean; readonly payload: Uint8Array };
export type Reply =
  | { readonly kind: "simple"; readonly cookie: number; readonly error: number; readonly data: Uint8Array }
  | { readonly kind: "structured"; readonly cookie: number; readonly chunks: readonly Chunk[] };

const text = new TextEncoder();

function numbers(...values: readonly (readonly [number | bigint, 2 | 4 | 8])[]): Uint8Array {
  const bytes = new Uint8Array(values.reduce((sum, [, length]) => sum + length, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const [value, length] of values) {
    if (length === 8) view.setBigUint64(at, BigInt(value));
    else if (length === 4) view.setUint32(at, Number(value));
    else view.setUint16(at, Number(value));
    at += length;
  }
  return bytes;
}

export function request(
  type: number,
  cookie: number,
  offset: number,
  length: number,
  flags = 0,
  data: Uint8Array = new Uint8Array(0),
): Uint8Array {
  return joinedBytes([numbers([0x25609513, 4], [flags, 2], [type, 2], [cookie, 8], [offset, 8], [length, 4]), data]);
}

export class NbdClient {
  readonly #socket: Socket;
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  #ended = false;
  #wake: (() => void) | undefined;
  /** Lengths of the reads that wait for a simple reply, which does not tell its own. */
  readonly #reads = new Map<number, number>();

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (bytes) => {
      this.#pending.push(bytes as Uint8Array);
      this.#pendingBytes += (bytes as Uint8Array).length;
      this.#wake?.();
    });
    const end = () => {
      this.#ended = true;
      this.#wake?.();
    };
    socket.on("end", end);
    socket.on("close", end);
    socket.on("error", end);
  }

  static async to(at: { readonly path: string } | { readonly port: number }): Promise<NbdClient> {
    const options: NetConnectOpts = { ...at, allowHalfOpen: true };
    const socket = connect(options);
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
    });
    return new NbdClient(socket);
  }

  /** Into transmission, with EXPORT_NAME. */
  static async of(at: { readonly path: string } | { readonly port: number }, name: string, structured: boolean): Promise<NbdClient> {
    const client = await NbdClient.to(at);
    await client.take(18);
    const option = (kind: number, data: Uint8Array) => joinedBytes([text.encode("IHAVEOPT"), numbers([kind, 4], [data.length, 4]), data]);
    client.send(numbers([3, 4]));
    if (structured) {
      client.send(option(8, new Uint8Array(0)));
      await client.take(20);
    }
    client.send(option(1, text.encode(name)));
    await client.take(10);
    return client;
  }

  send(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  ask(type: number, cookie: number, offset: number, length: number, flags = 0, data?: Uint8Array): void {
    if (type === command.read) this.#reads.set(cookie, length);
    this.send(request(type, cookie, offset, length, flags, data));
  }

  /** Nothing more is sent; what comes is still read. */
  end(): void {
    this.#socket.end();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** So many bytes; throws when the connection ends before. */
  async take(length: number): Promise<Uint8Array> {
    while (this.#pendingBytes < length) {
      if (this.#ended) throw new Error(`the connection has ended, ${this.#pendingBytes} of ${length} bytes are there`);
      await this.#more();
    }
    const taken = new Uint8Array(length);
    for (let at = 0; at < length;) {
      const [first = taken, ...rest] = this.#pending;
      const part = first.subarray(0, length - at);
      taken.set(part, at);
      at += part.length;
      this.#pending = part.length < first.length ? [first.subarray(part.length), ...rest] : rest;
    }
    this.#pendingBytes -= length;
    return taken;
  }

  /** Resolves with what was left unread when the server has closed the connection. */
  async closed(): Promise<Uint8Array> {
    while (!this.#ended) await this.#more();
    return joinedBytes(this.#pending);
  }

  async reply(): Promise<Reply> {
    const chunks: Chunk[] = [];
    for (;;) {
      const magic = view(await this.take(4)).getUint32(0);
      if (magic === 0x67446698) {
        const head = view(await this.take(12));
        const [error, cookie] = [head.getUint32(0), Number(head.getBigUint64(4))];
        return { kind: "simple", cookie, error, data: error === 0 ? await this.take(this.#reads.get(cookie) ?? 0) : new Uint8Array(0) };
      }
      if (magic !== 0x668e33ef) throw new Error(`0x${magic.toString(16)} begins no reply`);
      const head = view(await this.take(16));
      const [done, type, cookie] = [(head.getUint16(0) & 1) !== 0, head.getUint16(2), Number(head.getBigUint64(4))];
      chunks.push({ type, done, payload: await this.take(head.getUint32(12)) });
      if (done) return { kind: "structured", cookie, chunks };
    }
  }

  /** Asks, and takes the next reply. */
  async answered(type: number, cookie: number, offset: number, length: number, flags = 0, data?: Uint8Array): Promise<Reply> {
    this.ask(type, cookie, offset, length, flags, data);
    return await this.reply();
  }

  async #more(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error("nothing came within 10 s")), 10_000);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

export function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** The error of a reply, and its text where it has one. */
export function errorOf(reply: Reply): readonly [number, string] {
  if (reply.kind === "simple") return [reply.error, ""];
  const last = reply.chunks.at(-1);
  if (last?.type !== 32_769) return [0, ""];
  return [view(last.payload).getUint32(0), new TextDecoder().decode(last.payload.subarray(6))];
}

/** The data of a read, put together from its chunks. */
export function dataOf(reply: Reply, offset: number, length: number): Uint8Array {
  if (reply.kind === "simple") return reply.data;
  const data = new Uint8Array(length).fill(0xee);
  for (const { type, payload } of reply.chunks) {
    const at = Number(view(payload).getBigUint64(0)) - offset;
    if (type === 1) data.set(payload.subarray(8), at);
    else if (type === 2) data.fill(0, at, at + view(payload).getUint32(8));
  }
  return data;
}
