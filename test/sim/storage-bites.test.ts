/**
 * For each invariant of storage a line that guards it is broken in a copy of the sources, and a told life finds it out; with the sources as they are the same life and seed pass.
 */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { StorageCheckerName } from "../../src/sim/storage-checkers.ts";
import type { StartStoring } from "../../src/sim/storage-world.ts";
import { type LifeName, lived, lives } from "./storage-lives.ts";

type Break = { readonly file: string; readonly line: string; readonly broken: string };
type Bite = {
  readonly checker: StorageCheckerName;
  readonly breaks: string;
  readonly lines: readonly Break[];
  readonly life: LifeName;
  readonly seed: number;
};

const bites: readonly Bite[] = [
  {
    checker: "acknowledged-everywhere",
    breaks: "acknowledgments go on before a lost leg is out",
    life: "a data path is cut",
    seed: 1,
    lines: [
      { file: "storage/mirroring.ts", line: 'agreed.memory?.inSync.includes(leg) !== true && !isSaid("in", leg)', broken: 'leg !== ""' },
    ],
  },
  {
    checker: "in-sync-served",
    breaks: "a leg that is out may be claimed",
    life: "the backup falls behind, then the primary's card ends",
    seed: 1,
    lines: [
      {
        file: "storage/device-state.ts",
        line: "if (memory !== undefined && !memory.inSync.includes(name)) return",
        broken: "if (memory?.inSync.length === 0) return",
      },
      {
        file: "storage/local-leg.ts",
        line: "|| state === undefined || !memory.inSync.includes(leg)) return false;",
        broken: "|| state === undefined) return false;\n  if (!memory.inSync.includes(leg)) return true;",
      },
      {
        file: "storage/mirroring.ts",
        line: "if (!memory.inSync.includes(this.#leg) || !this.#isSafe(agreed, view, local)) return;",
        broken: "",
      },
      { file: "storage/mirroring.ts", line: " && local.noted?.consistent === true) this.#make", broken: ") this.#make" },
      {
        file: "storage/mirroring.ts",
        line: '    if (memory.inSync.some((leg) => leg !== this.#leg && this.#peers.get(leg)?.state !== "mirrored")) return;',
        broken: "",
      },
    ],
  },
  {
    checker: "one-host",
    breaks: "an unknown card is taken for one that is down",
    life: "a card with a leg that two reach is apart",
    seed: 1,
    lines: [
      { file: "storage/primary-backup.ts", line: 'absent.card === card && absent.state === "down"', broken: "absent.card === card" },
    ],
  },
  {
    checker: "nothing-lost",
    breaks: "it is enough that one card has kept that a leg is out",
    life: "the backup's card ends, then the power goes, and the primary's card comes last",
    seed: 2,
    lines: [
      { file: "storage/device-state.ts", line: "return view.ether.every((card) =>", broken: "return view.ether.some((card) =>" },
    ],
  },
  {
    checker: "both-ready",
    breaks: "a leg is attached that was ready in an older term",
    life: "cards come and go",
    seed: 2,
    lines: [
      {
        file: "storage/mirroring.ts",
        line: "if (memory === undefined || ready?.term !== this.term || ready.card !== holder?.card) return [];",
        broken: "if (memory === undefined || ready === undefined) return [];",
      },
      { file: "storage/device-state.ts", line: "  for (const leg of agreed.legs.values()) leg.ready = undefined;\n", broken: "" },
    ],
  },
  {
    checker: "only-who-reach",
    breaks: "a card that does not reach a leg says that it does",
    life: "a card lists a leg that it does not reach",
    seed: 1,
    lines: [
      {
        file: "storage/local-leg.ts",
        line: '      else this.#why = answer.kind === "failed" ? answer.reason : "nothing was found";',
        broken: "      else this.#see({ bytes: 0, blockBytes: 1, state: undefined, foreign: false, clean: true });",
      },
    ],
  },
  {
    checker: "equal-agreement",
    breaks: "who waits for being given it all does not travel",
    life: "cards come and go",
    seed: 1,
    lines: [
      { file: "storage/storage-state.ts", line: "    state.#announced = new Map(travelled.announced);\n", broken: "" },
    ],
  },
  {
    checker: "alike-in-the-end",
    breaks: "a leg that is synchronized is not taken in",
    life: "a data path is cut",
    seed: 1,
    lines: [
      { file: "storage/mirroring.ts", line: 'sayings.push({ kind: "in", leg });', broken: "sayings.push();" },
    ],
  },
  {
    checker: "alike-in-the-end",
    breaks: "what others missed while a leg was away it takes for known",
    life: "one leg is out, another comes back, and becomes the primary",
    seed: 3,
    lines: [
      {
        file: "storage/local-leg.ts",
        line: "if (noted?.consistent !== true) return [...peers];",
        broken: "if (noted?.consistent !== true) return [];",
      },
    ],
  },
  {
    checker: "one-server",
    breaks: "a claim does not wait for who serves",
    life: "cards come and go",
    seed: 2,
    lines: [
      {
        file: "storage/device-state.ts",
        line: "  return primary === undefined || (primary.card === claim.card && primary.incarnation === claim.incarnation);",
        broken: "  return true;",
      },
      { file: "storage/card-device.ts", line: "    if (isPrimary || isClaiming || this.#mirroring !== undefined) return;\n", broken: "" },
      {
        file: "storage/card-device.ts",
        line: "if (this.#mirroring !== undefined && (!isPrimary || this.#mirroring.term !== primary.term)) this.#stop();",
        broken: "",
      },
    ],
  },
  {
    checker: "alike-in-the-end",
    breaks: "what was never acknowledged counts as a history of its own",
    life: "the backup's card ends, then the power goes, and the primary's card comes last",
    seed: 1,
    lines: [
      {
        file: "storage/local-leg.ts",
        line: "state.acknowledged || before === undefined ? state",
        broken: 'before === undefined || leg !== "" ? state',
      },
    ],
  },
];

/** What the storage service is made of. */
const copied = ["base", "limits.ts", "storage", "failover/service-text.ts", "node/storing.ts"];
const root = fileURLToPath(new URL("../../", import.meta.url));

async function broken(lines: readonly Break[]): Promise<{ readonly start: StartStoring; readonly remove: () => void }> {
  mkdirSync(join(root, "build"), { recursive: true });
  const folder = mkdtempSync(join(root, "build", "bite-"));
  for (const path of copied) cpSync(join(root, "src", path), join(folder, "src", path), { recursive: true });
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  for (const { file, line, broken: text } of lines) {
    const path = join(folder, "src", file);
    const before = readFileSync(path, "utf8");
    assert.is(before.split(line).length, 2, `${file} has the guarded line exactly once: ${line}`);
    writeFileSync(path, before.replace(line, () => text));
  }
  const { startStoring } = await import(pathToFileURL(join(folder, "src/node/storing.ts")).href) as { readonly startStoring: StartStoring };
  return { start: startStoring, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

for (const { checker, breaks, lines, life, seed } of bites) {
  test(`HA-12: ${checker} bites: ${breaks}`, async () => {
    assert.is(lived(lives[life], seed), undefined, "the sources as they are");
    const copy = await broken(lines);
    try {
      assert.is(lived(lives[life], seed, copy.start), checker);
    } finally {
      copy.remove();
    }
  });
}

test.run();
