/** Rules of failover whose line is broken in a copy of the sources, and the test file of this folder that has to fail there. */
import { test } from "uvu";
import * as assert from "uvu/assert";
import { BrokenCopy } from "../broken-copy.ts";

export type Bite<By extends string> = {
  readonly rule: string;
  /** In src/failover. */
  readonly file: string;
  readonly line: string;
  readonly broken: string;
  readonly by: By;
};

/** Tests of the broken line that go on for ever have found it too. */
const usualPatienceMs = 20_000;

/** A test for each. `paths`: what is copied, from the root. */
export function testBites<By extends string>(paths: readonly string[], bites: readonly Bite<By>[], patienceMs = usualPatienceMs): void {
  const copy = new BrokenCopy(paths);
  test.after(() => copy.remove());
  const failuresOf = (by: By): string[] => copy.failures(`test/failover/${by}.test.ts`, patienceMs);
  for (const by of new Set(bites.map((bite) => bite.by))) {
    test(`${by} passes before a line is broken`, () => assert.equal(failuresOf(by), []));
  }
  for (const { rule, file, line, broken, by } of bites) {
    test(`${by} bites: ${rule}`, () => {
      const mend = copy.break(`src/failover/${file}`, line, broken);
      try {
        assert.is.not(failuresOf(by).length, 0, "nothing was found");
      } finally {
        mend();
      }
    });
  }
  test.run();
}
