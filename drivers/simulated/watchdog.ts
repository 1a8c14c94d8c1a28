/** Watchdog devices that keep a record of what was written to them and say when they have fired. */
import type { Watchdog, WatchdogDriver } from "../../src/io/ports.ts";
import type { Scheduler } from "./scheduler.ts";

type Device = {
  /** What was written, as the native driver writes it: "." for each feed, "V" before a disarming close. */
  written: string;
  /** The instant at which the device fires, or undefined while it is stopped. */
  firesAt: number | undefined;
  /** How often it has fired: a real one resets the machine the first time. */
  firedCount: number;
  isOpen: boolean;
};

export class SimulatedWatchdogs implements WatchdogDriver {
  readonly #scheduler: Scheduler;
  readonly #devices = new Map<string, Device>();

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler;
  }

  addDevice(path: string): void {
    this.#devices.set(path, { written: "", firesAt: undefined, firedCount: 0, isOpen: false });
  }

  writtenTo(path: string): string {
    return this.#devices.get(path)?.written ?? "";
  }

  firedCountOf(path: string): number {
    return this.#devices.get(path)?.firedCount ?? 0;
  }

  open(path: string, timeoutS: number): Watchdog {
    const device = this.#devices.get(path);
    if (device === undefined) throw new Error(`watchdog: there is no device "${path}"`);
    if (device.isOpen) throw new Error(`watchdog: "${path}" is in use by another program`);
    if (!Number.isInteger(timeoutS) || timeoutS < 1) throw new Error(`watchdog: a time-out of ${timeoutS} s is out of range`);
    let open = true;
    device.isOpen = true;
    this.#arm(device, timeoutS);
    return {
      timeoutS,
      feed: () => {
        if (!open) throw new Error(`watchdog: "${path}" cannot be fed, it is closed`);
        device.written += ".";
        this.#arm(device, timeoutS);
      },
      close: ({ disarm }) => {
        if (!open) return;
        open = false;
        device.isOpen = false;
        if (!disarm) return;
        device.written += "V";
        device.firesAt = undefined;
      },
    };
  }

  #arm(device: Device, timeoutS: number): void {
    const firesAt = this.#scheduler.now() + timeoutS * 1_000;
    device.firesAt = firesAt;
    this.#scheduler.schedule(timeoutS * 1_000, () => {
      if (device.firesAt === firesAt) device.firedCount++;
    });
  }
}
