/** Both Ethernet drivers against one suite: the native one on veth pairs in a network namespace of its own. */
import { fileURLToPath } from "node:url";
import { test } from "uvu";
import { nativeDrivers } from "../../drivers/native.ts";
import { simulatedMachine } from "../../drivers/simulated/machine.ts";
import { closing } from "./closing.ts";
import { etherConformance, type EtherWorld } from "./ether.ts";
import { command, enterNamespaces, runCommand } from "./namespace.ts";
import { makeVethPair } from "./veth.ts";
import { VirtualTime } from "./virtual-time.ts";
import { realWaiting, virtualWaiting } from "./world.ts";

enterNamespaces(import.meta.url);

const left = "left0";
const right = "right0";

function otherOf(name: string): string {
  return name === left ? right : left;
}

async function native(): Promise<EtherWorld> {
  const { drivers, closeAll } = closing(nativeDrivers());
  await makeVethPair(left, right);
  let removed = false;
  return {
    ...realWaiting,
    drivers,
    left,
    right,
    // An end of a veth pair has carrier while the other end is up.
    setCarrier: (name, up) => Promise.resolve(void command("ip", "link", "set", otherOf(name), up ? "up" : "down")),
    takeDown: (name) => Promise.resolve(void command("ip", "link", "set", name, "down")),
    remove: (name) => {
      removed = true;
      return Promise.resolve(void command("ip", "link", "del", name));
    },
    openForbidden: (name) => {
      const program = fileURLToPath(new URL("forbidden.ts", import.meta.url));
      return Promise.resolve(command("setpriv", "--bounding-set=-net_raw", ...runCommand(program), "ether", name));
    },
    end: async () => {
      await closeAll();
      if (!removed) command("ip", "link", "del", left);
    },
  };
}

function simulated(): Promise<EtherWorld> {
  const time = new VirtualTime();
  const machine = simulatedMachine({ scheduler: time, etherDelayMs: 0.05, isPrivileged: true });
  const { drivers, closeAll } = closing(machine.drivers);
  machine.ethernet.addInterface(left, Uint8Array.of(2, 0, 0, 0, 0, 1));
  machine.ethernet.addInterface(right, Uint8Array.of(2, 0, 0, 0, 0, 2));
  return Promise.resolve({
    ...virtualWaiting(time),
    drivers,
    left,
    right,
    setCarrier: (name, up) => Promise.resolve(machine.ethernet.setCarrier(name, up)),
    takeDown: (name) => Promise.resolve(machine.ethernet.setCarrier(name, false)),
    remove: (name) => Promise.resolve(machine.ethernet.removeInterface(name)),
    openForbidden: async (name) => {
      machine.ethernet.forbid(name);
      try {
        await drivers.ether.open({ interface: name, etherTypes: [0x88b5], groups: [] }, () => {});
        return "no error";
      } catch (error) {
        return (error as Error).message;
      }
    },
    end: closeAll,
  });
}

etherConformance(test, "native", native, {});
etherConformance(test, "simulated", simulated, {});
test.run();
