/**
 * The configuration of a card as the commands ask for it: over HTTP, with a token where one is needed, refusals told in one line with
 * the way out.
 */
import { refusals } from "../config/refusals.ts";
import { pageRowsMax } from "../limits.ts";
import { type Answer, exchange, type Question } from "./ask.ts";
import { unreachableText } from "./card-page.ts";
import type { CommandContext } from "./command.ts";
import { type ExitCode, exitCodes } from "./exit-code.ts";
import { printable } from "./text-layout.ts";
import { findToken } from "./token-source.ts";

const askTimeoutMs = 15_000;

/** A head as JSON has it. */
export type HeadText = { readonly sequence: number; readonly epoch: number; readonly hash: string };

/** The answer to a change. */
export type Changed = { readonly head: HeadText; readonly servedBy: string; readonly repeated: boolean };

/** What of a change's options goes with it: why, and the head that it is expected upon. */
export type ChangeConditions = { readonly comment: string | undefined; readonly expect: string | undefined };

/** A command has said what is wrong, and ends with that code. */
export class Ended extends Error {
  readonly code: ExitCode;

  constructor(code: ExitCode) {
    super(`ended with ${code}`);
    this.code = code;
  }
}

/** A question that takes a token. `file` is what its content was read from, for the places of mistakes. */
export type TokenQuestion = Omit<Question, "timeoutMs"> & { readonly timeoutMs?: number; readonly file?: string };

export type Asked<Value> = { readonly value: Value; readonly answer: Answer };

type Problem = {
  readonly detail?: string;
  readonly code?: string;
  readonly hint?: string;
  readonly findings?: readonly {
    readonly path: string;
    readonly message: string;
    readonly place?: { readonly line: number; readonly column: number };
  }[];
};

export class ConfigClient {
  readonly #context: CommandContext;
  readonly #command: string;
  readonly base: URL;
  readonly signal: AbortSignal;
  readonly #tokenFile: string | undefined;
  #token: string | undefined;

  constructor(context: CommandContext, command: string, base: URL, tokenFile: string | undefined) {
    this.#context = context;
    this.#command = command;
    this.base = base;
    this.signal = context.untilInterrupted();
    this.#tokenFile = tokenFile;
  }

  say(text: string): void {
    this.#context.terminal.stderr(`cardinal ${this.#command}: ${text}\n`);
  }

  fail(text: string, code: ExitCode = exitCodes.failed): never {
    this.say(text);
    throw new Ended(code);
  }

  /** The command line is wrong. */
  mistaken(text: string): never {
    this.fail(text, exitCodes.usage);
  }

  /** The JSON of a good answer to a read. */
  async read<Value>(path: string): Promise<Asked<Value>> {
    return await this.#asked<Value>(path, {});
  }

  /** Page after page of what is read in pages of which each names the next one. */
  async *pages<Page extends { readonly next?: string }>(path: string): AsyncGenerator<Page, void, undefined> {
    for (let after: Record<string, string> = {};;) {
      const { value } = await this.read<Page>(withQuery(path, { limit: String(pageRowsMax), ...after }));
      yield value;
      if (value.next === undefined) return;
      after = { after: value.next };
    }
  }

  /** The JSON of a good answer to something that takes a token. `told` says what an interruption leaves open. */
  async askWithToken<Value>(
    path: string,
    question: TokenQuestion,
    told?: string,
  ): Promise<Asked<Value>> {
    const fields = { ...question.fields, authorization: `Bearer ${await this.token()}` };
    return await this.#asked<Value>(path, { ...question, fields }, told);
  }

  /**
   * Makes a change, upon the head that --expect names. It has a key of its own, so that it is carried out once however often it is sent. `query`
   * is what it has besides its comment.
   */
  async carryOut<Value extends Changed = Changed>(
    path: string,
    { comment, expect }: ChangeConditions,
    question: TokenQuestion,
    query: Readonly<Record<string, string>> = {},
  ): Promise<Value> {
    const { randomUUID } = await import("node:crypto");
    const [key, expected] = [randomUUID(), await this.expected(expect)];
    const { value } = await this.askWithToken<Value>(
      withQuery(path, { ...query, ...(comment === undefined ? {} : { comment }) }),
      { ...question, fields: { ...question.fields, "idempotency-key": key, ...ifMatch(expected) } },
      `the change may still be carried out: \`cardinal config history\` tells (its key is ${key})`,
    );
    return value;
  }

  /** A good answer that takes a token, in pieces; `value` is the hash of the head that it is of. */
  async stream(
    path: string,
    question: Question,
    onPiece: (piece: Uint8Array) => Promise<void>,
  ): Promise<{ readonly value: string | undefined }> {
    const answer = await this.exchangeWithToken(path, { ...question, onPiece });
    if (answer.status !== 200) return this.#refused(answer);
    const etag = answer.fields?.["etag"];
    return { value: typeof etag === "string" ? etag.replaceAll('"', "") : undefined };
  }

  /** The answer to something that takes a token, as it came. */
  async exchangeWithToken(path: string, question: Question): Promise<Answer> {
    const fields = { ...question.fields, authorization: `Bearer ${await this.token()}` };
    return this.#answered(await exchange(new URL(path, this.base), { ...question, fields, signal: this.signal }));
  }

  /** Finds the token, once; ends the command when there is none. */
  async token(): Promise<string> {
    if (this.#token !== undefined) return this.#token;
    const found = await findToken(this.#context.environment, this.#tokenFile, this.base, async () => {
      const { value } = await this.read<{ readonly tokenFile?: string }>("v1/configuration");
      return value.tokenFile;
    });
    if ("missing" in found) return this.fail(found.missing, exitCodes.refused);
    this.#token = found.token;
    return found.token;
  }

  /** The whole hash of the head that --expect names; ends the command when the head is another one. */
  async expected(text: string | undefined): Promise<string | undefined> {
    if (text === undefined || /^[0-9a-f]{64}$/.test(text)) return text;
    if (!/^[0-9a-f]{4,63}$/.test(text)) {
      return this.fail(`--expect is ${JSON.stringify(text)}, must be at least the first 4 digits of a head's hash`, exitCodes.usage);
    }
    const { value: { head } } = await this.read<{ readonly head: HeadText }>("v1/configuration");
    if (head.hash.startsWith(text)) return head.hash;
    return this.fail(`the head is ${headText(head)}, not ${text}; look at what changed: cardinal config history`, exitCodes.refused);
  }

  async #asked<Value>(
    path: string,
    question: TokenQuestion,
    told?: string,
  ): Promise<Asked<Value>> {
    const given = { timeoutMs: askTimeoutMs, ...question, signal: this.signal };
    const answer = this.#answered(await exchange(new URL(path, this.base), given), told);
    if (answer.status === 404 && this.#problem(answer)?.detail?.startsWith("there is no /v1/") === true) {
      const what = path.startsWith("v1/configuration") ? "configuration" : "failover";
      return this.fail(`this card has no ${what}: it runs with "configuration": false in its card.json, or is of an earlier version`);
    }
    if (answer.status !== 200) return this.#refused(answer, question.file);
    try {
      return { value: JSON.parse(answer.body) as Value, answer };
    } catch {
      return this.fail(`${this.base.href} answers, but not as a Cardinal card of a version that this program knows`);
    }
  }

  #answered(answer: Answer | { readonly unreachable: string }, told?: string): Answer {
    if (!("unreachable" in answer)) return answer;
    if (this.signal.aborted) {
      this.say(`interrupted; ${told ?? "nothing was changed"}`);
      throw new Ended(exitCodes.interrupted);
    }
    return this.fail(`${unreachableText(this.base, answer.unreachable)}${told === undefined ? "" : `; ${told}`}`, exitCodes.unreachable);
  }

  #problem({ mediaType, body }: Answer): Problem | undefined {
    if (mediaType !== "application/problem+json") return undefined;
    try {
      return JSON.parse(body) as Problem;
    } catch {
      return undefined;
    }
  }

  /** Says what the card says, each finding on a line of its own. */
  #refused(answer: Answer, file?: string): never {
    const problem = this.#problem(answer);
    if (problem === undefined) return this.fail(`${this.base.href} answers with HTTP status ${answer.status}; is it a Cardinal card?`);
    const { detail = `HTTP status ${answer.status}`, code, hint, findings = [] } = problem;
    if (findings.length > 1 || findings[0]?.place !== undefined) {
      const line = ({ path, message, place }: (typeof findings)[number]) =>
        place === undefined || file === undefined
          ? `${path === "" ? "" : `${path}: `}${message}`
          : `${file}:${place.line}:${place.column}: ${message}`;
      this.#context.terminal.stderr(findings.map((finding) => `${printable(line(finding))}\n`).join(""));
    } else this.say(`${printable(detail)}${hint === undefined ? "" : `. ${printable(hint)}`}`);
    const ending = answer.status >= 500 ? "failed" : "refused";
    const isKnown = code !== undefined && Object.hasOwn(refusals, code);
    throw new Ended(exitCodes[isKnown ? refusals[code as keyof typeof refusals].ending : ending]);
  }
}

/** "change 41 9f3a1c2b". */
export function headText({ sequence, hash }: HeadText): string {
  return sequence === 0 ? "empty" : `change ${sequence} ${hash.slice(0, 8)}`;
}

/** "change 41 9f3a1c2b, on every card; served by card 1/2". */
export function changedText({ head, servedBy, repeated }: Changed): string {
  return `${headText(head)}, on every card${repeated ? ", as it was asked before" : ""}; served by card ${servedBy}`;
}

export function withQuery(path: string, query: Readonly<Record<string, string>>): string {
  const text = new URLSearchParams(query).toString();
  return text === "" ? path : `${path}?${text}`;
}

/** The field that makes a change one upon a head, by its hash. */
export function ifMatch(hash: string | undefined): Readonly<Record<string, string>> {
  return hash === undefined ? {} : { "if-match": `"${hash}"` };
}

/** JSON as the content of a question. */
export function jsonContent(value: unknown): Pick<TokenQuestion, "fields" | "content"> {
  return { fields: { "content-type": "application/json" }, content: new TextEncoder().encode(JSON.stringify(value)) };
}
