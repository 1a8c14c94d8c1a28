/** What carries out the hooks of one kind of resource, and what it is given for it. Types, and the few words that all of them share. */
import { clearTimeout, setTimeout } from "node:timers";
import type { HookKind, HookOutcome } from "../../failover/resource.ts";
import type { ChildEnding } from "../ports.ts";

export type HookAnswer = {
  readonly outcome: HookOutcome;
  /** In words; empty when done. */
  readonly reason: string;
};

export type HookContext = {
  readonly resource: string;
  /** Milliseconds until the hook's deadline; not above it, and 0 when it is over. */
  leftMs(): number;
  /** Aborted when the hook is overtaken: what runs for it is to end. */
  readonly signal: AbortSignal;
};

/** One kind of resource. A hook's promise is never rejected for what the world did. */
export interface Keeper<Spec> {
  perform(hook: HookKind, spec: Spec, context: HookContext): Promise<HookAnswer>;
}

export const done: HookAnswer = { outcome: "done", reason: "" };

export function answer(outcome: HookOutcome, reason: string): HookAnswer {
  return { outcome, reason };
}

const reasonCharsMax = 400;

/** The last lines of what a program wrote, on one line. */
export function lastLines(output: string): string {
  const lines = output.split("\n").map((line) => line.replace(/\p{Cc}+/gu, " ").trim()).filter((line) => line !== "");
  return lines.slice(-3).join("; ").slice(-reasonCharsMax);
}

/** The code of a program that exited by itself; what one that did not, or was not started, is answered with. */
export function exitOf(what: string, ending: ChildEnding): number | HookAnswer {
  const wrote = lastLines(ending.output);
  const left = ending.left === 0 ? "" : `; ${ending.left} of its processes did not end when they were killed`;
  const tail = `${left}${wrote === "" ? "" : `; it wrote: ${wrote}`}`;
  switch (ending.kind) {
    case "exited":
      return ending.code;
    case "signalled":
      return answer("failed", `${what} was ended by ${ending.signal}${tail}`);
    case "timeout":
      return answer("timeout", `${what} was not over in time and was killed${tail}`);
    case "killed":
      return answer("overtaken", `${what} was ended before its time${tail}`);
    case "unstarted":
      return answer(ending.error === "EAGAIN" ? "failed" : "invalid", `${what} cannot be started: ${ending.error}`);
  }
}

/** What a program is answered with that exited with a code which it should not have. */
export function exitedWith(what: string, code: number, output: string): HookAnswer {
  const wrote = lastLines(output);
  return answer("failed", `${what} ended with code ${code}${wrote === "" ? "" : `: ${wrote}`}`);
}

/** Does what may never come back, for no longer than the hook has; its signal is aborted at the end of that. Rejections are failures. */
export async function inTime(what: string, context: HookContext, act: (signal: AbortSignal) => Promise<HookAnswer>): Promise<HookAnswer> {
  const over = new AbortController();
  const limit = new Promise<HookAnswer>((resolve) => {
    const timer = setTimeout(() => over.abort(), context.leftMs());
    context.signal.addEventListener("abort", () => over.abort(), { signal: over.signal });
    over.signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve(context.signal.aborted ? answer("overtaken", `${what} was given up`) : answer("timeout", `${what} was not over in time`));
    });
  });
  const acted = act(over.signal).catch((error: Error) => answer("failed", error.message));
  const given = await Promise.race([acted, limit]);
  over.abort();
  return given;
}
