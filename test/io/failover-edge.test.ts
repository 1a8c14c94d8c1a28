/** The edge of failover on this machine's real interfaces, in namespaces of its own: what is left behind, noted, overtaken, read and told. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { nativeResourceDrivers } from "../../drivers/native.ts";
import type { CardId } from "../../src/base/ids.ts";
import type { Row } from "../../src/config/change.ts";
import type { ReadingName } from "../../src/failover/health.ts";
import type { HookOrder, HookResult, ResourceSpec } from "../../src/failover/resource.ts";
import type { CheckOutcome } from "../../src/failover/self-test-checks.ts";
import { type FailoverTable, failoverTables } from "../../src/failover/service-types.ts";
import { type FailoverCard, FailoverEdge } from "../../src/io/failover-edge.ts";
import type { FailoverEdgeInput } from "../../src/node/input.ts";
import { command } from "../conformance/namespace.ts";
import { enterWorld } from "./resources/world.ts";

enterWorld(import.meta.url);
command("ip", "link", "add", "one", "type", "veth", "peer", "name", "other");
for (const name of ["lo", "one", "other"]) command("ip", "link", "set", name, "up");

function address(last: number, on = "one"): ResourceSpec {
  return { kind: "address", address: `192.0.2.${last}`, prefix: 24, interface: on };
}

class Told implements FailoverCard {
  readonly inputs: FailoverEdgeInput[] = [];
  readonly results: HookResult[] = [];
  readonly logged: string[] = [];

  onHook(result: HookResult): void {
    this.results.push(result);
  }
  onResourceEvent(): void {}
  onFailover(input: FailoverEdgeInput): void {
    this.inputs.push(input);
  }
  takeStall(): number {
    return 7;
  }
  failover(): undefined {
    return undefined;
  }
  status(): Record<string, never> {
    return {};
  }
  operate(): never {
    throw new Error("not asked");
  }
  proceed(): never {
    throw new Error("not asked");
  }

  async result(order: number): Promise<HookResult> {
    for (;;) {
      const found = this.results.find((each) => each.order === order);
      if (found !== undefined) return found;
      await sleep(5);
    }
  }

  async input<Kind extends FailoverEdgeInput["kind"]>(
    kind: Kind,
    holds: (input: Extract<FailoverEdgeInput, { kind: Kind }>) => boolean,
  ): Promise<Extract<FailoverEdgeInput, { kind: Kind }>> {
    for (;;) {
      const found = this.inputs.find((each): each is Extract<FailoverEdgeInput, { kind: Kind }> =>
        each.kind === kind && holds(each as never)
      );
      if (found !== undefined) return found;
      await sleep(5);
    }
  }
}

let orders = 0;
function order(hook: HookOrder["hook"], resource: string, spec: ResourceSpec): HookOrder {
  return { order: ++orders, hook, resource, spec, deadlineMs: 5_000 };
}

async function withEdge(use: (open: (told: Told) => Promise<FailoverEdge>) => Promise<void>): Promise<void> {
  const stateDirectory = mkdtempSync(join(tmpdir(), "cardinal-edge-"));
  const open = async (told: Told) => {
    const edge = await FailoverEdge.open({
      drivers: nativeResourceDrivers(),
      name: `edge-${Date.now()}`,
      stateDirectory,
      card: 1 as CardId,
      log: (_level, event, fields) => told.logged.push(`${event} ${fields["resource"]} ${fields["outcome"]}`),
    });
    edge.begin(told);
    return edge;
  };
  try {
    await use(open);
  } finally {
    rmSync(stateDirectory, { recursive: true, force: true });
  }
}

function has(text: string): boolean {
  return command("ip", "-brief", "address").includes(text);
}

test("HA-15: what an earlier run left is stopped before the next one is there, the last started first; what was stopped is not", async () => {
  await withEdge(async (open) => {
    const first = new Told();
    const edge = await open(first);
    assert.ok(edge.isIdle);
    for (const last of [1, 2, 3]) {
      const start = order("start", `ip-${last}`, address(last));
      edge.order(start);
      assert.is((await first.result(start.order)).outcome, "done");
    }
    assert.not(edge.isIdle);
    const stop = order("stop", "ip-2", address(2));
    edge.order(stop);
    assert.is((await first.result(stop.order)).outcome, "done");
    assert.equal(first.logged, ["hook ip-1 done", "hook ip-2 done", "hook ip-3 done", "hook ip-2 done"]);
    await edge.close();
    assert.ok(has("192.0.2.1/24") && !has("192.0.2.2/24") && has("192.0.2.3/24"));

    const second = new Told();
    const next = await open(second);
    assert.equal(second.logged, [
      "stopped what an earlier run left ip-3 done",
      "stopped what an earlier run left ip-1 done",
    ]);
    assert.ok(next.isIdle && !has("192.0.2."));
    assert.equal(second.results, [], "nobody ordered that");
    await next.close();
  });
});

test("HA-15: a stop that comes while its start is being noted leaves nothing behind", async () => {
  await withEdge(async (open) => {
    const told = new Told();
    const edge = await open(told);
    const start = order("start", "ip", address(9));
    const stop = order("stop", "ip", address(9));
    edge.order(start);
    edge.order(stop);
    assert.is((await told.result(start.order)).outcome, "overtaken");
    assert.is((await told.result(stop.order)).outcome, "notRunning");
    assert.ok(edge.isIdle && !has("192.0.2.9"));
    // Nor does one that cannot be begun.
    const wrong = order("start", "ip", address(9, "absent"));
    edge.order(wrong);
    assert.is((await told.result(wrong.order)).outcome, "invalid");
    assert.ok(edge.isIdle);
    await edge.close();
  });
});

test("FS-7: the rows of the tables that failover follows are told at each change of one, with the interfaces that they name and that are not up", async () => {
  await withEdge(async (open) => {
    const told = new Told();
    const edge = await open(told);
    let sequence = 4;
    let reads = 0;
    const rows = Object.fromEntries(failoverTables.map((table) => [table, [] as Row[]])) as Record<FailoverTable, Row[]>;
    rows.resources.push({ id: "ip", kind: "address", interface: "one" }, { id: "gone", kind: "address", interface: "absent" });
    rows.portGroups.push({ id: "1/1/front", interfaces: '["other"]' }, { id: "1/2/front", interfaces: '["elsewhere"]' });
    const store = {
      tables: (() => {
        reads++;
        return Promise.resolve({ head: { epoch: 1, sequence, hash: new Uint8Array(32) }, rows });
      }) as never,
    };
    edge.onStoreChanged(store, undefined);
    const configured = await told.input("configuration", ({ place }) => place.sequence === 4);
    assert.equal([configured.place.epoch, configured.rows.resources.length], [1, 2]);
    const { ports } = await told.input("ports", () => true);
    assert.equal([...ports], [["absent", "missing"]]);
    const { values } = await told.input("readings", () => true);
    assert.equal([values.get("stall"), values.get("database")], [7, 0]);

    edge.onStoreChanged(store, ["hosts", "tokens"]);
    await sleep(20);
    assert.is(reads, 1, "nothing of failover changed");
    sequence = 5;
    edge.onStoreChanged(store, ["hosts", "services"]);
    await told.input("configuration", ({ place }) => place.sequence === 5);

    command("ip", "link", "set", "one", "down");
    const down = await told.input("ports", (input) => input.ports.get("other") === "down");
    assert.equal([...down.ports].sort(), [["absent", "missing"], ["one", "down"], ["other", "down"]]);
    await edge.close();
  });
});

test("FS-8: what a self-test finds wrong with this card's own parts counts for its health at once; its port is another matter, and so is what is slow", async () => {
  await withEdge(async (open) => {
    const told = new Told();
    const edge = await open(told);
    const outcome = (result: CheckOutcome["result"]): CheckOutcome => ({ result, code: "", text: "", ms: 1 });
    let disk: Promise<CheckOutcome> = Promise.resolve(outcome("passed"));
    const checks = edge.watched({
      post: () => Promise.resolve(outcome("passed")),
      selfTest: (check) => check === "disk" ? disk : Promise.resolve(outcome("failed")),
    });
    const valueOf = (values: ReadonlyMap<ReadingName, number>) => values.get("selfTest");
    await told.input("readings", ({ values }) => valueOf(values) === 0);
    assert.is((await checks.selfTest("carrier")).result, "failed");
    assert.ok(!told.inputs.some((input) => input.kind === "readings" && valueOf(input.values) === 2));
    disk = Promise.resolve(outcome("failed"));
    assert.is((await checks.selfTest("disk")).result, "failed");
    await told.input("readings", ({ values }) => valueOf(values) === 2);
    told.inputs.length = 0;
    disk = Promise.resolve(outcome("passed"));
    await checks.selfTest("disk");
    await told.input("readings", ({ values }) => valueOf(values) === 0);
    told.inputs.length = 0;
    disk = sleep(1_500, outcome("passed"));
    await checks.selfTest("disk");
    assert.ok(!told.inputs.some((input) => input.kind === "readings" && valueOf(input.values) === 2));
    await edge.close();
  });
});

test.run();
