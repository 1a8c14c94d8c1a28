/**
 * Applications, by whatever runs them. A stop is done only when the application's own monitor says that it does not run, and
 * when nothing is left of the processes that its start left running.
 */
import { unreachable } from "../../base/assert.ts";
import type { ApplicationAgent, HookKind, ResourceSpec } from "../../failover/resource.ts";
import { CommandAgents } from "./command.ts";
import { answer, done, type HookAnswer, type HookContext, type Keeper } from "./hook.ts";
import { OcfAgents } from "./ocf.ts";
import type { AgentDescription } from "./ocf-metadata.ts";
import type { Programs } from "./programs.ts";
import { SystemdUnits } from "./systemd.ts";

export type ApplicationSpec = Extract<ResourceSpec, { readonly kind: "application" }>;

export type ApplicationOptions = {
  /** The directory of the OCF, with `resource.d` below it. */
  readonly ocfRoot?: string;
  /** What is there where systemd runs. */
  readonly systemdDirectory?: string;
  readonly systemctl?: string;
};

type Agent = Keeper<ApplicationAgent>;

export class ApplicationKeeper implements Keeper<ApplicationSpec> {
  readonly #programs: Programs;
  readonly #ocf: OcfAgents;
  readonly #systemd: SystemdUnits;
  readonly #command: CommandAgents;

  constructor(programs: Programs, options: ApplicationOptions = {}) {
    this.#programs = programs;
    this.#ocf = new OcfAgents(programs, options.ocfRoot ?? "/usr/lib/ocf");
    this.#systemd = new SystemdUnits(programs, options.systemdDirectory ?? "/run/systemd/system", options.systemctl ?? "systemctl");
    this.#command = new CommandAgents(programs);
  }

  describe(provider: string, type: string, context: HookContext): Promise<AgentDescription | string> {
    return this.#ocf.describe(provider, type, context);
  }

  async perform(hook: HookKind, { agent }: ApplicationSpec, context: HookContext): Promise<HookAnswer> {
    if (hook === "announce") return done;
    const given = await this.#agentOf(agent).perform(hook, agent, context);
    if (hook !== "stop" || (given.outcome !== "done" && given.outcome !== "notRunning")) return given;
    const { found, left } = await this.#programs.sweep(context.resource);
    if (left > 0) return answer("failed", `${left} of its processes did not end when they were killed`);
    return found > 0 ? done : given;
  }

  #agentOf(agent: ApplicationAgent): Agent {
    switch (agent.kind) {
      case "ocf":
        return this.#ocf as Agent;
      case "systemd":
        return this.#systemd as Agent;
      case "command":
        return this.#command as Agent;
      default:
        return unreachable(agent);
    }
  }
}
