/** A process whose end is watched by lifetime.test.ts. Its first argument says what it does. */
import process from "node:process";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { nativeDrivers } from "../../drivers/native.ts";

const [what, kind] = process.argv.slice(2);
const drivers = nativeDrivers();

function fail(): never {
  throw new Error("thrown by the listener");
}

async function throwFrom(): Promise<void> {
  if (kind === "ether") {
    await drivers.ether.open({ interface: "left0", etherTypes: [0x88b5], groups: [] }, fail);
  } else if (kind === "pty") {
    const pty = await drivers.pty.open(fail);
    const uart = await drivers.uart.open({ path: pty.path, baudRate: 115_200 });
    await uart.write(Buffer.from([1]));
  } else {
    const pty = await drivers.pty.open(() => {});
    const uart = await drivers.uart.open({ path: pty.path, baudRate: 115_200 });
    void uart.read(Buffer.alloc(1), 0, 1).then(fail);
    pty.write(Uint8Array.of(1));
  }
  await setTimeout(2_000);
  console.log("still running");
}

switch (what) {
  case "throw":
    await throwFrom();
    break;
  case "exit": {
    const pty = await drivers.pty.open(() => {});
    await drivers.uart.open({ path: pty.path, baudRate: 115_200 });
    process.exit(7);
    break;
  }
  case "wait":
    await drivers.pty.open(() => {});
    break;
  case "worker": {
    const worker = new Worker(fileURLToPath(new URL("lifetime-worker.ts", import.meta.url)));
    await new Promise((resolve) => worker.once("message", resolve));
    await worker.terminate();
    console.log("ended");
    process.exit(0);
    break;
  }
  case "promise": {
    // What was awaited goes on without anything else having to happen.
    const pty = await drivers.pty.open(() => {});
    const uart = await drivers.uart.open({ path: pty.path, baudRate: 115_200 });
    const read = uart.read(Buffer.alloc(1), 0, 1);
    pty.write(Uint8Array.of(1));
    await read;
    console.log("settled");
    process.exit(0);
  }
}
