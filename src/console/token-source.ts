/**
 * Where a command's token comes from. The card's own token is taken without being asked for by root on the card itself, and is only
 * shown to a program of the file's owner: who listens at the card's port while the card does not run must not be given it.
 */
import process from "node:process";
import { tokenName } from "../config/token-text.ts";

export type FoundToken = { readonly token: string } | { readonly missing: string };

const tokenBytesMax = 4_096;

/** `cardFile` asks the card for the path of its own token. */
export async function findToken(
  environment: Readonly<Record<string, string | undefined>>,
  option: string | undefined,
  base: URL,
  cardFile: () => Promise<string | undefined>,
): Promise<FoundToken> {
  const named = option ?? (environment["CARDINAL_TOKEN_FILE"] || undefined);
  if (named !== undefined) {
    const source = option === undefined ? "CARDINAL_TOKEN_FILE" : "--token-file";
    return await tokenIn(named, `${source} names ${named}`);
  }
  const given = environment["CARDINAL_TOKEN"] || undefined;
  if (given !== undefined) {
    return tokenName(given.trim()) !== undefined
      ? { token: given.trim() }
      : { missing: "CARDINAL_TOKEN holds no token of Cardinal: cardinal.NAME.SECRET" };
  }
  const ways =
    "give a token with --token-file FILE, $CARDINAL_TOKEN_FILE or $CARDINAL_TOKEN; `cardinal token create NAME --role operator` makes one";
  if (!isLoopback(base.hostname)) return { missing: `this takes a token, and the card at ${base.host} is not this machine: ${ways}` };
  const file = await cardFile();
  if (file === undefined || !file.endsWith("/admin-token")) return { missing: `this takes a token: ${ways}` };
  const found = await tokenIn(file, `the card's own token is in ${file}`);
  if ("missing" in found) return { missing: `this takes a token. On the card, root may do it: ${found.missing}. Else ${ways}` };
  const odd = await oddListener(file, Number(base.port || 80));
  return odd === undefined ? found : { missing: odd };
}

async function tokenIn(path: string, where: string): Promise<FoundToken> {
  const { openSync, readSync, closeSync, constants } = await import("node:fs");
  const self = process.getuid?.();
  try {
    const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const bytes = new Uint8Array(tokenBytesMax);
    let length = 0;
    try {
      length = readSync(file, bytes, 0, bytes.length, 0);
    } finally {
      closeSync(file);
    }
    const text = new TextDecoder().decode(bytes.subarray(0, length)).trim();
    return tokenName(text) !== undefined
      ? { token: text }
      : { missing: `${where}, which holds no token of Cardinal: cardinal.NAME.SECRET` };
  } catch (error) {
    const { code, message } = error as { readonly code?: string; readonly message: string };
    if (code === "EACCES" || code === "EPERM") {
      return { missing: `${where}, which user ${self ?? "?"} may not read; run this as root (sudo)` };
    }
    return { missing: `${where}, which ${code === "ENOENT" ? "is not there" : `cannot be read: ${message.split("\n")[0]}`}` };
  }
}

/** Why what listens at the card's port is not to be shown the token in `file`, if it is not. */
async function oddListener(file: string, port: number): Promise<string | undefined> {
  const { statSync } = await import("node:fs");
  const owner = statSync(file).uid;
  const listeners = await listenersAt(port);
  const odd = listeners.find((uid) => uid !== owner && uid !== 0);
  if (odd === undefined) return undefined;
  return `what listens at port ${port} belongs to user ${odd}, and the card's own token in ${file} to user ${owner}: it is not shown to it; is that the card?`;
}

/** The users whose sockets listen at a port, by the kernel's tables; none where there are no such tables. */
async function listenersAt(port: number): Promise<number[]> {
  const { readFileSync } = await import("node:fs");
  const digits = port.toString(16).toUpperCase().padStart(4, "0");
  return ["/proc/net/tcp", "/proc/net/tcp6"].flatMap((table) => {
    let text = "";
    try {
      text = readFileSync(table, "latin1");
    } catch {
      // A machine without IPv6 has no such table.
    }
    return text.split("\n").slice(1).flatMap((line) => {
      const [, local = "", , state, , , , uid] = line.trim().split(/\s+/);
      return state === "0A" && local.endsWith(`:${digits}`) && uid !== undefined ? [Number(uid)] : [];
    });
  });
}

function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127(\.\d{1,3}){3}$/.test(hostname);
}
