/** A program at the other end of the applications' socket that says exactly what it is told to, right or wrong. */
import { connect, type Socket } from "node:net";
import {
  type ApplicationFrame,
  type CardFrame,
  decodeCardFrame,
  encodeApplicationFrame,
  FrameReader,
  isMalformedFrame,
} from "../../src/io/application-wire.ts";
import { applicationEventBytesMax } from "../../src/limits.ts";

export type ApplicationPeer = {
  readonly socket: Socket;
  /** All that has come. */
  readonly frames: readonly CardFrame[];
  readonly isClosed: boolean;
  say(...frames: readonly ApplicationFrame[]): void;
  sayBytes(bytes: Uint8Array): void;
  /** The next frame of a kind; `undefined` when the connection ends without one. */
  next<Kind extends CardFrame["kind"]>(kind: Kind): Promise<Extract<CardFrame, { readonly kind: Kind }> | undefined>;
  /** Resolves when the connection is over. */
  closed(): Promise<void>;
};

/** Connects and, unless told not to, says hello. A half open one goes on when the server has ended. Rejects when there is no connection. */
export async function connectPeer(
  path: string,
  options: { readonly hello?: boolean; readonly halfOpen?: boolean } = {},
): Promise<ApplicationPeer> {
  const socket = connect({ path, allowHalfOpen: options.halfOpen === true });
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("error", reject);
  });
  const reader = new FrameReader(applicationEventBytesMax);
  const frames: CardFrame[] = [];
  let taken = 0;
  let isClosed = false;
  let wake = () => {};
  socket.on("data", (bytes: Uint8Array) => {
    reader.push(bytes);
    for (let body = reader.next(); body !== undefined; body = reader.next()) {
      const frame = isMalformedFrame(body) ? body : decodeCardFrame(body);
      if (isMalformedFrame(frame)) throw new Error(`the server wrote a frame that is malformed: ${frame.malformed}`);
      frames.push(frame);
    }
    wake();
  });
  socket.on("error", () => {});
  socket.on("close", () => {
    isClosed = true;
    wake();
  });
  const change = () => new Promise<void>((resolve) => wake = resolve);
  const peer: ApplicationPeer = {
    socket,
    frames,
    get isClosed() {
      return isClosed;
    },
    say: (...said) => said.forEach((frame) => socket.write(encodeApplicationFrame(frame))),
    sayBytes: (bytes) => void socket.write(bytes),
    next: async <Kind extends CardFrame["kind"]>(kind: Kind) => {
      for (;;) {
        while (taken < frames.length) {
          const frame = frames[taken++] as CardFrame;
          if (frame.kind === kind) return frame as Extract<CardFrame, { readonly kind: Kind }>;
        }
        if (isClosed) return undefined;
        await change();
      }
    },
    closed: async () => {
      while (!isClosed) await change();
    },
  };
  if (options.hello !== false) peer.say({ kind: "hello", version: 1 });
  return peer;
}
