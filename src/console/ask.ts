/** Asks a card over HTTP, with `node:http` alone: it loads in a fraction of the time that `fetch` takes. */
import type { IncomingMessage } from "node:http";

export type Answer = {
  readonly status: number;
  readonly mediaType: string;
  readonly body: string;
  /** The answer's fields by their names in small letters. */
  readonly fields?: Readonly<Record<string, string | readonly string[] | undefined>>;
};

/** What is asked, besides of whom. */
export type Question = {
  /** GET when nothing is said. */
  readonly method?: string;
  readonly fields?: Readonly<Record<string, string>>;
  readonly content?: Uint8Array | AsyncIterable<Uint8Array>;
  /** For the answer in all, or, where `onPiece` takes it, until nothing comes any more. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  /** Takes the content of a good answer in pieces, no faster than it resolves; without it all of it is `body`. */
  readonly onPiece?: (piece: Uint8Array) => Promise<void>;
};

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
  return await exchange(url, { timeoutMs, ...(signal === undefined ? {} : { signal }) });
}

/** The answer to a question, or why there is none. */
export async function exchange(url: URL, question: Question): Promise<Answer | NoAnswer> {
  const { method = "GET", fields = {}, content, timeoutMs, signal, onPiece } = question;
  const { request: open } = url.protocol === "https:" ? await import("node:https") : await import("node:http");
  return await new Promise((resolve) => {
    const finish = (answer: Answer | NoAnswer) => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
      resolve(answer);
      request.destroy();
    };
    const onAbort = () => finish({ unreachable: "interrupted" });
    const length: Record<string, string> = content instanceof Uint8Array ? { "content-length": String(content.length) } : {};
    const options = { method, agent: false, headers: { accept: "application/json", ...length, ...fields } };
    const request = open(url, options, (response: IncomingMessage) => {
      const decoder = new TextDecoder();
      let body = "";
      const status = response.statusCode ?? 0;
      const end = () =>
        finish({
          status,
          mediaType: (response.headers["content-type"] ?? "").split(";", 1)[0] as string,
          body: body + decoder.decode(),
          fields: response.headers,
        });
      response.on("error", (error) => finish({ unreachable: reasonOf(error) }));
      response.on("aborted", () => finish({ unreachable: "the connection was cut in the middle of the answer" }));
      if (onPiece !== undefined && status === 200) {
        void (async () => {
          for await (const piece of response) {
            timer.refresh();
            await onPiece(piece as Uint8Array);
          }
          end();
        })().catch((error: Error) => finish({ unreachable: reasonOf(error) }));
        return;
      }
      response.on("data", (bytes: Uint8Array) => {
        body += decoder.decode(bytes, { stream: true });
        if (body.length > bodyBytesMax) finish({ unreachable: `the answer is larger than ${bodyBytesMax / 1_048_576} MiB` });
      });
      response.on("end", end);
    });
    request.on("error", (error) => finish({ unreachable: reasonOf(error) }));
    const timer = setTimeout(() => finish({ unreachable: `no answer within ${timeoutMs / 1_000} s` }), timeoutMs);
    if (signal?.aborted === true) return onAbort();
    signal?.addEventListener("abort", onAbort);
    if (content === undefined || content instanceof Uint8Array) return void request.end(content);
    void (async () => {
      for await (const piece of content) {
        if (request.destroyed) return;
        timer.refresh();
        if (!request.write(piece)) await new Promise((drained) => request.once("drain", drained).once("close", drained));
      }
      request.end();
    })().catch((error: Error) => finish({ unreachable: reasonOf(error) }));
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
  EPIPE: "the connection was cut",
  EPROTO: "it does not speak TLS; try http:",
  HPE_INVALID_CONSTANT: "it does not speak HTTP",
};

function reasonOf(error: Error & { readonly code?: string; readonly errors?: readonly Error[] }): string {
  const cause = error.errors?.[0] as (Error & { readonly code?: string }) | undefined;
  // Foreign messages can have several lines.
  return reasons[error.code ?? cause?.code ?? ""] ?? ((error.message || cause?.message || "it failed").split("\n")[0] as string);
}
