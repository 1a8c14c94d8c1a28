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

/** The card's answer, or nothing when it gives none. */
export async function cardStatus(namespaceName: string): Promise<CardStatus | undefined> {
  const { code, stdout } = await run("nsenter", [`--net=/run/netns/${namespaceName}`, "bash", "-c", ask], { timeoutMs: answerMs });
  const bodyAt = stdout.indexOf("\r\n\r\n");
  if (code !== 0 || bodyAt < 0 || !/^HTTP\/1\.[01] 200 /.test(stdout)) return undefined;
  try {
    return JSON.parse(stdout.slice(bodyAt + 4)) as CardStatus;
  } catch {
    // It was killed while it answered.
    return undefined;
  }
}
