/**
 * The process of a serial multiplexor: runs `Multiplexor`, which decides everything, on one pty per slot. The
 * daemon starts it with an IPC channel and it ends with that channel.
 *
 * It adds one thing to what `Multiplexor` knows: whether a program has the card's end of a line. Bytes that an
 * ended program wrote may still be in its pty, and bytes that are written while none runs would wait there for the
 * next one; on a real line both are lost. So every start of a program gets a pty of its own.
 */
import { nativeDrivers } from "../../drivers/native.ts";
import { unreachable } from "../../src/base/assert.ts";
import { Prng } from "../../src/base/prng.ts";
import { systemNumberOf } from "../../src/io/config.ts";
import { readKeyFile } from "../../src/io/key-file.ts";
import type { PtyDriver, PtyPort } from "../../src/io/ports.ts";
import { isRefusal } from "../../src/io/refusal.ts";
import { Multiplexor, type MultiplexorInput } from "../../src/sim/multiplexor.ts";
import { Keyring } from "../../src/wire/auth.ts";
import type { FromMultiplexor, Line, MultiplexorOrder, MultiplexorStart, ToMultiplexor } from "./multiplexor-messages.ts";

/** Above every card's program, which may be real-time as well: it stands for hardware. */
const realtimePriority = 60;

class Runner {
  readonly #multiplexor: Multiplexor;
  readonly #pty: PtyDriver = nativeDrivers().pty;
  /** Slot n at n - 1; a slot without a port has nobody at the card's end. */
  readonly #ports: (PtyPort | undefined)[];
  readonly #unread: number[];
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(start: MultiplexorStart, keyring: Keyring) {
    this.#multiplexor = new Multiplexor({
      chassis: start.chassis,
      system: systemNumberOf(start.systemName),
      keyring,
      baud: start.baud,
      incarnation: start.incarnation,
      prng: new Prng(start.seed),
      power: Array.from({ length: start.slots }, () => "on" as const),
    }, performance.now());
    this.#ports = Array.from({ length: start.slots }, () => undefined);
    this.#unread = Array.from({ length: start.slots }, () => 0);
    this.#arm();
  }

  async perform(order: MultiplexorOrder): Promise<void> {
    switch (order.kind) {
      case "connect":
        await this.#disconnect(order.slot);
        return await this.#connect(order.slot);
      case "disconnect":
        return await this.#disconnect(order.slot);
      case "counters":
        return;
      case "power":
      case "resetDone":
      case "cut":
      case "corrupt":
      case "dead":
        return this.#step(order);
      default:
        return unreachable(order);
    }
  }

  lines(): Line[] {
    return this.#ports.map((port, index) => ({
      ...(port === undefined ? {} : { device: port.path }),
      counters: { ...this.#multiplexor.counters(index + 1), unread: this.#unread[index] as number },
    }));
  }

  async #connect(slot: number): Promise<void> {
    const port = await this.#pty.open((bytes) => {
      if (this.#ports[slot - 1] === port) this.#step({ kind: "bytes", slot, bytes });
    });
    this.#ports[slot - 1] = port;
  }

  async #disconnect(slot: number): Promise<void> {
    const port = this.#ports[slot - 1];
    this.#ports[slot - 1] = undefined;
    await port?.close();
  }

  #step(input: MultiplexorInput): void {
    for (const output of this.#multiplexor.step(performance.now(), input)) {
      if (output.kind === "reset") tell({ kind: "reset", slot: output.slot });
      else this.#write(output.slot, output.bytes);
    }
    this.#arm();
  }

  #write(slot: number, bytes: Uint8Array): void {
    const port = this.#ports[slot - 1];
    if (port !== undefined) this.#unread[slot - 1] = (this.#unread[slot - 1] as number) + bytes.length - port.write(bytes);
  }

  #arm(): void {
    clearTimeout(this.#timer);
    const inMs = this.#multiplexor.deadline() - performance.now();
    if (inMs !== Infinity) this.#timer = setTimeout(() => this.#step({ kind: "tick" }), Math.max(0, inMs));
  }
}

function tell(message: FromMultiplexor): void {
  process.send?.(message);
}

function enterRealtime(): string | undefined {
  try {
    nativeDrivers().realtime.enter(realtimePriority);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/** Without keys there is no multiplexor: its end is the answer, and the daemon tells where the log is. */
function readKeys(path: string): Keyring {
  const keys = readKeyFile(path);
  if (isRefusal(keys)) throw new Error(keys.message);
  return new Keyring(keys.map(({ secret }) => secret));
}

let runner: Runner | undefined;

process.on("disconnect", () => process.exit(0));
process.on("message", async (message: ToMultiplexor) => {
  if (message.kind === "order") {
    await runner?.perform(message.order);
    tell({ kind: "done", id: message.id, lines: runner?.lines() ?? [] });
    return;
  }
  runner = new Runner(message, readKeys(message.keyFile));
  const because = enterRealtime();
  tell({ kind: "ready", realtime: because === undefined, ...(because === undefined ? {} : { notRealtimeBecause: because }) });
});
