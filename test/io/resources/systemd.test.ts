/** Units of systemd, by a systemctl that keeps the state of its units in files. */
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { ResourceSpec } from "../../../src/failover/resource.ts";
import { enterWorld, makeWorld, type World } from "./world.ts";

enterWorld(import.meta.url);

function unit(name: string): ResourceSpec {
  return { kind: "application", agent: { kind: "systemd", unit: name } };
}

/** `state` is what `show` prints of web.service; starting and stopping write it. */
const systemctl = `#!/bin/sh
cd "$(dirname "$0")"
while [ "\${1#--}" != "$1" ]; do shift; done
case "$1" in
  show) shift; [ "\${1#--}" = "$1" ] || shift
    if [ "$1" = web.service ]; then cat state; else echo LoadState=not-found; echo ActiveState=inactive; echo SubState=dead; fi;;
  start) [ -e refuse ] && { echo "Job for $2 failed." >&2; exit 1; }
    [ "$2" = web.service ] || { echo "Unit $2 not found." >&2; exit 5; }
    printf 'LoadState=loaded\\nActiveState=active\\nSubState=running\\nResult=success\\nUnitFileState=disabled\\n' > state;;
  stop) printf 'LoadState=loaded\\nActiveState=inactive\\nSubState=dead\\nResult=success\\nUnitFileState=disabled\\n' > state;;
  list-unit-files) echo "web.service disabled enabled"; echo "mail.service enabled enabled";;
esac
`;

async function withSystemd(
  body: (world: World, setState: (active: string, sub: string, file?: string, load?: string) => void) => Promise<void>,
) {
  const holder = await makeWorld();
  const { directory } = holder;
  writeFileSync(`${directory}/systemctl`, systemctl);
  chmodSync(`${directory}/systemctl`, 0o755);
  mkdirSync(`${directory}/system`);
  const world = await makeWorld({ applications: { systemdDirectory: `${directory}/system`, systemctl: `${directory}/systemctl` } });
  const setState = (active: string, sub: string, file = "disabled", load = "loaded") =>
    writeFileSync(
      `${directory}/state`,
      `LoadState=${load}\nActiveState=${active}\nSubState=${sub}\nResult=${
        active === "failed" ? "exit-code" : "success"
      }\nUnitFileState=${file}\n`,
    );
  setState("inactive", "dead");
  try {
    await body(world, setState);
  } finally {
    await world.end();
    await holder.end();
  }
}

test("HA-12: a unit is started, monitored and stopped", async () => {
  await withSystemd(async (world, setState) => {
    const table: ["validate" | "start" | "stop" | "monitor", string][] = [
      ["validate", "done"],
      ["monitor", "notRunning"],
      ["stop", "notRunning"],
      ["start", "done"],
      ["monitor", "done"],
      ["stop", "done"],
      ["monitor", "notRunning"],
    ];
    for (const [hook, outcome] of table) assert.is((await world.run(hook, unit("web"))).outcome, outcome, hook);
    const states: [string, string, string, string][] = [
      ["reloading", "reload", "done", ""],
      ["failed", "failed", "notRunning", "the unit web.service is failed (failed, exit-code)"],
      ["activating", "auto-restart", "failed", "the unit web.service is activating (auto-restart)"],
    ];
    for (const [active, sub, outcome, reason] of states) {
      setState(active, sub);
      const given = await world.run("monitor", unit("web.service"));
      assert.equal([given.outcome, given.reason], [outcome, reason]);
    }
  });
});

test("a unit that is unknown, masked or started by systemd itself is named", async () => {
  await withSystemd(async (world, setState) => {
    const reasonOf = async (hook: "validate" | "start", name: string) => {
      const { outcome, reason } = await world.run(hook, unit(name));
      assert.is(outcome, "invalid");
      return reason;
    };
    for (const hook of ["validate", "start"] as const) {
      assert.is(await reasonOf(hook, "wbe"), "there is no unit wbe.service: did you mean web.service?");
    }
    assert.is(await reasonOf("validate", "--now"), '"--now" is no name of a systemd unit, as nginx.service');
    setState("inactive", "dead", "enabled");
    assert.is(
      await reasonOf("validate", "web"),
      "the unit web.service is enabled, so that systemd starts it by itself at boot: systemctl disable web.service",
    );
    setState("inactive", "dead", "masked", "masked");
    assert.is(await reasonOf("validate", "web"), "the unit web.service is masked: systemctl unmask web.service");
  });
});

test("where systemd does not run that is said", async () => {
  const world = await makeWorld({ applications: { systemdDirectory: "/nowhere/system" } });
  try {
    for (const hook of ["validate", "start", "stop", "monitor"] as const) {
      const { outcome, reason } = await world.run(hook, unit("web"));
      assert.equal([outcome, reason], [
        "invalid",
        "systemd does not run here (/nowhere/system is missing): use an OCF resource agent or commands for web.service",
      ]);
    }
  } finally {
    await world.end();
  }
});

test.run();
