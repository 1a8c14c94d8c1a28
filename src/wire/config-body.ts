/**
 * The bodies of what replicas of the configuration say to each other, field by field as `wire.cddl` lists them; the rest of the messages
 * is in `body.ts`.
 */
import { unreachable } from "../base/assert.ts";
import { cardCountMax, type CardId, isCardId } from "../base/ids.ts";
import { configForwardBytesMax, configHashesMax, configPartsMax, configPieceBytesMax, viewNumberMax } from "../limits.ts";
import type { ConfigAsk, ConfigGive, ConfigHead, ConfigMessage, ConfigState } from "./message.ts";
import { groupsOf, isBytes, isCount, isSequence, type Value } from "./value.ts";

const hashBytes = 32;
const questions = ["durable", "hashes", "transfer", "piece"] as const;
const gifts = ["hashes", "offer", "piece", "nothing"] as const;
const contents = ["changes", "snapshot"] as const;
const reasons = ["busy", "gone", "behind"] as const;

export function configBodyOf(message: ConfigMessage): Value[] {
  switch (message.kind) {
    case "configState": {
      const { announced, accepted, level, lineage, replicas, levels, line, parts } = message;
      return [
        announced,
        ...headValues(accepted),
        level,
        lineage,
        [...replicas],
        levels.flatMap(({ card, levelMax }) => [card, levelMax]),
        [...line],
        parts === undefined ? [] : [parts.card, parts.id, parts.base, parts.count, parts.next],
      ];
    }
    case "configAsk":
      return [message.id, questions.indexOf(message.what), ...questionValues(message)];
    case "configGive":
      return [message.id, gifts.indexOf(message.what), ...giftValues(message)];
    case "configDurable":
      return headValues(message.head);
    case "configForward":
      return [message.id, message.wish];
    case "configAnswer":
      return [message.id, message.answer];
    default:
      return unreachable(message);
  }
}

function headValues({ sequence, epoch, hash }: ConfigHead): Value[] {
  return [sequence, epoch, hash];
}

function questionValues(ask: ConfigAsk): Value[] {
  switch (ask.what) {
    case "durable":
      return [];
    case "hashes":
      return [[...ask.sequences]];
    case "transfer":
      return [ask.after, ask.snapshot ? 1 : 0];
    case "piece":
      return [ask.transfer, ask.offset];
    default:
      return unreachable(ask);
  }
}

function giftValues(give: ConfigGive): Value[] {
  switch (give.what) {
    case "hashes":
      return [give.first, give.heads.flatMap(headValues)];
    case "offer":
      return [give.transfer, contents.indexOf(give.content), ...headValues(give.head), give.bytes, give.sha256, give.left];
    case "piece":
      return [give.transfer, give.offset, give.data];
    case "nothing":
      return [reasons.indexOf(give.reason)];
    default:
      return unreachable(give);
  }
}

export function configMessageOf(kind: ConfigMessage["kind"], body: readonly unknown[]): ConfigMessage | undefined {
  const [a, b, c] = body;
  switch (kind) {
    case "configState":
      return stateOf(body);
    case "configAsk":
      return askOf(body);
    case "configGive":
      return giveOf(body);
    case "configDurable": {
      const head = headOf(a, b, c);
      return head === undefined ? undefined : { kind, head };
    }
    case "configForward":
      return isNumber(a) && isBytes(b, 1, configForwardBytesMax) ? { kind, id: a, wish: b } : undefined;
    case "configAnswer":
      return isNumber(a) && isBytes(b, 1, configForwardBytesMax) ? { kind, id: a, answer: b } : undefined;
    default:
      return unreachable(kind);
  }
}

function stateOf(body: readonly unknown[]): ConfigState | undefined {
  const [announced, sequence, epoch, hash, level, lineage, replicaValues, levelValues, lineValues, partValues] = body;
  const accepted = headOf(sequence, epoch, hash);
  if (!isSequence(announced) || announced < 1 || accepted === undefined || !isNumber(level)) return undefined;
  if (!isCount(lineage, viewNumberMax) || lineage < 1) return undefined;
  const replicas = cardsOf(replicaValues, 1);
  const levels = groupsOf(levelValues, 2, 0, cardCountMax, ([card, levelMax]) => {
    return isCardId(card) && isNumber(levelMax) ? { card, levelMax } : undefined;
  });
  const line = cardsOf(lineValues, 0);
  const parts = groupsOf(partValues, 5, 0, 1, ([card, id, base, count, next]) => {
    const isPlace = isCount(count, configPartsMax) && isCount(next, configPartsMax) && count >= 1 && next >= 1;
    return isCardId(card) && isSequence(id) && isHash(base) && isPlace ? { card, id, base, count, next } : undefined;
  });
  if (replicas === undefined || levels === undefined || line === undefined || parts === undefined) return undefined;
  return { kind: "configState", announced, accepted, level, lineage, replicas, levels, line, parts: parts[0] };
}

function askOf([id, question, first, second]: readonly unknown[]): ConfigAsk | undefined {
  if (!isNumber(id) || !isCount(question, questions.length - 1)) return undefined;
  const what = questions[question] as typeof questions[number];
  switch (what) {
    case "durable":
      return { kind: "configAsk", id, what };
    case "hashes": {
      const sequences = groupsOf(first, 1, 1, configHashesMax, ([sequence]) => isSequence(sequence) ? sequence : undefined);
      return sequences === undefined ? undefined : { kind: "configAsk", id, what, sequences };
    }
    case "transfer":
      return isSequence(first) && isCount(second, 1) ? { kind: "configAsk", id, what, after: first, snapshot: second === 1 } : undefined;
    case "piece":
      return isNumber(first) && isSequence(second) ? { kind: "configAsk", id, what, transfer: first, offset: second } : undefined;
    default:
      return unreachable(what);
  }
}

function giveOf(body: readonly unknown[]): ConfigGive | undefined {
  const [id, gift, first, second, third] = body;
  if (!isNumber(id) || !isCount(gift, gifts.length - 1)) return undefined;
  const what = gifts[gift] as typeof gifts[number];
  switch (what) {
    case "hashes": {
      const heads = groupsOf(second, 3, 0, configHashesMax, ([sequence, epoch, hash]) => headOf(sequence, epoch, hash));
      return isSequence(first) && heads !== undefined ? { kind: "configGive", id, what, first, heads } : undefined;
    }
    case "offer":
      return offerOf(id, body.slice(2));
    case "piece":
      if (!isNumber(first) || !isSequence(second) || !isBytes(third, 1, configPieceBytesMax)) return undefined;
      return { kind: "configGive", id, what, transfer: first, offset: second, data: third };
    case "nothing": {
      const reason = isCount(first, reasons.length - 1) ? reasons[first] : undefined;
      return reason === undefined ? undefined : { kind: "configGive", id, what, reason };
    }
    default:
      return unreachable(what);
  }
}

function offerOf(id: number, values: readonly unknown[]): ConfigGive | undefined {
  const [transfer, contentIndex, sequence, epoch, hash, bytes, sha256, left] = values;
  const head = headOf(sequence, epoch, hash);
  const content = isCount(contentIndex, contents.length - 1) ? contents[contentIndex] : undefined;
  if (!isNumber(transfer) || content === undefined || head === undefined) return undefined;
  if (!isSequence(bytes) || bytes < 1 || !isHash(sha256) || !isSequence(left)) return undefined;
  return { kind: "configGive", id, what: "offer", transfer, content, head, bytes, sha256, left };
}

function cardsOf(values: unknown, min: number): CardId[] | undefined {
  return groupsOf(values, 1, min, cardCountMax, ([card]) => isCardId(card) ? card : undefined);
}

function headOf(sequence: unknown, epoch: unknown, hash: unknown): ConfigHead | undefined {
  return isSequence(sequence) && isCount(epoch, viewNumberMax) && isHash(hash) ? { sequence, epoch, hash } : undefined;
}

function isHash(value: unknown): value is Uint8Array {
  return isBytes(value, hashBytes, hashBytes);
}

function isNumber(value: unknown): value is number {
  return isCount(value, 0xffffffff);
}
