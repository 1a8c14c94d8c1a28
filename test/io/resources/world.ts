/** A card's resources on this machine, in namespaces that end with the test, and with all processes in them. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setTimeout } from "node:timers/promises";
import { nativeResourceDrivers } from "../../../drivers/native.ts";
import type { HookKind, HookResult, ResourceEvent, ResourceSpec } from "../../../src/failover/resource.ts";
import { cgroupDirectory } from "../../../src/io/resources/cgroup.ts";
import { Resources, type ResourcesOptions } from "../../../src/io/resources/resources.ts";
import { enterNamespaces } from "../../conformance/namespace.ts";

/** Call it first: the file goes on in namespaces of its own for the network, mounts and processes. */
export function enterWorld(fileUrl: string): void {
  const flags = ["--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"];
  // A shell is the first process: it waits for orphans, as an init does.
  enterNamespaces(fileUrl, [...flags, "--", "/bin/sh", "-c", 'shift; "$@"; exit $?', "sh"]);
}

/** Loop devices and real-time scheduling are root's alone, and not of whoever is root in a user namespace. */
export const isRoot: boolean = /^\s*0\s+0\s+4294967295\s*$/m.test(readFileSync("/proc/self/uid_map", "utf8"));

export type World = {
  readonly resources: Resources;
  readonly events: ResourceEvent[];
  readonly results: HookResult[];
  /** An empty directory. */
  readonly directory: string;
  /** Whether resources have cgroups here, and in which directory. */
  readonly hasGroups: boolean;
  readonly groups: string;
  run(hook: HookKind, spec: ResourceSpec, options?: { readonly resource?: string; readonly deadlineMs?: number }): Promise<HookResult>;
  end(): Promise<void>;
};

let worlds = 0;

/** Directories that a test that ends by an error that nobody catches leaves. */
const left = new Set<string>();
process.once("exit", () => {
  for (const directory of left) {
    if (directory.startsWith(tmpdir())) rmSync(directory, { recursive: true, force: true });
    else spawnSync("find", [directory, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";"], { stdio: "ignore" });
  }
});

export async function makeWorld(options: Partial<ResourcesOptions> = {}): Promise<World> {
  const directory = mkdtempSync(join(tmpdir(), "cardinal-resources-"));
  const name = `test-${process.ppid}-${process.pid}-${Date.now()}-${worlds++}`;
  const groups = options.groups ?? await cgroupDirectory(name);
  left.add(directory);
  if (groups !== "") left.add(groups);
  const events: ResourceEvent[] = [];
  const results: HookResult[] = [];
  const waiting = new Map<number, (result: HookResult) => void>();
  let orders = 0;
  const resources = await Resources.open({
    drivers: nativeResourceDrivers(),
    name,
    onEvent: (event) => events.push(event),
    ...options,
    groups,
    onResult: (result) => {
      results.push(result);
      waiting.get(result.order)?.(result);
      waiting.delete(result.order);
    },
  });
  return {
    resources,
    events,
    results,
    directory,
    hasGroups: groups !== "",
    groups,
    run(hook, spec, { resource = "r.1/a", deadlineMs = 10_000 } = {}) {
      const order = ++orders;
      return new Promise((resolve) => {
        waiting.set(order, resolve);
        resources.order({ order, hook, resource, spec, deadlineMs });
      });
    },
    async end() {
      await resources.close();
      if (isAlone()) endAll();
      if (groups !== "") await removeGroups(groups);
      rmSync(directory, { recursive: true, force: true });
      left.delete(directory);
      left.delete(groups);
    },
  };
}

/** A cgroup goes once the last of its processes has ended. */
async function removeGroups(directory: string): Promise<void> {
  if (!existsSync(directory)) return;
  const subdirectories = readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  for (const { name } of subdirectories) await removeGroups(join(directory, name));
  for (let round = 0; round < 100; round++) {
    try {
      return rmdirSync(directory);
    } catch {
      await setTimeout(10);
    }
  }
}

/** Waits until something holds; fails when it does not within some seconds. */
export async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + 10_000;
  while (!await condition()) {
    if (performance.now() > end) throw new Error(`not within 10 s: ${what}`);
    await setTimeout(5);
  }
}

function endAll(): void {
  for (const pid of pids()) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It has ended meanwhile.
    }
  }
}

/** Whether this is the namespace that was made for the test: nobody's process but ours is in it. */
function isAlone(): boolean {
  return process.pid < 10;
}

function pids(): number[] {
  return readdirSync("/proc").map(Number).filter((pid) => pid > 1 && pid !== process.pid);
}

/** The command lines of the processes in this namespace that have not ended. */
export function processes(): string[] {
  return pids().map(commandOf).filter((line) => line !== "");
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
  } catch {
    return "";
  }
}
