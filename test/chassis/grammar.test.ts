import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Line, oneOf, parseLine, share, sizeBytes, verbNames, verbs, wholeNumber } from "../../scripts/chassis/grammar.ts";
import { editDistance, exitCodeOf, Refused } from "../../scripts/chassis/refusal.ts";

function line(text: string): Line {
  const parsed = parseLine(text.split(" "));
  assert.not("help" in parsed, `${text} is help`);
  return parsed as Line;
}

function help(text: string): string {
  const parsed = parseLine(text === "" ? [] : text.split(" "));
  assert.ok("help" in parsed, `${text} is no help`);
  return (parsed as { help: string }).help;
}

test("grammar: words, options and commands are told apart", () => {
  const rows: [string, Partial<Line>][] = [
    ["up", { verb: "up", words: [], options: {} }],
    ["up --cards 8 --detach --baud=9600", { verb: "up", options: { cards: "8", detach: true, baud: "9600" } }],
    ["pull 3", { verb: "pull", words: ["3"] }],
    ["pull --name lab 2/3", { words: ["2/3"], options: { name: "lab" } }],
    ["cut ether 2 --tx", { words: ["ether", "2"], options: { tx: true } }],
    ["heal", { words: [] }],
    ["heal 2", { words: ["2"] }],
    ["stall 4 3000", { words: ["4", "3000"] }],
    ["corrupt serial 2 0.01", { words: ["serial", "2", "0.01"] }],
    ["exec 3 -- ip -br link", { words: ["3"], command: ["ip", "-br", "link"] }],
    ["exec 3 ip -br link", { words: ["3"], command: ["ip", "-br", "link"] }],
    ["exec --name lab 3 -- ls --name x", { words: ["3"], options: { name: "lab" }, command: ["ls", "--name", "x"] }],
    ["exec 3 --name lab ls -- --help", { words: ["3"], options: { name: "lab" }, command: ["ls", "--", "--help"] }],
    ["host -- tshark -i eth0", { words: [], command: ["tshark", "-i", "eth0"] }],
    ["host curl -s x", { words: [], command: ["curl", "-s", "x"] }],
    ["log 3 --lines 5 --follow", { words: ["3"], options: { lines: "5", follow: true } }],
  ];
  for (const [text, expected] of rows) {
    const parsed = line(text);
    for (const [key, value] of Object.entries(expected)) assert.equal(parsed[key as keyof Line], value, `${text}: ${key}`);
  }
});

test("grammar: a mistake is refused as usage, in words that say what would be right", () => {
  const rows: [string, RegExp][] = [
    ["pul 3", /no verb "pul"\. Did you mean pull\?/],
    ["xyzzy", /no verb "xyzzy"\. `--help`/],
    ["up --card 3", /no option --card\. Did you mean --cards\?/],
    ["up --detach=yes", /--detach takes no value/],
    ["up --cards", /--cards needs a value/],
    ["up 3", /"3" is one word too many; usage: up/],
    ["pull", /SLOT is missing; usage: pull SLOT/],
    ["stall 3", /MS is missing/],
    ["cut", /serial\|ether\|mux is missing/],
    ["exec 3", /the command is missing/],
    ["exec -- ls", /SLOT is missing/],
    ["host", /the command is missing/],
    ["down --name Lab", /"Lab" is not a name/],
  ];
  for (const [text, message] of rows) {
    assert.throws(() => parseLine(text.split(" ")), (error: Error) => {
      assert.instance(error, Refused, text);
      assert.is(exitCodeOf((error as Refused).code), 2);
      assert.match(error.message, message);
      return true;
    });
  }
});

test("grammar: every verb has help with an example that it understands itself", () => {
  assert.match(help(""), "Exit codes");
  for (const verb of verbNames) {
    assert.match(help(""), new RegExp(`^  ${verb} `, "m"));
    for (const text of [help(`${verb} --help`), help(`help ${verb}`)]) assert.match(text, "Examples:");
    for (const example of verbs[verb].examples) assert.is(line(example.split(" | ")[0] as string).verb, verb, example);
  }
  assert.match(help("exec 3 --help -- ls"), "Examples:");
});

test("grammar: numbers, shares and sizes have their bounds", () => {
  assert.is(wholeNumber("--cards", "8", 1, 8), 8);
  for (const bad of ["0", "9", "x", "1.5", "-1", "", "1e1"]) {
    assert.throws(() => wholeNumber("--cards", bad, 1, 8), /--cards is ".*", must be a whole number from 1 to 8/);
  }
  assert.equal(["0", "1", "0.01", ".5", "1e-3"].map((text) => share("RATE", text)), [0, 1, 0.01, 0.5, 0.001]);
  for (const bad of ["1.1", "-0", "", "NaN", "1%", "0x1"]) assert.throws(() => share("RATE", bad), /from 0 to 1/);
  assert.equal(["4096", "64K", "64M", "1g", "2GiB"].map((text) => sizeBytes("--disk-size", text)), [
    4096,
    65_536,
    67_108_864,
    2 ** 30,
    2 ** 31,
  ]);
  for (const bad of ["", "0", "100", "1.5G", "2T", "64X"]) assert.throws(() => sizeBytes("--disk-size", bad), /a size such as 64M/);
  assert.throws(() => oneOf("--profile", "fst", ["default", "fast"]), /must be one of default, fast\. Did you mean fast\?/);
});

test("grammar: the distance of two words counts insertions, deletions, replacements and swaps", () => {
  const rows: [string, string, number][] = [["", "", 0], ["", "ab", 2], ["pull", "pull", 0], ["pul", "pull", 1], ["plul", "pull", 1], [
    "cut",
    "cat",
    1,
  ], ["kitten", "sitting", 3]];
  for (const [from, to, expected] of rows) assert.is(editDistance(from, to), expected, `${from} ${to}`);
});

test.run();
