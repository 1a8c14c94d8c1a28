/** FS-3: what a card's hooks are told of a resource, from the rows of the configuration. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { CardId } from "../../src/base/ids.ts";
import type { Row } from "../../src/config/change.ts";
import { noFailoverRows, PlacedConfig } from "../../src/failover/service-config.ts";

const [one, two] = [1 as CardId, 2 as CardId];
const device = { id: "disk", kind: "device", service: "web" };
const filesystem = { id: "files", kind: "filesystem", service: "web", device: "disk", mountPoint: "/srv/web", filesystem: "ext4" };
const member = { id: "disk/all/1/1", subgroup: "disk/all", card: "1/1", path: "/dev/sdb" };

function placed(resources: readonly Row[]): PlacedConfig {
  const rows = { ...noFailoverRows, resources, subgroups: [{ id: "disk/all", resource: "disk" }], subgroupMembers: [member] };
  return new PlacedConfig({ epoch: 1, sequence: 1 }, rows);
}

test("a device is claimed for its card alone, unless a file system on it does that: the kernel takes one claim of a device", () => {
  assert.equal(placed([device]).planOf("disk", one)?.spec, { kind: "device", path: "/dev/sdb", exclusive: true });
  const mounted = placed([device, filesystem]);
  assert.equal(mounted.planOf("disk", one)?.spec, { kind: "device", path: "/dev/sdb", exclusive: false });
  assert.is(mounted.planOf("files", one)?.spec?.kind, "filesystem");
});

test("a card on which a device has no path has nothing to do for it, nor for the file system on it", () => {
  const mounted = placed([device, filesystem]);
  assert.is(mounted.planOf("disk", two)?.spec, undefined);
  assert.is(mounted.planOf("files", two)?.spec, undefined);
});

test.run();
