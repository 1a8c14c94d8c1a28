/** Puts cuts of a card's Ethernet that leave it its carrier into effect with what this kernel has for them. */
import { run } from "./command.ts";
import { bridgeNamespace, type Place } from "./names.ts";
import { dropFilters, dropScript, type EtherCut, undropScript } from "./network.ts";
import { Refused } from "./refusal.ts";

export async function applyDrops(name: string, place: Place, cut: EtherCut): Promise<void> {
  const tc = (lines: readonly string[], force: readonly string[] = []) =>
    run("tc", ["-n", bridgeNamespace(name), ...force, "-batch", "-"], { input: lines.join("\n") + "\n" });
  await tc(undropScript(place), ["-force"]);
  if (!cut.tx && !cut.rx && cut.from.length === 0) return;
  let why = "";
  for (const filter of dropFilters) {
    const outcome = await tc(dropScript(name, place, cut, filter));
    if (outcome.code === 0) return;
    why = outcome.stderr.trim().split("\n")[0] ?? "";
    await tc(undropScript(place), ["-force"]);
  }
  throw new Refused(
    "machine",
    `this kernel cannot let frames of one direction vanish (${why}): it needs NET_SCH_INGRESS with NET_CLS_BPF, or with NET_CLS_MATCHALL and NET_ACT_GACT; cut ether without --tx and --rx works without`,
  );
}
