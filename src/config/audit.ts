/**
 * Who changed what, and when: each change writes one row of the audit, and takes the one away that is `auditRowsMax` changes older. It is a part
 * of the change, so it is the same on all cards.
 */
import { cardName } from "../base/ids.ts";
import { auditCommentBytesMax, auditRowsMax, auditTextBytesMax, configTextBytesMax } from "../limits.ts";
import type { Operation } from "./change.ts";
import type { ConfigReader } from "./reader.ts";
import { tables } from "./tables.ts";
import type { RowChange } from "./tables-after.ts";
import type { ValidationContext } from "./validate.ts";
import { bytesOf } from "./values.ts";

/** What the audit says of one row: columns as they were and as they are; of a row that is new or gone, those with a value. */
export type AuditEntry = {
  readonly did: "made" | "changed" | "removed";
  readonly table: string;
  readonly id: string;
  readonly columns: Readonly<Record<string, readonly [before: unknown, after: unknown]>>;
};

/** In place of what does not fit any more: how many rows there were besides. */
export type AuditRest = { readonly more: number };

export function auditId(sequence: number): string {
  return String(sequence).padStart(16, "0");
}

export function auditOperations(reader: ConfigReader, changes: readonly RowChange[], context: ValidationContext): Operation[] {
  const { sequence, author, comment, card, time } = context;
  const row = {
    id: auditId(sequence),
    at: time,
    card: cardName(card),
    author: cut(author, configTextBytesMax) || "-",
    comment: comment === "" ? null : cut(comment, auditCommentBytesMax),
    what: whatOf(changes),
  };
  const operations: Operation[] = [{ kind: "put", table: "audit", row }];
  const outdated = auditId(sequence - auditRowsMax);
  if (reader.row("audit", outdated) !== undefined) operations.push({ kind: "remove", table: "audit", id: outdated });
  return operations;
}

function whatOf(changes: readonly RowChange[]): string {
  const texts: string[] = [];
  let bytesLeft = auditTextBytesMax - 64;
  for (const change of changes) {
    let text = JSON.stringify(entryOf(change));
    if (bytesOf(text) > auditTextBytesMax / 4) text = JSON.stringify({ ...entryOf(change), columns: {} });
    bytesLeft -= bytesOf(text) + 1;
    if (bytesLeft < 0) return `[${[...texts, JSON.stringify({ more: changes.length - texts.length })].join()}]`;
    texts.push(text);
  }
  return `[${texts.join()}]`;
}

function entryOf({ table, id, before, after }: RowChange): AuditEntry {
  const columns: Record<string, readonly [unknown, unknown]> = {};
  for (const [column, rule] of Object.entries(tables[table].columns)) {
    const [was, is] = [before?.[column] ?? null, after?.[column] ?? null];
    if (was === is) continue;
    const hidden = (value: unknown) => rule.secret && value !== null ? "hidden" : value;
    columns[column] = [hidden(was), hidden(is)];
  }
  return { did: before === undefined ? "made" : after === undefined ? "removed" : "changed", table, id, columns };
}

/** Text that fits, and that a row can hold. */
function cut(text: string, bytesMax: number): string {
  let end = text.toWellFormed().replaceAll("\0", " ");
  while (bytesOf(end) > bytesMax) end = end.slice(0, Math.max(0, Math.min(end.length - 1, bytesMax))).replace(/[\ud800-\udbff]$/, "");
  return end;
}
