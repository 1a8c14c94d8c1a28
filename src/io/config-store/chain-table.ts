/** The chain as a database keeps it: the table `changes`, the newest of them whole, the oldest pruned. */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { CardId } from "../../base/ids.ts";
import { brokenLink, changeOverheadBytes, countedBytes, emptyHead, headOf } from "../../config/chain.ts";
import type { Change, Head } from "../../config/change.ts";

/** What of the chain is kept. */
export type ChainBounds = { readonly changesMax: number; readonly bytesMax: number };

type ChangeRow = {
  readonly sequence: number;
  readonly epoch: number;
  readonly hash: Uint8Array;
  readonly previous: Uint8Array;
  readonly kind: Change["kind"];
  readonly author: string;
  readonly comment: string;
  readonly key: string;
  readonly card: number;
  readonly time: number;
  readonly changeset: Uint8Array;
};

const columns = `"sequence", "epoch", "hash", "previous", "kind", "author", "comment", "key", "card", "time", "changeset"`;
/** As `countedBytes` has it. */
const bytesOf =
  `octet_length("changeset") + octet_length("author") + octet_length("comment") + octet_length("key") + ${changeOverheadBytes}`;

export class ChainTable {
  readonly #bounds: ChainBounds;
  readonly #insert: StatementSync;
  readonly #sizeOf: StatementSync;
  readonly #remove: StatementSync;
  readonly #after: StatementSync;
  readonly #at: StatementSync;
  readonly #known: StatementSync;
  readonly #sizeAfter: StatementSync;
  readonly #page: StatementSync;
  /** Of what is committed and of the transaction under way; `reload` after a rollback. */
  head: Head = emptyHead;
  first = 1;
  #bytes = 0;

  constructor(database: DatabaseSync, bounds: ChainBounds) {
    this.#bounds = bounds;
    this.#insert = database.prepare(`INSERT INTO "changes" (${columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`);
    this.#sizeOf = database.prepare(`SELECT ${bytesOf} AS "bytes" FROM "changes" WHERE "sequence" = ?`);
    this.#remove = database.prepare(`DELETE FROM "changes" WHERE "sequence" = ?`);
    this.#after = database.prepare(`SELECT ${columns} FROM "changes" WHERE "sequence" > ? ORDER BY "sequence"`);
    this.#at = database.prepare(`SELECT ${columns} FROM "changes" WHERE "sequence" = ?`);
    this.#known = database.prepare(
      `SELECT "sequence", "epoch", "hash" FROM "changes" WHERE "author" = ? AND "key" = ? AND "key" <> '' ORDER BY "sequence" DESC LIMIT 1`,
    );
    this.#sizeAfter = database.prepare(
      `SELECT count(*) AS "count", min("sequence") AS "first", max("sequence") AS "last", sum(${bytesOf}) AS "bytes" FROM "changes" WHERE "sequence" > ?`,
    );
    this.#page = database.prepare(`SELECT ${columns} FROM "changes" WHERE "sequence" < ? ORDER BY "sequence" DESC LIMIT ?`);
  }

  /** Takes over what the table has, and says what is wrong with its end. */
  reload(): string | undefined {
    const { count, first, last, bytes } = this.#sizeAfter.get(0) as Record<string, number | null>;
    if (!count || first === null || last === null) return "the table changes is empty";
    const end = this.at(last as number) as Change;
    this.head = headOf(end);
    this.first = first as number;
    this.#bytes = bytes as number;
    if ((last as number) - (first as number) + 1 !== count) return `there are ${count} changes from ${first} to ${last}`;
    return brokenLink({ sequence: end.sequence - 1, epoch: 0, hash: end.previous }, end);
  }

  /** Puts a change behind the head, and prunes: by what the chain is, not by when or where. */
  append(change: Change): void {
    const { sequence, epoch, hash, previous, kind, author, comment, key, card, time, changeset } = change;
    this.#insert.run(sequence, epoch, hash, previous, kind, author, comment, key, card, time, changeset);
    this.head = headOf(change);
    this.#bytes += countedBytes(change);
    while (this.first < sequence && (sequence - this.first >= this.#bounds.changesMax || this.#bytes > this.#bounds.bytesMax)) {
      this.#bytes -= this.#bytesAt(this.first);
      this.#remove.run(this.first);
      this.first++;
    }
  }

  /** Takes the newest change away. */
  removeLast(): void {
    const last = this.at(this.head.sequence) as Change;
    this.#bytes -= this.#bytesAt(last.sequence);
    this.#remove.run(last.sequence);
    this.head = headOf(this.at(last.sequence - 1) as Change);
  }

  at(sequence: number): Change | undefined {
    const row = this.#at.get(sequence);
    return row === undefined ? undefined : changeOf(row as ChangeRow);
  }

  known(author: string, key: string): Head | undefined {
    if (key === "") return undefined;
    const row = this.#known.get(author, key);
    return row === undefined ? undefined : { ...(row as Head) };
  }

  *after(sequence: number): Generator<Change> {
    for (const row of this.#after.iterate(sequence)) yield changeOf(row as ChangeRow);
  }

  /** The bytes of the changes after a sequence, nearly as they travel. */
  bytesAfter(sequence: number): number {
    return (this.#sizeAfter.get(sequence)?.["bytes"] as number | null) ?? 0;
  }

  /** Changes before a sequence, the newest first. */
  page(before: number, limit: number): Change[] {
    return this.#page.all(before, limit).map((row) => changeOf(row as ChangeRow));
  }

  #bytesAt(sequence: number): number {
    return this.#sizeOf.get(sequence)?.["bytes"] as number;
  }
}

function changeOf({ card, kind, ...row }: ChangeRow): Change {
  return { ...row, kind, card: card as CardId };
}
