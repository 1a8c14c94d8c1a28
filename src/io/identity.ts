/**
 * Who this card is across restarts, in its state directory: `uid`, eight random bytes made once; `incarnation`, a number
 * that grows with each start; and `reserved-views`, the highest number of a view that it may have promised in any run.
 * The peers drop what comes with an older incarnation, and no number of a view is promised twice, so each is on the disk
 * before it is used. An incarnation that comes from the clock alone would fall behind when the clock is set back, one
 * from the file alone when the directory is restored from a copy, so it is the largest of both. A file that cannot be
 * understood is never taken for a missing one.
 */
import { randomBytes } from "node:crypto";
import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { hex } from "../base/hex.ts";
import { incarnationMax, uidBytes, viewNumberMax } from "../limits.ts";
import { readSmallFile, syncDirectory, writeDurably } from "./durable-file.ts";
import { isRefusal, type Refusal, refusal, systemErrorCode, systemErrorText } from "./refusal.ts";

const fileBytesMax = 256;

/** The card's eight bytes, made at the first call. */
export function cardUid(stateDirectory: string): Uint8Array | Refusal {
  const path = join(stateDirectory, "uid");
  const text = readState(stateDirectory, path);
  if (isRefusal(text)) return text;
  if (text === undefined) {
    const uid = Uint8Array.from(randomBytes(uidBytes));
    return writeState(path, hex(uid)) ?? uid;
  }
  if (text.length === 2 * uidBytes && /^[0-9a-f]*$/.test(text)) {
    return Uint8Array.from(text.match(/../g) as string[], (digits) => Number.parseInt(digits, 16));
  }
  return refusal(
    "corrupt",
    `${path} does not hold ${2 * uidBytes} hexadecimal digits; restore it, or remove it to give the card a new identity: rm ${path}`,
  );
}

/**
 * The incarnation of this start, on the disk before it is returned: above the last one stored, at least `atLeast`,
 * and at least the seconds since 1970 at `wallClockMs`.
 */
export function nextIncarnation(
  stateDirectory: string,
  options: { readonly atLeast: number; readonly wallClockMs: number },
): number | Refusal {
  const path = join(stateDirectory, "incarnation");
  const text = readState(stateDirectory, path);
  if (isRefusal(text)) return text;
  if (text !== undefined && (!/^[0-9]{1,10}$/.test(text) || Number(text) > incarnationMax)) {
    return refusal(
      "corrupt",
      `${path} does not hold a number from 0 to ${incarnationMax}; check the card's clock (the new number starts from it), then remove the file: rm ${path}`,
    );
  }
  const seconds = Math.min(incarnationMax, Math.max(0, Math.floor(options.wallClockMs / 1_000)));
  const incarnation = Math.max(text === undefined ? 0 : Number(text) + 1, seconds, options.atLeast);
  if (incarnation > incarnationMax) {
    return refusal(
      "exhausted",
      `${path} holds the last incarnation there is, ${incarnationMax}; stop all cards of the system, then remove this file on each: rm ${path}`,
    );
  }
  return writeState(path, String(incarnation)) ?? incarnation;
}

/** View numbers up to this one may have been promised by earlier runs of this card; 0 for none. */
export function reservedViews(stateDirectory: string): number | Refusal {
  const path = join(stateDirectory, "reserved-views");
  const text = readState(stateDirectory, path);
  if (isRefusal(text)) return text;
  if (text === undefined) return 0;
  if (/^[0-9]{1,10}$/.test(text) && Number(text) <= viewNumberMax) return Number(text);
  return refusal(
    "corrupt",
    `${path} does not hold a number from 0 to ${viewNumberMax}; write a number there that is above all views of the other cards ` +
      `(cardinal members shows theirs): echo NUMBER > ${path}`,
  );
}

/** Puts `upTo` on the disk: this run and those after it may have promised view numbers up to it. Nothing is promised above before it is there. */
export function reserveViews(stateDirectory: string, upTo: number): Refusal | undefined {
  return writeState(join(stateDirectory, "reserved-views"), String(upTo));
}

/** The text of a state file without its newline, `undefined` when there is none yet. Makes the directory. */
function readState(stateDirectory: string, path: string): string | undefined | Refusal {
  try {
    const made = mkdirSync(stateDirectory, { recursive: true, mode: 0o700 });
    if (made !== undefined) syncDirectory(dirname(made));
  } catch (error) {
    return refusal(
      "io",
      `the state directory ${stateDirectory} cannot be made: ${directoryErrorText(error)}; give another one with the key "state"`,
    );
  }
  try {
    const { isFile, text } = readSmallFile(path, fileBytesMax);
    if (!isFile) return refusal("corrupt", `${path} is not a regular file; move it out of the way`);
    // What is too long to be read is no more a state than a wrong word.
    return text === undefined ? "?" : text.replace(/\n$/, "");
  } catch (error) {
    if (systemErrorCode(error) === "ENOENT") return undefined;
    return refusal("io", `${path} cannot be read: ${systemErrorText(error)}; make it readable for the user who runs the card`);
  }
}

function directoryErrorText(error: unknown): string {
  return systemErrorCode(error) === "EEXIST" ? "there is a file of that name" : systemErrorText(error);
}

function writeState(path: string, text: string): Refusal | undefined {
  try {
    writeDurably(path, `${text}\n`, { mode: 0o600, replace: true });
    return undefined;
  } catch (error) {
    return refusal("io", `${path} cannot be written: ${systemErrorText(error)}; the state directory must be writable and have space`);
  }
}
