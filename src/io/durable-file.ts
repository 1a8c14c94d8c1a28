/**
 * Small files that must survive a power cut whole: the new content is on the disk under another name before it takes
 * the old one's place, and the directory is on the disk before anybody is told. A reader sees the old file or the new
 * one, never a part.
 */
import {
  closeSync,
  constants,
  fchownSync,
  fstatSync,
  fsyncSync,
  linkSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { hex } from "../base/hex.ts";

export type DurableOptions = {
  readonly mode: number;
  readonly replace: boolean;
  readonly owner?: { readonly uid: number; readonly gid: number };
};

/**
 * Puts `text` in the place of `path` with the permissions `mode`. With `replace` false it never overwrites: a file
 * that is there stays and the error's code is EEXIST. `owner` keeps the file that of another user. Throws what the operating system says; then the old file is untouched.
 */
export function writeDurably(path: string, text: string, options: DurableOptions): void {
  const directory = dirname(path);
  const temporary = join(directory, `.${basename(path)}.${randomName()}`);
  try {
    const file = openSync(temporary, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, options.mode);
    try {
      const bytes = new TextEncoder().encode(text);
      for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at);
      if (options.owner !== undefined) fchownSync(file, options.owner.uid, options.owner.gid);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    // A link fails where a file is, in one step; asking first and renaming then would leave a gap.
    if (options.replace) renameSync(temporary, path);
    else linkSync(temporary, path);
  } finally {
    rmSync(temporary, { force: true });
  }
  syncDirectory(directory);
}

/** Twelve digits that nobody else has. `node:crypto` would be loaded for it by every thread that writes. */
function randomName(): string {
  return hex(crypto.getRandomValues(new Uint8Array(6)));
}

/** Makes the names in a directory durable. */
export function syncDirectory(directory: string): void {
  const handle = openSync(directory, constants.O_RDONLY);
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

export type OpenedFile = {
  readonly isFile: boolean;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly text: string | undefined;
};

/**
 * What a small file is and holds, both from one opened handle so that they belong together. It never waits, not on a
 * FIFO either. `text` is absent when it is no regular file or holds more than `bytesMax`. Throws what the system says.
 */
export function readSmallFile(path: string, bytesMax: number): OpenedFile {
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stat = fstatSync(file);
    const found = { isFile: stat.isFile(), mode: stat.mode & 0o7777, uid: stat.uid, gid: stat.gid };
    if (!found.isFile) return { ...found, text: undefined };
    const bytes = new Uint8Array(bytesMax + 1);
    let length = 0;
    while (length < bytes.length) {
      const count = readSync(file, bytes, length, bytes.length - length, null);
      if (count === 0) break;
      length += count;
    }
    return { ...found, text: length > bytesMax ? undefined : new TextDecoder().decode(bytes.subarray(0, length)) };
  } finally {
    closeSync(file);
  }
}
