import * as assert from "uvu/assert";
import { test } from "uvu";
import type { Terminal } from "../../src/console/command.ts";
import { type Asked, runConsole, understand } from "../../src/console/console.ts";
import { generalOptions, helpOf, usageOf } from "../../src/console/help.ts";
import { commands } from "./program.ts";

function told(asked: Asked): string {
  switch (asked.kind) {
    case "mistake":
      return `mistake: ${asked.text}`;
    case "help":
      return `help${asked.wanted ? "" : " unasked"}: ${asked.words.join(" ")}`;
    case "run": {
      const { command, json, values } = asked;
      const set = Object.entries({ ...values.operands, ...values.options }).filter(([, value]) => value !== undefined && value !== false);
      return [...command.words, ...set.map(([name, value]) => `${name}=${value}`), ...(json ? ["as json"] : [])].join(" ");
    }
  }
}

const cases: readonly (readonly [string, string])[] = [
  ["", "help unasked: "],
  ["--help", "help: "],
  ["-h", "help: "],
  ["help", "help"],
  ["help key stage", "help COMMAND=key stage"],
  ["status --help", "help: status"],
  ["--help status", "help: status"],
  ["status --url x -h", "help: status"],
  ["status --wach --help", "help: status"],
  ["key --help", "help: key"],
  ["--version", "version"],
  ["-V", "version"],
  ["--json --version", "version as json"],
  ["status", "status"],
  ["--json status", "status as json"],
  ["status --json", "status as json"],
  ["status --json --watch --url http://a:1", "status url=http://a:1 watch=true as json"],
  ["status -w -u a", "status url=a watch=true"],
  ["status --url=--odd", "status url=--odd"],
  ["run", "run"],
  ["run --config a.json", "run config=a.json"],
  ["run -c a.json", "run config=a.json"],
  ["key generate a --force", "key generate FILE=a force=true"],
  ["key generate -- --a", "key generate FILE=--a"],
  ["completion zsh", "completion SHELL=zsh"],
  ["stat", 'mistake: there is no command "stat"; did you mean status?'],
  ["key gen", 'mistake: there is no command "key gen"; did you mean key generate?'],
  ["key", "mistake: key is a group of commands; say one of: key generate, key show, key stage, key promote, key retire"],
  ["status --wach", "mistake: status: there is no option --wach; did you mean --watch?"],
  ["--jsn status", "mistake: there is no option --jsn; did you mean --json?"],
  ["--url a status", "mistake: --url stands behind its command: cardinal status [--url URL] [--watch]"],
  ["status --watch=1", 'mistake: status: --watch takes no value, but "1" is given'],
  ["status --url", "mistake: status: --url needs a value: --url URL"],
  ["status --url a --url b", "mistake: status: --url is given twice"],
  ["status --__proto__", "mistake: status: there is no option --__proto__"],
  ["status now", 'mistake: status: "now" is one word too many; usage: cardinal status [--url URL] [--watch]'],
  ["key show", "mistake: key show: FILE is missing; usage: cardinal key show FILE"],
  [
    "completion bsh",
    'mistake: completion: SHELL is "bsh", must be one of bash, zsh, fish; did you mean bash?; usage: cardinal completion SHELL',
  ],
  ["--json run", "mistake: run prints no result as JSON; leave --json out"],
];

for (const [line, expected] of cases) {
  test(`cardinal ${line}`, () => assert.is(told(understand(line.split(" ").filter((word) => word !== ""), commands)), expected));
}

test("an empty word is no file", () => {
  assert.is(told(understand(["key", "show", ""], commands)), "mistake: key show: FILE is empty; usage: cardinal key show FILE");
});

const page = { columns: 80, color: false };

test("the help lists every command, and that of each command its operands, options, examples and exit codes", () => {
  const overview = helpOf(commands, [], page) ?? "";
  for (const command of commands) {
    const name = command.words.join(" ");
    assert.match(overview, new RegExp(`^  ${name}  `, "m"));
    const help = helpOf(commands, command.words, page) ?? "";
    assert.ok(help.replace(/\s+/g, " ").includes(usageOf(command)), name);
    for (const option of [...Object.keys(command.options), "help", ...(command.json ? ["json"] : [])]) {
      assert.ok(help.includes(`--${option}`), `${name} --${option}`);
    }
    for (const { line } of command.examples) assert.ok(help.includes(`\n  ${line}\n`), `${name}: ${line}`);
    assert.ok(help.includes("Exit codes\n  0  "), name);
    if (command.words.length > 1) assert.ok(helpOf(commands, command.words.slice(0, 1), page)?.includes(name), name);
  }
  for (const option of Object.keys(generalOptions)) assert.ok(overview.includes(`--${option}`), option);
  for (const code of [0, 1, 2, 3, 4, 78, 130]) assert.match(overview, new RegExp(`^  ${code} +\\w`, "m"));
});

test("the examples are lines that the grammar takes", () => {
  for (const command of commands) {
    for (const { line } of command.examples) {
      const words = (/cardinal ([^|><&)"]*)/.exec(line)?.[1] ?? "").trim().split(" ");
      assert.is(understand(words, commands).kind, "run", line);
    }
  }
});

test("help in 40 columns breaks only lines to paste", () => {
  for (const words of [[], ...commands.map((command) => command.words)]) {
    for (const line of (helpOf(commands, words, { columns: 40, color: false }) ?? "").split("\n")) {
      assert.ok(line.length <= 40 || /^ {2}(cardinal|eval|source) /.test(line), line);
    }
  }
});

test("a mistake is one line on standard error and the exit code 2", async () => {
  let [out, err] = ["", ""];
  const terminal: Terminal = {
    stdout: (text) => out += text,
    stderr: (text) => err += text,
    columns: 80,
    rows: 24,
    isTty: false,
    color: false,
  };
  assert.is(await runConsole(["stats"], commands, { terminal, version: "1" }), 2);
  assert.is(out, "");
  assert.is(err, 'cardinal: there is no command "stats"; did you mean status?\n');
  err = "";
  assert.is(await runConsole(["version", "--json"], commands, { terminal, version: "1" }), 0);
  assert.equal([JSON.parse(out), err], [{ name: "cardinal", version: "1" }, ""]);
});

test.run();
