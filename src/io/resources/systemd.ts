/** Applications that are units of systemd. It runs their processes; what it says of a unit is believed. */
import { stat } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";
import { unreachable } from "../../base/assert.ts";
import { nearest } from "../../base/nearest.ts";
import type { ApplicationAgent, HookKind } from "../../failover/resource.ts";
import { agentMetadataBytesMax, hookRetryMs } from "../../limits.ts";
import { answer, done, exitedWith, exitOf, type HookAnswer, type HookContext, type Keeper } from "./hook.ts";
import { findProgram, type Programs } from "./programs.ts";

export type SystemdAgent = Extract<ApplicationAgent, { readonly kind: "systemd" }>;

type State = { readonly load: string; readonly active: string; readonly sub: string; readonly result: string; readonly file: string };

export class SystemdUnits implements Keeper<SystemdAgent> {
  readonly #programs: Programs;
  readonly #directory: string;
  readonly #systemctl: string;

  /** `directory` is there where systemd runs. */
  constructor(programs: Programs, directory: string, systemctl: string) {
    this.#programs = programs;
    this.#directory = directory;
    this.#systemctl = systemctl;
  }

  async perform(hook: HookKind, { unit: given }: SystemdAgent, context: HookContext): Promise<HookAnswer> {
    const unit = given.includes(".") ? given : `${given}.service`;
    if (!/^[\w:.\\@-]+$/.test(unit) || unit.startsWith("-")) {
      return answer("invalid", `"${given}" is no name of a systemd unit, as nginx.service`);
    }
    if (!await isDirectory(this.#directory)) {
      return answer(
        "invalid",
        `systemd does not run here (${this.#directory} is missing): use an OCF resource agent or commands for ${unit}`,
      );
    }
    switch (hook) {
      case "validate":
        return await this.#validate(unit, context);
      case "start":
        return await this.#start(unit, context);
      case "stop":
        return await this.#stop(unit, context);
      case "monitor":
        return await this.#monitor(unit, context);
      case "announce":
        return done;
      default:
        return unreachable(hook);
    }
  }

  async #validate(unit: string, context: HookContext): Promise<HookAnswer> {
    const state = await this.#stateOf(unit, context);
    if ("outcome" in state) return state;
    if (state.load === "masked") return answer("invalid", `the unit ${unit} is masked: systemctl unmask ${unit}`);
    if (state.load !== "loaded") return answer("invalid", await this.#unknown(unit, state, context));
    if (state.file !== "enabled") return done;
    return answer("invalid", `the unit ${unit} is enabled, so that systemd starts it by itself at boot: systemctl disable ${unit}`);
  }

  async #start(unit: string, context: HookContext): Promise<HookAnswer> {
    const problem = await this.#call("start", unit, context);
    if (problem !== undefined) {
      const state = await this.#stateOf(unit, context);
      return !("outcome" in state) && state.load === "not-found" ? answer("invalid", await this.#unknown(unit, state, context)) : problem;
    }
    return await this.#settled(unit, context, (state) => state.active === "active");
  }

  async #stop(unit: string, context: HookContext): Promise<HookAnswer> {
    const before = await this.#stateOf(unit, context);
    if ("outcome" in before) return before;
    if (before.load === "not-found" || before.active === "inactive") return answer("notRunning", told(unit, before));
    const problem = await this.#call("stop", unit, context);
    if (problem !== undefined) return problem;
    return await this.#settled(unit, context, (state) => state.active === "inactive" || state.active === "failed");
  }

  async #monitor(unit: string, context: HookContext): Promise<HookAnswer> {
    const state = await this.#stateOf(unit, context);
    if ("outcome" in state) return state;
    switch (state.active) {
      case "active":
      case "reloading":
      case "refreshing":
        return done;
      case "inactive":
      case "failed":
        return answer("notRunning", told(unit, state));
      default:
        return answer("failed", told(unit, state));
    }
  }

  /** Waits for a state that the unit is still on its way to: "activating", "deactivating". */
  async #settled(unit: string, context: HookContext, isThere: (state: State) => boolean): Promise<HookAnswer> {
    for (;;) {
      const state = await this.#stateOf(unit, context);
      if ("outcome" in state) return state;
      if (isThere(state)) return done;
      if (!state.active.endsWith("ing") || context.leftMs() <= hookRetryMs) return answer("failed", told(unit, state));
      await setTimeout(hookRetryMs);
    }
  }

  async #unknown(unit: string, state: State, context: HookContext): Promise<string> {
    if (state.load !== "not-found") return told(unit, state);
    const list = ["list-unit-files", "--no-legend", "--no-pager", "--plain"];
    const output = await this.#run("systemctl list-unit-files", list, context, agentMetadataBytesMax);
    const meant = typeof output !== "string"
      ? undefined
      : nearest(unit, output.split("\n").map((line) => line.split(" ")[0] ?? "").filter((name) => name !== ""));
    return `there is no unit ${unit}${meant === undefined ? "" : `: did you mean ${meant}?`}`;
  }

  async #call(verb: "start" | "stop", unit: string, context: HookContext): Promise<HookAnswer | undefined> {
    const output = await this.#run(`systemctl ${verb} ${unit}`, ["--no-ask-password", "--quiet", verb, unit], context);
    return typeof output === "string" ? undefined : output;
  }

  /** What systemctl writes, when it ends well. */
  async #run(what: string, given: readonly string[], context: HookContext, outputBytesMax?: number): Promise<string | HookAnswer> {
    const program = await findProgram(this.#systemctl);
    if (program === undefined) return answer("invalid", `${this.#systemctl} is missing: install the Debian package systemd`);
    const ending = await this.#programs.run(context, {
      program,
      arguments: given,
      ...(outputBytesMax === undefined ? {} : { outputBytesMax }),
    });
    const code = exitOf(what, ending);
    if (typeof code !== "number") return code;
    return code === 0 ? ending.output : exitedWith(what, code, ending.output);
  }

  async #stateOf(unit: string, context: HookContext): Promise<State | HookAnswer> {
    const asked = "--property=LoadState,ActiveState,SubState,Result,UnitFileState";
    const output = await this.#run(`systemctl show ${unit}`, ["show", asked, unit], context);
    if (typeof output !== "string") return output;
    const values = new Map(output.split("\n").map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]));
    const of = (name: string) => values.get(name) ?? "";
    return { load: of("LoadState"), active: of("ActiveState"), sub: of("SubState"), result: of("Result"), file: of("UnitFileState") };
  }
}

function told(unit: string, { load, active, sub, result }: State): string {
  if (load !== "loaded") return `the unit ${unit} is ${load}`;
  return `the unit ${unit} is ${active} (${sub}${result === "" || result === "success" ? "" : `, ${result}`})`;
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    return false;
  }
}
