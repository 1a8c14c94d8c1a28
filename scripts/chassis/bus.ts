/** The serial bus of one enclosure as the daemon sees it: the multiplexor's process, its orders and its word of a reset. */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { FromMultiplexor, Line, MultiplexorOrder, MultiplexorStart, ToMultiplexor } from "./multiplexor-messages.ts";
import { Refused } from "./refusal.ts";
import { node } from "./repository.ts";

export type BusOptions = {
  readonly start: MultiplexorStart;
  readonly logFile: string;
  readonly env: NodeJS.ProcessEnv;
  readonly onReset: (slot: number) => void;
  readonly onExit: (reason: string) => void;
};

/**
 * Garbage is collected by the main thread alone. Otherwise it polls for what V8's worker threads have marked, without
 * ever sleeping; under SCHED_FIFO they do not run before it sleeps, and two multiplexors hold two processors for good.
 */
const nodeOptions = ["--single-threaded"];

/** How long the multiplexor may take to answer; its process only ever has short work. */
const answerMs = 5_000;

type Ready = Extract<FromMultiplexor, { kind: "ready" }>;
type Waiting = { readonly resolve: (lines: readonly Line[]) => void; readonly reject: (error: Error) => void };

export class Bus {
  readonly chassis: number;
  readonly #process: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  readonly #exited: Promise<void>;
  #lastId = 0;
  #ready: Ready | undefined;
  #isUp = true;
  #isClosing = false;

  private constructor(options: BusOptions, onReady: (ready: Ready) => void, onFailure: (error: Error) => void) {
    this.chassis = options.start.chassis;
    const log = openSync(options.logFile, "a", 0o600);
    this.#process = spawn(node, [...nodeOptions, fileURLToPath(new URL("multiplexor.ts", import.meta.url))], {
      stdio: ["ignore", log, log, "ipc"],
      detached: true,
      env: options.env,
    });
    closeSync(log);
    this.#process.on("message", (message: FromMultiplexor) => {
      if (message.kind === "reset") return options.onReset(message.slot);
      if (message.kind === "done") return this.#settle(message.id, message.lines);
      this.#ready = message;
      onReady(message);
    });
    this.#process.on("error", onFailure);
    this.#exited = new Promise((resolve) => {
      this.#process.on("exit", (code, signal) => {
        this.#isUp = false;
        const reason = `the multiplexor of chassis ${this.chassis} ended (${signal ?? code}); its log is ${options.logFile}`;
        const error = new Refused("machine", reason);
        onFailure(error);
        for (const waiting of this.#waiting.values()) waiting.reject(error);
        this.#waiting.clear();
        resolve();
        if (!this.#isClosing) options.onExit(reason);
      });
    });
    this.#send(options.start);
  }

  static open(options: BusOptions): Promise<Bus> {
    return new Promise((resolve, reject) => {
      const bus: Bus = new Bus(options, () => resolve(bus), reject);
    });
  }

  get status(): {
    readonly pid: number | undefined;
    readonly alive: boolean;
    readonly realtime: boolean;
    readonly notRealtimeBecause?: string;
  } {
    const because = this.#ready?.notRealtimeBecause;
    return {
      pid: this.#process.pid,
      alive: this.#isUp,
      realtime: this.#ready?.realtime === true,
      ...(because === undefined ? {} : { notRealtimeBecause: because }),
    };
  }

  /** Gives an order and waits until it is carried out; the answer are the lines, slot 1 first. */
  async order(order: MultiplexorOrder): Promise<readonly Line[]> {
    if (!this.#isUp) throw new Refused("state", `the multiplexor of chassis ${this.chassis} has ended`);
    const id = ++this.#lastId;
    const answer = new Promise<readonly Line[]>((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
    this.#send({ kind: "order", id, order });
    const timer = setTimeout(() => {
      this.#waiting.get(id)?.reject(
        new Refused("timeout", `the multiplexor of chassis ${this.chassis} did not answer within ${answerMs} ms`),
      );
      this.#waiting.delete(id);
    }, answerMs);
    try {
      return await answer;
    } finally {
      clearTimeout(timer);
    }
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    if (this.#isUp) this.#process.kill("SIGKILL");
    await this.#exited;
  }

  #send(message: ToMultiplexor): void {
    // A process that is gone says so by its exit.
    this.#process.send(message, () => {});
  }

  #settle(id: number, lines: readonly Line[]): void {
    this.#waiting.get(id)?.resolve(lines);
    this.#waiting.delete(id);
  }
}
