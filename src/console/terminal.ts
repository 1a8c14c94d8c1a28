/** The process's own terminal, its input, and its interruption. */
import process from "node:process";
import type { Terminal } from "./command.ts";

type BrokenOutput = Error & { readonly code?: string };

function onBroken(stream: NodeJS.WriteStream, error: BrokenOutput): never {
  if (error.code === "EPIPE" || error.name === "BrokenPipe") process.exit(process.exitCode ?? 0);
  if (stream === process.stdout) process.stderr.write(`cardinal: the output cannot be written: ${error.message}\n`);
  process.exit(1);
}

/** Standard output and error. A reader that goes away (`cardinal status | head`) ends the process without a complaint. */
export function processTerminal(): Terminal {
  const { stdout, stderr, env } = process;
  const write = (stream: NodeJS.WriteStream, text: string) => {
    try {
      stream.write(text);
    } catch (error) {
      // Deno's streams throw where Node's tell their listeners.
      onBroken(stream, error as BrokenOutput);
    }
  };
  for (const stream of [stdout, stderr]) stream.on("error", (error: BrokenOutput) => onBroken(stream, error));
  const isTty = stdout.isTTY === true;
  return {
    stdout: (text) => write(stdout, text),
    stderr: (text) => write(stderr, text),
    drained: () => stdout.writableNeedDrain ? new Promise((resolve) => stdout.once("drain", resolve)) : Promise.resolve(),
    // Asked each time: a window changes its size.
    get columns() {
      return (isTty ? stdout.columns : undefined) || positive(env["COLUMNS"]) || 80;
    },
    get rows() {
      return (isTty ? stdout.rows : undefined) || 24;
    },
    isTty,
    isErrorTty: stderr.isTTY === true,
    get isInputTty() {
      return process.stdin.isTTY === true;
    },
    color: isTty && (env["NO_COLOR"] ?? "") === "" && env["TERM"] !== "dumb",
  };
}

function positive(text: string | undefined): number | undefined {
  return text !== undefined && /^[1-9][0-9]{0,3}$/.test(text) ? Number(text) : undefined;
}

/**
 * Standard input; read no faster than it is taken. Once the signal has ended it, it no longer keeps the process running. It is not
 * simply iterated over: Deno never wakes who waits in there when the stream is destroyed.
 */
export async function* processInput(signal: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
  const { stdin } = process;
  const pieces: Uint8Array[] = [];
  let isOver = false;
  let failure: Error | undefined;
  let wake = () => {};
  const end = () => {
    isOver = true;
    wake();
  };
  stdin.on("data", (piece: Uint8Array) => {
    pieces.push(piece);
    stdin.pause();
    wake();
  });
  stdin.on("end", end);
  stdin.on("error", (error) => {
    failure = error;
    end();
  });
  signal.addEventListener("abort", end);
  try {
    for (;;) {
      const piece = signal.aborted ? undefined : pieces.shift();
      if (piece !== undefined) yield piece;
      else if (isOver || signal.aborted) break;
      else {
        stdin.resume();
        await new Promise<void>((resolve) => wake = resolve);
      }
    }
    if (failure !== undefined && !signal.aborted) throw failure;
  } finally {
    signal.removeEventListener("abort", end);
    stdin.pause();
    stdin.destroy();
  }
}

/** A signal that Ctrl-C and SIGTERM abort. The second one ends the process, should the first be of no use. */
export function processInterruption(): () => AbortSignal {
  let signal: AbortSignal | undefined;
  return () => {
    if (signal !== undefined) return signal;
    const controller = new AbortController();
    for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => controller.abort());
    signal = controller.signal;
    return signal;
  };
}
