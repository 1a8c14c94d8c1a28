/** Applications run by plain commands: what starts, hangs, forks, will not end, writes too much or exits oddly. */
import { existsSync, mkdirSync, readFileSync, unlinkSync, writeFileSync } from "node:fs";
import process from "node:process";
import { clearInterval, setInterval } from "node:timers";
import { setTimeout } from "node:timers/promises";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { ResourceSpec } from "../../../src/failover/resource.ts";
import { groupOf } from "../../../src/io/resources/programs.ts";
import { hookGraceMs, hookQuestionsMax, hooksWaitingMax } from "../../../src/limits.ts";
import { enterWorld, makeWorld, processes, until, type World } from "./world.ts";

enterWorld(import.meta.url);

function shell(
  scripts: { start?: string; stop?: string; monitor?: string },
  environment: Record<string, string> = {},
): ResourceSpec {
  const vector = (script = "exit 0") => ["/bin/sh", "-c", script];
  const { start, stop, monitor = "exit 7" } = scripts;
  return {
    kind: "application",
    agent: { kind: "command", start: vector(start), stop: vector(stop), monitor: vector(monitor), environment },
  };
}

/** A daemon of its own session whose process number is in a file. */
function daemon(directory: string, seconds = "1000"): ResourceSpec {
  const file = `${directory}/pid`;
  return shell({
    start: `setsid sleep ${seconds} & echo $! > ${file}`,
    stop: `kill $(cat ${file})`,
    monitor: `kill -0 $(cat ${file}) 2>/dev/null && grep -q sleep /proc/$(cat ${file})/cmdline || exit 7`,
  });
}

/** Each test with cgroups, where there are some, and without. */
function both(name: string, body: (world: World) => Promise<void>): void {
  for (const groups of [undefined, ""]) {
    test(`${name}${groups === undefined ? "" : " (without cgroups)"}`, async () => {
      const world = await makeWorld(groups === undefined ? {} : { groups });
      try {
        await body(world);
        await until("nothing is left running", () => processes().length === 0);
      } finally {
        await world.end();
      }
    });
  }
}

both("HA-12: an application starts, is monitored, and stops with proof", async (world) => {
  const spec = daemon(world.directory);
  assert.is((await world.run("monitor", spec)).outcome, "notRunning");
  const started = await world.run("start", spec);
  assert.equal([started.outcome, started.reason, started.resource, started.hook], ["done", "", "r.1/a", "start"]);
  assert.is((await world.run("monitor", spec)).outcome, "done");
  assert.is((await world.run("announce", spec)).outcome, "done");
  assert.is((await world.run("stop", spec)).outcome, "done");
  assert.is((await world.run("monitor", spec)).outcome, "notRunning");
  assert.equal(world.events, []);
});

test("HA-12: an application whose last process ends is told at once", async () => {
  const world = await makeWorld();
  try {
    if (!world.hasGroups) return;
    const spec = daemon(world.directory);
    await world.run("start", spec);
    await world.run("monitor", spec);
    assert.equal(world.events, []);
    process.kill(Number(readFileSync(`${world.directory}/pid`, "utf8")), "SIGKILL");
    await until("it is told", () => world.events.length > 0);
    assert.equal(world.events, [{ resource: "r.1/a", kind: "ended", reason: "its last process has ended" }]);
    assert.is((await world.run("monitor", spec)).outcome, "notRunning");
  } finally {
    await world.end();
  }
});

test("HA-12: the end of what an earlier run of the card started is told, once its monitor has found it", async () => {
  const first = await makeWorld();
  try {
    if (!first.hasGroups) return;
    const spec = daemon(first.directory);
    await first.run("start", spec);
    await first.resources.close();
    const second = await makeWorld({ groups: first.groups });
    try {
      assert.is((await second.run("monitor", spec)).outcome, "done");
      process.kill(Number(readFileSync(`${first.directory}/pid`, "utf8")), "SIGKILL");
      await until("it is told", () => second.events.length > 0);
      assert.is((await second.run("start", spec)).outcome, "done");
      assert.is((await second.run("stop", spec)).outcome, "done");
      assert.is(second.events.length, 1);
    } finally {
      await second.end();
    }
  } finally {
    await first.end();
  }
});

test("an application that ends between its monitor's answer and its watch is told", async () => {
  const world = await makeWorld();
  try {
    if (!world.hasGroups) return;
    mkdirSync(`${world.groups}/${groupOf("r.1/a")}`);
    assert.is((await world.run("monitor", shell({ monitor: "exit 0" }))).outcome, "done");
    await until("it is told", () => world.events.length > 0);
    assert.is((await world.run("monitor", shell({ monitor: "exit 0" }), { resource: "without processes" })).outcome, "done");
    await setTimeout(100);
    assert.is(world.events.length, 1);
  } finally {
    await world.end();
  }
});

both("a hook that hangs is ended at its deadline, with all that it started", async (world) => {
  const spec = shell({ start: "sleep 1001 & setsid sleep 1002 & (setsid setsid sleep 1003 &); sleep 1000" });
  const { outcome, reason, ms } = await world.run("start", spec, { deadlineMs: 300 });
  assert.is(outcome, "timeout");
  assert.is(reason, "/bin/sh (start) was not over in time and was killed");
  assert.ok(ms >= 300 && ms < 300 + hookGraceMs + 500, `${ms} ms`);
});

both("a hook that ignores SIGTERM is killed", async (world) => {
  const spec = shell({ monitor: "trap '' TERM; echo still here; (trap '' TERM; sleep 1000) & while :; do sleep 1; done" });
  const { outcome, reason, ms } = await world.run("monitor", spec, { deadlineMs: 300 });
  assert.is(outcome, "timeout");
  assert.is(reason, "/bin/sh (monitor) was not over in time and was killed; it wrote: still here");
  assert.ok(ms >= 300 + hookGraceMs && ms < 300 + hookGraceMs + 1_000, `${ms} ms`);
});

both("a monitor that leaves processes behind has them ended", async (world) => {
  const { outcome } = await world.run("monitor", shell({ monitor: "sleep 1000 & exit 0" }));
  assert.is(outcome, "done");
});

test("what a start leaves running is ended by its stop, also where the stop forgets it", async () => {
  const world = await makeWorld();
  try {
    if (!world.hasGroups) return;
    const spec = shell({ start: "sleep 1000 & trap '' TERM; (trap '' TERM; sleep 1000) &" });
    assert.is((await world.run("start", spec)).outcome, "done");
    await until("both run", () => processes().length === 2);
    assert.is((await world.run("stop", spec)).outcome, "done");
    await until("nothing is left running", () => processes().length === 0);
  } finally {
    await world.end();
  }
});

both("megabytes of output are read and their last lines told", async (world) => {
  const spec = shell({ start: "head -c 20000000 /dev/zero | tr '\\0' x; echo; echo first; echo second >&2; exit 1" });
  const { outcome, reason } = await world.run("start", spec);
  assert.is(outcome, "failed");
  assert.match(reason, /^\/bin\/sh \(start\) ended with code 1: x+; first; second$/);
  assert.ok(reason.length < 500, `${reason.length} characters`);
});

test("a daemon may go on writing to what its start had as its output", async () => {
  const world = await makeWorld();
  try {
    const file = `${world.directory}/wrote`;
    const spec = shell({ start: `(for n in 1 2 3 4 5; do sleep 0.1; echo $n; done; echo whole > ${file}) &` });
    assert.is((await world.run("start", spec)).outcome, "done");
    assert.not(existsSync(file));
    await until("the daemon has written all", () => existsSync(file));
  } finally {
    await world.end();
  }
});

test("exit codes, signals and what cannot be started are told", async () => {
  const world = await makeWorld();
  const file = `${world.directory}/not-executable`;
  writeFileSync(file, "nothing");
  const command = (start: readonly string[]): ResourceSpec => ({
    kind: "application",
    agent: { kind: "command", start, stop: ["true"], monitor: ["false"], environment: {} },
  });
  const cases: [ResourceSpec, string, string][] = [
    [shell({ start: "exit 7" }), "failed", "/bin/sh (start) ended with code 7"],
    [shell({ start: "echo a >&2; exit 255" }), "failed", "/bin/sh (start) ended with code 255: a"],
    [shell({ start: "kill -SEGV $$" }), "failed", "/bin/sh (start) was ended by SIGSEGV"],
    [command(["/nowhere/program"]), "invalid", "the command for start, /nowhere/program, is not there or cannot be executed"],
    [command([file]), "invalid", `the command for start, ${file}, is not there or cannot be executed`],
    [command([]), "invalid", "there is no command for start"],
    [command(["bin/program"]), "invalid", 'the command for start is "bin/program"; it must be an absolute path, or a name on the path'],
    [command(["true"]), "done", ""],
  ];
  try {
    for (const [spec, outcome, reason] of cases) {
      const given = await world.run("start", spec);
      assert.equal([given.outcome, given.reason], [outcome, reason]);
      const validated = await world.run("validate", spec);
      assert.equal(validated.outcome, outcome === "invalid" ? "invalid" : "done");
    }
    const { outcome, reason } = await world.run("monitor", command(["true"]));
    assert.equal([outcome, reason], ["failed", "false (monitor) ended with code 1"]);
  } finally {
    await world.end();
  }
});

test("a stop that succeeds while the application runs on is waited for, and fails at its deadline", async () => {
  const world = await makeWorld();
  try {
    const file = `${world.directory}/runs`;
    writeFileSync(file, "");
    const monitor = `test -e ${file} || exit 7`;
    const slow = shell({ stop: `(sleep 0.3; rm ${file}) </dev/null >/dev/null 2>&1 &`, monitor });
    const background = shell({ stop: `setsid sh -c 'sleep 0.3; rm ${file}' &`, monitor });
    for (const spec of [slow, background]) {
      const { outcome, reason } = await world.run("stop", spec, { deadlineMs: 1_500 });
      assert.equal([outcome, reason], ["failed", "it was stopped, but its monitor says that it still runs"]);
    }
    const patient = shell({ stop: `sleep 0.3; rm ${file}`, monitor });
    assert.is((await world.run("stop", patient)).outcome, "done");
  } finally {
    await world.end();
  }
});

test("a child inherits nothing of the card: environment, descriptors, scheduling, session, signals", async () => {
  const world = await makeWorld();
  process.env["CARDINAL_SECRET"] = "secret";
  try {
    const file = `${world.directory}/seen`;
    const see =
      `exec > ${file}; { env; echo fds $(ls /proc/$$/fd | tr '\\n' ' '); chrt -p $$; nice; ps -o sid= -p $$; echo pid $$; grep Sig /proc/self/status;` +
      ` cat /proc/$$/oom_score_adj; readlink /proc/$$/fd/0; pwd; umask; }`;
    assert.is((await world.run("start", shell({ start: see }, { PORT: "80", PATH: "/usr/bin:/bin" }))).outcome, "done");
    const seen = readFileSync(file, "utf8");
    assert.not.match(seen, "secret");
    const [, pid] = /^pid (\d+)$/m.exec(seen) ?? [];
    const expected = [
      /^PORT=80$/m,
      /^PATH=\/usr\/bin:\/bin$/m,
      // The third is the pipe of the substitution.
      /^fds 0 1 2 3$/m,
      /SCHED_OTHER/,
      /^SigBlk:\t0+$/m,
      /^SigIgn:\t0+$/m,
      // A session of its own.
      new RegExp(`^ *${pid}$`, "m"),
      /^\/dev\/null\n\/\n0022$/m,
    ];
    for (const pattern of expected) assert.ok(pattern.test(seen), `${pattern} is not in:\n${seen}`);
  } finally {
    delete process.env["CARDINAL_SECRET"];
    await world.end();
  }
});

both("HA-12: a stop overtakes a start that hangs, and a monitor that hangs", async (world) => {
  const spec = shell({ start: "sleep 1000", monitor: `test -e ${world.directory}/hang && sleep 1001; exit 7` });
  writeFileSync(`${world.directory}/hang`, "");
  const order = [world.run("monitor", spec), world.run("monitor", spec), world.run("start", spec)];
  await setTimeout(100);
  const beganAt = performance.now();
  unlinkSync(`${world.directory}/hang`);
  const stopped = await world.run("stop", spec);
  assert.is(stopped.outcome, "done");
  assert.ok(performance.now() - beganAt < 1_500, "nothing was waited for");
  assert.equal((await Promise.all(order)).map(({ outcome }) => outcome), ["overtaken", "overtaken", "overtaken"]);
});

test("each order is answered exactly once, in its resource's order, and hooks of resources run beside each other", async () => {
  const world = await makeWorld();
  try {
    const spec = shell({ start: "sleep 0.2" });
    const beganAt = performance.now();
    const names = Array.from({ length: 8 }, (_, index) => `resource ${index}`);
    const given = await Promise.all(
      names.flatMap((resource) => [world.run("start", spec, { resource }), world.run("start", spec, { resource })]),
    );
    assert.ok(performance.now() - beganAt < 3_000, `${performance.now() - beganAt} ms`);
    assert.equal(given.map(({ outcome }) => outcome), given.map(() => "done"));
    assert.is(world.results.length, 16);
    for (const resource of names) {
      const orders = world.results.filter((result) => result.resource === resource).map(({ order }) => order);
      assert.equal(orders, [...orders].sort((one, other) => one - other));
    }
  } finally {
    await world.end();
  }
});

test("HA-12: monitors that hang hold no start up, and too many orders for one resource are refused", async () => {
  const world = await makeWorld();
  const spec = shell({ monitor: "exec sleep 1000" });
  try {
    const hanging = Array.from({ length: 100 }, (_, index) => world.run("monitor", spec, { resource: `hangs ${index}` }));
    const atWork = () => processes().filter((line) => line === "sleep 1000").length;
    await until("as many hang as may", () => atWork() === hookQuestionsMax);
    await setTimeout(200);
    assert.is(atWork(), hookQuestionsMax);
    const { outcome, ms } = await world.run("start", spec);
    assert.is(outcome, "done");
    assert.ok(ms < 1_000, `${ms} ms`);
    const starts = Array.from(
      { length: hooksWaitingMax + 2 },
      () => world.run("start", shell({ start: "sleep 0.3" }), { resource: "one" }),
    );
    const refused = await Promise.race(starts);
    assert.equal([refused.outcome, refused.reason], ["failed", `${hooksWaitingMax} orders wait for this resource`]);
    void world.run("stop", spec, { resource: "one" });
    const outcomes = (await Promise.all(starts)).map((result) => result.outcome);
    assert.is(outcomes.filter((each) => each === "failed").length, 1);
    assert.ok(outcomes.filter((each) => each === "overtaken").length >= hooksWaitingMax);
    await world.resources.close();
    assert.is((await Promise.all(hanging)).length, 100);
  } finally {
    await world.end();
  }
});

test("closing ends what is under way, answers it, and takes nothing more", async () => {
  const world = await makeWorld();
  const spec = shell({ start: "sleep 1000" });
  const order = [world.run("start", spec), world.run("start", spec)];
  await setTimeout(50);
  await world.end();
  assert.equal((await Promise.all(order)).map(({ outcome }) => outcome), ["failed", "failed"]);
  assert.equal((await world.run("start", spec)).reason, "the card is leaving");
  await until("nothing is left running", () => processes().length === 0);
});

test("the program's thread is not held up by what is started, however much memory it has", async () => {
  const world = await makeWorld();
  const ballast = new Uint8Array(256 * 1024 * 1024).fill(1);
  /** The longest wait of the thread in it; on a busy machine the least of some is ours. */
  const round = async () => {
    let worstMs = 0;
    let last = performance.now();
    const timer = setInterval(() => {
      worstMs = Math.max(worstMs, performance.now() - last);
      last = performance.now();
    }, 1);
    const names = Array.from({ length: 40 }, (_, index) => `resource ${index}`);
    await Promise.all(names.map((resource) => world.run("start", shell({ start: "exit 0" }), { resource })));
    clearInterval(timer);
    return worstMs;
  };
  try {
    const worst: number[] = [];
    for (let count = 0; count < 8; count++) worst.push(await round());
    assert.is(ballast[1], 1);
    assert.ok(Math.min(...worst) < 15, `the longest waits were ${worst.map((ms) => ms.toFixed(1))} ms`);
  } finally {
    await world.end();
  }
});

test.run();
