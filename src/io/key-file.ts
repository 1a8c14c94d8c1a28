/**
 * The system's key file: one or two secrets, the first of which signs while each is accepted. Whoever reads it can
 * speak as a card, so a file that others may read is refused. With two secrets a system changes its key without an
 * outage, in three steps that are each copied to every card before the next:
 *
 *   generate -> [A]  --stage-->  [A, B staged]  --promote-->  [B, A retiring]  --retire-->  [B]
 *
 * After `stage` every card accepts B before anyone signs with it; after `promote` every card still accepts A while
 * the copies are under way. The word beside the second key keeps the steps from being repeated or left out.
 */
import { createHash, randomBytes } from "node:crypto";
import { realpathSync } from "node:fs";
import { dirname } from "node:path";
import process from "node:process";
import { hex } from "../base/hex.ts";
import { isJsonMistake, parseJson } from "../base/json-text.ts";
import { keyBytes } from "../limits.ts";
import { type OpenedFile, readSmallFile, writeDurably } from "./durable-file.ts";
import { isRefusal, type Refusal, refusal, systemErrorCode, systemErrorText } from "./refusal.ts";

/** What a key is for: `signing` signs and is accepted, the other two are accepted only. */
export type KeyRole = "signing" | "staged" | "retiring";

export type SystemKey = {
  /** The first 8 hexadecimal digits of the secret's SHA-256: tells keys apart without telling them. */
  readonly id: string;
  /** ISO 8601. */
  readonly made: string;
  readonly role: KeyRole;
  readonly secret: Uint8Array;
};

/** One or two keys, the signing one first. */
export type SystemKeys = readonly [SystemKey] | readonly [SystemKey, SystemKey];

const fileBytesMax = 4_096;
const fileMode = 0o600;
const heading = "# Cardinal system key: whoever reads this file can speak as a card of the system. Keep it readable by its owner only.";

/** The keys in `path`, the signing one first, or why they are not to be used. */
export function readKeyFile(path: string): SystemKeys | Refusal {
  const found = openKeyFile(path);
  return isRefusal(found) ? found : found.keys;
}

/** Makes a new key file. It replaces one that is there only with `force`: its cards would no longer understand each other. */
export function generateKeyFile(path: string, options: { readonly force: boolean; readonly now: Date }): SystemKeys | Refusal {
  const keys: SystemKeys = [newKey("signing", options.now)];
  try {
    writeDurably(path, textOf(keys), { mode: fileMode, replace: options.force });
    return keys;
  } catch (error) {
    const code = systemErrorCode(error);
    if (code === "EEXIST") {
      return refusal(
        "exists",
        `${path} is there already; to change the key of a running system use \`cardinal key stage ${path}\`, to replace it all the same add --force`,
      );
    }
    if (code === "ENOENT") return refusal("missing", `${path} cannot be made: there is no directory ${dirname(path)}`);
    return refusal("io", `${path} cannot be written: ${systemErrorText(error)}`);
  }
}

/** Adds a new key that is accepted and does not sign yet. */
export function stageKey(path: string, now: Date): SystemKeys | Refusal {
  return change(path, ([first, second]) => {
    if (second === undefined) return [first, newKey("staged", now)];
    const next = second.role === "staged" ? "promote" : "retire";
    return refusal(
      "order",
      `${path} holds two keys already (${first.id} signs, ${second.id} is ${second.role}); the next step is \`cardinal key ${next} ${path}\``,
    );
  });
}

/** Makes the staged key sign; the old one is still accepted. */
export function promoteKey(path: string): SystemKeys | Refusal {
  return change(path, ([first, second]) => {
    if (second?.role === "staged") return [{ ...second, role: "signing" }, { ...first, role: "retiring" }];
    if (second === undefined) {
      return refusal("order", `${path} holds one key only, which signs already; add a new one first: \`cardinal key stage ${path}\``);
    }
    return refusal("order", `${path} has its new key ${first.id} signing already; the next step is \`cardinal key retire ${path}\``);
  });
}

/** Drops the old key. */
export function retireKey(path: string): SystemKeys | Refusal {
  return change(path, ([first, second]) => {
    if (second?.role === "retiring") return [first];
    if (second === undefined) return refusal("order", `${path} holds one key only, ${first.id}; there is none to retire`);
    return refusal(
      "order",
      `${path} still signs with the old key ${first.id}; make the new one sign first: \`cardinal key promote ${path}\``,
    );
  });
}

type Opened = { readonly file: OpenedFile; readonly keys: SystemKeys };

function change(path: string, next: (keys: SystemKeys) => SystemKeys | Refusal): SystemKeys | Refusal {
  const opened = openKeyFile(path);
  if (isRefusal(opened)) return opened;
  const keys = next(opened.keys);
  if (isRefusal(keys)) return keys;
  const { uid, gid } = opened.file;
  try {
    writeDurably(realpathSync(path), textOf(keys), { mode: fileMode, replace: true, ...(uid === ownUid() ? {} : { owner: { uid, gid } }) });
    return keys;
  } catch (error) {
    return refusal("io", `${path} cannot be written: ${systemErrorText(error)}; it is as it was`);
  }
}

function openKeyFile(path: string): Opened | Refusal {
  let file: OpenedFile;
  try {
    file = readSmallFile(path, fileBytesMax);
  } catch (error) {
    if (systemErrorCode(error) === "ENOENT") {
      return refusal(
        "missing",
        `${path} is not there; copy the system's key file to it, or make the first one with \`cardinal key generate ${path}\``,
      );
    }
    return refusal("io", `${path} cannot be read: ${systemErrorText(error)}`);
  }
  const mode = file.mode.toString(8).padStart(4, "0");
  if (!file.isFile) return refusal("unsafe", `${path} is not a regular file; the key must be in one`);
  if (file.uid !== 0 && file.uid !== ownUid()) {
    return refusal(
      "unsafe",
      `${path} belongs to user ${file.uid} (mode ${mode}), must belong to root or to user ${ownUid()}, who runs this: chown ${ownUid()} ${path} && chmod 600 ${path}`,
    );
  }
  if ((file.mode & 0o077) !== 0) {
    return refusal(
      "unsafe",
      `${path} has mode ${mode} (owner ${file.uid}): others than its owner may use it; make it safe with: chmod 600 ${path}`,
    );
  }
  const keys = file.text === undefined ? `it is larger than ${fileBytesMax} bytes` : keysOf(file.text);
  if (typeof keys === "string") {
    return refusal("corrupt", `${path} is not a system key file: ${keys}; copy it again from another card`);
  }
  return { file, keys };
}

function ownUid(): number {
  return process.geteuid?.() ?? 0;
}

function newKey(role: KeyRole, now: Date): SystemKey {
  const secret = Uint8Array.from(randomBytes(keyBytes));
  return { id: idOf(secret), made: now.toISOString(), role, secret };
}

function idOf(secret: Uint8Array): string {
  return createHash("sha256").update(secret).digest("hex").slice(0, 8);
}

function textOf(keys: SystemKeys): string {
  const lines = keys.map(({ id, made, role, secret }) => `    ${JSON.stringify({ id, made, role, secret: hex(secret) })}`);
  return `${heading}\n{\n  "cardinalKey": 1,\n  "keys": [\n${lines.join(",\n")}\n  ]\n}\n`;
}

/** The keys of a key file's text, or what is wrong with it. The messages never show what stands in the file. */
function keysOf(text: string): SystemKeys | string {
  // A comment's line stays as an empty one, so that the places are those of the file.
  const json = parseJson(text.replace(/^#.*$/gm, ""));
  if (isJsonMistake(json)) return `line ${json.place.line} is not what \`cardinal key\` writes`;
  const { cardinalKey, keys } = (json.value ?? {}) as { cardinalKey?: unknown; keys?: unknown };
  if (cardinalKey !== 1) return '"cardinalKey" is not 1';
  if (!Array.isArray(keys) || keys.length < 1 || keys.length > 2) return '"keys" is not a list of one or two keys';
  const found: SystemKey[] = [];
  for (const [index, key] of keys.entries()) {
    const place = `key ${index + 1}`;
    const { id, made, role, secret } = (key ?? {}) as Record<string, unknown>;
    if (typeof secret !== "string" || !/^[0-9a-f]+$/.test(secret) || secret.length !== 2 * keyBytes) {
      return `${place} has no secret of ${2 * keyBytes} hexadecimal digits`;
    }
    const bytes = Uint8Array.from(secret.match(/../g) as string[], (digits) => Number.parseInt(digits, 16));
    if (id !== idOf(bytes)) return `${place} has an id that is not its secret's, so one of them is damaged`;
    if (typeof made !== "string" || Number.isNaN(Date.parse(made))) return `${place} has no date in "made"`;
    if (role !== "signing" && role !== "staged" && role !== "retiring") return `${place} has no role`;
    if ((role === "signing") !== (index === 0)) return "the first key, and only that, must have the role signing";
    found.push({ id, made, role, secret: bytes });
  }
  const [first, second] = found as [SystemKey, SystemKey | undefined];
  if (second?.id === first.id) return "both keys are the same";
  return second === undefined ? [first] : [first, second];
}
