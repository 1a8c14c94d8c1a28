/** What a card offers: listeners where it has paths, exports to who may use them by paths that carry commands (FS-11 to FS-13). */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { nativeBlock } from "../../drivers/block/block.ts";
import { nativeDoor } from "../../drivers/door/door.ts";
import { loadAddon } from "../../drivers/load.ts";
import { cardAt } from "../../src/base/ids.ts";
import { ExportEdge, type ExportFacts } from "../../src/io/export-edge.ts";
import { type AccessState, type ExportConfig, type HostConfig, type PathConfig } from "../../src/storage/exports.ts";
import { command, errorOf, errors, NbdClient } from "./nbd-client.ts";

const [here, there] = [cardAt(1, 1), cardAt(1, 2)];
const base = 20_000 + (process.pid % 4_000) * 4;

function path(name: string, more: Partial<PathConfig>): PathConfig {
  return {
    path: name,
    card: here,
    portGroup: undefined,
    address: "127.0.0.1",
    port: undefined,
    preference: "optimized",
    weight: 100,
    ...more,
  };
}

const disk: ExportConfig = {
  export: "disk",
  device: "d0",
  protocol: "nbd",
  target: "disk",
  mode: "active-active",
  pathPolicy: "round-robin",
  readOnly: false,
  paths: [path("disk/a", { port: base }), path("disk/b", { port: base + 1 }), path("disk/c", { card: there, port: base + 2 })],
};
const host = (access: readonly (readonly [string, "read-write" | "read-only"])[]): HostConfig => ({
  host: "h",
  initiator: undefined,
  networks: [{ address: [127, 0, 0, 0], prefix: 8 }],
  access: new Map(access),
});

const test = suite("export edge");

test("listeners follow the paths of the card, and what a host gets follows access, the state of its path, and the device", async () => {
  const directory = mkdtempSync(join(tmpdir(), "edge-"));
  writeFileSync(join(directory, "disk"), new Uint8Array(1024 * 1024));
  const addon = loadAddon();
  const refusals: string[] = [];
  const engine = await nativeBlock(addon).open({ onNews: (news) => edge.onNews(news) });
  const socketPath = join(directory, "socket");
  const edge = new ExportEdge({
    card: here,
    door: nativeDoor(addon),
    engine,
    socketPath,
    events: { refused: (_address, reason) => refusals.push(reason) },
  });
  const facts = (states: Readonly<Record<string, AccessState>>, more: Partial<ExportFacts> = {}): ExportFacts => ({
    config: { exports: new Map([["disk", disk]]), hosts: [host([["disk", "read-write"]])] },
    states: new Map(Object.entries(states)),
    devices: new Map([["d0", { ...opened, number: 5 }]]),
    ...more,
  });
  const isLetIn = async (at: { readonly port: number } | { readonly path: string }): Promise<boolean> => {
    try {
      const client = await NbdClient.of(at, "disk", true);
      const [code] = errorOf(await client.answered(command.read, 1, 0, 512));
      client.destroy();
      return code === 0;
    } catch {
      return false;
    }
  };
  const device = await engine.make(5);
  const opened = await device.open(0, join(directory, "disk"));
  await device.serve(0);
  await device.gate("open");
  try {
    assert.not(await isLetIn({ path: socketPath }), "nothing is known yet");
    await edge.update(facts({ "disk/a": "optimized", "disk/b": "standby", "disk/c": "optimized" }));
    assert.equal(edge.problems, []);
    assert.ok(await isLetIn({ port: base }));
    assert.not(await isLetIn({ port: base + 1 }));
    assert.match(refusals.at(-1) ?? "", /this path is standby; commands are carried by card 1\/1, 1\/2/);
    assert.not(await isLetIn({ port: base + 2 }), "that is another card's");
    assert.ok(await isLetIn({ path: socketPath }));

    const client = await NbdClient.of({ port: base }, "disk", true);
    await edge.update(facts({ "disk/a": "standby", "disk/b": "optimized" }));
    assert.is((await client.closed()).length, 0, "its path carries commands no longer");
    assert.not(await isLetIn({ port: base }));
    const other = await NbdClient.of({ port: base + 1 }, "disk", true);
    assert.is(edge.sessions.length, 1);

    const readOnly = { config: { exports: new Map([["disk", disk]]), hosts: [host([["disk", "read-only"]])] } };
    await edge.update(facts({ "disk/b": "optimized" }, readOnly));
    await other.closed();
    const reader = await NbdClient.of({ port: base + 1 }, "disk", true);
    assert.is(errorOf(await reader.answered(command.write, 1, 0, 512, 0, new Uint8Array(512)))[0], errors.perm);
    reader.destroy();

    await edge.update(facts({ "disk/b": "optimized" }, { devices: new Map() }));
    assert.not(await isLetIn({ port: base + 1 }));
    assert.match(refusals.at(-1) ?? "", /not served by card 1\/1/);
    await edge.update(facts({ "disk/b": "optimized" }, { config: { exports: new Map([["disk", disk]]), hosts: [] } }));
    assert.not(await isLetIn({ port: base + 1 }));
    assert.match(refusals.at(-1) ?? "", /no export disk for 127\.0\.0\.1/);

    const moved = { ...disk, paths: [path("disk/a", { port: base + 3, address: undefined }), path("disk/x", { address: "192.0.2.9" })] };
    await edge.update(
      facts({ "disk/a": "optimized" }, { config: { exports: new Map([["disk", moved]]), hosts: [host([["disk", "read-write"]])] } }),
    );
    assert.equal(edge.problems, []);
    assert.ok(await isLetIn({ port: base + 3 }));
    assert.not(await isLetIn({ port: base + 1 }));

    const taken = { ...disk, paths: [path("disk/a", { port: base + 3 }), path("disk/b", { port: 1, address: "not one" })] };
    await edge.update(facts({}, { config: { exports: new Map([["disk", taken]]), hosts: [] } }));
    assert.ok(edge.problems.some(({ host: at, reason }) => at === "not one" && /Invalid argument/.test(reason)));
  } finally {
    await edge.close();
    await engine.close();
    rmSync(directory, { recursive: true });
  }
});

test.run();
