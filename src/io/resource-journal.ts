/**
 * What a card may have running, on its disk: noted before a start is carried out, taken away when a stop is proven. The next run of the program
 * stops what this one left behind before it says anything; a program that was killed leaves addresses, mounts and processes to it.
 *
 * A line of JSON for each note. They need not survive a power cut, after which nothing runs either: the first line names the machine's start that they
 * belong to, and nothing is made durable. The disk's work is done by the runtime's threads.
 */
import { type FileHandle, mkdir, open, readFile, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { resourceJournalBytesMax } from "../limits.ts";
import type { ResourceSpec } from "../failover/resource.ts";
import { systemErrorCode } from "./refusal.ts";

export type Held = { readonly resource: string; readonly spec: ResourceSpec };

type Note = { readonly start: Held } | { readonly stopped: string };

export class ResourceJournal {
  readonly #path: string;
  readonly #machineBoot: string;
  /** In the order of their starts. */
  readonly #held = new Map<string, ResourceSpec>();
  #file: FileHandle | undefined;
  #bytes = 0;
  #queue: { readonly line: string; readonly settle: (error: Error | undefined) => void }[] = [];
  #isWriting = false;
  #writing: Promise<void> = Promise.resolve();

  private constructor(path: string, machineBoot: string) {
    this.#path = path;
    this.#machineBoot = machineBoot;
  }

  /** With what an earlier run left in it. Rejects with what the operating system says. */
  static async open(path: string, machineBoot: string): Promise<ResourceJournal> {
    const journal = new ResourceJournal(path, machineBoot);
    await mkdir(dirname(path), { recursive: true });
    await journal.#read();
    await journal.#rewrite();
    return journal;
  }

  /** What may be running, in the order in which it was started. */
  get held(): Held[] {
    return [...this.#held].map(([resource, spec]) => ({ resource, spec }));
  }

  get isEmpty(): boolean {
    return this.#held.size === 0;
  }

  /** Resolves when it is noted; rejects when it cannot be. */
  start(resource: string, spec: ResourceSpec): Promise<void> {
    this.#held.delete(resource);
    this.#held.set(resource, spec);
    return this.#note({ start: { resource, spec } });
  }

  /** A note that is lost means a stop too many. */
  stopped(resource: string): void {
    if (this.#held.delete(resource)) this.#note({ stopped: resource }).catch(() => {});
  }

  async close(): Promise<void> {
    await this.#writing;
    await this.#file?.close();
    this.#file = undefined;
  }

  async #read(): Promise<void> {
    let text: string;
    try {
      text = await readFile(this.#path, "utf8");
    } catch (error) {
      if (systemErrorCode(error) === "ENOENT") return;
      throw error;
    }
    const [first, ...lines] = text.split("\n");
    if (first !== headOf(this.#machineBoot)) return;
    for (const line of lines) {
      const note = noteOf(line);
      if (note === undefined) continue;
      if ("stopped" in note) this.#held.delete(note.stopped);
      else {
        this.#held.delete(note.start.resource);
        this.#held.set(note.start.resource, note.start.spec);
      }
    }
  }

  /** The whole, in a new file that takes the old one's place. */
  async #rewrite(): Promise<void> {
    const lines = [headOf(this.#machineBoot), ...this.held.map((start) => JSON.stringify({ start } satisfies Note))];
    const temporary = `${this.#path}.new`;
    const file = await open(temporary, "w", 0o600);
    try {
      const text = `${lines.join("\n")}\n`;
      await file.writeFile(text);
      await rename(temporary, this.#path);
      this.#bytes = text.length;
    } catch (error) {
      await file.close();
      throw error;
    }
    await this.#file?.close();
    this.#file = file;
  }

  #note(note: Note): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ line: `${JSON.stringify(note)}\n`, settle: (error) => error === undefined ? resolve() : reject(error) });
      if (!this.#isWriting) this.#writing = this.#write();
    });
  }

  /** What comes meanwhile goes with the next write. */
  async #write(): Promise<void> {
    this.#isWriting = true;
    while (this.#queue.length > 0) {
      const notes = this.#queue;
      this.#queue = [];
      const text = notes.map(({ line }) => line).join("");
      let failure: Error | undefined;
      try {
        if (this.#file === undefined) throw new Error("the journal is closed");
        // What is held is in a new file already.
        if (this.#bytes + text.length > resourceJournalBytesMax) await this.#rewrite();
        else {
          await this.#file.appendFile(text);
          this.#bytes += text.length;
        }
      } catch (error) {
        failure = error as Error;
      }
      for (const { settle } of notes) settle(failure);
    }
    this.#isWriting = false;
  }
}

function headOf(machineBoot: string): string {
  return JSON.stringify({ machineBoot });
}

/** Undefined for a line that a crash cut short: what it would have noted was not begun. */
function noteOf(line: string): Note | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  if ("stopped" in value && typeof value.stopped === "string") return { stopped: value.stopped };
  if (!("start" in value) || typeof value.start !== "object" || value.start === null) return undefined;
  const { resource, spec } = value.start as Partial<Held>;
  return typeof resource === "string" && typeof spec === "object" && spec !== null ? { start: { resource, spec } } : undefined;
}
