/** The card program as a child process, and a program that is none, for the tests of the console. */
import { spawn } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { Command } from "../../src/console/command.ts";
import { consoleCommands } from "../../src/console/commands.ts";
import type { Program } from "../../src/console/program.ts";

export const main = fileURLToPath(new URL("../../firmware/main.ts", import.meta.url));

/** What this runtime runs a source with. */
export const runtime: readonly string[] = [process.execPath, ...("deno" in process.versions ? ["run", "-A"] : [])];

export type Ended = { readonly code: number | null; readonly stdout: string; readonly stderr: string };

/** Runs a program to its end, or for 30 s. */
export function run(
  command: readonly string[],
  options: {
    readonly env?: Readonly<Record<string, string>>;
    readonly signalAfter?: { readonly text: string; readonly signal: NodeJS.Signals };
  } = {},
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const [file, ...args] = command as [string, ...string[]];
    const env = { ...process.env, NO_COLOR: "1", COLUMNS: "80", CARDINAL_URL: "", ...options.env };
    const child = spawn(file, args, { env, stdio: ["ignore", "pipe", "pipe"], timeout: 30_000, killSignal: "SIGKILL" });
    let [stdout, stderr] = ["", ""];
    let due = options.signalAfter;
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
      if (due === undefined || !stdout.includes(due.text)) return;
      // Not child.kill: Deno then reports the signal as the end, whatever the child made of it.
      process.kill(child.pid as number, due.signal);
      due = undefined;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => stderr += text);
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, stdout, stderr }));
  });
}

export function cardinal(...words: readonly string[]): Promise<Ended> {
  return run([...runtime, main, ...words]);
}

function never(): never {
  throw new Error("no command of this test needs the program");
}

const nothing: Program = { runCard: never, keyFiles: never, configurations: never, openApiDocument: never };

/** The table, with nothing behind the commands that need the program. */
export const commands: readonly Command[] = consoleCommands(nothing);
