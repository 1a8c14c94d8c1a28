import { test } from "uvu";
import * as assert from "uvu/assert";
import { Monitor } from "../../src/cluster/group-monitor.ts";
import { lateTickMs } from "../../src/limits.ts";

test("HA-6: asked once in each period while it answers, never before", () => {
  const monitor = new Monitor(0, 100);
  assert.is(monitor.deadline(), 100);
  assert.is(monitor.onTick(99, 1), undefined);
  assert.is(monitor.onTick(100, 1), "ask");
  assert.is(monitor.deadline(), 200);
  monitor.onAlive(1);
  assert.is(monitor.onTick(199, 2), undefined);
  assert.is(monitor.onTick(200, 2), "ask");
});

test("HA-6: dead when the time is over without the right answer, and not before", () => {
  const monitor = new Monitor(0, 100);
  monitor.onTick(100, 7);
  monitor.onAlive(6);
  assert.is(monitor.onTick(199, 8), undefined);
  assert.is(monitor.onTick(200 + lateTickMs, 8), "dead");
});

test("a tick that was late gives as much time again, no more than the period at once", () => {
  for (const [lateMs, graceMs] of [[lateTickMs + 1, lateTickMs + 1], [60, 60], [60_000, 100]] as const) {
    const monitor = new Monitor(0, 100);
    monitor.onTick(100, 7);
    assert.is(monitor.onTick(200 + lateMs, 8), undefined);
    assert.is(monitor.deadline(), 200 + lateMs + graceMs);
    monitor.onAlive(7);
    assert.is(monitor.onTick(monitor.deadline(), 8), "ask");
  }
});

test("a card that is always a little late finds a dead member all the same; one that stalls again does not blame it", () => {
  const monitor = new Monitor(0, 100);
  monitor.onTick(100, 7);
  assert.is(monitor.onTick(210, 8), undefined);
  assert.is(monitor.onTick(220 + 10, 8), "dead");
  const other = new Monitor(0, 100);
  other.onTick(100, 7);
  assert.is(other.onTick(210, 8), undefined);
  assert.is(other.onTick(220 + 50, 8), undefined);
  assert.is(other.onTick(other.deadline(), 8), "dead");
});

test("the patience of one question is not kept for the next", () => {
  const monitor = new Monitor(0, 100);
  monitor.onTick(100, 7);
  monitor.onTick(260, 8);
  monitor.onAlive(7);
  assert.is(monitor.onTick(320, 8), "ask");
  assert.is(monitor.onTick(420 + lateTickMs + 1, 9), undefined);
});

test.run();
