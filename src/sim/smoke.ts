import { World } from "./world.ts";
import { settleMs } from "./checkers.ts";
const t = performance.now();
const w = new World({
  seed: 1,
  cards: [1, 2, 3, 4, 5] as any,
  profile: "default",
  baud: 115200,
  ...(process.argv[2] ? { trace: console.log } : {}),
});
w.runUntil(settleMs(w, false));
console.log(w.at);
w.checkers.checkSettled();
w.checkers.calmKept.calm = true;
w.runUntil(120000);
console.log(w.violations, w.history.hash(), 5 * w.at / 1000 / ((performance.now() - t) / 1000));
if (w.violations.length) console.log(w.history.lines().join("\n"));
