/**
 * Who may do what over HTTP. A request shows a bearer token: the card's own, from a file that only root reads, or one of the table `tokens`, of
 * which the SHA-256 is kept. A token carries its name, so that one row is looked up and its hash compared in constant time.
 *
 * Failed attempts are counted for each address; one with too many is not listened to for a while, except that the card's own
 * token is always taken: who guesses must not lock its root out.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import type { Row } from "../config/change.ts";
import { tokenName } from "../config/token-text.ts";
import { failedAttemptsMax, failedAttemptsMs, failingAddressesMax } from "../limits.ts";
import type { LogFields } from "../node/effect.ts";

export const roles = ["viewer", "operator", "administrator"] as const;
export type Role = typeof roles[number];

/** `author` is what a change is signed with. */
export type Caller = { readonly author: string; readonly role: Role };

export type Denied = {
  readonly denied: 401 | 403 | 429 | 503;
  readonly code: "unauthenticated" | "forbidden" | "attempts" | "unreadable";
  readonly detail: string;
  readonly retryAfterS?: number;
};

export type AuthorityOptions = {
  /** The card's name as an author: "card 1/2". */
  readonly card: string;
  /** The SHA-256 of the card's own token; none when there is no such file. */
  readonly adminDigest: Uint8Array | undefined;
  /** Where that token is, for whoever lacks one. */
  readonly adminFile: string;
  /** A row of `tokens` or `users`; rejects when the store cannot be read. */
  readonly row: (table: "tokens" | "users", id: string) => Promise<Row | undefined>;
  /** This card does not have all of the system's changes yet, so it may lack a token that is right. */
  readonly isBehind?: () => boolean;
  readonly wallClock: () => number;
  readonly log?: (level: "warn", event: string, fields: LogFields) => void;
};

export function digestOf(token: string): Uint8Array {
  return new Uint8Array(createHash("sha256").update(token).digest());
}

type Failures = { count: number; since: number };

export class Authority {
  readonly #options: AuthorityOptions;
  readonly #failures = new Map<string, Failures>();
  /** Failed attempts since the start. */
  failedCount = 0;

  constructor(options: AuthorityOptions) {
    this.#options = options;
  }

  /** Who shows this `Authorization` field, and whether that is enough for `least`. */
  async check(field: string | undefined, address: string, least: Role): Promise<Caller | Denied> {
    const { adminFile } = this.#options;
    if (field === undefined) {
      const detail = `this takes a token: send it as "Authorization: Bearer TOKEN"; on the card itself root finds one in ${adminFile}`;
      return { denied: 401, code: "unauthenticated", detail };
    }
    const token = /^Bearer +(\S+) *$/i.exec(field)?.[1];
    if (token !== undefined && this.#isAdmin(token)) return { author: this.#options.card, role: "administrator" };
    const waitS = this.#waitS(address);
    if (waitS > 0) {
      const detail = `too many attempts with a wrong token came from ${address}; the next one is looked at in ${waitS} s`;
      return { denied: 429, code: "attempts", detail, retryAfterS: waitS };
    }
    let caller: Caller | string;
    try {
      caller = token === undefined ? "the field is not of the form Bearer TOKEN" : await this.#callerOf(token);
    } catch {
      const detail = `the tokens of the system cannot be read now; the card's own token, in ${adminFile}, works all the same`;
      return { denied: 503, code: "unreadable", detail };
    }
    if (typeof caller === "string" && token !== undefined && tokenName(token) !== undefined && this.#options.isBehind?.() === true) {
      const detail = "this card does not know this token, and not all of the system's changes yet: ask another card, or again in a moment";
      return { denied: 503, code: "unreadable", detail, retryAfterS: 1 };
    }
    if (typeof caller === "string") return this.#failed(address, caller);
    return roles.indexOf(caller.role) >= roles.indexOf(least) ? caller : forbidden(caller, `this takes the role ${least}`);
  }

  #isAdmin(token: string): boolean {
    const { adminDigest } = this.#options;
    return adminDigest !== undefined && timingSafeEqual(adminDigest, digestOf(token));
  }

  /** The caller, or in words why there is none: for the log, not for the caller. */
  async #callerOf(token: string): Promise<Caller | string> {
    const name = tokenName(token);
    if (name === undefined) return "it is no token of Cardinal";
    const { row, wallClock } = this.#options;
    const found = await row("tokens", name);
    const digest = digestOf(token);
    const kept = bytesOf(found?.["sha256"]);
    if (!timingSafeEqual(kept, digest) || found === undefined) return `no token ${name} has this secret`;
    if (found["enabled"] === 0) return `the token ${name} is switched off`;
    if (typeof found["expiresAt"] === "number" && found["expiresAt"] <= wallClock()) return `the token ${name} has expired`;
    if (typeof found["user"] === "string") {
      const user = await row("users", found["user"]);
      if (user === undefined || user["enabled"] === 0) return `the user ${found["user"]} of the token ${name} may not log in`;
    }
    const role = roles.find((role) => role === found["role"]);
    return role === undefined
      ? `the token ${name} has the role ${String(found["role"])}, which this program does not know`
      : { author: name, role };
  }

  #failed(address: string, reason: string): Denied {
    this.failedCount++;
    const now = this.#options.wallClock();
    const known = this.#failures.get(address);
    if (known !== undefined && now - known.since < failedAttemptsMs) known.count++;
    else {
      this.#failures.delete(address);
      const [oldest] = this.#failures.keys();
      if (this.#failures.size >= failingAddressesMax && oldest !== undefined) this.#failures.delete(oldest);
      this.#failures.set(address, { count: 1, since: now });
    }
    this.#options.log?.("warn", "token refused", { address, reason, attempts: this.#failures.get(address)?.count ?? 1 });
    return { denied: 401, code: "unauthenticated", detail: "the token is wrong, has expired or was revoked" };
  }

  /** Seconds until attempts from there are looked at again; 0 when the next one is. */
  #waitS(address: string): number {
    const known = this.#failures.get(address);
    if (known === undefined || known.count < failedAttemptsMax) return 0;
    return Math.max(0, Math.ceil((known.since + failedAttemptsMs - this.#options.wallClock()) / 1_000));
  }
}

export function forbidden({ author, role }: Caller, what: string): Denied {
  return { denied: 403, code: "forbidden", detail: `${what}, and ${author} has the role ${role}` };
}

/** A hash from its digits; zeroes, which are nobody's hash, for what is none. */
function bytesOf(digits: unknown): Uint8Array {
  const bytes = new Uint8Array(32);
  if (typeof digits === "string" && /^[0-9a-f]{64}$/.test(digits)) {
    bytes.forEach((_, at) => bytes[at] = parseInt(digits.slice(2 * at, 2 * at + 2), 16));
  }
  return bytes;
}
