/** A card that only answers, and the console asking it in this process. */
import { createServer } from "node:http";
import { runConsole } from "../../src/console/console.ts";
import { commands } from "./program.ts";

export type Said = { readonly code: number; readonly stdout: string; readonly stderr: string };

/** Runs a command against a server that has `answers` by path; what is not there is 404. */
export async function askedOf(
  answers: Readonly<Record<string, string>>,
  words: readonly string[],
  options: {
    readonly columns?: number;
    readonly untilInterrupted?: () => AbortSignal;
    readonly onText?: (text: string) => void;
    readonly onAsked?: () => void;
  } = {},
): Promise<Said> {
  const server = createServer((request, response) => {
    // Who wants to be told of the question keeps it from being answered.
    if (options.onAsked !== undefined) return options.onAsked();
    const body = answers[request.url ?? ""];
    if (body === undefined) response.writeHead(404).end("no");
    else response.setHeader("content-type", "application/json").end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  let [stdout, stderr] = ["", ""];
  try {
    const code = await runConsole(words, commands, {
      version: "1",
      environment: { CARDINAL_URL: `http://127.0.0.1:${address.port}` },
      terminal: {
        stdout: (text) => {
          stdout += text;
          options.onText?.(text);
        },
        stderr: (text) => stderr += text,
        columns: options.columns ?? 80,
        rows: 24,
        isTty: false,
        color: false,
      },
      ...(options.untilInterrupted === undefined ? {} : { untilInterrupted: options.untilInterrupted }),
    });
    return { code, stdout, stderr };
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}
