/** Bodies of the messages of boot and self-test to and from CBOR values, field by field as `wire.cddl` lists them. */
import { unreachable } from "../base/assert.ts";
import { isCardId } from "../base/ids.ts";
import { checkCodeBytesMax, holdCodeBytesMax, selfTestChecksMax, viewNumberMax } from "../limits.ts";
import type { Boot, SelfTest, SelfTestAnswer, SelfTestResult } from "./message.ts";
import { groupsOf, isCount, isSequence, isText, textWithin, type Value } from "./value.ts";

export type BootMessage = Boot | SelfTest | SelfTestAnswer;

const bootTypes = ["cold", "warm", "hot-insert", "fenced", "upgrade", "maintenance"] as const;
const bootStates = ["post", "listen", "announce", "catch-up", "arbitrate", "ready", "hold"] as const;
const roles = ["none", "alternate", "secondary", "primary"] as const;
const stages = ["received", "done", "silent", "deaf"] as const;
const results = ["passed", "failed", "skipped"] as const;

const msMax = 0xffff;

export function bootBodyOf(message: BootMessage): Value[] {
  switch (message.kind) {
    case "boot": {
      const { bootType, state, hold, sequence, epoch, role } = message;
      const code = textWithin(hold, holdCodeBytesMax);
      return [bootTypes.indexOf(bootType), bootStates.indexOf(state), code, sequence, epoch, roles.indexOf(role)];
    }
    case "selfTest":
      return [message.id, message.subject, ...(message.early === true ? [1] : [])];
    case "selfTestAnswer": {
      const values = message.results.flatMap(({ check, result, code, ms }): Value[] => {
        return [check, results.indexOf(result), textWithin(code, checkCodeBytesMax), Math.min(msMax, Math.round(ms))];
      });
      return [message.id, message.subject, stages.indexOf(message.stage), values];
    }
    default:
      return unreachable(message);
  }
}

export function bootMessageOf(kind: BootMessage["kind"], body: readonly unknown[]): BootMessage | undefined {
  switch (kind) {
    case "boot":
      return bootOf(body);
    case "selfTest": {
      const [id, subject, early] = body;
      if (!isCount(id, 0xffffffff) || !isCardId(subject)) return undefined;
      return { kind, id, subject, ...(early === 1 ? { early: true } : {}) };
    }
    case "selfTestAnswer":
      return answerOf(body);
    default:
      return unreachable(kind);
  }
}

function bootOf(body: readonly unknown[]): Boot | undefined {
  const [typeIndex, stateIndex, hold, sequence, epoch, roleIndex] = body;
  const bootType = wordOf(bootTypes, typeIndex);
  const state = wordOf(bootStates, stateIndex);
  const role = wordOf(roles, roleIndex);
  if (bootType === undefined || state === undefined || role === undefined || !isText(hold, holdCodeBytesMax)) return undefined;
  if (!isSequence(sequence) || !isCount(epoch, viewNumberMax)) return undefined;
  return { kind: "boot", bootType, state, hold, sequence, epoch, role };
}

function answerOf(body: readonly unknown[]): SelfTestAnswer | undefined {
  const [id, subject, stageIndex, values] = body;
  const stage = wordOf(stages, stageIndex);
  const read = groupsOf(values, 4, 0, selfTestChecksMax, resultOf);
  if (!isCount(id, 0xffffffff) || !isCardId(subject) || stage === undefined || read === undefined) return undefined;
  return { kind: "selfTestAnswer", id, subject, stage, results: read };
}

function resultOf([check, resultIndex, code, ms]: readonly unknown[]): SelfTestResult | undefined {
  const result = wordOf(results, resultIndex);
  if (!isCount(check, 0xff) || result === undefined || !isText(code, checkCodeBytesMax) || !isCount(ms, msMax)) return undefined;
  return { check, result, code, ms };
}

function wordOf<Word>(words: readonly Word[], index: unknown): Word | undefined {
  return isCount(index, words.length - 1) ? words[index] : undefined;
}
