/** The witness against a real etcd (Debian package `etcd-server`), and against servers that are none. */
// alone: because it measures the time of leases
import { type ChildProcess, type ChildProcessWithoutNullStreams, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import { type AddressInfo, createServer as createTcpServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { CardId } from "../../src/base/ids.ts";
import { Witness } from "../../src/io/witness.ts";
import { runCommand } from "../conformance/namespace.ts";

const ttlS = 2;
/** Longer than a lease takes to end on a busy machine: etcd looks at them every half second. */
const patienceMs = 10_000;

async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + patienceMs;
  while (!await isSo()) {
    if (performance.now() > end) throw new Error(`not within ${patienceMs} ms: ${what}`);
    await sleep(10);
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createTcpServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

/** Deno takes any signal that a child is sent through its own `kill` for the child's end. */
function signal(child: ChildProcess, name: "SIGSTOP" | "SIGCONT"): void {
  process.kill(child.pid as number, name);
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await exit;
}

/** A witness of this process, and what it said. */
class Watched {
  readonly said: boolean[] = [];
  readonly logged: string[] = [];
  readonly witness: Witness;

  constructor(card: number, endpoints: readonly string[]) {
    this.witness = new Witness({
      endpoints,
      key: "cardinal/test",
      ttlS,
      card: card as CardId,
      onHeld: (held) => this.said.push(held),
      log: (level, event, fields) => this.logged.push(`${level} ${event} ${Object.values(fields).join(" ")}`),
    });
  }

  get isHeld(): boolean {
    return this.said.at(-1) === true;
  }
}

/** A server for one test, its answers written by hand. */
async function withServer(answer: RequestListener, use: (endpoint: string) => Promise<void>): Promise<void> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

async function logOf(answer: RequestListener): Promise<string> {
  let line = "";
  await withServer(answer, async (endpoint) => {
    const watched = new Watched(1, [endpoint]);
    watched.witness.want(true);
    await until("a line of the log", () => watched.logged.length > 0);
    await watched.witness.close();
    assert.equal(watched.said, []);
    line = (watched.logged[0] as string).replace(endpoint, "ENDPOINT");
  });
  return line;
}

test("what is no etcd is said to be none, and never believed", async () => {
  const prefix = "warn witness unreachable cardinal/test ENDPOINT: ";
  const cases: [RequestListener, string][] = [
    [(_, response) => void response.end("<html>hello</html>"), "status 200, and no answer of etcd's gateway"],
    [(_, response) => void response.writeHead(404).end("Not Found"), "status 404, and no answer of etcd's gateway"],
    [(_, response) => void response.end("{}"), "the answer has no lease"],
    [(_, response) => void response.end('{"ID":7,"TTL":"2"}'), "the answer has no number as its ID"],
    [(_, response) => void response.end('{"ID":"7","TTL":"soon"}'), "the answer has no number as its TTL"],
    [
      (_, response) => void response.writeHead(503).end('{"error":"etcdserver: no leader","message":"etcdserver: no leader","code":14}'),
      "etcdserver: no leader",
    ],
    [(_, response) => void response.end(`"${"x".repeat(100_000)}"`), "the answer has more than 65536 bytes"],
    [() => {}, "no answer within 500 ms"],
    [(_, response) => void response.write("{"), "no answer within 500 ms"],
  ];
  for (const [answer, reason] of cases) assert.is(await logOf(answer), prefix + reason);
  assert.match(
    await logOf((_, response) => void response.writeHead(307, { location: "http://192.0.2.1/" }).end()),
    /ENDPOINT: .*redirect/i,
  );
});

test("nobody there: a round of the endpoints, a pause, and one line", async () => {
  const watched = new Watched(1, [`http://127.0.0.1:${await freePort()}`, `http://127.0.0.1:${await freePort()}`]);
  watched.witness.want(true);
  await sleep(600);
  const closingAt = performance.now();
  await watched.witness.close();
  assert.ok(performance.now() - closingAt < 900);
  assert.is(watched.logged.length, 1);
  assert.match(
    watched.logged[0] as string,
    /^warn witness unreachable cardinal\/test http:\/\/127\.0\.0\.1:\d+: .*(ECONNREFUSED|refused)/i,
  );
});

test("nothing is asked, and nothing is waited for, when it was never wanted", async () => {
  let asked = 0;
  await withServer(() => void asked++, async (endpoint) => {
    const watched = new Watched(1, [endpoint]);
    watched.witness.want(false);
    watched.witness.check();
    await watched.witness.close();
    await watched.witness.close();
    watched.witness.want(true);
    await sleep(50);
  });
  assert.is(asked, 0);
});

test("a change is never said inside of `want`, and what is given back is not held", async () => {
  const answers: Record<string, string> = {
    "/v3/lease/grant": '{"ID":"7","TTL":"2"}',
    "/v3/kv/txn": '{"succeeded":true}',
    "/v3/lease/revoke": "{}",
  };
  const asked: string[] = [];
  const server: RequestListener = (request, response) => {
    asked.push(request.url ?? "");
    response.end(answers[request.url ?? ""]);
  };
  await withServer(server, async (endpoint) => {
    const watched = new Watched(1, [endpoint]);
    watched.witness.want(true);
    await until("it is held", () => watched.isHeld);
    watched.witness.want(false);
    assert.equal(watched.said, [true]);
    await Promise.resolve();
    assert.equal(watched.said, [true, false]);
    await watched.witness.close();
  });
  assert.equal(asked, ["/v3/lease/grant", "/v3/kv/txn", "/v3/lease/revoke"]);
});

test("`check` says that the time is over before any timer does", async () => {
  let isDead = false;
  const server: RequestListener = (request, response) => {
    if (!isDead) response.end(request.url === "/v3/kv/txn" ? '{"succeeded":true}' : '{"ID":"7","TTL":"2","result":{"ID":"7","TTL":"2"}}');
  };
  await withServer(server, async (endpoint) => {
    const watched = new Watched(1, [endpoint]);
    watched.witness.want(true);
    await until("it is held", () => watched.isHeld);
    isDead = true;
    // The program stands still, and its timers with it.
    const end = performance.now() + 1_500;
    while (performance.now() < end);
    assert.equal(watched.said, [true]);
    watched.witness.check();
    assert.equal(watched.said, [true, false]);
    await watched.witness.close();
  });
});

// ---- a real etcd

const hasEtcd = spawnSync("etcd", ["--version"]).error === undefined;
const withEtcd = hasEtcd ? test : test.skip;
if (!hasEtcd) console.log("the real etcd is skipped: Debian's package etcd-server is not installed");

let directory: string | undefined;
let etcd: ChildProcess | undefined;
let endpoint = "";
const cards: ChildProcess[] = [];
const watchedOnes: Watched[] = [];

test.before(async () => {
  if (!hasEtcd) return;
  directory = mkdtempSync(join(tmpdir(), "cardinal-etcd-"));
  const peer = `http://127.0.0.1:${await freePort()}`;
  endpoint = `http://127.0.0.1:${await freePort()}`;
  // It dies with us, however we end.
  etcd = spawn("setpriv", [
    ...["--pdeathsig", "KILL", "etcd", "--data-dir", join(directory, "data"), "--logger", "zap", "--log-level", "error"],
    ...["--listen-client-urls", endpoint, "--advertise-client-urls", endpoint],
    ...["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", `default=${peer}`],
  ], { stdio: "ignore", env: { ...process.env, ETCD_UNSUPPORTED_ARCH: process.arch } });
  await until("etcd answers", async () => {
    const response = await fetch(`${endpoint}/health`).catch(() => undefined);
    return (await response?.text())?.includes('"true"') ?? false;
  });
});

test.after.each(async () => {
  for (const { witness } of watchedOnes.splice(0)) await witness.close();
  for (const card of cards.splice(0)) await ended(card);
});

test.after(async () => {
  if (etcd !== undefined) await ended(etcd);
  if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
});

function watch(card: number, endpoints: readonly string[] = [endpoint]): Watched {
  const watched = new Watched(card, endpoints);
  watchedOnes.push(watched);
  watched.witness.want(true);
  return watched;
}

/** A card in a process of its own, and the lines that it says. */
function startCard(card: number): { readonly child: ChildProcessWithoutNullStreams; readonly lines: string[] } {
  const [command, ...rest] = runCommand(fileURLToPath(new URL("witness-process.ts", import.meta.url)));
  const child = spawn("setpriv", ["--pdeathsig", "KILL", command, ...rest, endpoint, String(card), String(ttlS)]);
  cards.push(child);
  const lines: string[] = [];
  child.stdout.setEncoding("utf8").on("data", (text: string) => lines.push(...text.split("\n").filter((line) => line !== "")));
  child.stderr.on("data", (text) => process.stderr.write(text));
  return { child, lines };
}

withEtcd("HA-5: of two cards one gets the witness, keeps it beyond its time to live, and gives it to the other at its end", async () => {
  // A dead endpoint stands before the living one.
  const first = watch(1, [`http://127.0.0.1:${await freePort()}`, endpoint]);
  await until("card 1 holds it", () => first.isHeld);
  const second = watch(2);
  await until("card 2 finds it occupied", () => second.logged.length > 0);
  assert.equal(second.logged, ["info witness occupied cardinal/test card 1"]);
  await sleep(2 * ttlS * 1_000);
  assert.equal([first.said, second.said], [[true], []]);
  const givenBackAt = performance.now();
  await first.witness.close();
  assert.equal(first.said, [true, false]);
  await until("card 2 holds it", () => second.isHeld);
  assert.ok(performance.now() - givenBackAt < ttlS * 1_000, "it did not wait for the lease's end");
});

withEtcd("HA-5: when the holder's process stops, the other gets it after its time, and the holder knows when it goes on", async () => {
  const holder = startCard(1);
  await until("the process holds it", () => holder.lines.includes("held true"));
  const other = watch(2);
  await until("the other finds it occupied", () => other.logged.length > 0);
  signal(holder.child, "SIGSTOP");
  const stoppedAt = performance.now();
  await until("the other holds it", () => other.isHeld);
  const tookMs = performance.now() - stoppedAt;
  assert.ok(tookMs > ttlS * 1_000 * 2 / 3, `it was free ${tookMs} ms after the holder had stopped, which may still have believed it`);
  signal(holder.child, "SIGCONT");
  await until("the stopped one knows", () => holder.lines.length > 1);
  await sleep(1_000);
  assert.equal(holder.lines, ["held true", "held false"]);
  assert.equal(other.said, [true]);
  // And the other way round: one that is killed gives nothing back.
  await other.witness.close();
  await until("the first one has it again", () => holder.lines.length > 2);
  holder.child.kill("SIGKILL");
  const last = watch(3);
  await until("the last one holds it", () => last.isHeld);
});

withEtcd("HA-5: a holder that reaches no etcd says so by itself, before the lease is over, and has it back afterwards", async () => {
  const holder = watch(1);
  await until("it is held", () => holder.isHeld);
  const stoppedAt = performance.now();
  signal(etcd as ChildProcess, "SIGSTOP");
  try {
    await until("it is not held any more", () => !holder.isHeld);
    const tookMs = performance.now() - stoppedAt;
    assert.ok(tookMs < ttlS * 1_000 * 2 / 3 + 400, `it took ${tookMs} ms`);
  } finally {
    signal(etcd as ChildProcess, "SIGCONT");
  }
  await until("it is held again", () => holder.isHeld);
});

withEtcd("a card that ends in good order leaves nothing that keeps its process", async () => {
  const { child, lines } = startCard(1);
  await until("it is held", () => lines.includes("held true"));
  const exit = new Promise((resolve) => child.once("exit", resolve));
  child.stdin.end();
  assert.is(await exit, 0);
  assert.equal(lines, ["held true", "held false", "closed"]);
});

test.run();
