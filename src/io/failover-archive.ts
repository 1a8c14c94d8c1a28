/**
 * The records of failovers on a card's disk: a file each, so that they outlive the program. An open record changes often; it is written some time after it
 * has, as it is then. The oldest give way. What cannot be written is told once, and is no reason to stop: the other cards have it too.
 */
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { clearTimeout, setTimeout } from "node:timers";
import { join } from "node:path";
import type { FailoverRecord } from "../failover/failover-record.ts";
import { failoverArchiveMax, failoverArchiveMs } from "../limits.ts";
import { systemErrorText } from "./refusal.ts";

export type FailoverArchiveOptions = {
  readonly directory: string;
  readonly onFailure: (reason: string) => void;
};

const fileName = /^(\d{1,16})\.json$/;

export class FailoverArchive {
  readonly #options: FailoverArchiveOptions;
  /** By id, oldest first. */
  readonly #records = new Map<number, FailoverRecord>();
  readonly #changed = new Map<number, FailoverRecord>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #writing: Promise<void> = Promise.resolve();
  #isFailing = false;

  private constructor(options: FailoverArchiveOptions) {
    this.#options = options;
  }

  /** With the records of earlier runs, those that can be read. */
  static async open(options: FailoverArchiveOptions): Promise<FailoverArchive> {
    const archive = new FailoverArchive(options);
    try {
      await mkdir(options.directory, { recursive: true, mode: 0o700 });
      const ids = (await readdir(options.directory)).flatMap((file) => fileName.exec(file)?.[1] ?? []).map(Number);
      for (const id of ids.sort((a, b) => a - b)) {
        const record = recordOf(await readFile(archive.#pathOf(id), "utf8"));
        if (record?.id === id) archive.#records.set(id, record);
      }
    } catch (error) {
      archive.#fail(error);
    }
    return archive;
  }

  /** Oldest first. */
  get records(): readonly FailoverRecord[] {
    return [...this.#records.values()];
  }

  keep(record: FailoverRecord): void {
    this.#records.delete(record.id);
    this.#records.set(record.id, record);
    this.#changed.set(record.id, record);
    this.#timer ??= setTimeout(() => this.#flush(), failoverArchiveMs);
  }

  /** Writes what is not written yet. */
  async close(): Promise<void> {
    this.#flush();
    await this.#writing;
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const over = [...this.#records.keys()].slice(0, Math.max(0, this.#records.size - failoverArchiveMax));
    for (const id of over) {
      this.#records.delete(id);
      this.#changed.delete(id);
    }
    const changed = [...this.#changed.values()];
    this.#changed.clear();
    this.#writing = this.#writing.then(() => this.#write(changed, over)).catch((error) => this.#fail(error));
  }

  async #write(changed: readonly FailoverRecord[], over: readonly number[]): Promise<void> {
    for (const id of over) await rm(this.#pathOf(id), { force: true });
    for (const record of changed) {
      const path = this.#pathOf(record.id);
      await writeFile(`${path}.new`, `${JSON.stringify(record)}\n`, { mode: 0o600 });
      await rename(`${path}.new`, path);
    }
    this.#isFailing = false;
  }

  #fail(error: unknown): void {
    if (!this.#isFailing) this.#options.onFailure(`${this.#options.directory}: ${systemErrorText(error)}`);
    this.#isFailing = true;
  }

  #pathOf(id: number): string {
    return join(this.#options.directory, `${id}.json`);
  }
}

function recordOf(text: string): FailoverRecord | undefined {
  try {
    const value = JSON.parse(text) as Partial<FailoverRecord> | null;
    return typeof value?.id === "number" && typeof value.phase === "string" && Array.isArray(value.events) &&
        typeof value.subject === "object" && typeof value.entered === "object"
      ? value as FailoverRecord
      : undefined;
  } catch {
    return undefined;
  }
}
