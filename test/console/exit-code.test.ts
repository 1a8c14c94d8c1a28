// timeout: 180
import * as assert from "uvu/assert";
import { test } from "uvu";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cardinal, main, run, runtime } from "./program.ts";
import { healthy } from "./sample.ts";

const directory = mkdtempSync(join(tmpdir(), "cardinal-console-"));
const file = (name: string) => join(directory, name);
const body = JSON.stringify(healthy);

/** A server that gives `/v1/status` what a card gives, `/other` what is no status, and never answers `/never`. */
const server: Server = createServer((request, response) => {
  if (request.url === "/v1/status") response.setHeader("content-type", "application/json").end(body);
  else if (request.url === "/other/v1/status") response.end('{"hello":"world"}');
  else if (request.url?.startsWith("/never") !== true) response.writeHead(404).end("no");
});
let url = "";

test.before(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  url = `http://127.0.0.1:${address.port}`;
});

test.after(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  rmSync(directory, { recursive: true, force: true });
});

test("status: a page, or exactly what HTTP gave", async () => {
  const text = await cardinal("status", "--url", url);
  assert.equal([text.code, text.stderr, text.stdout.split("\n")[0]], [0, "", "rack-7-1-1"]);
  const json = await cardinal("--json", "status", "--url", url);
  assert.equal(json, { code: 0, stdout: `${body}\n`, stderr: "" });
  const byEnvironment = await run([...runtime, main, "status", "--json"], { env: { CARDINAL_URL: url } });
  assert.equal(byEnvironment, { code: 0, stdout: `${body}\n`, stderr: "" });
});

test("status: 3 when nobody answers, 1 when it is no card, 2 for what is no address", async () => {
  const cases: readonly (readonly [string, number, RegExp])[] = [
    [
      "http://127.0.0.1:1",
      3,
      /^cardinal status: the card at http:\/\/127\.0\.0\.1:1 cannot be reached: nothing listens there; check .*\n$/,
    ],
    [`${url}/never`, 3, /: no answer within 5 s; check .*\n$/],
    [`${url}/nowhere`, 1, /answers with HTTP status 404; is it a Cardinal card\?\n$/],
    [`${url}/other`, 1, /answers, but not as a Cardinal card/],
    ["ftp://x", 2, /--url is "ftp:\/\/x", must be a card's address/],
  ];
  for (const [address, code, stderr] of cases) {
    const ended = await cardinal("status", "--url", address);
    assert.equal([ended.code, ended.stdout], [code, ""], address);
    assert.match(ended.stderr, stderr);
    assert.is(ended.stderr.split("\n").length, 2, address);
  }
});

test("status --watch: page after page until Ctrl-C, which gives 130", async () => {
  const text = await run([...runtime, main, "status", "--watch", "--url", url], { signalAfter: { text: "VERIFIED", signal: "SIGINT" } });
  assert.equal([text.code, text.stderr, text.stdout.split("\n")[0]], [130, "", "rack-7-1-1"]);
  assert.not.ok(text.stdout.includes("\u001b"));
  const json = await run([...runtime, main, "status", "--watch", "--json", "--url", url], {
    signalAfter: { text: `${body}\n${body}\n`, signal: "SIGINT" },
  });
  assert.is(json.code, 130);
  assert.ok(json.stdout.startsWith(`${body}\n${body}\n`));
});

test("a reader that leaves early gets what it wanted, and nobody complains", async () => {
  const command = [...runtime, main, "card", "schema"].map((word) => `'${word}'`).join(" ");
  for (const reader of ["head -1", "true"]) {
    const ended = await run(["bash", "-c", `${command} | ${reader}; exit \${PIPESTATUS[0]}`]);
    assert.equal([ended.code, ended.stderr], [0, ""], reader);
  }
});

test("output that cannot be written is a failure, in one line", async () => {
  const command = [...runtime, main, "version"].map((word) => `'${word}'`).join(" ");
  const ended = await run(["bash", "-c", `${command} > /dev/full`]);
  assert.is(ended.code, 1);
  assert.match(ended.stderr, /^cardinal: the output cannot be written: .*\n$/);
});

test("key: a whole replacement, refusals, and never a secret", async () => {
  const path = file("system.key");
  const said: string[] = [];
  const secrets = () => [...readFileSync(path, "utf8").matchAll(/"secret":\s*"([0-9a-f]{16,})"/g)];
  const step = async (code: number, stdout: RegExp, ...words: string[]) => {
    const ended = await cardinal("key", ...words, path);
    said.push(ended.stdout, ended.stderr);
    for (const [, secret] of secrets()) assert.not.ok(said.join("").includes(secret as string), words.join(" "));
    assert.is(ended.code, code, `${words.join(" ")}: ${ended.stderr}`);
    assert.match(code === 0 ? ended.stdout : ended.stderr, stdout);
    assert.is(code === 0 ? ended.stderr : ended.stdout, "");
  };
  await step(0, /Copy the file to every card/, "generate");
  assert.is(secrets().length, 1);
  await step(4, /is there already/, "generate");
  await step(0, /To change the key: cardinal key stage /, "show");
  await step(4, /stage/, "promote");
  await step(0, /SIGHUP\. Next step: cardinal key promote /, "stage");
  assert.is(secrets().length, 2);
  await step(0, /under way\. .*cardinal key promote /, "show");
  await step(4, /promote/, "retire");
  await step(0, /Next step: cardinal key retire /, "promote");
  await step(0, /under way\. .*cardinal key retire /, "show");
  await step(0, /SIGHUP; then the change is done/, "retire");
  await step(0, /"role": "signing"/, "show", "--json");
  await step(0, /Copy/, "generate", "--force");
  assert.is((await cardinal("key", "show", file("absent"))).code, 4);
});

test("card: the example is right, what is wrong ends with 78", async () => {
  const example = await cardinal("card", "example");
  assert.equal([example.code, example.stderr], [0, ""]);
  writeFileSync(file("card.json"), example.stdout);
  const right = await cardinal("card", "check", file("card.json"));
  assert.equal([right.code, right.stderr], [0, ""]);
  assert.ok(right.stdout.startsWith(`${file("card.json")} is right: card 1/1 of rack-7, `), right.stdout);

  writeFileSync(file("wrong.json"), '{ "slot": 9 }');
  const wrong = await cardinal("card", "check", file("wrong.json"));
  assert.equal([wrong.code, wrong.stdout], [78, ""]);
  assert.match(wrong.stderr, /slot is 9, must be a whole number from 1 to 8\n/);
  const json = await cardinal("card", "check", "--json", file("wrong.json"));
  assert.is(json.code, 78);
  assert.ok(JSON.parse(json.stdout).mistakes.some(({ key }: { key: string }) => key === "slot"));
  for (const path of [file("wrong.json"), file("absent.json")]) {
    const ended = await cardinal("run", "--config", path);
    assert.equal([ended.code, ended.stdout], [78, ""], path);
    assert.not.match(ended.stderr, /^ +at /m);
  }
  assert.is(JSON.parse((await cardinal("card", "schema")).stdout).title, "Cardinal card.json");
});

test("openapi and version", async () => {
  const { code, stdout } = await cardinal("openapi");
  assert.is(code, 0);
  assert.ok("/v1/status" in JSON.parse(stdout).paths);
  assert.match((await cardinal("--version")).stdout, /^cardinal \d+\.\d+\.\d+\S*\n$/);
});

test.run();
