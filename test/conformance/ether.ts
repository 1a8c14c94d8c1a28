/** What every Ethernet driver does. */
import * as assert from "uvu/assert";
import type { EtherEvent, EtherFrame, EtherOptions, EtherPort, Mac } from "../../src/io/ports.ts";
import { receiveQueueMax } from "../../src/limits.ts";
import { type Skips, Suite, type Tester, type World } from "./world.ts";

export type EtherWorld = World & {
  /** Two interfaces, joined by a wire. */
  readonly left: string;
  readonly right: string;
  /** Takes the carrier from an interface, or gives it back. */
  setCarrier(name: string, up: boolean): Promise<void>;
  /** Puts an interface down, as an operator does. */
  takeDown(name: string): Promise<void>;
  /** Removes an interface from the machine. */
  remove(name: string): Promise<void>;
  /** Tries to open an interface without the permission to and gives the error's message. */
  openForbidden(name: string): Promise<string>;
};

const etherType = 0x88b5;
const otherType = 0x88b6;
const foreignType = 0x9999;
const group: Mac = Uint8Array.of(0x03, 0x00, 0x00, 0x00, 0x00, 0x01);
const otherGroup: Mac = Uint8Array.of(0x03, 0x00, 0x00, 0x00, 0x00, 0x02);
const nearlyGroup: Mac = Uint8Array.of(0x03, 0x00, 0x00, 0x01, 0x00, 0x01);
const broadcast: Mac = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff);
const stranger: Mac = Uint8Array.of(0x02, 0x77, 0x77, 0x77, 0x77, 0x77);

/** An open port and what it told. */
class Listener {
  readonly events: EtherEvent[] = [];
  port!: EtherPort;

  get frames(): EtherFrame[] {
    return this.events.flatMap((event) => (event.kind === "frames" ? event.frames : []));
  }

  get carrier(): boolean[] {
    return this.events.flatMap((event) => (event.kind === "carrier" ? [event.up] : []));
  }

  get failures(): string[] {
    return this.events.flatMap((event) => (event.kind === "failed" ? [event.error] : []));
  }

  /** The number that each frame carries, in the order of arrival. */
  get numbers(): number[] {
    return this.frames.map((frame) => numberIn(frame.payload));
  }
}

/** A payload of `length` bytes that carries a number. */
function numbered(number: number, length = 46): Uint8Array {
  const payload = new Uint8Array(length);
  new DataView(payload.buffer).setUint32(0, number);
  return payload;
}

function numberIn(payload: Uint8Array): number {
  return new DataView(payload.buffer, payload.byteOffset).getUint32(0);
}

async function listen(world: EtherWorld, name: string, options: Partial<EtherOptions> = {}): Promise<Listener> {
  const listener = new Listener();
  listener.port = await world.drivers.ether.open(
    { interface: name, etherTypes: [etherType], groups: [group], ...options },
    (event) => listener.events.push(event),
  );
  return listener;
}

async function messageOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    return (error as Error).message;
  }
  return "no error";
}

export function etherConformance(test: Tester, name: string, make: () => Promise<EtherWorld>, skips: Skips): void {
  const suite = new Suite(test, `ether, ${name}`, make, skips);

  suite.property("CARD-2: frames arrive whole, in order, with their source and type", async (world) => {
    const [left, right] = [await listen(world, world.left), await listen(world, world.right)];
    const payloads = Array.from({ length: 50 }, (_, number) => numbered(number, 46 + number * 29));
    for (const payload of payloads) assert.is(left.port.send(right.port.mac, etherType, payload), true);
    await world.until("all frames", () => right.frames.length === payloads.length);
    assert.equal(right.frames.map((frame) => frame.payload), payloads);
    for (const frame of right.frames) {
      assert.equal({ source: frame.source, type: frame.etherType }, { source: left.port.mac, type: etherType });
    }
  });

  suite.property("a short payload arrives padded with zeros, as Ethernet does it", async (world) => {
    const [left, right] = [await listen(world, world.left), await listen(world, world.right)];
    for (const length of [0, 1, 45, 46, 47]) left.port.send(right.port.mac, etherType, new Uint8Array(length).fill(7));
    await world.until("all frames", () => right.frames.length === 5);
    assert.equal(right.frames.map((frame) => frame.payload.length), [46, 46, 46, 46, 47]);
    assert.equal(right.frames.map((frame) => frame.payload.reduce((sum, byte) => sum + byte, 0) / 7), [0, 1, 45, 46, 47]);
  });

  suite.property("a received payload is never written to again", async (world) => {
    const [left, right] = [await listen(world, world.left), await listen(world, world.right)];
    left.port.send(right.port.mac, etherType, numbered(1));
    await world.until("the first frame", () => right.frames.length === 1);
    const first = (right.frames[0] as EtherFrame).payload;
    for (let number = 2; number < 200; number++) left.port.send(right.port.mac, etherType, numbered(number, 1_500));
    await world.until("the others", () => right.frames.length === 199);
    assert.is(numberIn(first), 1);
    assert.is(new Set(right.frames.map((frame) => frame.payload.buffer)).size, 199);
  });

  suite.property("frames to everybody and to a joined group arrive, those to other groups and hosts do not", async (world) => {
    const [left, right] = [await listen(world, world.left), await listen(world, world.right)];
    const destinations = [group, otherGroup, nearlyGroup, broadcast, stranger, right.port.mac];
    destinations.forEach((destination, number) => left.port.send(destination, etherType, numbered(number)));
    await world.until("the last frame", () => right.numbers.includes(5));
    await world.settle();
    assert.equal(right.numbers, [0, 3, 5]);
  });

  suite.property("several types and several groups, also named twice", async (world) => {
    const options = { etherTypes: [etherType, otherType, etherType], groups: [otherGroup, group, group] };
    const [left, right] = [await listen(world, world.left), await listen(world, world.right, options)];
    left.port.send(group, etherType, numbered(0));
    left.port.send(otherGroup, otherType, numbered(1));
    await world.until("both", () => right.frames.length >= 2);
    await world.settle();
    assert.is(right.frames.length, 2);
    const types = new Map(right.frames.map((frame) => [numberIn(frame.payload), frame.etherType]));
    assert.equal([types.get(0), types.get(1)], [etherType, otherType]);
  });

  suite.property("foreign EtherTypes do not arrive and are not counted", async (world) => {
    const [left, right] = [await listen(world, world.left), await listen(world, world.right)];
    for (let number = 0; number < 100; number++) left.port.send(broadcast, foreignType, numbered(number));
    left.port.send(broadcast, etherType, numbered(100));
    await world.until("our frame", () => right.frames.length > 0);
    await world.settle();
    assert.equal(right.numbers, [100]);
    assert.is(right.port.counters().receivedFrames, 1);
  });

  suite.property("own frames are not received, whatever they are addressed to", async (world) => {
    const [left, right] = [await listen(world, world.left), await listen(world, world.right)];
    const destinations = [broadcast, group, left.port.mac, right.port.mac];
    for (const destination of destinations) left.port.send(destination, etherType, numbered(1));
    await world.until("the frames on the other side", () => right.frames.length === 3);
    await world.settle();
    assert.is(left.frames.length, 0);
  });

  suite.property("counters tell what was sent and received, and only grow", async (world) => {
    const [left, right] = [await listen(world, world.left), await listen(world, world.right)];
    for (let number = 0; number < 10; number++) left.port.send(group, etherType, numbered(number, 100));
    await world.until("all frames", () => right.frames.length === 10);
    const sent = left.port.counters();
    const received = right.port.counters();
    assert.equal([sent.sentFrames, sent.sentBytes, sent.sendErrors], [10, 1_140, 0]);
    assert.equal([received.receivedFrames, received.receivedBytes, received.droppedFrames], [10, 1_140, 0]);
    assert.equal(right.port.counters(), received);
    await right.port.close();
    assert.equal(right.port.counters(), received);
  });

  suite.property("a flood is bounded: what does not fit is dropped and counted", async (world) => {
    const [left, right] = [await listen(world, world.left), await listen(world, world.right)];
    const count = 16 * receiveQueueMax;
    let sent = 0;
    for (let number = 0; number < count; number++) sent += left.port.send(group, etherType, numbered(number)) ? 1 : 0;
    await world.until("each frame received or dropped", () => right.frames.length + right.port.counters().droppedFrames === sent);
    await world.settle();
    // A kernel's socket buffer holds some beside our queue.
    assert.ok(right.frames.length <= 4 * receiveQueueMax, `${right.frames.length} frames were delivered`);
    const numbers = right.numbers;
    assert.equal(numbers, numbers.slice().sort((one, other) => one - other), "in order");
    assert.is(sent + left.port.counters().sendErrors, count);
    left.port.send(group, etherType, numbered(count));
    await world.until("a frame after the flood", () => right.numbers.includes(count));
  });

  suite.property("a payload above the MTU is refused and counted", async (world) => {
    const [left, right] = [await listen(world, world.left), await listen(world, world.right)];
    assert.is(left.port.mtu, 1_500);
    assert.is(left.port.send(right.port.mac, etherType, new Uint8Array(1_501)), false);
    assert.is(left.port.send(right.port.mac, etherType, new Uint8Array(1_500)), true);
    await world.until("the frame", () => right.frames.length === 1);
    assert.equal([left.port.counters().sendErrors, left.port.counters().sentFrames], [1, 1]);
  });

  suite.property("the carrier is told after opening and at each change, and frames pass again after it", async (world) => {
    const [left, right] = [await listen(world, world.left), await listen(world, world.right)];
    await world.until("the first carrier", () => right.carrier.length === 1);
    await world.setCarrier(world.right, false);
    await world.until("carrier lost", () => right.carrier.length === 2);
    await world.setCarrier(world.right, true);
    await world.until("carrier back", () => right.carrier.length === 3);
    await world.until("carrier back on the left", () => left.carrier.at(-1) === true);
    assert.equal(right.carrier, [true, false, true]);
    left.port.send(group, etherType, numbered(1));
    await world.until("a frame", () => right.frames.length === 1);
    assert.equal(right.failures, []);
  });

  suite.property("an interface without carrier is told as such after opening", async (world) => {
    await world.setCarrier(world.right, false);
    const right = await listen(world, world.right);
    await world.until("the first carrier", () => right.carrier.length === 1);
    assert.equal(right.carrier, [false]);
  });

  suite.property("an interface that is down has no carrier and refuses frames, which is counted", async (world) => {
    const left = await listen(world, world.left);
    await world.until("the first carrier", () => left.carrier.length === 1);
    await world.takeDown(world.left);
    await world.until("carrier lost", () => left.carrier.length === 2);
    assert.is(left.port.send(group, etherType, numbered(1)), false);
    assert.equal([left.port.counters().sendErrors, left.port.counters().sentFrames], [1, 0]);
    assert.equal(left.failures, []);
  });

  suite.property("a removed interface fails the port, once, and closing it is fine", async (world) => {
    const right = await listen(world, world.right);
    await world.until("the first carrier", () => right.carrier.length === 1);
    await world.remove(world.right);
    await world.until("the failure", () => right.failures.length === 1);
    assert.match(right.failures[0] as string, world.right);
    assert.match(right.failures[0] as string, "gone");
    assert.is(right.port.send(group, etherType, numbered(1)), false);
    await world.settle();
    assert.is(right.failures.length, 1);
    await right.port.close();
  });

  suite.property("no event comes after closing, also while frames come in; closing twice is fine", async (world) => {
    const [left, right] = [await listen(world, world.left), await listen(world, world.right)];
    for (let number = 0; number < 200; number++) left.port.send(group, etherType, numbered(number));
    await right.port.close();
    const count = right.events.length;
    for (let number = 0; number < 200; number++) left.port.send(group, etherType, numbered(number));
    await world.settle();
    assert.is(right.events.length, count);
    await right.port.close();
    assert.is(right.port.send(group, etherType, numbered(1)), false);
  });

  suite.property("a port that its own listener closes tells nothing more, also of what came at the same time", async (world) => {
    const left = await listen(world, world.left);
    const kinds: string[] = [];
    const port: EtherPort = await world.drivers.ether.open(
      { interface: world.right, etherTypes: [etherType], groups: [group] },
      (event) => {
        kinds.push(event.kind);
        void port.close();
      },
    );
    left.port.send(group, etherType, numbered(1));
    // Time for a driver's thread to have the frame and the first carrier ready together.
    for (const end = performance.now() + 30; performance.now() < end;);
    await world.until("the first event", () => kinds.length > 0);
    left.port.send(group, etherType, numbered(2));
    await world.settle();
    assert.is(kinds.length, 1);
  });

  suite.property("two ports on one interface each get the frames", async (world) => {
    const [left, one, other] = [await listen(world, world.left), await listen(world, world.right), await listen(world, world.right)];
    left.port.send(group, etherType, numbered(9));
    await world.until("both", () => one.frames.length === 1 && other.frames.length === 1);
    await one.port.close();
    left.port.send(group, etherType, numbered(10));
    await world.until("the second", () => other.frames.length === 2);
    assert.equal(other.numbers, [9, 10]);
  });

  suite.property("errors of opening name the interface and what is wrong", async (world) => {
    const options = { etherTypes: [etherType], groups: [] };
    assert.is(
      await messageOf(world.drivers.ether.open({ interface: "absent0", ...options }, () => {})),
      `ether: there is no interface "absent0"`,
    );
    assert.match(
      await messageOf(world.drivers.ether.open({ interface: "a-name-that-is-far-too-long", ...options }, () => {})),
      "no interface",
    );
    assert.match(await messageOf(world.drivers.ether.open({ interface: world.left, etherTypes: [0x100], groups: [] }, () => {})), "0x0600");
    const forbidden = await world.openForbidden(world.left);
    assert.match(forbidden, `no permission to open "${world.left}"`);
    assert.match(forbidden, "CAP_NET_RAW");
  });

  suite.close();
}
