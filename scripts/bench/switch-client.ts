/**
 * Many clients of a web server whose address moves, in the namespace of the hosts: half of them keep their connection, half open one for each request.
 *
 *   node scripts/bench/switch-client.ts '{"address":"10.77.9.9","port":80,"clients":200,"pauseMs":200,"state":"/tmp/x","realtime":true}'
 *
 * A line on its input ends an observation: it says what they saw since the last one, as a line of JSON, with instants of the machine's monotonic clock in
 * milliseconds. It ends with its input.
 */
import { connect, type Socket } from "node:net";
import process from "node:process";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { nativeDrivers } from "../../drivers/native.ts";

export type CrowdOptions = {
  /** IPv4. */
  readonly address: string;
  readonly port: number;
  readonly clients: number;
  /** From an answer to the client's next request. */
  readonly pauseMs: number;
  /** For the addon. */
  readonly state: string;
  /** Before all others: what they miss is then what they were not answered. */
  readonly realtime: boolean;
};

export type FailedRequest = {
  /** When its connection was begun, and when it was open; absent of one that never was. */
  readonly begunAt: number;
  readonly openedAt?: number;
  readonly failedAt: number;
  readonly why: string;
  readonly kept: boolean;
};

export type Gap = { readonly fromMs: number; readonly toMs: number };

export type CrowdSeen = {
  readonly answers: number;
  /** Times between two answers to whomever that were longer than 2 ms, oldest first. */
  readonly gaps: readonly Gap[];
  /** Oldest first, at most so many as there are clients, and then some. */
  readonly failures: readonly FailedRequest[];
  readonly failureCount: number;
  /** The longest that a request took which was answered, its connection included. */
  readonly slowestMs: number;
};

/** Longer than the kernel waits with a second and a third SYN. */
const requestMs = 8_000;
const failuresMax = 1_000;
/** The cards' own is 20. */
const realtimePriority = 25;
const gapsMax = 10_000;
const reportedGapMs = 2;
const answerEnd = "here\n";

const nowMs = () => Number(process.hrtime.bigint()) / 1e6;

class Crowd {
  readonly #options: CrowdOptions;
  #answers = 0;
  #lastAt = nowMs();
  #gaps: Gap[] = [];
  #failures: FailedRequest[] = [];
  #failureCount = 0;
  #slowestMs = 0;

  constructor(options: CrowdOptions) {
    this.#options = options;
  }

  async run(): Promise<void> {
    const { realtime, state } = this.#options;
    if (realtime) nativeDrivers(state).realtime.enter(realtimePriority);
    for (let index = 0; index < this.#options.clients; index++) void this.#visit(index);
    for await (const _ of createInterface({ input: process.stdin })) console.log(JSON.stringify(this.#seen()));
    process.exit(0);
  }

  #seen(): CrowdSeen {
    this.#measure(nowMs());
    const seen = {
      answers: this.#answers,
      gaps: this.#gaps,
      failures: this.#failures,
      failureCount: this.#failureCount,
      slowestMs: this.#slowestMs,
    };
    this.#answers = this.#failureCount = this.#slowestMs = 0;
    this.#gaps = [];
    this.#failures = [];
    return seen;
  }

  #measure(atMs: number): void {
    if (atMs - this.#lastAt > reportedGapMs && this.#gaps.length < gapsMax) this.#gaps.push({ fromMs: this.#lastAt, toMs: atMs });
  }

  async #visit(index: number): Promise<void> {
    const { clients, pauseMs } = this.#options;
    const keeps = index % 2 === 0;
    // Spread over one pause, so that somebody asks all the time.
    await sleep((pauseMs * index) / clients);
    let visitor: Visitor | undefined;
    for (;;) {
      const askedAt = nowMs();
      visitor ??= new Visitor(this.#options, keeps);
      const failure = await visitor.ask();
      const atMs = nowMs();
      if (failure === undefined) {
        this.#measure(atMs);
        this.#lastAt = atMs;
        this.#answers++;
        this.#slowestMs = Math.max(this.#slowestMs, atMs - askedAt);
      } else {
        this.#failureCount++;
        const { begunAt, openedAt } = visitor;
        const failed = { begunAt, ...(openedAt === undefined ? {} : { openedAt }), failedAt: atMs, why: failure, kept: keeps };
        if (this.#failures.length < failuresMax) this.#failures.push(failed);
      }
      if (failure !== undefined || !keeps) {
        visitor.leave();
        visitor = undefined;
      }
      await sleep(pauseMs);
    }
  }
}

/** One connection. */
class Visitor {
  readonly begunAt = nowMs();
  openedAt: number | undefined;
  readonly #socket: Socket;
  readonly #request: string;
  #text = "";
  #settle: (failure: string | undefined) => void = () => {};
  #ended: string | undefined;

  constructor({ address, port }: CrowdOptions, keeps: boolean) {
    this.#request = `GET / HTTP/1.1\r\nHost: ${address}\r\nConnection: ${keeps ? "keep-alive" : "close"}\r\n\r\n`;
    this.#socket = connect({ host: address, port, noDelay: true });
    this.#socket.setEncoding("latin1");
    this.#socket.on("connect", () => this.openedAt = nowMs());
    this.#socket.on("data", (text: string) => {
      this.#text += text;
      if (!this.#text.endsWith(answerEnd)) return;
      const isWell = this.#text.startsWith("HTTP/1.1 200 ");
      this.#settle(isWell ? undefined : this.#text.slice(0, 60));
    });
    this.#socket.on("error", (error) => this.#end(error.message));
    this.#socket.on("close", () => this.#end("closed"));
  }

  #end(why: string): void {
    this.#ended ??= why;
    this.#settle(this.#ended);
  }

  /** Gives why there was no answer. */
  ask(): Promise<string | undefined> {
    this.#text = "";
    return new Promise((resolve) => {
      if (this.#ended !== undefined) return resolve(this.#ended);
      const timer = setTimeout(() => this.#settle(`no answer within ${requestMs} ms`), requestMs);
      this.#settle = (failure) => {
        clearTimeout(timer);
        resolve(failure);
      };
      this.#socket.write(this.#request);
    });
  }

  leave(): void {
    this.#socket.destroy();
  }
}

if (process.argv[1]?.endsWith("switch-client.ts")) await new Crowd(JSON.parse(process.argv[2] as string) as CrowdOptions).run();
