/**
 * The system's key file: one or two secrets, the first of which signs while each is accepted. Only its owner may read
 * it. A key is replaced in three steps, each of which is brought to every card before the next: `stage` adds a new
 * key that is accepted, `promote` lets it sign, `retire` drops the old one. At no moment does a card meet a tag that it cannot check.
 */
import { createHash, randomBytes } from "node:crypto";
import process from "node:process";
import { keyBytes, keysMax } from "../limits.ts";
import { hex } from "../base/hex.ts";
import { readSmallFile, writeDurably } from "./durable-file.ts";
import { isRefusal, type Refusal, refusal, systemErrorCode, systemErrorText } from "./refusal.ts";

export type SystemKey = {
  /** The first eight hexadecimal digits of the secret's SHA-256: names a key without telling it. */
  readonly id: string;
  /** ISO 8601, for people. */
  readonly made: string;
  readonly secret: Uint8Array;
};

/** The signing key first. */
export type KeyFile = { readonly keys: readonly SystemKey[] };

const fileBytesMax = 4_096;

export function secretsOf(file: KeyFile): Uint8Array[] {
  return file.keys.map(({ secret }) => secret);
}

/** The keys in `path`, or why they are not to be trusted. */
export function readKeyFile(path: string): KeyFile | Refusal {
  let found;
  try {
    found = readSmallFile(path, fileBytesMax);
  } catch (error) {
    if (systemErrorCode(error) === "ENOENT") return refusal("missing", `${path}: no key file there; \`cardinal key generate ${path}\` makes one`);
    return refusal("io", `${path} cannot be read: ${systemErrorText(error)}`);
  }
  if (!found.isFile) return refusal("unsafe", `${path} is not a regular file`);
  const self = process.getuid?.() ?? 0;
  if (found.uid !== 0 && found.uid !== self) return refusal("unsafe", `${path} belongs to user ${found.uid}; it must be yours (${self}) or root's: chown ${self} ${path}`);
  if ((found.mode & 0o077) !== 0) {
    return refusal("unsafe", `${path} has mode ${found.mode.toString(8).padStart(4, "0")}, others may read or change it: chmod 600 ${path}`);
  }
  const keys = found.text === undefined ? undefined : parseKeys(found.text);
  return keys === undefined ? refusal("corrupt", `${path} is not a key file; \`cardinal key generate\` makes one`) : { keys };
}

function parseKeys(text: string): SystemKey[] | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const { cardinalKey, keys } = (value ?? {}) as { cardinalKey?: unknown; keys?: unknown };
  if (cardinalKey !== 1 || !Array.isArray(keys) || keys.length < 1 || keys.length > keysMax) return undefined;
  const read: SystemKey[] = [];
  for (const key of keys as { id?: unknown; made?: unknown; secret?: unknown }[]) {
    if (typeof key?.id !== "string" || typeof key.made !== "string" || typeof key.secret !== "string") return undefined;
    if (!/^[0-9a-f]+$/.test(key.secret) || key.secret.length !== 2 * keyBytes) return undefined;
    const text = key.secret;
    const secret = Uint8Array.from({ length: keyBytes }, (_, index) => Number.parseInt(text.slice(2 * index, 2 * index + 2), 16));
    if (idOf(secret) !== key.id) return undefined;
    read.push({ id: key.id, made: key.made, secret });
  }
  return new Set(read.map(({ id }) => id)).size === read.length ? read : undefined;
}

/** Makes a key file with one new key. Without `force` a file that is there stays. */
export function generateKeyFile(path: string, options: { readonly force: boolean }): KeyFile | Refusal {
  const file = { keys: [makeKey()] };
  return writeKeyFile(path, file, options.force) ?? file;
}

/** The next step of a key's replacement, written in the file's place. */
export function stepKeyFile(path: string, step: "stage" | "promote" | "retire"): KeyFile | Refusal {
  const file = readKeyFile(path);
  if (isRefusal(file)) return file;
  const [first, second] = file.keys as [SystemKey, SystemKey | undefined];
  if (step === "stage" && second !== undefined) return refusal("order", `${path} has two keys already: promote or retire first`);
  if (step !== "stage" && second === undefined) return refusal("order", `${path} has one key only: stage a new one first`);
  const keys = step === "stage" ? [first, makeKey()] : step === "promote" ? [second as SystemKey, first] : [first];
  return writeKeyFile(path, { keys }, true) ?? { keys };
}

function writeKeyFile(path: string, { keys }: KeyFile, replace: boolean): Refusal | undefined {
  const text = `${JSON.stringify({ cardinalKey: 1, keys: keys.map((key) => ({ ...key, secret: hex(key.secret) })) }, undefined, 2)}\n`;
  try {
    writeDurably(path, text, { mode: 0o600, replace });
    return undefined;
  } catch (error) {
    if (systemErrorCode(error) === "EEXIST") return refusal("exists", `${path} is there already; --force replaces it, and cards that still have it will not hear the others`);
    return refusal("io", `${path} cannot be written: ${systemErrorText(error)}`);
  }
}

function makeKey(): SystemKey {
  const secret = Uint8Array.from(randomBytes(keyBytes));
  return { id: idOf(secret), made: new Date().toISOString(), secret };
}

function idOf(secret: Uint8Array): string {
  return createHash("sha256").update(secret).digest("hex").slice(0, 8);
}
