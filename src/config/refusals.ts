/** Every code with which a wish is refused: what it is over HTTP and for a script, and what to do about it. */
import type { ConfigRefusal } from "./change.ts";

export type RefusalRule = {
  readonly title: string;
  /** The status over HTTP. */
  readonly status: 409 | 413 | 422 | 503 | 504;
  /** How a command ends that is refused so: `refused` by the rules, `failed` for what may be otherwise in a while. */
  readonly ending: "refused" | "failed";
  /** Seconds after which it makes sense to ask again, with the same key; absent where asking again changes nothing. */
  readonly retryAfterS?: number;
  /** What to do, for people. */
  readonly hint: string;
};

export const refusals: Readonly<Record<ConfigRefusal["code"], RefusalRule>> = {
  conflict: {
    title: "The configuration has changed meanwhile",
    status: 409,
    ending: "refused",
    hint: "Read it again, see whether the change is still what you want, and ask again with the present head.",
  },
  invalid: {
    title: "The change is not right",
    status: 422,
    ending: "refused",
    hint: "Correct what the message names; `cardinal config schema` tells what is right.",
  },
  "too-new": {
    title: "A card's software is too old for it",
    status: 409,
    ending: "refused",
    hint: "Update the software of the cards that the message names, or leave out what is new.",
  },
  bounds: {
    title: "Too much at once",
    status: 413,
    ending: "refused",
    hint: "Make several changes of it, or wait until those that are under way are done.",
  },
  "no-quorum": {
    title: "Too few cards agree",
    status: 503,
    ending: "failed",
    retryAfterS: 5,
    hint: "Changes need more than half of the cards: see `cardinal members`, and bring back those that are missing.",
  },
  hold: {
    title: "This card's store is in hold",
    status: 503,
    ending: "failed",
    hint: "Ask another card; `cardinal config check --repair` on this one takes what is wrong from the others.",
  },
  "catching-up": {
    title: "This card does not know the present configuration yet",
    status: 503,
    ending: "failed",
    retryAfterS: 1,
    hint: "Wait until it has caught up, or ask another card.",
  },
  timeout: {
    title: "Not acknowledged in time",
    status: 504,
    ending: "failed",
    retryAfterS: 1,
    hint: "It may still be carried out: ask again with the same key, which is carried out once, or look at `cardinal config history`.",
  },
};

export function isConfigRefusal(value: object): value is ConfigRefusal {
  return "code" in value && "message" in value;
}
