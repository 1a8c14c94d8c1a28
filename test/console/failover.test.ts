/** The commands of failover against a card's HTTP interface with real services behind it. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { CardId } from "../../src/base/ids.ts";
import { serve } from "../../src/api/serve.ts";
import { runConsole } from "../../src/console/console.ts";
import { FailoverStandIn } from "../api/failover-stand-in.ts";
import { standInApp } from "../api/stand-in.ts";
import { commands } from "./program.ts";

const token = "cardinal.admin.0123456789012345678901234567890123456789012";

type Said = { readonly code: number; readonly stdout: string; readonly stderr: string };
type Place = { readonly failover: FailoverStandIn; readonly say: (...words: readonly string[]) => Promise<Said> };

/** A card at a port of its own, with its token in a file beside it. */
async function atCard(use: (place: Place) => Promise<void>, failover: FailoverStandIn | undefined = new FailoverStandIn()): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "failover-console-"));
  const file = join(directory, "admin-token");
  writeFileSync(file, `${token}\n`, { mode: 0o600 });
  const { app } = standInApp({ token, tokenFile: file }, failover);
  const server = await serve(app, "127.0.0.1", 0);
  const say = async (...words: readonly string[]): Promise<Said> => {
    let [stdout, stderr] = ["", ""];
    const code = await runConsole(words, commands, {
      version: "1",
      environment: { CARDINAL_URL: `http://127.0.0.1:${server.port}` },
      untilInterrupted: () => new AbortController().signal,
      terminal: {
        stdout: (text) => void (stdout += text),
        stderr: (text) => void (stderr += text),
        columns: 100,
        rows: 24,
        isTty: false,
        color: false,
      },
    });
    return { code, stdout, stderr };
  };
  try {
    await use({ failover: failover as FailoverStandIn, say });
  } finally {
    await server.close();
    rmSync(directory, { recursive: true });
  }
}

const test = suite("failover on the console");

test("set show: roles, services, what speaks against a card; one set by its name", () =>
  atCard(async ({ say, failover }) => {
    const { code, stdout, stderr } = await say("set", "show");
    assert.equal([code, stderr], [0, ""]);
    const owner = failover.where("engine");
    assert.match(stdout, new RegExp(`^ {2}${owner} {5}card ${owner} {2}PRIMARY`, "m"));
    assert.match(stdout, new RegExp(`^ {2}sql {6}PLACED {2}${owner} {5}running`, "m"));
    const one = await say("set", "show", "db");
    assert.match(one.stdout, /^db, epoch \d+\n/);
    assert.not.match(one.stdout, /^all/m);
    assert.is(JSON.parse((await say("set", "show", "db", "--json")).stdout).set, "db");
    assert.equal(await say("set", "show", "dbx"), {
      code: 1,
      stdout: "",
      stderr: 'cardinal set show: there is no failover set "dbx"; did you mean db?\n',
    });
    assert.match((await say("set", "show", "sql")).stderr, /it is a service of db/);
  }));

test("ready ends with 0 when every service would be taken over, with 1 and the reasons when not", () =>
  atCard(async ({ say, failover }) => {
    assert.equal(await say("ready"), { code: 0, stdout: "READY: every service would be taken over\n", stderr: "" });
    for (const card of [1, 3] as CardId[]) {
      await failover.operate({ verb: "drain", card, force: false, by: "anna", comment: "a fan" }, false);
    }
    failover.world.run(3_000);
    const { code, stdout } = await say("ready");
    assert.is(code, 1);
    assert.match(stdout, /^NOT READY: 5 services would not be taken over\n/);
    assert.match(
      stdout,
      /^sql {2}drained\n {2}Why {4}card 1 was drained by anna \(a fan\)\n {2}Since {2}.* ago\n {2}Whose {2}an operator's\n {2}Fix {4}End it with `set undrain CARD`\.$/m,
    );
    const { ready, reasons } = JSON.parse((await say("ready", "--json")).stdout);
    assert.equal([ready, reasons.length], [false, 10]);
  }));

test("a card that may not serve says so, and is not ready", () =>
  atCard(async ({ say, failover }) => {
    failover.world.crash(failover.world.card(1));
    failover.world.run(3_000);
    failover.world.crash(failover.world.card(3));
    failover.world.run(3_000);
    const { code, stdout } = await say("ready");
    assert.equal([code, stdout], [1, "NOT READY\nthis card may not serve, and what it knows may be old: no quorum\n"]);
    assert.match((await say("set", "show")).stdout, /^ {2}1 {5}card 1 {2}FAILED {5}card 1 is down$/m);
    failover.isAbsent = true;
    assert.equal([(await say("set", "show")).code, (await say("ready")).stderr], [
      1,
      "cardinal ready: this card has no failover service now: it has no configuration, or is still starting. Ask another card, or wait a moment.\n",
    ]);
  }));

test.run();
