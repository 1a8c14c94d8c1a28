/**
 * The checksum of SQLite's log: two sums over 32-bit words, each carried into the other. Every word changes them in a way that can be
 * undone, so no change of a single word, and so of a single byte, leaves both as they were.
 */

/** Both sums of one page. */
export type PageSum = { readonly first: number; readonly second: number };

export class WordSum {
  readonly #isLittle: boolean;
  #first = 0;
  #second = 0;

  constructor(isLittle: boolean) {
    this.#isLittle = isLittle;
  }

  /** Takes the bytes from `from` to `to`, whose distance is a multiple of eight. */
  add(view: DataView, from: number, to: number): void {
    let first = this.#first;
    let second = this.#second;
    for (let at = from; at < to; at += 8) {
      first = (first + view.getUint32(at, this.#isLittle) + second) | 0;
      second = (second + view.getUint32(at + 4, this.#isLittle) + first) | 0;
    }
    this.#first = first;
    this.#second = second;
  }

  equals(view: DataView, at: number): boolean {
    return view.getUint32(at) === this.#first >>> 0 && view.getUint32(at + 4) === this.#second >>> 0;
  }

  get value(): PageSum {
    return { first: this.#first >>> 0, second: this.#second >>> 0 };
  }
}

export function pageSumOf(view: DataView, from: number, to: number): PageSum {
  const sum = new WordSum(true);
  sum.add(view, from, to);
  return sum.value;
}
