import { readFileSync } from "node:fs";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { runSeed } from "../../src/sim/swarm.ts";

/** A few seeds on each run of the tests; the command line lives hundreds. */
const firstSeed = 1;
const seedCount = 20;
const seconds = 12;

for (let seed = firstSeed; seed < firstSeed + seedCount; seed++) {
  test(`seed ${seed} keeps every invariant under faults, and settles`, () => {
    const { violation, lines } = runSeed({ seed, seconds, calm: false });
    assert.is(violation, undefined, [...lines, violation?.checker, violation?.sentence, violation?.detail].join("\n"));
  });
}

for (let seed = firstSeed; seed < firstSeed + seedCount; seed++) {
  test(`seed ${seed} with stores keeps every invariant of the configuration`, () => {
    const { violation, lines } = runSeed({ seed, seconds, calm: false, stores: true });
    assert.is(violation, undefined, [...lines, violation?.checker, violation?.sentence, violation?.detail].join("\n"));
  });
}

const failoverSeedCount = 8;

for (let seed = firstSeed; seed < firstSeed + failoverSeedCount; seed++) {
  test(`seed ${seed} with resources keeps every invariant of failover`, () => {
    const { violation, lines } = runSeed({ seed, seconds, calm: false, failover: true });
    assert.is(violation, undefined, [...lines, violation?.checker, violation?.sentence, violation?.detail].join("\n"));
  });
}

const regressions = readFileSync(new URL("./regressions.txt", import.meta.url), "utf8").split("\n");
for (const line of regressions.filter((text) => /^(failover )?\d/.test(text))) {
  test(`regression: ${line}`, () => {
    const isFailover = line.startsWith("failover ");
    const [seed, ofSeconds, cards] = line.replace("failover ", "").split(/\s+/).map(Number) as [number, number, number];
    const { violation } = runSeed({ seed, seconds: ofSeconds, calm: false, ...(isFailover ? { failover: true } : { cards }) });
    assert.is(violation, undefined, `${violation?.checker}: ${violation?.detail}`);
  });
}

test("in calm nobody wavers", () => {
  for (const profile of ["default", "fast"] as const) {
    const { violation, faults } = runSeed({ seed: 77, seconds: 20, calm: true, cards: 8, chassis: 1, profile });
    assert.is(faults, 0);
    assert.is(violation, undefined, violation?.detail);
  }
});

test.run();
