/** Operators' orders on their way: each is planned where it was asked for on a dry run, and else where it is delivered; each is answered once. Pure. */
import type { CardId } from "../base/ids.ts";
import { failoverOperateMs } from "../limits.ts";
import { durationText } from "./eligibility.ts";
import type { FailoverState, Happening } from "./service-state.ts";
import type { FailoverOutput, OperatorAnswer, OperatorRequest } from "./service-types.ts";

type Answered = Extract<FailoverOutput, { kind: "operated" }>;

export class Operations {
  readonly #card: CardId;
  readonly #underWay = new Map<number, { readonly client: number; readonly until: number }>();
  #last = 0;

  constructor(card: CardId) {
    this.#card = card;
  }

  instants(): number[] {
    return [...this.#underWay.values()].map(({ until }) => until);
  }

  /** The answer, where there is one at once. `whyNot`: why this card takes part in no decisions. */
  answerNow(
    state: FailoverState | undefined,
    order: OperatorRequest,
    dryRun: boolean,
    whyNot: string | undefined,
  ): OperatorAnswer | undefined {
    const refuse = (code: "not-known" | "no-quorum", message: string, hint: string): OperatorAnswer => ({
      kind: "refused",
      code,
      message,
      hint,
    });
    if (state === undefined) {
      return refuse("not-known", "this card does not know yet what all agree on", "Ask another card, or wait a moment.");
    }
    if (dryRun) {
      const plan = state.plan(order);
      return plan.kind === "plan" ? { kind: "plan", lines: plan.lines } : plan;
    }
    if (whyNot === undefined) return undefined;
    return refuse("no-quorum", `this card takes part in no decisions: ${whyNot}`, "Ask a card of the side with the quorum.");
  }

  /** The number under which an order goes into the order of messages. */
  begin(now: number, client: number): number {
    const id = ++this.#last;
    this.#underWay.set(id, { client, until: now + failoverOperateMs });
    return id;
  }

  onOperated({ card, id, plan }: Extract<Happening, { kind: "operated" }>): Answered | undefined {
    const operation = card === this.#card ? this.#underWay.get(id) : undefined;
    if (operation === undefined) return undefined;
    this.#underWay.delete(id);
    return { kind: "operated", client: operation.client, answer: plan.kind === "plan" ? { kind: "ordered", lines: plan.lines } : plan };
  }

  /** Those that the order of messages has not brought back in time. */
  overdue(now: number): Answered[] {
    const answers: Answered[] = [];
    for (const [id, { client, until }] of [...this.#underWay]) {
      if (now < until) continue;
      this.#underWay.delete(id);
      const message = `the order of messages did not bring it back in ${durationText(failoverOperateMs)}: it may still be carried out`;
      answers.push({
        kind: "operated",
        client,
        answer: { kind: "refused", code: "unanswered", message, hint: "See `set show` for what is." },
      });
    }
    return answers;
  }
}
