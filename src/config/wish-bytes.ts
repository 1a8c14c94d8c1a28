/** A wish that goes to another card, and the answer that comes back, as bytes: CBOR arrays that only grow at their end. */
import { isCardId } from "../base/ids.ts";
import { auditCommentBytesMax, configKeyBytesMax, viewNumberMax, wishOperationsMax } from "../limits.ts";
import { type Cbor, decodeCbor, encodeCbor } from "../wire/cbor.ts";
import { hashBytes } from "./chain.ts";
import type { ConfigRefusal, Operation, Row, Scalar, Wish } from "./change.ts";
import type { ConfigAnswer } from "./request.ts";

/** Of these codes only the place in this list travels: it only grows. */
const codes: readonly ConfigRefusal["code"][] = [
  "conflict",
  "invalid",
  "no-quorum",
  "hold",
  "catching-up",
  "too-new",
  "bounds",
  "timeout",
];
/** UTF-16 units of a refusal's text that travel. */
const messageUnitsMax = 4_096;

export function encodeWish({ author, comment, key, expected, operations }: Wish): Uint8Array {
  return encodeCbor([author, comment, key, expected ?? null, operations.map(operationItems)]);
}

function operationItems(operation: Operation): Cbor {
  if (operation.kind === "remove") return [1, operation.table, operation.id];
  return [0, operation.table, Object.entries(operation.row).flatMap(([name, value]) => [name, scalarItem(value)])];
}

/** The wire's integers begin at -2^31, and it has no fractions: other numbers go as their digits. */
function scalarItem(value: Scalar): Cbor {
  return typeof value === "number" && !(Number.isSafeInteger(value) && value >= -0x80000000) ? [String(value)] : value;
}

export function decodeWish(bytes: Uint8Array): Wish | undefined {
  const items = decodeCbor(bytes);
  if (!Array.isArray(items)) return undefined;
  const [author, comment, key, expected, operationList] = items as unknown[];
  if (!isTextWithin(author, configKeyBytesMax) || !isTextWithin(comment, auditCommentBytesMax) || !isTextWithin(key, configKeyBytesMax)) {
    return undefined;
  }
  if (!Array.isArray(operationList) || operationList.length > wishOperationsMax) return undefined;
  const operations: Operation[] = [];
  for (const item of operationList as unknown[]) {
    const operation = operationOf(item);
    if (operation === undefined) return undefined;
    operations.push(operation);
  }
  if (expected === null) return { author, comment, key, operations };
  return isHash(expected) ? { author, comment, key, expected, operations } : undefined;
}

function operationOf(item: unknown): Operation | undefined {
  if (!Array.isArray(item)) return undefined;
  const [kind, table, rest] = item as unknown[];
  if (typeof table !== "string") return undefined;
  if (kind === 1) return typeof rest === "string" ? { kind: "remove", table, id: rest } : undefined;
  if (kind !== 0 || !Array.isArray(rest) || rest.length % 2 !== 0) return undefined;
  const columns: [string, Scalar][] = [];
  for (let index = 0; index < rest.length; index += 2) {
    const name: unknown = rest[index];
    const value = scalarOf(rest[index + 1]);
    if (typeof name !== "string" || value === undefined) return undefined;
    columns.push([name, value]);
  }
  const row = Object.fromEntries(columns);
  return typeof row["id"] === "string" ? { kind: "put", table, row: row as Row } : undefined;
}

function scalarOf(item: unknown): Scalar | undefined {
  if (item === null || typeof item === "string" || typeof item === "number") return item;
  const [digits] = Array.isArray(item) ? item as unknown[] : [];
  const number = typeof digits === "string" ? Number(digits) : NaN;
  return Number.isNaN(number) ? undefined : number;
}

/** Only of answers to a wish. */
export function encodeAnswer(answer: Extract<ConfigAnswer, { kind: "changed" | "refused" }>): Uint8Array {
  if (answer.kind === "changed") {
    const { head, servedBy, repeated } = answer;
    return encodeCbor([0, head.sequence, head.epoch, head.hash, servedBy, repeated]);
  }
  const { refusal: { code, message, operation, table, id, column }, servedBy } = answer;
  const text = message.slice(0, messageUnitsMax);
  return encodeCbor([1, codes.indexOf(code), text, operation ?? null, table ?? null, id ?? null, column ?? null, servedBy]);
}

export function decodeAnswer(bytes: Uint8Array): Extract<ConfigAnswer, { kind: "changed" | "refused" }> | undefined {
  const items = decodeCbor(bytes);
  if (!Array.isArray(items)) return undefined;
  const [kind, a, b, c, d, e, f, g] = items as unknown[];
  if (kind === 0) {
    if (!isCount(a) || !isCount(b, viewNumberMax) || !isHash(c) || !isCardId(d) || typeof e !== "boolean") return undefined;
    return { kind: "changed", head: { sequence: a, epoch: b, hash: c }, servedBy: d, repeated: e };
  }
  const code = kind === 1 && isCount(a, codes.length - 1) ? codes[a] : undefined;
  if (code === undefined || typeof b !== "string" || !isCardId(g)) return undefined;
  if (c !== null && !isCount(c) || !isTextOrNull(d) || !isTextOrNull(e) || !isTextOrNull(f)) return undefined;
  const refusal: ConfigRefusal = {
    code,
    message: b,
    ...(c === null ? {} : { operation: c }),
    ...(d === null ? {} : { table: d }),
    ...(e === null ? {} : { id: e }),
    ...(f === null ? {} : { column: f }),
  };
  return { kind: "refused", refusal, servedBy: g };
}

function isHash(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array && value.length === hashBytes;
}

function isTextOrNull(value: unknown): value is string | null {
  return value === null || typeof value === "string";
}

function isCount(value: unknown, max: number = Number.MAX_SAFE_INTEGER): value is number {
  return typeof value === "number" && value >= 0 && value <= max;
}

function isTextWithin(value: unknown, unitsMax: number): value is string {
  return typeof value === "string" && value.length <= unitsMax;
}
