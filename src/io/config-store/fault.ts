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
  const { errcode, errstr } = error as { errcode?: unknown; errstr?: unknown };
  if (typeof errcode === "number") {
    const code = errcode === shmSizeFailed ? "disk-full" : codesOfSqlite.get(errcode & 0xff) ?? "io";
    return { code, message: `${path}: ${String(errstr ?? (error as Error).message)} (SQLite ${errcode}); ${advice[code]}` };
  }
  const systemCode = systemErrorCode(error);
  if (systemCode === undefined || systemCode.startsWith("ERR_")) throw error;
  const code = codesOfSystem.get(systemCode) ?? "io";
  return { code, message: `${path}: ${systemErrorText(error)}; ${advice[code]}` };
}

/** Writes all of `bytes` at `position`. */
export function writeAllAt(file: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length;) done += writeSync(file, bytes, done, bytes.length - done, position + done);
}
