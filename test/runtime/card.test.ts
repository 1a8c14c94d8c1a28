// The compiled card needs nothing but itself, its configuration and its key, and one place to write; the sources do the same.
import { copyFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { command, enterNamespaces } from "../conformance/namespace.ts";
import { CardPlace, fromSources, until } from "../firmware/card-place.ts";

enterNamespaces(import.meta.url, ["--net", "--mount"]);
command("ip", "link", "set", "lo", "up");

const binary = fileURLToPath(new URL("../../build/cardinal", import.meta.url));

/**
 * A shell's words that make mounts read-only in a mount namespace of its own and become the program. `writable` are
 * directories that stay as they are, `readOnly` the mounts to change, or all. What was to be read-only is tried out.
 */
function confined(writable: readonly string[], readOnly: readonly string[] | "all", program: readonly string[]): string[] {
  const keep = writable.map((path) => `mount --bind '${path}' '${path}'`);
  const mounts = readOnly === "all" ? "$(findmnt -rno TARGET | sort -u)" : readOnly.join(" ");
  const change = `for mount in ${mounts}; do
    case " ${writable.join(" ")} " in *" $mount "*) continue ;; esac
    mountpoint -q "$mount" || mount --rbind "$mount" "$mount" || exit 90
    mount -o remount,bind,ro "$mount" 2>/dev/null
  done`;
  const directories = readOnly === "all" ? ["/tmp", "/run", "/dev/shm", "."] : readOnly;
  const tried = directories.filter((path) => !writable.includes(path)).map((path) =>
    `if touch '${path}/.written' 2>/dev/null; then echo '${path} can be written' >&2; exit 91; fi`
  );
  const works = writable.map((path) => `touch '${path}/.written' && rm '${path}/.written' || exit 92`);
  // A mount point is only seen under its new mount by who comes in by its path again.
  const script = [...keep, change, 'cd "$PWD"', ...tried, ...works, 'exec "$@"'].join("\n");
  return ["unshare", "--mount", "sh", "-c", script, "sh", ...program];
}

test("CARD-3: the binary alone in a directory, and the sources, start, load the addon and serve their status, with next to nothing to write to", async () => {
  const place = new CardPlace();
  try {
    copyFileSync(binary, join(place.directory, "cardinal"));
    await Promise.all([place.plugEther(), place.plugSerial()]);
    const state = join(place.directory, "state");
    const compiled = ["./cardinal", "run", "--config", "card.json"];
    const sources = [...fromSources, "run", "--config", join(place.directory, "card.json")];
    const source = process.versions["deno"] === undefined ? /^node / : /^deno /;
    const cases: [string, string[], RegExp][] = [
      ["/tmp read-only", confined([place.directory], ["/tmp"], compiled), /^binary, /],
      ["all but its state and /dev/shm read-only", confined([state, "/dev/shm"], "all", compiled), /^binary, /],
      ["all but its state read-only", confined([state], "all", compiled), /^binary, /],
      ["from its sources", sources, source],
    ];
    let incarnation = 0;
    for (const [name, words, runtime] of cases) {
      const card = place.startAs(words);
      const ended = card.exited.then(({ code, stderr }) => {
        throw new Error(`${name}: the card ended with ${code}: ${stderr}`);
      });
      ended.catch(() => {});
      const status = await Promise.race([
        ended,
        until(`${name}: both ports are up`, async () => {
          const answer = await place.status();
          return answer.links.ether.port === "up" && answer.links.serial.port === "up" && answer;
        }),
      ]);
      assert.match(status.process.runtime, runtime, name);
      assert.is(status.process.pid, card.pid, name);
      assert.ok(status.incarnation > incarnation, `${name}: incarnation ${status.incarnation} after ${incarnation}`);
      incarnation = status.incarnation;
      await Promise.race([ended, Promise.all([place.beats("ether", 2), place.beats("serial", 2)])]);
      const { code, stderr } = await card.leave();
      assert.is(code, 0, `${name}: ${stderr}`);
      const kept = readdirSync(state).filter((file) => !/^(configuration\.db|branches$|snapshots$)/.test(file)).sort();
      assert.equal(kept, ["admin-token", "failovers", "incarnation", "last-run", "reserved-views", "resources", "uid"], name);
    }
    assert.equal(readdirSync(place.directory).sort(), ["card.json", "cardinal", "state", "system.key", "tty"]);
  } finally {
    await place.end();
  }
});

test.run();
