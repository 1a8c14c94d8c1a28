/**
 * SQLite's changesets, read and inverted. The format is that of the session extension's documentation (sqlite3session.h, "changeset
 * format"): for each table a header, then its changes, each with the values before, after, or both. SQLite passes over
 * the changes of a table that it does not have; so a store looks at the names first.
 */
import type { Scalar } from "../../config/change.ts";

export type ChangesetValue = Scalar | Uint8Array;

/** A row's change, by the places of the columns. What an update does not touch is undefined on both sides, but for the key. */
export type RowChange = {
  readonly table: string;
  /** Whether the column belongs to the primary key. */
  readonly key: readonly boolean[];
  readonly kind: "insert" | "update" | "delete";
  readonly before?: readonly (ChangesetValue | undefined)[];
  readonly after?: readonly (ChangesetValue | undefined)[];
};

const tableMark = 0x54;
const insertMark = 18;
const updateMark = 23;
const deleteMark = 9;
const text = new TextDecoder("utf-8", { ignoreBOM: true });

/** Bytes that are no changeset. */
export class MalformedChangeset extends Error {}

/** The changes of a changeset in their order. Throws `MalformedChangeset`. */
export function* rowChanges(bytes: Uint8Array): Generator<RowChange> {
  const reader = new Reader(bytes);
  let table: TableHeader | undefined;
  while (!reader.atEnd) {
    const mark = reader.byte();
    if (mark === tableMark) {
      table = reader.tableHeader();
      continue;
    }
    if (table === undefined) throw new MalformedChangeset(`a change stands before the first table`);
    const { name, key } = table;
    reader.byte();
    if (mark === insertMark) yield { table: name, key, kind: "insert", after: reader.values(key.length) };
    else if (mark === deleteMark) yield { table: name, key, kind: "delete", before: reader.values(key.length) };
    else if (mark === updateMark) {
      const before = reader.values(key.length);
      yield { table: name, key, kind: "update", before, after: reader.values(key.length) };
    } else throw new MalformedChangeset(`there is a byte ${mark} where a change begins`);
  }
}

/** The tables of a changeset with how many columns each has. Throws `MalformedChangeset`. */
export function tablesOf(bytes: Uint8Array): Map<string, number> {
  const tables = new Map<string, number>();
  const reader = new Reader(bytes);
  let columnCount = 0;
  while (!reader.atEnd) {
    const mark = reader.byte();
    if (mark === tableMark) {
      const { name, key } = reader.tableHeader();
      tables.set(name, columnCount = key.length);
      continue;
    }
    reader.byte();
    reader.records(mark, columnCount);
  }
  return tables;
}

/** The changeset that takes back what this one does. Throws `MalformedChangeset`. */
export function invertedChangeset(bytes: Uint8Array): Uint8Array {
  const reader = new Reader(bytes);
  const inverted = new Uint8Array(bytes.length);
  let length = 0;
  const write = (part: Uint8Array) => {
    inverted.set(part, length);
    length += part.length;
  };
  let key: readonly boolean[] = [];
  while (!reader.atEnd) {
    const start = reader.at;
    const mark = reader.byte();
    if (mark === tableMark) {
      key = reader.tableHeader().key;
      write(bytes.subarray(start, reader.at));
      continue;
    }
    const indirect = reader.byte();
    if (mark !== updateMark) {
      write(Uint8Array.of(mark === insertMark ? deleteMark : insertMark, indirect));
      const record = reader.at;
      reader.records(mark, key.length);
      write(bytes.subarray(record, reader.at));
      continue;
    }
    write(Uint8Array.of(updateMark, indirect));
    const before = reader.fields(key.length);
    const after = reader.fields(key.length);
    // The key stands on the old side of an update, and its new side says nothing of it: so it does when the sides change places.
    for (const [column, isKey] of key.entries()) write((isKey ? before : after)[column] as Uint8Array);
    for (const [column, isKey] of key.entries()) write((isKey ? after : before)[column] as Uint8Array);
  }
  return inverted;
}

type TableHeader = { readonly name: string; readonly key: readonly boolean[] };

class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get atEnd(): boolean {
    return this.at >= this.#bytes.length;
  }

  byte(): number {
    return this.#take(1)[0] as number;
  }

  tableHeader(): TableHeader {
    const columnCount = this.#varint();
    if (columnCount === 0) throw new MalformedChangeset("a table has no columns");
    const key = Array.from(this.#take(columnCount), (flag) => flag !== 0);
    const end = this.#bytes.indexOf(0, this.at);
    if (end < 0) throw new MalformedChangeset("a table's name has no end");
    const name = text.decode(this.#take(end - this.at));
    this.byte();
    return { name, key };
  }

  /** Passes over the one record of an insert or a delete, or the two of an update. */
  records(mark: number, columnCount: number): void {
    if (columnCount === 0) throw new MalformedChangeset("a change stands before the first table");
    if (mark !== insertMark && mark !== deleteMark && mark !== updateMark) {
      throw new MalformedChangeset(`there is a byte ${mark} where a change begins`);
    }
    for (let count = columnCount * (mark === updateMark ? 2 : 1); count > 0; count--) this.#pass();
  }

  fields(columnCount: number): Uint8Array[] {
    return Array.from({ length: columnCount }, () => {
      const start = this.at;
      this.#pass();
      return this.#bytes.subarray(start, this.at);
    });
  }

  values(columnCount: number): (ChangesetValue | undefined)[] {
    return Array.from({ length: columnCount }, () => this.#value());
  }

  #pass(): void {
    const kind = this.byte();
    if (kind === 1 || kind === 2) this.#take(8);
    else if (kind === 3 || kind === 4) this.#take(this.#varint());
    else if (kind !== 0 && kind !== 5) throw new MalformedChangeset(`a value has the kind ${kind}`);
  }

  #value(): ChangesetValue | undefined {
    const kind = this.byte();
    switch (kind) {
      case 0:
        return undefined;
      case 1:
        this.#take(8);
        return Number(this.#view.getBigInt64(this.at - 8));
      case 2:
        this.#take(8);
        return this.#view.getFloat64(this.at - 8);
      case 3:
        return text.decode(this.#take(this.#varint()));
      case 4:
        return this.#take(this.#varint()).slice();
      case 5:
        return null;
      default:
        throw new MalformedChangeset(`a value has the kind ${kind}`);
    }
  }

  /** SQLite's variable integer: seven bits a byte, the highest first. Lengths need five bytes at most. */
  #varint(): number {
    let value = 0;
    for (let count = 0; count < 5; count++) {
      const byte = this.byte();
      value = value * 128 + (byte & 127);
      if (byte < 128) return value;
    }
    throw new MalformedChangeset("a length has more than five bytes");
  }

  #take(length: number): Uint8Array {
    const end = this.at + length;
    if (end > this.#bytes.length) throw new MalformedChangeset(`it ends at byte ${this.#bytes.length}, in the middle of a value`);
    const taken = this.#bytes.subarray(this.at, end);
    this.at = end;
    return taken;
  }
}
