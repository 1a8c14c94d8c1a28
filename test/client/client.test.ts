/** The client for applications, at a real socket with the real server behind it. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setImmediate } from "node:timers";
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  ApplicationError,
  type ApplicationErrorCode,
  connect,
  type ConnectOptions,
  type GroupClient,
  type GroupEvent,
} from "../../src/client/client.ts";
import { encodeCardFrame } from "../../src/io/application-wire.ts";
import {
  applicationClientsMax,
  applicationHelloMs,
  applicationMessageBytesMax,
  applicationWaitingBytesMax,
  applicationWindowBytesMax,
  applicationWindowMax,
} from "../../src/limits.ts";
import { ApplicationWorld } from "./world.ts";

type Connect = (options?: ConnectOptions) => Promise<GroupClient>;

function worldTest(name: string, run: (world: ApplicationWorld, connectTo: Connect) => Promise<void>): void {
  test(name, async () => {
    const world = await ApplicationWorld.open();
    const clients: GroupClient[] = [];
    try {
      await run(world, async (options) => {
        const client = await connect({ path: world.path, ...options });
        clients.push(client);
        return client;
      });
    } finally {
      for (const client of clients) client.drop();
      await world.end();
    }
  });
}

async function failure(wanted: Promise<unknown>): Promise<ApplicationError> {
  try {
    await wanted;
  } catch (error) {
    assert.instance(error, ApplicationError);
    return error as ApplicationError;
  }
  throw new Error("it did not fail");
}

async function failsWith(wanted: Promise<unknown>, code: ApplicationErrorCode, text: RegExp): Promise<void> {
  const error = await failure(wanted);
  assert.is(error.code, code, error.message);
  assert.match(error.message, text);
  assert.not.match(error.message, /\n/);
}

/** The next events, without waiting for more. */
async function take(client: GroupClient, count: number): Promise<GroupEvent[]> {
  const events: GroupEvent[] = [];
  for await (const event of client) if (events.push(event) === count) break;
  return events;
}

const text = (data: Uint8Array) => new TextDecoder().decode(data);
const bytesOf = (value: string) => new TextEncoder().encode(value);
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

worldTest("a client knows its card, joins, sends, receives in order, and leaves", async (world, connectTo) => {
  const client = await connectTo();
  assert.equal([client.card, client.chassis, client.slot, client.software, client.path], [2, 1, 2, "9.9", world.path]);
  const membership = await client.join("g", { name: "n", critical: true, monitorMs: 50 });
  assert.equal(world.asked("join").map(({ name, critical, monitorMs }) => [name, critical, monitorMs]), [["n", true, 50]]);
  assert.equal([membership.group, membership.sequence, membership.view.number], ["g", 1, 1]);
  assert.equal(membership.view.members, [membership.member]);
  assert.equal(await membership.send("a\u00e9"), { sequence: 2 });
  assert.equal(await client.send("g", Uint8Array.of(1)), { sequence: 3 });
  const events = await take(client, 3);
  assert.equal(events.map(({ kind }) => kind), ["joined", "message", "message"]);
  const [, first, second] = events;
  assert.ok(first?.kind === "message" && second?.kind === "message");
  assert.equal([text(first.data), first.from, [...second.data]], ["a\u00e9", membership.member, [1]]);
  await membership.leave();
  await membership.leave();
  assert.equal([world.members("g"), world.asked("leave").length], [[], 1]);
  assert.equal((await take(client, 1))[0]?.kind, "left");
  // What was left by name is not left again.
  await client.join("g");
  await client.leave("g");
  await client.close();
  assert.is(world.asked("leave").length, 2);
});

worldTest("a watcher and a sender need not be members", async (_, connectTo) => {
  const watcher = await connectTo();
  assert.equal(await watcher.watch("g"), { number: 0, members: [] });
  const sender = await connectTo();
  await sender.send("g", "one");
  const events = await take(watcher, 2);
  assert.ok(events[1]?.kind === "message" && events[1].from.number === 0);
});

worldTest("all groups of a client come in one stream, in the card's order", async (world, connectTo) => {
  const client = await connectTo();
  await Promise.all([client.watch("a"), client.watch("b")]);
  for (let index = 0; index < 100; index++) world.deliver(index % 3 === 0 ? "a" : "b", Uint8Array.of(index));
  const sequences = (await take(client, 102)).flatMap((event) => (event.kind === "message" ? [event.sequence] : []));
  assert.equal(sequences, Array.from({ length: 100 }, (_, index) => index + 1));
});

worldTest("members learn who comes, who leaves, and who goes without a word", async (_, connectTo) => {
  const stays = await connectTo();
  await stays.join("g");
  const [leaves, crashes] = [await connectTo(), await connectTo()];
  await leaves.join("g", { name: "leaves" });
  await crashes.join("g", { name: "crashes", critical: true });
  await leaves.close();
  crashes.drop();
  const events = await take(stays, 5);
  const changes = events.flatMap((
    event,
  ) => (event.kind === "view" ? event.changes.map(({ member, change }) => `${member.name} ${change}`) : []));
  assert.equal(changes, ["leaves joined", "crashes joined", "leaves left", "crashes exited"]);
});

worldTest("close leaves every group first, and ends the iteration; what follows is refused", async (world, connectTo) => {
  const client = await connectTo();
  await client.join("a");
  await client.join("b");
  const seen: string[] = [];
  const iteration = (async () => {
    for await (const event of client) seen.push(event.kind);
  })();
  await client.close();
  await client.close();
  await iteration;
  assert.equal(seen, ["joined", "joined", "left", "left"]);
  await world.until(() => world.gone.length === 1);
  assert.equal([world.members("a"), world.members("b"), world.asked("leave").length], [[], [], 2]);
  for (const wanted of [client.send("a", "x"), client.join("a"), client.watch("a"), client.room()]) {
    await failsWith(wanted, "closed", /this program has closed the connection/);
  }
});

worldTest("close stays when a leave is refused", async (world, connectTo) => {
  const client = await connectTo();
  await client.join("a");
  world.decide = (number, request) => {
    if (request.kind !== "leave") return false;
    world.server.send(number, { kind: "refused", request: request.request, code: "stopped", message: "no order" });
    return true;
  };
  await failsWith(client.close(), "stopped", /no order/);
  world.decide = () => false;
  assert.ok((await client.send("a", "x")).sequence > 0);
});

worldTest("drop ends without leaving", async (world, connectTo) => {
  const client = await connectTo();
  await client.join("a", { critical: true });
  client.drop();
  await world.until(() => world.gone.length === 1);
  assert.equal(world.asked("leave"), []);
  assert.equal((await take(client, 9)).map(({ kind }) => kind), ["joined"]);
});

worldTest("a client that goes out of scope leaves", async (world, connectTo) => {
  const client = await connectTo();
  await client.join("a");
  await client[Symbol.asyncDispose]();
  assert.is(world.asked("leave").length, 1);
});

worldTest("a refusal of the group service has its code and its words", async (_, connectTo) => {
  const client = await connectTo();
  await client.join("g");
  await failsWith(client.join("g"), "state", /a member of g already/);
  await failsWith(client.leave("other"), "state", /not a member of other/);
});

worldTest("what cannot be is refused before the card is asked", async (world, connectTo) => {
  const client = await connectTo();
  const cases: readonly (readonly [() => Promise<unknown>, RegExp])[] = [
    [() => client.join(""), /^the group's name is empty$/],
    [() => client.join("\u00e9".repeat(17)), /^the group's name ".*" is 34 bytes long, must be at most 32$/],
    [() => client.join("a\nb"), /^the group's name "a\\nb" holds a control character, must be plain text$/],
    [() => client.join("a\ud800"), /holds a control character/],
    [() => client.join("g", { name: "n".repeat(33) }), /^the member's name ".*" is 33 bytes long, must be at most 32$/],
    [() => client.join("g", { monitorMs: 49 }), /^monitorMs is 49, must be 0 or a whole number from 50 to 600000$/],
    [() => client.join("g", { monitorMs: 600_001 }), /^monitorMs is 600001/],
    [() => client.join("g", { monitorMs: 99.5 }), /^monitorMs is 99.5/],
    [() => client.watch(""), /is empty/],
    [() => client.leave(""), /is empty/],
    [() => client.send("", "x"), /is empty/],
    [() => client.send("g", new Uint8Array(applicationMessageBytesMax + 1)), /^the message is 32769 bytes long, must be at most 32768$/],
    [() => client.send("g", "\u00e9".repeat(applicationMessageBytesMax / 2 + 1)), /^the message is 32770 bytes long/],
  ];
  for (const [run, expected] of cases) await failsWith(run(), "bounds", expected);
  assert.equal(world.requests, []);
  await client.send("\u00e9".repeat(16), new Uint8Array(applicationMessageBytesMax));
  await client.join("g", { name: "n".repeat(32), monitorMs: 600_000 });
});

worldTest("monitors are answered without a word to the program", async (world, connectTo) => {
  const client = await connectTo({ events: false });
  await client.watch("g");
  world.tell("g", { kind: "monitor", nonce: 77, withinMs: 50 });
  await world.until(() => world.asked("alive").length === 1);
  assert.equal(world.asked("alive"), [{ kind: "alive", nonce: 77 }]);
});

worldTest("or by the program itself, when it wants to", async (world, connectTo) => {
  const client = await connectTo({ monitor: "manual" });
  await client.watch("g");
  world.tell("g", { kind: "monitor", nonce: 78, withinMs: 50 });
  const [, event] = await take(client, 2);
  assert.equal(event, { kind: "monitor", nonce: 78, withinMs: 50 });
  assert.equal(world.asked("alive"), []);
  client.alive(78);
  await world.until(() => world.asked("alive").length === 1);
});

worldTest("no more is under way than the card reads, and the order of the calls is kept", async (world, connectTo) => {
  const client = await connectTo({ events: false });
  const held: { readonly client: number; readonly request: number }[] = [];
  world.decide = (number, request) => {
    if (request.kind !== "send") return false;
    held.push({ client: number, request: request.request });
    return true;
  };
  const count = 2_000;
  const done: number[] = [];
  const all = Promise.all(Array.from({ length: count }, async (_, index) => {
    await client.send("g", String(index));
    done.push(index);
  }));
  const bound = applicationWindowMax;
  await world.until(() => held.length === bound);
  let hasRoom = false;
  void client.room().then(() => hasRoom = true);
  for (let index = 0; index < 10; index++) await turn();
  assert.equal([held.length, hasRoom], [bound, false]);
  // A sign of life is read although so much is under way.
  client.alive(1);
  await world.until(() => world.asked("alive").length === 1);
  for (let answered = 0; answered < count; answered++) {
    await world.until(() => held.length > answered);
    const { client: number, request } = held[answered] as { client: number; request: number };
    world.server.send(number, { kind: "sent", request, group: "g", sequence: answered + 1 });
    assert.ok(held.length <= answered + bound);
  }
  await all;
  assert.equal(done, Array.from({ length: count }, (_, index) => index));
  assert.equal(world.asked("send").map(({ data }) => Number(text(data))), done);
  await client.room();
  assert.ok(hasRoom);
});

worldTest("a loop that awaits room before each message hands the card a window at a time", async (world, connectTo) => {
  const client = await connectTo({ events: false });
  world.decide = (_client, { kind }) => kind === "send";
  const write = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Socket.prototype), "write") as PropertyDescriptor;
  let writes = 0;
  Socket.prototype.write = function (this: Socket, ...words: unknown[]): boolean {
    writes++;
    return (write.value as (...words: unknown[]) => boolean).apply(this, words);
  };
  try {
    for (let index = 0; index < applicationWindowMax; index++) {
      await client.room();
      client.send("g", String(index)).catch(() => {});
    }
    await world.until(() => world.asked("send").length === applicationWindowMax);
    assert.is(writes, 1);
  } finally {
    delete (Socket.prototype as Partial<Socket>).write;
  }
});

worldTest(
  "large messages are bounded by their bytes; what waits beyond the bound is refused, and the rest arrives",
  async (world, connectTo) => {
    const client = await connectTo({ events: false });
    const data = new Uint8Array(applicationMessageBytesMax);
    world.decide = (_client, { kind }) => kind === "send";
    const sends = Array.from({ length: 2 * applicationWaitingBytesMax / data.length }, () => client.send("g", data));
    const outcomes = sends.map((sent) => sent.then(() => "sent", ({ code }: ApplicationError) => code));
    await failsWith(sends.at(-1) as Promise<unknown>, "busy", /await room\(\) before each send/);
    // One less than their data alone would allow: frames have heads.
    const atOnce = applicationWindowBytesMax / data.length - 1;
    await world.until(() => world.asked("send").length === atOnce);
    for (let index = 0; index < 10; index++) await turn();
    assert.is(world.asked("send").length, atOnce);
    world.decide = () => false;
    for (const { client: number, request } of [...world.requests]) {
      if (request.kind === "send") world.server.send(number, { kind: "sent", request: request.request, group: "g", sequence: 1 });
    }
    const waiting = applicationWaitingBytesMax / data.length - 1;
    const counts = Object.groupBy(await Promise.all(outcomes), (outcome) => outcome);
    assert.equal([counts["sent"]?.length, counts["busy"]?.length], [atOnce + waiting, sends.length - atOnce - waiting]);
    // What has gone counts no more, under way or waiting.
    world.decide = (_client, { kind }) => kind === "send";
    const before = world.asked("send").length;
    let refused = 0;
    for (let index = 0; index < atOnce + waiting; index++) {
      void client.send("g", data).catch(({ code }: ApplicationError) => refused += code === "busy" ? 1 : 0);
    }
    await world.until(() => world.asked("send").length === before + atOnce);
    assert.is(refused, 0);
    await failsWith(client.send("g", data), "busy", /await room/);
  },
);

worldTest("a message is what it was when it was sent", async (world, connectTo) => {
  const client = await connectTo();
  const data = bytesOf("before");
  const sent = client.send("g", data.subarray(0, 3));
  data.fill(0);
  await sent;
  assert.equal(world.asked("send").map(({ data }) => text(data)), ["bef"]);
});

worldTest("a card that ends says so: calls are rejected, the iteration yields what is left and throws", async (world, connectTo) => {
  const client = await connectTo();
  await client.watch("g");
  world.decide = () => true;
  const sent = client.send("g", "x");
  await world.until(() => world.asked("send").length === 1);
  world.deliver("g", bytesOf("last"));
  await Promise.all([world.server.end(), failsWith(sent, "cutOff", /^the card ended the connection: the card's program ends$/)]);
  const seen: string[] = [];
  const iteration = (async () => {
    for await (const event of client) seen.push(event.kind);
  })();
  await failsWith(iteration, "cutOff", /the card's program ends/);
  assert.equal(seen, ["watching", "message"]);
  await failsWith(client.send("g", "y"), "cutOff", /the card's program ends/);
  await failsWith(client.room(), "cutOff", /the card's program ends/);
});

worldTest("a program that does not take its events is told so, and loses the connection", async (_, connectTo) => {
  const client = await connectTo();
  await client.watch("g");
  const data = new Uint8Array(30_000);
  // Its own messages come back to it, each before its answer.
  const flood = (async () => {
    for (let bytes = 0; bytes < 2 * applicationWaitingBytesMax; bytes += data.length) await client.send("g", data);
  })();
  await failsWith(flood, "overrun", /events came faster than they were taken/);
  let count = 0;
  const iteration = (async () => {
    for await (const event of client) if (event.kind === "message") count++;
  })();
  await failsWith(iteration, "overrun", /events came faster than they were taken/);
  assert.ok(count * data.length > applicationWaitingBytesMax * 0.9, `${count} messages`);
});

worldTest("one that takes them may have any number", async (_, connectTo) => {
  const client = await connectTo();
  await client.watch("g");
  const data = new Uint8Array(30_000);
  for (let bytes = 0; bytes < 2 * applicationWaitingBytesMax; bytes += data.length) {
    await client.send("g", data);
    await take(client, 1);
  }
});

worldTest("one that wants no events gathers none", async (_, connectTo) => {
  const client = await connectTo({ events: false });
  await client.watch("g");
  const data = new Uint8Array(30_000);
  for (let bytes = 0; bytes < 2 * applicationWaitingBytesMax; bytes += data.length) {
    // Its own message comes back to it as well, before the answer.
    await client.send("g", data);
  }
  await client.close();
  assert.equal(await take(client, 1), []);
});

worldTest("more clients than the card takes are told so", async (_, connectTo) => {
  for (let index = 0; index < applicationClientsMax; index++) await connectTo();
  await failsWith(connectTo(), "cutOff", /64 applications are connected/);
});

test("the path is the one given, else the environment's, else the usual one", async () => {
  const world = await ApplicationWorld.open();
  const before = process.env["CARDINAL_SOCKET"];
  try {
    process.env["CARDINAL_SOCKET"] = world.path;
    const client = await connect();
    assert.is(client.path, world.path);
    client.drop();
    await failsWith(connect({ path: join(world.directory, "other") }), "unreachable", /there is no socket .*other; is the card running\?$/);
    process.env["CARDINAL_SOCKET"] = "";
    const usual = await connect().then((client) => (client.drop(), client.path), ({ message }: Error) => message);
    assert.match(usual, /\/run\/cardinal\/applications\.sock/);
  } finally {
    if (before === undefined) delete process.env["CARDINAL_SOCKET"];
    else process.env["CARDINAL_SOCKET"] = before;
    await world.end();
  }
});

test("what is in the way of a connection is named", async () => {
  const directory = mkdtempSync(join(tmpdir(), "cardinal-client-"));
  writeFileSync(join(directory, "file"), "");
  const node = new URL("../../node_modules/.bin/node", import.meta.url).pathname;
  const script = `require("node:net").createServer().listen(process.argv[1], () => process.kill(process.pid, "SIGKILL"))`;
  spawnSync(node, ["-e", script, join(directory, "dead")], { timeout: 20_000 });
  const cases: readonly (readonly [string, RegExp])[] = [
    ["absent", /^there is no socket .*absent; is the card running\?$/],
    ["file/absent", /^there is no socket .*absent; is the card running\?$/],
    ["file", /file is no socket$/],
    ["dead", /^nobody answers at .*dead; is the card running\?$/],
    ["x".repeat(107), /is \d+ bytes too long for a socket$/],
  ];
  for (const [name, expected] of cases) await failsWith(connect({ path: join(directory, name) }), "unreachable", expected);
  rmSync(directory, { recursive: true });
});

/** Something that listens and says `bytes` to whoever comes, then ends the connection or stays. */
async function strangerTest(bytes: Uint8Array, stays: boolean, run: (path: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "cardinal-client-"));
  const path = join(directory, "s");
  const server: Server = createServer((socket) => {
    socket.on("error", () => {});
    socket.resume();
    if (stays) socket.write(bytes);
    else socket.end(bytes);
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  try {
    await run(path);
  } finally {
    await new Promise((resolve) => server.close(resolve));
    rmSync(directory, { recursive: true });
  }
}

const welcome = (version: number) => encodeCardFrame({ kind: "welcome", version, card: 11 as never, chassis: 2, slot: 3, software: "x" });

const strangers: readonly (readonly [string, Uint8Array, ApplicationErrorCode, RegExp])[] = [
  [
    "a server of another kind",
    bytesOf("HTTP/1.1 400 Bad Request\r\n\r\n"),
    "protocol",
    /is no Cardinal card: a frame is empty or too long$/,
  ],
  ["what answers without CBOR", Uint8Array.of(0, 0, 0, 1, 0xff), "protocol", /is no Cardinal card: a frame is not an array/],
  ["one that begins with an event", encodeCardFrame({ kind: "resumed" }), "protocol", /is no Cardinal card: it does not say who it is$/],
  ["a card of a version that was not asked for", welcome(2), "protocol", /^the card speaks version 2 of the protocol, this client 1$/],
];

for (const [name, bytes, code, expected] of strangers) {
  test(`${name} is told from a card`, () => strangerTest(bytes, true, (path) => failsWith(connect({ path }), code, expected)));
}

test("a connection that is cut is lost, before the welcome and behind it", async () => {
  await strangerTest(Uint8Array.of(), false, (path) => failsWith(connect({ path }), "lost", /^the connection to the card was lost/));
  await strangerTest(welcome(1), false, async (path) => {
    const client = await connect({ path });
    await failsWith(take(client, 1), "lost", /^the connection to the card was lost/);
    await failsWith(client.send("g", "x"), "lost", /was lost/);
  });
});

test("who takes connections and says nothing is given up", async () => {
  const real = globalThis.setTimeout;
  const virtual = (run: () => void, ms: number) => real(run, ms === applicationHelloMs ? 1 : ms);
  globalThis.setTimeout = virtual as typeof setTimeout;
  try {
    await strangerTest(
      Uint8Array.of(),
      true,
      (path) => failsWith(connect({ path }), "unreachable", /says nothing; is it a Cardinal card\?$/),
    );
  } finally {
    globalThis.setTimeout = real;
  }
});

test.run();
