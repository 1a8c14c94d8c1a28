/** What a card under real-time scheduling starts is not under it. */
import { readdirSync, readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { nativeDrivers } from "../../../drivers/native.ts";
import type { ResourceSpec } from "../../../src/failover/resource.ts";
import { command } from "../../conformance/namespace.ts";
import { enterWorld, isRoot, makeWorld, until } from "./world.ts";

enterWorld(import.meta.url);

/** A test that needs what only root has. */
const rootTest = isRoot ? test : test.skip;

/** The scheduling of our thread that runs programs. */
function ofDriver(): string {
  const thread = readdirSync("/proc/self/task").find((id) =>
    readFileSync(`/proc/self/task/${id}/comm`, "utf8").trim() === "cardinal-child"
  );
  return command("chrt", "-p", thread as string);
}

for (const order of ["before", "after"] as const) {
  rootTest(`HA-12: programs run under normal scheduling, whose thread was started ${order} real time was entered`, async () => {
    const enter = () => nativeDrivers().realtime.enter(10);
    if (order === "after") enter();
    const world = await makeWorld();
    try {
      if (order === "before") enter();
      assert.match(ofDriver(), "SCHED_FIFO|SCHED_RESET_ON_FORK");
      const file = `${world.directory}/seen`;
      const script = `(chrt -p $$; nice; sh -c 'chrt -p $$; exit') > ${file}; (sleep 0.1; sh -c 'chrt -p $$; exit' >> ${file}) &`;
      const vector = ["/bin/sh", "-c", script];
      const spec: ResourceSpec = {
        kind: "application",
        agent: { kind: "command", start: vector, stop: vector, monitor: vector, environment: {} },
      };
      assert.is((await world.run("start", spec)).outcome, "done");
      const seen = () => readFileSync(file, "utf8");
      await until("the daemon has told", () => seen().match(/policy/g)?.length === 3);
      assert.is(seen().match(/SCHED_OTHER/g)?.length, 3);
      assert.match(seen(), /^0$/m);
    } finally {
      await world.end();
    }
  });
}

test.run();
