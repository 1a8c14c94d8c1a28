/**
 * Asks a card for its status, on its own loopback interface: that works whatever is cut outside. A process cannot
 * change its network namespace here, so a short-lived shell goes in and asks.
 */
import type { CardStatus } from "../../src/node/status.ts";
import { run } from "./command.ts";
import { httpPort } from "./settings.ts";

const ask = `exec 3<>/dev/tcp/127.0.0.1/${httpPort} && printf 'GET /v1/status HTTP/1.0\\r\\nHost: card\\r\\n\\r\\n' >&3 && exec cat <&3`;

/** A card that is stopped accepts the connection and never answers. */
const answerMs = 1_000;

/** The card's answer, or why there is none. */
export async function askCard(namespaceName: string): Promise<CardStatus | { readonly silent: string }> {
  const { code, stdout, stderr } = await run("nsenter", [`--net=/run/netns/${namespaceName}`, "bash", "-c", ask], { timeoutMs: answerMs });
  if (code === null) return { silent: `no answer within ${answerMs} ms` };
  if (code !== 0) return { silent: stderr.trim().split("\n")[0] ?? "" };
  const [statusLine = ""] = stdout.split("\r\n");
  if (!/^HTTP\/1\.[01] 200 /.test(statusLine)) return { silent: `it answers ${JSON.stringify(statusLine.slice(0, 80))}` };
  try {
    return JSON.parse(stdout.slice(stdout.indexOf("\r\n\r\n") + 4)) as CardStatus;
  } catch {
    return { silent: "it ended in the middle of its answer" };
  }
}
