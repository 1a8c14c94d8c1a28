/**
 * The token of the card's own root: a file in the state directory that its owner alone reads, made at the first start. With it everything can
 * be done before there are other tokens, and when all of them are lost.
 */
import { createHash, randomBytes } from "node:crypto";
import { join } from "node:path";
import { adminTokenName, tokenName, tokenText } from "../config/token-text.ts";
import { tokenSecretBytes } from "../limits.ts";
import { readSmallFile, writeDurably } from "./durable-file.ts";
import { type Refusal, refusal, systemErrorCode, systemErrorText } from "./refusal.ts";

export type AdminToken = { readonly file: string; /** The SHA-256 of the token. */ readonly digest: Uint8Array };

const fileBytesMax = 256;

export function adminTokenFile(stateDirectory: string): string {
  return join(stateDirectory, "admin-token");
}

/** The token in the file, which is made where there is none; refused when others may read it or it holds none. */
export function adminToken(stateDirectory: string): AdminToken | Refusal {
  const file = adminTokenFile(stateDirectory);
  const way = "remove it, and the next start makes a new one";
  try {
    const found = readSmallFile(file, fileBytesMax);
    const token = found.text?.trim() ?? "";
    if ((found.mode & 0o077) !== 0) {
      return refusal("unsafe", `${file} may be read by others (mode ${found.mode.toString(8)}), so its token is not taken; ${way}`);
    }
    return tokenName(token) === adminTokenName
      ? { file, digest: digestOf(token) }
      : refusal("corrupt", `${file} holds no token of a card; ${way}`);
  } catch (error) {
    if (systemErrorCode(error) !== "ENOENT") return refusal("io", `${file} cannot be read: ${systemErrorText(error)}`);
  }
  const token = tokenText(adminTokenName, randomBytes(tokenSecretBytes));
  try {
    writeDurably(file, `${token}\n`, { mode: 0o600, replace: false });
  } catch (error) {
    return refusal("io", `${file} cannot be written: ${systemErrorText(error)}`);
  }
  return { file, digest: digestOf(token) };
}

function digestOf(token: string): Uint8Array {
  return new Uint8Array(createHash("sha256").update(token).digest());
}
