/** Opens ports in a worker and says so; they are open when it is ended. */
import { parentPort } from "node:worker_threads";
import { nativeDrivers } from "../../drivers/native.ts";

const drivers = nativeDrivers();
const pty = await drivers.pty.open(() => {});
await drivers.uart.open({ path: pty.path, baudRate: 115_200 });
setInterval(() => pty.write(Uint8Array.of(1)), 1);
parentPort?.postMessage("open");
