// runtime: node, because the server is a process of its own, and the clients are not ours
/**
 * The export with the clients that hosts have: nbdinfo, nbdcopy, qemu-img, qemu-io and fio, over TCP, over a Unix socket and over TLS; and
 * hosts that are killed, that stay half open, and that are none.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { randomFillSync } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const mib = 1024 * 1024;
const sizeBytes = 32 * mib;
const program = fileURLToPath(new URL("../../scripts/export-server.ts", import.meta.url));

/** Runs a client to its end; what it has printed. Fails with all of that when it does. */
function client(name: string, ...rest: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(name, rest, { encoding: "utf8", timeout: 120_000, maxBuffer: 64 * mib });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${name} ${rest.join(" ")} ended with ${status}: ${stdout}${stderr}`);
  return stdout;
}

class Stand {
  readonly directory = mkdtempSync(join(tmpdir(), "nbd-"));
  readonly disk = join(this.directory, "disk");
  readonly socket = join(this.directory, "socket");
  log = "";
  port = 0;
  #server: ChildProcess | undefined;

  async start(...more: readonly string[]): Promise<void> {
    writeFileSync(this.disk, randomFillSync(new Uint8Array(sizeBytes)));
    this.#server = spawn(process.execPath, [
      program,
      `disk=${this.disk}`,
      "--unix",
      this.socket,
      "--tcp",
      "127.0.0.1:0",
      "--verbose",
      ...more,
    ], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [this.#server.stdout, this.#server.stderr]) stream?.on("data", (text) => (this.log += String(text)));
    await this.told(/ready (\d+)/);
    this.port = Number(/ready (\d+)/.exec(this.log)?.[1]);
  }

  get unix(): string {
    return `nbd+unix:///disk?socket=${this.socket}`;
  }

  get tcp(): string {
    return `nbd://127.0.0.1:${this.port}/disk`;
  }

  async told(pattern: RegExp, times = 1): Promise<void> {
    for (let waited = 0; [...this.log.matchAll(new RegExp(pattern, "g"))].length < times; waited++) {
      if (waited > 1_500) throw new Error(`${pattern} was not told ${times} times within 15 s:\n${this.log}`);
      await sleep(10);
    }
  }

  async stop(): Promise<void> {
    const server = this.#server;
    if (server !== undefined && server.exitCode === null) {
      const ended = new Promise((resolve) => server.once("exit", resolve));
      server.kill("SIGTERM");
      await ended;
      assert.is(server.exitCode, 0, this.log);
    }
    rmSync(this.directory, { recursive: true });
  }
}

/** With a server of its own. */
async function withStand(options: (stand: Stand) => readonly string[], body: (stand: Stand) => Promise<void> | void): Promise<void> {
  const stand = new Stand();
  try {
    await stand.start(...options(stand));
    await body(stand);
  } finally {
    await stand.stop();
  }
}

const test = suite("NBD clients");

const shared = new Stand();
test.before(() => shared.start());
test.after(() => shared.stop());

test("nbdinfo --json shows what the export can, and the list names it", () => {
  const { unix, tcp, disk } = shared;
  for (const uri of [unix, tcp]) {
    const shown = JSON.parse(client("nbdinfo", "--json", uri)) as Record<string, unknown> & { exports: [Record<string, unknown>] };
    assert.is(shown["protocol"], "newstyle-fixed");
    assert.is(shown["structured"], true);
    const [found] = shown.exports;
    for (const can of ["can_df", "can_flush", "can_fua", "can_multi_conn", "can_trim", "can_zero"]) assert.is(found[can], true, can);
    assert.is(found["is_read_only"], false);
    assert.is(found["export-size"], sizeBytes);
    assert.is(found["block_size_maximum"], 32 * mib);
    assert.is(found["description"], disk);
  }
  assert.match(client("nbdinfo", "--list", tcp.replace("/disk", "/")), /export="disk"/);
});

test("nbdcopy brings a whole device here and there, over several connections", () => {
  const { unix, tcp, disk, directory } = shared;
  const [image, copy] = [join(directory, "image"), join(directory, "copy")];
  writeFileSync(image, randomFillSync(new Uint8Array(sizeBytes)));
  client("nbdcopy", "--connections=4", "--flush", image, tcp);
  assert.ok(readFileSync(disk).equals(readFileSync(image)));
  client("nbdcopy", "--connections=4", unix, copy);
  assert.ok(readFileSync(copy).equals(readFileSync(image)));
});

test("qemu-img converts, compares and measures; qemu-io reads what it wrote, zeroed and discarded", () => {
  const { unix, tcp, directory } = shared;
  const image = join(directory, "image");
  writeFileSync(image, randomFillSync(new Uint8Array(sizeBytes / 2)));
  client("qemu-img", "resize", "-q", "-f", "raw", image, String(sizeBytes));
  client("qemu-img", "convert", "-n", "-f", "raw", "-O", "raw", image, unix);
  assert.match(client("qemu-img", "compare", "-f", "raw", "-F", "raw", image, tcp), /identical/);
  client("qemu-img", "bench", "-f", "raw", "-t", "none", "-w", "-c", "2000", "-d", "32", "-s", "4096", "--flush-interval=100", tcp);
  for (const uri of [unix, tcp]) {
    const commands = [
      "write -P 5 0 3M",
      "read -P 5 0 3M",
      "write -z 1M 1M",
      "read -P 0 1M 1M",
      "write -z -u 2M 64k",
      "read -P 0 2M 64k",
      "write -f -P 6 4096 4096",
      "discard 8192 8192",
      "flush",
      "read -P 6 4096 4096",
      "write -P 9 1000 100",
      "read -P 9 1000 100",
      "read -P 5 900 100",
    ];
    const printed = client("qemu-io", "-f", "raw", ...commands.flatMap((each) => ["-c", each]), uri);
    assert.not.match(printed, /failed|error/i);
  }
});

test("fio finds every block as it wrote it, in any size and order, with flushes between, four jobs at once", () => {
  const { unix, tcp } = shared;
  for (const uri of [unix, tcp]) {
    const verify = [
      "--ioengine=nbd",
      `--uri=${uri}`,
      "--rw=randrw",
      "--verify=crc32c",
      "--verify_fatal=1",
      "--verify_backlog=64",
      "--verify_state_save=0",
    ];
    client("fio", "--name=small", ...verify, "--bs=4k", "--iodepth=32", "--size=8m", "--fsync=50");
    client("fio", "--name=mixed", ...verify, "--bsrange=512-2m", "--bs_unaligned=0", "--blockalign=512", "--iodepth=16", "--size=24m");
    client(
      "fio",
      "--name=jobs",
      ...verify,
      "--bs=8k",
      "--iodepth=8",
      "--size=4m",
      "--numjobs=4",
      "--offset_increment=8m",
      "--group_reporting",
    );
  }
});

test("hosts that are killed under load leave nothing behind, and others go on", async () => {
  const stand = shared;
  for (const signal of ["SIGINT", "SIGKILL"] as const) {
    const load = [
      "--ioengine=nbd",
      `--uri=${stand.tcp}`,
      "--rw=randrw",
      "--bs=64k",
      "--iodepth=32",
      "--size=32m",
      "--time_based",
      "--runtime=60",
    ];
    // A thread, since a process of its own would survive.
    const fio = spawn("fio", ["--name=killed", "--thread", ...load], { stdio: "ignore" });
    const begun = [...stand.log.matchAll(/^begun/gm)].length;
    await stand.told(/begun/, begun + 1);
    await sleep(300);
    const ended = new Promise((resolve) => fio.once("exit", resolve));
    fio.kill(signal);
    await ended;
    client("nbdinfo", "--size", stand.unix);
  }
  const begun = [...stand.log.matchAll(/begun/g)].length;
  await stand.told(/\bended \d/, begun);
  client(
    "fio",
    "--name=after",
    "--ioengine=nbd",
    `--uri=${stand.unix}`,
    "--rw=randwrite",
    "--bs=4k",
    "--size=4m",
    "--verify=crc32c",
    "--verify_state_save=0",
  );
});

test("garbage and silence are no reason not to serve", async () => {
  const stand = shared;
  const strangers = Array.from({ length: 40 }, (_, index) => {
    const socket = connect(stand.port, "127.0.0.1");
    socket.on("error", () => undefined);
    if (index % 2 === 0) socket.write(randomFillSync(new Uint8Array(10_000)));
    return socket;
  });
  client("nbdcopy", stand.tcp, join(stand.directory, "copy"));
  await stand.told(/refused 127\.0\.0\.1/, 20);
  for (const each of strangers) each.destroy();
});

test("over TLS all is the same; without it a server that requires it says so; a stranger's certificate is not taken", async () => {
  const certificates = (stand: Stand): readonly string[] => {
    const pki = join(stand.directory, "pki");
    mkdirSync(pki);
    const at = (name: string) => join(pki, name);
    const subject = (
      name: string,
    ) => ["-subj", `/CN=${name}`, "-days", "2", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
    client("openssl", "req", "-x509", ...subject("authority"), "-keyout", at("ca-key.pem"), "-out", at("ca-cert.pem"));
    for (const [side, name] of [["server", "127.0.0.1"], ["client", "host"]] as const) {
      client(
        "openssl",
        "req",
        "-x509",
        ...subject(name),
        "-CA",
        at("ca-cert.pem"),
        "-CAkey",
        at("ca-key.pem"),
        "-addext",
        "subjectAltName=IP:127.0.0.1,DNS:localhost",
        "-addext",
        "basicConstraints=critical,CA:FALSE",
        "-keyout",
        at(`${side}-key.pem`),
        "-out",
        at(`${side}-cert.pem`),
      );
    }
    return ["--certificate", at("server-cert.pem"), "--key", at("server-key.pem"), "--authority", at("ca-cert.pem"), "--tls-required"];
  };
  await withStand(certificates, (stand) => {
    const pki = join(stand.directory, "pki");
    const secured = `nbds://127.0.0.1:${stand.port}/disk?tls-certificates=${pki}`;
    const shown = JSON.parse(client("nbdinfo", "--json", secured)) as { readonly TLS: boolean };
    assert.is(shown.TLS, true);
    const copy = join(stand.directory, "copy");
    client("nbdcopy", secured, copy);
    assert.ok(readFileSync(copy).equals(readFileSync(stand.disk)));
    writeFileSync(copy, randomFillSync(new Uint8Array(sizeBytes)));
    client("nbdcopy", "--flush", copy, secured);
    assert.ok(readFileSync(copy).equals(readFileSync(stand.disk)));
    assert.throws(() => client("nbdinfo", "--size", stand.tcp), /TLS/);
    const stranger = join(stand.directory, "stranger");
    mkdirSync(stranger);
    writeFileSync(join(stranger, "ca-cert.pem"), readFileSync(join(pki, "ca-cert.pem")));
    assert.throws(() => client("nbdinfo", "--size", secured.replace(pki, stranger)));
    // On the card itself there is nobody to listen in.
    client("nbdinfo", "--size", stand.unix);
  });
});

test("an export that can only be read says so and stays as it is", async () => {
  await withStand(() => ["--read-only"], ({ tcp, disk }) => {
    const before = readFileSync(disk);
    assert.match(client("nbdinfo", "--json", tcp), /"is_read_only": true/);
    assert.throws(() => client("qemu-io", "-f", "raw", "-c", "write 0 4096", tcp));
    assert.ok(readFileSync(disk).equals(before));
  });
});

test.run();
