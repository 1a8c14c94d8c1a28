/** Paths, their policies, and who may use an export (FS-11, FS-12, FS-13). */
import * as fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { cardAt, type CardId } from "../../src/base/ids.ts";
import type { Row } from "../../src/config/change.ts";
import {
  accessOf,
  decidePaths,
  type ExportConfig,
  type ExportsConfig,
  orderedPaths,
  type PathConfig,
  type PathDecision,
  type PathPreference,
  readExports,
} from "../../src/storage/exports.ts";

const [one, two, three] = [cardAt(1, 1), cardAt(1, 2), cardAt(1, 3)];

function path(name: string, card: CardId, more: Partial<PathConfig> = {}): PathConfig {
  return { path: name, card, portGroup: undefined, address: undefined, port: undefined, preference: "optimized", weight: 100, ...more };
}

function exported(name: string, mode: ExportConfig["mode"], paths: readonly PathConfig[], more: Partial<ExportConfig> = {}): ExportConfig {
  return { export: name, device: name, protocol: "nbd", target: name, mode, pathPolicy: "round-robin", readOnly: false, paths, ...more };
}

function decided(
  exports: readonly ExportConfig[],
  { host = one, down = [], inUse = new Map() }: {
    readonly host?: CardId | undefined;
    readonly down?: readonly (string | CardId)[];
    readonly inUse?: ReadonlyMap<string, string>;
  },
): PathDecision {
  return decidePaths(exports, {
    hostOf: () => host,
    isUsable: ({ path: name, card }) => !down.includes(name) && !down.includes(card),
    inUse,
  });
}

const states = (decision: PathDecision) => [...decision.states].map(([name, state]) => `${name} ${state}`);

test("Active-Active: all paths carry commands at the same time; those of other cards than the host forward (FS-12)", () => {
  const disk = exported("disk", "active-active", [
    path("a", one),
    path("b", two),
    path("c", one, { preference: "non-optimized" }),
    path("d", three, { preference: "standby" }),
  ]);
  assert.equal(states(decided([disk], {})), ["a optimized", "b non-optimized", "c non-optimized", "d standby"]);
  assert.equal(states(decided([disk], { host: two })), ["a non-optimized", "b optimized", "c non-optimized", "d standby"]);
  assert.equal(states(decided([disk], { down: [one] })), ["a unavailable", "b non-optimized", "c unavailable", "d standby"]);
  assert.equal(states(decided([disk], { down: [one, two] })), ["a unavailable", "b unavailable", "c unavailable", "d non-optimized"]);
  assert.ok(
    states(decidePaths([disk], { hostOf: () => undefined, isUsable: () => true, inUse: new Map() })).every((each) =>
      each.endsWith("unavailable")
    ),
  );
});

test("Active-Passive: one path carries commands at a time, on the host's card; it switches when that fails (FS-13)", () => {
  const disk = exported("disk", "active-passive", [
    path("a", one, { portGroup: "left" }),
    path("b", one, { portGroup: "right", preference: "non-optimized" }),
    path("c", two),
    path("d", two, { preference: "standby" }),
  ]);
  assert.equal(states(decided([disk], {})), ["a optimized", "b standby", "c standby", "d standby"]);
  assert.equal(states(decided([disk], { down: ["a"] })), ["a unavailable", "b non-optimized", "c standby", "d standby"]);
  assert.equal(states(decided([disk], { down: [one] })), ["a unavailable", "b unavailable", "c non-optimized", "d standby"]);
  assert.equal(states(decided([disk], { host: two })), ["a standby", "b standby", "c optimized", "d standby"]);
  const after = decided([disk], { inUse: new Map([["disk", "c"]]) });
  assert.is(after.inUse.get("disk"), "a", "what is better is taken again");
});

test("two exports of one Active-Passive device have one path between them", () => {
  const exports = ["x", "y"].map((name) =>
    exported(name, "active-passive", [path(`${name}/1`, one), path(`${name}/2`, two)], { device: "disk" })
  );
  const { states: of, inUse } = decided(exports, {});
  assert.is([...of.values()].filter((state) => state === "optimized").length, 1);
  assert.is(inUse.size, 1);
});

test("paths in use are spread over ports by their weights, stay where they are, and move when that evens it (FS-11)", () => {
  const ports = (name: string, weights: readonly number[]) =>
    exported(name, "active-passive", weights.map((weight, index) => path(`${name}/${index}`, one, { portGroup: `p${index}`, weight })));
  const count = ({ inUse }: PathDecision) => {
    const counts = new Map<string, number>();
    for (const name of inUse.values()) counts.set(name.slice(-1), (counts.get(name.slice(-1)) ?? 0) + 1);
    return [...counts].sort().map(([, value]) => value);
  };
  const even = Array.from({ length: 9 }, (_, index) => ports(`d${index}`, [100, 100, 100]));
  assert.equal(count(decided(even, {})), [3, 3, 3]);
  const uneven = Array.from({ length: 9 }, (_, index) => ports(`d${index}`, [200, 100]));
  assert.equal(count(decided(uneven, {})), [6, 3]);
  for (const name of ["d0/0", "d0/1", "d0/2"]) {
    assert.is(decided(even.slice(0, 1), { inUse: new Map([["d0", name]]) }).inUse.get("d0"), name);
  }
  const stuck = decided(even, { inUse: new Map(even.map((each) => [each.device, `${each.export}/0`])) });
  assert.equal(count(stuck), [3, 3, 3]);
  assert.is([...stuck.inUse.values()].filter((name) => name.endsWith("/0")).length, 3);
});

test("a decision is one path for each device that has a usable one, even, and stays as it is once made", () => {
  const arbitraryPath = fc.record({
    card: fc.constantFrom(one, two, three),
    portGroup: fc.constantFrom("p", "q"),
    preference: fc.constantFrom<PathPreference>("optimized", "non-optimized", "standby"),
    weight: fc.constantFrom(50, 100, 200),
  });
  const arbitrary = fc.array(
    fc.tuple(fc.constantFrom("active-active" as const, "active-passive" as const), fc.array(arbitraryPath, { maxLength: 5 })),
    {
      maxLength: 12,
    },
  );
  fc.assert(
    fc.property(arbitrary, fc.infiniteStream(fc.boolean()), fc.array(fc.nat({ max: 4 })), (drawn, up, before) => {
      const exports = drawn.map(([mode, paths], index) =>
        exported(`e${index}`, mode, paths.map(({ card, ...more }, at) => path(`e${index}/${at}`, card, more)))
      );
      const usable = new Map(exports.flatMap(({ paths }) => paths.map((each) => [each.path, up.next().value as boolean] as const)));
      const facts = {
        hostOf: (device: string) => [one, two, three][device.length % 3],
        isUsable: (each: PathConfig) => usable.get(each.path) as boolean,
        inUse: new Map(before.map((at, index) => [`e${index}`, `e${index}/${at}`])),
      };
      const decision = decidePaths(exports, facts);
      for (const { mode, paths, device } of exports) {
        const carrying = paths.filter((each) => ["optimized", "non-optimized"].includes(decision.states.get(each.path) as string));
        assert.ok(carrying.every((each) => usable.get(each.path)));
        const some = paths.some((each) => usable.get(each.path));
        if (mode === "active-passive") assert.equal(carrying.map((each) => each.path), some ? [decision.inUse.get(device)] : []);
        else assert.is(carrying.length > 0, some);
      }
      const again = decidePaths(exports, { ...facts, inUse: decision.inUse });
      assert.equal([...again.inUse].sort(), [...decision.inUse].sort());
    }),
  );
});

test("a host is told the good paths first, and among equals by the policy", () => {
  const paths = [
    path("a", one, { weight: 10 }),
    path("b", one, { weight: 30 }),
    path("c", one, { weight: 20 }),
    path("d", two, { weight: 99 }),
  ];
  const of = (pathPolicy: ExportConfig["pathPolicy"], host: string) => {
    const disk = exported("disk", "active-active", paths, { pathPolicy });
    return orderedPaths(disk, decided([disk], { down: ["c"] }).states, host, ({ path: name }) => (name === "a" ? 5 : 60)).map((each) =>
      each.path
    ).join("");
  };
  assert.is(of("preferred", "x"), "bad");
  assert.is(of("least-queued", "x"), "abd");
  assert.equal([of("round-robin", "x"), of("round-robin", "y")].sort(), ["abd", "bad"]);
});

const tables: Readonly<Record<string, readonly Row[]>> = {
  exports: [
    { id: "disk", device: "d0", protocol: "nbd", target: null, mode: null, pathPolicy: null, readOnly: 0 },
    { id: "scan", device: "d1", protocol: "nbd", target: "iso", mode: "active-passive", pathPolicy: "preferred", readOnly: 1 },
    { id: "lun", device: "d1", protocol: "iscsi", target: "iqn.x", mode: null, pathPolicy: null, readOnly: 0 },
  ],
  exportPaths: [
    { id: "disk/1-2", export: "disk", card: "1/2", portGroup: null, address: null, port: 10_900, preference: "optimized", weight: 100 },
    { id: "disk/1-1", export: "disk", card: "1/1", portGroup: "front", address: "192.0.2.1", port: null, preference: "standby", weight: 5 },
  ],
  hosts: [
    { id: "all", initiator: null, addresses: null },
    { id: "lab", initiator: null, addresses: '["192.0.2.0/24","2001:db8::/32"]' },
    { id: "one", initiator: null, addresses: '["192.0.2.7"]' },
    { id: "named", initiator: "backup", addresses: null },
  ],
  hostAccess: [
    { id: "all/scan", host: "all", export: "scan", mode: "read-write", lun: null },
    { id: "lab/disk", host: "lab", export: "disk", mode: "read-write", lun: null },
    { id: "lab/lun", host: "lab", export: "lun", mode: "read-write", lun: null },
    { id: "one/disk", host: "one", export: "disk", mode: "read-only", lun: null },
    { id: "named/disk", host: "named", export: "disk", mode: "read-write", lun: null },
  ],
};
const config: ExportsConfig = readExports({ rows: (name) => tables[name] ?? [] }, { mode: "active-active", pathPolicy: "round-robin" });

test("rows are read with the policy's defaults, in the order of their ids", () => {
  assert.equal([...config.exports.keys()], ["disk", "lun", "scan"]);
  const disk = config.exports.get("disk");
  assert.equal([disk?.target, disk?.mode, disk?.pathPolicy, disk?.readOnly], ["disk", "active-active", "round-robin", false]);
  assert.equal(disk?.paths.map((each) => [each.path, each.card, each.portGroup, each.address, each.port]), [
    ["disk/1-1", one, "front", "192.0.2.1", undefined],
    ["disk/1-2", two, undefined, undefined, 10_900],
  ]);
  const scan = config.exports.get("scan");
  assert.equal([scan?.target, scan?.mode, scan?.pathPolicy, scan?.readOnly], ["iso", "active-passive", "preferred", true]);
});

test("who may use what: the closest description of a host counts, only exports of its protocol, nothing without a row", () => {
  const rows: readonly (readonly [string, string | undefined, readonly string[]])[] = [
    ["198.51.100.1", undefined, ["scan read-only"]],
    ["192.0.2.8", undefined, ["disk read-write", "scan read-only"]],
    ["192.0.2.7", undefined, ["disk read-only", "scan read-only"]],
    ["192.0.2.7", "backup", ["disk read-write", "scan read-only"]],
    ["192.0.2.7", "other", ["disk read-only", "scan read-only"]],
    ["2001:db8::1", undefined, ["disk read-write", "scan read-only"]],
    ["2001:db9::1", undefined, ["scan read-only"]],
    ["nonsense", undefined, ["scan read-only"]],
    ["", undefined, ["disk read-write", "scan read-only"]],
  ];
  for (const [address, name, expected] of rows) {
    assert.equal([...accessOf(config, "nbd", address, name)].map(([id, mode]) => `${id} ${mode}`).sort(), expected, address);
  }
  assert.equal([...accessOf(config, "iscsi", "192.0.2.8", undefined)], [["lun", "read-write"]]);
});

test.run();
