/** A bar of progress on standard error, for a person alone. */
import type { Terminal } from "./command.ts";
import { durationText } from "./text-layout.ts";

const redrawMs = 100;
const barCells = 24;

export class Progress {
  readonly #terminal: Terminal;
  readonly #what: string;
  readonly #startedAt: number;
  #drawnAt = -Infinity;
  #isDrawn = false;

  constructor(terminal: Terminal, what: string) {
    this.#terminal = terminal;
    this.#what = what;
    this.#startedAt = performance.now();
  }

  /** `of` is absent where the end is not known. */
  show(done: number, of: number | undefined, text: string): void {
    const now = performance.now();
    if (this.#terminal.isErrorTty !== true || now - this.#drawnAt < redrawMs) return;
    this.#drawnAt = now;
    this.#isDrawn = true;
    const share = of === undefined || of === 0 ? undefined : Math.min(1, done / of);
    const bar = share === undefined
      ? ""
      : `[${"#".repeat(Math.round(share * barCells)).padEnd(barCells, ".")}] ${Math.floor(share * 100)} % `;
    const line = `${this.#what} ${bar}${text}, ${durationText(now - this.#startedAt)}`;
    this.#terminal.stderr(`\r\u001b[K${line.slice(0, Math.max(20, this.#terminal.columns - 1))}`);
  }

  /** Takes the bar away; what is said next begins on a line of its own. */
  end(): void {
    if (this.#isDrawn) this.#terminal.stderr("\r\u001b[K");
    this.#isDrawn = false;
  }
}
