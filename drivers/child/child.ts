/** Programs run to their end; child.h tells how the native side works. */
import { constants } from "node:os";
import type { ChildDriver, ChildEnding, ChildOptions, ChildOrder, ChildPort, MountUser } from "../../src/io/ports.ts";
import { hookGraceMs, hookOutputBytesMax } from "../../src/limits.ts";
import type { Addon, NativePort } from "../load.ts";
import { Inbox } from "../mailbox/mailbox.ts";

const kindExited = 1;
const kindSignalled = 2;
const kindTimedOut = 3;
const kindKilled = 4;
const kindEmptied = 16;

/** Of a record, before its text. */
const wordCount = 5;

/** Each with a null character at its end. */
function block(texts: readonly string[]): Uint8Array {
  return new TextEncoder().encode(texts.map((text) => `${text}\0`).join(""));
}

function nameOf(numbers: Readonly<Record<string, number>>, number: number): string {
  return Object.entries(numbers).find(([, each]) => each === number)?.[0] ?? String(number);
}

class NativeChildPort implements ChildPort {
  readonly #addon: Addon;
  readonly #inbox: Inbox;
  readonly #native: NativePort;
  readonly #options: ChildOptions;
  readonly #waiting = new Map<number, (ending: ChildEnding) => void>();
  #lastId = 0;
  #open = true;
  #closed: Promise<void> | undefined;

  constructor(addon: Addon, inbox: Inbox, options: ChildOptions) {
    this.#addon = addon;
    this.#inbox = inbox;
    this.#options = options;
    this.#native = addon.childOpen(options.groups, () => this.#take());
  }

  run(order: ChildOrder): Promise<ChildEnding> {
    const { program, arguments: given, environment, group, deadlineMs, remains, signal } = order;
    return new Promise((resolve) => {
      if (!this.#open) throw new Error("child: closed");
      this.#lastId = (this.#lastId % 0xffffffff) + 1;
      const id = this.#lastId;
      const mark = `${this.#options.mark}.${id}`;
      const variables = Object.entries({ CARDINAL_HOOK: mark, ...environment }).map(([name, value]) => `${name}=${value}`);
      this.#addon.childStart(
        this.#native,
        id,
        program,
        block([program, ...given]),
        block(variables),
        group,
        mark,
        Math.ceil(deadlineMs),
        hookGraceMs,
        order.outputBytesMax ?? hookOutputBytesMax,
        remains,
      );
      const onAbort = () => this.#open && this.#addon.childKill(this.#native, id);
      signal?.addEventListener("abort", onAbort);
      this.#waiting.set(id, (ending) => {
        signal?.removeEventListener("abort", onAbort);
        resolve(ending);
      });
      if (signal?.aborted === true) onAbort();
    });
  }

  async sweep(group: string): Promise<{ found: number; left: number }> {
    const order = { program: "", arguments: [], environment: {}, group, deadlineMs: 0, remains: false, outputBytesMax: 0 };
    const ending = await this.run(order);
    return { found: ending.kind === "exited" ? ending.code : 0, left: ending.left };
  }

  watch(group: string): void {
    if (this.#open) this.#addon.childWatch(this.#native, group);
  }

  async users(mount: number, mountPoint: string, signal?: "SIGTERM" | "SIGKILL"): Promise<MountUser[]> {
    const number = signal === undefined ? 0 : constants.signals[signal];
    const text = await this.#addon.mountUsers(mount, mountPoint, number);
    return text.split("\n").filter((line) => line !== "").map((line) => {
      const at = line.indexOf(" ");
      return { pid: Number(line.slice(0, at)), name: line.slice(at + 1) };
    });
  }

  close(): Promise<void> {
    this.#open = false;
    this.#closed ??= this.#addon.childClose(this.#native).then(() => {
      const ending: ChildEnding = { kind: "killed", output: "", left: 0, ms: 0 };
      for (const resolve of this.#waiting.values()) resolve(ending);
      this.#waiting.clear();
    });
    return this.#closed;
  }

  #take(): void {
    if (!this.#open) return;
    const taken = this.#addon.childTake(this.#native, this.#inbox.bytes);
    for (const { words, text } of this.#inbox.reports(taken, wordCount)) {
      const [id = 0, kind = 0, value = 0, left = 0, microseconds = 0] = words;
      if (kind === kindEmptied) {
        if (this.#open) this.#options.onEmptied(text);
        continue;
      }
      this.#waiting.get(id >>> 0)?.({ ...outcomeOf(kind, value), output: text, left, ms: (microseconds >>> 0) / 1_000 });
      this.#waiting.delete(id >>> 0);
    }
  }
}

type Outcome =
  | { readonly kind: "exited"; readonly code: number }
  | { readonly kind: "signalled"; readonly signal: string }
  | { readonly kind: "timeout" }
  | { readonly kind: "killed" }
  | { readonly kind: "unstarted"; readonly error: string };

function outcomeOf(kind: number, value: number): Outcome {
  if (kind === kindExited) return { kind: "exited", code: value };
  if (kind === kindSignalled) return { kind: "signalled", signal: nameOf(constants.signals, value) };
  if (kind === kindTimedOut) return { kind: "timeout" };
  if (kind === kindKilled) return { kind: "killed" };
  return { kind: "unstarted", error: nameOf(constants.errno, value) };
}

export function nativeChild(addon: Addon): ChildDriver {
  const inbox = new Inbox();
  return {
    open: (options) => Promise.resolve().then(() => new NativeChildPort(addon, inbox, options)),
  };
}
