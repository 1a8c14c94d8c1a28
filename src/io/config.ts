/**
 * A card's configuration, proven at the door: `card.json` becomes a `CardConfig` in which everything is resolved, or
 * the list of all its mistakes, each one line that names the key, the value and what would be right. A profile gives
 * the heartbeat's figures, `heartbeat` overrides single ones; periods are given in milliseconds, patience in beats,
 * so that a change of the period keeps its meaning.
 */
import { isIP } from "node:net";
import { dirname, resolve } from "node:path";
import * as z from "zod";
import { crc32 } from "../base/crc.ts";
import { cardAt, cardCountMax, type CardId, chassisCountMax, type LinkKind, linkKinds, slotCountMax } from "../base/ids.ts";
import { isJsonMistake, type JsonPath, parseJson } from "../base/json-text.ts";
import { nearest } from "../base/nearest.ts";
import { bootColdWaitMs, nameBytesMax } from "../limits.ts";
import type { LogLevel } from "../node/effect.ts";
import { type Beats, patienceOf, type ProfileName, profileNames, profiles } from "../node/profiles.ts";
import type { LinkPatience, NodeSettings } from "../node/settings.ts";
import { readSmallFile } from "./durable-file.ts";
import { systemErrorCode, systemErrorText } from "./refusal.ts";

/** A card's configuration with every default filled in, every path absolute and every relation proven. */
export type CardConfig = {
  /** The file it came from, absolute. */
  readonly file: string;
  readonly system: string;
  /** The system's number on the wire, 16 bits and never 0: the name's CRC-32, its halves combined. */
  readonly systemNumber: number;
  readonly chassis: number;
  readonly slot: number;
  readonly card: CardId;
  readonly name: string;
  readonly stateDirectory: string;
  readonly keyFile: string;
  readonly interface: string;
  readonly device: string;
  readonly profile: ProfileName;
  readonly node: NodeSettings;
  /** Where HTTP is served, or `false` for nowhere. */
  readonly http: { readonly address: string; readonly port: number } | false;
  /** Whether this card keeps a copy of the system's configuration, in its state directory. */
  readonly configuration: boolean;
  /** The socket that applications come to, its permissions and its group; or `false` for none. */
  readonly applications: { readonly socket: string; readonly mode: number; readonly group?: string } | false;
  /** The etcd cluster that decides at exactly half; its key is the system's, its lease lasts for `ttlS`. */
  readonly witness?: { readonly endpoints: readonly string[]; readonly key: string; readonly ttlS: number };
  /** `auto`: used when permitted, otherwise the card runs without and says so once; `require`: a card without it does not start. */
  readonly realtime: { readonly mode: "auto" | "require"; readonly priority: number; readonly lockMemory: boolean } | false;
  readonly watchdog: { readonly device: string; readonly timeoutS: number } | undefined;
  readonly log: { readonly level: LogLevel };
};

export type Mistake = {
  /** The key as a path, "serial.baud"; empty when the file as a whole is meant. */
  readonly key: string;
  /** One line for people, the file's name and the place in it included. */
  readonly line: string;
};

const configBytesMax = 256 * 1024;
const heartbeatPeriodMsMax = 10_000;
const beatsMax = 1_000;
/** What fits in the address of a Unix socket, its closing zero left out. */
const socketBytesMax = 107;
/** Etcd makes no lease shorter than this with its own defaults. */
const witnessTtlSMin = 2;
const witnessEndpointsMax = 9;

/** The shortest heartbeat period that can be asked for; on serial the line's budget can lengthen what is asked for. */
const heartbeatPeriodMsMin: Readonly<Record<LinkKind, number>> = { ether: 5, serial: 10 };

/** What would be right, in words, for each part of the schema. */
const rights = z.registry<{ right: string }>();

function told<Schema extends z.ZodType>(schema: Schema, right: string, description: string): Schema {
  const described = schema.describe(description);
  rights.add(described, { right });
  return described;
}

const whole = (min: number, max: number, description: string) =>
  told(z.int().min(min).max(max), `a whole number from ${min} to ${max}`, description);

const oneOf = <const Words extends readonly string[]>(words: Words, description: string) =>
  told(z.enum(words), `one of ${words.map((word) => JSON.stringify(word)).join(", ")}`, description);

const path = (fallback: string, description: string) =>
  told(z.string().regex(/^[^\0]+$/), `a path, such as ${JSON.stringify(fallback)}`, description).default(fallback);

// deno-lint-ignore no-control-regex -- control characters are what it keeps out
const printable = /^[^\u0000-\u001f\u007f-\u009f]+$/;

const beats = (link: LinkKind) =>
  told(
    z.strictObject({
      periodMs: whole(heartbeatPeriodMsMin[link], heartbeatPeriodMsMax, "Milliseconds between two heartbeats.").optional(),
      silentBeats: whole(2, beatsMax, "Periods without a heartbeat until a peer's link counts as silent.").optional(),
      downBeats: whole(3, beatsMax, "Periods without a heartbeat until a peer's link counts as down; more than silentBeats.").optional(),
    }),
    'an object, such as {"periodMs": 100, "silentBeats": 3, "downBeats": 5}',
    `Overrides what the profile says for the ${link === "ether" ? "Ethernet" : "serial"} link.`,
  ).optional();

const cardName = (description: string) => told(z.string().regex(/^[1-8]\/[1-8]$/), 'a chassis and a slot, such as "1/3"', description);

const httpObject = z.strictObject({
  address: told(
    z.string().refine((text) => isIP(text) !== 0),
    "an IPv4 or IPv6 address, such as 127.0.0.1, or 0.0.0.0 for all",
    "The address to listen on.",
  ).default("127.0.0.1"),
  port: whole(1, 65_535, "The TCP port to listen on.").default(8421),
});

const realtimeObject = z.strictObject({
  mode: oneOf(["auto", "require"], "auto: real-time where it is permitted; require: the card does not start without it.").default("auto"),
  priority: whole(2, 99, "The SCHED_FIFO priority of the card's threads.").default(20),
  lockMemory: told(z.boolean(), "true or false", "Whether the card's memory is kept from being paged out.").default(true),
});

const applicationsObject = z.strictObject({
  socket: told(
    z.string().regex(/^[^\0]+$/),
    'a path, such as "/run/cardinal.sock"',
    "The socket's path, relative to this file; by default applications.sock in the state directory.",
  )
    .optional(),
  mode: told(
    z.string().regex(/^0?[0-7]{3}$/),
    'an octal mode in quotes, such as "0660"',
    "The socket's permissions: who may write to it may join groups.",
  )
    .default("0660"),
  group: told(
    z.string().regex(/^[A-Za-z_][\w.-]{0,31}$/),
    'the name of a group, such as "cardinal"',
    "The Unix group that the socket is given to; by default the card's own.",
  )
    .optional(),
});

const cardFile = told(
  z.strictObject({
    $schema: told(z.string(), "the path of the JSON schema", "For editors; the card does not read it.").optional(),
    system: told(
      z.string().regex(/^[a-z0-9-]{1,32}$/),
      "1 to 32 letters a to z, digits and hyphens",
      "The system's name, the same on all its cards.",
    ),
    chassis: whole(1, chassisCountMax, "The chassis that the card sits in.").default(1),
    slot: whole(1, slotCountMax, "The card's slot in its chassis."),
    name: told(
      z.string().regex(printable).refine((text) => bytesOf(text) <= nameBytesMax),
      `1 to ${nameBytesMax} bytes of printable text`,
      "The card's name for people; by default <system>-<chassis>-<slot>.",
    ).optional(),
    state: path("state", "The directory that keeps the card's identity, relative to this file."),
    key: path("system.key", "The system's key file, relative to this file."),
    ether: told(
      z.strictObject({
        interface: told(
          z.string().regex(/^(?!\.{1,2}$)[^\s/:]{1,15}$/),
          "the name of a network interface, such as eth0 (at most 15 characters)",
          "The interface of the public link.",
        ),
      }),
      'an object, such as {"interface": "eth0"}',
      "The public link.",
    ),
    serial: told(
      z.strictObject({
        device: told(z.string().regex(/^\/[^\0]+$/), "an absolute path, such as /dev/ttyS1", "The tty of the private link."),
        baud: whole(1_200, 4_000_000, "The line's speed in bits per second, the same on all cards.").default(115_200),
      }),
      'an object, such as {"device": "/dev/ttyS1", "baud": 115200}',
      "The private link, to the serial multiplexor.",
    ),
    profile: oneOf(profileNames, "How often heartbeats are sent: default 100 ms Ethernet and 200 ms serial, fast 10 ms and 50 ms.")
      .default("default"),
    heartbeat: told(
      z.strictObject({ ether: beats("ether"), serial: beats("serial") }),
      'an object, such as {"ether": {"periodMs": 50}}',
      "Overrides of the profile.",
    ).optional(),
    cards: told(
      z.array(cardName("chassis/slot")).min(1).max(cardCountMax),
      'a list of cards, such as ["1/1", "1/2", "1/3"]',
      "The cards that should be there, this one included; the absence of one is reported. The same on all cards: more than half of them make a quorum.",
    ).optional(),
    disabled: told(
      z.array(cardName("chassis/slot")).max(cardCountMax),
      'a list of cards, such as ["1/3"]',
      "Cards of the list `cards` that do not count for the quorum and are not taken into views. The same on all cards.",
    ).default([]),
    tieBreak: cardName(
      "The card whose side goes on when exactly half of the cards are left and there is no witness; by default the lowest. The same on all cards.",
    ).optional(),
    witness: told(
      z.strictObject({
        endpoints: told(
          z.array(told(z.string().refine(isEndpoint), 'an address of etcd, such as "http://192.0.2.1:2379"', "An address of etcd.")).min(1)
            .max(witnessEndpointsMax),
          `a list of 1 to ${witnessEndpointsMax} addresses of etcd, such as ["http://192.0.2.1:2379"]`,
          "The client addresses of the cluster's members, tried in turn.",
        ),
        key: told(
          z.string().regex(printable).refine((text) => bytesOf(text) <= 128),
          "1 to 128 bytes of printable text",
          "The key that holds the lease, the same on all cards of the system; by default cardinal/<system>.",
        ).optional(),
        ttlS: whole(witnessTtlSMin, 60, "Seconds after which the lease of a card that has gone is free for another.").default(5),
      }),
      'an object, such as {"endpoints": ["http://192.0.2.1:2379"]}',
      "An etcd cluster outside of the system (version 3.4 or later): when exactly half of the cards are left, the side that holds its lease goes on.",
    ).optional(),
    redundantLinks: told(
      z.boolean(),
      "true or false",
      "Whether it is an alarm that a card of another chassis is connected by Ethernet alone: a serial bus ends at its chassis.",
    ).default(true),
    coldWaitS: whole(
      0,
      86_400,
      "Seconds that a cold start waits for all cards of the configuration; 0 until an operator says that those missing are off. The same on all cards.",
    ).default(bootColdWaitMs / 1_000),
    http: told(
      z.union([z.literal(false), httpObject]),
      'false, or an object such as {"address": "127.0.0.1", "port": 8421}',
      "Where management requests are served; false for nowhere.",
    ).prefault({}),
    configuration: told(
      z.boolean(),
      "true or false",
      "Whether the card keeps a copy of the system's configuration, in its state directory; a card without one neither serves nor counts for changes of it.",
    ).default(true),
    applications: told(
      z.union([z.literal(false), applicationsObject]),
      'false, or an object such as {"mode": "0660", "group": "cardinal"}',
      "The socket at which applications on this card join groups and exchange messages; false for none.",
    ).prefault({}),
    realtime: told(
      z.union([z.literal(false), realtimeObject]),
      'false, or an object such as {"mode": "auto", "priority": 20, "lockMemory": true}',
      "Real-time scheduling and memory locking; false for neither.",
    ).prefault({}),
    watchdog: told(
      z.strictObject({
        device: told(z.string().regex(/^\/[^\0]+$/), "an absolute path, such as /dev/watchdog", "The watchdog device.").default(
          "/dev/watchdog",
        ),
        timeoutS: whole(1, 600, "Seconds without a sign of life until the hardware resets the card.").default(10),
      }),
      'an object, such as {"device": "/dev/watchdog", "timeoutS": 10}',
      "The hardware watchdog; without this key none is used.",
    ).optional(),
    log: told(
      z.strictObject({ level: oneOf(["debug", "info", "warn", "error"], "The least level that is logged.").default("info") }),
      'an object, such as {"level": "info"}',
      "The log, one line of JSON for each event, on standard error.",
    ).prefault({}),
  }),
  "a JSON object",
  "The configuration of one Cardinal controller card.",
);

type CardFile = z.output<typeof cardFile>;

/** The configuration in `file`, or everything that is wrong with it. */
export function readCardConfig(file: string): CardConfig | Mistake[] {
  const whole = (line: string): Mistake[] => [{ key: "", line: `${file}: ${line}` }];
  try {
    const found = readSmallFile(file, configBytesMax);
    if (found.text !== undefined) return checkCardConfig(found.text, file);
    if (found.isFile) return whole(`larger than ${configBytesMax / 1024} KiB, which no configuration is`);
    return whole("not a regular file; give the path of a card.json");
  } catch (error) {
    if (systemErrorCode(error) === "ENOENT") return whole("no such file; `cardinal card example` prints one to start from");
    return whole(`cannot be read: ${systemErrorText(error)}`);
  }
}

export function isMistakes(config: CardConfig | Mistake[]): config is Mistake[] {
  return Array.isArray(config);
}

/** The configuration in `text`, read from `file`; relative paths in it start at the file's directory. */
export function checkCardConfig(text: string, file: string): CardConfig | Mistake[] {
  const json = parseJson(text);
  if (isJsonMistake(json)) {
    return [{ key: "", line: `${file}:${json.place.line}:${json.place.column}: not JSON: found ${json.message}` }];
  }
  const parsed = cardFile.safeParse(json.value);
  const wrong = parsed.success ? [] : parsed.error.issues.flatMap((issue) => wrongsOf(issue, [], json.value));
  wrong.push(...wrongRelations(json.value, wrong, dirname(resolve(file))));
  if (parsed.success && wrong.length === 0) return configOf(parsed.data, resolve(file));
  return wrong.map(({ path, text }) => ({ path, text, place: json.placeOf(path) }))
    .sort((a, b) => a.place.line - b.place.line || a.place.column - b.place.column)
    .map(({ path, text, place }) => ({
      key: keyOf(path),
      line: `${file}:${place.line}:${place.column}: ${keyOf(path) || "the configuration"} ${text}`,
    }));
}

/** What `path` is, and what would be right: the tail of a mistake's line. */
type Wrong = { readonly path: JsonPath; readonly text: string };

/** "serial.baud", "cards[2]"; a key that is not a plain word is quoted, so that it stays on one line. */
function keyOf(path: JsonPath): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === "number") return `${text}[${part}]`;
    const word = /^[\w$-]{1,64}$/.test(part) ? part : shown(part);
    return text === "" ? word : `${text}.${word}`;
  }, "");
}

function wrongsOf(issue: z.core.$ZodIssue, above: JsonPath, root: unknown): Wrong[] {
  const path = [...above, ...(issue.path as (string | number)[])];
  const value = valueAt(root, path);
  if (issue.code === "unrecognized_keys") {
    const known = keysAt(path);
    return issue.keys.map((key) => {
      const meant = nearest(key, known);
      const where = path.length === 0 ? "a card's configuration" : keyOf(path);
      const hint = meant === undefined ? `the keys are ${known.filter((word) => word !== "$schema").join(", ")}` : `did you mean ${meant}?`;
      return { path: [...path, key], text: `(${shown(valueAt(value, [key]))}) is not a key of ${where}; ${hint}` };
    });
  }
  if (issue.code === "invalid_union" && isObject(value)) {
    const inObject = issue.errors.find((issues) => issues.every(({ path, code }) => path.length > 0 || code === "unrecognized_keys"));
    if (inObject !== undefined) return inObject.flatMap((inner) => wrongsOf(inner, path, root));
  }
  const right = rightAt(path);
  return [{ path, text: value === undefined ? `is missing, must be ${right}` : `is ${shown(value)}, must be ${right}` }];
}

/** Relations between values; each is only looked at when the values themselves are right. Paths start at `directory`. */
function wrongRelations(root: unknown, wrong: readonly Wrong[], directory: string): Wrong[] {
  const found: Wrong[] = [];
  const isRight = (path: JsonPath) =>
    !wrong.some((other) => path.every((part, index) => index >= other.path.length || other.path[index] === part));
  const given = <Value>(path: JsonPath, fallback: Value): Value => (valueAt(root, path) as Value | undefined) ?? fallback;
  if (!isObject(root)) return found;

  if (isRight(["profile"])) {
    const profile = given<ProfileName>(["profile"], "default");
    for (const link of linkKinds) {
      const base = ["heartbeat", link];
      if (!isRight(base)) continue;
      const { silentBeats, downBeats } = { ...profiles[profile][link], ...given<Partial<Beats>>(base, {}) };
      if (downBeats > silentBeats) continue;
      const key = valueAt(root, [...base, "downBeats"]) === undefined ? "silentBeats" : "downBeats";
      found.push({
        path: [...base, key],
        text: key === "downBeats"
          ? `is ${downBeats}, must be more than silentBeats, which is ${silentBeats}`
          : `is ${silentBeats}, must be less than downBeats, which is ${downBeats} in the profile ${profile}`,
      });
    }
  }

  const placed = isRight(["chassis"]) && isRight(["slot"]) && valueAt(root, ["slot"]) !== undefined;
  const own = `${given(["chassis"], 1)}/${given(["slot"], 0)}`;
  const cards = given<string[] | undefined>(["cards"], undefined);
  const disabled = given<string[]>(["disabled"], []);
  const lists = { cards: cards ?? [], disabled };
  for (const key of ["cards", "disabled"] as const) {
    if (!isRight([key])) continue;
    lists[key].forEach((card, index, list) => {
      if (list.indexOf(card) === index) return;
      found.push({ path: [key, index], text: `is ${shown(card)} for the second time; each card is listed once` });
    });
  }
  if (cards !== undefined && isRight(["cards"]) && placed && !cards.includes(own)) {
    found.push({ path: ["cards"], text: `does not list this card, must contain ${shown(own)} (its chassis and slot)` });
  }
  // Without a list the card is alone.
  const all = cards ?? (placed ? [own] : undefined);
  if (all !== undefined && isRight(["cards"])) {
    const among = `must be one of the list cards${cards === undefined ? ", which is missing" : ""}`;
    if (isRight(["disabled"])) {
      disabled.forEach((card, index) => {
        if (!all.includes(card)) found.push({ path: ["disabled", index], text: `is ${shown(card)}, ${among}` });
      });
      if (all.every((card) => disabled.includes(card))) {
        found.push({ path: ["disabled"], text: "lists all cards, must leave at least one that votes" });
      }
    }
    const tieBreak = given<string | undefined>(["tieBreak"], undefined);
    if (tieBreak !== undefined && isRight(["tieBreak"])) {
      if (!all.includes(tieBreak)) found.push({ path: ["tieBreak"], text: `is ${shown(tieBreak)}, ${among}` });
      else if (isRight(["disabled"]) && disabled.includes(tieBreak)) {
        found.push({ path: ["tieBreak"], text: `is ${shown(tieBreak)}, which is disabled; must be a card that votes` });
      }
    }
  }

  const system = valueAt(root, ["system"]);
  if (placed && isRight(["system"]) && typeof system === "string" && valueAt(root, ["name"]) === undefined) {
    const name = nameOf(system, given(["chassis"], 1), given(["slot"], 0));
    if (bytesOf(name) > nameBytesMax) {
      found.push({ path: ["name"], text: `is missing, and ${shown(name)} is too long for it; must be ${rightAt(["name"])}` });
    }
  }

  if (isRight(["applications"]) && isRight(["state"]) && valueAt(root, ["applications"]) !== false) {
    const socket = given<string | undefined>(["applications", "socket"], undefined);
    const path = socketOf(directory, resolve(directory, given(["state"], "state")), socket);
    if (bytesOf(path) > socketBytesMax) {
      const what = socket === undefined
        ? `is missing, and the default ${JSON.stringify(path)}`
        : `is ${JSON.stringify(socket)}, and ${JSON.stringify(path)}`;
      const text = `${what} is too long for a socket, must be at most ${socketBytesMax} bytes, such as "/run/cardinal.sock"`;
      found.push({ path: ["applications", "socket"], text });
    }
  }
  return found;
}

function socketOf(directory: string, stateDirectory: string, socket: string | undefined): string {
  return socket === undefined ? resolve(stateDirectory, "applications.sock") : resolve(directory, socket);
}

/** A base that a path can be put behind: no query, no fragment, no password that a log would show. */
function isEndpoint(text: string): boolean {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol)) return false;
  return url.hostname !== "" && url.username === "" && url.password === "" && !/[?#]/.test(text);
}

function configOf(file: CardFile, path: string): CardConfig {
  const directory = dirname(path);
  const { chassis, slot } = file;
  const patience = (link: LinkKind): LinkPatience => {
    return patienceOf({ ...profiles[file.profile][link], ...file.heartbeat?.[link] } as Beats);
  };
  const card = cardAt(chassis, slot);
  const cardOf = (text: string): CardId => cardAt(Number(text[0]), Number(text[2]));
  const cardsOf = (texts: readonly string[]): CardId[] => texts.map(cardOf).sort((a, b) => a - b);
  const stateDirectory = resolve(directory, file.state);
  const { applications, witness, tieBreak } = file;
  return {
    file: path,
    system: file.system,
    systemNumber: systemNumberOf(file.system),
    chassis,
    slot,
    card,
    name: file.name ?? nameOf(file.system, chassis, slot),
    stateDirectory,
    keyFile: resolve(directory, file.key),
    interface: file.ether.interface,
    device: file.serial.device,
    profile: file.profile,
    node: {
      ether: patience("ether"),
      serial: patience("serial"),
      baud: file.serial.baud,
      expected: file.cards === undefined ? [card] : cardsOf(file.cards),
      disabled: cardsOf(file.disabled),
      ...(tieBreak === undefined ? {} : { tieBreak: cardOf(tieBreak) }),
      witness: witness !== undefined,
      redundantLinks: file.redundantLinks,
      coldWaitMs: file.coldWaitS === 0 ? Infinity : 1_000 * file.coldWaitS,
    },
    http: file.http,
    configuration: file.configuration,
    applications: applications && {
      socket: socketOf(directory, stateDirectory, applications.socket),
      mode: Number.parseInt(applications.mode, 8),
      ...(applications.group === undefined ? {} : { group: applications.group }),
    },
    ...(witness === undefined ? {} : {
      witness: {
        endpoints: witness.endpoints.map((endpoint) => new URL(endpoint).href.replace(/\/+$/, "")),
        key: witness.key ?? `cardinal/${file.system}`,
        ttlS: witness.ttlS,
      },
    }),
    realtime: file.realtime,
    watchdog: file.watchdog,
    log: file.log,
  };
}

/** 16 bits that stand for a system's name on the wire, never 0. */
export function systemNumberOf(system: string): number {
  const crc = crc32(new TextEncoder().encode(system));
  return ((crc >>> 16) ^ (crc & 0xffff)) || 1;
}

/** The keys that a running card takes over when it reads its configuration again (SIGHUP). */
export const reloadableKeys: readonly string[] = ["heartbeat", "profile", "cards", "disabled", "tieBreak", "coldWaitS", "log", "key"];

/** The changes between two configurations that only a restart brings, one line each; empty when a reload is enough. */
export function restartLines(running: CardConfig, read: CardConfig): string[] {
  const fixed = (config: CardConfig): Readonly<Record<string, unknown>> => ({
    system: config.system,
    chassis: config.chassis,
    slot: config.slot,
    name: config.name,
    state: config.stateDirectory,
    "ether.interface": config.interface,
    "serial.device": config.device,
    "serial.baud": config.node.baud,
    witness: config.witness,
    redundantLinks: config.node.redundantLinks,
    http: config.http,
    configuration: config.configuration,
    applications: config.applications && { ...config.applications, mode: config.applications.mode.toString(8).padStart(4, "0") },
    realtime: config.realtime,
    watchdog: config.watchdog,
  });
  const before = fixed(running);
  const whole = (value: unknown): string => value === undefined ? "absent" : JSON.stringify(value);
  return Object.entries(fixed(read)).flatMap(([key, value]) => {
    const [was, is] = [whole(before[key]), whole(value)];
    return was === is ? [] : [`${key} is ${is} now, the card still runs with ${was}: restart it to take the change over`];
  });
}

/** `read`, with everything that a reload cannot change as it is in `running`. */
export function reloadedConfig(running: CardConfig, read: CardConfig): CardConfig {
  const { profile, keyFile, log } = read;
  const { baud, witness, redundantLinks } = running.node;
  return { ...running, profile, keyFile, log, node: { ...read.node, baud, witness, redundantLinks } };
}

/** The JSON schema (draft 2020-12) of `card.json`. */
export function configSchema(): unknown {
  return { title: "Cardinal card.json", ...z.toJSONSchema(cardFile, { io: "input" }) };
}

/** A small `card.json` that is right as it stands. */
export const configExample: string = `{
  "system": "rack-7",
  "slot": 1,
  "ether": { "interface": "eth0" },
  "serial": { "device": "/dev/ttyS1", "baud": 115200 },
  "cards": ["1/1", "1/2", "1/3"]
}
`;

function nameOf(system: string, chassis: number, slot: number): string {
  return `${system}-${chassis}-${slot}`;
}

function bytesOf(text: string): number {
  return new TextEncoder().encode(text).length;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A value as JSON on one line, cut where it is long. */
function shown(value: unknown): string {
  const text = value === undefined ? "absent" : JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

function valueAt(root: unknown, path: JsonPath): unknown {
  return path.reduce<unknown>((value, part) => {
    if (Array.isArray(value)) return value[part as number];
    return isObject(value) && Object.hasOwn(value, part) ? value[part] : undefined;
  }, root);
}

/** The schema at `path` without its defaults; in a union, that of its object. */
function schemaAt(path: JsonPath): z.core.$ZodType | undefined {
  const bare = (schema: z.core.$ZodType | undefined): z.core.$ZodType | undefined =>
    schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault || schema instanceof z.ZodOptional ? bare(schema.unwrap()) : schema;
  return path.reduce<z.core.$ZodType | undefined>((schema, part) => {
    const within = schema instanceof z.ZodUnion ? schema.options.find((option) => option instanceof z.ZodObject) : schema;
    if (within instanceof z.ZodObject) return bare((within.shape as Record<string, z.core.$ZodType>)[part]);
    return within instanceof z.ZodArray ? bare(within.element) : undefined;
  }, cardFile);
}

function rightAt(path: JsonPath): string {
  const schema = schemaAt(path);
  return (schema === undefined ? undefined : rights.get(schema as z.ZodType)?.right) ?? "left out";
}

function keysAt(path: JsonPath): string[] {
  const schema = schemaAt(path);
  const within = schema instanceof z.ZodUnion ? schema.options.find((option) => option instanceof z.ZodObject) : schema;
  return within instanceof z.ZodObject ? Object.keys(within.shape) : [];
}
