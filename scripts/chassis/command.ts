/** Runs the machine's own programs: `ip`, `tc` and the like. */
import { spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { Refused } from "./refusal.ts";
import type { Script } from "./network.ts";

export type Outcome = { readonly code: number | null; readonly signal: string | null; readonly stdout: string; readonly stderr: string };

export type RunOptions = {
  readonly input?: string;
  readonly cwd?: string;
  readonly env?: Record<string, string | undefined>;
  /** SIGKILL after this. */
  readonly timeoutMs?: number;
};

/** Runs a program to its end. Refused when there is no such program; every other failure is in the outcome. */
export function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, [...args], {
      stdio: ["pipe", "pipe", "pipe"],
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...(options.env === undefined ? {} : { env: options.env as NodeJS.ProcessEnv }),
    });
    const timer = options.timeoutMs === undefined ? undefined : setTimeout(() => child.kill("SIGKILL"), options.timeoutMs);
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => stdout += text);
    child.stderr.setEncoding("utf8").on("data", (text: string) => stderr += text);
    // A program may end without reading its input; its exit code says what that means.
    child.stdin.on("error", () => {});
    child.stdin.end(options.input ?? "");
    child.on("error", (error) => {
      clearTimeout(timer);
      reject(new Refused("machine", `cannot run ${program}: ${error.message}; it comes with the Debian package ${packageOf(program)}`));
    });
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      resolve({ code, signal, stdout, stderr });
    });
  });
}

/** Runs a program that has to succeed. */
export async function runWell(program: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const outcome = await run(program, args, options);
  if (outcome.code === 0) return outcome.stdout;
  throw new Refused(
    "machine",
    `${program} ${args.join(" ")}: ${firstLine(outcome.stderr) || `ended with ${outcome.code ?? outcome.signal}`}`,
  );
}

/** Runs a script of `ip` in one process. */
export async function runScript(script: Script): Promise<void> {
  const inside = script.namespace === undefined ? [] : ["-n", script.namespace];
  await runWell("ip", [...inside, "-batch", "-"], { input: script.lines.join("\n") + "\n" });
}

/** How long `ip` may take to be there. */
const preparedMs = 30;

/** Has `ip` wait for the word to run a script, so that the start of a program does not come between. To be carried out once. */
export async function preparedScript({ namespace, lines }: Script): Promise<() => Promise<void>> {
  const inside = namespace === undefined ? [] : ["-n", namespace];
  const child = spawn("ip", [...inside, "-batch", "-"], { stdio: ["pipe", "ignore", "pipe"] });
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => stderr += text);
  child.stdin.on("error", () => {});
  const ended = new Promise<void>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => code === 0 ? resolve() : reject(new Refused("machine", `ip ${lines.join("; ")}: ${firstLine(stderr)}`)));
  });
  ended.catch(() => {});
  await sleep(preparedMs);
  return () => {
    child.stdin.end(lines.join("\n") + "\n");
    return ended;
  };
}

function firstLine(text: string): string {
  return text.trim().split("\n")[0] ?? "";
}

function packageOf(program: string): string {
  return program === "ip" || program === "tc" ? "iproute2" : program === "bash" ? "bash" : "util-linux";
}
