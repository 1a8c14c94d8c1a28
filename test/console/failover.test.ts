/** The commands of failover against a card's HTTP interface with real services behind it. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { CardId } from "../../src/base/ids.ts";
import { serve } from "../../src/api/serve.ts";
import { runConsole } from "../../src/console/console.ts";
import { exampleStatus } from "../../src/api/example.ts";
import { FailoverStandIn } from "../api/failover-stand-in.ts";
import { standInApp } from "../api/stand-in.ts";
import { askedOf } from "./card.ts";
import { commands } from "./program.ts";

const token = "cardinal.admin.0123456789012345678901234567890123456789012";

type Said = { readonly code: number; readonly stdout: string; readonly stderr: string };
type Place = { readonly failover: FailoverStandIn; readonly say: (...words: readonly string[]) => Promise<Said> };

/** A card at a port of its own, with its token in a file beside it. */
async function atCard(use: (place: Place) => Promise<void>, has: "failover" | "none" = "failover"): Promise<void> {
  const failover = new FailoverStandIn();
  const directory = mkdtempSync(join(tmpdir(), "failover-console-"));
  const file = join(directory, "admin-token");
  writeFileSync(file, `${token}\n`, { mode: 0o600 });
  const { app } = standInApp({ token, tokenFile: file }, has === "none" ? undefined : failover);
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
    await use({ failover, say });
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
      /^a, b, c, data, sql {2}drained\n {2}Why {4}card 1 was drained by anna \(a fan\)\n {2}Since {2}.* ago\n {2}Whose {2}an operator's\n {2}Fix {4}End it with `set undrain CARD`\.$/m,
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

test("a verb prints its plan with --dry-run and does nothing; without it, it is ordered", () =>
  atCard(async ({ say, failover }) => {
    const from = failover.where("engine");
    const to = from === 3 ? 2 : 3;
    const plan = `data, sql: card ${from} -> card ${to} (switch: wanted by card 1/2 (a fan))\n` +
      `  stop on card ${from}: sql-ip, server, engine\n  start on card ${to}: engine, server, sql-ip\n`;
    const words = ["set", "switch", "db", "--to", String(to), "--comment", "a fan"];
    assert.equal(await say(...words, "--dry-run"), { code: 0, stdout: plan, stderr: "" });
    failover.world.run(2_000);
    assert.is(failover.where("engine"), from);
    assert.equal(await say(...words), { code: 0, stdout: `${plan}ordered\n`, stderr: "" });
    failover.world.run(2_000);
    assert.is(failover.where("engine"), to);
    assert.match(
      (await say("set", "show", "db")).stdout,
      new RegExp(`db stays on card ${to}, where it was sent; \`set failback\` ends that`),
    );
    const { outcome, lines } = JSON.parse((await say("set", "drain", "1/2", "--dry-run", "--json")).stdout);
    assert.equal([outcome, lines[0]], ["planned", "card 2 is drained: it serves nothing and backs nothing up"]);
  }));

const ordered: readonly (readonly [words: string, order: Readonly<Record<string, unknown>>])[] = [
  ["set switch db", { verb: "switch", subject: "db", to: undefined }],
  ["set switch all --service b --to 1/3", { verb: "switch", subject: "b", to: 3 }],
  ["set failback db", { verb: "failback", subject: "db" }],
  ["set drain 3", { verb: "drain", card: 3, force: false }],
  ["set drain 3 --force", { verb: "drain", card: 3, force: true }],
  ["set undrain 1/3", { verb: "undrain", card: 3 }],
  ["set lift-quarantine db", { verb: "lift-quarantine", subject: "db" }],
  ["set lift-quarantine all --service b", { verb: "lift-quarantine", subject: "b" }],
  ["set lift-quarantine 3", { verb: "lift-quarantine", subject: 3 }],
  ["card maintenance 3 on", { verb: "maintenance", card: 3, on: true, force: false }],
  ["card maintenance on 1/3", { verb: "maintenance", card: 3, on: true, force: false }],
  ["card maintenance 3 off --force", { verb: "maintenance", card: 3, on: false, force: true }],
  ["boot proceed", { verb: "assume-idle" }],
];

test("each command becomes its order", () =>
  atCard(async ({ say, failover }) => {
    for (const [words, order] of ordered) {
      await say(...words.split(" "), "--dry-run");
      assert.equal(failover.asked.at(-1), { order: { by: "card 1/2", comment: "", ...order }, dryRun: true }, words);
    }
  }));

const refused: readonly (readonly [words: string, code: number, says: RegExp])[] = [
  ["set switch nope", 4, /^cardinal set switch: there is no failover set "nope"; there are/],
  ["set switch all", 4, /^cardinal set switch: all is N-way: its services move one by one\. Name one of its services\.$/m],
  ["set undrain 3", 4, /card 3 is not drained\. There is nothing to do\./],
  ["set switch db --to 64", 4, /there is no card 64\. See `cardinal members`/],
  ["set switch db --to 9/9", 2, /--to is "9\/9", must be a card's number, such as 2, or its chassis and slot, 1\/2/],
  ["set drain web", 2, /CARD is "web", must be/],
  ["set lift-quarantine 3 --service b", 2, /--service is of a set, and 3 is a card/],
  ["card maintenance on 9/9", 2, /CARD is "9\/9", must be a card's number/],
  ["card maintenance 3 of", 2, /STATE is "of", must be one of on, off/],
  ["failover explain 99", 1, /there is no failover "99"; this card knows of none/],
  ["failover explain x", 2, /ID is "x", must be a failover's number/],
  ["failovers --limit 0", 2, /--limit is "0", must be a whole number from 1 to 1000/],
];

test("what is refused is said in one line, with the way out and the exit code of its kind", () =>
  atCard(async ({ say, failover }) => {
    for (const [words, code, says] of refused) {
      const said = await say(...words.split(" "));
      assert.equal([said.code, said.stdout], [code, ""], words);
      assert.match(said.stderr, says);
    }
    failover.world.cut(failover.host, "ether");
    failover.world.run(3_000);
    const late = await say("set", "drain", "3");
    assert.is(late.code, 1);
    assert.match(late.stderr, /takes part in no decisions: .*\. Ask a card of the side with the quorum\./);
    failover.isAbsent = true;
    assert.is((await say("set", "drain", "3")).code, 1);
  }));

test("names are listed for shells: sets, services, and cards in the form that was begun", () =>
  atCard(async ({ say }) => {
    const cases: readonly (readonly [words: string, names: string])[] = [
      ["sets", "all db"],
      ["sets d", "db"],
      ["services s", "sql"],
      ["services", "a b c data sql"],
      ["cards", "1 2 3"],
      ["cards 1/", "1/1 1/2 1/3"],
      ["cards 9", ""],
    ];
    for (const [words, names] of cases) {
      assert.equal(await say("names", ...words.split(" ")), { code: 0, stdout: names.replaceAll(" ", "\n") + (names && "\n"), stderr: "" });
    }
  }));

const heldText = `Start of this card
  State        HOLD AT LISTEN, for 1 d 2 h
  Because      cards-missing: card 3 is not heard
  Fix          Start it.
  Type         cold: the multiplexor has started since the last run
  Took         2.1 s
  Role before  primary

Checks
  CHECK  RESULT  TOOK  HOLDS THE CARD  WHAT IT FOUND
  disk   failed  4 ms  yes             read-only: /var is read-only

Other cards
  CARD  STATE  TYPE  HOLD
  2     hold   cold  cards-missing

Self-tests
  own check loopback failed: nothing came back
  CARD  FOR    VERDICT         ACTION                    WHY
  3     4.2 s  member failure  shield, fence, take over  nobody hears it
`;

test("FS-6: boot shows the start with its checks, holds and peers, and what self-tests found", async () => {
  const said = await askedOf({ "/v1/status": JSON.stringify(exampleStatus) }, ["boot"]);
  assert.equal([said.code, said.stderr], [0, ""]);
  assert.match(said.stdout, /^Start of this card\n {2}State .*READY, for /);
  const held = {
    ...exampleStatus,
    boot: {
      ...exampleStatus.boot,
      state: "hold",
      phase: "listen",
      hold: { code: "cards-missing", reason: "card 3 is not heard", hint: "Start it." },
      checks: [{ check: "disk", result: "failed", critical: true, code: "read-only", text: "/var is read-only", ms: 4 }],
      peers: [{ card: 2, type: "cold", state: "hold", hold: "cards-missing" }],
    },
    selfTest: {
      own: { state: "done", checks: [{ check: "loopback", result: "failed", text: "nothing came back" }] },
      peers: [{ card: 3, forMs: 4_200, verdict: "member failure", action: "shield, fence, take over", reason: "nobody hears it" }],
    },
  };
  assert.is((await askedOf({ "/v1/status": JSON.stringify(held) }, ["boot"], { columns: 100 })).stdout, heldText);
  const { boot } = JSON.parse((await askedOf({ "/v1/status": JSON.stringify(held) }, ["boot", "--json"])).stdout);
  assert.is(boot.hold.code, "cards-missing");
});

test("a card without failover says so", () =>
  atCard(async ({ say }) => {
    assert.match((await say("set", "show")).stderr, /^cardinal set show: this card has no failover: it has no configuration/);
    assert.match((await say("set", "drain", "3")).stderr, /^cardinal set drain: this card has no failover/);
  }, "none"));

test("failovers and their explanation: what, why, phases with their shares, timeline, resources, prevention", () =>
  atCard(async ({ say, failover }) => {
    assert.is((await say("failovers")).stdout, "nothing has failed over or was moved since the cards know of each other\n");
    const from = failover.where("engine");
    const gone = from === failover.host.card ? 3 : from;
    if (from !== gone) await failover.operate({ verb: "switch", subject: "db", to: gone as CardId, by: "anna", comment: "" }, false);
    failover.world.run(8_000);
    failover.world.crash(failover.world.card(gone));
    failover.world.run(8_000);
    const list = (await say("failovers")).stdout;
    assert.match(list, /^ {2}ID {2}AGO .*WHAT\n/);
    const id = /^ {2}(\d+) .*closed .* ms {2}member failure/m.exec(list)?.[1];
    const { code, stdout } = await say("failover", "explain", String(id));
    assert.is(code, 0);
    assert.match(stdout, new RegExp(`^Failover ${id}: card ${gone}, closed, \\d+ ms until it ran again\n`));
    assert.match(stdout, /^ {2}Verdict {2}member failure: .*\n {2}Rule {5}view\n {2}Receipt {2}reset, known by card \d after \d+ ms$/m);
    assert.match(stdout, /^Phases\n {2}PHASE .*\n {2}characterized .* %/m);
    assert.match(stdout, /^Timeline\n +\+0 ms {2}/m);
    assert.match(stdout, /^Resources\n {2}AT .*\n(.*\n)* .* start {2}engine .* data .* done$/m);
    assert.match(stdout, /^What would have prevented it, or made it shorter\n {2}\S/m);
    const narrow = JSON.parse((await say("failover", "explain", String(id), "--json")).stdout);
    assert.is(narrow.subject.card, gone);
  }));

test.run();
