/**
 * OCF resource agents: programs below OCF_ROOT/resource.d/PROVIDER/TYPE that are called with an action, get their
 * parameters in the environment, and answer by their exit code (Resource Agent API 1.1).
 */
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { unreachable } from "../../base/assert.ts";
import { nearest } from "../../base/nearest.ts";
import type { ApplicationAgent, HookKind, Parameters } from "../../failover/resource.ts";
import { agentMetadataBytesMax, agentMetadataMs, agentsKeptMax } from "../../limits.ts";
import type { ChildEnding } from "../ports.ts";
import { answer, done, exitOf, type HookAnswer, type HookContext, type Keeper, lastLines } from "./hook.ts";
import { type AgentDescription, parameterMistakes, parseAgentMetadata } from "./ocf-metadata.ts";
import { findProgram, type Programs } from "./programs.ts";

export type OcfAgent = Extract<ApplicationAgent, { readonly kind: "ocf" }>;

/** What each exit code of the standard says, from 0 on. */
const exitMeanings = [
  "success",
  "generic error",
  "wrong arguments",
  "an action that the agent does not have",
  "insufficient permissions",
  "a program that it needs is not installed",
  "not configured rightly",
  "not running",
  "running, promoted",
  "failed, promoted",
];
const exitOk = 0;
const exitUnimplemented = 3;
const exitNotRunning = 7;
const exitPromoted = 8;
/** Degraded, and so much as promoted: it runs, and something is to be looked at. */
const exitsDegraded = [190, 191];
/** Codes that trying again does not change. */
const exitsInvalid = [2, 3, 4, 5, 6];

/** Packages of Debian that bring what well-known agents need. */
const packages: Readonly<Record<string, string>> = {
  nginx: "nginx-light",
  apache: "apache2",
  pgsql: "postgresql",
  mysql: "mariadb-server",
  mariadb: "mariadb-server",
  nfsserver: "nfs-kernel-server",
  exportfs: "nfs-kernel-server",
  iSCSITarget: "targetcli-fb or tgt",
  iSCSILogicalUnit: "targetcli-fb or tgt",
  squid: "squid",
  Squid: "squid",
  named: "bind9",
  dhcpd: "isc-dhcp-server",
  tomcat: "tomcat10",
  postfix: "postfix",
  redis: "redis-server",
  rabbitmq: "rabbitmq-server",
  "rabbitmq-cluster": "rabbitmq-server",
  "LVM-activate": "lvm2",
  rsyncd: "rsync",
  vsftpd: "vsftpd",
};

type Described = { readonly changedMs: number; readonly description: AgentDescription };

export class OcfAgents implements Keeper<OcfAgent> {
  readonly #programs: Programs;
  readonly #root: string;
  /** By the agent's file; newest last. */
  readonly #described = new Map<string, Described>();
  /** Resources that were started here: a monitor of another one only asks whether it runs. */
  readonly #started = new Set<string>();

  constructor(programs: Programs, root: string) {
    this.#programs = programs;
    this.#root = root;
  }

  async perform(hook: HookKind, agent: OcfAgent, context: HookContext): Promise<HookAnswer> {
    const file = await this.#fileOf(agent.provider, agent.type);
    if (typeof file !== "string") return answer("invalid", file.mistake);
    switch (hook) {
      case "validate":
        return await this.#validate(file, agent, context);
      case "start":
        return await this.#start(file, agent, context);
      case "stop":
        return await this.#stop(file, agent, context);
      case "monitor":
        return await this.#monitor(file, agent, context, this.#started.has(context.resource));
      case "announce":
        return done;
      default:
        return unreachable(hook);
    }
  }

  async describe(provider: string, type: string, context: HookContext): Promise<AgentDescription | string> {
    const file = await this.#fileOf(provider, type);
    return typeof file === "string" ? await this.#describe(file, context) : file.mistake;
  }

  async #validate(file: string, agent: OcfAgent, context: HookContext): Promise<HookAnswer> {
    const description = await this.#describe(file, context);
    if (typeof description === "string") return answer("invalid", description);
    const mistakes = parameterMistakes(description, agent.parameters);
    if (mistakes.length > 0) return answer("invalid", mistakes.join("; "));
    const ending = await this.#call(file, agent, "validate-all", context, 0);
    return ending.kind === "exited" && ending.code === exitUnimplemented ? done : answerOf("validate-all", agent, ending);
  }

  async #start(file: string, agent: OcfAgent, context: HookContext): Promise<HookAnswer> {
    const given = answerOf("start", agent, await this.#call(file, agent, "start", context, 0));
    if (given.outcome === "done") this.#started.add(context.resource);
    return given.outcome === "notRunning" ? answer("failed", given.reason) : given;
  }

  /** What the agent says of its stop is proven by its own monitor. */
  async #stop(file: string, agent: OcfAgent, context: HookContext): Promise<HookAnswer> {
    this.#started.delete(context.resource);
    const stopped = answerOf("stop", agent, await this.#call(file, agent, "stop", context, 0));
    if (stopped.outcome === "failed" || stopped.outcome === "timeout" || stopped.outcome === "overtaken") return stopped;
    const after = await this.#monitor(file, agent, context, false);
    if (after.outcome === "done") return answer("failed", "the agent stopped it, and says that it still runs");
    if (after.outcome === "notRunning") return stopped.outcome === "done" ? done : after;
    // An agent that misses the program or its configuration cannot say more than that its stop went well.
    if (after.outcome === "invalid" && stopped.outcome === "done") return done;
    return answer(after.outcome === "invalid" ? "failed" : after.outcome, `whether it runs cannot be told: ${after.reason}`);
  }

  /** Only a monitor with an interval may count what is missing on this card as a failure; one without is a question. */
  async #monitor(file: string, agent: OcfAgent, context: HookContext, isRecurring: boolean): Promise<HookAnswer> {
    return answerOf("monitor", agent, await this.#call(file, agent, "monitor", context, isRecurring ? 10_000 : 0));
  }

  #call(file: string, agent: OcfAgent, action: string, context: HookContext, intervalMs: number): Promise<ChildEnding> {
    const environment: Record<string, string> = {
      ...this.#ground(agent.provider, agent.type),
      OCF_RESOURCE_INSTANCE: context.resource,
      OCF_RESKEY_CRM_meta_timeout: String(Math.floor(context.leftMs())),
      OCF_RESKEY_CRM_meta_interval: String(intervalMs),
      OCF_RESKEY_CRM_meta_name: action,
    };
    for (const [name, value] of Object.entries(agent.parameters)) environment[`OCF_RESKEY_${name}`] = value;
    return this.#programs.run(context, { program: file, arguments: [action], environment, remains: action === "start" });
  }

  #ground(provider: string, type: string): Parameters {
    return {
      OCF_ROOT: this.#root,
      OCF_RA_VERSION_MAJOR: "1",
      OCF_RA_VERSION_MINOR: "1",
      OCF_RESOURCE_PROVIDER: provider,
      OCF_RESOURCE_TYPE: type,
    };
  }

  async #describe(file: string, context: HookContext): Promise<AgentDescription | string> {
    const changedMs = (await stat(file)).mtimeMs;
    const known = this.#described.get(file);
    if (known?.changedMs === changedMs) return known.description;
    const [type = "", provider = ""] = file.split("/").reverse();
    const ending = await this.#programs.run(context, {
      program: file,
      arguments: ["meta-data"],
      environment: this.#ground(provider, type),
      withinMs: agentMetadataMs,
      outputBytesMax: agentMetadataBytesMax,
    });
    const code = exitOf(`the agent ${provider}:${type} (meta-data)`, ending);
    if (typeof code !== "number") return code.reason;
    const description = parseAgentMetadata(ending.output);
    if (description === undefined) return `${file} does not describe itself as an OCF resource agent`;
    this.#described.delete(file);
    this.#described.set(file, { changedMs, description });
    if (this.#described.size > agentsKeptMax) this.#described.delete(this.#described.keys().next().value as string);
    return description;
  }

  /** The agent's file, or what is missing. */
  async #fileOf(provider: string, type: string): Promise<string | { readonly mistake: string }> {
    if (![provider, type].every((part) => /^[\w.-]+$/.test(part) && !part.startsWith("."))) {
      return { mistake: `"${provider}:${type}" is no name of an OCF resource agent, as heartbeat:nginx` };
    }
    const directory = join(this.#root, "resource.d");
    const file = join(directory, provider, type);
    if (await findProgram(file) !== undefined) return file;
    const types = await namesIn(join(directory, provider));
    if (types.length === 0) {
      const providers = await namesIn(directory);
      const hint = provider === "heartbeat" || providers.length === 0
        ? "install the Debian package resource-agents"
        : `there are ${providers.join(", ")}`;
      return { mistake: `there are no OCF resource agents of the provider "${provider}" in ${directory}: ${hint}` };
    }
    const meant = nearest(type, types);
    const hint = meant === undefined
      ? provider === "heartbeat" ? ": is the Debian package resource-agents up to date?" : ""
      : `: did you mean "${meant}"?`;
    return { mistake: `there is no OCF resource agent "${provider}:${type}"${hint}` };
  }
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return (await readdir(directory)).filter((name) => !name.startsWith("."));
  } catch {
    return [];
  }
}

/** Agents mark the lines that are meant for people; where none is, all of it is. */
function reasonIn(output: string): string {
  const marked = [...output.matchAll(/^ocf-exit-reason:(.*)$/gm)].map(([, reason = ""]) => reason);
  return marked.length > 0 ? marked.join("\n") : output;
}

function answerOf(action: string, { provider, type }: OcfAgent, ending: ChildEnding): HookAnswer {
  const what = `the agent ${provider}:${type} (${action})`;
  const code = exitOf(what, ending);
  if (typeof code !== "number") return code;
  if (code === exitOk) return done;
  const wrote = lastLines(reasonIn(ending.output));
  const needs = code === 5 && packages[type] !== undefined ? ` (Debian package ${packages[type]})` : "";
  const reason = `${what} said ${code}: ${exitMeanings[code] ?? "a code without a meaning"}${needs}${wrote === "" ? "" : `; ${wrote}`}`;
  if (action === "monitor" && (code === exitPromoted || exitsDegraded.includes(code))) return answer("done", reason);
  if (code === exitNotRunning) return answer("notRunning", reason);
  return answer(exitsInvalid.includes(code) ? "invalid" : "failed", reason);
}
