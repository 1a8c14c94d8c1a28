/** What an error of SQLite or of the operating system means for a store, and writing that is not cut short. */
import { writeSync } from "node:fs";
import type { StoreFault } from "../../config/store.ts";
import { systemErrorCode, systemErrorText } from "../refusal.ts";

/** A store cannot be used any more, or not yet. */
export class StoreError extends Error {
  readonly code: StoreFault["code"];

  constructor(code: StoreFault["code"], message: string) {
    super(message);
    this.code = code;
  }
}

const sqliteFull = 13;
const shmSizeFailed = 4874;
const codesOfSqlite = new Map<number, StoreFault["code"]>([
  [8, "read-only"],
  [11, "corrupt"],
  [sqliteFull, "disk-full"],
  [26, "corrupt"],
]);
/** SQLite's own words, for where a runtime passes on nothing else. */
const numbersOfText: readonly (readonly [text: string, number: number])[] = [
  ["attempt to write a readonly database", 8],
  ["disk I/O error", 10],
  ["database disk image is malformed", 11],
  ["database or disk is full", sqliteFull],
  ["unable to open database file", 14],
  ["database is locked", 5],
  ["file is not a database", 26],
];
/** SQLITE_ERROR and SQLITE_MISUSE: what was asked is wrong, not the disk. */
const mistakesOfSqlite = new Set([1, 21]);
const codesOfSystem = new Map<string, StoreFault["code"]>([
  ["ENOSPC", "disk-full"],
  ["EDQUOT", "disk-full"],
  ["EROFS", "read-only"],
  ["EACCES", "read-only"],
  ["EPERM", "read-only"],
]);
const advice: Readonly<Record<StoreFault["code"], string>> = {
  "disk-full": "make room on its file system",
  "read-only": "the file system and the file must be writable for this program",
  corrupt: "it can be taken from another card: cardinal config check --repair",
  divergent: "it can be taken from another card: cardinal config check --repair",
  io: "look at the disk and the kernel's log",
  "too-old": "install newer software on this card",
};

/** The fault that `error`, met at `path`, stands for. Errors of our own are thrown on: they are no fault of the disk. */
export function faultOf(error: unknown, path: string): StoreFault {
  if (error instanceof StoreError) return { code: error.code, message: `${path}: ${error.message}; ${advice[error.code]}` };
  const errcode = sqliteNumber(error);
  if (errcode !== undefined && !mistakesOfSqlite.has(errcode & 0xff)) {
    const code = errcode === shmSizeFailed ? "disk-full" : codesOfSqlite.get(errcode & 0xff) ?? "io";
    return { code, message: `${path}: ${(error as Error).message} (SQLite ${errcode}); ${advice[code]}` };
  }
  const systemCode = systemErrorCode(error);
  if (systemCode === undefined || systemCode.startsWith("ERR_")) throw error;
  const code = codesOfSystem.get(systemCode) ?? "io";
  return { code, message: `${path}: ${systemErrorText(error)}; ${advice[code]}` };
}

/** SQLITE_CONSTRAINT: the values are in the way, not the disk. */
export function isConstraint(error: unknown): boolean {
  const number = sqliteNumber(error);
  return number === undefined ? /constraint failed/.test((error as Error).message) : (number & 0xff) === 19;
}

/** What SQLite says of a statement of ours that is right: it cannot read what the database holds. */
export function isUnreadable(error: unknown): boolean {
  const number = sqliteNumber(error);
  return systemErrorCode(error) === "ERR_SQLITE_ERROR" && (number === undefined || (number & 0xff) === 1);
}

/** SQLite's extended result code. */
function sqliteNumber(error: unknown): number | undefined {
  const { errcode, message } = error as { errcode?: unknown; message?: unknown };
  if (typeof errcode === "number") return errcode;
  return numbersOfText.find(([text]) => typeof message === "string" && message.startsWith(text))?.[1];
}

/** Writes all of `bytes` at `position`. */
export function writeAllAt(file: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length;) done += writeSync(file, bytes, done, bytes.length - done, position + done);
}
