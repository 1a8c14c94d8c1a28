/** The bytes of orders and answers: numbers little-endian, texts with a final zero. */

const step = 256;

export class PayloadWriter {
  #bytes = new Uint8Array(step);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  u8(value: number): this {
    this.#view.setUint8(this.#place(1), value);
    return this;
  }

  u32(value: number): this {
    this.#view.setUint32(this.#place(4), value, true);
    return this;
  }

  u64(value: number | bigint): this {
    this.#view.setBigUint64(this.#place(8), BigInt(value), true);
    return this;
  }

  text(value: string): this {
    return this.raw(new TextEncoder().encode(`${value}\0`));
  }

  raw(bytes: Uint8Array): this {
    const at = this.#place(bytes.length);
    this.#bytes.set(bytes, at);
    return this;
  }

  /** What was written; nothing may be added any more. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  #place(length: number): number {
    const at = this.#length;
    this.#length += length;
    if (this.#length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(2 * this.#bytes.length, this.#length));
      grown.set(this.#bytes);
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    return at;
  }
}

export class PayloadReader {
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  get left(): number {
    return this.#view.byteLength - this.#at;
  }

  u8(): number {
    return this.#view.getUint8(this.#skip(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#skip(2), true);
  }

  u32(): number {
    return this.#view.getUint32(this.#skip(4), true);
  }

  /** Sizes and counts, all below 2 to the 53rd. */
  u64(): number {
    return Number(this.#view.getBigUint64(this.#skip(8), true));
  }

  /** A copy. */
  raw(length: number): Uint8Array {
    const at = this.#skip(length);
    return new Uint8Array(this.#view.buffer, this.#view.byteOffset + at, length).slice();
  }

  #skip(length: number): number {
    const at = this.#at;
    this.#at += length;
    return at;
  }
}
