/** Watchdog devices; watchdog.h tells how the native side works. */
import type { WatchdogDriver } from "../../src/io/ports.ts";
import type { Addon } from "../load.ts";

export function nativeWatchdog(addon: Addon): WatchdogDriver {
  return {
    open(path, timeoutS) {
      const opened = addon.watchdogOpen(path, timeoutS);
      return {
        timeoutS: opened.timeoutS,
        feed: () => addon.watchdogFeed(opened.port),
        close: ({ disarm }) => addon.watchdogClose(opened.port, disarm),
      };
    },
  };
}
