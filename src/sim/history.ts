/**
 * What happened in a world, as one running hash and the last lines of it. Two runs of a seed have the same
 * history exactly when every card got the same inputs at the same instants and ordered the same effects; the
 * authentication tag of each frame stands for its content.
 */
import { unreachable } from "../base/assert.ts";
import type { Effect } from "../node/effect.ts";
import type { FailoverEdgeInput, Input } from "../node/input.ts";

/** Lines kept for the report of a violation. */
export const historyLinesMax = 40;

/** What the world itself does: faults, starts, stops. */
export type WorldFact = { readonly fact: string };
type Happened = Input | Effect | WorldFact;
type Entry = { at: number; who: string; happened: Happened };

const inputCodes: Record<Input["kind"], number> = {
  heard: 1,
  malformed: 2,
  portUp: 3,
  portDown: 4,
  tick: 5,
  leave: 6,
  reloaded: 7,
  application: 8,
  applicationGone: 9,
  reserved: 10,
  witness: 11,
  storeFound: 12,
  stored: 13,
  configure: 14,
  resourcesFound: 15,
  failover: 30,
  postChecked: 31,
  selfTestChecked: 32,
  bootProceed: 33,
};
const effectCodes: Record<Effect["kind"], number> = {
  send: 16,
  sendLldp: 17,
  log: 18,
  reincarnate: 19,
  application: 20,
  closeApplication: 21,
  reserve: 22,
  witness: 23,
  resetCard: 24,
  store: 25,
  configured: 26,
  hook: 27,
  operated: 28,
  record: 29,
  post: 34,
  selfTest: 35,
  recordRun: 36,
  bootAnswered: 37,
};

const double = new Float64Array(1);
const words = new Uint32Array(double.buffer);

export class History {
  #low = 0x9e3779b9;
  #high = 0x85ebca6b;
  /** The last entries, each place written over and over. */
  readonly #ring: Entry[] = Array.from({ length: historyLinesMax }, () => ({ at: 0, who: "", happened: { fact: "" } }));
  #recorded = 0;
  readonly #trace: ((line: string) => void) | undefined;

  constructor(trace?: (line: string) => void) {
    this.#trace = trace;
  }

  input(at: number, who: string, index: number, input: Input): void {
    this.#mixInstant(at);
    this.#mix(index * 64 + inputCodes[input.kind]);
    switch (input.kind) {
      case "heard":
        this.#mix(input.frame.from * 2 + (input.link === "ether" ? 0 : 1));
        this.#mix(input.frame.incarnation);
        this.#mix(input.frame.sequence);
        break;
      case "malformed":
      case "portDown":
        this.#mixText(input.link + input.reason);
        break;
      case "portUp":
        this.#mixText(input.link);
        break;
      case "leave":
        this.#mixText(input.reason);
        break;
      case "application":
        this.#mix(input.client);
        this.#mixValue(input.request);
        break;
      case "applicationGone":
        this.#mix(input.client);
        this.#mixText(input.reason);
        break;
      case "reserved":
        this.#mix(input.upTo);
        break;
      case "witness":
        this.#mix(input.held ? 1 : 0);
        break;
      case "stored":
        this.#mixValue(input.result);
        break;
      case "configure":
        this.#mix(input.client);
        this.#mixValue(input.request);
        break;
      case "failover":
        this.#mixValue(input.input);
        break;
      case "postChecked":
      case "selfTestChecked":
        this.#mixText(`${input.check} ${input.outcome.result} ${input.outcome.code}`);
        break;
      case "bootProceed":
        this.#mix(input.client);
        this.#mixText(input.by);
        break;
      case "reloaded":
      case "resourcesFound":
      case "storeFound":
      case "tick":
        break;
      default:
        unreachable(input);
    }
    this.#record(at, who, input);
  }

  effect(at: number, who: string, index: number, effect: Effect): void {
    this.#mix(index * 64 + effectCodes[effect.kind]);
    switch (effect.kind) {
      case "send":
        this.#mix(effect.to * 2 + (effect.link === "ether" ? 0 : 1));
        this.#mix(effect.sequence);
        break;
      case "sendLldp":
        this.#mix(effect.ttlS);
        break;
      case "log":
        this.#mixText(effect.level + effect.event + JSON.stringify(effect.fields));
        break;
      case "reincarnate":
        this.#mix(effect.above);
        break;
      case "application":
        this.#mix(effect.client);
        this.#mixValue(effect.event);
        break;
      case "closeApplication":
        this.#mix(effect.client);
        this.#mixText(effect.reason);
        break;
      case "reserve":
        this.#mix(effect.upTo);
        break;
      case "witness":
        this.#mix(effect.wanted ? 1 : 0);
        break;
      case "resetCard":
        this.#mixText(effect.reason);
        break;
      case "store":
        this.#mixValue(effect.order);
        break;
      case "configured":
        this.#mix(effect.client);
        this.#mixValue(effect.answer);
        break;
      case "hook":
        this.#mixValue(effect.order);
        break;
      case "operated":
        this.#mix(effect.client);
        this.#mixValue(effect.answer);
        break;
      case "record":
        this.#mix(effect.record.id);
        this.#mixText(effect.record.phase);
        break;
      case "post":
      case "selfTest":
        this.#mixText(effect.checks.join());
        break;
      case "recordRun":
        this.#mixText(JSON.stringify(effect.record));
        break;
      case "bootAnswered":
        this.#mix(effect.client);
        this.#mixText(effect.answer.kind);
        break;
      default:
        unreachable(effect);
    }
    this.#record(at, who, effect);
  }

  /** The last bytes of a frame that went out: its authentication tag. */
  tag(bytes: Uint8Array): void {
    this.#mixBytes(bytes, Math.max(0, bytes.length - 8));
  }

  fact(at: number, fact: string): void {
    this.#mixInstant(at);
    this.#mixText(fact);
    this.#record(at, "world", { fact });
  }

  /** 64 bits, as 16 hexadecimal digits. */
  hash(): string {
    return finish(this.#low).toString(16).padStart(8, "0") + finish(this.#high).toString(16).padStart(8, "0");
  }

  /** The last lines, oldest first. */
  lines(): string[] {
    const first = Math.max(0, this.#recorded - historyLinesMax);
    const lines: string[] = [];
    for (let index = first; index < this.#recorded; index++) lines.push(lineOf(this.#ring[index % historyLinesMax] as Entry));
    return lines;
  }

  #record(at: number, who: string, happened: Happened): void {
    const entry = this.#ring[this.#recorded++ % historyLinesMax] as Entry;
    entry.at = at;
    entry.who = who;
    entry.happened = happened;
    if (this.#trace !== undefined) this.#trace(lineOf(entry));
  }

  #mixInstant(at: number): void {
    double[0] = at;
    this.#mix(words[0] as number);
    this.#mix(words[1] as number);
  }

  /** What an application is told or asks for: its fields in the order in which they were written, messages byte by byte. */
  #mixValue(value: unknown): void {
    if (value instanceof Uint8Array) {
      this.#mix(value.length);
      this.#mixBytes(value, 0);
    } else if (typeof value === "object" && value !== null) {
      for (const key in value) {
        this.#mix(wordOf(key));
        this.#mixValue((value as Readonly<Record<string, unknown>>)[key]);
      }
    } else if (typeof value === "number") {
      this.#mixInstant(value);
    } else this.#mixText(String(value));
  }

  #mixText(text: string): void {
    let low = this.#low;
    let high = this.#high;
    for (let index = 0; index < text.length; index += 2) {
      // Behind the end there is nothing, which is no letter: a text and the same with a zero behind it differ.
      const next = index + 1 < text.length ? text.charCodeAt(index + 1) + 1 : 0;
      const word = text.charCodeAt(index) ^ (next << 15);
      low = mixLow(low, word);
      high = mixHigh(high, word);
    }
    this.#low = low;
    this.#high = high;
  }

  /** Most of what is mixed are messages of applications, so the state is kept out of memory for the length of one. */
  #mixBytes(bytes: Uint8Array, from: number): void {
    let low = this.#low;
    let high = this.#high;
    let index = from;
    for (; index + 3 < bytes.length; index += 4) {
      const word = (bytes[index] as number) | ((bytes[index + 1] as number) << 8) | ((bytes[index + 2] as number) << 16) |
        ((bytes[index + 3] as number) << 24);
      low = mixLow(low, word);
      high = mixHigh(high, word);
    }
    for (; index < bytes.length; index++) {
      low = mixLow(low, bytes[index] as number);
      high = mixHigh(high, bytes[index] as number);
    }
    this.#low = low;
    this.#high = high;
  }

  #mix(word: number): void {
    this.#low = mixLow(this.#low, word);
    this.#high = mixHigh(this.#high, word);
  }
}

/** A key of what is mixed, as one word. */
function wordOf(key: string): number {
  let word = keyWords.get(key);
  if (word === undefined) {
    word = 0;
    for (let index = 0; index < key.length; index++) word = mixLow(word, key.charCodeAt(index));
    keyWords.set(key, word);
  }
  return word;
}

const keyWords = new Map<string, number>();

function mixLow(low: number, word: number): number {
  const product = Math.imul(low ^ word, 0x9e3779b1);
  return product ^ (product >>> 15);
}

function mixHigh(high: number, word: number): number {
  return Math.imul((high << 5) ^ (high >>> 27) ^ word, 0x85ebca77);
}

/** One hash for several, in their order. */
export function hashOfHashes(hashes: readonly string[]): string {
  const history = new History();
  hashes.forEach((hash, index) => history.fact(index, hash));
  return history.hash();
}

function finish(word: number): number {
  let z = word;
  z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
  z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
  return (z ^ (z >>> 16)) >>> 0;
}

function lineOf({ at, who, happened }: Entry): string {
  return `${at.toFixed(3).padStart(12)} ${who.padEnd(8)} ${textOf(happened)}`;
}

function textOf(happened: Happened): string {
  if ("fact" in happened) return happened.fact;
  switch (happened.kind) {
    case "heard": {
      const { from, incarnation, sequence, message } = happened.frame;
      return `heard ${happened.link} ${message.kind} from ${from} incarnation ${incarnation} sequence ${sequence}`;
    }
    case "malformed":
      return `malformed ${happened.link} ${happened.reason}`;
    case "portUp":
      return `portUp ${happened.link}`;
    case "portDown":
      return `portDown ${happened.link}: ${happened.reason}`;
    case "tick":
    case "storeFound":
    case "reloaded":
      return happened.kind;
    case "leave":
      return `leave ${happened.reason}`;
    case "application":
      return "request" in happened
        ? `application ${happened.client} ${happened.request.kind}`
        : `-> application ${happened.client} ${happened.event.kind}`;
    case "applicationGone":
      return `application ${happened.client} gone: ${happened.reason}`;
    case "closeApplication":
      return `-> close application ${happened.client}: ${happened.reason}`;
    case "reserved":
      return `reserved up to view ${happened.upTo}`;
    case "reserve":
      return `-> reserve up to view ${happened.upTo}`;
    case "witness":
      return "held" in happened
        ? `witness ${happened.held ? "held" : "not held"}`
        : `-> witness ${happened.wanted ? "wanted" : "not wanted"}`;
    case "stored":
      return `stored ${happened.result.order}: ${happened.result.kind}`;
    case "store":
      return `-> store ${happened.order.order}: ${happened.order.kind}`;
    case "configure":
      return `configure ${happened.client} ${happened.request.kind}`;
    case "configured":
      return `-> configured ${happened.client} ${happened.answer.kind}`;
    case "resourcesFound":
      return "resources found";
    case "failover":
      return `failover ${failoverText(happened.input)}`;
    case "hook":
      return `-> hook ${happened.order.order}: ${happened.order.hook} ${happened.order.resource}`;
    case "operated":
      return `-> operated ${happened.client} ${happened.answer.kind}`;
    case "record":
      return `-> record ${happened.record.id} ${happened.record.phase}`;
    case "post":
      return `-> post ${happened.checks.join(" ")}`;
    case "postChecked":
      return `post ${happened.check} ${happened.outcome.result}`;
    case "selfTest":
      return `-> self-test ${happened.run} ${happened.checks.join(" ")}`;
    case "selfTestChecked":
      return `self-test ${happened.run} ${happened.check} ${happened.outcome.result}`;
    case "recordRun":
      return `-> record run ${happened.record.ended}`;
    case "bootProceed":
      return `boot proceed ${happened.client}`;
    case "bootAnswered":
      return `-> boot answered ${happened.client} ${happened.answer.kind}`;
    case "resetCard":
      return `-> reset card: ${happened.reason}`;
    case "send":
      return `-> send ${happened.link} ${happened.message.kind} to ${happened.to} sequence ${happened.sequence}`;
    case "sendLldp":
      return `-> sendLldp ttl ${happened.ttlS} s`;
    case "log":
      return `-> ${happened.level} ${happened.event} ${JSON.stringify(happened.fields)}`;
    case "reincarnate":
      return `-> reincarnate above ${happened.above}`;
    default:
      return unreachable(happened);
  }
}

function failoverText(input: FailoverEdgeInput): string {
  switch (input.kind) {
    case "hookEnded":
      return `hook ${input.result.order} ended: ${input.result.hook} ${input.result.resource} ${input.result.outcome}`;
    case "operate":
      return `operate ${input.client} ${input.order.verb}`;
    default:
      return input.kind;
  }
}
