/** Devices: nodes that this program holds open. The kernel lets go of them with the program, whatever ends it. */
import { realpath, stat } from "node:fs/promises";
import { unreachable } from "../../base/assert.ts";
import type { HookKind, ResourceSpec } from "../../failover/resource.ts";
import type { DeviceDriver, DevicePort } from "../ports.ts";
import { answer, done, type HookAnswer, type HookContext, inTime, type Keeper } from "./hook.ts";

export type DeviceSpec = Extract<ResourceSpec, { readonly kind: "device" }>;

type Held = { readonly path: string; readonly port: DevicePort };

export class DeviceKeeper implements Keeper<DeviceSpec> {
  readonly #driver: DeviceDriver;
  /** By resource. */
  readonly #held = new Map<string, Held>();

  constructor(driver: DeviceDriver) {
    this.#driver = driver;
  }

  async perform(hook: HookKind, spec: DeviceSpec, context: HookContext): Promise<HookAnswer> {
    switch (hook) {
      case "validate": {
        const node = await nodeOf(spec.path);
        return "path" in node ? done : answer("invalid", node.mistake);
      }
      case "start":
        return await this.#start(spec, context);
      case "stop":
        return await this.#stop(spec, context);
      case "monitor":
        return await this.#monitor(spec, context);
      case "announce":
        return done;
      default:
        return unreachable(hook);
    }
  }

  async close(): Promise<void> {
    const ports = [...this.#held.values()].map(({ port }) => port);
    this.#held.clear();
    await Promise.all(ports.map((port) => port.close()));
  }

  async #start(spec: DeviceSpec, context: HookContext): Promise<HookAnswer> {
    const node = await nodeOf(spec.path);
    if ("mistake" in node) return answer("invalid", node.mistake);
    const held = this.#held.get(context.resource);
    if (held?.path === node.path) return await this.#monitor(spec, context);
    if (held !== undefined) return answer("failed", `it still holds ${held.path}: stop it first`);
    const { path } = node;
    return await inTime(`opening ${path}`, context, async (signal) => {
      const port = await this.#driver.open(path, { exclusive: spec.exclusive, signal });
      this.#held.set(context.resource, { path, port });
      return done;
    });
  }

  async #stop({ path }: DeviceSpec, context: HookContext): Promise<HookAnswer> {
    const held = this.#held.get(context.resource);
    if (held === undefined) return answer("notRunning", `${path} is not held`);
    const given = await inTime(`closing ${held.path}`, context, async () => {
      await held.port.release();
      return done;
    });
    // What does not answer stays held until its thread comes back: that is told, and not forgotten.
    if (given.outcome !== "done") return given;
    this.#held.delete(context.resource);
    await held.port.close();
    return done;
  }

  async #monitor({ path }: DeviceSpec, context: HookContext): Promise<HookAnswer> {
    const held = this.#held.get(context.resource);
    if (held === undefined) return answer("notRunning", `${path} is not held`);
    return await inTime(`asking ${held.path}`, context, async () => {
      await held.port.probe();
      return done;
    });
  }
}

/** Where the node is, symbolic links followed, or what is missing. */
async function nodeOf(path: string): Promise<{ readonly path: string } | { readonly mistake: string }> {
  if (!path.startsWith("/")) return { mistake: `the device "${path}" must be an absolute path` };
  try {
    const node = await realpath(path);
    const status = await stat(node);
    if (status.isBlockDevice() || status.isCharacterDevice()) return { path: node };
    return { mistake: `${path} is no device` };
  } catch (error) {
    return { mistake: `there is no device ${path} (${(error as NodeJS.ErrnoException).code ?? "unknown error"})` };
  }
}
