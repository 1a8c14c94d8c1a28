/** Both tty drivers against one suite: the native one on pseudo terminals. */
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import { nativeDrivers } from "../../drivers/native.ts";
import { simulatedMachine } from "../../drivers/simulated/machine.ts";
import type { Drivers } from "../../src/io/ports.ts";
import { closing } from "./closing.ts";
import { command, runCommand } from "./namespace.ts";
import { FarEnd, uartConformance, type UartWorld } from "./uart.ts";
import { VirtualTime } from "./virtual-time.ts";
import { realWaiting, virtualWaiting } from "./world.ts";

async function makeLine(drivers: Drivers): Promise<FarEnd> {
  const received: Uint8Array[] = [];
  return new FarEnd(await drivers.pty.open((bytes) => received.push(bytes)), received);
}

/**
 * A pseudo terminal carries no BREAK and no damaged byte. But its line discipline can be told to mark nothing, and
 * then the marks that a UART's would make can be written through it.
 */
async function writeMarks(line: FarEnd, ...marks: number[]): Promise<void> {
  command("stty", "-F", line.path, "-parmrk");
  line.pty.write(Uint8Array.from(marks));
  // The bytes are marked when they pass the line discipline, which they must have before it marks again.
  await realWaiting.settle();
  command("stty", "-F", line.path, "parmrk");
}

function native(): Promise<UartWorld> {
  const { drivers, closeAll } = closing(nativeDrivers());
  return Promise.resolve({
    ...realWaiting,
    drivers,
    notTty: "/dev/null",
    makeLine: () => makeLine(drivers),
    sendBreak: (line) => writeMarks(line, 0xff, 0, 0),
    sendDamaged: (line) => writeMarks(line, 0xff, 0, 0x41),
    openForbidden: (path) => {
      const program = fileURLToPath(new URL("forbidden.ts", import.meta.url));
      command("chmod", "000", path);
      return Promise.resolve(command("setpriv", "--bounding-set=-dac_override,-dac_read_search", ...runCommand(program), "uart", path));
    },
    end: closeAll,
  });
}

function simulated(): Promise<UartWorld> {
  const time = new VirtualTime();
  const machine = simulatedMachine({ scheduler: time, etherDelayMs: 0, isPrivileged: true });
  const { drivers, closeAll } = closing(machine.drivers);
  return Promise.resolve({
    ...virtualWaiting(time),
    drivers,
    notTty: "/dev/null",
    makeLine: () => makeLine(drivers),
    sendBreak: (line) => Promise.resolve(machine.ttys.lineAt(line.path)?.sendBreak()),
    sendDamaged: (line) => Promise.resolve(machine.ttys.lineAt(line.path)?.sendDamaged("framing")),
    openForbidden: async (path) => {
      machine.ttys.forbid(path);
      try {
        await drivers.uart.open({ path, baudRate: 9_600 });
        return "no error";
      } catch (error) {
        return (error as Error).message;
      }
    },
    end: closeAll,
  });
}

uartConformance(test, "native", native, {});
uartConformance(test, "simulated", simulated, {
  "something that is no tty is refused": "a simulated machine has nothing but ttys to open as one",
});
test.run();
