/** OCF resource agents: a real nginx through the agent of Debian's resource-agents, and agents that say what a test wants. */
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import process from "node:process";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Parameters, ResourceSpec } from "../../../src/failover/resource.ts";
import { command } from "../../conformance/namespace.ts";
import { enterWorld, isRoot, makeWorld, processes, until, type World } from "./world.ts";

enterWorld(import.meta.url);

/** A test that needs what only root has: nginx opens its logs and directories as such. */
const rootTest = isRoot ? test : test.skip;

function ocf(type: string, parameters: Parameters = {}, provider = "heartbeat"): ResourceSpec {
  return { kind: "application", agent: { kind: "ocf", provider, type, parameters } };
}

function httpAnswer(port: number): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    const socket = connect({ host: "127.0.0.1", port });
    socket.on("connect", () => socket.write("GET / HTTP/1.0\r\n\r\n"));
    socket.on("data", (piece) => text += piece.toString());
    socket.on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? ""));
    socket.on("close", () => resolve(text));
  });
}

function nginxConfiguration({ directory }: World): string {
  const file = `${directory}/nginx.conf`;
  writeFileSync(
    file,
    `pid ${directory}/nginx.pid; error_log ${directory}/error.log; worker_processes 1; user root;
     events {} http { access_log off; server { listen 127.0.0.1:8080; location / { return 200 "served"; } } }\n`,
  );
  return file;
}

rootTest("HA-12: nginx through its OCF agent is validated, started, monitored, missed when it dies, and stopped with proof", async () => {
  command("ip", "link", "set", "lo", "up");
  const world = await makeWorld();
  try {
    const parameters = { configfile: nginxConfiguration(world), port: "8080", status10url: "http://127.0.0.1:8080/" };
    const spec = ocf("nginx", parameters);
    const outcomeOf = async (hook: "validate" | "start" | "stop" | "monitor") => {
      const { outcome, reason, ms } = await world.run(hook, spec);
      if (outcome === "failed" || outcome === "invalid") console.log(hook, reason);
      return { outcome, ms };
    };
    assert.is((await outcomeOf("validate")).outcome, "done");
    assert.is((await outcomeOf("monitor")).outcome, "notRunning");
    assert.is((await outcomeOf("stop")).outcome, "done");
    const started = await outcomeOf("start");
    assert.is(started.outcome, "done");
    assert.match(await httpAnswer(8080), "served");
    assert.is((await outcomeOf("monitor")).outcome, "done");
    assert.is((await outcomeOf("start")).outcome, "done");
    if (world.hasGroups) {
      assert.equal(world.events, []);
      for (const line of processes()) assert.match(line, "nginx");
      process.kill(Number(readFileSync(`${world.directory}/nginx.pid`, "utf8")), "SIGKILL");
      command("pkill", "-KILL", "nginx");
      await until("its end is told", () => world.events.length > 0);
      assert.is(world.events[0]?.kind, "ended");
      assert.is((await outcomeOf("monitor")).outcome, "notRunning");
      assert.is((await outcomeOf("start")).outcome, "done");
    }
    const stopped = await outcomeOf("stop");
    assert.is(stopped.outcome, "done");
    assert.is(await httpAnswer(8080), "ECONNREFUSED");
    assert.equal(processes(), []);
    console.log(`nginx: start ${started.ms.toFixed(0)} ms, stop ${stopped.ms.toFixed(0)} ms`);
  } finally {
    await world.end();
  }
});

test("mistakes are named with what would be right", async () => {
  const world = await makeWorld();
  try {
    const cases: [ResourceSpec, string | RegExp][] = [
      [ocf("nginx", { configfle: "/etc/nginx/nginx.conf" }), 'the agent has no parameter "configfle": did you mean "configfile"?'],
      [ocf("nginx", { port: "eighty" }), 'the parameter "port" is "eighty"; it must be a whole number'],
      [ocf("Filesystem", { device: "/dev/sda1" }), 'the parameter "directory" is required; the parameter "fstype" is required'],
      [ocf("ngnix"), 'there is no OCF resource agent "heartbeat:ngnix": did you mean "nginx"?'],
      [
        ocf("nginx", {}, "absent"),
        /^there are no OCF resource agents of the provider "absent" in \/usr\/lib\/ocf\/resource\.d: there are .*heartbeat/,
      ],
      [ocf("../nginx"), '"heartbeat:../nginx" is no name of an OCF resource agent, as heartbeat:nginx'],
      [ocf("nginx", { configfile: "/absent.conf" }), /^the agent heartbeat:nginx \(validate-all\) said [256]: /],
    ];
    for (const [spec, expected] of cases) {
      const { outcome, reason } = await world.run("validate", spec);
      assert.is(outcome, "invalid");
      if (typeof expected === "string") assert.is(reason, expected);
      else assert.match(reason, expected);
    }
  } finally {
    await world.end();
  }
});

test("without agents the Debian package is named", async () => {
  const world = await makeWorld({ applications: { ocfRoot: "/nowhere" } });
  try {
    const { outcome, reason } = await world.run("start", ocf("nginx"));
    assert.equal([outcome, reason], [
      "invalid",
      'there are no OCF resource agents of the provider "heartbeat" in /nowhere/resource.d: install the Debian package resource-agents',
    ]);
  } finally {
    await world.end();
  }
});

test("agents tell their deadlines, and those of Debian are all understood", async () => {
  const world = await makeWorld();
  try {
    const nginx = await world.resources.describeAgent("heartbeat", "nginx");
    if (typeof nginx === "string") throw new Error(nginx);
    assert.equal([nginx.timeoutsMs["start"], nginx.timeoutsMs["stop"], nginx.timeoutsMs["monitor"]], [40_000, 60_000, 60_000]);
    assert.ok(nginx.parameters.some(({ name, type }) => name === "port" && type === "integer"));
    for (const type of ["Filesystem", "IPaddr2", "pgsql", "apache", "exportfs", "iSCSITarget", "Dummy", "VirtualDomain", "LVM-activate"]) {
      const described = await world.resources.describeAgent("heartbeat", type);
      if (typeof described === "string") throw new Error(`${type}: ${described}`);
      assert.ok(described.parameters.length > 0, type);
      assert.ok((described.timeoutsMs["stop"] as number) >= 1_000, type);
    }
    assert.match(String(await world.resources.describeAgent("heartbeat", "absent")), "there is no OCF resource agent");
  } finally {
    await world.end();
  }
});

/** An agent of the test's own: `body` is what it does after its description. */
async function withAgent(
  body: string,
  run: (world: World, spec: (parameters?: Parameters) => ResourceSpec) => Promise<void>,
): Promise<void> {
  const holder = await makeWorld();
  const ocfRoot = `${holder.directory}/ocf`;
  mkdirSync(`${ocfRoot}/resource.d/test`, { recursive: true });
  const file = `${ocfRoot}/resource.d/test/agent`;
  writeFileSync(
    file,
    `#!/bin/sh
if [ "$1" = meta-data ]; then cat <<'END'
<?xml version="1.0"?><!DOCTYPE resource-agent SYSTEM "ra-api-1.dtd">
<resource-agent name="agent"><!-- <parameter name="no"/> --><parameters>
<parameter name='code' required="1"><shortdesc lang="en">&lt;parameter name="none"&gt;</shortdesc><content type="string"/></parameter>
<parameter name="flag"><content type="boolean" default="a &lt; b > c"/></parameter></parameters>
<actions><action name="start" timeout="20s"/><action name="monitor" timeout="1m"/><action name="monitor" depth="10" timeout="500ms"/></actions></resource-agent>
END
exit 0; fi
${body}
`,
  );
  chmodSync(file, 0o755);
  const world = await makeWorld({ applications: { ocfRoot } });
  try {
    await run(world, (parameters = { code: "0" }) => ocf("agent", parameters, "test"));
  } finally {
    await world.end();
    await holder.end();
  }
}

test("the exit codes of an agent mean what the OCF says", async () => {
  await withAgent('echo "line one"; echo "line two" >&2; exit $OCF_RESKEY_code', async (world, spec) => {
    const table: [number, string, string][] = [
      [0, "done", "done"],
      [1, "failed", "failed"],
      [2, "invalid", "invalid"],
      [3, "invalid", "invalid"],
      [4, "invalid", "invalid"],
      [5, "invalid", "invalid"],
      [6, "invalid", "invalid"],
      [7, "failed", "notRunning"],
      [8, "failed", "done"],
      [9, "failed", "failed"],
      [190, "failed", "done"],
      [191, "failed", "done"],
      [42, "failed", "failed"],
    ];
    for (const [code, start, monitor] of table) {
      const started = await world.run("start", spec({ code: String(code) }));
      assert.is(started.outcome, start, `start with ${code}`);
      assert.is((await world.run("monitor", spec({ code: String(code) }))).outcome, monitor, `monitor with ${code}`);
      if (code === 6) assert.is(started.reason, "the agent test:agent (start) said 6: not configured rightly; line one; line two");
    }
    assert.is((await world.run("validate", spec({ code: "3" }))).outcome, "done", "an agent need not have validate-all");
    assert.is((await world.run("validate", spec({ code: "6" }))).outcome, "invalid");
    assert.is((await world.run("validate", spec({}))).reason, 'the parameter "code" is required');
    assert.match(
      (await world.run("validate", spec({ code: "0", flag: "maybe" }))).reason,
      'the parameter "flag" is "maybe"; it must be one of yes',
    );
  });
});

test("an agent gets the environment that the OCF says, and describes itself", async () => {
  await withAgent('env > "$OCF_RESKEY_code/$1-$OCF_RESKEY_CRM_meta_interval"', async (world, spec) => {
    const parameters = { code: world.directory };
    const seen = (name: string) => readFileSync(`${world.directory}/${name}`, "utf8").split("\n");
    await world.run("monitor", spec(parameters), { resource: "web 1" });
    await world.run("start", spec(parameters), { resource: "web 1", deadlineMs: 9_000 });
    await world.run("monitor", spec(parameters), { resource: "web 1" });
    assert.ok(existsSync(`${world.directory}/monitor-0`), "before the start it is only asked whether it runs");
    assert.ok(existsSync(`${world.directory}/monitor-10000`));
    for (
      const line of [
        `OCF_RESKEY_code=${world.directory}`,
        "OCF_RESOURCE_INSTANCE=web 1",
        "OCF_RESOURCE_TYPE=agent",
        "OCF_RESOURCE_PROVIDER=test",
        "OCF_RA_VERSION_MAJOR=1",
        "LC_ALL=C.UTF-8",
      ]
    ) assert.ok(seen("start-0").includes(line), line);
    const timeout = seen("start-0").find((line) => line.startsWith("OCF_RESKEY_CRM_meta_timeout="))?.split("=")[1];
    assert.ok(Number(timeout) > 8_000 && Number(timeout) <= 9_000, timeout);
    assert.equal(await world.resources.describeAgent("test", "agent"), {
      parameters: [
        { name: "code", required: true, type: "string", default: undefined },
        { name: "flag", required: false, type: "boolean", default: "a < b > c" },
      ],
      timeoutsMs: { start: 20_000, monitor: 60_000 },
    });
  });
});

test("a stop that the agent's own monitor contradicts has failed", async () => {
  await withAgent('case "$1" in stop) exit 0;; monitor) exit 0;; esac', async (world, spec) => {
    const { outcome, reason } = await world.run("stop", spec());
    assert.equal([outcome, reason], ["failed", "the agent stopped it, and says that it still runs"]);
  });
  await withAgent('case "$1" in stop) echo stuck; exit 1;; monitor) exit 7;; esac', async (world, spec) => {
    const { outcome, reason } = await world.run("stop", spec());
    assert.equal([outcome, reason], ["failed", "the agent test:agent (stop) said 1: generic error; stuck"]);
  });
  await withAgent('case "$1" in stop) exit 5;; monitor) exit 7;; esac', async (world, spec) => {
    assert.is((await world.run("stop", spec())).outcome, "notRunning");
  });
  await withAgent('case "$1" in stop) exit 5;; monitor) exit 5;; esac', async (world, spec) => {
    assert.is((await world.run("stop", spec())).outcome, "failed");
  });
});

test.run();
