/** What every tty driver does, and every pseudo terminal driver, which is the other end of the lines here. */
import { SerialPortStream } from "@serialport/stream";
import * as assert from "uvu/assert";
import type { PtyPort, UartPort } from "../../src/io/ports.ts";
import { type Skips, Suite, type Tester, type World } from "./world.ts";

export type UartWorld = World & {
  /** A line whose tty is at `path`; the far end is what is called upon. */
  makeLine(): Promise<FarEnd>;
  /** Sends what a tty makes of a BREAK, or of a byte with a wrong stop bit, to the tty at the line's path. */
  sendBreak(line: FarEnd): Promise<void>;
  sendDamaged(line: FarEnd): Promise<void>;
  /** Tries to open a tty without the permission to and gives the error's message. */
  openForbidden(path: string): Promise<string>;
  /** A path at which there is something else than a tty. */
  readonly notTty: string;
};

/** The far end of a line: a pseudo terminal's controlling side with what it received. */
export class FarEnd {
  readonly pty: PtyPort;
  readonly received: Uint8Array[];

  constructor(pty: PtyPort, received: Uint8Array[]) {
    this.pty = pty;
    this.received = received;
  }

  get path(): string {
    return this.pty.path;
  }

  get receivedBytes(): number[] {
    return this.received.flatMap((bytes) => [...bytes]);
  }

  get receivedCount(): number {
    return this.received.reduce((sum, bytes) => sum + bytes.length, 0);
  }

  /** Writes all of it, as fast as the tty takes it. */
  async writeAll(world: World, bytes: Uint8Array): Promise<void> {
    let done = this.pty.write(bytes);
    await world.until("everything written", () => {
      if (done < bytes.length) done += this.pty.write(bytes.subarray(done));
      return done === bytes.length;
    });
  }
}

/** Reads a port until it fails or is closed. */
class Reader {
  readonly bytes: number[] = [];
  error: (Error & { disconnect?: boolean; canceled?: boolean }) | undefined;
  readonly done: Promise<void>;

  constructor(port: UartPort, chunkBytes = 4096) {
    this.done = this.#run(port, chunkBytes);
  }

  async #run(port: UartPort, chunkBytes: number): Promise<void> {
    const buffer = Buffer.alloc(chunkBytes);
    try {
      for (;;) {
        const { bytesRead } = await port.read(buffer, 0, buffer.length);
        this.bytes.push(...buffer.subarray(0, bytesRead));
      }
    } catch (error) {
      this.error = error as Error;
    }
  }
}

/** Bytes that mean something to a line discipline, twice and in a row, and all others once. */
const awkward = Uint8Array.from([
  0xff,
  0xff,
  0,
  0xff,
  0,
  0,
  0x11,
  0x13,
  0x03,
  0x04,
  0x0d,
  0x0a,
  0x7f,
  ...Array.from({ length: 256 }, (_, byte) => byte),
  0xff,
]);

function pattern(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (index * 31 + (index >> 8)) & 0xff);
}

async function errorOf(promise: Promise<unknown>): Promise<Error & { disconnect?: boolean; canceled?: boolean }> {
  try {
    await promise;
  } catch (error) {
    return error as Error;
  }
  throw new Error("nothing was rejected");
}

type Place = { readonly world: UartWorld; readonly line: FarEnd; readonly port: UartPort };

async function openLine(world: UartWorld, lock: boolean): Promise<Place> {
  const line = await world.makeLine();
  return { world, line, port: await world.drivers.uart.open({ path: line.path, baudRate: 115_200, lock }) };
}

/** Waits until a promise is settled, in the world's time. */
async function settled<Result>(world: World, promise: Promise<Result>): Promise<Result> {
  let done = false;
  const mark = () => void (done = true);
  promise.then(mark, mark);
  await world.until("the promise is settled", () => done);
  return promise;
}

export function uartConformance(test: Tester, name: string, make: () => Promise<UartWorld>, skips: Skips): void {
  const suite = new Suite(test, `uart, ${name}`, make, skips);
  const property = (title: string, run: (place: Place) => Promise<void>) =>
    suite.property(title, async (world) => run(await openLine(world, true)));
  // What makes the marks of a line error opens the tty as well.
  const sharedProperty = (title: string, run: (place: Place) => Promise<void>) =>
    suite.property(title, async (world) => run(await openLine(world, false)));

  property("HA-2: every byte passes both ways, in order", async ({ world, line, port }) => {
    const reader = new Reader(port);
    await line.writeAll(world, awkward);
    await settled(world, port.write(Buffer.from(awkward)));
    await world.until("all bytes", () => reader.bytes.length >= awkward.length && line.receivedCount >= awkward.length);
    await world.settle();
    assert.equal(reader.bytes, [...awkward]);
    assert.equal(line.receivedBytes, [...awkward]);
    const { receivedBytes, sentBytes, breaks, framingErrors } = port.counters();
    assert.equal([receivedBytes, sentBytes, breaks, framingErrors], [awkward.length, awkward.length, 0, 0]);
  });

  property("bytes that look like marks pass in every split", async ({ world, line, port }) => {
    const reader = new Reader(port);
    const bytes = Uint8Array.from([1, 0xff, 0xff, 0, 0xff, 0, 0, 2, 0xff]);
    const expected: number[] = [];
    for (let split = 0; split <= bytes.length; split++) {
      for (const part of [bytes.subarray(0, split), bytes.subarray(split)]) {
        await line.writeAll(world, part);
        expected.push(...part);
        await world.until("the part", () => reader.bytes.length === expected.length);
      }
    }
    assert.equal(reader.bytes, expected);
  });

  property("a read gives at most what it asked for, and the next one what was left", async ({ world, line, port }) => {
    const reader = new Reader(port, 3);
    await line.writeAll(world, pattern(1_000));
    await world.until("all bytes", () => reader.bytes.length === 1_000);
    assert.equal(reader.bytes, [...pattern(1_000)]);
  });

  property("a read writes only where it was told to", async ({ world, line, port }) => {
    const buffer = Buffer.alloc(10, 0xee);
    const read = port.read(buffer, 4, 2);
    await line.writeAll(world, Uint8Array.of(1, 2, 3, 4));
    const result = await settled(world, read);
    assert.ok(result.bytesRead >= 1 && result.bytesRead <= 2);
    assert.is(result.buffer, buffer);
    assert.equal([...buffer.subarray(0, 5), ...buffer.subarray(6)], [0xee, 0xee, 0xee, 0xee, 1, 0xee, 0xee, 0xee, 0xee]);
  });

  property("a second read at a time and a read without room are refused", async ({ port }) => {
    const pending = errorOf(port.read(Buffer.alloc(4), 0, 4));
    assert.match((await errorOf(port.read(Buffer.alloc(4), 0, 4))).message, "pending");
    await port.close();
    assert.is((await pending).canceled, true);
  });

  property("a big write arrives whole and in order", async ({ world, line, port }) => {
    const bytes = pattern(300_000);
    await settled(world, port.write(Buffer.from(bytes)));
    await world.until("all bytes", () => line.receivedCount === bytes.length);
    assert.ok(Buffer.concat(line.received).equals(bytes));
    assert.is(port.counters().sentBytes, bytes.length);
  });

  property("writes made at the same time go out one after the other", async ({ world, line, port }) => {
    const parts = Array.from({ length: 20 }, (_, number) => new Uint8Array(5_000).fill(number));
    await settled(world, Promise.all(parts.map((part) => port.write(Buffer.from(part)))));
    await world.until("all bytes", () => line.receivedCount === 100_000);
    assert.ok(Buffer.concat(line.received).equals(Buffer.concat(parts)));
  });

  property("what nobody reads is bounded: the oldest bytes are dropped and counted", async ({ world, line, port }) => {
    const bytes = pattern(200_000);
    for (let at = 0; at < bytes.length; at += 1_000) await line.writeAll(world, bytes.subarray(at, at + 1_000));
    await world.until("everything received", () => port.counters().receivedBytes === bytes.length);
    const reader = new Reader(port);
    const { droppedBytes } = port.counters();
    await world.until("the rest", () => reader.bytes.length === bytes.length - droppedBytes);
    await world.settle();
    assert.ok(droppedBytes > 0 && reader.bytes.length <= 64 * 1024 && reader.bytes.length > 32 * 1024, `${reader.bytes.length} were kept`);
    assert.ok(Buffer.from(reader.bytes).equals(bytes.subarray(droppedBytes)), "the newest are kept");
  });

  suite.property("input from before the opening is discarded", async (world) => {
    const line = await world.makeLine();
    line.pty.write(Uint8Array.of(1, 2, 3));
    await world.settle();
    const port = await world.drivers.uart.open({ path: line.path, baudRate: 9_600 });
    const reader = new Reader(port);
    await line.writeAll(world, Uint8Array.of(9));
    await world.until("the new byte", () => reader.bytes.length > 0);
    await world.settle();
    assert.equal(reader.bytes, [9]);
  });

  sharedProperty("a BREAK is told and counted, and is no byte", async ({ world, line, port }) => {
    let told = 0;
    port.onBreak(() => told++);
    const reader = new Reader(port);
    await world.sendBreak(line);
    await world.until("the first BREAK", () => told === 1);
    await line.writeAll(world, Uint8Array.of(5));
    await world.until("the byte", () => reader.bytes.length === 1);
    await world.sendBreak(line);
    await world.until("the second BREAK", () => told === 2);
    assert.equal(reader.bytes, [5]);
    assert.equal([port.counters().breaks, port.counters().receivedBytes], [2, 1]);
  });

  sharedProperty("BREAKs are told also while nobody reads", async ({ world, line, port }) => {
    let told = 0;
    port.onBreak(() => told++);
    await line.writeAll(world, Uint8Array.of(5));
    for (let count = 0; count < 3; count++) await world.sendBreak(line);
    await world.until("three BREAKs", () => told === 3);
    assert.is(port.counters().breaks, 3);
  });

  sharedProperty("a damaged byte is counted and not delivered", async ({ world, line, port }) => {
    const reader = new Reader(port);
    await line.writeAll(world, Uint8Array.of(1));
    await world.until("the first byte", () => reader.bytes.length === 1);
    await world.sendDamaged(line);
    await line.writeAll(world, Uint8Array.of(2));
    await world.until("the second byte", () => reader.bytes.length === 2);
    assert.equal(reader.bytes, [1, 2]);
    assert.equal([port.counters().framingErrors, port.counters().parityErrors, port.counters().breaks], [1, 0, 0]);
  });

  property("sending a BREAK takes about as long as asked", async ({ world, port }) => {
    await settled(world, port.sendBreak(20));
    await settled(world, port.write(Buffer.from([1])));
  });

  property("closing cancels the pending read, and nothing works any more; closing twice is fine", async ({ line, port }) => {
    const reader = new Reader(port);
    await port.close();
    await reader.done;
    assert.is(reader.error?.canceled, true);
    assert.is(port.isOpen, false);
    await port.close();
    const calls = [
      port.read(Buffer.alloc(1), 0, 1),
      port.write(Buffer.alloc(1)),
      port.update({ baudRate: 9_600 }),
      port.flush(),
      port.drain(),
      port.getBaudRate(),
      port.sendBreak(1),
    ];
    for (const call of calls) assert.match((await errorOf(call)).message, `"${line.path}" is not open`);
    assert.type(port.counters().receivedBytes, "number");
  });

  property("closing while bytes come in and go out", async ({ world, line, port }) => {
    const reader = new Reader(port);
    const write = errorOf(port.write(Buffer.alloc(1_000_000)).then(() => Promise.reject(new Error("written"))));
    line.pty.write(pattern(4_000));
    await port.close();
    await reader.done;
    const count = reader.bytes.length;
    const error = await write;
    assert.ok(error.canceled === true || error.message === "written", error.message);
    line.pty.write(pattern(4_000));
    await world.settle();
    assert.is(reader.bytes.length, count);
  });

  property("a hang-up rejects the pending read as a disconnect, and so every call after it", async ({ world, line, port }) => {
    const reader = new Reader(port);
    await world.settle();
    await line.pty.close();
    await settled(world, reader.done);
    assert.is(reader.error?.disconnect, true);
    assert.match(reader.error?.message ?? "", line.path);
    assert.is((await errorOf(port.read(Buffer.alloc(1), 0, 1))).disconnect, true);
    assert.is((await errorOf(port.write(Buffer.alloc(1)))).disconnect, true);
    await port.close();
  });

  property("a hang-up that comes while nobody reads is told to the next read", async ({ world, line, port }) => {
    await line.pty.close();
    await world.settle();
    assert.is((await errorOf(settled(world, port.read(Buffer.alloc(1), 0, 1)))).disconnect, true);
  });

  property("bytes from before a hang-up are read before it is told", async ({ world, line, port }) => {
    await line.writeAll(world, pattern(1_000));
    await world.until("the bytes", () => port.counters().receivedBytes === 1_000);
    await line.pty.close();
    await world.settle();
    const reader = new Reader(port, 64);
    await settled(world, reader.done);
    assert.equal([reader.bytes.length, reader.error?.disconnect], [1_000, true]);
  });

  property("the baud rate is changed while the tty is open", async ({ world, line, port }) => {
    const reader = new Reader(port);
    assert.equal(await port.getBaudRate(), { baudRate: 115_200 });
    for (const baudRate of [9_600, 230_400, 123_456, 1_000_000]) {
      await port.update({ baudRate });
      assert.equal(await port.getBaudRate(), { baudRate });
      await line.writeAll(world, Uint8Array.of(7));
      await settled(world, port.write(Buffer.from([8])));
    }
    await world.until("bytes at each rate", () => reader.bytes.length === 4 && line.receivedCount === 4);
    for (const baudRate of [0, -1, 1.5, Number.NaN]) {
      assert.match((await errorOf(port.update({ baudRate }))).message, "baudRate");
    }
    assert.equal(await port.getBaudRate(), { baudRate: 1_000_000 });
  });

  property("draining waits for the writes before it; flushing discards what was received", async ({ world, line, port }) => {
    void port.write(Buffer.from(pattern(20_000)));
    await settled(world, port.drain());
    await world.until("everything out", () => line.receivedCount === 20_000);
    await line.writeAll(world, pattern(500));
    await world.until("received", () => port.counters().receivedBytes === 500);
    await port.flush();
    const reader = new Reader(port);
    await line.writeAll(world, Uint8Array.of(3));
    await world.until("the byte after the flush", () => reader.bytes.length > 0);
    assert.equal(reader.bytes, [3]);
  });

  property("a tty without modem lines says so", async ({ port }) => {
    assert.match((await errorOf(port.get())).message, "modem lines");
    assert.match((await errorOf(port.set({ rts: true }))).message, "modem lines");
  });

  property("a locked tty is not opened twice, and again after it was closed", async ({ world, line, port }) => {
    const open = () => world.drivers.uart.open({ path: line.path, baudRate: 9_600 });
    assert.is((await errorOf(open())).message, `uart: "${line.path}" is in use by another program`);
    await port.close();
    await (await open()).close();
  });

  suite.property("errors of opening name the tty and what is wrong", async (world) => {
    const open = (path: string, more = {}) => errorOf(world.drivers.uart.open({ path, baudRate: 9_600, ...more }));
    const line = await world.makeLine();
    assert.is((await open("/dev/ttyAbsent9")).message, `uart: there is no tty "/dev/ttyAbsent9"`);
    assert.match((await open(line.path, { baudRate: 0 })).message, "baudRate is 0; it must be a whole number");
    assert.match((await open(line.path, { parity: "strange" })).message, `parity is "strange"`);
    assert.match((await open(line.path, { dataBits: 9 })).message, "dataBits is 9");
    assert.match((await open(line.path, { stopBits: 1.5 })).message, "stopBits is 1.5");
    assert.match(await world.openForbidden(line.path), `uart: no permission to open "${line.path}"`);
  });

  suite.property("something that is no tty is refused", async (world) => {
    const error = await errorOf(world.drivers.uart.open({ path: world.notTty, baudRate: 9_600 }));
    assert.is(error.message, `uart: "${world.notTty}" is not a tty`);
  });

  suite.property("CARD-2: @serialport/stream reads, writes, drains, changes the rate and closes", async (world) => {
    const line = await world.makeLine();
    const stream = new SerialPortStream({ binding: world.drivers.uart, path: line.path, baudRate: 115_200 });
    const received: number[] = [];
    stream.on("data", (bytes: Uint8Array) => received.push(...bytes));
    await settled(world, new Promise<void>((resolve) => stream.once("open", () => resolve())));
    await line.writeAll(world, awkward);
    stream.write(Buffer.from(pattern(10_000)));
    await settled(world, new Promise<void>((resolve, reject) => stream.drain((error) => (error ? reject(error) : resolve()))));
    await world.until("all bytes", () => received.length === awkward.length && line.receivedCount === 10_000);
    assert.equal(received, [...awkward]);
    assert.ok(Buffer.concat(line.received).equals(pattern(10_000)));
    await new Promise<void>((resolve, reject) => stream.update({ baudRate: 57_600 }, (error) => (error ? reject(error) : resolve())));
    await settled(world, new Promise<void>((resolve) => stream.close(() => resolve())));
    assert.is(stream.isOpen, false);
  });

  suite.property("@serialport/stream closes itself at a hang-up and says so", async (world) => {
    const line = await world.makeLine();
    const stream = new SerialPortStream({ binding: world.drivers.uart, path: line.path, baudRate: 115_200 });
    stream.resume();
    await settled(world, new Promise<void>((resolve) => stream.once("open", () => resolve())));
    const closed = new Promise<{ disconnected?: boolean }>((resolve) => stream.once("close", resolve));
    await line.pty.close();
    assert.is((await settled(world, closed)).disconnected, true);
  });

  suite.property("pty: programs come and go, and every byte of theirs arrives", async (world) => {
    const line = await world.makeLine();
    for (let number = 0; number < 5; number++) {
      const port = await world.drivers.uart.open({ path: line.path, baudRate: 115_200 });
      await settled(world, port.write(Buffer.from([number, 0xff])));
      await world.until("the bytes", () => line.receivedCount === 2 * (number + 1));
      const reader = new Reader(port);
      await line.writeAll(world, Uint8Array.of(number));
      await world.until("the answer", () => reader.bytes.length === 1);
      assert.equal(reader.bytes, [number]);
      await port.close();
    }
    assert.equal(line.receivedBytes, [0, 0xff, 1, 0xff, 2, 0xff, 3, 0xff, 4, 0xff]);
  });

  suite.property("pty: without a reader a write takes little, never blocks and loses nothing by that", async (world) => {
    const line = await world.makeLine();
    let taken = 0;
    for (let count = 0; count < 100; count++) {
      const wrote = line.pty.write(pattern(10_000));
      assert.ok(wrote >= 0 && wrote <= 10_000);
      taken += wrote;
      await world.settle();
      if (wrote === 0) break;
    }
    assert.ok(taken > 0 && taken < 100_000, `${taken} bytes were taken`);
    assert.is(line.pty.write(pattern(10)), 0);
  });

  suite.property("pty: closing twice is fine, and a closed one takes nothing", async (world) => {
    const line = await world.makeLine();
    await line.pty.close();
    await line.pty.close();
    assert.is(line.pty.write(Uint8Array.of(1)), 0);
  });

  suite.close();
}
