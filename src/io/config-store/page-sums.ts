/**
 * A checksum of each page of the database file, in a file beside it. SQLite has none: a bit that flips inside a row's value is
 * read as if it had been written. The sums find every change of a single word, and all but one of 2^64 others.
 *
 * The database file changes only when the log is copied into it (a checkpoint), which is ours alone to order:
 *
 *   prove the log ─► prove the pages that it replaces ─► checkpoint ─► sums of the log's pages, durable ─► the next commit starts the log anew
 *
 * Until the sums are durable the log is still there, whole; so after a crash anywhere in between, a page is right if its
 * checksum is the one noted or that of any of its frames in the log. A page that went bad is found before a checkpoint
 * covers it up, and a frame that went bad before it gets into the file.
 */
import { closeSync, fdatasyncSync, fstatSync, openSync, readSync } from "node:fs";
import { systemErrorCode } from "../refusal.ts";
import { StoreError, writeAllAt } from "./fault.ts";
import { type PageSum, pageSumOf } from "./word-sum.ts";
import type { LogFrames } from "./write-ahead-log.ts";

const headerBytes = 32;
/** "Cardinal's sums, form 1". */
const magic = 0xca4d5301;
/** Pages that are read at a time. */
const stridePages = 16;

export class PageSums {
  readonly #path: string;
  readonly #database: number;
  readonly #pageBytes: number;
  /** The two sums of each page. */
  #sums: Uint32Array;
  /** The sequence of the change that was the last one when the sums were noted. */
  #sequence: number;

  private constructor(path: string, database: number, pageBytes: number, sums: Uint32Array, sequence: number) {
    this.#path = path;
    this.#database = database;
    this.#pageBytes = pageBytes;
    this.#sums = sums;
    this.#sequence = sequence;
  }

  /** The sums that were noted at `path` of the file opened as `database`; undefined when there are none that can be read. */
  static read(path: string, database: number, pageBytes: number): PageSums | undefined {
    let file: number;
    try {
      file = openSync(path, "r");
    } catch (error) {
      if (systemErrorCode(error) === "ENOENT") return undefined;
      throw error;
    }
    try {
      const bytes = new Uint8Array(fstatSync(file).size);
      if (readSync(file, bytes, 0, bytes.length, 0) < headerBytes) return undefined;
      const view = new DataView(bytes.buffer);
      const count = view.getUint32(8);
      const isOurs = view.getUint32(0) === magic && view.getUint32(4) === pageBytes &&
        isSame(headerSum(view), view.getUint32(24), view.getUint32(28));
      if (!isOurs || bytes.length < headerBytes + 8 * count) return undefined;
      const sums = new Uint32Array(bytes.buffer.slice(headerBytes, headerBytes + 8 * count));
      return new PageSums(path, database, pageBytes, sums, view.getUint32(12) * 2 ** 32 + view.getUint32(16));
    } finally {
      closeSync(file);
    }
  }

  /** Notes the sums of the database as it is, which has been proven otherwise and has no log. */
  static rebuild(path: string, database: number, pageBytes: number, sequence: number): PageSums {
    const count = Math.floor(fstatSync(database).size / pageBytes);
    const sums = new Uint32Array(2 * count);
    for (const [index, { first, second }] of pageSumsOf(database, pageBytes, 0, count)) sums.set([first, second], 2 * index);
    const made = new PageSums(path, database, pageBytes, sums, sequence);
    made.#write();
    return made;
  }

  get sequence(): number {
    return this.#sequence;
  }

  get pageCount(): number {
    return this.#sums.length / 2;
  }

  /** Compares pages with their sums, up to `countMax` of them from the page at index `from`; gives the first page (counted from 1) that is wrong. */
  wrongPage(frames: () => LogFrames, from = 0, countMax = Infinity): number | undefined {
    const filePages = Math.floor(fstatSync(this.#database).size / this.#pageBytes);
    const to = Math.min(this.pageCount, from + countMax);
    for (const [index, sum] of pageSumsOf(this.#database, this.#pageBytes, from, Math.min(to, filePages))) {
      if (!this.#isNoted(index, sum) && !isAmong(frames().sums.get(index + 1), sum)) return index + 1;
    }
    return filePages < to ? filePages + 1 : undefined;
  }

  /** Proves the pages that a checkpoint of `frames` is about to replace. */
  proveReplaced(frames: LogFrames): void {
    const page = new Uint8Array(this.#pageBytes);
    const view = new DataView(page.buffer);
    for (const [number, sums] of frames.sums) {
      if (number > this.pageCount) continue;
      readSync(this.#database, page, 0, page.length, (number - 1) * page.length);
      const sum = pageSumOf(view, 0, page.length);
      if (!this.#isNoted(number - 1, sum) && !isAmong(sums, sum)) throw wrongPageError(number);
    }
  }

  /** Notes, durably, the sums after a checkpoint that copied all of `frames`. */
  noteReplaced(frames: LogFrames, sequence: number): void {
    if (frames.pageCount > this.pageCount) {
      const grown = new Uint32Array(2 * frames.pageCount);
      grown.set(this.#sums);
      this.#sums = grown;
    }
    for (const [number, sums] of frames.sums) {
      const { first, second } = sums.at(-1) as PageSum;
      this.#sums.set([first, second], 2 * (number - 1));
    }
    this.#sequence = sequence;
    this.#write();
  }

  #isNoted(index: number, { first, second }: PageSum): boolean {
    return this.#sums[2 * index] === first && this.#sums[2 * index + 1] === second;
  }

  #write(): void {
    const bytes = new Uint8Array(headerBytes + 4 * this.#sums.length);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, magic);
    view.setUint32(4, this.#pageBytes);
    view.setUint32(8, this.pageCount);
    view.setUint32(12, Math.floor(this.#sequence / 2 ** 32));
    view.setUint32(16, this.#sequence >>> 0);
    const { first, second } = headerSum(view);
    view.setUint32(24, first);
    view.setUint32(28, second);
    new Uint32Array(bytes.buffer, headerBytes).set(this.#sums);
    const file = openSync(this.#path, "a+", 0o600);
    closeSync(file);
    const writable = openSync(this.#path, "r+");
    try {
      writeAllAt(writable, bytes, 0);
      fdatasyncSync(writable);
    } finally {
      closeSync(writable);
    }
  }
}

/** Of what the header says, before its own sums. */
function headerSum(view: DataView): PageSum {
  return pageSumOf(view, 0, 24);
}

function isSame(sum: PageSum, first: number, second: number): boolean {
  return sum.first === first && sum.second === second;
}

function isAmong(sums: readonly PageSum[] | undefined, { first, second }: PageSum): boolean {
  return sums?.some((sum) => isSame(sum, first, second)) ?? false;
}

export function wrongPageError(page: number): StoreError {
  return new StoreError("corrupt", `page ${page} is not as it was written: its checksum differs`);
}

function* pageSumsOf(file: number, pageBytes: number, from: number, to: number): Generator<[index: number, sum: PageSum]> {
  const stride = new Uint8Array(stridePages * pageBytes);
  const view = new DataView(stride.buffer);
  for (let index = from; index < to;) {
    const wanted = Math.min(stridePages, to - index) * pageBytes;
    const read = readSync(file, stride, 0, wanted, index * pageBytes);
    if (read < pageBytes) return;
    for (let at = 0; at + pageBytes <= read; at += pageBytes) yield [index++, pageSumOf(view, at, at + pageBytes)];
  }
}
