/** Runs a test file in Linux namespaces of its own, so that what it does to the network stays in there. */
import { spawnSync } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";

const variable = "CARDINAL_TEST_NAMESPACE";

/** The command line that runs a TypeScript file on the runtime that we are on. */
export function runCommand(file: string): [string, ...string[]] {
  const arguments_ = process.versions["deno"] === undefined ? [...process.execArgv, file] : ["run", "-A", file];
  return [process.execPath, ...arguments_];
}

/**
 * Call it first in a test file. Outside, it runs the file again inside new namespaces (of `unshare`'s `flags`) and
 * exits as that does; inside, it returns.
 */
export function enterNamespaces(fileUrl: string, flags: readonly string[] = ["--net"]): void {
  if (process.env[variable] === fileUrl) return;
  const asRoot = process.getuid?.() === 0 ? [] : ["--user", "--map-root-user"];
  const child = spawnSync("unshare", [...asRoot, ...flags, "--", ...runCommand(fileURLToPath(fileUrl)), ...process.argv.slice(2)], {
    env: { ...process.env, [variable]: fileUrl },
    stdio: "inherit",
  });
  if (child.error !== undefined) throw child.error;
  process.exit(child.status ?? 1);
}

/** Runs a command and gives its standard output; throws with its standard error when it fails. */
export function command(name: string, ...arguments_: string[]): string {
  const child = spawnSync(name, arguments_, { encoding: "utf8" });
  if (child.error !== undefined) throw child.error;
  if (child.status !== 0) throw new Error(`${name} ${arguments_.join(" ")}: ${child.stderr}`);
  return child.stdout;
}
