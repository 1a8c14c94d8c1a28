/** What `npm start` shows: a chassis, live, until Ctrl-C or for a while. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Daemon } from "./daemon.ts";
import { allVerified, changeLines, liveLines, verifiedText } from "./view.ts";

const pictureMs = 500;
/** Until the cards know each other the look is closer, for the time that it takes is told. */
const closerMs = 150;

const hint = [
  "",
  "In another terminal:  npm run -s chassis -- pull 2      (insert 2 brings it back)",
  "                      npm run -s chassis -- cut serial 3   (heal)",
  "                      npm run -s chassis -- --help",
  "Ctrl-C takes everything down.",
];

/** Shows the chassis until `stop` is aborted or it is taken down otherwise. Gives how long the cards took to verify each other, if they have. */
export async function show(daemon: Daemon, out: NodeJS.WriteStream, stop: AbortSignal): Promise<number | undefined> {
  let verifiedAfterMs: number | undefined;
  let before = new Map<string, string>();
  let isOver = false;
  void daemon.closed.then(() => isOver = true);
  while (!stop.aborted && !isOver) {
    const status = await daemon.status(true);
    const isNew = verifiedAfterMs === undefined && allVerified(status);
    if (isNew) verifiedAfterMs = status.cardsForMs;
    if (out.isTTY) {
      const rowsMax = (out.rows || 24) - hint.length - 1;
      const lines = [...liveLines(status, verifiedAfterMs, rowsMax), ...hint].map((line) => line.slice(0, out.columns || 80));
      // Home, each line cleared to its end, then everything below: the picture does not flicker.
      out.write(`\x1b[H${lines.map((line) => `${line}\x1b[K\n`).join("")}\x1b[J`);
    } else {
      const after = changeLines(status);
      const at = `${(status.cardsForMs / 1_000).toFixed(1).padStart(6)} s  `;
      for (const [key, line] of after) if (before.get(key) !== line) out.write(`${at}${line}\n`);
      if (isNew) out.write(`${verifiedText(status.cards.length, verifiedAfterMs)}\n`);
      before = after;
    }
    await sleep(verifiedAfterMs === undefined ? closerMs : pictureMs, undefined, { signal: stop }).catch(() => {});
  }
  return verifiedAfterMs;
}

/** On a terminal: the picture has the screen for itself, and what was there before comes back. */
export function takeScreen(out: NodeJS.WriteStream): () => void {
  if (!out.isTTY) return () => {};
  out.write("\x1b[?1049h\x1b[?25l\x1b[2J");
  return () => out.write("\x1b[?25h\x1b[?1049l");
}
