/** The NBD server on the real engine: what each command answers, who is let in, and what becomes of sessions. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { nativeBlock } from "../../drivers/block/block.ts";
import { nativeDoor } from "../../drivers/door/door.ts";
import { loadAddon } from "../../drivers/load.ts";
import type { BlockDevice, BlockEngine } from "../../src/io/block-ports.ts";
import { NbdServer, type NbdSessionEnd, type ServedExport } from "../../src/io/nbd-server.ts";
import { nbdRequestBytesMax } from "../../src/limits.ts";
import { command, dataOf, errorOf, errors, flag, NbdClient } from "./nbd-client.ts";

const mib = 1024 * 1024;
const sizeBytes = 16 * mib;

type Stand = {
  readonly path: string;
  readonly port: number;
  readonly server: NbdServer;
  readonly engine: BlockEngine;
  readonly device: BlockDevice;
  readonly ends: NbdSessionEnd[];
  readonly refusals: string[];
  /** Taken from hosts, as an operator would. */
  readonly denied: Set<string>;
};

const pattern = Uint8Array.from({ length: sizeBytes }, (_, index) => (index >> 9) % 251);

async function withStand(body: (stand: Stand) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "nbd-"));
  writeFileSync(join(directory, "disk"), pattern);
  const addon = loadAddon();
  const [ends, refusals, denied]: [NbdSessionEnd[], string[], Set<string>] = [[], [], new Set()];
  const engine = await nativeBlock(addon).open({ faults: true, onNews: (news) => server.onNews(news) });
  const device = await engine.make(3);
  const opened = await device.open(0, join(directory, "disk"));
  await device.layFault(0, "rules", 1);
  await device.serve(0);
  await device.gate("open");
  const disk: ServedExport = {
    name: "disk",
    description: "",
    sizeBytes: opened.size,
    readOnly: false,
    blockBytes: opened.blockBytes,
    preferredBytes: opened.preferredBytes,
    requestBytesMax: nbdRequestBytesMax,
    canTrim: opened.canDiscard,
    canZero: opened.canZero,
    zeroesFast: false,
    multipleConnections: true,
    device: 3,
  };
  const exports = [disk, { ...disk, name: "scan", readOnly: true }, { ...disk, name: "lost", device: 99 }];
  const server = new NbdServer({
    door: nativeDoor(addon),
    engine,
    exports: {
      list: () => exports.filter(({ name }) => !denied.has(name)),
      find: (_guest, name) =>
        exports.find((each) => each.name === name && !denied.has(name)) ??
          { unavailable: "unknown", message: `there is no export ${name}` },
    },
    events: { ended: (_session, end) => ends.push(end), refused: (_address, reason) => refusals.push(reason) },
  });
  const path = join(directory, "socket");
  try {
    server.listen({ path });
    const { port } = server.listen({ host: "127.0.0.1", port: 0 });
    await body({ path, port, server, engine, device, ends, refusals, denied });
  } finally {
    await server.close();
    await engine.close();
    rmSync(directory, { recursive: true });
  }
}

async function until(what: string, holds: () => boolean): Promise<void> {
  for (let waited = 0; !holds(); waited++) {
    if (waited > 500) throw new Error(`${what}: not within 5 s`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const test = suite("NBD server");

test("reads, writes, zeroes and flushes, with simple replies and in chunks, over TCP and a Unix socket", async () => {
  await withStand(async ({ path, port }) => {
    for (const [at, structured] of [[{ path }, false], [{ port }, true]] as const) {
      const client = await NbdClient.of(at, "disk", structured);
      const read = await client.answered(command.read, 1, 4_096, 8_192);
      assert.is(read.kind, structured ? "structured" : "simple");
      assert.equal(dataOf(read, 4_096, 8_192), pattern.slice(4_096, 12_288));
      const data = new Uint8Array(3 * mib).map((_, index) => index % 253 + 1);
      assert.equal(errorOf(await client.answered(command.write, 2, 2 * mib, data.length, flag.fua, data)), [0, ""]);
      assert.equal(errorOf(await client.answered(command.flush, 3, 0, 0)), [0, ""]);
      assert.equal(dataOf(await client.answered(command.read, 4, 2 * mib, data.length), 2 * mib, data.length), data);
      assert.equal(errorOf(await client.answered(command.zeroes, 5, 2 * mib, mib, flag.noHole)), [0, ""]);
      const zeroes = await client.answered(command.read, 6, 2 * mib, mib);
      assert.ok(dataOf(zeroes, 2 * mib, mib).every((byte) => byte === 0));
      if (zeroes.kind === "structured") assert.equal(zeroes.chunks.map(({ type }) => type), [2], "zeroes are told, not sent");
      assert.equal(errorOf(await client.answered(command.write, 7, 2 * mib, 3 * mib, 0, pattern.slice(2 * mib, 5 * mib))), [0, ""]);
      client.destroy();
    }
  });
});

test("many requests at once, each answered once; a read of the largest size comes whole", async () => {
  await withStand(async ({ port }) => {
    for (const structured of [false, true]) {
      const client = await NbdClient.of({ port }, "disk", structured);
      for (let cookie = 0; cookie < 400; cookie++) client.ask(command.read, cookie, cookie * 8_192, 8_192);
      client.ask(command.read, 1_000, 0, sizeBytes);
      client.ask(command.read, 1_001, 512, 512);
      const seen = new Set<number>();
      for (let count = 0; count < 402; count++) {
        const reply = await client.reply();
        const [offset, length] = reply.cookie === 1_000
          ? [0, sizeBytes]
          : reply.cookie === 1_001
          ? [512, 512]
          : [reply.cookie * 8_192, 8_192];
        assert.equal(dataOf(reply, offset, length), pattern.slice(offset, offset + length));
        seen.add(reply.cookie);
      }
      assert.is(seen.size, 402);
      client.destroy();
    }
  });
});

test("reads that are more together than a session holds at once come all the same, one after the other", async () => {
  await withStand(async ({ port }) => {
    for (const structured of [false, true]) {
      const client = await NbdClient.of({ port }, "disk", structured);
      for (let cookie = 0; cookie < 4; cookie++) client.ask(command.read, cookie, 0, sizeBytes);
      for (let count = 0; count < 4; count++) assert.equal(dataOf(await client.reply(), 0, sizeBytes), pattern);
      client.destroy();
    }
  });
});

test("what cannot be is refused with the protocol's error, and a reason where the host takes one; the session goes on", async () => {
  await withStand(async ({ port }) => {
    const client = await NbdClient.of({ port }, "disk", true);
    const block = new Uint8Array(512);
    const rows: readonly (readonly [string, readonly [number, number, number, number, Uint8Array?], number, RegExp])[] = [
      ["unaligned offset", [command.read, 100, 512, 0], errors.inval, /multiples of the minimum block size/],
      ["unaligned length", [command.write, 512, 100, 0, new Uint8Array(100)], errors.inval, /multiples/],
      ["no length", [command.read, 0, 0, 0], errors.inval, /length is 0/],
      ["read beyond the end", [command.read, sizeBytes, 512, 0], errors.inval, /beyond the end/],
      ["write beyond the end", [command.write, sizeBytes - 512, 1_024, 0, new Uint8Array(1_024)], errors.nospc, /beyond the end/],
      ["zeroes far beyond the end", [command.zeroes, 2 ** 52, 512, 0], errors.nospc, /beyond the end/],
      ["a read that is too long", [command.read, 0, 64 * mib, 0], errors.inval, /maximum block size/],
      ["an unknown command", [7, 0, 512, 0], errors.inval, /unknown/],
      ["an unknown flag", [command.write, 0, 512, 8, block], errors.inval, /flags/],
      ["FAST_ZERO of what is not always fast", [command.zeroes, 0, 512, flag.fastZero], errors.notsup, /as long as data/],
      ["one chunk of more than there is in a piece", [command.read, 0, 2 * mib, flag.df], errors.overflow, /one chunk/],
    ];
    for (const [what, [type, offset, length, flags, data], error, reason] of rows) {
      const [code, told] = errorOf(await client.answered(type, 9, offset, length, flags, data));
      assert.is(code, error, what);
      assert.match(told, reason, what);
    }
    assert.equal(dataOf(await client.answered(command.read, 10, 0, 512, flag.df), 0, 512), pattern.slice(0, 512));
    client.destroy();
    const simple = await NbdClient.of({ port }, "disk", false);
    assert.equal(errorOf(await simple.answered(command.read, 1, 100, 512)), [errors.inval, ""]);
    simple.destroy();
    const scan = await NbdClient.of({ port }, "scan", true);
    for (const type of [command.write, command.trim, command.zeroes]) {
      const data = type === command.write ? block : undefined;
      assert.equal(errorOf(await scan.answered(type, 1, 0, 512, 0, data)), [errors.perm, "the export can only be read"]);
    }
    assert.equal(errorOf(await scan.answered(command.flush, 2, 0, 0)), [0, ""]);
    scan.destroy();
  });
});

test("an error of the device is told for its request alone, also in the middle of a long read", async () => {
  await withStand(async ({ port, device, ends }) => {
    await device.addFault(0, { action: "fail", verbs: ["read"], offset: 5 * mib, length: 512 });
    await device.addFault(0, { action: "fail", verbs: ["write"], code: "ENOSPC", offset: 0, length: 512 });
    const client = await NbdClient.of({ port }, "disk", true);
    const long = await client.answered(command.read, 1, 4 * mib, 4 * mib);
    assert.is(errorOf(long)[0], errors.io);
    if (long.kind === "structured") assert.ok(long.chunks.every(({ done }, index) => done === (index === long.chunks.length - 1)));
    assert.is(errorOf(await client.answered(command.write, 2, 0, 512, 0, new Uint8Array(512)))[0], errors.nospc);
    assert.is(errorOf(await client.answered(command.read, 3, 0, 4_096))[0], 0);
    client.destroy();
    // A stream without chunks cannot say it: the head with its success is sent, so the session ends.
    const simple = await NbdClient.of({ port }, "disk", false);
    assert.is(errorOf(await simple.answered(command.read, 1, 5 * mib, 512))[0], errors.io);
    simple.ask(command.read, 2, 4 * mib, 4 * mib);
    const left = await simple.closed();
    assert.ok(left.length >= 16 && left.length < 4 * mib);
    await until("the session has ended with the error", () => ends.some(({ error }) => error === -5));
  });
});

test("a device that is shut refuses with ESHUTDOWN; one that is paused keeps requests and answers later", async () => {
  await withStand(async ({ port, device }) => {
    const client = await NbdClient.of({ port }, "disk", true);
    await device.gate("paused");
    for (let cookie = 0; cookie < 300; cookie++) client.ask(command.write, cookie, cookie * 4_096, 4_096, 0, new Uint8Array(4_096).fill(7));
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.ok((await device.status()).kept > 0);
    await device.gate("open");
    for (let cookie = 0; cookie < 300; cookie++) assert.is(errorOf(await client.reply())[0], 0);
    await device.gate("shut");
    assert.equal(errorOf(await client.answered(command.read, 1, 0, 512)), [errors.shutdown, "this card serves the device no longer"]);
    await device.gate("open");
    assert.is(errorOf(await client.answered(command.read, 1, 0, 512))[0], 0);
    client.destroy();
  });
});

test("a host that says goodbye, or closes its side, is answered all that it has asked for", async () => {
  await withStand(async ({ port, ends }) => {
    const last: readonly ((client: NbdClient) => void)[] = [(client) => client.ask(command.disc, 0, 0, 0), (client) => client.end()];
    for (const goodbye of last) {
      const client = await NbdClient.of({ port }, "disk", true);
      for (let cookie = 0; cookie < 50; cookie++) client.ask(command.read, cookie, cookie * mib % sizeBytes, mib);
      goodbye(client);
      for (let count = 0; count < 50; count++) assert.is(errorOf(await client.reply())[0], 0);
      assert.is((await client.closed()).length, 0);
      client.destroy();
    }
    await until("both sessions have ended", () => ends.length === 2);
    assert.equal(ends.map(({ error, requests, readBytes }) => [error, requests, readBytes]), [[undefined, 50, 50 * mib], [
      undefined,
      50,
      50 * mib,
    ]]);
  });
});

test("a host that goes in the middle of a request, talks nonsense, or asks for a write without bounds, ends its own session alone", async () => {
  await withStand(async ({ port, ends, server }) => {
    const stays = await NbdClient.of({ port }, "disk", true);
    for (const rude of [new Uint8Array(28).fill(0x55), new Uint8Array(5)]) {
      const client = await NbdClient.of({ port }, "disk", true);
      client.send(rude);
      if (rude.length < 28) client.destroy();
      await client.closed();
    }
    const halfWay = await NbdClient.of({ port }, "disk", true);
    halfWay.ask(command.write, 1, 0, 4 * mib, 0, pattern.slice(0, 2 * mib + 100));
    halfWay.destroy();
    const endless = await NbdClient.of({ port }, "disk", true);
    endless.ask(command.write, 1, 0, 0xffff_fe00);
    assert.is((await endless.closed()).length, 0);
    await until("four sessions have ended", () => ends.length === 4);
    assert.ok(ends.every(({ error }) => error !== undefined));
    assert.is(server.sessions.length, 1);
    assert.is(errorOf(await stays.answered(command.read, 1, 0, 512))[0], 0);
    stays.destroy();
  });
});

test("a host that asks and does not take what it gets is not read any further, and harms nobody", async () => {
  await withStand(async ({ port, device }) => {
    const greedy = await NbdClient.of({ port }, "disk", true);
    greedy.pause();
    for (let cookie = 0; cookie < 200; cookie++) greedy.ask(command.read, cookie, 0, 8 * mib);
    await new Promise((resolve) => setTimeout(resolve, 200));
    const { poolBytesTaken } = await device.status();
    assert.ok(poolBytesTaken <= 17 * mib, `${poolBytesTaken} bytes are taken`);
    const other = await NbdClient.of({ port }, "disk", true);
    assert.is(errorOf(await other.answered(command.read, 1, 0, mib))[0], 0);
    other.destroy();
    greedy.destroy();
  });
});

test("sessions are told, dropped when access is taken, and end with their device", async () => {
  await withStand(async ({ path, port, server, ends, denied, device, engine }) => {
    const [disk, scan] = [await NbdClient.of({ port }, "disk", true), await NbdClient.of({ path }, "scan", false)];
    assert.is(errorOf(await disk.answered(command.read, 1, 0, 512))[0], 0);
    assert.is(errorOf(await scan.answered(command.read, 1, 0, 512))[0], 0);
    assert.equal(
      server.sessions.map(({ address, export: name, readOnly, structuredReplies }) => [address, name, readOnly, structuredReplies]),
      [
        ["127.0.0.1", "disk", false, true],
        ["", "scan", true, false],
      ],
    );
    await server.enforce();
    assert.is(server.sessions.length, 2);
    denied.add("disk");
    await server.enforce();
    assert.is((await disk.closed()).length, 0);
    await until("its end is told", () => ends.length === 1);
    await assert.ok(!(await server.drop(77)));
    await device.remove();
    await scan.closed();
    await until("the other one's too", () => ends.length === 2);
    assert.is(server.sessions.length, 0);
    await engine.make(3);
  });
});

test("an export without a device, and one that is none, are refused; the connection is closed", async () => {
  await withStand(async ({ port, refusals }) => {
    const lost = await NbdClient.of({ port }, "lost", true);
    await lost.closed();
    await NbdClient.of({ port }, "none", false).then(() => assert.unreachable(), () => undefined);
    await until("both are told", () => refusals.length === 2);
    assert.match(refusals.join("\n"), /no such device/i);
    assert.match(refusals.join("\n"), /there is no export none/);
  });
});

test("silent hosts of one address are some at most, and others come in beside them", async () => {
  await withStand(async ({ port, path, refusals }) => {
    const silent = await Promise.all(Array.from({ length: 70 }, () => NbdClient.to({ port })));
    await until("the last ones are turned away", () => refusals.length >= 6);
    const client = await NbdClient.of({ path }, "disk", true);
    assert.is(errorOf(await client.answered(command.read, 1, 0, 512))[0], 0);
    for (const each of [client, ...silent]) each.destroy();
    await until("they are gone", () => refusals.length >= 70);
  });
});

test.run();
