/**
 * An invariant that the simulator checks, a line of the product that guards it, and a world that finds out when the line is broken in a copy of the
 * sources. The same world passes with the sources as they are: so a checker that sleeps, and a world that would fail anyway, both fail.
 */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";

export type Bite = {
  /** The checker that must find it. */
  readonly checker: string;
  readonly breaks: string;
  readonly file: string;
  readonly line: string;
  readonly broken: string;
  /** A scenario, a calm seed of the swarm, or one with all its faults (of five cards and 20 s, unless it says otherwise). */
  readonly world: readonly string[] | number | FaultySeed;
};

export type FaultySeed = {
  readonly seed: number;
  readonly stores?: boolean;
  readonly failover?: boolean;
  readonly seconds?: number;
  readonly cards?: number | "drawn";
};

/** Worlds that are known to violate nothing. */
const sound = new Set<string>();

/** The verbs of a recorded scenario. That it violates nothing is seen where it is compared with its recording. */
export function scenarioOf(path: string): string[] {
  const text = readFileSync(fileURLToPath(new URL(`../scenarios/${path}`, import.meta.url)), "utf8");
  const verbs = (text.split("\n----")[0] as string).split("\n");
  sound.add(JSON.stringify(verbs));
  return verbs;
}

const root = fileURLToPath(new URL("../../", import.meta.url));
const copied = ["base", "cluster", "config", "failover", "node", "sim", "storage", "wire", "limits.ts", "service.ts"];

/** What the world comes to with the sources in `folder`: the violation, if there is one. */
async function violationIn(folder: string, world: Bite["world"]): Promise<{ checker: string; detail: string } | undefined> {
  const from = (path: string) => import(pathToFileURL(join(folder, "sim", path)).href);
  if (!Array.isArray(world)) {
    const { runSeed } = await from("swarm.ts") as typeof import("../../src/sim/swarm.ts");
    if (typeof world === "number") return runSeed({ seed: world, seconds: 20, calm: true }).violation;
    const { cards = 5, ...seed } = world as FaultySeed;
    return runSeed({ seconds: 20, ...seed, ...(cards === "drawn" ? {} : { cards }), calm: false }).violation;
  }
  const { parseScenario, runScenario } = await from("scenario.ts") as typeof import("../../src/sim/scenario.ts");
  const result = runScenario(parseScenario(world.join("\n")));
  if (typeof result === "string") throw new Error(result);
  return result.violation;
}

/** A test for each. */
export function testBites(bites: readonly Bite[]): void {
  for (const { checker, breaks, file, line, broken, world } of bites) {
    test(`${checker} bites when ${breaks}`, async () => {
      const key = JSON.stringify(world);
      if (!sound.has(key)) assert.is(await violationIn(join(root, "src"), world), undefined);
      sound.add(key);
      mkdirSync(join(root, "build"), { recursive: true });
      const folder = mkdtempSync(join(root, "build", "bite-"));
      try {
        for (const name of copied) cpSync(join(root, "src", name), join(folder, name), { recursive: true });
        const text = readFileSync(join(folder, file), "utf8");
        assert.is(text.split(line).length, 2, `${file} has the guarded line exactly once: ${line}`);
        writeFileSync(join(folder, file), text.replace(line, () => broken));
        const violation = await violationIn(folder, world);
        assert.is(violation?.checker, checker, violation?.detail ?? "nothing was found");
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    });
  }
}
