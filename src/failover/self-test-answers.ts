/**
 * How a card answers self-tests: one run of its checks serves all that ask while it lasts and shortly after it (FS-8). Who asks is told at once that
 * the question has come, and what came of the checks when the last one has answered or its time is over; a check that hangs has failed.
 */
import type { CardId, LinkKind } from "../base/ids.ts";
import { selfTestAskersMax, selfTestFreshMs } from "../limits.ts";
import type { SelfTestAnswer, SelfTestResult } from "../wire/message.ts";
import { type CheckOutcome, type SelfTestCheck, selfTestChecks, selfTestRuleOf } from "./self-test-checks.ts";

type Asker = { readonly card: CardId; readonly link: LinkKind; readonly id: number };

export type Answered = { readonly asker: Asker; readonly message: SelfTestAnswer };

export class SelfTestAnswers {
  readonly #card: CardId;
  #run = 0;
  #startedAt = -Infinity;
  #finishedAt = -Infinity;
  readonly #outcomes = new Map<SelfTestCheck, CheckOutcome>();
  #isRunning = false;
  #askers: Asker[] = [];

  constructor(card: CardId) {
    this.#card = card;
  }

  /** When the time of a check that runs is over. */
  deadline(): number {
    if (!this.#isRunning) return Infinity;
    let at = Infinity;
    for (const check of selfTestChecks) if (!this.#outcomes.has(check)) at = Math.min(at, this.#dueAt(check));
    return at;
  }

  /** The number of a run that has to be carried out now; `undefined` when one is under way, or results are fresh. */
  start(now: number): number | undefined {
    if (this.#isRunning || this.isFresh(now)) return undefined;
    this.#isRunning = true;
    this.#startedAt = now;
    this.#outcomes.clear();
    return ++this.#run;
  }

  isFresh(now: number): boolean {
    return !this.#isRunning && now < this.#finishedAt + selfTestFreshMs;
  }

  /** Who asks has its receipt; it gets the results too when they are fresh, and later otherwise. */
  onQuestion(now: number, asker: Asker): Answered[] {
    const received = this.receivedBy(asker);
    if (this.isFresh(now)) return [received, { asker, message: this.#answer(asker.id, "done", this.results()) }];
    const isKnown = this.#askers.some(({ card, link, id }) => card === asker.card && link === asker.link && id === asker.id);
    if (!isKnown) this.#askers = [...this.#askers, asker].slice(-selfTestAskersMax);
    return [received];
  }

  /** That it has the question, and nothing more. */
  receivedBy(asker: Asker): Answered {
    return { asker, message: this.#answer(asker.id, "received", []) };
  }

  /** The first word of a check counts. Gives the answers when it was the last one. */
  onChecked(now: number, run: number, check: SelfTestCheck, outcome: CheckOutcome): Answered[] {
    if (!this.#isRunning || run !== this.#run || this.#outcomes.has(check)) return [];
    this.#outcomes.set(check, outcome);
    return this.#finish(now);
  }

  /** What has not answered in its time has failed. */
  expire(now: number): Answered[] {
    if (!this.#isRunning) return [];
    for (const check of selfTestChecks) {
      if (this.#outcomes.has(check) || now < this.#dueAt(check)) continue;
      const { deadlineMs } = selfTestRuleOf(check);
      this.#outcomes.set(check, { result: "failed", code: "timeout", text: `no answer within ${deadlineMs} ms`, ms: deadlineMs });
    }
    return this.#finish(now);
  }

  /** This card was late by so much: its checks could not answer. */
  onLate(ms: number): void {
    this.#startedAt += ms;
  }

  results(): SelfTestResult[] {
    return selfTestChecks.flatMap((check) => {
      const outcome = this.#outcomes.get(check);
      return outcome === undefined
        ? []
        : [{ check: selfTestRuleOf(check).number, result: outcome.result, code: outcome.code, ms: outcome.ms }];
    });
  }

  /** What came of each check last, in words too. */
  outcomes(): ReadonlyMap<SelfTestCheck, CheckOutcome> {
    return this.#outcomes;
  }

  get isRunning(): boolean {
    return this.#isRunning;
  }

  get finishedAt(): number {
    return this.#finishedAt;
  }

  #dueAt(check: SelfTestCheck): number {
    return this.#startedAt + selfTestRuleOf(check).deadlineMs;
  }

  #finish(now: number): Answered[] {
    if (this.#outcomes.size < selfTestChecks.length) return [];
    this.#isRunning = false;
    this.#finishedAt = now;
    const results = this.results();
    const answers = this.#askers.map((asker) => ({ asker, message: this.#answer(asker.id, "done", results) }));
    this.#askers = [];
    return answers;
  }

  #answer(id: number, stage: SelfTestAnswer["stage"], results: readonly SelfTestResult[]): SelfTestAnswer {
    return { kind: "selfTestAnswer", id, subject: this.#card, stage, results };
  }
}
