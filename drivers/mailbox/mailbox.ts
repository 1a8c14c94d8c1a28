/** Reads what a driver's mailbox handed over: mailbox.h says how it is laid out. */

/** Room for the preamble and for the largest record of any driver, many times over. */
const inboxBytes = 64 * 1024;
const factCount = 4;
const preambleBytes = (factCount + 1) * 4;

/** When a driver is to wake us for records; for facts it always does. */
export const wantNever = 0;
export const wantIfNoneTaken = 1;
export const wantAlways = 2;

export type Report = { readonly words: Int32Array; readonly text: string };

/** Where a take lands. It is read at once, so all ports of a driver share one. */
export class Inbox {
  /** What the addon writes to. */
  readonly bytes: Uint8Array;
  /** The room for a take of the facts alone. */
  readonly preamble: Uint8Array;
  readonly #words: Uint32Array;
  readonly #decoder = new TextDecoder();

  /** `length`, a multiple of 4, is for drivers with larger records. */
  constructor(length: number = inboxBytes) {
    this.bytes = new Uint8Array(length);
    this.preamble = this.bytes.subarray(0, preambleBytes);
    this.#words = new Uint32Array(this.bytes.buffer);
  }

  fact(index: number): number {
    return this.#words[index] as number;
  }

  /** Records that did not fit into this take. */
  get left(): number {
    return this.#words[factCount] as number;
  }

  /** Calls `visit` with the place of each record in `bytes`, oldest first. `taken` is what the addon says it wrote. */
  forEach(taken: number, visit: (start: number, end: number) => void): void {
    let at = preambleBytes;
    while (at < taken) {
      const start = at + 4;
      const end = start + (this.#words[at >> 2] as number);
      visit(start, end);
      at = (end + 3) & ~3;
    }
  }

  /** Records that are so many words and a text, oldest first. They are copies, so each may lead to another take. */
  reports(taken: number, wordCount: number): Report[] {
    const reports: Report[] = [];
    this.forEach(taken, (start, end) => {
      const textStart = start + wordCount * 4;
      reports.push({
        words: new Int32Array(this.bytes.slice(start, textStart).buffer),
        text: this.#decoder.decode(this.bytes.subarray(textStart, end)),
      });
    });
    return reports;
  }

  /** All records as one run of bytes, in a buffer of its own. */
  joined(taken: number): Uint8Array {
    const joined = new Uint8Array(taken);
    let length = 0;
    this.forEach(taken, (start, end) => {
      joined.set(this.bytes.subarray(start, end), length);
      length += end - start;
    });
    return joined.subarray(0, length);
  }
}
