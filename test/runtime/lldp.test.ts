/** Standard tools understand our LLDP frames: Debian's `lldpd` on the other end of a wire, and `tshark`. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { nativeDrivers } from "../../drivers/native.ts";
import type { EtherPort } from "../../src/io/ports.ts";
import { etherType, groupAddress, lldpAddress, lldpEtherType } from "../../src/wire/ether.ts";
import { encodeLldp, type LldpAnnouncement, lldpOrganization } from "../../src/wire/lldp.ts";
import { command, enterNamespaces } from "../conformance/namespace.ts";
import { makeVethPair } from "../conformance/veth.ts";

enterNamespaces(import.meta.url, ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]);
// What lldpd leaves in /run stays in here, and so do our files.
command("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run");
const directory = "/run/lldp-test";
mkdirSync(directory);
const socket = `${directory}/socket`;

const announcement: LldpAnnouncement = {
  mac: Uint8Array.of(0x02, 0, 0, 0, 0, 0x01),
  interfaceName: "card",
  cardName: "bay-\u00e9",
  systemName: "store",
  card: 11,
  chassis: 2,
  slot: 3,
  uid: Uint8Array.of(0xca, 0xfe, 0, 1, 2, 3, 4, 5),
  software: "0.1.0",
  ttlS: 120,
  managementAddresses: [Uint8Array.of(192, 0, 2, 7), Uint8Array.of(0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7)],
};

/** lldpd drops to a user of its own, which a user namespace that maps root alone does not have. */
const hasUsers = readFileSync("/proc/self/uid_map", "utf8").trim().endsWith("4294967295");
const withUsers = hasUsers ? test : test.skip;
if (!hasUsers) console.log("lldpd is skipped: it needs root itself, not a user namespace with root alone");

async function until<Value>(what: string, find: () => Value | undefined): Promise<Value> {
  const end = performance.now() + 10_000;
  for (;;) {
    const found = find();
    if (found !== undefined) return found;
    if (performance.now() > end) throw new Error(`not within 10 s: ${what}`);
    await sleep(50);
  }
}

async function stopped(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  await exited;
}

// deno-lint-ignore no-explicit-any
function neighborOnSwitch(): any {
  try {
    return JSON.parse(command("lldpcli", "-u", socket, "-f", "json", "show", "neighbors", "details")).lldp.interface?.switch;
  } catch {
    // It does not answer yet.
    return undefined;
  }
}

withUsers("FS-2: Debian's lldpd shows a card, its place and its identity, and forgets it at its goodbye", async () => {
  await makeVethPair("card", "switch");
  let daemon: ChildProcess | undefined;
  let port: EtherPort | undefined;
  try {
    daemon = spawn("lldpd", ["-d", "-u", socket, "-I", "switch", "-O", "/dev/null"], { stdio: "ignore" });
    await until("lldpd answers", () => {
      try {
        return command("lldpcli", "-u", socket, "-f", "json", "show", "interfaces", "ports", "switch").includes("switch") || undefined;
      } catch {
        return undefined;
      }
    });
    port = await nativeDrivers().ether.open({ interface: "card", etherTypes: [etherType], groups: [groupAddress] }, () => {});
    const send = (frame: Uint8Array) => assert.ok(port?.send(lldpAddress, lldpEtherType, frame));
    const neighbor = await until("lldpd shows the card", () => {
      send(encodeLldp(announcement));
      return neighborOnSwitch();
    });

    assert.is(neighbor.via, "LLDP");
    assert.equal(Object.keys(neighbor.chassis), ["bay-\u00e9"]);
    const chassis = neighbor.chassis["bay-\u00e9"];
    assert.equal(chassis.id, { type: "mac", value: "02:00:00:00:00:01" });
    assert.is(chassis.descr, "Cardinal 0.1.0, card 11 of system store");
    assert.equal(chassis["mgmt-ip"], ["192.0.2.7", "2001:db8::7"]);
    assert.equal(chassis.capability, { type: "Station", enabled: true });
    assert.equal(neighbor.port.id, { type: "ifname", value: "card" });
    assert.is(neighbor.port.descr, "public link of card 11 (chassis 2, slot 3)");
    assert.is(neighbor.port.ttl, "120");
    assert.equal(neighbor["unknown-tlvs"]["unknown-tlv"], {
      oui: "02,43,41",
      subtype: "1",
      len: "11",
      value: "0B,02,03,CA,FE,00,01,02,03,04,05",
    });

    send(encodeLldp({ ...announcement, ttlS: 0 }));
    await until("lldpd forgets the card", () => neighborOnSwitch() === undefined || undefined);
  } finally {
    await port?.close();
    if (daemon !== undefined) await stopped(daemon);
    command("ip", "link", "delete", "card");
  }
});

/** A capture file of Ethernet frames, in the classic format of libpcap. */
function pcapOf(payloads: readonly Uint8Array[]): Uint8Array {
  const header = new DataView(new ArrayBuffer(24));
  header.setUint32(0, 0xa1b2c3d4);
  header.setUint16(4, 2);
  header.setUint16(6, 4);
  header.setUint32(16, 65_535);
  header.setUint32(20, 1);
  const parts = [...new Uint8Array(header.buffer)];
  for (const payload of payloads) {
    const frame = [...lldpAddress, ...announcement.mac, lldpEtherType >> 8, lldpEtherType & 0xff, ...payload];
    while (frame.length < 60) frame.push(0);
    const record = new DataView(new ArrayBuffer(16));
    record.setUint32(8, frame.length);
    record.setUint32(12, frame.length);
    parts.push(...new Uint8Array(record.buffer), ...frame);
  }
  return Uint8Array.from(parts);
}

// deno-lint-ignore no-explicit-any
function layersOf(payloads: readonly Uint8Array[]): any[] {
  const path = `${directory}/frames.pcap`;
  writeFileSync(path, pcapOf(payloads));
  // deno-lint-ignore no-explicit-any
  return JSON.parse(command("tshark", "-r", path, "-T", "json")).map((packet: any) => packet._source.layers);
}

test("FS-2: tshark reads our frames as LLDP without a complaint", () => {
  const frames = layersOf([
    encodeLldp(announcement),
    encodeLldp({ ...announcement, ttlS: 0 }),
    encodeLldp({ ...announcement, managementAddresses: [] }),
  ]);
  assert.is(frames.length, 3);
  for (const layers of frames) {
    assert.ok(layers.lldp !== undefined);
    assert.not.match(JSON.stringify(layers), /malformed|_ws\.expert/i);
  }
  assert.match(JSON.stringify(frames[0].lldp), /bay-/);
  const organization = String(
    (lldpOrganization[0] as number) * 65_536 + (lldpOrganization[1] as number) * 256 + (lldpOrganization[2] as number),
  );
  assert.match(JSON.stringify(frames[0].lldp), new RegExp(`"lldp.orgtlv.oui":"${organization}".*"0b:02:03:ca:fe:00:01:02:03:04:05"`));
});

test("tshark does complain about a frame that is cut", () => {
  const cut = encodeLldp(announcement).slice(0, 80);
  const [layers] = layersOf([cut]);
  assert.match(JSON.stringify(layers), /malformed|_ws\.expert/i);
});

test.run();
