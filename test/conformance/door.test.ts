/** The door: what hosts send before they are served, and how they are handed over. */
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { nativeDoor } from "../../drivers/door/door.ts";
import { loadAddon } from "../../drivers/load.ts";
import type { DoorEvents, DoorPort } from "../../src/io/ports.ts";

type Event = { readonly kind: keyof DoorEvents; readonly connection: number; readonly value: unknown };

/** A door whose events are waited for one by one. */
class Watched {
  readonly port: DoorPort;
  readonly #events: Event[] = [];
  #waiting: (() => void) | undefined;

  constructor(connectionsMax = 16) {
    this.port = nativeDoor(loadAddon()).open(connectionsMax, {
      accepted: (connection, listener, address) => this.#on("accepted", connection, `${listener} ${address}`),
      bytes: (connection, bytes) => this.#on("bytes", connection, bytes),
      sent: (connection) => this.#on("sent", connection, undefined),
      released: (connection, descriptor) => this.#on("released", connection, descriptor),
      gone: (connection, error) => this.#on("gone", connection, error),
      deaf: (listener) => this.#on("deaf", listener, undefined),
    });
  }

  #on(kind: keyof DoorEvents, connection: number, value: unknown): void {
    this.#events.push({ kind, connection, value });
    this.#waiting?.();
  }

  async next(kind: keyof DoorEvents): Promise<Event> {
    for (;;) {
      const index = this.#events.findIndex((event) => event.kind === kind);
      if (index >= 0) return this.#events.splice(index, 1)[0] as Event;
      await new Promise<void>((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`no ${kind} within 5 s; there was ${JSON.stringify(this.#events)}`)), 5_000);
        this.#waiting = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  has(kind: keyof DoorEvents): boolean {
    return this.#events.some((event) => event.kind === kind);
  }
}

const text = (value: string) => new TextEncoder().encode(value);
const none = new Uint8Array(0);
const textOf = (event: Event) => new TextDecoder().decode(event.value as Uint8Array);

function received(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    let all = "";
    socket.on("data", (bytes) => {
      all += String(bytes);
    });
    socket.on("error", () => resolve(all));
    socket.on("close", () => resolve(all));
  });
}

const test = suite("door");

test("a connection over TCP is told with its address, read when asked, answered and ended", async () => {
  const door = new Watched();
  const port = door.port.listen(7, { host: "127.0.0.1", port: 0 });
  const socket = connect(port, "127.0.0.1");
  const all = received(socket);
  const { connection, value } = await door.next("accepted");
  assert.is(value, "7 127.0.0.1");
  socket.write("one");
  assert.ok(door.port.answer(connection, text("hello"), "more"));
  assert.is(textOf(await door.next("bytes")), "one");
  socket.write("two");
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.not(door.has("bytes"), "it was not asked for more");
  door.port.answer(connection, none, "more");
  assert.is(textOf(await door.next("bytes")), "two");
  door.port.answer(connection, text(" bye"), "end");
  assert.is(await all, "hello bye");
  assert.not(door.port.answer(connection, none, "more"));
  await door.port.close();
});

test("a Unix socket has no address, is for its owner alone, replaces one that is left over, and goes with its listener", async () => {
  const directory = mkdtempSync(join(tmpdir(), "door-"));
  const path = join(directory, "socket");
  const [door, other] = [new Watched(), new Watched()];
  try {
    assert.is(door.port.listen(1, { path }), 0);
    assert.is(statSync(path).mode & 0o777, 0o600);
    const socket = connect(path);
    const all = received(socket);
    const { connection, value } = await door.next("accepted");
    assert.is(value, "1 ");
    door.port.answer(connection, text("x"), "end");
    assert.is(await all, "x");
    assert.throws(() => other.port.listen(1, { path }), /socket: Address already in use/);
    door.port.unlisten(1);
    assert.throws(() => statSync(path));
    other.port.listen(1, { path });
  } finally {
    await door.port.close();
    await other.port.close();
    rmSync(directory, { recursive: true });
  }
});

test("what is released is another one's, once all was sent, with what the host had sent unread", async () => {
  const door = new Watched();
  const port = door.port.listen(1, { host: "::1", port: 0 });
  const socket = connect(port, "::1");
  const all = received(socket);
  const { connection, value } = await door.next("accepted");
  assert.is(value, "1 ::1");
  door.port.answer(connection, text("go"), "release");
  socket.write("request");
  const { value: descriptor } = await door.next("released");
  assert.ok((descriptor as number) > 2);
  assert.not(door.port.answer(connection, none, "more"));
  door.port.discard(descriptor as number);
  assert.ok((await all).length <= 2, "closed with bytes unread, it is reset");
  await door.port.close();
});

test("a host that goes is told of once it was asked; whoever comes when there are too many waits", async () => {
  const door = new Watched(2);
  const port = door.port.listen(1, { host: "127.0.0.1", port: 0 });
  const sockets = [connect(port, "127.0.0.1"), connect(port, "127.0.0.1"), connect(port, "127.0.0.1")];
  const first = await door.next("accepted");
  await door.next("accepted");
  await door.next("deaf");
  assert.not(door.has("accepted"));
  sockets[0]?.destroy();
  sockets[1]?.destroy();
  door.port.answer(first.connection, none, "more");
  // Which of the sockets was accepted first is not ours to know: one of the two, or the third, which stays.
  await Promise.race([door.next("gone"), new Promise((resolve) => setTimeout(resolve, 300))]);
  for (const socket of sockets) socket.destroy();
  await door.port.close();
});

test("a pair carries bytes between a connection and a descriptor", async () => {
  const door = new Watched();
  const { connection, descriptor } = door.port.pair();
  assert.ok(door.port.answer(connection, text("in"), "more"));
  await door.next("sent");
  door.port.discard(descriptor);
  const { value } = await door.next("gone");
  assert.ok(value === undefined || value === "error 104");
  await door.port.close();
});

test("what a host does not take is bounded", async () => {
  const door = new Watched();
  const port = door.port.listen(1, { host: "127.0.0.1", port: 0 });
  const socket = connect(port, "127.0.0.1");
  socket.pause();
  const { connection } = await door.next("accepted");
  const piece = new Uint8Array(64 * 1024);
  assert.throws(() => {
    for (let count = 0; count < 1_000; count++) door.port.answer(connection, piece, "nothing");
  }, /cannot be answered/);
  socket.destroy();
  await door.port.close();
});

test("an address that is not ours yet can be listened on; nonsense cannot", async () => {
  const door = new Watched();
  assert.ok(door.port.listen(1, { host: "192.0.2.7", port: 0 }) > 0);
  assert.ok(door.port.listen(2, { host: "2001:db8::7", port: 0 }) > 0);
  assert.throws(() => door.port.listen(3, { host: "somewhere", port: 0 }), /somewhere: Invalid argument/);
  assert.throws(() => door.port.listen(3, { path: "/".padEnd(200, "x") }), /File name too long/);
  await door.port.close();
});

test.run();
