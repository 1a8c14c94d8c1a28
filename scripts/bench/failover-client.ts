/**
 * A client of an address that moves among cards, in the namespace of the hosts: asks for it all the time and notes each answer.
 *
 *   node scripts/bench/failover-client.ts '{"address":"10.77.9.9","interface":"eth0","periodMs":1,"state":"/tmp/x"}'
 *
 * Every period it asks who has the address (ARP; two answers of different cards to it are two owners) and opens a connection: to a port of the
 * machine that nobody listens on, whose kernel says so at once, or with `http` to a server, which has to answer. A line on its input ends an observation:
 * it says what it saw since the last one, as a line of JSON, with instants of the machine's monotonic clock in milliseconds.
 */
import { get } from "node:http";
import { createConnection } from "node:net";
import process from "node:process";
import { createInterface } from "node:readline";
import { nativeDrivers } from "../../drivers/native.ts";

export type ClientOptions = {
  /** IPv4. */
  readonly address: string;
  readonly interface: string;
  readonly periodMs: number;
  /** For the addon. */
  readonly state: string;
  /** Before all others: what it misses is then what it was not answered, and not what it came too late for. */
  readonly realtime?: boolean;
  /** Asks a server on this port instead of the kernel. */
  readonly http?: number;
};

export type Gap = { readonly fromMs: number; readonly toMs: number };

/** What was seen since the last line. */
export type Observed = {
  readonly sinceMs: number;
  readonly untilMs: number;
  readonly answers: number;
  /** Connections, or requests, that were refused, reset or went on for too long. */
  readonly failures: number;
  /** The longest time between two answers. */
  readonly gap: Gap;
  /** All of them that were longer than 20 ms, oldest first. */
  readonly gaps: readonly Gap[];
  /** Hardware addresses that had the address, in the order in which each was seen after another one. */
  readonly owners: readonly { readonly mac: string; readonly atMs: number }[];
  /** Questions that two had an answer to. */
  readonly doubles: number;
};

const arpType = 0x0806;
const reportedGapMs = 20;
const outstandingMax = 400;
/** The cards' own is 20. */
const realtimePriority = 30;
/** A question is over after this: an answer of another card to it comes at once or not at all. */
const questionMs = 100;

const nowMs = () => Number(process.hrtime.bigint()) / 1e6;

class Client {
  readonly #options: ClientOptions;
  #sinceMs = nowMs();
  #lastMs = nowMs();
  #answers = 0;
  #failures = 0;
  #gap: Gap = { fromMs: 0, toMs: 0 };
  #gaps: Gap[] = [];
  #owners: { mac: string; atMs: number }[] = [];
  #doubles = 0;
  #outstanding = 0;
  #askedAt = 0;
  #answeredBy = "";

  constructor(options: ClientOptions) {
    this.#options = options;
  }

  async run(): Promise<void> {
    const { interface: name, state, address, periodMs, realtime = false } = this.#options;
    const drivers = nativeDrivers(state);
    if (realtime) drivers.realtime.enter(realtimePriority);
    const port = await drivers.ether.open({ interface: name, etherTypes: [arpType], groups: [] }, (event) => {
      if (event.kind === "frames") { for (const { payload } of event.frames) this.#onArp(payload); }
    });
    const question = arpQuestion(port.mac, address);
    setInterval(() => {
      if (nowMs() - this.#askedAt > Math.min(periodMs, questionMs)) {
        this.#askedAt = nowMs();
        this.#answeredBy = "";
        port.send(Uint8Array.of(255, 255, 255, 255, 255, 255), arpType, question);
      }
      if (this.#outstanding < outstandingMax) this.#ask();
    }, periodMs);
    for await (const _ of createInterface({ input: process.stdin })) console.log(JSON.stringify(this.#observe()));
    process.exit(0);
  }

  #observe(): Observed {
    const untilMs = nowMs();
    // What has not ended is a gap too.
    this.#measure(untilMs);
    const observed = {
      sinceMs: this.#sinceMs,
      untilMs,
      answers: this.#answers,
      failures: this.#failures,
      gap: this.#gap,
      gaps: this.#gaps,
      owners: this.#owners,
      doubles: this.#doubles,
    };
    this.#sinceMs = untilMs;
    this.#answers = this.#failures = this.#doubles = 0;
    this.#gap = { fromMs: 0, toMs: 0 };
    this.#gaps = [];
    this.#owners = this.#owners.slice(-1);
    return observed;
  }

  #measure(atMs: number): void {
    const gap = { fromMs: this.#lastMs, toMs: atMs };
    if (gap.toMs - gap.fromMs > this.#gap.toMs - this.#gap.fromMs) this.#gap = gap;
    if (gap.toMs - gap.fromMs > reportedGapMs) this.#gaps.push(gap);
  }

  #onAnswer(): void {
    const atMs = nowMs();
    this.#measure(atMs);
    this.#lastMs = atMs;
    this.#answers++;
  }

  #ask(): void {
    this.#outstanding++;
    let isOver = false;
    const end = (isAnswer: boolean) => {
      if (isOver) return;
      isOver = true;
      this.#outstanding--;
      if (isAnswer) this.#onAnswer();
      else this.#failures++;
    };
    const { address, http } = this.#options;
    if (http === undefined) {
      const socket = createConnection({ host: address, port: 9 });
      // The first SYN counts: the kernel sends the next one after a second.
      const timer = setTimeout(() => {
        end(false);
        socket.destroy();
      }, 200);
      socket.on("error", (error: NodeJS.ErrnoException) => {
        clearTimeout(timer);
        end(error.code === "ECONNREFUSED");
      });
      return;
    }
    const asked = get({ host: address, port: http, agent: false, timeout: 1_000 }, (response) => {
      response.resume();
      response.on("end", () => end(response.statusCode === 200));
      response.on("error", () => end(false));
    });
    asked.on("timeout", () => asked.destroy());
    asked.on("error", () => end(false));
  }

  #onArp(payload: Uint8Array): void {
    // An answer that tells of the address: operation 2, sender's protocol address.
    if (payload[7] !== 2 || [...payload.subarray(14, 18)].join(".") !== this.#options.address) return;
    const mac = Buffer.from(payload.subarray(8, 14)).toString("hex").replace(/(..)(?=.)/g, "$1:");
    const target = [...payload.subarray(24, 28)].join(".");
    const isAnnouncement = target === this.#options.address;
    if (this.#owners.at(-1)?.mac !== mac) this.#owners.push({ mac, atMs: nowMs() });
    if (isAnnouncement) return;
    if (this.#answeredBy !== "" && this.#answeredBy !== mac) this.#doubles++;
    this.#answeredBy = mac;
  }
}

/** Who has the address? Asked without an address of our own, so that nobody learns anything of it. */
function arpQuestion(mac: Uint8Array, address: string): Uint8Array {
  const bytes = new Uint8Array(28);
  bytes.set([0, 1, 8, 0, 6, 4, 0, 1], 0);
  bytes.set(mac, 8);
  bytes.set(address.split(".").map(Number), 24);
  return bytes;
}

if (process.argv[1]?.endsWith("failover-client.ts")) await new Client(JSON.parse(process.argv[2] as string) as ClientOptions).run();
