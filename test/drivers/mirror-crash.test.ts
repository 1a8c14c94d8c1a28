/**
 * Processes of a mirror that are killed under load: the primary, the backup, both at once, or the backup and then the primary. After each the legs are equal after
 * resynchronization, and no acknowledged write is lost. `mirror-crash.test.ts 200` kills so often, from a seed that may follow.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import { nativeBlock } from "../../drivers/block/block.ts";
import { nativeMirror } from "../../drivers/block/mirror.ts";
import { loadAddon } from "../../drivers/load.ts";
import { Prng } from "../../src/base/prng.ts";
import { command, enterNamespaces, runCommand } from "../conformance/namespace.ts";
import { crashHotMax, crashPlaces, MirrorOracle } from "./mirror-oracle.ts";
import { backingSlot, idOf, legSlot } from "./mirror-rig.ts";

enterNamespaces(import.meta.url);
command("ip", "link", "set", "lo", "up");

const [crashes = 4, seed = 1] = process.argv.slice(2).map(Number);
const deviceBytes = 2 ** 30;
const program = runCommand(fileURLToPath(new URL("mirror-crash-process.ts", import.meta.url)));
const waitMs = 120_000;

/** A process that says in a file what it does. */
class Side {
  readonly #child: ChildProcess;
  readonly #dead: Promise<void>;
  readonly #log: string;

  constructor(log: string, arguments_: readonly (string | number)[]) {
    const [file, ...before] = program;
    this.#log = log;
    writeFileSync(log, "");
    this.#child = spawn(file, [...before, log, ...arguments_.map(String)], { stdio: ["pipe", "ignore", "inherit"] });
    this.#child.stdin?.on("error", () => {});
    this.#dead = new Promise((resolve) => this.#child.once("close", () => resolve()));
  }

  /** A last line without an end was not said. */
  get lines(): string[] {
    return readFileSync(this.#log, "utf8").split("\n").slice(0, -1);
  }

  async told(word: string): Promise<string> {
    const end = performance.now() + waitMs;
    for (;;) {
      const line = this.lines.find((each) => each.startsWith(word));
      if (line !== undefined) return line;
      if (performance.now() > end || this.#child.exitCode !== null) throw new Error(`a side of the mirror does not say ${word}`);
      await pause(5);
    }
  }

  go(): void {
    this.#child.stdin?.write("go\n");
  }

  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#dead;
  }
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function format(paths: readonly string[]): Promise<void> {
  const engine = await nativeBlock(loadAddon()).open({});
  for (const [number, path] of paths.entries()) {
    const device = await engine.make(number);
    const mirror = nativeMirror(engine, number);
    await device.open(backingSlot, path, { size: deviceBytes + (1 << 20) });
    await mirror.format(backingSlot, { device: idOf(9), leg: idOf(number), size: deviceBytes, term: 1, bitmaps: [1 - number] });
    await mirror.openLeg(backingSlot, legSlot, { hotMax: crashHotMax });
    await mirror.setBits(legSlot, [1 - number], "none");
    await device.remove();
  }
  await engine.close();
}

test("a kill at any instant, of either side or of both, loses no acknowledged write", async () => {
  const directory = mkdtempSync(join(tmpdir(), "cardinal-mirror-crash-"));
  const paths: readonly [string, string] = [join(directory, "leg0"), join(directory, "leg1")];
  const prng = new Prng(seed);
  const oracle = new MirrorOracle(crashPlaces);
  const sides: Side[] = [];
  try {
    await format(paths);
    let source = 0;
    for (let crash = 0; crash <= crashes; crash++) {
      const term = crash + 2;
      const backup = new Side(join(directory, "backup"), ["backup", 1 - source, paths[1 - source] as string, 0, term]);
      sides.push(backup);
      const port = (await backup.told("ready")).split(" ")[1] as string;
      const primary = new Side(join(directory, "primary"), ["primary", source, paths[source] as string, port, term, oracle.next]);
      sides.push(primary);
      await primary.told("synchronized");
      oracle.check(paths[0], paths[1], "acknowledged", `seed ${seed}, before crash ${crash + 1}`);
      primary.go();
      await pause(20 + prng.below(150));
      const kind = prng.pick(["primary", "backup", "both", "backup, then primary"] as const);
      if (kind.startsWith("backup")) await backup.kill();
      if (kind === "both") await Promise.all([primary.kill(), backup.kill()]);
      if (kind === "backup, then primary") await pause(prng.below(60));
      if (kind === "backup") await primary.told("out");
      await primary.kill();
      await backup.kill();
      oracle.heard(primary.lines);
      /* Before it was out the backup has all that was acknowledged; after it only the primary has. */
      if (!primary.lines.includes("out")) source = prng.below(2);
    }
  } finally {
    for (const side of sides) await side.kill();
    rmSync(directory, { recursive: true });
  }
});

test.run();
