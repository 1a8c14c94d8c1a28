/** The socket for applications: real sockets, with the other end in the hands of the test. */
import { spawnSync } from "node:child_process";
import { lstatSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setImmediate } from "node:timers";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { cardAt } from "../../src/base/ids.ts";
import type { ApplicationEvent, ApplicationRequest } from "../../src/cluster/application.ts";
import { ApplicationServer, type ApplicationServerOptions } from "../../src/io/application-server.ts";
import { applicationRequestBytesMax, encodeApplicationFrame } from "../../src/io/application-wire.ts";
import { isRefusal } from "../../src/io/refusal.ts";
import { groupIdOf, groupNameOf } from "../../src/io/system-group.ts";
import { applicationClientsMax, applicationHelloMs, applicationUnderWayMax, applicationWaitingBytesMax } from "../../src/limits.ts";
import { type ApplicationPeer, connectPeer } from "./application-peer.ts";

type Told = { readonly client: number; readonly request: ApplicationRequest };

/** A server in a directory of its own, and what it has told. */
class World {
  readonly directory: string = mkdtempSync(join(tmpdir(), "cardinal-application-"));
  readonly path: string = join(this.directory, "a.sock");
  readonly requests: Told[] = [];
  readonly gone: { readonly client: number; readonly reason: string }[] = [];
  readonly logged: string[] = [];
  readonly server: ApplicationServer = this.another();
  onRequest: (told: Told) => void = () => {};
  #wake: () => void = () => {};

  another(options: Partial<ApplicationServerOptions> = {}): ApplicationServer {
    return new ApplicationServer({
      path: this.path,
      mode: 0o600,
      card: cardAt(1, 2),
      software: "9.9",
      log: (level, event, fields) => this.logged.push(`${level} ${event} ${fields["reason"] ?? ""}`),
      onRequest: (client, request) => {
        this.requests.push({ client, request });
        this.onRequest({ client, request });
        this.#wake();
      },
      onGone: (client, reason) => {
        this.gone.push({ client, reason });
        this.#wake();
      },
      ...options,
    });
  }

  /** Waits until the server has told something that makes it so. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#wake = resolve);
  }
}

function worldTest(name: string, run: (world: World) => Promise<void>): void {
  test(name, async () => {
    const world = new World();
    try {
      const refused = await world.server.open();
      assert.is(refused, undefined);
      await run(world);
    } finally {
      await world.server.end();
      rmSync(world.directory, { recursive: true, force: true });
    }
  });
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
const message = (sequence: number, bytes = 3): ApplicationEvent => ({
  kind: "message",
  group: "g",
  sequence,
  view: 1,
  from: { card: cardAt(1, 2), number: 1, name: "n", critical: false },
  data: new Uint8Array(bytes),
});
const send = (request: number, data = Uint8Array.of(1)): ApplicationRequest => ({ kind: "send", request, group: "g", data });
const sent = (request: number): ApplicationEvent => ({ kind: "sent", request, group: "g", sequence: request });

worldTest("a client says hello, is told which card this is, asks and is answered", async (world) => {
  const peer = await connectPeer(world.path);
  const request: ApplicationRequest = { kind: "join", request: 1, group: "g", name: "n", critical: true, monitorMs: 50 };
  peer.say(request);
  assert.equal(await peer.next("welcome"), { kind: "welcome", version: 1, card: 2, chassis: 1, slot: 2, software: "9.9" });
  await world.until(() => world.requests.length === 1);
  const { client } = world.requests[0] as Told;
  assert.equal(world.requests, [{ client, request }]);
  world.server.send(client, { kind: "left", request: 1, group: "g" });
  world.server.send(client + 1, { kind: "left", request: 2, group: "nobody" });
  assert.equal(await peer.next("left"), { kind: "left", request: 1, group: "g" });
  peer.socket.end();
  await world.until(() => world.gone.length > 0);
  assert.equal(world.gone, [{ client, reason: "it ended the connection" }]);
});

worldTest("the version spoken is the highest that both know", async (world) => {
  const peer = await connectPeer(world.path, { hello: false });
  peer.say({ kind: "hello", version: 2 ** 53 - 1 });
  assert.is((await peer.next("welcome"))?.version, 1);
});

worldTest("clients have numbers that are never used again", async (world) => {
  for (let count = 1; count <= 3; count++) {
    const peer = await connectPeer(world.path);
    peer.say(send(1));
    await world.until(() => world.requests.length === count);
    peer.socket.destroy();
    await world.until(() => world.gone.length === count);
  }
  assert.is(new Set(world.requests.map(({ client }) => client)).size, 3);
  assert.equal(world.gone.map(({ client }) => client), world.requests.map(({ client }) => client));
});

worldTest("a request comes whole however its bytes are cut", async (world) => {
  const peer = await connectPeer(world.path);
  await peer.next("welcome");
  for (const byte of encodeApplicationFrame(send(7, Uint8Array.of(1, 2, 3)))) {
    peer.sayBytes(Uint8Array.of(byte));
    await turn();
  }
  await world.until(() => world.requests.length === 1);
  assert.equal(world.requests[0]?.request, send(7, Uint8Array.of(1, 2, 3)));
});

async function introduced(world: World, count: number): Promise<{ readonly peers: ApplicationPeer[]; readonly clients: number[] }> {
  const peers: ApplicationPeer[] = [];
  for (let index = 0; index < count; index++) {
    const peer = await connectPeer(world.path);
    peer.say({ kind: "watch", request: 1, group: "g" });
    await world.until(() => world.requests.length === index + 1);
    world.server.send((world.requests[index] as Told).client, {
      kind: "watching",
      request: 1,
      group: "g",
      view: { number: 0, members: [] },
    });
    await peer.next("watching");
    peers.push(peer);
  }
  return { peers, clients: world.requests.map(({ client }) => client) };
}

worldTest("what goes to a client within a turn is written once, and an event for many is encoded once", async (world) => {
  const { peers, clients } = await introduced(world, 3);
  const before = world.server.counters();
  let readings = 0;
  const events = Array.from({ length: 100 }, (_, index) => ({
    ...message(index),
    get sequence() {
      readings++;
      return index;
    },
  })) as ApplicationEvent[];
  for (const event of events) for (const client of clients) world.server.send(client, event);
  for (const peer of peers) {
    for (let index = 0; index < 100; index++) assert.is((await peer.next("message"))?.sequence, index);
  }
  const after = world.server.counters();
  assert.is((after["writes"] as number) - (before["writes"] as number), 3);
  assert.is((after["events"] as number) - (before["events"] as number), 300);
  assert.is(readings, 100);
  // The next turn knows nothing of this one's events.
  world.server.send(clients[0] as number, events[0] as ApplicationEvent);
  await peers[0]?.next("message");
  assert.is(readings, 101);
});

const good = encodeApplicationFrame(send(1));
const head = (length: number) => Uint8Array.fromHex(length.toString(16).padStart(8, "0"));
const mistakes: readonly (readonly [string, readonly Uint8Array[], string])[] = [
  ["what is no CBOR", [head(3), Uint8Array.of(0xff, 0, 0)], "a frame is not an array in deterministic CBOR"],
  ["an unknown kind", [head(2), Uint8Array.of(0x81, 9)], "a frame is of an unknown kind"],
  ["a wrong field", [head(3), Uint8Array.of(0x82, 5, 0xf6)], "a field of a frame is missing or is not what it must be"],
  ["an empty frame", [head(0)], "a frame is empty or too long"],
  ["a frame that will be too large", [head(applicationRequestBytesMax + 1)], "a frame is empty or too long"],
  ["a second hello", [encodeApplicationFrame({ kind: "hello", version: 1 })], "it said hello twice"],
];

for (const [name, pieces, reason] of mistakes) {
  worldTest(`${name} ends the connection, what came before it counts, and the client is told why`, async (world) => {
    const peer = await connectPeer(world.path);
    peer.say(send(1));
    for (const piece of [...pieces, good]) peer.sayBytes(piece);
    assert.equal(await peer.next("closed"), { kind: "closed", reason });
    await peer.closed();
    await world.until(() => world.gone.length > 0);
    assert.equal(world.gone.map((gone) => gone.reason), [reason]);
    assert.is(world.requests.length, 1);
    assert.ok(world.logged.includes(`warn application cut off ${reason}`), world.logged.join());
    assert.is(world.server.counters()["clients"], 0);
  });
}

worldTest("who does not begin with hello is cut off and never was a client", async (world) => {
  const peer = await connectPeer(world.path, { hello: false });
  peer.sayBytes(good);
  assert.equal(await peer.next("closed"), { kind: "closed", reason: "its first frame is not hello" });
  await peer.closed();
  await turn();
  assert.equal([world.requests, world.gone], [[], []]);
});

worldTest("one that was cut off and goes on is not listened to, and is closed soon", async (world) => {
  const peer = await connectPeer(world.path, { hello: false, halfOpen: true });
  peer.sayBytes(good);
  await peer.next("closed");
  // Only by writing does it learn that nobody reads any more.
  for (let index = 0; !peer.isClosed; index++) {
    assert.ok(index < 500, "it is closed at all");
    peer.sayBytes(new Uint8Array(1_000));
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.is(world.server.counters()["bytesIn"], good.length);
});

test("hello has to come in time", async () => {
  const due: (() => void)[] = [];
  const real = globalThis.setTimeout;
  const world = new World();
  // Virtual time for the one timer that would make the test wait.
  const virtual = (run: () => void, ms: number) => ms === applicationHelloMs ? (due.push(run), undefined) : real(run, ms);
  globalThis.setTimeout = virtual as unknown as typeof setTimeout;
  try {
    assert.is(await world.server.open(), undefined);
    const peer = await connectPeer(world.path, { hello: false });
    peer.sayBytes(Uint8Array.of(0, 0));
    while (due.length === 0) await turn();
    due[0]?.();
    assert.equal(await peer.next("closed"), { kind: "closed", reason: "it did not say hello within 5 s" });
    await peer.closed();
  } finally {
    globalThis.setTimeout = real;
    await world.server.end();
    rmSync(world.directory, { recursive: true, force: true });
  }
});

worldTest("more clients than the bound are told so; one that leaves makes room", async (world) => {
  const peers: ApplicationPeer[] = [];
  for (let index = 0; index < applicationClientsMax; index++) peers.push(await connectPeer(world.path));
  for (const peer of peers) await peer.next("welcome");
  const late = await connectPeer(world.path);
  assert.match((await late.next("closed"))?.reason ?? "", /^64 applications are connected, more are not taken$/);
  await late.closed();
  assert.is(world.server.counters()["clients"], applicationClientsMax);
  peers[0]?.socket.destroy();
  await world.until(() => world.gone.length === 1);
  const next = await connectPeer(world.path);
  assert.ok(await next.next("welcome"));
  for (const peer of peers) peer.socket.destroy();
});

worldTest("a client that does not read is cut off, and costs no more than its bound and one turn", async (world) => {
  const { peers: [slow, quick], clients } = await introduced(world, 2);
  slow?.socket.pause();
  const bytes = 30_000;
  let turns = 0;
  for (; world.gone.length === 0; turns++) {
    assert.ok(turns * bytes < 2 * applicationWaitingBytesMax, "it is cut off at all");
    const event = message(turns, bytes);
    for (const client of clients) world.server.send(client, event);
    await turn();
    await turn();
  }
  assert.ok(turns * bytes > applicationWaitingBytesMax, `not before its bound: ${turns} turns`);
  assert.equal(world.gone, [{ client: clients[0] as number, reason: "it does not read" }]);
  for (let index = 0; index < turns; index++) assert.is((await quick?.next("message"))?.sequence, index);
  slow?.socket.resume();
  await slow?.closed();
});

worldTest("one turn may bring more than the bound to a client that reads", async (world) => {
  const { peers: [peer], clients: [client] } = await introduced(world, 1);
  const event = message(1, 30_000);
  const count = Math.ceil(2 * applicationWaitingBytesMax / 30_000);
  for (let index = 0; index < count; index++) world.server.send(client as number, event);
  for (let index = 0; index < count; index++) assert.ok(await peer?.next("message"));
});

worldTest("with too many requests under way a client is not read until half of them are answered", async (world) => {
  const peer = await connectPeer(world.path);
  const count = 4 * applicationUnderWayMax;
  for (let request = 1; request <= count; request++) peer.say(send(request, new Uint8Array(300)));
  await world.until(() => world.requests.length === applicationUnderWayMax);
  for (let index = 0; index < 20; index++) await turn();
  assert.is(world.requests.length, applicationUnderWayMax, "no more than the bound");
  const client = world.requests[0]?.client as number;
  for (let request = 1; request < applicationUnderWayMax / 2; request++) world.server.send(client, sent(request));
  for (let index = 0; index < 20; index++) await turn();
  assert.is(world.requests.length, applicationUnderWayMax, "one answer short");
  let answered = applicationUnderWayMax / 2 - 1;
  while (answered < count) {
    await world.until(() => world.requests.length > answered);
    while (answered < world.requests.length) world.server.send(client, sent(++answered));
    assert.ok(world.requests.length - answered <= applicationUnderWayMax);
  }
  for (let request = 1; request <= count; request++) assert.is((await peer.next("sent"))?.request, request);
  assert.ok((world.server.counters()["held"] as number) >= 1);
});

worldTest("`alive` is no request that waits for an answer", async (world) => {
  const peer = await connectPeer(world.path);
  for (let nonce = 0; nonce < 2 * applicationUnderWayMax; nonce++) peer.say({ kind: "alive", nonce });
  await world.until(() => world.requests.length === 2 * applicationUnderWayMax);
});

worldTest("a client closed from within its own request is reported later and once", async (world) => {
  let isWithin = false;
  const reported: boolean[] = [];
  world.onRequest = ({ client }) => {
    isWithin = true;
    world.server.send(client, { kind: "stopped", reason: "before" });
    world.server.close(client, "because");
    world.server.close(client, "again");
    world.server.send(client, { kind: "resumed" });
    reported.push(world.gone.length > 0);
    isWithin = false;
  };
  const peer = await connectPeer(world.path);
  peer.say(send(1), send(2));
  await peer.closed();
  assert.equal(peer.frames.map(({ kind }) => kind), ["welcome", "stopped", "closed"]);
  assert.is(world.requests.length, 1, "what it sent behind is not looked at");
  assert.equal([world.gone.map(({ reason }) => reason), reported, isWithin], [["because"], [false], false]);
});

worldTest("closeAll cuts everybody off; new ones may come", async (world) => {
  const { peers } = await introduced(world, 3);
  world.server.closeAll("the card starts over");
  for (const peer of peers) assert.equal(await peer.next("closed"), { kind: "closed", reason: "the card starts over" });
  await world.until(() => world.gone.length === 3);
  assert.ok(await (await connectPeer(world.path)).next("welcome"));
});

test("the end tells the clients, reports nobody, and removes the socket", async () => {
  const world = new World();
  assert.is(await world.server.open(), undefined);
  const peer = await connectPeer(world.path);
  await peer.next("welcome");
  const mute = await connectPeer(world.path, { hello: false });
  mute.socket.pause();
  await world.server.end();
  assert.equal(await peer.next("closed"), { kind: "closed", reason: "the card's program ends" });
  assert.equal([readdirSync(world.directory), world.gone], [[], []]);
  mute.socket.destroy();
  rmSync(world.directory, { recursive: true });
});

worldTest("permissions and group are as told, and nothing else is left in the directory", async (world) => {
  assert.is(lstatSync(world.path).mode & 0o7777, 0o600);
  assert.equal(readdirSync(world.directory), ["a.sock"]);
  const name = groupNameOf(process.getgid?.() ?? 0);
  const server = world.another({ path: join(world.directory, "new", "b.sock"), mode: 0o660, group: name });
  assert.is(await server.open(), undefined);
  const stat = lstatSync(join(world.directory, "new", "b.sock"));
  assert.equal([stat.mode & 0o7777, stat.gid], [0o660, groupIdOf(name)]);
  await server.end();
});

worldTest("a socket on which somebody answers is refused, and goes on", async (world) => {
  const refused = await world.another().open();
  assert.ok(isRefusal(refused) && refused.refused === "exists");
  assert.match(refused.message, /a\.sock is in use: another card's program answers there/);
  assert.ok(await (await connectPeer(world.path)).next("welcome"));
});

test("the socket of a dead process is replaced", async () => {
  const world = new World();
  // A listener that is killed leaves its socket behind.
  const script = `require("node:net").createServer().listen(process.argv[1], () => process.kill(process.pid, "SIGKILL"))`;
  const node = new URL("../../node_modules/.bin/node", import.meta.url).pathname;
  spawnSync(node, ["-e", script, world.path], { timeout: 20_000 });
  assert.ok(lstatSync(world.path).isSocket());
  assert.is(await world.server.open(), undefined);
  assert.ok(await (await connectPeer(world.path)).next("welcome"));
  await world.server.end();
  assert.equal(readdirSync(world.directory), []);
  rmSync(world.directory, { recursive: true });
});

test("a socket that another one has taken the place of is not removed", async () => {
  const world = new World();
  assert.is(await world.server.open(), undefined);
  rmSync(world.path);
  const successor = world.another();
  assert.is(await successor.open(), undefined);
  await world.server.end();
  assert.ok(await (await connectPeer(world.path)).next("welcome"));
  await successor.end();
  assert.equal(readdirSync(world.directory), []);
  rmSync(world.directory, { recursive: true });
});

test("what cannot be is refused in one line that names it, and leaves nothing behind", async () => {
  const world = new World();
  const cases: readonly (readonly [Partial<ApplicationServerOptions>, string, RegExp])[] = [
    [{ path: join(world.directory, "x".repeat(107)) }, "io", /is \d+ bytes too long; take a shorter directory$/],
    [{ path: join(world.directory, "file") }, "exists", /file is there and is no socket; remove it/],
    [{ path: join(world.directory, "file", "a.sock") }, "io", /cannot be made: /],
    [{ group: "no-such-group" }, "missing", /^there is no group "no-such-group" on this machine/],
  ];
  writeFileSync(join(world.directory, "file"), "");
  for (const [options, code, text] of cases) {
    const refused = await world.another(options).open();
    assert.ok(isRefusal(refused), JSON.stringify(options));
    assert.is(refused.refused, code);
    assert.match(refused.message, text);
    assert.not.match(refused.message, /\n/);
    assert.equal(readdirSync(world.directory), ["file"]);
  }
  await world.another().end();
  rmSync(world.directory, { recursive: true });
});

test("the longest path that fits is taken", async () => {
  const world = new World();
  const path = join(world.directory, "x".repeat(107 - world.directory.length - 1));
  assert.is(path.length, 107);
  const server = world.another({ path });
  assert.is(await server.open(), undefined);
  assert.ok(await (await connectPeer(path)).next("welcome"));
  await server.end();
  rmSync(world.directory, { recursive: true });
});

test.run();
