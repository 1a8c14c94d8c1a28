/** Applications that plain commands start, stop and look after. */
import { setTimeout } from "node:timers/promises";
import { unreachable } from "../../base/assert.ts";
import type { ApplicationAgent, HookKind } from "../../failover/resource.ts";
import { hookRetryMs } from "../../limits.ts";
import { answer, done, exitedWith, exitOf, type HookAnswer, type HookContext, type Keeper } from "./hook.ts";
import { findProgram, type Programs } from "./programs.ts";

export type CommandAgent = Extract<ApplicationAgent, { readonly kind: "command" }>;

/** As OCF has it. */
const exitNotRunning = 7;

export class CommandAgents implements Keeper<CommandAgent> {
  readonly #programs: Programs;

  constructor(programs: Programs) {
    this.#programs = programs;
  }

  async perform(hook: HookKind, agent: CommandAgent, context: HookContext): Promise<HookAnswer> {
    switch (hook) {
      case "validate":
        return await this.#validate(agent);
      case "start":
        return await this.#run("start", agent, context);
      case "monitor":
        return await this.#run("monitor", agent, context);
      case "stop":
        return await this.#stop(agent, context);
      case "announce":
        return done;
      default:
        return unreachable(hook);
    }
  }

  async #validate(agent: CommandAgent): Promise<HookAnswer> {
    for (const hook of ["start", "stop", "monitor"] as const) {
      const mistake = await mistakeOf(hook, agent[hook]);
      if (mistake !== undefined) return answer("invalid", mistake);
    }
    return done;
  }

  async #stop(agent: CommandAgent, context: HookContext): Promise<HookAnswer> {
    const stopped = await this.#run("stop", agent, context);
    if (stopped.outcome !== "done" && stopped.outcome !== "notRunning") return stopped;
    // A command may be over before what it ends is.
    let runs = false;
    for (;;) {
      const monitored = await this.#run("monitor", agent, context);
      if (monitored.outcome === "notRunning") return stopped.outcome === "done" ? done : monitored;
      const isLate = monitored.outcome === "timeout" && runs;
      if (monitored.outcome !== "done" && !isLate) return answer(monitored.outcome, `it was stopped, but ${monitored.reason}`);
      runs = true;
      if (context.leftMs() <= hookRetryMs) return answer("failed", "it was stopped, but its monitor says that it still runs");
      await setTimeout(hookRetryMs);
    }
  }

  async #run(hook: "start" | "stop" | "monitor", agent: CommandAgent, context: HookContext): Promise<HookAnswer> {
    const [name = "", ...words] = agent[hook];
    const program = await findProgram(name);
    if (program === undefined) return answer("invalid", await mistakeOf(hook, agent[hook]) ?? "");
    const ending = await this.#programs.run(context, {
      program,
      arguments: words,
      environment: agent.environment,
      remains: hook === "start",
    });
    const what = `${name} (${hook})`;
    const code = exitOf(what, ending);
    if (typeof code !== "number") return code;
    if (code === 0) return done;
    const given = exitedWith(what, code, ending.output);
    return code === exitNotRunning && hook !== "start" ? answer("notRunning", given.reason) : given;
  }
}

async function mistakeOf(hook: string, [name]: readonly string[]): Promise<string | undefined> {
  if (name === undefined) return `there is no command for ${hook}`;
  if (await findProgram(name) !== undefined) return undefined;
  return name.includes("/") && !name.startsWith("/")
    ? `the command for ${hook} is "${name}"; it must be an absolute path, or a name on the path`
    : `the command for ${hook}, ${name}, is not there or cannot be executed`;
}
