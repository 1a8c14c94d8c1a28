import { runSeed } from "./swarm.ts";
const [a, b] = process.argv.slice(2).map(Number) as [number, number];
for (let seed = a; seed <= b; seed++) {
  const t = performance.now();
  const r = runSeed({ seed, seconds: 60, calm: false });
  const s = (performance.now() - t) / 1000;
  console.log(
    seed,
    r.cards,
    r.chassis,
    r.profile,
    r.baud,
    r.faults,
    (r.simulatedMs / 1000).toFixed(1),
    (r.cards * r.simulatedMs / 1000 / s).toFixed(0),
    r.hash,
    r.violation ? r.violation.checker + " @" + r.violation.at.toFixed(1) + " " + r.violation.card + ": " + r.violation.detail : "ok",
  );
}
