/**
 * The witness: a key in an etcd cluster outside of the system (version 3.4 or later), through its JSON gateway. At exactly
 * half of the electorate the side whose card holds it goes on. When what is asked, and for how long the answer is
 * believed, `witness-lease.ts` decides; here are the requests, the clock and the timer. Nothing is thrown.
 *
 * A program that was stopped for a while wakes up with the belief of before, and its timer may come after other news:
 * `check` proves the belief against the clock, and is called before anything is decided by it.
 */
import { clearTimeout, setTimeout } from "node:timers";
import { unreachable } from "../base/assert.ts";
import type { CardId } from "../base/ids.ts";
import type { Log } from "./log.ts";
import { WitnessLease, type WitnessLeaseInput, type WitnessLeaseOutput, type WitnessRequest } from "./witness-lease.ts";

export type WitnessOptions = {
  /** Where the cluster's members serve clients, without a slash at the end. */
  readonly endpoints: readonly string[];
  readonly key: string;
  readonly ttlS: number;
  /** Stands in the key, so that people and the other side see who holds it. */
  readonly card: CardId;
  /** Told at each change, never inside of `want`. */
  readonly onHeld: (held: boolean) => void;
  readonly log: Log;
};

const answerBytesMax = 64 * 1024;
const timerMsMax = 60_000;

export class Witness {
  readonly #options: WitnessOptions;
  readonly #lease: WitnessLease;
  #closing: Promise<void> | undefined;
  #isClosed = false;
  /** Ends the request that is under way. */
  #asking: AbortController | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #onIdle: (() => void) | undefined;

  constructor(options: WitnessOptions) {
    this.#options = options;
    this.#lease = new WitnessLease(options.ttlS * 1_000, options.endpoints.length);
  }

  /** Asks for the witness from now on, or gives it back; who gives it back does not decide by it any more. */
  want(wanted: boolean): void {
    if (this.#isClosed || (wanted && this.#closing !== undefined)) return;
    const outputs = this.#lease.step(performance.now(), { kind: "wanted", wanted });
    // Whoever wants something is in the middle of a step.
    queueMicrotask(() => this.#perform(outputs));
  }

  /** Takes the witness for lost when its time is over. */
  check(): void {
    const now = performance.now();
    if (now >= this.#lease.deadline()) this.#step(now, { kind: "tick" });
  }

  /** Gives the witness back, and waits for that for no longer than two requests may take. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.want(false);
    if (!this.#lease.isIdle) {
      let patience: ReturnType<typeof setTimeout> | undefined;
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
        patience = setTimeout(resolve, 2 * this.#lease.requestMs);
      });
      clearTimeout(patience);
    }
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#asking?.abort();
  }

  #step(now: number, input: WitnessLeaseInput): void {
    if (this.#isClosed) return;
    this.#perform(this.#lease.step(now, input));
  }

  #perform(outputs: readonly WitnessLeaseOutput[]): void {
    for (const output of outputs) {
      switch (output.kind) {
        case "request":
          void this.#ask(output.request, output.endpoint);
          break;
        case "held":
          this.#options.onHeld(output.held);
          break;
        case "log":
          this.#options.log(output.level, output.event, { key: this.#options.key, ...output.fields });
          break;
        default:
          unreachable(output);
      }
    }
    if (this.#lease.isIdle) this.#onIdle?.();
    this.#arm();
  }

  #arm(): void {
    clearTimeout(this.#timer);
    const dueAt = this.#lease.deadline();
    if (dueAt === Infinity || this.#isClosed) return;
    const waitMs = Math.min(timerMsMax, Math.max(0, Math.ceil(dueAt - performance.now())));
    this.#timer = setTimeout(() => this.#step(performance.now(), { kind: "tick" }), waitMs);
    this.#timer.unref();
  }

  async #ask(request: WitnessRequest, endpoint: number): Promise<void> {
    const url = this.#options.endpoints[endpoint] as string;
    const beganAt = performance.now();
    let answer: WitnessLeaseInput;
    try {
      answer = await this.#answerOf(request, url, beganAt);
    } catch (error) {
      answer = { kind: "failed", reason: `${url}: ${reasonOf(error)}` };
    }
    this.#step(performance.now(), answer);
  }

  async #answerOf(request: WitnessRequest, endpoint: string, beganAt: number): Promise<WitnessLeaseInput> {
    const { key, ttlS, card } = this.#options;
    switch (request.kind) {
      case "grant": {
        const answer = await this.#post(endpoint, "lease/grant", { TTL: String(ttlS) });
        const [lease, ttl] = [numberText(answer, "ID"), Number(numberText(answer, "TTL"))];
        if (lease === "0" || ttl === 0) throw new Error("the answer has no lease");
        return { kind: "lives", lease, beganAt, ttlMs: ttl * 1_000 };
      }
      case "keepAlive": {
        const answer = at(await this.#post(endpoint, "lease/keepalive", { ID: request.lease }), "result");
        if (answer === undefined) return { kind: "gone" };
        if (numberText(answer, "ID") !== request.lease) throw new Error("the answer is for another lease");
        const ttl = Number(numberText(answer, "TTL"));
        return ttl > 0 ? { kind: "lives", lease: request.lease, beganAt, ttlMs: ttl * 1_000 } : { kind: "gone" };
      }
      case "take": {
        const name = base64(key);
        const answer = await this.#post(endpoint, "kv/txn", {
          compare: [{ key: name, target: "CREATE", result: "EQUAL", create_revision: "0" }],
          success: [{ request_put: { key: name, value: base64(`card ${card}`), lease: request.lease } }],
          failure: [{ request_range: { key: name } }],
        });
        if (answer === undefined) return { kind: "gone" };
        if (at(answer, "succeeded") === true) return { kind: "taken" };
        const holder = at(answer, "responses", 0, "response_range", "kvs", 0);
        if (holder === undefined) throw new Error("the answer does not say who holds the key");
        if (numberText(holder, "lease") === request.lease) return { kind: "taken" };
        return { kind: "occupied", by: holderOf(at(holder, "value")) };
      }
      case "revoke":
        await this.#post(endpoint, "lease/revoke", { ID: request.lease });
        return { kind: "gone" };
      default:
        return unreachable(request);
    }
  }

  /** What etcd answers, `undefined` where it knows no such lease (any more); throws with the reason why there is no answer in time. */
  async #post(endpoint: string, path: string, body: unknown): Promise<unknown> {
    const asking = new AbortController();
    this.#asking = asking;
    const { requestMs } = this.#lease;
    const patience = setTimeout(() => asking.abort(new Error(`no answer within ${requestMs} ms`)), requestMs);
    patience.unref();
    try {
      const { signal } = asking;
      const response = await fetch(`${endpoint}/v3/${path}`, { method: "POST", body: JSON.stringify(body), redirect: "error", signal });
      const text = await textOf(response);
      const answer = valueOf(text);
      if (at(answer, "code") === leaseUnknown) return undefined;
      const reason = at(answer, "message") ?? at(answer, "error", "message");
      if (typeof reason === "string") throw new Error(reason);
      if (!response.ok || answer === undefined) throw new Error(`status ${response.status}, and no answer of etcd's gateway`);
      return answer;
    } catch (error) {
      throw asking.signal.aborted ? asking.signal.reason : error;
    } finally {
      clearTimeout(patience);
    }
  }
}

/** Google's code NOT_FOUND: what etcd says of a lease that it does not know. */
const leaseUnknown = 5;

async function textOf(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > answerBytesMax) throw new Error(`the answer has more than ${answerBytesMax} bytes`);
    text += decoder.decode(chunk, { stream: true });
  }
  return text;
}

/** The value of JSON, `undefined` for what is none. */
function valueOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function at(value: unknown, ...path: (string | number)[]): unknown {
  return path.reduce<unknown>(
    (inner, key) =>
      typeof inner === "object" && inner !== null && Object.hasOwn(inner, key)
        ? (inner as Record<string | number, unknown>)[key]
        : undefined,
    value,
  );
}

/** The gateway writes 64 bits as text, and leaves out what is 0. */
function numberText(value: unknown, key: string): string {
  const text = at(value, key) ?? "0";
  if (typeof text !== "string" || !/^-?[0-9]{1,20}$/.test(text)) throw new Error(`the answer has no number as its ${key}`);
  return text;
}

function base64(text: string): string {
  return new TextEncoder().encode(text).toBase64();
}

/** What stands in the key, for people. */
function holderOf(value: unknown): string {
  try {
    return new TextDecoder().decode(Uint8Array.fromBase64(value as string)).slice(0, 32);
  } catch {
    return "somebody else";
  }
}

/** Why a request failed: fetch itself only says that it did, and keeps the reason as the cause. */
function reasonOf(error: unknown): string {
  const { message, cause } = error as { message?: string; cause?: { code?: string; message?: string } };
  return cause?.message || cause?.code || message || String(error);
}
