/** Addresses on a real segment: two cards and a client, each in a network namespace of its own, joined by a bridge. */
import { spawn } from "node:child_process";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { nativeDrivers, nativeResourceDrivers } from "../../../drivers/native.ts";
import type { ResourceSpec } from "../../../src/failover/resource.ts";
import type { NetPort } from "../../../src/io/ports.ts";
import { command, runCommand } from "../../conformance/namespace.ts";
import { makeVethPair } from "../../conformance/veth.ts";
import { enterWorld, makeWorld, until } from "./world.ts";

enterWorld(import.meta.url);

const client = runCommand(fileURLToPath(new URL("address-client.ts", import.meta.url)));

const v4 = address("192.0.2.7", 24);
const v6 = address("2001:db8::7", 64);

function address(host: string, prefix: number, name = "eth0"): Extract<ResourceSpec, { kind: "address" }> {
  return { kind: "address", address: host, prefix, interface: name };
}

function inside(namespace: string, ...words: string[]): string {
  return command("ip", "netns", "exec", namespace, ...words);
}

/** A client and two cards on one bridge, which is in this namespace. Names of namespaces are kept in a /run of our own. */
async function makeSegment(): Promise<{ end(): void }> {
  command("mount", "-t", "tmpfs", "tmpfs", "/run");
  command("ip", "link", "add", "bridge0", "type", "bridge");
  command("ip", "link", "set", "bridge0", "up");
  for (const [index, name] of ["client", "one", "two"].entries()) {
    command("ip", "netns", "add", name);
    command(
      "ip",
      "link",
      "add",
      `port-${name}`,
      "type",
      "veth",
      "peer",
      "name",
      "eth0",
      "netns",
      name,
      "address",
      `02:00:00:00:00:0${index + 1}`,
    );
    command("ip", "link", "set", `port-${name}`, "master", "bridge0", "up");
    inside(name, "ip", "link", "set", "lo", "up");
    inside(name, "sysctl", "-q", "-w", "net.ipv6.conf.eth0.accept_dad=0");
    inside(name, "ip", "link", "set", "eth0", "up");
    inside(name, "ip", "addr", "add", `192.0.2.10${index}/24`, "dev", "eth0");
    inside(name, "ip", "addr", "add", `2001:db8::10${index}/64`, "dev", "eth0", "nodad");
  }
  await until("the segment carries frames", () => isReachable("192.0.2.101") && isReachable("2001:db8::102"));
  return {
    end() {
      for (const name of ["client", "one", "two"]) command("ip", "netns", "del", name);
      command("ip", "link", "del", "bridge0");
    },
  };
}

/** Whether somebody answers the client for the address. */
function isReachable(host: string): boolean {
  const { answers } = JSON.parse(inside("client", ...client, host, "500")) as { answers: number };
  return answers > 0;
}

type Answer = { readonly kind: string; readonly outcome?: string; readonly ms?: number; readonly at: number; readonly reason?: string };

/** A card's resources in a process in its namespace: told a line of "hook spec", it tells a line of each result and event. */
class CardProcess {
  readonly told: Answer[] = [];
  readonly #child;
  #text = "";

  constructor(namespace: string) {
    const program = runCommand(fileURLToPath(new URL("address-process.ts", import.meta.url)));
    this.#child = spawn("ip", ["netns", "exec", namespace, ...program], { stdio: ["pipe", "pipe", "inherit"] });
    this.#child.stdout.setEncoding("utf8").on("data", (piece: string) => {
      const lines = (this.#text + piece).split("\n");
      this.#text = lines.pop() ?? "";
      this.told.push(...lines.map((line) => JSON.parse(line) as Answer));
    });
  }

  async ask(hook: string, spec: ResourceSpec): Promise<Answer> {
    const before = this.told.filter(({ kind }) => kind === "result").length;
    this.#child.stdin.write(`${JSON.stringify({ hook, spec })}\n`);
    const next = () => this.told.filter(({ kind }) => kind === "result")[before];
    await until(`${hook} is answered`, () => next() !== undefined);
    return next() as Answer;
  }

  end(): void {
    this.#child.kill("SIGKILL");
  }
}

/** Whom the client's neighbour table has behind an address. */
function neighbour(host: string): string {
  return /lladdr (\S+)/.exec(inside("client", "ip", "neigh", "show", host))?.[1] ?? "";
}

test("HA-3: an address moves between cards and the client's table follows at once; a rival is told and answered", async () => {
  const segment = await makeSegment();
  const [one, two] = [new CardProcess("one"), new CardProcess("two")];
  try {
    await until("both cards run", () => [one, two].every(({ told }) => told.length > 0));
    for (const [spec, host] of [[v4, "192.0.2.7"], [v6, "2001:db8::7"]] as const) {
      assert.is((await one.ask("start", spec)).outcome, "done");
      assert.ok(isReachable(host));
      assert.is(neighbour(host), "02:00:00:00:00:02");
      const watching = spawn("ip", ["netns", "exec", "client", ...client, host, "2500"], { stdio: ["ignore", "pipe", "inherit"] });
      let seen = "";
      watching.stdout.on("data", (piece: Uint8Array) => seen += new TextDecoder().decode(piece));
      const watched = new Promise((resolve) => watching.once("close", resolve));
      await setTimeout(1_500);
      const stopped = await one.ask("stop", spec);
      const started = await two.ask("start", spec);
      assert.equal([stopped.outcome, started.outcome], ["done", "done"]);
      assert.is(neighbour(host), "02:00:00:00:00:03");
      await watched;
      const { gapMs } = JSON.parse(seen) as { gapMs: number };
      console.log(
        `${host} moved: the client missed it for ${gapMs.toFixed(1)} ms; start ${started.ms?.toFixed(2)} ms, stop ${
          stopped.ms?.toFixed(2)
        } ms`,
      );
      // Without announcements it would be gone until the client's table expires, some seconds.
      assert.ok(gapMs < 900, `${host} was gone for ${gapMs} ms`);
      assert.equal([...one.told, ...two.told].filter(({ kind }) => kind === "rival"), []);

      // Two owners: each hears the other's announcement, and says again that it has the address.
      await one.ask("start", spec);
      await until("both are told of their rival", () => [one, two].every(({ told }) => told.some(({ kind }) => kind === "rival")));
      assert.match(one.told.find(({ kind }) => kind === "rival")?.reason ?? "", `02:00:00:00:00:03 says that it has ${host}`);
      for (const card of [one, two]) {
        assert.is((await card.ask("stop", spec)).outcome, "done");
        assert.is((await card.ask("stop", spec)).outcome, "notRunning");
        card.told.splice(1);
      }
    }
  } finally {
    for (const card of [one, two]) card.end();
    segment.end();
  }
});

test("HA-3: whoever has the address already is told as a rival, and the start does not wait for it", async () => {
  const segment = await makeSegment();
  const one = new CardProcess("one");
  try {
    await until("the card runs", () => one.told.length > 0);
    for (const [spec, host] of [[address("192.0.2.9", 24), "192.0.2.9"], [address("2001:db8::9", 64), "2001:db8::9"]] as const) {
      inside("client", "ip", "addr", "add", `${host}/${spec.prefix}`, "dev", "eth0");
      assert.is((await one.ask("start", spec)).outcome, "done");
      await until("the rival is told", () => one.told.some(({ kind }) => kind === "rival"));
      assert.is(one.told.find(({ kind }) => kind === "rival")?.reason, `02:00:00:00:00:01 says that it has ${host}`);
      assert.is((await one.ask("stop", spec)).outcome, "done");
      one.told.splice(1);
    }
  } finally {
    one.end();
    segment.end();
  }
});

test("HA-3: an address is announced three times at once, three times after one and five seconds, and when asked to", async () => {
  await makeVethPair("eth0", "other0");
  const world = await makeWorld();
  const seen: { readonly at: number; readonly host: string }[] = [];
  const listener = await nativeDrivers().ether.open({ interface: "other0", etherTypes: [0x0806], groups: [] }, (event) => {
    if (event.kind !== "frames") return;
    for (const { payload } of event.frames) {
      if (payload[7] === 2) seen.push({ at: performance.now(), host: payload.subarray(14, 18).join(".") });
    }
  });
  try {
    const beganAt = performance.now();
    assert.is((await world.run("start", v4)).outcome, "done");
    await until("three announcements are heard", () => seen.length >= 3);
    assert.ok(performance.now() - beganAt < 500);
    await until("three more are heard", () => seen.length >= 6);
    const [, , , fourth] = seen;
    assert.ok(Math.abs((fourth?.at as number) - beganAt - 1_000) < 300, `after ${(fourth?.at as number) - beganAt} ms`);
    assert.is((await world.run("announce", v4)).outcome, "done");
    await until("the announcements asked for are heard, and those a second after them", () => seen.length >= 12);
    // A wire that was cut: whoever was moved behind it hears where the address is.
    command("ip", "link", "set", "other0", "down");
    await until("the interface is down", async () => (await world.run("monitor", v4)).outcome === "failed");
    const healedAt = performance.now();
    command("ip", "link", "set", "other0", "up");
    await until("announcements after the heal are heard", () => seen.length >= 15);
    assert.ok(performance.now() - healedAt < 2_000, `after ${performance.now() - healedAt} ms`);
    assert.is((await world.run("stop", v4)).outcome, "done");
    seen.length = 0;
    await setTimeout(1_300);
    assert.equal(seen, [], "nothing is announced after a stop");
    assert.is((await world.run("announce", v4)).outcome, "notRunning");
  } finally {
    await listener.close();
    await world.end();
    command("ip", "link", "del", "other0");
  }
});

test("an address without a carrier is not started, nor is one that is somebody's mistake", async () => {
  await makeVethPair("eth0", "other0");
  const world = await makeWorld();
  try {
    assert.is((await world.run("validate", v4)).outcome, "done");
    assert.is((await world.run("monitor", v4)).outcome, "notRunning");
    command("ip", "link", "set", "other0", "down");
    const { outcome, reason } = await world.run("start", v4);
    assert.equal([outcome, reason], ["failed", "eth0 has no carrier, or was taken down: nobody would reach 192.0.2.7/24"]);
    assert.not.match(command("ip", "addr", "show", "dev", "eth0"), "192.0.2.7");
    command("ip", "link", "set", "other0", "up");

    const cases: [ResourceSpec, string][] = [
      [address("192.0.2.7", 24, "eth7"), 'net: there is no interface "eth7"'],
      [address("192.0.2.7", 24, "an-interface-with-a-name"), '"an-interface-with-a-name" is no name of an interface'],
      [address("192.0.2.0", 24), "192.0.2.0/24 is the network itself, not a host in it"],
      [address("192.0.2.255", 24), "192.0.2.255/24 is the network's broadcast address, not a host in it"],
      [address("192.0.2.7", 33), "the prefix 33 of 192.0.2.7 must be from 1 to 32"],
      [address("192.0.2", 24), '"192.0.2" is no address, as 192.0.2.7 or 2001:db8::7'],
      [address("224.0.0.1", 24), "224.0.0.1 is an address of a group and cannot be given to an interface"],
      [address("ff02::1", 64), "ff02::1 is an address of a group and cannot be given to an interface"],
      [address("127.0.0.1", 8), "127.0.0.1 is this machine's own for every machine: nobody would reach it"],
      [address("::1", 128), "::1 is this machine's own for every machine: nobody would reach it"],
      [address("::", 64), ":: stands for any address and cannot be given to an interface"],
    ];
    for (const [spec, wrong] of cases) {
      for (const hook of ["validate", "start"] as const) {
        const given = await world.run(hook, spec);
        assert.equal([given.outcome, given.reason], ["invalid", wrong]);
      }
    }
    assert.is((await world.run("stop", address("192.0.2.7", 24, "eth7"))).outcome, "notRunning");
    assert.is((await world.run("monitor", address("192.0.2.7", 24, "eth7"))).outcome, "notRunning");
  } finally {
    await world.end();
    command("ip", "link", "del", "other0");
  }
});

test("HA-12: an address that somebody removes is told as ended, and one whose interface goes away", async () => {
  await makeVethPair("eth0", "other0");
  const world = await makeWorld();
  try {
    await world.run("start", v4);
    await world.run("start", v6, { resource: "six" });
    command("ip", "addr", "del", "192.0.2.7/24", "dev", "eth0");
    await until("the loss is told", () => world.events.length > 0);
    assert.equal(world.events, [{ resource: "r.1/a", kind: "ended", reason: "192.0.2.7 was removed from eth0" }]);
    assert.is((await world.run("monitor", v4)).outcome, "notRunning");
    assert.is((await world.run("start", v4)).outcome, "done");
    world.events.length = 0;
    command("ip", "link", "del", "other0");
    await until("both losses are told", () => world.events.length === 2);
    assert.equal(world.events.map(({ resource }) => resource).sort(), ["r.1/a", "six"]);
    assert.is((await world.run("stop", v4)).outcome, "notRunning");
  } finally {
    await world.end();
  }
});

test("an address is started within a few milliseconds while other hooks hang", async () => {
  await makeVethPair("eth0", "other0");
  const world = await makeWorld();
  try {
    const vector = ["/bin/sleep", "1000"];
    const hang: ResourceSpec = {
      kind: "application",
      agent: { kind: "command", start: vector, stop: vector, monitor: vector, environment: {} },
    };
    const hanging = Array.from(
      { length: 100 },
      (_, index) => world.run(index % 2 ? "start" : "monitor", hang, { resource: `hang ${index}` }),
    );
    await setTimeout(500);
    const { ms, outcome } = await world.run("start", v4);
    assert.is(outcome, "done");
    assert.ok(ms < 50, `${ms} ms`);
    await world.resources.close();
    for (const { outcome } of await Promise.all(hanging)) assert.is(outcome, "failed");
  } finally {
    await world.end();
    command("ip", "link", "del", "other0");
  }
});

test("a start that comes back after its deadline and a stop announces nothing", async () => {
  const asked: string[] = [];
  let finish: (given: { link: "up"; ms: number }) => void = () => {};
  const port: NetPort = {
    list: () => Promise.resolve([]),
    link: () => Promise.resolve("up"),
    take: () => new Promise((resolve) => finish = resolve),
    release: () => (asked.push("release"), Promise.resolve(true)),
    announce: () => (asked.push("announce"), Promise.resolve()),
    close: () => Promise.resolve(),
  };
  const world = await makeWorld({ drivers: { ...nativeResourceDrivers(), net: { open: () => Promise.resolve(port) } } });
  try {
    const started = await world.run("start", v4, { deadlineMs: 100 });
    assert.equal([started.outcome, started.reason], ["timeout", "not over after 100 ms, and it cannot be ended"]);
    assert.is((await world.run("stop", v4)).outcome, "done");
    finish({ link: "up", ms: 1_000 });
    await setTimeout(1_200);
    assert.equal(asked, ["release"]);
  } finally {
    await world.end();
  }
});

test.run();
