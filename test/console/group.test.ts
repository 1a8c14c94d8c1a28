// timeout: 240
/** `cardinal group` as a program of its own, at a real socket with the real server behind it. */
import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, existsSync, lstatSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { cardAt } from "../../src/base/ids.ts";
import { helpOf } from "../../src/console/help.ts";
import { understand } from "../../src/console/console.ts";
import { encodeCardFrame } from "../../src/io/application-wire.ts";
import { ApplicationWorld } from "../client/world.ts";
import { commands, type Ended, main, run, runtime } from "./program.ts";

/** A program that runs while the test looks at it. */
class Session {
  readonly child: ChildProcess;
  stdout = "";
  stderr = "";
  readonly #ended: Promise<Ended>;
  #wake: () => void = () => {};
  #isOver = false;

  constructor(words: readonly string[], env: Readonly<Record<string, string>> = {}) {
    const [file, ...args] = [...runtime, main, ...words] as [string, ...string[]];
    this.child = spawn(file, args, { env: { ...process.env, NO_COLOR: "1", ...env }, timeout: 60_000, killSignal: "SIGKILL" });
    this.child.stdout?.setEncoding("utf8").on("data", (text: string) => this.#told(() => this.stdout += text));
    this.child.stderr?.setEncoding("utf8").on("data", (text: string) => this.#told(() => this.stderr += text));
    this.child.stdin?.on("error", () => {});
    this.#ended = new Promise((resolve) => {
      this.child.on("close", (code) => {
        this.#told(() => this.#isOver = true);
        resolve({ code, stdout: this.stdout, stderr: this.stderr });
      });
    });
  }

  #told(change: () => void): void {
    change();
    this.#wake();
  }

  type(text: string): void {
    this.child.stdin?.write(text);
  }

  signal(name: NodeJS.Signals): void {
    // Not child.kill: Deno then reports the signal as the end, whatever the child made of it.
    process.kill(this.child.pid as number, name);
  }

  /** Waits until what was printed has it. */
  async until(text: string | RegExp): Promise<void> {
    const has = () => (typeof text === "string" ? this.stdout.includes(text) : text.test(this.stdout));
    while (!has()) {
      if (this.#isOver) throw new Error(`it ended without ${text}: ${this.stdout}${this.stderr}`);
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  async ended(): Promise<Ended> {
    return await this.#ended;
  }
}

type Start = (...words: readonly string[]) => Session;

function worldTest(name: string, body: (world: ApplicationWorld, start: Start) => Promise<void>): void {
  test(name, async () => {
    const world = await ApplicationWorld.open();
    const sessions: Session[] = [];
    try {
      await body(world, (...words) => {
        const session = new Session(["group", ...words], { CARDINAL_SOCKET: world.path });
        sessions.push(session);
        return session;
      });
    } finally {
      for (const { child } of sessions) child.kill("SIGKILL");
      await world.end();
    }
  });
}

const text = (data: Uint8Array) => new TextDecoder().decode(data);
const bytes = (value: string) => new TextEncoder().encode(value);
const sentTexts = (world: ApplicationWorld) => world.asked("send").map(({ data }) => text(data));
const oneLine = (value: string) => assert.match(value, /^[^\n]+\n$/);

// ---- join

worldTest("join: events are printed, lines are sent, and the end of the input leaves", async (world, start) => {
  const session = start("join", "lab", "--name", "me", "--monitor", "1000");
  await session.until("joined lab as me (card 2, number 1); view 1: me (card 2, number 1)\n");
  assert.equal(world.asked("join").map(({ name, critical, monitorMs }) => [name, critical, monitorMs]), [["me", false, 1000]]);
  world.deliver("lab", bytes("hello"));
  await session.until("message 2 from other (card 1, number 1): hello\n");
  world.tell("lab", { kind: "monitor", nonce: 5, withinMs: 1_000 });
  await world.until(() => world.asked("alive").length === 1);
  session.type("one\ntwo");
  await session.until("from me (card 2, number 1): one\n");
  session.child.stdin?.end();
  const { code, stdout, stderr } = await session.ended();
  assert.equal([code, stderr, sentTexts(world), world.members("lab"), world.asked("leave").length], [0, "", ["one", "two"], [], 1]);
  assert.match(stdout, /: two\nleft lab\n$/);
});

for (const name of ["SIGINT", "SIGTERM"] as const) {
  worldTest(`join: ${name} leaves, and the exit code is 130`, async (world, start) => {
    const session = start("join", "lab", "--critical");
    await session.until("joined lab as pid-");
    session.signal(name);
    const { code, stdout, stderr } = await session.ended();
    assert.equal([code, stderr, world.asked("leave").length], [130, "", 1]);
    assert.match(stdout, /\nleft lab\n$/);
    assert.equal(world.asked("join").map(({ critical }) => critical), [true]);
  });
}

worldTest("join --json: an object for each event", async (world, start) => {
  const session = start("join", "lab", "--json", "--name", "me");
  await session.until("\n");
  world.deliver("lab", Uint8Array.of(0xff));
  session.type("hello\n");
  await session.until('"text":"hello"');
  session.child.stdin?.end();
  const { code, stdout } = await session.ended();
  const events = stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
  assert.is(code, 0);
  assert.equal(events.map(({ kind }) => kind), ["joined", "message", "message", "left"]);
  assert.equal([events[1].base64, events[2].text, events[2].from.name], ["/w==", "hello", "me"]);
});

worldTest("join: a line that is too long or refused is said to be so, the others go, and the exit code is 1", async (world, start) => {
  const session = start("join", "lab");
  await session.until("joined");
  world.decide = (client, request) => {
    if (request.kind !== "send" || text(request.data) !== "refused") return false;
    world.server.send(client, { kind: "refused", request: request.request, code: "busy", message: "too much" });
    return true;
  };
  session.type(`${"x".repeat(32_769)}\nrefused\nfine\n`);
  await session.until(": fine\n");
  session.child.stdin?.end();
  const { code, stderr } = await session.ended();
  assert.is(code, 1);
  assert.is(
    stderr,
    "cardinal group join: line 1 is longer than 32768 bytes and was not sent\ncardinal group join: line 2 was not sent: too much\n",
  );
  assert.equal([sentTexts(world), world.asked("leave").length], [["refused", "fine"], 1]);
});

worldTest("join: what the group service refuses ends it with 4", async (world, start) => {
  world.decide = (client, request) => {
    if (request.kind === "join") {
      world.server.send(client, { kind: "refused", request: request.request, code: "bounds", message: "no room" });
    }
    return true;
  };
  assert.equal(await start("join", "lab").ended(), { code: 4, stdout: "", stderr: "cardinal group join: no room\n" });
});

worldTest("join: Ctrl-C gives up a membership that is not agreed on", async (world, start) => {
  world.decide = () => true;
  const session = start("join", "lab");
  await world.until(() => world.requests.length === 1);
  session.signal("SIGINT");
  assert.equal(await session.ended(), { code: 130, stdout: "", stderr: "" });
});

worldTest("join: a card that ends says so; the exit code is 1", async (world, start) => {
  const session = start("join", "lab");
  await session.until("joined");
  const [{ code, stderr }] = await Promise.all([session.ended(), world.server.end()]);
  assert.equal([code, stderr], [1, "cardinal group join: the card ended the connection: the card's program ends\n"]);
});

/** A card that breaks down after its welcome. */
test("a connection that breaks is an error that says so, with exit code 3", async () => {
  const directory = mkdtempSync(join(tmpdir(), "cardinal-group-"));
  const path = join(directory, "s");
  const welcome = encodeCardFrame({ kind: "welcome", version: 1, card: cardAt(1, 1), chassis: 1, slot: 1, software: "x" });
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.write(welcome);
    // After its hello; what it asks for may come in the same piece.
    socket.once("data", () => setTimeout(() => socket.destroy(), 50));
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  for (const words of [["join", "g"], ["send", "g", "x"], ["tail", "g"]]) {
    const { code, stdout, stderr } = await new Session(["group", ...words, "--socket", path]).ended();
    assert.equal([code, stdout], [3, ""], stderr);
    assert.match(stderr, new RegExp(`^cardinal group ${words[0]}: the connection to the card was lost[^\n]*\n`));
  }
  await new Promise((resolve) => server.close(resolve));
  rmSync(directory, { recursive: true });
});

// ---- join --exec

/** A shell says when what it waits for is ended by a signal. */
const withoutNotice = (stderr: string) => stderr.replace(/^Terminated\n/m, "");

worldTest("join --exec: the command has its place, its events and its voice; with 0 the member leaves", async (world, start) => {
  const command = 'echo "$CARDINAL_GROUP $CARDINAL_MEMBER $CARDINAL_CARD $CARDINAL_SOCKET"; while read -r line; do ' +
    'case "$line" in *stop*) echo bye; exit 0 ;; esac; done';
  const session = start("join", "lab", "--name", "me", "--exec", command);
  await world.until(() => world.asked("send").length === 1);
  assert.is(sentTexts(world)[0], `lab 1 2 ${world.path}`);
  world.deliver("lab", bytes("stop"));
  assert.equal(await session.ended(), { code: 0, stdout: "", stderr: "" });
  assert.equal([sentTexts(world)[1], world.asked("leave").length], ["bye", 1]);
});

worldTest("join --exec: all that a command has said is sent before the member leaves", async (world, start) => {
  let before = 0;
  world.decide = (_client, { kind }) => {
    if (kind === "leave") before = world.asked("send").length;
    return false;
  };
  assert.is((await start("join", "lab", "--exec", "seq 1 3000").ended()).code, 0);
  assert.equal([sentTexts(world), before], [Array.from({ length: 3_000 }, (_, index) => String(index + 1)), 3_000]);
});

worldTest("HA-7: join --exec: a command that fails ends the connection without leaving", async (world, start) => {
  const session = start("join", "lab", "--critical", "--exec", "echo trouble >&2; exit 3");
  const { code, stdout, stderr } = await session.ended();
  assert.equal([code, stdout], [1, ""]);
  assert.is(
    stderr,
    "trouble\ncardinal group join: the command ended with 3: the connection was ended without leaving, so this card resets itself\n",
  );
  await world.until(() => world.gone.length === 1);
  assert.equal(world.asked("leave"), []);
});

worldTest("join --exec: a command that is killed has failed too", async (world, start) => {
  const { code, stderr } = await start("join", "lab", "--exec", "kill -KILL $$").ended();
  assert.equal([code, stderr], [1, "cardinal group join: the command was ended by SIGKILL: the connection was ended without leaving\n"]);
  await world.until(() => world.gone.length === 1);
  assert.equal(world.asked("leave"), []);
});

worldTest("join --exec: SIGTERM leaves first, then ends the command", async (world, start) => {
  const note = join(world.directory, "note");
  const session = start(
    "join",
    "lab",
    "--exec",
    `trap 'echo ended > ${note}; exit 9' TERM; echo ready; while kill -0 $PPID; do sleep 0.05; done`,
  );
  await world.until(() => world.asked("send").length === 1);
  let wasEnded = true;
  world.decide = (_, { kind }) => {
    if (kind === "leave") wasEnded = existsSync(note);
    return false;
  };
  session.signal("SIGTERM");
  const { code, stdout, stderr } = await session.ended();
  assert.equal([code, stdout, withoutNotice(stderr)], [130, "", ""]);
  assert.equal([world.asked("leave").length, wasEnded, readFileSync(note, "utf8")], [1, false, "ended\n"]);
});

worldTest("join --exec: without the card the command is ended", async (world, start) => {
  const note = join(tmpdir(), `cardinal-group-note-${process.pid}`);
  const session = start(
    "join",
    "lab",
    "--exec",
    `trap 'echo ended > ${note}; exit 9' TERM; echo ready; while kill -0 $PPID; do sleep 0.05; done`,
  );
  await world.until(() => world.asked("send").length === 1);
  const [{ code, stderr }] = await Promise.all([session.ended(), world.server.end()]);
  assert.equal([code, withoutNotice(stderr), readFileSync(note, "utf8")], [
    1,
    "cardinal group join: the card ended the connection: the card's program ends\n",
    "ended\n",
  ]);
  rmSync(note);
});

worldTest("join --exec: a command that does not read goes on, and is told what it missed", async (world, start) => {
  const go = join(world.directory, "go");
  const command = `while [ ! -e ${go} ] && kill -0 $PPID; do sleep 0.05; done; grep -m1 -F '"kind":"lost"'; cat > /dev/null`;
  const session = start("join", "lab", "--exec", command);
  await world.until(() => world.asked("join").length === 1);
  // More than its pipe and what waits for it take together.
  const data = new Uint8Array(30_000).fill(0x61);
  for (let index = 0; index < 100; index++) {
    world.deliver("lab", data);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  writeFileSync(go, "");
  // It reads, and with the next message learns of the gap.
  const timer = setInterval(() => world.deliver("lab", bytes("later")), 20);
  await world.until(() => world.asked("send").length === 1);
  clearInterval(timer);
  const lost = JSON.parse(sentTexts(world)[0] as string);
  assert.equal([lost.kind, lost.group, lost.reason], ["lost", "lab", "the command did not read its input"]);
  assert.ok(lost.sequence > 30, String(lost.sequence));
  session.signal("SIGTERM");
  assert.is((await session.ended()).code, 130);
});

// ---- send

worldTest("send: a message, and its place in the order", async (world, start) => {
  assert.equal(await start("send", "lab", "hello world").ended(), { code: 0, stdout: "1\n", stderr: "" });
  assert.equal(await start("send", "lab", "--json", "--", "-x").ended(), { code: 0, stdout: '{"sequence":2}\n', stderr: "" });
  assert.equal([sentTexts(world), world.asked("send").map(({ group }) => group)], [["hello world", "-x"], ["lab", "lab"]]);
});

worldTest("send: files and lines, in order and as they are", async (world, start) => {
  const file = join(world.directory, "file");
  writeFileSync(file, Uint8Array.of(0xff, 0x0a, 0x00, 0x0a));
  assert.is((await start("send", "lab", "--file", file).ended()).stdout, "1\n");
  assert.equal(world.asked("send").map(({ data }) => data.toHex()), ["ff0a000a"]);
  assert.is((await start("send", "lab", "--file", file, "--lines").ended()).stdout, "2\n3\n");
  assert.equal(world.asked("send").slice(1).map(({ data }) => data.toHex()), ["ff", "00"]);
  for (const word of ["-", "--lines"]) {
    const session = start("send", "lab", word);
    const count = 3_000;
    const lines = Array.from({ length: count }, (_, index) => `line ${index}`);
    session.type(lines.join("\n"));
    session.child.stdin?.end();
    const before = world.asked("send").length;
    const { code, stdout, stderr } = await session.ended();
    assert.equal([code, stderr], [0, ""]);
    assert.equal(stdout, Array.from({ length: count }, (_, index) => `${before + index + 1}\n`).join(""));
    assert.equal(sentTexts(world).slice(before), lines);
  }
});

worldTest("send: a line is sent when it comes, and Ctrl-C ends the waiting for more", async (_, start) => {
  const session = start("send", "lab", "-");
  session.type("one\n");
  await session.until("1\n");
  session.signal("SIGINT");
  assert.equal(await session.ended(), { code: 130, stdout: "1\n", stderr: "" });
});

worldTest("send: Ctrl-C gives up what is not answered, and says how much that is", async (world, start) => {
  world.decide = () => true;
  const session = start("send", "lab", "-");
  session.type("one\ntwo\n");
  await world.until(() => world.requests.length === 2);
  session.signal("SIGINT");
  assert.equal(await session.ended(), {
    code: 130,
    stdout: "",
    stderr: "cardinal group send: given to the card and not answered: 2 messages\n",
  });
});

worldTest("send: the first line that is refused or too long ends it", async (world, start) => {
  world.decide = (client, request) => {
    if (request.kind !== "send" || text(request.data) !== "bad") return false;
    world.server.send(client, { kind: "refused", request: request.request, code: "stopped", message: "no quorum" });
    return true;
  };
  const refused = start("send", "lab", "-");
  // The input stays open: the refusal alone ends it.
  refused.type("good\nbad\n");
  assert.equal(await refused.ended(), { code: 4, stdout: "1\n", stderr: "cardinal group send: line 2: no quorum\n" });
  assert.equal(await start("send", "lab", "bad").ended(), { code: 4, stdout: "", stderr: "cardinal group send: no quorum\n" });
  const long = start("send", "lab", "-");
  long.type(`good\n${"x".repeat(40_000)}\n`);
  assert.equal(await long.ended(), {
    code: 1,
    stdout: "2\n",
    stderr: "cardinal group send: line 2 is longer than 32768 bytes and was not sent\n",
  });
  const file = join(world.directory, "file");
  writeFileSync(file, new Uint8Array(32_769));
  assert.equal(await start("send", "lab", "--file", file).ended(), {
    code: 1,
    stdout: "",
    stderr: "cardinal group send: the message is longer than 32768 bytes and was not sent\n",
  });
  assert.equal(await start("send", "lab", "--file", world.directory).ended(), {
    code: 1,
    stdout: "",
    stderr: "cardinal group send: the messages cannot be read: it is a directory\n",
  });
  assert.equal(await start("send", "lab", "--file", join(world.directory, "absent")).ended(), {
    code: 1,
    stdout: "",
    stderr: "cardinal group send: the messages cannot be read: there is no such file\n",
  });
});

// ---- tail

worldTest("tail: what happens, without being a member, until Ctrl-C", async (world, start) => {
  const tail = start("tail", "lab");
  await tail.until("watching lab; nobody is in it\n");
  const member = start("join", "lab", "--name", "me");
  await tail.until("me (card 2, number 1) joined; view 1: me (card 2, number 1)\n");
  world.deliver("lab", bytes("hello"));
  await tail.until("message 2 from other (card 1, number 1): hello\n");
  member.child.kill("SIGKILL");
  await tail.until("me (card 2, number 1) exited without leaving; view 2: nobody\n");
  tail.signal("SIGINT");
  const { code, stderr } = await tail.ended();
  assert.equal([code, stderr, world.asked("join").length], [130, "", 1]);
});

worldTest("tail --count: so many messages", async (world, start) => {
  const tail = start("tail", "lab", "--json", "--count", "2");
  await tail.until("watching");
  for (let index = 0; index < 5; index++) world.deliver("lab", bytes(String(index)));
  const { code, stdout, stderr } = await tail.ended();
  assert.equal([code, stderr], [0, ""]);
  assert.equal(stdout.trimEnd().split("\n").map((line) => JSON.parse(line).text), [undefined, "0", "1"]);
});

worldTest("tail: a reader that leaves early gets what it wanted, and nobody complains", async (world) => {
  const command = [...runtime, main, "group", "tail", "lab", "--socket", world.path].map((word) => `'${word}'`).join(" ");
  const piped = run(["bash", "-c", `${command} | head -2; exit \${PIPESTATUS[0]}`]);
  await world.until(() => world.asked("watch").length === 1);
  const timer = setInterval(() => world.deliver("lab", bytes("x")), 5);
  const { code, stdout, stderr } = await piped;
  clearInterval(timer);
  assert.equal([code, stdout.split("\n").length, stderr], [0, 3, ""]);
});

// ---- what is wrong

test("a wrong command line is one line that says what would be right, without a card", async () => {
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [["send", "lab"], /^cardinal group send: MESSAGE is missing; give it, or - for the lines of standard input, or --file FILE\n$/],
    [["send", "lab", "x", "--file", "f"], /^cardinal group send: MESSAGE and --file are given: give one of them\n$/],
    [["send", "lab", "-", "--file", "f"], /^cardinal group send: - is standard input, and --file a file: give one of them\n$/],
    [["send", "lab", "x", "--lines"], /^cardinal group send: --lines is for standard input and files/],
    [["send", "lab", "\u00e9".repeat(16_385)], /^cardinal group send: MESSAGE is 32770 bytes long, must be at most 32768\n$/],
    [["send", "n".repeat(33), "x"], /^cardinal group send: NAME "n+" is 33 bytes long, must be at most 32\n$/],
    [["tail", "a\nb"], /^cardinal group tail: NAME "a\\nb" holds a control character, must be plain text\n$/],
    [["tail", "lab", "--count", "0"], /^cardinal group tail: --count is "0", must be a whole number from 1\n$/],
    [
      ["join", "lab", "--monitor", "49"],
      /^cardinal group join: --monitor is "49", must be milliseconds from 50 to 600000, or 0 for none\n$/,
    ],
    [["join", "lab", "--name", "n".repeat(33)], /^cardinal group join: --name "n+" is 33 bytes long, must be at most 32\n$/],
  ];
  for (const [words, expected] of cases) {
    const { code, stdout, stderr } = await new Session(["group", ...words], { CARDINAL_SOCKET: "/nowhere" }).ended();
    assert.equal([code, stdout], [2, ""], words.join(" "));
    assert.match(stderr, expected);
    oneLine(stderr);
  }
});

const mistakes: readonly (readonly [string, string])[] = [
  ["group jion lab", 'there is no command "group jion"; did you mean group join?'],
  ["group", "group is a group of commands; say one of: group join, group send, group tail"],
  ["group join", "group join: NAME is missing; usage: cardinal group join"],
  ["group send lab a b", 'group send: "b" is one word too many; usage: cardinal group send'],
  ["group join lab --critcal", "group join: there is no option --critcal; did you mean --critical?"],
];

for (const [line, expected] of mistakes) {
  test(`cardinal ${line}`, () => {
    const asked = understand(line.split(" "), commands);
    assert.ok(asked.kind === "mistake" && asked.text.startsWith(expected), JSON.stringify(asked));
  });
}

test("a card that does not run is said not to, with exit code 3", async () => {
  const directory = mkdtempSync(join(tmpdir(), "cardinal-group-"));
  const path = join(directory, "absent");
  for (const words of [["join", "g"], ["send", "g", "x"], ["tail", "g"]]) {
    assert.equal(await new Session(["group", ...words], { CARDINAL_SOCKET: path }).ended(), {
      code: 3,
      stdout: "",
      stderr: `cardinal group ${words[0]}: there is no socket ${path}; is the card running? (--socket names another path)\n`,
    });
  }
  rmSync(directory, { recursive: true });
});

worldTest("who may not is told the socket, its permissions and its group", async (world) => {
  chmodSync(world.path, 0o060);
  // Root without its capabilities is a user like others.
  const without = process.getuid?.() === 0 ? ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] : [];
  const { code, stdout, stderr } = await run([...without, ...runtime, main, "group", "send", "g", "x", "--socket", world.path]);
  assert.equal([code, stdout], [1, ""], stderr);
  oneLine(stderr);
  assert.match(
    stderr,
    /^cardinal group send: permission denied: \S+a\.sock has mode 0060, owner (root|user \d+) and group \S+; be its owner, or /,
  );
  assert.is(lstatSync(world.path).mode & 0o777, 0o060);
});

test("the help of join says what becomes of a critical member", () => {
  const help = (helpOf(commands, ["group", "join"], { columns: 80, color: false }) ?? "").replace(/\s+/g, " ");
  assert.ok(help.includes("with --critical this card resets itself"), help);
  assert.ok(help.includes("A critical member that goes without leaving, as when it is killed, resets this card"));
});

test.run();
