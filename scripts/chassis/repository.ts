/** Where this checkout is, and the programs in it that the chassis runs. */
import { accessSync, constants, existsSync, realpathSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Refused } from "./refusal.ts";
import type { Runtime } from "./settings.ts";

export const repository = fileURLToPath(new URL("../../", import.meta.url)).replace(/\/$/, "");
export const buildDirectory = `${repository}/build`;
/** The pinned Node; the chassis's own processes run on it, whatever runs the command line. */
export const node = pinned("node");
const binary = `${buildDirectory}/cardinal`;
const sources = `${repository}/firmware/main.ts`;

/** The compiled binary when it is built, else the sources on Node. */
export function usualRuntime(): Runtime {
  return isExecutable(binary) ? "binary" : "node";
}

/** The command that starts the card's program, without its arguments. */
export function cardProgram(runtime: Runtime): readonly string[] {
  switch (runtime) {
    case "binary":
      if (isExecutable(binary)) return [binary];
      throw new Refused("machine", "build/cardinal is not built: run npm run build, or say --runtime node");
    case "node":
      return [node, sources];
    case "deno":
      return [pinned("deno"), "run", "-A", sources];
  }
}

/** The program itself behind the link that npm made, so that signals reach it and nothing in between. */
function pinned(name: "node" | "deno"): string {
  const link = `${repository}/node_modules/.bin/${name}`;
  return existsSync(link) ? realpathSync(link) : link;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
