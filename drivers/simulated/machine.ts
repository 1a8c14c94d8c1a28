/** A machine whose hardware is simulated: the drivers of a card, and the knobs of what they drive. */
import type { Drivers } from "../../src/io/ports.ts";
import { SimulatedEthernet } from "./ether.ts";
import { SimulatedNet } from "./net.ts";
import { SimulatedRealtime } from "./realtime.ts";
import type { Scheduler } from "./scheduler.ts";
import { SimulatedTtys } from "./tty.ts";
import { SimulatedWatchdogs } from "./watchdog.ts";

export type SimulatedMachine = {
  readonly drivers: Drivers;
  readonly ethernet: SimulatedEthernet;
  readonly ttys: SimulatedTtys;
  readonly watchdogs: SimulatedWatchdogs;
  readonly realtime: SimulatedRealtime;
};

export type SimulatedMachineOptions = {
  readonly scheduler: Scheduler;
  /** How long an Ethernet frame is under way. */
  readonly etherDelayMs: number;
  /** Whether the process may ask for real-time scheduling and locked memory. */
  readonly isPrivileged: boolean;
};

export function simulatedMachine(options: SimulatedMachineOptions): SimulatedMachine {
  const ethernet = new SimulatedEthernet(options.scheduler, options.etherDelayMs);
  const ttys = new SimulatedTtys(options.scheduler);
  const watchdogs = new SimulatedWatchdogs(options.scheduler);
  const realtime = new SimulatedRealtime(options.isPrivileged);
  const drivers: Drivers = {
    ether: ethernet,
    uart: ttys.uart,
    net: new SimulatedNet(ethernet, () => options.scheduler.now()),
    watchdog: watchdogs,
    realtime,
    pty: ttys.pty,
  };
  return { drivers, ethernet, ttys, watchdogs, realtime };
}
