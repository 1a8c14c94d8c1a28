/** A card's configuration at the door: what is resolved, and how each mistake is told. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  type CardConfig,
  checkCardConfig,
  configExample,
  configSchema,
  isMistakes,
  type Mistake,
  readCardConfig,
  reloadableKeys,
  reloadedConfig,
  restartLines,
  systemNumberOf,
} from "../../src/io/config.ts";

const least = { system: "rack-7", slot: 3, ether: { interface: "eth0" }, serial: { device: "/dev/ttyS1" } };

function right(config: unknown): CardConfig {
  const checked = checkCardConfig(JSON.stringify(config), "/etc/cardinal/card.json");
  assert.not(isMistakes(checked), isMistakes(checked) ? checked.map(({ line }) => line).join("\n") : "");
  return checked as CardConfig;
}

function mistakes(text: string): Mistake[] {
  const checked = checkCardConfig(text, "card.json");
  assert.ok(isMistakes(checked), "it was taken for right");
  return checked as Mistake[];
}

/** The lines without the file and the place. */
function told(config: unknown): string[] {
  return mistakes(JSON.stringify(config)).map(({ line }) => line.replace(/^card\.json:\d+:\d+: /, ""));
}

test("a small configuration is filled up with the defaults", () => {
  assert.equal(right(least), {
    file: "/etc/cardinal/card.json",
    system: "rack-7",
    systemNumber: systemNumberOf("rack-7"),
    chassis: 1,
    slot: 3,
    card: 3,
    name: "rack-7-1-3",
    stateDirectory: "/etc/cardinal/state",
    keyFile: "/etc/cardinal/system.key",
    interface: "eth0",
    device: "/dev/ttyS1",
    profile: "default",
    node: {
      ether: { periodMs: 100, silentAfterMs: 300, downAfterMs: 500 },
      serial: { periodMs: 200, silentAfterMs: 600, downAfterMs: 1_000 },
      baud: 115_200,
      expected: [3],
      disabled: [],
      witness: false,
      redundantLinks: true,
      coldWaitMs: 300_000,
    },
    http: { address: "127.0.0.1", port: 8421 },
    configuration: true,
    applications: { socket: "/etc/cardinal/state/applications.sock", mode: 0o660 },
    realtime: { mode: "auto", priority: 20, lockMemory: true },
    watchdog: undefined,
    log: { level: "info" },
  });
});

test("profile, overrides and relations of the heartbeat", () => {
  const fast = right({ ...least, profile: "fast" }).node;
  assert.equal(fast.ether, { periodMs: 10, silentAfterMs: 30, downAfterMs: 50 });
  assert.equal(fast.serial, { periodMs: 50, silentAfterMs: 150, downAfterMs: 250 });
  const own = right({ ...least, heartbeat: { ether: { periodMs: 20, downBeats: 10 } } }).node;
  assert.equal(own.ether, { periodMs: 20, silentAfterMs: 60, downAfterMs: 200 });
  assert.equal(own.serial.periodMs, 200);
});

test("everything else that can be said", () => {
  const config = right({
    ...least,
    chassis: 2,
    name: "the third",
    state: "/var/lib/cardinal",
    key: "keys/system.key",
    cards: ["2/3", "1/1"],
    http: false,
    realtime: false,
    watchdog: { timeoutS: 5 },
    log: { level: "debug" },
  });
  assert.is(config.card, 11);
  assert.is(config.stateDirectory, "/var/lib/cardinal");
  assert.is(config.keyFile, "/etc/cardinal/keys/system.key");
  assert.equal(config.node.expected, [1, 11]);
  assert.is(config.http, false);
  assert.is(config.realtime, false);
  assert.equal(config.watchdog, { device: "/dev/watchdog", timeoutS: 5 });
  assert.equal(right({ ...least, http: { address: "::", port: 80 } }).http, { address: "::", port: 80 });
  assert.equal(right({ ...least, realtime: { mode: "require" } }).realtime, { mode: "require", priority: 20, lockMemory: true });
});

test("who votes, who decides at exactly half, and what is an alarm", () => {
  const { node } = right({
    ...least,
    cards: ["1/3", "1/1", "2/1", "1/2"],
    disabled: ["2/1", "1/3"],
    tieBreak: "1/2",
    redundantLinks: false,
    coldWaitS: 0,
  });
  assert.equal({ ...node, ether: 0, serial: 0 }, {
    ether: 0,
    serial: 0,
    baud: 115_200,
    expected: [1, 2, 3, 9],
    disabled: [3, 9],
    tieBreak: 2,
    witness: false,
    redundantLinks: false,
    coldWaitMs: Infinity,
  });
  assert.is(right({ ...least, tieBreak: "1/3" }).node.tieBreak, 3);
});

test("a witness has a key of the system's name, and endpoints that a path can be put behind", () => {
  const { witness, node } = right({
    ...least,
    witness: { endpoints: ["http://192.0.2.1:2379/", "https://[2001:db8::1]:2379", "http://etcd.example/base//"] },
  });
  assert.equal(witness, {
    endpoints: ["http://192.0.2.1:2379", "https://[2001:db8::1]:2379", "http://etcd.example/base"],
    key: "cardinal/rack-7",
    ttlS: 5,
  });
  assert.is(node.witness, true);
  assert.equal(right({ ...least, witness: { endpoints: ["http://e"], key: "k", ttlS: 60 } }).witness, {
    endpoints: ["http://e"],
    key: "k",
    ttlS: 60,
  });
});

test("the socket of applications is in the state directory, or where it is asked for", () => {
  const socket = (applications: unknown, state = "state") => right({ ...least, state, applications }).applications;
  assert.is(socket(false), false);
  assert.equal(socket({}, "/var/lib/cardinal"), { socket: "/var/lib/cardinal/applications.sock", mode: 0o660 });
  assert.equal(socket({ socket: "run/apps", mode: "0600", group: "wheel" }), {
    socket: "/etc/cardinal/run/apps",
    mode: 0o600,
    group: "wheel",
  });
  assert.equal(socket({ socket: `/${"x".repeat(106)}`, mode: "777" }, "y".repeat(200)), { socket: `/${"x".repeat(106)}`, mode: 0o777 });
  assert.is(socket(false, "y".repeat(200)), false);
});

test("each mistake is one line with the key, the value and what would be right", () => {
  const cases: [change: Record<string, unknown>, line: string][] = [
    [{ system: "Rack 7" }, 'system is "Rack 7", must be 1 to 32 letters a to z, digits and hyphens'],
    [{ slot: 9 }, "slot is 9, must be a whole number from 1 to 8"],
    [{ slot: "3" }, 'slot is "3", must be a whole number from 1 to 8'],
    [{ slot: undefined }, "slot is missing, must be a whole number from 1 to 8"],
    [{ name: "" }, 'name is "", must be 1 to 32 bytes of printable text'],
    [{ name: "ü".repeat(17) }, `name is "${"ü".repeat(17)}", must be 1 to 32 bytes of printable text`],
    [
      { ether: { interface: "a/b" } },
      'ether.interface is "a/b", must be the name of a network interface, such as eth0 (at most 15 characters)',
    ],
    [{ ether: undefined }, 'ether is missing, must be an object, such as {"interface": "eth0"}'],
    [{ serial: { device: "ttyS1" } }, 'serial.device is "ttyS1", must be an absolute path, such as /dev/ttyS1'],
    [{ serial: { device: "/dev/ttyS1", baud: 1_199 } }, "serial.baud is 1199, must be a whole number from 1200 to 4000000"],
    [{ serial: { device: "/dev/ttyS1", baud: 9600.5 } }, "serial.baud is 9600.5, must be a whole number from 1200 to 4000000"],
    [{ profile: "quick" }, 'profile is "quick", must be one of "default", "fast"'],
    [{ heartbeat: { ether: { periodMs: 4 } } }, "heartbeat.ether.periodMs is 4, must be a whole number from 5 to 10000"],
    [{ heartbeat: { ether: { silentBeats: 1 } } }, "heartbeat.ether.silentBeats is 1, must be a whole number from 2 to 1000"],
    [
      { heartbeat: { serial: { silentBeats: 4, downBeats: 4 } } },
      "heartbeat.serial.downBeats is 4, must be more than silentBeats, which is 4",
    ],
    [
      { heartbeat: { serial: { silentBeats: 5 } } },
      "heartbeat.serial.silentBeats is 5, must be less than downBeats, which is 5 in the profile default",
    ],
    [{ cards: ["1/3", "1/9"] }, 'cards[1] is "1/9", must be a chassis and a slot, such as "1/3"'],
    [{ cards: ["1/3", "1/3"] }, 'cards[1] is "1/3" for the second time; each card is listed once'],
    [{ cards: ["1/1"] }, 'cards does not list this card, must contain "1/3" (its chassis and slot)'],
    [{ cards: [] }, 'cards is [], must be a list of cards, such as ["1/1", "1/2", "1/3"]'],
    [{ disabled: "1/3" }, 'disabled is "1/3", must be a list of cards, such as ["1/3"]'],
    [{ disabled: ["13"] }, 'disabled[0] is "13", must be a chassis and a slot, such as "1/3"'],
    [{ disabled: ["1/1"] }, 'disabled[0] is "1/1", must be one of the list cards, which is missing'],
    [{ cards: ["1/3", "1/4"], disabled: ["1/4", "1/5"] }, 'disabled[1] is "1/5", must be one of the list cards'],
    [{ cards: ["1/3", "1/4"], disabled: ["1/4", "1/4"] }, 'disabled[1] is "1/4" for the second time; each card is listed once'],
    [{ cards: ["1/3", "1/4"], disabled: ["1/4", "1/3"] }, "disabled lists all cards, must leave at least one that votes"],
    [{ disabled: ["1/3"] }, "disabled lists all cards, must leave at least one that votes"],
    [{ tieBreak: 3 }, 'tieBreak is 3, must be a chassis and a slot, such as "1/3"'],
    [{ tieBreak: "1/1" }, 'tieBreak is "1/1", must be one of the list cards, which is missing'],
    [{ cards: ["1/3", "1/4"], tieBreak: "1/1" }, 'tieBreak is "1/1", must be one of the list cards'],
    [{ cards: ["1/3", "1/4"], disabled: ["1/4"], tieBreak: "1/4" }, 'tieBreak is "1/4", which is disabled; must be a card that votes'],
    [{ tiebreak: "1/3" }, 'tiebreak ("1/3") is not a key of a card\'s configuration; did you mean tieBreak?'],
    [{ witness: "http://e" }, 'witness is "http://e", must be an object, such as {"endpoints": ["http://192.0.2.1:2379"]}'],
    [{ witness: {} }, 'witness.endpoints is missing, must be a list of 1 to 9 addresses of etcd, such as ["http://192.0.2.1:2379"]'],
    [
      { witness: { endpoints: [] } },
      'witness.endpoints is [], must be a list of 1 to 9 addresses of etcd, such as ["http://192.0.2.1:2379"]',
    ],
    ...["192.0.2.1:2379", "etcd://e", "http://", "http://u:p@e", "http://u@e", "http://e?x", "http://e#", "/v3"].map((
      endpoint,
    ): [Record<string, unknown>, string] => [
      { witness: { endpoints: ["http://e", endpoint] } },
      `witness.endpoints[1] is "${endpoint}", must be an address of etcd, such as "http://192.0.2.1:2379"`,
    ]),
    [{ witness: { endpoints: ["http://e"], key: "" } }, 'witness.key is "", must be 1 to 128 bytes of printable text'],
    [{ witness: { endpoints: ["http://e"], ttlS: 1 } }, "witness.ttlS is 1, must be a whole number from 2 to 60"],
    [
      { witness: { endpoint: "http://e", endpoints: ["http://e"] } },
      'witness.endpoint ("http://e") is not a key of witness; did you mean endpoints?',
    ],
    [{ coldWaitS: -1 }, "coldWaitS is -1, must be a whole number from 0 to 86400"],
    [{ redundantLinks: "no" }, 'redundantLinks is "no", must be true or false'],
    [{ configuration: "on" }, 'configuration is "on", must be true or false'],
    [{ applications: true }, 'applications is true, must be false, or an object such as {"mode": "0660", "group": "cardinal"}'],
    [{ applications: { mode: 660 } }, 'applications.mode is 660, must be an octal mode in quotes, such as "0660"'],
    [{ applications: { mode: "0o660" } }, 'applications.mode is "0o660", must be an octal mode in quotes, such as "0660"'],
    [{ applications: { mode: "1660" } }, 'applications.mode is "1660", must be an octal mode in quotes, such as "0660"'],
    [{ applications: { group: "a b" } }, 'applications.group is "a b", must be the name of a group, such as "cardinal"'],
    [{ applications: { sockets: "x" } }, 'applications.sockets ("x") is not a key of applications; did you mean socket?'],
    [{ applications: { socket: "" } }, 'applications.socket is "", must be a path, such as "/run/cardinal.sock"'],
    [
      { applications: { socket: `/${"x".repeat(107)}` } },
      `applications.socket is "/${"x".repeat(107)}", and "/${
        "x".repeat(107)
      }" is too long for a socket, must be at most 107 bytes, such as "/run/cardinal.sock"`,
    ],
    [
      { state: `/${"x".repeat(89)}` },
      `applications.socket is missing, and the default "/${
        "x".repeat(89)
      }/applications.sock" is too long for a socket, must be at most 107 bytes, such as "/run/cardinal.sock"`,
    ],
    [{ http: true }, 'http is true, must be false, or an object such as {"address": "127.0.0.1", "port": 8421}'],
    [{ http: { port: 0 } }, "http.port is 0, must be a whole number from 1 to 65535"],
    [
      { http: { address: "localhost" } },
      'http.address is "localhost", must be an IPv4 or IPv6 address, such as 127.0.0.1, or 0.0.0.0 for all',
    ],
    [{ realtime: { mode: "never" } }, 'realtime.mode is "never", must be one of "auto", "require"'],
    [{ realtime: { priority: 100 } }, "realtime.priority is 100, must be a whole number from 2 to 99"],
    [{ watchdog: { device: "watchdog" } }, 'watchdog.device is "watchdog", must be an absolute path, such as /dev/watchdog'],
    [{ log: { level: "loud" } }, 'log.level is "loud", must be one of "debug", "info", "warn", "error"'],
    [{ log: null }, 'log is null, must be an object, such as {"level": "info"}'],
    [{ profil: "fast" }, 'profil ("fast") is not a key of a card\'s configuration; did you mean profile?'],
    [{ http: { prot: 80 } }, "http.prot (80) is not a key of http; did you mean port?"],
    [{ watchdog: { x: 1 } }, "watchdog.x (1) is not a key of watchdog; the keys are device, timeoutS"],
    [
      { system: "a".repeat(30) },
      `name is missing, and "${"a".repeat(30)}-1-3" is too long for it; must be 1 to 32 bytes of printable text`,
    ],
  ];
  for (const [change, line] of cases) assert.equal(told({ ...least, ...change }), [line]);
});

test("all mistakes are told at once, in the order of the file, each with its place", () => {
  const text = `{
  "heartbeat": { "ether": { "silentBeats": 9 } }, "system": "rack-7", "slot": 12,
  "ether": { "interfaces": "eth0" },
  "serial": { "device": "/dev/ttyS1", "baud": 99 },
  "cards": ["1/1", "1/1"]
}`;
  assert.equal(mistakes(text).map(({ key, line }) => `${key} | ${line.split(" ", 1)[0]}`), [
    "heartbeat.ether.silentBeats | card.json:2:29:",
    "slot | card.json:2:71:",
    "ether.interface | card.json:3:3:",
    "ether.interfaces | card.json:3:14:",
    "serial.baud | card.json:4:39:",
    "cards[1] | card.json:5:20:",
  ]);
});

test("text that is not JSON is told with its place and what was expected", () => {
  const cases: [text: string, line: string][] = [
    ["", "card.json:1:1: not JSON: found the end of the file; expected a JSON object, which begins with {"],
    ['{"slot": 1,}', 'card.json:1:11: not JSON: found a comma before "}"; expected none after the last member'],
    ["{\n  slot: 1\n}", 'card.json:2:3: not JSON: found "slot"; expected a key in double quotes or "}"'],
    ['{"a": 1 "b": 2}', 'card.json:1:9: not JSON: found "\\""; expected "," or "}"'],
    ["[]", "card.json:1:1: the configuration is [], must be a JSON object"],
  ];
  for (const [text, line] of cases) assert.equal(mistakes(text).map((mistake) => mistake.line), [line]);
});

test("a file that cannot be read is told with its name", () => {
  const directory = mkdtempSync(join(tmpdir(), "cardinal-config-"));
  try {
    const line = (path: string): string => {
      const read = readCardConfig(path);
      assert.ok(isMistakes(read) && read.length === 1);
      return (read as Mistake[])[0]?.line ?? "";
    };
    const missing = join(directory, "none.json");
    assert.is(line(missing), `${missing}: no such file; \`cardinal card example\` prints one to start from`);
    assert.is(line(directory), `${directory}: not a regular file; give the path of a card.json`);
    const fifo = join(directory, "fifo");
    execFileSync("mkfifo", [fifo]);
    assert.is(line(fifo), `${fifo}: not a regular file; give the path of a card.json`);
    const large = join(directory, "large.json");
    writeFileSync(large, " ".repeat(300_000));
    assert.is(line(large), `${large}: larger than 256 KiB, which no configuration is`);

    const good = join(directory, "card.json");
    writeFileSync(good, configExample);
    const config = readCardConfig(good);
    assert.not(isMistakes(config));
    assert.is((config as CardConfig).keyFile, join(directory, "system.key"));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

test("no text makes it throw, and each mistake stays on its line", () => {
  const change = fc.oneof(fc.jsonValue(), fc.constantFrom(...Object.values(least)));
  const anything = fc.oneof(
    fc.string(),
    fc.json(),
    fc.dictionary(
      fc.constantFrom(
        "system",
        "slot",
        "ether",
        "serial",
        "http",
        "heartbeat",
        "cards",
        "disabled",
        "tieBreak",
        "witness",
        "applications",
        "name",
        "\n",
        "__proto__",
      ),
      change,
    )
      .map((changed) => JSON.stringify({ ...least, ...changed })),
  );
  fc.assert(
    fc.property(anything, (text) => {
      const checked = checkCardConfig(text, "card.json");
      if (!isMistakes(checked)) return;
      assert.ok(checked.length > 0);
      // deno-lint-ignore no-control-regex -- control characters must not come through
      for (const { line } of checked) assert.not.match(line, /[\u0000-\u001f]/);
    }),
    { numRuns: 500 },
  );
});

test("the system's number has 16 bits and is never 0", () => {
  assert.is(systemNumberOf("rack-7"), 30_372);
  fc.assert(fc.property(fc.string(), (name) => {
    const number = systemNumberOf(name);
    assert.ok(Number.isInteger(number) && number >= 1 && number <= 0xffff);
  }));
});

test("what a reload takes over, and what asks for a restart", () => {
  const running = right(least);
  const reloadable = right({
    ...least,
    profile: "fast",
    heartbeat: { serial: { downBeats: 9 } },
    cards: ["1/3", "1/4", "1/5"],
    disabled: ["1/5"],
    tieBreak: "1/4",
    log: { level: "debug" },
    key: "other.key",
  });
  assert.equal(restartLines(running, reloadable), []);
  assert.equal(reloadedConfig(running, reloadable), reloadable);

  const fixed = right({
    ...least,
    slot: 4,
    serial: { device: "/dev/ttyS2", baud: 9_600 },
    http: false,
    watchdog: {},
    log: { level: "warn" },
  });
  assert.equal(restartLines(running, fixed).map((line) => line.split(" ", 1)[0]), [
    "slot",
    "name",
    "serial.device",
    "serial.baud",
    "http",
    "watchdog",
  ]);
  assert.is(
    restartLines(running, fixed)[3],
    "serial.baud is 9600 now, the card still runs with 115200: restart it to take the change over",
  );
  // Nothing of what asks for a restart is taken over by halves.
  const { log, node, ...rest } = reloadedConfig(running, fixed);
  assert.equal({ log, baud: node.baud, slot: rest.slot, http: rest.http }, {
    log: { level: "warn" },
    baud: 115_200,
    slot: 3,
    http: running.http,
  });
  const edge = {
    witness: { endpoints: ["http://e"] },
    redundantLinks: false,
    applications: { mode: "0666", socket: `/${"x".repeat(80)}` },
  };
  assert.equal(reloadedConfig(running, right({ ...least, ...edge })), running);
  // What is long is compared, and shown, to its end.
  assert.equal(
    restartLines(right({ ...least, ...edge }), right({ ...least, ...edge, applications: { ...edge.applications, mode: "0600" } })),
    [
      `applications is {"socket":"/${"x".repeat(80)}","mode":"0600"} now, the card still runs with {"socket":"/${
        "x".repeat(80)
      }","mode":"0666"}: ` +
      "restart it to take the change over",
    ],
  );
});

test("each key is either reloaded or named when it changes", () => {
  const others: Readonly<Record<string, unknown>> = {
    system: "other",
    chassis: 2,
    slot: 4,
    name: "other",
    state: "other",
    key: "other",
    ether: { interface: "eth9" },
    serial: { device: "/dev/ttyS9" },
    profile: "fast",
    heartbeat: { ether: { periodMs: 20 } },
    cards: ["1/3", "1/7"],
    disabled: ["1/8"],
    tieBreak: "1/8",
    witness: { endpoints: ["http://e"] },
    redundantLinks: false,
    coldWaitS: 60,
    http: false,
    configuration: false,
    applications: false,
    realtime: false,
    watchdog: {},
    log: { level: "error" },
  };
  const keys = Object.keys((configSchema() as { properties: object }).properties).filter((key) => key !== "$schema");
  assert.equal(Object.keys(others), keys);
  const cards = ["1/3", "1/4", "1/8", "2/3"];
  const running = right({ ...least, cards });
  for (const key of keys) {
    const read = right({ ...least, cards, [key]: others[key] });
    const lines = restartLines(running, read);
    assert.is(lines.length === 0, reloadableKeys.includes(key), key);
    if (lines.length === 0) assert.not.equal(reloadedConfig(running, read), running, key);
    else assert.ok(lines.some((line) => line.startsWith(key)), key);
  }
});

test("the schema describes every key and what the example needs", () => {
  const schema = configSchema() as {
    $schema: string;
    required: string[];
    additionalProperties: boolean;
    properties: Record<string, { description?: string }>;
  };
  assert.match(schema.$schema, "2020-12");
  assert.equal(schema.required.sort(), ["ether", "serial", "slot", "system"]);
  assert.is(schema.additionalProperties, false);
  for (const [key, { description }] of Object.entries(schema.properties)) assert.ok((description ?? "").length > 10, key);
  for (const key of Object.keys(JSON.parse(configExample) as object)) assert.ok(key in schema.properties);
});

test.run();
