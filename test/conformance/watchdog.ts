/** What every watchdog driver does. */
import * as assert from "uvu/assert";
import { type Skips, Suite, type Tester, type World } from "./world.ts";

export type WatchdogWorld = World & {
  /** A device, and what was written to it so far. */
  readonly path: string;
  written(): string;
  /** A path at which there is something else than a watchdog. */
  readonly notWatchdog: string;
};

function messageOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    return (error as Error).message;
  }
  return "no error";
}

export function watchdogConformance(test: Tester, name: string, make: () => Promise<WatchdogWorld>, skips: Skips): void {
  const suite = new Suite(test, `watchdog, ${name}`, make, skips);

  suite.property("each feed writes, and a disarming close writes the magic character last", async (world) => {
    const watchdog = world.drivers.watchdog.open(world.path, 10);
    assert.is(watchdog.timeoutS, 10);
    assert.is(world.written(), "");
    for (let count = 1; count <= 3; count++) {
      watchdog.feed();
      assert.is(world.written(), ".".repeat(count));
    }
    watchdog.close({ disarm: true });
    assert.is(world.written(), "...V");
    await Promise.resolve();
  });

  suite.property("a close that does not disarm writes nothing", async (world) => {
    const watchdog = world.drivers.watchdog.open(world.path, 10);
    watchdog.feed();
    watchdog.close({ disarm: false });
    assert.is(world.written(), ".");
    await Promise.resolve();
  });

  suite.property("closing twice is fine and writes once; feeding a closed one throws", async (world) => {
    const watchdog = world.drivers.watchdog.open(world.path, 10);
    watchdog.close({ disarm: true });
    watchdog.close({ disarm: true });
    assert.is(world.written(), "V");
    assert.match(messageOf(() => watchdog.feed()), `watchdog: "${world.path}" cannot be fed`);
    assert.is(world.written(), "V");
    await Promise.resolve();
  });

  suite.property("errors name the path and what is wrong", async (world) => {
    const { watchdog } = world.drivers;
    assert.is(messageOf(() => watchdog.open("/dev/absent9", 10)), `watchdog: there is no device "/dev/absent9"`);
    assert.match(messageOf(() => watchdog.open(world.path, 0)), "a time-out of 0 s is out of range");
    assert.is(world.written(), "");
    await Promise.resolve();
  });

  suite.property("something that is no watchdog is refused", async (world) => {
    const message = messageOf(() => world.drivers.watchdog.open(world.notWatchdog, 10));
    assert.is(message, `watchdog: "${world.notWatchdog}" is no watchdog device`);
    await Promise.resolve();
  });

  suite.close();
}
