/** Running programs for hooks: where they are found, the environment they get, and the names of their groups. */
import { access, constants, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Parameters as Environment } from "../../failover/resource.ts";
import type { ChildEnding, ChildPort } from "../ports.ts";
import type { HookContext } from "./hook.ts";

const path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** What every program has: one path and one language, whatever the card itself was started with. */
const ground: Environment = { PATH: path, LC_ALL: "C.UTF-8", HOME: "/root", SHELL: "/bin/sh" };

/** A program by its name or absolute path; undefined where there is none that can be run. */
export async function findProgram(name: string): Promise<string | undefined> {
  const candidates = name.includes("/") ? [name] : path.split(":").map((folder) => join(folder, name));
  for (const candidate of candidates) {
    if (candidate.startsWith("/") && await isProgram(candidate)) return candidate;
  }
  return undefined;
}

async function isProgram(file: string): Promise<boolean> {
  try {
    await access(file, constants.X_OK);
    return (await stat(file)).isFile();
  } catch {
    return false;
  }
}

/** The group in which what a resource's start leaves running is: a file's name, in which dots are left to what is put behind it. */
export function groupOf(resource: string): string {
  return encodeURIComponent(resource).replaceAll(".", "%2E").slice(0, 200);
}

export type Run = {
  readonly program: string;
  readonly arguments: readonly string[];
  readonly environment?: Environment;
  /** What it leaves running when it ends by itself belongs to the resource. */
  readonly remains?: boolean;
  /** Less than the hook has left. */
  readonly withinMs?: number;
  readonly outputBytesMax?: number;
};

export class Programs {
  readonly #port: ChildPort;

  constructor(port: ChildPort) {
    this.#port = port;
  }

  /** Runs a program within what the hook has left. */
  run(
    context: HookContext,
    { program, arguments: given, environment, remains = false, withinMs, outputBytesMax }: Run,
  ): Promise<ChildEnding> {
    const group = groupOf(context.resource);
    return this.#port.run({
      program,
      arguments: given,
      environment: { ...ground, ...environment },
      group: remains ? group : `${group}.hook`,
      deadlineMs: Math.min(context.leftMs(), withinMs ?? Infinity),
      remains,
      signal: context.signal,
      ...(outputBytesMax === undefined ? {} : { outputBytesMax }),
    });
  }

  /** Ends whatever a resource's start left running. */
  sweep(resource: string): Promise<{ readonly found: number; readonly left: number }> {
    return this.#port.sweep(groupOf(resource));
  }

  /** Has the end of the last process be told that a resource's start left running, by this run of the card or by an earlier one. */
  watch(resource: string): void {
    this.#port.watch(groupOf(resource));
  }

  /** Who uses a mount; each is sent the signal. */
  users(...search: Parameters<ChildPort["users"]>): ReturnType<ChildPort["users"]> {
    return this.#port.users(...search);
  }
}
