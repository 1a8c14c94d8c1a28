/** A card's resources in a process of their own: a line of JSON for each order in, one for each result and event out. */
import process from "node:process";
import { createInterface } from "node:readline";
import { nativeResourceDrivers } from "../../../drivers/native.ts";
import type { HookKind, ResourceSpec } from "../../../src/failover/resource.ts";
import { Resources } from "../../../src/io/resources/resources.ts";

const say = (line: object) => process.stdout.write(`${JSON.stringify({ ...line, at: performance.now() })}\n`);

const resources = await Resources.open({
  drivers: nativeResourceDrivers(),
  name: `process-${process.pid}`,
  groups: "",
  onResult: (result) => say({ kind: "result", ...result }),
  onEvent: (event) => say(event),
});
say({ kind: "ready" });
let order = 0;
for await (const line of createInterface({ input: process.stdin })) {
  const { hook, spec } = JSON.parse(line) as { hook: HookKind; spec: ResourceSpec };
  resources.order({ order: ++order, hook, resource: "address", spec, deadlineMs: 5_000 });
}
