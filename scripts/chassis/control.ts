/** The control socket of a chassis: one order and one answer per connection, each a line of JSON. */
import { chmodSync } from "node:fs";
import { createConnection, createServer, type Server, type Socket } from "node:net";
import type { LineDirection } from "../../src/sim/multiplexor.ts";
import type { Place } from "./names.ts";
import { type RefusalCode, Refused } from "./refusal.ts";

export type Order =
  /** `cards` asks every card for what it says of itself as well. */
  | { readonly verb: "status"; readonly cards: boolean }
  | { readonly verb: "pull" | "crash" | "insert" | "reset" | "leave"; readonly place: Place }
  | { readonly verb: "stall"; readonly place: Place; readonly ms: number }
  | { readonly verb: "cutEther"; readonly place: Place; readonly directions: EtherFault }
  | { readonly verb: "cutSerial"; readonly place: Place; readonly directions: readonly LineDirection[] }
  | { readonly verb: "cutMux"; readonly chassis: number }
  | { readonly verb: "corrupt"; readonly place: Place; readonly rate: number }
  /** Without a place, everything. */
  | { readonly verb: "heal"; readonly place?: Place }
  | { readonly verb: "down" };

/** `unplug` takes the carrier away; directions, as the card sees them, let frames vanish; `apart` leaves it the cards that are apart too; `from` lets those of one card vanish. */
export type EtherFault = readonly LineDirection[] | "unplug" | "apart" | { readonly from: Place };

type Answer = { readonly value: unknown } | { readonly refused: { readonly code: RefusalCode; readonly message: string } };

const lineBytesMax = 16 * 1024 * 1024;

export function serveControl(path: string, carryOut: (order: Order) => Promise<unknown>): Promise<Server> {
  const server = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    readLine(socket, async (line) => {
      let answer: Answer;
      try {
        answer = { value: await carryOut(orderOf(line)) };
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        answer = { refused: { code: error.code, message: error.message } };
      }
      socket.end(JSON.stringify(answer) + "\n");
    });
  });
  return new Promise((resolve, reject) => {
    server.on("error", reject);
    server.listen(path, () => {
      chmodSync(path, 0o600);
      resolve(server);
    });
  });
}

/** Gives an order to the daemon. `undefined` when there is no daemon behind the socket. */
export function giveOrder(path: string, order: Order): Promise<{ readonly value: unknown } | undefined> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path);
    let answered = false;
    socket.on("connect", () => socket.write(JSON.stringify(order) + "\n"));
    readLine(socket, (line) => {
      answered = true;
      socket.end();
      const answer = JSON.parse(line) as Answer;
      if ("refused" in answer) reject(new Refused(answer.refused.code, answer.refused.message));
      else resolve(answer);
    });
    socket.on("error", () => {});
    socket.on("close", () => {
      if (!answered) resolve(undefined);
    });
  });
}

/** Only programs of this folder talk here, and only those of the same user; what they say is still not believed to be JSON. */
function orderOf(line: string): Order {
  try {
    return JSON.parse(line) as Order;
  } catch {
    throw new Refused("usage", "an order is a line of JSON");
  }
}

function readLine(socket: Socket, onLine: (line: string) => void): void {
  let text = "";
  let done = false;
  socket.setEncoding("utf8");
  socket.on("data", (piece: string) => {
    if (done) return;
    text += piece;
    const end = text.indexOf("\n");
    if (end < 0 && text.length < lineBytesMax) return;
    done = true;
    if (end < 0) socket.destroy();
    else onLine(text.slice(0, end));
  });
}
