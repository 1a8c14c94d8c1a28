/** Branches: databases as they were when another chain went on, in `branches/`, each with a small file that says what it is. */
import { closeSync, fsyncSync, openSync, readdirSync, readSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { hex } from "../../base/hex.ts";
import type { Head } from "../../config/change.ts";
import type { Branch } from "../../config/store.ts";
import { readSmallFile, syncDirectory, writeDurably } from "../durable-file.ts";
import { systemErrorCode } from "../refusal.ts";
import { writeAllAt } from "./fault.ts";

const strideBytes = 1024 * 1024;
const noteBytesMax = 4096;

type HeadNote = { readonly sequence: number; readonly epoch: number; readonly hash: string };
type BranchNote = { readonly head: HeadNote; readonly common: HeadNote; readonly setAsideAt: number };

export class BranchFiles {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** The branches, the oldest first. What a power cut left of one that was being made is removed. */
  list(): Branch[] {
    const files = readdirSync(this.#directory);
    for (const file of files) {
      const id = /^([0-9a-f]{8})\.db/.exec(file)?.[1];
      if (id !== undefined && !files.includes(`${id}.json`)) rmSync(join(this.#directory, file), { force: true });
    }
    const branches = files.flatMap((file) => {
      const id = /^([0-9a-f]{8})\.json$/.exec(file)?.[1];
      const branch = id === undefined ? undefined : this.#read(id);
      return branch === undefined ? [] : [branch];
    });
    return branches.sort((a, b) => a.setAsideAt - b.setAsideAt || (a.id < b.id ? -1 : 1));
  }

  /** Keeps the file opened as `database` as a branch, durably. */
  keep(database: number, head: Head, common: Head, setAsideAt: number): void {
    const id = branchId(head);
    const path = this.pathOf(id);
    copyDurably(database, `${path}.copy`);
    renameSync(`${path}.copy`, path);
    syncDirectory(this.#directory);
    const note: BranchNote = { head: noteOf(head), common: noteOf(common), setAsideAt };
    writeDurably(join(this.#directory, `${id}.json`), `${JSON.stringify(note)}\n`, { mode: 0o600, replace: true });
  }

  /** False when there is none of that id. */
  discard(id: string): boolean {
    if (this.#read(id) === undefined) return false;
    // The note goes first: what is left without it is removed at the next start.
    rmSync(join(this.#directory, `${id}.json`), { force: true });
    syncDirectory(this.#directory);
    for (const end of ["", "-wal", "-shm"]) rmSync(`${this.pathOf(id)}${end}`, { force: true });
    return true;
  }

  find(id: string): Branch | undefined {
    return /^[0-9a-f]{8}$/.test(id) ? this.#read(id) : undefined;
  }

  pathOf(id: string): string {
    return join(this.#directory, `${id}.db`);
  }

  #read(id: string): Branch | undefined {
    try {
      const { text } = readSmallFile(join(this.#directory, `${id}.json`), noteBytesMax);
      const { head, common, setAsideAt } = JSON.parse(text ?? "") as BranchNote;
      return { id, head: headOfNote(head), common: headOfNote(common), setAsideAt };
    } catch (error) {
      // A note that somebody has damaged: the file beside it stays, for people to look at.
      if (error instanceof SyntaxError || error instanceof TypeError || systemErrorCode(error) === "ENOENT") return undefined;
      throw error;
    }
  }
}

export function branchId(head: Head): string {
  return hex(head.hash).slice(0, 8);
}

function noteOf({ sequence, epoch, hash }: Head): HeadNote {
  return { sequence, epoch, hash: hex(hash) };
}

function headOfNote({ sequence, epoch, hash }: HeadNote): Head {
  return { sequence, epoch, hash: Uint8Array.from(hash.match(/../g) ?? [], (digits) => Number.parseInt(digits, 16)) };
}

/** Copies through an open handle: closing another one of the same file would cost SQLite its locks. */
function copyDurably(source: number, path: string): void {
  const target = openSync(path, "w", 0o600);
  try {
    const stride = new Uint8Array(strideBytes);
    let offset = 0;
    for (let length = readSync(source, stride, 0, strideBytes, 0); length > 0; length = readSync(source, stride, 0, strideBytes, offset)) {
      writeAllAt(target, stride.subarray(0, length), offset);
      offset += length;
    }
    fsyncSync(target);
  } finally {
    closeSync(target);
  }
}
