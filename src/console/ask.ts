/** Asks a card over HTTP, with `node:http` alone: it loads in a fraction of the time that `fetch` takes. */
import type { IncomingMessage } from "node:http";

export type Answer = { readonly status: number; readonly mediaType: string; readonly body: string };

/** Why there is no answer, in words. */
export type NoAnswer = { readonly unreachable: string };

const bodyBytesMax = 16 * 1024 * 1024;

/** The port that a card listens on unless its configuration says otherwise. */
export const defaultPort = 8421;

/**
 * A card's address as people give it: a URL, or just a host with or without a port. `undefined` when it is neither.
 * The result ends with a slash, so that paths are relative to it.
 */
export function cardUrl(text: string): URL | undefined {
  const withScheme = /^[a-z][a-z0-9+.-]*:\/\//i.test(text);
  const withPort = /:\d+\/?$/.test(text.replace(/\[[^\]]*\]/, ""));
  const full = withScheme ? text : `http://${withPort ? text : text.replace(/^([^/]*)/, `$1:${defaultPort}`)}`;
  if (!URL.canParse(full)) return undefined;
  const url = new URL(full);
  if ((url.protocol !== "http:" && url.protocol !== "https:") || url.hostname === "") return undefined;
  url.search = "";
  url.hash = "";
  if (!url.pathname.endsWith("/")) url.pathname += "/";
  return url;
}

/** The answer to GET `url`; it waits at most `timeoutMs` in all. */
export async function ask(url: URL, timeoutMs: number, signal?: AbortSignal): Promise<Answer | NoAnswer> {
  const { get } = url.protocol === "https:" ? await import("node:https") : await import("node:http");
  return await new Promise((resolve) => {
    const finish = (answer: Answer | NoAnswer) => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
      resolve(answer);
      request.destroy();
    };
    const onAbort = () => finish({ unreachable: "interrupted" });
    const request = get(url, { agent: false, headers: { accept: "application/json" } }, (response: IncomingMessage) => {
      const decoder = new TextDecoder();
      let body = "";
      response.on("data", (bytes: Uint8Array) => {
        body += decoder.decode(bytes, { stream: true });
        if (body.length > bodyBytesMax) finish({ unreachable: `the answer is larger than ${bodyBytesMax / 1_048_576} MiB` });
      });
      response.on("end", () =>
        finish({
          status: response.statusCode ?? 0,
          mediaType: (response.headers["content-type"] ?? "").split(";", 1)[0] as string,
          body: body + decoder.decode(),
        }));
      response.on("error", (error) => finish({ unreachable: reasonOf(error) }));
    });
    request.on("error", (error) => finish({ unreachable: reasonOf(error) }));
    const timer = setTimeout(() => finish({ unreachable: `no answer within ${timeoutMs / 1_000} s` }), timeoutMs);
    if (signal?.aborted === true) onAbort();
    else signal?.addEventListener("abort", onAbort);
  });
}

const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nothing listens there",
  ECONNRESET: "the connection was cut",
  EHOSTUNREACH: "there is no way to the host",
  ENETUNREACH: "there is no way to the network",
  ENOTFOUND: "the host's name is not known",
  EAI_AGAIN: "the host's name could not be looked up",
  ETIMEDOUT: "the host does not answer",
  EACCES: "permission denied",
  EPROTO: "it does not speak TLS; try http:",
  HPE_INVALID_CONSTANT: "it does not speak HTTP",
};

function reasonOf(error: Error & { readonly code?: string; readonly errors?: readonly Error[] }): string {
  const cause = error.errors?.[0] as (Error & { readonly code?: string }) | undefined;
  // Foreign messages can have several lines.
  return reasons[error.code ?? cause?.code ?? ""] ?? ((error.message || cause?.message || "it failed").split("\n")[0] as string);
}
