/**
 * Opens something with native drivers and prints the error's message: run in a process without the permission.
 * Arguments: "ether" and an interface, or "uart" and a path.
 */
import process from "node:process";
import { nativeDrivers } from "../../drivers/native.ts";

const [kind, name = ""] = process.argv.slice(2);
const drivers = nativeDrivers();
try {
  if (kind === "ether") await drivers.ether.open({ interface: name, etherTypes: [0x88b5], groups: [] }, () => {});
  else await drivers.uart.open({ path: name, baudRate: 115_200 });
  console.log("no error");
} catch (error) {
  console.log((error as Error).message);
}
process.exit(0);
