/** The command line: its verbs, what each takes, and how a line is read. Pure; the help is made from the same table. */
import { parseArgs } from "node:util";
import { cardsMax, chassisMax, nameProblem } from "./names.ts";
import { didYouMean, Refused } from "./refusal.ts";
import { bounds, defaults, profiles, runtimes } from "./settings.ts";

export type OptionSpec = {
  /** What stands for the value in the help; absent for a flag. */
  readonly value?: string;
  readonly text: string;
};

export type VerbSpec = {
  readonly summary: string;
  /** Required words, in order; one in brackets may be missing. */
  readonly words: readonly string[];
  readonly options: Readonly<Record<string, OptionSpec>>;
  /** Takes a command after its words. */
  readonly command?: true;
  readonly notes?: readonly string[];
  readonly examples: readonly string[];
};

const name: OptionSpec = { value: "NAME", text: `which chassis (default: ${defaults.name})` };
const json: OptionSpec = { text: "one JSON document instead of text" };

const making: Readonly<Record<string, OptionSpec>> = {
  cards: { value: "N", text: `cards in each chassis, 1 to ${cardsMax} (default: ${defaults.cards})` },
  chassis: { value: "N", text: `chassis that share one Ethernet, each with its own multiplexor, 1 to ${chassisMax} (default: 1)` },
  baud: { value: "B", text: `speed of the serial lines (default: ${defaults.baud})` },
  profile: { value: "P", text: `heartbeats: ${profiles.join(" or ")} (default: ${defaults.profile})` },
  runtime: { value: "R", text: `what runs the cards: ${runtimes.join(", ")} (default: binary when build/cardinal is there, else node)` },
  "boot-ms": { value: "MS", text: `from power or reset to the start of a card's program (default: ${defaults.bootMs})` },
  disks: { value: "N", text: `disk files on the shelf (default: ${defaults.disks})` },
  "disk-size": { value: "SIZE", text: "size of each, as 64M or 1G; space is used for what is written only (default: 64M)" },
  reach: { value: "FILE", text: 'which cards reach which disk, as {"disk1": ["1", "2"]}; disks that are not named are reached by all' },
  timeout: { value: "S", text: `how long the cards may take to answer (default: ${defaults.timeoutMs / 1_000})` },
  name,
};

const one = (summary: string, examples: readonly string[], notes: readonly string[] = []): VerbSpec => ({
  summary,
  words: ["SLOT"],
  options: { name },
  notes,
  examples,
});

export const verbs = {
  up: {
    summary: "bring a chassis up",
    words: [],
    options: { ...making, detach: { text: "return when every card answers; without it, Ctrl-C takes the chassis down" }, json },
    examples: ["up --cards 8 --detach", "up --chassis 2 --cards 4 --baud 230400 --profile fast --name lab"],
  },
  down: {
    summary: "take a chassis down, or remove what a killed one left",
    words: [],
    options: { all: { text: "every chassis of this user" }, name },
    examples: ["down", "down --name lab", "down --all"],
  },
  status: {
    summary: "slots, processes, lines and cuts, and what each card says of its peers",
    words: [],
    options: { json, name },
    examples: ["status", "status --json | jq '.cards[].program'"],
  },
  pull: one("cut a card's power: its processes are killed, its interface is down, the multiplexor says so", ["pull 3", "pull 2/3"]),
  crash: one("kill a card and leave its power on: only silence tells", ["crash 3"]),
  insert: one("give power and boot a card that was pulled, crashed or left", ["insert 3"]),
  reset: one("pull a card's reset line: it is killed and boots again", ["reset 3"]),
  leave: one("ask a card's program to leave in good order (SIGTERM); it stays off until insert", ["leave 3"]),
  cut: {
    summary: "cut a cable of a card, or switch a multiplexor off",
    words: ["serial|ether|mux", "[SLOT]"],
    options: {
      tx: { text: "only what the card sends" },
      rx: { text: "only what the card receives" },
      apart: { text: "cut ether: leave it the cards that are apart as well, and nobody else" },
      from: { value: "SLOT", text: "cut ether: only the path between it and that card, both ways" },
      name,
    },
    notes: [
      "cut ether takes the carrier away, which the card sees. With --tx, --rx or both the carrier stays and frames vanish.",
      "cut mux takes a chassis's number instead of a slot, and only in a system of several.",
    ],
    examples: ["cut serial 2", "cut ether 2 --tx", "cut ether 4 --apart", "cut ether 1 --from 2", "cut mux"],
  },
  heal: {
    summary: "undo cuts and corruption, of one card, or of all cards and multiplexors",
    words: ["[SLOT]"],
    options: { name },
    examples: ["heal", "heal 2"],
  },
  stall: {
    summary: "stop a card's program for a while (SIGSTOP, SIGCONT)",
    words: ["SLOT", "MS"],
    options: { wait: { text: "return when it goes on" }, name },
    examples: ["stall 4 3000"],
  },
  corrupt: {
    summary: "flip a bit in this share of the bytes on a card's serial line, 0 to 1",
    words: ["serial", "SLOT", "RATE"],
    options: { name },
    examples: ["corrupt serial 2 0.01", "corrupt serial 2 0"],
  },
  exec: {
    summary: "run a command in a card, in its directory; its exit code is passed on",
    words: ["SLOT"],
    options: { name },
    command: true,
    notes: ["CARDINAL_SOCKET names the card's socket for applications."],
    examples: ["exec 3 -- build/cardinal status", "exec 3 -- bash"],
  },
  host: {
    summary: "run a command where the hosts are, on the cards' Ethernet",
    words: [],
    options: { name },
    command: true,
    examples: ["host -- curl -s http://10.77.1.3:8421/v1/status", "host -- tshark -i eth0"],
  },
  log: {
    summary: "a card's log, or with `chassis` or `mux` that of the chassis or of its multiplexor",
    words: ["SLOT|chassis|mux"],
    options: { follow: { text: "go on until Ctrl-C" }, lines: { value: "N", text: "how many lines (default: 50)" }, name },
    examples: ["log 3 --lines 200", "log 3 --follow", "log chassis"],
  },
  list: { summary: "every chassis of this user", words: [], options: { json }, examples: ["list"] },
  demo: {
    summary: "bring a chassis up and show it live until Ctrl-C, then take it down",
    words: [],
    options: { ...making, for: { value: "S", text: "end after this many seconds" } },
    examples: ["demo", "demo --cards 5 --for 30"],
  },
} as const satisfies Readonly<Record<string, VerbSpec>>;

export type Verb = keyof typeof verbs;
export const verbNames = Object.keys(verbs) as Verb[];

/** A command line as it was meant: the words, and the options by their names. */
export type Line = {
  readonly verb: Verb;
  readonly words: readonly string[];
  readonly options: Readonly<Record<string, string | true>>;
  /** The command of `exec` and `host`. */
  readonly command: readonly string[];
};

export type Help = { readonly help: string };

/** Reads a command line. Refused, with code `usage`, when it is none. */
export function parseLine(argv: readonly string[]): Line | Help {
  const [first, ...rest] = argv;
  if (first === undefined || first === "--help" || first === "-h") return { help: helpText() };
  if (first === "help") return { help: rest[0] === undefined ? helpText() : verbHelp(verbOf(rest[0])) };
  const verb = verbOf(first);
  const spec: VerbSpec = verbs[verb];
  const { own, command } = spec.command === true ? splitCommand(rest, spec) : { own: rest, command: [] };
  if (own.includes("--help") || own.includes("-h")) return { help: verbHelp(verb) };

  const { options, words } = readOptions(verb, spec, own);
  const least = spec.words.filter((word) => !word.startsWith("[")).length;
  if (words.length < least) throw usage(verb, `${spec.words[words.length]} is missing`);
  if (words.length > spec.words.length) throw usage(verb, `${JSON.stringify(words[spec.words.length])} is one word too many`);
  if (spec.command === true && command.length === 0) throw usage(verb, "the command is missing");
  const problem = typeof options["name"] === "string" ? nameProblem(options["name"]) : undefined;
  if (problem !== undefined) throw usage(verb, problem);
  return { verb, words, options, command };
}

function verbOf(word: string): Verb {
  if ((verbNames as readonly string[]).includes(word)) return word as Verb;
  throw new Refused("usage", `there is no verb ${JSON.stringify(word)}.${didYouMean(word, verbNames)} \`--help\` lists them all`);
}

function usage(verb: Verb, message: string): Refused {
  return new Refused("usage", `${verb}: ${message}; usage: ${usageOf(verb)}`);
}

/** Words and options end where the command starts: after `--`, or, without it, after the last word that is due. */
function splitCommand(args: readonly string[], spec: VerbSpec): { own: readonly string[]; command: readonly string[] } {
  let wordsDue = spec.words.length;
  for (let index = 0; index < args.length; index++) {
    const arg = args[index] as string;
    if (arg === "--") return { own: args.slice(0, index), command: args.slice(index + 1) };
    if (arg.startsWith("-")) {
      if (spec.options[arg.slice(2)]?.value !== undefined) index++;
    } else if (wordsDue > 0) wordsDue--;
    else return { own: args.slice(0, index), command: args.slice(index) };
  }
  return { own: args, command: [] };
}

function readOptions(verb: Verb, spec: VerbSpec, args: readonly string[]): { options: Record<string, string | true>; words: string[] } {
  const known = Object.keys(spec.options);
  const { tokens } = parseArgs({
    args: [...args],
    options: Object.fromEntries(
      known.map((option) => [option, { type: spec.options[option]?.value === undefined ? "boolean" : "string" }]),
    ),
    allowPositionals: true,
    strict: false,
    tokens: true,
  });
  const options: Record<string, string | true> = {};
  const words: string[] = [];
  for (const token of tokens) {
    if (token.kind === "positional") words.push(token.value);
    if (token.kind !== "option") continue;
    const option = spec.options[token.name];
    if (option === undefined) {
      throw usage(verb, `there is no option ${token.rawName}.${didYouMean(token.rawName, known.map((word) => `--${word}`))}`);
    }
    if (option.value !== undefined && (token.value === undefined || token.value === "")) throw usage(verb, `--${token.name} needs a value`);
    if (option.value === undefined && token.value !== undefined) throw usage(verb, `--${token.name} takes no value`);
    options[token.name] = token.value ?? true;
  }
  return { options, words };
}

/** A whole number between bounds, from an option or a word. */
export function wholeNumber(what: string, text: string, min: number, max: number): number {
  const value = /^\d{1,15}$/.test(text) ? Number(text) : NaN;
  if (!(value >= min && value <= max)) {
    throw new Refused("usage", `${what} is ${JSON.stringify(text)}, must be a whole number from ${min} to ${max}`);
  }
  return value;
}

export function share(what: string, text: string): number {
  const value = /^(\d+\.?\d*|\.\d+)(e-?\d+)?$/i.test(text) ? Number(text) : NaN;
  if (!(value >= 0 && value <= 1)) throw new Refused("usage", `${what} is ${JSON.stringify(text)}, must be a number from 0 to 1`);
  return value;
}

export function oneOf<Word extends string>(what: string, text: string, words: readonly Word[]): Word {
  const word = words.find((candidate) => candidate === text);
  if (word === undefined) {
    throw new Refused("usage", `${what} is ${JSON.stringify(text)}, must be one of ${words.join(", ")}.${didYouMean(text, words)}`);
  }
  return word;
}

const unitBytes = { "": 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3, T: 1024 ** 4 } as const;

/** Bytes of "65536", "64K", "64M", "1G": a multiple of 4096, as disks have it. */
export function sizeBytes(what: string, text: string): number {
  const parts = /^(\d{1,12})([KMGT]?)(?:i?B)?$/i.exec(text);
  const bytes = parts === null ? NaN : Number(parts[1]) * unitBytes[(parts[2] ?? "").toUpperCase() as keyof typeof unitBytes];
  const { min, max } = bounds.diskBytes;
  if (!(bytes >= min && bytes <= max && bytes % 4_096 === 0)) {
    throw new Refused("usage", `${what} is ${JSON.stringify(text)}, must be a size such as 64M: a multiple of 4096 bytes, up to 1T`);
  }
  return bytes;
}

export function usageOf(verb: Verb): string {
  const spec: VerbSpec = verbs[verb];
  const options = Object.keys(spec.options).length === 0 ? [] : ["[OPTION]..."];
  return [verb, ...spec.words, ...options, ...(spec.command === true ? ["--", "COMMAND..."] : [])].join(" ");
}

const prefix = "npm run -s chassis --";

export function verbHelp(verb: Verb): string {
  const spec: VerbSpec = verbs[verb];
  const options = Object.entries(spec.options).map(([option, { value, text }]) =>
    [`--${option}${value === undefined ? "" : ` ${value}`}`, text] as const
  );
  return [
    `${prefix} ${usageOf(verb)}`,
    "",
    `${spec.summary[0]?.toUpperCase()}${spec.summary.slice(1)}.`,
    ...(spec.notes ?? []),
    ...(options.length === 0 ? [] : ["", "Options:", ...columns(options)]),
    "",
    "Examples:",
    ...spec.examples.map((example) => `  ${prefix} ${example}`),
    "",
  ].join("\n");
}

export function helpText(): string {
  return [
    `${prefix} VERB ...    a chassis of Cardinal cards on this machine`,
    "",
    "Each card is a process in a network namespace of its own, on a bridge with the others and with the hosts, and on a",
    "serial line to a multiplexor. All traffic stays in these namespaces; `down` leaves nothing behind.",
    "",
    "Verbs:",
    ...columns(verbNames.map((verb) => [verb, verbs[verb].summary])),
    "",
    "SLOT is 1 to 8, or CHASSIS/SLOT in a system of several. `VERB --help` shows options and examples.",
    "Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 no such chassis up; exec and host pass on the command's.",
    "",
  ].join("\n");
}

function columns(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`);
}
