/** A connection of the door as a stream of Node's, for TLS to run on. Its owner hands it what the door tells of the connection. */
import { Duplex } from "node:stream";
import type { DoorPort } from "./ports.ts";

const nothing = new Uint8Array(0);
/** What is given to the door at once, well below what may wait there. */
const pieceBytes = 64 * 1024;

export class DoorStream extends Duplex {
  readonly #door: DoorPort;
  readonly #connection: number;
  /** Answers given before the stream was made that are still to be sent. */
  #awaited: number;
  #sent: (() => void) | undefined;
  #isGone = false;

  constructor(door: DoorPort, connection: number, awaited: number) {
    super({ allowHalfOpen: false });
    this.#door = door;
    this.#connection = connection;
    this.#awaited = awaited;
  }

  onBytes(bytes: Uint8Array): void {
    this.push(bytes);
  }

  onSent(): void {
    if (this.#awaited > 0) {
      this.#awaited--;
      return;
    }
    const sent = this.#sent;
    this.#sent = undefined;
    sent?.();
  }

  onGone(): void {
    this.#isGone = true;
    const sent = this.#sent;
    this.#sent = undefined;
    sent?.();
    this.push(null);
  }

  override _read(): void {
    if (!this.#isGone) this.#door.answer(this.#connection, nothing, "more");
  }

  override _write(bytes: Uint8Array, _encoding: string, done: (error?: Error | null) => void): void {
    const piece = bytes.subarray(0, pieceBytes);
    this.#sent = () => {
      if (piece.length < bytes.length && !this.#isGone) this._write(bytes.subarray(pieceBytes), "", done);
      else done();
    };
    if (this.#isGone || !this.#door.answer(this.#connection, piece, "nothing")) {
      this.#sent = undefined;
      done(new Error("the connection is gone"));
    }
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#end();
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#end();
    done(error);
  }

  #end(): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#door.answer(this.#connection, nothing, "end");
  }
}
