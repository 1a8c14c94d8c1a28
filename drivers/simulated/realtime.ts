/** Takes note of what a process asked for; there is no scheduler here to obey it. */
import type { RealtimeDriver } from "../../src/io/ports.ts";

export class SimulatedRealtime implements RealtimeDriver {
  readonly #permitted: boolean;
  /** 0 while the process is scheduled normally. */
  priority = 0;
  locked = false;

  constructor(permitted: boolean) {
    this.#permitted = permitted;
  }

  enter(priority: number): void {
    if (!Number.isInteger(priority) || priority < 2 || priority > 99) {
      throw new Error(`realtime: priority is ${priority}; it must be from 2 to 99`);
    }
    if (!this.#permitted) throw new Error(`realtime: SCHED_FIFO with priority ${priority} is not permitted: CAP_SYS_NICE is missing`);
    this.priority = priority;
  }

  lockMemory(): void {
    if (!this.#permitted) throw new Error("realtime: memory cannot be locked: CAP_IPC_LOCK is missing");
    this.locked = true;
  }
}
