import { spawnSync } from "node:child_process";
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { createLogger } from "../../src/io/log.ts";
import { lineOutput } from "../../src/io/log-output.ts";
import { logPerSecondMax } from "../../src/limits.ts";
import type { LogLevel } from "../../src/node/effect.ts";

type Line = { time: string; level: string; card: number; event: string; [field: string]: unknown };

function logger(level: LogLevel = "info") {
  const texts: string[] = [];
  const world = { now: Date.UTC(2024, 1, 29, 12, 0, 0, 250), takes: true };
  const write = (text: string) => {
    if (world.takes) texts.push(text);
    return world.takes;
  };
  const logged = createLogger({ card: 3, level, write, wallClock: () => world.now });
  return { ...logged, world, texts, lines: () => texts.map((text) => JSON.parse(text) as Line) };
}

test("an event is one line of JSON that says when, how bad, which card and what", () => {
  const { log, texts } = logger();
  log("warn", "port down", { link: "ether", tries: 3, cards: [1, 2] });
  assert.equal(texts, [
    '{"time":"2024-02-29T12:00:00.250Z","level":"warn","card":3,"event":"port down","link":"ether","tries":3,"cards":[1,2]}\n',
  ]);
});

test("what a field holds cannot begin another line", () => {
  const { log, texts, lines } = logger();
  const reason = 'first\nsecond\r\n{"level":"error"}\u2028\u0000\u001b[2J';
  log("info", "port down", { reason });
  assert.is(texts.length, 1);
  const text = texts[0] as string;
  assert.is(text.at(-1), "\n");
  assert.ok([...text.slice(0, -1)].every((character) => character >= " "), text);
  assert.is(lines()[0]?.["reason"], reason);
});

test("events below the level are not written, and the level changes while it runs", () => {
  const levels = ["debug", "info", "warn", "error"] as const;
  for (const [least, level] of levels.entries()) {
    const { log, setLevel, lines } = logger("error");
    setLevel(level);
    for (const each of levels) log(each, `an event of ${each}`, {});
    assert.equal(lines().map((line) => line.level), levels.slice(least));
  }
});

test("a flood of one event is cut in its second, summed up in the next, and hides no other event", () => {
  const { log, lines, world } = logger();
  for (let count = 0; count < logPerSecondMax + 7; count++) log("info", "flood", { count });
  log("info", "other", {});
  assert.equal(lines().map(({ event }) => event), [...Array<string>(logPerSecondMax).fill("flood"), "other"]);

  world.now += 1_000;
  log("info", "flood", { count: -1 });
  const [cut, again, ...rest] = lines().slice(logPerSecondMax + 1);
  assert.equal([cut?.event, cut?.level, cut?.["of"], cut?.["lines"]], ["log cut", "warn", "flood", 7]);
  assert.equal([again?.event, again?.["count"], rest.length], ["flood", -1, 0]);
});

test("exactly as many lines as a second may have are no flood", () => {
  const { log, lines, world } = logger();
  for (let count = 0; count < logPerSecondMax; count++) log("info", "busy", {});
  world.now += 1_000;
  log("info", "after", {});
  assert.is(lines().some(({ event }) => event === "log cut"), false);
});

test("lines that are not taken are counted, and the next that is taken comes after their number", () => {
  const { log, lines, world } = logger();
  world.takes = false;
  for (const event of ["one", "two", "three"]) log("info", event, {});
  world.takes = true;
  log("info", "four", {});
  log("info", "five", {});
  assert.equal(lines().map(({ event, lines: count }) => [event, count]), [["log lost", 3], ["four", undefined], ["five", undefined]]);
});

/** A pipe whose reader is this test. */
function withPipe(run: (pipe: { writer: number; read: () => string; closeReader: () => void }) => void): void {
  const directory = mkdtempSync(join(tmpdir(), "cardinal-log-"));
  const path = join(directory, "pipe");
  const open: number[] = [];
  try {
    assert.is(spawnSync("mkfifo", [path]).status, 0);
    const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    open.push(reader);
    // A writer that waits when the pipe is full, as the one that a program is started with.
    const writer = openSync(path, constants.O_WRONLY);
    open.push(writer);
    const read = () => {
      const bytes = new Uint8Array(1024 * 1024);
      return new TextDecoder().decode(bytes.subarray(0, readSync(reader, bytes)));
    };
    const closeReader = () => closeSync(open.shift() as number);
    run({ writer, read, closeReader });
  } finally {
    for (const file of open) closeSync(file);
    rmSync(directory, { recursive: true, force: true });
  }
}

test("a full pipe makes nobody wait: lines are lost as a whole, and later ones are written when there is room again", () => {
  withPipe(({ writer, read }) => {
    const write = lineOutput(writer);
    // Longer than what a pipe takes in one piece, so that the last one is taken in part.
    const line = (index: number) => `${index} ${"x".repeat(10_000)}\n`;
    let written = 0;
    while (write(line(written))) assert.ok(++written < 1_000, "the pipe is never full");
    assert.ok(written > 0);
    assert.is(write("lost\n"), false);

    let text = read();
    assert.is(write("next\n"), true);
    text += read();
    const expected = Array.from({ length: written }, (_, index) => line(index)).join("") + "next\n";
    assert.is(text.length, expected.length);
    assert.is(text, expected);
  });
});

test("a pipe without a reader is a lost line, not an error", () => {
  withPipe(({ writer, read, closeReader }) => {
    const write = lineOutput(writer);
    assert.is(write("heard\n"), true);
    assert.is(read(), "heard\n");
    closeReader();
    assert.is(write("unheard\n"), false);
  });
});

test.run();
