/** Both watchdog drivers against one suite: the native one on a file, which it takes in a device's place. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { nativeDrivers } from "../../drivers/native.ts";
import { simulatedMachine } from "../../drivers/simulated/machine.ts";
import { VirtualTime } from "./virtual-time.ts";
import { watchdogConformance, type WatchdogWorld } from "./watchdog.ts";
import { realWaiting, virtualWaiting } from "./world.ts";

function native(): Promise<WatchdogWorld> {
  const directory = mkdtempSync(join(tmpdir(), "cardinal-watchdog-"));
  const path = join(directory, "watchdog");
  writeFileSync(path, "");
  return Promise.resolve({
    ...realWaiting,
    drivers: nativeDrivers(),
    path,
    written: () => readFileSync(path, "utf8"),
    notWatchdog: "/dev/null",
    end: () => Promise.resolve(rmSync(directory, { recursive: true })),
  });
}

function simulated(): Promise<WatchdogWorld> {
  const time = new VirtualTime();
  const machine = simulatedMachine({ scheduler: time, etherDelayMs: 0, isPrivileged: true });
  const path = "/dev/watchdog0";
  machine.watchdogs.addDevice(path);
  return Promise.resolve({
    ...virtualWaiting(time),
    drivers: machine.drivers,
    path,
    written: () => machine.watchdogs.writtenTo(path),
    notWatchdog: "/dev/null",
    end: () => Promise.resolve(),
  });
}

watchdogConformance(test, "native", native, {});
watchdogConformance(test, "simulated", simulated, {
  "something that is no watchdog is refused": "a simulated machine has nothing else to open as one",
});

test("watchdog, simulated: it fires when it is not fed in time, unless it was disarmed", async () => {
  const time = new VirtualTime();
  const { watchdogs } = simulatedMachine({ scheduler: time, etherDelayMs: 0, isPrivileged: true });
  for (const path of ["fed", "starved", "disarmed", "abandoned"]) watchdogs.addDevice(path);
  const fed = watchdogs.open("fed", 2);
  watchdogs.open("starved", 2);
  watchdogs.open("disarmed", 2).close({ disarm: true });
  watchdogs.open("abandoned", 2).close({ disarm: false });
  for (let second = 1; second <= 5; second++) time.schedule(second * 1_000, () => fed.feed());
  time.schedule(5_500, () => fed.close({ disarm: true }));
  await time.idle();
  assert.equal(["fed", "starved", "disarmed", "abandoned"].map((path) => watchdogs.firedCountOf(path)), [0, 1, 0, 1]);
});

test.run();
