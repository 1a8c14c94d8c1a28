/**
 * SQLite's write-ahead log as a file (https://www.sqlite.org/fileformat2.html#walformat): proven frame by frame. SQLite
 * proves it only when it recovers after a crash; while a program runs, it reads what stands there.
 */
import { closeSync, fdatasyncSync, fstatSync, ftruncateSync, openSync, readSync } from "node:fs";
import { systemErrorCode } from "../refusal.ts";
import { writeAllAt } from "./fault.ts";
import { type PageSum, pageSumOf, WordSum } from "./word-sum.ts";

/** Frames that are right, the last of them the end of a transaction. */
export type LogFrames = {
  readonly count: number;
  /** The pages' checksums, for each page the newest last. */
  readonly sums: ReadonlyMap<number, readonly PageSum[]>;
  /** The database's pages after the last transaction. */
  readonly pageCount: number;
  /** Transactions that end behind the first frame that is wrong, and yet belong to this log. */
  readonly lost: number;
};

const headerBytes = 32;
const frameHeaderBytes = 24;
const stepBytes = 256 * 1024;
const magicLittle = 0x377f0682;
const magicBig = 0x377f0683;
export const noFrames: LogFrames = { count: 0, sums: new Map(), pageCount: 0, lost: 0 };

/**
 * Fills the log's file up with zeros, to the length of `frames`. SQLite writes a log from its beginning again and again, and never makes the file shorter:
 * then a commit changes no length, and its fsync takes the file system half the time. Zeros are the end of a log for whoever reads it.
 */
export function lengthenLog(path: string, pageBytes: number, frames: number): void {
  const length = headerBytes + frames * (frameHeaderBytes + pageBytes);
  const file = openSync(path, "r+");
  try {
    const from = fstatSync(file).size;
    if (from >= length) return;
    const zeros = new Uint8Array(stepBytes);
    try {
      for (let at = from; at < length; at += stepBytes) writeAllAt(file, zeros.subarray(0, Math.min(stepBytes, length - at)), at);
      fdatasyncSync(file);
    } catch (error) {
      // The room that is left on a full disk is for what has to be written.
      ftruncateSync(file, from);
      throw error;
    }
  } finally {
    closeSync(file);
  }
}

/** Reads the log at `path`; the frames up to `countMax` or the first that is wrong. A log that is not there has none. */
export function readLog(path: string, pageBytes: number, countMax = Infinity): LogFrames {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch (error) {
    if (systemErrorCode(error) === "ENOENT") return noFrames;
    throw error;
  }
  try {
    return readFrames(file, pageBytes, countMax);
  } finally {
    closeSync(file);
  }
}

function readFrames(file: number, pageBytes: number, countMax: number): LogFrames {
  const header = new Uint8Array(headerBytes);
  if (readSync(file, header, 0, headerBytes, 0) < headerBytes) return noFrames;
  const view = new DataView(header.buffer);
  const magic = view.getUint32(0);
  if ((magic !== magicLittle && magic !== magicBig) || view.getUint32(8) !== pageBytes) return noFrames;
  const sum = new WordSum(magic === magicLittle);
  sum.add(view, 0, 24);
  if (!sum.equals(view, 24)) return noFrames;

  const frame = new Uint8Array(frameHeaderBytes + pageBytes);
  const frameView = new DataView(frame.buffer);
  const belongs = () => frameView.getUint32(8) === view.getUint32(16) && frameView.getUint32(12) === view.getUint32(20);
  const sums = new Map<number, PageSum[]>();
  const pending: [page: number, sum: PageSum][] = [];
  let count = 0;
  let pageCount = 0;
  let lost = 0;
  let isRight = true;
  for (let index = 0; index < countMax; index++) {
    if (readSync(file, frame, 0, frame.length, headerBytes + index * frame.length) < frame.length || !belongs()) break;
    if (isRight) {
      sum.add(frameView, 0, 8);
      sum.add(frameView, frameHeaderBytes, frame.length);
      isRight = sum.equals(frameView, 16);
    }
    const pagesAfter = frameView.getUint32(4);
    if (!isRight) {
      if (pagesAfter !== 0) lost++;
      continue;
    }
    pending.push([frameView.getUint32(0), pageSumOf(frameView, frameHeaderBytes, frame.length)]);
    if (pagesAfter === 0) continue;
    for (const [page, pageSum] of pending) sums.set(page, [...(sums.get(page) ?? []), pageSum]);
    pending.length = 0;
    count = index + 1;
    pageCount = pagesAfter;
  }
  return { count, sums, pageCount, lost };
}
