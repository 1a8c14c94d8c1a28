/**
 * A backup: the whole configuration as lines of JSON, for keeping elsewhere and for people's own programs. The first line says of which
 * head and level it is, then a line for each row, secrets included; the last line has the count of rows and the SHA-256
 * of all lines before it, so that a part of a backup is not taken for one.
 *
 *     {"cardinal":"backup","form":1,"level":1,"sequence":7,"epoch":64,"hash":"..."}
 *     {"table":"cards","row":{"id":"1/2",...}}
 *     {"rows":1,"sha256":"..."}
 */
import type { Hash } from "node:crypto";
import { hex } from "../../base/hex.ts";
import type { Head, Row, Scalar } from "../../config/change.ts";
import type { ConfigReader } from "../../config/reader.ts";
import { type TableName, tableNames } from "../../config/rules.ts";
import { backupBytesMax } from "../../limits.ts";
import { newDigest } from "./digest.ts";

/** Bytes of a piece, about. */
const pieceBytes = 64 * 1024;
const form = 1;

/** The pieces of a backup of what `reader` has. */
export function* backupPieces(reader: ConfigReader, head: Head, level: number): Generator<Uint8Array> {
  const encoder = new TextEncoder();
  const digest = newDigest();
  const { sequence, epoch, hash } = head;
  let text = `${JSON.stringify({ cardinal: "backup", form, level, sequence, epoch, hash: hex(hash) })}\n`;
  let rows = 0;
  for (const table of tableNames) {
    for (const row of reader.rows(table)) {
      rows++;
      text += `${JSON.stringify({ table, row })}\n`;
      if (text.length < pieceBytes) continue;
      const piece = encoder.encode(text);
      digest.update(piece);
      text = "";
      yield piece;
    }
  }
  digest.update(encoder.encode(text));
  yield encoder.encode(`${text}${JSON.stringify({ rows, sha256: digest.digest("hex") })}\n`);
}

/** The rows of a backup. */
export class BackupRows implements ConfigReader {
  readonly #tables = new Map<TableName, Map<string, Row>>();

  add(table: TableName, row: Row): void {
    let rows = this.#tables.get(table);
    if (rows === undefined) this.#tables.set(table, rows = new Map());
    rows.set(row.id, row);
  }

  row(table: TableName, id: string): Row | undefined {
    return this.#tables.get(table)?.get(id);
  }

  rowsWith(table: TableName, column: string, value: Scalar): Row[] {
    return [...this.#tables.get(table)?.values() ?? []].filter((row) => (row[column] ?? null) === value);
  }

  count(table: TableName): number {
    return this.#tables.get(table)?.size ?? 0;
  }

  rows(table: TableName): Row[] {
    return [...this.#tables.get(table)?.values() ?? []].sort((a, b) => a.id < b.id ? -1 : 1);
  }
}

/** Takes a backup in pieces, however its lines are cut, and says what is wrong with it. */
export class BackupParser {
  readonly rows = new BackupRows();
  readonly #digest: Hash = newDigest();
  readonly #decoder = new TextDecoder("utf-8", { fatal: true });
  /** What has come of the line that is not whole yet. */
  #parts: Uint8Array[] = [];
  #bytes = 0;
  #lineCount = 0;
  #rowCount = 0;
  #isEnded = false;
  /** What is wrong, with the line. */
  mistake: string | undefined;

  add(piece: Uint8Array): void {
    this.#bytes += piece.length;
    if (this.#bytes > backupBytesMax) this.mistake ??= `it has more than ${backupBytesMax} bytes`;
    if (this.mistake !== undefined) return;
    let from = 0;
    for (let end = piece.indexOf(10); end >= 0; end = piece.indexOf(10, from)) {
      this.#parts.push(piece.subarray(from, end + 1));
      from = end + 1;
      this.#takeLine(joined(this.#parts));
      this.#parts = [];
    }
    if (from < piece.length) this.#parts.push(piece.slice(from));
  }

  /** No more comes; gives what is wrong with the whole, or undefined. */
  end(): string | undefined {
    if (this.mistake === undefined && (this.#parts.length > 0 || !this.#isEnded)) {
      this.mistake = "it is cut off: its last line is not that of a backup";
    }
    return this.mistake;
  }

  #takeLine(bytes: Uint8Array): void {
    if (this.mistake !== undefined) return;
    this.#lineCount++;
    try {
      const line = JSON.parse(this.#decoder.decode(bytes)) as Readonly<Record<string, unknown>>;
      const wrong = this.#isEnded ? "there is more behind its end" : this.#lineCount === 1 ? wrongHeader(line) : this.#takeEntry(line);
      if (wrong !== undefined) this.mistake = `line ${this.#lineCount}: ${wrong}`;
    } catch (error) {
      this.mistake = `line ${this.#lineCount}: ${(error as Error).message}`;
    }
    if (!this.#isEnded) this.#digest.update(bytes);
  }

  #takeEntry(line: Readonly<Record<string, unknown>>): string | undefined {
    if (line["sha256"] !== undefined) {
      this.#isEnded = true;
      if (line["rows"] !== this.#rowCount) return `it says ${String(line["rows"])} rows, and there are ${this.#rowCount}`;
      return line["sha256"] === this.#digest.digest("hex")
        ? undefined
        : "its digest is not that of the lines before it: it has been changed";
    }
    const table = tableNames.find((name) => name === line["table"]);
    if (table === undefined) return `there is no table ${JSON.stringify(line["table"])}`;
    const row = line["row"];
    if (!isRow(row)) return "there is no row with an id, and text, numbers and null in it";
    this.rows.add(table, row);
    this.#rowCount++;
    return undefined;
  }
}

function wrongHeader(line: Readonly<Record<string, unknown>>): string | undefined {
  if (line["cardinal"] !== "backup") return `it is no backup: it must begin with {"cardinal":"backup",...}`;
  return line["form"] === form ? undefined : `its form is ${JSON.stringify(line["form"])}, and this software reads ${form}`;
}

function isRow(value: unknown): value is Row {
  if (typeof value !== "object" || value === null || typeof (value as { id?: unknown }).id !== "string") return false;
  return Object.values(value).every((each) => each === null || typeof each === "string" || typeof each === "number");
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const [first] = parts;
  if (parts.length === 1 && first !== undefined) return first;
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
