import * as assert from "uvu/assert";
import { test } from "uvu";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { completionScript, shells } from "../../src/console/completion.ts";
import { commands, run } from "./program.ts";

/** What a real bash offers at the end of `line`, in a directory with a card.json and a system.key. */
async function offered(line: string): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), "cardinal-completion-"));
  try {
    for (const name of ["card.json", "system.key"]) writeFileSync(join(directory, name), "");
    writeFileSync(join(directory, "script"), completionScript("bash", commands));
    const words = line.split(/ |(?<=[:=])|(?=[:=])/).map((word) => `'${word}'`).join(" ");
    const script =
      `cd "$1"; source ./script; rm script; cardinal() { printf '%s.x\\n' "$@"; }; COMP_WORDS=(${words}); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); _cardinal; echo "\${COMPREPLY[*]}"`;
    const { stdout, stderr } = await run(["bash", "--norc", "-c", script, "bash", directory]);
    assert.is(stderr, "");
    return stdout.trim().split(" ").sort().join(" ");
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const cases: readonly (readonly [string, string])[] = [
  [
    "cardinal ",
    "boot card completion config failover failovers group groups help key members names openapi ready run set status token user version",
  ],
  ["cardinal st", "status"],
  ["cardinal --json st", "status"],
  ["cardinal --", "--help --json --version"],
  ["cardinal key ", "generate promote retire show stage"],
  ["cardinal key s", "show stage"],
  ["cardinal group ", "join send tail"],
  ["cardinal group join lab --", "--critical --exec --help --json --monitor --name --socket"],
  ["cardinal group join lab --exec ", ""],
  ["cardinal group send lab --file ", "card.json system.key"],
  ["cardinal group tail --socket s", "system.key"],
  [
    "cardinal help ",
    "boot card completion config failover failovers group groups help key members names openapi ready run set status token user version",
  ],
  ["cardinal status --", "--help --json --url --watch"],
  ["cardinal run --", "--config --help"],
  ["cardinal run --config ", "card.json system.key"],
  ["cardinal run -c c", "card.json"],
  ["cardinal status --url ", ""],
  ["cardinal status --url key --w", "--watch"],
  ["cardinal key show ", "card.json system.key"],
  ["cardinal key generate s --f", "--force"],
  ["cardinal completion ", "bash fish zsh"],
  ["cardinal config get cards.1/", "cards.1/.x config.x paths.x"],
  ["cardinal config set ", ".x config.x paths.x"],
  ["cardinal config set --comment why -m x --expect 12 po", "config.x paths.x po.x"],
  ["cardinal config set --url http://192.0.2.1:8421 --token-file=t ca", "ca.x config.x paths.x"],
  ["cardinal config set cards.1/2.name ", ""],
  ["cardinal config get --", "--help --json --url"],
  ["cardinal set ", "drain failback lift-quarantine show switch undrain"],
  ["cardinal set switch w", "names.x sets.x w.x"],
  ["cardinal set switch web w", ""],
  ["cardinal set switch web --to ", ".x cards.x names.x"],
  ["cardinal set switch web --service h", "h.x names.x services.x"],
  ["cardinal set switch web --to 1 --d", "--dry-run"],
  ["cardinal set drain 1/", "1/.x cards.x names.x"],
  ["cardinal card maintenance ", ".x cards.x names.x"],
];

for (const [line, expected] of cases) test(`bash: ${line}`, async () => assert.is(await offered(line), expected));

test("the scripts of all shells name every command and option", () => {
  for (const shell of shells) {
    const script = completionScript(shell, commands);
    for (const { words, options } of commands) {
      for (const word of words) assert.ok(script.includes(word), `${shell}: ${word}`);
      for (const option of Object.keys(options)) assert.match(script, new RegExp(`(--|-l )${option}\\b`), `${shell}: --${option}`);
    }
  }
});

test.run();
