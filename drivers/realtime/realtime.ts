/** Real-time scheduling and memory locking; realtime.h tells how the native side works. */
import type { RealtimeDriver } from "../../src/io/ports.ts";
import type { Addon } from "../load.ts";

export function nativeRealtime(addon: Addon): RealtimeDriver {
  return {
    enter: (priority) => addon.realtimeEnter(priority),
    lockMemory: () => addon.realtimeLockMemory(),
  };
}
