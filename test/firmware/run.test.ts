// alone: because it measures heartbeats and how fast a card leaves
// A card as a process: how it starts, what it does about what is missing, how it takes signals, and how it leaves.
import {
  chmodSync,
  closeSync,
  constants,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { LinkKind } from "../../src/base/ids.ts";
import { command, enterNamespaces } from "../conformance/namespace.ts";
import { CardPlace, fromSources, httpPort, until } from "./card-place.ts";

enterNamespaces(import.meta.url);
command("ip", "link", "set", "lo", "up");

/** What a card keeps in its state directory, but for the database, which has files of its own. */
function filesOf(state: string): string[] {
  return readdirSync(state).filter((name) => !/^(configuration\.db|branches$|snapshots$)/.test(name)).sort();
}

async function withPlace(run: (place: CardPlace) => Promise<void>): Promise<void> {
  const place = new CardPlace();
  try {
    await run(place);
  } finally {
    await place.end();
  }
}

/** The end of what each link carried: a goodbye, and nothing after it. */
function lastHeard(place: CardPlace): Record<LinkKind, string | undefined> {
  return { ether: place.heard.ether.at(-1)?.kind, serial: place.heard.serial.at(-1)?.kind };
}

test("a configuration with mistakes is refused with all of them, and nothing is made", async () => {
  await withPlace(async (place) => {
    place.configure({ slot: 9, serial: { device: "ttyS1" }, profil: "fast" });
    const { code, stdout, stderr } = await place.start().ended();
    assert.is(code, 78);
    assert.is(stdout, "");
    const lines = stderr.trimEnd().split("\n");
    assert.is(lines.length, 3, stderr);
    for (const [index, pattern] of [/slot is 9, must be a whole number/, /serial\.device is "ttyS1"/, /did you mean profile\?/].entries()) {
      assert.match(lines[index] as string, pattern);
    }
    assert.equal(readdirSync(place.directory).sort(), ["card.json", "system.key"]);
  });
});

test("a key that others may read is refused with the way out, and nothing is made", async () => {
  await withPlace(async (place) => {
    chmodSync(join(place.directory, "system.key"), 0o644);
    const { code, stdout, stderr } = await place.start().ended();
    assert.is(code, 78);
    assert.is(stdout, "");
    assert.match(stderr, new RegExp(`^[^\n]*chmod 600 ${place.directory}/system\\.key[^\n]*\n$`));
    assert.equal(readdirSync(place.directory).sort(), ["card.json", "system.key"]);
  });
});

test("CARD-3, HA-2: without interface, tty and HTTP port a card runs and says so, takes what comes, reloads, and leaves with a goodbye", async () => {
  await withPlace(async (place) => {
    const watchdog = join(place.directory, "watchdog");
    writeFileSync(watchdog, "");
    const fed = () => readFileSync(watchdog, "utf8");
    const settings = { watchdog: { device: watchdog, timeoutS: 1 } };
    place.configure(settings);
    const occupant = createServer();
    await new Promise<void>((resolve) => occupant.listen(httpPort, "127.0.0.1", resolve));
    try {
      const card = place.start();
      const portDown = (link: LinkKind) =>
        card.logged(`port down of ${link}`, (line) => line.event === "port down" && line["link"] === link);
      assert.match(String((await portDown("ether"))["reason"]), "eth0");
      assert.match(String((await portDown("serial"))["reason"]), place.tty);
      assert.is((await card.logged("http failed", ({ event }) => event === "http failed"))["reason"], `127.0.0.1:${httpPort} is in use`);

      await Promise.all([place.plugEther(), place.plugSerial()]);
      await Promise.all((["ether", "serial"] as const).map(async (link) => {
        await card.logged(`port up of ${link}`, (line) => line.event === "port up" && line["link"] === link);
        await place.beats(link, 2);
      }));

      // Four feeds a time-out: eight take two seconds, a little less when the first comes at once.
      const [count, from] = [fed().length, performance.now()];
      await until("eight feeds", () => fed().length >= count + 8);
      const tookMs = performance.now() - from;
      assert.ok(tookMs > 1_600 && tookMs < 3_500, `eight feeds took ${tookMs} ms`);

      const slowMs = await place.beats("ether", 10);
      assert.ok(slowMs > 700, `10 heartbeats of 100 ms took ${slowMs} ms`);
      place.configure({ ...settings, profile: "fast" });
      card.signal("SIGHUP");
      await card.logged("the reload", ({ event }) => event === "settings reloaded");
      const fastMs = await place.beats("ether", 50);
      assert.ok(fastMs < 2_500, `50 heartbeats of 10 ms took ${fastMs} ms`);

      place.configure({ ...settings, profile: "slow", slot: 0 });
      card.signal("SIGHUP");
      const mistake = (pattern: RegExp) =>
        card.logged(`mistake ${pattern}`, ({ event, mistake }) => event === "not reloaded" && pattern.test(String(mistake)));
      await mistake(/profile is "slow"/);
      await mistake(/slot is 0/);
      const stillMs = await place.beats("ether", 50);
      assert.ok(stillMs < 2_500, `50 heartbeats of 10 ms took ${stillMs} ms after a reload that failed`);

      place.configure({ ...settings, slot: 2 });
      card.signal("SIGHUP");
      const { change } = await card.logged("that it needs a restart", ({ event }) => event === "needs a restart");
      assert.match(String(change), /^slot is 2 now, the card still runs with 1: restart it/);

      const { code, stdout, tookMs: leftAfterMs } = await card.leave();
      assert.is(code, 0);
      assert.ok(leftAfterMs < 2_000, `it took ${leftAfterMs} ms to leave`);
      assert.is(stdout, "");
      assert.equal(card.lines.slice(-2).map(({ event, signal }) => [event, signal]), [["leaving", "SIGTERM"], ["left", undefined]]);
      await until(
        `a goodbye on both links, not ${JSON.stringify(lastHeard(place))}`,
        () => lastHeard(place).ether === "bye" && lastHeard(place).serial === "bye",
        1_000,
      );
      assert.match(fed(), /^\.+V$/, "the watchdog is told to stop, once and at the end");
      assert.equal(filesOf(join(place.directory, "state")), [
        "admin-token",
        "failovers",
        "incarnation",
        "last-run",
        "reserved-views",
        "resources",
        "uid",
      ]);
      for (const link of ["ether", "serial"] as const) {
        const downs = card.lines.filter((line) => line.event === "port down" && line["link"] === link);
        assert.is(downs.length, 1, `one line for each change of ${link}, not for each try`);
      }
    } finally {
      await new Promise((resolve) => occupant.close(resolve));
    }
  });
});

test("one card at a time has a state directory; what a killed one left is taken over, and its watchdog is not told to stop", async () => {
  await withPlace(async (place) => {
    const state = join(place.directory, "state");
    const watchdog = join(place.directory, "watchdog");
    writeFileSync(watchdog, "");
    place.configure({ watchdog: { device: watchdog, timeoutS: 1 } });
    const first = place.start();
    const { incarnation } = await place.status();
    const shown = () =>
      // The running card itself notes in last-run how far it is, and tries in a hidden file whether it can write.
      filesOf(state).filter((name) => name !== "last-run" && !name.startsWith(".") && statSync(join(state, name)).isFile()).map((
        name,
      ) => [name, readFileSync(join(state, name), "utf8"), statSync(join(state, name)).mtimeMs]);
    const before = shown();
    const names = before.map(([name]) => `${name}`.replace(/^(running)-.+/, "$1"));
    assert.equal(names, ["admin-token", "incarnation", "reserved-views", "resources", "running", "uid"]);

    const second = await place.start().ended();
    assert.is(second.code, 1);
    assert.match(second.stderr, new RegExp(`^${state} is in use by the card that runs as process ${first.pid};[^\n]*\n$`));
    assert.equal(shown(), before, "the running card's files are as they were");
    assert.is((await place.status()).incarnation, incarnation);

    await until("a feed", () => readFileSync(watchdog, "utf8") !== "");
    await first.end();
    assert.match(readFileSync(watchdog, "utf8"), /^\.+$/);
    assert.equal(shown(), before, "a killed card leaves its mark");

    const third = place.start();
    assert.ok((await place.status()).incarnation > incarnation);
    assert.equal(readdirSync(state).filter((name) => name.startsWith("running-")).length, 1);
    assert.is((await third.leave()).code, 0);
    assert.equal(filesOf(state), ["admin-token", "failovers", "incarnation", "last-run", "reserved-views", "resources", "uid"]);
  });
});

test("a log that nobody reads, or whose reader has gone, costs lines and no heartbeats", async () => {
  await withPlace(async (place) => {
    const path = join(place.directory, "pipe");
    command("mkfifo", path);
    const pipe = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
    let isOpen = true;
    const piece = new Uint8Array(4_096).fill(0x0a);
    const fill = () => {
      try {
        while (isOpen) writeSync(pipe, piece);
      } catch (error) {
        assert.is((error as { code?: string }).code, "EAGAIN");
      }
    };
    const drain = () => {
      const bytes = new Uint8Array(1024 * 1024);
      try {
        return new TextDecoder().decode(bytes.subarray(0, readSync(pipe, bytes))).trim();
      } catch {
        return "";
      }
    };
    try {
      fill();
      await Promise.all([place.plugEther(), place.plugSerial()]);
      const card = place.startAs(["sh", "-c", 'exec "$@" 2>pipe', "sh", ...fromSources, "run", "--config", "card.json"]);
      await place.status();
      writeFileSync(join(place.directory, "card.json"), "{");
      card.signal("SIGHUP");
      await Promise.all([place.beats("ether", 10), place.beats("serial", 5)]);

      drain();
      card.signal("SIGHUP");
      let text = "";
      await until("the card's word of what was lost", () => (text += drain()).includes("not reloaded"));
      const [lost, mistake] = text.split("\n").map((line) => JSON.parse(line) as Record<string, unknown>);
      assert.is(lost?.["event"], "log lost");
      assert.ok(lost?.["lines"] as number >= 3, `${lost?.["lines"]} lines lost: at least started, http and one that failed to reload`);
      assert.is(mistake?.["event"], "not reloaded");

      closeSync(pipe);
      isOpen = false;
      card.signal("SIGHUP");
      await Promise.all([place.beats("ether", 10), place.beats("serial", 5)]);
      const { code, tookMs } = await card.leave();
      assert.is(code, 0);
      assert.ok(tookMs < 2_000, `it took ${tookMs} ms to leave`);
      assert.equal(lastHeard(place), { ether: "bye", serial: "bye" });
    } finally {
      if (isOpen) closeSync(pipe);
    }
  });
});

test.run();
