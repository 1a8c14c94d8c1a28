/**
 * One client that changes a configuration over HTTP, and times each change to its acknowledgment; the same for Cardinal and etcd.
 *
 *   node scripts/bench/config-client.ts '{"system":"cardinal","urls":[...],"token":"...","clients":1,"seconds":5,"pauseMs":5}'
 *
 * Each of the clients has a connection of its own and asks one of the urls, in turn. It prints one line of JSON:
 * the changes, the milliseconds of the run, and each latency in microseconds.
 */
import { Agent, request } from "node:http";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";

export type ConfigLoad = {
  readonly system: "cardinal" | "etcd";
  readonly urls: readonly string[];
  readonly token: string;
  readonly clients: number;
  readonly seconds: number;
  /** Between an answer and the next change. */
  readonly pauseMs: number;
};
export type ConfigRun = {
  readonly changes: number;
  readonly ms: number;
  readonly latenciesUs: readonly number[];
  readonly refused: number;
};

/** What is written, about as long in both: a row of a host with a note of 64 bytes. */
const note = "n".repeat(64);

function ask(load: ConfigLoad, url: string, agent: Agent, id: string): Promise<number> {
  const [method, path, body] = load.system === "cardinal"
    ? ["PUT", `/v1/configuration/tables/hosts/${id}`, JSON.stringify({ note: `${note} ${performance.now()}` })]
    : ["POST", "/v3/kv/put", JSON.stringify({ key: btoa(`hosts/${id}`), value: btoa(`${note} ${performance.now()}`) })];
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const headers = {
    "content-type": "application/json",
    "content-length": String(body.length),
    ...(load.token === "" ? {} : { authorization: `Bearer ${load.token}` }),
  };
  const sent = request(new URL(path, url), { method, agent, headers }, (response) => {
    response.resume();
    response.on("end", () => resolve(response.statusCode ?? 0));
    response.on("error", reject);
  });
  sent.on("error", reject);
  sent.end(body);
  return promise;
}

async function run(load: ConfigLoad): Promise<ConfigRun> {
  const latenciesUs: number[] = [];
  let refused = 0;
  const beganAt = performance.now();
  const endsAt = beganAt + load.seconds * 1_000;
  await Promise.all(Array.from({ length: load.clients }, async (_, client) => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const url = load.urls[client % load.urls.length] as string;
    for (let time = 0; performance.now() < endsAt; time++) {
      const askedAt = performance.now();
      const status = await ask(load, url, agent, `h-${client}-${time % 16}`);
      if (status >= 200 && status < 300) latenciesUs.push(Math.round((performance.now() - askedAt) * 1_000));
      else if (status === 409 || status === 503) refused++;
      else throw new Error(`${url} answered ${status}`);
      if (load.pauseMs > 0) await sleep(load.pauseMs);
    }
    agent.destroy();
  }));
  return { changes: latenciesUs.length, ms: performance.now() - beganAt, latenciesUs, refused };
}

console.log(JSON.stringify(await run(JSON.parse(process.argv[2] ?? "{}") as ConfigLoad)));
