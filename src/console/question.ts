/** Asks a person yes or no. */
import type { CommandContext } from "./command.ts";

/** True for yes, false for no or no answer, undefined when it was interrupted. */
export async function askYesNo(context: CommandContext, text: string, signal: AbortSignal): Promise<boolean | undefined> {
  const { terminal } = context;
  const decoder = new TextDecoder();
  let typed = "";
  terminal.stderr(`${text} [y/N] `);
  const stop = new AbortController();
  const onAbort = () => stop.abort();
  signal.addEventListener("abort", onAbort);
  try {
    for await (const piece of context.input(stop.signal)) {
      typed += decoder.decode(piece, { stream: true });
      for (let end = typed.indexOf("\n"); end >= 0; end = typed.indexOf("\n")) {
        const answer = typed.slice(0, end).trim().toLowerCase();
        typed = typed.slice(end + 1);
        if (answer === "y" || answer === "yes") return true;
        if (answer === "" || answer === "n" || answer === "no") return false;
        terminal.stderr("yes or no? [y/N] ");
      }
    }
  } finally {
    signal.removeEventListener("abort", onAbort);
    stop.abort();
  }
  if (signal.aborted) terminal.stderr("\n");
  return signal.aborted ? undefined : false;
}
