/** Pairs of joined interfaces in this network namespace. */
import { setTimeout } from "node:timers/promises";
import { command } from "./namespace.ts";

const upMs = 5_000;

/** Makes the pair and waits until both ends carry frames: before that the kernel drops them without a word. */
export async function makeVethPair(left: string, right: string, leftAddress = "02:00:00:00:00:01"): Promise<void> {
  command("ip", "link", "add", left, "address", leftAddress, "type", "veth", "peer", "name", right);
  command("ip", "link", "set", left, "up");
  command("ip", "link", "set", right, "up");
  const end = performance.now() + upMs;
  while (![left, right].every((name) => command("ip", "-o", "link", "show", "dev", name).includes("state UP"))) {
    if (performance.now() > end) throw new Error(`${left} and ${right} are not up within ${upMs} ms`);
    await setTimeout(2);
  }
}
