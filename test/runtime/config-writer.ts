/**
 * A program that changes the configuration through several cards in turn, as a program that retries does:
 *
 *   node test/runtime/config-writer.ts '{"urls":[...],"token":"...","changes":500,"prefix":"w","gapMs":5}'
 *
 * Change N makes the host PREFIX-N, asks card N modulo their count first, and with the same key another one until it is acknowledged. It prints a line of JSON
 * for each acknowledgment: the number, the head's sequence and hash, the card that served it, and the milliseconds since it was first asked for.
 */
import { Agent, type IncomingMessage, request } from "node:http";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";

export type WriterOptions = {
  readonly urls: readonly string[];
  readonly token: string;
  readonly changes: number;
  readonly prefix: string;
  readonly gapMs: number;
};
export type Acknowledged = {
  readonly number: number;
  readonly sequence: number;
  readonly hash: string;
  readonly servedBy: string;
  readonly ms: number;
  readonly asked: number;
};

const timeoutMs = 4_000;
const asksMax = 60;

async function ask(agent: Agent, url: string, { token, prefix }: WriterOptions, number: number): Promise<{ status: number; body: string }> {
  const body = JSON.stringify({ note: `note ${number}` });
  const headers = {
    "content-type": "application/json",
    "content-length": String(body.length),
    authorization: `Bearer ${token}`,
    "idempotency-key": `${prefix}-${number}`,
  };
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; body: string }>();
  const path = `/v1/configuration/tables/hosts/${prefix}-${number}`;
  const sent = request(new URL(path, url), { method: "PUT", agent, headers, timeout: timeoutMs }, (response: IncomingMessage) => {
    let text = "";
    response.setEncoding("utf8");
    response.on("data", (piece: string) => text += piece);
    response.on("end", () => resolve({ status: response.statusCode ?? 0, body: text }));
    response.on("error", reject);
  });
  sent.on("timeout", () => sent.destroy(new Error("no answer in time")));
  sent.on("error", reject);
  sent.end(body);
  return await promise;
}

const options = JSON.parse(process.argv[2] ?? "{}") as WriterOptions;
const agents = options.urls.map(() => new Agent({ keepAlive: true, maxSockets: 1 }));
for (let number = 0; number < options.changes; number++) {
  const askedAt = performance.now();
  let last = "";
  for (let asked = 0;; asked++) {
    if (asked === asksMax) throw new Error(`change ${number} was never acknowledged: ${last}`);
    const at = (number + asked) % options.urls.length;
    try {
      const { status, body } = await ask(agents[at] as Agent, options.urls[at] as string, options, number);
      if (status >= 200 && status < 300) {
        const { head, servedBy } = JSON.parse(body) as { head: { sequence: number; hash: string }; servedBy: string };
        const told: Acknowledged = { number, sequence: head.sequence, hash: head.hash, servedBy, ms: performance.now() - askedAt, asked };
        console.log(JSON.stringify(told));
        break;
      }
      last = `${options.urls[at]}: ${status} ${body.slice(0, 300)}`;
      if (status >= 400 && status < 500 && status !== 408 && status !== 409 && status !== 429) {
        throw new Error(`change ${number} is refused: ${last}`);
      }
    } catch (error) {
      if ((error as Error).message.includes("is refused")) throw error;
      last = `${options.urls[at]}: ${(error as Error).message}`;
    }
    await sleep(50);
  }
  if (options.gapMs > 0) await sleep(options.gapMs);
}
for (const agent of agents) agent.destroy();
