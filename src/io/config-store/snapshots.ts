/**
 * Copies of a database on their way from card to card, as files in `snapshots/`: `made-<name>`, and `received-<name>` as far as it has come.
 *
 * A snapshot is a file's pages in pieces: for each its length, its length when compressed, and the bytes, compressed with Zstandard. A
 * configuration is text for the most part and shrinks to a fraction, which is faster than the wire that it saves.
 */
import { closeSync, fstatSync, fsyncSync, ftruncateSync, openSync, readdirSync, readSync, rmSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { snapshotAheadBytesMax, snapshotsMax, snapshotsReceivedMax } from "../../limits.ts";
import { systemErrorCode } from "../refusal.ts";
import { newDigest } from "./digest.ts";
import { writeAllAt } from "./fault.ts";

type Zlib = typeof import("node:zlib");

/** What is packed in one step; others wait for it. */
const pieceBytes = 256 * 1024;
/** What is digested in one step. */
const stepBytes = 1024 * 1024;
const pieceHeaderBytes = 8;
/** ZSTD_c_compressionLevel: the fastest one. */
const compression = { params: { 100: 1 } };

type OpenFile = { readonly path: string; readonly file: number };
export type MadeSnapshot = { readonly bytes: number; readonly sha256: Uint8Array };

export class SnapshotFiles {
  readonly #directory: string;
  /** Pieces that came too early, by their names and offsets. */
  readonly #ahead = new Map<string, Map<number, Uint8Array>>();
  /** The copy that was read last, and the one that was written last: they go by the piece. `upTo` is how far it has come. */
  #reading: OpenFile | undefined;
  #writing: OpenFile & { upTo: number } | undefined;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** A start: the copies for other cards are dropped, what was received stays. */
  clean(): void {
    this.#ahead.clear();
    this.close();
    for (const file of this.#files("made-")) rmSync(join(this.#directory, file), { force: true });
  }

  close(): void {
    for (const open of [this.#reading, this.#writing]) if (open !== undefined) closeSync(open.file);
    this.#reading = this.#writing = undefined;
  }

  /** Whether it can be a file's name. */
  static isName(name: string): boolean {
    return /^[a-z0-9-]{1,64}$/.test(name);
  }

  /** Copies the file opened as `source`, a piece for each step. */
  *make(name: string, source: number): Generator<void, MadeSnapshot> {
    this.#limit("made-", snapshotsMax - 1);
    const path = this.#made(name);
    const target = openSync(path, "w", 0o600);
    let isWhole = false;
    try {
      const digest = newDigest();
      const size = fstatSync(source).size;
      const raw = new Uint8Array(pieceBytes);
      let bytes = 0;
      for (let offset = 0; offset < size;) {
        const length = readSync(source, raw, 0, Math.min(pieceBytes, size - offset), offset);
        const piece = compressedPiece(raw.subarray(0, length));
        writeAllAt(target, piece, bytes);
        digest.update(piece);
        bytes += piece.length;
        offset += length;
        yield;
      }
      isWhole = true;
      return { bytes, sha256: Uint8Array.from(digest.digest()) };
    } finally {
      closeSync(target);
      if (!isWhole) rmSync(path, { force: true });
    }
  }

  /** A piece of a copy that was made; undefined when it is not there. */
  read(name: string, offset: number, bytesMax: number): Uint8Array | undefined {
    const path = this.#made(name);
    if (this.#reading?.path !== path) {
      const file = opened(path, "r");
      if (file === undefined) return undefined;
      if (this.#reading !== undefined) closeSync(this.#reading.file);
      this.#reading = { path, file };
    }
    const bytes = new Uint8Array(Math.max(0, Math.min(bytesMax, fstatSync(this.#reading.file).size - offset)));
    const length = readSync(this.#reading.file, bytes, 0, bytes.length, offset);
    return bytes.subarray(0, length);
  }

  drop(name: string): void {
    this.#remove(this.#made(name));
    this.forget(name);
  }

  /** Forgets what was received. */
  forget(name: string): void {
    this.#ahead.delete(name);
    this.#remove(this.#received(name));
  }

  #remove(path: string): void {
    if (this.#reading?.path === path || this.#writing?.path === path) this.close();
    rmSync(path, { force: true });
  }

  /** How far a received snapshot has come without a gap. */
  upTo(name: string): number {
    if (this.#writing?.path === this.#received(name)) return this.#writing.upTo;
    return statSync(this.#received(name), { throwIfNoEntry: false })?.size ?? 0;
  }

  /** Puts a piece in its place; one that others must come before is kept for a while. Gives how far it is without a gap. */
  write(name: string, offset: number, data: Uint8Array): number {
    let upTo = this.upTo(name);
    const ahead = this.#ahead.get(name) ?? new Map<number, Uint8Array>();
    if (offset > upTo) {
      const held = [...ahead.values()].reduce((sum, { length }) => sum + length, 0);
      if (held + data.length <= snapshotAheadBytesMax) this.#ahead.set(name, ahead.set(offset, data));
      return upTo;
    }
    if (upTo === 0) this.#limit("received-", snapshotsReceivedMax - 1);
    const writing = this.#toWrite(this.#received(name), upTo);
    for (let piece: [number, Uint8Array] | undefined = [offset, data]; piece !== undefined;) {
      const [at, bytes] = piece;
      const fresh = bytes.subarray(upTo - at);
      for (let done = 0; done < fresh.length;) {
        const written = writeSync(writing.file, fresh, done);
        done += written;
        writing.upTo += written;
      }
      upTo = writing.upTo;
      ahead.delete(at);
      piece = [...ahead].find(([next]) => next <= upTo);
    }
    return upTo;
  }

  #toWrite(path: string, upTo: number): OpenFile & { upTo: number } {
    if (this.#writing?.path === path) return this.#writing;
    const file = openSync(path, "a", 0o600);
    if (this.#writing !== undefined) closeSync(this.#writing.file);
    return this.#writing = { path, file, upTo };
  }

  /** Unpacks a received snapshot with that digest into a durable file, step by step; gives why it cannot be, or undefined. */
  *unpack(name: string, sha256: Uint8Array, path: string): Generator<void, string | undefined> {
    const source = openSync(this.#received(name), "r");
    try {
      if ((yield* digestOf(source)) !== hexOf(sha256)) return "it does not have the digest that it was announced with";
      const target = openSync(path, "w", 0o600);
      try {
        ftruncateSync(target, 0);
        return yield* unpackTo(source, target);
      } finally {
        fsyncSync(target);
        closeSync(target);
      }
    } finally {
      closeSync(source);
    }
  }

  #made(name: string): string {
    return join(this.#directory, `made-${name}`);
  }

  #received(name: string): string {
    return join(this.#directory, `received-${name}`);
  }

  #files(prefix: string): string[] {
    return readdirSync(this.#directory).filter((file) => file.startsWith(prefix));
  }

  /** Makes room for one more by forgetting the oldest. */
  #limit(prefix: string, countMax: number): void {
    const files = this.#files(prefix).map((file) => join(this.#directory, file));
    const byAge = files.map((path) => ({ path, at: statSync(path).mtimeMs })).sort((a, b) => b.at - a.at);
    for (const { path } of byAge.slice(countMax)) this.#remove(path);
  }
}

/** Loaded when the first snapshot is made or received: it is memory that others do not need. */
function zlib(): Zlib {
  return process.getBuiltinModule("node:zlib");
}

function compressedPiece(raw: Uint8Array): Uint8Array {
  const compressed = zlib().zstdCompressSync(raw, compression);
  const piece = new Uint8Array(pieceHeaderBytes + compressed.length);
  const view = new DataView(piece.buffer);
  view.setUint32(0, raw.length);
  view.setUint32(4, compressed.length);
  piece.set(compressed, pieceHeaderBytes);
  return piece;
}

function* unpackTo(source: number, target: number): Generator<void, string | undefined> {
  const header = new Uint8Array(pieceHeaderBytes);
  const view = new DataView(header.buffer);
  let written = 0;
  for (let offset = 0; readSync(source, header, 0, pieceHeaderBytes, offset) === pieceHeaderBytes;) {
    const [length, compressedLength] = [view.getUint32(0), view.getUint32(4)];
    if (length > pieceBytes || compressedLength > 2 * pieceBytes) return `its piece at byte ${offset} is too large`;
    const compressed = new Uint8Array(compressedLength);
    if (readSync(source, compressed, 0, compressedLength, offset + pieceHeaderBytes) < compressedLength) return "it is cut off";
    let raw: Uint8Array;
    try {
      raw = zlib().zstdDecompressSync(compressed, { maxOutputLength: pieceBytes });
    } catch (error) {
      return `its piece at byte ${offset} cannot be unpacked: ${(error as Error).message}`;
    }
    if (raw.length !== length) return `its piece at byte ${offset} has ${raw.length} bytes and says ${length}`;
    writeAllAt(target, raw, written);
    written += raw.length;
    offset += pieceHeaderBytes + compressedLength;
    yield;
  }
  return undefined;
}

function* digestOf(file: number): Generator<void, string> {
  const digest = newDigest();
  const bytes = new Uint8Array(stepBytes);
  for (let at = 0, length = -1; length !== 0; at += length) {
    length = readSync(file, bytes, 0, bytes.length, at);
    digest.update(bytes.subarray(0, length));
    yield;
  }
  return digest.digest("hex");
}

function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The file, opened; undefined when it is not there. */
function opened(path: string, flags: string): number | undefined {
  try {
    return openSync(path, flags);
  } catch (error) {
    if (systemErrorCode(error) === "ENOENT") return undefined;
    throw error;
  }
}
