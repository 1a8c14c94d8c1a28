// runtime: node
// timeout: 300
/**
 * For each rule of boot and self-test the line that holds it is broken in a copy of the sources, and a named test is seen to fail there (FS-6,
 * FS-8). So a test that would pass anyway fails here.
 */
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";

type Bite = {
  readonly rule: string;
  readonly file: string;
  readonly line: string;
  readonly broken: string;
  /** The test file that must fail. */
  readonly by: "boot" | "self-test" | "self-test-verdicts";
};

const bites: readonly Bite[] = [
  {
    rule: "of a role nothing is said before two periods were listened to",
    file: "boot.ts",
    line: "upAt + 2 * this.#settings.periodMs[link]",
    broken: "upAt + 1 * this.#settings.periodMs[link]",
    by: "boot",
  },
  {
    rule: "a cold start waits for all cards",
    file: "boot.ts",
    line: 'this.#type?.type === "cold" && this.#proceedBy === undefined',
    broken: 'this.#type?.type === "upgrade" && this.#proceedBy === undefined',
    by: "boot",
  },
  {
    rule: "whoever is ready is joined",
    file: "boot.ts",
    line: "if (this.#isAnyReady()) return this.#judgeQuorum(now);",
    broken: "",
    by: "boot",
  },
  {
    rule: "nobody is ready while another one is on its way",
    file: "boot.ts",
    line: "if (behind.length > 0 && now < until)",
    broken: "if (behind.length < 0 && now < until)",
    by: "boot",
  },
  {
    rule: "without a quorum nobody is ready",
    file: "boot.ts",
    line: "if (!this.#view.holds) {",
    broken: "if (this.#view === undefined) {",
    by: "boot",
  },
  {
    rule: "who does not know what is agreed is not ready",
    file: "boot.ts",
    line: "if (this.#known) return done;",
    broken: "return done;",
    by: "boot",
  },
  {
    rule: "a critical check that fails holds the card",
    file: "boot.ts",
    line: "if (failed.length === 0) return done;",
    broken: "if (failed.length >= 0) return done;",
    by: "boot",
  },
  {
    rule: "a check that does not answer has failed",
    file: "boot.ts",
    line: 'result: "failed", code: "timeout"',
    broken: 'result: "passed", code: "timeout"',
    by: "boot",
  },
  {
    rule: "two cards in one slot: neither serves",
    file: "boot.ts",
    line: 'if (this.#twin !== undefined) return held("duplicate-identity", this.#twin);',
    broken: "",
    by: "boot",
  },
  {
    rule: "a card that was stopped listens as long as any",
    file: "boot.ts",
    line: "if (at !== undefined) this.#portUpAt[link] = at + ms;",
    broken: "if (at !== undefined) this.#portUpAt[link] = at;",
    by: "boot",
  },
  {
    rule: "a card that never becomes ready does not try for ever",
    file: "boot.ts",
    line: "(lastRun?.unreadyStarts ?? 0) + 1",
    broken: "(lastRun?.unreadyStarts ?? 0)",
    by: "boot",
  },
  {
    rule: "a doubt makes a boot cold",
    file: "boot-type.ts",
    line: "!wasTold.has(lastRun.ended)",
    broken: "wasTold.has(lastRun.ended)",
    by: "boot",
  },
  {
    rule: "the last beat on the slow line is no sign of life",
    file: "self-test.ts",
    line: "round.links.includes(link) && !round.heard[link]",
    broken: "round.links.includes(link) && round.sent < 0",
    by: "self-test-verdicts",
  },
  {
    rule: "who goes on beating is asked until its time is over",
    file: "self-test.ts",
    line: "if (!this.#isBeating(round) ||",
    broken: "if (round.sent > 0 ||",
    by: "self-test-verdicts",
  },
  {
    rule: "only who was asked answers for itself",
    file: "self-test.ts",
    line: "if (round?.id === id && from === subject) {",
    broken: "if (round?.id === id) {",
    by: "self-test",
  },
  {
    rule: "only the answer to this question counts",
    file: "self-test.ts",
    line: "if (relay?.id !== id || relay.answer !== undefined) return;",
    broken: "if (relay === undefined || relay.answer !== undefined) return;",
    by: "self-test",
  },
  {
    rule: "what this card was late is on nobody's account",
    file: "self-test.ts",
    line: "round.windowEndsAt += ms;",
    broken: "",
    by: "self-test",
  },
  {
    rule: "whose end is proven is not asked about",
    file: "self-test.ts",
    line: "this.#gone.add(card);",
    broken: "",
    by: "self-test-verdicts",
  },
  {
    rule: "whom nobody hears suspects itself",
    file: "self-test.ts",
    line: 'this.#peers.get(card)?.ticks !== undefined)) ? "failed" : undefined;',
    broken: "this.#peers.get(card)?.ticks !== undefined)) ? undefined : undefined;",
    by: "self-test-verdicts",
  },
  {
    rule: "a check that hangs has failed",
    file: "self-test-answers.ts",
    line: 'result: "failed", code: "timeout"',
    broken: 'result: "passed", code: "timeout"',
    by: "self-test",
  },
  {
    rule: "many questions cost one run",
    file: "self-test-answers.ts",
    line: "if (this.#isRunning || this.isFresh(now)) return undefined;",
    broken: "if (this.#isRunning && this.isFresh(now)) return undefined;",
    by: "self-test",
  },
  {
    rule: "a failed card is one whatever its port does",
    file: "self-test-checks.ts",
    line: 'if (part === "card") return "failed";',
    broken: 'if (part === "card") grade = "port failed";',
    by: "self-test",
  },
];

const root = fileURLToPath(new URL("../../", import.meta.url));

/** Test files that were seen to pass with the sources as they are. */
const proven = new Set<string>();

/** Tests of the broken line that go on for ever have found it too. */
function isPassed(folder: string, by: Bite["by"]): boolean {
  const path = join(folder, "test", "failover", `${by}.test.ts`);
  return spawnSync(process.execPath, [path], { cwd: folder, stdio: "ignore", timeout: 20_000, killSignal: "SIGKILL" }).status === 0;
}

for (const { rule, file, line, broken, by } of bites) {
  test(`${by} bites: ${rule}`, () => {
    mkdirSync(join(root, "build"), { recursive: true });
    const folder = mkdtempSync(join(root, "build", "bite-"));
    try {
      for (const name of ["base", "cluster", "config", "failover", "node", "wire", "limits.ts", "service.ts"]) {
        cpSync(join(root, "src", name), join(folder, "src", name), { recursive: true });
      }
      for (const name of ["failover", "wire"]) cpSync(join(root, "test", name), join(folder, "test", name), { recursive: true });
      symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
      writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
      const path = join(folder, "src", "failover", file);
      const text = readFileSync(path, "utf8");
      assert.is(text.split(line).length, 2, `${file} has the guarded line exactly once: ${line}`);
      if (!proven.has(by)) assert.ok(isPassed(folder, by), `${by} passes before a line is broken`);
      proven.add(by);
      writeFileSync(path, text.replace(line, () => broken));
      assert.not(isPassed(folder, by), "nothing was found");
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
}

test.run();
