/** The commands of the configuration against a card's HTTP interface with a configuration in memory. */
import { createHash } from "node:crypto";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { serve } from "../../src/api/serve.ts";
import { runConsole } from "../../src/console/console.ts";
import { adminToken, type StandIn, standInApp } from "../api/stand-in.ts";
import { commands } from "./program.ts";

const token = "cardinal.admin.0123456789012345678901234567890123456789012";
const now = Date.parse("2026-03-01T10:00:00Z");

type Said = { readonly code: number; readonly stdout: string; readonly stderr: string };
type Options = {
  readonly environment?: Readonly<Record<string, string>>;
  /** What a person types; with it both ends are a terminal. */
  readonly typed?: string;
  readonly signal?: AbortSignal;
  readonly onText?: (text: string) => void;
};
type Place = {
  readonly source: StandIn;
  readonly directory: string;
  readonly say: (words: readonly string[], options?: Options) => Promise<Said>;
};

/** A card at a port of its own, with its token in a file beside it. */
async function atCard(use: (place: Place) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "config-console-"));
  const file = join(directory, "admin-token");
  writeFileSync(file, `${token}\n`, { mode: 0o600 });
  const { app, source } = standInApp({ token, tokenFile: file });
  const server = await serve(app, "127.0.0.1", 0);
  const say = async (words: readonly string[], { environment = {}, typed, signal, onText }: Options = {}): Promise<Said> => {
    let [stdout, stderr] = ["", ""];
    const code = await runConsole(words, commands, {
      version: "1",
      wallClock: () => new Date(now),
      environment: { CARDINAL_URL: `http://127.0.0.1:${server.port}`, ...environment },
      untilInterrupted: () => signal ?? new AbortController().signal,
      input: async function* (stop) {
        if (typed !== undefined) yield new TextEncoder().encode(typed);
        while (!stop.aborted) await new Promise((resolve) => setTimeout(resolve, 5));
      },
      terminal: {
        stdout: (text) => void (stdout += text, onText?.(text)),
        stderr: (text) => void (stderr += text, onText?.(text)),
        columns: 80,
        rows: 24,
        isTty: false,
        isInputTty: typed !== undefined,
        isErrorTty: typed !== undefined,
        color: false,
      },
    });
    return { code, stdout, stderr };
  };
  try {
    await use({ source, directory, say });
  } finally {
    await server.close();
    rmSync(directory, { recursive: true });
  }
}

test("set changes a value with the card's own token, and prints the head and who served it", () =>
  atCard(async ({ say, source }) => {
    const { code, stdout, stderr } = await say(["config", "set", "cards.1/2.name", "left", "--comment", "tidy up"]);
    assert.equal([code, stderr], [0, ""]);
    assert.is(
      stdout,
      `  ~ cards 1/2\n      name  none -> "left"\nchange 1 ${source.status().head.hash.slice(0, 8)}, on every card; served by card 1/1\n`,
    );
    const [asked] = source.asked;
    assert.ok(asked?.kind === "change");
    assert.equal([asked.wish.author, asked.wish.comment, asked.wish.key.length], ["card 1/2", "tidy up", 36]);
    assert.is((await say(["config", "get", "cards.1/2.name"])).stdout, "left\n");
    const json = JSON.parse((await say(["config", "set", "cards.1/2.name", "right", "--json"])).stdout);
    assert.equal([json.head.sequence, json.servedBy, json.steps.length], [2, "1/1", 1]);
  }));

test("who may not read the card's token is told which file, which user, and what to do", () =>
  atCard(async ({ say, directory }) => {
    const words = ["config", "set", "cards.1/2.name", "left"];
    const file = join(directory, "admin-token");
    rmSync(file);
    const gone = await say(words);
    assert.is(gone.code, 4);
    assert.ok(gone.stderr.includes(`the card's own token is in ${file}, which is not there`), gone.stderr);
    assert.match(
      gone.stderr,
      /--token-file FILE, \$CARDINAL_TOKEN_FILE or \$CARDINAL_TOKEN; `cardinal token create NAME --role operator` makes one/,
    );
    writeFileSync(file, "not a token\n");
    assert.match((await say(words)).stderr, /admin-token, which holds no token of Cardinal: cardinal\.NAME\.SECRET/);
    if (process.getuid?.() !== 0) {
      chmodSync(file, 0);
      assert.match((await say(words)).stderr, /which user \d+ may not read; run this as root/);
    }
  }));

test("a token comes from --token-file, else a file of the environment, else the environment", () =>
  atCard(async ({ say, directory, source }) => {
    const words = ["config", "set", "cards.1/2.name", "left"];
    const mine = join(directory, "mine.token");
    writeFileSync(mine, "cardinal.nobody.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n");
    for (
      const [extra, environment] of [
        [["--token-file", mine], {}],
        [[], { CARDINAL_TOKEN_FILE: mine }],
        [[], { CARDINAL_TOKEN: "cardinal.nobody.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" }],
      ] as const
    ) {
      const refused = await say([...words, ...extra], { environment });
      assert.equal([refused.code, refused.stderr], [4, "cardinal config set: the token is wrong, has expired or was revoked\n"]);
    }
    assert.match((await say([...words, "--token-file", "/nowhere"])).stderr, /--token-file names \/nowhere, which is not there/);
    assert.match((await say(words, { environment: { CARDINAL_TOKEN: "abc" } })).stderr, /CARDINAL_TOKEN holds no token of Cardinal/);
    assert.equal(source.asked, []);
  }));

const document = JSON.stringify([{ kind: "put", table: "hosts", row: { id: "web-1", note: "new" } }]);

test("apply shows the plan, asks, and carries it out upon the head that it showed", () =>
  atCard(async ({ say, source, directory }) => {
    const file = join(directory, "system.json");
    writeFileSync(file, document);
    const plan = '  + hosts web-1\n      note  "new"\n\n1 to make, none to change, none to remove; upon empty\n';
    const dry = await say(["config", "apply", file, "--dry-run"]);
    assert.equal([dry.code, dry.stdout], [0, plan]);
    const nobody = await say(["config", "apply", file]);
    assert.equal([nobody.code, nobody.stdout], [2, plan]);
    assert.match(nobody.stderr, /nobody can be asked here, and nothing was changed; say --yes/);
    for (const typed of ["n\n", "\n", "NO\n"]) {
      const no = await say(["config", "apply", file], { typed });
      assert.equal([no.code, no.stderr], [4, "Carry it out? [y/N] cardinal config apply: nothing was changed\n"]);
    }
    assert.equal(source.asked, []);
    const yes = await say(["config", "apply", file], { typed: "maybe\nyes\n" });
    assert.equal([yes.code, yes.stderr], [0, "Carry it out? [y/N] yes or no? [y/N] "]);
    assert.match(yes.stdout, /\nchange 1 [0-9a-f]{8}, on every card; served by card 1\/1\n$/);
    const [asked] = source.asked;
    assert.ok(asked?.kind === "change" && asked.wish.expected !== undefined);
  }));

test("Ctrl-C at the question changes nothing; while the change is under way it says that it may be done", () =>
  atCard(async ({ say, source, directory }) => {
    const file = join(directory, "system.json");
    writeFileSync(file, document);
    const asking = new AbortController();
    const before = await say(["config", "apply", file], {
      typed: "",
      signal: asking.signal,
      onText: (text) => void (text.startsWith("Carry") && setTimeout(() => asking.abort(), 10)),
    });
    assert.equal([before.code, before.stderr], [130, "Carry it out? [y/N] \ncardinal config apply: interrupted; nothing was changed\n"]);
    const changing = new AbortController();
    source.beforeAnswer = () =>
      new Promise((resolve) => {
        changing.abort();
        setTimeout(resolve, 50);
      });
    const during = await say(["config", "apply", file, "--yes"], { signal: changing.signal });
    assert.is(during.code, 130);
    assert.match(
      during.stderr,
      /interrupted; the change may still be carried out: `cardinal config history` tells \(its key is [0-9a-f-]{36}\)/,
    );
  }));

test("what is wrong with a document is told with its place, a line each", () =>
  atCard(async ({ say, source, directory }) => {
    const file = join(directory, "system.json");
    writeFileSync(file, document);
    source.findings = [
      { path: "/cards", message: "cards is 1, must be an object", place: { line: 3, column: 5 } },
      { path: "/hosts", message: "hosts is 2, must be an object", place: { line: 4, column: 5 } },
    ];
    const wrong = await say(["config", "apply", file, "--yes"]);
    assert.equal([wrong.code, wrong.stdout], [4, ""]);
    assert.is(wrong.stderr, `${file}:3:5: cards is 1, must be an object\n${file}:4:5: hosts is 2, must be an object\n`);
    assert.match((await say(["config", "apply", join(directory, "none.json")])).stderr, /none\.json: there is no such file/);
    assert.match((await say(["config", "apply", directory])).stderr, /it is a directory/);
    writeFileSync(file, "");
    assert.match((await say(["config", "apply", file])).stderr, /is empty; `cardinal config export` prints a document to start from/);
  }));

test("--expect takes the first digits of a head, and refuses another one", () =>
  atCard(async ({ say, source }) => {
    await say(["config", "set", "cards.1/2.name", "left"]);
    const { hash } = source.status().head;
    assert.is((await say(["config", "set", "cards.1/2.name", "x", "--expect", hash.slice(0, 6)])).code, 0);
    const old = await say(["config", "set", "cards.1/2.name", "y", "--expect", hash.slice(0, 6)]);
    assert.is(old.code, 4);
    assert.match(old.stderr, /the head is change 2 [0-9a-f]{8}, not [0-9a-f]{6}; look at what changed: cardinal config history/);
    const whole = await say(["config", "set", "cards.1/2.name", "y", "--expect", hash]);
    assert.equal([whole.code, whole.stdout], [4, ""]);
    assert.is((await say(["config", "set", "cards.1/2.name", "y", "--expect", "zz"])).code, 2);
  }));

test("a refusal is said with what to do about it", () =>
  atCard(async ({ say, source }) => {
    source.refusal = { code: "no-quorum", message: "2 of 5 cards: no quorum" };
    const { code, stderr } = await say(["config", "set", "cards.1/2.name", "left"]);
    assert.is(code, 1, "what may be otherwise in a while has failed");
    assert.match(
      stderr,
      /^cardinal config set: 2 of 5 cards: no quorum\. Changes need more than half of the cards: see `cardinal members`/,
    );
    source.refusal = { code: "invalid", message: "cards 1/2: name is too long" };
    assert.is((await say(["config", "set", "cards.1/2.name", "left"])).code, 4, "what the rules forbid is refused");
  }));

test("history is told newest first, a change a line as JSON, and no older than asked", () =>
  atCard(async ({ say, source }) => {
    for (let count = 0; count < 25; count++) await say(["config", "set", "cards.1/2.name", "left", "-m", `number ${count}`]);
    const [newest] = source.changes;
    assert.is(
      (await say(["config", "history", "--limit", "1"])).stdout,
      `change 25  ${newest?.hash.slice(0, 8)}\n  1970-01-01 00:00:25 UTC  card 1/2\n    number 24\n`,
    );
    const lines = (await say(["config", "history", "--json", "--limit", "22"])).stdout.trimEnd().split("\n");
    assert.equal([lines.length, JSON.parse(lines[21] as string).sequence], [22, 4]);
    assert.is((await say(["config", "history", "--since", "1970-01-01T00:00:24Z", "--json"])).stdout.trimEnd().split("\n").length, 2);
    assert.is((await say(["config", "history", "--since", "2d"])).stdout, "no changes\n");
    const wrong = await say(["config", "history", "--since", "yesterday"]);
    assert.equal([wrong.code, wrong.stderr], [
      2,
      'cardinal config history: --since is "yesterday", must be a duration, such as 2h or 3d, or a time, such as 2026-03-01T10:00Z\n',
    ]);
  }));

test("a backup is a file that its owner alone reads, never half of one, and never in the place of another", () =>
  atCard(async ({ say, directory }) => {
    const file = join(directory, "monday.backup");
    const made = await say(["config", "backup", file]);
    assert.equal([made.code, made.stderr, readFileSync(file, "utf8")], [0, "", "first\nsecond\n"]);
    assert.is(statSync(file).mode & 0o777, 0o600);
    const again = await say(["config", "backup", file]);
    assert.equal([again.code, again.stderr], [
      4,
      `cardinal config backup: ${file} is there; give another name, or --force to replace it\n`,
    ]);
    assert.is((await say(["config", "backup", file, "--force"])).code, 0);
    assert.is((await say(["config", "backup", "-"])).stdout, "first\nsecond\n");
    const nowhere = await say(["config", "backup", join(directory, "no", "where")]);
    assert.match(nowhere.stderr, /there is no such file/);
    assert.not.ok(existsSync(`${file}.partial`));
    const restored = await say(["config", "restore", file, "--dry-run"]);
    assert.match(restored.stdout, /- hosts 13\n/, "all of its 13 bytes were sent");
  }));

test("paths lists what a path may go on as, a line each, for people and for shells", () =>
  atCard(async ({ say, source }) => {
    assert.equal(await say(["config", "paths"]), { code: 0, stdout: "cards\nchassis\n", stderr: "" });
    assert.is((await say(["config", "paths", "cha"])).stdout, "chassis\n");
    assert.is((await say(["config", "paths", "cha", "--json"])).stdout, '[\n  "chassis"\n]\n');
    assert.is((await say(["config", "paths", "x"])).stdout, "");
    source.unread = { code: "hold", message: "it is not open" };
    assert.equal(Object.values(await say(["config", "paths"])).slice(0, 2), [1, ""]);
  }));

test("check says what it found, and ends with 1 when that is not repaired", () =>
  atCard(async ({ say, source }) => {
    assert.match((await say(["config", "check"])).stdout, /^nothing is wrong: /);
    source.damage = ["page 7 of configuration.db is not what was written"];
    const found = await say(["config", "check"]);
    assert.equal([found.code, found.stdout.split("\n")[0]], [1, source.damage[0]]);
    const repaired = await say(["config", "check", "--repair"]);
    assert.equal([repaired.code, repaired.stdout.trimEnd().split("\n").at(-1)], [0, "repaired from another card"]);
    source.damage = [];
    source.setFindings = [
      {
        code: "one-card",
        severity: "warning",
        table: "failoverSets",
        id: "db",
        message: "card 1/1 is the only one of db: add another card",
      },
    ];
    const warned = await say(["config", "check"]);
    assert.equal([warned.code, warned.stdout.split("\n").slice(1)], [
      0,
      ["", "Failover sets", "  warning  card 1/1 is the only one of db: add another card", ""],
    ]);
    source.setFindings = [{ ...source.setFindings[0]!, severity: "error", message: "nobody can serve it" }];
    const unserved = await say(["config", "check", "--json"]);
    assert.equal([unserved.code, (JSON.parse(unserved.stdout) as { sets: unknown }).sets], [1, source.setFindings]);
    source.unread = { code: "hold", message: "it is not open" };
    assert.match((await say(["config", "check"])).stdout, /the failover sets were not looked at/);
    source.unread = undefined;
    const file = await say(["config", "check", "card.json"]);
    assert.equal([file.code, file.stdout], [2, ""]);
    assert.match(file.stderr, /a card\.json is proven by: cardinal card check card\.json/);
  }));

test("branches are listed, compared, merged and discarded", () =>
  atCard(async ({ say, source }) => {
    assert.is((await say(["config", "branches"])).stdout, "this card has no branches\n");
    source.branches = [{ id: "0a1b2c3d", setAsideAt: now, changes: 3, since: 7 }];
    assert.match((await say(["config", "branches"])).stdout, /0a1b2c3d {2}3 {8}change 7 {2}2026-03-01 10:00:00 UTC/);
    assert.is(
      (await say(["config", "diff", "0a1b2c3d"])).stdout,
      '  cards 1/2\n    changed by both\n    COLUMN  BRANCH  CHAIN\n    name    "a"     "b"\n',
    );
    const undecided = await say(["config", "merge", "0a1b2c3d", "--yes"]);
    assert.equal([undecided.code, undecided.stderr.includes("both sides changed it")], [4, true]);
    assert.is((await say(["config", "merge", "0a1b2c3d", "--prefer", "mine"])).code, 2);
    assert.is((await say(["config", "discard", "0a1b2c3d"])).code, 2);
    assert.is((await say(["config", "discard", "0a1b2c3d", "--yes"])).stdout, "branch 0a1b2c3d is gone\n");
    assert.match((await say(["config", "diff", "0a1b2c3d"])).stderr, /card 1\/2 has no branches/);
  }));

test("a token's secret is printed once, alone on standard output; only its hash is sent", () =>
  atCard(async ({ say, source }) => {
    const made = await say(["token", "create", "ci", "--role", "operator", "--expires", "30d"]);
    assert.is(made.code, 0);
    const text = made.stdout.trimEnd();
    assert.match(text, /^cardinal\.ci\.[\w-]{43}$/);
    const row = source.tables.get("tokens")?.get("ci");
    assert.equal([row?.["role"], row?.["expiresAt"]], ["operator", now + 30 * 86_400_000]);
    assert.is(row?.["sha256"], createHash("sha256").update(text).digest("hex"));
    assert.match(
      (await say(["token", "create", "ci", "--role", "viewer"])).stderr,
      /there is a token ci already; .*cardinal token revoke ci/,
    );
    assert.match((await say(["token", "list"])).stdout, /ci {5}operator {8}2026-03-31 10:00:00 UTC {2}in use/);
    const changed = await say(["config", "set", "cards.1/2.name", "left"], { environment: { CARDINAL_TOKEN: text } });
    assert.is(changed.code, 0);
    assert.is(source.asked.at(-1)?.kind === "change" && (source.asked.at(-1) as { wish: { author: string } }).wish.author, "ci");
    assert.is((await say(["token", "revoke", "ci"])).code, 0);
    assert.is((await say(["config", "set", "cards.1/2.name", "left"], { environment: { CARDINAL_TOKEN: text } })).code, 4);
    for (
      const words of [["token", "create", "CI", "--role", "viewer"], ["token", "create", "ci"], ["token", "create", "ci", "--role", "root"]]
    ) {
      assert.is((await say(words)).code, 2, words.join(" "));
    }
  }));

test("the list of tokens has all of them, however many pages they are", () =>
  atCard(async ({ say, source }) => {
    const count = 1_005;
    for (let index = 0; index < count; index++) source.put("tokens", { id: `t-${index}`, role: "viewer", sha256: "00", enabled: 1 });
    const listed = await say(["token", "list", "--json"]);
    assert.is((JSON.parse(listed.stdout) as unknown[]).length, count);
  }));

test("a card that is not there, and one without a configuration, are told apart", async () => {
  await atCard(async ({ say }) => {
    const gone = await say(["config", "set", "cards.1/2.name", "x", "--url", "http://127.0.0.1:9"]);
    assert.is(gone.code, 3);
    assert.match(gone.stderr, /cannot be reached: nothing listens there/);
    const status = await say(["config", "status"]);
    assert.match(status.stdout, /^Configuration\n {2}State {6}current: every acknowledged change is here\n/);
  });
});

test("the token that a test shows is one that the card takes", () => assert.ok(adminToken.startsWith("cardinal.admin.")));

test.run();
