/**
 * A client that tries to reach a host every millisecond by TCP: a connection refused is an answer of whoever has the
 * address. Arguments: the host, and for how many milliseconds. Prints {answers, gapMs}: the longest time between two answers.
 */
import { connect } from "node:net";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";

const [host = "", forMs = "0"] = process.argv.slice(2);
const port = 9;
const patienceMs = 200;
const until = performance.now() + Number(forMs);

let answers = 0;
let answeredAt = 0;
let gapMs = 0;

function ask(): void {
  const socket = connect({ host, port });
  const timer = setTimeout(() => socket.destroy(), patienceMs);
  socket.on("error", (error: NodeJS.ErrnoException) => {
    clearTimeout(timer);
    if (error.code !== "ECONNREFUSED") return;
    const now = performance.now();
    if (answers > 0) gapMs = Math.max(gapMs, now - answeredAt);
    answers++;
    answeredAt = now;
  });
}

while (performance.now() < until) {
  ask();
  await sleep(1);
}
if (answers > 0) gapMs = Math.max(gapMs, performance.now() - answeredAt);
process.stdout.write(`${JSON.stringify({ answers, gapMs })}\n`);
process.exit(0);
