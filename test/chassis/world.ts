/** What the runtime tests of the virtual chassis share: how to ask it, and how to look at what it leaves behind. */
import * as assert from "uvu/assert";
import type { ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { LinkHealth, PeerStatus } from "../../src/node/status.ts";
import type { Chassis, UpOptions } from "../../scripts/chassis/chassis.ts";
import { run } from "../../scripts/chassis/command.ts";
import { everyChassis } from "../../scripts/chassis/place.ts";
import { Refused } from "../../scripts/chassis/refusal.ts";
import type { ChassisStatus, SlotStatus } from "../../scripts/chassis/status.ts";
import { namespacesLeft } from "../../scripts/chassis/sweep.ts";
import { allVerified } from "../../scripts/chassis/view.ts";

/** The command line. */
export const program = fileURLToPath(new URL("../../scripts/chassis/main.ts", import.meta.url));
/** Names of this run, so that two runs at once do not meet. */
export const nameOf = (part: string): string => `t${process.pid}-${part}`;
export const quick: UpOptions = { bootMs: 200, cards: 3, disks: 2 };

export function cardOf(status: ChassisStatus, card: string): SlotStatus {
  return status.cards.find((other) => other.card === card) as SlotStatus;
}

export function peerOf(status: ChassisStatus, observer: string, peer: string): PeerStatus | undefined {
  return cardOf(status, observer).status?.peers.find(({ chassis, slot }) => `${chassis}/${slot}` === peer);
}

export function linkHealth(status: ChassisStatus, observer: string, peer: string, link: "ether" | "serial"): LinkHealth | undefined {
  return peerOf(status, observer, peer)?.links[link]?.health;
}

export function health(status: ChassisStatus, observer: string, peer: string): string | undefined {
  return peerOf(status, observer, peer)?.health;
}

export function verified(chassis: Chassis): Promise<ChassisStatus> {
  return chassis.waitFor("every card has verified every other one on both links", allVerified, 15_000);
}

export async function link(chassis: Chassis, slot: number): Promise<string> {
  return (await chassis.exec(slot, ["ip", "-o", "link", "show", "eth0"])).stdout;
}

export async function refused(message: RegExp, order: Promise<unknown>): Promise<void> {
  const error = await order.then(() => undefined, (error: unknown) => error);
  assert.instance(error, Refused);
  assert.match((error as Refused).message, message);
}

export function exitOf(child: ChildProcess): Promise<string | number | null> {
  return new Promise((resolve) => child.on("exit", (code, signal) => resolve(signal ?? code)));
}

/** What a chassis could leave behind, as far as it is not in a namespace of its own. */
export async function world(name: string): Promise<Record<string, unknown>> {
  const links = (await run("ip", ["-o", "link"])).stdout.split("\n").filter((line) => / 02:ca:|: (bridge|host|c\ds\d)[@:]/.test(line));
  return { links, namespaces: namespacesLeft(name), directory: everyChassis().filter((other) => other.name === name).length };
}
export const nothing = { links: [], namespaces: [], directory: 0 };

/** Every process of a chassis. */
export function pidsOf(status: ChassisStatus): number[] {
  return [status.daemonPid, ...status.multiplexors.flatMap(({ pid }) => pid ?? []), ...status.cards.flatMap(({ pid }) => pid ?? [])];
}
