/**
 * What a card keeps of itself in its state directory: who it is (`uid`, made once) and how often it has started
 * (`incarnation`). Neither is ever guessed: a file that cannot be understood is refused with the way out, because a card
 * that counted from the beginning again would be deaf to its peers.
 */
import { randomBytes } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { hex } from "../base/hex.ts";
import { incarnationMax, uidBytes } from "../limits.ts";
import { readSmallFile, writeDurably } from "./durable-file.ts";
import { isRefusal, type Refusal, refusal, systemErrorCode, systemErrorText } from "./refusal.ts";

const fileBytesMax = 256;

/** The card's hardware identity, eight bytes, made at the first start. */
export function readUid(stateDirectory: string): Uint8Array | Refusal {
  const file = join(stateDirectory, "uid");
  const made = makeDirectory(stateDirectory);
  if (made !== undefined) return made;
  const text = readText(file);
  if (isRefusal(text)) return text;
  if (text !== undefined) {
    if (!/^[0-9a-f]{16}\n?$/.test(text)) {
      return refusal("corrupt", `${file}: not 16 hexadecimal digits; restore it from a backup, or remove it so that the card gets a new identity`);
    }
    return Uint8Array.from({ length: uidBytes }, (_, index) => Number.parseInt(text.slice(2 * index, 2 * index + 2), 16));
  }
  const uid = Uint8Array.from(randomBytes(uidBytes));
  return write(file, `${hex(uid)}\n`) ?? uid;
}

/**
 * The number of this start: larger than every one before and at least the seconds since 1970, so that a card that
 * replaces another in its slot starts above it. It is on the disk before it is returned.
 */
export function nextIncarnation(stateDirectory: string, options: { readonly atLeast?: number } = {}): number | Refusal {
  const file = join(stateDirectory, "incarnation");
  const made = makeDirectory(stateDirectory);
  if (made !== undefined) return made;
  const text = readText(file);
  if (isRefusal(text)) return text;
  if (text !== undefined && !/^\d{1,10}\n?$/.test(text)) {
    return refusal("corrupt", `${file}: not a number; restore it, or remove it after making sure that the card's clock is right`);
  }
  const stored = text === undefined ? 0 : Number(text);
  const incarnation = Math.max(stored + 1, Math.floor(Date.now() / 1_000), options.atLeast ?? 0);
  if (incarnation > incarnationMax) return refusal("exhausted", `${file}: ${incarnation} is above ${incarnationMax}, the last incarnation there is`);
  return write(file, `${incarnation}\n`) ?? incarnation;
}

function makeDirectory(directory: string): Refusal | undefined {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    return undefined;
  } catch (error) {
    return refusal("io", `the state directory ${directory} cannot be made: ${systemErrorText(error)}`);
  }
}

function readText(file: string): string | undefined | Refusal {
  try {
    const { isFile, text } = readSmallFile(file, fileBytesMax);
    return isFile && text !== undefined ? text : refusal("corrupt", `${file}: not a small regular file; remove it`);
  } catch (error) {
    return systemErrorCode(error) === "ENOENT" ? undefined : refusal("io", `${file} cannot be read: ${systemErrorText(error)}`);
  }
}

function write(file: string, text: string): Refusal | undefined {
  try {
    writeDurably(file, text, { mode: 0o600, replace: true });
    return undefined;
  } catch (error) {
    return refusal("io", `${file} cannot be written: ${systemErrorText(error)}`);
  }
}
